"""Next hops through a mesh, in the manner of B.A.T.M.A.N.-adv (Paper B, section V.1)."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from edgeresearch.emulator.mesh import Mesh

KEPT = 1024
"""Goals whose next hops are kept at most: 4 bytes per node and goal."""


class Routes:
    """What a node knows of those that are not its neighbours: the next hop on the fastest path to them, nothing more.

    Paths go by the latencies of nodes that stand nearest, through nodes that are in the mesh. They follow at once when
    a node leaves or joins, as the protocol's do within seconds; a path is looked for when it is asked for.

    Args:
        mesh: Nodes and links; at first every node is in it.
    """

    __slots__ = ("_away", "_mesh", "_open", "_parts", "_ways")

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._away: set[int] = set()
        self._open: csr_array | None = None
        self._parts: list[int] | None = None
        self._ways: dict[int, npt.NDArray[np.int32]] = {}

    def change(self, node: int, *, up: bool) -> None:
        """Let a node join or leave."""
        (self._away.discard if up else self._away.add)(node)
        self._open = self._parts = None
        self._ways.clear()

    def next_hop(self, start: int, goal: int) -> int | None:
        """Return the neighbour of `start` that lies on the fastest path to `goal`; None if there is none."""
        way = self._ways.get(goal)
        if way is None:
            if len(self._ways) >= KEPT:
                del self._ways[next(iter(self._ways))]
            # From the goal outwards, as its originator messages spread: what comes before a node there is its next hop.
            _, before = dijkstra(self._links(), indices=[goal], return_predecessors=True)
            way = self._ways[goal] = before[0]
        following = int(way[start])
        return following if following >= 0 else None

    def reaches(self, start: int, goal: int) -> bool:
        """Return whether there is a way; a node that is in the mesh reaches itself."""
        if start == goal:
            return goal not in self._away
        if self._parts is None:
            self._parts = connected_components(self._links(), directed=False)[1].tolist()
        return self._parts[start] == self._parts[goal]

    def path(self, start: int, goal: int) -> list[int]:
        """Return the nodes on the way from `start` to `goal`, both among them, next hop by next hop.

        Raises:
            ValueError: There is no way.
        """
        nodes = [start]
        while nodes[-1] != goal:
            following = self.next_hop(nodes[-1], goal)
            if following is None:
                raise ValueError(f"node {goal} cannot be reached from node {start}")
            nodes.append(following)
        return nodes

    def _links(self) -> csr_array:
        if self._open is None:
            every = self._mesh.latencies
            if self._away:
                links, away = coo_array(every), list(self._away)
                here = ~(np.isin(links.row, away) | np.isin(links.col, away))
                every = csr_array((links.data[here], (links.row[here], links.col[here])), shape=links.shape)
            self._open = every
        return self._open
