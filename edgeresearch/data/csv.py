"""Time series of users: CSV files, and what is in memory, as traces and channels; what is not stated is guessed."""

import csv
import io
import warnings
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from edgeresearch.data.datasets import read_bytes
from edgeresearch.data.features import ROUNDS
from edgeresearch.data.trace import Origin, Trace, find_runs, regular_index
from edgeresearch.errors import InputError
from edgeresearch.provenance import sha256

TraceLike: TypeAlias = str | Path | pd.DataFrame | pd.Series | Trace
"""A trace, or what `read_trace` makes one of: a CSV file's path, or values in memory."""

_TIME_NAMES = ("time", "timestamp", "datetime", "date", "ts", "t", "minute", "second", "hour", "when", "at", "ds")
_MISSING = ("", "nan", "na", "null", "none")
"""Cells that say that there is no value, in any case."""
_START = "2024-01-01"
_DAY = pd.Timedelta(days=1)
_EPOCHS = (("s", 1e8, 1e10), ("ms", 1e11, 1e13), ("us", 1e14, 1e16), ("ns", 1e17, 1e19))
_UNITS = {
    "d": _DAY,
    "h": pd.Timedelta(hours=1),
    "min": pd.Timedelta(minutes=1),
    "s": pd.Timedelta(seconds=1),
    "ms": pd.Timedelta(milliseconds=1),
}


class Channels(NamedTuple):
    """Several series at common times, which need no common distance.

    Attributes:
        name: Of the file, without its suffixes.
        frame: One column per channel, indexed by time; NaN where a value is missing.
        sha256: Of the file's decompressed bytes.
        notes: One line for each thing that was guessed or that the user may not expect.
    """

    name: str
    frame: pd.DataFrame
    sha256: str
    notes: tuple[str, ...]


def read_trace(
    data: TraceLike,
    *,
    time: str | None = None,
    value: str | None = None,
    step: str | None = None,
    window: int | None = None,
    horizon: int = 1,
    seasonality: str | int | None = None,
) -> Trace:
    """Read a CSV file (`.csv` or `.csv.gz`), a Series or a DataFrame with one value per time as a trace.

    Stamps are put on the nearest slot of the grid that starts at the first; slots without a row are NaN and counted in
    the repairs (`absent`), as are stamps beside the grid (`off_grid`). Stamps with a zone become UTC. Data without
    times get stamps from 2024-01-01 on.

    Args:
        data: A CSV file's path, in UTF-8, with a header or without; a Series or DataFrame whose index or one of whose
            columns holds the times; a trace, which is returned as it is.
        time: Name of the time column; guessed where None.
        value: Name of the value column; the first numeric column where None.
        step: Distance of two rows, such as `5min`; the commonest distance where None.
        window: Past steps that a forecast will read; None if not known yet.
        horizon: Steps ahead that will be forecast.
        seasonality: Steps in a season (`288`), a duration (`1d`) or `none`; None: a day, if the trace spans three.

    Returns:
        The trace, with a note for each thing that was guessed.

    Raises:
        InputError: The file cannot be read or its lines differ in length; a named column is not there or there is no
            numeric one; a value is missing, infinite or text; stamps cannot be parsed, run backwards, repeat, or have
            no common distance; a gap is longer than the window; the series is constant or shorter than window and
            horizon; the season does not fit.
    """
    if window is not None and window < 1 or horizon < 1:
        raise InputError(f"window {window} and horizon {horizon} must be at least 1; change these settings")
    if isinstance(data, Trace):
        return _with_season(data, seasonality, horizon) if seasonality is not None else data
    notes: list[str] = []
    if isinstance(data, pd.DataFrame | pd.Series):
        where, name, origin = "the series", "series", Origin("memory", real=True)
        stamps, series = _from_memory(data, time, value, where, notes)
    elif isinstance(data, str | Path):
        path = Path(data)
        content = _read(path)
        where, name, origin = str(path), _stem(path), Origin("file", path.name, sha256(content), real=True)
        table = _parse_table(_decode(content, path), path, notes)
        time = _time_column(table, time, value, where, notes)
        series = _numbers(table[_value_column(table, time, value, where, notes)], where, missing=False)
        stamps = None if time is None else parse_timestamps(table[time], where, notes)
    else:
        raise InputError(
            f"a {type(data).__name__} is no trace; give the path of a CSV file, a pandas Series or DataFrame with one "
            "value per time, or a Trace"
        )
    values, unit = series.to_numpy(dtype=np.float64), str(series.name)
    if len(values) > 1 and np.ptp(values) == 0:
        raise InputError(f"{where}: column {unit!r} is constant ({values[0]:g}); name another with 'value'")
    if stamps is None:
        size = parse_step(step) if step else pd.Timedelta(seconds=1)
        if step is None:
            notes.append("time column: none, so rows are 1 s apart; say the distance with 'step'")
        frame = pd.DataFrame({unit: values}, index=regular_index(_START, len(values), size))
        repairs = {"off_grid": 0, "absent": 0}
    else:
        size = parse_step(step) if step else _guess_step(stamps, where, notes)
        frame, repairs = _fill_slots(stamps, values, unit, size, where)
    _check_length(frame[unit], size, window, horizon, where)
    trace = Trace(name, frame, size, unit, origin, repairs, notes=tuple(notes))
    return _with_season(trace, seasonality, horizon)


