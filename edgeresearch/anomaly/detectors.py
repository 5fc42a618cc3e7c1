"""Detectors: IFTM, and what it is compared with."""

import copy
import importlib
import math
from abc import ABC, abstractmethod
from collections import deque
from typing import Any, NamedTuple, Self

import numpy as np
from river.anomaly import HalfSpaceTrees as Trees
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from edgeresearch.anomaly.base import Array, Mask, Scale, check_channels, names, present, table, wrong_width
from edgeresearch.anomaly.identity import Autoencoder, Identity
from edgeresearch.anomaly.inference import Base, Model, State
from edgeresearch.anomaly.thresholds import Fixed, Judge, Moving, Quantile, Threshold, judged, twin
from edgeresearch.errors import InputError

AUTOENCODER, MOVING = Autoencoder(), Moving()


class Verdict(NamedTuple):
    """What a detector says of one sample.

    Attributes:
        score: The higher, the less normal; NaN for a sample without any value.
        threshold: What it was compared with.
        alarm: Whether it was greater.
    """

    score: float
    threshold: float
    alarm: bool


class Watch:
    """Scorer and judge at work on one stream, without scikit-learn: what runs beside a sensor.

    Args:
        state: The scorer, with the history it has.
        judge: The threshold, with the history it has.
    """

    def __init__(self, state: State, judge: Judge) -> None:
        self._state = state
        self._judge = judge

    def update(self, sample: Any) -> Verdict:
        """Score the next sample, compare, then learn from it.

        Args:
            sample: `(channels,)`; what is not finite is missing.

        Raises:
            InputError: It has another number of values than the model has channels, or one is no number.
        """
        score = self._state.step(sample)
        judge = self._judge
        level = judge.level
        if score - score == 0.0:  # finite
            judge.update(score)
        return Verdict(score, level, score > level)

    def run(self, rows: Array) -> tuple[Array, Array]:
        """Do for many samples what `update` does for one; return scores and thresholds."""
        scores = self._state.run(rows)
        return scores, judged(self._judge, scores)

    def scores(self, rows: Array) -> Array:
        """Return the scores that samples would get if they came next; nothing changes."""
        scores: Array = self._state.copy().run(rows)
        return scores

    def copy(self) -> "Watch":
        """Return an independent twin."""
        return Watch(self._state.copy(), twin(self._judge))

    def swap(self, state: State) -> None:
        """Go on with another scorer; the threshold stays and adapts."""
        self._state = state


class Detector(BaseEstimator, ABC):
    """A detector with scikit-learn's methods and a stream's.

    Scores rise with abnormality and `predict` tells alarms as booleans, as papers on anomaly detection have it;
    scikit-learn's own outlier detectors have both the other way round.

    After `fit`, samples are taken as what follows the training samples. `update` takes the next one for good;
    `score_samples` and `predict` say of several what `update` would say of them one by one, equal to the last bit, and
    change nothing. Rows without any value get NaN and no alarm.
    """

    threshold: Threshold

    @abstractmethod
    def _learn(self, rows: Array) -> tuple[State, Array]:
        """Train; return the scorer with the training samples behind it, and their scores."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from samples in time order, `(samples, channels)`; `y` is ignored.

        The threshold starts from the training samples' own scores.

        Raises:
            InputError: The samples are no numbers, or too few have a value.
        """
        rows = table(X)
        self.n_features_in_ = rows.shape[1]
        self.names_ = names(X)
        state, scores = self._learn(rows)
        judge = self.threshold.start()
        judged(judge, scores)
        self.watch_ = Watch(state, judge)
        return self

    def update(self, sample: Any) -> Verdict:
        """Take the next sample: score it, compare with the threshold so far, then learn from it.

        Raises:
            InputError: It has another number of values than the training samples, or one is no number.
        """
        try:
            watch: Watch = self.watch_
        except AttributeError:  # check_is_fitted would cost half of what the rest does
            raise NotFittedError(f"this {type(self).__name__} has not seen training samples; call fit first") from None
        return watch.update(sample)

    def score_samples(self, X: Any) -> Array:
        """Return the scores of the samples that come next, `(samples,)`; the higher, the less normal.

        Raises:
            InputError: The channels are not those of the training samples.
        """
        check_is_fitted(self)
        scores: Array = self.watch_.scores(self._rows(X))
        return scores

    def predict(self, X: Any) -> Mask:
        """Return whether each of the samples that come next is an alarm, `(samples,)`.

        Raises:
            InputError: The channels are not those of the training samples.
        """
        check_is_fitted(self)
        scores, levels = self.watch_.copy().run(self._rows(X))
        alarms: Mask = scores > levels
        return alarms

    def _rows(self, X: Any) -> Array:
        return check_channels(X, self.n_features_in_, self.names_)


