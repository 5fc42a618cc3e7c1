"""Claims, and how they are measured: from the results of a run to the evidence that rules judge."""

import json
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.papers.claims.rules import NAN, Case, Evidence, Fit, Reading, Rule, plain
from edgeresearch.settings import Section

Interval = tuple[float, float, float]
"""A number and the ends of its 95 % interval; those are NaN where there is none."""

Settings = Mapping[str, Any] | Section
"""Settings as plain values or as objects; parts are enough where the claims ask for no others."""


class AbsentError(Exception):
    """What a claim needs is not among the results of this profile; the message says what."""


class Results:
    """The results of a run in a project folder, with its settings; each file is read once."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self.home = home
        self.settings = settings
        self._files: dict[str, Any] = {}

    def read(self, name: str) -> Any:
        """Return a file by its path from the project folder: CSV and Parquet as a table, JSON as it is."""
        if name not in self._files:
            path = self.home / name
            if path.suffix == ".parquet" and not path.is_file() and path.stem not in self.setting("elastic.traces"):
                raise AbsentError(f"{path.stem} is not among elastic.traces")
            try:
                self._files[name] = _READERS[path.suffix](path)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
                raise InputError(f"cannot read {path}: {reason}; run the stage that makes it first") from error
        return self._files[name]

    def setting(self, key: str) -> Any:
        """Return a setting by its dotted key."""
        here: Any = self.settings
        for part in key.split("."):
            here = here[part] if isinstance(here, Mapping) else getattr(here, part)
        return here


_READERS: Mapping[str, Callable[[Path], Any]] = {
    ".csv": pd.read_csv,
    ".parquet": pd.read_parquet,
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
}


class Measure(Protocol):
    """Where the evidence for a claim comes from."""

    def find(self, results: Results) -> Evidence:
        """Return the evidence, or raise `AbsentError` if this profile has none."""
        ...


@dataclass(frozen=True)
class Claim:
    """A number, ranking or sentence of a paper, and how it is checked. There is no field for a verdict.

    Attributes:
        id: Such as `A-T2-RF-MSE`.
        where: Its place, such as `Table 2`.
        claim: What the paper says, in other words, one sentence.
        published: Its value: a number, words, or several values by name.
        measure: Where ours comes from.
        paper: `A` or `B`.
        kind: `number`, `ranking`, `statement` or `contradiction`.
        rule: What makes a verdict of the two values.
        stage: The stage of the pipeline that makes ours.
        unit: Of the value.
        fit: Whether settings were chosen with the published value in view, or what tells it from the settings of the
            results; None where it is no matter of settings.
        figure: Path of the figure that shows it, else empty.
        notebook: Name of the notebook that shows it, else empty.
        caveat: What a reader must know beside the verdict.
    """

    id: str
    where: str
    claim: str
    published: Any
    measure: Measure
    _: KW_ONLY
    paper: str
    kind: str
    rule: Rule
    stage: str
    unit: str = ""
    fit: Fit | Callable[[Results], Fit] | None = None
    figure: str = ""
    notebook: str = ""
    caveat: str = ""


@dataclass(frozen=True)
class Except:
    """All values of a column but these."""

    values: tuple[Any, ...]


Rows = Mapping[str, Any]
"""Which rows of a table are meant: by column a value, a list of values, or `Except`."""

Column = str | Callable[[pd.DataFrame], pd.Series]
"""A column of a table, or a function that makes one from it."""


def describe_traces(rows: pd.DataFrame, results: Results) -> str:
    """Name the traces of some rows, and whether they are real."""
    traces = rows[["trace", "real"]].drop_duplicates()
    named = {kind: traces.loc[traces["real"] == (kind == "real"), "trace"] for kind in ("real", "synthetic")}
    return "; ".join(f"{', '.join(names)} ({kind})" for kind, names in named.items() if len(names))


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Rows of a table, and which of their columns are meant.

    Attributes:
        file: Path of the table from the project folder.
        rows: Which rows.
        value: A column, or what makes one from the table.
        interval: The same of the lower and the upper end of the 95 % interval.
        seeds: The column, or the dotted key of the settings, that tells over how many seeds or repeats.
        describe: Says what rows were measured on, and whether that is real.
        combine: What several rows become: `sum`, `min`, `max` or `spread` (max less min); `only` wants exactly one.
    """

    file: str
    value: Column
    rows: Rows = field(default_factory=dict)
    interval: tuple[Column, Column] | None = None
    seeds: str | None = None
    describe: Callable[[pd.DataFrame, Results], str] = describe_traces
    combine: str = "only"

    def at(self, **rows: Any) -> Self:
        """Return the same of these rows, by columns beside those that are chosen already or instead of them."""
        return replace(self, rows={**self.rows, **rows})

    def select(self, results: Results, rows: Rows) -> pd.DataFrame:
        """Return rows of the table."""
        return _select_rows(results.read(self.file), rows, self.file)

    def number(self, part: pd.DataFrame, rows: Rows) -> Interval:
        """Return the number of the rows that `rows` selected; the least and the greatest keep their interval."""
        values = _select_column(part, self.value).astype(float)
        if self.combine == "only" and len(part) != 1:
            raise InputError(f"{self.file} has {len(part)} rows with {_describe(rows)}; select one, or combine them")
        if values.isna().all():
            raise AbsentError(f"{self.file} has no value for {_describe(rows)}")
        if self.combine in ("sum", "spread"):
            return float(values.sum() if self.combine == "sum" else values.max() - values.min()), NAN, NAN
        at: Any = values.idxmax() if self.combine == "max" else values.idxmin()
        low, high = (float(_select_column(part, name)[at]) for name in self.interval) if self.interval else (NAN, NAN)
        return float(values[at]), low, high

    def evidence(self, parts: list[pd.DataFrame], results: Results, **more: Any) -> Evidence:
        """Return evidence with what the rows were measured on, and over how many seeds."""
        rows, seeds = pd.concat(parts), None
        if self.seeds is not None:
            seeds = int(results.setting(self.seeds) if "." in self.seeds else rows[self.seeds].max())
        return Evidence(seeds=seeds, data=self.describe(rows, results), **more)


