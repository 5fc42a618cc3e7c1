import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.papers.claims.rules import VERDICTS
from edgeresearch.papers.claims.table import read_claims
from edgeresearch.papers.report.audit import LAST, MISSED, describe_claim, tally

ROW = dict.fromkeys(("published", "measured", "low", "high", "seeds", "data", "unit", "fitted"), "")
ROW |= {"verdict": "partly"}


def test_verdicts_are_counted_with_those_that_say_no_together(project: Path) -> None:
    count = tally(read_claims(project / "reports" / "claims.csv").to_dict("records"))
    assert [count[verdict] for verdict in VERDICTS] == [3, 2, 1, 1, 1]
    assert (count["claims"], count[MISSED], count["unaided"]) == (8, 2, 1)
    assert tally([])["claims"] == 0


@pytest.mark.parametrize(
    ("measured", "published", "low", "high", "shown", "interval"),
    [
        ("26.6008", "26.62", "23.7721", "29.4295", "26.60", "23.77 to 29.43"),
        ("3.58112", "3.4", "3.5", "3.6", "3.58", "3.50 to 3.60"),
        ("0.8", "0.8", "", "", "0.8", ""),
        ("399.5", "400", "", "", "399.5", ""),
        ("9161.25", "3800", "9060.66", "9261.84", "9,161", "9,061 to 9,262"),
        ("1430", "1430", "1430", "1430", "1,430", ""),
        ("30", "32", "28.608", "30.9918", "30.0", "28.6 to 31.0"),
        ("4", "4.0", "", "", "4.0", ""),
        ("0", "0.931", "", "", "0.000", ""),
        ("100", "", "99.2", "100", "100.0", "99.2 to 100.0"),
        ("0.0001236789", "", "", "", "0.0001237", ""),
        ("-3.14159", "", "", "", "-3.142", ""),
        ("1 of 9", "first", "", "", "1 of 9", ""),
        ("1 of 9", "", "0.5", "0.75", "1 of 9", "0.50 to 0.75"),
        ("", "2", "", "3", "", ""),
        ("inf", "", "", "", "inf", ""),
    ],
)
def test_measured_values_have_few_digits_and_intervals_the_same(
    measured: str, published: str, low: str, high: str, shown: str, interval: str
) -> None:
    row = describe_claim(ROW | {"measured": measured, "published": published, "low": low, "high": high})
    assert (row["measured"], row["interval"]) == (shown, interval)


@given(st.floats(-1e6, 1e6), st.sampled_from(["", "3", "2.5", "0.931"]))
def test_what_is_shown_is_the_value_to_its_last_digit(measured: float, published: str) -> None:
    text = describe_claim(ROW | {"measured": f"{measured:.6f}", "published": published})["measured"]
    places = len(text.partition(".")[2])
    assert abs(float(text.replace(",", "")) - measured) <= 0.5 * 10**-places + 1e-6
    assert not published or places <= len(published.partition(".")[2]) + 1


def test_units_stand_behind_numbers_and_cells_are_sorted_by_value() -> None:
    row = describe_claim(ROW | {"measured": "9161", "published": "first", "unit": "trainings", "verdict": "reproduced"})
    assert (row["measured"], row["published"]) == ("9,161 trainings", "first")
    assert (row["order"], row["rank"]) == ([LAST, 9161.0], 0)
    assert math.isfinite(LAST)


@pytest.mark.parametrize(
    ("seeds", "basis"), [("", "emulated"), ("1", "emulated; 1 seed"), ("20", "emulated; 20 seeds")]
)
def test_a_verdict_says_what_it_rests_on(seeds: str, basis: str) -> None:
    assert describe_claim(ROW | {"data": "emulated", "seeds": seeds})["basis"] == basis
