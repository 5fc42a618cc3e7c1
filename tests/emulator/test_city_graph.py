import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.emulator.city_graph import districts, last, linked, numbered


@given(st.integers(1, 80), st.integers(1, 7), st.integers(0, 99))
def test_districts_are_even_and_none_is_too_large(count: int, size: int, seed: int) -> None:
    places = np.random.default_rng(seed).normal(size=(count, 2))
    found = np.bincount(districts(places, size))
    assert found.sum() == count
    assert len(found) == -(-count // size)
    assert found.min() >= 1
    assert found.max() <= size


def test_districts_are_compact() -> None:
    corners = np.array([(0.0, 0.0), (0.0, 9.0), (9.0, 0.0), (9.0, 9.0)])
    places = np.concatenate([corner + np.random.default_rng(1).random((5, 2)) for corner in corners])
    found = districts(places, 5).reshape(4, 5)
    assert (found == found[:, :1]).all()
    assert len(set(found[:, 0])) == 4


@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 99), st.booleans())
def test_what_is_near_is_linked_and_all_is_one(count: int, neighbours: int, seed: int, shared: bool) -> None:
    places = np.random.default_rng(seed).normal(size=(count, 2))
    if shared:  # many at one place see only each other
        places = np.repeat(places[: -(-count // 8)], 8, axis=0)[:count]
    pairs = linked(places, neighbours)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    graph = nx.Graph(pairs.tolist())
    graph.add_nodes_from(range(count))
    assert nx.is_connected(graph)
    if not shared:
        away = np.linalg.norm(places[:, None] - places, axis=2)
        for node in range(count):
            nearest = np.argsort(away[node])[1 : neighbours + 1]
            assert set(nearest.tolist()) <= set(graph[node])


def test_far_parts_are_linked_by_their_shortest_ways_out() -> None:
    places = np.array([(x, 0.0) for x in (0, 1, 2, 3, 100, 101, 102, 200, 201, 202)])
    pairs = {tuple(pair) for pair in linked(places, 2).tolist()}
    assert {(3, 4), (6, 7)} <= pairs
    assert not {(one, other) for one, other in pairs if other - one > 3}


@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 99))
def test_districts_get_streams_in_turn_and_their_middle_last(count: int, size: int, seed: int) -> None:
    places = np.random.default_rng(seed).normal(size=(count, 2))
    homes = districts(places, size)
    order, middles = numbered(places, homes)
    assert sorted(order) == list(range(count))
    parts = len(middles)
    assert homes[order][:parts].tolist() == list(range(parts))
    for part in range(parts):
        mine = order[homes[order] == part]
        assert middles[part] == pytest.approx(places[mine].mean(axis=0))
        away = np.linalg.norm(places[mine] - middles[part], axis=1)
        assert (np.diff(away) <= 1e-12).all(), "the outermost first"
        assert order[last(homes[order])[part]] == mine[-1]
