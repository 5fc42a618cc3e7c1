"""The project's LSTM as a scikit-learn regressor: many-to-many, correcting a base forecast, chosen on validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, check_random_state

from edgeresearch.forecast.baselines import holdout
from edgeresearch.forecast.cell import Cell, stack
from edgeresearch.forecast.modules import SequenceLSTM
from edgeresearch.forecast.protocol import Array
from edgeresearch.forecast.rows import prediction_rows, segments, training_rows, whole
from edgeresearch.forecast.skip import Skip, Variant
from edgeresearch.forecast.train import Chunks, train

VARIANTS = (Variant("ridge", True), Variant("last", True))
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)
BLOCKS = 8
WARM_UP = 1440
"""Rows before those that judge a trial which its networks read, to fill their state."""


class ResidualLSTM(RegressorMixin, BaseEstimator):
    """Forecast = base forecast + local scale x LSTM, the mean of several members.

    Differs from Paper A's network in what it is shown and asked, not in its cell: every step of a long sequence is a
    training example, the state is kept from step to step, and the network corrects a last value or ridge forecast
    instead of replacing it (see `skip`). The newest rows of what `fit` gets validate: they choose the ridge penalty,
    the number of epochs and the variant, where another than the first must be better by two standard errors; then all
    rows are learnt.

    Args:
        window: Values that the ridge regression reads; the network itself has no window.
        hidden: Width of the hidden state.
        epochs: Passes over the series, at most.
        chunk: Steps of a training sequence.
        batch: Sequences in a batch.
        learning_rate: Largest step of AdamW.
        weight_decay: AdamW's decay.
        members: Networks whose mean is the forecast.
        loss: `mse`, or `huber` for a low mean absolute error; validation then goes by that error.
        delta: Where Huber's loss turns linear, in standard deviations of the residual.
        variants: What validation picks from; the first is taken in doubt.
        memory: Steps over which the local scale forgets.
        fraction: Part of the rows, the newest ones, that validates.
        patience: Epochs without a better validation loss after which to stop.
        accelerator: Lightning's word for where to train.
        random_state: Seed of weights, offsets and order.
    """

    def __init__(
        self,
        window: int = 60,
        hidden: int = 32,
        epochs: int = 30,
        chunk: int = 64,
        batch: int = 16,
        learning_rate: float = 5e-3,
        weight_decay: float = 0.01,
        members: int = 3,
        loss: Literal["mse", "huber"] = "mse",
        delta: float = 0.5,
        variants: Sequence[Variant] = VARIANTS,
        memory: float = 60.0,
        fraction: float = 0.125,
        patience: int = 8,
        accelerator: str = "auto",
        random_state: int | None = None,
    ) -> None:
        self.window = window
        self.hidden = hidden
        self.epochs = epochs
        self.chunk = chunk
        self.batch = batch
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.members = members
        self.loss = loss
        self.delta = delta
        self.variants = variants
        self.memory = memory
        self.fraction = fraction
        self.patience = patience
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
        """Choose on the newest rows, then train on all: `X` `(rows, features)`, `y` `(rows,)` or `(rows, targets)`."""
        rows, targets = training_rows(self, X, y)
        whole(rows)
        random = check_random_state(self.random_state)
        seeds = [int(seed) for seed in random.randint(2**31 - 1, size=2)]
        cut = holdout(len(rows), self.fraction)
        trials = [self._trial(rows, targets, cut, variant, seeds[0]) for variant in self.variants]
        best = min(trials, key=lambda trial: float(np.mean(trial.ratios)))
        if not _clearly(best.ratios, trials[0].ratios):
            best = trials[0]
        self.trials_ = {str(trial.skip.variant): float(np.mean(trial.ratios)) for trial in trials}
        self.variant_ = best.skip.variant
        self.epochs_ = best.epochs
        parts = segments(~np.isnan(rows[:, 0]))
        penalties = [(float(penalty) or PENALTIES[-1],) for penalty in best.skip.penalty]  # 0 where too few rows chose
        self.skip_ = self._skip(rows, targets, parts, len(rows), self.variant_, penalties)
        self.targets_ = targets.shape[1]
        module, _ = self._train(rows, targets, parts, self.skip_, seeds[1], epochs=best.epochs)
        self.cell_ = stack(module)
        return self

    def predict(self, X: npt.ArrayLike) -> Array:
        """Forecast from each row; NaN where the newest value is not observed."""
        check_is_fitted(self)
        rows = prediction_rows(self, X)
        whole(rows)
        forecast = _forecast(rows, segments(~np.isnan(rows[:, 0])), self.skip_, self.cell_)
        return forecast[:, 0] if self.flat_ else forecast

    def stream(self) -> "ResidualStream":
        """Return a live twin of `predict` that keeps the state: a step costs the same however long the past."""
        check_is_fitted(self)
        return ResidualStream(self.skip_, self.cell_)

    def _trial(self, rows: Array, targets: Array, cut: int, variant: Variant, seed: int) -> "_Trial":
        """Train before `cut` and judge on the rows after it."""
        parts = segments(~np.isnan(rows[:, 0]))
        skip = self._skip(rows, targets, parts, cut, variant, [PENALTIES] * targets.shape[1])
        before = [slice(part.start, min(part.stop, cut)) for part in parts if part.start < cut]
        module, epochs = self._train(rows, targets, before, skip, seed, cut=cut)
        begin = max(0, cut - WARM_UP)
        judged = rows[begin:]
        forecast = _forecast(judged, segments(~np.isnan(judged[:, 0])), skip, stack(module))[cut - begin :]
        return _Trial(skip, epochs, self._ratios(rows[cut:], targets[cut:], forecast))

    def _skip(
        self,
        rows: Array,
        targets: Array,
        parts: list[slice],
        cut: int,
        variant: Variant,
        penalties: Sequence[Sequence[float]],
    ) -> Skip:
        return Skip.fit(
            rows, targets, parts, variant=variant, window=self.window, memory=self.memory, penalties=penalties, cut=cut
        )

    def _train(
        self,
        rows: Array,
        targets: Array,
        parts: list[slice],
        skip: Skip,
        seed: int,
        *,
        epochs: int | None = None,
        cut: int | None = None,
    ) -> tuple[SequenceLSTM, int]:
        """Train on `parts`, for so many epochs or, with a `cut`, until the rows after it are forecast no better."""
        generator = torch.Generator().manual_seed(seed)
        inputs, goals, known = _tensors(rows, targets, segments(~np.isnan(rows[:, 0])), skip)
        chunks = Chunks((inputs, goals, known), parts, self.chunk, self.batch, generator)
        module = SequenceLSTM(
            inputs.shape[1],
            self.hidden,
            goals.shape[1],
            members=self.members,
            loss=self.loss,
            delta=self.delta,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            total_steps=max(len(chunks), 1) * self.epochs + 1,
            warm_up=min(10, self.chunk // 4),
            generator=generator,
        )
        if cut is None:
            return module, train(
                module, chunks, self.epochs if epochs is None else epochs, accelerator=self.accelerator
            )
        start = max(0, cut - 4 * self.chunk)

        def validate(trained: SequenceLSTM) -> float:
            forecast = trained(inputs[None, start:].to(trained.device)).mean(dim=0)[0, cut - start :].cpu()
            return float(trained.error(forecast, goals[cut:], known[cut:]))

        best = train(
            module, chunks, self.epochs, validate=validate, patience=self.patience, accelerator=self.accelerator
        )
        return module, best

    def _ratios(self, rows: Array, targets: Array, forecast: Array) -> Array:
        """Log ratios of the error to the last value's, block by block, so that no single burst decides."""
        power = 2 if self.loss == "mse" else 1
        ratios = []
        for target in range(targets.shape[1]):
            known = ~np.isnan(targets[:, target]) & ~np.isnan(forecast[:, target])
            ours = np.abs(forecast[known, target] - targets[known, target]) ** power
            naive = np.abs(rows[known, 0] - targets[known, target]) ** power
            for a, b in zip(np.array_split(ours, BLOCKS), np.array_split(naive, BLOCKS), strict=True):
                if len(a):
                    ratios.append(np.log((a.mean() + 1e-12) / (b.mean() + 1e-12)))
        return np.array(ratios or [0.0])


