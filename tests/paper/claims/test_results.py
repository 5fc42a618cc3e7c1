from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.errors import InputError
from edgeresearch.paper.claims.models import Cell, Not
from edgeresearch.paper.claims.results import (
    COMBINED,
    DERIVED,
    LACKS,
    AbsentError,
    Results,
    column,
    described,
    number,
    seeds,
    select,
    told,
)

SETTINGS: dict[str, Any] = {
    "elastic": {"traces": ["elb"]},
    "los": {"repeats": 20, "testbed": None, "fitted": [2, 6, 10]},
}
TABLE = pd.DataFrame(
    {
        "trace": ["elb", "elb", "goog", "paper_a"],
        "real": [True, True, True, False],
        "streams": [2, 4, 2, 2],
        "drop_percent": [10.0, 20.0, 30.0, np.nan],
        "low": [9.0, 18.0, 28.0, np.nan],
        "high": [11.0, 22.0, 33.0, np.nan],
        "mse": [4.0, 9.0, 16.0, 25.0],
        "mae": [1.0, 3.0, 2.0, 5.0],
        "seeds": [5, 5, 1, 1],
    }
)


def _cell(**more: Any) -> Cell:
    return Cell(take="cell", table="a.csv", value="drop_percent", **more)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    TABLE.to_csv(tmp_path / "a.csv", index=False)
    TABLE.to_parquet(tmp_path / "elb.parquet")
    (tmp_path / "a.json").write_text('{"a": [1, 2]}')
    return Results(tmp_path, SETTINGS)


def test_files_are_read_once(results: Results, tmp_path: Path) -> None:
    for name in ("a.csv", "elb.parquet"):
        first = results.table(name)
        assert len(first) == 4
        (tmp_path / name).unlink()
        assert results.table(name) is first
    assert results.json("a.json") == {"a": [1, 2]}
    (tmp_path / "a.json").unlink()
    assert results.json("a.json") == {"a": [1, 2]}


@pytest.mark.parametrize("name", ["none.csv", "none.json"])
def test_a_missing_file_is_told(tmp_path: Path, name: str) -> None:
    results = Results(tmp_path, SETTINGS)
    read = results.json if name.endswith("json") else results.table
    with pytest.raises(InputError, match=rf"cannot read .*{name}: No such file"):
        read(name)


def test_a_missing_trace_that_is_replayed_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^no .*elb\.parquet; run edgeresearch replay elb first$"):
        Results(tmp_path, SETTINGS).table("elb.parquet")


