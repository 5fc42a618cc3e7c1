"""The testbed in virtual time: workload, events, state."""

import gc
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import ndtri

from edgeresearch.emulator.network import Floats, Ints, Job, Mesh, Routes, Transfers
from edgeresearch.emulator.policies import LOST_IN_A_ROW, Foresight, NodeView, SchedulingPolicy, policy_name
from edgeresearch.emulator.results import Outcome, Path, Step, TriggerLog
from edgeresearch.emulator.settings import TrainingCost
from edgeresearch.errors import InputError
from edgeresearch.scheduling.messages import Decision, Reason, Request, TrainingReport
from edgeresearch.scheduling.runtime_model import Curve, Numbers, complete

Key = int | Ints


def spawn_seeds(seed: np.random.SeedSequence, count: int) -> list[np.random.SeedSequence]:
    """Return what the first `seed.spawn(count)` returns, at every call: the seed itself is left as it is."""
    entropy, key, size = seed.entropy, seed.spawn_key, seed.pool_size
    return [np.random.SeedSequence(entropy, spawn_key=(*key, i), pool_size=size) for i in range(count)]


class RandomDraws(NamedTuple):
    """All that is random in one run, the same for every policy.

    Attributes:
        key: First part of the keys of triggers and messages.
        phases: Time of an exchange of each node, in seconds, not above 0.
        rng: For the policy.
    """

    key: int
    phases: list[float]
    rng: np.random.Generator


def random_draws(seed: np.random.SeedSequence, nodes: int, interval: float) -> RandomDraws:
    """Draw what is random in a run; the same at every call, and more nodes do not change those before them."""
    key, phases, rng = spawn_seeds(seed, 3)
    return RandomDraws(
        int(key.generate_state(1, np.uint64)[0]),
        (-interval * np.random.default_rng(phases).random(nodes)).tolist(),
        np.random.default_rng(rng),
    )


_MASK = 0xFFFFFFFFFFFFFFFF
_STEP, _ONE, _OTHER = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_UNIT = 2.0**-52


def keyed_uniform(*key: int) -> float:
    """Return a number strictly between 0 and 1 (one round of splitmix64 for each part of the key)."""
    state = 0
    for part in key:
        state = (state ^ (part & _MASK)) + _STEP & _MASK
        state = (state ^ (state >> 30)) * _ONE & _MASK
        state = (state ^ (state >> 27)) * _OTHER & _MASK
        state ^= state >> 31
    return ((state >> 12) + 0.5) * _UNIT


def keyed_uniforms(*key: Key) -> Floats:
    """Return what `keyed_uniform` does, element by element; parts of the key are arrays of one shape, or numbers."""
    state = np.zeros(1, dtype=np.uint64)
    for part in key:
        bits = np.uint64(part & _MASK) if isinstance(part, int) else part.astype(np.uint64)
        state = (state ^ bits) + np.uint64(_STEP)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(_ONE)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(_OTHER)
        state ^= state >> np.uint64(31)
    return ((state >> np.uint64(12)).astype(np.float64) + 0.5) * _UNIT


@dataclass(frozen=True)
class TrainingTimes:
    """How long trainings really take on each node class; the scheduler sees only its own runs.

    Attributes:
        curves: Eq. 1 by node class; all else is as in `TrainingCost`.
    """

    curves: Mapping[str, Curve]
    noise: float
    monitor: float
    start: float
    stop: float

    @classmethod
    def of(cls, cost: TrainingCost, speeds: Mapping[str, float]) -> "TrainingTimes":
        """Return the times on node classes: those of a faster one have their CPU time divided by its speed."""
        base = Curve(cost.a, cost.b, cost.c, cost.d)
        curves = {kind: base._replace(a=base.a / speed) for kind, speed in speeds.items()}
        return cls(curves, cost.noise, cost.monitor, cost.start, cost.stop)

    def seconds(self, kind: str, limit: Numbers, work: float) -> tuple[Numbers, Numbers]:
        """Return how long a training takes without noise, and the share of its limit that it uses.

        `work` is a factor on the part of the time that depends on the CPU (a in eq. 1).
        """
        curve = self.curves[kind]
        busy = work * curve.busy(limit)
        seconds = busy + curve.d
        return seconds, busy / seconds

    def draws(self, key: int, jobs: Key, counts: Key) -> tuple[Floats, Floats]:
        """Draw for triggers, by the run's key, the factor on the duration and what is added to the utilisation."""
        duration, monitor = (ndtri(keyed_uniforms(key, what, jobs, counts)) for what in (1, 2))
        # Not numpy's exp: its last digit differs between processors.
        noise = np.array([math.exp(value) for value in (self.noise * duration).tolist()])
        return noise, self.monitor * monitor


