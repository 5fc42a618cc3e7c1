"""What runs come to: by policy, node, reason, hop and link."""

import itertools
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.emulator import results
from edgeresearch.emulator.api import Scenario, simulate
from edgeresearch.emulator.network import Job, Link, Mesh, Node, Routes
from edgeresearch.emulator.policies import POLICIES
from edgeresearch.emulator.results import (
    CALL_BYTES,
    MEGA,
    MODEL_BYTES,
    STATE_BYTES,
    Outcome,
    Path,
    Step,
    TriggerLog,
    decision_records,
    link_traffic,
    model_broadcasts,
    outcome_shares,
    traffic,
)
from edgeresearch.emulator.testbed import load, paper_b
from edgeresearch.scheduling.messages import Decision, Reason, Request
from edgeresearch.stats import interval

MESH = Mesh(
    [Node(name, "edge", "edge", 1000, 1024) for name in "abc"], [Link(0, 1, 0.001, 100), Link(1, 2, 0.001, 100)]
)


Row_ = tuple[float, int, str, Reason, int, float]


def _policy(*, listens: bool = True, learns: bool = True) -> Any:
    policy = SimpleNamespace(name="any", listens=listens)
    if learns:
        policy.learn = print
    return policy


def _records(steps: list[Step], *triggers: Row_) -> list[dict[str, Any]]:
    log = TriggerLog()
    for time, job, end, reason, node, complete in triggers:
        if end == "dropped":
            log.dropped(job, time, reason, 0, node)
        else:
            place = log.placed(job, time, reason, 0, node, 100.0, 20.0, complete)
            if end == "lost":
                log.lose(place)
    jobs = [Job(0, 200.0, 0.0)] * 9
    return list(decision_records("los", Outcome(_policy(), MESH, jobs, 3600.0, 5.0, log, [], [], steps=steps)))


def _step(time: float, node: int, job: int, tried: tuple[int, ...], *decision: Any) -> Step:
    return Step(time, node, Request(job, 200.0, tried), Decision(*decision))


@pytest.fixture(scope="module", params=["los", "cloud"])
def watched(request: pytest.FixtureRequest, paper: Scenario) -> tuple[Outcome, list[dict[str, Any]]]:
    seed = np.random.SeedSequence(3)
    outcome = simulate(paper, request.param, hours=1.5, seed=seed, streams=8, record="decisions")
    return outcome, list(decision_records(request.param, outcome))


def test_a_course_is_told_step_by_step_with_names_and_reasons() -> None:
    steps = [
        _step(5.0, 0, 7, (), Reason.INFEASIBLE, 1),
        _step(5.0, 1, 7, (0,), Reason.FEASIBLE, 2, False, 300.0, 40.0),
        _step(5.0, 2, 7, (0, 1), Reason.LOCAL, 2, True, 300.0, 40.0),
    ]
    first, second, third = _records(steps, (5.0, 7, "finished", Reason.LOCAL, 2, 44.0))
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
    steps = [_step(1.0, 0, 0, (), Reason.NO_NEIGHBOUR), _step(2.0, 1, 1, (), Reason.LOCAL, 1, True, 100.0, None)]
    alone, full, busy = _records(
        steps,
        (1.0, 0, "dropped", Reason.NO_NEIGHBOUR, 0, 0.0),
        (2.0, 1, "dropped", Reason.NO_CAPACITY, 1, 0.0),
        (3.0, 1, "dropped", Reason.BUSY, 1, 0.0),
    )
    assert (alone["action"], alone["reason"], alone["end"]) == ("drop", "no neighbour to hand over to", "dropped")
    assert "goal" not in alone
    assert (full["action"], full["end"], full["dropped"]) == ("run", "dropped", "no room")
    assert "complete" not in full
    assert busy == {
        **{"policy": "los", "time": 3.0, "job": 1, "node": "b", "tried": [], "action": "drop"},
        **{"reason": "previous training still running", "end": "dropped"},
    }


def test_a_training_whose_node_left_is_told_as_lost() -> None:
    steps = [_step(2.0, 1, 1, (), Reason.LOCAL, 1, True, 100.0, None)]
    (line,) = _records(steps, (2.0, 1, "lost", Reason.LOCAL, 1, 30.0))
    assert (line["end"], line["complete"]) == ("lost", 30.0)


