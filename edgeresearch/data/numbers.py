"""Numbers out of cells, as people and tools write them; two readings that both fit are refused."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from edgeresearch.data.cells import NUMBER, is_missing, is_text, quote
from edgeresearch.errors import InputError

LARGEST = 1e30
"""A larger number is no measurement; float32, in which trees are fitted, ends at 3.4e38."""
_PREFIXES: Mapping[str, float] = {
    **{"n": 1e-9, "µ": 1e-6, "μ": 1e-6, "u": 1e-6, "m": 1e-3, "k": 1e3, "K": 1e3, "M": 1e6, "Mil": 1e6, "G": 1e9},
    **{"Bil": 1e9, "T": 1e12, "Tri": 1e12},
    **{"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40},
}
_THOUSANDS = re.compile(r"(?:[kKMG]|Mil|Bil|Tri)(?P<base>\s.{1,15}|(?i:req|rps|qps|hits|msg|ops|events|/).{0,15}|)")
"""Prefixes that stand apart, or before requests: numbers in them are multiplied even where all are."""
_NINES = [float(f"{'9' * k}.{'9' * d}") for k in range(2, 8) for d in range(4)]
_SENTINELS = [sign * each for sign in (-1, 1) for each in (*_NINES, 32767, 32768, 65535, 2.0**31 - 1, 2.0**31)]
"""Numbers that are often written where a value is missing."""


def parse_numbers(
    column: pd.Series,
    where: str,
    notes: list[str],
    *,
    row: str = "row",
    delimiter: str = "",
    decimal: str | None = None,
) -> "tuple[pd.Series[float], str]":
    """Parse cells as numbers, and tell their unit, "" where they say none; what is missing is NaN.

    Units (`12.3 req/s`), percent signs and thousands marks are taken off and told; sizes such as `1.2 K` and `980` are
    brought to one unit.

    Args:
        column: Cells; its index counts lines or rows.
        where: The source, for messages.
        notes: Receives one line for each thing that a reader may not expect.
        row: What messages call a row.
        delimiter: What separates cells. If commas do, a dot is the decimal mark.
        decimal: The decimal mark, `.` or `,`; where None, the cells decide.

    Raises:
        InputError: A cell is no number, infinite, or beyond what can be computed with; or the decimal mark is in doubt.
    """
    missing, unit = is_missing(column), ""
    if not is_text(column):
        values = column.astype("float64").where(~missing)
    elif decimal in (None, ".") and (plain := _parse_plain(column, missing, delimiter, decimal)) is not None:
        values = plain
    else:
        written, unit = _parse_written(column[~missing], where, notes, row, delimiter, decimal)
        values = written.reindex(column.index)
    bad = np.flatnonzero(~missing.to_numpy() & ~(np.abs(values.to_numpy(dtype=np.float64)) <= LARGEST))
    if len(bad):
        cell, place = quote(column.iloc[bad[0]]), f"{row} {column.index[bad[0]]}, column {column.name!r}"
        small = np.isnan(values.iloc[bad[0]]) or np.isinf(values.iloc[bad[0]])
        what = "is no finite number" if small else "is too large to be a measurement"
        others = f" ({len(bad)} such {row}s)" if len(bad) > 1 else ""
        hint = "leave the cell empty if the value is missing, or name it with `missing`"
        raise InputError(f"{where}, {place}: {cell} {what}{others}; {hint}")
    return values, unit


def _parse_plain(
    column: pd.Series, missing: "pd.Series[bool]", delimiter: str, decimal: str | None
) -> "pd.Series[float] | None":
    """Parse cells that are all plain numbers; None where one is not, or where it is in doubt what a dot means."""
    if len(column) > 10_000 and _parse_plain(column.iloc[:1000], missing.iloc[:1000], "", ".") is None:
        return None
    values = pd.to_numeric(column.where(~missing), errors="coerce").astype("float64")
    if (values.isna() & ~missing).any():
        return None
    text = column[~missing].astype("str").str.strip()
    dotted = text.str.contains(".", regex=False)
    grouped = text.str.fullmatch(r"[-+]?[1-9]\d{0,2}\.\d{3}")
    in_doubt = dotted.any() and bool(grouped[dotted].all()) and (delimiter != "," or not dotted.all())
    return None if in_doubt and not decimal else values


def _parse_written(
    cells: pd.Series, where: str, notes: list[str], row: str, delimiter: str, decimal: str | None
) -> "tuple[pd.Series[float], str]":
    """Parse cells with thousands marks, decimal commas or units; each kind of cell once."""
    whole = cells.astype("str").str.strip()
    text = whole.drop_duplicates()
    parts = text.str.extract(f"^{NUMBER.pattern}$")
    endless = text.str.lower().str.lstrip("+-").isin(("inf", "infinity"))
    odd = parts["digits"].isna()
    if odd.any():
        at = text[odd & ~endless]
        if not len(at):
            return pd.Series(np.where(whole.isin(text[odd]), np.inf, 0.0), index=cells.index), ""
        count = int(whole.isin(at).sum())
        others = f" ({count} such {row}s)" if count > 1 else ""
        place = f"{row} {at.index[0]}, column {cells.name!r}"
        hint = "leave the cell empty if the value is missing, or name it with `missing`"
        raise InputError(f"{where}, {place}: {quote(at.iloc[0])} is no finite number{others}; {hint}")
    digits = parts["digits"].str.replace("[ \u00a0\u202f'’_]", "", regex=True)
    mark = decimal or _choose_decimal(digits, f"{where}, column {cells.name!r}", delimiter)
    other = "," if mark == "." else "."
    if len(odd_ones := digits[~digits.str.fullmatch(rf"(?:{_grouped(other)}|\d*)(?:\{mark}\d*)?")]):
        at = odd_ones.index[0]
        hint = f"say another `decimal` than {mark!r}" if decimal else "write numbers alike"
        raise InputError(
            f"{where}, {row} {at}, column {cells.name!r}: {quote(text[at])} does not fit the decimal mark {mark!r}; "
            f"{hint}"
        )
    if (digits.str.contains(other, regex=False)).any():
        notes.append(f"numbers: {other!r} separates thousands" + (f", {mark!r} decimals" if mark == "," else ""))
    elif mark == "," and digits.str.contains(",", regex=False).any():
        notes.append("numbers: decimal commas")
    digits = digits.str.replace(other, "", regex=False).str.replace(mark, ".", regex=False)
    sign = parts["sign"].fillna("").str.replace("−", "-", regex=False)
    values = pd.to_numeric(sign + digits + parts["exponent"].fillna(""), errors="coerce").astype("float64")
    factors, unit = _unit_factors(parts["unit"].fillna("").str.strip(), f"{where}, column {cells.name!r}", notes, row)
    return whole.map(dict(zip(text, values * factors, strict=True))).astype("float64"), unit


def _grouped(mark: str) -> str:
    """Return the pattern of digits in groups of three, or, by commas, in India's groups of two before the last."""
    three = rf"[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+"
    return rf"(?:{three}|[1-9]\d?(?:,\d{{2}})+,\d{{3}})" if mark == "," else three


