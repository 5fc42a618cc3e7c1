"""The records of both papers' claims: complete, and with no verdict in them."""

import re
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edgeresearch.papers.claims import records_a, records_b, rules
from edgeresearch.papers.claims.audit import COLUMNS, RECORDS
from edgeresearch.papers.claims.measures import Cell, Claim, Count, Known, Order, Results
from edgeresearch.papers.claims.records_b import fit_of_streams, fit_of_target
from edgeresearch.papers.claims.rules import CONTRADICTED, FITTED, HELD_OUT, NOT, RELATIONS, UNTESTABLE, Fit
from edgeresearch.papers.paper_a import published as paper_a
from edgeresearch.papers.paper_b import published as paper_b

BY_ID = {each.id: each for each in RECORDS}


def _rule(claim: Claim) -> Any:
    return claim.rule.func if isinstance(claim.rule, partial) else claim.rule


def test_ids_and_sentences_are_unique() -> None:
    assert len(BY_ID) == len(RECORDS) >= 120
    assert len({each.claim + each.where for each in RECORDS}) == len(RECORDS)


@pytest.mark.parametrize("claim", RECORDS, ids=lambda claim: claim.id)
def test_every_record_is_complete(claim: Claim) -> None:
    assert re.fullmatch(rf"{claim.paper}(-[A-Z0-9]+)+", claim.id) and claim.paper in "AB"
    assert claim.kind in ("number", "ranking", "statement", "contradiction")
    assert claim.where and claim.stage and claim.claim.endswith(".") and not claim.caveat.endswith(".")
    assert not claim.figure or claim.figure.startswith("reports/figures/")
    if isinstance(claim.fit, Fit):
        assert claim.fit.relation in RELATIONS and claim.fit.why
    if claim.kind == "contradiction":
        assert claim.rule is rules.consistent
    judged_by = {
        rules.within: isinstance(claim.published, int | float),
        rules.above: isinstance(claim.published, int | float),
        rules.same: isinstance(claim.published, dict),
        rules.ranked: isinstance(claim.measure, Order),
        rules.everywhere: isinstance(claim.measure, Order | Count),
        rules.on_traces: isinstance(claim.measure, Order | Count),
        rules.consistent: isinstance(claim.measure, Known) and not claim.measure.evidence.missing,
        rules.untestable: isinstance(claim.measure, Known) and bool(claim.measure.evidence.missing),
    }
    assert judged_by.get(_rule(claim), True)


def test_no_verdict_is_written_by_hand() -> None:
    assert not {"verdict", "reason", "measured"} & {each.name for each in fields(Claim)}
    for module in (records_a, records_b):
        text = Path(str(module.__file__)).read_text(encoding="utf-8")
        assert not any(f'"{word}"' in text for word in (CONTRADICTED, UNTESTABLE, NOT))
        assert "Judgement" not in text


def test_every_rule_is_used_and_explained() -> None:
    used = {_rule(each) for each in RECORDS}
    assert {each.__name__ for each in used} == {
        "within", "above", "below", "same", "ranked", "everywhere", "on_traces", "consistent", "untestable"
    }  # fmt: skip
    for each in used:
        assert each.__doc__.startswith("Judge ")


def _published(start: str) -> list[Any]:
    return [each.published for each in RECORDS if each.id.startswith(start) and _rule(each) is rules.within]


def test_every_number_of_the_tables_and_figures_is_a_claim() -> None:
    rows = paper_a.TABLE_2.values()
    assert _published("A-T2-")[:15] == [number for row in rows for number in (row.mse, row.mae, row.r2)]
    assert _published("A-T3-")[:9] == [cell for cells in paper_a.TABLE_3.values() for cell in cells.values()]
    assert _published("B-F6-") == list(paper_b.HOPS_PERCENT.values())
    assert _published("B-F7-")[:6] == [*paper_b.DROP_PERCENT.values(), paper_b.IN_SITU_DROP_PERCENT]
    assert BY_ID["A-T2-TAILS"].published == pytest.approx(0.268926, abs=1e-6)
    assert [BY_ID[f"B-CON-{name}"].published for name in ("LEAST", "MOST")] == pytest.approx([21.74, 73.38])


