"""Training of the identity functions in torch, imported when `LSTMIdentity.fit` or another one is called."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

from edgeresearch import nn as networks
from edgeresearch.anomaly.base import Array, Scale, Weights, as_samples, has_value
from edgeresearch.anomaly.inference import FittedAutoencoder, FittedLSTM
from edgeresearch.anomaly.settings import AutoencoderIdentity, LSTMIdentity
from edgeresearch.errors import InputError, RunError


def fit_autoencoder(
    identity: AutoencoderIdentity,
    samples: Any,
    *,
    seed: int,
    start: FittedAutoencoder | None = None,
    accelerator: str = "auto",
) -> FittedAutoencoder:
    """Train on samples in time order (see `Identity.fit`); scale and weights come from them alone.

    On the CPU the same samples and seed give the same model.

    Raises:
        InputError: There is no sample with a value, or `start` is of another width or kind.
        RunError: The training diverged.
    """
    rows = _with_value(samples, least=1)
    scale = Scale.fit(rows)
    hidden = identity.hidden or -(-rows.shape[1] // 2)
    generator = torch.Generator().manual_seed(seed)
    network = AutoencoderNetwork(rows.shape[1], hidden, identity.learning_rate, generator)
    _load_start(network, start, FittedAutoencoder)
    batches = networks.Batches(_tensors(rows, scale), identity.batch, generator)
    train(network, batches, identity.epochs, accelerator=accelerator)
    return FittedAutoencoder(scale, _weights(network), hidden)


def fit_lstm(
    identity: LSTMIdentity, samples: Any, *, seed: int, start: FittedLSTM | None = None, accelerator: str = "auto"
) -> FittedLSTM:
    """Train on samples in time order, as `fit_autoencoder` does; the seed is also of the offsets of the sequences.

    Raises:
        InputError: There are fewer than two samples with a value, or `start` is of another width or kind.
        RunError: The training diverged.
    """
    rows = _with_value(samples, least=2)
    scale = Scale.fit(rows)
    generator = torch.Generator().manual_seed(seed)
    network = LSTMNetwork(rows.shape[1], identity.hidden, identity.learning_rate, identity.warm_up, generator)
    _load_start(network, start, FittedLSTM)
    segments = [slice(0, len(rows))]
    batches = networks.Chunks(_tensors(rows, scale), segments, identity.sequence_length, identity.batch, generator)
    train(network, batches, identity.epochs, accelerator=accelerator)
    return FittedLSTM(scale, _weights(network), identity.hidden)


class _AdamModule(lightning.LightningModule):
    """A module that Adam trains."""

    learning_rate: float

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)


class AutoencoderNetwork(_AdamModule):
    """Sample → tanh bottleneck → sample; the generator draws the first weights."""

    def __init__(self, channels: int, hidden: int, learning_rate: float, generator: torch.Generator) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        with torch.random.fork_rng(devices=[]):
            self.encoder = nn.Linear(channels, hidden)
            self.decoder = nn.Linear(hidden, channels)
        networks.draw_weights(self.encoder, channels, generator)
        networks.draw_weights(self.decoder, hidden, generator)

    def forward(self, samples: Tensor) -> Tensor:
        """Reconstruct samples: `(batch, channels)` → the same shape."""
        reconstruction: Tensor = self.decoder(torch.tanh(self.encoder(samples)))
        return reconstruction

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Return the mean squared error of a batch of samples and of which of their values were seen (1) or not (0)."""
        samples, seen = batch
        return squared_error(self(samples), samples, seen)


class LSTMNetwork(_AdamModule):
    """Past samples → LSTM → the sample that comes.

    A sample is reconstructed from the state that the samples before it left, so a stretch of a stream trains at every
    step. The head does not start from the sample before, as forecasts often do: an outlier would then spoil the
    reconstruction of what follows it in proportion to its size.

    Steps within the warm-up at the head of a stretch count for the state, not for the loss. The generator draws the
    first weights.
    """

    def __init__(
        self, channels: int, hidden: int, learning_rate: float, warm_up: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.warm_up = warm_up
        with torch.random.fork_rng(devices=[]):
            self.lstm = nn.LSTM(channels, hidden, batch_first=True)
            self.head = nn.Linear(hidden, channels)
        networks.draw_weights(self, hidden, generator)

    def forward(self, stretches: Tensor) -> Tensor:
        """Reconstruct each step from those before it: `(batch, steps, channels)` → the same shape.

        The first step is reconstructed from an empty state.
        """
        states, _ = self.lstm(stretches)
        before = nn.functional.pad(states[:, :-1], (0, 0, 1, 0))
        reconstruction: Tensor = self.head(before)
        return reconstruction

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Return the mean squared error of a batch of stretches after the warm-up, over the values that were seen."""
        stretches, seen = batch
        skip = min(self.warm_up, stretches.shape[1] - 1)
        return squared_error(self(stretches)[:, skip:], stretches[:, skip:], seen[:, skip:])


def squared_error(reconstruction: Tensor, samples: Tensor, seen: Tensor) -> Tensor:
    """Return the mean squared error over the values that were seen (`seen` is 1) instead of missing (0)."""
    return (((reconstruction - samples) ** 2) * seen).sum() / seen.sum().clamp(min=1)


def train(
    module: lightning.LightningModule,
    batches: networks.Batches | networks.Chunks,
    epochs: int,
    *,
    accelerator: str = "auto",
) -> None:
    """Train as `edgeresearch.nn.train` does, but on one thread: the same weights on the CPU, whatever ran before.

    Raises:
        RunError: A weight is no finite number afterwards.
    """
    with _one_thread():
        networks.train(module, batches, epochs, accelerator=accelerator)
    if not all(bool(torch.isfinite(weight).all()) for weight in module.parameters()):
        raise RunError(f"training the {type(module).__name__} diverged; lower its learning rate")


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums over several threads round differently from run to run; small networks gain nothing from them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _with_value(samples: Any, least: int) -> Array:
    rows = as_samples(samples)
    rows = rows[has_value(rows)]
    if len(rows) < least:
        raise InputError(f"{len(rows)} samples have a value, training needs {least}; wait for more samples")
    return rows


def _tensors(rows: Array, scale: Scale) -> tuple[torch.Tensor, torch.Tensor]:
    filled, seen = scale.apply(rows, np.zeros(rows.shape[1]))
    return torch.from_numpy(filled.astype(np.float32)), torch.from_numpy(seen.astype(np.float32))


def _load_start(
    network: lightning.LightningModule, start: Any, kind: type[FittedAutoencoder] | type[FittedLSTM]
) -> None:
    """Take the weights of a fitted model as the first ones."""
    if start is None:
        return
    if not isinstance(start, kind):
        raise InputError(f"cannot go on from a {type(start).__name__}; give a {kind.__name__} or none")
    given = {name: torch.from_numpy(np.array(weights)) for name, weights in start.weights.items()}
    wanted = {name: weights.shape for name, weights in network.state_dict().items()}
    if {name: weights.shape for name, weights in given.items()} != wanted:
        raise InputError(
            f"cannot go on from a model of {start.channels} channels and width {start.hidden}; train a new one"
        )
    network.load_state_dict(given)


def _weights(network: lightning.LightningModule) -> Weights:
    return {name: weights.detach().cpu().numpy().copy() for name, weights in network.state_dict().items()}
