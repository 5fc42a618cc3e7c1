import heapq
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.emulator.engine import blocks

Event = tuple[float, int, int]


def heap(first: list[float], every: list[float], until: float) -> list[Event]:
    found, waiting = [], [(time, number, 0) for number, time in enumerate(first)]
    heapq.heapify(waiting)
    while waiting:
        time, number, count = heapq.heappop(waiting)
        if time >= until:
            break
        found.append((time, number, count))
        if math.isfinite(every[number]):
            heapq.heappush(waiting, (first[number] + (count + 1) * every[number], number, count + 1))
    return found


def flat(first: list[float], every: list[float], until: float, size: int = 8192) -> list[Event]:
    return [
        event
        for block in blocks(first, every, until, size=size)
        for event in zip(*(each.tolist() for each in block), strict=True)
    ]


TIMES = st.one_of(st.integers(0, 60).map(float), st.floats(0, 60))
STEPS = st.one_of(st.integers(1, 30).map(float), st.floats(0.5, 30), st.just(math.inf), st.just(0.1))


@given(
    events=st.lists(st.tuples(TIMES, STEPS), max_size=8),
    until=st.one_of(st.integers(0, 50).map(float), st.floats(0, 50)),
    size=st.sampled_from([1, 7, 100, 8192]),
)
@settings(max_examples=200)
def test_blocks_are_what_a_heap_gives(events: list[tuple[float, float]], until: float, size: int) -> None:
    first, every = [time for time, _ in events], [step for _, step in events]
    assert flat(first, every, until, size) == heap(first, every, until)


def test_times_do_not_drift() -> None:
    times = [time for time, _, _ in flat([0.0], [0.1], 1000.0)]
    assert len(times) == 10_000
    assert times[-1] == 9999 * 0.1
    added = 0.0
    for _ in range(9999):
        added += 0.1
    assert times[-1] != added


def test_of_one_moment_the_smaller_number_comes_first() -> None:
    assert [number for _, number, _ in flat([5.0, 0.0, 5.0], [math.inf, 5.0, math.inf], 6.0)] == [1, 0, 1, 2]


def test_blocks_have_about_the_size_asked_for() -> None:
    rng = np.random.default_rng(0)
    sizes = [len(block.times) for block in blocks(rng.uniform(0, 240, 500).tolist(), [240.0] * 500, 14_400.0, size=300)]
    assert sum(sizes) == 500 * 60
    assert max(sizes) < 500


@pytest.mark.parametrize("until", [0.0, 3.0])
def test_nothing_before_its_time(until: float) -> None:
    assert flat([3.0, 4.0], [1.0, math.inf], until) == []
    assert flat([], [], until) == []


def test_many_numbers_share_blocks() -> None:
    rng = np.random.default_rng(1)
    first = rng.uniform(0, 240, 4000).tolist()
    sizes = [len(block.times) for block in blocks(first, [240.0] * 4000, 2400.0, size=10)]
    assert sum(sizes) == 40_000
    assert min(sizes) > 700


@pytest.mark.parametrize("until", [7.7, math.nextafter(7.7, 8), math.nextafter(7.7, 7)])
def test_rounding_makes_no_event_and_loses_none(until: float) -> None:
    assert flat([5.3], [0.1], until) == heap([5.3], [0.1], until)
