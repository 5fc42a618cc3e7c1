"""Replay a trace under a policy, and mark its phases."""

import operator
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgeresearch.autoscaling.policies import Observation, Observations, Oracle, ScalingPolicy, make_policy
from edgeresearch.autoscaling.settings import ReplayConfig
from edgeresearch.autoscaling.simulator import Floats, Ints, SimulationResult, as_counts, as_load, simulate
from edgeresearch.errors import InputError

Phases: TypeAlias = npt.NDArray[np.int8]

PHASES: Mapping[str, int] = MappingProxyType({"stable": 0, "expansion": 1, "shrinkage": -1})
"""The phases by name, in the order of Paper A, Table 3, with the number that marks their steps."""


def simulate_policy(
    policy: ScalingPolicy | str,
    arrivals: npt.ArrayLike,
    forecast: npt.ArrayLike | None = None,
    *,
    config: ReplayConfig,
    rng: np.random.Generator,
) -> SimulationResult:
    """Let a policy scale the service under a trace.

    Args:
        policy: The policy, or its name in `POLICIES`.
        arrivals: Requests of each step, `(steps,)`.
        forecast: See `observe`.
        config: The service, the capacity and the sync period.
        rng: Draws the start delays. Policies are compared on generators of the same seed.

    Raises:
        InputError: See `plan_pods` and `simulate`.
    """
    return simulate(arrivals, plan_pods(policy, arrivals, forecast, config), config, rng=rng)


def plan_pods(
    policy: ScalingPolicy | str, arrivals: npt.ArrayLike, forecast: npt.ArrayLike | None, config: ReplayConfig
) -> Ints:
    """Return the pods that a policy wants in each step, within the bounds of the capacity, `(steps,)`.

    A decision holds until the next one. It uses the load measured before it and the forecast made at it, and nothing
    later; only the oracle is shown the future. The first decision has no past: see `Observations.load`.

    Args:
        policy: See `simulate_policy`.
        arrivals: Requests of each step, `(steps,)`.
        forecast: See `observe`.
        config: The capacity, the sync period, and the start delay, which gives the horizon.

    Raises:
        InputError: The policy is unknown or returns something else than a number per decision, or see `observe`.
    """
    policy = make_policy(policy) if isinstance(policy, str) else deepcopy(policy)
    arrived = as_counts("arrivals", arrivals)
    seen = observe(arrived, forecast, config)
    if isinstance(policy, Oracle):
        seen = replace(seen, peak=_peak_load(arrived, config))
    pods = np.asarray(policy.decide_all(seen)) if hasattr(policy, "decide_all") else _decide_each(policy, seen)
    if pods.shape != seen.load.shape or pods.dtype.kind not in "iu":
        raise InputError(
            f"{type(policy).__name__} returned {pods.dtype} of shape {pods.shape} for {len(seen.load)} decisions; "
            "return one whole number of pods for each"
        )
    return np.repeat(config.capacity.bound(pods), config.sync_steps)[: len(arrived)]


def _decide_each(policy: ScalingPolicy, seen: Observations) -> Ints:
    """Ask for one decision after another; the first finds the pods that the first load needs."""
    capacity = seen.capacity
    pods = int(capacity.bound(capacity.pods_for(seen.load[0])))
    wanted = np.empty(len(seen.load), dtype=np.int64)
    for decision in range(len(wanted)):
        answer = policy.decide(Observation(seen.until(decision), pods))
        try:
            pods = min(max(operator.index(answer), capacity.min_pods), capacity.max_pods)
        except TypeError:
            raise InputError(
                f"{type(policy).__name__} returned {answer!r} at decision {decision}; return a whole number of pods"
            ) from None
        wanted[decision] = pods
    return wanted


def observe(arrivals: npt.ArrayLike, forecast: npt.ArrayLike | None, config: ReplayConfig) -> Observations:
    """Return what policies know of a trace.

    Args:
        arrivals: Requests of each step, `(steps,)`.
        forecast: Load that was forecast at each decision for `horizon` sync periods ahead, in requests per second,
            `(decisions,)`; below 0 counts as 0. Where it is NaN (the forecaster has no past yet), and everywhere if
            None, the last value stands in: the forecaster that adds nothing to the policy.
        config: The capacity, the sync period and the start delay.

    Raises:
        InputError: The arrivals or the forecast are no such series.
    """
    load = measure_load(arrivals, config)
    expected = load
    if forecast is not None:
        expected = np.asarray(forecast, dtype=np.float64)
        if expected.shape != load.shape:
            raise InputError(
                f"forecasts of shape {expected.shape} for {len(load)} decisions; give one forecast per decision"
            )
        expected = as_load("forecast", np.maximum(np.where(np.isnan(expected), load, expected), 0.0))
    return Observations(load, expected, config.capacity, config.sync_period, config.horizon)


