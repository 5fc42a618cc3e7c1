"""The audited claims as the report shows them: verdicts counted, values written as everywhere, and sortable."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from edgeresearch.papers.claims.audit import format_value
from edgeresearch.papers.claims.rules import CONTRADICTED, FITTED, NOT, REPRODUCED, SET, VERDICTS

MISSED = "not reproduced or contradicted"
"""What the two verdicts that say no are counted as."""


def tally(claims: Sequence[Mapping[Any, Any]]) -> Counter[str]:
    """Count some claims: by verdict, `MISSED`, all (`claims`), and the reproduced ones without a fit (`unaided`)."""
    counts = Counter(row["verdict"] for row in claims)
    counts[MISSED] = counts[NOT] + counts[CONTRADICTED]
    counts["claims"] = len(claims)
    counts["unaided"] = sum(row["verdict"] == REPRODUCED and row["fitted"] not in (FITTED, SET) for row in claims)
    return counts


def describe_claim(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row of the audit with its values and interval as they are read, and what they are sorted by."""
    ends = [f"{float(row[end]):.4g}" for end in ("low", "high") if row[end]]
    seeds = f"{row['seeds']} seed{'s' if row['seeds'] != '1' else ''}" if row["seeds"] else ""
    return {
        **row,
        "published": format_value(row, "published"),
        "measured": format_value({**row, "low": ""}, "measured"),
        "interval": " to ".join(ends) if len(set(ends)) == 2 else "",
        "order": [_order(row["published"]), _order(row["measured"])],
        "basis": "; ".join(filter(None, [row["data"], seeds])),
        "rank": VERDICTS.index(row["verdict"]),
    }


def _order(text: str) -> float:
    """What a cell is sorted by: texts stand behind all numbers."""
    try:
        return float(text) if math.isfinite(float(text)) else 1e99
    except ValueError:
        return 1e99
