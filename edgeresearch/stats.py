"""Means of independent repeats with their 95 % intervals (Student's t), alone or in tables."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtrit


def interval(values: Iterable[float]) -> tuple[float, float, float]:
    """Return the mean of independent repeats and the lower and upper end of its 95 % interval.

    Numbers that are not finite are left out. All three are NaN where there is none, the interval with a single one.
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
    """Return means of columns over the rows that share keys, in the order in which those come (see `intervals`)."""
    groups = table.groupby(list(keys), sort=False)
    return pd.DataFrame([{**dict(zip(keys, key, strict=True)), **intervals(part, columns)} for key, part in groups])
