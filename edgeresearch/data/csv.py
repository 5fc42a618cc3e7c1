"""Time series from CSV files: times, columns, channels."""

import csv
import io
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from edgeresearch.data import datasets, trace
from edgeresearch.data.trace import Origin, Trace
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


_TIME_NAMES = ("time", "timestamp", "datetime", "date", "ts", "t", "minute", "second", "hour", "when", "at", "ds")
_START = "2024-01-01"


def read_trace(
    path: str | Path,
    *,
    time: str | None = None,
    value: str | None = None,
    step: str | None = None,
    window: int | None = None,
    horizon: int = 1,
    seasonality: int | None = None,
) -> tuple[Trace, list[str]]:
    """Read a CSV (`.csv` or `.csv.gz`) with one value per time as a trace on a regular grid.

    Stamps are put on the nearest slot of the grid that starts at the first; slots without a row are NaN and counted in
    the repairs (`absent`), as are stamps beside the grid (`off_grid`). Stamps with a zone become UTC. A file without a
    time column gets stamps from 2024-01-01 on.

    Args:
        path: The file, in UTF-8, with a header or without.
        time: Name of the time column; guessed where None.
        value: Name of the value column; the first numeric column where None.
        step: Distance of two rows, such as `5min`; the commonest distance where None.
        window: Past steps that a forecast will read; None if not known yet.
        horizon: Steps ahead that will be forecast.
        seasonality: Steps in a season; a day where None, if the trace spans two.

    Returns:
        The trace, named after the file, and one line for each thing that was guessed.

    Raises:
        InputError: The file is missing, a directory, unreadable, damaged, empty or not UTF-8; a named column is not
            there or there is no numeric one; a value is missing, infinite or text; stamps cannot be parsed, run
            backwards, repeat, or have no common distance; a gap is longer than the window; the series is constant or
            shorter than window and horizon.
    """
    path = Path(path)
    said: list[str] = []
    data = _bytes(path)
    table = _parsed(_text(data, path), path, said)
    time = _time_column(table, time, value, path, said)
    value = _value_column(table, time, value, path, said)
    values = _values(table[value], path)
    if len(values) > 1 and np.ptp(values) == 0:
        raise InputError(f"{path}: column {value!r} is constant ({values[0]:g}); name another with 'value'")
    if time is None:
        size = distance(step) if step else pd.Timedelta(seconds=1)
        if step is None:
            said.append("time column: none, so rows are 1 s apart; say the distance with 'step'")
        frame = pd.DataFrame({value: values}, index=trace.index(_START, len(values), size))
        repairs: dict[str, int] = {"off_grid": 0, "absent": 0}
    else:
        stamps = parse(table[time], str(path), said)
        size = distance(step) if step else _guessed_step(stamps, path, said)
        frame, repairs = _gridded(stamps, values, value, size, path)
    _check_length(frame[value], size, window, horizon, path)
    season = _season(seasonality, frame, size, said)
    name = path.name.removesuffix(".gz").removesuffix(".csv")
    origin = Origin("file", path.name, datasets.sha256(data), real=True)
    return Trace(name, frame, size, value, origin, repairs, season), said


