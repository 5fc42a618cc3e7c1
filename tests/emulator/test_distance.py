import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.emulator import distance
from edgeresearch.emulator.mesh import Link, Mesh, Node
from edgeresearch.emulator.testbed import paper_b


def _line(*sways: float) -> Mesh:
    layers = ("edge", "edge", "fog", "cloud")
    nodes = [Node(f"n{i}", layers[i], layers[i], 1000.0, 1024.0, sway, 100.0, 0.0) for i, sway in enumerate(sways)]
    return Mesh(nodes, [Link(i, i + 1, 0.001 * (i + 1), 100.0) for i in range(len(sways) - 1)])


def test_latencies_add_up_along_the_way() -> None:
    table = distance.latencies(_line(0.0, 0.0, 0.0, 0.0), 0, {"near": 1, "far": 3}, [0.0, 7.0])
    assert table["milliseconds"].tolist() == pytest.approx([1.0, 1.0, 6.0, 6.0])
    assert table["hops"].tolist() == [1, 1, 3, 3]
    assert table["seconds"].tolist() == [0.0, 7.0, 0.0, 7.0]


def test_a_node_in_between_moves_twice() -> None:
    table = distance.latencies(_line(0.0, 0.010, 0.0), 0, {"far": 2}, [0.0, 50.0])
    assert table["milliseconds"].tolist() == pytest.approx([3.0, 3.0 + 2 * 10.0])


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=5))
def test_latencies_stay_between_standing_and_swaying_most(times: list[float]) -> None:
    mesh = _line(0.02, 0.03, 0.0, 0.0)
    found = distance.latencies(mesh, 0, {"cloud": 3}, times)["milliseconds"]
    assert found.between(6.0 - 1e-9, 6.0 + 20.0 + 2 * 30.0 + 1e-9).all()


def test_one_node_of_each_layer_is_chosen() -> None:
    mesh = paper_b().mesh(np.random.default_rng(0))
    names = {layer: mesh.nodes[i].name for layer, i in distance.others(mesh, 0).items()}
    assert names == {"edge": "edge-2", "fog": "fog-1", "cloud": "cloud-1"}
    assert distance.others(mesh, 1)["edge"] == 0


def test_an_island_is_out_of_reach() -> None:
    mesh = Mesh(_line(0.0, 0.0).nodes, [])
    with pytest.raises(ValueError, match="cannot be reached"):
        distance.latencies(mesh, 0, {"there": 1}, [0.0])
