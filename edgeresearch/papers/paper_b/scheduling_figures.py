"""Paper B's Figs. 5 to 7 and what they leave out: other policies, reasons of drops, what is varied, cities."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from edgeresearch.emulator.city import City, link_nearest
from edgeresearch.emulator.results import MESSAGES
from edgeresearch.papers.paper_b import published
from edgeresearch.papers.paper_b.tables import select_finalists, setting_effects
from edgeresearch.plotting import style
from edgeresearch.plotting.emulation import COLOURS as DROPS

Look = tuple[str, str, str]
"""Label, colour and marker, or line."""

LAYERS: Mapping[str, str] = {"edge": style.PINK, "fog": style.GREEN, "cloud": style.BLUE}
"""Colours of layers, near the paper's: purple, green, blue."""

POLICIES: Mapping[str, Look] = {
    "los": ("LOS", style.ORANGE, "o"),
    "in_situ": ("in-situ only", style.GREY, "s"),
    "random": ("random neighbour", style.PINK, "^"),
    "cloud": ("straight to the cloud", style.BLUE, "D"),
    "least_loaded": ("least loaded, all known", style.GREEN, "P"),
    "oracle": ("oracle", style.INK, "*"),
}

RULES: Mapping[str, Look] = {
    "utilisation": ("lowered if used below target (section VI.B)", style.BLUE, "-"),
    "period": ("lowered if the period was met (section IV.D)", style.ORANGE, "--"),
}
"""Rules for the CPU limit."""

LIMIT_PANELS: Mapping[str, tuple[str, Mapping[int, float]]] = {
    "limit_millicores": ("a) CPU limit\n(millicores)", published.LIMIT_MILLICORES),
    "training_seconds": ("b) training time\n(seconds)", {}),
    "residual": ("c) residual\n(% of the period)", published.RESIDUALS),
}
"""What Fig. 5 a to c show, and which values are published."""

SHARES: Mapping[str, tuple[str, str]] = {
    "attempts": ("of all that looked for a place", style.ORANGE),
    "triggers": ("of all triggers, those that ran", style.SKY),
    "placed": ("of the trainings that ran", style.GREEN),
}
"""What shares of Fig. 6 may be of."""

SENT: Mapping[str, Look] = {
    "requests": ("requests handed over", style.ORANGE, "o"),
    "exchanges": ("availability, exchanged", style.GREEN, "s"),
    "syncs": ("availability, synchronised with a centre", style.BLUE, "D"),
    "models": ("runtime models, told", style.SKY, "P"),
    "carried": ("models and samples, on every link", style.PINK, "^"),
    "leaving": ("models and samples that leave the edge", style.INK, "v"),
}
"""What is sent."""

LIMIT_BINDS: Mapping[bool, Look] = {
    False: ("the receiver sets the limit anew", style.BLUE, "o"),
    True: ("the sender's limit binds the receiver", style.ORANGE, "s"),
}
"""Readings of "optimize resource limits; return best-fit" (Algorithm 1), by whether the sender's limit binds."""

COSTS: Mapping[str, Look] = {
    "fitted": ("fitted to the paper", style.ORANGE, "o"),
    "autoencoder": ("measured, autoencoder", style.BLUE, "s"),
    "lstm": ("measured, LSTM", style.GREEN, "^"),
}
"""Whose training times."""

SWEEPS: Mapping[str, tuple[str, str]] = {
    "staleness": ("Age of views", "seconds between two exchanges of\navailability; 0: always fresh"),
    "gateways": ("Gateways", "edge nodes that are gateways"),
    "churn": ("Churn", "mean seconds that an edge node\nstays in the mesh"),
}
"""Of each sweep: its name, and what is varied."""

CITY_PANELS: Mapping[str, str] = {
    "drop_percent": "dropped trainings (%)",
    "hops": "hand-overs of a training that ran",
    "messages": "messages of a node per hour",
    "carried": "models and samples, on every link\n(MB per node and hour)",
}
"""What is drawn against the size of a city."""

