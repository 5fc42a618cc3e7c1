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
from edgeresearch.emulator.workload import Job, TrainingTimes, keyed_uniform
from edgeresearch.errors import InputError
from edgeresearch.scheduling.messages import Availability, Decision, Request
from edgeresearch.scheduling.runtime_model import Numbers, complete

BOUND_BYTES = 256 * 2**20
"""Memory for lower bounds of transfers: those to every node from as many sources as fit are kept."""

Floats = npt.NDArray[np.float64]
_BELOW = 1 - 1e-9  # sums are taken in another order than a transfer's


class TransferLowerBound:
    """Times that no transfer falls below, whichever way it takes, whatever moves, is shared, or is away.

    Args:
        mesh: Nodes and links.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._times: dict[tuple[int, float], Floats] = {}
        self._most = max(1, BOUND_BYTES // (8 * len(mesh.nodes) or 1))

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
class Foresight:
    """What only an oracle knows of the training that looks for a node: its needs, its duration, its transfer.

    Attributes:
        path: Nodes that had the request so far; the one that decides comes last.
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
    _times: TrainingTimes
    _routes: Routes
    _transfers: Transfers
    _bound: TransferLowerBound

    @property
    def memory(self) -> float:
        """Megabytes that it needs to start."""
        return self._job.training_memory

    def job(self, kind: str, limit: Numbers) -> Numbers:
        """Return t_job on a node class under a limit, or each of an array of them, in millicores; in seconds."""
        return self.job_without_noise(kind, limit) * self.noise

    def job_without_noise(self, kind: str, limit: Numbers) -> Numbers:
        """Return t_job without its noise: the same for each training of as much `work`."""
        return self._times.seconds(kind, limit, self.work)[0]

    def send(self, node: int) -> float:
        """Return t_send to a node that the one that decides reaches, if it began now, in seconds."""
        path = (*self.path[:-1], *self._routes.path(self.path[-1], node))
        return self._transfers.foresee(path, self._job.megabytes, self.time)

    def least_send(self) -> Floats:
        """Return what t_send to each node does not fall below, `(nodes,)`; not to be changed."""
        return self._bound.seconds(self.path[-1], self._job.megabytes)


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


