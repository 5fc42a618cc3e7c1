"""Paper B's testbed grown to the size of a city."""

import gzip
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.data import datasets
from edgeresearch.data.registry import METADATA
from edgeresearch.emulator import city as cities
from edgeresearch.emulator.api import Scenario, simulate
from edgeresearch.emulator.city import (
    City,
    Places,
    link_nearest,
    load_testbed,
    make_city,
    number_nodes,
    read_places,
    resize,
    split_districts,
    synthetic_places,
    to_metres,
)
from edgeresearch.emulator.network import Mesh
from edgeresearch.emulator.settings import CitySettings
from edgeresearch.emulator.testbed import PAPER_B, paper_b
from edgeresearch.errors import InputError

STANDIN = synthetic_places(0)


def _city(nodes: int = 150, **changed: Any) -> City:
    return make_city(STANDIN, CitySettings(nodes=nodes, **changed))


def _mesh(made: City) -> Mesh:
    return made.mesh(np.random.default_rng(0))


def _between(mesh: Mesh, one: str, other: str) -> list[tuple[str, str]]:
    return [
        (mesh.nodes[link.one].name, mesh.nodes[link.other].name)
        for link in mesh.links
        if (mesh.nodes[link.one].layer, mesh.nodes[link.other].layer) == (one, other)
    ]


def test_of_fifteen_nodes_it_is_the_papers_testbed(paper: Scenario) -> None:
    made = _city(15, share=1.0)
    ours, theirs = _mesh(made), paper_b().mesh(np.random.default_rng(0))
    assert ours.nodes == theirs.nodes
    pairs = [{(link.one, link.other): link for link in mesh.links} for mesh in (ours, theirs)]
    assert pairs[0] == pairs[1]
    assert made.stream_rule == paper_b().stream_rule
    assert made.layers[0].gateway_names == paper_b().layers[0].gateway_names
    logs = []
    for testbed in (made, paper_b()):
        scenario = replace(paper, testbed=testbed)
        logs.append(simulate(scenario, "los", hours=1, seed=np.random.SeedSequence(1)).log)
    assert bytes(logs[0]) == bytes(logs[1])


@settings(max_examples=25)
@given(st.integers(15, 400), st.integers(1, 6))
def test_every_city_is_connected_and_every_district_has_its_gateways(nodes: int, neighbours: int) -> None:
    made = _city(nodes, neighbours=neighbours)
    mesh = _mesh(made)
    assert len(mesh.islands()) == 1
    count = len(made.plan.sites)
    assert [len(layer.gateway_names) for layer in made.layers] == [count] * 3
    edge, fog, cloud = (len(layer.members) for layer in made.layers)
    assert (edge, fog, cloud) == (round(nodes / 3), 4 * count, 6 * count)
    assert np.bincount(made.plan.district).max() <= 5
    assert len(_between(mesh, "edge", "fog")) == len(_between(mesh, "fog", "cloud")) == count
    assert _between(mesh, "edge", "cloud") == []
    graph = mesh.graph
    assert min(degree for node, degree in graph.degree if node < edge) >= min(neighbours, edge - 1)


