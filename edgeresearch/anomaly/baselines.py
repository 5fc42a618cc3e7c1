"""Detectors that a user would pick instead: a robust z-score, river's half-space trees, PyOD's ECOD.

They have the interface of `Detector`. The latter two are adapters. PyOD comes with the optional extra
`edgeresearch[detectors]` and is not imported before it is fitted.
"""

import copy
import importlib
import math
from abc import ABC, abstractmethod
from collections import deque
from typing import Any, Self

import numpy as np
from river.anomaly import HalfSpaceTrees as Trees

from edgeresearch.anomaly.detector import MOVING, Detector
from edgeresearch.anomaly.samples import Array, present, table, wrong_width
from edgeresearch.anomaly.state import State
from edgeresearch.anomaly.threshold import Fixed, Quantile, Threshold
from edgeresearch.errors import InputError

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
