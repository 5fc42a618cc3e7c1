from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edgeresearch.emulator.api import Scenario, simulate
from edgeresearch.emulator.network import Mesh
from edgeresearch.papers import placement_trace
from edgeresearch.papers.placement_trace import PlacementTrace, TraceStep
from edgeresearch.scheduling.messages import Availability, Decision, Reason, Request
from edgeresearch.scheduling.runtime_model import JobHistory

SEED = 11


@pytest.fixture(scope="module")
def found(paper: Scenario) -> list[PlacementTrace]:
    return placement_trace.placement_traces(paper, streams=8, hours=1.0, seed=np.random.SeedSequence(SEED))


def test_searches_are_those_of_the_experiment(paper: Scenario, found: list[PlacementTrace]) -> None:
    outcome = simulate(paper, "los", hours=1.0, seed=np.random.SeedSequence(SEED), streams=8)
    table = outcome.triggers()
    ran = table[table["end"] != "dropped"]
    assert len(found) == len(ran)
    assert [each.steps[-1].request.hops for each in found] == ran["hops"].tolist()
    assert [each.steps[-1].here.node for each in found] == ran["node"].tolist()
    assert [str(each.steps[-1].decision.reason) for each in found] == ran["reason"].astype(str).tolist()


def test_every_search_goes_from_its_source_to_its_place(found: list[PlacementTrace]) -> None:
    for each in found:
        way = [sight.here.node for sight in each.steps]
        assert each.steps[0].request.tried == ()
        assert list(each.steps[-1].request.tried) == way[:-1]
        assert [sight.decision.node for sight in each.steps] == [*way[1:], way[-1]]
        assert each.steps[-1].decision.run
        for sight in each.steps:
            neighbours = list(each.mesh.neighbours[sight.here.node])
            assert [one.node for one in sight.seen] == [one.node for one in sight.true] == neighbours
            assert all(0 <= one.age(sight.time) for one in sight.seen)
            assert all(one.time == sight.time for one in sight.true)


def test_fresh_views_are_true_and_mislead_nobody(paper: Scenario) -> None:
    fresh = replace(paper, interval=0.0)
    for each in placement_trace.placement_traces(fresh, streams=6, hours=0.5, seed=np.random.SeedSequence(SEED)):
        for sight in each.steps:
            assert [one.cpu for one in sight.seen] == [one.cpu for one in sight.true]


@pytest.fixture
def make() -> Callable[..., PlacementTrace]:
    """Make a search from the reasons of its decisions; the last one runs it."""

    def make(*reasons: Reason) -> PlacementTrace:
        sights = []
        for at, reason in enumerate(reasons):
            last = at == len(reasons) - 1
            here = Availability(at, 0.0, 100.0, 100.0, 0.5, "edge")
            decision = Decision(reason, at if last else at + 1, last, 50.0)
            sights.append(TraceStep(0.0, Request(0, 200.0, tuple(range(at))), here, [], [], decision))
        return PlacementTrace(Mesh([], []), sights, JobHistory())

    return make


def test_the_first_misled_search_tells_most(make: Callable[..., PlacementTrace]) -> None:
    plain = make(Reason.INFEASIBLE, Reason.FEASIBLE, Reason.LOCAL)
    misled = make(Reason.FEASIBLE, Reason.INFEASIBLE, Reason.LOCAL)
    short = make(Reason.FEASIBLE, Reason.LOCAL)
    assert [each.misled for each in (plain, misled, short)] == [False, True, False]
    assert placement_trace.most_informative([short, plain, misled]) is misled
    assert placement_trace.most_informative([short, plain]) is plain
    assert placement_trace.most_informative([short]) is None
    assert placement_trace.most_informative([short], hops=1) is short
    assert placement_trace.most_informative([]) is None