def test_of_a_real_run_every_trigger_ends_once_and_every_step_is_there(
    watched: tuple[Outcome, list[dict[str, Any]]],
) -> None:
    outcome, lines = watched
    triggers = outcome.triggers()
    ends = [line for line in lines if "end" in line]
    assert [(line["time"], line["job"], line["end"]) for line in ends] == list(
        triggers[["time", "job", "end"]].itertuples(index=False, name=None)
    )
    assert len(lines) == len(outcome.steps) + int((triggers["reason"] == Reason.BUSY).sum())
    names = [node.name for node in outcome.mesh.nodes]
    assert [line["node"] for line in ends] == [names[i] for i in triggers["node"]]
    assert [len(line["tried"]) for line in ends] == triggers["hops"].tolist()


def _triggers(*rows: tuple[str, int, float]) -> pd.DataFrame:
    ends, hops, complete = zip(*rows, strict=True)
    return pd.DataFrame({"end": ends, "hops": hops, "complete": complete, "period": 100.0})


def test_shares_leave_what_was_dropped_out_of_all_but_the_lost() -> None:
    found = outcome_shares(
        _triggers(
            ("finished", 0, 50.0), ("finished", 1, 100.0), ("finished", 2, 101.0), ("lost", 1, 60.0),
            ("dropped", 4, math.nan),
        )
    )  # fmt: skip
    assert found == {"lost_percent": 20.0, "late_percent": 25.0, "mean_hops": 1.0, "local_percent": 25.0}


def test_triggers_carry_the_period_and_the_layer_of_those_that_finished(paper: Scenario) -> None:
    outcome = simulate(paper, "los", hours=1.0, seed=np.random.SeedSequence(3))
    table = outcome.triggers()
    nodes = outcome.mesh.nodes
    finished = table["end"] == "finished"
    assert 0 < finished.sum() < len(table)
    assert table["period"].tolist() == [outcome.jobs[job].period for job in table["job"]]
    assert table.loc[finished, "layer"].tolist() == [nodes[node].layer for node in table.loc[finished, "node"]]
    assert (table.loc[~finished, "layer"] == "").all()
    assert outcome_shares(table)["local_percent"] < 100


Make = Callable[..., pd.DataFrame]
Row = tuple[int, str, str, int]

RAN, DROPPED, LOST, BUSY = "finished", "dropped", "lost", str(Reason.BUSY)
HERE, CYCLE = str(Reason.LOCAL), str(Reason.CYCLE)

some_rows: st.SearchStrategy[list[Row]] = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 3), st.sampled_from([RAN, LOST]), st.just(HERE), st.integers(0, 4)),
        st.tuples(st.integers(0, 3), st.just(DROPPED), st.just(CYCLE), st.integers(0, 4)),
        st.tuples(st.integers(0, 3), st.just(DROPPED), st.just(BUSY), st.just(0)),
    ),
    min_size=1,
    max_size=30,
)


def shares_of(table: pd.DataFrame, column: str) -> dict[Any, float]:
    return dict(zip(table[column], table["share_percent"], strict=True))


def test_drop_rates_are_means_over_repeats(make_triggers: Make) -> None:
    rows = [(0, DROPPED, CYCLE, 2), (0, RAN, HERE, 1), (1, RAN, HERE, 1), (1, LOST, HERE, 1), (1, DROPPED, BUSY, 0)]
    table = results.drop_rates(make_triggers(*rows))
    assert list(table.columns) == ["policy", "streams", "drop_percent", "low", "high"]
    row = table.iloc[0]
    assert (row["policy"], row["streams"]) == ("los", 2)
    assert row["drop_percent"] == pytest.approx((50 + 100 / 3) / 2)
    assert (row["low"], row["high"]) == pytest.approx(interval([50, 100 / 3])[1:])


