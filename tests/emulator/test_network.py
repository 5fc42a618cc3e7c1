"""The mesh: nodes, links, latencies, ways, transfers."""

import copy
import itertools
import math
import tracemalloc

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.emulator import network
from edgeresearch.emulator import network as module
from edgeresearch.emulator.network import Link, Mesh, Node, Routes, Transfers, link_near


def _line(*sways: float) -> Mesh:
    layers = ("edge", "edge", "fog", "cloud")
    nodes = [Node(f"n{i}", layers[i], layers[i], 1000.0, 1024.0, sway, 100.0, 0.0) for i, sway in enumerate(sways)]
    return Mesh(nodes, [Link(i, i + 1, 0.001 * (i + 1), 100.0) for i in range(len(sways) - 1)])


def test_latencies_to_one_node_of_each_layer_add_up_along_the_way() -> None:
    table = network.latency_over_time(_line(0.0, 0.0, 0.0, 0.0), 0, [0.0, 7.0])
    assert table["goal"].tolist() == ["edge", "edge", "fog", "fog", "cloud", "cloud"]
    assert table["milliseconds"].tolist() == pytest.approx([1.0, 1.0, 3.0, 3.0, 6.0, 6.0])
    assert table["hops"].tolist() == [1, 1, 2, 2, 3, 3]
    assert table["seconds"].tolist() == [0.0, 7.0] * 3


def test_an_island_is_out_of_reach() -> None:
    mesh = Mesh(_line(0.0, 0.0).nodes, [])
    with pytest.raises(ValueError, match="cannot be reached"):
        network.latency_over_time(mesh, 0, [0.0])


def _nodes(count: int, sway: float = 0.0) -> list[Node]:
    return [Node(f"n{i}", "edge", "edge", 1000.0, 1024.0, sway) for i in range(count)]


def _line_mesh(*latencies: float) -> Mesh:
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


@given(meshes())
def test_neighbours_are_mutual_in_ascending_order_and_share_the_link(mesh: Mesh) -> None:
    assert len(mesh.neighbours) == len(mesh.nodes)
    for node, around in enumerate(mesh.neighbours):
        assert list(around) == sorted(around)
        assert node not in around
        for other, link in around.items():
            assert {link.one, link.other} == {node, other}
            assert mesh.neighbours[other][node] is link
    assert sum(map(len, mesh.neighbours)) == 2 * len(mesh.links)


def test_a_mesh_is_still_if_no_node_moves() -> None:
    assert Mesh(_nodes(3), []).still
    assert not Mesh([*_nodes(3), *_nodes(1, sway=0.01)], []).still


def test_sway_rises_to_its_most_in_half_a_period_and_falls_again() -> None:
    mesh = Mesh([Node("a", "edge", "edge", 1.0, 1.0, 0.02, 1000.0), Node("b", "edge", "edge", 1.0, 1.0)], [])
    found = [mesh.sway(0, time) for time in (0, 250, 500, 750, 1000, 1250)]
    assert found == pytest.approx([0, 0.01, 0.02, 0.01, 0, 0.01])
    assert mesh.sway(1, 500) == 0.0


def test_the_latency_of_a_link_is_its_own_and_the_sway_of_both_ends() -> None:
    nodes = [Node("a", "edge", "edge", 1.0, 1.0, 0.02, 1000.0), Node("b", "edge", "edge", 1.0, 1.0, 0.04, 2000.0)]
    link = Link(0, 1, 0.005, 1.0)
    mesh = Mesh(nodes, [link])
    assert mesh.latency(link, 0) == pytest.approx(0.005)
    assert mesh.latency(link, 500) == pytest.approx(0.005 + 0.02 + 0.02)
    assert mesh.latency(link, 1000) == pytest.approx(0.005 + 0 + 0.04)


def test_the_graph_tells_names_layers_and_links() -> None:
    graph = _line_mesh(0.1, 0.2).graph
    assert graph.nodes[1] == {"name": "n1", "layer": "edge"}
    assert graph.edges[1, 2] == {"latency": 0.2, "bandwidth": 100.0}
    assert sorted(graph.edges) == [(0, 1), (1, 2)]


@given(meshes())
def test_islands_are_the_connected_parts_the_largest_first(mesh: Mesh) -> None:
    islands = mesh.islands()
    assert {frozenset(part) for part in islands} == {frozenset(part) for part in nx.connected_components(mesh.graph)}
    assert sorted(itertools.chain(*islands)) == list(range(len(mesh.nodes)))
    assert all(part == sorted(part) for part in islands)
    assert islands == sorted(islands, key=lambda part: (-len(part), part))


@given(st.integers(0, 40), st.floats(0.5, 12), st.integers(0, 2**32))
def test_near_links_those_within_one_radius(count: int, degree: float, seed: int) -> None:
    numbers = range(100, 100 + count)
    links = link_near(numbers, degree=degree, latency=0.01, bandwidth=9.0, rng=np.random.default_rng(seed))
    places = np.random.default_rng(seed).random((count, 2))
    far = {
        (100 + i, 100 + j): float(np.linalg.norm(places[i] - places[j]))
        for i, j in itertools.combinations(range(count), 2)
    }
    linked = {(link.one, link.other): link for link in links}
    assert set(linked) <= set(far)
    assert list(linked) == sorted(linked)
    assert all(0 <= link.latency <= 0.01 * (1 + 1e-9) and link.bandwidth == 9.0 for link in links)
    # Latency goes by length, so one factor tells the radius, and nobody within it was left out.
    radii = [0.01 * far[ends] / link.latency for ends, link in linked.items()]
    assert np.allclose(radii, radii[:1] * len(radii))
    if radii:
        assert all(length > radii[0] * (1 - 1e-9) for ends, length in far.items() if ends not in linked)


