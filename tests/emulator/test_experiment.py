from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import edgeresearch as er
from edgeresearch.config import Params
from edgeresearch.emulator.api import Scenario, compare_policies, simulate
from edgeresearch.emulator.policies import POLICIES
from edgeresearch.emulator.settings import TrainingCost
from edgeresearch.emulator.testbed import paper_b
from edgeresearch.errors import InputError

KEYS = ["streams", "policy", "repeat"]


def seed(number: int = 1) -> np.random.SeedSequence:
    return np.random.SeedSequence(number)


@pytest.fixture(scope="module")
def found(loaded: Scenario) -> tuple[pd.DataFrame, pd.DataFrame]:
    return compare_policies(loaded, streams=[4, 10], policies=["los", "in_situ", "cloud"], repeats=2, hours=1, seed=5)


def test_a_scenario_is_by_default_that_of_the_study(paper: Scenario) -> None:
    assert Scenario.of(Params().los) == Scenario(paper_b()) == paper
    other = Params().los.replace(interval=5.0, training_cost=TrainingCost(a=1000.0))
    assert Scenario.of(other) == replace(paper, interval=5.0, training_cost=TrainingCost(a=1000.0))


def test_every_node_class_has_its_curve(paper: Scenario) -> None:
    faster = replace(paper, testbed=paper.testbed.with_layer("cloud", speed=2.0))
    edge, cloud = (faster.times().curves[kind] for kind in ("edge", "cloud"))
    assert cloud == edge._replace(a=edge.a / 2)


def test_the_same_seed_gives_the_same_run_byte_for_byte(loaded: Scenario) -> None:
    root = seed()
    logs = [bytes(simulate(loaded, "los", hours=1, seed=root).log) for _ in range(2)]
    assert logs[0] == logs[1] == bytes(simulate(loaded, "los", hours=1, seed=seed()).log)
    assert logs[0] != bytes(simulate(loaded, "los", hours=1, seed=seed(2)).log)


def test_all_policies_meet_the_same_mesh_streams_and_noise(paper: Scenario) -> None:
    paper = replace(paper, testbed=paper.testbed.with_rule(work=1.0))
    outcomes = {name: simulate(paper, name, hours=1, seed=seed(), streams=4) for name in POLICIES}
    tables = {name: outcome.triggers() for name, outcome in outcomes.items()}
    one = outcomes["los"]
    for name, outcome in outcomes.items():
        assert outcome.mesh == one.mesh and outcome.jobs == one.jobs
        pd.testing.assert_frame_equal(tables[name][["job", "time", "period"]], tables["los"][["job", "time", "period"]])
    # the noise of a trigger is what its duration is off the true curve, whoever placed it
    logs = [table[table["end"] == "finished"].set_index(["job", "time"]) for table in tables.values()]
    curve = paper.times().curves["edge"]
    both = pd.concat([log["seconds"] / [curve.seconds(limit) for limit in log["limit"]] for log in logs], axis=1)
    both = both.dropna(axis=1, how="all")
    assert both.notna().all(axis=1).sum() > 20
    assert both.std(axis=1).max() < 1e-4


