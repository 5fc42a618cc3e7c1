"""Figures of a forecast and of a comparison of forecasters."""

import numpy as np
import pandas as pd
import pytest

from edgeresearch.data.trace import Origin, Trace
from edgeresearch.forecasting.api import Forecast
from edgeresearch.forecasting.baselines import LastValue
from edgeresearch.forecasting.evaluation import compare
from edgeresearch.forecasting.settings import ForecastSettings
from edgeresearch.plotting.forecast import STRETCH, figures


@pytest.fixture
def trace() -> Trace:
    index = pd.date_range("2024-01-01", periods=500, freq="5min")
    values = np.random.default_rng(0).poisson(20, 500).astype(float)
    return Trace("mine", pd.DataFrame({"v": values}, index=index), pd.Timedelta("5min"), "hits", Origin("synthetic"))


def test_a_forecast_shows_the_legible_end_with_its_gaps_and_says_what_it_shows(trace: Trace) -> None:
    index = pd.DatetimeIndex(trace.frame.index)
    judged = {"time": index[100:], "horizon": 1, "truth": trace.values.to_numpy()[100:]}
    backtest = pd.DataFrame({**judged, "forecast": 20.0, "low": 10.0, "high": 30.0}).drop(index=[350, 351])
    times = index[-1] + np.arange(1, 3) * trace.step
    future = {"time": times, "horizon": [1, 2], "forecast": [20.0, -1.0], "low": [10.0, 0.0], "high": 30.0}
    result = Forecast(pd.DataFrame(), trace, "ridge", LastValue(), backtest, pd.DataFrame(future), (), {})
    (axes,) = figures(result)["forecast"].axes
    assert axes.get_title() == "mine (synthetic)"
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("hits", "time (steps of 5 min)")
    legend = axes.get_legend()
    assert legend is not None and "ridge regression, 1 step ahead" in [text.get_text() for text in legend.get_texts()]
    truth = next(line for line in axes.lines if line.get_label() == "true")
    shown = np.asarray(truth.get_ydata(), dtype=float)
    assert len(shown) == STRETCH
    assert np.isnan(shown).sum() == 2


def test_a_comparison_shows_each_model_relative_to_the_last_value(trace: Trace) -> None:
    (result,) = compare([trace], ForecastSettings(window=8), models=["last_value", "ridge"])
    figure = figures(result)["comparison"]
    assert [axes.get_title() for axes in figure.axes] == ["1 step ahead", "5 steps ahead"]
    points = np.asarray(figure.axes[0].lines[0].get_xdata(), dtype=float)
    assert points[-1] == pytest.approx(1) and 0 < points[0] < 1
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["ridge regression", "last value"]
