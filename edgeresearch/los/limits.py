"""The CPU limit of a training and how it follows from its last run (Paper B, section IV.D)."""

from dataclasses import dataclass
from typing import Literal

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
