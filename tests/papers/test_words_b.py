import pandas as pd
import pytest

from edgeresearch.papers import los_b, words_b
from edgeresearch.papers.claims.rules import NOT, REPRODUCED, UNTESTABLE

Frames = dict[str, pd.DataFrame]
Limits = tuple[pd.DataFrame, pd.DataFrame]


@pytest.fixture
def drops(scheduled_b: Frames) -> pd.DataFrame:
    return los_b.figure7(scheduled_b["drops"], fitted=(2, 6, 10))


def test_what_is_reached_is_counted() -> None:
    columns = ["id", "where", "published", "measured", "low", "high", "unit", "verdict"]
    rows = [
        ("B-1", "Fig. 7 and section VI.C", "26.62", "26.6", "", "", "%", REPRODUCED),
        ("B-2", "Fig. 7", "78.26", "90", "89", "91", "%", NOT),
        ("B-3", "Fig. 7", "", "", "", "", "", UNTESTABLE),
        ("B-4", "Fig. 6", "50", "", "", "", "%", UNTESTABLE),
    ]
    table = pd.DataFrame(rows, columns=columns)
    assert words_b.reached(table, "section VI.C") == "section VI.C: 1 of 1 claims are reproduced."
    assert words_b.reached(table, "Fig. 7") == (
        "Fig. 7: 1 of 2 claims are reproduced. The others: B-2 (not reproduced: 90 (89 to 91) % against 78.26 %)."
    )
    assert words_b.reached(table, "Fig. 6") == "Nothing was measured of Fig. 6."


def test_held_out_points_are_told_apart(drops: pd.DataFrame) -> None:
    text = words_b.held_out(drops)
    assert text.startswith("Held out: 8 streams 69.00 % against 69.70 % (0.70 points off).")
    assert "Fitted on: 2 streams 14.00 %" in text
    assert text.endswith("All that were held out are within 2.5 points; not so all of the others.")
    worse = words_b.held_out(drops.assign(drop_percent=drops["drop_percent"] - 5))
    assert "Not all that were held out" in worse
    assert "Held out" not in words_b.held_out(drops.assign(held_out=False))


def test_the_closer_rule_is_named(limits_b: Limits) -> None:
    text = words_b.rules(limits_b[1])
    assert text.startswith("By the rule of section IV.D limits stand at 85 millicores from iteration 30 on")
    assert text.endswith("The rule of section VI.B is closer.")
    empty = limits_b[1].assign(value=float("nan"))
    assert words_b.rules(empty) == "There were too few iterations to see a plateau."


def test_shared_nodes_are_compared(limits_b: Limits) -> None:
    text = words_b.shared(limits_b[1], "utilisation")
    assert "meet on 5 nodes, limits reach their plateau in iteration 10 instead of 30" in text
    assert "1,430 instead of 1,430 of 1,430 trainings" in text
    alone = limits_b[1][limits_b[1]["together"] == 0]
    assert words_b.shared(alone, "utilisation") == "Jobs that share nodes cannot be compared here."


def test_both_rates_are_told(scheduled_b: Frames) -> None:
    text = words_b.rates(los_b.rates(scheduled_b["triggers"]))
    assert '"more than 3,800"' in text
    assert "every 3 to 5 minutes: 4,000 triggers, 1.05 times the paper's" in text
    assert "after 1,000 samples at 200 to 800 ms: 4,000" in text


def test_the_reason_of_most_drops_is_named(scheduled_b: Frames) -> None:
    text = words_b.why(scheduled_b["reasons"])
    assert text.startswith("LOS: with 2 streams 40.0 % of the triggers are dropped, most of them for “cycle” (30.0 %)")
    assert words_b.why(scheduled_b["reasons"].assign(share_percent=0.0)) == "LOS dropped nothing."


def test_other_policies_are_told_with_their_price(scheduled_b: Frames, drops: pd.DataFrame) -> None:
    text = words_b.others(drops, scheduled_b["traffic"])
    assert text.startswith("With 10 streams LOS drops 90.0 % (1.0 MB of models and samples over links, 1.0 MB out of")
    assert "Less is dropped by: straight to the cloud, 0.0 %" in text
    best = words_b.others(drops.assign(drop_percent=1.0), scheduled_b["traffic"])
    assert best.endswith("No other policy drops clearly less.")
    assert words_b.others(drops[drops["policy"] == "cloud"], scheduled_b["traffic"]) == "LOS was not run."


def test_the_cloud_is_told_as_it_is(scheduled_b: Frames, drops: pd.DataFrame) -> None:
    traffic, reasons = scheduled_b["traffic"], scheduled_b["reasons"]
    text = words_b.cloud(drops, traffic, reasons)
    assert text.startswith("Straight to the cloud drops 0.0 to 0.0 % of the trainings, 75 % of them for “cycle”.")
    assert "less than LOS drops with 4 of 4 numbers of streams" in text
    assert text.endswith("(0 % with 2, 0 % with 6, 0 % with 8, 0 % with 10 streams).")
    bad = words_b.cloud(drops.assign(drop_percent=99.0), traffic, reasons.assign(share_percent=0.0))
    assert bad.startswith("Straight to the cloud drops 99.0 to 99.0 % of the trainings.")
    assert "less than LOS" not in bad
    still = words_b.cloud(drops, traffic.assign(megabytes=0.0), reasons)
    assert still.endswith("no reason for LOS.")
    assert words_b.cloud(drops[drops["policy"] == "los"], traffic, reasons) == "Straight to the cloud was not run."


def test_sweeps_are_told_by_what_differs_most(swept_b: Frames) -> None:
    text = words_b.swept(swept_b["gateways"], "gateways")
    assert text.startswith("Dropped trainings by gateways, from 1 to what differs most: 4 streams 6.0 → 2.0 % (-1.0 to")
    assert text.endswith("8 streams 12.0 → 4.0 % (1.0 to 7.0) at 5.")
    assert "12.0 → 25.0 % (22.0 to 28.0) at 900." in words_b.swept(swept_b["churn"], "mean stay")
    numbers = swept_b["staleness"].astype({"value": float})
    assert words_b.swept(numbers, "seconds").endswith("10.0 → 20.0 % (17.0 to 23.0) at 600.")


def test_what_matters_is_named(swept_b: Frames) -> None:
    text = words_b.matter(swept_b["choices"], most=1)
    assert text == "Most is moved by: hop limit 3 (3.0 points). 2 of 3 move nothing by 1 point."
    assert words_b.matter(swept_b["gateways"]) == "Nothing was varied."


def test_the_fit_is_told_with_its_spread(fit_b: pd.DataFrame) -> None:
    text = words_b.fit_said(fit_b)
    assert text.startswith("5 evaluations; 2 candidates were run again with fresh seeds, with losses of 2.00 to 3.00")
    assert "10 streams 82.0 to 83.0 %" in text
