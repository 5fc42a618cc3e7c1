"""Emulate a testbed of your own."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import delayed

from edgeresearch import __version__, io, parallel
from edgeresearch.emulator import city as cities
from edgeresearch.emulator import results, testbed
from edgeresearch.emulator.experiment import Setup, run, setup
from edgeresearch.emulator.network import Mesh
from edgeresearch.emulator.policies import POLICIES, Maker, maker
from edgeresearch.emulator.results import decisions, traffic
from edgeresearch.emulator.simulation import Step
from edgeresearch.emulator.testbed import PAPER_B, Testbed
from edgeresearch.emulator.workload import Job
from edgeresearch.errors import InputError
from edgeresearch.io import write_csv, write_json

WITHIN = 1.0
"""Percentage points above the lowest drop rate that still count as good enough."""


CENTRAL = "least_loaded"
"""The policy that can be had only with a centre that knows every node at every moment."""


@dataclass(frozen=True)
class Advice:
    """What is advised.

    Attributes:
        policy: Name of the policy.
        notes: One line each: where and why LOS drops, and what one more gateway gives.
        line: The advice with its numbers.
    """

    policy: str
    notes: tuple[str, ...]
    line: str


def advise(table: pd.DataFrame, drops: pd.DataFrame, gateways: pd.DataFrame, *, layers: int) -> Advice:
    """Advise the policy that sends least over the uplinks among those whose drop rate is near the lowest.

    The lowest is that of the policies that can be had: the oracle is never advised. Of policies that send as much, the
    one that drops less is advised. In a mesh of one layer, which has no uplinks, all links count.

    Args:
        table: One row per policy, LOS among them: `policy`, `drop_percent`, `mean_hops`, and per hour
            `trainings`, `uplink_megabytes`, `link_megabytes` (see `tally.by_policy`).
        drops: How often LOS dropped where and why: `node`, `reason`, `drops`; in any order.
        gateways: One row per layer that got one gateway more: `layer`, `node`, and `fewer_points`, `low`, `high`, by
            how much fewer triggers LOS drops then.
        layers: Of the mesh.
    """
    column, links = ("uplink_megabytes", "the uplinks") if layers > 1 else ("link_megabytes", "the links")
    of = table.set_index("policy")
    best = _best(of, column)
    told = [best]
    parts = [_head(best, of, column, f" over {links}")]
    if best == CENTRAL:
        told.append(_best(of.drop(index=CENTRAL), column))
        parts.append(f"it needs a centre that knows every node at every moment; without, {_head(told[1], of, column)}")
    if "los" not in told:
        told.append("los")
        parts.append(_head("los", of, column))
    others = [f"{name} {rate:.1f} %" for name, rate in of["drop_percent"].items() if name not in told]
    parts += ["dropped by the others: " + ", ".join(others)] if others else []
    if "cloud" in of.index:
        parts.append(_saved(of, column, links))
    rule = f"rule: fewest bytes over {links} at most {WITHIN:g} point above the lowest drop rate, oracle apart"
    return Advice(best, (_where(drops), *_one_more(gateways)), "; ".join([*parts, rule]))


def _best(of: pd.DataFrame, column: str) -> str:
    real = of.drop(index="oracle", errors="ignore")
    near = real[real["drop_percent"] <= real["drop_percent"].min() + WITHIN]
    return str(near.sort_values([column, "drop_percent"], kind="stable").index[0])


def _head(name: str, of: pd.DataFrame, column: str, links: str = "") -> str:
    rate, hops, sent = (float(of[key][name]) for key in ("drop_percent", "mean_hops", column))
    ran = "" if math.isnan(hops) else f", the rest ran after {hops:.1f} hops on average"
    return f"{name}: {rate:.1f} % dropped{ran}, {sent:,.1f} MB/h{links}"


def _saved(of: pd.DataFrame, column: str, links: str) -> str:
    mine, cloud = float(of[column]["los"]), float(of[column]["cloud"])
    per = [sent / ran for sent, ran in ((mine, of["trainings"]["los"]), (cloud, of["trainings"]["cloud"])) if ran]
    told = f"{mine:,.1f} against {cloud:,.1f} MB/h"
    if len(per) == 2:
        told += f", {per[0]:,.2f} against {per[1]:,.2f} MB per training that ran"
    if cloud <= 0:
        return f"los sends {'more' if mine > 0 else 'nothing'} over {links}, cloud nothing ({told})"
    change = 100 * (mine / cloud - 1)
    return f"los sends {abs(change):.0f} % {'more' if change > 0 else 'less'} over {links} than cloud ({told})"


def _where(drops: pd.DataFrame) -> str:
    total = int(drops["drops"].sum())
    if not total:
        return "los drops nothing"
    places, reasons = (drops.groupby(key, observed=True)["drops"].sum() for key in ("node", "reason"))
    return (
        f"los drops most at {places.idxmax()} ({100 * places.max() / total:.0f} % of its drops), "
        f"mostly as: {reasons.idxmax()} ({100 * reasons.max() / total:.0f} %)"
    )


def _one_more(gateways: pd.DataFrame) -> list[str]:
    said = []
    for row in gateways.to_dict("records"):
        points, low, high = row["fewer_points"], row["low"], row["high"]
        told = f"los drops {abs(points):.1f} points {'more' if points < 0 else 'fewer'}"
        if math.isnan(low):
            told += " (one repeat, so how sure is not known)"
        else:
            clear = "" if low > 0 or high < 0 else "no clear change, "
            told += f" ({clear}95 %: {low:.1f} to {high:.1f} fewer)"
        said.append(f"{row['node']} as one more gateway of {row['layer']}: {told}")
    return said


READS: Mapping[str, int] = {"least_loaded": 3_000_000, "oracle": 3_000_000}
"""States of nodes that a policy may read in all runs together if it is not asked for: about a minute of one core with
Paper B's 15 nodes, less with more."""
MOST = 10_000_000
"""Triggers in all runs together; more are refused: they would take gigabytes."""
FEW = 5_000
"""Triggers in all runs together that are not worth more than one process."""
CLOUD = "cloud"
"""A policy, and the layer that it needs."""


