"""Small torch networks and the training loop that forecasters and detectors share."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

MAX_GRADIENT_NORM = 1.0
"""Of all gradients together; larger ones are scaled down to it."""


class Network(nn.Module):
    """A network that `train` trains."""

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    def training_step(self, batch: Any, index: int) -> Tensor:
        """Return the loss of a batch."""
        raise NotImplementedError

    def configure_optimizers(self) -> Any:
        """Return an optimizer, or with it a scheduler that advances after each batch."""
        raise NotImplementedError


class WindowLSTM(Network):
    """Paper A's network (Figure 1): a window of past QPS → LSTM → last hidden state → next value, trained on the MSE.

    It forecasts `targets` numbers and is trained by Adam; `generator` draws the first weights.
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
        forecast: Tensor = self.head(self.lstm(windows)[0][:, -1])
        return forecast

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Return the mean squared error of a batch (Paper A, section 3, loss L)."""
        return nn.functional.mse_loss(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate, fused=True)


class SequenceLSTM(Network):
    """Many-to-many LSTMs, several at once: every step of a long sequence is forecast, so that one pass trains all.

    The members differ in their first weights alone. The heads start at zero: an untrained network corrects nothing.

    Args:
        features: Columns of a step.
        hidden: Width of a hidden state.
        targets: Numbers that are forecast at each step.
        members: How many LSTMs.
        loss: `mse`, or `huber`, linear beyond `delta` standard deviations, for forecasts near the median.
        delta: As above.
        learning_rate: AdamW's largest step.
        weight_decay: AdamW's decay.
        total_steps: Steps of the one cycle.
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
        self.loss, self.delta, self.warm_up = loss, delta, warm_up
        self.learning_rate, self.weight_decay, self.total_steps = learning_rate, weight_decay, total_steps
        with torch.random.fork_rng(devices=[]):
            self.lstms = nn.ModuleList(nn.LSTM(features, hidden, batch_first=True) for _ in range(members))
            self.heads = nn.ModuleList(nn.Linear(hidden, targets) for _ in range(members))
        draw_weights(self, hidden, generator)
        for weight in self.heads.parameters():
            nn.init.zeros_(weight)

    def forward(self, steps: Tensor) -> Tensor:
        """Map `(batch, steps, features)` to each member's forecasts, `(members, batch, steps, targets)`."""
        return torch.stack([head(lstm(steps)[0]) for lstm, head in zip(self.lstms, self.heads, strict=True)])

    def error(self, forecast: Tensor, targets: Tensor, known: Tensor) -> Tensor:
        """Return the mean loss over the targets that are known (`known` is 1) instead of missing (0)."""
        each = (forecast - targets) ** 2
        if self.loss == "huber":
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
        rate, steps = self.learning_rate, max(self.total_steps, 10)
        optimizer = torch.optim.AdamW(self.parameters(), lr=rate, weight_decay=self.weight_decay, fused=True)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.2)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}


def draw_weights(module: nn.Module, hidden: int, generator: torch.Generator) -> None:
    """Draw every weight uniformly from ±1/√hidden, torch's own rule for an LSTM, from an explicit generator."""
    bound = 1 / math.sqrt(hidden)
    for weight in module.parameters():
        nn.init.uniform_(weight, -bound, bound, generator=generator)


@dataclass
class Batches:
    """Rows of tensors, alike in their first dimension, in a fresh random order every epoch, from one generator.

    A batch has `size` rows; an epoch has all rows, or `limit` of them.
    """

    tensors: tuple[Tensor, ...]
    size: int
    generator: torch.Generator
    limit: int | None = None

    def __len__(self) -> int:
        """Return the batches of an epoch."""
        rows = len(self.tensors[0])
        return -(-min(rows, self.limit or rows) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """Yield the batches of an epoch."""
        order = torch.randperm(len(self.tensors[0]), generator=self.generator)[: self.limit]
        for rows in torch.split(order, self.size):
            yield tuple(tensor[rows] for tensor in self.tensors)


@dataclass
class Chunks:
    """Random stretches of a long series, as many as cover it once an epoch, from segments without outage.

    Each tensor is `(steps, columns)`, each segment a slice of the steps. A chunk has `length` steps, fewer where its
    segment is shorter; a batch has `size` chunks; `generator` draws their order and offsets.
    """

    tensors: tuple[Tensor, ...]
    segments: list[slice]
    length: int
    size: int
    generator: torch.Generator

    def __post_init__(self) -> None:
        """Group the chunks, as first step and its bounds, by their length."""
        self._groups: dict[int, list[tuple[int, int, int]]] = {}
        for segment in self.segments:
            steps = segment.stop - segment.start
            span = min(self.length, steps)
            last = segment.stop - span
            starts = [min(segment.start + k * span, last) for k in range(-(-steps // span))]
            self._groups.setdefault(span, []).extend((start, segment.start, last) for start in starts)

    def __len__(self) -> int:
        """Return the batches of an epoch."""
        return sum(-(-len(starts) // self.size) for starts in self._groups.values())

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """Yield the batches of an epoch."""
        for span, starts in self._groups.items():
            first, low, high = torch.tensor(starts).T
            shift = torch.randint(-(span // 2), span // 2 + 1, (len(first),), generator=self.generator)
            first = torch.clamp(first + shift, low, high)[torch.randperm(len(first), generator=self.generator)]
            for some in torch.split(first, self.size):
                steps = some[:, None] + torch.arange(span)
                yield tuple(tensor[steps] for tensor in self.tensors)


def train(
    module: Network,
    batches: Batches | Chunks,
    epochs: int,
    *,
    validate: Callable[[Any], float] | None = None,
    patience: int = 6,
    accelerator: str = "auto",
) -> int:
    """Train in place and leave the module on the CPU, in evaluation mode.

    Args:
        module: What is trained.
        batches: Its data.
        epochs: Passes over the data, at most.
        validate: Gives the validation loss of the module; with it, the weights of the best epoch stay. Epoch 0 is the
            untrained module.
        patience: Epochs without a better validation loss after which to stop.
        accelerator: Lightning's word for where to train; it is asked unless only the CPU can be meant.

    Returns:
        Epochs that the kept weights were trained for.
    """
    if epochs == 0:
        module.eval()
        return 0
    fabric = None
    if accelerator != "cpu" and (
        accelerator != "auto" or torch.cuda.is_available() or torch.backends.mps.is_available()
    ):
        from lightning_fabric import Fabric
        from lightning_fabric.plugins.environments.lightning import LightningEnvironment

        # One process, whatever the variables of a cluster around it say of others, such as those of SLURM or torchrun.
        fabric = Fabric(accelerator=accelerator, devices=1, plugins=[LightningEnvironment()])
        module.to(fabric.device)
    chosen: Any = module.configure_optimizers()
    scheduled = isinstance(chosen, dict)
    optimizer = chosen["optimizer"] if scheduled else chosen
    best, lowest, weights = epochs, float("inf"), None
    for epoch in range(epochs + 1):
        for number, batch in enumerate(batches if epoch else ()):
            loss: Any = module.training_step(fabric.to_device(batch) if fabric else batch, number)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), MAX_GRADIENT_NORM)
            optimizer.step()
            if scheduled:
                chosen["lr_scheduler"]["scheduler"].step()
        if validate:
            module.eval()
            with torch.inference_mode():
                found = validate(module)
            if found < lowest:
                best, lowest, weights = epoch, found, copy.deepcopy(module.state_dict())
            if epoch - best >= patience:
                break
        module.train()
    if weights:
        module.load_state_dict(weights)
    module.cpu().eval()
    return best
