"""The pipeline: what `dvc.yaml` declares, how it is run, and one small trace all the way to the report."""

import ast
import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from edgeresearch import cli, pipeline
from edgeresearch.config import Params
from edgeresearch.errors import InputError, RunError
from edgeresearch.papers.project import TABLES
from edgeresearch.pipeline import COPIED, HEADLINES, MIRROR, record_metrics, reproduce

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
STAGES: dict[str, Any] = yaml.safe_load(TEXT)["stages"]
KEPT = ("reports/notebooks", "reports/site", "data/processed")
"""What DVC keeps; all else that stages make is tracked by git, or neither."""
STARTS = {
    "fetch": ["data/datasets.py"],
    "figure1": ["papers/paper_a/tables.py", "papers/project.py"],
    "compare": ["forecasting", "papers/project.py"],
    "replay": ["autoscaling/experiment.py", "forecasting", "papers/project.py"],
    **dict.fromkeys(("limits", "scheduling", "sweeps", "measured"), ["papers/scheduling.py"]),
    "city": ["papers/city_growth.py"],
    "anomaly": ["papers/detection.py"],
    "staleness": ["papers/staleness.py"],
    "tables": ["papers/project.py"],
    "notebooks": ["papers", "forecasting"],
    "claims": ["papers/claims"],
    "report": ["papers/report"],
}
"""Modules or rooms that a stage's command runs."""
PLUMBING = {f"edgeresearch/{name}.py" for name in ("config", "errors", "io", "parallel", "provenance", "result")}
"""What every stage uses; it holds no arithmetic. Nor do modules of settings: a stage depends on their values."""


def _names(stage: dict[str, Any], *keys: str) -> dict[str, Any]:
    entries = [entry for key in keys for entry in stage.get(key, [])]
    return {k: v for entry in entries for k, v in (entry if isinstance(entry, dict) else {entry: {}}).items()}


def _outs(stage: dict[str, Any]) -> dict[str, Any]:
    return _names(stage, "outs", "metrics", "plots")


def _within(path: str, *places: str) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _modules(starts: list[str], *, late: bool = False) -> set[str]:
    """The modules of files or folders and all that they import, also late, when a function is called."""
    paths = [ROOT / "edgeresearch" / start for start in starts]
    todo = [file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])]
    found = set(todo)
    while todo:
        tree = ast.parse(todo.pop().read_text(encoding="utf-8"))
        for node in ast.walk(tree) if late else tree.body:
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("edgeresearch"):
                base = ROOT / str(node.module).replace(".", "/")
                each = {base.with_suffix(".py"), *(base / f"{name.name}.py" for name in node.names)}
                plumbing = {ROOT / name for name in PLUMBING}  # what it imports are settings
                new = {file for file in each if file.is_file()} - found - plumbing
                found |= new
                todo += new
    return {str(file.relative_to(ROOT)) for file in found if file.stem not in ("__init__", "settings")} - PLUMBING


def test_a_person_can_read_it() -> None:
    assert len(TEXT.splitlines()) <= 450
    assert all(stage["desc"] for stage in STAGES.values())


def test_outs_are_made_once_lie_in_their_places_and_are_never_notebooks() -> None:
    outs = [out for stage in STAGES.values() for out in _outs(stage)]
    assert [out for out in outs if any(_within(out, other) for other in outs if other != out)] == []
    assert len(set(outs)) == len(outs)
    for stage in STAGES.values():
        for path, options in _outs(stage).items():
            assert _within(path, "reports", "data/raw", "data/processed") and not path.endswith(".ipynb")
            assert options.get("cache", True) is _within(path, *KEPT), f"{path}: git tracks it, or DVC does"


def test_what_dvc_keeps_is_not_tracked_by_git() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {f"/{place}/" for place in KEPT} <= set(ignored)


@pytest.mark.parametrize("name", STAGES)
def test_deps_are_there_or_made_by_another_stage_and_are_in_a_workspace(name: str) -> None:
    made = [out for other, stage in STAGES.items() if other != name for out in _outs(stage)]
    for dep in _names(STAGES[name], "deps"):
        if not any(_within(out, dep) or _within(dep, out) for out in made):
            assert (ROOT / dep).exists() and _within(dep, *COPIED), dep


