import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.emulator import tally
from edgeresearch.emulator.emulation import Result
from edgeresearch.emulator.experiment import run, scheduling, setup
from edgeresearch.emulator.log import Log
from edgeresearch.emulator.mesh import Link, Mesh, Node
from edgeresearch.emulator.outcome import Outcome
from edgeresearch.emulator.testbed import paper_b
from edgeresearch.emulator.workload import Job
from edgeresearch.los.request import Reason
from edgeresearch.params import Params

MESH = Mesh([Node("a", "edge", "edge", 1000, 1024), Node("b", "fog", "fog", 2000, 1024)], [Link(0, 1, 0.001, 100)])


def _triggers(policy: str, repeat: int, ends: str, **columns: object) -> pd.DataFrame:
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
            _triggers("los", 0, "fFdl", **late),
            _triggers("los", 1, "ddbf"),
            _triggers("cloud", 0, "FF"),
            _triggers("cloud", 1, "FF"),
            _triggers("in_situ", 0, "dd"),
            _triggers("in_situ", 1, "dd"),
        ]
    )
    table = tally.by_policy(triggers, _sent("los", "cloud", "in_situ"), hours=2.0).set_index("policy")
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


def test_one_repeat_has_no_interval() -> None:
    table = tally.by_policy(_triggers("los", 0, "fd"), _sent("los"), hours=1.0)
    assert table[["low", "high"]].isna().to_numpy().all()


def test_drops_by_node_and_reason_most_first() -> None:
    triggers = pd.concat([_triggers("los", 0, "dddbbf"), _triggers("cloud", 0, "FFFb"), _triggers("los", 1, "dffb")])
    table = tally.drops(triggers, MESH)
    assert table[["policy", "node", "layer", "reason", "drops"]].to_numpy().tolist() == [
        ["los", "b", "fog", "cycle", 4],
        ["los", "a", "edge", "previous training still running", 3],
        ["cloud", "a", "edge", "previous training still running", 1],
    ]
    assert table["percent"].tolist() == pytest.approx([100 * (3 / 6 + 1 / 4) / 2, 100 * (2 / 6 + 1 / 4) / 2, 25.0])


def test_no_drop_at_all_is_an_empty_table() -> None:
    table = tally.drops(_triggers("los", 0, "ff"), MESH)
    assert list(table.columns) == ["policy", "node", "layer", "reason", "drops", "percent"]
    assert table.empty


def test_what_a_node_held_is_cut_at_the_end() -> None:
    log = Log()
    log.placed(0, 0.0, Reason.LOCAL, 0, 0, 500.0, 100.0, 100.0)
    log.placed(0, 950.0, Reason.LOCAL, 0, 0, 500.0, 100.0, 100.0)
    log.lose(log.placed(0, 500.0, Reason.LOCAL, 0, 0, 500.0, 100.0, 100.0))
    log.dropped(0, 700.0, Reason.CYCLE, 1, 1)
    table = tally.by_node(Outcome("los", MESH, [Job(0, 200.0, 200.0)], Result(log, [0, 0], [0.0, 0.0]), 1000.0))
    assert table.to_dict("list") == {
        "node": ["a", "b"],
        "layer": ["edge", "fog"],
        "trainings": [2, 0],
        "cpu_percent": [pytest.approx(100 * 0.5 * 0.15), 0.0],
    }


def test_a_gateway_is_judged_repeat_by_repeat() -> None:
    base = pd.concat([_triggers("los", k, ends) for k, ends in enumerate(["ddff", "dddd", "dfff"])])
    more = pd.concat([_triggers("los", k, ends) for k, ends in enumerate(["dfff", "ddff", "ffff"])])
    table = tally.gateways(base, [("edge", "a", more), ("fog", "b", base)])
    assert table["drop_percent"].tolist() == pytest.approx([25.0, 175 / 3])
    assert table["fewer_points"].tolist() == pytest.approx([100 / 3, 0.0])
    first = table.iloc[0]
    assert first["low"] == pytest.approx(100 / 3 - 4.302652730 * 14.43375673 / 3**0.5)
    assert first["high"] - 100 / 3 == pytest.approx(100 / 3 - first["low"])
    assert (table["low"].iloc[1], table["high"].iloc[1]) == (0.0, 0.0)
    assert tally.gateways(base, []).columns.tolist() == list(table.columns)


def test_a_repeat_without_triggers_is_passed_over() -> None:
    base = pd.concat([_triggers("los", 0, "df"), _triggers("los", 1, "dd")])
    table = tally.gateways(base, [("edge", "a", _triggers("los", 0, "ff"))])
    assert table["fewer_points"].tolist() == [50.0]
    assert table["low"].isna().all()


@settings(max_examples=30)
@given(st.lists(st.text("fFdbl", min_size=1, max_size=12), min_size=1, max_size=4))
def test_shares_are_shares_and_drops_add_up(runs: list[str]) -> None:
    triggers = pd.concat([_triggers("los", k, ends) for k, ends in enumerate(runs)])
    row = tally.by_policy(triggers, _sent("los"), hours=1.0).iloc[0]
    letters = "".join(runs)
    dropped = letters.count("d") + letters.count("b")
    found = tally.drops(triggers, MESH)
    assert found["drops"].sum() == dropped
    assert found["percent"].sum() == pytest.approx(row["drop_percent"])
    assert 0 <= row["drop_percent"] <= 100
    if dropped < len(letters):
        assert row["mean_hops"] == pytest.approx(letters.count("F") / (len(letters) - dropped))


def test_real_runs_hold_no_more_than_there_is() -> None:
    made = setup(Params().los.model_dump(), paper_b())
    outcome = run(made, policy="los", hours=1.0, seed=np.random.SeedSequence(0))
    table = tally.by_node(outcome)
    assert table["trainings"].sum() == (outcome.triggers()["end"] == "finished").sum() > 0
    assert table["cpu_percent"].between(0, 100).all()
    triggers, _ = scheduling(made, streams=[10], policies=["los"], repeats=1, hours=1.0, seed=0)
    assert tally.drops(triggers, outcome.mesh)["drops"].sum() == (triggers["end"] == "dropped").sum() > 0
