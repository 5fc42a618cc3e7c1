import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.emulator.ahead import Ahead, Soonest
from edgeresearch.emulator.chance import uniform
from edgeresearch.emulator.mesh import Link, Mesh, Node
from edgeresearch.emulator.node import Host
from edgeresearch.emulator.routes import Routes
from edgeresearch.emulator.transfer import Transfers
from edgeresearch.emulator.view import LOST_IN_A_ROW, View
from edgeresearch.emulator.workload import Job, Truth
from edgeresearch.los.availability import Availability
from edgeresearch.los.runtime import Curve

NODES = [Node(f"n{i}", "edge", "slow" if i == 2 else "fast", 1000.0, 512.0) for i in range(4)]
LINKS = [Link(0, 2, 0.02, 50.0), Link(0, 1, 0.01, 100.0), Link(2, 3, 0.03, 25.0)]
Make = Callable[..., tuple[View, list[Host]]]


def look(node: int = 0, time: float = 103.0, nodes: list[Node] = NODES, **settings: float) -> tuple[View, list[Host]]:
    hosts = [Host(i, each.kind, each.cpu, each.memory, -float(i)) for i, each in enumerate(nodes)]
    mesh = Mesh(nodes, LINKS)
    view = View(mesh, hosts, Routes(mesh), **{"interval": 10.0, **settings})  # type: ignore[arg-type]
    view.node, view.time = node, time
    return view, hosts


def busy(host: Host, start: float, end: float, cpu: float = 250.0) -> None:
    host.reserve((start, end, cpu, 12.0, 0), 0.0)


def test_a_node_knows_itself_as_it_is_now() -> None:
    view, hosts = look()
    busy(hosts[0], 103.0, 200.0)
    assert view.here() == Availability(0, 103.0, 750.0, 500.0, 0.25, "fast")
    assert isinstance(view.here(), Availability)
    assert view.true(2) == Availability(2, 103.0, 1000.0, 512.0, 0.0, "slow")


def test_neighbours_are_known_as_they_last_published() -> None:
    view, hosts = look()
    busy(hosts[1], 98.0, 200.0)  # it published at 99
    busy(hosts[2], 99.0, 200.0)  # and this one at 98
    assert view.neighbours() == [
        Availability(1, 99.0, 750.0, 500.0, 0.25, "fast", 0.01, 100.0),
        Availability(2, 98.0, 1000.0, 512.0, 0.0, "slow", 0.02, 50.0),
    ]
    assert all(isinstance(node, Availability) for node in view.neighbours())


def test_they_can_be_asked_one_by_one() -> None:
    view, _ = look()
    around = view.around()
    assert next(around).node == 1
    assert [node.node for node in around] == [2]
    assert list(look(node=3)[0].around()) == look(node=3)[0].neighbours()


def test_fresh_views_show_what_was_decided_at_this_very_moment() -> None:
    view, hosts = look(interval=0.0)
    busy(hosts[1], 103.0, 200.0)
    assert view.neighbours()[0][:3] == (1, 103.0, 750.0)


def test_who_is_away_is_not_seen() -> None:
    view, hosts = look()
    hosts[1].up = False
    assert [node.node for node in view.neighbours()] == [2]
    assert [node.node for node in view.everyone()] == [0, 2, 3]
    hosts[2].up = False
    assert view.neighbours() == []


def test_who_joined_published_then() -> None:
    view, hosts = look()
    hosts[1].since = 101.0
    hosts[2].since = 50.0
    assert [node.time for node in view.neighbours()] == [101.0, 98.0]
    assert [node.age(103.0) for node in view.neighbours()] == [2.0, 5.0]


def test_latencies_are_those_of_now() -> None:
    nodes = [Node("n0", "edge", "fast", 1000.0, 512.0, sway=0.1, sway_period=100.0), *NODES[1:]]
    assert [node.latency for node in look(nodes=nodes, time=125.0)[0].neighbours()] == pytest.approx([0.06, 0.07])
    assert [node.latency for node in look(nodes=nodes, time=150.0)[0].neighbours()] == pytest.approx([0.11, 0.12])


@given(time=st.floats(0, 1000), loss=st.floats(0, 1), seed=st.integers(0, 2**64 - 1))
@settings(max_examples=200)
def test_a_lost_exchange_leaves_the_one_before_it(time: float, loss: float, seed: int) -> None:
    view, hosts = look(time=time, loss=loss, seed=seed)
    for node in view.neighbours():
        phase = hosts[node.node].phase
        last = math.floor((time - phase) / 10)
        tries = range(last, last - LOST_IN_A_ROW, -1)
        came = next((k for k in tries if uniform(seed, 0, node.node, k) >= loss), last - LOST_IN_A_ROW)
        assert node.time == max(phase + 10 * came, 0.0)


def test_losses_are_the_readers_own() -> None:
    times = {node: [] for node in (0, 3)}  # type: dict[int, list[float]]
    for time in range(100, 1000, 10):
        for reader, seen in times.items():
            view, _ = look(node=reader, time=time + 3.0, loss=0.5)
            seen.append(next(node.time for node in view.neighbours() if node.node == 2))
    assert times[0] != times[3]
    late = sum(seen < time for seen, time in zip(times[0], range(98, 1000, 10), strict=False))
    assert 25 < late < 65