@pytest.mark.parametrize("name", STAGES)
def test_deps_cover_the_modules_that_the_command_runs(name: str) -> None:
    deps = [dep for dep in _names(STAGES[name], "deps") if dep.startswith("edgeresearch")]
    assert {path for path in _modules(STARTS[name]) if not _within(path, *deps)} == set()
    used = _modules(STARTS[name], late=True)
    assert [dep for dep in deps if not any(_within(path, dep) for path in used)] == []


def test_parameters_exist_and_how_many_workers_there_are_changes_nothing() -> None:
    known = Params().model_dump()
    for stage in STAGES.values():
        for key in stage["params"] if "params" in stage else []:
            here: Any = known
            for part in key.split("."):
                assert part in here, key
                here = here[part]
            assert "workers" not in (here if isinstance(here, dict) else {key: here})


def test_commands_are_those_of_the_command_line() -> None:
    known = {command.callback.__name__ for command in cli.app.registered_commands if command.callback}
    for stage in STAGES.values():
        words = stage["cmd"].split()
        assert words[:3] == ["python", "-m", "edgeresearch"] and words[3] in known
        if words[3] == "table":
            assert set(words[4:]) <= set(TABLES)


def _numbers(found: Any) -> list[float]:
    return [number for each in found.values() for number in _numbers(each)] if isinstance(found, dict) else [found]


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_leaves_numbers_that_dvc_can_compare(name: str) -> None:
    paths = list(_names(STAGES[name], "metrics"))
    assert paths
    own = f"reports/metrics/{name}.json"
    assert (own in paths) is (name in HEADLINES or name == "claims")
    for path in paths:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert all(isinstance(number, int | float) for number in _numbers(json.loads(text)) if path == own)
        assert _numbers(json.loads(text))


@pytest.mark.parametrize("name", sorted({*HEADLINES} - {"fetch"}))
def test_metrics_in_git_are_those_of_the_tables_in_git(name: str, tmp_path: Path) -> None:
    (tmp_path / "reports" / "metrics").mkdir(parents=True)
    for part in ("tables", "claims.csv"):
        (tmp_path / "reports" / part).symlink_to(ROOT / "reports" / part)
    record_metrics(name, tmp_path)
    path = Path("reports", "metrics", f"{name}.json")
    assert (tmp_path / path).read_bytes() == (ROOT / path).read_bytes()


def test_a_stage_ends_with_its_metrics_and_a_hand_run_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["data", "--source", "synthetic", "--folder", "data/raw"]

    def run(stage: str | None) -> int:
        if stage:
            monkeypatch.setenv("DVC_STAGE", stage)
        with pytest.raises(SystemExit) as left:
            cli.main(words)
        return int(left.value.code or 0)

    assert run(None) == 0 and not Path("reports").exists()
    assert run("fetch") == 0
    assert set(json.loads(Path("reports/metrics/fetch.json").read_text())["sources"]) == {"False"}
    assert run("mine") == 0 and len(list(Path("reports/metrics").iterdir())) == 1
    capsys.readouterr()
    assert run("city") == 2
    message = "error: cannot read reports/tables/los/city.csv: No such file or directory; run the pipeline, or what"
    assert message in capsys.readouterr().err


def test_what_is_not_known_is_no_metric(tmp_path: Path) -> None:
    (tmp_path / "reports" / "tables" / "los").mkdir(parents=True)
    (tmp_path / "reports" / "tables" / "los" / "city.csv").write_text(
        "nodes,policy,drop_percent,hops,megabytes\n15,los,1.5,,2\n"
    )
    record_metrics("city", tmp_path)
    found = json.loads((tmp_path / "reports" / "metrics" / "city.json").read_text())
    assert found == {"city": {"15": {"los": {"drop_percent": 1.5, "megabytes": 2.0}}}}


