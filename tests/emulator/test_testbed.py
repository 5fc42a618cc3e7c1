"""Testbeds: their schema, validation and loading."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.emulator import testbed as module
from edgeresearch.emulator.network import Link, Mesh, Routes
from edgeresearch.emulator.simulation import Change
from edgeresearch.emulator.testbed import (
    WARNED_PARTS,
    Churn,
    Layer,
    NamedChange,
    NamedLink,
    Rate,
    Stream,
    StreamRule,
    Testbed,
    load,
    paper_b,
)
from edgeresearch.errors import InputError
from edgeresearch.settings import Section, parsed

EDGE = Layer(name="edge", nodes=3, vcpu=1.0, memory=1024.0)
CLOUD = Layer(name="cloud", nodes=2, vcpu=2.0, memory=4096.0)


def _fault(
    *layers: Layer,
    links: list[NamedLink] | None = None,
    streams: list[Stream] | None = None,
    rule: StreamRule | None = None,
    changes: list[NamedChange] | None = None,
    rates: list[Rate] | None = None,
    start: float = 0.0,
) -> str | None:
    churn = Churn(changes=tuple(changes or ()), rates=tuple(rates or ()))
    parts: dict[str, Any] = {"links": tuple(links or ()), "streams": tuple(streams or ()), "stream_rule": rule}
    try:
        Testbed(layers=layers or (EDGE, CLOUD), churn=churn, **parts).check(start)
    except InputError as error:
        return str(error).removeprefix("testbed: ")
    return None


def _edge(**changes: Any) -> Layer:
    return Layer(**{"name": "edge", "nodes": 3, "vcpu": 1.0, "memory": 1024.0, **changes})


def _link(one: str, other: str) -> NamedLink:
    return NamedLink(between=(one, other))


def _away(time: float, node: str, up: bool = False) -> NamedChange:
    return NamedChange(time=time, node=node, up=up)


def test_nothing_is_wrong_with_what_fits() -> None:
    streams = [Stream(node="edge-1", period=200.0, cpu=500.0), Stream(node="edge-1", sample_interval=0.2, cpu=500.0)]
    changes = [_away(5, "edge-2"), _away(9, "edge-2", True), _away(9.5, "edge-2"), _away(1, "edge-3")]
    rates = [Rate(layer="cloud", stays=60, away=60)]
    assert _fault(links=[_link("edge-1", "cloud-2")], streams=streams, changes=changes, rates=rates, start=5) is None
    assert _fault(rule=StreamRule(layer="edge", count=6, cpu=500.0, memory=512.0)) is None


@pytest.mark.parametrize("changes", [{"nodes": None}, {"names": ("a", "b")}], ids=["neither", "both"])
def test_nodes_are_counted_or_named(changes: dict[str, Any]) -> None:
    found = _fault(CLOUD, _edge(**changes))
    assert found == "layers[1].nodes: give nodes (how many) or names (which), one of the two"


@pytest.mark.parametrize("changes", [{"vcpu": None}, {"cpu": 1000.0}], ids=["neither", "both"])
def test_cpu_is_given_in_one_unit(changes: dict[str, Any]) -> None:
    assert _fault(_edge(**changes)) == "layers[0].cpu: give cpu (millicores) or vcpu, one of the two"


@pytest.mark.parametrize("changes", [{"mesh": "near"}, {"degree": 6.0}, {"mesh": "links", "degree": 6.0}])
def test_a_degree_goes_with_scattered_nodes(changes: dict[str, Any]) -> None:
    found = _fault(_edge(**changes))
    assert found == "layers[0].degree: a mean number of neighbours goes with mesh: near, and with that alone"
    assert _fault(_edge(mesh="near", degree=6.0)) is None


def test_a_gateway_exists_and_is_named_once() -> None:
    found = _fault(_edge(gateways=("edge-1", "edge-9")))
    assert found is not None
    assert found.startswith("layers[0].gateways[1]: edge has no node edge-9; did you mean edge-")
    assert _fault(_edge(gateways=("qqq",))) == "layers[0].gateways[0]: edge has no node qqq"
    assert _fault(_edge(gateways=("cloud-1",)), CLOUD) == "layers[0].gateways[0]: edge has no node cloud-1"
    found = _fault(_edge(gateways=("edge-2", "edge-2")))
    assert found == "layers[0].gateways[1]: edge-2 is there twice; name it once"


def test_names_are_there_once() -> None:
    assert _fault(EDGE, CLOUD, EDGE) == "layers[2].name: edge is there twice; name it once"
    found = _fault(_edge(nodes=None, names=("a", "b", "a")))
    assert found == "layers[0].names: a is there twice; name it once"
    found = _fault(EDGE, _edge(name="fog", nodes=None, names=("f", "edge-2")))
    assert found == "layers[1].names: edge-2 is there twice; name it once"


def test_a_node_class_has_one_speed() -> None:
    fog = _edge(name="fog", kind="edge", speed=2.0)
    assert _fault(EDGE, fog) == "layers[1].speed: kind edge has two speeds; give it one, or give another kind"
    assert _fault(_edge(speed=2.0), fog) is None


@pytest.mark.parametrize(
    ("layers", "links"),
    [
        ((_edge(nodes=10),), 45),
        ((_edge(nodes=10, mesh="links"),), 0),
        ((_edge(nodes=10, mesh="near", degree=4.0),), 20),
        ((_edge(nodes=10, mesh="near", degree=40.0),), 45),
        ((EDGE, CLOUD), 3 + 1 + 1),
        ((_edge(upward="all", gateways=("edge-1", "edge-2")), CLOUD), 3 + 4 + 1),
        ((EDGE, CLOUD.model_copy(update={"gateways": ("cloud-1", "cloud-2")})), 3 + 2 + 1),
    ],
)
def test_too_many_links_are_refused(monkeypatch: pytest.MonkeyPatch, layers: tuple[Layer, ...], links: int) -> None:
    monkeypatch.setattr(module, "MOST_LINKS", links)
    assert _fault(*layers) is None
    monkeypatch.setattr(module, "MOST_LINKS", links - 1)
    found = _fault(*layers)
    assert found is not None
    assert ".nodes: " in found
    assert f"are more than {links - 1}; set mesh: near and a degree" in found


def test_a_link_joins_two_known_nodes_once() -> None:
    found = _fault(links=[_link("edge-1", "edge-2"), _link("edge-1", "egde-3")])
    assert found is not None
    assert found.startswith("links[1].between[1]: there is no node egde-3; did you mean edge-")
    found = _fault(links=[_link("moon", "edge-1")])
    assert found == "links[0].between[0]: there is no node moon; name one of the nodes"
    found = _fault(links=[_link("edge-1", "edge-1")])
    assert found == "links[0].between: edge-1 is linked to itself; name two nodes"
    found = _fault(links=[_link("edge-1", "edge-2"), _link("edge-2", "edge-1")])
    assert found == "links[1].between: edge-2 and edge-1 are linked twice; keep one of the links"


def test_a_stream_has_a_known_node_and_one_period() -> None:
    found = _fault(streams=[Stream(node="moon", period=240.0)])
    assert found == "streams[0].node: there is no node moon; name one of the nodes"
    for stream in (Stream(node="edge-1"), Stream(node="edge-1", period=9.0, sample_interval=0.2)):
        found = _fault(streams=[stream])
        assert found == "streams[0].period: give period or sample_interval, one of the two"


@given(st.floats(0.1, 1000), st.floats(0, 1000))
def test_a_period_is_longer_than_the_start_of_the_container(period: float, start: float) -> None:
    said = f"a period of {period:g} s is no longer than the container's start of {start:g} s; give more"
    listed = _fault(streams=[Stream(node="edge-1", period=period)], start=start)
    ruled = _fault(rule=StreamRule(layer="edge", count=1, period=(period, 1001.0)), start=start)
    if period <= start:
        assert listed == f"streams[0].period: {said}"
        assert ruled == f"stream_rule.period[0]: {said}"
    else:
        assert listed is None
        assert ruled is None


def test_prediction_jobs_fit_into_their_node() -> None:
    one = Stream(node="edge-1", period=9.0, cpu=400.0, memory=300.0)
    elsewhere = one.model_copy(update={"node": "edge-2"})
    assert _fault(streams=[one, elsewhere, one, elsewhere]) is None
    found = _fault(streams=[one, elsewhere, one, elsewhere, one])
    assert found == "streams[4].cpu: prediction jobs on edge-1 (3) take 1200 m, it has 1000; give less"
    found = _fault(streams=[Stream(node="cloud-2", period=9.0, memory=5000.0)])
    assert found == "streams[0].memory: prediction jobs on cloud-2 (1) take 5000 MB, it has 4096; give less"


@given(st.integers(1, 6), st.integers(1, 6), st.floats(0, 1200), st.floats(0, 1200))
def test_a_rule_fits_if_no_node_is_over_full(count: int, per_node: int, cpu: float, memory: float) -> None:
    found = _fault(rule=StreamRule(layer="edge", count=count, per_node=per_node, cpu=cpu, memory=memory))
    most = min(count, per_node)
    if count > 3 * per_node:
        assert found is not None
        assert found.startswith(
            f"stream_rule.count: {count} streams are more than 3 nodes of edge take, {per_node} each"
        )
    elif most * cpu > 1000 * (1 + 1e-9):
        assert found is not None
        assert found.startswith(f"stream_rule.cpu: prediction jobs on edge-1 ({most}) take")
    elif most * memory > 1024 * (1 + 1e-9):
        assert found is not None
        assert found.startswith(f"stream_rule.memory: prediction jobs on edge-1 ({most}) take")
    else:
        assert found is None


def test_churn_names_known_nodes_and_layers_once() -> None:
    found = _fault(rates=[Rate(layer="fogg", stays=9, away=9)])
    assert found == "churn.rates[0].layer: there is no layer fogg; name one of the layers"
    found = _fault(rates=[Rate(layer="edge", stays=9, away=9), Rate(layer="edge", stays=8, away=8)])
    assert found == "churn.rates[1].layer: edge is there twice; name it once"
    assert _fault(changes=[_away(1, "moon")]) == "churn.changes[0].node: there is no node moon; name one of the nodes"
    found = _fault(rates=[Rate(layer="edge", stays=9, away=9)], changes=[_away(1, "cloud-1"), _away(2, "edge-1")])
    assert found == "churn.changes[1].node: edge-1's layer has a rate, too; give one of the two"


@given(st.lists(st.booleans(), max_size=6), st.randoms(use_true_random=False))
def test_a_node_leaves_and_joins_in_turn(ups: list[bool], random: Any) -> None:
    changes = [_away(10.0 * i, "edge-1", up) for i, up in enumerate(ups)]
    wrong = next((i for i, up in enumerate(ups) if up != (i % 2 == 1)), None)
    random.shuffle(changes)
    found = _fault(changes=changes)
    if wrong is None:
        assert found is None
    else:
        state = "in the mesh" if ups[wrong] else "away"
        at = next(i for i, change in enumerate(changes) if change.time == 10.0 * wrong)
        assert found == f"churn.changes[{at}].up: edge-1 is {state} already at {10 * wrong} s; leave it out"


LAYER: dict[str, Any] = {"name": "edge", "nodes": 2, "vcpu": 1, "memory": 1024}
LINK: dict[str, Any] = {"between": ["a", "b"]}
STREAM: dict[str, Any] = {"node": "a", "period": 240}
RULE: dict[str, Any] = {"layer": "edge", "count": 4}
CHANGE: dict[str, Any] = {"time": 60, "node": "a", "up": False}
RATE: dict[str, Any] = {"layer": "edge", "stays": 3600, "away": 600}


@pytest.mark.parametrize(
    ("model", "data", "key", "value"),
    [
        (Layer, LAYER, "nodes", 10**7),
        (Layer, LAYER, "names", "edge-1"),
        (Layer, LAYER, "vcpu", "1"),
        (Layer, LAYER, "memory", float("inf")),
        (Layer, LAYER, "mesh", "ring"),
        (Layer, LAYER, "latency", -0.001),
        (Layer, LAYER, "sway_period", [20, 10]),
        (Layer, LAYER, "uplink_shared", "maybe"),
        (NamedLink, LINK, "between", ["a"]),
        (Stream, STREAM, "work", 0),
        (StreamRule, RULE, "trigger", "rate"),
        (StreamRule, RULE, "period", 240),
        (NamedChange, CHANGE, "up", "yes"),
        (Rate, RATE, "away", 0.5),
    ],
)
def test_a_part_refuses_what_makes_no_sense(
    model: type[Section], data: dict[str, Any], key: str, value: object
) -> None:
    with pytest.raises(InputError) as caught:
        parsed({**data, key: value}, model, "here")
    assert str(caught.value).startswith(f"here: {key}") and "\n" not in str(caught.value)


EDGE_testbed: dict[str, Any] = {"name": "edge", "nodes": 3, "vcpu": 1, "memory": 1024}
CLOUD_testbed: dict[str, Any] = {
    "name": "cloud",
    "names": ["east", "west"],
    "cpu": 2500,
    "memory": 4096,
    "latency": 0.003,
}
SMALL: dict[str, Any] = {"layers": [EDGE_testbed, CLOUD_testbed]}


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _testbed(**keys: Any) -> Testbed:
    return parsed({**SMALL, **keys}, Testbed, "here").check()


def _named(mesh: Mesh) -> set[tuple[str, str]]:
    return {(mesh.nodes[link.one].name, mesh.nodes[link.other].name) for link in mesh.links}


def _link_testbed(mesh: Mesh, one: str, other: str) -> Link:
    number = {node.name: i for i, node in enumerate(mesh.nodes)}
    return mesh.neighbours[number[one]][number[other]]


def _written(folder: Path, data: object) -> Path:
    path = folder / "mine.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
    return path


def test_table_one_is_the_papers() -> None:
    table = paper_b().table()
    assert list(table.columns) == ["Layer", "Instances", "vCPU", "Memory", "Storage"]
    assert table.to_numpy().tolist() == [
        ["Cloud", 6, "2", "4 GB", "40 GB"],
        ["Fog", 4, "1", "2 GB", "20 GB"],
        ["Edge", 5, "1", "1 GB", "20 GB"],
    ]


def test_the_papers_layers_are_full_meshes_joined_by_one_gateway_each() -> None:
    mesh = paper_b().mesh(_rng())
    assert [sum(node.layer == layer for node in mesh.nodes) for layer in ("edge", "fog", "cloud")] == [5, 4, 6]
    across = {ends for ends in _named(mesh) if ends[0].split("-")[0] != ends[1].split("-")[0]}
    assert across == {("edge-5", "fog-1"), ("fog-1", "cloud-1")}
    assert len(mesh.links) == 10 + 6 + 15 + 2
    assert all(link.shared == (mesh.nodes[link.one].layer != mesh.nodes[link.other].layer) for link in mesh.links)
    assert paper_b().warnings(mesh) == []
    assert Routes(mesh).path(0, 14) == [0, 4, 5, 9, 14]


@pytest.mark.parametrize("streams", [2, 4, 6, 8, 10])
def test_the_papers_streams_fill_one_edge_node_after_the_other_by_twos(streams: int) -> None:
    mesh = paper_b().mesh(_rng())
    jobs = paper_b().jobs(mesh, _rng(1), streams=streams)
    assert [job.source for job in jobs] == [i // 2 for i in range(streams)]
    assert all(180 <= job.period <= 300 and job.first == job.period for job in jobs)
    assert jobs == paper_b().jobs(mesh, _rng(1))[:streams]
    assert {(job.cpu, job.memory, job.training_memory, job.megabytes, job.work) for job in jobs} == {
        (470, 100, 64, 0.5, paper_b().stream_rule.work)  # type: ignore[union-attr]
    }


def test_the_other_reading_of_the_trigger_rate_is_slower() -> None:
    testbed = paper_b().with_rule(trigger="samples")
    mesh = testbed.mesh(_rng())
    periods = [job.period for seed in range(50) for job in testbed.jobs(mesh, _rng(seed))]
    assert 200 <= min(periods) < 210
    assert 790 < max(periods) <= 800
    assert np.mean(periods) == pytest.approx(500, abs=25)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.data())
@settings(max_examples=40)
def test_gateways_alone_are_linked_upward(low: int, high: int, top: int, data: st.DataObject) -> None:
    layers = [{**EDGE_testbed, "name": name, "nodes": count} for name, count in (("a", low), ("b", high), ("c", top))]
    ways = {}
    for layer in layers[:2]:
        count = data.draw(st.integers(1, layer["nodes"]))
        names = data.draw(st.permutations([f"{layer['name']}-{i + 1}" for i in range(layer["nodes"])]))
        layer["gateways"] = ways[layer["name"]] = names[:count]
        layer["upward"] = data.draw(st.sampled_from(["gateway", "all"]))
    mesh = parsed({"layers": layers}, Testbed, "here").mesh(_rng())
    arrivals = {
        "b": ways["b"] if layers[0]["upward"] == "gateway" else [f"b-{i + 1}" for i in range(high)],
        "c": ["c-1"] if layers[1]["upward"] == "gateway" else [f"c-{i + 1}" for i in range(top)],
    }
    across = {*itertools.product(ways["a"], arrivals["b"]), *itertools.product(ways["b"], arrivals["c"])}
    within = {
        pair
        for name, count in (("a", low), ("b", high), ("c", top))
        for pair in itertools.combinations([f"{name}-{i + 1}" for i in range(count)], 2)
    }
    assert _named(mesh) == across | within
    assert len(mesh.islands()) == 1


def test_nodes_and_links_have_what_their_layer_says() -> None:
    uplink = {"uplink_latency": 0.2, "uplink_bandwidth": 7, "uplink_shared": False}
    edge = {**EDGE_testbed, "sway": 0.1, "sway_period": [60, 60], "kind": "arm", "bandwidth": 11, **uplink}
    mesh = _testbed(layers=[edge, CLOUD_testbed]).mesh(_rng())
    node = mesh.nodes[1]
    assert (node.name, node.layer, node.kind, node.cpu, node.memory) == ("edge-2", "edge", "arm", 1000, 1024)
    assert (node.sway, node.sway_period) == (0.1, 60)
    assert (mesh.nodes[4].name, mesh.nodes[4].kind, mesh.nodes[4].cpu) == ("west", "cloud", 2500)
    assert _link_testbed(mesh, "edge-1", "edge-2") == Link(0, 1, 0.001, 11.0)
    assert _link_testbed(mesh, "east", "west") == Link(3, 4, 0.003, 100.0)
    assert _link_testbed(mesh, "edge-1", "east") == Link(0, 3, 0.2, 7.0, False)


def test_links_may_be_listed_alone() -> None:
    links = [{"between": ["edge-2", "edge-1"]}, {"between": ["edge-2", "edge-3"], "latency": 0.4, "bandwidth": 3}]
    testbed = _testbed(layers=[{**EDGE_testbed, "mesh": "links"}, CLOUD_testbed], links=links)
    mesh = testbed.mesh(_rng())
    assert _named(mesh) == {("edge-2", "edge-1"), ("edge-2", "edge-3"), ("east", "west"), ("edge-1", "east")}
    assert _link_testbed(mesh, "edge-1", "edge-2") == Link(1, 0, 0.001, 100.0)
    assert _link_testbed(mesh, "edge-2", "edge-3") == Link(1, 2, 0.4, 3.0)
    assert testbed.warnings(mesh) == []


def test_a_listed_link_takes_the_place_of_the_layers_own_and_may_go_between_layers() -> None:
    edge = {**EDGE_testbed, "uplink_latency": 0.2, "uplink_bandwidth": 7}
    links = [
        {"between": ["edge-3", "edge-1"], "latency": 0.4},
        {"between": ["east", "edge-1"], "shared": False},
        {"between": ["west", "edge-2"]},
    ]
    mesh = _testbed(layers=[edge, CLOUD_testbed], links=links).mesh(_rng())
    assert len(mesh.links) == 3 + 1 + 2
    assert _link_testbed(mesh, "edge-1", "edge-3") == Link(2, 0, 0.4, 100.0)
    assert _link_testbed(mesh, "edge-1", "east") == Link(3, 0, 0.2, 7.0, False)
    assert _link_testbed(mesh, "edge-2", "west") == Link(4, 1, 0.2, 7.0, True)


def test_scattered_nodes_see_about_as_many_as_they_should() -> None:
    testbed = _testbed(layers=[{**EDGE_testbed, "nodes": 600, "mesh": "near", "degree": 6}, CLOUD_testbed])
    mesh = testbed.mesh(_rng(1))
    inside = [link for link in mesh.links if max(link.one, link.other) < 600]
    assert 2 * len(inside) / 600 == pytest.approx(6, rel=0.1)
    assert max(link.latency for link in inside) <= 0.001
    assert mesh == testbed.mesh(_rng(1))
    assert mesh != testbed.mesh(_rng(2))


def test_what_is_cut_off_is_allowed_and_said(tmp_path: Path) -> None:
    links = [{"between": ["edge-1", "edge-2"]}]
    path = _written(tmp_path, {"layers": [{**EDGE_testbed, "mesh": "links"}, CLOUD_testbed], "links": links})
    testbed = load(path)
    mesh = testbed.mesh(_rng())
    assert mesh.islands() == [[0, 1, 3, 4], [2]]
    assert testbed.warnings(mesh) == [f"{path}: layers[0]: edge-3 cannot reach most of the mesh"]


def test_many_cut_off_nodes_are_summed_up() -> None:
    links = [{"between": [f"edge-{i}", f"edge-{i + 1}"]} for i in (10, 11, 12)]
    cloud = {**CLOUD_testbed, "names": list("abcdef")}
    testbed = _testbed(layers=[cloud, {**EDGE_testbed, "mesh": "links", "nodes": 13}], links=links)
    said = testbed.warnings(testbed.mesh(_rng()))
    assert said[0] == "testbed: layers[1]: edge-10, edge-11, edge-12 and 1 more cannot reach most of the mesh"
    assert said[1] == "testbed: layers[1]: edge-2 cannot reach most of the mesh"
    assert len(said) == WARNED_PARTS + 1
    assert said[-1] == f"testbed: layers: {1 + 8 - WARNED_PARTS} more parts of the mesh are cut off"


def test_listed_streams_are_taken_as_they_are() -> None:
    streams = [
        {"node": "west", "period": 240, "begin": 60, "cpu": 100, "memory": 10, "work": 2},
        {"node": "edge-2", "samples": 500, "sample_interval": 0.4, "training_memory": 9, "megabytes": 3},
    ]
    testbed = _testbed(streams=streams)
    mesh = testbed.mesh(_rng())
    west, edge = testbed.jobs(mesh, _rng())
    assert (west.source, west.period, west.first, west.cpu, west.memory, west.work) == (4, 240, 300, 100, 10, 2)
    assert (edge.source, edge.period, edge.first, edge.training_memory, edge.megabytes) == (1, 200, 200, 9, 3)
    assert testbed.jobs(mesh, _rng(), streams=1) == [west]
    for wrong in (0, 3):
        with pytest.raises(InputError, match=f"^testbed: streams: 2 are given, {wrong} wanted; give more$"):
            testbed.jobs(mesh, _rng(), streams=wrong)


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**32))
@settings(max_examples=40)
def test_a_rule_gives_each_node_its_number_in_order(count: int, per_node: int, seed: int) -> None:
    testbed = _testbed(stream_rule={"layer": "edge", "count": 1, "per_node": per_node, "period": [60, 90]})
    mesh = testbed.mesh(_rng())
    if count > 3 * per_node:
        with pytest.raises(InputError, match=f"^testbed: stream_rule.count: {count} streams are more than 3 nodes"):
            testbed.jobs(mesh, _rng(seed), streams=count)
        return
    jobs = testbed.jobs(mesh, _rng(seed), streams=count)
    assert [job.source for job in jobs] == [i // per_node for i in range(count)]
    again = _rng(seed)
    assert [job.period for job in jobs] == [again.uniform(60, 90) for _ in range(count)]


def test_listed_changes_come_in_order_until_the_end() -> None:
    changes = [
        {"time": 50, "node": "west", "up": True},
        {"time": 20, "node": "edge-3", "up": False},
        {"time": 10, "node": "west", "up": False},
    ]
    testbed = _testbed(churn={"changes": changes})
    mesh = testbed.mesh(_rng())
    assert testbed.changes(mesh, _rng(), seconds=60) == [
        Change(10, 4, False),
        Change(20, 2, False),
        Change(50, 4, True),
    ]
    assert testbed.changes(mesh, _rng(), seconds=20) == [Change(10, 4, False)]
    assert _testbed().changes(mesh, _rng(), seconds=60) == []


@given(st.floats(5, 500), st.floats(5, 500), st.integers(0, 2**32), st.floats(10, 1000))
@settings(max_examples=40)
def test_nodes_of_a_rate_leave_and_join_in_turn_whatever_the_end(
    stays: float, away: float, seed: int, seconds: float
) -> None:
    testbed = _testbed(churn={"rates": [{"layer": "edge", "stays": stays, "away": away}]})
    mesh = testbed.mesh(_rng())
    changes = testbed.changes(mesh, _rng(seed), seconds=seconds)
    assert [change.time for change in changes] == sorted(change.time for change in changes)
    for node in range(len(mesh.nodes)):
        ups = [change.up for change in changes if change.node == node]
        assert ups == [i % 2 == 1 for i in range(len(ups))]
        assert node < 3 or not ups
    longer = testbed.changes(mesh, _rng(seed), seconds=2 * seconds)
    assert [change for change in longer if change.time < seconds] == changes


def test_times_in_the_mesh_and_away_have_their_means() -> None:
    testbed = _testbed(churn={"rates": [{"layer": "edge", "stays": 300, "away": 60}]})
    changes = testbed.changes(testbed.mesh(_rng()), _rng(5), seconds=400_000)
    stays, away = [], []
    for node in range(3):
        times = [0.0, *(change.time for change in changes if change.node == node)]
        lengths = np.diff(times)
        stays += lengths[::2].tolist()
        away += lengths[1::2].tolist()
    assert len(stays) > 3000
    assert np.mean(stays) == pytest.approx(300, rel=0.06)
    assert np.mean(away) == pytest.approx(60, rel=0.06)
    assert np.std(away) == pytest.approx(60, rel=0.08)


def test_a_node_class_has_the_speed_of_its_layer() -> None:
    layers = [
        {**EDGE_testbed, "kind": "arm", "speed": 0.5},
        {**EDGE_testbed, "name": "fog"},
        {**CLOUD_testbed, "speed": 4},
    ]
    testbed = _testbed(layers=layers)
    assert testbed.speeds() == {"arm": 0.5, "fog": 1.0, "cloud": 4.0}
    assert {node.kind for node in testbed.mesh(_rng()).nodes} == set(testbed.speeds())


def test_a_layer_is_varied_in_code_and_the_original_stays() -> None:
    before = paper_b().model_dump()
    varied = paper_b().with_layer("edge", gateways=["edge-1"], sway=0.3, sway_period=(60.0, 90.0), upward="all")
    varied = varied.with_layer("fog", gateways=("fog-3",))
    mesh = varied.mesh(_rng())
    across = {ends for ends in _named(mesh) if ends[0].split("-")[0] != ends[1].split("-")[0]}
    assert across == {*(("edge-1", f"fog-{i}") for i in range(1, 5)), ("fog-3", "cloud-1")}
    assert {node.sway for node in mesh.nodes if node.layer == "edge"} == {0.3}
    assert all(60 <= node.sway_period <= 90 for node in mesh.nodes if node.layer == "edge")
    assert paper_b().model_dump() == before


@pytest.mark.parametrize("count", [1, 2, 5])
def test_gateways_are_added_to_those_that_are_there(count: int) -> None:
    varied = paper_b().with_gateways("edge", count)
    assert varied.layers[0].gateway_names == ("edge-5", "edge-1", "edge-2", "edge-3", "edge-4")[:count]
    assert len(varied.mesh(_rng()).links) == 32 + count


@pytest.mark.parametrize("count", [0, 6, -1])
def test_a_layer_has_no_more_gateways_than_nodes(count: int) -> None:
    with pytest.raises(InputError, match=f"edge has 5 nodes; {count} of them cannot be gateways$"):
        paper_b().with_gateways("edge", count)


def test_what_does_not_fit_is_told_when_it_is_varied() -> None:
    with pytest.raises(InputError, match="^testbed: there is no layer egde; did you mean edge\\?$"):
        _testbed().with_layer("egde", nodes=2)
    with pytest.raises(InputError, match=r"layers\[0\].nodes is -2; input should be greater than 0$"):
        _testbed().with_layer("edge", nodes=-2)
    with pytest.raises(InputError, match=r"layers\[1\].gateways\[0\]: cloud has no node moon$"):
        _testbed().with_layer("cloud", gateways=["moon"])
    with pytest.raises(InputError, match=r"layers\[0\].color"):
        _testbed().with_layer("edge", color="red")
    with pytest.raises(InputError, match="^testbed: stream_rule: there is none to change; give one$"):
        _testbed().with_rule(count=3)
    with pytest.raises(InputError, match=r"paper_b.yaml: stream_rule.count: 11 streams are more than 5 nodes"):
        paper_b().with_rule(count=11)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "layers: there is none"),
        ({"layers": []}, "layers: there is none"),
        ({"layer": [EDGE_testbed]}, "unknown key layer; did you mean layers?"),
        ({"layers": EDGE_testbed}, "layers is {"),
        ({"layers": [EDGE_testbed, EDGE_testbed]}, "layers[1].name: edge is there twice"),
        ({"layers": [{**EDGE_testbed, "vcpu": -1}]}, "layers[0].vcpu is -1; input should be greater than 0"),
        ({"layers": [{**EDGE_testbed, "memory": -5}]}, "layers[0].memory is -5; input should be greater than 0"),
        ({"layers": [{**EDGE_testbed, "bandwith": 5}]}, "unknown key layers[0].bandwith; did you mean bandwidth?"),
        (
            {"layers": [{"name": "edge", "nodes": 3, "cpus": 1}]},
            "unknown key layers[0].cpus; did you mean cpu or vcpu?",
        ),
        ({"layers": [{"nodes": 2}]}, "layers[0].name is missing; give it"),
        ({"layers": [{**EDGE_testbed, "gateways": ["edge-4"]}]}, "layers[0].gateways[0]: edge has no node edge-4"),
        ({**SMALL, "links": [{"between": ["edge-1", "up"]}]}, "links[0].between[1]: there is no node up"),
        ({**SMALL, "streams": [{"node": "edge-7", "period": 9}]}, "streams[0].node: there is no node edge-7"),
        ({**SMALL, "streams": [{"node": "edge-1", "period": 0}]}, "streams[0].period is 0; input should be greater"),
        ({**SMALL, "streams": [{"node": "edge-1", "period": 5}]}, "streams[0].period: a period of 5 s is no longer"),
        ({**SMALL, "stream_rule": {"layer": "fog", "count": 2}}, "stream_rule.layer: there is no layer fog"),
        ({**SMALL, "stream_rule": {"layer": "edge", "count": 7}}, "stream_rule.count: 7 streams are more than"),
        ({**SMALL, "stream_rule": {"layer": "edge", "count": 2, "cpu": 501}}, "stream_rule.cpu: prediction jobs"),
        ({**SMALL, "churn": {"rates": [{"layer": "fog", "stays": 9, "away": 9}]}}, "churn.rates[0].layer: there is no"),
        ({**SMALL, "churn": {"rate": []}}, "unknown key churn.rate; did you mean rates?"),
        ("layers: [", "is not YAML"),
        ("- 1\n- 2\n", "holds a list"),
        ("&a layers: &b [*b]\n", "line 1 holds itself"),
        ("layers: [{2020-01-01: 5}]\n", "unknown key layers[0].2020-01-01; known here: name"),
        ("layers: []\nstreams: []\nlayers: []\n", "layers stands there twice (lines 1 and 3); keep one"),
        ("layers: " + "[" * 9000 + "]" * 9000, "is nested too deeply"),
    ],
    ids=lambda each: None if isinstance(each, dict) else each[:30],
)
def test_bad_files_are_told_in_one_line_with_file_and_key(tmp_path: Path, data: object, said: str) -> None:
    path = _written(tmp_path, data)
    with pytest.raises(InputError) as caught:
        load(path, start=5.0)
    told = str(caught.value)
    assert told.startswith(str(path))
    assert told.removeprefix(str(path)).lstrip(": ").startswith(said)
    assert "\n" not in told


leaves = st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.sampled_from(["edge", "full", "edge-1", ""])
keys = st.sampled_from(["layers", "links", "streams", "churn", "name", "nodes", "vcpu", "memory", "rates", "x"])
trees = st.recursive(
    leaves, lambda below: st.lists(below, max_size=2) | st.dictionaries(keys, below, max_size=3), max_leaves=12
)


@given(st.dictionaries(keys, trees, max_size=3))
def test_whatever_a_file_holds_it_is_a_testbed_or_told_in_one_line(tmp_path_factory: Any, data: dict[str, Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(data))
    try:
        testbed = load(path)
    except InputError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
    else:
        assert testbed.mesh(_rng()).nodes


@given(st.sampled_from(["layers", "streams"]), st.integers(0, 1), st.data())
@settings(max_examples=150)
def test_one_wrong_value_in_a_good_file_is_told_by_its_key(
    tmp_path_factory: Any, section: str, at: int, data: st.DataObject
) -> None:
    good = {
        "layers": [{**EDGE_testbed, "gateways": ["edge-2"], "sway": 0.1}, {**CLOUD_testbed, "storage": 40}],
        "streams": [{"node": "edge-1", "period": 240, "cpu": 5}, {"node": "east", "period": 99, "work": 2}],
    }
    key = data.draw(st.sampled_from(sorted(good[section][at])))
    value = data.draw(st.sampled_from([-1, float("nan"), True, "moon", {"a": 1}, [[]]]))
    if key == "name" and value == "moon":
        return
    path = tmp_path_factory.getbasetemp() / "wrong.yaml"
    path.write_text(yaml.safe_dump({**good, section: [{**part} for part in good[section]]}))
    load(path)
    good[section][at][key] = value
    path.write_text(yaml.safe_dump(good))
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: {section}[{at}].{key}")
