"""What a forecaster is: rows of time steps in, forecasts out; and its live twin."""

from collections.abc import Callable
from typing import Any, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from edgeresearch.data.trace import find_runs

Array: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]


@runtime_checkable
class Stream(Protocol):
    """A forecaster at work on a live series: one row in, one forecast out."""

    def update(self, row: npt.ArrayLike) -> Array:
        """Take the newest row and forecast from it.

        Args:
            row: `(features,)`, the columns that the model was fitted on; a NaN value (column 0) is an outage: the state
                starts anew.

        Returns:
            `(targets,)`, the same numbers that `predict` gives in this row's place; NaN during an outage.
        """
        ...


@runtime_checkable
class Forecaster(Protocol):
    """A scikit-learn regressor whose rows are time steps.

    Row `t` of `X` holds what is known at time `t`: column 0 is the newest value, further columns are covariates such as
    calendar terms. Row `t` of `y` holds what is forecast: one column per horizon, `y[t, j] = value[t + horizons[j]]`.
    For the next step it is `(rows,)`; for the next h steps, give the horizons 1 to h. Rows stand in time order, one per
    step. NaN in column 0 marks an outage; rows with a NaN target are not trained on.

    A class of your own needs `fit` and `predict` to be compared, and `stream` to forecast live:

        class Drift:
            def fit(self, X, y):
                self.drift = np.nanmean(y - X[:, :1], axis=0)
                return self

            def predict(self, X):
                return X[:, :1] + self.drift

        er.compare_forecasters(trace, models=["lstm", "last_value", Drift()])
    """

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Learn from rows in time order. `X` is `(rows, features)`, `y` `(rows,)` or `(rows, targets)`."""
        ...

    def predict(self, X: npt.ArrayLike) -> Array:
        """Forecast from each row and the rows before it, never from a later one: `(rows,)` or `(rows, targets)`."""
        ...

    def stream(self) -> Stream:
        """Return a live twin of `predict` that starts without history."""
        ...

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings that the model was made with, as scikit-learn does."""
        ...


def find_segments(observed: Mask) -> list[slice]:
    """Return the stretches of observed rows."""
    return [slice(int(start), int(start + length)) for start, length in zip(*find_runs(observed), strict=True)]


def make_lags(values: Array, window: int) -> Array:
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
        if self._stop == len(self._rows):  # the window has slid to the end of the buffer: move it back, rarely
            kept = self._rows[self._start + 1 :].copy()
            self._start, self._stop = 0, len(kept)
            self._rows[: len(kept)] = kept
        self._rows[self._stop] = newest
        self._stop += 1
        self._start = max(self._start, self._stop - self._window)
        forecast: Array = self._forecast(self._rows[self._start : self._stop])[-1]
        return forecast
