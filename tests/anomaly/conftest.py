"""What the tests of anomaly detection share: models with random weights, streams, and the real files where they are."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeresearch.anomaly.identity import Array, FittedAutoencoder, FittedLSTM, Scale


@pytest.fixture(scope="session")
def make() -> Callable[..., Any]:
    """Make a model of a kind (`autoencoder`, `lstm`) with random weights."""

    def make_model(kind: str, channels: int = 3, hidden: int = 4, seed: int = 0) -> FittedAutoencoder | FittedLSTM:
        rng = np.random.default_rng(seed)
        cls: Any = {"autoencoder": FittedAutoencoder, "lstm": FittedLSTM}[kind]
        shapes = cls.shapes(channels, hidden)
        weights = {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
        scale = Scale(rng.normal(size=channels), rng.uniform(0.5, 2.0, channels))
        model: FittedAutoencoder | FittedLSTM = cls(scale, weights, hidden)
        return model

    return make_model


@pytest.fixture(scope="session")
def gappy() -> Callable[..., Array]:
    """Make a noisy daily curve in several channels; a share of the values, and some whole rows, are missing."""

    def make_stream(rows: int = 300, channels: int = 3, seed: int = 0, missing: float = 0.1) -> Array:
        rng = np.random.default_rng(seed)
        height, offset = rng.uniform(1, 3, channels), rng.normal(0, 5, channels)
        wave = np.sin(2 * np.pi * np.arange(rows) / 48)[:, None]
        values = wave * height + offset + rng.normal(0, 0.3, (rows, channels))
        values[rng.random(values.shape) < missing] = np.nan
        values[rng.random(rows) < missing / 3] = np.nan
        return np.asarray(values, dtype=np.float64)

    return make_stream


@pytest.fixture(scope="session")
def real() -> Path:
    """Return the folder with the real files; skip where the machine has none."""
    folder = os.environ.get("EDGERESEARCH_DATA_MIRROR", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("EDGERESEARCH_DATA_MIRROR names no folder with the real files")
    return Path(folder)
