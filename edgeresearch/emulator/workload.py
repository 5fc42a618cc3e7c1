"""Streams that trigger trainings, how long those take, and random numbers that depend on a key alone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from edgeresearch.emulator.settings import TrainingCost
from edgeresearch.scheduling.runtime_model import Curve, Numbers

Floats = npt.NDArray[np.float64]
Key = int | npt.NDArray[np.int64]

_MASK = 0xFFFFFFFFFFFFFFFF
_STEP, _ONE, _OTHER = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_UNIT = 2.0**-53


class RandomDraws(NamedTuple):
    """All that is random in one run, the same for every policy.

    Attributes:
        key: First part of the keys of triggers and messages.
        phases: Time of an exchange of each node, in seconds, not above 0.
        rng: For the policy.
    """

    key: int
    phases: list[float]
    rng: np.random.Generator


def spawn_seeds(seed: np.random.SeedSequence, count: int) -> list[np.random.SeedSequence]:
    """Return what the first `seed.spawn(count)` returns, at every call: the seed itself is left as it is."""
    entropy, key, size = seed.entropy, seed.spawn_key, seed.pool_size
    return [np.random.SeedSequence(entropy, spawn_key=(*key, i), pool_size=size) for i in range(count)]


def random_draws(seed: np.random.SeedSequence, nodes: int, interval: float) -> RandomDraws:
    """Draw what is random in a run; the same at every call, and more nodes do not change those before them.

    Args:
        seed: Root of all randomness.
        nodes: How many.
        interval: Time between two exchanges, in seconds.
    """
    key, phases, rng = spawn_seeds(seed, 3)
    return RandomDraws(
        int(key.generate_state(1, np.uint64)[0]),
        (-interval * np.random.default_rng(phases).random(nodes)).tolist(),
        np.random.default_rng(rng),
    )


def keyed_uniform(*key: int) -> float:
    """Return a number strictly between 0 and 1 (one round of splitmix64 for each part of the key)."""
    state = 0
    for part in key:
        state = (state ^ (part & _MASK)) + _STEP & _MASK
        state = (state ^ (state >> 30)) * _ONE & _MASK
        state = (state ^ (state >> 27)) * _OTHER & _MASK
        state ^= state >> 31
    return ((state >> 12) + 0.5) * 2 * _UNIT


def keyed_uniforms(*key: Key) -> Floats:
    """Return what `keyed_uniform` does, element by element; parts of the key are arrays of one shape, or numbers."""
    state = np.zeros(1, dtype=np.uint64)
    for part in key:
        bits = np.uint64(part & _MASK) if isinstance(part, int) else part.astype(np.uint64)
        state = (state ^ bits) + np.uint64(_STEP)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(_ONE)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(_OTHER)
        state ^= state >> np.uint64(31)
    return ((state >> np.uint64(12)).astype(np.float64) + 0.5) * (2 * _UNIT)


def keyed_normals(*key: Key) -> Floats:
    """Return standard normal numbers in the place of uniform ones."""
    return np.asarray(ndtri(keyed_uniforms(*key)), dtype=np.float64)


_DURATION, _MONITOR = 1, 2


@dataclass(frozen=True)
class TrainingTimes:
    """How long trainings really take on each node class; the scheduler sees only its own runs.

    Attributes:
        curves: Eq. 1 by node class.
        noise: Standard deviation of the logarithm of a run's duration.
        monitor: Standard deviation of the utilisation that the monitoring reports.
        start: t_start of the container, in seconds.
        stop: t_stop, in seconds.
    """

    curves: Mapping[str, Curve]
    noise: float
    monitor: float
    start: float
    stop: float

    @classmethod
    def of(cls, cost: TrainingCost, speeds: Mapping[str, float]) -> "TrainingTimes":
        """Return the times on node classes: those of a faster one have their CPU time divided by its speed."""
        base = Curve(cost.a, cost.b, cost.c, cost.d)
        curves = {kind: base._replace(a=base.a / speed) for kind, speed in speeds.items()}
        return cls(curves, cost.noise, cost.monitor, cost.start, cost.stop)

    def seconds(self, kind: str, limit: Numbers, work: float) -> tuple[Numbers, Numbers]:
        """Return how long a training takes without noise, and the share of its limit that it uses.

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
        """Draw for triggers the factor on the duration, and what is added to the utilisation.

        Args:
            key: Of the run; a draw depends on it, the job and the trigger's number alone.
            jobs: Numbers of jobs.
            counts: Numbers of their triggers.
        """
        duration, monitor = keyed_normals(key, _DURATION, jobs, counts), keyed_normals(key, _MONITOR, jobs, counts)
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
