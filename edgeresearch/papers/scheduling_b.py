"""Paper B's Figs. 6 and 7, and what they leave out: why trainings are dropped, where they run, other policies."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter

from edgeresearch.emulator.results import MESSAGES
from edgeresearch.papers.names_b import DROPS, LAYERS, POLICIES, READINGS
from edgeresearch.plotting import style

KINDS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "requests": ("requests handed over", style.ORANGE, "o"),
        "exchanges": ("availability, exchanged", style.GREEN, "s"),
        "syncs": ("availability, synchronised with a centre", style.BLUE, "D"),
        "models": ("runtime models, told", style.SKY, "P"),
        "carried": ("models and samples, on every link", style.PINK, "^"),
        "leaving": ("models and samples that leave the edge", style.INK, "v"),
    }
)
"""What is sent, its colour and marker."""

ASIDE = 0.25
"""Streams by which simulated points stand beside published ones."""
BARS = "Bars: 95 % over repeats."


@style.styled
def figure6(hops: pd.DataFrame, published: pd.Series) -> Figure:
    """Draw Paper B, Fig. 6: how often trainings are handed over, by what the shares may be of.

    Args:
        hops: What the stage `scheduling` found.
        published: Published share of each row of `hops` (`paper_b.published_shares`).
    """
    rows = hops.assign(published=published)
    rows = rows[rows["policy"] == "los"]
    counts = sorted(rows["streams"].unique())
    depths = sorted(rows.loc[rows["share_percent"] > 0, "hops"].unique())
    figure, axes = style.canvas(1, len(counts), size=(1.2 + 2.2 * len(counts), 4.3), sharex=True, sharey=True)
    width = 0.8 / len(READINGS)
    for count, each in zip(counts, axes, strict=True):
        mine = rows[rows["streams"] == count]
        for at, (reading, (_, colour)) in enumerate(READINGS.items()):
            part = mine[(mine["reading"] == reading) & mine["hops"].isin(depths)]
            spots = part["hops"] + width * (at - 1)
            each.bar(spots, part["share_percent"], width, color=colour, yerr=_errors(part, "share_percent"), **_CAPS)
        stated = mine[mine["published"].notna() & (mine["reading"] == "attempts")]
        for depth, share in zip(stated["hops"], stated["published"], strict=True):
            each.plot([depth - 0.45, depth + 0.45], [share, share], color=style.INK, lw=1.2)
            each.plot(depth, share, "D", mfc="white", mec=style.INK, ms=8, mew=1.5, zorder=5)
        each.set_title(f"{count} streams")
        each.set_xlabel("hand-overs")
        each.set_xticks(depths)
        each.grid(axis="x", visible=False)
    axes[0].set_ylabel("share (%)")
    axes[0].set_ylim(0, 105)
    handles: list[Any] = [Patch(color=colour, label=words) for words, colour in READINGS.values()]
    handles.append(Line2D([], [], marker="D", color=style.INK, mfc="white", label="published"))
    said = f"Simulated. {BARS} The paper's text states three of the shares of its Fig. 6, and not what they are of."
    style.legend(figure, said, handles=handles, columns=4)
    figure.suptitle("Paper B, Fig. 6: hand-overs of a training under LOS", x=0.01, ha="left")
    return figure


@style.styled
def figure7(drops: pd.DataFrame) -> Figure:
    """Draw Paper B, Fig. 7: the drop rate of LOS and of in-situ training beside the published ones.

    Args:
        drops: `los_b.figure7`.
    """
    figure, (axes,) = style.canvas(size=(8.6, 4.8))
    for name in ("los", "in_situ"):
        part = drops[drops["policy"] == name]
        if part.empty:
            continue
        words, colour, marker = POLICIES[name]
        axes.errorbar(
            part["streams"] + ASIDE, part["drop_percent"], _errors(part, "drop_percent"), color=colour, marker=marker,
            ms=7, capsize=3, label=f"{words}, simulated",
        )  # fmt: skip
    los = drops[(drops["policy"] == "los") & drops["published"].notna()]
    for held, part in los.groupby("held_out"):
        label = "published, held out" if held else "published, settings fitted on it"
        face = style.RED if held else "white"
        axes.plot(
            part["streams"], part["published"], "D", mfc=face, mec=style.INK, ms=9, mew=1.5, label=label, zorder=5
        )
    for row in los.itertuples():
        axes.annotate(
            f"{row.published:.2f}", (float(row.streams), float(row.published)), (-9, 5), ha="right", va="center",  # type: ignore[arg-type]
            textcoords="offset points", fontsize=8.5,
        )  # fmt: skip
    axes.set_xticks(sorted(drops["streams"].unique()))
    axes.margins(x=0.1)
    axes.set_xlabel("streams (two on each edge node)")
    axes.set_ylabel("dropped trainings (%)")
    axes.set_ylim(0, 106)
    style.legend(
        figure, f"{BARS} Simulated points are set aside to the right. In-situ: the paper states 100 %.", columns=4
    )
    figure.suptitle("Paper B, Fig. 7: dropped trainings", x=0.01, ha="left")
    return figure


@style.styled
def reasons(table: pd.DataFrame) -> Figure:
    """Draw why LOS drops trainings, by number of streams.

    Args:
        table: `reasons`, as the stage `scheduling` found them.
    """
    rows = table[(table["policy"] == "los") & table["reason"].isin(list(DROPS))]
    figure, (axes,) = style.canvas(size=(8.6, 4.4))
    _stacked(axes, rows, "reason", DROPS)
    axes.set_ylabel("triggers (%)")
    axes.set_xlabel("streams")
    style.legend(figure, "Simulated, means over repeats. The rest of the triggers found a place.", columns=3)
    figure.suptitle("Why LOS drops trainings", x=0.01, ha="left")
    return figure


@style.styled
def layers(table: pd.DataFrame) -> Figure:
    """Draw in which layer trainings run, for every policy, by number of streams.

    Args:
        table: `layers`, as the stage `scheduling` found them.
    """
    names = _known(table)
    figure, axes = style.canvas(1, len(names), size=(1.4 + 2.1 * len(names), 3.9), sharey=True)
    colours = {**LAYERS, "": "#dddddd"}
    colours |= {str(name): style.BROWN for name in table["layer"].unique() if name not in colours}
    for name, each in zip(names, axes, strict=True):
        _stacked(each, table[table["policy"] == name], "layer", colours)
        each.set_title(POLICIES[name][0], fontsize=10)
        each.set_xlabel("streams")
    axes[0].set_ylabel("triggers (%)")
    shown = [name for name in colours if name in set(table["layer"])]
    handles = [Patch(color=colours[name], label=f"ran in the {name}" if name else "did not run") for name in shown]
    style.legend(figure, "Simulated, means over repeats.", handles=handles)
    figure.suptitle("Which layer ran the training", x=0.01, ha="left")
    return figure


@style.styled
def policies(drops: pd.DataFrame, traffic: pd.DataFrame) -> Figure:
    """Draw every policy side by side: what it drops, what leaves the edge for it, and how much is said for it.

    Args:
        drops: As the stage `scheduling` found them.
        traffic: Likewise.
    """
    figure, axes = style.canvas(1, 3, size=(12.5, 4.6))
    talk = traffic[traffic["kind"].isin(MESSAGES)]
    said = talk.groupby(["policy", "streams"], sort=False)["messages"].sum().reset_index()
    panels = (
        (drops, "drop_percent", "dropped trainings (%)"),
        (
            traffic[traffic["kind"] == "leaving"],
            "megabytes",
            "models and samples that leave the edge\n(MB per node, hour)",
        ),
        (said, "messages", "messages: requests, availability, models\n(per node, hour)"),
    )
    names = _known(drops)
    for (table, column, label), each in zip(panels, axes, strict=True):
        for at, name in enumerate(names):
            words, colour, marker = POLICIES[name]
            part = table[table["policy"] == name]
            spots = part["streams"] + 0.16 * (at - (len(names) - 1) / 2)
            bars = _errors(part, column) if column == "drop_percent" else None
            each.errorbar(spots, part[column], bars, color=colour, marker=marker, ms=6, capsize=2, label=words, lw=1.1)
        each.set_xticks(sorted(table["streams"].unique()))
        each.set_xlabel("streams")
        each.set_ylabel(label)
        each.set_ylim(bottom=-0.02 * each.get_ylim()[1])
    handles, labels = axes[0].get_legend_handles_labels()
    for handle, label in zip(handles, labels, strict=True):
        handle.set_label(label)
    note = f"Simulated. {BARS} Points are set apart sideways. The paper compares LOS with in-situ training alone."
    style.legend(figure, note, handles=handles, columns=6)
    figure.suptitle("Every policy side by side", x=0.01, ha="left")
    return figure


@style.styled
def traffic(table: pd.DataFrame) -> Figure:
    """Draw what each node sends per hour for every policy, with the most streams.

    Args:
        table: `traffic`, as the stage `scheduling` found it.
    """
    most = int(table["streams"].max())
    rows = table[(table["streams"] == most) & table["kind"].isin(list(KINDS))]
    names = _known(rows)
    figure, axes = style.canvas(1, 2, size=(10.5, 4.2), sharey=True)
    for column, label, each in (("messages", "messages", axes[0]), ("megabytes", "megabytes", axes[1])):
        for kind, (_, colour, marker) in KINDS.items():
            part: Any = rows[(rows["kind"] == kind) & (rows[column] > 0)]
            spots = [-names.index(name) for name in part["policy"]]
            each.plot(part[column], spots, marker, color=colour, ms=8, alpha=0.9)
        each.set_xscale("log")
        each.set_xlim(*_decades(rows[column]))
        each.xaxis.set_minor_formatter(NullFormatter())
        each.set_xlabel(f"{label} per node and hour")
        each.set_yticks([-at for at in range(len(names))], [POLICIES[name][0] for name in names])
        each.set_ylim(0.5 - len(names), 0.5)
    handles = [Line2D([], [], marker=m, ls="", color=c, label=words) for words, c, m in KINDS.values()]
    said = f"Simulated, {most} streams, means over repeats. What is never sent has no mark."
    style.legend(figure, said, handles=handles, columns=3)
    figure.suptitle("What each node sends", x=0.01, ha="left")
    return figure


_CAPS: Mapping[str, Any] = MappingProxyType({"error_kw": {"lw": 1.0, "capsize": 2.0}})


def _decades(values: pd.Series) -> tuple[float, float]:
    """Powers of ten around all values above 0, with some room."""
    shown = values[values > 0]
    if shown.empty:
        return 0.1, 10.0
    return 0.7 * 10 ** math.floor(math.log10(shown.min())), 1.4 * 10 ** math.ceil(math.log10(shown.max()))


def _known(table: pd.DataFrame) -> list[str]:
    there = set(table["policy"])
    return [name for name in POLICIES if name in there]


def _errors(part: pd.DataFrame, column: str) -> Any:
    """Distances to both ends of the interval, none where there is none; shares end at 0 and 100."""
    low, high = part["low"].clip(lower=0), part["high"].clip(upper=100)
    return np.array([(part[column] - low).clip(lower=0).fillna(0), (high - part[column]).clip(lower=0).fillna(0)])


def _stacked(axes: Axes, rows: pd.DataFrame, column: str, colours: Mapping[str, str]) -> None:
    counts = [int(count) for count in sorted(rows["streams"].unique())]
    base = np.zeros(len(counts))
    for value, colour in colours.items():
        shares = rows[rows[column] == value].set_index("streams")["share_percent"].reindex(counts, fill_value=0.0)
        if shares.any():
            axes.bar(range(len(counts)), shares, 0.75, base, color=colour, label=str(value))
            base = base + shares.to_numpy()
    axes.set_xticks(range(len(counts)), [str(count) for count in counts])
    axes.set_ylim(0, 100)
    axes.grid(axis="x", visible=False)
