"""The command that runs an experiment over many settings and seeds."""

from pathlib import Path
from typing import Annotated

import typer

from edgeresearch.cli.base import PARAMS, app, described, read_settings, show
from edgeresearch.errors import RunError

FAILED = "failed.csv"
SHOWN = 30
"""Settings that are shown; the summary has all."""


@app.command(
    help=described(
        "Run an experiment (los, elastic, forecast) over a grid or a Latin hypercube of settings, with many seeds.",
        "edgeresearch sweep sweep.yaml --out results",
        "edgeresearch sweep sweep.yaml --workers 8 --out results",
        "edgeresearch sweep sweep.yaml --backend dask --address tcp://10.0.0.1:8786 --out results",
        "edgeresearch sweep sweep.yaml --backend ray --address auto --retry --out results",
    )
)
def sweep(
    spec: Annotated[Path, typer.Argument(help="YAML file, the spec: what is varied.", metavar="SPEC.yaml")],
    out: Annotated[Path, typer.Option(help="Folder of the results; a stopped sweep continues there.")],
    backend: Annotated[str, typer.Option(help="loky (this machine's cores), dask or ray.")] = "loky",
    workers: Annotated[int | None, typer.Option(help="Processes that are started.", show_default="all cores")] = None,
    address: Annotated[
        str | None, typer.Option(help="Of a cluster of Dask or Ray that is there.", show_default="one is started")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run cells that failed again.")] = False,
    folder: Annotated[Path | None, typer.Option(help="Where the data lies.", show_default=PARAMS)] = None,
    params: Annotated[Path | None, typer.Option(help="Settings.", show_default="params.yaml, if it is here")] = None,
) -> None:
    """Run a sweep."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    import edgeresearch as er

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), "left:", TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("sweep", total=None)
        result = er.sweep(
            spec,
            out,
            workers=workers,
            backend=backend,
            address=address,
            retry=retry,
            base=read_settings(params),
            data=folder,
            progress=print,
            watch=lambda finished, total: progress.update(bar, completed=finished, total=total),
        )
    result.save(out)
    shown = result.table.reindex(columns=[*result.spec.varied, "cells", result.measure]).head(SHOWN)
    if f"{result.measure}_low" in result.table:
        bounds = result.table[[f"{result.measure}_low", f"{result.measure}_high"]].head(SHOWN)
        shown["95 %"] = bounds.map("{:.4g}".format).agg(" to ".join, axis=1)
    more = f"; the first {SHOWN} settings" if len(result.table) > SHOWN else ""
    show(shown, f"{result.labels[result.measure]}, means over the seeds{more}")
    print(f"results: {out}")
    if len(result.failures):
        raise RunError(
            f"{len(result.failures)} of {len(result.cells)} cells failed; {out / FAILED} tells which and why"
        )
