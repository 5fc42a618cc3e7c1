"""Replay a trace under policies: its requests step by step, what becomes of them, and the errors of each phase."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from edgeresearch.autoscaling.policies import ScalingPolicy, plan_pods, reads_forecast
from edgeresearch.autoscaling.settings import ReplayConfig
from edgeresearch.autoscaling.simulator import Floats, Ints, SimulationResult, as_counts, simulate
from edgeresearch.data import trace as grid
from edgeresearch.data.trace import Trace, describe_gaps
from edgeresearch.errors import InputError, check_known

Phases: TypeAlias = npt.NDArray[np.int8]
PHASES: Mapping[str, int] = MappingProxyType({"stable": 0, "expansion": 1, "shrinkage": -1})
"""The phases by name, in the order of Paper A, Table 3, with the number that marks their steps."""
GAP = 2
"""Marks steps of which it is not known what arrived."""

UNITS = {"per-second": 1.0, "per-minute": 60.0, "per-hour": 3600.0, "per-day": 86400.0, "per-step": None}
"""The time that values of a unit count over, in seconds; any other is written like `per-5min`, `req/s` or `rpm`."""

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PER = re.compile(
    r"(?:\b(?:per|every|each)\s+|/\s*)(\d+\s*)?(seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)\b",
    re.IGNORECASE,
)
_ABBREVIATED = re.compile(r"\b[rqth]p([smh])\b", re.IGNORECASE)
_ADVERBS = {"minutely": 60.0, "hourly": 3600.0, "daily": 86400.0}
_ADVERB = re.compile(rf"\b({'|'.join(_ADVERBS)})\b", re.IGNORECASE)
_PROMETHEUS = re.compile(r"\b(i?rate|increase)\([^\[]{1,500}\[(\d+)([smhd])\]|:(i?rate)\d+[smhd]\b")
_WORDS = re.compile("_|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
"""Where one word of a column's name ends and the next begins: `requests_per_second`, `requestsPerSecond`."""
_OBSERVATIONS = re.compile(r"(?:seconds|bytes|size|duration|latency) count\b", re.IGNORECASE)
"""How many durations or sizes were observed: that many requests there were."""


def _kind(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z\d])(?:{words})(?![a-z])", re.IGNORECASE)


_LEVELS = _kind(
    "sessions?|connections?|users?|concurren\\w{1,3}|active|in ?flight|queue|backlog|pods?|replicas?|threads?"
)
_NO_REQUESTS = {
    "a share": _kind("%|percent(?:age)?|pct|util(?:i[sz]ation)?|cpu|ratio"),
    "a size": _kind(
        "(?:[kmgt]i?)?b(?:ytes?|its?|ps)|[kmgt]i?b|octets?|network (?:in|out)|memory|mem|ram|heap|disk|swap"
    ),
    "a latency": _kind(
        "latency|duration|elapsed|delay|rtt|p[5-9]\\d|response times?|seconds?|secs?|milli\\w{0,7}|[mµ]?s"
    ),
    "a load average": _kind("load ?av(?:g|erage)|load(?:1|5|15)"),
    "no count": _kind("temp(?:erature)?|celsius|humidity|volt(?:s|age)?|watts?|kwh|prices?|speed"),
}
"""What is no number of requests, by what its name or unit says."""


