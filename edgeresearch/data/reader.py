"""One reader for series of users: which column is time, which is the value, what a row is; doubts are refused.

A guess is told in a line of `notes`. Where two readings fit, neither is taken: the message names both, and the option
(in backticks) that decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias, TypedDict, Unpack

import pandas as pd

from edgeresearch.data.cells import share_of_numbers
from edgeresearch.data.columns import (
    check_column,
    describe_labels,
    find_candidates,
    find_labels,
    find_time,
    find_values,
    join_labels,
    keep_where,
    look_like_labels,
    why_no_value,
)
from edgeresearch.data.formats import Source, Table, open_table
from edgeresearch.data.numbers import find_sentinels, parse_numbers
from edgeresearch.data.repairs import (
    add_up,
    count_events,
    find_clock_change,
    guess_step,
    has_no_step,
    last_known,
    place_on_slots,
    refuse_conflict,
    sort_rows,
    take_differences,
    tell_repairs,
)
from edgeresearch.data.times import join_times, parse_times
from edgeresearch.data.trace import Origin, Trace, choose_season, parse_step, regular_index, trim
from edgeresearch.errors import InputError, check_known

TraceLike: TypeAlias = Source | Trace
"""A trace, or what `read_trace` makes one of: a file's path, `-` for standard input, or values in memory."""
_KEPT = ("value", "step", "where", "sum", "count", "rate", "level", "missing", "tz")
"""What holds for newer rows, too; how their times and numbers are written may differ."""


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


def check_options(options: Mapping[str, Any]) -> None:
    """Raise an `InputError` that names the first of the options that `Reading` does not have."""
    for name in options:
        check_known("option", name, Reading.__annotations__)


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
    check_options(reading)
    if window is not None and window < 1 or horizon < 1:
        raise InputError(f"window {window} and horizon {horizon} must be at least 1; change `window` or `horizon`")
    if isinstance(data, Trace):
        data = trim(data)
        return _with_season(data, seasonality, horizon) if seasonality is not None else data
    table = open_table(data)
    notes = list(table.notes)
    found = _read_series(table, reading, notes)
    series, unit, size, where = found.values, found.unit, found.step, table.where
    if series.nunique() < 2 and len(series) > 1:
        others = "; name another with `value`" if len(table.cells.columns) > 2 else "; there is nothing to learn"
        raise InputError(f"{where}: column {unit!r} is constant ({series.iloc[0]:g}){others}")
    frame, repairs = place_on_slots(series.rename(unit), size, where)
    observed, needed = int(frame[unit].notna().sum()), (window or 1) + horizon
    if observed < needed:
        raise InputError(
            f"{where} has {observed} values, window {window or 1} and horizon {horizon} need {needed}; give a longer "
            "series or a smaller `window`"
        )
    if time_of := find_clock_change(pd.DatetimeIndex(series.index), size):
        notes.append(f"times: an hour is absent from {time_of} on, as when clocks are put forward; `tz` names the zone")
    repairs = {**found.repairs, **repairs}
    if line := tell_repairs(repairs, size):
        notes.append(line)
    kind = "memory" if isinstance(data, pd.DataFrame | pd.Series) else "file"
    origin = Origin(kind, table.file, table.sha256, real=True)
    kept = {name: said for name, said in reading.items() if name in _KEPT and said} | found.reading
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
    check_options(reading)
    table = open_table(data)
    notes = list(table.notes)
    if refused := [name for name in ("value", "sum") if reading.get(name)]:
        raise InputError(f"`{refused[0]}` is for one series; name channels with `columns`")
    cells = _prepare(table, reading, notes)
    time = _choose_time(cells, table, reading, notes)
    if (counted := _count(cells, time, table, reading, notes)) is not None:
        return Channels(table.name, counted.values.to_frame(counted.unit), table.file, table.sha256, tuple(notes))
    names = [check_column(cells, name, table.where) for name in columns or ()]
    if not names:
        names = find_candidates(cells, time, table.where, constant=True)
        notes.append(f"channels: {', '.join(names)}")
        numbers = [str(name) for name in cells.columns if name not in time and share_of_numbers(cells[name]) > 0.5]
        if others := [f"{name!r} is {why_no_value(cells[name]) or 'unnamed'}" for name in numbers if name not in names]:
            notes.append(f"left out: {', '.join(others)}")
    if set(names) & set(time) or len(set(names)) < len(names):
        raise InputError(f"{table.where}: name each channel once, and not the time column")
    stamps = _stamps(cells, time, table, reading, notes)
    frame = pd.DataFrame({name: _read_numbers(cells[name], table, reading, notes)[0].to_numpy() for name in names})
    frame.index = stamps
    twice = frame[~frame.assign(_time=stamps).duplicated()].index.has_duplicates
    fewest = min(names, key=lambda name: frame[name].nunique())
    if twice and not columns and len(names) > 1 and look_like_labels(frame[fewest]):
        rest = ", ".join(name for name in names if name != fewest)
        raise InputError(f"{table.where}: {describe_labels(cells, [fewest])}; name the others with `columns` ({rest})")
    if labels := find_labels(cells, [*time, *names], frame):
        if len(names) > 1:
            raise InputError(
                f"{table.where}: {describe_labels(cells, labels)}; keep one with `where`, or name one of `columns`"
            )
        key = join_labels(cells, labels)
        frame = frame.assign(key=key, time=stamps).drop_duplicates()
        if frame.duplicated(["time", "key"]).any():
            refuse_conflict(frame.set_index("time")[names[0]], table.where, reading.get("tz"))
        frame = frame.pivot(index="time", columns="key", values=names[0]).rename_axis(columns=None)
        notes.append(f"channels: {', '.join(map(str, frame.columns))}, by {', '.join(labels)}")
    frame, repairs = sort_rows(frame, table.where, reading.get("tz"))
    for name in map(str, frame):
        if frame[name].isna().all():
            raise InputError(f"{table.where}, column {name!r} has no value; leave it out of `columns`")
        frame[name] = _as_level(frame[name], name, table, reading, notes)
    gaps = int(frame.isna().to_numpy().sum())
    if line := tell_repairs({**repairs, "missing": gaps}, None):
        notes.append(line)
    return Channels(table.name, frame, table.file, table.sha256, tuple(notes))


