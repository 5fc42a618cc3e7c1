"""Paper B's Figs. 1 to 4, drawn from the objects of the emulator: testbed, a placement, an edge manager, latencies."""

import inspect
import textwrap
from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgeresearch.emulator.network import Job, Link, Mesh
from edgeresearch.emulator.policies import NodeView
from edgeresearch.emulator.simulation import TrainingTimes
from edgeresearch.papers.paper_b.scheduling_figures import LAYERS
from edgeresearch.papers.scheduling import PlacementTrace, TraceStep
from edgeresearch.plotting import style
from edgeresearch.scheduling.los import schedule
from edgeresearch.scheduling.messages import Availability, Decision, Reason, Request, TrainingReport
from edgeresearch.scheduling.runtime_model import JobHistory, RuntimeModel
from edgeresearch.scheduling.settings import Limits, Rules

WIDTH, HEIGHT, GAP = 1.0, 0.26, 0.85
"""Half axes of the ellipse on which the nodes of a layer stand, and the distance of two layers."""
LINES = ("-", "--", "-.", ":")
_VEIL = {"fc": "white", "ec": "none", "alpha": 0.75}


def place_nodes(mesh: Mesh) -> dict[int, Any]:
    """Return where each node is drawn: each layer on an ellipse of its own, the edge at the bottom."""
    places: dict[int, Any] = {}
    for at, layer in enumerate(_layers(mesh)):
        numbers = [i for i, node in enumerate(mesh.nodes) if node.layer == layer]
        for number, place in nx.circular_layout(numbers).items():
            places[number] = np.array([WIDTH, HEIGHT]) * place + [0.0, at * GAP]
    return places


@style.styled
def plot_testbed(mesh: Mesh, jobs: Sequence[Job]) -> Figure:
    """Draw Fig. 1: the testbed, its gateways and its streams."""
    figure, (axes,) = style.canvas(size=(10, 6.2))
    spots = _plot_mesh(axes, mesh)
    for number in sorted({job.source for job in jobs}):
        here = [job for job in jobs if job.source == number]
        taken = sum(job.cpu for job in here)
        text = f"{len(here)} streams\n{taken:,.0f} of {mesh.nodes[number].cpu:,.0f} m taken"
        shift, align = ((0, 21), "bottom") if spots[number][1] >= 0.02 else ((0, -21), "top")
        axes.annotate(
            text, spots[number], shift, textcoords="offset points", ha="center", va=align, fontsize=8, zorder=5,
            bbox={**_VEIL, "pad": 0.8},
        )  # fmt: skip
    for at, layer in enumerate(_layers(mesh)):
        nodes = [node for node in mesh.nodes if node.layer == layer]
        cpu, memory = nodes[0].cpu / 1000, nodes[0].memory / 1024
        text = f"{layer}: {len(nodes)} nodes\n{cpu:g} vCPU, {memory:g} GB each"
        axes.text(-2.0, at * GAP, text, va="center", fontsize=10, color=_colour(layer), weight="bold")
    axes.set_xlim(-2.05, 1.35)
    within, across = (_describe_links(_links(mesh, across=flag)) for flag in (False, True))
    handles = [
        style.key(f"direct neighbours in a layer, {within}", style.GREY, line=":"),
        style.key(f"uplink, shared, {across}", style.GREY, line="-", lw=2),
        style.key("gateway", marker="o", ms=11, mfc="none"),
    ]
    note = (
        "Every node knows its direct neighbours and the next hop to the rest. Numbers of nodes, vCPU and memory are "
        "the paper's (Table I); latencies, bandwidths, and which node is the gateway are assumptions."
    )
    busy = {job.source for job in jobs}
    share = 100 * sum(job.cpu for job in jobs) / max(sum(mesh.nodes[each].cpu for each in busy), 1)
    title = f"Paper B, Fig. 1, simulated: {len(jobs)} streams take {share:.0f} % of the CPU of {len(busy)} nodes"
    return style.finish(figure, title, note, handles=handles, columns=3)


