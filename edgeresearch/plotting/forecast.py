"""Figures of a forecast (what came, and what will come) and of a comparison of forecasters."""

import numpy as np
import pandas as pd
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from edgeresearch.data.csv import format_duration
from edgeresearch.forecasting.api import Forecast
from edgeresearch.forecasting.evaluation import Comparison
from edgeresearch.forecasting.models import MODELS
from edgeresearch.plotting.style import BLUE, INK, ORANGE, canvas, styled

STRETCH = 200
"""Steps that are still legible."""


def figures(result: Forecast | Comparison) -> dict[str, Figure]:
    """Return the figure by the name of its file."""
    if isinstance(result, Comparison):
        return {"comparison": draw_comparison(result)}
    return {"forecast": draw_forecast(result)}


@styled
def draw_forecast(result: Forecast) -> Figure:
    """Draw the last `STRETCH` judged steps, true against forecast, and the steps after the trace's end."""
    figure, (axes,) = canvas(size=(10.0, 4.0))
    past, future, step = result.backtest[result.backtest["horizon"] == 1], result.future, result.trace.step
    last = past["time"].max()
    past = past[past["time"] > last - STRETCH * step]
    past = past.set_index("time").reindex(pd.date_range(past["time"].min(), last, freq=step))  # gaps stay gaps
    label = MODELS[result.model].label if result.model in MODELS else result.model
    axes.fill_between(past.index, past["low"], past["high"], color=BLUE, alpha=0.18, lw=0, label="95 % of past errors")
    axes.plot(past.index, past["truth"], color=INK, lw=1.0, label="true")
    axes.plot(past.index, past["forecast"], color=BLUE, label=f"{label}, 1 step ahead")
    axes.vlines(future["time"], future["low"], future["high"], color=ORANGE, lw=1.2, alpha=0.6)
    axes.plot(future["time"], future["forecast"], color=ORANGE, marker="o", ms=3, label="coming steps, with their 95 %")
    axes.axvline(result.trace.frame.index[-1], color=INK, lw=0.8, ls=":")
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set(xlabel=f"time (steps of {format_duration(step)})", ylabel=result.trace.unit, title=result.trace.label)
    axes.legend(loc="upper left", ncols=4, bbox_to_anchor=(0, -0.16))
    return figure


@styled
def draw_comparison(result: Comparison) -> Figure:
    """Draw the mean squared error of each model with its interval, relative to the last value, by horizon."""
    table = result.describe_scores()
    horizons = sorted(set(table["horizon"]))
    figure, panels = canvas(
        columns=len(horizons), size=(2.5 + 3.5 * len(horizons), 1.5 + 0.3 * table["model"].nunique())
    )
    for axes, horizon in zip(panels, horizons, strict=True):
        rows = table[table["horizon"] == horizon].iloc[::-1]
        naive = (rows["mse"] / (1 - rows["skill"])).mean()  # skill is 1 - MSE / that of the last value
        middle, at = rows["mse"] / naive, np.arange(len(rows))
        axes.hlines(at, rows["mse_low"] / naive, rows["mse_high"] / naive, color=BLUE, lw=2, alpha=0.5)
        axes.plot(middle, at, "o", color=BLUE)
        axes.axvline(1, color=INK, lw=0.8, ls=":")
        axes.set_yticks(at, rows["label"])
        axes.set(xlabel="MSE relative to the last value", title=f"{horizon} step{'s' if horizon > 1 else ''} ahead")
    figure.suptitle(result.trace.label, x=0.01, ha="left")
    return figure
