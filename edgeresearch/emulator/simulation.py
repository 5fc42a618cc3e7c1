"""The testbed in virtual time: events, state, log."""

import gc
import math
import os
import struct
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from edgeresearch.emulator.network import Mesh, Routes, Transfers
from edgeresearch.emulator.view import LOST_IN_A_ROW, Foresight, Host, NodeView, SchedulingPolicy, TransferLowerBound
from edgeresearch.emulator.workload import Job, RandomDraws, TrainingTimes, random_draws
from edgeresearch.errors import InputError, RunError
from edgeresearch.scheduling.messages import Decision, Reason, Request, TrainingReport
from edgeresearch.scheduling.runtime_model import complete

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BLOCK = 1024
"""Events that are sorted at once, on average."""


class EventBlock(NamedTuple):
    """Events one after another.

    Attributes:
        times: When, in seconds.
        numbers: Of what happens.
        counts: How often it happened before.
    """

    times: Floats
    numbers: Ints
    counts: Ints


def event_schedule(
    first: Sequence[float], every: Sequence[float], until: float, *, size: int = BLOCK
) -> Iterator[EventBlock]:
    """Yield all events before a time in order; of those at the same time the smaller number comes first.

    Event k of a number is at first + k * every: times do not drift, however many there are.

    Args:
        first: When each number happens first, in seconds, at least 0.
        every: Time until it happens again, above 0; infinite if it happens once.
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
        upto = np.where(once, begin < stop, _before(begin, again, stop))
        block = _block(begin, step, done, np.maximum(upto, done))
        if len(block.times):
            yield block
        done = np.maximum(upto, done)


def _before(begin: Floats, step: Floats, stop: float) -> Ints:
    """How many of begin + k * step lie before `stop`, by the rounding of that very sum."""
    count = np.ceil(np.maximum(stop - begin, 0) / step)
    count -= (count > 0) & (begin + (count - 1) * step >= stop)
    count += begin + count * step < stop
    return count.astype(np.int64)


def _block(begin: Floats, step: Floats, low: Ints, high: Ints) -> EventBlock:
    number = np.repeat(np.arange(len(begin)), high - low)
    starts = np.cumsum(high - low) - (high - low)
    count = np.arange(len(number)) - np.repeat(starts - low, high - low)
    time = begin[number]
    again = count > 0
    time[again] += count[again] * step[number[again]]
    order = np.lexsort((number, time))
    return EventBlock(time[order], number[order], count[order])


LOG_BYTES = 2**18
"""Bytes of entries above which `TriggerLog.settle` moves them to a file."""

FINISHED, DROPPED, LOST = 0, 1, 2
ENDS = ("finished", "dropped", "lost")
"""How a trigger can end: a training that ran to its end, one that found no place, one whose node left the mesh."""
REASONS = tuple(Reason)

_NUMBER = {reason: number for number, reason in enumerate(REASONS)}
_FIELDS = {
    "job": "i4", "time": "f8", "end": "i1", "reason": "i1", "hops": "u2", "node": "i4",
    "limit": "f4", "seconds": "f4", "complete": "f4",
}  # fmt: skip
_ENTRY = np.dtype(list(_FIELDS.items()))
_pack = struct.Struct("=idbbHifff").pack
_job = struct.Struct("=i").unpack_from
_END = int(_ENTRY.fields["end"][1])  # type: ignore[index]


class TriggerLog:
    """One entry per trigger, in the order of the triggers; 32 bytes each, in memory until they are settled.

    What is settled lies in a temporary file without a name, which stays open as long as the log is there: a long run on
    many nodes keeps only its newest entries in memory, if the folder of temporary files (`TMPDIR`) is on a disk.
    """

    __slots__ = ("__weakref__", "_entries", "_file", "_settled")

    def __init__(self, entries: bytes = b"") -> None:
        """Begin with what another log held, or with nothing."""
        self._entries = bytearray(entries)
        self._settled = 0  # bytes in the file
        self._file = -1

    def __len__(self) -> int:
        """Return how many triggers there were."""
        return (self._settled + len(self._entries)) // _ENTRY.itemsize

    def __bytes__(self) -> bytes:
        """Return all entries as they lie one after another."""
        return b"".join([*self._read(), self._entries])

    def __reduce__(self) -> "tuple[type[TriggerLog], tuple[bytes]]":
        """Copy or pickle all entries: a copy has its own file."""
        return TriggerLog, (bytes(self),)

    def settle(self) -> None:
        """Move entries out of memory if there are more than `LOG_BYTES` bytes of them.

        Raises:
            RunError: They cannot be written, as when the disk is full.
        """
        if len(self._entries) <= LOG_BYTES:
            return
        with _file_errors():
            if self._file < 0:
                file = tempfile.TemporaryFile(buffering=0)
                weakref.finalize(self, file.close)
                self._file = file.fileno()
            end = self._settled
            with memoryview(self._entries) as entries:
                while end < self._settled + len(entries):
                    end += os.pwrite(self._file, entries[end - self._settled :], end)
        self._entries, self._settled = bytearray(), end

    def _read(self) -> list[bytes]:
        """Return what is settled, in pieces."""
        pieces, at = [], 0
        while at < self._settled:
            pieces.append(os.pread(self._file, self._settled - at, at))
            at += len(pieces[-1])
        return pieces

    def dropped(self, job: int, time: float, reason: Reason, hops: int, node: int) -> None:
        """Note a trigger that found no place; the arguments are described at `frame`."""
        self._entries += _pack(job, time, DROPPED, _NUMBER[reason], hops, node, 0.0, 0.0, 0.0)

    def placed(
        self, job: int, time: float, reason: Reason, hops: int, node: int, limit: float, seconds: float, complete: float
    ) -> int:
        """Note a trigger whose training runs; returns its place in the log, for `lose`."""
        entries = self._entries
        place = self._settled + len(entries)
        entries += _pack(job, time, FINISHED, _NUMBER[reason], hops, node, limit, seconds, complete)
        return place

    def lose(self, place: int) -> int:
        """Note that the node left before the training at that place ended; returns its job."""
        at = place - self._settled
        if at < 0:
            with _file_errors():
                os.pwrite(self._file, bytes([LOST]), place + _END)
            entry: bytes | bytearray = os.pread(self._file, _ENTRY.itemsize, place)
            at = 0
        else:
            entry = self._entries
            entry[at + _END] = LOST
        job: int = _job(entry, at)[0]
        return job

    def entries(self) -> npt.NDArray[np.void]:
        """Return the log as a structured array with the columns of `frame`, codes in place of words."""
        return np.frombuffer(bytes(self), dtype=_ENTRY)

    def frame(self) -> pd.DataFrame:
        """Return the log as a table.

        Returns:
            One row per trigger: `job`, whose; `time`, when, in seconds; `end`, one of `ENDS`; `reason`, that of the
            last decision on it; `hops`, how often it was handed over; `node`, where it ran or was dropped; `limit`, in
            millicores, `seconds`, t_job, and `complete`, t_complete: 0 if it did not run.
        """
        entries = self.entries()
        wide = {"i": np.int64, "u": np.int64, "f": np.float64}
        table = pd.DataFrame({name: entries[name].astype(wide[_ENTRY[name].kind]) for name in _FIELDS})
        table["end"] = _words(entries["end"], ENDS)
        table["reason"] = _words(entries["reason"], [str(reason) for reason in REASONS])
        return table


@contextmanager
def _file_errors() -> Iterator[None]:
    """Turn an error of the temporary file into one line."""
    try:
        yield
    except OSError as error:
        where = tempfile.tempdir or "any folder of temporary files"
        raise RunError(
            f"cannot keep the log of a run in {where}: {error.strerror}; make room, or name another folder in TMPDIR"
        ) from error


def _words(codes: npt.NDArray[np.int8], words: Sequence[str]) -> "pd.Categorical[str]":
    return pd.Categorical.from_codes(codes.astype(np.int64), categories=pd.Index(words))


_BUSY = Reason.BUSY  # a look-up in an enumeration is slow
_ROUNDING = 1 + 1e-9
_new = tuple.__new__  # makes a named tuple in half the time of its own constructor

Trigger = tuple[float, int, float, float]
"""When, in seconds; the job's number; the factor on the duration; what the monitoring adds to the utilisation."""


