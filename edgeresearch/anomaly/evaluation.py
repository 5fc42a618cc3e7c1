"""Evaluation of detectors: prequential scores of recorded streams, anomalies that are injected, and what is found.

Prequential means that each sample is scored before anything is learnt from it. A model is trained on the first samples
and retrained on the newest ones on schedule (Paper B, section VI.C). With `score_prequential` a training takes no time;
`train_versions`, `follow_models` and `select_errors` tell which model is in use where trainings take time or are
dropped: every model is trained once, however many policies are compared.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Annotated, NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveFloat, model_validator

from edgeresearch.anomaly.identity import Array, FittedIdentity, Identity, Mask, Scorer, has_value, warmed_up
from edgeresearch.anomaly.thresholds import Threshold, threshold_levels
from edgeresearch.errors import InputError
from edgeresearch.settings import Section

if TYPE_CHECKING:
    from edgeresearch.anomaly.detectors import Detector

RECENT = 100
"""Newest samples on which the state of a newer model warms up."""

Training: TypeAlias = Callable[[Array, FittedIdentity | None, int], FittedIdentity]
"""Makes a model of the cached samples, the model in use at the trigger and the training's number, from 1."""


class Schedule(Section):
    """When models are trained (Paper B, section VI.C). Rows without any value do not count.

    Attributes:
        train: Samples of the first training, and newest samples of every later one.
        every: Samples after which a new training is due; None for never.
    """

    train: Annotated[int, Field(ge=2)] = 1000
    every: Annotated[int, Field(ge=2)] | None = 1000


def training_rows(rows: Array, schedule: Schedule) -> list[int]:
    """Return the rows before which a training is done; the first of them is the first row that is judged.

    Raises:
        InputError: No row is left to judge after the first training.
    """
    at = np.flatnonzero(has_value(rows))
    if len(at) <= schedule.train:
        raise InputError(
            f"{len(at)} samples have a value, the training takes the first {schedule.train}; give more samples, or "
            "a shorter training with `train`"
        )
    return [int(row) + 1 for row in at[schedule.train - 1 : -1 : schedule.every or len(at)]]


def newest_samples(rows: Array, count: int) -> Array:
    """Return the last samples that have a value: what a training gets."""
    newest: Array = rows[has_value(rows)][-count:]
    return newest


def training_seed(seed: np.random.SeedSequence, number: int) -> int:
    """Return the seed of a training by its number, so that a dropped training changes no other."""
    child = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, number))
    return int(child.generate_state(1)[0])


def make_training(
    identity: Identity, seed: np.random.SeedSequence, *, warm_start: bool = True, again: Identity | None = None
) -> Training:
    """Return a training of an identity function on the CPU, from the weights of the model in use or from fresh ones.

    `again` are the settings of all trainings but the first, where they are others.
    """

    def train(samples: Array, previous: FittedIdentity | None, number: int) -> FittedIdentity:
        start = previous if warm_start else None
        chosen = again if again is not None and number else identity
        return chosen.fit(samples, seed=training_seed(seed, number), start=start, accelerator="cpu")

    return train


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
    again: Identity | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[Array, tuple[int, ...]]:
    """Score a stream with an identity function; every training goes on from the weights before.

    Args:
        identity: The identity function.
        rows: `(samples, channels)`.
        schedule: When it is trained.
        seed: Each training draws from a child of it.
        again: The identity function of all trainings but the first, if it has other settings.
        progress: Receives a line before each training.

    Returns:
        The scores, `(samples,)`, for `apply_threshold`, and the rows before which a training was done.

    Raises:
        InputError: There are too few samples.
    """
    cuts = training_rows(rows, schedule)
    fit = make_training(identity, seed, again=again)

    def train(samples: Array, previous: FittedIdentity | None, number: int) -> FittedIdentity:
        if progress:
            progress(f"training {number} of {len(cuts)}")
        return fit(samples, previous, number - 1)

    scores = np.full(len(rows), np.nan)
    for begin, end, scorer in _train_on_schedule(rows, train, schedule):
        scores[begin:end] = scorer.run(rows[begin:end])
    return scores, tuple(cuts)


