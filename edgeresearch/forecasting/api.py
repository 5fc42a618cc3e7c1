"""Forecast a trace: judge a model on its end, fit it on all of it, and state the coming steps."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd

from edgeresearch.data.reader import Reading, TraceLike, read_trace
from edgeresearch.data.trace import Trace, find_whole_windows, format_duration, make_features, make_targets
from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import CONTEXT, MODELS, Array, Forecaster, build, model_info, model_name
from edgeresearch.forecasting.evaluation import (
    MEMORY,
    TAILS,
    Comparison,
    check_forecast,
    enclose,
    evaluate,
    find_floor,
    metrics,
    past_error_interval,
    split,
)
from edgeresearch.forecasting.settings import STUDY, ForecastSettings
from edgeresearch.result import Result
from edgeresearch.settings import check_seed

BASELINES = ("last_value", "seasonal_naive", "ridge")
"""What a model is judged beside."""
SAVED = {"model", "horizon", "window", "season", "columns", "rows", "data"}
"""Facts without which a saved model cannot be applied."""


@dataclass(frozen=True, repr=False)
class Forecast(Result):
    """The forecasts of a trace.

    Attributes:
        table: One row per model and horizon: errors on the end of the trace.
        trace: The trace.
        model: Name of the chosen model.
        forecaster: That model, fitted on all rows.
        backtest: Its forecasts where the truth is known: time, horizon, truth, forecast, low, high.
        future: Its forecasts of the steps after the trace's end: time, horizon, forecast, low, high.
        notes: One line for each thing that was guessed.
        facts: Settings and data, and the verdict.
    """

    table: pd.DataFrame
    trace: Trace
    model: str
    forecaster: Forecaster
    backtest: pd.DataFrame
    future: pd.DataFrame
    notes: tuple[str, ...]
    facts: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """How the models compare with the last value, in one line."""
        return str(self.facts["verdict"])

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return `scores` and `forecast`, the coming steps."""
        return {"scores": self.table, "forecast": self.future}

    def _save_more(self, folder: Path) -> None:
        """Save the model, unless it came from a folder; one of a user's own only if it can be stored."""
        if "fitted_on" in self.facts:
            return
        from edgeresearch.forecasting import persistence

        with nullcontext() if self.model in MODELS else suppress(InputError):
            persistence.save(self.forecaster, folder / "model", about=self.facts)


def forecast(
    trace: TraceLike,
    model: str | Forecaster = "lstm",
    horizon: int = 1,
    *,
    seasonality: str | int | None = None,
    window: int = STUDY.window,
    baselines: Sequence[str | Forecaster] = BASELINES,
    settings: ForecastSettings | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    **reading: Unpack[Reading],
) -> Forecast:
    """Judge a model and baselines on the last fifth of a trace, fit the model on all rows, and forecast what comes.

    Args:
        trace: A file's path, a Series or DataFrame with times, or a trace (see `read_trace`).
        model: `random_forest`, `ridge`, `logistic`, `xgboost`, `lstm_paper`, `last_value`,
            `seasonal_naive`, `ridge_calendar`, `xgboost_calendar`, `lstm` or `lstm_huber`; or an object with
            `fit` and `predict` (see `Forecaster`).
        horizon: Steps ahead; all from 1 to it are forecast.
        seasonality: Steps in a season, a duration such as `1d`, or `none`; where None, a day if the trace spans three.
        window: Past values that a model reads.
        baselines: Models that are judged beside it.
        settings: What the models are made of, the study's if None; horizons, window, models and seeds are those of
            this call.
        seed: Root of everything random.
        progress: Receives a line at the start of each long step.
        **reading: How the trace is read, where it leaves that open: see `Reading`.

    Raises:
        InputError: The trace or a setting is not usable; the message says why.
    """
    models = list(dict.fromkeys([model, *baselines]))
    for each in models:
        model_info(each)
    seed = check_seed(seed)
    series = read_trace(trace, window=window, horizon=horizon, seasonality=seasonality, **reading)
    horizons = tuple(range(1, horizon + 1))
    settings = (settings or STUDY).replace(horizons=horizons, window=window, max_steps=len(series.frame), seeds=1)
    parts = replace(split(series, settings), floor=find_floor(series))
    if model == "seasonal_naive" and "season_lag_1" not in parts.features:
        raise InputError(f"model seasonal_naive needs a season, and {series.name} has none; say one with `seasonality`")
    tell, names, rows = progress or (lambda line: None), [model_name(each) for each in models], len(parts.features)
    tell(f"judging {', '.join(names)} on the last {rows - parts.test_start} rows")
    judged = evaluate([parts], settings, models=models, seed=seed)[0]
    tell(f"fitting {names[0]} on all {rows} rows")
    features, feature_names = parts.features.to_numpy(), list(parts.features.columns)
    fitted = build(model, columns=feature_names, rows=rows, settings=settings, seed=seed).fit(features, parts.targets)
    ours = judged.forecasts[judged.forecasts["model"] == names[0]]
    truth, forecasts = (ours[column].to_numpy().reshape(horizon, -1).T for column in ("truth", "forecast"))
    facts = {
        **{"model": names[0], "horizon": horizon, "window": window, "season": series.seasonality, "seed": seed},
        **{"fill_limit": settings.fill_limit, "columns": feature_names, "rows": rows, "baselines": names[1:]},
        **{"choice": "; ".join(judged.choices["choice"]), "data": series.describe()},
    }
    return _assemble(series, facts, judged.table, fitted, parts.features, truth, forecasts)


