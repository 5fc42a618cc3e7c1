"""A stream with every model that it can have, and which of them is in use when (Paper B, section V.3).

Without a warm start a model hangs on the stream, the training's number and the seed alone, whatever became of the
trainings before. So each is made once, scores the whole stream once, and what a policy comes to is looked up: at each
sample, the error of the model that is in use there. `stream.replay` gives the same errors, one model at a time; but a
model that is picked up late has its state come up there over the newest samples, while here it has run all along. An
LSTM that was trained to forget shows no difference after those samples.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgeresearch.anomaly.detector import begun
from edgeresearch.anomaly.model import Model
from edgeresearch.anomaly.samples import Array, present
from edgeresearch.anomaly.trainings import Decision, Request, Training
from edgeresearch.anomaly.walk import RECENT, Schedule
from edgeresearch.errors import InputError

Fate = Literal["published", "dropped", "running", "unfinished"]
"""What becomes of a training, in the words of `stream.Replay`."""


@dataclass(frozen=True)
class Versions:
    """Every model that a stream can have.

    Attributes:
        errors: Of each model at each sample, `(models, samples)`; NaN before the model's own training, but for the
            first model, and where no channel has a value.
        cuts: Rows before which a training was triggered, one per model.
    """

    errors: Array
    cuts: tuple[int, ...]


@dataclass(frozen=True)
class Use:
    """Which model is in use.

    Attributes:
        version: Its index at each sample, `(samples,)`; the first model's before its training, too.
        age: Samples that came since those that it was trained on, the one itself included, `(samples,)`; not above 0
            for the first model's own training samples.
        fates: Of the trainings after the first.
    """

    version: npt.NDArray[np.int64]
    age: npt.NDArray[np.int64]
    fates: tuple[Fate, ...]

    @property
    def dropped(self) -> float:
        """Share of the trainings after the first that were dropped, also because the one before still ran."""
        return sum(fate in ("dropped", "running") for fate in self.fates) / len(self.fates) if self.fates else 0.0


def versions(rows: Array, train: Training, *, schedule: Schedule) -> Versions:
    """Train and score every model.

    Args:
        rows: The stream, `(samples, channels)`.
        train: Makes a model. One that goes on from the model before is right only where no training is dropped.
        schedule: When a training is triggered, and on how many samples.

    Raises:
        InputError: There are too few samples.
    """
    there, cuts = present(rows), schedule.cuts(rows)
    errors = np.full((len(cuts), len(rows)), np.nan)
    model: Model | None = None
    for index, cut in enumerate(cuts):
        cached = rows[:cut][there[:cut]][-schedule.train :]
        model = train(cached, model, index + 1)
        if index:
            errors[index, cut:] = begun(model, cached[-RECENT:]).run(rows[cut:])
        else:
            errors[index] = model.start().run(rows)
    return Versions(errors, tuple(cuts))


def used(rows: Array, decide: Decision, *, schedule: Schedule) -> Use:
    """Return which model is in use at each sample.

    The first training is there for the first sample after those that it takes, whoever decides on the others. One that
    is triggered while the one before still runs is dropped (section III.B).

    Args:
        rows: The stream, `(samples, channels)`.
        decide: Says after how many further samples a training's model is there, 0 for at once; None if it is dropped.
        schedule: When a training is triggered.

    Raises:
        InputError: There are too few samples, or a number of samples is negative or NaN.
    """
    came, cuts = np.cumsum(present(rows)), schedule.cuts(rows)
    version, fates = np.zeros(len(rows), dtype=np.int64), list[Fate]()
    free = 0.0
    for index, cut in enumerate(cuts[1:], start=1):
        now = int(came[cut - 1])
        if free > now:
            fates.append("running")
            continue
        after = decide(Request("stream", index + 1, float(now), schedule.train))
        if after is None:
            fates.append("dropped")
            continue
        if not after >= 0:
            raise InputError(f"training {index + 1} lasts {after} samples; give 0 or more, or None")
        free = now + after
        begin = max(cut, int(np.searchsorted(came, free)))
        version[begin:] = index
        fates.append("published" if begin < len(rows) else "unfinished")
    age = came - came[np.array(cuts)[version] - 1]
    return Use(version, age, tuple(fates))


def looked_up(found: Versions, use: Use) -> Array:
    """Return the errors of the models in use, `(samples,)`."""
    errors: Array = found.errors[use.version, np.arange(len(use.version))]
    return errors