def _train_on_schedule(rows: Array, train: Training, schedule: Schedule) -> Iterator[tuple[int, int, Scorer]]:
    """Yield the rows that each model scores until the next one, the first its own training's too, and it at work."""
    cuts = training_rows(rows, schedule)
    model: FittedIdentity | None = None
    for number, (cut, end) in enumerate(zip(cuts, [*cuts[1:], len(rows)], strict=True), start=1):
        cached = newest_samples(rows[:cut], schedule.train)
        model = train(cached, model, number)
        yield (0, end, model.start()) if number == 1 else (cut, end, warmed_up(model, cached[-RECENT:]))


def apply_threshold(scores: Array, cuts: tuple[int, ...], threshold: Threshold) -> ScoredStream:
    """Compare scores with a threshold that starts on those of the first training samples."""
    return ScoredStream(scores, threshold_levels(threshold.start(), scores), cuts)


def run_prequential(detector: "Detector", rows: Array, *, schedule: Schedule, refit: bool = False) -> ScoredStream:
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
        fitted = copy.deepcopy(detector).fit(newest_samples(rows[:cut], schedule.train))
        scores[cut:end], levels[cut:end] = fitted.run(rows[cut:end])
    return ScoredStream(scores, levels, tuple(cuts))


@dataclass(frozen=True)
class ModelUse:
    """Which model is in use at each sample.

    Attributes:
        version: Its index, `(samples,)`; the first model's before its training, too.
        age: Samples that came since those that it was trained on, the one itself included, `(samples,)`; not above 0
            for the first model's own training samples.
        dropped: Share of the trainings after the first that were dropped, also because the one before still ran.
    """

    version: npt.NDArray[np.int64]
    age: npt.NDArray[np.int64]
    dropped: float


def train_versions(rows: Array, train: Training, *, schedule: Schedule) -> Array:
    """Train every model that the stream can have, one per training row, and let it score all samples after that row.

    A training that goes on from the model before is right only where none is dropped.

    Returns:
        The scores of each model, `(models, samples)`; NaN before its own training (but for the first model) and where
        no channel has a value.

    Raises:
        InputError: There are too few samples.
    """
    models = _train_on_schedule(rows, train, schedule)
    return np.array([np.append(np.full(begin, np.nan), scorer.run(rows[begin:])) for begin, _, scorer in models])


def follow_models(rows: Array, outcomes: Sequence[float | None], *, schedule: Schedule) -> ModelUse:
    """Return which model is in use at each sample.

    The first training is there for the first sample after those that it takes. One that is triggered while the one
    before still runs is dropped (section III.B).

    Args:
        rows: The stream, `(samples, channels)`.
        outcomes: Of the trainings after the first, in order: after how many further samples the model is there, or None
            if the training is dropped. After the last outcome comes the first again.
        schedule: When a training is triggered.

    Raises:
        InputError: There are too few samples, no outcome, or one that is negative or NaN.
    """
    if not outcomes:
        raise InputError("no outcome is recorded; give at least one")
    came, cuts = np.cumsum(has_value(rows)), training_rows(rows, schedule)
    version, free, dropped = np.zeros(len(rows), dtype=np.int64), 0.0, 0
    for index, (cut, after) in enumerate(zip(cuts[1:], cycle(outcomes), strict=False), start=1):
        now = int(came[cut - 1])
        if after is None or free > now:
            dropped += 1
            continue
        if not after >= 0:
            raise InputError(f"training {index + 1} lasts {after} samples; give 0 or more, or None")
        free = now + after
        version[max(cut, int(np.searchsorted(came, free))) :] = index
    age = came - came[np.array(cuts)[version] - 1]
    return ModelUse(version, age, dropped / max(len(cuts) - 1, 1))


def select_errors(errors: Array, use: ModelUse) -> Array:
    """Return the errors of the models in use, `(samples,)`, from those of all, `(models, samples)`."""
    selected: Array = errors[use.version, np.arange(len(use.version))]
    return selected


LENGTHS = {"spike": (1, 2), "shift": (12, 36), "drift": (24, 48), "stuck": (12, 36), "missing": (6, 18)}
"""Shortest and longest event of a kind, in samples."""
KINDS = tuple(LENGTHS)
LONGEST_EVENT = max(longest for _, longest in LENGTHS.values())
DAY = 86400.0


class Injection(Section):
    """How many anomalies are injected into a stream, and how large they are.

    Attributes:
        spacing: Samples for each event.
        smallest, largest: Size in standard deviations of the channel, at least and at most.
    """

    spacing: Annotated[int, Field(ge=LONGEST_EVENT + 2)] = 150
    smallest: PositiveFloat = 2.0
    largest: PositiveFloat = 5.0

    @model_validator(mode="after")
    def _sizes_ascend(self) -> Self:
        if self.smallest > self.largest:
            raise ValueError(f"smallest is {self.smallest:g}, above largest, {self.largest:g}; give a larger one")
        return self


