from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.config import Params
from edgeresearch.emulator.experiment import Setup, children, run, scheduling, setup
from edgeresearch.emulator.policies import POLICIES
from edgeresearch.emulator.simulation import Step
from edgeresearch.emulator.testbed import paper_b
from edgeresearch.errors import InputError
from edgeresearch.scheduling.runtime_model import Curve

KEYS = ["streams", "policy", "repeat"]


def seed(number: int = 1) -> np.random.SeedSequence:
    return np.random.SeedSequence(number)


@pytest.fixture(scope="module")
def found(loaded: Setup) -> tuple[pd.DataFrame, pd.DataFrame]:
    return scheduling(loaded, streams=[4, 10], policies=["los", "in_situ", "cloud"], repeats=2, hours=1, seed=5)


def test_settings_become_a_setup() -> None:
    section = Params().los.model_dump()
    made = setup(section, paper_b())
    truth = section["truth"]
    assert made.curve == (truth["a"], truth["b"], truth["c"], truth["d"])
    assert (made.truth.noise, made.truth.start, made.interval) == (truth["noise"], truth["start"], section["interval"])
    assert made.rules.hop_limit == section["rules"]["hop_limit"]
    assert made.limits.rule == section["limits"]["rule"]
    assert made.fitting.kept == section["fitting"]["kept"]
    assert (made.loss, made.testbed) == (section["loss"], paper_b())


def test_every_node_class_has_its_curve(paper: Setup) -> None:
    assert paper.truth.curves == dict.fromkeys(("edge", "fog", "cloud"), paper.curve)
    faster = replace(paper, testbed=paper.testbed.with_layer("cloud", speed=2.0))
    assert faster.truth.curves["cloud"] == paper.curve._replace(a=paper.curve.a / 2)
    other = replace(faster, curve=Curve(1000.0, 0.0, 1.0, 0.0))
    assert [other.truth.curves[kind].a for kind in ("edge", "fog", "cloud")] == [1000, 1000, 500]
    assert other.truth.noise == paper.truth.noise


@given(st.integers(0, 2**64), st.integers(0, 5), st.integers(0, 3))
def test_children_are_those_that_spawn_first_returns(entropy: int, count: int, deep: int) -> None:
    root = np.random.SeedSequence([entropy, deep])
    made = [child.generate_state(2).tolist() for child in children(root, count)]
    assert made == [child.generate_state(2).tolist() for child in children(root, count)]
    assert made == [child.generate_state(2).tolist() for child in root.spawn(count)]


def test_the_same_seed_gives_the_same_run_byte_for_byte(loaded: Setup) -> None:
    root = seed()
    logs = [bytes(run(loaded, policy="los", hours=1, seed=root).result.log) for _ in range(2)]
    assert logs[0] == logs[1] == bytes(run(loaded, policy="los", hours=1, seed=seed()).result.log)
    assert logs[0] != bytes(run(loaded, policy="los", hours=1, seed=seed(2)).result.log)


def test_all_policies_meet_the_same_mesh_streams_and_noise(paper: Setup) -> None:
    paper = replace(paper, testbed=paper.testbed.with_rule(work=1.0))
    outcomes = {name: run(paper, policy=name, hours=1, seed=seed(), streams=4) for name in POLICIES}
    tables = {name: outcome.triggers() for name, outcome in outcomes.items()}
    one = outcomes["los"]
    for name, outcome in outcomes.items():
        assert outcome.mesh == one.mesh and outcome.jobs == one.jobs
        pd.testing.assert_frame_equal(tables[name][["job", "time", "period"]], tables["los"][["job", "time", "period"]])
    # the noise of a trigger is what its duration is off the true curve, whoever placed it
    logs = [table[table["end"] == "finished"].set_index(["job", "time"]) for table in tables.values()]
    noises = [log["seconds"] / [paper.curve.seconds(limit) for limit in log["limit"]] for log in logs]
    both = pd.concat(noises, axis=1).dropna(axis=1, how="all")
    assert both.notna().all(axis=1).sum() > 20
    assert both.std(axis=1).max() < 1e-4


