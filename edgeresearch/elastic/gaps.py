"""Gaps of a user's own trace: interpolated where they are short, refused where they are not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from edgeresearch.elastic.checks import Floats
from edgeresearch.errors import InputError
from edgeresearch.series import grid
from edgeresearch.series.stamps import text
from edgeresearch.series.trace import Trace


def filled(trace: Trace, limit: int, path: str | Path) -> tuple[Trace, list[str]]:
    """Interpolate gaps of at most `limit` steps linearly, between the value before and the value after.

    A replay needs every step's requests, so nothing longer than the limit may be missing. Unlike `series.windows.fill`,
    which carries the last value so that a forecaster sees nothing of what comes, this looks ahead: what is filled is
    made up, and rather too easy to forecast.

    Args:
        trace: The trace; its first column is used.
        limit: Longest gap that is filled, in steps; 0 fills none.
        path: The file, for the message.

    Returns:
        The trace without gaps, `repairs` counting the steps filled, and a line that says so, if any were.

    Raises:
        InputError: The limit is negative, or a gap is longer than it or has no value on one side.
    """
    if limit < 0:
        raise InputError(f"fill {limit} is below 0; use 0 or more")
    values = trace.values.to_numpy(dtype=np.float64, copy=True)
    missing = np.isnan(values)
    starts, lengths = grid.runs(missing)
    # A gap at either end has nothing to be drawn to.
    short = (lengths <= limit) & (starts > 0) & (starts + lengths < len(values))
    known, steps = np.flatnonzero(~missing), np.flatnonzero(missing)[np.repeat(short, lengths)]
    if len(steps):
        values[steps] = np.interp(steps, known, values[known])
    if np.isnan(values).any():
        raise InputError(_refused(trace, values, limit, path))
    if not len(steps):
        return trace, []
    frame = trace.frame.assign(**{str(trace.frame.columns[0]): values})
    gaps = f"{len(starts)} gap{'s' if len(starts) > 1 else ''} of at most {lengths.max()}"
    said = (
        f"filled: {len(steps)} of {len(values)} steps, in {gaps}, by straight lines, easier to forecast than real load"
    )
    return replace(trace, frame=frame, repairs={**trace.repairs, "filled": len(steps)}), [said]


def _refused(trace: Trace, values: Floats, limit: int, path: str | Path) -> str:
    missing = np.isnan(values)
    _, gaps = grid.runs(missing)
    starts, lengths = grid.runs(~missing)
    at = int(lengths.argmax())
    index = pd.DatetimeIndex(trace.frame.index)
    first, last = index[[starts[at], starts[at] + lengths[at] - 1]]
    return (
        f"{path}: {int(missing.sum())} of {len(values)} steps of {text(trace.step)} are missing"
        f"{f' in gaps longer than {limit}' if limit else ''}, the first at {index[int(missing.argmax())]}; let --fill "
        f"interpolate gaps up to a length (the longest here is {gaps.max()}), or cut the file to its longest stretch "
        f"without {'such ' if limit else ''}gaps, {first} to {last}"
    )
