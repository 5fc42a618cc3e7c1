"""The figures of LOS on a user's own mesh: every policy side by side, and where LOS runs and drops trainings."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from edgeresearch.emulator import results
from edgeresearch.emulator.api import Emulation
from edgeresearch.emulator.city import City
from edgeresearch.plotting.style import (
    BLUE,
    BROWN,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PINK,
    SKY,
    canvas,
    legend,
    numbers,
    styled,
)
from edgeresearch.scheduling.messages import Reason

ROUND = 24
"""Nodes of a layer that are drawn on a ring, with their names; with more, the whole mesh is drawn by its links."""
DEEP = 5
"""Hops from which on no more is told apart."""
PLACES = 12
"""Nodes whose drops are drawn."""

COLOURS: Mapping[str, str] = MappingProxyType(
    {Reason.CYCLE: ORANGE, Reason.HOPS: SKY, Reason.NO_CAPACITY: BROWN, Reason.NO_NEIGHBOUR: PINK, Reason.BUSY: GREY}
)
"""Colour of each reason for a drop."""


@styled
def policies(result: Emulation) -> Figure:
    """Draw for every policy what was dropped and why, what went over the uplinks, and how often it was handed over."""
    figure, (left, middle, right) = canvas(1, 3, size=(11.0, 1.9 + 0.42 * len(result.table)), sharey=True)
    names = result.table["policy"].tolist()
    _reasons(left, result.drops.groupby(["policy", "reason"])["percent"].sum(), names)
    spread = result.table[["low", "high"]].to_numpy()
    left.hlines(range(len(names)), spread[:, 0], spread[:, 1], color=INK, lw=1.2, zorder=3)
    left.set(xlim=(0, 100), xlabel="triggers that were dropped (%)")
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    column, links = ("uplink_megabytes", "uplinks") if len(result.testbed.layers) > 1 else ("link_megabytes", "links")
    middle.barh(names, result.table[column], color=BLUE)
    middle.set_xlabel(f"sent over the {links} (MB per hour)")
    middle.grid(visible=False, axis="y")
    numbers(middle.xaxis)
    for at, value in enumerate(result.table[column]):
        middle.annotate(f"{value:,.1f}", (value, at), (3, 0), textcoords="offset points", va="center", fontsize=8)
    middle.set_xlim(0, 1.18 * max(result.table[column].max(), 1e-3))
    _hops(right, result, names)
    figure.suptitle(f"{_title(result)}: every policy on the same streams", x=0.01, ha="left")
    legend(figure, "line: 95 % interval over the repeats", columns=5)
    return figure


@styled
def places(result: Emulation) -> Figure:
    """Draw the mesh with what LOS ran where, and the nodes at which it dropped most."""
    figure, (left, right) = canvas(1, 2, size=(11.0, 5.6))
    _mesh(left, result)
    left.set_title("CPU that trainings hold on average, under los", loc="left")
    mine = result.drops[result.drops["policy"] == "los"]
    total = mine.groupby("node")["percent"].sum().sort_values(ascending=False, kind="stable")
    shown = [str(name) for name in total.index[:PLACES]]
    _reasons(right, mine.groupby(["node", "reason"])["percent"].sum(), shown)
    right.set_yticks(range(len(shown)), shown)
    right.set_xlabel("dropped there (% of all triggers)")
    right.set_ylim(max(len(shown), 4) - 0.4, -0.6)
    numbers(right.xaxis)
    if shown:
        right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
    else:
        right.text(0.5, 0.5, "los drops nothing", transform=right.transAxes, ha="center", va="center")
    more = f"; {len(total) - PLACES} more nodes drop some" if len(total) > PLACES else ""
    right.set_title(f"where los drops, and why{more}", loc="left")
    figure.suptitle(_title(result), x=0.01, ha="left")
    return figure


def figures(result: Emulation) -> dict[str, Figure]:
    """Draw the policies side by side, and where LOS runs and drops trainings."""
    return {"policies": policies(result), "places": places(result)}


def _title(result: Emulation) -> str:
    facts = result.facts
    streams = "1 stream" if facts["streams"] == 1 else f"{facts['streams']} streams"
    return f"{Path(facts['testbed']).name}, {streams}, {facts['repeats']} × {facts['hours']:g} h"


def _reasons(axes: Axes, percent: "pd.Series[float]", names: Sequence[str]) -> None:
    """Stack the drops of each name by their reasons."""
    begin = np.zeros(len(names))
    for reason, colour in COLOURS.items():
        part = np.array([float(percent.get((name, reason), 0.0)) for name in names])
        if part.any():
            axes.barh(range(len(names)), part, left=begin, color=colour, label=str(reason))
            begin += part
    axes.grid(visible=False, axis="y")


def _hops(axes: Axes, result: Emulation, names: Sequence[str]) -> None:
    shallow = result.triggers.assign(hops=result.triggers["hops"].clip(upper=DEEP))
    shares = results.hop_shares(shallow, "triggers")
    depths = sorted(int(depth) for depth in shares["hops"].unique() if depth != "")
    begin = np.zeros(len(names))
    colours = mpl.colormaps["viridis"](np.linspace(0.1, 0.95, max(len(depths), 1)))
    of = shares.set_index(["policy", "hops"])["share_percent"]
    for depth, colour in zip(depths, colours, strict=False):
        part = np.array([float(of.get((name, depth), 0.0)) for name in names])
        words = f"{depth}{' or more' if depth == DEEP else ''} {'hop' if depth == 1 else 'hops'}"
        axes.barh(names, part, left=begin, color=colour, label=words)
        begin += part
    axes.set(xlim=(0, 100), xlabel="triggers that ran, by hops (%)")
    axes.grid(visible=False, axis="y")


def _mesh(axes: Axes, result: Emulation) -> None:
    mesh, testbed = result.mesh, result.testbed
    few = max(len(layer.members) for layer in testbed.layers) <= ROUND
    if few:
        at: Any = _rings([len(layer.members) for layer in testbed.layers])
    else:
        at = testbed.positions() if isinstance(testbed, City) else _spread(mesh.graph)
    layers = [node.layer for node in mesh.nodes]
    for up, colour, width, alpha in ((False, GREY, 0.6, 0.5), (True, SKY, 1.6, 0.9)):
        ends = [(at[k.one], at[k.other]) for k in mesh.links if (layers[k.one] != layers[k.other]) == up]
        thin = width if few else 0.6
        axes.add_collection(LineCollection(ends, colors=colour, lw=thin, alpha=alpha, zorder=1, rasterized=not few))
    used = result.nodes[result.nodes["policy"] == "los"].set_index("node")["cpu_percent"]
    scale = Normalize(0, max(float(used.max()), 1.0))
    sources, ways = (
        {job.source for job in result.jobs},
        {name for layer in testbed.layers for name in layer.gateway_names},
    )
    for number, node in enumerate(mesh.nodes):
        shape = "s" if node.name in ways and len(testbed.layers) > 1 else "o"
        edge = GREEN if number in sources else INK
        colour = mpl.colormaps["Blues"](scale(float(used[node.name])))
        width, size = (2.4, 13) if few else (0.8, 4)
        mew = width if number in sources else 0.8
        axes.plot(*at[number], shape, ms=size, mfc=colour, mec=edge, mew=mew, zorder=2, rasterized=not few)
        if few:
            axes.annotate(node.name, at[number], (0, -16), textcoords="offset points", ha="center", fontsize=7.5)
    axes.set_axis_off()
    axes.margins(0.1)
    axes.figure.colorbar(ScalarMappable(scale, "Blues"), ax=axes, label="% of the node's CPU", shrink=0.6)
    axes.legend(handles=_keys(len(testbed.layers)), loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=4)


def _keys(layers: int) -> list[Line2D]:
    plain = {"ls": "", "mfc": "none", "ms": 8}
    keys = [Line2D([], [], marker="o", mec=GREEN, mew=2.4, label="has streams", **plain)]  # type: ignore[arg-type]
    if layers > 1:
        keys.append(Line2D([], [], marker="s", mec=INK, label="gateway", **plain))  # type: ignore[arg-type]
        keys.append(Line2D([], [], color=SKY, lw=1.6, label="uplink"))
    return [*keys, Line2D([], [], color=GREY, lw=0.6, label="link")]


def _rings(sizes: Sequence[int]) -> list[tuple[float, float]]:
    """Places of nodes on one flat ring per layer, the edge lowest."""
    return [
        (size**0.5 * math.cos(angle), 3 * level + 0.9 * math.sin(angle) * (size > 2))
        for level, size in enumerate(sizes)
        for angle in (2 * math.pi * (i + 0.25) / size for i in range(size))
    ]


def _spread(graph: nx.Graph) -> dict[int, tuple[float, float]]:
    return dict(nx.spring_layout(graph, seed=0, weight=None))
