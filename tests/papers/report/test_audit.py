from pathlib import Path

import pytest

from edgeresearch.papers.claims.audit import read_claims
from edgeresearch.papers.claims.rules import VERDICTS
from edgeresearch.papers.report.audit import MISSED, describe_claim, tally

ROW = dict.fromkeys(("published", "measured", "low", "high", "seeds", "data", "unit", "fitted"), "")
ROW |= {"verdict": "partly"}


def test_verdicts_are_counted_with_those_that_say_no_together(project: Path) -> None:
    count = tally(read_claims(project / "reports" / "claims.csv").to_dict("records"))
    assert [count[verdict] for verdict in VERDICTS] == [3, 2, 1, 1, 1]
    assert (count["claims"], count[MISSED], count["unaided"]) == (8, 2, 1)
    assert tally([])["claims"] == 0


@pytest.mark.parametrize(
    ("measured", "low", "high", "shown", "interval"),
    [
        ("26.6008", "23.7721", "29.4295", "26.6", "23.77 to 29.43"),
        ("9161.25", "9060.66", "9261.84", "9161", "9061 to 9262"),
        ("1430", "1430", "1430", "1430", ""),
        ("0.0001236789", "", "", "0.0001237", ""),
        ("1 of 9", "0.5", "0.75", "1 of 9", "0.5 to 0.75"),
        ("", "", "3", "", ""),
    ],
)
def test_values_have_four_digits_and_their_interval_apart(
    measured: str, low: str, high: str, shown: str, interval: str
) -> None:
    row = describe_claim(ROW | {"measured": measured, "low": low, "high": high})
    assert (row["measured"], row["interval"]) == (shown, interval)


def test_units_stand_behind_numbers_and_cells_are_sorted_by_value() -> None:
    row = describe_claim(ROW | {"measured": "9161", "published": "first", "unit": "trainings", "verdict": "reproduced"})
    assert (row["measured"], row["published"]) == ("9161 trainings", "first")
    assert (row["order"], row["rank"]) == ([1e99, 9161.0], 0)
    assert describe_claim(ROW | {"measured": "inf"})["order"] == [1e99, 1e99]


@pytest.mark.parametrize(
    ("seeds", "basis"), [("", "emulated"), ("1", "emulated; 1 seed"), ("20", "emulated; 20 seeds")]
)
def test_a_verdict_says_what_it_rests_on(seeds: str, basis: str) -> None:
    assert describe_claim(ROW | {"data": "emulated", "seeds": seeds})["basis"] == basis
