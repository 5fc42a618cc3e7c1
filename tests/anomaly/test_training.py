"""Identity functions of IFTM: networks that reconstruct a sample, and their training."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from torch import Tensor, nn

from edgeresearch.anomaly.identity import (
    AutoencoderIdentity,
    FittedAutoencoder,
    FittedLSTM,
    Identity,
    LSTMIdentity,
    Scale,
)
from edgeresearch.anomaly.training import AutoencoderNetwork, LSTMNetwork, squared_error, train
from edgeresearch.data import datasets
from edgeresearch.errors import InputError, RunError
from edgeresearch.nn import Batches, Chunks, Network

Make = Callable[..., Any]
SMALL: dict[str, AutoencoderIdentity | LSTMIdentity] = {
    "autoencoder": AutoencoderIdentity(hidden=2, epochs=2),
    "lstm": LSTMIdentity(hidden=4, epochs=2, sequence_length=20),
}
by_kind = pytest.mark.parametrize("kind", list(SMALL))


def test_the_autoencoder_learns_a_plane() -> None:
    plane = np.array([[1.0, 2.0, 0.0, -1.0], [0.0, 1.0, 3.0, 1.0]])  # four channels that two numbers determine
    rows = np.random.default_rng(0).normal(size=(400, 2)) @ plane
    model = AutoencoderIdentity(hidden=2, epochs=60).fit(rows[:300], seed=1, accelerator="cpu")
    assert isinstance(model, FittedAutoencoder)
    usual = model.start().run(rows[300:]).mean()
    assert usual < 0.2
    assert model.start().run(rows[300:] * np.array([1, -1, 1, 1])).mean() > 3 * usual


def test_the_lstm_learns_a_wave() -> None:
    rows = np.column_stack([np.sin(np.arange(400) / 5), 3 * np.cos(np.arange(400) / 5)]) + 10
    model = LSTMIdentity(epochs=30).fit(rows[:300], seed=1, accelerator="cpu")
    assert isinstance(model, FittedLSTM)
    scorer = model.start()
    scorer.run(rows[:300])
    usual = scorer.copy().run(rows[300:]).mean()
    changes = np.sqrt(np.mean(np.diff(rows, axis=0) ** 2 / rows.var(axis=0)))
    assert usual < 0.5 * changes  # a last value would err by as much
    assert scorer.run(np.repeat(rows[300:301], 50, axis=0)).mean() > 3 * usual  # stuck


@pytest.mark.parametrize("sensor", [158324, 190232])
def test_the_lstm_beats_last_value_and_mean_on_real_traffic(sensor: int, real: Path) -> None:
    rows = datasets.load_traffic(real, sensor).frame.to_numpy()[:2000]
    model = LSTMIdentity().fit(rows[:1000], seed=1, accelerator="cpu")
    errors = model.start().run(rows)[1000:]
    scaled, seen = model.scale.apply(rows[np.isfinite(rows).any(axis=1)], np.zeros(3))
    scaled, seen = scaled[-900:], seen[-900:]
    mean = np.sqrt(np.mean(scaled[seen] ** 2))
    last = np.sqrt(np.mean(np.diff(scaled, axis=0)[seen[1:]] ** 2))
    assert np.sqrt(np.nanmean(errors**2)) < min(mean, last)


@by_kind
def test_the_same_samples_and_seed_give_the_same_model(kind: str, gappy: Make) -> None:
    identity: Identity = SMALL[kind]
    rows, state = gappy(), torch.random.get_rng_state()
    first, second, other = (identity.fit(rows, seed=seed, accelerator="cpu").arrays() for seed in (1, 1, 2))
    for name, array in first.items():
        assert_array_equal(array, second[name])
    assert any((array != other[name]).any() for name, array in first.items())
    assert torch.equal(state, torch.random.get_rng_state()), "global generators are left alone"
    expected = Scale.fit(rows)
    assert_array_equal(first["centre"], expected.centre)
    assert_array_equal(first["spread"], expected.spread)


@by_kind
def test_training_goes_on_from_a_model_which_stays_as_it_was(kind: str, gappy: Make) -> None:
    rows, identity = gappy(), SMALL[kind]
    first: Any = identity.fit(rows, seed=1, accelerator="cpu")
    kept = {name: array.copy() for name, array in first.arrays().items()}
    on = identity.fit(rows, seed=2, start=first, accelerator="cpu")
    fresh = identity.fit(rows, seed=2, accelerator="cpu")
    errors = [float(np.nanmean(model.start().run(rows) ** 2)) for model in (first, on, fresh)]
    assert errors[1] < min(errors[0], errors[2])
    for name, array in first.arrays().items():
        assert_array_equal(array, kept[name])


@by_kind
def test_a_model_of_another_width_or_kind_is_no_start(kind: str, make: Make, gappy: Make) -> None:
    with pytest.raises(InputError, match="cannot go on from a model of 5 channels and width 4; train a new one"):
        SMALL[kind].fit(gappy(30), seed=1, start=make(kind, 5, 4))
    other = make("lstm" if kind == "autoencoder" else "autoencoder")
    with pytest.raises(InputError, match="cannot go on from a Fitted(LSTM|Autoencoder); give a Fitted"):
        SMALL[kind].fit(gappy(30), seed=1, start=other)


@pytest.mark.parametrize(("channels", "hidden"), [(1, 1), (3, 2), (5, 3), (8, 4)])
def test_the_bottleneck_is_half_of_the_channels(channels: int, hidden: int, gappy: Make) -> None:
    model = AutoencoderIdentity(epochs=1).fit(gappy(20, channels), seed=1, accelerator="cpu")
    assert (model.channels, model.hidden) == (channels, hidden)


@by_kind
def test_few_or_constant_samples(kind: str) -> None:
    least = 2 if kind == "lstm" else 1
    with pytest.raises(InputError, match=f"{least - 1} samples have a value, training needs {least}; wait for more"):
        SMALL[kind].fit([[1.0]] * (least - 1) + [[np.nan]], seed=1)
    assert SMALL[kind].fit([[1.0]] * least, seed=1, accelerator="cpu").channels == 1
    rows = np.full((60, 2), 7.0)
    assert np.isfinite(SMALL[kind].fit(rows, seed=1, accelerator="cpu").start().run(rows)).all()


@by_kind
def test_divergence_is_an_error(kind: str, gappy: Make) -> None:
    with pytest.raises(RunError, match="diverged; lower its learning rate"):
        SMALL[kind].replace(learning_rate=1e30).fit(gappy(60), seed=1, accelerator="cpu")


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
    torch.testing.assert_close(network(samples), inner @ network.decoder.weight.T + network.decoder.bias)


def test_the_lstm_reconstructs_from_the_samples_before() -> None:
    network = _lstm()
    stretch = torch.randn(3, 6, 2, generator=_generator(1))
    whole = network(stretch)
    assert torch.equal(whole[:, 0], network.head.bias.expand(3, 2)), "from an empty state"
    for step in range(6):
        changed = stretch.clone()
        changed[:, step:] = 9.0
        torch.testing.assert_close(network(changed)[:, : step + 1], whole[:, : step + 1])
        if step < 5:
            assert not torch.equal(network(changed)[:, -1], whole[:, -1])
    outlier = torch.zeros(1, 3, 2)
    outlier[:, 0] = 1e9
    assert network(outlier)[:, 1:].abs().max() < 5, "an outlier spoils what follows within bounds"


@given(st.lists(st.tuples(st.floats(-100, 100), st.booleans()), min_size=1, max_size=10))
def test_the_error_is_the_mean_square_of_what_was_seen(cells: list[tuple[float, bool]]) -> None:
    squares = [value**2 for value, seen in cells if seen]
    residual = torch.tensor([value for value, _ in cells], dtype=torch.float64)
    error = squared_error(residual, torch.zeros_like(residual), torch.tensor([float(seen) for _, seen in cells]))
    assert float(error) == pytest.approx(sum(squares) / max(len(squares), 1))


def test_the_warm_up_does_not_count() -> None:
    stretch = torch.randn(2, 8, 2, generator=_generator(3))
    seen, network = torch.ones_like(stretch), _lstm(warm_up=3)
    loss = network.training_step((stretch, seen), 0)
    assert torch.equal(loss, squared_error(network(stretch)[:, 3:], stretch[:, 3:], seen[:, 3:]))
    assert not torch.equal(loss, _lstm(warm_up=0).training_step((stretch, seen), 0))
    short = _lstm(warm_up=5).training_step((stretch[:, :3], seen[:, :3]), 0)
    short.backward()  # type: ignore[no-untyped-call]
    assert short > 0, "a sequence shorter than the warm-up still trains"


class _Line(Network):
    """y = w x, from w = 0."""

    def __init__(self, rate: float = 0.1, broken: bool = False) -> None:
        super().__init__()
        self.rate = rate
        self.broken = broken
        self.weight = nn.Parameter(torch.zeros(1))
        self.threads: set[int] = set()

    def training_step(self, batch: tuple[Tensor, ...], index: int) -> Tensor:
        if self.broken:
            raise KeyError("broken")
        x, y = batch
        self.threads.add(torch.get_num_threads())
        return ((self.weight * x - y) ** 2).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.rate)


X = torch.linspace(-1, 1, 20)[:, None]


def test_it_learns_on_one_thread_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for batches in (Batches((X, 2 * X), 5, _generator()), Chunks((X, 2 * X), [slice(0, 20)], 4, 2, _generator())):
            module = _Line()
            train(module, batches, 30, accelerator="cpu")
            assert module.weight.item() == pytest.approx(2, abs=0.1)
            assert not module.training
            assert module.threads == {1}
        with pytest.raises(KeyError, match="broken"):
            train(_Line(broken=True), batches, 1, accelerator="cpu")
        assert torch.get_num_threads() == 2, "after a failure, too"
    finally:
        torch.set_num_threads(threads)
    assert [path.name for path in tmp_path.rglob("*")] == ["temporary"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("rate", [float("inf"), float("nan")])
def test_a_weight_that_is_no_number_is_an_error(rate: float) -> None:
    with pytest.raises(RunError, match="training the _Line diverged; lower its learning rate"):
        train(_Line(rate), Batches((X, 2 * X), 5, _generator()), 1, accelerator="cpu")
