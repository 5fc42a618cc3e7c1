"""Identity functions at work on a stream, in numpy, without torch: sample by sample and whole arrays.

Both ways do the very same floating point operations in the same order, so their errors are equal to the last bit: BLAS,
whose sums depend on the shapes, is called with the same shapes in both or not at all.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from edgeresearch.anomaly.samples import Array, Mask, Scale, present, wrong_width
from edgeresearch.errors import InputError

Weights = Mapping[str, npt.NDArray[Any]]

_add_up: Any = np.add.reduce  # its arguments by position are faster, and unknown to the type checker


class State(Protocol):
    """An identity function at work on one stream."""

    def step(self, sample: Any) -> float:
        """Take the next sample, `(channels,)`, and return its error; NaN for a row without any value."""
        ...

    def run(self, rows: Array) -> Array:
        """Take the next samples, `(samples, channels)`, and return the errors that `step` would give."""
        ...

    def copy(self) -> Self:
        """Return an independent twin."""
        ...


class Base(ABC):
    """What both states share: scaling, filling, the error, and copies whose buffers are their own."""

    def __init__(self, scale: Scale, weights: Weights, hidden: int) -> None:
        self._made_of = scale, weights, hidden
        self._scale, self._width = scale, hidden
        self._channels = len(scale.centre)
        self._centre, self._rate = scale.centre, 1 / scale.spread
        self._new, self._residual = np.empty(self._channels), np.empty(self._channels)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle by what the state is made of: its buffers are views of one another."""
        return _restored, (type(self), self._made_of, self._snapshot())

    def copy(self) -> Self:
        """Return an independent twin."""
        twin: Self = _restored(type(self), self._made_of, self._snapshot())
        return twin

    @abstractmethod
    def _snapshot(self) -> Array:
        """Return all that a stream has changed, in one array."""

    @abstractmethod
    def _set(self, snapshot: Array) -> None:
        """Take over a snapshot."""

    def _scaled(self, sample: Any) -> None:
        """Write a scaled sample into `_new`."""
        if len(sample) != self._channels:
            raise InputError(wrong_width(len(sample), self._channels))
        try:
            np.subtract(sample, self._centre, self._new)
        except (TypeError, ValueError) as error:
            raise InputError(f"a sample must be {self._channels} numbers: {error}") from None
        np.multiply(self._new, self._rate, self._new)

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


def _restored(kind: Any, made_of: tuple[Scale, Weights, int], snapshot: Array) -> Any:
    state = kind(*made_of)
    state._set(snapshot)
    return state


class AutoencoderState(Base):
    """An autoencoder at work; it remembers the last value of each channel alone."""

    def __init__(self, scale: Scale, weights: Weights, hidden: int) -> None:
        super().__init__(scale, weights, hidden)
        self._first = _stacked(weights["encoder.bias"], weights["encoder.weight"])
        self._second = _stacked(weights["decoder.bias"], weights["decoder.weight"])
        inputs, inner = np.ones(1 + self._channels), np.ones(1 + hidden)
        self._z, self._input_column = inputs[1:], inputs[:, None]
        self._inner, self._inner_column = inner[1:], inner[:, None]
        self._z[:] = 0.0
        self._sums, self._outputs = np.empty(self._first.shape[1]), np.empty(self._second.shape[1])
        self._activation, self._reconstruction = self._sums[:hidden], self._outputs[: self._channels]
        self._products, self._inner_products = np.empty_like(self._first), np.empty_like(self._second)

    def step(self, sample: Any) -> float:
        """Take the next sample and return its error."""
        self._scaled(sample)
        new, z, missing = self._new, self._z, None
        total = sum(new.tolist())
        if total - total != 0.0:  # a value is not finite
            missing = ~np.isfinite(new)
            if missing.all():
                return math.nan
            np.copyto(new, z, where=missing)
        z[:] = new
        np.multiply(self._input_column, self._first, self._products)
        _add_up(self._products, 0, None, self._sums)
        np.tanh(self._activation, self._inner)
        np.multiply(self._inner_column, self._second, self._inner_products)
        _add_up(self._inner_products, 0, None, self._outputs)
        np.subtract(new, self._reconstruction, self._residual)
        return self._error(missing)

    def run(self, rows: Array) -> Array:
        """Take the next samples and return their errors."""
        there = present(rows)
        errors = np.full(len(rows), np.nan)
        z, seen = self._scale.apply(rows[there], self._z)
        errors[there] = root_mean_square(z - self._reconstructed(z), seen)
        if len(z):
            self._z[:] = z[-1]
        return errors

    def _reconstructed(self, z: Array) -> Array:
        inner = np.tanh(_affine(z, self._first)[:, : self._width])
        return _affine(inner, self._second)[:, : self._channels]

    def _snapshot(self) -> Array:
        return self._z.copy()

    def _set(self, snapshot: Array) -> None:
        self._z[:] = snapshot


