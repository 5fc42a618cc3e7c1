"""What dropped trainings do to detection, which Paper B leaves open; and its Fig. 7 with measured training times."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from edgeresearch.papers.names_b import POLICIES
from edgeresearch.plotting import style

MAIN = "ema"
"""The threshold that every policy is run with."""
BOUNDS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "never": ("never retrained", style.BROWN, "X"),
        "always": ("every model at once", style.SKY, "v"),
        "never_clean": ("never, trained on clean samples", style.RED, "<"),
        "always_warm": ("every model at once, warm start", style.GREEN, ">"),
    }
)
"""What no policy decides: what each is called, its colour and marker."""
DATA: Mapping[str, str] = MappingProxyType({"traffic": "traffic as it is", "control": "control: drifting gain"})
METRICS: Mapping[str, str] = MappingProxyType(
    {"event_f1": "event F1", "auc_pr": "AUC-PR", "false_alarms_per_day": "false alarms per day"}
)
"""What differences are of."""
THRESHOLDS: Mapping[str, str] = MappingProxyType({"ema": "moving threshold", "quantile": "quantile threshold"})
PANELS = (
    ("traffic", "ema", "event_f1"),
    ("traffic", "quantile", "event_f1"),
    ("control", "ema", "event_f1"),
    ("traffic", "ema", "auc_pr"),
    ("traffic", "ema", "false_alarms_per_day"),
)
"""What is shown of the contrasts: data, threshold and metric."""
OVER = "Bars: 95 % over sensors."
NAMES: Mapping[str, str] = MappingProxyType({name: words for name, (words, _, _) in {**POLICIES, **BOUNDS}.items()})
COSTS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "fitted": ("fitted to the paper", style.ORANGE, "o"),
        "autoencoder": ("measured, autoencoder", style.BLUE, "s"),
        "lstm": ("measured, LSTM", style.GREEN, "^"),
    }
)
"""Whose training times: what each is called, its colour and marker."""
_THOUSAND = 1000.0


@style.styled
def quality(table: pd.DataFrame) -> Figure:
    """Draw how drops make models old, and what the age does to detection, for the streams and for the control.

    Args:
        table: `staleness`, as the stage found it.
    """
    rows = table[table["threshold"] == MAIN]
    figure, axes = style.canvas(1, 3, size=(13, 4.8))
    axes[2].sharey(axes[1])
    names = [name for name in POLICIES if name in set(rows["policy"])]
    traffic = rows[rows["data"] == "traffic"]
    for name in names:
        _, colour, marker = POLICIES[name]
        mine = traffic[traffic["policy"] == name].sort_values("drop_percent", kind="stable")
        axes[0].errorbar(
            mine["drop_percent"], mine["mean_age"] / _THOUSAND, _errors(mine, "mean_age", _THOUSAND), color=colour,
            marker=marker, ms=7, ls="-" if len(mine) > 1 else "", lw=0.8, capsize=2,
        )  # fmt: skip
    for panel, data in zip(axes[1:], DATA, strict=True):
        part = rows[rows["data"] == data]
        for name in [*names, "never", "always"]:
            mine = part[part["policy"] == name]
            _, colour, marker = {**POLICIES, **BOUNDS}[name]
            bars = _errors(mine, "event_f1")
            panel.errorbar(
                mine["mean_age"] / _THOUSAND, mine["event_f1"], bars, color=colour, marker=marker,
                ms=10 if name in BOUNDS else 7, ls="", elinewidth=0.8, capsize=2, zorder=1 if name in BOUNDS else 2,
            )  # fmt: skip
        panel.set_xscale("log", base=2)
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_title(DATA[data])
        panel.set_xlabel("mean age of the model in use\n(thousand samples)")
        panel.xaxis.set_major_formatter("{x:g}")
        panel.set_ylim(*_span(rows, "event_f1", floor=0.0, ceiling=1.0))
    axes[0].set_title("traffic as it is")
    axes[0].set_xlabel("dropped trainings (%)")
    axes[0].set_ylabel("mean age of the model in use\n(thousand samples)")
    axes[0].set_ylim(0, 1.15 * rows["mean_age"].max() / _THOUSAND)
    axes[1].set_ylabel("event F1")
    shown = {name: POLICIES[name] for name in names} | {name: BOUNDS[name] for name in ("never", "always")}
    handles = [Line2D([], [], color=c, marker=m, ls="", ms=7, label=words) for words, c, m in shown.values()]
    note = (
        f"{_streams(rows)}; {_sizes(traffic)}. A point is a policy with a number of streams. {OVER} In the control "
        "every sensor's gain drifts, so that an old model must suffer; it is no data."
    )
    style.legend(figure, note, handles=handles, columns=4)
    figure.suptitle(_titled("Dropped trainings, age of the model, and detection", rows), x=0.01, ha="left")
    return figure


@style.styled
def course(table: pd.DataFrame) -> Figure:
    """Draw age, detection and false alarms over time, for LOS with the most streams between never and always.

    Args:
        table: `staleness_course`, as the stage found it.
    """
    most = int(table["streams"].max())
    figure, axes = style.canvas(3, 2, size=(11, 8.4), sharex=True)
    lines = {"always": BOUNDS["always"], "los": POLICIES["los"], "never": BOUNDS["never"]}
    panels = {
        "mean_age": "mean age\n(thousand samples)",
        "event_f1": "event F1",
        "false_alarms_per_day": "false alarms\nper day",
    }
    for row, (metric, words) in enumerate(panels.items()):
        scale = _THOUSAND if metric == "mean_age" else 1.0
        shown = table[table["policy"].isin(list(lines)) & table["streams"].isin([0, most])]
        for column, data in enumerate(DATA):
            panel = axes[2 * row + column]
            for name, (_, colour, marker) in lines.items():
                mine = shown[(shown["data"] == data) & (shown["policy"] == name)].sort_values("block")
                spots = mine["block"] - 0.5
                panel.plot(spots, mine[metric] / scale, color=colour, marker=marker, ms=4, lw=1.6)
                low, high = (mine[f"{metric}_{end}"].astype(float) / scale for end in ("low", "high"))
                panel.fill_between(spots, low, high, color=colour, alpha=0.18, lw=0)
            panel.set_ylim(*_span(shown, metric, floor=0.0, ceiling=1.0 if metric == "event_f1" else None, scale=scale))
            if not row:
                panel.set_title(DATA[data])
            if not column:
                panel.set_ylabel(words)
    for panel in axes[-2:]:
        panel.set_xlabel("samples after the first training (thousands)")
    labels = {"los": f"{POLICIES['los'][0]}, {most} streams"}
    handles = [
        Line2D([], [], color=colour, marker=marker, label=labels.get(name, words))
        for name, (words, colour, marker) in lines.items()
    ]
    note = f"{_streams(table)}. Bands: 95 % over sensors."
    style.legend(figure, note, handles=handles, columns=3)
    figure.suptitle(_titled("Detection over time", table), x=0.01, ha="left")
    return figure


@style.styled
def contrasts(pairs: pd.DataFrame) -> Figure:
    """Draw paired differences: what retraining gives at all, and what LOS gives against the other policies.

    Args:
        pairs: `staleness_pairs`, as the stage found it.
    """
    order = list(dict.fromkeys(pairs["contrast"]))
    figure, axes = style.canvas(1, len(PANELS), size=(15, 1.8 + 0.5 * len(order)), sharey=True)
    counts = sorted(int(count) for count in pairs["streams"].unique() if count)
    colours = dict(zip(counts, _shades(len(counts)), strict=True)) | {0: style.INK}
    for panel, (data, threshold, metric) in zip(axes, PANELS, strict=True):
        mine = (pairs["data"] == data) & (pairs["threshold"] == threshold) & (pairs["metric"] == metric)
        part = pairs[mine]
        for at, contrast in enumerate(order):
            _forest(panel, part[part["contrast"] == contrast], -at, colours)
        panel.axvline(0, color=style.INK, lw=1)
        panel.set_xlim(*_around(part))
        panel.set_title(f"{DATA[data]}\n{THRESHOLDS[threshold]}", fontsize=10)
        panel.set_xlabel(f"difference in\n{METRICS[metric]}")
        panel.xaxis.set_major_locator(MaxNLocator(4, symmetric=True))
        panel.set_yticks([-at for at in range(len(order))], [_said(contrast) for contrast in order])
        panel.set_ylim(0.6 - len(order), 0.6)
    handles = [Line2D([], [], color=style.INK, marker="o", ls="", label="whatever the number of streams")]
    handles += [Line2D([], [], color=colours[n], marker="o", ls="", label=f"{n} streams") for n in counts]
    note = (
        f"{_streams(pairs)}. Paired: the same streams, anomalies and models under both; a sensor's value is the mean "
        "over its repeats. Bars: 95 % over sensors; one in twenty would miss 0 by chance alone. The quantile threshold "
        "was run for LOS, in-situ training and what no policy decides; AUC-PR hangs on no threshold."
    )
    style.legend(figure, note, handles=handles, columns=6)
    figure.suptitle(_titled("Differences between policies on the same streams", pairs), x=0.01, ha="left")
    return figure


@style.styled
def measured(costs: pd.DataFrame, drops: pd.DataFrame) -> Figure:
    """Draw Paper B's Fig. 7 as it would be with the training times that were measured.

    Args:
        costs: `los/measured`, as the stage `measured` found it.
        drops: `los_b.figure7`.
    """
    figure, (axes,) = style.canvas(size=(8.6, 4.8))
    fitted = drops.assign(model="fitted")
    rows = pd.concat([fitted, costs], ignore_index=True)
    for name, (words, colour, marker) in COSTS.items():
        part = rows[(rows["model"] == name) & (rows["policy"] == "los")].sort_values("streams")
        bars = _errors(part.rename(columns={"low": "drop_percent_low", "high": "drop_percent_high"}), "drop_percent")
        axes.errorbar(
            part["streams"], part["drop_percent"], bars, color=colour, marker=marker, ms=7, capsize=3, label=words
        )
    known = drops[(drops["policy"] == "los") & drops["published"].notna()]
    axes.plot(known["streams"], known["published"], "D", mfc="white", mec=style.INK, ms=9, mew=1.5, label="published")
    in_situ = rows.loc[rows["policy"] == "in_situ", "drop_percent"]
    axes.set_xticks(sorted(drops["streams"].unique()))
    axes.set_xlabel("streams (two on each edge node)")
    axes.set_ylabel("dropped trainings (%)")
    axes.set_ylim(-2, 104)
    ends = dict.fromkeys(f"{rate:.0f}" for rate in (in_situ.min(), in_situ.max()))
    said = f" In-situ training drops {' to '.join(ends)} %." if len(in_situ) else ""
    style.legend(figure, f"LOS, simulated, on three truths. Bars: 95 % over repeats.{said}", columns=4)
    figure.suptitle("Paper B, Fig. 7, with training times as they were measured", x=0.01, ha="left")
    return figure


def _said(contrast: str) -> str:
    """Return a contrast in words, on two lines."""
    one, other = contrast.split(" - ")
    return f"{NAMES[one]}\n− {NAMES[other]}"


def _forest(axes: Axes, part: pd.DataFrame, height: float, colours: Mapping[int, str]) -> None:
    """Draw the differences of one contrast, one below the other by number of streams."""
    mine: Any = part.sort_values("streams")
    for at, row in enumerate(mine.itertuples()):
        spot = height + 0.13 * ((len(mine) - 1) / 2 - at)
        colour = colours[int(row.streams)]
        if np.isfinite(row.low):
            axes.plot([row.low, row.high], [spot, spot], color=colour, lw=1.4)
        axes.plot(row.difference, spot, "o", color=colour, ms=4.5)


def _shades(count: int) -> list[str]:
    """Colours that go from dark to light, so that they can be told apart in grey, too."""
    return [to_hex(colour) for colour in mpl.colormaps["viridis"](np.linspace(0.0, 0.85, count))]


def _errors(part: pd.DataFrame, column: str, scale: float = 1.0) -> Any:
    """Distances to both ends of the interval, none where there is none."""
    value, low, high = (part[name].astype(float) / scale for name in (column, *_ends(part, column)))
    return np.array([(value - low).fillna(0), (high - value).fillna(0)])


def _ends(part: pd.DataFrame, column: str) -> tuple[str, str]:
    named = f"{column}_low" in part
    return (f"{column}_low", f"{column}_high") if named else ("low", "high")


def _span(
    rows: pd.DataFrame, column: str, *, floor: float, ceiling: float | None, scale: float = 1.0
) -> tuple[float, float]:
    """Limits that show all values, and intervals as far as they lie within what can be."""
    top = float(rows[[column, _ends(rows, column)[1]]].max().max()) / scale
    top = min(1.08 * top, np.inf if ceiling is None else ceiling)
    return floor, max(top, 1.08 * float(rows[column].max()) / scale, 1e-9)


def _around(part: pd.DataFrame, most: float = 4.0) -> tuple[float, float]:
    """Limits around 0 that show all differences, and intervals unless a few sensors make them endless."""
    largest = float(part["difference"].abs().max()) if len(part) else 1.0
    largest = largest or 1e-9
    reach = float(part[["low", "high"]].abs().max().max())
    half = 1.1 * (min(max(reach, largest), most * largest) if np.isfinite(reach) else largest)
    return -half, half


def _streams(rows: pd.DataFrame) -> str:
    what = "Real traffic streams" if rows["real"].all() else "Synthetic stand-ins of traffic streams"
    return f"{what} with injected anomalies; drops and delays simulated"


def _titled(title: str, rows: pd.DataFrame) -> str:
    return style.shown(title, bool(rows["real"].all()))


def _sizes(rows: pd.DataFrame) -> str:
    sensors, draws = int(rows["sensors"].max()), int(rows["seeds"].max())
    return f"{sensors} {'sensor' if sensors == 1 else 'sensors'}, {draws} {'draw' if draws == 1 else 'draws'} each"
