"""A testbed as large as a city: Paper B's, district by district (Table I), on the places of real sensors.

Paper B ends with "larger infrastructure scenarios in order to demonstrate realistic smart city use cases" as its future
work (section VII). Here a district of the city is what its testbed is: five edge nodes, four fog and six cloud nodes,
one gateway in each layer. With 15 nodes the city is that testbed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import PrivateAttr

from edgeresearch.emulator.city_graph import Ints, districts, last, linked, numbered
from edgeresearch.emulator.city_places import Floats, Places, sized
from edgeresearch.emulator.city_places import places as read_places
from edgeresearch.emulator.mesh import Link, Mesh, Node
from edgeresearch.emulator.testbed import Testbed, paper_b
from edgeresearch.errors import InputError
from edgeresearch.settings import parsed

NAME = "city"
"""What a testbed is called that is no file but a city."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What a city has besides its layers.

    Attributes:
        places: Of the edge nodes.
        district: Number of each edge node's district; that of the sites follows from their order.
        sites: Places of the districts' fog and cloud sites, `(districts, 2)`, in metres.
        neighbours: Nearest edge nodes, and nearest sites, that each is linked to.
    """

    places: Places
    district: Ints
    sites: Floats
    neighbours: int


class City(Testbed):
    """A testbed whose links follow from places; its layers, streams and churn are those of a `Testbed`.

    Edge nodes see those near to them, whatever their district; the nodes of a site see each other, and gateways of
    sites those of the nearest ones. The gateways of a layer are linked to those of the layer above in their district.
    """

    _plan: Plan = PrivateAttr()

    @property
    def plan(self) -> Plan:
        """Places and districts."""
        return self._plan

    def spots(self) -> Floats:
        """Return a place to draw each node at, `(nodes, 2)`, in kilometres: those of a site on a ring around it."""
        found = [self._plan.places.metres / 1000]
        apart = 0.25 * float(np.ptp(self._plan.sites, axis=0).max() / 1000 + 1) / max(len(self._plan.sites), 1) ** 0.5
        for level, layer in enumerate(self.layers[1:], start=1):
            size = len(layer.members) // len(self._plan.sites)
            angles = 2 * np.pi * np.arange(size) / size
            ring = level * apart / 3 * np.column_stack([np.cos(angles), np.sin(angles)])
            found.append((self._plan.sites[:, None, :] / 1000 + ring).reshape(-1, 2))
        return np.concatenate(found)

    def checked(self, start: float = 0.0) -> "City":
        """See `Testbed.checked`; the links were not given by anyone and need no check."""
        layers = tuple(layer.model_copy(update={"gateways": ()}) for layer in self.layers)
        slim = Testbed(layers=layers, streams=self.streams, stream_rule=self.stream_rule, churn=self.churn)
        slim._where = self._where
        slim.checked(start)
        return self

    def mesh(self, rng: np.random.Generator) -> Mesh:
        """Return nodes and links.

        Args:
            rng: Draws how nodes sway, as `Testbed.mesh` does; places are fixed.
        """
        sizes = [len(layer.members) for layer in self.layers]
        draws = rng.random((sum(sizes), 2))
        nodes: list[Node] = []
        for layer in self.layers:
            low, high = layer.sway_period
            mine = draws[len(nodes) : len(nodes) + len(layer.members)]
            about = (layer.name, layer.node_class, layer.millicores, layer.memory, layer.sway)
            periods, phases = (low + (high - low) * mine[:, 0]).tolist(), mine[:, 1].tolist()
            nodes += [
                Node(name, *about, period, phase)
                for name, period, phase in zip(layer.members, periods, phases, strict=True)
            ]
        starts = np.cumsum([0, *sizes[:-1]]).tolist()
        return Mesh(nodes, [*self._within(starts), *self._upward(starts)])

    def _within(self, starts: Sequence[int]) -> Iterator[Link]:
        edge, *sites = self.layers
        near = linked(self._plan.places.metres, self._plan.neighbours)
        yield from _links(near + starts[0], edge.latency, edge.bandwidth)
        around = linked(self._plan.sites, self._plan.neighbours)
        for start, layer in zip(starts[1:], sites, strict=True):
            size = len(layer.members) // len(self._plan.sites)
            here = np.column_stack(np.triu_indices(size, 1))
            inside = (here + size * np.arange(len(self._plan.sites))[:, None, None]).reshape(-1, 2)
            yield from _links(np.concatenate([inside, size * around]) + start, layer.latency, layer.bandwidth)

    def _upward(self, starts: Sequence[int]) -> Iterator[Link]:
        for at, (low, high) in enumerate(zip(self.layers, self.layers[1:], strict=False)):
            homes, above = self._districts(at), self._districts(at + 1)
            number = {name: i for i, name in enumerate(low.members)}
            upper = {name: i for i, name in enumerate(high.members)}
            ways: dict[int, list[int]] = {}
            for name in high.members if low.upward == "all" else high.ways:
                ways.setdefault(int(above[upper[name]]), []).append(upper[name] + starts[at + 1])
            for name in low.ways:
                one = number[name]
                for other in ways.get(int(homes[one]), []):
                    yield Link(one + starts[at], other, low.uplink_latency, low.uplink_bandwidth, low.uplink_shared)

    def _districts(self, at: int) -> Ints:
        if at == 0:
            return self._plan.district
        count = len(self._plan.sites)
        return np.repeat(np.arange(count), len(self.layers[at].members) // count)

    def _redone(self, data: Mapping[str, Any]) -> "City":
        city = parsed(data, City, self._where)
        city._where, city._plan = self._where, self._plan
        return city.checked()


def city(places: Places, *, nodes: int, district: Mapping[str, int], neighbours: int, share: float) -> City:
    """Make a city.

    Args:
        places: Of one city's sensors, see `places`; as many of them as the city needs are taken, or copies (`sized`).
        nodes: About so many in all layers together.
        district: Nodes of a district by layer, from the edge upwards.
        neighbours: Nearest edge nodes, and nearest sites, that each is linked to at least.
        share: Of the edge nodes that have streams, as many each as Paper B's rule says.

    Returns:
        The city; capacities, links and streams are those of `paper_b`.

    Raises:
        InputError: There are fewer nodes than a district has.
    """
    base = paper_b()
    sizes = [district[layer.name] for layer in base.layers]
    if nodes < sum(sizes):
        raise InputError(f"a city of {nodes} nodes is less than one district of {sum(sizes)}; give more nodes")
    edge = round(nodes * sizes[0] / sum(sizes))
    found = sized(places, edge)
    homes = districts(found.metres, sizes[0])
    order, sites = numbered(found.metres, homes)
    homes = homes[order]
    ranked = Places(found.metres[order], found.said, found.real)
    ways = (last(homes), *(range(0, len(sites) * size, size) for size in sizes[1:]))
    layers = []
    for layer, size, own in zip(base.layers, sizes, ways, strict=True):
        count = edge if layer is base.layers[0] else len(sites) * size
        gateways = tuple(f"{layer.name}-{i + 1}" for i in own)
        about = {"nodes": count, "names": (), "gateways": gateways, "mesh": "links", "degree": None}
        layers.append(layer.model_copy(update=about))
    rule = base.stream_rule
    assert rule is not None
    streams = rule.model_copy(update={"count": rule.per_node * max(round(share * edge), 1)})
    made = City(layers=tuple(layers), stream_rule=streams, churn=base.churn)
    made._where, made._plan = NAME, Plan(ranked, homes, sites, neighbours)
    return made


def selected(section: Mapping[str, Any], *, nodes: int | None = None, seed: int = 0) -> City:
    """Return the city of the settings.

    Args:
        section: `los.city` of the settings as plain values.
        nodes: In all layers together; as the settings say if None.
        seed: Draws the places if their file is missing.

    Raises:
        InputError: See `places` and `city`.
    """
    found = read_places(section["places"], seed=seed)
    kept = {name: section[name] for name in ("district", "neighbours", "share")}
    return city(found, nodes=section["nodes"] if nodes is None else nodes, **kept)


def _links(pairs: Ints, latency: float, bandwidth: float) -> Iterator[Link]:
    return (Link(one, other, latency, bandwidth) for one, other in pairs.tolist())
