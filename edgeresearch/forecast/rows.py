"""Rows in time order: checking them, cutting them where an outage lies, and a stream over them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_array, check_consistent_length, validate_data

from edgeresearch.errors import InputError
from edgeresearch.forecast.protocol import Array, Mask


def training_rows(estimator: Any, X: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Array, Array]:
    """Check what `fit` was given; NaN is an outage and allowed, infinity is not.

    Returns:
        `X` as `(rows, features)` and `y` as `(rows, targets)`. Whether `y` was flat is kept in `estimator.flat_`.

    Raises:
        InputError: No target is known.
        ValueError: The arrays have no shape to learn from, or hold infinity.
    """
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    target = check_array(y, dtype=np.float64, ensure_2d=False, ensure_all_finite="allow-nan", input_name="y")
    checked = validate_data(estimator, X, dtype=np.float64, ensure_min_samples=2, ensure_all_finite="allow-nan")
    check_consistent_length(checked, target)
    if np.isnan(target).all():
        raise InputError(f"y holds no known value in {len(target)} rows; give a series that is observed somewhere")
    estimator.flat_ = target.ndim == 1
    return checked, target.reshape(len(target), -1)


def prediction_rows(estimator: Any, X: npt.ArrayLike) -> Array:
    """Check what `predict` was given: as many columns as in `fit`, no infinity."""
    return np.asarray(validate_data(estimator, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False))


def whole(rows: Array) -> None:
    """Refuse a covariate that is not known in a row whose value is.

    Raises:
        InputError: There is one; the message names the first.
    """
    missing = np.isnan(rows[:, 1:]) & ~np.isnan(rows[:, :1])
    if missing.any():
        row, column = np.argwhere(missing)[0]
        raise InputError(f"column {column + 1} of X is NaN in row {row}; fill it, or mark an outage by NaN in column 0")


def segments(observed: Mask) -> list[slice]:
    """Return the runs of observed rows."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], observed, [False])).astype(np.int8)))
    return [slice(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def lag_matrix(values: Array, window: int) -> Array:
    """Return `(rows, window)`: the last `window` values, oldest first; before the first value stands itself."""
    padded = np.concatenate([np.full(window - 1, values[0]), values])
    view: Array = np.lib.stride_tricks.sliding_window_view(padded, window)
    return view


class WindowStream:
    """Keeps the last `window` rows and forecasts from them with a model's own batch function."""

    def __init__(self, forecast: Callable[[Array], Array], window: int, targets: int) -> None:
        """Start without history.

        Args:
            forecast: Maps rows `(n, features)` without outage to forecasts `(n, targets)`; it must not keep or change
                them.
            window: How many rows a forecast reads.
            targets: How many numbers a forecast has.
        """
        self._forecast = forecast
        self._window = window
        self._targets = targets
        self._rows = np.empty((0, 0))
        self._start = self._stop = 0

    def update(self, row: npt.ArrayLike) -> Array:
        """Take the newest row and forecast from it."""
        newest = np.asarray(row, dtype=np.float64).ravel()
        if np.isnan(newest[0]):
            self._start = self._stop = 0
            return np.full(self._targets, np.nan)
        if len(self._rows) == 0:
            self._rows = np.empty((4 * self._window, len(newest)))
        if self._stop == len(
            self._rows
        ):  # rarely: the window slides over a longer stretch and is moved back at its end
            kept = self._rows[self._start + 1 :].copy()
            self._start, self._stop = 0, len(kept)
            self._rows[: len(kept)] = kept
        self._rows[self._stop] = newest
        self._stop += 1
        self._start = max(self._start, self._stop - self._window)
        forecast: Array = self._forecast(self._rows[self._start : self._stop])[-1]
        return forecast
