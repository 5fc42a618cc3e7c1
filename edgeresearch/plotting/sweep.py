"""The figure of a user's own sweep: one measure over one varied setting, or two."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from edgeresearch.plotting.style import BLUE, canvas, mark, numbers, styled
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
    return {result.measure: sweep_figure(result)} if drawable else {}


@styled
def sweep_figure(result: SweepResult) -> Figure:
    """Draw the measure over one setting, as a line with its interval, or over two, as a heat map.

    Values that are words stand side by side; the points of a Latin hypercube of two settings are drawn where they are.
    """
    varied, table = result.spec.varied, result.table
    points = result.spec.latin_hypercube is not None and all(_number(table[name]) for name in varied)
    if len(varied) == 1:
        drawn, (axes,) = canvas(size=(7.0, 4.2))
        _line(axes, result, varied[0])
    else:
        drawn, (axes,) = canvas(size=(7.6, 5.2))
        (_scatter if points else _map)(axes, result, *varied)
    seeds = result.spec.seeds
    drawn.suptitle(f"{result.name}: {result.spec.experiment}", x=0.01, ha="left")
    note = f"mean of {seeds} seeds" + (", and its 95 % interval" if seeds > 1 else "")
    if len(varied) == 2 and (points or len(table) > WRITTEN):
        note = f"mean of {seeds} seeds; the intervals stand in summary.csv"
    if not result.cells.get("real", pd.Series([True])).fillna(True).all():
        note += "; the data are synthetic"
    if len(result.failures):
        note += f"; {len(result.failures)} of {len(result.cells)} cells failed and are left out"
    mark(drawn, note)
    return drawn


def _line(axes: Axes, result: SweepResult, name: str) -> None:
    table, measure = result.table.dropna(subset=[result.measure]), result.measure
    along = _number(table[name])
    if along:
        table = table.sort_values(name)
        _scaled(axes, "x", table[name])
        axes.plot(table[name], table[measure], "o-", color=BLUE, ms=4)
        where = table[name]
    else:
        where = pd.Series(np.arange(len(table)), index=table.index)
        axes.plot(where, table[measure], "o", color=BLUE)
        axes.set_xticks(where, table[name].astype(str), rotation=30 if len(table) > 5 else 0)
        axes.set_xlim(-0.5, len(table) - 0.5)
    low, high = table[f"{measure}_low"], table[f"{measure}_high"]
    if along and len(table) > MANY:
        axes.fill_between(where, low, high, color=BLUE, alpha=0.25, lw=0)
    else:
        axes.vlines(where, low, high, color=BLUE, lw=1.6)
    axes.set(xlabel=result.labels[name], ylabel=result.labels[measure])


def _map(axes: Axes, result: SweepResult, down: str, across: str) -> None:
    table, measure = result.table, result.measure
    orders = [_order(table[name]) for name in (down, across)]
    fields = table.pivot(index=down, columns=across, values=measure).reindex(index=orders[0], columns=orders[1])
    half = (table[f"{measure}_high"] - table[f"{measure}_low"]) / 2
    words = table.assign(words=[_written(*each) for each in zip(table[measure], half, strict=True)])
    told = words.pivot(index=down, columns=across, values="words").reindex_like(fields).fillna("")
    few = fields.size <= WRITTEN
    sns.heatmap(
        fields.astype(float),
        annot=told if few else None,
        fmt="",
        cmap="cividis",
        annot_kws={"size": 8},
        linewidths=0.5 if few else 0,
        xticklabels=_ticks(orders[1]),
        yticklabels=_ticks(orders[0]),
        cbar_kws={"label": result.labels[measure]},
        ax=axes,
    )
    axes.set(xlabel=result.labels[across], ylabel=result.labels[down])
    axes.tick_params(axis="y", rotation=0)
    axes.invert_yaxis()


def _scatter(axes: Axes, result: SweepResult, down: str, across: str) -> None:
    table, measure = result.table.dropna(subset=[result.measure]), result.measure
    drawn = axes.scatter(table[across], table[down], c=table[measure], cmap="cividis", s=60, edgecolor="white")
    for axis, name in (("x", across), ("y", down)):
        _scaled(axes, axis, table[name])
    axes.set(xlabel=result.labels[across], ylabel=result.labels[down])
    axes.figure.colorbar(drawn, ax=axes, label=result.labels[measure])


def _number(values: pd.Series) -> bool:
    return is_numeric_dtype(values) and not is_bool_dtype(values)


def _order(values: pd.Series) -> list[Any]:
    every = values.unique().tolist()
    return sorted(every) if _number(values) else every


def _ticks(values: Sequence[Any]) -> list[str]:
    return [f"{value:g}" if isinstance(value, float) else str(value) for value in values]


def _scaled(axes: Axes, axis: str, values: pd.Series) -> None:
    if values.min() > 0 and values.max() / values.min() >= WIDE:
        axes.set(**{f"{axis}scale": "log"})
    else:
        numbers(axes.xaxis if axis == "x" else axes.yaxis)


def _written(mean: float, half: float) -> str:
    if not np.isfinite(mean):
        return ""
    return f"{mean:.3g}" + (f"\n± {half:.2g}" if np.isfinite(half) else "")
