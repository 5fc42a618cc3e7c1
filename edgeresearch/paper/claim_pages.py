"""The claims audit as it is shown: read again, chosen from, counted, and as a page in Markdown."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from edgeresearch.errors import InputError, nearest
from edgeresearch.paper.claim_rules import CONTRADICTED, UNTESTABLE, VERDICTS
from edgeresearch.paper.verdicts_b import NOT, PARTLY, REPRODUCED

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "A": "Paper A: elastic scheduling of micro-modules",
        "B": "Paper B: local-optimistic scheduling",
    }
)
"""What the papers are called on the page."""

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

SHOWN = ("id", "paper", "where", "claim", "published", "measured", "low", "high", "unit", "verdict", "reason", "fitted")
"""Columns that are shown."""

RELATIONS = ("fitted", "set", "held out")
"""Words of the column `fitted`; the first two say: no prediction."""


def read(path: Path) -> pd.DataFrame:
    """Read the audit; text everywhere, empty where a cell is.

    Args:
        path: `reports/claims.csv`.

    Raises:
        InputError: The file is missing, no CSV, or not of this audit.
    """
    if not path.is_file():
        raise InputError(f"no {path}; run edgeresearch table claims or edgeresearch reproduce first")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {str(error).splitlines()[0]}; run edgeresearch table claims") from error
    absent = [name for name in SHOWN if name not in table.columns]
    if absent:
        raise InputError(f"{path} has no column {absent[0]!r}; run edgeresearch table claims")
    return table


def chosen(table: pd.DataFrame, paper: str | None = None, verdict: str | None = None) -> pd.DataFrame:
    """Return the claims of one paper, or of one verdict, or of both.

    Raises:
        InputError: There is no such paper or verdict; the message names those that there are.
    """
    for column, value, known in (("paper", paper, tuple(TITLES)), ("verdict", verdict, VERDICTS)):
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
    parts = {paper: table[table["paper"] == paper] for paper in TITLES} | {"both": table}
    return {name: _counted(part) for name, part in parts.items()}


def _counted(part: pd.DataFrame) -> dict[str, int]:
    found = {"claims": len(part)}
    found |= {verdict.replace(" ", "_"): int((part["verdict"] == verdict).sum()) for verdict in VERDICTS}
    unaided = (part["verdict"] == REPRODUCED) & ~part["fitted"].isin(RELATIONS[:2])
    return found | {"reproduced_unaided": int(unaided.sum())}


def page(table: pd.DataFrame) -> str:
    """Return the audit as Markdown: counts at the top, then one table per paper, links relative to the reports.

    Args:
        table: `claims.audit`.
    """
    lines = ["# Claims audit", "", *_summary(table)]
    for paper, title in TITLES.items():
        lines += ["", f"## {title}", "", *_claims(table[table["paper"] == paper])]
    return "\n".join(lines) + "\n"


def _summary(table: pd.DataFrame) -> Iterator[str]:
    found = counts(table)
    both = found["both"]
    yield (
        f"{both['claims']} claims of two papers, each beside what was measured here. Every verdict follows from a rule "
        "that the claim names (`edgeresearch/paper/claims.yaml`; the rules: `edgeresearch/paper/claim_rules.py`); none "
        "is written by hand."
    )
    yield ""
    yield f"| verdict | A | B | both | {' | '.join(f'of both, {each}' for each in RELATIONS)} | which means |"
    yield f"|---|{'---:|' * (3 + len(RELATIONS))}---|"
    for verdict in VERDICTS:
        part = table[table["verdict"] == verdict]
        numbers = [(part["paper"] == paper).sum() for paper in TITLES] + [len(part)]
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