class LSTMState(Base):
    """An LSTM at work: hidden state, memory, and the reconstruction of the sample that comes next.

    The gates stand in the order candidate, forget, input, output. σ(x) = (1 + tanh(x/2))/2, so that one tanh serves all
    four: the halves are in the weights. Memory and candidate stand side by side, as do their gates, so that one
    multiplication serves both.
    """

    def __init__(self, scale: Scale, weights: Weights, hidden: int) -> None:
        super().__init__(scale, weights, hidden)
        channels, width = self._channels, hidden
        self._first, self._recurrent = _gates(weights)
        self._second = _stacked(weights["head.bias"], weights["head.weight"])
        inputs, states, memory = np.ones(channels + 1), np.zeros(1 + width), np.zeros(5 * width)
        inputs[:channels], states[0] = 0.0, 1.0
        self._z, self._column = inputs[:channels], inputs[:, None]
        self._hidden, self._hidden_column = states[1:], states[:, None]
        self._cell, self._gates, self._sigmoids = memory[:width], memory[width:], memory[2 * width :]
        self._carried, self._weights = memory[: 2 * width], memory[2 * width : 4 * width]
        self._out, self._scratch = memory[4 * width :], np.empty(2 * width)
        self._kept, self._added = self._scratch[:width], self._scratch[width:]
        self._sums, self._loop = np.empty(4 * width), np.empty(4 * width)
        self._half = np.full(3 * width, 0.5)  # numpy takes twice as long with a number
        self._outputs = np.empty(self._second.shape[1])
        self._next = self._outputs[:channels]
        self._products, self._head_products = np.empty_like(self._first), np.empty_like(self._second)
        self._look_ahead()

    def step(self, sample: Any) -> float:
        """Take the next sample and return its error."""
        self._scaled(sample)
        new, z, missing = self._new, self._z, None
        total = sum(new.tolist())
        if total - total != 0.0:  # a value is not finite
            missing = ~np.isfinite(new)
            if missing.all():
                return math.nan
            np.copyto(new, z, where=missing)
        np.subtract(new, self._next, self._residual)
        z[:] = new
        np.multiply(self._column, self._first, self._products)
        _add_up(self._products, 0, None, self._sums)
        self._advance(self._sums, self._hidden, self._hidden)
        self._look_ahead()
        return self._error(missing)

    def _advance(self, inputs: Array, before: Array, after: Array) -> None:
        """Renew the memory, and the hidden state from `before` into `after`.

        Args:
            inputs: The part of the gates' sums that comes from a sample.
            before: Hidden state of the sample before.
            after: Where the new one goes; may be the same array.
        """
        gates, sigmoids, half, loop, cell = self._gates, self._sigmoids, self._half, self._loop, self._cell
        np.dot(before, self._recurrent, loop)
        np.add(inputs, loop, gates)
        np.tanh(gates, gates)
        np.multiply(sigmoids, half, sigmoids)
        np.add(sigmoids, half, sigmoids)
        np.multiply(self._carried, self._weights, self._scratch)
        np.add(self._kept, self._added, cell)
        np.tanh(cell, self._added)
        np.multiply(self._out, self._added, after)

    def _look_ahead(self) -> None:
        np.multiply(self._hidden_column, self._second, self._head_products)
        _add_up(self._head_products, 0, None, self._outputs)

    def run(self, rows: Array) -> Array:
        """Take the next samples and return their errors."""
        there = present(rows)
        errors = np.full(len(rows), np.nan)
        z, seen = self._scale.apply(rows[there], self._z)
        if len(z):
            hidden = self._states(z)
            expected = _affine(hidden, self._second)[:, : self._channels]
            residual = z - np.vstack([self._next, expected[:-1]])
            errors[there] = root_mean_square(residual, seen)
            self._z[:], self._next[:] = z[-1], expected[-1]
        return errors

    def _states(self, z: Array) -> Array:
        """Advance over scaled samples; return the hidden state after each, `(samples, hidden)`."""
        states = np.empty((len(z), self._width))
        before = self._hidden
        for inputs, after in zip(_affine_last(z, self._first), states, strict=True):
            self._advance(inputs, before, after)
            before = after
        self._hidden[:] = before
        return states

    def _snapshot(self) -> Array:
        return np.concatenate([self._z, self._next, self._hidden, self._cell])

    def _set(self, snapshot: Array) -> None:
        d, width = self._channels, self._width
        parts = np.split(snapshot, [d, 2 * d, 2 * d + width])
        for own, part in zip((self._z, self._next, self._hidden, self._cell), parts, strict=True):
            own[:] = part


