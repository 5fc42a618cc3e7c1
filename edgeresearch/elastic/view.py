"""What a scaling strategy is, and all that it sees."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from edgeresearch.elastic.capacity import Capacity
from edgeresearch.elastic.checks import Floats, Ints


@dataclass(frozen=True)
class View:
    """What is known at the decisions, in time order; decision k is made at k · every seconds.

    Attributes:
        present: Mean load over the interval before each decision, in requests per second, `(decisions,)`. The first,
            before which nothing was measured, holds the first interval's own: the service is taken to be in balance
            with it.
        forecast: Load that was forecast at each decision, `(decisions,)`, never NaN: for the interval `horizon`
            intervals ahead, so that `forecast[k]` speaks of what `present[k + horizon]` will be.
        capacity: What a pod can do, and the bounds of their number.
        every: Time between two decisions, in seconds.
        horizon: Intervals from a decision to the end of the one that a pod started now will be ready for.
        peak: The true highest load from each decision to the end of its horizon; None for all but the oracle.
    """

    present: Floats
    forecast: Floats
    capacity: Capacity
    every: float
    horizon: int
    peak: Floats | None = None


@runtime_checkable
class Strategy(Protocol):
    """A rule that says how many pods are wanted: what a user plugs in.

    The whole series of decisions is asked for at once, so that a rule without memory is one line of numpy; entry k may
    depend on entries up to k of the view's arrays, and on none after it. The bounds of the capacity are applied to what
    it returns.
    """

    def decide(self, view: View) -> Ints:
        """Return the pods wanted from each decision to the next, `(decisions,)`."""
        ...
