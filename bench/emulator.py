"""What is measured: the emulator beside the same workload on SimPy processes, its growth with the mesh, its memory."""

import gc
import importlib.util
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.timing import Row, seconds
from edgeresearch.emulator.network import Job, Mesh, Node, link_near
from edgeresearch.emulator.policies import NodeView, SchedulingPolicy
from edgeresearch.emulator.results import TriggerLog
from edgeresearch.emulator.simulation import TrainingTimes, run_events
from edgeresearch.scheduling import los as scheduling
from edgeresearch.scheduling.messages import Decision, Reason, Request
from edgeresearch.scheduling.runtime_model import Curve
from edgeresearch.scheduling.settings import Limits, Rules

PERIOD, INTERVAL, HOPS, SLOW = 240.0, 5.0, 4, 0.3
TRUTH = TrainingTimes(
    {"fast": Curve(52_000.0, 0.0, 1.0, 2.0), "slow": Curve(260_000.0, 0.0, 1.0, 10.0)},
    noise=0.05, monitor=0.05, start=5.0, stop=1.0,
)  # fmt: skip
"""A training on a whole fast node takes 60 s with its container, give or take 5 %; on a slow one five times as long."""
PLAIN, LOS, GROWTH, KIBIBYTES = 1 / 40, 1 / 8, 1.5, 4
CHOSEN = Reason.CHOSEN  # a look-up in an enumeration is slow
World = tuple[Mesh, Sequence[Job]]


class Here:
    """Busy or free: here if nothing runs here, else at the first neighbour, in the mesh's order, that seems free."""

    name = "here first"

    def decide(self, request: Request, view: NodeView) -> Decision:
        here = view.here()
        if here.utilisation == 0:
            return Decision(CHOSEN, here.node, True, here.cpu)
        return self.over(request, view) or Decision(Reason.NO_CAPACITY)

    def over(self, request: Request, view: NodeView) -> Decision | None:
        if len(request.tried) >= HOPS:
            return Decision(Reason.HOPS)
        for other in view.iter_neighbours():
            if other.utilisation == 0:
                seen = other.node in request.tried
                return Decision(Reason.CYCLE) if seen else Decision(CHOSEN, other.node)
        return None


class Away(Here):
    """Busy or free: the source asks its neighbours first, so that nearly every training is handed over."""

    name = "neighbour first"

    def decide(self, request: Request, view: NodeView) -> Decision:
        if request.tried:
            return super().decide(request, view)
        return self.over(request, view) or super().decide(request, view)


def los() -> SchedulingPolicy:
    return scheduling.LOS(Rules(hop_limit=HOPS), Limits(rule="period", floor=50.0))


POLICIES: Mapping[str, Callable[[], SchedulingPolicy]] = {
    "busy/free, here first": Here,
    "busy/free, neighbour first": Away,
    "LOS": los,
}
CLAIMS = {"busy/free, here first": PLAIN, "LOS": LOS}
PEERS = {"SimPy, state on one board": False, "SimPy, every neighbour told": True}


@dataclass(frozen=True)
class Size:
    """How much is measured: `small` and `large` are the nodes between which the claim is, `curve` further ones.

    A run of ours is several times shorter than one of the peer: of ours the mean of several `calls` counts.
    """

    nodes: int = 1500
    small: int = 150
    large: int = 15_000
    curve: Sequence[int] = (500, 1_500, 5_000, 50_000, 100_000)
    hours: float = 4.0
    growth_hours: float = 1.0
    calls: int = 5
    repeats: int = 5


QUICK = Size(nodes=100, small=50, large=200, curve=(100,), hours=0.5, growth_hours=0.5, calls=1, repeats=2)


def simpy_missing() -> str | None:
    """Return the name of the peer's package if it is not installed."""
    return None if importlib.util.find_spec("simpy") else "simpy"


def rows(size: Size) -> Iterator[Row]:
    """Measure one policy after another, on one thread."""
    if not simpy_missing():
        yield from _peers(size)
    for name, make in POLICIES.items():
        curve = size.curve if name in CLAIMS else ()
        for nodes in sorted({*curve, size.large}):
            yield _growth(name, make, nodes, size)
    for name, make in POLICIES.items():
        said = f"{KIBIBYTES} KiB per node"
        bound = 1.0 if name in CLAIMS else None
        used = peak_per_node(make, size.nodes, size.hours)
        yield Row(
            f"peak memory per node, {name}",
            _size(size.nodes, size.hours),
            said,
            [used],
            [1024 * KIBIBYTES],
            bound,
            "bytes",
        )


