"""How forecasters are judged: splits, metrics, intervals, tests, one trace at a time."""

import hashlib
import itertools
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import delayed
from scipy import stats

from edgeresearch import parallel
from edgeresearch.data.features import find_whole_windows, make_features, make_targets
from edgeresearch.data.trace import Trace
from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import Array, Mask
from edgeresearch.forecasting.models import MODELS, build, described
from edgeresearch.io import atomic, write_csv

LONGEST_FIRST = ("lstm_huber", "lstm", "xgboost_calendar", "lstm_paper", "xgboost", "random_forest")
"""Models whose fits take long, in the order in which workers start on them: no worker is left with a long one alone."""
CONTEXT = 1440
"""Rows before the test part that a model may read to warm up its state."""


@dataclass(frozen=True)
class Problem:
    """A trace cut into what is learnt from and what is judged on.

    Attributes:
        table: Features of every row (see `series.windows.features`).
        truth: What is forecast, `(rows, horizons)`.
        judged: Rows of the test part whose whole window is observed.
        test: First row of the test part; the rows before it train and validate.
        horizons: Steps ahead.
        fraction: Share of the rows before `test` that validates.
    """

    table: pd.DataFrame
    truth: Array
    judged: Mask
    test: int
    horizons: tuple[int, ...]
    fraction: float

    @property
    def learnt(self) -> Array:
        """The targets before the test part; those that lie in it are hidden."""
        visible = self.truth[: self.test].copy()
        for column, horizon in enumerate(self.horizons):
            visible[max(self.test - horizon, 0) :, column] = np.nan
        return visible


@dataclass(frozen=True)
class Evaluation:
    """What came out of judging.

    Attributes:
        scores: One row per model and horizon: errors, intervals, skill, tests of significance.
        forecasts: One row per judged time, horizon and model: truth, the forecast (mean over seeds) and its interval.
        seconds: One row per model: CPU seconds of a fit and of forecasting the test part, mean over seeds.
        choices: One row per model and seed: what validation picked.
    """

    scores: pd.DataFrame
    forecasts: pd.DataFrame
    seconds: pd.DataFrame
    choices: pd.DataFrame


def pose(
    trace: Trace,
    *,
    horizons: Sequence[int] = (1, 5),
    window: int = 60,
    fill_limit: int = 5,
    max_steps: int | None = None,
    test_fraction: float = 0.2,
    validation_fraction: float = 0.1,
) -> Problem:
    """Cut a trace chronologically; by default 70 % train, 10 % validate, 20 % test.

    Args:
        trace: The series; its first column is forecast.
        horizons: Steps ahead.
        window: Steps that must be observed before a row is judged.
        fill_limit: Longest gap, in steps, over which the last value is carried.
        max_steps: Newest steps that are used; all where None.
        test_fraction: Share of the trace, its end.
        validation_fraction: Share of the trace, just before the test part.

    Raises:
        InputError: The trace is too short, or its test part has no row to judge on.
    """
    rows = min(len(trace.frame), max_steps or len(trace.frame))
    table = make_features(trace, horizons=horizons, season=trace.seasonality, fill_limit=fill_limit, span=rows)
    truth = make_targets(trace.values.to_numpy(dtype=float), horizons)
    table, truth = table.iloc[-rows:], truth[-rows:]

    def first_test_row(count: int) -> int | None:
        cut = round(count * (1 - test_fraction))
        return cut if cut > 2 * window and count - cut > max(horizons) else None

    test = first_test_row(rows)
    if test is None:
        need = next(count for count in itertools.count(rows) if first_test_row(count) is not None)
        raise InputError(
            f"{trace.name} has {rows} points; window {window} and horizon {max(horizons)} need {need}; "
            "use a shorter window"
        )
    judged = find_whole_windows(table["value"].to_numpy(), window)
    judged[:test] = False
    if not (judged[:, None] & ~np.isnan(truth)).any(axis=0).all():
        raise InputError(
            f"{trace.name} has no {window} observed values in a row, and a value after them, in its last "
            f"{rows - test} points; "
            "use a shorter window or a longer series"
        )
    return Problem(table, truth, judged, test, tuple(horizons), validation_fraction / (1 - test_fraction))


def evaluate(problem: Problem, **options: Any) -> Evaluation:
    """Fit every model before the test part, once per seed if it is random, and judge it there (Paper A, Table 2).

    Args:
        problem: The trace, cut.
        options: See `evaluate_all`.
    """
    return evaluate_all([problem], **options)[0]


