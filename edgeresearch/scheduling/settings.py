"""Settings of Local-Optimistic Scheduling (Paper B); the defaults are those of the study."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from edgeresearch.settings import Fraction, Section

LimitRule = Literal["period", "utilisation"]
"""Which runs lower a limit: every one that met its period, or only those that also left some of the limit unused."""


class Rules(Section):
    """Where Algorithm 1 leaves a choice.

    Attributes:
        hop_limit: How often a request may be handed over (the paper's "4 forwarding attempts").
        infeasible: Which neighbour gets a request that is feasible nowhere: by eq. 4 ("best-fit (infeasible)
            neighbour", Algorithm 1) or by latency alone ("handed over to the closest node", section IV.E).
        skip_visited: Whether neighbours in the token are passed over; if not, choosing one is a cycle and a drop.
        weight_utilisation: Of the index by utilisation in eq. 4.
        weight_latency: Of the index by latency in eq. 4.
        cold_start_threshold: Utilisation above which a cold start goes to a random neighbour.
        sender_limit_binds: Whether the receiver must use the limit that the sender planned with.
    """

    hop_limit: NonNegativeInt = 3
    infeasible: Literal["best_fit", "closest"] = "best_fit"
    skip_visited: bool = False
    weight_utilisation: NonNegativeFloat = 1.0
    weight_latency: NonNegativeFloat = 1.0
    cold_start_threshold: Fraction = 0.85
    sender_limit_binds: bool = False


class Limits(Section):
    """How the CPU limit of a training follows from its last run.

    The paper states two rules. Section IV.D lowers the limit whenever the period was met; run to its end, that leads to
    trainings that just miss the period half of the time. Section VI.B says why limits fell in its experiment: "the
    average utilization of this limit is below 90%". Under `utilisation` a run that met the period lowers the limit if
    it used less than `target` of it, and raises it otherwise.

    Attributes:
        rule: Which runs lower the limit.
        first: Share of the free CPU that the first run on a node gets.
        down: Factor that lowers the limit.
        up: Factor that raises it.
        target: Utilisation of the limit below which it is lowered, for the rule `utilisation`.
        floor: Smallest limit, in millicores.
        ceiling: Largest limit, in millicores.
    """

    rule: LimitRule = "utilisation"
    first: Fraction = 0.85
    down: Fraction = 0.9
    up: Annotated[float, Field(gt=1)] = 1.1
    target: Fraction = 0.9
    floor: PositiveFloat = 81.67
    ceiling: PositiveFloat = 1000.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.floor > self.ceiling:
            raise ValueError(f"floor is {self.floor:g}, above ceiling, {self.ceiling:g}; give a smaller floor")
        return self

    def initial(self, free: float) -> float:
        """Return the limit of a first run on a node with `free` millicores; it never exceeds what is free."""
        limit = self._clip(self.first * free)
        return limit if limit < free else free

    def following(self, limit: float, *, met: bool, utilisation: float) -> float:
        """Return the limit of the run after one that met its period or did not, and used so much of its own limit."""
        lower = met and (self.rule == "period" or utilisation < self.target)
        return self._clip(limit * (self.down if lower else self.up))

    def _clip(self, limit: float) -> float:
        if limit < self.floor:
            limit = self.floor
        return limit if limit < self.ceiling else self.ceiling  # faster than min and max


class Fitting(Section):
    """When eq. 1 is fitted to the runs of a job.

    Attributes:
        min_runs: Runs before there is a model; until then a job is in its cold start.
        max_runs: Newest runs that are kept.
        tolerance: Relative error of the newest run above which the curve is fitted anew.
        refine: Whether a fit whose relative error stays above `tolerance` is refined (`runtime_model.fit`); that is
            tried only as the number of runs doubles.
    """

    min_runs: PositiveInt = 1
    max_runs: PositiveInt = 24
    tolerance: PositiveFloat = 0.1
    refine: bool = True