@dataclass(frozen=True, kw_only=True)
class Cell(Selection):
    """One number of a table, or the same number under several readings of the paper.

    Attributes:
        minus: Rows whose value is taken off.
        readings: By name what else selects the rows of each reading.
    """

    minus: Rows | None = None
    readings: Mapping[str, Rows] = field(default_factory=lambda: {"": {}})

    def find(self, results: Results) -> Evidence:
        """Return one number per reading."""
        values, parts = [], []
        for name, reading in self.readings.items():
            rows = {**self.rows, **reading}
            parts.append(self.select(results, rows))
            mean, low, high = self.number(parts[-1], rows)
            if self.minus is not None:
                less = {**rows, **self.minus}
                off = self.number(self.select(results, less), less)
                # The widest interval that the two allow: they may be correlated.
                mean, low, high = mean - off[0], low - off[2], high - off[1]
            values.append(Reading(name, mean, low, high))
        return self.evidence(parts, results, readings=tuple(values))


@dataclass(frozen=True, kw_only=True)
class Order(Selection):
    """Numbers of a table that a claim puts in order, once or for every value of a column.

    Attributes:
        sequence: What selects the rows of each number, the lowest first.
        each: The column.
        descending: Whether the highest comes first instead.
        first: Whether only the first is compared with all others, not each with the next.
    """

    sequence: tuple[Rows, ...]
    each: str | None = None
    descending: bool = False
    first: bool = False

    def find(self, results: Results) -> Evidence:
        """Return where the order holds; places that lack one of the numbers are left out."""
        cases, parts, lacking = [], [], ""
        table = self.select(results, self.rows)
        for name, group in table.groupby(self.each, sort=False) if self.each else [("", table)]:
            try:
                chosen = [_select_rows(group, rows, self.file) for rows in self.sequence]
            except AbsentError as absent:
                lacking = str(absent)
                continue
            numbers = [self.number(part, rows) for part, rows in zip(chosen, self.sequence, strict=True)]
            cases.append(self.compare(str(name) if self.each in (None, "trace") else f"{self.each} {name}", numbers))
            parts += chosen
        if not cases:
            raise AbsentError(lacking)
        return self.evidence(parts, results, cases=tuple(cases))

    def compare(self, name: str, numbers: list[Interval]) -> Case:
        """Return whether numbers are in order, and whether their intervals are, too."""
        spans = [(-mean, -high, -low) if self.descending else (mean, low, high) for mean, low, high in numbers]
        pairs = [(spans[0 if self.first else at - 1], spans[at]) for at in range(1, len(spans))]
        holds = all(one[0] < two[0] for one, two in pairs)
        separated = all(one[2] < two[1] for one, two in pairs)  # never where there is no interval
        first, *rest = (mean for mean, _, _ in numbers)
        if self.first:
            rest = [max(rest) if self.descending else min(rest)]
        text = (" against " if self.first else ", ").join(f"{mean:.4g}" for mean in (first, *rest))
        return Case(name, holds, holds and separated, text)


