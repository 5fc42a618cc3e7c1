import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.emulator import city as cities
from edgeresearch.emulator.city import City, city
from edgeresearch.emulator.city_places import Places, standin
from edgeresearch.emulator.experiment import Setup, run
from edgeresearch.emulator.mesh import Mesh
from edgeresearch.emulator.selection import selected
from edgeresearch.emulator.testbed import paper_b
from edgeresearch.errors import InputError
from edgeresearch.params import Params

DISTRICT = {"edge": 5, "fog": 4, "cloud": 6}
STANDIN = standin(0)


def _city(nodes: int = 150, **changed: Any) -> City:
    return city(STANDIN, **{"nodes": nodes, "district": DISTRICT, "neighbours": 4, "share": 0.6, **changed})


def _mesh(made: City) -> Mesh:
    return made.mesh(np.random.default_rng(0))


def _between(mesh: Mesh, one: str, other: str) -> list[tuple[str, str]]:
    return [
        (mesh.nodes[link.one].name, mesh.nodes[link.other].name)
        for link in mesh.links
        if (mesh.nodes[link.one].layer, mesh.nodes[link.other].layer) == (one, other)
    ]


def test_of_fifteen_nodes_it_is_the_papers_testbed(paper: Setup) -> None:
    made = _city(15, share=1.0)
    ours, theirs = _mesh(made), paper_b().mesh(np.random.default_rng(0))
    assert ours.nodes == theirs.nodes
    pairs = [{(link.one, link.other): link for link in mesh.links} for mesh in (ours, theirs)]
    assert pairs[0] == pairs[1]
    assert made.stream_rule == paper_b().stream_rule
    assert made.layers[0].ways == paper_b().layers[0].ways
    logs = []
    for testbed in (made, paper_b()):
        setup = Setup(testbed, paper.curve, paper.truth, paper.rules, paper.limits, paper.fitting, paper.interval)
        logs.append(run(setup, policy="los", hours=1, seed=np.random.SeedSequence(1)).result.log)
    assert bytes(logs[0]) == bytes(logs[1])


@settings(max_examples=25)
@given(st.integers(15, 400), st.integers(1, 6))
def test_every_city_is_connected_and_every_district_has_its_gateways(nodes: int, neighbours: int) -> None:
    made = _city(nodes, neighbours=neighbours)
    mesh = _mesh(made)
    assert len(mesh.islands()) == 1
    count = len(made.plan.sites)
    assert [len(layer.ways) for layer in made.layers] == [count] * 3
    edge, fog, cloud = (len(layer.members) for layer in made.layers)
    assert (edge, fog, cloud) == (round(nodes / 3), 4 * count, 6 * count)
    assert np.bincount(made.plan.district).max() <= 5
    assert len(_between(mesh, "edge", "fog")) == len(_between(mesh, "fog", "cloud")) == count
    assert _between(mesh, "edge", "cloud") == []
    graph = mesh.graph
    assert min(degree for node, degree in graph.degree if node < edge) >= min(neighbours, edge - 1)


def test_gateways_lead_to_the_site_of_their_own_district() -> None:
    made = _city()
    home = dict(zip(made.layers[0].members, made.plan.district.tolist(), strict=True))
    for edge, fog in _between(_mesh(made), "edge", "fog"):
        assert fog == f"fog-{4 * home[edge] + 1}"
    for fog, cloud in _between(_mesh(made), "fog", "cloud"):
        assert (int(fog[4:]) - 1) // 4 == (int(cloud[6:]) - 1) // 6


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
    assert {names[job.source] for job in jobs}.isdisjoint(made.layers[0].ways)
    everywhere = _city(600, share=1.0)
    assert len(everywhere.jobs(_mesh(everywhere), np.random.default_rng(0))) == 400


def test_capacities_and_streams_are_those_of_the_testbed() -> None:
    made, table = _city(), paper_b()
    for ours, theirs in zip(made.layers, table.layers, strict=True):
        for name in ("vcpu", "memory", "latency", "bandwidth", "sway", "uplink_latency", "uplink_bandwidth"):
            assert getattr(ours, name) == getattr(theirs, name)
    assert made.stream_rule is not None and table.stream_rule is not None
    assert made.stream_rule.model_copy(update={"count": 10}) == table.stream_rule
    links = {(link.latency, link.bandwidth) for link in _mesh(made).links}
    assert links == {(0.001, 100.0), (0.01, 100.0)}


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
    spots = made.spots()
    assert spots.shape == (150, 2)
    assert np.isfinite(spots).all()
    assert 1000 * spots[:50] == pytest.approx(made.plan.places.metres)
    assert len(np.unique(spots[50:], axis=0)) == 100


def test_the_settings_make_a_city(tmp_path: Path) -> None:
    section = {**Params().los.city.model_dump(), "places": None, "nodes": 60}
    assert sum(len(layer.members) for layer in cities.selected(section).layers) == 60
    assert sum(len(layer.members) for layer in cities.selected(section, nodes=90).layers) == 90
    other = cities.selected(section, seed=1).plan.places.metres
    assert (other != cities.selected(section).plan.places.metres).any()
    whole = {**Params().los.model_dump(), "testbed": "city", "city": section}
    chosen = selected(whole)
    assert isinstance(chosen, City)
    assert not chosen.plan.places.real
    mine = tmp_path / "mine.csv"
    mine.write_text("latitude,longitude\n" + "".join(f"56.{i},10.{i}\n" for i in range(10, 30)))
    assert cities.selected({**section, "places": mine}).plan.places.real


def test_a_city_of_thousands_is_built_in_a_moment() -> None:
    made = _city(9000)
    mesh = _mesh(made)
    assert len(mesh.nodes) == 9000
    assert len(mesh.links) < 4 * len(mesh.nodes)
    assert max(len(each) for each in mesh.neighbours) < 60
    assert isinstance(made.plan.places, Places) and not made.plan.places.real
