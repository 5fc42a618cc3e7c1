"""Trainings that a stream triggers: who decides what becomes of them, and what makes a model (Paper B, section V.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgeresearch.anomaly.identity import Identity
from edgeresearch.anomaly.model import Model
from edgeresearch.anomaly.samples import Array
from edgeresearch.errors import InputError


@dataclass(frozen=True)
class Request:
    """A training that has been triggered.

    Attributes:
        stream: Name of the stream's model.
        number: Of the training, from 1.
        time: When it was triggered, in virtual seconds.
        samples: How many are cached.
    """

    stream: str
    number: int
    time: float
    samples: int


class Decision(Protocol):
    """Decides what becomes of a training: an emulator, or one of `always`, `never` and `recorded`."""

    def __call__(self, request: Request) -> float | None:
        """Return the virtual seconds until the model is published; None if the training is dropped."""
        ...


class Training(Protocol):
    """Trains a model. `trained_by` makes one of an identity function."""

    def __call__(self, samples: Array, previous: Model | None, number: int) -> Model:
        """Train.

        Args:
            samples: The cached ones, `(samples, channels)`.
            previous: The model in use at the trigger, to go on from if wanted; None before the first.
            number: Of the training, from 1.
        """
        ...


def always(seconds: float) -> Decision:
    """Every training is placed and takes the same time."""
    return lambda request: seconds


def never(request: Request) -> None:
    """Every training is dropped."""


def recorded(outcomes: Sequence[float | None]) -> Decision:
    """Training `n` ends as the nth of these says: its duration in virtual seconds, or None for dropped."""

    def decide(request: Request) -> float | None:
        if request.number > len(outcomes):
            raise InputError(
                f"training {request.number} was triggered, {len(outcomes)} outcomes are recorded; give more"
            )
        return outcomes[request.number - 1]

    return decide


def trained_by(
    identity: Identity, seed: np.random.SeedSequence, *, warm_start: bool = True, accelerator: str = "auto"
) -> Training:
    """Return a training of an identity function.

    Args:
        identity: What is trained.
        seed: Each training draws from a child of it, by its number: a dropped training changes no other.
        warm_start: Whether a training goes on from the weights of the model in use, as Paper B's do.
        accelerator: Lightning's word for where to train.
    """

    def train(samples: Array, previous: Model | None, number: int) -> Model:
        child = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, number))
        drawn = int(child.generate_state(1)[0])
        return identity.fit(samples, seed=drawn, start=previous if warm_start else None, accelerator=accelerator)

    return train
