import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.errors import InputError
from edgeresearch.series import stamps


def _column(*cells: str) -> pd.Series:
    return pd.Series(cells, index=range(2, 2 + len(cells)), dtype=str)


def _parse(*cells: str) -> tuple[list[str], list[str]]:
    said: list[str] = []
    index = stamps.parse(_column(*cells), "f.csv", said)
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
    assert stamps.distance(written) == pd.Timedelta(seconds=seconds)


@pytest.mark.parametrize("written", ["often", "5 parsecs", ""])
def test_what_is_no_step_is_refused(written: str) -> None:
    with pytest.raises(InputError, match=f"step '{written}' is"):
        stamps.distance(written)


@pytest.mark.parametrize("written", ["0s", "-5min", "NaT"])
def test_a_step_must_be_positive(written: str) -> None:
    with pytest.raises(InputError, match="is not positive"):
        stamps.distance(written)


@pytest.mark.parametrize(
    ("size", "text"),
    [("300s", "5 min"), ("90s", "90 s"), ("1D", "1 d"), ("36h", "36 h"), ("500ms", "500 ms"), ("1us", "1e-06 s")],
)
def test_steps_are_told_in_whole_units(size: str, text: str) -> None:
    assert stamps.text(pd.Timedelta(size)) == text


@settings(deadline=None)
@given(st.integers(1, 10**9))
def test_a_step_that_is_told_can_be_read_again(milliseconds: int) -> None:
    size = pd.Timedelta(milliseconds=milliseconds)
    assert stamps.distance(stamps.text(size)) == size


@pytest.mark.parametrize(("told", "seconds"), [("1d", 86400), ("1D", 86400), ("90s", 90), ("5min", 300), ("1h", 3600)])
def test_a_duration_is_read_as_people_write_it(told: str, seconds: int) -> None:
    assert stamps.duration(told).total_seconds() == seconds
    assert stamps.distance(told).total_seconds() == seconds


def test_what_is_no_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="unit abbreviation"):
        stamps.duration("soon")
