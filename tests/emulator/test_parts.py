from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.emulator.parts import Churn, Layer, NamedChange, NamedLink, Rate, Stream, StreamRule
from edgeresearch.errors import InputError
from edgeresearch.settings import Section, parsed

LAYER: dict[str, Any] = {"name": "edge", "nodes": 2, "vcpu": 1, "memory": 1024}
LINK: dict[str, Any] = {"between": ["a", "b"]}
STREAM: dict[str, Any] = {"node": "a", "period": 240}
RULE: dict[str, Any] = {"layer": "edge", "count": 4}
CHANGE: dict[str, Any] = {"time": 60, "node": "a", "up": False}
RATE: dict[str, Any] = {"layer": "edge", "stays": 3600, "away": 600}
GOOD = [
    (Layer, LAYER),
    (NamedLink, LINK),
    (Stream, STREAM),
    (StreamRule, RULE),
    (NamedChange, CHANGE),
    (Rate, RATE),
]


@pytest.mark.parametrize(("model", "data"), GOOD, ids=lambda each: getattr(each, "__name__", ""))
def test_a_part_takes_its_keys_and_is_frozen(model: type[Section], data: dict[str, Any]) -> None:
    part = parsed(data, model, "here")
    dumped = part.model_dump(mode="json")
    assert {key: dumped[key] for key in data} == data
    assert parsed(dumped, model, "here") == part
    with pytest.raises(ValueError, match="frozen"):
        setattr(part, next(iter(data)), next(iter(data.values())))


@pytest.mark.parametrize(
    ("model", "data", "key"),
    [(*each, key) for each in GOOD for key in each[1] if key not in ("nodes", "vcpu", "period")],
)
def test_what_has_no_default_is_asked_for(model: type[Section], data: dict[str, Any], key: str) -> None:
    with pytest.raises(InputError, match=f"^here: {key} .*required$"):
        parsed({name: value for name, value in data.items() if name != key}, model, "here")


