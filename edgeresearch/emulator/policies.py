"""Policies that decide where trainings run: LOS itself, and what it is compared with."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgeresearch.emulator.oracle import Oracle
from edgeresearch.emulator.view import Policy, View
from edgeresearch.errors import InputError, nearest
from edgeresearch.los.availability import Availability
from edgeresearch.los.knowledge import Knowledge
from edgeresearch.los.limits import Limits
from edgeresearch.los.request import Decision, Reason, Report, Request
from edgeresearch.los.runtime import Fitting
from edgeresearch.los.schedule import Rules, feasible, schedule

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
