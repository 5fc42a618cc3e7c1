import pytest

from edgeresearch.papers.paper_a.architecture import GATES, measure_network, plot_network


@pytest.mark.parametrize(("window", "hidden", "targets", "batch"), [(60, 32, 2, 4), (12, 8, 1, 3)])
def test_shapes_are_those_of_the_real_module_and_in_the_figure(
    window: int, hidden: int, targets: int, batch: int
) -> None:
    network = measure_network(window=window, hidden=hidden, targets=targets, batch=batch)
    tensors = {"window": [batch, window, 1], "states": [batch, window, hidden]}
    assert network["tensors"] == {**tensors, "last": [batch, hidden], "forecast": [batch, targets]}
    assert network["weights"]["lstm.weight_hh_l0"] == [4 * hidden, hidden]
    assert network["trainable"] == 4 * hidden * (hidden + 1 + 2) + targets * (hidden + 1)
    text = "\n".join(each.get_text() for each in plot_network(network).axes[0].texts)
    for shape in (f"{window}, 1", f"{window}, {hidden}", f"{hidden}", f"{targets}"):
        assert f"(batch, {shape})" in text
    for _, name, formula, _ in GATES:
        assert f"{name}: W {hidden} × ({hidden} + 1)\n{formula}" in text
