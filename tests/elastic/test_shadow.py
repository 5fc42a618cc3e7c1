import numpy as np
import pandas as pd
import pytest

from edgeresearch.elastic.capacity import Capacity
from edgeresearch.elastic.experiment import FORECASTING
from edgeresearch.elastic.plan import measured
from edgeresearch.elastic.settings import Settings
from edgeresearch.elastic.setup import Setup
from edgeresearch.elastic.shadow import pairs, shadow, summary
from edgeresearch.elastic.strategies import STRATEGIES, Fixed, strategy
from edgeresearch.elastic.view import View

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
