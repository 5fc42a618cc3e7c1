import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from edgeresearch import recovery
from edgeresearch.errors import InputError, RunError
from edgeresearch.io import DRAFT
from edgeresearch.recovery import guarded, is_cut, keep_lock, tidy

ENTRY = {"cmd": "make", "deps": [{"path": "a", "md5": "0"}], "outs": [{"path": "reports/a.csv", "size": 4}]}
LOCK = yaml.safe_dump({"schema": "2.0", "stages": {"one": ENTRY, "two": {"cmd": ["a", "b"]}}}, sort_keys=False)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A project folder with results and a lock file."""
    place = tmp_path / "project"
    for name in ("reports/a.csv", "reports/figures/b.svg", "data/processed/c.parquet"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(name)
    (place / "dvc.lock").write_text(LOCK)
    (place / ".dvc" / "tmp").mkdir(parents=True)
    return place


def _results(place: Path) -> dict[str, str]:
    files = [file for file in place.rglob("*") if file.is_file() and ".dvc" not in file.parts]
    return {str(file.relative_to(place)): file.read_text() for file in files}


def test_a_run_that_ends_well_leaves_nothing_but_a_copy_of_the_lock_file(place: Path) -> None:
    before = _results(place)
    with guarded(place):
        (place / "reports" / "a.csv").unlink()
        (place / "reports" / "new.csv").write_text("new")
    assert _results(place) == {name: before[name] for name in before if name != "reports/a.csv"} | {
        "reports/new.csv": "new"
    }
    assert {path.name for path in (place / ".dvc" / "tmp").iterdir()} <= {"reproduce.lock", "dvc.lock.whole"}
    assert (place / ".dvc" / "tmp" / "dvc.lock.whole").read_text() == LOCK


@pytest.mark.parametrize("error", [RunError("a stage failed"), KeyboardInterrupt()])
def test_a_run_that_fails_keeps_earlier_results(place: Path, error: BaseException) -> None:
    before = _results(place)
    with pytest.raises(type(error)), guarded(place):
        (place / "reports" / "a.csv").unlink()
        (place / "reports" / "figures" / "b.svg").unlink()
        (place / "reports" / "figures").rmdir()
        (place / "data" / "processed" / "c.parquet").unlink()
        (place / "reports" / "new.csv").write_text("of a stage that was done")
        raise error
    assert _results(place) == before | {"reports/new.csv": "of a stage that was done"}


def test_what_a_stage_made_stays_if_it_was_done_and_goes_if_it_failed(place: Path) -> None:
    done = {**ENTRY, "cmd": "other", "outs": [{"path": "reports/figures"}, {"path": "reports/gone.csv"}]}
    (place / "reports" / "gone.csv").write_text("no longer made")
    with pytest.raises(RunError), guarded(place):
        (place / "reports" / "gone.csv").unlink()
        for name in ("reports/figures/b.svg", "reports/a.csv"):
            (place / name).unlink()
            (place / name).write_text("new")
        (place / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"one": ENTRY, "two": done}}))
        raise RunError("stage one failed, having written some")
    assert _results(place)["reports/figures/b.svg"] == "new"
    assert _results(place)["reports/a.csv"] == "reports/a.csv"
    assert not (place / "reports" / "gone.csv").exists()


def test_a_failure_mends_the_lock_file(place: Path) -> None:
    with pytest.raises(RunError), guarded(place):
        (place / "dvc.lock").write_text("")
        raise RunError("the disk was full while DVC wrote its lock file")
    assert (place / "dvc.lock").read_text() == LOCK


def test_earlier_results_take_no_space_and_are_copied_where_they_must_be(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with guarded(place):
        assert (place / "reports" / "a.csv").stat().st_nlink == 2

    def fail(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", fail)
    before = _results(place)
    with pytest.raises(RunError), guarded(place):
        assert (place / "reports" / "a.csv").stat().st_nlink == 1
        (place / "reports" / "a.csv").unlink()
        raise RunError("failed")
    assert _results(place) == before


def test_a_new_project_needs_nothing(tmp_path: Path) -> None:
    with guarded(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".dvc"]


def test_two_runs_at_once_are_refused(place: Path) -> None:
    with guarded(place):
        with pytest.raises(RunError, match="another run is at work in .*project; wait until it is done"):
            with guarded(place):
                raise AssertionError
    with guarded(place):
        pass


def test_the_folder_of_a_killed_run_is_free_and_its_results_come_back(place: Path) -> None:
    before = _results(place)
    kill = "import os, pathlib, sys; from edgeresearch.recovery import guarded; place = pathlib.Path(sys.argv[1])\n"
    kill += "with guarded(place):\n    (place / 'reports/a.csv').unlink()\n    os.kill(os.getpid(), 9)\n"
    env = os.environ | {"PYTHONPATH": str(Path(recovery.__file__).parents[1])}
    assert subprocess.run([sys.executable, "-c", kill, str(place)], env=env, check=False).returncode != 0
    assert not (place / "reports" / "a.csv").exists()
    with guarded(place):
        assert _results(place) == before
    assert not (place / ".dvc" / "tmp" / "earlier").exists()


def test_drafts_go_and_nothing_else(place: Path) -> None:
    before = _results(place)
    inside = ("", "reports/", "reports/figures/", "data/raw/x/", "data/processed/", "build/notebooks/", ".dvc/tmp/")
    for name in inside:
        (place / f"{name}{DRAFT}a-x1.csv").parent.mkdir(parents=True, exist_ok=True)
        (place / f"{name}{DRAFT}a-x1.csv").write_text("half")
    (place / "reports" / f"{DRAFT}site-x1" / "assets").mkdir(parents=True)
    other = place / "build" / "quick" / "reports" / f"{DRAFT}b-x1.csv"
    other.parent.mkdir(parents=True)
    other.write_text("of another workspace, which may be at work")
    tidy(place)
    assert [path for path in place.rglob(f"{DRAFT}*")] == [other]
    other.unlink()
    assert _results(place) == before


@pytest.mark.parametrize("cut", [0, 10, len(LOCK) // 2, len(LOCK) - 1])
def test_a_lock_file_that_was_cut_off_comes_back(place: Path, cut: int) -> None:
    keep_lock(place)
    (place / "dvc.lock").write_text(LOCK[:cut])
    keep_lock(place)  # not of half a file
    tidy(place)
    assert (place / "dvc.lock").read_text() == LOCK


def test_a_copy_that_is_cut_itself_is_no_help(place: Path) -> None:
    whole = place / ".dvc" / "tmp" / "dvc.lock.whole"
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_text(LOCK[:-1])
    (place / "dvc.lock").write_text(LOCK[:10])
    tidy(place)
    assert not (place / "dvc.lock").exists()


def test_without_a_copy_it_goes_so_that_dvc_starts_anew(place: Path) -> None:
    (place / "dvc.lock").write_text(LOCK[:20])
    tidy(place)
    assert not (place / "dvc.lock").exists()


def test_a_lock_file_that_was_deleted_stays_deleted(place: Path) -> None:
    keep_lock(place)
    (place / "dvc.lock").unlink()
    tidy(place)
    assert not (place / "dvc.lock").exists()


@pytest.mark.parametrize("text", [f"<<<<<<< ours\n{LOCK}=======\n{LOCK}>>>>>>> theirs\n", LOCK.replace("make", "do")])
def test_a_lock_file_that_somebody_changed_is_left_to_them(place: Path, text: str) -> None:
    keep_lock(place)
    (place / "dvc.lock").write_text(text)
    tidy(place)
    assert (place / "dvc.lock").read_text() == text


def test_what_ends_too_early_is_told_from_the_whole(place: Path) -> None:
    assert not is_cut(LOCK)
    assert all(is_cut(LOCK[:end], LOCK) for end in range(len(LOCK)))
    (place / "dvc.lock").write_text("")
    keep_lock(place)
    assert not (place / ".dvc" / "tmp" / "dvc.lock.whole").exists()


def test_even_alone_it_is_known_or_can_be_read_on() -> None:
    read_on = [end for end in range(len(LOCK)) if not is_cut(LOCK[:end])]
    assert len(read_on) < LOCK.count("\n")
    for end in read_on:
        for entry in yaml.safe_load(LOCK[:end])["stages"].values():
            assert entry.keys() <= {"cmd", "deps", "outs"} and entry["cmd"]
            assert all(each["path"] for key in ("deps", "outs") for each in entry.get(key, []))


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("", True),
        ("schema: '2.0'\n", True),
        ("stages:\n", True),
        ("stages: {one: {cmd: a, deps: }}\n", True),
        ("stages: {one: {cmd: a, outs: [{path: a}]}}\n", False),
        ("stages: {one: {cmd: a, outs: [a]}}\n", True),
        ("- a\n", False),
    ],
)
def test_how_a_lock_file_may_end(text: str, cut: bool) -> None:
    assert is_cut(text) == cut


def test_a_lock_file_that_is_being_written_is_not_kept(place: Path) -> None:
    broken = "stages: {one: {cmd: }, two: {cmd: a}}\n"
    (place / "dvc.lock").write_text(broken)
    keep_lock(place)
    assert not (place / ".dvc" / "tmp" / "dvc.lock.whole").exists()


def test_dvcs_list_of_who_is_busy_goes_only_where_it_cannot_be_read(place: Path) -> None:
    busy = place / ".dvc" / "tmp" / "rwlock"
    busy.write_text('{"write": {}}')
    tidy(place)
    assert busy.exists()
    busy.write_text('{"write": {')
    tidy(place)
    assert not busy.exists()


def test_a_folder_that_cannot_be_written_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("shutil.copytree", fail)
    with pytest.raises(InputError, match="cannot write .*project: Read-only file system; make room or"):
        with guarded(place):
            raise AssertionError


def test_results_that_cannot_be_put_back_are_kept_for_the_next_run(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _results(place)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(InputError, match="No space left on device; make room"):
        with guarded(place):
            (place / "reports" / "a.csv").unlink()
            patch.setattr(os, "link", fail)
            patch.setattr("shutil.copy2", fail)
            raise RunError("failed")
    assert not (place / "reports" / "a.csv").exists()
    tidy(place)
    assert _results(place) == before
