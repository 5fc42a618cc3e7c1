import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.emulator import ahead as module
from edgeresearch.emulator.ahead import Ahead, Soonest
from edgeresearch.emulator.mesh import Link, Mesh, Node
from edgeresearch.emulator.routes import Routes
from edgeresearch.emulator.transfer import Transfers
from edgeresearch.emulator.workload import Job, Truth
from edgeresearch.los.runtime import Curve
from tests.emulator.worlds import meshes

TRUTH = Truth({"fast": Curve(16_000.0, 10.0, 0.9, 10.0), "slow": Curve(0.0, 0.0, 1.0, 30.0)}, start=2.0, stop=1.0)
LINE = Mesh(
    [Node(f"n{i}", "edge", "fast", 1000.0, 500.0) for i in range(4)],
    [Link(0, 1, 0.5, 8.0), Link(2, 1, 0.25, 4.0, shared=True)],
)


def look(mesh: Mesh, *path: int, megabytes: float = 0.5, time: float = 0.0) -> Ahead:
    job = Job(path[0], 60.0, 0.0, training_memory=64.0, megabytes=megabytes)
    return Ahead(path, time, 2.0, 1.5, 3.0, job, TRUTH, Routes(mesh), Transfers(mesh), Soonest(mesh))


def test_it_says_what_the_training_will_take() -> None:
    ahead = look(LINE, 0)
    assert ahead.memory == 64
    assert ahead.job("fast", 400.0) == TRUTH.seconds("fast", 400.0, 2.0)[0] * 1.5
    assert ahead.send(0) == 0
    assert ahead.send(2) == pytest.approx(0.5 + 0.5 + 0.25 + 1.0)


def test_what_was_sent_on_already_is_on_the_way_too() -> None:
    assert look(LINE, 0, 1).send(2) == look(LINE, 0).send(2)
    assert look(LINE, 0, 1).send(0) == 2 * look(LINE, 0).send(1)


@pytest.mark.parametrize("kind", ["fast", "slow"])
def test_many_limits_at_once_take_as_long_as_one_by_one(kind: str) -> None:
    ahead, limits = look(LINE, 0), np.geomspace(50, 1000, 40)
    assert ahead.job(kind, limits) == pytest.approx([ahead.job(kind, limit) for limit in limits.tolist()], rel=1e-13)


def test_times_without_a_way_are_infinite() -> None:
    assert Soonest(LINE).seconds(0, 0.5) == pytest.approx([0, 1.0, 2.25, np.inf])
    assert np.isinf(Soonest(LINE).seconds(3, 0.5)[:3]).all()
    assert Soonest(Mesh(LINE.nodes, [])).seconds(0, 0.5).tolist() == [0, np.inf, np.inf, np.inf]


def test_links_that_take_no_time_are_links() -> None:
    mesh = Mesh(LINE.nodes, [Link(0, 1, 0.0, 8.0), Link(1, 3, 0.1, 8.0)])
    assert Soonest(mesh).seconds(0, 0.0) == pytest.approx([0, 0, np.inf, 0.1])


def test_times_that_are_forgotten_are_found_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 2 * 8 * len(LINE.nodes))
    soonest = Soonest(LINE)
    found = [soonest.seconds(start, 0.5).tolist() for start in range(4)]
    assert len(soonest._times) == 2
    assert [soonest.seconds(start, 0.5).tolist() for start in range(4)] == found
    again = soonest.seconds(3, 0.5)
    assert soonest.seconds(3, 0.5) is again


def test_transfers_under_way_are_met_but_none_begins() -> None:
    ahead = look(LINE, 1)
    alone = ahead.send(2)
    assert ahead.send(2) == alone == 0.25 + 1.0
    ahead._transfers.seconds((1, 2), 0.5, 0.0)
    assert ahead.send(2) == 0.25 + 2.0
    assert ahead.soonest()[2] <= alone
    assert ahead.soonest() == pytest.approx([1.0, 0, 1.25, np.inf])


def test_a_wider_link_round_about_can_be_sooner_than_the_way() -> None:
    links = [Link(0, 1, 0.01, 1.0), Link(0, 2, 0.02, 100.0), Link(2, 1, 0.02, 100.0)]
    mesh = Mesh(LINE.nodes, links)
    assert look(mesh, 0).send(1) == pytest.approx(0.01 + 4.0)
    assert Soonest(mesh).seconds(0, 0.5)[1] == pytest.approx(0.04 + 0.08)


@given(
    mesh=meshes(most=9),
    megabytes=st.sampled_from([0.0, 0.5, 5.0]),
    time=st.floats(0, 2000),
    away=st.sets(st.integers(0, 8)),
)
@settings(max_examples=100)
def test_no_transfer_is_sooner(mesh: Mesh, megabytes: float, time: float, away: set[int]) -> None:
    routes, transfers, soonest = Routes(mesh), Transfers(mesh), Soonest(mesh)
    every = range(len(mesh.nodes))
    for node in away & set(every):
        routes.change(node, up=False)
    for start, goal in itertools.product(every, every):
        if routes.reaches(start, goal):
            path = routes.path(start, goal)
            took = (transfers.seconds if start % 2 == 0 else transfers.ahead)(path, megabytes, time)
            assert soonest.seconds(start, megabytes)[goal] <= took
            if len(path) == 1:
                assert took == 0
