"""One trace, all models (Paper A, Table 2): what a pipeline stage and `edgeresearch compare` run and write."""

import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.files import atomic, write_csv
from edgeresearch.forecast.evaluate import Evaluation, evaluate, pose
from edgeresearch.forecast.models import MODELS
from edgeresearch.series import qps, synthetic
from edgeresearch.series.trace import Trace

SYNTHETIC = "paper_a"
"""The stand-in for the paper's own trace; it is made in memory, every other trace is read from a file."""

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


def trace(name: str, folder: str | Path, seed: int) -> Trace:
    """Load a request trace, or make the stand-in for the paper's own one.

    Args:
        name: A key of `series.qps.TRACES`, or `paper_a`.
        folder: The data folder that `fetch` filled.
        seed: Root seed; the stand-in gets its own child of it.

    Raises:
        InputError: The name is unknown, or the file is missing or damaged.
    """
    if name == SYNTHETIC:
        child = np.random.SeedSequence([seed, *name.encode()])
        return synthetic.qps(np.random.default_rng(child))
    if name not in qps.TRACES:
        raise InputError(f"unknown request trace {name!r}; choose one of {', '.join([*qps.TRACES, SYNTHETIC])}")
    return qps.load(name, folder)


def compare(series: Trace, settings: Mapping[str, Any], *, seed: int) -> Evaluation:
    """Fit and judge every model of the settings on one trace (Paper A, Table 2).

    Args:
        series: The trace; its first column is forecast.
        settings: The section `forecast` of the settings as plain values; `traces` is not read.
        seed: Root of all seeds.

    Raises:
        InputError: The trace is too short.
    """
    cut = ("horizons", "window", "fill_limit", "max_steps", "test_fraction", "validation_fraction")
    problem = pose(series, **{key: settings[key] for key in cut})
    return evaluate(
        problem,
        models=settings["models"],
        window=settings["window"],
        seeds=settings["seeds"],
        root_seed=seed,
        workers=settings["workers"],
        resamples=settings["bootstrap"]["resamples"],
        block=settings["bootstrap"]["block"],
        settings={
            "forest": {"n_estimators": settings["forest"]["trees"]},
            "lstm_paper": settings["lstm_paper"],
            "lstm": settings["lstm"],
        },
    )


def described(scores: pd.DataFrame, series: Trace) -> pd.DataFrame:
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
    write_csv(described(evaluation.scores, series), target.scores)
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
