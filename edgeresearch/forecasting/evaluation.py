"""How forecasters are judged: a split in time order, errors with intervals, and tests between models."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.data.trace import Trace, find_whole_windows, make_features, make_targets
from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import (
    CONTEXT,
    MODELS,
    Array,
    Forecaster,
    Mask,
    ModelInfo,
    build,
    model_info,
    model_name,
)
from edgeresearch.forecasting.settings import STUDY, BootstrapSettings, ForecastSettings
from edgeresearch.provenance import sha256
from edgeresearch.result import Result

LONGEST_FIRST = ("lstm_huber", "lstm", "xgboost_calendar", "lstm_paper", "xgboost", "random_forest")
"""Models whose fits take long, in the order in which workers start on them: no worker is left with a long one alone."""
MEMORY = 500
"""Past errors at most behind an interval of a forecast."""
TAILS = (1 - 0.95) / 2, (1 + 0.95) / 2
"""Between these quantiles lies an interval."""


@dataclass(frozen=True)
class Split:
    """A trace cut in time order into what is learnt from and what is judged on.

    Attributes:
        trace: The trace.
        features: Features of every row that is used (see `make_features`).
        targets: What is forecast, `(rows, horizons)`.
        scored: Rows of the test part whose whole window is observed.
        test_start: First row of the test part; the rows before it train and validate.
        horizons: Steps ahead.
        floor: What no forecast is below: a lower one counts as this.
    """

    trace: Trace
    features: pd.DataFrame
    targets: Array
    scored: Mask
    test_start: int
    horizons: tuple[int, ...]
    floor: float = -np.inf

    @property
    def training_targets(self) -> Array:
        """The targets before the test part; those that lie in it are hidden."""
        visible = self.targets[: self.test_start].copy()
        for column, horizon in enumerate(self.horizons):
            visible[max(self.test_start - horizon, 0) :, column] = np.nan
        return visible

    @property
    def truth(self) -> Array:
        """What is judged on, `(test rows, horizons)`; NaN where it is not known or the window before is not whole."""
        return np.where(self.scored[:, None], self.targets, np.nan)[self.test_start :]


@dataclass(frozen=True, repr=False)
class Comparison(Result):
    """How forecasters did on one trace.

    Attributes:
        table: One row per model and horizon: errors, intervals, skill over the last value, tests of significance.
        forecasts: One row per judged time, horizon and model: truth, the forecast (mean over seeds) and its interval.
        seconds: One row per model: CPU seconds of a fit and of forecasting the test part, mean over seeds.
        choices: One row per model and seed: what validation picked.
        trace: The trace.
        notes: One line for each thing that a reader may not expect.
        facts: Settings, seed and data.
        fitted: The models as they were judged, by name, if they were kept.
    """

    table: pd.DataFrame
    forecasts: pd.DataFrame
    seconds: pd.DataFrame
    choices: pd.DataFrame
    trace: Trace
    notes: tuple[str, ...]
    facts: Mapping[str, Any]
    fitted: Mapping[str, Forecaster] = field(default_factory=dict)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return `scores` and `choices`."""
        return {"scores": self.table, "choices": self.choices}

    def describe_scores(self) -> pd.DataFrame:
        """Return the scores with what they are of.

        Returns:
            The table with `trace` and `real` before it, and `label` and `role` of the model, `unit`, `step_seconds`,
            `note` and `sha256` of the data after it. The checksum is that of the file, or of the values where there is
            none.
        """
        trace, origin = self.trace, self.trace.origin
        models = [_info(name) for name in self.table["model"]]
        before = pd.DataFrame({"trace": trace.name, "real": origin.real}, index=self.table.index)
        return before.join(self.table).assign(
            label=[model.label for model in models],
            role=[model.role for model in models],
            unit=trace.unit,
            step_seconds=trace.step.total_seconds(),
            note=origin.note,
            sha256=origin.sha256 or sha256(trace.values.to_numpy(dtype="<f8").tobytes()),
        )


