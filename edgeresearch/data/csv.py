"""Time series of users: CSV files, and what is in memory, as traces and channels; what is not stated is guessed.

A table is read, its columns are found, its time stamps are parsed, and its rows are put on a grid: in this order below.
"""

import csv
import gzip
import io
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from edgeresearch.data.trace import ROUNDS, Origin, Trace, find_runs, regular_index
from edgeresearch.errors import InputError
from edgeresearch.io import check_file
from edgeresearch.provenance import sha256

TraceLike: TypeAlias = str | Path | pd.DataFrame | pd.Series | Trace
"""A trace, or what `read_trace` makes one of: a CSV file's path, or values in memory."""

_TIME_NAMES = ("time", "timestamp", "datetime", "date", "ts", "t", "minute", "second", "hour", "when", "at", "ds")
_MISSING = ("", "nan", "na", "null", "none")
"""Cells that say that there is no value, in any case."""
_START = "2024-01-01"
_DAY = pd.Timedelta(days=1)
_EPOCHS = (("s", 1e8, 1e10), ("ms", 1e11, 1e13), ("us", 1e14, 1e16), ("ns", 1e17, 1e19))
_UNITS = {"d": "1D", "h": "1h", "min": "1min", "s": "1s", "ms": "1ms"}


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
    if isinstance(data, pd.DataFrame | pd.Series):
        table = _from_memory(data)
    elif isinstance(data, str | Path):
        table = _read_table(Path(data))
    else:
        raise InputError(
            f"a {type(data).__name__} is no trace; give the path of a CSV file, a pandas Series or DataFrame with one "
            "value per time, or a Trace"
        )
    where, notes, time = table.where, table.notes, table.find_time(time, value)
    unit = table.check_column(value) if value else table.find_numeric(time, missing=False)[0]
    if value is None and len(table.columns) > 1 + (time is not None):
        notes.append(f"value column: {unit!r}")
    series = table.parse_numbers(unit, missing=table.origin.source == "memory")
    stamps = table.parse_times(time)
    known = series.notna().to_numpy()
    values = series.to_numpy()[known]
    if len(values) > 1 and np.ptp(values) == 0:
        raise InputError(f"{where}: column {unit!r} is constant ({values[0]:g}); name another with 'value'")
    if stamps is None:
        size = parse_step(step or "1s")
        if step is None:
            notes.append("time column: none, so rows are 1 s apart; say the distance with 'step'")
        stamps = regular_index(_START, len(values), size)
    else:
        stamps = stamps[known]
        size = parse_step(step) if step else _guess_step(stamps, where, notes)
    frame, repairs = _fill_slots(stamps, values, unit, size, where)
    _check_length(frame[unit], size, window, horizon, where)
    trace = Trace(table.name, frame, size, unit, table.origin, repairs, notes=tuple(notes))
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
    table = _read_table(Path(path))
    time, notes = table.find_time(time, None), table.notes
    names = [table.check_column(name) for name in columns or ()] or table.find_numeric(time, missing=True)
    if time in names or len(set(names)) < len(names):
        raise InputError(f"{table.where}: name each channel once, and not the time column {time!r}")
    frame = pd.DataFrame({name: table.parse_numbers(name, missing=True).to_numpy() for name in names})
    if not columns:
        notes.append(f"channels: {', '.join(names)}")
    stamps = table.parse_times(time)
    if stamps is None:
        notes.append("time column: none, so rows are 1 s apart")
        stamps = regular_index(_START, len(frame), pd.Timedelta(seconds=1))
    frame.index = stamps
    gaps = frame.isna()
    if gaps.any(axis=None):
        count, whole = int(gaps.to_numpy().sum()), int(gaps.all(axis=1).sum())
        notes.append(f"missing: {count} of {frame.size} values; {whole} rows have none")
    return Channels(table.name, frame, table.origin.sha256, tuple(notes))


