"""Prequential evaluation: each sample of a recorded stream is scored before anything is learnt from it.

A model is trained on the first samples and retrained on the newest ones on schedule; a training takes no time. For
trainings that take time or are dropped see `retraining`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone

from edgeresearch.anomaly.base import Array, Identity, Mask, Threshold, newest_samples, training_rows, training_seed
from edgeresearch.anomaly.detectors import Detector, warmed_up
from edgeresearch.anomaly.settings import Schedule
from edgeresearch.anomaly.thresholds import threshold_levels

RECENT = 100
"""Newest samples on which the state of a newer model warms up."""


@dataclass(frozen=True)
class ScoredStream:
    """A stream with the scores and thresholds of a detector.

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


def score_prequential(
    identity: Identity,
    rows: Array,
    *,
    schedule: Schedule,
    seed: np.random.SeedSequence,
    accelerator: str = "auto",
    progress: Callable[[str], None] | None = None,
) -> tuple[Array, tuple[int, ...]]:
    """Score a stream with an identity function; every training goes on from the weights before.

    Several thresholds can judge the same scores: see `apply_threshold`.

    Args:
        identity: The identity function.
        rows: `(samples, channels)`.
        schedule: When it is trained.
        seed: Each training draws from a child of it.
        accelerator: Where to train, as Lightning names it.
        progress: Receives a line before each training.

    Returns:
        The scores, `(samples,)`, and the rows before which a training was done.

    Raises:
        InputError: There are too few samples.
    """
    cuts = training_rows(rows, schedule)
    scores = np.full(len(rows), np.nan)
    model = None
    for number, (cut, end) in enumerate(zip(cuts, [*cuts[1:], len(rows)], strict=True)):
        if progress:
            progress(f"training {number + 1} of {len(cuts)}")
        cached = newest_samples(rows[:cut], schedule.train)
        model = identity.fit(cached, seed=training_seed(seed, number), start=model, accelerator=accelerator)
        if number:
            scorer = warmed_up(model, cached[-RECENT:])
        else:
            scorer = model.start()
            scores[:cut] = scorer.run(rows[:cut])
        scores[cut:end] = scorer.run(rows[cut:end])
    return scores, tuple(cuts)


def apply_threshold(scores: Array, cuts: tuple[int, ...], threshold: Threshold) -> ScoredStream:
    """Compare scores with a threshold that starts on those of the first training samples."""
    return ScoredStream(scores, threshold_levels(threshold.start(), scores), cuts)


def run_prequential(detector: Detector, rows: Array, *, schedule: Schedule, refit: bool = False) -> ScoredStream:
    """Let a detector score a stream after it was fitted on its first samples.

    Args:
        detector: A copy of it is fitted.
        rows: `(samples, channels)`.
        schedule: When it is fitted.
        refit: Whether it is fitted again on schedule; one that learns from every sample needs no refit.

    Raises:
        InputError: There are too few samples.
    """
    cuts = training_rows(rows, schedule)
    cuts = cuts if refit else cuts[:1]
    scores, levels = np.full(len(rows), np.nan), np.full(len(rows), np.inf)
    for cut, end in zip(cuts, [*cuts[1:], len(rows)], strict=True):
        fitted = clone(detector).fit(newest_samples(rows[:cut], schedule.train))
        scores[cut:end], levels[cut:end] = fitted.online_.run(rows[cut:end])
    return ScoredStream(scores, levels, tuple(cuts))
