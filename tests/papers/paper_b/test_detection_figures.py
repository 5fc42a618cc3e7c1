from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from edgeresearch.anomaly.evaluation import Event
from edgeresearch.data import synthetic
from edgeresearch.data.trace import Trace
from edgeresearch.papers.detection import POOLED, DetectorOutput
from edgeresearch.papers.paper_b import detection_figures as draw
from edgeresearch.papers.paper_b.detection_figures import ANOMALIES, DETECTORS
from edgeresearch.papers.paper_b.scheduling_figures import POLICIES, present
from edgeresearch.plotting import style
from edgeresearch.profiling import training_cost
from edgeresearch.profiling.training_cost import Calibration
from edgeresearch.scheduling.runtime_model import Curve

Frames = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
Text = Callable[..., str]
Points = Callable[..., list[list[float]]]

# ---- streams

STEPS = 288 * 12
TRAIN = 100


@pytest.fixture(scope="module")
def pair() -> list[Trace]:
    rng = np.random.default_rng(0)
    traffic, pollution = synthetic.draw_traffic(rng, steps=STEPS), synthetic.draw_pollution(rng, steps=STEPS)
    return [replace(traffic, name="traffic_1"), replace(pollution, name="pollution_1")]


def walk(seed: int = 0, *, factor: float = 1.0, add: float | np.ndarray = 0.0) -> Trace:
    """A random walk of whole steps, times a factor and moved."""
    values = factor * (100 + np.cumsum(np.random.default_rng(seed).integers(-5, 6, STEPS))) + add
    index = pd.date_range("2014-08-01", periods=STEPS, freq="5min")
    like = synthetic.draw_pollution(np.random.default_rng(0), steps=10)
    frame = pd.DataFrame({"ozone": values.astype(float)}, index=index)
    return Trace("pollution_7", frame, pd.Timedelta("5min"), "index without unit", like.origin, {})


def test_a_walk_is_told_from_a_cycle(pair: list[Trace]) -> None:
    table = draw.measure_increments([walk(), pair[0]])
    first, traffic = table.iloc[0], table.set_index("series").loc["vehicle_count"]
    assert (first["kind"], first["sensor"], first["share"]) == ("pollution", "7", 1.0)
    assert first["uniform_p"] > 0.001 and traffic["uniform_p"] < 1e-9
    assert abs(first[["increment_lag_1", "increment_day"]].astype(float)).max() < 0.06
    assert traffic["daily_swing"] > 1 and traffic["growth"] < 0.3
    growth = [draw.measure_increments([walk(seed)])["growth"].iloc[0] for seed in range(20)]
    assert np.mean(growth) == pytest.approx(1.0, abs=0.25)


def test_only_whole_steps_up_to_five_are_usual_and_missing_values_are_left_out() -> None:
    halves, double = walk(add=0.5 * (np.arange(STEPS) % 2)), walk(factor=2)
    gap = walk(add=np.where((np.arange(STEPS) > 100) & (np.arange(STEPS) < 400), np.nan, 0.0))
    assert draw.measure_increments([halves, double, gap])["share"].tolist() == [0, pytest.approx(5 / 11, abs=0.05), 1]


def test_increments_their_memory_and_the_hours_are_drawn(pair: list[Trace]) -> None:
    axes = draw.plot_increments([pair[0], walk()]).axes
    assert axes[0].get_title(loc="left") == "traffic_1 (synthetic), vehicle_count"
    assert axes[3].get_title(loc="left") == "pollution_7 (synthetic), ozone: generated, not measured"
    assert [each.get_xlabel() for each in axes[3:]] == ["change over 5 min", "lag (days)", "hour of day (UTC)"]
    bars = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in axes[3].patches}
    assert set(bars) == set(range(-5, 6)) and sum(bars.values()) == pytest.approx(100)
    own, changes = (np.asarray(line.get_ydata(), float) for line in axes[4].lines[:2])
    assert own[0] > 0.95 and abs(changes).max() < 0.1


def test_as_many_channels_of_each_sensor_with_the_first_training_shaded(pair: list[Trace]) -> None:
    axes = draw.plot_streams(pair, TRAIN, 300).axes
    assert [each.get_title(loc="left") for each in axes[:2]] == [
        "traffic_1 (synthetic)",
        "pollution_1 (synthetic): generated, not measured (3 of 5 channels)",
    ]
    assert [each.get_ylabel() for each in axes] == [
        "vehicles\nper 5 min", "ozone", "average\nspeed (km/h)", "particulate\nmatter", "travel\ntime (s)",
        "carbon\nmonoxide",
    ]  # fmt: skip
    assert {len(each.lines[0].get_xdata()) for each in axes} == {TRAIN + 300}
    step = pair[0].step / pd.Timedelta("1D")
    assert axes[0].patches[0].get_width() == pytest.approx((TRAIN - 1) * step)


