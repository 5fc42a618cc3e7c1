"""Paper B's Figs. 6 and 7 under two readings of what is handed over, each beside what is published."""

import itertools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from edgeresearch.papers import paper_b
from edgeresearch.papers.claims.records_b import DROP_POINTS, HOP_POINTS
from edgeresearch.papers.claims.rules import Reading, judge_distance
from edgeresearch.papers.words_b import reached
from edgeresearch.plotting import style

READINGS: Mapping[bool, tuple[str, str, str]] = MappingProxyType(
    {
        False: ("the receiver sets the limit anew", style.BLUE, "o"),
        True: ("the sender's limit binds the receiver", style.ORANGE, "s"),
    }
)
"""Of "optimize resource limits; return best-fit" (Algorithm 1), by whether the sender's limit binds: words, colour,
marker."""

COLUMNS = ["sender", "id", "where", "unit", "published", "measured", "low", "high", "tolerance", "verdict"]

DROPPED = 0
"""Stands for "dropped" where a number of hand-overs would stand."""


def beside(found: pd.DataFrame) -> pd.DataFrame:
    """Put every share that Paper B states of its Figs. 6 and 7 beside what each reading gives.

    Args:
        found: `handovers`, as the stage `scheduling` found them.

    Returns:
        One row per share and reading, without those that were not run, with the columns `COLUMNS`; the verdict is by
        the rule and the tolerance of the share's claim in the audit.
    """
    rows = []
    shares = {(n, DROPPED): value for n, value in paper_b.DROP_PERCENT.items()} | paper_b.HOPS_PERCENT
    keyed: Any = found.assign(hops=found["hops"].fillna(DROPPED)).set_index(["sender", "streams", "hops"])
    for ((streams, hops), published), sender in itertools.product(shares.items(), READINGS):
        if (sender, streams, DROPPED) not in keyed.index:
            continue
        points = HOP_POINTS if hops else DROP_POINTS
        ours = (0.0, 0.0, 0.0)  # where no training was handed over so often
        if (sender, streams, hops) in keyed.index:
            row = keyed.loc[(sender, streams, hops)]
            ours = float(row["percent"]), float(row["low"]), float(row["high"])
        what, where = (f"{hops} hand-overs", "Fig. 6") if hops else ("dropped", "Fig. 7")
        verdict = judge_distance(Reading("", *ours), published, points)
        rows.append((sender, f"{streams} streams, {what}", where, "%", published, *ours, points, verdict))
    return pd.DataFrame(rows, columns=COLUMNS)


def said(table: pd.DataFrame) -> str:
    """Say under which reading how many published shares are reached, and what is not.

    Args:
        table: What `beside` returns.
    """
    parts = (
        f"If {words}: {reached(table[table['sender'] == sender], 'Fig. 6', 'Fig. 7')}"
        for sender, (words, _, _) in READINGS.items()
    )
    return " ".join(parts)


@style.styled
def figure(table: pd.DataFrame) -> Figure:
    """Draw how far each reading is from every published share of Figs. 6 and 7.

    Args:
        table: What `beside` returns.
    """
    shares = table.drop_duplicates("id")
    spots = dict(zip(shares["id"], -np.arange(len(shares)), strict=True))
    canvas, (axes,) = style.canvas(size=(9.0, 1.9 + 0.36 * len(shares)))
    axes.barh(list(spots.values()), 2 * shares["tolerance"], 0.8, -shares["tolerance"], color="#e4e4e4", zorder=0)
    axes.axvline(0, color=style.INK, lw=1)
    for at, (sender, (_, colour, mark)) in enumerate(READINGS.items()):
        mine = table[table["sender"] == sender]
        bars: Any = [mine["measured"] - mine["low"], mine["high"] - mine["measured"]]
        heights = mine["id"].map(spots) + 0.17 - 0.34 * at
        axes.errorbar(mine["measured"] - mine["published"], heights, xerr=bars, fmt=mark, color=colour, capsize=3)
    published = [f"{share} ({value:g} %)" for share, value in zip(shares["id"], shares["published"], strict=True)]
    axes.set_yticks(list(spots.values()), published)
    axes.set_xlabel("simulated less published (percentage points)")
    axes.grid(axis="y", visible=False)
    handles: list[Any] = [
        Line2D([], [], color=colour, marker=mark, ls="", label=words) for words, colour, mark in READINGS.values()
    ]
    handles.append(Patch(color="#e4e4e4", label="counts as reached"))
    note = "Simulated, all else the same. Bars: 95 % over repeats. In brackets what the paper states."
    style.legend(canvas, note, handles=handles, columns=3)
    canvas.suptitle("Figs. 6 and 7 under two readings of a hand-over", x=0.01, ha="left")
    return canvas
