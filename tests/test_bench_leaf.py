import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import emulator, leaf
from edgeresearch.emulator.policies import SchedulingPolicy

needs_leaf = pytest.mark.skipif(leaf.leaf_missing() is not None, reason="leafsim is not installed: extra 'bench'")
TINY = leaf.Size(nodes=40, hours=0.2, repeats=2)
MAKERS = [make for make, _ in leaf.POLICIES.values()]


@needs_leaf
@pytest.mark.parametrize("make", MAKERS)
def test_the_peer_decides_the_same(make: Callable[[], SchedulingPolicy]) -> None:
    made = emulator.world(60)
    log = emulator.ours(made, make, 0.6)
    emulator.check(log, leaf.theirs(made, make, 0.6))
    table = log.frame()
    assert len(table) == 60 * 9
    assert {"finished", "dropped"} <= set(table["end"])


@needs_leaf
@pytest.mark.parametrize("make", MAKERS)
def test_the_peers_nodes_hold_what_runs(make: Callable[[], SchedulingPolicy]) -> None:
    made = emulator.world(60)
    run = leaf.Grove(made, make(), 1800.0)
    table = run.log.frame()
    placed = table[table["node"].notna() & table["limit"].notna()]
    running = placed[placed["time"] + placed["complete"] > 1800.0]
    assert len(running) > 0
    held = [len(node.tasks) for node in run.nodes]
    assert sum(held) == len(running)
    assert max(held) == 1  # busy or free
    assert [number for number, count in enumerate(held) if count] == sorted(running["node"].astype(int))
    for node, memory, described in zip(run.nodes, run.memory, made[0].nodes, strict=True):
        assert node.used_cu == sum(task.cu for task in node.tasks)
        assert node.used_cu in (0, described.cpu)
        assert (memory < described.memory) == bool(node.tasks)


@needs_leaf
def test_the_mesh_is_the_same() -> None:
    mesh, jobs = emulator.world(30)
    run = leaf.Grove((mesh, jobs), emulator.Here(), 1.0)
    graph = run.infrastructure.graph
    assert list(graph.nodes) == [node.name for node in mesh.nodes]
    assert graph.number_of_edges() == 2 * len(mesh.links)
    for number, around in enumerate(mesh.neighbours):
        names = {mesh.nodes[other].name for other in around}
        assert set(graph.successors(mesh.nodes[number].name)) == names


@needs_leaf
def test_each_policy_has_a_row_in_both_times() -> None:
    rows = list(leaf.rows(TINY))
    assert [(row.what.partition(":")[0], row.bound) for row in rows] == [
        ("busy/free, here first", 1 / 20),
        ("busy/free, neighbour first", None),
    ]
    for row in rows:
        assert (row.size, row.peer) == ("40 nodes, 0.2 h", leaf.PEER)
        assert len(row.ours) == len(row.theirs) == 2
        assert row.ratio > 0
        assert row.record()["wall_ratio"] is not None


def test_without_leaf_its_rows_are_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "leaf" else find(name))
    assert leaf.leaf_missing() == "leafsim"
    assert list(leaf.rows(TINY)) == []
    command.main(["--quick", "--only", "leaf", "--out", str(tmp_path / "out")])
    shown = capsys.readouterr().out
    assert shown == "rows of leaf are left out: leafsim not installed; pip install 'edgeresearch[bench]'\n"
    assert not (tmp_path / "out").exists()


def test_another_package_of_that_name_is_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "leaf.infrastructure" else find("os"))
    assert leaf.leaf_missing() == "leafsim"
