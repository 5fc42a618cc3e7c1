"""Adaptive thresholds of IFTM (Paper B, section VI.A): an error is judged by what the errors before it set.

A `Threshold` is a setting; `start` makes the `Judge` of one stream. A judge's `level` is what the next error is
compared with; the error is shown to it afterwards, by `update`. So no error has a part in its own threshold.
"""

import copy
import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from edgeresearch.anomaly.base import Array
from edgeresearch.errors import InputError

HUGE = 1e100
"""A moving variance takes errors up to here: the square of greater ones could be infinite, and stay so."""


class Judge(Protocol):
    """A threshold at work on one stream.

    Attributes:
        level: The next error is an anomaly if it is greater.
    """

    level: float

    def update(self, error: float) -> None:
        """Learn from an error, a finite number, that has been judged."""
        ...


class Threshold(Protocol):
    """How errors are judged. Users may plug in their own."""

    def start(self) -> Judge:
        """Begin a stream without history."""
        ...


@dataclass(frozen=True)
class Fixed:
    """The same level for ever.

    Attributes:
        level: An error above it is an anomaly.
    """

    level: float

    def start(self) -> "FixedJudge":
        """Begin a stream."""
        return FixedJudge(self.level)


@dataclass
class FixedJudge:
    """A fixed threshold at work."""

    level: float

    def update(self, error: float) -> None:
        """Learn nothing."""


@dataclass(frozen=True)
class Moving:
    """Exponential moving mean + k standard deviations of the past errors.

    Attributes:
        k: Standard deviations above the mean.
        memory: Errors over which mean and deviation forget; the first ones are weighted equally.
        warm_up: Errors before the first that can be an anomaly.
        clip: Whether an error above the level counts as the level, so that an anomaly does not hide the next one. The
            level still follows errors that stay high.
        floor: Least standard deviation, relative to 1 + mean: without it a constant stream would alarm on rounding.
    """

    k: float = 4.0
    memory: float = 300.0
    warm_up: int = 30
    clip: bool = True
    floor: float = 1e-6

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        _check(self.k >= 0, f"k is {self.k}; give 0 or more")
        _check(self.memory >= 1, f"memory is {self.memory}; give at least one error")
        _check(self.warm_up >= 1, f"warm_up is {self.warm_up}; give at least one error")
        _check(self.floor >= 0, f"floor is {self.floor}; give 0 or more")

    def start(self) -> "MovingJudge":
        """Begin a stream without history."""
        return MovingJudge(self)


@dataclass
class MovingJudge:
    """A moving mean and deviation at work; in the form of Welford, whose variance is never negative.

    Attributes:
        threshold: Its settings.
        level: Mean + k standard deviations; infinite during the warm-up.
        mean: Of the past errors.
        variance: Of the past errors.
        seen: Number of past errors.
    """

    threshold: Moving
    level: float = math.inf
    mean: float = 0.0
    variance: float = 0.0
    seen: int = 0

    def update(self, error: float) -> None:
        """Learn from an error."""
        own = self.threshold
        if own.clip and error > self.level:
            error = self.level
        elif error > HUGE:
            error = HUGE
        seen = self.seen = self.seen + 1
        rate = 1 / (seen if seen < own.memory else own.memory)
        deviation = error - self.mean
        mean = self.mean = self.mean + rate * deviation
        variance = self.variance = (1 - rate) * (self.variance + rate * deviation * deviation)
        if seen >= own.warm_up:
            spread, least = math.sqrt(variance), own.floor * (1 + abs(mean))
            self.level = mean + own.k * (spread if spread > least else least)


@dataclass(frozen=True)
class Quantile:
    """A multiple of a high quantile of the past errors, by P² sketches of five numbers each.

    P² alone remembers everything equally; so that the threshold adapts, two sketches work half a window apart: the
    older one judges, and after `window` errors the younger one takes its place.

    Attributes:
        quantile: Share of the errors that lie below it.
        factor: The level is so many times the quantile.
        window: Errors that a sketch takes.
        warm_up: Errors before the first that can be an anomaly, at least five.
        floor: Added to the level: without it a constant stream would alarm on rounding.
    """

    quantile: float = 0.99
    factor: float = 1.5
    window: int = 1000
    warm_up: int = 100
    floor: float = 1e-6

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        _check(0 < self.quantile < 1, f"quantile is {self.quantile}; give a share between 0 and 1")
        _check(self.factor > 0, f"factor is {self.factor}; give more than 0")
        _check(self.warm_up >= 5, f"warm_up is {self.warm_up}; a sketch needs five errors")
        _check(self.window >= 2 * self.warm_up, f"window is {self.window}; give at least twice the warm-up")
        _check(self.floor >= 0, f"floor is {self.floor}; give 0 or more")

    def start(self) -> "QuantileJudge":
        """Begin a stream without history."""
        return QuantileJudge(self, Sketch(self.quantile))


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


@dataclass
class QuantileJudge:
    """Two sketches at work.

    Attributes:
        threshold: Its settings.
        older: Judges.
        younger: Takes its place when the older is full.
        level: Factor x quantile; infinite during the warm-up.
    """

    threshold: Quantile
    older: Sketch
    younger: Sketch | None = None
    level: float = field(default=math.inf)

    def update(self, error: float) -> None:
        """Learn from an error."""
        own = self.threshold
        self.older.update(error)
        if self.younger is not None:
            self.younger.update(error)
            if self.older.count >= own.window:
                self.older, self.younger = self.younger, None
        if self.younger is None and self.older.count >= own.window - own.window // 2:
            self.younger = Sketch(own.quantile)
        if self.older.count >= own.warm_up:
            self.level = own.factor * self.older.value + own.floor


def judged(judge: Judge, errors: Array) -> Array:
    """Return the level that each error is judged by, and leave the judge as it is after the last.

    Args:
        judge: Knows the errors before these; it is changed.
        errors: `(samples,)`; those that are not finite are judged, not learnt from.
    """
    levels = []
    for error in errors.tolist():
        levels.append(judge.level)
        if error - error == 0.0:  # finite
            judge.update(error)
    return np.array(levels, dtype=np.float64)


def twin(judge: Judge) -> Judge:
    """Return an independent copy of a judge."""
    return copy.deepcopy(judge)


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise InputError(message)