def _plot_mesh(axes: Axes, mesh: Mesh, *, size: float = 560, alpha: float = 0.55) -> dict[int, Any]:
    spots, uplinks = place_nodes(mesh), _links(mesh, across=True)
    gateways = {end for link in uplinks for end in (link.one, link.other)}
    for links, line, width in ((_links(mesh, across=False), ":", 1.1), (uplinks, "-", 2.0)):
        edges = [(link.one, link.other) for link in links]
        looks: Any = {"width": width, "edge_color": style.GREY, "style": line, "alpha": alpha}
        nx.draw_networkx_edges(mesh.graph, spots, edges, ax=axes, **looks)
    names = {i: node.name.removeprefix(f"{node.layer}-") for i, node in enumerate(mesh.nodes)}
    rings: Any = {"node_size": 2.0 * size, "node_color": "none", "edgecolors": style.INK, "linewidths": 1.2}
    discs: Any = {"node_size": size, "node_color": [_colour(node.layer) for node in mesh.nodes], "edgecolors": "white"}
    nx.draw_networkx_nodes(mesh.graph, spots, sorted(gateways), ax=axes, **rings)
    nx.draw_networkx_nodes(mesh.graph, spots, list(names), ax=axes, **discs)
    nx.draw_networkx_labels(mesh.graph, spots, names, 9, "white", font_weight="bold", ax=axes)
    axes.margins(0.09)
    axes.axis("off")
    return spots


def _layers(mesh: Mesh) -> list[str]:
    return list(dict.fromkeys(node.layer for node in mesh.nodes))


def _colour(layer: str) -> str:
    return LAYERS.get(layer, style.GREY)


def _links(mesh: Mesh, *, across: bool) -> list[Link]:
    """Return the links within layers, or those across."""
    layer = [node.layer for node in mesh.nodes]
    return [link for link in mesh.links if (layer[link.one] != layer[link.other]) == across]


def _describe_links(links: Sequence[Link]) -> str:
    if not links:
        return "none"
    far = sorted({1000 * link.latency for link in links})
    wide = sorted({link.bandwidth for link in links})
    return f"{'-'.join(f'{x:g}' for x in far)} ms, {'-'.join(f'{x:g}' for x in wide)} Mbit/s"


@style.styled
def plot_placement(trace: PlacementTrace) -> Figure:
    """Draw Fig. 2: how one training found its node, with what each node on the way saw and what was true."""
    steps = trace.steps
    figure, axes = style.canvas(1, 1 + len(steps), size=(3.9 + 2.9 * len(steps), 5.0))
    _plot_path(axes[0], trace)
    for number, (step, each) in enumerate(zip(steps, axes[1:], strict=True)):
        _plot_step(each, trace.mesh, step, number + 1)
    handles = [
        style.key("free CPU as the neighbour had published it", style.SKY, "s", ms=9),
        style.key("free CPU in truth", style.ORANGE, "d", ms=8),
        style.key("limit that the training is to get", style.RED, line="--"),
    ]
    first = steps[0]
    ages = [each.age(step.time) for step in steps for each in step.seen]
    note = (
        f"A training of job {first.request.job} in a simulated run, {first.time / 60:.1f} minutes in, period "
        f"{first.request.period:.0f} s. Views were {min(ages):.0f} to {max(ages):.0f} s old"
        + ("; one of them was wrong: it led to a node without room." if trace.misled else ".")
    )
    last, hops = steps[-1], len(steps) - 1
    end = f"ran on {trace.mesh.nodes[last.here.node].name}" if last.decision.run else "was dropped"
    title = f"Paper B, Fig. 2: a training {end} after {hops} hand-over{'s' * (hops != 1)}"
    return style.finish(figure, title, note, handles=handles, columns=3)


def _plot_path(axes: Axes, trace: PlacementTrace) -> None:
    spots = _plot_mesh(axes, trace.mesh, size=230, alpha=0.3)
    path = [step.here.node for step in trace.steps]
    arrow = {
        "arrowstyle": "-|>", "color": style.INK, "lw": 2.2, "shrinkA": 9, "shrinkB": 9,
        "connectionstyle": "arc3,rad=0.22",
    }  # fmt: skip
    for number, (one, other) in enumerate(zip(path, path[1:], strict=False), start=1):
        axes.annotate("", spots[other], spots[one], zorder=6, arrowprops=arrow)
        x, y = 0.5 * (spots[one] + spots[other])
        axes.text(x, y, str(number), fontsize=10, weight="bold", zorder=7, ha="center", va="center",
                  bbox={"boxstyle": "circle,pad=0.15", "fc": "white", "ec": style.INK})  # fmt: skip
    axes.set_title(f"{len(path) - 1} hand-overs", loc="left")


