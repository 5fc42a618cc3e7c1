"""The figure of a user's own trace: what was forecast against what came, and the coming steps."""

from pathlib import Path

import pandas as pd
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from edgeresearch.data.csv import format_duration
from edgeresearch.forecasting.api import Report
from edgeresearch.forecasting.models import MODELS
from edgeresearch.plotting.style import BLUE, INK, ORANGE, canvas, save, styled

STRETCH = 200
"""Steps that are still legible."""


@styled
def figure(report: Report) -> Figure:
    """Draw the last `STRETCH` judged steps, true against forecast, and the steps after the trace's end."""
    drawn, (axes,) = canvas(size=(10.0, 4.0))
    past = report.judged[report.judged["horizon"] == 1]
    last = past["time"].max()
    past = past[past["time"] > last - STRETCH * report.trace.step]
    past = past.set_index("time").reindex(
        pd.date_range(past["time"].min(), last, freq=report.trace.step)
    )  # gaps stay gaps
    axes.fill_between(past.index, past["low"], past["high"], color=BLUE, alpha=0.18, lw=0, label="95 % of past errors")
    axes.plot(past.index, past["truth"], color=INK, lw=1.0, label="true")
    axes.plot(past.index, past["forecast"], color=BLUE, label=f"{MODELS[report.model].label}, 1 step ahead")
    coming = report.coming
    axes.vlines(coming["time"], coming["low"], coming["high"], color=ORANGE, lw=1.2, alpha=0.6)
    axes.plot(coming["time"], coming["forecast"], color=ORANGE, marker="o", ms=3, label="coming steps, with their 95 %")
    axes.axvline(report.trace.frame.index[-1], color=INK, lw=0.8, ls=":")
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set(
        xlabel=f"time (steps of {format_duration(report.trace.step)})",
        ylabel=report.trace.unit,
        title=report.trace.label,
    )
    axes.legend(loc="upper left", ncols=4, bbox_to_anchor=(0, -0.16))
    return drawn


def draw(report: Report, folder: Path) -> Path:
    """Write the figure as `forecast.png` and `forecast.svg`; return the path of the PNG."""
    return save(figure(report), folder / "forecast")
