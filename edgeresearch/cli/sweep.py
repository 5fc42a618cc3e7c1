"""The command that runs an experiment over many settings and seeds."""

import importlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeresearch.cli.base import PARAMS, app, described, read_settings, show
from edgeresearch.errors import RunError

if TYPE_CHECKING:
    from edgeresearch.sweeps.api import Report

SHOWN = 30
"""Settings that are shown; the summary has all."""
DRAWING = "edgeresearch.plotting.sweep"
"""What draws the figure; it takes a second to be loaded."""


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
    workers: Annotated[int, typer.Option(help="Processes that are started.")] = 2,
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

    from edgeresearch.sweeps.api import FAILED, sweep_file

    ahead = threading.Thread(target=importlib.import_module, args=(DRAWING,))

    def draw(report: "Report", folder: Path) -> None:
        importlib.import_module(DRAWING).draw(report, folder)

    def watch(done: int, total: int) -> None:
        if ahead.ident is None and (workers > 1 or address is not None):
            ahead.start()  # while others work, this process would only wait
        progress.update(bar, completed=done, total=total)

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), "left:", TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("sweep", total=None)
        report = sweep_file(
            spec,
            out,
            base=read_settings(params),
            data=folder,
            backend=backend,
            workers=workers,
            address=address,
            retry=retry,
            draw=draw,
            tell=print,
            watch=watch,
        )
    names = [*report.spec.varied, "cells", report.measure]
    shown = report.summary.reindex(columns=names).head(SHOWN)
    if f"{report.measure}_low" in report.summary:
        bounds = report.summary[[f"{report.measure}_low", f"{report.measure}_high"]].head(SHOWN)
        shown["95 %"] = bounds.map("{:.4g}".format).agg(" to ".join, axis=1)
    cells = shown.map(lambda cell: f"{cell:.4g}" if isinstance(cell, float) else cell)
    more = f"; the first {SHOWN} settings" if len(report.summary) > SHOWN else ""
    show(cells, f"{report.labels[report.measure]}, means over the seeds{more}")
    print(f"results: {out}")
    if report.failed:
        raise RunError(f"{report.failed} of {len(report.table)} cells failed; {out / FAILED} tells which and why")
