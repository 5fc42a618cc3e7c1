"""Paper A's experiment: every policy with every forecaster on one trace, over repeats, by phase (Table 3)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from joblib import delayed

from edgeresearch import parallel
from edgeresearch.autoscaling.arrivals import find_longest_stretch, spread
from edgeresearch.autoscaling.compare import PolicyRun, average_periods, replay_policies
from edgeresearch.autoscaling.policies import ScalingPolicy, make_policy
from edgeresearch.autoscaling.replay import (
    PHASES,
    mark_action_phases,
    mark_load_phases,
    measure_load,
    measure_phase_errors,
)
from edgeresearch.autoscaling.settings import ExperimentConfig, ReplayConfig
from edgeresearch.autoscaling.simulator import Floats, Ints
from edgeresearch.data import synthetic
from edgeresearch.data.trace import Trace, make_targets
from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import Forecaster
from edgeresearch.forecasting.models import build
from edgeresearch.forecasting.settings import ForecastSettings, LSTMSettings
from edgeresearch.stats import interval

PUBLISHED = "published"
"""The forecaster that is none: the true load with an error of a stated accuracy."""

NONE = "none"
"""How tables call the forecaster of a policy that reads none."""

STAND_IN = "paper_a"
"""The synthetic trace that stands in for Paper A's; each repeat draws a new one."""

READINGS = ("trace", "actions")
"""What tells the phases: the load, alike for all policies, or each policy's own actions."""

KEYS = ["lead", "forecaster", "strategy", "reading", "phase"]


@dataclass(frozen=True)
class Scenario:
    """One trace, ready to be replayed.

    Attributes:
        config: The settings.
        draw: Makes the arrivals of a repeat, learning part included, from its generator.
        cut: First step that is replayed; forecasters learn from those before it.
        fitted: Fitted forecasters by name.
        horizons: Sync periods ahead that they forecast, ascending.
    """

    config: ExperimentConfig
    draw: Callable[[np.random.Generator], Ints]
    cut: int
    fitted: Mapping[str, Forecaster]
    horizons: tuple[int, ...]

    @property
    def first(self) -> int:
        """First decision that is replayed."""
        return self.cut // self.config.sync_steps


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
    """Run the experiment on several traces side by side, the one with the most repeats first.

    Args:
        traces: The request traces.
        config: The settings; `traces` is not read.
        lstm: Settings of the project's LSTM.
        seed: Root of all seeds.
        workers: Processes; results do not depend on them.

    Raises:
        InputError: A trace is too short or empty.
    """
    order = sorted(range(len(traces)), key=lambda at: traces[at].name != STAND_IN)
    tasks = (delayed(run_experiment)(traces[at], config, lstm=lstm, seed=seed) for at in order)
    results = dict(zip(order, parallel.run(tasks, workers), strict=True))
    return [results[at] for at in range(len(traces))]


def run_experiment(trace: Trace, config: ExperimentConfig, *, lstm: LSTMSettings, seed: int) -> ExperimentResult:
    """Replay every policy with every forecaster and repeat on one trace (Paper A, Table 3).

    All see the same arrivals and, in a repeat, start delays of the same seed.

    Args:
        trace: The request trace.
        config: The settings; `traces` is not read.
        lstm: Settings of the project's LSTM.
        seed: Root of all seeds.

    Raises:
        InputError: The trace is too short or empty.
    """
    root = [seed, *b"elastic", *trace.name.encode()]
    scenario = prepare_scenario(trace, config, lstm=lstm, seed=root)
    policies: dict[str, ScalingPolicy] = {name: make_policy(name) for name in config.strategies}
    rows, skill, course = [], [], []
    repeats = config.synthetic_repeats if trace.name == STAND_IN else config.repeats
    for repeat in range(repeats):
        child = np.random.SeedSequence([*root, 1 + repeat])
        rng = np.random.default_rng(child)
        arrivals = scenario.draw(rng)
        forecasts = forecast_load(scenario, arrivals, rng)
        for lead in config.leads:
            delayed, (delays,) = config.with_start_delay(lead), child.spawn(1)
            now = {name: each[delayed.horizon] for name, each in forecasts.items()}
            for run in replay_policies(policies, arrivals[scenario.cut :], now, delayed, seed=delays):
                rows += [{"lead": lead, **row} for row in _score(run, delayed, by_phase=lead == 1)]
                if repeat == 0 and lead == 1 and run.forecaster in ("", next(iter(now))):
                    course.append(_course(run, now, delayed))
        skill.append(_r2(scenario, arrivals, forecasts))
    table = _average(pd.DataFrame(rows))
    table["forecast_r2"] = table["forecaster"].map(pd.concat(skill, axis=1).mean(axis=1))
    table.insert(0, "trace", trace.name)
    table.insert(1, "real", trace.origin.real)
    return ExperimentResult(table.assign(repeats=repeats, note=trace.origin.note), pd.concat(course, ignore_index=True))


