"""A service of pods under a stream of requests, step by step, against loops that are plain to read."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.ndimage import minimum_filter1d

from edgeresearch.autoscaling.settings import ServiceConfig
from edgeresearch.autoscaling.simulator import (
    MILLION,
    Ints,
    SimulationResult,
    as_counts,
    bounded_queue,
    check_range,
    find_ready_pods,
    run_pressure_test,
    simulate,
)
from edgeresearch.errors import InputError

PLAIN = ServiceConfig(start_delay=30, start_spread=0, base_error=0.03, timeout=1)


@pytest.mark.parametrize(
    ("value", "above", "message"),
    [
        (-1, False, "share is -1; give a number at least 0"),
        (0, True, "share is 0; give a number above 0"),
        (np.nan, False, "share is nan; give a number at least 0"),
        (np.inf, False, "share is inf; give a number at least 0"),
        ("1", False, "share is '1'; give a number"),
    ],
)
def test_a_range_holds_its_bounds(value: Any, above: bool, message: str) -> None:
    check_range("share", 0.0, 0)
    with pytest.raises(InputError) as caught:
        check_range("share", value, 0, above=above)
    assert str(caught.value) == message


def test_whole_numbers_of_any_type_are_counts() -> None:
    given = np.array([1, 2, 3])
    assert as_counts("n", given) is given
    for values in ([1, 2, 3], [1.0, 2.0, 3.0], given.astype(np.uint8)):
        assert as_counts("n", values).dtype == np.int64
        assert as_counts("n", values).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, -2], "n: -2 at step 1 is no whole number of at least 0; mend it, or `spread` a trace"),
        ([1.0, 2.5], "n: 2.5 at step 1 is no whole number"),
        ([1.0, np.nan], "n: nan at step 1 is no whole number"),
        ([np.inf], "n: inf at step 0 is no whole number"),
        ([], "n: expected one number per step"),
        ([[1, 2]], "n: expected one number per step"),
        (["a"], "n: expected one number per step"),
    ],
)
def test_what_is_no_series_of_numbers_is_refused_in_one_line(values: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        as_counts("n", values)
    assert "\n" not in str(caught.value)


@pytest.fixture
def result() -> SimulationResult:
    service = PLAIN.replace(q_max=10, start_delay=2, base_error=0.1, timeout=0.5, grace=2, cpu_idle=20)
    arrivals = [5, 10, 20, 20, 20, 0, 0, 40, 0]
    return simulate(arrivals, [1, 1, 3, 3, 3, 3, 1, 1, 2], service, rng=np.random.default_rng(0))


def test_pods_by_state(result: SimulationResult) -> None:
    assert result.ready.tolist() == [1, 1, 1, 1, 3, 3, 1, 1, 1]
    assert result.draining.tolist() == [0, 0, 0, 0, 0, 0, 2, 2, 0]
    assert result.pod_hours == pytest.approx((18 + 4) / 3600)
    assert result.hours(slice(5, 8)) == pytest.approx((3 + 1 + 1 + 4) / 3600)


def test_requests_by_fate(result: SimulationResult) -> None:
    assert result.overload.tolist() == [0, 0, 5, 10, 0, 0, 0, 25, 0]
    assert result.waiting.tolist() == [0, 0, 5, 5, 0, 0, 0, 5, 0]
    assert result.base.sum() == 7
    assert result.failed.sum() == 47
    assert result.error_percent == pytest.approx(100 * 47 / 115)
    some = result.arrived > 10
    assert result.percent(result.overload, some) == pytest.approx(100 * 40 / 100)
    assert np.isnan(result.percent(result.failed, result.arrived == 0))


def test_utilisation_cpu_and_memory(result: SimulationResult) -> None:
    assert result.utilisation.tolist() == pytest.approx([0.5, 1, 1, 1, 25 / 30, 0, 0, 1, 0.5])
    assert result.cpu[:2].tolist() == [60, 100]
    # One of three pods works, two start and idle.
    assert result.cpu[2] == pytest.approx((100 + 2 * 20) / 3)
    assert result.memory[:2].tolist() == [60, 80]
    assert result.memory[2] == pytest.approx((95 + 2 * 40) / 3)
    # Two drain beside one that is idle.
    assert result.memory[6] == 40


def test_percentages_stay_within_the_limits() -> None:
    rng = np.random.default_rng(3)
    wanted = rng.integers(1, 9, 300)
    result = simulate(rng.poisson(60, 300), wanted, PLAIN.replace(q_max=12.7, start_delay=3), rng=rng)
    for values, low in ((result.cpu, 10), (result.memory, 40)):
        assert values.min() >= low
        assert values.max() <= 100


def test_no_grace_means_no_draining() -> None:
    result = simulate([0] * 5, [3, 3, 1, 1, 1], PLAIN.replace(grace=0, start_delay=0), rng=np.random.default_rng(0))
    assert result.draining.tolist() == [0, 0, 0, 0, 0]


def test_nothing_arrived() -> None:
    result = simulate([0] * 5, [1] * 5, PLAIN.replace(start_delay=0, q_max=0.3), rng=np.random.default_rng(0))
    assert np.isnan(result.error_percent)
    assert result.utilisation.tolist() == [0] * 5
    assert result.memory.tolist() == [40] * 5


WANTED = st.lists(st.integers(0, 6), min_size=1, max_size=60).map(lambda pods: np.array(pods, dtype=np.int64))


def starts(delay: float, spread: float = 0.0, dt: float = 1.0) -> ServiceConfig:
    return ServiceConfig(start_delay=delay, start_spread=spread, dt=dt)


@given(WANTED, st.integers(0, 9))
def test_equal_delays_are_a_sliding_minimum(wanted: np.ndarray, delay: int) -> None:
    ready, _ = find_ready_pods(wanted, starts(delay), np.random.default_rng(0))
    expected = minimum_filter1d(wanted, delay + 1, origin=delay // 2, mode="nearest")
    np.testing.assert_array_equal(ready, expected)


def test_the_newest_pods_go_first() -> None:
    wanted = np.array([2, 4, 4, 4, 3, 3, 1])
    ready, gone = find_ready_pods(wanted, starts(2), np.random.default_rng(0))
    assert ready.tolist() == [2, 2, 2, 4, 3, 3, 1]
    assert sorted(gone.tolist()) == [4, 6, 6]


def test_a_pod_removed_while_it_starts_was_never_there() -> None:
    ready, gone = find_ready_pods(np.array([1, 3, 3, 1, 1]), starts(2), np.random.default_rng(0))
    assert ready.tolist() == [1, 1, 1, 1, 1]
    assert gone.tolist() == []


@pytest.mark.parametrize(("delay", "dt", "steps"), [(0.3, 0.1, 3), (1.0, 0.4, 3), (0.0, 1.0, 0)])
def test_delays_are_rounded_up_to_steps(delay: float, dt: float, steps: int) -> None:
    ready, _ = find_ready_pods(np.array([1] + [2] * 9), starts(delay, 0, dt), np.random.default_rng(0))
    assert int(np.argmax(ready == 2)) == 1 + steps


def test_no_random_number_without_spread() -> None:
    rng = np.random.default_rng(0)
    find_ready_pods(np.array([1, 5, 2, 9]), starts(1), rng)
    assert rng.random() == np.random.default_rng(0).random()


def test_more_slots_than_sixteen_bits() -> None:
    wanted = np.array([1, 70_000, 69_000, 70_000, 70_000])
    ready, gone = find_ready_pods(wanted, starts(1), np.random.default_rng(0))
    assert ready.tolist() == [1, 1, 69_000, 69_000, 70_000]
    assert len(gone) == 0


Case = tuple[np.ndarray, np.ndarray, ServiceConfig, int]
STEPS = st.integers(61, 150)  # a tenth of a second each: longer than the 6 s that a pod takes to start at most
FIELDS = ("ready", "waiting", "served", "base", "overload", "drain", "draining")


@st.composite
def services(draw: st.DrawFn, whole: bool = False) -> ServiceConfig:
    delay = draw(st.integers(0, 3))
    return ServiceConfig(
        q_max=draw(st.sampled_from([1.0, 5.0, 20.0] if whole else [0.3, 1.0, 2.5, 7.77, 20.0])),
        start_delay=delay,
        start_spread=0 if whole else draw(st.sampled_from([0.0, 0.5, 1.0])) * delay,
        base_error=draw(st.sampled_from([0.0, 0.03, 0.5, 0.99])),
        timeout=draw(st.sampled_from([0.0, 0.5, 1.0, 4.0])),
        grace=draw(st.sampled_from([0.0, 0.2, 2.0])),
        service_time=draw(st.sampled_from([0.1, 0.6, 3.0])),
        dt=1.0 if whole else draw(st.sampled_from([1.0, 0.5, 0.1])),
    )


@st.composite
def cases(draw: st.DrawFn, whole: bool = False) -> Case:
    service, steps, seed = draw(services(whole)), draw(STEPS), draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    pods = draw(st.integers(1, 8))
    arrivals = rng.poisson(pods * service.q_max * service.dt * draw(st.sampled_from([0.2, 0.7, 1.0, 3.0])), steps)
    wanted = np.repeat(rng.integers(1, pods + 1, steps), draw(st.sampled_from([1, 3, 15])))[:steps]
    return arrivals, wanted, service, seed


def loop_service(arrivals: np.ndarray, wanted: np.ndarray, s: ServiceConfig, seed: int) -> dict[str, list[int]]:
    """Serve step by step, pod by pod."""
    rng = np.random.default_rng(seed)
    stack = [0] * int(wanted[0])
    drains: list[int] = []
    waiting = taken = handled = ready = 0
    lost = 0.0
    rows = []
    quantum = round(s.q_max * s.dt * MILLION)
    for now, (arrived, pods) in enumerate(zip(arrivals.tolist(), wanted.tolist(), strict=True)):
        gone = 0
        while len(stack) > pods:
            if stack.pop() < now:
                gone += 1
                drains.append(now + math.ceil(s.grace / s.dt - 1e-9))
        while len(stack) < pods:
            low, high = s.start_delay - s.start_spread, s.start_delay + s.start_spread
            delay = rng.uniform(low, high) if s.start_spread else s.start_delay
            stack.append(now + math.ceil(delay / s.dt - 1e-9))
        in_flight = gone * handled / ready * (s.service_time / s.dt) if gone else 0.0
        ready = sum(at <= now for at in stack)
        capacity = ready * ((now + 1) * quantum // MILLION - now * quantum // MILLION)
        handled = min(waiting + arrived, capacity)
        left = waiting + arrived - handled
        waiting = min(left, ready * s.queue_limit)
        base = (taken + handled) * round(s.base_error * MILLION) // MILLION - taken * round(
            s.base_error * MILLION
        ) // MILLION
        taken += handled
        before = math.floor(lost)
        lost += in_flight * np.exp(-s.grace / s.service_time)
        drain = min(math.floor(lost) - before, handled - base)
        draining = sum(until > now for until in drains)
        rows.append((ready, waiting, handled - base - drain, base, left - waiting, drain, draining))
    return {name: [row[column] for row in rows] for column, name in enumerate(FIELDS)}


def serve(arrivals: np.ndarray, wanted: np.ndarray, service: ServiceConfig, seed: int = 0) -> SimulationResult:
    return simulate(arrivals, wanted, service, rng=np.random.default_rng(seed))


@hypothesis_settings(max_examples=200, deadline=None)
@given(cases())
def test_the_loop_agrees_exactly(case: Case) -> None:
    result, expected = serve(*case), loop_service(*case)
    for name in FIELDS:
        assert getattr(result, name).tolist() == expected[name], name


@given(cases())
def test_requests_are_conserved(case: Case) -> None:
    result = serve(*case)
    done = np.cumsum(result.served + result.base + result.overload + result.drain)
    np.testing.assert_array_equal(done + result.waiting, np.cumsum(case[0]))
    for name in FIELDS:
        assert getattr(result, name).min() >= 0, name
    assert result.served.dtype == np.int64


@given(cases(whole=True), st.integers(0, 99))
def test_more_pods_never_raise_overload(case: Case, seed: int) -> None:
    arrivals, wanted, service, _ = case
    more = wanted + np.random.default_rng(seed).integers(0, 3, len(wanted))
    few, many = serve(arrivals, wanted, service), serve(arrivals, more, service)
    assert (np.cumsum(many.overload) <= np.cumsum(few.overload)).all()


@given(cases(whole=True), st.integers(1, 9))
def test_faster_pods_never_raise_overload(case: Case, faster: int) -> None:
    arrivals, wanted, service, _ = case
    slow = serve(arrivals, wanted, service)
    fast = serve(arrivals, wanted, service.replace(q_max=service.q_max + faster))
    assert (np.cumsum(fast.overload) <= np.cumsum(slow.overload)).all()


def test_a_removed_pod_loses_what_outlives_its_grace() -> None:
    service = PLAIN.replace(q_max=100, grace=1, service_time=2, base_error=0, start_delay=0)
    wanted = np.array([4] * 10 + [2] * 10)
    result = serve(np.full(20, 120), wanted, service)
    # Two pods of 30 requests per second, 2 s each, of which exp(-1/2) are not done after 1 s.
    assert result.drain.tolist() == [0] * 10 + [int(2 * 30 * 2 * np.exp(-0.5))] + [0] * 9
    assert serve(np.full(20, 120), wanted, service.replace(grace=30, service_time=0.03)).drain.sum() == 0


def test_queue_and_timeout() -> None:
    service = PLAIN.replace(q_max=10, timeout=2, base_error=0, start_delay=0)
    result = serve(np.array([50, 0, 0, 0]), np.ones(4, dtype=int), service)
    assert result.overload.tolist() == [20, 0, 0, 0]
    assert result.served.tolist() == [10, 10, 10, 0]
    impatient = serve(np.array([50, 0, 0, 0]), np.ones(4, dtype=int), service.replace(timeout=0))
    assert impatient.overload.tolist() == [40, 0, 0, 0]


def test_arguments_stay_as_they_are() -> None:
    arrivals, wanted = np.array([5, 90, 3]), np.array([1, 2, 1])
    result = serve(arrivals, wanted, PLAIN.replace(start_delay=1))
    assert arrivals.tolist() == [5, 90, 3]
    assert wanted.tolist() == [1, 2, 1]
    assert result.arrived.tolist() == [5, 90, 3]


@pytest.mark.parametrize(
    ("arrivals", "wanted", "message"),
    [
        ([1, -1], [1, 1], "arrivals: -1 at step 1 is no whole number of at least 0"),
        ([1, 1], [1, 0], "wanted pods: 0 at step 1 is no whole number of at least 1"),
        ([1, 1], [1, 1, 1], "2 steps of arrivals, but 3 of wanted pods"),
        ([1, 1], [1, 1], "a pod takes up to 30 s to start, the trace lasts 2 s"),
        ([2**61] * 40, [1] * 40, r"9\.22e\+19 requests, and room for \d+, are more than can be counted"),
        ([1] * 40, [2**60] * 40, "are more than can be counted; check the unit and `q_max`"),
    ],
)
def test_bad_input_is_told_in_one_line(arrivals: list[float], wanted: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        serve(arrivals, wanted, PLAIN)
    assert "\n" not in str(caught.value)


def loop_waiting(net: Ints, room: Ints) -> list[int]:
    waiting, result = 0, []
    for change, bound in zip(net.tolist(), room.tolist(), strict=True):
        waiting = min(max(waiting + change, 0), bound)
        result.append(waiting)
    return result


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 12)), min_size=1, max_size=200))
@example([(5, 0)])
@example([(5, 3), (-1, 3), (9, 12), (-3, 1)])
def test_any_queue_equals_the_loop(steps: list[tuple[int, int]]) -> None:
    net, room = np.array(steps, dtype=np.int64).T
    assert bounded_queue(net, room).tolist() == loop_waiting(net, room)


@pytest.mark.parametrize("drift", [-20, -3, -1, 0, 1, 3, 20])
@pytest.mark.parametrize("room", [0, 5, 40, 10_000])
def test_from_idle_to_heavy_overload(drift: int, room: int) -> None:
    rng = np.random.default_rng(drift + 100)
    net = rng.integers(-15, 16, 5000) + drift
    rooms = np.maximum(room + rng.integers(-3, 4, 5000), 0)
    assert bounded_queue(net, rooms).tolist() == loop_waiting(net, rooms)


def test_large_numbers_do_not_overflow() -> None:
    net = np.array([10**15, -(10**15), 10**15] * 50)
    room = np.full(150, 10**12)
    assert bounded_queue(net, room).tolist() == loop_waiting(net, room)


@pytest.mark.parametrize(
    ("changes", "bound", "q_max"), [({}, 0.05, 20), ({"dt": 0.25}, 0.05, 20), ({"base_error": 0}, 0.5, 40)]
)
def test_a_pressure_test_finds_what_a_pod_can_do(changes: dict[str, float], bound: float, q_max: float) -> None:
    first, again = (
        run_pressure_test(PLAIN.replace(**changes), rng=np.random.default_rng(0), bound=bound) for _ in "ab"
    )
    assert first == again == pytest.approx(q_max, rel=0.06)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bound": 0.03}, "bound is 0.03; give a number above 0.03"),
        ({"bound": 1}, "bound is 1; give a share above the base error, 0.03, and below 1"),
        ({"bound": 1.2}, "bound is 1.2; give a share above the base error, 0.03, and below 1"),
        ({"step": 0}, "step is 0"),
        ({"hold": 0.1}, "arrivals: expected one number per step"),
        ({"step": 100}, "at 100 requests per second already; use a smaller step"),
    ],
)
def test_pressure_test_refuses_in_one_line(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_pressure_test(PLAIN.replace(q_max=20), rng=np.random.default_rng(0), **{"hold": 60, **options})  # type: ignore[arg-type]
