"""Paper B's anomaly detection (section VI.A): every detector on the Aarhus streams, and what trainings cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from edgeresearch.papers.paper_b.labels import ANOMALIES, DETECTORS, GENERATED, KINDS, present
from edgeresearch.plotting import style
from edgeresearch.profiling.training_cost import Calibration, ModelCalibration

METRICS: Mapping[str, str] = {
    "event_f1": "event F1",
    "auc_pr": "AUC-PR",
    "point_f1": "point F1",
    "point_adjusted_f1_inflated": "point-adjusted F1\n(inflated)",
    "false_alarms_per_day": "false alarms per day",
    "delay": "delay of those\nfound (minutes)",
}
"""What is drawn of each detector."""
SHARES = ("event_f1", "auc_pr", "point_f1", "point_adjusted_f1_inflated")
POOLED = "pooled"
WIDER = 3.0
"""The axis of training costs reaches so many times beyond the measured limits."""
_TICKS = (30, 50, 100, 200, 400, 800, 1600)


@style.styled
def plot_detectors(table: pd.DataFrame) -> Figure:
    """Draw every measure of every detector: pooled with its interval, and each sensor as a dot. From `anomaly.csv`."""
    kinds, names = present(KINDS, table["kind"]), present(DETECTORS, table["detector"])
    figure, axes = style.canvas(len(kinds), len(METRICS), size=(15, 1.3 + (0.9 + 0.36 * len(names)) * len(kinds)))
    for at, kind in enumerate(kinds):
        row = axes[at * len(METRICS) :][: len(METRICS)]
        for (metric, words), each in zip(METRICS.items(), row, strict=True):
            _plot_metric(each, table[table["kind"] == kind], names, metric)
            if kind == kinds[-1]:
                each.set_xlabel(words)
        row[0].set_yticks([-line for line in range(len(names))], [DETECTORS[name][0] for name in names])
        row[0].set_title(KINDS[kind], loc="left")
    handles = [
        Line2D([], [], marker="o", ls="", color=style.INK, label="mean over the sensors, with its 95 % interval"),
        Line2D([], [], marker=".", ls="", color=style.GREY, label="a sensor"),
        Line2D([], [], marker="|", ls="", ms=11, mew=2, color=style.INK, label="at the best fixed level, by labels"),
    ]
    note = (
        "Anomalies are injected into the streams; no detector sees the labels. The upright mark is what a detector's "
        "scores would allow with the level that is best for event F1: no result, as it takes the labels. Point "
        "adjustment inflates F1: an event with a single alarm counts as found throughout."
    )
    style.legend(figure, note, handles=handles)
    figure.suptitle("Every detector on the Aarhus streams", x=0.01, ha="left")
    return figure


def _plot_metric(axes: Axes, table: pd.DataFrame, names: Sequence[str], metric: str) -> None:
    for at, name in enumerate(names):
        _, colour, marker, filled = DETECTORS[name]
        mine = table[table["detector"] == name]
        sensors = mine.loc[mine["sensor"] != POOLED, metric]
        axes.plot(sensors, np.full(len(sensors), -at - 0.24), ".", color=style.GREY, ms=4, alpha=0.7)
        pooled = mine[mine["sensor"] == POOLED].iloc[:1]
        bars = style.error_bars(pooled, metric)
        face = colour if filled else "white"
        axes.errorbar(pooled[metric], -at, xerr=bars, color=colour, marker=marker, mfc=face, ms=7, capsize=3)
        if metric == "event_f1":
            axes.plot(pooled["event_f1_best"], -at, "|", color=style.INK, ms=11, mew=2)
    axes.set_ylim(-len(names) + 0.4, 0.6)
    axes.set_yticks([-at for at in range(len(names))], [])
    axes.grid(axis="y", visible=False)
    right = max(0.7 if metric in SHARES else 0.0, 1.05 * axes.get_xlim()[1])
    axes.set_xlim(-0.04 * right, right)


@style.styled
def plot_sensors(table: pd.DataFrame) -> Figure:
    """Draw the event F1 of every detector on every sensor. From `anomaly.csv`."""
    kinds, names = present(KINDS, table["kind"]), present(DETECTORS, table["detector"])
    alone = table[table["sensor"] != POOLED]
    most = int(alone.groupby("kind")["sensor"].nunique().max())
    figure, axes = style.canvas(1, len(kinds), size=(4 + 4.8 * len(kinds), 1.7 + 0.34 * (most + 4)), sharey=False)
    for kind, each in zip(kinds, axes, strict=True):
        cells = alone[alone["kind"] == kind].pivot(index="sensor", columns="detector", values="event_f1")[names]
        _plot_heat_map(each, cells.rename(columns={name: DETECTORS[name][0] for name in names}), "{:.2f}")
        each.set_title(KINDS[kind], loc="left")
        each.set_ylabel("sensor")
    style.mark(figure, f"Mean over draws of anomalies and first weights: {int(table['seeds'].max())} on each sensor.")
    figure.suptitle("Event F1, sensor by sensor", x=0.01, ha="left")
    return figure


@style.styled
def plot_anomaly_kinds(shares: pd.DataFrame) -> Figure:
    """Draw which share of each kind of anomaly every detector finds. From `anomaly_kinds.csv`."""
    kinds, names = present(KINDS, shares["kind"]), present(DETECTORS, shares["detector"])
    figure, axes = style.canvas(1, len(kinds), size=(3.2 + 4.4 * len(kinds), 1.9 + 0.36 * len(names)))
    for kind, each in zip(kinds, axes, strict=True):
        mine = shares[shares["kind"] == kind]
        cells = 100 * mine.pivot(index="detector", columns="anomaly", values="detected").loc[names]
        _plot_heat_map(each, cells[present(ANOMALIES, mine["anomaly"])], "{:.0f}")
        each.set_yticks(range(len(names)), [DETECTORS[name][0] for name in names] if each is axes[0] else [])
        each.set_title(KINDS[kind], loc="left")
    note = (
        "Share (%) of the events of a kind that have at least one alarm, all sensors and draws together. A row without "
        "any value has no score, so that no detector here can find a burst of missing ones. More found may mean more "
        "false alarms."
    )
    style.mark(figure, note)
    figure.suptitle("Which kinds of anomalies are found (%)", x=0.01, ha="left")
    return figure


def _plot_heat_map(axes: Axes, cells: pd.DataFrame, form: str) -> None:
    values = cells.to_numpy(dtype=float)
    top = max(float(np.nanmax(values, initial=0.0)), 1e-9)
    axes.imshow(values, cmap="cividis", vmin=0, vmax=top, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        text = "" if np.isnan(value) else form.format(value)
        colour = "white" if value < 0.55 * top else style.INK
        axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=colour)
    axes.set_yticks(range(len(cells)), [str(name) for name in cells.index])
    axes.set_xticks(range(cells.shape[1]), [str(name) for name in cells], rotation=35, ha="right")
    axes.grid(visible=False)


@style.styled
def plot_differences(pairs: pd.DataFrame) -> Figure:
    """Draw how much IFTM's event F1 exceeds that of the other detectors on the same streams.

    From `anomaly_pairs.csv`.
    """
    kinds = present(KINDS, pairs["kind"])
    whose = list(dict.fromkeys(zip(pairs["detector"], pairs["other"], strict=True)))
    figure, axes = style.canvas(1, len(kinds), size=(4.2 + 4.4 * len(kinds), 1.9 + 0.3 * len(whose)), sharey=True)
    for kind, each in zip(kinds, axes, strict=True):
        mine: Any = pairs[pairs["kind"] == kind].set_index(["detector", "other", "metric"])
        for at, (one, other) in enumerate(whose):
            looks = (("event_f1", 0.13, "o", DETECTORS[one][1]), ("event_f1_best", -0.17, "|", style.INK))
            for metric, shift, marker, colour in looks:
                row = mine.loc[[(one, other, metric)]]
                bars = style.error_bars(row, "difference")
                each.errorbar(row["difference"], shift - at, xerr=bars, color=colour, marker=marker, ms=6, capsize=2)
        each.axvline(0, color=style.INK, lw=1)
        each.set_xlabel("difference of event F1")
        each.set_title(KINDS[kind], loc="left")
        each.grid(axis="y", visible=False)
    labels = [f"{DETECTORS[one][0]}  –  {DETECTORS[other][0]}" for one, other in whose]
    axes[0].set_yticks([-at for at in range(len(whose))], labels)
    axes[0].set_ylim(-len(whose) + 0.4, 0.6)
    handles = [
        Line2D([], [], marker="o", color=style.BLUE, label="LSTM, each with its own threshold"),
        Line2D([], [], marker="o", color=style.ORANGE, label="autoencoder, likewise"),
        Line2D([], [], marker="|", color=style.INK, label="each at the best fixed level, by labels"),
    ]
    count = int(pairs["sensors"].max())
    note = f"Right of zero: IFTM is better. Paired on the same streams; bars: 95 % over {count} sensors."
    style.legend(figure, note, handles=handles)
    figure.suptitle("IFTM against the other detectors", x=0.01, ha="left")
    return figure


@style.styled
def plot_training_costs(calibration: Calibration) -> Figure:
    """Draw measured training times against CPU limits, eq. 1, and where it only extrapolates.

    Args:
        calibration: What `edgeresearch calibrate` measured.
    """
    models = calibration.models
    figure, axes = style.canvas(1, len(models), size=(1.5 + 5 * len(models), 4.8), sharey=True)
    for (name, model), each in zip(models.items(), axes, strict=True):
        _plot_model(each, name, model)
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


def _plot_model(axes: Axes, name: str, model: ModelCalibration) -> None:
    region, curve = model.sampled, model.curve
    low, high = region.low / WIDER, region.high * WIDER
    for begin, end, line, points in (
        (low, region.low, "--", 40),
        (region.high, high, "--", 40),
        (region.low, region.high, "-", 80),
    ):
        if line == "--":
            axes.axvspan(begin, end, color=style.GREY, alpha=0.25, lw=0)
        limits = np.geomspace(begin, end, points)
        axes.plot(limits, [curve.seconds(limit) for limit in limits], line, color=style.ORANGE)
    axes.plot([run.limit for run in model.runs], [run.seconds for run in model.runs], "o", color=style.BLUE, alpha=0.7)
    axes.set(xscale="log", yscale="log", xlim=(low, high))
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if low <= tick <= high]))
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("CPU limit (millicores)")
    marks = ("" if model.real else " (synthetic)") + (f": {GENERATED}" if model.data.startswith("pollution") else "")
    axes.set_title(f"{'LSTM' if name == 'lstm' else name} on {model.data}{marks}", loc="left", fontsize=10)
    text = (
        f"t = {curve.a:.4g} · (R + {curve.b:.3g})$^{{-{curve.c:.3g}}}$ + {curve.d:.2g} s\n"
        f"limits held out: {model.held_out_limits.median_percent:.0f} % off (median)"
    )
    axes.text(0.97, 0.97, text, transform=axes.transAxes, ha="right", va="top", fontsize=9)
