"""A user's own CSV with several channels: samples in time order, where a channel may lack a value."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.series import grid, registry, table
from edgeresearch.series.stamps import parse

MISSING = ("", "nan", "na", "null", "none")
"""Cells that say that there is no value, in any case."""


class Channels(NamedTuple):
    """What `read` returns.

    Attributes:
        name: Of the file, without its suffixes.
        frame: One column per channel, indexed by time; NaN where a value is missing.
        sha256: Of the file's decompressed bytes.
        said: One line for each thing that was guessed or that the user may not expect.
    """

    name: str
    frame: pd.DataFrame
    sha256: str
    said: tuple[str, ...]


def read(path: str | Path, *, time: str | None = None, columns: Sequence[str] | None = None) -> Channels:
    """Read a CSV (`.csv` or `.csv.gz`) with a time column and one or more channels.

    Times need no common distance. A file without a time column gets stamps 1 s apart from 2024-01-01 on. An empty cell
    and words such as `NaN` are a missing value.

    Args:
        path: The file, in UTF-8, with a header or without.
        time: Name of the time column; guessed where None.
        columns: Names of the channels; all other numeric columns where None.

    Raises:
        InputError: The file is missing, a directory, unreadable, damaged, empty or not UTF-8; the number of columns
            changes; a named column is not there or there is no numeric one; a value is infinite or text; a channel has
            no value; stamps cannot be parsed, run backwards or repeat.
    """
    path = Path(path)
    said: list[str] = []
    data = table._bytes(path)
    text = table._text(data, path)
    _check_widths(text, path)
    cells = table._parsed(text, path, said)
    time = table._time_column(cells, time, None, path, said)
    chosen = [table._named(cells, name, path) for name in columns] if columns else _numeric(cells, time, path)
    if time in chosen or len(set(chosen)) < len(chosen):
        raise InputError(f"{path}: name each channel once, and not the time column {time!r}")
    values = {name: _values(cells[name], path) for name in chosen}
    if not columns:
        said.append(f"channels: {', '.join(chosen)}")
    frame = pd.DataFrame(values)
    if time is None:
        said.append("time column: none, so rows are 1 s apart")
        frame.index = grid.index("2024-01-01", len(frame), pd.Timedelta(seconds=1))
    else:
        frame.index = parse(cells[time], str(path), said)
    gaps = int(frame.isna().to_numpy().sum())
    if gaps:
        said.append(f"missing: {gaps} of {frame.size} values; {int(frame.isna().all(axis=1).sum())} rows have none")
    name = path.name.removesuffix(".gz").removesuffix(".csv")
    return Channels(name, frame, registry.sha256(data), tuple(said))


def _check_widths(text: str, path: Path) -> None:
    """Refuse a line with more or fewer cells than the first; pandas would fill up or cut."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    wanted = None
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count))
    for cells in reader:
        if not cells:
            continue
        wanted = wanted or len(cells)
        if len(cells) != wanted:
            raise InputError(
                f"{path}, line {reader.line_num}: {len(cells)} columns where there were {wanted} before; give each "
                "line the same"
            )


def _numeric(cells: pd.DataFrame, time: str | None, path: Path) -> list[str]:
    found = []
    for name in cells.columns:
        known = cells[name][~_missing(cells[name])]
        if name != time and len(known) and table._share_numeric(known) > 0.5:
            found.append(str(name))
    if not found:
        raise InputError(f"{path} has no numeric column; columns: {', '.join(cells.columns)}")
    return found


def _missing(column: pd.Series) -> "pd.Series[bool]":
    return column.str.strip().str.lower().isin(MISSING)


def _values(column: pd.Series, path: Path) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    gone = _missing(column).to_numpy()
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, copy=True)
    bad = np.flatnonzero(~np.isfinite(values) & ~gone)
    where = f"{path}, column {column.name!r}"
    if len(bad):
        cell, line = str(column.iloc[bad[0]]).strip(), column.index[bad[0]]
        raise InputError(
            f"{path}, line {line}, column {column.name!r}: {cell!r} is no finite number ({len(bad)} such rows); leave "
            "the cell empty if the value is missing"
        )
    if gone.all():
        raise InputError(f"{where} has no value; leave it out")
    return values
