import gc
import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench import __main__ as command
from bench import emulator
from bench.timing import Row
from edgeresearch.emulator.policies import SchedulingPolicy
from edgeresearch.emulator.results import TriggerLog
from edgeresearch.scheduling.messages import Reason

needs_simpy = pytest.mark.skipif(emulator.simpy_missing() is not None, reason="simpy is not installed: extra 'bench'")
TINY = emulator.Size(nodes=40, small=20, large=40, curve=(30,), hours=0.2, growth_hours=0.2, repeats=2)


@needs_simpy
@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("name", list(emulator.POLICIES))
def test_the_peer_decides_the_same(name: str, told: bool) -> None:
    made, make = emulator.world(60), emulator.POLICIES[name]
    log = emulator.ours(made, make, 0.6)
    emulator.check(log, emulator.theirs(made, make, 0.6, told=told))
    table = log.frame()
    assert len(table) == 60 * 9
    assert {"finished", "dropped"} <= set(table["end"])


@needs_simpy
def test_every_policy_has_its_rows() -> None:
    rows = list(emulator.rows(TINY))
    assert len(rows) == 3 * 2 + 5 + 3
    claimed = {row.what.partition(":")[0]: row.bound for row in rows if "board" in row.peer}
    assert claimed == {"busy/free, here first": 1 / 40, "busy/free, neighbour first": None, "LOS": 1 / 8}
    assert all(row.ratio > 0 for row in rows)
    assert gc.get_freeze_count() == 0, "the collector looks at everything again"
    growth = [(row.what, row.size, row.bound) for row in rows if row.what.startswith("per trigger")]
    assert growth == [
        (f"per trigger, {name}", f"{nodes} nodes, 0.2 h", 1.5 if nodes == 40 else None)
        for name in emulator.POLICIES for nodes in ((30, 40) if name in emulator.CLAIMS else (40,))
    ]  # fmt: skip


def test_without_simpy_its_rows_are_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "simpy" else find(name))
    assert emulator.simpy_missing() == "simpy"
    rows = list(emulator.rows(TINY))
    assert [row.unit for row in rows] == ["s"] * 5 + ["bytes"] * 3
    assert not any("SimPy" in row.peer for row in rows)


def test_the_workload_is_the_common_one() -> None:
    mesh, jobs = emulator.world(1500)
    assert len(mesh.nodes) == len(jobs) == 1500
    assert 2 * len(mesh.links) / 1500 == pytest.approx(6, abs=0.3)
    assert np.mean([node.kind == "slow" for node in mesh.nodes]) == pytest.approx(0.3, abs=0.03)
    assert sorted(job.source for job in jobs) == list(range(1500))
    assert {job.period for job in jobs} == {240.0}
    overhead = emulator.TRUTH.start + emulator.TRUTH.stop
    assert emulator.TRUTH.seconds("fast", 1000.0, 1.0)[0] + overhead == pytest.approx(60)
    assert emulator.TRUTH.seconds("slow", 1000.0, 1.0)[0] == pytest.approx(
        5 * emulator.TRUTH.seconds("fast", 1000.0, 1.0)[0]
    )


@pytest.mark.parametrize(("make", "low", "high"), [(emulator.Here, 0.0, 0.0), (emulator.Away, 0.8, 1.0)])
def test_what_asks_its_neighbours_first_hands_over(
    make: Callable[[], SchedulingPolicy], low: float, high: float
) -> None:
    table = emulator.ours(emulator.world(200), make, 1.0).frame()
    assert low <= (table["hops"] > 0).mean() <= high
    assert table["hops"].max() <= emulator.HOPS
    ran = table[table["end"] == "finished"].sort_values(["node", "time"])
    after = ran.groupby("node")["time"].shift(-1) - ran["time"] - ran["complete"]
    assert after.min() > -1e-3  # a node runs one training at a time


def logged(reason: Reason, time: float = 1.0) -> TriggerLog:
    log = TriggerLog()
    log.dropped(0, time, reason, 0, 0)
    return log


def test_other_decisions_are_found() -> None:
    emulator.check(logged(Reason.NO_CAPACITY), logged(Reason.NO_CAPACITY, 1.0 + 1e-9))
    with pytest.raises(AssertionError, match="reason: the peer decides something else"):
        emulator.check(logged(Reason.NO_CAPACITY), logged(Reason.HOPS))
    with pytest.raises(AssertionError, match="clock"):
        emulator.check(logged(Reason.NO_CAPACITY), logged(Reason.NO_CAPACITY, 1.1))


def test_memory_counts_the_log() -> None:
    short, long = (emulator.peak_per_node(emulator.Here, 100, hours) for hours in (1.0, 4.0))
    assert long - short > 32 * 40
    row = Row("memory", "1", "4 KiB", [long], [4096.0], 1.0, "bytes")
    assert pd.notna(row.record()["bytes_ours"])


def test_the_command_says_what_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(emulator, "simpy_missing", lambda: "simpy")
    monkeypatch.setattr(emulator, "QUICK", TINY)
    command.main(["--quick", "--only", "emulator", "--out", str(tmp_path)])
    assert "rows of emulator are left out: simpy not installed" in capsys.readouterr().out
    assert set(pd.read_csv(tmp_path / "ratios.csv")["part"]) == {"emulator"}
