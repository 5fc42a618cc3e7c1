"""What a worker does: run the cells of a task, one after the other, and tell what failed."""

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from edgeresearch.sweep.cells import Cell
from edgeresearch.sweep.experiments import Experiment, Places, Scalar

KEY, ERROR = "key", "error"
Row = dict[str, Scalar]


class Task(NamedTuple):
    """Cells that are sent to a worker together."""

    experiment: Experiment
    places: Places
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Found:
    """What a task gave.

    Attributes:
        rows: One per cell: `key`, `error` (None if it went well), and else what the experiment returned.
        seconds: How long it took.
    """

    rows: Sequence[Row]
    seconds: float


def work(task: Task) -> Found:
    """Run the cells of a task."""
    begun = time.perf_counter()
    rows = [_row(task.experiment, cell, task.places) for cell in task.cells]
    return Found(rows, time.perf_counter() - begun)


def failed(cell: Cell, reason: str) -> Row:
    """Return the row of a cell that gave no result."""
    return {KEY: cell.key, ERROR: " ".join(reason.split())}


def _row(experiment: Experiment, cell: Cell, places: Places) -> Row:
    try:
        return {KEY: cell.key, ERROR: None, **_checked(experiment.run(cell.settings, cell.root(), places), cell)}
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return failed(cell, f"{type(error).__name__}: {error} (in {Path(last.filename).name}, line {last.lineno})")


def _checked(found: Mapping[str, Any], cell: Cell) -> Row:
    """Return plain values, so that every backend writes the same types."""
    taken = {KEY, ERROR, "seed", *cell.varied} & set(found)
    if taken:
        raise ValueError(f"the experiment returned a column {min(taken)}, which the sweep has itself")
    row: Row = {}
    for name, value in found.items():
        plain = value.item() if hasattr(value, "item") else value
        if not isinstance(plain, bool | int | float | str | None):
            raise TypeError(f"the experiment returned a {type(value).__name__} as {name}; return one value")
        row[name] = plain
    return row
