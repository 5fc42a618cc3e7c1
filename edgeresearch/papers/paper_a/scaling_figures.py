"""Paper A's Table 3 in figures: the table, Figs. 2 and 3, one stretch of scaling, and errors against pods."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from edgeresearch.data.trace import Trace
from edgeresearch.papers.paper_a.forecasting_figures import label_trace, note_origin
from edgeresearch.papers.paper_a.published import PHASES, TABLE_3, USAGE_RANGES
from edgeresearch.plotting import style
from edgeresearch.plotting.replay import POINTS, draw_scaling, draw_tradeoff

USAGE: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"cpu": ("Fig. 2", "CPU usage"), "memory": ("Fig. 3", "memory usage")}
)

STRATEGIES = {"advance": "Advance", "responsive": "Responsive", "combined": "Combined (LSTM)"}

FORECASTERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **{"lstm": ("LSTM", style.ORANGE), "ridge": ("ridge", style.GREEN), "last_value": ("last value", style.GREY)},
        **{"published": ("published accuracy", style.BLUE), "none": ("no forecast", style.INK)},
    }
)
"""Label and colour of each forecaster."""


@style.styled
def plot_table_3(table: pd.DataFrame, forecasters: Sequence[str] = ("published", "lstm")) -> Figure:
    """Draw Paper A, Table 3, for one trace: published beside measured, by both readings of the phases.

    Args:
        table: Rows of one trace of `make_table_3`.
        forecasters: Whose forecasts are shown; those that were not run are left out.
    """
    makers = [name for name in forecasters if name in set(table["forecaster"])]
    figure, axes = style.canvas(1, 3, size=(11, 4.4), sharex=True, sharey=True)
    series = [(maker, reading) for reading in ("trace", "actions") for maker in makers]
    offsets = np.linspace(0.16, -0.32, len(series))
    for phase, each in zip(PHASES, axes, strict=True):
        for at, (name, cells) in enumerate(TABLE_3.items()):
            each.plot(cells[phase], -at + 0.32, "D", mfc="white", mec=style.INK, ms=8, mew=1.5)
            for (maker, reading), offset in zip(series, offsets, strict=True):
                _draw_cell(each, table, (name, phase), (maker, reading), -at + offset)
        each.set_title(phase)
        each.set_xlabel("requests that fail (%)")
        each.set_yticks(-np.arange(3), [STRATEGIES[name] for name in TABLE_3])
        each.margins(x=0.1)
        each.grid(axis="y", visible=False)
        style.numbers(each.xaxis)
    axes[0].set_ylim(-2.6, 0.6)
    handles = [Line2D([], [], marker="D", mfc="white", mec=style.INK, ls="", label="published")]
    for maker, reading in series:
        (words, colour), by_load = FORECASTERS[maker], reading == "trace"
        look: Any = {"color": colour, "mfc": colour if by_load else "w"}
        words += f", phases by {'the load' if by_load else 'actions'}"
        handles.append(Line2D([], [], marker="o", ls="", label=words, **look))
    note = note_origin(
        table,
        "Bars: 95 % over repeats. The forecast of published accuracy knows the future up to its error. "
        "Responsive uses none.",
    )
    style.legend(figure, note, handles=handles, columns=3)
    figure.suptitle(f"Paper A, Table 3, beside {label_trace(table)}", x=0.01, ha="left")
    return figure


def _draw_cell(axes: Axes, table: pd.DataFrame, cell: tuple[str, str], by: tuple[str, str], at: float) -> None:
    rows = table[(table["strategy"] == cell[0]) & (table["phase"] == cell[1]) & (table["reading"] == by[1])]
    rows = rows[rows["forecaster"].isin([by[0], "none"])]
    if rows.empty:
        return
    row: Any = rows.iloc[0]
    colour = FORECASTERS[by[0]][1]
    axes.plot([row["low"], row["high"]], [at, at], color=colour, lw=1.2)
    axes.plot(row["error_percent"], at, "o", ms=6, color=colour, mfc=colour if by[1] == "trace" else "white")


@style.styled
def plot_usage(table: pd.DataFrame, course: pd.DataFrame, kind: str, traces: Sequence[Trace]) -> Figure:
    """Draw Paper A, Fig. 2 or 3: usage of the simulated service over time, beside traces of other machines.

    Args:
        table: Rows of the trace, which tell where it comes from.
        course: The first repeat over time.
        kind: `cpu` or `memory`.
        traces: Utilisation traces that have it.
    """
    place, words = USAGE[kind]
    figure, axes = style.canvas(1, 1 + len(traces), size=(4.2 + 3.4 * len(traces), 3.6), sharey=True)
    rows = course[course["strategy"] == "combined"]
    axes[0].plot(rows["seconds"] / 3600, rows[kind], color=style.ORANGE, lw=0.7)
    axes[0].set_title(f"simulated from {label_trace(table)}")
    axes[0].set_xlabel("time (hours)")
    axes[0].set_ylabel(f"{words} (%)")
    for trace, each in zip(traces, axes[1:], strict=True):
        colour = style.BLUE if trace.origin.real else style.GREY
        each.plot(trace.frame.index, trace.frame[f"{kind}_percent"], color=colour, lw=0.7)
        each.set_title(f"{trace.label}{', measured' if trace.origin.real else ''}")
        style.dates(each)
    low, high = USAGE_RANGES[kind]
    for each in axes:
        each.axhspan(low, high, color=style.GREY, alpha=0.15, linewidth=0)
    axes[0].set_ylim(0, 100)
    grey = f"Grey: the range that the paper reads off its {place} ({low:g} to {high:g} %)."
    style.mark(figure, note_origin(table, grey, "The service is a model; the traces beside it are of other machines."))
    figure.suptitle(f"Paper A, {place}: {words} of the service over time", x=0.01, ha="left")
    return figure


def plot_scaling(table: pd.DataFrame, course: pd.DataFrame, points: int = POINTS) -> Figure:
    """Draw the paper's strategies over time, where Responsive failed most requests (see `draw_scaling`).

    Args:
        table: Rows of the trace.
        course: The first repeat over time.
        points: Sync periods that are shown.
    """
    course = course.assign(forecaster=course["forecaster"].replace("none", ""))
    runs = dict.fromkeys(zip(course["strategy"], course["forecaster"], strict=True))
    return draw_scaling(
        course,
        [run for run in runs if run[0] in TABLE_3],
        title=f"Scaling on {label_trace(table)}: load, forecast, pods and errors",
        note=note_origin(table, "The stretch in which Responsive failed most requests."),
        points=points,
    )


def plot_tradeoff(table: pd.DataFrame) -> Figure:
    """Draw errors against pod-hours, one panel per lead time (see `draw_tradeoff`).

    Args:
        table: What the replay of one trace returned, all leads.
    """
    return draw_tradeoff(
        table[table["phase"] == "all"],
        title=f"What fewer errors cost on {label_trace(table)}",
        note=note_origin(table, "Lower left is better. Means over repeats."),
    )
