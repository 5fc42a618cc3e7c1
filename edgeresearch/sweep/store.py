"""Results on disk: small whole Parquet files as they come, and one table of all at the end."""

import fcntl
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from edgeresearch.errors import InputError
from edgeresearch.files import atomic
from edgeresearch.sweep.cells import Cell
from edgeresearch.sweep.work import ERROR, KEY, Row

FOLDER = "cells"
"""Folder of the small files, in that of the results."""
TABLE = "sweep.parquet"
SEED = "seed"


@contextmanager
def opened(out: str | Path) -> Iterator[Path]:
    """Yield the folder of the cells, made where missing, for this process alone; drafts of a killed one are removed.

    Raises:
        InputError: Another sweep is writing there, or the folder cannot be written.
    """
    folder = Path(out) / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}; choose a folder that can be written") from error
    with lock:  # the system unlocks it, however the process ends
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"another sweep is writing to {out}; wait, or choose another folder") from error
        for draft in folder.glob(".*.parquet"):
            draft.unlink()
        yield folder


def write(folder: Path, rows: Sequence[Row]) -> None:
    """Write the results of a task as one file, named by its first key: it is there whole or not at all."""
    with atomic(folder / f"{rows[0][KEY]}.parquet") as draft:
        pq.write_table(_table(rows, list(dict.fromkeys(name for row in rows for name in row))), draft)


def read(folder: Path) -> dict[str, Row]:
    """Return all results by key.

    Raises:
        InputError: A file is none of a sweep.
    """
    found: dict[str, Row] = {}
    for path in sorted(folder.glob("[!.]*.parquet")):
        try:
            rows = pq.ParquetFile(path).read().to_pylist()
            found.update((row[KEY], row) for row in rows)
        except (pa.ArrowException, KeyError) as error:
            raise InputError(f"{path} holds no cells of a sweep; remove it, and its cells are run again") from error
    return found


def forget(folder: Path, keys: Collection[str]) -> None:
    """Remove the results of some cells."""
    for path in sorted(folder.glob("[!.]*.parquet")):
        rows = pq.ParquetFile(path).read().to_pylist()
        kept = [_known(row) for row in rows if row[KEY] not in keys]
        if len(kept) < len(rows):
            if kept:
                write(folder, kept)
            if not kept or path.stem != kept[0][KEY]:
                path.unlink()


def joined(cells: Sequence[Cell], found: Mapping[str, Row]) -> pa.Table:
    """Return one row per cell, sorted by key: key, varied settings, seed, results, error.

    The table is the same whatever the order in which cells were run, and in which files they lie.
    """
    rows = []
    for cell in sorted(cells, key=lambda each: each.key):
        result = {name: value for name, value in _known(found[cell.key]).items() if name not in (KEY, ERROR)}
        rows.append({KEY: cell.key, **cell.varied, SEED: cell.seed, **result, ERROR: found[cell.key][ERROR]})
    results = sorted({name for row in rows for name in row} - {KEY, SEED, ERROR, *cells[0].varied})
    return _table(rows, [KEY, *cells[0].varied, SEED, *results, ERROR])


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table; the same table gives the same bytes."""
    with atomic(path) as draft:
        pq.write_table(table, draft, compression="zstd")


def _known(row: Row) -> Row:
    """Leave out what only another cell of the same file has."""
    return {name: value for name, value in row.items() if value is not None or name == ERROR}


def _table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> pa.Table:
    return pa.table({name: _column([row.get(name) for row in rows], text=name == ERROR) for name in names})


def _column(values: Sequence[Any], *, text: bool) -> pa.Array:
    """Return a column; values of several kinds, as a setting that is a number or null, become text."""
    if text:
        return pa.array(values, pa.string())
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
