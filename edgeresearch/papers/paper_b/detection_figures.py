"""Paper B's detection (section VI.A) on the Aarhus streams: what detectors see and find, and what dropped trainings do.

Also the tables and the numbers of sentences that the notebooks make of these results.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator

from edgeresearch.anomaly.evaluation import Event
from edgeresearch.anomaly.identity import Array
from edgeresearch.data.trace import Trace
from edgeresearch.papers.detection import POOLED, DetectorOutput
from edgeresearch.papers.paper_b.scheduling_figures import POLICIES, present
from edgeresearch.papers.staleness import MAIN
from edgeresearch.papers.traces import autocorrelation
from edgeresearch.plotting import style
from edgeresearch.profiling.training_cost import Calibration, ModelCalibration

GENERATED = "generated, not measured"
"""What every figure says of the pollution streams."""

DETECTORS: Mapping[str, tuple[str, str, str, bool]] = {
    "iftm_lstm_ema": ("IFTM: LSTM, moving mean", style.BLUE, "o", True),
    "iftm_lstm_quantile": ("IFTM: LSTM, quantile", style.BLUE, "o", False),
    "iftm_autoencoder_ema": ("IFTM: autoencoder, moving mean", style.ORANGE, "s", True),
    "iftm_autoencoder_quantile": ("IFTM: autoencoder, quantile", style.ORANGE, "s", False),
    "robust_z": ("robust z-score", style.GREEN, "D", True),
    "last_value": ("last value", style.GREY, "v", True),
    "half_space_trees": ("half-space trees (river)", style.PINK, "P", True),
    "ecod": ("ECOD (PyOD)", style.BROWN, "X", True),
}
"""Label, colour and marker of each detector, and whether the marker is filled."""
KINDS: Mapping[str, str] = {"traffic": "traffic (measured)", "pollution": f"pollution ({GENERATED})"}
"""Labels of the kinds of streams."""
ANOMALIES: Mapping[str, str] = {
    "spike": style.RED,
    "shift": style.BLUE,
    "drift": style.GREEN,
    "stuck": style.PINK,
    "missing": style.GREY,
}
"""Kinds of anomalies and their colours."""
MEASURES: Mapping[str, tuple[str, float]] = {
    "event_f1": ("event F1", 0.7),
    "auc_pr": ("AUC-PR", 0.7),
    "point_f1": ("point F1", 0.7),
    "point_adjusted_f1_inflated": ("point-adjusted F1\n(inflated)", 0.7),
    "false_alarms_per_day": ("false alarms per day", 0.0),
    "delay": ("delay of those\nfound (minutes)", 0.0),
}
"""What is drawn of each detector, and up to where at least."""
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
WIDER = 3.0
"""The axis of training costs reaches so many times beyond the measured limits."""
_TICKS = (30, 50, 100, 200, 400, 800, 1600)

BOUNDS: Mapping[str, tuple[str, str, str]] = {
    "never": ("never retrained", style.BROWN, "X"),
    "always": ("every model at once", style.SKY, "v"),
    "never_clean": ("never, trained on clean samples", style.RED, "<"),
    "always_warm": ("every model at once, warm start", style.GREEN, ">"),
}
"""What no policy decides: label, colour and marker."""
LOOKS = {**POLICIES, **BOUNDS}
DATA: Mapping[str, str] = {"traffic": "traffic as it is", "control": "control: drifting gain"}
DIFFERENCES = (
    ("traffic", "ema", "event_f1"),
    ("traffic", "quantile", "event_f1"),
    ("control", "ema", "event_f1"),
    ("traffic", "ema", "auc_pr"),
    ("traffic", "ema", "false_alarms_per_day"),
)
"""What is shown of the differences between policies: data, threshold and metric."""
THRESHOLDS: Mapping[str, str] = {"ema": "moving threshold", "quantile": "quantile threshold"}
COURSE: Mapping[str, tuple[str, float, float]] = {
    "mean_age": ("mean age\n(thousand samples)", 1000.0, np.inf),
    "event_f1": ("event F1", 1.0, 1.0),
    "false_alarms_per_day": ("false alarms\nper day", 1.0, np.inf),
}
"""What is shown over time: label, unit and highest value."""
AGE = "mean age of the model in use\n(thousand samples)"


@style.styled
def plot_streams(traces: Sequence[Trace], train: int, samples: int) -> Figure:
    """Draw as many channels of each sensor, side by side: samples of the first training, and those that are judged."""
    most = min(trace.frame.shape[1] for trace in traces)
    figure, axes = style.canvas(most, len(traces), size=(1 + 5.5 * len(traces), 1.4 + 1.3 * most))
    for at, trace in enumerate(traces):
        column, frame = axes[at :: len(traces)], trace.frame.iloc[: train + samples]
        for name, each in zip(frame, column, strict=False):
            each.plot(frame.index, frame[name], color=_colour(trace), lw=0.8)
            each.axvspan(frame.index[0], frame.index[min(train, len(frame)) - 1], color=style.GREY, alpha=0.2, lw=0)
            each.set_ylabel(_label(str(name)), fontsize=8.5)
            each.margins(x=0.01)
            style.dates(each)
            each.tick_params(labelbottom=each is column[-1])
        channels = frame.shape[1]
        column[0].set_title(_title(trace) + f" ({most} of {channels} channels)" * (channels > most), loc="left")
    note = (
        f"Every 5 minutes; gaps are missing values. Grey: first training, {train:,} samples. Pollutants have no unit."
    )
    gaps = [f"{trace.label} {100 * trace.values.iloc[: train + samples].isna().mean():.1f} %" for trace in traces]
    title = f"Before anomalies are injected, of the values are missing: {', '.join(gaps)}"
    return style.finish(figure, title, note, handles=())


@style.styled
def plot_example(
    trace: Trace, values: Array, events: Sequence[Event], outputs: Mapping[str, DetectorOutput], *, shown: int
) -> Figure:
    """Draw the beginning of a judged stretch with its anomalies, and scores and alarms of some detectors.

    Args:
        trace: The sensor.
        values: All samples with anomalies, `(samples, channels)`, the training samples first.
        events: Anomalies, counted from the end of the training samples.
        outputs: By detector.
        shown: Samples that are drawn, at most.
    """
    begin = len(values) - len(next(iter(outputs.values())).scores)
    times = trace.frame.index[begin : min(begin + shown, len(values))]
    part, channels = slice(begin, begin + len(times)), trace.frame.shape[1]
    count = channels + len(outputs)
    figure, axes = style.canvas(count, size=(12, 1.8 + 1.05 * count), sharex=True)
    for number, (name, each) in enumerate(zip(trace.frame, axes, strict=False)):
        each.plot(times, trace.frame.iloc[part, number], color=style.GREY, lw=0.8)
        each.plot(times, values[part, number], color=style.INK, lw=0.8)
        each.set_ylabel(_label(str(name)), fontsize=8.5)
    for (name, output), each in zip(outputs.items(), axes[channels:], strict=True):
        label, colour, _, _ = DETECTORS[name]
        scores, alarms = output.scores[: len(times)], output.alarms[: len(times)]
        each.plot(times, scores, color=colour, lw=0.8)
        each.plot(times[alarms], scores[alarms], "o", color=style.INK, ms=3.5)
        lines = label.removeprefix("IFTM: ").replace(", ", ",\n").replace(" (", "\n(")
        each.set_ylabel(f"score\n{lines}", fontsize=8)
    for event in (event for event in events if event.begin < len(times)):
        first, last = times[event.begin] - trace.step / 2, times[min(event.end, len(times)) - 1] + trace.step / 2
        for number, each in enumerate(axes):
            alpha = 0.35 if number >= channels or number in event.channels else 0.1
            each.axvspan(first, last, color=ANOMALIES[event.kind], alpha=alpha, lw=0, zorder=0)
    style.dates(axes[-1])
    axes[0].set_xlim(times[0], times[-1])
    handles: list[Any] = [Patch(color=colour, alpha=0.45, label=name) for name, colour in ANOMALIES.items()]
    handles += [style.key("without anomalies", style.GREY, line="-"), style.key("alarm", marker="o", ms=5)]
    note = "Shaded: injected anomalies, darker on the channels that they befall. Scores have no unit."
    seen = [event for event in events if event.begin < len(times)]
    found = {name: sum(output.alarms[each.begin : each.end].any() for each in seen) for name, output in outputs.items()}
    words = ", ".join(f"{_name(name)} {count}" for name, count in found.items())
    title = f"{_title(trace)}; of {len(seen)} injected anomalies are found: {words}"
    return style.finish(figure, title, note, handles=handles, columns=7)


def measure_increments(traces: Sequence[Trace]) -> pd.DataFrame:
    """Measure of each column of some traces what tells a random walk from a measurement.

    Returns:
        One row per series: `kind`, `sensor`, `series`; `share`, of the increments that are whole numbers from -5 to 5,
        and `uniform_p`, whether these are equally frequent (chi-square test; high: nothing speaks against it);
        `increment_lag_1` and `increment_day`, the increments' autocorrelation at a step and at a day (0 for a walk);
        `growth`, the variance of the changes over 12 hours against 144 times that of a step (1 for a walk, less where
        bounds or a cycle hold it back); `daily_swing`, highest less lowest mean by hour of day in standard deviations.
    """
    from scipy import stats

    rows = []
    for trace in traces:
        kind, _, sensor = trace.name.partition("_")
        day = round(pd.Timedelta("1D") / trace.step)
        for name, values in trace.frame.items():
            steps = values.diff()
            seen = steps.dropna()
            usual = seen[(seen % 1 == 0) & (seen.abs() <= STEP)]
            counts = usual.value_counts().reindex(range(-STEP, STEP + 1), fill_value=0)
            rows.append(
                {
                    **{"kind": kind, "sensor": sensor, "series": str(name), "share": len(usual) / len(seen)},
                    "uniform_p": float(stats.chisquare(counts).pvalue) if len(usual) else float("nan"),
                    "increment_lag_1": autocorrelation(steps, 1),
                    "increment_day": autocorrelation(steps, day),
                    "growth": float(values.diff(day // 2).var() / (day // 2 * seen.var())),
                    "daily_swing": _daily_swing(values),
                }
            )
    return pd.DataFrame(rows)


def _by_hour(values: pd.Series) -> Any:
    return values.groupby(pd.DatetimeIndex(values.index).hour)


def _daily_swing(values: pd.Series) -> float:
    means = _by_hour(values).mean()
    return float((means.max() - means.min()) / values.std())


@style.styled
def plot_increments(traces: Sequence[Trace]) -> Figure:
    """Draw of the first column of each trace: its increments, their autocorrelation and its own, its mean by hour."""
    figure, axes = style.canvas(len(traces), 3, size=(12, 0.9 + 2.4 * len(traces)))
    for at, trace in enumerate(traces):
        left, middle, right = axes[3 * at : 3 * at + 3]
        values, colour = trace.values, _colour(trace)
        steps = values.diff().dropna()
        widest = max(2 * STEP, int(steps.abs().quantile(0.99)))
        counts = steps[steps.abs() <= widest].round().value_counts().sort_index()
        left.bar(counts.index, 100 * counts / len(steps), 0.85, color=colour)
        left.grid(axis="x", visible=False)
        left.set_title(_title(trace, f", {values.name}"), loc="left")
        left.set_ylabel("increments (%)")
        _plot_memory(middle, values, round(pd.Timedelta("1D") / trace.step), colour)
        hours = _by_hour(values)
        high = hours.quantile(0.75)
        right.fill_between(range(24), hours.quantile(0.25), high, color=colour, alpha=0.25, lw=0)
        right.plot(range(24), hours.mean(), color=colour)
        right.set_xticks(range(0, 25, 6))
        right.set(ylim=(0, max(1.0, 1.15 * float(high.max()))), ylabel=trace.unit)
    minutes = f"{traces[-1].step.total_seconds() / 60:g} min"
    for each, words in zip(axes[-3:], (f"change over {minutes}", "lag (days)", "hour of day (UTC)"), strict=True):
        each.set_xlabel(words)
    note = (
        "Left: how often the value changes by how much. Middle: autocorrelation of the values (line) and of their "
        "changes (grey). Right: mean by hour, band: middle half. A random walk has equal, unrelated changes and no "
        "daily cycle."
    )
    words = ", ".join(f"{_daily_swing(trace.values):.1f} ({_title(trace)})" for trace in traces)
    title = f"Standard deviations by which the hour of the day moves the mean: {words}"
    return style.finish(figure, title, note, handles=())


def _plot_memory(axes: Axes, values: pd.Series, day: int, colour: str, days: int = 4) -> None:
    lags = np.unique(np.round(np.linspace(1, days * day, 16 * days + 1)).astype(int))
    for series, look, width in ((values, colour, 1.4), (values.diff(), style.GREY, 1)):
        axes.plot(lags / day, [autocorrelation(series, int(lag)) for lag in lags], color=look, lw=width)
    axes.axhline(0, color=style.INK, lw=0.8)
    axes.set(ylim=(-0.6, 1.05), ylabel="autocorrelation")


def _colour(trace: Trace) -> str:
    return str(style.ORANGE if trace.name.startswith("pollution") else style.BLUE)


def _title(trace: Trace, more: str = "") -> str:
    return f"{trace.label}{more}" + (f": {GENERATED}" if trace.name.startswith("pollution") else "")


def _label(channel: str) -> str:
    return UNITS.get(channel, channel.replace("_", "\n"))


@style.styled
def plot_detectors(table: pd.DataFrame) -> Figure:
    """Draw every measure of every detector: pooled with its interval, and each sensor as a dot. From `anomaly.csv`."""
    kinds, names = present(KINDS, table["kind"]), present(DETECTORS, table["detector"])
    figure, axes = style.canvas(len(kinds), len(MEASURES), size=(15, 1.3 + (0.9 + 0.36 * len(names)) * len(kinds)))
    for (kind, metric), each in zip(itertools.product(kinds, MEASURES), axes, strict=True):
        for at, name in enumerate(names):
            _, colour, marker, filled = DETECTORS[name]
            mine = table[(table["kind"] == kind) & (table["detector"] == name)]
            sensors, pooled = mine.loc[mine["sensor"] != POOLED, metric], mine[mine["sensor"] == POOLED].iloc[:1]
            each.plot(sensors, np.full(len(sensors), -at - 0.24), ".", color=style.GREY, ms=4, alpha=0.7)
            looks: Any = {"color": colour, "marker": marker, "mfc": colour if filled else "white"}
            each.errorbar(pooled[metric], -at, xerr=style.error_bars(pooled, metric), **looks, ms=7, capsize=3)
            if metric == "event_f1":
                each.plot(pooled["event_f1_best"], -at, "|", color=style.INK, ms=11, mew=2)
        words, least = MEASURES[metric]
        right = max(least, 1.05 * each.get_xlim()[1])
        each.set_xlim(-0.04 * right, right)
        first = metric == next(iter(MEASURES))
        style.name_rows(each, [_name(name) if first else "" for name in names])
        each.set_title(KINDS[kind] if first else "", loc="left")
        each.set_xlabel(words if kind == kinds[-1] else "")
    handles = [
        style.key("mean over the sensors, with its 95 % interval", marker="o"),
        style.key("a sensor", style.GREY, "."),
        style.key("at the best fixed level, by labels", marker="|", ms=11, mew=2),
    ]
    note = (
        "Anomalies are injected into the streams; no detector sees the labels. The upright mark is what a detector's "
        "scores would allow with the level that is best for event F1: no result, as it takes the labels. Point "
        "adjustment inflates F1: an event with a single alarm counts as found throughout."
    )
    pooled = table[table["sensor"] == POOLED]
    best = pooled.loc[pooled.groupby("kind")["event_f1"].idxmax()].set_index("kind")
    words = "; ".join(f"{kind}: {_name(best['detector'][kind])}, {best['event_f1'][kind]:.2f}" for kind in kinds)
    return style.finish(figure, f"Highest event F1 on {words}", note, handles=handles)


@style.styled
def plot_sensors(table: pd.DataFrame) -> Figure:
    """Draw the event F1 of every detector on every sensor. From `anomaly.csv`."""
    kinds, names = present(KINDS, table["kind"]), present(DETECTORS, table["detector"])
    alone = table[table["sensor"] != POOLED]
    most = int(alone.groupby("kind")["sensor"].nunique().max())
    figure, axes = style.canvas(1, len(kinds), size=(4 + 4.8 * len(kinds), 1.7 + 0.34 * (most + 4)))
    for kind, each in zip(kinds, axes, strict=True):
        cells = alone[alone["kind"] == kind].pivot(index="sensor", columns="detector", values="event_f1")[names]
        _plot_heat_map(each, cells.rename(columns=_name), ".2f", KINDS[kind])
        each.set_ylabel("sensor")
    note = f"Mean over draws of anomalies and first weights: {int(table['seeds'].max())} on each sensor."
    words = []
    for kind in kinds:
        part = alone[alone["kind"] == kind].dropna(subset="event_f1")
        best = part.loc[part.groupby("sensor")["event_f1"].idxmax(), "detector"]
        words.append(f"{kind}: {_name(best.mode()[0])} with {(best == best.mode()[0]).sum()} of {len(best)} sensors")
    return style.finish(figure, f"Highest event F1 on {'; '.join(words)}", note, handles=())


@style.styled
def plot_anomaly_kinds(shares: pd.DataFrame) -> Figure:
    """Draw which share of each kind of anomaly every detector finds. From `anomaly_kinds.csv`."""
    kinds, names = present(KINDS, shares["kind"]), present(DETECTORS, shares["detector"])
    figure, axes = style.canvas(1, len(kinds), size=(3.2 + 4.4 * len(kinds), 1.9 + 0.36 * len(names)))
    for kind, each in zip(kinds, axes, strict=True):
        mine = shares[shares["kind"] == kind]
        cells = 100 * mine.pivot(index="detector", columns="anomaly", values="detected").loc[names]
        cells = cells[present(ANOMALIES, mine["anomaly"])].rename(_name)
        _plot_heat_map(each, cells, ".0f", KINDS[kind], rows=each is axes[0])
    note = (
        "Share (%) of the events of a kind that have at least one alarm, all sensors and draws together. A row without "
        "any value has no score, so that no detector here can find a burst of missing ones. More found may mean more "
        "false alarms."
    )
    means = 100 * shares.groupby(["kind", "anomaly"])["detected"].mean()
    ends = {kind: (means[kind].idxmax(), means[kind].idxmin()) for kind in kinds}
    words = "; ".join(
        f"{kind}: {most} ({means[kind][most]:.0f} %), {least} ({means[kind][least]:.0f} %)"
        for kind, (most, least) in ends.items()
    )
    return style.finish(figure, f"Found most and least on average on {words}", note, handles=())


def _plot_heat_map(axes: Axes, cells: pd.DataFrame, form: str, title: str, *, rows: bool = True) -> None:
    import seaborn as sns

    looks: Any = {"cmap": "Blues", "cbar": False, "annot_kws": {"fontsize": 8.5}}
    sns.heatmap(cells, vmin=0, annot=True, fmt=form, yticklabels=rows, ax=axes, **looks)
    axes.tick_params("x", rotation=35)
    axes.tick_params("y", rotation=0)
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("right")
    axes.set(xlabel="", ylabel="")
    axes.set_title(title, loc="left")


def _name(detector: str) -> str:
    return DETECTORS[detector][0]


@style.styled
def plot_differences(pairs: pd.DataFrame) -> Figure:
    """Draw how much IFTM's event F1 exceeds that of others on the same streams. From `anomaly_pairs.csv`."""
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
        style.name_rows(each, [f"{_name(one)}  –  {_name(other)}" for one, other in whose])
    handles = [
        style.key("LSTM, each with its own threshold", style.BLUE, "o", "-"),
        style.key("autoencoder, likewise", style.ORANGE, "o", "-"),
        style.key("each at the best fixed level, by labels", style.INK, "|", "-"),
    ]
    count = int(pairs["sensors"].max())
    note = f"Right of zero: IFTM is better. Paired on the same streams; bars: 95 % over {count} sensors."
    own = pairs[pairs["metric"] == "event_f1"]
    words = []
    for kind in kinds:
        low, high = (own.loc[own["kind"] == kind, end] for end in ("low", "high"))
        words.append(f"{kind}: better in {(low > 0).sum()}, worse in {(high < 0).sum()} of {len(low)} comparisons")
    title = f"IFTM by event F1, where the interval leaves out 0, on {'; '.join(words)}"
    return style.finish(figure, title, note, handles=handles)


