"""The naive detector: a sample is as strange as it is far from the one before."""

import numpy as np

from edgeresearch.anomaly.detector import MOVING, Detector
from edgeresearch.anomaly.samples import Array, Scale
from edgeresearch.anomaly.state import Base, State
from edgeresearch.anomaly.threshold import Threshold


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
