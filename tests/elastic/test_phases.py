"""Stable, expansion and shrinkage, by the trace and by the actions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.elastic.capacity import Capacity
from edgeresearch.elastic.phases import PHASES, errors_by_phase, from_actions, from_trace
from edgeresearch.elastic.service import run
from edgeresearch.elastic.settings import Settings
from edgeresearch.errors import InputError

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
