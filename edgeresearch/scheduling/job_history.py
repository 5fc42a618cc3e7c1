"""What is known of a job from its past trainings: runtime models, limits, worst cases."""

import math
from dataclasses import dataclass
from typing import Literal

from edgeresearch.scheduling.messages import Report
from edgeresearch.scheduling.runtime_model import Curve, Fitting, RuntimeModel, WorstCase

Rule = Literal["period", "utilisation"]
"""Which runs lower the limit: every one that met the period, or only those that also left some of the limit unused."""


@dataclass(frozen=True)
class Limits:
    """How limits are set.

    The paper states two rules. Section IV.D lowers the limit whenever the period was met; run to its end, that leads to
    trainings that just miss the period half of the time. Section VI.B says why limits fell in its experiment: "the
    average utilization of this limit is below 90%". Under `utilisation` a run that met the period lowers the limit if
    it used less than `target` of it, and raises it otherwise.

    Attributes:
        rule: Which runs lower the limit.
        first: Share of the free CPU that the first run on a node gets.
        down: Factor after a run that met the period.
        up: Factor after a run that did not.
        target: Utilisation of the limit below which it is lowered, for the rule `utilisation`.
        floor: Smallest limit, in millicores.
        ceiling: Largest limit, in millicores.
    """

    rule: Rule = "period"
    first: float = 0.85
    down: float = 0.9
    up: float = 1.1
    target: float = 0.9
    floor: float = 50.0
    ceiling: float = 1000.0

    def initial(self, free: float) -> float:
        """Return the limit of a first run on a node with `free` millicores; it never exceeds what is free."""
        limit = self._within(self.first * free)
        return limit if limit < free else free

    def following(self, limit: float, *, met: bool, utilisation: float) -> float:
        """Return the limit of the next run.

        Args:
            limit: That of the last run, in millicores.
            met: Whether the last run was complete within the period.
            utilisation: Share of the limit that it used on average.
        """
        lower = met and (self.rule == "period" or utilisation < self.target)
        return self._within(limit * (self.down if lower else self.up))

    def _within(self, limit: float) -> float:
        if limit < self.floor:
            limit = self.floor
        return limit if limit < self.ceiling else self.ceiling  # faster than min and max


def residual(complete: float, period: float) -> float:
    """Return how far a run was from its period, r = |t_complete - t_period|, in seconds (Paper B, eq. 3)."""
    return abs(complete - period)


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