@pytest.mark.parametrize("name", ["a.json", "elb.parquet"])
def test_a_broken_file_is_told(results: Results, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(InputError, match=rf"cannot read .*{name}: "):
        (results.json if name.endswith("json") else results.table)(name)


def test_a_trace_that_is_not_replayed_is_absent(results: Results) -> None:
    with pytest.raises(AbsentError, match=r"^paper_a is not among elastic\.traces$"):
        results.table("data/processed/elastic/paper_a.parquet")


def test_settings_go_by_dotted_keys(results: Results) -> None:
    assert results.setting("los.repeats") == 20
    assert results.setting("los.testbed") is None
    with pytest.raises(InputError, match=r"there is no setting los\.repeat; did you mean repeats"):
        results.setting("los.repeat")
    with pytest.raises(InputError, match=r"there is no setting los\.repeats\.all"):
        results.setting("los.repeats.all")


def test_rows_are_selected_by_one_value_several_or_all_but_one() -> None:
    assert list(select(TABLE, {"streams": 2, "real": True}, "a")["trace"]) == ["elb", "goog"]
    assert len(select(TABLE, {"trace": ("goog", "paper_a")}, "a")) == 2
    assert list(select(TABLE, {"trace": Not(**{"not": "elb"})}, "a")["trace"]) == ["goog", "paper_a"]
    assert list(select(TABLE, {"trace": Not(**{"not": ("elb", "goog")})}, "a")["trace"]) == ["paper_a"]
    pd.testing.assert_frame_equal(select(TABLE, {}, "a"), TABLE)


def test_rows_that_are_not_there_are_absent_and_columns_are_a_fault() -> None:
    with pytest.raises(AbsentError, match=r"^a has no rows with streams 8, trace not elb$"):
        select(TABLE, {"streams": 8, "trace": Not(**{"not": "elb"})}, "a")
    with pytest.raises(InputError, match="a has no column 'stream'; did you mean streams"):
        select(TABLE, {"stream": 8}, "a")


@given(st.sampled_from([2, 4, 6]), st.sampled_from(["elb", "goog", "x"]))
def test_selected_rows_have_what_was_asked_for(streams: int, trace: str) -> None:
    wanted = TABLE[(TABLE["streams"] == streams) & (TABLE["trace"] == trace)]
    if wanted.empty:
        with pytest.raises(AbsentError):
            select(TABLE, {"streams": streams, "trace": trace}, "a")
    else:
        pd.testing.assert_frame_equal(select(TABLE, {"streams": streams, "trace": trace}, "a"), wanted)


def test_columns_may_be_derived() -> None:
    assert list(column(TABLE, "tails", "a")) == [0.5, 1.0, 0.5, 1.0]
    assert list(column(TABLE, "executed_percent", "a"))[:2] == [90.0, 80.0]
    assert list(column(TABLE, "executed_low", "a"))[:2] == [89.0, 78.0]
    assert list(column(TABLE, "executed_high", "a"))[:2] == [91.0, 82.0]
    daily = pd.DataFrame({"day": [0.5], "half_day": [0.2]})
    assert list(column(daily, "daily_cycle", "a")) == pytest.approx([0.3])
    derived = {"tails", "executed_percent", "executed_low", "executed_high", "r2_low", "r2_high", "daily_cycle"}
    assert set(DERIVED) == derived


def test_one_row_is_a_number_with_its_interval() -> None:
    part, rows = TABLE.iloc[[1]], {"streams": 4}
    assert number(part, _cell(interval=("low", "high")), "only", rows) == (20.0, 18.0, 22.0)
    value, low, high = number(part, _cell(), "only", rows)
    assert value == 20.0
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize(("how", "expected"), [("sum", 60.0), ("spread", 20.0)])
def test_several_rows_are_combined_without_an_interval(how: Any, expected: float) -> None:
    value, low, high = number(TABLE.iloc[:3], _cell(interval=("low", "high")), how, {})
    assert value == expected
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize(("how", "row"), [("min", 0), ("max", 2)])
def test_the_smallest_and_the_largest_keep_their_interval(how: Any, row: int) -> None:
    found = number(TABLE.iloc[:3], _cell(interval=("low", "high")), how, {})
    assert found == tuple(TABLE.iloc[row][["drop_percent", "low", "high"]])
    assert np.isnan(number(TABLE.iloc[:3], _cell(), how, {})[1])
    with pytest.raises(AbsentError):
        number(TABLE.iloc[[3]], _cell(interval=("low", "high")), how, {})


def test_the_spread_of_one_row_has_no_interval() -> None:
    value, low, high = number(TABLE.iloc[:1], _cell(interval=("low", "high")), "spread", {})
    assert value == 0
    assert np.isnan([low, high]).all()


@given(st.floats(0.01, 100), st.floats(0.5, 1), st.floats(1, 2), st.floats(1, 50))
def test_the_interval_of_r2_is_that_of_the_mse(mse: float, down: float, up: float, variance: float) -> None:
    table = pd.DataFrame({"mse": [mse], "mse_low": [mse * down], "mse_high": [mse * up], "r2": [1 - mse / variance]})
    low, high = (float(column(table, name, "t")[0]) for name in ("r2_low", "r2_high"))
    assert low == pytest.approx(1 - mse * up / variance, abs=1e-9)
    assert high == pytest.approx(1 - mse * down / variance, abs=1e-9)
    assert low <= table["r2"][0] + 1e-9 and table["r2"][0] <= high + 1e-9


def test_several_rows_where_one_is_wanted_are_a_fault_and_no_value_is_absent() -> None:
    with pytest.raises(InputError, match=r"a\.csv has 2 rows with trace elb; select one, or combine them"):
        number(TABLE.iloc[:2], _cell(), "only", {"trace": "elb"})
    with pytest.raises(AbsentError, match=r"a\.csv has no drop_percent for trace paper_a"):
        number(TABLE.iloc[[3]], _cell(), "only", {"trace": "paper_a"})


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8))
def test_the_spread_is_never_negative(values: list[float]) -> None:
    series = pd.Series(values)
    assert COMBINED["spread"](series) >= 0
    assert COMBINED["spread"](series) == COMBINED["max"](series) - COMBINED["min"](series)


