"""Retraining a model while its stream goes on (Paper B, section VI.C): trainings take time or are dropped.

`train_versions`, `follow_models` and `select_errors` tell which model is in use at each sample of a recorded stream:
every model is trained once, however many policies are compared. `replay_stream` plays the same sample by sample through
a model store, as prediction and training jobs do it.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from edgeresearch.anomaly.base import (
    Array,
    FittedIdentity,
    Identity,
    Threshold,
    ThresholdState,
    as_samples,
    has_value,
    newest_samples,
    training_rows,
    training_seed,
    width_error,
)
from edgeresearch.anomaly.detectors import MOVING, OnlineDetector, warmed_up
from edgeresearch.anomaly.model_store import ModelStore, StoredModel
from edgeresearch.anomaly.prequential import RECENT
from edgeresearch.anomaly.settings import Schedule
from edgeresearch.errors import InputError

SCHEDULE = Schedule()

TrainingStatus = Literal["published", "dropped", "running", "unfinished"]
"""What becomes of a training: `running` is dropped because the one before still ran, `unfinished` runs when the stream
ends."""


@dataclass(frozen=True)
class TrainingRequest:
    """A training that has been triggered: of which model, its number from 1, when, and how many samples are cached."""

    stream: str
    number: int
    time: float
    samples: int


class Decision(Protocol):
    """Decides what becomes of a training: an emulator, or one of `always`, `never` and `recorded`."""

    def __call__(self, request: TrainingRequest) -> float | None:
        """Return the time until the model is published; None if the training is dropped."""
        ...


class Training(Protocol):
    """Trains a model; `make_training` makes one of an identity function."""

    def __call__(self, samples: Array, previous: FittedIdentity | None, number: int) -> FittedIdentity:
        """Train on the cached samples; `previous` is the model in use at the trigger, `number` counts from 1."""
        ...


def always(duration: float) -> Decision:
    """Every training is placed and takes the same time."""
    return lambda request: duration


def never(request: TrainingRequest) -> None:
    """Every training is dropped."""


def recorded(outcomes: Sequence[float | None], *, first: int = 1) -> Decision:
    """Decide as it was recorded; after the last outcome comes the first again, however many there are.

    Args:
        outcomes: Durations of the trainings, in order, or None for dropped.
        first: Number of the training that takes the first outcome.

    Raises:
        InputError: There is no outcome.
    """
    if not outcomes:
        raise InputError("no outcome is recorded; give at least one")
    return lambda request: outcomes[(request.number - first) % len(outcomes)]


def make_training(
    identity: Identity, seed: np.random.SeedSequence, *, warm_start: bool = True, accelerator: str = "auto"
) -> Training:
    """Return a training of an identity function, whose seed goes by its number: a dropped one changes no other.

    With a warm start it goes on from the weights of the model in use, as Paper B's do.
    """

    def train(samples: Array, previous: FittedIdentity | None, number: int) -> FittedIdentity:
        start = previous if warm_start else None
        return identity.fit(samples, seed=training_seed(seed, number), start=start, accelerator=accelerator)

    return train


@dataclass(frozen=True)
class ModelVersions:
    """Every model that a stream can have.

    Attributes:
        errors: Of each model at each sample, `(models, samples)`; NaN before the model's own training, but for the
            first model, and where no channel has a value.
        cuts: Rows before which a training was triggered, one per model.
    """

    errors: Array
    cuts: tuple[int, ...]


@dataclass(frozen=True)
class ModelUse:
    """Which model is in use at each sample.

    Attributes:
        version: Its index, `(samples,)`; the first model's before its training, too.
        age: Samples that came since those that it was trained on, the one itself included, `(samples,)`; not above 0
            for the first model's own training samples.
        statuses: What became of the trainings after the first.
    """

    version: npt.NDArray[np.int64]
    age: npt.NDArray[np.int64]
    statuses: tuple[TrainingStatus, ...]

    @property
    def dropped(self) -> float:
        """Share of the trainings after the first that were dropped, also because the one before still ran."""
        lost = sum(status in ("dropped", "running") for status in self.statuses)
        return lost / len(self.statuses) if self.statuses else 0.0


def train_versions(rows: Array, train: Training, *, schedule: Schedule) -> ModelVersions:
    """Train every model that the stream can have, and score all samples after its training.

    A training that goes on from the model before is right only where none is dropped.

    Raises:
        InputError: There are too few samples.
    """
    cuts = training_rows(rows, schedule)
    errors = np.full((len(cuts), len(rows)), np.nan)
    model: FittedIdentity | None = None
    for index, cut in enumerate(cuts):
        cached = newest_samples(rows[:cut], schedule.train)
        model = train(cached, model, index + 1)
        if index:
            errors[index, cut:] = warmed_up(model, cached[-RECENT:]).run(rows[cut:])
        else:
            errors[index] = model.start().run(rows)
    return ModelVersions(errors, tuple(cuts))


def follow_models(rows: Array, decide: Decision, *, schedule: Schedule) -> ModelUse:
    """Return which model is in use at each sample.

    The first training is there for the first sample after those that it takes, whoever decides on the others. One that
    is triggered while the one before still runs is dropped (section III.B).

    Args:
        rows: The stream, `(samples, channels)`.
        decide: Returns after how many further samples a training's model is there; None if it is dropped.
        schedule: When a training is triggered.

    Raises:
        InputError: There are too few samples, or a number of samples is negative or NaN.
    """
    came, cuts = np.cumsum(has_value(rows)), training_rows(rows, schedule)
    version, statuses = np.zeros(len(rows), dtype=np.int64), list[TrainingStatus]()
    free = 0.0
    for index, cut in enumerate(cuts[1:], start=1):
        now = int(came[cut - 1])
        if free > now:
            statuses.append("running")
            continue
        after = decide(TrainingRequest("stream", index + 1, float(now), schedule.train))
        if after is None:
            statuses.append("dropped")
            continue
        if not after >= 0:
            raise InputError(f"training {index + 1} lasts {after} samples; give 0 or more, or None")
        free = now + after
        begin = max(cut, int(np.searchsorted(came, free)))
        version[begin:] = index
        statuses.append("published" if begin < len(rows) else "unfinished")
    age = came - came[np.array(cuts)[version] - 1]
    return ModelUse(version, age, tuple(statuses))


def select_errors(versions: ModelVersions, use: ModelUse) -> Array:
    """Return the errors of the models in use, `(samples,)`."""
    errors: Array = versions.errors[use.version, np.arange(len(use.version))]
    return errors


@dataclass(frozen=True)
class StreamReplay:
    """What happened on a stream.

    Attributes:
        samples: One row per sample that came: time (virtual seconds from the start), error, threshold, alarm, version
            (of the model in use, 0 before the first), age (seconds since the newest sample that the model was trained
            on came; NaN before the first model and for one that this replay did not publish), late (not in time order,
            or seen before: neither scored nor learnt from). Error and threshold are NaN where nothing is scored.
        trainings: One row per training: number, triggered, finished (virtual seconds; NaN unless published), outcome
            (a `TrainingStatus`), version (0 unless published).
        refused: What the model store had to leave aside, one line each.
    """

    samples: pd.DataFrame
    trainings: pd.DataFrame
    refused: tuple[str, ...]


def replay_stream(
    samples: Iterable[Any],
    *,
    name: str,
    store: ModelStore,
    train: Training,
    decide: Decision,
    threshold: Threshold = MOVING,
    schedule: Schedule = SCHEDULE,
    interval: float = 0.5,
    check: int = 10,
    recent: int = RECENT,
    stamps: Iterable[Any] | None = None,
) -> StreamReplay:
    """Replay a stream in virtual time.

    A model that stands in the store under this name at the start is used from the first sample on. Of a sample without
    any value its time alone is kept: it is neither scored nor counted nor cached.

    Args:
        samples: `(samples, channels)`, or one array per sample, in the order in which they come.
        name: Of the stream's model in the store.
        store: Where trainings publish and the prediction looks.
        train: Makes a model of the cached samples; called when the training ends in virtual time.
        decide: Returns the virtual seconds that a training takes, or None if it is dropped.
        threshold: Judges the errors; it lives on when the model changes.
        schedule: How many samples are cached, and after how many a training is triggered.
        interval: Seconds between two samples; Paper B's streams have 0.2 to 0.8.
        check: Samples between two looks into the store.
        recent: Newest samples on which the state of a newer model warms up.
        stamps: Time stamps of the samples, as their sensor gave them: a sample whose stamp is not after the newest one
            so far, or that has none, is late or a duplicate. None if they are in order.

    Raises:
        InputError: A sample has another number of values than the model in use, stamps and samples differ in number,
            a duration is negative or NaN, or a setting has no meaning.
    """
    if not (interval > 0 and math.isfinite(interval)):
        raise InputError(f"interval is {interval}; give a positive number of seconds")
    if check < 1:
        raise InputError(f"check is {check}; give at least one sample")
    if not 0 <= recent <= schedule.train:
        raise InputError(f"recent is {recent}; give 0 to {schedule.train} samples, as many as are cached")
    run = _Replay(name, store, train, decide, schedule, interval, check, recent, threshold.start())
    for values, late in _with_lateness(samples, stamps):
        run.take(values, late)
    return run.result()


def _with_lateness(samples: Iterable[Any], stamps: Iterable[Any] | None) -> Iterator[tuple[Any, bool]]:
    """Yield each sample and whether it is late: its stamp is missing, or not after all before it."""
    if stamps is None:
        yield from ((values, False) for values in samples)
        return
    newest: Any = None
    nothing: Any = object()
    for values, stamp in zip_longest(samples, stamps, fillvalue=nothing):
        if values is nothing or stamp is nothing:
            raise InputError("stamps and samples differ in number; give one stamp for each sample")
        late = bool(pd.isna(stamp)) or not (newest is None or stamp > newest)
        newest = newest if late else stamp
        yield values, late


@dataclass
class _RunningTraining:
    """A training under way."""

    request: TrainingRequest
    finish: float
    samples: Array
    previous: FittedIdentity | None
    row: dict[str, Any]


@dataclass
class _Replay:
    """The state of a replay."""

    name: str
    store: ModelStore
    train: Training
    decide: Decision
    schedule: Schedule
    interval: float
    check: int
    recent: int
    threshold: ThresholdState
    model: StoredModel | None = None
    detector: OnlineDetector | None = None
    running: _RunningTraining | None = None
    seen: int = 0
    rows: list[tuple[float, float, float, bool, int, float, bool]] = field(default_factory=list)
    trainings: list[dict[str, Any]] = field(default_factory=list)
    refused: dict[str, None] = field(default_factory=dict)
    trained: dict[int, float] = field(default_factory=dict)
    cached: deque[Array] = field(init=False)

    def __post_init__(self) -> None:
        self.cached = deque(maxlen=self.schedule.train)

    def take(self, values: Any, late: bool) -> None:
        """Take the next sample."""
        index = len(self.rows)
        now = index * self.interval
        if self.running and self.running.finish <= now:
            self._finish(self.running)
        if index % self.check == 0:
            self._look_for_model()
        sample = as_samples([values])[0]
        if self.cached and len(sample) != len(self.cached[-1]):
            raise InputError(f"{self.name}, sample {index + 1}: {width_error(len(sample), len(self.cached[-1]))}")
        version = self.model.version if self.model else 0
        age = now - self.trained.get(version, math.nan)
        blank = late or not np.isfinite(sample).any()
        if blank or self.detector is None:
            self.rows.append((now, math.nan, math.nan, False, version, age, late))
        else:
            self.rows.append((now, *self.detector.update(sample), version, age, late))
        if not blank:
            self.seen += 1
            self.cached.append(sample)
            if self.schedule.every and self.seen % self.schedule.every == 0:
                self._trigger(now)

    def _trigger(self, now: float) -> None:
        request = TrainingRequest(self.name, len(self.trainings) + 1, now, len(self.cached))
        row = {"number": request.number, "triggered": now, "finished": math.nan, "outcome": "running", "version": 0}
        self.trainings.append(row)
        if self.running:
            return
        duration = self.decide(request)
        if duration is None:
            row["outcome"] = "dropped"
            return
        if not duration >= 0:
            raise InputError(f"training {request.number} of {self.name} lasts {duration} s; give 0 or more, or None")
        row["outcome"] = "unfinished"
        previous = self.model.model if self.model else None
        self.running = _RunningTraining(request, now + duration, np.array(self.cached), previous, row)

    def _finish(self, training: _RunningTraining) -> None:
        model = self.train(training.samples, training.previous, training.request.number)
        version = self.store.publish(self.name, model, about={"training": training.request.number})
        self.trained[version] = training.request.time
        training.row.update(finished=training.finish, outcome="published", version=version)
        self.running = None

    def _look_for_model(self) -> None:
        """Go on with a newer model if the store has one."""
        lookup = self.store.latest(self.name, after=self.model.version if self.model else 0)
        self.refused |= dict.fromkeys(lookup.refused)
        if lookup.published is None:
            return
        self.model = lookup.published
        model = self.model.model
        recent = list(self.cached)[-self.recent :] if self.recent else []
        scorer = warmed_up(model, np.array(recent) if recent else np.empty((0, model.channels)))
        if self.detector is None:
            self.detector = OnlineDetector(scorer, self.threshold)
        else:
            self.detector.swap(scorer)

    def result(self) -> StreamReplay:
        """Return everything as tables."""
        names = ["time", "error", "threshold", "alarm", "version", "age", "late"]
        types = {"alarm": bool, "version": int, "late": bool}
        return StreamReplay(
            pd.DataFrame(self.rows, columns=names).astype(types),
            pd.DataFrame(self.trainings, columns=["number", "triggered", "finished", "outcome", "version"]),
            tuple(self.refused),
        )
