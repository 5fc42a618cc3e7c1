import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

import edgeresearch
from edgeresearch import cli
from edgeresearch.cli.base import READING_OPTIONS
from edgeresearch.data.reader import Reading
from edgeresearch.errors import InputError

runner = CliRunner()


def _shown(*words: str) -> str:
    result = runner.invoke(cli.app, list(words), env={"COLUMNS": "200", "TERM": "dumb"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_forecast_shows_guesses_scores_and_where_the_files_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    times = pd.date_range("2024-03-01", periods=400, freq="5min")
    hits = [50 + (7 * k) % 23 + k**3 % 17 for k in range(400)]
    pd.DataFrame({"time": times, "hits": hits}).to_csv("own.csv", index=False)
    text = _shown("forecast", "own.csv", "--model", "ridge", "--horizon", "2", "--window", "24", "--out", "out")
    assert text.startswith("time column: 'time'\n")
    assert "season: none" in text
    assert "│ 2       │ ridge" in text
    assert text.splitlines()[-2].startswith("ridge has the lowest MSE, the mean of 1 to 2 steps ahead: ")
    assert text.endswith("results: out\n")
    names = {path.name for path in Path("out").iterdir()}
    assert names == {"forecast.csv", "forecast.png", "forecast.svg", "model", "report.json", "scores.csv"}
    again = _shown("forecast", "own.csv", "--load", "out", "--out", "again")
    assert "note: the model was fitted on this very file" in again
    assert not Path("again/model").exists()


def test_elastic_shows_guesses_table_and_one_line_of_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    times = pd.date_range("2024-03-01", periods=120, freq="1min")
    pd.DataFrame({"time": times, "hits": [9000 + (700 * k) % 8000 for k in range(120)]}).drop(index=40).to_csv(
        "own.csv", index=False
    )
    words = ["--strategy", "combined", "--forecaster", "ridge", "--repeats", "1", "--min", "2", "--fill", "1"]
    text = _shown("elastic", "own.csv", *words, "--out", "out")
    assert text.startswith("time column: 'time'\n")
    assert "\nfilled: 1 of 120 steps, in gaps of at most 1, by straight lines" in text
    assert "│ combined   │ last_value │" in text
    assert "; rule: fewest pod-hours" in text.splitlines()[-2]
    assert text.endswith("results: out\n")
    names = {path.name for path in Path("out").iterdir()}
    assert names == {"load.png", "load.svg", "report.json", "table.csv", "tradeoff.png", "tradeoff.svg"}


READING = {
    "time": "when", "value": "hits", "step": "5min", "where": ["a=b"], "sum": True, "count": True, "rate": True,
    "level": True, "missing": "-1", "decimal": ",", "time_format": "day-first", "tz": "Asia/Tokyo",
}  # fmt: skip
"""One of each option of reading, as a command hands it over."""


@pytest.mark.parametrize(
    ("command", "function", "more"),
    [
        ("forecast", "forecast", {"horizon": 2}),
        ("forecast", "apply_forecaster", {"load": Path("saved")}),
        ("elastic", "replay", {"seed": 3}),
        ("detect", "detect", {"k": 5.0}),
    ],
)
def test_what_is_said_of_reading_and_nothing_else_is_handed_over(
    command: str, function: str, more: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: dict[str, Any] = {}

    def stop(**options: Any) -> None:
        handed.update(options)
        raise InputError("seen")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(edgeresearch, function, stop)
    source = "stream" if command == "detect" else "trace"
    taken = {name: said for name, said in READING.items() if command != "detect" or name not in ("value", "sum")}
    words = [command, "-", "--out", "out"]
    for name, said in (more | taken).items():
        words += [f"--{name.replace('_', '-')}", *([] if said is True else [said[0] if name == "where" else str(said)])]
    assert isinstance(runner.invoke(cli.app, words).exception, InputError)
    handed.pop("progress", None)
    renamed = {"folder" if name == "load" else name: said for name, said in more.items()}
    assert handed == {source: Path("-")} | renamed | taken
    assert tuple(READING) == tuple(READING_OPTIONS) == tuple(Reading.__annotations__)


def test_los_shows_size_table_notes_and_one_line_of_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(_shown("los", "--show-testbed"))
    words = ["--streams", "4", "--repeats", "2", "--hours", "0.5", "--policy", "cloud", "--policy", "in_situ"]
    text = _shown("los", "--testbed", "mine.yaml", *words, "--trace-decisions", "--out", "out")
    lines = text.splitlines()
    assert lines[0] == "testbed: 15 nodes (5 edge, 4 fog, 6 cloud), 33 links, 4 streams on 2 of the nodes"
    assert lines[1].startswith("los drops ")
    assert lines[2].startswith("edge-1 as one more gateway of edge: los drops ")
    assert lines[4].strip() == "mine.yaml: 2 × 0.5 h"
    assert "│ in_situ │ 100.0  │ 100.0 to 100.0 │        │ 0.0    │      │ 0.0          │" in lines
    assert "; rule: fewest bytes over the uplinks" in lines[-2]
    assert lines[-1] == "results: out"
    names = {path.name for path in Path("out").iterdir()}
    tables = {"table.csv", "drops.csv", "nodes.csv", "gateways.csv", "report.json", "decisions.jsonl"}
    assert names == tables | {"policies.png", "policies.svg", "places.png", "places.svg"}


def test_los_takes_a_city_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--repeats", "1", "--hours", "0.25", "--policy", "in_situ", "--out", "out"]
    text = _shown("los", "--testbed", "city", "--nodes", "30", *words)
    assert "testbed: 30 nodes (10 edge, 8 fog, 12 cloud)" in text
    assert "places: SYNTHETIC places" in text and "no node really stands there" in text
    Path("params.yaml").write_text("los: {testbed: city, city: {nodes: 45}}\n")
    assert "testbed: 45 nodes" in _shown("los", *words)


def test_los_takes_settings_and_a_testbed_from_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shape = {"name": "hall", "nodes": 2, "vcpu": 1, "memory": 512}
    Path("mine.yaml").write_text(yaml.safe_dump({"layers": [shape], "streams": [{"node": "hall-1", "period": 200}]}))
    Path("params.yaml").write_text("los: {testbed: mine.yaml, interval: 7.0, rules: {hop_limit: 2}}\n")
    text = _shown("los", "--repeats", "1", "--hours", "0.5", "--policy", "in_situ", "--out", "out")
    assert "mine.yaml: 1 × 0.5 h" in text
    assert "links MB/h" in text
    facts = json.loads(Path("out/report.json").read_text())
    assert (facts["testbed"], facts["settings"]["interval"]) == ("mine.yaml", 7.0)
    assert facts["settings"]["rules"]["hop_limit"] == 2


@pytest.mark.parametrize(
    "words",
    [
        ("elastic", "examples/synthetic_requests.csv", "--forecaster", "ridge", "--qmax", "1"),
        ("los", "--testbed", "examples/testbed.yaml", "--hours", "0.5"),
        ("sweep", "one.yaml", "--workers", "1"),
    ],
)
def test_one_repeat_has_no_interval_and_no_nan(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.yaml").write_text("experiment: los\nseeds: 1\nsettings: {los.hours: 0.5}\ngrid: {streams: [2, 4]}\n")
    Path("examples").symlink_to(Path(__file__).parents[2] / "examples")
    text = _shown(*words, *(() if words[0] == "sweep" else ("--repeats", "1")), "--out", "out")
    assert not re.search(r"(?i)\bnan\b", text)
    assert not re.search(r"│ *[\d.-]+ to ", text), "an interval of one"
    for page in Path("out").glob("*.svg"):
        assert ">nan" not in page.read_text(encoding="utf-8")
