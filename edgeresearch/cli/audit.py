"""The command that shows the claims audit."""

from pathlib import Path
from typing import Annotated

import typer

from edgeresearch.cli.base import app, described

COLOURS = ("green", "yellow", "red", "magenta", "dim")
"""Of the verdicts, in the order of `rules.VERDICTS`."""


@app.command(
    help=described(
        "Show every claim of both papers beside what was measured, and the verdict that follows.",
        "edgeresearch claims",
        "edgeresearch claims --paper B",
        "edgeresearch claims --paper A --verdict 'contradicted by the paper itself'",
    )
)
def claims(
    paper: Annotated[str | None, typer.Option(help="A or B.", show_default="both")] = None,
    verdict: Annotated[
        str | None, typer.Option(help="Only claims of this verdict, such as partly.", show_default="all")
    ] = None,
    reports: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("reports"),
) -> None:
    """Show the claims audit."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from edgeresearch.papers.claims.rules import VERDICTS
    from edgeresearch.papers.claims.table import FILE, format_value, read_claims, select_claims

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
