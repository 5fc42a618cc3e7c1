import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import edgeresearch
from edgeresearch import stats
from edgeresearch.config import Params, SchedulingStudy
from edgeresearch.errors import InputError
from edgeresearch.sweeps.api import SweepResult, sweep
from edgeresearch.sweeps.experiments import Experiment

Toy = Callable[..., Experiment]
GRID = "experiment: toy\nseeds: 3\ngrid: {los.interval: [1, 2, 3, 4]}\n"
LOS = "experiment: los\nseeds: 4\nsettings: {los.hours: 1}\ngrid: {streams: [2, 4], los.interval: [5, 60, 600]}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("sweep.yaml").write_text(GRID, encoding="utf-8")
    Path("los.yaml").write_text(LOS, encoding="utf-8")
    return tmp_path


def _toy(experiment: Experiment, out: str = "out", **options: Any) -> SweepResult:
    result = sweep("sweep.yaml", out, experiments={"toy": experiment}, **{"workers": 1, **options})
    result.save(out, figures=False)
    return result


def _cells(out: str | Path) -> list[str]:
    return [json.loads(line)["key"] for line in _lines(out) if line.endswith("\n")]


def _lines(out: str | Path) -> list[str]:
    path = Path(out, "cells.jsonl")
    return path.read_text().splitlines(keepends=True) if path.exists() else []


def test_a_sweep_leaves_its_table_and_its_means(toy: Toy) -> None:
    seen, told = list[tuple[int, int]](), list[str]()
    report = _toy(toy(), watch=lambda *done: seen.append(done), progress=told.append)
    assert told == ["sweep: 12 cells of toy: 4 settings of los.interval, 3 seeds each"]
    assert (seen[0], seen[-1]) == ((0, 12), (12, 12))
    assert seen == sorted(seen)
    table = pd.read_parquet("out/sweep.parquet")
    assert list(table) == ["key", "los.interval", "seed", "half", "value", "word", "error"]
    assert table["key"].is_monotonic_increasing
    assert sorted(_cells("out")) == table["key"].tolist()
    summary = pd.read_csv("out/summary.csv")
    assert summary["los.interval"].tolist() == [1, 2, 3, 4]
    for row in summary.to_dict("records"):
        mean, low, high = stats.interval(table.loc[table["los.interval"] == row["los.interval"], "value"])
        assert (row["value"], row["value_low"], row["value_high"]) == pytest.approx((mean, low, high), rel=1e-5)
    assert (report.name, report.measure, len(report.failures)) == ("sweep.yaml", "value", 0)
    assert report.labels["los.interval"] == "los.interval (s)"
    assert report.labels["value"] == "the value (s)"
    assert not Path("out/failed.csv").exists()


def test_results_do_not_depend_on_the_workers(toy: Toy) -> None:
    for workers in (1, 2):
        _toy(toy(), f"out{workers}", workers=workers)
    for file in ("sweep.parquet", "summary.csv", "sweep.json"):
        assert Path("out1", file).read_bytes() == Path("out2", file).read_bytes()


def test_a_sweep_that_was_stopped_goes_on(toy: Toy) -> None:
    whole = _toy(toy(), "whole")

    def stop(done: int, _: int) -> None:
        if done >= 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _toy(toy(), watch=stop)
    there = _lines("out")
    assert 5 <= len(_cells("out")) < 12
    told = list[str]()
    again = _toy(toy(), progress=told.append)
    assert told[0].endswith("of 12 cells are there already")
    assert _lines("out")[: len(there)] == there, "nothing is run twice"
    assert len(_cells("out")) == len(set(_cells("out"))) == 12
    pd.testing.assert_frame_equal(again.cells, whole.cells)
    assert Path("out/sweep.parquet").read_bytes() == Path("whole/sweep.parquet").read_bytes()


def test_a_sweep_that_is_done_runs_nothing(toy: Toy) -> None:
    _toy(toy())
    report = _toy(toy(fails=2.0))  # it would fail if it was run
    assert len(report.failures) == 0
    assert report.notes[1] == "12 of 12 cells are there already"


def test_a_sweep_that_has_grown_runs_what_is_new(toy: Toy) -> None:
    _toy(toy())
    Path("sweep.yaml").write_text(GRID.replace("3, 4", "3, 4, 5").replace("seeds: 3", "seeds: 2"), encoding="utf-8")
    report = _toy(toy())
    assert report.notes[1] == "8 of 10 cells are there already"
    assert len(pd.read_parquet("out/sweep.parquet")) == 10
    assert len(_cells("out")) == 14, "what is not asked for any more is kept"


def test_cells_that_fail_are_told_and_can_be_run_again(toy: Toy) -> None:
    report = _toy(toy(fails=3.0))
    assert len(report.failures) == 3
    failed = pd.read_csv("out/failed.csv")
    assert list(failed) == ["key", "los.interval", "seed", "error"]
    assert failed["los.interval"].tolist() == [3.0] * 3
    assert failed["error"].str.startswith("ValueError: no luck at all").all()
    assert pd.read_csv("out/summary.csv")["failed"].tolist() == [0, 0, 3, 0]
    assert _toy(toy()).failures.shape[0] == 3, "they are kept as they are"
    assert _toy(toy(), retry=True).failures.shape[0] == 0
    assert not Path("out/failed.csv").exists()
    _toy(toy(), "fresh")
    assert Path("out/sweep.parquet").read_bytes() == Path("fresh/sweep.parquet").read_bytes()


