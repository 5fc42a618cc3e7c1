from typing import Any

import pandas as pd
import pytest

from edgeresearch.papers import staleness_words_b as words

NOTHING = float("nan")


def _table(**more: Any) -> pd.DataFrame:
    rows = [
        ("never", 0, 100.0, 7000.0),
        ("always", 0, 0.0, 500.0),
        ("los", 2, 15.0, 1300.0),
        ("los", 10, 80.0, 4300.0),
        ("in_situ", 2, 100.0, 7000.0),
        ("in_situ", 10, 100.0, 7000.0),
        ("oracle", 2, 2.0, 1400.0),
        ("oracle", 10, 4.0, 1600.0),
    ]
    table = pd.DataFrame(rows, columns=["policy", "streams", "drop_percent", "mean_age"])
    table = table.assign(data="traffic", threshold="ema", **more)
    return pd.concat(
        [table, table.assign(data="control", mean_age=1.0), table.assign(threshold="quantile", mean_age=2.0)]
    )


def _pair(contrast: str, difference: float, low: float, high: float, **more: Any) -> dict[str, Any]:
    row = {"data": "traffic", "threshold": "ema", "contrast": contrast, "streams": 0, "metric": "event_f1"}
    return row | {"difference": difference, "low": low, "high": high, "sensors": 10, "pairs": 30} | more


def _pairs(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(rows) or [_pair("los - oracle", 0.0, 0.0, 0.0)])


def test_ages_are_told_by_policy() -> None:
    text = words.ages(_table())
    assert "500 if every model is there at once, 7,000 if none comes after the first" in text
    assert "LOS 15 to 80 % dropped, 1,300 to 4,300 samples" in text
    assert "in-situ only 100 % dropped, 7,000 samples" in text
    assert text.endswith("has models 3.0 times as old as if they were there at once.")
    table = _table()
    less = words.ages(table[table["policy"] != "oracle"])
    assert "oracle" not in less
    assert "random" not in less


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.02, 0.03, "makes no clear difference"),
        (0.01, 0.03, "helps"),
        (-0.03, -0.01, "harms"),
        (NOTHING, NOTHING, "cannot be judged without an interval"),
    ],
)
def test_the_verdict_follows_from_the_interval(low: float, high: float, verdict: str) -> None:
    text = words.matters(_pairs(_pair("always - never", 0.01, low, high)))
    assert text.startswith(f"Retraining {verdict} on this data (every model at once against never: event F1 +0.010")
    assert text.endswith("10 sensors, 30 pairs).")
    assert (f"({low:+.3f} to {high:+.3f})" in text) == (verdict != "cannot be judged without an interval")


def test_both_thresholds_and_los_are_told() -> None:
    rows = [
        _pair("always - never", 0.004, -0.019, 0.027),
        _pair("always - never", 0.034, 0.011, 0.057, threshold="quantile"),
        _pair("los - in_situ", 0.02, 0.01, 0.03, streams=2),
        _pair("los - in_situ", -0.01, -0.02, 0.03, streams=10),
        _pair("los - in_situ", 0.03, 0.01, 0.05, streams=2, threshold="quantile"),
        _pair("los - in_situ", 0.9, 0.8, 1.0, streams=2, data="control"),
        _pair("los - in_situ", 0.9, 0.8, 1.0, streams=2, metric="auc_pr"),
    ]
    text = words.matters(_pairs(*rows))
    assert "; with the quantile threshold it helps (+0.034 (+0.011 to +0.057))" in text
    assert text.endswith(
        "LOS against in-situ training: -0.010 to +0.020 with the moving threshold, clear of 0 with 1 of 2 numbers of "
        "streams; +0.030 with the quantile threshold, clear of 0 with 1 of 1 numbers of streams."
    )
    assert words.matters(_pairs(*rows), "control") == "Nothing was run of control."


def test_the_control_shows_what_could_be_seen() -> None:
    real = _pair("always - never", 0.004, -0.019, 0.027)
    text = words.seen(_pairs(real, _pair("always - never", 0.1, 0.02, 0.18, data="control")))
    assert text.startswith("The interval leaves room for -0.019 to +0.027 of event F1.")
    assert text.endswith("there it is +0.100 (+0.020 to +0.180).")
    blind = words.seen(_pairs(real, _pair("always - never", 0.1, -0.02, 0.22, data="control")))
    assert blind.endswith("not clear of 0 either: nothing can be concluded.")
    none = "There is no control, or no interval, to say how small an effect could have been seen."
    assert words.seen(_pairs(real)) == none
    assert words.seen(_pairs({**real, "low": NOTHING}, {**real, "data": "control"})) == none


