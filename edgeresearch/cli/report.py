"""Commands that hand results on: the report, and tables and figures to paste."""

from pathlib import Path
from typing import Annotated

import typer

from edgeresearch.cli.base import app, described, warn


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

    from edgeresearch.config import Params, load

    if readme:
        from edgeresearch.papers.report.readme import write_readme

        print(f"readme: {write_readme(readme, Path('reports'))}")
        return
    from edgeresearch.papers.report.site import build_site

    home = Path().absolute()
    profile = home.name if home.parent.name == "build" else "own"  # a profile's workspace is build/NAME
    page = build_site(Path(), load(params).model_dump(), Params().model_dump(), profile, out)
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
    from edgeresearch.config import load
    from edgeresearch.errors import InputError
    from edgeresearch.papers.claims.table import FILE, read_claims
    from edgeresearch.papers.report.export import write_exports
    from edgeresearch.papers.report.published import paper_tables

    reports, settings = Path("reports"), load(params)
    claims = read_claims(reports / FILE)
    tables = paper_tables(reports, settings.model_dump())
    write_exports(tables, claims, reports / "figures", out)
    for name, table in tables.items():
        if isinstance(table, InputError):
            warn(f"{name} is left out: {table}")
    print(f"exports: {out}")