def _clearly(ratios: Array, others: Array) -> bool:
    """Whether block by block the first log ratios are lower by more than two standard errors."""
    margin = ratios - others
    return float(np.mean(margin)) < -2 * float(np.std(margin)) / float(np.sqrt(max(len(margin) - 1, 1)))


@dataclass(frozen=True)
class _Trial:
    skip: Skip
    epochs: int
    ratios: Array


class ResidualStream:
    """A `ResidualLSTM` at work: keeps window, local scale and the networks' state."""

    _lags: Array | None
    _power: float
    _hidden: Array
    _memory: Array

    def __init__(self, skip: Skip, cell: Cell) -> None:
        """Start without history."""
        self._skip = skip
        self._cell = cell
        self._lags = None
        self._power = skip.variance
        self._hidden, self._memory = cell.start()

    def update(self, row: npt.ArrayLike) -> Array:
        """Take the newest row and forecast from it; an outage (NaN) empties the state."""
        newest = np.asarray(row, dtype=np.float64).ravel()
        if np.isnan(newest.sum()):  # one cheap look at each step, two exact ones where it finds something
            whole(newest[None])
            if np.isnan(newest[0]):
                self._forget()
                return np.full(len(self._skip.intercept), np.nan)
        lags = self._lags
        if lags is None:
            lags = self._lags = np.full(self._skip.window, newest[0])
        change = newest[0] - lags[-1]
        lags[:-1] = lags[1:]
        lags[-1] = newest[0]
        base, unit, inputs, self._power = self._skip.step(lags, newest, change, self._power)
        projected = (inputs @ self._cell.inputs + self._cell.bias).reshape(self._hidden.shape[0], 1, -1)
        self._hidden, self._memory = self._cell.step(projected, self._hidden, self._memory)
        forecast: Array = base + unit * (self._hidden.ravel() @ self._cell.head + self._cell.head_bias)
        return forecast

    def _forget(self) -> None:
        self._lags = None
        self._power = self._skip.variance
        self._hidden, self._memory = self._cell.start()


def _tensors(
    rows: Array, targets: Array, parts: list[slice], skip: Skip
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    inputs = np.zeros((len(rows), len(skip.centre)), dtype=np.float32)
    goals = np.full(targets.shape, np.nan)
    for part in parts:
        base, unit, inputs[part] = skip.apply(rows[part])
        goals[part] = (targets[part] - base) / unit
    known = ~np.isnan(goals)
    goals[~known] = 0.0
    return (
        torch.from_numpy(inputs),
        torch.from_numpy(goals.astype(np.float32)),
        torch.from_numpy(known.astype(np.float32)),
    )


def _forecast(rows: Array, parts: list[slice], skip: Skip, cell: Cell) -> Array:
    forecast = np.full((len(rows), len(skip.intercept)), np.nan)
    for part in parts:
        base, unit, inputs = skip.apply(rows[part])
        forecast[part] = base + unit * cell.run(inputs)
    return forecast
