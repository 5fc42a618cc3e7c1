from collections.abc import Callable, Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.errors import RunError
from edgeresearch.sweep.backends import Backend, opened
from edgeresearch.sweep.cells import Cell
from edgeresearch.sweep.experiments import Experiment, Places
from edgeresearch.sweep.rounds import LARGEST, Pace, run
from edgeresearch.sweep.work import Found, Task, work

Plan = Callable[..., list[Cell]]
Toy = Callable[..., Experiment]


class DeathError(Exception):
    pass


def _here(tasks: Iterator[Task]) -> Iterator[Found]:
    return map(work, tasks)


def _dying(
    tasks: Iterator[Task], *, at: float, times: list[int], ahead: int = 1, tried: list[int] | None = None
) -> Iterator[Found]:
    """Two workers of which one dies with the task that has some setting, so many times."""
    waiting: list[Task] = []
    for task in tasks:
        waiting.append(task)
        if len(waiting) > ahead:
            yield from _one(waiting.pop(0), at, times, tried)
    while waiting:
        yield from _one(waiting.pop(0), at, times, tried)


def _one(task: Task, at: float, times: list[int], tried: list[int] | None) -> Iterator[Found]:
    if tried is not None:
        tried.append(len(task.cells))
    if times[0] and any(cell.settings["los"]["interval"] == at for cell in task.cells):
        times[0] -= 1
        raise DeathError("killed\nsomewhere")
    yield work(task)


@pytest.fixture
def keys_of() -> Callable[[list[Found]], list[str]]:
    return lambda found: [str(row["key"]) for each in found for row in each.rows]


def test_every_cell_comes_once(toy: Toy, plan: Plan, places: Places, keys_of: Callable[..., list[str]]) -> None:
    cells = plan(30)
    found = list(run(cells, toy(), places, Backend("here", 2, _here)))
    assert sorted(keys_of(found)) == sorted(cell.key for cell in cells)
    assert len(found[0].rows) == 1, "nothing is known of how long a cell takes"
    assert max(len(each.rows) for each in found) > 1


@pytest.mark.parametrize("ahead", [0, 1, 5])
@pytest.mark.parametrize("at", [1, 4, 9])
def test_a_worker_that_dies_once_loses_nothing(
    toy: Toy, plan: Plan, places: Places, keys_of: Callable[..., list[str]], ahead: int, at: int
) -> None:
    cells, times = plan(9), [1]
    backend = Backend("dying", 2, partial(_dying, at=at, times=times, ahead=ahead), (DeathError,))
    found = list(run(cells, toy(), places, backend))
    assert times == [0]
    assert sorted(keys_of(found)) == sorted(cell.key for cell in cells)
    assert all(row["error"] is None for each in found for row in each.rows)


def test_a_cell_that_takes_its_worker_with_it_is_told(
    toy: Toy, plan: Plan, places: Places, keys_of: Callable[..., list[str]]
) -> None:
    cells, tried = plan(9), list[int]()
    backend = Backend("dying", 2, partial(_dying, at=5, times=[99], tried=tried), (DeathError,))
    found = list(run(cells, toy(), places, backend))
    rows = {row["key"]: row["error"] for each in found for row in each.rows}
    assert len(keys_of(found)) == len(rows) == 9
    assert rows.pop(cells[4].key) == "its worker died 2 times: killed"
    assert set(rows.values()) == {None}
    assert len(tried) <= 9 + 3 + 2, "cells that are done are not run again, but for those under way"


def test_workers_that_die_before_any_work_are_no_endless_loop(toy: Toy, plan: Plan, places: Places) -> None:
    def dead(tasks: Iterator[Task]) -> Iterator[Found]:
        raise DeathError("no memory")

    with pytest.raises(RunError, match="workers of dead die before they get any work: no memory"):
        list(run(plan(2), toy(), places, Backend("dead", 2, dead, (DeathError,))))


def test_other_errors_are_not_taken_for_death(toy: Toy, plan: Plan, places: Places) -> None:
    def broken(tasks: Iterator[Task]) -> Iterator[Found]:
        next(tasks)
        raise OSError("no network")

    with pytest.raises(OSError, match="no network"):
        list(run(plan(2), toy(), places, Backend("broken", 2, broken, (DeathError,))))


@given(st.integers(1, 500), st.integers(1, 16), st.floats(1e-5, 50))
def test_tasks_take_about_a_second(left: int, workers: int, seconds: float) -> None:
    pace = Pace()
    assert pace.size(left, workers) == 1
    pace.note(Found([{"key": "k"}] * 4, 4 * seconds))
    size = pace.size(left, workers)
    assert 1 <= size <= LARGEST
    assert size == 1 or size * seconds <= 1.0001
    assert size == 1 or size <= left / (2 * workers), "the end is shared"


def test_real_processes_that_are_killed_lose_nothing(
    toy: Toy, plan: Plan, places: Places, keys_of: Callable[..., list[str]]
) -> None:
    cells = plan(12)
    with opened("loky", workers=2) as backend:
        found = list(run(cells, toy(kills=3.0, flag=str(places.root / "flag"), fails=5.0), places, backend))
    assert (places.root / "flag").exists()
    assert sorted(keys_of(found)) == sorted(cell.key for cell in cells)
    assert [row["key"] for each in found for row in each.rows if row["error"]] == [cells[4].key]


def test_a_cell_that_always_kills_its_process_does_not_stop_the_rest(toy: Toy, plan: Plan, places: Places) -> None:
    cells = plan(6)
    with opened("loky", workers=2) as backend:
        found = list(run(cells, toy(kills=2.0), places, backend))
    errors = {row["key"]: row["error"] for each in found for row in each.rows}
    assert str(errors.pop(cells[1].key)).startswith("its worker died 2 times: A worker process managed by the executor")
    assert list(errors.values()) == [None] * 5
