"""Emulate a testbed: policies side by side on the same streams, and which of them to take (Paper B, section VI.C)."""

import itertools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import delayed

from edgeresearch import parallel
from edgeresearch.emulator import results
from edgeresearch.emulator.city import City, load_testbed
from edgeresearch.emulator.network import Job, Mesh
from edgeresearch.emulator.policies import POLICIES, Cloud, SchedulingPolicy, make_policy, policy_name
from edgeresearch.emulator.settings import CitySettings, EmulatorSettings, TrainingCost
from edgeresearch.emulator.simulation import Record, TrainingTimes, run_events, spawn_seeds
from edgeresearch.emulator.testbed import PAPER_B, Testbed
from edgeresearch.errors import InputError
from edgeresearch.io import readable
from edgeresearch.result import Result
from edgeresearch.scheduling.settings import Fitting, Limits, Rules
from edgeresearch.settings import as_list, check_seed, check_whole, plain


@dataclass(frozen=True)
class Scenario:
    """What is the same for every policy, number of streams and repeat.

    The testbed is a topology with its streams; all else is as in `EmulatorSettings`, the study's by default.
    """

    testbed: Testbed
    interval: float = EmulatorSettings().interval
    loss: float = EmulatorSettings().loss
    training_cost: TrainingCost = TrainingCost()
    rules: Rules = Rules()
    limits: Limits = Limits()
    fitting: Fitting = Fitting()

    @classmethod
    def of(cls, settings: EmulatorSettings, testbed: Testbed | None = None, *, seed: int = 0) -> "Scenario":
        """Return the scenario of settings, on the testbed that they name or on another one."""
        if testbed is None:
            start = settings.training_cost.start
            testbed = load_testbed(settings.testbed, settings.city, start=start, seed=seed)
        own = ("interval", "loss", "training_cost", "rules", "limits", "fitting")
        return cls(testbed, **{name: getattr(settings, name) for name in own})

    def policy(self, policy: str | SchedulingPolicy) -> SchedulingPolicy:
        """Return a policy for one run (see `make_policy`); one that is named gets the scenario's settings."""
        return make_policy(policy, self.rules, self.limits, self.fitting)

    def times(self) -> TrainingTimes:
        """Return how long trainings really take on the testbed's node classes."""
        return TrainingTimes.of(self.training_cost, self.testbed.speeds())


def simulate(
    scenario: Scenario,
    policy: str | SchedulingPolicy,
    *,
    hours: float,
    seed: np.random.SeedSequence,
    streams: int | None = None,
    record: Record = "triggers",
) -> results.Outcome:
    """Run one policy once.

    Args:
        scenario: What is the same for all.
        policy: One of `POLICIES` by name, or an object, of which this run gets a copy.
        hours: Virtual time.
        seed: Root of all randomness: the same one, which is left as it is, gives every policy the same mesh, streams
            and noise.
        streams: How many; as the testbed says if None.
        record: What is kept beside one entry per trigger: the `paths` of requests, or all `decisions`, too.

    Raises:
        InputError: The policy is unknown, or the streams do not fit the testbed.
    """
    _, _, going, chance = spawn_seeds(seed, 4)
    mesh, jobs = _draw(scenario.testbed, seed, streams)
    changes = scenario.testbed.changes(mesh, np.random.default_rng(going), seconds=3600 * hours)
    return run_events(
        mesh, jobs, scenario.policy(policy), scenario.times(), seconds=3600 * hours, interval=scenario.interval,
        seed=chance, loss=scenario.loss, changes=changes, record=record,
    )  # fmt: skip


def _draw(testbed: Testbed, seed: np.random.SeedSequence, streams: int | None) -> tuple[Mesh, list[Job]]:
    places, triggers = (np.random.default_rng(child) for child in spawn_seeds(seed, 2))
    mesh = testbed.mesh(places)
    return mesh, testbed.jobs(mesh, triggers, streams=streams)


