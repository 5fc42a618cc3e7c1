"""The results of a run as claims need them: rows of tables, their numbers, and what those were measured on."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.errors import InputError, nearest
from edgeresearch.paper import paper_a
from edgeresearch.paper.claims.models import Combine, Not, Rows, Selection

Interval = tuple[float, float, float]
"""A number, and the ends of its 95 % interval; those are not numbers where there is none."""

LACKS: Mapping[str, str] = MappingProxyType(
    {
        "drawing": "a drawing states nothing that could be measured; here it is drawn from the objects that are run",
        "numbers": "the paper's figure shows a curve as an example and states none of its numbers",
    }
)
"""Why a claim can have no source."""

DERIVED: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = MappingProxyType(
    {
        "tails": lambda table: table["mae"] / np.sqrt(table["mse"]),
        "executed_percent": lambda table: 100 - table["drop_percent"],
        "executed_low": lambda table: 100 - table["high"],
        "executed_high": lambda table: 100 - table["low"],
        "r2_low": lambda table: 1 - (1 - table["r2"]) * table["mse_high"] / table["mse"],
        "r2_high": lambda table: 1 - (1 - table["r2"]) * table["mse_low"] / table["mse"],
        "daily_cycle": lambda table: table["day"] - table["half_day"],
    }
)
"""What a table does not hold but says: MAE over RMSE; trainings that were not dropped, with their interval; that of R²,
which is 1 - MSE / variance, from that of the MSE, the variance being known; by how much the autocorrelation at a day
exceeds that at half a day."""

COMBINED: Mapping[Combine, Callable[[pd.Series], float]] = MappingProxyType(
    {
        "sum": lambda numbers: float(numbers.sum()),
        "min": lambda numbers: float(numbers.min()),
        "max": lambda numbers: float(numbers.max()),
        "spread": lambda numbers: float(numbers.max() - numbers.min()),
    }
)
"""What several numbers become."""
_EXTREME: Mapping[Combine, str] = MappingProxyType({"min": "idxmin", "max": "idxmax"})


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
        self._read: dict[str, Any] = {}

    def table(self, name: str) -> pd.DataFrame:
        """Return a table by its path from the project folder, CSV or Parquet.

        Raises:
            InputError: It is missing or unreadable.
            AbsentError: It is of a trace that is not replayed in this profile.
        """
        if name not in self._read:
            self._read[name] = self._parquet(name) if name.endswith(".parquet") else paper_a.read(self.home / name)
        found: pd.DataFrame = self._read[name]
        return found

    def _parquet(self, name: str) -> pd.DataFrame:
        path = self.home / name
        if not path.is_file():
            if path.stem not in self.settings["elastic"]["traces"]:
                raise AbsentError(f"{path.stem} is not among elastic.traces")
            raise InputError(f"no {path}; run edgeresearch replay {path.stem} first")
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {path}: {str(error).splitlines()[0]}; run edgeresearch replay") from error

    def json(self, name: str) -> Any:
        """Return the contents of a JSON file by its path from the project folder.

        Raises:
            InputError: It is missing or unreadable.
        """
        path = self.home / name
        if name not in self._read:
            try:
                self._read[name] = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
                raise InputError(f"cannot read {path}: {reason}; run what makes it first") from error
        return self._read[name]

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


def select(table: pd.DataFrame, rows: Rows, name: str) -> pd.DataFrame:
    """Return the rows of a table that have the values asked for, at least one.

    Args:
        table: The table.
        rows: What is asked for.
        name: What the table is called in messages.

    Raises:
        InputError: A column is not there.
        AbsentError: No row is.
    """
    asked = np.ones(len(table), dtype=bool)
    for key, wanted in rows.items():
        values = column(table, key, name)
        if isinstance(wanted, Not):
            asked &= ~values.isin(wanted.others).to_numpy()
        else:
            asked &= values.isin(_several(wanted)).to_numpy()
    if not asked.any():
        raise AbsentError(f"{name} has no rows with {told(rows)}")
    return table[asked]


def column(table: pd.DataFrame, name: str, where: str) -> pd.Series:
    """Return a column of a table, or what is derived from some.

    Raises:
        InputError: The table has no such column.
    """
    if name in DERIVED:
        return DERIVED[name](table)
    if name not in table.columns:
        raise InputError(f"{where} has no column {name!r}{nearest(name, map(str, table.columns))}")
    return table[name]


def number(part: pd.DataFrame, source: Selection, combine: Combine, rows: Mapping[str, Any]) -> Interval:
    """Return the number that rows say, with its interval.

    Args:
        part: The rows.
        source: Which columns are meant.
        combine: What several rows become; the smallest and the largest keep their interval, others have none then.
        rows: What selected them, for messages.

    Raises:
        InputError: A column is not there, or several rows are where one is wanted.
        AbsentError: The number is not there.
    """
    values = column(part, source.value, source.table).astype(float)
    if combine == "only" and len(part) != 1:
        raise InputError(f"{source.table} has {len(part)} rows with {told(rows)}; select one, or combine them")
    if combine in _EXTREME and values.notna().any():
        part = part.loc[[getattr(values, _EXTREME[combine])()]]
    value = float(values.iloc[0]) if combine == "only" else COMBINED[combine](values)
    if np.isnan(value):
        raise AbsentError(f"{source.table} has no {source.value} for {told(rows)}")
    if source.interval is None or combine not in ("only", *_EXTREME):
        return value, float("nan"), float("nan")
    low, high = (float(column(part, name, source.table).iloc[0]) for name in source.interval)
    return value, low, high


def seeds(source: Selection, part: pd.DataFrame, results: Results) -> int | None:
    """Return over how many seeds or repeats rows are, at most."""
    if source.seeds is None:
        return None
    if "." in source.seeds:
        return int(results.setting(source.seeds))
    return int(column(part, source.seeds, source.table).max())


def described(source: Selection, part: pd.DataFrame, results: Results) -> str:
    """Say what rows were measured on, and whether that is real."""
    if source.data == "emulated":
        testbed = results.setting("los.testbed")
        return f"emulated: {'Paper B, Table I' if testbed is None else testbed}"
    if source.data == "service":
        return f"simulated service; {Path(source.table).stem} (synthetic)"
    if source.data == "series":
        return "; ".join(f"{row.trace} ({row.data})" for row in part.itertuples())
    if source.data == "streams":
        kind = "real" if part["real"].all() else "synthetic"
        return f"{int(part['sensors'].max())} Aarhus streams ({kind}), anomalies injected, drops emulated"
    traces = part[["trace", "real"]].drop_duplicates()
    named = {real: ", ".join(traces.loc[traces["real"] == real, "trace"]) for real in (True, False)}
    words = ((named[True], "real"), (named[False], "synthetic"))
    return "; ".join(f"{names} ({kind})" for names, kind in words if names)


def told(rows: Mapping[str, Any]) -> str:
    """Return rows in words, for messages."""
    return ", ".join(
        f"{key} not {' or '.join(map(str, wanted.others))}"
        if isinstance(wanted, Not)
        else f"{key} {' or '.join(map(str, _several(wanted)))}"
        for key, wanted in rows.items()
    )


def _several(wanted: object) -> tuple[object, ...]:
    return wanted if isinstance(wanted, tuple) else (wanted,)
