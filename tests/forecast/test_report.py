import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edgeresearch.forecast.baselines import LastValue
from edgeresearch.forecast.report import Report, assemble, data, verdict, write
from edgeresearch.series.trace import Origin, Trace

ROWS = 300


def _report(shift: float = 0.0) -> Report:
    values = np.random.default_rng(0).poisson(20, ROWS) + shift
    index = pd.date_range("2024-01-01", periods=ROWS, freq="1min")
    frame = pd.DataFrame({"v": values.astype(float)}, index=index)
    trace = Trace("mine", frame, pd.Timedelta("1min"), "v", Origin("file", "mine.csv", "ab", True), {"absent": 0})
    truth = np.full((ROWS, 2), np.nan)
    truth[:-1, 0], truth[:-2, 1] = values[1:], values[2:]
    made = np.repeat(values[:, None], 2, axis=1).astype(float)
    model = LastValue().fit(frame.to_numpy(), truth)
    scores = pd.DataFrame({"horizon": [1, 2], "model": "last_value", "mse": [1.0, 2.0]})
    facts = {"model": "last_value", "window": 10, "data": data(trace)}
    return assemble(trace, facts, ["step: 1 min"], scores, model, frame, truth[100:], made[100:])


def test_the_coming_steps_follow_the_end_with_the_middle_of_past_errors() -> None:
    report = _report()
    last = report.trace.values.iloc[-1]
    assert list(report.coming["time"]) == list(pd.to_datetime(["2024-01-01 05:00", "2024-01-01 05:01"]))
    assert list(report.coming["horizon"]) == [1, 2]
    np.testing.assert_array_equal(report.coming["forecast"], [last, last])
    first = report.judged[report.judged["horizon"] == 1]
    errors = first["truth"] - first["forecast"]
    assert report.coming["low"].iloc[0] == pytest.approx(max(0, last + np.quantile(errors, 0.025)))
    assert report.coming["high"].iloc[0] == pytest.approx(last + np.quantile(errors, 0.975))


def test_what_was_judged_is_stamped_with_the_time_it_is_about() -> None:
    report = _report()
    assert report.judged["truth"].notna().all()
    for row in report.judged.itertuples():
        assert report.trace.values.loc[row.time] == row.truth
    inside = report.judged.dropna()
    assert 0.85 < ((inside["low"] <= inside["truth"]) & (inside["truth"] <= inside["high"])).mean() <= 1
    assert len(inside) > 100


def test_an_interval_goes_below_0_only_where_the_trace_does() -> None:
    assert (_report().coming["low"] >= 0).all()
    assert (_report(shift=-20.0).coming["low"] < 0).all()


@pytest.mark.parametrize(
    ("mse", "chosen", "told"),
    [
        (
            {"lstm": 1.0, "last_value": 2.0},
            "lstm",
            "lstm has the lowest MSE, 1 step ahead: 50.0 % below the last value",
        ),
        (
            {"lstm": 3.0, "ridge": 1.0, "last_value": 2.0},
            "lstm",
            "ridge has the lowest MSE, 1 step ahead: 50.0 % below the last value; lstm: 50.0 % above the last value",
        ),
        (
            {"lstm": 3.0, "last_value": 2.0},
            "lstm",
            "no model beats the last value by MSE, 1 step ahead; lstm: 50.0 % above the last value",
        ),
        ({"last_value": 2.0}, "last_value", "no model beats the last value by MSE, 1 step ahead"),
        ({"lstm": 3.0, "ridge": 4.0}, "lstm", "lstm has the lowest MSE, 1 step ahead: MSE 3"),
    ],
)
def test_verdict(mse: dict[str, float], chosen: str, told: str) -> None:
    scores = pd.DataFrame({"horizon": 1, "model": list(mse), "mse": list(mse.values())})
    assert verdict(scores, chosen) == told


def test_verdict_takes_the_mean_over_the_horizons() -> None:
    scores = pd.DataFrame({"horizon": [1, 1, 2, 2], "model": ["a", "last_value"] * 2, "mse": [3.0, 4.0, 3.0, 8.0]})
    assert verdict(scores, "a") == "a has the lowest MSE, the mean of 1 to 2 steps ahead: 50.0 % below the last value"


def test_write_is_all_or_nothing(tmp_path: Path) -> None:
    def fail(report: Report, folder: Path) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        write(_report(), tmp_path / "out", fail, save=True)
    assert list(tmp_path.iterdir()) == []
    write(_report(), tmp_path / "out", lambda report, folder: (folder / "figure").write_text("x"), save=True)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("scores.csv", "forecast.csv", "report.json", "model", "figure")
    }
    facts = json.loads((tmp_path / "out" / "report.json").read_text())
    assert facts["data"]["sha256"] == "ab"
    assert facts["said"] == ["step: 1 min"]
    assert facts["verdict"].startswith("no model beats the last value")
    write(_report(), tmp_path / "again")
    assert not (tmp_path / "again" / "model").exists()
