from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edgeresearch.data.trace import Origin, Trace
from edgeresearch.forecasting.api import Report
from edgeresearch.forecasting.baselines import LastValue
from edgeresearch.plotting.forecast import STRETCH, draw, figure


@pytest.fixture
def report() -> Report:
    index = pd.date_range("2024-01-01", periods=500, freq="5min")
    values = np.random.default_rng(0).poisson(20, 500).astype(float)
    trace = Trace("mine", pd.DataFrame({"v": values}, index=index), pd.Timedelta("5min"), "hits", Origin("synthetic"))
    judged = pd.DataFrame(
        {"time": index[100:], "horizon": 1, "truth": values[100:], "forecast": 20.0, "low": 10.0, "high": 30.0}
    )
    judged = judged.drop(index=[350, 351])
    times = index[-1] + np.arange(1, 3) * trace.step
    coming = pd.DataFrame(
        {"time": times, "horizon": [1, 2], "forecast": [20.0, -1.0], "low": [10.0, 0.0], "high": 30.0}
    )
    return Report(trace, "ridge", LastValue(), pd.DataFrame(), judged, coming, "", (), {})


def test_the_axes_say_what_they_show(report: Report) -> None:
    (axes,) = figure(report).axes
    assert axes.get_title() == "mine (synthetic)"
    assert axes.get_ylabel() == "hits"
    assert axes.get_xlabel() == "time (steps of 5 min)"
    legend = axes.get_legend()
    assert legend is not None
    assert "ridge regression, 1 step ahead" in [text.get_text() for text in legend.get_texts()]


def test_a_gap_stays_a_gap_and_the_stretch_is_legible(report: Report) -> None:
    (axes,) = figure(report).axes
    truth = next(line for line in axes.lines if line.get_label() == "true")
    shown = np.asarray(truth.get_ydata(), dtype=float)
    assert len(shown) == STRETCH
    assert np.isnan(shown).sum() == 2


def test_two_files_with_the_same_bytes(report: Report, tmp_path: Path) -> None:
    assert draw(report, tmp_path / "a") == tmp_path / "a" / "forecast.png"
    draw(report, tmp_path / "b")
    for name in ("forecast.png", "forecast.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
