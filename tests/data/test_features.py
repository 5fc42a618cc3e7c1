from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.data import features
from edgeresearch.data import trace as grid
from edgeresearch.data.trace import Origin, Trace
from edgeresearch.errors import InputError

NAN = float("nan")
numbers = st.floats(-1e6, 1e6)
series = st.lists(st.one_of(numbers, st.just(NAN)), min_size=1, max_size=60)


def _trace(values: list[float], step: str = "1h") -> Trace:
    size = pd.Timedelta(step)
    frame = pd.DataFrame({"requests": values}, index=grid.regular_index("2024-01-01", len(values), size), dtype=float)
    return Trace("t", frame, size, "requests", Origin("synthetic"))


def test_targets_lie_ahead() -> None:
    found = features.make_targets([1, 2, 3, 4], [1, 3])
    np.testing.assert_array_equal(found, [[2, 4], [3, NAN], [4, NAN], [NAN, NAN]])


@settings(deadline=None)
@given(series, st.integers(1, 70))
def test_each_target_is_the_value_so_many_steps_ahead(values: list[float], horizon: int) -> None:
    found = features.make_targets(values, [horizon])[:, 0]
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
    np.testing.assert_array_equal(features.fill_gaps(values, limit), filled)


@settings(deadline=None)
@given(series, st.integers(0, 10))
def test_fill_agrees_with_a_plain_loop(values: list[float], limit: int) -> None:
    expected = list(values)
    for start, length in zip(*grid.find_runs(np.isnan(values)), strict=True):
        if start > 0 and length <= limit:
            expected[start : start + length] = [values[start - 1]] * length
    np.testing.assert_array_equal(features.fill_gaps(values, limit), expected)


@settings(deadline=None)
@given(series, st.integers(1, 20))
def test_usable_rows_have_a_whole_observed_window(values: list[float], window: int) -> None:
    found = features.find_whole_windows(values, window)
    for t, good in enumerate(found):
        past = values[max(t - window + 1, 0) : t + 1]
        assert good == (len(past) == window and not np.isnan(past).any())


def test_the_calendar_is_that_of_the_time_ahead() -> None:
    index = grid.regular_index("2024-01-01", 48, pd.Timedelta("1h"))
    table = features.make_calendar_terms(index, pd.Timedelta("1h"), 6, {"day": 1})
    assert list(table.columns) == ["day_sin_1", "day_cos_1"]
    assert table["day_sin_1"].iloc[0] == pytest.approx(1.0)
    assert table["day_cos_1"].iloc[18] == pytest.approx(1.0)
    np.testing.assert_allclose(table.iloc[:24], table.iloc[24:], atol=1e-12)


@pytest.mark.parametrize(("step", "harmonics"), [("1h", 4), ("4h", 2), ("6h", 1), ("12h", 0), ("1D", 0)])
def test_harmonics_that_the_step_cannot_resolve_are_left_out(step: str, harmonics: int) -> None:
    index = grid.regular_index("2024-01-01", 3, pd.Timedelta(step))
    assert features.make_calendar_terms(index, pd.Timedelta(step), 1, {"day": 4}).shape == (3, 2 * harmonics)


def test_features_of_a_season() -> None:
    trace = _trace([1, 2, 3, 10, 20, 30, 100, 200, 300])
    table = features.make_features(trace, horizons=[1, 3], season=3, fill_limit=0, calendar=False)
    assert list(table.columns) == ["value", "season_lag_1", "season_mean_1", "season_lag_3", "season_mean_3"]
    assert table.index.equals(trace.frame.index)
    # at t = 5 (30) the next step is 6; one and two seasons before it are 10 and 1
    assert table.iloc[5].tolist() == [30, 10, 5.5, 30, 16.5]
    # at t = 0 there is no season before step 1; the season before step 3 is t itself
    assert table.iloc[0].tolist() == [1, 1, 1, 1, 1]


def test_the_mean_is_of_seven_seasons_at_most() -> None:
    values = np.repeat(np.arange(12.0), 2)
    table = features.make_features(_trace(list(values)), horizons=[2], season=2, fill_limit=0, calendar=False)
    assert table["season_mean_2"].iloc[-1] == np.mean([11, 10, 9, 8, 7, 6, 5])