def spread(trace: Trace, rng: np.random.Generator, *, dt: float = 1.0, mean: float | None = None) -> Ints:
    """Spread a trace to whole requests per step.

    The requests of a slot of the trace are rounded so that their sums stay right (error diffusion). They fall on the
    slot's steps as a Poisson process would, given their number: multinomially, in proportion to a rate that runs
    linearly between the middles of the slots. So each slot keeps its total exactly, and a trace of steps of its own is
    left as it is.

    Args:
        trace: Request rates; the first column is used. Its unit gives the time it counts (see `unit_seconds`); without
            one, values are counts per slot.
        rng: Places the requests.
        dt: Length of a step, in seconds, at most 1; a slot of the trace must be a multiple of it.
        mean: Mean load above 0 to scale the trace to, in requests per second, as real traces differ in size by orders
            of magnitude; None keeps it.

    Returns:
        `(slots · slot / dt,)`.

    Raises:
        InputError: The trace has gaps, negative values or, with a mean, no request; or a slot is no multiple of `dt`.
    """
    slot = trace.step.total_seconds()
    steps = round(slot / dt)
    if steps < 1 or abs(steps * dt - slot) > 1e-9 * slot:
        raise InputError(f"{trace.name}: its step of {slot:g} s is no multiple of dt = {dt:g} s; change dt")
    rate = to_requests_per_second(trace)
    if mean is not None:
        if not rate.any():
            raise InputError(f"{trace.name} has no request to scale to {mean:g} per second; use another trace")
        rate *= mean / rate.mean()
    sums = np.cumsum(rate * slot)
    if sums[-1] >= 2.0**53:  # above which floats skip whole numbers
        raise InputError(f"{trace.name} has {sums[-1]:.3g} requests in all, more than can be counted; check the unit")
    ends = np.floor(sums + 0.5).astype(np.int64)
    totals: Ints = np.diff(ends, prepend=np.int64(0))
    if steps == 1:
        return totals
    middles = np.arange(len(rate)) + 0.5
    weights = np.interp((np.arange(len(rate) * steps) + 0.5) / steps, middles, rate).reshape(-1, steps)
    weights[weights.sum(axis=1) == 0] = 1.0
    return rng.multinomial(totals, weights / weights.sum(axis=1, keepdims=True)).reshape(-1)


def to_requests_per_second(trace: Trace) -> Floats:
    """Return the first column of a trace, which must be whole, in requests per second, `(slots,)`."""
    values = trace.values.to_numpy(dtype=np.float64, copy=True)
    if not len(values):
        raise InputError(f"{trace.name} is empty; use a trace with at least one value")
    if not np.isfinite(values).all():
        gaps = describe_gaps(trace.values.where(np.isfinite(values)))
        raise InputError(f"{trace.name}: {gaps}, are missing; interpolate them, or cut the trace")
    if values.min() < 0:
        at = int(values.argmin())
        raise InputError(f"{trace.name}: load {values[at]:g} at {trace.frame.index[at]} is negative; mend the trace")
    return values / (unit_seconds(trace.unit) or trace.step.total_seconds())


def unit_seconds(unit: str) -> float | None:
    """Return the time that values of a unit count over, in seconds, or None if its name does not say.

    That is 60 for `requests per minute`, `requests_per_minute`, `req/min` and `rpm`, and 300 for `messages per 5 min`.
    """
    return next(iter(named_times(unit)), None)


def parse_unit(unit: str | None) -> float | None:
    """Return the time that a unit of `UNITS`, or one written like `per-5min`, counts over, in seconds; None for a step.

    Raises:
        InputError: It is no unit.
    """
    if unit is None or unit in UNITS:
        return UNITS.get(unit or "")
    times = named_times("requests " + unit.replace("-", " "))
    if len(times) != 1 or not times[0]:
        check_known("unit", unit, UNITS)
    return times[0]


def named_times(unit: str) -> tuple[float, ...]:
    """Return the different times, in seconds, that a unit or a column's name says its values count over."""
    if prometheus := _PROMETHEUS.search(unit):  # a rate is per second, an increase over the time in brackets
        return (int(prometheus[2]) * _SECONDS[prometheus[3]] if prometheus[1] == "increase" else 1.0,)
    words = _WORDS.sub(" ", unit)
    found = [int(per[1] or 1) * _SECONDS[per[2][0].lower()] for per in _PER.finditer(words)]
    found += [_SECONDS[short[1].lower()] for short in _ABBREVIATED.finditer(words)]
    found += [_ADVERBS[adverb[1].lower()] for adverb in _ADVERB.finditer(words)]
    return tuple(dict.fromkeys(found))