@dataclass(frozen=True)
class Report:
    """What the runs showed.

    Attributes:
        testbed: Topology and streams.
        mesh: Its nodes and links in the first repeat.
        jobs: Its streams in the first repeat.
        table: One row per policy (see `tally.by_policy`).
        drops: How many were dropped where and why, by policy (see `tally.drops`).
        nodes: What each node did, by `policy`, means over the repeats (see `tally.by_node`).
        gateways: LOS with one more gateway, one row per layer that is not the topmost (see `tally.gateways`).
        triggers: One row per trigger, as `scheduling` returns them.
        advice: What is advised.
        said: One line for each thing that the user may not expect.
        facts: What is written to `report.json`.
    """

    testbed: Testbed
    mesh: Mesh
    jobs: Sequence[Job]
    table: pd.DataFrame
    drops: pd.DataFrame
    nodes: pd.DataFrame
    gateways: pd.DataFrame
    triggers: pd.DataFrame
    advice: Advice
    said: tuple[str, ...]
    facts: Mapping[str, Any]


Draw = Callable[[Report, Path], object]
"""Draws a report into a folder."""


@dataclass(frozen=True)
class _Plan:
    """What is the same for every run."""

    streams: int
    hours: float
    seed: int
    trace: bool


class _Cell(NamedTuple):
    """One run: a policy on a testbed, as it is or with one more gateway of a layer."""

    setup: Setup
    name: str
    policy: str | Maker
    repeat: int
    layer: str = ""


class _Found(NamedTuple):
    """What a run gave."""

    triggers: pd.DataFrame
    sent: dict[str, Any]
    nodes: pd.DataFrame
    lines: list[str]


def _quiet(_: str) -> None:
    pass


