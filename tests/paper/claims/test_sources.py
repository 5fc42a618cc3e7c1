import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.errors import InputError
from edgeresearch.paper.claims.models import Claim, Order
from edgeresearch.paper.claims.results import Results
from edgeresearch.paper.claims.sources import Finding, _ordered, find
from edgeresearch.settings import parsed

SETTINGS: dict[str, Any] = {
    "elastic": {"traces": ["elb"], "clusters": {"edge": {"nodes": 9, "cores": 4}}, "share": 0.8},
    "los": {"repeats": 20, "testbed": None},
}
DROPS = pd.DataFrame(
    {
        "streams": [2, 4, 8] * 2,
        "policy": ["los"] * 3 + ["in_situ"] * 3,
        "drop_percent": [15.0, 25.0, 70.0, 100.0, 100.0, 100.0],
        "low": [12.0, 23.0, 69.0, 100.0, 100.0, 100.0],
        "high": [24.0, 27.0, 71.0, 100.0, 100.0, 100.0],
    }
)
SCORES = pd.DataFrame(
    {
        "trace": ["elb", "elb", "elb", "goog", "goog", "goog", "paper_a"],
        "real": [True] * 6 + [False],
        "model": ["lstm", "ridge", "forest"] * 2 + ["lstm"],
        "mse": [1.0, 2.0, 3.0, 5.0, 4.0, 6.0, 1.0],
        "low": [0.8, 1.1, 2.0, 4.0, 3.0, 5.0, 0.5],
        "high": [1.0, 3.0, 4.0, 6.0, 5.0, 7.0, 1.5],
        "seeds": [5, 1, 5, 5, 1, 5, 5],
    }
)
SERIES = pd.DataFrame({"trace": ["a", "b", "c"], "data": ["real", "generated", "synthetic"], "ratio": [0.5, 1.5, 0.1]})
TESTBED = pd.DataFrame({"Layer": ["Cloud", "Mine"], "vCPU": ["2", "1"], "published vCPU": ["2", None]})
EMULATED = {"seeds": "los.repeats", "data": "emulated"}
DROP = {"take": "cell", "table": "drops.csv", "value": "drop_percent", "interval": ["low", "high"], **EMULATED}
MSE = {"take": "order", "table": "scores.csv", "value": "mse", "interval": ["low", "high"], "seeds": "seeds"}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    for name, table in {"drops": DROPS, "scores": SCORES, "series": SERIES, "testbed": TESTBED}.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "a.json").write_text(json.dumps({"w": [128, 1], "last": [4, 32], "m": {"x": {"e": 7}, "y": {"e": 12}}}))
    return Results(tmp_path, SETTINGS)


def _found(source: dict[str, Any], results: Results, rule: str) -> Finding:
    rules: dict[str, dict[str, Any]] = {"within": {"points": 1}, "below": {"bound": 1}}
    entry = {
        **{"id": "A-X", "paper": "A", "where": "Table 2", "kind": "number", "claim": "So.", "published": 1.0},
        **{"source": source, "rule": {"name": rule, **rules.get(rule, {})}, "stage": "claims"},
    }
    return find(parsed(entry, Claim, "claims.yaml"), results)


def test_a_cell_is_a_number_with_interval_seeds_and_data(results: Results) -> None:
    found = _found({**DROP, "rows": {"policy": "los", "streams": 4}}, results, "within")
    (value,) = found.values
    assert (value.name, value.measured, value.low, value.high) == ("", 25.0, 23.0, 27.0)
    assert (found.seeds, found.data, found.missing) == (20, "emulated: Paper B, Table I", "")


def test_readings_are_numbers_side_by_side(results: Results) -> None:
    readings = {"few": {"streams": 2}, "many": {"streams": 8}}
    found = _found({**DROP, "rows": {"policy": "los"}, "readings": readings}, results, "within")
    assert [(each.name, each.measured) for each in found.values] == [("few", 15.0), ("many", 70.0)]


def test_a_difference_has_the_widest_interval(results: Results) -> None:
    rows = {"policy": "los", "streams": 8}
    found = _found({**DROP, "rows": rows, "minus": {"streams": 4}}, results, "within")
    (value,) = found.values
    assert (value.measured, value.low, value.high) == (45.0, 42.0, 48.0)


def test_rows_can_be_combined_and_derived(results: Results) -> None:
    source = {**DROP, "rows": {"policy": "los"}, "combine": "max", "value": "executed_percent"}
    source["interval"] = ["executed_low", "executed_high"]
    (value,) = _found(source, results, "within").values
    assert value.measured == 85.0
    assert (value.low, value.high) == (76.0, 88.0)


