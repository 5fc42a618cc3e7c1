"""One reader for series of users: which column is time, which is the value, what a row is; doubts are refused.

A guess is told in a line of `notes`. Where two readings fit, neither is taken: the message names both, and the option
(in backticks) that decides.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias, TypedDict, Unpack

import numpy as np
import pandas as pd

from edgeresearch.data.cells import (
    Kind,
    digits_of,
    join_digits,
    kind_of,
    parse_numbers,
    parse_times,
    read_compact,
    share_of_numbers,
    share_of_times,
)  # fmt: skip
from edgeresearch.data.formats import Source, Table, open_table
from edgeresearch.data.trace import Origin, Trace, choose_season, format_duration, parse_step, regular_index, trim
from edgeresearch.errors import InputError, nearest

TraceLike: TypeAlias = Source | Trace
"""A trace, or what `read_trace` makes one of: a file's path, `-` for standard input, or values in memory."""

_TIME_NAMES = ("_time", "time", "timestamp", "datetime", "ts", "ds", "date", "when", "at", "zeit", "datum",
               "zeitstempel", "t", "epoch", "unix", "minute", "second", "hour", "day")  # fmt: skip
_VALUE_NAMES = ("_value", "value", "values", "y", "requests", "hits", "load", "rate", "rps", "qps", "count")
_ELAPSED = re.compile(
    r"(?i)(?:(?:elapsed|uptime|time|t|since|start|offset)[\W_]*)*(?:ms|s|h|min|sec|seconds?|minutes?|hours?|millis)\W*"
)
_KEPT = ("value", "step", "where", "sum", "count", "rate", "level", "missing", "tz")
"""What holds for newer rows, too; how their times and numbers are written may differ."""
_DAY = r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\.0)?"
_PARTS = ("year", "month", "day", "hour", "minute", "second")
_NINES = [float(f"{'9' * k}.{'9' * d}") for k in range(2, 8) for d in range(4)]
_SENTINELS = [sign * each for sign in (-1, 1) for each in (*_NINES, 32767, 32768, 65535, 2.0**31 - 1, 2.0**31)]
"""Numbers that are often written where a value is missing."""
_LABEL_NAMES = re.compile(
    r"(?i)(?:.*[\W_])?(?:id|uuid|pid|port|code|status|zip)|"
    r"(?:[a-z]+[\W_]of[\W_])?(?:year|month|day|weekday|hour|minute|second|index|line|row|table)"
)
_PERIOD_NAME = re.compile(r"(?i)years?|jahr|quarter|months?|monat|weeks?|woche|kw|doy")
_NO_NAME = re.compile(r"(?i)column\d+|unnamed: ?\d+|index|level_\d+")
_COUNTER_NAME = re.compile(r"(?i).*(?:_total|_count|_sum|_bucket|[\W_]counter)|counter")
_NICE = [pd.Timedelta(text) for text in (
    "1ms 10ms 100ms 200ms 250ms 500ms 1s 2s 5s 10s 15s 20s 30s 1min 2min 3min 4min 5min 6min 10min 12min 15min 20min "
    "30min 1h 2h 3h 4h 6h 8h 12h 1D 7D"
).split()]  # fmt: skip


class Reading(TypedDict, total=False):
    """How a source is read, where it leaves that open.

    Attributes:
        time: Name of the time column; two, as `date+clock`, where date and time of day stand apart.
        value: Name of the value column.
        step: Distance of two rows, such as `5min`; where times have none, each step has the last value known.
        where: Rows that are kept, such as `instance=api-1`; `none` for all.
        sum: Whether several series, side by side or below each other, are added up.
        count: Whether each row is an event, and the rows of each step are counted.
        rate: Whether the values are a counter, whose differences are meant.
        level: Whether values that only rise are meant as they are.
        missing: What stands for a missing value beside the usual words, such as `-999` or `-999,unknown`; `none` if
            nothing does.
        decimal: The decimal mark, `.` or `,`.
        time_format: `day-first`, `month-first`, `s`, `ms`, `us`, `ns` (since 1970), `excel`, `days` (since 1970),
            `matlab`, `labview`, `ticks` (.NET), or a format of `strptime`.
        tz: Zone of times that name none, such as `Europe/Berlin`.
    """

    time: str | None
    value: str | None
    step: str | None
    where: str | Sequence[str] | None
    sum: bool
    count: bool
    rate: bool
    level: bool
    missing: str | Sequence[str] | None
    decimal: str | None
    time_format: str | None
    tz: str | None


class Channels(NamedTuple):
    """Several series at common times, which need no common distance.

    Attributes:
        name: Of the file, without its suffixes.
        frame: One column per channel, indexed by time; NaN where a value is missing.
        file: Name of the file; empty where there is none.
        sha256: Of the file's decompressed bytes; empty where there is none.
        notes: One line for each thing that was guessed or that the user may not expect.
    """

    name: str
    frame: pd.DataFrame
    file: str
    sha256: str
    notes: tuple[str, ...]


