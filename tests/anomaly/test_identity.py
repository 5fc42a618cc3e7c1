"""Identity functions of IFTM: networks that reconstruct a sample, and their training."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as lightning
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from torch import Tensor, nn

from edgeresearch.anomaly.base import Array, Scale
from edgeresearch.anomaly.identity import (
    LSTM,
    Autoencoder,
    AutoencoderNetwork,
    Identity,
    LSTMNetwork,
    squared_error,
    train,
)
from edgeresearch.anomaly.inference import Autoencoded, Recurrent
from edgeresearch.data import datasets
from edgeresearch.errors import InputError, RunError
from edgeresearch.nn import Batches, Chunks

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
    code = "import sys, edgeresearch.anomaly.model_store; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("sensor", [158324, 190232])
def test_the_lstm_beats_last_value_and_mean_on_real_traffic(sensor: int, real: Path) -> None:
    rows = datasets.load_traffic(real, sensor).frame.to_numpy()[:2000]
    model = LSTM().fit(rows[:1000], seed=1, accelerator="cpu")
    errors = model.start().run(rows)[1000:]
    scaled, seen = model.scale.apply(rows[np.isfinite(rows).any(axis=1)], np.zeros(3))
    scaled, seen = scaled[-900:], seen[-900:]
    mean = np.sqrt(np.mean(scaled[seen] ** 2))
    last = np.sqrt(np.mean(np.diff(scaled, axis=0)[seen[1:]] ** 2))
    assert np.sqrt(np.nanmean(errors**2)) < min(mean, last)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _autoencoder(seed: int = 0) -> AutoencoderNetwork:
    return AutoencoderNetwork(5, 3, 1e-2, _generator(seed))


def _lstm(seed: int = 0, warm_up: int = 0) -> LSTMNetwork:
    return LSTMNetwork(2, 4, 1e-2, warm_up, _generator(seed))


def test_the_autoencoder_goes_through_its_bottleneck() -> None:
    network = _autoencoder()
    samples = torch.randn(7, 5, generator=_generator(1))
    inner = torch.tanh(samples @ network.encoder.weight.T + network.encoder.bias)
    assert inner.shape == (7, 3)
    expected = inner @ network.decoder.weight.T + network.decoder.bias
    torch.testing.assert_close(network(samples), expected)


def test_the_lstm_reconstructs_from_the_samples_before() -> None:
    network = _lstm()
    stretch = torch.randn(1, 6, 2, generator=_generator(1))
    whole = network(stretch)
    assert whole.shape == stretch.shape
    for step in range(6):
        changed = stretch.clone()
        changed[:, step:] = 9.0
        torch.testing.assert_close(network(changed)[:, : step + 1], whole[:, : step + 1])
        if step < 5:
            assert not torch.equal(network(changed)[:, -1], whole[:, -1])


def test_the_lstm_starts_from_an_empty_state() -> None:
    network = _lstm()
    stretch = torch.randn(3, 6, 2, generator=_generator(1))
    assert torch.equal(network(stretch)[:, 0], network.head.bias.expand(3, 2))


def test_an_outlier_spoils_what_follows_within_bounds() -> None:
    network = _lstm()
    stretch = torch.zeros(1, 3, 2)
    stretch[:, 0] = 1e9
    assert network(stretch)[:, 1:].abs().max() < 5


@pytest.mark.parametrize("make", [_autoencoder, _lstm])
def test_weights_come_from_the_generator_alone(make: Callable[[int], nn.Module]) -> None:
    before = torch.random.get_rng_state()
    first, second, other = make(1), make(1), make(2)
    assert torch.equal(before, torch.random.get_rng_state())
    for one, two, three in zip(first.parameters(), second.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
        assert not torch.equal(one, three)


def test_weights_are_within_the_usual_bounds() -> None:
    network = _autoencoder()
    assert network.encoder.weight.abs().max() <= 5**-0.5
    assert network.decoder.weight.abs().max() <= 3**-0.5
    assert all(weight.abs().max() <= 0.5 for weight in _lstm().parameters())


def _squares(residual: list[float], seen: list[float]) -> Tensor:
    tensor = torch.tensor(residual, dtype=torch.float64)
    return squared_error(tensor, torch.zeros_like(tensor), torch.tensor(seen))


def test_missing_values_have_no_part_in_the_error() -> None:
    assert _squares([1.0, 2.0, 100.0], [1, 1, 0]) == 2.5
    assert _squares([1.0, 2.0], [0, 0]) == 0


@given(st.lists(st.tuples(st.floats(-100, 100), st.booleans()), min_size=1, max_size=10))
def test_the_error_is_the_mean_square_of_what_was_seen(cells: list[tuple[float, bool]]) -> None:
    squares = [value**2 for value, seen in cells if seen]
    found = float(_squares([value for value, _ in cells], [float(seen) for _, seen in cells]))
    assert found == pytest.approx(sum(squares) / max(len(squares), 1))


def test_the_warm_up_does_not_count() -> None:
    stretch = torch.randn(2, 8, 2, generator=_generator(3))
    seen = torch.ones_like(stretch)
    network = _lstm(warm_up=3)
    found = network.training_step((stretch, seen), 0)
    expected = squared_error(network(stretch)[:, 3:], stretch[:, 3:], seen[:, 3:])
    assert torch.equal(found, expected)
    assert not torch.equal(found, _lstm(warm_up=0).training_step((stretch, seen), 0))


def test_a_stretch_shorter_than_the_warm_up_still_trains() -> None:
    stretch = torch.randn(2, 3, 2, generator=_generator(3))
    loss = _lstm(warm_up=5).training_step((stretch, torch.ones_like(stretch)), 0)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss > 0


@pytest.mark.parametrize("make", [_autoencoder, _lstm])
def test_steps_of_the_optimizer_lower_the_loss(make: Callable[[], AutoencoderNetwork | LSTMNetwork]) -> None:
    network = make()
    shape = (16, 5) if isinstance(network, AutoencoderNetwork) else (4, 10, 2)
    batch = (torch.randn(*shape, generator=_generator(4)), torch.ones(*shape))
    optimizer = network.configure_optimizers()
    assert optimizer.param_groups[0]["lr"] == 1e-2
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = network.training_step(batch, 0)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


class _Line(lightning.LightningModule):
    """y = w x, from w = 0."""

    def __init__(self, rate: float = 0.1) -> None:
        super().__init__()
        self.rate = rate
        self.weight = nn.Parameter(torch.zeros(1))
        self.threads: set[int] = set()

    def training_step(self, batch: tuple[Tensor, ...], index: int) -> Tensor:
        x, y = batch
        self.threads.add(torch.get_num_threads())
        return ((self.weight * x - y) ** 2).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.rate)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _data(seed: int = 0) -> Batches:
    x = torch.linspace(-1, 1, 20)[:, None]
    return Batches((x, 2 * x), 5, _generator(seed))


def test_it_learns_on_one_thread_and_puts_everything_back() -> None:
    module = _Line()
    threads, random = torch.get_num_threads(), torch.random.get_rng_state()
    train(module, _data(), 30, accelerator="cpu")
    assert module.weight.item() == pytest.approx(2, abs=1e-3)
    assert not module.training
    assert module.threads == {1}
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), random)


def test_the_threads_come_back_after_a_failure_too() -> None:
    threads = torch.get_num_threads()

    class Broken(_Line):
        def training_step(self, batch: tuple[Tensor, ...], index: int) -> Tensor:
            raise KeyError("broken")

    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyError, match="broken"):
            train(Broken(), _data(), 1, accelerator="cpu")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_the_same_data_and_weights_give_the_same_result() -> None:
    modules = [_Line(), _Line(), _Line()]
    for module, seed in zip(modules, (1, 1, 2), strict=True):
        train(module, _data(seed), 1, accelerator="cpu")
    assert modules[0].weight.item() == modules[1].weight.item() != modules[2].weight.item()


def test_it_learns_from_stretches_too() -> None:
    x = torch.linspace(-1, 1, 20)[:, None]
    module = _Line()
    train(module, Chunks((x, 2 * x), [slice(0, 20)], 4, 2, _generator()), 20, accelerator="cpu")
    assert module.weight.item() == pytest.approx(2, abs=0.1)


def test_it_writes_and_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    train(_Line(), _data(), 1, accelerator="cpu")
    assert [path.name for path in tmp_path.rglob("*")] == ["temporary"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("make", [lambda: _Line(float("inf")), lambda: _Line(float("nan"))])
def test_divergence_is_told_training(make: Callable[[], _Line]) -> None:
    with pytest.raises(RunError, match="training the _Line diverged; lower its learning rate"):
        train(make(), _data(), 1, accelerator="cpu")
