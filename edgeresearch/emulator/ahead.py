"""What only an oracle knows: how long the training will take that is looked a place for, and its transfer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from edgeresearch.emulator.mesh import Mesh
from edgeresearch.emulator.routes import Routes
from edgeresearch.emulator.transfer import Transfers
from edgeresearch.emulator.workload import Job, Truth
from edgeresearch.los.runtime import Numbers

KEPT = 256 * 2**20
"""Bytes of times to every node that are kept at most, for as many sources as fit."""

Floats = npt.NDArray[np.float64]
_BELOW = 1 - 1e-9  # sums are taken in another order than a transfer's


class Soonest:
    """Times that no transfer falls below, whichever way it takes, whatever moves, is shared, or is away.

    Args:
        mesh: Nodes and links.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._times: dict[tuple[int, float], Floats] = {}
        self._most = max(1, KEPT // (8 * len(mesh.nodes) or 1))

    def seconds(self, start: int, megabytes: float) -> Floats:
        """Return the least time from a node to each other, `(nodes,)`, infinite without a way; not to be changed."""
        times = self._times.get((start, megabytes))
        if times is None:
            if len(self._times) >= self._most:
                del self._times[next(iter(self._times))]
            far = self._mesh.latencies
            took = far.data + 8 * megabytes * self._slowness.data
            links = csr_array((took, far.indices, far.indptr), shape=far.shape)
            times = self._times[start, megabytes] = dijkstra(links, indices=[start])[0] * _BELOW
        return times

    @cached_property
    def _slowness(self) -> csr_array:
        """Seconds per megabit of the links, in the order of `Mesh.latencies`."""
        links = self._mesh.links
        ends = [link.one for link in links], [link.other for link in links]
        slow = [1 / link.bandwidth for link in links]
        both = (ends[0] + ends[1], ends[1] + ends[0])
        return csr_array((np.array(slow + slow, dtype=np.float64), both), shape=self._mesh.latencies.shape)


@dataclass(frozen=True, slots=True)
class Ahead:
    """The training that is looked a place for: what it needs, and how long it and its transfer will take.

    Attributes:
        path: Nodes that had the request so far; the one that looks comes last.
        time: Now, in seconds.
        work: Factor on the part of the time that depends on the CPU, with what it has drifted to.
        noise: Factor on its duration.
        overhead: t_start + t_stop, in seconds.
    """

    path: Sequence[int]
    time: float
    work: float
    noise: float
    overhead: float
    _job: Job
    _truth: Truth
    _routes: Routes
    _transfers: Transfers
    _soonest: Soonest

    @property
    def memory(self) -> float:
        """Megabytes that it needs to start."""
        return self._job.training_memory

    def job(self, kind: str, limit: Numbers) -> Numbers:
        """Return t_job on a node class under a limit, or each of an array of them, in millicores; in seconds."""
        return self.plain(kind, limit) * self.noise

    def plain(self, kind: str, limit: Numbers) -> Numbers:
        """Return t_job but for the noise: the same for each training of as much `work`."""
        return self._truth.seconds(kind, limit, self.work)[0]

    def send(self, node: int) -> float:
        """Return t_send to a node that the one that looks reaches, if it began now, in seconds."""
        path = (*self.path[:-1], *self._routes.path(self.path[-1], node))
        return self._transfers.ahead(path, self._job.megabytes, self.time)

    def soonest(self) -> Floats:
        """Return what t_send to each node does not fall below, `(nodes,)`; not to be changed."""
        return self._soonest.seconds(self.path[-1], self._job.megabytes)
