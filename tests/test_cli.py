import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

import edgeresearch
from edgeresearch import cli, notebook, workspace
from edgeresearch.errors import RunError

runner = CliRunner()


def _shown(*words: str) -> str:
    result = runner.invoke(cli.app, list(words), env={"COLUMNS": "200", "TERM": "dumb"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def _left(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[Any, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    return caught.value.code, capsys.readouterr().err


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """A stand-in for the fetching module; what it was called with."""
    called: dict[str, Any] = {}

    def fetch(folder: Path, **options: Any) -> pd.DataFrame:
        called.update(options, folder=folder)
        options["warn"]("no mirror")
        return pd.DataFrame({"file": ["a.csv"], "source": ["synthetic"], "sha256": ["f" * 64], "real": [False]})

    module = types.ModuleType("edgeresearch.series.fetch")
    module.fetch = fetch  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "edgeresearch.series.fetch", module)
    monkeypatch.delenv("EDGERESEARCH_DATA_MIRROR", raising=False)
    monkeypatch.chdir(tmp_path)
    return called


def test_version() -> None:
    assert _shown("--version") == f"edgeresearch {edgeresearch.__version__}\n"


def test_a_checkout_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    with monkeypatch.context() as patch:
        patch.setattr(importlib.metadata, "version", missing)
        assert importlib.reload(edgeresearch).__version__ == "0+unknown"
    importlib.reload(edgeresearch)


@pytest.mark.parametrize(
    "command", [None, "data", "notebook", "reproduce", "forecast", "compare", "table", "elastic", "los", "emulate"]
)
def test_help_has_examples(command: str | None) -> None:
    words = ["--help"] if command is None else [command, "--help"]
    text = _shown(*words)
    assert "Examples:" in text
    assert f"\n   edgeresearch {command or 'reproduce'}" in text


def test_data_takes_its_settings_from_defaults_outside_of_a_checkout(fetched: dict[str, Any]) -> None:
    text = _shown("data")
    assert (fetched["folder"], fetched["source"], fetched["mirror"]) == (Path("data/raw"), "auto", None)
    assert fetched["seed"] == 20240917
    assert "1 files in data/raw" in text
    assert "f" * 12 in text
    assert "f" * 13 not in text
    assert Path("data/raw/sources.csv").read_text().splitlines()[1] == f"a.csv,{'f' * 64},False"


def test_data_reads_params_and_options_win(fetched: dict[str, Any]) -> None:
    Path("params.yaml").write_text("seed: 3\ndata: {source: mirror, mirror: here, folder: there}\n")
    _shown("data")
    assert (fetched["folder"], fetched["source"], fetched["mirror"]) == (Path("there"), "mirror", Path("here"))
    assert fetched["seed"] == 3
    _shown("data", "--source", "download", "--mirror", "m", "--folder", "f")
    assert (fetched["folder"], fetched["source"], fetched["mirror"]) == (Path("f"), "download", Path("m"))


def test_the_variable_wins_over_params_and_the_option_over_both(
    fetched: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("other.yaml").write_text("data: {mirror: here}\n")
    monkeypatch.setenv("EDGERESEARCH_DATA_MIRROR", "variable")
    _shown("data", "--params", "other.yaml")
    assert fetched["mirror"] == Path("variable")
    _shown("data", "--params", "other.yaml", "--mirror", "option")
    assert fetched["mirror"] == Path("option")


def test_warnings_go_to_stderr(fetched: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["data"])
    assert "warning: no mirror\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data", "--source", "web"], "error: --source: data.source is 'web'; input should be 'auto', 'mirror'"),
        (["data", "--params", "none.yaml"], "error: cannot read none.yaml"),
        (["notebook", "none"], "error: no notebook none"),
        (["notebook", "a", "-p", "x"], "error: -p x: expected KEY=VALUE"),
        (["notebook", "a", "-p", "=1"], "error: -p =1: expected KEY=VALUE"),
        (["notebook", "a", "-p", "x=[1"], "error: -p x=[1: the value is not YAML"),
        (["notebook", "a", "-f", "none.yaml"], "error: cannot read none.yaml"),
        (["reproduce"], "error: no dvc.yaml in"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    fetched: dict[str, Any], capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    status, text = _left(capsys, *words)
    assert status == 2
    assert text.startswith(message)
    assert text.count("\n") == 1


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = _left(capsys, "reprodce")
    assert status == 2
    assert "Did you mean 'reproduce'?" in text


def test_a_failed_run_has_status_1_and_an_interrupted_one_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RunError("stage x\nfailed")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(workspace, "reproduce", fail)
    assert _left(capsys, "reproduce") == (1, "error: stage x failed\n")
    monkeypatch.setattr(workspace, "reproduce", interrupt)
    assert _left(capsys, "reproduce")[0] == 130
    monkeypatch.setattr(cli, "app", lambda **_: interrupt())
    assert _left(capsys, "reproduce")[0] == 130


def test_reproduce_says_where_the_results_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(workspace, "reproduce", lambda root, profile: tmp_path / profile)
    assert _shown("reproduce", "--profile", "quick") == f"results: {tmp_path / 'quick'}\n"


def test_notebook_types_its_values_and_p_wins_over_f(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    called: list[Any] = []

    def run(name: str, out: Path, values: dict[str, Any]) -> Path:
        called.append((name, out, values))
        return out

    monkeypatch.setattr(notebook, "run", run)
    (tmp_path / "f.yaml").write_text("trace: nasa\nseeds: 5\n")
    words = [
        "-f",
        str(tmp_path / "f.yaml"),
        "-p",
        "trace=elb",
        "-p",
        "quick=true",
        "-p",
        "horizons=[1, 5]",
        "-p",
        "a=b=c",
    ]
    assert _shown("notebook", "x/10-forecasting.ipynb", *words) == "notebook: build/notebooks/10-forecasting.ipynb\n"
    values = {"trace": "elb", "seeds": 5, "quick": True, "horizons": [1, 5], "a": "b=c"}
    assert called == [("x/10-forecasting.ipynb", Path("build/notebooks/10-forecasting.ipynb"), values)]
    assert _shown("notebook", "a", "--out", "b.ipynb") == "notebook: b.ipynb\n"
    assert called[1] == ("a", Path("b.ipynb"), {})


def test_the_real_command_runs_a_notebook_and_leaves_with_its_status(
    tmp_path: Path, write_notebook: Callable[..., Path]
) -> None:
    write_notebook(tmp_path / "notebooks" / "a.ipynb", "x = 0", "1 / x")

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "edgeresearch", "notebook", "a", *words]
        path = str(Path(edgeresearch.__file__).parents[1])  # for a checkout that is not installed
        env = os.environ | {"PYTHONPATH": path}
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    done = call("-p", "x=2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "notebook: build/notebooks/a.ipynb\n", "")
    assert (tmp_path / "build" / "notebooks" / "a.ipynb").is_file()
    failed = call()
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: notebook a, cell 2: ZeroDivisionError: division by zero;")
    assert failed.stderr.count("\n") == 1


def test_forecast_shows_guesses_scores_and_where_the_files_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    times = pd.date_range("2024-03-01", periods=400, freq="5min")
    hits = [50 + (7 * k) % 23 for k in range(400)]
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
    assert "\nfilled: 1 of 120 steps, in 1 gap of at most 1, by straight lines" in text
    assert "│ combined   │ last_value │" in text
    assert "; rule: fewest pod-hours" in text.splitlines()[-2]
    assert text.endswith("results: out\n")
    names = {path.name for path in Path("out").iterdir()}
    assert names == {"load.png", "load.svg", "report.json", "table.csv", "tradeoff.png", "tradeoff.svg"}


def test_los_shows_size_table_notes_and_one_line_of_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(_shown("los", "--show-testbed"))
    words = ["--streams", "4", "--repeats", "2", "--hours", "0.5", "--policy", "cloud", "--policy", "in_situ"]
    text = _shown("los", "--testbed", "mine.yaml", *words, "--trace-decisions", "--out", "out")
    lines = text.splitlines()
    assert lines[0] == "testbed: 15 nodes (5 edge, 4 fog, 6 cloud), 33 links, 4 streams on 2 of the nodes"
    assert lines[1].strip() == "mine.yaml: 2 × 0.5 h"
    assert "│ in_situ │ 100.0  │ 100.0 to 100.0 │        │ 0.0    │      │ 0.0          │" in lines
    assert lines[-5].startswith("los drops ")
    assert lines[-4].startswith("edge-1 as one more gateway of edge: los drops ")
    assert "; rule: fewest bytes over the uplinks" in lines[-2]
    assert lines[-1] == "results: out"
    names = {path.name for path in Path("out").iterdir()}
    tables = {"table.csv", "drops.csv", "nodes.csv", "gateways.csv", "report.json", "decisions.jsonl"}
    assert names == tables | {"policies.png", "policies.svg", "places.png", "places.svg"}


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


def test_emulate_writes_its_tables_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("los: {workers: 1, adaptation: {jobs: 2, iterations: 3, repeats: 1}}\n")
    assert _shown("emulate", "limits", "--out", "there") == "limits, landmarks: there/reports/tables/los\n"
    assert {path.name for path in Path("there/reports/tables/los").iterdir()} == {"limits.csv", "landmarks.csv"}
