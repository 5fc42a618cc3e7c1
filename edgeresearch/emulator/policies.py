"""Scheduling policies: LOS and what it is compared with."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from edgeresearch.emulator.settings import PolicyName
from edgeresearch.emulator.view import NodeView, SchedulingPolicy
from edgeresearch.errors import InputError, nearest
from edgeresearch.scheduling.los import LOS, LearningPolicy
from edgeresearch.scheduling.messages import Decision, Reason, Request
from edgeresearch.scheduling.runtime_model import complete
from edgeresearch.scheduling.settings import Fitting, Limits, Rules

Floats = npt.NDArray[np.float64]
_Grid = dict[str, tuple[float, list[float]]]
"""By node class: the last training's work, and its t_job without noise under each limit of the grid."""
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
        self._limits = sorted(grid.tolist())
        self._bounds = limits.floor, limits.ceiling
        self._seconds: _Grid = {}

    def decide(self, request: Request, view: NodeView) -> Decision:
        """Return what the node does that has the request now."""
        if request.tried:
            return Decision(Reason.CHOSEN, view.node, True, request.limit)
        search = _Search(view, request.period, self._limits, *self._bounds, self._seconds)
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


class _Step(NamedTuple):
    """A limit of the grid on a node class, where it meets the period without a transfer.

    Attributes:
        limit: In millicores.
        job: t_job, in seconds.
        rest: CPU time that this and every larger one hold at least, whatever the transfer takes.
    """

    limit: float
    job: float
    rest: float


class _Search:
    """What one training would hold where: of a grid of limits and of all that is free, those that meet its period."""

    def __init__(
        self, view: NodeView, period: float, limits: Sequence[float], floor: float, ceiling: float, seconds: _Grid
    ) -> None:
        self._view = view
        self._period = period
        self._limits = limits
        self._floor, self._ceiling = floor, ceiling
        self._states, self._foresight = view.true_states(), view.foresight()
        self._seconds = seconds
        self._steps: dict[int, list[_Step]] = {}

    def best(self, node: int) -> _Choice | None:
        """Return the best limit on a node; None if all that is free there does not meet the period."""
        ahead, kind = self._foresight, int(self._states.kind[node])
        send, away = ahead.send(node), node != self._view.node
        most = min(float(self._states.cpu[node]), self._ceiling)
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

        A transfer takes `Foresight.least_send` at least, and the smallest limit of the grid for each second of it.
        """
        states, ahead = self._states, self._foresight
        send, most = ahead.least_send(), np.minimum(states.cpu, self._ceiling)
        able = self._view.reachable() & (most >= self._floor) & (states.memory >= ahead.memory)
        found = np.full(len(most), np.inf)
        for kind, name in enumerate(states.kinds):
            nodes = np.flatnonzero(able & (states.kind == kind))
            if not len(nodes):
                continue
            own, far = most[nodes], send[nodes]
            whole = ahead.job(name, own) + far + ahead.overhead
            steps = self._steps[kind] = self._grid(name)
            held = np.minimum(own * whole, self._through(steps, far))
            found[nodes] = np.where(whole <= self._period * (1 + _ROUNDING), held * (1 - _ROUNDING), np.inf)
        return found

    def _through(self, steps: Sequence[_Step], far: Floats) -> Floats:
        """Return what steps hold at least with transfers of so many seconds, `(nodes,)`: the first may be too slow."""
        if not steps:
            return np.full(len(far), np.inf)
        limits, jobs, rest = np.array([*steps, (0.0, 0.0, np.inf)]).T
        spare = np.maximum.accumulate(self._period * (1 + _ROUNDING) - (jobs[:-1] + self._foresight.overhead))
        first = np.searchsorted(spare, far)
        return np.asarray(rest[first] + limits[first] * far)

    def _grid(self, kind: str) -> list[_Step]:
        """Return the steps on a node class, the smallest limit first."""
        ahead, steps, rest = self._foresight, [], np.inf
        work, seconds = self._seconds.get(kind, (np.nan, []))
        if work != ahead.work:
            seconds = [ahead.job_without_noise(kind, limit) for limit in self._limits]
            self._seconds[kind] = ahead.work, seconds
        for limit, job in zip(reversed(self._limits), reversed(seconds), strict=True):
            job *= ahead.noise
            whole = complete(job, 0.0, ahead.overhead)
            if whole <= self._period:
                rest = min(rest, limit * whole)
                steps.append(_Step(limit, job, rest))
        return steps[::-1]


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

    def _loads(self, request: Request, view: NodeView) -> npt.NDArray[np.float64]:
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
    if isinstance(policy, type):
        raise InputError(f"{policy.__name__} is a class; give an object of it, {policy.__name__}()")
    if not isinstance(policy, str):
        if not callable(getattr(policy, "decide", None)):
            raise InputError(f"{policy!r} is no policy; give a name or an object with a method decide(request, view)")
        return copy.deepcopy(policy)
    make = POLICIES.get(policy)  # type: ignore[call-overload]
    if make is None:
        raise InputError(f"unknown policy {policy!r}{nearest(policy, POLICIES)}; known: {', '.join(POLICIES)}")
    return cast(SchedulingPolicy, make(rules, limits, fitting))
