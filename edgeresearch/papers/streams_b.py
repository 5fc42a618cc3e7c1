"""What detectors see: the Aarhus streams of Paper B, and one of them with anomalies and what was said of it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from edgeresearch.anomaly.base import Array
from edgeresearch.anomaly.evaluation import Event
from edgeresearch.data.trace import Trace
from edgeresearch.papers.anomaly_b import DETECTORS
from edgeresearch.papers.detection import Seen
from edgeresearch.papers.generated_b import GENERATED
from edgeresearch.plotting import style

UNITS: Mapping[str, str] = MappingProxyType(
    {
        "vehicle_count": "vehicles\nper 5 min",
        "avg_speed": "average\nspeed (km/h)",
        "avg_measured_time": "travel\ntime (s)",
        "particullate_matter": "particulate\nmatter",
        "sulfure_dioxide": "sulphur\ndioxide",
    }
)
"""Channels whose names say too little, or are misspelt by the publisher; pollutants have no unit."""

ANOMALIES: Mapping[str, str] = MappingProxyType(
    {
        "spike": style.RED,
        "shift": style.BLUE,
        "drift": style.GREEN,
        "stuck": style.PINK,
        "missing": style.GREY,
    }
)
"""Kinds of anomalies and their colours."""


@style.styled
def streams(traces: Sequence[Trace], train: int, samples: int) -> Figure:
    """Draw as many channels of each sensor over the stretch that is used: the first training, and what is judged.

    Args:
        traces: One sensor each, side by side.
        train: Samples of the first training.
        samples: Samples behind it.
    """
    most = min(trace.frame.shape[1] for trace in traces)
    figure, axes = style.canvas(most, len(traces), size=(1 + 5.5 * len(traces), 1.4 + 1.3 * most))
    grid = np.reshape(np.array(axes, dtype=object), (most, len(traces)))
    for trace, column in zip(traces, grid.T, strict=True):
        frame = trace.frame.iloc[: train + samples]
        generated = trace.name.startswith("pollution")
        for name, each in zip(frame, column, strict=False):
            each.plot(frame.index, frame[name], color=style.ORANGE if generated else style.BLUE, lw=0.8)
            each.axvspan(frame.index[0], frame.index[min(train, len(frame)) - 1], color=style.GREY, alpha=0.2, lw=0)
            each.set_ylabel(_named(str(name)), fontsize=8.5)
            each.margins(x=0.01)
            style.dates(each)
        for each in column[:-1]:
            each.tick_params(labelbottom=False)
        more = frame.shape[1] - most
        words = f"{trace.label}: {GENERATED}" if generated else trace.label
        column[0].set_title(words + (f" ({most} of {most + more} channels)" if more else ""), loc="left")
    note = (
        f"Every 5 minutes; gaps are missing values. Grey: first training, {train:,} samples. Pollutants have no unit."
    )
    style.mark(figure, note)
    figure.suptitle("Streams of two sensors, before anomalies are injected", x=0.01, ha="left")
    return figure


@style.styled
def example(trace: Trace, values: Array, events: Sequence[Event], seen: Mapping[str, Seen], *, shown: int) -> Figure:
    """Draw the beginning of a judged stretch with its anomalies, and what some detectors said of it.

    Args:
        trace: The sensor.
        values: All samples with anomalies, `(samples, channels)`, the training samples first.
        events: Anomalies, counted from the end of the training samples.
        seen: Scores and alarms by detector.
        shown: Samples that are drawn, at most.
    """
    begin = len(values) - len(next(iter(seen.values())).scores)
    times = trace.frame.index[begin : min(begin + shown, len(values))]
    end = begin + len(times)
    channels = [str(name) for name in trace.frame]
    count = len(channels) + len(seen)
    figure, axes = style.canvas(count, size=(12, 1.8 + 1.05 * count), sharex=True)
    for number, each in enumerate(axes[: len(channels)]):
        each.plot(times, trace.frame.iloc[begin:end, number], color=style.GREY, lw=0.8)
        each.plot(times, values[begin:end, number], color=style.INK, lw=0.8)
        each.set_ylabel(_named(channels[number]), fontsize=8.5)
    for (name, said), each in zip(seen.items(), axes[len(channels) :], strict=True):
        _said(each, times, name, said)
    for event in (event for event in events if event.begin < len(times)):
        last = min(event.end, len(times)) - 1
        for number, each in enumerate(axes):
            here = number >= len(channels) or number in event.channels
            each.axvspan(
                times[event.begin] - trace.step / 2, times[last] + trace.step / 2, color=ANOMALIES[event.kind],
                alpha=0.35 if here else 0.1, lw=0, zorder=0,
            )  # fmt: skip
    style.dates(axes[-1])
    axes[0].set_xlim(times[0], times[-1])
    handles: list[Patch | Line2D] = [Patch(color=colour, alpha=0.45, label=name) for name, colour in ANOMALIES.items()]
    handles += [
        Line2D([], [], color=style.GREY, label="without anomalies"),
        Line2D([], [], marker="o", ls="", ms=5, color=style.INK, label="alarm"),
    ]
    said_of = f": {GENERATED}" if trace.name.startswith("pollution") else ""
    note = "Shaded: injected anomalies, darker on the channels that they befall. Scores have no unit."
    style.legend(figure, note, handles=handles, columns=7)
    figure.suptitle(f"{trace.label}{said_of}, with injected anomalies and what is said of it", x=0.01, ha="left")
    return figure


def _said(axes: Axes, times: pd.Index, name: str, seen: Seen) -> None:
    words, colour, _, _ = DETECTORS[name]
    scores, alarms = seen.scores[: len(times)], seen.alarms[: len(times)]
    axes.plot(times, scores, color=colour, lw=0.8)
    axes.plot(times[alarms], scores[alarms], "o", color=style.INK, ms=3.5)
    axes.set_ylabel("score\n" + words.removeprefix("IFTM: ").replace(", ", ",\n").replace(" (", "\n("), fontsize=8)


def _named(channel: str) -> str:
    return UNITS.get(channel, channel.replace("_", "\n"))
