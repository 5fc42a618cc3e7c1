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
from edgeresearch.plotting import style

READINGS: Mapping[bool, tuple[str, str, str]] = MappingProxyType(
    {
        False: ("the receiver sets the limit anew", style.BLUE, "o"),
        True: ("the sender's limit binds the receiver", style.ORANGE, "s"),
    }
)
"""Of "optimize resource limits; return best-fit" (Algorithm 1), by whether the sender's limit binds: words, colour,
marker."""

COLUMNS = ["sender", "share", "published", "measured", "low", "high", "tolerance", "within"]

DROPPED = 0
"""Stands for "dropped" where a number of hand-overs would stand."""


def beside(found: pd.DataFrame) -> pd.DataFrame:
    """Put every share that Paper B states of its Figs. 6 and 7 beside what each reading gives.

    Args:
        found: `handovers`, as the stage `scheduling` found them.

    Returns:
        One row per share and reading, without those that were not run, with the columns `COLUMNS`: `within` is whether
        the share is no farther off than the tolerance of its claim. Those of hand-overs are of what looked for a place,
        one of the two readings that the audit judges together.
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
        name = f"{streams} streams, {f'{hops} hand-overs' if hops else 'dropped'}"
        rows.append((sender, name, published, *ours, points, abs(ours[0] - published) <= points))
    return pd.DataFrame(rows, columns=COLUMNS)


def said(table: pd.DataFrame) -> str:
    """Say under which reading how many published shares are met, and which are not.

    Args:
        table: What `beside` returns.
    """
    texts = []
    for sender, (words, _, _) in READINGS.items():
        rows = table[table["sender"] == sender]
        off = [
            f"{row['share']} ({row['measured']:.1f} against {row['published']:g})"
            for row in rows[~rows["within"].astype(bool)].to_dict("records")
        ]
        met = f"{len(rows) - len(off)} of {len(rows)} published shares of Figs. 6 and 7 are met"
        texts.append(f"If {words}, {met}{'; not: ' if off else ''}{', '.join(off)}.")
    return " ".join(texts)


@style.styled
def figure(table: pd.DataFrame) -> Figure:
    """Draw how far each reading is from every published share of Figs. 6 and 7.

    Args:
        table: What `beside` returns.
    """
    shares = table.drop_duplicates("share")
    spots = dict(zip(shares["share"], -np.arange(len(shares)), strict=True))
    canvas, (axes,) = style.canvas(size=(9.0, 1.9 + 0.36 * len(shares)))
    axes.barh(list(spots.values()), 2 * shares["tolerance"], 0.8, -shares["tolerance"], color="#e4e4e4", zorder=0)
    axes.axvline(0, color=style.INK, lw=1)
    for at, (sender, (_, colour, mark)) in enumerate(READINGS.items()):
        mine = table[table["sender"] == sender]
        bars: Any = [mine["measured"] - mine["low"], mine["high"] - mine["measured"]]
        heights = mine["share"].map(spots) + 0.17 - 0.34 * at
        axes.errorbar(mine["measured"] - mine["published"], heights, xerr=bars, fmt=mark, color=colour, capsize=3)
    published = [f"{share} ({value:g} %)" for share, value in zip(shares["share"], shares["published"], strict=True)]
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
