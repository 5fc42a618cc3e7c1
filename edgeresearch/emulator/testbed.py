"""Testbeds: their schema, validation and loading."""

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt, PrivateAttr

from edgeresearch.emulator.network import Job, Link, Mesh, Node, link_near
from edgeresearch.emulator.simulation import Change
from edgeresearch.errors import InputError, nearest
from edgeresearch.settings import Section, parsed, read_yaml


def _ascending(values: tuple[float, float]) -> tuple[float, float]:
    if values[0] > values[1]:
        raise ValueError("give the smaller one first")
    return values


Range = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_ascending)]
Name = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(gt=0, le=1_000_000)]


class Layer(Section):
    """Nodes of one layer; the layers of a testbed stand from the edge upwards.

    Attributes:
        name: Such as `edge`.
        nodes: How many, named `edge-1` and so on; or
        names: their names.
        cpu: Of each, in millicores; or
        vcpu: of each, of 1000 millicores.
        memory: Of each, in megabytes.
        storage: Of each, in gigabytes; shown only.
        kind: Node class, within which a training runs equally fast; the layer's name if None.
        speed: Of that class: trainings take 1/speed of the CPU time.
        mesh: `full`: all are direct neighbours; `near`: scattered, neighbours within a radius; `links`: as listed.
        degree: Mean number of direct neighbours within the layer, for `near` alone.
        latency: Of a link within the layer (of the longest, for `near`), one way, without sway, in seconds.
        bandwidth: Of a link within the layer, in megabits per second.
        sway: Latency that a node adds at most as it moves, in seconds.
        sway_period: Range of the time in which that rises and falls once, in seconds.
        gateways: Nodes that are linked to the next layer; they are also where the layer below arrives. The first node
            if empty.
        upward: Whether its gateways are linked to the next layer's gateways only, or to all of its nodes.
        uplink_latency: To the next layer, one way, without sway, in seconds.
        uplink_bandwidth: Of each link to the next layer, in megabits per second.
        uplink_shared: Whether transfers share it.
    """

    name: Name
    nodes: Count | None = None
    names: tuple[Name, ...] = ()
    cpu: PositiveFloat | None = None
    vcpu: PositiveFloat | None = None
    memory: PositiveFloat
    storage: NonNegativeFloat | None = None
    kind: str | None = None
    speed: PositiveFloat = 1.0
    mesh: Literal["full", "near", "links"] = "full"
    degree: PositiveFloat | None = None
    latency: NonNegativeFloat = 0.001
    bandwidth: PositiveFloat = 100.0
    sway: NonNegativeFloat = 0.0
    sway_period: Range = (1200.0, 3600.0)
    gateways: tuple[str, ...] = ()
    upward: Literal["gateway", "all"] = "gateway"
    uplink_latency: NonNegativeFloat = 0.010
    uplink_bandwidth: PositiveFloat = 100.0
    uplink_shared: bool = True

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the nodes."""
        return self.names or tuple(f"{self.name}-{i + 1}" for i in range(self.nodes or 0))

    @property
    def gateway_names(self) -> tuple[str, ...]:
        """Names of the gateways."""
        return self.gateways or self.members[:1]

    @property
    def millicores(self) -> float:
        """CPU of each node, in millicores."""
        return self.cpu if self.cpu is not None else 1000 * (self.vcpu or 0.0)

    @property
    def node_class(self) -> str:
        """Node class."""
        return self.kind if self.kind is not None else self.name

    def link(self, one: int, other: int) -> Link:
        """Return a link between two of its nodes, by their numbers."""
        return Link(one, other, self.latency, self.bandwidth)

    def uplink(self, one: int, other: int) -> Link:
        """Return a link between one of its nodes and one of the layer above."""
        return Link(one, other, self.uplink_latency, self.uplink_bandwidth, self.uplink_shared)


class NamedLink(Section):
    """A link between two nodes; it takes the place of one that their layers would give.

    Attributes:
        between: Names of the two.
        latency: One way, in seconds; that of the layer, or of the lower layer's uplink, if None.
        bandwidth: In megabits per second; likewise.
        shared: Whether transfers share it; likewise.
    """

    between: tuple[str, str]
    latency: NonNegativeFloat | None = None
    bandwidth: PositiveFloat | None = None
    shared: bool | None = None


class Work(Section):
    """What a stream costs.

    Attributes:
        cpu: What its prediction job takes at the source, in millicores.
        memory: What its prediction job takes, in megabytes.
        training_memory: Largest use of a training, in megabytes.
        megabytes: Model and cached samples that a training needs.
        work: Factor on the part of its trainings' time that depends on the CPU (a in eq. 1).
    """

    cpu: NonNegativeFloat = 0.0
    memory: NonNegativeFloat = 0.0
    training_memory: PositiveFloat = 64.0
    megabytes: NonNegativeFloat = 0.5
    work: PositiveFloat = 1.0


class Stream(Work):
    """One stream.

    Attributes:
        node: Name of its source.
        period: Time between two triggers, in seconds; or
        sample_interval: time between two samples, in seconds, and
        samples: how many trigger a training.
        begin: When the stream begins, in seconds; its first trigger comes a period later.
    """

    node: str
    period: PositiveFloat | None = None
    samples: PositiveInt = 1000
    sample_interval: PositiveFloat | None = None
    begin: NonNegativeFloat = 0.0

    @property
    def seconds(self) -> float:
        """Time between two triggers."""
        return self.period if self.period is not None else self.samples * (self.sample_interval or 0.0)


class StreamRule(Work):
    """Streams by a rule (Paper B, section VI.C): so many per node, on a layer's nodes in order.

    Attributes:
        layer: Whose nodes are sources.
        count: How many streams.
        per_node: How many on one node at most.
        trigger: Which of the two readings holds, `period` or `samples`.
        period: Range of the time between two triggers, in seconds.
        samples: How many samples trigger a training.
        sample_interval: Range of the time between two samples, in seconds.
    """

    layer: str
    count: PositiveInt
    per_node: PositiveInt = 2
    trigger: Literal["period", "samples"] = "period"
    period: Range = (180.0, 300.0)
    samples: PositiveInt = 1000
    sample_interval: Range = (0.2, 0.8)

    @property
    def seconds(self) -> tuple[float, float]:
        """Range of the time between two triggers."""
        low, high = self.sample_interval
        return self.period if self.trigger == "period" else (self.samples * low, self.samples * high)


class NamedChange(Section):
    """A node leaves, or joins (`up`), at a time in seconds."""

    time: NonNegativeFloat
    node: str
    up: bool


class Rate(Section):
    """How often the nodes of a layer come and go; both times are exponential, and all begin in the mesh.

    Attributes:
        layer: Whose nodes.
        stays: Mean time in the mesh, in seconds.
        away: Mean time away, in seconds.
    """

    layer: str
    stays: Annotated[float, Field(ge=1)]
    away: Annotated[float, Field(ge=1)]


class Churn(Section):
    """Nodes that leave and join: listed ones, and rates by layer."""

    changes: tuple[NamedChange, ...] = ()
    rates: tuple[Rate, ...] = ()


MOST_LINKS = 1_000_000
"""More are refused: they would take gigabytes."""


def _layer_faults(layers: Sequence[Layer]) -> Iterator[str]:
    if not layers:
        yield "layers: there is none; give at least one"
    for at, layer in enumerate(layers):
        here = f"layers[{at}]"
        if (layer.nodes is None) == (not layer.names):
            yield f"{here}.nodes: give nodes (how many) or names (which), one of the two"
        if (layer.cpu is None) == (layer.vcpu is None):
            yield f"{here}.cpu: give cpu (millicores) or vcpu, one of the two"
        if (layer.degree is None) == (layer.mesh == "near"):
            yield f"{here}.degree: a mean number of neighbours goes with mesh: near, and with that alone"
        yield from _twice((f"{here}.gateways[{k}]", name) for k, name in enumerate(layer.gateways))
        own = set(layer.members)
        for k, name in enumerate(layer.gateways):
            if name not in own:
                yield f"{here}.gateways[{k}]: {layer.name} has no node {name}{nearest(name, own)}"
    yield from _twice((f"layers[{at}].name", layer.name) for at, layer in enumerate(layers))
    yield from _twice((f"layers[{at}].names", name) for at, layer in enumerate(layers) for name in layer.members)
    speeds: dict[str, float] = {}
    for at, layer in enumerate(layers):
        if speeds.setdefault(layer.node_class, layer.speed) != layer.speed:
            yield f"layers[{at}].speed: kind {layer.node_class} has two speeds; give it one, or give another kind"
    total = 0.0
    for at, layer in enumerate(layers):
        count = len(layer.members)
        each = {"full": count - 1, "near": min(layer.degree or 0, count - 1), "links": 0}[layer.mesh]
        total += count * each / 2
        if at + 1 < len(layers):
            above = layers[at + 1]
            total += len(layer.gateway_names) * len(above.members if layer.upward == "all" else above.gateway_names)
        if total > MOST_LINKS:
            yield f"layers[{at}].nodes: {total:.0f} links are more than {MOST_LINKS}; set mesh: near and a degree"


def _link_faults(links: Sequence[NamedLink], home: Mapping[str, Layer]) -> Iterator[str]:
    seen = set()
    for at, link in enumerate(links):
        for k, name in enumerate(link.between):
            yield from _unknown(f"links[{at}].between[{k}]", name, home)
        if link.between[0] == link.between[1]:
            yield f"links[{at}].between: {link.between[0]} is linked to itself; name two nodes"
        if frozenset(link.between) in seen:
            yield f"links[{at}].between: {' and '.join(link.between)} are linked twice; keep one of the links"
        seen.add(frozenset(link.between))


def _stream_faults(streams: Sequence[Stream], home: Mapping[str, Layer], start: float) -> Iterator[str]:
    here = defaultdict[str, list[Work]](list)
    for at, stream in enumerate(streams):
        yield from _unknown(f"streams[{at}].node", stream.node, home)
        if (stream.period is None) == (stream.sample_interval is None):
            yield f"streams[{at}].period: give period or sample_interval, one of the two"
        key = "period" if stream.sample_interval is None else "sample_interval"
        yield from _short(f"streams[{at}].{key}", stream.seconds, start)
        here[stream.node].append(stream)
        yield from _over_full(f"streams[{at}]", here[stream.node], stream.node, home[stream.node])


def _rule_faults(rule: StreamRule, layers: Sequence[Layer], start: float) -> Iterator[str]:
    yield from _unknown("stream_rule.layer", rule.layer, [layer.name for layer in layers], "layer")
    layer = next(layer for layer in layers if layer.name == rule.layer)
    key = "period" if rule.trigger == "period" else "sample_interval"
    yield from _short(f"stream_rule.{key}[0]", rule.seconds[0], start)
    room = rule.per_node * len(layer.members)
    if rule.count > room:
        yield (
            f"stream_rule.count: {rule.count} streams are more than {len(layer.members)} nodes of {layer.name} take, "
            f"{rule.per_node} each; give at most {room}, or more per_node"
        )
    most = min(rule.per_node, rule.count)
    yield from _over_full("stream_rule", [rule] * most, layer.members[0], layer)


def _over_full(here: str, works: Sequence[Work], node: str, layer: Layer) -> Iterator[str]:
    cpu, memory = sum(work.cpu for work in works), sum(work.memory for work in works)
    for key, taken, has, unit in (("cpu", cpu, layer.millicores, "m"), ("memory", memory, layer.memory, "MB")):
        if taken > has * (1 + 1e-9):
            count = len(works)
            yield f"{here}.{key}: prediction jobs on {node} ({count}) take {taken:g} {unit}, it has {has:g}; give less"


def _churn_faults(churn: Churn, layers: Sequence[Layer], home: Mapping[str, Layer]) -> Iterator[str]:
    for at, rate in enumerate(churn.rates):
        yield from _unknown(f"churn.rates[{at}].layer", rate.layer, [layer.name for layer in layers], "layer")
    yield from _twice((f"churn.rates[{at}].layer", rate.layer) for at, rate in enumerate(churn.rates))
    rated = {rate.layer for rate in churn.rates}
    for at, change in enumerate(churn.changes):
        yield from _unknown(f"churn.changes[{at}].node", change.node, home)
        if home[change.node].name in rated:
            yield f"churn.changes[{at}].node: {change.node}'s layer has a rate, too; give one of the two"
    there: dict[str, bool] = {}
    for at, change in sorted(enumerate(churn.changes), key=lambda each: each[1].time):
        if there.get(change.node, True) == change.up:
            state = "in the mesh" if change.up else "away"
            yield f"churn.changes[{at}].up: {change.node} is {state} already at {change.time:g} s; leave it out"
        there[change.node] = change.up


def _short(here: str, period: float, start: float) -> Iterator[str]:
    if period <= start:
        yield f"{here}: a period of {period:g} s is no longer than the container's start of {start:g} s; give more"


def _unknown(here: str, name: str, known: Collection[str], what: str = "node") -> Iterator[str]:
    if name not in known:
        yield f"{here}: there is no {what} {name}{nearest(name, known) or f'; name one of the {what}s'}"


def _twice(named: Iterable[tuple[str, str]]) -> Iterator[str]:
    seen = set()
    for here, name in named:
        if name in seen:
            yield f"{here}: {name} is there twice; name it once"
        seen.add(name)


PAPER_B = Path(__file__).with_name("paper_b.yaml")
"""Paper B's testbed."""
WARNED_PARTS = 5
"""Cut-off parts of a mesh that get a warning of their own."""