@style.styled
def plot_training_costs(calibration: Calibration) -> Figure:
    """Draw measured training times against CPU limits, eq. 1, and where it only extrapolates."""
    models = calibration.models
    figure, axes = style.canvas(1, len(models), size=(1.5 + 5 * len(models), 4.8), sharey=True)
    for (name, model), each in zip(models.items(), axes, strict=True):
        _plot_model(each, name, model)
    axes[0].set_ylabel("time of a training (s)")
    handles = [
        style.key("a training, measured", style.BLUE, "o", alpha=0.7),
        style.key("eq. 1, fitted", style.ORANGE, line="-"),
        style.key("eq. 1, extrapolated", style.ORANGE, line="--"),
        Patch(color=style.GREY, alpha=0.25, label="no measurements"),
    ]
    low, median, high = calibration.load
    note = (
        f"{calibration.samples:,} cached samples; limits kept by {calibration.throttle}; "
        f"{calibration.machine['processor']}, {calibration.machine['cores']} cores, load {median:.1f} ({low:.1f} to "
        f"{high:.1f}). Times of this machine, not of the paper's."
    )
    words = []
    for name, model in models.items():
        region, times = model.sampled, model.curve.seconds
        words.append(f"{times(region.low):.2g} to {times(region.high):.2g} s ({'LSTM' if name == 'lstm' else name})")
    title = f"Paper B, eq. 1: over the measured CPU limits a training takes {', '.join(words)}"
    return style.finish(figure, title, note, handles=handles)


