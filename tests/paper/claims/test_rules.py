import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.paper.claims import rules
from edgeresearch.paper.claims.audit import CONTRADICTED, UNTESTABLE, VERDICTS
from edgeresearch.paper.claims.formulas import Check
from edgeresearch.paper.claims.models import RULES, Rule
from edgeresearch.paper.claims.rules import judge
from edgeresearch.paper.claims.sources import Finding, Outcome, Value
from edgeresearch.paper.verdicts_b import NOT, PARTLY, REPRODUCED

NAN = float("nan")
RANK = {NOT: 0, PARTLY: 1, REPRODUCED: 2}


def _rule(name: str, **more: Any) -> Rule:
    return Rule(name=name, **more)  # type: ignore[arg-type]


def _outcomes(*held: bool, apart: bool = False) -> Finding:
    return Finding(outcomes=tuple(Outcome(f"trace {at}", each, each and apart, "1, 2") for at, each in enumerate(held)))


@pytest.mark.parametrize(
    ("measured", "low", "high", "verdict"),
    [
        (26.0, 21.0, 31.0, REPRODUCED),
        (26.0, 20.9, 31.1, PARTLY),
        (26.0, NAN, NAN, REPRODUCED),
        (29.12, 29.0, 29.2, REPRODUCED),
        (29.2, 29.15, 29.3, PARTLY),
        (31.62, NAN, NAN, PARTLY),
        (31.7, 31.6, 31.8, NOT),
        (40.0, 29.0, 51.0, PARTLY),
        (12.0, 11.0, 24.12, PARTLY),
        (12.0, 11.0, 24.0, NOT),
    ],
)
def test_within_is_a_matter_of_the_tolerance(measured: float, low: float, high: float, verdict: str) -> None:
    found = judge(_rule("within", points=2.5), 26.62, Finding(values=(Value("", measured, low, high),)))
    assert found.verdict == verdict
    assert "off 26.62" in found.reason and found.reason.endswith("(tolerance 2.5)")


@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(0, 50), st.floats(0, 50), st.floats(0, 50))
def test_within_grows_with_the_tolerance_and_a_wide_interval_neither_proves_nor_disproves(
    measured: float, published: float, half: float, tolerance: float, more: float
) -> None:
    def verdict(width: float, allowed: float) -> int:
        value = Value("", measured, measured - width, measured + width)
        return RANK[rules.within(value, published, allowed)]

    base = verdict(half, tolerance)
    assert verdict(half, tolerance + more) >= base
    assert min(base, 1) <= verdict(half + more, tolerance) <= max(base, 1)
    known = half <= 2 * tolerance * (1 + 1e-9)
    assert base == 2 or not (known and abs(measured - published) <= tolerance)
    assert verdict(1000, tolerance) == (1 if tolerance < 499 else 2)


@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(0, 50), st.floats(0.01, 50))
def test_within_is_the_same_from_either_side(measured: float, published: float, half: float, tolerance: float) -> None:
    one = rules.within(Value("", measured, measured - half, measured + half), published, tolerance)
    two = rules.within(Value("", -measured, -measured - half, -measured + half), -published, tolerance)
    assert one == two


@pytest.mark.parametrize(
    ("more", "published", "expected"),
    [({"points": 2.5}, 80.0, 2.5), ({"percent": 10}, 12.5, 1.25), ({"percent": 10}, -12.5, 1.25),
     ({"rest_percent": 10}, 0.931, 0.0069), ({"points": "verdicts_b.HOP_POINTS"}, 31.13, 6.0)],
)  # fmt: skip
def test_tolerances_are_in_points_or_percent(more: dict[str, Any], published: float, expected: float) -> None:
    assert rules.tolerance(_rule("within", **more), published) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (Value("", 60.0, 55.0, 65.0), REPRODUCED),
        (Value("", 60.0, 45.0, 75.0), PARTLY),
        (Value("", 40.0, 30.0, 55.0), PARTLY),
        (Value("", 40.0, 30.0, 45.0), NOT),
        (Value("", 60.0), REPRODUCED),
        (Value("", 50.0), NOT),
    ],
)
def test_above_wants_the_whole_interval(value: Value, verdict: str) -> None:
    found = judge(_rule("above"), 50, Finding(values=(value,)))
    assert found.verdict == verdict
    assert found.reason.endswith("against more than 50")


