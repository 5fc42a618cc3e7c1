"""Settings of the simulated service."""

from dataclasses import dataclass

import numpy as np

from edgeresearch.elastic.checks import Ints, within
from edgeresearch.errors import InputError

MILLION = 1_000_000
"""Shares and fractions of a request are whole millionths, so that nothing is lost to rounding."""


@dataclass(frozen=True)
class Settings:
    """How the service and its pods behave; the same for every strategy and phase.

    The paper states none of these but the rule that 80 % of Q_max is planned with. CPU and memory are a model: a pod's
    CPU grows linearly from `cpu_idle` to 100 % at full use; its memory is `memory_idle`, plus `memory_load` for the
    requests in flight at full use, plus `memory_queue` when the queue is full. The defaults stay within the ranges that
    Paper A's Figs. 2 and 3 show (30 to 90 %, 40 to 95 %) at ordinary loads.

    Attributes:
        q_max: Requests that a ready pod serves per second; in step t it takes ⌊(t + 1) q⌋ - ⌊t q⌋ with q = q_max · dt.
        start_delay: Mean time from wanting a pod to its readiness (image pull, start, readiness probe), in seconds.
        start_spread: Half the width of the uniform distribution around it, in seconds, at most `start_delay`.
        base_error: Share of the requests taken that fails whatever happens, to a millionth.
        timeout: Longest wait, in seconds: ⌊q_max · timeout⌋ requests may wait per ready pod.
        grace: Time a removed pod has to finish its requests (Kubernetes: 30 s), in seconds.
        service_time: Mean of the exponential service times, in seconds.
        dt: Length of a step, in seconds, at most 1.
        cpu_idle: CPU of an idle pod, in percent.
        memory_idle: Memory of an idle pod, in percent.
        memory_load: What its requests in flight add at full use, in percent.
        memory_queue: What its part of a full queue adds, in percent.
    """

    q_max: float = 20.0
    start_delay: float = 30.0
    start_spread: float = 0.0
    base_error: float = 0.03
    timeout: float = 1.0
    grace: float = 30.0
    service_time: float = 0.2
    dt: float = 1.0
    cpu_idle: float = 10.0
    memory_idle: float = 40.0
    memory_load: float = 40.0
    memory_queue: float = 15.0

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            InputError: A setting is out of its range.
        """
        within("q_max", self.q_max, 0, 1e9, above=True)
        within("dt", self.dt, 0, 1, above=True)
        for name in ("start_delay", "start_spread", "timeout", "grace", "memory_idle", "memory_load", "memory_queue"):
            within(name, getattr(self, name), 0)
        within("service_time", self.service_time, 0, above=True)
        within("base_error", self.base_error, 0, 1)
        within("cpu_idle", self.cpu_idle, 0, 100)
        if self.start_spread > self.start_delay:
            raise InputError(f"start_spread {self.start_spread:g} is above start_delay {self.start_delay:g}; lower it")
        if self.memory_idle + self.memory_load + self.memory_queue > 100:
            raise InputError("memory_idle, memory_load and memory_queue add up to more than 100 percent; lower one")

    @property
    def longest_start(self) -> float:
        """Longest start delay, in seconds."""
        return self.start_delay + self.start_spread

    @property
    def room(self) -> int:
        """Requests that may wait per ready pod."""
        return int(self.q_max * self.timeout + 1e-9)

    @property
    def drain_loss(self) -> float:
        """Share of a removed pod's requests in flight that outlive the grace period."""
        return float(np.exp(-self.grace / self.service_time))

    def per_step(self, steps: int) -> Ints:
        """Return the requests that one ready pod takes in each step: ⌊(t + 1) q⌋ - ⌊t q⌋, `(steps,)`."""
        whole, part = divmod(round(self.q_max * self.dt * MILLION), MILLION)
        if not part:
            return np.full(steps, whole, dtype=np.int64)
        return whole + np.diff(np.arange(steps + 1) * part // MILLION)

    def check_length(self, steps: int) -> None:
        """Raise unless a trace lasts longer than a pod takes to start.

        Raises:
            InputError: It does not.
        """
        if self.longest_start >= steps * self.dt:
            raise InputError(
                f"a pod takes up to {self.longest_start:g} s to start, the trace lasts {steps * self.dt:g} s; "
                "use a longer trace or a shorter start delay"
            )
