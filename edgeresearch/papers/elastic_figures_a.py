"""The figures around Paper A's Table 3: the table, Figs. 2 and 3, one stretch of scaling, and errors against pods."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from edgeresearch.data.trace import Trace
from edgeresearch.papers.elastic_a import PHASES, PUBLISHED, RANGES
from edgeresearch.plotting import style
from edgeresearch.plotting.replay import POINTS, draw_scaling, draw_tradeoff

WORDS = {"cpu": ("Fig. 2", "CPU usage"), "memory": ("Fig. 3", "memory usage")}

NAMES = {
    "advance": "Advance", "responsive": "Responsive", "combined": "Combined (LSTM)", "fixed": "Fixed", "hpa": "HPA",
    "quantile": "Quantile", "oracle": "Oracle",
}  # fmt: skip

MAKERS = {
    "lstm": ("LSTM", style.ORANGE), "ridge": ("ridge", style.GREEN), "last_value": ("last value", style.GREY),
    "published": ("published accuracy", style.BLUE), "none": ("no forecast", style.INK),
}  # fmt: skip


def note(table: pd.DataFrame, *more: str) -> str:
    """Return what the reader of a figure of one trace must know, above all that its data is synthetic."""
    synthetic = "" if table["real"].iloc[0] else f"Synthetic data, not measured: {table['note'].iloc[0]}."
    return " ".join(filter(None, [synthetic, *more]))


def title(table: pd.DataFrame) -> str:
    """Return the trace's name for a title, from any of its rows; a synthetic one is marked."""
    return style.shown(str(table["trace"].iloc[0]), bool(table["real"].iloc[0]))


@style.styled
def table3_figure(table: pd.DataFrame, forecasters: Sequence[str] = ("published", "lstm")) -> Figure:
    """Draw Paper A, Table 3, for one trace: published beside measured, by both readings of the phases.

    Args:
        table: Rows of one trace of `elastic_a.table3`.
        forecasters: Whose forecasts are shown; those that were not run are left out.
    """
    makers = [name for name in forecasters if name in set(table["forecaster"])]
    figure, axes = style.canvas(1, 3, size=(11, 4.4), sharex=True, sharey=True)
    series = [(maker, reading) for reading in ("trace", "actions") for maker in makers]
    offsets = np.linspace(0.16, -0.32, max(len(series), 1))
    for phase, each in zip(PHASES, axes, strict=True):
        for at, (name, cells) in enumerate(PUBLISHED.items()):
            each.plot(cells[phase], -at + 0.32, "D", mfc="white", mec=style.INK, ms=8, mew=1.5)
            for (maker, reading), offset in zip(series, offsets, strict=True):
                _cell(each, table, (name, phase), (maker, reading), -at + offset)
        each.set_title(phase)
        each.set_xlabel("requests that fail (%)")
        each.set_yticks(-np.arange(3), [NAMES[name] for name in PUBLISHED])
        each.margins(x=0.1)
        each.grid(axis="y", visible=False)
        style.numbers(each.xaxis)
    axes[0].set_ylim(-2.6, 0.6)
    handles = [Line2D([], [], marker="D", mfc="white", mec=style.INK, ls="", label="published")]
    handles += [
        Line2D([], [], marker="o", ls="", color=MAKERS[maker][1], mfc=MAKERS[maker][1] if reading == "trace" else "w",
               label=f"{MAKERS[maker][0]}, phases by {'the load' if reading == 'trace' else 'actions'}")
        for maker, reading in series
    ]  # fmt: skip
    said = note(
        table,
        "Bars: 95 % over repeats. The forecast of published accuracy knows the future up to its error. "
        "Responsive uses none.",
    )
    style.legend(figure, said, handles=handles, columns=3)
    figure.suptitle(f"Paper A, Table 3, beside {title(table)}", x=0.01, ha="left")
    return figure


def _cell(axes: Axes, table: pd.DataFrame, cell: tuple[str, str], by: tuple[str, str], at: float) -> None:
    rows = table[(table["strategy"] == cell[0]) & (table["phase"] == cell[1]) & (table["reading"] == by[1])]
    rows = rows[rows["forecaster"].isin([by[0], "none"])]
    if rows.empty:
        return
    row: Any = rows.iloc[0]
    colour = MAKERS[by[0]][1]
    axes.plot([row["low"], row["high"]], [at, at], color=colour, lw=1.2)
    axes.plot(row["error_percent"], at, "o", ms=6, color=colour, mfc=colour if by[1] == "trace" else "white")


@style.styled
def usage(table: pd.DataFrame, course: pd.DataFrame, kind: str, real: Sequence[Trace]) -> Figure:
    """Draw Paper A, Fig. 2 or 3: usage of the simulated service over time, beside real utilisation traces.

    Args:
        table: Rows of the trace, which tell where it comes from.
        course: What `run_experiment` found over time.
        kind: `cpu` or `memory`.
        real: Utilisation traces (`series.utilisation`) that have it.
    """
    place, words = WORDS[kind]
    figure, axes = style.canvas(1, 1 + len(real), size=(4.2 + 3.4 * len(real), 3.6), sharey=True)
    rows = course[course["strategy"] == "combined"]
    axes[0].plot(rows["seconds"] / 3600, rows[kind], color=style.ORANGE, lw=0.7)
    axes[0].set_title(f"simulated from {title(table)}")
    axes[0].set_xlabel("time (hours)")
    axes[0].set_ylabel(f"{words} (%)")
    for trace, each in zip(real, axes[1:], strict=True):
        each.plot(
            trace.frame.index,
            trace.frame[f"{kind}_percent"],
            color=style.BLUE if trace.origin.real else style.GREY,
            lw=0.7,
        )
        each.set_title(f"{trace.label}{', measured' if trace.origin.real else ''}")
        style.dates(each)
    low, high = RANGES[kind]
    for each in axes:
        each.axhspan(low, high, color=style.GREY, alpha=0.15, linewidth=0)
    axes[0].set_ylim(0, 100)
    what = f"Grey: the range that the paper reads off its {place} ({low:g} to {high:g} %)."
    style.mark(figure, note(table, what, "The service is a model; the traces beside it are of other machines."))
    figure.suptitle(f"Paper A, {place}: {words} of the service over time", x=0.01, ha="left")
    return figure


def scaling(table: pd.DataFrame, course: pd.DataFrame, points: int = POINTS) -> Figure:
    """Draw the paper's strategies over time, where Responsive failed most requests (see `draw_scaling`).

    Args:
        table: Rows of the trace.
        course: What `run_experiment` found over time.
        points: Sync periods that are shown.
    """
    course = course.assign(forecaster=course["forecaster"].replace("none", ""))
    runs = list(dict.fromkeys(zip(course["strategy"], course["forecaster"], strict=True)))
    return draw_scaling(
        course,
        [run for run in runs if run[0] in PUBLISHED],
        title=f"Scaling on {title(table)}: load, forecast, pods and errors",
        note=note(table, "The stretch in which Responsive failed most requests."),
        points=points,
    )


def tradeoff(table: pd.DataFrame) -> Figure:
    """Draw errors against pod-hours, one panel per lead time (see `draw_tradeoff`).

    Args:
        table: What `run_experiment` found for one trace, all leads.
    """
    return draw_tradeoff(
        table[table["phase"] == "all"],
        title=f"What fewer errors cost on {title(table)}",
        note=note(table, "Lower left is better. Means over repeats."),
    )
