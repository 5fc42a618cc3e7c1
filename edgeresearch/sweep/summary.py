"""What a sweep comes to: means over the seeds with their 95 % intervals, by setting."""

from collections.abc import Collection, Sequence

import pandas as pd
import pyarrow as pa

from edgeresearch import intervals
from edgeresearch.sweep.cells import Cell
from edgeresearch.sweep.work import ERROR, KEY

NONE = "none"
"""What stands for null among the values of a setting."""


def frame(table: pa.Table, cells: Sequence[Cell]) -> pd.DataFrame:
    """Return the cells' table in the order of the sweep, its settings free of null.

    Args:
        table: As `store.joined` returns it.
        cells: In the order of the sweep.
    """
    found = table.to_pandas()
    for name in cells[0].varied:
        values = table[name].to_pylist()
        if None in values:
            found[name] = [NONE if value is None else str(value) for value in values]
    ordered: pd.DataFrame = found.set_index(KEY).loc[[cell.key for cell in cells]].reset_index()
    return ordered


def summary(table: pd.DataFrame, varied: Sequence[str], measures: Collection[str]) -> pd.DataFrame:
    """Return one row per setting, in the order of the table.

    Args:
        table: As `frame` returns it.
        varied: The settings.
        measures: Columns of results; those that are no numbers, or that no cell has, are left out.

    Returns:
        The settings; `cells` that gave results and those that `failed`; the mean of each measure under its name, and
        its 95 % interval under that with `_low` and `_high`, NaN where there are fewer than two values.
    """
    fine = table[ERROR].isna()
    numbers = [name for name in measures if name in table and pd.api.types.is_numeric_dtype(table[name])]
    counted = table.assign(cells=fine.astype(int), failed=(~fine).astype(int))
    counts = counted.groupby(list(varied), sort=False)[["cells", "failed"]].sum().reset_index()
    means = intervals.by(table, varied, numbers)
    return pd.concat([counts, means.drop(columns=list(varied))], axis=1)
