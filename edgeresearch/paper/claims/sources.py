"""From the source of a claim to what is judged: numbers, outcomes, cells, or the paper's own arithmetic."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.paper.claims.formulas import FORMULAS, Check
from edgeresearch.paper.claims.models import Cell, Claim, Count, Json, Nothing, Order, Pairs, Paper, Setting
from edgeresearch.paper.claims.results import (
    LACKS,
    AbsentError,
    Interval,
    Results,
    column,
    described,
    number,
    seeds,
    select,
    told,
)
from edgeresearch.paper.claims.values import filled, plain

NAN = float("nan")
DATA: Mapping[str, str] = MappingProxyType(
    {
        "module": "the network that is trained",
        "trainings": "trainings measured on one machine, under CPU limits",
    }
)


@dataclass(frozen=True)
class Value:
    """A number under one reading of the paper, with its 95 % interval where there is one."""

    name: str
    measured: float
    low: float = NAN
    high: float = NAN


@dataclass(frozen=True)
class Outcome:
    """Whether a claim holds somewhere.

    Attributes:
        name: Where.
        holds: Whether it does, by the means.
        apart: Whether it does, and the 95 % intervals do not meet.
        shown: The numbers.
    """

    name: str
    holds: bool
    apart: bool
    shown: str


@dataclass(frozen=True)
class Finding:
    """What a source gives; all but `seeds`, `data` and `missing` are of some kinds of source alone.

    Attributes:
        values: Numbers, one per reading.
        outcomes: What holds and what does not.
        cells: Ours by name.
        published: The published ones that stand beside them in a table.
        check: Of the paper's own numbers.
        seeds: Over how many seeds or repeats, at most; None where nothing is drawn.
        data: What it was measured on, and whether that is real.
        missing: Why there is nothing to judge, else empty.
    """

    values: tuple[Value, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    cells: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, str] = field(default_factory=dict)
    check: Check | None = None
    seeds: int | None = None
    data: str = ""
    missing: str = ""


def find(claim: Claim, results: Results) -> Finding:
    """Return what a claim's source gives.

    Raises:
        InputError: A file is missing, or a table has not the columns that the claim names.
    """
    try:
        return _FINDERS[claim.source.take](claim.source, results)
    except AbsentError as absent:
        return Finding(missing=f"not in this profile: {absent}")
    except InputError as error:
        raise InputError(f"claim {claim.id}: {error}") from error


def _cell(source: Cell, results: Results) -> Finding:
    table = results.table(source.table)
    values, parts = [], []
    for name, reading in (source.readings or {"": {}}).items():
        rows = {**source.rows, **reading}
        part = select(table, rows, source.table)
        found = number(part, source, source.combine, rows)
        if source.minus is not None:
            less = {**rows, **source.minus}
            found = _difference(found, number(select(table, less, source.table), source, source.combine, less))
        values.append(Value(name, *found))
        parts.append(part)
    return _of_rows(source, parts, results, values=tuple(values))


def _difference(one: Interval, two: Interval) -> Interval:
    """The widest interval that those of two numbers allow: they may be correlated."""
    return one[0] - two[0], one[1] - two[2], one[2] - two[1]


def _order(source: Order, results: Results) -> Finding:
    table = select(results.table(source.table), source.rows, source.table)
    outcomes, parts, lacking = [], [], ""
    for name, group in _groups(table, source):
        try:
            chosen = [select(group, rows, source.table) for rows in source.sequence]
        except AbsentError as absent:
            lacking = str(absent)
            continue
        numbers = [
            number(part, source, source.combine, rows) for part, rows in zip(chosen, source.sequence, strict=True)
        ]
        outcomes.append(_ordered(name, numbers, source))
        parts += chosen
    if not outcomes:
        raise AbsentError(lacking)
    return _of_rows(source, parts, results, outcomes=tuple(outcomes))


def _groups(table: pd.DataFrame, source: Order) -> Iterator[tuple[str, pd.DataFrame]]:
    if source.each is None:
        yield "", table
        return
    for name, group in table.groupby(column(table, source.each, source.table), sort=False):
        yield str(name) if source.each == "trace" else f"{source.each} {name}", group


def _ordered(name: str, numbers: list[Interval], source: Order) -> Outcome:
    sign = -1 if source.descending else 1
    spans = [(sign * mean, *((low, high) if sign > 0 else (-high, -low))) for mean, low, high in numbers]
    rest = range(1, len(spans))
    pairs = [(spans[0 if source.first else at - 1], spans[at]) for at in rest]
    holds = all(one[0] < two[0] for one, two in pairs)
    apart = all(one[2] < two[1] for one, two in pairs)  # never where there is no interval
    means = [mean for mean, _, _ in numbers]
    if source.first:
        shown = f"{means[0]:.4g} against {max(means[1:]) if source.descending else min(means[1:]):.4g}"
    else:
        shown = ", ".join(f"{mean:.4g}" for mean in means)
    return Outcome(name, holds, holds and apart, shown)


def _count(source: Count, results: Results) -> Finding:
    table = select(results.table(source.table), source.rows, source.table)
    if source.real:
        table = table[column(table, "data", source.table) != "synthetic"]
        if table.empty:
            raise AbsentError("there are synthetic stand-ins alone, no real data")
    values = column(table, source.value, source.table)
    if source.equals is not None:
        good = values == source.equals
    else:
        good = values > source.above if source.above is not None else values < source.below
    names = column(table, source.each, source.table)
    outcomes = [
        Outcome(str(name), bool(holds), False, _shown(value))
        for name, holds, value in zip(names, good, values, strict=True)
    ]
    return _of_rows(source, [table], results, outcomes=tuple(outcomes))


def _shown(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _of_rows(source: Cell | Order | Count, parts: list[pd.DataFrame], results: Results, **found: Any) -> Finding:
    rows = pd.concat(parts)
    return Finding(seeds=seeds(source, rows, results), data=described(source, rows, results), **found)


def _pairs(source: Pairs, results: Results) -> Finding:
    part = select(results.table(source.table), source.rows, source.table)
    theirs = {name: column(part, f"published {name}", source.table).iloc[0] for name in source.columns}
    if any(pd.isna(each) for each in theirs.values()):
        raise AbsentError(f"{source.table} has no published value for {told(source.rows)}")
    ours = {name: plain(column(part, name, source.table).iloc[0]) for name in source.columns}
    return Finding(cells=ours, published={name: plain(each) for name, each in theirs.items()}, data="settings")


def _json(source: Json, results: Results) -> Finding:
    data = results.json(source.file)

    def at(keys: tuple[str | int, ...]) -> float:
        here = data
        for key in keys:
            try:
                here = here[key]
            except (KeyError, IndexError, TypeError):
                raise InputError(f"{source.file} has nothing at {' / '.join(map(str, keys))}") from None
        return float(here)

    below = at(source.over) if source.over else 1.0
    values = [Value(name, at((*front, *source.at)) / below) for name, front in (source.readings or {"": ()}).items()]
    return Finding(values=tuple(values), data=DATA[source.data])


def _setting(source: Setting, results: Results) -> Finding:
    found = results.setting(source.key)
    if isinstance(found, Mapping):
        return Finding(cells={name: plain(each) for name, each in found.items()}, data="settings")
    return Finding(values=(Value("", float(found)),), data="settings")


def _paper(source: Paper, results: Results) -> Finding:
    return Finding(check=FORMULAS[source.formula](**filled(source.given)), data="the paper's own numbers")


def _nothing(source: Nothing, results: Results) -> Finding:
    return Finding(missing=LACKS[source.lacks])


_FINDERS: Mapping[str, Callable[[Any, Results], Finding]] = MappingProxyType(
    {
        "cell": _cell,
        "order": _order,
        "count": _count,
        "pairs": _pairs,
        "json": _json,
        "setting": _setting,
        "paper": _paper,
        "nothing": _nothing,
    }
)
