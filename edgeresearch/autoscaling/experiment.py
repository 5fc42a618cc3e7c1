"""Paper A's experiment: every policy with every forecaster on one trace, over repeats, by phase (Table 3)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from joblib import delayed

from edgeresearch import parallel
from edgeresearch.autoscaling.policies import ScalingPolicy, measure_load, name_policies
from edgeresearch.autoscaling.replay import (
    PHASES,
    PolicyRun,
    average_periods,
    mark_action_phases,
    mark_load_phases,
    measure_phase_errors,
    replay_policies,
    spread,
)
from edgeresearch.autoscaling.settings import ExperimentConfig, ReplayConfig
from edgeresearch.autoscaling.simulator import Floats, Ints
from edgeresearch.data import synthetic
from edgeresearch.data import trace as grid
from edgeresearch.data.registry import STAND_IN
from edgeresearch.data.trace import Trace, make_targets
from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import Forecaster, build
from edgeresearch.forecasting.settings import ForecastSettings, LSTMSettings
from edgeresearch.stats import interval

PUBLISHED = "published"
"""The forecaster that is none: the true load with an error of a stated accuracy."""
NONE = "none"
"""How tables call the forecaster of a policy that reads none."""
READINGS = ("trace", "actions")
"""What tells the phases: the load, alike for all policies, or each policy's own actions."""


@dataclass(frozen=True)
class ExperimentResult:
    """Result of the experiment on one trace.

    Attributes:
        table: One row per lead, forecaster, strategy, reading and phase: means over repeats with 95 % intervals.
        course: The first repeat over time, per sync period and strategy, with the first forecaster.
    """

    table: pd.DataFrame
    course: pd.DataFrame


def run_experiments(
    traces: Sequence[Trace], config: ExperimentConfig, *, lstm: LSTMSettings, seed: int, workers: int = 1
) -> list[ExperimentResult]:
    """Run the experiment on several traces side by side, the one with the most repeats first (see `run_experiment`)."""
    order = sorted(range(len(traces)), key=lambda at: traces[at].name != STAND_IN)
    tasks = (delayed(run_experiment)(traces[at], config, lstm=lstm, seed=seed) for at in order)
    results = dict(zip(order, parallel.run(tasks, workers), strict=True))
    return [results[at] for at in range(len(traces))]


def run_experiment(
    trace: Trace,
    config: ExperimentConfig,
    *,
    lstm: LSTMSettings,
    seed: int,
    policies: Sequence[str | ScalingPolicy] | None = None,
) -> ExperimentResult:
    """Replay every policy with every forecaster and repeat on one trace (Paper A, Table 3).

    All see the same arrivals and, in a repeat, start delays of the same seed.

    Args:
        trace: The request trace; each repeat draws its arrivals anew, and of the stand-in `paper_a` a new trace.
        config: The settings; `traces` is not read.
        lstm: Settings of the project's LSTM.
        seed: Root of all seeds.
        policies: By name, or of one's own; those of the settings if None.

    Raises:
        InputError: The trace is too short or empty.
    """
    root = [seed, *b"elastic", *trace.name.encode()]
    draw = make_arrivals(trace, config)
    arrivals = draw(np.random.default_rng(np.random.SeedSequence([*root, 0])))
    cut = round(len(arrivals) * config.learn / config.sync_steps)  # the first decision that is replayed
    horizons = sorted({config.with_start_delay(lead).horizon for lead in config.leads})
    fitted = fit_forecasters(measure_load(arrivals, config)[:cut], horizons, config, lstm=lstm, seed=seed)
    named = name_policies(policies or config.strategies)
    rows, skill, course = [], [], []
    repeats = config.synthetic_repeats if trace.name == STAND_IN else config.repeats
    for repeat in range(repeats):
        child = np.random.SeedSequence([*root, 1 + repeat])
        rng = np.random.default_rng(child)
        arrivals = draw(rng)
        load, replayed = measure_load(arrivals, config), arrivals[cut * config.sync_steps :]
        forecasts = forecast_load(load, cut, horizons, fitted, config, rng)
        for lead in config.leads:
            slower, (delays,) = config.with_start_delay(lead), child.spawn(1)
            now = {name: each[slower.horizon] for name, each in forecasts.items()}
            for run in replay_policies(named, replayed, now, slower, seed=delays):
                rows += [{"lead": lead, **row} for row in _score(run, slower, by_phase=lead == 1)]
                if repeat == 0 and lead == 1 and run.forecaster in ("", next(iter(now))):
                    course.append(_course(run, now, slower))
        truth = make_targets(load[cut:], [config.horizon])[:, 0]
        skill.append(pd.Series({name: _r2(truth, each[config.horizon]) for name, each in forecasts.items()}))
    table = _average(pd.DataFrame(rows))
    table["forecast_r2"] = table["forecaster"].map(pd.concat(skill, axis=1).mean(axis=1))
    table.insert(0, "trace", trace.name)
    table.insert(1, "real", trace.origin.real)
    return ExperimentResult(table.assign(repeats=repeats, note=trace.origin.note), pd.concat(course, ignore_index=True))