WHY = {
    "cloud": "the cost is quadratic, as it looks for the ways to every cloud node",
    "least_loaded": "the cost is quadratic, as it reads the state of every node at every decision",
    "oracle": "the cost is quadratic, as it reads the state of every node and foresees its training there",
}
"""Why a policy is not run on the largest city."""

PERCENT = (0.0, 100.0)
BARS = "Bars: 95 % over repeats."
SERIES = tuple(zip((style.BLUE, style.ORANGE, style.GREEN, style.PINK, style.BROWN), "osD^P", strict=True))
"""Colours and markers of numbers of streams."""
_PUBLISHED: Mapping[str, Any] = {"marker": "D", "ls": "", "mec": style.INK}


def present(names: Iterable[str], values: Iterable[str]) -> list[str]:
    """Return those of the names that occur among the values, such as a column's, in the order of the names."""
    there = set(values)
    return [name for name in names if name in there]


@style.styled
def plot_limits(limits: pd.DataFrame, rule: str) -> Figure:
    """Draw Fig. 5 a to c: limit, time and residual by iteration, for both rules, on nodes of their own and shared ones.

    From `limits.csv`; `rule` is the one that is set.
    """
    columns = [int(each) for each in sorted(limits["together"].unique())]
    figure, axes = style.canvas(3, len(columns), size=(2 + 4.6 * len(columns), 8.2), sharex=True)
    cells = itertools.product(LIMIT_PANELS.items(), columns)
    for ((name, (words, stated)), together), each in zip(cells, axes, strict=True):
        for key, (_, colour, line) in RULES.items():
            part = limits[(limits["rule"] == key) & (limits["together"] == together)]
            each.plot(part["iteration"], part[name], line, color=colour, lw=2.2 if key == rule else 1.4)
            bounds = part[f"{name}_low"], part[f"{name}_high"]
            each.fill_between(part["iteration"], *bounds, color=colour, alpha=0.2, lw=0)
        for iteration, value in stated.items():
            each.plot(iteration, value, **_PUBLISHED, mew=1.5, mfc="white", ms=8, zorder=5)
            each.annotate(f"{value:g}", (iteration, value), (7, 5), textcoords="offset points", fontsize=9)
        each.axvline(published.DRIFT_ITERATION, color=style.GREY, ls=":", lw=1.4)
        top = 1.08 * float(limits[[name, f"{name}_high"]].max().max())
        each.set_ylim(0, max(top, 1.12 * max(stated.values(), default=0.0)))
        each.margins(x=0.02)
        if together == columns[0]:
            each.set_ylabel(words)
    for each, together in zip(axes, columns, strict=False):
        each.set_title("a node for each job" if not together else f"all jobs share {together} nodes")
    for each in axes[-len(columns) :]:
        each.set_xlabel("iteration (training of a job)")
    handles = [style.key(words, colour, line=line) for words, colour, line in RULES.values()]
    handles.append(style.key("published", **_PUBLISHED, mfc="white"))
    handles.append(style.key(f"published: limits rise from {published.DRIFT_ITERATION}", style.GREY, line=":"))
    note = (
        "Simulated. Means over the jobs; bands: 95 % over repeats. The thick line is the rule that is set. The paper "
        "does not say whether its jobs met on a node."
    )
    at = limits[(limits["together"] == columns[0]) & (limits["iteration"] <= published.PLATEAU_ITERATION)]
    last = at[at["iteration"] == at["iteration"].max()].set_index("rule")["limit_millicores"]
    means = "; ".join(f"{last[key]:.0f}, {RULES[key][0]}" for key in present(RULES, last.index))
    title = f"Paper B, Fig. 5: mean limit after {at['iteration'].max()} trainings, in millicores: {means}"
    return style.finish(figure, title, note, handles=handles, columns=2)


