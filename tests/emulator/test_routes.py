import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.emulator import routes as module
from edgeresearch.emulator.mesh import Link, Mesh, Node
from edgeresearch.emulator.routes import Routes


def _nodes(count: int) -> list[Node]:
    return [Node(f"n{i}", "edge", "edge", 1000.0, 1024.0) for i in range(count)]


def _line(*latencies: float) -> Mesh:
    links = [Link(i, i + 1, latency, 100.0) for i, latency in enumerate(latencies)]
    return Mesh(_nodes(len(latencies) + 1), links)


@st.composite
def meshes(draw: st.DrawFn) -> Mesh:
    count = draw(st.integers(1, 9))
    pairs = list(itertools.combinations(range(count), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    latencies = st.sampled_from([0.0, 0.001, 0.002, 0.005, 0.3])
    turned = [pair[::-1] if draw(st.booleans()) else pair for pair in chosen]
    return Mesh(_nodes(count), [Link(one, other, draw(latencies), 10.0) for one, other in turned])


def test_the_next_hop_is_on_the_fastest_path_not_the_shortest() -> None:
    links = [Link(0, 1, 0.01, 1.0), Link(1, 2, 0.01, 1.0), Link(0, 2, 0.05, 1.0)]
    routes = Routes(Mesh(_nodes(3), links))
    assert routes.next_hop(0, 2) == 1
    assert routes.path(0, 2) == [0, 1, 2]
    assert routes.path(2, 0) == [2, 1, 0]
    assert Routes(Mesh(_nodes(3), [*links[:2], Link(0, 2, 0.015, 1.0)])).path(0, 2) == [0, 2]


def test_a_node_is_not_its_own_next_hop_and_what_is_cut_off_has_none() -> None:
    routes = Routes(Mesh(_nodes(4), [Link(0, 1, 0.1, 1.0), Link(2, 3, 0.1, 1.0)]))
    assert routes.next_hop(0, 0) is None
    assert routes.path(0, 0) == [0]
    assert routes.reaches(0, 0) and routes.reaches(0, 1) and not routes.reaches(0, 3)
    assert routes.next_hop(0, 3) is None
    with pytest.raises(ValueError, match="node 3 cannot be reached from node 1"):
        routes.path(1, 3)


def test_ways_go_round_nodes_that_are_away_and_come_back_with_them() -> None:
    square = [Link(0, 1, 0.01, 1.0), Link(1, 3, 0.01, 1.0), Link(0, 2, 0.1, 1.0), Link(2, 3, 0.1, 1.0)]
    routes = Routes(Mesh(_nodes(4), square))
    assert routes.path(0, 3) == [0, 1, 3]
    routes.change(1, up=False)
    assert routes.path(0, 3) == [0, 2, 3]
    assert not routes.reaches(0, 1) and not routes.reaches(1, 1) and not routes.reaches(1, 3)
    routes.change(2, up=False)
    assert not routes.reaches(0, 3)
    routes.change(1, up=True)
    assert routes.path(0, 3) == [0, 1, 3]


@given(meshes(), st.data())
def test_going_hop_by_hop_is_as_fast_as_the_fastest_path_of_those_in_the_mesh(mesh: Mesh, data: st.DataObject) -> None:
    away = data.draw(st.sets(st.sampled_from(range(len(mesh.nodes)))))
    routes, graph = Routes(mesh), mesh.graph.copy()
    for node in away:
        routes.change(node, up=False)
        graph.remove_edges_from(list(graph.edges(node)))
    fastest = dict(nx.all_pairs_dijkstra_path_length(graph, weight="latency"))
    for start, goal in itertools.permutations(range(len(mesh.nodes)), 2):
        assert routes.reaches(start, goal) == (goal in fastest[start])
        if goal not in fastest[start]:
            assert routes.next_hop(start, goal) is None
            continue
        path = routes.path(start, goal)
        assert len(set(path)) == len(path) and not away & set(path)
        took = sum(mesh.neighbours[here][there].latency for here, there in itertools.pairwise(path))
        assert took == pytest.approx(fastest[start][goal])


def test_ways_to_old_goals_are_found_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 2 * 4 * np.dtype(np.int16).itemsize)
    routes = Routes(_line(0.1, 0.1, 0.1))
    first = [routes.next_hop(1, goal) for goal in range(4)]
    assert first == [0, None, 2, 2]
    assert len(routes._ways) == 2
    assert [routes.next_hop(1, goal) for goal in range(4)] == first


@given(mesh=meshes(), away=st.sets(st.integers(0, 8)))
def test_what_is_reached_is_what_has_a_next_hop(mesh: Mesh, away: set[int]) -> None:
    routes, every = Routes(mesh), range(len(mesh.nodes))
    for node in away & set(every):
        routes.change(node, up=False)
    for start, goal in itertools.permutations(every, 2):
        assert routes.reaches(start, goal) == (routes.next_hop(start, goal) is not None)
    assert [routes.reaches(node, node) for node in every] == [node not in away for node in every]


@given(mesh=meshes(), away=st.sets(st.integers(0, 8)))
def test_what_is_reached_of_all_is_what_is_reached_one_by_one(mesh: Mesh, away: set[int]) -> None:
    routes, every = Routes(mesh), range(len(mesh.nodes))
    for node in away & set(every):
        routes.change(node, up=False)
    for start in every:
        reached = [node for node in every if routes.reaches(start, node)]
        assert np.flatnonzero(routes.reached(start)).tolist() == reached
        assert routes.within(start, "edge") == reached
        assert routes.within(start, "cloud") == []


def test_the_nodes_of_a_layer_follow_who_leaves_and_joins() -> None:
    nodes = [Node(f"n{i}", "cloud" if i in (0, 3) else "edge", "edge", 1.0, 1.0) for i in range(4)]
    routes = Routes(Mesh(nodes, [Link(i, i + 1, 0.1, 1.0) for i in range(3)]))
    assert routes.within(1, "cloud") == [0, 3]
    assert routes.within(1, "cloud") is routes.within(2, "cloud")
    routes.change(2, up=False)
    assert routes.within(1, "cloud") == [0]
    assert routes.within(3, "cloud") == [3]
    assert routes.within(2, "cloud") == []
    routes.change(2, up=True)
    assert routes.within(1, "cloud") == [0, 3]


@pytest.mark.parametrize(("largest", "kept"), [(40_000, np.int16), (10, np.int32)])
def test_next_hops_are_kept_as_small_as_the_mesh_allows(
    monkeypatch: pytest.MonkeyPatch, largest: int, kept: type
) -> None:
    monkeypatch.setattr(module, "_SHORT", min(largest, np.iinfo(np.int16).max))
    routes = Routes(_line(*[0.1] * 12))
    assert routes.path(12, 0) == list(range(12, -1, -1))
    assert routes._ways[0].dtype == kept
    assert routes.next_hop(0, 0) is None
