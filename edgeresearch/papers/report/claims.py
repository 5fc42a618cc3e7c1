"""The audited claims as the report shows them: counted, and written with few digits."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pandas as pd

from edgeresearch.papers.claims.rules import CONTRADICTED, NOT, PARTLY, REPRODUCED, UNTESTABLE
from edgeresearch.papers.claims.table import count_unaided


@dataclass(frozen=True)
class Verdict:
    """A verdict's looks: the class of its colours, a sign that tells it without them, and the group it counts in."""

    name: str
    style: str
    sign: str
    group: str


MISSED = "not reproduced or contradicted"
"""What the two verdicts are counted as that say no."""

VERDICTS: Mapping[str, Verdict] = MappingProxyType(
    {
        each.name: each
        for each in (
            Verdict(REPRODUCED, "good", "✓", REPRODUCED),
            Verdict(PARTLY, "part", "≈", PARTLY),
            Verdict(NOT, "missed", "✗", MISSED),
            Verdict(CONTRADICTED, "against", "≠", MISSED),
            Verdict(UNTESTABLE, "open", "?", UNTESTABLE),
        )
    }
)

GROUPS = (REPRODUCED, PARTLY, MISSED, UNTESTABLE)
"""What verdicts are counted as; the first three are the report's three numbers."""

CITATIONS: Mapping[str, str] = MappingProxyType(
    {
        "A": "J. Zhan, “Elastic Scheduling of Micro-Modules in Edge Computing Based on LSTM Prediction”.",
        "B": "S. Becker, F. Schmidt, L. Thamsen, A. Juan Ferrer, O. Kao, “LOS: Local-Optimistic Scheduling of Periodic "
        "Model Training For Anomaly Detection on Sensor Data Streams in Meshed Edge Networks”, IEEE ACSOS 2021, "
        "arXiv:2109.13009.",
    }
)


def counts(claims: pd.DataFrame) -> pd.DataFrame:
    """Count the verdicts of each paper.

    Returns:
        One row per paper, then one of all together (`paper` empty): `claims`, the five verdicts, `MISSED`, and
        `unaided` (see `table.count_unaided`).
    """
    rows = [_counted(part, str(paper)) for paper, part in claims.groupby("paper", sort=True)]
    return pd.DataFrame([*rows, _counted(claims, "")])


def _counted(part: pd.DataFrame, paper: str) -> dict[str, Any]:
    found: dict[str, Any] = {"paper": paper, "claims": len(part)}
    found |= {name: int((part["verdict"] == name).sum()) for name in VERDICTS}
    groups = part["verdict"].map(lambda name: VERDICTS[name].group)
    found |= {group: int((groups == group).sum()) for group in GROUPS}
    return {**found, "unaided": count_unaided(part)}


def number(text: str) -> float | None:
    """Return a cell as a number, or None if it is text or empty."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def decimals(text: str, published: str = "", *others: str) -> int:
    """Return how many decimals a measured number is shown with.

    That is for four digits in all, but no more than are known, nor than one more than the published number has.

    Args:
        text: The number.
        published: What it is held against.
        others: Numbers that it stands beside, which may have more decimals than it.
    """
    numbers = [each for each in (text, published, *others) if number(each) is not None]
    places = max((_places(each) for each in numbers), default=0)
    if number(published) is not None:
        places = min(places, _places(published) + 1)
    value = number(text)
    return min(max(3 - math.floor(math.log10(abs(value))), 0), places) if value else places


def _places(text: str) -> int:
    return len(text.partition(".")[2])


def shown(text: str, published: str = "", *others: str) -> str:
    """Return a measured value as it is read: a number with few digits and thousands apart, anything else as it is.

    Args:
        text: The value.
        published: See `decimals`.
        others: See `decimals`.
    """
    value = number(text)
    return text if value is None else f"{value:,.{decimals(text, published, *others)}f}"


def value(text: str, unit: str) -> str:
    """Return a number with its unit, or text as it is."""
    return f"{text} {unit}" if unit and number(text.replace(",", "")) is not None else text


def interval(measured: str, published: str, low: str, high: str) -> str:
    """Return the 95 % interval of a measured value with its decimals, or nothing where there is none or it is empty."""
    ends = [number(low), number(high)]
    if None in ends or ends[0] == ends[1]:
        return ""
    places = decimals(measured if number(measured) is not None else low, published, low, high)
    return " to ".join(f"{end:,.{places}f}" for end in ends)
