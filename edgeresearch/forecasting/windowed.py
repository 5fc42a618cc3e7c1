"""Any regressor as a forecaster: it sees a sliding window; what `fit` and `predict` are given is checked."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.multioutput import MultiOutputRegressor
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, validate_data

from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import Array, WindowStream, lag_matrix, segments


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


class Windowed(MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    """Slide a window over the series and hand it to a regressor (Paper A, section 3: "the QPS of the past time").

    Args:
        regressor: A scikit-learn regressor or search; it is cloned, not changed.
        window: Values that a forecast reads, the newest among them.
        covariates: Whether the columns of `X` after the first go along, as they stand in the newest row.
        residual: Whether the regressor learns the change from the newest value instead of the value.
    """

    def __init__(self, regressor: Any, window: int = 60, covariates: bool = False, residual: bool = False) -> None:
        self.regressor = regressor
        self.window = window
        self.covariates = covariates
        self.residual = residual

    def __sklearn_tags__(self) -> Any:
        """Say that NaN is allowed: it marks an outage."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Fit the regressor on every row whose whole window and targets are observed.

        Raises:
            InputError: No row has a whole window, or a covariate is missing.
        """
        rows, targets = training_rows(self, X, y)
        if self.covariates:
            whole(rows)
        inputs, outputs = [], []
        for part in segments(~np.isnan(rows[:, 0])):
            complete = slice(self.window - 1, None)
            inputs.append(self._design(rows[part])[complete])
            base = rows[part, :1] if self.residual else 0.0
            outputs.append((targets[part] - base)[complete])
        design = np.concatenate(inputs) if inputs else np.empty((0, 1))
        wanted = np.concatenate(outputs) if outputs else np.empty((0, 1))
        known = ~np.isnan(wanted).any(axis=1)
        if not known.any():
            raise InputError(
                f"no stretch of {self.window} observed values among n_samples = {len(rows)} rows; "
                "use a shorter window or a longer series"
            )
        regressor = clone(self.regressor)
        if wanted.shape[1] > 1 and not regressor.__sklearn_tags__().target_tags.multi_output:
            regressor = MultiOutputRegressor(regressor)
        fitted = regressor.fit(design[known], wanted[known] if wanted.shape[1] > 1 else wanted[known, 0])
        if isinstance(fitted, MultiOutputRegressor):
            fitted.estimators_ = [_settled(each) for each in fitted.estimators_]
        self.regressor_ = _settled(fitted)
        self.targets_ = wanted.shape[1]
        return self

    def predict(self, X: npt.ArrayLike) -> Array:
        """Forecast from each row; NaN where the newest value is not observed."""
        check_is_fitted(self)
        rows = prediction_rows(self, X)
        if self.covariates:
            whole(rows)
        forecast = np.full((len(rows), self.targets_), np.nan)
        for part in segments(~np.isnan(rows[:, 0])):
            forecast[part] = self._forecast(rows[part])
        return forecast[:, 0] if self.flat_ else forecast

    def stream(self) -> WindowStream:
        """Return a live twin of `predict`."""
        check_is_fitted(self)
        return WindowStream(self._forecast, self.window, self.targets_)

    def _design(self, rows: Array) -> Array:
        lags = lag_matrix(rows[:, 0], self.window)
        return np.column_stack([lags, rows[:, 1:]]) if self.covariates else lags

    def _forecast(self, rows: Array) -> Array:
        forecast = np.asarray(self.regressor_.predict(self._design(rows)), dtype=np.float64).reshape(len(rows), -1)
        return forecast + rows[:, :1] if self.residual else forecast


def _settled(fitted: Any) -> Any:
    """Return what a search found, without the search."""
    return getattr(fitted, "best_estimator_", fitted)
