"""Forecasters on scikit-learn's terms: any regressor over a sliding window, Paper A's baselines, the naive models."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import linalg
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, validate_data

from edgeresearch.data.trace import find_whole_windows
from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import Array, Mask, Stream, WindowStream, find_segments, make_lags
from edgeresearch.forecasting.settings import STUDY


class SequenceRegressor(RegressorMixin, BaseEstimator):
    """Base of the forecasters here: forecasts each stretch without outage by `_forecast`.

    A subclass defines `fit`, which begins with `_check_training`, and `_forecast`; and, if not these, how many rows a
    forecast reads and whether it reads more than the values.
    """

    window: int = 1
    covariates: bool = False
    flat_: bool
    targets_: int

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
        if self.covariates:
            check_whole(rows)
        forecast = np.full((len(rows), self.targets_), np.nan)
        for part in find_segments(~np.isnan(rows[:, 0])):
            forecast[part] = self._forecast(rows[part])
        return forecast[:, 0] if self.flat_ else forecast

    def stream(self) -> Stream:
        """Return a live twin of `predict`."""
        check_is_fitted(self)
        return WindowStream(self._forecast, self.window, self.targets_)

    def _forecast(self, rows: Array) -> Array:
        """Forecast from each row of a stretch without outage, `(rows, targets)`."""
        raise NotImplementedError

    def _design(self, rows: Array) -> Array:
        """Return what a regressor is shown of each row of a stretch: its window and, if it reads them, covariates."""
        lags = make_lags(rows[:, 0], self.window)
        return np.column_stack([lags, rows[:, 1:]]) if self.covariates else lags

    def _collect(self, rows: Array, targets: Array) -> tuple[Array, Array]:
        """Return what is shown of every row whose whole window and targets are observed, and those targets."""
        inputs, outputs = [], []
        for part in find_segments(~np.isnan(rows[:, 0])):
            known: Mask = np.asarray(~np.isnan(targets[part]).any(axis=1))
            known[: self.window - 1] = False
            inputs.append(self._design(rows[part])[known])
            outputs.append(targets[part][known])
        if not any(map(len, outputs)):
            what = f"no stretch of {self.window} observed values among n_samples = {len(rows)} rows"
            raise InputError(f"{what}; use a shorter window or a longer series")
        return np.concatenate(inputs), np.concatenate(outputs)

    def _check_training(self, X: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Array, Array]:
        """Check what `fit` was given, and return it as `(rows, features)` and `(rows, targets)`."""
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        target = check_array(y, dtype=np.float64, ensure_2d=False, ensure_all_finite="allow-nan", input_name="y")
        checked = validate_data(self, X, dtype=np.float64, ensure_min_samples=2, ensure_all_finite="allow-nan")
        check_consistent_length(checked, target)
        if np.isnan(target).all():
            raise InputError(f"y holds no known value in {len(target)} rows; give a series that is observed somewhere")
        if self.covariates:
            check_whole(checked)
        self.flat_ = target.ndim == 1
        return checked, target.reshape(len(target), -1)


@dataclass(eq=False, repr=False)
class Windowed(MetaEstimatorMixin, SequenceRegressor):
    """Slide a window over the series and hand it to a regressor (Paper A, section 3: "the QPS of the past time").

    Args:
        regressor: A scikit-learn regressor or search; it is cloned, not changed.
        window: Values that a forecast reads, the newest among them.
        covariates: Whether the columns of `X` after the first go along, as they stand in the newest row.
        residual: Whether the regressor learns the change from the newest value instead of the value.
    """

    regressor: Any
    window: int = STUDY.window
    covariates: bool = False
    residual: bool = False

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
        self.inputs_, self.outputs_ = fit_scaler(design, least=1e-3), fit_scaler(wanted, least=1.0)
        design, wanted = self._scaled(design), wanted if self.outputs_ is None else self.outputs_.transform(wanted)
        regressor = clone(self.regressor)
        if wanted.shape[1] > 1 and not regressor.__sklearn_tags__().target_tags.multi_output:
            regressor = MultiOutputRegressor(regressor)
        fitted = regressor.fit(design, wanted if wanted.shape[1] > 1 else wanted[:, 0])
        if isinstance(fitted, MultiOutputRegressor):
            fitted.estimators_ = [getattr(each, "best_estimator_", each) for each in fitted.estimators_]
        self.regressor_ = getattr(fitted, "best_estimator_", fitted)  # what a search found, without the search
        self.targets_ = wanted.shape[1]
        return self

    def _forecast(self, rows: Array) -> Array:
        design = self._scaled(self._design(rows))
        forecast = np.asarray(self.regressor_.predict(design), dtype=np.float64).reshape(len(rows), -1)
        if self.outputs_ is not None:
            forecast = self.outputs_.inverse_transform(forecast)
        return forecast + rows[:, :1] if self.residual else forecast

    def _scaled(self, design: Array) -> Array:
        return design if self.inputs_ is None else np.asarray(self.inputs_.transform(design))


def fit_scaler(values: Array, least: float) -> StandardScaler | None:
    """Fit a scaler of the columns in which trees would not see how values differ; None where there is no such column.

    Trees compute with 32 bits, some seven digits, and take differences far below 1 for none.

    Args:
        values: `(rows, columns)`.
        least: Smallest deviation that needs no scaler.
    """
    deviation = values.std(axis=0)
    fine = (np.abs(values).max(axis=0) <= 1e4 * deviation) & (deviation <= 1e9) & (deviation >= least)
    fine |= deviation == 0
    if fine.all():
        return None
    # A power of two, and a multiple of it: they hang on no last bit of a mean, and a column not on its neighbours.
    unit = 2 ** np.round(np.log2(np.where(fine, 1, deviation)))
    scaler = StandardScaler().fit(values)
    scaler.mean_, scaler.scale_ = np.where(fine, 0, np.round(values.mean(axis=0) / unit) * unit), unit
    return scaler


PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)
"""Of a ridge regression over standardised columns: what validation picks from."""


def tune_ridge(fraction: float) -> GridSearchCV:
    """Make a ridge regression whose penalty, one of `PENALTIES`, the newest `fraction` of the rows chooses."""
    ridge, tried, last = make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": PENALTIES}, Holdout(fraction)
    return GridSearchCV(ridge, tried, cv=last, scoring="neg_mean_squared_error", error_score="raise")


CHUNK = 1 << 15
"""Rows whose windows are laid out at a time by `LongRidge`."""


@dataclass(eq=False, repr=False)
class LongRidge(SequenceRegressor):
    """What `Windowed(tune_ridge(fraction))` learns, to rounding, without all windows of a long series in memory.

    Sums of products of window and targets, over the rows that train and those that validate, hold all that is needed.

    Args:
        window: Values that a forecast reads, the newest among them.
        covariates: Whether the columns of `X` after the first go along.
        fraction: Part of the rows, the newest ones, that chooses the penalty.
    """

    window: int = STUDY.window
    covariates: bool = False
    fraction: float = STUDY.validation_share

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Choose the penalty on the newest rows, then fit on every row whose whole window and targets are observed.

        Raises:
            InputError: No row has a whole window, or a covariate is missing.
        """
        rows, targets = self._check_training(X, y)
        self.targets_ = targets.shape[1]
        usable = find_whole_windows(rows[:, 0], self.window) & ~np.isnan(targets).any(axis=1)
        at = np.flatnonzero(usable)
        if len(at) < 2:
            raise InputError(f"{len(at)} rows have {self.window} observed values; use a shorter window or more rows")
        cut = at[first_validation_row(len(at), self.fraction)]
        # Sums of squares lose digits where values are far from 0.
        self.centre_ = np.concatenate([np.repeat(np.nanmean(rows[:, 0]), self.window), np.nanmean(rows[:, 1:], axis=0)])
        self.centre_ = self.centre_[: self.window + (rows.shape[1] - 1) * self.covariates]
        self.middle_ = np.nanmean(targets, axis=0)
        older, newer = (self._add_up(rows, targets, usable, part) for part in ((0, cut), (cut, len(rows))))
        losses = np.array([self._losses(newer, *self._solve(older, penalty)) for penalty in PENALTIES])
        self.penalties_ = np.array(PENALTIES)[losses.argmin(axis=0)]
        solved = [self._solve(older + newer, penalty) for penalty in self.penalties_]
        self.weights_ = np.column_stack([weights[:, target] for target, (weights, _) in enumerate(solved)])
        self.intercept_ = np.array([intercept[target] for target, (_, intercept) in enumerate(solved)])
        return self

    def _add_up(self, rows: Array, targets: Array, usable: Mask, part: tuple[int, int]) -> Array:
        """Return the sums of products of 1, what is shown of each usable row, and its targets, centred."""
        width = 1 + len(self.centre_) + self.targets_
        sums = np.zeros((width, width))
        for begin in range(*part, CHUNK):
            known = usable[begin : min(begin + CHUNK, part[1])]
            design = self._lay_out(rows, begin, begin + len(known))[known] - self.centre_
            goals = targets[begin : begin + len(known)][known] - self.middle_
            joined = np.column_stack([np.ones(len(design)), design, goals])
            sums += joined.T @ joined
        return sums

    def _lay_out(self, rows: Array, begin: int, end: int) -> Array:
        """Return what is shown of some rows of a stretch."""
        first = max(begin - self.window + 1, 0)
        return self._design(rows[first:end])[begin - first :]

    def _solve(self, sums: Array, penalty: float) -> tuple[Array, Array]:
        """Fit a ridge regression of standardised columns; return weights and intercept for the centred ones."""
        count, mean, inputs = sums[0, 0], sums[0, 1:] / sums[0, 0], len(self.centre_)
        products = sums[1:, 1:] - count * np.outer(mean, mean)
        square, cross = products[:inputs, :inputs], products[:inputs, inputs:]
        spread = np.sqrt(np.maximum(np.diag(square), 0) / count)
        spread = np.where(spread > 1e-12 * (1 + np.abs(self.centre_)), spread, 1.0)
        square = square / np.outer(spread, spread) + penalty * np.eye(inputs)
        weights = linalg.solve(square, cross / spread[:, None], assume_a="pos") / spread[:, None]
        return weights, mean[inputs:] - mean[:inputs] @ weights

    def _losses(self, sums: Array, weights: Array, intercept: Array) -> Array:
        """Return the sum of squared errors over the rows of some sums, `(targets,)`."""
        errors = np.vstack([-intercept, -weights, np.eye(self.targets_)])
        losses: Array = np.sum(errors * (sums @ errors), axis=0)
        return losses

    def _forecast(self, rows: Array) -> Array:
        shift = self.middle_ + self.intercept_ - self.centre_ @ self.weights_
        begins = range(0, len(rows), CHUNK)
        parts = [self._lay_out(rows, begin, min(begin + CHUNK, len(rows))) @ self.weights_ for begin in begins]
        forecast: Array = np.concatenate(parts) + shift
        return forecast


