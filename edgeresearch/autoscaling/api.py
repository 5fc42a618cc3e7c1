"""Would predictive scaling pay on a trace of one's own? Forecast on its beginning, replay policies on the rest."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import replace as changed
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edgeresearch.autoscaling.arrivals import interpolate_gaps, spread, to_requests_per_second, unit_seconds
from edgeresearch.autoscaling.compare import (
    WITHIN,
    Advice,
    advise,
    average_periods,
    replay_policies,
    summarise,
    total_errors,
)
from edgeresearch.autoscaling.policies import (
    POLICIES,
    Fixed,
    ScalingPolicy,
    make_policy,
    policy_name,
    reads_forecast,
)
from edgeresearch.autoscaling.replay import mark_load_phases, measure_load
from edgeresearch.autoscaling.settings import ExperimentConfig, ReplayConfig
from edgeresearch.autoscaling.simulator import Floats, Ints, check_range
from edgeresearch.data import trace as grid
from edgeresearch.data.csv import TraceLike, choose_season, format_duration, read_trace
from edgeresearch.data.trace import Trace
from edgeresearch.errors import InputError
from edgeresearch.forecasting.models import build, model_info
from edgeresearch.forecasting.settings import STUDY, ForecastSettings
from edgeresearch.result import Result
from edgeresearch.settings import as_list, check_whole

if TYPE_CHECKING:
    from edgeresearch.forecasting.base import Forecaster
    from edgeresearch.forecasting.evaluation import Split

OWN_TRACE = ExperimentConfig(
    start_delay=30.0,
    start_spread=0.0,
    base_error=0.03,
    timeout=1.0,
    sync_period=15.0,
    smooth=60.0,
    max_pods=1000,
    learn=0.6,
    repeats=5,
)
"""Defaults for a trace of one's own. The study's, `ExperimentConfig()`, were fitted to Paper A's Table 3; these are
what a web service on Kubernetes commonly has: decisions each 15 s, pods that start in 30 s, a second's patience."""
LONGEST = 3_000_000
"""Steps that are used at most, the newest ones: memory is linear in them."""
COMPARED = ("responsive", "hpa")
"""Policies that are always replayed, as the advice compares with them."""
UNITS = ("per-second", "per-minute", "per-hour", "per-step")