def test_policies_and_streams_are_told_apart_in_the_order_in_which_they_come(make_triggers: Make) -> None:
    triggers = pd.concat(
        [
            make_triggers((0, DROPPED, CYCLE, 1), (0, RAN, HERE, 1), streams=10),
            make_triggers((0, RAN, HERE, 1), streams=2),
            make_triggers((0, DROPPED, str(Reason.NO_CAPACITY), 0), streams=10, policy="in_situ"),
        ]
    )
    table = results.drop_rates(triggers)
    assert table[["policy", "streams", "drop_percent"]].values.tolist() == [
        ["los", 10, 50.0],
        ["los", 2, 0.0],
        ["in_situ", 10, 100.0],
    ]
    depths = results.hop_shares(triggers, "attempts")
    assert depths[depths["streams"] == 2][["hops", "share_percent"]].values.tolist() == [[0, 0.0], [1, 100.0]]


def test_the_three_readings_of_fig_6(make_triggers: Make) -> None:
    triggers = make_triggers(
        (0, RAN, HERE, 1), (0, LOST, HERE, 1), (0, RAN, HERE, 2), (0, DROPPED, CYCLE, 2), (0, DROPPED, BUSY, 0)
    )
    assert shares_of(results.hop_shares(triggers, "attempts"), "hops") == {1: 50, 2: 50}
    assert shares_of(results.hop_shares(triggers, "triggers"), "hops") == {1: 40, 2: 20}
    assert shares_of(results.hop_shares(triggers, "placed"), "hops") == pytest.approx({1: 200 / 3, 2: 100 / 3})


def test_where_nothing_ran_there_are_no_shares_but_there_is_a_drop_rate(make_triggers: Make) -> None:
    triggers = make_triggers((0, DROPPED, str(Reason.NO_CAPACITY), 0), (0, DROPPED, BUSY, 0))
    for reading in ("placed", "triggers"):
        table = results.hop_shares(triggers, reading)
        assert list(table.columns) == ["policy", "streams", "hops", "share_percent", "low", "high"]
        assert table.empty
    assert results.drop_rates(triggers)["drop_percent"].tolist() == [100]
    assert list(results.drop_rates(triggers.iloc[:0]).columns) == ["policy", "streams", "drop_percent", "low", "high"]


@settings(max_examples=40)
@given(rows=some_rows)
def test_shares_sum_to_100(make_triggers: Make, rows: Sequence[Row]) -> None:
    triggers = make_triggers(*rows)
    assert results.shares_by(triggers, "reason")["share_percent"].sum() == pytest.approx(100)
    drops = results.drop_rates(triggers)["drop_percent"].iloc[0]
    looked, ran = triggers[triggers["reason"] != BUSY], triggers[triggers["end"] != DROPPED]
    assert results.hop_shares(triggers, "attempts")["share_percent"].sum() == pytest.approx(100 if len(looked) else 0)
    assert results.hop_shares(triggers, "placed")["share_percent"].sum() == pytest.approx(100 if len(ran) else 0)
    assert results.hop_shares(triggers, "triggers")["share_percent"].sum() == pytest.approx(100 - drops)


MESH_tally = Mesh(
    [Node("a", "edge", "edge", 1000, 1024), Node("b", "fog", "fog", 2000, 1024)], [Link(0, 1, 0.001, 100)]
)


def _triggers_tally(policy: str, repeat: int, ends: str, **columns: object) -> pd.DataFrame:
    """Triggers by letters: f(inished), F(inished away), d(ropped), b(usy), l(ost)."""
    words = {"f": "finished", "F": "finished", "d": "dropped", "b": "dropped", "l": "lost"}
    why = {"d": str(Reason.CYCLE), "b": str(Reason.BUSY)}
    return pd.DataFrame(
        {
            "end": [words[end] for end in ends],
            "reason": [why.get(end, str(Reason.LOCAL)) for end in ends],
            "hops": [int(end in "Fd") for end in ends],
            "node": [int(end in "Fd") for end in ends],
            "complete": 100.0,
            "period": 200.0,
            "policy": policy,
            "repeat": repeat,
            "streams": 1,
            **columns,
        }
    )


def _sent(*policies: str) -> pd.DataFrame:
    rows = [(name, k, 2.0 * k, 1.0, 2.0, 3.0, 0.5) for name in policies for k in (1, 3)]
    return pd.DataFrame(
        rows, columns=["policy", "uplink_megabytes", "link_megabytes", "requests", "exchanges", "syncs", "models"]
    )


