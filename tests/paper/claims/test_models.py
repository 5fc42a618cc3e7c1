import copy
from typing import Any, get_args

import pytest

from edgeresearch.errors import InputError
from edgeresearch.paper.claims.models import RULES, Cell, Claim, Count, Fit, Json, Not, Order, Rule
from edgeresearch.settings import parsed

ENTRY: dict[str, Any] = {
    "id": "B-F7-04",
    "paper": "B",
    "where": "Fig. 7",
    "kind": "number",
    "claim": "With 4 streams, LOS drops this share of the trainings.",
    "published": 26.62,
    "unit": "%",
    "source": {"take": "cell", "table": "a.csv", "rows": {"streams": 4}, "value": "drop_percent"},
    "rule": {"name": "within", "points": 2.5},
    "stage": "tables-los",
}


def _parsed(**changes: Any) -> Claim:
    entry = copy.deepcopy(ENTRY)
    for key, value in changes.items():
        if value is None:
            entry.pop(key)
        else:
            entry[key] = value
    return parsed(entry, Claim, f"claims.yaml, claim {entry.get('id')}")


def test_an_entry_becomes_a_claim() -> None:
    claim = _parsed()
    assert isinstance(claim.source, Cell)
    assert claim.source.rows == {"streams": 4}
    assert (claim.figure, claim.notebook, claim.caveat, claim.fit) == (None, None, "", None)


def test_rows_take_one_value_several_or_all_but_one() -> None:
    rows = {"streams": [2, 4], "trace": {"not": "paper_a"}, "real": True}
    claim = _parsed(source={**ENTRY["source"], "rows": rows})
    assert isinstance(claim.source, Cell)
    assert claim.source.rows["streams"] == (2, 4)
    assert claim.source.rows["real"] is True
    assert isinstance(claim.source.rows["trace"], Not)
    assert claim.source.rows["trace"].other == "paper_a"


def test_there_is_no_field_for_a_verdict() -> None:
    with pytest.raises(InputError, match=r"claims\.yaml, claim B-F7-04: unknown key verdict"):
        _parsed(verdict="reproduced")
    assert not {"verdict", "reason", "measured"} & set(Claim.model_fields)


@pytest.mark.parametrize("key", ["id", "paper", "where", "kind", "claim", "source", "rule", "stage"])
def test_what_a_claim_must_have(key: str) -> None:
    with pytest.raises(InputError, match=rf"claim .*: .*{key}"):
        _parsed(**{key: None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "C-1"}, "id is 'C-1'"),
        ({"id": "B-f7"}, "id is 'B-f7'"),
        ({"id": "A-F7-04"}, "the id must start with B-"),
        ({"paper": "C"}, "paper is 'C'"),
        ({"kind": "guess"}, "kind is 'guess'"),
        ({"published": None}, "the rule within needs a published value"),
        ({"source": {"take": "luck"}}, "source is"),
        ({"source": {**ENTRY["source"], "tabel": 1}}, r"source\.cell\.tabel is 1"),
        ({"source": {**ENTRY["source"], "combine": "median"}}, r"source\.cell\.combine is 'median'"),
        ({"source": {"take": "nothing", "lacks": "drawing"}}, "the rule within judges cell, json, setting"),
        ({"rule": {"name": "luck"}}, r"rule\.name is 'luck'"),
        ({"rule": {"name": "within"}}, "within takes one of points, percent, rest_percent"),
        ({"rule": {"name": "within", "points": 1, "percent": 2}}, "within takes one of"),
        ({"rule": {"name": "above", "points": 1}}, "and no other rule does"),
        ({"rule": {"name": "below"}}, "below takes a bound"),
        ({"rule": {"name": "above", "bound": 1}}, "below takes a bound"),
        ({"rule": {"name": "order"}}, "the rule order judges order"),
        ({"kind": "contradiction"}, "a contradiction is judged by the rule consistent"),
        ({"fit": {}}, "say one of streams, target"),
        ({"fit": {"streams": 2, "set": "so"}}, "say one of streams, target"),
        ({"fit": {"target": "luck_2"}}, r"fit\.target is 'luck_2'"),
    ],
)
def test_a_wrong_entry_is_one_line_with_its_place(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"^claims\.yaml, claim [^:]+: .*{message}") as caught:
        _parsed(**changes)
    assert "\n" not in str(caught.value)


