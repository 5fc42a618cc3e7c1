"""Figures of a forecast, of a comparison of forecasters, and of what was odd in a stream."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import edgeresearch as er
from edgeresearch.data.trace import Origin, Trace
from edgeresearch.forecasting.api import Forecast
from edgeresearch.forecasting.baselines import LastValue
from edgeresearch.forecasting.evaluation import compare
from edgeresearch.forecasting.settings import ForecastSettings
from edgeresearch.plotting.series import BINS, CHANNELS, STRETCH, draw_detection, figures


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
    assert axes.get_title() == "mine (synthetic): 20 (10 to 30) comes next"
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
    below, one = sorted(float(each) for line in figure.axes[0].lines[1:] for each in np.asarray(line.get_xdata()))
    assert 0 < below < one == pytest.approx(1)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["ridge regression", "last value"]


@pytest.fixture(scope="module")
def detection() -> er.Detection:
    rng = np.random.default_rng(0)
    values = 50 + 5 * np.sin(np.arange(400) / 10) + rng.normal(0, 0.3, 400)
    values[300:304] += 40
    times = pd.date_range("2024-03-01", periods=400, freq="1min")
    stream = pd.DataFrame({"speed": values, "count": rng.normal(size=400)}, index=times)
    stream.iloc[350:361] = np.nan
    return er.detect(stream, identity=er.AutoencoderIdentity(epochs=5), train=100, every=100)


def test_every_channel_and_the_scores(detection: er.Detection) -> None:
    figure = detection.plot()
    assert [axes.get_ylabel() for axes in figure.axes] == ["speed", "count", "score"]
    assert figure.get_suptitle() == f"{detection.name}: {detection.verdict}"
    (box,) = figure.legends
    assert [text.get_text() for text in box.get_texts()] == ["score", "threshold", "alarm", "first training"]


def _line(detection: er.Detection, label: str) -> np.ndarray:
    line = next(line for line in draw_detection(detection).axes[-1].lines if line.get_label() == label)
    return np.asarray(line.get_ydata(), dtype=float)


def test_a_short_stream_is_drawn_whole_with_its_alarms(detection: er.Detection) -> None:
    np.testing.assert_array_equal(_line(detection, "score"), detection.scores["score"])
    level = _line(detection, "threshold")
    assert np.isnan(level[:30]).all(), "there is no threshold in the warm-up"
    assert np.isfinite(level[30:]).all()
    over = detection.scores[detection.scores["alarm"]]
    assert len(over)
    np.testing.assert_array_equal(_line(detection, "alarm"), over["score"])
    speed = draw_detection(detection).axes[0]
    dots = next(line for line in speed.lines if line.get_marker() == ".")
    np.testing.assert_array_equal(np.asarray(dots.get_ydata()), detection.values["speed"].to_numpy()[over.index])


def test_a_long_stream_keeps_its_alarms(detection: er.Detection) -> None:
    rows = 3 * BINS + 7
    score, alarm = np.ones(rows), np.zeros(rows, dtype=bool)
    score[1000], alarm[1000] = 9.0, True
    times = pd.date_range("2024-03-01", periods=rows, freq="1min")
    scores = pd.DataFrame({"time": times, "score": score, "threshold": 2.0, "alarm": alarm, "training": 1})
    scores.loc[:99, "training"] = 0
    values = pd.DataFrame({"speed": np.arange(rows, dtype=float)}, index=times)
    drawn = _line(replace(detection, values=values, scores=scores), "score")
    assert len(drawn) <= BINS
    assert drawn.max() == 9.0


def test_of_many_channels_the_first_are_drawn_and_scores_may_be_zero(detection: er.Detection) -> None:
    many = pd.DataFrame({f"channel {i}": detection.values["speed"] for i in range(CHANNELS + 2)})
    still = detection.scores.assign(score=0.0, threshold=0.0, alarm=False)
    figure = draw_detection(replace(detection, values=many, scores=still))
    assert len(figure.axes) == CHANNELS + 1
    assert figure.get_suptitle().endswith(f"; {CHANNELS} of {CHANNELS + 2} channels")
