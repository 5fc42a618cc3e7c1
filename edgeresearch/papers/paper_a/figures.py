"""Paper A's figures: Fig. 1, Table 2 and the forecasts, Table 3, Figs. 2 and 3, and what scaling costs.

Of one trace `table` has the rows of `make_table_2` or `make_table_3`, `forecasts` is what `compare` wrote, and `course`
the first repeat over time; `horizon` counts steps ahead.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from edgeresearch.data.trace import Trace
from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import MODELS
from edgeresearch.papers.paper_a.published import METRICS, PAPER_LSTM, PHASES, TABLE_2, TABLE_3, USAGE_RANGES
from edgeresearch.papers.paper_a.tables import compare_strategies
from edgeresearch.plotting import style
from edgeresearch.plotting.replay import COLOURS, OTHERS, POINTS, draw_scaling, draw_tradeoff
from edgeresearch.plotting.series import draw_ratios, list_roles, name_best

GATES = (
    ("forget gate", "$f_t = \\sigma(W_f\\,[h_{t-1}, x_t] + b_f)$", style.BLUE),
    ("input gate", "$i_t = \\sigma(W_i\\,[h_{t-1}, x_t] + b_i)$", style.GREEN),
    ("candidate", "$C'_t = \\tanh(W_C\\,[h_{t-1}, x_t] + b_C)$", style.ORANGE),
    ("output gate", "$o_t = \\sigma(W_o\\,[h_{t-1}, x_t] + b_o)$", style.PINK),
)
"""The gates in the order of Paper A, section 3: name, formula, colour."""

STATES = "$C_t = f_t \\cdot C_{t-1} + i_t \\cdot C'_t$\n$h_t = o_t \\cdot \\tanh(C_t)$"

FLOOR = 1e-4
"""CPU seconds that are drawn where less was measured: the clock knows no better."""

COSTS = ("fit_seconds", "predict_seconds")

USAGE = {"cpu": ("Fig. 2", "CPU usage"), "memory": ("Fig. 3", "memory usage")}

STRATEGIES = {"advance": "Advance", "responsive": "Responsive", "combined": "Combined (LSTM)"}

PHASES_BY = {"trace": "the load", "actions": "actions"}
"""What tells the phases."""


def label_trace(rows: pd.DataFrame) -> str:
    """Return the trace's name for a title, from any of its rows; a synthetic one is marked."""
    return style.shown(str(rows["trace"].iloc[0]), bool(rows["real"].iloc[0]))


def note_origin(rows: pd.DataFrame, *more: str) -> str:
    """Return what the reader of a figure of one trace must know, above all that its data is synthetic."""
    synthetic = "" if rows["real"].iloc[0] else f"Synthetic data, not measured: {rows['note'].iloc[0]}."
    return " ".join(filter(None, [synthetic, *more]))


