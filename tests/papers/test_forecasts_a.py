from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from edgeresearch.errors import InputError
from edgeresearch.papers.forecasts_a import error_by_hour, hourly_error, step_of, stretch, true_against_predicted
from edgeresearch.papers.paper_a import table2

Scores = Callable[..., pd.DataFrame]
SHOWN = ["lstm", "lstm_paper"]


def _one(truth: list[float]) -> pd.DataFrame:
    made = pd.date_range("2024-01-01", periods=len(truth), freq="1min", unit="ns")
    return pd.DataFrame({"made": made, "truth": truth})


def test_a_stretch_is_the_newest_that_is_observed_throughout() -> None:
    nan = float("nan")
    one = _one([1, 2, 3, nan, 5, 6, 7, nan, 9])
    assert stretch(one, 3).index.tolist() == [4, 5, 6]
    assert stretch(one, 2).index.tolist() == [5, 6]
    assert stretch(one, 99).index.tolist() == [4, 5, 6]
    assert stretch(_one([nan, 1, nan]), 5).index.tolist() == [1]
    with pytest.raises(InputError, match="no forecast has a known truth"):
        stretch(_one([nan, nan]), 5)


def test_forecasts_are_drawn_at_the_time_that_they_are_for(make_scores: Scores, forecasts: pd.DataFrame) -> None:
    table = table2([make_scores()])
    figure = true_against_predicted(table, forecasts, SHOWN, 5, points=100)
    axes = figure.axes[0]
    times = axes.lines[0].get_xdata()
    assert len(times) == 100
    assert pd.Timestamp(times[-1]) == forecasts["made"].max() + 5 * pd.Timedelta(minutes=5)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["true", "LSTM (project)", "LSTM (paper)", "LSTM (project), 95 % of its past errors"]
    assert axes.get_ylabel() == "requests per 5 min"
    assert figure.get_suptitle() == "elb: true and predicted, 5 steps ahead"


def test_the_hour_is_that_of_the_time_forecast(forecasts: pd.DataFrame) -> None:
    hours = hourly_error(forecasts, 1, pd.Timedelta(minutes=5))
    assert hours.index.tolist() == list(range(24))
    assert list(hours.columns) == ["lstm", "lstm_paper", "last_value"]
    assert (hours["lstm"] < hours["last_value"]).all()
    one = forecasts[(forecasts["model"] == "lstm") & (forecasts["horizon"] == 1)].dropna(subset="truth")
    at = one["made"] + pd.Timedelta(minutes=5)
    expected = np.abs(one["forecast"] - one["truth"])[at.dt.hour == 7].mean()
    assert hours.loc[7, "lstm"] == pytest.approx(expected)


def test_the_scale_follows_the_models_in_colour(make_scores: Scores, forecasts: pd.DataFrame) -> None:
    table = table2([make_scores("elb", False)])
    figure = error_by_hour(table, hourly_error(forecasts, 1, step_of(table)), SHOWN)
    note = figure.legends[0].get_title().get_text().replace("\n", " ")
    assert note == "Synthetic data, not measured: made up. Beyond the scale in some hours: last value."
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["other models", "LSTM (project)", "LSTM (paper)"]
    assert "(requests per 5 min)" in figure.axes[0].get_ylabel()
    every = error_by_hour(table, hourly_error(forecasts, 1, step_of(table)), [*SHOWN, "last_value"])
    assert "Beyond" not in every.legends[0].get_title().get_text()
