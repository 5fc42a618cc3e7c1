"""Seeded anomalies put into a real stream, with their truth: what detection is measured on.

A stretch is divided into slots of equal length, and each slot gets one event of a kind, at a random place and of random
length and size; kinds take turns in random order. Sizes are in spreads of the channel.

- spike: a channel jumps by a size for one or two samples;
- shift: its level is off by a size for a while, then it is back;
- drift: it moves away linearly until it is off by a size, then it is back;
- stuck: it repeats the last value before the event, whatever happens;
- missing: no channel has a value.

Spike, shift, drift and stuck sensor befall some of the channels, at least one, together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from edgeresearch.anomaly.samples import Array, Mask
from edgeresearch.errors import InputError

KINDS = ("spike", "shift", "drift", "stuck", "missing")

LENGTHS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"spike": (1, 2), "shift": (12, 36), "drift": (24, 48), "stuck": (12, 36), "missing": (6, 18)}
)
"""Shortest and longest event of a kind, in samples."""


@dataclass(frozen=True)
class Injection:
    """How much is injected.

    Attributes:
        every: Samples for each event.
        smallest: Size, in spreads of the channel.
        largest: The same, at most.
    """

    every: int = 150
    smallest: float = 2.0
    largest: float = 5.0

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        least = max(longest for _, longest in LENGTHS.values()) + 2
        if self.every < least:
            raise InputError(f"every is {self.every}; the longest event takes {least} samples with one on either side")
        if not 0 < self.smallest <= self.largest < np.inf:
            raise InputError(f"sizes are {self.smallest} to {self.largest}; give positive ones in ascending order")


@dataclass(frozen=True)
class Event:
    """One anomaly.

    Attributes:
        kind: One of `KINDS`.
        begin: Index of the first sample that it changed.
        end: Index after the last that it changed.
        channels: What it befell.
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
    values: Array, rng: np.random.Generator, *, spread: Array, floor: float = -np.inf, plan: Injection | None = None
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
    plan = plan or Injection()
    slots = len(values) // plan.every
    if not slots:
        raise InputError(f"{len(values)} samples; with an event each {plan.every}, give at least {plan.every}")
    changed, labels, events = values.copy(), np.zeros(len(values), dtype=bool), []
    turns = np.concatenate([rng.permutation(len(KINDS)) for _ in range(-(-slots // len(KINDS)))])[:slots]
    for slot, turn in enumerate(turns.tolist()):
        kind = KINDS[turn]
        shortest, longest = LENGTHS[kind]
        length = int(rng.integers(shortest, longest + 1))
        begin = slot * plan.every + int(rng.integers(1, plan.every - length))
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


def _anomaly(kind: str, past: Array, length: int, sizes: Array, floor: float) -> npt.NDArray[np.float64]:
    """Return the last `length` samples of `past` with an anomaly."""
    own = past[-length:]
    if kind == "missing":
        return np.full_like(own, np.nan)
    if kind == "stuck":
        return np.broadcast_to(_newest(past[:-length], own), own.shape)
    lowest = np.min(np.where(np.isfinite(own), own, np.inf), axis=0)
    sizes = np.where(lowest + sizes < floor, np.abs(sizes), sizes)
    ramp = np.arange(1, length + 1) / length if kind == "drift" else np.ones(length)
    return np.asarray(own + ramp[:, None] * sizes)


def _newest(past: Array, own: Array) -> Array:
    """Return the last value of each channel; where there is none, `own` stays."""
    seen = np.isfinite(past)
    last = len(past) - 1 - seen[::-1].argmax(axis=0)
    newest: Array = np.where(seen.any(axis=0), past[last, np.arange(past.shape[1])], own)
    return newest
