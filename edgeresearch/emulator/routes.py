"""Next hops through a mesh, in the manner of B.A.T.M.A.N.-adv (Paper B, section V.1)."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from edgeresearch.emulator.mesh import Mesh

KEPT = 512 * 2**20
"""Bytes of next hops that are kept at most: of all nodes, for as many goals as fit."""

_SHORT = np.iinfo(np.int16).max
Numbers = npt.NDArray[np.int32]


class Routes:
    """What a node knows of those that are not its neighbours: the next hop on the fastest path to them, nothing more.

    Paths go by the latencies of nodes that stand nearest, through nodes that are in the mesh. They follow at once when
    a node leaves or joins, as the protocol's do within seconds; a path is looked for when it is asked for.

    Args:
        mesh: Nodes and links; at first every node is in it.
    """

    __slots__ = ("_away", "_layers", "_mesh", "_most", "_open", "_parts", "_small", "_ways")

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._away: set[int] = set()
        self._open: csr_array | None = None
        self._parts: tuple[list[int], Numbers] | None = None
        self._layers: dict[tuple[int, str], list[int]] = {}
        self._ways: dict[int, npt.NDArray[np.integer]] = {}
        count = len(mesh.nodes)
        self._small = np.dtype(np.int16 if count <= _SHORT else np.int32)
        self._most = max(1, KEPT // (count * self._small.itemsize or 1))

    def change(self, node: int, *, up: bool) -> None:
        """Let a node join or leave."""
        (self._away.discard if up else self._away.add)(node)
        self._open = self._parts = None
        self._layers.clear()
        self._ways.clear()

    def next_hop(self, start: int, goal: int) -> int | None:
        """Return the neighbour of `start` that lies on the fastest path to `goal`; None if there is none."""
        following = self._way(goal).item(start)
        return following if following >= 0 else None

    def reaches(self, start: int, goal: int) -> bool:
        """Return whether there is a way; a node that is in the mesh reaches itself."""
        if start == goal:
            return goal not in self._away
        parts, _ = self._parts or self._found()
        return parts[start] == parts[goal]

    def reached(self, start: int) -> npt.NDArray[np.bool_]:
        """Return of every node whether `start` reaches it, `(nodes,)`."""
        if start in self._away:
            return np.zeros(len(self._mesh.nodes), dtype=np.bool_)
        _, parts = self._parts or self._found()
        return np.asarray(parts == parts[start])

    def within(self, start: int, layer: str) -> list[int]:
        """Return the nodes of a layer that `start` reaches, in ascending order; not to be changed."""
        if start in self._away:
            return []
        parts, _ = self._parts or self._found()
        part = parts[start]
        nodes = self._layers.get((part, layer))
        if nodes is None:
            every = self._mesh.layers.get(layer, [])
            nodes = self._layers[part, layer] = [node for node in every if parts[node] == part]
        return nodes

    def path(self, start: int, goal: int) -> list[int]:
        """Return the nodes on the way from `start` to `goal`, both among them, next hop by next hop.

        Raises:
            ValueError: There is no way.
        """
        if start == goal:
            return [start]
        nodes, here, following = [start], start, self._way(goal).item
        while here != goal:
            here = following(here)
            if here < 0:
                raise ValueError(f"node {goal} cannot be reached from node {start}")
            nodes.append(here)
        return nodes

    def _way(self, goal: int) -> npt.NDArray[np.integer]:
        """The next hop of every node towards `goal`, `(nodes,)`; negative where there is none."""
        way = self._ways.get(goal)
        if way is None:
            if len(self._ways) >= self._most:
                del self._ways[next(iter(self._ways))]
            # From the goal outwards, as its originator messages spread: what comes before a node there is its next hop.
            _, before = dijkstra(self._links(), indices=[goal], return_predecessors=True)
            way = self._ways[goal] = before[0].astype(self._small)
        return way

    def _found(self) -> tuple[list[int], Numbers]:
        """Numbers of the parts that nodes lie in: as a list, for one of them, and as an array, for all."""
        parts = connected_components(self._links(), directed=False)[1]
        self._parts = parts.tolist(), parts
        return self._parts

    def _links(self) -> csr_array:
        if self._open is None:
            every = self._mesh.latencies
            if self._away:
                links, away = coo_array(every), list(self._away)
                here = ~(np.isin(links.row, away) | np.isin(links.col, away))
                every = csr_array((links.data[here], (links.row[here], links.col[here])), shape=links.shape)
            self._open = every
        return self._open
