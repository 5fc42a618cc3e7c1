"""What Paper B leaves out: stale views, gateways, churn, every choice that was made, and the spread of the fit."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from edgeresearch.plotting import style

AS_CHOSEN = "as chosen"
SHOWN = (style.BLUE, style.ORANGE, style.GREEN, style.PINK, style.BROWN)
MARKS = "osD^P"

STALENESS = ("staleness", "How old may views be?", "seconds between two exchanges of\navailability; 0: always fresh")
GATEWAYS = ("gateways", "Do more gateways help?", "edge nodes that are gateways")
CHURN = ("churn", "What does churn cost?", "mean seconds that an edge node\nstays in the mesh")
"""Of each sweep: name, title, and what is varied."""

FAR = 8.0
"""Candidates of a fit whose loss exceeds the smallest by this factor are left out of the figure."""


@style.styled
def sweep(table: pd.DataFrame, about: tuple[str, str, str], said: str = "") -> Figure:
    """Draw drop rate and depth of the search under LOS while one setting is varied, and what is lost where any is.

    Args:
        table: What `sweeps.sweep` found.
        about: `STALENESS`, `GATEWAYS` or `CHURN`.
        said: What a reader must know.
    """
    values = list(dict.fromkeys(table["value"].astype(str)))
    lost = bool((table["lost_percent"] > 0).any())
    figure, axes = style.canvas(1, 2 + lost, size=(9.6 + 2.4 * lost, 4.1))
    columns = [("drop_percent", "dropped trainings (%)"), ("far", "two or three hand-overs\n(% of attempts)")]
    columns += [("lost_percent", "trainings lost as their node left (%)")] * lost
    rows = table.assign(far=table["two"] + table["three"])
    for (column, label), each in zip(columns, axes, strict=True):
        for at, (count, part) in enumerate(rows.groupby("streams")):
            spots = [values.index(str(value)) for value in part["value"]]
            bars: Any = _bars(part) if column == "drop_percent" else None
            each.errorbar(
                spots,
                part[column],
                bars,
                color=SHOWN[at % 5],
                marker=MARKS[at % 5],
                capsize=3,
                label=f"{count} streams",
            )
        each.set_xticks(range(len(values)), values)
        each.margins(x=0.08)
        each.set_ylim(0, max(1.0, 1.08 * each.get_ylim()[1]))
        each.set_ylabel(label)
        each.set_xlabel(about[2])
    handles = [
        Line2D([], [], color=SHOWN[at % 5], marker=MARKS[at % 5], label=f"{count} streams")
        for at, count in enumerate(sorted(rows["streams"].unique()))
    ]
    style.legend(figure, " ".join(filter(None, ["Simulated. Bars: 95 % over repeats.", said])), handles=handles)
    figure.suptitle(about[1], x=0.01, ha="left")
    return figure


def changes(table: pd.DataFrame) -> pd.DataFrame:
    """Return by how many points each choice moves the drop rate.

    Args:
        table: `choices`, as the stage `sweeps` found them.

    Returns:
        By `value` one column per number of streams, the one that moves most first.
    """
    rates: pd.DataFrame = table.pivot(index="value", columns="streams", values="drop_percent")
    moved: pd.DataFrame = rates.drop(index=AS_CHOSEN) - rates.loc[AS_CHOSEN]
    moved["most"] = moved.abs().max(axis=1)
    return moved.sort_values("most", ascending=False, kind="stable").drop(columns="most")


@style.styled
def choices(table: pd.DataFrame) -> Figure:
    """Draw by how many points each choice and each number moves the drop rate of LOS.

    Args:
        table: `choices`, as the stage `sweeps` found them.
    """
    moved = changes(table)
    same = [str(name) for name in moved.index[(moved.abs() < 1e-9).all(axis=1)]]
    moved = moved.drop(index=same)
    figure, (axes,) = style.canvas(size=(9.5, 1.8 + 0.26 * max(len(moved), 4)))
    spots = -np.arange(len(moved))
    for at, count in enumerate(moved.columns):
        axes.plot(moved[count], spots, MARKS[at % 5], color=SHOWN[at % 5], ms=6, label=f"{count} streams")
    ends = moved.min(axis=1).clip(upper=0), moved.max(axis=1).clip(lower=0)
    axes.hlines(spots, *ends, color=style.GREY, lw=0.8, zorder=0)
    axes.axvline(0, color=style.INK, lw=1)
    axes.set_yticks(spots, [str(name).replace(" x ", " × ") for name in moved.index])
    axes.set_ylim(-len(moved) + 0.3, 0.7)
    axes.set_xlabel("change of the drop rate (percentage points)")
    axes.grid(axis="y", visible=False)
    said = "Simulated, the same streams and noise in every row; × scales a number of the settings."
    if same:
        said += f" Nothing changes by: {', '.join(same).replace(' x ', ' × ')} (chosen anyway, or without effect here)."
    style.legend(figure, said)
    figure.suptitle("Which settings matter: one changed at a time", x=0.01, ha="left")
    return figure


def finalists(fit: pd.DataFrame) -> pd.DataFrame:
    """Return the candidates that were run again with fresh seeds, the best first, without those that are far worse."""
    last = fit[fit["stage"] == -1].sort_values("loss", kind="stable")
    near: pd.DataFrame = last[last["loss"] <= FAR * last["loss"].min()]
    return near.reset_index(drop=True)


@style.styled
def fit_spread(
    fit: pd.DataFrame, drops: Mapping[int, float], hops: Mapping[tuple[int, int], float], fitted: Sequence[int]
) -> Figure:
    """Draw where the candidates of the fit land that were run again with fresh seeds.

    Args:
        fit: What `calibrate.calibrate` found.
        drops: Published drop rate by number of streams.
        hops: Published share by number of streams and hops.
        fitted: Numbers of streams that were fitted on; the others are held out.
    """
    last = finalists(fit)
    figure, axes = style.canvas(1, 2, size=(11, 4.6), sharey=True)
    panels: list[tuple[str, list[tuple[str, str, float, bool]]]] = [
        ("dropped trainings", [(f"drop_{n}", f"{n}", v, n in fitted) for n, v in drops.items()]),
        ("hand-overs", [(f"hops_{n}_{d}", f"{n} streams,\n{d} hops", v, n in fitted) for (n, d), v in hops.items()]),
    ]
    for (title, cells), each in zip(panels, axes, strict=True):
        cells = [cell for cell in cells if cell[0] in last]
        for at, (column, _, value, used) in enumerate(cells):
            aside = np.linspace(-0.3, 0.3, len(last)) if len(last) > 1 else np.zeros(1)
            each.plot(at + aside, last[column], "o", color=style.SKY, ms=4, alpha=0.8)
            each.plot(at + aside[0], last[column].iloc[0], "o", color=style.ORANGE, ms=8)
            each.plot(at, value, "D", mfc="white" if used else style.RED, mec=style.INK, ms=9, mew=1.5)
        each.set_xticks(range(len(cells)), [words for _, words, _, _ in cells])
        each.set_xlim(-0.6, len(cells) - 0.4)
        each.grid(axis="x", visible=False)
        each.set_title(title)
    axes[0].set_xlabel("streams")
    axes[0].set_ylabel("share (%)")
    axes[0].set_ylim(bottom=0)
    handles = [
        Line2D([], [], marker="o", ls="", ms=8, color=style.ORANGE, label="best candidate"),
        Line2D([], [], marker="o", ls="", ms=4, color=style.SKY, label="others, from good (left) to worse"),
        Line2D([], [], marker="D", ls="", mfc="white", mec=style.INK, label="published, fitted on"),
        Line2D([], [], marker="D", ls="", mfc=style.RED, mec=style.INK, label="published, held out"),
    ]
    said = f"Simulated. {len(last)} candidates, run again with fresh seeds."
    style.legend(figure, said, handles=handles, columns=4)
    figure.suptitle("How far apart the candidates of the fit land", x=0.01, ha="left")
    return figure


def _bars(part: pd.DataFrame) -> Any:
    low, high = part["low"].clip(lower=0), part["high"].clip(upper=100)
    off = [(part["drop_percent"] - low).clip(lower=0), (high - part["drop_percent"]).clip(lower=0)]
    return np.array([each.fillna(0) for each in off])
