from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edgeresearch.autoscaling.settings import ExperimentConfig
from edgeresearch.data import synthetic
from edgeresearch.errors import InputError
from edgeresearch.forecasting.evaluation import Comparison
from edgeresearch.papers.paper_a import figures, tables
from edgeresearch.papers.paper_a.published import PHASES, TABLE_2, TABLE_3

Make = Callable[..., pd.DataFrame]


def test_table_2_has_published_values_at_the_next_step_of_the_papers_models(make_scores: Make) -> None:
    table = tables.make_table_2([make_scores("elb"), make_scores("paper_a", False)])
    wanted = (
        "trace, real, horizon, model, seeds, mse, mse_low, mse_high, mae, r2, skill, fit_seconds, "
        "published_mse, published_mae, published_r2"
    )
    assert list(table.columns[:15]) == wanted.split(", ")
    assert set(tables.READABLE) <= set(table.columns)
    assert (len(table), table["fit_seconds"].count()) == (36, 0)
    known = table[table["published_mse"].notna()]
    assert list(known["model"]) == 2 * list(TABLE_2)
    assert set(known["horizon"]) == {1}
    assert dict(zip(known["model"], known["published_r2"], strict=True))["xgboost"] == 0.929


def test_an_empty_text_comes_back_as_one(make_scores: Make) -> None:
    table = tables.make_table_2([make_scores().assign(best_baseline=np.nan)])
    assert set(table["best_baseline"]) == {""} and set(table["note"]) == {"made up"}


def test_seconds_join_by_trace_and_model(make_scores: Make) -> None:
    seconds = pd.DataFrame({"trace": ["elb", "other"], "model": "ridge", "fit_seconds": [0.5, 9], "predict_seconds": 1})
    table = tables.make_table_2([make_scores()], seconds)
    assert list(table.loc[table["fit_seconds"].notna(), "model"]) == ["ridge", "ridge"]
    assert set(table["fit_seconds"].dropna()) == {0.5}
    assert len(tables.make_table_2([make_scores()], seconds.iloc[:0])) == 18


def test_rankings_have_the_order_and_the_lstms_place(make_scores: Make) -> None:
    scores = make_scores()
    ranks = tables.rank_models(tables.make_table_2([scores])).set_index(["horizon", "metric"])
    row = ranks.loc[(1, "mse")]
    assert row["order"] == "ridge < random_forest < xgboost < lstm_paper < logistic"
    assert row["published_order"] == "lstm_paper < xgboost < random_forest < ridge < logistic"
    assert (row["best"], row["lstm_place"], row["kendall"]) == ("ridge", 4, pytest.approx(-0.2))
    assert ranks.loc[(1, "mae")]["published_order"].startswith("xgboost < lstm_paper")
    assert ranks.loc[(5, "r2")]["order"] == row["order"]
    alone = tables.rank_models(tables.make_table_2([scores[scores["model"] == "ridge"]]))
    assert alone[["lstm_place", "kendall"]].isna().all().all()
    assert tables.rank_models(tables.make_table_2([scores[scores["role"] == "naive"]])).empty


def test_wins_are_counted_by_trace(make_scores: Make) -> None:
    second, third = make_scores("nasa", lstm=5.1, lstm_huber=3.0), make_scores("paper_a", False, lstm_paper=4.9)
    assert tables.count_wins(tables.make_table_2([make_scores("elb"), second, third])) == {
        **{"traces": 3, "real_traces": 2, "paper_lstm_first_mse": 1, "project_first_mse_of_paper": 2},
        **{"project_first_mse_of_all": 2, "project_significant_losses": 0, "huber_first_mae": 3},
        "project_worst_ratio": 1.02,
    }
    naive = third[third["role"] == "naive"]
    counts = tables.count_wins(tables.make_table_2([naive]))
    assert (counts.pop("traces"), counts.pop("project_worst_ratio"), set(counts.values())) == (1, None, {0})


