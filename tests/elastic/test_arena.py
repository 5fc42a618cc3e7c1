"""Arrivals and forecasts of the repeats."""

from typing import Any

import numpy as np
import pytest

from edgeresearch.elastic import arena
from edgeresearch.elastic.setup import setup
from edgeresearch.errors import InputError
from edgeresearch.params import Params
from edgeresearch.series import synthetic
from edgeresearch.series.trace import Trace

SMALL: dict[str, Any] = {
    **Params().elastic.model_dump(),
    "seconds": 14400,
    "window": 10,
    "forecasters": ("ridge", "published"),
}
LSTM = {"hidden": 4, "epochs": 1, "members": 1}


@pytest.fixture(scope="module")
def stand_in() -> Trace:
    return synthetic.qps(np.random.default_rng(1), steps=300)


def test_a_real_trace_is_cut_to_its_newest_seconds_and_spread_anew(stand_in: Trace) -> None:
    values = stand_in.frame.copy()
    values.iloc[50] = np.nan
    trace = Trace("elb", values, stand_in.step, stand_in.unit, stand_in.origin)
    world = setup(SMALL)
    assert len(arena.newest(trace, 7200).frame) == 120
    draw = arena.source(trace, world, 7200)
    one, two = (draw(np.random.default_rng(seed)) for seed in (0, 1))
    assert len(one) == 7200
    assert one.mean() == pytest.approx(SMALL["mean_qps"], rel=1e-3)
    assert not np.array_equal(one, two)
    assert np.array_equal(one.reshape(-1, 60).sum(axis=1), two.reshape(-1, 60).sum(axis=1))


def test_forecasts_know_nothing_later_but_the_published_one(stand_in: Trace) -> None:
    world = setup(SMALL)
    ring = arena.prepare(stand_in, SMALL, world, (1.0,), lstm=LSTM, seed=[1])
    arrivals = ring.draw(np.random.default_rng(0))
    changed = arrivals.copy()
    changed[-1800:] = 0
    names = ("ridge", "published")
    made, other = (arena.forecasts(ring, each, world, names, np.random.default_rng(5)) for each in (arrivals, changed))
    known = (7200 - 1800) // 30
    assert np.array_equal(made["ridge"][world.horizon][:known], other["ridge"][world.horizon][:known])
    assert not np.array_equal(
        made["published"][world.horizon][:known], other["published"][world.horizon][:known], equal_nan=True
    )
    quality = arena.quality(ring, arrivals, made, world)
    assert quality["published"] == pytest.approx(SMALL["accuracy"], abs=0.03)


def test_a_short_trace_is_one_line(stand_in: Trace) -> None:
    with pytest.raises(
        InputError, match=r"paper_a: 10 decision intervals to learn from; window 10 .* use more seconds"
    ):
        arena.prepare(stand_in, {**SMALL, "seconds": 600}, setup(SMALL), (1.0, 2.0), lstm=LSTM, seed=[0])