def read_bytes(path: Path) -> bytes:
    """Return the decompressed bytes of a file (`.gz`) or its bytes (any other).

    Raises:
        InputError: The file is missing, is unreadable, or is a damaged archive.
    """
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except FileNotFoundError as error:
        raise InputError(f"no file {path}; fetch the data first or name another file") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is a damaged gzip file: {error}; delete it and fetch it again") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; name a readable file") from error


@dataclass
class _Table:
    """A user's table: what messages call it and its rows, and one note for each guess.

    The cells of a file are text, and its index counts the file's lines; cells in memory are what they are.
    """

    cells: pd.DataFrame
    name: str
    origin: Origin
    where: str
    row: str
    notes: list[str]
    times: pd.DatetimeIndex | None = None

    @property
    def columns(self) -> list[str]:
        return list(self.cells.columns)

    def check_column(self, name: str) -> str:
        if name not in self.columns:
            near = get_close_matches(name, self.columns, n=1, cutoff=0.0)
            raise InputError(f"{self.where} has no column {name!r}" + (f"; nearest: {near[0]!r}" if near else ""))
        return name

    def find_time(self, time: str | None, value: str | None) -> str | None:
        """Return the time column; None where there is none, or the index holds the times."""
        if time is not None:
            return self.check_column(time)
        others = [name for name in self.columns if name != value] if self.times is None else []
        likely = [name for name in others if name.lower() in _TIME_NAMES]
        likely += [name for name in others if _looks_like_times(self.cells[name])]
        if not likely or len(self.columns) == 1 and _share_numeric(self.cells[likely[0]]) == 1.0:
            return None
        self.notes.append(f"time column: {likely[0]!r}")
        return likely[0]

    def find_numeric(self, time: str | None, *, missing: bool) -> list[str]:
        """Return the columns that are mostly numbers; with `missing`, of the cells that are not empty."""
        others = {name: self.cells[name] for name in self.columns if name != time}
        known = {name: cells[~_is_missing(cells)] if missing else cells for name, cells in others.items()}
        numeric = [name for name, cells in known.items() if _share_numeric(cells) > 0.5]
        if not numeric:
            raise InputError(f"{self.where} has no numeric column; columns: {', '.join(self.columns)}")
        return numeric

    def parse_numbers(self, name: str, *, missing: bool) -> "pd.Series[float]":
        """Parse cells as finite numbers; an empty one is NaN if `missing` allows it."""
        column = self.cells[name]
        values, absent = pd.to_numeric(column, errors="coerce").astype(float), _is_missing(column)
        bad = np.flatnonzero(~np.isfinite(values) & ~(absent & missing))
        if len(bad):
            what = "no value" if absent.iloc[bad[0]] else f"{str(column.iloc[bad[0]]).strip()!r} is no finite number"
            hint = "leave the cell empty if the value is missing" if missing else "mend or delete them"
            place = f"{self.row} {column.index[bad[0]]}, column {name!r}"
            raise InputError(f"{self.where}, {place}: {what} ({len(bad)} such rows); {hint}")
        if absent.all():
            raise InputError(f"{self.where}, column {name!r} has no value; leave it out")
        return values

    def parse_times(self, time: str | None) -> pd.DatetimeIndex | None:
        """Return the stamps, if there are any: increasing, in UTC without a zone, in nanoseconds."""
        stamps = self.times
        if time is not None:
            column = self.cells[time].astype(str)
            numbers = pd.to_numeric(column, errors="coerce")
            if numbers.notna().all() and not column.str.fullmatch(r"(?:19|20)\d{6}").all():
                parsed = _parse_epoch(numbers, self.where, self.notes)
            else:
                parsed = parse_dates(column, self.where, row=self.row)
            if column.str.contains(r"(?:Z|\d[+-]\d\d:?\d\d)\s*$", regex=True).any():
                self.notes.append("times: converted to UTC")
            stamps = pd.DatetimeIndex(parsed)
        if stamps is None:
            return None
        stamps = (stamps.tz_convert("UTC").tz_localize(None) if stamps.tz is not None else stamps).as_unit("ns")
        steps = np.diff(stamps.asi8)
        wrong = np.flatnonzero(steps <= 0)
        if len(wrong):
            at, twice = wrong[0] + 1, steps[wrong[0]] == 0
            what = "repeats the stamp of" if twice else "is earlier than"
            hint = "delete one of them" if twice else "sort by time"
            place = f"{self.where}, {self.row} {self.cells.index[at]}"
            raise InputError(f"{place}: {stamps[at]} {what} the one before; {hint}")
        self.notes.append(f"times: {stamps[0]} to {stamps[-1]}")
        return stamps