Events = tuple[Floats, Ints, Ints]
"""Events in order: when, in seconds; numbers of what happens; how often each happened before."""


def event_schedule(
    first: Sequence[float], every: Sequence[float], until: float, *, size: int = 1024
) -> Iterator[Events]:
    """Yield all events before a time in order; of those at the same time the smaller number comes first.

    Event k of a number is at first + k * every: times do not drift, however many there are.

    Args:
        first: When each number happens first, in seconds.
        every: Time until it happens again; infinite if it happens once.
        until: End of virtual time, in seconds; events at it or later do not happen.
        size: Events per block, on average; a quarter of the numbers, if that is more.
    """
    begin, step = np.asarray(first, dtype=np.float64), np.asarray(every, dtype=np.float64)
    once = np.isinf(step)
    again = np.where(once, 1.0, step)
    rate = float(np.sum(1 / step))
    parts = max(1, math.ceil(rate * until / max(size, len(begin) // 4)))
    done = np.zeros(len(begin), dtype=np.int64)
    for part in range(parts):
        stop = until if part == parts - 1 else until * (part + 1) / parts
        upto = np.maximum(np.where(once, begin < stop, _count_before(begin, again, stop)), done)
        if (upto > done).any():
            yield _events(begin, step, done, upto)
        done = upto


def _count_before(begin: Floats, step: Floats, stop: float) -> Ints:
    """How many of begin + k * step lie before `stop`, by the rounding of that very sum."""
    count = np.ceil(np.maximum(stop - begin, 0) / step)
    count -= (count > 0) & (begin + (count - 1) * step >= stop)
    count += begin + count * step < stop
    return count.astype(np.int64)


def _events(begin: Floats, step: Floats, low: Ints, high: Ints) -> Events:
    number = np.repeat(np.arange(len(begin)), high - low)
    starts = np.cumsum(high - low) - (high - low)
    count = np.arange(len(number)) - np.repeat(starts - low, high - low)
    time = begin[number]
    again = count > 0
    time[again] += count[again] * step[number[again]]
    order = np.lexsort((number, time))
    return time[order], number[order], count[order]


Run = tuple[float, float, float, float, int]
"""What a training holds: start (its decision; the reservation holds from then on) and end (everything done, container
removed), in seconds; millicores; megabytes; the number of its job."""


class Host:
    """State of one node.

    Attributes:
        number: The node's.
        kind: Node class.
        capacity: CPU, in millicores.
        cpu: CPU that prediction jobs leave, in millicores.
        memory: Memory that they leave, in megabytes.
        phase: Time of an exchange, in seconds; the others follow in intervals.
        up: Whether it is in the mesh.
        since: When it joined, in seconds.
        runs: Reservations by their starts, those of the recent past among them.
        idle: When the last of all reservations so far ends, in seconds: from then on all is free.
    """

    __slots__ = ("capacity", "cpu", "idle", "kind", "memory", "number", "phase", "runs", "since", "up")

    def __init__(self, number: int, kind: str, capacity: float, memory: float, phase: float) -> None:
        self.number, self.kind, self.phase = number, kind, phase
        self.capacity = self.cpu = capacity
        self.memory = memory
        self.up, self.since = True, 0.0
        self.runs: tuple[Run, ...] = ()
        self.idle = -math.inf

    def free(self, now: float) -> tuple[float, float]:
        """Return free CPU and memory now, after all that was decided: millicores, megabytes."""
        cpu, memory = self.cpu, self.memory
        if self.idle <= now:
            return cpu, memory
        for _, end, millicores, megabytes, _ in self.runs:
            if end > now:
                cpu -= millicores
                memory -= megabytes
        return cpu, memory

    def published(self, time: float) -> tuple[float, float]:
        """Return free CPU and memory at an exchange of the recent past: millicores, megabytes.

        What ended at that very moment is free again; what was decided at that very moment is not yet in it.
        """
        cpu, memory = self.cpu, self.memory
        for start, end, millicores, megabytes, _ in self.runs:
            if start < time < end:
                cpu -= millicores
                memory -= megabytes
        return cpu, memory

    def reserve(self, run: Run, forget: float) -> None:
        """Take a run, for which there must be room, and forget those that ended before `forget`, in seconds."""
        if self.idle <= forget:
            self.runs, self.idle = (run,), run[1]
            return
        runs = self.runs
        while runs and runs[0][1] <= forget:
            runs = runs[1:]
        if len(runs) > 3:
            runs = tuple(old for old in runs if old[1] > forget)
        self.runs = (*runs, run)
        if run[1] > self.idle:
            self.idle = run[1]


_BUSY = Reason.BUSY  # a look-up in an enumeration is slow
_ROUNDING = 1 + 1e-9
_new = tuple.__new__  # makes a named tuple in half the time of its own constructor

Trigger = tuple[float, int, float, float]
"""When, in seconds; the job's number; the factor on the duration; what the monitoring adds to the utilisation."""
_Training = tuple[int, float, float, float, float]
"""Where a training runs, its limit, t_job, t_complete, and the utilisation that the monitoring reports."""


class _Stream:
    """A job, when its last training ends, its place in the log, and how it ran, until the policy learns of it."""

    __slots__ = ("end", "host", "job", "place", "request", "training")

    def __init__(self, number: int, job: Job, host: Host) -> None:
        self.job, self.host = job, host
        self.request = Request(number, job.period)
        self.end, self.place = -math.inf, 0
        self.training: _Training | None = None


class SimulationState:
    """Nodes, what runs on them, and what became of the triggers; `run_events` describes the arguments.

    Attributes:
        log: What became of each trigger.
        handovers: Requests that each node handed over.
        megabytes: Models and samples that were sent to where trainings ran, by source node.
        view: What nodes see.
    """

    def __init__(
        self,
        mesh: Mesh,
        jobs: Sequence[Job],
        policy: SchedulingPolicy,
        times: TrainingTimes,
        *,
        interval: float,
        loss: float,
        draws: RandomDraws,
        drift: Callable[[float], float] | None,
        watch: Callable[[float, int, Request, Decision], None] | None,
    ) -> None:
        self._mesh, self._policy, self._times = mesh, policy, times
        self._name = policy_name(policy)
        self._learn: Callable[[TrainingReport], None] | None = getattr(policy, "learn", None)
        self._drift, self._watch = drift, watch
        self._hosts = _hosts(mesh, jobs, draws.phases)
        self._routes, self._transfers = Routes(mesh), Transfers(mesh)
        self._streams = [_Stream(i, job, self._hosts[job.source]) for i, job in enumerate(jobs)]
        self._forget = interval * (1 + (LOST_IN_A_ROW if loss > 0 else 0))
        self._overhead = times.start + times.stop
        self._trigger: Trigger = (0.0, 0, 1.0, 0.0)  # the one that looks for a node
        self._tried: tuple[int, ...] = ()
        self.log = TriggerLog()
        self.handovers = [0] * len(mesh.nodes)
        self.megabytes = [0.0] * len(mesh.nodes)
        self.view = NodeView(
            mesh, self._hosts, self._routes, interval=interval, rng=draws.rng, foresight=self._foresight,
            lost=(lambda *exchange: keyed_uniform(draws.key, *exchange) < loss) if loss > 0 else None,
        )  # fmt: skip

    def trigger(self, triggers: Iterable[Trigger]) -> None:
        """Let jobs look for a node for a training, one after another by time, unless their source is away."""
        streams, view, watch, dropped = self._streams, self.view, self._watch, self.log.dropped
        decide, learn = self._policy.decide, self._learn
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
            if stream.training is not None and learn is not None:
                learn(self._report(stream, stream.training))
                stream.training = None
            view.time = time
            self._trigger = trigger
            request = stream.request
            tried: tuple[int, ...] = ()
            while True:
                view.node, self._tried = node, tried
                try:
                    decision = decide(request, view)
                except Exception as error:
                    error.add_note(f"raised in the scheduling policy {self._name!r}, for job {number} at {time:g} s")
                    raise
                if decision.__class__ is not Decision or decision[0].__class__ is not Reason:
                    raise InputError(
                        f"{self._name} returned {decision!r}; return Decision.run_at(node, limit), "
                        "Decision.hand_over(node) or Decision.drop(reason), with a Reason"
                    )
                if watch is not None:
                    watch(time, node, request, decision)
                reason, goal, run, limit, _, _ = decision
                if goal is None:
                    dropped(number, time, reason, len(tried), node)
                    break
                if run:
                    if goal != node or not isinstance(limit, (int, float, np.number)):
                        raise InputError(f"{self._name}: node {node} cannot run a training so: {decision}")
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
            for _, end, _, _, number in host.runs:
                if end > time:
                    stream = self._streams[number]
                    self.log.lose(stream.place)
                    stream.training, stream.end = None, -math.inf
            host.runs = ()
        states = self.view.states
        if states is not None:
            states.change(node, time, up=up)

    def _hand_over(self, node: int, goal: int, tried: tuple[int, ...]) -> tuple[int, ...]:
        if not isinstance(goal, (int, np.integer)) or not 0 <= goal < len(self._hosts):
            raise InputError(
                f"{self._name}: node {node} cannot hand over to {goal!r}; give the number of a node, "
                f"from 0 to {len(self._hosts) - 1}, such as view.neighbours()[0].node"
            )
        direct = goal in self._mesh.neighbours[node] and self._hosts[goal].up
        if goal == node or goal in tried or not (direct or self.view.reaches(goal)):
            raise InputError(f"{self._name}: node {node} cannot hand over to node {goal} after {tried}")
        if direct:
            self.handovers[node] += 1
            return (*tried, node)
        way = self._routes.path(node, goal)[:-1]
        for each in way:
            self.handovers[each] += 1
        return (*tried, *way)

    def _start(self, stream: _Stream, node: int, reason: Reason, limit: float) -> None:
        time, number, noise, monitored = self._trigger
        tried, job, host = self._tried, stream.job, self._hosts[node]
        cpu, memory = host.free(time)
        if not 0 < limit <= cpu * _ROUNDING:
            raise InputError(f"{self._name}: node {node} has {cpu:g} millicores free at {time:g} s, not {limit:g}")
        held = job.training_memory
        if held > memory:
            self.log.dropped(number, time, Reason.NO_CAPACITY, len(tried), node)
            start_failed = getattr(self._policy, "start_failed", None)
            if start_failed is not None:
                start_failed(number, memory)
            return
        seconds, used = self._times.seconds(host.kind, limit, self._work(job, time))
        seconds *= noise
        used += monitored
        send = 0.0
        if tried:
            send = self._transfers.seconds((*tried, node), job.megabytes, time)
            self.megabytes[job.source] += job.megabytes
        whole = complete(seconds, send, self._overhead)
        stream.end = end = time + whole
        stream.place = self.log.placed(number, time, reason, len(tried), node, limit, seconds, whole)
        host.reserve((time, end, limit, held, number), time - self._forget)
        states = self.view.states
        if states is not None:
            states.start(node, end, time)
        if self._learn is not None:
            stream.training = node, limit, seconds, whole, 0.0 if used < 0 else 1.0 if used > 1 else used

    def _report(self, stream: _Stream, training: _Training) -> TrainingReport:
        job = stream.job
        node, limit, seconds, whole, used = training
        about = (
            stream.request[0], node, self._hosts[node].kind, job.period, limit, seconds, whole,
            used, job.training_memory, job.megabytes, self._overhead,
        )  # fmt: skip
        return _new(TrainingReport, about)

    def _foresight(self) -> Foresight:
        time, number, noise, _ = self._trigger
        job = self._streams[number].job
        return Foresight(
            (*self._tried, self.view.node), time, self._work(job, time), noise, self._overhead,
            job, self._times, self._routes, self._transfers,
        )  # fmt: skip

    def _work(self, job: Job, time: float) -> float:
        return job.work if self._drift is None else job.work * self._drift(time)


def _hosts(mesh: Mesh, jobs: Sequence[Job], phases: Sequence[float]) -> list[Host]:
    hosts = [
        Host(number, node.kind, node.cpu, node.memory, phase)
        for number, (node, phase) in enumerate(zip(mesh.nodes, phases, strict=True))
    ]
    for job in jobs:
        host = hosts[job.source]
        host.cpu -= job.cpu
        host.memory -= job.memory
        if min(host.cpu, host.memory) < -1e-9:
            name = mesh.nodes[job.source].name
            raise InputError(f"{name} has no room for its prediction jobs: {host.cpu:g} millicores, {host.memory:g} MB")
    return hosts


Record = Literal["triggers", "paths", "decisions"]


class Change(NamedTuple):
    """A node leaves, or joins (`up`), at a time in seconds."""

    time: float
    node: int
    up: bool


def run_events(
    mesh: Mesh,
    jobs: Sequence[Job],
    policy: SchedulingPolicy,
    times: TrainingTimes,
    *,
    seconds: float,
    interval: float,
    seed: np.random.SeedSequence,
    loss: float = 0.0,
    changes: Sequence[Change] = (),
    drift: Callable[[float], float] | None = None,
    record: Record = "triggers",
) -> Outcome:
    """Run a policy on a mesh in virtual time, event by event; `api.simulate` puts the arguments together.

    Triggers come at fixed periods; a node that is away has none. A request passes from node to node at once; its
    reservation holds from the decision on, and the transfer, the container's start, the training and the container's
    stop follow. A training that a node has no memory for does not start: it is dropped there. What is random in a
    trigger (noise of the duration, of the monitoring) depends on the seed, job and trigger alone, so that policies meet
    the same; so do several runs with one `seed`, which is left as it is.

    Args:
        mesh: Nodes and links.
        jobs: Streams; their prediction jobs take their part of the source for good.
        policy: What decides. It is used for this run only: it learns.
        times: How long trainings really take.
        seconds: End of virtual time; trainings that run then are let finish.
        interval: Time between two exchanges of availability, in seconds; 0 means always fresh.
        seed: Root of all randomness.
        loss: Share of exchanges that get lost.
        changes: Nodes that leave and join.
        drift: Factor on the CPU time of trainings by time, such as ageing software; None for none.
        record: What is kept beside one entry per trigger (see `api.simulate`).

    Raises:
        InputError: Prediction jobs do not fit their node, or the policy decides what cannot be done.
        RunError: The log of a long run cannot be written (see `TriggerLog.settle`).
    """
    draws = random_draws(seed, len(mesh.nodes), interval)
    paths: dict[tuple[float, int], Path] = {}
    steps: list[Step] = []

    def watch(time: float, node: int, request: Request, decision: Decision) -> None:
        paths[time, request.job] = (*request.tried, node)
        if record == "decisions":
            steps.append(Step(time, node, request, decision))

    state = SimulationState(
        mesh, jobs, policy, times, interval=interval, loss=loss, draws=draws, drift=drift,
        watch=None if record == "triggers" else watch,
    )  # fmt: skip
    first = [change.time for change in changes] + [job.first for job in jobs]
    every = [math.inf] * len(changes) + [job.period for job in jobs]
    collects = gc.isenabled()
    gc.disable()  # it would look through all nodes again and again, and a run leaves no cycles behind
    try:
        for moments, numbers, counts in event_schedule(first, every, seconds):
            numbers -= len(changes)
            noise, monitor = times.draws(draws.key, numbers, counts)
            triggers = zip(moments.tolist(), numbers.tolist(), noise.tolist(), monitor.tolist(), strict=True)
            done = 0
            for at in np.flatnonzero(numbers < 0).tolist():
                state.trigger(islice(triggers, at - done))
                done = at + 1
                time, what, _, _ = next(triggers)
                state.change(time, changes[what].node, up=changes[what].up)
            state.trigger(triggers)
            state.log.settle()
    finally:
        del state.view.foresight  # which holds the state, as the state holds the view
        if collects:
            gc.enable()
    left = state.log, state.handovers, state.megabytes, state.view.synced
    return Outcome(policy, mesh, jobs, seconds, interval, *left, paths, steps)