@dataclass(frozen=True, kw_only=True)
class Count(Selection):
    """Rows of a table that a claim holds on.

    Attributes:
        each: Column that names a row.
        holds: Whether it holds, by the value.
        real: Whether rows of synthetic stand-ins do not count.
    """

    each: str
    holds: Callable[[Any], bool]
    real: bool = False

    def find(self, results: Results) -> Evidence:
        """Return on which rows the claim holds."""
        table = self.select(results, self.rows)
        if self.real:
            table = table[table["data"] != "synthetic"]
            if table.empty:
                raise AbsentError("there are synthetic stand-ins alone, no real data")
        cases = tuple(
            Case(str(name), bool(self.holds(value)), False, _format(value))
            for name, value in zip(table[self.each], _select_column(table, self.value), strict=True)
        )
        return self.evidence([table], results, cases=cases)


@dataclass(frozen=True)
class Cells:
    """Several columns of one row of a table of settings."""

    file: str
    rows: Rows
    columns: tuple[str, ...]

    def find(self, results: Results) -> Evidence:
        """Return the cells by their columns."""
        part = _select_rows(results.read(self.file), self.rows, self.file)
        cells = {name: plain(part[name].iloc[0]) for name in self.columns}
        return Evidence(cells=cells, data="settings")


@dataclass(frozen=True)
class Json:
    """Numbers of a JSON file.

    Attributes:
        file: Path from the project folder.
        numbers: Picks one number per reading of the paper, by the reading's name.
        data: What they were measured on.
    """

    file: str
    numbers: Callable[[Any], Mapping[str, float]]
    data: str

    def find(self, results: Results) -> Evidence:
        """Return one number per reading."""
        numbers = self.numbers(results.read(self.file))
        return Evidence(readings=tuple(Reading(name, float(each)) for name, each in numbers.items()), data=self.data)


@dataclass(frozen=True)
class Setting:
    """What the settings say at a dotted key, such as `elastic.clusters.edge`."""

    key: str

    def find(self, results: Results) -> Evidence:
        """Return a number, or cells by name."""
        value = results.setting(self.key)
        if isinstance(value, int | float):
            return Evidence(readings=(Reading("", float(value)),), data="settings")
        return Evidence(cells={name: plain(each) for name, each in dict(value).items()}, data="settings")


@dataclass(frozen=True)
class Known:
    """Evidence that no run changes: a paper beside its own numbers, or that there is nothing to measure."""

    evidence: Evidence

    def find(self, results: Results) -> Evidence:
        """Return the evidence."""
        return self.evidence


def check(agrees: bool, follows: str, says: str) -> Known:
    """Return whether a paper agrees with its own numbers, what follows from them, and a sentence that shows it."""
    case = Case("", bool(agrees), False, says)
    return Known(Evidence(cases=(case,), follows=follows, data="the paper's own numbers"))


def compare_places(places: Mapping[str, str]) -> Known:
    """Return whether a paper says the same in several places."""
    shown = "; ".join(f"{place}: {text}" for place, text in places.items())
    return check(len(set(places.values())) == 1, shown, shown)


def _select_rows(table: pd.DataFrame, rows: Rows, name: str) -> pd.DataFrame:
    """Return the rows that have the values asked for, or raise `AbsentError` with the table's name."""
    asked = np.ones(len(table), dtype=bool)
    for key, wanted in rows.items():
        hits = table[key].isin(_values(wanted)).to_numpy()
        asked &= ~hits if isinstance(wanted, Except) else hits
    if not asked.any():
        raise AbsentError(f"{name} has no rows with {_describe(rows)}")
    return table[asked]


def _select_column(table: pd.DataFrame, column: Column) -> pd.Series:
    """Return a column of a table, or what is made of some."""
    return table[column] if isinstance(column, str) else column(table)


def _values(wanted: Any) -> list[Any]:
    return list(wanted.values) if isinstance(wanted, Except) else wanted if isinstance(wanted, list) else [wanted]


def _describe(rows: Rows) -> str:
    return ", ".join(
        f"{key} {'not ' if isinstance(wanted, Except) else ''}{' or '.join(map(str, _values(wanted)))}"
        for key, wanted in rows.items()
    )


def _format(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
