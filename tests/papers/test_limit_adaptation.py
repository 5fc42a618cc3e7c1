from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from edgeresearch.config import LimitAdaptation, Params
from edgeresearch.emulator.api import Scenario
from edgeresearch.emulator.settings import TrainingCost
from edgeresearch.papers.limit_adaptation import VALUES, adapt, landmarks, limits, means, plateau
from edgeresearch.papers.paper_b import published as paper_b
from edgeresearch.scheduling.settings import LimitRule

RULES: Sequence[LimitRule] = ("period", "utilisation")
FEW = LimitAdaptation(jobs=3, iterations=12, drift=0.03)


def root(number: int = 1) -> np.random.SeedSequence:
    return np.random.SeedSequence(number)


@pytest.fixture(scope="module")
def still(paper: Scenario) -> Scenario:
    """No noise: what is left is the rule."""
    return replace(paper, training_cost=TrainingCost(noise=0.0, monitor=0.0))


@pytest.fixture(scope="module")
def whole(still: Scenario) -> pd.DataFrame:
    return adapt(still, LimitAdaptation(), rule="utilisation", seed=root())


def test_the_plan_is_the_papers() -> None:
    assert LimitAdaptation().jobs * LimitAdaptation().iterations == paper_b.TRAININGS
    assert LimitAdaptation().drift_from == paper_b.DRIFT_ITERATION


def test_26_jobs_train_55_times_each(whole: pd.DataFrame) -> None:
    assert len(whole) == paper_b.TRAININGS == 1430
    assert (whole.groupby("job").size() == 55).all()
    assert whole.groupby("job")["iteration"].apply(list).tolist() == [list(range(1, 56))] * 26
    assert list(whole.columns) == ["job", "iteration", "limit_millicores", "training_seconds", "residual", "late"]
    assert whole.notna().all().all()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", [0, 1])
def test_no_job_ever_stops_training(paper: Scenario, rule: LimitRule, seed: int) -> None:
    assert len(adapt(paper, LimitAdaptation(), rule=rule, seed=root(seed))) == paper_b.TRAININGS


def test_the_first_limit_is_85_percent_of_what_is_free(whole: pd.DataFrame, still: Scenario) -> None:
    first = whole.loc[whole["iteration"] == 1, "limit_millicores"]
    assert first.to_numpy() == pytest.approx(0.85 * 470)
    assert first.mean() == pytest.approx(paper_b.LIMIT_MILLICORES[1], abs=1)
    other = adapt(still, FEW.replace(free=800.0), rule="utilisation", seed=root())
    assert other.loc[other["iteration"] == 1, "limit_millicores"].to_numpy() == pytest.approx(680)


def test_a_limit_moves_by_ten_percent_or_stands_at_its_bounds(whole: pd.DataFrame, still: Scenario) -> None:
    limits = whole.pivot(index="iteration", columns="job", values="limit_millicores").to_numpy()
    factors = limits[1:] / limits[:-1]
    floor, free = still.limits.floor, LimitAdaptation().free
    moved = np.isclose(factors, 0.9, rtol=1e-5) | np.isclose(factors, 1.1, rtol=1e-5)
    assert (moved | (limits[1:] <= floor * 1.0001) | (limits[1:] >= free * 0.9999)).all()


def test_residuals_are_those_of_eq_3(whole: pd.DataFrame, still: Scenario) -> None:
    complete = whole["training_seconds"] + still.training_cost.start + still.training_cost.stop
    sign = np.where(whole["late"], 1, -1)
    period = complete / (1 + sign * whole["residual"] / 100)
    assert (whole["residual"] >= 0).all()
    assert period.groupby(whole["job"]).std().max() < 0.01
    assert period.between(180 * 0.999, 300 * 1.001).all()


def test_the_machine_slows_down_in_the_end(whole: pd.DataFrame, still: Scenario) -> None:
    mean = whole.groupby("iteration")["limit_millicores"].mean()
    assert mean.loc[55] > mean.loc[45]
    steady = adapt(still, LimitAdaptation().replace(jobs=6, drift=0.0), rule="utilisation", seed=root())
    work = steady["training_seconds"] / [
        still.times().curves["edge"].seconds(limit) for limit in steady["limit_millicores"]
    ]
    assert work.to_numpy() == pytest.approx(1, rel=1e-4)
    slow = adapt(still, LimitAdaptation().replace(jobs=6, drift=0.1), rule="utilisation", seed=root())
    work = slow["training_seconds"] / [
        still.times().curves["edge"].seconds(limit) for limit in slow["limit_millicores"]
    ]
    assert (work >= 1 - 1e-4).all() and 1 < work.max() < 1 + 0.1 * (56 * 300 / 240 - 46)
    assert work.groupby(slow["iteration"]).mean().loc[55] > 1.2


