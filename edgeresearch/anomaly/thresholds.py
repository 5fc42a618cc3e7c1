"""Adaptive thresholds of IFTM (Paper B, section VI.A): their settings, and what of them is at work on a stream.

A score is compared with the level first and shown to the threshold afterwards: none has a part in its own threshold.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Protocol, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from edgeresearch.settings import Fraction, Section

HUGE = 1e100
"""A moving variance takes scores up to here: the square of greater ones could be infinite, and stay so."""


class Threshold(Protocol):
    """How scores are judged, such as `MovingThreshold`.

    One that alarms on every new maximum:

    class Highest:
        def start(self): return Highest()
        level = 0.0
        def update(self, score): self.level = max(self.level, score)
    """

    def start(self) -> "ThresholdState":
        """Begin a stream without history."""


class ThresholdState(Protocol):
    """A threshold at work on one stream.

    Attributes:
        level: The next score is an alarm if it is greater.
    """

    level: float

    def update(self, score: float) -> None:
        """Learn from a score, a finite number, that has been judged."""


def threshold_levels(state: ThresholdState, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the level that each score is compared with, and leave the threshold as it is after the last.

    Args:
        state: Knows the scores before these; it is changed.
        scores: `(samples,)`; those that are not finite are compared, not learnt from.
    """
    levels = []
    for score in scores.tolist():
        levels.append(state.level)
        if score - score == 0.0:  # finite
            state.update(score)
    return np.array(levels, dtype=np.float64)


class FixedThreshold(Section):
    """The same threshold for ever: a score above the level is an alarm. It is its own state."""

    level: float

    def start(self) -> Self:
        """Begin a stream."""
        return self

    def update(self, score: float) -> None:
        """Learn nothing."""


class MovingThreshold(Section):
    """Exponential moving mean + k standard deviations of the past scores.

    Attributes:
        k: Standard deviations above the mean.
        memory: Scores over which mean and deviation forget; the first ones are weighted equally.
        warm_up: Scores before the first that can be an alarm.
        clip: Whether a score above the threshold counts as the threshold, so that an anomaly does not hide the next
            one. The threshold still follows scores that stay high.
        floor: Least standard deviation, relative to 1 + mean: without it a constant stream would alarm on rounding.
    """

    k: NonNegativeFloat = 4.0
    memory: Annotated[float, Field(ge=1)] = 300.0
    warm_up: PositiveInt = 30
    clip: bool = True
    floor: NonNegativeFloat = 1e-6

    def start(self) -> "MovingState":
        """Begin a stream without history."""
        return MovingState(self)


@dataclass
class MovingState:
    """A moving mean and deviation at work; in the form of Welford, whose variance is never negative.

    Attributes:
        threshold: Its settings.
        level: Mean + k standard deviations; infinite during the warm-up.
        mean, variance: Of the past scores.
        seen: Number of past scores.
    """

    threshold: MovingThreshold
    level: float = math.inf
    mean: float = 0.0
    variance: float = 0.0
    seen: int = 0

    def update(self, score: float) -> None:
        """Learn from a score."""
        own = self.threshold
        if own.clip and score > self.level:
            score = self.level
        elif score > HUGE:
            score = HUGE
        seen = self.seen = self.seen + 1
        rate = 1 / (seen if seen < own.memory else own.memory)
        deviation = score - self.mean
        mean = self.mean = self.mean + rate * deviation
        variance = self.variance = (1 - rate) * (self.variance + rate * deviation * deviation)
        if seen >= own.warm_up:
            spread, least = math.sqrt(variance), own.floor * (1 + abs(mean))
            self.level = mean + own.k * (spread if spread > least else least)


class QuantileThreshold(Section):
    """A multiple of a high quantile of the past scores, estimated by P² sketches of five numbers each.

    P² alone remembers everything equally; so that the threshold adapts, two sketches work half a window apart: the
    older one decides, and after `window` scores the younger one takes its place.

    Attributes:
        quantile: Share of the scores that lie below it.
        factor: The threshold is so many times the quantile.
        window: Scores that a sketch takes, at least twice the warm-up.
        warm_up: Scores before the first that can be an alarm, at least five.
        floor: Added to the threshold: without it a constant stream would alarm on rounding.
    """

    quantile: Fraction = 0.99
    factor: PositiveFloat = 1.5
    window: PositiveInt = 1000
    warm_up: Annotated[int, Field(ge=5)] = 100
    floor: NonNegativeFloat = 1e-6

    @model_validator(mode="after")
    def _window_holds_two_warm_ups(self) -> Self:
        if self.window < 2 * self.warm_up:
            raise ValueError(f"window is {self.window}; give at least twice the warm-up")
        return self

    def start(self) -> "QuantileState":
        """Begin a stream without history."""
        return QuantileState(self)


class QuantileState:
    """Two sketches at work; the level is factor x quantile + floor, and infinite during the warm-up."""

    def __init__(self, threshold: QuantileThreshold) -> None:
        self.threshold = threshold
        self.older = Sketch(threshold.quantile)
        self.younger: Sketch | None = None
        self.level = math.inf

    def update(self, score: float) -> None:
        """Learn from a score."""
        own = self.threshold
        self.older.update(score)
        if self.younger is not None:
            self.younger.update(score)
            if self.older.count >= own.window:
                self.older, self.younger = self.younger, None
        if self.younger is None and self.older.count >= own.window - own.window // 2:
            self.younger = Sketch(own.quantile)
        if self.older.count >= own.warm_up:
            self.level = own.factor * self.older.value + own.floor


class Sketch:
    """The P² algorithm (Jain and Chlamtac, Communications of the ACM 28, 1985): a quantile from five markers.

    Args:
        quantile: Share of the values that lie below it.
    """

    def __init__(self, quantile: float) -> None:
        self.count = 0
        self._heights: list[float] = []
        self._places = [1.0, 2.0, 3.0, 4.0, 5.0]
        self._rates = (0.0, quantile / 2, quantile, (1 + quantile) / 2, 1.0)
        self._quantile = quantile

    @property
    def value(self) -> float:
        """The quantile of what was seen: exact (linear between values) up to five values; NaN before the first."""
        if self.count > 5:
            return self._heights[2]
        return float(np.quantile(self._heights, self._quantile)) if self.count else math.nan

    def update(self, value: float) -> None:
        """Take a value."""
        heights, places = self._heights, self._places
        self.count += 1
        if self.count <= 5:
            heights.append(value)
            heights.sort()
            return
        if value < heights[0]:
            heights[0], cell = value, 0
        elif value >= heights[4]:
            heights[4], cell = value, 3
        else:
            cell = 0 if value < heights[1] else 1 if value < heights[2] else 2 if value < heights[3] else 3
        for i in range(cell + 1, 5):
            places[i] += 1
        for i in (1, 2, 3):
            self._adjust(i)

    def _adjust(self, i: int) -> None:
        """Move a marker by one place towards where it should be."""
        heights, places = self._heights, self._places
        here, below, above = places[i], places[i - 1], places[i + 1]
        off = 1 + (self.count - 1) * self._rates[i] - here
        if not ((off >= 1 and above - here > 1) or (off <= -1 and below - here < -1)):
            return
        way = 1.0 if off > 0 else -1.0
        up, down = (heights[i + 1] - heights[i]) / (above - here), (heights[i] - heights[i - 1]) / (here - below)
        height = heights[i] + way / (above - below) * ((here - below + way) * up + (above - here - way) * down)
        if not heights[i - 1] < height < heights[i + 1]:
            height = heights[i] + (up if way > 0 else -down)
        heights[i] = height
        places[i] += way
