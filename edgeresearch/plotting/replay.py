"""The figures of a replay, a user's or the study's: scaling over time, and errors against pod-hours."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from edgeresearch.autoscaling.api import WITHIN, find_lowest_error, label
from edgeresearch.autoscaling.policies import POLICIES
from edgeresearch.data.trace import format_duration
from edgeresearch.forecasting.base import MODELS
from edgeresearch.plotting import style

if TYPE_CHECKING:
    from edgeresearch.autoscaling.api import Replay

Run = tuple[str, str]
"""A strategy and its forecaster."""

POINTS = 240
"""Sync periods that are still legible side by side."""

MARKERS = {"advance": "^", "responsive": "o", "combined": "D", "fixed": "s", "hpa": "v", "quantile": "P", "oracle": "*"}
"""Marker of a strategy; others are crosses."""
POINT: Mapping[str, Any] = {"ms": 8, "mew": 1.6}
COLOURS = {"": style.INK, "last_value": style.GREY, "ridge": style.GREEN, "published": style.BLUE}
"""Colour of a forecaster; others are orange."""
OTHERS = {"published": "published accuracy", "": "no forecast"}
"""What forecasters are called that are no models."""


def figures(result: "Replay") -> dict[str, Figure]:
    """Draw a user's replay: errors against pod-hours, and the advised policy beside Responsive over time."""
    name, config, base = result.trace.label, result.config, result.config.base_error
    tradeoff = draw_tradeoff(
        result.table.rename(columns={"error_percent_low": "low", "error_percent_high": "high"}),
        title=name,
        note="Lower left is better. Lines: the range of the repeats.",
        advice=result.advised if any(result.advised) else None,
        base_error=100 * base,
    )
    listed: list[Run] = list(zip(result.table["strategy"], result.table["forecaster"], strict=True))
    # Beside Responsive: what is advised or, if that is Responsive, the first on a model's forecast, else the HPA
    modelled = sorted((run for run in listed if run[1] not in ("", "last_value")), key=lambda run: run[0] != "combined")
    choices = [result.advised, *modelled, ("hpa", "")]
    own = {run[0]: run for run in reversed(listed) if run[0] not in POLICIES}  # each with its first forecaster
    compared = next(run for run in choices if run in listed and run != ("responsive", ""))
    runs = list(dict.fromkeys([compared, *reversed(own.values()), ("responsive", "")]))
    gap = format_duration(pd.Timedelta(seconds=config.sync_period))
    note = f"Means of {gap}, the time between two decisions."
    if any(forecaster for _, forecaster in runs):
        note += f" A forecast stands at the time that it is of, {config.horizon} decisions after it was made."
    note += " The stretch in which responsive failed most requests."
    load = draw_scaling(result.course, runs, title=name, note=note, base_error=base)
    return {"tradeoff": tradeoff, "load": load}


@style.styled
def draw_scaling(
    course: pd.DataFrame, runs: list[Run], *, title: str, note: str = "", points: int = POINTS, base_error: float = 0.0
) -> Figure:
    """Draw load, forecast, pods wanted and ready, and errors on one time axis, where Responsive failed most requests.

    Without it, where the first of the runs did.

    Args:
        course: One row per strategy, forecaster and sync period, as in `Replay.course`; without `time`, `seconds` are
            shown as hours.
        runs: Strategies and their forecasters that are drawn.
        title: Name of the trace; behind it stands how many requests fail.
        note: What a reader must know.
        points: Sync periods that are shown.
        base_error: Share of the requests that fails whatever happens; it does not count for where most failed.
    """
    dated = "time" in course
    course = course.assign(at=course["time"] if dated else course["seconds"] / 3600)
    frames = {run: course[(course["strategy"] == run[0]) & (course["forecaster"] == run[1])] for run in runs}
    judged = frames.get(("responsive", ""), frames[runs[0]])
    failed = (judged["failed"] - base_error * judged["load"]).fillna(0).rolling(min(points, len(judged))).sum()
    end = int(failed.argmax()) + 1
    shown = {run: frame.iloc[max(end - points, 0) : end] for run, frame in frames.items()}
    figure, axes = style.canvas(2 + len(runs), 1, size=(10, 3.5 + 2 * len(runs)), sharex=True)
    top, *middle, bottom = axes
    first = shown[runs[0]]
    step: Any = {"where": "post"}
    top.step(first["at"], first["load"], color=style.INK, lw=1.0, label="load", **step)
    for (_, forecaster), part in shown.items():
        if part["forecast"].notna().any():
            words = f"forecast by {_label_forecaster(forecaster)}"
            top.step(part["at"], part["forecast"].clip(lower=0), color=style.PINK, lw=1.2, label=words, **step)
            break
    for at, (each, (run, part)) in enumerate(zip(middle, shown.items(), strict=True)):
        colour = (style.ORANGE, style.BLUE, style.GREEN)[at % 3]
        each.step(part["at"], part["wanted"], color=colour, label="wanted", **step)
        each.fill_between(part["at"], part["ready"], step="post", color=colour, alpha=0.3, lw=0, label="ready")
        each.set(ylabel=f"{label(*run)}\npods", ylim=(0, 1.35 * max(part["wanted"].max(), 1)))
        each.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        percent = 100 * part["failed"] / part["load"].clip(lower=1e-9)
        bottom.step(part["at"], percent, color=colour, lw=2.6 - 0.8 * at, label=style.listed(label(*run)), **step)
    top.set_ylabel("requests\nper second")
    bottom.set_ylabel("requests\nthat fail (%)")
    for each in axes:
        each.legend(loc="upper right", ncols=3)
    for each in (top, bottom):
        each.set_ylim(0, 1.25 * each.get_ylim()[1])
    if dated:
        style.dates(bottom)
    else:
        bottom.set_xlabel("time (hours)")
    shares = {run: 100 * part["failed"].sum() / max(part["load"].sum(), 1e-9) for run, part in shown.items()}
    words = ", ".join(f"{label(*run)} {share:.1f} %" for run, share in shares.items())
    return style.finish(figure, f"{title}, requests that fail in this stretch: {words}", note, handles=[])