@pytest.fixture
def plot_example() -> Callable[..., Figure]:
    def plot(trace: Trace, shown: int = 150) -> Figure:
        values = trace.frame.to_numpy()[: TRAIN + 300].copy()
        values[TRAIN + 10 : TRAIN + 20, 0] += 50
        events = [Event("shift", 10, 20, (0,)), Event("missing", 140, 160, (0, 1, 2)), Event("spike", 250, 251, (1,))]
        scores = np.linspace(0.0, 1.0, 300)
        outputs = {
            "iftm_lstm_ema": DetectorOutput(scores, scores > 0.9),
            "half_space_trees": DetectorOutput(scores, np.arange(300) == 5),
        }
        return draw.plot_example(trace, values, events, outputs, shown=shown)

    return plot


def test_the_example_shows_channels_anomalies_scores_and_alarms(
    pair: list[Trace], plot_example: Callable[..., Figure]
) -> None:
    axes = plot_example(pair[0]).axes
    before, after = (np.asarray(line.get_ydata(), float) for line in axes[0].lines[:2])
    assert np.flatnonzero(np.nan_to_num(after - before) > 1).tolist() == list(range(10, 20))
    trees = axes[4]
    assert trees.get_ylabel() == "score\nhalf-space trees\n(river)"
    assert list(trees.lines[1].get_xdata()) == [pair[0].frame.index[TRAIN + 5]]
    alphas = [[patch.get_alpha() for patch in each.patches] for each in axes]
    assert alphas == [[0.35, 0.35], [0.1, 0.35], [0.1, 0.35], [0.35, 0.35], [0.35, 0.35]], "the third comes too late"
    step = pair[0].step / pd.Timedelta("1D")
    assert axes[0].patches[1].get_width() == pytest.approx(10 * step), "cut off where the drawing ends"


def test_no_more_is_shown_than_there_is_and_pollution_is_named(
    pair: list[Trace], plot_example: Callable[..., Figure]
) -> None:
    assert len(plot_example(pair[0], shown=5000).axes[0].lines[1].get_xdata()) == 300
    assert "generated, not measured" in plot_example(pair[1]).get_suptitle()
    assert "generated" not in plot_example(pair[0]).get_suptitle()


# ---- detectors


def test_every_measure_of_every_detector_is_drawn_with_its_interval(anomaly_b: Frames, points_of: Points) -> None:
    table = anomaly_b[0]
    figure = draw.plot_detectors(table)
    assert len(figure.axes) == 2 * len(draw.MEASURES)
    first = figure.axes[0]
    names = present(DETECTORS, table["detector"])
    means = [line for line in first.lines if line.get_marker() in {"o", "s", "D", "v", "P"}]
    pooled = table[(table["sensor"] == POOLED) & (table["kind"] == "traffic")].set_index("detector")
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
    assert len(draw.plot_anomaly_kinds(gone).axes[0].texts) == 6 * 5 - 1


def test_titles_name_what_is_highest_in_the_tables(anomaly_b: Frames) -> None:
    table, kinds, pairs = (each[each["kind"] == "traffic"] for each in anomaly_b)
    table = table.assign(event_f1=table["detector"].map({"robust_z": 0.8}).fillna(0.1))
    assert draw.plot_detectors(table).get_suptitle() == "Highest event F1 on traffic: robust z-score, 0.80"
    assert draw.plot_sensors(table).get_suptitle() == "Highest event F1 on traffic: robust z-score with 3 of 3 sensors"
    kinds = kinds.assign(detected=kinds["anomaly"].map({"stuck": 0.9, "drift": 0.0}).fillna(0.2))
    assert "on traffic: stuck (90 %), drift (0 %)" in draw.plot_anomaly_kinds(kinds).get_suptitle()
    better = pairs.assign(low=0.1, high=0.2)
    count = (pairs["metric"] == "event_f1").sum()
    assert f"better in {count}, worse in 0 of {count}" in draw.plot_differences(better).get_suptitle()


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
    table = table[table["sensor"].isin(["101", POOLED])]
    table.loc[:, [name for name in table if name.endswith(("_low", "_high"))]] = np.nan
    pairs[["low", "high"]] = np.nan
    assert len(draw.plot_detectors(table).axes) == len(draw.MEASURES)
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


