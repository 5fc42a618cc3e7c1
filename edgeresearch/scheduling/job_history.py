"""What is known of a job from its past trainings: runtime models, limits, worst cases."""

import math

from edgeresearch.scheduling.messages import TrainingReport
from edgeresearch.scheduling.runtime_model import Curve, RuntimeModel, WorstCase
from edgeresearch.scheduling.settings import Fitting, Limits


def residual(complete: float, period: float) -> float:
    """Return how far a run was from its period, r = |t_complete - t_period|, in seconds (Paper B, eq. 3)."""
    return abs(complete - period)


class JobHistory:
    """The history of one job as it is broadcast after each run to the nodes that execute the same model.

    Args:
        limits: How the limit of the next run follows from the last one.
        fitting: When eq. 1 is fitted.

    Attributes:
        cold: Whether no node class has a runtime model yet.
        models: Runtime model by node class.
        limits: Limit of the next run, by node, in millicores.
        memory: Worst case of the memory, in megabytes.
        memory_needed: Free memory below which no training is tried, in megabytes: the worst case, and more than what
            was not enough to start one.
        megabytes: Worst case of what is sent.
        overhead: Worst case of t_start + t_stop, in seconds.
    """

    __slots__ = (
        "_fitting", "_rules", "_too_little", "cold", "limits", "megabytes", "memory", "memory_needed", "models",
        "overhead",
    )  # fmt: skip

    def __init__(self, limits: Limits | None = None, fitting: Fitting | None = None) -> None:
        self._rules = limits or Limits()
        self._fitting = fitting or Fitting()
        self.cold = True
        self.models: dict[str, RuntimeModel] = {}
        self.limits: dict[int, float] = {}
        self.memory = WorstCase()
        self.memory_needed = self._too_little = 0.0
        self.megabytes = WorstCase()
        self.overhead = WorstCase()

    def curve(self, kind: str) -> Curve | None:
        """Return eq. 1 as fitted on a node class; None without enough runs there."""
        model = self.models.get(kind)
        return None if model is None else model.curve

    def extrapolation(self, kind: str, limit: float) -> float | None:
        """Return how far eq. 1 extrapolates for a limit on a node class, as a factor; None without a fit."""
        model = self.models.get(kind)
        return None if model is None or model.curve is None else model.extrapolation(limit)

    def start_failed(self, memory: float) -> None:
        """Remember that a training did not start where no more than `memory` megabytes were free."""
        self._too_little = max(self._too_little, math.nextafter(memory, math.inf))
        self.memory_needed = max(self.memory_needed, self._too_little)

    def learn(self, report: TrainingReport) -> None:
        """Learn from a training that ended: the models see it and the limit on its node moves."""
        _, node, kind, period, limit, seconds, complete, utilisation, memory, megabytes, overhead = report
        model = self.models.get(kind)
        if model is None:
            model = self.models[kind] = RuntimeModel(self._fitting)
        model.add(limit, seconds)
        if model.curve is not None:
            self.cold = False
        self.memory.add(memory)
        bound = self.memory.bound
        self.memory_needed = bound if bound > self._too_little else self._too_little
        self.megabytes.add(megabytes)
        self.overhead.add(overhead)
        self.limits[node] = self._rules.following(limit, met=complete <= period, utilisation=utilisation)
