"""Cells to workers and back: tasks as large as is worth it, and no cell lost when a worker dies."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from edgeresearch.errors import RunError
from edgeresearch.sweep.backends import Backend
from edgeresearch.sweep.cells import Cell
from edgeresearch.sweep.experiments import Experiment, Places
from edgeresearch.sweep.work import KEY, Found, Task, failed

SECONDS = 1.0
"""What a task should take: sending it and writing its results then cost little, and a stop loses little."""
LARGEST = 64
"""Cells in a task."""
TRIES = 2
"""How often a cell may take its worker with it before it is given up."""


class Pace:
    """How long a cell takes, by the newest task: a worker's first one takes longer, for it imports."""

    def __init__(self) -> None:
        self._each: float | None = None

    def note(self, found: Found) -> None:
        """Take in what a task took."""
        self._each = max(found.seconds / len(found.rows), 1e-9)

    def size(self, left: int, workers: int) -> int:
        """Return how many cells the next task gets: a second's worth, fewer near the end so that all end alike.

        Args:
            left: Cells that are in no task yet.
            workers: How many share them.
        """
        if self._each is None:
            return 1
        return max(1, min(int(SECONDS / self._each), LARGEST, left // (2 * workers)))


def run(cells: Iterable[Cell], experiment: Experiment, places: Places, backend: Backend) -> Iterator[Found]:
    """Run cells on a backend; yield results as they come, in any order.

    Where a worker dies, the cells that it and its neighbours had are run again alone, each with a worker of its own;
    one that takes its worker with it again is told as failed. All others go on.

    Raises:
        RunError: Workers die before they get any cell.
    """
    left = {cell.key: cell for cell in cells}
    pace = Pace()

    def task(part: Sequence[Cell]) -> Task:
        return Task(experiment, places, part)

    while left:
        sent: dict[str, Cell] = {}
        try:
            for found in backend.map(_tasks(list(left.values()), task, sent, pace, backend.workers)):
                pace.note(found)
                _settle(found, sent, left)
                yield found
        except backend.lost as error:
            if not sent:
                raise RunError(f"workers of {backend.name} die before they get any work: {error}") from error
            for cell in list(sent.values()):
                found = _alone(cell, task, backend)
                _settle(found, sent, left)
                yield found


def _tasks(
    cells: Sequence[Cell], task: Callable[[Sequence[Cell]], Task], sent: dict[str, Cell], pace: Pace, workers: int
) -> Iterator[Task]:
    """Yield tasks as workers ask for them, and write down which cells were sent."""
    at = 0
    while at < len(cells):
        part = cells[at : at + pace.size(len(cells) - at, workers)]
        at += len(part)
        sent.update((cell.key, cell) for cell in part)
        yield task(part)


def _settle(found: Found, *pending: dict[str, Cell]) -> None:
    for row in found.rows:
        for cells in pending:
            cells.pop(str(row[KEY]), None)


def _alone(cell: Cell, task: Callable[[Sequence[Cell]], Task], backend: Backend) -> Found:
    """Run a cell by itself: if a worker dies now, it is this cell's doing."""
    for _ in range(TRIES):
        try:
            (found,) = backend.map(iter([task([cell])]))
            return found
        except backend.lost as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
    return Found([failed(cell, f"its worker died {TRIES} times: {reason}")], 0.0)
