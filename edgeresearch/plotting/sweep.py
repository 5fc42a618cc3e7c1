"""The figure of a user's own sweep: one measure over one varied setting, or two."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from edgeresearch.plotting.style import BLUE, canvas, finish, numbers, styled
from edgeresearch.sweeps.api import SweepResult

WIDE = 20.0
"""Ratio of the largest to the smallest value from which on an axis is logarithmic."""
MANY = 12
"""Points of a line from which on its intervals are a band."""
WRITTEN = 80
"""Fields of a heat map that have their numbers written in them."""


def figures(result: SweepResult) -> dict[str, Figure]:
    """Return the figure by the name of its measure, if one or two settings are varied."""
    drawable = len(result.spec.varied) <= 2 and result.measure in result.table
    return {result.measure: draw_sweep(result)} if drawable else {}


@styled
def draw_sweep(result: SweepResult) -> Figure:
    """Draw the measure over one setting, as a line with its interval, or over two, as a heat map.

    Values that are words stand side by side; the points of a Latin hypercube of two settings are drawn where they are.
    """
    varied, table, seeds = result.spec.varied, result.table, result.spec.seeds
    points = result.spec.latin_hypercube is not None and all(_is_number(table[name]) for name in varied)
    note = f"mean of {seeds} seeds" + (", and its 95 % interval" if seeds > 1 else "")
    figure, (axes,) = canvas(size=(7.0, 4.2) if len(varied) == 1 else (7.6, 5.2))
    if len(varied) == 1:
        _draw_line(axes, result, *varied)
    else:
        (_draw_points if points else _draw_map)(axes, result, *varied)
        if points or len(table) > WRITTEN:
            note = f"mean of {seeds} seeds; the intervals stand in summary.csv"
    if not result.cells.get("real", pd.Series([True])).fillna(True).all():
        note += "; the data are synthetic"
    if len(result.failures):
        note += f"; {len(result.failures)} of {len(result.cells)} cells failed and are left out"
    known, title = table.dropna(subset=[result.measure]).sort_values(result.measure), result.name
    if len(known):
        words = [
            f"{row[result.measure]:.4g} ({', '.join(f'{name} {_short(row[name])}' for name in varied)})"
            for row in known.iloc[[0, -1]].to_dict("records")
        ]
        title += f": {result.labels[result.measure]} from {' to '.join(words)}"
    return finish(figure, title, note, handles=[])


def _draw_line(axes: Axes, result: SweepResult, name: str) -> None:
    measure, labels = result.measure, result.labels
    table = result.table.dropna(subset=[measure])
    if _is_number(table[name]):
        table = table.sort_values(name)
        where, look = table[name], "o-"
        _scale(axes, "x", where)
    else:
        where, look = table[name].astype(str), "o"
        axes.tick_params(axis="x", rotation=30 if len(table) > 5 else 0)
        axes.margins(x=0.5 / max(len(table) - 1, 1))
    axes.plot(where, table[measure], look, color=BLUE, ms=4)
    if look == "o-" and len(table) > MANY:
        axes.fill_between(where, table[f"{measure}_low"], table[f"{measure}_high"], color=BLUE, alpha=0.25, lw=0)
    else:
        axes.vlines(where, table[f"{measure}_low"], table[f"{measure}_high"], color=BLUE, lw=1.6)
    axes.set(xlabel=labels[name], ylabel=labels[measure])


def _draw_map(axes: Axes, result: SweepResult, down: str, across: str) -> None:
    import seaborn as sns

    measure, labels = result.measure, result.labels
    half = (result.table[f"{measure}_high"] - result.table[f"{measure}_low"]) / 2
    words = result.table[measure].map("{:.3g}".format) + half.map("\n± {:.2g}".format).where(half.notna(), "")
    table = result.table.assign(words=words.where(result.table[measure].notna(), ""))
    for name in (down, across):
        if not _is_number(table[name]):  # in the order of the file
            table[name] = pd.Categorical(table[name], table[name].unique())
    fields = table.pivot(index=down, columns=across, values=[measure, "words"]).rename(index=_short, columns=_short)
    few = fields[measure].size <= WRITTEN
    sns.heatmap(
        fields[measure].astype(float),
        annot=fields["words"].fillna("") if few else None,
        fmt="",
        cmap="cividis",
        annot_kws={"size": 8},
        linewidths=0.5 if few else 0,
        cbar_kws={"label": labels[measure]},
        ax=axes,
    )
    axes.set(xlabel=labels[across], ylabel=labels[down])
    axes.tick_params(axis="y", rotation=0)
    axes.invert_yaxis()


def _draw_points(axes: Axes, result: SweepResult, down: str, across: str) -> None:
    table, labels = result.table.dropna(subset=[result.measure]), result.labels
    drawn = axes.scatter(table[across], table[down], c=table[result.measure], cmap="cividis", s=60, edgecolor="white")
    _scale(axes, "x", table[across])
    _scale(axes, "y", table[down])
    axes.set(xlabel=labels[across], ylabel=labels[down])
    axes.figure.colorbar(drawn, ax=axes, label=labels[result.measure])


def _is_number(values: pd.Series) -> bool:
    return is_numeric_dtype(values) and not is_bool_dtype(values)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _scale(axes: Axes, axis: str, values: pd.Series) -> None:
    if values.min() > 0 and values.max() / values.min() >= WIDE:
        axes.set(**{f"{axis}scale": "log"})
    else:
        numbers(axes.xaxis if axis == "x" else axes.yaxis)
