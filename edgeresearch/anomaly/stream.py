"""A sensor's stream replayed in virtual time: prediction goes on while models are trained elsewhere (Paper B, V.3).

Each sample is scored with the model in use. After every so many samples a training is triggered on the cached ones; who
decides what becomes of it (the emulator, a list of durations) says how long it takes, or that it is dropped. While it
runs, and if it is dropped, the old model stays in use. A finished training publishes its model in the repository, and
the prediction, which looks there now and then, picks it up. A training that is triggered while the one before still
runs is dropped (section III.B).
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.anomaly.detector import MOVING, Watch, begun
from edgeresearch.anomaly.model import Model
from edgeresearch.anomaly.repository import Published, Repository
from edgeresearch.anomaly.samples import Array, table, wrong_width
from edgeresearch.anomaly.threshold import Judge, Threshold
from edgeresearch.anomaly.trainings import Decision, Request, Training
from edgeresearch.errors import InputError


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
