"""The mesh and its streams: nodes, links, latencies, ways, transfers."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    import networkx as nx

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Node:
    """One node.

    Attributes:
        name: For people.
        layer: Such as `edge`, `fog`, `cloud`.
        kind: Node class; nodes of one class run a training equally fast.
        cpu: Capacity, in millicores.
        memory: Capacity, in megabytes.
        sway: Latency that its network interface adds at most as it moves, in seconds.
        sway_period: Time in which that rises and falls once, in seconds.
        sway_phase: Where in that period it begins, between 0 and 1.
    """

    name: str
    layer: str
    kind: str
    cpu: float
    memory: float
    sway: float = 0.0
    sway_period: float = 3600.0
    sway_phase: float = 0.0


@dataclass(frozen=True, slots=True)
class Link:
    """Two direct neighbours.

    Attributes:
        one: Number of a node.
        other: Number of another.
        latency: One way without sway, in seconds.
        bandwidth: In megabits per second.
        shared: Whether transfers share the bandwidth, as on an uplink between layers.
    """

    one: int
    other: int
    latency: float
    bandwidth: float
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One stream: its prediction job stays at the source, its trainings look for a place.

    Attributes:
        source: Number of a node.
        period: Time between two triggers, in seconds.
        first: Time of the first trigger, in seconds.
        cpu: What the prediction job takes at the source, in millicores.
        memory: What the prediction job takes, in megabytes.
        training_memory: Largest use of a training, in megabytes.
        megabytes: Model and cached samples that a training needs.
        work: Factor on the part of the true duration of its trainings that depends on the CPU.
    """

    source: int
    period: float
    first: float
    cpu: float = 0.0
    memory: float = 0.0
    training_memory: float = 64.0
    megabytes: float = 0.5
    work: float = 1.0


@dataclass(frozen=True)
class Mesh:
    """Nodes and the links between direct neighbours; `Routes` knows the ways between the others.

    Attributes:
        nodes: Numbered from 0.
        links: Undirected; no two between the same nodes.
    """

    nodes: Sequence[Node]
    links: Sequence[Link]

    @cached_property
    def neighbours(self) -> list[dict[int, Link]]:
        """By node: the links to its direct neighbours, by their numbers in ascending order."""
        around: list[dict[int, Link]] = [{} for _ in self.nodes]
        for link in self.links:
            around[link.one][link.other] = link
            around[link.other][link.one] = link
        return [dict(sorted(each.items())) for each in around]

    @cached_property
    def layers(self) -> dict[str, list[int]]:
        """Numbers of the nodes by their layer, in ascending order."""
        found: dict[str, list[int]] = {}
        for number, node in enumerate(self.nodes):
            found.setdefault(node.layer, []).append(number)
        return found

    @cached_property
    def still(self) -> bool:
        """Whether no node moves."""
        return all(node.sway == 0 for node in self.nodes)

    def sway(self, node: int, time: float) -> float:
        """Return the latency that a node's movement adds at a time: up and down in straight lines, in seconds."""
        moving = self.nodes[node]
        if moving.sway == 0:
            return 0.0
        part = (time / moving.sway_period + moving.sway_phase) % 1.0
        return moving.sway * (1 - abs(2 * part - 1))

    def latency(self, link: Link, time: float) -> float:
        """Return the latency of a link at a time, one way, in seconds."""
        return link.latency + self.sway(link.one, time) + self.sway(link.other, time)

    @cached_property
    def graph(self) -> "nx.Graph":
        """The mesh as a graph of networkx: nodes by number, edges with `latency` and `bandwidth`."""
        import networkx as nx  # a quarter of what an emulation has to import, and seldom asked for

        graph = nx.Graph()
        graph.add_nodes_from((i, {"name": n.name, "layer": n.layer}) for i, n in enumerate(self.nodes))
        graph.add_edges_from((k.one, k.other, {"latency": k.latency, "bandwidth": k.bandwidth}) for k in self.links)
        return graph

    @cached_property
    def latencies(self) -> csr_array:
        """Latencies of the links without sway, in seconds, `(nodes, nodes)`, symmetric."""
        return self._matrix(attrgetter("latency"))

    @cached_property
    def slowness(self) -> csr_array:
        """Seconds that the links take for a megabit, in the order of `latencies`."""
        return self._matrix(lambda link: 1 / link.bandwidth)

    def _matrix(self, value: Callable[[Link], float]) -> csr_array:
        count = len(self.links)
        one = np.fromiter((link.one for link in self.links), np.int32, count)
        other = np.fromiter((link.other for link in self.links), np.int32, count)
        values = np.fromiter(map(value, self.links), np.float64, count)
        ends = (np.concatenate([one, other]), np.concatenate([other, one]))
        return csr_array((np.concatenate([values, values]), ends), shape=(len(self.nodes), len(self.nodes)))

    def islands(self) -> list[list[int]]:
        """Return the connected parts of the mesh, the largest first, each in ascending order."""
        count, labels = connected_components(self.latencies, directed=False)
        order = np.argsort(labels, kind="stable")
        parts = np.split(order, np.cumsum(np.bincount(labels, minlength=count))[:-1])
        return sorted((part.tolist() for part in parts if len(part)), key=lambda part: (-len(part), part))


