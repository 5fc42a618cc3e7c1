"""The report on a user's own trace: intervals, the coming steps, one line of verdict, and the files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch import __version__
from edgeresearch.files import write_csv, write_json
from edgeresearch.folders import gathered
from edgeresearch.forecast.evaluate import CONTEXT, past_error_interval
from edgeresearch.forecast.protocol import Array, Forecaster
from edgeresearch.series.trace import Trace

MEMORY = 500
"""Past errors at most behind an interval."""


@dataclass(frozen=True)
class Report:
    """What is known of a trace's forecasts.

    Attributes:
        trace: The trace.
        model: Name of the chosen model, a key of `MODELS`.
        forecaster: That model, fitted.
        scores: One row per model and horizon.
        judged: The chosen model's forecasts where the truth is known: time, horizon, truth, forecast, low, high.
        coming: Its forecasts of the steps after the trace's end: time, horizon, forecast, low, high.
        verdict: How the models stand to the last value, in one line.
        said: One line for each thing that was guessed.
        facts: What is written to `report.json`.
    """

    trace: Trace
    model: str
    forecaster: Forecaster
    scores: pd.DataFrame
    judged: pd.DataFrame
    coming: pd.DataFrame
    verdict: str
    said: tuple[str, ...]
    facts: Mapping[str, Any]


Draw = Callable[[Report, Path], object]
"""Draws a report into a folder."""


def assemble(
    trace: Trace,
    facts: Mapping[str, Any],
    said: Sequence[str],
    scores: pd.DataFrame,
    forecaster: Forecaster,
    frame: pd.DataFrame,
    truth: Array,
    made: Array,
) -> Report:
    """Add intervals and the coming steps.

    An interval holds the middle 95 % of the model's own past errors; it goes below 0 only where the
    trace does.

    Args:
        trace: The trace.
        facts: What is known of model and data; `model` and `window` among it.
        said: One line for each thing that was guessed.
        scores: One row per model and horizon.
        forecaster: The model, fitted.
        frame: Features of every row.
        truth: `(rows, horizon)`, of the last rows of `frame`; column h - 1 is h steps ahead, NaN is not judged.
        made: What the model forecast for it.
    """
    floor = 0.0 if trace.values.min() >= 0 else -np.inf
    index = pd.DatetimeIndex(frame.index)
    newest = forecaster.predict(frame.to_numpy()[-max(CONTEXT, int(facts["window"])) :]).reshape(-1, made.shape[1])[-1]
    past, coming = [], []
    for column in range(made.shape[1]):
        ahead = (column + 1) * trace.step
        known = ~np.isnan(truth[:, column])
        memory = max(2, min(MEMORY, int(known.sum()) // 2))
        low, high = past_error_interval(truth[:, column], made[:, column], column + 1, memory=memory)
        values = {"truth": truth[:, column], "forecast": made[:, column], "low": np.maximum(low, floor), "high": high}
        times = index[-len(truth) :] + ahead
        past.append(pd.DataFrame({"time": times, "horizon": column + 1, **values})[known])
        errors = (truth[known, column] - made[known, column])[-MEMORY:]
        least, most = newest[column] + np.quantile(errors, [0.025, 0.975])
        coming.append((index[-1] + ahead, column + 1, newest[column], max(float(least), floor), most))
    return Report(
        trace=trace,
        model=str(facts["model"]),
        forecaster=forecaster,
        scores=scores,
        judged=pd.concat(past, ignore_index=True),
        coming=pd.DataFrame(coming, columns=["time", "horizon", "forecast", "low", "high"]),
        verdict=verdict(scores, str(facts["model"])),
        said=tuple(said),
        facts=facts,
    )


def verdict(scores: pd.DataFrame, chosen: str) -> str:
    """Say in one line which model won by the mean MSE, and how it and the chosen one stand to the last value."""
    mean = scores.groupby("model", sort=False, observed=True)["mse"].mean()
    naive, best = float(mean["last_value"]) if "last_value" in mean else np.nan, str(mean.idxmin())
    last = int(scores["horizon"].max())
    span = "1 step ahead" if last == 1 else f"the mean of 1 to {last} steps ahead"

    def told(name: str) -> str:
        if not naive > 0:
            return f"MSE {mean[name]:.4g}"
        share = 100 * (1 - mean[name] / naive)
        return f"{abs(share):.1f} % {'below' if share >= 0 else 'above'} the last value"

    if best == "last_value":
        return f"no model beats the last value by MSE, {span}" + (
            "" if best == chosen else f"; {chosen}: {told(chosen)}"
        )
    rest = "" if best == chosen else f"; {chosen}: {told(chosen)}"
    return f"{best} has the lowest MSE, {span}: {told(best)}{rest}"


def data(trace: Trace) -> dict[str, Any]:
    """Name the data of a trace: file, checksum, extent."""
    index = trace.frame.index
    return {
        **{"name": trace.name, "file": trace.origin.file, "sha256": trace.origin.sha256, "column": trace.unit},
        **{
            "step_seconds": trace.step.total_seconds(),
            "slots": len(index),
            "observed": int(trace.values.notna().sum()),
        },
        **{"first": str(index[0]), "last": str(index[-1]), "repairs": dict(trace.repairs)},
    }


def write(report: Report, out: Path, draw: Draw | None = None, *, save: bool = False) -> None:
    """Write `scores.csv`, `forecast.csv`, `report.json` and what `draw` adds, all or nothing.

    Args:
        report: What is written.
        out: Folder; made where missing.
        draw: Draws the report into the folder.
        save: Whether the model goes along, as the folder `model`.

    Raises:
        InputError: The folder cannot be written.
    """
    facts = {**report.facts, "edgeresearch": __version__, "said": list(report.said), "verdict": report.verdict}
    with gathered(out) as folder:
        write_csv(report.scores, folder / "scores.csv")
        write_csv(report.coming, folder / "forecast.csv")
        write_json(facts, folder / "report.json")
        if save:
            from edgeresearch.forecast import store  # it imports torch, for which bad input need not wait

            store.save(report.forecaster, folder / "model", about=report.facts)
        if draw is not None:
            draw(report, folder)
