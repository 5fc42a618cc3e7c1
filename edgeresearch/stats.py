"""Means of independent repeats with their 95 % intervals (Student's t), alone or in tables."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtrit


def interval(values: Iterable[float]) -> tuple[float, float, float]:
    """Return the mean of independent repeats and the lower and upper end of its 95 % interval.

    Args:
        values: One number per repeat; those that are not finite are left out.

    Returns:
        Mean, low, high: NaN where there is no value, and no interval (NaN, NaN) with a single one.
    """
    data = np.fromiter(values, dtype=np.float64)
    data = data[np.isfinite(data)]
    if len(data) < 2:
        return float(data.mean()) if len(data) else float("nan"), float("nan"), float("nan")
    mean, half = float(data.mean()), float(stdtrit(len(data) - 1, 0.975) * data.std(ddof=1) / np.sqrt(len(data)))
    return mean, mean - half, mean + half


def intervals(table: pd.DataFrame, columns: Iterable[str]) -> dict[str, float]:
    """Return each column's mean over the rows under its name, its interval under that with `_low` and `_high`."""
    found = {}
    for name in columns:
        found[name], found[f"{name}_low"], found[f"{name}_high"] = interval(table[name])
    return found


def by(table: pd.DataFrame, keys: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Return means over the rows that share keys, in the order in which those come.

    Args:
        table: One row per key and repeat.
        keys: Columns, of anything.
        columns: Columns of numbers.

    Returns:
        The keys, and each of the columns, also with `_low` and `_high` (see `intervals`).
    """
    groups = table.groupby(list(keys), sort=False)
    return pd.DataFrame([{**dict(zip(keys, key, strict=True)), **intervals(part, columns)} for key, part in groups])
