"""Time series from CSV files: times, columns, channels."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.data import csv, datasets
from edgeresearch.data.csv import Channels, read_channels
from edgeresearch.data.datasets import sha256
from edgeresearch.data.trace import Trace
from edgeresearch.errors import InputError

PLAIN = "time,speed,count,name\n2024-01-01 00:00,50,3,a\n2024-01-01 00:05,51.5,4,b\n2024-01-01 00:20,49,,c\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _read(text: str, **options: object) -> Channels:
    Path("mine.csv").write_text(text)
    return read_channels("mine.csv", **options)  # type: ignore[arg-type]


def test_numeric_columns_are_the_channels() -> None:
    found = _read(PLAIN)
    assert found.name == "mine"
    assert found.frame.columns.tolist() == ["speed", "count"]
    assert found.frame.index.tolist() == [
        pd.Timestamp("2024-01-01") + pd.Timedelta(minutes=minutes) for minutes in (0, 5, 20)
    ]
    np.testing.assert_array_equal(found.frame["speed"], [50, 51.5, 49])
    np.testing.assert_array_equal(found.frame["count"], [3, 4, np.nan])
    assert found.sha256 == sha256(PLAIN.encode())
    assert "time column: 'time'" in found.said
    assert "channels: speed, count" in found.said
    assert "missing: 1 of 6 values; 0 rows have none" in found.said


def test_columns_are_chosen_in_the_order_named() -> None:
    found = _read(PLAIN, columns=["count", "speed"])
    assert found.frame.columns.tolist() == ["count", "speed"]
    assert not any(line.startswith("channels") for line in found.said)


@pytest.mark.parametrize("word", ["", "NaN", "na", "NULL", "None", " "])
def test_words_for_a_missing_value(word: str) -> None:
    found = _read(f"time,a,b\n2024-01-01,1,{word}\n2024-01-02,{word},{word}\n2024-01-03,1,2\n")
    assert found.frame["a"].isna().tolist() == [False, True, False]
    assert found.frame["b"].isna().tolist() == [True, True, False]
    assert "missing: 3 of 6 values; 1 rows have none" in found.said


def test_a_channel_that_is_mostly_missing_is_still_one() -> None:
    rows = "\n".join(f"2024-01-{day:02},{day},{'7' if day == 3 else ''}" for day in range(1, 10))
    assert _read(f"time,a,b\n{rows}\n").frame.columns.tolist() == ["a", "b"]


def test_without_a_time_column_rows_are_a_second_apart() -> None:
    found = _read("a,b\n1,2\n3,4\n")
    assert found.frame.index[1] - found.frame.index[0] == pd.Timedelta("1s")
    assert "time column: none, so rows are 1 s apart" in found.said


def test_without_header_and_with_semicolons() -> None:
    found = _read("2024-01-01;1;2\n2024-01-02;3;4\n", time="column1")
    assert found.frame.columns.tolist() == ["column2", "column3"]
    assert found.frame["column3"].tolist() == [2, 4]


def test_compressed() -> None:
    Path("mine.csv.gz").write_bytes(gzip.compress(PLAIN.encode()))
    found = read_channels("mine.csv.gz")
    assert found.name == "mine"
    assert found.sha256 == sha256(PLAIN.encode())


def test_empty_lines_and_quoted_commas_are_no_change_of_columns() -> None:
    found = _read('time,a,"b, c"\n\n2024-01-01,1,2\n\n2024-01-02,3,"4"\n\n')
    assert found.frame["b, c"].tolist() == [2, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; give a CSV"),
        ("time,a\n", "has a header but no rows"),
        ("time,a\n2024-01-01,1\n2024-01-02,1,2\n", "line 3: 3 columns where there were 2 before"),
        ("time,a,b\n2024-01-01,1,2\n2024-01-02,1\n", "line 3: 2 columns where there were 3 before"),
        ("time,a\n2024-01-01,1\n2024-01-02,inf\n", "line 3, column 'a': 'inf' is no finite number"),
        ("time,a\n2024-01-01,1\n2024-01-02,-Infinity\n2024-01-03,2\n", "'-Infinity' is no finite number"),
        ("time,a\n2024-01-01,1\n2024-01-02,x\n2024-01-03,2\n", "line 3, column 'a': 'x' is no finite number"),
        ("time,a\n2024-01-01,x\n2024-01-02,y\n", "has no numeric column; columns: time, a"),
        ("time,a\n2024-01-02,1\n2024-01-01,2\n", "is earlier than the line before"),
        ("time,a\n2024-01-02,1\n2024-01-02,2\n", "repeats the stamp"),
        ("time,a\nsoon,1\n2024-01-02,2\n", "no time stamp: 'soon'"),
    ],
)
def test_bad_files(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _read(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ["sped"]}, "has no column 'sped'; nearest: 'speed'"),
        ({"columns": ["speed", "speed"]}, "name each channel once"),
        ({"columns": ["time"]}, "not the time column 'time'"),
        ({"columns": ["name"]}, "'a' is no finite number"),
        ({"time": "when"}, "has no column 'when'"),
    ],
)
def test_bad_columns(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _read(PLAIN, **options)


def test_a_channel_without_any_value() -> None:
    text = "time,a,b\n2024-01-01,1,\n2024-01-02,2,\n"
    assert _read(text).frame.columns.tolist() == ["a"]
    with pytest.raises(InputError, match="column 'b' has no value; leave it out"):
        _read(text, columns=["a", "b"])


def test_no_file() -> None:
    Path("other.csv").write_text(PLAIN)
    with pytest.raises(InputError, match="no file othr.csv; nearest: other.csv"):
        read_channels("othr.csv")
    with pytest.raises(InputError, match="is a directory"):
        read_channels(".")


def _column(*cells: str) -> pd.Series:
    return pd.Series(cells, index=range(2, 2 + len(cells)), dtype=str)


def _parse(*cells: str) -> tuple[list[str], list[str]]:
    said: list[str] = []
    index = csv.parse(_column(*cells), "f.csv", said)
    assert index.unit == "ns" and index.tz is None
    return [str(stamp) for stamp in index], said


@pytest.mark.parametrize(
    "cells",
    [
        ("2024-01-31 12:00:00", "2024-01-31 12:05:00"),
        ("2024-01-31T12:00", "2024-01-31T12:05"),
        ("2024-01-31T12:00:00.000", "2024-01-31T12:05:00"),
        ("01/31/2024 12:00", "01/31/2024 12:05"),
        ("1706702400", "1706702700"),
        ("1706702400000", "1706702700000"),
        ("1706702400000000", "1706702700000000"),
        ("2024-01-31T14:00:00+02:00", "2024-01-31T12:05:00Z"),
    ],
)
def test_stamps_are_read_in_many_spellings(cells: tuple[str, str]) -> None:
    assert _parse(*cells)[0] == ["2024-01-31 12:00:00", "2024-01-31 12:05:00"]


def test_the_first_and_last_stamp_are_told() -> None:
    assert _parse("2024-01-01", "2024-01-03")[1] == ["times: 2024-01-01 00:00:00 to 2024-01-03 00:00:00"]


def test_a_conversion_to_utc_is_told() -> None:
    assert "times: converted to UTC" in _parse("2024-01-01T00:00+01:00", "2024-01-01T01:00+01:00")[1]
    assert "times: converted to UTC" not in _parse("2024-01-01", "2024-01-02")[1]


@pytest.mark.parametrize(
    ("cells", "unit"), [(("1706702400", "1706702700"), "s"), (("1706702400000", "1706702700000"), "ms")]
)
def test_the_unit_of_an_epoch_is_told(cells: tuple[str, str], unit: str) -> None:
    assert _parse(*cells)[1][0] == f"times: {unit} since 1970"


def test_dates_without_separators_are_dates() -> None:
    assert _parse("20240131", "20240201")[0] == ["2024-01-31 00:00:00", "2024-02-01 00:00:00"]


def test_small_numbers_are_seconds() -> None:
    found, said = _parse("0", "90")
    assert found == ["2024-01-01 00:00:00", "2024-01-01 00:01:30"]
    assert said[0] == "times: s from 2024-01-01, as the numbers are no dates"


@pytest.mark.parametrize("cells", [("inf", "1"), ("1e300", "2e300")])
def test_numbers_beyond_dates_are_refused(cells: tuple[str, str]) -> None:
    with pytest.raises(InputError, match="too large for dates"):
        _parse(*cells)


@pytest.mark.parametrize(("cells", "line"), [(("2024-01-01", "soon"), 3), (("", "2024-01-01"), 2), (("x", "y"), 2)])
def test_what_is_no_stamp_is_named_with_its_line(cells: tuple[str, str], line: int) -> None:
    with pytest.raises(InputError, match=rf"f\.csv, line {line}: no time stamp: '{cells[line - 2]}'"):
        _parse(*cells)


def test_times_that_run_backwards_are_refused() -> None:
    with pytest.raises(InputError, match=r"line 4: 2024-01-01 00:00:00 is earlier than the line before; sort the file"):
        _parse("2024-01-01", "2024-01-02", "2024-01-01")


def test_times_that_repeat_are_refused() -> None:
    with pytest.raises(InputError, match=r"line 3: 2024-01-01 00:00:00 repeats the stamp of the line before"):
        _parse("2024-01-01", "2024-01-01")


@pytest.mark.parametrize(
    ("written", "seconds"), [("30s", 30), ("30 s", 30), ("5min", 300), ("1h", 3600), ("1D", 86400)]
)
def test_steps_are_read(written: str, seconds: int) -> None:
    assert csv.distance(written) == pd.Timedelta(seconds=seconds)


@pytest.mark.parametrize("written", ["often", "5 parsecs", ""])
def test_what_is_no_step_is_refused(written: str) -> None:
    with pytest.raises(InputError, match=f"step '{written}' is"):
        csv.distance(written)


@pytest.mark.parametrize("written", ["0s", "-5min", "NaT"])
def test_a_step_must_be_positive(written: str) -> None:
    with pytest.raises(InputError, match="is not positive"):
        csv.distance(written)


@pytest.mark.parametrize(
    ("size", "text"),
    [("300s", "5 min"), ("90s", "90 s"), ("1D", "1 d"), ("36h", "36 h"), ("500ms", "500 ms"), ("1us", "1e-06 s")],
)
def test_steps_are_told_in_whole_units(size: str, text: str) -> None:
    assert csv.text(pd.Timedelta(size)) == text


@settings(deadline=None)
@given(st.integers(1, 10**9))
def test_a_step_that_is_told_can_be_read_again(milliseconds: int) -> None:
    size = pd.Timedelta(milliseconds=milliseconds)
    assert csv.distance(csv.text(size)) == size


@pytest.mark.parametrize(("told", "seconds"), [("1d", 86400), ("1D", 86400), ("90s", 90), ("5min", 300), ("1h", 3600)])
def test_a_duration_is_read_as_people_write_it(told: str, seconds: int) -> None:
    assert csv.duration(told).total_seconds() == seconds
    assert csv.distance(told).total_seconds() == seconds


def test_what_is_no_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="unit abbreviation"):
        csv.duration("soon")


Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "mine.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def _stamped(values: list[object], step: str = "5min", header: str = "ts,load") -> str:
    stamps = pd.date_range("2024-01-01", periods=len(values), freq=step)
    return "\n".join([header, *(f"{stamp},{value}" for stamp, value in zip(stamps, values, strict=True))]) + "\n"


def _error(path: Path, **settings: Any) -> str:
    with pytest.raises(InputError) as caught:
        csv.read_trace(path, **settings)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(path), "FILE")


def test_everything_is_guessed_and_told(write: Write) -> None:
    values = [float(k % 7) for k in range(600)]
    trace, said = csv.read_trace(write(_stamped(values)))
    assert said == [
        "time column: 'ts'",
        "times: 2024-01-01 00:00:00 to 2024-01-03 01:55:00",
        "step: 5 min (100 % of the distances)",
        "season: a day (288 steps)",
    ]
    assert trace.values.tolist() == values
    assert (trace.name, trace.unit, trace.step, trace.seasonality) == ("mine", "load", pd.Timedelta("5min"), 288)
    assert trace.repairs == {"off_grid": 0, "absent": 0}


def test_what_is_said_is_not_guessed(write: Write) -> None:
    path = write("a,when,b\n1,2024-01-01,5\n2,2024-01-02,6\n3,2024-01-03,8\n")
    trace, said = csv.read_trace(path, time="when", value="b", step="1D", seasonality=2)
    assert said == ["times: 2024-01-01 00:00:00 to 2024-01-03 00:00:00"]
    assert trace.values.tolist() == [5, 6, 8]
    assert trace.seasonality == 2


def test_a_user_s_file_is_real_data(write: Write) -> None:
    path = write(_stamped([1, 2]))
    origin = csv.read_trace(path)[0].origin
    assert (origin.source, origin.file, origin.real) == ("file", "mine.csv", True)
    assert origin.sha256 == datasets.sha256(path.read_bytes())


def test_a_packed_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv.gz"
    path.write_bytes(gzip.compress(_stamped([1, 2]).encode()))
    trace, _ = csv.read_trace(path)
    assert (trace.name, trace.values.tolist()) == ("mine", [1, 2])


def test_the_value_column_is_told_where_there_is_a_choice(write: Write) -> None:
    trace, said = csv.read_trace(write("host,when,cpu,mem\na,2024-01-01,1,5\nb,2024-01-02,2,6\n"))
    assert said[:2] == ["time column: 'when'", "value column: 'cpu'"]
    assert trace.unit == "cpu"


def test_a_time_column_is_found_by_its_cells(write: Write) -> None:
    _, said = csv.read_trace(write("x,y\nJan 5 2024,1\nJan 6 2024,2\n"))
    assert said[0] == "time column: 'x'"


def test_a_named_value_column_is_not_taken_for_the_time(write: Write) -> None:
    trace, said = csv.read_trace(write("t,u\n1,5\n3,6\n"), value="t")
    assert trace.values.tolist() == [1, 3]
    assert said[0].startswith("time column: none")


def test_no_time_column_means_one_second(write: Write) -> None:
    trace, said = csv.read_trace(write("load\n1\n2\n4\n"))
    assert said[0] == "time column: none, so rows are 1 s apart; say the distance with 'step'"
    assert trace.step == pd.Timedelta("1s")
    assert trace.frame.index[0] == pd.Timestamp("2024-01-01")


def test_a_step_without_a_time_column_is_believed(write: Write) -> None:
    trace, said = csv.read_trace(write("load\n1\n2\n4\n"), step="10 s")
    assert trace.step == pd.Timedelta("10s")
    assert said == ["season: none"]


def test_a_single_column_called_t_holds_values(write: Write) -> None:
    assert csv.read_trace(write("t\n1\n2\n"))[0].values.tolist() == [1, 2]


def test_a_file_without_a_header(write: Write) -> None:
    trace, said = csv.read_trace(write("2024-01-01,5\n2024-01-02,6\n"))
    assert said[0] == "header: none, so columns are named column1, column2"
    assert trace.values.tolist() == [5, 6]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators(separator: str, write: Write) -> None:
    trace, said = csv.read_trace(write(_stamped([1, 2]).replace(",", separator)))
    assert said[0] == f"separator: {separator!r}"
    assert trace.values.tolist() == [1, 2]


def test_a_byte_order_mark_crlf_and_blanks_do_not_matter(write: Write) -> None:
    trace, _ = csv.read_trace(write("\ufeff\r\n ts , load \r\n2024-01-01, 1\r\n\r\n2024-01-02, 2\r\n\r\n"))
    assert trace.unit == "load"
    assert trace.values.tolist() == [1, 2]


def test_short_gaps_are_marked_and_counted(write: Write) -> None:
    lines = _stamped(list(range(10))).splitlines()
    trace, said = csv.read_trace(write("\n".join(lines[:4] + lines[6:])), window=2)
    assert trace.values.isna().tolist() == [False] * 3 + [True] * 2 + [False] * 5
    assert trace.repairs["absent"] == 2
    assert "step: 5 min (86 % of the distances)" in said


def test_stamps_beside_the_grid_go_to_the_nearest_slot(write: Write) -> None:
    text = "ts,v\n2024-01-01 00:00:00,1\n2024-01-01 00:01:00,2\n2024-01-01 00:02:02,3\n2024-01-01 00:02:58,4\n"
    trace, _ = csv.read_trace(write(text), step="1min")
    assert trace.values.tolist() == [1, 2, 3, 4]
    assert trace.repairs == {"off_grid": 2, "absent": 0}


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=30).filter(lambda v: len(set(v)) > 1))
def test_what_is_written_is_read(values: list[float], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("t") / "x.csv"
    path.write_text(_stamped([repr(value) for value in values]))
    trace: Trace = csv.read_trace(path)[0]
    np.testing.assert_array_equal(trace.values, values)


@pytest.mark.parametrize(
    ("rows", "step", "season"), [(100, "1h", 24), (40, "1h", None), (9, "12h", 2), (9, "1D", None), (100, "7h", None)]
)
def test_the_season_is_a_day_where_two_are_spanned(rows: int, step: str, season: int | None, write: Write) -> None:
    trace, said = csv.read_trace(write(_stamped(list(range(rows)), step)))
    assert trace.seasonality == season
    assert said[-1] == ("season: none" if season is None else f"season: a day ({season} steps)")


@pytest.mark.parametrize("season", [0, 1, 11])
def test_a_season_that_does_not_fit_is_refused(season: int, write: Write) -> None:
    assert f"a season of {season} steps does not fit 10 rows" in _error(
        write(_stamped(list(range(10)))), seasonality=season
    )


def test_a_missing_file_names_the_nearest(write: Write) -> None:
    path = write(_stamped([1, 2]))
    with pytest.raises(InputError, match=r"no file .*mien\.csv; nearest: mine\.csv"):
        csv.read_trace(path.with_name("mien.csv"))
    with pytest.raises(InputError, match="no file .*; check the path"):
        csv.read_trace(path.parent / "none" / "q.csv")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert _error(tmp_path) == "FILE is a directory; name a CSV file in it"


def test_an_unreadable_file_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(_stamped([1, 2]))

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert _error(path) == "cannot read FILE: Permission denied; name a readable file"


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(b"text")
    assert "damaged gzip file" in _error(path)


@pytest.mark.parametrize("text", ["", "\n", "  \r\n\n"])
def test_an_empty_file_is_refused(text: str, write: Write) -> None:
    assert _error(write(text)) == "FILE is empty; give a CSV with a value in each row"


def test_a_header_alone_is_refused(write: Write) -> None:
    assert "has a header but no rows" in _error(write("ts,load\n"))


def test_another_encoding_is_refused_with_the_offset(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(b"ts,load\n2024-01-01,\xe91\n")
    assert (
        _error(path)
        == "FILE is not UTF-8: byte 0xe9 at offset 19; re-encode it, e.g. iconv -f latin1 -t utf-8 mine.csv"
    )


@pytest.mark.parametrize("text", ["a,b\n1,2\n1,2,3\n", "a,b\n1,2,3\n4,5,6\n", 'a,b\n"1,2\n3,4\n'])
def test_lines_of_different_length_are_refused(text: str, write: Write) -> None:
    assert _error(write(text)).startswith("FILE is no CSV: ")


@pytest.mark.parametrize(("settings", "name"), [({"time": "tsx"}, "tsx"), ({"value": "laod"}, "laod")])
def test_a_column_that_is_not_there_names_the_nearest(settings: dict[str, str], name: str, write: Write) -> None:
    nearest = {"tsx": "ts", "laod": "load"}[name]
    assert _error(write(_stamped([1, 2])), **settings) == f"FILE has no column {name!r}; nearest: {nearest!r}"


def test_no_numeric_column_is_refused(write: Write) -> None:
    assert _error(write("a,b\nx,y\nu,v\n")) == "FILE has no numeric column; columns: a, b"


@pytest.mark.parametrize("cell", ["", "nan", "NA", "null"])
def test_a_missing_value_is_refused_with_its_line(cell: str, write: Write) -> None:
    assert (
        _error(write(_stamped([1, cell, 3])))
        == "FILE, line 3, column 'load': no value (1 such rows); mend or delete them"
    )


@pytest.mark.parametrize("cell", ["inf", "-inf", "abc", "1.5.2"])
def test_text_and_infinity_are_refused_with_their_line(cell: str, write: Write) -> None:
    message = _error(write(_stamped([1, 2, cell, 3, cell])), value="load")
    assert message == f"FILE, line 4, column 'load': {cell!r} is no finite number (2 such rows); mend or delete them"


def test_an_empty_line_in_a_single_column_is_a_missing_value(write: Write) -> None:
    assert _error(write("load\n1\n\n2\n")).startswith("FILE, line 3, column 'load': no value")


def test_lines_are_counted_with_empty_ones(write: Write) -> None:
    assert _error(write("\n\na,b\n1,2\n\n3,x\n"), value="b").startswith("FILE, line 6, column 'b': 'x'")


def test_a_constant_series_is_refused(write: Write) -> None:
    assert _error(write(_stamped([7, 7, 7]))) == "FILE: column 'load' is constant (7); name another with 'value'"


def test_stamps_are_checked(write: Write) -> None:
    lines = _stamped([1, 2, 3]).splitlines()
    assert "line 4: 2024-01-01 00:05:00 is earlier" in _error(
        write("\n".join([lines[0], lines[1], lines[3], lines[2]]))
    )
    assert "line 3: 2024-01-01 00:00:00 repeats" in _error(write("\n".join([*lines[:2], lines[1] + "5"])))
    assert "line 3: no time stamp: 'later'" in _error(write(f"{lines[0]}\n{lines[1]}\nlater,2"))


def test_times_without_a_common_distance_are_refused(write: Write) -> None:
    text = "t,v\n2024-01-01,1\n2024-01-02,2\n2024-01-05,1\n2024-02-05,1\n"
    assert "no common distance (the commonest, 1 d, is 33% of them)" in _error(write(text))


def test_a_gap_longer_than_the_window_is_refused(write: Write) -> None:
    lines = _stamped(list(range(20))).splitlines()
    path = write("\n".join(lines[:6] + lines[10:]))
    assert _error(path, window=3) == (
        "FILE: gap from 2024-01-01 00:25:00 to 2024-01-01 00:40:00: 4 steps of 5 min, longer than the window of 3; "
        "cut the file there or raise the window"
    )
    assert csv.read_trace(path, window=4)[0].repairs["absent"] == 4


def test_fewer_values_than_window_and_horizon_are_refused(write: Write) -> None:
    path = write(_stamped([1, 2, 3]))
    assert "has 3 values, but window and horizon need 4" in _error(path, window=3)
    assert "has 3 values, but window and horizon need 5" in _error(path, window=3, horizon=2)
    assert len(csv.read_trace(path, window=2)[0].frame) == 3


@pytest.mark.parametrize("text", ["ts,v\n2024-01-01,1\n", "v\n1\n"])
def test_a_single_row_is_refused(text: str, write: Write) -> None:
    assert "give more rows" in (message := _error(write(text))) or "give a longer series" in message


@pytest.mark.parametrize("settings", [{"window": 0}, {"horizon": 0}, {"window": 3, "horizon": -1}])
def test_window_and_horizon_must_be_positive(settings: dict[str, int], write: Write) -> None:
    assert "must be at least 1" in _error(write(_stamped([1, 2, 3])), **settings)


def test_a_step_that_is_too_long_is_refused(write: Write) -> None:
    assert "are within one step of 1 h; say a shorter 'step'" in _error(write(_stamped([1, 2, 3])), step="1h")


def test_a_step_that_is_too_short_is_refused(write: Write) -> None:
    assert "rows on 600001 slots of 1 ms; say a longer 'step'" in _error(write(_stamped([1, 2, 3])), step="1ms")


def test_a_step_that_is_none_is_refused(write: Write) -> None:
    assert "step 'often' is no duration" in _error(write(_stamped([1, 2, 3])), step="often")