def root_mean_square(residual: Array, seen: Mask) -> Array:
    """Return the error of each sample from its scaled deviations, over the channels seen."""
    total = np.zeros(len(residual))
    for deviation, there in zip(residual.T, seen.T, strict=True):
        total += np.where(there, deviation * deviation, 0.0)
    error: Array = np.sqrt(total / seen.sum(axis=1))
    return error


def _stacked(bias: npt.NDArray[Any], weight: npt.NDArray[Any]) -> Array:
    """Bias and weights of a layer for an input with a leading 1: `(1 + inputs, at least 2 outputs)`.

    Numpy adds up a single column pairwise, and so it does columns that lie one behind the other in memory; other ones
    row by row as `_affine` does. Hence a second column of zeros, and the order in memory.
    """
    stacked = np.vstack([bias, weight.T]).astype(np.float64)
    return np.ascontiguousarray(stacked if stacked.shape[1] > 1 else np.hstack([stacked, np.zeros_like(stacked)]))


def _gates(weights: Weights) -> tuple[Array, Array]:
    """Weights of the gates: `(channels + 1, 4 · width)` for sample and 1, `(width, 4 · width)` for the hidden state."""
    bias = weights["lstm.bias_ih_l0"].astype(np.float64) + weights["lstm.bias_hh_l0"]
    return _ordered(np.vstack([weights["lstm.weight_ih_l0"].T, bias])), _ordered(weights["lstm.weight_hh_l0"].T)


def _ordered(stacked: npt.NDArray[Any]) -> Array:
    """Put torch's gates (input, forget, candidate, output) into the order of `LSTMState`, halves included."""
    i, f, g, o = np.split(stacked.astype(np.float64), 4, axis=1)
    return np.ascontiguousarray(np.hstack([g, f * 0.5, i * 0.5, o * 0.5]))


def _affine(inputs: Array, stacked: Array) -> Array:
    """Apply a layer of `_stacked` to `(samples, inputs)`, adding up in the order of the rows."""
    return _added(np.broadcast_to(stacked[0], (len(inputs), stacked.shape[1])).copy(), inputs, stacked[1:])


def _affine_last(inputs: Array, stacked: Array) -> Array:
    """Apply a layer whose bias stands in the last row."""
    sums = _added(inputs[:, :1] * stacked[0], inputs[:, 1:], stacked[1:-1])
    sums += stacked[-1]
    return sums


def _added(sums: Array, inputs: Array, rows: Array) -> Array:
    for column, weights in zip(inputs.T, rows, strict=True):
        sums += column[:, None] * weights
    return sums
