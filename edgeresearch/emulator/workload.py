"""Streams that trigger trainings, and the randomness of each, drawn by key."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from edgeresearch.scheduling.runtime_model import Curve, Numbers

Floats = npt.NDArray[np.float64]
Key = int | npt.NDArray[np.int64]

_MASK = 0xFFFFFFFFFFFFFFFF
_STEP, _ONE, _OTHER = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_UNIT = 2.0**-53


class Chance(NamedTuple):
    """All that chance gives to one run.

    Attributes:
        key: First part of the keys of triggers and messages.
        phases: Time of an exchange of each node, in seconds, not above 0.
        rng: For the policy.
    """

    key: int
    phases: list[float]
    rng: np.random.Generator


def children(seed: np.random.SeedSequence, count: int) -> list[np.random.SeedSequence]:
    """Return what `seed.spawn` would first return, again and again: the seed does not count them."""
    entropy, key, size = seed.entropy, seed.spawn_key, seed.pool_size
    return [np.random.SeedSequence(entropy, spawn_key=(*key, i), pool_size=size) for i in range(count)]


def chance(seed: np.random.SeedSequence, nodes: int, interval: float) -> Chance:
    """Return what a seed gives, which is left as it is: the same at every call; nodes to come change nothing.

    Args:
        seed: Root of all randomness.
        nodes: How many.
        interval: Time between two exchanges, in seconds.
    """
    key, phases, rng = children(seed, 3)
    return Chance(
        int(key.generate_state(1, np.uint64)[0]),
        (-interval * np.random.default_rng(phases).random(nodes)).tolist(),
        np.random.default_rng(rng),
    )


def uniform(*key: int) -> float:
    """Return a number strictly between 0 and 1 (one round of splitmix64 for each part of the key)."""
    state = 0
    for part in key:
        state = (state ^ (part & _MASK)) + _STEP & _MASK
        state = (state ^ (state >> 30)) * _ONE & _MASK
        state = (state ^ (state >> 27)) * _OTHER & _MASK
        state ^= state >> 31
    return ((state >> 12) + 0.5) * 2 * _UNIT


def uniforms(*key: Key) -> Floats:
    """Return what `uniform` does, element by element; parts of the key are arrays of one shape, or single numbers."""
    state = np.zeros(1, dtype=np.uint64)
    for part in key:
        bits = np.uint64(part & _MASK) if isinstance(part, int) else part.astype(np.uint64)
        state = (state ^ bits) + np.uint64(_STEP)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(_ONE)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(_OTHER)
        state ^= state >> np.uint64(31)
    return ((state >> np.uint64(12)).astype(np.float64) + 0.5) * (2 * _UNIT)


def normals(*key: Key) -> Floats:
    """Return standard normal numbers in the place of uniform ones."""
    return np.asarray(ndtri(uniforms(*key)), dtype=np.float64)


_DURATION, _MONITOR = 1, 2


@dataclass(frozen=True)
class Truth:
    """How long trainings take in truth; the scheduler never sees it, only its own observations.

    Attributes:
        curves: Eq. 1 by node class.
        noise: Standard deviation of the logarithm of a run's duration.
        monitor: Standard deviation of the utilisation that the monitoring reports.
        start: t_start of the container, in seconds.
        stop: t_stop, in seconds.
    """

    curves: Mapping[str, Curve]
    noise: float = 0.1
    monitor: float = 0.05
    start: float = 5.0
    stop: float = 1.0

    def seconds(self, kind: str, limit: Numbers, work: float) -> tuple[Numbers, Numbers]:
        """Return what a training takes but for the noise, and the share of its limit that it uses.

        Args:
            kind: Node class.
            limit: In millicores; one, or an array of them.
            work: Factor on the part of the time that depends on the CPU (a in eq. 1).
        """
        curve = self.curves[kind]
        busy = work * curve.busy(limit)
        seconds = busy + curve.d
        return seconds, busy / seconds

    def draws(self, key: int, jobs: Key, counts: Key) -> tuple[Floats, Floats]:
        """Return what chance gives to triggers: the factor on the duration, and what is added to the utilisation.

        Args:
            key: Of the run; what a trigger gets hangs on it, the job and the trigger's number alone.
            jobs: Numbers of jobs.
            counts: Numbers of their triggers.
        """
        duration, monitor = normals(key, _DURATION, jobs, counts), normals(key, _MONITOR, jobs, counts)
        # Not numpy's exp: its last digit differs between processors.
        noise = np.array([math.exp(value) for value in (self.noise * duration).tolist()])
        return noise, self.monitor * monitor


@dataclass(frozen=True, slots=True)
class Job:
    """One stream: its prediction job stays at the source, its trainings look for a place.

    Attributes:
        source: Node of the stream.
        period: Time between two triggers, in seconds.
        first: Time of the first trigger, in seconds.
        cpu: What the prediction job takes at the source, in millicores.
        memory: What the prediction job takes, in megabytes.
        training_memory: Largest use of a training, in megabytes.
        megabytes: Model and cached samples that a training needs.
        work: Factor on the part of the true duration of its trainings that depends on the CPU.
    """

    source: int
    period: float
    first: float
    cpu: float = 0.0
    memory: float = 0.0
    training_memory: float = 64.0
    megabytes: float = 0.5
    work: float = 1.0
