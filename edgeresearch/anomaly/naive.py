"""The naive detector: a sample is as strange as it is far from the one before."""

from typing import Self

import numpy as np

from edgeresearch.anomaly.detector import MOVING, Detector
from edgeresearch.anomaly.samples import Array, Scale, present, table, wrong_width
from edgeresearch.anomaly.state import State, root_mean_square
from edgeresearch.anomaly.threshold import Threshold
from edgeresearch.errors import InputError


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


class LastValueState:
    """The last value at work on one stream; before the first, it is the training samples' mean.

    Args:
        scale: Of the channels.
    """

    def __init__(self, scale: Scale) -> None:
        self._scale = scale
        self._last = np.zeros(len(scale.centre))

    def step(self, sample: Array) -> float:
        """Take the next sample, `(channels,)`, and return its error; NaN for a row without any value."""
        return float(self.run(table([sample]))[0])

    def run(self, rows: Array) -> Array:
        """Take the next samples, `(samples, channels)`, and return their errors."""
        if rows.shape[1] != len(self._last):
            raise InputError(wrong_width(rows.shape[1], len(self._last)))
        errors = np.full(len(rows), np.nan)
        some = present(rows)
        if some.any():
            filled, seen = self._scale.apply(rows[some], self._last)
            before = np.vstack([self._last, filled[:-1]])
            errors[some] = root_mean_square(filled - before, seen)
            self._last = filled[-1]
        return errors

    def copy(self) -> Self:
        """Return an independent twin."""
        twin = type(self)(self._scale)
        twin._last = self._last.copy()
        return twin
