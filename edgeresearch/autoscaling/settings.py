"""Settings of the simulated service, of a replay, and of Paper A's experiment (section `elastic` of `params.yaml`)."""

import math
from typing import TYPE_CHECKING, Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from edgeresearch.data.registry import Traces
from edgeresearch.errors import InputError
from edgeresearch.settings import Fraction, Section, Share, each_once

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

StrategyName = Literal["advance", "responsive", "combined", "fixed", "hpa", "quantile", "oracle"]
ForecasterName = Literal["lstm", "ridge", "last_value", "published"]
Percent = Annotated[float, Field(ge=0, le=100)]
_ULP = 1 + 1e-12
"""A load this little above a whole number of pods, relatively, is that number: it comes from rounding."""


def _with_one(values: tuple[float, ...]) -> tuple[float, ...]:
    if 1.0 not in values or list(values) != sorted(set(values)):
        raise ValueError("name 1.0 among them, in ascending order, each only once")
    return values


_UNREACHED = 2.0**53
"""Pods that no bound allows; a load that asks for more asks for these."""
MostPods = Annotated[int, Field(gt=0, le=1_000_000)]
"""Numbers of pods of which each can be followed."""


class Cluster(Section):
    """One cluster of Paper A, Table 1: how many nodes it has, and what one of them has."""

    nodes: PositiveInt
    cores: PositiveInt
    memory_gb: PositiveInt
    network_gbps: PositiveInt
    disk_gb: PositiveInt


class Clusters(Section):
    """The clusters of Paper A, Table 1. A pod takes one core: those of the edge bound the number of pods."""

    cloud: Cluster = Cluster(nodes=3, cores=8, memory_gb=16, network_gbps=1, disk_gb=200)
    edge: Cluster = Cluster(nodes=9, cores=4, memory_gb=8, network_gbps=1, disk_gb=128)


class ServiceConfig(Section):
    """How the service and its pods behave; the same for every policy.

    The paper states none of these values. CPU and memory are a model: a pod's CPU grows linearly from `cpu_idle` to
    100 % at full use; its memory is `memory_idle`, plus `memory_load` for the requests in flight at full use, plus
    `memory_queue` when the queue is full. The defaults stay within the ranges that Paper A's Figs. 2 and 3 show (30 to
    90 %, 40 to 95 %) at ordinary loads.

    Attributes:
        q_max: Requests that a ready pod serves per second; in step t it takes ⌊(t + 1) q⌋ - ⌊t q⌋ with q = q_max · dt.
        start_delay: Mean time from wanting a pod to its readiness (image pull, start, readiness probe), in seconds.
        start_spread: Half the width of the uniform distribution around it, in seconds, at most `start_delay`.
        base_error: Share of the requests taken that fails whatever happens, to a millionth.
        timeout: Longest wait, in seconds: ⌊q_max · timeout⌋ requests may wait per ready pod.
        grace: Time that a removed pod has to finish its requests (Kubernetes: 30 s), in seconds.
        service_time: Mean of the exponential service times, in seconds.
        dt: Length of a step of the simulation, in seconds, at most 1.
        cpu_idle: CPU of an idle pod, in percent.
        memory_idle: Memory of an idle pod, in percent.
        memory_load: What its requests in flight add at full use, in percent.
        memory_queue: What its part of a full queue adds, in percent.
    """

    q_max: Annotated[float, Field(gt=0, le=1e9)] = 20.0
    start_delay: NonNegativeFloat = 180.0
    start_spread: NonNegativeFloat = 45.0
    base_error: Share = 0.031
    timeout: NonNegativeFloat = 0.0
    grace: NonNegativeFloat = 30.0
    service_time: PositiveFloat = 0.2
    dt: Annotated[float, Field(gt=0, le=1)] = 1.0
    cpu_idle: Percent = 10.0
    memory_idle: Percent = 40.0
    memory_load: Percent = 40.0
    memory_queue: Percent = 15.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.start_spread > self.start_delay:
            raise ValueError(f"start_spread {self.start_spread:g} is above start_delay {self.start_delay:g}; lower it")
        if self.memory_idle + self.memory_load + self.memory_queue > 100:
            raise ValueError("memory_idle, memory_load and memory_queue add up to more than 100 percent; lower one")
        if self.q_max * self.dt < 1e-6:
            raise ValueError(
                f"a pod of q_max {self.q_max:g} serves less than a millionth of a request in {self.dt:g} s; raise it"
            )
        return self

    @property
    def longest_start(self) -> float:
        """Longest start delay, in seconds."""
        return self.start_delay + self.start_spread

    @property
    def queue_limit(self) -> int:
        """Requests that may wait per ready pod."""
        return int(self.q_max * self.timeout + 1e-9)

    def check_duration(self, steps: int) -> None:
        """Raise an `InputError` unless a trace lasts longer than a pod takes to start."""
        if self.longest_start >= steps * self.dt:
            raise InputError(
                f"a pod takes up to {self.longest_start:g} s to start, the trace lasts {steps * self.dt:g} s; "
                "use a longer trace or a shorter start delay"
            )


