"""Requests that arrive in each step."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd

from edgeresearch.autoscaling.simulator import Floats, Ints, check_range
from edgeresearch.data import trace as grid
from edgeresearch.data.csv import format_duration
from edgeresearch.data.trace import Trace
from edgeresearch.errors import InputError

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PER = re.compile(r"(?:\bper\s+|/\s*)(\d+\s*)?(seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?)\b", re.IGNORECASE)
_ABBREVIATED = re.compile(r"\b[rqt]p([smh])\b", re.IGNORECASE)
_WORDS = re.compile("_|(?<=[a-z])(?=[A-Z])")
"""Where one word of a column's name ends and the next begins: `requests_per_second`, `requestsPerSecond`."""


def spread(trace: Trace, rng: np.random.Generator, *, dt: float = 1.0, mean: float | None = None) -> Ints:
    """Spread a trace to whole requests per step.

    The requests of a slot of the trace are rounded so that their sums stay right (error diffusion). They fall on the
    slot's steps as a Poisson process would, given their number: multinomially, in proportion to a rate that runs
    linearly between the middles of the slots. So each slot keeps its total exactly, and a trace of steps of its own is
    left as it is.

    Args:
        trace: Request rates; the first column is used. Its unit gives the time it counts (see `unit_seconds`); without
            one, values are counts per slot.
        rng: Places the requests.
        dt: Length of a step, in seconds, at most 1; a slot of the trace must be a multiple of it.
        mean: Mean load to scale the trace to, in requests per second, as real traces differ in size by orders of
            magnitude; None keeps it.

    Returns:
        `(slots · slot / dt,)`.

    Raises:
        InputError: The trace has gaps, negative values or, with a mean, no request; or a slot is no multiple of `dt`.
    """
    check_range("dt", dt, 0, 1, above=True)
    slot = trace.step.total_seconds()
    steps = round(slot / dt)
    if steps < 1 or abs(steps * dt - slot) > 1e-9 * slot:
        raise InputError(f"{trace.name}: its step of {slot:g} s is no multiple of dt = {dt:g} s; change dt")
    rate = to_requests_per_second(trace)
    if mean is not None:
        check_range("mean load", mean, 0, above=True)
        if not rate.any():
            raise InputError(f"{trace.name} has no request to scale to {mean:g} per second; use another trace")
        rate *= mean / rate.mean()
    ends = np.floor(np.cumsum(rate * slot) + 0.5).astype(np.int64)
    totals: Ints = np.diff(ends, prepend=np.int64(0))
    if steps == 1:
        return totals
    middles = np.arange(len(rate)) + 0.5
    weights = np.interp((np.arange(len(rate) * steps) + 0.5) / steps, middles, rate).reshape(-1, steps)
    weights[weights.sum(axis=1) == 0] = 1.0
    return rng.multinomial(totals, weights / weights.sum(axis=1, keepdims=True)).reshape(-1)


def to_requests_per_second(trace: Trace) -> Floats:
    """Return the first column of a trace in requests per second, `(slots,)`.

    Raises:
        InputError: The trace is empty, has gaps or negative values.
    """
    values = trace.values.to_numpy(dtype=np.float64, copy=True)
    if not len(values):
        raise InputError(f"{trace.name} is empty; use a trace with at least one value")
    if not np.isfinite(values).all():
        raise InputError(_describe_gaps(trace, values))
    if values.min() < 0:
        at = int(values.argmin())
        raise InputError(f"{trace.name}: load {values[at]:g} at {trace.frame.index[at]} is negative; mend the trace")
    return values / (unit_seconds(trace.unit) or trace.step.total_seconds())


def unit_seconds(unit: str) -> float | None:
    """Return the time that values of a unit count over, in seconds, or None if its name does not say.

    That is 60 for `requests per minute`, `requests_per_minute`, `req/min` and `rpm`, and 300 for `messages per 5 min`.
    """
    words = _WORDS.sub(" ", unit)
    if per := _PER.search(words):
        return int(per[1] or 1) * _SECONDS[per[2][0].lower()]
    short = _ABBREVIATED.search(words)
    return _SECONDS[short[1].lower()] if short else None


def find_longest_stretch(trace: Trace) -> Trace:
    """Return the longest stretch of a trace in which every value of its first column was observed.

    Raises:
        InputError: No value was observed.
    """
    starts, lengths = grid.find_runs(np.isfinite(trace.values.to_numpy(dtype=np.float64)))
    if not len(starts):
        raise InputError(f"{trace.name} has no observed value; use another trace")
    start, length = starts[lengths.argmax()], lengths.max()
    frame: pd.DataFrame = trace.frame.iloc[start : start + length]
    return replace(trace, frame=frame)


def interpolate_gaps(trace: Trace, limit: int) -> Trace:
    """Interpolate gaps of at most `limit` steps linearly, between the value before and the value after.

    A replay needs every step's requests, so nothing longer than the limit may be missing. Unlike `trace.fill_gaps`,
    which carries the last value so that a forecaster sees nothing of what comes, this looks ahead: what is filled is
    invented, and rather too easy to forecast.

    Args:
        trace: The trace; its first column is used.
        limit: Longest gap that is filled, in steps; 0 fills none.

    Returns:
        The trace without gaps; `repairs` count the steps that were filled, and `notes` say so.

    Raises:
        InputError: The limit is negative, or a gap is longer than it or has no value on one side.
    """
    if limit < 0:
        raise InputError(f"fill {limit} is below 0; use 0 or more")
    values = trace.values.to_numpy(dtype=np.float64, copy=True)
    missing = np.isnan(values)
    starts, lengths = grid.find_runs(missing)
    # A gap at either end has nothing to be drawn to.
    short = (lengths <= limit) & (starts > 0) & (starts + lengths < len(values))
    known, steps = np.flatnonzero(~missing), np.flatnonzero(missing)[np.repeat(short, lengths)]
    if len(steps):
        values[steps] = np.interp(steps, known, values[known])
    if np.isnan(values).any():
        raise InputError(_describe_gaps(trace, values, limit))
    if not len(steps):
        return trace
    frame = trace.frame.assign(**{str(trace.frame.columns[0]): values})
    gaps = f"{len(starts)} gap{'s' if len(starts) > 1 else ''} of at most {lengths.max()}"
    note = (
        f"filled: {len(steps)} of {len(values)} steps, in {gaps}, by straight lines, easier to forecast than real load"
    )
    return replace(trace, frame=frame, repairs={**trace.repairs, "filled": len(steps)}, notes=(*trace.notes, note))


def _describe_gaps(trace: Trace, values: Floats, limit: int = 0) -> str:
    missing = ~np.isfinite(values)
    _, gaps = grid.find_runs(missing)
    starts, lengths = grid.find_runs(~missing)
    if not len(starts):
        return f"{trace.name} has no observed value; use another trace"
    at = int(lengths.argmax())
    index = pd.DatetimeIndex(trace.frame.index)
    first, last = index[[starts[at], starts[at] + lengths[at] - 1]]
    return (
        f"{trace.name}: {int(missing.sum())} of {len(values)} steps of {format_duration(trace.step)} are missing"
        f"{f' in gaps longer than {limit}' if limit else ''}, the first at {index[int(missing.argmax())]}; let 'fill' "
        f"interpolate gaps up to a length (the longest here is {gaps.max()}), or cut the file to its longest stretch "
        f"without {'such ' if limit else ''}gaps, {first} to {last}"
    )
