"""Scheduling policies: what they see of the world, LOS, and what it is compared with."""

import copy
import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import numpy as np
import numpy.typing as npt

from edgeresearch.emulator.network import Floats, Job, Mesh, Routes, Transfers
from edgeresearch.emulator.settings import PolicyName
from edgeresearch.errors import check_known, check_object
from edgeresearch.scheduling.los import LOS, LearningPolicy
from edgeresearch.scheduling.messages import Availability, Decision, Reason, Request
from edgeresearch.scheduling.runtime_model import Numbers, complete
from edgeresearch.scheduling.settings import Fitting, Limits, Rules

if TYPE_CHECKING:
    from edgeresearch.emulator.simulation import Host, TrainingTimes


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
    _times: "TrainingTimes"
    _routes: Routes
    _transfers: Transfers

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
        return self._transfers.least_seconds(self.path[-1], self._job.megabytes)


class NodeStates:
    """Free CPU and memory of every node, `(nodes,)`, as `Host.free` has them; read anew only where they changed.

    That is when a training starts (`start`) or ends (`at`), and when a node leaves or joins (`change`).

    Attributes:
        cpu: Free CPU, in millicores; of a node that is away minus infinity.
        memory: Free memory, in megabytes; likewise.
        utilisation: Share of the CPU in use; infinite of a node that is away.
        kinds: Node classes.
        kind: Place of each node's class among them.
        count: Nodes in the mesh.
    """

    __slots__ = ("_ends", "_hosts", "count", "cpu", "kind", "kinds", "memory", "utilisation")

    def __init__(self, hosts: "Sequence[Host]", time: float) -> None:
        self._hosts = hosts
        self.cpu, self.memory, self.utilisation = (np.empty(len(hosts)) for _ in range(3))
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
        mesh: Nodes and links.
        rng: For policies that draw at random.
        foresight: Tells what only an oracle knows of the training that looks for a node (see `Foresight`).
        synced: Availabilities that were read with global knowledge.
        states: What `true_states` returns, to be kept up to date by whoever changes a host; None until it is asked for.
    """

    __slots__ = (
        "_around", "_hosts", "_interval", "_lost", "_routes", "_still", "foresight", "mesh", "node", "rng", "states",
        "synced", "time",
    )  # fmt: skip

    def __init__(
        self,
        mesh: Mesh,
        hosts: "Sequence[Host]",
        routes: Routes,
        *,
        interval: float,
        lost: Callable[[int, int, int], bool] | None,
        rng: np.random.Generator,
        foresight: Callable[[], Foresight],
    ) -> None:
        self.mesh, self._hosts, self._routes = mesh, hosts, routes
        self._around, self._still = mesh.neighbours, mesh.still
        self._interval, self._lost = interval, lost
        self.rng, self.foresight = rng, foresight
        self.time, self.node, self.synced = 0.0, 0, 0
        self.states: NodeStates | None = None

    def here(self) -> Availability:
        """Return the state of the node itself, true now."""
        node, time = self.node, self.time  # as `true_state`, without the call: every decision begins here
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
        time, interval, hosts, still, lost = self.time, self._interval, self._hosts, self._still, self._lost
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
                if lost is not None:
                    last = count - LOST_IN_A_ROW
                    while count > last and lost(self.node, number, int(count)):
                        count -= 1
                seen = phase + count * interval
                if seen < host.since:
                    seen = host.since
                cpu, memory = host.published(seen) if host.runs else (host.cpu, host.memory)
            far = link.latency if still else self.mesh.latency(link, time)
            yield _new(
                Availability, (number, seen, cpu, memory, 1 - cpu / host.capacity, host.kind, far, link.bandwidth)
            )

    def reaches(self, node: int) -> bool:
        """Return whether there is a way from here to a node on which every node is in the mesh."""
        return self._routes.reaches(self.node, node)

    def reachable(self) -> npt.NDArray[np.bool_]:
        """Return for every node whether there is a way to it, `(nodes,)`."""
        return self._routes.reachable(self.node)

    def reachable_in(self, layer: str) -> Sequence[int]:
        """Return the nodes of a layer that there is a way to, in ascending order."""
        return self._routes.within(self.node, layer)

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


def policy_name(policy: SchedulingPolicy) -> str:
    """Return what a policy is called in tables: its `name`, or that of its class."""
    return str(getattr(policy, "name", type(policy).__name__))


_ROUNDING = 1e-9


class _Choice(NamedTuple):
    """A limit on a node; the smallest choice is the best."""

    held: float
    away: bool
    node: int
    limit: float
    seconds: float


class Oracle:
    """Knows every node's true state and how long each training will take, and takes what holds the least CPU time.

    It drops what meets its period at no node that it reaches. It shows how far from the best a policy is: where it
    drops nothing nobody can do better, elsewhere it is greedy and the best may drop less.
    """

    name = "oracle"
    listens = False

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008 - frozen
        steps = int(math.log(limits.ceiling / limits.floor) / 0.05) + 2
        grid = np.geomspace(limits.floor, limits.ceiling, steps).round(9)  # its last digits differ between processors
        self.limits = np.sort(grid)
        self.floor, self.ceiling = limits.floor, limits.ceiling
        self._jobs: dict[str, tuple[float, Floats]] = {}

    def decide(self, request: Request, view: NodeView) -> Decision:
        """Return what the node does that has the request now."""
        if request.tried:
            return Decision(Reason.CHOSEN, view.node, True, request.limit)
        search = _Search(self, view, request.period)
        open_ = search.least()
        best = None
        while True:
            node = int(open_.argmin())
            if open_[node] == np.inf or (best is not None and open_[node] > best.held):
                break
            open_[node] = np.inf
            found = search.best(node)
            if found is not None:
                best = found if best is None else min(best, found)
        if best is None:
            return Decision(Reason.NO_CAPACITY)
        return Decision(Reason.CHOSEN, best.node, not best.away, best.limit, best.seconds)

    def jobs(self, kind: str, ahead: Foresight) -> Floats:
        """Return t_job without noise under each of `limits` on a node class; kept while trainings need as much work."""
        work, jobs = self._jobs.get(kind, (math.nan, self.limits))
        if work != ahead.work:
            # One by one: the last digit of numpy's power differs between processors.
            jobs = np.array([ahead.job_without_noise(kind, limit) for limit in self.limits.tolist()])
            self._jobs[kind] = ahead.work, jobs
        return jobs


class _Search:
    """What one training would hold where: of a grid of limits and of all that is free, those that meet its period."""

    def __init__(self, oracle: Oracle, view: NodeView, period: float) -> None:
        self._oracle, self._view, self._period = oracle, view, period
        self._states, self._foresight = view.true_states(), view.foresight()
        self._steps: dict[int, list[tuple[float, float, float]]] = {}
        """By node class, for each limit that meets the period without a transfer: it, t_job under it, and the CPU time
        that this and every larger limit hold at least."""

    def best(self, node: int) -> _Choice | None:
        """Return the best limit on a node; None if all that is free there does not meet the period."""
        ahead, kind = self._foresight, int(self._states.kind[node])
        send, away = ahead.send(node), node != self._view.node
        most = min(float(self._states.cpu[node]), self._oracle.ceiling)
        whole = complete(ahead.job(self._states.kinds[kind], most), send, ahead.overhead)
        if whole > self._period:
            return None
        best = _Choice(most * whole, away, node, most, whole)
        for limit, job, rest in self._steps[kind]:
            if limit >= most or rest > best.held:
                break
            whole = complete(job, send, ahead.overhead)
            if whole <= self._period:
                best = min(best, _Choice(limit * whole, away, node, limit, whole))
        return best

    def least(self) -> Floats:
        """Return what the best of each node does not fall below, `(nodes,)`; infinite where there is surely none.

        A transfer takes `Foresight.least_send` at least, and the smallest limit that is quick enough for each second.
        """
        states, ahead, period = self._states, self._foresight, self._period * (1 + _ROUNDING)
        send, most = ahead.least_send(), np.minimum(states.cpu, self._oracle.ceiling)
        able = self._view.reachable() & (most >= self._oracle.floor) & (states.memory >= ahead.memory)
        found = np.full(len(most), np.inf)
        for kind, name in enumerate(states.kinds):
            nodes = np.flatnonzero(able & (states.kind == kind))
            if not len(nodes):
                continue
            jobs = self._oracle.jobs(name, ahead) * ahead.noise
            fits = complete(jobs, 0.0, ahead.overhead) <= self._period
            limits, jobs = self._oracle.limits[fits], jobs[fits]
            alone = complete(jobs, 0.0, ahead.overhead)
            rest = np.minimum.accumulate((limits * alone)[::-1])[::-1]
            self._steps[kind] = list(zip(limits.tolist(), jobs.tolist(), rest.tolist(), strict=True))
            own, far = most[nodes], send[nodes]
            first = np.searchsorted(np.maximum.accumulate(period - alone), far)
            whole = complete(ahead.job(name, own), far, ahead.overhead)
            held = np.minimum(own * whole, np.append(rest, np.inf)[first] + np.append(limits, 0.0)[first] * far)
            found[nodes] = np.where(whole <= period, held * (1 - _ROUNDING), np.inf)
        return found


class InSitu(LearningPolicy):
    """At the source or not at all."""

    name = "in_situ"
    listens = False

    def decide(self, request: Request, view: NodeView) -> Decision:
        """Return what the node does that has the request now."""
        return self.place(request, view.here()) or Decision(Reason.NO_CAPACITY)


class RandomNeighbour(LearningPolicy):
    """Here if feasible, else at a random neighbour, up to the hop limit; tokens are kept as in LOS."""

    name = "random"

    def decide(self, request: Request, view: NodeView) -> Decision:
        """Return what the node does that has the request now."""
        here = self.place(request, view.here())
        if here:
            return here
        if request.hops >= self.rules.hop_limit:
            return Decision(Reason.HOPS)
        around = [node.node for node in view.neighbours()]
        if not around:
            return Decision(Reason.NO_NEIGHBOUR)
        node = around[int(view.rng.integers(len(around)))]
        return Decision(Reason.CYCLE) if node in request.tried else Decision(Reason.CHOSEN, node)


class Cloud(LearningPolicy):
    """Straight to the cloud, next hop by next hop, to its nodes in turn."""

    name = "cloud"
    listens = False

    layer = "cloud"
    _turn = 0

    def decide(self, request: Request, view: NodeView) -> Decision:
        """Return what the node does that has the request now."""
        if view.mesh.nodes[view.node].layer == self.layer:
            return self.place(request, view.here()) or Decision(Reason.NO_CAPACITY)
        goals = view.reachable_in(self.layer)
        if not goals:
            return Decision(Reason.NO_NEIGHBOUR)
        self._turn += 1
        return Decision(Reason.CHOSEN, goals[self._turn % len(goals)])


class LeastLoaded(LearningPolicy):
    """The least utilised node of all, known at every moment: what the paper argues against."""

    name = "least_loaded"
    listens = False

    def decide(self, request: Request, view: NodeView) -> Decision:
        """Return what the node does that has the request now."""
        if request.tried:
            return self.place(request, view.here()) or Decision(Reason.NO_CAPACITY)
        load = self._loads(request, view)
        while True:
            number = int(load.argmin())  # of equal ones the first
            if load[number] == np.inf:
                return Decision(Reason.NO_CAPACITY)
            plan = self.place(request, view.true_state(number))
            if plan:
                return plan if number == view.node else plan._replace(run=False)
            load[number] = np.inf

    def _loads(self, request: Request, view: NodeView) -> Floats:
        """Return the utilisation of every node; infinite where the training surely is not feasible."""
        states, known = view.true_states(), self.history(request.job)
        least = np.array([self.least_cpu(request, kind) for kind in states.kinds])
        able = (states.cpu >= least[states.kind]) & (states.memory >= known.memory_needed)
        return np.where(able & view.reachable(), states.utilisation, np.inf)


POLICIES: Mapping[PolicyName, Callable[[Rules, Limits, Fitting], SchedulingPolicy]] = {
    "los": LOS,
    "in_situ": InSitu,
    "random": RandomNeighbour,
    "cloud": Cloud,
    "least_loaded": LeastLoaded,
    "oracle": lambda rules, limits, fitting: Oracle(limits),
}
"""What makes each policy, by name."""


def make_policy(
    policy: str | SchedulingPolicy,
    rules: Rules = Rules(),  # noqa: B008 - frozen
    limits: Limits = Limits(),  # noqa: B008 - frozen
    fitting: Fitting = Fitting(),  # noqa: B008 - frozen
) -> SchedulingPolicy:
    """Return a policy for one run: one of `POLICIES` by its name, or a copy of an object.

    Raises:
        InputError: The name is unknown.
    """
    if not isinstance(policy, str):
        check_object(policy, "policy", "decide(request, view)")
        return copy.deepcopy(policy)
    check_known("policy", policy, POLICIES)
    return POLICIES[cast(PolicyName, policy)](rules, limits, fitting)
