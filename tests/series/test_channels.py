import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edgeresearch.errors import InputError
from edgeresearch.series.channels import Channels, read
from edgeresearch.series.registry import sha256

PLAIN = "time,speed,count,name\n2024-01-01 00:00,50,3,a\n2024-01-01 00:05,51.5,4,b\n2024-01-01 00:20,49,,c\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _read(text: str, **options: object) -> Channels:
    Path("mine.csv").write_text(text)
    return read("mine.csv", **options)  # type: ignore[arg-type]


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
    found = read("mine.csv.gz")
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
        read("othr.csv")
    with pytest.raises(InputError, match="is a directory"):
        read(".")
