"""Several policies on one trace: replay them alike, compare what they cost, advise one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.autoscaling.policies import ScalingPolicy, reads_forecast
from edgeresearch.autoscaling.replay import PHASES, Phases, measure_phase_errors, simulate_policy
from edgeresearch.autoscaling.settings import ReplayConfig
from edgeresearch.autoscaling.simulator import Floats, Ints, SimulationResult

WITHIN = 0.5
"""Percentage points above the lowest error rate that still count as good enough."""
PAIR = ["strategy", "forecaster"]
WORTH = 1.0
"""Percent of the pod-hours that something less simple must save."""


@dataclass(frozen=True)
class PolicyRun:
    """One policy with one forecaster.

    Attributes:
        strategy: Name of the policy.
        forecaster: Name of the forecaster; empty where the policy reads no forecast.
        result: What happened.
    """

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
    """Replay policies on the same arrivals and start delays of the same seed, one after another.

    A policy that reads forecasts is replayed with each forecaster, any other once.

    Args:
        policies: By name.
        arrivals: Requests of each step, `(steps,)`.
        forecasts: By forecaster, the load forecast at each decision (see `observe`); None for the last value.
        config: Service, capacity and sync period.
        seed: Of the start delays.
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


def total_errors(result: SimulationResult, phases: Phases) -> dict[str, float]:
    """Return error rates over all steps, by cause and by phase, and pod-hours."""
    arrived = int(result.arrived.sum())
    causes = {"overload": result.overload, "base": result.base, "drain": result.drain}
    by_phase = measure_phase_errors(result, phases)
    return {
        "error_percent": result.error_percent,
        **{f"{cause}_percent": 100 * int(failed.sum()) / arrived for cause, failed in causes.items()},
        "pod_hours": result.pod_hours,
        **{f"{phase}_error_percent": by_phase[phase] for phase in PHASES},
    }


def summarise(totals: pd.DataFrame) -> pd.DataFrame:
    """Return one row per strategy and forecaster: means over the repeats, and the lowest and highest of them."""
    groups = totals.groupby(["strategy", "forecaster"], sort=False)
    table = groups.mean()
    for name in ("error_percent", "pod_hours"):
        at = list(table.columns).index(name)
        table.insert(at + 1, f"{name}_low", groups[name].min())
        table.insert(at + 2, f"{name}_high", groups[name].max())
    table.insert(0, "repeats", groups.size())
    return table.reset_index()


@dataclass(frozen=True)
class Advice:
    """The policy that is advised.

    Attributes:
        strategy: Name of the policy.
        forecaster: Name of its forecaster; empty where it uses none.
        line: The advice with its numbers.
    """

    strategy: str
    forecaster: str
    line: str


def label(strategy: str, forecaster: str) -> str:
    """Return what a policy with a forecaster is called: `combined with lstm`."""
    return f"{strategy} with {forecaster.replace('_', ' ')}" if forecaster else strategy


def advise(table: pd.DataFrame, within: float = WITHIN) -> Advice:
    """Advise the policy of fewest pod-hours among those whose error rate is near the lowest.

    The lowest is that of the policies that scale and can be had: not of the oracle, which is never advised, and not
    of Fixed, which buys few errors with any number of pods, and is advised only where it is cheap. Where the pod-hours
    are within `WORTH` percent of the fewest, the simplest is advised: one without a forecast before one with the last
    value, and that before one with a model.

    Args:
        table: One row per strategy and forecaster with `error_percent` and `pod_hours`; Responsive and the HPA, where
            they are among them, are what the advice is compared with.
        within: How far above the lowest error rate counts as near, in percentage points.
    """
    real = table[table["strategy"] != "oracle"]
    rank = real["forecaster"].map(lambda name: ["", "last_value"].index(name) if name in ("", "last_value") else 2)
    real = real.assign(rank=rank)
    best = _cheapest(real[real["error_percent"] <= find_lowest_error(table) + within])
    parts = [f"{label(*best[PAIR])}: {best['error_percent']:.1f} % errors at {best['pod_hours']:,.1f} pod-hours"]
    for name in ("responsive", "hpa"):
        for _, other in real[real["strategy"] == name].iterrows():
            if best["strategy"] != name:
                parts.append(_saving(best, other, "pod-hours " if len(parts) == 1 else ""))
    line = ", ".join(parts) + _value_of_forecast(best, real, within)
    line += f"; rule: fewest pod-hours (simplest within {WORTH:g} %) at most {within:g} points above the lowest error "
    line += "rate of a strategy that scales"
    return Advice(str(best["strategy"]), str(best["forecaster"]), line)


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


def _value_of_forecast(best: pd.Series, real: pd.DataFrame, within: float) -> str:
    """Say what the forecast is worth: the same policy on the last value, or, if none is advised, the best with one."""
    if best["rank"] == 2:
        other = real[(real["strategy"] == best["strategy"]) & (real["rank"] == 1)]
        words = "with the last value instead"
    else:
        models = real[real["rank"] == 2]
        near = models[models["error_percent"] <= models["error_percent"].min() + within]
        other = _cheapest(near).to_frame().T if len(models) else models
        words = f"the best on a model's forecast, {label(*other.iloc[0][PAIR])}" if len(models) else ""
    if other.empty:
        return ""
    return f"; {words}: {other['error_percent'].iloc[0]:.1f} % at {other['pod_hours'].iloc[0]:,.1f}"
