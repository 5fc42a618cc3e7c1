"""Paper A's baselines (Table 2), and the ones that it omits: last value and seasonal naive."""

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xgboost
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from edgeresearch.forecasting.base import Array
from edgeresearch.forecasting.settings import STUDY
from edgeresearch.forecasting.windowed import SequenceRegressor, first_validation_row


class LastValue(SequenceRegressor):
    """Forecast that nothing changes: every horizon gets the newest value."""

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Learn how many horizons there are."""
        self.targets_ = self._check_training(X, y)[1].shape[1]
        return self

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
        return rows[:, [self.columns[target % len(self.columns)] for target in range(self.targets_)]]


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
        fraction: float = STUDY.validation_share,
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
        cut = first_validation_row(len(rows), self.fraction)
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