def _plot_model(axes: Axes, name: str, model: ModelCalibration) -> None:
    region, curve = model.sampled, model.curve
    low, high = region.low / WIDER, region.high * WIDER
    for begin, end, line in ((low, region.low, "--"), (region.high, high, "--"), (region.low, region.high, "-")):
        if line == "--":
            axes.axvspan(begin, end, color=style.GREY, alpha=0.25, lw=0)
        limits = np.geomspace(begin, end, 80)
        axes.plot(limits, [curve.seconds(limit) for limit in limits], line, color=style.ORANGE)
    axes.plot([run.limit for run in model.runs], [run.seconds for run in model.runs], "o", color=style.BLUE, alpha=0.7)
    axes.set(xscale="log", yscale="log", xlim=(low, high), xlabel="CPU limit (millicores)")
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if low <= tick <= high]))
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter("{x:g}")
    marks = style.shown("", model.real) + (f": {GENERATED}" if model.data.startswith("pollution") else "")
    axes.set_title(f"{'LSTM' if name == 'lstm' else name} on {model.data}{marks}", loc="left", fontsize=10)
    text = (
        f"t = {curve.a:.4g} · (R + {curve.b:.3g})$^{{-{curve.c:.3g}}}$ + {curve.d:.2g} s\n"
        f"limits held out: {model.held_out_limits.median_percent:.0f} % off (median)"
    )
    axes.text(0.97, 0.97, text, transform=axes.transAxes, ha="right", va="top", fontsize=9)


