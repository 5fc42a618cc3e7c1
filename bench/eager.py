"""The peer: an emulation as one writes it with SimPy, a process per node, stream and training, and eager exchange.

Every node publishes its state in every interval, whether or not anybody reads it. Policies, draws and log are the same
as in `edgeresearch.emulator`, so that both must decide the same.
"""

import itertools
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import numpy as np
import simpy

from edgeresearch.emulator.network import Job, Mesh
from edgeresearch.emulator.policies import SchedulingPolicy
from edgeresearch.emulator.results import TriggerLog
from edgeresearch.emulator.simulation import TrainingTimes, random_draws
from edgeresearch.scheduling.messages import Availability, Reason, Request, TrainingReport

Process = Generator[simpy.Event, Any, None]


class Eager:
    """A run, and what nodes see; without churn, loss and shared links."""

    def __init__(
        self, mesh: Mesh, jobs: Sequence[Job], policy: SchedulingPolicy, truth: TrainingTimes, *,
        seconds: float, interval: float, seed: np.random.SeedSequence, told: bool,
    ) -> None:  # fmt: skip
        self.env = simpy.Environment()
        self.mesh, self.policy, self.truth, self.interval = mesh, policy, truth, interval
        self.given = random_draws(seed, len(mesh.nodes), interval)
        self.log = TriggerLog()
        self.node, self.rng = 0, self.given.rng
        self.held: list[list[tuple[float, float]]] = [[] for _ in mesh.nodes]
        self.free = [(node.cpu, node.memory) for node in mesh.nodes]
        self.told = told
        self.board = [(0.0, free) for free in self.free]
        self.tables = [{other: self.board[other] for other in around} for around in mesh.neighbours]
        exchange = self.tell if told else self.publish
        for number in range(len(mesh.nodes)):
            self.env.process(exchange(number))
        for number, job in enumerate(jobs):
            self.env.process(self.stream(number, job, seconds))
        self.env.run(seconds)

    def publish(self, number: int) -> Process:
        env, board, free, interval = self.env, self.board, self.free, self.interval
        yield env.timeout(interval + self.given.phases[number])
        while True:
            board[number] = (env.now, free[number])
            yield env.timeout(interval)

    def tell(self, number: int) -> Process:
        env, free, interval = self.env, self.free, self.interval
        tables = [self.tables[other] for other in self.mesh.neighbours[number]]
        yield env.timeout(interval + self.given.phases[number])
        while True:
            state = (env.now, free[number])
            for table in tables:
                table[number] = state
            yield env.timeout(interval)

    def stream(self, number: int, job: Job, seconds: float) -> Process:
        triggers = np.arange(int(seconds / job.period) + 1)
        draws = self.truth.draws(self.given.key, np.full(len(triggers), number), triggers)
        training: simpy.Process | None = None
        yield self.env.timeout(job.first)
        for noise, monitor in zip(*(each.tolist() for each in draws), strict=True):
            if training is not None and training.is_alive:
                self.log.dropped(number, self.env.now, Reason.BUSY, 0, job.source)
            else:
                training = self.place(number, job, noise, monitor)
            yield self.env.timeout(job.period)

    def place(self, number: int, job: Job, noise: float, monitor: float) -> simpy.Process | None:
        self.node = job.source
        request = Request(number, job.period)
        while True:
            decision = self.policy.decide(request, self)  # type: ignore[arg-type]
            if decision.run:
                assert decision.limit is not None
                return self.env.process(self.train(request, job, decision.reason, decision.limit, noise, monitor))
            if decision.node is None:
                self.log.dropped(number, self.env.now, decision.reason, request.hops, self.node)
                return None
            request = Request(number, job.period, (*request.tried, self.node), decision.limit)
            self.node = decision.node

    def train(self, request: Request, job: Job, reason: Reason, limit: float, noise: float, monitor: float) -> Process:
        node, number = self.node, request.job
        kind = self.mesh.nodes[node].kind
        seconds, used = self.truth.seconds(kind, limit, job.work)
        seconds *= noise
        send = sum(
            self.mesh.neighbours[here][there].latency + 8 * job.megabytes / self.mesh.neighbours[here][there].bandwidth
            for here, there in itertools.pairwise((*request.tried, node))
        )
        overhead = self.truth.start + self.truth.stop
        complete = seconds + send + overhead
        self.log.placed(number, self.env.now, reason, request.hops, node, limit, seconds, complete)
        held = (limit, job.training_memory)
        self.held[node].append(held)
        self.count(node)
        return self.finish(
            TrainingReport(
                number, node, kind, job.period, limit, seconds, complete, min(max(used + monitor, 0.0), 1.0),
                job.training_memory, job.megabytes, overhead,
            ),
            held,
        )  # fmt: skip

    def finish(self, report: TrainingReport, held: tuple[float, float]) -> Process:
        yield self.env.timeout(report.complete)
        self.held[report.node].remove(held)
        self.count(report.node)
        if hasattr(self.policy, "learn"):
            self.policy.learn(report)

    def count(self, number: int) -> None:
        cpu, memory = self.mesh.nodes[number].cpu, self.mesh.nodes[number].memory
        for millicores, megabytes in self.held[number]:
            cpu -= millicores
            memory -= megabytes
        self.free[number] = (cpu, memory)

    def here(self) -> Availability:
        cpu, memory = self.free[self.node]
        node = self.mesh.nodes[self.node]
        return Availability(self.node, self.env.now, cpu, memory, 1 - cpu / node.cpu, node.kind)

    def iter_neighbours(self) -> Iterator[Availability]:
        for number, link in self.mesh.neighbours[self.node].items():
            time, (cpu, memory) = self.tables[self.node][number] if self.told else self.board[number]
            node = self.mesh.nodes[number]
            yield Availability(number, time, cpu, memory, 1 - cpu / node.cpu, node.kind, link.latency, link.bandwidth)

    def neighbours(self) -> list[Availability]:
        return list(self.iter_neighbours())


def emulate(
    mesh: Mesh, jobs: Sequence[Job], policy: SchedulingPolicy, truth: TrainingTimes, *,
    seconds: float, interval: float, seed: np.random.SeedSequence, told: bool = False,
) -> TriggerLog:  # fmt: skip
    """Run a policy; `told`: a node tells each neighbour, else it writes its state where all can read it."""
    return Eager(mesh, jobs, policy, truth, seconds=seconds, interval=interval, seed=seed, told=told).log