@dataclass(frozen=True, repr=False)
class Replay(Result):
    """Result of a replay.

    Attributes:
        table: One row per policy and forecaster, means over the repeats: `strategy`; `forecaster`, empty where it reads
            none; `repeats`; `error_percent` of the requests, with the lowest and highest repeat (`_low`, `_high`); of
            that, by cause, `overload_percent`, `base_percent` and `drain_percent`; `pod_hours`, likewise with `_low`
            and `_high`; and the errors within phases of the load: `stable_error_percent`, `expansion_error_percent`,
            `shrinkage_error_percent`.
        notes: One line for each thing that was guessed.
        facts: What is written to `report.json`.
        advice: Which policy to take, with its numbers.
        advised: That policy and its forecaster.
        course: One row per policy, forecaster and sync period, of the first repeat: `seconds` and `time` of its begin;
            `load`, its `forecast` (NaN without a forecaster) and what `failed`, in requests per second; pods `wanted`
            and `ready`; `cpu` and `memory` of all pods, in percent of their limits.
        trace: The trace, as long as it was used.
        config: What was the same for every policy.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]
    facts: Mapping[str, Any]
    advice: str
    advised: Advice
    course: pd.DataFrame
    trace: Trace
    config: ExperimentConfig


def replay(
    trace: TraceLike,
    *,
    policies: str | ScalingPolicy | Iterable[str | ScalingPolicy] | None = None,
    forecaster: str = "lstm",
    q_max: float = OWN_TRACE.q_max,
    start_delay: float = OWN_TRACE.start_delay,
    start_spread: float = OWN_TRACE.start_spread,
    sync_period: float = OWN_TRACE.sync_period,
    min_pods: int = OWN_TRACE.min_pods,
    max_pods: int = OWN_TRACE.most_pods,
    scale: float | None = None,
    unit: str | None = None,
    repeats: int = OWN_TRACE.repeats,
    seed: int = 0,
    time: str | None = None,
    value: str | None = None,
    step: str | None = None,
    fill: int = 0,
    models: ForecastSettings | None = None,
    progress: Callable[[str], None] | None = None,
) -> Replay:
    """Replay autoscaling policies on a trace of request rates, and advise one.

    The first 60 % of the trace train the forecaster, the rest is replayed. Every policy sees the same requests and
    start delays. One that reads forecasts is replayed with the forecaster and with the last value, which separates what
    the forecast gives from what the policy gives.

    Args:
        trace: A CSV file, a Series or DataFrame over times, or a `Trace`.
        policies: One or several of `advance`, `responsive`, `combined`, `fixed`, `hpa`, `quantile` and `oracle`, or
            policies of your own (see `ScalingPolicy`); all built-in ones if None. `responsive` and `hpa` are added.
        forecaster: `random_forest`, `ridge`, `logistic`, `xgboost`, `lstm_paper`, `last_value`,
            `seasonal_naive`, `ridge_calendar`, `xgboost_calendar`, `lstm` or `lstm_huber`.
        q_max: Requests that a pod serves per second.
        start_delay: Mean time from wanting a pod to its readiness, in seconds.
        start_spread: Half the width of the uniform distribution around it, in seconds.
        sync_period: Time between two decisions, in seconds.
        min_pods: Fewest pods.
        max_pods: Most pods.
        scale: Mean load to scale the trace to, in requests per second; None keeps it.
        unit: What the values count: `per-second`, `per-minute`, `per-hour` or `per-step`; where None, the column's name
            says it, such as `requests/s`, `rpm` or `hits_per_minute`, or they are per step.
        repeats: Draws of how requests fall within a step of the trace, and of start delays.
        seed: Root of everything random.
        time: Name of the time column; guessed where None.
        value: Name of the value column; guessed where None.
        step: Distance of two rows, such as `5min`; guessed where None.
        fill: Longest gap that is interpolated, in steps (see `interpolate_gaps`); longer ones are refused.
        models: What the forecaster is made of, as in the study if None; its window is that of the policies.
        progress: Receives a line at the start of each long step.

    Raises:
        InputError: The trace or a setting is not usable; the message says why.
    """
    named = _by_name(tuple(POLICIES) if policies is None else policies)
    model_info(forecaster)
    check_whole(repeats=repeats, seed=seed, fill=fill)
    check_range("repeats", repeats, 1)
    check_range("seed", seed, 0)
    if scale is not None:
        check_range("scale", scale, 0, above=True)
    trace = _read(trace, unit, fill, {"time": time, "value": value, "step": step})
    slot = trace.step.total_seconds()
    config = OWN_TRACE.replace(
        **{"q_max": q_max, "start_delay": start_delay, "start_spread": start_spread, "sync_period": sync_period},
        **{"min_pods": min_pods, "max_pods": max_pods, "dt": slot / math.ceil(slot - 1e-9)},
    )
    trace = _newest(trace, config.dt)
    config = config.replace(mean_qps=_mean_load(trace) if scale is None else scale)
    notes, cut = [*trace.notes], _first_replayed(trace, config)
    if slot <= 1 and not start_spread and repeats > 1:
        notes.append(f"repeats: 1, not {repeats}, as nothing is random; a spread of the start delays would be")
        repeats = 1
    say, totals, course = progress or _ignore, [], []
    model, forecasts, fixed, peak = None, dict[str, Floats | None](), Fixed(), 0.0
    for repeat in range(repeats):
        placing, delays = np.random.SeedSequence(seed, spawn_key=(repeat,)).spawn(2)
        arrivals = spread(trace, np.random.default_rng(placing), dt=config.dt, mean=config.mean_qps)
        parts = _split(trace, arrivals, config, cut)
        replayed = arrivals[cut * config.sync_steps :]
        if not repeat:
            peak = float(measure_load(replayed, config).max())
            fixed = Fixed(pods=int(config.capacity.pods_for(parts.features["value"].iloc[:cut].max())))
            named = {name: fixed if policy == Fixed() else policy for name, policy in named.items()}
            notes += _describe(trace, replayed, parts, config, fixed)
            if any(map(reads_forecast, named.values())):
                say(f"fitting {forecaster} on {cut} decisions")
                model = _fit(forecaster, parts, config, seed, models or STUDY)
        say(f"replaying {len(named)} policies, repeat {repeat + 1} of {repeats}")
        if model is not None:
            forecasts = {forecaster: _forecast(model, parts)}
            forecasts.setdefault("last_value", None)
        phases = mark_load_phases(replayed, config)
        for run in replay_policies(named, replayed, forecasts, config, seed=delays):
            pair = {"strategy": run.strategy, "forecaster": run.forecaster}
            totals.append({**pair, **total_errors(run.result, phases)})
            if not repeat:
                times = parts.features.index[cut:]
                forecast = _when_due(forecasts.get(run.forecaster), len(times), config.horizon)
                course.append(average_periods(run.result, config).assign(time=times, forecast=forecast, **pair))
    table = summarise(pd.DataFrame(totals))
    advised = advise(table)
    advice = ("" if unit else _doubt_unit(trace, peak, config)) + advised.line
    facts = {
        **{"strategies": list(named), "forecaster": forecaster, "seed": seed, "repeats": repeats, "scale": scale},
        **{"horizon": config.horizon, "window": config.window, "fill": fill, "within": WITHIN},
        **{"fixed_pods": fixed.pods, "settings": config.model_dump(include=_REPORTED), "data": trace.describe()},
        **{"learnt_decisions": cut, "replayed_from": str(course[0]["time"].iloc[0]), "advice": advice},
    }
    return Replay(table, tuple(notes), facts, advice, advised, pd.concat(course, ignore_index=True), trace, config)


_REPORTED = {*ReplayConfig.model_fields} - {"clusters"}


def _ignore(_: str) -> None:
    pass


def _by_name(policies: str | ScalingPolicy | Iterable[str | ScalingPolicy]) -> dict[str, ScalingPolicy]:
    named: dict[str, ScalingPolicy] = {}
    for given in [*as_list(policies, "policy"), *COMPARED]:
        policy = make_policy(given) if isinstance(given, str) else given
        if isinstance(policy, type) or not isinstance(policy, ScalingPolicy):
            raise InputError(f"{policy!r} is no policy; give a name or an object with a method decide(observation)")
        name = policy_name(policy)
        if named.setdefault(name, policy) != policy:
            raise InputError(f"two policies are called {name!r}; give one of them an attribute 'name' of its own")
    return named


def _read(data: TraceLike, unit: str | None, fill: int, columns: Mapping[str, Any]) -> Trace:
    if unit is not None and unit not in UNITS:
        raise InputError(f"unknown unit {unit!r}; known: {', '.join(UNITS)}")
    trace = interpolate_gaps(read_trace(data, **columns), fill)
    notes = [line for line in trace.notes if not line.startswith("season:")]
    if unit is not None:
        unit = "requests" if unit == "per-step" else "requests " + unit.replace("-", " ")
        return changed(trace, unit=unit, notes=tuple(notes))
    words = f"counts requests per {format_duration(trace.step)}" if unit_seconds(trace.unit) is None else "says it"
    return changed(trace, notes=(*notes, f"unit: {trace.unit!r} {words}"))


def _doubt_unit(trace: Trace, peak: float, config: ExperimentConfig) -> str:
    """Return a question where the unit was guessed and leaves so little load that one pod always does."""
    if unit_seconds(trace.unit) is not None or config.capacity.pods_for(peak) > 1:
        return ""
    return (
        f"the load never needs a second pod at q_max {config.q_max:g}, being {peak:.3g} requests per second at most; "
        f"is the unit right? {trace.unit!r} was read as requests per {format_duration(trace.step)}; "
    )


def _newest(trace: Trace, dt: float) -> Trace:
    rows = int(LONGEST * dt / trace.step.total_seconds())
    if len(trace.frame) <= rows:
        return trace
    frame: pd.DataFrame = trace.frame.iloc[-rows:]
    note = f"trace: the newest {rows} of {len(trace.frame)} rows are used, from {frame.index[0]} on"
    return changed(trace, frame=frame, notes=(*trace.notes, note))


def _mean_load(trace: Trace) -> float:
    """Return the trace's own mean load; scaled to it, the trace is as it was, to the last bit."""
    mean = float(to_requests_per_second(trace).mean())
    if not mean:
        raise InputError(f"the {len(trace.frame)} rows that are used, the newest, have no request; cut the file")
    return mean


