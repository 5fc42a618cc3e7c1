import copy
import errno
import gc
import os
import pickle
import resource
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.emulator import log as module
from edgeresearch.emulator.log import ENDS, REASONS, Log
from edgeresearch.errors import RunError
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


ENTRY = st.tuples(st.integers(0, 99), st.floats(0, 1e9), st.sampled_from(REASONS), st.booleans(), st.booleans())


@given(rows=st.lists(ENTRY), kept=st.integers(0, 100))
def test_what_is_settled_reads_as_what_is_not(rows: list[tuple[int, float, Reason, bool, bool]], kept: int) -> None:
    """Whatever is settled when: the same entries, and a training of any age can be lost."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "KEPT", kept)
        plain, settling, places = Log(), Log(), []
        for job, time, reason, settle, lose in rows:
            for log in (plain, settling):
                places.append(log.placed(job, time, reason, 1, 2, 3.0, 4.0, 5.0))
            assert places[-1] == places[-2]
            if settle:
                settling.settle()
            if lose:
                oldest = places[0]
                assert plain.lose(oldest) == settling.lose(oldest) == rows[0][0]
        assert bytes(settling) == bytes(plain)
        assert len(settling) == len(plain) == len(rows)
        pd.testing.assert_frame_equal(settling.frame(), plain.frame())


def settled(count: int = 20_000) -> Log:
    log = Log()
    for number in range(count):
        log.dropped(number, float(number), Reason.FULL, 0, 0)
    log.settle()
    return log


def files(folder: Path) -> int:
    """Open files of this process in a folder, those without a name among them."""
    found = 0
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += os.readlink(each).startswith(f"{folder}/")
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no procfs to see open files in")
def test_settled_entries_leave_memory_and_their_file_goes_with_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    log = settled()
    assert len(log) == 20_000
    assert len(log._entries) == 0
    assert list(tmp_path.iterdir()) == [], "the file has no name: not even a kill leaves it behind"
    assert files(tmp_path) == 1
    log.dropped(5, 1.0, Reason.FULL, 0, 0)
    assert log.frame()["job"].tolist() == [*range(20_000), 5]
    del log
    gc.collect()
    assert files(tmp_path) == 0


def test_few_entries_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    log = settled(module.KEPT // 32)
    assert len(log._entries) == module.KEPT


@pytest.mark.parametrize("how", [copy.deepcopy, lambda log: pickle.loads(pickle.dumps(log))], ids=["copy", "pickle"])
def test_a_copy_is_a_log_of_its_own(how: Callable[[Log], Log]) -> None:
    log = settled()
    other = how(log)
    assert bytes(other) == bytes(log)
    log.lose(0)
    assert other.frame()["end"].iloc[0] == "dropped"


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """A disk that is full once a file has so many bytes."""
    limits, heard = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, heard)


def test_no_room_for_the_file_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing of the log is gone: with more room it goes on."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    log = Log()
    for number in range(20_000):
        log.dropped(number, float(number), Reason.FULL, 0, 0)
    with no_file_above(100_000), pytest.raises(RunError, match=r"log of a run .*: File too large; make room") as told:
        log.settle()
    log.dropped(20_000, 0.0, Reason.FULL, 0, 0)
    assert told.value.__cause__ is not None
    log.settle()
    assert len(log._entries) == 0
    assert log.frame()["job"].tolist() == list(range(20_001))


@pytest.mark.parametrize("chosen", [True, False], ids=["a folder that is gone", "no folder at all"])
def test_no_folder_for_the_file_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: bool
) -> None:
    missing = str(tmp_path / "missing")
    monkeypatch.setattr(tempfile, "tempdir", missing if chosen else None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [missing])
    where = missing if chosen else "any folder of temporary files"
    with pytest.raises(RunError, match=rf"cannot keep the log of a run in {where}: No "):
        settled()


def test_a_loss_that_cannot_be_written_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    log = settled()

    def full(*words: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(RunError, match="cannot keep the log of a run in .*: No space left on device; make room"):
        log.lose(0)
