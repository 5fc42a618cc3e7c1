"""The state of an emulation, and what triggers and churn do to it."""

import math
from collections.abc import Callable, Iterable, Sequence

from edgeresearch.emulator.ahead import Ahead, Soonest
from edgeresearch.emulator.chance import Chance
from edgeresearch.emulator.log import Log
from edgeresearch.emulator.mesh import Mesh
from edgeresearch.emulator.node import Host
from edgeresearch.emulator.routes import Routes
from edgeresearch.emulator.transfer import Transfers
from edgeresearch.emulator.view import LOST_IN_A_ROW, Policy, View
from edgeresearch.emulator.workload import Job, Truth
from edgeresearch.errors import InputError
from edgeresearch.los.request import Decision, Reason, Report, Request
from edgeresearch.los.runtime import complete

_BUSY = Reason.BUSY  # a look-up in an enumeration is slow
_ROUNDING = 1 + 1e-9
_new = tuple.__new__  # makes a named tuple in half the time of its own constructor

Trigger = tuple[float, int, float, float]
"""When, in seconds; the job's number; the factor on the duration; what the monitoring adds to the utilisation."""


_Training = tuple[int, float, float, float, float]
"""Where a training runs, its limit, t_job, t_complete, and the utilisation that the monitoring reports."""


class _Stream:
    """A job, when its last training ends, and how that ran: kept until it is learned of or lost."""

    __slots__ = ("end", "host", "job", "request", "training")

    def __init__(self, number: int, job: Job, host: Host) -> None:
        self.job = job
        self.host = host
        self.request = Request(number, job.period)
        self.end = -math.inf
        self.training: _Training | None = None


