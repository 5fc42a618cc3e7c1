"""Replay a trace under a policy, and tell its phases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from edgeresearch.autoscaling.policies import STRATEGIES, Advance, Capacity, View
from edgeresearch.autoscaling.replay import (
    PHASES,
    errors_by_phase,
    from_actions,
    from_trace,
    horizon,
    measured,
    plan,
    replay,
    setup,
    view,
)
from edgeresearch.autoscaling.simulator import Floats, Ints, Settings, run
from edgeresearch.config import Params
from edgeresearch.errors import InputError
from edgeresearch.forecasting.models import build

CAPACITY = Capacity(q_max=10, share=1)


def test_the_table_s_phases() -> None:
    assert list(PHASES) == ["stable", "expansion", "shrinkage"]


def test_by_the_trace_both_ways_around_a_step() -> None:
    arrivals = np.repeat([5, 25, 5], 100)
    phases = from_trace(arrivals, capacity=CAPACITY, settings=Settings(), window=10, smooth=1)
    assert np.flatnonzero(phases == 1).tolist() == list(range(90, 110))
    assert np.flatnonzero(phases == -1).tolist() == list(range(190, 210))


def test_by_the_trace_noise_is_smoothed() -> None:
    arrivals = np.tile([4, 14], 300)
    assert from_trace(arrivals, capacity=CAPACITY, settings=Settings(), window=45, smooth=1).any()
    assert not from_trace(arrivals, capacity=CAPACITY, settings=Settings(), window=45, smooth=60).any()


@given(st.integers(0, 10**6), st.sampled_from([1.0, 0.5]))
def test_by_the_trace_a_mirrored_load_swaps_the_phases(seed: int, dt: float) -> None:
    rng = np.random.default_rng(seed)
    arrivals = np.repeat(rng.integers(0, 60, 12), 25)
    options = {"capacity": CAPACITY, "settings": Settings(dt=dt), "window": 10, "smooth": 7}
    phases, mirrored = (from_trace(load, **options) for load in (arrivals, arrivals[::-1]))  # type: ignore[arg-type]
    assert phases.dtype == np.int8
    np.testing.assert_array_equal(phases, -mirrored[::-1])


def test_by_the_trace_shorter_than_the_window() -> None:
    assert from_trace([5, 25], capacity=CAPACITY, settings=Settings(), window=45, smooth=1).tolist() == [1, 1]


def test_by_the_actions_as_long_as_the_window() -> None:
    wanted = [2, 2, 3, 3, 3, 3, 3, 1, 1, 2, 2, 2, 2, 2]
    assert from_actions(wanted, settings=Settings(), window=4).tolist() == [0, 0, 1, 1, 1, 1, 0, -1, -1, 1, 1, 1, 1, 0]
    assert from_actions(wanted, settings=Settings(dt=0.5), window=1).tolist() == [
        *(0, 0, 1, 1, 0, 0, 0, -1, -1, 1, 1, 0, 0, 0)
    ]


def test_by_the_actions_nothing_happens() -> None:
    assert from_actions([3] * 5, settings=Settings(), window=45).tolist() == [0] * 5


@given(st.lists(st.integers(1, 4), min_size=1, max_size=60), st.integers(1, 9))
def test_by_the_actions_equals_a_loop(wanted: list[int], window: int) -> None:
    expected, last, sign = [], -window, 0
    for now, pods in enumerate(wanted):
        if now and pods != wanted[now - 1]:
            last, sign = now, 1 if pods > wanted[now - 1] else -1
        expected.append(sign if now - last < window else 0)
    assert from_actions(wanted, settings=Settings(), window=window).tolist() == expected


def test_error_rates() -> None:
    settings = Settings(q_max=10, base_error=0, timeout=0, start_delay=0)
    outcome = run([10, 20, 40, 10, 0], [1] * 5, settings=settings, rng=np.random.default_rng(0))
    rates = errors_by_phase(outcome, np.array([0, 1, 1, 0, -1], dtype=np.int8))
    assert rates["stable"] == 0
    assert rates["expansion"] == pytest.approx(100 * 40 / 60)
    assert np.isnan(rates["shrinkage"])
    assert list(rates) == list(PHASES)


def test_phases_of_another_trace() -> None:
    outcome = run([1, 2], [1, 1], settings=Settings(start_delay=0), rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="phases of 3 steps for 2 steps of service"):
        errors_by_phase(outcome, np.zeros(3, dtype=np.int8))


def test_bad_input() -> None:
    with pytest.raises(InputError, match="arrivals: -1 at step 0"):
        from_trace([-1], capacity=CAPACITY, settings=Settings(), window=45)
    with pytest.raises(InputError, match="wanted pods: 0 at step 1"):
        from_actions([1, 0], settings=Settings(), window=45)


BLIND = [name for name in STRATEGIES if name != "oracle"]


def trace(seed: int, steps: int, mean: float = 60) -> Ints:
    rng = np.random.default_rng(seed)
    return rng.poisson(mean * rng.gamma(3, 1 / 3, steps // 20 + 1).repeat(20)[:steps])


def made(name: str, arrivals: Ints, forecast: Floats | None = None, capacity: Capacity = CAPACITY) -> Ints:
    return plan(name, arrivals, forecast, capacity=capacity, settings=Settings())


@pytest.mark.parametrize(
    ("delay", "spread", "every", "intervals"),
    [(30, 0, 15, 3), (30, 10, 15, 4), (31, 0, 15, 4), (0, 0, 15, 1), (30, 0, 60, 2), (0.3, 0, 0.1, 4)],
)
def test_horizon_is_the_start_delay_and_one_interval(delay: float, spread: float, every: float, intervals: int) -> None:
    assert horizon(Settings(start_delay=delay, start_spread=spread, dt=0.1), every) == intervals


@pytest.mark.parametrize("every", [0.0, 0.5, 1.5, np.nan, np.inf, -15])
def test_decisions_fall_on_steps(every: float) -> None:
    with pytest.raises(InputError, match="do not fall on steps of 1 s; use a multiple of the step"):
        horizon(Settings(), every)


def test_the_load_is_known_after_its_interval() -> None:
    arrivals = np.repeat([10, 20, 30, 40], 5)
    assert measured(arrivals, settings=Settings(), every=5).tolist() == [10, 10, 20, 30]
    assert measured(arrivals[:-2], settings=Settings(), every=5).tolist() == [10, 10, 20, 30]
    assert measured(arrivals, settings=Settings(dt=0.5), every=2.5).tolist() == [20, 20, 40, 60]
    assert measured([7, 8], settings=Settings(), every=5).tolist() == [7.5]


def test_decisions_hold_until_the_next() -> None:
    arrivals = np.repeat([10, 20, 30, 40], 5)
    wanted = plan("responsive", arrivals[:-2], capacity=CAPACITY, settings=Settings(), every=5)
    assert wanted.tolist() == [1] * 10 + [2] * 5 + [3] * 3


def test_a_forecast_speaks_of_the_interval_at_the_horizon() -> None:
    arrivals, service = trace(1, 900), Settings()
    ahead = horizon(service)
    present = measured(arrivals, settings=service)
    perfect = np.full(len(present), np.nan)
    perfect[:-ahead] = present[ahead:]
    wanted = made("advance", arrivals, perfect)[::15]
    np.testing.assert_array_equal(wanted[:-ahead], CAPACITY.pods(present[ahead:]))


def test_without_a_forecast_the_last_value_stands_in() -> None:
    arrivals = trace(2, 600)
    for forecast in (None, np.full(40, np.nan)):
        for name in ("advance", "combined"):
            np.testing.assert_array_equal(made(name, arrivals, forecast), made("responsive", arrivals))


def test_a_negative_forecast_is_no_load() -> None:
    seen = view(trace(3, 60), [-5.0, 2.0, np.nan, 4.0], capacity=CAPACITY, settings=Settings())
    assert seen.forecast.tolist() == [0, 2, seen.present[2], 4]


@pytest.mark.parametrize("name", BLIND)
@given(seed=st.integers(0, 10**6), now=st.integers(15, 590))
def test_no_future_request_reaches_a_decision(name: str, seed: int, now: int) -> None:
    arrivals, rng = trace(seed, 600), np.random.default_rng(seed)
    forecast = rng.gamma(2, 30, 40)
    known = now // 15 + 1
    before = made(name, arrivals, forecast)[: known * 15]
    arrivals[now:], forecast[known:] = trace(seed + 1, 600, 200)[now:], rng.gamma(2, 90, 40 - known)
    np.testing.assert_array_equal(before, made(name, arrivals, forecast)[: known * 15])


def test_no_future_request_reaches_a_decision_by_way_of_a_fitted_forecaster() -> None:
    arrivals, now = trace(4, 6000), 4500
    ahead, service = horizon(Settings()), Settings()

    def forecast(arrivals: Ints) -> Floats:
        present = measured(arrivals, settings=service)
        rows, future = present[:, None], np.append(present[ahead:], [np.nan] * ahead)
        model = build("ridge", columns=["value"], rows=200, window=10)
        return model.fit(rows[:200], future[:200]).predict(rows)

    known = now // 15 + 1
    before = made("combined", arrivals, forecast(arrivals))[: known * 15]
    arrivals[now:] = trace(5, 6000, 300)[now:]
    np.testing.assert_array_equal(before, made("combined", arrivals, forecast(arrivals))[: known * 15])


@pytest.mark.parametrize("name", STRATEGIES)
@given(seed=st.integers(0, 10**6), minimum=st.integers(1, 5), more=st.integers(0, 9))
def test_pods_stay_within_the_bounds(name: str, seed: int, minimum: int, more: int) -> None:
    capacity = Capacity(q_max=10, minimum=minimum, maximum=minimum + more)
    wanted = made(name, trace(seed, 300), np.random.default_rng(seed).gamma(1, 90, 20), capacity)
    assert wanted.min() >= minimum
    assert wanted.max() <= minimum + more


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name != "quantile"])
@given(seed=st.integers(0, 10**6), shift=st.integers(1, 5))
def test_shifting_time_shifts_the_decisions(name: str, seed: int, shift: int) -> None:
    arrivals, forecast = trace(seed, 300), np.random.default_rng(seed).gamma(2, 30, 20)
    # What stands before is a service in balance with the first interval, as `plan` takes it to be.
    calm = 45 if name == "oracle" else 15
    arrivals[:calm] = arrivals[0]
    later = np.concatenate([np.full(15 * shift, arrivals[0]), arrivals])
    shifted = made(name, later, np.concatenate([np.full(shift, forecast[0]), forecast]))
    np.testing.assert_array_equal(shifted[15 * shift :], made(name, arrivals, forecast))


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0, 10, 30, 37]), st.sampled_from([0.0, 10.0]))
def test_the_oracle_is_never_overloaded(seed: int, delay: int, spread: float) -> None:
    service = Settings(q_max=10, start_delay=delay, start_spread=min(spread, delay), timeout=0)
    rng = np.random.default_rng(seed)
    outcome = replay("oracle", trace(seed, 600), capacity=CAPACITY, settings=service, rng=rng)
    assert outcome.overload.sum() == 0


def test_the_oracle_looks_no_further_than_its_horizon() -> None:
    arrivals = np.full(300, 5)
    arrivals[200] = 95
    wanted = made("oracle", arrivals)
    # Pods wanted from 165 s are ready for the interval that begins at 195 s; step 200 lies in it.
    assert wanted[164] == 1
    assert (wanted[165:210] == 10).all()
    assert wanted[210] == 1


def test_strategies_see_the_same_trace_and_seeds() -> None:
    service = Settings(q_max=10, start_spread=10)
    arrivals = trace(9, 900)
    one, two = (
        replay("responsive", arrivals, capacity=CAPACITY, settings=service, rng=np.random.default_rng(3)) for _ in "ab"
    )
    np.testing.assert_array_equal(one.ready, two.ready)
    assert one.error_percent == two.error_percent


def test_more_pods_at_least_never_raise_overload() -> None:
    arrivals, service = trace(11, 3000), Settings(q_max=10)
    errors = [
        replay(
            "responsive",
            arrivals,
            capacity=Capacity(q_max=10, minimum=minimum),
            settings=service,
            rng=np.random.default_rng(0),
        ).overload.sum()
        for minimum in (1, 5, 8, 50)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0 == errors[-1]


class Mine:
    """A user's own strategy, which returns what it is given."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def decide(self, view: View) -> Ints:
        return self.answer  # type: ignore[return-value]