def test_seeds_come_from_a_column_or_a_setting(results: Results) -> None:
    assert seeds(_cell(), TABLE, results) is None
    assert seeds(_cell(seeds="seeds"), TABLE, results) == 5
    assert seeds(_cell(seeds="los.repeats"), TABLE, results) == 20
    with pytest.raises(InputError, match="no column 'repeats'"):
        seeds(_cell(seeds="repeats"), TABLE, results)


def test_data_says_what_is_real(results: Results) -> None:
    assert described(_cell(), TABLE.iloc[:3], results) == "elb, goog (real)"
    assert described(_cell(), TABLE.iloc[[3]], results) == "paper_a (synthetic)"
    assert described(_cell(), TABLE, results) == "elb, goog (real); paper_a (synthetic)"
    assert described(_cell(), TABLE.assign(real=False).iloc[:2], results) == "elb (synthetic)"
    assert described(_cell(data="emulated"), TABLE, results) == "emulated: Paper B, Table I"
    other = Results(results.home, {"los": {"testbed": "mine.yaml"}})
    assert described(_cell(data="emulated"), TABLE, other) == "emulated: mine.yaml"
    usage = Cell(take="cell", table="data/paper_a.parquet", value="cpu", data="service")
    assert described(usage, TABLE, results) == "simulated service; paper_a (synthetic)"
    series = pd.DataFrame({"trace": ["a", "b"], "data": ["real", "generated"]})
    assert described(_cell(data="series"), series, results) == "a (real); b (generated)"
    streams = pd.DataFrame({"sensors": [10, 10], "real": [True, True]})
    told = "10 Aarhus streams ({}), anomalies injected, drops emulated"
    assert described(_cell(data="streams"), streams, results) == told.format("real")
    assert described(_cell(data="streams"), streams.assign(real=False), results) == told.format("synthetic")


def test_rows_are_told_in_words() -> None:
    assert told({"streams": 8, "hops": (2, 3), "trace": Not(**{"not": "paper_a"})}) == (
        "streams 8, hops 2 or 3, trace not paper_a"
    )


def test_lacks_are_sentences() -> None:
    assert set(LACKS) == {"drawing", "numbers"}
    assert all(len(each) > 30 and not each.endswith(".") for each in LACKS.values())


def test_a_table_can_be_combined_after_it_was_selected(results: Results) -> None:
    rows: dict[str, Any] = {"trace": Not(**{"not": "paper_a"})}
    part = select(results.table("a.csv"), rows, "a.csv")
    source = _cell(seeds="seeds")
    assert number(part, source, "sum", rows)[0] == 60.0
    assert seeds(source, part, results) == 5
    assert described(source, part, results) == "elb, goog (real)"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), min_size=1, max_size=8))
def test_every_trace_is_described_once_for_each_kind(rows: list[tuple[str, bool]]) -> None:
    part = pd.DataFrame(rows, columns=["trace", "real"])
    text = described(_cell(), part, Results(Path(), SETTINGS))
    assert ("(real)" in text) == bool(part["real"].any())
    assert ("(synthetic)" in text) == (not part["real"].all())
    assert text.count("; ") == (part["real"].nunique() - 1)
