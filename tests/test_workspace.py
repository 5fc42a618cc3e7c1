import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from edgeresearch import lanes, timings
from edgeresearch.errors import InputError, RunError
from edgeresearch.workspace import COPIED, MIRROR, environment, prepare, reproduce

STAGE = """\
stages:
  sum:
    cmd: python make.py
    deps: [make.py, notebooks]
    params: [seed]
    outs: [reports/seed.txt]
"""
# What a stage of the pipeline sees: where it runs, with which interpreter, settings and threads.
MAKE = """\
import os, pathlib, re, sys
seed = re.search("seed: ([0-9]+)", pathlib.Path("params.yaml").read_text())[1]
pathlib.Path("reports").mkdir(exist_ok=True)
names = ["OMP_NUM_THREADS", "SOURCE_DATE_EPOCH", "PYTHONHASHSEED"]
pathlib.Path("reports/seed.txt").write_text("\\n".join([seed, sys.executable, *(os.environ[name] for name in names)]))
"""


COUNT = """\
with open('runs.txt', 'a') as runs:
    runs.write('x')
pathlib.Path('data/raw/sources.csv').write_text('file,sha256,real\\na.csv,0,REAL\\n')
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository with one stage, whose own results must not be touched by a profile."""
    root = tmp_path / "repo"
    for name, text in {
        "params.yaml": "seed: 1\n",
        "profiles/quick.yaml": "seed: 2\n",
        "profiles/other.yaml": "seed: 3\n",
        "dvc.yaml": STAGE.replace("make.py", "notebooks/make.py"),
        ".dvcignore": "__pycache__\nbuild\n",
        "notebooks/make.py": MAKE,
        "notebooks/a.ipynb": "{}",
        "notebooks/.ipynb_checkpoints/a.ipynb": "{}",
        "data/measured/times.csv": "a\n1\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return root


def _state(place: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in place.rglob("*") if path.is_file()}


def test_a_workspace_holds_what_the_stages_read(root: Path) -> None:
    place = prepare(root, "quick", root / "build")
    assert place == root / "build" / "quick"
    assert sorted(str(path.relative_to(place)) for path in _state(place)) == [
        ".dvc/config",
        ".dvcignore",
        "data/measured/times.csv",
        "dvc.yaml",
        "notebooks/a.ipynb",
        "notebooks/make.py",
        "params.yaml",
    ]
    assert yaml.safe_load((place / "params.yaml").read_text()) == {"seed": 2}
    assert "analytics = false" in (place / ".dvc" / "config").read_text()


def test_a_second_preparation_writes_nothing(root: Path) -> None:
    before = _state(prepare(root, "quick", root / "build"))
    assert _state(prepare(root, "quick", root / "build")) == before


def test_a_workspace_follows_its_source_and_keeps_results(root: Path) -> None:
    place = prepare(root, "quick", root / "build")
    (place / "reports").mkdir()
    (place / "reports" / "old.csv").write_text("result")
    (place / "notebooks" / "__pycache__").mkdir()
    (place / "notebooks" / "__pycache__" / "x.pyc").write_text("")
    (root / "notebooks" / "a.ipynb").unlink()
    (root / "notebooks" / "make.py").write_text("changed")
    (root / "data" / "measured" / "times.csv").unlink()
    (root / "data" / "measured").rmdir()
    prepare(root, "quick", root / "build")
    assert not (place / "notebooks" / "a.ipynb").exists()
    assert (place / "notebooks" / "make.py").read_text() == "changed"
    assert not (place / "data" / "measured").exists()
    assert (place / "reports" / "old.csv").read_text() == "result"
    assert (place / "notebooks" / "__pycache__" / "x.pyc").exists()


def test_a_relative_mirror_means_the_same_folder_from_the_workspace(root: Path) -> None:
    (root / "params.yaml").write_text("data: {mirror: ../mirror}\n")
    place = prepare(root, "quick", root / "build")
    mirror = yaml.safe_load((place / "params.yaml").read_text())["data"]["mirror"]
    assert not Path(mirror).is_absolute()
    assert (place / mirror).resolve() == (root / "../mirror").resolve()


def test_an_absolute_mirror_stays(root: Path, tmp_path: Path) -> None:
    (root / "params.yaml").write_text(f"data: {{mirror: {tmp_path}}}\n")
    place = prepare(root, "quick", root / "build")
    assert yaml.safe_load((place / "params.yaml").read_text())["data"]["mirror"] == str(tmp_path)


def test_wrong_settings_leave_no_workspace(root: Path) -> None:
    (root / "profiles" / "quick.yaml").write_text("seed: two\n")
    with pytest.raises(InputError, match="with profile quick: seed is 'two'"):
        prepare(root, "quick", root / "build")
    with pytest.raises(InputError, match=r"no profile 'qick' .* did you mean quick\?"):
        prepare(root, "qick", root / "build")
    assert not (root / "build").exists()


def test_the_environment_of_stages(tmp_path: Path) -> None:
    result = environment(tmp_path, {"PATH": "/usr/bin", "MKL_NUM_THREADS": "4", MIRROR: "../data", "X": "y"})
    assert result["OMP_NUM_THREADS"] == "1"
    assert result["MKL_NUM_THREADS"] == "4"
    assert (result["SOURCE_DATE_EPOCH"], result["PYTHONHASHSEED"], result["X"]) == ("0", "0", "y")
    assert result["PATH"] == os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin"])
    assert Path(result[MIRROR]).is_absolute()
    assert environment(tmp_path, {MIRROR: ""})[MIRROR] == ""
    assert MIRROR not in environment(tmp_path, {})


def test_a_profile_runs_in_its_workspace_and_a_second_run_changes_nothing(root: Path) -> None:
    reports = reproduce(root, "quick")
    assert reports == root / "build" / "quick" / "reports"
    seed, executable, *rest = (reports / "seed.txt").read_text().splitlines()
    assert seed == "2"
    assert Path(executable).parent == Path(sys.executable).parent
    assert rest == ["1", "0", "0"]
    assert not (root / "reports").exists()
    assert not (root / "dvc.lock").exists()

    place = reports.parent
    kept = {path: _state(place)[path] for path in (place / "dvc.lock", reports / "seed.txt")}
    reproduce(root, "quick")
    assert {path: _state(place)[path] for path in kept} == kept
    status = subprocess.run(
        [sys.executable, "-m", "dvc", "status"], cwd=place, capture_output=True, text=True, check=True
    )
    assert "up to date" in status.stdout


def test_stages_are_measured_on_request(root: Path) -> None:
    seconds = root / "seconds.csv"
    reports = reproduce(root, "quick", seconds)
    assert (reports / "seed.txt").read_text().startswith("2\n")
    table = timings.read(seconds).set_index("stage")
    assert table.index.tolist() == ["sum", "dvc"]
    assert (table[["cpu_seconds", "wall_seconds"]] > 0).all(axis=None)
    assert table["machine"].str.contains("cores").all()
    written = seconds.read_bytes()
    reproduce(root, "quick", seconds)  # nothing to do
    assert seconds.read_bytes() == written


@pytest.mark.parametrize(("asked", "lanes_wanted"), [({}, True), ({"one_by_one": True}, False)])
def test_lanes_are_for_runs_that_are_neither_measured_nor_one_by_one(
    root: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, bool], lanes_wanted: bool
) -> None:
    wanted: list[bool] = []
    monkeypatch.setattr(lanes, "reproduce", lambda *_, lanes: wanted.append(lanes))
    reproduce(root, "quick", **asked)
    reproduce(root, "quick", root / "seconds.csv", **asked)
    assert wanted == [lanes_wanted, False]