def test_one_row_per_policy() -> None:
    late = {"complete": [100.0, 250.0, 100.0, 100.0]}
    triggers = pd.concat(
        [
            _triggers_tally("los", 0, "fFdl", **late),
            _triggers_tally("los", 1, "ddbf"),
            _triggers_tally("cloud", 0, "FF"),
            _triggers_tally("cloud", 1, "FF"),
            _triggers_tally("in_situ", 0, "dd"),
            _triggers_tally("in_situ", 1, "dd"),
        ]
    )
    table = results.by_policy(triggers, _sent("los", "cloud", "in_situ"), hours=2.0).set_index("policy")
    assert list(table.index) == ["los", "cloud", "in_situ"]
    los = table.loc["los"]
    assert los["triggers"] == 8
    assert los["drop_percent"] == pytest.approx(50.0)
    assert (los["low"], los["high"]) == (0.0, 100.0)  # two repeats, 25 and 75 %: cut to what a share can be
    assert los["lost_percent"] == pytest.approx(12.5)
    assert los["late_percent"] == pytest.approx(25.0)
    assert los["mean_hops"] == pytest.approx(0.25)
    assert los["local_percent"] == pytest.approx(75.0)
    assert los["trainings"] == pytest.approx(4 / (2 * 2.0))
    assert (los["uplink_megabytes"], los["link_megabytes"], los["messages"]) == (2.0, 4.0, 6.5)
    assert [table[name]["cloud"] for name in ("drop_percent", "mean_hops", "local_percent")] == [0.0, 1.0, 0.0]
    nothing = table.loc["in_situ"]
    assert nothing["drop_percent"] == 100
    assert nothing[["late_percent", "mean_hops", "local_percent"]].isna().all()


def test_drops_by_node_and_reason_most_first() -> None:
    triggers = pd.concat(
        [_triggers_tally("los", 0, "dddbbf"), _triggers_tally("cloud", 0, "FFFb"), _triggers_tally("los", 1, "dffb")]
    )
    table = results.drops_by_node(triggers, MESH_tally)
    assert table[["policy", "node", "layer", "reason", "drops"]].to_numpy().tolist() == [
        ["los", "b", "fog", "cycle", 4],
        ["los", "a", "edge", "previous training still running", 3],
        ["cloud", "a", "edge", "previous training still running", 1],
    ]
    assert table["percent"].tolist() == pytest.approx([100 * (3 / 6 + 1 / 4) / 2, 100 * (2 / 6 + 1 / 4) / 2, 25.0])


def test_what_a_node_held_is_cut_at_the_end() -> None:
    log = TriggerLog()
    log.placed(0, 0.0, Reason.LOCAL, 0, 0, 500.0, 100.0, 100.0)
    log.placed(0, 950.0, Reason.LOCAL, 0, 0, 500.0, 100.0, 100.0)
    log.lose(log.placed(0, 500.0, Reason.LOCAL, 0, 0, 500.0, 100.0, 100.0))
    log.dropped(0, 700.0, Reason.CYCLE, 1, 1)
    table = results.by_node(
        Outcome(_policy(), MESH_tally, [Job(0, 200.0, 200.0)], 1000.0, 5.0, log, [0, 0], [0.0, 0.0])
    )
    assert table.to_dict("list") == {
        "node": ["a", "b"],
        "layer": ["edge", "fog"],
        "trainings": [2, 0],
        "cpu_percent": [pytest.approx(100 * 0.5 * 0.15), 0.0],
    }


def test_a_gateway_is_judged_repeat_by_repeat() -> None:
    base = pd.concat([_triggers_tally("los", k, ends) for k, ends in enumerate(["ddff", "dddd", "dfff"])])
    more = pd.concat([_triggers_tally("los", k, ends) for k, ends in enumerate(["dfff", "ddff", "ffff"])])
    table = results.gateway_gains(base, [("edge", "a", more), ("fog", "b", base)])
    assert table["drop_percent"].tolist() == pytest.approx([25.0, 175 / 3])
    assert table["fewer_points"].tolist() == pytest.approx([100 / 3, 0.0])
    first = table.iloc[0]
    assert first["low"] == pytest.approx(100 / 3 - 4.302652730 * 14.43375673 / 3**0.5)
    assert first["high"] - 100 / 3 == pytest.approx(100 / 3 - first["low"])
    assert (table["low"].iloc[1], table["high"].iloc[1]) == (0.0, 0.0)
    assert results.gateway_gains(base, []).columns.tolist() == list(table.columns)