@dataclass(frozen=True)
class Holdout:
    """A cross-validator with one split: the last `fraction` of the rows validates, the rows before it train."""

    fraction: float

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
    """Refuse a covariate that is not known in a row whose value is."""
    missing = np.isnan(rows[:, 1:]) & ~np.isnan(rows[:, :1])
    if missing.any():
        row, column = np.argwhere(missing)[0]
        raise InputError(f"column {column + 1} of X is NaN in row {row}; fill it, or mark an outage by NaN in column 0")


class LastValue(SequenceRegressor):
    """Forecast that nothing changes: every horizon gets the newest value."""

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Learn how many horizons there are."""
        self.targets_ = self._check_training(X, y)[1].shape[1]
        return self

    def _forecast(self, rows: Array) -> Array:
        return np.repeat(rows[:, :1], self.targets_, axis=1)


@dataclass(eq=False, repr=False)
class SeasonalNaive(LastValue):
    """Forecast what was one season earlier; before a season has passed, the newest value.

    Args:
        columns: For each target, the column of `X` that holds the value one season before it.
    """

    columns: Sequence[int] = (0,)

    def _forecast(self, rows: Array) -> Array:
        return rows[:, [self.columns[target % len(self.columns)] for target in range(self.targets_)]]


@dataclass(eq=False, repr=False)
class BinnedLogistic(RegressorMixin, BaseEstimator):
    """Multinomial logistic regression over quantile bins; the forecast is the probability-weighted bin mean.

    Paper A, Table 2 names *logistic regression*, a classifier, for a numeric target and does not say how; this is the
    reading here.

    Args:
        bins: Number of quantile bins; ties make fewer.
        C: Inverse strength of the L2 penalty.
        max_rows: Largest number of rows to learn from; beyond it, evenly spaced ones are taken.
        max_iter: Largest number of iterations of the solver.
    """

    bins: int = 20
    C: float = 1.0
    max_rows: int = 20_000
    max_iter: int = 100

    def __sklearn_tags__(self) -> Any:
        """Say that small noisy samples are not its field."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Learn the bins, their means, and the classifier: `X` `(rows, features)`, `y` `(rows,)`."""
        rows, target = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        if len(rows) > self.max_rows:
            kept = np.linspace(0, len(rows) - 1, self.max_rows).round().astype(int)
            rows, target = rows[kept], target[kept]
        edges = np.unique(np.quantile(target, np.linspace(0, 1, self.bins + 1)[1:-1]))
        labels = np.searchsorted(edges, target, side="left")
        self.means_ = np.array([target[labels == label].mean() for label in np.unique(labels)], dtype=np.float64)
        self.scaler_ = StandardScaler().fit(rows)
        self.classifier_, self.n_iter_ = None, 1
        if len(self.means_) > 1:
            solver = LogisticRegression(C=self.C, max_iter=self.max_iter, tol=1e-3)
            with warnings.catch_warnings():  # that the iterations ran out: their bound is a setting here
                warnings.simplefilter("ignore", ConvergenceWarning)
                self.classifier_ = solver.fit(self.scaler_.transform(rows), labels)
            self.n_iter_ = int(self.classifier_.n_iter_.max())
        return self

    def predict(self, X: npt.ArrayLike) -> Array:
        """Return the probability-weighted bin means, `(rows,)`."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        if self.classifier_ is None:
            return np.full(len(rows), self.means_[0])
        return np.asarray(self.classifier_.predict_proba(self.scaler_.transform(rows)) @ self.means_)


@dataclass(eq=False, repr=False)
class BoostedTrees(RegressorMixin, BaseEstimator):
    """XGBoost whose depth and number of trees the last rows choose; then all rows are learnt.

    Args:
        depths: Tree depths to try.
        rounds: Largest number of trees.
        learning_rate: Shrinkage of a tree.
        patience: Trees without a better validation error after which to stop.
        fraction: Part of the rows, the newest ones, that validates.
        random_state: Seed of row and column sampling.
    """

    depths: Sequence[int] = (3, 6)
    rounds: int = 400
    learning_rate: float = 0.1
    patience: int = 20
    fraction: float = STUDY.validation_share
    random_state: int | None = None

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Choose on the last rows, then fit all. `X` is `(rows, features)`, `y` `(rows,)`."""
        import xgboost

        rows, target = validate_data(self, X, y, dtype=np.float32, y_numeric=True)
        cut = first_validation_row(len(rows), self.fraction)
        older = xgboost.QuantileDMatrix(rows[:cut], target[:cut], nthread=1)  # one set of bins serves every depth
        newer = xgboost.QuantileDMatrix(rows[cut:], target[cut:], ref=older, nthread=1)
        stop: dict[str, Any] = {"evals": [(newer, "newer")], "early_stopping_rounds": self.patience}
        best = (np.inf, 0, 0)
        for depth in self.depths:
            settings = self._trees(depth, self.rounds).get_xgb_params()
            trial = xgboost.train(settings, older, self.rounds, **stop, verbose_eval=False)
            best = min(best, (float(trial.best_score), depth, int(trial.best_iteration) + 1))
        self.depth_, self.rounds_ = best[1:]
        self.trees_ = self._trees(self.depth_, self.rounds_).fit(rows, target)
        return self

    def predict(self, X: npt.ArrayLike) -> Array:
        """Return the sum of the trees, `(rows,)`."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float32, reset=False)
        return np.asarray(self.trees_.predict(rows), dtype=np.float64)

    def _trees(self, depth: int, rounds: int) -> Any:
        from xgboost import XGBRegressor

        chance = {"subsample": 0.8, "colsample_bytree": 0.8, "random_state": self.random_state}
        rate = self.learning_rate
        return XGBRegressor(max_depth=depth, n_estimators=rounds, learning_rate=rate, n_jobs=1, **chance)
