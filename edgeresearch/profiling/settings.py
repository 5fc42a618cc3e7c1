"""Settings of measuring training times."""

from pydantic import PositiveInt

from edgeresearch.settings import Counts, Section


class CalibrationPlan(Section):
    """What `edgeresearch calibrate` measures.

    Attributes:
        limits: CPU limits in millicores.
        repeats: Trainings of each model under each limit.
        samples: Cached samples of a training.
    """

    limits: Counts = (100, 150, 250, 400, 600, 850)
    repeats: PositiveInt = 3
    samples: PositiveInt = 1000
