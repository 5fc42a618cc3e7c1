"""The service against its plain-loop twin, and the laws that it keeps."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from edgeresearch.elastic.outcome import Outcome
from edgeresearch.elastic.service import run
from edgeresearch.elastic.settings import MILLION, Settings
from edgeresearch.errors import InputError

STEPS = st.integers(60, 150)
FIELDS = ("ready", "waiting", "served", "base", "overload", "drain", "draining", "starting")


@st.composite
def services(draw: st.DrawFn, whole: bool = False) -> Settings:
    delay = draw(st.integers(0, 3))
    return Settings(
        q_max=draw(st.sampled_from([1.0, 5.0, 20.0] if whole else [0.3, 1.0, 2.5, 7.77, 20.0])),
        start_delay=delay,
        start_spread=0 if whole else draw(st.sampled_from([0.0, 0.5, 1.0])) * delay,
        base_error=draw(st.sampled_from([0.0, 0.03, 0.5, 1.0])),
        timeout=draw(st.sampled_from([0.0, 0.5, 1.0, 4.0])),
        grace=draw(st.sampled_from([0.0, 0.2, 2.0])),
        service_time=draw(st.sampled_from([0.1, 0.6, 3.0])),
        dt=1.0 if whole else draw(st.sampled_from([1.0, 0.5, 0.1])),
    )


@st.composite
def cases(draw: st.DrawFn, whole: bool = False) -> tuple[np.ndarray, np.ndarray, Settings, int]:
    service, steps, seed = draw(services(whole)), draw(STEPS), draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    pods = draw(st.integers(1, 8))
    arrivals = rng.poisson(pods * service.q_max * service.dt * draw(st.sampled_from([0.2, 0.7, 1.0, 3.0])), steps)
    wanted = np.repeat(rng.integers(1, pods + 1, steps), draw(st.sampled_from([1, 3, 15])))[:steps]
    return arrivals, wanted, service, seed


def loop(arrivals: np.ndarray, wanted: np.ndarray, s: Settings, seed: int) -> dict[str, list[int]]:
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
        waiting = min(left, ready * s.room)
        base = (taken + handled) * round(s.base_error * MILLION) // MILLION - taken * round(
            s.base_error * MILLION
        ) // MILLION
        taken += handled
        before = math.floor(lost)
        lost += in_flight * s.drain_loss
        drain = min(math.floor(lost) - before, handled - base)
        draining = sum(until > now for until in drains)
        rows.append((ready, waiting, handled - base - drain, base, left - waiting, drain, draining, pods - ready))
    return {name: [row[column] for row in rows] for column, name in enumerate(FIELDS)}


def serve(arrivals: np.ndarray, wanted: np.ndarray, service: Settings, seed: int = 0) -> Outcome:
    return run(arrivals, wanted, settings=service, rng=np.random.default_rng(seed))


@hypothesis_settings(max_examples=200, deadline=None)
@given(cases())
def test_the_loop_agrees_exactly(case: tuple[np.ndarray, np.ndarray, Settings, int]) -> None:
    outcome, expected = serve(*case), loop(*case)
    for name in FIELDS:
        assert getattr(outcome, name).tolist() == expected[name], name


@given(cases())
def test_requests_are_conserved(case: tuple[np.ndarray, np.ndarray, Settings, int]) -> None:
    outcome = serve(*case)
    done = np.cumsum(outcome.served + outcome.base + outcome.overload + outcome.drain)
    np.testing.assert_array_equal(done + outcome.waiting, np.cumsum(case[0]))
    for name in FIELDS:
        assert getattr(outcome, name).min() >= 0, name
    assert outcome.served.dtype == np.int64


@given(cases(whole=True), st.integers(0, 99))
def test_more_pods_never_raise_overload(case: tuple[np.ndarray, np.ndarray, Settings, int], seed: int) -> None:
    arrivals, wanted, service, _ = case
    more = wanted + np.random.default_rng(seed).integers(0, 3, len(wanted))
    few, many = serve(arrivals, wanted, service), serve(arrivals, more, service)
    assert (np.cumsum(many.overload) <= np.cumsum(few.overload)).all()


@given(cases(whole=True), st.integers(1, 9))
def test_faster_pods_never_raise_overload(case: tuple[np.ndarray, np.ndarray, Settings, int], faster: int) -> None:
    arrivals, wanted, service, _ = case
    slow = serve(arrivals, wanted, service)
    fast = serve(arrivals, wanted, replace(service, q_max=service.q_max + faster))
    assert (np.cumsum(fast.overload) <= np.cumsum(slow.overload)).all()


@given(cases(whole=True), st.integers(1, 40))
def test_shifting_time_shifts_the_result(case: tuple[np.ndarray, np.ndarray, Settings, int], shift: int) -> None:
    arrivals, wanted, service, seed = case
    later = np.concatenate([np.zeros(shift, dtype=np.int64), arrivals])
    plain = serve(arrivals, wanted, service, seed)
    shifted = serve(later, np.concatenate([np.full(shift, wanted[0]), wanted]), service, seed)
    for name in (*FIELDS, "cpu", "memory"):
        np.testing.assert_array_equal(getattr(shifted, name)[shift:], getattr(plain, name), err_msg=name)


@given(cases(), st.integers(20, 59))
def test_the_past_does_not_depend_on_the_future(case: tuple[np.ndarray, np.ndarray, Settings, int], cut: int) -> None:
    arrivals, wanted, service, seed = case
    service = replace(service, start_delay=0.5, start_spread=0.2)
    whole, part = serve(arrivals, wanted, service, seed), serve(arrivals[:cut], wanted[:cut], service, seed)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(whole, name)[:cut], getattr(part, name), err_msg=name)


def test_base_errors_are_their_share() -> None:
    outcome = serve(np.full(1000, 10), np.ones(1000, dtype=int), Settings(base_error=0.03))
    assert outcome.base.sum() == 300
    assert outcome.base.max() <= 1
    assert outcome.error_percent == 3


def test_a_removed_pod_loses_what_outlives_its_grace() -> None:
    service = Settings(q_max=100, grace=1, service_time=2, base_error=0, start_delay=0)
    wanted = np.array([4] * 10 + [2] * 10)
    outcome = serve(np.full(20, 120), wanted, service)
    # Two pods of 30 requests per second, 2 s each, of which exp(-1/2) are not done after 1 s.
    assert outcome.drain.tolist() == [0] * 10 + [int(2 * 30 * 2 * np.exp(-0.5))] + [0] * 9
    assert serve(np.full(20, 120), wanted, replace(service, grace=30, service_time=0.03)).drain.sum() == 0


def test_queue_and_timeout() -> None:
    service = Settings(q_max=10, timeout=2, base_error=0, start_delay=0)
    outcome = serve(np.array([50, 0, 0, 0]), np.ones(4, dtype=int), service)
    assert outcome.overload.tolist() == [20, 0, 0, 0]
    assert outcome.served.tolist() == [10, 10, 10, 0]
    impatient = serve(np.array([50, 0, 0, 0]), np.ones(4, dtype=int), replace(service, timeout=0))
    assert impatient.overload.tolist() == [40, 0, 0, 0]


def test_arguments_stay_as_they_are() -> None:
    arrivals, wanted = np.array([5, 90, 3]), np.array([1, 2, 1])
    outcome = serve(arrivals, wanted, Settings(start_delay=1))
    assert arrivals.tolist() == [5, 90, 3]
    assert wanted.tolist() == [1, 2, 1]
    assert outcome.arrived.tolist() == [5, 90, 3]


@pytest.mark.parametrize(
    ("arrivals", "wanted", "message"),
    [
        ([1, -1], [1, 1], "arrivals: -1 at step 1 is below 0"),
        ([1, np.nan], [1, 1], "arrivals: nan at step 1 is not a finite number"),
        ([1, 1], [1, 0], "wanted pods: 0 at step 1 is below 1"),
        ([1, 1], [1, 1, 1], "2 steps of arrivals, but 3 of wanted pods"),
        ([1, 1], [1, 1], "a pod takes up to 30 s to start, the trace lasts 2 s"),
    ],
)
def test_bad_input_is_told_in_one_line(arrivals: list[float], wanted: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        run(arrivals, wanted, settings=Settings(), rng=np.random.default_rng(0))
    assert "\n" not in str(caught.value)
