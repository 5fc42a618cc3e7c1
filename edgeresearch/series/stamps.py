"""Time stamps and steps as users write them."""

import warnings

import numpy as np
import pandas as pd

from edgeresearch.errors import InputError

_UNITS = {
    "d": pd.Timedelta(days=1),
    "h": pd.Timedelta(hours=1),
    "min": pd.Timedelta(minutes=1),
    "s": pd.Timedelta(seconds=1),
    "ms": pd.Timedelta(milliseconds=1),
}
_EPOCHS = (("s", 1e8, 1e10), ("ms", 1e11, 1e13), ("us", 1e14, 1e16), ("ns", 1e17, 1e19))


def parse(column: pd.Series, where: str, said: list[str]) -> pd.DatetimeIndex:
    """Parse increasing time stamps: ISO 8601, whatever pandas recognises by the first stamp, or seconds since 1970.

    Args:
        column: The stamps as text; its index counts the lines of the file.
        where: The file, for messages.
        said: Receives one line for each guess.

    Returns:
        Stamps without zone, in nanoseconds; stamps with a zone are converted to UTC.

    Raises:
        InputError: A stamp cannot be parsed, is not later than the one before, or repeats it; the message gives the
            line.
    """
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.notna().all() and not column.str.fullmatch(r"(?:19|20)\d{6}").all():
        parsed = _epoch(numbers, where, said)
    else:
        parsed = calendar(column)
    bad = np.flatnonzero(parsed.isna())
    if len(bad):
        cell = column.iloc[bad[0]]
        line = column.index[bad[0]]
        raise InputError(f"{where}, line {line}: no time stamp: {cell!r}; write it like 2024-01-31 12:00")
    if column.str.contains(r"(?:Z|\d[+-]\d\d:?\d\d)\s*$", regex=True).any():
        said.append("times: converted to UTC")
    stamps = pd.DatetimeIndex(parsed).tz_localize(None).as_unit("ns")
    steps = np.diff(stamps.asi8)
    wrong = np.flatnonzero(steps <= 0)
    if len(wrong):
        row = wrong[0] + 1
        what = "repeats the stamp of" if steps[wrong[0]] == 0 else "is earlier than"
        hint = "delete one of them" if steps[wrong[0]] == 0 else "sort the file by time"
        raise InputError(f"{where}, line {column.index[row]}: {stamps[row]} {what} the line before; {hint}")
    said.append(f"times: {stamps[0]} to {stamps[-1]}")
    return stamps


def _epoch(numbers: pd.Series, where: str, said: list[str]) -> pd.Series:
    """Read numbers as time since 1970, in the unit that puts the first within 1973 to 2286, else as seconds from 0."""
    first = float(numbers.iloc[0])
    unit = next((unit for unit, low, high in _EPOCHS if low <= first < high), "")
    said.append(f"times: {unit} since 1970" if unit else "times: s from 2024-01-01, as the numbers are no dates")
    origin = pd.Timestamp("1970-01-01" if unit else "2024-01-01")
    try:
        return pd.Series(origin.tz_localize("UTC") + pd.to_timedelta(numbers, unit=unit or "s"))  # type: ignore[call-overload]
    except (OverflowError, ValueError) as error:
        raise InputError(f"{where}: the times are too large for dates; use seconds since 1970 or ISO 8601") from error


def calendar(column: pd.Series) -> pd.Series:
    """Parse dates in ISO 8601 or, if that fits fewer of them, in the format of the first; NaT where neither fits."""
    parsed = pd.to_datetime(column, format="ISO8601", errors="coerce", utc=True)
    if parsed.isna().any():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "could not infer format": the caller's error says it
            other = pd.to_datetime(column, errors="coerce", utc=True)
        if other.notna().sum() > parsed.notna().sum():
            return other
    return parsed


def distance(step: str) -> pd.Timedelta:
    """Parse a step such as `5min`, `1h` or `30 s`.

    Raises:
        InputError: It is no positive duration.
    """
    try:
        size = duration(step).as_unit("ns")
    except ValueError as error:
        raise InputError(f"step {step!r} is no duration; write it like '30s', '5min' or '1h'") from error
    if pd.isna(size) or size <= pd.Timedelta(0):
        raise InputError(f"step {step!r} is not positive; write it like '30s', '5min' or '1h'")
    return size


def duration(told: str) -> pd.Timedelta:
    """Read a duration such as `5min`, `1h` or `1d`; pandas wants a capital D, which few would write.

    Raises:
        ValueError: It is none.
    """
    return pd.Timedelta(told.removesuffix("d") + "D" if told.endswith("d") else told)


def text(size: pd.Timedelta) -> str:
    """Return a duration in the largest unit that it is a whole number of, such as `5 min`."""
    for name, whole in _UNITS.items():
        if size >= whole and size % whole == pd.Timedelta(0):
            return f"{size // whole} {name}"
    return f"{size.total_seconds():g} s"