@style.styled
def draw_tradeoff(
    table: pd.DataFrame, *, title: str, note: str = "", advice: Run | None = None, base_error: float | None = None
) -> Figure:
    """Draw error rate against pod-hours for every strategy and forecaster, one panel per lead time.

    Where not scaling at all errs more than everything else, it would squeeze the rest together: the note tells of it.

    Args:
        table: One row per strategy and forecaster, and per `lead` if there are several: `error_percent` with `low` and
            `high`, `pod_hours`, perhaps with `pod_hours_low` and `pod_hours_high`.
        title: Name of the trace; behind it stands what is advised, else what errs least.
        note: What a reader must know.
        advice: The policy that is advised; it is filled, and the band of what is good enough is drawn.
        base_error: Requests that fail whatever happens, in percent.
    """
    rows, left_out = _leave_out_far(table.assign(forecaster=table["forecaster"].replace("none", "")))
    panels: dict[Any, pd.DataFrame] = dict(list(rows.groupby("lead"))) if "lead" in rows else {None: rows}
    figure, axes = style.canvas(1, len(panels), size=(max(8.0, 1.5 + 3.4 * len(panels)), 5.0), sharex=True, sharey=True)
    for each, (lead, part) in zip(axes, panels.items(), strict=True):
        each.set_title("" if lead is None else f"start delay × {lead:g}")
        each.set_xlabel("pod-hours")
        colours = [COLOURS.get(name, style.ORANGE) for name in part["forecaster"]]
        each.vlines(part["pod_hours"], part["low"], part["high"], colors=colours, lw=0.9)
        if "pod_hours_low" in part:
            each.hlines(part["error_percent"], part["pod_hours_low"], part["pod_hours_high"], colors=colours, lw=0.9)
        for colour, row in zip(colours, part.to_dict("records"), strict=True):
            run = row["strategy"], row["forecaster"]
            look = {"marker": MARKERS.get(run[0], "X"), "color": colour, "zorder": 3 if run[1] else 4, **POINT}
            each.plot(row["pod_hours"], row["error_percent"], mfc=colour if run == advice else "none", **look)
    handles: list[Any] = [
        *(
            style.key(style.listed(name), marker=MARKERS.get(name, "X"), mfc="none", **POINT)
            for name in rows["strategy"].unique()
        ),
        *(
            style.key(_label_forecaster(name), COLOURS.get(name, style.ORANGE), "_", **POINT)
            for name in rows["forecaster"].unique()
        ),
    ]
    if advice is not None:
        handles.append(style.key(f"filled: {label(*advice)}, advised", marker="X", **POINT))
        least = find_lowest_error(table)
        words = f"within {WITHIN:g} points of the best that scales"
        handles.append(axes[0].axhspan(least, least + WITHIN, color=style.GREY, alpha=0.2, lw=0, label=words))
    if base_error is not None:
        words = f"base errors ({base_error:g} %)"
        handles.append(axes[0].axhline(base_error, color=style.INK, lw=0.9, ls=":", label=words))
        axes[0].set_ylim(top=max(axes[0].get_ylim()[1], base_error + 3 * WITHIN))
    axes[0].set_ylabel("requests that fail (%)")
    style.numbers(axes[0].yaxis)
    style.numbers(axes[0].xaxis)
    if rows["pod_hours"].max() > 3 * rows["pod_hours"].min():  # Fixed may take many times the pods of the others
        axes[0].set_xscale("log")
        style.numbers(axes[0].xaxis, log=(1, 1.5, 2, 3, 4, 5, 7))
    told = rows[rows["lead"] == 1] if 1 in panels else rows
    known: list[Run] = list(zip(told["strategy"], told["forecaster"], strict=True))
    others = [run != advice if advice else "oracle" in run or "published" in run for run in known]
    chosen = told.assign(other=others).sort_values(["other", "error_percent"]).iloc[0]
    words = "is advised" if advice else "errs least without foresight"
    title += f": {label(chosen['strategy'], chosen['forecaster'])} {words}"
    title += f", {chosen['error_percent']:.1f} % at {chosen['pod_hours']:,.4g} pod-hours"
    return style.finish(figure, title, f"{note} {left_out}".strip(), handles=handles, columns=2 + min(len(panels), 2))


def _label_forecaster(forecaster: str) -> str:
    return OTHERS.get(forecaster) or MODELS[forecaster].label


def _leave_out_far(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the rows without those of Fixed if it errs more than all others, and a sentence that says so."""
    fixed = rows["strategy"] == "fixed"
    worst: Any = rows[fixed & (rows["lead"] == 1)] if "lead" in rows else rows[fixed]
    if worst.empty or not worst["error_percent"].iloc[0] > rows.loc[~fixed, "error_percent"].max():
        return rows, ""
    error, hours = worst["error_percent"].iloc[0], worst["pod_hours"].iloc[0]
    return rows[~fixed], f"Not drawn: Fixed, {error:.1f} % at {hours:.1f} pod-hours."
