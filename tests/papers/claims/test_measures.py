"""Measures: from the results of a run to evidence."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.config import Params
from edgeresearch.errors import InputError
from edgeresearch.papers.claims.measures import (
    AbsentError,
    Cell,
    Cells,
    Count,
    Except,
    Json,
    Order,
    Results,
    Setting,
    check,
    compare_places,
)
from edgeresearch.papers.claims.rules import NAN, Case, Reading

SETTINGS: dict[str, Any] = {
    "los": {"repeats": 20, "limits": {"first": 0.85, "rule": "utilisation"}},
    "elastic": {"traces": ["elb"]},
}
DROPS = """streams,policy,drop,low,high,repeats,trace,real
2,los,10,8,12,5,elb,True
4,los,20,18,22,7,elb,True
2,cloud,5,4,6,5,paper_a,False
4,cloud,21,19,23,5,paper_a,False
6,los,,,,5,elb,True
"""


@pytest.fixture
def results(tmp_path: Path) -> Results:
    (tmp_path / "a.csv").write_text(DROPS)
    (tmp_path / "a.json").write_text(json.dumps({"shape": [12, 5], "fits": {"one": {"median": 6.5}}}))
    return Results(tmp_path, SETTINGS)


def cell(**more: Any) -> Cell:
    return Cell(file="a.csv", value="drop", interval=("low", "high"), **more)


def order(**more: Any) -> Order:
    return Order(file="a.csv", value="drop", interval=("low", "high"), **more)


def test_a_cell_is_a_number_with_interval_seeds_and_data(results: Results) -> None:
    found = cell(rows={"streams": 4, "policy": "los"}, seeds="repeats").find(results)
    assert found.readings == (Reading("", 20.0, 18.0, 22.0),)
    assert (found.seeds, found.data) == (7, "elb (real)")
    assert cell(rows={"streams": 4, "policy": "los"}, seeds="los.repeats").find(results).seeds == 20


@pytest.mark.parametrize(
    ("combine", "expected"),
    [("min", (5.0, 4.0, 6.0)), ("max", (21.0, 19.0, 23.0)), ("sum", (56.0, NAN, NAN)), ("spread", (16.0, NAN, NAN))],
)
def test_several_rows_are_combined(results: Results, combine: str, expected: tuple[float, ...]) -> None:
    found = cell(combine=combine).find(results)
    assert found.readings == (pytest.approx(Reading("", *expected), nan_ok=True),) or [
        found.readings[0].measured, found.readings[0].low, found.readings[0].high
    ] == pytest.approx(expected, nan_ok=True)  # fmt: skip
    assert found.data == "elb (real); paper_a (synthetic)"


def test_readings_and_differences(results: Results) -> None:
    found = cell(
        rows={"streams": 4}, minus={"streams": 2}, readings={"one": {"policy": "los"}, "two": {"policy": "cloud"}}
    ).find(results)
    assert found.readings == (Reading("one", 10.0, 6.0, 14.0), Reading("two", 16.0, 13.0, 19.0))


def test_values_can_be_made_of_columns(results: Results) -> None:
    measure = Cell(file="a.csv", value=lambda table: 100 - table["drop"], rows={"streams": 2, "policy": "los"})
    assert measure.find(results).readings[0].measured == 90.0


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        ({"streams": 2}, 2),
        ({"streams": [2, 4]}, 4),
        ({"policy": Except(("los",))}, 2),
        ({"streams": Except((2, 4)), "policy": "los"}, 1),
    ],
)
def test_rows_are_selected_by_values_or_by_all_but_some(results: Results, rows: dict[str, Any], count: int) -> None:
    assert len(cell().select(results, rows)) == count


def test_an_order_is_judged_in_each_place(results: Results) -> None:
    found = order(each="streams", rows={"streams": [2, 4]}, sequence=({"policy": "cloud"}, {"policy": "los"})).find(
        results
    )
    assert found.cases == (Case("streams 2", True, True, "5, 10"), Case("streams 4", False, False, "21, 20"))
    ways = {"first": True, "descending": True}
    one = order(rows={"streams": 4}, sequence=({"policy": "cloud"}, {"policy": "los"}), **ways).find(results)
    assert one.cases == (Case("", True, False, "21 against 20"),)


def test_places_that_lack_a_number_are_left_out(results: Results) -> None:
    measure = order(each="streams", sequence=({"policy": "los"}, {"policy": "cloud"}))
    assert [case.name for case in measure.find(results).cases] == ["streams 2", "streams 4"]
    with pytest.raises(AbsentError, match="a.csv has no rows with policy fog"):
        order(each="streams", sequence=({"policy": "los"}, {"policy": "fog"})).find(results)


NUMBERS = st.lists(st.tuples(st.floats(-9, 9), st.floats(0, 3)), min_size=2, max_size=5)


@given(NUMBERS, st.booleans())
def test_an_order_and_its_mirror_image_agree(numbers: list[tuple[float, float]], first: bool) -> None:
    spans = [(mean, mean - half, mean + half) for mean, half in numbers]
    mirrored = [(-mean, -high, -low) for mean, low, high in spans]
    rows: tuple[dict[str, Any], ...] = ({}, {})
    up = order(sequence=rows, first=first).compare("", spans)
    down = order(sequence=rows, first=first, descending=True).compare("", mirrored)
    assert (up.holds, up.separated) == (down.holds, down.separated)
    assert up.holds or not up.separated


def test_rows_that_a_claim_holds_on_are_counted(results: Results) -> None:
    rows = {"streams": [2, 4], "policy": "los"}
    count = Count(file="a.csv", value="drop", rows=rows, each="streams", holds=lambda drop: drop < 15)
    assert count.find(results).cases == (Case("2", True, False, "10"), Case("4", False, False, "20"))
    flags = Count(file="a.csv", value="real", rows={"streams": 2}, each="policy", holds=bool)
    assert [(case.holds, case.numbers) for case in flags.find(results).cases] == [(True, ""), (False, "")]


def test_stand_ins_do_not_count_where_real_data_is_meant(tmp_path: Path) -> None:
    pd.DataFrame({"trace": ["a"], "data": ["synthetic"], "day": [1.0]}).to_csv(tmp_path / "b.csv")
    count = Count(file="b.csv", value="day", each="trace", holds=bool, real=True)
    with pytest.raises(AbsentError, match="synthetic stand-ins alone"):
        count.find(Results(tmp_path, SETTINGS))


def test_cells_settings_and_json_are_read(results: Results) -> None:
    assert Cells("a.csv", {"streams": 6}, ("policy", "repeats")).find(results).cells == {
        "policy": "los",
        "repeats": "5",
    }
    assert Setting("los.repeats").find(results).readings == (Reading("", 20.0),)
    assert Setting("los.limits").find(results).cells == {"first": "0.85", "rule": "utilisation"}
    own = Results(Path(), Params())
    assert Setting("los.limits").find(own).cells["first"] == "0.85"
    assert Setting("los.repeats").find(own).readings == (Reading("", 20.0),)
    found = Json("a.json", lambda content: {"ratio": content["shape"][0] / 5}, "a network").find(results)
    assert (found.readings, found.data) == ((Reading("ratio", 2.4),), "a network")


def test_a_paper_is_compared_with_itself(results: Results) -> None:
    assert compare_places({"text": "x", "table": "x"}).find(results).cases == (
        Case("", True, False, "text: x; table: x"),
    )
    found = compare_places({"section IV.D": "lowered", "section VI.B": "raised"}).find(results)
    assert (found.cases[0].holds, found.follows) == (False, "section IV.D: lowered; section VI.B: raised")
    assert check(True, "11", "so").find(results).data == "the paper's own numbers"


@pytest.mark.parametrize(
    ("measure", "error", "message"),
    [
        (cell(rows={"streams": 9}), AbsentError, "a.csv has no rows with streams 9"),
        (cell(rows={"streams": 6}), AbsentError, "a.csv has no value for streams 6"),
        (cell(rows={"streams": 2}), InputError, "a.csv has 2 rows with streams 2; select one, or combine them"),
        (cell(rows={"stream": 2}), KeyError, "stream"),
        (Setting("los.repeat"), KeyError, "repeat"),
        (Cell(file="none.csv", value="a"), InputError, r"cannot read .*none\.csv: No such file or directory; run"),
        (Cell(file="elb.parquet", value="a"), InputError, r"cannot read .*elb\.parquet"),
        (Cell(file="paper_a.parquet", value="a"), AbsentError, "paper_a is not among elastic.traces"),
    ],
)
def test_what_is_not_there_is_told(results: Results, measure: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        measure.find(results)
