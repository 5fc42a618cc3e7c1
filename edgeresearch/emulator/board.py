"""The true state of every node at once, for those who know them all."""

import heapq
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgeresearch.emulator.node import Host

Floats = npt.NDArray[np.float64]


class Board:
    """Free CPU and memory of every node, `(nodes,)`, as `Host.free` has them; read anew only where they changed.

    What is free on a node changes when a training starts, which is told (`start`), when one ends, which follows from
    what was told (`at`), and as the node leaves or joins (`change`).

    Args:
        hosts: The nodes, by their numbers.
        time: Now, in seconds.

    Attributes:
        cpu: Free CPU, in millicores; of a node that is away minus infinity.
        memory: Free memory, in megabytes; likewise.
        utilisation: Share of the CPU in use; infinite of a node that is away.
        kinds: Node classes.
        kind: Place of each node's class among them.
        count: Nodes in the mesh.
    """

    __slots__ = ("_ends", "_hosts", "count", "cpu", "kind", "kinds", "memory", "utilisation")

    def __init__(self, hosts: Sequence[Host], time: float) -> None:
        self._hosts = hosts
        self.cpu: Floats = np.empty(len(hosts))
        self.memory: Floats = np.empty(len(hosts))
        self.utilisation: Floats = np.empty(len(hosts))
        self.kinds = sorted({host.kind for host in hosts})
        self.kind = np.array([self.kinds.index(host.kind) for host in hosts], dtype=np.intp)
        self.count = sum(host.up for host in hosts)
        self._ends = [(run[1], host.number) for host in hosts for run in host.runs]
        heapq.heapify(self._ends)
        for host in hosts:
            self._read(host.number, time)

    def at(self, time: float) -> "Board":
        """Return the board as it is at a time, in seconds, not before an earlier one: trainings have ended by then."""
        ends = self._ends
        while ends and ends[0][0] <= time:
            self._read(heapq.heappop(ends)[1], time)
        return self

    def start(self, node: int, end: float, time: float) -> None:
        """Take the news that a training started on a node, which ends at `end`, in seconds."""
        heapq.heappush(self._ends, (end, node))
        self._read(node, time)

    def change(self, node: int, time: float, *, up: bool) -> None:
        """Take the news that a node joined, or left with all that ran there."""
        self.count += 1 if up else -1
        self._read(node, time)

    def _read(self, node: int, time: float) -> None:
        host = self._hosts[node]
        if not host.up:
            self.cpu[node] = self.memory[node] = -math.inf
            self.utilisation[node] = math.inf
            return
        cpu, memory = host.free(time)
        self.cpu[node], self.memory[node] = cpu, memory
        self.utilisation[node] = 1 - cpu / host.capacity