def read_trace(
    data: TraceLike,
    *,
    window: int | None = None,
    horizon: int = 1,
    seasonality: str | int | None = None,
    **reading: Unpack[Reading],
) -> Trace:
    """Read a file, standard input, a Series or a DataFrame with one value per time as a trace.

        trace = er.read_trace("requests.csv", value="hits")

    It reads delimited text in the shapes that people and tools write, JSON of Prometheus, CloudWatch, Grafana, InfluxDB
    and pandas, NDJSON, Parquet, access logs and what promtool prints (see the page "Your own data"). Rows are sorted,
    exact duplicates dropped, and stamps put on the nearest slot of a regular grid; what is missing, a cell or a row, is
    NaN. A counter becomes its differences. All of it is told in `notes`.

    Args:
        data: A path, `-` for standard input, a Series or DataFrame, or a trace, which keeps all but
            rows without value at its ends.
        window: Past steps that a forecast will read; None if not known yet.
        horizon: Steps ahead that will be forecast.
        seasonality: Steps in a season (`288`), a duration (`1d`) or `none`; None: a day, if the trace spans three.
        **reading: What is not to be guessed: see `Reading`.

    Raises:
        InputError: The source cannot be read, two readings of it fit, or it is too short for window, horizon or season;
            the message says where and names the option that decides.
    """
    if window is not None and window < 1 or horizon < 1:
        raise InputError(f"window {window} and horizon {horizon} must be at least 1; change `window` or `horizon`")
    if isinstance(data, Trace):
        data = trim(data)
        return _with_season(data, seasonality, horizon) if seasonality is not None else data
    table = open_table(data)
    notes = list(table.notes)
    series, unit, size = _read_series(table, reading, notes)
    where = table.where
    if series.nunique() < 2 and len(series) > 1:
        others = "; name another with `value`" if len(table.cells.columns) > 2 else "; there is nothing to learn"
        raise InputError(f"{where}: column {unit!r} is constant ({series.iloc[0]:g}){others}")
    frame, repairs = _put_on_grid(series.rename(unit), size, where)
    observed, needed = int(frame[unit].notna().sum()), (window or 1) + horizon
    if observed < needed:
        raise InputError(
            f"{where} has {observed} values, window {window or 1} and horizon {horizon} need {needed}; give a longer "
            "series or a smaller `window`"
        )
    if time_of := _clocks_forward(pd.DatetimeIndex(series.index), size):
        notes.append(f"times: an hour is absent from {time_of} on, as when clocks are put forward; `tz` names the zone")
    repairs = {**_repairs(series), **repairs}
    if line := _tell_repairs(repairs, size):
        notes.append(line)
    kind = "memory" if isinstance(data, pd.DataFrame | pd.Series) else "file"
    origin = Origin(kind, table.file, table.sha256, real=True)
    kept = {name: said for name, said in reading.items() if name in _KEPT and said} | series.attrs.get("reading", {})
    trace = trim(Trace(table.name, frame, size, unit, origin, repairs, notes=tuple(notes), reading=kept))
    return _with_season(trace, seasonality, horizon)


def read_stream(data: Source, *, columns: Sequence[str] | None = None, **reading: Unpack[Reading]) -> Channels:
    """Read a file, standard input, a Series or a DataFrame with one or more channels; times need no common distance.

    It reads what `read_trace` reads; several series below each other become channels side by side.

    Args:
        data: A path, `-` for standard input, a Series or a DataFrame.
        columns: Names of the channels; all columns of values where None.
        **reading: What is not to be guessed: see `Reading`.

    Raises:
        InputError: As `read_trace`; a channel has no value.
    """
    table = open_table(data)
    notes = list(table.notes)
    if refused := [name for name in ("value", "sum") if reading.get(name)]:
        raise InputError(f"`{refused[0]}` is for one series; name channels with `columns`")
    cells = _prepare(table, reading, notes)
    time = _find_time(cells, reading, (), table.where, notes)
    if reading.get("count"):
        stamps = _stamps(cells, time, table, reading, notes)
        series, name, _ = _count_events(stamps, reading.get("step") or "1min", table.where, notes)
        return Channels(table.name, series.to_frame(name), table.file, table.sha256, tuple(notes))
    if table.events:
        raise InputError(
            f"{table.where}: each line is a request; count them per step with `count` and `step`, such as 1min"
        )
    names = [_check_column(cells, name, table.where) for name in columns or ()]
    if not names:
        names = _candidates(cells, time, table.where, constant=True)
        notes.append(f"channels: {', '.join(names)}")
        numbers = [str(name) for name in cells.columns if name not in time and share_of_numbers(cells[name]) > 0.5]
        if others := [f"{name!r} is {_no_value(cells[name]) or 'unnamed'}" for name in numbers if name not in names]:
            notes.append(f"left out: {', '.join(others)}")
    if set(names) & set(time) or len(set(names)) < len(names):
        raise InputError(f"{table.where}: name each channel once, and not the time column")
    stamps = _stamps(cells, time, table, reading, notes)
    frame = pd.DataFrame({name: _read_numbers(cells[name], table, reading, notes).to_numpy() for name in names})
    frame.index = stamps
    twice = frame[~frame.assign(_time=stamps).duplicated()].index.has_duplicates
    fewest = min(names, key=lambda name: frame[name].nunique())
    if twice and not columns and len(names) > 1 and _few_whole(frame[fewest]):
        rest = ", ".join(name for name in names if name != fewest)
        raise InputError(f"{table.where}: {_offer_labels(cells, [fewest])}; name the others with `columns` ({rest})")
    if labels := _labels(cells, [*time, *names], frame):
        if len(names) > 1:
            raise InputError(
                f"{table.where}: {_offer_labels(cells, labels)}; keep one with `where`, or name one of `columns`"
            )
        key = _keys(cells, labels)
        frame = frame.assign(key=key, time=stamps).drop_duplicates()
        if frame.duplicated(["time", "key"]).any():
            _refuse_conflict(frame.set_index("time")[names[0]], table.where, reading.get("tz"))
        frame = frame.pivot(index="time", columns="key", values=names[0]).rename_axis(columns=None)
        notes.append(f"channels: {', '.join(map(str, frame.columns))}, by {', '.join(labels)}")
    frame, repairs = _in_order(frame, table.where, reading.get("tz"))
    for name in map(str, frame):
        if frame[name].isna().all():
            raise InputError(f"{table.where}, column {name!r} has no value; leave it out of `columns`")
        frame[name] = _difference(frame[name], str(name), reading, table.where, notes)
    gaps = int(frame.isna().to_numpy().sum())
    if line := _tell_repairs({**repairs, "missing": gaps}, None):
        notes.append(line)
    return Channels(table.name, frame, table.file, table.sha256, tuple(notes))