def run_seed(seed: int, streams: int, repeat: int) -> np.random.SeedSequence:
    """Return the root of everything random in one repeat: the same for every policy."""
    return np.random.SeedSequence([seed, streams, repeat])


def compare_policies(
    scenario: Scenario,
    *,
    streams: Sequence[int],
    policies: Sequence[str | SchedulingPolicy],
    repeats: int,
    hours: float,
    seed: int,
    workers: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run every number of streams with every policy, again and again.

    Args:
        scenario: What is the same for all.
        streams: Numbers of streams.
        policies: See `simulate`; one of your own is called by its `name`.
        repeats: How often; a repeat has its own mesh, streams and noise, the same for all policies.
        hours: Virtual time of each run.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.

    Returns:
        One row per trigger, and one row per run with its traffic; both with `streams`, `policy`, `repeat`.
    """
    cells = itertools.product(streams, policies, range(repeats))
    runs = [_Run(scenario, policy, count, repeat) for count, policy, repeat in cells]
    done = parallel.run((delayed(_run)(run, hours, seed) for run in runs), workers)
    return pd.concat([record.triggers for record in done], ignore_index=True), pd.DataFrame([r.sent for r in done])


class _Run(NamedTuple):
    """One repeat of a policy on a testbed, as it is or with one more gateway of a layer."""

    scenario: Scenario
    policy: str | SchedulingPolicy
    streams: int
    repeat: int
    layer: str = ""
    record: Record = "triggers"


class _Record(NamedTuple):
    """What a run gave; traffic over links and what nodes did are there only if its paths were recorded."""

    layer: str
    triggers: pd.DataFrame
    sent: dict[str, Any]
    nodes: pd.DataFrame
    decisions: list[str]


def _run(run: _Run, hours: float, seed: int) -> _Record:
    root = run_seed(seed, run.streams, run.repeat)
    outcome = simulate(run.scenario, run.policy, hours=hours, seed=root, streams=run.streams, record=run.record)
    about: dict[str, Any] = {"streams": run.streams, "policy": outcome.name, "repeat": run.repeat}
    sent, nodes, decisions = {**about, **results.traffic(outcome)}, pd.DataFrame(), list[str]()
    if run.record != "triggers":
        sent |= results.link_traffic(outcome)
        nodes = results.by_node(outcome).assign(policy=outcome.name)
    if run.record == "decisions":
        lines = results.decision_records(outcome.name, outcome)
        decisions = [json.dumps(line, ensure_ascii=False) + "\n" for line in lines]
    return _Record(run.layer, outcome.triggers().assign(**about), sent, nodes, decisions)


WITHIN = 1.0
"""Percentage points above the lowest drop rate that still count as good enough."""
CENTRAL = "least_loaded"
"""The policy that needs a centre which knows every node at every moment."""
READS = 3_000_000
"""States of nodes that a policy with global knowledge may read in all runs together if it is not asked for by name:
about a minute of one core with Paper B's 15 nodes, less with more."""
MOST = 10_000_000
"""Triggers in all runs together; more are refused: they would take gigabytes."""
FEW = 5_000
"""Triggers in all runs together that are not worth more than one process."""


@dataclass(frozen=True, repr=False)
class Emulation(Result):
    """Policies on a testbed.

    Attributes:
        table: One row per policy: `policy`; `triggers` of all repeats; `drop_percent` of them with its 95 % interval
            `low`, `high`; `lost_percent`, whose node left; of those that ran, `late_percent`, complete after their
            period, `mean_hops`, and `local_percent`, run at their source; per hour, `trainings` that ran,
            `uplink_megabytes` between layers, `link_megabytes` in all, and `messages` that a node sends.
        notes: One line each: the testbed, what was left out, what to know, where and why LOS drops, what one more
            gateway gives.
        facts: Settings, numbers of nodes, streams and repeats, the advice.
        advice: Which policy to take, with its numbers.
        advised: Name of that policy.
        testbed: Topology and streams.
        mesh: Its nodes and links in the first repeat.
        jobs: Its streams in the first repeat.
        drops: How many were dropped where and why, by policy (see `results.drops_by_node`).
        nodes: What each node did, by `policy`, means over the repeats (see `results.by_node`).
        gateways: LOS with one more gateway, one row per layer but the topmost (see `results.gateway_gains`).
        triggers: One row per trigger, as `compare_policies` returns them.
        decisions: Every decision of the first repeat (see `results.decision_records`) as lines of JSON, if asked for.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]
    facts: Mapping[str, Any]
    advice: str
    advised: str
    testbed: Testbed
    mesh: Mesh
    jobs: Sequence[Job]
    drops: pd.DataFrame
    nodes: pd.DataFrame
    gateways: pd.DataFrame
    triggers: pd.DataFrame
    decisions: Sequence[str] | None = None

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables by the names of their files: `table`, `drops`, `nodes`, `gateways`."""
        return {name: getattr(self, name) for name in ("table", "drops", "nodes", "gateways")}

    def _save_more(self, folder: Path) -> None:
        if self.decisions is not None:
            (folder / "decisions.jsonl").write_text("".join(self.decisions), encoding="utf-8")


def emulate(
    testbed: str | Path | Testbed = "paper_b",
    policies: str | SchedulingPolicy | Iterable[str | SchedulingPolicy] | None = None,
    *,
    streams: int | None = None,
    nodes: int | None = None,
    hours: float = 4.0,
    repeats: int = 5,
    interval: float = EmulatorSettings().interval,
    loss: float = EmulatorSettings().loss,
    training_cost: TrainingCost | Mapping[str, Any] | None = None,
    rules: Rules | Mapping[str, Any] | None = None,
    limits: Limits | Mapping[str, Any] | None = None,
    fitting: Fitting | Mapping[str, Any] | None = None,
    city: CitySettings | Mapping[str, Any] | None = None,
    seed: int = 0,
    trace: bool = False,
    workers: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Emulation:
    """Run LOS and other policies on a testbed in virtual time, and advise one.

    A repeat has its own noise, periods and places, the same for every policy. Every default but `repeats`, of which the
    study has 20, is that of the study.

    Args:
        testbed: `paper_b`, `city`, a YAML file, or a testbed.
        policies: One or several of `los`, `in_situ`, `random`, `cloud`, `least_loaded` and `oracle`, or objects (see
            `SchedulingPolicy`); LOS is added. If None, all that fit the testbed and are quick on it.
        streams: How many; as many as the testbed says if None.
        nodes: Of a city, in all layers together; as `city` says if None.
        hours: Virtual time of each run.
        repeats: Of each policy.
        interval: Time between two exchanges of availability, in seconds; 0 for states that are always fresh.
        loss: Share of exchanges that get lost.
        training_cost: How long trainings really take; settings or a mapping of their keys, as are the next ones; the
            study's if None.
        rules: Where Algorithm 1 leaves a choice, for the policies that are named.
        limits: How CPU limits are set, likewise.
        fitting: When eq. 1 is fitted, likewise.
        city: Settings of the testbed `city`.
        seed: Root of everything random.
        trace: Whether every decision of the first repeat is kept.
        workers: Processes, at most; all cores if None. Results do not depend on them.
        progress: Receives a line before each run.

    Raises:
        InputError: The testbed or a setting is not usable; the message says why.
    """
    check_whole(streams=streams, nodes=nodes, repeats=repeats)
    streams, nodes, hours, repeats = map(plain, (streams, nodes, hours, repeats))
    seed = check_seed(seed)
    _check(streams, hours, repeats)
    given = EmulatorSettings(
        interval=interval, loss=loss, training_cost=TrainingCost.of(training_cost), rules=Rules.of(rules),
        limits=Limits.of(limits), fitting=Fitting.of(fitting), city=CitySettings.of(city),
    )  # fmt: skip
    place = _testbed(testbed, given.city, nodes, given.training_cost.start, seed)
    base = Scenario.of(given, place)
    asked = None if policies is None else as_list(policies)
    for policy in asked or ():
        base.policy(policy)  # refuses unknown names
    rule = place.stream_rule
    count = streams or (len(place.streams) if rule is None else rule.count)
    mesh, jobs = _draw(place, run_seed(seed, count, 0), streams)
    notes = [*place.warnings(mesh), _size(mesh, place, jobs)]
    if isinstance(place, City):
        where = place.plan.places
        notes.append(f"places: {where.source}" + ("" if where.real else "; no node really stands there"))
    triggers = repeats * hours * sum(3600 / job.period for job in jobs)
    chosen = _choose(asked, place, triggers, triggers * len(mesh.nodes), notes)
    more = _more_gateways(place)
    each = range(repeats)
    kept: list[Record] = ["decisions" if trace and not repeat else "paths" for repeat in each]
    runs = [_Run(base, policy, len(jobs), at, "", kept[at]) for policy in chosen.values() for at in each]
    wider = {layer: replace(base, testbed=other) for layer, other in more.items()}
    runs += [_Run(scenario, "los", len(jobs), at, layer) for layer, scenario in wider.items() for at in each]
    workers = 1 if triggers * len(chosen) <= FEW else workers or parallel.cores()
    done = parallel.iterate((delayed(_run)(run, hours, seed) for run in runs), workers)
    records = []
    for at, run in enumerate(runs, start=1):
        if progress is not None:
            name = run.policy if isinstance(run.policy, str) else policy_name(run.policy)
            what = f" with one more gateway of {run.layer}" if run.layer else ""
            progress(f"run {at} of {len(runs)}: {name}{what}, repeat {run.repeat + 1}")
        records.append(next(done))
    facts = {
        **{"testbed": _name(testbed), "streams": len(jobs), "nodes": len(mesh.nodes), "policies": list(chosen)},
        **{"hours": hours, "repeats": repeats, "seed": seed, "within": WITHIN},
        "settings": given.model_dump(mode="json", exclude={"testbed", "city"}, serialize_as_any=True),
    }
    return _assemble(place, mesh, jobs, records, more, notes, facts)


def _check(streams: int | None, hours: float, repeats: int) -> None:
    for what, number in (("streams", streams), ("repeats", repeats)):
        if number is not None and number < 1:
            raise InputError(f"{what} {number} is below 1; use 1 or more")
    if not isinstance(hours, Real) or not 0 < hours < math.inf:
        raise InputError(f"hours is {hours!r}; give a number above 0")


def _name(testbed: str | Path | Testbed) -> str:
    if isinstance(testbed, Testbed):
        return "a testbed"
    return "Paper B" if str(testbed) == PAPER_B.stem else readable(testbed)


def _testbed(testbed: str | Path | Testbed, city: CitySettings, nodes: int | None, start: float, seed: int) -> Testbed:
    if nodes is not None and str(testbed) != "city":
        name = _name(testbed)
        raise InputError(f"nodes {nodes} is the size of a city; {name} has its own; give it with the testbed city")
    if not isinstance(testbed, str | Path | Testbed):
        raise InputError(f"{testbed!r} is no testbed; give {PAPER_B.stem}, city, a YAML file or a Testbed")
    if isinstance(testbed, Testbed):
        place = testbed.check(start)
    else:
        place = load_testbed(testbed, city if nodes is None else city.replace(nodes=nodes), start=start, seed=seed)
    if place.stream_rule is None and not place.streams:
        raise InputError(f"{_name(testbed)}: streams: there is none; list streams or give a stream_rule")
    return place


def _size(mesh: Mesh, testbed: Testbed, jobs: Sequence[Job]) -> str:
    layers = ", ".join(f"{len(layer.members)} {layer.name}" for layer in testbed.layers)
    sources = len({job.source for job in jobs})
    streams = f"{len(jobs)} {'stream' if len(jobs) == 1 else 'streams'} on {sources} of the nodes"
    return f"testbed: {len(mesh.nodes)} nodes ({layers}), {len(mesh.links)} links, {streams}"


def _choose(
    policies: Sequence[str | SchedulingPolicy] | None, testbed: Testbed, triggers: float, reads: float, notes: list[str]
) -> dict[str, str | SchedulingPolicy]:
    """Return the policies that are run by what they are called: LOS and those asked for, or all that fit."""
    chosen: dict[str, str | SchedulingPolicy] = {"los": "los"}
    for policy in POLICIES if policies is None else policies:
        name = policy if isinstance(policy, str) else policy_name(policy)
        if not isinstance(policy, str) and name in {*POLICIES, *chosen}:
            raise InputError(f"a policy of your own is called {name}, as another one is; give it another name")
        chosen[name] = policy
    layers = [layer.name for layer in testbed.layers]
    if Cloud.name in chosen and Cloud.layer not in layers:
        if policies is not None:
            needs = f"policy {Cloud.name} needs a layer named {Cloud.layer}"
            raise InputError(f"{needs}; the testbed has {', '.join(layers)}")
        del chosen[Cloud.name]
        notes.append(f"{Cloud.name}: left out, as no layer has that name (layers: {', '.join(layers)})")
    for name in (CENTRAL, "oracle") if policies is None and reads > READS else ():
        del chosen[name]
        notes.append(f"{name}: left out, as it would read {reads:,.0f} states of nodes; name it as policy to run it")
    if triggers * len(chosen) > MOST:
        raise InputError(
            f"{len(chosen)} policies would meet {triggers * len(chosen):,.0f} triggers in all, more than {MOST:,}; "
            "give fewer hours, repeats or policies"
        )
    return chosen


def _more_gateways(testbed: Testbed) -> dict[str, Testbed]:
    """Return testbeds with one more gateway of a layer, for each that has a layer above and a node to spare."""
    return {
        layer.name: testbed.with_gateways(layer.name, len(layer.gateway_names) + 1)
        for layer in testbed.layers[:-1]
        if len(layer.gateway_names) < len(layer.members)
    }


def _assemble(
    testbed: Testbed,
    mesh: Mesh,
    jobs: Sequence[Job],
    done: Sequence[_Record],
    more: Mapping[str, Testbed],
    notes: Sequence[str],
    facts: Mapping[str, Any],
) -> Emulation:
    base = [record for record in done if not record.layer]
    if not any(len(record.triggers) for record in base):
        raise InputError(f"no stream triggers a training within {facts['hours']:g} h; give more hours")
    triggers = _concat(base)
    table = results.by_policy(triggers, pd.DataFrame([record.sent for record in base]), hours=facts["hours"])
    drops = results.drops_by_node(triggers, mesh)
    changed = [
        (layer.name, layer.gateway_names[-1], _concat([record for record in done if record.layer == name]))
        for name, other in more.items()
        for layer in other.layers
        if layer.name == name
    ]
    gateways = results.gateway_gains(triggers[triggers["policy"] == "los"], changed)
    nodes = pd.concat([record.nodes for record in base]).groupby(["policy", "node", "layer"], sort=False)
    means = nodes[["trainings", "cpu_percent"]].mean().reset_index()
    advised, advice = advise(table, layers=len(testbed.layers))
    notes = (*notes, _where_dropped(drops[drops["policy"] == "los"]), *_gateway_notes(gateways))
    facts = {**facts, "advice": advice}
    lines = [line for record in base for line in record.decisions] or None
    rest = drops, means, gateways, triggers, lines
    return Emulation(table, notes, facts, advice, advised, testbed, mesh, jobs, *rest)


def _concat(records: Sequence[_Record]) -> pd.DataFrame:
    return pd.concat([record.triggers for record in records if len(record.triggers)], ignore_index=True)


def advise(table: pd.DataFrame, *, layers: int) -> tuple[str, str]:
    """Advise the policy that sends least over the uplinks among those whose drop rate is near the lowest.

    The lowest is that of the policies that can be had: the oracle is never advised. Of policies that send as much, the
    one that drops less is advised. In a mesh of one layer, which has no uplinks, all links count.

    Args:
        table: One row per policy, LOS among them, as `results.by_policy` returns them.
        layers: Of the mesh.

    Returns:
        Name of the policy, and the advice with its numbers.
    """
    column, links = ("uplink_megabytes", "the uplinks") if layers > 1 else ("link_megabytes", "the links")
    of = table.set_index("policy")
    best = _best(of, column)
    named = [best]
    parts = [_about(best, of, column, f" over {links}")]
    if best == CENTRAL:
        named.append(_best(of.drop(index=CENTRAL), column))
        parts.append(
            f"it needs a centre that knows every node at every moment; without, {_about(named[1], of, column)}"
        )
    if "los" not in named:
        named.append("los")
        parts.append(_about("los", of, column))
    others = [f"{name} {rate:.1f} %" for name, rate in of["drop_percent"].items() if name not in named]
    parts += ["dropped by the others: " + ", ".join(others)] if others else []
    if Cloud.name in of.index:
        parts.append(_saved(of, column, links))
    rule = f"rule: fewest bytes over {links} at most {WITHIN:g} point above the lowest drop rate, oracle apart"
    return best, "; ".join([*parts, rule])


def _best(of: pd.DataFrame, column: str) -> str:
    real = of.drop(index="oracle", errors="ignore")
    near = real[real["drop_percent"] <= real["drop_percent"].min() + WITHIN]
    return str(near.sort_values([column, "drop_percent"], kind="stable").index[0])


def _about(name: str, of: pd.DataFrame, column: str, links: str = "") -> str:
    rate, hops, sent = (float(of[key][name]) for key in ("drop_percent", "mean_hops", column))
    ran = "" if math.isnan(hops) else f", the rest ran after {hops:.1f} hops on average"
    return f"{name}: {rate:.1f} % dropped{ran}, {sent:,.1f} MB/h{links}"


def _saved(of: pd.DataFrame, column: str, links: str) -> str:
    mine, cloud = float(of[column]["los"]), float(of[column][Cloud.name])
    per = [sent / ran for sent, ran in ((mine, of["trainings"]["los"]), (cloud, of["trainings"][Cloud.name])) if ran]
    numbers = f"{mine:,.1f} against {cloud:,.1f} MB/h"
    if len(per) == 2:
        numbers += f", {per[0]:,.2f} against {per[1]:,.2f} MB per training that ran"
    if cloud <= 0:
        return f"los sends {'more' if mine > 0 else 'nothing'} over {links}, cloud nothing ({numbers})"
    change = 100 * (mine / cloud - 1)
    return f"los sends {abs(change):.0f} % {'more' if change > 0 else 'less'} over {links} than cloud ({numbers})"


def _where_dropped(drops: pd.DataFrame) -> str:
    total = int(drops["drops"].sum())
    if not total:
        return "los drops nothing"
    places, reasons = (drops.groupby(key, observed=True)["drops"].sum() for key in ("node", "reason"))
    return (
        f"los drops most at {places.idxmax()} ({100 * places.max() / total:.0f} % of its drops), "
        f"mostly as: {reasons.idxmax()} ({100 * reasons.max() / total:.0f} %)"
    )


def _gateway_notes(gateways: pd.DataFrame) -> list[str]:
    notes = []
    for row in gateways.to_dict("records"):
        points, low, high = row["fewer_points"], row["low"], row["high"]
        gain = f"los drops {abs(points):.1f} points {'more' if points < 0 else 'fewer'}"
        if math.isnan(low):
            gain += " (one repeat, so no interval)"
        else:
            clear = "" if low > 0 or high < 0 else "no clear change, "
            gain += f" ({clear}95 %: {low:.1f} to {high:.1f} fewer)"
        notes.append(f"{row['node']} as one more gateway of {row['layer']}: {gain}")
    return notes
