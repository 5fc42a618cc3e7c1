"""A trace: one value per step of time; gaps filled or left out; features and targets of its rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.data.trace import (
    PERIODS,
    Origin,
    Trace,
    fill_gaps,
    find_runs,
    find_whole_windows,
    make_features,
    make_targets,
    put_on_grid,
    regular_index,
    steps_per_day,
)
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


NAN = float("nan")
numbers = st.floats(-1e6, 1e6)
series = st.lists(st.one_of(numbers, st.just(NAN)), min_size=1, max_size=60)


def _hours(values: list[float], step: str = "1h") -> Trace:
    size = pd.Timedelta(step)
    frame = pd.DataFrame({"requests": values}, index=regular_index("2024-01-01", len(values), size), dtype=float)
    return Trace("t", frame, size, "requests", Origin("synthetic"))


def test_targets_lie_ahead() -> None:
    found = make_targets([1, 2, 3, 4], [1, 3])
    np.testing.assert_array_equal(found, [[2, 4], [3, NAN], [4, NAN], [NAN, NAN]])


@settings(deadline=None)
@given(series, st.integers(1, 70))
def test_each_target_is_the_value_so_many_steps_ahead(values: list[float], horizon: int) -> None:
    found = make_targets(values, [horizon])[:, 0]
    for t, target in enumerate(found):
        expected = values[t + horizon] if t + horizon < len(values) else NAN
        np.testing.assert_equal(target, expected)


@pytest.mark.parametrize(
    ("values", "limit", "filled"),
    [
        ([1, NAN, 3], 1, [1, 1, 3]),
        ([1, NAN, NAN, 3], 1, [1, NAN, NAN, 3]),
        ([1, NAN, NAN, 3, NAN, 5], 2, [1, 1, 1, 3, 3, 5]),
        ([NAN, 2, NAN], 5, [NAN, 2, 2]),
        ([NAN, NAN], 5, [NAN, NAN]),
        ([1, NAN, 3], 0, [1, NAN, 3]),
        ([], 3, []),
    ],
)
def test_fill(values: list[float], limit: int, filled: list[float]) -> None:
    np.testing.assert_array_equal(fill_gaps(values, limit), filled)


@settings(deadline=None)
@given(series, st.integers(0, 10))
def test_fill_agrees_with_a_plain_loop(values: list[float], limit: int) -> None:
    expected = list(values)
    for start, length in zip(*find_runs(np.isnan(values)), strict=True):
        if start > 0 and length <= limit:
            expected[start : start + length] = [values[start - 1]] * length
    np.testing.assert_array_equal(fill_gaps(values, limit), expected)


@settings(deadline=None)
@given(series, st.integers(1, 20))
def test_usable_rows_have_a_whole_observed_window(values: list[float], window: int) -> None:
    found = find_whole_windows(values, window)
    for t, good in enumerate(found):
        past = values[max(t - window + 1, 0) : t + 1]
        assert good == (len(past) == window and not np.isnan(past).any())


def test_the_calendar_is_that_of_the_next_step() -> None:
    table = make_features(_hours([1.0] * 72), horizons=[5], season=None, fill_limit=0)
    assert list(table.columns[1:3]) == ["day_sin_1", "day_cos_1"]
    assert table["day_sin_1"].iloc[5] == pytest.approx(1.0)
    assert table["day_cos_1"].iloc[23] == pytest.approx(1.0)
    np.testing.assert_allclose(table.iloc[:24], table.iloc[24:48], atol=1e-12)


def test_features_of_a_season() -> None:
    trace = _hours([1, 2, 3, 10, 20, 30, 100, 200, 300])
    table = make_features(trace, horizons=[1, 3], season=3, fill_limit=0)
    assert list(table.columns) == ["value", "season_lag_1", "season_mean_1", "season_lag_3", "season_mean_3"]
    assert table.index.equals(trace.frame.index)
    # at t = 5 (30) the next step is 6; one and two seasons before it are 10 and 1
    assert table.iloc[5].tolist() == [30, 10, 5.5, 30, 16.5]
    # at t = 0 there is no season before step 1; the season before step 3 is t itself
    assert table.iloc[0].tolist() == [1, 1, 1, 1, 1]


def test_the_mean_is_of_seven_seasons_at_most() -> None:
    values = np.repeat(np.arange(12.0), 2)
    table = make_features(_hours(list(values)), horizons=[2], season=2, fill_limit=0)
    assert table["season_mean_2"].iloc[-1] == np.mean([11, 10, 9, 8, 7, 6, 5])


def test_what_was_not_observed_is_left_out_of_the_season() -> None:
    trace = _hours([1, NAN, NAN, 4, 5, 6, 7, 8, 9])
    table = make_features(trace, horizons=[1], season=3, fill_limit=1)
    np.testing.assert_array_equal(table["value"], [1, NAN, NAN, 4, 5, 6, 7, 8, 9])
    assert table["season_lag_1"].iloc[3] == 4  # step 4 - 3 = 1 is not observed: the value at t
    assert table["season_mean_1"].iloc[3] == 4
    assert table["season_lag_1"].iloc[5] == 4


def _harmonics(table: pd.DataFrame) -> dict[str, int]:
    """Return how many harmonics of each period a feature table holds; each has a sine and a cosine."""
    found = {name: [c for c in table.columns if c.startswith(f"{name}_")] for name in PERIODS}
    for name, columns in found.items():
        assert columns == [f"{name}_{kind}_{k}" for k in range(1, len(columns) // 2 + 1) for kind in ("sin", "cos")]
    return {name: len(columns) // 2 for name, columns in found.items() if columns}


@pytest.mark.parametrize(
    ("step", "rows", "harmonics"),
    [
        ("1h", 3 * 24 - 1, {}),
        ("1h", 3 * 24, {"day": 4}),
        ("1h", 3 * 168 - 1, {"day": 4}),
        ("1h", 3 * 168, {"day": 4, "week": 2}),
        ("1min", 179, {}),
        ("1min", 180, {"hour": 8}),
        ("10min", 18, {"hour": 2}),
        ("1D", 21, {"week": 2}),
        ("4h", 18, {"day": 2}),
        ("6h", 12, {"day": 1}),
        ("12h", 6, {}),
    ],
)
def test_a_period_enters_if_the_rows_span_three_of_it(step: str, rows: int, harmonics: dict[str, int]) -> None:
    table = make_features(_hours([1.0] * rows, step), horizons=[1], season=None, fill_limit=0)
    assert _harmonics(table) == harmonics


def test_a_shorter_span_leaves_out_what_it_does_not_cover() -> None:
    trace = _hours([1.0, 2.0] * 12 * 21)

    def columns(span: int | None, season: int | None = None) -> list[str]:
        return list(make_features(trace, horizons=[1], season=season, fill_limit=0, span=span).columns)

    whole = columns(None)
    assert {"day_sin_1", "week_sin_1"} <= set(whole)
    assert columns(10_000) == whole  # no more than there is
    assert columns(100) == [c for c in whole if not c.startswith("week")]
    assert columns(71) == ["value"]
    assert [c for c in columns(72, 24) if c.startswith("season")] == ["season_lag_1", "season_mean_1"]
    assert columns(71, 24) == ["value"]


def test_where_the_past_does_not_reach_the_season_falls_back_to_the_value() -> None:
    table = make_features(_hours([1, 2, 3, 4, 5, 6]), horizons=[1], season=2, fill_limit=0)
    np.testing.assert_array_equal(table["season_lag_1"], [1, 1, 2, 3, 4, 5])
    np.testing.assert_array_equal(table["season_mean_1"], [1, 1, 2, 2, 3, 3])


@settings(deadline=None)
@given(data=st.data(), values=series, limit=st.integers(0, 4))
def test_changing_the_values_of_the_future_changes_no_row_up_to_now(data, values: list[float], limit: int) -> None:
    now = data.draw(st.integers(0, len(values) - 1))
    season = data.draw(st.integers(3, 12))
    other = [
        value if t <= now or np.isnan(value) else data.draw(numbers, label=f"value {t}")
        for t, value in enumerate(values)
    ]
    tables = [make_features(_hours(list(v)), horizons=[1, 3], season=season, fill_limit=limit) for v in (values, other)]
    pd.testing.assert_frame_equal(tables[0].iloc[: now + 1], tables[1].iloc[: now + 1])


@settings(deadline=None)
@given(data=st.data(), values=series, tail=series, limit=st.integers(0, 4))
def test_a_value_that_is_kept_does_not_depend_on_how_the_future_is_observed(
    data, values: list[float], tail: list[float], limit: int
) -> None:
    now = data.draw(st.integers(0, len(values) - 1))
    filled = fill_gaps(values, limit)[: now + 1]
    other = fill_gaps([*values[: now + 1], *tail], limit)[: now + 1]
    both = ~np.isnan(filled) & ~np.isnan(other)
    np.testing.assert_array_equal(filled[both], other[both])
    observed = ~np.isnan(values[: now + 1])
    assert both[observed].all()


def test_a_season_shorter_than_the_horizon_is_refused() -> None:
    with pytest.raises(InputError, match="horizon 4 is longer than the season of 3"):
        make_features(_hours([1] * 9), horizons=[1, 4], season=3, fill_limit=0)
