"""LSTM forecasters: the project's, which corrects a base forecast, and Paper A's."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import solve
from scipy.signal import lfilter
from sklearn.utils.validation import check_is_fitted, check_random_state

from edgeresearch.forecasting.base import CONTEXT, Array, Mask, WindowStream, find_segments, make_lags
from edgeresearch.forecasting.baselines import PENALTIES, SequenceRegressor, check_whole, first_validation_row
from edgeresearch.forecasting.settings import STUDY
from edgeresearch.nn import Batches, Chunks, SequenceLSTM, WindowLSTM, train


@dataclass(frozen=True)
class NumpyLSTM:
    """Stacked weights of several LSTMs with one head each, for inference.

    The gates stand in the order input, forget, output, candidate (Paper A, section 3: i, f, o, C'). σ(x) = (1 +
    tanh(x/2))/2, so that one tanh serves all four: the halves are in the weights.

    Attributes:
        inputs: `(features, members · 4 · hidden)`.
        recurrent: `(members, hidden, 4 · hidden)`.
        bias: `(members · 4 · hidden,)`.
        head: `(members · hidden, targets)`, divided by the number of members: the forecast is their mean.
        head_bias: `(targets,)`.
    """

    inputs: Array
    recurrent: Array
    bias: Array
    head: Array
    head_bias: Array

    def start(self) -> tuple[Array, Array]:
        """Return the hidden state and the memory before the first step, each `(members, 1, hidden)`."""
        members, hidden, _ = self.recurrent.shape
        return np.zeros((members, 1, hidden)), np.zeros((members, 1, hidden))

    def step(self, projected: Array, hidden: Array, memory: Array) -> tuple[Array, Array]:
        """Return the next hidden state h and memory C, from those before and the step's `inputs · features + bias`."""
        width = hidden.shape[2]
        gates = np.tanh(projected + hidden @ self.recurrent)
        sigmoid = gates[:, :, : 3 * width] * 0.5 + 0.5
        memory = sigmoid[:, :, width : 2 * width] * memory + sigmoid[:, :, :width] * gates[:, :, 3 * width :]
        return sigmoid[:, :, 2 * width :] * np.tanh(memory), memory

    def run(self, features: Array) -> Array:
        """Forecast at every step of a sequence without a past: `(steps, features)` → `(steps, targets)`."""
        members, width, gates = self.recurrent.shape
        projected = (features @ self.inputs + self.bias).reshape(len(features), members, 1, gates)
        hidden, memory = self.start()
        outputs = np.empty((len(features), members * width))
        for step, inputs in enumerate(projected):
            hidden, memory = self.step(inputs, hidden, memory)
            outputs[step] = hidden.ravel()
        return outputs @ self.head + self.head_bias


def export_weights(module: SequenceLSTM) -> NumpyLSTM:
    """Take the weights of a trained module; the members' mean is the forecast."""
    weights = {name: tensor.detach().cpu().numpy().astype(np.float64) for name, tensor in module.state_dict().items()}
    members, width = len(module.lstms), weights["heads.0.weight"].shape[1]
    # torch's gates stand in the order i, f, C', o
    rows = np.concatenate([np.arange(gate * width, (gate + 1) * width) for gate in (0, 1, 3, 2)])
    halves = np.repeat([0.5, 0.5, 0.5, 1.0], width)
    inputs, recurrent, bias = [], [], []
    for k in range(members):
        inputs.append((weights[f"lstms.{k}.weight_ih_l0"][rows] * halves[:, None]).T)
        recurrent.append((weights[f"lstms.{k}.weight_hh_l0"][rows] * halves[:, None]).T)
        bias.append((weights[f"lstms.{k}.bias_ih_l0"] + weights[f"lstms.{k}.bias_hh_l0"])[rows] * halves)
    return NumpyLSTM(
        inputs=np.ascontiguousarray(np.concatenate(inputs, axis=1)),
        recurrent=np.ascontiguousarray(np.stack(recurrent)),
        bias=np.concatenate(bias),
        head=np.concatenate([weights[f"heads.{k}.weight"].T for k in range(members)]) / members,
        head_bias=np.mean([weights[f"heads.{k}.bias"] for k in range(members)], axis=0),
    )


