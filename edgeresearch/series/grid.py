"""Regular time grids: sorting, duplicates, absent slots and runs."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from edgeresearch.errors import InputError


def runs(mask: npt.ArrayLike) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return where the runs of true values start and how long they are.

    Args:
        mask: Booleans, shape (T,).

    Returns:
        Starts and lengths, both of shape (number of runs,).
    """
    steps = np.diff(np.asarray(mask, dtype=np.int8), prepend=0, append=0)
    starts = np.flatnonzero(steps == 1)
    return starts, np.flatnonzero(steps == -1) - starts


def times(column: pd.Series, where: str) -> pd.DatetimeIndex:
    """Parse ISO 8601 time stamps without zone, in nanoseconds.

    Args:
        column: The stamps as text.
        where: The file, for the message.

    Raises:
        InputError: A stamp cannot be parsed; the message gives its line.
    """
    parsed = pd.to_datetime(column, format="ISO8601", errors="coerce")
    bad = np.flatnonzero(parsed.isna())
    if len(bad):
        raise InputError(f"{where}, line {bad[0] + 2}: no time stamp: {column.iloc[bad[0]]!r}; mend or delete the line")
    return pd.DatetimeIndex(parsed).as_unit("ns")


def regular(frame: pd.DataFrame, step: pd.Timedelta) -> tuple[pd.DataFrame, dict[str, int]]:
    """Put rows on a regular grid.

    Rows are sorted; of equal stamps the first row in the file stays; a stamp beside the grid (whose offset is the
    commonest of the file) goes to the slot before it, unless a row on the grid holds that slot; absent slots become
    rows of NaN.

    Args:
        frame: Numeric columns over a `DatetimeIndex` in any order.
        step: Distance of two slots.

    Returns:
        Float columns over a regular `DatetimeIndex` from the first slot to the last, and what was done, as counts:
        `unsorted` (rows earlier than the row before), `exact_duplicates`, `conflicting_duplicates` (rows dropped that
        differ from the row that stays), `off_grid` (stamps moved), `absent` (rows of NaN added).

    Raises:
        InputError: There is no row.
    """
    if frame.empty:
        raise InputError("a series without rows has no time grid; give a file with data")
    stamps = pd.DatetimeIndex(frame.index).as_unit("ns").asi8
    size = step.value
    offsets, counts = np.unique(stamps % size, return_counts=True)
    offset = int(offsets[counts.argmax()])
    slots = (stamps - offset) // size
    astray = stamps % size != offset
    order = np.lexsort((np.arange(len(stamps)), astray, slots))
    table = frame.iloc[order].astype(float)
    same_slot = np.r_[False, np.diff(slots[order]) == 0]
    exact = table.assign(_slot=slots[order]).duplicated().to_numpy() & same_slot
    grid = np.arange(slots.min(), slots.max() + 1)
    table = table.loc[~same_slot].set_axis(slots[order][~same_slot], axis=0).reindex(grid)
    table.index = index(grid[0] * size + offset, len(grid), step)
    return table, {
        "unsorted": int((np.diff(stamps) < 0).sum()),
        "exact_duplicates": int(exact.sum()),
        "conflicting_duplicates": int((same_slot & ~exact).sum()),
        "off_grid": int(astray.sum()),
        "absent": len(grid) - int((~same_slot).sum()),
    }


def steps_per_day(step: pd.Timedelta) -> int:
    """Return how many steps make a day, rounded."""
    return round(pd.Timedelta(days=1) / step)


def index(start: Any, steps: int, step: pd.Timedelta) -> pd.DatetimeIndex:
    """Return a regular time index in nanoseconds.

    Args:
        start: First stamp, as pandas reads it.
        steps: Number of stamps.
        step: Distance of two stamps.
    """
    return pd.date_range(pd.Timestamp(start).as_unit("ns"), periods=steps, freq=step, unit="ns")
