"""The two identity functions of Paper B, section VI.A, as LightningModules: an autoencoder and an LSTM."""

import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

from edgeresearch.forecast.modules import draw_weights


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