# ---- staleness

AGES = {"los": 2000.0, "in_situ": 7000.0, "oracle": 1400.0, "never": 7000.0, "always": 500.0}
NAN = float("nan")


@pytest.fixture
def table() -> pd.DataFrame:
    rows = []
    for data in draw.DATA:
        for policy, age in AGES.items():
            for streams in (0,) if policy in draw.BOUNDS else (2, 10):
                drop = {"always": 0.0, "oracle": 3.0, "los": 4.0 * streams}.get(policy, 100.0)
                f1 = 0.3 - (age / 100_000 if data == "control" else 0)
                rows.append(
                    {
                        **{"data": data, "policy": policy, "streams": streams, "drop_percent": drop, "real": True},
                        **{"mean_age": age + 10 * streams, "mean_age_low": 0.9 * age, "mean_age_high": 1.1 * age},
                        **{"event_f1": f1, "low": f1 - 0.05, "high": f1 + 0.05, "sensors": 10, "seeds": 3},
                    }
                )
    own = pd.DataFrame(rows).assign(threshold="ema")
    return pd.concat([own, own.assign(threshold="quantile", event_f1=0.9)], ignore_index=True)


@pytest.fixture
def course() -> pd.DataFrame:
    rows = [
        {
            **{"data": data, "policy": policy, "streams": streams, "block": block, "real": True},
            **{"mean_age": 500.0 * block, "event_f1": 0.3, "false_alarms_per_day": 1.0 + streams},
        }
        for data in draw.DATA
        for policy, streams in (("never", 0), ("always", 0), ("los", 2), ("los", 10), ("cloud", 10))
        for block in (1, 2, 3)
    ]
    table = pd.DataFrame(rows)
    for metric in draw.COURSE:
        table[f"{metric}_low"], table[f"{metric}_high"] = 0.9 * table[metric], 1.1 * table[metric]
    return table


@pytest.fixture
def pairs() -> pd.DataFrame:
    rows = [
        (*panel, contrast, streams)
        for panel in draw.DIFFERENCES
        for contrast, counts in (("always - never", (0,)), ("los - in_situ", (2, 10)))
        for streams in counts
    ]
    table = pd.DataFrame(rows, columns=["data", "threshold", "metric", "contrast", "streams"])
    return table.assign(difference=0.01, low=-0.02, high=0.04, real=True)


def test_age_stands_against_drops_and_f1_against_age(table: pd.DataFrame, text_of: Text, points_of: Points) -> None:
    figure = draw.plot_quality(table)
    ages, *panels = figure.axes
    assert [each.get_title() for each in figure.axes] == [draw.DATA[name] for name in ("traffic", "traffic", "control")]
    marker = POLICIES["los"][2]
    assert (points_of(ages, marker), points_of(ages, marker, of="y")) == ([[8.0, 40.0]], [[2.02, 2.1]])
    assert len(ages.containers) == 3
    for panel, values in zip(panels, ([0.3], [0.295, 0.28, 0.23]), strict=True):
        assert len(panel.containers) == 5, "three policies, never and always; the other threshold is not drawn"
        shown = {round(float(y), 3) for each in panel.containers for y in np.asarray(each.lines[0].get_ydata())}  # type: ignore[attr-defined]
        assert set(values) <= shown and 0.9 not in shown
        assert panel.get_xscale() == "log" and panel.get_ylim()[0] == 0 and panel.get_ylim()[1] > 0.35
    text = text_of(figure)
    for words in ("10 sensors, 3 draws each", "it is no data", "in-situ only", "never retrained"):
        assert words in text
    assert "straight to the cloud" not in text, "it was not run"
    assert "; 1 sensor, 1 draw each." in text_of(draw.plot_quality(table.assign(sensors=1, seeds=1)))
    points = draw.plot_quality(table[table["streams"] != 10]).axes[0].containers
    assert all(each.lines[0].get_linestyle() == "None" for each in points), "no line from a single point"  # type: ignore[attr-defined]


def test_the_course_is_of_never_always_and_los_with_the_most_streams(course: pd.DataFrame, text_of: Text) -> None:
    figure = draw.plot_course(course)
    for panel in figure.axes:
        assert len(panel.lines) == len(panel.collections) == 3
        assert np.asarray(panel.lines[0].get_xdata()).tolist() == [0.5, 1.5, 2.5]
    assert sorted(float(np.asarray(line.get_ydata())[0]) for line in figure.axes[4].lines) == [1.0, 1.0, 11.0]
    assert np.asarray(figure.axes[0].lines[0].get_ydata()).tolist() == [0.5, 1.0, 1.5], "in thousands"
    assert "LOS, 10 streams" in text_of(figure)


