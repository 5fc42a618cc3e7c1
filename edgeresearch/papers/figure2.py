"""One search for a place as it went in a run: what each node on the way saw, and what was true (Paper B, Fig. 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeresearch.emulator.experiment import Setup, run
from edgeresearch.emulator.network import Mesh
from edgeresearch.emulator.policies import Los
from edgeresearch.emulator.view import View
from edgeresearch.scheduling.job_history import Knowledge, Limits
from edgeresearch.scheduling.los import Rules
from edgeresearch.scheduling.messages import Availability, Decision, Reason, Request
from edgeresearch.scheduling.runtime_model import Fitting


@dataclass(frozen=True)
class Sight:
    """One decision of a search.

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
class Search:
    """A trigger's way to its place.

    Attributes:
        mesh: Where it went.
        sights: The decisions on it, one after another; the last one ran it.
        known: History of its job at the end of the run.
    """

    mesh: Mesh
    sights: Sequence[Sight]
    known: Knowledge

    @property
    def misled(self) -> bool:
        """Whether a node handed it over to one that seemed to have room and had none."""
        pairs = zip(self.sights, self.sights[1:], strict=False)
        return any(one.decision.reason == Reason.FEASIBLE and not two.decision.run for one, two in pairs)


class Seeing(Los):
    """LOS, and a note of what it saw at every decision."""

    def __init__(self, rules: Rules, limits: Limits, fitting: Fitting) -> None:
        super().__init__(rules, limits, fitting)
        self.searches: list[list[Sight]] = []

    def decide(self, request: Request, view: View, rng: np.random.Generator) -> Decision:
        """Return what LOS does."""
        seen = view.neighbours()
        decision = super().decide(request, view, rng)
        true = [view.true(each.node) for each in seen]
        sight = Sight(view.time, request, view.here(), seen, true, decision)
        if not request.tried:
            self.searches.append([])
        self.searches[-1].append(sight)
        return decision


def searches(setup: Setup, *, streams: int, hours: float, seed: np.random.SeedSequence) -> list[Search]:
    """Run LOS once and return the way of every trigger that found a place, in order.

    Args:
        setup: Of the run.
        streams: How many.
        hours: Virtual time.
        seed: Root of all randomness; the run is that of `experiment.run` with the same one.
    """
    made: list[Seeing] = []

    def maker(rules: Rules, limits: Limits, fitting: Fitting) -> Seeing:
        made.append(Seeing(rules, limits, fitting))
        return made[-1]

    mesh = run(setup, policy=maker, hours=hours, seed=seed, streams=streams).mesh
    policy = made[0]
    found = [each for each in policy.searches if each[-1].decision.run]
    return [Search(mesh, each, policy.known(each[0].request.job)) for each in found]


def telling(found: Sequence[Search], *, hops: int = 2) -> Search | None:
    """Return the search that tells most: the first with at least `hops` hand-overs that an old view had misled.

    Where none was misled it is the first with so many hand-overs; None if there is none.
    """
    far = [each for each in found if each.sights[-1].request.hops >= hops]
    return next((each for each in far if each.misled), far[0] if far else None)