def link_near(
    numbers: Sequence[int], *, degree: float, latency: float, bandwidth: float, rng: np.random.Generator
) -> list[Link]:
    """Scatter nodes over a unit square and link those within the radius that gives a mean degree.

    Args:
        numbers: Of the nodes.
        degree: Mean number of neighbours, above 0, that is expected; all others at most.
        latency: Of a link as long as the radius, in seconds; shorter links have less.
        bandwidth: Of every link, in megabits per second.
        rng: Draws the places, `(nodes, 2)`.
    """
    numbers = list(numbers)  # one object per number: a range would make one per link
    places = rng.random((len(numbers), 2))
    radius = _radius(len(numbers), degree)
    ends = cKDTree(places).query_pairs(radius, output_type="ndarray")
    ends = ends[np.lexsort((ends[:, 1], ends[:, 0]))]
    far = latency / radius * np.linalg.norm(places[ends[:, 0]] - places[ends[:, 1]], axis=1)
    return [
        Link(numbers[one], numbers[other], length, bandwidth)
        for (one, other), length in zip(ends.tolist(), far.tolist(), strict=True)
    ]


def _radius(nodes: int, degree: float) -> float:
    """Radius in the unit square within which a node has `degree` others on average."""

    def others(radius: float) -> float:
        # Chance that two random points of the unit square are within a radius of at most 1: the circle, less what lies
        # beyond the border.
        return (nodes - 1) * radius**2 * (math.pi - 8 / 3 * radius + radius**2 / 2)

    if others(1.0) <= degree:
        return math.sqrt(2)
    from scipy.optimize import brentq  # late, as it takes a third of the time that it takes to say that an input is bad

    return float(brentq(lambda radius: others(radius) - degree, 0.0, 1.0, xtol=1e-12))


NEXT_HOP_BYTES = 512 * 2**20
"""Memory for next hops: those of all nodes towards as many goals as fit are kept."""

_SHORT = np.iinfo(np.int16).max
Numbers = npt.NDArray[np.int32]


class Routes:
    """What a node knows of those that are not its neighbours: the next hop on the fastest path to them, nothing more.

    Paths go by the latencies without sway, through nodes that are in the mesh, at first all. They follow at once when
    a node leaves or joins, as the protocol's do within seconds; a path is looked for when it is asked for.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._mesh, self._open = mesh, _Open(mesh)
        self._parts: Numbers | None = None
        self._layers: dict[tuple[int, str], list[int]] = {}
        count = len(mesh.nodes)
        self._small = np.dtype(np.int16 if count <= _SHORT else np.int32)
        kept = max(1, NEXT_HOP_BYTES // (count * self._small.itemsize or 1))
        self._way = lru_cache(kept)(partial(_find_way, self._open, self._small))  # a method would make a cycle

    def change(self, node: int, *, up: bool) -> None:
        """Let a node join or leave."""
        self._open.change(node, up=up)
        self._parts = None
        self._layers.clear()
        self._way.cache_clear()

    def reaches(self, start: int, goal: int) -> bool:
        """Return whether there is a way; a node that is in the mesh reaches itself."""
        if start == goal:
            return goal not in self._open.away
        parts = self._find_parts()
        return parts.item(start) == parts.item(goal)

    def reachable(self, start: int) -> npt.NDArray[np.bool_]:
        """Return for every node whether `start` reaches it, `(nodes,)`."""
        if start in self._open.away:
            return np.zeros(len(self._mesh.nodes), dtype=np.bool_)
        parts = self._find_parts()
        return np.asarray(parts == parts[start])

    def within(self, start: int, layer: str) -> list[int]:
        """Return the nodes of a layer that `start` reaches, in ascending order; not to be changed."""
        if start in self._open.away:
            return []
        parts = self._find_parts()
        part = parts.item(start)
        nodes = self._layers.get((part, layer))
        if nodes is None:
            every = self._mesh.layers.get(layer, [])
            nodes = self._layers[part, layer] = [node for node in every if parts.item(node) == part]
        return nodes

    def path(self, start: int, goal: int) -> list[int]:
        """Return the nodes on the way, both ends among them, next hop by next hop; a `ValueError` if there is none."""
        if start == goal:
            return [start]
        nodes, here, following = [start], start, self._way(goal).item
        while here != goal:
            here = following(here)
            if here < 0:
                raise ValueError(f"node {goal} cannot be reached from node {start}")
            nodes.append(here)
        return nodes

    def _find_parts(self) -> Numbers:
        """Number of the connected part that each node lies in."""
        if self._parts is None:
            self._parts = np.asarray(connected_components(self._open.links(), directed=False)[1])
        return self._parts


class _Open:
    """Latencies of the links between nodes that are in the mesh; `away` are those that are not."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self.away: set[int] = set()
        self._links: csr_array | None = None

    def change(self, node: int, *, up: bool) -> None:
        (self.away.discard if up else self.away.add)(node)
        self._links = None

    def links(self) -> csr_array:
        if self._links is None:
            every = self._mesh.latencies
            if self.away:
                links, away = coo_array(every), list(self.away)
                here = ~(np.isin(links.row, away) | np.isin(links.col, away))
                every = csr_array((links.data[here], (links.row[here], links.col[here])), shape=links.shape)
            self._links = every
        return self._links


