"""Going on after a run that did not end well: what it left neither stops the next one nor passes for a result.

DVC empties a stage's folders before the stage runs, and rewrites `dvc.lock` and its list of who is busy in place. A
process that is killed cannot tidy up, so whole copies are kept while a run lasts, and the next run looks after them.
"""

import filecmp
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from edgeresearch.errors import InputError, RunError
from edgeresearch.io import DRAFT, atomic

RESULTS = ("reports", "data/processed")
"""Folders that stages fill."""

FILLED = (".", "build/notebooks", "data/measured", "data/raw/**", "data/processed/**", "reports/**", ".dvc/tmp")
"""Where drafts of a killed run may lie; other folders of `build` are workspaces, which look after themselves."""

_TMP = Path(".dvc") / "tmp"
_EARLIER = _TMP / "earlier"
_WHOLE = _TMP / "dvc.lock.whole"


@contextmanager
def guarded(place: Path) -> Iterator[None]:
    """Hold a project folder for one run, tidied; where the run fails, put results back that it took away.

    The system lets go of the folder when the process ends, however it ends.

    Raises:
        InputError: The folder cannot be written.
        RunError: Another run holds it.
    """
    with _told(place):
        (place / _TMP).mkdir(parents=True, exist_ok=True)
        try:
            held = FileLock(place / _TMP / "reproduce.lock").acquire(timeout=0)
        except Timeout as error:
            raise RunError(f"another run is at work in {place}; wait until it is done") from error
    with held:
        with _told(place):
            tidy(place)
            keep_lock(place)
            _set_aside(place)
        try:
            yield
        except BaseException:
            with _told(place):
                _mend(place)
                _put_back(place)
            raise
        with _told(place):
            keep_lock(place)
            shutil.rmtree(place / _EARLIER, ignore_errors=True)


def tidy(place: Path) -> None:
    """Remove a killed run's drafts, put back what it took away, and mend what DVC was writing; all else stays."""
    for folder in FILLED:
        for draft in sorted(place.glob(f"{folder}/{DRAFT}*")):
            if draft.is_dir():
                shutil.rmtree(draft)
            else:
                draft.unlink(missing_ok=True)
    _mend(place)
    _put_back(place)


def _mend(place: Path) -> None:
    busy, lock, whole = place / _TMP / "rwlock", place / "dvc.lock", place / _WHOLE
    if busy.is_file() and not _is_json(busy):
        busy.unlink()
    if lock.is_file() and is_cut(_text(lock), _text(whole)):
        if whole.is_file() and not is_cut(_text(whole)):
            _copy(whole, lock)
        else:
            lock.unlink()


def keep_lock(place: Path) -> None:
    """Copy `dvc.lock` to where `tidy` finds it, unless that is done or DVC is just writing it."""
    text, kept = _text(place / "dvc.lock"), _text(place / _WHOLE)  # read once: DVC may write it again meanwhile
    if text != kept and not is_cut(text, kept) and all(map(_is_entry, (_stages(text) or {"": None}).values())):
        with atomic(place / _WHOLE) as draft:
            draft.write_text(text, encoding="utf-8")


def is_cut(text: str, whole: str = "") -> bool:
    """Whether a lock file ends before its end. One that is damaged otherwise, as by a merge, is for a human to mend.

    Args:
        text: The file.
        whole: What it is known to have been, or nothing.
    """
    if not text.endswith("\n") or (text != whole and whole.startswith(text)):
        return True
    stages = _stages(text)
    return stages is not None and not _is_entry(next(reversed(stages.values()), None))


def entries(lock: Path) -> dict[str, Any]:
    """Return what a lock file says, by stage: nothing if there is none, and nothing of what is damaged."""
    found = _stages(_text(lock)) or {}
    return {name: entry for name, entry in found.items() if isinstance(name, str) and _is_entry(entry)}


def _stages(text: str) -> dict[str, Any] | None:
    """The entries of a lock file, or None if it is no YAML of keys and values."""
    try:
        found = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return None
    if not isinstance(found, dict):
        return None
    stages = found.get("stages")
    return stages if isinstance(stages, dict) else {}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _is_entry(stage: Any) -> bool:
    if not isinstance(stage, dict) or "cmd" not in stage or None in stage.values():
        return False
    listed = [each for key in ("deps", "outs") for each in stage.get(key, [])]
    return all(isinstance(each, dict) and "path" in each for each in listed)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True


def _copy(source: Path, target: Path) -> None:
    with atomic(target) as draft:
        draft.write_bytes(source.read_bytes())


def _set_aside(place: Path) -> None:
    """Keep every result under a second name, which takes no space, and what the lock file says of them."""
    if (place / "dvc.lock").is_file():
        _copy(place / "dvc.lock", place / _EARLIER / "dvc.lock")
    for name in RESULTS:
        if (place / name).is_dir():
            shutil.copytree(place / name, place / _EARLIER / name, copy_function=_link, dirs_exist_ok=True)


def _put_back(place: Path) -> None:
    """Give results their first name again, but those of stages that were done since."""
    kept = place / _EARLIER
    if not kept.is_dir():
        return
    before, now = entries(kept / "dvc.lock"), entries(place / "dvc.lock")
    fresh = [entry for name, entry in now.items() if entry != before.get(name)]
    made = {out["path"] for entry in fresh for out in entry.get("outs", [])}
    for file in sorted(file for name in RESULTS for file in (kept / name).rglob("*") if file.is_file()):
        name = file.relative_to(kept)
        target = place / name
        if made & {each.as_posix() for each in (name, *name.parents)}:
            continue
        if not target.exists() or not filecmp.cmp(file, target):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            _link(file, target)
    shutil.rmtree(kept, ignore_errors=True)


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)


@contextmanager
def _told(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write {place}: {reason}; make room or a folder that can be written") from error
