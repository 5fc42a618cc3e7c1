"""What is measured: a strategy through the simulated service, beside Paper A's capacity rule alone; and its memory."""

import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.ndimage import minimum_filter1d

from bench.timing import Row, in_turn
from edgeresearch.autoscaling.api import OWN_TRACE
from edgeresearch.autoscaling.policies import POLICIES, measure_load
from edgeresearch.autoscaling.replay import simulate_policy, spread
from edgeresearch.autoscaling.simulator import Floats, Ints, SimulationResult
from edgeresearch.data import synthetic
from edgeresearch.data.trace import make_targets

CONFIG = OWN_TRACE
Q_ACT = CONFIG.q_act
DELAY = round(CONFIG.start_delay / CONFIG.dt)
BOUND = 5.0
LINEAR = 1.1
"""Bytes per step at the larger size over those at the smaller: 1 is linear, 10 would be quadratic."""


def filtered(load: Floats) -> Floats:
    """Return the ready pods of Paper A's rule without bounds: P_t = ⌈Q_t / Q_act⌉, least over the start delay."""
    pods = np.ceil(load / Q_ACT)
    return minimum_filter1d(pods, DELAY + 1, origin=DELAY // 2, mode="nearest")


def doubled(load: Floats) -> Floats:
    """Return the same in numpy alone: minima over 2, 4, 8 … steps, the fastest way that is known here."""
    pods = np.ceil(load / Q_ACT)
    pods = np.concatenate([np.full(DELAY, pods[0]), pods])
    width = 1
    while 2 * width <= DELAY + 1:
        pods = np.minimum(pods[width:], pods[:-width])
        width *= 2
    rest = DELAY + 1 - width
    return np.minimum(pods[rest:], pods[: len(pods) - rest])


PEERS: Mapping[str, Callable[[Floats], Floats]] = {
    "ceil(load / Q_act), scipy's sliding minimum": filtered,
    "ceil(load / Q_act), sliding minimum by doubling": doubled,
}


@dataclass(frozen=True)
class Size:
    """How much is measured: `few` are the steps that memory per step is compared with."""

    steps: int = 1_000_000
    few: int = 100_000
    repeats: int = 7
    calls: int = 5


QUICK = Size(steps=50_000, few=5_000, repeats=3, calls=1)


def rows(size: Size) -> Iterator[Row]:
    """Measure one strategy after another, on one thread."""
    arrivals, forecast = world(size.steps)
    load = arrivals.astype(np.float64)
    often = {"repeats": size.repeats, "number": size.calls}
    for peer, alone in PEERS.items():
        for name in POLICIES:
            ours, theirs = in_turn(partial(_replay, name, arrivals, forecast), partial(alone, load), **often)
            yield Row(f"service under {name}", f"{size.steps} steps", peer, ours, theirs, BOUND)
    for name in POLICIES:
        peaks = [peak_per_step(name, steps) for steps in (size.steps, size.few)]
        peer = f"itself, {size.few} steps"
        yield Row(f"peak memory per step, {name}", f"{size.steps} steps", peer, peaks[:1], peaks[1:], LINEAR, "bytes")


def world(steps: int) -> tuple[Ints, Floats]:
    """Draw the stand-in for Paper A's trace, a request count per second, and a forecast at each decision."""
    rng = np.random.default_rng(0)
    arrivals = spread(synthetic.draw_qps(rng, steps=-(-steps // 60)), rng)[:steps]
    load = measure_load(arrivals, CONFIG)
    made = make_targets(load, [CONFIG.horizon])[:, 0] + 0.1 * load.mean() * rng.standard_normal(len(load))
    return arrivals, made


def peak_per_step(name: str, steps: int) -> float:
    """Return the most bytes that a replay held at once beyond its input, per step."""
    arrivals, forecast = world(steps)
    return _peak(partial(_replay, name, arrivals, forecast)) / steps


def _peak(call: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _replay(name: str, arrivals: Ints, forecast: Floats) -> SimulationResult:
    return simulate_policy(name, arrivals, forecast, config=CONFIG, rng=np.random.default_rng(0))
