"""Identity functions of IFTM (Paper B, section VI.A): their settings, and trained models at work on a stream.

A sample is one value per channel. A value that is not finite (NaN, ±inf) is missing: in its place the channel's last
seen value is used, and it does not count in the error. A row without any value is no sample: it has no error, nothing
is learnt from it, and no state changes.

`AutoencoderIdentity` and `LSTMIdentity` train in torch; what they return, `FittedAutoencoder` and `FittedLSTM`, holds
scale and weights and works in numpy, sample by sample: no torch is needed where a model is only used.
"""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from edgeresearch.errors import InputError
from edgeresearch.settings import Section, narrow_seed

Array: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Weights: TypeAlias = Mapping[str, npt.NDArray[Any]]

BLOCK = 128
"""Samples that an LSTM takes at a time, in buffers that stay."""

_add_up: Any = np.add.reduce  # its arguments by position are faster, and unknown to the type checker


class Identity(Protocol):
    """An identity function that can be trained, such as `LSTMIdentity`. IFTM and the experiments need `fit` alone.

    What `fit` returns must have `channels` and `start`; the rest of `FittedIdentity` is for a `ModelStore`. One that
    reconstructs every sample as the training mean:

        class Mean:
            channels = 3
            def fit(self, samples, *, seed, start=None, accelerator="auto"): self.mean = samples.mean(0); return self
            def start(self): return self
            def step(self, sample): return float(abs(sample - self.mean).max())
            def run(self, rows): return np.array([self.step(row) for row in rows])
            def copy(self): return self
    """

    def fit(self, samples: Any, *, seed: int, start: Any = None, accelerator: str = "auto") -> "FittedIdentity":
        """Train on samples in time order and return the fitted model.

        Args:
            samples: `(samples, channels)`; what is not finite is missing.
            seed: Of the first weights and the order of the samples.
            start: A fitted model whose weights are the first ones; fresh ones where None.
            accelerator: Where to train, as Lightning names it: `cpu`, `gpu`, `auto`.
        """


