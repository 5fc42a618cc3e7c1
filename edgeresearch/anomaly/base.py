"""What comes in: samples as arrays, their channels' names, and their scale.

A sample is one value per channel. A value that is not finite (NaN, ±inf) is missing: in its place the channel's last
seen value is used, and it does not count in the error. A row without any value is no sample: it has no error, nothing
is learnt from it, and no state changes.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeresearch.errors import InputError

Array: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]


def table(X: Any) -> Array:
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


def names(X: Any) -> list[str] | None:
    """Return the column names of a data frame; None for anything else."""
    columns = getattr(X, "columns", None)
    return None if columns is None else [str(column) for column in columns]


def check_channels(X: Any, channels: int, known: list[str] | None) -> Array:
    """Return samples as `table` does, if they have the channels that a model was trained on.

    Args:
        X: The samples.
        channels: Number of the model's channels.
        known: Their names, where they have any.

    Raises:
        InputError: A channel is new, missing, renamed or in another place.
    """
    rows = table(X)
    found = names(X)
    if known is not None and found is not None and found != known:
        new, gone = [name for name in found if name not in known], [name for name in known if name not in found]
        what = [f"new {', '.join(new)}"] * bool(new) + [f"missing {', '.join(gone)}"] * bool(gone) or ["another order"]
        raise InputError(
            f"columns differ from those in training: {'; '.join(what)}; give {', '.join(known)}, or train a new model"
        )
    if rows.shape[1] != channels:
        raise InputError(wrong_width(rows.shape[1], channels))
    return rows


def wrong_width(found: int, channels: int) -> str:
    """Say that samples have another number of values than the model has channels."""
    return f"a sample has {found} values where there were {channels} before; drop the new ones or train a new model"


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


def present(rows: Array) -> Mask:
    """Tell which rows have a value at all."""
    mask: Mask = reduce(np.logical_or, np.isfinite(rows).T)  # by columns: numpy is slow along short rows
    return mask
