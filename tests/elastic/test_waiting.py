"""The bounded queue against a plain loop."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgeresearch.elastic.checks import Ints
from edgeresearch.elastic.waiting import queue


def loop(net: Ints, room: Ints) -> list[int]:
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
    assert queue(net, room).tolist() == loop(net, room)


@pytest.mark.parametrize("drift", [-20, -3, -1, 0, 1, 3, 20])
@pytest.mark.parametrize("room", [0, 5, 40, 10_000])
def test_from_idle_to_heavy_overload(drift: int, room: int) -> None:
    rng = np.random.default_rng(drift + 100)
    net = rng.integers(-15, 16, 5000) + drift
    rooms = np.maximum(room + rng.integers(-3, 4, 5000), 0)
    assert queue(net, rooms).tolist() == loop(net, rooms)


def test_bursts_far_apart() -> None:
    net = np.full(10_000, -10, dtype=np.int64)
    net[::997] = 200
    room = np.full(10_000, 150, dtype=np.int64)
    assert queue(net, room).tolist() == loop(net, room)


def test_arguments_stay_as_they_are() -> None:
    net, room = np.array([5, 9, -3, 8]), np.array([4, 4, 4, 1])
    copies = net.copy(), room.copy()
    assert queue(net, room).tolist() == [4, 4, 1, 1]
    np.testing.assert_array_equal((net, room), copies)


def test_large_numbers_do_not_overflow() -> None:
    net = np.array([10**15, -(10**15), 10**15] * 50)
    room = np.full(150, 10**12)
    assert queue(net, room).tolist() == loop(net, room)