def evaluate_all(
    problems: Sequence[Problem],
    *,
    models: Sequence[str] = tuple(MODELS),
    window: int = 60,
    seeds: int = 5,
    root_seed: int = 0,
    workers: int = 1,
    resamples: int = 1000,
    block: int = 60,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Evaluation]:
    """Fit and judge every model on several traces, all fits side by side, those that take long first.

    A model makes its choices on the validation rows, then learns from all rows before the test part. Nothing is chosen
    by test error.

    Args:
        problems: The traces, cut.
        models: Names in `MODELS`.
        window: Past values that a model sees.
        seeds: Repeats of what is random.
        root_seed: Root of all seeds.
        workers: Processes; results do not depend on them.
        resamples: Draws of the bootstrap.
        block: Steps in a block of the bootstrap.
        settings: Keyword arguments `lstm_paper`, `lstm`, `forest` of `models.build`.

    Raises:
        InputError: There is no model of that name.
    """
    jobs = [
        (at, name, seed)
        for at, problem in enumerate(problems)
        for name in models
        if name != "seasonal_naive" or "season_lag_" in "".join(problem.table.columns)
        for seed in range(seeds if described(name).random else 1)
    ]
    order = sorted(jobs, key=lambda job: (_turn(job[1]), -len(problems[job[0]].table)))
    tasks = (delayed(_run)(problems[at], name, window, root_seed, seed, settings or {}) for at, name, seed in order)
    done = dict(zip(order, parallel.run(tasks, workers), strict=True))
    runs = [[done[job] for job in jobs if job[0] == at] for at in range(len(problems))]
    return parallel.run(
        (
            delayed(_judge)(problem, each, root_seed, resamples, block)
            for problem, each in zip(problems, runs, strict=True)
        ),
        workers,
    )


def _judge(problem: Problem, runs: "Sequence[_Run]", root_seed: int, resamples: int, block: int) -> Evaluation:
    models = list(dict.fromkeys(run.name for run in runs))
    forecasts = {name: np.stack([run.forecast for run in runs if run.name == name]) for name in models}
    columns = {
        "model": [run.name for run in runs],
        "fit_seconds": [run.fit for run in runs],
        "predict_seconds": [run.predict for run in runs],
    }
    seconds = pd.DataFrame(columns).groupby("model", sort=False).mean().reindex(models).reset_index()
    choices = pd.DataFrame([{"model": run.name, "seed": run.seed, "choice": run.choice} for run in runs if run.choice])
    truth = problem.truth[problem.test :]
    known = problem.judged[problem.test :, None] & ~np.isnan(truth)
    rng = np.random.default_rng(root_seed)
    scores = _scores(problem, forecasts, truth, known, rng, resamples, block)
    return Evaluation(scores, _long(problem, forecasts, truth, known), seconds, choices)


def metrics(truth: Array, forecast: Array) -> dict[str, float]:
    """Return MSE, MAE and R² of a forecast; R² is NaN where the truth is constant."""
    error = forecast - truth
    variance = float(np.var(truth))
    mse = float(np.mean(error**2))
    return {
        "mse": mse,
        "mae": float(np.mean(np.abs(error))),
        "r2": 1 - mse / variance if variance > 0 else float("nan"),
    }


