"""Samples, their scale, and the protocols by which users plug in identity functions and thresholds.

A sample is one value per channel. A value that is not finite (NaN, ±inf) is missing: in its place the channel's last
seen value is used, and it does not count in the error. A row without any value is no sample: it has no error, nothing
is learnt from it, and no state changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeresearch.anomaly.settings import Schedule
from edgeresearch.errors import InputError

Array: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Weights: TypeAlias = Mapping[str, npt.NDArray[Any]]


class Identity(Protocol):
    """An identity function that can be trained, such as `LSTMIdentity`. IFTM and the experiments need `fit` alone.

    What `fit` returns must have `channels` and `start`; the rest of `FittedIdentity` is for a `ModelStore`. One that
    reconstructs every sample as the training mean:

        class Mean:
            channels = 3
            def fit(self, samples, *, seed, start=None, accelerator="auto"): self.mean = samples.mean(0); return self
            def start(self): return self
            def step(self, sample): return float(abs(sample - self.mean).max())
            def run(self, rows): return np.array([self.step(row) for row in rows])
            def copy(self): return self
    """

    def fit(self, samples: Any, *, seed: int, start: Any = None, accelerator: str = "auto") -> "FittedIdentity":
        """Train on samples in time order and return the fitted model.

        Args:
            samples: `(samples, channels)`; what is not finite is missing.
            seed: Of the first weights and the order of the samples.
            start: A fitted model whose weights are the first ones; fresh ones where None.
            accelerator: Where to train, as Lightning names it: `cpu`, `gpu`, `auto`.
        """
        ...


class FittedIdentity(Protocol):
    """A trained identity function, as a `ModelStore` keeps it."""

    kind: ClassVar[str]

    @property
    def channels(self) -> int:
        """Values of a sample."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return the hyper-parameters: what JSON can hold."""
        ...

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return every learned array by name."""
        ...

    @classmethod
    def restore(cls, settings: Mapping[str, Any], arrays: Weights) -> Self:
        """Make the model again from what `settings` and `arrays` returned; raise `ValueError` if they do not fit."""
        ...

    def start(self) -> "Scorer":
        """Begin a stream without history."""
        ...


class Scorer(Protocol):
    """What scores the samples of one stream, with the history that it has: a trained identity function, or another."""

    def step(self, sample: Any) -> float:
        """Take the next sample, `(channels,)`, and return its score; NaN for a row without any value."""
        ...

    def run(self, rows: Array) -> Array:
        """Take the next samples, `(samples, channels)`, and return the scores that `step` would give."""
        ...

    def copy(self) -> Self:
        """Return an independent copy."""
        ...


class Threshold(Protocol):
    """How scores are judged, such as `MovingThreshold`.

    One that alarms on every new maximum:

    class Highest:
        def start(self): return Highest()
        level = 0.0
        def update(self, score): self.level = max(self.level, score)
    """

    def start(self) -> "ThresholdState":
        """Begin a stream without history."""
        ...


class ThresholdState(Protocol):
    """A threshold at work on one stream.

    A score is compared with `level` first and shown to `update` afterwards: no score has a part in its own threshold.

    Attributes:
        level: The next score is an alarm if it is greater.
    """

    level: float

    def update(self, score: float) -> None:
        """Learn from a score, a finite number, that has been judged."""
        ...


def as_samples(X: Any) -> Array:
    """Return samples as floats of shape `(samples, channels)`.

    Raises:
        InputError: They are not numbers in two dimensions, or have no channel.
    """
    try:
        rows = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"samples must be numbers: {error}; drop or convert the column") from None
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise InputError(f"samples have shape {rows.shape}; give rows of samples, one column per channel")
    return rows


def column_names(X: Any) -> list[str] | None:
    """Return the column names of a data frame; None for anything else."""
    return [str(column) for column in X.columns] if hasattr(X, "columns") else None


def check_channels(X: Any, channels: int, known: list[str] | None) -> Array:
    """Return samples as `as_samples` does, if they have as many channels as a model, and its names where both have any.

    Raises:
        InputError: A channel is new, missing, renamed or in another place.
    """
    rows, names = as_samples(X), column_names(X)
    if known is not None and names is not None and names != known:
        new, gone = [name for name in names if name not in known], [name for name in known if name not in names]
        what = [f"new {', '.join(new)}"] * bool(new) + [f"missing {', '.join(gone)}"] * bool(gone) or ["another order"]
        raise InputError(
            f"columns differ from those in training: {'; '.join(what)}; give {', '.join(known)}, or train a new model"
        )
    if rows.shape[1] != channels:
        raise width_error(rows.shape[1], channels)
    return rows


def width_error(given: int, channels: int) -> InputError:
    """Return the error that a sample has another number of values than the model has channels."""
    return InputError(
        f"a sample has {given} values where there were {channels} before; drop the new ones or train a new model"
    )


def has_value(rows: Array) -> Mask:
    """Tell which rows have a value at all."""
    mask: Mask = reduce(np.logical_or, np.isfinite(rows).T)  # by columns: numpy is slow along short rows
    return mask


def training_rows(rows: Array, schedule: Schedule) -> list[int]:
    """Return the rows before which a training is done; the first of them is the first row that is judged.

    Raises:
        InputError: No row is left to judge after the first training.
    """
    at = np.flatnonzero(has_value(rows))
    if len(at) <= schedule.train:
        raise InputError(
            f"{len(at)} samples have a value, the training takes the first {schedule.train}; give more samples, or "
            "a shorter training with 'train'"
        )
    last = at[schedule.train - 1 : -1 : schedule.every or len(at)]
    return [int(row) + 1 for row in last]


def newest_samples(rows: Array, count: int) -> Array:
    """Return the last samples that have a value: what a training gets."""
    newest: Array = rows[has_value(rows)][-count:]
    return newest


def training_seed(seed: np.random.SeedSequence, number: int) -> int:
    """Return the seed of a training by its number, so that a dropped training changes no other."""
    child = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, number))
    return int(child.generate_state(1)[0])


@dataclass(frozen=True)
class Scale:
    """Centre and spread of each channel: models see `(sample - centre) / spread`.

    Attributes:
        centre: Mean of the values seen in training; 0 where there is none. Shape `(channels,)`.
        spread: Their standard deviation; 1 where it is 0 (a constant channel) or nothing was seen.
    """

    centre: Array
    spread: Array

    @classmethod
    def fit(cls, rows: Array) -> Self:
        """Learn from training samples alone, `(samples, channels)`."""
        seen = np.isfinite(rows)
        count = np.maximum(seen.sum(axis=0), 1)
        centre = np.where(seen, rows, 0.0).sum(axis=0) / count
        deviation = np.sqrt((np.where(seen, rows - centre, 0.0) ** 2).sum(axis=0) / count)
        negligible = 1e-12 * np.maximum(np.abs(centre), 1.0)
        return cls(centre, np.where(deviation > negligible, deviation, 1.0))

    def apply(self, rows: Array, last: Array) -> tuple[Array, Mask]:
        """Scale samples and fill what is missing.

        Args:
            rows: Samples, each with a value at least in one channel.
            last: Scaled value of each channel before the first sample.

        Returns:
            Scaled samples without gaps, and which values were seen, both `(samples, channels)`.
        """
        seen = np.isfinite(rows)
        with np.errstate(invalid="ignore"):
            scaled = (rows - self.centre) * (1 / self.spread)
        if seen.all():
            return scaled, seen
        newest = np.maximum.accumulate(np.where(seen, np.arange(1, len(rows) + 1)[:, None], 0), axis=0)
        return np.take_along_axis(np.vstack([last, scaled]), newest, axis=0), seen