@dataclass(eq=False, repr=False)
class PaperLSTM(SequenceRegressor):
    """Paper A, section 3: an LSTM over a sliding window of past QPS, trained on the MSE, forecasts the next value.

    The paper gives the gates and the loss, but no width, window, step or number of epochs: these are settings here.
    Covariates are not read. What is not told here is told at `PaperLSTMSettings`.

    Args:
        window: Past values that it sees.
        accelerator: Lightning's word for where to train.
        random_state: Seed of the weights and of the order of windows.
    """

    window: int = STUDY.window
    hidden: int = STUDY.lstm_paper.hidden
    epochs: int = STUDY.lstm_paper.epochs
    batch: int = STUDY.lstm_paper.batch
    learning_rate: float = STUDY.lstm_paper.learning_rate
    max_windows: int = STUDY.lstm_paper.max_windows
    accelerator: str = "auto"
    random_state: int | None = None

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Train on windows of column 0 of `X`, `(rows, features)`; `y` is `(rows,)` or `(rows, targets)`.

        Raises:
            InputError: No row has a whole window.
        """
        rows, targets = self._check_training(X, y)
        windows, wanted = self._collect(rows, targets)
        observed = rows[~np.isnan(rows[:, 0]), 0]
        self.mean_ = float(observed.mean())
        self.scale_ = float(observed.std()) or 1.0
        self.targets_ = targets.shape[1]
        generator = torch.Generator().manual_seed(int(check_random_state(self.random_state).randint(2**31 - 1)))
        self.module_ = WindowLSTM(self.hidden, self.targets_, self.learning_rate, generator)
        tensors = (self._tensor(windows), torch.from_numpy(((wanted - self.mean_) / self.scale_).astype(np.float32)))
        batches = Batches(tensors, self.batch, generator, limit=self.max_windows)
        train(self.module_, batches, self.epochs, accelerator=self.accelerator)
        return self

    def stream(self) -> WindowStream:
        """Return a live twin of `predict`: the whole window is read again at each step."""
        check_is_fitted(self)
        return WindowStream(lambda rows: self._apply(self._design(rows)[-1:]), self.window, self.targets_)

    def _forecast(self, rows: Array) -> Array:
        pieces = np.array_split(self._design(rows), -(-len(rows) // 4096))
        return np.concatenate([self._apply(piece) for piece in pieces])

    def _apply(self, windows: Array) -> Array:
        with torch.inference_mode():
            scaled = self.module_(self._tensor(windows)).numpy()
        return np.asarray(scaled, dtype=np.float64) * self.scale_ + self.mean_

    def _tensor(self, windows: Array) -> torch.Tensor:
        return torch.from_numpy(((windows - self.mean_) / self.scale_).astype(np.float32))[..., None]


FLOOR = 0.1
"""Part of the training mean in the local scale."""


Base: TypeAlias = Literal["ridge", "last value"]
"""What the network's output is added to: a ridge regression of window and covariates, or the last value."""