def test_the_nodes_of_a_site_see_each_other_and_gateways_those_of_near_sites() -> None:
    mesh = _mesh(_city())
    pairs = [(int(one[4:]) - 1, int(other[4:]) - 1) for one, other in _between(mesh, "fog", "fog")]
    inside = [pair for pair in pairs if pair[0] // 4 == pair[1] // 4]
    outside = [pair for pair in pairs if pair not in inside]
    assert len(inside) == 10 * 6
    assert {(one % 4, other % 4) for one, other in outside} == {(0, 0)}
    assert {node // 4 for pair in outside for node in pair} == set(range(10))


def test_streams_come_to_the_districts_in_turn_and_to_gateways_last() -> None:
    made = _city(600)
    jobs = made.jobs(_mesh(made), np.random.default_rng(0))
    assert len(jobs) == 2 * round(0.6 * 200)
    busy = np.bincount(made.plan.district[sorted({job.source for job in jobs})], minlength=40)
    assert set(busy) == {3}
    names = made.layers[0].members
    assert {names[job.source] for job in jobs}.isdisjoint(made.layers[0].gateway_names)
    everywhere = _city(600, share=1.0)
    assert len(everywhere.jobs(_mesh(everywhere), np.random.default_rng(0))) == 400


def test_changes_keep_the_places() -> None:
    made = _city()
    more = made.with_gateways("edge", 11)
    assert isinstance(more, City)
    assert more.plan is made.plan
    assert len(_between(_mesh(more), "edge", "fog")) == 11
    every = made.with_layer("edge", upward="all")
    assert isinstance(every, City)
    assert len(_between(_mesh(every), "edge", "fog")) == 4 * 10
    fewer = made.with_rule(count=4)
    assert fewer.stream_rule is not None and fewer.stream_rule.count == 4
    with pytest.raises(InputError, match="city: stream_rule.count: 101 streams are more"):
        made.with_rule(count=101)
    again = pickle.loads(pickle.dumps(made))
    assert _mesh(again) == _mesh(made)


def test_a_city_is_larger_than_a_district() -> None:
    with pytest.raises(InputError, match="14 nodes is less than one district of 15"):
        _city(14)


def test_each_node_is_drawn_somewhere() -> None:
    made = _city()
    spots = made.positions()
    assert spots.shape == (150, 2)
    assert np.isfinite(spots).all()
    assert 1000 * spots[:50] == pytest.approx(made.plan.places.metres)
    assert len(np.unique(spots[50:], axis=0)) == 100


def test_the_settings_make_a_city(tmp_path: Path) -> None:
    settings = CitySettings(places=None, nodes=60)
    made = [load_testbed("city", settings, seed=seed) for seed in (0, 1)]
    assert all(isinstance(each, City) and sum(len(layer.members) for layer in each.layers) == 60 for each in made)
    one, other = (each.plan.places for each in made if isinstance(each, City))
    assert (one.metres != other.metres).any() and not one.real
    mine = tmp_path / "mine.csv"
    mine.write_text("latitude,longitude\n" + "".join(f"56.{i},10.{i}\n" for i in range(10, 30)))
    real = load_testbed("city", settings.replace(places=str(mine)))
    assert isinstance(real, City) and real.plan.places.real


@given(st.integers(1, 80), st.integers(1, 7), st.integers(0, 99))
def test_districts_are_even_and_none_is_too_large(count: int, size: int, seed: int) -> None:
    places = np.random.default_rng(seed).normal(size=(count, 2))
    found = np.bincount(split_districts(places, size))
    assert found.sum() == count
    assert len(found) == -(-count // size)
    assert found.min() >= 1
    assert found.max() <= size


@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 99), st.booleans())
def test_what_is_near_is_linked_and_all_is_one(count: int, neighbours: int, seed: int, shared: bool) -> None:
    places = np.random.default_rng(seed).normal(size=(count, 2))
    if shared:  # many at one place see only each other
        places = np.repeat(places[: -(-count // 8)], 8, axis=0)[:count]
    pairs = link_nearest(places, neighbours)
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


@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 99))
def test_districts_get_streams_in_turn_and_their_middle_last(count: int, size: int, seed: int) -> None:
    places = np.random.default_rng(seed).normal(size=(count, 2))
    homes = split_districts(places, size)
    order, middles = number_nodes(places, homes)
    assert sorted(order) == list(range(count))
    parts = len(middles)
    assert homes[order][:parts].tolist() == list(range(parts))
    for part in range(parts):
        mine = order[homes[order] == part]
        assert middles[part] == pytest.approx(places[mine].mean(axis=0))
        away = np.linalg.norm(places[mine] - middles[part], axis=1)
        assert (np.diff(away) <= 1e-12).all(), "the outermost first"


REAL = Path(os.environ.get("EDGERESEARCH_DATA_MIRROR") or Path(__file__).parents[2] / "data" / "raw") / METADATA


def _write(path: Path, **columns: list[float]) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def _haversine(one: np.ndarray, other: np.ndarray) -> float:
    (a, b), (c, d) = np.radians(one), np.radians(other)
    half = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
    return float(2 * cities.EARTH * np.arcsin(np.sqrt(half)))


@given(st.lists(st.tuples(st.floats(56.05, 56.25), st.floats(10.05, 10.3)), min_size=2, max_size=8))
def test_metres_are_those_on_the_globe_to_a_few_thousandths(at: list[tuple[float, float]]) -> None:
    degrees = np.array(at)
    found = to_metres(degrees)
    assert found.mean(axis=0) == pytest.approx([0, 0], abs=1e-3)
    truth = _haversine(degrees[0], degrees[1])
    assert np.linalg.norm(found[0] - found[1]) == pytest.approx(truth, rel=5e-3, abs=0.1)


@pytest.mark.skipif(not datasets.is_real(REAL, METADATA), reason="the published file is not here")
def test_the_sensors_of_aarhus_are_the_spread_of_the_stand_in() -> None:
    found = read_places(REAL, seed=0)
    assert found.real and found.source.startswith("Aarhus")
    assert len(found.metres) == cities.SENSORS
    assert len(np.unique(found.metres.round(3), axis=0)) == cities.POINTS
    assert found.metres.std(axis=0).round() == pytest.approx(cities.SPREAD, abs=1)


def test_a_missing_file_is_a_stand_in_that_says_so(tmp_path: Path) -> None:
    for file in (None, tmp_path / "none.csv", tmp_path):
        found = read_places(file, seed=3)
        assert not found.real and "SYNTHETIC" in found.source
        assert (found.metres == synthetic_places(3).metres).all()
    assert (synthetic_places(3).metres != synthetic_places(4).metres).any()
    assert len(np.unique(synthetic_places(3).metres, axis=0)) == cities.POINTS


def test_a_file_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    file = _write(tmp_path / "mine.csv", name=[1, 2], longitude=[10.0, 10.0], latitude=[56.0, 56.01])
    found = read_places(str(file), seed=0)
    assert found.real and found.source == "mine.csv"
    assert found.metres == pytest.approx(np.array([[0, -556], [0, 556]]), abs=1)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"latitude": [56.0], "east": [1.0]}, "lacks the columns latitude and longitude"),
        ({"latitude": [], "longitude": []}, "no row"),
        ({"latitude": [96.0], "longitude": [1.0]}, "out of range"),
        ({"latitude": [float("nan")], "longitude": [1.0]}, "missing"),
        ({"latitude": ["north"], "longitude": [1.0]}, "cannot read"),
    ],
)
def test_what_is_no_file_of_places_is_refused(tmp_path: Path, columns: dict[str, list[float]], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        read_places(_write(tmp_path / "bad.csv", **columns), seed=0)
    assert "bad.csv" in str(raised.value) and "\n" not in str(raised.value)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.csv.gz").write_bytes(gzip.compress(b"latitude,longitude\n" * 99)[:20])
    with pytest.raises(InputError, match="cannot read"):
        read_places(tmp_path / "bad.csv.gz", seed=0)


def test_a_smaller_city_is_the_middle_of_it() -> None:
    whole = Places(np.array([[float(x), 0.0] for x in (-40, -3, 0, 1, 2, 50)]), "here", True)
    assert resize(whole, 6) is whole
    part = resize(whole, 3)
    assert sorted(part.metres[:, 0]) == [0, 1, 2]
    assert part.real and part.source == "here; the 3 in the middle"


@given(st.integers(1, 60), st.integers(2, 7))
def test_a_city_of_any_size_has_as_many_places_and_is_as_dense(count: int, seed: int) -> None:
    whole = Places(np.random.default_rng(seed).uniform(0, 1000, (20, 2)), "here", True)
    found = resize(whole, count)
    assert found.metres.shape == (count, 2)
    assert len(np.unique(found.metres, axis=0)) == count
    assert found.real == (count <= 20)
    assert ("mirrored" in found.source) == (count > 20)
    assert (found.metres == resize(whole, count).metres).all()


def test_a_testbed_is_named_or_read(tmp_path: Path) -> None:
    city = CitySettings(places=None, nodes=30)
    assert load_testbed(None, city) is load_testbed("paper_b", city) is paper_b()
    assert isinstance(load_testbed("city", city), City)
    path = tmp_path / "mine.yaml"
    path.write_text(PAPER_B.read_text(encoding="utf-8").replace("nodes: 5", "nodes: 6"), encoding="utf-8")
    assert len(load_testbed(path, city).layers[0].members) == 6
    with pytest.raises(InputError, match="mine.yaml"):
        load_testbed(str(path), city, start=1e6)
