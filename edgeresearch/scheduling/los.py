"""Algorithm 1 of Paper B: here if feasible, else the best feasible neighbour, else the best infeasible one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgeresearch.scheduling.job_history import Knowledge, Limits
from edgeresearch.scheduling.messages import Availability, Decision, Reason, Request
from edgeresearch.scheduling.runtime_model import complete

_ROUNDING = 1 + 1e-9
_LOCAL, _COLD_LOCAL = Reason.LOCAL, Reason.COLD_LOCAL  # a look-up in an enumeration is slow
_new = tuple.__new__  # makes a named tuple in half the time of its own constructor
_NOWHERE = (0.0, None)
Neighbours = Callable[[], Sequence[Availability]]
"""Asked only if the training is not feasible here."""


@dataclass(frozen=True)
class Rules:
    """Where the paper leaves a choice.

    Attributes:
        hop_limit: How often a request may be handed over (the paper's "4 forwarding attempts").
        infeasible: Which neighbour gets a request that is feasible nowhere: by eq. 4 ("best-fit (infeasible)
            neighbour", Algorithm 1) or by latency alone ("handed over to the closest node", section IV.E).
        avoid: Whether neighbours in the token are passed over; if not, handing over to one is a cycle and a drop.
        weight_utilisation: Of the index by utilisation in eq. 4.
        weight_latency: Of the index by latency in eq. 4.
        crowded: Utilisation above which a cold start goes to a random neighbour.
        sender: Whether the limit that the sender planned with binds the receiver.
    """

    hop_limit: int = 4
    infeasible: Literal["best_fit", "closest"] = "best_fit"
    avoid: bool = False
    weight_utilisation: float = 1.0
    weight_latency: float = 1.0
    crowded: float = 0.85
    sender: bool = False


def schedule(
    request: Request,
    here: Availability,
    neighbours: Neighbours,
    known: Knowledge,
    *,
    rules: Rules,
    limits: Limits,
    rng: np.random.Generator,
) -> Decision:
    """Decide what a node does with a request (Paper B, Algorithm 1).

    Args:
        request: The training and its token.
        here: The node's own state, true now.
        neighbours: Returns what the neighbours published, in a fixed order.
        known: History of the job.
        rules: Where the paper leaves a choice.
        limits: How CPU limits are set.
        rng: Draws the neighbour of a cold start.
    """
    cold = known.cold
    if cold and here.utilisation > rules.crowded:
        return _cold(request, here, neighbours(), rules, rng)
    limit, seconds = feasible(request, here, known, limits, request.limit if rules.sender else None)
    if limit > 0:
        reason = _COLD_LOCAL if cold else _LOCAL
        return _new(Decision, (reason, here.node, True, limit, seconds, known.beyond(here.kind, limit)))
    around = neighbours()
    if not around:
        return Decision(Reason.ALONE)
    if len(request.tried) >= rules.hop_limit:
        return Decision(Reason.HOPS)
    tried = request.tried
    if rules.avoid and tried:
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
        best = _closest(bad) if rules.infeasible == "closest" else best_fit(bad, rules)
    else:
        return Decision(Reason.CYCLE)
    if best.node in tried:
        return Decision(Reason.CYCLE)
    if not good:
        return Decision(Reason.INFEASIBLE, best.node)
    limit, seconds = plans[best.node]
    return Decision(Reason.FEASIBLE, best.node, False, limit, seconds, known.beyond(best.kind, limit))


def feasible(
    request: Request, there: Availability, known: Knowledge, limits: Limits, planned: float | None
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
    if limit < limits.floor or memory < known.need:
        return _NOWHERE
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


def best_fit(nodes: Sequence[Availability], rules: Rules) -> Availability:
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


def _closest(nodes: Sequence[Availability]) -> Availability:
    return min(nodes, key=lambda node: node.latency)


def _cold(
    request: Request, here: Availability, around: Sequence[Availability], rules: Rules, rng: np.random.Generator
) -> Decision:
    if not around:
        return Decision(Reason.ALONE)
    if len(request.tried) >= rules.hop_limit:
        return Decision(Reason.HOPS)
    open_ = [node for node in around if node.node not in request.tried] if rules.avoid else list(around)
    if not open_:
        return Decision(Reason.CYCLE)
    node = open_[int(rng.integers(len(open_)))].node
    if node in request.tried:
        return Decision(Reason.CYCLE)
    return Decision(Reason.COLD_NEIGHBOUR, node)
