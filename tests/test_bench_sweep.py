import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml

from bench import __main__ as shown
from bench import sweep
from bench.timing import Row
from edgeresearch.config import Params
from edgeresearch.sweeps.api import TABLE

TINY = sweep.Size(seeds=1, hours=(0.5,), repeats=1)


@pytest.fixture(scope="module")
def row() -> Row:
    (found,) = sweep.rows(TINY)
    return found


def test_a_sweep_is_timed_on_two_workers_and_on_one(row: Row) -> None:
    assert (row.what, row.size, row.peer) == ("sweep of LOS on 2 workers", "10 cells of 0.5 h", "one worker")
    assert len(row.ours) == len(row.theirs) == TINY.repeats
    assert min(*row.ours, *row.theirs) > 0.1  # a command that does nothing takes less
    assert row.bound == pytest.approx(1 / 1.8)


def test_only_the_longest_cells_have_a_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "pair", lambda size, hours: (hours, 2 * hours))
    rows = list(sweep.rows(sweep.Size(hours=(1.0, 3.0))))
    assert [row.size for row in rows] == ["200 cells of 1 h", "200 cells of 3 h"]
    assert [row.bound for row in rows] == [None, sweep.CLAIM]
    assert [row.ratio for row in rows] == [0.5, 0.5]


def test_its_seconds_stand_in_columns_of_their_own(row: Row) -> None:
    told = row.record()
    assert told["elapsed_ours"] == row.ours[0]
    assert told["seconds_ours"] is None
    assert told["wall_ours"] is None
    table = shown.table([row])
    assert " s" in str(next(iter(table.columns[3].cells)))


def test_what_is_measured_has_as_many_cells_as_is_claimed() -> None:
    assert sweep.Size().cells == 200
    assert sweep.Size().hours[0] == Params().los.hours


def test_the_sweep_gives_what_it_says(tmp_path: Path) -> None:
    spec = tmp_path / "sweep.yaml"
    spec.write_text(yaml.safe_dump(sweep.described(TINY, 0.5)))
    assert sweep.command(spec, tmp_path / "out", 1) > 0
    table = pd.read_parquet(tmp_path / "out" / TABLE)
    assert len(table) == TINY.cells
    assert set(table["streams"]) == set(sweep.STREAMS)
    assert set(table["los.interval"]) == set(sweep.INTERVALS)
    assert table["error"].isna().all()


def test_a_sweep_that_fails_is_not_timed(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text("experiment: none\n")
    with pytest.raises(subprocess.CalledProcessError):
        sweep.command(tmp_path / "sweep.yaml", tmp_path / "out", 1)


def test_tables_that_differ_are_refused(tmp_path: Path) -> None:
    for name, text in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / TABLE).write_text(text)
    sweep.check(tmp_path / "a", tmp_path / "b")
    with pytest.raises(RuntimeError, match="a and c are one sweep"):
        sweep.check(tmp_path / "a", tmp_path / "c")
