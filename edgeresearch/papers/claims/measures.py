"""How claims are measured: from the results of a run to the evidence that rules judge."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from edgeresearch.errors import InputError, nearest
from edgeresearch.papers.claims.rules import NAN, Case, Evidence, Reading, plain

Interval = tuple[float, float, float]
"""A number and the ends of its 95 % interval; those are NaN where there is none."""


class AbsentError(Exception):
    """What a claim needs is not among the results of this profile; the message says what."""


class Results:
    """The results of a run; each file is read once.

    Args:
        home: The project folder.
        settings: All settings as plain values.
    """

    def __init__(self, home: Path, settings: Mapping[str, Any]) -> None:
        self.home = home
        self.settings = settings
        self._files: dict[str, Any] = {}

    def read(self, name: str) -> Any:
        """Return a file by its path from the project folder: CSV and Parquet as a table, JSON as it is.

        Raises:
            InputError: It is missing or unreadable.
            AbsentError: It is of a trace that is not replayed in this profile.
        """
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
        """Return a setting by its dotted key.

        Raises:
            InputError: There is none.
        """
        here: Any = self.settings
        for part in key.split("."):
            if not isinstance(here, Mapping) or part not in here:
                raise InputError(f"there is no setting {key}{nearest(part, here if isinstance(here, Mapping) else [])}")
            here = here[part]
        return here


_READERS: Mapping[str, Callable[[Path], Any]] = {
    ".csv": pd.read_csv,
    ".parquet": pd.read_parquet,
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
}


class Measure(Protocol):
    """Where the evidence for a claim comes from."""

    def find(self, results: Results) -> Evidence:
        """Return the evidence.

        Raises:
            InputError: A file is missing, or has not what is asked for.
            AbsentError: This profile has no such result.
        """
        ...


@dataclass(frozen=True)
class Except:
    """All values of a column but these."""

    values: tuple[Any, ...]


Rows = Mapping[str, Any]
"""Which rows of a table are meant: by column a value, a list of values, or `Except`."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Rows of a table, and which of their columns are meant.

    Attributes:
        file: Path of the table from the project folder.
        rows: Which rows.
        value: A column, or one of `DERIVED`.
        interval: Columns of the lower and upper end of the 95 % interval.
        seeds: The column, or the dotted key of the settings, that tells over how many seeds or repeats.
        data: What rows are of: `traces`, the `testbed` that is emulated, the simulated `service`, sensor `series`, or
            `streams` of sensors.
        combine: What several rows become, one of `COMBINE`.
    """

    file: str
    value: str
    rows: Rows = field(default_factory=dict)
    interval: tuple[str, str] | None = None
    seeds: str | None = None
    data: str = "traces"
    combine: str = "only"

    def select(self, results: Results, rows: Rows) -> pd.DataFrame:
        """Return rows of the table."""
        return select_rows(results.read(self.file), rows, self.file)

    def column(self, part: pd.DataFrame, name: str) -> pd.Series:
        """Return a column of rows."""
        return select_column(part, name, self.file)

    def number(self, part: pd.DataFrame, rows: Rows) -> Interval:
        """Return the number of the rows that `rows` selected; the least and the greatest keep their interval."""
        values = self.column(part, self.value).astype(float)
        if self.combine == "only" and len(part) != 1:
            raise InputError(f"{self.file} has {len(part)} rows with {_describe(rows)}; select one, or combine them")
        if values.isna().all():
            raise AbsentError(f"{self.file} has no {self.value} for {_describe(rows)}")
        if self.interval is None or self.combine in ("sum", "spread"):
            return COMBINE[self.combine](values), NAN, NAN
        at: Any = values.idxmax() if self.combine == "max" else values.idxmin()
        low, high = (float(self.column(part, name)[at]) for name in self.interval)
        return float(values[at]), low, high

    def evidence(self, parts: list[pd.DataFrame], results: Results, **more: Any) -> Evidence:
        """Return evidence with what the rows were measured on, and over how many seeds."""
        rows, seeds = pd.concat(parts), None
        if self.seeds is not None:
            seeds = int(results.setting(self.seeds) if "." in self.seeds else self.column(rows, self.seeds).max())
        return Evidence(seeds=seeds, data=self._describe_data(rows, results), **more)

    def _describe_data(self, rows: pd.DataFrame, results: Results) -> str:
        if self.data == "testbed":
            return f"emulated: {results.setting('los.testbed') or 'Paper B, Table I'}"
        if self.data == "service":
            return f"simulated service; {Path(self.file).stem} (synthetic)"
        if self.data == "series":
            return "; ".join(f"{row.trace} ({row.data})" for row in rows.itertuples())
        if self.data == "streams":
            kind = "real" if rows["real"].all() else "synthetic"
            return f"{int(rows['sensors'].max())} Aarhus streams ({kind}), anomalies injected, drops emulated"
        traces = rows[["trace", "real"]].drop_duplicates()
        named = {kind: traces.loc[traces["real"] == (kind == "real"), "trace"] for kind in ("real", "synthetic")}
        return "; ".join(f"{', '.join(names)} ({kind})" for kind, names in named.items() if len(names))


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
        for name, group in self._groups(self.select(results, self.rows)):
            try:
                chosen = [select_rows(group, rows, self.file) for rows in self.sequence]
            except AbsentError as absent:
                lacking = str(absent)
                continue
            numbers = [self.number(part, rows) for part, rows in zip(chosen, self.sequence, strict=True)]
            cases.append(self.compare(name, numbers))
            parts += chosen
        if not cases:
            raise AbsentError(lacking)
        return self.evidence(parts, results, cases=tuple(cases))

    def _groups(self, table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
        if self.each is None:
            yield "", table
            return
        for name, group in table.groupby(self.column(table, self.each), sort=False):
            yield str(name) if self.each == "trace" else f"{self.each} {name}", group

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
            table = table[self.column(table, "data") != "synthetic"]
            if table.empty:
                raise AbsentError("there are synthetic stand-ins alone, no real data")
        cases = tuple(
            Case(str(name), bool(self.holds(value)), False, _format(value))
            for name, value in zip(self.column(table, self.each), self.column(table, self.value), strict=True)
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
        part = select_rows(results.read(self.file), self.rows, self.file)
        cells = {name: plain(select_column(part, name, self.file).iloc[0]) for name in self.columns}
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
        content = results.read(self.file)
        try:
            values = tuple(Reading(name, float(each)) for name, each in self.numbers(content).items())
        except (KeyError, IndexError, TypeError) as error:
            raise InputError(f"{self.file} has not the numbers asked for: {error!r}") from error
        return Evidence(readings=values, data=self.data)


@dataclass(frozen=True)
class Setting:
    """What the settings say at a dotted key, such as `elastic.clusters.edge`."""

    key: str

    def find(self, results: Results) -> Evidence:
        """Return a number, or cells by name."""
        value = results.setting(self.key)
        if isinstance(value, Mapping):
            return Evidence(cells={name: plain(each) for name, each in value.items()}, data="settings")
        return Evidence(readings=(Reading("", float(value)),), data="settings")


@dataclass(frozen=True)
class Arithmetic:
    """A paper beside its own numbers: whether they agree, what follows from them, and a sentence that shows it."""

    agrees: bool
    follows: str
    says: str

    def find(self, results: Results) -> Evidence:
        """Return the check as the one case."""
        case = Case("", bool(self.agrees), False, self.says)
        return Evidence(cases=(case,), follows=self.follows, data="the paper's own numbers")


def compare_places(places: Mapping[str, str]) -> Arithmetic:
    """Return whether a paper says the same in several places."""
    shown = "; ".join(f"{place}: {text}" for place, text in places.items())
    return Arithmetic(len(set(places.values())) == 1, shown, shown)


@dataclass(frozen=True)
class Nothing:
    """No measure, and why."""

    reason: str

    def find(self, results: Results) -> Evidence:
        """Return the reason."""
        return Evidence(missing=self.reason)


COMBINE: Mapping[str, Callable[[pd.Series], float]] = {
    "only": lambda numbers: float(numbers.iloc[0]),
    "sum": lambda numbers: float(numbers.sum()),
    "min": lambda numbers: float(numbers.min()),
    "max": lambda numbers: float(numbers.max()),
    "spread": lambda numbers: float(numbers.max() - numbers.min()),
}
"""What several numbers become; `only` wants exactly one."""

DERIVED: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = {
    "tails": lambda table: table["mae"] / np.sqrt(table["mse"]),
    "executed_percent": lambda table: 100 - table["drop_percent"],
    "executed_low": lambda table: 100 - table["high"],
    "executed_high": lambda table: 100 - table["low"],
    "r2_low": lambda table: 1 - (1 - table["r2"]) * table["mse_high"] / table["mse"],
    "r2_high": lambda table: 1 - (1 - table["r2"]) * table["mse_low"] / table["mse"],
    "daily_cycle": lambda table: table["day"] - table["half_day"],
}
"""What follows from columns of a table: MAE over RMSE; trainings that were not dropped, with their interval; the
interval of R², which is 1 - MSE / variance, from that of the MSE, the variance being known; by how much the
autocorrelation at a day exceeds that at half a day."""


def select_rows(table: pd.DataFrame, rows: Rows, name: str) -> pd.DataFrame:
    """Return the rows of a table that have the values asked for.

    Raises:
        InputError: A column is not there; the message has the table's name.
        AbsentError: No row is.
    """
    asked = np.ones(len(table), dtype=bool)
    for key, wanted in rows.items():
        hits = select_column(table, key, name).isin(_values(wanted)).to_numpy()
        asked &= ~hits if isinstance(wanted, Except) else hits
    if not asked.any():
        raise AbsentError(f"{name} has no rows with {_describe(rows)}")
    return table[asked]


def select_column(table: pd.DataFrame, name: str, where: str) -> pd.Series:
    """Return a column of a table, or what is derived from some.

    Raises:
        InputError: The table has no such column.
    """
    if name in DERIVED:
        return DERIVED[name](table)
    if name not in table.columns:
        raise InputError(f"{where} has no column {name!r}{nearest(name, map(str, table.columns))}")
    return table[name]


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
