"""Forecast a trace: the front door."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import edgeresearch as er
from edgeresearch.data.reader import read_trace
from edgeresearch.data.trace import Origin, Trace, make_features
from edgeresearch.errors import InputError
from edgeresearch.forecasting import persistence
from edgeresearch.forecasting.api import Forecast, _assemble, apply_forecaster, forecast, write_verdict
from edgeresearch.forecasting.baselines import LastValue
from edgeresearch.forecasting.settings import ForecastSettings, ForestSettings, LSTMSettings

ROWS = 1000
QUICK = ForecastSettings(lstm=LSTMSettings(epochs=2, members=1, hidden=8))


def _table(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    hits = rng.poisson(60 + 40 * np.sin(2 * np.pi * np.arange(rows) / 288))
    return pd.DataFrame({"when": pd.date_range("2024-03-01", periods=rows, freq="5min"), "hits": hits})


def _csv(path: Path, rows: int = ROWS, seed: int = 0) -> Path:
    _table(rows, seed).to_csv(path, index=False)
    return path


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Forecast]:
    folder = tmp_path_factory.mktemp("own")
    result = forecast(_csv(folder / "t.csv"), "ridge", 2, window=20)
    result.save(folder / "out", figures=False)
    return folder, result


def test_scores_stand_beside_the_baselines(saved: tuple[Path, Forecast]) -> None:
    result = saved[1]
    table = result.table.set_index(["horizon", "model"])
    assert set(table.index.get_level_values("model")) == {"ridge", "last_value", "seasonal_naive"}
    assert table.loc[(1, "last_value"), "skill"] == 0
    assert table.loc[(1, "ridge"), "skill"] > 0.2
    assert table.loc[(1, "ridge"), "points"] == 199
    assert result.verdict.startswith("ridge has the lowest MSE, the mean of 1 to 2 steps ahead: ")
    notes = "\n".join(result.notes)
    assert "time column: 'when'" in notes and "step 5 min" in notes
    assert notes.count("season: a day (288 steps)") == 1


def test_the_files(saved: tuple[Path, Forecast]) -> None:
    folder, result = saved
    assert {name.split("/")[0] for name in _bytes(folder / "out")} == {
        *("scores.csv", "forecast.csv", "report.json", "model")
    }
    coming = pd.read_csv(folder / "out" / "forecast.csv", parse_dates=["time"])
    assert list(coming.columns) == ["time", "horizon", "forecast", "low", "high"]
    assert coming["time"].iloc[0] == pd.Timestamp("2024-03-01") + ROWS * pd.Timedelta("5min")
    assert (coming["low"] < coming["forecast"]).all() and (coming["forecast"] < coming["high"]).all()
    facts = json.loads((folder / "out" / "report.json").read_text())
    assert facts["data"]["sha256"] == result.trace.origin.sha256
    assert (facts["season"], facts["columns"][0], facts["verdict"]) == (288, "value", result.verdict)
    assert facts["notes"] == list(result.notes)
    assert not [key for key in facts if "second" in key], "what differs from run to run stays out"


def test_memory_is_as_good_as_a_file_and_the_same_run_gives_the_same_bytes(
    saved: tuple[Path, Forecast], tmp_path: Path
) -> None:
    again = forecast(saved[0] / "t.csv", "ridge", 2, window=20).save(tmp_path / "out", figures=False)
    assert _bytes(again) == _bytes(saved[0] / "out")
    for data in (_table(), _table().set_index("when")["hits"], saved[1].trace):
        result = forecast(data, "ridge", 2, window=20)
        pd.testing.assert_frame_equal(result.future, saved[1].future)
        pd.testing.assert_frame_equal(result.table, saved[1].table)


def test_the_lstm_with_settings_progress_and_figure(tmp_path: Path) -> None:
    lines: list[str] = []
    result = forecast(_table(500), window=20, seed=3, baselines=("last_value",), settings=QUICK, progress=lines.append)
    assert lines == ["judging lstm, last_value on the last 100 rows", "fitting lstm on all 500 rows"]
    assert result.facts["choice"]
    folder = result.save(tmp_path / "out")
    assert {"forecast.png", "forecast.svg"} <= set(_bytes(folder))
    assert persistence.load(folder / "model").get_params()["hidden"] == 8
    assert "lstm" in result._repr_html_()


class Mine(LastValue):
    """A forecaster of one's own."""