@dataclass(frozen=True)
class ResidualTarget:
    """A fitted base forecast, a local scale, and the features that the network sees.

    With v the newest value, the local scale s follows the changes of v as an exponentially weighted root mean square; a
    tenth of the training mean stays in it. The base forecast is v + window·w + covariates·u + b, where w, u, b minimise
    the squared residual divided by s².

    Attributes:
        window: Values that the ridge regression reads.
        decay: Weight of the newest squared change in the local scale.
        variance: Mean squared change in training.
        weights: `(window + covariates, targets)` of the ridge regression; all 0 for the last value.
        intercept: `(targets,)`.
        centre: Mean of each feature, `(features,)`.
        spread: Standard deviation of each feature.
        residual: Standard deviation of the scaled residuals, `(targets,)`.
        penalty: Ridge penalty per target, `(targets,)`.
    """

    window: int
    decay: float
    variance: float
    weights: Array
    intercept: Array
    centre: Array
    spread: Array
    residual: Array
    penalty: Array

    @classmethod
    def fit(
        cls,
        rows: Array,
        targets: Array,
        parts: list[slice],
        *,
        base: Base,
        window: int,
        memory: float,
        penalties: Sequence[Sequence[float]],
        cut: int,
    ) -> Self:
        """Fit on the rows before `cut`; those from there on choose among each target's ridge `penalties`.

        `rows` is `(rows, features)`, column 0 the value; `targets` `(rows, targets)`, NaN where not known; `parts` are
        the stretches without outage; the local scale forgets over `memory` steps.
        """
        changes = np.concatenate([np.diff(rows[part, 0]) for part in parts if part.start < cut])
        variance = float(np.mean(changes**2)) if len(changes) else 0.0
        zeros, decay = np.zeros(targets.shape[1]), 1 - float(np.exp(-1 / memory))
        weights = np.zeros((window + rows.shape[1] - 1, targets.shape[1]))
        draft = cls(window, decay, variance or 1.0, weights, zeros, np.zeros(1), np.ones(1), zeros + 1, zeros)
        usable = np.zeros(len(rows), dtype=bool)
        for part in parts:
            usable[part.start + min(window - 1, part.stop - part.start - 1) : part.stop] = True
        usable &= ~np.isnan(targets).any(axis=1)
        before = np.arange(len(rows)) < cut
        fitted, judged = usable & before, usable & ~before
        scale = np.full(len(rows), np.nan)
        for part in parts:
            scale[part] = draft._scales(rows[part, 0])
        if base == "ridge" and fitted.any():
            design = np.zeros((len(rows), len(weights)))
            for part in parts:
                design[part] = np.column_stack([make_lags(rows[part, 0], window), rows[part, 1:]])
            draft = draft._with_ridge(design, targets, scale, fitted, judged, penalties)
        forecast = np.full(targets.shape, np.nan)
        for part in parts:
            forecast[part] = draft._base(rows[part])
        residual = (targets - forecast) / scale[:, None]
        spread = np.sqrt(np.nanmean(residual[fitted] ** 2, axis=0)) if fitted.any() else np.ones(targets.shape[1])
        draft = replace(draft, residual=np.where(spread > 0, spread, 1.0))
        features = np.concatenate([draft._raw(rows[part])[2] for part in parts if part.start < cut])[:cut]
        deviation = features.std(axis=0)
        return replace(draft, centre=features.mean(axis=0), spread=np.where(deviation > 1e-12, deviation, 1.0))

    def apply(self, rows: Array) -> tuple[Array, Array, Array]:
        """Return base and unit of the network's output, both `(rows, targets)`, and its inputs `(rows, inputs)`."""
        base, scale, features = self._raw(rows)
        return base, scale[:, None] * self.residual, squash((features - self.centre) / self.spread)

    def step(self, lags: Array, row: Array, change: float, power: float) -> tuple[Array, Array, Array, float]:
        """Do for one step what `apply` does for many, and return the local mean squared change, `power`, besides.

        The `lags` stand oldest first, the newest value among them; `change` is that value less the one before.
        """
        power += self.decay * (change * change - power)
        scale = math.sqrt((1 - FLOOR) * power + FLOOR * self.variance)
        value = row[0]
        shift = lags @ self.weights[: self.window] + row[1:] @ self.weights[self.window :] + self.intercept
        features = np.empty(len(self.centre))
        known = len(row)
        features[:known] = row
        features[known] = change / scale
        features[known + 1 : -1] = shift / scale
        features[-1] = math.log(scale)
        return value + shift, scale * self.residual, squash((features - self.centre) / self.spread), power

    def _scales(self, values: Array) -> Array:
        squares = np.diff(values, prepend=values[0]) ** 2
        smooth, _ = lfilter([self.decay], [1, self.decay - 1], squares, zi=[(1 - self.decay) * self.variance])
        return np.asarray(np.sqrt((1 - FLOOR) * smooth + FLOOR * self.variance))

    def _base(self, rows: Array) -> Array:
        shift = self.intercept
        if self.weights.any():
            lags, known = make_lags(rows[:, 0], self.window), rows[:, 1:]
            shift = lags @ self.weights[: self.window] + known @ self.weights[self.window :] + shift
        return np.asarray(rows[:, :1] + shift)

    def _raw(self, rows: Array) -> tuple[Array, Array, Array]:
        values, scale, base = rows[:, 0], self._scales(rows[:, 0]), self._base(rows)
        changes = np.diff(values, prepend=values[0])
        shift = (base - values[:, None]) / scale[:, None]
        return base, scale, np.column_stack([rows, changes / scale, shift, np.log(scale)])

    def _with_ridge(
        self,
        design: Array,
        targets: Array,
        scale: Array,
        fitted: Mask,
        judged: Mask,
        penalties: Sequence[Sequence[float]],
    ) -> Self:
        weight = scale[fitted] ** -2.0
        weight /= weight.sum()
        centre, middle = weight @ design[fitted], weight @ targets[fitted]
        spread = design[fitted].std(axis=0)
        spread = np.where(spread > 1e-12, spread, 1.0)
        inputs, outputs = (design[fitted] - centre) / spread, targets[fitted] - middle
        square, cross = (inputs.T * weight) @ inputs, (inputs.T * weight) @ outputs
        chosen, weights = [], []
        for target, choices in enumerate(penalties):
            trials = []
            for penalty in choices:
                ridge = square + np.eye(len(square)) * penalty / fitted.sum()
                solution = solve(ridge, cross[:, target], assume_a="pos") / spread
                miss = (design[judged] - centre) @ solution + middle[target] - targets[judged, target]
                trials.append((float(np.sum((miss / scale[judged]) ** 2)), penalty, solution))
            _, penalty, solution = min(trials, key=lambda trial: trial[0])
            chosen.append(penalty)
            weights.append(solution)
        stacked = np.column_stack(weights)
        intercept = middle - centre @ stacked
        stacked[self.window - 1] -= 1  # the base forecast is a shift from the newest value
        return replace(self, weights=stacked, intercept=intercept, penalty=np.array(chosen))


