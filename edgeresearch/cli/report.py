"""Commands that hand results on: the report, and tables and figures to paste."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeresearch.cli.base import app, described, warn

if TYPE_CHECKING:
    from edgeresearch.papers.report.site import Run


def _run(params: Path) -> "Run":
    from edgeresearch.config import Params, load
    from edgeresearch.papers.report.site import Run

    home = Path().absolute()
    name = home.name if home.parent.name == "build" else "own"  # a profile's workspace is build/NAME
    return Run(Path(), load(params).model_dump(), Params().model_dump(), name)


@app.command(
    help=described(
        "Make the report: every claim, figure and table of both papers beside what came out, as pages to read or send.",
        "edgeresearch report --open",
        "edgeresearch report --out site",
        "edgeresearch report --readme README.md",
    )
)
def report(
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the site.", show_default="reports/site")] = None,
    readme: Annotated[
        Path | None, typer.Option(help="Write the results into this file, between its markers, and nothing else.")
    ] = None,
    params: Annotated[Path, typer.Option(help="Settings of the run.")] = Path("params.yaml"),
) -> None:
    """Make the report."""
    import webbrowser

    from edgeresearch.papers.report import readme_results
    from edgeresearch.papers.report import site as work

    run = _run(params)
    if readme:
        print(f"readme: {readme_results.write(readme, run.reports, run.settings)}")
        return
    page = work.build(run, out)
    print(f"report: {page}")
    if open_ and not webbrowser.open(page.absolute().as_uri()):
        warn(f"no browser could be opened; open {page} in one")


@app.command(
    help=described(
        "Write every table as LaTeX and Markdown and every figure as SVG, to paste into a paper; names stay.",
        "edgeresearch export --out exports",
    )
)
def export(
    out: Annotated[Path, typer.Option(help="Folder that gets tables/ and figures/.")],
    params: Annotated[Path, typer.Option(help="Settings of the run.")] = Path("params.yaml"),
) -> None:
    """Export tables and figures."""
    from edgeresearch.papers.claims.table import FILE, read_claims
    from edgeresearch.papers.report import exports, printed

    run = _run(params)
    tables = printed.printed(run.reports, run.settings)
    claims = exports.audit(read_claims(run.reports / FILE))
    for missing in exports.write([*tables, claims], run.figures, out):
        warn(f"{missing.name} is left out: {missing.reason}")
    print(f"exports: {out}")