def split(trace: Trace, settings: ForecastSettings = STUDY, *, times: bool = True) -> Split:
    """Cut a trace in time order; with the study's settings 70 % train, 10 % validate, 20 % test.

    The shares are of the rows or, where half of the test part cannot be judged for gaps, of what can be judged.

    Args:
        trace: The series; its first column is forecast.
        settings: Horizons, window, longest gap that is filled, newest steps that are used, and the shares.
        times: Whether a model reads the time of day (see `make_features`).

    Raises:
        InputError: The trace is too short, or its test part has no row to judge on.
    """
    window, horizons = settings.window, settings.horizons
    rows = min(len(trace.frame), settings.max_steps)
    table = make_features(
        trace, horizons=horizons, season=trace.seasonality, fill_limit=settings.fill_limit, span=rows, times=times
    ).iloc[-rows:]
    truth = make_targets(trace.values.to_numpy(dtype=float), horizons)[-rows:]

    def first_test_row(rows: int) -> int | None:
        cut = round(rows * (1 - settings.test_fraction))
        return cut if cut > 2 * window and rows - cut > max(horizons) else None

    test = first_test_row(rows)
    if test is None:
        need = next(more for more in count(rows) if first_test_row(more) is not None)
        asked = f"window {window} and horizon {max(horizons)} need {need}"
        raise InputError(f"{trace.name} has {rows} points; {asked}; use a shorter window")
    scored = find_whole_windows(table["value"].to_numpy(), window)
    judged = scored & ~np.isnan(truth).any(axis=1)
    if judged[test:].mean() < 0.5 and judged.any():  # a long gap in the test part: the last of what can be judged
        at = np.flatnonzero(judged)
        test = max(int(at[round(len(at) * (1 - settings.test_fraction)) - 1]) + 1, 2 * window + 1)
    scored[:test] = False
    if not (scored[:, None] & ~np.isnan(truth)).any(axis=0).all():
        lacks = f"no {window} observed values in a row, and a value after them, in its last {rows - test} points"
        raise InputError(f"{trace.name} has {lacks}; use a shorter window or a longer series")
    return Split(trace, table, truth, scored, test, horizons)


def compare(traces: Sequence[Trace], settings: ForecastSettings = STUDY, **options: Any) -> list[Comparison]:
    """Cut traces by the settings, then `evaluate` models on them.

    Raises:
        InputError: There is no model of that name, or a trace is too short.
    """
    return evaluate([split(trace, settings) for trace in traces], settings, **options)


def evaluate(
    splits: Sequence[Split],
    settings: ForecastSettings = STUDY,
    *,
    models: Sequence[str | Forecaster] | None = None,
    seed: int = 0,
    workers: int = 1,
    keep: Sequence[str] = (),
) -> list[Comparison]:
    """Fit and judge models on some traces (Paper A, Table 2), all fits side by side, those that take long first.

    A model learns before the test part, once per seed if it is random: it makes its choices on the validation rows,
    then learns from all rows before the test part. Nothing is chosen by test error.

    Args:
        splits: The traces, cut.
        settings: What models are made of, how often, and how intervals are drawn.
        models: Names in `MODELS`, or objects; where None, those of the settings.
        seed: Root of all seeds.
        workers: Processes; results do not depend on them.
        keep: Names of the models that the result keeps, of their first seed.

    Raises:
        InputError: There is no model of that name.
    """
    from joblib import delayed

    from edgeresearch import parallel

    wanted = list(dict.fromkeys(settings.models if models is None else models))
    chosen = {model_name(model): model for model in wanted}
    if len(chosen) < len(wanted):
        raise InputError("two models have one name; give objects of classes with different names")
    repeats = {name: settings.seeds if model_info(model).random else 1 for name, model in chosen.items()}
    jobs = [
        (at, name, repeat)
        for at, one in enumerate(splits)
        for name in chosen
        if name != "seasonal_naive" or "season_lag_" in "".join(one.features.columns)
        for repeat in range(repeats[name])
    ]
    turns = {name: turn for turn, name in enumerate(LONGEST_FIRST)}
    order = sorted(jobs, key=lambda job: (turns.get(job[1], len(turns)), -len(splits[job[0]].features)))
    tasks = (
        delayed(_run)(splits[at], chosen[name], settings, seed, repeat, name in keep and not repeat)
        for at, name, repeat in order
    )
    runs = dict(zip(order, parallel.run(tasks, workers), strict=True))
    judgements = (
        delayed(_judge)(one, [runs[job] for job in jobs if job[0] == at], settings, seed)
        for at, one in enumerate(splits)
    )
    return parallel.run(judgements, workers)


def metrics(truth: Array, forecast: Array) -> dict[str, float]:
    """Return MSE, MAE and R² of a forecast; R² is NaN where the truth is constant."""
    error = forecast - truth
    variance = float(np.var(truth))
    mse = float(np.mean(error**2))
    r2 = 1 - mse / variance if variance > 0 else float("nan")
    return {"mse": mse, "mae": float(np.mean(np.abs(error))), "r2": r2}