INJECTION = Injection()


@dataclass(frozen=True)
class Event:
    """One anomaly.

    Attributes:
        kind: One of `KINDS`.
        begin, end: Index of the first sample that it changed, and index after the last.
        channels: Those that it changed.
    """

    kind: str
    begin: int
    end: int
    channels: tuple[int, ...]


@dataclass(frozen=True)
class Injected:
    """A stream with anomalies.

    Attributes:
        values: `(samples, channels)`.
        labels: Samples that belong to an event, `(samples,)`.
        events: In order of time. One that would change nothing, such as a stuck sensor where the value stands still, is
            not there.
    """

    values: Array
    labels: Mask
    events: tuple[Event, ...]


def inject(
    values: Array, rng: np.random.Generator, *, spread: Array, floor: float = -np.inf, plan: Injection = INJECTION
) -> Injected:
    """Put anomalies into a stream; samples that are not labelled stay as they are, and so does `values`.

    Args:
        values: `(samples, channels)`; what is not finite is missing.
        rng: Draws places, kinds, lengths, sizes and channels.
        spread: Of each channel, such as the standard deviation before the stretch, `(channels,)`.
        floor: Smallest value that a channel can have, such as 0 for counts; what would fall below goes up instead.
        plan: How much is injected.

    Raises:
        InputError: The stretch is shorter than one slot.
    """
    slots = len(values) // plan.spacing
    if not slots:
        raise InputError(f"{len(values)} samples; with an event each {plan.spacing}, give at least {plan.spacing}")
    changed, labels, events = values.copy(), np.zeros(len(values), dtype=bool), []
    turns = np.concatenate([rng.permutation(len(KINDS)) for _ in range(-(-slots // len(KINDS)))])[:slots]
    for slot, turn in enumerate(turns.tolist()):
        kind = KINDS[turn]
        shortest, longest = LENGTHS[kind]
        length = int(rng.integers(shortest, longest + 1))
        begin = slot * plan.spacing + int(rng.integers(1, plan.spacing - length))
        count = values.shape[1] if kind == "missing" else int(rng.integers(1, values.shape[1] + 1))
        channels = np.sort(rng.permutation(values.shape[1])[:count])
        sizes = rng.uniform(plan.smallest, plan.largest, count) * spread[channels] * rng.choice([-1.0, 1.0], count)
        rows = slice(begin, begin + length)
        changed[rows, channels] = _anomaly(kind, values[: begin + length, channels], length, sizes, floor)
        same = (changed[rows] == values[rows]) | (np.isnan(changed[rows]) & np.isnan(values[rows]))
        at = begin + np.flatnonzero(~same.all(axis=1))
        if len(at):
            events.append(Event(kind, int(at[0]), int(at[-1]) + 1, tuple(channels.tolist())))
            labels[at[0] : at[-1] + 1] = True
    return Injected(changed, labels, tuple(events))


def _anomaly(kind: str, past: Array, length: int, sizes: Array, floor: float) -> Array:
    """Return the last `length` samples of `past` with an anomaly."""
    own = past[-length:]
    if kind == "missing":
        return np.full_like(own, np.nan)
    if kind == "stuck":
        before = past[:-length]
        seen = np.isfinite(before)
        last = len(before) - 1 - seen[::-1].argmax(axis=0)
        newest = np.where(seen.any(axis=0), before[last, np.arange(before.shape[1])], own)  # where there is one
        return np.broadcast_to(newest, own.shape)
    lowest = np.min(np.where(np.isfinite(own), own, np.inf), axis=0)
    sizes = np.where(lowest + sizes < floor, np.abs(sizes), sizes)
    ramp = np.arange(1, length + 1) / length if kind == "drift" else np.ones(length)
    return np.asarray(own + ramp[:, None] * sizes)


class Scores(NamedTuple):
    """How well a detector found the anomalies of a stream.

    Attributes:
        point_f1: F1 over samples, raw.
        event_f1: F1 over events (see `event_f1`).
        point_adjusted_f1_inflated: F1 over samples after point adjustment (see `point_adjusted_f1`).
        auc_pr: Area under the precision-recall curve of the scores, as average precision.
        delay: Mean time from the begin of an event to its first alarm, over the events that have one; seconds.
        detected: Share of the events that have an alarm.
        false_alarms_per_day: Alarm runs that touch no event, per day.
        events: Number of events.
    """

    point_f1: float
    event_f1: float
    point_adjusted_f1_inflated: float
    auc_pr: float
    delay: float
    detected: float
    false_alarms_per_day: float
    events: int


def score(labels: Mask, scores: Array, alarms: Mask, *, interval: float) -> Scores:
    """Compare the scores and alarms of a detector with the truth.

    Args:
        labels: Which samples are anomalous, `(samples,)`.
        scores: The higher, the less normal; NaN where there is none.
        alarms: Which samples were alarms.
        interval: Seconds between two samples.
    """
    waits = detection_delays(labels, alarms) * interval
    found = np.isfinite(waits)
    return Scores(
        point_f1=point_f1(labels, alarms),
        event_f1=event_f1(labels, alarms),
        point_adjusted_f1_inflated=point_adjusted_f1(labels, alarms),
        auc_pr=auc_pr(labels, scores),
        delay=float(waits[found].mean()) if found.any() else float("nan"),
        detected=float(found.mean()) if len(found) else float("nan"),
        false_alarms_per_day=count_false_alarms(labels, alarms) * DAY / (len(labels) * interval),
        events=len(waits),
    )


def find_spans(mask: Mask) -> Iterator[tuple[int, int]]:
    """Yield begin and end (excluded) of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def point_f1(labels: Mask, alarms: Mask) -> float:
    """Return F1 over samples; NaN without a labelled sample."""
    return _f1(int((labels & alarms).sum()), int((~labels & alarms).sum()), int((labels & ~alarms).sum()))


def event_f1(labels: Mask, alarms: Mask) -> float:
    """Return F1 over events; NaN without any.

    After Hundman et al. (KDD 2018): an event that any alarm run touches is found, one that none touches is missed, and
    an alarm run that touches no event is a false alarm.
    """
    found = np.isfinite(detection_delays(labels, alarms))
    return _f1(int(found.sum()), count_false_alarms(labels, alarms), int((~found).sum()))


def best_event_f1(labels: Mask, scores: Array) -> float:
    """Return event F1 at the fixed level that is best for it, of 30; NaN without an event or a score.

    It takes the labels to find that level, so this is no result of a detector but what its scores allow: beside
    `event_f1` it says how much is the threshold's.

    Args:
        labels: Which samples are anomalous.
        scores: The higher, the less normal; NaN where there is none. Levels have from a fifth of them above to one.
    """
    known = scores[np.isfinite(scores)]
    if not labels.any() or not len(known):
        return float("nan")
    shares = np.geomspace(0.2, 1 / len(known), 30)
    return max(event_f1(labels, scores > level) for level in np.quantile(known, 1 - shares))


def point_adjusted_f1(labels: Mask, alarms: Mask) -> float:
    """Return F1 over samples, where an event with one alarm counts as alarm throughout: inflated; NaN without an event.

    Xu et al. (WWW 2018) introduced it; Kim et al. (AAAI 2022) show that random alarms score high by it. It stands here
    for comparison with papers that report it.
    """
    adjusted = alarms.copy()
    for begin, end in find_spans(labels):
        adjusted[begin:end] |= alarms[begin:end].any()
    return point_f1(labels, adjusted)


def auc_pr(labels: Mask, scores: Array) -> float:
    """Return the average precision of the scores; NaN where not both kinds of samples are there."""
    from sklearn.metrics import average_precision_score  # here: settings stand in this module, and it loads slowly

    if labels.all() or not labels.any():
        return float("nan")
    known = np.isfinite(scores)
    lowest = scores[known].min() - 1 if known.any() else 0.0
    return float(average_precision_score(labels, np.where(known, scores, lowest)))


def detection_delays(labels: Mask, alarms: Mask) -> Array:
    """Return the samples from the begin of each event to its first alarm, `(events,)`; NaN for an event without one."""
    events = [alarms[begin:end] for begin, end in find_spans(labels)]
    return np.array([event.argmax() if event.any() else np.nan for event in events], dtype=np.float64)


def count_false_alarms(labels: Mask, alarms: Mask) -> int:
    """Return the number of alarm runs that touch no event."""
    return sum(not labels[begin:end].any() for begin, end in find_spans(alarms))


def _f1(found: int, false: int, missed: int) -> float:
    return 2 * found / (2 * found + false + missed) if found + missed else float("nan")
