"""Fitted identity functions: scale and weights as plain arrays, without torch, as the repository stores them.

The error of a sample is the root mean square of its scaled deviation from the reconstruction, over the channels seen.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from edgeresearch.anomaly.samples import Scale
from edgeresearch.anomaly.state import AutoencoderState, LSTMState, State, Weights


class Model(Protocol):
    """A fitted identity function, as the repository stores it. Users may add their own."""

    kind: ClassVar[str]

    @property
    def channels(self) -> int:
        """Values of a sample."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return the hyper-parameters: what JSON can hold."""
        ...

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return every learned array by name."""
        ...

    @classmethod
    def restore(cls, settings: Mapping[str, Any], arrays: Weights) -> Self:
        """Make the model again from what `settings` and `arrays` returned; raise `ValueError` if they do not fit."""
        ...

    def start(self) -> State:
        """Begin a stream without history."""
        ...


@dataclass(frozen=True)
class _Network(ABC):
    """What both models are made of.

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
        found = {name: array.shape for name, array in arrays.items()}
        wrong = sorted(name for name in shapes.keys() | found if shapes.get(name) != found.get(name))
        if wrong:
            raise ValueError(f"arrays missing, unknown or of another shape: {', '.join(wrong)}")
        if not all(array.dtype.kind == "f" and np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("an array holds something else than finite numbers")
        scale = Scale(arrays["centre"].astype(np.float64), arrays["spread"].astype(np.float64))
        if not (scale.spread > 0).all():
            raise ValueError("a spread is not positive")
        return cls(scale, {name: arrays[name] for name in cls.shapes(channels, hidden)}, hidden)


@dataclass(frozen=True)
class Autoencoded(_Network):
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

    def start(self) -> AutoencoderState:
        """Begin a stream without history."""
        return AutoencoderState(self.scale, self.weights, self.hidden)


@dataclass(frozen=True)
class Recurrent(_Network):
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

    def start(self) -> LSTMState:
        """Begin a stream without history."""
        return LSTMState(self.scale, self.weights, self.hidden)
