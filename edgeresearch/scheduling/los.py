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
_RULES, _LIMITS = Rules(), Limits()

Neighbours = Sequence[Availability] | Callable[[], Sequence[Availability]]
"""What the neighbours published, in a fixed order, or what returns that, which is asked only if it must."""


class Neighbourhood(Protocol):
    """All that LOS needs to know of the world; the emulator's `NodeView` is one, a live edge manager another.

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
    cold, tried = known.cold, request.tried
    cold_start = cold and here.utilisation > rules.cold_start_threshold
    if not cold_start:
        limit, seconds = feasible(request, here, known, limits, request.limit if rules.sender_limit_binds else None)
        if limit > 0:
            reason = _COLD_LOCAL if cold else _LOCAL
            return _new(Decision, (reason, here.node, True, limit, seconds, known.extrapolation(here.kind, limit)))
    around = neighbours() if callable(neighbours) else neighbours
    if not around:
        return Decision(Reason.NO_NEIGHBOUR)
    if len(tried) >= rules.hop_limit:
        return Decision(Reason.HOPS)
    if rules.skip_visited:
        around = [other for other in around if other.node not in tried]
        if not around:
            return Decision(Reason.CYCLE)
    if cold_start:
        rng = np.random.default_rng(0) if rng is None else rng
        chosen = Decision(Reason.COLD_NEIGHBOUR, around[int(rng.integers(len(around)))].node)
    else:
        chosen = _best_neighbour(request, around, known, rules, limits)
    return Decision(Reason.CYCLE) if chosen.node in tried else chosen


def _best_neighbour(
    request: Request, around: Sequence[Availability], known: JobHistory, rules: Rules, limits: Limits
) -> Decision:
    """Hand over to the best feasible neighbour, which gets a plan, else to the best infeasible one, which looks on."""
    plans = {other.node: feasible(request, other, known, limits) for other in around}
    good = [other for other in around if plans[other.node][0] > 0]
    if not good:
        best = (
            min(around, key=lambda other: other.latency) if rules.infeasible == "closest" else best_fit(around, rules)
        )
        return Decision(Reason.INFEASIBLE, best.node)
    best = best_fit(good, rules)
    limit, seconds = plans[best.node]
    return Decision(Reason.FEASIBLE, best.node, False, limit, seconds, known.extrapolation(best.kind, limit))


def feasible(
    request: Request, there: Availability, known: JobHistory, limits: Limits, planned: float | None = None
) -> tuple[float, float | None]:
    """Return the limit under which a training would meet its period on a node, and t_complete; 0 if it would not.

    A limit that the rules have brought below what the model asks for is raised to that if it is free: the training
    still has to meet its period (section IV.D), and a limit under which it is never tried would never rise again. A
    node class without a model is taken to be fast enough (Paper B, section IV.C: scheduling is optimistic).
    """
    node, _, free, memory, _, kind, latency, bandwidth = there
    own = known.limits.get(node)
    if planned is not None:
        limit = planned if planned <= free else 0.0
    elif own is None:
        limit = limits.initial(free)
    else:
        limit = own if own < free else free
    if limit < limits.floor or memory < known.memory_needed:
        return 0.0, None
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
    """Return the node whose indices by utilisation and by latency have the smallest weighted sum (Paper B, eq. 4).

    Equal values share the index of the first of them; of equal sums the closer node is taken, then the earlier one.
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


_MARGIN = 1e-6


class LearningPolicy:
    """What policies share that learn from past trainings: the history of each job, and how limits follow from it.

    Attributes:
        rules: Where Algorithm 1 leaves a choice; the study's if None is given, as are the next ones.
        limits: How CPU limits are set.
        fitting: When eq. 1 is fitted.
        name: What it is called in tables; give one in place of the usual name.
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
        self.rules, self.limits, self.fitting = rules or _RULES, limits or _LIMITS, fitting or Fitting()
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
        limit, seconds = feasible(request, there, known, self.limits)
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
        known = self.history(request.job)
        return schedule(
            request, view.here(), view.neighbours, known, rules=self.rules, limits=self.limits, rng=view.rng
        )