class FittedIdentity(Protocol):
    """A trained identity function, as a `ModelStore` keeps it."""

    kind: ClassVar[str]

    @property
    def channels(self) -> int:
        """Values of a sample."""

    def settings(self) -> dict[str, Any]:
        """Return the hyper-parameters, as JSON can hold them."""

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return every learned array by name."""

    @classmethod
    def restore(cls, settings: Mapping[str, Any], arrays: Weights) -> Self:
        """Make the model again from what `settings` and `arrays` returned; raise `ValueError` if they do not fit."""

    def start(self) -> "Scorer":
        """Begin a stream without history."""


class Scorer(Protocol):
    """What scores the samples of one stream, with the history that it has: a trained identity function, or another."""

    def step(self, sample: Any) -> float:
        """Take the next sample, `(channels,)`, and return its score; NaN for a row without any value."""

    def run(self, rows: Array) -> Array:
        """Take the next samples, `(samples, channels)`, and return the scores that `step` would give."""

    def copy(self) -> Self:
        """Return an independent copy."""


class AutoencoderIdentity(Section):
    """Identity function sample → tanh bottleneck → sample: Paper B's for the air pollution streams.

    Attributes:
        hidden: Width of the bottleneck; half of the channels, rounded up, where None.
        epochs: Passes over the samples.
        batch: Samples in a batch.
        learning_rate: Step of Adam.
    """

    hidden: PositiveInt | None = None
    epochs: PositiveInt = 20
    batch: PositiveInt = 64
    learning_rate: PositiveFloat = 0.01

    def fit(self, samples: Any, *, seed: int, start: Any = None, accelerator: str = "auto") -> "FittedAutoencoder":
        """Train on samples in time order (see `Identity.fit`); scale and weights come from them alone.

        On the CPU the same samples and seed give the same model.

        Raises:
            InputError: There is no sample with a value, or `start` is of another width or kind.
            RunError: The training diverged.
        """
        from edgeresearch.anomaly.training import train_autoencoder

        return _fit(
            FittedAutoencoder, train_autoencoder, self, samples, start, least=1, seed=seed, accelerator=accelerator
        )


class LSTMIdentity(Section):
    """Identity function past samples → LSTM → the next sample: Paper B's for the traffic streams.

    Attributes:
        hidden: Width of the hidden state.
        epochs: Passes over the samples.
        sequence_length: Samples of a training sequence.
        batch: Sequences in a batch.
        warm_up: Samples at the head of a sequence that shape the state but do not count in the loss.
        learning_rate: Step of Adam.
    """

    hidden: PositiveInt = 16
    epochs: PositiveInt = 20
    sequence_length: PositiveInt = 50
    batch: PositiveInt = 4
    warm_up: NonNegativeInt = 5
    learning_rate: PositiveFloat = 0.01

    def fit(self, samples: Any, *, seed: int, start: Any = None, accelerator: str = "auto") -> "FittedLSTM":
        """Train on samples in time order, two or more, as `AutoencoderIdentity.fit` does."""
        from edgeresearch.anomaly.training import train_lstm

        return _fit(FittedLSTM, train_lstm, self, samples, start, least=2, seed=seed, accelerator=accelerator)


def as_samples(X: Any) -> Array:
    """Return samples as floats of shape `(samples, channels)`.

    Raises:
        InputError: They are not numbers in two dimensions, or have no channel.
    """
    try:
        rows = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"samples must be numbers: {error}; drop or convert the column") from None
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise InputError(f"samples have shape {rows.shape}; give rows of samples, one column per channel")
    return rows


def width_error(given: int, channels: int) -> InputError:
    """Return the error that a sample has another number of values than the model has channels."""
    was = f"a sample has {given} values where there were {channels} before"
    return InputError(f"{was}; drop the new ones or train a new model")


def has_value(rows: Array) -> Mask:
    """Tell which rows have a value at all."""
    mask: Mask = reduce(np.logical_or, np.isfinite(rows).T)  # by columns: numpy is slow along short rows
    return mask


def warmed_up(model: FittedIdentity, recent: Array) -> Scorer:
    """Start a model on a stream and let it take recent samples, so that its state is that of the stream.

    Raises:
        InputError: The samples have other channels than the model.
    """
    if recent.shape[1] != model.channels:
        raise width_error(recent.shape[1], model.channels)
    scorer = model.start()
    scorer.run(recent)
    return scorer


@dataclass(frozen=True)
class Scale:
    """Centre and spread of each channel: models see `(sample - centre) / spread`.

    Attributes:
        centre: Mean of the values seen in training; 0 where there is none. Shape `(channels,)`.
        spread: Their standard deviation; 1 where it is 0 (a constant channel) or nothing was seen.
    """

    centre: Array
    spread: Array

    @classmethod
    def fit(cls, rows: Array) -> Self:
        """Learn from training samples alone, `(samples, channels)`."""
        seen = np.isfinite(rows)
        count = np.maximum(seen.sum(axis=0), 1)
        centre = np.where(seen, rows, 0.0).sum(axis=0) / count
        deviation = np.sqrt((np.where(seen, rows - centre, 0.0) ** 2).sum(axis=0) / count)
        negligible = 1e-12 * np.maximum(np.abs(centre), 1.0)
        return cls(centre, np.where(deviation > negligible, deviation, 1.0))

    def apply(self, rows: Array, last: Array) -> tuple[Array, Mask]:
        """Scale samples and fill what is missing.

        Args:
            rows: Samples, each with a value at least in one channel.
            last: Scaled value of each channel before the first sample.

        Returns:
            Scaled samples without gaps, and which values were seen, both `(samples, channels)`.
        """
        seen = np.isfinite(rows)
        with np.errstate(invalid="ignore"):
            scaled = (rows - self.centre) * (1 / self.spread)
        if seen.all():
            return scaled, seen
        newest = np.maximum.accumulate(np.where(seen, np.arange(1, len(rows) + 1)[:, None], 0), axis=0)
        return np.take_along_axis(np.vstack([last, scaled]), newest, axis=0), seen


class StreamingScorer(ABC):
    """Scores a stream by how well each sample is reconstructed: the root mean square of the scaled deviation.

    `_z` holds the scaled sample before, `_new` the one that came; `more` is what else the subclass takes.
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
        return type(self), self._parts, self._memory()

    def __setstate__(self, memory: tuple[Array, ...]) -> None:
        """Take what a stream changed."""
        for own, given in zip(self._memory(), memory, strict=True):
            own[:] = given

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
        from scipy.special import expit  # here: settings stand in this module, and scipy takes long to load

        super().__init__(scale, weights, hidden)
        self._weights, self._width, self._sigmoid = _joined(weights), hidden, expit
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
        """Copy hidden state and memory from a row of one set of buffers to the head of another, or of the same."""
        # A sample's memory never takes the place of the one before: numpy might multiply in another order then.
        target.inputs[0, : self._width] = source.inputs[row, : self._width]
        target.memory[0] = source.memory[row]

    def _advance(self, steps: Sequence[tuple[Any, ...]]) -> None:
        """Take the samples of some steps one after another: the reconstruction, then memory and hidden state anew."""
        weights, squashed = self._weights, self._squashed
        multiply, sigmoid, tanh = np.multiply, self._sigmoid, np.tanh
        for inputs, sums, gates, raw, candidate, memory, keep, after, cell, out, hidden in steps:
            inputs.dot(weights, sums)
            sigmoid(gates, gates)
            tanh(raw, candidate)
            multiply(memory, keep, after)
            tanh(cell, squashed)
            multiply(out, squashed, hidden)


