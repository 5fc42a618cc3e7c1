from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from edgeresearch.data import synthetic
from edgeresearch.errors import InputError
from edgeresearch.papers.paper_a import figures
from edgeresearch.papers.paper_a.tables import make_table_2, make_table_3

Make = Callable[..., pd.DataFrame]
SHOWN = ["lstm", "lstm_paper"]
STEP = pd.Timedelta(minutes=5)


def _labels(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_table_2_shows_published_beside_measured_relative_to_the_lstm(
    make_scores: Make, text_of: Callable[[Figure], str]
) -> None:
    scores = make_scores()
    figure = figures.plot_table_2(make_table_2([scores]))
    mse, mae, r2 = figure.axes
    published, measured = (line.get_xdata() for line in mse.lines)
    assert list(published) == pytest.approx([12.5 / 11.2, 14.3 / 11.2, 15.8 / 11.2, 11.8 / 11.2, 1])
    assert list(measured) == pytest.approx([6 / 8, 5 / 8, 9 / 8, 7 / 8, 1])
    assert list(r2.lines[0].get_xdata()) == [0.925, 0.895, 0.853, 0.929, 0.931]
    assert mae.get_title() == "MAE: lower is better"
    assert "unpublished trace" in text_of(figure)
    assert "synthetic" not in text_of(figure).lower()
    with pytest.raises(InputError, match="add it to the models"):
        figures.plot_table_2(make_table_2([scores[scores["model"] != "lstm_paper"]]))


def test_figures_name_a_synthetic_trace(make_scores: Make, text_of: Callable[[Figure], str]) -> None:
    table = make_table_2([make_scores("paper_a", False)])
    for figure in (figures.plot_table_2(table), figures.plot_cost(table)):
        assert "paper_a (synthetic)" in text_of(figure)
        assert "Synthetic data, not measured: made up." in text_of(figure)
    assert "Panels named (synthetic)" in text_of(figures.plot_relative_mse(table, 1))


def test_relative_mse_has_a_panel_per_trace_and_intervals(make_scores: Make) -> None:
    table = make_table_2([make_scores(name, name != "paper_a") for name in ("elb", "nasa", "goog", "paper_a")])
    figure = figures.plot_relative_mse(table, 5)
    assert [axes.get_title() for axes in figure.axes[:4]] == ["elb", "nasa", "goog", "paper_a (synthetic)"]
    assert [axes.get_visible() for axes in figure.axes] == [True] * 4 + [False] * 2
    spans = np.concatenate([each.get_segments() for each in figure.axes[0].collections])[:, :, 0]  # type: ignore[attr-defined]
    assert np.isclose(spans, (0.8 * 0.6, 1.3 * 0.6)).all(axis=1).any()
    assert "5 steps ahead" in figure.get_suptitle()
    with pytest.raises(InputError, match="no scores at horizon 3; choose one of 1, 5"):
        figures.plot_relative_mse(table, 3)


def test_one_bad_model_stands_at_the_edge_and_squeezes_nobody(make_scores: Make) -> None:
    usual = figures.plot_relative_mse(make_table_2([make_scores(logistic=9.0)]), 1).axes[0]
    axes = figures.plot_relative_mse(make_table_2([make_scores(logistic=1e6)]), 1).axes[0]
    assert [text.get_text() for text in axes.texts] == ["100,000.0 →"]
    assert not list(usual.texts)
    assert axes.get_xlim()[1] <= usual.get_xlim()[1]


def test_the_title_names_the_best_model_by_what_was_measured(make_scores: Make) -> None:
    one, other = make_scores("elb"), make_scores("nasa", ridge=0.1)
    assert figures.plot_relative_mse(make_table_2([one]), 1).get_suptitle() == (
        "Forecasting the next step: LSTM (project) has 60.0 % less error than the last value"
    )
    assert "ridge regression has the lowest error on 1 of 2 traces" not in (
        figures.plot_relative_mse(make_table_2([one, one.assign(trace="goog"), other]), 1).get_suptitle()
    )
    assert (
        figures.plot_relative_mse(make_table_2([other]), 1)
        .get_suptitle()
        .startswith("Forecasting the next step: ridge regression has 99.0 %")
    )
    table = make_table_2([other])
    assert "lowest MSE on nasa: ridge regression, in the paper: LSTM" in figures.plot_table_2(table).get_suptitle()
    worse = make_scores(**dict.fromkeys(("lstm", "lstm_paper", "ridge", "ridge_calendar"), 20.0))
    worse = worse[worse["mse"] >= 10]
    assert "nothing beats the last value" in figures.plot_relative_mse(make_table_2([worse]), 1).get_suptitle()


@pytest.mark.parametrize(("worst", "scale"), [(9.0, "linear"), (29.0, "log"), (1e6, "linear")])
def test_a_wide_range_of_errors_gets_a_log_scale(make_scores: Make, worst: float, scale: str) -> None:
    axes = figures.plot_relative_mse(make_table_2([make_scores(logistic=worst)]), 1).axes[0]
    assert axes.get_xscale() == scale
    low, high = axes.get_xlim()
    assert scale == "linear" or 1 < sum(low <= tick <= high for tick in axes.get_xticks()) < 9


def test_cost_is_sorted_on_a_log_scale_or_says_that_it_is_missing(make_scores: Make) -> None:
    models = ["ridge", "lstm_paper", "last_value"]
    seconds = pd.DataFrame(
        {"trace": "elb", "model": models, "fit_seconds": [0.1, 9, 0], "predict_seconds": [0.1, 1, 0]}
    )
    axes = figures.plot_cost(make_table_2([make_scores()], seconds)).axes[0]
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["LSTM (paper)", "ridge regression", "last value"]
    assert min(float(line.get_xdata()[0]) for line in axes.lines) == 1e-4
    assert "make timings" in figures.plot_cost(make_table_2([make_scores()])).axes[0].texts[0].get_text()


def test_a_stretch_is_the_newest_that_is_observed_throughout() -> None:
    def stretch(truth: list[float], points: int) -> list[int]:
        made = pd.date_range("2024-01-01", periods=len(truth), freq="1min", unit="ns")
        return figures.find_stretch(pd.DataFrame({"made": made, "truth": truth}), points).index.tolist()

    nan = float("nan")
    assert stretch([1, 2, 3, nan, 5, 6, 7, nan, 9], 3) == [4, 5, 6] == stretch([1, 2, 3, nan, 5, 6, 7, nan, 9], 99)
    assert stretch([1, 2, 3, nan, 5, 6, 7, nan, 9], 2) == [5, 6]
    assert stretch([nan, 1, nan], 5) == [1]
    with pytest.raises(InputError, match="no forecast has a known truth"):
        stretch([nan, nan], 5)


def test_forecasts_are_drawn_at_the_time_that_they_are_for(make_scores: Make, forecasts: pd.DataFrame) -> None:
    figure = figures.plot_forecasts(make_table_2([make_scores()]), forecasts, SHOWN, 5, points=100)
    axes = figure.axes[0]
    times = axes.lines[0].get_xdata()
    assert len(times) == 100
    assert pd.Timestamp(times[-1]) == forecasts["made"].max() + 5 * STEP
    assert _labels(figure) == ["true", "LSTM (project)", "LSTM (paper)", "LSTM (project), 95 % of its past errors"]
    assert axes.get_ylabel() == "requests per 5 min"
    mine = forecasts[(forecasts["horizon"] == 5) & (forecasts["model"] == "lstm")].tail(100)
    off = f"{(mine['forecast'] - mine['truth']).abs().mean():.3g}"
    title = f"elb, 5 steps ahead: here forecasts are off by LSTM (project) {off}, LSTM (paper)"
    assert figure.get_suptitle().startswith(title)


def test_the_hour_is_that_of_the_time_forecast(make_scores: Make, forecasts: pd.DataFrame) -> None:
    axes = figures.plot_hourly_error(make_table_2([make_scores()]), forecasts, SHOWN, 1).axes[0]
    lines = {str(line.get_label()): line for line in axes.lines}
    assert list(lines) == ["other models", "LSTM (project)", "LSTM (paper)"]
    hours, errors = (np.asarray(each) for each in lines["LSTM (project)"].get_data())
    assert hours.tolist() == list(range(24))
    one = forecasts[(forecasts["model"] == "lstm") & (forecasts["horizon"] == 1)].dropna(subset="truth")
    expected = np.abs(one["forecast"] - one["truth"])[(one["made"] + STEP).dt.hour == 7].mean()
    assert errors[7] == pytest.approx(expected)


def test_the_scale_of_hourly_errors_follows_the_models_in_colour(
    make_scores: Make, forecasts: pd.DataFrame, text_of: Callable[[Figure], str]
) -> None:
    table = make_table_2([make_scores("elb", False)])
    figure = figures.plot_hourly_error(table, forecasts, SHOWN, 1)
    assert "Synthetic data, not measured: made up. Beyond the scale in some hours: last value." in text_of(figure)
    assert _labels(figure) == ["other models", "LSTM (project)", "LSTM (paper)"]
    assert "(requests per 5 min)" in figure.axes[0].get_ylabel()
    assert "Beyond" not in text_of(figures.plot_hourly_error(table, forecasts, [*SHOWN, "last_value"], 1))


@pytest.fixture
def course() -> pd.DataFrame:
    load = np.r_[np.full(60, 20.0), np.full(60, 40.0)]
    frame = pd.DataFrame({"seconds": 30.0 * np.arange(120), "load": load, "failed": 0.03 * load})
    frame = frame.assign(wanted=np.ceil(load / 16), ready=2.0, cpu=60.0, memory=70.0, forecast=load, known=load)
    return pd.concat(
        [frame.assign(strategy=name, forecaster="lstm") for name in ("advance", "responsive", "combined")],
        ignore_index=True,
    )


def test_figures_name_stand_ins(make_elastic: Make, course: pd.DataFrame, text_of: Callable[[Figure], str]) -> None:
    replayed = make_elastic("paper_a", real=False)
    table = make_table_3([replayed])
    beside = synthetic.draw_utilisation(np.random.default_rng(0), steps=50)
    usage = [figures.plot_usage(table, course, kind, [beside]) for kind in ("cpu", "memory")]
    others = [figures.plot_table_3(table), figures.plot_scaling(table, course, 40), figures.plot_tradeoff(replayed)]
    for figure in [*usage, *others]:
        assert "paper_a (synthetic)" in text_of(figure)
        assert "Synthetic data, not measured" in text_of(figure)
    assert "synthetic" in usage[0].axes[1].get_title()


def test_figures_leave_out_what_was_not_run(make_elastic: Make, course: pd.DataFrame) -> None:
    table = make_table_3([make_elastic()])
    figure = figures.plot_scaling(table, course[course["strategy"] == "advance"], 40)
    assert len(figure.axes) == 3
    few = figures.plot_table_3(table[table["strategy"] != "responsive"], ("ridge", "lstm"))
    assert len(few.axes[0].lines) == 3 + 2 * 2 * 2