MESH_traffic = Mesh(
    [Node(f"edge-{i}", "edge", "edge", 1000, 1024) for i in range(4)],
    [Link(one, other, 0, 1) for one, other in itertools.combinations(range(4), 2)],
)


def _outcome(log: TriggerLog | None = None, *, seconds: float = 3600, interval: float = 10.0, **about: bool) -> Outcome:
    jobs = [Job(0, 200.0, 200.0), Job(1, 200.0, 200.0)]
    left = log or TriggerLog(), [6, 2, 0, 0], [3.0, 1.0, 0.0, 0.0], 40
    return Outcome(_policy(**about), MESH_traffic, jobs, seconds, interval, *left)


def test_by_hand() -> None:
    sent = traffic(_outcome(seconds=7200, interval=30))
    # 8 requests, 40 states and 4 MB in two hours on four nodes; six links, each used both ways, 120 times an hour
    assert sent == pytest.approx(
        {
            "requests": 1,
            "exchanges": 3 * 120,
            "syncs": 5,
            "models": 0,
            "request_megabytes": CALL_BYTES / 1e6,
            "exchange_megabytes": 360 * STATE_BYTES / 1e6,
            "sync_megabytes": 5 * STATE_BYTES / 1e6,
            "model_megabytes": 0,
            "sample_megabytes": 0.5,
        }
    )


@pytest.mark.parametrize("listens", [True, False])
def test_only_who_listens_has_exchanges(listens: bool) -> None:
    sent = traffic(_outcome(listens=listens))
    assert (sent["exchanges"] > 0) == (sent["exchange_megabytes"] > 0) == listens
    assert traffic(_outcome(listens=listens, interval=0))["exchanges"] == 0


def test_what_is_learned_is_told_to_the_source_and_to_those_that_trained_before() -> None:
    log = TriggerLog()
    for job, node in ((0, 0), (0, 2), (1, 3), (0, 3), (0, 2)):
        log.placed(job, 10.0, Reason.LOCAL, 0, node, 100.0, 20.0, 25.0)
    log.dropped(0, 20.0, Reason.NO_CAPACITY, 1, 1)
    log.lose(log.placed(0, 30.0, Reason.LOCAL, 0, 1, 100.0, 20.0, 25.0))
    assert list(model_broadcasts(_outcome(log))) == [(2, 0), (3, 1), (3, 0), (3, 2), (2, 0), (2, 3)]
    assert list(model_broadcasts(_outcome(log, learns=False))) == []
    sent = traffic(_outcome(log))
    assert (sent["models"], sent["model_megabytes"]) == (1.5, 1.5 * MODEL_BYTES / 1e6)


DATA = pathlib.Path(__file__).parent / "data"


def _line() -> Mesh:
    """Two edge nodes, then fog, then cloud, in a row, and an edge node apart."""
    layers = ["edge", "edge", "fog", "cloud", "edge"]
    nodes = [Node(f"n{i}", layer, layer, 1000, 1024) for i, layer in enumerate(layers)]
    return Mesh(nodes, [Link(i, i + 1, 0.001, 100) for i in range(3)])


def _outcome_uplinks(
    policy: str, log: TriggerLog, synced: int = 0, interval: float = 30.0, paths: Mapping[Any, Path] = {}
) -> Outcome:
    jobs = [Job(0, 200.0, 200.0, megabytes=2.0), Job(1, 200.0, 200.0, megabytes=0.5)]
    los = policy == "los"
    return Outcome(
        _policy(listens=los, learns=los), _line(), jobs, 7200.0, interval, log, [0] * 5, [0.0] * 5, synced, paths
    )


