"""Times out of cells, as people and tools write them; two readings that both fit are refused."""

import re
import warnings

import numpy as np
import pandas as pd

from edgeresearch.data.cells import CLOCK, TIME, ZONE, is_missing, is_text, quote, share_of_numbers, share_of_times
from edgeresearch.errors import InputError

START = pd.Timestamp("2024-01-01")
"""Where times begin that are no dates."""
FORMATS = ("day-first", "month-first", "s", "ms", "us", "ns", "excel", "days", "matlab", "labview", "ticks")
"""What `time_format` may be, beside a format of `strptime`."""
_ISO = rf"\d{{4}}-\d{{1,2}}-\d{{1,2}}(?:[T ]{CLOCK}{ZONE})?"
_NUMERIC_DATE = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}|\d{{2}})(?:[T ,]+({CLOCK}{ZONE}))?")
_WITH_OFFSET = re.compile(r".*(?:\d|[AaPp]\.?[Mm]\.?)\s*(?:Z|UTC|GMT)|.*\d:\d\d\S*\s*[+-]\d{2}(?::?\d{2})?")
_OTHER_ZONE = re.compile(r".*\d\s?(?!(?:AM|PM|UTC|GMT|Z)$)([A-Z]{2,5})")
_REWRITTEN = {
    r"\s*(?:UTC|GMT)$": "Z",
    r"\s*(?:UTC|GMT)\s?([+-]\d\d:?\d\d)(?:\s*\(.*\))?$": r" \1",
    r"\s*(?:UTC|GMT)\s?([+-])(\d\d)(?:\s*\(.*\))?$": r" \1\2:00",
    r"\s*(?:UTC|GMT)\s?([+-])(\d)(?:\s*\(.*\))?$": r" \g<1>0\2:00",
    r"(:\d\d),(\d)": r"\1.\2",
    r"^(\d{4})(\d\d)(\d\d)[T _](\d\d):?(\d\d):?(\d\d)": r"\1-\2-\3 \4:\5:\6",
    r"^(\d{4})(\d\d)(\d\d)[T _](\d\d):?(\d\d)": r"\1-\2-\3 \4:\5",
    r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})": r"\1-\2-\3",
    r"^(\d{4}-\d{1,2}-\d{1,2})(?:,?\s+|_)": r"\1 ",
    r"(\d)\s+(Z|[+-]\d\d(?::?\d\d)?)$": r"\1\2",
    r"^(\d{1,2}/[A-Za-z]{3}/\d{4}):": r"\1 ",
}
"""Ways to write a time that pandas does not read, and how it does; each applies to all times of a column or to none."""
_EPOCHS = {
    unit: (631152000 * scale, 2208988800 * scale) for unit, scale in (("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9))
}
"""What numbers are that lie from 1990 to 2040."""
_ORIGINS = {
    "excel": (25569, 86400e6, "day of Excel"),
    "days": (0, 86400e6, "day since 1970"),
    "matlab": (719529, 86400e6, "day of MATLAB"),
    "labview": (2082844800, 1e6, "second since 1904 (LabVIEW)"),
    "ticks": (621355968000000000, 0.1, "tick of .NET"),
}
"""Other ways to count time: what 1970 is, microseconds in one, and its name."""
_CLOCK_NAME = re.compile(r"(?i).*(?:time|hour|zeit|clock|hhmm|stunde).*|t")
_COMPACT = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_NAMED_UNITS = {
    **dict.fromkeys(("ms", "millis", "milliseconds"), "ms"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("h", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "D"),
}
_DAY = r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\.0)?"
_PARTS = ("year", "month", "day", "hour", "minute", "second")


def parse_times(
    column: pd.Series,
    where: str,
    notes: list[str],
    *,
    row: str = "row",
    time_format: str | None = None,
    tz: str | None = None,
) -> pd.DatetimeIndex:
    """Parse times, in any order.

    They are ISO 8601, dates by day or month first, names of months, compact stamps (`2024013112`), seconds,
    milliseconds, microseconds or nanoseconds since 1970, Excel's days, or seconds from 0. Dates with dots have the day
    first; others are day or month first as a part above 12 or an even course says.

    Args:
        column: Cells; its index counts lines or rows.
        where: The source, for messages.
        notes: Receives one line for each guess.
        row: What messages call a row.
        time_format: One of `FORMATS` or a format of `strptime`, where the cells leave it open.
        tz: The zone of stamps without one, such as `Europe/Berlin`.

    Returns:
        Times without zone, in nanoseconds; with a zone or an offset they are converted to UTC.

    Raises:
        InputError: A cell is no time, or two readings fit.
    """
    missing = is_missing(column)
    if missing.any():
        first = column.index[np.flatnonzero(missing)[0]]
        raise InputError(f"{where}, {row} {first}: no time ({int(missing.sum())} such {row}s); delete them")
    pattern, counted = time_format if time_format not in FORMATS else None, False
    if column.dtype.kind == "M":
        parsed = pd.Series(pd.DatetimeIndex(column), index=column.index)
    elif not is_text(column) and not pattern:
        numbers = column.astype("int64") if column.dtype.kind in "iu" else column.astype("float64")
        counted = True
        parsed = _parse_time_numbers(column, numbers, where, notes, time_format)
    else:
        text = column.astype("str").str.strip()
        numbers = _to_numbers(text)
        if numbers.notna().mean() > 0.5 and not pattern:
            _checked(numbers, text, where, row)
            counted = True
            parsed = _parse_time_numbers(text, numbers, where, notes, time_format)
        else:
            late = _matches(text, r".*\d[T ,_]+24:00(?::00(?:[.,]0+)?)?(?:\s*(?:Z|UTC|GMT|[+-]\d.*))?")
            if late.any():
                notes.append("times: 24:00 is taken as 00:00 of the next day")
                text = text.where(~late, text.str.replace(r"([T ,_])24:00", r"\g<1>00:00", regex=True))
            parsed = _parse_time_text(text, where, notes, row, time_format, tz)
            parsed = parsed + pd.to_timedelta(late.astype(int), unit="D") if late.any() else parsed
    stamps = pd.DatetimeIndex(parsed)
    if stamps.tz is not None and not counted:
        notes.append("times: converted to UTC")
    return _to_utc(stamps, parsed.index, where, notes, row, tz)


def _to_numbers(text: pd.Series) -> pd.Series:
    """Read cells as numbers, of which a comma may be the decimal mark; NaN where they are none."""
    if len(text) > 10_000 and _to_numbers(text.iloc[:1000]).isna().all():
        return pd.Series(np.nan, index=text.index)
    return pd.to_numeric(text.str.replace(r"^(\d+),(\d+)$", r"\1.\2", regex=True), errors="coerce")


def _matches(text: pd.Series, pattern: str) -> "pd.Series[bool]":
    """Tell which cells have a form, all at once by Arrow."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.match_substring_regex(pa.array(text, type=pa.string()), f"^(?:{pattern})$")
    return pd.Series(found.to_numpy(zero_copy_only=False), index=text.index)


def _to_utc(
    stamps: pd.DatetimeIndex, rows: pd.Index, where: str, notes: list[str], row: str, tz: str | None
) -> pd.DatetimeIndex:
    """Convert stamps to UTC where they have a zone or are given one, and drop the zone."""
    wrong = np.flatnonzero((stamps.year < 1900) | (stamps.year > 2199))
    if len(wrong):
        place = f"{row} {rows[wrong[0]]}"
        if stamps[wrong[0]].year == 1:
            raise InputError(f"{where}, {place}: the time has no year; write it, too, such as 2024-01-31 12:00")
        raise InputError(f"{where}, {place}: {stamps[wrong[0]]} is no time of a measurement; mend or delete the {row}")
    if stamps.tz is None and tz is None:
        return stamps.as_unit("ns")
    if stamps.tz is None and tz:
        stamps = _localize(stamps, tz, where, notes)
    return stamps.tz_convert("UTC").tz_localize(None).as_unit("ns")


def _localize(stamps: pd.DatetimeIndex, tz: str, where: str, notes: list[str]) -> pd.DatetimeIndex:
    """Read stamps as those of a zone; of an hour that clocks show twice, the order tells which is which."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        zone = ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(f"unknown zone {tz!r}; name one such as Europe/Berlin or UTC with `tz`") from error
    back = np.flatnonzero(np.diff(stamps.asi8) < 0)
    newest_first = len(back) > len(stamps) / 2
    ordered = stamps[::-1] if newest_first else stamps
    new = np.append(True, np.diff(ordered.asi8) != 0)  # rows of several series share a time
    for keep in (np.ones(len(new), dtype=bool), new):
        try:
            local = ordered[keep].tz_localize(zone, ambiguous="infer")[np.cumsum(keep) - 1]
            break
        except ValueError:
            continue
    else:
        try:
            local = ordered.tz_localize(zone, ambiguous=np.zeros(len(ordered), dtype=bool))
            notes.append(f"times: those of the hour that clocks show twice are taken as winter time of {tz}")
        except ValueError as error:
            gap = str(error).partition(" is")[0]
            raise InputError(f"{where}: {gap} does not exist in {tz}, which skips that hour; is `tz` right?") from error
    notes.append(f"times: of {tz}, converted to UTC")
    return local[::-1] if newest_first else local


def _parse_time_numbers(
    text: pd.Series, numbers: pd.Series, where: str, notes: list[str], time_format: str | None
) -> pd.Series:
    """Parse compact stamps, time since 1970, Excel's days, or time from 0."""
    low, high = float(numbers.min()), float(numbers.max())
    if time_format in ("s", "ms", "us", "ns"):
        return _from_epoch(numbers, time_format, where)
    if time_format in _ORIGINS:
        return _from_origin(numbers, time_format, where)
    if (compact := read_compact(numbers)) is not None:
        if low > 1e8:
            notes.append(f"times: written as {_COMPACT[len(f'{low:.0f}')].replace('%', '')}")
        return compact
    name = str(text.name).lower().strip()
    others = _other_origins(low, high)
    unit = epoch_unit(low, high)
    if unit and not others:
        notes.append(f"times: {unit} since 1970")
        return _from_epoch(numbers, unit, where)
    if others == ["excel"] and (numbers % 1 != 0).any():
        notes.append("times: Excel's days")
        return _from_origin(numbers, "excel", where)
    passes = next((_NAMED_UNITS[word] for word in re.split(r"[\W_]+", name) if word in _NAMED_UNITS), "")
    least = min(abs(low), abs(high))
    if others and len(numbers) > 1 and (unit or passes in ("", "D") or "labview" in others or "ticks" in others):
        unit = unit or (passes or "s").lower()
        forms = [*others, *([unit] if unit in _EPOCHS else [])]
        if passes == "D" and "days" not in others:
            forms.append("days")
        second = f"{unit} since 1970" if least > 1e8 else "second from 0" if unit == "s" else "day from 0"
        readings = [f"a {_ORIGINS[form][2]}" for form in others] + [second if least > 1e8 else f"a {second}"]
        hint = f"say which with `time_format` ({' or '.join(map(repr, forms))})"
        raise InputError(f"{where}, column {text.name!r}: {text.iloc[0]} may be {' or '.join(readings)}; {hint}")
    if least > max(high - low, 100) and (not passes or least > 1e8):  # what passed since a start begins near 0
        hint = "say how it is written with `time_format` ('s', 'ms', 'excel', 'days', 'matlab', '%y%m%d', '%Y' …)"
        raise InputError(f"{where}, column {text.name!r}: {text.iloc[0]} is no time that is recognised; {hint}")
    unit = passes or "s"
    notes.append(f"times: {unit.lower()} from {START:%Y-%m-%d}, as the numbers are no dates")
    try:
        return START + pd.to_timedelta(numbers, unit=unit)  # type: ignore[call-overload,no-any-return]
    except (OverflowError, ValueError) as error:
        raise InputError(f"{where}: the times are too large for dates; use seconds since 1970 or ISO 8601") from error


def read_compact(numbers: pd.Series) -> pd.Series | None:
    """Return the times that numbers such as 202401311200 write; None where one is no such date."""
    low, high = float(numbers.min()), float(numbers.max())
    digits = len(f"{low:.0f}")
    form, century = _COMPACT.get(digits), 10 ** max(digits - 4, 0)
    if not form or not 1900 * century <= low or not high < 2100 * century or not (numbers % 1 == 0).all():
        return None
    compact = pd.to_datetime(numbers.astype("int64").astype("str"), format=form, errors="coerce")
    return compact if compact.notna().all() else None


def epoch_unit(low: float, high: float) -> str:
    """Return the unit in which numbers may be times since 1970, from 1990 to 2040; "" if they are none."""
    return next((unit for unit, (least, most) in _EPOCHS.items() if least <= low and high < most), "")


def _other_origins(low: float, high: float) -> list[str]:
    """Return in which other ways of counting numbers lie from 1990 to 2040."""
    seconds = {form: [(end - start) * size / 1e6 for end in (low, high)] for form, (start, size, _) in _ORIGINS.items()}
    return [form for form, ends in seconds.items() if epoch_unit(*ends) == "s"]


def _from_origin(numbers: pd.Series, form: str, where: str) -> pd.Series:
    """Read other counts of time; days within five seconds of a minute are one, as they are written with few digits."""
    start, size, _ = _ORIGINS[form]
    try:
        passed = (numbers - start) * size
        unit = 1000 if size > 1e6 else 1
        stamps = pd.Timestamp(0) + pd.to_timedelta((passed / unit).round() * unit, unit="us")
    except (OverflowError, ValueError) as error:
        raise InputError(f"{where}: the times are too large for `time_format` {form!r}") from error
    minutes = stamps.dt.round("min")
    return minutes if size > 1e6 and ((stamps - minutes).abs() <= pd.Timedelta("5s")).all() else stamps


def _from_epoch(numbers: pd.Series, unit: str, where: str) -> pd.Series:
    try:
        whole = numbers.to_numpy(dtype=np.float64)
        if numbers.dtype.kind in "iu" or (whole == np.floor(whole)).all():
            count, size = numbers.astype("int64"), unit
        else:
            scale, size = {"s": (1e6, "us"), "ms": (1e3, "us")}.get(unit, (1.0, unit))
            count = (numbers * scale).round().astype("int64")
        return pd.Series(pd.to_datetime(count.to_numpy(), unit=size, utc=True), index=numbers.index)  # type: ignore[call-overload]
    except (OverflowError, ValueError) as error:
        raise InputError(f"{where}: the times are too large for dates; use seconds since 1970 or ISO 8601") from error


def _parse_time_text(
    text: pd.Series, where: str, notes: list[str], row: str, time_format: str | None, tz: str | None
) -> pd.Series:
    """Parse times that are text."""
    if time_format and time_format not in FORMATS:
        if "%" not in time_format:
            raise InputError(
                f"unknown `time_format` {time_format!r}; use one of {', '.join(FORMATS)}, or such as '%d/%m/%Y %H:%M'"
            )
        if re.search("%[dmbBj]", time_format) and not re.search("%[yYGcxDF]", time_format):
            raise InputError(f"{where}: the times have no year, nor has `time_format` {time_format!r}; write it, too")
        return _checked(
            pd.to_datetime(text, format=time_format, errors="coerce", utc="%z" in time_format), text, where, row
        )
    zones = text.iloc[:1] if _OTHER_ZONE.fullmatch(text.iloc[0]) else pd.Series([None])
    if zones.notna().all() and (zones := text.str.extract(_OTHER_ZONE.pattern + "$")[0]).notna().all():
        if tz is None:
            raise InputError(
                f"{where}: the times are of {zones.iloc[0]}; name the zone with `tz`, such as Europe/Berlin"
            )
        text = text.str.replace(r"\s?[A-Z]{2,5}$", "", regex=True)
        _check_zone(set(zones), tz, where)
    for pattern, by in _REWRITTEN.items():
        if re.search(pattern, text.iloc[0]):
            text = text.str.replace(pattern, by, regex=True)
    offsets = _matches(text, _WITH_OFFSET.pattern)
    offset = bool(offsets.mean() > 0.5)
    if offset != offsets.iloc[0] or offsets.nunique() > 1:
        odd = text[offsets != offset]
        what = f"{quote(odd.iloc[0])} has {'no' if offset else 'an'} offset from UTC, unlike other times"
        raise InputError(f"{where}, {row} {odd.index[0]}: {what}; write them alike")
    if len(text) > 10_000 and not offset and _NUMERIC_DATE.fullmatch(text.iloc[0]):
        parsed = _parse_by_days(text, where, notes, row, time_format, tz)
        if parsed is not None:
            return parsed
    numeric = text.str.extract(f"^{_NUMERIC_DATE.pattern}$")
    if (read := numeric[0].notna()).mean() > 0.5:
        if not read.all():
            return _checked(read.where(read), text, where, row)
        return _parse_numeric_dates(numeric, text, where, notes, row, time_format, offset)
    shaped = _matches(text, _ISO)
    parsed = _read(text.where(shaped), "ISO8601", utc=offset)
    if parsed.isna().any() and shaped.mean() <= 0.5:
        clocks = text.str.fullmatch(CLOCK)
        if clocks.all():
            notes.append(f"times: clock times without a date, taken as from {START:%Y-%m-%d} on")
            parsed = _checked(_read(f"{START:%Y-%m-%d} " + text, "mixed", utc=False), text, where, row)
            return _add_days(parsed, text, where, row)
        readable = text.str.fullmatch(TIME.pattern)
        if not readable.all():
            return _checked(parsed.where(readable), text, where, row)
        parsed = _read(text, "mixed", utc=offset)
    return _checked(parsed, text, where, row)


def _parse_by_days(
    text: pd.Series, where: str, notes: list[str], row: str, time_format: str | None, tz: str | None
) -> pd.Series | None:
    """Parse many times, each day and each clock time once; None where one is not a date, a space and a clock time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    halves = pc.split_pattern(pa.array(text, type=pa.string()), " ", max_splits=1)
    if not pc.all(pc.equal(pc.list_value_length(halves), 2)).as_py():
        return None
    parts = [pc.list_element(halves, k).to_pandas().set_axis(text.index) for k in (0, 1)]
    days, clocks = (part.drop_duplicates() for part in parts)
    if len(days) * 10 > len(text) or not days.str.fullmatch(_NUMERIC_DATE.pattern).all():
        return None
    if not clocks.str.fullmatch(CLOCK).all():
        return None
    base = pd.Timestamp("2000-01-01")
    passed = _read(f"{base:%Y-%m-%d} " + clocks, "mixed", utc=False) - base
    if passed.isna().any():
        return None
    starts = _parse_time_text(days, where, notes, row, time_format, tz)
    found = [
        known.take(pd.Index(keys).get_indexer(part))
        for known, keys, part in ((starts, days, parts[0]), (passed, clocks, parts[1]))
    ]
    return pd.Series(found[0].to_numpy() + found[1].to_numpy(), index=text.index)


def _read(text: pd.Series, form: str, *, utc: bool) -> pd.Series:
    """Parse times in one format; NaT where they are not in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            return pd.to_datetime(text, format=form, errors="coerce", utc=utc)
        except ValueError:  # some have an offset, others none
            return pd.Series(pd.NaT, index=text.index)


def _add_days(clocks: pd.Series, text: pd.Series, where: str, row: str) -> pd.Series:
    """Begin a new day where clock times without a date fall from the evening to the morning."""
    steps = clocks.diff()
    newest_first = bool((steps < pd.Timedelta(0)).mean() > 0.5)
    if newest_first:
        steps = -1 * steps
    over = steps < pd.Timedelta(hours=-12)
    if len(back := np.flatnonzero((steps < pd.Timedelta(0)) & ~over)):
        hint = "write the date, too"
        raise InputError(
            f"{where}, {row} {text.index[back[0]]}: {text.iloc[back[0]]!r} is before the one above; {hint}"
        )
    days = over.cumsum()
    return clocks + pd.to_timedelta((-days + int(days.max())) if newest_first else days, unit="D")


def _check_zone(said: set[str], tz: str, where: str) -> None:
    """Refuse a zone that does not have the abbreviations that the times say."""
    try:
        half_years = pd.DatetimeIndex(["2024-01-15", "2024-07-15"]).tz_localize(tz)
    except (KeyError, ValueError, OSError):
        return  # told where it is used
    known = {str(stamp.tzname()) for stamp in half_years}
    if not said <= known:
        names = " and ".join(sorted(said)), " and ".join(sorted(known))
        raise InputError(f"{where}: the times are of {names[0]}, but {tz} has {names[1]}; give another `tz`")


def _checked(parsed: pd.Series, text: pd.Series, where: str, row: str) -> pd.Series:
    bad = np.flatnonzero(parsed.isna())
    if len(bad):
        others = f" ({len(bad)} such {row}s)" if len(bad) > 1 else ""
        hint = "write it like 2024-01-31 12:00, or say how it is written with `time_format`"
        raise InputError(f"{where}, {row} {text.index[bad[0]]}: {quote(text.iloc[bad[0]])} is no time{others}; {hint}")
    return parsed


def _parse_numeric_dates(
    parts: pd.DataFrame, text: pd.Series, where: str, notes: list[str], row: str, time_format: str | None, offset: bool
) -> pd.Series:
    """Parse dates such as 31.01.2024 and 1/31/24: which part is the day is decided for all of them together."""
    first, second = parts[0].astype(int), parts[2].astype(int)
    year = parts[3].where(parts[3].str.len() == 4, "20" + parts[3])
    clock = parts[4].fillna("00:00").str.replace(r"\s+(Z|[+-]\d\d:?\d\d)$", r"\1", regex=True)

    def read(day: "pd.Series[int]", month: "pd.Series[int]") -> pd.Series:
        date = year + "-" + month.astype("str").str.zfill(2) + "-" + day.astype("str").str.zfill(2) + " " + clock
        parsed = _read(date, "ISO8601", utc=offset)
        return _read(date, "mixed", utc=offset) if parsed.isna().all() else parsed

    day_first, month_first = bool((second <= 12).all()), bool((first <= 12).all())
    if not (time_format or parts[1].eq(".").any() or (parts[3].str.len() == 4).any()) and day_first and not month_first:
        days = parts[3].astype(int)
        other = _read(
            "20" + parts[0] + "-" + parts[2] + "-" + days.astype("str").str.zfill(2) + " " + clock,
            "ISO8601",
            utc=offset,
        )
        if other.notna().all() and _jumps(other) <= _jumps(mine := read(first, second)):
            readings = f"{mine.iloc[0]:%d %B %Y} (day first) or {other.iloc[0]:%d %B %Y} (year first)"
            hint = "say which with `time_format` ('day-first', or such as '%y-%m-%d %H:%M')"
            raise InputError(f"{where}, {row} {text.index[0]}: {text.iloc[0]!r} may be {readings}; {hint}")
    if time_format in ("day-first", "month-first"):
        chosen = time_format == "day-first"
    elif day_first != month_first:
        chosen = day_first
        notes.append(f"times: {'day' if chosen else 'month'} first, as a part is above 12")
    elif parts[1].eq(".").all():
        chosen = True
        notes.append("times: day first, as dates with dots are")
    elif not day_first:
        return _checked(read(first, second), text, where, row)
    else:
        uneven = [_jumps(read(first, second)), _jumps(read(second, first))]
        if uneven[0] == uneven[1] or max(uneven) > (len(text) - 1) / 2:  # a row a month is as even as one a day
            at = int((first != second).to_numpy().argmax())
            a, b = read(first, second).iloc[at], read(second, first).iloc[at]
            readings = f"{a:%d %B %Y} (day first) or {b:%d %B %Y} (month first)"
            hint = "say which with `time_format` ('day-first' or 'month-first')"
            raise InputError(f"{where}, {row} {text.index[at]}: {text.iloc[at]!r} may be {readings}; {hint}")
        chosen = uneven[0] < uneven[1]
        notes.append(f"times: {'day' if chosen else 'month'} first, as the other reading has gaps of weeks")
    return _checked(read(first, second) if chosen else read(second, first), text, where, row)


def _jumps(parsed: pd.Series) -> int:
    """Return how many neighbours are more than twenty days apart."""
    distance = np.abs(np.diff(pd.DatetimeIndex(parsed).as_unit("ns").asi8))
    return int((distance > pd.Timedelta(days=20).value).sum())


def digits_of(column: pd.Series) -> pd.Series:
    """Return cells as text, whole numbers without the `.0` of floats."""
    return column.astype("str").str.strip().str.removesuffix(".0")


def join_digits(cells: pd.DataFrame, day: str, where: str, notes: list[str]) -> pd.DataFrame:
    """Join dates of eight digits and the hour, or the time of day in four or six digits or with colons."""
    clocks = [str(name) for name in cells if name != day and _CLOCK_NAME.fullmatch(str(name))]
    form = r"\d{1,2}:\d\d(?::\d\d)?|\d{1,6}(?:\.0)?"
    clocks = [name for name in clocks if cells[name].astype("str").str.fullmatch(form).all()]
    if len(clocks) != 1 or not cells[day].duplicated().any():
        return cells
    clock = digits_of(cells[clocks[0]])
    if not clock.str.contains(":").all():
        longest = int(clock.str.len().max())
        width = 2 if longest <= 2 and "hour" in clocks[0].lower() else 4 if longest <= 4 else 6
        clock = clock.str.zfill(width)
        notes.append(f"times: {day!r} and {clocks[0]!r}, as {'HHMMSS'[:width]}")
        clock = clock.str.ljust(4, "0").str.replace(r"(\d\d)(?=\d)", r"\1:", regex=True)
    clock = clock.str.replace(r"^(\d):", r"0\1:", regex=True)
    if len(bad := clock[~clock.str.fullmatch(r"(?:[01]?\d|2[0-3])(?::[0-5]\d){1,2}")]):
        cell = cells[clocks[0]][bad.index[0]]
        raise InputError(f"{where}: {clocks[0]!r} {cell!r} is no time of day beside {day!r}; name one with `time`")
    return cells.drop(columns=[day, clocks[0]]).assign(time=digits_of(cells[day]) + " " + clock)


def join_times(cells: pd.DataFrame, where: str, notes: list[str]) -> pd.DataFrame:
    """Make one column of times out of columns of their parts: year, month, day …, or a date and the hour."""
    names = {str(name).lower(): str(name) for name in cells}
    parts = [names[part] for part in _PARTS if part in names and share_of_numbers(cells[names[part]]) == 1]
    times = [str(name) for name in cells if share_of_times(cells[name]) > 0.9]
    lower = [part.lower() for part in parts]
    days_of = [
        name
        for key, name in names.items()
        if re.search("dat|day|tag", key) and cells[name].astype("str").str.fullmatch(_DAY).all()
    ]
    if len(days_of) == 1:
        return join_digits(cells, days_of[0], where, notes)
    text = [digits_of(cells[part]).str.zfill(2) for part in parts]
    counts = {"%G-%V-%u": ("week", "isoweek", "iso_week", "kw"), "%Y-%j": ("doy", "yday", "dayofyear", "day_of_year")}
    for form, known in counts.items():
        inside = [names[name] for name in known if name in names and share_of_numbers(cells[names[name]]) == 1]
        if lower == ["year"] and not times and inside:
            joined = text[0] + "-" + digits_of(cells[inside[0]]) + ("-1" if "%V" in form else "")
            stamps = pd.to_datetime(joined, format=form, errors="coerce")
            if len(bad := joined[stamps.isna()]):
                raise InputError(
                    f"{where}: {parts[0]!r} and {inside[0]!r} give {bad.iloc[0]}, which is no date; mend it"
                )
            notes.append(f"times: of {parts[0]!r} and {inside[0]!r}" + (", weeks of ISO 8601" if "%V" in form else ""))
            return cells.drop(columns=[parts[0], inside[0]]).assign(time=stamps)
    if not times and lower[:3] == ["year", "month", "day"]:
        days, clock = text[0] + "-" + text[1] + "-" + text[2], text[3:]
    elif len(times) == 1 and times[0].lower() == "date" and lower[:1] == ["hour"]:
        days, clock = cells[times[0]].astype("str").str.strip(), text
        if days.str.contains(":").any():
            return cells
    else:
        return cells
    hours = clock[0] if clock else "00"
    joined = days + " " + hours + ":" + (clock[1] if len(clock) > 1 else "00")
    return cells.drop(columns=[*parts, *times]).assign(time=joined)