@style.styled
def plot_handovers(hops: pd.DataFrame) -> Figure:
    """Draw Fig. 6: how often trainings are handed over, by what the shares may be of. From `hops.csv`."""
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
            caps = {"lw": 1.0, "capsize": 2.0}
            spots = part["hops"] + width * (at - 1)
            each.bar(spots, part["share_percent"], width, color=colour, yerr=bars, error_kw=caps)
        stated = mine[mine["published"].notna() & (mine["reading"] == "attempts")]
        for depth, share in zip(stated["hops"], stated["published"], strict=True):
            each.plot([depth - 0.45, depth + 0.45], [share, share], color=style.INK, lw=1.2)
            each.plot(depth, share, **_PUBLISHED, mew=1.5, mfc="white", ms=8, zorder=5)
        each.set(title=f"{count} streams", xlabel="hand-overs", xticks=depths)
        each.grid(axis="x", visible=False)
    axes[0].set(ylabel="share (%)", ylim=(0, 105))
    handles: list[Any] = [Patch(color=colour, label=words) for words, colour in SHARES.values()]
    handles.append(style.key("published", marker="D", line="-", mfc="white"))
    note = f"Simulated. {BARS} The paper's text states three of the shares of its Fig. 6, and not what they are of."
    once = rows[(rows["reading"] == "attempts") & (rows["hops"] == 1)].set_index("streams")["share_percent"]
    ends = ", ".join(f"{once.get(each, 0):.0f} % with {each} streams" for each in sorted({counts[0], counts[-1]}))
    title = f"Paper B, Fig. 6: what looks for a place is handed over just once: {ends}"
    return style.finish(figure, title, note, handles=handles, columns=4)


@style.styled
def plot_drops(drops: pd.DataFrame) -> Figure:
    """Draw Fig. 7: drop rates of LOS and of in-situ training beside the published ones. From `tables.compare_drops`."""
    figure, (axes,) = style.canvas(size=(8.6, 4.8))
    for name in present(("los", "in_situ"), drops["policy"]):
        words, colour, marker = POLICIES[name]
        look = (f"{words}, simulated", colour, marker)
        _plot_rates(axes, drops[drops["policy"] == name], look, aside=0.25)  # beside the published points
    los = drops[(drops["policy"] == "los") & drops["published"].notna()]
    for held, part in los.groupby("held_out"):
        label = "published, held out" if held else "published, settings fitted on it"
        _plot_published(axes, part, label, style.RED if held else "white")
    for streams, value in zip(los["streams"], los["published"], strict=True):
        place: Any = {"xytext": (-9, 5), "textcoords": "offset points", "ha": "right", "va": "center"}
        axes.annotate(f"{value:.2f}", (streams, value), **place, fontsize=8.5)
    axes.margins(x=0.1)
    axes.set(xlabel="streams (two on each edge node)", ylabel="dropped trainings (%)", ylim=(0, 106))
    axes.set_xticks(sorted(drops["streams"].unique()))
    note = f"{BARS} Simulated points are set aside to the right. In-situ: the paper states 100 %."
    apart = (los["drop_percent"] - los["published"]).abs()
    groups = {"held out": los["held_out"].astype(bool), "fitted on": ~los["held_out"].astype(bool)}
    near = " and ".join(f"{apart[mine].max():.1f} ({name})" for name, mine in groups.items() if mine.any())
    words = f"at most {near} points off the published ones" if near else "for numbers of streams of one's own"
    title = f"Paper B, Fig. 7: simulated drop rates, {words}"
    return style.finish(figure, title, note, columns=4)