def _bytes(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(f"{path} is a directory; name a CSV file in it")
    if not path.exists():
        near = get_close_matches(path.name, [item.name for item in path.parent.glob("*")], n=1)
        raise InputError(f"no file {path}; " + (f"nearest: {near[0]}" if near else "check the path"))
    data = datasets.content(path)
    if not data.strip():
        raise InputError(f"{path} is empty; give a CSV with a value in each row")
    return data


def _text(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"byte {data[error.start]:#04x} at offset {error.start}"
        hint = f"re-encode it, e.g. iconv -f latin1 -t utf-8 {path.name}"
        raise InputError(f"{path} is not UTF-8: {where}; {hint}") from error


def _parsed(content: str, path: Path, said: list[str]) -> pd.DataFrame:
    """Return all columns as text; the index counts lines of the file, from 1."""
    blank = len(content) - len(content.lstrip("\r\n"))
    before = len(content[:blank].splitlines())
    content = content.strip("\r\n")
    first = content.splitlines()[0]
    comma = max(",;\t", key=first.count)
    if comma != ",":
        said.append(f"separator: {comma!r}")
    cells = next(csv.reader([first], delimiter=comma))
    header = not any(_is_number(cell) for cell in cells)
    if not header:
        said.append("header: none, so columns are named " + ", ".join(f"column{i + 1}" for i in range(len(cells))))
    names = None if header else [f"column{i + 1}" for i in range(len(cells))]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # cells beyond the header would be lost
            table = pd.read_csv(
                io.StringIO(content),
                sep=comma,
                dtype=str,
                keep_default_na=False,
                header=0 if header else None,
                names=names,
                skipinitialspace=True,
                skip_blank_lines=False,
                index_col=False,
            )
    except (ValueError, pd.errors.ParserWarning) as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"{path} is no CSV: {reason}; give each line the same number of cells") from error
    if table.empty:
        raise InputError(f"{path} has a header but no rows; give a CSV with a value in each row")
    table.columns = table.columns.str.strip()
    table.index += before + (2 if header else 1)
    empty = (table == "").all(axis=1)
    # In a single column an empty line is a missing value; beside other columns it is only an empty line.
    return table[~empty] if len(table.columns) > 1 else table


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _named(table: pd.DataFrame, name: str, path: Path) -> str:
    if name not in table:
        near = get_close_matches(name, list(table.columns), n=1, cutoff=0.0)
        raise InputError(f"{path} has no column {name!r}; nearest: {near[0]!r}")
    return name


def _time_column(table: pd.DataFrame, time: str | None, value: str | None, path: Path, said: list[str]) -> str | None:
    if time is not None:
        return _named(table, time, path)
    others = [column for column in table.columns if column != value]
    found = [column for column in others if column.lower() in _TIME_NAMES]
    found += [column for column in others if _looks_like_times(table[column])]
    if not found or len(table.columns) == 1 and _share_numeric(table[found[0]]) == 1.0:
        return None
    said.append(f"time column: {found[0]!r}")
    return str(found[0])


def _looks_like_times(column: pd.Series) -> bool:
    head = column.iloc[:20]
    text_with_digits = _share_numeric(head) == 0 and head.str.contains(r"\d").all()
    return bool(text_with_digits and calendar(head).notna().any())


def _share_numeric(column: pd.Series) -> float:
    return float(pd.to_numeric(column, errors="coerce").notna().mean())


def _value_column(table: pd.DataFrame, time: str | None, value: str | None, path: Path, said: list[str]) -> str:
    if value is not None:
        return _named(table, value, path)
    numeric = [column for column in table.columns if column != time and _share_numeric(table[column]) > 0.5]
    if not numeric:
        raise InputError(f"{path} has no numeric column; columns: {', '.join(table.columns)}")
    if len(table.columns) > 1 + (time is not None):
        said.append(f"value column: {numeric[0]!r}")
    return str(numeric[0])


def _values(column: pd.Series, path: Path) -> npt.NDArray[np.float64]:
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, copy=True)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        cell = str(column.iloc[bad[0]]).strip()
        what = "no value" if cell.lower() in ("", "nan", "na", "null", "none") else f"{cell!r} is no finite number"
        where = f"{path}, line {column.index[bad[0]]}, column {column.name!r}"
        raise InputError(f"{where}: {what} ({len(bad)} such rows); mend or delete them")
    return values


def _guessed_step(stamps: pd.DatetimeIndex, path: Path, said: list[str]) -> pd.Timedelta:
    if len(stamps) < 2:
        raise InputError(f"{path} has one row, so no step; give more rows")
    distances, counts = np.unique(np.diff(stamps.asi8), return_counts=True)
    size = pd.Timedelta(int(distances[counts.argmax()]), unit="ns")
    share = counts.max() / counts.sum()
    if share < 0.5:
        what = f"the commonest, {text(size)}, is {share:.0%} of them"
        raise InputError(f"{path}: the times have no common distance ({what}); resample the file or say 'step'")
    said.append(f"step: {text(size)} ({100 * share:.0f} % of the distances)")
    return size


