"""Identity functions before they are fitted: their settings, and their training on cached samples (Paper B, VI.A).

IFTM reconstructs each sample and compares the error with a threshold; Paper B takes an LSTM for the traffic streams and
an autoencoder for the air pollution streams, and retrains them on the cached samples (section V.3).
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pytorch_lightning as lightning
import torch

from edgeresearch.anomaly.model import Autoencoded, Model, Recurrent
from edgeresearch.anomaly.networks import AutoencoderNetwork, LSTMNetwork
from edgeresearch.anomaly.samples import Array, Scale, present, table
from edgeresearch.anomaly.state import Weights
from edgeresearch.anomaly.training import train
from edgeresearch.errors import InputError
from edgeresearch.forecast.train import Batches, Chunks


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
