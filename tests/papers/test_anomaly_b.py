import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from edgeresearch.anomaly.evaluation import KINDS as INJECTED
from edgeresearch.papers import anomaly_b as module
from edgeresearch.papers.detection import DETECTORS as MADE

Frames = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def _text(figure: Figure) -> str:
    found = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return " ".join(each.get_text() for each in found).replace("\n", " ")


def test_every_detector_and_every_kind_of_anomaly_has_a_name() -> None:
    assert tuple(module.DETECTORS) == MADE
    assert set(module.ANOMALIES) == set(INJECTED)
    looks = [(colour, marker, filled) for _, colour, marker, filled in module.DETECTORS.values()]
    assert len(set(looks)) == len(looks)


def test_every_measure_of_every_detector_is_drawn_with_its_interval(anomaly_b: Frames) -> None:
    table = anomaly_b[0]
    figure = module.detectors(table)
    assert len(figure.axes) == 2 * len(module.METRICS)
    first = figure.axes[0]
    means = [line for line in first.lines if line.get_marker() in {"o", "s", "D", "v", "P"}]
    pooled = table[(table["sensor"] == module.POOLED) & (table["kind"] == "traffic")].set_index("detector")
    names = module.known(table, "detector", module.DETECTORS)
    np.testing.assert_allclose([float(np.asarray(line.get_xdata())[0]) for line in means], pooled["event_f1"][names])
    dots = [line for line in first.lines if line.get_marker() == "."]
    assert [len(line.get_xdata()) for line in dots] == [3] * len(names)
    best = [float(np.asarray(line.get_xdata())[0]) for line in first.lines if line.get_marker() == "|"]
    assert best.count(pytest.approx(0.6)) == len(names)
    faces = {line.get_markerfacecolor() for line in means}
    assert "white" in faces, "the quantile's markers are hollow"


def test_figures_say_that_pollution_is_generated_and_which_f1_is_inflated(anomaly_b: Frames) -> None:
    table, kinds, pairs = anomaly_b
    for figure in (module.detectors(table), module.sensors(table), module.anomalies(kinds), module.differences(pairs)):
        text = _text(figure)
        assert "pollution (generated, not measured)" in text
        assert "traffic (measured)" in text
    assert "point-adjusted F1 (inflated)" in _text(module.detectors(table))
    assert "minutes" in _text(module.detectors(table))


def test_sensors_and_detectors_have_a_cell_each(anomaly_b: Frames) -> None:
    figure = module.sensors(anomaly_b[0])
    for each in figure.axes:
        assert [label.get_text() for label in each.get_yticklabels()] == ["101", "102", "103"]
        assert len(each.texts) == 3 * 6
    cell = anomaly_b[0].set_index(["kind", "sensor", "detector"]).loc[("traffic", "101", "iftm_lstm_ema"), "event_f1"]
    assert figure.axes[0].texts[0].get_text() == f"{cell:.2f}"


def test_shares_of_each_kind_are_written(anomaly_b: Frames) -> None:
    figure = module.anomalies(anomaly_b[1])
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == list(module.ANOMALIES)
    rows = np.array([each.get_text() for each in figure.axes[0].texts]).reshape(6, 5)
    assert rows[:, 0].tolist() == ["100", "0", "100", "100", "0", "100"]
    assert set(rows[:, 1:].ravel()) == {"0"}
    assert {label.get_text() for label in figure.axes[1].get_yticklabels()} <= {""}


def test_what_was_not_there_has_no_number(anomaly_b: Frames) -> None:
    kinds = anomaly_b[1]
    gone = kinds[~((kinds["anomaly"] == "drift") & (kinds["detector"] == "robust_z"))]
    texts = [each.get_text() for each in module.anomalies(gone).axes[0].texts]
    assert texts.count("") == 1


def test_differences_are_drawn_around_zero(anomaly_b: Frames) -> None:
    pairs = anomaly_b[2]
    figure = module.differences(pairs)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(labels) == 3 * 3
    assert labels[0] == "IFTM: LSTM, moving mean  –  robust z-score"
    row = pairs.set_index(["kind", "detector", "other", "metric"]).loc[
        ("traffic", "iftm_lstm_ema", "robust_z", "event_f1")
    ]
    spots = [float(np.asarray(line.get_xdata())[0]) for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert spots[0] == pytest.approx(row["difference"])
    assert "95 % over 3 sensors" in _text(figure)


def test_one_sensor_without_intervals_and_one_kind_can_be_drawn(anomaly_b: Frames) -> None:
    table, kinds, pairs = (each[each["kind"] == "traffic"].copy() for each in anomaly_b)
    table = table[table["sensor"].isin(["101", module.POOLED])]
    table.loc[:, [name for name in table if name.endswith(("_low", "_high"))]] = np.nan
    pairs[["low", "high"]] = np.nan
    assert len(module.detectors(table).axes) == len(module.METRICS)
    for figure in (module.sensors(table), module.anomalies(kinds), module.differences(pairs)):
        assert len(figure.axes) == 1


def test_distances_to_the_ends_of_an_interval() -> None:
    row = pd.Series({"auc_pr": 0.5, "auc_pr_low": 0.3, "auc_pr_high": 0.9})
    np.testing.assert_allclose(module.bars(row, "auc_pr"), [[0.2], [0.4]])
    np.testing.assert_array_equal(module.bars(row.replace(0.3, np.nan), "auc_pr")[0], [0.0])
