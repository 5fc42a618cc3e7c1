"""The LSTM cell in numpy, double precision, several members at once: one step of it costs microseconds."""

from dataclasses import dataclass

import numpy as np

from edgeresearch.forecast.modules import SequenceLSTM
from edgeresearch.forecast.protocol import Array


@dataclass(frozen=True)
class Cell:
    """Stacked weights of several LSTMs with one head each, for inference.

    The gates stand in the order input, forget, output, candidate (Paper A, section 3: i, f, o, C'). σ(x) = (1 +
    tanh(x/2))/2, so that one tanh serves all four: the halves are in the weights.

    Attributes:
        inputs: `(features, members · 4 · hidden)`.
        recurrent: `(members, hidden, 4 · hidden)`.
        bias: `(members · 4 · hidden,)`.
        head: `(members · hidden, targets)`, divided by the number of members: the forecast is their mean.
        head_bias: `(targets,)`.
    """

    inputs: Array
    recurrent: Array
    bias: Array
    head: Array
    head_bias: Array

    def start(self) -> tuple[Array, Array]:
        """Return the hidden state and the memory before the first step, each `(members, 1, hidden)`."""
        members, hidden, _ = self.recurrent.shape
        return np.zeros((members, 1, hidden)), np.zeros((members, 1, hidden))

    def step(self, projected: Array, hidden: Array, memory: Array) -> tuple[Array, Array]:
        """Advance by one step.

        Args:
            projected: `(members, 1, 4 · hidden)`, the step's features times `inputs` plus `bias`.
            hidden: Hidden state h of the step before.
            memory: Memory C of the step before.

        Returns:
            The new hidden state and memory.
        """
        width = hidden.shape[2]
        gates = np.tanh(projected + hidden @ self.recurrent)
        sigmoid = gates[:, :, : 3 * width] * 0.5 + 0.5
        memory = sigmoid[:, :, width : 2 * width] * memory + sigmoid[:, :, :width] * gates[:, :, 3 * width :]
        return sigmoid[:, :, 2 * width :] * np.tanh(memory), memory

    def run(self, features: Array) -> Array:
        """Forecast at every step of a sequence without a past: `(steps, features)` → `(steps, targets)`."""
        members, width, gates = self.recurrent.shape
        projected = (features @ self.inputs + self.bias).reshape(len(features), members, 1, gates)
        hidden, memory = self.start()
        outputs = np.empty((len(features), members * width))
        for step, inputs in enumerate(projected):
            hidden, memory = self.step(inputs, hidden, memory)
            outputs[step] = hidden.ravel()
        return outputs @ self.head + self.head_bias


def stack(module: SequenceLSTM) -> Cell:
    """Take the weights of a trained module; the members' mean is the forecast."""
    order, halves = [0, 1, 3, 2], np.array([0.5, 0.5, 0.5, 1.0])
    weights = {name: tensor.detach().cpu().numpy().astype(np.float64) for name, tensor in module.state_dict().items()}
    members, width = len(module.lstms), weights["heads.0.weight"].shape[1]
    scale = np.repeat(halves, width)
    rows = np.concatenate([np.arange(gate * width, (gate + 1) * width) for gate in order])
    inputs, recurrent, bias = [], [], []
    for k in range(members):
        inputs.append((weights[f"lstms.{k}.weight_ih_l0"][rows] * scale[:, None]).T)
        recurrent.append((weights[f"lstms.{k}.weight_hh_l0"][rows] * scale[:, None]).T)
        bias.append((weights[f"lstms.{k}.bias_ih_l0"] + weights[f"lstms.{k}.bias_hh_l0"])[rows] * scale)
    return Cell(
        inputs=np.ascontiguousarray(np.concatenate(inputs, axis=1)),
        recurrent=np.ascontiguousarray(np.stack(recurrent)),
        bias=np.concatenate(bias),
        head=np.concatenate([weights[f"heads.{k}.weight"].T for k in range(members)]) / members,
        head_bias=np.mean([weights[f"heads.{k}.bias"] for k in range(members)], axis=0),
    )