def los_file(
    path: str | Path | None,
    out: str | Path,
    *,
    section: Mapping[str, Any],
    policies: Sequence[str] | None = None,
    makers: Sequence[Maker] = (),
    streams: int | None = None,
    nodes: int | None = None,
    hours: float = 4.0,
    repeats: int = 5,
    interval: float | None = None,
    seed: int = 0,
    workers: int = 1,
    trace: bool = False,
    draw: Draw | None = None,
    tell: Callable[[str], None] = _quiet,
    warn: Callable[[str], None] = _quiet,
) -> Report:
    """Run LOS and other policies on a testbed, and advise one.

    A repeat has its own noise, periods and places, the same for every policy. `out` gets `table.csv`, `drops.csv`,
    `nodes.csv`, `gateways.csv`, `report.json`, `decisions.jsonl` if it is asked for, and what `draw` adds, all or
    nothing.

    Args:
        path: A testbed as YAML, or `city`; Paper B's if None.
        out: Folder of the results; made where missing, files of the same names are replaced.
        section: Section `los` of the settings as plain values: truth, rules, limits, fitting, interval, loss;
            of a city also `city`.
        policies: Names in `POLICIES`; LOS is added. If None, all that fit the testbed and are quick on it.
        makers: What makes policies of one's own, which are run, too, under their `name`.
        streams: How many; as many as the testbed says if None.
        nodes: Of a city, in all layers together; as the section says if None.
        hours: Virtual time of each run.
        repeats: Of each policy.
        interval: Time between two exchanges of availability, in seconds; that of the section if None.
        seed: Root of everything random.
        workers: Processes; results do not depend on them.
        trace: Whether every decision of the first repeat is written (see `decisions`).
        draw: Draws the report into the folder.
        tell: Receives a line before each run.
        warn: Receives a line for each part of the mesh that is cut off, and one if a city stands nowhere in truth.

    Raises:
        InputError: The testbed, a setting or the folder is not usable; the message says why.
    """
    _check(streams, hours, repeats, interval, seed)
    io.check(out)
    if interval is not None:
        section = {**section, "interval": interval}
    base = _setup(path, section, streams, nodes, seed)
    for name in policies or ():
        maker(name)  # refuses unknown ones
    mesh, jobs = _first(base, seed, streams)
    for line in base.testbed.warnings(mesh):
        warn(line)
    said = [_size(mesh, base.testbed, jobs)]
    if isinstance(base.testbed, cities.City):
        where = base.testbed.plan.places
        said.append(f"places: {where.said}")
        if not where.real:
            warn(f"no node stands there in truth: {where.said}")
    triggers = repeats * hours * sum(3600 / job.period for job in jobs)
    own = {make(base.rules, base.limits, base.fitting).name: make for make in makers}
    names = _names(policies, list(own), base.testbed, triggers, triggers * len(mesh.nodes), said)
    more = _more(base)
    cells = [_Cell(base, name, own.get(name, name), repeat) for name in names for repeat in range(repeats)]
    cells += [_Cell(other, "los", "los", repeat, layer) for layer, other in more.items() for repeat in range(repeats)]
    done = _done(cells, _Plan(len(jobs), hours, seed, trace), workers if triggers * len(names) > FEW else 1, tell)
    facts = {
        **{"testbed": "Paper B" if path is None else str(path), "streams": len(jobs), "nodes": len(mesh.nodes)},
        **{"policies": names, "hours": hours, "repeats": repeats, "seed": seed, "within": WITHIN},
        **{"settings": {key: section[key] for key in ("interval", "loss", "truth", "rules", "limits", "fitting")}},
    }
    report = _report(base.testbed, mesh, jobs, list(zip(cells, done, strict=True)), more, said, facts)
    write(report, Path(out), draw, [line for found in done for line in found.lines] if trace else None)
    return report