class World:
    """Nodes, what runs on them, and what became of the triggers.

    Args:
        mesh: Nodes and links.
        jobs: Streams.
        policy: What decides.
        truth: Durations.
        interval: Time between two exchanges, in seconds; 0 means always fresh.
        loss: Share of exchanges that get lost.
        chance: What chance gives.
        drift: Factor on the CPU time of trainings by time; None for none.
        watch: Called with time, node, request and decision, of every decision.

    Attributes:
        log: What became of each trigger.
        handed: Requests that each node handed over.
        megabytes: Models and samples that were sent to where trainings ran, by source node.
        view: What nodes see.

    Raises:
        InputError: The prediction jobs of a node need more than it has.
    """

    __slots__ = (
        "_drift", "_forget", "_hosts", "_mesh", "_overhead", "_policy", "_rng", "_routes", "_soonest", "_streams",
        "_tried", "_trigger", "_truth", "_transfers", "_watch", "handed", "log", "megabytes", "view",
    )  # fmt: skip

    def __init__(
        self,
        mesh: Mesh,
        jobs: Sequence[Job],
        policy: Policy,
        truth: Truth,
        *,
        interval: float,
        loss: float,
        chance: Chance,
        drift: Callable[[float], float] | None,
        watch: Callable[[float, int, Request, Decision], None] | None,
    ) -> None:
        self._mesh, self._policy, self._truth = mesh, policy, truth
        self._rng, self._drift, self._watch = chance.rng, drift, watch
        self._hosts = _hosts(mesh, jobs, chance.phases)
        self._routes = Routes(mesh)
        self._transfers = Transfers(mesh)
        self._soonest = Soonest(mesh)
        self._streams = [_Stream(i, job, self._hosts[job.source]) for i, job in enumerate(jobs)]
        self._forget = interval * (1 + (LOST_IN_A_ROW if loss > 0 else 0))
        self._overhead = truth.start + truth.stop
        self._trigger: Trigger = (0.0, 0, 1.0, 0.0)  # that a place is looked for
        self._tried: tuple[int, ...] = ()
        self.log = Log()
        self.handed = [0] * len(mesh.nodes)
        self.megabytes = [0.0] * len(mesh.nodes)
        self.view = View(
            mesh, self._hosts, self._routes, interval=interval, loss=loss, seed=chance.key, ahead=self._ahead
        )

    def trigger(self, triggers: Iterable[Trigger]) -> None:
        """Let jobs look for a place for a training, one after another, unless their source is away.

        Args:
            triggers: By their times, none of them before an earlier call.

        Raises:
            ValueError: The policy decides what cannot be done.
        """
        streams, view, rng, watch, dropped = self._streams, self.view, self._rng, self._watch, self.log.dropped
        decide, learn = self._policy.decide, self._policy.learn
        for trigger in triggers:
            time, number, _, _ = trigger
            stream = streams[number]
            host = stream.host
            if not host.up:
                continue
            node = host.number
            if stream.end > time:
                dropped(number, time, _BUSY, 0, node)
                continue
            if stream.training is not None:
                learn(self._report(stream, stream.training))
                stream.training = None
            view.time = time
            self._trigger = trigger
            request = stream.request
            tried: tuple[int, ...] = ()
            while True:
                view.node, self._tried = node, tried
                decision = decide(request, view, rng)
                if watch is not None:
                    watch(time, node, request, decision)
                reason, goal, run, limit, _, _ = decision
                if goal is None:
                    dropped(number, time, reason, len(tried), node)
                    break
                if run:
                    if goal != node or limit is None:
                        raise ValueError(f"{self._policy.name}: node {node} cannot run a training so: {decision}")
                    self._start(stream, node, reason, limit)
                    break
                tried = self._hand_over(node, goal, tried)
                node = goal
                request = _new(Request, (number, request[1], tried, limit))

    def change(self, time: float, node: int, *, up: bool) -> None:
        """Let a node join, or leave with all that runs there."""
        host = self._hosts[node]
        if host.up == up:
            return
        host.up = up
        self._routes.change(node, up=up)
        if up:
            host.since = time
        else:
            self._lose(host, time)
        board = self.view.board
        if board is not None:
            board.change(node, time, up=up)

    def _lose(self, host: Host, time: float) -> None:
        for _, end, _, _, place in host.runs:
            if end > time:
                stream = self._streams[self.log.lose(place)]
                stream.training, stream.end = None, -math.inf
        host.runs = ()

    def _hand_over(self, node: int, goal: int, tried: tuple[int, ...]) -> tuple[int, ...]:
        direct = goal in self._mesh.neighbours[node] and self._hosts[goal].up
        if goal == node or goal in tried or not (direct or self.view.reaches(goal)):
            raise ValueError(f"{self._policy.name}: node {node} cannot hand over to node {goal} after {tried}")
        if direct:
            self.handed[node] += 1
            return (*tried, node)
        way = self._routes.path(node, goal)[:-1]
        for each in way:
            self.handed[each] += 1
        return (*tried, *way)

    def _start(self, stream: _Stream, node: int, reason: Reason, limit: float) -> None:
        time, number, noise, monitored = self._trigger
        tried, job, host = self._tried, stream.job, self._hosts[node]
        cpu, memory = host.free(time)
        if not 0 < limit <= cpu * _ROUNDING:
            raise ValueError(
                f"{self._policy.name}: node {node} has {cpu:g} millicores free at {time:g} s, not {limit:g}"
            )
        held = job.training_memory
        if held > memory:
            self.log.dropped(number, time, Reason.FULL, len(tried), node)
            self._policy.fail(number, memory)
            return
        work = job.work if self._drift is None else job.work * self._drift(time)
        seconds, used = self._truth.seconds(host.kind, limit, work)
        seconds *= noise
        used += monitored
        send = 0.0
        if tried:
            send = self._transfers.seconds((*tried, node), job.megabytes, time)
            self.megabytes[job.source] += job.megabytes
        whole = complete(seconds, send, self._overhead)
        stream.end = end = time + whole
        place = self.log.placed(number, time, reason, len(tried), node, limit, seconds, whole)
        host.reserve((time, end, limit, held, place), time - self._forget)
        board = self.view.board
        if board is not None:
            board.start(node, end, time)
        if self._policy.learns:
            stream.training = node, limit, seconds, whole, 0.0 if used < 0 else 1.0 if used > 1 else used

    def _report(self, stream: _Stream, training: _Training) -> Report:
        job = stream.job
        node, limit, seconds, whole, used = training
        about = (
            stream.request[0], node, self._hosts[node].kind, job.period, limit, seconds, whole,
            used, job.training_memory, job.megabytes, self._overhead,
        )  # fmt: skip
        return _new(Report, about)

    def _ahead(self) -> Ahead:
        time, number, noise, _ = self._trigger
        job = self._streams[number].job
        work = job.work if self._drift is None else job.work * self._drift(time)
        return Ahead(
            (*self._tried, self.view.node), time, work, noise, self._overhead,
            job, self._truth, self._routes, self._transfers, self._soonest,
        )  # fmt: skip


def _hosts(mesh: Mesh, jobs: Sequence[Job], phases: Sequence[float]) -> list[Host]:
    hosts = [
        Host(number, node.kind, node.cpu, node.memory, phase)
        for number, (node, phase) in enumerate(zip(mesh.nodes, phases, strict=True))
    ]
    for job in jobs:
        if job.cpu == job.memory == 0:
            continue
        host = hosts[job.source]
        host.cpu -= job.cpu
        host.memory -= job.memory
        if min(host.cpu, host.memory) < -1e-9:
            name = mesh.nodes[job.source].name
            raise InputError(f"{name} has no room for its prediction jobs: {host.cpu:g} millicores, {host.memory:g} MB")
    return hosts
