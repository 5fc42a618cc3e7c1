"""Several policies on one trace, compared."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgeresearch.autoscaling import compare
from edgeresearch.autoscaling.compare import FORECASTING, Advice, advise, label, pairs, shadow, summary
from edgeresearch.autoscaling.policies import STRATEGIES, Capacity, Fixed, View, strategy
from edgeresearch.autoscaling.replay import Setup, measured, setup
from edgeresearch.autoscaling.simulator import Settings
from edgeresearch.config import Params
from edgeresearch.data import synthetic
from edgeresearch.data.trace import Trace
from edgeresearch.errors import InputError


def told(*rows: tuple[str, str, float, float]) -> Advice:
    return advise(pd.DataFrame(rows, columns=["strategy", "forecaster", "error_percent", "pod_hours"]))


RESPONSIVE = ("responsive", "", 11.2, 109.6)
HPA = ("hpa", "", 3.4, 124.0)


def test_the_fewest_pod_hours_near_the_lowest_error_rate() -> None:
    advice = told(RESPONSIVE, HPA, ("combined", "lstm", 3.1, 114.0), ("combined", "last_value", 5.0, 110.0))
    assert (advice.strategy, advice.forecaster) == ("combined", "lstm")
    assert advice.line == (
        "combined with lstm: 3.1 % errors at 114.0 pod-hours, 4.0 % more pod-hours than responsive (11.2 % errors), "
        "8.1 % fewer than hpa (3.4 %); with the last value instead: 5.0 % at 110.0; rule: fewest pod-hours (simplest "
        "within 1 %) at most 0.5 points above the lowest error rate of a strategy that scales"
    )


def test_the_oracle_is_neither_advised_nor_the_measure() -> None:
    advice = told(RESPONSIVE, HPA, ("oracle", "", 0.0, 50.0))
    assert advice.strategy == "hpa"
    assert advice.line.startswith("hpa: 3.4 % errors at 124.0 pod-hours, 13 % more pod-hours than responsive (11.2")
    assert "forecast" not in advice.line


@pytest.mark.parametrize(("hours", "strategy"), [(99.5, "responsive"), (98.5, "advance")])
def test_a_forecast_must_save_what_it_is_worth(hours: float, strategy: str) -> None:
    rows = [("advance", "ridge", 3.0, hours), ("advance", "last_value", 3.0, 100.0), ("responsive", "", 3.0, 100.0)]
    advice = told(*rows, ("hpa", "", 3.0, 100.0))
    assert advice.strategy == strategy
    if strategy == "responsive":
        assert ", as many pod-hours as hpa (3.0 % errors); the best on a model's forecast, advance with" in advice.line


def test_fixed_is_advised_only_where_it_is_cheap() -> None:
    assert told(RESPONSIVE, HPA, ("fixed", "", 3.0, 500.0), ("quantile", "lstm", 3.6, 130.0)).strategy == "hpa"
    assert told(RESPONSIVE, HPA, ("fixed", "", 3.0, 500.0)).strategy == "hpa"
    assert told(RESPONSIVE, HPA, ("fixed", "", 3.8, 100.0)).strategy == "fixed"


def test_a_label_says_the_forecaster() -> None:
    assert label("quantile", "last_value") == "quantile with last value"
    assert label("hpa", "") == "hpa"


SMALL: dict[str, Any] = {
    **Params().elastic.model_dump(),
    "seconds": 14400,
    "window": 10,
    "forecasters": ("ridge", "published"),
}
LSTM = {"hidden": 4, "epochs": 1, "members": 1}


@pytest.fixture(scope="module")
def stand_in() -> Trace:
    return synthetic.draw_qps(np.random.default_rng(1), steps=300)


def test_a_real_trace_is_cut_to_its_newest_seconds_and_spread_anew(stand_in: Trace) -> None:
    values = stand_in.frame.copy()
    values.iloc[50] = np.nan
    trace = Trace("elb", values, stand_in.step, stand_in.unit, stand_in.origin)
    world = setup(SMALL)
    assert len(compare.newest(trace, 7200).frame) == 120
    draw = compare.source(trace, world, 7200)
    one, two = (draw(np.random.default_rng(seed)) for seed in (0, 1))
    assert len(one) == 7200
    assert one.mean() == pytest.approx(SMALL["mean_qps"], rel=1e-3)
    assert not np.array_equal(one, two)
    assert np.array_equal(one.reshape(-1, 60).sum(axis=1), two.reshape(-1, 60).sum(axis=1))


def test_forecasts_know_nothing_later_but_the_published_one(stand_in: Trace) -> None:
    world = setup(SMALL)
    ring = compare.prepare(stand_in, SMALL, world, (1.0,), lstm=LSTM, seed=[1])
    arrivals = ring.draw(np.random.default_rng(0))
    changed = arrivals.copy()
    changed[-1800:] = 0
    names = ("ridge", "published")
    made, other = (
        compare.forecasts(ring, each, world, names, np.random.default_rng(5)) for each in (arrivals, changed)
    )
    known = (7200 - 1800) // 30
    assert np.array_equal(made["ridge"][world.horizon][:known], other["ridge"][world.horizon][:known])
    assert not np.array_equal(
        made["published"][world.horizon][:known], other["published"][world.horizon][:known], equal_nan=True
    )
    quality = compare.quality(ring, arrivals, made, world)
    assert quality["published"] == pytest.approx(SMALL["accuracy"], abs=0.03)


def test_a_short_trace_is_one_line(stand_in: Trace) -> None:
    with pytest.raises(
        InputError, match=r"paper_a: 10 decision intervals to learn from; window 10 .* use more seconds"
    ):
        compare.prepare(stand_in, {**SMALL, "seconds": 600}, setup(SMALL), (1.0, 2.0), lstm=LSTM, seed=[0])


SMALL_experiment: dict[str, Any] = {
    **Params().elastic.model_dump(),
    "seconds": 14400,
    "repeats": 3,
    "synthetic_repeats": 2,
    "window": 10,
    "forecasters": ("ridge", "last_value", "published"),
    "leads": (1.0, 2.0),
}


@pytest.fixture(scope="module")
def found(stand_in: Trace) -> compare.Replayed:
    return compare.experiment(stand_in, SMALL_experiment, lstm=LSTM, seed=3)


def test_every_strategy_runs_with_every_forecaster_that_it_reads(found: compare.Replayed) -> None:
    pairs = set(zip(found.table["strategy"], found.table["forecaster"], strict=True))
    reading = {(name, maker) for name in compare.FORECASTING for maker in SMALL_experiment["forecasters"]}
    assert pairs == reading | {(name, "none") for name in ("responsive", "fixed", "hpa", "oracle")}
    assert set(found.table["reading"]) == set(compare.READINGS)
    whole = found.table[found.table["phase"] == "all"]
    assert len(whole) == len(pairs) * len(SMALL_experiment["leads"])
    assert (whole["low"] <= whole["error_percent"]).all()
    assert (whole["error_percent"] <= whole["high"]).all()
    assert not found.table["real"].any()


def test_the_last_value_gives_advance_nothing_over_responsive(found: compare.Replayed) -> None:
    rows = found.table[found.table["phase"] == "all"].set_index(["lead", "strategy", "forecaster"])
    for lead in SMALL_experiment["leads"]:
        for column in ("error_percent", "pod_hours"):
            assert rows[column][lead, "advance", "last_value"] == rows[column][lead, "responsive", "none"]


def test_phases_share_the_steps(found: compare.Replayed) -> None:
    rows = found.table[(found.table["phase"] != "all") & (found.table["lead"] == 1)]
    shares = rows.groupby(["reading", "strategy", "forecaster"])["share"].sum()
    assert np.allclose(shares, 100)


def test_the_same_seed_gives_the_same_bytes(stand_in: Trace, found: compare.Replayed, tmp_path: Path) -> None:
    again = compare.experiment(stand_in, SMALL_experiment, lstm=LSTM, seed=3)
    for name, each in (("a", found), ("b", again)):
        compare.write(each, tmp_path / name)
    for one, two in zip(*(compare.places("paper_a", tmp_path / name) for name in "ab"), strict=True):
        assert one.read_bytes() == two.read_bytes()
    other = compare.experiment(stand_in, SMALL_experiment, lstm=LSTM, seed=4)
    assert not other.table["error_percent"].equals(found.table["error_percent"])


def test_the_course_is_of_the_first_forecaster(found: compare.Replayed) -> None:
    assert set(found.course["forecaster"]) == {"none", "ridge"}
    rows = found.course[found.course["strategy"] == "combined"]
    assert len(rows) == 7200 // SMALL_experiment["every"]
    world = setup(SMALL_experiment)
    assert rows["forecast"].isna().sum() == world.horizon
    assert ((rows["cpu"] > 0) & (rows["cpu"] <= 100)).all()


def test_the_stand_in_which_is_drawn_anew_has_repeats_of_its_own(stand_in: Trace, found: compare.Replayed) -> None:
    assert (found.table["repeats"] == SMALL_experiment["synthetic_repeats"]).all()
    section = {**SMALL_experiment, "forecasters": ("last_value",), "strategies": ("responsive",), "leads": (1.0,)}
    other = compare.experiment(replace(stand_in, name="mine"), section, lstm=LSTM, seed=3)
    assert (other.table["repeats"] == SMALL_experiment["repeats"]).all()


def test_one_repeat_has_no_interval(stand_in: Trace) -> None:
    once = compare.experiment(
        stand_in, {**SMALL_experiment, "synthetic_repeats": 1, "leads": (1.0,)}, lstm=LSTM, seed=3
    )
    assert once.table["low"].isna().all()


def test_the_lstm_is_fitted_on_the_first_part_alone(stand_in: Trace) -> None:
    section = {
        **SMALL_experiment,
        "forecasters": ("lstm",),
        "strategies": ("advance",),
        "leads": (1.0,),
        "synthetic_repeats": 1,
    }
    found = compare.experiment(stand_in, section, lstm=LSTM, seed=3)
    assert np.isfinite(found.table["forecast_r2"]).all()


SETUP = Setup(Settings(start_spread=10), Capacity(), 15.0, 100.0, 60.0, 1.0, {})
ARRIVALS = np.random.default_rng(0).poisson(100 + 80 * np.sin(np.arange(3610) / 200))
SEED = np.random.SeedSequence(1)


def test_pairs_separate_the_forecast_from_the_rule() -> None:
    assert pairs(["hpa", "combined"], "lstm") == [("hpa", ""), ("combined", "lstm"), ("combined", "last_value")]
    assert pairs(["advance"], "last_value") == [("advance", "last_value")]
    assert pairs(["mine"], "lstm", {"mine"}) == [("mine", "lstm"), ("mine", "last_value")]


@pytest.mark.parametrize("name", STRATEGIES)
def test_it_is_known_which_strategies_use_a_forecast(name: str) -> None:
    present = measured(ARRIVALS, settings=SETUP.settings)
    peak = present + 1
    plain, doubled = (
        strategy(name).decide(View(present, made, SETUP.capacity, 15.0, 4, peak)) for made in (present, 2 * present)
    )
    assert (name in FORECASTING) == bool((plain != doubled).any())


def test_the_last_value_makes_advance_responsive_and_seeds_are_the_same() -> None:
    totals, intervals = shadow(ARRIVALS, {}, pairs(["advance", "responsive"], "last_value"), SETUP, seed=SEED)
    first, second = totals.drop(columns=["strategy", "forecaster"]).to_numpy()
    np.testing.assert_array_equal(first, second)
    assert len(intervals) == 2 * 241
    again, _ = shadow(ARRIVALS, {}, [("responsive", "")], SETUP, seed=SEED)
    assert again["pod_hours"][0] == totals["pod_hours"][1]


def test_errors_are_split_by_cause_and_loads_are_rates() -> None:
    totals, intervals = shadow(ARRIVALS, {}, [("responsive", "")], SETUP, seed=SEED)
    row = totals.iloc[0]
    assert row["overload_percent"] + row["base_percent"] + row["drain_percent"] == pytest.approx(row["error_percent"])
    assert intervals["load"].iloc[0] == ARRIVALS[:15].mean()
    assert intervals["load"].iloc[-1] == ARRIVALS[-10:].mean()
    assert intervals["ready"].iloc[0] == intervals["wanted"].iloc[0]
    assert intervals["failed"].sum() == pytest.approx(row["error_percent"] / 100 * ARRIVALS.sum())


def test_a_rule_can_stand_in() -> None:
    totals, intervals = shadow(ARRIVALS, {}, [("fixed", "")], SETUP, seed=SEED, rules={"fixed": Fixed(40)})
    assert set(intervals["wanted"]) == {40}
    assert totals["pod_hours"][0] == pytest.approx(40 * 3610 / 3600)


def test_the_summary_is_over_repeats() -> None:
    runs, _ = shadow(ARRIVALS, {}, pairs(["hpa", "combined"], "last_value"), SETUP, seed=SEED)
    other = runs.assign(error_percent=runs["error_percent"] + 2)
    table = summary(pd.concat([runs, other]))
    assert list(table["strategy"]) == ["hpa", "combined"]
    assert list(table.columns[:6]) == [
        "strategy", "forecaster", "repeats", "error_percent", "error_percent_low", "error_percent_high"
    ]  # fmt: skip
    assert table["repeats"].tolist() == [2, 2]
    np.testing.assert_allclose(table["error_percent"], runs["error_percent"] + 1)
    np.testing.assert_allclose(table["error_percent_high"], runs["error_percent"] + 2)
    np.testing.assert_allclose(table["pod_hours_low"], runs["pod_hours"])
