from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edgeresearch.papers.paper_b import detection_figures as draw
from edgeresearch.papers.paper_b.labels import ANOMALIES, DETECTORS, present
from edgeresearch.profiling import training_cost
from edgeresearch.profiling.training_cost import Calibration
from edgeresearch.scheduling.runtime_model import Curve

Frames = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
Text = Callable[..., str]
Points = Callable[..., list[list[float]]]


def test_every_measure_of_every_detector_is_drawn_with_its_interval(anomaly_b: Frames, points_of: Points) -> None:
    table = anomaly_b[0]
    figure = draw.plot_detectors(table)
    assert len(figure.axes) == 2 * len(draw.METRICS)
    first = figure.axes[0]
    names = present(DETECTORS, table["detector"])
    means = [line for line in first.lines if line.get_marker() in {"o", "s", "D", "v", "P"}]
    pooled = table[(table["sensor"] == draw.POOLED) & (table["kind"] == "traffic")].set_index("detector")
    assert [np.asarray(line.get_xdata())[0] for line in means] == pytest.approx(pooled["event_f1"][names].tolist())
    assert "white" in {line.get_markerfacecolor() for line in means}, "the quantile's markers are hollow"
    assert [len(dots) for dots in points_of(first, ".")] == [3] * len(names)
    assert points_of(first, "|").count([pytest.approx(0.6)]) == len(names)


def test_figures_say_that_pollution_is_generated_and_which_f1_is_inflated(anomaly_b: Frames, text_of: Text) -> None:
    table, kinds, pairs = anomaly_b
    texts = [text_of(draw.plot_detectors(table)), text_of(draw.plot_sensors(table))]
    texts += [text_of(draw.plot_anomaly_kinds(kinds)), text_of(draw.plot_differences(pairs))]
    assert all("pollution (generated, not measured)" in text and "traffic (measured)" in text for text in texts)
    assert "point-adjusted F1 (inflated)" in texts[0]


def test_sensors_and_kinds_of_anomalies_have_a_cell_for_each_detector(anomaly_b: Frames) -> None:
    table, kinds, _ = anomaly_b
    left = draw.plot_sensors(table).axes[0]
    assert [label.get_text() for label in left.get_yticklabels()] == ["101", "102", "103"]
    cell = table.set_index(["kind", "sensor", "detector"]).loc[("traffic", "101", "iftm_lstm_ema"), "event_f1"]
    assert (len(left.texts), left.texts[0].get_text()) == (3 * 6, f"{cell:.2f}")
    left = draw.plot_anomaly_kinds(kinds).axes[0]
    assert [label.get_text() for label in left.get_xticklabels()] == list(ANOMALIES)
    rows = np.array([each.get_text() for each in left.texts]).reshape(6, 5)
    assert rows[:, 0].tolist() == ["100", "0", "100", "100", "0", "100"]
    assert set(rows[:, 1:].ravel()) == {"0"}
    gone = kinds[~((kinds["anomaly"] == "drift") & (kinds["detector"] == "robust_z"))]
    assert [each.get_text() for each in draw.plot_anomaly_kinds(gone).axes[0].texts].count("") == 1


def test_differences_are_drawn_around_zero(anomaly_b: Frames, text_of: Text, points_of: Points) -> None:
    pairs = anomaly_b[2]
    figure = draw.plot_differences(pairs)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert (len(labels), labels[0]) == (3 * 3, "IFTM: LSTM, moving mean  –  robust z-score")
    rows = pairs.set_index(["kind", "detector", "other", "metric"])["difference"]
    first = rows["traffic", "iftm_lstm_ema", "robust_z", "event_f1"]
    assert points_of(figure.axes[0], "o")[0] == pytest.approx([first])
    assert "95 % over 3 sensors" in text_of(figure)


def test_one_sensor_without_intervals_and_one_kind_can_be_drawn(anomaly_b: Frames) -> None:
    table, kinds, pairs = (each[each["kind"] == "traffic"].copy() for each in anomaly_b)
    table = table[table["sensor"].isin(["101", draw.POOLED])]
    table.loc[:, [name for name in table if name.endswith(("_low", "_high"))]] = np.nan
    pairs[["low", "high"]] = np.nan
    assert len(draw.plot_detectors(table).axes) == len(draw.METRICS)
    for figure in (draw.plot_sensors(table), draw.plot_anomaly_kinds(kinds), draw.plot_differences(pairs)):
        assert len(figure.axes) == 1


@pytest.fixture(scope="module")
def measured() -> Calibration:
    return training_cost.read(Path(__file__).parents[3] / "data" / "calibration.json")


def test_trainings_stand_around_eq_1_which_is_dashed_where_nothing_was_measured(
    measured: Calibration, points_of: Points
) -> None:
    for model, axes in zip(measured.models.values(), draw.plot_training_costs(measured).axes, strict=True):
        assert points_of(axes, "o") == [[run.limit for run in model.runs]]
        assert points_of(axes, "o", of="y") == [[run.seconds for run in model.runs]]
        lines = [line for line in axes.lines if line.get_marker() == "None"]
        assert sorted(str(line.get_linestyle()) for line in lines) == ["-", "--", "--"]
        curve, region = Curve(**model.curve.model_dump()), model.sampled
        for line in lines:
            limits = np.asarray(line.get_xdata(), float)
            assert np.asarray(line.get_ydata()) == pytest.approx([curve.seconds(limit) for limit in limits])
            inside = limits.min() >= 0.999 * region.low and limits.max() <= 1.001 * region.high
            assert inside == (line.get_linestyle() == "-")
        spans = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]
        assert (spans[0][1], spans[1][0]) == pytest.approx((region.low, region.high))
        assert f"{model.held_out_limits.median_percent:.0f} % off" in axes.texts[0].get_text()


def test_costs_say_what_was_trained_on_and_where(measured: Calibration, text_of: Text) -> None:
    text = text_of(draw.plot_training_costs(measured))
    assert "autoencoder on pollution_158324: generated, not measured" in text and "LSTM on traffic_158324" in text
    assert measured.machine["processor"] in text and "synthetic" not in text
    models = {name: model.model_copy(update={"real": False}) for name, model in measured.models.items()}
    assert text_of(draw.plot_training_costs(measured.model_copy(update={"models": models}))).count("(synthetic)") == 2
