from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from edgeresearch.anomaly.evaluation import Event
from edgeresearch.data import synthetic
from edgeresearch.data.trace import Trace
from edgeresearch.papers.detection import DetectorOutput
from edgeresearch.papers.paper_b import stream_figures as draw

STEPS = 288 * 12
TRAIN = 100


@pytest.fixture(scope="module")
def pair() -> list[Trace]:
    rng = np.random.default_rng(0)
    traffic = synthetic.draw_traffic(rng, steps=STEPS, name="traffic_1")
    return [traffic, synthetic.draw_pollution(rng, steps=STEPS, name="pollution_1")]


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
