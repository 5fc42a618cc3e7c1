"""A user's own stream, from Python and by the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgeresearch import cli
from edgeresearch.anomaly import api
from edgeresearch.anomaly.api import Report, detect_file
from edgeresearch.anomaly.identity import LSTM, Autoencoder
from edgeresearch.anomaly.thresholds import Moving, Quantile
from edgeresearch.errors import InputError

ROWS, JUMP = 400, slice(300, 304)


def _stream(rows: int = ROWS, **columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    wave = np.sin(np.arange(rows) / 10)
    values = {"speed": 50 + 5 * wave + rng.normal(0, 0.3, rows), "count": 9 - 3 * wave + rng.normal(0, 0.3, rows)}
    table = pd.DataFrame({"time": pd.date_range("2024-03-01", periods=rows, freq="1min"), **values, **columns})
    table.loc[JUMP, "speed"] += 40
    return table


def _detected(table: pd.DataFrame, **options: Any) -> Report:
    table.to_csv("stream.csv", index=False)
    return detect_file("stream.csv", "out", **{"identity": "autoencoder", "train": 100, "every": 100, **options})


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "IDENTITIES", {"lstm": LSTM(epochs=2), "autoencoder": Autoencoder(epochs=5)})


@pytest.mark.parametrize("identity", ["lstm", "autoencoder"])
@pytest.mark.parametrize("threshold", ["ema", "quantile"])
def test_a_jump_is_an_alarm(identity: str, threshold: str) -> None:
    told: list[str] = []
    report = _detected(_stream(), identity=identity, threshold=threshold, tell=told.append)
    assert report.samples["alarm"].iloc[JUMP].any()
    assert report.samples["alarm"].mean() < 0.05
    assert told == [f"training {n} of 3" for n in (1, 2, 3)]
    assert report.highest(1)["begin"].iloc[0] == pd.Timestamp("2024-03-01 05:00")


def test_the_files() -> None:
    report = _detected(_stream())
    assert {path.name for path in Path("out").iterdir()} == {"scores.csv", "alarms.csv", "report.json"}
    scores = pd.read_csv("out/scores.csv", parse_dates=["time"])
    assert scores.columns.tolist() == ["time", "score", "threshold", "alarm", "training"]
    assert len(scores) == ROWS
    assert scores["time"].iloc[300] == pd.Timestamp("2024-03-01 05:00")
    assert scores["training"].tolist() == [0] * 100 + [1] * 100 + [2] * 100 + [3] * 100
    assert not scores["alarm"].iloc[:100].any(), "training samples are not judged"
    alarms = pd.read_csv("out/alarms.csv")
    assert len(alarms) == len(report.alarms)
    assert alarms["samples"].sum() == scores["alarm"].sum()
    facts = json.loads(Path("out/report.json").read_text())
    assert (facts["identity"], facts["threshold"], facts["trainings"], facts["rows"]) == ("autoencoder", "ema", 3, 400)
    assert facts["identity_settings"]["epochs"] == 5
    assert facts["threshold_settings"]["k"] == 4.0
    assert facts["verdict"] == report.verdict
    assert len(facts["data"]["sha256"]) == 64
    assert "training: on the first 100 samples, up to 2024-03-01 01:39:00; judged is the rest" in facts["said"]


def test_the_verdict_counts() -> None:
    report = _detected(_stream())
    count = int(report.samples["alarm"].sum())
    share = 100 * count / 300
    assert report.verdict == f"{len(report.alarms)} alarms, {count} of 300 judged samples ({share:.2g} %); 3 trainings"


def test_an_alarm_is_a_run_with_its_highest_score() -> None:
    report = _detected(_stream())
    for row in report.alarms.to_dict("records"):
        part = report.samples[(report.samples["time"] >= row["begin"]) & (report.samples["time"] <= row["end"])]
        assert part["alarm"].all()
        assert (len(part), part["score"].max()) == (row["samples"], row["score"])
        assert row["ratio"] > 1


def test_it_is_repeatable_and_the_seed_counts() -> None:
    _detected(_stream(), seed=1)
    first = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    _detected(_stream(), seed=1)
    assert first == {path.name: path.read_bytes() for path in Path("out").iterdir()}
    _detected(_stream(), seed=2)
    assert Path("out/scores.csv").read_bytes() != first["scores.csv"]


def test_what_is_said_does_not_hang_on_what_comes_later() -> None:
    table = _stream()
    changed = table.copy()
    changed.loc[350:, "count"] = 100
    first, second = (_detected(each).samples for each in (table, changed))
    pd.testing.assert_frame_equal(first.iloc[:350], second.iloc[:350])


def test_it_need_not_be_retrained() -> None:
    assert _detected(_stream(), every=0).facts["trainings"] == 1


def test_the_options_reach_the_threshold() -> None:
    usual, strict = (_detected(_stream(), k=k) for k in (4.0, 1.0))
    assert usual.samples["alarm"].sum() < strict.samples["alarm"].sum()
    assert api._threshold("ema", 2.5, None) == Moving(k=2.5)
    assert api._threshold("quantile", None, 0.9) == Quantile(quantile=0.9)
    assert api._threshold("quantile", None, None) == Quantile()


def test_gaps_have_no_score_and_no_alarm() -> None:
    table = _stream()
    table.loc[200:219, ["speed", "count"]] = np.nan
    table.loc[250:260, "count"] = np.nan
    report = _detected(table)
    assert report.samples["score"].iloc[200:220].isna().all()
    assert not report.samples["alarm"].iloc[200:220].any()
    assert report.samples["score"].iloc[250:261].notna().all()
    assert "280 judged samples" in report.verdict
    assert any("missing: 51 of 800 values; 20 rows have none" in line for line in report.said)


def test_chosen_columns() -> None:
    report = _detected(_stream(other=1.0), columns=["count"])
    assert report.values.columns.tolist() == ["count"]
    assert report.facts["columns"] == ["count"]


def test_a_constant_channel_is_told() -> None:
    report = _detected(_stream(still=7.0))
    assert "note: still never change" in report.said


def test_a_stream_without_alarms() -> None:
    report = _detected(_stream(), k=1000.0)
    assert report.verdict.startswith("0 alarms, 0 of 300")
    assert Path("out/alarms.csv").read_text() == "begin,end,samples,score,ratio\n"


def test_the_figure_belongs_to_the_results() -> None:
    def fails(report: Report, folder: Path) -> None:
        (folder / "half.png").write_bytes(b"x")
        raise RuntimeError("no paint")

    with pytest.raises(RuntimeError, match="no paint"):
        _detected(_stream(), draw=fails)
    assert not Path("out").exists()


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "identity": ({"identity": "lstn"}, "unknown identity 'lstn'; did you mean lstm"),
    "threshold": ({"threshold": "fixed"}, "unknown threshold 'fixed'; known: ema, quantile"),
    "k of another": ({"threshold": "quantile", "k": 3.0}, "k is a setting of the threshold ema, not of quantile"),
    "quantile of another": ({"quantile": 0.9}, "quantile is a setting of the threshold quantile, not of ema"),
    "k": ({"k": -1.0}, "k is -1"),
    "quantile": ({"threshold": "quantile", "quantile": 1.0}, "quantile is 1"),
    "train": ({"train": 1}, "train is 1; give at least two samples"),
    "every": ({"every": -1}, "every is -1; give at least two samples"),
    "seed": ({"seed": -1}, "seed -1 is negative"),
    "too short": ({"train": 400}, "has 400 samples, the training alone takes 400; give a longer stream"),
    "columns": ({"columns": ["sped"]}, "has no column 'sped'; nearest: 'speed'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_settings_write_nothing(name: str) -> None:
    options, message = BAD[name]
    with pytest.raises(InputError, match=message):
        _detected(_stream(), **options)
    assert not Path("out").exists()


def test_a_constant_stream() -> None:
    with pytest.raises(InputError, match="stream.csv: speed, count never change, so there is nothing to learn"):
        _detected(_stream().assign(speed=1.0, count=2.0))


def _left(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[Any, str, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main(["detect", *words])
    shown = capsys.readouterr()
    return caught.value.code, shown.out, shown.err


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    _stream().to_csv("stream.csv", index=False)
    words = ["--identity", "autoencoder", "--train", "100", "--every", "150", "--k", "5", "--column", "speed"]
    code, out, _ = _left(capsys, "stream.csv", "--out", "out", *words)
    assert code == 0
    assert "the highest of" in out
    assert "results: out" in out
    names = {"scores.csv", "alarms.csv", "report.json", "detect.png", "detect.svg"}
    assert {path.name for path in Path("out").iterdir()} == names
    facts = json.loads(Path("out/report.json").read_text())
    assert (facts["every"], facts["columns"], facts["threshold_settings"]["k"]) == (150, ["speed"], 5.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,a\n2024-01-01,1\n2024-01-02,1,2\n", "line 3: 3 columns where there were 2 before"),
        ("time,a\n2024-01-01,1\n2024-01-02,inf\n", "'inf' is no finite number"),
        ("time,a\n2024-01-01,1\n2024-01-02,1\n", "never change"),
        ("time,a\n2024-01-01,1\n2024-01-02,2\n", "has 2 samples, the training alone takes 1000"),
    ],
)
def test_a_bad_stream_is_one_line(capsys: pytest.CaptureFixture[str], text: str, message: str) -> None:
    Path("stream.csv").write_text(text)
    code, out, err = _left(capsys, "stream.csv", "--out", "out")
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert not Path("out").exists()
