import numpy as np

from edgeresearch.emulator import network
from edgeresearch.emulator.testbed import paper_b
from edgeresearch.papers import latency_b


def test_each_goal_has_a_line_of_its_own() -> None:
    mesh = paper_b().mesh(np.random.default_rng(1))
    table = network.latency_over_time(mesh, 0, network.first_of_layers(mesh, 0), [0.0, 600.0, 1200.0])
    figure = latency_b.figure4(table, "edge-1")
    (axes,) = figure.axes
    labels = [line.get_label() for line in axes.lines]
    assert labels == ["to an edge node (1 link)", "to a fog node (2 links)", "to a cloud node (3 links)"]
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == 3
    assert axes.get_ylabel() == "latency, one way (ms)"
    assert axes.get_ylim()[0] == 0
    assert "states no numbers" in figure.legends[0].get_title().get_text().replace("\n", " ")
    for line, (_, part) in zip(axes.lines, table.groupby("goal", sort=False), strict=True):
        assert np.allclose(np.asarray(line.get_ydata(), float), part["milliseconds"])
