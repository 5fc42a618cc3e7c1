"""Paper A's Table 2 in figures: published beside measured, errors beside the last value's, forecasts, and cost."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from edgeresearch.errors import InputError
from edgeresearch.papers.paper_a.published import METRICS, PAPER_LSTM, TABLE_2
from edgeresearch.plotting import style

FLOOR = 1e-4
"""CPU seconds that are drawn where less was measured: the clock knows no better."""

TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def label_trace(rows: pd.DataFrame) -> str:
    """Return the trace's name for a title, from any of its rows; a synthetic one is marked."""
    return style.shown(str(rows["trace"].iloc[0]), bool(rows["real"].iloc[0]))


def note_origin(rows: pd.DataFrame, *more: str) -> str:
    """Return what the reader of a figure of one trace must know, above all that its data is synthetic."""
    synthetic = "" if rows["real"].iloc[0] else f"Synthetic data, not measured: {rows['note'].iloc[0]}."
    return " ".join(filter(None, [synthetic, *more]))


@style.styled
def plot_table_2(table: pd.DataFrame) -> Figure:
    """Draw Paper A, Table 2, for one trace: published beside measured, next step ahead.

    Errors are shown relative to the LSTM's own, because the published ones are of another, unpublished trace.

    Args:
        table: Rows of one trace of `make_table_2`.

    Raises:
        InputError: The paper's LSTM is not among the rows.
    """
    rows: Any = table[table["published_mse"].notna()].set_index("model")
    order = [name for name in TABLE_2 if name in rows.index]
    if PAPER_LSTM not in order:
        raise InputError(f"Table 2 is drawn relative to {PAPER_LSTM}; add it to the models")
    rows, at = rows.loc[order], np.arange(len(order))[::-1]
    figure, axes = style.canvas(1, len(METRICS), size=(11, 3.9), sharey=True)
    for (name, metric), each in zip(METRICS.items(), axes, strict=True):
        published, measured = rows[f"published_{name}"], rows[name]
        if metric.lower_is_better:
            published, measured = published / published[PAPER_LSTM], measured / measured[PAPER_LSTM]
        middle = at[order.index(PAPER_LSTM)]
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
    style.legend(figure, note, handles=axes[0].get_legend_handles_labels()[0])
    figure.suptitle(f"Paper A, Table 2, beside {label_trace(table)}", x=0.01, ha="left")
    return figure


