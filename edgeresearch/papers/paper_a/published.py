"""What Paper A publishes: the numbers of its tables and figures, and where they contradict one another."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

PAPER_LSTM = "lstm_paper"
"""The paper's LSTM among this package's models."""


@dataclass(frozen=True)
class Metric:
    """One column of Table 2: its name, how many decimals it is printed with, and which way is better."""

    label: str
    decimals: int
    lower_is_better: bool

    @property
    def half_unit(self) -> float:
        """Half a unit of the last decimal: how far a printed value may be from the computed one."""
        return float(0.5 * 10.0**-self.decimals)


METRICS: Mapping[str, Metric] = {
    "mse": Metric("MSE", 1, True), "mae": Metric("MAE", 2, True), "r2": Metric("R²", 3, False)
}  # fmt: skip


@dataclass(frozen=True)
class Scores:
    """One row of Table 2: the method, mean squared error in QPS², mean absolute error in QPS, and R²."""

    method: str
    mse: float
    mae: float
    r2: float


TABLE_2: Mapping[str, Scores] = {
    "random_forest": Scores("random forest", 12.5, 0.95, 0.925),
    "ridge": Scores("ridge regression", 14.3, 1.05, 0.895),
    "logistic": Scores("logistic regression", 15.8, 1.20, 0.853),
    "xgboost": Scores("XGBoost", 11.8, 0.85, 0.929),
    PAPER_LSTM: Scores("LSTM", 11.2, 0.90, 0.931),
}
"""Table 2, by the names of the models (`forecasting.base.MODELS`)."""

FOOTNOTES = (
    "Published values are of the paper's own trace, which was never published: only their order and ratios can be "
    "compared. The paper forecasts the next step.",
    "Logistic regression is a classifier. It is read as multinomial logistic regression over quantile bins of the "
    "target, whose forecast is the mean of the bins weighted by their probabilities.",
    "Intervals are 95 %, by a moving-block bootstrap over time and seeds.",
    "Published values stand at the shortest horizon. Skill is 1 - MSE / MSE of the last value.",
    "Fit seconds are CPU seconds on one thread, measured once with the full profile and kept in "
    "data/measured/fit_seconds.csv; a cell is empty where none were measured.",
)
"""What must stand under Table 2; the first three wherever it is shown, the others where it has these columns."""

PHASES = ("stable", "expansion", "shrinkage")

TABLE_3: Mapping[str, Mapping[str, float]] = {
    "advance": {"stable": 3.4, "expansion": 3.2, "shrinkage": 6.7},
    "responsive": {"stable": 3.5, "expansion": 5.2, "shrinkage": 3.6},
    "combined": {"stable": 3.6, "expansion": 3.2, "shrinkage": 3.1},
}
"""Table 3 (captioned "Table 2"), error rates in percent by strategy and phase. `combined` is "LSTM (Ours)"."""

SWAPPED_CELL = ("advance", "expansion", 6.7)
"""The cell that the text names for its 6.7 %; the table has it under shrinkage."""

CELL_TOLERANCE = 0.5
"""Percentage points within which a cell of Table 3 counts as reached."""

POD_BUDGET = 1.05
"""Pod-hours, relative to Responsive's, that the combined strategy may use."""

USAGE_RANGES: Mapping[str, tuple[float, float]] = {"cpu": (30.0, 90.0), "memory": (40.0, 95.0)}
"""The ranges that the paper reads off its Figs. 2 and 3, in percent."""

GAUSSIAN_RATIO = float(np.sqrt(2 / np.pi))
"""MAE / RMSE of Gaussian errors."""
TAILS = "MAE / RMSE of Gaussian errors"
"""The check of the errors' shape; the paper says nothing of it, so it contradicts nothing."""


def find_contradictions(rows: Mapping[str, Scores] = TABLE_2) -> pd.DataFrame:
    """Compare the rows of Table 2 with the paper's text and with one another.

    Three checks: whether the LSTM is "best on all evaluation indicators"; whether MSE / (1 - R²), the variance of the
    one test set, is one number; and MAE / RMSE against that of Gaussian errors. A published value is known to half a
    unit of its last decimal.

    Returns:
        Columns check; item, a metric or a method; value; low and high, what rounding leaves open; expected: the best
        of the other methods, the variance that most rows share, or √(2/π); agrees; and says, one sentence.
    """
    checks = [*_check_best(rows), *_check_variance(rows), *_check_tails(rows)]
    return pd.DataFrame(checks, columns=["check", "item", "value", "low", "high", "expected", "agrees", "says"])


def _check_best(rows: Mapping[str, Scores]) -> Iterator[tuple[Any, ...]]:
    for name, metric in METRICS.items():
        values = {model: float(getattr(row, name)) for model, row in rows.items()}
        ranked = sorted(values, key=lambda model: values[model], reverse=not metric.lower_is_better)
        best, rival, lstm = ranked[0], next(model for model in ranked if model != PAPER_LSTM), values[PAPER_LSTM]
        says = f"best by {metric.label}: {rows[best].method} ({values[best]:g}); LSTM: {lstm:g}"
        span = (lstm, lstm - metric.half_unit, lstm + metric.half_unit)
        yield ("LSTM best on all indicators", metric.label, *span, values[rival], best == PAPER_LSTM, says)


def _check_variance(rows: Mapping[str, Scores]) -> Iterator[tuple[Any, ...]]:
    mse, r2 = METRICS["mse"].half_unit, METRICS["r2"].half_unit
    spans = [
        (row.mse / (1 - row.r2), (row.mse - mse) / (1 - row.r2 + r2), (row.mse + mse) / (1 - row.r2 - r2))
        for row in rows.values()
    ]
    start = max((low for _, low, _ in spans), key=lambda at: sum(low <= at <= high for _, low, high in spans))
    shared = (start + min(high for _, low, high in spans if low <= start <= high)) / 2  # amid what most have in common
    for row, (value, low, high) in zip(rows.values(), spans, strict=True):
        says = f"{row.method}: {row.mse:g} / (1 - {row.r2:g}) = {value:.1f} QPS²; {low:.1f} to {high:.1f} with rounding"
        yield "one variance of the test set", row.method, value, low, high, shared, low <= shared <= high, says


def _check_tails(rows: Mapping[str, Scores]) -> Iterator[tuple[Any, ...]]:
    mse, mae = METRICS["mse"].half_unit, METRICS["mae"].half_unit
    for row in rows.values():
        rmse = float(np.sqrt(row.mse))
        low, high = (row.mae - mae) / float(np.sqrt(row.mse + mse)), (row.mae + mae) / float(np.sqrt(row.mse - mse))
        shape = "small errors and rare bursts" if high < GAUSSIAN_RATIO else "no heavier tails"
        gaussian = f"Gaussian errors: MAE {GAUSSIAN_RATIO * rmse:.2f}"
        says = f"{row.method}: MAE {row.mae:g} beside RMSE {rmse:.2f}; {gaussian}: {shape}"
        yield TAILS, row.method, row.mae / rmse, low, high, GAUSSIAN_RATIO, low <= GAUSSIAN_RATIO <= high, says
