"""States of the nodes, and what a node sees of them."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.emulator import network
from edgeresearch.emulator.network import Job, Link, Mesh, Node, Routes, Transfers
from edgeresearch.emulator.policies import LOST_IN_A_ROW, Foresight, NodeStates, NodeView
from edgeresearch.emulator.simulation import Host, Run, keyed_uniform
from edgeresearch.scheduling.messages import Availability
from edgeresearch.scheduling.runtime_model import Curve
from tests.emulator.worlds import foresee, meshes, training_times

TRUTH = training_times(
    {"fast": Curve(16_000.0, 10.0, 0.9, 10.0), "slow": Curve(0.0, 0.0, 1.0, 30.0)}, start=2.0, stop=1.0
)
RNG = np.random.default_rng(0)
LINE = Mesh(
    [Node(f"n{i}", "edge", "fast", 1000.0, 500.0) for i in range(4)],
    [Link(0, 1, 0.5, 8.0), Link(2, 1, 0.25, 4.0, shared=True)],
)


def look(mesh: Mesh, *path: int, megabytes: float = 0.5, time: float = 0.0) -> Foresight:
    job = Job(path[0], 60.0, 0.0, training_memory=64.0, megabytes=megabytes)
    return Foresight(path, time, 2.0, 1.5, 3.0, job, TRUTH, Routes(mesh), Transfers(mesh))


def test_it_says_what_the_training_will_take() -> None:
    ahead = look(LINE, 0)
    assert ahead.memory == 64
    assert ahead.job("fast", 400.0) == TRUTH.seconds("fast", 400.0, 2.0)[0] * 1.5
    assert ahead.send(0) == 0
    assert ahead.send(2) == pytest.approx(0.5 + 0.5 + 0.25 + 1.0)


def test_times_without_a_way_are_infinite() -> None:
    assert Transfers(LINE).least_seconds(0, 0.5) == pytest.approx([0, 1.0, 2.25, np.inf])
    assert np.isinf(Transfers(LINE).least_seconds(3, 0.5)[:3]).all()
    assert Transfers(Mesh(LINE.nodes, [])).least_seconds(0, 0.5).tolist() == [0, np.inf, np.inf, np.inf]


def test_times_that_are_forgotten_are_found_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "BOUND_BYTES", 2 * 8 * len(LINE.nodes))
    soonest = Transfers(LINE)
    found = [soonest.least_seconds(start, 0.5).tolist() for start in range(4)]
    assert soonest.least_seconds.cache_info().currsize == 2
    assert [soonest.least_seconds(start, 0.5).tolist() for start in range(4)] == found
    again = soonest.least_seconds(3, 0.5)
    assert soonest.least_seconds(3, 0.5) is again


def test_transfers_under_way_are_met_but_none_begins() -> None:
    ahead = look(LINE, 1)
    alone = ahead.send(2)
    assert ahead.send(2) == alone == 0.25 + 1.0
    ahead._transfers.seconds((1, 2), 0.5, 0.0)
    assert ahead.send(2) == 0.25 + 2.0
    assert ahead.least_send()[2] <= alone
    assert ahead.least_send() == pytest.approx([1.0, 0, 1.25, np.inf])


def test_a_wider_link_round_about_can_be_sooner_than_the_way() -> None:
    links = [Link(0, 1, 0.01, 1.0), Link(0, 2, 0.02, 100.0), Link(2, 1, 0.02, 100.0)]
    mesh = Mesh(LINE.nodes, links)
    assert look(mesh, 0).send(1) == pytest.approx(0.01 + 4.0)
    assert Transfers(mesh).least_seconds(0, 0.5)[1] == pytest.approx(0.04 + 0.08)


@given(
    mesh=meshes(most=9),
    megabytes=st.sampled_from([0.0, 0.5, 5.0]),
    time=st.floats(0, 2000),
    away=st.sets(st.integers(0, 8)),
)
@settings(max_examples=100)
def test_no_transfer_is_sooner(mesh: Mesh, megabytes: float, time: float, away: set[int]) -> None:
    routes, transfers = Routes(mesh), Transfers(mesh)
    every = range(len(mesh.nodes))
    for node in away & set(every):
        routes.change(node, up=False)
    for start, goal in itertools.product(every, every):
        if routes.reaches(start, goal):
            path = routes.path(start, goal)
            took = (transfers.seconds if start % 2 == 0 else transfers.foresee)(path, megabytes, time)
            assert transfers.least_seconds(start, megabytes)[goal] <= took
            if len(path) == 1:
                assert took == 0


def hosts() -> list[Host]:
    return [Host(i, "slow" if i == 1 else "fast", 1000.0 + 500 * i, 512.0, 0.0) for i in range(3)]


def start(board: NodeStates, host: Host, time: float, took: float, cpu: float = 100.3) -> None:
    host.reserve((time, time + took, cpu, 12.1, 0), time)
    board.start(host.number, time + took, time)


def test_it_shows_what_is_free() -> None:
    nodes = hosts()
    nodes[2].cpu = 1500.0
    board = NodeStates(nodes, 0.0)
    assert board.cpu.tolist() == [1000, 1500, 1500]
    assert board.utilisation.tolist() == [0, 0, 0.25]
    assert board.memory.tolist() == [512] * 3
    assert board.kinds == ["fast", "slow"]
    assert board.kind.tolist() == [0, 1, 0]
    assert board.count == 3


def test_who_is_away_has_nothing() -> None:
    nodes = hosts()
    nodes[0].up = False
    board = NodeStates(nodes, 0.0)
    assert board.count == 2
    assert (board.cpu[0], board.memory[0], board.utilisation[0]) == (-math.inf, -math.inf, math.inf)
    nodes[0].up = True
    board.change(0, 4.0, up=True)
    assert (board.count, board.cpu[0]) == (3, 1000)


def test_what_ended_with_its_node_does_not_end_again() -> None:
    nodes = hosts()
    board = NodeStates(nodes, 0.0)
    start(board, nodes[0], 1.0, 10.0, 400.0)
    nodes[0].up, nodes[0].runs = False, ()
    board.change(0, 5.0, up=False)
    nodes[0].up = True
    board.change(0, 6.0, up=True)
    start(board, nodes[0], 7.0, 10.0, 300.0)
    assert board.at(11.0).cpu[0] == 700
    assert board.at(17.0).cpu[0] == 1000


@given(st.data())
@settings(max_examples=100)
def test_it_always_shows_what_the_hosts_say_to_the_bit(data: st.DataObject) -> None:
    nodes = hosts()
    board, time = NodeStates(nodes, 0.0), 0.0
    for _ in range(data.draw(st.integers(1, 30))):
        time += data.draw(st.sampled_from([0.0, 0.5, 1.0, 2.5]))
        host = nodes[data.draw(st.integers(0, 2))]
        what = data.draw(st.sampled_from(["start", "start", "change", "look"]))
        if what == "start" and host.up:
            start(board, host, time, data.draw(st.sampled_from([1.0, 2.0, 3.5])), data.draw(st.floats(1, 300)))
        elif what == "change":
            host.up, host.runs = not host.up, ()
            board.change(host.number, time, up=host.up)
        elif what == "look":
            board.at(time)
    board.at(time)
    here = [host for host in nodes if host.up]
    assert board.count == len(here)
    for host in here:
        cpu, memory = host.free(time)
        assert (board.cpu[host.number], board.memory[host.number]) == (cpu, memory)
        assert board.utilisation[host.number] == 1 - cpu / host.capacity
    assert np.isinf(board.utilisation).sum() == 3 - len(here)


@pytest.fixture
def host() -> Host:
    return Host(3, "fast", 1000.0, 512.0, -2.0)


def booked(start: float, end: float, cpu: float = 100.0, memory: float = 10.0, job: int = 0) -> Run:
    return start, end, cpu, memory, job


def test_a_host_is_idle_from_the_end_of_its_longest_reservation(host: Host) -> None:
    assert host.idle == -math.inf
    host.reserve(booked(0.0, 10.0), 0.0)
    host.reserve(booked(1.0, 5.0), 0.0)
    assert host.idle == 10.0
    assert [host.free(now)[0] for now in (1.0, 5.0, 9.999, 10.0)] == [800.0, 900.0, 900.0, 1000.0]
    host.runs = ()
    assert host.free(2.0) == (1000.0, 512.0)


@given(runs=st.lists(st.tuples(st.floats(0, 100), st.floats(0.1, 50)), max_size=20), back=st.floats(0, 30))
def test_forgetting_changes_nothing_within_the_horizon(runs: list[tuple[float, float]], back: float) -> None:
    host, all_ = Host(0, "fast", 1000.0, 512.0, 0.0), []
    for start, took in sorted(runs):
        run = booked(start, start + took, 10.0, 1.0)
        host.reserve(run, start - back)
        all_.append(run)
        for time in (start - back + 1e-6, start - back / 2, start):
            held = sum(begin < time < end for begin, end, *_ in all_)
            assert host.published(time) == (1000 - 10 * held, 512 - held)
        assert host.free(start)[0] == 1000 - 10 * sum(end > start for _, end, *_ in all_)


NODES = [Node(f"n{i}", "edge", "slow" if i == 2 else "fast", 1000.0, 512.0) for i in range(4)]
LINKS = [Link(0, 2, 0.02, 50.0), Link(0, 1, 0.01, 100.0), Link(2, 3, 0.03, 25.0)]


def blind() -> Foresight:
    raise AssertionError("only an oracle asks")


def look_view(
    node: int = 0, time: float = 103.0, lost: Callable[[int, int, int], bool] | None = None
) -> tuple[NodeView, list[Host]]:
    hosts = [Host(i, each.kind, each.cpu, each.memory, -float(i)) for i, each in enumerate(NODES)]
    mesh = Mesh(NODES, LINKS)
    view = NodeView(mesh, hosts, Routes(mesh), interval=10.0, lost=lost, rng=RNG, foresight=blind)
    view.node, view.time = node, time
    return view, hosts


def busy(host: Host, start: float, end: float, cpu: float = 250.0) -> None:
    host.reserve((start, end, cpu, 12.0, 0), 0.0)


def test_a_node_knows_itself_as_it_is_now() -> None:
    view, hosts = look_view()
    busy(hosts[0], 103.0, 200.0)
    assert view.here() == Availability(0, 103.0, 750.0, 500.0, 0.25, "fast")
    assert isinstance(view.here(), Availability)
    assert view.true_state(2) == Availability(2, 103.0, 1000.0, 512.0, 0.0, "slow")


def test_neighbours_are_known_as_they_last_published() -> None:
    view, hosts = look_view()
    busy(hosts[1], 98.0, 200.0)  # it published at 99
    busy(hosts[2], 99.0, 200.0)  # and this one at 98
    assert view.neighbours() == [
        Availability(1, 99.0, 750.0, 500.0, 0.25, "fast", 0.01, 100.0),
        Availability(2, 98.0, 1000.0, 512.0, 0.0, "slow", 0.02, 50.0),
    ]
    assert all(isinstance(node, Availability) for node in view.neighbours())


def test_they_can_be_asked_one_by_one() -> None:
    view, _ = look_view()
    around = view.iter_neighbours()
    assert next(around).node == 1
    assert [node.node for node in around] == [2]
    assert list(look_view(node=3)[0].iter_neighbours()) == look_view(node=3)[0].neighbours()


def test_who_is_away_is_not_seen() -> None:
    view, hosts = look_view()
    hosts[1].up = False
    assert [node.node for node in view.neighbours()] == [2]
    assert [node.node for node in view.everyone()] == [0, 2, 3]
    hosts[2].up = False
    assert view.neighbours() == []


@given(time=st.floats(0, 1000), loss=st.floats(0, 1), seed=st.integers(0, 2**64 - 1))
@settings(max_examples=200)
def test_a_lost_exchange_leaves_the_one_before_it(time: float, loss: float, seed: int) -> None:
    view, hosts = look_view(time=time, lost=lambda *exchange: keyed_uniform(seed, *exchange) < loss)
    for node in view.neighbours():
        phase = hosts[node.node].phase
        last = math.floor((time - phase) / 10)
        tries = range(last, last - LOST_IN_A_ROW, -1)
        came = next((k for k in tries if keyed_uniform(seed, 0, node.node, k) >= loss), last - LOST_IN_A_ROW)
        assert node.time == max(phase + 10 * came, 0.0)


def test_global_knowledge_as_arrays_is_the_same_and_counts_the_same() -> None:
    view, hosts = look_view()
    assert view.states is None
    busy(hosts[3], 103.0, 200.0)
    hosts[2].up = False
    board = view.true_states()
    everyone = view.everyone()
    assert view.synced == 6
    assert [board.cpu[node.node] for node in everyone] == [node.cpu for node in everyone] == [1000, 1000, 750]
    assert [board.utilisation[node.node] for node in everyone] == [node.utilisation for node in everyone]
    assert [board.memory[node.node] for node in everyone] == [node.memory for node in everyone]
    view.time = 200.0
    assert view.true_states() is board and view.states is board
    assert board.cpu.tolist() == [1000, 1000, -math.inf, 1000]


def test_all_that_can_be_reached_is_told_at_once() -> None:
    mesh = Mesh(NODES, LINKS)
    routes = Routes(mesh)
    view = NodeView(mesh, [], routes, interval=1.0, lost=None, rng=RNG, foresight=blind)
    view.node = 1
    assert view.reachable().tolist() == [True] * 4
    assert view.reachable_in("edge") == [0, 1, 2, 3]
    assert view.reachable_in("fog") == []
    routes.change(2, up=False)
    assert view.reachable().tolist() == [view.reaches(node) for node in range(4)] == [True, True, False, False]
    assert view.reachable_in("edge") == [0, 1]


def test_an_oracle_sees_the_future() -> None:
    hosts = [Host(i, each.kind, each.cpu, each.memory, 0.0) for i, each in enumerate(NODES)]
    hosts[3].memory = 63.0
    mesh = Mesh(NODES, LINKS)
    routes = Routes(mesh)
    truth = training_times({"fast": Curve(10_000.0, 0.0, 1.0, 5.0), "slow": Curve(40_000.0, 0.0, 1.0, 5.0)})
    about = (0,), 0.0, 2.0, 1.5, 3.0, Job(0, 60.0, 0.0, megabytes=0.25)
    seer = NodeView(
        mesh,
        hosts,
        routes,
        interval=1.0,
        lost=None,
        rng=RNG,
        foresight=lambda: Foresight(*about, truth, routes, Transfers(mesh)),
    )
    assert foresee(seer, 0, 500.0) == 45 * 1.5 + 3
    assert foresee(seer, 2, 500.0) == pytest.approx(165 * 1.5 + 3 + 0.02 + 0.04)
    assert foresee(seer, 3, 500.0) == math.inf
