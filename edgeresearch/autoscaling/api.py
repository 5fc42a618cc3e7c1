"""Would predictive scaling pay on a trace of one's own? Forecast on its beginning, replay policies on the rest."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import replace as changed
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

import numpy as np
import numpy.typing as npt
import pandas as pd

from edgeresearch.autoscaling.policies import Fixed, ScalingPolicy, measure_load, name_policies, reads_forecast
from edgeresearch.autoscaling.replay import (
    GAP,
    UNITS,
    average_periods,
    draw_lines,
    interpolate_gaps,
    mark_load_phases,
    named_times,
    no_requests,
    parse_unit,
    replay_policies,
    spread,
    to_requests_per_second,
    total_errors,
    unit_seconds,
)
from edgeresearch.autoscaling.settings import ExperimentConfig, ReplayConfig
from edgeresearch.autoscaling.simulator import Floats, Ints, check_range
from edgeresearch.data import trace as grid
from edgeresearch.data.reader import Reading, TraceLike, read_trace
from edgeresearch.data.trace import (
    Trace,
    choose_season,
    describe_gaps,
    find_whole_windows,
    format_duration,
    make_features,
    make_targets,
)
from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import build, model_info
from edgeresearch.forecasting.settings import STUDY, ForecastSettings
from edgeresearch.result import Result
from edgeresearch.settings import check_seed, check_whole, plain

if TYPE_CHECKING:
    from edgeresearch.forecasting.base import Forecaster

Mask: TypeAlias = npt.NDArray[np.bool_]

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
FAILED = 20.0
"""Percent of the requests: where every strategy fails more of them, something else is wrong."""
PAIR = ["strategy", "forecaster"]
WITHIN = 0.5
"""Percentage points above the lowest error rate that still count as good enough."""
WORTH = 1.0
"""Percent of the pod-hours that something less simple must save."""


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
        advice: Which policy to take, with its numbers; or why none is advised.
        advised: That policy and its forecaster, "" where it reads none; both are empty where none is advised.
        course: One row per policy, forecaster and sync period, of the first repeat: `seconds` and `time` of its begin;
            `load`, its `forecast` (NaN without a forecaster) and what `failed`, in requests per second; pods `wanted`
            and `ready`; `cpu` and `memory` of all pods, in percent of their limits. NaN in gaps of the trace.
        trace: The trace, as long as it was used.
        config: What was the same for every policy.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]
    facts: Mapping[str, Any]
    advice: str
    advised: tuple[str, str]
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
    fill: int = 0,
    models: ForecastSettings | None = None,
    progress: Callable[[str], None] | None = None,
    **reading: Unpack[Reading],
) -> Replay:
    """Replay autoscaling policies on a trace of request rates, and advise one.

    The first 60 % of the trace train the forecaster, the rest is replayed. Every policy sees the same requests and
    start delays. One that reads forecasts is replayed with the forecaster and with the last value, which separates what
    the forecast gives from what the policy gives. What is missing is not counted, nor learnt: the simulation crosses a
    gap on a straight line, so that pods are there when it ends.

    Args:
        trace: A file's path, a Series or DataFrame with times, or a `Trace` (see `read_trace`).
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
        unit: What the values count: `per-second`, `per-minute`, `per-hour`, `per-step`, or such as `per-5min`; where
            None, the column's name says it, such as `requests/s`, `rpm` or `hits_per_minute`, or they are per step.
        repeats: Draws of how requests fall within a step of the trace, and of start delays.
        seed: Root of everything random.
        fill: Longest gap that is taken for observed on a straight line, in steps (see `interpolate_gaps`).
        models: What the forecaster is made of, as in the study if None; its window is that of the policies.
        progress: Receives a line at the start of each long step.
        **reading: How the trace is read, where it leaves that open: see `Reading`.

    Raises:
        InputError: The trace or a setting is not usable; the message says why.
    """
    named = name_policies(policies, COMPARED)
    model_info(forecaster)
    check_whole(repeats=repeats, fill=fill)
    repeats, seed, fill, scale = plain(repeats), check_seed(seed), plain(fill), plain(scale)
    check_range("repeats", repeats, 1)
    check_range("scale", 1 if scale is None else scale, 0, above=True)
    trace = read_load(trace, unit, fill, **reading)
    slot = trace.step.total_seconds()
    config = OWN_TRACE.replace(
        **{"q_max": q_max, "start_delay": start_delay, "start_spread": start_spread, "sync_period": sync_period},
        **{"min_pods": min_pods, "max_pods": max_pods, "dt": slot / math.ceil(slot - 1e-9)},
    )
    trace = _newest(trace, config.dt)
    whole, known = draw_lines(trace), trace.values.notna().to_numpy()
    load = to_requests_per_second(whole)
    observed = float(load[known].mean())
    config = config.replace(mean_qps=observed if scale is None else scale)
    # Of the whole, lines across gaps among it, so that what was observed has the scale.
    mean = None if scale is None else float(load.mean()) * (scale / observed)
    counted = np.repeat(known, round(slot / config.dt))  # steps of which it is known what arrived
    notes, cut = [*trace.notes], _first_replayed(trace, counted, config)
    if not known.all():
        gaps = describe_gaps(trace.values)
        notes.append(f"gaps: {gaps}; the simulation crosses them on a straight line, and nothing in them is counted")
    if slot <= 1 and not start_spread and repeats > 1:
        notes.append(f"repeats: 1, not {repeats}, as nothing is random; a spread of the start delays would be")
        repeats = 1
    if repeats == 2:
        notes.append("repeats: the lowest and the highest of 2 say little of how far others would lie; take 5 or more")
    say, totals, course = progress or (lambda _: None), [], []
    model, forecasts, fixed, peak = None, dict[str, Floats | None](), Fixed(), 0.0
    for repeat in range(repeats):
        placing, delays = np.random.SeedSequence(seed, spawn_key=(repeat,)).spawn(2)
        arrivals = spread(whole, np.random.default_rng(placing), dt=config.dt, mean=mean)
        features, replayed = _make_features(trace, arrivals, counted, config, cut), arrivals[cut * config.sync_steps :]
        times, seen = features.index[cut:], counted[cut * config.sync_steps :]
        if not repeat:
            load = measure_load(replayed, config)[_measured(seen, config)]
            peak = float(load.max())
            fixed = Fixed(pods=int(config.pods_for(features["value"].iloc[:cut].max())))
            named = {name: fixed if policy == Fixed() else policy for name, policy in named.items()}
            notes += _describe(trace, load, times[0], config, fixed)
            if any(map(reads_forecast, named.values())):
                say(f"fitting {forecaster} on {cut} decisions")
                model = _fit(trace.name, forecaster, features, cut, config, seed, models or STUDY)
        say(f"replaying {len(named)} policies, repeat {repeat + 1} of {repeats}")
        if model is not None:
            forecasts = {forecaster: _forecast(model, features, cut)}
            forecasts.setdefault("last_value", None)
        phases = np.where(seen, mark_load_phases(replayed, config), GAP).astype(np.int8)
        for run in replay_policies(named, replayed, forecasts, config, seed=delays):
            pair = {"strategy": run.strategy, "forecaster": run.forecaster}
            totals.append({**pair, **total_errors(run.result, phases)})
            if not repeat:
                # That of decision k is of the period before decision k + horizon.
                forecast = pd.Series(forecasts.get(run.forecaster), dtype=float).shift(config.horizon - 1)
                periods = average_periods(run.result, config)
                periods.loc[~_known_periods(seen, config), periods.columns != "seconds"] = np.nan
                course.append(periods.assign(time=times, forecast=forecast, **pair))
    table = _summarise(pd.DataFrame(totals))
    advised, advice = advise(table)
    if doubt := _doubt(trace, table, peak, config):
        advised, advice = ("", ""), f"no advice: {doubt}"
    advice = ("" if unit else _doubt_unit(trace, peak, config)) + advice
    same = config.model_dump(include={*ReplayConfig.model_fields} - {"clusters"})
    facts = {
        **{"strategies": list(named), "forecaster": forecaster, "seed": seed, "repeats": repeats, "scale": scale},
        **{"horizon": config.horizon, "window": config.window, "fill": fill, "within": WITHIN},
        **{"fixed_pods": fixed.pods, "settings": same, "data": trace.describe()},
        **{"learnt_decisions": cut, "replayed_from": str(course[0]["time"].iloc[0]), "advice": advice},
    }
    return Replay(table, tuple(notes), facts, advice, advised, pd.concat(course, ignore_index=True), trace, config)


def read_load(data: TraceLike, unit: str | None = None, fill: int = 0, **reading: Unpack[Reading]) -> Trace:
    """Read a trace as `replay` does: the unit, given or by its name, says what the values count; short gaps are filled.

    Raises:
        InputError: The trace cannot be read, counts no requests, or leaves in doubt what it counts.
    """
    seconds = parse_unit(unit)
    trace = interpolate_gaps(read_trace(data, **reading), fill)
    notes = [line for line in trace.notes if not line.startswith("season:")]
    gap = format_duration(trace.step)
    if unit is None:
        seconds = _guess_unit(trace)
        words = f"counts requests per {gap}" if seconds is None else "says it"
        notes.append(f"unit: {trace.unit!r} {words}")
        if seconds == unit_seconds(trace.unit):
            return changed(trace, notes=tuple(notes))
    over = pd.Timedelta(seconds=seconds) if seconds is not None else None
    return changed(trace, unit=f"requests per {format_duration(over)}" if over else "requests", notes=tuple(notes))


def _guess_unit(trace: Trace) -> float | None:
    """Return the time that the values count over, in seconds, as their name says, or None for a step.

    Raises:
        InputError: The name says that they are no requests, or leaves in doubt what they count.
    """
    step, gap = trace.step.total_seconds(), format_duration(trace.step)
    said = " ".join([trace.unit, *(line for line in trace.notes if line.startswith("sum: of "))])
    if what := no_requests(said):
        hint = "name another with `value`, or, if it counts requests, say per what with `unit`"
        raise InputError(f"{trace.name}: column {trace.unit!r} seems to be {what}, no number of requests; {hint}")
    named = named_times(said)
    if named in ((1.0,), (step,)) or named and trace.origin.source in ("registry", "synthetic"):
        return named[0]
    if not named and (step == 1 or not _RATE.search(said)):
        return None
    options = [_name_unit(each) for each in named or (1.0,)]
    readings = [each.replace("-", " ") for each in options]
    if len(options) == 1:
        options, readings = [*options, "per-step"], [*readings, f"step of {gap}"]
    raise InputError(
        f"{trace.name}: column {trace.unit!r} may be requests {' or '.join(readings)}; say which with `unit` "
        f"({' or '.join(options)})"
    )


def _name_unit(seconds: float) -> str:
    names = {value: name for name, value in UNITS.items()}
    return names.get(seconds) or "per-" + format_duration(pd.Timedelta(seconds=seconds)).replace(" ", "")


_RATE = re.compile(r"(?<![a-z])(?:rates?|throughput)(?![a-z])", re.IGNORECASE)
"""Says that values are over some time, not which."""


def _doubt(trace: Trace, table: pd.DataFrame, peak: float, config: ExperimentConfig) -> str:
    """Return why no policy can be advised: no load looks like that, or every strategy fails; else nothing."""
    changes = np.diff(trace.values.dropna().to_numpy())
    if len(changes) > 2 and np.ptp(changes) <= 1e-9 * np.abs(changes).max():
        return (
            f"{trace.unit!r} changes by {changes[0]:g} at each row, as no load does; is it a row number, a time or a "
            "total (`rate` takes its differences)? If so, name another column with `value`"
        )
    least = find_lowest_error(table)
    if least <= FAILED:
        return ""
    needed, most = int(config.pods_for(peak)), config.most_pods
    why = f"the load of up to {peak:,.4g} requests per second asks for {needed} pods at q_max {config.q_max:g}"
    if needed > most:
        why += f", {most} are allowed by `max_pods`"
    return (
        f"every strategy fails at least {least:.0f} % of the requests; {why}; is the unit right (`unit`), is the "
        "column a total (`rate` takes its differences), and do `q_max` and `start_delay` fit the service?"
    )


def _doubt_unit(trace: Trace, peak: float, config: ExperimentConfig) -> str:
    """Return a question where the unit was guessed and leaves so little load that one pod always does."""
    if unit_seconds(trace.unit) is not None or config.pods_for(peak) > 1:
        return ""
    return (
        f"the load never needs a second pod at q_max {config.q_max:g}, being {peak:.3g} requests per second at most; "
        f"is the unit right? {trace.unit!r} was read as requests per {format_duration(trace.step)}; "
    )


def _newest(trace: Trace, dt: float) -> Trace:
    rows = int(LONGEST * dt / trace.step.total_seconds())
    if len(trace.frame) > rows:
        frame: pd.DataFrame = trace.frame.iloc[-rows:]
        note = f"trace: the newest {rows} of {len(trace.frame)} rows are used, from {frame.index[0]} on"
        trace = changed(trace, frame=frame, notes=(*trace.notes, note))
    if not trace.values.fillna(0).any():
        raise InputError(f"the {len(trace.frame)} rows that are used, the newest, have no request; cut the file")
    return trace


def _known_periods(counted: Mask, config: ExperimentConfig) -> Mask:
    """Return the sync periods of which, for half of their steps at least, it is known what arrived."""
    starts = np.arange(0, len(counted), config.sync_steps)
    known = np.add.reduceat(counted.astype(np.int64), starts)
    return np.asarray(2 * known >= np.diff(starts, append=len(counted)))


def _measured(counted: Mask, config: ExperimentConfig) -> Mask:
    """Return the decisions whose load (see `measure_load`) was observed."""
    known = _known_periods(counted, config)
    return np.concatenate([known[:1], known[:-1]])


def _first_replayed(trace: Trace, counted: Mask, config: ExperimentConfig) -> int:
    """Return the first decision that is replayed; the forecaster learns from those before it."""
    config.check_duration(len(counted))
    seen = np.cumsum(_measured(counted, config))
    decisions, ahead, least = int(seen[-1]), config.horizon, 2 * config.window + config.horizon
    learnt = int(config.learn * decisions)
    if learnt < least or decisions - learnt <= ahead:
        need = math.ceil(max(least / config.learn, (ahead + 1) / (1 - config.learn))) * config.sync_period
        gaps = "" if counted.all() else " without its gaps"
        raise InputError(
            f"{trace.name} lasts {counted.sum() * config.dt:g} s{gaps}; to learn on {config.learn:.0%} of it with "
            f"decisions every {config.sync_period:g} s and forecasts {ahead} ahead takes {need:g} s; use a longer "
            "trace or decide more often"
        )
    return int(np.searchsorted(seen, learnt)) + 1


def _make_features(trace: Trace, arrivals: Ints, counted: Mask, config: ExperimentConfig, cut: int) -> pd.DataFrame:
    """Return what a forecaster sees, one row per decision; what the part before the cut does not span is not learnt."""
    load = np.where(_measured(counted, config), measure_load(arrivals, config), np.nan)
    gap = pd.Timedelta(seconds=config.sync_period)
    frame = pd.DataFrame({"load": load}, index=grid.regular_index(trace.frame.index[0], len(load), gap))
    seen = changed(trace, frame=frame, step=gap)
    period = choose_season(None, changed(seen, frame=frame.iloc[:cut]), config.horizon)
    return make_features(seen, horizons=[config.horizon], season=period, fill_limit=0, span=cut)


def _fit(
    trace: str,
    name: str,
    features: pd.DataFrame,
    cut: int,
    config: ExperimentConfig,
    seed: int,
    models: ForecastSettings,
) -> "Forecaster":
    """Return the forecaster, fitted to what it is asked: the load when a pod that is started now is ready."""
    columns, past = list(features.columns), features["value"].iloc[:cut]
    if name == "seasonal_naive" and not any(column.startswith("season_lag_") for column in columns):
        raise InputError("forecaster seasonal_naive needs a season; the part that is learnt from spans no three days")
    targets = make_targets(past, [config.horizon])
    if not (find_whole_windows(past.to_numpy(), config.window) & ~np.isnan(targets[:, 0])).any():
        span = f"{config.window * config.sync_period:g} s"
        hint = "let `fill` interpolate short gaps, or use a longer trace"
        raise InputError(f"{trace}: there are no {span} without a gap in the part that is learnt from; {hint}")
    if name.startswith("lstm"):
        import torch

        torch.set_num_threads(1)
    model = build(name, columns=columns, rows=cut, settings=models.replace(window=config.window), seed=seed)
    return model.fit(features.to_numpy()[:cut], targets)


def _forecast(model: "Forecaster", features: pd.DataFrame, cut: int) -> Floats:
    """Return what is forecast at each replayed decision; the model reads the decisions before, as it would live."""
    from edgeresearch.forecasting.base import CONTEXT

    begin = max(cut - CONTEXT, 0)
    values = model.predict(features.to_numpy()[begin:])
    return np.asarray(values.reshape(len(values), -1)[cut - begin :, 0], dtype=np.float64)


def _describe(trace: Trace, load: Floats, begin: Any, config: ExperimentConfig, fixed: Fixed) -> list[str]:
    """Note what is replayed, and what makes it easy or hopeless."""
    if not load.any():
        raise InputError(
            f"the last {1 - config.learn:.0%} of the trace, which is replayed, has no request; cut the file, or, if "
            "its values are above 0, say with `unit` what they count"
        )
    needed = config.pods_for(load)
    notes = [
        f"replayed: from {begin} on; what is before trains the forecaster",
        f"load: {load.mean():,.4g} requests per second on average, {load.max():,.4g} at most; at Q_max "
        f"{config.q_max:g} this takes {needed.min()} to {needed.max()} pods",
    ]
    if needed.max() <= 2:
        notes.append("note: so few pods leave nothing to scale; lower `q_max` or raise the load by `scale`")
    if needed.max() > config.most_pods:
        notes.append(f"note: that is above the maximum of {config.most_pods} pods, so overload is certain")
    if trace.step.total_seconds() > config.sync_period:
        notes.append(
            f"note: within a step of {format_duration(trace.step)} the load is interpolated, easier to forecast "
            "than real load; a finer trace is a harder test"
        )
    return [*notes, f"fixed: {fixed.pods} pods, the most that the load of the training part needed"]


def _summarise(totals: pd.DataFrame) -> pd.DataFrame:
    """Return one row per strategy and forecaster: means over the repeats, and the lowest and highest of them."""
    groups = totals.groupby(PAIR, sort=False)
    table = groups.mean()
    for name in ("error_percent", "pod_hours"):
        at = list(table.columns).index(name)
        table.insert(at + 1, f"{name}_low", groups[name].min())
        table.insert(at + 2, f"{name}_high", groups[name].max())
    table.insert(0, "repeats", groups.size())
    return table.reset_index()


def label(strategy: str, forecaster: str) -> str:
    """Return what a policy with a forecaster is called: `combined with lstm`."""
    return f"{strategy} with {forecaster.replace('_', ' ')}" if forecaster else strategy


def advise(table: pd.DataFrame) -> tuple[tuple[str, str], str]:
    """Advise the policy of fewest pod-hours among those whose error rate is near the lowest (within `WITHIN` points).

    The lowest is that of the policies that scale and can be had: not of the oracle, which is never advised, and not
    of Fixed, which buys few errors with any number of pods, and is advised only where it is cheap. Where the pod-hours
    are within `WORTH` percent of the fewest, the simplest is advised: one without a forecast before one with the last
    value, and that before one with a model.

    Args:
        table: One row per strategy and forecaster with `error_percent` and `pod_hours`; Responsive and the HPA, where
            they are among them, are what the advice is compared with.

    Returns:
        The policy and its forecaster, and the advice as a line with its numbers.
    """
    real = table[table["strategy"] != "oracle"]
    real = real.assign(rank=real["forecaster"].map({"": 0, "last_value": 1}).fillna(2))
    best = _cheapest(real[real["error_percent"] <= find_lowest_error(table) + WITHIN])
    parts = [f"{label(*best[PAIR])}: {best['error_percent']:.1f} % errors at {best['pod_hours']:,.1f} pod-hours"]
    for name in COMPARED:
        for _, other in real[real["strategy"] == name].iterrows():
            if best["strategy"] != name:
                parts.append(_saving(best, other, "pod-hours " if len(parts) == 1 else ""))
    line = ", ".join(parts) + _value_of_forecast(best, real)
    line += f"; rule: fewest pod-hours (simplest within {WORTH:g} %) at most {WITHIN:g} points above the lowest error "
    line += "rate of a strategy that scales"
    return (str(best["strategy"]), str(best["forecaster"])), line


def find_lowest_error(table: pd.DataFrame) -> float:
    """Return the lowest error rate of the policies that scale and can be had."""
    return float(table.loc[~table["strategy"].isin(["oracle", "fixed"]), "error_percent"].min())


def _cheapest(near: pd.DataFrame) -> pd.Series:
    cheap = near[near["pod_hours"] <= near["pod_hours"].min() * (1 + WORTH / 100)]
    row: pd.Series = cheap.sort_values(["rank", "pod_hours"], kind="stable").iloc[0]
    return row


def _saving(best: pd.Series, other: pd.Series, noun: str) -> str:
    change = 100 * (best["pod_hours"] / other["pod_hours"] - 1)
    size = f"{abs(change):.1f}" if abs(change) < 10 else f"{abs(change):.0f}"
    errors = f"{label(*other[PAIR])} ({other['error_percent']:.1f} %{' errors' if noun else ''})"
    if size == "0.0":
        return f"as many {noun}as {errors}"
    return f"{size} % {'more' if change > 0 else 'fewer'} {noun}than {errors}"


def _value_of_forecast(best: pd.Series, real: pd.DataFrame) -> str:
    """Say what the forecast is worth: the same policy on the last value, or, if none is advised, the best with one."""
    models, words = real[real["rank"] == 2], "with the last value instead"
    if best["rank"] == 2:
        models = real[(real["strategy"] == best["strategy"]) & (real["rank"] == 1)]
    if models.empty:
        return ""
    other = _cheapest(models[models["error_percent"] <= models["error_percent"].min() + WITHIN])
    if best["rank"] != 2:
        words = f"the best on a model's forecast, {label(*other[PAIR])}"
    return f"; {words}: {other['error_percent']:.1f} % at {other['pod_hours']:,.1f}"
