from collections.abc import Callable

import pandas as pd
import pytest
from matplotlib.figure import Figure

from edgeresearch.errors import InputError
from edgeresearch.papers.figures_a import cost, relative_mse, table2_figure, title
from edgeresearch.papers.paper_a import table2

Scores = Callable[..., pd.DataFrame]


def _said(figure: Figure) -> str:
    notes = [legend.get_title().get_text() for legend in figure.legends]
    return " ".join([figure.get_suptitle(), figure.get_supxlabel(), *notes]).replace("\n", " ")


def test_table2_shows_published_beside_measured_relative_to_the_lstm(make_scores: Scores) -> None:
    figure = table2_figure(table2([make_scores()]))
    mse, mae, r2 = figure.axes
    published, measured = (line.get_xdata() for line in mse.lines)
    assert list(published) == pytest.approx([12.5 / 11.2, 14.3 / 11.2, 15.8 / 11.2, 11.8 / 11.2, 1])
    assert list(measured) == pytest.approx([6 / 8, 5 / 8, 9 / 8, 7 / 8, 1])
    assert list(r2.lines[0].get_xdata()) == [0.925, 0.895, 0.853, 0.929, 0.931]
    assert mae.get_title() == "MAE: lower is better"
    assert "unpublished trace" in _said(figure)
    assert "synthetic" not in _said(figure).lower()


def test_a_synthetic_trace_is_named_so_on_the_figures(make_scores: Scores) -> None:
    table = table2([make_scores("paper_a", False)])
    assert title(table) == "paper_a (synthetic)"
    for figure in (table2_figure(table), cost(table)):
        assert "paper_a (synthetic)" in _said(figure)
        assert "Synthetic data, not measured: made up." in _said(figure)
    assert "Panels named (synthetic)" in _said(relative_mse(table, 1))


def test_table2_needs_the_papers_lstm(make_scores: Scores) -> None:
    scores = make_scores()
    with pytest.raises(InputError, match="add it to forecast.models"):
        table2_figure(table2([scores[scores["model"] != "lstm_paper"]]))


def test_relative_mse_has_a_panel_per_trace_and_intervals(make_scores: Scores) -> None:
    names = ["elb", "nasa", "goog", "paper_a"]
    figure = relative_mse(table2([make_scores(name, name != "paper_a") for name in names]), 5)
    assert [axes.get_title() for axes in figure.axes[:4]] == ["elb", "nasa", "goog", "paper_a (synthetic)"]
    assert [axes.get_visible() for axes in figure.axes] == [True] * 4 + [False] * 2
    low, high = figure.axes[0].lines[1].get_xdata()
    assert (low, high) == pytest.approx((0.8 * 0.6, 1.3 * 0.6))
    assert "5 steps ahead" in _said(figure)


@pytest.mark.parametrize("worst", [30.0, 1e6])
def test_a_wide_range_of_errors_gets_a_log_scale(make_scores: Scores, worst: float) -> None:
    axes = relative_mse(table2([make_scores(logistic=worst)]), 1).axes[0]
    assert axes.get_xscale() == "log"
    assert 1 < len(axes.get_xticks()) < 9
    assert relative_mse(table2([make_scores()]), 1).axes[0].get_xscale() == "linear"


def test_an_unknown_horizon_is_refused(make_scores: Scores) -> None:
    with pytest.raises(InputError, match="no scores at horizon 3; choose one of 1, 5"):
        relative_mse(table2([make_scores()]), 3)


def test_cost_is_sorted_on_a_log_scale_or_says_that_it_is_missing(make_scores: Scores) -> None:
    names = ["ridge", "lstm_paper", "last_value"]
    seconds = pd.DataFrame(
        {"trace": "elb", "model": names, "fit_seconds": [0.1, 9, 0], "predict_seconds": [0.01, 1, 0]}
    )
    axes = cost(table2([make_scores()], seconds)).axes[0]
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["LSTM (paper)", "ridge regression", "last value"]
    assert min(float(line.get_xdata()[0]) for line in axes.lines) == 1e-4
    empty = cost(table2([make_scores()]))
    assert "make timings" in empty.axes[0].texts[0].get_text()
