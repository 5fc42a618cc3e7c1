"""Which steps are stable, expansion or shrinkage, and the error rates in them (Paper A, Table 3)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgeresearch.elastic.capacity import Capacity
from edgeresearch.elastic.checks import Floats, Ints, counts
from edgeresearch.elastic.outcome import Outcome
from edgeresearch.elastic.settings import Settings
from edgeresearch.errors import InputError

Phases: TypeAlias = npt.NDArray[np.int8]

PHASES: Mapping[str, int] = MappingProxyType({"stable": 0, "expansion": 1, "shrinkage": -1})
"""The phases by name, in the order of Paper A, Table 3, with the number that marks their steps."""


def from_trace(
    arrivals: npt.ArrayLike, *, capacity: Capacity, settings: Settings, window: float, smooth: float = 60.0
) -> Phases:
    """Mark steps by the load itself, alike for all strategies.

    Needed are P = ⌈Q / Q_act⌉ pods for the load Q, smoothed by a centred mean (at the ends, over the steps there are).
    A step is in expansion if more pods are needed `window` seconds after it than were `window` seconds before it, in
    shrinkage if fewer, else stable. It looks both ways, because a late expansion fails after the load has risen and an
    early shrinkage before it has fallen.

    Args:
        arrivals: Requests of each step, `(steps,)`.
        capacity: What a pod is taken to do.
        settings: The service.
        window: How far the comparison reaches either way, in seconds: start delay plus decision interval.
        smooth: Length of the mean, in seconds.

    Returns:
        Numbers of `PHASES`, `(steps,)`.

    Raises:
        InputError: The arrivals are not whole numbers of at least 0.
    """
    rate = _smoothed(counts("arrivals", arrivals), round(smooth / settings.dt / 2)) / settings.dt
    needed = capacity.bounded(capacity.needed(rate))
    reach = max(round(window / settings.dt), 1)
    around = np.pad(needed, reach, mode="edge")
    change: Phases = np.sign(around[2 * reach :] - around[: -2 * reach]).astype(np.int8)
    return change


def from_actions(wanted: npt.ArrayLike, *, settings: Settings, window: float) -> Phases:
    """Mark steps by the strategy's own actions.

    The headings of Paper A, Table 3, "Triggered expansion time" and "Trigger shrinkage", can be read so. A step is in
    expansion if the last change of the wanted pods, at most `window` seconds ago, added some; in shrinkage if it
    removed some; else stable.

    Args:
        wanted: Pods wanted in each step, `(steps,)`.
        settings: The service.
        window: How long an action counts, in seconds: start delay plus decision interval.

    Returns:
        Numbers of `PHASES`, `(steps,)`.

    Raises:
        InputError: The wanted pods are not whole numbers of at least 1.
    """
    change = np.diff(counts("wanted pods", wanted, 1), prepend=np.asarray(wanted)[:1])
    steps = np.arange(len(change))
    last = np.maximum.accumulate(np.where(change != 0, steps, 0))
    recent = steps - last < max(round(window / settings.dt), 1)
    return np.where(recent, np.sign(change[last]), 0).astype(np.int8)


def errors_by_phase(outcome: Outcome, phases: Phases) -> dict[str, float]:
    """Return the error rate of each phase (Paper A, Table 3).

    Args:
        outcome: What happened.
        phases: Numbers of `PHASES`, `(steps,)`.

    Returns:
        For each of `PHASES`, the requests that failed in its steps among those that arrived in them, in percent; NaN
        where none arrived.

    Raises:
        InputError: The numbers of steps differ.
    """
    if len(phases) != len(outcome.arrived):
        raise InputError(
            f"phases of {len(phases)} steps for {len(outcome.arrived)} steps of service; mark the trace that was served"
        )
    failed, rates = outcome.failed, {}
    for name, mark in PHASES.items():
        inside = phases == mark
        arrived = _sum(outcome.arrived, inside)
        rates[name] = 100 * _sum(failed, inside) / arrived if arrived else float("nan")
    return rates


def _smoothed(values: Ints, half: int) -> Floats:
    """Return centred means over `half` steps either way, from whole sums: equal loads give equal means."""
    steps = np.arange(len(values))
    sums = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values)])
    first, last = np.maximum(steps - half, 0), np.minimum(steps + half + 1, len(values))
    return np.asarray((sums[last] - sums[first]) / (last - first), dtype=np.float64)


def _sum(values: Ints, inside: npt.NDArray[np.bool_]) -> int:
    return int(values[inside].sum())
