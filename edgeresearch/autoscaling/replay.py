"""Replay a trace under a policy, and tell its phases."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d

from edgeresearch.autoscaling.policies import Capacity, Oracle, Strategy, View, strategy
from edgeresearch.autoscaling.simulator import Floats, Ints, Outcome, Settings, counts, load, run
from edgeresearch.errors import InputError

Phases: TypeAlias = npt.NDArray[np.int8]

PHASES: Mapping[str, int] = MappingProxyType({"stable": 0, "expansion": 1, "shrinkage": -1})
"""The phases by name, in the order of Paper A, Table 3, with the number that marks their steps."""


def from_trace(
    arrivals: npt.ArrayLike, *, capacity: Capacity, settings: Settings, window: float, smooth: float = 60.0
) -> Phases:
    """Mark steps by the load itself, alike for all strategies.

    Needed are P = ⌈Q / Q_act⌉ pods for the load Q, smoothed by a centred mean (at the ends, over the steps there are).
    A step is in expansion if more pods are needed `window` seconds after it than were `window` seconds before it, in
    shrinkage if fewer, else stable. It looks both ways, because a late expansion fails after the load has risen and an
    early shrinkage before it has fallen.

    Args:
        arrivals: Requests of each step, `(steps,)`.
        capacity: What a pod is taken to do.
        settings: The service.
        window: How far the comparison reaches either way, in seconds: start delay plus decision interval.
        smooth: Length of the mean, in seconds.

    Returns:
        Numbers of `PHASES`, `(steps,)`.

    Raises:
        InputError: The arrivals are not whole numbers of at least 0.
    """
    rate = _smoothed(counts("arrivals", arrivals), round(smooth / settings.dt / 2)) / settings.dt
    needed = capacity.bounded(capacity.needed(rate))
    reach = max(round(window / settings.dt), 1)
    around = np.pad(needed, reach, mode="edge")
    change: Phases = np.sign(around[2 * reach :] - around[: -2 * reach]).astype(np.int8)
    return change


def from_actions(wanted: npt.ArrayLike, *, settings: Settings, window: float) -> Phases:
    """Mark steps by the strategy's own actions.

    The headings of Paper A, Table 3, "Triggered expansion time" and "Trigger shrinkage", can be read so. A step is in
    expansion if the last change of the wanted pods, at most `window` seconds ago, added some; in shrinkage if it
    removed some; else stable.

    Args:
        wanted: Pods wanted in each step, `(steps,)`.
        settings: The service.
        window: How long an action counts, in seconds: start delay plus decision interval.

    Returns:
        Numbers of `PHASES`, `(steps,)`.

    Raises:
        InputError: The wanted pods are not whole numbers of at least 1.
    """
    change = np.diff(counts("wanted pods", wanted, 1), prepend=np.asarray(wanted)[:1])
    steps = np.arange(len(change))
    last = np.maximum.accumulate(np.where(change != 0, steps, 0))
    recent = steps - last < max(round(window / settings.dt), 1)
    return np.where(recent, np.sign(change[last]), 0).astype(np.int8)


def errors_by_phase(outcome: Outcome, phases: Phases) -> dict[str, float]:
    """Return the error rate of each phase (Paper A, Table 3).

    Args:
        outcome: What happened.
        phases: Numbers of `PHASES`, `(steps,)`.

    Returns:
        For each of `PHASES`, the requests that failed in its steps among those that arrived in them, in percent; NaN
        where none arrived.

    Raises:
        InputError: The numbers of steps differ.
    """
    if len(phases) != len(outcome.arrived):
        raise InputError(
            f"phases of {len(phases)} steps for {len(outcome.arrived)} steps of service; mark the trace that was served"
        )
    failed, rates = outcome.failed, {}
    for name, mark in PHASES.items():
        inside = phases == mark
        arrived = _sum(outcome.arrived, inside)
        rates[name] = 100 * _sum(failed, inside) / arrived if arrived else float("nan")
    return rates


def _smoothed(values: Ints, half: int) -> Floats:
    """Return centred means over `half` steps either way, from whole sums: equal loads give equal means."""
    steps = np.arange(len(values))
    sums = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values)])
    first, last = np.maximum(steps - half, 0), np.minimum(steps + half + 1, len(values))
    return np.asarray((sums[last] - sums[first]) / (last - first), dtype=np.float64)


def _sum(values: Ints, inside: npt.NDArray[np.bool_]) -> int:
    return int(values[inside].sum())


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


@dataclass(frozen=True)
class Cluster:
    """One cluster of Paper A, Table 1.

    Attributes:
        nodes: How many there are.
        cores: CPU cores of a node.
        memory_gb: Memory of a node.
        network_gbps: Network bandwidth of a node.
        disk_gb: Disk of a node.
    """

    nodes: int
    cores: int
    memory_gb: int
    network_gbps: int
    disk_gb: int


@dataclass(frozen=True)
class Setup:
    """What is the same for every strategy, phase and trace.

    Attributes:
        settings: The service.
        capacity: What a pod is taken to do; as many pods at most as the edge cluster has cores.
        every: Time between two decisions, in seconds.
        mean: Mean load to which every trace is scaled, in requests per second.
        smooth: Length of the mean that tells the phases, in seconds.
        reach: How far phases look either way, as a multiple of the longest start delay and an interval.
        clusters: Those of Table 1 by name; the service runs on `edge`.
    """

    settings: Settings
    capacity: Capacity
    every: float
    mean: float
    smooth: float
    reach: float
    clusters: Mapping[str, Cluster]

    @property
    def window(self) -> float:
        """How far phases look either way, in seconds."""
        return self.reach * (self.settings.longest_start + self.every)

    @property
    def horizon(self) -> int:
        """Intervals that a forecast looks ahead."""
        return horizon(self.settings, self.every)

    def delayed(self, lead: float) -> "Setup":
        """Return the same with start delays that are `lead` times as long; the phases stay."""
        service = self.settings
        slower = replace(service, start_delay=lead * service.start_delay, start_spread=lead * service.start_spread)
        reach = self.window / (slower.longest_start + self.every)
        return replace(self, settings=slower, reach=reach)


def setup(section: Mapping[str, Any]) -> Setup:
    """Make the objects from the section `elastic` of the settings as plain values.

    Raises:
        InputError: A setting is out of its range.
    """
    names = ("q_max", "start_delay", "start_spread", "base_error", "timeout", "grace", "service_time")
    clusters = {name: Cluster(**values) for name, values in section["clusters"].items()}
    most = clusters["edge"].nodes * clusters["edge"].cores
    return Setup(
        Settings(**{name: section[name] for name in names}),
        Capacity(section["q_max"], section["share"], maximum=most),
        section["every"],
        section["mean_qps"],
        section["smooth"],
        section["reach"],
        clusters,
    )
