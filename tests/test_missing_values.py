"""Missing values of users' files: an empty cell is like an absent row, and gaps are left out, not refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgeresearch as er
from edgeresearch import cli
from edgeresearch.autoscaling.policies import Fixed
from edgeresearch.autoscaling.simulator import simulate
from edgeresearch.data.trace import describe_gaps
from edgeresearch.errors import InputError

WORDS = ["", "undefined"]
COMMANDS = {
    "forecast": "--model ridge --window 12 --horizon 2",
    "elastic": "--forecaster ridge --repeats 1 --strategy combined --unit per-second",
    "detect": "--identity autoencoder --train 150 --every 0",
}


def _table(rows: int = 400, step: str = "1min", seed: int = 0) -> pd.DataFrame:
    load = np.random.default_rng(seed).poisson(60 + 40 * np.sin(np.arange(rows) / 9)).astype(float)
    return pd.DataFrame({"time": pd.date_range("2024-03-05", periods=rows, freq=step), "hits": load})


def _run(*words: str) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    assert left.value.code == 0


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_writes_the_same_for_empty_cells_and_for_absent_rows(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = [0, 1, 30, 31, 77, *range(200, 260), 340, 398, 399]
    table, written = _table(), {}
    table.drop(index=gone).to_csv("absent.csv", index=False)
    for number, word in enumerate(WORDS):
        cells = table["hits"].map("{:g}".format).where(~table.index.isin(gone), word)
        table.assign(hits=cells).to_csv(f"empty{number}.csv", index=False)
    for file in ["absent.csv", *(f"empty{number}.csv" for number in range(len(WORDS)))]:
        _run(command, file, *COMMANDS[command].split(), "--out", file[:-4])
        written[file] = {path.name: path.read_bytes() for path in Path(file[:-4]).glob("*.csv")}
    first, *others = written.values()
    assert first
    assert all(other == first for other in others)
    shown = capsys.readouterr().out
    assert "nan" not in shown.lower()
    assert shown.count("gaps: ") == len(written) - (command == "detect")  # a stream's times need no common distance


MASKS = st.lists(st.tuples(st.integers(0, 119), st.integers(1, 40)), max_size=6)


def _gone(runs: list[tuple[int, int]], rows: int) -> np.ndarray:
    gone = np.zeros(rows, dtype=bool)
    for start, length in runs:
        gone[start : start + length] = True
    return gone


def _outcome(function: Any, table: pd.DataFrame, **options: Any) -> Any:
    try:
        result = function(table, **options)
    except InputError as error:
        return str(error)
    return result.tables()


@settings(max_examples=25, deadline=None)
@given(MASKS)
def test_forecast_and_detect_see_no_difference(runs: list[tuple[int, int]]) -> None:
    table = _table(120)
    gone = _gone(runs, 120)
    empty, absent = table.assign(hits=table["hits"].mask(gone)), table[~gone].reset_index(drop=True)
    if not 1 < (~gone).sum():
        return
    options: dict[str, Any] = {"step": "1min"} if (~gone).sum() < 10 else {}
    for function, more in (
        (er.forecast, {"model": "last_value", "baselines": (), "window": 4, **options}),
        (er.replay, {"policies": "fixed", "repeats": 1, **options}),
        (er.detect, {"identity": _Mean(), "train": 20}),
    ):
        one, other = (_outcome(function, each, **more) for each in (empty, absent))
        if isinstance(one, str) or isinstance(other, str):
            assert type(one) is type(other)
            continue
        for name, part in one.items():
            pd.testing.assert_frame_equal(part, other[name])


class _Mean:
    """An identity function: the mean of what it was trained on."""

    channels = 1

    def fit(self, samples: Any, **_: Any) -> "_Mean":
        self.mean = np.nanmean(samples)
        return self

    def start(self) -> "_Mean":
        return self

    def run(self, rows: Any) -> Any:
        return np.abs(rows[:, 0] - self.mean)

    def step(self, sample: Any) -> float:
        return float(abs(sample[0] - self.mean))

    def copy(self) -> "_Mean":
        return self


@settings(max_examples=20, deadline=None)
@given(start=st.integers(326, 370), length=st.integers(6, 20))
def test_the_metrics_of_a_forecast_are_those_of_the_known_steps_alone(start: int, length: int) -> None:
    values = _table()["hits"].to_numpy(copy=True)
    values[start : start + length] = np.nan
    result = er.forecast(_table().assign(hits=values), "last_value", window=5, baselines=())
    assert result.facts["rows"] == 400
    errors = []
    for now in range(320, 399):
        window, after = values[now - 4 : now + 1], values[now + 1]
        if not np.isnan([*window, after]).any():
            errors.append(after - window[-1])
    row = result.table.iloc[0]
    assert row["points"] == len(errors)
    assert row["mse"] == pytest.approx(np.mean(np.square(errors)))
    assert any("windows that touch a longer one are left out" in note for note in result.notes)


def test_a_model_learns_nothing_from_windows_that_touch_a_gap() -> None:
    """What a gap cuts off, a few values between two long gaps, has no part in the fit."""
    table = _table(300)
    table.loc[100:130, "hits"] = np.nan
    changed = table.copy()
    table.loc[114:117, "hits"], changed.loc[114:117, "hits"] = 60.0, 9000.0
    one, other = (er.forecast(each, "ridge", window=12, baselines=()) for each in (table, changed))
    pd.testing.assert_frame_equal(one.table, other.table)
    pd.testing.assert_frame_equal(one.future, other.future)


def test_where_the_end_is_mostly_missing_what_is_known_last_is_judged() -> None:
    table = _table()
    table.loc[325:395, "hits"] = np.nan
    result = er.forecast(table, "ridge", window=12)
    assert result.table["points"].iloc[0] == pytest.approx(312 / 5, abs=4)
    assert any(note.startswith("judged: what is known from 2024-03-05 04:") for note in result.notes)
    assert result.future["forecast"].notna().all()
    assert result.future["time"].iloc[0] == pd.Timestamp("2024-03-05 06:40")


def test_a_saved_model_crosses_gaps_and_says_when_it_can_be_trusted_again() -> None:
    er.forecast(_table(), "ridge", window=12).save("saved", figures=False)
    newer = _table(seed=1)
    newer.loc[300:392, "hits"] = np.nan  # seven values after it
    newer.loc[50:51, "hits"] = np.nan
    result = _apply(newer)
    assert result.future["forecast"].notna().all()
    words = "the forecast reads 7 values since the last gap, fewer than the window of 12"
    assert f"note: {words}; it can be trusted again from 2024-03-05 06:44:00 on" in result.notes
    assert result.table["points"].iloc[0] < 300
    newer.loc[390:, "hits"] = np.nan  # and now the end is missing
    result = _apply(newer)
    assert result.future["time"].iloc[0] == pd.Timestamp("2024-03-05 05:00")
    assert not any("trusted again" in note for note in result.notes)


def _apply(table: pd.DataFrame) -> Any:
    from edgeresearch.forecasting.api import apply_forecaster

    return apply_forecaster("saved", table)


def _seconds(rows: int = 6000) -> pd.DataFrame:
    load = np.random.default_rng(0).poisson(60 + 40 * np.sin(np.arange(rows) / 300)).astype(float)
    return pd.DataFrame({"time": pd.date_range("2024-03-05", periods=rows, freq="1s"), "hits": load})


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(4000, 5990), st.integers(1, 300)), min_size=1, max_size=4))
def test_a_replay_counts_the_known_steps_alone(runs: list[tuple[int, int]]) -> None:
    """By hand: the whole load with straight lines is served, and the steps that are known are added up."""
    table, gone = _seconds(), _gone(runs, 6000)
    gone[-1] = False  # an end would be cut
    masked = table.assign(hits=table["hits"].mask(gone))
    result = er.replay(masked, policies=Fixed(pods=4), unit="per-second")
    row = result.table.set_index("strategy").loc["fixed(pods=4)"]
    begin = 6000 - round(
        (pd.Timestamp("2024-03-05 01:40") - pd.Timestamp(result.facts["replayed_from"])).total_seconds()
    )
    rate = masked["hits"].interpolate().to_numpy()
    arrivals = np.diff(np.floor(np.cumsum(rate) + 0.5), prepend=0)[begin:].astype(int)
    served = simulate(arrivals, np.full(len(arrivals), 4), result.config, rng=np.random.default_rng(0))
    known = ~gone[begin:]
    failed, arrived = (int(part[known].sum()) for part in (served.failed, served.arrived))
    assert arrived == masked["hits"][begin:].sum()
    assert row["error_percent"] == pytest.approx(100 * failed / arrived)
    assert row["pod_hours"] == pytest.approx(4 * known.sum() / 3600)
    assert f"gaps: {describe_gaps(masked['hits'].set_axis(masked['time']))}; the simulation crosses them" in "".join(
        result.notes
    )


def test_a_replay_crosses_a_long_gap_and_shows_it_as_one(here: Path) -> None:
    table = _table(600)
    table.loc[100:180, "hits"] = np.nan
    table.loc[450:520, "hits"] = np.nan
    result = er.replay(
        table, forecaster="ridge", repeats=1, unit="per-second", policies=["combined", "hpa", "quantile"]
    )
    (note,) = (line for line in result.notes if line.startswith("gaps: "))
    assert note.startswith("gaps: 152 of 600 steps, in 2 gaps, the longest of 81, from 2024-03-05 01:40:00 on; ")
    course = result.course[result.course["strategy"] == "hpa"]
    inside = course["time"].between("2024-03-05 07:30", "2024-03-05 08:40:45")
    assert course.loc[inside, ["load", "failed", "wanted", "ready", "cpu"]].isna().all(axis=None)
    assert course.loc[~inside, ["load", "failed", "wanted", "ready", "cpu"]].notna().all(axis=None)
    hours = course["wanted"].notna().sum() * 15 / 3600
    assert result.table.set_index("strategy").loc["hpa", "pod_hours"] >= hours
    assert len(course) < 600 * 4 * 0.6
    assert (result.table["error_percent"] < 20).all()
    assert {path.suffix for path in result.save("out").iterdir()} == {".csv", ".json", ".png", ".svg"}


def test_gaps_that_are_filled_count_and_longer_ones_do_not() -> None:
    table = _table(600)
    table.loc[[100, 101, 500], "hits"] = np.nan
    table.loc[520:540, "hits"] = np.nan
    result = er.replay(table, policies="fixed", repeats=1, unit="per-second", fill=2)
    assert any(line.startswith("filled: 3 of 600 steps, in gaps of at most 2") for line in result.notes)
    assert any(line.startswith("gaps: 21 of 600 steps, in a gap of 21, from 2024-03-05 08:40") for line in result.notes)


def test_a_trace_whose_beginning_has_no_whole_stretch_is_refused_with_a_way_out() -> None:
    table = _table(600, "5min")
    table.loc[::2, "hits"] = np.nan
    table.loc[1::6, "hits"] = np.nan
    with pytest.raises(
        InputError, match="there are no 900 s without a gap in the part that is learnt from; let `fill`"
    ):
        er.replay(table, forecaster="ridge", policies="combined", repeats=1, step="5min")
    assert len(er.replay(table, policies="hpa", repeats=1, step="5min").table) == 2
    assert len(er.replay(table, forecaster="ridge", policies="combined", repeats=1, step="5min", fill=4).table) == 4


def test_nothing_observed_is_refused() -> None:
    trace = er.read_trace(_table(200))
    nothing = er.Trace("mine", trace.frame * np.nan, trace.step, "requests", trace.origin)
    for function in (er.forecast, er.replay):
        with pytest.raises(InputError, match="mine has no observed value; use another trace"):
            function(nothing)