def test_the_paper_profile_runs_in_the_repository(root: Path) -> None:
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    assert reproduce(root) == root / "reports"
    assert (root / "reports" / "seed.txt").read_text().startswith("1\n")
    assert not (root / "build").exists()


def test_a_failed_stage_is_told(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (root / "notebooks" / "make.py").write_text("raise SystemExit('no such thing')")
    with pytest.raises(RunError, match=r"dvc repro in .*quick ended with status \d+; the failed stage is named above"):
        reproduce(root, "quick")
    assert "no such thing" in capfd.readouterr().err


def test_results_that_cannot_be_written_stop_it_before_anything_runs(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "build" / "quick").mkdir(parents=True)
    (root / "build" / "quick" / "reports").write_text("a file")
    with pytest.raises(InputError, match="cannot write .*reports: .*reports is a file"):
        reproduce(root, "quick")
    assert not (root / "build" / "quick" / "dvc.lock").exists()


def test_a_failed_stage_keeps_its_earlier_results_and_the_lock_file_is_kept_while_it_runs(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    seed = reproduce(root, "quick") / "seed.txt"
    earlier, lock = seed.read_bytes(), (seed.parents[1] / "dvc.lock").read_bytes()
    slow = (
        "import pathlib, sys, time; assert not pathlib.Path('reports/seed.txt').exists(); time.sleep(1.5); sys.exit(3)"
    )
    (root / "notebooks" / "make.py").write_text(slow)
    with pytest.raises(RunError):
        reproduce(root, "quick")
    assert seed.read_bytes() == earlier
    assert (seed.parents[1] / "dvc.lock").read_bytes() == lock
    assert (seed.parents[1] / ".dvc" / "tmp" / "dvc.lock.whole").read_bytes() == lock
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("mirror", "setting", "real", "runs"),
    [
        ("mirror", "", "False", 2),
        ("", "data: {mirror: mirror}", "False", 2),
        ("", "", "False", 1),
        ("mirror", "", "True", 1),
        ("mirror", "data: {source: synthetic}", "False", 1),
    ],
)
def test_standins_give_way_to_a_mirror_that_is_named_later(
    root: Path, monkeypatch: pytest.MonkeyPatch, mirror: str, setting: str, real: str, runs: int
) -> None:
    text = (root / "dvc.yaml").read_text()
    fetch = "  fetch:\n    cmd: python notebooks/fetch.py\n    outs: [data/raw: {cache: false, persist: true}]\n"
    (root / "dvc.yaml").write_text(text.replace("stages:\n", f"stages:\n{fetch}"))
    code = f"import pathlib\npathlib.Path('data/raw').mkdir(parents=True, exist_ok=True)\n{COUNT}"
    (root / "notebooks" / "fetch.py").write_text(code.replace("REAL", real))
    (root / "params.yaml").write_text(f"seed: 1\n{setting}\n")
    monkeypatch.delenv(MIRROR, raising=False)
    reproduce(root, "quick")
    if mirror:
        monkeypatch.setenv(MIRROR, mirror)
    reproduce(root, "quick")
    assert len((root / "build" / "quick" / "runs.txt").read_text()) == runs


def test_outside_of_a_checkout_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no dvc\.yaml in .*; run this in the folder of a checkout"):
        reproduce(tmp_path)


def test_wrong_settings_are_told_before_anything_runs(root: Path) -> None:
    (root / "params.yaml").write_text("sed: 1\n")
    with pytest.raises(InputError, match=r"unknown key sed; did you mean seed\?"):
        reproduce(root)


def test_what_is_copied_covers_the_pipeline_of_the_repository() -> None:
    root = Path(__file__).parents[1]
    if not (root / "dvc.yaml").is_file():
        pytest.skip("no pipeline yet")
    stages = yaml.safe_load((root / "dvc.yaml").read_text())["stages"].values()
    read = {str(dep) for stage in stages for dep in stage.get("do", stage).get("deps", [])}
    made = ("reports", "data/raw", "data/processed", "models")
    copied = (*COPIED, "params.yaml", *made)
    assert {path for path in read if not any(path == name or path.startswith(f"{name}/") for name in copied)} == set()
