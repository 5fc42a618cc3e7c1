"""Which column of a table is the time, which the value, and which tell series apart; doubts are refused."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.data.cells import Kind, kind_of, share_of_numbers, share_of_times
from edgeresearch.data.repairs import measure_evenness
from edgeresearch.data.times import epoch_unit, read_compact
from edgeresearch.errors import InputError, nearest

_TIME_NAMES = ("_time", "time", "timestamp", "datetime", "ts", "ds", "date", "when", "at", "zeit", "datum",
               "zeitstempel", "t", "epoch", "unix", "minute", "second", "hour", "day")  # fmt: skip
_VALUE_NAMES = ("_value", "value", "values", "y", "requests", "hits", "load", "rate", "rps", "qps", "count")
_ELAPSED = re.compile(
    r"(?i)(?:(?:elapsed|uptime|time|t|since|start|offset)[\W_]*)*(?:ms|s|h|min|sec|seconds?|minutes?|hours?|millis)\W*"
)
_LABEL_NAMES = re.compile(
    r"(?i)(?:.*[\W_])?(?:id|uuid|pid|port|code|status|zip)|"
    r"(?:[a-z]+[\W_]of[\W_])?(?:year|month|day|weekday|hour|minute|second|index|line|row|table)"
)
_PERIOD_NAME = re.compile(r"(?i)years?|jahr|quarter|months?|monat|weeks?|woche|kw|doy")
_NO_NAME = re.compile(r"(?i)column\d+|unnamed: ?\d+|index|level_\d+")


def check_column(cells: pd.DataFrame, name: str, where: str) -> str:
    """Return the name of a column; an `InputError` says if there is none."""
    if name not in cells:
        names = [str(column) for column in cells.columns]
        raise InputError(f"{where} has no column {name!r}{nearest(name, names)}; columns: {', '.join(names)}")
    return name


def keep_where(cells: pd.DataFrame, wanted: str | Sequence[str] | None, where: str) -> pd.DataFrame:
    """Keep the rows in which columns have the values that are asked for."""
    for text in [wanted] if isinstance(wanted, str) else wanted or ():
        name, equals, value = text.partition("=")
        if text == "none":
            continue
        if not equals:
            raise InputError(f"`where` {text!r} is no condition; write it like instance=api-1")
        column = cells[check_column(cells, name, where)].astype("str").str.strip()
        same = column == value
        if cells[name].dtype.kind in "iuf" and share_of_numbers(pd.Series([value])) == 1:
            same = cells[name] == pd.to_numeric(value, errors="coerce")
        kept = cells[same]
        if kept.empty:
            there = [str(each) for each in column.unique()]
            known = f"; there are {', '.join(there[:8])}" + (" …" if len(there) > 8 else "")
            raise InputError(f"{where}: no row has {name} = {value!r}{nearest(value, there)}{known}")
        cells = kept
    return cells


def find_time(
    cells: pd.DataFrame,
    values: Sequence[str],
    where: str,
    notes: list[str],
    *,
    time: str | None = None,
    time_format: str | None = None,
    step: str | None = None,
) -> tuple[str, ...]:
    """Return the time column, two where date and clock stand apart, none where there is no time.

    Args:
        cells: One column per name.
        values: Columns that are known to hold values.
        where: The source, for messages.
        notes: Receives one line for each guess.
        time: The column that is named, or two, as `date+clock`.
        time_format: How times are said to be written.
        step: The distance of rows that is said, so that none need a time.

    Raises:
        InputError: A column that is named is not there, or two readings fit.
    """
    if time is not None:
        return (time,) if time in cells else tuple(check_column(cells, name, where) for name in time.split("+"))
    others = [str(name) for name in cells.columns if name not in values]
    times = [name for name in others if share_of_times(cells[name]) > 0.9]
    if not times and "%" in (time_format or ""):
        times = [
            name
            for name in others
            if pd.to_datetime(cells[name], format=time_format, errors="coerce").notna().mean() > 0.5
        ]
    named = [name for name in others if name.lower() in _TIME_NAMES and _could_be_time(cells[name])]
    if not times and not named and len(others) > 1:
        named = [name for name in others if _ELAPSED.fullmatch(name) and _rises(cells[name])]
    dates = [name for name in times if not cells[name].dtype.kind == "M" and _all_match(cells[name], r".*\d[-/.]\d.*")]
    clocks = [name for name in times if not cells[name].dtype.kind == "M" and _all_match(cells[name], r"[^-/]*:[^-/]*")]
    if len(times) == 2 and len(dates) == len(clocks) == 1 and not _all_match(cells[dates[0]], r".*:.*"):
        notes.append(f"time columns: {dates[0]!r} and {clocks[0]!r}")
        return dates[0], clocks[0]
    likely = sorted({*times, *named}, key=lambda name: (_rank(name), others.index(name)))
    if len(likely) > 1 and (best := [name for name in likely if name in times and name in named]):
        likely = best + [name for name in likely if name not in best]
    if not likely and len(others) > 1:
        likely = [name for name in others if why_no_value(cells[name]) == "a clock"][:1]
    if not likely or len(cells.columns) == 1 and likely[0] not in times:
        strange = [name for name in others if share_of_numbers(cells[name]) < 0.5 < cells[name].nunique() / len(cells)]
        if strange:
            hint = "name it with `time`, and say how it is written with `time_format`"
            raise InputError(f"{where}: no column of times is recognised; if {strange[0]!r} is one, {hint}")
        doubted = [name for name in others if len(others) > 1 and _counts_time(cells[name])]
        if doubted:
            raise InputError(f"{where}: {doubted[0]!r} may be the time; name it with `time`, or delete it")
        doubted = [name for name in others if len(cells.columns) > 1 and _PERIOD_NAME.fullmatch(name)]
        if doubted and not step:
            hint = "write the time in one column, or say the distance of the rows with `step`"
            raise InputError(f"{where}: {doubted[0]!r} may be the time, or a part of it; {hint}")
        return ()
    changing = [name for name in likely if name in times and cells[name].nunique() > 1]
    if len(changing) > 1 and _rank(changing[0]) == len(_TIME_NAMES):
        raise InputError(f"{where}: {changing[0]!r} and {changing[1]!r} may both be the time; name one with `time`")
    notes.append(f"time column: {likely[0]!r}")
    return (likely[0],)


def _counts_time(column: pd.Series) -> bool:
    """Tell whether numbers that only rise or fall may be times: dates of digits, or since 1970 from 1990 to 2040."""
    numbers = pd.to_numeric(column, errors="coerce")
    ordered = numbers.is_monotonic_increasing or numbers.is_monotonic_decreasing
    since_1970 = bool(epoch_unit(numbers.min(), numbers.max()))
    return ordered and numbers.nunique() > 1 and (since_1970 or read_compact(numbers.dropna()) is not None)


def _rank(name: str) -> int:
    return _TIME_NAMES.index(name.lower()) if name.lower() in _TIME_NAMES else len(_TIME_NAMES)


def _rises(column: pd.Series) -> bool:
    numbers = pd.to_numeric(column, errors="coerce")
    return bool(numbers.notna().all() and numbers.is_monotonic_increasing and numbers.is_unique)


def _could_be_time(column: pd.Series) -> bool:
    """Tell whether a column that is called like a time may be one; parts of a date, such as hours, are none."""
    if column.dtype.kind == "M" or share_of_times(column) > 0.5:
        return True
    if share_of_numbers(column) < 0.5:
        return False
    numbers = pd.to_numeric(column, errors="coerce").dropna()
    steady = numbers.is_monotonic_increasing or numbers.is_monotonic_decreasing
    return bool(_rank(str(column.name)) < _TIME_NAMES.index("t") or steady or numbers.min() > 1e8)


def _all_match(column: pd.Series, pattern: str) -> bool:
    return bool(column.astype("str").str.fullmatch(pattern).all())


def find_candidates(cells: pd.DataFrame, time: Sequence[str], where: str, *, constant: bool = False) -> list[str]:
    """Return the columns that may hold values: numbers that are no counter of rows, clock, label or constant."""
    numeric = [str(name) for name in cells.columns if name not in time and share_of_numbers(cells[name]) > 0.5]
    if not numeric:
        names = ", ".join(map(str, cells.columns))
        hint = "; if each row is an event, `count` them" if time else ""
        some = [f"; {name!r} holds {_odd_cell(cells[name])!r}" for name in cells if name not in time][-1:]
        raise InputError(f"{where} has no column of numbers; columns: {names}{''.join(some)}{hint}")
    why = {name: reason for name in numeric if (reason := why_no_value(cells[name]))}
    why = {name: reason for name, reason in why.items() if not (constant and reason == "constant")}
    kept = [name for name in numeric if name not in why]
    if not kept:
        if (
            len(numeric) == 1
            and why[numeric[0]] not in ("a row counter", "a clock")
            and len(cells.columns) - len(time) == 1
        ):
            return numeric
        reasons = ", ".join(f"{name!r} is {reason}" for name, reason in why.items())
        hint = "; if each row is an event, `count` them" if time else ""
        option = "columns" if constant else "value"
        raise InputError(f"{where} has no column that looks like values: {reasons}; name one with `{option}`{hint}")
    named = [name for name in kept if not _NO_NAME.fullmatch(name)]
    return named or kept


def _odd_cell(column: pd.Series) -> str:
    """Return the first cell that keeps a column from being numbers."""
    cells = [str(cell).strip()[:40] for cell in column.iloc[:1000]]
    return next((cell for cell in cells if kind_of(cell) in (Kind.TEXT, Kind.TIME)), cells[0])


def why_no_value(column: pd.Series) -> str:
    """Return what a column of numbers is, if it is no value."""
    if len(column) > 10_000 and pd.to_numeric(column.iloc[:1000], errors="coerce").isna().all():
        return ""  # written with marks or units
    numbers = pd.to_numeric(column, errors="coerce").replace([np.inf, -np.inf], np.nan).dropna()
    if len(numbers) < 3 or len(numbers) < len(column) / 2:
        return ""
    steps = np.diff(numbers)
    if (steps == steps[0]).all() and abs(steps[0]) == 1 and (numbers % 1 == 0).all():
        return "a row counter"
    even = (steps >= 0).all() and (numbers % 1 == 0).all() and len(set(steps)) < len(numbers) / 4
    if even and epoch_unit(numbers.min(), numbers.max()):
        return "a clock"
    named = _LABEL_NAMES.fullmatch(str(column.name)) or re.search(r"[a-z]I[dD]$", str(column.name))
    if named and (numbers % 1 == 0).all():
        return "a label by its name"
    return "constant" if (steps == 0).all() else ""


def find_values(
    cells: pd.DataFrame,
    time: Sequence[str],
    where: str,
    notes: list[str],
    *,
    value: str | None = None,
    add: bool = False,
) -> list[str]:
    """Return the value column, the one that is named or the only likely one; or several, if they are to be added up.

    Raises:
        InputError: A column that is named is not there, or several may be meant.
    """
    if value is not None:
        names = value.split("+") if value not in cells and "+" in value else [value]
        names = [check_column(cells, name, where) for name in names]
        if len(names) == 1:
            return names
        if not add:
            raise InputError(f"{where}: {len(names)} value columns are named; add them up with `sum`, or name one")
        return names
    found = find_candidates(cells, time, where)
    if len(found) > 1 and not add:
        likely = [name for name in found if re.sub(r"\.\d+$", "", name.lower()) in _VALUE_NAMES]
        if len(likely) != 1:
            some = ", ".join(map(repr, found[:6])) + (" …" if len(found) > 6 else "")
            raise InputError(f"{where}: {some} may all be the value; name one with `value`, or add them up with `sum`")
        found = likely
    if len(found) == 1 and len(cells.columns) > 1 + len(time):
        notes.append(f"value column: {found[0]!r}")
    return found


def find_labels(cells: pd.DataFrame, used: Sequence[str], frame: pd.DataFrame) -> list[str]:
    """Return the columns that tell series apart that stand below each other: a few values, each at several times.

    Series do so where times repeat, or where they have a common distance only within each. Numbers are labels only
    where rows of one time contradict each other.
    """
    stamps = pd.DatetimeIndex(frame.index)
    rest = [str(name) for name in cells.columns if name not in used]
    several = {name: cells[name].nunique(dropna=False) for name in rest}
    found = [name for name, count in several.items() if 1 < count <= max(len(cells) / 3, 2)]
    if found and stamps.has_duplicates and frame[~frame.assign(_time=stamps).duplicated()].index.has_duplicates:
        return found
    found = [name for name in found if cells[name].dtype.kind not in "iufbM" and share_of_numbers(cells[name]) < 0.5]
    if not found or stamps.has_duplicates or measure_evenness(stamps) > 0.9:
        return found if stamps.has_duplicates else []
    keys = join_labels(cells, found)
    return found if min(measure_evenness(stamps[keys == key]) for key in pd.unique(keys)) > 0.9 else []


def look_like_labels(values: "pd.Series[float]") -> bool:
    """Tell whether numbers may be labels of series: few, and whole."""
    return bool((values % 1 == 0).all()) and values.nunique() <= max(len(values) / 3, 2)


def join_labels(cells: pd.DataFrame, labels: Sequence[str]) -> Any:
    """Return of each row what tells its series apart, as one text."""
    return cells[list(labels)].astype("str").fillna("-").agg("/".join, axis=1).to_numpy()


def describe_labels(cells: pd.DataFrame, labels: Sequence[str]) -> str:
    """Say that series stand below each other, and by what they are told apart."""
    some = [f"{name}={cells[name].iloc[0]}" for name in labels]
    return f"several series stand below each other, told apart by {', '.join(labels)} (such as {', '.join(some)})"
