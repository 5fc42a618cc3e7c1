"""A user's own CSV as a trace: what is not said is guessed and told; what cannot be right is a one-line error."""

import csv
import io
import warnings
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.series import grid, registry
from edgeresearch.series.stamps import calendar, distance, parse, text
from edgeresearch.series.trace import Origin, Trace

_TIME_NAMES = ("time", "timestamp", "datetime", "date", "ts", "t", "minute", "second", "hour", "when", "at", "ds")
_START = "2024-01-01"


def read(
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
        frame = pd.DataFrame({value: values}, index=grid.index(_START, len(values), size))
        repairs: dict[str, int] = {"off_grid": 0, "absent": 0}
    else:
        stamps = parse(table[time], str(path), said)
        size = distance(step) if step else _guessed_step(stamps, path, said)
        frame, repairs = _gridded(stamps, values, value, size, path)
    _check_length(frame[value], size, window, horizon, path)
    season = _season(seasonality, frame, size, said)
    name = path.name.removesuffix(".gz").removesuffix(".csv")
    origin = Origin("file", path.name, registry.sha256(data), real=True)
    return Trace(name, frame, size, value, origin, repairs, season), said


def _bytes(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(f"{path} is a directory; name a CSV file in it")
    if not path.exists():
        near = get_close_matches(path.name, [item.name for item in path.parent.glob("*")], n=1)
        raise InputError(f"no file {path}; " + (f"nearest: {near[0]}" if near else "check the path"))
    data = registry.content(path)
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
    frame = pd.DataFrame({name: column}, index=grid.index(stamps[0], len(column), size))
    return frame, {"off_grid": int((since % size.value != 0).sum()), "absent": len(column) - len(slots)}


def _check_length(series: pd.Series, size: pd.Timedelta, window: int | None, horizon: int, path: Path) -> None:
    if window is not None and window < 1 or horizon < 1:
        raise InputError(f"window {window} and horizon {horizon} must be at least 1; change these settings")
    needed = (window or 1) + horizon
    observed = int(series.notna().sum())
    if observed < needed:
        raise InputError(f"{path} has {observed} values, but window and horizon need {needed}; give a longer series")
    starts, lengths = grid.runs(series.isna())
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
