"""What a cell of text looks like: a number, a time, nothing, or other text."""

import re
from enum import Enum

import numpy as np
import pandas as pd

MISSING = (
    *("", "-", "--", "–", "—", ".", "?", "nan", "na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nat", "null", "(null)"),
    *("none", "nil", "\\n", "undefined", "missing", "no data", "nodata", "k.a.", "n/v"),
)
"""Cells that say that there is no value, in any case."""
_GROUP = "[ \u00a0\u202f'’_.,]"
_DIGITS = rf"\d{{1,3}}(?:{_GROUP}\d{{3}})+(?:[.,]\d+)?|\d{{1,2}}(?:,\d{{2}})+,\d{{3}}(?:\.\d+)?|\d+(?:[.,]\d*)?|[.,]\d+"
NUMBER = re.compile(
    rf"(?P<sign>[-+−]?)\s*(?P<digits>{_DIGITS})(?P<exponent>[eE][-+]?\d+)?\s*(?P<unit>[^\d\s.,'\"(){{}}\[\]+−#-][^\d\"{{}}]{{0,15}})?"
)
CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s*[AaPp]\.?[Mm]\.?)?"
ZONE = r"\s*(?:Z|(?:UTC|GMT)?\s?[+-]\d{1,2}(?::?\d{2})?|[A-Z]{2,5})?"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
TIME = re.compile(
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2}))"
    rf"(?:[T ,_]+{CLOCK}{ZONE})?"
    rf"|{CLOCK}|\d{{8}}[T _]\d{{2}}:?\d{{2}}(?::?\d{{2}}(?:[.,]\d+)?)?{ZONE}"
    rf"|(?=.*\d)(?i:[\w .,:/+-]{{0,20}}\b{_MONTH}\b[\w .,:/+-]{{0,30}}(?:\([\w .,:+-]{{0,50}}\))?)"
)


class Kind(Enum):
    """What a cell looks like."""

    MISSING = "missing"
    NUMBER = "number"
    TIME = "time"
    TEXT = "text"


def kind_of(cell: str) -> Kind:
    """Return what a cell looks like."""
    cell = cell.strip()
    if cell.lower() in MISSING:
        return Kind.MISSING
    if TIME.fullmatch(cell):
        return Kind.TIME
    return Kind.NUMBER if NUMBER.fullmatch(cell) or cell.lower().lstrip("+-") in ("inf", "infinity") else Kind.TEXT


def is_missing(column: pd.Series) -> "pd.Series[bool]":
    """Tell which cells hold no value, whatever word says so."""
    if not is_text(column):
        return column.isna()
    return column.isna() | column.astype("str").str.strip().str.lower().isin(MISSING)


def share_of_numbers(column: pd.Series) -> float:
    """Return the share of the cells with something in them that are numbers."""
    if not is_text(column):
        return float(column.dtype.kind in "iufb")
    known = column[~is_missing(column)].iloc[:2000]
    return float(np.mean([kind_of(str(cell)) is Kind.NUMBER for cell in known])) if len(known) else 0.0


def share_of_times(column: pd.Series) -> float:
    """Return the share of the cells that are times with a date or a clock; numbers are none."""
    if not is_text(column):
        return float(column.dtype.kind == "M")
    known = column[~is_missing(column)].iloc[:2000]
    return float(np.mean([kind_of(str(cell)) is Kind.TIME for cell in known])) if len(known) else 0.0


def quote(cell: object) -> str:
    """Return a cell as a message shows it, cut where it is long."""
    text = str(cell).strip()
    return repr(text if len(text) <= 60 else text[:57] + "...")


def is_text(column: pd.Series) -> bool:
    """Tell whether a column holds text, not numbers or times."""
    return column.dtype.kind not in "iufbMm"
