"""Detectors: IFTM, and what it is compared with."""

import copy
import importlib
import math
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from edgeresearch.anomaly.identity import (
    Array,
    AutoencoderIdentity,
    FittedIdentity,
    Identity,
    Mask,
    Scale,
    Scorer,
    StreamingScorer,
    as_samples,
    has_value,
    warmed_up,
    width_error,
)
from edgeresearch.anomaly.thresholds import (
    FixedThreshold,
    MovingThreshold,
    QuantileThreshold,
    Threshold,
    ThresholdState,
    threshold_levels,
)
from edgeresearch.errors import InputError, check_object

AUTOENCODER, MOVING = AutoencoderIdentity(), MovingThreshold()
CUTOFF = FixedThreshold(level=3.5)
"""What Iglewicz and Hoaglin (How to Detect and Handle Outliers, 1993) recommend for the modified z-score."""
RARE = QuantileThreshold(factor=1.0)
"""A high quantile of the past scores, as river's own `QuantileFilter`: for scores that are bounded."""
HIGHEST = 1e6
"""Largest score of `RobustZ`."""


class Verdict(NamedTuple):
    """What a detector says of one sample: its score, the threshold that it was compared with, whether it was greater.

    The higher a score, the less normal; NaN for a sample without any value.
    """

    score: float
    threshold: float
    alarm: bool


class Detector(BaseEstimator, ABC):
    """A detector with scikit-learn's methods and a stream's.

    Scores rise with abnormality and `predict` returns alarms as booleans, as papers on anomaly detection have it;
    scikit-learn's own outlier detectors have both the other way round.

    After `fit`, samples are taken as what follows the training samples. `update` takes the next one for good;
    `score_samples` and `predict` say of several what `update` would say of them one by one, equal to the last bit, and
    change nothing. Rows without any value get NaN and no alarm. Samples of other channels are an `InputError`.

    A detector of your own says how it learns; the scorer needs `score` alone:

        class Largest(StepwiseScorer):
            def score(self, values): return float(abs(values).max())

        class LargestValue(Detector):
            threshold = MovingThreshold()
            def learn(self, rows): scorer = Largest(rows.shape[1]); return scorer, scorer.run(rows)
    """

    threshold: Threshold

    @abstractmethod
    def learn(self, rows: Array) -> tuple[Scorer, Array]:
        """Train; return the scorer with the training samples behind it, and their scores."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from samples in time order, `(samples, channels)`; `y` is ignored.

        The threshold starts from the training samples' own scores.

        Raises:
            InputError: The samples are no numbers, or too few have a value.
        """
        rows = as_samples(X)
        self.n_features_in_ = rows.shape[1]
        self.names_ = _column_names(X)
        self.scorer_, scores = self.learn(rows)
        self.state_: ThresholdState = self.threshold.start()
        threshold_levels(self.state_, scores)
        return self

    def update(self, sample: Any) -> Verdict:
        """Take the next sample, `(channels,)`: score it, compare with the threshold so far, then learn from it.

        Raises:
            InputError: It has another number of values than there are channels, or one is no number.
        """
        try:
            scorer, state = self.scorer_, self.state_
        except AttributeError:  # check_is_fitted would cost half of what the rest does
            raise NotFittedError(f"this {type(self).__name__} has not seen training samples; call fit first") from None
        score, level = scorer.step(sample), state.level
        if score - score == 0.0:  # finite
            state.update(score)
        return Verdict(score, level, score > level)

    def run(self, X: Any) -> tuple[Array, Array]:
        """Do for many samples what `update` does for one; return scores and thresholds."""
        check_is_fitted(self)
        scores = self.scorer_.run(self._rows(X))
        return scores, threshold_levels(self.state_, scores)

    def score_samples(self, X: Any) -> Array:
        """Return the scores of the samples that come next, `(samples,)`; the higher, the less normal."""
        check_is_fitted(self)
        return self.scorer_.copy().run(self._rows(X))

    def predict(self, X: Any) -> Mask:
        """Return whether each of the samples that come next is an alarm, `(samples,)`."""
        scores = self.score_samples(X)
        alarms: Mask = scores > threshold_levels(copy.deepcopy(self.state_), scores)
        return alarms

    def _rows(self, X: Any) -> Array:
        """Return samples, if they have the channels of the training and, where both have any, their names."""
        rows, names, known = as_samples(X), _column_names(X), self.names_
        if known is not None and names is not None and names != known:
            new, gone = [name for name in names if name not in known], [name for name in known if name not in names]
            what = [f"new {', '.join(new)}"] * bool(new) + [f"missing {', '.join(gone)}"] * bool(gone)
            raise InputError(
                f"columns differ from those in training: {'; '.join(what or ['another order'])}; give "
                f"{', '.join(known)}, or train a new model"
            )
        if rows.shape[1] != self.n_features_in_:
            raise width_error(rows.shape[1], self.n_features_in_)
        return rows


