"""A recorded stream from its first sample to its last: trained on the first ones, retrained on the newest ones.

The models of `stream.replay` where every training is placed and takes no time, without a repository; several thresholds
can judge the scores of one walk.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone

from edgeresearch.anomaly.base import Array, Mask, present
from edgeresearch.anomaly.detectors import Detector, begun
from edgeresearch.anomaly.identity import Identity
from edgeresearch.anomaly.thresholds import Threshold, judged
from edgeresearch.errors import InputError

RECENT = 100
"""Newest samples over which the state of a newer model comes up."""


@dataclass(frozen=True)
class Schedule:
    """When models are trained. Rows without any value do not count.

    Attributes:
        train: Samples of the first training, and newest samples of every later one.
        every: Samples after which a new training is due; None for never.
    """

    train: int = 1000
    every: int | None = 1000

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        for name, number in (("train", self.train), ("every", self.every)):
            if number is not None and number < 2:
                raise InputError(f"{name} is {number}; give at least two samples")

    def cuts(self, rows: Array) -> list[int]:
        """Return the rows before which a training is done, the first before the first row that is judged.

        Args:
            rows: `(samples, channels)`.

        Raises:
            InputError: No row is left to judge after the first training.
        """
        at = np.flatnonzero(present(rows))
        if len(at) <= self.train:
            raise InputError(
                f"{len(at)} samples have a value, the training takes the first {self.train}; give more samples, or say "
                "a shorter training with 'train'"
            )
        last = at[self.train - 1 : -1 : self.every or len(at)]
        return [int(row) + 1 for row in last]


@dataclass(frozen=True)
class Walk:
    """What a detector said of a stream.

    Attributes:
        scores: The higher, the less normal; of the first model's own training samples too. NaN for a row without any
            value.
        levels: What each score was compared with; no training sample is an alarm.
        cuts: Rows before which a training was done.
    """

    scores: Array
    levels: Array
    cuts: tuple[int, ...]

    @property
    def alarms(self) -> Mask:
        """Scores above their level, but for the first training samples."""
        mask: Mask = self.scores > self.levels
        mask[: self.cuts[0]] = False
        return mask


def _quiet(_: str) -> None:
    pass


def reconstructed(
    identity: Identity,
    rows: Array,
    *,
    schedule: Schedule,
    seed: np.random.SeedSequence,
    accelerator: str = "auto",
    tell: Callable[[str], None] = _quiet,
) -> tuple[Array, tuple[int, ...]]:
    """Score a stream with an identity function; every training goes on from the weights before.

    Args:
        identity: The identity function.
        rows: `(samples, channels)`.
        schedule: When it is trained.
        seed: Each training draws from a child of it.
        accelerator: Lightning's word for where to train.
        tell: Receives a line before each training.

    Returns:
        The errors, `(samples,)`, and the rows before which a training was done.

    Raises:
        InputError: There are too few samples.
    """
    cuts = schedule.cuts(rows)
    errors = np.full(len(rows), np.nan)
    model = None
    for number, (cut, end) in enumerate(zip(cuts, [*cuts[1:], len(rows)], strict=True)):
        tell(f"training {number + 1} of {len(cuts)}")
        cached = _cached(rows[:cut], schedule.train)
        child = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, number))
        drawn = int(child.generate_state(1)[0])
        model = identity.fit(cached, seed=drawn, start=model, accelerator=accelerator)
        if number:
            state = begun(model, cached[-RECENT:])
        else:
            state = model.start()
            errors[:cut] = state.run(rows[:cut])
        errors[cut:end] = state.run(rows[cut:end])
    return errors, tuple(cuts)


def judge(errors: Array, cuts: tuple[int, ...], threshold: Threshold) -> Walk:
    """Compare the errors of a walk with a threshold that starts on those of the first training samples."""
    return Walk(errors, judged(threshold.start(), errors), cuts)


def watched(detector: Detector, rows: Array, *, schedule: Schedule, again: bool = False) -> Walk:
    """Let a detector watch a stream after it was fitted on its first samples.

    Args:
        detector: Any; a copy of it is fitted.
        rows: `(samples, channels)`.
        schedule: When it is trained.
        again: Whether it is fitted anew on schedule; one that learns from every sample needs none.

    Raises:
        InputError: There are too few samples.
    """
    cuts = schedule.cuts(rows)
    cuts = cuts if again else cuts[:1]
    scores, levels = np.full(len(rows), np.nan), np.full(len(rows), np.inf)
    for cut, end in zip(cuts, [*cuts[1:], len(rows)], strict=True):
        fitted = clone(detector).fit(_cached(rows[:cut], schedule.train))
        scores[cut:end], levels[cut:end] = fitted.watch_.run(rows[cut:end])
    return Walk(scores, levels, tuple(cuts))


def _cached(rows: Array, newest: int) -> Array:
    cached: Array = rows[present(rows)][-newest:]
    return cached
