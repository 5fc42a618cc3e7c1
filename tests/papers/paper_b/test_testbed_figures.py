from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest

from edgeresearch.emulator.api import Scenario
from edgeresearch.emulator.network import Link, Mesh, Node, latency_over_time
from edgeresearch.emulator.testbed import paper_b
from edgeresearch.papers.paper_b import testbed_figures as draw
from edgeresearch.papers.scheduling import PlacementTrace, TraceStep, most_informative, placement_traces
from edgeresearch.scheduling.los import schedule
from edgeresearch.scheduling.messages import Availability, Decision, Reason, Request
from edgeresearch.scheduling.runtime_model import JobHistory
from edgeresearch.scheduling.settings import Rules

Text = Callable[..., str]
Points = Callable[..., list[list[float]]]


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return Scenario(paper_b())


@pytest.fixture(scope="module")
def mesh(scenario: Scenario) -> Mesh:
    return scenario.testbed.mesh(np.random.default_rng(0))


@pytest.fixture(scope="module")
def trace(scenario: Scenario) -> PlacementTrace:
    traces = placement_traces(scenario, streams=8, hours=1.0, seed=np.random.SeedSequence(3))
    far = most_informative(traces, hops=1)
    assert far is not None
    return far


def test_layers_stand_above_each_other_and_gateways_are_the_ends_of_uplinks(scenario: Scenario, mesh: Mesh) -> None:
    places = draw.place_nodes(mesh)
    heights = [[places[i][1] for i, node in enumerate(mesh.nodes) if node.layer == name] for name in draw.LAYERS]
    assert max(heights[0]) < min(heights[1]) and max(heights[1]) < min(heights[2])
    assert len({tuple(np.round(place, 6)) for place in places.values()}) == len(mesh.nodes)
    names = {name for layer in scenario.testbed.layers for name in layer.gateway_names}
    ends = {end for link in draw._links(mesh, across=True) for end in (link.one, link.other)}
    assert {mesh.nodes[i].name for i in ends} == names


def test_the_testbed_says_what_every_layer_has(mesh: Mesh, text_of: Text) -> None:
    text = text_of(draw.plot_testbed(mesh, paper_b().jobs(mesh, np.random.default_rng(0), streams=4)))
    for words in ("edge: 5 nodes", "fog: 4 nodes", "cloud: 6 nodes", "2 vCPU, 4 GB each", "assumptions"):
        assert words in text
    assert text.count("2 streams ") == 2
    roof = Mesh([Node(name, "roof", "roof", 1000.0, 512.0) for name in ("a", "b")], [Link(0, 1, 0.001, 100.0)])
    assert "uplink, shared, none" in text_of(draw.plot_testbed(roof, []))


def test_a_placement_shows_published_and_true_values(trace: PlacementTrace, text_of: Text, points_of: Points) -> None:
    figure = draw.plot_placement(trace)
    for axes, step in zip(figure.axes[1:], trace.steps, strict=True):
        assert [bar.get_width() for bar in axes.patches] == pytest.approx([each.cpu for each in step.seen])
        assert points_of(axes, "d") == [pytest.approx([each.cpu for each in step.true])]
        assert trace.mesh.nodes[step.here.node].name in axes.get_title(loc="left")
    assert "a simulated run" in text_of(figure)


def _step(node: int, decision: Decision, others: Sequence[int], tried: tuple[int, ...] = ()) -> TraceStep:
    here, *seen = (Availability(i, 95.0, 40.0, 500.0, 0.9, "edge", 0.001, 100.0) for i in (node, *others))
    return TraceStep(100.0, Request(0, 200.0, tried), here, seen, seen, decision)


def test_a_search_that_was_dropped_can_be_drawn(scenario: Scenario, mesh: Mesh, text_of: Text) -> None:
    history = JobHistory(scenario.limits, scenario.fitting)
    steps = [_step(0, Decision(Reason.INFEASIBLE, 1), [1, 2]), _step(1, Decision(Reason.CYCLE), [0, 2], (0,))]
    text = text_of(draw.plot_placement(PlacementTrace(mesh, steps, history)))
    assert "nowhere feasible: best infeasible neighbour" in text and "dropped: cycle" in text
    assert "5 to 5 s old." in text
    assert "nothing learned yet" in text_of(
        draw.plot_edge_manager(PlacementTrace(mesh, steps, history), rules=scenario.rules, limits=scenario.limits)
    )


def test_an_edge_manager_names_the_code_and_what_was_learned(
    scenario: Scenario, trace: PlacementTrace, text_of: Text
) -> None:
    text = text_of(draw.plot_edge_manager(trace, rules=scenario.rules, limits=scenario.limits))
    for name in ("scheduling.los.schedule", "scheduling.runtime_model.RuntimeModel", "emulator.network.Mesh"):
        assert name in text
    assert f"at most {scenario.rules.hop_limit} hand-overs" in text and "(R + " in text
    assert f"a limit is known for {len(trace.history.limits)} nodes" in text


def test_fields_are_read_off_any_kind_of_class() -> None:
    @dataclass
    class Data:
        one: int
        _two: int

    class Named(NamedTuple):
        three: int

    assert [draw.list_fields(kind) for kind in (Data, Named, Mesh, object)] == [
        ["one"],
        ["three"],
        ["nodes", "links"],
        [],
    ]
    assert draw.list_fields(Rules)[0] == "hop_limit"
    assert draw.code_name(schedule) == "scheduling.los.schedule"


def test_each_goal_has_a_line_of_latencies(mesh: Mesh) -> None:
    table = latency_over_time(mesh, 0, [0.0, 600.0, 1200.0])
    (axes,) = draw.plot_latencies(table, "edge-1").axes
    labels = [line.get_label() for line in axes.lines]
    assert labels == ["to an edge node (1 link)", "to a fog node (2 links)", "to a cloud node (3 links)"]
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == 3
    for line, (_, part) in zip(axes.lines, table.groupby("goal", sort=False), strict=True):
        assert np.allclose(np.asarray(line.get_ydata(), float), part["milliseconds"])
