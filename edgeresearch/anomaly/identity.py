"""Identity functions of IFTM: networks that reconstruct a sample, and their training."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

from edgeresearch import nn as forecasters
from edgeresearch.anomaly.base import Array, Scale, present, table
from edgeresearch.anomaly.inference import Autoencoded, Model, Recurrent, Weights
from edgeresearch.errors import InputError, RunError
from edgeresearch.nn import Batches, Chunks, draw_weights


class _Trained(lightning.LightningModule):
    """A module that Adam trains."""

    learning_rate: float

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)


class AutoencoderNetwork(_Trained):
    """Sample → tanh bottleneck → sample: Paper B's identity function for the air pollution streams.

    Args:
        channels: Values of a sample.
        hidden: Width of the bottleneck.
        learning_rate: Step of Adam.
        generator: Draws the first weights.
    """

    def __init__(self, channels: int, hidden: int, learning_rate: float, generator: torch.Generator) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        with torch.random.fork_rng(devices=[]):
            self.encoder = nn.Linear(channels, hidden)
            self.decoder = nn.Linear(hidden, channels)
        draw_weights(self.encoder, channels, generator)
        draw_weights(self.decoder, hidden, generator)

    def forward(self, samples: Tensor) -> Tensor:
        """Reconstruct samples: `(batch, channels)` → the same shape."""
        reconstruction: Tensor = self.decoder(torch.tanh(self.encoder(samples)))
        return reconstruction

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Return the mean squared error of a batch of samples and of which of their values were seen (1) or not (0)."""
        samples, seen = batch
        return squared_error(self(samples), samples, seen)


class LSTMNetwork(_Trained):
    """Past samples → LSTM → the sample that comes: Paper B's identity function for the traffic streams.

    A sample is reconstructed from the state that the samples before it left, so a stretch of a stream trains at every
    step. The head does not start from the sample before, as forecasts often do: an outlier would then spoil the
    reconstruction of what follows it in proportion to its size.

    Args:
        channels: Values of a sample.
        hidden: Width of the hidden state.
        learning_rate: Step of Adam.
        warm_up: Steps at the head of a stretch that count for the state, not for the loss.
        generator: Draws the first weights.
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
        draw_weights(self, hidden, generator)

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
    batches: forecasters.Batches | forecasters.Chunks,
    epochs: int,
    *,
    accelerator: str = "auto",
) -> None:
    """Train in place and leave the module on the CPU, in evaluation mode.

    On the CPU, the same module and batches give the same weights, whatever ran before.

    Args:
        module: What is trained.
        batches: Its data.
        epochs: Passes over the data.
        accelerator: Lightning's word for where to train.

    Raises:
        RunError: A weight is no finite number afterwards.
    """
    with _one_thread():
        forecasters.train(module, batches, epochs, accelerator=accelerator)
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


class Identity(Protocol):
    """An identity function that can be trained. Users may plug in their own."""

    def fit(self, samples: Any, *, seed: int, start: Any = None, accelerator: str = "auto") -> Model:
        """Train on samples in time order and return the fitted model.

        Args:
            samples: `(samples, channels)`; what is not finite is missing.
            seed: Of the first weights and the order of the samples.
            start: A fitted model whose weights are the first ones; fresh ones where None.
            accelerator: Lightning's word for where to train.
        """
        ...


@dataclass(frozen=True)
class Autoencoder:
    """Sample → tanh bottleneck → sample: for the air pollution streams.

    Attributes:
        hidden: Width of the bottleneck; half of the channels, rounded up, where None.
        epochs: Passes over the samples.
        batch: Samples in a batch.
        learning_rate: Step of Adam.
    """

    hidden: int | None = None
    epochs: int = 40
    batch: int = 32
    learning_rate: float = 1e-2

    def fit(
        self, samples: Any, *, seed: int, start: Autoencoded | None = None, accelerator: str = "auto"
    ) -> Autoencoded:
        """Train on samples in time order; scale and weights come from them alone.

        On the CPU the same samples and seed give the same model.

        Args:
            samples: `(samples, channels)`; what is not finite is missing.
            seed: Of the first weights and the order of the samples.
            start: A fitted model whose weights are the first ones; fresh ones where None.
            accelerator: Lightning's word for where to train.

        Raises:
            InputError: There is no sample with a value, or `start` is of another width or kind.
            RunError: The training diverged.
        """
        rows = _with_values(samples)
        scale = Scale.fit(rows)
        hidden = self.hidden or -(-rows.shape[1] // 2)
        generator = torch.Generator().manual_seed(seed)
        network = AutoencoderNetwork(rows.shape[1], hidden, self.learning_rate, generator)
        _begin(network, start, Autoencoded)
        batches = Batches(_tensors(rows, scale), self.batch, generator)
        train(network, batches, self.epochs, accelerator=accelerator)
        return Autoencoded(scale, _weights(network), hidden)


@dataclass(frozen=True)
class LSTM:
    """Past samples → LSTM → the sample that comes: for the traffic streams.

    Attributes:
        hidden: Width of the hidden state.
        epochs: Passes over the samples.
        stretch: Steps of a training sequence.
        batch: Sequences in a batch.
        warm_up: Steps at the head of a sequence that count for the state, not for the loss.
        learning_rate: Step of Adam.
    """

    hidden: int = 16
    epochs: int = 20
    stretch: int = 50
    batch: int = 4
    warm_up: int = 5
    learning_rate: float = 1e-2

    def fit(self, samples: Any, *, seed: int, start: Recurrent | None = None, accelerator: str = "auto") -> Recurrent:
        """Train on samples in time order; scale and weights come from them alone.

        On the CPU the same samples and seed give the same model.

        Args:
            samples: `(samples, channels)`; what is not finite is missing.
            seed: Of the first weights and of order and offset of the sequences.
            start: A fitted model whose weights are the first ones; fresh ones where None.
            accelerator: Lightning's word for where to train.

        Raises:
            InputError: There are fewer than two samples with a value, or `start` is of another width or kind.
            RunError: The training diverged.
        """
        rows = _with_values(samples, least=2)
        scale = Scale.fit(rows)
        generator = torch.Generator().manual_seed(seed)
        network = LSTMNetwork(rows.shape[1], self.hidden, self.learning_rate, self.warm_up, generator)
        _begin(network, start, Recurrent)
        batches = Chunks(_tensors(rows, scale), [slice(0, len(rows))], self.stretch, self.batch, generator)
        train(network, batches, self.epochs, accelerator=accelerator)
        return Recurrent(scale, _weights(network), self.hidden)


def _with_values(samples: Any, least: int = 1) -> Array:
    rows = table(samples)
    rows = rows[present(rows)]
    if len(rows) < least:
        raise InputError(f"{len(rows)} samples have a value, training needs {least}; wait for more samples")
    return rows


def _tensors(rows: Array, scale: Scale) -> tuple[torch.Tensor, torch.Tensor]:
    filled, seen = scale.apply(rows, np.zeros(rows.shape[1]))
    return torch.from_numpy(filled.astype(np.float32)), torch.from_numpy(seen.astype(np.float32))


def _begin(network: lightning.LightningModule, start: Any, kind: type[Autoencoded] | type[Recurrent]) -> None:
    """Take over the weights of a fitted model."""
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
