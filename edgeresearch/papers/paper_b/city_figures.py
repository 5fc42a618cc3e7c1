"""Paper B's testbed as large as a city (section VII): where its nodes stand, and what grows with its size."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from edgeresearch.emulator.city import City, link_nearest
from edgeresearch.papers.paper_b.labels import LAYERS, POLICIES, present
from edgeresearch.plotting import style

PANELS = (
    ("drop_percent", "dropped trainings (%)"),
    ("hops", "hand-overs of a training that ran"),
    ("messages", "messages of a node per hour"),
    ("carried", "models and samples, on every link\n(MB per node and hour)"),
)
"""Column of each panel, and what it is."""
WHY = {
    "cloud": "it looks for the ways to every cloud node",
    "least_loaded": "it reads the state of every node at every decision",
    "oracle": "it reads the state of every node at every decision, and foresees its training there",
}
"""Why a policy is not run on the largest city."""


@style.styled
def plot_growth(table: pd.DataFrame) -> Figure:
    """Draw drop rate, hops, messages and megabytes of every policy against the number of nodes. From `city.csv`."""
    figure, axes = style.canvas(2, 2, size=(10.5, 7.6), sharex=True)
    policies = present(POLICIES, table["policy"])
    for (column, label), each in zip(PANELS, axes, strict=True):
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
            each.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        else:
            each.set_ylim(bottom=0)
    axes[0].set_ylim(0, 104)
    for each in axes[2:]:
        each.set_xlabel("nodes of the city, all layers")
    axes[-1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    looks = [POLICIES[name] for name in policies]
    handles = [Line2D([], [], color=colour, marker=marker, ms=7, label=label) for label, colour, marker in looks]
    notes = [
        f"Simulated, {table['hours'].iloc[0]:g} h of virtual time. Bars: 95 % over repeats, where there are several."
    ]
    if not table["real"].astype(bool).all():
        notes.append(
            "Filled: nodes stand at real sensors. Open: they do not (larger than Aarhus, or a stand-in of it)."
        )
    style.legend(figure, " ".join([*notes, *_describe_limits(table)]), handles=handles, columns=3)
    figure.suptitle("From the paper's testbed to a city: what grows with its size?", x=0.01, ha="left")
    return figure


def _describe_limits(table: pd.DataFrame) -> list[str]:
    """Say which policies send nothing, and which were not run on the largest city and why."""
    notes, left_out, silent = [], [], []
    for policy in present(POLICIES, table["policy"]):
        label, rows = POLICIES[policy][0], table[table["policy"] == policy]
        last: Any = rows.sort_values("nodes").iloc[-1]
        if rows["messages"].max() == 0:
            silent.append(label)
        if last["nodes"] < table["nodes"].max():
            reads = f" ({last['reads']:,.0f} states per trigger)" if last["reads"] > 0 else ""
            left_out.append(f"{label} up to {last['nodes']:,} nodes: {WHY.get(policy, 'its settings say so')}{reads}")
    if silent:
        notes.append(f"Sends nothing: {', '.join(silent)}.")
    if left_out:
        notes.append(f"Not run on larger cities, as the cost is quadratic: {'; '.join(left_out)}.")
    return notes


@style.styled
def plot_map(city: City) -> Figure:
    """Draw a city's edge nodes, what links them, and each district's gateway and site.

    Args:
        city: Of any size; some hundred nodes can be told apart.
    """
    plan = city.plan
    places, sites = plan.places.metres / 1000, plan.sites / 1000
    figure, (axes,) = style.canvas(size=(7.4, 8.4))
    for metres, colour in ((plan.places.metres, style.GREY), (plan.sites, LAYERS["fog"])):
        links = list((metres / 1000)[link_nearest(metres, plan.neighbours)])
        axes.add_collection(LineCollection(links, colors=colour, lw=0.6, alpha=0.7, zorder=1))
    edge = city.layers[0]
    is_gateway = np.isin(edge.members, edge.gateway_names)
    axes.plot(*places[~is_gateway].T, "o", ms=3.5, color=LAYERS["edge"], zorder=2)
    axes.plot(*places[is_gateway].T, "s", ms=4.5, mfc="white", mec=LAYERS["edge"], zorder=3)
    axes.plot(*sites.T, "^", ms=5, color=LAYERS["fog"], zorder=2)
    axes.set_aspect("equal")
    axes.set(xlabel="east (km)", ylabel="north (km)")
    handles = [
        Line2D([], [], ls="", marker="o", color=LAYERS["edge"], label="edge node"),
        Line2D([], [], ls="", marker="s", mfc="white", mec=LAYERS["edge"], label="gateway"),
        Line2D([], [], ls="", marker="^", color=LAYERS["fog"], label="fog and cloud of a district"),
        Line2D([], [], color=style.GREY, label="near edge nodes"),
        Line2D([], [], color=LAYERS["fog"], label="near districts"),
    ]
    note = f"{plan.places.source}. Sensors that share a measuring point lie on one another."
    style.legend(figure, note, handles=handles, columns=3)
    title = f"{len(places):,} edge nodes in {len(sites):,} districts"
    figure.suptitle(title if plan.places.real else f"{title} (synthetic)", x=0.01, ha="left")
    return figure
