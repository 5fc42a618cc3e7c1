"""Replays of loads and at intervals that no one thought of: sound numbers, or one line that says why not."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.autoscaling.api import replay
from edgeresearch.autoscaling.policies import measure_load
from edgeresearch.autoscaling.replay import mark_load_phases
from edgeresearch.autoscaling.settings import ReplayConfig
from edgeresearch.autoscaling.simulator import Floats, _take_share
from edgeresearch.errors import InputError

ROWS = 450
LOADS: dict[str, Callable[[np.random.Generator, Floats], Floats]] = {
    "steady": lambda rng, wave: rng.poisson(50 * wave),
    "tiny": lambda rng, wave: 1e-9 * wave * rng.random(ROWS),
    "fractions": lambda rng, wave: rng.random(ROWS),
    "huge": lambda rng, wave: 1e9 * wave * rng.random(ROWS),
    "uncountable": lambda rng, wave: 1e15 * wave * rng.random(ROWS),
    "bursts": lambda rng, wave: rng.poisson(3, ROWS) * np.where(rng.random(ROWS) < 0.05, 1e4, 1),
    "one burst": lambda rng, wave: np.where(np.arange(ROWS) == ROWS // 3, 1e7, wave),
    "a burst at the end": lambda rng, wave: np.where(np.arange(ROWS) == ROWS - 2, 1e7, wave),
    "first nothing": lambda rng, wave: np.where(np.arange(ROWS) < 0.8 * ROWS, 0, rng.poisson(30, ROWS)),
    "then nothing": lambda rng, wave: np.where(np.arange(ROWS) > 0.5 * ROWS, 0, rng.poisson(30, ROWS)),
    "seldom": lambda rng, wave: (rng.random(ROWS) < 0.02) * 1.0,
}
RATES = ["error_percent", "overload_percent", "base_percent", "drain_percent"]


@settings(max_examples=40)
@given(
    kind=st.sampled_from(list(LOADS)),
    step=st.sampled_from([0.25, 1, 2.5, 7, 15, 60, 90, 300, 3600]),
    unit=st.sampled_from(["per-second", "per-hour", "per-step"]),
    syncs=st.sampled_from([1, 1, 1, 2]),
    q_max=st.sampled_from([1e-3, 20, 20, 1e9]),
    delay=st.sampled_from([0, 0.5, 1, 3]),
    pods=st.sampled_from([(1, 1000), (3, 5), (1, 20_000)]),
    seed=st.integers(0, 9),
)
def test_any_replay_gives_sound_numbers_or_says_why_not(
    kind: str, step: float, unit: str, syncs: int, q_max: float, delay: float, pods: tuple[int, int], seed: int
) -> None:
    values = LOADS[kind](np.random.default_rng(seed), 1 + np.sin(np.arange(ROWS) / 40)) * 1.0
    series = pd.Series(values, pd.date_range("2024-03-01", periods=ROWS, freq=pd.Timedelta(seconds=step)), name="hits")
    rules = {"sync_period": syncs * step, "start_delay": delay * step, "start_spread": delay * step / 2}
    bounds = {"min_pods": pods[0], "max_pods": pods[1]}
    try:
        result = replay(series, unit=unit, q_max=q_max, **bounds, **rules, forecaster="ridge", repeats=2, seed=seed)  # type: ignore[arg-type]
    except InputError as error:
        assert "\n" not in str(error)
        assert any(line in str(error) for line in ("more than can be counted", "request"))
        return
    rates = result.table[RATES]
    assert (rates >= 0).all(axis=None) and (rates <= 100).all(axis=None)
    np.testing.assert_allclose(rates["error_percent"], rates[RATES[1:]].sum(axis=1), atol=1e-9)
    hours = ROWS * (1 - result.config.learn) * step / 3600
    assert (result.table["pod_hours"] > 0.99 * pods[0] * hours).all() and np.isfinite(result.table["pod_hours"]).all()
    course = result.course
    assert course["wanted"].between(*pods).all() and (course["ready"] >= 0).all()
    assert course[["cpu", "memory"]].stack().between(0, 100 + 1e-9).all()
    assert (course["failed"] <= course["load"] + 1e-9 * course["load"].max() + 2 / step * q_max * pods[1]).all()
    assert "nan" not in result.advice.split() and "inf" not in result.advice.split()


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=50), st.floats(0, 0.999))
def test_a_share_of_any_number_is_exact(amounts: list[int], share: float) -> None:
    """A total of 1e13 times a share in millionths is beyond 64 bits."""
    sums = np.cumsum(np.array(amounts, dtype=object))
    expected = [total * round(share * 10**6) // 10**6 for total in sums]
    assert np.cumsum(_take_share(np.array(amounts), share)).tolist() == expected


@pytest.mark.parametrize("load", [1e12, 1e30, 1e300])
def test_a_load_beyond_all_bounds_asks_for_the_most_pods(load: float) -> None:
    config = ReplayConfig(q_max=1e-3, max_pods=50)
    assert config.bound(config.pods_for([load, 1e-3])).tolist() == [50, 2]
    assert config.bound(config.pods_for(load)) == 50


def test_a_window_longer_than_the_trace_sees_all_of_it() -> None:
    arrivals = np.repeat([10, 200], 40)
    far, near = (ReplayConfig(phase_window=window, smooth=1.0) for window in (1e7, 2.0))
    assert mark_load_phases(arrivals, far).tolist() == mark_load_phases(arrivals, near).tolist() == [1] * 80
    assert measure_load(arrivals, far).tolist() == [10, 10, (10 * 10 + 200 * 20) / 30]
