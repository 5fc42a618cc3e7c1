"""Ready pods against a plain loop, and against the sliding minimum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import minimum_filter1d

from edgeresearch.elastic.pods import schedule

WANTED = st.lists(st.integers(0, 6), min_size=1, max_size=60).map(lambda pods: np.array(pods, dtype=np.int64))


def loop(wanted: np.ndarray, delay: float, spread: float, dt: float, seed: int) -> tuple[list[int], list[int]]:
    """Keep a stack of pods, each with the step from which it is ready."""
    rng = np.random.default_rng(seed)
    stack = [0] * int(wanted[0])
    ready, gone = [], []
    for now, pods in enumerate(wanted.tolist()):
        while len(stack) > pods:
            if stack.pop() < now:
                gone.append(now)
        while len(stack) < pods:
            seconds = rng.uniform(delay - spread, delay + spread) if spread else delay
            stack.append(now + int(np.ceil(seconds / dt - 1e-9)))
        ready.append(sum(at <= now for at in stack))
    return ready, gone


@given(WANTED, st.integers(0, 8), st.floats(0, 1), st.sampled_from([1.0, 0.5, 0.3]), st.integers(0, 99))
def test_any_schedule_equals_the_loop(wanted: np.ndarray, delay: int, part: float, dt: float, seed: int) -> None:
    spread = delay * part
    ready, gone = schedule(wanted, delay, spread, dt, np.random.default_rng(seed))
    expected, removed = loop(wanted, delay, spread, dt, seed)
    assert ready.tolist() == expected
    assert sorted(gone.tolist()) == removed


@given(WANTED, st.integers(0, 9))
def test_equal_delays_are_a_sliding_minimum(wanted: np.ndarray, delay: int) -> None:
    ready, _ = schedule(wanted, delay, 0, 1, np.random.default_rng(0))
    expected = minimum_filter1d(wanted, delay + 1, origin=delay // 2, mode="nearest")
    np.testing.assert_array_equal(ready, expected)


@given(WANTED, st.integers(0, 9), st.integers(0, 99))
def test_ready_pods_are_wanted_pods(wanted: np.ndarray, delay: int, seed: int) -> None:
    ready, gone = schedule(wanted, delay, delay / 2, 1, np.random.default_rng(seed))
    assert (ready >= 0).all()
    assert (ready <= wanted).all()
    assert len(gone) <= np.maximum(-np.diff(wanted), 0).sum()


def test_the_newest_pods_go_first() -> None:
    wanted = np.array([2, 4, 4, 4, 3, 3, 1])
    ready, gone = schedule(wanted, 2, 0, 1, np.random.default_rng(0))
    assert ready.tolist() == [2, 2, 2, 4, 3, 3, 1]
    assert sorted(gone.tolist()) == [4, 6, 6]


def test_a_pod_removed_while_it_starts_was_never_there() -> None:
    ready, gone = schedule(np.array([1, 3, 3, 1, 1]), 2, 0, 1, np.random.default_rng(0))
    assert ready.tolist() == [1, 1, 1, 1, 1]
    assert gone.tolist() == []


@pytest.mark.parametrize(("delay", "dt", "steps"), [(0.3, 0.1, 3), (1.0, 0.4, 3), (0.0, 1.0, 0)])
def test_delays_are_rounded_up_to_steps(delay: float, dt: float, steps: int) -> None:
    ready, _ = schedule(np.array([1] + [2] * 9), delay, 0, dt, np.random.default_rng(0))
    assert int(np.argmax(ready == 2)) == 1 + steps


def test_no_random_number_without_spread() -> None:
    rng = np.random.default_rng(0)
    schedule(np.array([1, 5, 2, 9]), 1, 0, 1, rng)
    assert rng.random() == np.random.default_rng(0).random()


def test_more_slots_than_sixteen_bits() -> None:
    wanted = np.array([1, 70_000, 69_000, 70_000, 70_000])
    ready, gone = schedule(wanted, 1, 0, 1, np.random.default_rng(0))
    assert ready.tolist() == [1, 1, 69_000, 69_000, 70_000]
    assert len(gone) == 0