def test_what_a_profile_lacks_is_said(results: Results) -> None:
    found = _found({**DROP, "rows": {"policy": "los", "streams": 10}}, results, "within")
    assert found.missing == "not in this profile: drops.csv has no rows with policy los, streams 10"
    assert found.values == ()
    source = {"take": "cell", "table": "data/processed/elastic/paper_a.parquet", "value": "cpu", "data": "service"}
    assert _found(source, results, "within").missing == "not in this profile: paper_a is not among elastic.traces"


def test_faults_name_the_claim(results: Results) -> None:
    with pytest.raises(InputError, match=r"^claim A-X: cannot read .*none\.csv"):
        _found({**DROP, "table": "none.csv"}, results, "within")
    with pytest.raises(InputError, match="^claim A-X: drops.csv has no column 'drop'"):
        _found({**DROP, "value": "drop"}, results, "within")
    with pytest.raises(InputError, match="^claim A-X: drops.csv has 3 rows with policy los"):
        _found({**DROP, "rows": {"policy": "los"}}, results, "within")


def test_an_order_is_judged_in_each_place(results: Results) -> None:
    source = {**MSE, "rows": {"trace": {"not": "paper_a"}}, "each": "trace"}
    found = _found({**source, "sequence": [{"model": "lstm"}, {"model": "ridge"}]}, results, "traces")
    assert [(each.name, each.holds, each.apart) for each in found.outcomes] == [
        ("elb", True, True),
        ("goog", False, False),
    ]
    assert found.outcomes[0].shown == "1, 2"
    assert (found.seeds, found.data) == (5, "elb, goog (real)")


def test_a_chain_is_more_than_a_first_place(results: Results) -> None:
    models = [{"model": "lstm"}, {"model": "forest"}, {"model": "ridge"}]
    source = {**MSE, "rows": {"trace": "elb"}, "sequence": models}
    (chain,) = _found(source, results, "order").outcomes
    (first,) = _found({**source, "first": True}, results, "order").outcomes
    assert (chain.name, chain.holds, first.holds, first.apart) == ("", False, True, True)
    assert first.shown == "1 against 2"


def test_descending_turns_it_round(results: Results) -> None:
    models = [{"model": "forest"}, {"model": "ridge"}, {"model": "lstm"}]
    source = {**MSE, "rows": {"trace": "elb"}, "sequence": models, "descending": True}
    (chain,) = _found(source, results, "order").outcomes
    assert (chain.holds, chain.apart) == (True, False)  # the intervals of the first two meet
    (first,) = _found({**source, "first": True}, results, "order").outcomes
    assert first.shown == "3 against 2"


def test_places_that_lack_a_number_are_left_out_and_none_is_absent(results: Results) -> None:
    source = {**MSE, "each": "trace", "sequence": [{"model": "lstm"}, {"model": "ridge"}]}
    assert [each.name for each in _found(source, results, "traces").outcomes] == ["elb", "goog"]
    found = _found({**source, "rows": {"trace": "paper_a"}}, results, "traces")
    assert found.missing == "not in this profile: scores.csv has no rows with model ridge"


def test_places_other_than_traces_say_what_they_are(results: Results) -> None:
    source = {**DROP, "take": "order", "each": "streams", "sequence": [{"policy": "los"}, {"policy": "in_situ"}]}
    found = _found(source, results, "order")
    assert [each.name for each in found.outcomes] == ["streams 2", "streams 4", "streams 8"]
    assert all(each.apart for each in found.outcomes)


Numbers = st.tuples(st.integers(-50, 50), st.integers(0, 20)).map(
    lambda at: (float(at[0]), float(at[0] - at[1]), float(at[0] + at[1]))
)


@given(st.lists(Numbers, min_size=2, max_size=5), st.booleans())
def test_apart_is_more_than_holding_and_both_turn_with_the_sign(
    numbers: list[tuple[float, float, float]], first: bool
) -> None:
    common: dict[str, Any] = {"take": "order", "table": "a", "value": "x", "sequence": ({}, {}), "first": first}
    up = _ordered("", numbers, Order(**common))
    turned = [(-mean, -high, -low) for mean, low, high in numbers]
    down = _ordered("", turned, Order(**common, descending=True))
    assert (up.holds, up.apart) == (down.holds, down.apart)
    assert up.holds or not up.apart
    chain = _ordered("", numbers, Order(**{**common, "first": False}))
    assert up.holds or not chain.holds


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=5))
def test_without_intervals_nothing_is_apart(means: list[float]) -> None:
    numbers = [(mean, float("nan"), float("nan")) for mean in means]
    outcome = _ordered("", numbers, Order(take="order", table="a", value="x", sequence=({}, {})))
    assert not outcome.apart
    assert outcome.holds == all(one < two for one, two in zip(means, means[1:], strict=False))


