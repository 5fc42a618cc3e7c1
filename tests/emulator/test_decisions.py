from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgeresearch.emulator.decisions import decisions
from edgeresearch.emulator.emulation import Step
from edgeresearch.emulator.experiment import run, setup
from edgeresearch.emulator.mesh import Link, Mesh, Node
from edgeresearch.emulator.outcome import Outcome
from edgeresearch.emulator.testbed import paper_b
from edgeresearch.los.request import Decision, Reason, Request
from edgeresearch.params import Params

MESH = Mesh(
    [Node(name, "edge", "edge", 1000, 1024) for name in "abc"], [Link(0, 1, 0.001, 100), Link(1, 2, 0.001, 100)]
)


def _trigger(time: float, job: int, end: str, reason: Reason, node: int, complete: float = 0.0) -> dict[str, Any]:
    return {"time": time, "job": job, "end": end, "reason": str(reason), "node": node, "complete": complete}


def _step(time: float, node: int, job: int, tried: tuple[int, ...], *decision: Any) -> Step:
    return Step(time, node, Request(job, 200.0, tried), Decision(*decision))


@pytest.fixture(scope="module", params=["los", "cloud"])
def watched(request: pytest.FixtureRequest) -> tuple[Outcome, list[Step], list[dict[str, Any]]]:
    steps: list[Step] = []
    made = setup(Params().los.model_dump(), paper_b())
    outcome = run(made, policy=request.param, hours=1.5, seed=np.random.SeedSequence(3), streams=8, watch=steps.append)
    return outcome, steps, list(decisions(request.param, outcome.mesh, outcome.triggers(), steps))


def test_a_course_is_told_step_by_step_with_names_and_reasons() -> None:
    steps = [
        _step(5.0, 0, 7, (), Reason.INFEASIBLE, 1),
        _step(5.0, 1, 7, (0,), Reason.FEASIBLE, 2, False, 300.0, 40.0),
        _step(5.0, 2, 7, (0, 1), Reason.LOCAL, 2, True, 300.0, 40.0),
    ]
    triggers = pd.DataFrame([_trigger(5.0, 7, "finished", Reason.LOCAL, 2, 44.0)])
    first, second, third = decisions("los", MESH, triggers, steps)
    always = {"policy": "los", "time": 5.0, "job": 7}
    assert first == {
        **{**always, "node": "a", "tried": [], "action": "hand over", "goal": "b"},
        **{"reason": "nowhere feasible: best infeasible neighbour"},
    }
    assert second == {
        **{**always, "node": "b", "tried": ["a"], "action": "hand over", "goal": "c"},
        **{"reason": "feasible at the neighbour", "limit": 300.0, "expected": 40.0},
    }
    assert third == {
        **{**always, "node": "c", "tried": ["a", "b"], "action": "run", "goal": "c", "reason": "feasible here"},
        **{"limit": 300.0, "expected": 40.0, "end": "finished", "complete": 44.0},
    }


def test_every_way_to_be_dropped_is_told() -> None:
    steps = [
        _step(1.0, 0, 0, (), Reason.ALONE),
        _step(2.0, 1, 1, (), Reason.LOCAL, 1, True, 100.0, None),
    ]
    triggers = pd.DataFrame(
        [
            _trigger(1.0, 0, "dropped", Reason.ALONE, 0),
            _trigger(2.0, 1, "dropped", Reason.FULL, 1),
            _trigger(3.0, 1, "dropped", Reason.BUSY, 1),
        ]
    )
    alone, full, busy = decisions("los", MESH, triggers, steps)
    assert (alone["action"], alone["reason"], alone["end"]) == ("drop", "no neighbour to hand over to", "dropped")
    assert "goal" not in alone
    assert (full["action"], full["end"], full["dropped"]) == ("run", "dropped", "no room")
    assert "complete" not in full
    assert busy == {
        **{"policy": "los", "time": 3.0, "job": 1, "node": "b", "tried": [], "action": "drop"},
        **{"reason": "previous training still running", "end": "dropped"},
    }


def test_a_training_whose_node_left_is_told_as_lost() -> None:
    triggers = pd.DataFrame([_trigger(2.0, 1, "lost", Reason.LOCAL, 1, 30.0)])
    (line,) = decisions("los", MESH, triggers, [_step(2.0, 1, 1, (), Reason.LOCAL, 1, True, 100.0, None)])
    assert (line["end"], line["complete"]) == ("lost", 30.0)


def test_of_a_real_run_every_trigger_ends_once_and_every_step_is_there(
    watched: tuple[Outcome, list[Step], list[dict[str, Any]]],
) -> None:
    outcome, steps, lines = watched
    triggers = outcome.triggers()
    ends = [line for line in lines if "end" in line]
    assert [(line["time"], line["job"], line["end"]) for line in ends] == list(
        triggers[["time", "job", "end"]].itertuples(index=False, name=None)
    )
    assert len(lines) == len(steps) + int((triggers["reason"] == Reason.BUSY).sum())
    names = [node.name for node in outcome.mesh.nodes]
    assert [line["node"] for line in ends] == [names[i] for i in triggers["node"]]
    assert [len(line["tried"]) for line in ends] == triggers["hops"].tolist()


def test_of_a_real_run_each_goal_decides_next(watched: tuple[Outcome, list[Step], list[dict[str, Any]]]) -> None:
    _, _, lines = watched
    for line, following in zip(lines[:-1], lines[1:], strict=True):
        if line["action"] == "hand over":
            assert following["node"] == line["goal"]
            assert (following["time"], following["job"]) == (line["time"], line["job"])
            assert following["tried"][len(line["tried"])] == line["node"]
        else:
            assert following["tried"] == []
