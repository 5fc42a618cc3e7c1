"""Sentences around Table 3."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from edgeresearch.autoscaling.settings import ExperimentConfig
from edgeresearch.data import synthetic
from edgeresearch.papers import elastic_a, elastic_words_a

Make = Callable[..., pd.DataFrame]


def test_the_sentences_of_one_trace_say_what_its_table_holds(make_elastic: Make) -> None:
    one = elastic_a.table3([make_elastic()])
    said = elastic_words_a.reached(one)
    assert "7 of the nine cells" in said
    assert "published accuracy (R² 0.93 at the rule's own horizon), 9 of the nine cells" in said
    assert "+0.70" in elastic_words_a.readings(one)
    assert "cannot be compared" in elastic_words_a.readings(one[one["strategy"] == "hpa"])
    assert "pod-hours" in elastic_words_a.price(one)
    assert "No strategy" in elastic_words_a.price(one[one["strategy"] == "oracle"])
    assert elastic_words_a.honest(True) != elastic_words_a.honest(False)


def test_the_contradiction_is_settled_by_the_cells(make_elastic: Make) -> None:
    table = elastic_a.table3([make_elastic(), make_elastic("nasa"), make_elastic("paper_a", real=False)])
    assert "on 3 of 3 traces" in elastic_words_a.contradiction(table)
    assert "sides with the table" in elastic_words_a.contradiction(table)
    swapped = table.assign(phase=table["phase"].replace({"expansion": "shrinkage", "shrinkage": "expansion"}))
    assert "does not show" in elastic_words_a.contradiction(swapped)
    assert "nothing can be said" in elastic_words_a.contradiction(table, "ridge")


def test_traces_that_refuse_are_named_with_the_reason(make_elastic: Make) -> None:
    frames = [make_elastic(), make_elastic("nasa", hours=1.2), make_elastic("goog")]
    worse = (frames[2]["strategy"] == "combined") & (frames[2]["phase"] == "shrinkage")
    frames[2].loc[worse, ["error_percent", "low"]] += 3
    verdicts = elastic_a.compare_strategies(elastic_a.table3(frames))
    said = elastic_words_a.ordering(verdicts, "published")
    assert "on 1 of 3 real traces. These refuse: nasa (1.20 times the pod-hours), goog (not best on shrinkage)." in said
    assert "No real trace" in elastic_words_a.ordering(verdicts, "ridge")


def _whole(table: pd.DataFrame, strategy: str, maker: str, hours: float) -> pd.DataFrame:
    rows = (table["strategy"] == strategy) & (table["forecaster"] == maker)
    return table.assign(pod_hours=table["pod_hours"].mask(rows, hours))


def test_the_price_is_half_of_the_level_and_a_rest(make_elastic: Make) -> None:
    steady = _whole(make_elastic("wiki_de"), "combined", "lstm", 10.3)
    restless = _whole(_whole(make_elastic("elb"), "combined", "lstm", 12.0), "advance", "lstm", 9.0)
    table = elastic_a.table3([steady, restless, make_elastic("paper_a", real=False)])
    verdicts = elastic_a.compare_strategies(table)
    said = elastic_words_a.premium(table, verdicts)
    assert "elb +20.0 % = -5.0 level +25.0 disagreement where they are above 5 %" in said
    assert said.endswith("wiki_de +3.0 % = +0.0 level +3.0 disagreement elsewhere.")
    assert "paper_a" not in said
    assert "none where they are above 5 %" in elastic_words_a.premium(table, verdicts, "published")
    assert "No real trace" in elastic_words_a.premium(table, verdicts, "ridge")


def test_what_can_be_known_of_the_stand_in_is_told(make_elastic: Make) -> None:
    table = elastic_a.table3([make_elastic("paper_a", real=False)])
    said = elastic_words_a.foreseeable(table, 270)
    assert "Paper A's R² of 0.931 is the best that there is one minute ahead" in said
    assert "by minutes is 0.76, and this project's LSTM reaches 0.70" in said
    assert "Advance errs by 4.20 % and Combined by 4.20 %, Responsive, which waits for the jump, by 5.20 %" in said
    assert said.endswith("Not reached with it: advance on expansion, combined on expansion.")
    none = table[table["forecaster"] != "lstm"]
    assert "was not replayed" in elastic_words_a.foreseeable(none, 270)


@pytest.mark.parametrize("minutes", [1, 4])
def test_the_best_forecast_of_the_stand_in_is_as_good_as_said(minutes: int) -> None:
    rng = np.random.default_rng(2)
    values = synthetic.draw_qps(rng, steps=200 * 1440).frame["requests"].to_numpy()
    rest = values - values.reshape(-1, 1440).mean(axis=0)[np.arange(len(values)) % 1440]
    known = np.polyval(np.polyfit(rest[:-minutes], rest[minutes:], 1), rest[:-minutes])
    r2 = 1 - np.mean((rest[minutes:] - known) ** 2) / values.var()
    assert elastic_words_a.best(60 * minutes) == pytest.approx(r2, abs=0.01)


@pytest.fixture
def world() -> ExperimentConfig:
    found = ExperimentConfig(start_delay=30.0, start_spread=0.0)
    assert (found.horizon, found.capacity.q_act) == (2, 16)
    return found


def _course(load: list[float], forecast: list[float], world: ExperimentConfig) -> pd.DataFrame:
    known = np.array(load)
    made = np.array(forecast)
    aimed = np.concatenate([np.full(world.horizon, np.nan), made[: -world.horizon]])
    wanted = {"combined": world.capacity.pods(np.maximum(made, known)), "responsive": world.capacity.pods(known)}
    return pd.concat(
        pd.DataFrame({"strategy": name, "forecaster": maker, "wanted": wanted[name], "known": known, "forecast": aimed})
        for name, maker in (("combined", "lstm"), ("responsive", "none"))
    )


def test_the_pods_that_combined_adds_are_counted_and_those_that_were_needed(world: ExperimentConfig) -> None:
    said = elastic_words_a.extra(_course([10, 10, 30, 30, 10, 10], [30, 30, 30, 30, 30, 10], world), world)
    assert said.startswith(
        "Combined wants 1.38 times the pods that Responsive wants (first repeat, this project's LSTM)"
    )
    assert "the load moves by 100 % of its mean; the forecast lies above the present load by 50 %" in said
    assert "Of the pods that it adds, 100 % were needed once they were ready" in said
    assert said.endswith("lie above the present load by 50 %: foreseeing more does not make the rule cheaper.")
    high = elastic_words_a.extra(_course([10, 10, 10, 10], [40, 40, 40, 40], world), world)
    assert "Of the pods that it adds, 0 % were needed" in high
    assert high.endswith("by 0 %.")
    same = elastic_words_a.extra(_course([10, 10, 10, 10], [10, 10, 10, 10], world), world)
    assert "none were needed" in same


def test_without_both_strategies_nothing_is_added(world: ExperimentConfig) -> None:
    alone = _course([10, 10, 10], [10, 10, 10], world).query("strategy == 'combined'")
    assert elastic_words_a.extra(alone, world) == "Combined and Responsive were not both replayed."
