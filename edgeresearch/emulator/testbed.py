"""A testbed as a YAML file; Paper B's own ships with it (Table I, section VI.A)."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import PrivateAttr

from edgeresearch.emulator.emulation import Change
from edgeresearch.emulator.faults import fault
from edgeresearch.emulator.mesh import Link, Mesh, Node, full, near
from edgeresearch.emulator.parts import Churn, Layer, NamedLink, Stream, StreamRule, Work
from edgeresearch.emulator.workload import Job
from edgeresearch.errors import InputError, nearest
from edgeresearch.los.runtime import Curve
from edgeresearch.settings import Section, parsed, read_yaml

PAPER_B = Path(__file__).with_name("paper_b.yaml")
"""Paper B's testbed."""
SAID_PARTS = 5
"""Cut-off parts of a mesh that get a warning of their own."""


class Testbed(Section):
    """A topology, its streams, and who comes and goes.

    Attributes:
        layers: From the edge upwards.
        links: Between named nodes.
        streams: One by one; or
        stream_rule: by a rule.
        churn: Nodes that leave and join.
    """

    __test__ = False  # no test, whatever pytest makes of the name

    layers: tuple[Layer, ...] = ()
    links: tuple[NamedLink, ...] = ()
    streams: tuple[Stream, ...] = ()
    stream_rule: StreamRule | None = None
    churn: Churn = Churn()
    _where: str = PrivateAttr("testbed")

    def checked(self, start: float = 0.0) -> Self:
        """Return the testbed itself.

        Args:
            start: t_start of a training's container, in seconds: no period may be as short.

        Raises:
            InputError: Its parts do not fit together; the message names the file and the key.
        """
        found = fault(self.layers, self.links, self.streams, self.stream_rule, self.churn, start)
        if found is not None:
            raise InputError(f"{self._where}: {found}")
        return self

    def with_layer(self, name: str, **changes: Any) -> "Testbed":
        """Return a testbed in which a layer has other settings.

        Raises:
            InputError: There is no such layer, or the settings do not fit.
        """
        at = self._layer(name)
        data = self.model_dump(mode="json")
        data["layers"][at].update(changes)
        return self._redone(data)

    def with_gateways(self, layer: str, count: int) -> "Testbed":
        """Return a testbed in which a layer has so many gateways: first those that it has, then its others in order.

        Raises:
            InputError: There is no such layer, or it has fewer nodes.
        """
        below = self.layers[self._layer(layer)]
        ways = list(dict.fromkeys([*below.ways, *below.members]))
        if not 0 < count <= len(ways):
            raise InputError(f"{self._where}: {layer} has {len(ways)} nodes; {count} of them cannot be gateways")
        return self.with_layer(layer, gateways=ways[:count])

    def with_rule(self, **changes: Any) -> "Testbed":
        """Return a testbed whose streams come by its rule with other settings.

        Raises:
            InputError: There is no rule, or the settings do not fit.
        """
        if self.stream_rule is None:
            raise InputError(f"{self._where}: stream_rule: there is none to change; give one")
        return self._redone({**self.model_dump(mode="json"), "stream_rule": {**dict(self.stream_rule), **changes}})

    def mesh(self, rng: np.random.Generator) -> Mesh:
        """Return nodes and links.

        Args:
            rng: Draws how nodes sway, then the places of scattered ones.

        Raises:
            InputError: The parts of the testbed do not fit together.
        """
        self.checked()
        nodes = [
            Node(
                name, layer.name, layer.node_class, layer.millicores, layer.memory,
                layer.sway, float(rng.uniform(*layer.sway_period)), float(rng.random()),
            )
            for layer in self.layers for name in layer.members
        ]  # fmt: skip
        number = {node.name: i for i, node in enumerate(nodes)}
        of = [at for at, layer in enumerate(self.layers) for _ in layer.members]
        given = [_given(link, number, self.layers, of) for link in self.links]
        taken = {frozenset((link.one, link.other)) for link in given}
        made = [link for layer in self.layers for link in _within(layer, number, rng)]
        made += [link for low, high in itertools.pairwise(self.layers) for link in _upward(low, high, number)]
        return Mesh(nodes, [link for link in made if frozenset((link.one, link.other)) not in taken] + given)

    def jobs(self, mesh: Mesh, rng: np.random.Generator, *, streams: int | None = None) -> list[Job]:
        """Return the streams; the first ones are the same however many there are.

        Args:
            mesh: Of this testbed.
            rng: Draws the periods of a rule.
            streams: How many; as many as the testbed says if None.

        Raises:
            InputError: The testbed says nothing of streams, or has no room or no words for so many.
        """
        number = {node.name: i for i, node in enumerate(mesh.nodes)}
        if self.stream_rule is None:
            count = len(self.streams) if streams is None else streams
            if not 0 < count <= len(self.streams):
                raise InputError(f"{self._where}: streams: {len(self.streams)} are given, {count} wanted; give more")
            return [_job(s, number[s.node], s.seconds, s.begin + s.seconds) for s in self.streams[:count]]
        rule = self.stream_rule if streams is None else self.with_rule(count=streams).stream_rule
        assert rule is not None
        sources = self.layers[self._layer(rule.layer)].members
        periods = [float(rng.uniform(*rule.seconds)) for _ in range(rule.count)]
        return [_job(rule, number[sources[i // rule.per_node]], p, p) for i, p in enumerate(periods)]

    def changes(self, mesh: Mesh, rng: np.random.Generator, *, seconds: float) -> list[Change]:
        """Return who leaves and joins when, in order; those before a time are the same however long it goes on.

        Args:
            mesh: Of this testbed.
            rng: Its children, one per node that comes and goes, draw the times.
            seconds: End of the experiment.
        """
        number = {node.name: i for i, node in enumerate(mesh.nodes)}
        found = [Change(c.time, number[c.node], c.up) for c in self.churn.changes if c.time < seconds]
        for rate in self.churn.rates:
            members = self.layers[self._layer(rate.layer)].members
            for name, child in zip(members, rng.spawn(len(members)), strict=True):
                time, up = child.exponential(rate.stays), False
                while time < seconds:
                    found.append(Change(time, number[name], up))
                    time += child.exponential(rate.stays if up else rate.away)
                    up = not up
        return sorted(found, key=lambda change: change.time)

    def speeds(self) -> dict[str, float]:
        """Return how fast each node class is."""
        return {layer.node_class: layer.speed for layer in self.layers}

    def curves(self, base: Curve) -> dict[str, Curve]:
        """Return the true curve of each node class: `base` is that of speed 1 and has its CPU time divided."""
        return {kind: base._replace(a=base.a / speed) for kind, speed in self.speeds().items()}

    def table(self) -> pd.DataFrame:
        """Return the layers as Paper B's Table I shows them, from the cloud downwards."""
        return pd.DataFrame(
            {
                "Layer": layer.name[:1].upper() + layer.name[1:],
                "Instances": len(layer.members),
                "vCPU": f"{layer.millicores / 1000:g}",
                "Memory": f"{layer.memory / 1024:g} GB",
                "Storage": "" if layer.storage is None else f"{layer.storage:g} GB",
            }
            for layer in reversed(self.layers)
        )

    def warnings(self, mesh: Mesh) -> list[str]:
        """Return one line for each part of the mesh that is cut off from the largest: allowed, but to be said."""
        parts = mesh.islands()[1:]
        said = []
        for part in parts[:SAID_PARTS]:
            names = [mesh.nodes[i].name for i in part]
            at = self._layer(mesh.nodes[part[0]].layer)
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            said.append(f"{self._where}: layers[{at}]: {', '.join(names[:3])}{more} cannot reach most of the mesh")
        if len(parts) > SAID_PARTS:
            said.append(f"{self._where}: layers: {len(parts) - SAID_PARTS} more parts of the mesh are cut off")
        return said

    def _layer(self, name: str) -> int:
        names = [layer.name for layer in self.layers]
        if name not in names:
            raise InputError(f"{self._where}: there is no layer {name}{nearest(name, names)}")
        return names.index(name)

    def _redone(self, data: Mapping[str, Any]) -> "Testbed":
        testbed = parsed(data, Testbed, self._where)
        testbed._where = self._where
        return testbed.checked()


def load(path: str | Path, *, start: float = 0.0) -> Testbed:
    """Read a testbed from a YAML file.

    Args:
        path: The file; `PAPER_B` is Paper B's testbed and shows what it may hold.
        start: t_start of a training's container, in seconds: no period may be as short.

    Raises:
        InputError: The file cannot be read, is not YAML, or describes no testbed; the message names the file and key.
    """
    try:
        testbed = parsed(read_yaml(Path(path)), Testbed, str(path))
    except InputError:
        raise
    except (TypeError, ValueError, RecursionError) as error:  # keys or cycles that YAML has and a testbed has not
        raise InputError(f"{path} is no testbed: {error}; give plain keys and values") from error
    testbed._where = str(path)
    return testbed.checked(start)


@cache
def paper_b() -> Testbed:
    """Return Paper B's testbed (Table I, section VI.A)."""
    return load(PAPER_B)


def _within(layer: Layer, number: Mapping[str, int], rng: np.random.Generator) -> list[Link]:
    numbers = [number[name] for name in layer.members]
    if layer.mesh == "full":
        return full(numbers, latency=layer.latency, bandwidth=layer.bandwidth)
    if layer.mesh == "links":
        return []
    assert layer.degree is not None
    return near(numbers, degree=layer.degree, latency=layer.latency, bandwidth=layer.bandwidth, rng=rng)[0]


def _upward(low: Layer, high: Layer, number: Mapping[str, int]) -> Iterator[Link]:
    for one, other in itertools.product(low.ways, high.members if low.upward == "all" else high.ways):
        yield Link(number[one], number[other], low.uplink_latency, low.uplink_bandwidth, low.uplink_shared)


def _given(link: NamedLink, number: Mapping[str, int], layers: Sequence[Layer], of: Sequence[int]) -> Link:
    one, other = (number[name] for name in link.between)
    low = layers[min(of[one], of[other])]
    if of[one] == of[other]:
        usual = Link(one, other, low.latency, low.bandwidth)
    else:
        usual = Link(one, other, low.uplink_latency, low.uplink_bandwidth, low.uplink_shared)
    said = link.model_dump(exclude={"between"}, exclude_none=True)
    return replace(usual, **said)


def _job(work: Work, source: int, period: float, first: float) -> Job:
    return Job(source, period, first, work.cpu, work.memory, work.training_memory, work.megabytes, work.work)
