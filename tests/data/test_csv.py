"""Time series of users: CSV files and what is in memory, as traces and channels."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.data import csv
from edgeresearch.data.csv import choose_season, read_channels, read_trace
from edgeresearch.data.trace import Origin, Trace
from edgeresearch.errors import InputError
from edgeresearch.provenance import sha256

PLAIN = "time,speed,count,name\n2024-01-01 00:00,50,3,a\n2024-01-01 00:05,51.5,4,b\n2024-01-01 00:20,49,,c\n"
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "mine.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def _stamped(values: list[Any], step: str = "5min", header: str = "ts,load") -> str:
    stamps = pd.date_range("2024-01-01", periods=len(values), freq=step)
    return "\n".join([header, *(f"{stamp},{value}" for stamp, value in zip(stamps, values, strict=True))]) + "\n"


def _error(read: Callable[..., object], path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(path), "FILE")


def _parse(*cells: str) -> tuple[list[str], list[str]]:
    notes: list[str] = []
    table = pd.DataFrame({"t": cells}, index=range(2, 2 + len(cells)), dtype=str)
    index = csv._Table(table, "f", Origin("file"), "f.csv", "line", notes).parse_times("t")
    assert index is not None
    assert index.unit == "ns" and index.tz is None
    return [str(stamp) for stamp in index], notes


@pytest.mark.parametrize(
    ("cells", "note"),
    [
        (("2024-01-31 12:00:00", "2024-01-31 12:05:00"), None),
        (("2024-01-31T12:00", "2024-01-31T12:05"), None),
        (("2024-01-31T12:00:00.000", "2024-01-31T12:05:00"), None),
        (("01/31/2024 12:00", "01/31/2024 12:05"), None),
        (("1706702400", "1706702700"), "times: s since 1970"),
        (("1706702400000", "1706702700000"), "times: ms since 1970"),
        (("1706702400000000", "1706702700000000"), "times: us since 1970"),
        (("2024-01-31T14:00:00+02:00", "2024-01-31T12:05:00Z"), "times: converted to UTC"),
    ],
)
def test_time_stamps_in_many_spellings(cells: tuple[str, str], note: str | None) -> None:
    stamps, notes = _parse(*cells)
    assert stamps == ["2024-01-31 12:00:00", "2024-01-31 12:05:00"]
    assert notes == [*([note] if note else []), "times: 2024-01-31 12:00:00 to 2024-01-31 12:05:00"]


def test_numbers_are_dates_only_where_they_look_like_some() -> None:
    assert _parse("20240131", "20240201")[0] == ["2024-01-31 00:00:00", "2024-02-01 00:00:00"]
    stamps, notes = _parse("0", "90")
    assert stamps == ["2024-01-01 00:00:00", "2024-01-01 00:01:30"]
    assert notes[0] == "times: s from 2024-01-01, as the numbers are no dates"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (("inf", "1"), "f.csv: the times are too large for dates"),
        (("1e300", "2e300"), "too large for dates"),
        (("2024-01-01", "soon"), "f.csv, line 3: no time stamp: 'soon'"),
        (("", "2024-01-01"), "f.csv, line 2: no time stamp: ''"),
        (("2024-01-02", "2024-01-01"), "line 3: 2024-01-01 00:00:00 is earlier than the one before; sort by time"),
        (("2024-01-01", "2024-01-01"), "line 3: 2024-01-01 00:00:00 repeats the stamp of the one before"),
    ],
)
def test_time_stamps_that_are_refused(cells: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError) as caught:
        _parse(*cells)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("written", "seconds"), [("30s", 30), ("30 s", 30), ("5min", 300), ("1h", 3600), ("1D", 86400), ("1d", 86400)]
)
def test_steps(written: str, seconds: int) -> None:
    assert csv.parse_step(written) == pd.Timedelta(seconds=seconds)


@pytest.mark.parametrize("written", ["often", "5 parsecs", "", "0s", "-5min", "NaT"])
def test_what_is_no_step_is_refused(written: str) -> None:
    with pytest.raises(InputError, match=f"step '{written}' is (no duration|not positive)"):
        csv.parse_step(written)


@pytest.mark.parametrize(
    ("size", "text"),
    [("300s", "5 min"), ("90s", "90 s"), ("1D", "1 d"), ("36h", "36 h"), ("500ms", "500 ms"), ("1us", "1e-06 s")],
)
def test_durations_are_written_in_whole_units(size: str, text: str) -> None:
    assert csv.format_duration(pd.Timedelta(size)) == text


@settings(deadline=None)
@given(st.integers(1, 10**9))
def test_a_duration_that_is_written_can_be_read_again(milliseconds: int) -> None:
    size = pd.Timedelta(milliseconds=milliseconds)
    assert csv.parse_step(csv.format_duration(size)) == size


def test_what_is_not_stated_is_guessed_and_noted(write: Write) -> None:
    values = [float(k % 7) for k in range(900)]
    path = write(_stamped(values))
    trace = read_trace(path)
    assert trace.notes == (
        "time column: 'ts'",
        "times: 2024-01-01 00:00:00 to 2024-01-04 02:55:00",
        "step: 5 min (100 % of the distances)",
        "season: a day (288 steps)",
    )
    assert trace.values.tolist() == values
    assert (trace.name, trace.unit, trace.step, trace.seasonality) == ("mine", "load", pd.Timedelta("5min"), 288)
    assert trace.repairs == {"off_grid": 0, "absent": 0}
    assert trace.origin == Origin("file", "mine.csv", sha256(path.read_bytes()), real=True)


def test_what_is_stated_is_not_guessed(write: Write) -> None:
    rows = "".join(f"{k},2024-01-{k:02},{k % 4}\n" for k in range(1, 10))
    trace = read_trace(write(f"a,when,b\n{rows}"), time="when", value="b", step="1D", seasonality=3)
    assert trace.notes == ("times: 2024-01-01 00:00:00 to 2024-01-09 00:00:00",)
    assert trace.values.tolist() == [k % 4 for k in range(1, 10)]
    assert trace.seasonality == 3


@pytest.mark.parametrize(
    ("text", "options", "values", "note"),
    [
        ("host,when,cpu,mem\na,2024-01-01,1,5\nb,2024-01-02,2,6\n", {}, [1, 2], "value column: 'cpu'"),
        ("x,y\nJan 5 2024,1\nJan 6 2024,2\n", {}, [1, 2], "time column: 'x'"),
        ("t,u\n1,5\n3,6\n", {"value": "t"}, [1, 3], "time column: none, so rows are 1 s apart; say the distance"),
        ("load\n1\n2\n4\n", {"step": "10 s"}, [1, 2, 4], "season: none"),
        ("t\n1\n2\n", {}, [1, 2], "time column: none"),
        ("2024-01-01,5\n2024-01-02,6\n", {}, [5, 6], "header: none, so columns are named column1, column2"),
        (_stamped([1, 2]).replace(",", ";"), {}, [1, 2], "separator: ';'"),
        (_stamped([1, 2]).replace(",", "\t"), {}, [1, 2], "separator: '\\t'"),
        ("\ufeff\r\n ts , load \r\n2024-01-01, 1\r\n\r\n2024-01-02, 2\r\n\r\n", {}, [1, 2], "time column: 'ts'"),
        ('time,"b, c"\n2024-01-01,1\n2024-01-02,"4"\n', {}, [1, 4], "time column: 'time'"),
    ],
)
def test_files_of_many_shapes(text: str, options: Any, values: list[float], note: str, write: Write) -> None:
    trace = read_trace(write(text), **options)
    assert trace.values.tolist() == values
    assert any(line.startswith(note) for line in trace.notes)
    if "time column: none" in note:
        assert (trace.step, trace.frame.index[0]) == (pd.Timedelta("1s"), pd.Timestamp("2024-01-01"))


@pytest.mark.parametrize("read", [read_trace, read_channels])
def test_a_packed_file(read: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "mine.csv.gz").write_bytes(gzip.compress(_stamped([1, 2]).encode()))
    found = read(tmp_path / "mine.csv.gz")
    assert (found.name, found.frame["load"].tolist()) == ("mine", [1, 2])


def test_short_gaps_are_marked_and_counted(write: Write) -> None:
    lines = _stamped(list(range(10))).splitlines()
    trace = read_trace(write("\n".join(lines[:4] + lines[6:])), window=2)
    assert trace.values.isna().tolist() == [False] * 3 + [True] * 2 + [False] * 5
    assert trace.repairs["absent"] == 2
    assert "step: 5 min (86 % of the distances)" in trace.notes


def test_stamps_beside_the_grid_go_to_the_nearest_slot(write: Write) -> None:
    text = "ts,v\n2024-01-01 00:00:00,1\n2024-01-01 00:01:00,2\n2024-01-01 00:02:02,3\n2024-01-01 00:02:58,4\n"
    trace = read_trace(write(text), step="1min")
    assert trace.values.tolist() == [1, 2, 3, 4]
    assert trace.repairs == {"off_grid": 2, "absent": 0}


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=30).filter(lambda v: len(set(v)) > 1))
def test_what_is_written_is_read_and_memory_is_as_good_as_a_file(
    values: list[float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("t") / "x.csv"
    path.write_text(_stamped([repr(value) for value in values]))
    trace = read_trace(path)
    np.testing.assert_array_equal(trace.values, values)
    series = pd.Series(values, index=pd.DatetimeIndex(trace.frame.index), name="load")
    frame = series.rename_axis("ts").reset_index()
    for data in (series, frame, frame.astype({"ts": str}), trace):
        pd.testing.assert_frame_equal(read_trace(data).frame, trace.frame, check_exact=True)


def test_a_series_in_memory() -> None:
    index = pd.date_range("2024-01-01", periods=6, freq="1h", tz="Europe/Berlin")
    trace = read_trace(pd.Series([1, 2, np.nan, 4, 5, 6], index=index), seasonality="none")
    assert (trace.name, trace.unit, trace.origin.source, trace.origin.real) == ("series", "value", "memory", True)
    assert trace.frame.index[0] == pd.Timestamp("2023-12-31 23:00")
    assert trace.repairs["absent"] == 1 and np.isnan(trace.values.iloc[2])
    assert read_trace(pd.Series([1.0, 2.0, 4.0])).step == pd.Timedelta("1s")
    assert read_trace(trace, seasonality=2).seasonality == 2
    assert read_trace(pd.DataFrame({("a", "b"): [1.0, 2.0]})["a", "b"]).unit == "('a', 'b')"


def test_periods_in_memory_are_the_times_at_which_they_start() -> None:
    index = pd.period_range("2024-01-01", periods=6, freq="1h")
    for data in (pd.Series(range(6), index=index), pd.DataFrame({"value": range(6)}, index=index)):
        trace = read_trace(data)
        assert trace.step == pd.Timedelta("1h")
        assert list(trace.frame.index) == list(pd.date_range("2024-01-01", periods=6, freq="1h"))
        assert isinstance(data.index, pd.PeriodIndex)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1.0, 2.0], "a list is no trace; give the path of a CSV file, a pandas Series or DataFrame"),
        (None, "a NoneType is no trace"),
        (pd.Series([], dtype=float), "the series has no rows"),
        (pd.Series([1.0, np.inf]), "the series, row 1, column 'value': 'inf' is no finite number"),
        (pd.Series([np.nan, np.nan]), "the series has no numeric column; columns: value"),
        (pd.DataFrame([[1, 2, 3]], columns=["a", "v", "v"]), "the series has two columns 'v'; give each column a name"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), "the series has two columns '1'"),
        (pd.DataFrame({("a", "b"): [1, 2]}), "the series has columns of 2 levels; give each column one name"),
        (pd.DataFrame({"a": ["x", "y"]}), "the series has no numeric column; columns: a"),
        (pd.Series([1, 2], index=pd.to_datetime(["2024-01-02", "2024-01-01"])), "the series, row 1: .* is earlier"),
        (pd.DataFrame({"time": ["2024-01-01", "soon"], "v": [1, 2]}), "the series, row 1: no time stamp: 'soon'"),
    ],
)
def test_series_in_memory_that_are_refused(data: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_trace(data)


def _trace(rows: int, step: str = "1h") -> Trace:
    index = pd.date_range("2024-01-01", periods=rows, freq=step)
    frame = pd.DataFrame({"v": np.arange(rows, dtype=float)}, index=index)
    return Trace("mine", frame, pd.Timedelta(step), "v", Origin(""))


@pytest.mark.parametrize(
    ("rows", "step", "horizon", "steps"),
    [(72, "1h", 1, 24), (71, "1h", 1, None), (500, "7min", 1, None), (72, "1h", 25, None), (90, "1D", 1, None)],
)
def test_a_season_is_a_day_where_three_are_spanned(rows: int, step: str, horizon: int, steps: int | None) -> None:
    assert choose_season(None, _trace(rows, step), horizon) == steps


@pytest.mark.parametrize(
    ("wanted", "steps"), [("24", 24), (24, 24), ("1d", 24), ("1D", 24), (" 12h ", 12), ("none", None), ("720min", 12)]
)
def test_a_season_that_is_stated(wanted: str | int, steps: int | None) -> None:
    assert choose_season(wanted, _trace(100)) == steps


@pytest.mark.parametrize(
    ("wanted", "horizon", "message"),
    [
        ("often", 1, "season 'often' is neither steps nor a duration; write it like 288, 1d or none"),
        ("nat", 1, "season 'nat' is neither steps nor a duration"),
        ("90min", 1, "a season of 90min is no whole number of steps of 1 h; give it in steps"),
        ("1", 1, "a season of 1 steps is too short; use at least 2"),
        ("-5", 1, "a season of -5 steps is too short"),
        ("6", 7, "no fewer than the horizon, 7"),
        ("34", 1, "a season of 34 steps needs 102 rows, mine has 100; use a shorter season or 'none'"),
    ],
)
def test_a_season_that_does_not_fit_is_refused(wanted: str, horizon: int, message: str) -> None:
    with pytest.raises(InputError) as caught:
        choose_season(wanted, _trace(100), horizon)
    assert message in str(caught.value)


def test_numeric_columns_are_the_channels(write: Write) -> None:
    found = read_channels(write(PLAIN))
    assert found.name == "mine"
    minutes = pd.to_timedelta([0, 5, 20], unit="min")
    assert found.frame.index.tolist() == (pd.Timestamp("2024-01-01") + minutes).tolist()
    np.testing.assert_array_equal(found.frame["speed"], [50, 51.5, 49])
    np.testing.assert_array_equal(found.frame["count"], [3, 4, np.nan])
    assert found.sha256 == sha256(PLAIN.encode())
    wanted = {"time column: 'time'", "channels: speed, count", "missing: 1 of 6 values; 0 rows have none"}
    assert wanted <= set(found.notes)


def test_channels_are_chosen_in_the_order_named(write: Write) -> None:
    found = read_channels(write(PLAIN), columns=["count", "speed"])
    assert found.frame.columns.tolist() == ["count", "speed"]
    assert not any(line.startswith("channels") for line in found.notes)


@pytest.mark.parametrize("word", ["", "NaN", "na", "NULL", "None", " "])
def test_words_for_a_missing_value(word: str, write: Write) -> None:
    found = read_channels(write(f"time,a,b\n2024-01-01,1,{word}\n2024-01-02,{word},{word}\n2024-01-03,1,2\n"))
    assert found.frame["a"].isna().tolist() == [False, True, False]
    assert found.frame["b"].isna().tolist() == [True, True, False]
    assert "missing: 3 of 6 values; 1 rows have none" in found.notes


def test_channels_of_other_shapes(write: Write) -> None:
    rows = "\n".join(f"2024-01-{day:02},{day},{'7' if day == 3 else ''}" for day in range(1, 10))
    assert read_channels(write(f"time,a,b\n{rows}\n")).frame.columns.tolist() == ["a", "b"], "mostly missing"
    found = read_channels(write("a,b\n1,2\n3,4\n"))
    assert found.frame.index[1] - found.frame.index[0] == pd.Timedelta("1s")
    assert "time column: none, so rows are 1 s apart" in found.notes
    found = read_channels(write("2024-01-01;1;2\n2024-01-02;3;4\n"), time="column1")
    assert found.frame["column3"].tolist() == [2, 4]
    found = read_channels(write('time,a,"b, c"\n\n2024-01-01,1,2\n\n2024-01-02,3,"4"\n\n'))
    assert found.frame["b, c"].tolist() == [2, 4]


@pytest.mark.parametrize("read", [read_trace, read_channels])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "FILE is empty; give a CSV with a value in each row"),
        (b"  \r\n\n", "FILE is empty"),
        (b"ts,load\n", "FILE has a header but no rows"),
        (b"ts,load\n2024-01-01,\xe91\n", "FILE is not UTF-8: byte 0xe9 at offset 19; re-encode it, e.g. iconv"),
        (b"ts,a\n2024-01-01,1\n2024-01-02,1,2\n", "FILE, line 3: 3 columns where there were 2 before"),
        (b"ts,a,b\n\n2024-01-01,1,2\n2024-01-02,1\n", "FILE, line 4: 2 columns where there were 3 before"),
        (b'a,b\n"1,2\n3,4\n', "FILE, line 3: 1 columns where there were 2"),
        (b"ts,a\n2024-01-01,%b\n" % (b"x" * 200_000), "FILE is no CSV: field larger"),
        (b"ts,a,a\n2024-01-01,1,2\n2024-01-02,3,4\n", "FILE has two columns 'a'; give each column a name of its own"),
        (b"a,b\nx,y\nu,v\n", "FILE has no numeric column; columns: a, b"),
        (b"ts,a\n2024-01-02,1\n2024-01-01,2\n", "FILE, line 3: 2024-01-01 00:00:00 is earlier"),
        (b"ts,a\n2024-01-01,1\n2024-01-01,2\n", "FILE, line 3: 2024-01-01 00:00:00 repeats"),
        (b"ts,a\n2024-01-01,1\nlater,2\n", "FILE, line 3: no time stamp: 'later'"),
        (
            b"\n\nts,b\n2024-01-01,1\n\n2024-01-02,3\n2024-01-03,x\n",
            "FILE, line 7, column 'b': 'x' is no finite",
        ),
        (b"ts,a\n2024-01-01,1\n2024-01-02,inf\n2024-01-03,-inf\n", "FILE, line 3, column 'a': 'inf' is no finite"),
    ],
)
def test_files_that_are_refused(read: Callable[..., object], content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    assert _error(read, path).startswith(message)


@pytest.mark.parametrize("read", [read_trace, read_channels])
def test_paths_that_are_refused(read: Callable[..., object], write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(_stamped([1, 2]))
    assert _error(read, path.parent) == "FILE is a directory; name a file in it"
    assert _error(read, path.with_name("mien.csv")) == "no file FILE; nearest: mine.csv"
    assert _error(read, path.parent / "none" / "q.csv") == "no file FILE; check the path"
    packed = path.with_suffix(".csv.gz")
    packed.write_bytes(b"text")
    assert "damaged gzip file" in _error(read, packed)

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert _error(read, path) == "cannot read FILE: Permission denied; name a readable file"


@pytest.mark.parametrize(
    ("read", "text", "options", "message"),
    [
        (read_trace, _stamped([1, 2]), {"time": "tsx"}, "FILE has no column 'tsx'; nearest: 'ts'"),
        (read_trace, _stamped([1, 2]), {"value": "laod"}, "FILE has no column 'laod'; nearest: 'load'"),
        (read_channels, PLAIN, {"columns": ["sped"]}, "FILE has no column 'sped'; nearest: 'speed'"),
        (read_channels, PLAIN, {"columns": ["speed", "speed"]}, "FILE: name each channel once"),
        (read_channels, PLAIN, {"columns": ["time"]}, "FILE: name each channel once, and not the time column 'time'"),
        (read_channels, PLAIN, {"columns": ["name"]}, "FILE, line 2, column 'name': 'a' is no finite number"),
        (read_channels, "time,a,b\n2024-01-01,1,\n", {"columns": ["b"]}, "FILE, column 'b' has no value; leave it out"),
    ],
)
def test_columns_that_are_refused(
    read: Callable[..., object], text: str, options: Any, message: str, write: Write
) -> None:
    assert _error(read, write(text), **options).startswith(message)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([1, "", 3], "FILE, line 3, column 'load': no value (1 such rows); mend or delete them"),
        ([1, "NA", "null"], "FILE, line 3, column 'load': no value (2 such rows)"),
        ([1, 2, "1.5.2", 3, "x"], "FILE, line 4, column 'load': '1.5.2' is no finite number (2 such rows)"),
        ([7, 7, 7], "FILE: column 'load' is constant (7); name another with 'value'"),
    ],
)
def test_values_that_are_refused(cells: list[object], message: str, write: Write) -> None:
    assert _error(read_trace, write(_stamped(cells)), value="load").startswith(message)


def test_an_empty_line_in_a_single_column_is_a_missing_value(write: Write) -> None:
    assert _error(read_trace, write("load\n1\n\n2\n")).startswith("FILE, line 3, column 'load': no value")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("t,v\n2024-01-01,1\n2024-01-02,2\n2024-01-05,1\n2024-02-05,1\n", {}, "(the commonest, 1 d, is 33% of them)"),
        (_stamped([1, 2, 3]), {"window": 3}, "FILE has 3 values, but window and horizon need 4"),
        (_stamped([1, 2, 3]), {"window": 3, "horizon": 2}, "FILE has 3 values, but window and horizon need 5"),
        ("ts,v\n2024-01-01,1\n", {}, "FILE has one row, so no step; give more rows"),
        ("v\n1\n", {}, "give a longer series"),
        (_stamped([1, 2, 3]), {"window": 0}, "must be at least 1"),
        (_stamped([1, 2, 3]), {"horizon": 0}, "must be at least 1"),
        (_stamped([1, 2, 3]), {"step": "1h"}, "are within one step of 1 h; say a shorter 'step'"),
        (_stamped([1, 2, 3]), {"step": "1ms"}, "rows on 600001 slots of 1 ms; say a longer 'step'"),
        (_stamped([1, 2, 3]), {"step": "often"}, "step 'often' is no duration"),
    ],
)
def test_grids_that_are_refused(text: str, options: Any, message: str, write: Write) -> None:
    assert message in _error(read_trace, write(text), **options)


def test_a_gap_longer_than_the_window_is_refused(write: Write) -> None:
    lines = _stamped(list(range(20))).splitlines()
    path = write("\n".join(lines[:6] + lines[10:]))
    assert _error(read_trace, path, window=3) == (
        "FILE: gap from 2024-01-01 00:25:00 to 2024-01-01 00:40:00: 4 steps of 5 min, longer than the window of 3; "
        "cut the file there or raise the window"
    )
    assert read_trace(path, window=4).repairs["absent"] == 4
