"""How long it takes to send a model and its samples to where a training runs."""

from collections.abc import Sequence

from edgeresearch.emulator.mesh import Link, Mesh


class Transfers:
    """Transfers under way: on a shared link each takes its part of the bandwidth, as it stands when it begins."""

    __slots__ = ("_around", "_asked", "_legs", "_mesh", "_still", "_under_way")

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._around = mesh.neighbours
        self._still = mesh.still
        self._under_way: dict[tuple[int, int], list[float]] = {}
        self._asked: tuple[float, float] | None = None  # megabytes and time of the legs that were looked at
        self._legs: dict[tuple[int, int], float] = {}

    def ahead(self, path: Sequence[int], megabytes: float, time: float) -> float:
        """Return what `seconds` would if the transfer began now; legs that ways have in common are looked at once."""
        if self._asked != (megabytes, time):
            self._asked, self._legs = (megabytes, time), {}
        total, legs = 0.0, self._legs
        for leg in zip(path, path[1:], strict=False):
            took = legs.get(leg)
            if took is None:
                took = legs[leg] = self._seconds(leg, megabytes, time, begin=False)
            total += took
        return total

    def seconds(self, path: Sequence[int], megabytes: float, time: float) -> float:
        """Return how long a transfer takes that begins now; later ones meet it.

        Args:
            path: Nodes from the source to where the training runs, both among them; each two are neighbours.
            megabytes: What is sent.
            time: Now, in seconds; never before an earlier call.
        """
        self._asked = None
        return self._seconds(path, megabytes, time, begin=True)

    def _seconds(self, path: Sequence[int], megabytes: float, time: float, *, begin: bool) -> float:
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
