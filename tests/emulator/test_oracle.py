from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from edgeresearch.emulator.ahead import Ahead
from edgeresearch.emulator.city import city
from edgeresearch.emulator.city_places import places
from edgeresearch.emulator.emulation import Step
from edgeresearch.emulator.experiment import Setup, run, scheduling
from edgeresearch.emulator.oracle import Oracle, _Search
from edgeresearch.emulator.view import View
from edgeresearch.los.request import Decision, Reason, Report, Request
from edgeresearch.los.runtime import Fitting
from edgeresearch.los.schedule import Rules
from tests.emulator import plain_policies
from tests.emulator.worlds import LIMITS, Case, cases

Tiny = Callable[..., Setup]
PAIR = {"layers": [{"name": "edge", "nodes": 2, "vcpu": 1, "memory": 1024}]}


def full(*nodes: str, **more: Any) -> list[dict[str, Any]]:
    """One stream on each node, which leaves too little for a training there."""
    return [{"node": node, "period": 240.0, "cpu": 950.0, **more} for node in nodes]


def go(setup: Setup, *, seed: int = 1) -> pd.DataFrame:
    return run(setup, policy="oracle", hours=1.0, seed=np.random.SeedSequence(seed)).triggers()


@given(case=cases(most=10))
@settings(max_examples=60, deadline=None)
def test_it_decides_what_trying_every_limit_on_every_node_decides(case: Case) -> None:
    steps: list[Step] = []
    plain: list[Step] = []
    mine = case.run("oracle", watch=steps.append)
    other = case.run(plain_policies.Oracle, watch=plain.append)
    assert steps == plain
    assert bytes(mine.log) == bytes(other.log)
    assert (mine.handed, mine.megabytes, mine.synced) == (other.handed, other.megabytes, other.synced)


class Careful(Oracle):
    """Checks at every decision that no node is better than what is said of it beforehand."""

    def decide(self, request: Request, view: View, rng: np.random.Generator) -> Decision:
        if not request.tried:
            search = _Search(view, request.period, self._limits, *self._bounds, self._plain)
            least = search.least()
            for node in view.everyone():
                most = min(node.cpu, LIMITS.ceiling)
                able = most >= LIMITS.floor and view.reaches(node.node)
                able = able and view.foresee(node.node, most) <= request.period
                if able:
                    best = search.best(node.node)
                    assert best is not None
                    assert least[node.node] <= best.held
                elif least[node.node] < np.inf:  # it may be promising from afar
                    assert search.best(node.node) is None
        return super().decide(request, view, rng)


@given(case=cases(most=10))
@settings(max_examples=40, deadline=None)
def test_no_node_is_better_than_its_bound(case: Case) -> None:
    case.run(Careful)


def test_few_nodes_are_looked_at_closely(paper: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    send = Ahead.send

    def counted(ahead: Ahead, node: int) -> float:
        looked.append(node)
        return send(ahead, node)

    monkeypatch.setattr(Ahead, "send", counted)
    district = {"edge": 5, "fog": 4, "cloud": 6}
    large = replace(paper, testbed=city(places(None, seed=1), nodes=150, district=district, neighbours=4, share=0.6))
    table = run(large, policy="oracle", hours=0.25, seed=np.random.SeedSequence(1)).triggers()
    assert (table["hops"] > 0).any()
    assert len(looked) < 0.25 * 150 * len(table)


def test_the_oracle_knows_where_memory_is_short(tiny: Tiny) -> None:
    streams = [{**each, "training_memory": 1100.0} for each in full("edge-1")]
    table = go(tiny(streams=streams))
    assert set(table["reason"]) <= {str(Reason.CHOSEN), str(Reason.FULL)}
    assert (table.loc[table["end"] == "finished", "layer"] != "edge").all()


def test_the_oracle_drops_nothing_where_capacity_suffices(paper: Setup, tiny: Tiny) -> None:
    light = replace(paper, testbed=paper.testbed.with_rule(work=1.0))
    rows, _ = scheduling(light, streams=[4, 8], policies=["oracle"], repeats=1, hours=1, seed=2)
    assert (rows["end"] == "finished").all()
    table = go(tiny(streams=full("edge-1", "edge-2", "edge-3")))
    assert (table["end"] == "finished").all()


@pytest.mark.parametrize("seed", range(3))
def test_the_oracle_never_drops_more_than_los(loaded: Setup, seed: int) -> None:
    both, _ = scheduling(loaded, streams=[6, 10], policies=["los", "oracle"], repeats=1, hours=0.5, seed=seed)
    rate = both["end"].eq("dropped").groupby([both["streams"], both["policy"]]).mean().unstack()
    assert (rate["oracle"] <= rate["los"]).all()


def test_what_the_oracle_places_meets_its_period(loaded: Setup) -> None:
    rows, _ = scheduling(loaded, streams=[8], policies=["los", "oracle"], repeats=2, hours=1, seed=3)
    ran = rows[rows["end"] == "finished"]
    mine, los = (ran[ran["policy"] == name] for name in ("oracle", "los"))
    assert len(mine) > 50
    assert (mine["complete"] <= mine["period"] * (1 + 1e-6)).all()
    assert (los["complete"] > los["period"]).any()


def test_the_oracle_takes_what_holds_the_least_cpu_time(tiny: Tiny) -> None:
    setup = tiny(**PAIR, streams=full("edge-1", cpu=0))
    table = go(setup)
    overhead = setup.truth.start + setup.truth.stop
    limits = np.geomspace(setup.limits.floor, setup.limits.ceiling, 2000)
    held = [limit * (setup.curve.seconds(limit) + overhead) for limit in limits]
    assert set(table["node"]) == {0}
    assert (table["limit"] * table["complete"]).to_numpy() == pytest.approx(min(held), rel=1e-3)


def test_the_oracle_finds_the_last_bit_of_room(tiny: Tiny) -> None:
    # Only all of the node's 333 millicores meet the period, and no step of a grid of limits hits them.
    setup = tiny()
    needed = setup.curve.seconds(333.0) + setup.truth.start + setup.truth.stop
    layers = [{"name": "edge", "nodes": 1, "cpu": 333.0, "memory": 1024}]
    for spare, end in ((1e-6, "finished"), (-1e-6, "dropped")):
        stream = {"node": "edge-1", "period": needed + spare}
        table = go(tiny(layers=layers, streams=[stream]))
        assert set(table["end"]) == {end}, spare


def test_the_oracle_reaches_no_farther_than_the_mesh(tiny: Tiny) -> None:
    layers = [{"name": "edge", "names": ["a", "b"], "vcpu": 1, "memory": 1024, "mesh": "links"}]
    table = go(tiny(layers=layers, streams=full("a")))
    assert set(table["reason"]) == {str(Reason.FULL)}


def test_the_oracle_learns_nothing() -> None:
    made = Oracle(Rules(), LIMITS, Fitting())
    before = dict(vars(made))
    made.learn(Report(0, 1, "fast", 60.0, 400.0, 50.0, 54.0, 0.9, 64.0, 0.5, 3.0))
    made.fail(0, 100.0)
    assert vars(made) == before and not made.learns and not made.listens
