"""What the forecasts behind Paper A's Table 2 look like: true against predicted, and the error by hour of the day."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from edgeresearch.errors import InputError
from edgeresearch.papers.figures_a import note, title
from edgeresearch.plotting import style


@style.styled
def true_against_predicted(
    table: pd.DataFrame, forecasts: pd.DataFrame, models: Sequence[str], horizon: int, *, points: int = 240
) -> Figure:
    """Draw true against predicted over the newest stretch of the test part that is observed throughout.

    Args:
        table: Rows of one trace of `paper_a.table2`.
        forecasts: What `forecast.compare` wrote for the trace.
        models: Whose forecasts are drawn; the first one's interval too.
        horizon: Steps ahead.
        points: Steps of the stretch, or fewer where none is so long.

    Raises:
        InputError: No forecast has a known truth.
    """
    part = forecasts[(forecasts["horizon"] == horizon) & forecasts["model"].isin(models)]
    when = stretch(part[part["model"] == models[0]], points)
    part = part[part["made"].isin(when)].assign(at=lambda rows: rows["made"] + horizon * step_of(table))
    names: Any = table.drop_duplicates("model").set_index("model")
    figure, (axes,) = style.canvas(size=(11, 4.6))
    first = part[part["model"] == models[0]]
    axes.plot(first["at"], first["truth"], color=style.INK, linewidth=1.6, label="true")
    for name, line in zip(models, ("-", "--", ":", "-."), strict=False):
        one, row = part[part["model"] == name], names.loc[name]
        colour = style.COLOURS[row["role"]]
        axes.plot(one["at"], one["forecast"], color=colour, linestyle=line, linewidth=1.6, label=row["label"])
    row = names.loc[models[0]]
    said = f"{row['label']}, 95 % of its past errors"
    colour = style.COLOURS[row["role"]]
    axes.fill_between(first["at"], first["low"], first["high"], color=colour, alpha=0.2, linewidth=0, label=said)
    axes.set(xlabel="time", ylabel=str(table["unit"].iloc[0]))
    axes.margins(x=0.01)
    style.numbers(axes.yaxis)
    style.dates(axes)
    style.legend(figure, note(table))
    ahead = f"{horizon} step{'s' if horizon > 1 else ''} ahead"
    figure.suptitle(f"{title(table)}: true and predicted, {ahead}", x=0.01, ha="left")
    return figure


def step_of(table: pd.DataFrame) -> pd.Timedelta:
    """Return the distance of two steps of the trace that a table is of."""
    return pd.Timedelta(seconds=float(table["step_seconds"].iloc[0]))


def stretch(one: pd.DataFrame, points: int) -> pd.Series:
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


def hourly_error(forecasts: pd.DataFrame, horizon: int, step: pd.Timedelta) -> pd.DataFrame:
    """Return the mean absolute error by hour of the day.

    Args:
        forecasts: What `forecast.compare` wrote for a trace.
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
def error_by_hour(table: pd.DataFrame, hours: pd.DataFrame, models: Sequence[str]) -> Figure:
    """Draw the mean absolute error by hour of the day: some models in colour, the others as thin grey lines.

    The scale follows the models in colour; how many others leave it at the top is said.

    Args:
        table: Rows of one trace of `paper_a.table2`.
        hours: What `hourly_error` returns.
        models: Who is in colour.
    """
    names: Any = table.drop_duplicates("model").set_index("model")
    figure, (axes,) = style.canvas(size=(9, 4.6))
    top = 1.35 * float(hours[list(models)].max().max())
    others = [name for name in hours.columns if name not in models]
    for place, name in enumerate(others):
        label = "" if place else "other models"
        axes.plot(hours.index, hours[name], color=style.GREY, linewidth=0.8, alpha=0.8, label=label or None)
    for name in models:
        row = names.loc[name]
        look = {"color": style.COLOURS[row["role"]], "marker": style.MARKERS[row["role"]], "label": row["label"]}
        axes.plot(hours.index, hours[name], ms=5, linewidth=1.8, **look)
    axes.set_xlabel("hour of the day of the forecast time, by the trace's own clock")
    axes.set_ylabel(f"mean absolute error\n({table['unit'].iloc[0]})")
    axes.set(xlim=(-0.5, 23.5), xticks=range(0, 24, 2), ylim=(0, top))
    beyond = [str(names.loc[name]["label"]) for name in others if hours[name].max() > top]
    style.legend(figure, note(table, f"Beyond the scale in some hours: {', '.join(beyond)}." if beyond else ""))
    figure.suptitle(f"{title(table)}: error by hour of the day", x=0.01, ha="left")
    return figure
