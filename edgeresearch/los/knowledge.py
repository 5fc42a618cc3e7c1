"""What is known of one job from its past trainings: runtime models, limits, worst cases (Paper B, section IV.C)."""

import math

from edgeresearch.los.limits import Limits
from edgeresearch.los.request import Report
from edgeresearch.los.runtime import Curve, Fitting, RuntimeModel, WorstCase


class Knowledge:
    """The history of one job as it is broadcast after each run to the nodes that execute the same model.

    Attributes:
        cold: Whether no node class has a runtime model yet.
        models: Runtime model by node class.
        limits: Limit of the next run, by node, in millicores.
        memory: Worst case of the memory, in megabytes.
        need: Free memory below which no training is tried, in megabytes: the worst case, and more than what was not
            enough to start one.
        megabytes: Worst case of what is sent.
        overhead: Worst case of t_start + t_stop, in seconds.
    """

    __slots__ = (
        "_enough", "_fitting", "_rules", "cold", "limits", "megabytes", "memory", "models", "need", "overhead"
    )  # fmt: skip

    def __init__(self, rules: Limits, fitting: Fitting) -> None:
        self._rules = rules
        self._fitting = fitting
        self.cold = True
        self.models: dict[str, RuntimeModel] = {}
        self.limits: dict[int, float] = {}
        self.memory = WorstCase()
        self.need = self._enough = 0.0
        self.megabytes = WorstCase()
        self.overhead = WorstCase()

    def curve(self, kind: str) -> Curve | None:
        """Return eq. 1 as fitted on a node class; None without enough runs there."""
        model = self.models.get(kind)
        return None if model is None else model.curve

    def beyond(self, kind: str, limit: float) -> float | None:
        """Return how far eq. 1 extrapolates for a limit on a node class (`RuntimeModel.beyond`); None without it."""
        model = self.models.get(kind)
        return None if model is None or model.curve is None else model.beyond(limit)

    def fail(self, memory: float) -> None:
        """Take the news that a training did not start where no more than so many megabytes were free."""
        self._enough = max(self._enough, math.nextafter(memory, math.inf))
        self.need = max(self.need, self._enough)

    def learn(self, report: Report) -> None:
        """Take the report of a run that ended: the models see it and the limit on its node moves."""
        _, node, kind, period, limit, seconds, complete, utilisation, memory, megabytes, overhead = report
        model = self.models.get(kind)
        if model is None:
            model = self.models[kind] = RuntimeModel(self._fitting)
        model.add(limit, seconds)
        if model.curve is not None:
            self.cold = False
        self.memory.add(memory)
        bound = self.memory.bound
        self.need = bound if bound > self._enough else self._enough
        self.megabytes.add(megabytes)
        self.overhead.add(overhead)
        self.limits[node] = self._rules.following(limit, met=complete <= period, utilisation=utilisation)
