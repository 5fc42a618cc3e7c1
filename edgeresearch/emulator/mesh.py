"""The network: which nodes see each other, how far apart they are, and how that changes as nodes move."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from edgeresearch.errors import InputError

if TYPE_CHECKING:
    import networkx as nx


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
        latency: One way while both stand nearest, in seconds.
        bandwidth: In megabits per second.
        shared: Whether transfers share the bandwidth, as on an uplink between layers.
    """

    one: int
    other: int
    latency: float
    bandwidth: float
    shared: bool = False


@dataclass(frozen=True)
class Mesh:
    """Nodes and the links between direct neighbours; `routes.Routes` knows the ways between the others.

    Attributes:
        nodes: Numbered from 0.
        links: Undirected.
    """

    nodes: Sequence[Node]
    links: Sequence[Link]

    def __post_init__(self) -> None:
        """Check nodes and links.

        Raises:
            InputError: A node's capacity or period is not above 0 or its sway is below; a link ends nowhere, at its own
                beginning, or is there twice; a latency is negative or not finite, a bandwidth not above 0.
        """
        for node in self.nodes:
            if not (node.cpu > 0 and node.memory > 0 and node.sway >= 0 and node.sway_period > 0):
                raise InputError(f"{node.name}: cpu, memory and sway_period must be above 0, sway not below: {node}")
        count, seen = len(self.nodes), set()
        for link in self.links:
            low, high = (link.one, link.other) if link.one < link.other else (link.other, link.one)
            if low < 0 or high >= count or low == high or low * count + high in seen:
                raise InputError(f"link {link.one}-{link.other} is a second one, a loop, or ends outside the mesh")
            if not (0 <= link.latency < math.inf and link.bandwidth > 0):
                raise InputError(f"link {low}-{high} must have a finite latency of at least 0 and a bandwidth above 0")
            seen.add(low * count + high)

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
        """Latencies of the links between nodes that stand nearest, in seconds, `(nodes, nodes)`, symmetric."""
        count = len(self.links)
        one = np.fromiter((link.one for link in self.links), np.int32, count)
        other = np.fromiter((link.other for link in self.links), np.int32, count)
        far = np.fromiter((link.latency for link in self.links), np.float64, count)
        ends = (np.concatenate([one, other]), np.concatenate([other, one]))
        return csr_array((np.concatenate([far, far]), ends), shape=(len(self.nodes), len(self.nodes)))

    def islands(self) -> list[list[int]]:
        """Return the connected parts of the mesh, the largest first, each in ascending order."""
        count, labels = connected_components(self.latencies, directed=False)
        order = np.argsort(labels, kind="stable")
        parts = np.split(order, np.cumsum(np.bincount(labels, minlength=count))[:-1])
        return sorted((part.tolist() for part in parts if len(part)), key=lambda part: (-len(part), part))


def full(numbers: Sequence[int], *, latency: float, bandwidth: float) -> list[Link]:
    """Link every node to every other, as those of one layer are in Paper B's testbed (section VI.A).

    Args:
        numbers: Of the nodes.
        latency: Of every link, in seconds.
        bandwidth: Of every link, in megabits per second.
    """
    return [Link(one, other, latency, bandwidth) for one, other in itertools.combinations(numbers, 2)]


def near(
    numbers: Sequence[int], *, degree: float, latency: float, bandwidth: float, rng: np.random.Generator
) -> tuple[list[Link], npt.NDArray[np.float64]]:
    """Scatter nodes over a unit square and link those within the radius that gives a mean degree.

    Args:
        numbers: Of the nodes.
        degree: Mean number of neighbours, above 0, that is expected; all others at most.
        latency: Of a link as long as the radius, in seconds; shorter links have less.
        bandwidth: Of every link, in megabits per second.
        rng: Draws the places.

    Returns:
        The links, and the places, `(nodes, 2)`.

    Raises:
        InputError: The degree is not above 0.
    """
    if not degree > 0:
        raise InputError(f"a mean degree of {degree:g} links nothing; give one above 0")
    numbers = list(numbers)  # one object per number: a range would make one per link
    places = rng.random((len(numbers), 2))
    radius = _radius(len(numbers), degree)
    ends = cKDTree(places).query_pairs(radius, output_type="ndarray")
    ends = ends[np.lexsort((ends[:, 1], ends[:, 0]))]
    far = latency / radius * np.linalg.norm(places[ends[:, 0]] - places[ends[:, 1]], axis=1)
    links = [
        Link(numbers[one], numbers[other], length, bandwidth)
        for (one, other), length in zip(ends.tolist(), far.tolist(), strict=True)
    ]
    return links, places


def _radius(nodes: int, degree: float) -> float:
    """Radius in the unit square within which a node has `degree` others on average."""

    def others(radius: float) -> float:
        # Chance that two random points of the unit square are within a radius of at most 1: the circle, less what lies
        # beyond the border.
        return (nodes - 1) * radius**2 * (math.pi - 8 / 3 * radius + radius**2 / 2)

    if others(1.0) <= degree:
        return math.sqrt(2)
    return float(brentq(lambda radius: others(radius) - degree, 0.0, 1.0, xtol=1e-12))


def geometric(
    nodes: Sequence[Node], *, degree: float, latency: float, bandwidth: float, rng: np.random.Generator
) -> tuple[Mesh, npt.NDArray[np.float64]]:
    """Make a mesh of nodes that are scattered over a unit square: see `near` for the arguments and errors.

    Returns:
        The mesh, and the places, `(nodes, 2)`.
    """
    links, places = near(range(len(nodes)), degree=degree, latency=latency, bandwidth=bandwidth, rng=rng)
    return Mesh(nodes, links), places
