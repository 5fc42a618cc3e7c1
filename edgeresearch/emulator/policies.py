"""Scheduling policies: LOS and what it is compared with."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgeresearch.emulator.view import Policy, View
from edgeresearch.errors import InputError, nearest
from edgeresearch.scheduling.job_history import Knowledge, Limits
from edgeresearch.scheduling.los import Rules, feasible, schedule
from edgeresearch.scheduling.messages import Availability, Decision, Reason, Report, Request
from edgeresearch.scheduling.runtime_model import Fitting, complete

Floats = npt.NDArray[np.float64]
_Plain = dict[str, tuple[float, list[float]]]
"""By node class: the last training's work, and its t_job but for the noise under each limit of the grid."""
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
    learns = False

    def __init__(self, rules: Rules, limits: Limits, fitting: Fitting) -> None:
        steps = int(math.log(limits.ceiling / limits.floor) / 0.05) + 2
        grid = np.geomspace(limits.floor, limits.ceiling, steps).round(9)  # its last digits differ between processors
        self._limits = sorted(grid.tolist())
        self._bounds = limits.floor, limits.ceiling
        self._plain: _Plain = {}

    def decide(self, request: Request, view: View, rng: np.random.Generator) -> Decision:
        """Return what the node does that has the request now."""
        if request.tried:
            return Decision(Reason.CHOSEN, view.node, True, request.limit)
        search = _Search(view, request.period, self._limits, *self._bounds, self._plain)
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
            return Decision(Reason.FULL)
        return Decision(Reason.CHOSEN, best.node, not best.away, best.limit, best.seconds)

    def learn(self, report: Report) -> None:
        """Learn nothing: it knows."""

    def fail(self, job: int, memory: float) -> None:
        """Learn nothing: it knows."""


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
        self, view: View, period: float, limits: Sequence[float], floor: float, ceiling: float, plain: _Plain
    ) -> None:
        self._view = view
        self._period = period
        self._limits = limits
        self._floor, self._ceiling = floor, ceiling
        self._board, self._ahead = view.survey(), view.ahead()
        self._plain = plain
        self._steps: dict[int, list[_Step]] = {}

    def best(self, node: int) -> _Choice | None:
        """Return the best limit on a node; None if all that is free there does not meet the period."""
        ahead, kind = self._ahead, int(self._board.kind[node])
        send, away = ahead.send(node), node != self._view.node
        most = min(float(self._board.cpu[node]), self._ceiling)
        whole = complete(ahead.job(self._board.kinds[kind], most), send, ahead.overhead)
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

        A transfer takes `Ahead.soonest` at least, and the smallest limit of the grid for each second of it.
        """
        board, ahead = self._board, self._ahead
        send, most = ahead.soonest(), np.minimum(board.cpu, self._ceiling)
        able = self._view.reached() & (most >= self._floor) & (board.memory >= ahead.memory)
        found = np.full(len(most), np.inf)
        for kind, name in enumerate(board.kinds):
            nodes = np.flatnonzero(able & (board.kind == kind))
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
        spare = np.maximum.accumulate(self._period * (1 + _ROUNDING) - (jobs[:-1] + self._ahead.overhead))
        first = np.searchsorted(spare, far)
        return np.asarray(rest[first] + limits[first] * far)

    def _grid(self, kind: str) -> list[_Step]:
        """Return the steps on a node class, the smallest limit first."""
        ahead, steps, rest = self._ahead, [], np.inf
        work, plain = self._plain.get(kind, (np.nan, []))
        if work != ahead.work:
            plain = [ahead.plain(kind, limit) for limit in self._limits]
            self._plain[kind] = ahead.work, plain
        for limit, job in zip(reversed(self._limits), reversed(plain), strict=True):
            job *= ahead.noise
            whole = complete(job, 0.0, ahead.overhead)
            if whole <= self._period:
                rest = min(rest, limit * whole)
                steps.append(_Step(limit, job, rest))
        return steps[::-1]


_LITTLE = 1e-6


class Learning:
    """What policies share that know their jobs: the history of each job and how limits follow from it."""

    name = "learning"
    listens = True
    learns = True

    def __init__(self, rules: Rules, limits: Limits, fitting: Fitting) -> None:
        self.rules = rules
        self.limits = limits
        self.fitting = fitting
        self._jobs: dict[int, Knowledge] = {}

    def known(self, job: int) -> Knowledge:
        """Return the history of a job."""
        found = self._jobs.get(job)
        if found is None:
            found = self._jobs[job] = Knowledge(self.limits, self.fitting)
        return found

    def learn(self, report: Report) -> None:
        """Take the report of a run that ended."""
        self.known(report.job).learn(report)

    def fail(self, job: int, memory: float) -> None:
        """Take the news that a training did not start for lack of memory."""
        self.known(job).fail(memory)

    def place(self, request: Request, there: Availability) -> Decision | None:
        """Return the decision to run a training on a node with that state; None if it is not feasible there."""
        known = self.known(request.job)
        limit, seconds = feasible(request, there, known, self.limits, None)
        if not limit > 0:
            return None
        return Decision(Reason.CHOSEN, there.node, True, limit, seconds, known.beyond(there.kind, limit))

    def least(self, request: Request, kind: str) -> float:
        """Return free millicores below which `place` surely finds nothing on a node class, next door or far away.

        No limit is below the floor, and none that meets the period is below what eq. 1 asks for without a transfer. Of
        that a millionth is taken off, far more than what `feasible` may round. Override it with `place`.
        """
        known, limits = self.known(request.job), self.limits
        curve = known.curve(kind)
        if curve is None:
            return limits.floor
        needed = curve.limit(request.period * (1 + _LITTLE) - known.overhead.bound) * (1 - _LITTLE) - _LITTLE
        return max(limits.floor, needed) if needed <= limits.ceiling else np.inf


class Los(Learning):
    """Local-Optimistic Scheduling (Paper B, Algorithm 1)."""

    name = "los"

    def decide(self, request: Request, view: View, rng: np.random.Generator) -> Decision:
        """Return what the node does that has the request now."""
        return schedule(
            request,
            view.here(),
            view.neighbours,
            self.known(request.job),
            rules=self.rules,
            limits=self.limits,
            rng=rng,
        )


class InSitu(Learning):
    """At the source or not at all."""

    name = "in_situ"
    listens = False

    def decide(self, request: Request, view: View, rng: np.random.Generator) -> Decision:
        """Return what the node does that has the request now."""
        return self.place(request, view.here()) or Decision(Reason.FULL)


class RandomNeighbour(Learning):
    """Here if feasible, else at a random neighbour, up to the hop limit; tokens are kept as in LOS."""

    name = "random"

    def decide(self, request: Request, view: View, rng: np.random.Generator) -> Decision:
        """Return what the node does that has the request now."""
        found = self.place(request, view.here())
        if found:
            return found
        if request.hops >= self.rules.hop_limit:
            return Decision(Reason.HOPS)
        around = [node.node for node in view.neighbours()]
        if not around:
            return Decision(Reason.ALONE)
        node = around[int(rng.integers(len(around)))]
        return Decision(Reason.CYCLE) if node in request.tried else Decision(Reason.CHOSEN, node)


class Cloud(Learning):
    """Straight to the cloud, next hop by next hop, to its nodes in turn."""

    name = "cloud"
    listens = False

    def __init__(self, rules: Rules, limits: Limits, fitting: Fitting, *, layer: str = "cloud") -> None:
        super().__init__(rules, limits, fitting)
        self._layer = layer
        self._turn = 0

    def decide(self, request: Request, view: View, rng: np.random.Generator) -> Decision:
        """Return what the node does that has the request now."""
        if view.mesh.nodes[view.node].layer == self._layer:
            return self.place(request, view.here()) or Decision(Reason.FULL)
        goals = view.within(self._layer)
        if not goals:
            return Decision(Reason.ALONE)
        self._turn += 1
        return Decision(Reason.CHOSEN, goals[self._turn % len(goals)])


class LeastLoaded(Learning):
    """The least utilised node of all, known at every moment: what the paper argues against."""

    name = "least_loaded"
    listens = False

    def decide(self, request: Request, view: View, rng: np.random.Generator) -> Decision:
        """Return what the node does that has the request now."""
        if request.tried:
            return self.place(request, view.here()) or Decision(Reason.FULL)
        load = self._loads(request, view)
        while True:
            number = int(load.argmin())  # of equal ones the first
            if load[number] == np.inf:
                return Decision(Reason.FULL)
            plan = self.place(request, view.true(number))
            if plan:
                return plan if number == view.node else plan._replace(run=False)
            load[number] = np.inf

    def _loads(self, request: Request, view: View) -> npt.NDArray[np.float64]:
        """Return the utilisation of every node; infinite where the training surely is not feasible."""
        board, known = view.survey(), self.known(request.job)
        least = np.array([self.least(request, kind) for kind in board.kinds])
        able = (board.cpu >= least[board.kind]) & (board.memory >= known.need)
        return np.where(able & view.reached(), board.utilisation, np.inf)


Maker = Callable[[Rules, Limits, Fitting], Policy]
"""Makes a fresh policy, which has learned nothing yet."""

POLICIES: dict[str, Maker] = {
    "los": Los,
    "in_situ": InSitu,
    "random": RandomNeighbour,
    "cloud": Cloud,
    "least_loaded": LeastLoaded,
    "oracle": Oracle,
}
"""Maker of each policy by name."""


def maker(policy: str | Maker) -> Maker:
    """Return what makes a policy: one of `POLICIES` by its name, or what is given.

    Raises:
        InputError: The name is unknown.
    """
    if not isinstance(policy, str):
        return policy
    if policy not in POLICIES:
        raise InputError(f"unknown policy {policy!r}{nearest(policy, POLICIES)}; known: {', '.join(POLICIES)}")
    return POLICIES[policy]
