"""The settings of the Table 3 experiment as the objects that it runs on (Paper A, Tables 1 and 3)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edgeresearch.elastic.capacity import Capacity
from edgeresearch.elastic.plan import horizon
from edgeresearch.elastic.settings import Settings


@dataclass(frozen=True)
class Cluster:
    """One cluster of Paper A, Table 1.

    Attributes:
        nodes: How many there are.
        cores: CPU cores of a node.
        memory_gb: Memory of a node.
        network_gbps: Network bandwidth of a node.
        disk_gb: Disk of a node.
    """

    nodes: int
    cores: int
    memory_gb: int
    network_gbps: int
    disk_gb: int


@dataclass(frozen=True)
class Setup:
    """What is the same for every strategy, phase and trace.

    Attributes:
        settings: The service.
        capacity: What a pod is taken to do; as many pods at most as the edge cluster has cores.
        every: Time between two decisions, in seconds.
        mean: Mean load to which every trace is scaled, in requests per second.
        smooth: Length of the mean that tells the phases, in seconds.
        reach: How far phases look either way, as a multiple of the longest start delay and an interval.
        clusters: Those of Table 1 by name; the service runs on `edge`.
    """

    settings: Settings
    capacity: Capacity
    every: float
    mean: float
    smooth: float
    reach: float
    clusters: Mapping[str, Cluster]

    @property
    def window(self) -> float:
        """How far phases look either way, in seconds."""
        return self.reach * (self.settings.longest_start + self.every)

    @property
    def horizon(self) -> int:
        """Intervals that a forecast looks ahead."""
        return horizon(self.settings, self.every)

    def delayed(self, lead: float) -> "Setup":
        """Return the same with start delays that are `lead` times as long; the phases stay."""
        service = self.settings
        slower = replace(service, start_delay=lead * service.start_delay, start_spread=lead * service.start_spread)
        reach = self.window / (slower.longest_start + self.every)
        return replace(self, settings=slower, reach=reach)


def setup(section: Mapping[str, Any]) -> Setup:
    """Make the objects from the section `elastic` of the settings as plain values.

    Raises:
        InputError: A setting is out of its range.
    """
    names = ("q_max", "start_delay", "start_spread", "base_error", "timeout", "grace", "service_time")
    clusters = {name: Cluster(**values) for name, values in section["clusters"].items()}
    most = clusters["edge"].nodes * clusters["edge"].cores
    return Setup(
        Settings(**{name: section[name] for name in names}),
        Capacity(section["q_max"], section["share"], maximum=most),
        section["every"],
        section["mean_qps"],
        section["smooth"],
        section["reach"],
        clusters,
    )
