"""The figures of a replay, a user's or the study's: scaling over time, and errors against pod-hours."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from edgeresearch.autoscaling.api import WITHIN, find_lowest_error, label
from edgeresearch.autoscaling.policies import POLICIES
from edgeresearch.data.csv import format_duration
from edgeresearch.forecasting.models import MODELS
from edgeresearch.plotting import style

if TYPE_CHECKING:
    from edgeresearch.autoscaling.api import Replay

POINTS = 240
"""Sync periods that are still legible side by side."""

MARKERS: Mapping[str, str] = MappingProxyType(
    {
        **{"advance": "^", "responsive": "o", "combined": "D", "fixed": "s"},
        **{"hpa": "v", "quantile": "P", "oracle": "*"},
    }
)
COLOURS: Mapping[str, str] = MappingProxyType(
    {"": style.INK, "last_value": style.GREY, "ridge": style.GREEN, "published": style.BLUE}
)
"""Colour of a forecaster; others are orange."""
OTHERS = {"published": "published accuracy", "": "no forecast"}


def figures(result: "Replay") -> dict[str, Figure]:
    """Draw a user's replay: errors against pod-hours, and the advised policy beside Responsive over time."""
    title, config = result.trace.label, result.config
    table = result.table.rename(columns={"error_percent_low": "low", "error_percent_high": "high"})
    tradeoff = draw_tradeoff(
        table,
        title=f"{title}: errors against pod-hours",
        note="Lower left is better. Lines: the range of the repeats.",
        advice=result.advised,
        base_error=100 * config.base_error,
    )
    gap = format_duration(pd.Timedelta(seconds=config.sync_period))
    runs = list(dict.fromkeys([_compared(result), *_own(result), ("responsive", "")]))
    note = f"Means of {gap}, the time between two decisions."
    if any(forecaster for _, forecaster in runs):
        note += f" A forecast stands at the time that it is of, {config.horizon} decisions after it was made."
    scaling = draw_scaling(
        result.course,
        runs,
        title=f"{title}: where responsive failed most requests",
        note=note,
        base_error=config.base_error,
    )
    return {"tradeoff": tradeoff, "load": scaling}


@style.styled
def draw_scaling(
    course: pd.DataFrame,
    runs: Sequence[tuple[str, str]],
    *,
    title: str,
    note: str = "",
    points: int = POINTS,
    base_error: float = 0.0,
) -> Figure:
    """Draw load, forecast, pods wanted and ready, and errors on one time axis, where Responsive failed most requests.

    Without it, where the first of the runs did.

    Args:
        course: One row per strategy, forecaster and sync period, as in `Replay.course`; without `time`, `seconds` are
            shown as hours.
        runs: Strategies and their forecasters that are drawn.
        title: Title of the figure.
        note: What a reader must know.
        points: Sync periods that are shown.
        base_error: Share of the requests that fails whatever happens; it does not count for where most failed.
    """
    frames = {run: course[(course["strategy"] == run[0]) & (course["forecaster"] == run[1])] for run in runs}
    judged = frames.get(("responsive", ""), frames[runs[0]])
    worst = _worst((judged["failed"] - base_error * judged["load"]).to_numpy(), points)
    shown = {run: frame.iloc[worst : worst + points] for run, frame in frames.items()}
    figure, axes = style.canvas(2 + len(runs), 1, size=(10, 3.5 + 2 * len(runs)), sharex=True)
    top, bottom = axes[0], axes[-1]
    first = next(iter(shown.values()))
    top.step(_times(first), first["load"], where="post", color=style.INK, lw=1.0, label="load")
    for (_, forecaster), part in shown.items():
        if part["forecast"].notna().any():
            words = f"forecast by {_forecaster_label(forecaster)}"
            top.step(_times(part), part["forecast"].clip(lower=0), where="post", color=style.PINK, lw=1.2, label=words)
            break
    for at, (run, part) in enumerate(shown.items()):
        times, colour, look = _times(part), (style.ORANGE, style.BLUE, style.GREEN)[at % 3], {"where": "post"}
        axes[1 + at].step(times, part["wanted"], color=colour, label="wanted", **look)  # type: ignore[arg-type]
        axes[1 + at].fill_between(times, part["ready"], step="post", color=colour, alpha=0.3, lw=0, label="ready")
        axes[1 + at].set(ylabel=f"{label(*run)}\npods", ylim=(0, 1.35 * max(part["wanted"].max(), 1)))
        axes[1 + at].yaxis.set_major_locator(MaxNLocator(5, integer=True))
        failed = 100 * part["failed"] / part["load"].clip(lower=1e-9)
        bottom.step(times, failed, color=colour, lw=2.6 - 0.8 * at, label=label(*run), **look)  # type: ignore[arg-type]
    top.set_ylabel("requests\nper second")
    bottom.set_ylabel("requests\nthat fail (%)")
    for each in axes:
        each.legend(loc="upper right", ncols=3)
    for each in (top, bottom):
        each.set_ylim(0, 1.25 * each.get_ylim()[1])
    if "time" in first:
        style.dates(bottom)
    else:
        bottom.set_xlabel("time (hours)")
    style.mark(figure, note)
    figure.suptitle(title, x=0.01, ha="left")
    return figure


