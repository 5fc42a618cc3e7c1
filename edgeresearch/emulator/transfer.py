"""How long it takes to send a model and its samples to where a training runs."""

from collections.abc import Sequence

from edgeresearch.emulator.mesh import Link, Mesh


class Transfers:
    """Transfers under way: on a shared link each takes its part of the bandwidth, as it stands when it begins."""

    __slots__ = ("_around", "_mesh", "_still", "_under_way")

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._around = mesh.neighbours
        self._still = mesh.still
        self._under_way: dict[tuple[int, int], list[float]] = {}

    def seconds(self, path: Sequence[int], megabytes: float, time: float, *, begin: bool = False) -> float:
        """Return how long a transfer takes.

        Args:
            path: Nodes from the source to where the training runs, both among them; each two are neighbours.
            megabytes: What is sent.
            time: Now, in seconds; never before an earlier call.
            begin: Whether it begins now, and later ones meet it; if not, this only looks ahead.
        """
        total = 0.0
        here = path[0]
        for there in path[1:]:
            link = self._around[here][there]
            far = link.latency if self._still else self._mesh.latency(link, time)
            if link.shared:
                others = self._others(link, time)
                took = far + 8 * megabytes / (link.bandwidth / (len(others) + 1))
                if begin:
                    others.append(time + took)
            else:
                took = far + 8 * megabytes / link.bandwidth
            total += took
            here = there
        return total

    def _others(self, link: Link, time: float) -> list[float]:
        """Ends of the transfers under way on a link."""
        others = self._under_way.setdefault((link.one, link.other), [])
        others[:] = [end for end in others if end > time]
        return others