def test_an_outcome_has_one_row_per_trigger_and_the_decisions_if_they_are_asked_for(paper: Scenario) -> None:
    outcome = simulate(paper, "los", hours=2, seed=seed(), streams=6, record="decisions")
    table = outcome.triggers()
    assert (outcome.seconds, outcome.name, len(outcome.jobs)) == (7200, "los", 6)
    assert len(table) == sum(int(7200 // job.period) for job in outcome.jobs)
    looked = table[table["reason"] != "previous training still running"]
    assert sum(not step.request.tried for step in outcome.steps) == len(looked) == len(outcome.paths)
    assert len(outcome.steps) == len(looked) + looked["hops"].sum()
    less = simulate(paper, "los", hours=2, seed=seed(), streams=6, record="paths")
    assert (less.paths, less.steps) == (outcome.paths, [])
    least = simulate(paper, "los", hours=2, seed=seed(), streams=6)
    assert (least.paths, bytes(least.log)) == ({}, bytes(outcome.log))


def test_the_layer_is_that_which_ran_it_and_empty_if_none_did(tiny: Callable[..., Scenario]) -> None:
    # the first training finds the second node, which leaves with it; the third one goes as well, and later comes back
    change = [(250, "edge-2", False), (300, "edge-3", False), (1800, "edge-3", True)]
    churn = {"changes": [dict(zip(("time", "node", "up"), each, strict=True)) for each in change]}
    table = simulate(tiny(churn=churn), "least_loaded", hours=1, seed=seed()).triggers()
    assert table["end"].tolist() == ["lost"] + ["finished"] * 13
    assert table["layer"].tolist() == [""] + ["fog"] * 6 + ["edge"] * 7


def test_as_many_streams_as_the_testbed_says_or_as_asked_for(paper: Scenario) -> None:
    assert len(simulate(paper, "in_situ", hours=0.1, seed=seed()).jobs) == 10
    few, many = (simulate(paper, "in_situ", hours=0.1, seed=seed(), streams=count) for count in (4, 8))
    assert list(many.jobs[:4]) == list(few.jobs)
    with pytest.raises(InputError, match="unknown policy 'loss'; did you mean los"):
        simulate(paper, "loss", hours=1, seed=seed())
    with pytest.raises(InputError, match="12 streams are more than 5 nodes"):
        compare_policies(paper, streams=[12], policies=["los"], repeats=1, hours=1, seed=1)


def test_a_policy_is_copied_for_each_run(loaded: Scenario) -> None:
    mine = er.LOS(name="mine")
    rows, _ = compare_policies(loaded, streams=[10], policies=["los", mine], repeats=2, hours=1, seed=5)
    log = {name: part.drop(columns="policy").reset_index(drop=True) for name, part in rows.groupby("policy")}
    pd.testing.assert_frame_equal(log["los"], log["mine"])
    assert mine.history(0).cold
    ran = simulate(loaded, mine, hours=1, seed=seed()).policy
    assert isinstance(ran, er.LOS) and not ran.history(0).cold
    with pytest.raises(InputError, match=r"LOS is a class; give an object of it, LOS\(\)"):
        simulate(loaded, er.LOS, hours=1, seed=seed())  # type: ignore[arg-type]


def test_every_cell_is_there(found: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    rows, sent = found
    cells = [[count, name, repeat] for count in (4, 10) for name in ("los", "in_situ", "cloud") for repeat in (0, 1)]
    assert rows[KEYS].drop_duplicates().values.tolist() == sent[KEYS].values.tolist() == cells
    assert sent.drop(columns=KEYS).notna().all().all()
    assert (rows.loc[rows["end"] == "finished", "layer"] != "").all()
    assert (rows.loc[rows["end"] == "dropped", "layer"] == "").all()
    assert (rows.loc[rows["policy"] == "in_situ", "end"] == "dropped").all()
    assert (rows.loc[(rows["policy"] == "cloud") & (rows["end"] == "finished"), "layer"] == "cloud").all()


def test_repeats_are_their_own_and_the_same_for_all_policies(found: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    periods = found[0].groupby([*KEYS, "job"])["period"].first().unstack("policy")
    assert (periods["los"] == periods["in_situ"]).all() and (periods["los"] == periods["cloud"]).all()
    by_repeat = periods["los"].unstack("repeat").dropna()
    assert (by_repeat[0] != by_repeat[1]).all()


def test_a_cell_depends_neither_on_the_workers_nor_on_the_others(
    loaded: Scenario, found: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    alone, _ = compare_policies(loaded, streams=[10], policies=["los"], repeats=2, hours=1, seed=5, workers=2)
    rows = found[0]
    mine = rows[(rows["streams"] == 10) & (rows["policy"] == "los")].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, mine)


def test_an_experiment_too_short_for_a_trigger_is_empty(paper: Scenario) -> None:
    rows, sent = compare_policies(paper, streams=[2], policies=["los", "cloud"], repeats=1, hours=0.01, seed=1)
    assert rows.empty and {"job", "layer", "period", *KEYS} <= set(rows.columns)
    assert sent["requests"].tolist() == [0, 0]


def test_lost_exchanges_and_an_older_view_change_what_los_finds(loaded: Scenario) -> None:
    changed = [replace(loaded, interval=interval, loss=loss) for interval, loss in ((30, 0), (300, 0), (30, 0.5))]
    assert len({bytes(simulate(each, "los", hours=1, seed=seed(), streams=8).log) for each in changed}) == 3


def test_the_samples_reading_triggers_less_often(paper: Scenario) -> None:
    other = replace(paper, testbed=paper.testbed.with_rule(trigger="samples"))
    counts = [len(simulate(each, "in_situ", hours=4, seed=seed()).triggers()) for each in (paper, other)]
    assert 0.3 < counts[1] / counts[0] < 0.7