class _Series(NamedTuple):
    """A series in order of time, before it is put on a grid."""

    values: pd.Series
    unit: str
    step: pd.Timedelta
    repairs: Mapping[str, int]
    reading: dict[str, Any]
    """What was guessed and holds for newer rows, too."""


def _read_series(table: Table, reading: Reading, notes: list[str]) -> _Series:
    """Return the values in order of time, and what was done to them."""
    cells, where = _prepare(table, reading, notes), table.where
    value, step = reading.get("value"), reading.get("step")
    time = _choose_time(cells, table, reading, notes)
    if (counted := _count(cells, time, table, reading, notes)) is not None:
        return counted
    names = find_values(cells, time, where, notes, value=value, add=bool(reading.get("sum")))
    columns, units = dict[str, pd.Series](), set[str]()
    for name in names:
        columns[name], unit = _read_numbers(cells[name], table, reading, notes)
        units.add(unit)
    if len(units) > 1:
        what = " and ".join(sorted(each or "no unit" for each in units))
        raise InputError(f"{where}: the columns that are added up have {what}; name those of one unit with `value`")
    stamps = _stamps(cells, time, table, reading, notes)
    if not time:
        size = parse_step(step) if step else pd.Timedelta(seconds=1)
        stamps = regular_index(stamps[0], len(stamps), size)
    parts = _part_series(pd.DataFrame(columns).set_index(stamps), cells, time, where, reading, notes)
    ordered, repairs, kinds = [], dict[str, int](), set[str]()
    for part in parts.values():
        one, counts = sort_rows(part.to_frame(), where, reading.get("tz"))
        known = one.iloc[:, 0]
        if time and step and has_no_step(pd.DatetimeIndex(known.index), parse_step(step)):
            known = last_known(known, parse_step(step), where, notes)
        ordered.append(_as_level(known, str(part.name), table, reading, notes))
        kinds.add("level" if ordered[-1] is known else "rate")
        repairs = {key: repairs.get(key, 0) + count for key, count in counts.items()}
    series = ordered[0] if len(ordered) == 1 else add_up(ordered, list(parts), where, notes)
    if time and step is None:
        size = guess_step(pd.DatetimeIndex(series.index), where, notes)
    elif time:
        size = parse_step(str(step))
    unit = names[0] if len(names) == 1 else "sum"
    if series.isna().all():
        raise InputError(f"{where}, column {unit!r} has no value; name another with `value`")
    kept = ({"value": names[0]} if len(names) == 1 else {}) | ({kinds.pop(): True} if len(kinds) == 1 else {})
    cell_unit = units.pop()
    return _Series(series, f"{unit} ({cell_unit})" if cell_unit else unit, size, repairs, kept)


