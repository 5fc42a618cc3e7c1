"""Anomalies that are injected into streams, and how well detectors find them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score

from edgeresearch.anomaly.base import Array, Mask
from edgeresearch.anomaly.settings import Injection
from edgeresearch.errors import InputError

KINDS = ("spike", "shift", "drift", "stuck", "missing")

LENGTHS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"spike": (1, 2), "shift": (12, 36), "drift": (24, 48), "stuck": (12, 36), "missing": (6, 18)}
)
"""Shortest and longest event of a kind, in samples; the longest is `settings.LONGEST_EVENT`."""

INJECTION = Injection()


@dataclass(frozen=True)
class Event:
    """One anomaly.

    Attributes:
        kind: One of `KINDS`.
        begin: Index of the first sample that it changed.
        end: Index after the last that it changed.
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


DAY = 86400.0


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


def score(labels: npt.ArrayLike, scores: npt.ArrayLike, alarms: npt.ArrayLike, *, interval: float) -> Scores:
    """Compare the scores and alarms of a detector with the truth.

    Args:
        labels: Which samples are anomalous, `(samples,)`.
        scores: The higher, the less normal; NaN where there is none.
        alarms: Which samples were alarms.
        interval: Seconds between two samples.

    Raises:
        ValueError: The three differ in length, or are empty.
    """
    truth, raised = np.asarray(labels, dtype=bool), np.asarray(alarms, dtype=bool)
    ranked = np.asarray(scores, dtype=np.float64)
    if not truth.shape == raised.shape == ranked.shape or truth.ndim != 1 or not len(truth):
        raise ValueError("labels, scores and alarms must be equally many samples in one dimension")
    waits = detection_delays(truth, raised) * interval
    found = np.isfinite(waits)
    return Scores(
        point_f1=point_f1(truth, raised),
        event_f1=event_f1(truth, raised),
        point_adjusted_f1_inflated=point_adjusted_f1(truth, raised),
        auc_pr=auc_pr(truth, ranked),
        delay=float(waits[found].mean()) if found.any() else float("nan"),
        detected=float(found.mean()) if len(found) else float("nan"),
        false_alarms_per_day=count_false_alarms(truth, raised) * DAY / (len(truth) * interval),
        events=len(waits),
    )


def find_runs(mask: Mask) -> Iterator[tuple[int, int]]:
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
    found = int(np.isfinite(detection_delays(labels, alarms)).sum())
    return _f1(found, count_false_alarms(labels, alarms), sum(1 for _ in find_runs(labels)) - found)


def best_event_f1(labels: Mask, scores: Array, levels: int = 30) -> float:
    """Return event F1 at the fixed level that is best for it; NaN without an event or a score.

    It takes the labels to find that level, so this is no result of a detector but what its scores allow: beside
    `event_f1` it says how much is the threshold's.

    Args:
        labels: Which samples are anomalous.
        scores: The higher, the less normal; NaN where there is none.
        levels: Levels that are tried: from a fifth of the scores above it to a single one.
    """
    known = scores[np.isfinite(scores)]
    if not labels.any() or not len(known):
        return float("nan")
    shares = np.geomspace(0.2, 1 / len(known), levels)
    return max(event_f1(labels, scores > level) for level in np.quantile(known, 1 - shares))


def point_adjusted_f1(labels: Mask, alarms: Mask) -> float:
    """Return F1 over samples, where an event with one alarm counts as alarm throughout: inflated; NaN without an event.

    Xu et al. (WWW 2018) introduced it; Kim et al. (AAAI 2022) show that random alarms score high by it. It stands here
    for comparison with papers that report it.
    """
    adjusted = alarms.copy()
    for begin, end in find_runs(labels):
        adjusted[begin:end] |= alarms[begin:end].any()
    return point_f1(labels, adjusted)


def auc_pr(labels: Mask, scores: Array) -> float:
    """Return the average precision of the scores; NaN where not both kinds of samples are there."""
    if labels.all() or not labels.any():
        return float("nan")
    known = np.isfinite(scores)
    lowest = scores[known].min() - 1 if known.any() else 0.0
    return float(average_precision_score(labels, np.where(known, scores, lowest)))


def detection_delays(labels: Mask, alarms: Mask) -> Array:
    """Return the samples from the begin of each event to its first alarm, `(events,)`; NaN for an event without one."""
    found = [
        float(alarms[begin:end].argmax()) if alarms[begin:end].any() else float("nan")
        for begin, end in find_runs(labels)
    ]
    return np.array(found, dtype=np.float64)


def count_false_alarms(labels: Mask, alarms: Mask) -> int:
    """Return the number of alarm runs that touch no event."""
    return sum(not labels[begin:end].any() for begin, end in find_runs(alarms))


def _f1(found: int, false: int, missed: int) -> float:
    return 2 * found / (2 * found + false + missed) if found + missed else float("nan")