def as_frame(data: pd.DataFrame | pd.Series, where: str) -> pd.DataFrame:
    """Return what is in memory as a frame whose columns have one name each; an index of periods becomes their starts.

    Raises:
        InputError: Two columns have one name, or names have several levels.
    """
    frame = data.to_frame("value" if data.name is None else str(data.name)) if isinstance(data, pd.Series) else data
    if isinstance(frame.columns, pd.MultiIndex):
        raise InputError(f"{where} has columns of {frame.columns.nlevels} levels; give each column one name")
    _check_names([str(name) for name in frame.columns], where)
    return frame.set_axis(frame.index.to_timestamp()) if isinstance(frame.index, pd.PeriodIndex) else frame


def _check_names(names: Sequence[str], where: str) -> None:
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise InputError(f"{where} has two columns {twice!r}; give each column a name of its own")


def _from_memory(data: pd.DataFrame | pd.Series) -> _Table:
    cells = as_frame(data, "the series")
    if not len(cells):
        raise InputError("the series has no rows; give one value per time")
    times, origin = cells.index if isinstance(cells.index, pd.DatetimeIndex) else None, Origin("memory", real=True)
    return _Table(cells.reset_index(drop=True).rename(columns=str), "series", origin, "the series", "row", [], times)


def _read_table(path: Path) -> _Table:
    """Read a file as text cells."""
    check_file(path)
    content, notes = read_bytes(path), list[str]()
    if not content.strip():
        raise InputError(f"{path} is empty; give a CSV with a value in each row")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad = f"byte {content[error.start]:#04x} at offset {error.start}"
        hint = f"re-encode it, e.g. iconv -f latin1 -t utf-8 {path.name}"
        raise InputError(f"{path} is not UTF-8: {bad}; {hint}") from error
    first = next(line for line in text.splitlines() if line.strip())
    comma = max(",;\t", key=first.count)
    if comma != ",":
        notes.append(f"separator: {comma!r}")
    rows, lines = _split_lines(text, comma, path)
    names = [f"column{k + 1}" for k in range(len(rows[0]))]
    if _share_numeric(pd.Series(rows[0], dtype=str)):
        notes.append(f"header: none, so columns are named {', '.join(names)}")
    else:
        names, rows, lines = [cell.strip() for cell in rows[0]], rows[1:], lines[1:]
        _check_names(names, str(path))
    if not rows:
        raise InputError(f"{path} has a header but no rows; give a CSV with a value in each row")
    cells, name = pd.DataFrame(rows, columns=names, index=lines, dtype=str), path.name.removesuffix(".gz")
    origin = Origin("file", path.name, sha256(content), real=True)
    return _Table(cells, name.removesuffix(".csv"), origin, str(path), "line", notes)


def _split_lines(text: str, comma: str, path: Path) -> tuple[list[list[str]], list[int]]:
    """Return the cells of each row, and the line of the file that it ends on, from 1."""
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
    return rows, lines


def _share_numeric(column: pd.Series) -> float:
    return float(pd.to_numeric(column, errors="coerce").notna().mean()) if len(column) else 0.0


def _is_missing(column: pd.Series) -> "pd.Series[bool]":
    if column.dtype.kind in "biufM":
        return column.isna()
    return column.isna() | column.astype(str).str.strip().str.lower().isin(_MISSING)


def _looks_like_times(column: pd.Series) -> bool:
    if column.dtype.kind == "M":
        return True
    head = column.iloc[:20].astype(str)
    text_with_digits = _share_numeric(head) == 0 and head.str.contains(r"\d").all()
    return bool(text_with_digits and _try_dates(head).notna().any())