@pytest.mark.parametrize(("p", "losses"), [(0.04, 1), (0.06, 0)])
def test_a_loss_counts_when_it_is_significant(make_scores: Make, p: float, losses: int) -> None:
    scores = make_scores(lstm=20.0).assign(dm_statistic=2.0, dm_p=p)
    assert tables.count_wins(tables.make_table_2([scores]))["project_significant_losses"] == losses


def test_numbers_of_the_forecasts(make_scores: Make, forecasts: pd.DataFrame) -> None:
    seconds = pd.DataFrame({"trace": "elb", "model": ["ridge", "lstm"], "fit_seconds": [0.1, 8], "predict_seconds": 1})
    values = tables.describe_forecasts(tables.make_table_2([make_scores(logistic=11.0)], seconds), forecasts, 1)
    assert 93 < values.pop("covered") < 98
    assert values == {
        **{"trace": "elb", "horizon": 1, "models": 9, "first": "ridge regression", "five": 5, "place": 4},
        **{"best": "LSTM (project)", "r2": 0.96, "behind": "logistic regression", "lstm": "LSTM (project)"},
        **{"rival": "ridge + calendar", "dm_p": 0.01, "difference": pytest.approx(-100 / 9)},
        **{"cheapest": "ridge regression", "cheapest_seconds": 0.1, "dearest": "LSTM (project)", "dearest_seconds": 8},
    }
    naive = make_scores()[lambda rows: rows["role"] == "naive"].assign(best_baseline="")
    values = tables.describe_forecasts(tables.make_table_2([naive]), forecasts, 1)
    assert (values["first"], values["place"], values["behind"], values["lstm"]) == ("none", "no", "none", "last value")
    assert np.isnan(values["dearest_seconds"])


def test_table_3_has_the_published_cells_beside_their_rows_alone(make_elastic: Make) -> None:
    table = tables.make_table_3([make_elastic()])
    assert list(table.columns) == tables.TABLE_3_COLUMNS
    known = table[table["published"].notna()]
    assert (set(known["strategy"]), set(known["phase"])) == (set(TABLE_3), set(PHASES))
    assert set(known.loc[(known["strategy"] == "advance") & (known["phase"] == "shrinkage"), "published"]) == {6.7}


def test_strategies_are_compared_by_trace_forecaster_and_reading(make_elastic: Make) -> None:
    table = tables.make_table_3([make_elastic(), make_elastic("nasa", hours=1.2)])
    verdicts = tables.compare_strategies(table).set_index(["trace", "forecaster", "reading"])
    first = verdicts.loc[("elb", "published", "trace")]
    assert (first["cells"], first["worst"], first["worst_advance"]) == (9, 0.0, "shrinkage")
    assert first["best_expansion"] and first["best_shrinkage"]
    assert verdicts.loc[("elb", "lstm", "trace"), "cells"] == 7
    assert verdicts.loc[("elb", "published", "actions"), "cells"] == 0
    assert verdicts.loc[("nasa", "lstm", "trace"), "pod_ratio"] == pytest.approx(1.2)


def test_the_premium_is_half_of_the_level_and_a_rest(make_elastic: Make) -> None:
    pods = {("advance", "lstm"): 9.0, ("combined", "lstm"): 12.0}
    restless = make_elastic("elb")
    for (strategy, maker), hours in pods.items():
        rows = (restless["strategy"] == strategy) & (restless["forecaster"] == maker)
        restless.loc[rows, "pod_hours"] = hours
    table = tables.make_table_3([restless, make_elastic("nasa")])
    parts = tables.split_pod_premium(table).set_index("trace")
    assert parts.loc["elb", ["premium", "level", "disagreement"]].tolist() == pytest.approx([20, -5, 25])
    assert parts.loc["nasa", ["premium", "level", "disagreement"]].tolist() == [0, 0, 0]
    assert tables.split_pod_premium(table, "ridge").empty