class IFTM(Detector):
    """Identity function and threshold model: an alarm where a sample is reconstructed worse than its past allows.

    Paper B, section VI.A, after Schmidt et al.

    Args:
        identity: The identity function: `Autoencoder`, `LSTM` or a user's own.
        threshold: The threshold: `Moving`, `Quantile` or a user's own.
        accelerator: Lightning's word for where to train.
        random_state: Seed of the training.
    """

    def __init__(
        self,
        identity: Identity = AUTOENCODER,
        threshold: Threshold = MOVING,
        accelerator: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.identity = identity
        self.threshold = threshold
        self.accelerator = accelerator
        self.random_state = random_state

    def _learn(self, rows: Array) -> tuple[State, Array]:
        self.model_ = self.identity.fit(rows, seed=self.random_state, accelerator=self.accelerator)
        state = self.model_.start()
        return state, state.run(rows)

    def swap(self, model: Model, recent: Any) -> Self:
        """Go on with a newer model; the threshold stays and adapts.

        Args:
            model: Of the same channels.
            recent: The newest samples seen, `(samples, channels)`, over which the new model's state comes up.

        Raises:
            InputError: The model or the samples have other channels.
        """
        check_is_fitted(self)
        self.watch_.swap(begun(model, self._rows(recent)))
        self.model_ = model
        return self


def begun(model: Model, recent: Array) -> State:
    """Start a model on a stream and bring its state up over recent samples.

    Raises:
        InputError: The samples have other channels than the model.
    """
    if recent.shape[1] != model.channels:
        raise InputError(wrong_width(recent.shape[1], model.channels))
    state = model.start()
    state.run(recent)
    return state


CUTOFF = Fixed(3.5)
"""What Iglewicz and Hoaglin (How to Detect and Handle Outliers, 1993) recommend for the modified z-score."""
RARE = Quantile(factor=1.0)
"""A high quantile of the past scores, as river's own `QuantileFilter`: for scores that are bounded."""
HIGHEST = 1e6


class RobustZ(Detector):
    """The modified z-score, |x - median| / (1.4826 MAD), against a rolling window; the largest over the channels.

    Median and MAD (median absolute deviation) of a channel are those of its last `window` values before the sample.
    Where the MAD is 0, more than half of the values being equal, 1.2533 times the mean absolute deviation takes its
    place; where that is 0 too, any other value gets the highest score, which is a million.

    Args:
        window: Values of a channel that a sample is compared with.
        least: Values of a channel before it is scored.
        threshold: A fixed cutoff as usual, or any other.
    """

    def __init__(self, window: int = 288, least: int = 30, threshold: Threshold = CUTOFF) -> None:
        self.window = window
        self.least = least
        self.threshold = threshold

    def _learn(self, rows: Array) -> tuple[State, Array]:
        if not 1 <= self.least <= self.window:
            raise InputError(f"least is {self.least}, window {self.window}; give 1 <= least <= window")
        state = _RobustZState(rows.shape[1], self.window, self.least)
        return state, state.run(rows)


class HalfSpaceTrees(Detector):
    """River's half-space trees, which learn from every sample; a quantile of the past scores judges the next ones.

    Scores lie between 0 and 1, so that no score may reach a threshold of mean + k standard deviations.

    Each channel's range is that of the training samples and a margin on either side: the trees cannot tell apart what
    lies beyond it. A missing value is replaced by the channel's training median.

    Args:
        trees: Number of trees.
        height: Their height.
        window: Samples after which the trees forget.
        margin: Of the range, in training ranges.
        threshold: Judges the scores.
        random_state: Seed of the trees.
    """

    def __init__(
        self,
        trees: int = 25,
        height: int = 8,
        window: int = 250,
        margin: float = 0.5,
        threshold: Threshold = RARE,
        random_state: int = 0,
    ) -> None:
        self.trees = trees
        self.height = height
        self.window = window
        self.margin = margin
        self.threshold = threshold
        self.random_state = random_state

    def _learn(self, rows: Array) -> tuple[State, Array]:
        seen = _with_values(rows)
        low, high = np.min(seen, axis=0), np.max(seen, axis=0)
        margin = self.margin * np.where(high > low, high - low, 1.0)
        limits = zip((low - margin).tolist(), (high + margin).tolist(), strict=True)
        trees = Trees(
            n_trees=self.trees,
            height=self.height,
            window_size=self.window,
            limits=dict(enumerate(limits)),
            seed=self.random_state,
        )
        state = _TreesState(trees, np.median(seen, axis=0))
        return state, state.run(rows)


class ECOD(Detector):
    """PyOD's ECOD, which compares a sample with the distribution of the training samples and learns nothing further.

    A missing value is replaced by the channel's training median. Every sample is compared alone: ECOD's scores depend
    on the samples that are scored together.

    Args:
        threshold: Judges the scores.
    """

    def __init__(self, threshold: Threshold = MOVING) -> None:
        self.threshold = threshold

    def _learn(self, rows: Array) -> tuple[State, Array]:
        library = _pyod("pyod.models.ecod")
        seen = _with_values(rows)
        fitted = library.ECOD().fit(seen)
        scores = np.full(len(rows), np.nan)
        scores[present(rows)] = fitted.decision_scores_
        return _ECODState(fitted, np.median(seen, axis=0)), scores


def _pyod(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise InputError(f"pyod is not installed ({error}); pip install 'edgeresearch[detectors]'") from None


def _with_values(rows: Array) -> Array:
    """Return the samples that have a value, with medians in place of what is missing."""
    seen = rows[present(rows)]
    if not len(seen):
        raise InputError("no sample has a value; wait for more samples")
    return np.where(np.isfinite(seen), seen, [_median(column) for column in seen.T])


def _median(column: Array) -> float:
    values = column[np.isfinite(column)]
    return float(np.median(values)) if len(values) else 0.0


class _Stepwise(ABC):
    """A scorer whose whole arrays are samples one by one."""

    def __init__(self, channels: int) -> None:
        self._channels = channels

    def step(self, sample: Any) -> float:
        if len(sample) != self._channels:
            raise InputError(wrong_width(len(sample), self._channels))
        values = table([sample])[0]
        return self._score(values) if np.isfinite(values).any() else math.nan

    def run(self, rows: Array) -> Array:
        return np.array([self.step(row) for row in rows], dtype=np.float64)

    def copy(self) -> Self:
        return copy.deepcopy(self)

    @abstractmethod
    def _score(self, values: Array) -> float:
        """Score a sample that has a value at least in one channel, then learn from it."""


class _RobustZState(_Stepwise):
    def __init__(self, channels: int, window: int, least: int) -> None:
        super().__init__(channels)
        self._least = least
        self._windows: list[deque[float]] = [deque(maxlen=window) for _ in range(channels)]

    def _score(self, values: Array) -> float:
        scores = []
        for value, window in zip(values.tolist(), self._windows, strict=True):
            if not math.isfinite(value):
                continue
            if len(window) >= self._least:
                scores.append(modified_z(value, np.array(window)))
            window.append(value)
        return max(scores, default=math.nan)


def modified_z(value: float, window: Array) -> float:
    """Return |value - median| / (1.4826 MAD) against a window of finite values; see `RobustZ` for a MAD of 0."""
    median = _middle(np.sort(window))
    deviations = np.abs(window - median)
    spread = 1.4826 * _middle(np.sort(deviations)) or 1.2533 * float(deviations.mean())
    distance = abs(value - median)
    return min(distance / spread, HIGHEST) if spread > 0 else HIGHEST * (distance > 0)


def _middle(ordered: Array) -> float:
    """Median of sorted values; numpy's own takes three times as long on a few hundred."""
    half = len(ordered) // 2
    return float(ordered[half] + ordered[-half - 1]) / 2


class _TreesState(_Stepwise):
    def __init__(self, trees: Any, medians: Array) -> None:
        super().__init__(len(medians))
        self._trees = trees
        self._medians = medians

    def _score(self, values: Array) -> float:
        features = dict(enumerate(np.where(np.isfinite(values), values, self._medians).tolist()))
        score = float(self._trees.score_one(features))
        self._trees.learn_one(features)
        return score


class _ECODState(_Stepwise):
    def __init__(self, fitted: Any, medians: Array) -> None:
        super().__init__(len(medians))
        self._fitted = fitted
        self._medians = medians

    def _score(self, values: Array) -> float:
        filled = np.where(np.isfinite(values), values, self._medians)
        return float(self._fitted.decision_function(filled[None])[0])


class LastValue(Detector):
    """IFTM with the last sample in place of a trained identity function: what training has to beat.

    The error is that of the identity functions: root mean square of the scaled deviation over the channels seen. The
    scale is that of the training samples.

    Args:
        threshold: Judges the errors.
    """

    def __init__(self, threshold: Threshold = MOVING) -> None:
        self.threshold = threshold

    def _learn(self, rows: Array) -> tuple[State, Array]:
        state = LastValueState(Scale.fit(rows))
        return state, state.run(rows)


class LastValueState(Base):
    """The last value at work on one stream; before the first, it is the training samples' mean."""

    def _take(self) -> None:
        np.subtract(self._new, self._z, self._residual)
        self._z[:] = self._new

    def _taken(self, z: Array) -> Array:
        residual: Array = z - np.vstack([self._z, z[:-1]])
        return residual
