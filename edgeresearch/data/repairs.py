"""Rows in order, at even distances, counters as differences: what is mended in a series, and told."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.data.trace import format_duration, parse_step, regular_index
from edgeresearch.errors import InputError

_COUNTER_NAME = re.compile(r"(?i).*(?:_total|_count|_sum|_bucket|[\W_]counter)|counter")
_NICE = [pd.Timedelta(text) for text in (
    "1ms 10ms 100ms 200ms 250ms 500ms 1s 2s 5s 10s 15s 20s 30s 1min 2min 3min 4min 5min 6min 10min 12min 15min 20min "
    "30min 1h 2h 3h 4h 6h 8h 12h 1D 7D"
).split()]  # fmt: skip


def measure_evenness(stamps: pd.DatetimeIndex) -> float:
    """Return the share of the commonest distance between neighbours."""
    distances = np.abs(np.diff(stamps.asi8))
    return float(np.unique(distances, return_counts=True)[1].max() / len(distances)) if len(distances) else 0.0


def sort_rows(frame: pd.DataFrame, where: str, tz: str | None) -> tuple[pd.DataFrame, dict[str, int]]:
    """Sort rows by time and drop exact duplicates; rows that contradict each other are refused."""
    stamps = pd.DatetimeIndex(frame.index)
    repairs = {"unsorted": int((np.diff(stamps.asi8) < 0).sum()), "exact_duplicates": 0}
    if repairs["unsorted"]:
        before = frame.iloc[::-1] if repairs["unsorted"] > len(frame) / 2 else frame
        frame = frame.sort_index(kind="stable")
    else:
        before = frame
    if frame.index.has_duplicates:
        same = frame.assign(_time=frame.index).duplicated().to_numpy()
        repairs["exact_duplicates"] = int(same.sum())
        frame = frame[~same]
        if frame.index.has_duplicates and (frame.notna().groupby(level=0).sum() <= 1).all(axis=None):
            frame = frame.groupby(level=0).first()  # a row without a value contradicts none
        if frame.index.has_duplicates:
            refuse_conflict(before, where, tz)
    return frame, repairs


def refuse_conflict(frame: "pd.DataFrame | pd.Series", where: str, tz: str | None) -> None:
    """Refuse rows of one time with different values; say so where a clock change explains them."""
    stamps = pd.DatetimeIndex(frame.index)
    twice = stamps[stamps.duplicated()]
    hours = twice.floor("h").unique()
    changes = (hours.hour < 4) & (hours.day_of_week == 6) & hours.month.isin([3, 4, 9, 10, 11])
    if tz:
        hint = "write the offset from UTC beside each time, or keep one series with `where`"
        raise InputError(f"{where}: {len(twice)} times stand there twice, the first {twice[0]} (UTC); {hint}")
    if changes.all() and len(hours.normalize().unique()) == len(hours):
        what = f"the hour from {twice.min()} on stands there twice, as when clocks are put back"
        raise InputError(f"{where}: {what}; name the zone with `tz`, such as Europe/Berlin")
    raise InputError(
        f"{where}: {len(twice)} times stand there twice with different values, the first {twice[0]}; delete one of each"
    )


def find_clock_change(stamps: pd.DatetimeIndex, size: pd.Timedelta) -> pd.Timestamp | None:
    """Return where an hour is absent in a night in which many countries change their clocks."""
    hour = pd.Timedelta(hours=1)
    if size > hour:
        return None
    before = stamps[:-1][np.diff(stamps.asi8) == (size + hour).value] + size
    nights = before[(before.day_of_week == 6) & before.month.isin([3, 4, 9, 10]) & (before.hour < 4)]
    return nights[0] if len(nights) else None


def guess_step(stamps: pd.DatetimeIndex, where: str, notes: list[str]) -> pd.Timedelta:
    """Return the commonest distance of two rows, or the usual one near the median if stamps jitter."""
    if len(stamps) < 2:
        raise InputError(f"{where} has one row, so no step; give more rows")
    distances = np.diff(stamps.asi8)
    sizes, counts = np.unique(distances, return_counts=True)
    size, share = pd.Timedelta(int(sizes[counts.argmax()]), unit="ns"), counts.max() / counts.sum()
    first_of_month = (stamps.day == 1) | stamps.is_month_end
    if size >= pd.Timedelta(days=28) and first_of_month.all():
        raise InputError(f"{where}: the rows are calendar months or years, which differ in length; give days or weeks")
    if share >= 0.5:
        return size
    size, fits = _near_median(distances)
    if not fits:
        half = pd.Timedelta(round(np.median(distances)), unit="ns").round("ms")
        what = f"half of them are below {format_duration(half)}"
        hint = "say `step`, and each step has the last value before it, or `count` the rows if each is an event"
        raise InputError(f"{where}: the times have no common distance ({what}); {hint}")
    notes.append(f"times: they jitter around a step of {format_duration(size)}")
    return size


def _near_median(distances: Any) -> tuple[pd.Timedelta, bool]:
    """Return the usual step near the median of distances, and whether nearly all are multiples of it."""
    median = float(np.median(distances))
    nice = min(_NICE, key=lambda each: abs(np.log(each.value / median)))
    size = (
        nice
        if abs(nice.value / median - 1) < 0.05
        else pd.Timedelta(round(median / 1e9) * 10**9 or round(median), unit="ns")
    )
    beside = np.abs(distances / size.value - np.maximum(np.round(distances / size.value), 1))
    return size, bool((beside < 0.4).mean() >= 0.9)


def has_no_step(stamps: pd.DatetimeIndex, size: pd.Timedelta) -> bool:
    """Tell whether times have no common distance, nor are those of a grid."""
    distances = np.diff(stamps.asi8)
    if len(distances) < 2 or measure_evenness(stamps) >= 0.5 or _near_median(distances)[1]:
        return False
    return bool(np.unique(stamps.asi8 % size.value, return_counts=True)[1].max() < 0.9 * len(stamps))


def last_known(series: pd.Series, size: pd.Timedelta, where: str, notes: list[str]) -> pd.Series:
    """Return the last value known at each step, as of sensors that tell changes only."""
    stamps = pd.DatetimeIndex(series.index)
    slots = int((stamps[-1] - stamps[0]) / size)
    if not 1 <= slots <= 50_000_000:
        option = "shorter" if slots < 1 else "longer"
        raise InputError(f"{where} spans {slots} steps of {format_duration(size)}; give a {option} `step`")
    longest = format_duration(pd.Timedelta(int(np.diff(stamps.asi8).max()), unit="ns").round("ms"))
    notes.append(
        f"values: each step of {format_duration(size)} has the last value known at its start, as the times have no "
        f"common distance; the longest time without a row is {longest}"
    )
    first = -(-int(stamps.asi8[0]) // size.value) * size.value
    grid = regular_index(first, int((stamps.asi8[-1] - first) // size.value) + 1, size)
    return series.reindex(grid, method="ffill")


def count_events(
    stamps: pd.DatetimeIndex, step: str, where: str, notes: list[str]
) -> tuple[pd.Series, str, pd.Timedelta]:
    """Count rows per step; the first and the last step, which may be cut, are left out."""
    size = parse_step(step)
    slots = stamps.asi8 // size.value
    first, last = int(slots.min()), int(slots.max())
    if last - first < 3:
        raise InputError(f"{where} spans {last - first + 1} steps of {format_duration(size)}; give a shorter `step`")
    if last - first > 50_000_000:
        raise InputError(f"{where} spans {last - first + 1} steps of {format_duration(size)}; give a longer `step`")
    counts = np.bincount(slots - first)[1:-1].astype(np.float64)
    notes.append(
        f"values: {len(stamps)} events, counted per {format_duration(size)}; the first and last step are left out"
    )
    series = pd.Series(counts, index=regular_index((first + 1) * size.value, len(counts), size))
    return series, "requests", size


def add_up(parts: Sequence[pd.Series], titles: Sequence[str], where: str, notes: list[str]) -> pd.Series:
    """Add series up; a sum lacks a value where one of them does between its first and its last."""
    times = set(parts[0].index)
    if not any(times.intersection(part.index) for part in parts[1:]):  # each has times of its own: bring them together
        size = guess_step(pd.DatetimeIndex(parts[0].index), where, notes)
        parts = [part.set_axis(pd.DatetimeIndex(part.index).round(size)) for part in parts]
        if any(part.index.has_duplicates for part in parts):
            raise InputError(f"{where}: the series have no common times; keep one with `where`")
        notes.append(f"times: those of the series differ, so they are rounded to {format_duration(size)}")
    table = pd.concat(parts, axis=1)
    whole = table.dropna()
    for k, title in enumerate(titles if len(titles) > 2 and len(whole) > 1 else ()):
        if np.allclose(2 * whole.iloc[:, k], whole.sum(axis=1)) and whole.iloc[:, k].any():
            hint = "keep it alone (`value` or `where`), or leave it out (`value` with names such as a+b)"
            raise InputError(f"{where}: {title!r} is the sum of the others, which would count twice; {hint}")
    alive = table.bfill().notna() & table.ffill().notna()
    return table.sum(axis=1, min_count=1).mask((table.isna() & alive).any(axis=1))


def take_differences(
    series: pd.Series, name: str, where: str, notes: list[str], *, rate: bool | None = None, level: bool | None = None
) -> pd.Series:
    """Return the increments of a counter per step; any other series as it is."""
    if rate and level:
        raise InputError("`rate` and `level` exclude each other; say one of them")
    known = series.dropna()
    steps = np.diff(known.to_numpy())
    falls = np.flatnonzero(steps < 0)
    if not rate:
        named = _COUNTER_NAME.fullmatch(name)
        rises = int((steps > 0).sum())
        few = 0.2 * rises if named else max(0.05 * rises, 1)
        often = rises > 0.3 * len(steps) or rises >= 5 and not len(falls) or named and rises >= 2
        rising = len(known) >= 8 and often and len(falls) <= few
        after = known.to_numpy()[falls + 1]
        resets = rising and bool((after < 0.5 * known.to_numpy()[falls]).all())
        if level or not resets or known.min() < 0:
            return series
        if not named or not len(falls) or (after > 2 * steps.max()).any():  # a counter begins anew near 0
            what = f"falls {len(falls)} times only, to less than half" if len(falls) else "never falls"
            readings = "a counter, whose differences are meant (`rate`), or a level (`level`)"
            raise InputError(f"{where}: column {name!r} {what}: it may be {readings}; say which")
    increments = np.where(steps < 0, known.to_numpy()[1:], steps)
    distances = np.diff(pd.DatetimeIndex(known.index).asi8)
    whole = distances <= 1.5 * np.median(distances)  # what was counted over a gap belongs to no single step
    notes.append(
        f"values: {name!r} is a counter ({len(falls)} resets), so its differences are taken; `level` takes it as it is"
        if not rate
        else f"values: differences of {name!r} ({len(falls)} resets)"
    )
    result = pd.Series(np.where(whole, increments, np.nan), index=known.index[1:], name=series.name)
    return result.reindex(series.index[1:])


def place_on_slots(series: pd.Series, size: pd.Timedelta, where: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Put rows on the nearest slot of a regular grid; a row whose slot is taken goes to a free one beside it."""
    stamps = pd.DatetimeIndex(series.index)
    ns, text = stamps.asi8, format_duration(size)
    phases = ns % size.value
    common, counts = np.unique(phases, return_counts=True)
    phase = int(common[counts.argmax()])
    if counts.max() < 0.5 * len(ns):  # jitter: the grid runs through the middle of the stamps
        turned = (phases + size.value // 2) % size.value
        near = int(np.median(phases)) if np.ptp(phases) < np.ptp(turned) else int(np.median(turned)) - size.value // 2
        phase = 0 if abs(near) < size.value // 4 else near
    slots = (ns - phase + size.value // 2) // size.value
    beside = (ns - phase) / size.value - slots
    for at in map(int, np.flatnonzero(np.diff(slots) == 0) + 1):
        if slots[at] != slots[at - 1]:
            continue
        if beside[at - 1] < -0.25 and (at == 1 or slots[at - 2] < slots[at] - 1):
            slots[at - 1] -= 1
        elif beside[at] > 0.25 and (at + 1 == len(slots) or slots[at + 1] > slots[at] + 1):
            slots[at] += 1
        else:
            what = f"{stamps[at - 1]} and {stamps[at]} are within one step of {text}"
            raise InputError(f"{where}: {what}; say a shorter `step`")
    slots -= slots[0]
    if slots[-1] > 100 * len(slots) + 1000:
        gap = int(np.diff(slots).argmax())
        what = (
            f"{len(slots)} rows on {slots[-1] + 1} slots of {text}, with nothing from {stamps[gap]} to "
            f"{stamps[gap + 1]}"
        )
        raise InputError(f"{where}: {what}; mend a time that is wrong, or say a longer `step`")
    column = np.full(int(slots[-1]) + 1, np.nan)
    column[slots] = series.to_numpy()
    start = (int(ns[0]) - phase + size.value // 2) // size.value * size.value + phase
    frame = pd.DataFrame({str(series.name): column}, index=regular_index(start, len(column), size))
    moved = int((phases != (start % size.value)).sum())
    missing = int(series.isna().sum())
    return frame, {"missing": missing, "off_grid": moved, "absent": len(column) - len(slots)}


def tell_repairs(repairs: Mapping[str, int], size: pd.Timedelta | None) -> str:
    """Return one line on what was repaired; empty if nothing was."""
    parts = ["sorted"] if repairs.get("unsorted") else []
    for key, what in (
        ("exact_duplicates", "exact duplicate{} dropped"),
        ("missing", "value{} missing"),
        ("absent", "row{} absent"),
        ("off_grid", "time{} moved to the grid"),
    ):
        if count := repairs.get(key, 0):
            parts.append(f"{count} {what.format('' if count == 1 else 's')}")
    step = [f"step {format_duration(size)}"] if size is not None else []
    return "; ".join([*step, *parts]) if parts or step else ""
