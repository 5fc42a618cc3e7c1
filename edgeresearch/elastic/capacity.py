"""How many pods a load needs, and the pressure test that finds what one pod can do (Paper A, section 3)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeresearch.elastic.checks import Floats, Ints, load, within
from edgeresearch.elastic.service import Settings, run
from edgeresearch.errors import InputError

_ULP = 1 + 1e-12
"""A load this little above a whole number of pods, relatively, is that number: it comes from rounding."""


@dataclass(frozen=True)
class Capacity:
    """What a scaler takes a pod to be able to do, and the bounds of the number of pods.

    Attributes:
        q_max: Highest load that a pod serves, in requests per second: the result of a `pressure_test`.
        share: Part of `q_max` that is planned with; .8 in Paper A, section 3.
        minimum: Fewest pods, at least 1.
        maximum: Most pods.
    """

    q_max: float = 20.0
    share: float = 0.8
    minimum: int = 1
    maximum: int = 1000

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            InputError: A setting is out of its range.
        """
        within("q_max", self.q_max, 0, above=True)
        within("share", self.share, 0, 1, above=True)
        within("minimum replicas", self.minimum, 1)
        if self.minimum > self.maximum:
            raise InputError(
                f"minimum replicas {self.minimum} is above maximum replicas {self.maximum}; swap them or change one"
            )

    @property
    def q_act(self) -> float:
        """Load that a pod is planned to serve, in requests per second: Q_act = .8 Q_max (Paper A, section 3)."""
        return self.share * self.q_max

    def needed(self, rate: npt.ArrayLike) -> Ints:
        """Return P = ⌈Q / Q_act⌉, before bounds (Paper A, section 3).

        Args:
            rate: Loads Q in requests per second, any shape; not checked.
        """
        pods = np.divide(rate, self.q_act * _ULP)
        return np.ceil(pods, out=pods if pods.ndim else None).astype(np.int64)

    def bounded(self, pods: npt.ArrayLike) -> Ints:
        """Return numbers of pods within the minimum and the maximum."""
        return np.clip(np.asarray(pods, dtype=np.int64), self.minimum, self.maximum)

    def pods(self, rate: npt.ArrayLike) -> Ints:
        """Return P_t = ⌈Q'_t / Q_act⌉ within the bounds (Paper A, section 3).

        Args:
            rate: Loads Q' in requests per second, `(steps,)`.

        Raises:
            InputError: A load is negative or not finite.
        """
        return self.bounded(self.needed(load("load", rate)))


@dataclass(frozen=True)
class Pressure:
    """What a pressure test found.

    Attributes:
        q_max: Highest load, in requests per second, up to which the error rate stayed within the bound.
        load: Loads that were applied, ascending, `(levels,)`, in requests per second.
        error: Share of the requests that failed at each, `(levels,)`. The last one is above the bound.
    """

    q_max: float
    load: Floats
    error: Floats


def pressure_test(
    settings: Settings,
    *,
    rng: np.random.Generator,
    bound: float = 0.05,
    step: float = 0.5,
    hold: float = 300.0,
    highest: float = 1e4,
) -> Pressure:
    """Raise the load on one pod, level by level, until its error rate crosses a bound (Paper A, section 3).

    Every level is `step` above the one before and lasts `hold` seconds; arrivals are Poisson. What waits at the end of
    a level belongs to the next one.

    Args:
        settings: The service; its `start_delay` does not matter, as the pod is ready.
        rng: Draws the arrivals.
        bound: Highest share of failed requests that counts as stable; it must exceed the base error.
        step: Distance of two levels, in requests per second.
        hold: Duration of a level, in seconds.
        highest: Load at which the test gives up, in requests per second.

    Raises:
        InputError: A setting is out of range, the lowest level is above the bound, or no level up to `highest` is.
    """
    within("bound", bound, settings.base_error, 1, above=True)
    within("step", step, 0, above=True)
    within("hold", hold, settings.dt)
    length, levels = round(hold / settings.dt), 16
    rates: Floats = np.empty(0)
    errors: Floats = np.empty(0)
    while not (errors > bound).any():
        if len(rates) and rates[-1] >= highest:
            raise InputError(
                f"the error rate stays within {bound:g} up to {rates[-1]:g} requests per second; raise `highest`"
            )
        # Twice as far each time: the levels before are run again, on arrivals of their own.
        levels *= 2
        rates = step * np.arange(1.0, levels + 1)
        errors = _ramp(rates, length, settings, rng)
    last = int(np.argmax(errors > bound))
    if last == 0:
        raise InputError(
            f"the error rate is above {bound:g} at {step:g} requests per second already; use a smaller step"
        )
    return Pressure(float(rates[last - 1]), rates[: last + 1], errors[: last + 1])


def _ramp(rates: Floats, length: int, settings: Settings, rng: np.random.Generator) -> Floats:
    arrivals = rng.poisson(np.repeat(rates * settings.dt, length))
    outcome = run(arrivals, np.ones(len(arrivals), dtype=np.int64), settings=settings, rng=rng)
    arrived, failed = (part.reshape(-1, length).sum(axis=1) for part in (outcome.arrived, outcome.failed))
    return np.asarray(failed / np.maximum(arrived, 1), dtype=np.float64)
