from pathlib import Path

import pytest

from edgeresearch.config import Params, load
from edgeresearch.errors import InputError
from edgeresearch.papers.report import provenance

FULL = Params().model_dump()
ROOT = Path(__file__).parents[3]


def test_settings_are_named_with_their_sections() -> None:
    names = provenance.flatten_settings({"a": 1, "b": {"c": (1, 2), "d": {"e": None}, "f": ["x", "y"]}})
    assert names == {"a": "1", "b.c": "1, 2", "b.d.e": "None", "b.f": "x, y"}


def test_what_differs_from_the_full_run_is_said_if_it_could_change_a_result() -> None:
    assert provenance.changed_settings(FULL, FULL) == {}
    other = Params.model_validate({"data": {"mirror": "there"}, "workers": 1}).model_dump()
    assert provenance.changed_settings(other, FULL) == {}
    changed = provenance.changed_settings(load(ROOT / "params.yaml", "quick").model_dump(), FULL)
    assert changed["forecast.seeds"] == "2 (full run: 5)"
    assert changed["forecast.bootstrap.resamples"] == "200 (full run: 1000)"


def test_the_seeds_that_are_named_are_settings() -> None:
    found = provenance.seeds(FULL)
    assert list(found) == list(provenance.SEEDS)
    assert found["seed"] == f"{FULL['seed']}: root of every random number"
    assert list(provenance.seeds({"seed": 3})) == ["seed"]


def test_files_and_series_may_be_missing_but_not_broken(tmp_path: Path) -> None:
    assert provenance.data_files(tmp_path).rows == provenance.data_series(tmp_path).rows == []
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "data" / "raw" / "sources.csv").write_text("file,sha\na,b\n")
    with pytest.raises(InputError, match="has not the columns file, real, sha256"):
        provenance.data_files(tmp_path)
    (tmp_path / "reports" / "tables").mkdir(parents=True)
    (tmp_path / "reports" / "tables" / "data_series.csv").write_text("")
    with pytest.raises(InputError, match="has not the columns trace"):
        provenance.data_series(tmp_path)


def test_stages_are_read_with_what_they_do_and_make(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n"
        "  a: {desc: Does it, cmd: python -m edgeresearch compare  elb, metrics: [m.json: {cache: false}], outs: [d]}\n"
        "  b: {cmd: echo b}\n"
    )
    stages = provenance.read_stages(tmp_path / "dvc.yaml")
    assert stages["a"] == {"does": "Does it", "command": "edgeresearch compare elb", "makes": ["d", "m.json"]}
    assert stages["b"] == {"does": "", "command": "echo b", "makes": []}


def test_the_stages_of_this_project_are_read_and_a_file_without_any_is_refused(tmp_path: Path) -> None:
    stages = provenance.read_stages(ROOT / "dvc.yaml")
    assert all(stage["does"] and stage["command"] and stage["makes"] for stage in stages.values())
    (tmp_path / "dvc.yaml").write_text("vars: []\n")
    with pytest.raises(InputError, match=r"dvc\.yaml has no stages; run this in the folder of a checkout"):
        provenance.read_stages(tmp_path / "dvc.yaml")


def test_minutes_are_summed_by_stage_the_longest_first(tmp_path: Path) -> None:
    assert provenance.stage_minutes(tmp_path) is None
    path = tmp_path / "data" / "measured" / "stage_seconds.csv"
    path.parent.mkdir(parents=True)
    path.write_text("stage,cpu_seconds,wall_seconds,machine\na@x,60,30,M\na@y,60,30,M\nb,360,60,N\ndvc,0,6,\n")
    made = provenance.stage_minutes(tmp_path)
    assert made is not None
    assert made.rows == [
        ["b", "1", "6.0", "1.0", "75"],
        ["a", "2", "2.0", "1.0", "25"],
        ["DVC itself", "1", "0.0", "0.1", "0"],
        ["all", "4", "8.0", "2.1", "100"],
    ]
    assert made.notes[0].startswith("Measured on: M; N; ")