def test_an_outcome_has_one_row_per_trigger(paper: Setup) -> None:
    steps: list[Step] = []
    outcome = run(paper, policy="los", hours=2, seed=seed(), streams=6, watch=steps.append)
    table = outcome.triggers()
    assert outcome.seconds == 7200 and len(outcome.jobs) == 6
    expected = sum(int(7200 // job.period) for job in outcome.jobs)
    assert len(table) == expected
    assert (table["period"] == [outcome.jobs[job].period for job in table["job"]]).all()
    looked = table[table["reason"] != "previous training still running"]
    assert sum(not step.request.tried for step in steps) == len(looked)
    assert len(steps) == len(looked) + looked["hops"].sum()


def test_the_layer_is_that_which_ran_it_and_empty_if_none_did(tiny: Callable[..., Setup]) -> None:
    # the first training finds the second node, which leaves with it; the third one goes as well, and later comes back
    change = [(250, "edge-2", False), (300, "edge-3", False), (1800, "edge-3", True)]
    churn = {"changes": [dict(zip(("time", "node", "up"), each, strict=True)) for each in change]}
    table = run(tiny(churn=churn), policy="least_loaded", hours=1, seed=seed()).triggers()
    assert table["end"].tolist() == ["lost"] + ["finished"] * 13
    assert table["layer"].tolist() == [""] + ["fog"] * 6 + ["edge"] * 7


def test_what_is_dropped_ran_in_no_layer(found: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    table, _ = found
    assert (table.loc[table["end"] == "finished", "layer"] != "").all()
    assert (table.loc[table["end"] == "dropped", "layer"] == "").all()


def test_as_many_streams_as_the_testbed_says_or_as_asked_for(paper: Setup) -> None:
    assert len(run(paper, policy="in_situ", hours=0.1, seed=seed()).jobs) == 10
    few = run(paper, policy="in_situ", hours=0.1, seed=seed(), streams=4)
    many = run(paper, policy="in_situ", hours=0.1, seed=seed(), streams=8)
    assert list(many.jobs[:4]) == list(few.jobs)


def test_what_does_not_fit_is_told(paper: Setup) -> None:
    with pytest.raises(InputError, match="unknown policy 'loss'; did you mean los"):
        run(paper, policy="loss", hours=1, seed=seed())
    with pytest.raises(InputError, match="12 streams are more than 5 nodes"):
        scheduling(paper, streams=[12], policies=["los"], repeats=1, hours=1, seed=1)


def test_every_cell_is_there(found: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    rows, sent = found
    cells = [[count, name, repeat] for count in (4, 10) for name in ("los", "in_situ", "cloud") for repeat in (0, 1)]
    assert rows[KEYS].drop_duplicates().values.tolist() == cells
    assert sent[KEYS].values.tolist() == cells
    assert sent.drop(columns=KEYS).notna().all().all()
    assert rows.index.tolist() == list(range(len(rows)))
    assert rows.drop(columns="layer").notna().all().all()


def test_repeats_are_their_own_and_the_same_for_all_policies(found: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    rows, _ = found
    periods = rows.groupby([*KEYS, "job"])["period"].first().unstack("policy")
    assert (periods["los"] == periods["in_situ"]).all() and (periods["los"] == periods["cloud"]).all()
    by_repeat = periods["los"].unstack("repeat").dropna()
    assert (by_repeat[0] != by_repeat[1]).all()


def test_trainings_that_meet_a_full_source_are_dropped_in_situ(found: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    rows, _ = found
    assert (rows.loc[rows["policy"] == "in_situ", "end"] == "dropped").all()
    assert (rows.loc[(rows["policy"] == "cloud") & (rows["end"] == "finished"), "layer"] == "cloud").all()


def test_results_do_not_depend_on_the_workers(loaded: Setup, found: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    again = scheduling(
        loaded, streams=[4, 10], policies=["los", "in_situ", "cloud"], repeats=2, hours=1, seed=5, workers=2
    )
    for one, other in zip(found, again, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_a_cell_does_not_depend_on_the_others(loaded: Setup, found: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    alone, _ = scheduling(loaded, streams=[10], policies=["los"], repeats=2, hours=1, seed=5)
    rows = found[0]
    mine = rows[(rows["streams"] == 10) & (rows["policy"] == "los")].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, mine)


def test_an_experiment_too_short_for_a_trigger_is_empty(paper: Setup) -> None:
    rows, sent = scheduling(paper, streams=[2], policies=["los", "cloud"], repeats=1, hours=0.01, seed=1)
    assert rows.empty and {"job", "layer", "period", *KEYS} <= set(rows.columns)
    assert sent["requests"].tolist() == [0, 0]


def test_lost_exchanges_and_an_older_view_change_what_los_finds(loaded: Setup) -> None:
    def log(setup: Setup) -> bytes:
        return bytes(run(setup, policy="los", hours=1, seed=seed(), streams=8).result.log)

    logs = [log(replace(loaded, interval=interval, loss=loss)) for interval, loss in ((30, 0), (300, 0), (30, 0.5))]
    assert len(set(logs)) == 3


def test_the_samples_reading_triggers_less_often(paper: Setup) -> None:
    other = replace(paper, testbed=paper.testbed.with_rule(trigger="samples"))
    counts = [len(run(each, policy="in_situ", hours=4, seed=seed()).triggers()) for each in (paper, other)]
    assert 0.3 < counts[1] / counts[0] < 0.7