@style.styled
def draw_tradeoff(
    table: pd.DataFrame,
    *,
    title: str,
    note: str = "",
    advice: tuple[str, str] | None = None,
    base_error: float | None = None,
) -> Figure:
    """Draw error rate against pod-hours for every strategy and forecaster, one panel per lead time.

    Where not scaling at all errs more than everything else, it would squeeze the rest together: the note tells of it.

    Args:
        table: One row per strategy and forecaster, and per `lead` if there are several: `error_percent` with `low` and
            `high`, `pod_hours`, perhaps with `pod_hours_low` and `pod_hours_high`.
        title: Title of the figure.
        note: What a reader must know.
        advice: The policy that is advised; it is filled, and the band of what is good enough is drawn.
        base_error: Requests that fail whatever happens, in percent.
    """
    rows, left_out = _without_far(table.assign(forecaster=table["forecaster"].replace("none", "")))
    panels: list[tuple[Any, pd.DataFrame]] = (
        [(lead, part) for lead, part in rows.groupby("lead")] if "lead" in rows else [(None, rows)]
    )
    figure, axes = style.canvas(1, len(panels), size=(max(8.0, 1.5 + 3.4 * len(panels)), 5.0), sharex=True, sharey=True)
    for each, (lead, part) in zip(axes, panels, strict=True):
        if lead is not None:
            each.set_title(f"start delay × {lead:g}")
        _draw_points(each, part, advice)
        each.set_xlabel("pod-hours")
    handles = [
        *(_handle(MARKERS.get(name, "X"), style.INK, name) for name in dict.fromkeys(rows["strategy"])),
        *(_handle("_", _colour(name), _forecaster_label(name)) for name in dict.fromkeys(rows["forecaster"])),
    ]
    if advice is not None:
        handles.append(_handle("X", style.INK, f"filled: {label(*advice)}, advised"))
        least = find_lowest_error(table)
        words = f"within {WITHIN:g} points of the best that scales"
        handles.append(axes[0].axhspan(least, least + WITHIN, color=style.GREY, alpha=0.2, lw=0, label=words))
    if base_error is not None:
        words = f"base errors ({base_error:g} %)"
        handles.append(axes[0].axhline(base_error, color=style.INK, lw=0.9, ls=":", label=words))
        bottom, top = axes[0].get_ylim()
        axes[0].set_ylim(bottom, max(top, base_error + 3 * WITHIN))
    axes[0].set_ylabel("requests that fail (%)")
    style.numbers(axes[0].yaxis)
    _scale_pod_hours(axes[0], rows["pod_hours"])
    style.legend(figure, " ".join(filter(None, [note, left_out])), handles=handles, columns=4)
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _draw_points(axes: Axes, rows: pd.DataFrame, advice: tuple[str, str] | None) -> None:
    for row in rows.to_dict("records"):
        colour, hours, errors = _colour(row["forecaster"]), row["pod_hours"], row["error_percent"]
        axes.vlines(hours, row["low"], row["high"], color=colour, lw=0.9)
        if "pod_hours_low" in row:
            axes.hlines(errors, row["pod_hours_low"], row["pod_hours_high"], color=colour, lw=0.9)
        advised = (row["strategy"], row["forecaster"]) == advice
        fill, marker = colour if advised else "none", MARKERS.get(row["strategy"], "X")
        axes.plot(hours, errors, marker, color=colour, mfc=fill, ms=8, mew=1.6, zorder=3 if row["forecaster"] else 4)


def _handle(marker: str, colour: str, words: str) -> Any:
    filled = colour if words.startswith("filled") else "none"
    return Line2D([], [], ls="", marker=marker, color=colour, mfc=filled, ms=8, mew=1.6, label=words)


def _colour(forecaster: str) -> str:
    return COLOURS.get(forecaster, style.ORANGE)


def _forecaster_label(forecaster: str) -> str:
    return OTHERS.get(forecaster) or MODELS[forecaster].label


def _without_far(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    fixed = rows["strategy"] == "fixed"
    worst: Any = rows[fixed & (rows["lead"] == 1)] if "lead" in rows else rows[fixed]
    if worst.empty or not worst["error_percent"].iloc[0] > rows.loc[~fixed, "error_percent"].max():
        return rows, ""
    error, hours = worst["error_percent"].iloc[0], worst["pod_hours"].iloc[0]
    return rows[~fixed], f"Not drawn: Fixed, {error:.1f} % at {hours:.1f} pod-hours."


def _scale_pod_hours(axes: Axes, values: pd.Series) -> None:
    """Use a logarithmic axis with round numbers where Fixed takes many times the pods of the others."""
    style.numbers(axes.xaxis)
    if values.max() > 3 * values.min():
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 7)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _compared(result: "Replay") -> tuple[str, str]:
    """Return the advised policy or, if that is Responsive, the first on a model's forecast, else the HPA."""
    listed = list(zip(result.table["strategy"], result.table["forecaster"], strict=True))
    models = [pair for pair in listed if pair[1] not in ("", "last_value")]
    choices = [
        result.advised,
        *sorted(models, key=lambda pair: pair[0] != "combined"),
    ]
    return next((pair for pair in choices if pair != ("responsive", "")), ("hpa", ""))


def _own(result: "Replay") -> list[tuple[str, str]]:
    """Return the user's own policies, each with the first of its forecasters."""
    listed = zip(result.table["strategy"], result.table["forecaster"], strict=True)
    first = {strategy: forecaster for strategy, forecaster in reversed(list(listed)) if strategy not in POLICIES}
    return list(first.items())[::-1]


def _times(rows: pd.DataFrame) -> Any:
    return rows["time"] if "time" in rows else rows["seconds"] / 3600


def _worst(failed: npt.NDArray[np.float64], points: int) -> int:
    """Return where the stretch begins in which most failed."""
    if len(failed) <= points:
        return 0
    total = np.cumsum(failed)
    return int(np.argmax(total[points:] - total[:-points])) + 1