@style.styled
def plot_quality(table: pd.DataFrame) -> Figure:
    """Draw how drops make models old, and what the age does to detection, for the streams and for the control.

    From `staleness.csv`.
    """
    rows = table[table["threshold"] == MAIN]
    names, traffic = present(POLICIES, rows["policy"]), rows[rows["data"] == "traffic"]
    figure, axes = style.canvas(1, 3, size=(13, 4.8))
    axes[2].sharey(axes[1])
    for name in names:
        mine = traffic[traffic["policy"] == name].sort_values("drop_percent", kind="stable")
        bars, looks = style.error_bars(mine, "mean_age", scale=1000.0), _look(name, ms=7, lw=0.8, capsize=2)
        line = "-" if len(mine) > 1 else ""
        axes[0].errorbar(mine["drop_percent"], mine["mean_age"] / 1000.0, bars, ls=line, **looks)
    for panel, data in zip(axes[1:], DATA, strict=True):
        for name in [*names, "never", "always"]:
            mine = rows[(rows["data"] == data) & (rows["policy"] == name)]
            looks = _look(name, ms=10 if name in BOUNDS else 7, zorder=1 if name in BOUNDS else 2, capsize=2)
            bars = style.error_bars(mine, "event_f1")
            panel.errorbar(mine["mean_age"] / 1000.0, mine["event_f1"], bars, ls="", elinewidth=0.8, **looks)
        panel.set_xscale("log", base=2)
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_major_formatter("{x:g}")
        panel.set(title=DATA[data], xlabel=AGE, ylim=(0.0, _top(rows, "event_f1", ceiling=1.0)))
    axes[0].set(title="traffic as it is", xlabel="dropped trainings (%)", ylabel=AGE)
    axes[0].set_ylim(0, 1.15 * rows["mean_age"].max() / 1000.0)
    axes[1].set_ylabel("event F1")
    handles = [style.key(*LOOKS[name], ms=7) for name in (*names, "never", "always")]
    sensors, draws = int(traffic["sensors"].max()), int(traffic["seeds"].max())
    note = (
        f"{_origin(rows)}; {sensors} sensor{'s' * (sensors != 1)}, {draws} draw{'s' * (draws != 1)} each. A point is a "
        "policy with a number of streams. Bars: 95 % over sensors. In the control every sensor's gain drifts, so that "
        "an old model must suffer; it is no data."
    )
    found = rows[rows["policy"].isin(["never", "always"])].set_index(["data", "policy"])["event_f1"]
    words = ", ".join(f"{found[data, 'never']:.2f} and {found[data, 'always']:.2f} on {DATA[data]}" for data in DATA)
    title = style.shown(f"Event F1 never retrained and with every model at once: {words}", bool(rows["real"].all()))
    return style.finish(figure, title, note, handles=handles, columns=4)


