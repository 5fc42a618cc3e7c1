"""What Paper B leaves out: stale views, gateways, churn, every choice that was made, and the spread of the fit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from edgeresearch.papers.paper_b import published
from edgeresearch.papers.paper_b.scheduling_figures import BARS, PERCENT
from edgeresearch.papers.paper_b.tables import select_finalists, setting_effects
from edgeresearch.plotting import style

COLOURS = (style.BLUE, style.ORANGE, style.GREEN, style.PINK, style.BROWN)
MARKERS = "osD^P"

STALENESS = ("How old may views be?", "seconds between two exchanges of\navailability; 0: always fresh")
GATEWAYS = ("Do more gateways help?", "edge nodes that are gateways")
CHURN = ("What does churn cost?", "mean seconds that an edge node\nstays in the mesh")
"""Of each sweep: title, and what is varied."""


@style.styled
def plot_sweep(table: pd.DataFrame, about: tuple[str, str]) -> Figure:
    """Draw drop rate and depth of the search under LOS while one setting is varied, and what is lost where any is.

    Args:
        table: What the stage `sweeps` wrote.
        about: `STALENESS`, `GATEWAYS` or `CHURN`.
    """
    values = list(dict.fromkeys(table["value"].astype(str)))
    lost = bool((table["lost_percent"] > 0).any())
    figure, axes = style.canvas(1, 2 + lost, size=(9.6 + 2.4 * lost, 4.1))
    columns = [("drop_percent", "dropped trainings (%)"), ("far", "two or three hand-overs\n(% of attempts)")]
    columns += [("lost_percent", "trainings lost as their node left (%)")] * lost
    groups = list(table.assign(far=table["two"] + table["three"]).groupby("streams"))
    looks = [{"color": COLOURS[at % 5], "marker": MARKERS[at % 5]} for at in range(len(groups))]
    for (column, label), each in zip(columns, axes, strict=True):
        for (_, part), look in zip(groups, looks, strict=True):
            spots = [values.index(str(value)) for value in part["value"]]
            bars = style.error_bars(part, column, within=PERCENT) if column == "drop_percent" else None
            each.errorbar(spots, part[column], bars, capsize=3, **look)
        each.set_xticks(range(len(values)), values)
        each.margins(x=0.08)
        each.set(ylim=(0, max(1.0, 1.08 * each.get_ylim()[1])), ylabel=label, xlabel=about[1])
    handles = [
        Line2D([], [], label=f"{streams} streams", **look) for (streams, _), look in zip(groups, looks, strict=True)
    ]
    style.legend(figure, f"Simulated. {BARS}", handles=handles)
    figure.suptitle(about[0], x=0.01, ha="left")
    return figure


@style.styled
def plot_setting_effects(table: pd.DataFrame) -> Figure:
    """Draw by how many points each choice and each number moves the drop rate of LOS. From `choices.csv`."""
    moved = setting_effects(table)
    same = [str(name) for name in moved.index[(moved.abs() < 1e-9).all(axis=1)]]
    moved = moved.drop(index=same)
    figure, (axes,) = style.canvas(size=(9.5, 1.8 + 0.26 * max(len(moved), 4)))
    spots = -np.arange(len(moved))
    for at, count in enumerate(moved.columns):
        axes.plot(moved[count], spots, MARKERS[at % 5], color=COLOURS[at % 5], ms=6, label=f"{count} streams")
    ends = moved.min(axis=1).clip(upper=0), moved.max(axis=1).clip(lower=0)
    axes.hlines(spots, *ends, color=style.GREY, lw=0.8, zorder=0)
    axes.axvline(0, color=style.INK, lw=1)
    axes.set_yticks(spots, [str(name).replace(" x ", " × ") for name in moved.index])
    axes.set(ylim=(-len(moved) + 0.3, 0.7), xlabel="change of the drop rate (percentage points)")
    axes.grid(axis="y", visible=False)
    note = "Simulated, the same streams and noise in every row; × scales a number of the settings."
    if same:
        note += f" Nothing changes by: {', '.join(same).replace(' x ', ' × ')} (chosen anyway, or without effect here)."
    style.legend(figure, note)
    figure.suptitle("Which settings matter: one changed at a time", x=0.01, ha="left")
    return figure


@style.styled
def plot_fit_spread(fit: pd.DataFrame, fitted: Sequence[int]) -> Figure:
    """Draw where the candidates of the fit land that were run again with fresh seeds.

    Args:
        fit: What `papers.fit_b` wrote.
        fitted: Numbers of streams that were fitted on; the others are held out.
    """
    last = select_finalists(fit)
    figure, axes = style.canvas(1, 2, size=(11, 4.6), sharey=True)
    drops, hops = published.DROP_PERCENT, published.HOPS_PERCENT
    panels: dict[str, list[tuple[str, str, float, bool]]] = {
        "dropped trainings": [(f"drop_{n}", f"{n}", v, n in fitted) for n, v in drops.items()],
        "hand-overs": [(f"hops_{n}_{d}", f"{n} streams,\n{d} hops", v, n in fitted) for (n, d), v in hops.items()],
    }
    for (title, cells), each in zip(panels.items(), axes, strict=True):
        cells = [cell for cell in cells if cell[0] in last]
        for at, (column, _, value, used) in enumerate(cells):
            aside: Any = np.linspace(-0.3, 0.3, len(last)) if len(last) > 1 else np.zeros(1)
            each.plot(at + aside, last[column], "o", color=style.SKY, ms=4, alpha=0.8)
            each.plot(at + aside[0], last[column].iloc[0], "o", color=style.ORANGE, ms=8)
            each.plot(at, value, "D", mfc="white" if used else style.RED, mec=style.INK, ms=9, mew=1.5)
        each.set_xticks(range(len(cells)), [words for _, words, _, _ in cells])
        each.set_xlim(-0.6, len(cells) - 0.4)
        each.grid(axis="x", visible=False)
        each.set_title(title)
    axes[0].set(xlabel="streams", ylabel="share (%)", ylim=(0, None))
    handles = [
        Line2D([], [], marker="o", ls="", ms=8, color=style.ORANGE, label="best candidate"),
        Line2D([], [], marker="o", ls="", ms=4, color=style.SKY, label="others, from good (left) to worse"),
        Line2D([], [], marker="D", ls="", mfc="white", mec=style.INK, label="published, fitted on"),
        Line2D([], [], marker="D", ls="", mfc=style.RED, mec=style.INK, label="published, held out"),
    ]
    note = f"Simulated. {len(last)} candidates, run again with fresh seeds."
    style.legend(figure, note, handles=handles, columns=4)
    figure.suptitle("How far apart the candidates of the fit land", x=0.01, ha="left")
    return figure