@pytest.mark.parametrize(
    ("test", "held"),
    [({"value": "data", "equals": "real"}, [True, False, False]),
     ({"value": "ratio", "above": 0.3}, [True, True, False]),
     ({"value": "ratio", "below": 0.3}, [False, False, True])],
)  # fmt: skip
def test_rows_are_counted(results: Results, test: dict[str, Any], held: list[bool]) -> None:
    found = _found(
        {"take": "count", "table": "series.csv", "each": "trace", "data": "series", **test}, results, "every"
    )
    assert [each.holds for each in found.outcomes] == held
    assert found.data == "a (real); b (generated); c (synthetic)"
    assert found.outcomes[0].shown == ("real" if test["value"] == "data" else "0.5")


def test_stand_ins_do_not_count_where_data_must_be_measured(results: Results) -> None:
    source = {"take": "count", "table": "series.csv", "each": "trace", "value": "data", "equals": "real",
              "real": True, "data": "series"}  # fmt: skip
    assert [each.name for each in _found(source, results, "every").outcomes] == ["a", "b"]
    found = _found({**source, "rows": {"trace": "c"}}, results, "every")
    assert found.missing == "not in this profile: there are synthetic stand-ins alone, no real data"


def test_yes_and_no_are_not_repeated_as_numbers(tmp_path: Path) -> None:
    pd.DataFrame({"trace": ["a"], "real": [True], "best": [True]}).to_csv(tmp_path / "a.csv", index=False)
    source = {"take": "count", "table": "a.csv", "each": "trace", "value": "best", "equals": True}
    (outcome,) = _found(source, Results(tmp_path, SETTINGS), "every").outcomes
    assert (outcome.holds, outcome.shown) == (True, "")


def test_cells_stand_beside_published_ones(results: Results) -> None:
    source = {"take": "pairs", "table": "testbed.csv", "columns": ["vCPU"]}
    found = _found({**source, "rows": {"Layer": "Cloud"}}, results, "same")
    assert (found.cells, found.published) == ({"vCPU": "2"}, {"vCPU": "2"})  # a column of floats, for one is missing
    lacking = _found({**source, "rows": {"Layer": "Mine"}}, results, "same")
    assert lacking.missing == "not in this profile: testbed.csv has no published value for Layer Mine"


def test_json_gives_a_number_or_a_ratio(results: Results) -> None:
    source: dict[str, Any] = {"take": "json", "file": "a.json", "data": "module"}
    found = _found({**source, "at": ["w", 0], "over": ["last", 1]}, results, "within")
    assert [each.measured for each in found.values] == [4.0]
    assert found.data == "the network that is trained"
    readings = {"one": ["m", "x"], "two": ["m", "y"]}
    found = _found({**source, "at": ["e"], "readings": readings, "data": "trainings"}, results, "below")
    assert [(each.name, each.measured) for each in found.values] == [("one", 7.0), ("two", 12.0)]
    for wrong in (["w", 5], ["none"], ["w", 0, "x"]):
        with pytest.raises(InputError, match=r"claim A-X: a\.json has nothing at "):
            _found({**source, "at": wrong}, results, "within")


def test_settings_are_cells_or_a_number(results: Results) -> None:
    found = _found({"take": "setting", "key": "elastic.clusters.edge"}, results, "same")
    assert (found.cells, found.data) == ({"nodes": "9", "cores": "4"}, "settings")
    found = _found({"take": "setting", "key": "elastic.share"}, results, "within")
    assert [each.measured for each in found.values] == [0.8]
    with pytest.raises(InputError, match="claim A-X: there is no setting elastic.chair"):
        _found({"take": "setting", "key": "elastic.chair"}, results, "within")


def test_the_papers_own_numbers_are_filled_in(results: Results) -> None:
    given_ = {"factors": [26, 55], "stated": "paper_b.TRAININGS"}
    found = _found({"take": "paper", "formula": "product", "given": given_}, results, "consistent")
    assert found.check is not None
    assert found.check.agrees
    assert found.data == "the paper's own numbers"


def test_no_source_has_a_reason(results: Results) -> None:
    found = _found({"take": "nothing", "lacks": "drawing"}, results, "untestable")
    assert found.missing.startswith("a drawing states nothing")
