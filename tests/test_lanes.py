import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from edgeresearch import lanes, recovery
from edgeresearch.errors import RunError
from edgeresearch.workspace import environment

ROOT = Path(__file__).parents[1]
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
CONFIG = "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"
PIPELINE = """\
stages:
  fetch:
    cmd: python make.py fetch
    outs: [raw: {cache: false, persist: true}]
  left:
    matrix: {item: [b, a]}
    cmd: python make.py left@${item.item} right
    deps: [make.py, raw]
    outs: ["left/${item.item}.txt"]
  left-after:
    cmd: python make.py left-after
    deps: [make.py, left/a.txt, left/b.txt]
    outs: [left/after.txt]
  right:
    cmd: python make.py right left
    deps: [make.py, raw]
    outs: [right.txt]
  show-left:
    cmd: python make.py show-left show-right
    deps: [make.py, left/after.txt]
    outs: [show-left.txt]
  show-right:
    cmd: python make.py show-right show-left
    deps: [make.py, left/after.txt, right.txt]
    outs: [show-right.txt]
  last:
    cmd: python make.py last
    deps: [make.py, show-left.txt, show-right.txt]
    outs: [last.txt]
"""
# A stage says that it began. One that is named another waits until that one began, too: alone it fails.
MAKE = """\
import pathlib, sys, time
name, *others = sys.argv[1:]
began = pathlib.Path("began")
began.mkdir(exist_ok=True)
with (began / name.partition("@")[0]).open("a") as file:
    file.write("x")
for other in others:
    end = time.monotonic() + WAIT
    while not (began / other).exists():
        if time.monotonic() > end:
            sys.exit(f"{name} waited for {other} in vain")
        time.sleep(0.02)
made = {"fetch": "raw/a.txt", "left@a": "left/a.txt", "left@b": "left/b.txt", "left-after": "left/after.txt"}
target = pathlib.Path(made.get(name, f"{name}.txt"))
target.parent.mkdir(exist_ok=True)
target.write_text(name)
print("made", target)
"""
TWO = ((("left", "left-after"), ("right", "not-here")), (("show-left",), ("show-right",)))
HERE = [[["left", "left-after"], ["right"]], [["show-left"], ["show-right"]]]
ORDER = ["fetch", "left@a", "left@b", "left-after", "right", "show-left", "show-right", "last"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two phases of two lanes whose stages wait for each other."""
    place = tmp_path / "project"
    for name, text in {".dvc/config": CONFIG, "dvc.yaml": PIPELINE, "make.py": MAKE.replace("WAIT", "60")}.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setattr(lanes, "PHASES", TWO)
    return place


@pytest.fixture
def variables(place: Path) -> Mapping[str, str]:
    return environment(place, os.environ)


def _runs(place: Path) -> dict[str, int]:
    return {path.name: len(path.read_text()) for path in (place / "began").iterdir()}


def test_lanes_run_side_by_side_and_a_second_run_changes_nothing(
    place: Path, variables: Mapping[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    lanes.reproduce(place, variables)
    once = dict.fromkeys(["fetch", "left-after", "right", "show-left", "show-right", "last"], 1) | {"left": 2}
    assert _runs(place) == once
    assert (place / "last.txt").read_text() == "last"
    said = capfd.readouterr().out
    assert sorted(re.findall("made .*", said)) == [
        *("made last.txt", "made left/a.txt", "made left/after.txt", "made left/b.txt", "made raw/a.txt"),
        *("made right.txt", "made show-left.txt", "made show-right.txt"),
    ]
    lock = (place / "dvc.lock").read_bytes()
    lanes.reproduce(place, variables)
    assert _runs(place) == once
    assert (place / "dvc.lock").read_bytes() == lock


def test_the_lock_file_is_the_same_however_stages_ran(place: Path, variables: Mapping[str, str]) -> None:
    lanes.reproduce(place, variables)
    lock = (place / "dvc.lock").read_bytes()
    assert list(recovery.entries(place / "dvc.lock")) == ORDER
    once = _runs(place)
    for name in (".dvc/cache", "left"):
        shutil.rmtree(place / name)
    for name in ("dvc.lock", "right.txt", "show-left.txt", "show-right.txt", "last.txt"):
        (place / name).unlink()
    lanes.reproduce(place, variables, lanes=False)  # what began before is still there to be met
    assert _runs(place) == {name: 2 * runs for name, runs in once.items()}
    assert (place / "dvc.lock").read_bytes() == lock


def test_one_by_one_nobody_meets_the_other(
    place: Path, variables: Mapping[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    (place / "make.py").write_text(MAKE.replace("WAIT", "0.1"))
    with pytest.raises(RunError, match=r"dvc repro in .*project ended with status \d+; the failed stage is named"):
        lanes.reproduce(place, variables, lanes=False)
    assert "waited for right in vain" in capfd.readouterr().err


def test_where_one_lane_failed_the_other_is_done_and_stays(
    place: Path, variables: Mapping[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    broken = (
        'if name == "right":\n    sys.exit("no such thing")\n'
        'if name == "left-after":\n    time.sleep(4)  # the other lane has failed by then\n'
    )
    (place / "make.py").write_text(MAKE.replace("WAIT", "60") + broken)
    with pytest.raises(RunError, match="the failed stage is named above"):
        lanes.reproduce(place, variables)
    shown = capfd.readouterr()
    assert "no such thing" in shown.err, "the second lane's errors are told, too"
    assert "failed to reproduce 'right'" in shown.err
    assert shown.err.count("note: a stage has failed; the stages beside it go on to their end\n") == 1
    assert "Traceback" not in shown.out + shown.err
    assert list(recovery.entries(place / "dvc.lock")) == ORDER[:4], "in order even so"
    assert not (place / "last.txt").exists()


def test_lanes_are_for_what_is_not_here(place: Path, variables: Mapping[str, str]) -> None:
    assert lanes._phases(place) == HERE
    lanes.force(place, variables, "fetch")
    assert lanes._phases(place) == HERE
    lanes.reproduce(place, variables)
    assert lanes._phases(place) == []
    (place / "right.txt").unlink()
    assert lanes._phases(place) == [], "one lane is no reason to run two"
    (place / "show-left.txt").unlink()
    assert lanes._phases(place) == [], "nor are two of different phases"
    (place / "left" / "b.txt").unlink()  # as in a clone
    assert lanes._phases(place) == HERE
    (place / "dvc.yaml").write_text(PIPELINE.replace("fetch:", "bring:"))
    assert lanes._phases(place) == []


def test_what_shows_waits_for_what_is_computed_anew(place: Path, variables: Mapping[str, str]) -> None:
    """Two lanes lack what shows; what they show is out of date, though it is there: that comes first."""
    lanes.reproduce(place, variables)
    for name in ("show-left.txt", "show-right.txt"):
        (place / name).unlink()
    shutil.rmtree(place / ".dvc" / "cache")
    (place / "make.py").write_text(MAKE.replace("WAIT", "61"))
    lanes.reproduce(place, variables)
    assert _runs(place) == dict.fromkeys(["left-after", "right", "show-left", "show-right", "last"], 2) | {
        "fetch": 1,
        "left": 4,
    }


@pytest.mark.parametrize("text", [b"stages: [\n", b"- a list\n", b"stages:\n", b"stages: 3\n", b"stages: {a: \xff}\n"])
def test_a_damaged_pipeline_is_left_to_dvc_to_tell(
    place: Path, variables: Mapping[str, str], text: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    (place / "dvc.yaml").write_bytes(text)
    with pytest.raises(RunError):
        lanes.reproduce(place, variables)
    shown = capfd.readouterr()
    assert "dvc.yaml" in shown.err
    assert "Traceback" not in shown.out + shown.err


@pytest.mark.parametrize("entry", ["outs:", "outs: [{md5: 0}]", "outs: 3", "- a list"])
def test_a_damaged_entry_counts_as_none(place: Path, entry: str) -> None:
    (place / "dvc.lock").write_text(f"schema: '2.0'\nstages:\n  left:\n    {entry}\n  3:\n    cmd: x\n")
    assert lanes._phases(place) == HERE
    before = (place / "dvc.lock").read_bytes()
    lanes.sort_lock(place)
    assert (place / "dvc.lock").read_bytes() == before


class _Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_what_nobody_listens_to_is_read_to_its_end() -> None:
    lines = io.StringIO("a\nb\n")
    lanes._tell(lines, _Closed())
    assert lines.closed
    heard = io.StringIO()
    lanes._tell(io.StringIO("a\nb\n"), heard)
    assert heard.getvalue() == "a\nb\n"


DRIVE = """\
import os, sys
from pathlib import Path
from edgeresearch import lanes
from edgeresearch.workspace import environment
lanes.PHASES = ((("left", "left-after"), ("right",)),)
place = Path(sys.argv[1])
lanes.reproduce(place, environment(place, os.environ))
"""


@pytest.mark.skipif(os.name != "posix", reason="signals as Linux and macOS have them")
@pytest.mark.parametrize("whom", ["all", "this process"])
def test_an_interrupt_ends_all_that_runs(place: Path, variables: Mapping[str, str], whom: str) -> None:
    (place / "make.py").write_text(MAKE.replace("WAIT", "120"))
    nobody = PIPELINE.replace("${item.item} right", "${item.item} nobody").replace("right left", "right nobody")
    (place / "dvc.yaml").write_text(nobody)
    run = subprocess.Popen(
        [sys.executable, "-c", DRIVE, str(place)],
        env=dict(variables), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while not all((place / "began" / name).exists() for name in ("left", "right")):
            assert run.poll() is None and time.monotonic() < until
            time.sleep(0.05)
        family = psutil.Process(run.pid).children(recursive=True)
        assert len(family) >= 4, "two times DVC and a stage"
        if whom == "all":
            os.killpg(run.pid, signal.SIGINT)
        else:
            run.send_signal(signal.SIGINT)
        said, _ = run.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode != 0
    assert b"KeyboardInterrupt" in said
    assert [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []


def test_a_stage_can_be_forced(place: Path, variables: Mapping[str, str]) -> None:
    for _ in range(2):
        lanes.force(place, variables, "fetch")
    assert _runs(place) == {"fetch": 2}


def test_a_sorted_lock_file_says_the_same(place: Path) -> None:
    lock = place / "dvc.lock"
    entries = {
        name: f"cmd: echo {name}\n    deps:\n    - path: a b\n      md5: 0\n"
        for name in ("last", "unknown", "left@b", "right", "left@a", "fetch")
    }
    lock.write_text("schema: '2.0'\nstages:\n" + "".join(f"  {name}:\n    {text}" for name, text in entries.items()))
    before = yaml.safe_load(lock.read_text())
    lanes.sort_lock(place)
    assert yaml.safe_load(lock.read_text()) == before
    assert list(recovery.entries(lock)) == ["fetch", "left@a", "left@b", "right", "last", "unknown"]
    written = lock.stat().st_mtime_ns
    lanes.sort_lock(place)
    assert lock.stat().st_mtime_ns == written
    lock.unlink()
    lanes.sort_lock(place)
    assert not lock.exists()


def test_the_repositorys_lock_file_survives_sorting(place: Path) -> None:
    if not (ROOT / "dvc.lock").is_file():
        pytest.skip("the pipeline never ran here")
    text = (ROOT / "dvc.lock").read_text(encoding="utf-8")
    (place / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    (place / "dvc.lock").write_text(text, encoding="utf-8")
    lanes.sort_lock(place)
    assert recovery.entries(place / "dvc.lock") == recovery.entries(ROOT / "dvc.lock")
    assert sorted((place / "dvc.lock").read_text(encoding="utf-8").splitlines()) == sorted(text.splitlines())
    assert not recovery.is_cut((place / "dvc.lock").read_text(encoding="utf-8"))


def _paths(stage: Mapping[str, Any], *keys: str) -> set[str]:
    listed = [each for key in keys for each in stage.get(key, [])]
    paths = (next(iter(each)) if isinstance(each, dict) else each for each in listed)
    return {path.partition("${")[0].rstrip("/") for path in paths}


def _needs(name: str) -> set[str]:
    """Stages that make what a stage reads."""
    read = _paths(STAGES[name], "deps")
    return {
        other
        for other, stage in STAGES.items()
        if other != name
        for made in _paths(stage, "outs", "metrics", "plots")
        if any(path == made or path.startswith(f"{made}/") or made.startswith(f"{path}/") for path in read)
    }


def test_the_lanes_hold_every_stage_once_but_the_first_and_what_joins_all() -> None:
    named = [name for phase in lanes.PHASES for lane in phase for name in lane]
    assert sorted([*named, lanes.FIRST, "claims", "report"]) == sorted(STAGES)


@pytest.mark.parametrize(("phase", "lane"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_lane_needs_nothing_of_its_neighbour_and_finds_what_it_needs(phase: int, lane: int) -> None:
    before = {lanes.FIRST, *(name for earlier in lanes.PHASES[:phase] for each in earlier for name in each)}
    for name in lanes.PHASES[phase][lane]:
        assert _needs(name) <= before, name
        before.add(name)
