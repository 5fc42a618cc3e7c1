"""Replay a trace under a policy, and mark its phases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from edgeresearch.autoscaling.api import OWN_TRACE
from edgeresearch.autoscaling.policies import (
    POLICIES,
    Advance,
    Combined,
    Observation,
    Observations,
    ScalingPolicy,
    measure_load,
    observe,
    plan_pods,
)
from edgeresearch.autoscaling.replay import (
    PHASES,
    mark_action_phases,
    mark_load_phases,
    measure_phase_errors,
    simulate_policy,
)
from edgeresearch.autoscaling.settings import ReplayConfig
from edgeresearch.autoscaling.simulator import Floats, Ints, simulate
from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import build
from edgeresearch.forecasting.settings import ForecastSettings

CONFIG = OWN_TRACE.replace(q_max=10, target_utilisation=1.0)
INSTANT = CONFIG.replace(start_delay=0)


def phased(seconds: float, smooth: float = 1, dt: float = 1.0) -> ReplayConfig:
    """Settings in which phases look so many seconds either way."""
    return CONFIG.replace(dt=dt, smooth=smooth, phase_window=seconds / (CONFIG.longest_start + CONFIG.sync_period))


def test_phases_of_a_load_lie_both_ways_around_a_step() -> None:
    phases = mark_load_phases(np.repeat([5, 25, 5], 100), phased(10))
    assert np.flatnonzero(phases == PHASES["expansion"]).tolist() == list(range(90, 110))
    assert np.flatnonzero(phases == PHASES["shrinkage"]).tolist() == list(range(190, 210))
    assert mark_load_phases([5, 25], phased(45)).tolist() == [1, 1]


def test_noise_of_a_load_is_smoothed() -> None:
    arrivals = np.tile([4, 14], 300)
    assert mark_load_phases(arrivals, phased(45)).any()
    assert not mark_load_phases(arrivals, phased(45, smooth=60)).any()


@given(st.integers(0, 10**6), st.sampled_from([1.0, 0.5]))
def test_a_mirrored_load_swaps_the_phases(seed: int, dt: float) -> None:
    arrivals = np.repeat(np.random.default_rng(seed).integers(0, 60, 12), 25)
    phases, mirrored = (mark_load_phases(load, phased(10, smooth=7, dt=dt)) for load in (arrivals, arrivals[::-1]))
    assert phases.dtype == np.int8
    np.testing.assert_array_equal(phases, -mirrored[::-1])


def test_phases_of_actions_last_as_long_as_the_window() -> None:
    wanted = [2, 2, 3, 3, 3, 3, 3, 1, 1, 2, 2, 2, 2, 2]
    assert mark_action_phases(wanted, phased(4)).tolist() == [0, 0, 1, 1, 1, 1, 0, -1, -1, 1, 1, 1, 1, 0]
    assert mark_action_phases(wanted, phased(1, dt=0.5)).tolist() == [0, 0, 1, 1, 0, 0, 0, -1, -1, 1, 1, 0, 0, 0]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=60), st.integers(1, 9))
def test_phases_of_actions_equal_a_loop(wanted: list[int], window: int) -> None:
    expected, last, sign = [], -window, 0
    for now, pods in enumerate(wanted):
        if now and pods != wanted[now - 1]:
            last, sign = now, 1 if pods > wanted[now - 1] else -1
        expected.append(sign if now - last < window else 0)
    assert mark_action_phases(wanted, phased(window)).tolist() == expected


def test_errors_by_phase() -> None:
    config = INSTANT.replace(base_error=0, timeout=0)
    result = simulate([10, 20, 40, 10, 0], [1] * 5, config, rng=np.random.default_rng(0))
    rates = measure_phase_errors(result, np.array([0, 1, 1, 0, -1], dtype=np.int8))
    assert list(rates) == ["stable", "expansion", "shrinkage"]
    assert (rates["stable"], rates["expansion"]) == (0, pytest.approx(100 * 40 / 60))
    assert np.isnan(rates["shrinkage"])


def draw_load(seed: int, steps: int, mean: float = 60) -> Ints:
    rng = np.random.default_rng(seed)
    return rng.poisson(mean * rng.gamma(3, 1 / 3, steps // 20 + 1).repeat(20)[:steps])


def plan(policy: str, arrivals: Ints, forecast: Floats | None = None, config: ReplayConfig = CONFIG) -> Ints:
    return plan_pods(policy, arrivals, forecast, config)


def test_the_load_is_known_after_its_period_and_decisions_hold_until_the_next() -> None:
    arrivals, config = np.repeat([10, 20, 30, 40], 5), CONFIG.replace(sync_period=5)
    assert measure_load(arrivals, config).tolist() == [10, 10, 20, 30]
    assert measure_load(arrivals[:-2], config).tolist() == [10, 10, 20, 30]
    assert measure_load(arrivals, config.replace(dt=0.5, sync_period=2.5)).tolist() == [20, 20, 40, 60]
    assert measure_load([7, 8], config).tolist() == [7.5]
    assert plan("responsive", arrivals[:-2], config=config).tolist() == [1] * 10 + [2] * 5 + [3] * 3


def test_a_forecast_speaks_of_the_period_at_the_horizon() -> None:
    arrivals, ahead = draw_load(1, 900), CONFIG.horizon
    load = measure_load(arrivals, CONFIG)
    perfect = np.full(len(load), np.nan)
    perfect[:-ahead] = load[ahead:]
    np.testing.assert_array_equal(
        plan("advance", arrivals, perfect)[::15][:-ahead], np.maximum(CONFIG.pods_for(load[ahead:]), 1)
    )


def test_without_a_forecast_the_last_value_stands_in_and_a_negative_one_is_no_load() -> None:
    arrivals = draw_load(2, 600)
    for forecast in (None, np.full(40, np.nan)):
        for name in ("advance", "combined"):
            np.testing.assert_array_equal(plan(name, arrivals, forecast), plan("responsive", arrivals))
    seen = observe(draw_load(3, 60), [-5.0, 2.0, np.nan, 4.0], CONFIG)
    assert seen.forecast.tolist() == [0, 2, seen.load[2], 4]


@pytest.mark.parametrize("name", [name for name in POLICIES if name != "oracle"])
@given(seed=st.integers(0, 10**6), now=st.integers(15, 590))
def test_no_future_request_reaches_a_decision(name: str, seed: int, now: int) -> None:
    arrivals, rng = draw_load(seed, 600), np.random.default_rng(seed)
    forecast = rng.gamma(2, 30, 40)
    known = now // 15 + 1
    before = plan(name, arrivals, forecast)[: known * 15]
    arrivals[now:], forecast[known:] = draw_load(seed + 1, 600, 200)[now:], rng.gamma(2, 90, 40 - known)
    np.testing.assert_array_equal(before, plan(name, arrivals, forecast)[: known * 15])


def test_no_future_request_reaches_a_decision_by_way_of_a_fitted_forecaster() -> None:
    arrivals, now, ahead = draw_load(4, 6000), 4500, CONFIG.horizon

    def forecast(arrivals: Ints) -> Floats:
        load = measure_load(arrivals, CONFIG)
        rows, future = load[:, None], np.append(load[ahead:], [np.nan] * ahead)
        model = build("ridge", columns=["value"], rows=200, settings=ForecastSettings(window=10))
        return model.fit(rows[:200], future[:200]).predict(rows)

    known = now // 15 + 1
    before = plan("combined", arrivals, forecast(arrivals))[: known * 15]
    arrivals[now:] = draw_load(5, 6000, 300)[now:]
    np.testing.assert_array_equal(before, plan("combined", arrivals, forecast(arrivals))[: known * 15])


@pytest.mark.parametrize("name", POLICIES)
@given(seed=st.integers(0, 10**6), least=st.integers(1, 5), more=st.integers(0, 9))
def test_pods_stay_within_the_bounds(name: str, seed: int, least: int, more: int) -> None:
    config = CONFIG.replace(min_pods=least, max_pods=least + more)
    wanted = plan(name, draw_load(seed, 300), np.random.default_rng(seed).gamma(1, 90, 20), config)
    assert least <= wanted.min() <= wanted.max() <= least + more


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0, 10, 30, 37]), st.sampled_from([0.0, 10.0]))
def test_the_oracle_is_never_overloaded(seed: int, delay: int, spread: float) -> None:
    config = CONFIG.replace(start_delay=delay, start_spread=min(spread, delay), timeout=0)
    result = simulate_policy("oracle", draw_load(seed, 600), config=config, rng=np.random.default_rng(seed))
    assert result.overload.sum() == 0


def test_the_oracle_looks_no_further_than_its_horizon() -> None:
    arrivals = np.full(300, 5)
    arrivals[200] = 95
    wanted = plan("oracle", arrivals)
    # Pods wanted from 165 s are ready for the period that begins at 195 s; step 200 lies in it.
    assert wanted[164] == wanted[210] == 1
    assert (wanted[165:210] == 10).all()


def test_more_pods_at_least_never_raise_overload() -> None:
    arrivals = draw_load(11, 3000)
    errors = [
        simulate_policy(
            "responsive", arrivals, config=CONFIG.replace(min_pods=least), rng=np.random.default_rng(0)
        ).overload.sum()
        for least in (1, 5, 8, 50)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0 == errors[-1]


class Answering:
    """A user's own policy, which returns what it is given, and counts its decisions."""

    def __init__(self, answer: object) -> None:
        self.answer, self.asked = answer, 0

    def decide(self, observation: Observation) -> int:
        self.asked += 1
        return self.answer[self.asked - 1]  # type: ignore[no-any-return, index]


