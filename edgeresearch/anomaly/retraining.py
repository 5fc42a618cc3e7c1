"""When models are retrained on a stream, and which one is in use."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from edgeresearch.anomaly.base import Array, present, table, wrong_width
from edgeresearch.anomaly.detectors import MOVING, Watch, begun
from edgeresearch.anomaly.identity import Identity
from edgeresearch.anomaly.inference import Model
from edgeresearch.anomaly.model_store import Published, Repository
from edgeresearch.anomaly.online import RECENT, Schedule
from edgeresearch.anomaly.thresholds import Judge, Threshold
from edgeresearch.errors import InputError


@dataclass(frozen=True)
class Request:
    """A training that has been triggered.

    Attributes:
        stream: Name of the stream's model.
        number: Of the training, from 1.
        time: When it was triggered, in virtual seconds.
        samples: How many are cached.
    """

    stream: str
    number: int
    time: float
    samples: int


class Decision(Protocol):
    """Decides what becomes of a training: an emulator, or one of `always`, `never` and `recorded`."""

    def __call__(self, request: Request) -> float | None:
        """Return the virtual seconds until the model is published; None if the training is dropped."""
        ...


class Training(Protocol):
    """Trains a model. `trained_by` makes one of an identity function."""

    def __call__(self, samples: Array, previous: Model | None, number: int) -> Model:
        """Train.

        Args:
            samples: The cached ones, `(samples, channels)`.
            previous: The model in use at the trigger, to go on from if wanted; None before the first.
            number: Of the training, from 1.
        """
        ...


def always(seconds: float) -> Decision:
    """Every training is placed and takes the same time."""
    return lambda request: seconds


def never(request: Request) -> None:
    """Every training is dropped."""


def recorded(outcomes: Sequence[float | None]) -> Decision:
    """Training `n` ends as the nth of these says: its duration in virtual seconds, or None for dropped."""

    def decide(request: Request) -> float | None:
        if request.number > len(outcomes):
            raise InputError(
                f"training {request.number} was triggered, {len(outcomes)} outcomes are recorded; give more"
            )
        return outcomes[request.number - 1]

    return decide


def trained_by(
    identity: Identity, seed: np.random.SeedSequence, *, warm_start: bool = True, accelerator: str = "auto"
) -> Training:
    """Return a training of an identity function.

    Args:
        identity: What is trained.
        seed: Each training draws from a child of it, by its number: a dropped training changes no other.
        warm_start: Whether a training goes on from the weights of the model in use, as Paper B's do.
        accelerator: Lightning's word for where to train.
    """

    def train(samples: Array, previous: Model | None, number: int) -> Model:
        child = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, number))
        drawn = int(child.generate_state(1)[0])
        return identity.fit(samples, seed=drawn, start=previous if warm_start else None, accelerator=accelerator)

    return train


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


@dataclass(frozen=True)
class Settings:
    """How a stream is watched.

    Attributes:
        interval: Seconds between two samples; Paper B's streams have 0.2 to 0.8.
        every: Samples after which a training is triggered (1,000 in Paper B).
        cache: Newest samples that a training gets.
        check: Samples between two looks into the repository.
        recent: Newest samples over which the state of a newer model comes up.
    """

    interval: float = 0.5
    every: int = 1000
    cache: int = 1000
    check: int = 10
    recent: int = 100

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        if not (self.interval > 0 and math.isfinite(self.interval)):
            raise InputError(f"interval is {self.interval}; give a positive number of seconds")
        for name in ("every", "cache", "check"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give at least one sample")
        if not 0 <= self.recent <= self.cache:
            raise InputError(f"recent is {self.recent}; give 0 to {self.cache} samples, as many as are cached")


SETTINGS = Settings()


@dataclass(frozen=True)
class Replay:
    """What happened on a stream.

    Attributes:
        samples: One row per sample that came: time (virtual seconds from the start), error, threshold, alarm, version
            (of the model in use, 0 before the first), age (seconds since the newest sample that the model was trained
            on came; NaN before the first model and for one that this replay did not publish), late (not in time order,
            or seen before: neither scored nor learnt from). Error and threshold are NaN where nothing is scored.
        trainings: One row per training: number, triggered, finished (virtual seconds; NaN unless published), outcome
            (`published`, `dropped`, `running` for one dropped because the one before still ran, `unfinished` at the end
            of the stream), version (0 unless published).
        refused: What the repository had to leave aside, one line each.
    """

    samples: pd.DataFrame
    trainings: pd.DataFrame
    refused: tuple[str, ...]


def replay(
    samples: Iterable[Any],
    *,
    name: str,
    repository: Repository,
    train: Training,
    decide: Decision,
    threshold: Threshold = MOVING,
    settings: Settings = SETTINGS,
    stamps: Iterable[Any] | None = None,
) -> Replay:
    """Replay a stream in virtual time.

    A model that stands in the repository under this name at the start is used from the first sample on. Of a sample
    without any value its time alone is kept: it is neither scored nor counted nor cached.

    Args:
        samples: `(samples, channels)`, or one array per sample, in the order in which they come.
        name: Of the stream's model in the repository.
        repository: Where trainings publish and the prediction looks.
        train: Makes a model of the cached samples; called when the training ends in virtual time.
        decide: Says how long a training takes, or that it is dropped.
        threshold: Judges the errors; it lives on when the model changes.
        settings: Rate, cache and trigger.
        stamps: Time stamps of the samples, as their sensor gave them: a sample whose stamp is not after the newest one
            so far, or that has none, is late or a duplicate. None if they are in order.

    Raises:
        InputError: A sample has another number of values than the model in use, stamps and samples differ in number,
            or a duration is negative or NaN.
    """
    run = _Run(name, repository, train, decide, settings, threshold.start())
    for values, late in _ordered(samples, stamps):
        run.take(values, late)
    return run.outcome()


def _ordered(samples: Iterable[Any], stamps: Iterable[Any] | None) -> Iterator[tuple[Any, bool]]:
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
class _Running:
    """A training under way."""

    request: Request
    finish: float
    samples: Array
    previous: Model | None
    row: dict[str, Any]


@dataclass
class _Run:
    """The state of a replay."""

    name: str
    repository: Repository
    train: Training
    decide: Decision
    settings: Settings
    judge: Judge
    model: Published | None = None
    watch: Watch | None = None
    running: _Running | None = None
    seen: int = 0
    rows: list[tuple[float, float, float, bool, int, float, bool]] = field(default_factory=list)
    trainings: list[dict[str, Any]] = field(default_factory=list)
    refused: dict[str, None] = field(default_factory=dict)
    trained: dict[int, float] = field(default_factory=dict)
    cached: deque[Array] = field(init=False)

    def __post_init__(self) -> None:
        self.cached = deque(maxlen=self.settings.cache)

    def take(self, values: Any, late: bool) -> None:
        """Let a sample come."""
        index = len(self.rows)
        now = index * self.settings.interval
        if self.running and self.running.finish <= now:
            self._finish(self.running)
        if index % self.settings.check == 0:
            self._look()
        sample = table([values])[0]
        if self.cached and len(sample) != len(self.cached[-1]):
            raise InputError(f"{self.name}, sample {index + 1}: {wrong_width(len(sample), len(self.cached[-1]))}")
        version = self.model.version if self.model else 0
        age = now - self.trained.get(version, math.nan)
        blank = late or not np.isfinite(sample).any()
        if blank or self.watch is None:
            self.rows.append((now, math.nan, math.nan, False, version, age, late))
        else:
            self.rows.append((now, *self.watch.update(sample), version, age, late))
        if not blank:
            self.seen += 1
            self.cached.append(sample)
            if self.seen % self.settings.every == 0:
                self._trigger(now)

    def _trigger(self, now: float) -> None:
        request = Request(self.name, len(self.trainings) + 1, now, len(self.cached))
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
        self.running = _Running(request, now + duration, np.array(self.cached), previous, row)

    def _finish(self, done: _Running) -> None:
        model = self.train(done.samples, done.previous, done.request.number)
        version = self.repository.publish(self.name, model, about={"training": done.request.number})
        self.trained[version] = done.request.time
        done.row.update(finished=done.finish, outcome="published", version=version)
        self.running = None

    def _look(self) -> None:
        """Pick up a newer model."""
        found = self.repository.latest(self.name, after=self.model.version if self.model else 0)
        self.refused |= dict.fromkeys(found.refused)
        if found.published is None:
            return
        self.model = found.published
        model = found.published.model
        recent = list(self.cached)[-self.settings.recent :] if self.settings.recent else []
        state = begun(model, np.array(recent) if recent else np.empty((0, model.channels)))
        if self.watch is None:
            self.watch = Watch(state, self.judge)
        else:
            self.watch.swap(state)

    def outcome(self) -> Replay:
        """Put everything into tables."""
        names = ["time", "error", "threshold", "alarm", "version", "age", "late"]
        types = {"alarm": bool, "version": int, "late": bool}
        return Replay(
            pd.DataFrame(self.rows, columns=names).astype(types),
            pd.DataFrame(self.trainings, columns=["number", "triggered", "finished", "outcome", "version"]),
            tuple(self.refused),
        )
