"""What a run of the service was: requests, pods, and what is derived from them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from edgeresearch.elastic.checks import Floats, Ints
from edgeresearch.elastic.settings import Settings


@dataclass(frozen=True)
class Outcome:
    """Requests and pods of every step; all arrays are `(steps,)` but `gone`.

    At the end of every step, served + failed + waiting = arrived, summed from the first step on.

    Attributes:
        settings: The service.
        arrived: Requests that arrived.
        wanted: Pods wanted.
        ready: Pods that serve.
        capacity: Requests that they can take.
        waiting: Requests that wait at the end of the step.
        served: Requests that succeeded.
        base: Requests that failed whatever happened.
        overload: Requests that failed because too many were waiting.
        drain: Requests that failed with a removed pod.
        gone: A step for each ready pod that was removed, in no order.
    """

    settings: Settings
    arrived: Ints
    wanted: Ints
    ready: Ints
    capacity: Ints
    waiting: Ints
    served: Ints
    base: Ints
    overload: Ints
    drain: Ints
    gone: Ints

    @property
    def failed(self) -> Ints:
        """Requests that failed, of all causes."""
        return self.base + self.overload + self.drain

    @property
    def starting(self) -> Ints:
        """Pods that are wanted but not ready yet."""
        return self.wanted - self.ready

    @property
    def draining(self) -> Ints:
        """Removed pods within their grace period: they hold their place, and take no new request."""
        steps = len(self.wanted)
        length = int(np.ceil(self.settings.grace / self.settings.dt - 1e-9))
        over = np.minimum(self.gone + length, steps)
        return np.cumsum(np.bincount(self.gone, minlength=steps + 1) - np.bincount(over, minlength=steps + 1))[:steps]

    @property
    def pod_hours(self) -> float:
        """Hours of pods that start, serve or drain."""
        return float((self.wanted.sum() + self.draining.sum()) * self.settings.dt / 3600)

    @property
    def error_percent(self) -> float:
        """Failed requests among those that arrived, in percent; NaN where none arrived."""
        arrived = int(self.arrived.sum())
        return 100 * int(self.failed.sum()) / arrived if arrived else float("nan")

    @property
    def utilisation(self) -> Floats:
        """Requests taken among those that the ready pods can take, 0 to 1; 0 in a step in which they can take none."""
        return _ratio(self.served + self.base + self.drain, self.capacity)

    @property
    def pod_cpu(self) -> Floats:
        """CPU of a ready pod, in percent of its limit: from `cpu_idle` when idle to 100 at full use."""
        idle = self.settings.cpu_idle
        return idle + (100 - idle) * self.utilisation

    @property
    def cpu(self) -> Floats:
        """CPU of the service, in percent of all its pods' limits; others than ready ones idle (Paper A, Fig. 2)."""
        return self._of_all(self.pod_cpu, self.settings.cpu_idle)

    @property
    def pod_memory(self) -> Floats:
        """Memory of a ready pod, in percent of its limit: idle, plus requests in flight, plus its part of the queue."""
        full = _ratio(self.waiting, self.ready * self.settings.room)
        return (
            self.settings.memory_idle + self.settings.memory_load * self.utilisation + self.settings.memory_queue * full
        )

    @property
    def memory(self) -> Floats:
        """Memory of the service, in percent of all its pods' limits; others than ready ones idle (Paper A, Fig. 3)."""
        return self._of_all(self.pod_memory, self.settings.memory_idle)

    def table(self) -> pd.DataFrame:
        """Return one row per step: requests by fate, pods by state, CPU and memory."""
        names = (
            "arrived", "served", "base", "overload", "drain", "waiting", "wanted", "starting", "ready", "draining",
            "pod_cpu", "cpu", "pod_memory", "memory",
        )  # fmt: skip
        seconds = np.arange(len(self.wanted)) * self.settings.dt
        return pd.DataFrame({"seconds": seconds, **{name: getattr(self, name) for name in names}})

    def _of_all(self, ready: Floats, idle: float) -> Floats:
        pods = self.wanted + self.draining
        return np.asarray((self.ready * ready + (pods - self.ready) * idle) / pods)


def _ratio(part: Ints, whole: Ints) -> Floats:
    """Return the quotients, 0 where the whole is 0."""
    result = np.zeros(len(part))
    np.divide(part, whole, out=result, where=whole > 0)
    return result