def _choose_decimal(digits: pd.Series, where: str, delimiter: str) -> str:
    """Return the decimal mark that fits all numbers."""
    dot, comma = digits.str.contains(".", regex=False), digits.str.contains(",", regex=False)
    if (both := dot & comma).any():
        last = digits[both].str.extract(r"([.,])\d*$")[0]
        if last.nunique() > 1:
            a, b = digits[both][last == "."].iloc[0], digits[both][last == ","].iloc[0]
            raise InputError(f"{where}: {a!r} and {b!r} have different decimal marks; write them alike")
        mark, group = str(last.iloc[0]), "." if last.iloc[0] == "," else ","
        fits = digits.str.fullmatch(rf"(?:{_grouped(group)}|\d*)(?:{re.escape(mark)}\d*)?")
        if not fits.all():
            raise InputError(f"{where}: {digits[both].iloc[0]!r} and {digits[~fits].iloc[0]!r} do not go together")
        return mark
    for mark, there in ((",", comma), (".", dot)):
        if not there.any():
            continue
        other = "." if mark == "," else ","
        some = digits[there]
        grouped = some.str.fullmatch(_grouped(mark))
        if (several := some.str.count(re.escape(mark)) > 1).any():
            if not grouped.all():
                a, b = some[several].iloc[0], some[~grouped].iloc[0]
                raise InputError(f"{where}: {a!r} and {b!r} do not go together; write numbers alike")
            return other
        if not grouped.all():
            return mark
        if mark == "," and delimiter == "," and not there.all() or mark == "." and delimiter == "," and there.all():
            return "."
        cell = some.iloc[0]
        readings = f"{cell.replace(mark, '')} or {cell.replace(mark, '.')}"
        raise InputError(f"{where}: {cell!r} may be {readings}; say the decimal mark with `decimal` ('.' or ',')")
    return "."


