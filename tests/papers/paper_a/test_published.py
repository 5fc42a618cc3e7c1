import numpy as np
import pandas as pd
import pytest

from edgeresearch.papers.paper_a.published import FOOTNOTES, METRICS, TABLE_2, TAILS, Scores, find_contradictions


@pytest.fixture(scope="module")
def contradictions() -> pd.DataFrame:
    return find_contradictions().set_index(["check", "item"])


def test_published_values_are_those_of_the_paper() -> None:
    assert {row.method: (row.mse, row.mae, row.r2) for row in TABLE_2.values()} == {
        "random forest": (12.5, 0.95, 0.925),
        "ridge regression": (14.3, 1.05, 0.895),
        "logistic regression": (15.8, 1.20, 0.853),
        "XGBoost": (11.8, 0.85, 0.929),
        "LSTM": (11.2, 0.90, 0.931),
    }
    assert [metric.half_unit for metric in METRICS.values()] == pytest.approx([0.05, 0.005, 0.0005])
    assert "never published" in FOOTNOTES[0]


def test_the_lstm_is_not_best_on_all_indicators(contradictions: pd.DataFrame) -> None:
    rows = contradictions.loc["LSTM best on all indicators"]
    assert rows["agrees"].to_dict() == {"MSE": True, "MAE": False, "R²": True}
    assert rows.loc["MAE", "says"] == "best by MAE: XGBoost (0.85); LSTM: 0.9"
    assert (rows.loc["MAE", "value"], rows.loc["MAE", "expected"]) == (0.9, 0.85)


def test_the_implied_variance_is_not_one_number(contradictions: pd.DataFrame) -> None:
    rows = contradictions.loc["one variance of the test set"]
    assert rows["value"].round().tolist() == [167, 136, 107, 166, 162]
    assert rows["agrees"].tolist() == [True, False, False, True, False]
    assert ((rows["low"] < rows["value"]) & (rows["value"] < rows["high"])).all()
    assert rows["expected"].nunique() == 1


def test_errors_are_far_from_gaussian(contradictions: pd.DataFrame) -> None:
    rows = contradictions.loc[TAILS]
    assert not rows["agrees"].any()
    assert "Gaussian errors: MAE 2.67: small errors and rare bursts" in rows.loc["LSTM", "says"]


def test_a_consistent_table_contradicts_nothing() -> None:
    def row(name: str, mse: float) -> Scores:
        return Scores(name, mse, round(float(np.sqrt(mse * 2 / np.pi)), 2), round(1 - mse / 160, 3))

    table = find_contradictions({"ridge": row("ridge", 12.0), "lstm_paper": row("LSTM", 11.2)})
    assert table["agrees"].all()
    assert list(table.columns) == ["check", "item", "value", "low", "high", "expected", "agrees", "says"]
    assert table["says"].iloc[-1].endswith("no heavier tails")
