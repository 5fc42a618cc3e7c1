"""Scheduling policies: LOS and what it is compared with."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from edgeresearch.emulator.api import Scenario, compare_policies, simulate
from edgeresearch.emulator.city import make_city, synthetic_places
from edgeresearch.emulator.network import Routes
from edgeresearch.emulator.policies import (
    POLICIES,
    Foresight,
    LeastLoaded,
    NodeView,
    Oracle,
    _Search,
    make_policy,
    policy_name,
)
from edgeresearch.emulator.results import Outcome, Step
from edgeresearch.emulator.settings import CitySettings, PolicyName
from edgeresearch.errors import InputError
from edgeresearch.scheduling.los import LearningPolicy
from edgeresearch.scheduling.messages import Availability, Decision, Reason, Request, TrainingReport
from edgeresearch.scheduling.settings import Fitting, Limits, Rules
from tests.emulator import plain_policies
from tests.emulator.plain_policies import PLAIN
from tests.emulator.worlds import LIMITS, Case, cases, foresee

Tiny = Callable[..., Scenario]
PAIR = {"layers": [{"name": "edge", "nodes": 2, "vcpu": 1, "memory": 1024}]}


def full(*nodes: str, **more: Any) -> list[dict[str, Any]]:
    """One stream on each node, which leaves too little for a training there."""
    return [{"node": node, "period": 240.0, "cpu": 950.0, **more} for node in nodes]


def go(scenario: Scenario, *, seed: int = 1) -> pd.DataFrame:
    return simulate(scenario, "oracle", hours=1.0, seed=np.random.SeedSequence(seed)).triggers()


@given(case=cases(most=10))
@settings(max_examples=60, deadline=None)
def test_it_decides_what_trying_every_limit_on_every_node_decides(case: Case) -> None:
    mine = case.run("oracle", "decisions")
    other = case.run(plain_policies.Oracle, "decisions")
    assert mine.steps == other.steps
    assert bytes(mine.log) == bytes(other.log)
    assert (mine.handovers, mine.megabytes, mine.synced) == (other.handovers, other.megabytes, other.synced)


class Careful(Oracle):
    """Checks at every decision that no node is better than what is said of it beforehand."""

    def __init__(self, rules: Rules, limits: Limits, fitting: Fitting) -> None:
        super().__init__(limits)

    def decide(self, request: Request, view: NodeView) -> Decision:
        if not request.tried:
            search = _Search(self, view, request.period)
            least = search.least()
            for node in view.everyone():
                most = min(node.cpu, LIMITS.ceiling)
                able = most >= LIMITS.floor and view.reaches(node.node)
                able = able and foresee(view, node.node, most) <= request.period
                if able:
                    best = search.best(node.node)
                    assert best is not None
                    assert least[node.node] <= best.held
                elif least[node.node] < np.inf:  # it may be promising from afar
                    assert search.best(node.node) is None
        return super().decide(request, view)


@given(case=cases(most=10))
@settings(max_examples=40, deadline=None)
def test_no_node_is_better_than_its_bound(case: Case) -> None:
    case.run(Careful)


def test_few_nodes_are_looked_at_closely(paper: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    send = Foresight.send

    def counted(ahead: Foresight, node: int) -> float:
        looked.append(node)
        return send(ahead, node)

    monkeypatch.setattr(Foresight, "send", counted)
    large = replace(paper, testbed=make_city(synthetic_places(1), CitySettings(nodes=150)))
    table = simulate(large, "oracle", hours=0.25, seed=np.random.SeedSequence(1)).triggers()
    assert (table["hops"] > 0).any()
    assert len(looked) < 0.25 * 150 * len(table)


def test_the_oracle_knows_where_memory_is_short(tiny: Tiny) -> None:
    streams = [{**each, "training_memory": 1100.0} for each in full("edge-1")]
    table = go(tiny(streams=streams))
    assert set(table["reason"]) <= {str(Reason.CHOSEN), str(Reason.NO_CAPACITY)}
    assert (table.loc[table["end"] == "finished", "layer"] != "edge").all()


@pytest.mark.parametrize("seed", range(3))
def test_the_oracle_never_drops_more_than_los(loaded: Scenario, seed: int) -> None:
    both, _ = compare_policies(loaded, streams=[6, 10], policies=["los", "oracle"], repeats=1, hours=0.5, seed=seed)
    rate = both["end"].eq("dropped").groupby([both["streams"], both["policy"]]).mean().unstack()
    assert (rate["oracle"] <= rate["los"]).all()


def test_the_oracle_takes_what_holds_the_least_cpu_time(tiny: Tiny) -> None:
    scenario = tiny(**PAIR, streams=full("edge-1", cpu=0))
    table = go(scenario)
    curve = scenario.times().curves["edge"]
    overhead = scenario.training_cost.start + scenario.training_cost.stop
    limits = np.geomspace(scenario.limits.floor, scenario.limits.ceiling, 2000)
    held = [limit * (curve.seconds(limit) + overhead) for limit in limits]
    assert set(table["node"]) == {0}
    assert (table["limit"] * table["complete"]).to_numpy() == pytest.approx(min(held), rel=1e-3)


def test_the_oracle_finds_the_last_bit_of_room(tiny: Tiny) -> None:
    # Only all of the node's 333 millicores meet the period, and no step of a grid of limits hits them.
    scenario = tiny()
    needed = scenario.times().curves["edge"].seconds(333.0) + scenario.training_cost.start + scenario.training_cost.stop
    layers = [{"name": "edge", "nodes": 1, "cpu": 333.0, "memory": 1024}]
    for spare, end in ((1e-6, "finished"), (-1e-6, "dropped")):
        stream = {"node": "edge-1", "period": needed + spare}
        table = go(tiny(layers=layers, streams=[stream]))
        assert set(table["end"]) == {end}, spare


ALONE = {"layers": [{"name": "edge", "nodes": 1, "vcpu": 1, "memory": 1024}]}


def go_policies(
    scenario: Scenario, name: str, *, hours: float = 1.0, seed: int = 1
) -> tuple[pd.DataFrame, list[Step], Outcome]:
    outcome = simulate(scenario, name, hours=hours, seed=np.random.SeedSequence(seed), record="decisions")
    return outcome.triggers(), list(outcome.steps), outcome


@pytest.fixture(scope="module")
def rows(loaded: Scenario) -> pd.DataFrame:
    """Every policy with streams that are too many for all but those that see far."""
    return compare_policies(loaded, streams=[8], policies=list(POLICIES), repeats=2, hours=1, seed=3)[0]


def drops(rows: pd.DataFrame, name: str) -> float:
    return float((rows.loc[rows["policy"] == name, "end"] == "dropped").mean())


# All of them


def test_the_settings_name_all_policies() -> None:
    assert set(get_args(PolicyName)) == set(POLICIES)


@pytest.mark.parametrize("name", list(POLICIES))
def test_a_policy_is_made_by_its_name_and_knows_nothing_yet(name: str) -> None:
    made = [make_policy(name) for _ in range(2)]
    assert policy_name(made[0]) == name
    assert made[0] is not made[1]
    assert not isinstance(made[0], LearningPolicy) or made[0].history(0).cold


def test_an_unknown_policy_is_told() -> None:
    with pytest.raises(InputError, match="unknown policy 'cluod'; did you mean cloud.; known: los, in_situ, random, "):
        make_policy("cluod")


@pytest.mark.parametrize("name", list(POLICIES))
def test_an_idle_source_trains_at_once(tiny: Tiny, name: str) -> None:
    table, _, _ = go_policies(tiny(**PAIR, streams=full("edge-1", cpu=0)), name)
    assert len(table) == 14
    if name == "cloud":  # there is none
        assert set(table["reason"]) == {str(Reason.NO_NEIGHBOUR)}
    else:
        assert (table["end"] == "finished").all() and (table["hops"] == 0).all() and (table["node"] == 0).all()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("los", Reason.NO_NEIGHBOUR),
        ("random", Reason.NO_NEIGHBOUR),
        ("cloud", Reason.NO_NEIGHBOUR),
        ("in_situ", Reason.NO_CAPACITY),
        ("least_loaded", Reason.NO_CAPACITY),
        ("oracle", Reason.NO_CAPACITY),
    ],
)
def test_a_full_node_alone_drops_all(tiny: Tiny, name: str, reason: Reason) -> None:
    table, _, _ = go_policies(tiny(**ALONE, streams=full("edge-1")), name)
    assert (table["end"] == "dropped").all() and set(table["reason"]) == {str(reason)}


def test_who_sees_farther_drops_less(rows: pd.DataFrame) -> None:
    assert drops(rows, "in_situ") == 1
    assert drops(rows, "in_situ") > drops(rows, "los") > drops(rows, "oracle")
    assert drops(rows, "los") < drops(rows, "random")
    assert drops(rows, "least_loaded") < drops(rows, "los")


def test_a_learning_policy_keeps_its_jobs_apart(paper: Scenario) -> None:
    made = LearningPolicy(paper.rules, paper.limits, paper.fitting)
    made.learn(TrainingReport(3, 0, "edge", 240.0, 400.0, 60.0, 65.0, 0.5, 64.0, 0.5, 5.0))
    assert not made.history(3).cold and made.history(4).cold
    assert made.history(3) is made.history(3)
    assert made.history(3).limits[0] == pytest.approx(360)


def test_a_learning_policy_places_what_is_feasible(paper: Scenario) -> None:
    made = LearningPolicy(paper.rules, paper.limits, paper.fitting)
    room = Availability(2, 0.0, 500.0, 512.0, 0.5, "edge")
    found = made.place(Request(0, 240.0), room)
    assert found is not None
    assert found[:3] == (Reason.CHOSEN, 2, True) and found.limit == pytest.approx(425)
    assert made.place(Request(0, 240.0), room._replace(cpu=0.0)) is None


# LOS


def test_los_offloads_to_a_neighbour(tiny: Tiny) -> None:
    table, steps, _ = go_policies(tiny(streams=full("edge-1")), "los")
    assert (table["end"] == "finished").all() and (table["hops"] == 1).all()
    assert steps[0].decision.reason == Reason.COLD_NEIGHBOUR
    assert {step.decision.reason for step in steps[2:]} == {Reason.FEASIBLE, Reason.LOCAL}
    assert all(step.decision.node in (1, 2, 3) for step in steps)  # edge-2, edge-3, and fog-1 above the gateway


# In-situ, random neighbour


def test_in_situ_never_leaves_the_source(rows: pd.DataFrame, tiny: Tiny) -> None:
    table, steps, _ = go_policies(tiny(streams=full("edge-1", cpu=500)), "in_situ")
    assert (table["hops"] == 0).all() and (table["end"] == "finished").any()
    assert {step.node for step in steps} == {0}
    assert (rows.loc[rows["policy"] == "in_situ", "reason"] == Reason.NO_CAPACITY).all()


def test_random_ends_in_a_cycle_or_at_the_hop_limit(tiny: Tiny) -> None:
    table, _, _ = go_policies(tiny(**PAIR, streams=full("edge-1", "edge-2")), "random")
    assert set(table["reason"]) == {str(Reason.CYCLE)} and set(table["hops"]) == {1}
    scenario = tiny(
        layers=[{"name": "edge", "nodes": 6, "vcpu": 1, "memory": 1024}],
        streams=full(*map("edge-{}".format, range(1, 7))),
    )
    table, steps, _ = go_policies(replace(scenario, rules=Rules(hop_limit=2)), "random")
    assert set(table["reason"]) == {str(Reason.CYCLE), str(Reason.HOPS)}
    assert set(table.loc[table["reason"] == Reason.HOPS, "hops"]) == {2}


# Cloud


def test_the_cloud_gets_all_in_turn(tiny: Tiny) -> None:
    table, steps, outcome = go_policies(tiny(streams=full("edge-2")), "cloud")
    assert (table["layer"] == "cloud").all()
    names = [outcome.mesh.nodes[node].name for node in table["node"]]
    assert names[:4] in (["cloud-1", "cloud-2"] * 2, ["cloud-2", "cloud-1"] * 2)
    routes = Routes(outcome.mesh)
    assert table["hops"].tolist() == [len(routes.path(1, node)) - 1 for node in table["node"]]
    assert set(routes.path(1, 4)[1:]) == {0, 3, 4}  # through both gateways


def test_a_cloud_that_is_cut_off_gets_nothing(tiny: Tiny) -> None:
    churn = {"changes": [{"time": 1250, "node": "fog-1", "up": False}]}
    table, _, _ = go_policies(tiny(streams=full("edge-2"), churn=churn), "cloud")
    late = table["time"] > 1250
    assert (table.loc[~late, "end"] == "finished").all()
    assert set(table.loc[late, "reason"]) == {str(Reason.NO_NEIGHBOUR)}


# Least loaded


def test_the_least_loaded_node_of_all_is_taken(tiny: Tiny) -> None:
    others = [{"node": node, "period": 7000.0, "cpu": cpu} for node, cpu in (("edge-2", 300), ("fog-1", 200))]
    busy = [{"node": node, "period": 7000.0, "cpu": 900} for node in ("edge-3", "cloud-2")]
    table, _, outcome = go_policies(tiny(streams=[*full("edge-1"), *others, *busy]), "least_loaded")
    # cloud-1 is idle; of the 2000 millicores of cloud-2 45 % are in use, more than anywhere but on edge-1 and edge-3
    assert {outcome.mesh.nodes[node].name for node in table["node"]} == {"cloud-1"}
    assert outcome.synced == len(table) * len(outcome.mesh.nodes)


# As they are written first


@pytest.mark.parametrize("name", ["cloud", "least_loaded"])
@given(case=cases(most=14, clouds=3))
@hypothesis_settings(max_examples=120, deadline=None)
def test_they_decide_what_computing_all_anew_decides(name: str, case: Case) -> None:
    mine = case.run(name, "decisions")
    other = case.run(PLAIN[name], "decisions")
    assert mine.steps == other.steps
    assert bytes(mine.log) == bytes(other.log)
    assert (mine.handovers, mine.megabytes, mine.synced) == (other.handovers, other.megabytes, other.synced)


class Hopeful(LeastLoaded):
    """Leaves no node out beforehand."""

    def least_cpu(self, request: Request, kind: str) -> float:
        return -np.inf


@given(case=cases(most=10))
@hypothesis_settings(max_examples=40, deadline=None)
def test_leaving_nodes_out_beforehand_only_saves_time(case: Case) -> None:
    mine, other = case.run("least_loaded"), case.run(Hopeful)
    assert bytes(mine.log) == bytes(other.log)
    assert mine.synced == other.synced


@given(
    runs=st.lists(st.tuples(st.floats(50, 1000), st.floats(5, 200), st.floats(0, 20)), max_size=6),
    period=st.floats(5, 300),
    free=st.floats(0, 2000),
    near=st.sampled_from([None, 1 - 1e-9, 1.0, 1 + 1e-9, 1 + 1e-5]),
)
@hypothesis_settings(max_examples=300)
def test_nothing_is_feasible_below_the_least(
    runs: list[tuple[float, float, float]], period: float, free: float, near: float | None
) -> None:
    made = LearningPolicy(Rules(), LIMITS, Fitting(refine=False))
    for limit, seconds, overhead in runs:
        made.learn(TrainingReport(0, 1, "fast", period, limit, seconds, seconds + overhead, 0.5, 10.0, 0.5, overhead))
    request, least = Request(0, period), made.least_cpu(Request(0, period), "fast")
    if near is not None and np.isfinite(least):
        free = least * near
    for node in (1, 2):  # one with a limit of its own, one without
        plan = made.place(request, Availability(node, 0.0, free, 1000.0, 0.5, "fast"))
        assert plan is None or free >= least
        if free > least * (1 + 1e-5) + 1e-5:
            assert plan is not None  # and what is left out is all that can be
    if not runs:
        assert least == LIMITS.floor == made.least_cpu(request, "slow")
