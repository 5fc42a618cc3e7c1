"""Forecast a trace of your own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch import __version__
from edgeresearch.data.csv import format_duration, read_trace
from edgeresearch.data.features import find_whole_windows, make_features, make_targets
from edgeresearch.data.trace import Trace
from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import Array, Forecaster
from edgeresearch.forecasting.evaluation import CONTEXT, evaluate, metrics, past_error_interval, pose
from edgeresearch.forecasting.models import build, described
from edgeresearch.io import check, gathered, write_csv, write_json

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
            from edgeresearch.forecasting import persistence  # it imports torch, for which bad input need not wait

            persistence.save(report.forecaster, folder / "model", about=report.facts)
        if draw is not None:
            draw(report, folder)


BASELINES = ("last_value", "seasonal_naive", "ridge")
FILL_LIMIT = 5
"""Longest gap, in steps, over which the last value is carried."""


def _quiet(_: str) -> None:
    pass


def forecast_file(
    path: str | Path,
    out: str | Path,
    *,
    model: str = "lstm",
    horizon: int = 1,
    seasonality: str | int | None = None,
    window: int = 60,
    time: str | None = None,
    value: str | None = None,
    step: str | None = None,
    seed: int = 0,
    baselines: Sequence[str] = BASELINES,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    draw: Draw | None = None,
    tell: Callable[[str], None] = _quiet,
) -> Report:
    """Judge a model and baselines on the last fifth of a CSV, fit the model on all rows, and forecast what comes.

    `out` gets `scores.csv`, `forecast.csv`, `report.json`, the folder `model`, and what `draw` adds, all or nothing.

    Args:
        path: A CSV that `series.table.read` reads.
        out: Folder of the results; made where missing, files of the same names are replaced.
        model: Name of the model, a key of `MODELS`.
        horizon: Steps ahead; all from 1 to it are forecast.
        seasonality: Steps in a season, a duration such as `1d`, or `none`; where None, a day if the trace spans three.
        window: Past values that a model reads.
        time: Name of the time column; guessed where None.
        value: Name of the value column; guessed where None.
        step: Distance of two rows, such as `5min`; guessed where None.
        seed: Root of everything random.
        baselines: Models that are judged beside it.
        settings: Keyword arguments `lstm_paper`, `lstm`, `forest` of `models.build`.
        draw: Draws the report into the folder.
        tell: Receives a line at the start of each long step.

    Raises:
        InputError: The file, a setting or the folder is not usable; the message says why.
    """
    names = list(dict.fromkeys([model, *baselines]))
    for name in names:
        described(name)
    if seed < 0:
        raise InputError(f"seed {seed} is negative; use 0 or more")
    check(out)
    trace = read_trace(path, time=time, value=value, step=step, window=window, horizon=horizon, seasonality=seasonality)
    said = list(trace.notes)
    horizons = tuple(range(1, horizon + 1))
    problem = pose(trace, horizons=horizons, window=window, fill_limit=FILL_LIMIT)
    if model == "seasonal_naive" and "season_lag_1" not in problem.table:
        raise InputError(f"model seasonal_naive needs a season, and {trace.name} has none; say one with 'seasonality'")
    tell(f"judging {', '.join(names)} on the last {len(problem.table) - problem.test} rows")
    judged = evaluate(problem, models=names, window=window, seeds=1, root_seed=seed, settings=settings)
    tell(f"fitting {model} on all {len(problem.table)} rows")
    rows, columns = problem.table.to_numpy(), list(problem.table.columns)
    forecaster = build(
        model,
        columns=columns,
        rows=len(rows),
        window=window,
        fraction=problem.fraction,
        seed=seed,
        **dict[str, Any](settings or {}),
    ).fit(rows, problem.truth)
    ours = judged.forecasts[judged.forecasts["model"] == model]
    truth = ours["truth"].to_numpy().reshape(horizon, -1).T
    made = ours["forecast"].to_numpy().reshape(horizon, -1).T
    facts = {
        **{"model": model, "horizon": horizon, "window": window, "season": trace.seasonality, "seed": seed},
        **{"fill_limit": FILL_LIMIT, "columns": columns, "rows": len(rows), "baselines": list(baselines)},
        **{"choice": "; ".join(judged.choices.get("choice", [])), "data": trace.describe()},
    }
    report = assemble(trace, facts, said, judged.scores, forecaster, problem.table, truth, made)
    write(report, Path(out), draw, save=True)
    return report


def apply_file(
    path: str | Path,
    out: str | Path,
    *,
    load: str | Path,
    time: str | None = None,
    value: str | None = None,
    step: str | None = None,
    draw: Draw | None = None,
) -> Report:
    """Forecast a CSV with a model that `forecast_file` saved; nothing is fitted.

    `out` gets what `forecast_file` writes, but for the model. The scores are over the whole trace, beside those of the
    naive models.

    Args:
        path: A CSV with the value column and step of the trace that the model was fitted on.
        out: Folder of the results.
        load: The folder of its results, or `model` in it.
        time: Name of the time column; guessed where None.
        value: Name of the value column; the name that the model was fitted on where None.
        step: Distance of two rows; guessed where None.
        draw: Draws the report into the folder.

    Raises:
        InputError: The model is none of `forecast_file`'s, the trace does not fit it, or the folder is not usable.
    """
    from edgeresearch.forecasting import persistence  # it imports torch, for which bad input need not wait

    check(out)
    folder = Path(load) / "model" if (Path(load) / "model").is_dir() else Path(load)
    facts, forecaster = persistence.about(folder), persistence.load(folder)
    if not {"model", "horizon", "window", "season", "columns", "rows", "data"} <= set(facts):
        raise InputError(f"{load} was not saved by 'edgeresearch forecast'; give the folder 'model' of its results")
    horizon, window, fitted = int(facts["horizon"]), int(facts["window"]), facts["data"]
    trace = read_trace(path, time=time, value=value or fitted["column"], step=step, window=window, horizon=horizon)
    said = [line for line in trace.notes if not line.startswith("season:")]
    trace = replace(trace, seasonality=facts["season"])
    if trace.step.total_seconds() != fitted["step_seconds"]:
        was = format_duration(pd.Timedelta(seconds=fitted["step_seconds"]))
        raise InputError(
            f"{path} has a step of {format_duration(trace.step)}, the model was fitted on {was}; resample the file"
        )
    if trace.origin.sha256 == fitted["sha256"]:
        said.append("note: the model was fitted on this very file, so the scores are no test")
    horizons = range(1, horizon + 1)
    frame = make_features(trace, horizons=horizons, season=facts["season"], fill_limit=FILL_LIMIT, span=facts["rows"])
    if list(frame.columns) != facts["columns"]:
        lacks = ", ".join(name for name in facts["columns"] if name not in frame) or "none"
        raise InputError(
            f"{path} does not yield the model's columns (it lacks {lacks}); give about {facts['rows']} rows"
        )
    truth = make_targets(trace.values.to_numpy(dtype=float), horizons)
    truth[~find_whole_windows(frame["value"].to_numpy(), window)] = np.nan
    if np.isnan(truth).all(axis=0).any():
        raise InputError(
            f"{path} has no row with a whole window of {window} and a value after it; give a longer series"
        )
    made = forecaster.predict(frame.to_numpy()).reshape(len(frame), horizon)
    naive = {"last_value": np.repeat(frame[["value"]].to_numpy(), horizon, axis=1)}
    if "season_lag_1" in frame:
        naive["seasonal_naive"] = frame[[f"season_lag_{ahead}" for ahead in horizons]].to_numpy()
    scores = _scores(truth, {facts["model"]: made, **naive})
    facts = {**facts, "fitted_on": fitted, "data": trace.describe()}
    report = assemble(trace, facts, said, scores, forecaster, frame, truth, made)
    write(report, Path(out), draw)
    return report


def _scores(truth: Array, forecasts: Mapping[str, Array]) -> pd.DataFrame:
    rows = []
    for column in range(truth.shape[1]):
        known = ~np.isnan(truth[:, column])
        true = truth[known, column]
        naive = metrics(true, forecasts["last_value"][known, column])["mse"]
        for name, made in forecasts.items():
            score = metrics(true, made[known, column])
            skill = 1 - score["mse"] / naive if naive > 0 else np.nan
            rows.append({"horizon": column + 1, "model": name, "points": len(true), **score, "skill": skill})
    return pd.DataFrame(rows)
