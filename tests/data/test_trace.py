"""A trace: one value per step of time; gaps filled or left out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.data.trace import Origin, Trace, find_runs, put_on_grid, steps_per_day
from edgeresearch.errors import InputError

FIVE = pd.Timedelta("5min")


def _frame(rows: list[tuple[str, float]]) -> pd.DataFrame:
    return pd.DataFrame({"x": [value for _, value in rows]}, index=pd.DatetimeIndex([stamp for stamp, _ in rows]))


@pytest.mark.parametrize(
    ("mask", "starts", "lengths"),
    [
        ([], [], []),
        ([False, False], [], []),
        ([True, True], [0], [2]),
        ([True, False, True, True, False, True], [0, 2, 5], [1, 2, 1]),
    ],
)
def test_runs(mask: list[bool], starts: list[int], lengths: list[int]) -> None:
    found = find_runs(mask)
    assert found[0].tolist() == starts
    assert found[1].tolist() == lengths


@settings(deadline=None)
@given(st.lists(st.booleans()))
def test_runs_cover_exactly_what_is_true(mask: list[bool]) -> None:
    again = np.zeros(len(mask), dtype=bool)
    for start, length in zip(*find_runs(mask), strict=True):
        again[start : start + length] = True
    assert again.tolist() == mask


def test_the_grid_sorts_and_marks_absent_slots() -> None:
    frame, repairs = put_on_grid(_frame([("2024-01-01 00:15", 3), ("2024-01-01 00:00", 1)]), FIVE)
    assert frame["x"].tolist()[0::3] == [1.0, 3.0]
    assert frame["x"].isna().sum() == 2
    assert repairs == {
        "unsorted": 1,
        "exact_duplicates": 0,
        "conflicting_duplicates": 0,
        "off_grid": 0,
        "absent": 2,
    }
    assert frame.index.freq == pd.tseries.frequencies.to_offset("5min")


def test_the_grid_tells_exact_from_conflicting_duplicates_and_keeps_the_first() -> None:
    rows = [("2024-01-01 00:00", 1.0), ("2024-01-01 00:00", 1.0), ("2024-01-01 00:05", 2.0), ("2024-01-01 00:05", 9.0)]
    frame, repairs = put_on_grid(_frame(rows), FIVE)
    assert frame["x"].tolist() == [1.0, 2.0]
    assert (repairs["exact_duplicates"], repairs["conflicting_duplicates"]) == (1, 1)


def test_the_grid_moves_a_stamp_beside_the_grid_to_the_slot_before() -> None:
    rows = [("2024-01-01 00:04", 1.0), ("2024-01-01 00:09", 2.0), ("2024-01-01 00:15", 3.0), ("2024-01-01 00:19", 4.0)]
    frame, repairs = put_on_grid(_frame(rows), FIVE)
    assert frame.index[0] == pd.Timestamp("2024-01-01 00:04")
    assert frame["x"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert repairs["off_grid"] == 1


def test_the_grid_prefers_the_row_on_the_grid() -> None:
    rows = [("2024-01-01 00:01", 9.0), ("2024-01-01 00:00", 1.0), ("2024-01-01 00:05", 2.0)]
    frame, repairs = put_on_grid(_frame(rows), FIVE)
    assert frame["x"].tolist() == [1.0, 2.0]
    assert repairs["conflicting_duplicates"] == 1


def test_the_grid_refuses_no_rows() -> None:
    with pytest.raises(InputError, match="without rows"):
        put_on_grid(_frame([]), FIVE)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), min_size=1, max_size=40), st.randoms())
def test_the_grid_keeps_every_slot_once_in_any_order(rows: list[tuple[int, int]], random) -> None:
    unique = {slot: float(value) for slot, value in rows}
    order = list(unique)
    random.shuffle(order)
    start = pd.Timestamp("2024-01-01")
    frame = pd.DataFrame({"x": [unique[slot] for slot in order]}, index=[start + slot * FIVE for slot in order])
    table, repairs = put_on_grid(frame, FIVE)
    assert len(table) == max(unique) - min(unique) + 1
    assert repairs["absent"] == len(table) - len(unique)
    assert table["x"].dropna().tolist() == [unique[slot] for slot in sorted(unique)]


@pytest.mark.parametrize(("step", "steps"), [("1s", 86400), ("1min", 1440), ("5min", 288), ("1D", 1)])
def test_steps_per_day(step: str, steps: int) -> None:
    assert steps_per_day(pd.Timedelta(step)) == steps


def _trace(real: bool) -> Trace:
    frame = pd.DataFrame({"requests": [1.0, 2.0], "other": [3.0, 4.0]})
    return Trace("elb", frame, pd.Timedelta("5min"), "requests", Origin("registry", real=real))


def test_the_values_are_the_first_column() -> None:
    assert _trace(True).values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(("real", "label"), [(True, "elb"), (False, "elb (synthetic)")])
def test_the_label_marks_what_is_not_real(real: bool, label: str) -> None:
    assert _trace(real).label == label


def test_a_trace_describes_its_data() -> None:
    index = pd.date_range("2024-01-01", periods=3, freq="5min")
    frame = pd.DataFrame({"requests": [1.0, np.nan, 2.0]}, index=index)
    trace = Trace("mine", frame, FIVE, "requests", Origin("file", "m.csv", "ab", real=True), {"absent": 1})
    assert (trace.seasonality, trace.notes) == (None, ())
    assert trace.describe() == {
        **{"name": "mine", "file": "m.csv", "sha256": "ab", "column": "requests", "step_seconds": 300.0},
        **{"slots": 3, "observed": 2, "first": "2024-01-01 00:00:00", "last": "2024-01-01 00:10:00"},
        "repairs": {"absent": 1},
    }
