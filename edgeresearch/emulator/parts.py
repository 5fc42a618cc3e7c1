"""The parts of a testbed file, each checked by itself: layers, links, streams, churn."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from edgeresearch.settings import Section


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
        storage: Of each, in gigabytes; only told.
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
    def ways(self) -> tuple[str, ...]:
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
        work: Factor on the part of its trainings' time that hangs on the CPU (a in eq. 1).
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
    """A node leaves or joins.

    Attributes:
        time: When, in seconds.
        node: Its name.
        up: Whether it joins.
    """

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