def prepare_scenario(trace: Trace, config: ExperimentConfig, *, lstm: LSTMSettings, seed: Sequence[int]) -> Scenario:
    """Fit the forecasters once, on the first part of a draw of their own.

    They see the load of each sync period and forecast as far ahead as each of the lead times asks for.

    Args:
        trace: The trace.
        config: The settings.
        lstm: Settings of the project's LSTM.
        seed: Root of what is random, as entropy of a `SeedSequence`.

    Raises:
        InputError: The trace is too short to learn from.
    """
    draw = make_arrivals(trace, config)
    arrivals = draw(np.random.default_rng(np.random.SeedSequence([*seed, 0])))
    cut = round(len(arrivals) * config.learn / config.sync_steps) * config.sync_steps
    past = measure_load(arrivals[:cut], config)
    horizons = tuple(sorted({config.with_start_delay(lead).horizon for lead in config.leads}))
    need = 2 * (config.window + max(horizons))
    if len(past) < need:
        raise InputError(
            f"{trace.name}: {len(past)} sync periods to learn from; window {config.window} and horizon {max(horizons)} "
            f"need {need}; use more seconds or a shorter window"
        )
    settings, fitted = ForecastSettings(window=config.window, lstm=lstm), dict[str, Forecaster]()
    for name in config.forecasters:
        if name != PUBLISHED:
            model = build(name, columns=["value"], rows=len(past), settings=settings, seed=seed[0] % 2**31)
            fitted[name] = model.fit(past[:, None], make_targets(past, horizons))
    return Scenario(config, draw, cut, fitted, horizons)


def make_arrivals(trace: Trace, config: ExperimentConfig) -> Callable[[np.random.Generator], Ints]:
    """Return what draws arrivals: the newest seconds of the trace's longest stretch without gaps, spread anew.

    For `paper_a` each draw is a new synthetic trace.

    Raises:
        InputError: The trace has no observed value.
    """
    step = trace.step.total_seconds()
    if trace.name == STAND_IN:
        steps = int(config.seconds / step)
        return lambda rng: spread(synthetic.draw_qps(rng, steps=steps), rng, dt=config.dt, mean=config.mean_qps)
    whole = find_longest_stretch(trace)
    newest = replace(whole, frame=whole.frame.iloc[-max(int(config.seconds / step), 2) :])
    return lambda rng: spread(newest, rng, dt=config.dt, mean=config.mean_qps)


def forecast_load(scenario: Scenario, arrivals: Ints, rng: np.random.Generator) -> dict[str, dict[int, Floats]]:
    """Return the forecasts at the replayed decisions, by forecaster and horizon, in requests per second.

    Those of `published` are of the truth plus Gaussian errors with (1 - R²) of its variance; NaN where the truth is not
    known any more.

    Args:
        scenario: The trace and its forecasters.
        arrivals: Those of the repeat, learning part included.
        rng: Draws the errors of `published`.
    """
    load, first = measure_load(arrivals, scenario.config), scenario.first
    forecasts: dict[str, dict[int, Floats]] = {}
    for name in scenario.config.forecasters:
        if name == PUBLISHED:
            sigma = np.sqrt(1 - scenario.config.accuracy) * load[first:].std()
            values = make_targets(load, scenario.horizons) + sigma * rng.standard_normal((len(load), 1))
        else:
            values = scenario.fitted[name].predict(load[:, None]).reshape(len(load), len(scenario.horizons))
        forecasts[name] = {horizon: values[first:, at] for at, horizon in enumerate(scenario.horizons)}
    return forecasts


def _r2(scenario: Scenario, arrivals: Ints, forecasts: Mapping[str, Mapping[int, Floats]]) -> pd.Series:
    """Return R² of the forecasts at the set start delay, by forecaster."""
    horizon = scenario.config.horizon
    truth = make_targets(measure_load(arrivals, scenario.config), [horizon])[scenario.first :, 0]
    known = ~np.isnan(truth)
    return pd.Series(
        {
            name: 1 - float(np.mean((each[horizon][known] - truth[known]) ** 2) / max(truth[known].var(), 1e-12))
            for name, each in forecasts.items()
        },
        dtype=float,
    )


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
    groups: Any = rows.groupby(KEYS, sort=False)
    table: pd.DataFrame = groups[["error_percent", "pod_hours", "share"]].mean()
    table[["low", "high"]] = np.array([interval(part["error_percent"])[1:] for _, part in groups])
    return table.reset_index()


def _course(run: PolicyRun, forecasts: Mapping[str, Floats], config: ReplayConfig) -> pd.DataFrame:
    """Return a run over time: `forecast` was made a horizon before, of what `known` became."""
    table = average_periods(run.result, config)
    table.insert(0, "forecaster", run.forecaster or NONE)
    table.insert(1, "strategy", run.strategy)
    aimed = np.full(len(table), np.nan)
    if run.forecaster:
        aimed[config.horizon :] = forecasts[run.forecaster][: -config.horizon]
    return table.assign(forecast=aimed, known=measure_load(run.result.arrived, config))