def test_an_lstm_of_a_long_trace_trains_less_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeresearch.forecasting.api.LONG_LSTM", 500)
    monkeypatch.setattr("edgeresearch.forecasting.api.LSTM_ROWS", 3000)
    result = forecast(_table(), "lstm", window=20)
    what = "lstm: 1 network and 3 passes over the rows, not 3 and 30, as there are 1000"
    assert result.notes[-1] == f"{what}; er.forecast(settings=…) changes it"
    model: Any = result.forecaster
    assert (model.members, model.epochs, model.n_features_in_) == (1, 3, len(result.facts["columns"]))
    assert result.facts["choice"] == f"{model.base_}, local scale, {model.epochs_} epochs", "chosen once"
    rows = make_features(result.trace, horizons=(1,), season=288, fill_limit=5)
    assert np.isfinite(model.predict(rows.to_numpy())).all()
    settled = forecast(_table(), "lstm", window=20, settings=QUICK)
    assert not any(each.startswith("lstm:") for each in settled.notes)


def test_an_object_is_judged_but_not_saved(tmp_path: Path) -> None:
    result = forecast(_table(300), Mine(), window=20, seasonality="none")
    assert result.model == "Mine" and set(result.table["model"]) == {"Mine", "last_value", "ridge"}
    assert not (result.save(tmp_path / "out") / "model").exists()


def test_a_saved_model_is_applied_again(saved: tuple[Path, Forecast], tmp_path: Path) -> None:
    folder, first = saved
    result = apply_forecaster(folder / "out", folder / "t.csv")
    pd.testing.assert_frame_equal(result.future[["time", "forecast"]], first.future[["time", "forecast"]])
    assert result.notes[-1] == "note: the model was fitted on this very file, so the scores are no test"
    result = apply_forecaster(folder / "out" / "model", _csv(tmp_path / "new.csv", 1100, seed=5))
    assert "note:" not in result.notes[-1]
    table = result.table.set_index(["horizon", "model"])
    assert table.loc[(2, "ridge"), "skill"] > 0.2
    assert table.loc[(2, "last_value"), "points"] == 1100 - 19 - 2
    assert set(_bytes(result.save(tmp_path / "out", figures=False))) == {"scores.csv", "forecast.csv", "report.json"}
    assert (result.facts["data"]["file"], result.facts["fitted_on"]["file"]) == ("new.csv", "t.csv")
    longer = apply_forecaster(folder / "out", _table(22 * 288))
    assert not [name for name in longer.facts["columns"] if name.startswith("week")], "what the model did not know"


@pytest.fixture(scope="module")
def three_weeks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Forecast]:
    """An LSTM that was fitted on three weeks and a day, with the calendar's features of hour, day and week."""
    folder = tmp_path_factory.mktemp("weeks") / "out"
    result = forecast(_table(22 * 288), "lstm", 2, window=20, settings=QUICK)
    result.save(folder, figures=False)
    return folder, result


@pytest.mark.parametrize("rows", [20 + 288, 400])
def test_a_window_and_a_season_of_new_rows_suffice(rows: int, three_weeks: tuple[Path, Forecast]) -> None:
    folder, first = three_weeks
    assert {"week_sin_1", "day_sin_1", "season_lag_1"} <= set(first.facts["columns"])
    result = apply_forecaster(folder, _table(rows, seed=3))
    features = make_features(result.trace, horizons=(1, 2), season=288, fill_limit=5, span=first.facts["rows"])
    batch = np.maximum(first.forecaster.predict(features.to_numpy()), 0)
    np.testing.assert_array_equal(result.future["forecast"], batch[-1])
    seen = result.backtest[result.backtest["horizon"] == 2]
    np.testing.assert_array_equal(seen["forecast"], batch[19:-2, 1])


def test_fewer_rows_are_told_how_many_are_needed(three_weeks: tuple[Path, Forecast]) -> None:
    with pytest.raises(
        InputError, match=r"series has 307 rows, .*a window of 20 and a season of 288; give at least 308"
    ):
        apply_forecaster(three_weeks[0], _table(307))