def test_a_count_asks_one_thing() -> None:
    source = {"take": "count", "table": "a.csv", "each": "trace", "value": "ratio"}
    rule = {"name": "traces"}
    for good in ({"equals": True}, {"equals": "real"}, {"above": 0.1}, {"below": 1}):
        claim = _parsed(source={**source, **good}, rule=rule)
        assert isinstance(claim.source, Count)
    for bad in ({}, {"above": 0.1, "below": 1}):
        with pytest.raises(InputError, match="say one of equals, above, below"):
            _parsed(source={**source, **bad}, rule=rule)


def test_an_order_needs_two() -> None:
    source = {"take": "order", "table": "a.csv", "value": "mse", "sequence": [{"model": "a"}, {"model": "b"}]}
    claim = _parsed(source=source, rule={"name": "order"})
    assert isinstance(claim.source, Order)
    assert not claim.source.first
    with pytest.raises(InputError, match="sequence"):
        _parsed(source={**source, "sequence": [{"model": "a"}]}, rule={"name": "order"})


def test_keys_in_json_are_names_and_positions() -> None:
    source = {"take": "json", "file": "a.json", "at": ["weights", "lstm.weight", 0], "data": "module"}
    claim = _parsed(source=source)
    assert isinstance(claim.source, Json)
    assert claim.source.at == ("weights", "lstm.weight", 0)


def test_every_rule_that_can_be_named_knows_its_sources() -> None:
    named = Rule.model_fields["name"].annotation
    assert named is not None
    assert set(RULES) == set(get_args(named))
    takes = {each.model_fields["take"].default for each in (Cell, Order, Count)}
    assert takes  # sources have no default kind: it must be said
    known = {"cell", "order", "count", "pairs", "json", "setting", "paper", "nothing"}
    assert {take for takes in RULES.values() for take in takes} == known


def test_claims_are_frozen() -> None:
    claim = _parsed()
    with pytest.raises(ValueError, match="frozen"):
        claim.published = 1
    assert Fit(streams=4).model_fields_set == {"streams"}


SELECTION = {"table": "a.csv", "value": "x"}
SOURCES: dict[str, dict[str, Any]] = {
    "cell": {"take": "cell", **SELECTION},
    "order": {"take": "order", **SELECTION, "sequence": [{"a": 1}, {"a": 2}]},
    "count": {"take": "count", **SELECTION, "each": "trace", "above": 0},
    "pairs": {"take": "pairs", "table": "a.csv", "rows": {"Layer": "Edge"}, "columns": ["vCPU"]},
    "json": {"take": "json", "file": "a.json", "at": ["a"], "data": "module"},
    "setting": {"take": "setting", "key": "elastic.share"},
    "paper": {"take": "paper", "formula": "product", "given": {"factors": [2, 3], "stated": 6}},
    "nothing": {"take": "nothing", "lacks": "drawing"},
}
NUMBERS: dict[str, dict[str, Any]] = {"within": {"points": 1}, "below": {"bound": 10}}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("take", SOURCES)
def test_a_rule_judges_its_sources_and_no_other(rule: str, take: str) -> None:
    changes = {"source": SOURCES[take], "rule": {"name": rule, **NUMBERS.get(rule, {})}}
    if take in RULES[rule]:
        claim = _parsed(**changes)
        assert (claim.source.take, claim.rule.name) == (take, rule)
    else:
        with pytest.raises(InputError, match=f"the rule {rule} judges {', '.join(RULES[rule])}$"):
            _parsed(**changes)


@pytest.mark.parametrize("take", SOURCES)
def test_a_source_refuses_what_it_does_not_know(take: str) -> None:
    rule = next(name for name, takes in RULES.items() if take in takes)
    more = {"source": {**SOURCES[take], "luck": 7}, "rule": {"name": rule, **NUMBERS.get(rule, {})}}
    with pytest.raises(InputError, match=rf"source\.{take}\.luck is 7; extra inputs are not permitted"):
        _parsed(**more)