def read_channels(path: str | Path, *, time: str | None = None, columns: Sequence[str] | None = None) -> Channels:
    """Read a CSV (`.csv` or `.csv.gz`) with a time column and one or more channels.

    Times need no common distance. A file without a time column gets stamps 1 s apart from 2024-01-01 on. An empty cell
    and words such as `NaN` are a missing value.

    Args:
        path: The file, in UTF-8, with a header or without.
        time: Name of the time column; guessed where None.
        columns: Names of the channels; all other numeric columns where None.

    Raises:
        InputError: As `read_trace`; a channel has no value.
    """
    path, notes = Path(path), list[str]()
    where, content = str(path), _read(path)
    table = _parse_table(_decode(content, path), path, notes)
    time = _time_column(table, time, None, where, notes)
    names = [_check_column(table, name, where) for name in columns or ()]
    if not columns:
        known = {str(name): table[name][~_missing(table[name])] for name in table.columns if name != time}
        names = [name for name, cells in known.items() if _share_numeric(cells) > 0.5]
        if not names:
            raise InputError(f"{where} has no numeric column; columns: {', '.join(table.columns)}")
    if time in names or len(set(names)) < len(names):
        raise InputError(f"{where}: name each channel once, and not the time column {time!r}")
    frame = pd.DataFrame({name: _numbers(table[name], where, missing=True).to_numpy() for name in names})
    if not columns:
        notes.append(f"channels: {', '.join(names)}")
    if time is None:
        notes.append("time column: none, so rows are 1 s apart")
        frame.index = regular_index(_START, len(frame), pd.Timedelta(seconds=1))
    else:
        frame.index = parse_timestamps(table[time], where, notes)
    gaps = frame.isna()
    if gaps.any(axis=None):
        count, whole = int(gaps.to_numpy().sum()), int(gaps.all(axis=1).sum())
        notes.append(f"missing: {count} of {frame.size} values; {whole} rows have none")
    return Channels(_stem(path), frame, sha256(content), tuple(notes))