def test_bytes_count_once_for_each_link() -> None:
    log = TriggerLog()
    log.placed(0, 10.0, Reason.LOCAL, 3, 3, 100.0, 20.0, 25.0)
    log.placed(1, 11.0, Reason.LOCAL, 0, 1, 100.0, 20.0, 25.0)
    log.dropped(1, 12.0, Reason.CYCLE, 1, 2)
    log.dropped(0, 13.0, Reason.BUSY, 0, 0)
    paths: dict[tuple[float, int], Path] = {(10.0, 0): (0, 1, 2, 3), (11.0, 1): (1,), (12.0, 1): (1, 2)}
    found = link_traffic(_outcome_uplinks("cloud", log, paths=paths))
    assert found["link_megabytes"] == pytest.approx((3 * (2 * MEGA + CALL_BYTES) + CALL_BYTES) / MEGA / 2)
    assert found["uplink_megabytes"] == pytest.approx((2 * (2 * MEGA + CALL_BYTES) + CALL_BYTES) / MEGA / 2)


def test_what_is_learned_is_told_on_the_fastest_way() -> None:
    log = TriggerLog()
    log.placed(0, 10.0, Reason.LOCAL, 3, 3, 100.0, 20.0, 25.0)
    log.placed(0, 11.0, Reason.LOCAL, 1, 1, 100.0, 20.0, 25.0)
    found = link_traffic(_outcome_uplinks("los", log, interval=0.0))
    # 3 tells 0 over three links, two of them uplinks; then 1 tells 0 over one, and 3 over two uplinks
    assert found["link_megabytes"] == pytest.approx(6 * MODEL_BYTES / MEGA / 2)
    assert found["uplink_megabytes"] == pytest.approx(4 * MODEL_BYTES / MEGA / 2)


@pytest.mark.parametrize(("policy", "interval", "times"), [("los", 30.0, 240), ("los", 0.0, 0), ("cloud", 30.0, 0)])
def test_exchanges_pass_each_link_both_ways(policy: str, interval: float, times: int) -> None:
    found = link_traffic(_outcome_uplinks(policy, TriggerLog(), interval=interval))
    assert found["link_megabytes"] == pytest.approx(2 * 3 * times * STATE_BYTES / MEGA / 2)
    assert found["uplink_megabytes"] == pytest.approx(2 * 2 * times * STATE_BYTES / MEGA / 2)


def test_states_go_from_every_node_to_the_source() -> None:
    log = TriggerLog()
    log.dropped(0, 10.0, Reason.NO_CAPACITY, 0, 0)
    log.dropped(1, 11.0, Reason.NO_CAPACITY, 0, 1)
    outcome = _outcome_uplinks("least_loaded", log, synced=2 * 5, paths={(10.0, 0): (0,), (11.0, 1): (1,)})
    found = link_traffic(outcome)
    # To n0: 1 + 2 + 3 links, of which 0 + 1 + 2 are uplinks; to n1: 1 + 1 + 2, of which 0 + 1 + 2; none from afar.
    assert found["link_megabytes"] == pytest.approx((6 + 4) * STATE_BYTES / MEGA / 2)
    assert found["uplink_megabytes"] == pytest.approx((3 + 3) * STATE_BYTES / MEGA / 2)
    half = replace(outcome, synced=5)
    less = link_traffic(half)
    assert less["link_megabytes"] == pytest.approx(found["link_megabytes"] / 2)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", ["paper_b", "factory"])
def test_real_runs_agree_with_what_nodes_sent(policy: str, name: str) -> None:
    testbed = paper_b() if name == "paper_b" else load(DATA / "factory.yaml")
    if policy == "cloud" and name != "paper_b":
        return
    outcome = simulate(Scenario(testbed), policy, hours=1.0, seed=np.random.SeedSequence(1), record="paths")
    bare = replace(outcome, synced=0, interval=0.0)
    over, sent = link_traffic(bare), traffic(bare)
    triggers = outcome.triggers()
    ran = triggers[triggers["end"] != "dropped"]
    requests = sent["request_megabytes"] * len(outcome.mesh.nodes)
    samples = sum(outcome.jobs[job].megabytes * hops for job, hops in zip(ran["job"], ran["hops"], strict=True))
    routes = Routes(outcome.mesh)
    models = sum(len(routes.path(*way)) - 1 for way in model_broadcasts(outcome)) * MODEL_BYTES / MEGA
    assert over["link_megabytes"] == pytest.approx(requests + samples + models)
    assert 0 <= over["uplink_megabytes"] <= over["link_megabytes"]
    assert set(outcome.paths) == set(
        triggers.loc[triggers["reason"] != Reason.BUSY, ["time", "job"]].itertuples(False, None)
    )
