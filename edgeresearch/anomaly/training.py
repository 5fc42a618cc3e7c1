"""Training an identity function on cached samples: as forecasters are trained, on one thread, and not to infinity."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytorch_lightning as lightning
import torch

from edgeresearch.errors import RunError
from edgeresearch.forecast import train as forecasters


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