def test_new_rows_are_read_as_the_fitted_ones_were(tmp_path: Path) -> None:
    wide = _table().assign(more=np.arange(ROWS) % 7)
    for reading in ({"value": "more"}, {"sum": True}, {"value": "hits+more", "sum": True}):
        saved = forecast(wide, "last_value", window=20, seasonality="none", **reading).save(tmp_path, figures=False)
        again = apply_forecaster(saved, wide[-400:])
        expected = er.read_trace(wide[-400:], **reading)
        pd.testing.assert_series_equal(again.trace.values, expected.values)
    other = apply_forecaster(saved, wide[-400:], value="hits")
    assert other.trace.values.name == "hits", "what is said anew goes before"
    events = pd.DataFrame(
        {"when": pd.to_datetime(np.sort(np.random.default_rng(0).uniform(1.7e9, 1.7e9 + 6e4, 9000)), unit="s")}
    )
    events["path"] = "/"
    saved = forecast(events, "last_value", window=20, seasonality="none", count=True, step="2min").save(
        tmp_path, figures=False
    )
    assert apply_forecaster(saved, events[-4000:]).trace.step == pd.Timedelta("2min")


def _counter(rows: int, every: int, seed: int = 0) -> pd.DataFrame:
    """A counter that is set back every so many rows."""
    rises = np.random.default_rng(seed).integers(100, 170, rows)
    starts = np.arange(rows) // every * every
    total = np.cumsum(rises)
    when = pd.date_range("2024-02-01", periods=rows, freq="5min")
    return pd.DataFrame({"when": when, "host": "a", "req_total": total - np.r_[0, total][starts]})


def test_a_counters_model_reads_a_counter_again(tmp_path: Path) -> None:
    first = forecast(_counter(600, 250), "ridge", 2, window=8, seasonality="none")
    assert first.facts["reading"] == {"value": "req_total", "rate": True}, "what was guessed is kept"
    folder, newer = first.save(tmp_path, figures=False), _counter(100, 12, seed=1)
    again = apply_forecaster(folder, newer)
    assert again.notes[0] == "read as what the model was fitted on: rate, value req_total"
    assert again.future["forecast"].between(100, 170).all()
    as_series = apply_forecaster(folder, newer.set_index("when")["req_total"].rename("hits"))
    assert as_series.notes[0] == "read as what the model was fitted on: rate"
    np.testing.assert_array_equal(as_series.future["forecast"], again.future["forecast"])
    assert apply_forecaster(folder, newer, level=True).trace.values.max() > 1000, "what is said goes before"
    with pytest.raises(InputError, match="read with `level`, .* with `rate`; read the trace with `rate`"):
        apply_forecaster(folder, er.read_trace(newer, level=True))
    live = er.load_model(folder)
    assert "of a counter's increments" in repr(live)
    with pytest.raises(InputError, match="-3 is no increment"):
        live.update(-3)
    raw = _counter(20, 20)["req_total"] + 5000
    with pytest.raises(InputError, match="is no increment: the model was fitted on those of a counter, up to 169"):
        for value in raw:
            live.update(value)
    assert live.wait > 0, "before it forecast from what it cannot read"
    live = er.load_model(folder)
    for value in again.trace.values:
        live.update(value)
    np.testing.assert_array_equal(live.forecast(), again.future["forecast"])


def test_a_levels_model_reads_a_level_again_and_keeps_rows_and_missing_words(tmp_path: Path) -> None:
    table = _table(400).assign(host=["a", "b"] * 200)
    table["when"] = np.repeat(pd.date_range("2024-03-01", periods=200, freq="5min"), 2)
    table.loc[50, "hits"] = -999
    said = {"value": "hits", "where": "host=a", "missing": "-999"}
    folder = forecast(table, "ridge", window=8, seasonality="none", **said).save(tmp_path, figures=False)
    again = apply_forecaster(folder, table)
    assert again.facts["reading"] == {**said, "level": True} and len(again.trace.frame) == 200
    assert again.notes[0] == "read as what the model was fitted on: level, missing -999, value hits, where host=a"
    one = table[::2].drop(columns="host")
    with pytest.raises(InputError, match=r"no column 'host'.* \(read as what .* where host=a; `where` none keeps all"):
        apply_forecaster(folder, one)
    assert len(apply_forecaster(folder, one, where="none").trace.frame) == 200
    rising = pd.DataFrame({"when": table["when"][::2], "host": "a", "hits": np.arange(200)})
    assert apply_forecaster(folder, rising).trace.values.max() == 199, "not its differences"
    read = er.read_trace(table, **said)
    assert forecast(read, "ridge", window=8).facts["reading"] == again.facts["reading"], "also of a trace that was read"


