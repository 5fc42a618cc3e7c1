"""Paper B's testbed as large as a city: drop rates, hops and messages against size, in figures and in sentences."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from edgeresearch.emulator.city import City, link_nearest
from edgeresearch.papers.paper_b.labels import LAYERS, POLICIES
from edgeresearch.plotting import style

PANELS = (
    ("drop_percent", "low", "high", "dropped trainings (%)"),
    ("hops", "hops_low", "hops_high", "hand-overs of a training that ran"),
    ("messages", "messages_low", "messages_high", "messages of a node per hour"),
    ("carried", "carried_low", "carried_high", "models and samples, on every link\n(MB per node and hour)"),
)
"""Of each panel of `growth`: column, its interval, and what it is."""
WHY = {
    "cloud": "it looks for the ways to every cloud node",
    "least_loaded": "it reads the state of every node at every decision",
    "oracle": "it reads the state of every node at every decision, and foresees its training there",
}
"""Why a policy is not run on the largest city."""


@style.styled
def growth(table: pd.DataFrame) -> Figure:
    """Draw drop rate, hops, messages and megabytes of every policy against the number of nodes.

    Args:
        table: `city`, as the stage `city` found it.
    """
    figure, axes = style.canvas(2, 2, size=(10.5, 7.6), sharex=True)
    for (column, low, high, label), each in zip(PANELS, axes, strict=True):
        for policy in _policies(table):
            rows = table[(table["policy"] == policy) & (table[column] > 0)]
            if rows.empty:
                continue
            _, colour, marker = POLICIES[policy]
            each.errorbar(rows["nodes"], rows[column], _bars(rows, column, low, high), color=colour, capsize=3)
            for real, fill in ((True, colour), (False, "white")):
                part = rows[rows["real"].astype(bool) == real]
                each.plot(part["nodes"], part[column], marker, mfc=fill, mec=colour, ms=7, ls="")
        each.set_xscale("log")
        each.set_ylabel(label)
        if column == "messages":
            _powers(each)
        else:
            each.set_ylim(bottom=0)
    axes[0].set_ylim(0, 104)
    for each in axes[2:]:
        each.set_xlabel("nodes of the city, all layers")
    each.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    handles = [
        Line2D([], [], color=POLICIES[name][1], marker=POLICIES[name][2], ms=7, label=POLICIES[name][0])
        for name in _policies(table)
    ]
    said = f"Simulated, {table['hours'].iloc[0]:g} h of virtual time. Bars: 95 % over repeats, where there are several."
    if not table["real"].astype(bool).all():
        said += " Filled: nodes stand at real sensors. Open: they do not (larger than Aarhus, or a stand-in of it)."
    style.legend(figure, f"{said} {_silent(table)}{left_out(table)}", handles=handles, columns=3)
    figure.suptitle("From the paper's testbed to a city: what grows with its size?", x=0.01, ha="left")
    return figure


@style.styled
def mesh(city: City) -> Figure:
    """Draw a city's edge nodes, what links them, and each district's gateway and site.

    Args:
        city: Of any size; some hundred nodes can be told apart.
    """
    plan = city.plan
    places, pairs = plan.places.metres / 1000, link_nearest(plan.places.metres, plan.neighbours)
    figure, (axes,) = style.canvas(size=(7.4, 8.4))
    axes.add_collection(LineCollection(list(places[pairs]), colors=style.GREY, lw=0.6, alpha=0.7, zorder=1))
    sites = plan.sites / 1000
    around = link_nearest(plan.sites, plan.neighbours)
    axes.add_collection(LineCollection(list(sites[around]), colors=LAYERS["fog"], lw=0.6, alpha=0.7, zorder=1))
    edge = city.layers[0]
    ways = np.isin(edge.members, edge.gateway_names)
    axes.plot(*places[~ways].T, "o", ms=3.5, color=LAYERS["edge"], zorder=2)
    axes.plot(*places[ways].T, "s", ms=4.5, mfc="white", mec=LAYERS["edge"], zorder=3)
    axes.plot(*sites.T, "^", ms=5, color=LAYERS["fog"], zorder=2)
    axes.set_aspect("equal")
    axes.set_xlabel("east (km)")
    axes.set_ylabel("north (km)")
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


def grown(table: pd.DataFrame, policy: str = "los") -> str:
    """Say what size does to a policy: from the smallest city to the largest that it was run on.

    Args:
        table: `city`, as the stage `city` found it.
        policy: Name of the policy.
    """
    rows = table[table["policy"] == policy].sort_values("nodes")
    name = POLICIES[policy][0]
    if rows["nodes"].nunique() < 2:
        return f"{name[:1].upper()}{name[1:]} was not run on cities of several sizes."
    first, last = rows.iloc[0], rows.iloc[-1]
    text = (
        f"{name[:1].upper()}{name[1:]}, from {first['nodes']:,} to {last['nodes']:,} nodes: it drops "
        f"{_span(first, 'drop_percent', 'low', 'high')} to {_span(last, 'drop_percent', 'low', 'high')} % of the "
        f"trainings"
    )
    if pd.notna(first["hops"]) and pd.notna(last["hops"]):
        text += f"; one that runs is handed over {first['hops']:.2f} to {last['hops']:.2f} times"
    return (
        f"{text}; a node sends {first['messages']:,.0f} to {last['messages']:,.0f} messages and "
        f"{first['carried']:,.1f} to {last['carried']:,.1f} MB of models and samples per hour."
    )


def left_out(table: pd.DataFrame) -> str:
    """Say which policies were not run on the largest city, and why; empty if all were.

    Args:
        table: `city`, as the stage `city` found it.
    """
    largest = table["nodes"].max()
    texts = []
    for policy in _policies(table):
        most: Any = table[table["policy"] == policy].sort_values("nodes").iloc[-1]
        if most["nodes"] == largest:
            continue
        reads = f" ({most['reads']:,.0f} states per trigger)" if most["reads"] > 0 else ""
        why = WHY.get(policy, "its settings say so")
        texts.append(f"{POLICIES[policy][0]} up to {most['nodes']:,} nodes: {why}{reads}")
    return f"Not run on larger cities, as the cost is quadratic: {'; '.join(texts)}." if texts else ""


def stand(meshes: pd.DataFrame) -> str:
    """Say where the nodes of the cities stand, and how they are linked.

    Args:
        meshes: `city_meshes`, as the stage `city` found it.
    """
    real, rest = (meshes[meshes["real"].astype(bool) == is_so] for is_so in (True, False))
    texts = []
    if len(real):
        most: Any = real.sort_values("nodes").iloc[-1]
        texts.append(
            f"Up to {most['nodes']:,} nodes, {most['edge']:,} of them in the edge, edge nodes stand where real sensors "
            f"do ({most['places']}): each is linked to {most['degree']:.1f} others on average, half of the links are "
            f"shorter than {most['link_metres']:,.0f} m and the longest has {most['longest_metres'] / 1000:,.1f} km."
        )
    for row in rest.itertuples():
        texts.append(f"NOT REAL: with {row.nodes:,} nodes, {row.edge:,} in the edge, places are {row.places}.")
    return " ".join(texts)


def _policies(table: pd.DataFrame) -> list[str]:
    return [name for name in POLICIES if name in set(table["policy"])]


def _span(row: Any, column: str, low: str, high: str) -> str:
    within = f" ({row[low]:.1f} to {row[high]:.1f})" if pd.notna(row[low]) else ""
    return f"{row[column]:.1f}{within}"


def _silent(table: pd.DataFrame) -> str:
    none = table.groupby("policy")["messages"].max()
    names = [POLICIES[name][0] for name in _policies(table) if none[name] == 0]
    return f"Sends nothing: {', '.join(names)}. " if names else ""


def _bars(rows: pd.DataFrame, column: str, low: str, high: str) -> Any:
    off = [(rows[column] - rows[low]).clip(lower=0), (rows[high] - rows[column]).clip(lower=0)]
    return np.array([each.fillna(0) for each in off])


def _powers(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