@given(st.floats(-100, 100), st.floats(0, 50), st.floats(0, 50))
def test_above_never_falls_with_the_value(measured: float, half: float, more: float) -> None:
    low = RANK[rules.above(Value("", measured, measured - half, measured + half), 0)]
    high = RANK[rules.above(Value("", measured + more, measured + more - half, measured + more + half), 0)]
    assert high >= low


def test_below_has_its_own_bound() -> None:
    good, bad = Value("autoencoder", 6.6), Value("LSTM", 11.7)
    assert judge(_rule("below", bound=10), None, Finding(values=(good,))).verdict == REPRODUCED
    assert judge(_rule("below", bound=10), None, Finding(values=(bad,))).verdict == NOT
    both = judge(_rule("below", bound=10), "no number", Finding(values=(good, bad)))
    assert both.verdict == PARTLY
    assert both.reason == "autoencoder: 6.6; LSTM: 11.7; below 10 counts; reproduced under 1 of 2 readings"


def test_a_vague_number_is_said_to_be_one() -> None:
    found = judge(_rule("within", points=1), 10.0, Finding(values=(Value("", 10.2, 7.0, 13.0),)))
    assert (found.verdict, found.reason) == (PARTLY, "10.2 (7 to 13) is 0.2 off 10, too vague to tell (tolerance 1)")
    assert not rules.vague(Value("", 10.2), 0.0)
    assert rules.vague(Value("", 10.2, 10.1, 10.3), 0.0)


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [((10.0, 10.5), REPRODUCED), ((10.0, 99.0), PARTLY), ((11.5, 99.0), PARTLY), ((98.0, 99.0), NOT)],
)
def test_each_reading_is_judged(measured: tuple[float, ...], verdict: str) -> None:
    values = tuple(Value(f"reading {at}", each) for at, each in enumerate(measured))
    found = judge(_rule("within", points=1), 10.0, Finding(values=values))
    assert found.verdict == verdict
    assert "of 2 readings" in found.reason


@given(st.lists(st.sampled_from([NOT, PARTLY, REPRODUCED]), min_size=1, max_size=4))
def test_readings_together_are_neither_better_than_the_best_nor_worse_than_the_worst(verdicts: list[str]) -> None:
    ranks = [RANK[each] for each in verdicts]
    assert min(ranks) <= RANK[rules.together(verdicts)] <= max(ranks)


def test_cells_are_the_same_or_not() -> None:
    published = {"cores": 8, "memory": 16, "disk": 200}
    alike = judge(_rule("same"), published, Finding(cells={"cores": "8", "memory": "16", "disk": "200", "more": "1"}))
    assert (alike.verdict, alike.reason) == (REPRODUCED, "3 of 3 cells are alike")
    most = judge(_rule("same"), published, Finding(cells={"cores": "8", "memory": "16", "disk": "100"}))
    assert (most.verdict, most.reason) == (PARTLY, "2 of 3 cells are alike; disk: 100, not 200")
    few = judge(_rule("same"), published, Finding(cells={"cores": "8"}))
    assert few.verdict == NOT
    assert "memory: nothing, not 16" in few.reason
    assert judge(_rule("same"), None, Finding(cells={"a": "1"}, published={"a": "1"})).verdict == REPRODUCED


@pytest.mark.parametrize(
    ("finding", "verdict"),
    [
        (_outcomes(True, apart=True), REPRODUCED),
        (_outcomes(True), PARTLY),
        (_outcomes(False), NOT),
        (_outcomes(True, True, False, apart=True), PARTLY),
        (_outcomes(True, False, apart=True), NOT),
        (_outcomes(True, True, True, apart=True), REPRODUCED),
    ],
)
def test_an_order_wants_intervals_that_do_not_meet(finding: Finding, verdict: str) -> None:
    assert judge(_rule("order"), "rising", finding).verdict == verdict


