"""Adaptive thresholds at work on a stream."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from edgeresearch.anomaly.thresholds import (
    HUGE,
    FixedThreshold,
    MovingThreshold,
    QuantileThreshold,
    Sketch,
    Threshold,
    threshold_levels,
)
from edgeresearch.errors import InputError

THRESHOLDS: dict[str, Threshold] = {
    "fixed": FixedThreshold(level=2.0),
    "moving": MovingThreshold(warm_up=3, memory=20),
    "open": MovingThreshold(warm_up=1, clip=False),
    "quantile": QuantileThreshold(quantile=0.9, window=20, warm_up=5),
}
by_threshold = pytest.mark.parametrize("threshold", list(THRESHOLDS.values()), ids=list(THRESHOLDS))
scores = st.lists(st.floats(0, 1e6), min_size=1, max_size=60)


@by_threshold
@given(past=scores, future=scores, other=scores)
def test_a_score_is_compared_with_what_came_before_it(
    threshold: Threshold, past: list[float], future: list[float], other: list[float]
) -> None:
    count = len(past) + 1
    one = threshold_levels(threshold.start(), np.array([*past, *future]))
    two = threshold_levels(threshold.start(), np.array([*past, *other]))
    assert_array_equal(one[:count], two[:count])
    state = threshold.start()
    for level, score in zip(one, [*past, *future], strict=True):
        assert state.level == level
        state.update(score)


@pytest.mark.parametrize("name", ["moving", "open", "quantile"])
def test_a_score_changes_the_threshold_of_the_next(name: str) -> None:
    calm = np.tile([1.0, 1.2], 10)
    one = threshold_levels(THRESHOLDS[name].start(), calm)
    two = threshold_levels(THRESHOLDS[name].start(), np.where(np.arange(20) == 15, 1.5, calm))
    assert_array_equal(one[:16], two[:16])
    assert (one[16:] != two[16:]).any()


@by_threshold
def test_what_is_not_finite_is_compared_and_not_learnt(threshold: Threshold) -> None:
    values = np.array([1.0, np.nan, 2.0, np.inf, 1.5, 1.0, 2.0])
    levels, finite = threshold_levels(threshold.start(), values), np.isfinite(values)
    assert_array_equal(levels[finite], threshold_levels(threshold.start(), values[finite]))
    assert len(levels) == len(values)


@by_threshold
@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1e6])
def test_a_constant_stream_never_alarms(threshold: Threshold, value: float) -> None:
    if isinstance(threshold, FixedThreshold):
        threshold = FixedThreshold(level=value)
    stream = np.full(500, value)
    assert not (stream > threshold_levels(threshold.start(), stream)).any()


def test_old_scores_fade_exponentially_the_first_ones_equally() -> None:
    values = np.random.default_rng(1).normal(5, 1, 400)
    for memory, count in ((1000.0, 50), (10.0, 400)):
        state = MovingThreshold(k=3, memory=memory, warm_up=1, clip=False).start()
        threshold_levels(state, values[:count])
        weights = np.ones(count) if count < memory else (1 - 1 / memory) ** np.arange(count)[::-1]
        mean = np.average(values[:count], weights=weights)
        variance = np.average((values[:count] - mean) ** 2, weights=weights)
        assert_allclose([state.mean, state.variance], [mean, variance])
        assert state.level == pytest.approx(mean + 3 * math.sqrt(variance))


@pytest.mark.parametrize("threshold", [MovingThreshold(warm_up=7), QuantileThreshold(warm_up=7, window=50)])
def test_nothing_is_an_alarm_during_the_warm_up(threshold: Threshold) -> None:
    levels = threshold_levels(threshold.start(), np.arange(1.0, 20.0))
    assert np.isinf(levels[:7]).all()
    assert np.isfinite(levels[7:]).all()


def test_a_clipped_anomaly_does_not_hide_the_next() -> None:
    values = np.random.default_rng(2).normal(1, 0.1, 300)
    values[[200, 210]] = 50.0, 3.0
    for clip, alarms in ((True, [True, True]), (False, [True, False])):
        levels = threshold_levels(MovingThreshold(warm_up=30, clip=clip).start(), values)
        assert (values > levels)[[200, 210]].tolist() == alarms


@pytest.mark.parametrize("threshold", [MovingThreshold(memory=100), QuantileThreshold(quantile=0.95, window=200)])
def test_the_level_follows_scores_that_stay_high(threshold: Threshold) -> None:
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(1, 0.1, 500), rng.normal(10, 1, 2000), rng.normal(1, 0.1, 2000)])
    levels = threshold_levels(threshold.start(), values)
    alarms = values > levels
    assert alarms[500]
    assert alarms[1500:2500].mean() < 0.05
    assert levels[2499] > 10
    assert levels[-1] < 2


def test_a_huge_score_leaves_the_level_finite() -> None:
    state = MovingThreshold(warm_up=2, clip=False).start()
    for score in (1.0, 1e300, 1.0, HUGE):
        state.update(score)
        assert math.isfinite(state.variance)
    assert math.isfinite(state.level)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=100), st.booleans())
def test_the_level_is_never_below_the_mean(values: list[float], clip: bool) -> None:
    state = MovingThreshold(warm_up=1, clip=clip).start()
    for value in values:
        state.update(value)
        assert state.level >= state.mean
        assert state.variance >= 0


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (MovingThreshold, {"k": -1.0}, "k is -1.0; .*greater than or equal to 0"),
        (MovingThreshold, {"k": math.nan}, "k is nan; .*finite"),
        (MovingThreshold, {"memory": 0.5}, "memory is 0.5; .*greater than or equal to 1"),
        (MovingThreshold, {"warm_up": 0}, "warm_up is 0"),
        (MovingThreshold, {"floor": -1e-9}, "floor is -1e-09"),
        (QuantileThreshold, {"quantile": 1.0}, "quantile is 1.0; .*less than 1"),
        (QuantileThreshold, {"factor": 0.0}, "factor is 0"),
        (QuantileThreshold, {"warm_up": 4}, "warm_up is 4; .*greater than or equal to 5"),
        (QuantileThreshold, {"window": 199}, "window is 199; give at least twice the warm-up"),
        (QuantileThreshold, {"floor": -1.0}, "floor is -1"),
    ],
)
def test_settings_without_meaning_are_refused(kind: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        kind(**settings)


PUBLISHED = [0.02, 0.15, 0.74, 3.39, 0.83, 22.37, 10.15, 15.43, 38.62, 15.92]
PUBLISHED += [34.60, 10.28, 1.47, 0.40, 0.05, 11.39, 0.27, 0.42, 0.09, 11.37]


def _sketch(values: list[float], quantile: float) -> Sketch:
    sketch = Sketch(quantile)
    for value in values:
        sketch.update(value)
    return sketch


def test_the_sketch_gives_the_median_of_its_papers_example_and_is_exact_up_to_five_values() -> None:
    assert round(_sketch(PUBLISHED, 0.5).value, 2) == 4.44
    assert math.isnan(Sketch(0.5).value)
    for count in range(1, 6):
        assert _sketch(PUBLISHED[:count], 0.5).value == np.median(PUBLISHED[:count])


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("law", ["normal", "exponential", "uniform"])
def test_the_sketch_is_near_the_true_quantile(quantile: float, law: str) -> None:
    values = getattr(np.random.default_rng(4), law)(size=5000)
    below = (values < _sketch(values.tolist(), quantile).value).mean()
    assert below == pytest.approx(quantile, abs=0.01)


@given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=200), st.sampled_from([0.1, 0.5, 0.99]))
def test_the_sketch_stays_within_what_it_saw(values: list[float], quantile: float) -> None:
    sketch = _sketch(values, quantile)
    assert min(values) <= sketch.value <= max(values)
    assert sketch.count == len(values)
    assert sketch._heights == sorted(sketch._heights)
    assert sketch._places == sorted(set(sketch._places))
    assert (sketch._places[0], sketch._places[4]) == (1, len(values))


def test_two_sketches_take_turns() -> None:
    state = QuantileThreshold(quantile=0.5, factor=1.0, window=20, warm_up=5, floor=0.0).start()
    counts = []
    for score in range(60):
        state.update(float(score))
        counts.append(state.older.count)
    assert counts[:20] == [*range(1, 20), 10]
    assert counts[20:40] == [*range(11, 20), 10, *range(11, 20), 10]
    assert state.younger is not None
    assert state.level == state.older.value >= 40


def test_the_level_is_a_multiple_of_the_quantile_and_false_alarms_as_rare_as_it_says() -> None:
    values = np.abs(np.random.default_rng(7).normal(size=20_000))
    for quantile in (0.9, 0.99):
        one, two = (QuantileThreshold(quantile=quantile, factor=factor, floor=0.0).start() for factor in (1.0, 2.5))
        levels = threshold_levels(one, values)
        assert_allclose(threshold_levels(two, values)[100:], 2.5 * levels[100:])
        assert (values > levels)[1000:].mean() == pytest.approx(1 - quantile, rel=0.35)