def no_requests(unit: str) -> str:
    """Return what values of a unit or a column's name are, such as `a latency`, if they are no number of requests."""
    words = _WORDS.sub(" ", unit)
    if _OBSERVATIONS.search(words):
        return ""
    bare = _PER.sub(" ", words)
    kinds = dict(_NO_REQUESTS) | ({} if named_times(unit) else {"a level, not what came in a time": _LEVELS})
    return next((what for what, pattern in kinds.items() if pattern.search(bare)), "")


def draw_lines(trace: Trace, limit: int | None = None) -> Trace:
    """Interpolate gaps of at most `limit` steps, or all, linearly, between the value before and the value after.

    A gap at either end has nothing to be drawn to, and stays.
    """
    values = trace.values.to_numpy(dtype=np.float64, copy=True)
    missing = np.isnan(values)
    starts, lengths = grid.find_runs(missing)
    drawn = (starts > 0) & (starts + lengths < len(values)) & (lengths <= (len(values) if limit is None else limit))
    known, steps = np.flatnonzero(~missing), np.flatnonzero(missing)[np.repeat(drawn, lengths)]
    if not len(steps):
        return trace
    values[steps] = np.interp(steps, known, values[known])
    return replace(trace, frame=trace.frame.assign(**{str(trace.frame.columns[0]): values}))


def interpolate_gaps(trace: Trace, limit: int) -> Trace:
    """Take gaps of at most `limit` steps as if load had been observed there, on a straight line; longer ones stay.

    Unlike the filling of `make_features`, which carries the last value so that a forecaster sees nothing of what comes,
    this looks ahead: what is filled is invented, and rather too easy to forecast. `repairs` count the steps, and
    `notes` say so.

    Raises:
        InputError: The limit is negative.
    """
    if limit < 0:
        raise InputError(f"fill {limit} is below 0; use 0 or more")
    whole = draw_lines(trace, limit)
    filled = int(trace.values.isna().sum() - whole.values.isna().sum())
    if not filled:
        return trace
    words = f"filled: {filled} of {len(trace.frame)} steps, in gaps of at most {limit}, by straight lines"
    notes = (*trace.notes, f"{words}, easier to forecast than real load")
    return replace(whole, repairs={**trace.repairs, "filled": filled}, notes=notes)


def simulate_policy(
    policy: ScalingPolicy | str,
    arrivals: npt.ArrayLike,
    forecast: npt.ArrayLike | None = None,
    *,
    config: ReplayConfig,
    rng: np.random.Generator,
) -> SimulationResult:
    """Let a policy scale the service under a trace (see `plan_pods` and `simulate`).

    Args:
        policy: The policy, or its name in `POLICIES`.
        arrivals: Requests of each step, `(steps,)`.
        forecast: Load forecast at each decision (see `observe`); None for the last value.
        config: The service, the capacity and the sync period.
        rng: Draws the start delays. Policies are compared on generators of the same seed.
    """
    return simulate(arrivals, plan_pods(policy, arrivals, forecast, config), config, rng=rng)


@dataclass(frozen=True)
class PolicyRun:
    """One policy with one forecaster, by their names (no forecaster is ""), and what happened."""

    strategy: str
    forecaster: str
    result: SimulationResult


def replay_policies(
    policies: Mapping[str, ScalingPolicy],
    arrivals: Ints,
    forecasts: Mapping[str, Floats | None],
    config: ReplayConfig,
    *,
    seed: np.random.SeedSequence,
) -> Iterator[PolicyRun]:
    """Replay policies, by name, on the same arrivals and start delays of the same seed (see `simulate_policy`).

    A policy that reads forecasts is replayed with those of each forecaster, any other once.
    """
    for name, policy in policies.items():
        for forecaster in forecasts if reads_forecast(policy) else ("",):
            forecast, rng = forecasts.get(forecaster), np.random.default_rng(seed)
            yield PolicyRun(name, forecaster, simulate_policy(policy, arrivals, forecast, config=config, rng=rng))


