import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from edgeresearch.anomaly.identity import LSTM, Autoencoder, Identity
from edgeresearch.anomaly.model import Autoencoded, Recurrent
from edgeresearch.anomaly.samples import Array, Scale
from edgeresearch.errors import InputError, RunError
from edgeresearch.series import aarhus

Make = Callable[..., Any]
SMALL: dict[str, Autoencoder | LSTM] = {
    "autoencoder": Autoencoder(hidden=2, epochs=2),
    "lstm": LSTM(hidden=4, epochs=2, stretch=20),
}
by_kind = pytest.mark.parametrize("kind", list(SMALL))


def _plane(rows: int = 400, seed: int = 0) -> Array:
    """Four channels that two numbers tell."""
    rng = np.random.default_rng(seed)
    return np.asarray(
        rng.normal(size=(rows, 2)) @ np.array([[1.0, 2.0, 0.0, -1.0], [0.0, 1.0, 3.0, 1.0]]), dtype=np.float64
    )


def _wave(rows: int = 400) -> Array:
    return np.column_stack([np.sin(np.arange(rows) / 5), 3 * np.cos(np.arange(rows) / 5)]) + 10


def test_the_autoencoder_learns_a_plane() -> None:
    rows = _plane()
    model = Autoencoder(hidden=2).fit(rows[:300], seed=1, accelerator="cpu")
    assert isinstance(model, Autoencoded)
    usual = model.start().run(rows[300:]).mean()
    assert usual < 0.2
    off = rows[300:] * np.array([1, -1, 1, 1])
    assert model.start().run(off).mean() > 3 * usual


def test_the_lstm_learns_a_wave() -> None:
    rows = _wave()
    model = LSTM(epochs=30).fit(rows[:300], seed=1, accelerator="cpu")
    assert isinstance(model, Recurrent)
    state = model.start()
    state.run(rows[:300])
    usual = state.copy().run(rows[300:]).mean()
    changes = np.sqrt(np.mean(np.diff(rows, axis=0) ** 2 / rows.var(axis=0)))
    assert usual < 0.5 * changes  # a last value would err by as much
    assert state.run(np.repeat(rows[300:301], 50, axis=0)).mean() > 3 * usual  # stuck


@by_kind
def test_the_same_samples_and_seed_give_the_same_model(kind: str, gappy: Make) -> None:
    spec, rows = SMALL[kind], gappy()
    torch.rand(3)
    np.random.default_rng().random()
    first, second, other = (spec.fit(rows, seed=seed, accelerator="cpu") for seed in (1, 1, 2))
    for name, array in first.arrays().items():
        assert_array_equal(array, second.arrays()[name])
    name = next(iter(first.weights))
    assert (first.weights[name] != other.weights[name]).any()


@by_kind
def test_it_leaves_the_global_generators_alone(kind: str, gappy: Make) -> None:
    before, numpy_before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    SMALL[kind].fit(gappy(50), seed=3, accelerator="cpu")
    assert torch.equal(before, torch.random.get_rng_state())
    assert_array_equal(numpy_before, np.random.get_state()[1])  # type: ignore[index]


@by_kind
def test_scale_comes_from_the_training_samples_alone(kind: str, gappy: Make) -> None:
    rows = gappy()
    model = SMALL[kind].fit(rows[:200], seed=1, accelerator="cpu")
    expected = Scale.fit(rows[:200])
    assert_array_equal(model.scale.centre, expected.centre)
    assert_array_equal(model.scale.spread, expected.spread)


@by_kind
def test_training_goes_on_from_a_model(kind: str, gappy: Make) -> None:
    rows = gappy()
    spec = SMALL[kind]
    first = spec.fit(rows, seed=1, accelerator="cpu")
    on = spec.fit(rows, seed=2, start=first, accelerator="cpu")  # type: ignore[arg-type]
    fresh = spec.fit(rows, seed=2, accelerator="cpu")
    errors = [float(np.nanmean(model.start().run(rows) ** 2)) for model in (first, on, fresh)]
    assert errors[1] < min(errors[0], errors[2])