def squash(features: Array) -> Array:
    """Bend what lies beyond ±3 logarithmically: a burst stays visible without drowning the rest."""
    size = np.abs(features)
    if size.size and size.max() <= 3:
        return features
    return np.where(size > 3, np.sign(features) * (3 + 3 * np.log(np.maximum(size, 3) / 3)), features)


BLOCKS = 8


@dataclass(eq=False, repr=False)
class ResidualLSTM(SequenceRegressor):
    """Forecast = base forecast + local scale x LSTM, the mean of several members.

    Differs from Paper A's network in what it is shown and asked, not in its cell: every step of a long sequence is a
    training example, the state is kept from step to step, and the network corrects a last value or ridge forecast
    instead of replacing it (see `ResidualTarget`). The newest rows of what `fit` gets validate: they choose the ridge
    penalty, the number of epochs and the base, where another than the first must be better by two standard errors; then
    all rows are learnt. What is not told here is told at `LSTMSettings`.

    Args:
        window: Values that the ridge regression reads; the network itself has no window.
        weight_decay: AdamW's decay.
        loss: `mse`, or `huber` for a low mean absolute error; validation then goes by that error.
        delta: Where Huber's loss turns linear, in standard deviations of the residual.
        bases: What validation picks from; the first is taken in doubt.
        memory: Steps over which the local scale forgets.
        fraction: Part of the rows, the newest ones, that validates.
        accelerator: Lightning's word for where to train.
        random_state: Seed of weights, offsets and order.
    """

    window: int = STUDY.window
    hidden: int = STUDY.lstm.hidden
    epochs: int = STUDY.lstm.epochs
    chunk: int = STUDY.lstm.chunk
    batch: int = STUDY.lstm.batch
    learning_rate: float = STUDY.lstm.learning_rate
    weight_decay: float = 0.01
    members: int = STUDY.lstm.members
    loss: Literal["mse", "huber"] = "mse"
    delta: float = 0.5
    bases: Sequence[Base] = ("ridge", "last value")
    memory: float = 60.0
    fraction: float = STUDY.validation_share
    patience: int = STUDY.lstm.patience
    accelerator: str = "auto"
    random_state: int | None = None
    covariates = True

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Choose on the newest rows, then train on all: `X` `(rows, features)`, `y` `(rows,)` or `(rows, targets)`."""
        rows, targets = self._check_training(X, y)
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=2)
        parts = find_segments(~np.isnan(rows[:, 0]))
        cut = first_validation_row(len(rows), self.fraction)
        fit_target = self._target_fit(rows, targets, parts)
        every = [PENALTIES] * targets.shape[1]
        trials = {
            base: self._try(rows, targets, parts, cut, fit_target(base=base, penalties=every, cut=cut), int(seeds[0]))
            for base in self.bases
        }
        self.trials_ = {base: float(np.mean(trial.ratios)) for base, trial in trials.items()}
        best = min(self.trials_, key=lambda base: self.trials_[base])
        margin = trials[best].ratios - trials[self.bases[0]].ratios  # block by block; clear are two standard errors
        clear = np.mean(margin) < -2 * np.std(margin) / np.sqrt(max(len(margin) - 1, 1))
        self.base_: Base = best if clear else self.bases[0]
        chosen = trials[self.base_]
        self.epochs_ = chosen.epochs
        return self._learn(rows, targets, parts, chosen.penalty, int(seeds[1]))

    def refit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Learn other rows, such as more of them, with the base, penalties and epochs that `fit` chose."""
        check_is_fitted(self)
        rows, targets = self._check_training(X, y)
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=2)
        parts = find_segments(~np.isnan(rows[:, 0]))
        return self._learn(rows, targets, parts, self.residual_target_.penalty, int(seeds[1]))

    def _learn(self, rows: Array, targets: Array, parts: list[slice], penalty: Array, seed: int) -> Self:
        """Train on all rows, with everything chosen."""
        penalties = [(float(each) or PENALTIES[-1],) for each in penalty]  # 0: too few rows to choose
        fit_target = self._target_fit(rows, targets, parts)
        self.residual_target_ = fit_target(base=self.base_, penalties=penalties, cut=len(rows))
        self.targets_ = targets.shape[1]
        module, _ = self._train(rows, targets, parts, self.residual_target_, seed, self.epochs_)
        self.network_ = export_weights(module)
        return self

    def _target_fit(self, rows: Array, targets: Array, parts: list[slice]) -> Callable[..., ResidualTarget]:
        return partial(ResidualTarget.fit, rows, targets, parts, window=self.window, memory=self.memory)

    def stream(self) -> "ResidualStream":
        """Return a live twin of `predict` that keeps the state: a step costs the same however long the past."""
        check_is_fitted(self)
        return ResidualStream(self.residual_target_, self.network_)

    def _forecast(self, rows: Array) -> Array:
        return _forecast(rows, self.residual_target_, self.network_)

    def _try(
        self, rows: Array, targets: Array, parts: list[slice], cut: int, target: ResidualTarget, seed: int
    ) -> "_Trial":
        """Train before `cut` and judge on the rows after it."""
        before = [slice(part.start, min(part.stop, cut)) for part in parts if part.start < cut]
        module, epochs = self._train(rows, targets, before, target, seed, self.epochs, cut)
        network, begin = export_weights(module), max(0, cut - CONTEXT)
        judged = rows[begin:]
        forecast = np.full((len(judged), targets.shape[1]), np.nan)
        for part in find_segments(~np.isnan(judged[:, 0])):
            forecast[part] = _forecast(judged[part], target, network)
        return _Trial(target.penalty, epochs, self._ratios(rows[cut:], targets[cut:], forecast[cut - begin :]))

    def _train(
        self,
        rows: Array,
        targets: Array,
        parts: list[slice],
        target: ResidualTarget,
        seed: int,
        epochs: int,
        cut: int | None = None,
    ) -> tuple[SequenceLSTM, int]:
        """Train on `parts`, for so many epochs or, with a `cut`, until the rows after it are forecast no better."""
        generator = torch.Generator().manual_seed(seed)
        read, answers = np.zeros((len(rows), len(target.centre))), np.full(targets.shape, np.nan)
        for part in find_segments(~np.isnan(rows[:, 0])):
            base, unit, read[part] = target.apply(rows[part])
            answers[part] = (targets[part] - base) / unit
        there = ~np.isnan(answers)
        arrays = (read, np.where(there, answers, 0), there)
        inputs, goals, known = (torch.from_numpy(each.astype(np.float32)) for each in arrays)
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
        first = cut or 0
        start = max(0, first - 4 * self.chunk)

        def validate(trained: SequenceLSTM) -> float:
            forecast = trained(inputs[None, start:].to(trained.device)).mean(dim=0)[0, first - start :].cpu()
            return float(trained.error(forecast, goals[first:], known[first:]))

        judge = None if cut is None else validate
        return module, train(
            module, chunks, epochs, validate=judge, patience=self.patience, accelerator=self.accelerator
        )

    def _ratios(self, rows: Array, targets: Array, forecast: Array) -> Array:
        """Log ratios of the error to the last value's, block by block, so that no single burst decides."""
        power = 2 if self.loss == "mse" else 1
        ratios = []
        for target, both in enumerate((targets + forecast).T):
            known = ~np.isnan(both)
            ours = np.abs(forecast[known, target] - targets[known, target]) ** power
            naive = np.abs(rows[known, 0] - targets[known, target]) ** power
            for a, b in zip(np.array_split(ours, BLOCKS), np.array_split(naive, BLOCKS), strict=True):
                if len(a):
                    ratios.append(np.log((a.mean() + 1e-12) / (b.mean() + 1e-12)))
        return np.array(ratios or [0.0])