def measure_load(arrivals: npt.ArrayLike, config: ReplayConfig) -> Floats:
    """Return the load as an autoscaler measures it: `Observations.load`.

    It is what forecasters learn from: entry k is known at decision k, and a forecast made then is to be of entry
    k + horizon (`data.trace.make_targets`).

    Args:
        arrivals: Requests of each step, `(steps,)`.
        config: The sync period.

    Returns:
        Requests per second, `(decisions,)`, one decision for each sync period that begins.

    Raises:
        InputError: The arrivals are not whole numbers of at least 0.
    """
    arrived, length = as_counts("arrivals", arrivals), config.sync_steps
    starts = np.arange(0, len(arrived), length)
    rates = np.add.reduceat(arrived, starts) / (np.minimum(length, len(arrived) - starts) * config.dt)
    return np.concatenate([rates[:1], rates[:-1]])


def _peak_load(arrived: Ints, config: ReplayConfig) -> Floats:
    """Return the highest load of a step from each decision to the end of its horizon."""
    from scipy.ndimage import maximum_filter1d  # loaded when needed: input errors need not wait for it

    highest = np.maximum.reduceat(arrived, np.arange(0, len(arrived), config.sync_steps))
    horizon = config.horizon
    return np.asarray(maximum_filter1d(highest, horizon, origin=-(horizon // 2), mode="nearest") / config.dt)


def mark_load_phases(arrivals: npt.ArrayLike, config: ReplayConfig) -> Phases:
    """Mark steps by the load itself, alike for all policies.

    Needed are P = ⌈Q / Q_act⌉ pods for the load Q, smoothed by a centred mean (at the ends, over the steps there are).
    A step is in expansion if more pods are needed `config.phase_seconds` after it than were needed as long before it,
    in shrinkage if fewer, else stable. It looks both ways, because a late expansion fails after the load has risen and
    an early shrinkage before it has fallen.

    Args:
        arrivals: Requests of each step, `(steps,)`.
        config: The capacity, the length of the mean (`smooth`) and how far the comparison looks either way.

    Returns:
        Numbers of `PHASES`, `(steps,)`.

    Raises:
        InputError: The arrivals are not whole numbers of at least 0.
    """
    load = _smoothed(as_counts("arrivals", arrivals), round(config.smooth / config.dt / 2)) / config.dt
    capacity, window = config.capacity, _phase_steps(config)
    around = np.pad(capacity.bound(capacity.pods_for(load)), window, mode="edge")
    change: Phases = np.sign(around[2 * window :] - around[: -2 * window]).astype(np.int8)
    return change


def mark_action_phases(wanted: npt.ArrayLike, config: ReplayConfig) -> Phases:
    """Mark steps by the policy's own actions.

    The headings of Paper A, Table 3, "Triggered expansion time" and "Trigger shrinkage", can be read so. A step is in
    expansion if the last change of the wanted pods, at most `config.phase_seconds` ago, added some; in shrinkage if it
    removed some; else stable.

    Args:
        wanted: Pods wanted in each step, `(steps,)`.
        config: How long an action counts.

    Returns:
        Numbers of `PHASES`, `(steps,)`.

    Raises:
        InputError: The wanted pods are not whole numbers of at least 1.
    """
    change = np.diff(as_counts("wanted pods", wanted, 1), prepend=np.asarray(wanted)[:1])
    steps = np.arange(len(change))
    last = np.maximum.accumulate(np.where(change != 0, steps, 0))
    return np.where(steps - last < _phase_steps(config), np.sign(change[last]), 0).astype(np.int8)


def measure_phase_errors(result: SimulationResult, phases: Phases) -> dict[str, float]:
    """Return the error rate of each phase (Paper A, Table 3).

    Args:
        result: What happened.
        phases: Numbers of `PHASES`, `(steps,)`.

    Returns:
        For each of `PHASES`, the requests that failed in its steps among those that arrived in them, in percent; NaN
        where none arrived.

    Raises:
        InputError: The numbers of steps differ.
    """
    if len(phases) != len(result.arrived):
        raise InputError(
            f"phases of {len(phases)} steps for {len(result.arrived)} steps of service; mark the trace that was served"
        )
    failed, rates = result.failed, {}
    for name, mark in PHASES.items():
        inside = phases == mark
        arrived = int(result.arrived[inside].sum())
        rates[name] = 100 * int(failed[inside].sum()) / arrived if arrived else float("nan")
    return rates


def _phase_steps(config: ReplayConfig) -> int:
    return max(round(config.phase_seconds / config.dt), 1)


def _smoothed(values: Ints, half: int) -> Floats:
    """Return centred means over `half` steps either way, from whole sums: equal loads give equal means."""
    steps = np.arange(len(values))
    sums = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values)])
    first, last = np.maximum(steps - half, 0), np.minimum(steps + half + 1, len(values))
    return np.asarray((sums[last] - sums[first]) / (last - first), dtype=np.float64)