def apply_forecaster(
    folder: str | Path,
    trace: TraceLike,
    **reading: Unpack[Reading],
) -> Forecast:
    """Forecast a trace with a model that `Forecast.save` wrote; nothing is fitted.

    The scores are over the whole trace, beside those of the naive models. The trace, with the value column and step of
    the one that the model was fitted on, is read as for `forecast`; `folder` is what was saved into, or `model` in it.

    Raises:
        InputError: The model was not saved by a `Forecast`, or the trace does not fit it.
    """
    from edgeresearch.forecasting import persistence  # it imports torch, for which bad input need not wait

    place = Path(folder) / "model" if (Path(folder) / "model").is_dir() else Path(folder)
    facts, fitted = persistence.about(place), persistence.load(place)
    if not set(facts) >= SAVED:
        raise InputError(f"{folder} was not saved by 'edgeresearch forecast'; give the folder 'model' of its results")
    horizon, window, data = int(facts["horizon"]), int(facts["window"]), facts["data"]
    if not isinstance(trace, Trace | pd.Series) and not {"value", "sum", "count"} & reading.keys():
        reading["value"] = str(data["column"]).partition(" (")[0]
    series = read_trace(trace, window=window, horizon=horizon, seasonality="none", **reading)
    series = replace(series, seasonality=facts["season"])
    if series.step.total_seconds() != data["step_seconds"]:
        now, was = format_duration(series.step), format_duration(pd.Timedelta(seconds=data["step_seconds"]))
        raise InputError(f"{series.name} has a step of {now}, the model was fitted on {was}; resample the series")
    if series.origin.sha256 and series.origin.sha256 == data["sha256"]:
        note = "note: the model was fitted on this very file, so the scores are no test"
        series = replace(series, notes=(*series.notes, note))
    needed = window + (int(facts["season"]) if "season_lag_1" in facts["columns"] else 0)
    if len(series.frame) < needed:
        season = f" and a season of {series.seasonality}" if needed > window else ""
        what = f"{len(series.frame)} rows, the saved model reads a window of {window}{season}"
        raise InputError(f"{series.name} has {what}; give at least {needed} rows")
    horizons, fill_limit = range(1, horizon + 1), facts.get("fill_limit", STUDY.fill_limit)
    features = make_features(
        series, horizons=horizons, season=series.seasonality, fill_limit=fill_limit, span=facts["rows"]
    )
    if list(features.columns) != facts["columns"]:
        lacks = ", ".join(name for name in facts["columns"] if name not in features) or "none"
        raise InputError(f"{series.name} does not yield the model's columns (it lacks {lacks}); fit the model anew")
    truth = make_targets(series.values.to_numpy(dtype=float), horizons)
    truth[~find_whole_windows(features["value"].to_numpy(), window)] = np.nan
    if np.isnan(truth).all(axis=0).any():
        lacks = f"no row with a whole window of {window} and a value after it"
        raise InputError(f"{series.name} has {lacks}; give a longer series")
    forecasts = np.maximum(fitted.predict(features.to_numpy()), find_floor(series)).reshape(len(features), horizon)
    check_forecast(facts["model"], forecasts[~np.isnan(truth)])
    naive = {"last_value": np.repeat(features[["value"]].to_numpy(), horizon, axis=1)}
    if "season_lag_1" in features:
        naive["seasonal_naive"] = features[[f"season_lag_{ahead}" for ahead in horizons]].to_numpy()
    scores = _score(truth, {facts["model"]: forecasts, **naive})
    facts = {**facts, "fitted_on": data, "data": series.describe()}
    return _assemble(series, facts, scores, fitted, features, truth, forecasts)