@style.styled
def plot_relative_mse(table: pd.DataFrame, horizon: int) -> Figure:
    """Draw every model's MSE relative to the last value's, with its 95 % interval, one panel per trace.

    Args:
        table: Rows of `make_table_2`.
        horizon: Steps ahead.

    Raises:
        InputError: There are no rows of that horizon.
    """
    rows = table[table["horizon"] == horizon]
    if rows.empty:
        known = ", ".join(map(str, sorted(set(table["horizon"]))))
        raise InputError(f"no scores at horizon {horizon}; choose one of {known}")
    traces = list(dict.fromkeys(rows["trace"]))
    columns = min(len(traces), 3)
    lines = -(-len(traces) // columns)
    models = rows.drop_duplicates("model").set_index("model")[["label", "role"]]
    at = {str(name): place for place, name in enumerate(reversed(list(models.index)))}
    size = (max(2.2 + 3.4 * columns, 8.5), 1.0 + (1.3 + 0.27 * len(models)) * lines)
    figure, axes = style.canvas(lines, columns, size=size, sharey=True)
    for name, each in zip(traces, axes, strict=False):
        part = rows[rows["trace"] == name]
        _draw_ratios(each, part, at)
        each.set_title(label_trace(part))
        each.set_xlabel("MSE / MSE of the last value")
    for each in axes[len(traces) :]:
        each.set_visible(False)
    axes[0].set_yticks(list(at.values()), [str(models["label"][name]) for name in at])
    note = "" if rows["real"].all() else "Panels named (synthetic): seeded stand-ins, not measured data."
    style.legend(figure, note, handles=_list_roles(models["role"]))
    ahead = "the next step" if horizon == 1 else f"{horizon} steps ahead"
    figure.suptitle(f"Error of forecasting {ahead}; below 1 is better than the last value", x=0.01, ha="left")
    return figure


def _draw_ratios(axes: Axes, part: pd.DataFrame, at: dict[str, int]) -> None:
    axes.axvline(1, color=style.INK, linewidth=1, linestyle="--")
    naive = part["mse"] / (1 - part["skill"])  # the same number in every row
    ratios = part[["mse_low", "mse", "mse_high"]].div(naive, axis=0)
    for name, role, (low, value, high) in zip(part["model"], part["role"], ratios.to_numpy(), strict=True):
        colour = style.COLOURS[role]
        axes.plot([low, high], [at[name]] * 2, color=colour, linewidth=2, alpha=0.6)
        axes.plot(value, at[name], style.MARKERS[role], color=colour, ms=7)
    low, high = float(ratios.min().min()), float(ratios.max().max())
    if high > 6 * max(low, FLOOR):
        axes.set_xscale("log")
        ticks = [tick for tick in TICKS if low / 1.3 <= tick <= high * 1.3]
        axes.set_xticks(ticks if len(ticks) < 9 else [tick for tick in ticks if np.log10(tick) % 1 == 0])
        axes.set_xticks([], minor=True)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        style.numbers(axes.xaxis)
    axes.grid(axis="y", alpha=0.4)


@style.styled
def plot_cost(table: pd.DataFrame) -> Figure:
    """Draw what each model costs: CPU seconds to fit and to forecast the test part, on a log scale.

    Args:
        table: Rows of one trace of `make_table_2`; models without a measured time are left out.
    """
    rows = table[(table["horizon"] == table["horizon"].min()) & table["fit_seconds"].notna()]
    rows = rows.sort_values("fit_seconds", ascending=False)
    figure, (axes,) = style.canvas(size=(9, 4.4 if len(rows) else 1.6))
    if rows.empty:
        axes.text(0.5, 0.5, "not measured for this trace; run make timings", ha="center", va="center", fontsize=12)
        axes.axis("off")
        style.mark(figure, note_origin(table))
    else:
        _draw_seconds(axes, rows)
        look: dict[str, Any] = {"marker": "o", "linestyle": "", "color": style.INK}
        hollow = Line2D([], [], mfc="white", mec=style.INK, ms=7, label="forecast of the test part", **look)
        handles = [Line2D([], [], ms=9, label="fit", **look), hollow]
        style.legend(figure, note_origin(table), handles=[*handles, *_list_roles(rows["role"])], columns=4)
    figure.suptitle(f"{label_trace(table)}: cost of each model", x=0.01, ha="left")
    return figure


def _draw_seconds(axes: Axes, rows: pd.DataFrame) -> None:
    at = np.arange(len(rows))
    fit, predict = (rows[name].clip(lower=FLOOR).to_numpy() for name in ("fit_seconds", "predict_seconds"))
    axes.hlines(at, predict, fit, color="#cccccc", linewidth=2, zorder=1)
    for place, role in enumerate(rows["role"]):
        colour, marker = style.COLOURS[role], style.MARKERS[role]
        axes.plot(fit[place], place, marker, color=colour, ms=9)
        axes.plot(predict[place], place, marker, mfc="white", mec=colour, mew=1.5, ms=7)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_yticks(at, rows["label"])
    axes.set_xlabel(f"CPU seconds on one thread (less than {FLOOR:g} is drawn there)")


def _list_roles(roles: Iterable[str]) -> list[Line2D]:
    present = set(roles)
    return [
        Line2D([], [], marker=style.MARKERS[role], linestyle="", color=colour, ms=7, label=style.ROLE_WORDS[role])
        for role, colour in style.COLOURS.items()
        if role in present
    ]


def _step(table: pd.DataFrame) -> pd.Timedelta:
    return pd.Timedelta(seconds=float(table["step_seconds"].iloc[0]))


@style.styled
def plot_forecasts(
    table: pd.DataFrame, forecasts: pd.DataFrame, models: Sequence[str], horizon: int, *, points: int = 240
) -> Figure:
    """Draw true against predicted over the newest stretch of the test part that is observed throughout.

    Args:
        table: Rows of one trace of `make_table_2`.
        forecasts: The forecasts of that trace, as `compare` wrote them.
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
        colour = style.COLOURS[look["role"]]
        axes.plot(one["at"], one["forecast"], color=colour, linestyle=line, linewidth=1.6, label=look["label"])
    colour, band = style.COLOURS[row["role"]], f"{row['label']}, 95 % of its past errors"
    axes.fill_between(first["at"], first["low"], first["high"], color=colour, alpha=0.2, linewidth=0, label=band)
    axes.set(xlabel="time", ylabel=str(table["unit"].iloc[0]))
    axes.margins(x=0.01)
    style.numbers(axes.yaxis)
    style.dates(axes)
    style.legend(figure, note_origin(table))
    ahead = f"{horizon} step{'s' if horizon > 1 else ''} ahead"
    figure.suptitle(f"{label_trace(table)}: true and predicted, {ahead}", x=0.01, ha="left")
    return figure


def find_stretch(one: pd.DataFrame, points: int) -> pd.Series:
    """Return when the forecasts of the newest run with a known truth were made.

    Args:
        one: Forecasts of one model and horizon, in time order: columns made and truth.
        points: Rows that the run shall have; the longest run where none has so many.

    Raises:
        InputError: No row has a known truth.
    """
    known = one["truth"].notna().to_numpy()
    if not known.any():
        raise InputError("no forecast has a known truth; choose another trace, horizon or model")
    last_bad = np.maximum.accumulate(np.where(known, -1, np.arange(len(known))))
    length = np.arange(len(known)) - last_bad
    wanted = min(points, int(length.max()))
    last = int(np.flatnonzero(length >= wanted)[-1])
    return one["made"].iloc[last - wanted + 1 : last + 1]


def measure_hourly_error(forecasts: pd.DataFrame, horizon: int, step: pd.Timedelta) -> pd.DataFrame:
    """Return the mean absolute error by hour of the day.

    Args:
        forecasts: The forecasts of a trace, as `compare` wrote them.
        horizon: Steps ahead.
        step: Distance of two steps.

    Returns:
        Index: the hours that the test part has, 0 to 23, of the time that is forecast; one column per model, in the
        order given.
    """
    part = forecasts[(forecasts["horizon"] == horizon) & forecasts["truth"].notna()]
    hour = (part["made"] + horizon * step).dt.hour.rename("hour")
    error = (part["forecast"] - part["truth"]).abs().astype(float)
    table = error.groupby([hour, part["model"].astype(str)]).mean().unstack()
    return pd.DataFrame(table[list(dict.fromkeys(part["model"].astype(str)))])


@style.styled
def plot_hourly_error(table: pd.DataFrame, forecasts: pd.DataFrame, models: Sequence[str], horizon: int) -> Figure:
    """Draw the mean absolute error by hour of the day: some models in colour, the others as thin grey lines.

    The scale follows the models in colour; the note names others that leave it at the top.

    Args:
        table: Rows of one trace of `make_table_2`.
        forecasts: The forecasts of that trace, as `compare` wrote them.
        models: Who is in colour.
        horizon: Steps ahead.
    """
    hours = measure_hourly_error(forecasts, horizon, _step(table))
    names: Any = table.drop_duplicates("model").set_index("model")
    figure, (axes,) = style.canvas(size=(9, 4.6))
    top = 1.35 * float(hours[list(models)].max().max())
    others = [name for name in hours.columns if name not in models]
    for place, name in enumerate(others):
        label = None if place else "other models"
        axes.plot(hours.index, hours[name], color=style.GREY, linewidth=0.8, alpha=0.8, label=label)
    for name in models:
        row = names.loc[name]
        look = {"color": style.COLOURS[row["role"]], "marker": style.MARKERS[row["role"]], "label": row["label"]}
        axes.plot(hours.index, hours[name], ms=5, linewidth=1.8, **look)
    axes.set_xlabel("hour of the day of the forecast time, by the trace's own clock")
    axes.set_ylabel(f"mean absolute error\n({table['unit'].iloc[0]})")
    axes.set(xlim=(-0.5, 23.5), xticks=range(0, 24, 2), ylim=(0, top))
    beyond = [str(names.loc[name]["label"]) for name in others if hours[name].max() > top]
    more = f"Beyond the scale in some hours: {', '.join(beyond)}." if beyond else ""
    style.legend(figure, note_origin(table, more))
    figure.suptitle(f"{label_trace(table)}: error by hour of the day", x=0.01, ha="left")
    return figure
