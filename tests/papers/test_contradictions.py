import numpy as np
import pandas as pd
import pytest

from edgeresearch.papers.contradictions import contradictions
from edgeresearch.papers.paper_a import Published


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    return contradictions().set_index(["check", "item"])


def test_the_lstm_is_not_best_on_all_indicators(found: pd.DataFrame) -> None:
    rows = found.loc["LSTM best on all indicators"]
    assert rows["agrees"].to_dict() == {"MSE": True, "MAE": False, "R²": True}
    assert rows.loc["MAE", "says"] == "best by MAE: XGBoost (0.85); LSTM: 0.9"
    assert (rows.loc["MAE", "value"], rows.loc["MAE", "expected"]) == (0.9, 0.85)


def test_the_implied_variance_is_not_one_number(found: pd.DataFrame) -> None:
    rows = found.loc["one variance of the test set"]
    assert rows["value"].round().tolist() == [167, 136, 107, 166, 162]
    assert not rows.loc["ridge regression", "agrees"]
    assert not rows.loc["logistic regression", "agrees"]
    assert rows.loc[["random forest", "XGBoost"], "agrees"].all()
    assert (rows["low"] < rows["value"]).all()
    assert (rows["value"] < rows["high"]).all()
    assert rows["expected"].nunique() == 1


def test_errors_are_far_from_gaussian(found: pd.DataFrame) -> None:
    rows = found.loc["MAE / RMSE of Gaussian errors"]
    assert not rows["agrees"].any()
    assert "Gaussian errors: MAE 2.67: small errors and rare bursts" in rows.loc["LSTM", "says"]


def test_a_consistent_table_is_not_faulted() -> None:
    def row(name: str, mse: float) -> Published:
        return Published(name, mse, round(float(np.sqrt(mse * 2 / np.pi)), 2), round(1 - mse / 160, 3))

    table = contradictions({"ridge": row("ridge", 12.0), "lstm_paper": row("LSTM", 11.2)})
    assert table["agrees"].all()
    assert list(table.columns) == ["check", "item", "value", "low", "high", "expected", "agrees", "says"]
    assert table["says"].iloc[-1].endswith("no heavier tails")