def _gridded(
    stamps: pd.DatetimeIndex, values: npt.NDArray[np.float64], name: str, size: pd.Timedelta, path: Path
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Put rows on the nearest slot of the grid that starts at the first stamp."""
    since = stamps.asi8 - stamps.asi8[0]
    slots = (since + size.value // 2) // size.value
    same = np.flatnonzero(np.diff(slots) == 0)
    if len(same):
        first, second = stamps[same[0]], stamps[same[0] + 1]
        raise InputError(f"{path}: {first} and {second} are within one step of {text(size)}; say a shorter 'step'")
    if slots[-1] > 100 * len(slots) + 1000:
        raise InputError(f"{path}: {len(slots)} rows on {slots[-1] + 1} slots of {text(size)}; say a longer 'step'")
    column = np.full(slots[-1] + 1, np.nan)
    column[slots] = values
    frame = pd.DataFrame({name: column}, index=trace.index(stamps[0], len(column), size))
    return frame, {"off_grid": int((since % size.value != 0).sum()), "absent": len(column) - len(slots)}


def _check_length(series: pd.Series, size: pd.Timedelta, window: int | None, horizon: int, path: Path) -> None:
    if window is not None and window < 1 or horizon < 1:
        raise InputError(f"window {window} and horizon {horizon} must be at least 1; change these settings")
    needed = (window or 1) + horizon
    observed = int(series.notna().sum())
    if observed < needed:
        raise InputError(f"{path} has {observed} values, but window and horizon need {needed}; give a longer series")
    starts, lengths = trace.runs(series.isna())
    if window is not None and len(lengths) and lengths.max() > window:
        start, length = int(starts[lengths.argmax()]), int(lengths.max())
        begin, end = series.index[start], series.index[start + length - 1]
        what = f"gap from {begin} to {end}: {length} steps of {text(size)}, longer than the window of {window}"
        raise InputError(f"{path}: {what}; cut the file there or raise the window")


def _season(seasonality: int | None, frame: pd.DataFrame, size: pd.Timedelta, said: list[str]) -> int | None:
    if seasonality is not None:
        if not 2 <= seasonality <= len(frame):
            raise InputError(f"a season of {seasonality} steps does not fit {len(frame)} rows; use 2 to {len(frame)}")
        return seasonality
    day = pd.Timedelta(days=1)
    if size * 2 <= day and day % size == pd.Timedelta(0) and len(frame) * size >= 2 * day:
        said.append(f"season: a day ({day // size} steps)")
        return int(day // size)
    said.append("season: none")
    return None


MISSING = ("", "nan", "na", "null", "none")
"""Cells that say that there is no value, in any case."""


class Channels(NamedTuple):
    """What `read` returns.

    Attributes:
        name: Of the file, without its suffixes.
        frame: One column per channel, indexed by time; NaN where a value is missing.
        sha256: Of the file's decompressed bytes.
        said: One line for each thing that was guessed or that the user may not expect.
    """

    name: str
    frame: pd.DataFrame
    sha256: str
    said: tuple[str, ...]


def read_channels(path: str | Path, *, time: str | None = None, columns: Sequence[str] | None = None) -> Channels:
    """Read a CSV (`.csv` or `.csv.gz`) with a time column and one or more channels.

    Times need no common distance. A file without a time column gets stamps 1 s apart from 2024-01-01 on. An empty cell
    and words such as `NaN` are a missing value.

    Args:
        path: The file, in UTF-8, with a header or without.
        time: Name of the time column; guessed where None.
        columns: Names of the channels; all other numeric columns where None.

    Raises:
        InputError: The file is missing, a directory, unreadable, damaged, empty or not UTF-8; the number of columns
            changes; a named column is not there or there is no numeric one; a value is infinite or text; a channel has
            no value; stamps cannot be parsed, run backwards or repeat.
    """
    path = Path(path)
    said: list[str] = []
    data = _bytes(path)
    text = _text(data, path)
    _check_widths(text, path)
    cells = _parsed(text, path, said)
    time = _time_column(cells, time, None, path, said)
    chosen = [_named(cells, name, path) for name in columns] if columns else _numeric(cells, time, path)
    if time in chosen or len(set(chosen)) < len(chosen):
        raise InputError(f"{path}: name each channel once, and not the time column {time!r}")
    values = {name: _channel_values(cells[name], path) for name in chosen}
    if not columns:
        said.append(f"channels: {', '.join(chosen)}")
    frame = pd.DataFrame(values)
    if time is None:
        said.append("time column: none, so rows are 1 s apart")
        frame.index = trace.index("2024-01-01", len(frame), pd.Timedelta(seconds=1))
    else:
        frame.index = parse(cells[time], str(path), said)
    gaps = int(frame.isna().to_numpy().sum())
    if gaps:
        said.append(f"missing: {gaps} of {frame.size} values; {int(frame.isna().all(axis=1).sum())} rows have none")
    name = path.name.removesuffix(".gz").removesuffix(".csv")
    return Channels(name, frame, datasets.sha256(data), tuple(said))


def _check_widths(text: str, path: Path) -> None:
    """Refuse a line with more or fewer cells than the first; pandas would fill up or cut."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    wanted = None
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count))
    for cells in reader:
        if not cells:
            continue
        wanted = wanted or len(cells)
        if len(cells) != wanted:
            raise InputError(
                f"{path}, line {reader.line_num}: {len(cells)} columns where there were {wanted} before; give each "
                "line the same"
            )


def _numeric(cells: pd.DataFrame, time: str | None, path: Path) -> list[str]:
    found = []
    for name in cells.columns:
        known = cells[name][~_missing(cells[name])]
        if name != time and len(known) and _share_numeric(known) > 0.5:
            found.append(str(name))
    if not found:
        raise InputError(f"{path} has no numeric column; columns: {', '.join(cells.columns)}")
    return found


def _missing(column: pd.Series) -> "pd.Series[bool]":
    return column.str.strip().str.lower().isin(MISSING)


def _channel_values(column: pd.Series, path: Path) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    gone = _missing(column).to_numpy()
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, copy=True)
    bad = np.flatnonzero(~np.isfinite(values) & ~gone)
    where = f"{path}, column {column.name!r}"
    if len(bad):
        cell, line = str(column.iloc[bad[0]]).strip(), column.index[bad[0]]
        raise InputError(
            f"{path}, line {line}, column {column.name!r}: {cell!r} is no finite number ({len(bad)} such rows); leave "
            "the cell empty if the value is missing"
        )
    if gone.all():
        raise InputError(f"{where} has no value; leave it out")
    return values
