"""The networks of the identity functions and their training in torch, imported when an identity function is fitted."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edgeresearch import nn as networks
from edgeresearch.errors import RunError

Values = npt.NDArray[Any]
Weights = Mapping[str, Values]


def train_autoencoder(
    samples: Values, seen: Values, *, hidden: int, epochs: int, batch: int, learning_rate: float, seed: int, **how: Any
) -> Weights:
    """Train an autoencoder and return its weights: on the CPU the same ones for the same samples and seed.

    Samples are scaled and without gaps, and `seen` tells which of their values were measured; both are
    `(samples, channels)`. The settings are those of `AutoencoderIdentity`; `how` takes `start` and `accelerator` of
    `train`. The seed draws the first weights and the order of the samples.
    """
    generator = torch.Generator().manual_seed(seed)
    network = AutoencoderNetwork(samples.shape[1], hidden, learning_rate, generator)
    return train(network, networks.Batches(_tensors(samples, seen), batch, generator), epochs, **how)


def train_lstm(
    samples: Values,
    seen: Values,
    *,
    hidden: int,
    epochs: int,
    sequence_length: int,
    batch: int,
    warm_up: int,
    learning_rate: float,
    seed: int,
    **how: Any,
) -> Weights:
    """Train an LSTM as `train_autoencoder` does (see `LSTMIdentity`); the seed also draws offsets of the sequences."""
    generator = torch.Generator().manual_seed(seed)
    network = LSTMNetwork(samples.shape[1], hidden, learning_rate, warm_up, generator)
    tensors, whole = _tensors(samples, seen), [slice(0, len(samples))]
    return train(network, networks.Chunks(tensors, whole, sequence_length, batch, generator), epochs, **how)


class _AdamModule(networks.Network):
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
    """Past samples → LSTM → the sample that comes; the generator draws the first weights.

    A sample is reconstructed from the state that the samples before it left, so a stretch of a stream trains at every
    step; those within the warm-up at its head count for the state, not for the loss. The head does not start from the
    sample before, as forecasts often do: an outlier would then spoil the reconstruction of what follows it in
    proportion to its size.
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
        """Reconstruct each step from those before it, the first from an empty state: `(batch, steps, channels)`."""
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
    module: networks.Network,
    batches: networks.Batches | networks.Chunks,
    epochs: int,
    *,
    start: Weights | None = None,
    accelerator: str = "auto",
) -> Weights:
    """Train as `edgeresearch.nn.train` does, but on one thread, from its own weights or `start`; return the weights.

    Sums over several threads round differently from run to run; small networks gain nothing from them.

    Raises:
        RunError: A weight is no finite number afterwards.
    """
    if start is not None:
        module.load_state_dict({name: torch.from_numpy(np.array(weights)) for name, weights in start.items()})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        networks.train(module, batches, epochs, accelerator=accelerator)
    finally:
        torch.set_num_threads(threads)
    if not all(bool(torch.isfinite(weight).all()) for weight in module.parameters()):
        raise RunError(f"training the {type(module).__name__} diverged; lower its learning rate")
    return {name: weights.detach().cpu().numpy().copy() for name, weights in module.state_dict().items()}


def _tensors(*arrays: Values) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(array.astype(np.float32)) for array in arrays)
