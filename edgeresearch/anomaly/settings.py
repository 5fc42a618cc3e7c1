"""Settings of anomaly detection; importing them loads neither numpy nor torch."""

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from edgeresearch.settings import Fraction, Section

if TYPE_CHECKING:
    from edgeresearch.anomaly.inference import FittedAutoencoder, FittedLSTM
    from edgeresearch.anomaly.thresholds import MovingState, QuantileState

LONGEST_EVENT = 48
"""Samples of the longest anomaly that is injected."""


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

    def fit(
        self, samples: Any, *, seed: int, start: "FittedAutoencoder | None" = None, accelerator: str = "auto"
    ) -> "FittedAutoencoder":
        """Train on samples in time order: `edgeresearch.anomaly.training.fit_autoencoder`."""
        from edgeresearch.anomaly.training import fit_autoencoder

        return fit_autoencoder(self, samples, seed=seed, start=start, accelerator=accelerator)


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

    def fit(
        self, samples: Any, *, seed: int, start: "FittedLSTM | None" = None, accelerator: str = "auto"
    ) -> "FittedLSTM":
        """Train on samples in time order: `edgeresearch.anomaly.training.fit_lstm`."""
        from edgeresearch.anomaly.training import fit_lstm

        return fit_lstm(self, samples, seed=seed, start=start, accelerator=accelerator)


class FixedThreshold(Section):
    """The same threshold for ever: a score above the level is an alarm. It is its own state."""

    level: float

    def start(self) -> Self:
        """Begin a stream."""
        return self

    def update(self, score: float) -> None:
        """Learn nothing."""


class MovingThreshold(Section):
    """Exponential moving mean + k standard deviations of the past scores.

    Attributes:
        k: Standard deviations above the mean.
        memory: Scores over which mean and deviation forget; the first ones are weighted equally.
        warm_up: Scores before the first that can be an alarm.
        clip: Whether a score above the threshold counts as the threshold, so that an anomaly does not hide the next
            one. The threshold still follows scores that stay high.
        floor: Least standard deviation, relative to 1 + mean: without it a constant stream would alarm on rounding.
    """

    k: NonNegativeFloat = 4.0
    memory: Annotated[float, Field(ge=1)] = 300.0
    warm_up: PositiveInt = 30
    clip: bool = True
    floor: NonNegativeFloat = 1e-6

    def start(self) -> "MovingState":
        """Begin a stream without history."""
        from edgeresearch.anomaly.thresholds import MovingState

        return MovingState(self)


class QuantileThreshold(Section):
    """A multiple of a high quantile of the past scores, estimated by P² sketches of five numbers each.

    P² alone remembers everything equally; so that the threshold adapts, two sketches work half a window apart: the
    older one decides, and after `window` scores the younger one takes its place.

    Attributes:
        quantile: Share of the scores that lie below it.
        factor: The threshold is so many times the quantile.
        window: Scores that a sketch takes, at least twice the warm-up.
        warm_up: Scores before the first that can be an alarm, at least five.
        floor: Added to the threshold: without it a constant stream would alarm on rounding.
    """

    quantile: Fraction = 0.99
    factor: PositiveFloat = 1.5
    window: PositiveInt = 1000
    warm_up: Annotated[int, Field(ge=5)] = 100
    floor: NonNegativeFloat = 1e-6

    @model_validator(mode="after")
    def _window_holds_two_warm_ups(self) -> Self:
        if self.window < 2 * self.warm_up:
            raise ValueError(f"window is {self.window}; give at least twice the warm-up")
        return self

    def start(self) -> "QuantileState":
        """Begin a stream without history."""
        from edgeresearch.anomaly.thresholds import QuantileState

        return QuantileState(self)


class Injection(Section):
    """How many anomalies are injected into a stream, and how large they are.

    Attributes:
        spacing: Samples for each event.
        smallest: Size in standard deviations of the channel, at least.
        largest: The same, at most.
    """

    spacing: Annotated[int, Field(ge=LONGEST_EVENT + 2)] = 150
    smallest: PositiveFloat = 2.0
    largest: PositiveFloat = 5.0

    @model_validator(mode="after")
    def _sizes_ascend(self) -> Self:
        if self.smallest > self.largest:
            raise ValueError(f"smallest is {self.smallest:g}, above largest, {self.largest:g}; give a larger one")
        return self


class Schedule(Section):
    """When models are trained (Paper B, section VI.C). Rows without any value do not count.

    Attributes:
        train: Samples of the first training, and newest samples of every later one.
        every: Samples after which a new training is due; None for never.
    """

    train: Annotated[int, Field(ge=2)] = 1000
    every: Annotated[int, Field(ge=2)] | None = 1000
