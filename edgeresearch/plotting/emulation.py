"""The figures of LOS on a user's own mesh: every policy side by side, and where LOS runs and drops trainings."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgeresearch.emulator import results
from edgeresearch.emulator.api import Emulation
from edgeresearch.emulator.city import City
from edgeresearch.plotting import style
from edgeresearch.plotting.style import GREEN, GREY, INK, SKY
from edgeresearch.scheduling.messages import Reason

ROUND = 24
"""Nodes of a layer that are drawn on a ring, with their names; with more, the whole mesh is drawn by its links."""
DEEP = 5
"""Hops from which on no more is told apart."""
PLACES = 12
"""Nodes whose drops are drawn."""

COLOURS: Mapping[str, str] = {
    Reason.CYCLE: style.ORANGE,
    Reason.HOPS: SKY,
    Reason.NO_CAPACITY: style.BROWN,
    Reason.NO_NEIGHBOUR: style.PINK,
    Reason.BUSY: GREY,
}
"""Colour of each reason for a drop."""


def figures(result: Emulation) -> dict[str, Figure]:
    """Draw the policies side by side, and where LOS runs and drops trainings."""
    return {"policies": draw_policies(result), "places": draw_places(result)}


@style.styled
def draw_policies(result: Emulation) -> Figure:
    """Draw for every policy what was dropped and why, what went over the uplinks, and how often it was handed over."""
    table, names = result.table, result.table["policy"].tolist()
    figure, (left, middle, right) = style.canvas(1, 3, size=(11.0, 1.9 + 0.42 * len(table)), sharey=True)
    _stack(left, result.drops.pivot_table("percent", "policy", "reason", "sum"), names, COLOURS)
    left.hlines(names, table["low"], table["high"], color=INK, lw=1.2, zorder=3)
    left.set(xlim=(0, 100), xlabel="triggers that were dropped (%)")
    left.invert_yaxis()
    column, links = ("uplink_megabytes", "uplinks") if len(result.testbed.layers) > 1 else ("link_megabytes", "links")
    bars = middle.barh(names, table[column], color=style.BLUE)
    middle.bar_label(bars, fmt="{:,.1f}", padding=3, fontsize=8)
    middle.set(xlabel=f"sent over the {links} (MB per hour)", xlim=(0, 1.18 * max(table[column].max(), 1e-3)))
    style.numbers(middle.xaxis)
    shallow = result.triggers.assign(hops=result.triggers["hops"].clip(upper=DEEP))
    shares = results.hop_shares(shallow, "triggers").query("hops != ''").astype({"hops": int})
    shares = shares.pivot(index="policy", columns="hops", values="share_percent")
    shares.columns = [f"{n}{' or more' * (n == DEEP)} hop{'s' * (n != 1)}" for n in map(int, shares.columns)]
    shades = mpl.colormaps["viridis"](np.linspace(0.1, 0.95, max(len(shares.columns), 1)))
    _stack(right, shares, names, dict(zip(shares.columns, shades, strict=False)))
    right.set(xlim=(0, 100), xlabel="triggers that ran, by hops (%)")
    for each in (left, middle, right):
        each.grid(visible=False, axis="y")
    rates = table.set_index("policy")["drop_percent"]
    shown = dict.fromkeys(name for name in ("los", str(rates.idxmin()), str(rates.idxmax())) if name in rates)
    dropped = ", ".join(f"{name} {rates[name]:.1f} %" for name in shown)
    return style.finish(figure, f"{_title(result)}: dropped {dropped}", "line: 95 % interval over the repeats")


@style.styled
def draw_places(result: Emulation) -> Figure:
    """Draw the mesh with what LOS ran where, and the nodes at which it dropped most."""
    figure, (left, right) = style.canvas(1, 2, size=(11.0, 5.6))
    _draw_mesh(left, result)
    left.set_title("CPU that trainings hold on average, under los", loc="left")
    mine = result.drops[result.drops["policy"] == "los"]
    total = mine.groupby("node")["percent"].sum().sort_values(ascending=False, kind="stable")
    shown = total.index[:PLACES].tolist()
    if shown:
        _stack(right, mine.pivot_table("percent", "node", "reason", "sum"), shown, COLOURS)
        right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
    else:
        right.text(0.5, 0.5, "los drops nothing", transform=right.transAxes, ha="center", va="center")
    right.set(xlabel="dropped there (% of all triggers)", ylim=(max(len(shown), 4) - 0.4, -0.6))
    right.grid(visible=False, axis="y")
    style.numbers(right.xaxis)
    more = f"; {len(total) - PLACES} more nodes drop some" if len(total) > PLACES else ""
    right.set_title(f"where los drops, and why{more}", loc="left")
    where = f"los drops most at {shown[0]}, {total.iloc[0]:.1f} % of all triggers" if shown else "los drops nothing"
    return style.finish(figure, f"{_title(result)}: {where}", handles=())


def _title(result: Emulation) -> str:
    facts = result.facts
    streams = "1 stream" if facts["streams"] == 1 else f"{facts['streams']} streams"
    return f"{Path(facts['testbed']).name}, {streams}, {facts['repeats']} × {facts['hours']:g} h"


def _stack(axes: Axes, shares: pd.DataFrame, names: list[str], colours: Mapping[str, Any]) -> None:
    """Stack the columns that have a colour, one bar for each of the names, the first one at 0."""
    shares = shares.reindex(index=names, columns=list(colours)).fillna(0.0)
    shares = shares.loc[:, shares.any()]
    begin = shares.cumsum(axis="columns") - shares
    for name, part in shares.items():
        axes.barh(names, part, left=begin[name], color=colours[str(name)], label=str(name))


def _draw_mesh(axes: Axes, result: Emulation) -> None:
    """Draw links and uplinks, gateways as squares, green rims where streams are, and darker what is busier."""
    mesh, layers = result.mesh, result.testbed.layers
    names, layer = [node.name for node in mesh.nodes], [node.layer for node in mesh.nodes]
    few = max(len(layer.members) for layer in layers) <= ROUND
    at = _place_nodes(result, few)
    for is_uplink, colour, width in ((False, GREY, 0.6), (True, SKY, 1.6 if few else 0.6)):
        ends = [(k.one, k.other) for k in mesh.links if (layer[k.one] != layer[k.other]) == is_uplink]
        nx.draw_networkx_edges(mesh.graph, at, ends, width=width, edge_color=colour, alpha=0.7, ax=axes)
    busy = result.nodes[result.nodes["policy"] == "los"].set_index("node")["cpu_percent"].reindex(names).to_numpy()
    is_source = np.isin(np.arange(len(names)), [job.source for job in result.jobs])
    is_gateway = np.isin(names, [name for each in layers for name in each.gateway_names]) & (len(layers) > 1)
    rims, widths = np.where(is_source, GREEN, INK), np.where(is_source & few, 2.4, 0.8)
    scale: Any = {"cmap": "Blues", "vmin": 0, "vmax": max(busy.max(), 1)}
    for marker, part in (("o", ~is_gateway), ("s", is_gateway)):
        look = {"edgecolors": rims[part], "linewidths": widths[part], "zorder": 2, **scale}
        drawn = axes.scatter(at[part, 0], at[part, 1], 170 if few else 16, busy[part], marker=marker, **look)
    axes.figure.colorbar(drawn, ax=axes, label="% of the node's CPU", shrink=0.6)
    if few:
        for name, place in zip(names, at, strict=True):
            axes.annotate(
                style.legible(name, 24), place, (0, -16), textcoords="offset points", ha="center", fontsize=7.5
            )
    else:
        for each in axes.collections:
            each.set_rasterized(True)
    axes.set_axis_off()
    axes.margins(0.05)
    handles = [style.key("has streams", GREEN, "o", mfc="none", mew=2.4, ms=8)]
    if len(layers) > 1:
        handles += [style.key("gateway", INK, "s", mfc="none", ms=8), style.key("uplink", SKY, line="-", lw=1.6)]
    handles.append(style.key("link", GREY, line="-", lw=0.6))
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=4)


def _place_nodes(result: Emulation, few: bool) -> Any:
    """Return where each node is drawn: few on one flat ring per layer, the edge lowest, a city's where they stand."""
    if few:
        sizes = [len(layer.members) for layer in result.testbed.layers]
        return np.array([
            (size**0.5 * math.cos(angle), 3 * level + 0.9 * math.sin(angle) * (size > 2))
            for level, size in enumerate(sizes)
            for angle in (2 * math.pi * (i + 0.25) / size for i in range(size))
        ])  # fmt: skip
    if isinstance(result.testbed, City):
        return result.testbed.positions()
    return np.array(list(nx.spring_layout(result.mesh.graph, seed=0, weight=None).values()))
