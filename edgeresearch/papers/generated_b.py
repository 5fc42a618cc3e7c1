"""That the pollution files are generated random walks, beside traffic as measured: numbers, a sentence, a figure."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from edgeresearch.data.trace import Trace
from edgeresearch.papers.traces import autocorrelation
from edgeresearch.plotting import style

GENERATED = "generated, not measured"
"""What every figure says of pollution."""
STEP = 5
"""Nearly all increments of the pollution files are whole numbers from -5 to 5."""
_COLOURS = {"traffic": style.BLUE, "pollution": style.ORANGE}


def evidence(traces: Sequence[Trace]) -> pd.DataFrame:
    """Say of each column of some traces what tells a random walk from a measurement.

    Returns:
        One row per series: `kind`, `sensor`, `series`; `share`, of the increments that are whole numbers from -5 to 5,
        and `uniform_p`, whether these are equally frequent (chi-square test; high: nothing speaks against it);
        `increment_lag_1` and `increment_day`, the increments' autocorrelation at a step and at a day (0 for a walk);
        `growth`, the variance of the changes over 12 hours against 144 times that of a step (1 for a walk, less where
        bounds or a cycle hold it back); `daily_swing`, highest less lowest mean by hour of day in standard deviations.
    """
    rows = []
    for trace in traces:
        kind, _, sensor = trace.name.partition("_")
        day = round(pd.Timedelta("1D") / trace.step)
        for name, values in trace.frame.items():
            steps = values.diff()
            seen = steps.dropna()
            usual = seen[(seen % 1 == 0) & (seen.abs() <= STEP)]
            counts = usual.value_counts().reindex(range(-STEP, STEP + 1), fill_value=0)
            by_hour = values.groupby(pd.DatetimeIndex(trace.frame.index).hour).mean()
            rows.append(
                {
                    **{"kind": kind, "sensor": sensor, "series": str(name), "share": len(usual) / len(seen)},
                    "uniform_p": float(stats.chisquare(counts).pvalue) if len(usual) else float("nan"),
                    "increment_lag_1": autocorrelation(steps, 1),
                    "increment_day": autocorrelation(steps, day),
                    "growth": float(values.diff(day // 2).var() / (day // 2 * seen.var())),
                    "daily_swing": float((by_hour.max() - by_hour.min()) / values.std()),
                }
            )
    return pd.DataFrame(rows)


def said(table: pd.DataFrame) -> str:
    """Say in some sentences what the evidence is.

    Args:
        table: What `evidence` found.
    """
    texts = []
    for kind, part in table.groupby("kind", sort=False):
        fair = int((part["uniform_p"] > 0.01).sum())
        texts.append(
            f"{kind}: {100 * part['share'].min():.1f} to {100 * part['share'].max():.1f} % of the increments of its "
            f"{len(part)} series are whole numbers from -{STEP} to {STEP}, equally frequent in {fair} of {len(part)} "
            f"(chi-square test, 1 %); the increments' autocorrelation is {part['increment_lag_1'].min():.2f} to "
            f"{part['increment_lag_1'].max():.2f} at a step, {part['increment_day'].min():.2f} to "
            f"{part['increment_day'].max():.2f} at a day; the hourly means of a day differ by "
            f"{part['daily_swing'].min():.2f} to {part['daily_swing'].max():.2f} standard deviations"
        )
    text = "; ".join(texts)
    return (
        f"{text[:1].upper()}{text[1:]}. Such numbers are those of a random walk with equally likely steps, held within "
        "bounds: whatever learns from them learns that the best guess is the last value."
        if _walks(table)
        else f"{text[:1].upper()}{text[1:]}."
    )


def _walks(table: pd.DataFrame) -> bool:
    """Tell whether the pollution files look like walks: whole steps, no memory in them, no daily cycle."""
    part = table[table["kind"] == "pollution"]
    still = (part[["increment_lag_1", "increment_day"]].abs() < 0.1).all(axis=None)
    return len(part) > 0 and bool((part["share"] > 0.9).all() and still and (part["daily_swing"] < 1).all())


@style.styled
def figure(traces: Sequence[Trace]) -> Figure:
    """Draw of the first column of each trace: its increments, their autocorrelation and its own, its mean by hour.

    Args:
        traces: Traffic and pollution.
    """
    figure, axes = style.canvas(len(traces), 3, size=(12, 0.9 + 2.4 * len(traces)))
    for trace, row in zip(traces, np.reshape(np.array(axes, dtype=object), (len(traces), 3)), strict=True):
        kind = trace.name.partition("_")[0]
        name, values = next(iter(trace.frame.items()))
        colour = _COLOURS[kind]
        _increments(row[0], values.diff().dropna(), colour)
        _memory(row[1], values, round(pd.Timedelta("1D") / trace.step), colour)
        _by_hour(row[2], values, colour)
        row[0].set_title(f"{trace.label}, {name}" + (f": {GENERATED}" if kind == "pollution" else ""), loc="left")
        row[0].set_ylabel("increments (%)")
        row[2].set_ylabel(trace.unit)
    for each, words in zip(
        axes[-3:], (f"change over {_minutes(traces[-1])}", "lag (days)", "hour of day (UTC)"), strict=True
    ):
        each.set_xlabel(words)
    note = (
        "Left: how often the value changes by how much. Middle: autocorrelation of the values (line) and of their "
        "changes (grey). Right: mean by hour, band: middle half. A random walk has equal, unrelated changes and no "
        "daily cycle."
    )
    style.mark(figure, note)
    figure.suptitle("Pollution is a generated random walk, traffic is measured", x=0.01, ha="left")
    return figure


def _minutes(trace: Trace) -> str:
    return f"{trace.step.total_seconds() / 60:g} min"


def _increments(axes: Axes, steps: pd.Series, colour: str) -> None:
    widest = max(2 * STEP, int(steps.abs().quantile(0.99)))
    counts = steps[steps.abs() <= widest].round().value_counts().sort_index()
    axes.bar(counts.index, 100 * counts / len(steps), 0.85, color=colour)
    axes.grid(axis="x", visible=False)


def _memory(axes: Axes, values: pd.Series, day: int, colour: str, days: int = 4) -> None:
    lags = np.unique(np.round(np.linspace(1, days * day, 16 * days + 1)).astype(int))
    axes.plot(lags / day, [autocorrelation(values, int(lag)) for lag in lags], color=colour)
    axes.plot(lags / day, [autocorrelation(values.diff(), int(lag)) for lag in lags], color=style.GREY, lw=1)
    axes.axhline(0, color=style.INK, lw=0.8)
    axes.set_ylim(-0.6, 1.05)
    axes.set_ylabel("autocorrelation")


def _by_hour(axes: Axes, values: pd.Series, colour: str) -> None:
    groups = values.groupby(pd.DatetimeIndex(values.index).hour)
    axes.fill_between(range(24), groups.quantile(0.25), groups.quantile(0.75), color=colour, alpha=0.25, lw=0)
    axes.plot(range(24), groups.mean(), color=colour)
    axes.set_xticks(range(0, 25, 6))
    axes.set_ylim(0, max(1.0, 1.15 * float(groups.quantile(0.75).max())))
