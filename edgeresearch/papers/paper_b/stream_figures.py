"""The Aarhus streams of Paper B: what detectors see, that pollution is a generated random walk, injected anomalies."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy import stats

from edgeresearch.anomaly.evaluation import Event
from edgeresearch.anomaly.identity import Array
from edgeresearch.data.trace import Trace
from edgeresearch.papers.detection import DetectorOutput
from edgeresearch.papers.paper_b.labels import ANOMALIES, DETECTORS, GENERATED
from edgeresearch.papers.traces import autocorrelation
from edgeresearch.plotting import style

UNITS: Mapping[str, str] = {
    "vehicle_count": "vehicles\nper 5 min",
    "avg_speed": "average\nspeed (km/h)",
    "avg_measured_time": "travel\ntime (s)",
    "particullate_matter": "particulate\nmatter",
    "sulfure_dioxide": "sulphur\ndioxide",
}
"""Channels whose names say too little, or are misspelt by the publisher; pollutants have no unit."""

STEP = 5
"""Nearly all increments of the pollution files are whole numbers from -5 to 5."""


@style.styled
def plot_streams(traces: Sequence[Trace], train: int, samples: int) -> Figure:
    """Draw as many channels of each sensor over the stretch that is used: the first training, and what is judged.

    Args:
        traces: One sensor each, side by side.
        train: Samples of the first training.
        samples: Samples behind it.
    """
    most = min(trace.frame.shape[1] for trace in traces)
    figure, axes = style.canvas(most, len(traces), size=(1 + 5.5 * len(traces), 1.4 + 1.3 * most))
    for at, trace in enumerate(traces):
        column, frame, generated = axes[at :: len(traces)], trace.frame.iloc[: train + samples], _is_generated(trace)
        for name, each in zip(frame, column, strict=False):
            each.plot(frame.index, frame[name], color=style.ORANGE if generated else style.BLUE, lw=0.8)
            each.axvspan(frame.index[0], frame.index[min(train, len(frame)) - 1], color=style.GREY, alpha=0.2, lw=0)
            each.set_ylabel(_label(str(name)), fontsize=8.5)
            each.margins(x=0.01)
            style.dates(each)
        for each in column[:-1]:
            each.tick_params(labelbottom=False)
        channels = frame.shape[1]
        column[0].set_title(_title(trace) + f" ({most} of {channels} channels)" * (channels > most), loc="left")
    note = (
        f"Every 5 minutes; gaps are missing values. Grey: first training, {train:,} samples. Pollutants have no unit."
    )
    style.mark(figure, note)
    figure.suptitle("Streams of two sensors, before anomalies are injected", x=0.01, ha="left")
    return figure


@style.styled
def plot_example(
    trace: Trace, values: Array, events: Sequence[Event], outputs: Mapping[str, DetectorOutput], *, shown: int
) -> Figure:
    """Draw the beginning of a judged stretch with its anomalies, and scores and alarms of some detectors.

    Args:
        trace: The sensor.
        values: All samples with anomalies, `(samples, channels)`, the training samples first.
        events: Anomalies, counted from the end of the training samples.
        outputs: Scores and alarms by detector.
        shown: Samples that are drawn, at most.
    """
    begin = len(values) - len(next(iter(outputs.values())).scores)
    times = trace.frame.index[begin : min(begin + shown, len(values))]
    end = begin + len(times)
    channels = [str(name) for name in trace.frame]
    count = len(channels) + len(outputs)
    figure, axes = style.canvas(count, size=(12, 1.8 + 1.05 * count), sharex=True)
    for number, each in enumerate(axes[: len(channels)]):
        each.plot(times, trace.frame.iloc[begin:end, number], color=style.GREY, lw=0.8)
        each.plot(times, values[begin:end, number], color=style.INK, lw=0.8)
        each.set_ylabel(_label(channels[number]), fontsize=8.5)
    for (name, output), each in zip(outputs.items(), axes[len(channels) :], strict=True):
        label, colour, _, _ = DETECTORS[name]
        scores, alarms = output.scores[: len(times)], output.alarms[: len(times)]
        each.plot(times, scores, color=colour, lw=0.8)
        each.plot(times[alarms], scores[alarms], "o", color=style.INK, ms=3.5)
        lines = label.removeprefix("IFTM: ").replace(", ", ",\n").replace(" (", "\n(")
        each.set_ylabel(f"score\n{lines}", fontsize=8)
    for event in (event for event in events if event.begin < len(times)):
        first, last = times[event.begin] - trace.step / 2, times[min(event.end, len(times)) - 1] + trace.step / 2
        for number, each in enumerate(axes):
            alpha = 0.35 if number >= len(channels) or number in event.channels else 0.1
            each.axvspan(first, last, color=ANOMALIES[event.kind], alpha=alpha, lw=0, zorder=0)
    style.dates(axes[-1])
    axes[0].set_xlim(times[0], times[-1])
    handles: list[Patch | Line2D] = [Patch(color=colour, alpha=0.45, label=name) for name, colour in ANOMALIES.items()]
    handles += [
        Line2D([], [], color=style.GREY, label="without anomalies"),
        Line2D([], [], marker="o", ls="", ms=5, color=style.INK, label="alarm"),
    ]
    note = "Shaded: injected anomalies, darker on the channels that they befall. Scores have no unit."
    style.legend(figure, note, handles=handles, columns=7)
    figure.suptitle(f"{_title(trace)}, with injected anomalies and what is said of it", x=0.01, ha="left")
    return figure


def measure_increments(traces: Sequence[Trace]) -> pd.DataFrame:
    """Measure of each column of some traces what tells a random walk from a measurement.

    Returns:
        One row per series: `kind`, `sensor`, `series`; `share`, of the increments that are whole numbers from -5 to 5,
        and `uniform_p`, whether these are equally frequent (chi-square test; high: nothing speaks against it);
        `increment_lag_1` and `increment_day`, the increments' autocorrelation at a step and at a day (0 for a walk);
        `growth`, the variance of the changes over 12 hours against 144 times that of a step (1 for a walk, less where
        bounds or a cycle hold it back); `daily_swing`, highest less lowest mean by hour of day in standard deviations.
    """
    rows = []
    for trace in traces:
        kind, _, sensor = trace.name.partition("_")
        day = round(pd.Timedelta("1D") / trace.step)
        for name, values in trace.frame.items():
            steps = values.diff()
            seen = steps.dropna()
            usual = seen[(seen % 1 == 0) & (seen.abs() <= STEP)]
            counts = usual.value_counts().reindex(range(-STEP, STEP + 1), fill_value=0)
            by_hour = values.groupby(pd.DatetimeIndex(trace.frame.index).hour).mean()
            rows.append(
                {
                    **{"kind": kind, "sensor": sensor, "series": str(name), "share": len(usual) / len(seen)},
                    "uniform_p": float(stats.chisquare(counts).pvalue) if len(usual) else float("nan"),
                    "increment_lag_1": autocorrelation(steps, 1),
                    "increment_day": autocorrelation(steps, day),
                    "growth": float(values.diff(day // 2).var() / (day // 2 * seen.var())),
                    "daily_swing": float((by_hour.max() - by_hour.min()) / values.std()),
                }
            )
    return pd.DataFrame(rows)


@style.styled
def plot_increments(traces: Sequence[Trace]) -> Figure:
    """Draw of the first column of each trace: its increments, their autocorrelation and its own, its mean by hour.

    Args:
        traces: Traffic and pollution.
    """
    figure, axes = style.canvas(len(traces), 3, size=(12, 0.9 + 2.4 * len(traces)))
    for at, trace in enumerate(traces):
        left, middle, right = axes[3 * at : 3 * at + 3]
        values = trace.values
        colour = style.ORANGE if _is_generated(trace) else style.BLUE
        _plot_steps(left, values.diff().dropna(), colour)
        _plot_memory(middle, values, round(pd.Timedelta("1D") / trace.step), colour)
        _plot_hours(right, values, colour)
        left.set_title(_title(trace, f", {values.name}"), loc="left")
        left.set_ylabel("increments (%)")
        right.set_ylabel(trace.unit)
    minutes = f"{traces[-1].step.total_seconds() / 60:g} min"
    for each, words in zip(axes[-3:], (f"change over {minutes}", "lag (days)", "hour of day (UTC)"), strict=True):
        each.set_xlabel(words)
    note = (
        "Left: how often the value changes by how much. Middle: autocorrelation of the values (line) and of their "
        "changes (grey). Right: mean by hour, band: middle half. A random walk has equal, unrelated changes and no "
        "daily cycle."
    )
    style.mark(figure, note)
    figure.suptitle("Pollution is a generated random walk, traffic is measured", x=0.01, ha="left")
    return figure


def _plot_steps(axes: Axes, steps: pd.Series, colour: str) -> None:
    widest = max(2 * STEP, int(steps.abs().quantile(0.99)))
    counts = steps[steps.abs() <= widest].round().value_counts().sort_index()
    axes.bar(counts.index, 100 * counts / len(steps), 0.85, color=colour)
    axes.grid(axis="x", visible=False)


def _plot_memory(axes: Axes, values: pd.Series, day: int, colour: str, days: int = 4) -> None:
    lags = np.unique(np.round(np.linspace(1, days * day, 16 * days + 1)).astype(int))
    axes.plot(lags / day, [autocorrelation(values, int(lag)) for lag in lags], color=colour)
    axes.plot(lags / day, [autocorrelation(values.diff(), int(lag)) for lag in lags], color=style.GREY, lw=1)
    axes.axhline(0, color=style.INK, lw=0.8)
    axes.set(ylim=(-0.6, 1.05), ylabel="autocorrelation")


def _plot_hours(axes: Axes, values: pd.Series, colour: str) -> None:
    groups: Any = values.groupby(pd.DatetimeIndex(values.index).hour)
    axes.fill_between(range(24), groups.quantile(0.25), groups.quantile(0.75), color=colour, alpha=0.25, lw=0)
    axes.plot(range(24), groups.mean(), color=colour)
    axes.set_xticks(range(0, 25, 6))
    axes.set_ylim(0, max(1.0, 1.15 * float(groups.quantile(0.75).max())))


def _is_generated(trace: Trace) -> bool:
    return trace.name.startswith("pollution")


def _title(trace: Trace, more: str = "") -> str:
    return f"{trace.label}{more}" + (f": {GENERATED}" if _is_generated(trace) else "")


def _label(channel: str) -> str:
    return UNITS.get(channel, channel.replace("_", "\n"))
