"""The audited claims as a reader sees them: verdicts counted and marked, numbers with few digits."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from edgeresearch.papers.claims.rules import CONTRADICTED, NOT, REPRODUCED, VERDICTS
from edgeresearch.papers.claims.table import FITTED, SET

MISSED = "not reproduced or contradicted"
"""What the two verdicts that say no are counted as."""

LAST = 1e99
"""The sort key of cells without a number."""


def tally(claims: Sequence[Mapping[Any, Any]]) -> Counter[str]:
    """Count some claims: by verdict, `MISSED`, all (`claims`), and the reproduced ones without a fit (`unaided`)."""
    counts = Counter(row["verdict"] for row in claims)
    counts[MISSED] = counts[NOT] + counts[CONTRADICTED]
    counts["claims"] = len(claims)
    counts["unaided"] = sum(row["verdict"] == REPRODUCED and row["fitted"] not in (FITTED, SET) for row in claims)
    return counts


def describe_claim(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row of the audit with its values as they are read, and what they are sorted by."""
    measured, interval = _measured(row)
    seeds = f"{row['seeds']} seed{'s' if row['seeds'] != '1' else ''}" if row["seeds"] else ""
    return {
        **row,
        "published": _with_unit(row["published"], row["unit"]),
        "measured": _with_unit(measured, row["unit"]),
        "interval": interval,
        "order": [LAST if _number(row[name]) is None else _number(row[name]) for name in ("published", "measured")],
        "basis": "; ".join(filter(None, [row["data"], seeds])),
        "rank": VERDICTS.index(row["verdict"]),
    }


def _measured(row: Mapping[Any, Any]) -> tuple[str, str]:
    """The measured value and its interval, with four digits.

    No more decimals than are known are written, and at most one more than the published number has.
    """
    numbers = {name: row[name] for name in ("measured", "published", "low", "high") if _number(row[name]) is not None}
    known = max((_decimals(text) for text in numbers.values()), default=0)
    if "published" in numbers:
        known = min(known, _decimals(numbers["published"]) + 1)
    size = abs(float(numbers.get("measured", numbers.get("low", 0))))
    places = min(max(3 - math.floor(math.log10(size)), 0), known) if size else known
    written = {name: f"{float(text):,.{places}f}" for name, text in numbers.items()}
    spread = {"low", "high"} <= set(numbers) and numbers["low"] != numbers["high"]
    return written.get("measured", row["measured"]), f"{written['low']} to {written['high']}" if spread else ""


def _number(text: str) -> float | None:
    try:
        return float(text) if math.isfinite(float(text)) else None
    except ValueError:
        return None


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit and _number(text.replace(",", "")) is not None else text
