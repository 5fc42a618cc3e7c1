"""Paper B's Figs. 5 to 7, and what they leave out: why trainings are dropped, where they run, other policies."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter

from edgeresearch.emulator.results import MESSAGES
from edgeresearch.papers.paper_b import published
from edgeresearch.papers.paper_b.labels import DROPS, LAYERS, POLICIES, present
from edgeresearch.plotting import style

RULES: Mapping[str, tuple[str, str, str]] = {
    "utilisation": ("lowered if used below target (section VI.B)", style.BLUE, "-"),
    "period": ("lowered if the period was met (section IV.D)", style.ORANGE, "--"),
}
"""Label, colour and line of each rule for the CPU limit."""

PANELS: Mapping[str, str] = {
    "limit_millicores": "a) CPU limit\n(millicores)",
    "training_seconds": "b) training time\n(seconds)",
    "residual": "c) residual\n(% of the period)",
}
"""What Fig. 5 a to c show."""

SHARES: Mapping[str, tuple[str, str]] = {
    "attempts": ("of all that looked for a place", style.ORANGE),
    "triggers": ("of all triggers, those that ran", style.SKY),
    "placed": ("of the trainings that ran", style.GREEN),
}
"""What shares of Fig. 6 may be of."""

SENT: Mapping[str, tuple[str, str, str]] = {
    "requests": ("requests handed over", style.ORANGE, "o"),
    "exchanges": ("availability, exchanged", style.GREEN, "s"),
    "syncs": ("availability, synchronised with a centre", style.BLUE, "D"),
    "models": ("runtime models, told", style.SKY, "P"),
    "carried": ("models and samples, on every link", style.PINK, "^"),
    "leaving": ("models and samples that leave the edge", style.INK, "v"),
}
"""What is sent: label, colour and marker."""

LIMIT_BINDS: Mapping[bool, tuple[str, str, str]] = {
    False: ("the receiver sets the limit anew", style.BLUE, "o"),
    True: ("the sender's limit binds the receiver", style.ORANGE, "s"),
}
"""Readings of "optimize resource limits; return best-fit" (Algorithm 1), by whether the sender's limit binds."""

COSTS: Mapping[str, tuple[str, str, str]] = {
    "fitted": ("fitted to the paper", style.ORANGE, "o"),
    "autoencoder": ("measured, autoencoder", style.BLUE, "s"),
    "lstm": ("measured, LSTM", style.GREEN, "^"),
}
"""Whose training times: label, colour and marker."""

PERCENT = (0.0, 100.0)
BARS = "Bars: 95 % over repeats."
_PUBLISHED: Mapping[str, Any] = {"marker": "D", "ls": "", "mec": style.INK, "mew": 1.5}


@style.styled
def plot_limits(limits: pd.DataFrame, rule: str) -> Figure:
    """Draw Fig. 5 a to c: limit, time and residual by iteration, for both rules, on nodes of their own and shared ones.

    Args:
        limits: What the stage `limits` wrote.
        rule: The one that is set.
    """
    columns = [int(each) for each in sorted(limits["together"].unique())]
    figure, axes = style.canvas(3, len(columns), size=(2 + 4.6 * len(columns), 8.2), sharex=True)
    stated: dict[str, Mapping[int, float]] = {
        "limit_millicores": published.LIMIT_MILLICORES,
        "residual": published.RESIDUALS,
    }
    tops = {name: 1.08 * float(limits[[name, f"{name}_high"]].max().max()) for name in PANELS}
    for row, (name, words) in enumerate(PANELS.items()):
        for column, together in enumerate(columns):
            each = axes[row * len(columns) + column]
            for key, (_, colour, line) in RULES.items():
                part = limits[(limits["rule"] == key) & (limits["together"] == together)]
                each.plot(part["iteration"], part[name], line, color=colour, lw=2.2 if key == rule else 1.4)
                bounds = part[f"{name}_low"], part[f"{name}_high"]
                each.fill_between(part["iteration"], *bounds, color=colour, alpha=0.2, lw=0)
            for iteration, value in stated.get(name, {}).items():
                each.plot(iteration, value, **_PUBLISHED, mfc="white", ms=8, zorder=5)
                each.annotate(f"{value:g}", (iteration, value), (7, 5), textcoords="offset points", fontsize=9)
            each.axvline(published.DRIFT_ITERATION, color=style.GREY, ls=":", lw=1.4)
            each.set_ylim(0, max(tops[name], 1.12 * max(stated.get(name, {0: 0.0}).values())))
            each.margins(x=0.02)
            if column == 0:
                each.set_ylabel(words)
            if row == 0:
                each.set_title("a node for each job" if not together else f"all jobs share {together} nodes")
            if row == len(PANELS) - 1:
                each.set_xlabel("iteration (training of a job)")
    handles = [Line2D([], [], color=colour, ls=line, label=words) for words, colour, line in RULES.values()]
    handles += [
        Line2D([], [], marker="D", ls="", mfc="white", mec=style.INK, label="published"),
        Line2D([], [], color=style.GREY, ls=":", label=f"published: limits rise from {published.DRIFT_ITERATION}"),
    ]
    note = (
        "Simulated. Means over the jobs; bands: 95 % over repeats. The thick line is the rule that is set. The paper "
        "does not say whether its jobs met on a node."
    )
    style.legend(figure, note, handles=handles, columns=2)
    figure.suptitle("Paper B, Fig. 5: optimisation of the CPU limit, training by training", x=0.01, ha="left")
    return figure