def test_all_cells_may_fail(toy: Toy) -> None:
    Path("sweep.yaml").write_text("experiment: toy\ngrid: {los.interval: [2]}\n", encoding="utf-8")
    result = _toy(toy(fails=2.0))
    assert len(result.failures) == 5
    assert "v.png" not in [path.name for path in result.save("drawn").iterdir()]


def test_a_measure_is_chosen_by_the_spec(toy: Toy) -> None:
    Path("sweep.yaml").write_text(GRID + "measure: half\n", encoding="utf-8")
    assert _toy(toy()).measure == "half"
    Path("sweep.yaml").write_text(GRID + "measure: hafl\n", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"unknown measure of toy 'hafl'; did you mean half\?; known: value, half, word"
    ):
        _toy(toy())


def test_the_base_stands_under_the_sweep(toy: Toy) -> None:
    Path("sweep.yaml").write_text("experiment: toy\nseeds: 1\ngrid: {los.loss: [0.1]}\n", encoding="utf-8")
    base = Params(los=SchedulingStudy(interval=100.0))
    assert 100 < _toy(toy(), base=base).cells["value"].item() < 101


def test_points_of_a_hypercube_that_meet_are_told(toy: Toy) -> None:
    text = "experiment: toy\nseeds: 1\nlatin_hypercube: {points: 5, settings: {los.rules.hop_limit: {low: 1, high: 2}}}"
    Path("sweep.yaml").write_text(text, encoding="utf-8")
    assert _toy(toy()).notes == (
        "sweep: 2 cells of toy: 2 settings of los.rules.hop_limit, 1 seed each; 3 more points are the same as others",
    )


def test_an_old_folder_of_another_sweep_is_refused(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    _toy(toy())
    with pytest.raises(InputError, match=r"out holds a sweep of toy by version .*, this is one of los by version"):
        sweep("los.yaml", "out")
    monkeypatch.setattr("edgeresearch.sweeps.api.__version__", "99")
    with pytest.raises(InputError, match=rf"{edgeresearch.__version__}, this is one of toy by version 99"):
        _toy(toy())
    for text in ("nothing", "[]", "{}"):
        Path("out/sweep.json").write_text(text)
        with pytest.raises(InputError, match=r"sweep.json was not written by a sweep; choose another folder"):
            _toy(toy())


def test_a_file_that_has_changed_is_told(toy: Toy) -> None:
    text = "experiment: toy\nseeds: 1\nsettings: {los.testbed: bed.yaml}\ngrid: {los.interval: [1]}\n"
    Path("sweep.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot read .*bed.yaml: No such file or directory; the sweep needs it"):
        _toy(toy())
    Path("bed.yaml").write_text("a: 1\n")
    _toy(toy())
    assert list(json.loads(Path("out/sweep.json").read_text())["files"]) == [str(Path("bed.yaml").absolute())]
    _toy(toy())
    Path("bed.yaml").write_text("a: 2\n")
    with pytest.raises(InputError, match=r"bed.yaml has changed since out was begun; choose another folder"):
        _toy(toy())


def test_bad_input_leaves_nothing_behind(toy: Toy, here: Path) -> None:
    Path("sweep.yaml").write_text(GRID.replace("interval", "intervall"), encoding="utf-8")
    with pytest.raises(InputError, match="did you mean los.interval"):
        _toy(toy())
    with pytest.raises(InputError, match="unknown experiment 'lso'"):
        Path("sweep.yaml").write_text(GRID.replace("toy", "lso"), encoding="utf-8")
        _toy(toy())
    assert sorted(path.name for path in here.iterdir()) == ["los.yaml", "sweep.yaml"]


def test_a_mapping_is_a_spec_and_no_folder_is_needed(toy: Toy, here: Path) -> None:
    before = sorted(here.rglob("*"))
    spec = {"experiment": "toy", "seeds": 2, "grid": {"los.interval": [1, 2]}}
    result = sweep(spec, experiments={"toy": toy()}, workers=1)
    assert sorted(here.rglob("*")) == before
    assert result.table["los.interval"].tolist() == [1, 2]
    assert len(result.cells) == 4
    assert result.notes[-1] == "intervals: from 2 seeds they say little; take 5 or more"
    assert "<table" in result._repr_html_()
    assert result.plot().axes[0].get_ylabel() == "the value (s)"


def test_a_killed_sweep_goes_on_without_a_repeated_or_missing_cell(here: Path) -> None:
    sweep("los.yaml", "whole", workers=1).save("whole", figures=False)
    command = [sys.executable, "-m", "edgeresearch", "sweep", "los.yaml", "--out", "out", "--workers", "2"]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while len(_cells("out")) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
        assert process.wait() == -signal.SIGKILL, "it was killed before it was done"
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its workers, too
    there = [line for line in _lines("out") if line.endswith("\n")]
    assert 3 <= len(_cells("out")) < 24
    assert not Path("out/sweep.parquet").exists()
    subprocess.run(command, check=True, capture_output=True)
    assert _lines("out")[: len(there)] == there, "nothing is run twice"
    assert len(_cells("out")) == len(set(_cells("out"))) == 24
    assert Path("out/sweep.parquet").read_bytes() == Path("whole/sweep.parquet").read_bytes()