# ------------------------------------------------------------------------------------------------ which is which


def _read_series(table: Table, reading: Reading, notes: list[str]) -> tuple[pd.Series, str, pd.Timedelta]:
    """Return the values in order of time, their name, and the step; what was repaired stands in `attrs`."""
    cells, where = _prepare(table, reading, notes), table.where
    value, step = reading.get("value"), reading.get("step")
    time = _find_time(cells, reading, [value] if value else [], where, notes)
    if reading.get("count"):
        return _count_events(_stamps(cells, time, table, reading, notes), step or "1min", where, notes)
    if table.events:
        raise InputError(f"{where}: each line is a request; count them per step with `count` and `step`, such as 1min")
    names = _find_values(cells, time, reading, where, notes)
    columns = {name: _read_numbers(cells[name], table, reading, notes) for name in names}
    stamps = _stamps(cells, time, table, reading, notes)
    if not time:
        size = parse_step(step) if step else pd.Timedelta(seconds=1)
        stamps = regular_index(stamps[0], len(stamps), size)
    frame = pd.DataFrame(columns).set_index(stamps)
    unit = names[0] if len(names) == 1 else "sum"
    units = {str(column.attrs.get("unit", "")) for column in columns.values()}
    if len(units) > 1:
        what = " and ".join(sorted(each or "no unit" for each in units))
        raise InputError(f"{where}: the columns that are added up have {what}; name those of one unit with `value`")
    cell_unit = units.pop()
    labels = _labels(cells, [*time, *names], frame)
    parts, titles = [frame[name].rename(name) for name in names], names
    if labels:
        if not reading.get("sum"):
            raise InputError(
                f"{where}: {_offer_labels(cells, labels)}; keep one with `where`, or add them up with `sum`"
            )
        keys = _keys(cells, labels)
        titles = [str(key) for _ in parts for key in pd.unique(keys)]
        parts = [part[keys == key] for part in parts for key in pd.unique(keys)]
        notes.append(f"sum: of {len(parts)} series, by {', '.join(labels)}")
    elif len(names) > 1:
        notes.append(f"sum: of {', '.join(names)}")
    ordered, repairs, kinds = [], dict[str, int](), set[str]()
    for part in parts:
        one, counts = _in_order(part.to_frame(), where, reading.get("tz"))
        known = one.iloc[:, 0]
        if time and step and _has_no_step(pd.DatetimeIndex(known.index), parse_step(step)):
            known = _last_known(known, parse_step(step), where, notes)
        ordered.append(_difference(known, str(part.name), reading, where, notes))
        kinds.add("level" if ordered[-1] is known else "rate")
        repairs = {key: repairs.get(key, 0) + count for key, count in counts.items()}
    series = ordered[0] if len(ordered) == 1 else _add_up(ordered, titles, where, notes)
    if time and step is None:
        size = _guess_step(pd.DatetimeIndex(series.index), where, notes)
    elif time:
        size = parse_step(str(step))
    kept = {"value": names[0]} if len(names) == 1 else {}
    series.attrs.update(repairs=repairs, reading=kept | ({kinds.pop(): True} if len(kinds) == 1 else {}))
    if series.isna().all():
        raise InputError(f"{where}, column {unit!r} has no value; name another with `value`")
    return series, f"{unit} ({cell_unit})" if cell_unit else unit, size


def _read_numbers(column: pd.Series, table: Table, reading: Reading, notes: list[str]) -> "pd.Series[float]":
    """Parse values; a number that is often written where one is missing is doubted."""
    decimal = reading.get("decimal") or table.decimal
    if decimal not in (None, ".", ","):
        raise InputError(f"`decimal` is {decimal!r}; it is '.' or ','")
    where = table.where
    if words := _missing_words(reading):
        column = column.where(~_is_one_of(column, words))
    values = parse_numbers(column, where, notes, row=table.row, delimiter=table.delimiter, decimal=decimal)
    values = values.where(~values.isin(pd.to_numeric(pd.Series(words, dtype="str"), errors="coerce").dropna()))
    if "none" not in words and (doubted := _find_sentinels(values)):
        rows = values[values.isin(doubted)]
        numbers = [f"{each:.15g}" for each in doubted]
        many = "values or stand for missing ones" if len(doubted) > 1 else "a value or stand for a missing one"
        what = f"{' and '.join(numbers)} may be {many} ({len(rows)} such {table.row}s)"
        said = [word for word in words if "," not in word]
        hint = f"say which with `missing` ({','.join([*said, *numbers])} or {','.join([*said, 'none'])})"
        raise InputError(f"{where}, {table.row} {rows.index[0]}, column {column.name!r}: {what}; {hint}")
    return values


