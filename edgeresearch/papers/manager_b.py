"""Paper B's Fig. 3: the parts of an edge manager, drawn from the modules and from one that has run."""

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from pydantic import BaseModel

from edgeresearch.emulator.network import Mesh
from edgeresearch.emulator.view import NodeView
from edgeresearch.emulator.workload import Job, TrainingTimes
from edgeresearch.papers.placement_trace import PlacementTrace
from edgeresearch.plotting import style
from edgeresearch.scheduling.job_history import JobHistory
from edgeresearch.scheduling.los import schedule
from edgeresearch.scheduling.messages import Availability, Decision, Request, TrainingReport
from edgeresearch.scheduling.runtime_model import RuntimeModel
from edgeresearch.scheduling.settings import Limits, Rules

Place = tuple[float, float, float, float]


def parts(kind: type[Any] | Callable[..., Any]) -> list[str]:
    """Return the public parts of a class by their names in the code: its fields, or its slots."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return list(kind.model_fields)
    if is_dataclass(kind):
        return [each.name for each in fields(kind) if not each.name.startswith("_")]
    named: Any = getattr(kind, "_fields", None) or getattr(kind, "__slots__", ())
    return [name for name in named if not name.startswith("_")]


def origin(thing: Any) -> str:
    """Return module and name of a class or function, without the package's own name."""
    return f"{thing.__module__.removeprefix('edgeresearch.')}.{thing.__qualname__}"


@style.styled
def figure3(trace: PlacementTrace, *, rules: Rules, limits: Limits) -> Figure:
    """Draw Paper B, Fig. 3.

    Args:
        trace: Of a run, with what its job's models had learned by the end.
        rules: Of Algorithm 1 in that run.
        limits: Of the CPU in that run.
    """
    figure, (axes,) = style.canvas(size=(12, 6.6))
    axes.set(xlim=(0, 120), ylim=(-1, 65))
    axes.axis("off")
    _frame(axes, (30, 0, 59, 62), style.INK, 0.0)
    axes.text(59.5, 59.4, "edge manager, one per node", ha="center", fontsize=11, weight="bold")
    around = trace.mesh.neighbours[trace.steps[0].here.node]
    here = trace.mesh.nodes[trace.steps[0].here.node].name
    _box(axes, (0.5, 43, 25, 15), "mesh network", Mesh, style.GREEN, f"{here} sees {len(around)} neighbours")
    _box(axes, (0.5, 22, 25, 16), "prediction job", Job, style.PINK, "triggers a training each period")
    _box(axes, (0.5, 1, 25, 16), "training job", TrainingTimes, style.PINK, "its true times: never seen by LOS")
    _box(axes, (32, 42, 26, 16), "availability model", Availability, style.BLUE, f"read through {origin(NodeView)}")
    _box(axes, (61.5, 42, 26, 16), "job runtime model", RuntimeModel, style.BLUE, _fitted(trace.history))
    scheduler = f"at most {rules.hop_limit} hand-overs, then {rules.infeasible.replace('_', ' ')}"
    _box(axes, (32, 21, 26, 16), "scheduler (Algorithm 1)", schedule, style.ORANGE, scheduler, Rules)
    rule = f"× {limits.down:g} or × {limits.up:g} by the {limits.rule};\n{len(trace.history.limits)} nodes have a limit"
    _box(axes, (61.5, 21, 26, 16), "resource optimisation", Limits, style.ORANGE, rule)
    _box(axes, (61.5, 1, 26, 15), "history of one job", JobHistory, style.BLUE, f"job {trace.steps[0].request.job}")
    _box(axes, (32, 1, 26, 15), "report of a training", TrainingReport, style.SKY, "broadcast to all of the same model")
    _box(axes, (93.5, 21, 26, 16), "request", Request, style.SKY, "handed over with its token")
    _box(axes, (93.5, 42, 26, 16), "decision", Decision, style.SKY, "every one with its reason")
    _box(
        axes, (93.5, 1, 26, 15), "edge managers of neighbours", schedule, style.GREEN, "the same decisions, recursively"
    )
    for way in (
        ((25.5, 50), (32, 50)), ((25.5, 30), (32, 30)), ((25.5, 8), (32, 8)), ((45, 42), (45, 37)),
        ((61.5, 44), (55, 37)), ((61.5, 29), (58, 29)), ((58, 8), (61.5, 8)), ((74.5, 16), (74.5, 21)),
        ((106.5, 42), (106.5, 37)), ((106.5, 21), (106.5, 16)),
        ((50, 37), (50, 39.5), (91.3, 39.5), (91.3, 50), (93.5, 50)), ((87.5, 8), (88.3, 8), (88.3, 50), (87.5, 50)),
    ):  # fmt: skip
        _arrow(axes, way)
    said = (
        "Boxes name the class or function of the code and its fields; the last line is of one edge manager at the end "
        "of a simulated run."
    )
    style.mark(figure, said)
    figure.suptitle("Paper B, Fig. 3: the parts of an edge manager, drawn from the code", x=0.01, ha="left")
    return figure


def _fitted(known: JobHistory) -> str:
    for kind in known.models:
        curve = known.curve(kind)
        if curve is not None:
            return f"{kind}: {curve.a:,.3g} (R + {curve.b:.0f})^-{curve.c:.2f} + {curve.d:.1f}"
    return "nothing learned yet"


def _box(
    axes: Axes, place: Place, title: str, thing: Any, colour: str, last: str, fields_of: type[Any] | None = None
) -> None:
    _frame(axes, place, colour, 0.16)
    left, bottom, width, height = place
    middle = left + width / 2
    axes.text(middle, bottom + height - 1.2, title, ha="center", va="top", fontsize=9.5, weight="bold")
    axes.text(middle, bottom + height - 4.0, origin(thing), ha="center", va="top", fontsize=8.5, family="monospace")
    named = parts(fields_of or thing)
    lines = _wrapped(named, 42)
    axes.text(middle, bottom + height - 6.6, lines, ha="center", va="top", fontsize=7.5, linespacing=1.2)
    axes.text(middle, bottom + 0.8, last, ha="center", va="bottom", fontsize=8, style="italic")


def _wrapped(words: list[str], width: int, most: int = 2) -> str:
    lines = [""]
    for at, word in enumerate(words):
        piece = word if at == len(words) - 1 else f"{word}, "
        if len(lines[-1]) + len(piece) > width:
            if len(lines) == most:
                return "\n".join([*lines[:-1], f"{lines[-1].rstrip(', ')}, …"])
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def _frame(axes: Axes, place: Place, colour: str, alpha: float) -> None:
    left, bottom, width, height = place
    box: Any = {"boxstyle": "round,pad=0,rounding_size=1.2", "linewidth": 1.3, "edgecolor": colour}
    axes.add_patch(FancyBboxPatch((left, bottom), width, height, facecolor=(*to_rgb(colour), alpha), **box))


def _arrow(axes: Axes, way: Sequence[tuple[float, float]]) -> None:
    axes.plot(*zip(*way[:-1], strict=True), color=style.INK, lw=1.3)
    shape = {"arrowstyle": "-|>", "color": style.INK, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.3}
    axes.annotate("", way[-1], way[-2], arrowprops=shape)