def test_ones_own_strategy() -> None:
    wanted = plan(Mine(np.array([0, 3])), trace(1, 30), capacity=CAPACITY, settings=Settings())
    assert wanted.tolist() == [1] * 15 + [3] * 15
    advance = plan(Advance(), trace(1, 30), capacity=CAPACITY, settings=Settings())
    np.testing.assert_array_equal(advance, made("advance", trace(1, 30)))


@pytest.mark.parametrize("answer", [np.ones(3, dtype=int), np.array([1.5, 2.0]), 3])
def test_ones_own_strategy_must_return_a_number_per_decision(answer: object) -> None:
    with pytest.raises(InputError, match="Mine returned .* for 2 decisions; return one whole number of pods for each"):
        plan(Mine(answer), trace(1, 30), capacity=CAPACITY, settings=Settings())


@pytest.mark.parametrize(
    ("name", "arrivals", "forecast", "message"),
    [
        ("lstm", [1] * 30, None, "unknown strategy 'lstm'; known: advance, responsive, combined"),
        ("advance", [1, -1] * 15, None, "arrivals: -1 at step 1 is below 0"),
        ("advance", [1.0, np.nan] * 15, None, "arrivals: nan at step 1 is not a finite number"),
        ("advance", [1] * 30, [1.0], r"forecasts of shape \(1,\) for 2 decisions"),
        ("advance", [1] * 30, [1.0, np.inf], "forecast: inf at step 1 is not a finite number"),
    ],
)
def test_bad_input_is_told_in_one_line(
    name: str, arrivals: list[float], forecast: list[float] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        plan(name, arrivals, forecast, capacity=CAPACITY, settings=Settings())
    assert "\n" not in str(caught.value)


def test_a_start_longer_than_the_trace() -> None:
    with pytest.raises(InputError, match="a pod takes up to 30 s to start, the trace lasts 30 s"):
        replay("responsive", [1] * 30, capacity=CAPACITY, settings=Settings(), rng=np.random.default_rng(0))


SMALL = Params().elastic.model_dump()


def test_the_edge_cluster_bounds_the_pods_and_a_longer_lead_keeps_the_phases() -> None:
    world = setup(SMALL)
    edge = SMALL["clusters"]["edge"]
    assert world.capacity.maximum == edge["nodes"] * edge["cores"] == 36
    slow = world.delayed(2)
    assert slow.settings.start_delay == 2 * world.settings.start_delay
    assert slow.window == pytest.approx(world.window)
    assert slow.horizon > world.horizon
    load = measured(np.full(90, 30), settings=world.settings, every=world.every)
    assert load.tolist() == [30.0] * 3