@dataclass(frozen=True)
class _Trial:
    penalty: Array
    epochs: int
    ratios: Array


class ResidualStream:
    """A `ResidualLSTM` at work: keeps window, local scale and the networks' state."""

    _lags: Array | None
    _power: float
    _hidden: Array
    _memory: Array

    def __init__(self, target: ResidualTarget, network: NumpyLSTM) -> None:
        """Start without history."""
        self._target, self._network = target, network
        self._forget()

    def update(self, row: npt.ArrayLike) -> Array:
        """Take the newest row and forecast from it; an outage (NaN) empties the state."""
        newest = np.asarray(row, dtype=np.float64).ravel()
        if np.isnan(newest.sum()):  # one cheap look at each step, two exact ones where it finds something
            check_whole(newest[None])
            if np.isnan(newest[0]):
                self._forget()
                return np.full(len(self._target.intercept), np.nan)
        lags, network = self._lags, self._network
        if lags is None:
            lags = self._lags = np.full(self._target.window, newest[0])
        change = newest[0] - lags[-1]
        lags[:-1] = lags[1:]
        lags[-1] = newest[0]
        base, unit, inputs, self._power = self._target.step(lags, newest, change, self._power)
        projected = (inputs @ network.inputs + network.bias).reshape(self._hidden.shape[0], 1, -1)
        self._hidden, self._memory = network.step(projected, self._hidden, self._memory)
        forecast: Array = base + unit * (self._hidden.ravel() @ network.head + network.head_bias)
        return forecast

    def _forget(self) -> None:
        self._lags = None
        self._power = self._target.variance
        self._hidden, self._memory = self._network.start()


def _forecast(rows: Array, target: ResidualTarget, network: NumpyLSTM) -> Array:
    base, unit, inputs = target.apply(rows)
    return base + unit * network.run(inputs)
