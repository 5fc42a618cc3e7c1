"""What is measured: the emulator beside the same workload on LEAF, the simulator for edge computing built on SimPy.

The peer is written as LEAF's users write: an `Infrastructure` of `Node`s with compute units and `Link`s, and a training
as a `ProcessingTask` that is allocated on a node and deallocated when it ends, by SimPy processes. What LEAF has beyond
that, meters of power and paths of data flows, is left out, which spares it time; so does one board where each node
writes its state in every interval and its neighbours read it. Policies, draws and log are those of
`edgeresearch.emulator`, and both must decide the same. The policies are the plain ones, busy or free.
"""

import importlib
import importlib.util
import itertools
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.emulator import INTERVAL, TRUTH, Away, Here, World, check, ours, world
from bench.timing import Row, both, spent
from edgeresearch.emulator.network import Job
from edgeresearch.emulator.policies import SchedulingPolicy
from edgeresearch.emulator.results import TriggerLog
from edgeresearch.emulator.simulation import random_draws
from edgeresearch.scheduling.messages import Availability, Reason, Request, TrainingReport

Process = Generator[Any, Any, None]
PEER = "LEAF, state on one board"
POLICIES: Mapping[str, tuple[Callable[[], SchedulingPolicy], float | None]] = {
    "busy/free, here first": (Here, 1 / 20),
    "busy/free, neighbour first": (Away, None),
}
"""Policies with the largest ratio that is claimed."""


@dataclass(frozen=True)
class Size:
    """How much is measured; of ours the mean of several `calls` counts, as in `bench.emulator`."""

    nodes: int = 1500
    hours: float = 4.0
    calls: int = 5
    repeats: int = 5


QUICK = Size(nodes=100, hours=0.5, calls=1, repeats=2)


def leaf_missing() -> str | None:
    """Return the name of the peer's package if it is not installed."""
    here = importlib.util.find_spec("leaf") and importlib.util.find_spec("leaf.infrastructure")
    return None if here else "leafsim"


def rows(size: Size) -> Iterator[Row]:
    """Measure one policy after another, on one thread."""
    if leaf_missing():
        return
    made = world(size.nodes)
    for name, (make, bound) in POLICIES.items():
        log = ours(made, make, size.hours)
        check(log, theirs(made, make, size.hours))
        one, other = (partial(run, made, make, size.hours) for run in (ours, theirs))
        pairs = [(spent(one, size.calls), spent(other)) for _ in range(size.repeats)]
        shown = f"{name}: {(log.entries()['hops'] > 0).mean():.0%} handed over"
        yield both(shown, f"{size.nodes} nodes, {size.hours:g} h", PEER, pairs, bound)


def theirs(made: World, make: Callable[[], SchedulingPolicy], hours: float) -> TriggerLog:
    """Run a policy on LEAF."""
    return Grove(made, make(), 3600 * hours).log


