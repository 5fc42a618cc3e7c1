from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.emulator.chance import chance
from edgeresearch.emulator.mesh import Link, Mesh, Node
from edgeresearch.emulator.view import View
from edgeresearch.emulator.workload import Job, Truth
from edgeresearch.emulator.world import World
from edgeresearch.errors import InputError
from edgeresearch.los.request import Decision, Reason, Report, Request
from edgeresearch.los.runtime import Curve

MESH = Mesh([Node(f"n{i}", "edge", "fast", 1000.0, 500.0) for i in range(3)], [Link(0, 1, 0.5, 8.0)])
TRUTH = Truth({"fast": Curve(16_000.0, 0.0, 1.0, 10.0)}, start=2.0, stop=1.0)
Decide = Callable[[Request, View], Decision]


class Policy:
    name = "own"
    learns = True

    def __init__(self, decide: Decide) -> None:
        self.say = decide
        self.reports: list[Report] = []

    def decide(self, request: Request, view: View, rng: np.random.Generator) -> Decision:
        return self.say(request, view)

    def learn(self, report: Report) -> None:
        self.reports.append(report)


def here(request: Request, view: View) -> Decision:
    return Decision(Reason.LOCAL, view.node, True, 400.0)


def over(request: Request, view: View) -> Decision:
    return here(request, view) if request.tried else Decision(Reason.FEASIBLE, 1, False, 300.0, 50.0)


def world(decide: Decide = here, *jobs: Job, **more: Any) -> tuple[World, Policy]:
    policy = Policy(decide)
    given_ = {"interval": 5.0, "loss": 0.0, "drift": None, "watch": None, **more}
    given_["chance"] = chance(np.random.SeedSequence(0), 3, 5.0)
    return World(MESH, jobs or [Job(0, 60.0, 0.0)], policy, TRUTH, **given_), policy


def test_a_trigger_runs_where_the_policy_says() -> None:
    made, _ = world()
    made.trigger([(5.0, 0, 1.5, 0.0)])
    row = made.log.frame().iloc[0]
    assert (row["time"], row["node"], row["hops"], row["limit"]) == (5.0, 0, 0, 400.0)
    assert row["seconds"] == 50 * 1.5
    assert row["complete"] == 75 + 3
    made.view.node, made.view.time = 0, 82.9
    assert made.view.here().cpu == 600
    made.view.time = 83.0
    assert made.view.here().cpu == 1000


def test_what_is_handed_over_takes_its_plan_along() -> None:
    told: list[tuple[float, int, Request, Decision]] = []
    made, _ = world(over, watch=lambda *step: told.append(step))
    made.trigger([(5.0, 0, 1.0, 0.0)])
    assert [(time, node) for time, node, _, _ in told] == [(5.0, 0), (5.0, 1)]
    assert told[0][2] == Request(0, 60.0)
    assert told[1][2] == Request(0, 60.0, (0,), 300.0)
    assert isinstance(told[1][2], Request)
    assert made.handed == [1, 0, 0]
    assert made.megabytes == [0.5, 0.0, 0.0]


def test_a_report_says_all_of_a_run() -> None:
    made, policy = world(over)
    made.trigger([(5.0, 0, 1.0, 0.0625)])
    assert policy.reports == []
    made.trigger([(64.0, 0, 1.0, 0.0)])
    assert policy.reports == [Report(0, 1, "fast", 60.0, 400.0, 50.0, 54.0, 0.8625, 64.0, 0.5, 3.0)]
    assert isinstance(policy.reports[0], Report)


def test_what_is_dropped_is_noted_where_it_was() -> None:
    made, _ = world(lambda request, view: over(request, view) if not request.tried else Decision(Reason.FULL))
    made.trigger([(5.0, 0, 1.0, 0.0)])
    row = made.log.frame().iloc[0]
    assert (row["end"], row["reason"], row["hops"], row["node"]) == ("dropped", "no room", 1, 1)