def test_a_tolerance_is_a_tenth_of_an_error_or_of_what_r2_leaves() -> None:
    found = {name: BY_ID[f"A-T2-RF-{name}"].rule.keywords["points"] for name in ("MSE", "MAE", "R2")}  # type: ignore[attr-defined]
    assert found == pytest.approx({"MSE": 1.25, "MAE": 0.095, "R2": 0.0075})


def test_no_claim_on_traces_counts_the_stand_in_or_twitter_twice() -> None:
    on_traces = [each.measure for each in RECORDS if _rule(each) is rules.on_traces]
    assert len(on_traces) > 20
    for measure in on_traces:
        assert isinstance(measure, Order | Count)
        assert measure.rows["trace"].values == ("paper_a", "twitter_minute")


CHECKS = {
    "A-REF": (False, "Figure 1, Figure 2, Figure 3, Table 1, Table 2"),
    "A-T2-TEXT-BEST": (False, "0.85"),
    "A-T2-TEXT-XGBOOST": (False, "LSTM 0.9, XGBoost 0.85"),
    "A-T2-TEXT-LOW": (False, "random forest 0.95, ridge regression 1.05, LSTM 0.9"),
    "A-T2-VARIANCE": (False, "107 to 167"),
    "A-T3-TEXT-CELL": (False, "3.2"),
    "B-F5-PRODUCT": (True, "1430"),
    "B-F5-INVERSE": (True, "38.5"),
    "B-F5-STEPS": (False, "11"),
    "B-F5-EQ3": (False, "0"),
    "B-F5-JOBS": (False, "5.2"),
    "B-F5-85": (False, "796 free"),
    "B-F7-HALF": (True, "60"),
    "B-VIC-HOURS": (True, "100"),
    "B-VIC-RATE": (False, "3.3 to 13.3"),
    "B-VIC-3800": (False, "7,200 to 12,000"),
    "B-CON-RANGE": (False, "21.74 to 85.63"),
}


def test_arithmetic_over_the_papers_own_numbers() -> None:
    known = {each.id: each.measure.evidence for each in RECORDS if isinstance(each.measure, Known)}
    known = {name: each for name, each in known.items() if not each.missing}
    for name, expected in CHECKS.items():
        assert (known[name].cases[0].holds, known[name].follows) == expected, name
    places = {"A-T3-STRATEGY", "A-T3-CAPTION", "B-ALG1", "B-F5-DIRECTION", "B-F5-RULES"}
    assert set(known) == {*CHECKS, *places}
    for name, each in known.items():
        assert each.cases[0].numbers and not each.cases[0].numbers.endswith("."), name
        assert name not in places or not each.cases[0].holds


@pytest.mark.parametrize(
    ("fit", "relation", "why"),
    [
        (fit_of_streams(2), FITTED, "settings are fitted on 2, 6 streams"),
        (fit_of_streams(4), HELD_OUT, "settings are fitted on 2, 6 streams"),
        (fit_of_target("limit_32"), FITTED, "settings were searched that bring limit_32 close to the paper's"),
        (fit_of_target("residual"), FITTED, "residual_1, residual_45"),
        (fit_of_target("hops_8_3"), HELD_OUT, "hops_8_3 is not among"),
        (fit_of_target("hops_1"), HELD_OUT, "hops_1 is not among"),
    ],
)
def test_whether_a_value_was_fitted_follows_from_the_settings(fit: Any, relation: str, why: str) -> None:
    found = fit if isinstance(fit, Fit) else fit(Results(Path(), {"los": {"fitted": [2, 6]}}))
    assert found.relation == relation and why in found.why


def test_columns_of_the_audit_come_from_records_and_evidence() -> None:
    assert len(set(COLUMNS)) == len(COLUMNS)
    assert {each.name for each in fields(Claim)} - set(COLUMNS) == {"measure", "rule", "fit", "caveat"}
    assert isinstance(BY_ID["B-F7-04"].measure, Cell)
