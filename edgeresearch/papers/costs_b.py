"""What the trainings of Paper B's streams cost on a machine: measured times, eq. 1 fitted to them, and its reach."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from edgeresearch.papers.generated_b import GENERATED
from edgeresearch.plotting import style
from edgeresearch.profiling.training_cost import Calibration, Model
from edgeresearch.scheduling.runtime_model import Curve

NAMES = {"lstm": "LSTM"}
WIDER = 3.0
"""The axis reaches so many times beyond the measured limits."""
_TICKS = (30, 50, 100, 200, 400, 800, 1600)


@style.styled
def figure(calibration: Calibration) -> Figure:
    """Draw measured training times against CPU limits, eq. 1, and where it only extrapolates.

    Args:
        calibration: What `edgeresearch calibrate` measured.
    """
    names = list(calibration.models)
    figure, axes = style.canvas(1, len(names), size=(1.5 + 5 * len(names), 4.8), sharey=True)
    for name, each in zip(names, axes, strict=True):
        _model(each, name, calibration.models[name])
    axes[0].set_ylabel("time of a training (s)")
    handles = [
        Line2D([], [], marker="o", ls="", color=style.BLUE, alpha=0.7, label="a training, measured"),
        Line2D([], [], color=style.ORANGE, label="eq. 1, fitted"),
        Line2D([], [], color=style.ORANGE, ls="--", label="eq. 1, extrapolated"),
        Patch(color=style.GREY, alpha=0.25, label="no measurements"),
    ]
    low, median, high = calibration.load
    note = (
        f"{calibration.samples:,} cached samples; limits kept by {calibration.throttle}; "
        f"{calibration.machine['processor']}, {calibration.machine['cores']} cores, load {median:.1f} ({low:.1f} to "
        f"{high:.1f}). Times of this machine, not of the paper's."
    )
    style.legend(figure, note, handles=handles)
    figure.suptitle("What a training takes under a CPU limit (Paper B, eq. 1)", x=0.01, ha="left")
    return figure


def _model(axes: Axes, name: str, model: Model) -> None:
    region, curve = model.sampled, Curve(**model.curve.model_dump())
    low, high = region.low / WIDER, region.high * WIDER
    for begin, end in ((low, region.low), (region.high, high)):
        axes.axvspan(begin, end, color=style.GREY, alpha=0.25, lw=0)
        limits = np.geomspace(begin, end, 40)
        axes.plot(limits, [curve.seconds(limit) for limit in limits], "--", color=style.ORANGE)
    limits = np.geomspace(region.low, region.high, 80)
    axes.plot(limits, [curve.seconds(limit) for limit in limits], color=style.ORANGE)
    axes.plot([run.limit for run in model.runs], [run.seconds for run in model.runs], "o", color=style.BLUE, alpha=0.7)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if low <= tick <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_minor_locator(NullLocator())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("CPU limit (millicores)")
    a, b, c, d = curve
    generated = f": {GENERATED}" if model.data.startswith("pollution") else ""
    made = "" if model.real else " (synthetic)"
    axes.set_title(f"{NAMES.get(name, name)} on {model.data}{made}{generated}", loc="left", fontsize=10)
    said = (
        f"t = {a:.4g} · (R + {b:.3g})$^{{-{c:.3g}}}$ + {d:.2g} s\n"
        f"limits held out: {model.held_out_limits.median_percent:.0f} % off (median)"
    )
    axes.text(0.97, 0.97, said, transform=axes.transAxes, ha="right", va="top", fontsize=9)
