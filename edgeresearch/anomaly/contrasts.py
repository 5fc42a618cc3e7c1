"""Detection under several policies on the same streams: means, courses and paired differences over sensors.

Repeats on one sensor are no independent streams. So a sensor's value is the mean over its repeats, and intervals are
over sensors (95 %, Student's t; NaN with one sensor): they speak of another sensor, not of another seed.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from edgeresearch.intervals import interval, intervals

WHO = ["data", "threshold", "policy", "streams"]
"""Columns that say whose row it is."""
UNIT = ["sensor", "seed"]
"""Columns that say on which stream."""


def means(rows: pd.DataFrame, metrics: Sequence[str], more: Sequence[str] = ()) -> pd.DataFrame:
    """Return each metric's mean over the sensors, and again with `_low` and `_high`; `sensors` and `seeds`.

    Args:
        rows: One row per `WHO`, `UNIT` and what `more` names.
        metrics: Columns of numbers; repeats without a value are left out.
        more: Further columns that tell rows apart, such as `block`.
    """
    keys = [*WHO, *more]
    each = rows.groupby([*keys, "sensor"], sort=False)[list(metrics)].mean().reset_index()
    counts: Any = rows.groupby(keys, sort=False)["seed"].nunique()
    table = []
    for key, part in each.groupby(keys, sort=False):
        counted = {"sensors": len(part), "seeds": int(counts[key])}
        table.append({**dict(zip(keys, key, strict=True)), **intervals(part, metrics), **counted})
    return pd.DataFrame(table)


def differences(
    rows: pd.DataFrame, pairs: Iterable[tuple[str, str]], metrics: Sequence[str], bounds: Sequence[str]
) -> pd.DataFrame:
    """Return paired differences: one policy minus another on the same stream, with the same anomalies and seeds.

    Args:
        rows: One row per `WHO` and `UNIT`.
        pairs: Names of policies, the one that is taken off second. Those that were not run are left out.
        metrics: Columns of numbers.
        bounds: Policies that hang on no number of streams: they are compared with every one.

    Returns:
        `data`, `threshold`, `contrast`, `streams`, `metric`, `difference`, `low`, `high`, `sensors`, `pairs`.
    """
    table = []
    for (data, threshold), part in rows.groupby(["data", "threshold"], sort=False):
        for one, other in pairs:
            mine, theirs = part[part["policy"] == one], part[part["policy"] == other]
            shared = UNIT if one in bounds or other in bounds else [*UNIT, "streams"]
            both = mine.merge(theirs, on=shared, suffixes=("", "_other"))
            if "streams_other" in both and one in bounds:
                both["streams"] = both["streams_other"]
            for streams, pair in both.groupby("streams"):
                for name in metrics:
                    gap = (pair[name] - pair[f"{name}_other"]).groupby(pair["sensor"]).mean()
                    difference, low, high = interval(gap)
                    table.append(
                        {
                            **{"data": data, "threshold": threshold, "contrast": f"{one} - {other}"},
                            **{"streams": streams, "metric": name, "difference": difference, "low": low, "high": high},
                            **{"sensors": len(gap), "pairs": len(pair)},
                        }
                    )
    return pd.DataFrame(table)
