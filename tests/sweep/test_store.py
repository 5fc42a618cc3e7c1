from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edgeresearch.errors import InputError
from edgeresearch.sweep import store
from edgeresearch.sweep.cells import Cell
from edgeresearch.sweep.experiments import Experiment, Places
from edgeresearch.sweep.work import Row, Task, failed, work

Plan = Callable[..., list[Cell]]
Toy = Callable[..., Experiment]


@pytest.fixture
def rows(toy: Toy, plan: Plan, places: Places) -> list[Row]:
    return list(work(Task(toy(fails=3.0), places, plan(6))).rows)


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("[!.]*"))


def test_what_is_written_is_read(tmp_path: Path, rows: list[Row]) -> None:
    with store.opened(tmp_path / "out") as folder:
        assert folder == tmp_path / "out" / "cells"
        store.write(folder, rows[:2])
        store.write(folder, rows[2:])
        found = store.read(folder)
        assert _files(folder) == sorted(f"{row['key']}.parquet" for row in (rows[0], rows[2]))
    for row in rows:
        assert {name: value for name, value in found[str(row["key"])].items() if value is not None} == {
            name: value for name, value in row.items() if value is not None
        }


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(table: pa.Table, path: Path, **_: object) -> None:
        Path(path).write_bytes(b"PAR1")
        raise KeyboardInterrupt

    monkeypatch.setattr(pq, "write_table", broken)
    with pytest.raises(KeyboardInterrupt), store.opened(tmp_path) as folder:
        store.write(folder, rows)
    assert _files(tmp_path / "cells") == []


def test_drafts_of_a_killed_sweep_are_removed(tmp_path: Path, rows: list[Row]) -> None:
    with store.opened(tmp_path) as folder:
        store.write(folder, rows)
    draft = tmp_path / "cells" / ".abc-123.parquet"
    draft.write_bytes(b"PA")
    assert len(store.read(tmp_path / "cells")) == 6
    with store.opened(tmp_path):
        assert not draft.exists()


def test_two_sweeps_do_not_share_a_folder(tmp_path: Path) -> None:
    with store.opened(tmp_path):
        with pytest.raises(InputError, match="another sweep is writing to"), store.opened(tmp_path):
            pass
    with store.opened(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write .*cells"), store.opened(tmp_path / "file"):
        pass


@pytest.mark.parametrize("content", [b"no parquet", None])
def test_a_foreign_file_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.parquet"
    if content is None:
        pq.write_table(pa.table({"a": [1]}), path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"x.parquet holds no cells of a sweep; remove it"):
        store.read(tmp_path)


def test_cells_are_forgotten(tmp_path: Path, rows: list[Row]) -> None:
    parts = [rows[:2], rows[2:4], rows[4:]]
    for part in parts:
        store.write(tmp_path, part)
    gone = {str(rows[at]["key"]) for at in (0, 4, 5)}
    store.forget(tmp_path, gone)
    assert set(store.read(tmp_path)) == {str(row["key"]) for row in rows} - gone
    assert len(_files(tmp_path)) == 2
    before = _files(tmp_path)
    store.forget(tmp_path, set())
    assert _files(tmp_path) == before


def test_the_table_does_not_depend_on_order_and_files(tmp_path: Path, rows: list[Row], plan: Plan) -> None:
    cells = plan(6)
    for folder, size in (("one", 1), ("two", 4)):
        (tmp_path / folder).mkdir()
        order = rows if size == 1 else rows[::-1]
        for at in range(0, 6, size):
            store.write(tmp_path / folder, order[at : at + size])
        table = store.joined(cells if size == 1 else cells[::-1], store.read(tmp_path / folder))
        store.write_table(table, tmp_path / f"{folder}.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert table.column_names == ["key", "los.interval", "seed", "half", "value", "word", "error"]
    assert table["key"].to_pylist() == sorted(cell.key for cell in cells)
    (bad,) = [row for row in table.to_pylist() if row["error"]]
    assert (bad["los.interval"], bad["value"], bad["word"]) == (3.0, None, None)


def test_settings_of_several_kinds_become_text() -> None:
    cells = [Cell(f"{at}", 0, {"a": value}, {}) for at, value in enumerate((True, 2, None, "x"))]
    found: dict[str, Row] = {cell.key: failed(cell, "no") for cell in cells}
    table = store.joined(cells, found)
    assert table["a"].to_pylist() == ["True", "2", None, "x"]
    assert table["error"].to_pylist() == ["no"] * 4


def test_whole_numbers_stay_whole_beside_null() -> None:
    cells = [Cell(f"{at}", 0, {"a": value}, {}) for at, value in enumerate((1, None, 2**40))]
    found: dict[str, Row] = {cell.key: {"key": cell.key, "error": None, "n": 1} for cell in cells}
    found["1"] = failed(cells[1], "no")
    table = store.joined(cells, found)
    assert table["a"].type == table["n"].type == pa.int64()
    assert table["n"].to_pylist() == [1, None, 1]
    assert table["error"].type == pa.string()
