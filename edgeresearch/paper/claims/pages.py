"""The claims audit as it is shown: chosen from, counted, and as a page in Markdown."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd

from edgeresearch.errors import InputError, nearest
from edgeresearch.paper.claims.audit import CONTRADICTED, PAPERS, RELATIONS, UNTESTABLE, VERDICTS, unaided
from edgeresearch.paper.verdicts_b import NOT, PARTLY, REPRODUCED

MEANING: Mapping[str, str] = MappingProxyType(
    {
        REPRODUCED: "within the stated tolerance; a ranking holds, and not by chance",
        PARTLY: "near, too vague to tell, under some readings of the paper only, or in means whose intervals meet",
        NOT: "neither",
        CONTRADICTED: "the paper's own numbers or sentences disagree",
        UNTESTABLE: "nothing to measure, or not among the results of this profile",
    }
)
"""What each verdict means, in short; the rules are in `claim_rules`."""


def chosen(table: pd.DataFrame, paper: str | None = None, verdict: str | None = None) -> pd.DataFrame:
    """Return the claims of one paper, or of one verdict, or of both.

    Raises:
        InputError: There is no such paper or verdict; the message names those that there are.
    """
    for column, value, known in (("paper", paper, tuple(PAPERS)), ("verdict", verdict, VERDICTS)):
        if value is not None and value not in known:
            raise InputError(f"unknown {column} {value!r}{nearest(value, known)}; known: {', '.join(known)}")
        table = table if value is None else table[table[column] == value]
    return table


def counts(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count verdicts: by paper and for both, `claims`, each verdict, and `reproduced_unaided`.

    Args:
        table: `claims.audit`.

    Returns:
        By `A`, `B` and `both`. `reproduced_unaided` are the reproduced ones whose value was neither fitted nor set.
    """
    parts = {paper: table[table["paper"] == paper] for paper in PAPERS} | {"both": table}
    return {name: _counted(part) for name, part in parts.items()}


def _counted(part: pd.DataFrame) -> dict[str, int]:
    found = {"claims": len(part)}
    found |= {verdict.replace(" ", "_"): int((part["verdict"] == verdict).sum()) for verdict in VERDICTS}
    return found | {"reproduced_unaided": unaided(part)}


def page(table: pd.DataFrame) -> str:
    """Return the audit as Markdown: counts at the top, then one table per paper, links relative to the reports.

    Args:
        table: `claims.audit`.
    """
    lines = ["# Claims audit", "", *_summary(table)]
    for paper, title in PAPERS.items():
        lines += ["", f"## Paper {paper}: {title[:1].lower()}{title[1:]}", "", *_claims(table[table["paper"] == paper])]
    return "\n".join(lines) + "\n"


def _summary(table: pd.DataFrame) -> Iterator[str]:
    found = counts(table)
    both = found["both"]
    yield (
        f"{both['claims']} claims of two papers, each beside what was measured here. Every verdict follows from a rule "
        "that the claim names (`edgeresearch/paper/claims/claims.yaml`; the rules: `rules.py` beside it); none is "
        "written by hand."
    )
    yield ""
    yield f"| verdict | A | B | both | {' | '.join(f'of both, {each}' for each in RELATIONS)} | which means |"
    yield f"|---|{'---:|' * (3 + len(RELATIONS))}---|"
    for verdict in VERDICTS:
        part = table[table["verdict"] == verdict]
        numbers = [(part["paper"] == paper).sum() for paper in PAPERS] + [len(part)]
        numbers += [(part["fitted"] == each).sum() for each in RELATIONS]
        yield f"| {verdict} | {' | '.join(map(str, numbers))} | {MEANING[verdict]} |"
    yield ""
    yield (
        f"Of the {both['reproduced']} that are reproduced, {both['reproduced_unaided']} were neither fitted nor set "
        f"(A: {found['A']['reproduced_unaided']}, B: {found['B']['reproduced_unaided']}). *Fitted*: settings were "
        "chosen to meet the published value, which shows that it can be reached, and predicts nothing. *Set*: the "
        "published value is a setting here. *Held out*: it had no part in a fit, though it had been seen."
    )


def _claims(part: pd.DataFrame) -> Iterator[str]:
    yield "| id | claim | published | measured (95 %) | data | verdict | why |"
    yield "|---|---|---|---|---|---|---|"
    for row in part.to_dict("records"):
        figure = row["figure"]
        place = f"[{row['where']}]({figure.removeprefix('reports/')})" if figure else row["where"]
        cells = (
            f"{row['id']}<br>{place}",
            row["claim"],
            value(row, "published"),
            value(row, "measured"),
            row["data"] + (f"; {row['seeds']} seeds" if row["seeds"] not in ("", "1") else ""),
            f"**{row['verdict']}**" + (f" ({row['fitted']})" if row["fitted"] else ""),
            row["reason"],
        )
        yield _line(cells)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def value(row: Mapping[Any, str], name: str) -> str:
    """Return a number of a claim with few digits, its unit, and the interval if it is ours; words as they are.

    Args:
        row: The claim's.
        name: `published` or `measured`.
    """
    try:
        text = f"{float(row[name]):.4g}"
    except ValueError:
        return row[name]
    if name == "measured" and row["low"]:
        text += f" ({float(row['low']):.4g} to {float(row['high']):.4g})"
    return f"{text} {row['unit']}".strip()
