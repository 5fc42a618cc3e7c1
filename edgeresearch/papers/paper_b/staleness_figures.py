"""What dropped trainings do to detection, which Paper B leaves open: age of models, quality, differences."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from edgeresearch.papers.paper_b.labels import POLICIES, present
from edgeresearch.plotting import style

MAIN = "ema"
"""The threshold that every policy is run with."""
BOUNDS: Mapping[str, tuple[str, str, str]] = {
    "never": ("never retrained", style.BROWN, "X"),
    "always": ("every model at once", style.SKY, "v"),
    "never_clean": ("never, trained on clean samples", style.RED, "<"),
    "always_warm": ("every model at once, warm start", style.GREEN, ">"),
}
"""What no policy decides: label, colour and marker."""
LOOKS = {**POLICIES, **BOUNDS}
DATA: Mapping[str, str] = {"traffic": "traffic as it is", "control": "control: drifting gain"}
METRICS: Mapping[str, str] = {
    "event_f1": "event F1",
    "auc_pr": "AUC-PR",
    "false_alarms_per_day": "false alarms per day",
}
"""What differences are of."""
THRESHOLDS: Mapping[str, str] = {"ema": "moving threshold", "quantile": "quantile threshold"}
PANELS = (
    ("traffic", "ema", "event_f1"),
    ("traffic", "quantile", "event_f1"),
    ("control", "ema", "event_f1"),
    ("traffic", "ema", "auc_pr"),
    ("traffic", "ema", "false_alarms_per_day"),
)
"""What is shown of the differences: data, threshold and metric."""
COURSE: Mapping[str, tuple[str, float, float | None]] = {
    "mean_age": ("mean age\n(thousand samples)", 1000.0, None),
    "event_f1": ("event F1", 1.0, 1.0),
    "false_alarms_per_day": ("false alarms\nper day", 1.0, None),
}
"""What is shown over time: label, unit and highest value."""
BARS = "Bars: 95 % over sensors."
AGE = "mean age of the model in use\n(thousand samples)"


@style.styled
def plot_quality(table: pd.DataFrame) -> Figure:
    """Draw how drops make models old, and what the age does to detection, for the streams and for the control.

    From `staleness.csv`.
    """
    rows = table[table["threshold"] == MAIN]
    figure, axes = style.canvas(1, 3, size=(13, 4.8))
    axes[2].sharey(axes[1])
    names = present(POLICIES, rows["policy"])
    traffic = rows[rows["data"] == "traffic"]
    for name in names:
        _, colour, marker = POLICIES[name]
        mine = traffic[traffic["policy"] == name].sort_values("drop_percent", kind="stable")
        bars, line = style.error_bars(mine, "mean_age", scale=1000.0), "-" if len(mine) > 1 else ""
        axes[0].errorbar(
            mine["drop_percent"], mine["mean_age"] / 1000.0, bars, color=colour, marker=marker, ms=7, ls=line, lw=0.8,
            capsize=2,
        )  # fmt: skip
    for panel, data in zip(axes[1:], DATA, strict=True):
        part = rows[rows["data"] == data]
        for name in [*names, "never", "always"]:
            mine = part[part["policy"] == name]
            _, colour, marker = LOOKS[name]
            size, order = (10, 1) if name in BOUNDS else (7, 2)
            panel.errorbar(
                mine["mean_age"] / 1000.0, mine["event_f1"], style.error_bars(mine, "event_f1"), color=colour,
                marker=marker, ms=size, ls="", elinewidth=0.8, capsize=2, zorder=order,
            )  # fmt: skip
        panel.set_xscale("log", base=2)
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set(title=DATA[data], xlabel=AGE)
        panel.xaxis.set_major_formatter("{x:g}")
        panel.set_ylim(0.0, _top(rows, "event_f1", ceiling=1.0))
    axes[0].set(title="traffic as it is", xlabel="dropped trainings (%)", ylabel=AGE)
    axes[0].set_ylim(0, 1.15 * rows["mean_age"].max() / 1000.0)
    axes[1].set_ylabel("event F1")
    looks = [LOOKS[name] for name in (*names, "never", "always")]
    handles = [Line2D([], [], color=c, marker=m, ls="", ms=7, label=words) for words, c, m in looks]
    sensors, draws = int(traffic["sensors"].max()), int(traffic["seeds"].max())
    counts = f"{sensors} sensor{'s' * (sensors != 1)}, {draws} draw{'s' * (draws != 1)} each"
    note = (
        f"{_origin(rows)}; {counts}. A point is a policy with a number of streams. {BARS} In the control "
        "every sensor's gain drifts, so that an old model must suffer; it is no data."
    )
    style.legend(figure, note, handles=handles, columns=4)
    figure.suptitle(_title("Dropped trainings, age of the model, and detection", rows), x=0.01, ha="left")
    return figure


@style.styled
def plot_course(table: pd.DataFrame) -> Figure:
    """Draw age, detection and false alarms over time, for LOS with the most streams between never and always.

    From `staleness_course.csv`.
    """
    most = int(table["streams"].max())
    figure, axes = style.canvas(3, 2, size=(11, 8.4), sharex=True)
    names = ("always", "los", "never")
    shown = table[table["policy"].isin(names) & table["streams"].isin([0, most])]
    for row, (metric, (words, scale, ceiling)) in enumerate(COURSE.items()):
        for column, data in enumerate(DATA):
            panel = axes[2 * row + column]
            for name in names:
                _, colour, marker = LOOKS[name]
                mine = shown[(shown["data"] == data) & (shown["policy"] == name)].sort_values("block")
                spots = mine["block"] - 0.5
                panel.plot(spots, mine[metric] / scale, color=colour, marker=marker, ms=4, lw=1.6)
                low, high = (mine[f"{metric}_{end}"].astype(float) / scale for end in ("low", "high"))
                panel.fill_between(spots, low, high, color=colour, alpha=0.18, lw=0)
            panel.set_ylim(0.0, _top(shown, metric, ceiling=ceiling, scale=scale))
            if not row:
                panel.set_title(DATA[data])
            if not column:
                panel.set_ylabel(words)
    for panel in axes[-2:]:
        panel.set_xlabel("samples after the first training (thousands)")
    handles = [
        Line2D([], [], color=LOOKS[name][1], marker=LOOKS[name][2], label=label)
        for name, label in zip(names, (LOOKS["always"][0], f"LOS, {most} streams", LOOKS["never"][0]), strict=True)
    ]
    style.legend(figure, f"{_origin(table)}. Bands: 95 % over sensors.", handles=handles, columns=3)
    figure.suptitle(_title("Detection over time", table), x=0.01, ha="left")
    return figure


@style.styled
def plot_paired_differences(pairs: pd.DataFrame) -> Figure:
    """Draw paired differences: what retraining gives at all, and what LOS gives against the other policies.

    From `staleness_pairs.csv`.
    """
    order = list(dict.fromkeys(pairs["contrast"]))
    figure, axes = style.canvas(1, len(PANELS), size=(15, 1.8 + 0.5 * len(order)), sharey=True)
    counts = sorted(int(count) for count in pairs["streams"].unique() if count)
    shades = [to_hex(shade) for shade in mpl.colormaps["viridis"](np.linspace(0.0, 0.85, len(counts)))]
    colours = {**dict(zip(counts, shades, strict=True)), 0: style.INK}
    labels = ["\n− ".join(LOOKS[name][0] for name in contrast.split(" - ")) for contrast in order]
    for panel, (data, threshold, metric) in zip(axes, PANELS, strict=True):
        mine = (pairs["data"] == data) & (pairs["threshold"] == threshold) & (pairs["metric"] == metric)
        part = pairs[mine]
        for at, contrast in enumerate(order):
            _plot_intervals(panel, part[part["contrast"] == contrast], -at, colours)
        panel.axvline(0, color=style.INK, lw=1)
        panel.set_xlim(*_around_zero(part))
        panel.set_title(f"{DATA[data]}\n{THRESHOLDS[threshold]}", fontsize=10)
        panel.set_xlabel(f"difference in\n{METRICS[metric]}")
        panel.xaxis.set_major_locator(MaxNLocator(4, symmetric=True))
        panel.set_yticks([-at for at in range(len(order))], labels)
        panel.set_ylim(0.6 - len(order), 0.6)
    handles = [Line2D([], [], color=style.INK, marker="o", ls="", label="whatever the number of streams")]
    handles += [Line2D([], [], color=colours[n], marker="o", ls="", label=f"{n} streams") for n in counts]
    note = (
        f"{_origin(pairs)}. Paired: the same streams, anomalies and models under both; a sensor's value is the mean "
        "over its repeats. Bars: 95 % over sensors; one in twenty would miss 0 by chance alone. The quantile threshold "
        "was run for LOS, in-situ training and what no policy decides; AUC-PR hangs on no threshold."
    )
    style.legend(figure, note, handles=handles, columns=6)
    figure.suptitle(_title("Differences between policies on the same streams", pairs), x=0.01, ha="left")
    return figure


def _plot_intervals(axes: Axes, part: pd.DataFrame, height: float, colours: Mapping[int, str]) -> None:
    """Draw the differences of one contrast, one below the other by number of streams."""
    mine: Any = part.sort_values("streams")
    for at, row in enumerate(mine.itertuples()):
        spot = height + 0.13 * ((len(mine) - 1) / 2 - at)
        colour = colours[int(row.streams)]
        if np.isfinite(row.low):
            axes.plot([row.low, row.high], [spot, spot], color=colour, lw=1.4)
        axes.plot(row.difference, spot, "o", color=colour, ms=4.5)


def _top(rows: pd.DataFrame, column: str, *, ceiling: float | None, scale: float = 1.0) -> float:
    """Return a limit that shows all values, and intervals as far as they lie within what can be."""
    ends = f"{column}_high" if f"{column}_high" in rows else "high"
    top = 1.08 * (float(rows[[column, ends]].max().max()) / scale)
    return max(min(top, np.inf if ceiling is None else ceiling), 1.08 * float(rows[column].max()) / scale, 1e-9)


def _around_zero(part: pd.DataFrame) -> tuple[float, float]:
    """Return limits that show all differences, and intervals unless a few sensors make them endless."""
    largest = (float(part["difference"].abs().max()) if len(part) else 1.0) or 1e-9
    reach = float(part[["low", "high"]].abs().max().max())
    half = 1.1 * (min(max(reach, largest), 4.0 * largest) if np.isfinite(reach) else largest)
    return -half, half


def _origin(rows: pd.DataFrame) -> str:
    what = "Real traffic streams" if rows["real"].all() else "Synthetic stand-ins of traffic streams"
    return f"{what} with injected anomalies; drops and delays simulated"


def _title(title: str, rows: pd.DataFrame) -> str:
    return style.shown(title, bool(rows["real"].all()))
