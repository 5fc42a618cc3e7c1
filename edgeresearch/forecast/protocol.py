"""What a forecaster is: the one interface that models, evaluation and elastic strategies share."""

from typing import Any, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

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