def _first_replayed(trace: Trace, config: ExperimentConfig) -> int:
    """Return the first decision that is replayed; the forecaster learns from those before it."""
    steps = len(trace.frame) * round(trace.step.total_seconds() / config.dt)
    config.check_duration(steps)
    decisions, ahead, least = -(-steps // config.sync_steps), config.horizon, 2 * config.window + config.horizon
    cut = int(config.learn * decisions)
    if cut < least or decisions - cut <= ahead:
        need = math.ceil(max(least / config.learn, (ahead + 1) / (1 - config.learn))) * config.sync_period
        raise InputError(
            f"{trace.name} lasts {steps * config.dt:g} s; to learn on {config.learn:.0%} of it with decisions every "
            f"{config.sync_period:g} s and forecasts {ahead} ahead takes {need:g} s; use a longer trace or decide more "
            "often"
        )
    return cut


def _split(trace: Trace, arrivals: Ints, config: ExperimentConfig, cut: int) -> "Split":
    """Return what a forecaster sees, and is asked: the load when a pod that is started now is ready."""
    from edgeresearch.data.trace import find_whole_windows, make_features, make_targets
    from edgeresearch.forecasting.evaluation import Split

    load, ahead = measure_load(arrivals, config), config.horizon
    gap = pd.Timedelta(seconds=config.sync_period)
    frame = pd.DataFrame({"load": load}, index=grid.regular_index(trace.frame.index[0], len(load), gap))
    seen = changed(trace, frame=frame, step=gap)
    # A period that the training part does not span is not learnt, whatever the rest would show.
    period = choose_season(None, changed(seen, frame=frame.iloc[:cut]), ahead)
    known = make_features(seen, horizons=[ahead], season=period, fill_limit=0, span=cut)
    whole = find_whole_windows(load, config.window)
    return Split(seen, known, make_targets(load, [ahead]), whole, cut, (ahead,))


def _fit(name: str, parts: "Split", config: ExperimentConfig, seed: int, models: ForecastSettings) -> "Forecaster":
    columns = list(parts.features.columns)
    if name == "seasonal_naive" and not any(column.startswith("season_lag_") for column in columns):
        raise InputError("forecaster seasonal_naive needs a season; the part that is learnt from spans no three days")
    if name.startswith("lstm"):
        import torch

        torch.set_num_threads(1)
    rows = parts.test_start
    model = build(name, columns=columns, rows=rows, settings=models.replace(window=config.window), seed=seed)
    return model.fit(parts.features.to_numpy()[:rows], parts.training_targets)


def _forecast(model: "Forecaster", parts: "Split") -> Floats:
    """Return what is forecast at each replayed decision; the model reads the decisions before, as it would live."""
    from edgeresearch.forecasting.evaluation import CONTEXT

    begin = max(parts.test_start - CONTEXT, 0)
    values = model.predict(parts.features.to_numpy()[begin:])
    return np.asarray(values.reshape(len(values), -1)[parts.test_start - begin :, 0], dtype=np.float64)


def _when_due(forecast: Floats | None, decisions: int, horizon: int) -> Floats:
    """Move forecasts to what they are of: that of decision k is of the period before decision k + horizon."""
    due = np.full(decisions, np.nan)
    if forecast is not None:
        due[horizon - 1 :] = forecast[: decisions - horizon + 1]
    return due


def _describe(trace: Trace, arrivals: Ints, parts: "Split", config: ExperimentConfig, fixed: Fixed) -> list[str]:
    """Note what is replayed, and what makes it easy or hopeless."""
    if not arrivals.any():
        raise InputError(
            f"the last {1 - config.learn:.0%} of the trace, which is replayed, has no request; cut the file"
        )
    load = measure_load(arrivals, config)
    needed = config.capacity.pods_for(load)
    notes = [
        f"replayed: from {parts.features.index[parts.test_start]} on; what is before trains the forecaster",
        f"load: {load.mean():,.4g} requests per second on average, {load.max():,.4g} at most; at Q_max "
        f"{config.q_max:g} this takes {needed.min()} to {needed.max()} pods",
    ]
    if needed.max() <= 2:
        notes.append("note: so few pods leave nothing to scale; lower 'q_max' or raise the load by 'scale'")
    if needed.max() > config.most_pods:
        notes.append(f"note: that is above the maximum of {config.most_pods} pods, so overload is certain")
    if trace.step.total_seconds() > config.sync_period:
        notes.append(
            f"note: within a step of {format_duration(trace.step)} the load is interpolated, easier to forecast "
            "than real load; a finer trace is a harder test"
        )
    return [*notes, f"fixed: {fixed.pods} pods, the most that the load of the training part needed"]
