from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from edgeresearch import intervals
from edgeresearch.sweep import store
from edgeresearch.sweep.cells import Cell
from edgeresearch.sweep.experiments import Experiment, Places
from edgeresearch.sweep.summary import frame, summary
from edgeresearch.sweep.work import Row, Task, work

Plan = Callable[..., list[Cell]]
Toy = Callable[..., Experiment]
MEASURES = ("value", "half", "word", "absent")


def _frame(experiment: Experiment, cells: list[Cell], places: Places) -> pd.DataFrame:
    found = {str(row["key"]): row for row in work(Task(experiment, places, cells)).rows}
    return frame(store.joined(cells, found), cells)


def test_means_and_intervals_are_those_over_the_seeds(toy: Toy, plan: Plan, places: Places) -> None:
    table = _frame(toy(), plan(12, seeds=4), places)
    found = summary(table, ["los.interval"], MEASURES)
    assert found["los.interval"].tolist() == list(range(1, 13)), "in the order of the sweep"
    assert found["cells"].tolist() == [4] * 12
    assert list(found)[3:] == ["value", "value_low", "value_high", "half", "half_low", "half_high"]
    for row in found.to_dict("records"):
        values = table.loc[table["los.interval"] == row["los.interval"], "value"]
        assert (row["value"], row["value_low"], row["value_high"]) == intervals.interval(values)


def test_failed_cells_are_counted_and_left_out(toy: Toy, plan: Plan, places: Places) -> None:
    found = summary(_frame(toy(fails=2.0), plan(3, seeds=2), places), ["los.interval"], MEASURES)
    assert found["cells"].tolist() == [2, 0, 2]
    assert found["failed"].tolist() == [0, 2, 0]
    assert np.isnan(found["value"]).tolist() == [False, True, False]


def test_nothing_but_failures_still_gives_a_table(toy: Toy, plan: Plan, places: Places) -> None:
    found = summary(_frame(toy(fails=1.0), plan(1, seeds=2), places), ["los.interval"], MEASURES)
    assert found.to_dict("records") == [{"los.interval": 1.0, "cells": 0, "failed": 2}]


def test_one_seed_has_no_interval(toy: Toy, plan: Plan, places: Places) -> None:
    found = summary(_frame(toy(), plan(2), places), ["los.interval"], ["value"])
    assert found["value"].notna().all()
    assert found[["value_low", "value_high"]].isna().all(axis=None)


@pytest.mark.parametrize("values", [(None, 4), ("x", None)])
def test_null_is_a_value_of_a_setting(values: tuple[object, ...]) -> None:
    cells = [Cell(f"{at}{seed}", seed, {"a": value}, {}) for at, value in enumerate(values) for seed in (0, 1)]
    found: dict[str, Row] = {cell.key: {"key": cell.key, "error": None, "v": 1.0} for cell in cells}
    table = summary(frame(store.joined(cells, found), cells), ["a"], ["v"])
    assert table["a"].tolist() == ["none" if value is None else str(value) for value in values]
    assert table["cells"].tolist() == [2, 2]


def test_two_settings_are_told_apart() -> None:
    cells = [Cell(f"{a}{b}", 0, {"a": a, "b": b}, {}) for a in (2, 1) for b in ("y", "x")]
    found: dict[str, Row] = {cell.key: {"key": cell.key, "error": None, "v": at} for at, cell in enumerate(cells)}
    table = summary(frame(store.joined(cells, found), cells), ["a", "b"], ["v"])
    assert table[["a", "b", "v"]].to_numpy().tolist() == [[2, "y", 0], [2, "x", 1], [1, "y", 2], [1, "x", 3]]
