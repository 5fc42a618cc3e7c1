from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from edgeresearch.papers import costs_b as module
from edgeresearch.profiling import training_cost
from edgeresearch.profiling.training_cost import Calibration
from edgeresearch.scheduling.runtime_model import Curve

FILE = Path(__file__).parents[2] / "data" / "calibration.json"


@pytest.fixture(scope="module")
def measured() -> Calibration:
    return training_cost.read(FILE)


@pytest.fixture(scope="module")
def figure(measured: Calibration) -> Figure:
    return module.figure(measured)


def test_every_training_is_a_point(measured: Calibration, figure: Figure) -> None:
    for model, axes in zip(measured.models.values(), figure.axes, strict=True):
        points = next(line for line in axes.lines if line.get_marker() == "o")
        assert list(points.get_xdata()) == [run.limit for run in model.runs]
        assert list(points.get_ydata()) == [run.seconds for run in model.runs]


def test_the_curve_is_eq_1_and_dashed_where_nothing_was_measured(measured: Calibration, figure: Figure) -> None:
    for model, axes in zip(measured.models.values(), figure.axes, strict=True):
        curve = Curve(**model.curve.model_dump())
        solid = [line for line in axes.lines if line.get_linestyle() == "-" and line.get_marker() == "None"]
        dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert (len(solid), len(dashed)) == (1, 2)
        for line in (*solid, *dashed):
            limits, seconds = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
            np.testing.assert_allclose(seconds, [curve.seconds(float(limit)) for limit in limits])
        inside = np.asarray(solid[0].get_xdata(), dtype=float)
        assert (inside.min(), inside.max()) == pytest.approx((model.sampled.low, model.sampled.high))
        outside = np.concatenate([np.asarray(line.get_xdata(), dtype=float) for line in dashed])
        assert outside.min() < model.sampled.low
        assert outside.max() > model.sampled.high


def test_the_extrapolation_is_shaded(measured: Calibration, figure: Figure) -> None:
    region = next(iter(measured.models.values())).sampled
    spans = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in figure.axes[0].patches]
    assert spans[0][1] == pytest.approx(region.low)
    assert spans[1][0] == pytest.approx(region.high)
    assert figure.axes[0].get_xlim() == pytest.approx((region.low / module.WIDER, region.high * module.WIDER))


def test_axes_have_units_and_titles_say_what_it_was_trained_on(measured: Calibration, figure: Figure) -> None:
    assert figure.axes[0].get_ylabel() == "time of a training (s)"
    assert {axes.get_xlabel() for axes in figure.axes} == {"CPU limit (millicores)"}
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    named = {"autoencoder": "autoencoder on pollution_158324: generated, not measured"}
    named["lstm"] = "LSTM on traffic_158324"
    assert titles == [named[name] for name in measured.models]
    (box,) = figure.legends
    assert "AMD EPYC" in box.get_title().get_text()
    assert "load" in box.get_title().get_text()


def test_stand_ins_are_named(measured: Calibration) -> None:
    models = {name: model.model_copy(update={"real": False}) for name, model in measured.models.items()}
    figure = module.figure(measured.model_copy(update={"models": models}))
    assert all("(synthetic)" in axes.get_title(loc="left") for axes in figure.axes)


def test_the_held_out_error_is_said(measured: Calibration, figure: Figure) -> None:
    for model, axes in zip(measured.models.values(), figure.axes, strict=True):
        (text,) = axes.texts
        assert f"{model.held_out_limits.median_percent:.0f} % off" in text.get_text()
