import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.errors import InputError
from edgeresearch.files import DRAFT, atomic, write_csv, write_json


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
    with pytest.raises(InputError, match="cannot write .*out.csv: .*; choose a folder") as caught:
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