class _Buffers(NamedTuple):
    """What an LSTM works on for some steps: a row for each, and one more of what the last one leaves."""

    inputs: Array  # hidden state, sample, 1
    sums: Array  # forget and input gate by turns, output gate, candidate with the other sign, reconstruction
    memory: npt.NDArray[np.complex128]  # memory, and candidate with the other sign as imaginary part
    steps: list[tuple[Any, ...]]  # views of these for `_advance`: to make them anew would cost as much as to use them


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

    Torch's gates (input, forget, candidate, output) come in the order of `_Buffers`. The head sees no sample.
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
    scorer: ClassVar[type[StreamingScorer]]

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

    def start(self) -> Scorer:
        """Begin a stream without history."""
        return self.scorer(self.scale, self.weights, self.hidden)

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
        known = set(settings) == {"channels", "hidden"}
        if not known or not all(type(size) is int and size > 0 for size in settings.values()):
            raise ValueError(f"settings of a {cls.kind} are positive integers channels and hidden, not {settings}")
        channels, hidden = settings["channels"], settings["hidden"]
        shapes = {**cls.shapes(channels, hidden), "centre": (channels,), "spread": (channels,)}
        given = _shapes(arrays)
        if wrong := sorted(name for name in shapes.keys() | given if shapes.get(name) != given.get(name)):
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
    scorer = StreamingAutoencoder

    @classmethod
    def shapes(cls, channels: int, hidden: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight."""
        return {
            "encoder.weight": (hidden, channels),
            "encoder.bias": (hidden,),
            "decoder.weight": (channels, hidden),
            "decoder.bias": (channels,),
        }


@dataclass(frozen=True)
class FittedLSTM(_FittedNetwork):
    """A fitted LSTM."""

    kind: ClassVar[str] = "lstm"
    scorer = StreamingLSTM

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


Fitted = TypeVar("Fitted", bound=_FittedNetwork)


def _fit(
    kind: type[Fitted],
    train: Callable[..., Weights],
    identity: Section,
    samples: Any,
    start: Any,
    *,
    least: int,
    seed: int,
    **how: Any,
) -> Fitted:
    """Scale the samples that have a value, and train a network on them, from the weights of `start` if there is one."""
    rows = as_samples(samples)
    rows = rows[has_value(rows)]
    if len(rows) < least:
        raise InputError(f"{len(rows)} samples have a value, training needs {least}; wait for more samples")
    settings, channels = dict(identity), rows.shape[1]
    hidden = settings["hidden"] = settings["hidden"] or -(-channels // 2)
    if start is not None and not isinstance(start, kind):
        raise InputError(f"cannot go on from a {type(start).__name__}; give a {kind.__name__} or none")
    if start is not None and _shapes(start.weights) != kind.shapes(channels, hidden):
        was = f"{start.channels} channels and width {start.hidden}"
        raise InputError(f"cannot go on from a model of {was}; train a new one")
    scale, first = Scale.fit(rows), None if start is None else start.weights
    arrays = scale.apply(rows, np.zeros(channels))
    return kind(scale, train(*arrays, **settings, start=first, seed=narrow_seed(seed), **how), hidden)


def _shapes(arrays: Weights) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in arrays.items()}
