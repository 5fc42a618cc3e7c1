"""Paper A, Fig. 1: the architecture, measured on the network that is really trained."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from edgeresearch.plotting import style

GATES = (
    ("f", "forget gate", "$f_t = \\sigma(W_f\\,[h_{t-1}, x_t] + b_f)$", style.BLUE),
    ("i", "input gate", "$i_t = \\sigma(W_i\\,[h_{t-1}, x_t] + b_i)$", style.GREEN),
    ("C'", "candidate", "$C'_t = \\tanh(W_C\\,[h_{t-1}, x_t] + b_C)$", style.ORANGE),
    ("o", "output gate", "$o_t = \\sigma(W_o\\,[h_{t-1}, x_t] + b_o)$", style.PINK),
)
"""The gates in the order of Paper A, section 3: symbol, name, formula, colour."""

STATES = "$C_t = f_t \\cdot C_{t-1} + i_t \\cdot C'_t$\n$h_t = o_t \\cdot \\tanh(C_t)$"


def measure_network(*, window: int, hidden: int, targets: int, batch: int) -> dict[str, Any]:
    """Send one batch through Paper A's network and record the shapes of what passes.

    Args:
        window: Past values that it sees.
        hidden: Width of the hidden state.
        targets: Horizons that it forecasts.
        batch: Windows in the batch.

    Returns:
        `tensors`: shapes by name: window, states (the hidden state at every step), last (the one that the linear layer
        reads), forecast. `weights`: shapes by the names in the module. `trainable`: how many numbers they are.
    """
    import torch

    from edgeresearch.nn import WindowLSTM

    module = WindowLSTM(hidden, targets, 1e-3, torch.Generator().manual_seed(0))
    shapes: dict[str, list[int]] = {}

    def record_lstm(_: Any, inputs: tuple[torch.Tensor, ...], outputs: Any) -> None:
        shapes["window"], shapes["states"] = list(inputs[0].shape), list(outputs[0].shape)

    def record_head(_: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        shapes["last"], shapes["forecast"] = list(inputs[0].shape), list(output.shape)

    module.lstm.register_forward_hook(record_lstm)
    module.head.register_forward_hook(record_head)
    with torch.inference_mode():
        module(torch.zeros(batch, window, 1))
    weights = {name: list(weight.shape) for name, weight in module.named_parameters()}
    return {"tensors": shapes, "weights": weights, "trainable": sum(weight.numel() for weight in module.parameters())}


@style.styled
def plot_network(network: Mapping[str, Any]) -> Figure:
    """Draw Paper A, Fig. 1, from the shapes that `measure_network` returns."""
    figure, (axes,) = style.canvas(size=(10.5, 4.6))
    axes.set(xlim=(0, 105), ylim=(0, 46))
    axes.axis("off")
    tensors, weights = network["tensors"], network["weights"]
    steps, head = tensors["window"][1], weights["head.weight"]
    window = f"window of past\nQPS\n{_shape(tensors['window'])}\n$x_1 \\ldots x_{{{steps}}}$"
    _draw_box(axes, (1, 15, 15, 14), window, style.GREY)
    _draw_cell(axes, weights, tensors["states"])
    last = f"last hidden\nstate $h_{{{steps}}}$\n{_shape(tensors['last'])}"
    _draw_box(axes, (70, 15, 14, 14), last, style.GREY)
    linear = f"linear layer\n{head[1]} → {head[0]}\nforecast\n{_shape(tensors['forecast'])}"
    _draw_box(axes, (88.5, 15, 15.5, 14), linear, style.SKY)
    arrow = {"arrowstyle": "-|>", "color": style.INK, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.4}
    for start, end in ((16, 20), (66, 70), (84, 88.5)):
        axes.annotate("", (end, 22), (start, 22), arrowprops=arrow)
    numbers = f"{network['trainable']:,} trainable numbers; trained on the mean squared error"
    axes.text(52.5, 1.2, numbers, ha="center", fontsize=9.5, color=style.INK)
    figure.suptitle("Paper A, Fig. 1: architecture of the LSTM, with the shapes of the tensors that pass through it")
    return figure


def _draw_cell(axes: Axes, weights: Mapping[str, list[int]], states: list[int]) -> None:
    _draw_frame(axes, (20, 6, 46, 36), style.INK, alpha=0.0)
    heading = f"LSTM, one step per value → {_shape(states)}"
    axes.text(43, 39.6, heading, ha="center", va="center", fontsize=10, weight="bold")
    rows, width = weights["lstm.weight_ih_l0"][0] // len(GATES), weights["lstm.weight_hh_l0"][1]
    inputs = weights["lstm.weight_ih_l0"][1]
    for place, (_, name, formula, colour) in enumerate(GATES):
        left, bottom = 22 + 21.5 * (place % 2), 27.5 - 9.5 * (place // 2)
        text = f"{name}: W {rows} × ({width} + {inputs})\n{formula}"
        _draw_box(axes, (left, bottom, 20.5, 8.5), text, colour, size=9)
    _draw_box(axes, (22, 8, 42, 8), STATES, style.GREY, size=10)


def _shape(shape: list[int]) -> str:
    return f"(batch, {', '.join(map(str, shape[1:]))})"


def _draw_frame(axes: Axes, place: tuple[float, float, float, float], colour: str, alpha: float) -> None:
    left, bottom, width, height = place
    box: Any = {"boxstyle": "round,pad=0,rounding_size=1.2", "linewidth": 1.3, "edgecolor": colour}
    axes.add_patch(FancyBboxPatch((left, bottom), width, height, facecolor=(*to_rgb(colour), alpha), **box))


def _draw_box(axes: Axes, place: tuple[float, float, float, float], text: str, colour: str, size: float = 9.5) -> None:
    _draw_frame(axes, place, colour, alpha=0.18)
    left, bottom, width, height = place
    look: Any = {"ha": "center", "va": "center", "fontsize": size, "color": style.INK, "linespacing": 1.5}
    axes.text(left + width / 2, bottom + height / 2, text, **look)
