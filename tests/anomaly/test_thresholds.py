import copy
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from edgeresearch.anomaly.thresholds import HUGE, Fixed, Judge, Moving, Quantile, Sketch, Threshold, judged, twin
from edgeresearch.errors import InputError

THRESHOLDS: dict[str, Threshold] = {
    "fixed": Fixed(2.0),
    "moving": Moving(warm_up=3, memory=20),
    "open": Moving(warm_up=1, clip=False),
    "quantile": Quantile(quantile=0.9, window=20, warm_up=5),
}
by_threshold = pytest.mark.parametrize("threshold", list(THRESHOLDS.values()), ids=list(THRESHOLDS))
errors = st.lists(st.floats(0, 1e6), min_size=1, max_size=60)


@by_threshold
@given(past=errors, future=errors, other=errors)
def test_an_error_is_judged_by_those_before_it_alone(
    threshold: Threshold, past: list[float], future: list[float], other: list[float]
) -> None:
    count = len(past) + 1
    one = judged(threshold.start(), np.array([*past, *future]))
    two = judged(threshold.start(), np.array([*past, *other]))
    assert_array_equal(one[:count], two[:count])


@pytest.mark.parametrize("name", ["moving", "open", "quantile"])
def test_an_error_changes_the_threshold_of_the_next(name: str) -> None:
    calm = np.tile([1.0, 1.2], 10)
    one = judged(THRESHOLDS[name].start(), calm)
    two = judged(THRESHOLDS[name].start(), np.where(np.arange(20) == 15, 1.5, calm))
    assert_array_equal(one[:16], two[:16])
    assert (one[16:] != two[16:]).any()


@by_threshold
@given(values=errors)
def test_one_by_one_is_all_at_once(threshold: Threshold, values: list[float]) -> None:
    judge = threshold.start()
    levels = []
    for value in values:
        levels.append(judge.level)
        judge.update(value)
    whole = threshold.start()
    assert_array_equal(judged(whole, np.array(values)), levels)
    assert whole.level == judge.level


@by_threshold
def test_what_is_not_finite_is_judged_and_not_learnt(threshold: Threshold) -> None:
    values = np.array([1.0, np.nan, 2.0, np.inf, 1.5, 1.0, 2.0])
    levels = judged(threshold.start(), values)
    assert_array_equal(levels[np.isfinite(values)], judged(threshold.start(), values[np.isfinite(values)]))
    assert len(levels) == len(values)


@by_threshold
def test_a_twin_is_independent(threshold: Threshold) -> None:
    judge = threshold.start()
    judged(judge, np.linspace(1, 2, 30))
    level, other = judge.level, twin(judge)
    judged(other, np.linspace(5, 9, 30))
    assert judge.level == level
    assert twin(judge).level == level


@by_threshold
@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1e6])
def test_a_constant_stream_never_alarms(threshold: Threshold, value: float) -> None:
    if isinstance(threshold, Fixed):
        threshold = Fixed(value)
    stream = np.full(500, value)
    assert not (stream > judged(threshold.start(), stream)).any()


def test_a_users_own_threshold_is_used() -> None:
    class Highest:
        def start(self) -> Judge:
            return Own()

    class Own:
        level = 0.0

        def update(self, error: float) -> None:
            self.level = max(self.level, error)

    own: Threshold = Highest()
    assert judged(own.start(), np.array([1.0, 3.0, 2.0, 4.0])).tolist() == [0.0, 1.0, 3.0, 3.0]


def test_a_fixed_threshold_stays() -> None:
    assert judged(Fixed(3.5).start(), np.array([1.0, 1e9, 2.0])).tolist() == [3.5] * 3


def test_the_first_errors_are_weighted_equally() -> None:
    values = np.random.default_rng(0).normal(5, 1, 50)
    judge = Moving(k=3, memory=100, warm_up=1, clip=False).start()
    judged(judge, values)
    assert_allclose([judge.mean, judge.variance], [values.mean(), values.var()])
    assert judge.level == pytest.approx(values.mean() + 3 * values.std())


def test_old_errors_fade_exponentially() -> None:
    memory = 10.0
    judge = Moving(memory=memory, warm_up=1, clip=False).start()
    values = np.random.default_rng(1).normal(5, 1, 400)
    judged(judge, values)
    weights = (1 - 1 / memory) ** np.arange(len(values))[::-1]
    mean = np.average(values, weights=weights)
    assert judge.mean == pytest.approx(mean, rel=1e-9)
    assert judge.variance == pytest.approx(np.average((values - mean) ** 2, weights=weights), rel=1e-9)


@pytest.mark.parametrize("threshold", [Moving(warm_up=7), Quantile(warm_up=7, window=50)])
def test_nothing_is_an_anomaly_during_the_warm_up(threshold: Threshold) -> None:
    levels = judged(threshold.start(), np.arange(1.0, 20.0))
    assert np.isinf(levels[:7]).all()
    assert np.isfinite(levels[7:]).all()


def test_a_clipped_anomaly_does_not_hide_the_next() -> None:
    values = np.random.default_rng(2).normal(1, 0.1, 300)
    values[[200, 210]] = 50.0, 3.0
    clipped = values > judged(Moving(warm_up=30).start(), values)
    taken = values > judged(Moving(warm_up=30, clip=False).start(), values)
    assert clipped[[200, 210]].tolist() == [True, True]
    assert taken[[200, 210]].tolist() == [True, False]


