from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from edgeresearch.sweep.cells import Cell
from edgeresearch.sweep.experiments import Experiment, Places
from edgeresearch.sweep.work import Task, failed, work

Plan = Callable[..., list[Cell]]
Toy = Callable[..., Experiment]


def test_each_cell_gives_a_row(toy: Toy, plan: Plan, places: Places) -> None:
    cells = plan(3)
    found = work(Task(toy(), places, cells))
    assert [row["key"] for row in found.rows] == [cell.key for cell in cells]
    assert [row["error"] for row in found.rows] == [None] * 3
    assert [row["word"] for row in found.rows] == ["odd", "even", "odd"]
    for cell, row in zip(cells, found.rows, strict=True):
        assert row["value"] == cell.settings["los"]["interval"] + np.random.default_rng(cell.root()).random()
        assert type(row["half"]) is float
    assert found.seconds > 0


def test_rows_do_not_depend_on_what_else_is_in_a_task(toy: Toy, plan: Plan, places: Places) -> None:
    cells = plan(4)
    together = work(Task(toy(), places, cells)).rows
    assert together[::-1] == [work(Task(toy(), places, [cell])).rows[0] for cell in reversed(cells)]


def test_a_cell_that_fails_is_told_and_the_others_go_on(toy: Toy, plan: Plan, places: Places) -> None:
    cells = plan(3)
    rows = work(Task(toy(fails=2.0), places, cells)).rows
    assert [row["error"] is None for row in rows] == [True, False, True]
    assert str(rows[1]["error"]).startswith("ValueError: no luck at all (in conftest.py, line ")
    assert set(rows[1]) == {"key", "error"}


def test_reasons_are_one_line(plan: Plan) -> None:
    (cell,) = plan(1)
    assert failed(cell, "a\n b") == {"key": cell.key, "error": "a b"}


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("los.interval", 1.0, "ValueError: the experiment returned a column los.interval, which the sweep has itself"),
        ("seed", 1, "ValueError: the experiment returned a column seed"),
        ("key", "x", "ValueError: the experiment returned a column key"),
        ("found", [1, 2], "TypeError: the experiment returned a list as found; return one value"),
    ],
)
def test_what_is_no_result_is_refused(
    toy: Toy, plan: Plan, places: Places, column: str, value: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = toy()

    def run(settings: Mapping[str, Any], seed: np.random.SeedSequence, places: Places) -> dict[str, Any]:
        return {column: value}

    monkeypatch.setattr(experiment, "run", run)
    (row,) = work(Task(experiment, places, plan(1))).rows
    assert str(row["error"]).startswith(message)