def block_interval(losses: Array, rng: np.random.Generator, settings: BootstrapSettings) -> tuple[float, float]:
    """Return the 95 % interval of the mean loss by a moving-block bootstrap over time and, with them, over seeds.

    Args:
        losses: `(seeds, times)` in time order.
        rng: Draws blocks and seeds.
        settings: Draws, and the length of a block: neighbouring errors are alike and stay together.
    """
    seeds, times = losses.shape
    block = min(settings.block, times)
    sums = np.cumsum(np.concatenate([np.zeros((seeds, 1)), losses], axis=1), axis=1)
    means = (sums[:, block:] - sums[:, :-block]) / block
    blocks = -(-times // block)
    draws = np.empty(settings.resamples)
    for k in range(len(draws)):
        starts = rng.integers(means.shape[1], size=blocks)
        draws[k] = means[np.ix_(rng.integers(seeds, size=seeds), starts)].mean()
    low, high = np.quantile(draws, TAILS)
    return float(low), float(high)


def diebold_mariano(first: Array, second: Array, horizon: int) -> tuple[float, float]:
    """Test whether two forecasters' losses differ (Diebold and Mariano 1995, as corrected by Harvey et al. 1997).

    Args:
        first: Losses of the first, in time order.
        second: Losses of the second at the same times.
        horizon: Steps ahead; autocovariances up to `horizon - 1` enter the variance.

    Returns:
        The statistic, negative where the first is better, and the two-sided p value of Student's t; (0, 1) where they
        are the same.
    """
    from scipy import stats

    difference = first - second
    count = len(difference)
    centred = difference - difference.mean()
    covariances = [float(centred[lag:] @ centred[: count - lag]) / count for lag in range(horizon)]
    variance = (covariances[0] + 2 * sum(covariances[1:])) / count
    if variance <= 0:
        variance = covariances[0] / count
    if variance <= 0:
        return 0.0, 1.0
    correction = (count + 1 - 2 * horizon + horizon * (horizon - 1) / count) / count
    statistic = float(difference.mean() / np.sqrt(variance) * np.sqrt(max(correction, 0.0)))
    return statistic, float(2 * stats.t.sf(abs(statistic), count - 1))


def past_error_interval(truth: Array, forecast: Array, horizon: int, memory: int = MEMORY) -> tuple[Array, Array]:
    """Return the interval that a forecaster could have stated at each moment: the middle 95 % of its own past errors.

    Args:
        truth: What happened, `(times,)`; NaN where not known.
        forecast: What was forecast for it.
        horizon: Steps ahead: an error is known only so many steps later.
        memory: Errors that count; with fewer than half as many there is no interval (NaN).

    Returns:
        Lower and upper bound, `(times,)`.
    """
    error = pd.Series(truth - forecast).shift(horizon)
    rolling = error.rolling(memory, min_periods=memory // 2)
    low, high = (rolling.quantile(tail).to_numpy() for tail in TAILS)
    return forecast + low, forecast + high


def find_floor(trace: Trace) -> float:
    """Return 0 for a trace that never goes below it, such as a count, and minus infinity for any other."""
    return 0.0 if trace.values.min() >= 0 else -np.inf


def enclose(forecast: Array, low: Array, high: Array, floor: float) -> tuple[Array, Array]:
    """Return bounds moved apart until the forecast lies between them, the lower one not below the floor; NaN stays.

    A model that errs to one side has past errors of one sign: their bounds leave out its own forecast.
    """
    return np.maximum(np.minimum(low, forecast), floor), np.maximum(high, forecast)


@dataclass(frozen=True)
class _Run:
    model: str
    repeat: int
    forecast: Array
    seconds: Mapping[str, float]
    choice: str
    fitted: Forecaster | None = None


def _info(name: str) -> ModelInfo:
    return MODELS.get(name, ModelInfo(name, "own", random=False))


def _run(
    split: Split, model: str | Forecaster, settings: ForecastSettings, seed: int, repeat: int, keep: bool = False
) -> _Run:
    """Fit one model before the test part and forecast that part."""
    name = model_name(model)
    if "lstm" in name:
        import torch

        torch.set_num_threads(1)
    child = np.random.SeedSequence(seed, spawn_key=([*MODELS, name].index(name), repeat))
    once = int(child.generate_state(1)[0] % (2**31))
    rows, columns, test = split.features.to_numpy(), list(split.features.columns), split.test_start
    start = time.process_time()
    fitted = build(model, columns=columns, rows=test, settings=settings, seed=once)
    fitted.fit(rows[:test], split.training_targets)
    fit_done = time.process_time()
    begin = max(0, test - CONTEXT)
    forecast = np.maximum(fitted.predict(rows[begin:])[test - begin :], split.floor)
    seconds = {"fit_seconds": fit_done - start, "predict_seconds": time.process_time() - fit_done}
    picked = vars(fitted) if isinstance(model, str) else {}
    choice = f"{picked['base_']}, local scale, {picked['epochs_']} epochs" if "base_" in picked else ""
    forecast = forecast.reshape(len(forecast), -1)
    check_forecast(name, forecast[~np.isnan(split.truth).all(axis=1)])
    return _Run(name, repeat, forecast, seconds, choice, fitted if keep else None)


def check_forecast(model: str, forecast: Array) -> None:
    """Refuse forecasts that are not finite, where the model was shown a whole window."""
    wrong = forecast[~np.isfinite(forecast)]
    if len(wrong):
        where = f"in {len(wrong)} of {forecast.size} places"
        raise InputError(f"model {model} forecasts {wrong[0]:g} {where}, not finite numbers; use another model")


def _judge(split: Split, runs: Sequence[_Run], settings: ForecastSettings, seed: int) -> Comparison:
    """Compare what the models forecast with what came."""
    names = dict.fromkeys(run.model for run in runs)
    forecasts = {name: np.stack([run.forecast for run in runs if run.model == name]) for name in names}
    choices = [(run.model, run.repeat, run.choice) for run in runs if run.choice]
    seconds = pd.DataFrame([{"model": run.model, **run.seconds} for run in runs])
    return Comparison(
        table=_score(split, forecasts, np.random.default_rng(seed), settings.bootstrap),
        forecasts=_stack_forecasts(split, forecasts),
        seconds=seconds.groupby("model", sort=False).mean().reset_index(),
        choices=pd.DataFrame(choices, columns=["model", "seed", "choice"]),
        trace=split.trace,
        notes=split.trace.notes,
        facts={"seed": seed, "settings": settings.model_dump(mode="json"), "data": split.trace.describe()},
        fitted={run.model: run.fitted for run in runs if run.fitted is not None},
    )


def _score(
    split: Split, forecasts: Mapping[str, Array], rng: np.random.Generator, bootstrap: BootstrapSettings
) -> pd.DataFrame:
    rows = []
    newest = split.features["value"].to_numpy()[split.test_start :]
    for column, horizon in enumerate(split.horizons):
        at = ~np.isnan(split.truth[:, column])
        true = split.truth[at, column]
        losses = {name: (each[:, at, column] - true) ** 2 for name, each in forecasts.items()}
        naive = float(np.mean((newest[at] - true) ** 2))
        mean = {name: loss.mean(axis=0) for name, loss in losses.items()}
        baselines = [name for name in forecasts if _info(name).role in ("paper", "naive", "strong")]
        best = min(baselines, key=lambda name: float(mean[name].mean())) if baselines else ""
        for name, each in forecasts.items():
            scores = [metrics(true, one[at, column]) for one in each]
            averaged = {key: float(np.mean([score[key] for score in scores])) for key in scores[0]}
            low, high = block_interval(losses[name], rng, bootstrap)
            tested = best and name != best
            statistic, p = diebold_mariano(mean[name], mean[best], horizon) if tested else (np.nan, np.nan)
            skill = 1 - averaged["mse"] / naive if naive > 0 else np.nan
            row = {"horizon": horizon, "model": name, "seeds": len(each), "points": len(true), **averaged}
            row |= {"mse_low": low, "mse_high": high, "skill": skill}
            rows.append({**row, "best_baseline": best, "dm_statistic": statistic, "dm_p": p})
    return pd.DataFrame(rows)


def _stack_forecasts(split: Split, forecasts: Mapping[str, Array]) -> pd.DataFrame:
    times, frames = split.features.index[split.test_start :], []
    for column, horizon in enumerate(split.horizons):
        true = split.truth[:, column]
        for name, each in forecasts.items():
            mean = each[:, :, column].mean(axis=0)
            low, high = past_error_interval(true, mean, horizon)
            frame = pd.DataFrame({"made": times, "truth": true, "forecast": mean, "low": low, "high": high})
            frames.append(frame.assign(horizon=horizon, model=name))
    return pd.concat(frames, ignore_index=True).astype({"model": "category", "horizon": "int16"})