def test_the_rule_given_replaces_the_setups(still: Scenario) -> None:
    plan = FEW.replace(iterations=30)
    low = replace(still, limits=still.limits.replace(floor=20.0))
    tables = {rule: adapt(low, plan, rule=rule, seed=root()) for rule in RULES}
    ends = {rule: table.groupby("iteration")["limit_millicores"].mean().iloc[-1] for rule, table in tables.items()}
    assert ends["period"] < ends["utilisation"]
    for own in RULES:
        other = replace(low, limits=low.limits.replace(rule=own))
        pd.testing.assert_frame_equal(adapt(other, plan, rule="period", seed=root()), tables["period"])


def test_jobs_that_share_nodes_leave_each_other_less(still: Scenario) -> None:
    plan = LimitAdaptation(jobs=8, iterations=6, drift=0.0)
    apart = adapt(still, plan, rule="utilisation", seed=root())
    together = adapt(still, plan, rule="utilisation", seed=root(), shared_nodes=1)
    assert together["limit_millicores"].mean() < apart["limit_millicores"].mean()
    assert together["limit_millicores"].max() <= plan.free


def test_means_are_over_the_jobs_that_came_so_far(paper: Scenario) -> None:
    table = means(paper, FEW, rule="utilisation", seed=7, repeat=2)
    assert table["iteration"].tolist() == list(range(1, 13))
    run = adapt(paper, FEW, rule="utilisation", seed=np.random.SeedSequence([7, 2]))
    assert table["residual"].tolist() == run.groupby("iteration")["residual"].mean().tolist()
    assert table.columns.tolist() == ["iteration", *VALUES, "jobs"]


def test_a_plateau_by_hand() -> None:
    limits = pd.Series([400.0, 300.0, 200.0, 145.0, 142.0] + [130.0] * 15)
    assert plateau(limits, until=20) == 5
    assert plateau(pd.concat([limits, pd.Series([500.0] * 10)]), until=20) == 5  # what comes later does not count
    assert plateau(pd.Series([130.0] * 12), until=12) == 1


# ---- the stage

SMALL = Params().los.replace(adaptation=LimitAdaptation(jobs=4, iterations=16, drift_from=13, repeats=2))


@pytest.fixture(scope="module")
def found() -> dict[str, pd.DataFrame]:
    return limits(SMALL, seed=3)


def test_limits_are_of_both_rules_and_both_set_ups(found: dict[str, pd.DataFrame]) -> None:
    table = found["limits"]
    cells = table.groupby(["rule", "together"]).size()
    assert set(cells.index) == {(rule, nodes) for rule in ("period", "utilisation") for nodes in (0, 5)}
    assert (cells == 16).all()
    first = table[(table["iteration"] == 1) & (table["together"] == 0)]["limit_millicores"]
    wanted = SMALL.limits.first * SMALL.adaptation.free
    assert first.tolist() == pytest.approx([wanted, wanted])
    assert (table["limit_millicores_low"] <= table["limit_millicores_high"]).all()


def test_landmarks_are_read_off_each_repeat(found: dict[str, pd.DataFrame]) -> None:
    table = found["landmarks"]
    assert set(table["what"]) == {"trainings", "level", "level_residual", "plateau", "rise"}
    own = table[table["together"] == 0].set_index(["rule", "what"])["value"]
    assert own["period", "trainings"] <= 4 * 16
    assert own["utilisation", "level"] < 400


def _run(limit: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"limit_millicores": limit, "residual": np.linspace(80, 40, len(limit)), "jobs": 2})


def test_landmarks_of_a_course_that_is_known() -> None:
    run = _run([400.0, 300.0, 200.0, 108.0, *[100.0] * 11, *[120.0] * 5])
    marks = landmarks(run, drift_from=16).set_index("what")["value"]
    assert marks["trainings"] == 40
    assert marks["level"] == 100.0
    assert marks["plateau"] == 4
    assert marks["rise"] == pytest.approx(20.0)
    assert marks["level_residual"] == pytest.approx(run["residual"].iloc[5:15].mean())


@pytest.mark.parametrize(("count", "drift_from"), [(20, 10), (12, 16), (15, 16)])
def test_too_few_iterations_have_no_plateau(count: int, drift_from: int) -> None:
    found = landmarks(_run([100.0] * count), drift_from=drift_from).set_index("what")["value"]
    assert found.drop("trainings").isna().all()
