from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.emulator import faults as module
from edgeresearch.emulator.faults import fault
from edgeresearch.emulator.parts import Churn, Layer, NamedChange, NamedLink, Rate, Stream, StreamRule

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
    return fault(layers or (EDGE, CLOUD), links or (), streams or (), rule, churn, start)


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


def test_there_must_be_a_layer() -> None:
    assert fault((), (), (), None, Churn(), 0.0) == "layers: there is none; give at least one"


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


def test_a_huge_layer_is_refused_before_it_is_built() -> None:
    found = _fault(_edge(nodes=100_000))
    assert found == "layers[0].nodes: 4999950000 links are more than 1000000; set mesh: near and a degree"


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


def test_streams_are_listed_or_ruled() -> None:
    found = _fault(streams=[Stream(node="edge-1", period=9.0)], rule=StreamRule(layer="edge", count=1))
    assert found == "stream_rule: streams are listed, too; give one of the two"


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


def test_a_period_of_samples_is_told_by_their_interval() -> None:
    found = _fault(streams=[Stream(node="edge-1", samples=10, sample_interval=0.5)], start=5)
    assert found is not None
    assert found.startswith("streams[0].sample_interval: a period of 5 s is no longer than")
    rule = StreamRule(layer="edge", count=1, trigger="samples", samples=10, sample_interval=(0.5, 2.0))
    found = _fault(rule=rule, start=5)
    assert found is not None
    assert found.startswith("stream_rule.sample_interval[0]: a period of 5 s")
    assert _fault(rule=rule.model_copy(update={"trigger": "period"}), start=5) is None


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


def test_a_rule_has_a_known_layer() -> None:
    found = _fault(rule=StreamRule(layer="edgy", count=1))
    assert found == "stream_rule.layer: there is no layer edgy; did you mean edge?"
    found = _fault(rule=StreamRule(layer="moon", count=1))
    assert found == "stream_rule.layer: there is no layer moon; name one of the layers"


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
