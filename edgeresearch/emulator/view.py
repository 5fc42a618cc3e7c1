"""States of the nodes, and what a node sees of them."""

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from edgeresearch.emulator.network import Mesh, Routes, Transfers
from edgeresearch.emulator.workload import Job, Truth, uniform
from edgeresearch.scheduling.messages import Availability, Decision, Report, Request
from edgeresearch.scheduling.runtime_model import Numbers, complete

KEPT = 256 * 2**20
"""Bytes of times to every node that are kept at most, for as many sources as fit."""

Floats = npt.NDArray[np.float64]
_BELOW = 1 - 1e-9  # sums are taken in another order than a transfer's


class Soonest:
    """Times that no transfer falls below, whichever way it takes, whatever moves, is shared, or is away.

    Args:
        mesh: Nodes and links.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._times: dict[tuple[int, float], Floats] = {}
        self._most = max(1, KEPT // (8 * len(mesh.nodes) or 1))

    def seconds(self, start: int, megabytes: float) -> Floats:
        """Return the least time from a node to each other, `(nodes,)`, infinite without a way; not to be changed."""
        times = self._times.get((start, megabytes))
        if times is None:
            if len(self._times) >= self._most:
                del self._times[next(iter(self._times))]
            far = self._mesh.latencies
            took = far.data + 8 * megabytes * self._slowness.data
            links = csr_array((took, far.indices, far.indptr), shape=far.shape)
            times = self._times[start, megabytes] = dijkstra(links, indices=[start])[0] * _BELOW
        return times

    @cached_property
    def _slowness(self) -> csr_array:
        """Seconds per megabit of the links, in the order of `Mesh.latencies`."""
        links = self._mesh.links
        ends = [link.one for link in links], [link.other for link in links]
        slow = [1 / link.bandwidth for link in links]
        both = (ends[0] + ends[1], ends[1] + ends[0])
        return csr_array((np.array(slow + slow, dtype=np.float64), both), shape=self._mesh.latencies.shape)


@dataclass(frozen=True, slots=True)
class Ahead:
    """The training that is looked a place for: what it needs, and how long it and its transfer will take.

    Attributes:
        path: Nodes that had the request so far; the one that looks comes last.
        time: Now, in seconds.
        work: Factor on the part of the time that depends on the CPU, with what it has drifted to.
        noise: Factor on its duration.
        overhead: t_start + t_stop, in seconds.
    """

    path: Sequence[int]
    time: float
    work: float
    noise: float
    overhead: float
    _job: Job
    _truth: Truth
    _routes: Routes
    _transfers: Transfers
    _soonest: Soonest

    @property
    def memory(self) -> float:
        """Megabytes that it needs to start."""
        return self._job.training_memory

    def job(self, kind: str, limit: Numbers) -> Numbers:
        """Return t_job on a node class under a limit, or each of an array of them, in millicores; in seconds."""
        return self.plain(kind, limit) * self.noise

    def plain(self, kind: str, limit: Numbers) -> Numbers:
        """Return t_job but for the noise: the same for each training of as much `work`."""
        return self._truth.seconds(kind, limit, self.work)[0]

    def send(self, node: int) -> float:
        """Return t_send to a node that the one that looks reaches, if it began now, in seconds."""
        path = (*self.path[:-1], *self._routes.path(self.path[-1], node))
        return self._transfers.ahead(path, self._job.megabytes, self.time)

    def soonest(self) -> Floats:
        """Return what t_send to each node does not fall below, `(nodes,)`; not to be changed."""
        return self._soonest.seconds(self.path[-1], self._job.megabytes)


Run = tuple[float, float, float, float, int]
"""What a training holds: start (its decision; the reservation holds from then on) and end (everything done, container
removed), in seconds; millicores; megabytes; its place in the log."""


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
        self.number = number
        self.kind = kind
        self.capacity = capacity
        self.cpu = capacity
        self.memory = memory
        self.phase = phase
        self.up = True
        self.since = 0.0
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


class Board:
    """Free CPU and memory of every node, `(nodes,)`, as `Host.free` has them; read anew only where they changed.

    What is free on a node changes when a training starts, which is told (`start`), when one ends, which follows from
    what was told (`at`), and as the node leaves or joins (`change`).

    Args:
        hosts: The nodes, by their numbers.
        time: Now, in seconds.

    Attributes:
        cpu: Free CPU, in millicores; of a node that is away minus infinity.
        memory: Free memory, in megabytes; likewise.
        utilisation: Share of the CPU in use; infinite of a node that is away.
        kinds: Node classes.
        kind: Place of each node's class among them.
        count: Nodes in the mesh.
    """

    __slots__ = ("_ends", "_hosts", "count", "cpu", "kind", "kinds", "memory", "utilisation")

    def __init__(self, hosts: Sequence[Host], time: float) -> None:
        self._hosts = hosts
        self.cpu: Floats = np.empty(len(hosts))
        self.memory: Floats = np.empty(len(hosts))
        self.utilisation: Floats = np.empty(len(hosts))
        self.kinds = sorted({host.kind for host in hosts})
        self.kind = np.array([self.kinds.index(host.kind) for host in hosts], dtype=np.intp)
        self.count = sum(host.up for host in hosts)
        self._ends = [(run[1], host.number) for host in hosts for run in host.runs]
        heapq.heapify(self._ends)
        for host in hosts:
            self._read(host.number, time)

    def at(self, time: float) -> "Board":
        """Return the board as it is at a time, in seconds, not before an earlier one: trainings have ended by then."""
        ends = self._ends
        while ends and ends[0][0] <= time:
            self._read(heapq.heappop(ends)[1], time)
        return self

    def start(self, node: int, end: float, time: float) -> None:
        """Take the news that a training started on a node, which ends at `end`, in seconds."""
        heapq.heappush(self._ends, (end, node))
        self._read(node, time)

    def change(self, node: int, time: float, *, up: bool) -> None:
        """Take the news that a node joined, or left with all that ran there."""
        self.count += 1 if up else -1
        self._read(node, time)

    def _read(self, node: int, time: float) -> None:
        host = self._hosts[node]
        if not host.up:
            self.cpu[node] = self.memory[node] = -math.inf
            self.utilisation[node] = math.inf
            return
        cpu, memory = host.free(time)
        self.cpu[node], self.memory[node] = cpu, memory
        self.utilisation[node] = 1 - cpu / host.capacity


LOST_IN_A_ROW = 8
"""Lost exchanges after which a reader has the one before them, come what may."""

_INFINITE = math.inf
_new = tuple.__new__  # makes a named tuple in half the time of its own constructor


class View:
    """The world as the node sees it that has a request now.

    Exchanges are lazy: what a neighbour last published is computed when it is read, and no exchange is an event. At one
    and the same moment trainings end first, then nodes join, then they exchange, then streams trigger.

    Attributes:
        time: Now, in seconds.
        node: Who looks.
        synced: Availabilities that were read with global knowledge.
        board: What `survey` returns, which whoever changes a host has to tell; None until it is asked for.
    """

    __slots__ = (
        "_ahead",
        "_around",
        "_hosts",
        "_interval",
        "_loss",
        "_mesh",
        "_routes",
        "_seed",
        "_still",
        "board",
        "node",
        "synced",
        "time",
    )

    def __init__(
        self,
        mesh: Mesh,
        hosts: Sequence[Host],
        routes: Routes,
        *,
        interval: float,
        loss: float = 0.0,
        seed: int = 0,
        ahead: Callable[[], Ahead] | None = None,
    ) -> None:
        self._mesh = mesh
        self._around = mesh.neighbours
        self._hosts = hosts
        self._routes = routes
        self._interval = interval
        self._loss = loss
        self._seed = seed
        self._still = mesh.still
        self._ahead = ahead
        self.board: Board | None = None
        self.time = 0.0
        self.node = 0
        self.synced = 0

    @property
    def mesh(self) -> Mesh:
        """Nodes and links."""
        return self._mesh

    def here(self) -> Availability:
        """Return the state of the node itself, true now."""
        node, time = self.node, self.time
        host = self._hosts[node]
        cpu, memory = host.free(time)
        return _new(Availability, (node, time, cpu, memory, 1 - cpu / host.capacity, host.kind, 0.0, _INFINITE))

    def true(self, node: int) -> Availability:
        """Return the true state of any node, as only an observer with global knowledge has it."""
        host, time = self._hosts[node], self.time
        cpu, memory = host.free(time)
        return _new(Availability, (node, time, cpu, memory, 1 - cpu / host.capacity, host.kind, 0.0, _INFINITE))

    def neighbours(self) -> list[Availability]:
        """Return what the neighbours that are in the mesh last published, in ascending order."""
        return list(self.around())

    def around(self) -> Iterator[Availability]:
        """Yield what `neighbours` returns, one by one: for those who need not ask them all."""
        time, interval, hosts, still, loss = self.time, self._interval, self._hosts, self._still, self._loss
        for number, link in self._around[self.node].items():
            host = hosts[number]
            if not host.up:
                continue
            if interval <= 0:
                seen = time
                cpu, memory = host.free(seen)
            else:
                phase = host.phase
                count = (time - phase) // interval
                if loss > 0:
                    count = self._received(number, int(count))
                seen = phase + count * interval
                if seen < host.since:
                    seen = host.since
                cpu, memory = host.published(seen) if host.runs else (host.cpu, host.memory)
            far = link.latency if still else self._mesh.latency(link, time)
            yield _new(
                Availability,
                (number, seen, cpu, memory, 1 - cpu / host.capacity, host.kind, far, link.bandwidth),
            )

    def _received(self, neighbour: int, count: int) -> int:
        for _ in range(LOST_IN_A_ROW):
            if uniform(self._seed, self.node, neighbour, count) >= self._loss:
                break
            count -= 1
        return count

    def reaches(self, node: int) -> bool:
        """Return whether there is a way from here to a node on which every node is in the mesh."""
        return self._routes.reaches(self.node, node)

    def reached(self) -> npt.NDArray[np.bool_]:
        """Return of every node whether `reaches` is so, `(nodes,)`."""
        return self._routes.reached(self.node)

    def within(self, layer: str) -> Sequence[int]:
        """Return the nodes of a layer that `reaches` is so of, in ascending order."""
        return self._routes.within(self.node, layer)

    def next_hop(self, node: int) -> int | None:
        """Return the neighbour on the fastest way from here to a node; None if there is none."""
        return self._routes.next_hop(self.node, node)

    def everyone(self) -> list[Availability]:
        """Return the true state of every node in the mesh; each one read counts as synchronised."""
        found = [self.true(host.number) for host in self._hosts if host.up]
        self.synced += len(found)
        return found

    def survey(self) -> Board:
        """Return what `everyone` does as arrays, and count it likewise; it is what they are until the next decision."""
        if self.board is None:
            self.board = Board(self._hosts, self.time)
        board = self.board.at(self.time)
        self.synced += board.count
        return board

    def foresee(self, node: int, limit: float) -> float:
        """Return t_complete of the training that is looked a place for, in seconds, as only an oracle knows it.

        Args:
            node: Where it would run, handed over from here; `reaches` it.
            limit: In millicores.

        Returns:
            The time; infinite where there is no memory for it.
        """
        ahead, host = self.ahead(), self._hosts[node]
        if ahead.memory > host.free(self.time)[1]:
            return math.inf
        return complete(ahead.job(host.kind, limit), ahead.send(node), ahead.overhead)

    def ahead(self) -> Ahead:
        """Return what `foresee` builds on, for those who ask about many nodes and limits."""
        if self._ahead is None:
            raise ValueError("nothing is known of the future here")
        return self._ahead()


class Policy(Protocol):
    """What decides where trainings run; LOS is one (`edgeresearch.emulator.policies`).

    Attributes:
        name: What it is called in tables.
        listens: Whether its nodes exchange their availability; that is traffic.
        learns: Whether it learns from trainings: only then it hears of them, and its nodes tell each other; that is
            traffic too.
    """

    name: str
    listens: bool
    learns: bool

    def decide(self, request: Request, view: View, rng: np.random.Generator) -> Decision:
        """Return what the node does that has the request now.

        To run the training here, to hand it over to a node that the view `reaches` and that the token has not yet, or
        to drop it.
        """
        ...

    def learn(self, report: Report) -> None:
        """Take the report of a run that ended, if it `learns`: at its job's next trigger, before it decides on that."""
        ...

    def fail(self, job: int, memory: float) -> None:
        """Take the news that a training did not start, as the node had no more than so many megabytes free."""
        ...
