"""Commands that hand results on: the audit of claims, the report, and tables and figures to paste."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from edgeresearch.cli import base
from edgeresearch.errors import InputError, nearest

if TYPE_CHECKING:
    import pandas as pd

SHORT = {
    "reproduced": "reproduced",
    "partly": "partly",
    "not reproduced": "not reproduced",
    "contradicted": "contradicted by the paper itself",
    "not testable": "not testable here",
}
"""The verdicts by the words that a line has room for, in the order of `rules.VERDICTS`.

They stand here, too, as no help or completion waits for that room.
"""
COLOURS = ("green", "yellow", "red", "magenta", "dim")


@base.command("", "B-F7-04", "--paper B --verdict partly", panel=base.READ)
def claims(
    claim: Annotated[str | None, Argument(help="A claim's ID: tell all about it.", metavar="[ID]")] = None,
    paper: Annotated[str | None, base.option("Of one only", "both", words=base.Words("paper", ("A", "B")))] = None,
    verdict: Annotated[str | None, base.option("Of one only", "all", words=base.Words("verdict", tuple(SHORT)))] = None,
    reports: base.ReportsFolder = Path("reports"),
) -> None:
    """Show the verdict on every claim of both papers, a line each, or the reason for one."""
    from edgeresearch.papers.claims.audit import FILE, read_claims, select_claims

    table = read_claims(reports / FILE)
    if claim:
        _show_claim(table, claim)
        return
    table = select_claims(table, paper, SHORT[verdict] if verdict else None)
    names = {full: short for short, full in SHORT.items()}
    lines = table.assign(verdict=table["verdict"].map(names))[["id", "paper", "verdict", "claim"]]
    _print_lines(lines, dict(zip(SHORT, COLOURS, strict=True)))
    print(f"{len(lines)} claims: " + ", ".join(f"{(lines['verdict'] == name).sum()} {name}" for name in SHORT))


def _print_lines(table: "pd.DataFrame", colours: Mapping[str, str]) -> None:
    """Print one line per claim, cut to a terminal's width; in a pipe whole, columns parted by two spaces or more."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    width = {name: table[name].str.len().max() for name in ("id", "paper", "verdict")} if len(table) else {}
    for row in table.to_dict("records"):
        line = Text("  ".join([*(row[name].ljust(size) for name, size in width.items()), row["claim"]]))
        line.highlight_words([f"  {row['verdict']} "], colours[row["verdict"]])
        if console.is_terminal:
            line.truncate(console.width, overflow="ellipsis")
        console.print(line, soft_wrap=True)


def _show_claim(table: "pd.DataFrame", claim: str) -> None:
    """Print all about a claim: a line per fact, none cut."""
    from edgeresearch.papers.claims.audit import RECORDS, format_value
    from edgeresearch.papers.claims.rules import RELATIONS, describe_rule

    rows = {row["id"]: row for row in table.to_dict("records")}
    name = next((each for each in rows if each.lower() == claim.lower()), claim)
    if name not in rows:
        hint = nearest(claim.upper(), rows) or "; `edgeresearch claims` lists them"
        raise InputError(f"unknown claim {claim!r}{hint}")
    row, rules = rows[name], {each.id: each.rule for each in RECORDS}
    seeds = f"; {row['seeds']} seeds" if row["seeds"] not in ("", "1") else ""
    facts = {
        "claim": f"{row['claim']} (paper {row['paper']}, {row['where']})",
        "verdict": row["verdict"],
        "published": format_value(row, "published"),
        "settings": f"{fitted}: {RELATIONS[fitted]}" if (fitted := row["fitted"]) else "none has to do with it",
        "measured": format_value(row, "measured") + (", 95 % interval in brackets" if row["low"] else ""),
        "data": f"{row['data']}{seeds}" if row["data"] else "",
        "rule": describe_rule(rules[name]) if name in rules else "",
        "reason": row["reason"],
        "figure": row["figure"],
        "notebook": row["notebook"] and f"notebooks/{row['notebook']}.ipynb",
        "stage": row["stage"],
    }
    print(name, *(f"{what + ':':<11}{said}" for what, said in facts.items() if said), sep="\n")


@base.command("--open", "--out site", "--readme README.md", panel=base.READ)
def report(
    open_: Annotated[bool, Option("--open", help="Open it in the browser.")] = False,
    out: Annotated[Path | None, base.option("Folder of the site.", "reports/site")] = None,
    readme: Annotated[Path | None, Option(help="Write the results between this file's markers, no report.")] = None,
    params: base.ParamsFile = None,
) -> None:
    """Make the report: claims, figures and tables beside what came out, as pages to read or send."""
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


@base.command("--out exports", panel=base.READ)
def export(
    out: Annotated[Path, Option(help="Folder that gets tables/ and figures/.")],
    params: base.ParamsFile = None,
) -> None:
    """Write tables as LaTeX and Markdown and figures as SVG, to paste into a paper; names stay."""
    settings = base.read_settings(params).model_dump()
    from edgeresearch.papers.report.site import write_exports

    for name, reason in write_exports(Path("reports"), settings, out).items():
        base.warn(f"{name} is left out: {reason}")
    print(f"exports: {out}")