def test_one_training_of_a_job_at_a_time() -> None:
    made, _ = world()
    for time in (0.0, 52.9, 53.0):
        made.trigger([(time, 0, 1.0, 0.0)])
    assert made.log.frame()["end"].tolist() == ["finished", "dropped", "finished"]


@pytest.mark.parametrize(("leaves", "end"), [(52.9, "lost"), (53.0, "finished")])
def test_what_ends_as_its_node_leaves_has_ended(leaves: float, end: str) -> None:
    made, policy = world()
    made.trigger([(0.0, 0, 1.0, 0.0)])
    made.change(leaves, 0, up=False)
    made.change(leaves, 0, up=False)
    made.trigger([(60.0, 0, 1.0, 0.0)])
    made.change(70.0, 0, up=True)
    made.trigger([(120.0, 0, 1.0, 0.0)])
    assert made.log.frame()["end"].tolist() == [end, "finished"]
    assert len(policy.reports) == (end == "finished")


def test_a_run_of_the_past_is_no_run_of_now() -> None:
    made, _ = world(lambda request, view: here(request, view), Job(0, 60.0, 0.0), Job(0, 60.0, 0.0))
    made.trigger([(0.0, 0, 1.0, 0.0)])
    made.trigger([(54.0, 1, 1.0, 0.0)])
    made.trigger([(55.0, 0, 1.0, 0.0)])
    made.change(56.0, 0, up=False)
    assert made.log.frame()["end"].tolist() == ["finished", "lost", "lost"]


def test_trainings_elsewhere_outlive_their_source() -> None:
    made, policy = world(over)
    made.trigger([(0.0, 0, 1.0, 0.0)])
    made.change(10.0, 0, up=False)
    made.change(20.0, 0, up=True)
    made.trigger([(30.0, 0, 1.0, 0.0)])
    made.trigger([(60.0, 0, 1.0, 0.0)])
    assert made.log.frame()["end"].tolist() == ["finished", "dropped", "finished"]
    assert len(policy.reports) == 1


def test_prediction_jobs_take_their_part_for_good() -> None:
    made, _ = world(here, Job(1, 60.0, 0.0, cpu=300.0, memory=100.0), Job(1, 60.0, 0.0, cpu=700.0, memory=400.0))
    assert made.view.true(1)[2:5] == (0.0, 0.0, 1.0)
    with pytest.raises(InputError, match="n1 has no room for its prediction jobs: -1 millicores, 500 MB"):
        world(here, Job(1, 60.0, 0.0, cpu=1001.0))


def test_no_room_for_rounding_errors_is_needed() -> None:
    made, _ = world(here, *[Job(1, 60.0, 0.0, cpu=1000 / 49, memory=500 / 49) for _ in range(49)])
    assert abs(made.view.true(1).cpu) < 1e-9


@given(limits=st.lists(st.floats(1, 1000), min_size=1, max_size=30))
@settings(max_examples=100)
def test_a_node_never_gives_more_than_it_has(limits: list[float]) -> None:
    wanted = iter(limits)

    def decide(request: Request, view: View) -> Decision:
        limit = next(wanted)
        if limit > view.here().cpu:
            return Decision(Reason.FULL)
        return Decision(Reason.LOCAL, view.node, True, limit)

    made, _ = world(decide, *[Job(0, 60.0, 0.0, training_memory=1.0) for _ in limits])
    for number in range(len(limits)):
        made.trigger([(float(number), number, 0.3, 0.0)])
        made.view.node = 0
        assert 0 <= made.view.here().cpu <= 1000


def test_more_than_there_is_is_refused() -> None:
    made, _ = world(lambda request, view: Decision(Reason.LOCAL, view.node, True, 600.0), *[Job(0, 60.0, 0.0)] * 2)
    made.trigger([(0.0, 0, 1.0, 0.0)])
    with pytest.raises(ValueError, match="own: node 0 has 400 millicores free at 1 s, not 600"):
        made.trigger([(1.0, 1, 1.0, 0.0)])


