import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from edgeresearch import cli

Run = Callable[..., int]
EXAMPLE = Path(__file__).parents[2] / "examples" / "sweep.yaml"
GRID = "experiment: los\nseeds: 2\nsettings: {los.hours: 0.5, policy: in_situ}\ngrid: {streams: [2, 4]}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("sweep.yaml").write_text(GRID, encoding="utf-8")
    return tmp_path


@pytest.fixture
def command() -> Run:
    def run(*words: str) -> int:
        with pytest.raises(SystemExit) as left:
            cli.main(["sweep", "sweep.yaml", "--workers", "1", *words])
        return int(left.value.code or 0)

    return run


def test_a_sweep_is_run_and_told(command: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--out", "out") == 0
    out, err = capsys.readouterr()
    assert out.startswith("sweep: 4 cells of los: 2 settings of streams, 2 seeds each\n")
    assert out.endswith("results: out\n")
    assert "drop_percent" in out
    assert err == "", "no bar in a log"
    for name in ("sweep.parquet", "summary.csv", "drop_percent.png", "drop_percent.svg"):
        assert Path("out", name).is_file()
    assert command("--out", "out") == 0
    assert "4 of 4 cells are there already" in capsys.readouterr().out


def test_the_example_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["sweep", str(EXAMPLE), "--workers", "1", "--out", "out"])
    assert left.value.code == 0
    assert "18 cells of los: 6 settings of streams, los.interval, 3 seeds each" in capsys.readouterr().out
    means = pd.read_csv("out/summary.csv").set_index(["streams", "los.interval"])["drop_percent"]
    assert (means[8] > means[4]).all(), "more streams, more drops"
    assert means[4, 600.0] > means[4, 5.0], "stale news cost"
    assert Path("out/drop_percent.png").is_file()


def test_a_terminal_shows_how_far_it_is(
    command: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Console, "is_terminal", True)
    assert command("--out", "out") == 0
    err = capsys.readouterr().err
    assert "4/4" in err
    assert "left:" in err


def test_failed_cells_end_it_with_one_line(command: Run, capsys: pytest.CaptureFixture[str]) -> None:
    text = GRID.replace("los.hours: 0.5, ", "").replace("streams: [2, 4]", "los.hours: [0.01, 0.5]")
    Path("sweep.yaml").write_text(text, encoding="utf-8")
    for again in ((), ("--retry",)):
        assert command("--out", "out", *again) == 1
        out, err = capsys.readouterr()
        assert err == "error: 2 of 4 cells failed; out/failed.csv tells which and why\n"
        assert re.search(r"│ 0\.01 +│ 0 +│ +│ +│", out), "no mean"
        assert ("2 of 4 cells are there already" in out) == bool(again)
    assert "no stream triggers a training within 0.01 h" in Path("out/failed.csv").read_text()


def test_many_settings_are_cut(command: Run, capsys: pytest.CaptureFixture[str]) -> None:
    cube = "latin_hypercube: {points: 33, settings: {los.loss: {low: 0, high: 0.5}}}"
    Path("sweep.yaml").write_text(GRID.replace("seeds: 2", "seeds: 1").replace("grid: {streams: [2, 4]}", cube))
    assert command("--out", "out") == 0
    assert "the first 30" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--out", "sweep.yaml"), "error: cannot write sweep.yaml"),
        (("--out", "out", "--backend", "daks"), "error: unknown backend 'daks'; did you mean dask?"),
        (("--out", "out", "--address", "h:1"), "error: loky has no cluster to be addressed"),
        (("--out", "out", "--params", "none.yaml"), "error: cannot read none.yaml"),
    ],
)
def test_bad_input_ends_it_with_one_line(
    command: Run, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert command(*words) == 2
    out, err = capsys.readouterr()
    assert err.startswith(message)
    assert err.count("\n") == 1