@pytest.mark.parametrize(
    ("load", "forecast", "numbers"),
    [
        ([10, 10, 30, 30, 10, 10], [30, 30, 30, 30, 30, 10], [11 / 8, 100, 50, 50, 100]),
        ([10, 10, 10, 10], [40, 40, 40, 40], [3, 0, 300, 0, 0]),
        ([10, 10, 10, 10], [10, 10, 10, 10], [1, 0, 0, 0, np.nan]),
    ],
)
def test_pods_that_combined_adds_and_those_that_were_needed(
    load: list[float], forecast: list[float], numbers: list[float]
) -> None:
    config = ExperimentConfig(start_delay=30.0, start_spread=0.0)
    assert (config.horizon, config.q_act) == (2, 16)
    known, ahead = np.array(load), np.array(forecast)
    when_due = np.concatenate([np.full(2, np.nan), ahead[:-2]])
    course = pd.concat(
        pd.DataFrame(
            {
                "strategy": name,
                "wanted": config.bound(config.pods_for(seen)),
                "known": known,
                "forecast": when_due,
            }
        )
        for name, seen in (("combined", np.maximum(ahead, known)), ("responsive", known))
    )
    counts = tables.count_extra_pods(course, config.horizon, config)
    assert list(counts) == ["ratio", "moves", "above", "perfect", "needed"]
    assert list(counts.values()) == pytest.approx(numbers, nan_ok=True)


@pytest.mark.parametrize("minutes", [1, 4])
def test_no_forecast_of_the_stand_in_is_better_than_the_best(minutes: int) -> None:
    values = synthetic.draw_qps(np.random.default_rng(2), steps=200 * 1440).frame["requests"].to_numpy()
    rest = values - values.reshape(-1, 1440).mean(axis=0)[np.arange(len(values)) % 1440]
    known = np.polyval(np.polyfit(rest[:-minutes], rest[minutes:], 1), rest[:-minutes])
    r2 = 1 - np.mean((rest[minutes:] - known) ** 2) / values.var()
    assert tables.best_r2(60 * minutes) == pytest.approx(r2, abs=0.01)


def test_timings_replace_the_older_ones_of_the_same_trace(comparison: Comparison, tmp_path: Path) -> None:
    path = tmp_path / "measured" / "fit_seconds.csv"
    tables.update_timings(path, replace(comparison, trace=replace(comparison.trace, name="nasa")))
    table = tables.update_timings(path, comparison)
    assert table["trace"].tolist() == ["elb"] * 2 + ["nasa"] * 2
    again = replace(comparison, seconds=comparison.seconds.assign(fit_seconds=0.1234567).iloc[:1])
    assert len(tables.update_timings(path, again)) == 4
    written = pd.read_csv(path)
    assert list(written.columns) == tables.TIMING_COLUMNS
    assert written.loc[(written["trace"] == "elb") & (written["model"] == "ridge"), "fit_seconds"].tolist() == [0.123]
    path.write_text(",".join(tables.TIMING_COLUMNS) + "\n")
    assert len(tables.update_timings(path, comparison)) == 2
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="has not the columns trace"):
        tables.update_timings(path, comparison)
    assert path.read_text() == "a,b\n1,2\n"


@pytest.mark.parametrize(("window", "hidden", "targets", "batch"), [(60, 32, 2, 4), (12, 8, 1, 3)])
def test_shapes_are_those_of_the_real_module_and_in_the_figure(
    window: int, hidden: int, targets: int, batch: int
) -> None:
    network = tables.measure_network(window=window, hidden=hidden, targets=targets, batch=batch)
    tensors = {"window": [batch, window, 1], "states": [batch, window, hidden]}
    assert network["tensors"] == {**tensors, "last": [batch, hidden], "forecast": [batch, targets]}
    assert network["weights"]["lstm.weight_hh_l0"] == [4 * hidden, hidden]
    assert network["trainable"] == 4 * hidden * (hidden + 1 + 2) + targets * (hidden + 1)
    text = "\n".join(each.get_text() for each in figures.plot_network(network).axes[0].texts)
    for shape in (f"{window}, 1", f"{window}, {hidden}", f"{hidden}", f"{targets}"):
        assert f"(batch, {shape})" in text
    for name, formula, _ in figures.GATES:
        assert f"{name}: W {hidden} × ({hidden} + 1)\n{formula}" in text