def test_what_was_not_observed_is_left_out_of_the_season() -> None:
    trace = _trace([1, NAN, NAN, 4, 5, 6, 7, 8, 9])
    table = features.make_features(trace, horizons=[1], season=3, fill_limit=1, calendar=False)
    np.testing.assert_array_equal(table["value"], [1, NAN, NAN, 4, 5, 6, 7, 8, 9])
    assert table["season_lag_1"].iloc[3] == 4  # step 4 - 3 = 1 is not observed: the value at t
    assert table["season_mean_1"].iloc[3] == 4
    assert table["season_lag_1"].iloc[5] == 4


def _harmonics(table: pd.DataFrame) -> dict[str, int]:
    """Return how many harmonics of each period a feature table holds; each has a sine and a cosine."""
    found = {name: [c for c in table.columns if c.startswith(f"{name}_")] for name in features.PERIODS}
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
    ],
)
def test_a_period_enters_if_the_rows_span_three_of_it(step: str, rows: int, harmonics: dict[str, int]) -> None:
    table = features.make_features(_trace([1.0] * rows, step), horizons=[1], season=None, fill_limit=0)
    assert _harmonics(table) == harmonics


def test_a_shorter_span_leaves_out_what_it_does_not_cover() -> None:
    trace = _trace([1.0, 2.0] * 12 * 21)

    def columns(span: int | None, season: int | None = None) -> list[str]:
        return list(features.make_features(trace, horizons=[1], season=season, fill_limit=0, span=span).columns)

    whole = columns(None)
    assert {"day_sin_1", "week_sin_1"} <= set(whole)
    assert columns(10_000) == whole  # no more than there is
    assert columns(100) == [c for c in whole if not c.startswith("week")]
    assert columns(71) == ["value"]
    assert [c for c in columns(72, 24) if c.startswith("season")] == ["season_lag_1", "season_mean_1"]
    assert columns(71, 24) == ["value"]


def test_the_calendar_of_the_features_is_that_of_the_next_step() -> None:
    trace = _trace([1.0] * 72)
    table = features.make_features(trace, horizons=[5], season=None, fill_limit=0)
    expected = features.make_calendar_terms(pd.DatetimeIndex(trace.frame.index), trace.step, 1, {"day": 4})
    pd.testing.assert_frame_equal(table.drop(columns="value"), expected)


def test_where_the_past_does_not_reach_the_season_falls_back_to_the_value() -> None:
    table = features.make_features(_trace([1, 2, 3, 4, 5, 6]), horizons=[1], season=2, fill_limit=0, calendar=False)
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
    tables = [
        features.make_features(_trace(list(v)), horizons=[1, 3], season=season, fill_limit=limit)
        for v in (values, other)
    ]
    pd.testing.assert_frame_equal(tables[0].iloc[: now + 1], tables[1].iloc[: now + 1])


@settings(deadline=None)
@given(data=st.data(), values=series, tail=series, limit=st.integers(0, 4))
def test_a_value_that_is_kept_does_not_depend_on_how_the_future_is_observed(
    data, values: list[float], tail: list[float], limit: int
) -> None:
    now = data.draw(st.integers(0, len(values) - 1))
    filled = features.fill_gaps(values, limit)[: now + 1]
    other = features.fill_gaps([*values[: now + 1], *tail], limit)[: now + 1]
    both = ~np.isnan(filled) & ~np.isnan(other)
    np.testing.assert_array_equal(filled[both], other[both])
    observed = ~np.isnan(values[: now + 1])
    assert both[observed].all()


STEP = pd.Timedelta("1h")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: features.make_targets([1, 2], [1, 0]), "horizon 0 is below 1"),
        (lambda: features.fill_gaps([1.0], -1), "fill limit -1"),
        (lambda: features.fill_gaps(np.zeros((2, 2)), 1), "one dimension, not 2"),
        (lambda: features.find_whole_windows([1.0], 0), "window 0 is below 1"),
        (
            lambda: features.make_calendar_terms(grid.regular_index("2024-01-01", 3, STEP), STEP, 1, {"year": 1}),
            "unknown period 'year'; choose from hour, day, week",
        ),
        (
            lambda: features.make_features(_trace([1] * 9), horizons=[1, 4], season=3, fill_limit=0),
            "horizon 4 is longer than the season of 3",
        ),
    ],
)
def test_settings_that_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