def compare_forecasters(
    trace: TraceLike,
    models: Sequence[str | Forecaster] | None = None,
    horizons: Sequence[int] = STUDY.horizons,
    *,
    seasonality: str | int | None = None,
    window: int = STUDY.window,
    settings: ForecastSettings | None = None,
    seed: int = 0,
    workers: int = 1,
    **reading: Unpack[Reading],
) -> Comparison:
    """Compare forecasters on the last fifth of a trace, as the study does for Paper A, Table 2.

    The trace, how it is read, seasonality, window and seed are as for `forecast`. The `models` are names or objects;
    where None, all that the study compares. `settings`: what the models are made of, how often random ones are fitted,
    and how intervals are drawn; the study's if None. Results do not depend on the number of processes, `workers`.

    Raises:
        InputError: The trace or a setting is not usable; the message says why.
    """
    for each in models or ():
        model_info(each)
    seed = check_seed(seed)
    ahead = tuple(sorted(set(horizons)))
    series = read_trace(trace, window=window, horizon=max(ahead, default=0), seasonality=seasonality, **reading)
    settings = (settings or STUDY).replace(horizons=ahead, window=window)
    floor = find_floor(series)
    parts = replace(split(series, settings), floor=floor)
    judged = evaluate([parts], settings, models=models, seed=seed, workers=workers)[0]
    table = judged.forecasts
    low, high = enclose(table["forecast"].to_numpy(), table["low"].to_numpy(), table["high"].to_numpy(), floor)
    return replace(judged, forecasts=table.assign(low=low, high=high))


def _assemble(
    trace: Trace,
    facts: Mapping[str, Any],
    scores: pd.DataFrame,
    fitted: Forecaster,
    features: pd.DataFrame,
    truth: Array,
    forecasts: Array,
) -> Forecast:
    """Add intervals and the coming steps.

    An interval holds the middle 95 % of the model's own past errors, and its forecast; forecasts and bounds go below 0
    only where the trace does. `truth` and `forecasts` are `(rows, horizon)`, of the last rows of `features`; NaN is not
    judged.
    """
    floor = find_floor(trace)
    index, model = pd.DatetimeIndex(features.index), str(facts["model"])
    newest = fitted.predict(features.to_numpy()[-max(CONTEXT, int(facts["window"])) :])
    newest = np.maximum(newest.reshape(-1, truth.shape[1])[-1], floor)
    check_forecast(model, newest)
    past, future = [], []
    for column in range(truth.shape[1]):
        ahead, known = (column + 1) * trace.step, ~np.isnan(truth[:, column])
        memory = max(2, min(MEMORY, int(known.sum()) // 2))
        true, made, coming = truth[:, column], forecasts[:, column], newest[column : column + 1]
        low, high = enclose(made, *past_error_interval(true, made, column + 1, memory), floor)
        values = {"truth": true, "forecast": made, "low": low, "high": high}
        past.append(pd.DataFrame({"time": index[-len(truth) :] + ahead, "horizon": column + 1, **values})[known])
        tails = np.quantile((true - made)[known][-MEMORY:], TAILS)
        bounds = enclose(coming, coming + tails[0], coming + tails[1], floor)
        future.append((index[-1] + ahead, column + 1, *coming, *bounds[0], *bounds[1]))
    return Forecast(
        table=scores,
        trace=trace,
        model=model,
        forecaster=fitted,
        backtest=pd.concat(past, ignore_index=True),
        future=pd.DataFrame(future, columns=["time", "horizon", "forecast", "low", "high"]),
        notes=trace.notes,
        facts={**facts, "verdict": write_verdict(scores, model)},
    )


def write_verdict(scores: pd.DataFrame, chosen: str) -> str:
    """Say in one line which model won by the mean MSE, and how it and the chosen one compare with the last value."""
    mean = scores.groupby("model", sort=False, observed=True)["mse"].mean()
    naive, best = float(mean["last_value"]) if "last_value" in mean else np.nan, str(mean.idxmin())
    last = int(scores["horizon"].max())
    span = "1 step ahead" if last == 1 else f"the mean of 1 to {last} steps ahead"

    def compare_with_naive(name: str) -> str:
        if not naive > 0:
            return f"MSE {mean[name]:.4g}"
        share = 100 * (1 - mean[name] / naive)
        return f"{abs(share):.1f} % {'below' if share >= 0 else 'above'} the last value"

    rest = "" if best == chosen else f"; {chosen}: {compare_with_naive(chosen)}"
    if best == "last_value":
        return f"no model beats the last value by MSE, {span}{rest}"
    return f"{best} has the lowest MSE, {span}: {compare_with_naive(best)}{rest}"


def _score(truth: Array, forecasts: Mapping[str, Array]) -> pd.DataFrame:
    rows = []
    for column in range(truth.shape[1]):
        known = ~np.isnan(truth[:, column])
        true = truth[known, column]
        naive = metrics(true, forecasts["last_value"][known, column])["mse"]
        for name, each in forecasts.items():
            score = metrics(true, each[known, column])
            skill = 1 - score["mse"] / naive if naive > 0 else np.nan
            rows.append({"horizon": column + 1, "model": name, "points": len(true), **score, "skill": skill})
    return pd.DataFrame(rows)
