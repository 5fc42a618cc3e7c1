"""What Paper B publishes: its tables' and figures' numbers, in one place."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

DROP_PERCENT = {2: 14.37, 4: 26.62, 6: 43.07, 8: 69.70, 10: 78.26}
"""Dropped trainings by number of streams under LOS (Fig. 7 and section VI.C)."""

IN_SITU_DROP_PERCENT = 100.0
"""Dropped trainings if they can only run at their source (section VI.C)."""

HOPS_PERCENT = {(6, 2): 31.13, (8, 2): 36.63, (8, 3): 16.7}
"""Share of trainings by streams and hops (Fig. 6 and section VI.C); for 10 streams the text says "mostly 2 or 3"."""

LIMIT_MILLICORES = {1: 400.0, 32: 130.0}
"""Mean CPU limit by iteration (Fig. 5a and section VI.B)."""

PLATEAU_ITERATION = 32
"""Iteration at which the limit reaches its plateau (section VI.B)."""

DRIFT_ITERATION = 46
"""Iteration from which limits rise again (section VI.B)."""

RESIDUALS = {1: 80.0, PLATEAU_ITERATION: 40.0}
"""Mean residual of a training by iteration, in percent of its period (Fig. 5c)."""

RESIDUAL_PERCENT = tuple(RESIDUALS.values())
"""The same, first and last."""

TRAININGS = 26 * 55
"""Trainings of the optimisation experiment: 1,430 (section VI.B)."""

TRIGGERS = 3800
""""More than 3,800 attempts to trigger training jobs" (section VI.C)."""

REPEATS, HOURS = 5, 4
"""Of each number of streams (section VI.C)."""

HELD_OUT = (4, 8)
"""Numbers of streams that no setting is fitted on."""

FITTED = {
    **{f"drop_{count}": (value, 4.0) for count, value in DROP_PERCENT.items() if count not in HELD_OUT},
    **{
        f"hops_{count}_{depth}": (value, 6.0) for (count, depth), value in HOPS_PERCENT.items() if count not in HELD_OUT
    },
    "limit_32": (LIMIT_MILLICORES[32], 20.0),
    "plateau": (PLATEAU_ITERATION, 5.0),
    "residual_1": (RESIDUAL_PERCENT[0], 8.0),
    "residual_45": (RESIDUAL_PERCENT[1], 8.0),
}
"""What the emulator's settings are fitted to (see `papers.fit_b`): the value, and the difference that counts."""

TABLE_I: Mapping[str, tuple[int, str, str, str]] = {
    "Cloud": (6, "2", "4 GB", "40 GB"),
    "Fog": (4, "1", "2 GB", "20 GB"),
    "Edge": (5, "1", "1 GB", "20 GB"),
}
"""Table I by layer, in the columns `TABLE_I_COLUMNS`."""

TABLE_I_COLUMNS = ("Instances", "vCPU", "Memory", "Storage")


def hop_shares(hops: pd.DataFrame) -> pd.Series:
    """Return the share that Fig. 6 states for each row with `streams` and `hops`; not a number where it states none."""
    cells: Any = zip(hops["streams"], hops["hops"], strict=True)
    return pd.Series([HOPS_PERCENT.get(cell) for cell in cells], index=hops.index, dtype=float)