@pytest.mark.parametrize("interval", [0.0, 5.0, 60.0])
@pytest.mark.parametrize("loss", [0.0, 0.5])
def test_nodes_forget_no_more_than_nobody_can_see(interval: float, loss: float) -> None:
    made, _ = world(here, interval=interval, loss=loss)
    for start in range(0, 6000, 60):
        made.trigger([(float(start), 0, 1.0, 0.0)])
        made.view.node, made.view.time = 1, start + 59.0
        seen = made.view.neighbours()[0]
        began = seen.time - seen.time % 60
        busy = began < seen.time < began + 53 or (interval == 0 and seen.time < began + 53)
        assert seen.cpu == (600 if busy else 1000)


def test_a_change_to_what_is_already_so_changes_nothing() -> None:
    made, _ = world()
    made.change(3.0, 0, up=True)
    made.trigger([(5.0, 0, 1.0, 0.0)])
    made.change(6.0, 0, up=True)
    made.view.node, made.view.time = 0, 7.0
    assert made.view.here().cpu == 600
    made.change(8.0, 0, up=False)
    made.change(9.0, 0, up=True)
    assert made.view.here().cpu == 1000
    assert made.log.frame()["end"].tolist() == ["lost"]
    made.trigger([(65.0, 0, 1.0, 0.0)])
    assert len(made.log) == 2


def test_a_source_that_is_away_triggers_nothing() -> None:
    made, policy = world()
    made.trigger([(0.0, 0, 1.0, 0.0)])
    made.change(1.0, 0, up=False)
    made.trigger([(60.0, 0, 1.0, 0.0)])
    assert len(made.log) == 1
    assert policy.reports == []


def test_a_policy_that_does_not_learn_is_told_nothing() -> None:
    told = []
    for learns in (True, False):
        made, policy = world()
        policy.learns = learns
        made.trigger([(0.0, 0, 1.0, 0.0), (60.0, 0, 1.0, 0.0)])
        assert made.log.frame()["end"].tolist() == ["finished", "finished"]
        told.append(len(policy.reports))
    assert told == [1, 0]


def test_drift_slows_the_cpu_time() -> None:
    made, _ = world(here, drift=lambda time: 1 + time / 10)
    made.trigger([(0.0, 0, 1.0, 0.0)])
    made.trigger([(60.0, 0, 1.0, 0.0)])
    assert made.log.frame()["seconds"].tolist() == [50.0, 40 * 7 + 10.0]


def test_whoever_knows_all_nodes_is_told_of_what_changes() -> None:
    seen: list[list[float]] = []

    def decide(request: Request, view: View) -> Decision:
        seen.append(view.survey().cpu.tolist())
        return over(request, view)

    made, _ = world(decide, Job(0, 60.0, 0.0), Job(0, 60.0, 0.0))
    made.trigger([(5.0, 0, 1.0, 0.0), (6.0, 1, 1.0, 0.0)])
    made.change(7.0, 2, up=False)
    made.trigger([(70.0, 0, 1.0, 0.0)])
    made.change(80.0, 1, up=False)
    made.change(81.0, 1, up=False)
    made.change(90.0, 1, up=True)
    made.trigger([(100.0, 1, 1.0, 0.0)])
    idle, away = 1000.0, -np.inf
    each = [[idle] * 3, [idle, 600.0, idle], [idle, idle, away], [idle, idle, away]]
    assert seen == [state for state in each for _ in range(2)]
    assert made.view.synced == 2 * (3 + 3 + 2 + 2)


def test_what_lies_ahead_is_what_then_comes() -> None:
    told: list[tuple[float, float]] = []

    def decide(request: Request, view: View) -> Decision:
        if not request.tried:
            told.append((view.foresee(0, 400.0), view.foresee(1, 400.0)))
            assert view.ahead().path == (0,) and view.ahead().overhead == 3.0
        return over(request, view)

    made, _ = world(decide, drift=lambda time: 1 + time)
    made.trigger([(1.0, 0, 1.5, 0.0)])
    assert told == [(1.5 * 90 + 3, 1.5 * 90 + 1 + 3)]
    assert made.log.frame()["complete"].tolist() == [1.5 * 90 + 1 + 3]