class ReplayConfig(ServiceConfig):
    """What a replay needs beside the trace and the policy; the same for every policy, phase and trace.

    Attributes:
        target_utilisation: Part of `q_max` that is planned with (Paper A, section 3).
        min_pods: Fewest pods.
        max_pods: Most pods; None for one on each core of the edge cluster.
        sync_period: Time between two decisions, in seconds: a whole number of steps.
        mean_qps: Mean load to which every trace is scaled, in requests per second.
        smooth: Length of the centred mean of the load that tells the phases, in seconds.
        phase_window: How far phases look either way, as a multiple of the longest start delay and a sync period.
        clusters: Those of Table 1; the service runs on the edge.
    """

    target_utilisation: Annotated[float, Field(gt=0, le=1)] = 0.8
    min_pods: MostPods = 1
    max_pods: MostPods | None = None
    sync_period: PositiveFloat = 30.0
    mean_qps: PositiveFloat = 40.0
    smooth: PositiveFloat = 240.0
    phase_window: PositiveFloat = 1.0
    clusters: Clusters = Clusters()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.min_pods > self.most_pods:
            raise ValueError(f"min_pods {self.min_pods} is above max_pods {self.most_pods}; swap them or change one")
        if self.sync_steps < 1 or abs(self.sync_steps * self.dt - self.sync_period) > 1e-9 * self.sync_period:
            raise ValueError(
                f"decisions every {self.sync_period:g} s do not fall on steps of {self.dt:g} s; make `sync_period` "
                f"a multiple of them, such as {max(self.sync_steps, 1) * self.dt:g}"
            )
        return self

    @property
    def most_pods(self) -> int:
        """Most pods, as a number."""
        return self.max_pods or self.clusters.edge.nodes * self.clusters.edge.cores

    @property
    def q_act(self) -> float:
        """Load that a pod is planned to serve, in requests per second: Q_act = .8 Q_max (Paper A, section 3)."""
        return self.target_utilisation * self.q_max

    def pods_for(self, load: "npt.ArrayLike") -> "npt.NDArray[np.int64]":
        """Return P = ⌈Q / Q_act⌉, before bounds (Paper A, section 3), for loads Q in requests per second, any shape."""
        import numpy as np  # here, as settings need not wait for it

        pods = np.divide(load, self.q_act * _ULP)
        out = pods if pods.ndim else None
        return np.ceil(np.minimum(pods, _UNREACHED, out=out), out=out).astype(np.int64)

    def bound(self, pods: "npt.ArrayLike") -> "npt.NDArray[np.int64]":
        """Return numbers of pods within the minimum and the maximum."""
        import numpy as np

        return np.clip(np.asarray(pods, dtype=np.int64), self.min_pods, self.most_pods)

    @property
    def sync_steps(self) -> int:
        """Steps between two decisions."""
        return round(self.sync_period / self.dt)

    @property
    def horizon(self) -> int:
        """How many sync periods ahead a forecast looks: for the last of them a pod started now is ready, not before."""
        return math.ceil(self.longest_start / self.sync_period - 1e-9) + 1

    @property
    def phase_seconds(self) -> float:
        """How far phases look either way, in seconds."""
        return self.phase_window * (self.longest_start + self.sync_period)

    @property
    def phase_steps(self) -> int:
        """The same in steps, at least one."""
        return max(round(self.phase_seconds / self.dt), 1)

    def with_start_delay(self, factor: float) -> Self:
        """Return the same with start delays that are `factor` times as long; the phases stay."""
        slower = self.replace(start_delay=factor * self.start_delay, start_spread=factor * self.start_spread)
        return slower.replace(phase_window=self.phase_seconds / (slower.longest_start + self.sync_period))


class ExperimentConfig(ReplayConfig):
    """Paper A's elastic scaling: few settings, the same for every trace, policy and phase.

    Attributes:
        traces: Traces that are replayed.
        seconds: How much of a trace is used: the newest seconds of its longest stretch without gaps.
        learn: Part of it, its beginning, that forecasters learn from; the rest is replayed.
        repeats: Draws of arrivals and start delays.
        synthetic_repeats: The same of the stand-in, which is a new trace each time.
        forecasters: Whose forecasts the policies read; `published` is the truth with an error of the stated accuracy.
        strategies: Policies that are replayed.
        leads: Multiples of the start delay.
        window: Sync periods that a forecaster sees.
        accuracy: R² of the forecaster `published` (Paper A, Table 2).
    """

    traces: Traces = (
        "elb", "wiki_de", "nasa", "worldcup98", "goog", "retailrocket", "twitter_second", "twitter_minute", "paper_a"
    )  # fmt: skip
    seconds: PositiveInt = 172800
    learn: Fraction = 0.5
    repeats: PositiveInt = 20
    synthetic_repeats: PositiveInt = 150
    forecasters: Annotated[tuple[ForecasterName, ...], AfterValidator(each_once)] = get_args(ForecasterName)
    strategies: Annotated[tuple[StrategyName, ...], AfterValidator(each_once)] = get_args(StrategyName)
    leads: Annotated[tuple[PositiveFloat, ...], AfterValidator(_with_one)] = (0.5, 1.0, 2.0)
    window: PositiveInt = 60
    accuracy: Fraction = 0.931
