"""Streams and their trainings: what triggers when, what it takes in truth, and what the monitoring sees of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgeresearch.emulator.chance import Floats, Key, normals
from edgeresearch.los.runtime import Curve, Numbers

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