@style.styled
def plot_measured_costs(costs: pd.DataFrame, drops: pd.DataFrame) -> Figure:
    """Draw Fig. 7 as it would be with measured training times. From `measured.csv` and `tables.compare_drops`."""
    figure, (axes,) = style.canvas(size=(8.6, 4.8))
    rows = pd.concat([drops.assign(model="fitted"), costs], ignore_index=True)
    for name, look in COSTS.items():
        part = rows[(rows["model"] == name) & (rows["policy"] == "los")]
        _plot_rates(axes, part.sort_values("streams"), look)
    _plot_published(axes, drops[(drops["policy"] == "los") & drops["published"].notna()], "published", "white")
    in_situ = rows.loc[rows["policy"] == "in_situ", "drop_percent"]
    axes.set(xlabel="streams (two on each edge node)", ylabel="dropped trainings (%)", ylim=(-2, 104))
    axes.set_xticks(sorted(drops["streams"].unique()))
    ends = dict.fromkeys(f"{rate:.0f}" for rate in (in_situ.min(), in_situ.max()))
    more = f" In-situ training drops {' to '.join(ends)} %." if len(in_situ) else ""
    most = rows.loc[rows["policy"] == "los", "streams"].max()
    last = rows[(rows["policy"] == "los") & (rows["streams"] == most)].set_index("model")["drop_percent"]
    shares = ", ".join(f"{last[name]:.0f} % ({COSTS[name][0]})" for name in present(COSTS, last.index))
    title = f"Paper B, Fig. 7: with {most} streams LOS drops, by whose training times: {shares}"
    return style.finish(figure, title, f"LOS, simulated, on three truths. {BARS}{more}", columns=4)


def _plot_rates(axes: Axes, part: pd.DataFrame, look: Look, *, aside: float = 0.0, **more: Any) -> None:
    """Draw the drop rates of some numbers of streams with their intervals."""
    (label, colour, marker), bars = look, style.error_bars(part, "drop_percent", within=PERCENT)
    looks = {"color": colour, "marker": marker, "ms": 7, "capsize": 3, "label": label, **more}
    axes.errorbar(part["streams"] + aside, part["drop_percent"], bars, **looks)


def _plot_published(axes: Axes, part: pd.DataFrame, label: str, face: str) -> None:
    axes.plot(part["streams"], part["published"], **_PUBLISHED, mew=1.5, mfc=face, ms=9, label=label, zorder=5)


@style.styled
def plot_readings(table: pd.DataFrame) -> Figure:
    """Draw how far each reading of a hand-over is from every published share. From `tables.compare_readings`."""
    shares = table.drop_duplicates("share")
    spots = dict(zip(shares["share"], -np.arange(len(shares)), strict=True))
    figure, (axes,) = style.canvas(size=(9.0, 1.9 + 0.36 * len(shares)))
    axes.barh(list(spots.values()), 2 * shares["tolerance"], 0.8, -shares["tolerance"], color="#e4e4e4", zorder=0)
    axes.axvline(0, color=style.INK, lw=1)
    for at, (binds, (_, colour, marker)) in enumerate(LIMIT_BINDS.items()):
        mine = table[table["sender"] == binds]
        bars = style.error_bars(mine, "measured")
        heights = mine["share"].map(spots) + 0.17 - 0.34 * at
        axes.errorbar(mine["measured"] - mine["published"], heights, xerr=bars, fmt=marker, color=colour, capsize=3)
    labels = [f"{share} ({value:g} %)" for share, value in zip(shares["share"], shares["published"], strict=True)]
    style.name_rows(axes, labels)
    axes.set_xlabel("simulated less published (percentage points)")
    handles = [*_keys(LIMIT_BINDS.values()), Patch(color="#e4e4e4", label="counts as reached")]
    note = "Simulated, all else the same. Bars: 95 % over repeats. In brackets what the paper states."
    near = (table["measured"] - table["published"]).abs() <= table["tolerance"]
    reached = [(near[table["sender"] == binds], look[0]) for binds, look in LIMIT_BINDS.items()]
    words = ", ".join(f"{mine.sum()} if {label}" for mine, label in reached if len(mine))
    title = f"Figs. 6 and 7: of {len(shares)} published values are reached {words}"
    return style.finish(figure, title, note, handles=handles, columns=3)