class AtOnce(Answering):
    def decide_all(self, observations: Observations) -> Ints:
        return self.answer  # type: ignore[return-value]


class Copied:
    """Combined, one decision at a time."""

    def decide(self, observation: Observation) -> int:
        return observation.pods_for(max(observation.load, observation.forecast))


@pytest.mark.parametrize("policy", [Answering([0, 3]), AtOnce(np.array([0, 3]))])
def test_a_policy_of_ones_own_is_bounded_and_copied_for_each_run(policy: Answering) -> None:
    for _ in "ab":
        assert plan_pods(policy, draw_load(1, 30), None, CONFIG).tolist() == [1] * 15 + [3] * 15
    assert policy.asked == 0


def test_deciding_one_by_one_gives_what_deciding_at_once_gives() -> None:
    arrivals, forecast = draw_load(3, 900), np.random.default_rng(1).gamma(2, 30, 60)
    first, second = (plan_pods(policy, arrivals, forecast, CONFIG) for policy in (Copied(), Combined()))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(plan_pods(Advance(), arrivals, forecast, CONFIG), plan("advance", arrivals, forecast))


ONES = [1] * 30


@pytest.mark.parametrize(
    ("policy", "arrivals", "forecast", "message"),
    [
        ("lstm", ONES, None, "unknown strategy 'lstm'; known: advance, responsive, combined"),
        ("advance", [1, -1] * 15, None, "arrivals: -1 at step 1 is no whole number of at least 0"),
        ("advance", ONES, [1.0], r"forecasts of shape \(1,\) for 2 decisions"),
        ("advance", ONES, [1.0, np.inf], "the forecast at decision 1 is not finite; give a number or NaN"),
        (Answering([1, 1.5]), ONES, None, "Answering returned 1.5 at decision 1; return a whole number of pods"),
        (Answering([None]), ONES, None, "Answering returned None at decision 0; return a whole number of pods"),
        *[
            (AtOnce(wrong), ONES, None, "AtOnce returned .* for 2 decisions; return one whole number of pods for each")
            for wrong in (np.ones(3, dtype=int), np.array([1.5, 2.0]), 3)
        ],
    ],
)
def test_bad_input_is_refused_in_one_line(
    policy: str | ScalingPolicy, arrivals: list[int], forecast: list[float] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        plan_pods(policy, arrivals, forecast, CONFIG)
    assert "\n" not in str(caught.value)


def test_what_a_policy_raises_names_it() -> None:
    with pytest.raises(IndexError) as caught:
        plan_pods(Answering([1]), ONES, None, CONFIG)
    assert caught.value.__notes__ == ["raised in the autoscaling policy 'answering'"]
