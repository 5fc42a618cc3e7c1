"""From a trace and forecasts to the pods wanted at every step, and the whole replay of a strategy."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d

from edgeresearch.elastic.capacity import Capacity
from edgeresearch.elastic.checks import Floats, Ints, counts, load
from edgeresearch.elastic.outcome import Outcome
from edgeresearch.elastic.service import run
from edgeresearch.elastic.settings import Settings
from edgeresearch.elastic.strategies import Oracle, strategy
from edgeresearch.elastic.view import Strategy, View
from edgeresearch.errors import InputError

EVERY = 15.0
"""Time between two decisions, in seconds: the default of Kubernetes' autoscaler."""


def horizon(settings: Settings, every: float = EVERY) -> int:
    """Return how many intervals ahead a forecast looks: as long as a pod takes to start, and one interval more.

    A pod that is started now is ready for the last of these intervals; for the ones before it is too late.

    Args:
        settings: The service.
        every: Time between two decisions, in seconds.

    Raises:
        InputError: The interval is not a whole number of steps.
    """
    _steps(every, settings)
    return int(np.ceil(settings.longest_start / every - 1e-9)) + 1


def measured(arrivals: npt.ArrayLike, *, settings: Settings, every: float = EVERY) -> Floats:
    """Return the load as a scaler sees it: `View.present`.

    It is what forecasters learn from: entry k is known at decision k, and a forecast made then is to be of entry
    k + horizon (`series.windows.targets`).

    Args:
        arrivals: Requests of each step, `(steps,)`.
        settings: The service.
        every: Time between two decisions, in seconds.

    Returns:
        Requests per second, `(decisions,)`, one decision for each interval that begins.

    Raises:
        InputError: The arrivals are not whole numbers of at least 0, or the interval is not a whole number of steps.
    """
    return _measured(counts("arrivals", arrivals), _steps(every, settings), settings.dt)


def view(
    arrivals: npt.ArrayLike,
    forecast: npt.ArrayLike | None = None,
    *,
    capacity: Capacity,
    settings: Settings,
    every: float = EVERY,
) -> View:
    """Return what a strategy sees of a trace.

    Args:
        arrivals: Requests of each step, `(steps,)`.
        forecast: Load that was forecast at each decision for `horizon` intervals ahead, in requests per second,
            `(decisions,)`. Where it is NaN (the forecaster has no past yet), and everywhere if None, the last value
            stands in: the forecaster that adds nothing to the rule.
        capacity: What a pod is taken to do.
        settings: The service.
        every: Time between two decisions, in seconds.

    Raises:
        InputError: The arrivals or the forecast are no such series, or the interval is not a whole number of steps.
    """
    present = measured(arrivals, settings=settings, every=every)
    made = present if forecast is None else np.asarray(forecast, dtype=np.float64)
    if made.shape != present.shape:
        raise InputError(
            f"forecasts of shape {made.shape} for {len(present)} decisions; give one forecast per decision"
        )
    if made is not present:
        made = load("forecast", np.maximum(np.where(np.isnan(made), present, made), 0.0))
    return View(present, made, capacity, every, horizon(settings, every))


def plan(
    rule: Strategy | str,
    arrivals: npt.ArrayLike,
    forecast: npt.ArrayLike | None = None,
    *,
    capacity: Capacity,
    settings: Settings,
    every: float = EVERY,
) -> Ints:
    """Return the pods that a strategy wants in each step, within the bounds of the capacity, `(steps,)`.

    A decision holds until the next one. It uses the load measured before it and the forecast made at it, and nothing
    later; only the oracle is shown the future. The first decision has no past: see `View.present`.

    Args:
        rule: The strategy, or its name in `STRATEGIES`.
        arrivals: Requests of each step, `(steps,)`.
        forecast: See `view`. A forecast below 0 counts as 0.
        capacity: What a pod is taken to do, and the bounds of their number.
        settings: The service; its start delay gives the horizon.
        every: Time between two decisions, in seconds.

    Raises:
        InputError: The strategy is unknown or returns something else than a number per decision, or see `view`.
    """
    rule = strategy(rule) if isinstance(rule, str) else rule
    arrived = counts("arrivals", arrivals)
    seen = view(arrived, forecast, capacity=capacity, settings=settings, every=every)
    length = _steps(every, settings)
    if isinstance(rule, Oracle):
        seen = replace(seen, peak=_peaks(arrived, length, seen.horizon) / settings.dt)
    pods = np.asarray(rule.decide(seen))
    if pods.shape != seen.present.shape or pods.dtype.kind not in "iu":
        raise InputError(
            f"{type(rule).__name__} returned {pods.dtype} of shape {pods.shape} for {len(seen.present)} decisions; "
            "return one whole number of pods for each"
        )
    return np.repeat(capacity.bounded(pods), length)[: len(arrived)]


def replay(
    rule: Strategy | str,
    arrivals: npt.ArrayLike,
    forecast: npt.ArrayLike | None = None,
    *,
    capacity: Capacity,
    settings: Settings,
    rng: np.random.Generator,
    every: float = EVERY,
) -> Outcome:
    """Let a strategy scale the service under a trace: `plan`, then `service.run`.

    Args:
        rule: See `plan`.
        arrivals: See `plan`.
        forecast: See `plan`.
        capacity: See `plan`.
        settings: The service.
        rng: Draws the start delays. Strategies are compared on generators of the same seed.
        every: See `plan`.

    Raises:
        InputError: See `plan` and `service.run`.
    """
    wanted = plan(rule, arrivals, forecast, capacity=capacity, settings=settings, every=every)
    return run(arrivals, wanted, settings=settings, rng=rng)


def _steps(every: float, settings: Settings) -> int:
    """Return the steps between two decisions."""
    steps = round(every / settings.dt) if np.isfinite(every) else 0
    if steps < 1 or abs(steps * settings.dt - every) > 1e-9 * every:
        raise InputError(
            f"decisions every {every:g} s do not fall on steps of {settings.dt:g} s; use a multiple of the step"
        )
    return steps


def _measured(arrived: Ints, length: int, dt: float) -> Floats:
    starts = np.arange(0, len(arrived), length)
    rates = np.add.reduceat(arrived, starts) / (np.minimum(length, len(arrived) - starts) * dt)
    return np.concatenate([rates[:1], rates[:-1]])


def _peaks(arrived: Ints, length: int, intervals: int) -> Ints:
    """Return the most requests of a step from each decision to the end of its horizon."""
    highest = np.maximum.reduceat(arrived, np.arange(0, len(arrived), length))
    return maximum_filter1d(highest, intervals, origin=-(intervals // 2), mode="nearest")