STAGE = """\
stages:
  sum:
    cmd: python notebooks/make.py
    deps: [notebooks]
    params: [seed]
    outs: [reports/seed.txt]
"""
MAKE = """\
import pathlib, re, sys
seed = re.search("seed: ([0-9]+)", pathlib.Path("params.yaml").read_text())[1]
pathlib.Path("reports").mkdir(exist_ok=True)
pathlib.Path("reports/seed.txt").write_text("\\n".join([seed, sys.executable]))
with open("runs.txt", "a") as runs:
    runs.write("x")
"""
FETCH = """\
  fetch:
    cmd: python notebooks/fetch.py
    outs: [data/raw: {cache: false, persist: true}]
"""
STANDINS = """\
import pathlib
pathlib.Path("data/raw").mkdir(parents=True, exist_ok=True)
pathlib.Path("data/raw/sources.csv").write_text("file,sha256,real\\na.csv,0,REAL\\n")
with open("fetched.txt", "a") as runs:
    runs.write("x")
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository with one stage, whose own results must not be touched by a profile."""
    root = tmp_path / "repo"
    for name, text in {
        "params.yaml": "seed: 1\n",
        "profiles/quick.yaml": "seed: 2\n",
        "dvc.yaml": STAGE,
        ".dvcignore": "__pycache__\nbuild\n.draft-*\n",
        ".dvc/config": "[core]\n    no_scm = true\n    analytics = false\n",
        "notebooks/make.py": MAKE,
        "notebooks/__pycache__/a.pyc": "",
        "data/measured/times.csv": "a\n1\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.delenv(MIRROR, raising=False)
    return root


def test_a_profile_runs_in_its_workspace_and_a_second_run_changes_nothing(root: Path) -> None:
    reports = reproduce(root, "quick")
    place = root / "build" / "quick"
    assert reports == place / "reports"
    seed, executable = (reports / "seed.txt").read_text().splitlines()
    assert seed == "2" and Path(executable).parent == Path(sys.executable).parent
    assert not (root / "reports").exists() and not (root / "dvc.lock").exists()
    assert not (place / "notebooks" / "__pycache__").exists()
    lock = (place / "dvc.lock").read_bytes()
    (reports / ".draft-x").write_text("what a killed run left")
    reproduce(root, "quick")
    assert (place / "dvc.lock").read_bytes() == lock and (place / "runs.txt").read_text() == "x"
    assert not (reports / ".draft-x").exists()
    plain = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"], cwd=place, capture_output=True, text=True, check=True
    )
    assert "up to date" in plain.stdout


def test_a_workspace_follows_its_source(root: Path) -> None:
    place = reproduce(root, "quick").parent
    (root / "notebooks" / "more.txt").write_text("more")
    (root / "params.yaml").write_text("data: {mirror: ../mirror}\n")
    reproduce(root, "quick")
    assert (place / "runs.txt").read_text() == "xx"
    (root / "notebooks" / "more.txt").unlink()
    reproduce(root, "quick")
    assert not (place / "notebooks" / "more.txt").exists()
    mirror = yaml.safe_load((place / "params.yaml").read_text())["data"]["mirror"]
    assert Path(mirror).resolve() == (root / "../mirror").resolve()


def test_the_full_run_is_in_the_repository(root: Path) -> None:
    assert reproduce(root) == root / "reports"
    assert (root / "reports" / "seed.txt").read_text().startswith("1\n")
    assert not (root / "build").exists()


def test_what_cannot_be_done_is_told_before_anything_runs(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no dvc\.yaml in .*; run this in the folder of a checkout"):
        reproduce(tmp_path)
    with pytest.raises(InputError, match=r"no profile 'qick' .* did you mean quick\?"):
        reproduce(root, "qick")
    (root / "reports").write_text("a file")
    with pytest.raises(InputError, match="cannot write .*reports: .*reports is a file"):
        reproduce(root)
    (root / "params.yaml").write_text("sed: 1\n")
    with pytest.raises(InputError, match=r"unknown key sed; did you mean seed\?"):
        reproduce(root, "quick")
    assert not (root / "build").exists() and not (root / "runs.txt").exists()


def test_a_failed_stage_is_told(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (root / "notebooks" / "make.py").write_text("raise SystemExit('no such thing')")
    with pytest.raises(RunError, match=r"dvc repro in .*quick ended with status \d+; the failed stage is named above"):
        reproduce(root, "quick")
    assert "no such thing" in capfd.readouterr().err


@pytest.mark.parametrize("cut", [0, 30, -40, None])
def test_a_damaged_lock_file_comes_back_from_git(
    root: Path, capfd: pytest.CaptureFixture[str], cut: int | None
) -> None:
    reproduce(root)
    lock = root / "dvc.lock"
    whole = lock.read_text()
    for words in (("init", "-q"), ("add", "dvc.lock"), ("commit", "-qm", "a")):
        user = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *user, *words], cwd=root, check=True)
    lock.write_text(f"<<<<<<< HEAD\n{whole}" if cut is None else whole[:cut])
    (root / ".dvc" / "tmp" / "rwlock").write_text('{"write": {')
    reproduce(root)
    assert "dvc.lock was damaged; it is again as git has it" in capfd.readouterr().err
    assert lock.read_text() == whole and (root / "runs.txt").read_text() == "x"