def test_another_unit_than_the_models_is_refused(tmp_path: Path) -> None:
    table = _table(300).astype({"hits": str})
    folder = forecast(table.assign(hits=table["hits"] + " MB"), "ridge", window=8, seasonality="none").save(
        tmp_path, figures=False
    )
    assert apply_forecaster(folder, table.assign(hits=table["hits"] + " MB")).trace.unit == "hits (MB)"
    for unit, given in ((" GB", "GB"), ("", "no unit")):
        with pytest.raises(InputError, match=f"has {given}, the model was fitted on MB; convert the values"):
            apply_forecaster(folder, table.assign(hits=table["hits"] + unit))
    unnamed = read_trace(table.rename(columns={"hits": "other"}), value="other")
    assert apply_forecaster(folder, replace(unnamed, unit="requests per minute")).trace.unit == "requests per minute"


def test_a_column_of_another_name_is_refused_with_the_option(three_weeks: tuple[Path, Forecast]) -> None:
    renamed = _table(400).rename(columns={"hits": "qps"})
    with pytest.raises(InputError, match="has no column 'hits'.*qps"):
        apply_forecaster(three_weeks[0], renamed)
    assert apply_forecaster(three_weeks[0], renamed, value="qps").trace.values.name == "qps"


def _holes(seed: int) -> pd.DataFrame:
    """400 rows of five minutes with a short gap, a long one, and another short one at the end."""
    table = _table(400, seed).astype({"hits": float})
    table.loc[[*range(330, 334), *range(350, 358), 398, 399], "hits"] = np.nan
    return table


@pytest.mark.parametrize("model", ["ridge_calendar", "lstm", "random_forest", "seasonal_naive"])
def test_a_stream_forecasts_the_very_numbers_of_the_batch(model: str, tmp_path: Path) -> None:
    folder = forecast(_table(22 * 288), model, 2, window=20, settings=QUICK, baselines=["last_value"]).save(
        tmp_path, figures=False
    )
    live, table = er.load_model(folder), _holes(5)
    for row, (time, value) in enumerate(table.itertuples(index=False)):
        if not (350 <= row < 354):  # some are left out, some are said to be missing
            live.update(None if np.isnan(value) else value, time)
        if row in (307, 340, 349, 377, 390, 397):
            np.testing.assert_array_equal(live.forecast(), _newest(folder, table[: row + 1]))
        elif row in (333, 355, 376, 399):  # within gaps, and too early after one
            assert (live.wait == 0) == (row in (333, 399))
            with nullcontext() if live.wait == 0 else pytest.raises(InputError, match="more values are needed"):
                assert np.isfinite(live.forecast()).all()
    assert live.time == table["when"].iloc[-1]


def _newest(folder: Path, table: pd.DataFrame) -> np.ndarray:
    """Return the batch's forecasts of the coming steps."""
    index = pd.DatetimeIndex(table["when"], name=None)
    frame = pd.DataFrame({"hits": table["hits"].to_numpy(dtype=float)}, index=index)
    trace = Trace("t", frame, pd.Timedelta("5min"), "hits", Origin("memory"))
    return apply_forecaster(folder, trace).future["forecast"].to_numpy()


def test_a_stream_says_when_it_can_forecast(three_weeks: tuple[Path, Forecast]) -> None:
    live, table = er.load_model(three_weeks[0]), _table(500)
    assert (live.wait, live.horizon, live.time) == (308, 2, None)
    with pytest.raises(InputError, match="308 more values are needed for a forecast"):
        live.forecast()
    assert repr(live) == "LiveModel(lstm, 2 steps of 5 min ahead; time None, wait 308)"
    with pytest.raises(InputError, match="reads the time of day; give the first value's `time`"):
        live.update(3.0)
    live.update(table["hits"][0], "2024-03-01T02:00:00+02:00")
    for value in table["hits"][1:308]:
        live.update(value)
    assert live.wait == 0 and np.isfinite(live.forecast()).all()
    assert live.time == table["when"][307], "a zone is turned into UTC, and no time is one step on"
    assert list(live.forecast().index) == list(table["when"][308:310])
    for _ in range(5):
        live.update(None)
    assert live.wait == 0, "a short gap is filled"
    live.update(float("nan"))
    assert live.wait == 20
    live.update(7)
    assert live.wait == 19
    before = live.time
    assert before is not None
    off = before + pd.Timedelta("12min")
    for time, message in ((before, "is no step of 5 min after"), ("2024-01-01", "give a later one"), (off, "round it")):
        with pytest.raises(InputError, match=message):
            live.update(1.0, time)
    with pytest.raises(InputError, match="inf is no value"):
        live.update(float("inf"))
    assert live.time == before, "what is refused changes nothing"
    live.update(1.0, before + pd.Timedelta("90D"))
    assert live.wait == 19, "what was not observed a season ago is as in a batch"


