import math
from collections.abc import Sequence

import numpy as np
import pytest
from matplotlib.figure import Figure

from edgeresearch.emulator.experiment import Scenario
from edgeresearch.emulator.network import Link, Mesh, Node
from edgeresearch.emulator.testbed import paper_b
from edgeresearch.papers import placement_trace, testbed_b
from edgeresearch.papers.placement_trace import PlacementTrace, TraceStep
from edgeresearch.scheduling.job_history import JobHistory
from edgeresearch.scheduling.messages import Availability, Decision, Reason, Request


def _text(figure: Figure) -> str:
    return " ".join(each.get_text() for each in figure.findobj(lambda artist: hasattr(artist, "get_text")))


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return paper_b().mesh(np.random.default_rng(0))


@pytest.fixture(scope="module")
def told() -> PlacementTrace:
    found = placement_trace.most_informative(
        placement_trace.placement_traces(Scenario(paper_b()), streams=8, hours=1.0, seed=np.random.SeedSequence(3)),
        hops=1,
    )
    assert found is not None
    return found


def test_layers_stand_above_each_other(mesh: Mesh) -> None:
    spots = testbed_b.places(mesh)
    heights = {
        layer: [spots[i][1] for i, node in enumerate(mesh.nodes) if node.layer == layer]
        for layer in ("edge", "fog", "cloud")
    }
    assert max(heights["edge"]) < min(heights["fog"])
    assert max(heights["fog"]) < min(heights["cloud"])
    assert len({tuple(np.round(spot, 6)) for spot in spots.values()}) == len(mesh.nodes)


def test_gateways_are_the_ends_of_uplinks(mesh: Mesh) -> None:
    names = {mesh.nodes[i].name for i in testbed_b.gateways(mesh)}
    testbed = paper_b()
    assert names == {
        *testbed.layers[0].gateway_names,
        *testbed.layers[1].gateway_names,
        *testbed.layers[2].gateway_names,
    }


def test_figure1_says_what_every_layer_has(mesh: Mesh) -> None:
    jobs = paper_b().jobs(mesh, np.random.default_rng(0), streams=4)
    figure = testbed_b.figure1(mesh, jobs)
    text = _text(figure)
    for said in ("edge: 5 nodes", "fog: 4 nodes", "cloud: 6 nodes", "2 vCPU, 4 GB each", "2 streams", "assumptions"):
        assert said in text
    assert text.count("streams\n") == 2


def test_a_mesh_of_one_layer_has_no_uplink() -> None:
    nodes = [Node(name, "roof", "roof", 1000.0, 512.0) for name in ("a", "b")]
    figure = testbed_b.figure1(Mesh(nodes, [Link(0, 1, 0.001, 100.0)]), [])
    assert "uplink, shared, none" in _text(figure)
    assert testbed_b.colour(Mesh(nodes, []), 0) not in testbed_b.LAYERS.values()


def test_figure2_shows_published_and_true_values(told: PlacementTrace) -> None:
    figure = testbed_b.figure2(told)
    assert len(figure.axes) == 1 + len(told.steps)
    for each, step in zip(figure.axes[1:], told.steps, strict=True):
        assert [bar.get_width() for bar in each.patches] == pytest.approx([seen.cpu for seen in step.seen])
        true = [line for line in each.lines if line.get_marker() == "d"]
        assert np.asarray(true[0].get_xdata(), float) == pytest.approx([seen.cpu for seen in step.true])
        assert told.mesh.nodes[step.here.node].name in each.get_title(loc="left")
    assert "a simulated run" in _text(figure)


def _step(node: int, decision: Decision, others: Sequence[int], tried: tuple[int, ...] = ()) -> TraceStep:
    seen = [Availability(i, 95.0, 40.0, 500.0, 0.9, "edge", 0.001, 100.0) for i in others]
    return TraceStep(
        100.0, Request(0, 200.0, tried), Availability(node, 100.0, 60.0, 500.0, 0.9, "edge"), seen, seen, decision
    )


def test_a_search_of_any_kind_can_be_drawn(mesh: Mesh) -> None:
    first = _step(0, Decision(Reason.INFEASIBLE, 1), [1, 2])
    last = _step(1, Decision(Reason.CYCLE), [0, 2], (0,))
    text = _text(testbed_b.figure2(PlacementTrace(mesh, [first, last], JobHistory())))
    assert "nowhere feasible:\nbest infeasible neighbour" in text
    assert "dropped:\ncycle" in text
    assert "5 to 5 s old." in text
    assert math.isclose(first.seen[0].age(first.time), 5.0)
