"""The figures of Paper A's Table 2: published beside measured, error relative to the last value, and cost."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from edgeresearch.errors import InputError
from edgeresearch.papers.paper_a import METRICS, OURS, PUBLISHED
from edgeresearch.plotting import style

FLOOR = 1e-4
"""CPU seconds that are drawn where less was measured: the clock knows no better."""

TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def title(rows: pd.DataFrame) -> str:
    """Return the trace's name for a title, from any of its rows; a synthetic one is marked."""
    return style.shown(str(rows["trace"].iloc[0]), bool(rows["real"].iloc[0]))


def note(table: pd.DataFrame, *more: str) -> str:
    """Return what the reader of a figure of one trace must know, above all that its data is synthetic."""
    synthetic = "" if table["real"].iloc[0] else f"Synthetic data, not measured: {table['note'].iloc[0]}."
    return " ".join(filter(None, [synthetic, *more]))


@style.styled
def table2_figure(table: pd.DataFrame) -> Figure:
    """Draw Paper A, Table 2, for one trace: published beside measured, next step ahead.

    Errors are shown relative to the LSTM's own, because the published ones are of another, unpublished trace.

    Args:
        table: Rows of one trace of `paper_a.table2`.

    Raises:
        InputError: The paper's LSTM is not among the rows.
    """
    rows: Any = table[table["published_mse"].notna()].set_index("model")
    order = [name for name in PUBLISHED if name in rows.index]
    if OURS not in order:
        raise InputError(f"Table 2 is drawn relative to {OURS}; add it to forecast.models")
    rows, at = rows.loc[order], np.arange(len(order))[::-1]
    figure, axes = style.canvas(1, len(METRICS), size=(11, 3.9), sharey=True)
    for (name, metric), each in zip(METRICS.items(), axes, strict=True):
        theirs, ours = rows[f"published_{name}"], rows[name]
        if metric.lower_is_better:
            theirs, ours = theirs / theirs[OURS], ours / ours[OURS]
        middle = at[order.index(OURS)]
        each.axhspan(middle - 0.5, middle + 0.5, color=style.ORANGE, alpha=0.12, linewidth=0)
        each.plot(theirs, at + 0.18, "D", mfc="white", mec=style.INK, ms=8, mew=1.5, label="published")
        each.plot(ours, at - 0.18, "o", color=style.BLUE, ms=8, label="measured")
        each.set_xlabel(f"{metric.label}, relative to the LSTM's" if metric.lower_is_better else "R² (1: perfect)")
        each.set_title(f"{metric.label}: {'lower' if metric.lower_is_better else 'higher'} is better")
        each.set_yticks(at, rows["label"])
        each.margins(x=0.12)
        style.numbers(each.xaxis)
        each.grid(axis="y", visible=False)
    axes[0].set_ylim(-0.6, len(order) - 0.4)
    said = note(table, "Published values are of the paper's own, unpublished trace.")
    style.legend(figure, said, handles=axes[0].get_legend_handles_labels()[0])
    figure.suptitle(f"Paper A, Table 2, beside {title(table)}", x=0.01, ha="left")
    return figure


@style.styled
def relative_mse(table: pd.DataFrame, horizon: int) -> Figure:
    """Draw every model's MSE relative to the last value's, with its 95 % interval, one panel per trace.

    Args:
        table: Rows of `paper_a.table2`.
        horizon: Steps ahead.

    Raises:
        InputError: There are no rows of that horizon.
    """
    rows = table[table["horizon"] == horizon]
    traces = list(dict.fromkeys(rows["trace"]))
    if not traces:
        known = ", ".join(map(str, sorted(set(table["horizon"]))))
        raise InputError(f"no scores at horizon {horizon}; choose one of {known}")
    columns = min(len(traces), 3)
    lines = -(-len(traces) // columns)
    models = rows.drop_duplicates("model").set_index("model")[["label", "role"]]
    at = {str(name): place for place, name in enumerate(reversed(list(models.index)))}
    height = 1.3 + 0.27 * len(models)
    size = (max(2.2 + 3.4 * columns, 8.5), 1.0 + height * lines)
    figure, axes = style.canvas(lines, columns, size=size, sharey=True)
    for name, each in zip(traces, axes, strict=False):
        part = rows[rows["trace"] == name]
        _dots(each, part, at)
        each.set_title(title(part))
        each.set_xlabel("MSE / MSE of the last value")
    for each in axes[len(traces) :]:
        each.set_visible(False)
    axes[0].set_yticks(list(at.values()), [str(models["label"][name]) for name in at])
    said = "" if rows["real"].all() else "Panels named (synthetic): seeded stand-ins, not measured data."
    style.legend(figure, said, handles=_role_handles(models["role"]))
    ahead = "the next step" if horizon == 1 else f"{horizon} steps ahead"
    figure.suptitle(f"Error of forecasting {ahead}; below 1 is better than the last value", x=0.01, ha="left")
    return figure


def _dots(axes: Axes, part: pd.DataFrame, at: dict[str, int]) -> None:
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
def cost(table: pd.DataFrame) -> Figure:
    """Draw what each model costs: CPU seconds to fit and to forecast the test part, on a log scale.

    Args:
        table: Rows of one trace of `paper_a.table2`; models without a measured time are left out.
    """
    rows = table[(table["horizon"] == table["horizon"].min()) & table["fit_seconds"].notna()]
    rows = rows.sort_values("fit_seconds", ascending=False)
    figure, (axes,) = style.canvas(size=(9, 4.4 if len(rows) else 1.6))
    if rows.empty:
        axes.text(0.5, 0.5, "not measured for this trace; run make timings", ha="center", va="center", fontsize=12)
        axes.axis("off")
        style.mark(figure, note(table))
    else:
        _times(axes, rows)
        kinds = [
            Line2D([], [], marker="o", linestyle="", color=style.INK, ms=9, label="fit"),
            Line2D(
                [], [], marker="o", linestyle="", mfc="white", mec=style.INK, ms=7, label="forecast of the test part"
            ),
        ]
        style.legend(figure, note(table), handles=[*kinds, *_role_handles(rows["role"])], columns=4)
    figure.suptitle(f"{title(table)}: cost of each model", x=0.01, ha="left")
    return figure


def _times(axes: Axes, rows: pd.DataFrame) -> None:
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


def _role_handles(roles: pd.Series) -> list[Line2D]:
    present = [role for role in style.COLOURS if role in set(roles)]
    return [
        Line2D([], [], marker=style.MARKERS[role], linestyle="", color=style.COLOURS[role], ms=7, label=name)
        for role, name in ((role, style.ROLE_WORDS[role]) for role in present)
    ]
