"""How one training found its node: what each node on the way saw, and what was true (Paper B, Fig. 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeresearch.emulator.api import Scenario, simulate
from edgeresearch.emulator.network import Mesh
from edgeresearch.emulator.policies import NodeView
from edgeresearch.scheduling.los import LOS
from edgeresearch.scheduling.messages import Availability, Decision, Reason, Request
from edgeresearch.scheduling.runtime_model import JobHistory
from edgeresearch.scheduling.settings import Fitting, Limits, Rules


@dataclass(frozen=True)
class TraceStep:
    """One decision on the way.

    Attributes:
        time: When, in seconds.
        request: On what.
        here: The node's own state.
        seen: What its neighbours had published, as the node knew it.
        true: Their true states at that moment, which the node did not know.
        decision: What it did, and why.
    """

    time: float
    request: Request
    here: Availability
    seen: Sequence[Availability]
    true: Sequence[Availability]
    decision: Decision


@dataclass(frozen=True)
class PlacementTrace:
    """The way of a trigger to the node that ran it.

    Attributes:
        mesh: Where it went.
        steps: The decisions on it, one after another; the last one ran it.
        history: Of its job at the end of the run.
    """

    mesh: Mesh
    steps: Sequence[TraceStep]
    history: JobHistory

    @property
    def misled(self) -> bool:
        """Whether a node handed it over to one that seemed to have room and had none."""
        pairs = zip(self.steps, self.steps[1:], strict=False)
        return any(one.decision.reason == Reason.FEASIBLE and not two.decision.run for one, two in pairs)


class TracingLOS(LOS):
    """LOS, and a record of what it saw at every decision."""

    def __init__(self, rules: Rules, limits: Limits, fitting: Fitting) -> None:
        super().__init__(rules, limits, fitting)
        self.traces: list[list[TraceStep]] = []

    def decide(self, request: Request, view: NodeView) -> Decision:  # type: ignore[override]
        """Return what LOS does."""
        seen = view.neighbours()
        decision = super().decide(request, view)
        true = [view.true_state(each.node) for each in seen]
        if not request.tried:
            self.traces.append([])
        self.traces[-1].append(TraceStep(view.time, request, view.here(), seen, true, decision))
        return decision


def placement_traces(
    scenario: Scenario, *, streams: int, hours: float, seed: np.random.SeedSequence
) -> list[PlacementTrace]:
    """Run LOS once and return the way of every trigger that found a node, in order.

    Args:
        scenario: Of the run.
        streams: How many.
        hours: Virtual time.
        seed: Root of all randomness; the run is that of `simulate` with the same one.
    """
    policy = TracingLOS(scenario.rules, scenario.limits, scenario.fitting)
    outcome = simulate(scenario, policy, hours=hours, seed=seed, streams=streams)
    ran = outcome.policy
    assert isinstance(ran, TracingLOS)
    placed = [steps for steps in ran.traces if steps[-1].decision.run]
    return [PlacementTrace(outcome.mesh, steps, ran.history(steps[0].request.job)) for steps in placed]


def most_informative(traces: Sequence[PlacementTrace], *, hops: int = 2) -> PlacementTrace | None:
    """Return the first trace with at least `hops` hand-overs that an old view had misled.

    Where none was misled it is the first with so many hand-overs; None if there is none.
    """
    far = [trace for trace in traces if trace.steps[-1].request.hops >= hops]
    return next((trace for trace in far if trace.misled), far[0] if far else None)