@by_kind
def test_the_model_gone_on_from_stays_as_it_was(kind: str, make: Make, gappy: Make) -> None:
    hidden = SMALL[kind].hidden
    start, untouched = make(kind, 3, hidden), make(kind, 3, hidden)
    SMALL[kind].fit(gappy(60), seed=1, start=start, accelerator="cpu")
    for name, array in start.arrays().items():
        assert_array_equal(array, untouched.arrays()[name])


@by_kind
def test_a_model_of_another_width_or_kind_is_no_start(kind: str, make: Make, gappy: Make) -> None:
    with pytest.raises(InputError, match="cannot go on from a model of 5 channels and width 4; train a new one"):
        SMALL[kind].fit(gappy(30), seed=1, start=make(kind, 5, 4))
    other = make("lstm" if kind == "autoencoder" else "autoencoder")
    with pytest.raises(InputError, match="cannot go on from a (Recurrent|Autoencoded); give a"):
        SMALL[kind].fit(gappy(30), seed=1, start=other)


@pytest.mark.parametrize(("channels", "hidden"), [(1, 1), (3, 2), (5, 3), (8, 4)])
def test_the_bottleneck_is_half_of_the_channels(channels: int, hidden: int, gappy: Make) -> None:
    model = Autoencoder(epochs=1).fit(gappy(20, channels), seed=1, accelerator="cpu")
    assert (model.channels, model.hidden) == (channels, hidden)


@by_kind
def test_without_samples_nothing_is_trained(kind: str) -> None:
    with pytest.raises(InputError, match="0 samples have a value, training needs [12]; wait for more samples"):
        SMALL[kind].fit(np.full((5, 3), np.nan), seed=1)


def test_an_lstm_needs_two_samples() -> None:
    with pytest.raises(InputError, match="1 samples have a value, training needs 2"):
        SMALL["lstm"].fit([[1.0], [np.nan]], seed=1)
    assert SMALL["lstm"].fit([[1.0], [2.0]], seed=1, accelerator="cpu").channels == 1


@by_kind
def test_a_constant_sensor_trains(kind: str) -> None:
    rows = np.full((60, 2), 7.0)
    model = SMALL[kind].fit(rows, seed=1, accelerator="cpu")
    assert np.isfinite(model.start().run(rows)).all()


@by_kind
def test_divergence_is_told(kind: str, monkeypatch: pytest.MonkeyPatch, gappy: Make) -> None:
    spec = type(SMALL[kind])(learning_rate=float("inf"), epochs=2)
    with pytest.raises(RunError, match="diverged; lower its learning rate"):
        spec.fit(gappy(60), seed=1, accelerator="cpu")


@by_kind
def test_it_fits_the_protocol(kind: str) -> None:
    identity: Identity = SMALL[kind]
    assert identity.fit([[0.0], [1.0]], seed=0, accelerator="cpu").kind == kind


def test_models_at_work_need_no_torch() -> None:
    code = "import sys, edgeresearch.anomaly.repository; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("sensor", [158324, 190232])
def test_the_lstm_beats_last_value_and_mean_on_real_traffic(sensor: int, real: Path) -> None:
    rows = aarhus.traffic(real, sensor).frame.to_numpy()[:2000]
    model = LSTM().fit(rows[:1000], seed=1, accelerator="cpu")
    errors = model.start().run(rows)[1000:]
    scaled, seen = model.scale.apply(rows[np.isfinite(rows).any(axis=1)], np.zeros(3))
    scaled, seen = scaled[-900:], seen[-900:]
    mean = np.sqrt(np.mean(scaled[seen] ** 2))
    last = np.sqrt(np.mean(np.diff(scaled, axis=0)[seen[1:]] ** 2))
    assert np.sqrt(np.nanmean(errors**2)) < min(mean, last)
