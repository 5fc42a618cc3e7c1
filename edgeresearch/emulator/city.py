"""Paper B's testbed grown to the size of a city."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import PrivateAttr
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from edgeresearch.data import datasets
from edgeresearch.data.registry import METADATA
from edgeresearch.emulator.network import Floats, Ints, Link, Mesh
from edgeresearch.emulator.settings import CitySettings
from edgeresearch.emulator.testbed import PAPER_B, Testbed, load, paper_b
from edgeresearch.errors import InputError

EARTH = 6_371_008.8
"""Mean radius, in metres."""
PUBLISHED = ("POINT_1_LAT", "POINT_1_LNG")
"""Columns of the published file: the measuring point where the road of a sensor begins; several may share it."""
OWN = ("latitude", "longitude")
"""Columns of a file of one's own."""
SENSORS, POINTS, SPREAD = 449, 208, (2685.0, 3766.0)
"""Of Aarhus, measured on the published file: its sensors, the measuring points that they stand on, and the standard
deviations of the sensors' places from west to east and from south to north, in metres."""


@dataclass(frozen=True, eq=False)
class Places:
    """Places of edge nodes.

    Attributes:
        metres: East and north of the middle, `(nodes, 2)`.
        source: Where they come from, for tables and figures.
        real: Whether nodes really stand there: not so in a stand-in, nor in a city that was made larger.
    """

    metres: Floats
    source: str
    real: bool


def read_places(file: str | Path | None, *, seed: int = 0) -> Places:
    """Read the places of the sensors in a file, or draw a stand-in that says so.

    Args:
        file: The published table of the Aarhus sensors (see `PUBLISHED`) or one of one's own (see `OWN`), as CSV; a
            stand-in if it is None or missing, or if the table is itself the stand-in that `fetch` made.
        seed: Draws the stand-in.

    Raises:
        InputError: The file is there but cannot be read, lacks the columns, or holds no usable place.
    """
    if file is None or not Path(file).is_file():
        return synthetic_places(seed)
    try:
        table = pd.read_csv(file)
        names = next((each for each in (PUBLISHED, OWN) if set(each) <= set(table.columns)), None)
        degrees = table[list(names or ())].to_numpy(dtype=np.float64)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"cannot read {file}: {str(error).splitlines()[0]}; give a CSV of places") from error
    if names is None:
        raise InputError(f"{file} lacks the columns {' and '.join(OWN)}; give the places in degrees")
    if not len(degrees) or not (np.abs(degrees) <= (90.0, 180.0)).all():
        raise InputError(f"{file} has no row, or a latitude or longitude out of range or missing; give degrees")
    if names == OWN:
        return Places(to_metres(degrees), Path(file).name, True)
    if not datasets.is_real(Path(file), METADATA):  # the stand-in that `fetch` made has 42 sensors, no city
        return synthetic_places(seed)
    return Places(to_metres(degrees), "Aarhus, where its traffic sensors stand", True)


def to_metres(degrees: Floats) -> Floats:
    """Return latitudes and longitudes, `(places, 2)`, in metres east and north of their mean, as on a flat map."""
    from_mean = np.radians(degrees - degrees.mean(axis=0))
    east = from_mean[:, 1] * math.cos(math.radians(float(degrees[:, 0].mean())))
    found: Floats = EARTH * np.column_stack([east, from_mean[:, 0]])
    return found


def synthetic_places(seed: int) -> Places:
    """Return a random city with as many sensors on as many measuring points, spread as far, as Aarhus.

    Points are normal in both directions; each has one sensor at least.
    """
    rng = np.random.default_rng([seed, SENSORS])
    points = rng.normal(0.0, SPREAD, (POINTS, 2))
    at = np.concatenate([np.arange(POINTS), rng.integers(0, POINTS, SENSORS - POINTS)])
    return Places(points[at], "SYNTHETIC places: a random city as wide as Aarhus", False)


def resize(places: Places, count: int) -> Places:
    """Return `count` places, as dense: those nearest to the middle, of the city or of mirrored copies side by side."""
    own = places.metres
    if count == len(own):
        return places
    span = np.maximum(np.ptp(own, axis=0), 1.0)
    margin = span / (2 * math.sqrt(len(own)))  # about half the way to a neighbour, so that copies do not touch
    low, wide = own.min(axis=0) - margin, span + 2 * margin
    along = 1
    while along * along * len(own) < count:
        along += 2  # odd: the city itself stays in the middle
    tiles = np.arange(along) - along // 2
    inside = own - low
    every = np.concatenate(
        [
            low + wide * tile + np.where(np.array(tile) % 2 == 1, wide - inside, inside)
            for tile in itertools.product(tiles, tiles)
        ]
    )
    away = (np.abs(every - np.median(own, axis=0)) / wide).max(axis=1)
    nearest = np.sort(np.argsort(away, kind="stable")[:count])
    if along == 1:
        return Places(every[nearest], f"{places.source}; the {count:,} in the middle", places.real)
    return Places(every[nearest], f"{places.source}; mirrored copies of it, {count / len(own):.1f} cities", False)