@style.styled
def plot_handovers(hops: pd.DataFrame) -> Figure:
    """Draw Fig. 6: how often trainings are handed over, by what the shares may be of.

    From `hops` of the stage `scheduling`.
    """
    rows = hops.assign(published=published.hop_shares(hops))
    rows = rows[rows["policy"] == "los"]
    counts = sorted(rows["streams"].unique())
    depths = sorted(rows.loc[rows["share_percent"] > 0, "hops"].unique())
    figure, axes = style.canvas(1, len(counts), size=(1.2 + 2.2 * len(counts), 4.3), sharex=True, sharey=True)
    width = 0.8 / len(SHARES)
    for count, each in zip(counts, axes, strict=True):
        mine = rows[rows["streams"] == count]
        for at, (reading, (_, colour)) in enumerate(SHARES.items()):
            part = mine[(mine["reading"] == reading) & mine["hops"].isin(depths)]
            bars = style.error_bars(part, "share_percent", within=PERCENT)
            spots = part["hops"] + width * (at - 1)
            caps = {"lw": 1.0, "capsize": 2.0}
            each.bar(spots, part["share_percent"], width, color=colour, yerr=bars, error_kw=caps)
        stated = mine[mine["published"].notna() & (mine["reading"] == "attempts")]
        for depth, share in zip(stated["hops"], stated["published"], strict=True):
            each.plot([depth - 0.45, depth + 0.45], [share, share], color=style.INK, lw=1.2)
            each.plot(depth, share, **_PUBLISHED, mfc="white", ms=8, zorder=5)
        each.set(title=f"{count} streams", xlabel="hand-overs")
        each.set_xticks(depths)
        each.grid(axis="x", visible=False)
    axes[0].set(ylabel="share (%)", ylim=(0, 105))
    handles: list[Any] = [Patch(color=colour, label=words) for words, colour in SHARES.values()]
    handles.append(Line2D([], [], marker="D", color=style.INK, mfc="white", label="published"))
    note = f"Simulated. {BARS} The paper's text states three of the shares of its Fig. 6, and not what they are of."
    style.legend(figure, note, handles=handles, columns=4)
    figure.suptitle("Paper B, Fig. 6: hand-overs of a training under LOS", x=0.01, ha="left")
    return figure


@style.styled
def plot_drops(drops: pd.DataFrame) -> Figure:
    """Draw Fig. 7: the drop rate of LOS and of in-situ training beside the published ones.

    From `tables.compare_drops`.
    """
    figure, (axes,) = style.canvas(size=(8.6, 4.8))
    for name in present(("los", "in_situ"), drops["policy"]):
        part = drops[drops["policy"] == name]
        words, colour, marker = POLICIES[name]
        bars = style.error_bars(part, "drop_percent", within=PERCENT)
        spots = part["streams"] + 0.25  # beside the published points
        axes.errorbar(
            spots, part["drop_percent"], bars, color=colour, marker=marker, ms=7, capsize=3, label=f"{words}, simulated"
        )
    los = drops[(drops["policy"] == "los") & drops["published"].notna()]
    for held, part in los.groupby("held_out"):
        label = "published, held out" if held else "published, settings fitted on it"
        face = style.RED if held else "white"
        axes.plot(part["streams"], part["published"], **_PUBLISHED, mfc=face, ms=9, label=label, zorder=5)
    for streams, value in zip(los["streams"], los["published"], strict=True):
        axes.annotate(
            f"{value:.2f}", (streams, value), (-9, 5), ha="right", va="center", textcoords="offset points", fontsize=8.5
        )
    axes.set_xticks(sorted(drops["streams"].unique()))
    axes.margins(x=0.1)
    axes.set(xlabel="streams (two on each edge node)", ylabel="dropped trainings (%)", ylim=(0, 106))
    note = f"{BARS} Simulated points are set aside to the right. In-situ: the paper states 100 %."
    style.legend(figure, note, columns=4)
    figure.suptitle("Paper B, Fig. 7: dropped trainings", x=0.01, ha="left")
    return figure


