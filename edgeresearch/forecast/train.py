"""Training a LightningModule: no log files, no checkpoints, no global seed, any accelerator.

The loop is spelled out, on Lightning's Fabric: with networks as small as these, the hooks of Lightning's Trainer take a
good part of the time.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytorch_lightning as lightning
import torch
from lightning_fabric import Fabric
from torch import Tensor

CLIP = 1.0
"""Largest norm of all gradients together; larger ones are scaled down to it."""


class Batches:
    """Rows of tensors in a fresh random order every epoch, drawn from one generator."""

    def __init__(
        self, tensors: tuple[Tensor, ...], size: int, generator: torch.Generator, *, limit: int | None = None
    ) -> None:
        """Hold the rows.

        Args:
            tensors: Alike in their first dimension.
            size: Rows in a batch.
            generator: Draws the order.
            limit: Rows drawn for an epoch; all where None.
        """
        self._tensors = tensors
        self._size = size
        self._generator = generator
        self._rows = min(len(tensors[0]), limit or len(tensors[0]))

    def __len__(self) -> int:
        """Return the batches of an epoch."""
        return -(-self._rows // self._size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """Yield the batches of an epoch."""
        order = torch.randperm(len(self._tensors[0]), generator=self._generator)[: self._rows]
        for rows in torch.split(order, self._size):
            yield tuple(tensor[rows] for tensor in self._tensors)


class Chunks:
    """Random stretches of a long series, as many as cover it once an epoch, from segments without outage."""

    def __init__(
        self, tensors: tuple[Tensor, ...], segments: list[slice], length: int, size: int, generator: torch.Generator
    ) -> None:
        """Hold the series.

        Args:
            tensors: `(steps, columns)`, alike in their first dimension.
            segments: Stretches without outage, in steps.
            length: Steps of a chunk; shorter segments make shorter ones.
            size: Chunks in a batch.
            generator: Draws order and offsets.
        """
        self._tensors = tensors
        self._size = size
        self._generator = generator
        self._groups: dict[int, list[tuple[int, int, int]]] = {}
        for segment in segments:
            steps = segment.stop - segment.start
            span = min(length, steps)
            count = -(-steps // span)
            last = segment.stop - span
            starts = [(min(segment.start + k * span, last), segment.start, last) for k in range(count)]
            self._groups.setdefault(span, []).extend(starts)

    def __len__(self) -> int:
        """Return the batches of an epoch."""
        return sum(-(-len(starts) // self._size) for starts in self._groups.values())

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """Yield the batches of an epoch."""
        for span, starts in self._groups.items():
            first, low, high = torch.tensor(starts).T
            shift = torch.randint(-(span // 2), span // 2 + 1, (len(first),), generator=self._generator)
            first = torch.clamp(first + shift, low, high)[torch.randperm(len(first), generator=self._generator)]
            for some in torch.split(first, self._size):
                steps = some[:, None] + torch.arange(span)
                yield tuple(tensor[steps] for tensor in self._tensors)


def train(
    module: lightning.LightningModule,
    batches: Batches | Chunks,
    epochs: int,
    *,
    validate: Callable[[Any], float] | None = None,
    patience: int = 6,
    accelerator: str = "auto",
) -> int:
    """Train in place and leave the module on the CPU, in evaluation mode.

    Args:
        module: What is trained. Its `configure_optimizers` returns an optimizer, or with it a scheduler that advances
            after each batch.
        batches: Its data.
        epochs: Passes over the data, at most.
        validate: Gives the validation loss of the module; with it, the weights of the best epoch stay. Epoch 0 is the
            untrained module.
        patience: Epochs without a better validation loss after which to stop.
        accelerator: Lightning's word for where to train.

    Returns:
        Epochs that the kept weights were trained for.
    """
    if epochs == 0:
        module.eval()
        return 0
    fabric = Fabric(accelerator=accelerator, devices=1)
    module.to(fabric.device)
    optimizer, scheduler = _optimizer(module)
    best = _Best(validate, patience) if validate else None
    if best:
        best.look(module, 0)
    module.train()
    for epoch in range(1, epochs + 1):
        for number, batch in enumerate(batches):
            loss: Any = module.training_step(fabric.to_device(batch), number)
            optimizer.zero_grad()
            fabric.backward(loss)
            torch.nn.utils.clip_grad_norm_(module.parameters(), CLIP)
            optimizer.step()
            if scheduler:
                scheduler.step()
        if best and best.look(module, epoch):
            break
    if best:
        module.load_state_dict(best.weights)
    module.cpu().eval()
    return best.epoch if best else epochs


def _optimizer(module: lightning.LightningModule) -> tuple[torch.optim.Optimizer, Any]:
    """What moves the weights, and what moves its step, if anything does."""
    chosen: Any = module.configure_optimizers()
    if isinstance(chosen, dict):
        return chosen["optimizer"], chosen["lr_scheduler"]["scheduler"]
    return chosen, None


class _Best:
    """Keeps the weights of the epoch with the lowest validation loss."""

    def __init__(self, validate: Callable[[Any], float], patience: int) -> None:
        self.validate = validate
        self.patience = patience
        self.epoch = 0
        self.loss = float("inf")
        self.weights: dict[str, Tensor] = {}

    def look(self, module: lightning.LightningModule, epoch: int) -> bool:
        """Judge the module after an epoch; returns whether it has not been better for too long."""
        module.eval()
        with torch.inference_mode():
            loss = self.validate(module)
        module.train()
        if loss < self.loss:
            self.loss, self.epoch, self.weights = loss, epoch, copy.deepcopy(module.state_dict())
        return epoch - self.epoch >= self.patience