@style.styled
def plot_course(table: pd.DataFrame) -> Figure:
    """Draw age, detection and false alarms over time, for LOS with the most streams between never and always.

    From `staleness_course.csv`.
    """
    most = int(table["streams"].max())
    figure, axes = style.canvas(3, 2, size=(11, 8.4), sharex=True)
    labels = {"always": LOOKS["always"][0], "los": f"LOS, {most} streams", "never": LOOKS["never"][0]}
    shown = table[table["policy"].isin(labels) & table["streams"].isin([0, most])].sort_values("block", kind="stable")
    for (metric, data), panel in zip(itertools.product(COURSE, DATA), axes, strict=True):
        words, scale, ceiling = COURSE[metric]
        for name in labels:
            mine, looks = shown[(shown["data"] == data) & (shown["policy"] == name)], _look(name)
            spots = mine["block"] - 0.5
            panel.plot(spots, mine[metric] / scale, **looks, ms=4, lw=1.6)
            low, high = (mine[f"{metric}_{end}"].astype(float) / scale for end in ("low", "high"))
            panel.fill_between(spots, low, high, color=looks["color"], alpha=0.18, lw=0)
        panel.set_ylim(0.0, _top(shown, metric, ceiling=ceiling, scale=scale))
        if data == "traffic":
            panel.set_ylabel(words)
    for panel, words in zip(axes, DATA.values(), strict=False):
        panel.set_title(words)
    for panel in axes[-2:]:
        panel.set_xlabel("samples after the first training (thousands)")
    handles = [style.key(label, *LOOKS[name][1:], "-") for name, label in labels.items()]
    last = shown[(shown["block"] == shown["block"].max()) & (shown["data"] == "traffic")].set_index("policy")
    ages = ", ".join(f"{last['mean_age'][name] / 1000:.1f} ({labels[name]})" for name in labels if name in last.index)
    title = style.shown(f"Age of models at the end, thousand samples: {ages}", bool(table["real"].all()))
    return style.finish(figure, title, f"{_origin(table)}. Bands: 95 % over sensors.", handles=handles, columns=3)