def test_a_model_that_reads_no_times_needs_none(saved: tuple[Path, Forecast]) -> None:
    live = er.load_model(saved[0] / "out")
    for value in _table(308)["hits"]:
        live.update(value)
    assert live.wait == 0 and live.time is None and list(live.forecast().index) == list(range(1, live.horizon + 1))
    np.testing.assert_array_equal(live.forecast(), apply_forecaster(saved[0] / "out", _table(308)).future["forecast"])


@pytest.mark.parametrize(("model", "times"), [("ridge", False), ("ridge_calendar", True), (Mine(), True)])
def test_features_have_times_where_a_model_reads_them(model: Any, times: bool) -> None:
    columns = forecast(_table(900), model, window=20, baselines=["last_value"]).facts["columns"]
    assert any(name.startswith("day_sin") for name in columns) == times


def test_without_a_season_the_seasonal_naive_is_left_out(tmp_path: Path) -> None:
    result = forecast(_table(300), "ridge", window=20, seasonality="none")
    assert set(result.table["model"]) == {"ridge", "last_value"}
    again = apply_forecaster(result.save(tmp_path / "out", figures=False), _table(300))
    assert set(again.table["model"]) == {"ridge", "last_value"}


def test_traces_that_do_not_fit_a_saved_model_are_refused(saved: tuple[Path, Forecast], tmp_path: Path) -> None:
    folder, result = saved
    holes = _table(2000)[np.arange(2000) % 25 < 12]
    coarse = _table(600).assign(when=pd.date_range("2024-03-01", periods=600, freq="10min"))
    persistence.save(result.forecaster, tmp_path / "model", about={"model": "ridge"})
    for place, table, message in (
        (tmp_path / "model", _table(), "was not saved by 'edgeresearch forecast'"),
        (folder / "out", holes, "no row with a whole window of 20 and a value after it"),
        (folder / "out", coarse, "has a step of 10 min, the model was fitted on 5 min"),
        (
            folder / "out",
            _table(300),
            "has 300 rows, the saved model reads a window of 20 and a season of 288; give",
        ),
    ):
        with pytest.raises(InputError, match=message):
            apply_forecaster(place, table)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "lstmm"}, "unknown model 'lstmm'; did you mean lstm"),
        ({"baselines": ["naive"]}, "unknown model 'naive'"),
        ({"seed": -1}, "seed -1 is negative"),
        ({"horizon": 0}, "must be at least 1"),
        ({"window": 0}, "must be at least 1"),
        ({"model": "seasonal_naive", "seasonality": "none"}, "needs a season, and series has none"),
        ({"seasonality": "often"}, "neither steps nor a duration"),
    ],
)
def test_settings_that_are_refused(options: dict[str, Any], message: str) -> None:
    for data in (_table(300), er.read_trace(_table(300))):
        with pytest.raises(InputError, match=message):
            forecast(data, **options)


def test_forecasters_are_compared_on_a_trace_of_ones_own() -> None:
    table = _table(300)
    result = er.compare_forecasters(table, [Mine(), "ridge"], [3, 1], window=20)
    assert result.table[["model", "horizon"]].to_numpy().tolist() == [
        *(["Mine", 1], ["ridge", 1], ["Mine", 3], ["ridge", 3])
    ]
    assert result.notes[0] == "time column: 'when'"
    with pytest.raises(InputError, match="seed -1 is negative"):
        er.compare_forecasters(table, ["ridge"], seed=-1)
    for horizons in ([], [0]):
        with pytest.raises(InputError, match="must be at least 1"):
            er.compare_forecasters(table, ["ridge"], horizons)