def _plot_step(axes: Axes, mesh: Mesh, step: TraceStep, number: int) -> None:
    rows = range(len(step.seen))
    axes.barh(rows, [each.cpu for each in step.seen], color=style.SKY, height=0.55)
    axes.plot([each.cpu for each in step.true], rows, "d", color=style.ORANGE, ms=8, zorder=4)
    for row, each in zip(rows, step.seen, strict=True):
        text = f" {each.age(step.time):.0f} s old, {1000 * each.latency:.0f} ms away"
        axes.text(0, row + 0.32, text, va="bottom", fontsize=7.5, color=style.INK, zorder=5, bbox={**_VEIL, "pad": 0.5})
    if step.decision.limit is not None:
        axes.axvline(step.decision.limit, ls="--", color=style.RED)
    axes.set_yticks(rows, [mesh.nodes[each.node].name for each in step.seen])
    for label, each in zip(axes.get_yticklabels(), step.seen, strict=True):
        label.set_fontweight("bold" if each.node == step.decision.node else "normal")
    axes.set_ylim(-0.6, max(len(step.seen), 1) - 0.15)
    axes.set_xlim(0, 1.05 * max([each.cpu for each in (*step.seen, *step.true)] or [1.0]))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("free CPU (millicores)")
    style.numbers(axes.xaxis)
    here = f"{number}. {mesh.nodes[step.here.node].name}, {step.here.cpu:.0f} m free"
    axes.set_title(f"{here}:\n{_describe_decision(mesh, step.decision)}", loc="left", fontsize=9.5)


def _describe_decision(mesh: Mesh, decision: Decision) -> str:
    limit = "" if decision.limit is None else f" ({decision.limit:.0f} m)"
    if decision.run:
        return f"runs here{limit}:\n{decision.reason}"
    goal = "dropped" if decision.node is None else f"to {mesh.nodes[decision.node].name}"
    why = str(decision.reason).replace(": ", ":\n") if decision.reason == Reason.INFEASIBLE else str(decision.reason)
    return f"{goal}{limit}:\n{why}"


@style.styled
def plot_edge_manager(trace: PlacementTrace, *, rules: Rules, limits: Limits) -> Figure:
    """Draw Fig. 3: the parts of an edge manager, from the code and from one that has run by some rules and limits."""
    figure, (axes,) = style.canvas(size=(12, 6.6))
    axes.set(xlim=(0, 120), ylim=(-1, 65))
    axes.axis("off")
    style.box(axes, (30, 0, 59, 62), style.INK, 0.0)
    axes.text(59.5, 59.4, "edge manager, one per node", ha="center", fontsize=11, weight="bold")
    here, job = trace.steps[0].here.node, trace.steps[0].request.job
    sees = f"{trace.mesh.nodes[here].name} sees {len(trace.mesh.neighbours[here])} neighbours"
    hops = f"at most {rules.hop_limit} hand-overs, then {rules.infeasible.replace('_', ' ')}"
    count = len(trace.history.limits)
    known = f"{count} node{'s' * (count != 1)}"
    rule = f"× {limits.down:g} or × {limits.up:g} by the {limits.rule};\na limit is known for {known}"
    view, heard = f"read through {code_name(NodeView)}", "broadcast to all of the same model"
    boxes: tuple[tuple[style.Box, str, Any, str, str], ...] = (
        ((0.5, 43, 25, 15), "mesh network", Mesh, style.GREEN, sees),
        ((0.5, 22, 25, 16), "prediction job", Job, style.PINK, "triggers a training each period"),
        ((0.5, 1, 25, 16), "training job", TrainingTimes, style.PINK, "its true times: never seen by LOS"),
        ((32, 42, 26, 16), "availability model", Availability, style.BLUE, view),
        ((61.5, 42, 26, 16), "job runtime model", RuntimeModel, style.BLUE, _describe_curve(trace.history)),
        ((32, 21, 26, 16), "scheduler (Algorithm 1)", schedule, style.ORANGE, hops),
        ((61.5, 21, 26, 16), "resource optimisation", Limits, style.ORANGE, rule),
        ((61.5, 1, 26, 15), "history of one job", JobHistory, style.BLUE, f"job {job}"),
        ((32, 1, 26, 15), "report of a training", TrainingReport, style.SKY, heard),
        ((93.5, 21, 26, 16), "request", Request, style.SKY, "handed over with its token"),
        ((93.5, 42, 26, 16), "decision", Decision, style.SKY, "every one with its reason"),
        ((93.5, 1, 26, 15), "edge managers of neighbours", schedule, style.GREEN, "the same decisions, recursively"),
    )  # fmt: skip
    for box in boxes:
        _plot_box(axes, *box)
    for path in (
        ((25.5, 50), (32, 50)), ((25.5, 30), (32, 30)), ((25.5, 8), (32, 8)), ((45, 42), (45, 37)),
        ((61.5, 44), (55, 37)), ((61.5, 29), (58, 29)), ((58, 8), (61.5, 8)), ((74.5, 16), (74.5, 21)),
        ((106.5, 42), (106.5, 37)), ((106.5, 21), (106.5, 16)),
        ((50, 37), (50, 39.5), (91.3, 39.5), (91.3, 50), (93.5, 50)), ((87.5, 8), (88.3, 8), (88.3, 50), (87.5, 50)),
    ):  # fmt: skip
        axes.plot(*zip(*path[:-1], strict=True), color=style.INK, lw=1.3)
        shape = {"arrowstyle": "-|>", "color": style.INK, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.3}
        axes.annotate("", path[-1], path[-2], arrowprops=shape)
    note = (
        "Boxes name a class of the code and its fields, or a function and what it takes; the last line is of one edge "
        "manager at the end of a simulated run."
    )
    title = f"Paper B, Fig. 3: an edge manager, from the code; it {sees.partition(' ')[2]} and knows limits for {known}"
    return style.finish(figure, title, note, handles=())