def _column_names(X: Any) -> list[str] | None:
    return [str(column) for column in X.columns] if hasattr(X, "columns") else None


@dataclass(eq=False, repr=False)
class IFTM(Detector):
    """Identity function and threshold model: an alarm where a sample is reconstructed worse than its past allows.

    Paper B, section VI.A, after Schmidt et al.

        detector = IFTM(LSTMIdentity(), MovingThreshold(k=5)).fit(first_samples)
        for sample in stream:
            if detector.update(sample).alarm:
                ...

    Attributes:
        identity: The identity function: `AutoencoderIdentity`, `LSTMIdentity` or a user's own.
        threshold: The threshold: `MovingThreshold`, `QuantileThreshold` or a user's own.
        accelerator: Where to train, as Lightning names it.
        random_state: Seed of the training.
    """

    identity: Identity = AUTOENCODER
    threshold: Threshold = MOVING
    accelerator: str = "auto"
    random_state: int = 0

    def learn(self, rows: Array) -> tuple[Scorer, Array]:
        """Train the identity function."""
        check_object(self.identity, "identity function", "fit")
        self.model_ = self.identity.fit(rows, seed=self.random_state, accelerator=self.accelerator)
        scorer = self.model_.start()
        return scorer, scorer.run(rows)

    def swap(self, model: FittedIdentity, recent: Any) -> Self:
        """Go on with a newer model, whose state warms up on the newest samples; the threshold stays and adapts."""
        check_is_fitted(self)
        self.scorer_, self.model_ = warmed_up(model, self._rows(recent)), model
        return self


@dataclass(eq=False, repr=False)
class LastValue(Detector):
    """IFTM with the last sample in place of a trained identity function: what training has to beat.

    The error is that of the identity functions: root mean square of the scaled deviation over the channels seen. The
    scale is that of the training samples.
    """

    threshold: Threshold = MOVING

    def learn(self, rows: Array) -> tuple[Scorer, Array]:
        """Learn the scale."""
        scorer = LastValueScorer(Scale.fit(rows))
        return scorer, scorer.run(rows)


class LastValueScorer(StreamingScorer):
    """The last value at work on one stream; before the first, it is the training samples' mean."""

    def _advance_one(self) -> None:
        np.subtract(self._new, self._z, self._residual)
        self._z[:] = self._new

    def _residuals(self, z: Array) -> Array:
        residual: Array = z - np.vstack([self._z, z[:-1]])
        return residual


class StepwiseScorer(ABC):
    """A scorer that takes whole arrays sample by sample."""

    def __init__(self, channels: int) -> None:
        self._channels = channels

    @abstractmethod
    def score(self, values: Array) -> float:
        """Score a sample that has a value at least in one channel, then learn from it."""

    def step(self, sample: Any) -> float:
        """Take the next sample and return its score."""
        if len(sample) != self._channels:
            raise width_error(len(sample), self._channels)
        values = as_samples([sample])[0]
        return self.score(values) if np.isfinite(values).any() else math.nan

    def run(self, rows: Array) -> Array:
        """Take the next samples and return their scores."""
        return np.array([self.step(row) for row in rows], dtype=np.float64)

    def copy(self) -> Self:
        """Return an independent copy."""
        return copy.deepcopy(self)


@dataclass(eq=False, repr=False)
class RobustZ(Detector):
    """The modified z-score, |x - median| / (1.4826 MAD), against a rolling window; the largest over the channels.

    Median and MAD (median absolute deviation) of a channel are those of its last `window` values before the sample.
    Where the MAD is 0, more than half of the values being equal, 1.2533 times the mean absolute deviation takes its
    place; where that is 0 too, any other value gets the highest score, which is a million.

    Attributes:
        window: Values of a channel that a sample is compared with.
        least: Values of a channel before it is scored.
        threshold: A fixed cutoff as usual, or any other.
    """

    window: int = 288
    least: int = 30
    threshold: Threshold = CUTOFF

    def learn(self, rows: Array) -> tuple[Scorer, Array]:
        """Fill the windows."""
        if not 1 <= self.least <= self.window:
            raise InputError(f"least is {self.least}, window {self.window}; give 1 <= least <= window")
        scorer = _RobustZScorer(rows.shape[1], self.window, self.least)
        return scorer, scorer.run(rows)


