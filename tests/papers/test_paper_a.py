from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edgeresearch.data.trace import Origin, Trace
from edgeresearch.errors import InputError
from edgeresearch.forecasting.evaluation import Comparison, compare
from edgeresearch.forecasting.settings import ForecastSettings
from edgeresearch.papers import paper_a
from edgeresearch.papers.paper_a import PUBLISHED, rankings, read, summary, table2

Scores = Callable[..., pd.DataFrame]


def test_published_values_are_those_of_the_paper() -> None:
    rows = {row.method: (row.mse, row.mae, row.r2) for row in PUBLISHED.values()}
    assert rows == {
        "random forest": (12.5, 0.95, 0.925),
        "ridge regression": (14.3, 1.05, 0.895),
        "logistic regression": (15.8, 1.20, 0.853),
        "XGBoost": (11.8, 0.85, 0.929),
        "LSTM": (11.2, 0.90, 0.931),
    }
    assert [metric.half for metric in paper_a.METRICS.values()] == pytest.approx([0.05, 0.005, 0.0005])


def test_table2_has_the_columns_that_others_rely_on(make_scores: Scores) -> None:
    table = table2([make_scores("elb"), make_scores("paper_a", False)])
    wanted = (
        "trace, real, horizon, model, seeds, mse, mse_low, mse_high, mae, r2, skill, fit_seconds, "
        "published_mse, published_mae, published_r2"
    )
    assert list(table.columns[:15]) == wanted.split(", ")
    assert len(table) == 36
    assert set(paper_a.READABLE) <= set(table.columns)
    assert table["fit_seconds"].isna().all()


def test_published_values_stand_at_the_next_step_of_the_papers_models(make_scores: Scores) -> None:
    table = table2([make_scores()])
    known = table[table["published_mse"].notna()]
    assert list(known["model"]) == list(PUBLISHED)
    assert set(known["horizon"]) == {1}
    assert dict(zip(known["model"], known["published_r2"], strict=True))["xgboost"] == 0.929
    assert known["published_mae"].notna().all()


def test_seconds_join_by_trace_and_model(make_scores: Scores) -> None:
    seconds = pd.DataFrame(
        {"trace": ["elb", "other"], "model": ["ridge", "ridge"], "fit_seconds": [0.5, 9], "predict_seconds": [0.1, 9]}
    )
    table = table2([make_scores()], seconds)
    assert list(table.loc[table["fit_seconds"].notna(), "model"]) == ["ridge", "ridge"]
    assert set(table["fit_seconds"].dropna()) == {0.5}
    assert len(table2([make_scores()], seconds.iloc[:0])) == 18


def test_no_scores_make_no_table() -> None:
    with pytest.raises(InputError, match="no scores"):
        table2([])


def test_rankings_name_the_order_and_the_lstms_place(make_scores: Scores) -> None:
    ranks = rankings(table2([make_scores()])).set_index(["horizon", "metric"])
    row = ranks.loc[(1, "mse")]
    assert row["order"] == "ridge < random_forest < xgboost < lstm_paper < logistic"
    assert row["published_order"] == "lstm_paper < xgboost < random_forest < ridge < logistic"
    assert (row["best"], row["lstm_place"]) == ("ridge", 4)
    assert row["kendall"] == pytest.approx(-0.2)
    assert ranks.loc[(1, "mae")]["published_order"].startswith("xgboost < lstm_paper")
    assert ranks.loc[(5, "r2")]["order"] == row["order"]


def test_rankings_without_the_lstm_or_with_one_model(make_scores: Scores) -> None:
    scores = make_scores()
    ranks = rankings(table2([scores[scores["model"] == "ridge"]]))
    assert ranks["lstm_place"].isna().all()
    assert ranks["kendall"].isna().all()
    assert rankings(table2([scores[scores["role"] == "naive"]])).empty


def test_the_summary_counts_traces(make_scores: Scores) -> None:
    table = table2(
        [
            make_scores("elb"),
            make_scores("nasa", lstm=5.1, lstm_huber=3.0),
            make_scores("paper_a", False, lstm_paper=4.9),
        ]
    )
    assert summary(table) == {
        "traces": 3,
        "real_traces": 2,
        "paper_lstm_first_mse": 1,
        "project_first_mse_of_paper": 2,
        "project_first_mse_of_all": 2,
        "project_significant_losses": 0,
        "huber_first_mae": 3,
        "project_worst_ratio": 1.02,
    }


