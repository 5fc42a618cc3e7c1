"""The rules: from a published value and evidence to a verdict and its reason."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from edgeresearch.papers.claims import rules
from edgeresearch.papers.claims.rules import (
    CONTRADICTED,
    NAN,
    NOT,
    PARTLY,
    REPRODUCED,
    UNTESTABLE,
    Case,
    Evidence,
    Reading,
    Rule,
    judge,
    judge_distance,
)

RANK = {NOT: 0, PARTLY: 1, REPRODUCED: 2}
FINITE = st.floats(-100, 100)
WIDTH = st.floats(0, 50)


def readings(*values: tuple[float, ...]) -> Evidence:
    return Evidence(readings=tuple(Reading(f"reading {at}" if at else "", *each) for at, each in enumerate(values)))


def cases(*held: bool, separated: bool = False) -> Evidence:
    return Evidence(cases=tuple(Case(f"trace {at}", each, each and separated, "1, 2") for at, each in enumerate(held)))


@pytest.mark.parametrize(
    ("measured", "low", "high", "verdict"),
    [
        (26.0, 21.0, 31.0, REPRODUCED),
        (26.0, 20.9, 31.1, PARTLY),  # too vague
        (26.0, NAN, NAN, REPRODUCED),
        (29.12, 29.0, 29.2, REPRODUCED),
        (29.2, 29.15, 29.3, PARTLY),
        (31.62, NAN, NAN, PARTLY),  # within twice the tolerance
        (31.7, 31.6, 31.8, NOT),
        (40.0, 29.0, 51.0, PARTLY),
        (12.0, 11.0, 24.12, PARTLY),  # the interval reaches into the tolerance
        (12.0, 11.0, 24.0, NOT),
    ],
)
def test_within_is_a_matter_of_the_tolerance(measured: float, low: float, high: float, verdict: str) -> None:
    found = judge(partial(rules.within, points=2.5), readings((measured, low, high)), 26.62)
    assert found.verdict == verdict
    assert "off 26.62" in found.reason and found.reason.endswith("(tolerance 2.5)")


@given(FINITE, FINITE, WIDTH, WIDTH, WIDTH)
def test_a_wide_interval_neither_proves_nor_disproves(
    measured: float, published: float, half: float, tolerance: float, more: float
) -> None:
    def verdict(width: float, allowed: float) -> int:
        return RANK[judge_distance(Reading("", measured, measured - width, measured + width), published, allowed)]

    base = verdict(half, tolerance)
    assert verdict(half, tolerance + more) >= base
    assert min(base, 1) <= verdict(half + more, tolerance) <= max(base, 1)
    assert verdict(1000, tolerance) == 1
    assert base == 2 or not (half <= 2 * tolerance and abs(measured - published) <= tolerance)


@given(FINITE, FINITE, WIDTH, st.floats(0.01, 50))
def test_within_is_the_same_from_either_side(measured: float, published: float, half: float, tolerance: float) -> None:
    one = judge_distance(Reading("", measured, measured - half, measured + half), published, tolerance)
    two = judge_distance(Reading("", -measured, -measured - half, -measured + half), -published, tolerance)
    assert one == two


def test_a_vague_number_is_called_one() -> None:
    found = judge(partial(rules.within, points=1), readings((10.2, 7.0, 13.0)), 10.0)
    assert (found.verdict, found.reason) == (PARTLY, "10.2 (7 to 13) is 0.2 off 10, too vague to tell (tolerance 1)")


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        ((60.0, 55.0, 65.0), REPRODUCED),
        ((60.0, 45.0, 75.0), PARTLY),
        ((40.0, 30.0, 55.0), PARTLY),
        ((40.0, 30.0, 45.0), NOT),
        ((60.0,), REPRODUCED),
        ((50.0,), NOT),
    ],
)
def test_above_wants_the_whole_interval(value: tuple[float, ...], verdict: str) -> None:
    found = judge(rules.above, readings(value), 50)
    assert found.verdict == verdict
    assert found.reason.endswith("against more than 50")


@given(FINITE, WIDTH, WIDTH)
def test_above_never_falls_with_the_value(measured: float, half: float, more: float) -> None:
    low, high = (
        RANK[judge(rules.above, readings((each, each - half, each + half)), 0).verdict]
        for each in (measured, measured + more)
    )
    assert high >= low


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [((10.0, 10.5), REPRODUCED), ((10.0, 99.0), PARTLY), ((11.5, 99.0), PARTLY), ((98.0, 99.0), NOT)],
)
def test_each_reading_of_the_paper_is_judged(measured: tuple[float, ...], verdict: str) -> None:
    found = judge(partial(rules.within, points=1), readings(*((each,) for each in measured)), 10.0)
    assert found.verdict == verdict
    assert "of 2 readings" in found.reason


def test_below_has_its_own_bound() -> None:
    rule: Rule = partial(rules.below, bound=10)
    assert [judge(rule, readings((each,)), None).verdict for each in (6.6, 11.7)] == [REPRODUCED, NOT]
    both = judge(rule, readings((6.6,), (11.7,)), "no number")
    assert (both.verdict, both.reason) == (
        PARTLY, "6.6; reading 1: 11.7; below 10 counts; reproduced under 1 of 2 readings"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "verdict", "reason"),
    [
        ({"cores": "8", "memory": "16", "disk": "200", "more": "1"}, REPRODUCED, "3 of 3 cells are alike"),
        ({"cores": "8", "memory": "16", "disk": "100"}, PARTLY, "2 of 3 cells are alike; disk: 100, not 200"),
        ({"cores": "8"}, NOT, "1 of 3 cells are alike; memory: nothing, not 16; disk: nothing, not 200"),
    ],
)
def test_cells_are_the_same_or_not(cells: dict[str, str], verdict: str, reason: str) -> None:
    found = judge(rules.same, Evidence(cells=cells), {"cores": 8, "memory": 16.0, "disk": "200"})
    assert (found.verdict, found.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (cases(True, separated=True), REPRODUCED),
        (cases(True), PARTLY),
        (cases(False), NOT),
        (cases(True, True, False, separated=True), PARTLY),
        (cases(True, False, separated=True), NOT),
    ],
)
def test_a_ranking_wants_intervals_that_do_not_meet(evidence: Evidence, verdict: str) -> None:
    assert judge(rules.ranked, evidence, "rising").verdict == verdict


def test_a_ranking_names_places_and_intervals_that_meet() -> None:
    mixed = Evidence(cases=(Case("a", True, True, "1, 2"), Case("b", True, False, ""), Case("", False, False, "4")))
    assert judge(rules.ranked, mixed, None).reason == (
        "holds in 2 of 3: a (1, 2), b; not in 4; with intervals that do not meet: 1 of 2"
    )
    assert judge(rules.ranked, cases(False), None).reason == "does not hold: trace 0 (1, 2)"


@pytest.mark.parametrize(
    ("held", "verdict"), [((True,) * 3, REPRODUCED), ((True, True, False), PARTLY), ((True, False), NOT)]
)
def test_everywhere_wants_all(held: tuple[bool, ...], verdict: str) -> None:
    assert judge(rules.everywhere, cases(*held), "real").verdict == verdict


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.sampled_from([0.05, 0.01]))
def test_traces_are_judged_by_a_sign_test(held: list[bool], alpha: float) -> None:
    count, total = sum(held), len(held)
    p = binomtest(count, total, alternative="greater").pvalue
    found = judge(partial(rules.on_traces, alpha=alpha), cases(*held), "lowest")
    assert (found.verdict == REPRODUCED) == (p < alpha)
    assert (found.verdict == NOT) == (2 * count <= total)
    assert found.reason.endswith(f"sign test, p = {p:.2g}")


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=8),
    st.sampled_from([rules.ranked, rules.everywhere, rules.on_traces]),
)
def test_one_more_place_that_holds_never_turns_a_claim_down(held: list[tuple[bool, bool]], rule: Rule) -> None:
    some = tuple(Case(str(at), one, one and two, "") for at, (one, two) in enumerate(held))
    before, after = (
        judge(rule, Evidence(cases=each), None).verdict for each in (some, (*some, Case("more", True, True, "")))
    )
    assert RANK[after] >= RANK[before]


@pytest.mark.parametrize(("agrees", "verdict"), [(True, REPRODUCED), (False, CONTRADICTED)])
def test_a_paper_that_disagrees_with_itself_is_contradicted(agrees: bool, verdict: str) -> None:
    found = judge(rules.consistent, Evidence(cases=(Case("", agrees, False, "in words"),)), 32)
    assert (found.verdict, found.reason) == (verdict, "in words")


@pytest.mark.parametrize("rule", [rules.within, rules.above, rules.same, rules.ranked, rules.consistent])
def test_what_is_missing_cannot_be_tested_by_any_rule(rule: Any) -> None:
    found = judge(rule, Evidence(missing="not in this profile: a has no rows"), 1)
    assert (found.verdict, found.reason) == (UNTESTABLE, "not in this profile: a has no rows")


@pytest.mark.parametrize(("value", "text"), [(1430.0, "1430"), (0.85, "0.85"), ("4 GB", "4 GB"), (True, "True")])
def test_values_are_plain_text(value: object, text: str) -> None:
    assert rules.plain(value) == text
