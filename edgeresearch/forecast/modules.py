"""The two LSTMs as LightningModules: the paper's sliding window, and this project's many-to-many sequence."""

import math
from typing import Any, Literal, TypeAlias

import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

State: TypeAlias = tuple[Tensor, Tensor]


class WindowLSTM(lightning.LightningModule):
    """Paper A's network (Figure 1): a window of past QPS → LSTM → last hidden state → next value, trained on the MSE.

    Args:
        hidden: Width of the hidden state.
        targets: Numbers that are forecast.
        learning_rate: Step of Adam.
        generator: Draws the first weights.
    """

    def __init__(self, hidden: int, targets: int, learning_rate: float, generator: torch.Generator) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        with torch.random.fork_rng(devices=[]):
            self.lstm = nn.LSTM(1, hidden, batch_first=True)
            self.head = nn.Linear(hidden, targets)
        draw_weights(self, hidden, generator)

    def forward(self, windows: Tensor) -> Tensor:
        """Map `(batch, window, 1)` to `(batch, targets)`."""
        outputs, _ = self.lstm(windows)
        forecast: Tensor = self.head(outputs[:, -1])
        return forecast

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Return the mean squared error of a batch (Paper A, section 3, loss L)."""
        windows, targets = batch
        return nn.functional.mse_loss(self(windows), targets)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate, fused=True)


class SequenceLSTM(lightning.LightningModule):
    """Many-to-many LSTMs, several at once: every step of a long sequence is forecast, so that one pass trains all.

    The members differ in their first weights alone. The heads start at zero: an untrained network corrects nothing.

    Args:
        features: Columns of a step.
        hidden: Width of a hidden state.
        targets: Numbers that are forecast at each step.
        members: LSTMs whose mean is the forecast.
        loss: `mse`, or `huber` for forecasts near the median.
        delta: Where Huber's loss turns linear, in standard deviations of the residual.
        learning_rate: Largest step of AdamW over its one cycle.
        weight_decay: AdamW's decay.
        total_steps: Optimizer steps of the whole cycle.
        warm_up: Steps at the head of a sequence that count for the state, not for the loss.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        targets: int,
        *,
        members: int,
        loss: Literal["mse", "huber"],
        delta: float,
        learning_rate: float,
        weight_decay: float,
        total_steps: int,
        warm_up: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.loss = loss
        self.delta = delta
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.total_steps = total_steps
        self.warm_up = warm_up
        with torch.random.fork_rng(devices=[]):
            self.lstms = nn.ModuleList(nn.LSTM(features, hidden, batch_first=True) for _ in range(members))
            self.heads = nn.ModuleList(nn.Linear(hidden, targets) for _ in range(members))
        draw_weights(self, hidden, generator)
        for head in self.heads:
            nn.init.zeros_(head.weight)  # type: ignore[arg-type]
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]

    def forward(self, steps: Tensor) -> Tensor:
        """Map `(batch, steps, features)` to each member's forecasts, `(members, batch, steps, targets)`."""
        return torch.stack([head(lstm(steps)[0]) for lstm, head in zip(self.lstms, self.heads, strict=True)])

    def error(self, forecast: Tensor, targets: Tensor, known: Tensor) -> Tensor:
        """Return the mean loss over the targets that are known (`known` is 1) instead of missing (0)."""
        if self.loss == "mse":
            each = (forecast - targets) ** 2
        else:
            each = nn.functional.huber_loss(forecast, targets.expand_as(forecast), reduction="none", delta=self.delta)
        return (each * known).sum() / known.expand_as(each).sum().clamp(min=1)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], index: int) -> Tensor:
        """Return the sum of the members' losses over a batch of sequences, after the warm-up: each trains alone."""
        steps, targets, known = batch
        skip = min(self.warm_up, steps.shape[1] - 1)
        forecast = self(steps)[:, :, skip:]
        return self.error(forecast, targets[:, skip:], known[:, skip:]) * len(self.lstms)

    def configure_optimizers(self) -> Any:
        """Return AdamW under a one-cycle schedule, which needs some steps to rise and to fall."""
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay, fused=True
        )
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.learning_rate, max(self.total_steps, 10), pct_start=0.2
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}


def draw_weights(module: nn.Module, hidden: int, generator: torch.Generator) -> None:
    """Draw every weight uniformly from ±1/√hidden, torch's own rule for an LSTM, from an explicit generator."""
    bound = 1 / math.sqrt(hidden)
    for weight in module.parameters():
        nn.init.uniform_(weight, -bound, bound, generator=generator)