def test_without_loss_nothing_is_older_than_an_interval() -> None:
    for time in range(0, 100):
        assert all(0 <= node.age(time) < 10 for node in look(time=float(time))[0].neighbours())


def test_global_knowledge_is_counted() -> None:
    view, hosts = look()
    busy(hosts[3], 103.0, 200.0)
    assert [node.cpu for node in view.everyone()] == [1000, 1000, 1000, 750]
    assert view.synced == 4
    view.everyone()
    assert view.synced == 8


def test_ways_lead_through_nodes_that_are_there() -> None:
    mesh = Mesh(NODES, LINKS)
    routes = Routes(mesh)
    view = View(mesh, [], routes, interval=1.0)
    view.node = 1
    assert [view.reaches(node) for node in range(4)] == [True] * 4
    assert [view.next_hop(node) for node in range(4)] == [0, None, 0, 0]
    routes.change(2, up=False)
    assert [view.reaches(node) for node in range(4)] == [True, True, False, False]
    assert view.next_hop(3) is None


def test_global_knowledge_as_arrays_is_the_same_and_counts_the_same() -> None:
    view, hosts = look()
    assert view.board is None
    busy(hosts[3], 103.0, 200.0)
    hosts[2].up = False
    board = view.survey()
    everyone = view.everyone()
    assert view.synced == 6
    assert [board.cpu[node.node] for node in everyone] == [node.cpu for node in everyone] == [1000, 1000, 750]
    assert [board.utilisation[node.node] for node in everyone] == [node.utilisation for node in everyone]
    assert [board.memory[node.node] for node in everyone] == [node.memory for node in everyone]
    view.time = 200.0
    assert view.survey() is board and view.board is board
    assert board.cpu.tolist() == [1000, 1000, -math.inf, 1000]


def test_all_that_can_be_reached_is_told_at_once() -> None:
    mesh = Mesh(NODES, LINKS)
    routes = Routes(mesh)
    view = View(mesh, [], routes, interval=1.0)
    view.node = 1
    assert view.reached().tolist() == [True] * 4
    assert view.within("edge") == [0, 1, 2, 3]
    assert view.within("fog") == []
    routes.change(2, up=False)
    assert view.reached().tolist() == [view.reaches(node) for node in range(4)] == [True, True, False, False]
    assert view.within("edge") == [0, 1]


def test_only_an_oracle_sees_the_future() -> None:
    view, _ = look()
    for ask in (view.ahead, lambda: view.foresee(0, 100.0)):
        with pytest.raises(ValueError, match="future"):
            ask()
    hosts = [Host(i, each.kind, each.cpu, each.memory, 0.0) for i, each in enumerate(NODES)]
    hosts[3].memory = 63.0
    mesh = Mesh(NODES, LINKS)
    routes = Routes(mesh)
    truth = Truth({"fast": Curve(10_000.0, 0.0, 1.0, 5.0), "slow": Curve(40_000.0, 0.0, 1.0, 5.0)})
    about = (0,), 0.0, 2.0, 1.5, 3.0, Job(0, 60.0, 0.0, megabytes=0.25)
    seer = View(
        mesh, hosts, routes, interval=1.0, ahead=lambda: Ahead(*about, truth, routes, Transfers(mesh), Soonest(mesh))
    )
    assert seer.foresee(0, 500.0) == 45 * 1.5 + 3
    assert seer.foresee(2, 500.0) == pytest.approx(165 * 1.5 + 3 + 0.02 + 0.04)
    assert seer.foresee(3, 500.0) == math.inf


def test_prediction_jobs_count_as_use() -> None:
    view, hosts = look()
    hosts[0].cpu, hosts[1].cpu, hosts[1].memory = 600.0, 530.0, 400.0
    assert view.here()[2:5] == (600.0, 512.0, pytest.approx(0.4))
    assert view.neighbours()[0][2:5] == (530.0, 400.0, pytest.approx(0.47))


@given(
    time=st.floats(0, 500),
    interval=st.floats(0.5, 60),
    runs=st.lists(st.tuples(st.floats(0, 500), st.floats(0.1, 200)), max_size=6),
)
@settings(max_examples=200)
def test_what_is_read_was_true_at_an_exchange(time: float, interval: float, runs: list[tuple[float, float]]) -> None:
    view, hosts = look(time=time, interval=interval)
    for start, took in sorted(run for run in runs if run[0] <= time):
        host = hosts[1]
        host.runs = (*host.runs, (start, start + took, 100.0, 1.0, 0))
    seen = view.neighbours()[0]
    assert -1e-9 <= seen.age(time) < interval + 1e-9
    assert seen.time == 0 or ((seen.time + 1) / interval) == pytest.approx(round((seen.time + 1) / interval), abs=1e-6)
    assert seen.cpu == 1000 - 100 * sum(start < seen.time < start + took for start, took in runs if start <= time)
