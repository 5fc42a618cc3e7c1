"""Training a LightningModule on cached samples: quiet, on one thread, leaving nothing behind and nothing changed."""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import pytorch_lightning as lightning
import torch
from torch import Tensor

from edgeresearch.errors import RunError


class Batches(Protocol):
    """Training data: an epoch is one pass over it."""

    def __len__(self) -> int:
        """Return the batches of an epoch."""
        ...

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """Yield the batches of an epoch."""
        ...


class Stretches:
    """Stretches of a series in a fresh random order and at a fresh random offset every epoch.

    Args:
        tensors: `(steps, columns)`, alike in their first dimension.
        length: Steps of a stretch; 1 for single rows, which then lose the dimension of steps.
        size: Stretches in a batch.
        generator: Draws order and offset.
    """

    def __init__(self, tensors: tuple[Tensor, ...], length: int, size: int, generator: torch.Generator) -> None:
        self._tensors = tensors
        self._length = min(length, len(tensors[0]))
        self._size = size
        self._generator = generator
        self._count = -(-len(tensors[0]) // self._length)

    def __len__(self) -> int:
        """Return the batches of an epoch."""
        return -(-self._count // self._size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """Yield the batches of an epoch; together they hold nearly every row; some at the ends come again."""
        spare = len(self._tensors[0]) - self._length
        shift = torch.randint(-(self._length // 2), self._length // 2 + 1, (1,), generator=self._generator)
        starts = torch.clamp(torch.arange(self._count) * self._length + shift, 0, spare)
        order = torch.randperm(self._count, generator=self._generator)
        for some in torch.split(starts[order], self._size):
            rows = some if self._length == 1 else some[:, None] + torch.arange(self._length)
            yield tuple(tensor[rows] for tensor in self._tensors)


def train(module: lightning.LightningModule, batches: Batches, epochs: int, *, accelerator: str = "auto") -> None:
    """Train in place and leave the module on the CPU, in evaluation mode.

    On the CPU, the same module and batches give the same weights, whatever ran before. The root directory of Lightning
    is a temporary one.

    Args:
        module: What is trained.
        batches: Its data.
        epochs: Passes over the data.
        accelerator: Lightning's word for where to train.

    Raises:
        RunError: A weight is no finite number afterwards.
    """
    with _quiet(), _one_thread(), tempfile.TemporaryDirectory() as root:
        trainer = lightning.Trainer(
            default_root_dir=root,
            max_epochs=epochs,
            accelerator=accelerator,
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            gradient_clip_val=1.0,
        )
        trainer.fit(module, batches)
    module.cpu().eval()
    if not all(bool(torch.isfinite(weight).all()) for weight in module.parameters()):
        raise RunError(f"training the {type(module).__name__} diverged; lower its learning rate")


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums over several threads round differently from run to run; small networks gain nothing from them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