def make_arrivals(trace: Trace, config: ExperimentConfig) -> Callable[[np.random.Generator], Ints]:
    """Return what draws arrivals: the newest seconds of the trace's longest stretch without gaps, spread anew."""
    step = trace.step.total_seconds()
    steps = int(config.seconds / step)
    if trace.name == STAND_IN:
        return lambda rng: spread(synthetic.draw_qps(rng, steps=steps), rng, dt=config.dt, mean=config.mean_qps)
    starts, lengths = grid.find_runs(np.isfinite(trace.values.to_numpy(dtype=np.float64)))
    if not len(starts):
        raise InputError(f"{trace.name} has no observed value; use another trace")
    end = starts[lengths.argmax()] + lengths.max()
    newest = replace(trace, frame=trace.frame.iloc[end - min(lengths.max(), max(steps, 2)) : end])
    return lambda rng: spread(newest, rng, dt=config.dt, mean=config.mean_qps)


def fit_forecasters(
    past: Floats, horizons: Sequence[int], config: ExperimentConfig, *, lstm: LSTMSettings, seed: int
) -> dict[str, Forecaster]:
    """Fit the forecasters, by name, on the load of past sync periods, for horizons in ascending order."""
    need = 2 * (config.window + horizons[-1])
    if len(past) < need:
        raise InputError(
            f"{len(past)} sync periods to learn from; window {config.window} and horizon {horizons[-1]} need {need}; "
            "use a longer trace, more seconds or a shorter window"
        )
    settings, fitted = ForecastSettings(window=config.window, lstm=lstm), dict[str, Forecaster]()
    for name in config.forecasters:
        if name != PUBLISHED:
            model = build(name, columns=["value"], rows=len(past), settings=settings, seed=seed % 2**31)
            fitted[name] = model.fit(past[:, None], make_targets(past, horizons))
    return fitted


def forecast_load(
    load: Floats,
    cut: int,
    horizons: Sequence[int],
    fitted: Mapping[str, Forecaster],
    config: ExperimentConfig,
    rng: np.random.Generator,
) -> dict[str, dict[int, Floats]]:
    """Return the forecasts from decision `cut` on, by forecaster and horizon, in requests per second.

    Those of `published` are of the truth plus Gaussian errors with (1 - R²) of its variance, which `rng` draws; NaN
    where the truth is not known any more.
    """
    forecasts: dict[str, dict[int, Floats]] = {}
    for name in config.forecasters:
        if name == PUBLISHED:
            sigma = np.sqrt(1 - config.accuracy) * load[cut:].std()
            values = make_targets(load, horizons) + sigma * rng.standard_normal((len(load), 1))
        else:
            values = fitted[name].predict(load[:, None]).reshape(len(load), len(horizons))
        forecasts[name] = {horizon: values[cut:, at] for at, horizon in enumerate(horizons)}
    return forecasts


def _r2(truth: Floats, forecast: Floats) -> float:
    known = ~np.isnan(truth)
    return 1 - float(np.mean((forecast[known] - truth[known]) ** 2) / max(truth[known].var(), 1e-12))


def _score(run: PolicyRun, config: ReplayConfig, *, by_phase: bool) -> Iterator[dict[str, Any]]:
    """Yield the error rate over all steps and, if asked for, of each phase by both readings."""
    result = run.result
    base = {"forecaster": run.forecaster or NONE, "strategy": run.strategy, "pod_hours": result.pod_hours}
    yield {**base, "reading": "trace", "phase": "all", "error_percent": result.error_percent, "share": 100.0}
    if by_phase:
        readings = (mark_load_phases(result.arrived, config), mark_action_phases(result.wanted, config))
        for reading, marks in zip(READINGS, readings, strict=True):
            for phase, error in measure_phase_errors(result, marks).items():
                share = 100 * float((marks == PHASES[phase]).mean())
                yield {**base, "reading": reading, "phase": phase, "error_percent": error, "share": share}


def _average(rows: pd.DataFrame) -> pd.DataFrame:
    """Average over repeats, with Student's 95 % interval of the mean error; empty where there is one repeat only."""
    groups: Any = rows.groupby(["lead", "forecaster", "strategy", "reading", "phase"], sort=False)
    table: pd.DataFrame = groups[["error_percent", "pod_hours", "share"]].mean()
    table[["low", "high"]] = np.array([interval(part["error_percent"])[1:] for _, part in groups])
    return table.reset_index()


def _course(run: PolicyRun, forecasts: Mapping[str, Floats], config: ReplayConfig) -> pd.DataFrame:
    """Return a run over time: `forecast` was made a horizon before, of what `known` became."""
    table = average_periods(run.result, config)
    table.insert(0, "forecaster", run.forecaster or NONE)
    table.insert(1, "strategy", run.strategy)
    forecast = pd.Series(forecasts[run.forecaster] if run.forecaster else np.full(len(table), np.nan))
    return table.assign(forecast=forecast.shift(config.horizon), known=measure_load(run.result.arrived, config))
