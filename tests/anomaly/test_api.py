"""A user's own stream, from Python and by the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import edgeresearch as er
from edgeresearch import cli
from edgeresearch.anomaly.thresholds import FixedThreshold
from edgeresearch.errors import InputError

ROWS, JUMP = 400, slice(300, 304)
FAST = {"lstm": er.LSTMIdentity(epochs=2), "autoencoder": er.AutoencoderIdentity(epochs=5)}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _stream(**columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    wave = np.sin(np.arange(ROWS) / 10)
    values = {"speed": 50 + 5 * wave + rng.normal(0, 0.3, ROWS), "count": 9 - 3 * wave + rng.normal(0, 0.3, ROWS)}
    table = pd.DataFrame({"time": pd.date_range("2024-03-01", periods=ROWS, freq="1min"), **values, **columns})
    table.loc[JUMP, "speed"] += 40
    return table


def _detect(stream: Any = None, **options: Any) -> er.Detection:
    usual = {"identity": FAST["autoencoder"], "train": 100, "every": 100}
    return er.detect(_stream() if stream is None else stream, **{**usual, **options})


@pytest.mark.parametrize("identity", FAST)
@pytest.mark.parametrize("threshold", ["ema", "quantile"])
def test_a_jump_is_an_alarm(identity: str, threshold: str) -> None:
    lines: list[str] = []
    detection = _detect(identity=FAST[identity], threshold=threshold, progress=lines.append)
    assert detection.scores["alarm"].iloc[JUMP].any()
    assert detection.scores["alarm"].mean() < 0.05
    assert lines == [f"training {n} of 3" for n in (1, 2, 3)]
    assert detection.highest_alarms(1)["begin"].iloc[0] == pd.Timestamp("2024-03-01 05:00")


def test_the_tables_agree() -> None:
    detection = _detect()
    scores, count = detection.scores, int(detection.scores["alarm"].sum())
    assert scores["training"].tolist() == [0] * 100 + [1] * 100 + [2] * 100 + [3] * 100
    assert not scores["alarm"].iloc[:100].any(), "training samples are not judged"
    share = f"{count} of 300 judged samples ({100 * count / 300:.2g} %)"
    assert detection.verdict == f"{len(detection.table)} alarms, {share}; 3 trainings"
    assert detection.table["samples"].sum() == count
    for row in detection.table.to_dict("records"):
        part = scores[(scores["time"] >= row["begin"]) & (scores["time"] <= row["end"])]
        assert part["alarm"].all()
        assert (len(part), part["score"].max()) == (row["samples"], row["score"])
        assert row["ratio"] > 1
    facts = detection.facts
    assert (facts["identity"], facts["threshold"], facts["trainings"]) == ("AutoencoderIdentity", "ema", 3)
    assert (facts["identity_settings"]["epochs"], facts["threshold_settings"]["k"]) == (5, 4.0)
    assert "training: on the first 100 samples, up to 2024-03-01 01:39:00; judged is the rest" in detection.notes


def test_many_retrainings_make_few_passes_and_an_object_trains_as_it_says() -> None:
    usual = {"train": 30, "every": 16, "threshold": "ema"}
    short = er.detect(_stream(), identity="autoencoder", **usual)
    again = f"retraining: 8 passes over the samples in each of {short.facts['trainings'] - 1}, not 20, to save time"
    assert short.facts["trainings"] == 24 and any(note.startswith(again) for note in short.notes)
    assert (short.facts["identity_settings"]["epochs"], short.facts["retraining_settings"]["epochs"]) == (20, 8)
    whole = er.detect(_stream(), identity=er.AutoencoderIdentity(), **usual)
    assert whole.facts["retraining_settings"]["epochs"] == 20
    assert not any(note.startswith("retraining") for note in whole.notes)
    first = slice(0, 46)
    np.testing.assert_array_equal(short.scores["score"][first], whole.scores["score"][first])
    assert not short.scores.equals(whole.scores)
    few = er.detect(_stream(), identity="autoencoder", train=100, every=100)
    assert few.scores.equals(_detect(identity=er.AutoencoderIdentity()).scores), "up to 10 retrainings are whole"


def test_a_file_a_frame_and_a_series_give_the_same_and_the_seed_counts() -> None:
    _stream().to_csv("stream.csv", index=False)
    frame, of_file, indexed = _detect(), _detect("stream.csv"), _detect(_stream().set_index("time"))
    for other in (of_file, indexed):
        pd.testing.assert_frame_equal(frame.scores, other.scores, check_names=False, check_dtype=False)
    assert of_file.name == "stream"
    assert len(of_file.facts["data"]["sha256"]) == 64
    series = _detect(_stream().set_index("time")["speed"])
    pd.testing.assert_frame_equal(series.scores, _detect(columns=["speed"]).scores)
    assert series.values.columns.tolist() == ["speed"]
    assert _detect(_stream()["speed"]).scores["time"].iloc[1] == pd.Timestamp("2024-01-01 00:00:01"), "1 s apart"
    assert not frame.scores.equals(_detect(seed=2).scores)


def test_scores_do_not_depend_on_what_comes_later() -> None:
    changed = _stream()
    changed.loc[350:, "count"] = 100
    pd.testing.assert_frame_equal(_detect().scores.iloc[:350], _detect(changed).scores.iloc[:350])


def test_options_and_objects_of_ones_own() -> None:
    usual, strict, never = (_detect(k=k) for k in (4.0, 1.0, 1000.0))
    assert 0 < usual.scores["alarm"].sum() < strict.scores["alarm"].sum()
    assert never.verdict.startswith("0 alarms, 0 of 300")
    assert never.table.columns.tolist() == ["begin", "end", "samples", "score", "ratio"]
    assert _detect(every=0).facts["trainings"] == _detect(every=None).facts["trainings"] == 1
    assert _detect(threshold="quantile", quantile=0.9).facts["threshold_settings"]["quantile"] == 0.9
    assert _detect(threshold=er.MovingThreshold(k=1.0)).scores.equals(strict.scores)
    fixed = _detect(threshold=FixedThreshold(level=1.0)).facts
    assert (fixed["threshold"], fixed["threshold_settings"]) == ("FixedThreshold", {"level": 1.0})


def test_rows_without_a_value_are_no_samples_and_constant_channels_are_named() -> None:
    table = _stream(still=7.0)
    table.loc[200:219, ["speed", "count", "still"]] = np.nan
    table.loc[250:260, "count"] = np.nan
    table.to_csv("stream.csv", index=False)
    detection = _detect("stream.csv")
    assert detection.scores["score"].notna().all()
    table.drop(index=range(200, 220)).to_csv("stream.csv", index=False)
    absent = _detect("stream.csv")
    pd.testing.assert_frame_equal(absent.scores, detection.scores)
    pd.testing.assert_frame_equal(absent.table, detection.table)
    assert "gaps: 20 rows without any value are left out, as if they were absent" in detection.notes
    assert "280 judged samples" in detection.verdict
    assert "71 values missing" in detection.notes
    assert "note: still never change" in detection.notes


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "identity": ({"identity": "lstn"}, "unknown identity 'lstn'; did you mean lstm"),
    "threshold": ({"threshold": "fixed"}, "unknown threshold 'fixed'; known: ema, quantile"),
    "k of another": ({"threshold": "quantile", "k": 3.0}, "k is a setting of the threshold ema, not of quantile"),
    "quantile of another": ({"quantile": 0.9}, "quantile is a setting of the threshold quantile, not of ema"),
    "k of an object": ({"threshold": er.MovingThreshold(), "k": 3.0}, "ema, not of MovingThreshold"),
    "k": ({"k": -1.0}, "threshold ema: k is -1.0; input should be greater than or equal to 0"),
    "quantile": ({"threshold": "quantile", "quantile": 1.0}, "quantile is 1"),
    "train": ({"train": 1}, "detect: train is 1; input should be greater than or equal to 2"),
    "every": ({"every": -1}, "detect: every is -1"),
    "seed": ({"seed": -1}, "seed -1 is negative"),
    "too short": ({"train": 400}, "400 samples have a value, the training takes the first 400; give more"),
    "columns": ({"columns": ["sped"]}, "has no column 'sped'"),
    "time": ({"time": "when"}, "has no column 'when'"),
    "names": (
        {"stream": _stream().rename(columns={"count": "speed"})},
        "the series has two columns 'speed'; give",
    ),
    "words": ({"stream": pd.DataFrame({"a": ["x"] * ROWS})}, "has no column of numbers"),
    "class": ({"identity": er.AutoencoderIdentity}, r"is a class and no identity function; call it: Auto.*\(\)"),
    "class of a threshold": ({"threshold": er.MovingThreshold}, r"is a class and no threshold; call it: Moving.*\(\)"),
    "no identity": ({"identity": 3}, "3 is no identity function; give a name or an object with fit"),
    "constant": ({"stream": _stream().assign(speed=1.0, count=2.0)}, "speed, count never change, so there is nothing"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_settings_and_streams(name: str) -> None:
    options, message = BAD[name]
    with pytest.raises(InputError, match=message):
        _detect(**options)


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[Any, str, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main(["detect", *words])
    shown = capsys.readouterr()
    return caught.value.code, shown.out, shown.err


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    _stream().to_csv("stream.csv", index=False)
    words = ["--identity", "autoencoder", "--train", "100", "--every", "150", "--k", "5", "--column", "speed"]
    contents = []
    for out in ("out", "other"):
        code, text, _ = _run(capsys, "stream.csv", "--out", out, *words)
        assert code == 0
        assert "the highest of" in text
        assert f"results: {out}" in text
        contents.append({path.name: path.read_bytes() for path in Path(out).iterdir()})
    assert set(contents[0]) == {"scores.csv", "alarms.csv", "report.json", "detect.png", "detect.svg"}
    assert contents[0] == contents[1]
    facts = json.loads(contents[0]["report.json"])
    assert (facts["every"], facts["columns"], facts["threshold_settings"]["k"]) == (150, ["speed"], 5.0)
    scores = pd.read_csv("out/scores.csv", parse_dates=["time"])
    assert scores.columns.tolist() == ["time", "score", "threshold", "alarm", "training"]
    assert len(pd.read_csv("out/alarms.csv")) == int(facts["verdict"].split()[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,a\n2024-01-01,1\n2024-01-02,1,2\n", "line 3: 3 columns where there were 2 before"),
        ("time,a\n2024-01-01,1\n2024-01-02,inf\n", "'inf' is no finite number"),
        ("time,a\n2024-01-01,1\n2024-01-02,1\n", "never change"),
        ("time,a\n2024-01-01,1\n2024-01-02,2\n", "2 samples have a value, the training takes the first 1000"),
    ],
)
def test_a_bad_file_is_one_line(capsys: pytest.CaptureFixture[str], text: str, message: str) -> None:
    Path("stream.csv").write_text(text)
    code, out, err = _run(capsys, "stream.csv", "--out", "out")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert not Path("out").exists()
