import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from edgeresearch.anomaly.evaluation import KINDS, Event
from edgeresearch.data import synthetic
from edgeresearch.data.trace import Trace
from edgeresearch.papers import streams_b as module
from edgeresearch.papers.detection import Seen

TRAIN, SHOWN = 100, 150


@pytest.fixture(scope="module")
def pair() -> list[Trace]:
    rng = np.random.default_rng(0)
    return [
        synthetic.draw_traffic(rng, steps=600, name="traffic_1"),
        synthetic.draw_pollution(rng, steps=600, name="pollution_1"),
    ]


def _seen(samples: int) -> dict[str, Seen]:
    scores = np.linspace(0.0, 1.0, samples)
    scores[3] = np.nan
    return {
        "iftm_lstm_ema": Seen(scores, scores > 0.9),
        "half_space_trees": Seen(scores, np.arange(samples) == 5),
    }


def _example(trace: Trace, shown: int = SHOWN) -> Figure:
    values = trace.frame.to_numpy()[: TRAIN + 300].copy()
    values[TRAIN + 10 : TRAIN + 20, 0] += 50
    events = [Event("shift", 10, 20, (0,)), Event("missing", 140, 160, (0, 1, 2)), Event("spike", 250, 251, (1,))]
    return module.example(trace, values, events, _seen(300), shown=shown)


def test_every_kind_of_anomaly_has_a_colour() -> None:
    assert set(module.ANOMALIES) == set(KINDS)
    assert len(set(module.ANOMALIES.values())) == len(KINDS)


def test_as_many_channels_of_each_sensor(pair: list[Trace]) -> None:
    figure = module.streams(pair, TRAIN, 300)
    assert len(figure.axes) == 3 * 2
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == [
        "traffic_1 (synthetic)",
        "pollution_1 (synthetic): generated, not measured (3 of 5 channels)",
    ]
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == [
        "vehicles\nper 5 min",
        "average\nspeed (km/h)",
        "travel\ntime (s)",
    ]
    for axes in figure.axes:
        assert len(axes.lines[0].get_xdata()) == TRAIN + 300


def test_the_first_training_is_shaded(pair: list[Trace]) -> None:
    (span,) = module.streams(pair[:1], TRAIN, 300).axes[0].patches
    step = pair[0].step / pd.Timedelta("1D")
    assert span.get_width() == pytest.approx((TRAIN - 1) * step)


def test_a_channel_without_a_better_name_keeps_its_own() -> None:
    assert module._named("carbon_monoxide") == "carbon\nmonoxide"
    assert module._named("ozone") == "ozone"


def test_the_example_shows_channels_scores_and_alarms(pair: list[Trace]) -> None:
    figure = _example(pair[0])
    assert len(figure.axes) == 3 + 2
    before, after = figure.axes[0].lines[:2]
    gap = np.asarray(after.get_ydata(), dtype=float) - np.asarray(before.get_ydata(), dtype=float)
    assert np.flatnonzero(np.nan_to_num(gap) > 1).tolist() == list(range(10, 20))
    trees = figure.axes[4]
    assert trees.get_ylabel() == "score\nhalf-space trees\n(river)"
    marked = trees.lines[1]
    assert marked.get_marker() == "o"
    assert list(marked.get_xdata()) == [pair[0].frame.index[TRAIN + 5]]


def test_anomalies_are_shaded_darker_where_they_are(pair: list[Trace]) -> None:
    figure = _example(pair[0])
    alphas = [[patch.get_alpha() for patch in axes.patches] for axes in figure.axes]
    assert alphas[0] == [0.35, 0.35], "the third event comes after what is shown"
    assert alphas[1] == [0.1, 0.35]
    assert alphas[3] == [0.35, 0.35], "a score is of the whole sample"


def test_more_than_there_is_cannot_be_shown(pair: list[Trace]) -> None:
    assert len(_example(pair[0], shown=5000).axes[0].lines[1].get_xdata()) == 300


def test_an_event_at_the_end_is_cut_off(pair: list[Trace]) -> None:
    axes = _example(pair[0]).axes[0]
    step = pair[0].step / pd.Timedelta("1D")
    assert axes.patches[1].get_width() == pytest.approx(10 * step)


def test_pollution_is_said_to_be_generated(pair: list[Trace]) -> None:
    assert "generated, not measured" in _example(pair[1]).get_suptitle()
    assert "generated" not in _example(pair[0]).get_suptitle()
