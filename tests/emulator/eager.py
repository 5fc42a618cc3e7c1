import heapq
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from edgeresearch.emulator.network import Job, Mesh
from edgeresearch.emulator.policies import LOST_IN_A_ROW, SchedulingPolicy
from edgeresearch.emulator.results import Step
from edgeresearch.emulator.simulation import Change, TrainingTimes, keyed_uniform, random_draws
from edgeresearch.scheduling.messages import Availability, Reason, Request, TrainingReport

ENDED, CHANGED, EXCHANGED, TRIGGERED = range(4)  # what happens first at one and the same moment
State = tuple[float, float, float]


class Twin:
    """The emulator as one writes it first: each exchange and each end of a training is an event of its own."""

    def __init__(
        self, mesh: Mesh, jobs: Sequence[Job], policy: SchedulingPolicy, truth: TrainingTimes, *, seconds: float,
        interval: float, seed: np.random.SeedSequence, loss: float, changes: Sequence[Change],
        drift: Callable[[float], float] | None,
    ) -> None:  # fmt: skip
        count = len(mesh.nodes)
        self.mesh, self.jobs, self.policy, self.truth = mesh, jobs, policy, truth
        self.interval, self.loss, self.drift = interval, loss, drift or (lambda time: 1.0)
        self.key, self.phases, self.rng = random_draws(seed, count, interval)
        self.time, self.node = 0.0, 0
        self.up = [True] * count
        self.trainings: list[dict[int, TrainingReport]] = [{} for _ in range(count)]  # by node and row of the log
        self.busy: dict[int, int] = {}  # row of the log by job
        self.known: dict[tuple[int, int], State] = {}  # by reader and neighbour
        self.lost: dict[tuple[int, int], list[State]] = {}
        self.transfers: list[tuple[object, float]] = []
        self.rows: list[list[object]] = []
        self.steps: list[Step] = []
        self.order = itertools.count()
        self.events: list[tuple[float, int, int, Callable[[], None]]] = []
        for change in changes:
            self.at(change.time, CHANGED, lambda change=change: self.change(change))
        for node in range(count):
            self.introduce(node)
            for k in range(1, int(seconds / interval) + 2 if interval else 0):
                self.at(self.phases[node] + k * interval, EXCHANGED, lambda node=node, k=k: self.exchange(node, k))
        times = [
            (job.first + k * job.period, i, k)
            for i, job in enumerate(jobs)
            for k in range(int(seconds / job.period) + 1)
        ]
        for time, i, k in sorted(times):
            self.at(time, TRIGGERED, lambda i=i, k=k: self.trigger(i, k))
        while self.events and self.events[0][0] < seconds:
            self.time, _, _, happen = heapq.heappop(self.events)
            happen()

    def at(self, time: float, kind: int, happen: Callable[[], None]) -> None:
        heapq.heappush(self.events, (time, kind, next(self.order), happen))

    def free(self, node: int) -> tuple[float, float]:
        cpu, memory = self.mesh.nodes[node].cpu, self.mesh.nodes[node].memory
        for job in self.jobs:
            if job.source == node:
                cpu -= job.cpu
                memory -= job.memory
        for row in sorted(self.trainings[node]):
            cpu -= self.trainings[node][row].limit
            memory -= self.trainings[node][row].memory
        return cpu, memory

    def introduce(self, node: int) -> None:
        for reader in self.mesh.neighbours[node]:
            self.known[reader, node] = (self.time, *self.free(node))
            self.lost[reader, node] = []

    def exchange(self, node: int, k: int) -> None:
        if not self.up[node]:
            return
        state = (self.time, *self.free(node))
        for reader in self.mesh.neighbours[node]:
            lost = self.lost[reader, node]
            if self.loss and keyed_uniform(self.key, reader, node, k) < self.loss:
                lost.append(state)
                if len(lost) > LOST_IN_A_ROW:
                    self.known[reader, node] = lost.pop(0)
            else:
                self.known[reader, node] = state
                lost.clear()

    def change(self, change: Change) -> None:
        if self.up[change.node] == change.up:
            return
        self.up[change.node] = change.up
        if change.up:
            self.introduce(change.node)
        for row, report in self.trainings[change.node].items():
            self.rows[row][2] = "lost"
            del self.busy[report.job]
        self.trainings[change.node].clear()

    def trigger(self, number: int, k: int) -> None:
        job = self.jobs[number]
        if not self.up[job.source]:
            return
        if number in self.busy:
            self.rows.append([number, self.time, "dropped", str(Reason.BUSY), 0, job.source, 0.0, 0.0, 0.0])
            return
        request = Request(number, job.period)
        self.node = job.source
        while True:
            decision = self.policy.decide(request, self)  # type: ignore[arg-type]
            self.steps.append(Step(self.time, self.node, request, decision))
            if decision.run or decision.node is None:
                break
            request = Request(number, job.period, (*request.tried, self.node), decision.limit)
            self.node = decision.node
        row = [number, self.time, "dropped", str(decision.reason), len(request.tried), self.node, 0.0, 0.0, 0.0]
        self.rows.append(row)
        if decision.run and job.training_memory > self.free(self.node)[1]:
            row[3] = str(Reason.NO_CAPACITY)
            start_failed = getattr(self.policy, "start_failed", None)
            if start_failed is not None:
                start_failed(number, self.free(self.node)[1])
        elif decision.run:
            assert decision.limit is not None
            row[2] = "finished"
            row[6:] = self.train(job, number, k, (*request.tried, self.node), decision.limit)

    def train(self, job: Job, number: int, k: int, path: tuple[int, ...], limit: float) -> tuple[float, float, float]:
        node, row = path[-1], len(self.rows) - 1
        kind = self.mesh.nodes[node].kind
        a, b, c, d = self.truth.curves[kind]
        working = job.work * self.drift(self.time) * (a * (limit + b) ** -c)
        noise, monitor = (float(each[0]) for each in self.truth.draws(self.key, np.array([number]), np.array([k])))
        seconds = (working + d) * noise
        overhead = self.truth.start + self.truth.stop
        complete = seconds + self.send(path, job.megabytes) + overhead
        used = min(max(working / (working + d) + monitor, 0.0), 1.0)
        report = TrainingReport(
            number, node, kind, job.period, limit, seconds, complete, used, job.training_memory, job.megabytes, overhead
        )
        self.trainings[node][row] = report
        self.busy[number] = row
        self.at(self.time + complete, ENDED, lambda: self.end(node, row))
        return limit, seconds, complete

    def end(self, node: int, row: int) -> None:
        report = self.trainings[node].pop(row, None)
        if report is not None:  # else it was lost
            del self.busy[report.job]
            if hasattr(self.policy, "learn"):
                self.policy.learn(report)

    def send(self, path: tuple[int, ...], megabytes: float) -> float:
        total = 0.0
        for here, there in itertools.pairwise(path):
            link = self.mesh.neighbours[here][there]
            sharing = 1 + sum(other is link and end > self.time for other, end in self.transfers)
            took = self.mesh.latency(link, self.time) + 8 * megabytes / (
                link.bandwidth / (sharing if link.shared else 1)
            )
            self.transfers.append((link, self.time + took))
            total += took
        return total

    def here(self) -> Availability:
        return self.seen(self.node, (self.time, *self.free(self.node)), 0.0, math.inf)

    def seen(self, node: int, state: State, latency: float, bandwidth: float) -> Availability:
        time, cpu, memory = state
        about = self.mesh.nodes[node]
        return Availability(node, time, cpu, memory, 1 - cpu / about.cpu, about.kind, latency, bandwidth)

    def neighbours(self) -> list[Availability]:
        return [
            self.seen(
                node,
                self.known[self.node, node] if self.interval else (self.time, *self.free(node)),
                self.mesh.latency(link, self.time),
                link.bandwidth,
            )
            for node, link in self.mesh.neighbours[self.node].items()
            if self.up[node]
        ]