@pytest.mark.parametrize(("model", "data"), GOOD, ids=lambda each: getattr(each, "__name__", ""))
def test_an_unknown_key_is_refused(model: type[Section], data: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="^here: unknown key color"):
        parsed({**data, "color": "red"}, model, "here")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", ""),
        ("name", 5),
        ("nodes", 0),
        ("nodes", -1),
        ("nodes", 2.5),
        ("nodes", 10**7),
        ("names", [""]),
        ("names", "edge-1"),
        ("cpu", 0),
        ("cpu", -1000),
        ("vcpu", 0),
        ("vcpu", -1),
        ("vcpu", "1"),
        ("vcpu", float("nan")),
        ("memory", 0),
        ("memory", -1),
        ("memory", float("inf")),
        ("storage", -1),
        ("speed", 0),
        ("mesh", "ring"),
        ("degree", 0),
        ("latency", -0.001),
        ("bandwidth", 0),
        ("sway", -0.1),
        ("sway_period", [0, 10]),
        ("sway_period", [20, 10]),
        ("sway_period", [20]),
        ("gateways", "edge-1"),
        ("upward", "some"),
        ("uplink_latency", -1),
        ("uplink_bandwidth", -1),
        ("uplink_shared", "maybe"),
    ],
)
def test_a_layer_refuses(key: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        parsed({**LAYER, key: value}, Layer, "here")
    assert str(caught.value).startswith(f"here: {key}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "data", "key", "value"),
    [
        (NamedLink, LINK, "between", ["a"]),
        (NamedLink, LINK, "latency", -1),
        (NamedLink, LINK, "bandwidth", 0),
        (NamedLink, LINK, "shared", 1),
        (Stream, STREAM, "period", 0),
        (Stream, STREAM, "period", -240),
        (Stream, STREAM, "samples", 0),
        (Stream, STREAM, "sample_interval", 0),
        (Stream, STREAM, "begin", -1),
        (Stream, STREAM, "cpu", -1),
        (Stream, STREAM, "memory", -1),
        (Stream, STREAM, "training_memory", 0),
        (Stream, STREAM, "megabytes", -0.5),
        (Stream, STREAM, "work", 0),
        (StreamRule, RULE, "count", 0),
        (StreamRule, RULE, "per_node", 0),
        (StreamRule, RULE, "trigger", "rate"),
        (StreamRule, RULE, "period", [0, 300]),
        (StreamRule, RULE, "period", [300, 180]),
        (StreamRule, RULE, "period", 240),
        (StreamRule, RULE, "samples", 1.5),
        (StreamRule, RULE, "sample_interval", [0.8, 0.2]),
        (NamedChange, CHANGE, "time", -1),
        (NamedChange, CHANGE, "up", "yes"),
        (Rate, RATE, "stays", 0),
        (Rate, RATE, "away", 0.5),
    ],
)
def test_another_part_refuses(model: type[Section], data: dict[str, Any], key: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        parsed({**data, key: value}, model, "here")
    assert str(caught.value).startswith(f"here: {key}")
    assert "\n" not in str(caught.value)


def test_a_range_turned_around_is_told_so() -> None:
    with pytest.raises(InputError, match="^here: period is \\[300, 180\\]; give the smaller one first$"):
        parsed({**RULE, "period": [300, 180]}, StreamRule, "here")
    assert parsed({**RULE, "period": [240, 240]}, StreamRule, "here").seconds == (240, 240)


@given(st.integers(1, 50))
def test_nodes_are_named_after_their_layer(count: int) -> None:
    layer = Layer(name="fog", nodes=count, vcpu=1.0, memory=1.0)
    assert len(layer.members) == len(set(layer.members)) == count
    assert (layer.members[0], layer.members[-1]) == ("fog-1", f"fog-{count}")
    assert layer.ways == ("fog-1",)


def test_nodes_may_have_names_of_their_own() -> None:
    layer = Layer(name="fog", names=("bridge", "tower"), vcpu=1.0, memory=1.0)
    assert layer.members == ("bridge", "tower")
    assert layer.ways == ("bridge",)
    assert layer.model_copy(update={"gateways": ("tower",)}).ways == ("tower",)


def test_a_layer_without_nodes_has_no_members() -> None:
    assert Layer(name="fog", vcpu=1.0, memory=1.0).members == ()


def test_cpu_is_told_in_millicores_or_whole() -> None:
    assert Layer(name="a", nodes=1, vcpu=1.5, memory=1.0).millicores == 1500
    assert Layer(name="a", nodes=1, cpu=250.0, memory=1.0).millicores == 250
    assert Layer(name="a", nodes=1, memory=1.0).millicores == 0


def test_the_node_class_is_the_layer_unless_told() -> None:
    assert Layer(name="edge", nodes=1, vcpu=1.0, memory=1.0).node_class == "edge"
    assert Layer(name="edge", nodes=1, vcpu=1.0, memory=1.0, kind="arm").node_class == "arm"


@given(st.integers(1, 5000), st.floats(0.001, 10))
def test_samples_make_a_period(samples: int, interval: float) -> None:
    assert Stream(node="a", samples=samples, sample_interval=interval).seconds == samples * interval
    rule = StreamRule(
        layer="edge", count=1, trigger="samples", samples=samples, sample_interval=(interval, 2 * interval)
    )
    assert rule.seconds == (samples * interval, samples * 2 * interval)


def test_the_two_readings_of_the_paper_are_the_defaults_of_a_rule() -> None:
    rule = StreamRule(layer="edge", count=10)
    assert rule.per_node == 2
    assert rule.seconds == (180, 300)
    assert rule.model_copy(update={"trigger": "samples"}).seconds == (200, 800)


def test_a_stream_with_neither_has_no_period() -> None:
    assert Stream(node="a").seconds == 0
    assert Stream(node="a", period=240.0).seconds == 240


def test_there_is_no_churn_unless_told() -> None:
    assert Churn() == Churn(changes=(), rates=())
    churn = parsed({"changes": [CHANGE], "rates": [RATE]}, Churn, "here")
    assert churn.changes == (NamedChange(time=60, node="a", up=False),)
    assert churn.rates == (Rate(layer="edge", stays=3600, away=600),)


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"changes": [CHANGE, {**CHANGE, "time": -1}]}, "changes[1].time"),
        ({"rates": [{**RATE, "stays": 0}]}, "rates[0].stays"),
    ],
)
def test_a_fault_within_a_list_is_told_by_its_place(data: dict[str, Any], key: str) -> None:
    with pytest.raises(InputError) as caught:
        parsed(data, Churn, "here")
    assert str(caught.value).startswith(f"here: {key} is ")