@style.styled
def plot_paired_differences(pairs: pd.DataFrame) -> Figure:
    """Draw paired differences: what retraining gives at all, and what LOS gives against the other policies.

    From `staleness_pairs.csv`.
    """
    order = list(dict.fromkeys(pairs["contrast"]))
    figure, axes = style.canvas(1, len(DIFFERENCES), size=(15, 1.8 + 0.5 * len(order)), sharey=True)
    counts = sorted(int(count) for count in pairs["streams"].unique() if count)
    shades = [to_hex(shade) for shade in mpl.colormaps["viridis"](np.linspace(0.0, 0.85, len(counts)))]
    colours = {0: style.INK, **dict(zip(counts, shades, strict=True))}
    labels = ["\n− ".join(LOOKS[name][0] for name in contrast.split(" - ")) for contrast in order]
    for panel, (data, threshold, metric) in zip(axes, DIFFERENCES, strict=True):
        mine = (pairs["data"] == data) & (pairs["threshold"] == threshold) & (pairs["metric"] == metric)
        part = pairs[mine]
        for at, contrast in enumerate(order):
            rows: Any = part[part["contrast"] == contrast].sort_values("streams")
            for spot, row in enumerate(rows.itertuples()):
                height, colour = 0.13 * ((len(rows) - 1) / 2 - spot) - at, colours[int(row.streams)]
                panel.plot([row.low, row.high], [height, height], color=colour, lw=1.4)
                panel.plot(row.difference, height, "o", color=colour, ms=4.5)
        panel.axvline(0, color=style.INK, lw=1)
        panel.set_xlim(*_around_zero(part))
        panel.set_title(f"{DATA[data]}\n{THRESHOLDS[threshold]}", fontsize=10)
        panel.set_xlabel(f"difference in\n{MEASURES[metric][0]}")
        panel.xaxis.set_major_locator(MaxNLocator(4, symmetric=True))
        style.name_rows(panel, labels)
    handles = [
        style.key(f"{count} streams" if count else "whatever the number of streams", colour, "o")
        for count, colour in colours.items()
    ]
    note = (
        f"{_origin(pairs)}. Paired: the same streams, anomalies and models under both; a sensor's value is the mean "
        "over its repeats. Bars: 95 % over sensors; one in twenty would miss 0 by chance alone. The quantile threshold "
        "was run for LOS, in-situ training and what no policy decides; AUC-PR hangs on no threshold."
    )
    drawn = pd.concat(
        pairs[(pairs["data"] == data) & (pairs["threshold"] == threshold) & (pairs["metric"] == metric)]
        for data, threshold, metric in DIFFERENCES
    )
    sure = ((drawn["low"] > 0) | (drawn["high"] < 0)).groupby(drawn["data"]).agg(["sum", "count"])
    words = ", ".join(f"{row['sum']} of {row['count']} on {DATA[str(data)]}" for data, row in sure[::-1].iterrows())
    title = style.shown(f"Differences between policies whose interval leaves out 0: {words}", bool(pairs["real"].all()))
    return style.finish(figure, title, note, handles=handles, columns=6)


