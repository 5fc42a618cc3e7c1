"""Rows in time order: checking them, cutting them where an outage lies, and a stream over them."""

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_array, check_consistent_length, validate_data

from edgeresearch.forecast.protocol import Array, Mask


def training_rows(estimator: Any, X: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Array, Array]:
    """Check what `fit` was given; NaN is an outage and allowed, infinity is not.

    Returns:
        `X` as `(rows, features)` and `y` as `(rows, targets)`. Whether `y` was flat is kept in `estimator.flat_`.
    """
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    target = check_array(y, dtype=np.float64, ensure_2d=False, ensure_all_finite="allow-nan", input_name="y")
    checked = validate_data(estimator, X, dtype=np.float64, ensure_min_samples=2, ensure_all_finite="allow-nan")
    check_consistent_length(checked, target)
    estimator.flat_ = target.ndim == 1
    return checked, target.reshape(len(target), -1)


def prediction_rows(estimator: Any, X: npt.ArrayLike) -> Array:
    """Check what `predict` was given: as many columns as in `fit`, no infinity."""
    return np.asarray(validate_data(estimator, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False))


def segments(observed: Mask) -> list[slice]:
    """Return the runs of observed rows."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], observed, [False])).astype(np.int8)))
    return [slice(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def lag_matrix(values: Array, window: int) -> Array:
    """Return `(rows, window)`: the last `window` values, oldest first; before the series begins, its first value stands."""
    padded = np.concatenate([np.full(window - 1, values[0]), values])
    view: Array = np.lib.stride_tricks.sliding_window_view(padded, window)
    return view


class WindowStream:
    """Keeps the last `window` rows and forecasts from them with a model's own batch function."""

    def __init__(self, forecast: Callable[[Array], Array], window: int, targets: int) -> None:
        """Start without history.

        Args:
            forecast: Maps rows `(n, features)` without outage to forecasts `(n, targets)`.
            window: How many rows a forecast reads.
            targets: How many numbers a forecast has.
        """
        self._forecast = forecast
        self._rows: deque[Array] = deque(maxlen=window)
        self._targets = targets

    def update(self, row: npt.ArrayLike) -> Array:
        """Take the newest row and forecast from it."""
        newest = np.asarray(row, dtype=np.float64).ravel()
        if np.isnan(newest[0]):
            self._rows.clear()
            return np.full(self._targets, np.nan)
        self._rows.append(newest)
        return self._forecast(np.stack(self._rows))[-1]
