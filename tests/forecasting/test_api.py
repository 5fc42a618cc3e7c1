"""Forecast a trace of your own."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edgeresearch.data.trace import Origin, Trace
from edgeresearch.errors import InputError
from edgeresearch.forecasting import persistence
from edgeresearch.forecasting.api import Report, apply_file, assemble, forecast_file, verdict, write
from edgeresearch.forecasting.baselines import LastValue

ROWS = 1000
QUICK = {"lstm": {"epochs": 2, "members": 1, "hidden": 8}}


def _csv(path: Path, rows: int = ROWS, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    hour = np.arange(rows) / 12
    hits = rng.poisson(60 + 40 * np.sin(2 * np.pi * hour / 24))
    times = pd.date_range("2024-03-01", periods=rows, freq="5min")
    pd.DataFrame({"when": times, "hits": hits}).to_csv(path, index=False)
    return path


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    folder = tmp_path_factory.mktemp("own")
    report = forecast_file(_csv(folder / "t.csv"), folder / "out", model="ridge", horizon=2, window=20)
    return folder, report


def test_scores_stand_beside_the_baselines(saved: tuple[Path, Report]) -> None:
    _, report = saved
    table = report.scores.set_index(["horizon", "model"])
    assert set(table.index.get_level_values("model")) == {"ridge", "last_value", "seasonal_naive"}
    assert table.loc[(1, "last_value"), "skill"] == 0
    assert table.loc[(1, "ridge"), "skill"] > 0.2
    assert table.loc[(1, "ridge"), "points"] == 199
    assert report.verdict.startswith("ridge has the lowest MSE, the mean of 1 to 2 steps ahead: ")


def test_all_guesses_are_said(saved: tuple[Path, Report]) -> None:
    said = "\n".join(saved[1].said)
    assert "time column: 'when'" in said
    assert "step: 5 min" in said
    assert said.count("season: a day (288 steps)") == 1


def test_the_files(saved: tuple[Path, Report]) -> None:
    folder, report = saved
    assert {name.split("/")[0] for name in _bytes(folder / "out")} == {
        *("scores.csv", "forecast.csv", "report.json", "model")
    }
    coming = pd.read_csv(folder / "out" / "forecast.csv", parse_dates=["time"])
    assert list(coming.columns) == ["time", "horizon", "forecast", "low", "high"]
    assert coming["time"].iloc[0] == pd.Timestamp("2024-03-01") + ROWS * pd.Timedelta("5min")
    assert (coming["low"] < coming["forecast"]).all()
    assert (coming["forecast"] < coming["high"]).all()
    facts = json.loads((folder / "out" / "report.json").read_text())
    assert facts["data"]["sha256"] == report.trace.origin.sha256
    assert facts["season"] == 288
    assert facts["columns"][0] == "value"
    assert not [key for key in facts if "second" in key], "what differs from run to run stays out"


def test_the_same_run_gives_the_same_bytes(saved: tuple[Path, Report], tmp_path: Path) -> None:
    folder, _ = saved
    forecast_file(folder / "t.csv", tmp_path / "out", model="ridge", horizon=2, window=20)
    assert _bytes(tmp_path / "out") == _bytes(folder / "out")


def test_the_lstm_with_settings_and_progress(tmp_path: Path) -> None:
    told: list[str] = []
    report = forecast_file(
        _csv(tmp_path / "t.csv", 500),
        tmp_path / "out",
        window=20,
        seed=3,
        baselines=("last_value",),
        settings=QUICK,
        tell=told.append,
        draw=lambda report, folder: (folder / "figure.txt").write_text(report.verdict),
    )
    assert told == ["judging lstm, last_value on the last 100 rows", "fitting lstm on all 500 rows"]
    assert report.facts["choice"]
    assert (tmp_path / "out" / "figure.txt").read_text() == report.verdict
    model = persistence.load(tmp_path / "out" / "model")
    assert model.get_params()["hidden"] == 8


def test_a_model_is_used_again(saved: tuple[Path, Report], tmp_path: Path) -> None:
    folder, first = saved
    report = apply_file(folder / "t.csv", tmp_path / "again", load=folder / "out")
    pd.testing.assert_frame_equal(report.coming[["time", "forecast"]], first.coming[["time", "forecast"]])
    assert report.said[-1] == "note: the model was fitted on this very file, so the scores are no test"
    new = _csv(tmp_path / "new.csv", 1100, seed=5)
    report = apply_file(new, tmp_path / "out", load=folder / "out" / "model")
    assert "note:" not in report.said[-1]
    table = report.scores.set_index(["horizon", "model"])
    assert table.loc[(2, "ridge"), "skill"] > 0.2
    assert table.loc[(2, "last_value"), "points"] == 1100 - 19 - 2
    assert {name for name in _bytes(tmp_path / "out")} == {"scores.csv", "forecast.csv", "report.json"}
    facts = json.loads((tmp_path / "out" / "report.json").read_text())
    assert facts["data"]["file"] == "new.csv"
    assert facts["fitted_on"]["file"] == "t.csv"


def test_a_longer_trace_gets_no_columns_that_the_model_did_not_know(saved: tuple[Path, Report], tmp_path: Path) -> None:
    folder, _ = saved
    report = apply_file(_csv(tmp_path / "long.csv", 22 * 288), tmp_path / "out", load=folder / "out")
    assert not [name for name in report.facts["columns"] if name.startswith("week")]


def test_without_a_season_the_seasonal_naive_is_left_out(tmp_path: Path) -> None:
    trace = _csv(tmp_path / "t.csv", 300)
    report = forecast_file(trace, tmp_path / "out", model="ridge", window=20, seasonality="none")
    assert set(report.scores["model"]) == {"ridge", "last_value"}
    again = apply_file(trace, tmp_path / "again", load=tmp_path / "out")
    assert set(again.scores["model"]) == {"ridge", "last_value"}


def test_a_foreign_model_is_refused(saved: tuple[Path, Report], tmp_path: Path) -> None:
    folder, report = saved
    persistence.save(report.forecaster, tmp_path / "model", about={"model": "ridge"})
    with pytest.raises(InputError, match="was not saved by 'edgeresearch forecast'"):
        apply_file(folder / "t.csv", tmp_path / "out", load=tmp_path / "model")


def test_a_trace_with_no_whole_window_is_refused(saved: tuple[Path, Report], tmp_path: Path) -> None:
    folder, _ = saved
    table = pd.read_csv(_csv(tmp_path / "t.csv", 2000))
    table[np.arange(len(table)) % 25 < 12].to_csv(tmp_path / "holes.csv", index=False)
    with pytest.raises(InputError, match="no row with a whole window of 20 and a value after it"):
        apply_file(tmp_path / "holes.csv", tmp_path / "out", load=folder / "out")
    assert not (tmp_path / "out").exists()


ROWS_report = 300


def _report(shift: float = 0.0) -> Report:
    values = np.random.default_rng(0).poisson(20, ROWS_report) + shift
    index = pd.date_range("2024-01-01", periods=ROWS_report, freq="1min")
    frame = pd.DataFrame({"v": values.astype(float)}, index=index)
    trace = Trace("mine", frame, pd.Timedelta("1min"), "v", Origin("file", "mine.csv", "ab", True), {"absent": 0})
    truth = np.full((ROWS_report, 2), np.nan)
    truth[:-1, 0], truth[:-2, 1] = values[1:], values[2:]
    made = np.repeat(values[:, None], 2, axis=1).astype(float)
    model = LastValue().fit(frame.to_numpy(), truth)
    scores = pd.DataFrame({"horizon": [1, 2], "model": "last_value", "mse": [1.0, 2.0]})
    facts = {"model": "last_value", "window": 10, "data": trace.describe()}
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