@style.styled
def plot_network(network: Mapping[str, Any]) -> Figure:
    """Draw Paper A, Fig. 1, from the shapes that `measure_network` returns."""
    figure, (axes,) = style.canvas(size=(10.5, 4.6))
    axes.set(xlim=(0, 105), ylim=(0, 46))
    axes.axis("off")
    weights = network["weights"]
    shapes = {name: f"(batch, {', '.join(map(str, shape[1:]))})" for name, shape in network["tensors"].items()}
    steps, (targets, hidden) = network["tensors"]["window"][1], weights["head.weight"]
    _draw_box(axes, (1, 15, 15, 14), f"window of past\nQPS\n{shapes['window']}\n$x_1 \\ldots x_{{{steps}}}$")
    style.box(axes, (20, 6, 46, 36), style.INK, 0.0)
    cell = f"LSTM, one step per value → {shapes['states']}"
    axes.text(43, 39.6, cell, ha="center", va="center", fontsize=10, weight="bold")
    (rows, inputs), width = weights["lstm.weight_ih_l0"], weights["lstm.weight_hh_l0"][1]
    for place, (name, formula, colour) in enumerate(GATES):
        left, bottom = 22 + 21.5 * (place % 2), 27.5 - 9.5 * (place // 2)
        text = f"{name}: W {rows // len(GATES)} × ({width} + {inputs})\n{formula}"
        _draw_box(axes, (left, bottom, 20.5, 8.5), text, colour, size=9)
    _draw_box(axes, (22, 8, 42, 8), STATES, size=10)
    _draw_box(axes, (70, 15, 14, 14), f"last hidden\nstate $h_{{{steps}}}$\n{shapes['last']}")
    linear = f"linear layer\n{hidden} → {targets}\nforecast\n{shapes['forecast']}"
    _draw_box(axes, (88.5, 15, 15.5, 14), linear, style.SKY)
    arrow = {"arrowstyle": "-|>", "color": style.INK, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.4}
    for start, end in ((16, 20), (66, 70), (84, 88.5)):
        axes.annotate("", (end, 22), (start, 22), arrowprops=arrow)
    numbers = f"{network['trainable']:,} trainable numbers; trained on the mean squared error"
    axes.text(52.5, 1.2, numbers, ha="center", fontsize=9.5, color=style.INK)
    title = f"Paper A, Fig. 1: the LSTM turns {steps} past values into forecasts of {targets} horizons at once"
    return style.finish(figure, title, handles=())


def _draw_box(axes: Axes, place: style.Box, text: str, colour: str = style.GREY, size: float = 9.5) -> None:
    style.box(axes, place, colour, 0.18)
    left, bottom, width, height = place
    look: Any = {"ha": "center", "va": "center", "fontsize": size, "color": style.INK, "linespacing": 1.5}
    axes.text(left + width / 2, bottom + height / 2, text, **look)


@style.styled
def plot_table_2(table: pd.DataFrame) -> Figure:
    """Draw Paper A, Table 2, for one trace: published beside measured, next step ahead.

    Errors are shown relative to the LSTM's own, because the published ones are of another, unpublished trace.

    Raises:
        InputError: The paper's LSTM is not among the rows.
    """
    rows: Any = table[table["published_mse"].notna()].set_index("model")
    order = [name for name in TABLE_2 if name in rows.index]
    if PAPER_LSTM not in order:
        raise InputError(f"Table 2 is drawn relative to {PAPER_LSTM}; add it to the models")
    rows, at = rows.loc[order], np.arange(len(order))[::-1]
    middle = at[order.index(PAPER_LSTM)]
    figure, axes = style.canvas(1, len(METRICS), size=(11, 3.9), sharey=True)
    for (name, metric), each in zip(METRICS.items(), axes, strict=True):
        published, measured = rows[f"published_{name}"], rows[name]
        if metric.lower_is_better:
            published, measured = published / published[PAPER_LSTM], measured / measured[PAPER_LSTM]
        each.axhspan(middle - 0.5, middle + 0.5, color=style.ORANGE, alpha=0.12, linewidth=0)
        each.plot(published, at + 0.18, "D", mfc="white", mec=style.INK, ms=8, mew=1.5, label="published")
        each.plot(measured, at - 0.18, "o", color=style.BLUE, ms=8, label="measured")
        each.set_xlabel(f"{metric.label}, relative to the LSTM's" if metric.lower_is_better else "R² (1: perfect)")
        each.set_title(f"{metric.label}: {'lower' if metric.lower_is_better else 'higher'} is better")
        each.set_yticks(at, rows["label"])
        each.margins(x=0.12)
        style.numbers(each.xaxis)
        each.grid(axis="y", visible=False)
    axes[0].set_ylim(-0.6, len(order) - 0.4)
    note = note_origin(table, "Published values are of the paper's own, unpublished trace.")
    handles = axes[0].get_legend_handles_labels()[0]
    ours, theirs = (rows.loc[rows[column].idxmin(), "label"] for column in ("mse", "published_mse"))
    title = f"Paper A, Table 2: lowest MSE on {label_trace(table)}: {ours}, in the paper: {theirs}"
    return style.finish(figure, title, note, handles=handles)


def plot_relative_mse(table: pd.DataFrame, horizon: int) -> Figure:
    """Draw every model's MSE relative to the last value's, with its 95 % interval, one panel per trace of the table.

    Raises:
        InputError: There are no rows of that horizon.
    """
    rows = table[table["horizon"] == horizon]
    if rows.empty:
        known = ", ".join(map(str, sorted(set(table["horizon"]))))
        raise InputError(f"no scores at horizon {horizon}; choose one of {known}")
    note = "" if rows["real"].all() else "Panels named (synthetic): seeded stand-ins, not measured data."
    ahead = "the next step" if horizon == 1 else f"{horizon} steps ahead"
    panels = {label_trace(part): part for _, part in rows.groupby("trace", sort=False)}
    return draw_ratios(panels, title=f"Forecasting {ahead}: {name_best(panels, 'traces')}", note=note)


@style.styled
def plot_cost(table: pd.DataFrame) -> Figure:
    """Draw what each model costs, if that was measured: CPU seconds to fit and to forecast the test part."""
    rows = table[(table["horizon"] == table["horizon"].min()) & table["fit_seconds"].notna()]
    rows = rows.sort_values("fit_seconds", ascending=False)
    figure, (axes,) = style.canvas(size=(9, 4.4 if len(rows) else 1.6))
    title, note = f"{label_trace(table)}: what each model costs", note_origin(table)
    if rows.empty:
        axes.text(0.5, 0.5, "not measured for this trace; run make timings", ha="center", va="center", fontsize=12)
        axes.axis("off")
        return style.finish(figure, title, note, handles=())
    words = [f"{rows[each].max():.2g} s ({rows.loc[rows[each].idxmax(), 'label']})" for each in COSTS]
    title = f"{label_trace(table)}: fitting takes up to {words[0]}, forecasting up to {words[1]}"
    at = np.arange(len(rows))
    fit, predict = (rows[name].clip(lower=FLOOR).to_numpy() for name in COSTS)
    axes.hlines(at, predict, fit, color="#cccccc", linewidth=2, zorder=1)
    for place, role in enumerate(rows["role"]):
        _, colour, marker = style.ROLES[role]
        axes.plot(fit[place], place, marker, color=colour, ms=9)
        axes.plot(predict[place], place, marker, mfc="white", mec=colour, mew=1.5, ms=7)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_yticks(at, rows["label"])
    axes.set_xlabel(f"CPU seconds on one thread (less than {FLOOR:g} is drawn there)")
    hollow = style.key("forecast of the test part", marker="o", mfc="white", ms=7)
    handles = [style.key("fit", marker="o", ms=9), hollow, *list_roles(rows["role"])]
    return style.finish(figure, title, note, handles=handles, columns=4)


@style.styled
def plot_forecasts(
    table: pd.DataFrame, forecasts: pd.DataFrame, models: Sequence[str], horizon: int, *, points: int = 240
) -> Figure:
    """Draw true against predicted over the newest stretch of the test part that is observed throughout.

    Args:
        table: Of one trace, as `forecasts`.
        forecasts: What `compare` wrote.
        models: Whose forecasts are drawn; the first one's interval too.
        horizon: Steps ahead.
        points: Steps of the stretch, or fewer where none is so long.

    Raises:
        InputError: No forecast has a known truth.
    """
    part = forecasts[(forecasts["horizon"] == horizon) & forecasts["model"].isin(models)]
    when = find_stretch(part[part["model"] == models[0]], points)
    part = part[part["made"].isin(when)].assign(at=lambda rows: rows["made"] + horizon * _step(table))
    names: Any = table.drop_duplicates("model").set_index("model")
    figure, (axes,) = style.canvas(size=(11, 4.6))
    first, row = part[part["model"] == models[0]], names.loc[models[0]]
    axes.plot(first["at"], first["truth"], color=style.INK, linewidth=1.6, label="true")
    for name, line in zip(models, ("-", "--", ":", "-."), strict=False):
        one, look = part[part["model"] == name], names.loc[name]
        colour = style.ROLES[look["role"]][1]
        axes.plot(one["at"], one["forecast"], color=colour, linestyle=line, linewidth=1.6, label=look["label"])
    colour, band = style.ROLES[row["role"]][1], f"{row['label']}, 95 % of its past errors"
    axes.fill_between(first["at"], first["low"], first["high"], color=colour, alpha=0.2, linewidth=0, label=band)
    axes.set(xlabel="time", ylabel=str(table["unit"].iloc[0]))
    axes.margins(x=0.01)
    style.numbers(axes.yaxis)
    style.dates(axes)
    off = (part["forecast"] - part["truth"]).abs().astype(float).groupby(part["model"].astype(str)).mean()
    words = [f"{names.loc[name, 'label']} {off[name]:.3g}" for name in models]
    title = f"{label_trace(table)}, {horizon} step{'s' if horizon > 1 else ''} ahead: here forecasts are off by"
    title += f" {', '.join(words)} on average"
    return style.finish(figure, title, note_origin(table))


def _step(table: pd.DataFrame) -> pd.Timedelta:
    return pd.Timedelta(seconds=float(table["step_seconds"].iloc[0]))


def find_stretch(one: pd.DataFrame, points: int) -> pd.Series:
    """Return when the newest so many forecasts in a row with a known truth were made, or fewer where none is so long.

    Args:
        one: Forecasts of one model and horizon, in time order: columns made and truth.
        points: How many.

    Raises:
        InputError: No row has a known truth.
    """
    known = one["truth"].notna()
    if not known.any():
        raise InputError("no forecast has a known truth; choose another trace, horizon or model")
    length = known.groupby((~known).cumsum()).cumsum()  # of the run that ends here
    wanted = min(points, int(length.max()))
    last = int(np.flatnonzero(length >= wanted)[-1])
    return one["made"].iloc[last - wanted + 1 : last + 1]


def _measure_hourly_error(forecasts: pd.DataFrame, horizon: int, step: pd.Timedelta) -> pd.DataFrame:
    """Return the mean absolute error of each model by hour of the day of the time that is forecast."""
    part = forecasts[(forecasts["horizon"] == horizon) & forecasts["truth"].notna()].astype({"model": str})
    hour = (part["made"] + horizon * step).dt.hour.rename("hour")
    error = (part["forecast"] - part["truth"]).abs().astype(float)
    return error.groupby([hour, part["model"]]).mean().unstack()[list(dict.fromkeys(part["model"]))]


@style.styled
def plot_hourly_error(table: pd.DataFrame, forecasts: pd.DataFrame, models: Sequence[str], horizon: int) -> Figure:
    """Draw the mean absolute error by hour of the day: some models in colour, the others as thin grey lines.

    The scale follows the models in colour; the note names others that leave it at the top.
    """
    hours = _measure_hourly_error(forecasts, horizon, _step(table))
    names: Any = table.drop_duplicates("model").set_index("model")
    figure, (axes,) = style.canvas(size=(9, 4.6))
    top = 1.35 * float(hours[list(models)].max().max())
    others = [name for name in hours.columns if name not in models]
    for place, name in enumerate(others):
        label = None if place else "other models"
        axes.plot(hours.index, hours[name], color=style.GREY, linewidth=0.8, alpha=0.8, label=label)
    for name in models:
        row = names.loc[name]
        _, colour, marker = style.ROLES[row["role"]]
        look = {"color": colour, "marker": marker, "label": row["label"]}
        axes.plot(hours.index, hours[name], ms=5, linewidth=1.8, **look)
    axes.set_xlabel("hour of the day of the forecast time, by the trace's own clock")
    axes.set_ylabel(f"mean absolute error\n({table['unit'].iloc[0]})")
    axes.set(xlim=(-0.5, 23.5), xticks=range(0, 24, 2), ylim=(0, top))
    beyond = [str(names.loc[name]["label"]) for name in others if hours[name].max() > top]
    more = f"Beyond the scale in some hours: {', '.join(beyond)}." if beyond else ""
    course, name = hours[models[0]], names.loc[models[0]]["label"]
    title = f"{label_trace(table)}: {name} errs most at {course.idxmax()} h, least at {course.idxmin()} h of the day"
    return style.finish(figure, title, note_origin(table, more))


@style.styled
def plot_table_3(table: pd.DataFrame, forecasters: Sequence[str] = ("published", "lstm")) -> Figure:
    """Draw Paper A, Table 3, for one trace: published beside measured, by both readings of the phases.

    Forecasters that were not run are left out.
    """
    makers = [name for name in forecasters if name in set(table["forecaster"])]
    series = [(maker, reading) for reading in ("trace", "actions") for maker in makers]
    handles = [style.key("published", marker="D", mfc="white")]
    figure, axes = style.canvas(1, 3, size=(11, 4.4), sharex=True, sharey=True)
    for phase, each in zip(PHASES, axes, strict=True):
        for at, cells in enumerate(TABLE_3.values()):
            each.plot(cells[phase], -at + 0.32, "D", mfc="white", mec=style.INK, ms=8, mew=1.5)
        each.set_title(phase)
        each.set_xlabel("requests that fail (%)")
        style.name_rows(each, [STRATEGIES[name] for name in TABLE_3])
        each.margins(x=0.1)
        style.numbers(each.xaxis)
    for (maker, reading), offset in zip(series, np.linspace(0.16, -0.32, len(series)), strict=True):
        rows = table[(table["reading"] == reading) & table["forecaster"].isin([maker, "none"])]
        colour = COLOURS.get(maker, style.ORANGE)
        fill = colour if reading == "trace" else "white"
        for row in rows[rows["strategy"].isin(TABLE_3) & rows["phase"].isin(PHASES)].to_dict("records"):
            at, each = offset - list(TABLE_3).index(row["strategy"]), axes[PHASES.index(row["phase"])]
            each.plot([row["low"], row["high"]], [at, at], color=colour, lw=1.2)
            each.plot(row["error_percent"], at, "o", ms=6, color=colour, mfc=fill)
        words = f"{OTHERS.get(maker) or MODELS[maker].label}, phases by {PHASES_BY[reading]}"
        handles.append(style.key(words, colour, "o", mfc=fill))
    bars = "Bars: 95 % over repeats. The forecast of published accuracy knows the future up to its error."
    near = compare_strategies(table).query("reading == 'trace'").set_index("forecaster")["cells"]
    words = ", ".join(f"{near[maker]} of 9 with {OTHERS.get(maker) or MODELS[maker].label}" for maker in makers)
    title = f"Paper A, Table 3, on {label_trace(table)}: cells within half a point of the paper's: {words}"
    note = note_origin(table, bars, "Responsive uses none.")
    return style.finish(figure, title, note, handles=handles, columns=3)


@style.styled
def plot_usage(table: pd.DataFrame, course: pd.DataFrame, kind: str, traces: Sequence[Trace]) -> Figure:
    """Draw Paper A, Fig. 2 or 3: `cpu` or `memory` of the simulated service, beside traces of other machines."""
    place, words = USAGE[kind]
    figure, axes = style.canvas(1, 1 + len(traces), size=(4.2 + 3.4 * len(traces), 3.6), sharey=True)
    rows = course[course["strategy"] == "combined"]
    axes[0].plot(rows["seconds"] / 3600, rows[kind], color=style.ORANGE, lw=0.7)
    axes[0].set_title(f"simulated from {label_trace(table)}")
    axes[0].set_xlabel("time (hours)")
    axes[0].set_ylabel(f"{words} (%)")
    for trace, each in zip(traces, axes[1:], strict=True):
        colour = style.BLUE if trace.origin.real else style.GREY
        each.plot(trace.frame.index, trace.frame[f"{kind}_percent"], color=colour, lw=0.7)
        each.set_title(f"{trace.label}{', measured' if trace.origin.real else ''}")
        style.dates(each)
    low, high = USAGE_RANGES[kind]
    for each in axes:
        each.axhspan(low, high, color=style.GREY, alpha=0.15, linewidth=0)
    axes[0].set_ylim(0, 100)
    grey = f"Grey: the range that the paper reads off its {place} ({low:g} to {high:g} %)."
    note = note_origin(table, grey, "The service is a model; the traces beside it are of other machines.")
    share = 100 * rows[kind].between(low, high).mean()
    title = f"Paper A, {place}: {words} of the simulated service is {share:.0f} % of the time in the paper's range"
    return style.finish(figure, title, note, handles=())


def plot_scaling(table: pd.DataFrame, course: pd.DataFrame, points: int = POINTS) -> Figure:
    """Draw so many sync periods of the paper's strategies, where Responsive failed most requests."""
    course = course.assign(forecaster=course["forecaster"].replace("none", ""))
    runs = dict.fromkeys(zip(course["strategy"], course["forecaster"], strict=True))
    paper = [run for run in runs if run[0] in TABLE_3]
    note = note_origin(table, "The stretch in which Responsive failed most requests.")
    return draw_scaling(course, paper, title=label_trace(table), note=note, points=points)


def plot_tradeoff(table: pd.DataFrame) -> Figure:
    """Draw errors against pod-hours, of what the replay of one trace returned: all strategies and leads."""
    note = note_origin(table, "Lower left is better. Means over repeats.")
    return draw_tradeoff(table[table["phase"] == "all"], title=label_trace(table), note=note)