def _part_series(
    frame: pd.DataFrame, cells: pd.DataFrame, time: Sequence[str], where: str, reading: Reading, notes: list[str]
) -> dict[str, pd.Series]:
    """Return the series that stand side by side or below each other, by what tells them apart."""
    names = [str(name) for name in frame]
    labels = find_labels(cells, [*time, *names], frame)
    if labels and not reading.get("sum"):
        hint = "keep one with `where`, or add them up with `sum`"
        raise InputError(f"{where}: {describe_labels(cells, labels)}; {hint}")
    if not labels:
        notes += [f"sum: of {', '.join(names)}"] if len(names) > 1 else []
        return {name: frame[name] for name in names}
    keys = join_labels(cells, labels)
    parts = {
        f"{name}/{key}" if len(names) > 1 else str(key): frame.loc[keys == key, name]
        for name in names
        for key in pd.unique(keys)
    }
    notes.append(f"sum: of {len(parts)} series, by {', '.join(labels)}")
    return parts


def _choose_time(cells: pd.DataFrame, table: Table, reading: Reading, notes: list[str]) -> tuple[str, ...]:
    value, said = reading.get("value"), {name: reading.get(name) for name in ("time", "time_format", "step")}
    return find_time(cells, [value] if value else [], table.where, notes, **said)  # type: ignore[arg-type]


def _count(
    cells: pd.DataFrame, time: Sequence[str], table: Table, reading: Reading, notes: list[str]
) -> _Series | None:
    """Return events, counted per step; None where rows are none."""
    if reading.get("count"):
        stamps = _stamps(cells, time, table, reading, notes)
        series, unit, size = count_events(stamps, reading.get("step") or "1min", table.where, notes)
        return _Series(series, unit, size, {}, {})
    if table.events:
        hint = "count them per step with `count` and `step`, such as 1min"
        raise InputError(f"{table.where}: each line is a request; {hint}")
    return None


def _as_level(series: pd.Series, name: str, table: Table, reading: Reading, notes: list[str]) -> pd.Series:
    return take_differences(series, name, table.where, notes, rate=reading.get("rate"), level=reading.get("level"))


def _read_numbers(
    column: pd.Series, table: Table, reading: Reading, notes: list[str]
) -> "tuple[pd.Series[float], str]":
    """Parse values and their unit; a number that is often written where one is missing is doubted."""
    decimal = reading.get("decimal") or table.decimal
    if decimal not in (None, ".", ","):
        raise InputError(f"`decimal` is {decimal!r}; it is '.' or ','")
    where = table.where
    if words := _missing_words(reading):
        column = column.where(~_is_one_of(column, words))
    values, unit = parse_numbers(column, where, notes, row=table.row, delimiter=table.delimiter, decimal=decimal)
    values = values.where(~values.isin(pd.to_numeric(pd.Series(words, dtype="str"), errors="coerce").dropna()))
    if "none" not in words and (doubted := find_sentinels(values)):
        rows = values[values.isin(doubted)]
        numbers = [f"{each:.15g}" for each in doubted]
        many = "values or stand for missing ones" if len(doubted) > 1 else "a value or stand for a missing one"
        what = f"{' and '.join(numbers)} may be {many} ({len(rows)} such {table.row}s)"
        said = [word for word in words if "," not in word]
        hint = f"say which with `missing` ({','.join([*said, *numbers])} or {','.join([*said, 'none'])})"
        raise InputError(f"{where}, {table.row} {rows.index[0]}, column {column.name!r}: {what}; {hint}")
    return values, unit


def _prepare(table: Table, reading: Reading, notes: list[str]) -> pd.DataFrame:
    """Keep the rows that are asked for, empty the cells that stand for no value, and join times out of their parts."""
    cells = keep_where(table.cells, reading.get("where"), table.where)
    if words := [word for word in _missing_words(reading) if share_of_numbers(pd.Series([word])) == 0]:
        for name in cells:
            if cells[name].dtype.kind not in "iufbmM" and (same := _is_one_of(cells[name], words)).any():
                cells = cells.assign(**{str(name): cells[name].where(~same)})
    return cells if reading.get("time") else join_times(cells, table.where, notes)


def _missing_words(reading: Reading) -> list[str]:
    """Return what stands for a missing value, `none` among it; a comma separates several."""
    said = reading.get("missing") or ()
    words = [said, *said.split(",")] if isinstance(said, str) else [str(each) for each in said]
    return list(dict.fromkeys(word.strip().lower() for word in words if word.strip()))


def _is_one_of(column: pd.Series, words: Sequence[str]) -> "pd.Series[bool]":
    return column.astype("str").str.strip().str.lower().isin(words)


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


def _with_season(trace: Trace, wanted: str | int | None, horizon: int) -> Trace:
    season, notes = choose_season(wanted, trace, horizon), trace.notes
    if wanted is None:
        notes += ("season: none" if season is None else f"season: a day ({season} steps)",)
    return replace(trace, seasonality=season, notes=notes)
