"""Paper A's Table 2, published beside measured, and the rankings and counts that follow from it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.io import atomic, write_csv
from edgeresearch.provenance import machine_line

if TYPE_CHECKING:
    from edgeresearch.forecasting.evaluation import Comparison

OURS = "lstm_paper"
PROJECT, PROJECT_MAE = "lstm", "lstm_huber"
BASELINES = ("paper", "naive", "strong")
"""Roles of the models that an LSTM is held against."""


@dataclass(frozen=True)
class Metric:
    """One column of Table 2: its name, how many decimals it is printed with, and which way is better."""

    label: str
    decimals: int
    lower_is_better: bool

    @property
    def half(self) -> float:
        """Half a unit of the last decimal: how far a printed value may be from the computed one."""
        return float(0.5 * 10.0**-self.decimals)


METRICS: Mapping[str, Metric] = MappingProxyType(
    {"mse": Metric("MSE", 1, True), "mae": Metric("MAE", 2, True), "r2": Metric("R²", 3, False)}
)


@dataclass(frozen=True)
class Published:
    """One row of Table 2: the method, mean squared error in QPS², mean absolute error in QPS, and R²."""

    method: str
    mse: float
    mae: float
    r2: float


PUBLISHED: Mapping[str, Published] = MappingProxyType(
    {
        "random_forest": Published("random forest", 12.5, 0.95, 0.925),
        "ridge": Published("ridge regression", 14.3, 1.05, 0.895),
        "logistic": Published("logistic regression", 15.8, 1.20, 0.853),
        "xgboost": Published("XGBoost", 11.8, 0.85, 0.929),
        "lstm_paper": Published("LSTM", 11.2, 0.90, 0.931),
    }
)
"""Paper A, Table 2, by the names of `forecast.models.MODELS`."""

FOOTNOTES = (
    "Published values are of the paper's own trace, which was never published: only their order and ratios can be "
    "compared. The paper forecasts the next step, so they stand at the shortest horizon.",
    "Logistic regression is a classifier. It is read as multinomial logistic regression over quantile bins of the "
    "target, whose forecast is the mean of the bins weighted by their probabilities.",
    "Intervals are 95 %, by a moving-block bootstrap over time and seeds. Skill is 1 - MSE / MSE of the last value.",
    "Fit seconds are CPU seconds on one thread, measured once with the full profile and kept in "
    "data/measured/fit_seconds.csv; a cell is empty where none were measured.",
)
"""What must stand under Table 2."""

COLUMNS = [
    "trace", "real", "horizon", "model", "seeds", "mse", "mse_low", "mse_high", "mae", "r2", "skill", "fit_seconds",
    "published_mse", "published_mae", "published_r2", "predict_seconds", "label", "role", "points", "best_baseline",
    "dm_statistic", "dm_p", "unit", "step_seconds", "note", "sha256",
]  # fmt: skip

_TEXT = ("note", "best_baseline")

READABLE = [
    "horizon", "label", "seeds", "mse", "mse_low", "mse_high", "published_mse", "mae", "published_mae", "r2",
    "published_r2", "skill", "dm_p", "fit_seconds",
]  # fmt: skip
"""The columns of Table 2 in the order in which a reader wants them."""


def table2(scores: Iterable[pd.DataFrame], seconds: pd.DataFrame | None = None) -> pd.DataFrame:
    """Put what was measured beside Paper A, Table 2.

    Args:
        scores: Per trace what `forecast.compare.described` returns.
        seconds: CPU seconds (`forecast.compare.TIMING_COLUMNS`); those of other traces are left out.

    Returns:
        One row per trace, horizon and model, with the columns `COLUMNS`. Published values stand at the shortest horizon
        only: the paper forecasts the next step.

    Raises:
        InputError: There are no scores.
    """
    frames = list(scores)
    if not frames:
        raise InputError("no scores to put into Table 2; run edgeresearch compare first")
    table = pd.concat(frames, ignore_index=True)
    next_step = table["horizon"] == table["horizon"].min()
    for metric in METRICS:
        values = {name: getattr(row, metric) for name, row in PUBLISHED.items()}
        table[f"published_{metric}"] = table["model"].map(values).where(next_step)
    timed = ["trace", "model", "fit_seconds", "predict_seconds"]
    known = pd.DataFrame(columns=timed) if seconds is None else seconds[timed]
    known = known.astype({"trace": str, "model": str, "fit_seconds": float, "predict_seconds": float})
    return table.merge(known, how="left", on=["trace", "model"])[COLUMNS]


def rankings(table: pd.DataFrame) -> pd.DataFrame:
    """Rank the paper's five models on every trace, by each metric of Table 2.

    Args:
        table: What `table2` returns.

    Returns:
        One row per trace, horizon and metric: `best`, `lstm_place` (1 is best; empty where it was not run), `order`
        (best first, separated by " < "), `published_order`, and `kendall`, the rank correlation with the published
        order (1: the same, -1: reversed). Those of the five that were not run are left out of both orders.
    """
    rows = []
    five = table[table["model"].isin(PUBLISHED)]
    for (trace, real, horizon), part in five.groupby(["trace", "real", "horizon"], sort=False):
        scores = part.set_index("model")
        for name, metric in METRICS.items():
            paper = pd.Series({model: getattr(PUBLISHED[str(model)], name) for model in scores.index}, dtype=float)
            order = list(scores[name].sort_values(ascending=metric.lower_is_better).index)
            theirs = list(paper.sort_values(ascending=metric.lower_is_better).index)
            rows.append(
                {
                    "trace": trace,
                    "real": real,
                    "horizon": horizon,
                    "metric": name,
                    "best": order[0],
                    "lstm_place": order.index(OURS) + 1 if OURS in order else None,
                    "order": " < ".join(order),
                    "published_order": " < ".join(theirs),
                    "kendall": scores[name].corr(paper, method="kendall") if len(order) > 1 else None,
                }
            )
    return pd.DataFrame(rows)


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """Count, at the shortest horizon, how the LSTMs fare: the few numbers to compare between two runs.

    Args:
        table: What `table2` returns.

    Returns:
        `traces` and `real_traces`; on how many of them
        `paper_lstm_first_mse` (the paper's LSTM has the lowest MSE of the paper's five),
        `project_first_mse_of_paper` (the project's LSTM has a lower one than the paper's four baselines),
        `project_first_mse_of_all` (than every baseline),
        `project_significant_losses` (a higher one than the best baseline, Diebold-Mariano p < .05),
        `huber_first_mae` (its Huber variant has a lower MAE than every baseline);
        and `project_worst_ratio`, the largest MSE ratio to the best of the paper's four.
    """
    first = table[table["horizon"] == table["horizon"].min()]
    found = [_compared(part.set_index("model")) for _, part in first.groupby("trace", sort=False)]
    ratios = [each.pop("ratio") for each in found]
    counts = {name: int(sum(each[name] for each in found)) for name in found[0]}
    real = first.loc[first["real"].astype(bool), "trace"].nunique()
    worst = max((ratio for ratio in ratios if ratio is not None), default=None)
    return {
        "traces": len(found),
        "real_traces": int(real),
        **counts,
        "project_worst_ratio": None if worst is None else round(worst, 4),
    }


def _compared(scores: Any) -> dict[str, Any]:
    """What `summary` counts, of one trace: each 0 or 1, and the ratio."""

    def below(name: str, metric: str, roles: Sequence[str]) -> bool:
        others = scores.loc[scores["role"].isin(roles), metric]
        return name in scores.index and len(others) > 0 and bool(scores[metric][name] < others.min())

    four = scores.loc[scores["role"] == "paper", "mse"]
    both = PROJECT in scores.index and len(four) > 0
    lost = PROJECT in scores.index and bool(scores["dm_statistic"][PROJECT] > 0 and scores["dm_p"][PROJECT] < 0.05)
    return {
        "paper_lstm_first_mse": below(OURS, "mse", ["paper"]),
        "project_first_mse_of_paper": below(PROJECT, "mse", ["paper"]),
        "project_first_mse_of_all": below(PROJECT, "mse", BASELINES),
        "project_significant_losses": lost,
        "huber_first_mae": below(PROJECT_MAE, "mae", BASELINES),
        "ratio": float(scores["mse"][PROJECT] / four.min()) if both else None,
    }


def read(path: str | Path) -> pd.DataFrame:
    """Read a CSV of results; empty text stays empty text.

    Raises:
        InputError: The file is missing or no CSV.
    """
    try:
        return pd.read_csv(path, dtype=dict.fromkeys(_TEXT, str)).fillna(dict.fromkeys(_TEXT, ""))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(f"cannot read {path}: {reason}; run edgeresearch compare or the pipeline first") from error


TIMING_COLUMNS = ["trace", "model", "fit_seconds", "predict_seconds", "machine"]


def write_comparison(comparison: "Comparison", out: str | Path) -> Path:
    """Write scores, choices and forecasts of one trace, the latter as 32-bit floats; the same results, the same bytes.

    Args:
        comparison: What came out for the trace.
        out: Project folder, which gets `reports/` and `data/processed/`.

    Returns:
        The file of the scores.

    Raises:
        InputError: A folder cannot be written.
    """
    name, tables = comparison.trace.name, Path(out) / "reports" / "tables"
    write_csv(comparison.describe_scores(), tables / "forecast" / f"{name}.csv")
    write_csv(comparison.choices, tables / "choices" / f"{name}.csv")
    floats = dict.fromkeys(["truth", "forecast", "low", "high"], "float32")
    with atomic(Path(out) / "data" / "processed" / "forecast" / f"{name}.parquet") as draft:
        comparison.forecasts.astype(floats).to_parquet(draft, index=False, compression="zstd")
    return tables / "forecast" / f"{name}.csv"


def update_timings(path: str | Path, comparison: "Comparison") -> pd.DataFrame:
    """Write the CPU seconds of one trace into the file of all, in place of its older rows.

    They differ from run to run, so no pipeline stage writes them: the file is an input that is measured now and then.

    Args:
        path: CSV with `TIMING_COLUMNS`; made where missing.
        comparison: What came out for the trace.

    Returns:
        The whole table, sorted by trace.

    Raises:
        InputError: The file is not such a table, or cannot be written.
    """
    name = comparison.trace.name
    rows = comparison.seconds.assign(trace=name, machine=machine_line())[TIMING_COLUMNS]
    old = read(path) if Path(path).is_file() else rows.iloc[:0]
    if list(old.columns) != TIMING_COLUMNS:
        raise InputError(f"{path} has not the columns {', '.join(TIMING_COLUMNS)}; name another file")
    kept = old[~((old["trace"] == name) & old["model"].isin(rows["model"]))]
    table = pd.concat([kept, rows]) if len(kept) else rows
    table = table.sort_values("trace", kind="stable", ignore_index=True)
    write_csv(table, path, digits=3)
    return table
