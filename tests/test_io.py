"""Files and folders written whole or not at all."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.errors import InputError
from edgeresearch.io import DRAFT, atomic, check, gathered, read_table, write_csv, write_json


def test_atomic_makes_the_folder_and_leaves_only_the_result(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "c.txt"
    with atomic(target) as draft:
        assert draft.parent == target.parent
        assert draft.suffix == ".txt"
        assert draft.name.startswith(DRAFT)
        draft.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]
    assert target.stat().st_mode & 0o777 == 0o644


def test_atomic_keeps_what_stood_there_when_the_block_fails(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("before")
    with pytest.raises(RuntimeError, match="halfway"), atomic(target) as draft:
        draft.write_text("half")
        raise RuntimeError("halfway")
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_atomic_leaves_no_new_folder_when_the_block_fails(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(RuntimeError), atomic(tmp_path / "a" / "b" / "c" / "d.txt"):
        raise RuntimeError
    assert list(tmp_path.rglob("*")) == [tmp_path / "a"]


def test_dvc_looks_past_drafts() -> None:
    ignored = (Path(__file__).parents[1] / ".dvcignore").read_text(encoding="utf-8").splitlines()
    assert f"{DRAFT}*" in ignored


def test_atomic_allows_the_draft_to_be_taken_away(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic(tmp_path / "a.txt") as draft:
        draft.replace(tmp_path / "kept.txt")
        raise RuntimeError
    assert [each.name for each in tmp_path.iterdir()] == ["kept.txt"]


def test_a_folder_that_is_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write .*out.csv: .*; choose another folder") as caught:
        write_csv(pd.DataFrame({"a": [1]}), tmp_path / "file" / "out.csv")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_is_told_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    with pytest.raises(InputError, match="cannot write"):
        write_json({}, folder / "out.json")


def test_csv_has_fixed_bytes(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["x", "y"], "value": [1 / 3, np.nan], "count": [1, 2]})
    write_csv(table, tmp_path / "a.csv", digits=3)
    assert (tmp_path / "a.csv").read_bytes() == b"name,value,count\nx,0.333,1\ny,,2\n"


def test_a_table_comes_back_and_a_missing_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("trace,note,dm_p\nelb,x,\n")
    table = read_table(tmp_path / "a.csv")
    assert table["note"].tolist() == ["x"] and table["dm_p"].isna().all()
    (tmp_path / "c.csv").write_text("")
    for name, message in (("b.csv", "No such file.*run the pipeline"), ("c.csv", "No columns")):
        with pytest.raises(InputError, match=message):
            read_table(tmp_path / name)


@given(st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False), max_size=5))
def test_json_comes_back_and_its_bytes_do_not_depend_on_the_order(data: dict[str, float]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder) / "one.json", Path(folder) / "two.json"
        write_json(data, one)
        write_json(dict(reversed(data.items())), two)
        assert json.loads(one.read_text(encoding="utf-8")) == data
        assert one.read_bytes() == two.read_bytes()


def test_json_refuses_nan_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json({"a": float("nan")}, tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


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
