import json
from pathlib import Path

import pytest

from edgeresearch.papers.paper_a.architecture import GATES, measure_network, plot_network, write_network


@pytest.mark.parametrize(("window", "hidden", "targets", "batch"), [(60, 32, 2, 4), (12, 8, 1, 3)])
def test_shapes_are_those_of_the_real_module(window: int, hidden: int, targets: int, batch: int) -> None:
    network = measure_network(window=window, hidden=hidden, targets=targets, batch=batch)
    tensors = {"window": [batch, window, 1], "states": [batch, window, hidden]}
    assert network["tensors"] == {**tensors, "last": [batch, hidden], "forecast": [batch, targets]}
    assert network["weights"]["lstm.weight_hh_l0"] == [4 * hidden, hidden]
    assert network["trainable"] == 4 * hidden * (hidden + 1 + 2) + targets * (hidden + 1)


def test_the_figure_shows_every_shape_and_gate(tmp_path: Path) -> None:
    write_network(tmp_path / "a" / "figure1.json", window=24, hidden=16, targets=2, batch=8)
    network = json.loads((tmp_path / "a" / "figure1.json").read_text())
    text = "\n".join(each.get_text() for each in plot_network(network).axes[0].texts)
    for shape in ("(batch, 24, 1)", "(batch, 24, 16)", "(batch, 16)", "(batch, 2)"):
        assert shape in text
    for _, name, formula, _ in GATES:
        assert f"{name}: W 16 × (16 + 1)\n{formula}" in text
    assert f"{network['trainable']:,} trainable numbers" in text
