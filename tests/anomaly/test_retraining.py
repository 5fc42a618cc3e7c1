"""When models are retrained on a stream, and which one is in use."""

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgeresearch.anomaly.base import Array, FittedIdentity, has_value
from edgeresearch.anomaly.model_store import ModelStore
from edgeresearch.anomaly.retraining import (
    Decision,
    TrainingRequest,
)
from edgeresearch.anomaly.settings import Schedule

Make = Callable[..., Any]
SCHEDULE = Schedule(train=150, every=120)
SMALL = Schedule(train=20, every=10)
REPLAY = Schedule(train=20, every=20)
SEED = np.random.SeedSequence(7)
Outcomes = list[float | None]


class Factory:
    """A training whose model has weights of its number, and that remembers what it was given."""

    def __init__(self, make: Make, kind: str = "lstm") -> None:
        self.make = make
        self.kind = kind
        self.given: list[tuple[Array, FittedIdentity | None, int]] = []
        self.models: list[FittedIdentity] = []

    def __call__(self, samples: Array, previous: FittedIdentity | None, number: int) -> FittedIdentity:
        self.given.append((samples, previous, number))
        self.models.append(self.make(self.kind, samples.shape[1], seed=number))
        return self.models[-1]


@pytest.fixture
def store() -> ModelStore:
    return ModelStore(f"memory://{uuid.uuid4().hex}")


# ---- which model is in use


def _in_rows(rows: Array, decide: Decision) -> Decision:
    """Say in virtual seconds, of which a row takes one whether it has a value or not, what is decided in samples."""
    there = np.flatnonzero(has_value(rows))

    def decision(request: TrainingRequest) -> float | None:
        after = None if request.number == 1 else decide(request)  # the first model stands in the store already
        if after is None:
            return None
        now, need = int(request.time), int(np.ceil(after))
        ahead = there[there > now]
        return 0.0 if need == 0 else float(ahead[need - 1] - now) if need <= len(ahead) else float(len(rows))

    return decision