def _find_sentinels(values: "pd.Series[float]") -> list[float]:
    """Return numbers that may stand for missing values: the only negative ones, or far outside the rest.

    Far is farther than the rest spans. One of `_SENTINELS` is doubted if it is negative or repeats; any other if it is
    negative, repeats, and is five times as far.
    """
    known = values.dropna().to_numpy()
    inside = np.isin(known, _SENTINELS)
    usual = dict(zip(*np.unique(known[inside], return_counts=True), strict=True))
    rest = known[~inside]
    found = {each for each in usual if each < 0} if not (rest < 0).any() else set()
    if len(rest):
        low, high = rest.min(), rest.max()
        span = high - low or abs(high)
        found |= {each for each, count in usual.items() if each < low - span or each > high + span and count > 1}
        others = rest[rest > low]
        spread = np.ptp(others) if len(others) else 0
        if low < 0 < spread and low < others.min() - 5 * spread and (rest == low).sum() > 1:
            found.add(low)
    return sorted(map(float, found))


def _check_column(cells: pd.DataFrame, name: str, where: str) -> str:
    if name not in cells:
        names = [str(column) for column in cells.columns]
        raise InputError(f"{where} has no column {name!r}{nearest(name, names)}; columns: {', '.join(names)}")
    return name


def _keep_where(cells: pd.DataFrame, wanted: str | Sequence[str] | None, where: str) -> pd.DataFrame:
    """Keep the rows in which columns have the values that are asked for."""
    for text in [wanted] if isinstance(wanted, str) else wanted or ():
        name, equals, value = text.partition("=")
        if text == "none":
            continue
        if not equals:
            raise InputError(f"`where` {text!r} is no condition; write it like instance=api-1")
        column = cells[_check_column(cells, name, where)].astype("str").str.strip()
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


def _prepare(table: Table, reading: Reading, notes: list[str]) -> pd.DataFrame:
    """Keep the rows that are asked for, empty the cells that stand for no value, and join times out of their parts."""
    cells = _keep_where(table.cells, reading.get("where"), table.where)
    if words := [word for word in _missing_words(reading) if share_of_numbers(pd.Series([word])) == 0]:
        for name in cells:
            if cells[name].dtype.kind not in "iufbmM" and (same := _is_one_of(cells[name], words)).any():
                cells = cells.assign(**{str(name): cells[name].where(~same)})
    return cells if reading.get("time") else _join_times(cells, table.where, notes)


def _missing_words(reading: Reading) -> list[str]:
    """Return what stands for a missing value, `none` among it; a comma separates several."""
    said = reading.get("missing") or ()
    words = [said, *said.split(",")] if isinstance(said, str) else [str(each) for each in said]
    return list(dict.fromkeys(word.strip().lower() for word in words if word.strip()))


def _is_one_of(column: pd.Series, words: Sequence[str]) -> "pd.Series[bool]":
    return column.astype("str").str.strip().str.lower().isin(words)


def _join_times(cells: pd.DataFrame, where: str, notes: list[str]) -> pd.DataFrame:
    """Make one column of times out of columns of their parts: year, month, day …, or a date and the hour."""
    names = {str(name).lower(): str(name) for name in cells}
    parts = [names[part] for part in _PARTS if part in names and share_of_numbers(cells[names[part]]) == 1]
    times = [str(name) for name in cells if share_of_times(cells[name]) > 0.9]
    lower = [part.lower() for part in parts]
    days_of = [name for key, name in names.items() if re.search("dat|day|tag", key) and _all_match(cells[name], _DAY)]
    if len(days_of) == 1:
        return join_digits(cells, days_of[0], where, notes)
    text = [digits_of(cells[part]).str.zfill(2) for part in parts]
    counts = {"%G-%V-%u": ("week", "isoweek", "iso_week", "kw"), "%Y-%j": ("doy", "yday", "dayofyear", "day_of_year")}
    for form, known in counts.items():
        inside = [names[name] for name in known if name in names and share_of_numbers(cells[names[name]]) == 1]
        if lower == ["year"] and not times and inside:
            joined = text[0] + "-" + digits_of(cells[inside[0]]) + ("-1" if "%V" in form else "")
            stamps = pd.to_datetime(joined, format=form, errors="coerce")
            if len(bad := joined[stamps.isna()]):
                raise InputError(
                    f"{where}: {parts[0]!r} and {inside[0]!r} give {bad.iloc[0]}, which is no date; mend it"
                )
            notes.append(f"times: of {parts[0]!r} and {inside[0]!r}" + (", weeks of ISO 8601" if "%V" in form else ""))
            return cells.drop(columns=[parts[0], inside[0]]).assign(time=stamps)
    if not times and lower[:3] == ["year", "month", "day"]:
        days, clock = text[0] + "-" + text[1] + "-" + text[2], text[3:]
    elif len(times) == 1 and times[0].lower() == "date" and lower[:1] == ["hour"]:
        days, clock = cells[times[0]].astype("str").str.strip(), text
        if days.str.contains(":").any():
            return cells
    else:
        return cells
    hours = clock[0] if clock else "00"
    joined = days + " " + hours + ":" + (clock[1] if len(clock) > 1 else "00")
    return cells.drop(columns=[*parts, *times]).assign(time=joined)


