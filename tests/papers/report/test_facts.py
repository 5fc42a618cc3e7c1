from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.config import Params, load
from edgeresearch.errors import InputError
from edgeresearch.papers.report import facts as report_facts
from edgeresearch.papers.report.facts import SEEDS, files, flat, machine, profile, provenance, seeds, series, versions

FULL = Params().model_dump()
ROOT = Path(__file__).parents[3]


def test_the_settings_of_the_full_run_are_called_so_whatever_the_name() -> None:
    found = profile(FULL, FULL, "quick")
    assert (found.name, found.full, found.changed) == ("paper", True, {})


def test_what_cannot_change_a_result_does_not_count() -> None:
    other = Params.model_validate({"data": {"mirror": "there"}, "los": {"workers": 1}}).model_dump()
    assert profile(other, FULL, "own").full


def test_a_profile_says_what_it_changes_and_what_the_full_run_has() -> None:
    found = profile(load(ROOT / "params.yaml", "quick").model_dump(), FULL, "quick")
    assert (found.name, found.full) == ("quick", False)
    assert found.changed["forecast.seeds"] == ("2", "5")
    assert found.changed["elastic.traces"][0] == "paper_a"
    assert found.changed["forecast.bootstrap.resamples"] == ("200", "1000")
    assert not any("workers" in name for name in found.changed)


def test_settings_are_named_with_their_sections() -> None:
    names = dict(flat({"a": 1, "b": {"c": (1, 2), "d": {"e": None}}}))
    assert names == {"a": 1, "b.c": [1, 2], "b.d.e": None}


def test_the_seeds_that_are_named_are_settings() -> None:
    found = seeds(FULL)
    assert [name for name, _, _ in found] == list(SEEDS)
    assert found[0][1] == str(FULL["seed"])
    assert seeds({"seed": 3}) == [("seed", "3", SEEDS["seed"])]


def test_versions_are_of_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"edgeresearch", "numpy", "torch", "pandas"} <= set(versions())

    def only_numpy(name: str) -> str:
        if name != "numpy":
            raise PackageNotFoundError(name)
        return "9.9"

    monkeypatch.setattr(report_facts, "version", only_numpy)
    assert versions() == {"edgeresearch": report_facts.UNKNOWN, "numpy": "9.9"}


def test_a_machine_is_described_without_its_name(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("vendor_id : x\nmodel name\t: Some CPU\nmodel name\t: Other\n")
    found = machine(info)
    assert found["processor"] == "Some CPU"
    assert set(found) == {"processor", "cores", "system", "python"}
    assert machine(tmp_path / "none")["processor"]


def test_files_and_series_may_be_missing_but_not_broken(tmp_path: Path) -> None:
    assert files(tmp_path / "sources.csv").empty
    assert series(tmp_path).empty
    (tmp_path / "sources.csv").write_text("file,sha\na,b\n")
    with pytest.raises(InputError, match="has not the columns file, sha256, real"):
        files(tmp_path / "sources.csv")
    (tmp_path / "data_series.csv").write_text("")
    with pytest.raises(InputError, match="has not the columns trace"):
        series(tmp_path)


def test_the_tables_of_this_project_are_readable(project: Path) -> None:
    assert set(series(ROOT / "reports" / "tables")["data"]) <= {"real", *report_facts.UNREAL}
    assert files(project / "data" / "raw" / "sources.csv")["sha256"].tolist() == ["1234", "abcd"]


def test_real_files_are_told_quietly_and_synthetic_series_are_named(project: Path) -> None:
    said = provenance(files(project / "data" / "raw" / "sources.csv"), series(project / "reports" / "tables"))
    assert not said["loud"]
    assert [line["text"] for line in said["lines"]] == [
        "All 2 data files are the real ones, checked by their sha256.",
        "Synthetic, and named so on every figure: paper_a.",
    ]


def test_stand_ins_are_told_loudly() -> None:
    table = pd.DataFrame({"file": [f"{at}.csv" for at in range(9)], "sha256": "0", "real": ["True", *["False"] * 8]})
    said = provenance(table, series(Path("none")))
    assert said["loud"]
    (line,) = said["lines"]
    assert line["loud"]
    assert line["text"].startswith(
        "8 of 9 data files are synthetic stand-ins, not the real ones (1.csv, 2.csv, 3.csv, 4.csv, 5.csv …). "
    )


def test_unknown_origins_are_told_loudly() -> None:
    said = provenance(files(Path("none")), series(Path("none")))
    assert said["loud"]
    assert "not known" in said["lines"][0]["text"]
