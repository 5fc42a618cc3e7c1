import os
from pathlib import Path

import pytest

from edgeresearch.errors import InputError
from edgeresearch.files import DRAFT, atomic
from edgeresearch.folders import check, gathered


def _tree(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_a_new_folder_appears_whole(tmp_path: Path) -> None:
    with gathered(tmp_path / "a" / "b") as draft:
        (draft / "x.txt").write_text("1")
        (draft / "sub").mkdir()
        (draft / "sub" / "y.txt").write_text("2")
        assert not (tmp_path / "a" / "b").exists()
    assert _tree(tmp_path) == {"a/b/x.txt": "1", "a/b/sub/y.txt": "2"}
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o755
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_only_equal_names_are_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    for name in ("x.txt", "kept.txt", "sub/old.txt"):
        (out / name).write_text("old")
    with gathered(out) as draft:
        (draft / "x.txt").write_text("new")
        (draft / "sub").mkdir()
        (draft / "sub" / "new.txt").write_text("new")
    assert _tree(tmp_path) == {"out/x.txt": "new", "out/kept.txt": "old", "out/sub/new.txt": "new"}


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), gathered(tmp_path / "a" / "b" / "c") as draft:
        (draft / "x.txt").write_text("1")
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_what_stood_there(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.txt").write_text("old")
    with pytest.raises(InputError, match="cannot write .*out: No space left; choose another folder"):
        with gathered(tmp_path / "out") as draft:
            (draft / "x.txt").write_text("new")
            raise OSError(28, "No space left")
    assert _tree(tmp_path) == {"out/x.txt": "old"}


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("odd")

    monkeypatch.setattr("tempfile.mkdtemp", fail)
    with pytest.raises(InputError, match="cannot write .*: odd; choose another folder"), gathered(tmp_path / "a" / "b"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    check(tmp_path / "not" / "there")
    for wrong in ("file", "file/below"):
        with pytest.raises(InputError, match="file is a file; choose another folder"):
            check(tmp_path / wrong)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match="is not writable; choose another folder"):
        check(tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_cannot_be_written_is_told_by_its_place_to_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*/out/x\.txt: No space left; choose") as caught:
        with gathered(tmp_path / "out") as draft, atomic(draft / "x.txt"):
            raise OSError(28, "No space left")
    assert DRAFT not in str(caught.value)
    with pytest.raises(InputError, match="^something else$"), gathered(tmp_path / "out"):
        raise InputError("something else")
    assert list(tmp_path.iterdir()) == []


def test_what_is_mounted_gets_its_files_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "x.txt").write_text("old")
    monkeypatch.setattr(Path, "is_mount", lambda self: self == out)
    with gathered(out) as draft:
        assert draft.parent == out
        (draft / "x.txt").write_text("new")
    assert _tree(tmp_path) == {"out/x.txt": "new"}
    assert [path.name for path in out.iterdir()] == ["x.txt"]