def _find_time(
    cells: pd.DataFrame, reading: Reading, values: Sequence[str], where: str, notes: list[str]
) -> tuple[str, ...]:
    """Return the time column, two where date and clock stand apart, none where there is no time."""
    given, form = reading.get("time"), reading.get("time_format") or ""
    if given is not None:
        if given in cells:
            return (given,)
        return tuple(_check_column(cells, name, where) for name in given.split("+"))
    others = [str(name) for name in cells.columns if name not in values]
    times = [name for name in others if share_of_times(cells[name]) > 0.9]
    if not times and "%" in form:
        times = [
            name for name in others if pd.to_datetime(cells[name], format=form, errors="coerce").notna().mean() > 0.5
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
        likely = [name for name in others if _no_value(cells[name]) == "a clock"][:1]
    if not likely or len(cells.columns) == 1 and likely[0] not in times:
        strange = [name for name in others if share_of_numbers(cells[name]) < 0.5 < cells[name].nunique() / len(cells)]
        if strange:
            hint = "name it with `time`, and say how it is written with `time_format`"
            raise InputError(f"{where}: no column of times is recognised; if {strange[0]!r} is one, {hint}")
        doubted = [name for name in others if len(others) > 1 and _counts_time(cells[name])]
        if doubted:
            raise InputError(f"{where}: {doubted[0]!r} may be the time; name it with `time`, or delete it")
        doubted = [name for name in others if len(cells.columns) > 1 and _PERIOD_NAME.fullmatch(name)]
        if doubted and not reading.get("step"):
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
    scales = (1, 1e3, 1e6, 1e9)
    inside = any(631152000 * scale <= numbers.min() and numbers.max() < 2208988800 * scale for scale in scales)
    return ordered and numbers.nunique() > 1 and (inside or read_compact(numbers.dropna()) is not None)


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


def _candidates(cells: pd.DataFrame, time: Sequence[str], where: str, *, constant: bool = False) -> list[str]:
    """Return the columns that may hold values: numbers that are no counter of rows, clock, label or constant."""
    numeric = [str(name) for name in cells.columns if name not in time and share_of_numbers(cells[name]) > 0.5]
    if not numeric:
        names = ", ".join(map(str, cells.columns))
        hint = "; if each row is an event, `count` them" if time else ""
        some = [f"; {name!r} holds {_odd_cell(cells[name])!r}" for name in cells if name not in time][-1:]
        raise InputError(f"{where} has no column of numbers; columns: {names}{''.join(some)}{hint}")
    why = {name: reason for name in numeric if (reason := _no_value(cells[name]))}
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


def _no_value(column: pd.Series) -> str:
    """Return what a column of numbers is, if it is no value."""
    if len(column) > 10_000 and pd.to_numeric(column.iloc[:1000], errors="coerce").isna().all():
        return ""  # written with marks or units
    numbers = pd.to_numeric(column, errors="coerce").replace([np.inf, -np.inf], np.nan).dropna()
    if len(numbers) < 3 or len(numbers) < len(column) / 2:
        return ""
    steps = np.diff(numbers)
    if (steps == steps[0]).all() and abs(steps[0]) == 1 and (numbers % 1 == 0).all():
        return "a row counter"
    if numbers.min() > 1e8 and (steps >= 0).all() and (numbers % 1 == 0).all() and _all_clock(numbers):
        return "a clock"
    named = _LABEL_NAMES.fullmatch(str(column.name)) or re.search(r"[a-z]I[dD]$", str(column.name))
    if named and (numbers % 1 == 0).all():
        return "a label by its name"
    return "constant" if (steps == 0).all() else ""


def _all_clock(numbers: pd.Series) -> bool:
    """Tell whether numbers are times since 1970 between 2000 and 2035, in a common unit, at even distances."""
    inside = any(
        946684800 * scale <= numbers.min() and numbers.max() < 2051222400 * scale for scale in (1, 1e3, 1e6, 1e9)
    )
    return inside and len(set(np.diff(numbers))) < len(numbers) / 4


def _find_values(cells: pd.DataFrame, time: Sequence[str], reading: Reading, where: str, notes: list[str]) -> list[str]:
    """Return the value column, or those that are added up."""
    value = reading.get("value")
    if value is not None:
        names = value.split("+") if value not in cells and "+" in value else [value]
        names = [_check_column(cells, name, where) for name in names]
        if len(names) == 1:
            return names
        if not reading.get("sum"):
            raise InputError(f"{where}: {len(names)} value columns are named; add them up with `sum`, or name one")
        return names
    found = _candidates(cells, time, where)
    if len(found) > 1 and not reading.get("sum"):
        likely = [name for name in found if re.sub(r"\.\d+$", "", name.lower()) in _VALUE_NAMES]
        if len(likely) != 1:
            some = ", ".join(map(repr, found[:6])) + (" …" if len(found) > 6 else "")
            raise InputError(f"{where}: {some} may all be the value; name one with `value`, or add them up with `sum`")
        found = likely
    if len(found) == 1 and len(cells.columns) > 1 + len(time):
        notes.append(f"value column: {found[0]!r}")
    return found


def _labels(cells: pd.DataFrame, used: Sequence[str], frame: pd.DataFrame) -> list[str]:
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
    if not found or stamps.has_duplicates or _evenness(stamps) > 0.9:
        return found if stamps.has_duplicates else []
    keys = _keys(cells, found)
    return found if min(_evenness(stamps[keys == key]) for key in pd.unique(keys)) > 0.9 else []


def _few_whole(values: "pd.Series[float]") -> bool:
    return bool((values % 1 == 0).all()) and values.nunique() <= max(len(values) / 3, 2)


def _keys(cells: pd.DataFrame, labels: Sequence[str]) -> Any:
    return cells[list(labels)].astype("str").fillna("-").agg("/".join, axis=1).to_numpy()


def _evenness(stamps: pd.DatetimeIndex) -> float:
    """Return the share of the commonest distance between neighbours."""
    distances = np.abs(np.diff(stamps.asi8))
    return float(np.unique(distances, return_counts=True)[1].max() / len(distances)) if len(distances) else 0.0


def _offer_labels(cells: pd.DataFrame, labels: Sequence[str]) -> str:
    some = [f"{name}={cells[name].iloc[0]}" for name in labels]
    return f"several series stand below each other, told apart by {', '.join(labels)} (such as {', '.join(some)})"


# ------------------------------------------------------------------------------------------------------- times


def _stamps(
    cells: pd.DataFrame, time: Sequence[str], table: Table, reading: Reading, notes: list[str]
) -> pd.DatetimeIndex:
    """Return the time of each row; from 2024-01-01 on, a second apart, where there is no time column."""
    if not time:
        if not reading.get("step"):
            notes.append("time column: none, so rows are 1 s apart; say the distance with `step`")
        return regular_index("2024-01-01", len(cells), pd.Timedelta(seconds=1))
    column = cells[time[0]]
    if len(time) == 2:
        column = (column.astype("str").str.strip() + " " + cells[time[1]].astype("str").str.strip()).rename(
            "+".join(time)
        )
    form, zone = reading.get("time_format"), reading.get("tz")
    stamps = parse_times(column, table.where, notes, row=table.row, time_format=form, tz=zone)
    notes.append(f"times: {stamps.min()} to {stamps.max()}")
    return stamps


def _in_order(frame: pd.DataFrame, where: str, tz: str | None) -> tuple[pd.DataFrame, dict[str, int]]:
    """Sort rows by time and drop exact duplicates; rows that contradict each other are refused."""
    stamps = pd.DatetimeIndex(frame.index)
    repairs = {"unsorted": int((np.diff(stamps.asi8) < 0).sum()), "exact_duplicates": 0}
    if repairs["unsorted"]:
        before = frame.iloc[::-1] if repairs["unsorted"] > len(frame) / 2 else frame
        frame = frame.sort_index(kind="stable")
    else:
        before = frame
    if frame.index.has_duplicates:
        same = frame.assign(_time=frame.index).duplicated().to_numpy()
        repairs["exact_duplicates"] = int(same.sum())
        frame = frame[~same]
        if frame.index.has_duplicates and (frame.notna().groupby(level=0).sum() <= 1).all(axis=None):
            frame = frame.groupby(level=0).first()  # a row without a value contradicts none
        if frame.index.has_duplicates:
            _refuse_conflict(before, where, tz)
    return frame, repairs


def _refuse_conflict(frame: "pd.DataFrame | pd.Series", where: str, tz: str | None) -> None:
    """Refuse rows of one time with different values; say so where a clock change explains them."""
    stamps = pd.DatetimeIndex(frame.index)
    twice = stamps[stamps.duplicated()]
    hours = twice.floor("h").unique()
    changes = (hours.hour < 4) & (hours.day_of_week == 6) & hours.month.isin([3, 4, 9, 10, 11])
    if tz:
        hint = "write the offset from UTC beside each time, or keep one series with `where`"
        raise InputError(f"{where}: {len(twice)} times stand there twice, the first {twice[0]} (UTC); {hint}")
    if changes.all() and len(hours.normalize().unique()) == len(hours):
        what = f"the hour from {twice.min()} on stands there twice, as when clocks are put back"
        raise InputError(f"{where}: {what}; name the zone with `tz`, such as Europe/Berlin")
    raise InputError(
        f"{where}: {len(twice)} times stand there twice with different values, the first {twice[0]}; delete one of each"
    )


def _clocks_forward(stamps: pd.DatetimeIndex, size: pd.Timedelta) -> pd.Timestamp | None:
    """Return where an hour is absent in a night in which many countries change their clocks."""
    hour = pd.Timedelta(hours=1)
    if size > hour:
        return None
    before = stamps[:-1][np.diff(stamps.asi8) == (size + hour).value] + size
    nights = before[(before.day_of_week == 6) & before.month.isin([3, 4, 9, 10]) & (before.hour < 4)]
    return nights[0] if len(nights) else None


def _guess_step(stamps: pd.DatetimeIndex, where: str, notes: list[str]) -> pd.Timedelta:
    """Return the commonest distance of two rows, or the usual one near the median if stamps jitter."""
    if len(stamps) < 2:
        raise InputError(f"{where} has one row, so no step; give more rows")
    distances = np.diff(stamps.asi8)
    sizes, counts = np.unique(distances, return_counts=True)
    size, share = pd.Timedelta(int(sizes[counts.argmax()]), unit="ns"), counts.max() / counts.sum()
    first_of_month = (stamps.day == 1) | stamps.is_month_end
    if size >= pd.Timedelta(days=28) and first_of_month.all():
        raise InputError(f"{where}: the rows are calendar months or years, which differ in length; give days or weeks")
    if share >= 0.5:
        return size
    size, fits = _near_median(distances)
    if not fits:
        half = pd.Timedelta(round(np.median(distances)), unit="ns").round("ms")
        what = f"half of them are below {format_duration(half)}"
        hint = "say `step`, and each step has the last value before it, or `count` the rows if each is an event"
        raise InputError(f"{where}: the times have no common distance ({what}); {hint}")
    notes.append(f"times: they jitter around a step of {format_duration(size)}")
    return size


def _near_median(distances: Any) -> tuple[pd.Timedelta, bool]:
    """Return the usual step near the median of distances, and whether nearly all are multiples of it."""
    median = float(np.median(distances))
    nice = min(_NICE, key=lambda each: abs(np.log(each.value / median)))
    size = (
        nice
        if abs(nice.value / median - 1) < 0.05
        else pd.Timedelta(round(median / 1e9) * 10**9 or round(median), unit="ns")
    )
    beside = np.abs(distances / size.value - np.maximum(np.round(distances / size.value), 1))
    return size, bool((beside < 0.4).mean() >= 0.9)


def _has_no_step(stamps: pd.DatetimeIndex, size: pd.Timedelta) -> bool:
    """Tell whether times have no common distance, nor are those of a grid."""
    distances = np.diff(stamps.asi8)
    if len(distances) < 2 or _evenness(stamps) >= 0.5 or _near_median(distances)[1]:
        return False
    return bool(np.unique(stamps.asi8 % size.value, return_counts=True)[1].max() < 0.9 * len(stamps))


def _last_known(series: pd.Series, size: pd.Timedelta, where: str, notes: list[str]) -> pd.Series:
    """Return the last value known at each step, as of sensors that tell changes only."""
    stamps = pd.DatetimeIndex(series.index)
    slots = int((stamps[-1] - stamps[0]) / size)
    if not 1 <= slots <= 50_000_000:
        option = "shorter" if slots < 1 else "longer"
        raise InputError(f"{where} spans {slots} steps of {format_duration(size)}; give a {option} `step`")
    longest = format_duration(pd.Timedelta(int(np.diff(stamps.asi8).max()), unit="ns").round("ms"))
    notes.append(
        f"values: each step of {format_duration(size)} has the last value known at its start, as the times have no "
        f"common distance; the longest time without a row is {longest}"
    )
    first = -(-int(stamps.asi8[0]) // size.value) * size.value
    grid = regular_index(first, int((stamps.asi8[-1] - first) // size.value) + 1, size)
    return series.reindex(grid, method="ffill")


def _count_events(
    stamps: pd.DatetimeIndex, step: str, where: str, notes: list[str]
) -> tuple[pd.Series, str, pd.Timedelta]:
    """Count rows per step; the first and the last step, which may be cut, are left out."""
    size = parse_step(step)
    slots = stamps.asi8 // size.value
    first, last = int(slots.min()), int(slots.max())
    if last - first < 3:
        raise InputError(f"{where} spans {last - first + 1} steps of {format_duration(size)}; give a shorter `step`")
    if last - first > 50_000_000:
        raise InputError(f"{where} spans {last - first + 1} steps of {format_duration(size)}; give a longer `step`")
    counts = np.bincount(slots - first)[1:-1].astype(np.float64)
    notes.append(
        f"values: {len(stamps)} events, counted per {format_duration(size)}; the first and last step are left out"
    )
    series = pd.Series(counts, index=regular_index((first + 1) * size.value, len(counts), size))
    series.attrs["repairs"] = {}
    return series, "requests", size


# ----------------------------------------------------------------------------------------------------- repairs


def _add_up(parts: Sequence[pd.Series], titles: Sequence[str], where: str, notes: list[str]) -> pd.Series:
    """Add series up; a sum lacks a value where one of them does between its first and its last."""
    times = set(parts[0].index)
    if not any(times.intersection(part.index) for part in parts[1:]):  # each has times of its own: bring them together
        size = _guess_step(pd.DatetimeIndex(parts[0].index), where, notes)
        parts = [part.set_axis(pd.DatetimeIndex(part.index).round(size)) for part in parts]
        if any(part.index.has_duplicates for part in parts):
            raise InputError(f"{where}: the series have no common times; keep one with `where`")
        notes.append(f"times: those of the series differ, so they are rounded to {format_duration(size)}")
    table = pd.concat(parts, axis=1)
    whole = table.dropna()
    for k, title in enumerate(titles if len(titles) > 2 and len(whole) > 1 else ()):
        if np.allclose(2 * whole.iloc[:, k], whole.sum(axis=1)) and whole.iloc[:, k].any():
            hint = "keep it alone (`value` or `where`), or leave it out (`value` with names such as a+b)"
            raise InputError(f"{where}: {title!r} is the sum of the others, which would count twice; {hint}")
    alive = table.bfill().notna() & table.ffill().notna()
    return table.sum(axis=1, min_count=1).mask((table.isna() & alive).any(axis=1))


def _difference(series: pd.Series, name: str, reading: Reading, where: str, notes: list[str]) -> pd.Series:
    """Return the increments of a counter per step; any other series as it is."""
    rate, level = reading.get("rate"), reading.get("level")
    if rate and level:
        raise InputError("`rate` and `level` exclude each other; say one of them")
    known = series.dropna()
    steps = np.diff(known.to_numpy())
    falls = np.flatnonzero(steps < 0)
    if not rate:
        named = _COUNTER_NAME.fullmatch(name)
        rises = int((steps > 0).sum())
        few = 0.2 * rises if named else max(0.05 * rises, 1)
        often = rises > 0.3 * len(steps) or rises >= 5 and not len(falls) or named and rises >= 2
        rising = len(known) >= 8 and often and len(falls) <= few
        after = known.to_numpy()[falls + 1]
        resets = rising and bool((after < 0.5 * known.to_numpy()[falls]).all())
        if level or not resets or known.min() < 0:
            return series
        if not named or not len(falls) or (after > 2 * steps.max()).any():  # a counter begins anew near 0
            what = f"falls {len(falls)} times only, to less than half" if len(falls) else "never falls"
            readings = "a counter, whose differences are meant (`rate`), or a level (`level`)"
            raise InputError(f"{where}: column {name!r} {what}: it may be {readings}; say which")
    increments = np.where(steps < 0, known.to_numpy()[1:], steps)
    distances = np.diff(pd.DatetimeIndex(known.index).asi8)
    whole = distances <= 1.5 * np.median(distances)  # what was counted over a gap belongs to no single step
    notes.append(
        f"values: {name!r} is a counter ({len(falls)} resets), so its differences are taken; `level` takes it as it is"
        if not rate
        else f"values: differences of {name!r} ({len(falls)} resets)"
    )
    result = pd.Series(np.where(whole, increments, np.nan), index=known.index[1:], name=series.name)
    return result.reindex(series.index[1:])


def _put_on_grid(series: pd.Series, size: pd.Timedelta, where: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Put rows on the nearest slot of a regular grid; a row whose slot is taken goes to a free one beside it."""
    stamps = pd.DatetimeIndex(series.index)
    ns, text = stamps.asi8, format_duration(size)
    phases = ns % size.value
    common, counts = np.unique(phases, return_counts=True)
    phase = int(common[counts.argmax()])
    if counts.max() < 0.5 * len(ns):  # jitter: the grid runs through the middle of the stamps
        turned = (phases + size.value // 2) % size.value
        near = int(np.median(phases)) if np.ptp(phases) < np.ptp(turned) else int(np.median(turned)) - size.value // 2
        phase = 0 if abs(near) < size.value // 4 else near
    slots = (ns - phase + size.value // 2) // size.value
    beside = (ns - phase) / size.value - slots
    for at in map(int, np.flatnonzero(np.diff(slots) == 0) + 1):
        if slots[at] != slots[at - 1]:
            continue
        if beside[at - 1] < -0.25 and (at == 1 or slots[at - 2] < slots[at] - 1):
            slots[at - 1] -= 1
        elif beside[at] > 0.25 and (at + 1 == len(slots) or slots[at + 1] > slots[at] + 1):
            slots[at] += 1
        else:
            what = f"{stamps[at - 1]} and {stamps[at]} are within one step of {text}"
            raise InputError(f"{where}: {what}; say a shorter `step`")
    slots -= slots[0]
    if slots[-1] > 100 * len(slots) + 1000:
        gap = int(np.diff(slots).argmax())
        what = (
            f"{len(slots)} rows on {slots[-1] + 1} slots of {text}, with nothing from {stamps[gap]} to "
            f"{stamps[gap + 1]}"
        )
        raise InputError(f"{where}: {what}; mend a time that is wrong, or say a longer `step`")
    column = np.full(int(slots[-1]) + 1, np.nan)
    column[slots] = series.to_numpy()
    start = (int(ns[0]) - phase + size.value // 2) // size.value * size.value + phase
    frame = pd.DataFrame({str(series.name): column}, index=regular_index(start, len(column), size))
    moved = int((phases != (start % size.value)).sum())
    missing = int(series.isna().sum())
    return frame, {"missing": missing, "off_grid": moved, "absent": len(column) - len(slots)}


def _repairs(series: pd.Series) -> dict[str, int]:
    repairs: dict[str, int] = series.attrs.get("repairs", {})
    return repairs


def _tell_repairs(repairs: Mapping[str, int], size: pd.Timedelta | None) -> str:
    """Return one line on what was repaired; empty if nothing was."""
    parts = ["sorted"] if repairs.get("unsorted") else []
    for key, what in (
        ("exact_duplicates", "exact duplicate{} dropped"),
        ("missing", "value{} missing"),
        ("absent", "row{} absent"),
        ("off_grid", "time{} moved to the grid"),
    ):
        if count := repairs.get(key, 0):
            parts.append(f"{count} {what.format('' if count == 1 else 's')}")
    step = [f"step {format_duration(size)}"] if size is not None else []
    return "; ".join([*step, *parts]) if parts or step else ""


def _with_season(trace: Trace, wanted: str | int | None, horizon: int) -> Trace:
    season, notes = choose_season(wanted, trace, horizon), trace.notes
    if wanted is None:
        notes += ("season: none" if season is None else f"season: a day ({season} steps)",)
    return replace(trace, seasonality=season, notes=notes)
