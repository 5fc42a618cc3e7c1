"""The figures of a shadow replay on a user's own trace: what happened over time, and errors against pod-hours."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from edgeresearch.autoscaling.api import Report
from edgeresearch.autoscaling.compare import WITHIN, label, lowest
from edgeresearch.data.csv import format_duration
from edgeresearch.forecasting.models import MODELS
from edgeresearch.plotting.style import BLUE, GREEN, GREY, INK, ORANGE, canvas, dates, legend, numbers, save, styled

STRETCH = 240
"""Intervals between decisions that are still legible."""

MARKERS: Mapping[str, str] = MappingProxyType(
    {
        **{"advance": "^", "responsive": "o", "combined": "D", "fixed": "s"},
        **{"hpa": "v", "quantile": "P", "oracle": "*"},
    }
)


@styled
def load(report: Report) -> Figure:
    """Draw load, forecast, pods and errors of two strategies over the stretch in which Responsive lost most."""
    first, second = _pair(report)
    frames = {pair: _of(report, *pair) for pair in (first, second)}
    forecasts = [frame for frame in frames.values() if frame["forecast"].notna().any()]
    start = _worst(_of(report, "responsive", "")["failed"])
    stretch = slice(start, start + STRETCH)
    figure, (top, middle, bottom) = canvas(3, size=(10.0, 7.0), sharex=True)
    seen = frames[first].iloc[stretch]
    top.step(seen["time"], seen["load"], where="post", color=INK, lw=1.0, label="load")
    for frame in forecasts[:1]:
        made = frame.iloc[stretch]
        words = f"{MODELS[report.facts['forecaster']].label}, {report.facts['horizon']} decisions ahead"
        top.step(made["time"], made["forecast"].clip(lower=0), where="post", color=ORANGE, lw=1.2, label=words)
    for (pair, frame), colour, width in zip(frames.items(), (BLUE, GREEN), (1.2, 2.2), strict=True):
        part, name, look = frame.iloc[stretch], label(*pair), {"where": "post", "color": colour, "zorder": 4 - width}
        middle.step(part["time"], part["wanted"], lw=0.9, ls=":", label=f"{name}: wanted", **look)
        middle.step(part["time"], part["ready"], lw=width, label=f"{name}: ready", **look)
        bottom.step(part["time"], part["error_percent"], lw=width, label=name, **look)
    for axes, words in ((top, "requests per second"), (middle, "pods"), (bottom, "errors (%)")):
        axes.set_ylabel(words)
        numbers(axes.yaxis)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    gap = format_duration(pd.Timedelta(seconds=report.terms.every))
    bottom.set_xlabel(f"time (intervals of {gap} between decisions)")
    dates(bottom)
    top.set_title(f"{report.trace.label}: where responsive lost most requests", loc="left")
    return figure


@styled
def tradeoff(report: Report) -> Figure:
    """Draw the error rate of every strategy against its pod-hours; the advised one is filled."""
    figure, (axes,) = canvas(size=(8.0, 5.0))
    least = lowest(report.table)
    axes.axhspan(
        least,
        least + WITHIN,
        color=GREY,
        alpha=0.2,
        lw=0,
        label=f"within {WITHIN:g} points of the best that scales",
    )
    for row in report.table.to_dict("records"):
        name, maker, hours, errors = row["strategy"], row["forecaster"], row["pod_hours"], row["error_percent"]
        colour = {"": INK, "last_value": GREY}.get(maker, BLUE)
        advised = (name, maker) == (report.advice.strategy, report.advice.forecaster)
        axes.hlines(errors, row["pod_hours_low"], row["pod_hours_high"], color=colour, lw=0.9)
        axes.vlines(hours, row["error_percent_low"], row["error_percent_high"], color=colour, lw=0.9)
        look = {"ls": "", "marker": MARKERS.get(name, "X"), "ms": 9, "mew": 1.6, "color": colour}
        words = label(name, maker) + (" (advised)" if advised else "")
        axes.plot(hours, errors, mfc=colour if advised else "none", label=words, **look)
    base = 100 * report.terms.settings.base_error
    axes.axhline(base, color=INK, lw=0.9, ls=":", label=f"base errors ({base:g} %)")
    axes.set(xlabel="pod-hours (starting, serving and draining pods)", ylabel="requests that failed (%)")
    _round_logarithm(axes, report.table["pod_hours"])
    numbers(axes.yaxis)
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, max(top, base + 3 * WITHIN))
    axes.set_title(f"{report.trace.label}: errors against pod-hours", loc="left")
    legend(figure, columns=3)
    return figure


def draw(report: Report, folder: Path) -> list[Path]:
    """Write the figures `load` and `tradeoff` as PNG and SVG; return the paths of the PNGs."""
    return [save(load(report), folder / "load"), save(tradeoff(report), folder / "tradeoff")]


def _round_logarithm(axes: Axes, values: pd.Series) -> None:
    """Label a logarithmic axis with round numbers; Fixed may take many times the pods of the others."""
    axes.set_xscale("log")
    axes.set_xlim(values.min() / 1.1, values.max() * 1.1)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 7)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _pair(report: Report) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return the advised strategy, if it acts on a model's forecast, else the first that does, and Responsive."""
    listed = list(zip(report.table["strategy"], report.table["forecaster"], strict=True))
    advised = (report.advice.strategy, report.advice.forecaster)
    models = [pair for pair in listed if pair[1] not in ("", "last_value")]
    others = [advised, *sorted(models, key=lambda pair: pair[0] != "combined")]
    others = [pair for pair in others if pair != ("responsive", "")] + [("hpa", "")]
    return others[0], ("responsive", "")


def _of(report: Report, strategy: str, forecaster: str) -> pd.DataFrame:
    frame = report.intervals
    return frame[(frame["strategy"] == strategy) & (frame["forecaster"] == forecaster)]


def _worst(failed: pd.Series) -> int:
    """Return where the stretch begins in which most failed."""
    if len(failed) <= STRETCH:
        return 0
    total = np.cumsum(failed.to_numpy())
    return int(np.argmax(total[STRETCH:] - total[:-STRETCH])) + 1