@style.styled
def plot_readings(table: pd.DataFrame) -> Figure:
    """Draw how far each reading of a hand-over is from every published share of Figs. 6 and 7.

    From `tables.compare_readings`.
    """
    shares = table.drop_duplicates("share")
    spots = dict(zip(shares["share"], -np.arange(len(shares)), strict=True))
    figure, (axes,) = style.canvas(size=(9.0, 1.9 + 0.36 * len(shares)))
    axes.barh(list(spots.values()), 2 * shares["tolerance"], 0.8, -shares["tolerance"], color="#e4e4e4", zorder=0)
    axes.axvline(0, color=style.INK, lw=1)
    for at, (binds, (_, colour, marker)) in enumerate(LIMIT_BINDS.items()):
        mine = table[table["sender"] == binds]
        bars: Any = [mine["measured"] - mine["low"], mine["high"] - mine["measured"]]
        heights = mine["share"].map(spots) + 0.17 - 0.34 * at
        axes.errorbar(mine["measured"] - mine["published"], heights, xerr=bars, fmt=marker, color=colour, capsize=3)
    labels = [f"{share} ({value:g} %)" for share, value in zip(shares["share"], shares["published"], strict=True)]
    axes.set_yticks(list(spots.values()), labels)
    axes.set_xlabel("simulated less published (percentage points)")
    axes.grid(axis="y", visible=False)
    handles: list[Any] = [
        Line2D([], [], color=colour, marker=marker, ls="", label=words)
        for words, colour, marker in LIMIT_BINDS.values()
    ]
    handles.append(Patch(color="#e4e4e4", label="counts as reached"))
    note = "Simulated, all else the same. Bars: 95 % over repeats. In brackets what the paper states."
    style.legend(figure, note, handles=handles, columns=3)
    figure.suptitle("Figs. 6 and 7 under two readings of a hand-over", x=0.01, ha="left")
    return figure


@style.styled
def plot_drop_reasons(table: pd.DataFrame) -> Figure:
    """Draw why LOS drops trainings, by number of streams. From `reasons.csv`."""
    rows = table[(table["policy"] == "los") & table["reason"].isin(list(DROPS))]
    figure, (axes,) = style.canvas(size=(8.6, 4.4))
    _stack(axes, rows, "reason", DROPS)
    axes.set(ylabel="triggers (%)", xlabel="streams")
    style.legend(figure, "Simulated, means over repeats. The rest of the triggers found a place.", columns=3)
    figure.suptitle("Why LOS drops trainings", x=0.01, ha="left")
    return figure


@style.styled
def plot_layers(table: pd.DataFrame) -> Figure:
    """Draw in which layer trainings run, for every policy, by number of streams. From `layers.csv`."""
    table = table.assign(layer=table["layer"].fillna(""))
    names = present(POLICIES, table["policy"])
    figure, axes = style.canvas(1, len(names), size=(1.4 + 2.1 * len(names), 3.9), sharey=True)
    colours = {**LAYERS, "": "#dddddd"}
    colours |= {str(name): style.BROWN for name in table["layer"].unique() if name not in colours}
    for name, each in zip(names, axes, strict=True):
        _stack(each, table[table["policy"] == name], "layer", colours)
        each.set_title(POLICIES[name][0], fontsize=10)
        each.set_xlabel("streams")
    axes[0].set_ylabel("triggers (%)")
    handles = [
        Patch(color=colours[name], label=f"ran in the {name}" if name else "did not run")
        for name in present(colours, table["layer"])
    ]
    style.legend(figure, "Simulated, means over repeats.", handles=handles)
    figure.suptitle("Which layer ran the training", x=0.01, ha="left")
    return figure