def _look(policy: str, **more: Any) -> dict[str, Any]:
    _, colour, marker = LOOKS[policy]
    return {"color": colour, "marker": marker, **more}


def _top(rows: pd.DataFrame, column: str, *, ceiling: float, scale: float = 1.0) -> float:
    """Return a limit that shows all values, and intervals as far as they lie within what can be."""
    ends = f"{column}_high" if f"{column}_high" in rows else "high"
    top = 1.08 * (float(rows[[column, ends]].max().max()) / scale)
    return max(min(top, ceiling), 1.08 * float(rows[column].max()) / scale, 1e-9)


def _around_zero(part: pd.DataFrame) -> tuple[float, float]:
    """Return limits that show all differences, and intervals unless a few sensors make them endless."""
    largest = (float(part["difference"].abs().max()) if len(part) else 1.0) or 1e-9
    reach = float(part[["low", "high"]].abs().max().max())
    half = 1.1 * (min(max(reach, largest), 4.0 * largest) if np.isfinite(reach) else largest)
    return -half, half


def _origin(rows: pd.DataFrame) -> str:
    what = "Real traffic streams" if rows["real"].all() else "Synthetic stand-ins of traffic streams"
    return f"{what} with injected anomalies; drops and delays simulated"


def format_interval(value: float, low: float, high: float, form: str = "+.2f") -> str:
    """Write a value with its interval; without where there is none."""
    return format(value, form) if pd.isna(low) else f"{value:{form}} ({low:{form}} to {high:{form}})"