def test_differences_stand_one_below_the_other(pairs: pd.DataFrame, text_of: Text, points_of: Points) -> None:
    figure = draw.plot_paired_differences(pairs)
    first = figure.axes[0]
    labels = [each.get_text() for each in first.get_yticklabels()]
    assert labels == ["every model at once\n− never retrained", "LOS\n− in-situ only"]
    heights = [height for (height,) in points_of(first, "o", of="y")]
    assert len(heights) == 3 and heights == sorted(heights, reverse=True)
    assert [each.get_xlabel().split("\n")[1] for each in figure.axes] == [
        draw.MEASURES[name][0] for *_, name in draw.DIFFERENCES
    ]
    assert "by chance alone" in text_of(figure)
    traffic = draw.plot_paired_differences(pairs[pairs["data"] == "traffic"])
    assert [len(points_of(each, "o")) for each in traffic.axes] == [3, 3, 0, 3, 3], "nothing of the control"


def test_intervals_of_few_sensors_do_not_stretch_the_axis_and_can_be_missing(
    table: pd.DataFrame, course: pd.DataFrame, pairs: pd.DataFrame
) -> None:
    assert draw.plot_quality(table.assign(low=-3.0, high=4.0)).axes[1].get_ylim() == (0, 1)
    assert draw.plot_course(course.assign(event_f1_high=9.0)).axes[2].get_ylim() == (0, 1)
    wide = draw.plot_paired_differences(pairs.assign(low=-3.0, high=3.0))
    assert wide.axes[0].get_xlim() == pytest.approx((-0.044, 0.044))
    assert draw.plot_quality(table.assign(low=NAN, high=NAN, mean_age_low=NAN, mean_age_high=NAN)).axes
    course[[name for name in course if name.endswith(("_low", "_high"))]] = NAN
    assert draw.plot_course(course).axes[2].get_ylim()[1] == pytest.approx(0.324)
    bare = draw.plot_paired_differences(pairs.assign(low=NAN, high=NAN)).axes[0]
    assert bare.get_xlim() == pytest.approx((-0.011, 0.011))


def test_stand_ins_are_named(table: pd.DataFrame, course: pd.DataFrame, pairs: pd.DataFrame, text_of: Text) -> None:
    plots = ((draw.plot_quality, table), (draw.plot_course, course), (draw.plot_paired_differences, pairs))
    for plot, rows in plots:
        real, synthetic = (text_of(plot(rows.assign(real=flag))) for flag in (True, False))
        assert "Real traffic streams" in real and "synthetic" not in real.lower()
        assert "(synthetic)" in synthetic and "Synthetic stand-ins of traffic streams" in synthetic


value = st.floats(-1, 1).filter(lambda number: abs(number) > 1e-6)


@given(st.lists(st.tuples(value, st.floats(0, 5)), min_size=1, max_size=8))
def test_limits_around_zero_show_every_difference(rows: list[tuple[float, float]]) -> None:
    part = pd.DataFrame([(middle, middle - half, middle + half) for middle, half in rows])
    part.columns = pd.Index(["difference", "low", "high"])
    low, high = draw._around_zero(part)
    largest = part["difference"].abs().max()
    assert low == -high and largest < high <= 4.5 * largest
    assert high == pytest.approx(1.1 * min(4 * largest, part[["low", "high"]].abs().max().max()))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 3)), min_size=1, max_size=8))
def test_limits_of_a_share_show_every_value_and_end_at_one(rows: list[tuple[float, float]]) -> None:
    part = pd.DataFrame([(middle, middle + half) for middle, half in rows])
    part.columns = pd.Index(["f1", "f1_high"])
    assert part["f1"].max() <= draw._top(part, "f1", ceiling=1.0) <= 1.08


def test_error_bars_end_at_what_a_value_can_be() -> None:
    part = pd.DataFrame({"x": [1.0, 99.0, 50.0], "low": [-3.0, 97.0, NAN], "high": [5.0, 105.0, NAN]})
    assert style.error_bars(part, "x", within=(0, 100)).tolist() == [[1.0, 2.0, 0.0], [4.0, 1.0, 0.0]]
    own = part.assign(x_low=0.0, x_high=100.0)
    assert style.error_bars(own, "x", scale=10.0)[0] == pytest.approx([0.1, 9.9, 5.0])