def _result(shift: float = 0.0) -> Forecast:
    values = np.random.default_rng(0).poisson(20, 300) + shift
    index = pd.date_range("2024-01-01", periods=300, freq="1min")
    frame = pd.DataFrame({"v": values.astype(float)}, index=index)
    trace = Trace("mine", frame, pd.Timedelta("1min"), "v", Origin("file", "mine.csv", "ab", True), {"absent": 0})
    truth = np.full((300, 2), np.nan)
    truth[:-1, 0], truth[:-2, 1] = values[1:], values[2:]
    made = np.repeat(values[:, None], 2, axis=1).astype(float)
    model = LastValue().fit(frame.to_numpy(), truth)
    scores = pd.DataFrame({"horizon": [1, 2], "model": "last_value", "mse": [1.0, 2.0]})
    return _assemble(trace, {"model": "last_value", "window": 10}, scores, model, frame, truth[100:], made[100:])


def test_the_coming_steps_follow_the_end_with_the_middle_of_past_errors() -> None:
    result = _result()
    last = result.trace.values.iloc[-1]
    assert list(result.future["time"]) == list(pd.to_datetime(["2024-01-01 05:00", "2024-01-01 05:01"]))
    assert list(result.future["horizon"]) == [1, 2]
    np.testing.assert_array_equal(result.future["forecast"], [last, last])
    first = result.backtest[result.backtest["horizon"] == 1]
    errors = first["truth"] - first["forecast"]
    assert result.future["low"].iloc[0] == pytest.approx(max(0, last + np.quantile(errors, 0.025)))
    assert result.future["high"].iloc[0] == pytest.approx(last + np.quantile(errors, 0.975))


def test_rows_without_value_at_the_end_are_like_absent_ones() -> None:
    table = _table(300).astype({"hits": float})
    table.loc[292:, "hits"] = np.nan
    result = forecast(table, "ridge", window=20, seasonality="none")
    pd.testing.assert_frame_equal(result.future, forecast(table[:292], "ridge", window=20, seasonality="none").future)
    assert "trace: from its first value, at 2024-03-01 00:00:00, to its last, at 2024-03-02 00:15:00" in result.notes


def test_what_was_judged_is_stamped_with_the_time_it_is_about() -> None:
    result = _result()
    assert result.backtest["truth"].notna().all()
    for row in result.backtest.itertuples():
        assert result.trace.values.loc[row.time] == row.truth
    inside = result.backtest.dropna()
    assert 0.85 < ((inside["low"] <= inside["truth"]) & (inside["truth"] <= inside["high"])).mean() <= 1
    assert len(inside) > 100


def test_an_interval_goes_below_0_only_where_the_trace_does() -> None:
    assert (_result().future["low"] >= 0).all()
    assert (_result(shift=-20.0).future["low"] < 0).all()


CHEAP = ("ridge", "ridge_calendar", "logistic", "xgboost", "random_forest", "last_value", "seasonal_naive")
SHAPES = {
    "counts": lambda rng, at: rng.poisson(3, len(at)),
    "mostly zero": lambda rng, at: rng.poisson(0.1, len(at)),
    "falling to zero": lambda rng, at: np.maximum(200 - at, 0) + rng.integers(2, size=len(at)),
    "rising": lambda rng, at: 0.01 * at**2 + rng.random(len(at)),
    "spikes": lambda rng, at: rng.poisson(5, len(at)) * np.where(rng.random(len(at)) < 0.02, 1e6, 1),
    "signed": lambda rng, at: rng.normal(0, 5, len(at)),
    "below zero": lambda rng, at: -50 - rng.poisson(3, len(at)),
}
"""What a trace may look like: those that end otherwise than they began make a model err to one side."""


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("model", CHEAP)
def test_a_forecast_lies_between_its_bounds_and_none_is_below_0_without_cause(model: str, shape: str) -> None:
    values = SHAPES[shape](np.random.default_rng(0), np.arange(240))
    table = pd.DataFrame({"when": pd.date_range("2024-03-01", periods=240, freq="1h"), "v": values * 1.0})
    less = QUICK.replace(forest=ForestSettings(trees=4))
    result = forecast(table, model, 2, window=10, settings=less, baselines=())
    for part in (result.future, result.backtest.dropna()):
        assert ((part["low"] <= part["forecast"]) & (part["forecast"] <= part["high"])).all()
        if values.min() >= 0:
            assert (part[["low", "forecast", "high"]] >= 0).all(axis=None)
    assert np.isfinite(result.future[["low", "forecast", "high"]]).all(axis=None)
    if shape == "below zero":
        assert (result.future["low"] < -40).all()
    errors = (result.backtest["forecast"] - result.backtest["truth"])[result.backtest["horizon"] == 1]
    scored = result.table.query("model == @model and horizon == 1")["mse"].iloc[0]
    assert scored == pytest.approx(float((errors**2).mean())), "the scores are those of what is shown"