class NodeStates:
    """Free CPU and memory of every node, `(nodes,)`, as `Host.free` has them; read anew only where they changed.

    What is free on a node changes when a training starts (`start`), when it ends (`at`), and when the node leaves or
    joins (`change`).

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

    def at(self, time: float) -> "NodeStates":
        """Bring the states to a time, in seconds, not before an earlier one: trainings have ended by then."""
        ends = self._ends
        while ends and ends[0][0] <= time:
            self._read(heapq.heappop(ends)[1], time)
        return self

    def start(self, node: int, end: float, time: float) -> None:
        """Count a training that started on a node and ends at `end`, in seconds."""
        heapq.heappush(self._ends, (end, node))
        self._read(node, time)

    def change(self, node: int, time: float, *, up: bool) -> None:
        """Count a node that joined, or that left with all that ran there."""
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
"""Lost exchanges after which a reader has the one before them for sure."""

_INFINITE = math.inf
_new = tuple.__new__  # makes a named tuple in half the time of its own constructor


class NodeView:
    """The world as the node sees it that has a request now.

    Exchanges are lazy: what a neighbour last published is computed when it is read, and no exchange is an event. At one
    and the same moment trainings end first, then nodes join, then they exchange, then streams trigger.

    Attributes:
        time: Now, in seconds.
        node: Which node sees it.
        rng: For policies that draw at random.
        synced: Availabilities that were read with global knowledge.
        states: What `true_states` returns, to be kept up to date by whoever changes a host; None until it is asked for.
    """

    __slots__ = (
        "_around", "_foresight", "_hosts", "_interval", "_key", "_loss", "_mesh", "_routes", "_still", "node", "rng",
        "states", "synced", "time",
    )  # fmt: skip

    def __init__(
        self,
        mesh: Mesh,
        hosts: Sequence[Host],
        routes: Routes,
        *,
        interval: float,
        loss: float = 0.0,
        key: int = 0,
        rng: np.random.Generator,
        foresight: Callable[[], Foresight] | None = None,
    ) -> None:
        self._mesh = mesh
        self._around = mesh.neighbours
        self._hosts = hosts
        self._routes = routes
        self._interval = interval
        self._loss = loss
        self._key = key
        self._still = mesh.still
        self._foresight = foresight
        self.states: NodeStates | None = None
        self.time = 0.0
        self.node = 0
        self.rng = rng
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

    def true_state(self, node: int) -> Availability:
        """Return the true state of any node, as only an observer with global knowledge has it."""
        host, time = self._hosts[node], self.time
        cpu, memory = host.free(time)
        return _new(Availability, (node, time, cpu, memory, 1 - cpu / host.capacity, host.kind, 0.0, _INFINITE))

    def neighbours(self) -> list[Availability]:
        """Return what the neighbours that are in the mesh last published, in ascending order."""
        return list(self.iter_neighbours())

    def iter_neighbours(self) -> Iterator[Availability]:
        """Yield what `neighbours` returns, one by one: for policies that need not ask them all."""
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
                Availability, (number, seen, cpu, memory, 1 - cpu / host.capacity, host.kind, far, link.bandwidth)
            )

    def _received(self, neighbour: int, count: int) -> int:
        for _ in range(LOST_IN_A_ROW):
            if keyed_uniform(self._key, self.node, neighbour, count) >= self._loss:
                break
            count -= 1
        return count

    def reaches(self, node: int) -> bool:
        """Return whether there is a way from here to a node on which every node is in the mesh."""
        return self._routes.reaches(self.node, node)

    def reachable(self) -> npt.NDArray[np.bool_]:
        """Return for every node whether there is a way to it, `(nodes,)`."""
        return self._routes.reachable(self.node)

    def reachable_in(self, layer: str) -> Sequence[int]:
        """Return the nodes of a layer that there is a way to, in ascending order."""
        return self._routes.within(self.node, layer)

    def next_hop(self, node: int) -> int | None:
        """Return the neighbour on the fastest way from here to a node; None if there is none."""
        return self._routes.next_hop(self.node, node)

    def everyone(self) -> list[Availability]:
        """Return the true state of every node in the mesh; each one read counts as synchronised."""
        states = [self.true_state(host.number) for host in self._hosts if host.up]
        self.synced += len(states)
        return states

    def true_states(self) -> NodeStates:
        """Return what `everyone` does as arrays, and count it likewise; it changes with the next decision."""
        if self.states is None:
            self.states = NodeStates(self._hosts, self.time)
        states = self.states.at(self.time)
        self.synced += states.count
        return states

    def foresee(self, node: int, limit: float) -> float:
        """Return t_complete of the training that looks for a node, in seconds, as only an oracle knows it.

        Args:
            node: Where it would run, handed over from here; `reaches` it.
            limit: In millicores.

        Returns:
            The time; infinite where there is no memory for it.
        """
        ahead, host = self.foresight(), self._hosts[node]
        if ahead.memory > host.free(self.time)[1]:
            return math.inf
        return complete(ahead.job(host.kind, limit), ahead.send(node), ahead.overhead)

    def foresight(self) -> Foresight:
        """Return what `foresee` builds on, for policies that ask about many nodes and limits."""
        if self._foresight is None:
            raise InputError("nothing is known of the future here")
        return self._foresight()


class SchedulingPolicy(Protocol):
    """What decides where trainings run; one method is enough.

    This one gives every training 600 millicores, here or at the nearest neighbour that has them free. On Paper B's
    testbed that takes about 180 s, 200 millicores would take 500 s, and periods are 180 to 300 s. A node with two
    streams has 60 millicores left, so most trainings move:

        class NearestFree:
            def decide(self, request, view):
                here = view.here()
                if here.cpu >= 600:
                    return er.Decision.run_at(here.node, limit=600)
                free = [near for near in view.neighbours() if near.cpu >= 600 and near.node not in request.tried]
                nearest = min(free, key=lambda near: near.latency, default=None)
                return er.Decision.hand_over(nearest.node) if nearest else er.Decision.drop()

    Pass an object of it, `er.emulate(policies=["los", NearestFree()])`. Each run gets a deep copy, so that nothing it
    learned leaks into the next one. `LearningPolicy` brings the history of each job and the limits that LOS sets.

    It may also have these, which are looked up when a run begins:

    - `name`: what it is called in tables; the name of its class if it has none;
    - `listens`: whether nodes exchange their availability for it, which counts as traffic; True if it does not say so;
    - `learn(report)`: called with the report of each run that ended, at its job's next trigger, before `decide`; nodes
      then tell each other what they learn, which counts as traffic, too;
    - `start_failed(job, memory)`: called when a training did not start as only `memory` megabytes were free.
    """

    def decide(self, request: Request, view: NodeView) -> Decision:
        """Return what the node does that has the request now.

        To run the training here, to hand it over to a node that the view `reaches` and that the token has not yet, or
        to drop it.
        """
        ...