def write(report: Report, out: Path, draw: Draw | None = None, lines: Sequence[str] | None = None) -> None:
    """Write the tables, `report.json`, the lines of `decisions.jsonl` if any, and what `draw` adds, all or nothing.

    Raises:
        InputError: The folder cannot be written.
    """
    facts = {**report.facts, "edgeresearch": __version__, "said": list(report.said), "advice": report.advice.line}
    with io.gathered(out) as folder:
        for name in ("table", "drops", "nodes", "gateways"):
            write_csv(getattr(report, name), folder / f"{name}.csv")
        write_json(facts, folder / "report.json")
        if lines is not None:
            (folder / "decisions.jsonl").write_text("".join(lines), encoding="utf-8")
        if draw is not None:
            draw(report, folder)


def _check(streams: int | None, hours: float, repeats: int, interval: float | None, seed: int) -> None:
    for what, number, least in (("streams", streams, 1), ("repeats", repeats, 1), ("seed", seed, 0)):
        if number is not None and number < least:
            raise InputError(f"{what} {number} is below {least}; use {least} or more")
    if not 0 < hours < math.inf:
        raise InputError(f"hours {hours:g} is no time to run; give a number above 0")
    if interval is not None and not 0 <= interval < math.inf:
        raise InputError(f"interval {interval:g} is no time; give seconds, or 0 for states that are always fresh")


def _setup(
    path: str | Path | None, section: Mapping[str, Any], streams: int | None, nodes: int | None, seed: int
) -> Setup:
    place = PAPER_B if path is None else Path(path)
    if str(place) == cities.NAME:
        found: Testbed = cities.selected(section["city"], nodes=nodes, seed=seed)
    elif nodes is not None:
        raise InputError(f"nodes {nodes} is the size of a city; {place} has its own; give it with the testbed city")
    else:
        found = testbed.load(place, start=section["truth"]["start"])
    if found.stream_rule is None and not found.streams:
        raise InputError(f"{place}: streams: there is none; list streams or give a stream_rule")
    if streams is not None and found.stream_rule is not None:
        found = found.with_rule(count=streams)
    return setup(section, found)


def _root(seed: int, streams: int, repeat: int) -> np.random.SeedSequence:
    """Return what `scheduling` takes, too: its results are the same."""
    return np.random.SeedSequence([seed, streams, repeat])


def _first(base: Setup, seed: int, streams: int | None) -> tuple[Mesh, list[Job]]:
    """Return mesh and streams of the first repeat, as `run` draws them."""
    rule = base.testbed.stream_rule
    count = streams or (len(base.testbed.streams) if rule is None else rule.count)
    places, periods = _root(seed, count, 0).spawn(2)
    mesh = base.testbed.mesh(np.random.default_rng(places))
    return mesh, base.testbed.jobs(mesh, np.random.default_rng(periods), streams=streams)


def _size(mesh: Mesh, own: Testbed, jobs: Sequence[Job]) -> str:
    layers = ", ".join(f"{len(layer.members)} {layer.name}" for layer in own.layers)
    sources = len({job.source for job in jobs})
    told = f"{len(jobs)} {'stream' if len(jobs) == 1 else 'streams'} on {sources} of the nodes"
    return f"testbed: {len(mesh.nodes)} nodes ({layers}), {len(mesh.links)} links, {told}"


def _names(
    policies: Sequence[str] | None, made: Sequence[str], own: Testbed, triggers: float, reads: float, said: list[str]
) -> list[str]:
    """Return the policies that are run: LOS and those asked for, or all that fit, and those of one's own."""
    known = [name for name in made if name in POLICIES]
    if known:
        raise InputError(f"a policy of your own is called {known[0]}, as another one is; give it another name")
    layers = [layer.name for layer in own.layers]
    names = list(dict.fromkeys(["los", *(POLICIES if policies is None else policies)]))
    if CLOUD in names and CLOUD not in layers:
        if policies is not None:
            raise InputError(f"policy cloud needs a layer named cloud; the testbed has {', '.join(layers)}")
        names.remove(CLOUD)
        said.append(f"cloud: left out, as no layer has that name (layers: {', '.join(layers)})")
    for name, most in READS.items() if policies is None else ():
        if reads > most:
            names.remove(name)
            said.append(f"{name}: left out, as it would read {reads:,.0f} states of nodes; name it as policy to run it")
    names += made
    if triggers * len(names) > MOST:
        raise InputError(
            f"{len(names)} policies would meet {triggers * len(names):,.0f} triggers in all, more than {MOST:,}; "
            "give fewer hours, repeats or policies"
        )
    return names


