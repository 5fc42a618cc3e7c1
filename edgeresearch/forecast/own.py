"""Forecasting a user's own trace: judge models on its end, fit one on all of it, state the coming steps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.folders import check
from edgeresearch.forecast.evaluate import evaluate, metrics, pose
from edgeresearch.forecast.models import build, described
from edgeresearch.forecast.protocol import Array
from edgeresearch.forecast.report import Draw, Report, assemble, data, write
from edgeresearch.forecast.seasons import season
from edgeresearch.series import table
from edgeresearch.series.stamps import text
from edgeresearch.series.windows import features, targets, usable

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
    trace, said = table.read(path, time=time, value=value, step=step, window=window, horizon=horizon)
    said = [line for line in said if not line.startswith("season:")]
    trace = replace(trace, seasonality=season(seasonality, trace, horizon, said))
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
        **{"choice": "; ".join(judged.choices.get("choice", [])), "data": data(trace)},
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
    from edgeresearch.forecast import store  # it imports torch, for which bad input need not wait

    check(out)
    folder = Path(load) / "model" if (Path(load) / "model").is_dir() else Path(load)
    facts, forecaster = store.about(folder), store.load(folder)
    if not {"model", "horizon", "window", "season", "columns", "rows", "data"} <= set(facts):
        raise InputError(f"{load} was not saved by 'edgeresearch forecast'; give the folder 'model' of its results")
    horizon, window, fitted = int(facts["horizon"]), int(facts["window"]), facts["data"]
    trace, said = table.read(
        path, time=time, value=value or fitted["column"], step=step, window=window, horizon=horizon
    )
    said = [line for line in said if not line.startswith("season:")]
    trace = replace(trace, seasonality=facts["season"])
    if trace.step.total_seconds() != fitted["step_seconds"]:
        was = text(pd.Timedelta(seconds=fitted["step_seconds"]))
        raise InputError(f"{path} has a step of {text(trace.step)}, the model was fitted on {was}; resample the file")
    if trace.origin.sha256 == fitted["sha256"]:
        said.append("note: the model was fitted on this very file, so the scores are no test")
    horizons = range(1, horizon + 1)
    frame = features(trace, horizons=horizons, season=facts["season"], fill_limit=FILL_LIMIT, span=facts["rows"])
    if list(frame.columns) != facts["columns"]:
        lacks = ", ".join(name for name in facts["columns"] if name not in frame) or "none"
        raise InputError(
            f"{path} does not yield the model's columns (it lacks {lacks}); give about {facts['rows']} rows"
        )
    truth = targets(trace.values.to_numpy(dtype=float), horizons)
    truth[~usable(frame["value"].to_numpy(), window)] = np.nan
    if np.isnan(truth).all(axis=0).any():
        raise InputError(
            f"{path} has no row with a whole window of {window} and a value after it; give a longer series"
        )
    made = forecaster.predict(frame.to_numpy()).reshape(len(frame), horizon)
    naive = {"last_value": np.repeat(frame[["value"]].to_numpy(), horizon, axis=1)}
    if "season_lag_1" in frame:
        naive["seasonal_naive"] = frame[[f"season_lag_{ahead}" for ahead in horizons]].to_numpy()
    scores = _scores(truth, {facts["model"]: made, **naive})
    facts = {**facts, "fitted_on": fitted, "data": data(trace)}
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
