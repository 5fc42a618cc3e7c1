"""Targets, windows and features of a series: what a forecaster learns from, and nothing it could not have known.

A value in row t comes from rows up to t. One thing looks ahead: whether a gap counts as short enough to be filled
depends on where it ends, so a row may be excluded (NaN) for what comes later, but a row that is kept holds only its
past.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from edgeresearch.data.trace import Trace, find_runs
from edgeresearch.errors import InputError

Floats = npt.NDArray[np.float64]

PERIODS = {"hour": pd.Timedelta(hours=1), "day": pd.Timedelta(days=1), "week": pd.Timedelta(days=7)}
HARMONICS = {"hour": 8, "day": 4, "week": 2}
ROUNDS = 3
"""A period enters the features if the rows span it so many times; from fewer, nothing repeatable is learnt."""
SEASONS_BACK = 7
"""How many past seasons `season_mean_{h}` averages at most."""


def make_targets(values: npt.ArrayLike, horizons: Sequence[int]) -> Floats:
    """Return what is to be forecast: row t, column j holds the value `horizons[j]` steps after t.

    Args:
        values: The series as observed, unfilled, shape (T,); NaN marks what was not observed.
        horizons: Steps ahead, each at least 1.

    Returns:
        Shape (T, len(horizons)); NaN past the end and where the value was not observed.

    Raises:
        InputError: A horizon is below 1.
    """
    series = _check_series(values)
    result = np.full((len(series), len(horizons)), np.nan)
    for column, horizon in enumerate(_check_horizons(horizons)):
        result[: max(len(series) - horizon, 0), column] = series[horizon:]
    return result


def fill_gaps(values: npt.ArrayLike, limit: int) -> Floats:
    """Carry the last observed value over gaps of at most `limit` steps.

    A longer gap stays NaN from its first to its last step, and so does a gap at the beginning. A gap at the end counts
    as long as it is so far.

    Args:
        values: Shape (T,).
        limit: Longest gap that is filled, in steps; 0 fills none.

    Raises:
        InputError: The limit is negative.
    """
    if limit < 0:
        raise InputError(f"fill limit {limit} is negative; use 0 to fill nothing")
    result = _check_series(values).copy()
    starts, lengths = find_runs(np.isnan(result))
    short = (lengths <= limit) & (starts > 0)
    starts, lengths = starts[short], lengths[short]
    steps = np.repeat(starts - np.r_[0, np.cumsum(lengths)[:-1]].astype(np.intp), lengths) + np.arange(lengths.sum())
    result[steps] = np.repeat(result[starts - 1], lengths)
    return result


def find_whole_windows(filled: npt.ArrayLike, window: int) -> npt.NDArray[np.bool_]:
    """Return which rows have a whole window of values behind them, without NaN.

    Args:
        filled: The series after `fill_gaps`, shape (T,).
        window: Steps in a window.

    Raises:
        InputError: The window is below 1.
    """
    series = _check_series(filled)
    if window < 1:
        raise InputError(f"window {window} is below 1; a window holds at least one step")
    last_bad = np.maximum.accumulate(np.where(np.isnan(series), np.arange(len(series)), -1))
    return np.arange(len(series)) - last_bad >= window


def make_calendar_terms(
    index: pd.DatetimeIndex, step: pd.Timedelta, horizon: int, periods: Mapping[str, int]
) -> pd.DataFrame:
    """Return Fourier terms of the time `horizon` steps after each stamp.

    Args:
        index: Stamps, shape (T,).
        step: Distance of two stamps.
        horizon: Steps ahead; the time is known ahead, so this is causal.
        periods: Harmonics for each period, a key of `PERIODS`: `{"day": 4, "week": 2}`. Harmonics that the step cannot
            resolve (half a period of the harmonic is not longer than a step) are left out.

    Returns:
        Columns `{period}_sin_{k}`, `{period}_cos_{k}` over the index.

    Raises:
        InputError: A period is unknown.
    """
    unknown = [name for name in periods if name not in PERIODS]
    if unknown:
        raise InputError(f"unknown period {unknown[0]!r}; choose from {', '.join(PERIODS)}")
    ahead = index.as_unit("ns").asi8 + horizon * step.value
    columns: dict[str, Floats] = {}
    for name, harmonics in periods.items():
        length = PERIODS[name].value
        phase = 2 * np.pi * (ahead % length) / length
        for k in range(1, harmonics + 1):
            if 2 * k * step.value < length:
                columns[f"{name}_sin_{k}"] = np.sin(k * phase)
                columns[f"{name}_cos_{k}"] = np.cos(k * phase)
    return pd.DataFrame(columns, index=index)


def make_features(
    trace: Trace,
    *,
    horizons: Sequence[int],
    season: int | None,
    fill_limit: int,
    calendar: bool = True,
    span: int | None = None,
) -> pd.DataFrame:
    """Return what is known at each step about the steps ahead.

    Columns: `value`, the first column of the trace after `fill_gaps`; with `calendar`, Fourier terms of the next step's
    time, for the hour, day and week (`HARMONICS`) as far as the rows span `ROUNDS` of them; with a season that the rows
    span as often, for each horizon h, `season_lag_{h}`, the value at t + h - season, and `season_mean_{h}`, the mean of
    the values at t + h - k season over those of k = 1..7 that exist. Where the past does not reach back, or was not
    observed, both carry the value at t. `value` alone says where nothing is known: the season's columns may hold a past
    value there.

    Args:
        trace: The series.
        horizons: Steps ahead, each at least 1.
        season: Steps in a season, not shorter than the longest horizon; None leaves the season's columns out.
        fill_limit: Longest gap, in steps, over which the last value is carried.
        calendar: Whether to add the Fourier terms.
        span: Rows that a model will learn from, if fewer than all.

    Returns:
        Float columns, indexed like the trace.

    Raises:
        InputError: A horizon is below 1 or longer than the season (its season's value would lie ahead).
    """
    ahead = _check_horizons(horizons)
    values = fill_gaps(trace.values.to_numpy(), fill_limit)
    index = pd.DatetimeIndex(trace.frame.index)
    rows = min(len(values), len(values) if span is None else span)
    parts = [pd.DataFrame({"value": values}, index=index)]
    if calendar:
        seen = {name: HARMONICS[name] for name, period in PERIODS.items() if rows * trace.step >= ROUNDS * period}
        parts.append(make_calendar_terms(index, trace.step, 1, seen))
    if season is not None and rows >= ROUNDS * season:
        if ahead and max(ahead) > season:
            raise InputError(f"horizon {max(ahead)} is longer than the season of {season} steps; use a shorter horizon")
        columns = {}
        for horizon in ahead:
            columns[f"season_lag_{horizon}"], columns[f"season_mean_{horizon}"] = _seasonal(values, horizon, season)
        parts.append(pd.DataFrame(columns, index=index))
    return pd.concat(parts, axis=1)


def _seasonal(values: Floats, horizon: int, season: int) -> tuple[Floats, Floats]:
    """Return the value one season before t + horizon, and the mean over up to seven seasons before."""
    total, count = np.zeros(len(values)), np.zeros(len(values))
    last = values
    for back in range(1, SEASONS_BACK + 1):
        shift = back * season - horizon
        past = np.full(len(values), np.nan)
        past[shift:] = values[: max(len(values) - shift, 0)]
        seen = ~np.isnan(past)
        total[seen] += past[seen]
        count += seen
        if back == 1:
            last = np.where(seen, past, values)
    mean = np.divide(total, count, out=values.copy(), where=count > 0)
    return last, mean


def _check_series(values: npt.ArrayLike) -> Floats:
    series = np.asarray(values, dtype=np.float64)
    if series.ndim != 1:
        raise InputError(f"a series must have one dimension, not {series.ndim}; pass one column")
    return series


def _check_horizons(horizons: Sequence[int]) -> list[int]:
    low = [horizon for horizon in horizons if horizon < 1]
    if low:
        raise InputError(f"horizon {low[0]} is below 1; forecasts are for later steps only")
    return list(horizons)
