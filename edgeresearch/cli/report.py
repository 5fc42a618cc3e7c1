"""Commands that hand results on: the audit of claims, the report, and tables and figures to paste."""

from pathlib import Path
from typing import Annotated

from typer import Option

from edgeresearch.cli import base

COLOURS = ("green", "yellow", "red", "magenta", "dim")
"""Of the verdicts, in the order of `rules.VERDICTS`."""


@base.command("", "--paper B", "--paper A --verdict 'contradicted by the paper itself'")
def claims(
    paper: Annotated[str | None, base.option("A or B.", "both")] = None,
    verdict: Annotated[str | None, base.option("Only claims of this verdict, such as partly.", "all")] = None,
    reports: base.ReportsFolder = Path("reports"),
) -> None:
    """Show every claim of both papers beside what was measured, and the verdict that follows."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from edgeresearch.papers.claims.audit import FILE, format_value, read_claims, select_claims
    from edgeresearch.papers.claims.rules import VERDICTS

    table = select_claims(read_claims(reports / FILE), paper, verdict)
    shown = Table(title=f"{len(table)} claims", title_justify="left", show_lines=True)
    for column, ratio in {"id": None, "claim": 4, "published": 1, "measured": 1, "verdict": None, "why": 5}.items():
        shown.add_column(column, ratio=ratio, overflow="fold")
    colours = dict(zip(VERDICTS, COLOURS, strict=True))
    for row in table.to_dict("records"):
        judged = Text(row["verdict"], style=colours.get(row["verdict"], ""))
        judged.append(f" ({row['fitted']})" if row["fitted"] else "", style="dim")
        words = (f"{row['claim']} ({row['where']})", format_value(row, "published"), format_value(row, "measured"))
        shown.add_row(row["id"], *map(Text, words), judged, Text(row["reason"]))
    console = Console()
    console.print(shown)
    console.print(Text("; ".join(f"{name}: {(table['verdict'] == name).sum()}" for name in VERDICTS)))


@base.command("--open", "--out site", "--readme README.md")
def report(
    open_: Annotated[bool, Option("--open", help="Open it in the browser.")] = False,
    out: Annotated[Path | None, base.option("Folder of the site.", "reports/site")] = None,
    readme: Annotated[Path | None, Option(help="Write the results between this file's markers, no report.")] = None,
    params: base.ParamsFile = None,
) -> None:
    """Make the report: every claim, figure and table of both papers beside what came out, as pages to read or send."""
    import webbrowser

    from edgeresearch.config import Params

    if readme:
        from edgeresearch.papers.report.findings import write_readme

        print(f"readme: {write_readme(readme, Path('reports'))}")
        return
    settings, home = base.read_settings(params), Path().absolute()
    from edgeresearch.papers.report.site import build_site

    profile = home.name if home.parent.name == "build" else "own"  # a profile's workspace is build/NAME
    page = build_site(Path(), settings.model_dump(), Params().model_dump(), profile, out)
    print(f"report: {page}")
    if open_ and not webbrowser.open(page.absolute().as_uri()):
        base.warn(f"no browser could be opened; open {page} in one")


@base.command("--out exports")
def export(
    out: Annotated[Path, Option(help="Folder that gets tables/ and figures/.")],
    params: base.ParamsFile = None,
) -> None:
    """Write every table as LaTeX and Markdown and every figure as SVG, to paste into a paper; names stay."""
    settings = base.read_settings(params).model_dump()
    from edgeresearch.papers.report.site import write_exports

    for name, reason in write_exports(Path("reports"), settings, out).items():
        base.warn(f"{name} is left out: {reason}")
    print(f"exports: {out}")
