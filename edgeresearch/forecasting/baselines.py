"""Paper A's baselines (Table 2), and the ones that it omits: last value and seasonal naive."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xgboost
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from edgeresearch.forecasting.base import Array, WindowStream
from edgeresearch.forecasting.windowed import prediction_rows, training_rows


@dataclass(frozen=True)
class Holdout:
    """A cross-validator with one split: the last `fraction` of the rows validates, the rows before it train."""

    fraction: float = 0.125

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Any, Any]]:
        """Yield the training rows and the validation rows."""
        cut = holdout(len(X), self.fraction)
        yield np.arange(cut), np.arange(cut, len(X))

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return 1."""
        return 1


def holdout(rows: int, fraction: float) -> int:
    """Return the first row of the validation part, with at least one row on either side."""
    return min(max(round(rows * (1 - fraction)), 1), rows - 1)


class LastValue(RegressorMixin, BaseEstimator):
    """Forecast that nothing changes: every horizon gets the newest value."""

    def __sklearn_tags__(self) -> Any:
        """Say that NaN is allowed: it marks an outage."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True
        return tags

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Learn how many horizons there are."""
        self.targets_ = training_rows(self, X, y)[1].shape[1]
        return self

    def predict(self, X: npt.ArrayLike) -> Array:
        """Return column 0, once per horizon."""
        check_is_fitted(self)
        forecast = self._forecast(prediction_rows(self, X))
        return forecast[:, 0] if self.flat_ else forecast

    def stream(self) -> WindowStream:
        """Return a live twin of `predict`."""
        check_is_fitted(self)
        return WindowStream(self._forecast, 1, self.targets_)

    def _forecast(self, rows: Array) -> Array:
        return np.repeat(rows[:, :1], self.targets_, axis=1)


class SeasonalNaive(LastValue):
    """Forecast what was one season earlier; before a season has passed, the newest value.

    Args:
        columns: For each target, the column of `X` that holds the value one season before it.
    """

    def __init__(self, columns: Sequence[int] = (0,)) -> None:
        self.columns = columns

    def _forecast(self, rows: Array) -> Array:
        forecast = rows[:, [self.columns[target % len(self.columns)] for target in range(self.targets_)]].copy()
        forecast[np.isnan(rows[:, 0])] = np.nan
        return forecast


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

    def __init__(self, bins: int = 20, C: float = 1.0, max_rows: int = 20_000, max_iter: int = 100) -> None:
        self.bins = bins
        self.C = C
        self.max_rows = max_rows
        self.max_iter = max_iter

    def __sklearn_tags__(self) -> Any:
        """Say that small noisy samples are not its field."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Learn the bins, their means, and the classifier. `X` is `(rows, features)`, `y` `(rows,)`."""
        rows, target = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        if len(rows) > self.max_rows:
            kept = np.linspace(0, len(rows) - 1, self.max_rows).round().astype(int)
            rows, target = rows[kept], target[kept]
        edges = np.unique(np.quantile(target, np.linspace(0, 1, self.bins + 1)[1:-1]))
        labels = np.searchsorted(edges, target, side="left")
        present = np.unique(labels)
        self.means_ = np.array([target[labels == label].mean() for label in present], dtype=np.float64)
        self.scaler_ = StandardScaler().fit(rows)
        self.classifier_ = None
        self.n_iter_ = 1
        if len(present) > 1:
            solver = LogisticRegression(C=self.C, max_iter=self.max_iter, tol=1e-3)
            self.classifier_ = _quietly(solver, self.scaler_.transform(rows), labels)
            self.n_iter_ = int(self.classifier_.n_iter_.max())
        return self

    def predict(self, X: npt.ArrayLike) -> Array:
        """Return the probability-weighted bin means, `(rows,)`."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        if self.classifier_ is None:
            return np.full(len(rows), self.means_[0])
        weighted: Array = self.classifier_.predict_proba(self.scaler_.transform(rows)) @ self.means_
        return weighted


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

    def __init__(
        self,
        depths: Sequence[int] = (3, 6),
        rounds: int = 400,
        learning_rate: float = 0.1,
        patience: int = 20,
        fraction: float = 0.125,
        random_state: int | None = None,
    ) -> None:
        self.depths = depths
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.patience = patience
        self.fraction = fraction
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Choose on the last rows, then fit all. `X` is `(rows, features)`, `y` `(rows,)`."""
        rows, target = validate_data(self, X, y, dtype=np.float32, y_numeric=True)
        cut = holdout(len(rows), self.fraction)
        older = xgboost.QuantileDMatrix(rows[:cut], target[:cut], nthread=1)  # one set of bins serves every depth
        newer = xgboost.QuantileDMatrix(rows[cut:], target[cut:], ref=older, nthread=1)
        best = (np.inf, 0, 0)
        for depth in self.depths:
            trial = xgboost.train(
                self._trees(depth, self.rounds).get_xgb_params(),
                older,
                self.rounds,
                evals=[(newer, "newer")],
                early_stopping_rounds=self.patience,
                verbose_eval=False,
            )
            best = min(best, (float(trial.best_score), depth, int(trial.best_iteration) + 1))
        self.depth_, self.rounds_ = best[1:]
        self.trees_ = self._trees(self.depth_, self.rounds_).fit(rows, target)
        return self

    def predict(self, X: npt.ArrayLike) -> Array:
        """Return the sum of the trees, `(rows,)`."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float32, reset=False)
        return np.asarray(self.trees_.predict(rows), dtype=np.float64)

    def _trees(self, depth: int, rounds: int) -> xgboost.XGBRegressor:
        return xgboost.XGBRegressor(
            max_depth=depth,
            n_estimators=rounds,
            learning_rate=self.learning_rate,
            subsample=0.8,
            colsample_bytree=0.8,
            random_state=self.random_state,
            n_jobs=1,
        )


def _quietly(solver: LogisticRegression, rows: Array, labels: Any) -> LogisticRegression:
    """Fit without the warning that the iterations ran out: a bound on them is a setting here."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return solver.fit(rows, labels)
