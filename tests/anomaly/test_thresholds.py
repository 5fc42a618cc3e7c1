"""Adaptive thresholds at work on a stream."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from edgeresearch.anomaly.base import Threshold
from edgeresearch.anomaly.settings import FixedThreshold, MovingThreshold, QuantileThreshold
from edgeresearch.anomaly.thresholds import HUGE, threshold_levels

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