class Grove:
    """A run on LEAF, and what nodes see; without churn, loss and shared links."""

    def __init__(self, made: World, policy: SchedulingPolicy, seconds: float) -> None:
        parts, tasks = (importlib.import_module(f"leaf.{name}") for name in ("infrastructure", "application"))
        self.mesh, jobs = made
        self.env = importlib.import_module("simpy").Environment()
        self.policy, self.seconds, self.task = policy, seconds, tasks.ProcessingTask
        self.given = random_draws(np.random.SeedSequence(1), len(self.mesh.nodes), INTERVAL)
        self.log, self.node, self.rng = TriggerLog(), 0, self.given.rng
        self.infrastructure = parts.Infrastructure()
        for node in self.mesh.nodes:
            self.infrastructure.add_node(parts.Node(node.name, cu=node.cpu))
        self.nodes = self.infrastructure.nodes()
        power = importlib.import_module("leaf.power").PowerModelLink
        for number, around in enumerate(self.mesh.neighbours):
            for other, link in around.items():
                ends = self.nodes[number], self.nodes[other]
                self.infrastructure.add_link(parts.Link(*ends, 1e6 * link.bandwidth, power(0.0), link.latency))
        self.memory = [node.memory for node in self.mesh.nodes]
        self.board = [(0.0, 0.0, memory) for memory in self.memory]
        for number in range(len(self.nodes)):
            self.env.process(self.publish(number))
        for number, job in enumerate(jobs):
            self.env.process(self.stream(number, job))
        self.env.run(seconds)

    def publish(self, number: int) -> Process:
        env, board, node, memory = self.env, self.board, self.nodes[number], self.memory
        yield env.timeout(INTERVAL + self.given.phases[number])
        while True:
            board[number] = env.now, node.used_cu, memory[number]
            yield env.timeout(INTERVAL)

    def stream(self, number: int, job: Job) -> Process:
        triggers = np.arange(int(self.seconds / job.period) + 1)
        draws = TRUTH.draws(self.given.key, np.full(len(triggers), number), triggers)
        training: Any = None
        yield self.env.timeout(job.first)
        for noise, monitor in zip(*(each.tolist() for each in draws), strict=True):
            if training is not None and training.is_alive:
                self.log.dropped(number, self.env.now, Reason.BUSY, 0, job.source)
            else:
                training = self.place(number, job, noise, monitor)
            yield self.env.timeout(job.period)

    def place(self, number: int, job: Job, noise: float, monitor: float) -> Any:
        self.node = job.source
        request = Request(number, job.period)
        while True:
            decision = self.policy.decide(request, self)  # type: ignore[arg-type]
            if decision.run:
                assert decision.limit is not None
                report = self.begin(request, job, decision.reason, decision.limit, noise, monitor)
                return self.env.process(self.train(report))
            if decision.node is None:
                self.log.dropped(number, self.env.now, decision.reason, request.hops, self.node)
                return None
            request = Request(number, job.period, (*request.tried, self.node), decision.limit)
            self.node = decision.node

    def begin(
        self, request: Request, job: Job, reason: Reason, limit: float, noise: float, monitor: float
    ) -> TrainingReport:
        node, kind = self.node, self.mesh.nodes[self.node].kind
        seconds, used = TRUTH.seconds(kind, limit, job.work)
        seconds *= noise
        links = [self.mesh.neighbours[a][b] for a, b in itertools.pairwise((*request.tried, node))]
        send = sum(link.latency + 8 * job.megabytes / link.bandwidth for link in links)
        overhead = TRUTH.start + TRUTH.stop
        complete = seconds + send + overhead
        self.log.placed(request.job, self.env.now, reason, request.hops, node, limit, seconds, complete)
        return TrainingReport(
            request.job, node, kind, job.period, limit, seconds, complete, min(max(used + monitor, 0.0), 1.0),
            job.training_memory, job.megabytes, overhead,
        )  # fmt: skip

    def train(self, report: TrainingReport) -> Process:
        task = self.task(cu=report.limit)
        task.allocate(self.nodes[report.node])
        self.memory[report.node] -= report.memory
        yield self.env.timeout(report.complete)
        task.deallocate()
        self.memory[report.node] += report.memory
        if hasattr(self.policy, "learn"):
            self.policy.learn(report)

    def here(self) -> Availability:
        node, kind = self.nodes[self.node], self.mesh.nodes[self.node].kind
        free = node.cu - node.used_cu, self.memory[self.node]
        return Availability(self.node, self.env.now, *free, node.utilization(), kind)

    def iter_neighbours(self) -> Iterator[Availability]:
        for number, link in self.mesh.neighbours[self.node].items():
            time, used, memory = self.board[number]
            node = self.mesh.nodes[number]
            free = node.cpu - used, memory
            yield Availability(number, time, *free, used / node.cpu, node.kind, link.latency, link.bandwidth)

    def neighbours(self) -> list[Availability]:
        return list(self.iter_neighbours())