def parse_dates(column: pd.Series, where: str, *, row: str = "line") -> pd.Series:
    """Parse dates, in ISO 8601 or whatever pandas recognises by the first, in any order, as times in UTC.

    Args:
        column: The dates as text; its index counts the lines of the file.
        where: The file, for messages.
        row: What messages call a row.

    Raises:
        InputError: A cell is no date.
    """
    parsed = _try_dates(column)
    bad = np.flatnonzero(parsed.isna())
    if len(bad):
        cell, line = column.iloc[bad[0]], column.index[bad[0]]
        raise InputError(f"{where}, {row} {line}: no time stamp: {cell!r}; write it like 2024-01-31 12:00")
    return parsed


def _try_dates(column: pd.Series) -> pd.Series:
    """Parse dates in ISO 8601 or, if that fits fewer of them, in the format of the first; NaT where neither fits."""
    parsed = pd.to_datetime(column, format="ISO8601", errors="coerce", utc=True)
    if parsed.isna().any():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "could not infer format": the caller's error says it
            other = pd.to_datetime(column, errors="coerce", utc=True)
        if other.notna().sum() > parsed.notna().sum():
            return other
    return parsed


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


def parse_step(text: str) -> pd.Timedelta:
    """Parse a step such as `5min`, `1h`, `1d` or `30 s`.

    Raises:
        InputError: It is no positive duration.
    """
    try:  # pandas wants a capital D, which few would write
        size = pd.Timedelta(text.removesuffix("d") + "D" if text.endswith("d") else text).as_unit("ns")
    except ValueError as error:
        raise InputError(f"step {text!r} is no duration; write it like '30s', '5min' or '1h'") from error
    if pd.isna(size) or size <= pd.Timedelta(0):
        raise InputError(f"step {text!r} is not positive; write it like '30s', '5min' or '1h'")
    return size


def format_duration(size: pd.Timedelta) -> str:
    """Write a duration in the largest unit that it is a whole number of, such as `5 min`."""
    for name, whole in ((name, pd.Timedelta(text)) for name, text in _UNITS.items()):
        if size >= whole and size % whole == pd.Timedelta(0):
            return f"{size // whole} {name}"
    return f"{size.total_seconds():g} s"


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
    if window is not None and len(lengths) and (length := int(lengths.max())) > window:
        start = int(starts[lengths.argmax()])
        gap = f"gap from {series.index[start]} to {series.index[start + length - 1]}"
        what = f"{gap}: {length} steps of {format_duration(size)}, longer than the window of {window}"
        raise InputError(f"{where}: {what}; cut the file there or raise the window")


def choose_season(wanted: str | int | None, trace: Trace, horizon: int = 1) -> int | None:
    """Return the steps of a season; None for a trace without one.

    Args:
        wanted: Steps (`288`), a duration (`1d`), or `none`; None: a day, if the trace spans `ROUNDS` of them.
        trace: The trace.
        horizon: Steps ahead that will be forecast; a season is not shorter.

    Raises:
        InputError: It is none of these, or does not fit the trace.
    """
    rows, least = len(trace.frame), max(2, horizon)
    if wanted is None:
        steps = int(_DAY // trace.step)
        return steps if _DAY % trace.step == pd.Timedelta(0) and steps >= least and rows >= ROUNDS * steps else None
    text = str(wanted).strip().lower()
    if text == "none":
        return None
    if text.lstrip("+-").isdigit():
        steps = int(text)
    else:
        try:
            length = parse_step(text)
        except InputError as error:
            hint = "write it like 288, 1d or none"
            raise InputError(f"season {text!r} is neither steps nor a duration; {hint}") from error
        if length % trace.step != pd.Timedelta(0):
            whole = f"no whole number of steps of {format_duration(trace.step)}"
            raise InputError(f"a season of {text} is {whole}; give it in steps")
        steps = int(length // trace.step)
    if steps < least:
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
