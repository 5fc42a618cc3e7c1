"""The figures of one series: what comes next, which forecaster says it best, and where something was odd."""

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from edgeresearch.anomaly.api import Detection
from edgeresearch.data.trace import format_duration
from edgeresearch.forecasting.api import Forecast
from edgeresearch.forecasting.base import MODELS
from edgeresearch.forecasting.evaluation import Comparison
from edgeresearch.plotting import style
from edgeresearch.plotting.style import BLUE, INK, ORANGE, RED

STRETCH = 200
"""Steps of a forecast that are still legible."""
WIDE = 6
"""Ratio of the largest to the smallest error from which on their axis is logarithmic."""
FAR = 3.0
"""How many times the last value's error is drawn to scale; a larger one is written at the edge."""
BINS = 1500
"""Points along the time axis that can still be told apart."""
CHANNELS = 6
"""Channels that are drawn."""


def figures(result: Forecast | Comparison | Detection) -> dict[str, Figure]:
    """Return the figure by the name of its file: `forecast`, `comparison` or `detect`."""
    if isinstance(result, Forecast):
        return {"forecast": draw_forecast(result)}
    if isinstance(result, Comparison):
        return {"comparison": draw_comparison(result)}
    return {"detect": draw_detection(result)}


@style.styled
def draw_forecast(result: Forecast) -> Figure:
    """Draw the last `STRETCH` judged steps, true against forecast, and the steps after the trace's end."""
    figure, (axes,) = style.canvas(size=(10.0, 4.0))
    past, future, step = result.backtest[result.backtest["horizon"] == 1], result.future, result.trace.step
    last = past["time"].max()
    past = past[past["time"] > last - STRETCH * step]
    past = past.set_index("time").reindex(pd.date_range(past["time"].min(), last, freq=step))  # gaps stay gaps
    label = MODELS[result.model].label if result.model in MODELS else result.model
    axes.fill_between(past.index, past["low"], past["high"], color=BLUE, alpha=0.18, lw=0, label="95 % of past errors")
    axes.plot(past.index, past["truth"], color=INK, lw=1.0, label="true")
    axes.plot(past.index, past["forecast"], color=BLUE, label=style.listed(f"{label}, 1 step ahead"))
    axes.vlines(future["time"], future["low"], future["high"], color=ORANGE, lw=1.2, alpha=0.6)
    axes.plot(future["time"], future["forecast"], color=ORANGE, marker="o", ms=3, label="coming steps, with their 95 %")
    axes.axvline(result.trace.frame.index[-1], color=INK, lw=0.8, ls=":")
    style.dates(axes)
    coming = future.iloc[0]
    span = f" ({coming['low']:.4g} to {coming['high']:.4g})" if pd.notna(coming["low"]) else ""
    title = f"{result.trace.label}: {coming['forecast']:.4g}{span} comes next"
    axes.set(xlabel=f"time (steps of {format_duration(step)})", ylabel=result.trace.unit, title=title)
    axes.legend(loc="upper left", ncols=4, bbox_to_anchor=(0, -0.16))
    return figure


def draw_comparison(result: Comparison) -> Figure:
    """Draw each model's error relative to the last value's, one panel per horizon (see `draw_ratios`)."""
    scores: Any = result.describe_scores().groupby("horizon")
    panels = {f"{horizon} step{'s' * (horizon > 1)} ahead": rows for horizon, rows in scores}
    return draw_ratios(panels, title=f"{result.trace.label}: {name_best(panels, 'horizons')}")


def name_best(panels: Mapping[str, pd.DataFrame], what: str) -> str:
    """Say which model of `draw_ratios` has the lowest error most often, or by how much if there is one panel."""
    best = pd.concat(rows.nsmallest(1, "mse") for rows in panels.values())
    first = best["label"].mode()[0]
    if len(best) > 1:
        return f"{first} has the lowest error on {(best['label'] == first).sum()} of {len(best)} {what}"
    skill = 100 * float(best["skill"].iloc[0])
    return f"{first} has {skill:.1f} % less error than the last value" if skill > 0 else "nothing beats the last value"


