"""What does not fit together in a testbed file, told by key."""

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from edgeresearch.emulator.parts import Churn, Layer, NamedLink, Stream, StreamRule, Work
from edgeresearch.errors import nearest

MOST_LINKS = 1_000_000
"""More are refused: they would take gigabytes."""


def fault(
    layers: Sequence[Layer],
    links: Sequence[NamedLink],
    streams: Sequence[Stream],
    rule: StreamRule | None,
    churn: Churn,
    start: float,
) -> str | None:
    """Return one line on the first fault, the dotted path of its key first; None if there is none.

    Args:
        layers: From the edge upwards.
        links: Between named nodes.
        streams: One by one.
        rule: For streams.
        churn: Who leaves and joins.
        start: t_start of a training's container, in seconds: no period may be as short.
    """
    # Each check takes for granted what those before it found in order.
    found = next(itertools.chain(_of_layers(layers), _between_layers(layers)), None)
    if found is not None:
        return found
    if streams and rule is not None:
        return "stream_rule: streams are listed, too; give one of the two"
    home = {name: layer for layer in layers for name in layer.members}
    rest = (
        _of_links(links, home),
        _of_streams(streams, home, start),
        _of_rule(rule, layers, start),
        _of_churn(churn, layers, home),
    )
    return next(itertools.chain.from_iterable(rest), None)


def _of_layers(layers: Sequence[Layer]) -> Iterator[str]:
    if not layers:
        yield "layers: there is none; give at least one"
    for at, layer in enumerate(layers):
        yield from _of_layer(f"layers[{at}]", layer)


def _of_layer(here: str, layer: Layer) -> Iterator[str]:
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


def _between_layers(layers: Sequence[Layer]) -> Iterator[str]:
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
            total += len(layer.ways) * len(above.members if layer.upward == "all" else above.ways)
        if total > MOST_LINKS:
            yield f"layers[{at}].nodes: {total:.0f} links are more than {MOST_LINKS}; set mesh: near and a degree"


def _of_links(links: Sequence[NamedLink], home: Mapping[str, Layer]) -> Iterator[str]:
    seen = set()
    for at, link in enumerate(links):
        for k, name in enumerate(link.between):
            yield from _unknown(f"links[{at}].between[{k}]", name, home)
        if link.between[0] == link.between[1]:
            yield f"links[{at}].between: {link.between[0]} is linked to itself; name two nodes"
        if frozenset(link.between) in seen:
            yield f"links[{at}].between: {' and '.join(link.between)} are linked twice; keep one of the links"
        seen.add(frozenset(link.between))


def _of_streams(streams: Sequence[Stream], home: Mapping[str, Layer], start: float) -> Iterator[str]:
    here = defaultdict[str, list[Work]](list)
    for at, stream in enumerate(streams):
        yield from _unknown(f"streams[{at}].node", stream.node, home)
        if (stream.period is None) == (stream.sample_interval is None):
            yield f"streams[{at}].period: give period or sample_interval, one of the two"
        key = "period" if stream.sample_interval is None else "sample_interval"
        yield from _short(f"streams[{at}].{key}", stream.seconds, start)
        here[stream.node].append(stream)
        yield from _over_full(f"streams[{at}]", here[stream.node], stream.node, home[stream.node])


def _of_rule(rule: StreamRule | None, layers: Sequence[Layer], start: float) -> Iterator[str]:
    if rule is None:
        return
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


def _of_churn(churn: Churn, layers: Sequence[Layer], home: Mapping[str, Layer]) -> Iterator[str]:
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
