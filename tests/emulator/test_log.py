import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.emulator.log import ENDS, REASONS, Log
from edgeresearch.los.request import Reason


def some() -> tuple[Log, int]:
    log = Log()
    log.dropped(7, 1.25, Reason.CYCLE, 3, 2)
    place = log.placed(1, 2.5, Reason.LOCAL, 0, 5, 400.0, 60.5, 66.5)
    log.placed(2, 2.75, Reason.FEASIBLE, 1, 6, 300.0, 10.0, 20.0)
    return log, place


def test_the_table_holds_what_was_noted() -> None:
    table = some()[0].frame()
    assert table.to_dict("list") == {
        "job": [7, 1, 2],
        "time": [1.25, 2.5, 2.75],
        "end": ["dropped", "finished", "finished"],
        "reason": ["cycle", "feasible here", "feasible at the neighbour"],
        "hops": [3, 0, 1],
        "node": [2, 5, 6],
        "limit": [0.0, 400.0, 300.0],
        "seconds": [0.0, 60.5, 10.0],
        "complete": [0.0, 66.5, 20.0],
    }
    assert list(table["end"].cat.categories) == list(ENDS)
    assert list(table["reason"].cat.categories) == [str(reason) for reason in REASONS]
    assert [str(table[name].dtype) for name in ("job", "hops", "node", "time", "limit")] == ["int64"] * 3 + [
        "float64"
    ] * 2


def test_a_training_can_be_lost_later() -> None:
    log, place = some()
    assert log.lose(place) == 1, "whose training it was"
    assert log.frame()["end"].tolist() == ["dropped", "lost", "finished"]
    assert log.frame()["limit"].tolist() == [0.0, 400.0, 300.0]


def test_an_empty_log_is_a_table_too() -> None:
    table = Log().frame()
    assert len(Log()) == len(table) == 0
    pd.testing.assert_index_equal(table.columns, some()[0].frame().columns)
    assert (table.dtypes == some()[0].frame().dtypes).all()


def test_an_entry_takes_32_bytes() -> None:
    log, _ = some()
    assert len(log) == 3
    assert len(bytes(log)) == 96
    assert log.entries().itemsize == 32


def test_what_was_read_stays_as_the_log_grows() -> None:
    log, place = some()
    entries, raw = log.entries(), bytes(log)
    log.lose(place)
    log.dropped(8, 3.0, Reason.FULL, 0, 0)
    assert entries["end"].tolist() == [1, 0, 0]
    assert len(raw) == 96
    assert len(log) == 4


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 2**31 - 1), st.floats(0, 1e9), st.sampled_from(REASONS), st.integers(0, 2**16 - 1),
            st.integers(0, 2**31 - 1), *[st.floats(0, 1e6, width=32)] * 3,
        )
    )
)  # fmt: skip
def test_every_number_comes_back(rows: list[tuple[int, float, Reason, int, int, float, float, float]]) -> None:
    log = Log()
    places = [log.placed(*row) for row in rows]
    assert len(set(places)) == len(log) == len(rows)
    table = log.frame()
    assert table["reason"].tolist() == [str(row[2]) for row in rows]
    for at, name in ((0, "job"), (1, "time"), (3, "hops"), (4, "node"), (5, "limit"), (6, "seconds"), (7, "complete")):
        np.testing.assert_array_equal(table[name], [row[at] for row in rows])


def test_a_number_that_does_not_fit_is_no_other_number() -> None:
    with pytest.raises(Exception, match="format requires"):
        Log().dropped(0, 0.0, Reason.HOPS, 2**16, 0)
