"""Local-Optimistic Scheduling, Algorithm 1 of Paper B, as pure decisions: no clock, no files, no hidden randomness."""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from edgeresearch.scheduling.messages import Availability, Decision, Reason, Request, TrainingReport
from edgeresearch.scheduling.runtime_model import JobHistory, complete
from edgeresearch.scheduling.settings import Fitting, Limits, Rules

_ROUNDING = 1 + 1e-9
_LOCAL, _COLD_LOCAL = Reason.LOCAL, Reason.COLD_LOCAL  # a look-up in an enumeration is slow
_new = tuple.__new__  # makes a named tuple in half the time of its own constructor
_NOT_FEASIBLE = (0.0, None)
_RULES, _LIMITS = Rules(), Limits()

Neighbours = Sequence[Availability] | Callable[[], Sequence[Availability]]
"""What the neighbours published, in a fixed order, or what returns that, which is asked only if it must."""


class Neighbourhood(Protocol):
    """All that LOS needs to know of the world: the node's own state, and what its neighbours published.

    The emulator's `NodeView` is one; a live system's edge manager is another.

    Attributes:
        rng: Draws the neighbour of a cold start.
    """

    rng: np.random.Generator

    def here(self) -> Availability:
        """Return the state of the node that has the request, true now."""
        ...

    def neighbours(self) -> Sequence[Availability]:
        """Return what its direct neighbours last published, in a fixed order."""
        ...


def schedule(
    request: Request,
    here: Availability,
    neighbours: Neighbours,
    history: JobHistory | None = None,
    *,
    rules: Rules | None = None,
    limits: Limits | None = None,
    rng: np.random.Generator | None = None,
) -> Decision:
    """Decide what a node does with a request (Paper B, Algorithm 1).

    It runs here if that is feasible, else goes to the best feasible neighbour, else to the best infeasible one. The
    best is first by the sum of its ranks in utilisation and latency (eq. 4); of equal sums the closer one is taken, as
    below. A job without history on a node busier than `rules.cold_start_threshold` goes to a random neighbour:

        >>> import edgeresearch as er
        >>> here = er.Availability(node=0, time=0, cpu=60, memory=500, utilisation=0.8, kind="edge")
        >>> near = er.Availability(1, 0, 700, 500, 0.3, "edge", latency=0.005, bandwidth=100)
        >>> far = er.Availability(2, 0, 900, 500, 0.1, "fog", latency=0.050, bandwidth=100)
        >>> decision = er.schedule(er.Request(job=0, period=240), here, [near, far])
        >>> decision.node, str(decision.reason), decision.limit
        (1, 'feasible at the neighbour', 595.0)

    Args:
        request: The training and its token.
        here: The node's own state, true now.
        neighbours: What its neighbours published.
        history: Of the job; that of a job which has never run if None.
        rules: Where the paper leaves a choice; the study's if None.
        limits: How CPU limits are set; the study's if None.
        rng: Draws the neighbour of a cold start; seeded with 0 if None.
    """
    rules = _RULES if rules is None else rules
    limits = _LIMITS if limits is None else limits
    known = JobHistory(limits) if history is None else history
    cold = known.cold
    if cold and here.utilisation > rules.cold_start_threshold:
        return _cold_start(request, here, neighbours, rules, rng)
    limit, seconds = feasible(request, here, known, limits, request.limit if rules.sender_limit_binds else None)
    if limit > 0:
        reason = _COLD_LOCAL if cold else _LOCAL
        return _new(Decision, (reason, here.node, True, limit, seconds, known.extrapolation(here.kind, limit)))
    around = neighbours() if callable(neighbours) else neighbours
    if not around:
        return Decision(Reason.NO_NEIGHBOUR)
    if len(request.tried) >= rules.hop_limit:
        return Decision(Reason.HOPS)
    tried = request.tried
    if rules.skip_visited and tried:
        around = [other for other in around if other.node not in tried]
    good: list[Availability] = []
    bad: list[Availability] = []
    plans: dict[int, tuple[float, float | None]] = {}
    for other in around:
        plan = feasible(request, other, known, limits, None)
        if plan[0] > 0:
            good.append(other)
            plans[other.node] = plan
        else:
            bad.append(other)
    if good:
        best = best_fit(good, rules)
    elif bad:
        best = min(bad, key=_latency) if rules.infeasible == "closest" else best_fit(bad, rules)
    else:
        return Decision(Reason.CYCLE)
    if best.node in tried:
        return Decision(Reason.CYCLE)
    if not good:
        return Decision(Reason.INFEASIBLE, best.node)
    limit, seconds = plans[best.node]
    return Decision(Reason.FEASIBLE, best.node, False, limit, seconds, known.extrapolation(best.kind, limit))