def _unit_factors(units: pd.Series, where: str, notes: list[str], row: str) -> "tuple[pd.Series[float], str]":
    """Return what each number is to be multiplied by, so that all have one unit, and that unit."""
    kinds = [str(unit) for unit in units.unique()]
    if len(kinds) == 1 and not (thousands := _THOUSANDS.fullmatch(kinds[0])):
        if kinds[0]:
            notes.append(f"numbers: in {kinds[0]}, as the cells say")
        return pd.Series(1.0, index=units.index), kinds[0]
    shorter = [unit[len(prefix) :].strip() for unit in kinds for prefix in _PREFIXES if unit.startswith(prefix)]
    bases = [thousands["base"].strip()] if len(kinds) == 1 and thousands else [*sorted(kinds, key=len), *shorter]
    for base in bases:
        factors = {unit: _factor(unit, base) for unit in kinds}
        known = {unit: factor for unit, factor in factors.items() if factor is not None}
        if len(known) == len(kinds):
            written = ", ".join(unit or "plain" for unit in kinds)
            notes.append(f"numbers: {written} brought to {base or 'plain numbers'}")
            return units.map(known), base
    rare = str(units.value_counts().index[-1])
    what = f"unit {rare!r}" if rare else "no unit"
    others = ", ".join(repr(unit) if unit else "none" for unit in kinds if unit != rare)
    raise InputError(
        f"{where}, {row} {units.index[units == rare][0]}: {what} where others have {others}; write them alike"
    )


def _factor(unit: str, base: str) -> float | None:
    if unit == base:
        return 1.0
    if unit.endswith(base):
        return _PREFIXES.get(unit.removesuffix(base).strip())
    return None


def find_sentinels(values: "pd.Series[float]") -> list[float]:
    """Return numbers that may stand for missing values: the only negative ones, or far outside the rest.

    Far is farther than the rest spans. One of `_SENTINELS` is doubted if it is negative or repeats; any other if it is
    negative, repeats, and is five times as far.
    """
    known = values.dropna().to_numpy()
    inside = np.isin(known, _SENTINELS)
    usual = dict(zip(*np.unique(known[inside], return_counts=True), strict=True))
    rest = known[~inside]
    found = {each for each in usual if each < 0} if not (rest < 0).any() else set()
    if len(rest):
        low, high = rest.min(), rest.max()
        span = high - low or abs(high)
        found |= {each for each, count in usual.items() if each < low - span or each > high + span and count > 1}
        others = rest[rest > low]
        spread = np.ptp(others) if len(others) else 0
        if low < 0 < spread and low < others.min() - 5 * spread and (rest == low).sum() > 1:
            found.add(low)
    return sorted(map(float, found))