_Training = tuple[int, float, float, float, float]
"""Where a training runs, its limit, t_job, t_complete, and the utilisation that the monitoring reports."""


class _Stream:
    """A job, when its last training ends, and how that ran: kept until the policy learns of it or it is lost."""

    __slots__ = ("end", "host", "job", "request", "training")

    def __init__(self, number: int, job: Job, host: Host) -> None:
        self.job = job
        self.host = host
        self.request = Request(number, job.period)
        self.end = -math.inf
        self.training: _Training | None = None


class SimulationState:
    """Nodes, what runs on them, and what became of the triggers.

    Args:
        mesh: Nodes and links.
        jobs: Streams.
        policy: What decides.
        times: How long trainings really take.
        interval: Time between two exchanges, in seconds; 0 means always fresh.
        loss: Share of exchanges that get lost.
        draws: What is random.
        drift: Factor on the CPU time of trainings by time; None for none.
        watch: Called with time, node, request and decision, of every decision.

    Attributes:
        log: What became of each trigger.
        handovers: Requests that each node handed over.
        megabytes: Models and samples that were sent to where trainings ran, by source node.
        view: What nodes see.

    Raises:
        InputError: The prediction jobs of a node need more than it has.
    """

    __slots__ = (
        "_bound", "_drift", "_forget", "_hosts", "_learn", "_mesh", "_overhead", "_policy", "_routes", "_streams",
        "_times", "_transfers", "_tried", "_trigger", "_watch", "handovers", "log", "megabytes", "view",
    )  # fmt: skip

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
        self._learn: Callable[[TrainingReport], None] | None = getattr(policy, "learn", None)
        self._drift, self._watch = drift, watch
        self._hosts = _hosts(mesh, jobs, draws.phases)
        self._routes = Routes(mesh)
        self._transfers = Transfers(mesh)
        self._bound = TransferLowerBound(mesh)
        self._streams = [_Stream(i, job, self._hosts[job.source]) for i, job in enumerate(jobs)]
        self._forget = interval * (1 + (LOST_IN_A_ROW if loss > 0 else 0))
        self._overhead = times.start + times.stop
        self._trigger: Trigger = (0.0, 0, 1.0, 0.0)  # the one that looks for a node
        self._tried: tuple[int, ...] = ()
        self.log = TriggerLog()
        self.handovers = [0] * len(mesh.nodes)
        self.megabytes = [0.0] * len(mesh.nodes)
        self.view = NodeView(
            mesh, self._hosts, self._routes,
            interval=interval, loss=loss, key=draws.key, rng=draws.rng, foresight=self._foresight,
        )  # fmt: skip

    def trigger(self, triggers: Iterable[Trigger]) -> None:
        """Let jobs look for a node for a training, one after another, unless their source is away.

        Args:
            triggers: By their times, none of them before an earlier call.

        Raises:
            ValueError: The policy decides what cannot be done.
        """
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
                decision = decide(request, view)
                if decision.__class__ is not Decision or decision[0].__class__ is not Reason:
                    raise InputError(
                        f"{policy_name(self._policy)} returned {decision!r}; return Decision.run_at(node, limit), "
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
                        raise InputError(
                            f"{policy_name(self._policy)}: node {node} cannot run a training so: {decision}"
                        )
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
        states = self.view.states
        if states is not None:
            states.change(node, time, up=up)

    def _lose(self, host: Host, time: float) -> None:
        for _, end, _, _, place in host.runs:
            if end > time:
                stream = self._streams[self.log.lose(place)]
                stream.training, stream.end = None, -math.inf
        host.runs = ()

    def _hand_over(self, node: int, goal: int, tried: tuple[int, ...]) -> tuple[int, ...]:
        if not isinstance(goal, (int, np.integer)) or not 0 <= goal < len(self._hosts):
            raise InputError(
                f"{policy_name(self._policy)}: node {node} cannot hand over to {goal!r}; give the number of a node, "
                f"from 0 to {len(self._hosts) - 1}, such as view.neighbours()[0].node"
            )
        direct = goal in self._mesh.neighbours[node] and self._hosts[goal].up
        if goal == node or goal in tried or not (direct or self.view.reaches(goal)):
            raise InputError(f"{policy_name(self._policy)}: node {node} cannot hand over to node {goal} after {tried}")
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
            raise InputError(
                f"{policy_name(self._policy)}: node {node} has {cpu:g} millicores free at {time:g} s, not {limit:g}"
            )
        held = job.training_memory
        if held > memory:
            self.log.dropped(number, time, Reason.NO_CAPACITY, len(tried), node)
            start_failed = getattr(self._policy, "start_failed", None)
            if start_failed is not None:
                start_failed(number, memory)
            return
        work = job.work if self._drift is None else job.work * self._drift(time)
        seconds, used = self._times.seconds(host.kind, limit, work)
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
        work = job.work if self._drift is None else job.work * self._drift(time)
        return Foresight(
            (*self._tried, self.view.node), time, work, noise, self._overhead,
            job, self._times, self._routes, self._transfers, self._bound,
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


CALL_BYTES = 256
"""Size taken for a request that is handed over, its token included."""
STATE_BYTES = 128
"""Size taken for an availability that is exchanged."""


def policy_name(policy: SchedulingPolicy) -> str:
    """Return what a policy is called in tables: its `name`, or that of its class."""
    return str(getattr(policy, "name", type(policy).__name__))


class Change(NamedTuple):
    """A node leaves or joins.

    Attributes:
        time: When, in seconds.
        node: Which.
        up: Whether it joins.
    """

    time: float
    node: int
    up: bool


class Step(NamedTuple):
    """One decision on the way of a trigger, for a trace of decisions.

    Attributes:
        time: When, in seconds.
        node: Who decided.
        request: On what.
        decision: What, and why.
    """

    time: float
    node: int
    request: Request
    decision: Decision


@dataclass
class SimulationResult:
    """What a run leaves behind.

    Attributes:
        log: What became of each trigger.
        handovers: Requests that each node handed over.
        megabytes: Models and samples that were sent to where trainings ran, by source node.
        synced: Availabilities read with global knowledge.
    """

    log: TriggerLog
    handovers: list[int]
    megabytes: list[float]
    synced: int = 0


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
    watch: Callable[[Step], None] | None = None,
) -> SimulationResult:
    """Run a policy on a mesh in virtual time, event by event; `experiment.simulate` puts its arguments together.

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
        watch: Called with every decision.

    Raises:
        InputError: A number makes no sense, or prediction jobs do not fit their node.
        RunError: The log of a long run cannot be written (see `TriggerLog.settle`).
        ValueError: The policy decides what cannot be done.
    """
    _check(mesh, jobs, changes, seconds, interval, loss)
    draws = random_draws(seed, len(mesh.nodes), interval)
    state = SimulationState(
        mesh,
        jobs,
        policy,
        times,
        interval=interval,
        loss=loss,
        draws=draws,
        drift=drift,
        watch=None if watch is None else lambda *step: watch(Step(*step)),
    )
    first = [change.time for change in changes] + [job.first for job in jobs]
    every = [math.inf] * len(changes) + [job.period for job in jobs]
    with _collector_paused():
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
    return SimulationResult(state.log, state.handovers, state.megabytes, state.view.synced)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector from looking through all nodes again and again: a run leaves no cycles behind."""
    ran = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if ran:
            gc.enable()


def _check(
    mesh: Mesh, jobs: Sequence[Job], changes: Sequence[Change], seconds: float, interval: float, loss: float
) -> None:
    if not (0 <= seconds < math.inf and 0 <= interval < math.inf and 0 <= loss <= 1):
        raise InputError(
            f"seconds and interval must be finite and at least 0, loss a share: {seconds:g}, {interval:g}, {loss:g}"
        )
    count = len(mesh.nodes)
    for number, job in enumerate(jobs):
        if not (0 <= job.source < count and 0 < job.period < math.inf and 0 <= job.first < math.inf):
            raise InputError(f"job {number} needs a source in the mesh, a period above 0 and a first trigger: {job}")
    for change in changes:
        if not (0 <= change.node < count and 0 <= change.time < math.inf):
            raise InputError(f"a change needs a node in the mesh and a time of at least 0: {change}")
