import importlib
import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import edgeresearch
from edgeresearch import cli, notebook, pipeline
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
    """A stand-in for fetching; what it was called with."""
    called: dict[str, Any] = {}

    def fetch(folder: Path, **options: Any) -> pd.DataFrame:
        called.update(options, folder=folder)
        options["warn"]("no mirror")
        return pd.DataFrame({"file": ["a.csv"], "source": ["synthetic"], "sha256": ["f" * 64], "real": [False]})

    monkeypatch.setattr("edgeresearch.data.datasets.fetch", fetch)
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


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from edgeresearch.cli import main\ntry: main(['--help'])\n"
        "except SystemExit: print('\\nmodules', *sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    modules = set(found.partition("\nmodules ")[2].split())
    assert "typer" in modules
    assert not {"numpy", "pandas", "torch", "pydantic", "yaml", "email.parser"} & modules


@pytest.mark.parametrize(
    "command",
    [None, "data", "notebook", "reproduce", "forecast", "compare", "table", "elastic", "los", "emulate", "fit"],
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
        (["data", "--source", "web"], "error: unknown source 'web'; known: auto, mirror, download"),
        (["data", "--params", "none.yaml"], "error: cannot read none.yaml"),
        (["notebook", "none"], "error: no notebook none"),
        (["notebooks", "-p", "x"], "error: -p x: expected KEY=VALUE"),
        (["notebooks", "-p", "=1"], "error: -p =1: expected KEY=VALUE"),
        (["notebooks", "-p", "x=[1"], "error: -p x=[1 is not YAML: line 1: expected"),
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
    def fail(*_: object, **__: object) -> None:
        raise RunError("stage x\nfailed")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "reproduce", fail)
    assert _left(capsys, "reproduce") == (1, "error: stage x failed\n")
    monkeypatch.setattr(pipeline, "reproduce", interrupt)
    assert _left(capsys, "reproduce")[0] == 130
    monkeypatch.setattr(cli, "app", lambda **_: interrupt())
    assert _left(capsys, "reproduce")[0] == 130


def test_reproduce_says_where_the_results_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Path | None] = []

    def run(root: Path, profile: str, seconds: Path | None) -> Path:
        asked.append(seconds)
        return tmp_path / profile

    monkeypatch.setattr(pipeline, "reproduce", run)
    assert _shown("reproduce", "--profile", "quick") == f"results: {tmp_path / 'quick'}\n"
    _shown("reproduce", "--timings", "seconds.csv")
    assert asked == [None, Path("seconds.csv")]


def test_notebook_types_its_values_and_p_wins_over_f(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    called: list[Any] = []

    def run(name: str, out: Path, values: dict[str, Any], html: Path | None) -> Path:
        called.append((name, out, values, html))
        return out

    monkeypatch.setattr(notebook, "run", run)
    monkeypatch.setattr(notebook, "find_texts", lambda name: set())
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
    assert called == [("x/10-forecasting.ipynb", Path("build/notebooks/10-forecasting.ipynb"), values, None)]
    assert _shown("notebook", "a", "--out", "b.ipynb") == "notebook: b.ipynb\n"
    assert called[1] == ("a", Path("b.ipynb"), {}, None)
    assert _shown("notebook", "a", "--out", "b.ipynb", "--html", "b.html") == "notebook: b.ipynb\npage: b.html\n"
    assert called[2] == ("a", Path("b.ipynb"), {}, Path("b.html"))


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


def test_emulate_writes_its_tables_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("workers: 1\nlos: {adaptation: {jobs: 2, iterations: 3, repeats: 1}}\n")
    assert _shown("emulate", "limits", "--out", "there") == "limits, landmarks: there/reports/tables/los\n"
    assert {path.name for path in Path("there/reports/tables/los").iterdir()} == {"limits.csv", "landmarks.csv"}


def test_emulate_city_says_what_it_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("workers: 1\nlos: {city: {sizes: [15], policies: [los], repeats: 1, hours: 0.5}}\n")
    text = _shown("emulate", "city", "--out", "there")
    assert "microseconds" in text and "│ 15    │ los    │" in text
    assert "city, city_meshes: there/reports/tables/los\n" in text
    assert {path.name for path in Path("there/reports/tables/los").iterdir()} == {"city.csv", "city_meshes.csv"}
    assert "warning: no file data/raw/aarhus_traffic/trafficMetaData.csv.gz" in text


def test_fit_los_writes_every_evaluation_and_sets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    search = "fit: {first: 2, keep: 1, rounds: 1, children: 1, repeats: [1, 1, 1]}"
    small = "hours: 0.5, adaptation: {jobs: 2, iterations: 50, repeats: 1}"
    Path("params.yaml").write_text(f"workers: 1\nlos: {{{small}, {search}}}\n")
    before = Path("params.yaml").read_bytes()
    assert _shown("fit", "los", "--out", "found.csv").endswith("evaluations: found.csv\n")
    found = pd.read_csv("found.csv")
    assert found["stage"].tolist() == [0, 0, 1, 1, -1]
    assert Path("params.yaml").read_bytes() == before


def test_fit_elastic_searches_from_the_settings_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("elastic: {base_error: 0.06}\n")
    text = _shown("fit", "elastic", "--trials", "1", "--draws", "1")
    assert text.startswith("tried: 2 settings\n")
    assert "draws held out: at most " in text
    assert [path.name for path in Path().iterdir()] == ["params.yaml"]
    set_ones, middle = (_shown("fit", "elastic", "--trials=0", "--draws=1", *more) for more in ([], ["--neutral"]))
    assert set_ones.startswith("tried: 1 settings\nmoved: none")
    assert middle.startswith("tried: 1 settings\nmoved: none")
    assert middle != set_ones


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["elastc"], "error: unknown experiment 'elastc'; did you mean elastic?; known: elastic, los"),
        (["elastic", "--out", "a.csv"], "error: elastic takes no --out; leave it out"),
        (["los", "--trials", "0"], "error: los takes no --trials; leave it out"),
        (["los", "--neutral"], "error: los takes no --neutral; leave it out"),
        (["elastic", "--draws", "0"], "error: draws is 0; give a number at least 1"),
    ],
)
def test_fit_refuses_what_it_does_not_know(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _left(capsys, "fit", *words) == (2, f"{message}\n")
    assert not list(tmp_path.iterdir())


def test_fit_must_be_told_what(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = _left(capsys, "fit")
    assert status == 2
    assert "Missing argument" in text