class Testbed(Section):
    """A topology, its streams, and who comes and goes.

    What makes it or changes it raises an `InputError` that names the file and the key where its parts do not fit.

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

    def check(self, start: float = 0.0) -> Self:
        """Return the testbed itself, if its parts fit; no period may be as short as a container's `start` takes."""
        for fault in self._faults(start):
            raise InputError(f"{self._where}: {fault}")
        return self

    def _faults(self, start: float) -> Iterator[str]:
        """Yield a line on what does not fit, its key first; only the first is sound: each check trusts those before."""
        yield from _layer_faults(self.layers)
        if self.streams and self.stream_rule is not None:
            yield "stream_rule: streams are listed, too; give one of the two"
        home = {name: layer for layer in self.layers for name in layer.members}
        yield from _link_faults(self.links, home)
        yield from _stream_faults(self.streams, home, start)
        if self.stream_rule is not None:
            yield from _rule_faults(self.stream_rule, self.layers, start)
        yield from _churn_faults(self.churn, self.layers, home)

    def with_layer(self, name: str, **changes: Any) -> Self:
        """Return a testbed in which a layer has other settings."""
        at = self._layer(name)
        data = self.model_dump(mode="json")
        data["layers"][at].update(changes)
        return self._rebuild(data)

    def with_gateways(self, layer: str, count: int) -> Self:
        """Return a testbed in which a layer has so many gateways: first those that it has, then its others in order."""
        below = self.layers[self._layer(layer)]
        names = list(dict.fromkeys([*below.gateway_names, *below.members]))
        if not 0 < count <= len(names):
            raise InputError(f"{self._where}: {layer} has {len(names)} nodes; {count} of them cannot be gateways")
        return self.with_layer(layer, gateways=names[:count])

    def with_rule(self, **changes: Any) -> Self:
        """Return a testbed whose streams come by its rule with other settings."""
        if self.stream_rule is None:
            raise InputError(f"{self._where}: stream_rule: there is none to change; give one")
        return self._rebuild({**self.model_dump(mode="json"), "stream_rule": {**dict(self.stream_rule), **changes}})

    def mesh(self, rng: np.random.Generator) -> Mesh:
        """Return nodes and links; `rng` draws how nodes sway, then the places of scattered ones."""
        self.check()
        nodes = self._nodes(rng)
        number = {node.name: i for i, node in enumerate(nodes)}
        of = [at for at, layer in enumerate(self.layers) for _ in layer.members]
        named = [_named_link(link, number, self.layers, of) for link in self.links]
        taken = {frozenset((link.one, link.other)) for link in named}
        links = [link for layer in self.layers for link in _within(layer, number, rng)]
        links += [link for low, high in itertools.pairwise(self.layers) for link in _upward(low, high, number)]
        return Mesh(nodes, [link for link in links if frozenset((link.one, link.other)) not in taken] + named)

    def _nodes(self, rng: np.random.Generator) -> list[Node]:
        nodes: list[Node] = []
        for layer in self.layers:
            low, high = layer.sway_period
            sways = rng.random((len(layer.members), 2))
            periods, phases = (low + (high - low) * sways[:, 0]).tolist(), sways[:, 1].tolist()
            about = (layer.name, layer.node_class, layer.millicores, layer.memory, layer.sway)
            nodes += [Node(name, *about, *sway) for name, *sway in zip(layer.members, periods, phases, strict=True)]
        return nodes

    def jobs(self, mesh: Mesh, rng: np.random.Generator, *, streams: int | None = None) -> list[Job]:
        """Return the first so many `streams`, all if None; `rng` draws the periods of a rule, one after another."""
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
        """Return who leaves and joins before the end of the experiment, in order.

        Children of `rng`, one per node that comes and goes, draw the times: earlier ones do not depend on the end.
        """
        number = {node.name: i for i, node in enumerate(mesh.nodes)}
        changes = [Change(c.time, number[c.node], c.up) for c in self.churn.changes if c.time < seconds]
        for rate in self.churn.rates:
            members = self.layers[self._layer(rate.layer)].members
            for name, child in zip(members, rng.spawn(len(members)), strict=True):
                time, up = child.exponential(rate.stays), False
                while time < seconds:
                    changes.append(Change(time, number[name], up))
                    time += child.exponential(rate.stays if up else rate.away)
                    up = not up
        return sorted(changes, key=lambda change: change.time)

    def speeds(self) -> dict[str, float]:
        """Return how fast each node class is."""
        return {layer.node_class: layer.speed for layer in self.layers}

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
        """Return one line for each part of the mesh that is cut off from the largest, which is allowed."""
        parts = mesh.islands()[1:]
        lines = []
        for part in parts[:WARNED_PARTS]:
            names = [mesh.nodes[i].name for i in part]
            at = self._layer(mesh.nodes[part[0]].layer)
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            lines.append(f"{self._where}: layers[{at}]: {', '.join(names[:3])}{more} cannot reach most of the mesh")
        if len(parts) > WARNED_PARTS:
            lines.append(f"{self._where}: layers: {len(parts) - WARNED_PARTS} more parts of the mesh are cut off")
        return lines

    def _layer(self, name: str) -> int:
        names = [layer.name for layer in self.layers]
        if name not in names:
            raise InputError(f"{self._where}: there is no layer {name}{nearest(name, names)}")
        return names.index(name)

    def _rebuild(self, data: Mapping[str, Any]) -> Self:
        testbed = parsed(data, type(self), self._where)
        for name in self.__private_attributes__:
            setattr(testbed, name, getattr(self, name))
        return testbed.check()


