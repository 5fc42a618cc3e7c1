"""Results that are too good or too bad to be true give no advice but the reason, and keep their digits."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import edgeresearch as er
from edgeresearch import cli
from edgeresearch.io import read_table

ROWS = 300


def _frame(values: Any, name: str = "hits", step: str = "5min") -> pd.DataFrame:
    return pd.DataFrame({"time": pd.date_range("2024-03-05", periods=len(values), freq=step), name: values})


def _noise(rows: int = ROWS) -> Any:
    return np.random.default_rng(0).poisson(60 + 40 * np.sin(np.arange(rows) / 9)).astype(float)


@pytest.mark.parametrize(
    "values",
    [
        7.0 + 3 * np.arange(ROWS),
        np.sin(np.arange(ROWS) / 9),
        np.tile([1.0, 5.0, 2.0, 8.0], ROWS // 4),
        1e9 + 300.0 * np.arange(ROWS),
    ],
    ids=["a ramp", "a computed wave", "a repeated pattern", "a clock"],
)
def test_a_forecast_without_error_is_doubted(values: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = er.forecast(_frame(values), "ridge", window=8, level=True, value="hits")
    assert result.verdict.startswith("no verdict: ridge has an R² of ")
    assert "which no measurement allows; is the column a row number, a time, a total that only rises" in result.verdict
    assert len(result.table) >= 2
    _frame(values).to_csv(tmp_path / "t.csv", index=False)
    words = ["forecast", str(tmp_path / "t.csv"), "--model", "ridge", "--window", "8", "--level", "--value", "hits"]
    with pytest.raises(SystemExit) as left:
        cli.main([*words, "--out", str(tmp_path / "out")])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert "no verdict: ridge has" in shown
    assert "(--rate takes its differences)" in shown
    assert "has the lowest MSE" not in shown


def test_an_end_that_never_changes_gives_no_verdict() -> None:
    values = _noise()
    values[200:] = 40
    verdict = er.forecast(_frame(values), "ridge", window=8).verdict
    assert verdict == "no verdict: what is judged, the end of the trace, never changes"


def test_a_noisy_trace_gets_its_verdict() -> None:
    assert er.forecast(_frame(_noise()), "ridge", window=8).verdict.startswith("ridge has the lowest MSE")


def test_where_every_strategy_fails_none_is_advised(tmp_path: Path) -> None:
    result = er.replay(_frame(_noise()), unit="per-second", max_pods=1, forecaster="last_value", repeats=1)
    assert result.advised == ("", "")
    assert result.advice.startswith("no advice: every strategy fails at least ")
    assert "pods at q_max 20, 1 are allowed by `max_pods`; is the unit right (`unit`)" in result.advice
    assert {"tradeoff.png", "load.png", "table.csv"} <= {path.name for path in result.save(tmp_path / "out").iterdir()}
    enough = er.replay(_frame(_noise()), unit="per-second", forecaster="last_value", repeats=1)
    assert enough.advised[0]
    assert not enough.advice.startswith("no advice")


def test_a_load_that_is_a_straight_line_gets_no_advice() -> None:
    result = er.replay(_frame(5.0 + 3 * np.arange(ROWS)), level=True, policies="hpa", repeats=1)
    assert result.advised == ("", "")
    assert result.advice.endswith(
        "no advice: 'hits' changes by 3 at each row, as no load does; is it a row number, a time or a total (`rate` "
        "takes its differences)? If so, name another column with `value`"
    )


@pytest.mark.parametrize("level", [1.0, 2.0**33, 1e12, 1e-7])
def test_what_is_written_is_what_was_computed(level: float, tmp_path: Path) -> None:
    """A signal far below the size of its values, or far below 1, is not rounded away."""
    wave = 1 + np.random.default_rng(1).normal(size=ROWS) * 1e-7
    table = _frame(level * wave, "bytes")
    result = er.forecast(table, "ridge", window=5)
    folder = result.save(tmp_path / "forecast", figures=False)
    pd.testing.assert_frame_equal(
        read_table(folder / "forecast.csv"),
        result.future.assign(time=result.future["time"].astype(str)),
        check_exact=True,
    )
    (row,) = read_table(folder / "forecast.csv").itertuples()
    assert row.low < row.forecast < row.high
    scores = read_table(folder / "scores.csv")
    np.testing.assert_array_equal(scores["mse"], result.table["mse"])
    found = er.detect(table, identity="autoencoder", train=150, every=0)
    written = read_table(found.save(tmp_path / "detect", figures=False) / "scores.csv")
    np.testing.assert_array_equal(written["score"], found.scores["score"])
    judged = written.iloc[150:]
    np.testing.assert_array_equal(judged["score"] > judged["threshold"], judged["alarm"])


def test_the_tables_of_a_replay_keep_their_digits(tmp_path: Path) -> None:
    result = er.replay(_frame(_noise()), unit="per-second", policies="hpa", repeats=2)
    written = read_table(result.save(tmp_path / "out", figures=False) / "table.csv")
    for name in ("error_percent", "pod_hours"):
        np.testing.assert_array_equal(written[name], result.table[name])


@pytest.mark.parametrize(
    "words",
    [
        "elastic t.csv --unit per-second --repeats 1 --forecaster last_value",
        "forecast t.csv --model ridge --window 8",
        "los --streams 2 --hours 0.2 --repeats 1 --policy in_situ",
        "sweep one.yaml",
    ],
)
def test_one_repeat_prints_no_interval_of_nothing(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    _frame(_noise()).to_csv("t.csv", index=False)
    Path("one.yaml").write_text(
        "experiment: los\nseeds: 1\nsettings: {policy: los, los.hours: 0.2}\ngrid: {streams: [2, 4]}\n",
        encoding="utf-8",
    )
    more = ["--workers", "1"] if words.startswith("sweep") else []
    with pytest.raises(SystemExit) as left:
        cli.main([*words.split(), *more, "--out", "out"])
    assert left.value.code == 0
    shown = capsys.readouterr().out.lower()
    assert "nan" not in shown.replace("nanosecond", "")