def test_a_comparison_and_a_loaded_model_keep_to_the_bounds_too(tmp_path: Path) -> None:
    table = pd.DataFrame({"when": pd.date_range("2024-03-01", periods=600, freq="1h"), "v": 0.0})
    table["v"] = np.maximum(400.5 - table.index, 0)  # where it stays at 0, a line drawn on goes below
    compared = er.compare_forecasters(table, ["ridge", "last_value"], [5], window=10).forecasts.dropna()
    assert ((compared["low"] <= compared["forecast"]) & (compared["forecast"] <= compared["high"])).all()
    assert (compared[["low", "forecast"]] >= 0).all(axis=None)
    forecast(table[:390], "ridge", 5, window=10).save(tmp_path, figures=False)
    loaded = apply_forecaster(tmp_path, table)
    assert (loaded.backtest["forecast"] >= 0).all() and (loaded.future["low"] >= 0).all()


@pytest.mark.parametrize(
    ("size", "offset"), [(1e-9, 0), (1e-4, 0), (1e12, 0), (1e20, 0), (1, 1e6), (1, 1e9), (1, 1e12)]
)
@pytest.mark.parametrize("model", ["xgboost", "xgboost_calendar", "random_forest", "ridge", "logistic"])
def test_no_model_is_blind_to_small_differences(model: str, size: float, offset: float) -> None:
    """Trees compute with 32 bits: memory in bytes, and errors per request, looked constant to them."""

    def score(size: float, offset: float) -> tuple[float, float]:
        table = _table(300).assign(hits=lambda rows: rows["hits"] * size + offset)
        result = forecast(table, model, window=10, settings=QUICK.replace(forest=ForestSettings(trees=20)))
        return result.table.query("model == @model")["skill"].iloc[0], result.future["forecast"].iloc[0]

    (skill, coming), (usual, expected) = score(size, offset), score(1, 0)
    assert skill == pytest.approx(usual, abs=0.1)
    assert (coming - offset) / size == pytest.approx(expected, rel=0.1)


def test_a_scaled_model_is_saved_and_loaded(tmp_path: Path) -> None:
    table = _table(300).assign(hits=lambda rows: rows["hits"] * 1e-9)
    first = forecast(table, "xgboost", 2, window=10, seasonality="none")
    again = apply_forecaster(first.save(tmp_path, figures=False), table)
    np.testing.assert_array_equal(again.future["forecast"], first.future["forecast"])
    assert first.future["forecast"].between(1e-8, 2e-7).all()


class Endless(LastValue):
    """A forecaster that overflows."""

    def _forecast(self, rows: Any) -> Any:
        return np.where(rows[:, :1] > 99, np.inf, rows[:, :1])


def test_forecasts_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InputError, match=r"model Endless forecasts inf in \d+ of 199 places, not finite numbers"):
        forecast(_table(), Endless(), window=20)


BEATEN = "no model beats the last value by MSE, 1 step ahead"


@pytest.mark.parametrize(
    ("mse", "chosen", "verdict"),
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
        ({"lstm": 3.0, "last_value": 2.0}, "lstm", f"{BEATEN}; lstm: 50.0 % above the last value"),
        ({"last_value": 2.0}, "last_value", BEATEN),
        ({"lstm": 3.0, "ridge": 4.0}, "lstm", "lstm has the lowest MSE, 1 step ahead: MSE 3"),
    ],
)
def test_the_verdict(mse: dict[str, float], chosen: str, verdict: str) -> None:
    scores = pd.DataFrame({"horizon": 1, "model": list(mse), "mse": list(mse.values())})
    assert write_verdict(scores, chosen) == verdict


def test_the_verdict_takes_the_mean_over_the_horizons() -> None:
    scores = pd.DataFrame({"horizon": [1, 1, 2, 2], "model": ["a", "last_value"] * 2, "mse": [3.0, 4.0, 3.0, 8.0]})
    verdict = write_verdict(scores, "a")
    assert verdict == "a has the lowest MSE, the mean of 1 to 2 steps ahead: 50.0 % below the last value"
