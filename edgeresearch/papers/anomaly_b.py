"""Paper B's anomaly detection: results of every detector on the Aarhus streams, in figures from the stage's tables."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from edgeresearch.papers.generated_b import GENERATED
from edgeresearch.plotting import style

DETECTORS: Mapping[str, tuple[str, str, str, bool]] = MappingProxyType(
    {
        "iftm_lstm_ema": ("IFTM: LSTM, moving mean", style.BLUE, "o", True),
        "iftm_lstm_quantile": ("IFTM: LSTM, quantile", style.BLUE, "o", False),
        "iftm_autoencoder_ema": ("IFTM: autoencoder, moving mean", style.ORANGE, "s", True),
        "iftm_autoencoder_quantile": ("IFTM: autoencoder, quantile", style.ORANGE, "s", False),
        "robust_z": ("robust z-score", style.GREEN, "D", True),
        "last_value": ("last value", style.GREY, "v", True),
        "half_space_trees": ("half-space trees (river)", style.PINK, "P", True),
        "ecod": ("ECOD (PyOD)", style.BROWN, "X", True),
    }
)
"""What each detector is called, its colour and marker, and whether the marker is filled."""

KINDS: Mapping[str, str] = MappingProxyType({"traffic": "traffic (measured)", "pollution": f"pollution ({GENERATED})"})
"""What the kinds of streams are called."""

METRICS: Mapping[str, str] = MappingProxyType(
    {
        "event_f1": "event F1",
        "auc_pr": "AUC-PR",
        "point_f1": "point F1",
        "point_adjusted_f1_inflated": "point-adjusted F1\n(inflated)",
        "false_alarms_per_day": "false alarms per day",
        "delay": "delay of those\nfound (minutes)",
    }
)
"""What is drawn of each detector."""
SHARES = ("event_f1", "auc_pr", "point_f1", "point_adjusted_f1_inflated")
POOLED = "pooled"
ANOMALIES = ("spike", "shift", "drift", "stuck", "missing")


@style.styled
def detectors(table: pd.DataFrame) -> Figure:
    """Draw every measure of every detector: pooled with its interval, and each sensor as a dot.

    Args:
        table: `anomaly.csv`, as the stage wrote it.
    """
    kinds, names = known(table, "kind", KINDS), known(table, "detector", DETECTORS)
    figure, axes = style.canvas(len(kinds), len(METRICS), size=(15, 1.3 + (0.9 + 0.36 * len(names)) * len(kinds)))
    grid = np.reshape(np.array(axes, dtype=object), (len(kinds), len(METRICS)))
    for kind, row in zip(kinds, grid, strict=True):
        mine = table[table["kind"] == kind]
        for (metric, words), each in zip(METRICS.items(), row, strict=True):
            _measure(each, mine, names, metric)
            if kind == kinds[-1]:
                each.set_xlabel(words)
        row[0].set_yticks([-at for at in range(len(names))], [DETECTORS[name][0] for name in names])
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


def _measure(axes: Axes, table: pd.DataFrame, names: Sequence[str], metric: str) -> None:
    for at, name in enumerate(names):
        _, colour, marker, filled = DETECTORS[name]
        mine = table[table["detector"] == name]
        sensors = mine.loc[mine["sensor"] != POOLED, metric]
        axes.plot(sensors, np.full(len(sensors), -at - 0.24), ".", color=style.GREY, ms=4, alpha=0.7)
        pooled = mine[mine["sensor"] == POOLED].iloc[0]
        face = colour if filled else "white"
        axes.errorbar(
            pooled[metric], -at, xerr=bars(pooled, metric), color=colour, marker=marker, mfc=face, ms=7, capsize=3
        )
        if metric == "event_f1":
            axes.plot(pooled["event_f1_best"], -at, "|", color=style.INK, ms=11, mew=2)
    axes.set_ylim(-len(names) + 0.4, 0.6)
    axes.set_yticks([-at for at in range(len(names))], [])
    axes.grid(axis="y", visible=False)
    right = max(0.7 if metric in SHARES else 0.0, 1.05 * axes.get_xlim()[1])
    axes.set_xlim(-0.04 * right, right)


@style.styled
def sensors(table: pd.DataFrame) -> Figure:
    """Draw the event F1 of every detector on every sensor.

    Args:
        table: `anomaly.csv`, as the stage wrote it.
    """
    kinds, names = known(table, "kind", KINDS), known(table, "detector", DETECTORS)
    alone = table[table["sensor"] != POOLED]
    most = max(alone[alone["kind"] == kind]["sensor"].nunique() for kind in kinds)
    figure, axes = style.canvas(1, len(kinds), size=(4 + 4.8 * len(kinds), 1.7 + 0.34 * (most + 4)), sharey=False)
    for kind, each in zip(kinds, axes, strict=True):
        cells = alone[alone["kind"] == kind].pivot(index="sensor", columns="detector", values="event_f1")[names]
        _heat(each, cells, {name: DETECTORS[name][0] for name in names}, "{:.2f}")
        each.set_title(KINDS[kind], loc="left")
        each.set_ylabel("sensor")
    seeds = int(table["seeds"].max())
    style.mark(figure, f"Mean over draws of anomalies and first weights: {seeds} on each sensor.")
    figure.suptitle("Event F1, sensor by sensor", x=0.01, ha="left")
    return figure


@style.styled
def anomalies(kinds_found: pd.DataFrame) -> Figure:
    """Draw which share of each kind of anomaly every detector finds.

    Args:
        kinds_found: `anomaly_kinds.csv`, as the stage wrote it.
    """
    kinds, names = known(kinds_found, "kind", KINDS), known(kinds_found, "detector", DETECTORS)
    figure, axes = style.canvas(1, len(kinds), size=(3.2 + 4.4 * len(kinds), 1.9 + 0.36 * len(names)))
    for kind, each in zip(kinds, axes, strict=True):
        mine = kinds_found[kinds_found["kind"] == kind]
        cells = 100 * mine.pivot(index="detector", columns="anomaly", values="detected").loc[names]
        there = [name for name in ANOMALIES if name in cells]
        _heat(each, cells[there], {name: name for name in there}, "{:.0f}")
        shown = [DETECTORS[name][0] for name in names] if each is axes[0] else []
        each.set_yticks(range(len(names)), shown)
        each.set_title(KINDS[kind], loc="left")
    note = (
        "Share (%) of the events of a kind that have at least one alarm, all sensors and draws together. A row without "
        "any value has no score, so that no detector here can find a burst of missing ones. More found may mean more "
        "false alarms."
    )
    style.mark(figure, note)
    figure.suptitle("Which kinds of anomalies are found (%)", x=0.01, ha="left")
    return figure


def _heat(axes: Axes, cells: pd.DataFrame, words: Mapping[str, str], form: str) -> None:
    """Draw numbers on colours; columns are named slantwise above."""
    values = cells.to_numpy(dtype=float)
    top = max(float(np.nanmax(values, initial=0.0)), 1e-9)
    axes.imshow(values, cmap="cividis", vmin=0, vmax=top, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        said = "" if np.isnan(value) else form.format(value)
        colour = "white" if value < 0.55 * top else style.INK
        axes.text(column, row, said, ha="center", va="center", fontsize=8.5, color=colour)
    axes.set_yticks(range(len(cells)), [str(name) for name in cells.index])
    axes.set_xticks(range(cells.shape[1]), [words[str(name)] for name in cells], rotation=35, ha="right")
    axes.grid(visible=False)


@style.styled
def differences(pairs: pd.DataFrame) -> Figure:
    """Draw how much IFTM's event F1 exceeds that of the other detectors on the same streams.

    Args:
        pairs: `anomaly_pairs.csv`, as the stage wrote it.
    """
    kinds = known(pairs, "kind", KINDS)
    whose = list(dict.fromkeys(zip(pairs["detector"], pairs["other"], strict=True)))
    figure, axes = style.canvas(1, len(kinds), size=(4.2 + 4.4 * len(kinds), 1.9 + 0.3 * len(whose)), sharey=True)
    for kind, each in zip(kinds, axes, strict=True):
        mine: Any = pairs[pairs["kind"] == kind].set_index(["detector", "other", "metric"])
        for at, (one, other) in enumerate(whose):
            colour = DETECTORS[one][1]
            for metric, shift, marker, face in (
                ("event_f1", 0.13, "o", colour),
                ("event_f1_best", -0.17, "|", style.INK),
            ):
                row = mine.loc[(one, other, metric)]
                ends = np.array([[row["difference"] - row["low"]], [row["high"] - row["difference"]]])
                each.errorbar(
                    row["difference"], shift - at, xerr=np.nan_to_num(ends), color=face, marker=marker, ms=6, capsize=2
                )
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


def known(table: pd.DataFrame, column: str, names: Mapping[str, object]) -> list[str]:
    """Return which of some names a column holds, in the order of the names."""
    there = set(table[column])
    return [name for name in names if name in there]


def bars(row: pd.Series, metric: str) -> Any:
    """Return the distances to both ends of an interval; 0 where there is none."""
    ends = [[row[metric] - row[f"{metric}_low"]], [row[f"{metric}_high"] - row[metric]]]
    return np.nan_to_num(np.array(ends, dtype=float))