def feasible(
    request: Request, there: Availability, known: JobHistory, limits: Limits, planned: float | None
) -> tuple[float, float | None]:
    """Return the limit under which a training would meet its period on a node, and t_complete; 0 if it would not.

    A limit that the rules have brought below what the model asks for is raised to that if it is free: the training
    still has to meet its period (section IV.D), and a limit under which it is never tried would never rise again. A
    node class without a model is taken to be fast enough (Paper B, section IV.C: scheduling is optimistic).
    """
    node, _, free, memory, _, kind, latency, bandwidth = there
    if planned is not None:
        limit = planned if planned <= free else 0.0
    else:
        own = known.limits.get(node)
        if own is None:
            limit = limits.initial(free)
        else:
            limit = own if own < free else free
    if limit < limits.floor or memory < known.memory_needed:
        return _NOT_FEASIBLE
    curve = known.curve(kind)
    if curve is None:
        return limit, None
    send = latency + 8 * known.megabytes.bound / bandwidth
    overhead = known.overhead.bound
    seconds = complete(curve.seconds(limit), send, overhead)
    period = request.period
    if seconds <= period:
        return limit, seconds
    if planned is None:
        needed = curve.limit(period - send - overhead) * _ROUNDING
        if needed <= free and needed <= limits.ceiling:
            return needed, period
    return 0.0, seconds


def best_fit(nodes: Sequence[Availability], rules: Rules = _RULES) -> Availability:
    """Return the node whose indices by utilisation and by latency have the smallest sum (Paper B, eq. 4).

    Equal values share the index of the first of them; of equal sums the closer node is taken, then the earlier one.

    Args:
        nodes: At least one.
        rules: The weights of the two indices.
    """
    if len(nodes) == 1:
        return nodes[0]
    used, far = [node[4] for node in nodes], [node[6] for node in nodes]  # utilisation and latency
    used_sorted, far_sorted = sorted(used), sorted(far)
    u, v = rules.weight_utilisation, rules.weight_latency
    sums = [
        (u * used_sorted.index(one) + v * far_sorted.index(other), other) for one, other in zip(used, far, strict=True)
    ]
    return nodes[sums.index(min(sums))]


def _latency(node: Availability) -> float:
    return node.latency


def _cold_start(
    request: Request, here: Availability, neighbours: Neighbours, rules: Rules, rng: np.random.Generator | None
) -> Decision:
    around = neighbours() if callable(neighbours) else neighbours
    if not around:
        return Decision(Reason.NO_NEIGHBOUR)
    if len(request.tried) >= rules.hop_limit:
        return Decision(Reason.HOPS)
    if rules.skip_visited:
        around = [node for node in around if node.node not in request.tried]
    if not around:
        return Decision(Reason.CYCLE)
    rng = np.random.default_rng(0) if rng is None else rng
    node = around[int(rng.integers(len(around)))].node
    if node in request.tried:
        return Decision(Reason.CYCLE)
    return Decision(Reason.COLD_NEIGHBOUR, node)


_MARGIN = 1e-6


class LearningPolicy:
    """What policies share that learn from past trainings: the history of each job, and how limits follow from it.

    Args:
        rules: Where Algorithm 1 leaves a choice; the study's if None, as are the next ones.
        limits: How CPU limits are set.
        fitting: When eq. 1 is fitted.
        name: What the policy is called in tables, in place of its usual name.

    Attributes:
        name: What it is called in tables.
        listens: Whether nodes exchange their availability for it; that counts as traffic.
    """

    name = "learning"
    listens = True

    def __init__(
        self,
        rules: Rules | None = None,
        limits: Limits | None = None,
        fitting: Fitting | None = None,
        *,
        name: str | None = None,
    ) -> None:
        self.rules = rules or _RULES
        self.limits = limits or _LIMITS
        self.fitting = fitting or Fitting()
        if name is not None:
            self.name = name
        self._histories: dict[int, JobHistory] = {}

    def history(self, job: int) -> JobHistory:
        """Return the history of a job."""
        history = self._histories.get(job)
        if history is None:
            history = self._histories[job] = JobHistory(self.limits, self.fitting)
        return history

    def learn(self, report: TrainingReport) -> None:
        """Learn from a training that ended."""
        self.history(report.job).learn(report)

    def start_failed(self, job: int, memory: float) -> None:
        """Remember that a training did not start where no more than `memory` megabytes were free."""
        self.history(job).start_failed(memory)

    def place(self, request: Request, there: Availability) -> Decision | None:
        """Return the decision to run a training on a node with that state; None if it is not feasible there."""
        known = self.history(request.job)
        limit, seconds = feasible(request, there, known, self.limits, None)
        if not limit > 0:
            return None
        return Decision(Reason.CHOSEN, there.node, True, limit, seconds, known.extrapolation(there.kind, limit))

    def least_cpu(self, request: Request, kind: str) -> float:
        """Return free millicores below which `place` surely fails on a node class, next door or far away.

        No limit is below the floor, and none that meets the period is below what eq. 1 asks for without a transfer. Of
        that a millionth is taken off, far more than what `feasible` may round. Override it with `place`.
        """
        known, limits = self.history(request.job), self.limits
        curve = known.curve(kind)
        if curve is None:
            return limits.floor
        needed = curve.limit(request.period * (1 + _MARGIN) - known.overhead.bound) * (1 - _MARGIN) - _MARGIN
        return max(limits.floor, needed) if needed <= limits.ceiling else math.inf


class LOS(LearningPolicy):
    """Local-Optimistic Scheduling (Paper B, Algorithm 1): `schedule` on what a node sees, with the history of each job.

    For one decision, or to use it outside the emulator, call `er.schedule`.
    """

    name = "los"

    def decide(self, request: Request, view: Neighbourhood) -> Decision:
        """Return what the node does that has the request now."""
        return schedule(
            request,
            view.here(),
            view.neighbours,
            self.history(request.job),
            rules=self.rules,
            limits=self.limits,
            rng=view.rng,
        )