def average_periods(result: SimulationResult, config: ReplayConfig) -> pd.DataFrame:
    """Return one row per sync period: its first second, load and failures per second, pods, and CPU and memory."""
    starts = np.arange(0, len(result.arrived), config.sync_steps)
    steps = np.diff(starts, append=len(result.arrived))

    def mean(values: Any, unit: float = 1.0) -> Floats:
        return np.asarray(np.add.reduceat(np.asarray(values, float), starts) / (steps * unit))

    rates = {"load": mean(result.arrived, config.dt), "failed": mean(result.failed, config.dt)}
    levels = {name: mean(getattr(result, name)) for name in ("wanted", "ready", "cpu", "memory")}
    return pd.DataFrame({"seconds": starts * config.dt, **rates, **levels})


def mark_load_phases(arrivals: npt.ArrayLike, config: ReplayConfig) -> Phases:
    """Mark steps by the load itself, alike for all policies: numbers of `PHASES`, `(steps,)`.

    Needed are P = ⌈Q / Q_act⌉ pods for the load Q, a centred mean of the arrivals over `config.smooth` seconds (at the
    ends, over the steps there are). A step is in expansion if more pods are needed `config.phase_seconds` after it than
    were needed as long before it, in shrinkage if fewer, else stable. It looks both ways, because a late expansion
    fails after the load has risen and an early shrinkage before it has fallen.
    """
    arrived, half = as_counts("arrivals", arrivals), round(config.smooth / config.dt / 2)
    # From whole sums: equal loads give equal means.
    sums, steps = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(arrived)]), np.arange(len(arrived))
    first, last = np.maximum(steps - half, 0), np.minimum(steps + half + 1, len(arrived))
    load = np.asarray((sums[last] - sums[first]) / (last - first), dtype=np.float64) / config.dt
    window = min(config.phase_steps, len(arrived))
    around = np.pad(config.bound(config.pods_for(load)), window, mode="edge")
    change: Phases = np.sign(around[2 * window :] - around[: -2 * window]).astype(np.int8)
    return change


def mark_action_phases(wanted: npt.ArrayLike, config: ReplayConfig) -> Phases:
    """Mark steps by the policy's own actions: numbers of `PHASES`, `(steps,)`.

    The headings of Paper A, Table 3, "Triggered expansion time" and "Trigger shrinkage", can be read so. A step is in
    expansion if the last change of the wanted pods, at most `config.phase_seconds` ago, added some; in shrinkage if it
    removed some; else stable.
    """
    change = np.diff(as_counts("wanted pods", wanted, 1), prepend=np.asarray(wanted)[:1])
    steps = np.arange(len(change))
    last = np.maximum.accumulate(np.where(change != 0, steps, 0))
    return np.where(steps - last < config.phase_steps, np.sign(change[last]), 0).astype(np.int8)


def measure_phase_errors(result: SimulationResult, phases: Phases) -> dict[str, float]:
    """Return the percentage of the requests in each of `PHASES` that failed (Paper A, Table 3); NaN of no request."""
    failed = result.failed
    return {name: result.percent(failed, phases == mark) for name, mark in PHASES.items()}


def total_errors(result: SimulationResult, phases: Phases) -> dict[str, float]:
    """Return error rates over all steps, by cause and by phase, and pod-hours; steps of `GAP` do not count."""
    counted = phases != GAP
    causes = {"error": result.failed, "overload": result.overload, "base": result.base, "drain": result.drain}
    percent = {f"{cause}_percent": result.percent(requests, counted) for cause, requests in causes.items()}
    if not result.arrived[counted].any():
        percent = dict.fromkeys(percent, 0.0)  # where none came, none failed
    by_phase = {f"{phase}_error_percent": error for phase, error in measure_phase_errors(result, phases).items()}
    return {**percent, "pod_hours": result.hours(counted), **by_phase}
