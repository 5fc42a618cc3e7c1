"""The paper's LSTM as a scikit-learn regressor."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, check_random_state

from edgeresearch.errors import InputError
from edgeresearch.forecast.modules import WindowLSTM
from edgeresearch.forecast.protocol import Array, Mask
from edgeresearch.forecast.rows import WindowStream, lag_matrix, prediction_rows, segments, training_rows
from edgeresearch.forecast.train import Batches, train


class PaperLSTM(RegressorMixin, BaseEstimator):
    """Paper A, section 3: an LSTM over a sliding window of past QPS, trained on the MSE, forecasts the next value.

    The paper gives the gates and the loss, but no width, window, step or number of epochs: these are settings here.
    Covariates are not read.

    Args:
        window: Past values that it sees.
        hidden: Width of the hidden state.
        epochs: Passes over the training windows.
        batch: Windows in a batch.
        learning_rate: Step of Adam.
        max_windows: Windows drawn for an epoch.
        accelerator: Lightning's word for where to train.
        random_state: Seed of the weights and of the order of windows.
    """

    def __init__(
        self,
        window: int = 60,
        hidden: int = 32,
        epochs: int = 10,
        batch: int = 128,
        learning_rate: float = 3e-3,
        max_windows: int = 20_000,
        accelerator: str = "auto",
        random_state: int | None = None,
    ) -> None:
        self.window = window
        self.hidden = hidden
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.max_windows = max_windows
        self.accelerator = accelerator
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        """Say that NaN is allowed: it marks an outage."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True
        return tags

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Train on windows of column 0 of `X`, `(rows, features)`; `y` is `(rows,)` or `(rows, targets)`.

        Raises:
            InputError: No row has a whole window.
        """
        rows, targets = training_rows(self, X, y)
        windows, wanted = self._windows(rows[:, 0], targets)
        if not len(wanted):
            raise InputError(
                f"no stretch of {self.window} observed values among n_samples = {len(rows)} rows; "
                "use a shorter window or a longer series"
            )
        observed = rows[~np.isnan(rows[:, 0]), 0]
        self.mean_ = float(observed.mean())
        self.scale_ = float(observed.std()) or 1.0
        self.targets_ = targets.shape[1]
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        generator = torch.Generator().manual_seed(seed)
        self.module_ = WindowLSTM(self.hidden, self.targets_, self.learning_rate, generator)
        tensors = (self._tensor(windows), torch.from_numpy(((wanted - self.mean_) / self.scale_).astype(np.float32)))
        train(
            self.module_,
            Batches(tensors, self.batch, generator, limit=self.max_windows),
            self.epochs,
            accelerator=self.accelerator,
        )
        return self

    def predict(self, X: npt.ArrayLike) -> Array:
        """Forecast from each row; NaN where the newest value is not observed."""
        check_is_fitted(self)
        rows = prediction_rows(self, X)
        forecast = np.full((len(rows), self.targets_), np.nan)
        for part in segments(~np.isnan(rows[:, 0])):
            windows = lag_matrix(rows[part, 0], self.window)
            pieces = np.array_split(windows, -(-len(windows) // 4096))
            forecast[part] = np.concatenate([self._apply(piece) for piece in pieces])
        return forecast[:, 0] if self.flat_ else forecast

    def stream(self) -> WindowStream:
        """Return a live twin of `predict`: the whole window is read again at each step."""
        check_is_fitted(self)
        return WindowStream(self._newest, self.window, self.targets_)

    def _newest(self, rows: Array) -> Array:
        lags = rows[:, 0]
        if len(lags) < self.window:
            lags = np.concatenate([np.full(self.window - len(lags), lags[0]), lags])
        return self._apply(lags[None])

    def _apply(self, windows: Array) -> Array:
        with torch.inference_mode():
            scaled = self.module_(self._tensor(windows)).numpy()
        return np.asarray(scaled, dtype=np.float64) * self.scale_ + self.mean_

    def _tensor(self, windows: Array) -> torch.Tensor:
        return torch.from_numpy(((windows - self.mean_) / self.scale_).astype(np.float32))[..., None]

    def _windows(self, values: Array, targets: Array) -> tuple[Array, Array]:
        windows, wanted = [np.empty((0, self.window))], [np.empty((0, targets.shape[1]))]
        for part in segments(~np.isnan(values)):
            known: Mask = np.asarray(~np.isnan(targets[part]).any(axis=1))
            known[: self.window - 1] = False
            windows.append(lag_matrix(values[part], self.window)[known])
            wanted.append(targets[part][known])
        return np.concatenate(windows), np.concatenate(wanted)