@style.styled
def plot_drop_reasons(table: pd.DataFrame) -> Figure:
    """Draw why LOS drops trainings, by number of streams. From `reasons.csv`."""
    figure, (axes,) = style.canvas(size=(8.6, 4.4))
    mine = table[table["policy"] == "los"]
    _stack(axes, mine, "reason", DROPS)
    most = mine[(mine["streams"] == mine["streams"].max()) & mine["reason"].isin(list(DROPS))]
    axes.set_ylabel("triggers (%)")
    note = "Simulated, means over repeats. The rest of the triggers found a place."
    if not most["share_percent"].any():
        return style.finish(figure, "LOS drops nothing", note, handles=())
    top = most.loc[most["share_percent"].idxmax()]
    why = f"{top['reason']}, {top['share_percent']:.0f} % of triggers"
    return style.finish(figure, f"With {top['streams']} streams LOS drops most for: {why}", note, columns=3)


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
    axes[0].set_ylabel("triggers (%)")
    handles = [
        Patch(color=colours[name], label=f"ran in the {name}" if name else "did not run")
        for name in present(colours, table["layer"])
    ]
    mine = table[(table["policy"] == names[0]) & (table["streams"] == table["streams"].max())]
    shares = mine.set_index("layer")["share_percent"].sort_values(ascending=False)
    ran = {name: f"ran in the {name}" if name else "did not run" for name in shares[shares >= 0.5].index}
    words = ", ".join(f"{shares[name]:.0f} % {words}" for name, words in ran.items())
    title = f"With {table['streams'].max()} streams under {POLICIES[names[0]][0]} {words}"
    return style.finish(figure, title, "Simulated, means over repeats.", handles=handles)


def _stack(axes: Axes, rows: pd.DataFrame, column: str, colours: Mapping[str, str]) -> None:
    """Stack shares by a column's values, one bar for each number of streams."""
    shares = rows.pivot(index="streams", columns=column, values="share_percent").fillna(0.0)
    shown = [value for value in colours if value in shares and shares[value].any()]
    base = shares[shown].cumsum(axis=1) - shares[shown]
    for value in shown:
        axes.bar(range(len(shares)), shares[value], 0.75, base[value], color=colours[value], label=str(value))
    axes.set_xticks(range(len(shares)), shares.index)
    axes.set(ylim=(0, 100), xlabel="streams")
    axes.grid(axis="x", visible=False)


