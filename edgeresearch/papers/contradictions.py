"""Where Paper A's Table 2 contradicts the text around it and itself, computed from the published values alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.papers.paper_a import METRICS, OURS, PUBLISHED, Published

GAUSS = float(np.sqrt(2 / np.pi))
"""MAE / RMSE of Gaussian errors."""
TAILS = "MAE / RMSE of Gaussian errors"
"""The check that tells of the errors' shape; the paper says nothing of it, so it contradicts nothing."""


def contradictions(published: Mapping[str, Published] = PUBLISHED) -> pd.DataFrame:
    """Hold Table 2 against the paper's text and against itself.

    Three checks: whether the LSTM is "best on all evaluation indicators"; whether MSE / (1 - R²), the variance of the
    one test set, is one number; and MAE / RMSE against that of Gaussian errors. A published value is known to half a
    unit of its last decimal.

    Args:
        published: The rows of the table.

    Returns:
        Columns check; item, a metric or a method; value; low and high, what rounding leaves open; expected: the best
        of the other methods, the variance that most rows share, or √(2/π); agrees; and says, one sentence.
    """
    rows = [*_best_on_all(published), *_one_variance(published), *_tails(published)]
    return pd.DataFrame(rows, columns=["check", "item", "value", "low", "high", "expected", "agrees", "says"])


def _row(check: str, item: str, span: tuple[float, float, float], expected: float, agrees: bool, says: str) -> Any:
    return check, item, *span, expected, bool(agrees), says


def _best_on_all(published: Mapping[str, Published]) -> list[Any]:
    rows = []
    for name, metric in METRICS.items():
        values = {model: float(getattr(row, name)) for model, row in published.items()}
        ranked = sorted(values, key=lambda model: values[model], reverse=not metric.lower_is_better)
        best, rival, ours = ranked[0], next(model for model in ranked if model != OURS), values[OURS]
        span = (ours, ours - metric.half, ours + metric.half)
        says = f"best by {metric.label}: {published[best].method} ({values[best]:g}); LSTM: {ours:g}"
        rows.append(_row("LSTM best on all indicators", metric.label, span, values[rival], best == OURS, says))
    return rows


def _one_variance(published: Mapping[str, Published]) -> list[Any]:
    mse, r2 = METRICS["mse"].half, METRICS["r2"].half
    spans = {
        name: (row.mse / (1 - row.r2), (row.mse - mse) / (1 - row.r2 + r2), (row.mse + mse) / (1 - row.r2 - r2))
        for name, row in published.items()
    }
    shared = _shared([(low, high) for _, low, high in spans.values()])
    rows = []
    for name, (value, low, high) in spans.items():
        row = published[name]
        says = f"{row.method}: {row.mse:g} / (1 - {row.r2:g}) = {value:.1f} QPS²; {low:.1f} to {high:.1f} with rounding"
        agrees = low <= shared <= high
        rows.append(_row("one variance of the test set", row.method, (value, low, high), shared, agrees, says))
    return rows


def _shared(spans: list[tuple[float, float]]) -> float:
    """The middle of what the largest number of spans have in common."""
    start = max((low for low, _ in spans), key=lambda at: sum(low <= at <= high for low, high in spans))
    return (start + min(high for low, high in spans if low <= start <= high)) / 2


def _tails(published: Mapping[str, Published]) -> list[Any]:
    mse, mae = METRICS["mse"].half, METRICS["mae"].half
    rows = []
    for row in published.values():
        rmse = float(np.sqrt(row.mse))
        low, high = (row.mae - mae) / float(np.sqrt(row.mse + mse)), (row.mae + mae) / float(np.sqrt(row.mse - mse))
        shape = "small errors and rare bursts" if high < GAUSS else "no heavier tails"
        says = f"{row.method}: MAE {row.mae:g} beside RMSE {rmse:.2f}; Gaussian errors: MAE {GAUSS * rmse:.2f}: {shape}"
        span = (row.mae / rmse, low, high)
        rows.append(_row(TAILS, row.method, span, GAUSS, low <= GAUSS <= high, says))
    return rows
