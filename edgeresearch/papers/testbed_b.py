"""Paper B's Figs. 1 to 3, drawn from the objects of the emulator: the testbed, one search, an edge manager's parts."""

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from edgeresearch.emulator.network import Mesh
from edgeresearch.emulator.workload import Job
from edgeresearch.papers.paper_b.labels import LAYERS
from edgeresearch.papers.placement_trace import PlacementTrace, TraceStep
from edgeresearch.plotting import style
from edgeresearch.scheduling.messages import Reason

_VEIL = {"fc": "white", "ec": "none", "alpha": 0.75, "pad": 0.5}
WIDTH, HEIGHT, GAP = 1.0, 0.26, 0.85
"""Half axes of the ellipse on which the nodes of a layer stand, and the distance of two layers."""


def places(mesh: Mesh) -> dict[int, Any]:
    """Return where each node is drawn: each layer on an ellipse of its own, the edge at the bottom."""
    found: dict[int, Any] = {}
    layers = list(dict.fromkeys(node.layer for node in mesh.nodes))
    for at, layer in enumerate(layers):
        numbers = [i for i, node in enumerate(mesh.nodes) if node.layer == layer]
        for number, place in nx.circular_layout(numbers).items():
            found[number] = np.array([WIDTH, HEIGHT]) * place + [0.0, at * GAP]
    return found


def colour(mesh: Mesh, node: int) -> str:
    """Return the colour of a node's layer; a layer that the paper has not is grey."""
    return LAYERS.get(mesh.nodes[node].layer, style.GREY)


def gateways(mesh: Mesh) -> list[int]:
    """Return the nodes that have a neighbour in another layer."""
    layer = [node.layer for node in mesh.nodes]
    return [i for i, around in enumerate(mesh.neighbours) if any(layer[other] != layer[i] for other in around)]


def _graph(axes: Axes, mesh: Mesh, *, size: float = 560, alpha: float = 0.55) -> dict[int, Any]:
    spots = places(mesh)
    across = [link for link in mesh.links if mesh.nodes[link.one].layer != mesh.nodes[link.other].layer]
    within = [link for link in mesh.links if mesh.nodes[link.one].layer == mesh.nodes[link.other].layer]
    for links, line, width in ((within, ":", 1.1), (across, "-", 2.0)):
        edges = [(link.one, link.other) for link in links]
        drawn: Any = nx.draw_networkx_edges(
            mesh.graph, spots, edges, width=width, edge_color=style.GREY, style=line, alpha=alpha, ax=axes
        )
        if len(edges):
            drawn.set_zorder(1)
    ways = set(gateways(mesh))
    for number, (x, y) in spots.items():
        if number in ways:
            axes.scatter([x], [y], s=2.0 * size, marker="o", color="none", edgecolor=style.INK, lw=1.2, zorder=2)
        axes.scatter([x], [y], s=size, color=colour(mesh, number), edgecolor="white", zorder=3)
        axes.text(
            x, y, mesh.nodes[number].name.removeprefix(f"{mesh.nodes[number].layer}-"), color="white", weight="bold",
            ha="center", va="center", fontsize=9, zorder=4,
        )  # fmt: skip
    axes.margins(0.09)
    axes.axis("off")
    return spots


@style.styled
def figure1(mesh: Mesh, jobs: Sequence[Job]) -> Figure:
    """Draw Paper B, Fig. 1: the testbed, its gateways and its streams.

    Args:
        mesh: The testbed.
        jobs: Streams.
    """
    figure, (axes,) = style.canvas(size=(10, 6.2))
    spots = _graph(axes, mesh)
    for number in sorted({job.source for job in jobs}):
        here = [job for job in jobs if job.source == number]
        up = spots[number][1] >= 0.02
        taken = sum(job.cpu for job in here)
        said = f"{len(here)} streams\n{taken:,.0f} of {mesh.nodes[number].cpu:,.0f} m taken"
        shift, align = ((0, 21), "bottom") if up else ((0, -21), "top")
        axes.annotate(
            said, spots[number], shift, textcoords="offset points", ha="center", va=align, fontsize=8, zorder=5,
            bbox={"fc": "white", "ec": "none", "alpha": 0.75, "pad": 0.8},
        )  # fmt: skip
    for at, layer in enumerate(dict.fromkeys(node.layer for node in mesh.nodes)):
        nodes = [node for node in mesh.nodes if node.layer == layer]
        cpu, memory = nodes[0].cpu / 1000, nodes[0].memory / 1024
        text = f"{layer}: {len(nodes)} nodes\n{cpu:g} vCPU, {memory:g} GB each"
        axes.text(-2.0, at * GAP, text, va="center", fontsize=10, color=LAYERS.get(layer, style.GREY), weight="bold")
    axes.set_xlim(-2.05, 1.35)
    handles = [
        Line2D([], [], ls=":", color=style.GREY, label=f"direct neighbours in a layer, {_span(mesh, across=False)}"),
        Line2D([], [], ls="-", lw=2, color=style.GREY, label=f"uplink, shared, {_span(mesh, across=True)}"),
        Line2D([], [], marker="o", ls="", ms=11, mfc="none", mec=style.INK, label="gateway"),
    ]
    said = (
        "Every node knows its direct neighbours and the next hop to the rest. Numbers of nodes, vCPU and memory are "
        "the paper's (Table I); latencies, bandwidths, and which node is the gateway are assumptions."
    )
    style.legend(figure, said, handles=handles, columns=3)
    figure.suptitle("Paper B, Fig. 1: the testbed, drawn from the mesh that is emulated (simulated)", x=0.01, ha="left")
    return figure