def _find_way(open_: _Open, small: "np.dtype[Any]", goal: int) -> npt.NDArray[np.integer]:
    """The next hop of every node towards `goal`, `(nodes,)`; negative where there is none."""
    # From the goal outwards, as its originator messages spread: what comes before a node there is its next hop.
    _, before = dijkstra(open_.links(), indices=[goal], return_predecessors=True)
    return np.asarray(before[0].astype(small))


def latency_over_time(mesh: Mesh, start: int, times: Sequence[float]) -> pd.DataFrame:
    """Return the latency from a node to the first other one of each layer over time, along the way that packets take.

    Returns:
        One row per layer and time: `seconds`, `goal` (the layer), `hops` (links on the way), `milliseconds`, one way.

    Raises:
        ValueError: There is no way to one of them.
    """
    rows, routes = [], Routes(mesh)
    for layer, numbers in mesh.layers.items():
        for goal in [number for number in numbers if number != start][:1]:
            links = [mesh.neighbours[one][other] for one, other in itertools.pairwise(routes.path(start, goal))]
            far = [1000 * sum(mesh.latency(link, time) for link in links) for time in times]
            rows.append(pd.DataFrame({"seconds": times, "goal": layer, "hops": len(links), "milliseconds": far}))
    return pd.concat(rows, ignore_index=True).astype({"seconds": float})


BOUND_BYTES = 256 * 2**20
"""Memory for lower bounds of transfers: those to every node from as many sources as fit are kept."""
_BELOW = 1 - 1e-9  # sums are taken in another order than a transfer's


class Transfers:
    """Transfers under way: on a shared link each takes its part of the bandwidth, as it stands when it begins.

    Attributes:
        least_seconds: Called with a node and megabytes, returns times to each node, `(nodes,)`, that no transfer falls
            below, whichever way it takes, whatever moves, is shared, or is away; infinite without a way; not to be
            changed.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._mesh, self._around, self._still = mesh, mesh.neighbours, mesh.still
        kept = max(1, BOUND_BYTES // (8 * len(mesh.nodes) or 1))
        self.least_seconds = lru_cache(kept)(partial(_find_least, mesh))  # a method would make a cycle
        self._under_way: dict[tuple[int, int], list[float]] = {}
        self._asked: tuple[float, float] | None = None  # megabytes and time of the legs that were looked at
        self._legs: dict[tuple[int, int], float] = {}

    def foresee(self, path: Sequence[int], megabytes: float, time: float) -> float:
        """Return what `seconds` would return now, and begin nothing; legs that ways share are looked up once."""
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
        """Return how long a transfer along a path takes that begins now; later ones, none before it, meet it."""
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


def _find_least(mesh: Mesh, start: int, megabytes: float) -> Floats:
    far = mesh.latencies
    took = far.data + 8 * megabytes * mesh.slowness.data
    links = csr_array((took, far.indices, far.indptr), shape=far.shape)
    return np.asarray(dijkstra(links, indices=[start])[0] * _BELOW)