def block_interval(
    losses: Array, rng: np.random.Generator, *, resamples: int = 1000, block: int = 60, level: float = 0.95
) -> tuple[float, float]:
    """Return an interval of the mean loss by a moving-block bootstrap over time and, with them, over seeds.

    Args:
        losses: `(seeds, times)` in time order.
        rng: Draws blocks and seeds.
        resamples: Draws.
        block: Length of a block, in steps; neighbouring errors are alike and stay together.
        level: Share of the draws inside the interval.
    """
    seeds, times = losses.shape
    block = min(block, times)
    sums = np.cumsum(np.concatenate([np.zeros((seeds, 1)), losses], axis=1), axis=1)
    means = (sums[:, block:] - sums[:, :-block]) / block
    blocks = -(-times // block)
    draws = np.empty(resamples)
    for k in range(resamples):
        starts = rng.integers(means.shape[1], size=blocks)
        draws[k] = means[np.ix_(rng.integers(seeds, size=seeds), starts)].mean()
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
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


def past_error_interval(
    truth: Array, forecast: Array, horizon: int, *, level: float = 0.95, memory: int = 500
) -> tuple[Array, Array]:
    """Return the interval that a forecaster could have stated at each moment: quantiles of its own past errors.

    Args:
        truth: What happened, `(times,)`; NaN where not known.
        forecast: What was forecast for it.
        horizon: Steps ahead: an error is known only so many steps later.
        level: Share of the errors inside.
        memory: Errors that count; with fewer than half as many there is no interval (NaN).

    Returns:
        Lower and upper bound, `(times,)`.
    """
    error = pd.Series(truth - forecast).shift(horizon)
    rolling = error.rolling(memory, min_periods=memory // 2)
    low, high = rolling.quantile((1 - level) / 2).to_numpy(), rolling.quantile((1 + level) / 2).to_numpy()
    return forecast + low, forecast + high


@dataclass(frozen=True)
class _Run:
    name: str
    seed: int
    forecast: Array
    fit: float
    predict: float
    choice: str


def _turn(name: str) -> int:
    return LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST)


def _run(
    problem: Problem, name: str, window: int, root_seed: int, seed: int, settings: Mapping[str, Mapping[str, Any]]
) -> _Run:
    import torch

    from edgeresearch.forecasting.lstm import ResidualLSTM

    torch.set_num_threads(1)
    rows = problem.table.to_numpy()
    columns = list(problem.table.columns)
    child = np.random.SeedSequence(root_seed, spawn_key=(list(MODELS).index(name), seed))
    start = time.process_time()
    model = build(
        name,
        columns=columns,
        rows=problem.test,
        window=window,
        fraction=problem.fraction,
        seed=int(child.generate_state(1)[0] % (2**31)),
        **settings,
    ).fit(rows[: problem.test], problem.learnt)
    fitted = time.process_time()
    begin = max(0, problem.test - CONTEXT)
    forecast = model.predict(rows[begin:])[problem.test - begin :]
    done = time.process_time()
    choice = f"{model.variant_}, {model.epochs_} epochs" if isinstance(model, ResidualLSTM) else ""
    return _Run(name, seed, forecast.reshape(len(forecast), -1), fitted - start, done - fitted, choice)


def _scores(
    problem: Problem,
    forecasts: Mapping[str, Array],
    truth: Array,
    known: Mask,
    rng: np.random.Generator,
    resamples: int,
    block: int,
) -> pd.DataFrame:
    rows = []
    for column, horizon in enumerate(problem.horizons):
        at = known[:, column]
        true = truth[at, column]
        losses = {name: (made[:, at, column] - true) ** 2 for name, made in forecasts.items()}
        naive = float(np.mean((problem.table["value"].to_numpy()[problem.test :][at] - true) ** 2))
        mean = {name: loss.mean(axis=0) for name, loss in losses.items()}
        baselines = [name for name in forecasts if MODELS[name].role in ("paper", "naive", "strong")]
        best = min(baselines, key=lambda name: float(mean[name].mean())) if baselines else ""
        for name, made in forecasts.items():
            each = [metrics(true, one[at, column]) for one in made]
            averaged = {key: float(np.mean([score[key] for score in each])) for key in each[0]}
            low, high = block_interval(losses[name], rng, resamples=resamples, block=block)
            statistic, p = (
                diebold_mariano(mean[name], mean[best], horizon) if best and name != best else (np.nan, np.nan)
            )
            rows.append(
                {
                    "horizon": horizon,
                    "model": name,
                    "seeds": len(made),
                    "points": len(true),
                    **averaged,
                    "mse_low": low,
                    "mse_high": high,
                    "skill": 1 - averaged["mse"] / naive if naive > 0 else np.nan,
                    "best_baseline": best,
                    "dm_statistic": statistic,
                    "dm_p": p,
                }
            )
    return pd.DataFrame(rows)


def _long(problem: Problem, forecasts: Mapping[str, Array], truth: Array, known: Mask) -> pd.DataFrame:
    times = problem.table.index[problem.test :]
    frames = []
    for column, horizon in enumerate(problem.horizons):
        true = np.where(known[:, column], truth[:, column], np.nan)
        for name, made in forecasts.items():
            mean = made[:, :, column].mean(axis=0)
            low, high = past_error_interval(true, mean, horizon)
            frame = pd.DataFrame({"made": times, "truth": true, "forecast": mean, "low": low, "high": high})
            frames.append(frame.assign(horizon=horizon, model=name))
    long = pd.concat(frames, ignore_index=True)
    return long.astype({"model": "category", "horizon": "int16"})


TIMING_COLUMNS = ["trace", "model", "fit_seconds", "predict_seconds", "machine"]


@dataclass(frozen=True)
class Places:
    """Where the results of one trace lie.

    Attributes:
        scores: CSV, one row per model and horizon.
        choices: CSV, what validation picked.
        forecasts: Parquet, one row per judged time, horizon and model.
    """

    scores: Path
    choices: Path
    forecasts: Path


def places(name: str, root: str | Path = ".") -> Places:
    """Return where the results of a trace lie in a project folder."""
    tables = Path(root) / "reports" / "tables"
    forecasts = Path(root) / "data" / "processed" / "forecast" / f"{name}.parquet"
    return Places(tables / "forecast" / f"{name}.csv", tables / "choices" / f"{name}.csv", forecasts)


def compare(traces: Sequence[Trace], settings: Mapping[str, Any], *, seed: int, workers: int = 1) -> list[Evaluation]:
    """Fit and judge every model of the settings on some traces (Paper A, Table 2).

    Args:
        traces: Of each the first column is forecast.
        settings: The section `forecast` of the settings as plain values; `traces` is not read.
        seed: Root of all seeds.
        workers: Processes; results do not depend on them.

    Raises:
        InputError: A trace is too short.
    """
    cut = ("horizons", "window", "fill_limit", "max_steps", "test_fraction", "validation_fraction")
    return evaluate_all(
        [pose(series, **{key: settings[key] for key in cut}) for series in traces],
        models=settings["models"],
        window=settings["window"],
        seeds=settings["seeds"],
        root_seed=seed,
        workers=workers,
        resamples=settings["bootstrap"]["resamples"],
        block=settings["bootstrap"]["block"],
        settings={
            "forest": {"n_estimators": settings["forest"]["trees"]},
            "lstm_paper": settings["lstm_paper"],
            "lstm": settings["lstm"],
        },
    )


def described_compare(scores: pd.DataFrame, series: Trace) -> pd.DataFrame:
    """Return scores that say what they are of.

    Args:
        scores: `Evaluation.scores`.
        series: The trace that was judged.

    Returns:
        The scores with `trace` and `real` before them, and `label` and `role` of the model, `unit`, `step_seconds`,
        `note` and `sha256` of the data after them. The checksum is that of the file, or of the values where there is
        none.
    """
    digest = series.origin.sha256 or hashlib.sha256(series.values.to_numpy(dtype="<f8").tobytes()).hexdigest()
    table = scores.copy()
    table.insert(0, "trace", series.name)
    table.insert(1, "real", series.origin.real)
    return table.assign(
        label=[MODELS[name].label for name in table["model"]],
        role=[MODELS[name].role for name in table["model"]],
        unit=series.unit,
        step_seconds=series.step.total_seconds(),
        note=series.origin.note,
        sha256=digest,
    )


def write(series: Trace, evaluation: Evaluation, root: str | Path = ".") -> Places:
    """Write scores, choices and forecasts, the latter as 32-bit floats; the same results give the same bytes.

    Raises:
        InputError: A folder cannot be written.
    """
    target = places(series.name, root)
    write_csv(described_compare(evaluation.scores, series), target.scores)
    write_csv(evaluation.choices.reindex(columns=["model", "seed", "choice"]), target.choices)
    floats = dict.fromkeys(["truth", "forecast", "low", "high"], "float32")
    with atomic(target.forecasts) as draft:
        evaluation.forecasts.astype(floats).to_parquet(draft, index=False, compression="zstd")
    return target


def machine() -> str:
    """Return what CPU seconds were measured on, without the name of the machine: processor, cores, Python."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{named or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def update_timings(path: str | Path, name: str, seconds: pd.DataFrame) -> pd.DataFrame:
    """Write the CPU seconds of one trace into the file of all, in place of its older rows.

    They differ from run to run, so no pipeline stage writes them: the file is an input that is measured now and then.

    Args:
        path: CSV with `TIMING_COLUMNS`; made where missing.
        name: The trace.
        seconds: `Evaluation.seconds`.

    Returns:
        The whole table, sorted by trace.

    Raises:
        InputError: The file is not such a table, or cannot be written.
    """
    rows = seconds.assign(trace=name, machine=machine())[TIMING_COLUMNS]
    path = Path(path)
    old = _timings(path) if path.is_file() else rows.iloc[:0]
    again = (old["trace"] == name) & old["model"].isin(rows["model"])
    kept = old[~again]
    table = pd.concat([kept, rows]) if len(kept) else rows
    table = table.sort_values("trace", kind="stable", ignore_index=True)
    write_csv(table, path, digits=3)
    return table


def _timings(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the timings {path}: {str(error).splitlines()[0]}; name another file") from error
    if list(table.columns) != TIMING_COLUMNS:
        raise InputError(f"{path} has not the columns {', '.join(TIMING_COLUMNS)}; name another file")
    return table
