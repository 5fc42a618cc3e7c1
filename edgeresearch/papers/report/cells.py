"""Tables as text, and how their cells are written."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

NONE = "–"
"""Stands where there is no value."""


@dataclass(frozen=True)
class Printed:
    """A table as text.

    Attributes:
        name: What its files are called.
        title: What it is.
        table: Columns in order; every cell is text.
        notes: What must stand under it.
    """

    name: str
    title: str
    table: pd.DataFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Missing:
    """A table that cannot be made, and why."""

    name: str
    reason: str


def fixed(values: Iterable[float], decimals: int) -> list[str]:
    """Return numbers with so many decimals."""
    return [NONE if pd.isna(value) else f"{value:.{decimals}f}" for value in values]


def spans(low: Iterable[float], high: Iterable[float], decimals: int) -> list[str]:
    """Return intervals as `1.0 to 2.0`."""
    pairs = zip(low, high, strict=True)
    return [NONE if pd.isna(a) or pd.isna(b) else f"{a:.{decimals}f} to {b:.{decimals}f}" for a, b in pairs]


def with_span(value: float, low: float, high: float) -> str:
    """Return a number with its interval in one cell, as `1.5 [1.0, 2.0]`."""
    return NONE if pd.isna(value) else f"{value:.1f} [{low:.1f}, {high:.1f}]"


def ratio(value: Any, base: Any) -> str:
    """Return how many times another number it is; either may be missing."""
    return NONE if value is None or base is None or pd.isna(base) or not base else f"{value / base:.3f}"


def numeric(column: "pd.Series[str]") -> bool:
    """Return whether a column is one of numbers or intervals, which stand at the right."""
    return bool(column.str.match(r"[-–+]?[\d.,]*( (to|\[).*)?$").all() and (column != NONE).any())