def list_fields(thing: Any) -> list[str]:
    """Return the public slots or fields of a class, or what a function takes."""
    slots = [name for name in getattr(thing, "__slots__", ()) if not name.startswith("_")]
    return slots or [name for name in inspect.signature(thing).parameters if not name.startswith("_")]


def code_name(thing: Any) -> str:
    """Return module and name of a class or function, without the package's own name."""
    return f"{thing.__module__.removeprefix('edgeresearch.')}.{thing.__qualname__}"


def _plot_box(axes: Axes, box: style.Box, title: str, thing: Any, colour: str, last: str) -> None:
    style.box(axes, box, colour, 0.16)
    left, bottom, width, height = box
    middle, top = left + width / 2, bottom + height
    axes.text(middle, top - 1.2, title, ha="center", va="top", fontsize=9.5, weight="bold")
    axes.text(middle, top - 4.0, code_name(thing), ha="center", va="top", fontsize=7.6, family="monospace")
    names = ", ".join(list_fields(thing))
    lines = "\n".join(textwrap.wrap(names, 42, max_lines=2, placeholder=" …", break_long_words=False))
    axes.text(middle, top - 6.6, lines, ha="center", va="top", fontsize=7.5, linespacing=1.2)
    axes.text(middle, bottom + 0.8, last, ha="center", va="bottom", fontsize=8, style="italic")


def _describe_curve(history: JobHistory) -> str:
    for kind in history.models:
        curve = history.curve(kind)
        if curve is not None:
            return f"{kind}: {curve.a:,.3g} (R + {curve.b:.0f})^-{curve.c:.2f} + {curve.d:.1f}"
    return "nothing learned yet"


@style.styled
def plot_latencies(latencies: pd.DataFrame, start: str) -> Figure:
    """Draw Fig. 4: latencies from the node `start` to others, while nodes move. From `network.latency_over_time`."""
    figure, (axes,) = style.canvas(size=(10, 4.2))
    for line, (goal, part) in zip(LINES * len(latencies), latencies.groupby("goal", sort=False), strict=False):
        count = int(part["hops"].iloc[0])
        label = f"to {'an' if str(goal)[0] in 'aeiou' else 'a'} {goal} node ({count} link{'s' * (count > 1)})"
        axes.plot(part["seconds"] / 3600, part["milliseconds"], line, color=_colour(str(goal)), label=label)
    axes.set(xlabel="time (hours)", ylabel="latency, one way (ms)", ylim=(0, None))
    axes.margins(x=0.01)
    note = (
        "Simulated: each edge node's interface adds a latency that rises and falls as the node moves. The paper's "
        "figure states no numbers that could be held against it."
    )
    ends = latencies.groupby("goal", sort=False)["milliseconds"].agg(["min", "max"])
    words = ", ".join(f"{goal} {row['min']:.0f} to {row['max']:.0f} ms" for goal, row in ends.iterrows())
    title = f"Paper B, Fig. 4: latencies from {start} as nodes move: {words}"
    return style.finish(figure, title, note, columns=3)