def test_an_order_says_how_many_intervals_meet() -> None:
    mixed = Finding(outcomes=(Outcome("a", True, True, "1, 2"), Outcome("b", True, False, "3, 4")))
    found = judge(_rule("order"), None, mixed)
    assert found.verdict == PARTLY
    assert found.reason == "holds in 2 of 2: a (1, 2), b (3, 4); with intervals that do not meet: 1 of 2"
    assert judge(_rule("order"), None, _outcomes(False, False)).reason == (
        "holds in 0 of 2; not in trace 0 (1, 2), trace 1 (1, 2)"
    )


@pytest.mark.parametrize(
    ("held", "verdict"), [((True,) * 3, REPRODUCED), ((True, True, False), PARTLY), ((True, False), NOT)]
)
def test_every_wants_all(held: tuple[bool, ...], verdict: str) -> None:
    assert judge(_rule("every"), "real", _outcomes(*held)).verdict == verdict


@pytest.mark.parametrize(
    ("held", "lost", "verdict"),
    [(8, 0, REPRODUCED), (7, 1, REPRODUCED), (6, 2, PARTLY), (5, 3, PARTLY), (4, 4, NOT), (1, 7, NOT),
     (5, 0, REPRODUCED), (4, 0, PARTLY), (1, 0, PARTLY), (0, 1, NOT)],
)  # fmt: skip
def test_few_traces_are_no_proof(held: int, lost: int, verdict: str) -> None:
    assert judge(_rule("traces"), "lowest", _outcomes(*[True] * held, *[False] * lost)).verdict == verdict


def test_a_stricter_significance_wants_more_traces() -> None:
    assert judge(_rule("traces", alpha=0.01), "lowest", _outcomes(*[True] * 5)).verdict == PARTLY
    assert judge(_rule("traces", alpha=0.01), "lowest", _outcomes(*[True] * 7)).verdict == REPRODUCED


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_the_sign_test_counts_coins(held: list[bool]) -> None:
    finding = _outcomes(*held)
    count, total = sum(held), len(held)
    expected = sum(math.comb(total, each) for each in range(count, total + 1)) / 2**total
    assert rules.chance(finding.outcomes) == pytest.approx(expected)
    verdict = judge(_rule("traces"), "lowest", finding).verdict
    assert (verdict == REPRODUCED) == (expected < 0.05)
    assert (verdict == NOT) == (2 * count <= total)


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=8),
    st.sampled_from(["order", "every", "traces"]),
)
def test_one_more_place_that_holds_never_turns_a_claim_down(held: list[tuple[bool, bool]], name: str) -> None:
    outcomes = tuple(Outcome(str(at), one, one and two, "") for at, (one, two) in enumerate(held))
    before = judge(_rule(name), None, Finding(outcomes=outcomes)).verdict
    after = judge(_rule(name), None, Finding(outcomes=(*outcomes, Outcome("more", True, True, "")))).verdict
    assert RANK[after] >= RANK[before]


@pytest.mark.parametrize(("agrees", "verdict"), [(True, REPRODUCED), (False, CONTRADICTED)])
def test_a_paper_that_disagrees_with_itself_is_contradicted(agrees: bool, verdict: str) -> None:
    found = judge(_rule("consistent"), 32, Finding(check=Check(agrees, "11", "says so")))
    assert (found.verdict, found.reason) == (verdict, "says so")


@pytest.mark.parametrize("name", sorted(RULES))
def test_what_is_missing_cannot_be_tested_by_any_rule(name: str) -> None:
    more = {"within": {"points": 1}, "below": {"bound": 1}}.get(name, {})
    found = judge(_rule(name, **more), 1, Finding(missing="not in this profile: a has no rows"))
    assert (found.verdict, found.reason) == (UNTESTABLE, "not in this profile: a has no rows")


def test_every_rule_is_told_and_has_a_judge() -> None:
    assert set(rules._JUDGES) == set(RULES) - {"untestable"}
    assert rules.__doc__ is not None
    for name in RULES:
        assert f"\n- `{name}`" in rules.__doc__
    assert len(set(VERDICTS)) == 5


def test_places_are_named_as_far_as_they_have_names() -> None:
    assert rules._place(Outcome("a", True, True, "1")) == "a (1)"
    assert rules._place(Outcome("a", True, True, "")) == "a"
    assert rules._place(Outcome("", True, True, "1")) == "1"
