"""Settings of the forecasters and of how they are compared; the defaults are those of the study."""

from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from edgeresearch.data.registry import TraceName, Traces
from edgeresearch.settings import Counts, Fraction, Section, each_once

ModelName = Literal[
    "random_forest",
    "ridge",
    "logistic",
    "xgboost",
    "lstm_paper",
    "last_value",
    "seasonal_naive",
    "ridge_calendar",
    "xgboost_calendar",
    "lstm",
    "lstm_huber",
]
Models = Annotated[tuple[ModelName, ...], AfterValidator(each_once)]


class BootstrapSettings(Section):
    """The moving-block bootstrap behind the intervals.

    Attributes:
        resamples: Draws.
        block: Steps in a block.
    """

    resamples: PositiveInt = 1000
    block: PositiveInt = 60


class PaperLSTMSettings(Section):
    """Paper A's LSTM: a window of past values in, the next value out.

    Attributes:
        hidden: Width of the hidden state.
        epochs: Passes over the training windows.
        batch: Windows in a batch.
        learning_rate: Step of Adam.
        max_windows: Windows drawn for an epoch.
    """

    hidden: PositiveInt = 32
    epochs: PositiveInt = 10
    batch: PositiveInt = 128
    learning_rate: PositiveFloat = 0.003
    max_windows: PositiveInt = 20000


class LSTMSettings(Section):
    """This project's LSTM: many-to-many, a correction to a base forecast.

    Attributes:
        hidden: Width of a hidden state.
        epochs: Passes over the training part, at most.
        patience: Epochs without a better validation loss after which to stop.
        chunk: Steps of a training sequence.
        batch: Sequences in a batch.
        learning_rate: Largest step of AdamW.
        members: Networks whose mean is the forecast.
    """

    hidden: PositiveInt = 32
    epochs: PositiveInt = 30
    patience: PositiveInt = 8
    chunk: PositiveInt = 64
    batch: PositiveInt = 16
    learning_rate: PositiveFloat = 0.005
    members: PositiveInt = 3


class ForestSettings(Section):
    """The random forest.

    Attributes:
        trees: Number of trees.
    """

    trees: PositiveInt = 100


class ForecastSettings(Section):
    """Paper A's forecasts: what is run on which traces, and how it is judged.

    Attributes:
        traces: The traces of the study.
        horizons: Steps ahead.
        window: Past steps that a model sees.
        fill_limit: Longest gap, in steps, over which the last value is carried; a longer one is left out.
        max_steps: Newest steps of a trace that are used.
        test_fraction: Share of a trace, its end, on which models are judged.
        validation_fraction: Share of a trace, just before the test part, on which a model makes its choices.
        seeds: Repeats of whatever is random.
        models: What is compared.
        bootstrap: How intervals are drawn.
        lstm_paper: Paper A's LSTM.
        lstm: This project's LSTM.
        forest: The random forest.
    """

    traces: Traces = get_args(TraceName)
    horizons: Counts = (1, 5)
    window: PositiveInt = 60
    fill_limit: NonNegativeInt = 5
    max_steps: PositiveInt = 130000
    test_fraction: Fraction = 0.2
    validation_fraction: Fraction = 0.1
    seeds: PositiveInt = 5
    models: Models = get_args(ModelName)
    bootstrap: BootstrapSettings = BootstrapSettings()
    lstm_paper: PaperLSTMSettings = PaperLSTMSettings()
    lstm: LSTMSettings = LSTMSettings()
    forest: ForestSettings = ForestSettings()

    @property
    def validation_share(self) -> float:
        """Share of the rows before the test part that validates."""
        return self.validation_fraction / (1 - self.test_fraction)

    @model_validator(mode="after")
    def _leaves_training(self) -> Self:
        if self.test_fraction + self.validation_fraction >= 1:
            raise ValueError(
                "test_fraction and validation_fraction must add up to less than 1: the rest is for training"
            )
        return self


STUDY = ForecastSettings()
"""The settings of the study."""