@pytest.mark.parametrize(("count", "degree"), [(20, 6), (150, 3), (150, 6), (1500, 6), (60, 40)])
def test_the_mean_degree_is_the_one_wanted_in_spite_of_the_border(count: int, degree: int) -> None:
    repeats = max(4, 6000 // count)
    found = [
        2
        * len(link_near(range(count), degree=degree, latency=1.0, bandwidth=1.0, rng=np.random.default_rng(i)))
        / count
        for i in range(repeats)
    ]
    error = np.std(found, ddof=1) / math.sqrt(repeats)
    assert abs(np.mean(found) - degree) < 4 * error + 1e-9
    assert error < 0.03 * degree


def test_memory_per_node_stays_small() -> None:
    count = 4000
    link_near(range(50), degree=6, latency=0.01, bandwidth=10.0, rng=np.random.default_rng(0))
    tracemalloc.start()
    links = link_near(range(count), degree=6, latency=0.01, bandwidth=10.0, rng=np.random.default_rng(0))
    mesh = Mesh(_nodes(count), links)
    assert len(mesh.neighbours) == count
    used = tracemalloc.get_traced_memory()[0] / count
    tracemalloc.stop()
    assert used < 1536


def test_the_next_hop_is_on_the_fastest_path_not_the_shortest() -> None:
    links = [Link(0, 1, 0.01, 1.0), Link(1, 2, 0.01, 1.0), Link(0, 2, 0.05, 1.0)]
    routes = Routes(Mesh(_nodes(3), links))
    assert routes.path(0, 2) == [0, 1, 2]
    assert routes.path(2, 0) == [2, 1, 0]
    assert Routes(Mesh(_nodes(3), [*links[:2], Link(0, 2, 0.015, 1.0)])).path(0, 2) == [0, 2]


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
            with pytest.raises(ValueError, match="cannot be reached"):
                routes.path(start, goal)
            continue
        path = routes.path(start, goal)
        assert len(set(path)) == len(path) and not away & set(path)
        took = sum(mesh.neighbours[here][there].latency for here, there in itertools.pairwise(path))
        assert took == pytest.approx(fastest[start][goal])


def test_ways_to_old_goals_are_found_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NEXT_HOP_BYTES", 2 * 4 * np.dtype(np.int16).itemsize)
    routes = Routes(_line_mesh(0.1, 0.1, 0.1))
    first = [routes.path(1, goal) for goal in range(4)]
    assert first == [[1, 0], [1], [1, 2], [1, 2, 3]]
    assert routes._way.cache_info().currsize == 2
    assert [routes.path(1, goal) for goal in range(4)] == first


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
    routes = Routes(_line_mesh(*[0.1] * 12))
    assert routes.path(12, 0) == list(range(12, -1, -1))
    assert routes._way(0).dtype == kept


def chain(*, shared: bool = False, sway: float = 0.0) -> Transfers:
    nodes = [Node(f"n{i}", "edge", "fast", 1000.0, 512.0, sway, 100.0) for i in range(3)]
    return Transfers(Mesh(nodes, [Link(0, 1, 0.5, 8.0, shared), Link(1, 2, 0.25, 16.0)]))


def test_a_path_takes_the_sum_of_its_links() -> None:
    transfers = chain()
    assert transfers.seconds([0, 1], 2.0, 0.0) == 0.5 + 2
    assert transfers.seconds((0, 1, 2), 2.0, 0.0) == 0.5 + 2 + 0.25 + 1
    assert transfers.seconds((2, 1, 0), 2.0, 0.0) == 0.5 + 2 + 0.25 + 1
    assert transfers.seconds([1], 2.0, 0.0) == 0.0


def test_a_shared_link_is_divided_by_those_that_are_on_it() -> None:
    transfers = chain(shared=True)
    assert transfers.seconds([0, 1], 2.0, 0.0) == 2.5
    assert transfers.seconds([1, 0], 2.0, 1.0) == 0.5 + 4  # both ways share it
    assert transfers.foresee([0, 1, 2], 2.0, 2.0) == 0.5 + 6 + 0.25 + 1
    assert transfers.foresee([0, 1], 2.0, 2.5) == 0.5 + 4  # the first ended at 2.5
    assert transfers.foresee([0, 1], 2.0, 5.5) == 2.5


@given(
    steps=st.lists(
        st.tuples(st.booleans(), st.sampled_from([(0, 1), (1, 0), (0, 1, 2), (2, 1), (1,)]), st.floats(0, 2)),
        max_size=20,
    ),
    megabytes=st.sampled_from([0.5, 2.0]),
)
def test_looking_ahead_tells_what_beginning_would_take(
    steps: list[tuple[bool, tuple[int, ...], float]], megabytes: float
) -> None:
    """To the last bit, and whatever was looked at before: a copy that begins it is the judge."""
    transfers, time = chain(shared=True, sway=0.1), 0.0
    for begin, path, later in steps:
        time += later
        seen = transfers.foresee(path, megabytes, time)
        assert seen == copy.deepcopy(transfers).seconds(path, megabytes, time)
        if begin:
            assert transfers.seconds(path, megabytes, time) == seen