def _course(policies: tuple[str, ...] = ("never", "always", "los"), blocks: int = 8) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                **{"data": data, "policy": policy, "streams": streams, "block": block},
                "event_f1": 0.9
                if block < 0.8 * blocks or streams == 2
                else {"never": 0.1, "always": 0.3}.get(policy, 0.2),
            }
            for data in ("traffic", "control")
            for policy in policies
            for streams in ((2, 10) if policy == "los" else (0,))
            for block in range(1, blocks + 1)
        ]
    )


def test_the_last_quarter_is_told() -> None:
    text = words.over_time(_course())
    said = "event F1 is 0.30 with every model at once, 0.20 under LOS with 10 streams, 0.10 without retraining"
    assert text == f"In the last quarter of the time, on the streams as they are {said}; in the control {said}."
    assert words.over_time(_course(("never",))) == "There is no course to tell."


def test_what_is_trained_on_is_told() -> None:
    rows = [
        _pair(contrast, value, value - 0.01, value + 0.01, metric=metric)
        for contrast, value in (("never_clean - never", 0.05), ("always_warm - always", -0.02))
        for metric in ("event_f1", "auc_pr", "false_alarms_per_day")
    ]
    text = words.samples(_pairs(*rows, _pair("always_warm - never", 0.0, -0.01, 0.01)))
    assert text.startswith(
        "A first model that was trained without anomalies, and never again: AUC-PR +0.050 (+0.040 to +0.060), event F1 "
        "+0.050 (+0.040 to +0.060), false alarms per day +0.05 (+0.04 to +0.06), against trained with them."
    )
    assert "go on from the weights before, each at once: AUC-PR -0.020" in text
    assert text.endswith("warm start makes no clear difference (event F1 +0.000 (-0.010 to +0.010) against never).")
    assert words.samples(_pairs()) == "No other training was run."


def test_measured_costs_stand_beside_the_fitted_ones() -> None:
    measured = pd.DataFrame(
        [
            ("autoencoder", "los", 2, 0.0, 28.0),
            ("autoencoder", "los", 10, 59.9, 57.0),
            ("autoencoder", "in_situ", 2, 100.0, NOTHING),
            ("lstm", "los", 2, 0.0, 4.0),
            ("lstm", "los", 10, 56.4, 4.0),
        ],
        columns=["model", "policy", "streams", "drop_percent", "seconds"],
    )
    drops = pd.DataFrame(
        {"policy": ["los", "los", "in_situ"], "streams": [2, 10, 2], "drop_percent": [15.0, 79.0, 100.0]}
    )
    assert words.costs(measured, drops) == (
        "LOS with 2, 10 streams drops, with the training times that were measured here: autoencoder 0.0, 59.9 % "
        "(trainings of 28 to 57 s); lstm 0.0, 56.4 % (trainings of 4 s); with those fitted to the paper 15.0, 79.0 %. "
        "In-situ training drops 100 % whatever a training costs."
    )


def test_what_was_not_run_is_said() -> None:
    assert words.matters(_pairs()) == "Nothing was run of traffic."
    only = words.matters(_pairs(_pair("always - never", 0.01, -0.02, 0.03)), "traffic")
    assert only.endswith("30 pairs).")
    assert "LOS" not in only
    other = words.matters(_pairs(_pair("always - never", 0.1, 0.02, 0.18, data="control")), "control")
    assert other.startswith("Retraining helps in the control (every model at once against never: event F1 +0.100")


def test_one_of_the_other_trainings_alone_is_told() -> None:
    rows = [_pair("always_warm - always", 0.01, NOTHING, NOTHING, metric=name) for name in ("event_f1", "auc_pr")]
    rows.append(_pair("always_warm - always", 0.25, 0.1, 0.4, metric="false_alarms_per_day"))
    assert words.samples(_pairs(*rows)) == (
        "Trainings that go on from the weights before, each at once: AUC-PR +0.010, event F1 +0.010, false alarms per "
        "day +0.25 (+0.10 to +0.40), against fresh ones."
    )


def test_costs_are_told_of_one_model_and_one_number_of_streams() -> None:
    measured = pd.DataFrame(
        [("lstm", "los", 8, 3.5, 8.0), ("lstm", "in_situ", 8, 90.0, 3.0), ("lstm", "cloud", 8, 1.0, 2.0)],
        columns=["model", "policy", "streams", "drop_percent", "seconds"],
    )
    text = words.costs(measured, pd.DataFrame({"policy": ["los"], "streams": [8], "drop_percent": [68.2]}))
    assert "LOS with 8 streams drops" in text
    assert "lstm 3.5 % (trainings of 8 s); with those fitted to the paper 68.2 %" in text
    assert text.endswith("In-situ training drops 90 % whatever a training costs.")