@style.styled
def draw_ratios(panels: Mapping[str, pd.DataFrame], *, title: str, note: str = "") -> Figure:
    """Draw every model's MSE relative to the last value's, with its 95 % interval, one panel per trace or horizon.

    A model that errs more than `FAR` times as much as the last value stands at the edge with its number, so that it
    does not squeeze the rest together.

    Args:
        panels: By their titles, scores as `Comparison.describe_scores` returns them.
        title: Title of the figure.
        note: What a reader must know.
    """
    models = pd.concat(panels.values()).drop_duplicates("model")[::-1]
    places = pd.Series(range(len(models)), models["model"])
    columns = min(len(panels), 3)
    lines = -(-len(panels) // columns)
    size = (max(2.2 + 3.4 * columns, 8.5), 1.0 + (1.3 + 0.27 * len(models)) * lines)
    figure, axes = style.canvas(lines, columns, size=size, sharey=True)
    for (name, rows), each in zip(panels.items(), axes, strict=False):
        naive = rows["mse"] / (1 - rows["skill"])  # the same in every row: skill is 1 - MSE / that of the last value
        ratios = rows[["mse_low", "mse", "mse_high"]].div(naive, axis=0)
        far = ratios["mse"] > FAR
        each.axvline(1, color=INK, lw=1, ls="--")
        low, high = max(min(1.0, ratios.min().min()), 1e-4), min(max(1.0, ratios[~far].max().max()), FAR)
        for role, part in ratios.groupby(rows["role"]):
            (_, colour, marker), at = style.ROLES[str(role)], rows["model"][part.index].map(places)
            near = ~far[part.index]
            each.hlines(at[near], part["mse_low"][near], part["mse_high"][near], color=colour, lw=2, alpha=0.6)
            each.plot(part["mse"][near], at[near], marker, color=colour, ms=7)
            for place, ratio in zip(at[~near], part["mse"][~near], strict=True):
                look: Any = {"ha": "right", "va": "center", "fontsize": 9, "color": INK}
                each.text(0.99, place, f"{ratio:,.1f} →", transform=each.get_yaxis_transform(), **look)
        log = () if high / low <= WIDE else (1, 2, 5) if high / low < 100 else (1,)
        edge = (high / low) ** 0.06 if log else 0.06 * (high - low)
        span = (low / edge, high * edge) if log else (low - edge, high + edge)
        each.set(title=name, xlabel="MSE / MSE of the last value", xscale="log" if log else "linear", xlim=span)
        style.numbers(each.xaxis, log)
        each.grid(axis="y", alpha=0.4)
    for each in axes[len(panels) :]:
        each.set_visible(False)
    axes[0].set_yticks(range(len(models)), models["label"])
    note = f"Left of the dashed line: better than the last value. {note}".strip()
    return style.finish(figure, title, note, handles=list_roles(models["role"]))


def list_roles(roles: Iterable[str]) -> list[Line2D]:
    """Return what a legend shows of the roles of models."""
    present = set(roles)
    return [style.key(*look, ms=7) for role, look in style.ROLES.items() if role in present]


@style.styled
def draw_detection(detection: Detection) -> Figure:
    """Draw the first channels, and below them scores and threshold; alarms are marked in both.

    Long streams are drawn in bins: the range of each channel, the highest score, and the threshold where that score is
    nearest to it or farthest above.
    """
    values, scores = detection.values, detection.scores
    names, times, alarmed = values.columns[:CHANNELS], values.index, scores["alarm"].to_numpy()
    figure, axes = style.canvas(len(names) + 1, size=(10.0, 2.9 + 1.3 * len(names)), sharex=True)
    *channels, bottom = axes
    bins = np.arange(len(times)) // -(-len(times) // BINS)
    starts = times[np.unique(bins, return_index=True)[1]]
    for name, each in zip(names, channels, strict=True):
        part = values[name].groupby(bins).agg(["min", "mean", "max"])
        each.fill_between(starts, part["min"], part["max"], color=BLUE, alpha=0.3, lw=0)
        each.plot(starts, part["mean"], color=BLUE, lw=0.8)
        each.plot(times[alarmed], values[name][alarmed], ".", color=RED, ms=5)
        each.set_ylabel("\n".join(textwrap.wrap(str(name), 20)[:3]))
    threshold = scores["threshold"].replace(np.inf, np.nan)
    ratio = (scores["score"] / threshold.where(threshold > 0)).fillna(-1.0)
    closest = ratio.groupby(bins).idxmax()
    bottom.plot(scores["time"][closest], scores["score"][closest], color=INK, lw=0.8, label="score")
    bottom.plot(scores["time"][closest], threshold[closest], color=ORANGE, label="threshold")
    bottom.plot(scores["time"][alarmed], scores["score"][alarmed], ".", color=RED, ms=5, label="alarm")
    median = scores["score"].median()
    bottom.set_yscale("symlog", linthresh=median if median > 0 else 1.0)
    bottom.set_ylabel("score")
    ready = times[scores["training"].eq(0).to_numpy()][-1]
    for each in axes:
        each.axvspan(times[0], ready, color=style.GREY, alpha=0.2, lw=0, label="first training")
    style.dates(bottom)
    more = f"; {CHANNELS} of {len(values.columns)} channels" if len(values.columns) > CHANNELS else ""
    title = f"{detection.name}: {detection.verdict}{more}"
    return style.finish(figure, title, handles=bottom.get_legend_handles_labels()[0])