def _span(mesh: Mesh, *, across: bool) -> str:
    links = [k for k in mesh.links if (mesh.nodes[k.one].layer != mesh.nodes[k.other].layer) == across]
    if not links:
        return "none"
    far = sorted({1000 * link.latency for link in links})
    wide = sorted({link.bandwidth for link in links})
    return f"{'-'.join(f'{x:g}' for x in far)} ms, {'-'.join(f'{x:g}' for x in wide)} Mbit/s"


@style.styled
def figure2(trace: PlacementTrace) -> Figure:
    """Draw Paper B, Fig. 2: one search through neighbourhoods as it went, with what each node saw and what was true."""
    steps = trace.steps
    figure, axes = style.canvas(1, 1 + len(steps), size=(3.9 + 2.9 * len(steps), 5.0))
    _way(axes[0], trace)
    for number, (step, each) in enumerate(zip(steps, axes[1:], strict=True)):
        _step(each, trace, step, number + 1)
    handles = [
        Line2D([], [], marker="s", ls="", ms=9, color=style.SKY, label="free CPU as the neighbour had published it"),
        Line2D([], [], marker="d", ls="", ms=8, color=style.ORANGE, label="free CPU in truth"),
        Line2D([], [], ls="--", color=style.RED, label="limit that the training is to get"),
    ]
    first, job = steps[0], steps[0].request.job
    ages = [each.age(step.time) for step in steps for each in step.seen]
    said = (
        f"A training of job {job} in a simulated run, {first.time / 60:.1f} minutes in, period "
        f"{first.request.period:.0f} s. Views were {min(ages):.0f} to {max(ages):.0f} s old"
        + ("; one of them was wrong: it led to a node without room." if trace.misled else ".")
    )
    style.legend(figure, said, handles=handles, columns=3)
    figure.suptitle("Paper B, Fig. 2: one search through neighbourhoods, as it went", x=0.01, ha="left")
    return figure


def _way(axes: Axes, trace: PlacementTrace) -> None:
    mesh = trace.mesh
    spots = _graph(axes, mesh, size=230, alpha=0.3)
    way = [step.here.node for step in trace.steps]
    for number, (one, other) in enumerate(zip(way, way[1:], strict=False), start=1):
        axes.annotate(
            "", spots[other], spots[one], zorder=6,
            arrowprops={
                "arrowstyle": "-|>", "color": style.INK, "lw": 2.2, "shrinkA": 9, "shrinkB": 9,
                "connectionstyle": "arc3,rad=0.22",
            },
        )  # fmt: skip
        x, y = 0.5 * (spots[one] + spots[other])
        axes.text(x, y, str(number), fontsize=10, weight="bold", zorder=7, ha="center", va="center",
                  bbox={"boxstyle": "circle,pad=0.15", "fc": "white", "ec": style.INK})  # fmt: skip
    axes.set_title(f"{len(way) - 1} hand-overs", loc="left")


def _step(axes: Axes, trace: PlacementTrace, step: TraceStep, number: int) -> None:
    names = [trace.mesh.nodes[each.node].name for each in step.seen]
    rows = range(len(step.seen))
    axes.barh(rows, [each.cpu for each in step.seen], color=style.SKY, height=0.55)
    axes.plot([each.cpu for each in step.true], rows, "d", color=style.ORANGE, ms=8, zorder=4)
    for row, each in zip(rows, step.seen, strict=True):
        said = f"{each.age(step.time):.0f} s old, {1000 * each.latency:.0f} ms away"
        axes.text(0, row + 0.32, f" {said}", va="bottom", fontsize=7.5, color=style.INK, zorder=5, bbox=_VEIL)
    decision = step.decision
    if decision.limit is not None:
        axes.axvline(decision.limit, ls="--", color=style.RED)
    axes.set_yticks(rows, names)
    for label, each in zip(axes.get_yticklabels(), step.seen, strict=True):
        label.set_fontweight("bold" if each.node == decision.node else "normal")
    axes.set_ylim(-0.6, max(len(step.seen), 1) - 0.15)
    axes.set_xlim(0, 1.05 * max([each.cpu for each in (*step.seen, *step.true)] or [1.0]))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("free CPU (millicores)")
    style.numbers(axes.xaxis)
    here = trace.mesh.nodes[step.here.node].name
    axes.set_title(f"{number}. {here}, {step.here.cpu:.0f} m free:\n{_told(trace, step)}", loc="left", fontsize=9.5)


def _told(trace: PlacementTrace, step: TraceStep) -> str:
    decision = step.decision
    limit = "" if decision.limit is None else f" ({decision.limit:.0f} m)"
    if decision.run:
        return f"runs here{limit}:\n{decision.reason}"
    goal = "dropped" if decision.node is None else f"to {trace.mesh.nodes[decision.node].name}"
    why = str(decision.reason).replace(": ", ":\n") if decision.reason == Reason.INFEASIBLE else str(decision.reason)
    return f"{goal}{limit}:\n{why}"