def split_districts(metres: Floats, size: int) -> Ints:
    """Divide places into compact parts of `size` at most, as even as can be, by halving them along their longer side.

    Returns:
        Number of each place's part.
    """
    found = np.zeros(len(metres), dtype=np.int64)
    numbers = itertools.count()

    def halve(here: Ints, parts: int) -> None:
        if parts == 1:
            found[here] = next(numbers)
            return
        side = int(np.argmax(np.ptp(metres[here], axis=0)))
        here = here[np.argsort(metres[here, side], kind="stable")]
        left = parts // 2
        cut = round(len(here) * left / parts)
        halve(here[:cut], left)
        halve(here[cut:], parts - left)

    halve(np.arange(len(metres)), -(-len(metres) // size))
    return found


def link_nearest(metres: Floats, neighbours: int) -> Ints:
    """Link places with so many nearest ones at least; parts that are cut off reach further, until all is one.

    Returns:
        Pairs, the smaller number first, ascending, `(links, 2)`: the graph is connected.
    """
    count = len(metres)
    tree, reach = cKDTree(metres), min(neighbours + 1, count)
    pairs = _pairs(np.arange(count), _near(tree, metres, reach)[1])
    reach = min(4 * reach, count)
    while True:
        graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
        parts, labels = connected_components(graph, directed=False)
        if parts == 1:
            return pairs
        outside = np.flatnonzero(labels != np.argmax(np.bincount(labels)))
        away, near = _near(tree, metres[outside], reach)
        away[labels[near] == labels[outside][:, None]] = np.inf
        closest = away.argmin(axis=1)
        gap, goal = (each[np.arange(len(outside)), closest] for each in (away, near))
        order = np.lexsort((outside, gap, labels[outside]))  # by part, the shortest way out first
        _, first = np.unique(labels[outside][order], return_index=True)
        chosen = order[first][np.isfinite(gap[order[first]])]
        reach = reach if len(chosen) else min(2 * reach, count)
        pairs = _pairs(np.append(pairs[:, 0], outside[chosen]), np.append(pairs[:, 1], goal[chosen])[:, None])


def _near(tree: cKDTree, metres: Floats, count: int) -> tuple[Floats, Ints]:
    """Return distances and numbers of so many nearest places, each `(places, count)`."""
    away, near = tree.query(metres, k=range(1, count + 1))
    return np.asarray(away), np.asarray(near)


def _pairs(ones: Ints, others: Ints) -> Ints:
    """Return each pair of a node and one of those in its row once, the smaller number first, and no loops."""
    pairs = np.sort(np.column_stack([np.repeat(ones, others.shape[1]), others.ravel()]), axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)


def number_nodes(metres: Floats, homes: Ints) -> tuple[Ints, Floats]:
    """Number edge nodes, in districts by `homes`, so that streams, which fill them in order, come to those in turn.

    Returns:
        The order: the outermost of every district, then the next ones; the innermost, which is the gateway, is the last
        of its district. And the districts' middles, `(districts, 2)`.
    """
    count = np.bincount(homes)
    sites = np.column_stack([np.bincount(homes, metres[:, side]) / count for side in (0, 1)])
    away = np.linalg.norm(metres - sites[homes], axis=1)
    order = np.lexsort((-away, homes))
    rank = np.arange(len(homes)) - np.repeat(np.cumsum(count) - count, count)
    return order[np.lexsort((homes[order], rank))], sites


NAME = "city"
"""What a testbed is called that is no file but a city."""


@dataclass(frozen=True, eq=False)
class CityPlan:
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

    _plan: CityPlan = PrivateAttr()

    @property
    def plan(self) -> CityPlan:
        """Places and districts."""
        return self._plan

    def positions(self) -> Floats:
        """Return a place to draw each node at, `(nodes, 2)`, in kilometres: those of a site on a ring around it."""
        found = [self._plan.places.metres / 1000]
        apart = 0.25 * float(np.ptp(self._plan.sites, axis=0).max() / 1000 + 1) / max(len(self._plan.sites), 1) ** 0.5
        for level, layer in enumerate(self.layers[1:], start=1):
            size = len(layer.members) // len(self._plan.sites)
            angles = 2 * np.pi * np.arange(size) / size
            ring = level * apart / 3 * np.column_stack([np.cos(angles), np.sin(angles)])
            found.append((self._plan.sites[:, None, :] / 1000 + ring).reshape(-1, 2))
        return np.concatenate(found)

    def _faults(self, start: float) -> Iterator[str]:
        """As of a testbed; the gateways follow from the places, as the links do, and need no check."""
        bare = tuple(layer.model_copy(update={"gateways": ()}) for layer in self.layers)
        return Testbed(**{**dict(self), "layers": bare})._faults(start)

    def mesh(self, rng: np.random.Generator) -> Mesh:
        """See `Testbed.mesh`; the places are fixed."""
        starts = np.cumsum([0, *(len(layer.members) for layer in self.layers[:-1])]).tolist()
        return Mesh(self._nodes(rng), [*self._within(starts), *self._upward(starts)])

    def _within(self, starts: Sequence[int]) -> Iterator[Link]:
        edge, *sites = self.layers
        near = link_nearest(self._plan.places.metres, self._plan.neighbours)
        yield from itertools.starmap(edge.link, near.tolist())
        around = link_nearest(self._plan.sites, self._plan.neighbours)
        for start, layer in zip(starts[1:], sites, strict=True):
            size = len(layer.members) // len(self._plan.sites)
            here = np.column_stack(np.triu_indices(size, 1))
            inside = (here + size * np.arange(len(self._plan.sites))[:, None, None]).reshape(-1, 2)
            yield from itertools.starmap(layer.link, (np.concatenate([inside, size * around]) + start).tolist())

    def _upward(self, starts: Sequence[int]) -> Iterator[Link]:
        for at, (low, high) in enumerate(zip(self.layers, self.layers[1:], strict=False)):
            homes, above = self._districts(at), self._districts(at + 1)
            number = {name: i for i, name in enumerate(low.members)}
            upper = {name: i for i, name in enumerate(high.members)}
            ways: dict[int, list[int]] = {}
            for name in high.members if low.upward == "all" else high.gateway_names:
                ways.setdefault(int(above[upper[name]]), []).append(upper[name] + starts[at + 1])
            for name in low.gateway_names:
                one = number[name]
                for other in ways.get(int(homes[one]), []):
                    yield low.uplink(one + starts[at], other)

    def _districts(self, at: int) -> Ints:
        if at == 0:
            return self._plan.district
        count = len(self._plan.sites)
        return np.repeat(np.arange(count), len(self.layers[at].members) // count)


def make_city(places: Places, settings: CitySettings) -> City:
    """Make a city on places, as many as it needs (`resize`); capacities, links and streams are those of `paper_b`.

    Raises:
        InputError: There are fewer nodes than a district has.
    """
    base = paper_b()
    sizes = [int(getattr(settings.district, layer.name)) for layer in base.layers]
    if settings.nodes < sum(sizes):
        raise InputError(f"a city of {settings.nodes} nodes is less than one district of {sum(sizes)}; give more nodes")
    edge = round(settings.nodes * sizes[0] / sum(sizes))
    chosen = resize(places, edge)
    homes = split_districts(chosen.metres, sizes[0])
    order, sites = number_nodes(chosen.metres, homes)
    homes = homes[order]
    ranked = Places(chosen.metres[order], chosen.source, chosen.real)
    last = len(homes) - 1 - np.unique(homes[::-1], return_index=True)[1]
    ways = (last.tolist(), *(range(0, len(sites) * size, size) for size in sizes[1:]))
    layers = []
    for layer, size, own in zip(base.layers, sizes, ways, strict=True):
        count = edge if layer is base.layers[0] else len(sites) * size
        gateways = tuple(f"{layer.name}-{i + 1}" for i in own)
        about = {"nodes": count, "names": (), "gateways": gateways, "mesh": "links", "degree": None}
        layers.append(layer.model_copy(update=about))
    rule = base.stream_rule
    assert rule is not None
    streams = rule.model_copy(update={"count": rule.per_node * max(round(settings.share * edge), 1)})
    city = City(layers=tuple(layers), stream_rule=streams, churn=base.churn)
    city._where, city._plan = NAME, CityPlan(ranked, homes, sites, settings.neighbours)
    return city


def load_testbed(path: str | Path | None, city: CitySettings, *, start: float = 0.0, seed: int = 0) -> Testbed:
    """Return a testbed: that of a YAML file, a `city`, or Paper B's for None or `paper_b` (see `Testbed.check`).

    Raises:
        InputError: The file cannot be read or describes no testbed that fits the settings.
    """
    if path is None or str(path) == PAPER_B.stem:
        return paper_b()
    if str(path) == NAME:
        return make_city(read_places(city.places, seed=seed), city)
    if not Path(path).suffix and not Path(path).exists():
        raise InputError(f"unknown testbed {str(path)!r}; known: {PAPER_B.stem}, {NAME}, or give a YAML file")
    return load(path, start=start)