def parse_timestamps(column: pd.Series, where: str, notes: list[str], *, row: str = "line") -> pd.DatetimeIndex:
    """Parse increasing time stamps: ISO 8601, whatever pandas recognises by the first stamp, or seconds since 1970.

    Args:
        column: The stamps as text; its index counts the lines of the file.
        where: The file, for messages.
        notes: Receives one line for each guess.
        row: What messages call a row.

    Returns:
        Stamps without zone, in nanoseconds; stamps with a zone are converted to UTC.

    Raises:
        InputError: A stamp cannot be parsed, is not later than the one before, or repeats it; the message gives the
            line.
    """
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.notna().all() and not column.str.fullmatch(r"(?:19|20)\d{6}").all():
        parsed = _parse_epoch(numbers, where, notes)
    else:
        parsed = _parse_dates(column)
    bad = np.flatnonzero(parsed.isna())
    if len(bad):
        cell, line = column.iloc[bad[0]], column.index[bad[0]]
        raise InputError(f"{where}, {row} {line}: no time stamp: {cell!r}; write it like 2024-01-31 12:00")
    if column.str.contains(r"(?:Z|\d[+-]\d\d:?\d\d)\s*$", regex=True).any():
        notes.append("times: converted to UTC")
    return _check_increasing(pd.DatetimeIndex(parsed), [f"{row} {line}" for line in column.index], where, notes)


def parse_step(text: str) -> pd.Timedelta:
    """Parse a step such as `5min`, `1h` or `30 s`.

    Raises:
        InputError: It is no positive duration.
    """
    try:
        size = parse_duration(text).as_unit("ns")
    except ValueError as error:
        raise InputError(f"step {text!r} is no duration; write it like '30s', '5min' or '1h'") from error
    if pd.isna(size) or size <= pd.Timedelta(0):
        raise InputError(f"step {text!r} is not positive; write it like '30s', '5min' or '1h'")
    return size


def parse_duration(text: str) -> pd.Timedelta:
    """Parse a duration such as `5min`, `1h` or `1d`; pandas wants a capital D, which few would write.

    Raises:
        ValueError: It is none.
    """
    return pd.Timedelta(text.removesuffix("d") + "D" if text.endswith("d") else text)


def format_duration(size: pd.Timedelta) -> str:
    """Write a duration in the largest unit that it is a whole number of, such as `5 min`."""
    for name, whole in _UNITS.items():
        if size >= whole and size % whole == pd.Timedelta(0):
            return f"{size // whole} {name}"
    return f"{size.total_seconds():g} s"


