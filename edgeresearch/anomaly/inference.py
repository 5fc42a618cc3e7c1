"""Trained identity functions in numpy, sample by sample: no torch is needed where a model is only used.

`FittedAutoencoder` and `FittedLSTM` hold scale and weights; `start` makes the scorer of one stream.
"""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from edgeresearch.anomaly.base import Array, Mask, Scale, Scorer, Weights, has_value, width_error
from edgeresearch.errors import InputError

BLOCK = 128
"""Samples that an LSTM takes at a time, in buffers that stay."""

_add_up: Any = np.add.reduce  # its arguments by position are faster, and unknown to the type checker


class StreamingScorer(ABC):
    """Scores a stream by how well each sample is reconstructed: the root mean square of the scaled deviation.

    `_z` holds the scaled sample before, `_new` the one that came.

    Args:
        scale: Of the channels.
        *more: What else the subclass takes.
    """

    def __init__(self, scale: Scale, *more: Any) -> None:
        self._parts = scale, *more
        self._scale = scale
        self._channels = len(scale.centre)
        self._centre, self._rate = scale.centre, 1 / scale.spread
        self._new, self._residual = np.empty(self._channels), np.empty(self._channels)
        self._z = np.zeros(self._channels)

    def step(self, sample: Any) -> float:
        """Take the next sample and return its error."""
        if len(sample) != self._channels:
            raise width_error(len(sample), self._channels)
        new, missing = self._new, None
        try:
            np.subtract(sample, self._centre, new)
        except (TypeError, ValueError) as error:
            raise InputError(f"a sample must be {self._channels} numbers: {error}") from None
        np.multiply(new, self._rate, new)
        total = sum(new.tolist())
        if total - total != 0.0:  # a value is not finite
            missing = ~np.isfinite(new)
            if missing.all():
                return math.nan
            np.copyto(new, self._z, where=missing)
        self._advance_one()
        return self._error(missing)

    def run(self, rows: Array) -> Array:
        """Take the next samples and return their errors."""
        if rows.shape[1] != self._channels:
            raise width_error(rows.shape[1], self._channels)
        there = has_value(rows)
        errors = np.full(len(rows), np.nan)
        z, seen = self._scale.apply(rows if there.all() else rows[there], self._z)
        if len(z):
            errors[there] = root_mean_square(self._residuals(z), seen)
            self._z[:] = z[-1]
        return errors

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle by the parts and what the stream changed: the buffers are views of one another."""
        return type(self), self._parts, np.concatenate(self._memory())

    def __setstate__(self, memory: Array) -> None:
        """Take what a stream changed."""
        begin = 0
        for own in self._memory():
            own[:] = memory[begin : begin + len(own)]
            begin += len(own)

    def copy(self) -> Self:
        """Return an independent copy."""
        return copy.copy(self)

    @abstractmethod
    def _advance_one(self) -> None:
        """Write the deviation of `_new` from its reconstruction into `_residual`; then `_z` is `_new`."""

    @abstractmethod
    def _residuals(self, z: Array) -> Array:
        """Take scaled samples, at least one, and return their deviations from their reconstructions."""

    def _memory(self) -> tuple[Array, ...]:
        """Return the arrays that a stream changes."""
        return (self._z,)

    def _error(self, missing: Mask | None) -> float:
        """Root mean square of `_residual` over the channels seen."""
        total = 0.0
        if missing is None:
            for deviation in self._residual.tolist():
                total += deviation * deviation
            return math.sqrt(total / self._channels)
        for deviation, gone in zip(self._residual.tolist(), missing.tolist(), strict=True):
            total += 0.0 if gone else deviation * deviation
        return math.sqrt(total / (self._channels - int(missing.sum())))


class StreamingAutoencoder(StreamingScorer):
    """An autoencoder at work; it remembers the last value of each channel alone."""

    def __init__(self, scale: Scale, weights: Weights, hidden: int) -> None:
        super().__init__(scale, weights, hidden)
        self._width = hidden
        self._first = _stacked(weights["encoder.bias"], weights["encoder.weight"])
        self._second = _stacked(weights["decoder.bias"], weights["decoder.weight"])
        inputs, inner = np.ones(1 + self._channels), np.ones(1 + hidden)
        self._z, self._input_column = inputs[1:], inputs[:, None]
        self._inner, self._inner_column = inner[1:], inner[:, None]
        self._z[:] = 0.0
        self._sums, self._outputs = np.empty(self._first.shape[1]), np.empty(self._second.shape[1])
        self._activation, self._reconstruction = self._sums[:hidden], self._outputs[: self._channels]
        self._products, self._inner_products = np.empty_like(self._first), np.empty_like(self._second)

    def _advance_one(self) -> None:
        self._z[:] = self._new
        np.multiply(self._input_column, self._first, self._products)
        _add_up(self._products, 0, None, self._sums)
        np.tanh(self._activation, self._inner)
        np.multiply(self._inner_column, self._second, self._inner_products)
        _add_up(self._inner_products, 0, None, self._outputs)
        np.subtract(self._new, self._reconstruction, self._residual)

    def _residuals(self, z: Array) -> Array:
        inner = np.tanh(_affine(z, self._first)[:, : self._width])
        residual: Array = z - _affine(inner, self._second)[:, : self._channels]
        return residual


class StreamingLSTM(StreamingScorer):
    """An LSTM at work: one product per sample gives all gates, and the sample's reconstruction from those before it.

    Memory c and candidate g are parts of a complex number, as are forget gate f and input gate i: the real part of
    (c - jg) (f + ji) is the new memory, f c + i g.
    """

    def __init__(self, scale: Scale, weights: Weights, hidden: int) -> None:
        super().__init__(scale, weights, hidden)
        self._weights, self._width = _joined(weights), hidden
        self._squashed = np.empty(hidden)
        self._one = _buffers(hidden, self._channels, 1)
        self._hidden, self._z = self._one.inputs[0, :hidden], self._one.inputs[0, hidden:-1]
        self._cell, self._next = self._one.memory[0].real, self._one.sums[0, 4 * hidden :]

    def _memory(self) -> tuple[Array, ...]:
        return self._z, self._hidden, self._cell

    def _advance_one(self) -> None:
        self._z[:] = self._new
        self._advance(self._one.steps)
        np.subtract(self._new, self._next, self._residual)
        self._carry(self._one, 1, self._one)

    def _residuals(self, z: Array) -> Array:
        count = min(BLOCK, len(z))
        block = _buffers(self._width, self._channels, count)
        self._carry(self._one, 0, block)
        residual = np.empty_like(z)
        for begin in range(0, len(z), count):
            part = z[begin : begin + count]
            end = len(part)
            block.inputs[:end, self._width : -1] = part
            self._advance(block.steps[:end])
            np.subtract(part, block.sums[:end, 4 * self._width :], residual[begin : begin + end])
            self._carry(block, end, block)
        self._carry(block, 0, self._one)
        return residual

    def _carry(self, source: "_Buffers", row: int, target: "_Buffers") -> None:
        """Copy hidden state and memory from a row of one set of buffers to the head of another, or of the same.

        A sample's memory never takes the place of the one before: numpy might multiply in another order then.
        """
        target.inputs[0, : self._width] = source.inputs[row, : self._width]
        target.memory[0] = source.memory[row]

    def _advance(self, steps: Sequence[tuple[Any, ...]]) -> None:
        """Take the samples of some steps one after another: the reconstruction, then memory and hidden state anew."""
        weights, squashed = self._weights, self._squashed
        multiply, sigmoid, tanh = np.multiply, expit, np.tanh
        for inputs, sums, gates, raw, candidate, memory, keep, after, cell, out, hidden in steps:
            inputs.dot(weights, sums)
            sigmoid(gates, gates)
            tanh(raw, candidate)
            multiply(memory, keep, after)
            tanh(cell, squashed)
            multiply(out, squashed, hidden)


class _Buffers(NamedTuple):
    """What an LSTM works on for some steps: a row for each, and one more of what the last one leaves.

    Attributes:
        inputs: Hidden state, sample, 1.
        sums: Forget and input gate by turns, output gate, candidate with the other sign, reconstruction.
        memory: Memory, and candidate with the other sign as imaginary part.
        steps: Views of these that `StreamingLSTM._advance` takes: to make them anew would cost as much as to use them.
    """

    inputs: Array
    sums: Array
    memory: npt.NDArray[np.complex128]
    steps: list[tuple[Any, ...]]


def _buffers(width: int, channels: int, count: int) -> _Buffers:
    inputs = np.ones((count + 1, width + channels + 1))
    inputs[0, :-1] = 0.0
    sums, memory = np.zeros((count, 4 * width + channels)), np.zeros((count + 1, width), dtype=np.complex128)
    gates, out, raw = sums[:, : 3 * width], sums[:, 2 * width : 3 * width], sums[:, 3 * width : 4 * width]
    keep, after, hidden = sums[:, : 2 * width].view(np.complex128), memory[1:], inputs[1:, :width]
    parts = (inputs[:-1], sums, gates, raw, memory.imag[:-1], memory[:-1], keep, after, after.real, out, hidden)
    return _Buffers(inputs, sums, memory, list(zip(*parts, strict=True)))


def root_mean_square(residual: Array, seen: Mask) -> Array:
    """Return the error of each sample from its scaled deviations, over the channels seen."""
    total, count = np.zeros(len(residual)), np.zeros(len(residual))
    for deviation, there in zip(residual.T, seen.T, strict=True):
        total += np.where(there, deviation * deviation, 0.0)
        count += there
    error: Array = np.sqrt(total / count)
    return error


def _stacked(bias: npt.NDArray[Any], weight: npt.NDArray[Any]) -> Array:
    """Bias and weights of a layer for an input with a leading 1: `(1 + inputs, at least 2 outputs)`.

    Numpy adds up a single column pairwise, and so it does columns that lie one behind the other in memory; other ones
    row by row as `_affine` does. Hence a second column of zeros, and the order in memory.
    """
    stacked = np.vstack([bias, weight.T]).astype(np.float64)
    return np.ascontiguousarray(stacked if stacked.shape[1] > 1 else np.hstack([stacked, np.zeros_like(stacked)]))


def _affine(inputs: Array, stacked: Array) -> Array:
    """Apply a layer of `_stacked` to `(samples, inputs)`, adding up in the order of the rows."""
    sums = np.broadcast_to(stacked[0], (len(inputs), stacked.shape[1])).copy()
    for column, weights in zip(inputs.T, stacked[1:], strict=True):
        sums += column[:, None] * weights
    return sums


def _joined(weights: Weights) -> Array:
    """Weights of an LSTM and of its head in one: `(hidden state + channels + 1, 4 · width + channels)`.

    Torch's gates (input, forget, candidate, output) come in the order of `_Buffers.sums`. The head sees the hidden
    state and the 1 alone.
    """
    bias = weights["lstm.bias_ih_l0"].astype(np.float64) + weights["lstm.bias_hh_l0"]
    stacked = np.vstack([weights["lstm.weight_hh_l0"].T, weights["lstm.weight_ih_l0"].T, bias]).astype(np.float64)
    i, f, g, o = np.split(stacked, 4, axis=1)
    turns = np.stack([f, i], axis=2).reshape(len(stacked), -1)
    head = weights["head.weight"]
    blind = np.zeros((len(head), len(head)))
    return np.hstack([turns, o, -g, np.vstack([head.T, blind, weights["head.bias"]])])


@dataclass(frozen=True)
class _FittedNetwork(ABC):
    """What both trained networks have.

    Attributes:
        scale: Of the channels.
        weights: Of the torch module, by their names there, in single precision.
        hidden: Width of the hidden layer or state.
    """

    scale: Scale
    weights: Weights
    hidden: int

    kind: ClassVar[str]

    @property
    def channels(self) -> int:
        """Values of a sample."""
        return len(self.scale.centre)

    def settings(self) -> dict[str, Any]:
        """Return the hyper-parameters."""
        return {"channels": self.channels, "hidden": self.hidden}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return weights and scale by name."""
        return {**self.weights, "centre": self.scale.centre, "spread": self.scale.spread}

    @classmethod
    @abstractmethod
    def shapes(cls, channels: int, hidden: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight."""

    @classmethod
    def restore(cls, settings: Mapping[str, Any], arrays: Weights) -> Self:
        """Make the model from settings and arrays.

        Raises:
            ValueError: They do not fit together, or an array holds something else than finite numbers.
        """
        if set(settings) != {"channels", "hidden"} or not all(
            type(value) is int and value > 0 for value in settings.values()
        ):
            raise ValueError(f"settings of a {cls.kind} are positive integers channels and hidden, not {settings}")
        channels, hidden = settings["channels"], settings["hidden"]
        shapes = {**cls.shapes(channels, hidden), "centre": (channels,), "spread": (channels,)}
        given = {name: array.shape for name, array in arrays.items()}
        wrong = sorted(name for name in shapes.keys() | given if shapes.get(name) != given.get(name))
        if wrong:
            raise ValueError(f"arrays missing, unknown or of another shape: {', '.join(wrong)}")
        if not all(array.dtype.kind == "f" and np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("an array holds something else than finite numbers")
        scale = Scale(arrays["centre"].astype(np.float64), arrays["spread"].astype(np.float64))
        if not (scale.spread > 0).all():
            raise ValueError("a spread is not positive")
        return cls(scale, {name: arrays[name] for name in cls.shapes(channels, hidden)}, hidden)


@dataclass(frozen=True)
class FittedAutoencoder(_FittedNetwork):
    """A fitted autoencoder."""

    kind: ClassVar[str] = "autoencoder"

    @classmethod
    def shapes(cls, channels: int, hidden: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight."""
        return {
            "encoder.weight": (hidden, channels),
            "encoder.bias": (hidden,),
            "decoder.weight": (channels, hidden),
            "decoder.bias": (channels,),
        }

    def start(self) -> Scorer:
        """Begin a stream without history."""
        return StreamingAutoencoder(self.scale, self.weights, self.hidden)


@dataclass(frozen=True)
class FittedLSTM(_FittedNetwork):
    """A fitted LSTM."""

    kind: ClassVar[str] = "lstm"

    @classmethod
    def shapes(cls, channels: int, hidden: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight."""
        return {
            "lstm.weight_ih_l0": (4 * hidden, channels),
            "lstm.weight_hh_l0": (4 * hidden, hidden),
            "lstm.bias_ih_l0": (4 * hidden,),
            "lstm.bias_hh_l0": (4 * hidden,),
            "head.weight": (channels, hidden),
            "head.bias": (channels,),
        }

    def start(self) -> Scorer:
        """Begin a stream without history."""
        return StreamingLSTM(self.scale, self.weights, self.hidden)