@style.styled
def plot_policies(drops: pd.DataFrame, traffic: pd.DataFrame) -> Figure:
    """Draw every policy side by side: what it drops, what leaves the edge for it, and how many messages it needs.

    Args:
        drops: As the stage `scheduling` wrote it.
        traffic: Likewise.
    """
    figure, axes = style.canvas(1, 3, size=(12.5, 4.6))
    talk = traffic[traffic["kind"].isin(MESSAGES)].groupby(["policy", "streams"], sort=False)["messages"].sum()
    left = traffic[traffic["kind"] == "leaving"]
    panels = (
        (drops, "drop_percent", "dropped trainings (%)"),
        (left, "megabytes", "models and samples that leave the edge\n(MB per node, hour)"),
        (talk.reset_index(), "messages", "messages: requests, availability, models\n(per node, hour)"),
    )
    names = present(POLICIES, drops["policy"])
    for (table, column, label), each in zip(panels, axes, strict=True):
        for at, name in enumerate(names):
            words, colour, marker = POLICIES[name]
            part = table[table["policy"] == name]
            spots = part["streams"] + 0.16 * (at - (len(names) - 1) / 2)
            bars = style.error_bars(part, column, within=PERCENT) if column == "drop_percent" else None
            each.errorbar(spots, part[column], bars, color=colour, marker=marker, ms=6, capsize=2, label=words, lw=1.1)
        each.set_xticks(sorted(table["streams"].unique()))
        each.set(xlabel="streams", ylabel=label, ylim=(-0.02 * each.get_ylim()[1], None))
    handles, labels = axes[0].get_legend_handles_labels()
    for handle, label in zip(handles, labels, strict=True):
        handle.set_label(label)
    note = f"Simulated. {BARS} Points are set apart sideways. The paper compares LOS with in-situ training alone."
    style.legend(figure, note, handles=handles, columns=6)
    figure.suptitle("Every policy side by side", x=0.01, ha="left")
    return figure


@style.styled
def plot_traffic(table: pd.DataFrame) -> Figure:
    """Draw what each node sends per hour for every policy, with the most streams. From `traffic.csv`."""
    most = int(table["streams"].max())
    rows = table[(table["streams"] == most) & table["kind"].isin(list(SENT))]
    names = present(POLICIES, rows["policy"])
    figure, axes = style.canvas(1, 2, size=(10.5, 4.2), sharey=True)
    for column, each in zip(("messages", "megabytes"), axes, strict=True):
        for kind, (_, colour, marker) in SENT.items():
            part = rows[(rows["kind"] == kind) & (rows[column] > 0)]
            spots = [-names.index(name) for name in part["policy"]]
            each.plot(part[column], spots, marker, color=colour, ms=8, alpha=0.9)
        each.set_xscale("log")
        each.set_xlim(*_decades(rows[column]))
        each.xaxis.set_minor_formatter(NullFormatter())
        each.set_xlabel(f"{column} per node and hour")
        each.set_yticks([-at for at in range(len(names))], [POLICIES[name][0] for name in names])
        each.set_ylim(0.5 - len(names), 0.5)
    handles = [Line2D([], [], marker=m, ls="", color=c, label=words) for words, c, m in SENT.values()]
    note = f"Simulated, {most} streams, means over repeats. What is never sent has no mark."
    style.legend(figure, note, handles=handles, columns=3)
    figure.suptitle("What each node sends", x=0.01, ha="left")
    return figure


@style.styled
def plot_measured_costs(costs: pd.DataFrame, drops: pd.DataFrame) -> Figure:
    """Draw Fig. 7 as it would be with the training times that were measured.

    Args:
        costs: `los/measured`, as the stage `measured` wrote it.
        drops: `tables.compare_drops`.
    """
    figure, (axes,) = style.canvas(size=(8.6, 4.8))
    rows = pd.concat([drops.assign(model="fitted"), costs], ignore_index=True)
    for name, (words, colour, marker) in COSTS.items():
        part = rows[(rows["model"] == name) & (rows["policy"] == "los")].sort_values("streams")
        bars = style.error_bars(part, "drop_percent")
        axes.errorbar(
            part["streams"], part["drop_percent"], bars, color=colour, marker=marker, ms=7, capsize=3, label=words
        )
    known = drops[(drops["policy"] == "los") & drops["published"].notna()]
    axes.plot(known["streams"], known["published"], **_PUBLISHED, mfc="white", ms=9, label="published")
    in_situ = rows.loc[rows["policy"] == "in_situ", "drop_percent"]
    axes.set_xticks(sorted(drops["streams"].unique()))
    axes.set(xlabel="streams (two on each edge node)", ylabel="dropped trainings (%)", ylim=(-2, 104))
    ends = dict.fromkeys(f"{rate:.0f}" for rate in (in_situ.min(), in_situ.max()))
    more = f" In-situ training drops {' to '.join(ends)} %." if len(in_situ) else ""
    style.legend(figure, f"LOS, simulated, on three truths. Bars: 95 % over repeats.{more}", columns=4)
    figure.suptitle("Paper B, Fig. 7, with training times as they were measured", x=0.01, ha="left")
    return figure


def _decades(values: pd.Series) -> tuple[float, float]:
    """Return powers of ten around all values above 0, with some room."""
    shown = values[values > 0]
    if shown.empty:
        return 0.1, 10.0
    return 0.7 * 10 ** math.floor(math.log10(shown.min())), 1.4 * 10 ** math.ceil(math.log10(shown.max()))


def _stack(axes: Axes, rows: pd.DataFrame, column: str, colours: Mapping[str, str]) -> None:
    """Stack shares by a column's values, one bar for each number of streams."""
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
