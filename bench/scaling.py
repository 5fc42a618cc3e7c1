"""What is measured: how cost per step, per trigger grows with the length of a trace and the number of streams.

Each size is compared with the smallest, in turn with all others; 1 is linear. Nodes are `bench.emulator`'s matter, in
rows of the same kind: `itself` is the peer. Streams are those of Paper B's testbed, two on each edge node (section
VI.C); more than it has room for share what prediction jobs take of a node, 940 millicores and 200 MB.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from bench import elastic
from bench.forecast import HIDDEN, ONE, WINDOW
from bench.timing import Row, seconds
from edgeresearch.autoscaling.replay import simulate_policy
from edgeresearch.autoscaling.simulator import Floats, Ints
from edgeresearch.data import synthetic
from edgeresearch.data.trace import make_targets
from edgeresearch.emulator.api import Scenario, simulate
from edgeresearch.emulator.testbed import paper_b
from edgeresearch.forecasting.lstm import ResidualLSTM

STRATEGIES = ("combined", "hpa")


@dataclass(frozen=True)
class Size:
    """How much is measured: the smallest of each first; at least so many triggers, run after run, are timed at once."""

    steps: tuple[int, ...] = (10_000, 100_000, 1_000_000, 10_000_000)
    fits: tuple[int, ...] = (1_000, 3_000, 10_000, 30_000, 100_000)
    epochs: int = 10
    streams: tuple[int, ...] = (2, 4, 6, 8, 10, 20, 50, 100)
    hours: float = 24.0
    triggers: int = 5_000
    repeats: int = 3


QUICK = Size(
    steps=(1_000, 10_000), fits=(500, 1_000), epochs=1, streams=(2, 10, 20), hours=2.0, triggers=500, repeats=2
)


def rows(size: Size) -> Iterator[Row]:
    """Measure one curve after another, on one thread."""
    torch.set_num_threads(1)
    worlds = {steps: elastic.world(steps) for steps in size.steps}
    for name in STRATEGIES:
        costs = {steps: partial(_service, name, *worlds[steps]) for steps in size.steps}
        yield from _curve(f"per step, service under {name}", "steps", costs, size.repeats)
    fits = {steps: _fit(steps, size.epochs) for steps in size.fits}
    yield from _curve(f"per step, fit of the project's LSTM, {size.epochs} epochs", "steps", fits, size.repeats)
    costs = {streams: partial(_emulation, streams, size.hours, size.triggers) for streams in size.streams}
    yield from _curve(f"per trigger, LOS, {size.hours:g} h of paper B's testbed", "streams", costs, size.repeats)


def _curve(what: str, unit: str, costs: Mapping[int, Callable[[], float]], repeats: int) -> Iterator[Row]:
    next(iter(costs.values()))()  # a warm-up
    taken = [{size: cost() for size, cost in costs.items()} for _ in range(repeats)]
    smallest, *others = costs
    base = [each[smallest] for each in taken]
    for size in others:
        yield Row(what, f"{size} {unit}", f"itself, {smallest} {unit}", [each[size] for each in taken], base)


def _service(name: str, arrivals: Ints, forecast: Floats) -> float:
    """Seconds per step."""
    call = partial(simulate_policy, name, arrivals, forecast, config=elastic.CONFIG, rng=np.random.default_rng(0))
    return seconds(call, min(max(1_000_000 // len(arrivals), 1), 50)) / len(arrivals)


def _fit(steps: int, epochs: int) -> Callable[[], float]:
    values = synthetic.draw_request_rate(np.random.default_rng(0), like="wiki_de", steps=steps).values.to_numpy()
    wanted = make_targets(values, [1])[:, 0]

    def cost() -> float:
        model = ResidualLSTM(
            WINDOW, HIDDEN, epochs, members=1, bases=ONE, patience=epochs, random_state=0, accelerator="cpu"
        )
        return seconds(lambda: model.fit(values[:, None], wanted)) / steps

    return cost


def scenario(streams: int) -> Scenario:
    """Return Paper B's experiment with room for so many streams."""
    testbed = paper_b()
    rule = testbed.stream_rule
    assert rule is not None
    sources = sum(len(layer.members) for layer in testbed.layers if layer.name == rule.layer)
    each = -(-streams // sources)
    if each > rule.per_node:
        share = rule.per_node / each
        testbed = testbed.with_rule(count=streams, per_node=each, cpu=rule.cpu * share, memory=rule.memory * share)
    return Scenario(testbed)


def _emulation(streams: int, hours: float, least: int) -> float:
    """Seconds per trigger, testbed and all."""
    seed = np.random.SeedSequence(0)
    run = partial(simulate, scenario(streams), "los", hours=hours, seed=seed, streams=streams)
    triggers = len(run().log)  # a warm-up too
    return seconds(run, -(-least // triggers)) / triggers
