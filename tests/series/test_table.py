import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.errors import InputError
from edgeresearch.series import registry, table
from edgeresearch.series.trace import Trace

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
        table.read(path, **settings)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(path), "FILE")


def test_everything_is_guessed_and_told(write: Write) -> None:
    values = [float(k % 7) for k in range(600)]
    trace, said = table.read(write(_stamped(values)))
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
    trace, said = table.read(path, time="when", value="b", step="1D", seasonality=2)
    assert said == ["times: 2024-01-01 00:00:00 to 2024-01-03 00:00:00"]
    assert trace.values.tolist() == [5, 6, 8]
    assert trace.seasonality == 2


def test_a_user_s_file_is_real_data(write: Write) -> None:
    path = write(_stamped([1, 2]))
    origin = table.read(path)[0].origin
    assert (origin.source, origin.file, origin.real) == ("file", "mine.csv", True)
    assert origin.sha256 == registry.sha256(path.read_bytes())


def test_a_packed_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv.gz"
    path.write_bytes(gzip.compress(_stamped([1, 2]).encode()))
    trace, _ = table.read(path)
    assert (trace.name, trace.values.tolist()) == ("mine", [1, 2])


def test_the_value_column_is_told_where_there_is_a_choice(write: Write) -> None:
    trace, said = table.read(write("host,when,cpu,mem\na,2024-01-01,1,5\nb,2024-01-02,2,6\n"))
    assert said[:2] == ["time column: 'when'", "value column: 'cpu'"]
    assert trace.unit == "cpu"


def test_a_time_column_is_found_by_its_cells(write: Write) -> None:
    _, said = table.read(write("x,y\nJan 5 2024,1\nJan 6 2024,2\n"))
    assert said[0] == "time column: 'x'"


def test_a_named_value_column_is_not_taken_for_the_time(write: Write) -> None:
    trace, said = table.read(write("t,u\n1,5\n3,6\n"), value="t")
    assert trace.values.tolist() == [1, 3]
    assert said[0].startswith("time column: none")


def test_no_time_column_means_one_second(write: Write) -> None:
    trace, said = table.read(write("load\n1\n2\n4\n"))
    assert said[0] == "time column: none, so rows are 1 s apart; say the distance with 'step'"
    assert trace.step == pd.Timedelta("1s")
    assert trace.frame.index[0] == pd.Timestamp("2024-01-01")


def test_a_step_without_a_time_column_is_believed(write: Write) -> None:
    trace, said = table.read(write("load\n1\n2\n4\n"), step="10 s")
    assert trace.step == pd.Timedelta("10s")
    assert said == ["season: none"]


def test_a_single_column_called_t_holds_values(write: Write) -> None:
    assert table.read(write("t\n1\n2\n"))[0].values.tolist() == [1, 2]


def test_a_file_without_a_header(write: Write) -> None:
    trace, said = table.read(write("2024-01-01,5\n2024-01-02,6\n"))
    assert said[0] == "header: none, so columns are named column1, column2"
    assert trace.values.tolist() == [5, 6]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators(separator: str, write: Write) -> None:
    trace, said = table.read(write(_stamped([1, 2]).replace(",", separator)))
    assert said[0] == f"separator: {separator!r}"
    assert trace.values.tolist() == [1, 2]


def test_a_byte_order_mark_crlf_and_blanks_do_not_matter(write: Write) -> None:
    trace, _ = table.read(write("\ufeff\r\n ts , load \r\n2024-01-01, 1\r\n\r\n2024-01-02, 2\r\n\r\n"))
    assert trace.unit == "load"
    assert trace.values.tolist() == [1, 2]


def test_short_gaps_are_marked_and_counted(write: Write) -> None:
    lines = _stamped(list(range(10))).splitlines()
    trace, said = table.read(write("\n".join(lines[:4] + lines[6:])), window=2)
    assert trace.values.isna().tolist() == [False] * 3 + [True] * 2 + [False] * 5
    assert trace.repairs["absent"] == 2
    assert "step: 5 min (86 % of the distances)" in said


def test_stamps_beside_the_grid_go_to_the_nearest_slot(write: Write) -> None:
    text = "ts,v\n2024-01-01 00:00:00,1\n2024-01-01 00:01:00,2\n2024-01-01 00:02:02,3\n2024-01-01 00:02:58,4\n"
    trace, _ = table.read(write(text), step="1min")
    assert trace.values.tolist() == [1, 2, 3, 4]
    assert trace.repairs == {"off_grid": 2, "absent": 0}


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=30).filter(lambda v: len(set(v)) > 1))
def test_what_is_written_is_read(values: list[float], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("t") / "x.csv"
    path.write_text(_stamped([repr(value) for value in values]))
    trace: Trace = table.read(path)[0]
    np.testing.assert_array_equal(trace.values, values)


@pytest.mark.parametrize(
    ("rows", "step", "season"), [(100, "1h", 24), (40, "1h", None), (9, "12h", 2), (9, "1D", None), (100, "7h", None)]
)
def test_the_season_is_a_day_where_two_are_spanned(rows: int, step: str, season: int | None, write: Write) -> None:
    trace, said = table.read(write(_stamped(list(range(rows)), step)))
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
        table.read(path.with_name("mien.csv"))
    with pytest.raises(InputError, match="no file .*; check the path"):
        table.read(path.parent / "none" / "q.csv")


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
    assert table.read(path, window=4)[0].repairs["absent"] == 4


def test_fewer_values_than_window_and_horizon_are_refused(write: Write) -> None:
    path = write(_stamped([1, 2, 3]))
    assert "has 3 values, but window and horizon need 4" in _error(path, window=3)
    assert "has 3 values, but window and horizon need 5" in _error(path, window=3, horizon=2)
    assert len(table.read(path, window=2)[0].frame) == 3


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
