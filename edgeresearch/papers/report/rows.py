"""Claims, counts and tables as the values that the report's templates show."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from edgeresearch.papers.claims.rules import REPRODUCED
from edgeresearch.papers.report import claims as report_claims
from edgeresearch.papers.report.cells import Printed, numeric
from edgeresearch.papers.report.links import Links

LAST = 1e99
"""By what cells without a number are sorted."""


def claim_row(row: Mapping[Any, Any], links: Links) -> dict[str, Any]:
    """Return what the page says of a claim.

    Args:
        row: A row of the audit, all of it text.
        links: What can be linked to.
    """
    verdict = report_claims.VERDICTS[row["verdict"]]
    same = ("id", "paper", "where", "kind", "claim", "reason", "fitted")
    return {
        **{name: row[name] for name in same},
        "published": report_claims.value(row["published"], row["unit"]),
        "published_order": _order(row["published"]),
        "measured": measured(row),
        "measured_order": _order(row["measured"]),
        "interval": interval(row),
        "basis": _basis(row),
        "synthetic": "synthetic" in row["data"],
        "verdict": {"name": verdict.name, "style": verdict.style, "sign": verdict.sign, "group": verdict.group},
        "rank": list(report_claims.VERDICTS).index(verdict.name),
        "links": links.of_claim(row),
    }


def measured(row: Mapping[Any, Any]) -> str:
    """Return the measured value of a claim with its unit."""
    text = report_claims.shown(row["measured"], row["published"], row["low"], row["high"])
    return report_claims.value(text, row["unit"])


def interval(row: Mapping[Any, Any]) -> str:
    """Return the 95 % interval of a claim's measured value, or nothing where there is none."""
    return report_claims.interval(row["measured"], row["published"], row["low"], row["high"])


def _order(text: str) -> float:
    """By what a cell is sorted: texts stand behind all numbers."""
    number = report_claims.number(text)
    return LAST if number is None else number


def _basis(row: Mapping[Any, Any]) -> str:
    seeds = row["seeds"]
    return "; ".join(
        each for each in (row["data"], f"{seeds} seed{'s' if seeds != '1' else ''}" if seeds else "") if each
    )


def counted(row: Any) -> dict[str, Any]:
    """Return the counts of a paper: the three groups, what is left, and each verdict.

    Args:
        row: A row of `report_claims.counts`.
    """
    styles = {each.group: each.style for each in reversed(list(report_claims.VERDICTS.values()))}
    more = {REPRODUCED: f"{row['unaided']} of them neither fitted nor set"}
    groups = [
        {"name": name, "count": int(row[name]), "style": styles[name], "more": more.get(name, "")}
        for name in report_claims.GROUPS
    ]
    parts = [{"count": int(row[name]), "style": each.style} for name, each in report_claims.VERDICTS.items()]
    return {"groups": groups[:3], "rest": groups[3], "parts": parts}


def verdict_counts(claims: pd.DataFrame, every: bool = False) -> list[dict[str, Any]]:
    """Return how many claims have each verdict, in the verdicts' order.

    Args:
        claims: Rows of the audit.
        every: Whether verdicts are named that none has.
    """
    counts = [(each, int((claims["verdict"] == each.name).sum())) for each in report_claims.VERDICTS.values()]
    return [
        {"name": each.name, "style": each.style, "sign": each.sign, "count": count}
        for each, count in counts
        if count or every
    ]


def table_cells(table: Printed) -> dict[str, Any]:
    """Return a table as columns, rows and notes; a column is one of numbers if all its cells are."""
    frame = table.table
    columns = [{"name": str(name), "number": numeric(frame[name])} for name in frame.columns]
    rows = [list(map(str, row)) for row in frame.itertuples(index=False)]
    return {"title": table.title, "columns": columns, "rows": rows, "notes": table.notes}
