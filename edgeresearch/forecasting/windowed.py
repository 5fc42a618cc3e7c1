"""What forecasters on scikit-learn's terms share, and any regressor as a forecaster that sees a sliding window."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.multioutput import MultiOutputRegressor
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, validate_data

from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import Array, Mask, Stream, WindowStream, find_segments, make_lags
from edgeresearch.forecasting.settings import STUDY


class SequenceRegressor(RegressorMixin, BaseEstimator):
    """Base of the forecasters here: forecasts each stretch without outage by `_forecast`.

    A subclass defines `fit`, which begins with `_check_training`, and `_forecast`.
    """

    flat_: bool
    targets_: int

    @property
    def _window(self) -> int:
        """Rows that a forecast reads."""
        return int(getattr(self, "window", 1))

    def __sklearn_tags__(self) -> Any:
        """Say that NaN is allowed: it marks an outage."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True
        return tags

    def predict(self, X: npt.ArrayLike) -> Array:
        """Forecast from each row; NaN where the newest value is not observed."""
        check_is_fitted(self)
        rows = np.asarray(validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False))
        self._check_covariates(rows)
        forecast = np.full((len(rows), self.targets_), np.nan)
        for part in find_segments(~np.isnan(rows[:, 0])):
            forecast[part] = self._forecast(rows[part])
        return forecast[:, 0] if self.flat_ else forecast

    def stream(self) -> Stream:
        """Return a live twin of `predict`."""
        check_is_fitted(self)
        return WindowStream(self._forecast, self._window, self.targets_)

    def _forecast(self, rows: Array) -> Array:
        """Forecast from each row of a stretch without outage, `(rows, targets)`."""
        raise NotImplementedError

    def _design(self, rows: Array) -> Array:
        """Return what a regressor is shown of each row of a stretch: the values of the window."""
        return make_lags(rows[:, 0], self._window)

    def _collect(self, rows: Array, targets: Array) -> tuple[Array, Array]:
        """Return what is shown of every row whose whole window and targets are observed, and those targets.

        Raises:
            InputError: There is no such row.
        """
        inputs, outputs = [], []
        for part in find_segments(~np.isnan(rows[:, 0])):
            known: Mask = np.asarray(~np.isnan(targets[part]).any(axis=1))
            known[: self._window - 1] = False
            inputs.append(self._design(rows[part])[known])
            outputs.append(targets[part][known])
        if not any(map(len, outputs)):
            what = f"no stretch of {self._window} observed values among n_samples = {len(rows)} rows"
            raise InputError(f"{what}; use a shorter window or a longer series")
        return np.concatenate(inputs), np.concatenate(outputs)

    def _check_covariates(self, rows: Array) -> None:
        """Refuse rows in which something is missing that the model reads."""

    def _check_training(self, X: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Array, Array]:
        """Check what `fit` was given; NaN is an outage and allowed, infinity is not.

        Returns:
            `X` as `(rows, features)` and `y` as `(rows, targets)`. Whether `y` was flat is kept in `flat_`.

        Raises:
            InputError: No target is known.
            ValueError: The arrays have no shape to learn from, or hold infinity.
        """
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        target = check_array(y, dtype=np.float64, ensure_2d=False, ensure_all_finite="allow-nan", input_name="y")
        checked = validate_data(self, X, dtype=np.float64, ensure_min_samples=2, ensure_all_finite="allow-nan")
        check_consistent_length(checked, target)
        if np.isnan(target).all():
            raise InputError(f"y holds no known value in {len(target)} rows; give a series that is observed somewhere")
        self._check_covariates(checked)
        self.flat_ = target.ndim == 1
        return checked, target.reshape(len(target), -1)


class Windowed(MetaEstimatorMixin, SequenceRegressor):
    """Slide a window over the series and hand it to a regressor (Paper A, section 3: "the QPS of the past time").

    Args:
        regressor: A scikit-learn regressor or search; it is cloned, not changed.
        window: Values that a forecast reads, the newest among them.
        covariates: Whether the columns of `X` after the first go along, as they stand in the newest row.
        residual: Whether the regressor learns the change from the newest value instead of the value.
    """

    def __init__(
        self, regressor: Any, window: int = STUDY.window, covariates: bool = False, residual: bool = False
    ) -> None:
        self.regressor = regressor
        self.window = window
        self.covariates = covariates
        self.residual = residual

    def __sklearn_tags__(self) -> Any:
        """Say that the score is what the regressor makes of it."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = False
        return tags

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Fit the regressor on every row whose whole window and targets are observed.

        Raises:
            InputError: No row has a whole window, or a covariate is missing.
        """
        rows, targets = self._check_training(X, y)
        design, wanted = self._collect(rows, targets - rows[:, :1] if self.residual else targets)
        regressor = clone(self.regressor)
        if wanted.shape[1] > 1 and not regressor.__sklearn_tags__().target_tags.multi_output:
            regressor = MultiOutputRegressor(regressor)
        fitted = regressor.fit(design, wanted if wanted.shape[1] > 1 else wanted[:, 0])
        if isinstance(fitted, MultiOutputRegressor):
            fitted.estimators_ = [_drop_search(each) for each in fitted.estimators_]
        self.regressor_ = _drop_search(fitted)
        self.targets_ = wanted.shape[1]
        return self

    def _check_covariates(self, rows: Array) -> None:
        if self.covariates:
            check_whole(rows)

    def _design(self, rows: Array) -> Array:
        lags = super()._design(rows)
        return np.column_stack([lags, rows[:, 1:]]) if self.covariates else lags

    def _forecast(self, rows: Array) -> Array:
        forecast = np.asarray(self.regressor_.predict(self._design(rows)), dtype=np.float64).reshape(len(rows), -1)
        return forecast + rows[:, :1] if self.residual else forecast


@dataclass(frozen=True)
class Holdout:
    """A cross-validator with one split: the last `fraction` of the rows validates, the rows before it train."""

    fraction: float = STUDY.validation_share

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Any, Any]]:
        """Yield the training rows and the validation rows."""
        cut = first_validation_row(len(X), self.fraction)
        yield np.arange(cut), np.arange(cut, len(X))

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return 1."""
        return 1


def first_validation_row(rows: int, fraction: float) -> int:
    """Return the first row of the validation part, with at least one row on either side."""
    return min(max(round(rows * (1 - fraction)), 1), rows - 1)


def check_whole(rows: Array) -> None:
    """Refuse a covariate that is not known in a row whose value is.

    Raises:
        InputError: There is one; the message names the first.
    """
    missing = np.isnan(rows[:, 1:]) & ~np.isnan(rows[:, :1])
    if missing.any():
        row, column = np.argwhere(missing)[0]
        raise InputError(f"column {column + 1} of X is NaN in row {row}; fill it, or mark an outage by NaN in column 0")


def _drop_search(fitted: Any) -> Any:
    """Return what a search found, without the search."""
    return getattr(fitted, "best_estimator_", fitted)
