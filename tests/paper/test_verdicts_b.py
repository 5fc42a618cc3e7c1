import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.paper import los_b, paper_b, verdicts_b
from edgeresearch.paper.verdicts_b import NOT, PARTLY, REPRODUCED, Goal

NAN = float("nan")
Frames = dict[str, pd.DataFrame]


@pytest.mark.parametrize(
    ("measured", "low", "high", "verdict"),
    [
        (10.0, 9.0, 11.0, REPRODUCED),
        (12.0, 11.0, 13.0, REPRODUCED),
        (12.1, 11.9, 12.3, PARTLY),
        (12.1, 12.05, 12.3, NOT),
        (7.9, 7.7, 8.1, PARTLY),
        (7.9, NAN, NAN, NOT),
        (10.0, NAN, NAN, REPRODUCED),
        (NAN, NAN, NAN, ""),
    ],
)
def test_within_is_a_matter_of_the_tolerance(measured: float, low: float, high: float, verdict: str) -> None:
    assert Goal("a", "b", "%", 10.0, measured, low, high, 2.0).verdict == verdict


@pytest.mark.parametrize(
    ("measured", "low", "high", "verdict"),
    [(3.0, 1.0, 5.0, REPRODUCED), (3.0, -1.0, 5.0, PARTLY), (-3.0, -5.0, -1.0, NOT), (3.0, NAN, NAN, REPRODUCED),
     (0.0, NAN, NAN, NOT), (NAN, NAN, NAN, "")],
)  # fmt: skip
def test_above_wants_the_whole_interval(measured: float, low: float, high: float, verdict: str) -> None:
    assert Goal("a", "b", "%", 0.0, measured, low, high, kind="above").verdict == verdict


@given(st.floats(-200, 200), st.floats(0, 50), st.floats(0, 100), st.floats(0, 50))
def test_a_wider_interval_never_turns_a_goal_down(measured: float, half: float, more: float, tolerance: float) -> None:
    order = [NOT, PARTLY, REPRODUCED]
    one, two = (
        Goal("a", "b", "%", 0.0, measured, measured - each, measured + each, tolerance).verdict
        for each in (half, half + more)
    )
    assert order.index(two) >= order.index(one)


def _judged(limits_b: tuple[pd.DataFrame, pd.DataFrame], scheduled_b: Frames) -> pd.DataFrame:
    limits, marks = limits_b
    chosen = marks[(marks["rule"] == "utilisation") & (marks["together"] == 0)]
    drops = los_b.figure7(scheduled_b["drops"], fitted=(2, 6, 10))
    return verdicts_b.verdicts(los_b.figure5(limits, rule="utilisation"), chosen, scheduled_b["hops"], drops)


def test_every_published_number_is_judged(limits_b: tuple[pd.DataFrame, pd.DataFrame], scheduled_b: Frames) -> None:
    table = _judged(limits_b, scheduled_b).set_index("goal")
    assert table.index.is_unique
    counts = table.groupby("where").size().to_dict()
    assert counts == {"Fig. 5a": 4, "Fig. 5c": 2, "section VI.B": 1, "Fig. 6": 12, "Fig. 7": 5, "section VI.C": 1}
    assert table.loc["limit in iteration 1", "verdict"] == REPRODUCED
    assert table.loc["plateau reached", "measured"] == 30.0
    assert table.loc["trainings", "verdict"] == REPRODUCED
    assert table.loc["residual on the plateau", "tolerance"] == verdicts_b.RESIDUAL_POINTS
    assert table.loc["8 streams, held out, within 2.5 points", "verdict"] == REPRODUCED
    assert table.loc["10 streams, within 4 points", "verdict"] == NOT
    assert table.loc["in-situ, fewest over all streams", "verdict"] == REPRODUCED
    assert table.loc["6 streams, 2 hops, of placed", "published"] == paper_b.HOPS_PERCENT[6, 2]
    assert table.loc["8 streams, 3 hops, of attempts", "verdict"] == REPRODUCED


def test_shares_that_are_added_up_have_no_interval(
    limits_b: tuple[pd.DataFrame, pd.DataFrame], scheduled_b: Frames
) -> None:
    row = _judged(limits_b, scheduled_b).set_index("goal").loc["10 streams, 2 or 3 hops, of attempts"]
    assert row["measured"] == pytest.approx(48.0)
    assert math.isnan(row["low"])
    assert row["verdict"] == NOT


def test_what_was_not_measured_has_no_verdict(limits_b: tuple[pd.DataFrame, pd.DataFrame], scheduled_b: Frames) -> None:
    limits, marks = limits_b
    few = {**scheduled_b, "hops": scheduled_b["hops"][scheduled_b["hops"]["streams"] == 2]}
    few["drops"] = few["drops"][few["drops"]["policy"] == "los"]
    table = _judged((limits[limits["iteration"] < 10], marks), few).set_index("goal")
    assert table.loc["limit in iteration 32", "verdict"] == ""
    assert set(table.loc[table["where"] == "Fig. 6", "verdict"]) == {""}
    assert "section VI.C" not in set(table["where"])


def test_published_shares_stand_at_their_rows(scheduled_b: Frames) -> None:
    hops = scheduled_b["hops"]
    found = verdicts_b.with_published(hops)
    assert found.index.equals(hops.index)
    stated = hops[found.notna()]
    assert set(zip(stated["streams"], stated["hops"], strict=True)) == set(paper_b.HOPS_PERCENT)