def load(path: str | Path, *, start: float = 0.0) -> Testbed:
    """Read a testbed from a YAML file, such as `PAPER_B`, which shows what it may hold.

    Raises:
        InputError: The file cannot be read, is not YAML, or describes no testbed; the message names the file and key.
    """
    testbed = parsed(read_yaml(Path(path)), Testbed, str(path))
    testbed._where = str(path)
    return testbed.check(start)


@cache
def paper_b() -> Testbed:
    """Return Paper B's testbed (Table I, section VI.A)."""
    return load(PAPER_B)


def _within(layer: Layer, number: Mapping[str, int], rng: np.random.Generator) -> Iterable[Link]:
    numbers = [number[name] for name in layer.members]
    if layer.mesh == "full":
        return itertools.starmap(layer.link, itertools.combinations(numbers, 2))
    if layer.mesh == "links":
        return []
    assert layer.degree is not None
    return link_near(numbers, degree=layer.degree, latency=layer.latency, bandwidth=layer.bandwidth, rng=rng)


def _upward(low: Layer, high: Layer, number: Mapping[str, int]) -> Iterator[Link]:
    for one, other in itertools.product(low.gateway_names, high.members if low.upward == "all" else high.gateway_names):
        yield low.uplink(number[one], number[other])


def _named_link(link: NamedLink, number: Mapping[str, int], layers: Sequence[Layer], of: Sequence[int]) -> Link:
    one, other = (number[name] for name in link.between)
    low = layers[min(of[one], of[other])]
    usual = low.link(one, other) if of[one] == of[other] else low.uplink(one, other)
    return replace(usual, **link.model_dump(exclude={"between"}, exclude_none=True))


def _job(work: Work, source: int, period: float, first: float) -> Job:
    return Job(source, period, first, work.cpu, work.memory, work.training_memory, work.megabytes, work.work)