def choose_season(wanted: str | int | None, trace: Trace, horizon: int = 1) -> int | None:
    """Return the steps of a season; None for a trace without one.

    Args:
        wanted: Steps (`288`), a duration (`1d`), or `none`; None: a day, if the trace spans `ROUNDS` of them.
        trace: The trace.
        horizon: Steps ahead that will be forecast; a season is not shorter.

    Raises:
        InputError: It is none of these, or does not fit the trace.
    """
    rows = len(trace.frame)
    if wanted is None:
        steps = int(_DAY // trace.step)
        fits = _DAY % trace.step == pd.Timedelta(0) and steps >= max(2, horizon) and rows >= ROUNDS * steps
        return steps if fits else None
    text = str(wanted).strip().lower()
    if text == "none":
        return None
    if text.lstrip("+-").isdigit():
        steps = int(text)
    else:
        try:
            length = parse_duration(text)
        except ValueError as error:
            hint = "write it like 288, 1d or none"
            raise InputError(f"season {text!r} is neither steps nor a duration; {hint}") from error
        if pd.isna(length) or length % trace.step != pd.Timedelta(0):
            whole = f"no whole number of steps of {format_duration(trace.step)}"
            raise InputError(f"a season of {text} is {whole}; give it in steps")
        steps = int(length // trace.step)
    if steps < max(2, horizon):
        hint = f"use at least 2, and no fewer than the horizon, {horizon}"
        raise InputError(f"a season of {steps} steps is too short; {hint}")
    if rows < ROUNDS * steps:
        need = f"needs {ROUNDS * steps} rows, {trace.name} has {rows}"
        raise InputError(f"a season of {steps} steps {need}; use a shorter season or 'none'")
    return steps


def _with_season(trace: Trace, wanted: str | int | None, horizon: int) -> Trace:
    season, notes = choose_season(wanted, trace, horizon), trace.notes
    if wanted is None:
        notes += ("season: none" if season is None else f"season: a day ({season} steps)",)
    return replace(trace, seasonality=season, notes=notes)


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(f"{path} is a directory; name a CSV file in it")
    if not path.exists():
        near = get_close_matches(path.name, [item.name for item in path.parent.glob("*")], n=1)
        raise InputError(f"no file {path}; " + (f"nearest: {near[0]}" if near else "check the path"))
    content = read_bytes(path)
    if not content.strip():
        raise InputError(f"{path} is empty; give a CSV with a value in each row")
    return content


def _decode(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"byte {content[error.start]:#04x} at offset {error.start}"
        hint = f"re-encode it, e.g. iconv -f latin1 -t utf-8 {path.name}"
        raise InputError(f"{path} is not UTF-8: {where}; {hint}") from error


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".csv")


def _parse_table(text: str, path: Path, notes: list[str]) -> pd.DataFrame:
    """Return all columns as text; the index counts lines of the file, from 1."""
    first = next(line for line in text.splitlines() if line.strip())
    comma = max(",;\t", key=first.count)
    if comma != ",":
        notes.append(f"separator: {comma!r}")
    # newline=None: whatever ends a line in the file ends one here
    reader = csv.reader(io.StringIO(text.rstrip("\r\n"), newline=None), delimiter=comma, skipinitialspace=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for cells in reader:
            if rows and cells and len(cells) != len(rows[0]):
                what = f"{len(cells)} columns where there were {len(rows[0])} before"
                raise InputError(f"{path}, line {reader.line_num}: {what}; give each line the same")
            # In a single column an empty line is a missing value; beside other columns it is only an empty line.
            if any(cells) or rows and len(rows[0]) == 1:
                rows.append(cells or [""])
                lines.append(reader.line_num)
    except csv.Error as error:
        raise InputError(f"{path} is no CSV: {error}; give a file with one line per row") from error
    names = [f"column{k + 1}" for k in range(len(rows[0]))]
    if any(map(_is_number, rows[0])):
        notes.append(f"header: none, so columns are named {', '.join(names)}")
    else:
        names = [cell.strip() for cell in rows.pop(0)]
        del lines[0]
    if not rows:
        raise InputError(f"{path} has a header but no rows; give a CSV with a value in each row")
    return pd.DataFrame(rows, columns=names, index=lines, dtype=str)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _check_column(table: pd.DataFrame, name: str, where: str) -> str:
    if name not in table:
        near = get_close_matches(name, [str(column) for column in table.columns], n=1, cutoff=0.0)
        raise InputError(f"{where} has no column {name!r}" + (f"; nearest: {near[0]!r}" if near else ""))
    return name


def _time_column(table: pd.DataFrame, time: str | None, value: str | None, where: str, notes: list[str]) -> str | None:
    if time is not None:
        return _check_column(table, time, where)
    others = [column for column in table.columns if column != value]
    likely = [column for column in others if column.lower() in _TIME_NAMES]
    likely += [column for column in others if _looks_like_times(table[column])]
    if not likely or len(table.columns) == 1 and _share_numeric(table[likely[0]]) == 1.0:
        return None
    notes.append(f"time column: {likely[0]!r}")
    return str(likely[0])


def _looks_like_times(column: pd.Series) -> bool:
    head = column.iloc[:20]
    text_with_digits = _share_numeric(head) == 0 and head.str.contains(r"\d").all()
    return bool(text_with_digits and _parse_dates(head).notna().any())


def _value_column(table: pd.DataFrame, time: str | None, value: str | None, where: str, notes: list[str]) -> str:
    if value is not None:
        return _check_column(table, value, where)
    numeric = [column for column in table.columns if column != time and _share_numeric(table[column]) > 0.5]
    if not numeric:
        raise InputError(f"{where} has no numeric column; columns: {', '.join(map(str, table.columns))}")
    if len(table.columns) > 1 + (time is not None):
        notes.append(f"value column: {numeric[0]!r}")
    return str(numeric[0])


def _share_numeric(column: pd.Series) -> float:
    return float(pd.to_numeric(column, errors="coerce").notna().mean()) if len(column) else 0.0


def _missing(column: pd.Series) -> "pd.Series[bool]":
    return column.str.strip().str.lower().isin(_MISSING)


def _numbers(column: pd.Series, where: str, *, missing: bool) -> "pd.Series[float]":
    """Parse cells as finite numbers; an empty one is NaN if `missing` allows it."""
    values, absent = pd.to_numeric(column, errors="coerce").astype(float), _missing(column)
    bad = np.flatnonzero(~np.isfinite(values) & ~(absent & missing))
    if len(bad):
        what = "no value" if absent.iloc[bad[0]] else f"{str(column.iloc[bad[0]]).strip()!r} is no finite number"
        hint = "leave the cell empty if the value is missing" if missing else "mend or delete them"
        place = f"line {column.index[bad[0]]}, column {column.name!r}"
        raise InputError(f"{where}, {place}: {what} ({len(bad)} such rows); {hint}")
    if absent.all():
        raise InputError(f"{where}, column {column.name!r} has no value; leave it out")
    return values


def _from_memory(
    data: pd.DataFrame | pd.Series, time: str | None, value: str | None, where: str, notes: list[str]
) -> tuple[pd.DatetimeIndex | None, "pd.Series[float]"]:
    """Return stamps (None where there are none) and values of a Series or DataFrame, without the missing ones."""
    table = data.to_frame("value" if data.name is None else str(data.name)) if isinstance(data, pd.Series) else data
    if not len(table):
        raise InputError(f"{where} has no rows; give one value per time")
    if time is None and not isinstance(table.index, pd.DatetimeIndex):
        likely = [name for name in table if str(name).lower() in _TIME_NAMES or table[name].dtype.kind == "M"]
        time = str(likely[0]) if likely else None
        if time is not None:
            notes.append(f"time column: {time!r}")
    series = table[_value_column(table, time, value, where, notes)]
    values = pd.to_numeric(series, errors="coerce").astype(float)
    wrong = np.isinf(values) | (values.isna() & series.notna())
    if wrong.any():
        raise InputError(f"{where}: {str(series[wrong].iloc[0])!r} is no finite number; use NaN for what is missing")
    known = values.notna().to_numpy()
    if time is not None:
        text = table[_check_column(table, time, where)].astype(str).reset_index(drop=True)
        return parse_timestamps(text, where, notes, row="row")[known], values[known]
    if not isinstance(table.index, pd.DatetimeIndex):
        return None, values[known]
    return _check_increasing(table.index, [f"row {row}" for row in range(len(table))], where, notes)[known], values[
        known
    ]


def _check_increasing(
    stamps: pd.DatetimeIndex, places: Sequence[str], where: str, notes: list[str]
) -> pd.DatetimeIndex:
    """Return the stamps in UTC without a zone; refuse those that repeat or run backwards."""
    stamps = (stamps.tz_convert("UTC").tz_localize(None) if stamps.tz is not None else stamps).as_unit("ns")
    steps = np.diff(stamps.asi8)
    wrong = np.flatnonzero(steps <= 0)
    if len(wrong):
        row = wrong[0] + 1
        twice = steps[wrong[0]] == 0
        what = "repeats the stamp of" if twice else "is earlier than"
        hint = "delete one of them" if twice else "sort by time"
        raise InputError(f"{where}, {places[row]}: {stamps[row]} {what} the one before; {hint}")
    notes.append(f"times: {stamps[0]} to {stamps[-1]}")
    return stamps


def _parse_epoch(numbers: pd.Series, where: str, notes: list[str]) -> pd.Series:
    """Read numbers as time since 1970, in the unit that puts the first within 1973 to 2286, else as seconds from 0."""
    first = float(numbers.iloc[0])
    unit = next((unit for unit, low, high in _EPOCHS if low <= first < high), "")
    notes.append(f"times: {unit} since 1970" if unit else f"times: s from {_START}, as the numbers are no dates")
    origin = pd.Timestamp("1970-01-01" if unit else _START)
    try:
        return pd.Series(origin.tz_localize("UTC") + pd.to_timedelta(numbers, unit=unit or "s"))  # type: ignore[call-overload]
    except (OverflowError, ValueError) as error:
        raise InputError(f"{where}: the times are too large for dates; use seconds since 1970 or ISO 8601") from error


def _parse_dates(column: pd.Series) -> pd.Series:
    """Parse dates in ISO 8601 or, if that fits fewer of them, in the format of the first; NaT where neither fits."""
    parsed = pd.to_datetime(column, format="ISO8601", errors="coerce", utc=True)
    if parsed.isna().any():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "could not infer format": the caller's error says it
            other = pd.to_datetime(column, errors="coerce", utc=True)
        if other.notna().sum() > parsed.notna().sum():
            return other
    return parsed


def _guess_step(stamps: pd.DatetimeIndex, where: str, notes: list[str]) -> pd.Timedelta:
    if len(stamps) < 2:
        raise InputError(f"{where} has one row, so no step; give more rows")
    distances, counts = np.unique(np.diff(stamps.asi8), return_counts=True)
    size = pd.Timedelta(int(distances[counts.argmax()]), unit="ns")
    share = counts.max() / counts.sum()
    if share < 0.5:
        what = f"the commonest, {format_duration(size)}, is {share:.0%} of them"
        raise InputError(f"{where}: the times have no common distance ({what}); resample the file or say 'step'")
    notes.append(f"step: {format_duration(size)} ({100 * share:.0f} % of the distances)")
    return size


def _fill_slots(
    stamps: pd.DatetimeIndex, values: npt.NDArray[Any], name: str, size: pd.Timedelta, where: str
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Put rows on the nearest slot of the grid that starts at the first stamp."""
    since = stamps.asi8 - stamps.asi8[0]
    slots = (since + size.value // 2) // size.value
    same = np.flatnonzero(np.diff(slots) == 0)
    text = format_duration(size)
    if len(same):
        first, second = stamps[same[0]], stamps[same[0] + 1]
        raise InputError(f"{where}: {first} and {second} are within one step of {text}; say a shorter 'step'")
    if slots[-1] > 100 * len(slots) + 1000:
        raise InputError(f"{where}: {len(slots)} rows on {slots[-1] + 1} slots of {text}; say a longer 'step'")
    column = np.full(slots[-1] + 1, np.nan)
    column[slots] = values
    frame = pd.DataFrame({name: column}, index=regular_index(stamps[0], len(column), size))
    return frame, {"off_grid": int((since % size.value != 0).sum()), "absent": len(column) - len(slots)}


def _check_length(series: pd.Series, size: pd.Timedelta, window: int | None, horizon: int, where: str) -> None:
    needed, observed = (window or 1) + horizon, int(series.notna().sum())
    if observed < needed:
        raise InputError(f"{where} has {observed} values, but window and horizon need {needed}; give a longer series")
    starts, lengths = find_runs(series.isna())
    if window is not None and len(lengths) and lengths.max() > window:
        start, length = int(starts[lengths.argmax()]), int(lengths.max())
        begin, end = series.index[start], series.index[start + length - 1]
        what = (
            f"gap from {begin} to {end}: {length} steps of {format_duration(size)}, longer than the window of {window}"
        )
        raise InputError(f"{where}: {what}; cut the file there or raise the window")
