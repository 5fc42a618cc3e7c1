from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.papers.claims import rules, table
from edgeresearch.papers.claims.rules import REPRODUCED, UNTESTABLE
from edgeresearch.papers.report.claims import (
    CITATIONS,
    GROUPS,
    MISSED,
    VERDICTS,
    counts,
    decimals,
    interval,
    number,
    shown,
    value,
)


def test_every_verdict_of_the_audit_has_its_looks_and_every_paper_its_source() -> None:
    assert tuple(VERDICTS) == rules.VERDICTS
    assert set(CITATIONS) == set(table.PAPERS)


def test_every_verdict_has_a_sign_and_a_style_of_its_own() -> None:
    assert len({each.sign for each in VERDICTS.values()}) == len({each.style for each in VERDICTS.values()}) == 5
    assert {each.group for each in VERDICTS.values()} == set(GROUPS)


def test_verdicts_are_counted_by_paper_and_in_all(project: Path) -> None:
    found = counts(table.read_claims(project / "reports" / table.FILE)).set_index("paper")
    assert list(found.index) == ["A", "B", ""]
    assert found.loc["A", ["claims", REPRODUCED, MISSED, UNTESTABLE, "unaided"]].tolist() == [4, 1, 1, 1, 0]
    assert found.loc["B", ["claims", REPRODUCED, MISSED, UNTESTABLE, "unaided"]].tolist() == [3, 2, 1, 0, 1]
    total = found.loc[""]
    assert total["claims"] == sum(total[name] for name in VERDICTS) == sum(total[group] for group in GROUPS) == 7


@pytest.mark.parametrize(
    ("text", "published", "others", "as_shown"),
    [
        ("26.6008", "26.62", ("23.7721",), "26.60"),
        ("3.58112", "3.4", ("3.5", "3.6"), "3.58"),
        ("0.8", "0.8", (), "0.8"),
        ("399.5", "400", (), "399.5"),
        ("9161.25", "3800", ("9060.66",), "9,161"),
        ("1430", "1430", ("1430", "1430"), "1,430"),
        ("4", "4.0", (), "4.0"),
        ("0", "0.931", (), "0.000"),
        ("100", "", ("99.2", "100"), "100.0"),
        ("0.0001236789", "", (), "0.0001237"),
        ("-3.14159", "", (), "-3.142"),
        ("1 of 9", "first", (), "1 of 9"),
        ("", "2", (), ""),
        ("inf", "", (), "inf"),
    ],
)
def test_measured_values_have_few_digits(text: str, published: str, others: tuple[str, ...], as_shown: str) -> None:
    assert shown(text, published, *others) == as_shown


@given(st.floats(-1e6, 1e6), st.sampled_from(["", "3", "2.5", "0.931"]))
def test_what_is_shown_is_the_value_to_its_last_digit(measured: float, published: str) -> None:
    text = f"{measured:.6f}"
    places = decimals(text, published)
    assert abs(float(shown(text, published).replace(",", "")) - measured) <= 0.5 * 10**-places + 1e-6
    assert number(published) is None or places <= len(published.partition(".")[2]) + 1


def test_units_stand_behind_numbers_only() -> None:
    assert value("3.4", "%") == "3.4 %"
    assert value("9,161", "trainings") == "9,161 trainings"
    assert value("first", "%") == "first"
    assert value("3.4", "") == "3.4"
    assert value("", "%") == ""


@pytest.mark.parametrize(
    ("measured", "published", "low", "high", "text"),
    [
        ("26.6008", "26.62", "23.7721", "29.4295", "23.77 to 29.43"),
        ("9161.25", "3800", "9060.66", "9261.84", "9,061 to 9,262"),
        ("30", "32", "28.608", "30.9918", "28.6 to 31.0"),
        ("1430", "1430", "1430", "1430", ""),
        ("1 of 9", "", "0.5", "0.75", "0.50 to 0.75"),
        ("2", "", "", "3", ""),
    ],
)
def test_intervals_have_the_decimals_of_their_value(
    measured: str, published: str, low: str, high: str, text: str
) -> None:
    assert interval(measured, published, low, high) == text