def test_a_damaged_lock_file_that_git_does_not_have_is_named_and_goes_from_a_workspace(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = reproduce(root, "quick").parent
    (place / "dvc.lock").write_text("schema: '2.0'\nstages:\n  sum:\n")
    reproduce(root, "quick")
    assert "dvc.lock was damaged; every stage runs again" in capfd.readouterr().err
    (root / "dvc.lock").write_text("schema")
    with pytest.raises(InputError, match=r"dvc\.lock is damaged, and git has no other; delete it"):
        reproduce(root)


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
    (root / "dvc.yaml").write_text(STAGE.replace("stages:\n", f"stages:\n{FETCH}"))
    (root / "notebooks" / "fetch.py").write_text(STANDINS.replace("REAL", real))
    (root / "params.yaml").write_text(f"seed: 1\n{setting}\n")
    reproduce(root)
    if mirror:
        monkeypatch.setenv(MIRROR, mirror)
    reproduce(root)
    assert len((root / "fetched.txt").read_text()) == runs


def test_two_runs_do_not_meet(root: Path) -> None:
    slow = "import pathlib, time; pathlib.Path('began').touch(); time.sleep(60)"
    (root / "notebooks" / "make.py").write_text(slow)
    words = [sys.executable, "-c", f"from edgeresearch.pipeline import reproduce; reproduce({str(root)!r})"]
    run = subprocess.Popen(words, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE)
    try:
        _wait_for(root / "began", run)
        with pytest.raises(RunError, match="another run is at work in"):
            reproduce(root)
    finally:
        run.terminate()
    assert b"KeyboardInterrupt" in run.communicate(timeout=60)[1]


@pytest.mark.parametrize("whole_group", [True, False])
def test_an_interrupt_ends_all_that_was_started(root: Path, whole_group: bool) -> None:
    """By Ctrl-C, which reaches everyone, or by a signal to the command alone."""
    (root / "notebooks" / "make.py").write_text("import pathlib, time; pathlib.Path('began').touch(); time.sleep(60)")
    words = [sys.executable, "-c", f"from edgeresearch.pipeline import reproduce; reproduce({str(root)!r})"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, start_new_session=True)
    try:
        _wait_for(root / "began", run)
        family = psutil.Process(run.pid).children(recursive=True)
        assert len(family) >= 2, "DVC and a stage"
        os.killpg(run.pid, signal.SIGINT) if whole_group else run.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in run.communicate(timeout=60)[1]
    finally:
        run.kill()
    assert [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []


def _wait_for(path: Path, run: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 60
    while not path.exists():
        assert run.poll() is None and time.monotonic() < until
        time.sleep(0.05)


def test_a_stage_writes_down_its_seconds_on_request(root: Path) -> None:
    command = f"{sys.executable} -m edgeresearch --version > reports.txt"
    (root / "dvc.yaml").write_text(f"stages:\n  show:\n    cmd: {command}\n    outs: [reports.txt]\n")
    seconds = root / "seconds.csv"
    seconds.write_text("stage,cpu_seconds,wall_seconds,machine\nother,1,2,there\nshow,1,2,there\n")
    reproduce(root, timings=seconds)
    rows = list(csv.DictReader(seconds.read_text().splitlines()))
    assert [row["stage"] for row in rows] == ["other", "show"]
    assert rows[0]["machine"] == "there" and "cores" in rows[1]["machine"]
    assert 0 < float(rows[1]["cpu_seconds"]) and 0 < float(rows[1]["wall_seconds"])
    assert tuple(rows[0]) == pipeline.COLUMNS