def _more(base: Setup) -> dict[str, Setup]:
    """Return setups with one more gateway of a layer, for each that has a layer above and a node to spare."""
    return {
        layer.name: replace(base, testbed=base.testbed.with_gateways(layer.name, len(layer.ways) + 1))
        for layer in base.testbed.layers[:-1]
        if len(layer.ways) < len(layer.members)
    }


def _done(cells: Sequence[_Cell], plan: _Plan, workers: int, tell: Callable[[str], None]) -> list[_Found]:
    work = parallel.iterate((delayed(_run)(cell, plan) for cell in cells), workers)
    found = []
    for at, cell in enumerate(cells):
        what = f" with one more gateway of {cell.layer}" if cell.layer else ""
        tell(f"run {at + 1} of {len(cells)}: {cell.name}{what}, repeat {cell.repeat + 1}")
        found.append(next(work))
    return found


def _run(cell: _Cell, plan: _Plan) -> _Found:
    paths: dict[tuple[float, int], results.Path] = {}
    steps: list[Step] = []
    trace = plan.trace and not cell.repeat and not cell.layer

    def watch(step: Step) -> None:
        paths[step.time, step.request.job] = (*step.request.tried, step.node)
        if trace:
            steps.append(step)

    root, interval = _root(plan.seed, plan.streams, cell.repeat), cell.setup.interval
    outcome = run(cell.setup, policy=cell.policy, hours=plan.hours, seed=root, streams=plan.streams, watch=watch)
    triggers = outcome.triggers().assign(streams=plan.streams, policy=cell.name, repeat=cell.repeat)
    sent = traffic(outcome, interval=interval)
    over = results.sent(outcome, paths, interval=interval)
    lines = decisions(cell.name, outcome.mesh, triggers, steps) if trace else ()
    return _Found(
        triggers,
        {"policy": cell.name, **sent, **over},
        results.by_node(outcome).assign(policy=cell.name),
        [json.dumps(line, ensure_ascii=False) + "\n" for line in lines],
    )


def _report(
    own: Testbed,
    mesh: Mesh,
    jobs: Sequence[Job],
    done: Sequence[tuple[_Cell, _Found]],
    more: Mapping[str, Setup],
    said: Sequence[str],
    facts: Mapping[str, Any],
) -> Report:
    base = [found for cell, found in done if not cell.layer]
    if not any(len(found.triggers) for found in base):
        raise InputError(f"no stream triggers a training within {facts['hours']:g} h; give more hours")
    triggers = _joined(base)
    table = results.by_policy(triggers, pd.DataFrame([found.sent for found in base]), hours=facts["hours"])
    drops = results.drops(triggers, mesh)
    changed = []
    for at, layer in enumerate(own.layers):
        if layer.name in more:
            way = more[layer.name].testbed.layers[at].ways[-1]
            changed.append((layer.name, way, _joined([found for cell, found in done if cell.layer == layer.name])))
    gateways = results.gateways(triggers[triggers["policy"] == "los"], changed)
    nodes = pd.concat([found.nodes for found in base]).groupby(["policy", "node", "layer"], sort=False)
    means = nodes[["trainings", "cpu_percent"]].mean().reset_index()
    advice = advise(table, drops[drops["policy"] == "los"], gateways, layers=len(own.layers))
    return Report(own, mesh, jobs, table, drops, means, gateways, triggers, advice, tuple(said), facts)


def _joined(done: Sequence[_Found]) -> pd.DataFrame:
    return pd.concat([found.triggers for found in done if len(found.triggers)], ignore_index=True)