def world(nodes: int) -> World:
    """Return the common workload: a random geometric mesh of mean degree 6, one stream on each node."""
    rng = np.random.default_rng(0)
    kinds = np.where(rng.random(nodes) < SLOW, "slow", "fast").tolist()
    links = link_near(range(nodes), degree=6.0, latency=0.01, bandwidth=100.0, rng=rng)
    mesh = Mesh([Node(f"n{i}", "edge", kind, 1000.0, 1024.0) for i, kind in enumerate(kinds)], links)
    return mesh, [Job(i, PERIOD, float(first)) for i, first in enumerate(rng.uniform(0, PERIOD, nodes))]


def ours(made: World, make: Callable[[], SchedulingPolicy], hours: float) -> TriggerLog:
    """Run a policy on the emulator."""
    mesh, jobs = made
    seed = np.random.SeedSequence(1)
    return run_events(mesh, jobs, make(), TRUTH, seconds=3600 * hours, interval=INTERVAL, seed=seed).log


def theirs(made: World, make: Callable[[], SchedulingPolicy], hours: float, *, told: bool) -> TriggerLog:
    """Run it on SimPy processes."""
    from bench import eager  # needs simpy

    mesh, jobs = made
    seed = np.random.SeedSequence(1)
    return eager.emulate(mesh, jobs, make(), TRUTH, seconds=3600 * hours, interval=INTERVAL, seed=seed, told=told)


def check(one: TriggerLog, other: TriggerLog) -> None:
    """Compare two logs.

    Raises:
        AssertionError: They tell of other decisions.
    """
    a, b = one.frame(), other.frame()
    for column in ("job", "end", "reason", "hops", "node", "limit", "seconds", "complete"):
        assert a[column].equals(b[column]), f"{column}: the peer decides something else"
    assert np.allclose(a["time"], b["time"], rtol=0, atol=1e-6), "time: the peer's clock went astray"


def _peers(size: Size) -> Iterator[Row]:
    made = world(size.nodes)
    for name, make in POLICIES.items():
        log = ours(made, make, size.hours)
        shown = f"{name}: {(log.entries()['hops'] > 0).mean():.0%} handed over"
        for peer, told in PEERS.items():
            check(log, theirs(made, make, size.hours, told=told))
            pairs = [
                (
                    seconds(partial(ours, made, make, size.hours), size.calls),
                    seconds(partial(theirs, made, make, size.hours, told=told)),
                )
                for _ in range(size.repeats)
            ]
            mine, others = zip(*pairs, strict=True)
            bound = None if told else CLAIMS.get(name)
            yield Row(shown, _size(size.nodes, size.hours), peer, mine, others, bound)


def _growth(name: str, make: Callable[[], SchedulingPolicy], nodes: int, size: Size) -> Row:
    """CPU time per trigger on a mesh of so many nodes, beside that on a small one.

    The garbage collector looks at neither mesh: it would go through the large one while the small one is timed.
    """
    few, many, hours = world(size.small), world(nodes), size.growth_hours
    calls = min(max(nodes // size.small // 10, 1), 10)
    for made in (few, many):
        ours(made, make, hours / 20)
    gc.collect()
    gc.freeze()
    try:
        pairs = [(_cost(many, make, hours, 1), _cost(few, make, hours, calls)) for _ in range(size.repeats)]
    finally:
        gc.unfreeze()
    large, small = zip(*pairs, strict=True)
    bound = GROWTH if nodes == size.large else None
    return Row(f"per trigger, {name}", _size(nodes, hours), f"itself, {size.small} nodes", large, small, bound)


def _cost(made: World, make: Callable[[], SchedulingPolicy], hours: float, calls: int) -> float:
    return seconds(partial(ours, made, make, hours), calls) / (len(made[1]) * 3600 * hours / PERIOD)


def _size(nodes: int, hours: float) -> str:
    return f"{nodes} nodes, {hours:g} h"


def peak_per_node(make: Callable[[], SchedulingPolicy], nodes: int, hours: float) -> float:
    """Return the most bytes held in memory at once, mesh, streams and the log's newest entries among them, per node."""
    ours(world(10), make, 0.1)
    tracemalloc.start()
    try:
        log = ours(world(nodes), make, hours)
        assert len(log)
        return tracemalloc.get_traced_memory()[1] / nodes
    finally:
        tracemalloc.stop()