class _RobustZScorer(StepwiseScorer):
    def __init__(self, channels: int, window: int, least: int) -> None:
        super().__init__(channels)
        self._least = least
        self._windows: list[deque[float]] = [deque(maxlen=window) for _ in range(channels)]

    def score(self, values: Array) -> float:
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
    median = _median(np.sort(window))
    deviations = np.abs(window - median)
    spread = 1.4826 * _median(np.sort(deviations)) or 1.2533 * float(deviations.mean())
    distance = abs(value - median)
    return min(distance / spread, HIGHEST) if spread > 0 else HIGHEST * (distance > 0)


def _median(ordered: Array) -> float:
    """Median of sorted values; numpy's own takes three times as long on a few hundred."""
    half = len(ordered) // 2
    return float(ordered[half] + ordered[-half - 1]) / 2


@dataclass(eq=False, repr=False)
class HalfSpaceTrees(Detector):
    """River's half-space trees, which learn from every sample; a quantile of the past scores judges the next ones.

    Scores lie between 0 and 1, so that no score may reach a threshold of mean + k standard deviations.

    25 trees of height 8. Each channel's range is that of the training samples and half of it on either side: the trees
    cannot tell apart what lies beyond. A missing value is replaced by the channel's training median.

    Attributes:
        window: Samples after which the trees forget.
        threshold: Judges the scores.
        random_state: Seed of the trees.
    """

    window: int = 250
    threshold: Threshold = RARE
    random_state: int = 0

    def learn(self, rows: Array) -> tuple[Scorer, Array]:
        """Grow the trees."""
        filled, medians = _fill_with_medians(rows)
        low, high = np.min(filled, axis=0), np.max(filled, axis=0)
        margin = 0.5 * np.where(high > low, high - low, 1.0)
        limits = dict(enumerate(zip((low - margin).tolist(), (high + margin).tolist(), strict=True)))
        make = importlib.import_module("river.anomaly").HalfSpaceTrees
        trees = make(n_trees=25, height=8, window_size=self.window, limits=limits, seed=self.random_state)
        scorer = _TreesScorer(trees, medians)
        return scorer, scorer.run(rows)


@dataclass(eq=False, repr=False)
class ECOD(Detector):
    """PyOD's ECOD, which compares a sample with the distribution of the training samples and learns nothing further.

    A missing value is replaced by the channel's training median. Every sample is compared alone: ECOD's scores depend
    on the samples that are scored together.
    """

    threshold: Threshold = MOVING

    def learn(self, rows: Array) -> tuple[Scorer, Array]:
        """Learn the distribution."""
        try:
            library = importlib.import_module("pyod.models.ecod")
        except ModuleNotFoundError as error:
            raise InputError(f"pyod is not installed ({error}); pip install 'edgeresearch[detectors]'") from None
        filled, medians = _fill_with_medians(rows)
        fitted = library.ECOD().fit(filled)
        scores = np.full(len(rows), np.nan)
        scores[has_value(rows)] = fitted.decision_scores_
        return _ECODScorer(fitted, medians), scores


class _FilledScorer(StepwiseScorer):
    """A scorer that cannot take gaps: medians of the training samples stand in for them."""

    def __init__(self, library: Any, medians: Array) -> None:
        super().__init__(len(medians))
        self._library = library
        self._medians = medians

    def _filled(self, values: Array) -> Array:
        return np.where(np.isfinite(values), values, self._medians)


class _TreesScorer(_FilledScorer):
    def score(self, values: Array) -> float:
        features = dict(enumerate(self._filled(values).tolist()))
        score = float(self._library.score_one(features))
        self._library.learn_one(features)
        return score


class _ECODScorer(_FilledScorer):
    def score(self, values: Array) -> float:
        return float(self._library.decision_function(self._filled(values)[None])[0])


def _fill_with_medians(rows: Array) -> tuple[Array, Array]:
    """Return the samples that have a value, without gaps, and the medians that fill them; 0 for an empty channel."""
    seen = rows[has_value(rows)]
    if not len(seen):
        raise InputError("no sample has a value; wait for more samples")
    columns = [column[np.isfinite(column)] for column in seen.T]
    fill = [float(np.median(column)) if len(column) else 0.0 for column in columns]
    filled = np.where(np.isfinite(seen), seen, fill)
    return filled, np.median(filled, axis=0)
