from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from edgeresearch.anomaly.outcomes import COLUMNS, Cell, Outcomes, by_cell, cycled, drawn, read
from edgeresearch.anomaly.trainings import Request
from edgeresearch.errors import InputError

LOS, CLOUD = Cell("los", 2), Cell("cloud", 2)


def _triggers(**changes: Any) -> pd.DataFrame:
    """Two streams of one policy in one repeat, three triggers each, in order of time as the emulator writes them."""
    table = pd.DataFrame(
        {
            "policy": "los",
            "streams": 2,
            "repeat": 0,
            "job": [0, 1, 0, 1, 0, 1],
            "time": [200.0, 250.0, 400.0, 500.0, 600.0, 750.0],
            "end": ["finished", "dropped", "dropped", "finished", "lost", "finished"],
            "complete": [50.0, 0.0, 0.0, 300.0, 80.0, 0.0],
            "period": [200.0, 250.0, 200.0, 250.0, 200.0, 250.0],
        }
    )
    return table.assign(**changes)


def test_a_period_is_so_many_samples_and_what_did_not_finish_has_none() -> None:
    found = by_cell(_triggers(), every=1000)
    assert found == {LOS: [(250.0, None, None), (None, 1200.0, 0.0)]}


def test_streams_come_by_repeat_and_job_whatever_the_order_of_the_rows() -> None:
    table = pd.concat([_triggers(repeat=1), _triggers(), _triggers(policy="cloud", complete=20.0)])
    found = by_cell(table.sample(frac=1.0, random_state=1), every=100)
    assert set(found) == {LOS, CLOUD}
    assert found[LOS] == [(25.0, None, None), (None, 120.0, 0.0)] * 2
    assert found[CLOUD] == [(10.0, None, None), (None, 8.0, 8.0)]


def test_categories_in_single_precision_are_read_as_the_emulator_writes_them(tmp_path: Path) -> None:
    kinds = {"policy": "category", "end": "category", "streams": "int16", "complete": "float32", "period": "float32"}
    table = _triggers(hops=3).astype(kinds)
    table.to_parquet(tmp_path / "triggers.parquet")
    found = read(tmp_path / "triggers.parquet")
    assert tuple(found.columns) == COLUMNS
    ((cell, streams),) = by_cell(found, every=1000).items()
    assert (type(cell.policy), type(cell.streams)) == (str, int)
    assert cell == LOS
    for mine, exact in zip(streams, by_cell(_triggers(), every=1000)[LOS], strict=True):
        assert_allclose(np.array(mine, dtype=float), np.array(exact, dtype=float), rtol=1e-6)


def test_a_file_that_is_not_there_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file .*none.parquet; make it with 'edgeresearch emulate sched"):
        read(tmp_path / "none.parquet")


@pytest.mark.parametrize("content", [b"no parquet", b""])
def test_a_file_of_something_else_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(InputError, match="a.parquet holds no triggers: .*; make it with 'edgeresearch emulate"):
        read(tmp_path / "a.parquet")


def test_a_table_of_something_else_is_told(tmp_path: Path) -> None:
    _triggers().drop(columns="period").to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="a.parquet holds no triggers: .*period"):
        read(tmp_path / "a.parquet")


def test_no_trigger_is_told() -> None:
    with pytest.raises(InputError, match="there is no trigger; emulate more hours"):
        by_cell(_triggers().iloc[:0], every=1000)


def _numbered(count: int, streams: int = 4) -> list[Outcomes]:
    """Outcomes that tell stream and place."""
    return [tuple(100.0 * stream + place for place in range(count)) for stream in range(streams)]


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 9))
def test_policies_are_drawn_the_same_stream_at_the_same_time(seed: int, count: int, streams: int) -> None:
    cells = {LOS: _numbered(count, streams), CLOUD: _numbered(count, streams)}
    found = drawn(cells, np.random.default_rng(seed))
    assert found[LOS] == found[CLOUD]
    own = [each for each in cells[LOS] if set(each) == set(found[LOS])]
    assert len(own) == 1, "a stream, whole"
    at = own[0].index(found[LOS][0])
    assert found[LOS] == own[0][at:] + own[0][:at], "in its order"


def test_every_stream_and_place_can_be_drawn() -> None:
    cells = {LOS: _numbered(3, 2)}
    first = {drawn(cells, np.random.default_rng(seed))[LOS][0] for seed in range(200)}
    assert first == {0.0, 1.0, 2.0, 100.0, 101.0, 102.0}


def test_outcomes_begin_with_the_second_training_and_begin_anew() -> None:
    decide = cycled((5.0, None, 7.0))
    said = [decide(Request("m", number, 0.0, 10)) for number in range(2, 10)]
    assert said == [5.0, None, 7.0, 5.0, None, 7.0, 5.0, None]
    assert cycled((5.0, None), first=1)(Request("m", 1, 0.0, 10)) == 5.0


def test_no_outcome_is_told() -> None:
    with pytest.raises(InputError, match="no outcome is recorded; give at least one"):
        cycled(())