@pytest.mark.parametrize("take", SOURCES)
def test_a_source_refuses_to_lack_something(take: str) -> None:
    rule = next(name for name, takes in RULES.items() if take in takes)
    optional = {"given", "above"}
    for key in set(SOURCES[take]) - {"take"} - optional:
        source = {name: each for name, each in SOURCES[take].items() if name != key}
        with pytest.raises(InputError, match=rf"source\.{take}\.{key}"):
            _parsed(source=source, rule={"name": rule, **NUMBERS.get(rule, {})})


@pytest.mark.parametrize("key", ["streams", "target", "fitted", "held_out", "set"])
def test_a_fit_says_one_thing(key: str) -> None:
    values: dict[str, Any] = {"streams": 4, "target": "hops_8_3", "fitted": "so", "held_out": "so", "set": "so"}
    claim = _parsed(fit={key: values[key]})
    assert claim.fit is not None
    assert claim.fit.model_fields_set == {key}
    other = next(name for name in values if name != key)
    with pytest.raises(InputError, match="say one of streams, target, fitted, held_out, set"):
        _parsed(fit={key: values[key], other: values[other]})


@pytest.mark.parametrize("target", ["drop_4", "hops_8_3", "limit_32", "plateau", "residual", "residual_45"])
def test_targets_are_those_of_the_search(target: str) -> None:
    assert Fit(target=target).target == target


@pytest.mark.parametrize("target", ["drops_4", "hops-8", "plateau_", "level", "", "limit_x"])
def test_other_targets_are_slips(target: str) -> None:
    with pytest.raises(ValueError, match="should match pattern"):
        Fit(target=target)


@pytest.mark.parametrize("points", [2.5, 3, "verdicts_b.HOP_POINTS"])
def test_tolerances_are_numbers_or_names(points: float | str) -> None:
    assert Rule(name="within", points=points).points == points


def test_the_significance_has_a_default_and_can_be_changed() -> None:
    assert Rule(name="traces").alpha == 0.05
    source = SOURCES["order"]
    assert _parsed(source=source, rule={"name": "traces", "alpha": 0.01}).rule.alpha == 0.01


@pytest.mark.parametrize("data", ["traces", "emulated", "service", "series"])
def test_what_tables_are_measured_on_is_one_of_a_few(data: str) -> None:
    claim = _parsed(source={**SOURCES["cell"], "data": data})
    assert isinstance(claim.source, Cell)
    assert claim.source.data == data
    with pytest.raises(InputError, match=r"source\.cell\.data is 'measured'"):
        _parsed(source={**SOURCES["cell"], "data": "measured"})


def test_published_values_are_numbers_words_or_cells() -> None:
    for published in (26.62, "paper_b.DROP_PERCENT.4", "lowest"):
        assert _parsed(published=published).published == published
    cells = {"cores": 8, "memory": "16 GB"}
    claim = _parsed(published=cells, source=SOURCES["setting"], rule={"name": "same"})
    assert claim.published == cells
    with pytest.raises(InputError, match="published"):
        _parsed(published=[1, 2])


@pytest.mark.parametrize("name", ["A-T2-RF-MSE", "A-3-SHARE", "B-F7-04", "B-F6-02-1", "B-EQ1"])
def test_ids_start_with_their_paper(name: str) -> None:
    assert _parsed(id=name, paper=name[0]).id == name
    other = "B" if name[0] == "A" else "A"
    with pytest.raises(InputError, match=f"the id must start with {other}-"):
        _parsed(id=name, paper=other)


def test_contradictions_are_judged_by_the_papers_own_numbers() -> None:
    claim = _parsed(kind="contradiction", source=SOURCES["paper"], rule={"name": "consistent"})
    assert claim.kind == "contradiction"
    agreeing = _parsed(kind="number", source=SOURCES["paper"], rule={"name": "consistent"})
    assert agreeing.kind == "number"  # arithmetic can also hold


def test_an_interval_has_two_ends() -> None:
    claim = _parsed(source={**SOURCES["cell"], "interval": ["low", "high"]})
    assert isinstance(claim.source, Cell)
    assert claim.source.interval == ("low", "high")
    for wrong in (["low"], ["low", "mid", "high"], "low"):
        with pytest.raises(InputError, match="interval"):
            _parsed(source={**SOURCES["cell"], "interval": wrong})