@style.styled
def plot_policies(drops: pd.DataFrame, traffic: pd.DataFrame) -> Figure:
    """Draw every policy side by side: what it drops, what leaves the edge for it, and how many messages it needs.

    From `drops.csv` and `traffic.csv`.
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
            part, aside = table[table["policy"] == name], 0.16 * (at - (len(names) - 1) / 2)
            if column == "drop_percent":
                _plot_rates(each, part, POLICIES[name], aside=aside, ms=6, capsize=2, lw=1.1)
            else:
                _, colour, marker = POLICIES[name]
                each.plot(part["streams"] + aside, part[column], color=colour, marker=marker, ms=6, lw=1.1)
        each.set_xticks(sorted(table["streams"].unique()))
        each.set(xlabel="streams", ylabel=label, ylim=(-0.02 * each.get_ylim()[1], None))
    note = f"Simulated. {BARS} Points are set apart sideways. The paper compares LOS with in-situ training alone."
    last = drops[drops["streams"] == drops["streams"].max()].set_index("policy")["drop_percent"]
    title = f"Trainings dropped with {drops['streams'].max()} streams: {_name_ends(last, '{:.0f} %')}"
    return style.finish(figure, title, note, columns=6)


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
        each.set(xscale="log", xlim=_decades(rows[column]), xlabel=f"{column} per node and hour")
        each.xaxis.set_minor_formatter(NullFormatter())
        style.name_rows(each, [POLICIES[name][0] for name in names])
    note = f"Simulated, {most} streams, means over repeats. What is never sent has no mark."
    sums = rows[rows["kind"].isin(MESSAGES)].groupby("policy")["messages"].sum()
    title = f"Messages per node and hour with {most} streams: {_name_ends(sums, '{:,.0f}')}"
    return style.finish(figure, title, note, handles=_keys(SENT.values()), columns=3)


def _name_ends(values: pd.Series, form: str) -> str:
    """Write the value of the first policy there is, and the lowest and the highest, in some format."""
    values = values[present(POLICIES, values.index)]
    names = dict.fromkeys((str(values.index[0]), str(values.idxmin()), str(values.idxmax())))
    return ", ".join(f"{POLICIES[name][0]} {form.format(values[name])}" for name in names)


def _decades(values: pd.Series) -> tuple[float, float]:
    """Return powers of ten around all values above 0, with some room."""
    shown = values[values > 0]
    if shown.empty:
        return 0.1, 10.0
    return 0.7 * 10 ** math.floor(math.log10(shown.min())), 1.4 * 10 ** math.ceil(math.log10(shown.max()))


def _keys(looks: Iterable[Look], line: str = "") -> list[Any]:
    return [style.key(words, colour, marker, line) for words, colour, marker in looks]


@style.styled
def plot_sweep(table: pd.DataFrame, name: str) -> Figure:
    """Draw drop rate and depth of the search under LOS while one setting is varied, and what is lost where any is.

    From the table of one of `SWEEPS`.
    """
    title, varied = SWEEPS[name]
    values = list(dict.fromkeys(table["value"].astype(str)))
    columns = {"drop_percent": "dropped trainings (%)", "far": "two or three hand-overs\n(% of attempts)"}
    if (table["lost_percent"] > 0).any():
        columns["lost_percent"] = "trainings lost as their node left (%)"
    figure, axes = style.canvas(1, len(columns), size=(4.8 + 2.4 * len(columns), 4.1))
    groups = table.assign(far=table["two"] + table["three"]).groupby("streams")
    for (column, label), each in zip(columns.items(), axes, strict=True):
        for (streams, part), (colour, marker) in zip(groups, itertools.cycle(SERIES), strict=False):
            spots = [values.index(str(value)) for value in part["value"]]
            bars = style.error_bars(part, column, within=PERCENT) if column == "drop_percent" else None
            looks: Any = {"color": colour, "marker": marker, "label": f"{streams} streams" if each is axes[0] else None}
            each.errorbar(spots, part[column], bars, capsize=3, **looks)
        each.set_xticks(range(len(values)), values)
        each.margins(x=0.08)
        each.set(ylim=(0, max(1.0, 1.08 * each.get_ylim()[1])), ylabel=label, xlabel=varied)
    mine = table[table["streams"] == table["streams"].max()]
    ends = [mine.loc[each] for each in (mine["drop_percent"].idxmin(), mine["drop_percent"].idxmax())]
    words = " to ".join(f"{row['drop_percent']:.0f} % (at {str(row['value']).removesuffix('.0')})" for row in ends)
    title = f"{title}: {mine['streams'].max()} streams drop {words}"
    return style.finish(figure, title, f"Simulated. {BARS}")


@style.styled
def plot_setting_effects(table: pd.DataFrame) -> Figure:
    """Draw by how many points each choice and each number moves the drop rate of LOS. From `choices.csv`."""
    moved = setting_effects(table)
    same = [str(name) for name in moved.index[(moved.abs() < 1e-9).all(axis=1)]]
    moved = moved.drop(index=same)
    figure, (axes,) = style.canvas(size=(9.5, 1.8 + 0.26 * max(len(moved), 4)))
    spots = -np.arange(len(moved))
    for count, (colour, marker) in zip(moved, itertools.cycle(SERIES), strict=False):
        axes.plot(moved[count], spots, marker, color=colour, ms=6, label=f"{count} streams")
    ends = moved.min(axis=1).clip(upper=0), moved.max(axis=1).clip(lower=0)
    axes.hlines(spots, *ends, color=style.GREY, lw=0.8, zorder=0)
    axes.axvline(0, color=style.INK, lw=1)
    style.name_rows(axes, [str(name).replace(" x ", " × ") for name in moved.index])
    axes.set_xlabel("change of the drop rate (percentage points)")
    note = "Simulated, the same streams and noise in every row; × scales a number of the settings."
    if same:
        note += f" Nothing changes by: {', '.join(same).replace(' x ', ' × ')} (chosen anyway, or without effect here)."
    title = "No setting moves the drop rate"
    if len(moved):
        most = moved.loc[[moved.abs().max(axis=1).idxmax()]]
        title = f"The drop rate is moved most by “{most.index[0]}”: {max(most.iloc[0], key=abs):+.1f} points"
        title = title.replace(" x ", " × ")
    return style.finish(figure, title, note)


@style.styled
def plot_fit_spread(fit: pd.DataFrame, fitted: Sequence[int]) -> Figure:
    """Draw where the candidates of `papers.fit_b` land that were run again with fresh seeds.

    `fitted` are the numbers of streams that were fitted on; the others are held out.
    """
    last = select_finalists(fit)
    figure, axes = style.canvas(1, 2, size=(11, 4.6), sharey=True)
    drops, hops = published.DROP_PERCENT, published.HOPS_PERCENT
    panels: dict[str, list[tuple[str, str, float, bool]]] = {
        "dropped trainings": [(f"drop_{n}", f"{n}", v, n in fitted) for n, v in drops.items()],
        "hand-overs": [(f"hops_{n}_{d}", f"{n} streams,\n{d} hops", v, n in fitted) for (n, d), v in hops.items()],
    }
    aside = np.linspace(-0.3, 0.3, len(last)) if len(last) > 1 else np.zeros(1)
    for (title, cells), each in zip(panels.items(), axes, strict=True):
        cells = [cell for cell in cells if cell[0] in last]
        for at, (column, _, value, used) in enumerate(cells):
            each.plot(at + aside, last[column], "o", color=style.SKY, ms=4, alpha=0.8)
            each.plot(at + aside[0], last[column].iloc[0], "o", color=style.ORANGE, ms=8)
            each.plot(at, value, **_PUBLISHED, mfc="white" if used else style.RED, ms=9, mew=1.5)
        each.set_xticks(range(len(cells)), [words for _, words, _, _ in cells])
        each.set_xlim(-0.6, len(cells) - 0.4)
        each.grid(axis="x", visible=False)
        each.set_title(title)
    axes[0].set(xlabel="streams", ylabel="share (%)", ylim=(0, None))
    handles = [
        style.key("best candidate", style.ORANGE, "o", ms=8),
        style.key("others, from good (left) to worse", style.SKY, "o", ms=4),
        style.key("published, fitted on", **_PUBLISHED, mfc="white"),
        style.key("published, held out", **_PUBLISHED, mfc=style.RED),
    ]
    note = f"Simulated. {len(last)} candidates, run again with fresh seeds."
    apart = last[[column for column in last if column in {cell[0] for cell in panels["dropped trainings"]}]]
    title = f"The candidates of the fit land up to {(apart.max() - apart.min()).max():.1f} points apart in a drop rate"
    return style.finish(figure, title, note, handles=handles, columns=4)


@style.styled
def plot_growth(table: pd.DataFrame) -> Figure:
    """Draw drop rate, hops, messages and megabytes of every policy against the number of nodes. From `city.csv`."""
    figure, axes = style.canvas(2, 2, size=(10.5, 7.6), sharex=True)
    policies = present(POLICIES, table["policy"])
    for (column, label), each in zip(CITY_PANELS.items(), axes, strict=True):
        for policy in policies:
            rows = table[(table["policy"] == policy) & (table[column] > 0)]
            if rows.empty:
                continue
            _, colour, marker = POLICIES[policy]
            each.errorbar(rows["nodes"], rows[column], style.error_bars(rows, column), color=colour, capsize=3)
            for real, fill in ((True, colour), (False, "white")):
                part = rows[rows["real"].astype(bool) == real]
                each.plot(part["nodes"], part[column], marker, mfc=fill, mec=colour, ms=7, ls="")
        each.set(xscale="log", ylabel=label)
        if column == "messages":
            each.set_yscale("log")
            each.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            each.yaxis.set_minor_locator(NullLocator())
            each.yaxis.set_major_formatter("{x:,.0f}")
        else:
            each.set_ylim(bottom=0)
    axes[0].set_ylim(0, 104)
    for each in axes[2:]:
        each.set_xlabel("nodes of the city, all layers")
    axes[-1].xaxis.set_major_formatter("{x:,.0f}")
    note = f"Simulated, {table['hours'].iloc[0]:g} h of virtual time. Bars: 95 % over repeats, where there are several."
    if not table["real"].astype(bool).all():
        note += " Filled: nodes stand at real sensors. Open: they do not (larger than Aarhus, or a stand-in of it)."
    handles = _keys((POLICIES[name] for name in policies), "-")
    mine = table[table["policy"] == policies[0]].sort_values("nodes")
    words = [f"{row['drop_percent']:.0f} % and {row['messages']:,.0f} messages" for row in mine.to_dict("records")]
    title = f"Dropped under {POLICIES[policies[0]][0]}, and sent per node and hour: {words[0]} with"
    title += f" {mine['nodes'].min():,} nodes, {words[-1]} with {mine['nodes'].max():,}"
    return style.finish(figure, title, note + _describe_limits(table, policies), handles=handles, columns=3)


def _describe_limits(table: pd.DataFrame, policies: Sequence[str]) -> str:
    """Say which policies send nothing, and which were not run on the largest city and why."""
    left_out, silent = [], []
    for policy in policies:
        label, rows = POLICIES[policy][0], table[table["policy"] == policy]
        last: Any = rows.sort_values("nodes").iloc[-1]
        if rows["messages"].max() == 0:
            silent.append(label)
        if last["nodes"] < table["nodes"].max():
            reads = f" ({last['reads']:,.0f} states per trigger)" if last["reads"] > 0 else ""
            left_out.append(f"{label} up to {last['nodes']:,} nodes: {WHY.get(policy, 'its settings say so')}{reads}")
    note = f" Sends nothing: {', '.join(silent)}." if silent else ""
    return note + (f" Not run on larger cities: {'; '.join(left_out)}." if left_out else "")


@style.styled
def plot_map(city: City) -> Figure:
    """Draw the edge nodes of a city of at most some hundred, their links, and each district's gateway and site."""
    plan, edge, fog = city.plan, LAYERS["edge"], LAYERS["fog"]
    places, sites = plan.places.metres / 1000, plan.sites / 1000
    figure, (axes,) = style.canvas(size=(7.4, 8.4))
    for metres, colour in ((plan.places.metres, style.GREY), (plan.sites, fog)):
        links = list((metres / 1000)[link_nearest(metres, plan.neighbours)])
        axes.add_collection(LineCollection(links, colors=colour, lw=0.6, alpha=0.7, zorder=1))
    is_gateway = np.isin(city.layers[0].members, city.layers[0].gateway_names)
    axes.plot(*places[~is_gateway].T, "o", ms=3.5, color=edge, zorder=2)
    axes.plot(*places[is_gateway].T, "s", ms=4.5, mfc="white", mec=edge, zorder=3)
    axes.plot(*sites.T, "^", ms=5, color=fog, zorder=2)
    axes.set_aspect("equal")
    axes.set(xlabel="east (km)", ylabel="north (km)")
    handles = [
        style.key("edge node", edge, "o"),
        style.key("gateway", edge, "s", mfc="white"),
        style.key("fog and cloud of a district", fog, "^"),
        style.key("near edge nodes", style.GREY, line="-"),
        style.key("near districts", fog, line="-"),
    ]
    note = f"{plan.places.source}. Sensors that share a measuring point lie on one another."
    title = style.shown(f"{len(places):,} edge nodes in {len(sites):,} districts", plan.places.real)
    return style.finish(figure, title, note, handles=handles, columns=3)