@pytest.mark.parametrize("threshold", [Moving(memory=100), Quantile(quantile=0.95, window=200)])
def test_the_level_follows_errors_that_stay_high(threshold: Threshold) -> None:
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(1, 0.1, 500), rng.normal(10, 1, 2000), rng.normal(1, 0.1, 2000)])
    levels = judged(threshold.start(), values)
    alarms = values > levels
    assert alarms[500]
    assert alarms[1500:2500].mean() < 0.05
    assert levels[2499] > 10
    assert levels[-1] < 2


def test_a_huge_error_leaves_the_level_finite() -> None:
    judge = Moving(warm_up=2, clip=False).start()
    for error in (1.0, 1e300, 1.0, HUGE):
        judge.update(error)
        assert math.isfinite(judge.variance)
    assert math.isfinite(judge.level)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=100), st.booleans())
def test_the_level_is_never_below_the_mean(values: list[float], clip: bool) -> None:
    judge = Moving(warm_up=1, clip=clip).start()
    for value in values:
        judge.update(value)
        assert judge.level >= judge.mean
        assert judge.variance >= 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": -1.0}, "k is -1.0"),
        ({"memory": 0.5}, "memory is 0.5; give at least one error"),
        ({"warm_up": 0}, "warm_up is 0"),
        ({"floor": -1e-9}, "floor is -1e-09"),
        ({"k": math.nan}, "k is nan"),
    ],
)
def test_a_moving_threshold_refuses_nonsense(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Moving(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quantile": 1.0}, "quantile is 1.0; give a share between 0 and 1"),
        ({"factor": 0.0}, "factor is 0.0"),
        ({"warm_up": 4}, "warm_up is 4; a sketch needs five errors"),
        ({"window": 199}, "window is 199; give at least twice the warm-up"),
        ({"floor": -1.0}, "floor is -1.0"),
    ],
)
def test_a_quantile_threshold_refuses_nonsense(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Quantile(**settings)


PUBLISHED = [0.02, 0.15, 0.74, 3.39, 0.83, 22.37, 10.15, 15.43, 38.62, 15.92]
PUBLISHED += [34.60, 10.28, 1.47, 0.40, 0.05, 11.39, 0.27, 0.42, 0.09, 11.37]


def test_the_sketch_gives_the_median_of_its_papers_example() -> None:
    sketch = Sketch(0.5)
    for value in PUBLISHED:
        sketch.update(value)
    assert round(sketch.value, 2) == 4.44


def test_the_sketch_is_exact_up_to_five_values() -> None:
    sketch = Sketch(0.5)
    assert math.isnan(sketch.value)
    for count, value in enumerate([4.0, 1.0, 3.0, 9.0, 2.0], start=1):
        sketch.update(value)
        assert sketch.value == np.median([4.0, 1.0, 3.0, 9.0, 2.0][:count])


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("law", ["normal", "exponential", "uniform"])
def test_the_sketch_is_near_the_true_quantile(quantile: float, law: str) -> None:
    rng = np.random.default_rng(4)
    values = getattr(rng, law)(size=5000)
    sketch = Sketch(quantile)
    for value in values.tolist():
        sketch.update(value)
    below = (values < sketch.value).mean()
    assert below == pytest.approx(quantile, abs=0.01)


@given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=200), st.sampled_from([0.1, 0.5, 0.99]))
def test_the_sketch_stays_within_what_it_saw(values: list[float], quantile: float) -> None:
    sketch = Sketch(quantile)
    for value in values:
        sketch.update(value)
    assert min(values) <= sketch.value <= max(values)
    assert sketch.count == len(values)
    assert sketch._heights == sorted(sketch._heights)
    assert sketch._places == sorted(set(sketch._places))
    assert (sketch._places[0], sketch._places[4]) == (1, len(values))


def test_two_sketches_take_turns() -> None:
    judge = Quantile(quantile=0.5, factor=1.0, window=20, warm_up=5, floor=0.0).start()
    counts = []
    for error in range(60):
        judge.update(float(error))
        counts.append(judge.older.count)
    assert counts[:20] == [*range(1, 20), 10]
    assert counts[20:40] == [*range(11, 20), 10, *range(11, 20), 10]
    assert judge.younger is not None
    assert judge.level == judge.older.value >= 40


def test_the_level_is_a_multiple_of_the_quantile() -> None:
    values = np.random.default_rng(5).exponential(size=300)
    one, two = (Quantile(factor=factor, floor=0.0).start() for factor in (1.0, 2.5))
    assert_allclose(judged(two, values)[100:], 2.5 * judged(one, values)[100:])
    assert copy.deepcopy(one).level == one.level


@pytest.mark.parametrize("k", [0.0, 1.0, 6.0])
def test_the_level_stands_k_deviations_above_the_mean(k: float) -> None:
    judge = Moving(k=k, memory=50, floor=0.0).start()
    judged(judge, np.random.default_rng(6).exponential(size=200))
    assert judge.level == pytest.approx(judge.mean + k * math.sqrt(judge.variance))


def test_false_alarms_on_noise_are_about_as_rare_as_the_quantile_says() -> None:
    values = np.abs(np.random.default_rng(7).normal(size=20_000))
    for quantile in (0.9, 0.99):
        levels = judged(Quantile(quantile=quantile, factor=1.0).start(), values)
        assert (values > levels)[1000:].mean() == pytest.approx(1 - quantile, rel=0.35)


@by_threshold
def test_thresholds_can_be_told_apart_and_kept_in_sets(threshold: Threshold) -> None:
    assert threshold == copy.deepcopy(threshold)
    assert len({threshold, copy.deepcopy(threshold)}) == 1
