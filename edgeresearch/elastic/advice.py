"""Which strategy to take, by one stated rule, in one line with the numbers behind it."""

from dataclasses import dataclass

import pandas as pd

WITHIN = 0.5
"""Percentage points above the lowest error rate that still count as good enough."""
WORTH = 1.0
"""Percent of the pod-hours that something less simple must save."""


@dataclass(frozen=True)
class Advice:
    """What is advised.

    Attributes:
        strategy: Name of the strategy.
        forecaster: Name of its forecaster; empty where it uses none.
        line: The advice with its numbers.
    """

    strategy: str
    forecaster: str
    line: str


def label(strategy: str, forecaster: str) -> str:
    """Return what a replay is called: `combined with lstm`."""
    return f"{strategy} with {forecaster.replace('_', ' ')}" if forecaster else strategy


def advise(table: pd.DataFrame, within: float = WITHIN) -> Advice:
    """Advise the strategy of fewest pod-hours among those whose error rate is near the lowest.

    The lowest is that of the strategies that scale and can be had: not of the oracle, which is never advised, and not
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
    best = _cheapest(real[real["error_percent"] <= lowest(table) + within])
    parts = [f"{_label(best)}: {best['error_percent']:.1f} % errors at {best['pod_hours']:,.1f} pod-hours"]
    for name in ("responsive", "hpa"):
        for _, other in real[real["strategy"] == name].iterrows():
            if best["strategy"] != name:
                parts.append(_than(best, other, "pod-hours " if len(parts) == 1 else ""))
    line = ", ".join(parts) + _beside(best, real, within)
    line += f"; rule: fewest pod-hours (simplest within {WORTH:g} %) at most {within:g} points above the lowest error "
    line += "rate of a strategy that scales"
    return Advice(str(best["strategy"]), str(best["forecaster"]), line)


def lowest(table: pd.DataFrame) -> float:
    """Return the lowest error rate of the strategies that scale and can be had."""
    return float(table.loc[~table["strategy"].isin(["oracle", "fixed"]), "error_percent"].min())


def _cheapest(near: pd.DataFrame) -> pd.Series:
    cheap = near[near["pod_hours"] <= near["pod_hours"].min() * (1 + WORTH / 100)]
    row: pd.Series = cheap.sort_values(["rank", "pod_hours"], kind="stable").iloc[0]
    return row


def _label(row: pd.Series) -> str:
    return label(str(row["strategy"]), str(row["forecaster"]))


def _than(best: pd.Series, other: pd.Series, noun: str) -> str:
    change = 100 * (best["pod_hours"] / other["pod_hours"] - 1)
    size = f"{abs(change):.1f}" if abs(change) < 10 else f"{abs(change):.0f}"
    errors = f"{_label(other)} ({other['error_percent']:.1f} %{' errors' if noun else ''})"
    if size == "0.0":
        return f"as many {noun}as {errors}"
    return f"{size} % {'more' if change > 0 else 'fewer'} {noun}than {errors}"


def _beside(best: pd.Series, real: pd.DataFrame, within: float) -> str:
    """Say what the forecast gives: the same rule on the last value, or the best with a model if none is advised."""
    if best["rank"] == 2:
        other = real[(real["strategy"] == best["strategy"]) & (real["rank"] == 1)]
        words = "with the last value instead"
    else:
        models = real[real["rank"] == 2]
        near = models[models["error_percent"] <= models["error_percent"].min() + within]
        other = _cheapest(near).to_frame().T if len(models) else models
        words = f"the best on a model's forecast, {_label(other.iloc[0])}" if len(models) else ""
    if other.empty:
        return ""
    return f"; {words}: {other['error_percent'].iloc[0]:.1f} % at {other['pod_hours'].iloc[0]:,.1f}"