def format_differences(pairs: pd.DataFrame, metric: str = "event_f1") -> pd.DataFrame:
    """Write how much IFTM's detectors exceed the others on the same streams, one row per detector of IFTM.

    From `anomaly_pairs.csv`, for one of its metrics; `event_f1_best` is that at the best fixed level.
    """
    rows = pairs[pairs["metric"] == metric]
    cells = [format_interval(*row) for row in zip(rows["difference"], rows["low"], rows["high"], strict=True)]
    return rows.assign(cell=cells).pivot(index=["kind", "detector"], columns="other", values="cell")


def format_sensors(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Write event F1 with its interval: one row per sensor and one for all, one column per detector.

    From `anomaly.csv`, for one kind of streams.
    """
    mine = table[table["kind"] == kind]
    values = zip(mine["event_f1"], mine["event_f1_low"].clip(lower=0), mine["event_f1_high"].clip(upper=1), strict=True)
    rows = mine.assign(cell=[format_interval(*each, form=".2f") for each in values])
    cells = rows.pivot(index="sensor", columns="detector", values="cell").loc[list(dict.fromkeys(mine["sensor"]))]
    return cells.rename(columns=_name)


def detection_numbers(table: pd.DataFrame, kind: str = "traffic") -> dict[str, Any]:
    """Return, for a sentence, the best detectors by event F1, of all and of IFTM, and the best by point-adjusted F1.

    From `anomaly.csv`, for one kind of streams.
    """
    pooled = table[(table["kind"] == kind) & (table["sensor"] == POOLED)].set_index("detector")
    numbers: dict[str, Any] = {name: int(pooled[name].iloc[0]) for name in ("sensors", "seeds", "events")}
    for name, rows, metric in (
        ("best", pooled, "event_f1"),
        ("iftm", pooled[pooled.index.str.startswith("iftm_")], "event_f1"),
        ("adjusted", pooled, "point_adjusted_f1_inflated"),
    ):
        top = str(rows[metric].idxmax())
        numbers |= {name: _name(top), f"{name}_f1": rows[metric][top]}
        numbers |= {f"{name}_false_alarms": rows["false_alarms_per_day"][top]}
    return numbers


def staleness_numbers(table: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, Any]:
    """Return, for a sentence, ages of models by policy, and what retraining changes; as `control_…` in the control.

    From `staleness.csv` and `staleness_pairs.csv`.
    """
    rows = table[(table["data"] == "traffic") & (table["threshold"] == MAIN)].groupby("policy")["mean_age"]
    numbers: dict[str, Any] = {f"{policy}_age": age for policy, age in rows.max().items()}
    wanted = (pairs["contrast"] == "always - never") & (pairs["threshold"] == MAIN) & (pairs["metric"] == "event_f1")
    for prefix, data in (("", "traffic"), ("control_", "control")):
        part = pairs[wanted & (pairs["data"] == data)]
        numbers |= {f"{prefix}{name}": part[name].max() for name in ("difference", "low", "high")}
    return numbers