def test_a_loss_counts_when_it_is_significant(make_scores: Scores) -> None:
    scores = make_scores(lstm=20.0).assign(dm_statistic=2.0, dm_p=0.04)
    assert summary(table2([scores]))["project_significant_losses"] == 1
    assert summary(table2([scores.assign(dm_p=0.06)]))["project_significant_losses"] == 0


def test_the_summary_of_naive_models_alone(make_scores: Scores) -> None:
    scores = make_scores()
    found = summary(table2([scores[scores["role"] == "naive"]]))
    assert found["traces"] == 1
    assert found["project_worst_ratio"] is None
    assert sum(value for name, value in found.items() if name.endswith(("mse", "mae", "paper", "all", "losses"))) == 0


def test_reading_keeps_empty_text_and_tells_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("trace,note,dm_p\nelb,,\n")
    table = read(tmp_path / "a.csv")
    assert table["note"].tolist() == [""]
    assert table["dm_p"].isna().all()
    with pytest.raises(InputError, match="No such file.*run edgeresearch compare"):
        read(tmp_path / "b.csv")
    (tmp_path / "c.csv").write_text("")
    with pytest.raises(InputError, match="No columns"):
        read(tmp_path / "c.csv")


def test_the_footnotes_say_how_the_table_is_read() -> None:
    text = " ".join(paper_a.FOOTNOTES)
    assert "never published" in text
    assert "quantile bins" in text
    assert "fit_seconds.csv" in text


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    index = pd.date_range("2024-01-01", periods=300, freq="15min", unit="ns")
    frame = pd.DataFrame({"requests": np.random.default_rng(3).normal(50, 5, 300)}, index=index)
    trace = Trace("elb", frame, pd.Timedelta("15min"), "requests per 15 min", Origin("synthetic"))
    return compare([trace], ForecastSettings(window=12), models=["ridge", "last_value"])[0]


def test_a_comparison_is_written_with_the_same_bytes_every_time(comparison: Comparison, tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        scores = paper_a.write_comparison(comparison, tmp_path / name)
        files = [path for path in (tmp_path / name).rglob("*") if path.is_file()]
        contents.append({str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {
        *("reports/tables/forecast/elb.csv", "reports/tables/choices/elb.csv", "data/processed/forecast/elb.parquet")
    }
    assert pd.read_csv(scores)["trace"].unique().tolist() == ["elb"]
    forecasts = pd.read_parquet(tmp_path / "b" / "data" / "processed" / "forecast" / "elb.parquet")
    assert list(forecasts.columns) == ["made", "truth", "forecast", "low", "high", "horizon", "model"]
    assert forecasts["truth"].dtype == "float32"
    assert contents[0]["reports/tables/choices/elb.csv"] == b"model,seed,choice\n"


def test_timings_replace_the_older_ones_of_the_same_trace(comparison: Comparison, tmp_path: Path) -> None:
    path = tmp_path / "measured" / "fit_seconds.csv"
    paper_a.update_timings(path, replace(comparison, trace=replace(comparison.trace, name="nasa")))
    table = paper_a.update_timings(path, comparison)
    assert table["trace"].tolist() == ["elb"] * 2 + ["nasa"] * 2
    again = replace(comparison, seconds=comparison.seconds.assign(fit_seconds=0.1234567).iloc[:1])
    assert len(paper_a.update_timings(path, again)) == 4
    written = pd.read_csv(path)
    assert list(written.columns) == paper_a.TIMING_COLUMNS
    assert written.loc[(written["trace"] == "elb") & (written["model"] == "ridge"), "fit_seconds"].tolist() == [0.123]
    path.write_text(",".join(paper_a.TIMING_COLUMNS) + "\n")
    assert len(paper_a.update_timings(path, comparison)) == 2
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="has not the columns trace"):
        paper_a.update_timings(path, comparison)
    assert path.read_text() == "a,b\n1,2\n"
