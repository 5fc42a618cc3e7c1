"""Paper B's scheduling experiment on cities of growing size: what its future work asks for (section VII)."""

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import delayed

from edgeresearch import parallel
from edgeresearch.config import CityGrowth, SchedulingStudy
from edgeresearch.emulator.api import Scenario, run_seed, simulate
from edgeresearch.emulator.city import City, link_nearest, make_city, read_places
from edgeresearch.emulator.results import MESSAGES, Outcome, traffic
from edgeresearch.io import write_csv
from edgeresearch.stats import interval

TABLES = Path("reports") / "tables" / "los"


@dataclass(frozen=True)
class Growth:
    """Policies on cities of several sizes.

    Attributes:
        city: One row per size and policy, see `growth`.
        meshes: One row per size, see `growth`.
        costs: One row per run: `nodes`, `policy`, `repeat`, `triggers`, `cpu_seconds`, and `mebibytes` that the process
            held at most until then. They change from run to run and are in no table.
    """

    city: pd.DataFrame
    meshes: pd.DataFrame
    costs: pd.DataFrame


class _Cell(NamedTuple):
    scenario: Scenario
    nodes: int
    policy: str
    repeat: int


def growth(study: SchedulingStudy, *, seed: int, workers: int = 1, warn: Callable[[str], object] = print) -> Growth:
    """Run policies on cities of several sizes, one hour like the other.

    A policy is run up to the size that `most` gives it. Those with global knowledge read the state of every node at
    every decision and look for the ways to all of them, `cloud` for those to every cloud node: the cost is quadratic.

    Args:
        study: Settings; `city` says what is run.
        seed: Root of all randomness; a repeat has the same streams and noise for every policy.
        workers: Processes; results do not depend on them.
        warn: Receives a line if the places are a stand-in.

    Returns:
        `city`: `nodes` in all layers, `edge_nodes`, `places` and whether they are `real`, `streams`, `policy`,
        `repeats`, `hours`, `triggers` of all repeats; means over the repeats, each but the last three with a 95 %
        interval (`low` and `high` are those of the first; empty with one repeat): `drop_percent`; `hops` of the
        trainings that ran; `messages` and `megabytes` of them that a node sends per hour; `carried`, megabytes of
        models and samples per node and hour, counted on every link of their way; `edge_percent`, share of those that
        ran which ran in the layer of the streams; `reads`, states read with global knowledge per trigger; `deep`,
        hops of the 99th percentile. `meshes`: `nodes`, those of each layer, `links`, `degree` and `link_metres` of
        the edge (mean, median), `longest_metres`, `districts`, `places`, `real`.

    Raises:
        InputError: The settings make no city, or the file of places is not usable.
    """
    plan = study.city
    places = read_places(plan.places, seed=seed)
    if not places.real:
        warn(f"no file {plan.places}: the city is drawn at random ({places.source})")
    base = study.replace(fitting=study.fitting.replace(refine=plan.refine))
    scenarios = {size: Scenario.of(base, make_city(places, plan.replace(nodes=size))) for size in plan.sizes}
    cells = [
        _Cell(scenarios[size], size, policy, repeat)
        for size in plan.sizes
        for policy in plan.policies
        if size <= plan.most.get(policy, size)
        for repeat in range(repeats(size, plan))
    ]
    order = sorted(range(len(cells)), key=lambda at: -cells[at].nodes)  # the longest first: processes end together
    done = parallel.run((delayed(_run)(cells[at], hours=plan.hours, seed=seed) for at in order), workers)
    rows = pd.DataFrame([row for _, row in sorted(zip(order, done, strict=True), key=lambda each: each[0])])
    meshes = pd.DataFrame([_mesh(_city(scenario)) for scenario in scenarios.values()])
    costs = ["nodes", "policy", "repeat", "triggers", "cpu_seconds", "mebibytes"]
    return Growth(_means(rows, scenarios, plan.hours), meshes, rows[costs])


def repeats(nodes: int, plan: CityGrowth) -> int:
    """Return how often a size is run: `repeats`, and less often where all of them had more nodes than `nodes_in_all`.

    Args:
        nodes: Of the city.
        plan: Settings.
    """
    return max(1, min(plan.repeats, plan.nodes_in_all // nodes))


def write(
    study: SchedulingStudy, *, seed: int, workers: int = 1, out: str | Path = ".", warn: Callable[[str], object] = print
) -> Growth:
    """Run `growth` and write `city.csv` and `city_meshes.csv` under `reports/tables/los/`; settings make the bytes.

    Raises:
        InputError: As `growth`, or a table cannot be written.
    """
    found = growth(study, seed=seed, workers=workers, warn=warn)
    write_csv(found.city, Path(out) / TABLES / "city.csv")
    write_csv(found.meshes, Path(out) / TABLES / "city_meshes.csv")
    return found


def _run(cell: _Cell, *, hours: float, seed: int) -> dict[str, Any]:
    before = time.process_time()
    outcome = simulate(cell.scenario, cell.policy, hours=hours, seed=run_seed(seed, cell.nodes, cell.repeat))
    spent = time.process_time() - before
    return {
        **{"nodes": cell.nodes, "policy": cell.policy, "repeat": cell.repeat},
        **_measure(outcome),
        "cpu_seconds": spent,
        "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _measure(outcome: Outcome) -> dict[str, float]:
    """Return what one run showed, by the names of `growth`."""
    log = outcome.triggers()
    ran = log[log["end"] == "finished"]
    sent = traffic(outcome)
    share = len(outcome.mesh.nodes) * outcome.seconds / 3600
    home = outcome.mesh.nodes[outcome.jobs[0].source].layer
    some = len(ran) > 0
    return {
        "triggers": len(log),
        "drop_percent": 100 * float(log["end"].eq("dropped").mean()),
        "hops": float(ran["hops"].mean()) if some else float("nan"),
        "messages": sum(sent[kind] for kind in MESSAGES),
        "megabytes": sum(sent[f"{kind[:-1]}_megabytes"] for kind in MESSAGES),
        "carried": outcome.jobs[0].megabytes * float(ran["hops"].sum()) / share,
        "edge_percent": 100 * float(ran["layer"].eq(home).mean()) if some else float("nan"),
        "reads": outcome.synced / len(log),
        "deep": float(ran["hops"].quantile(0.99)) if some else float("nan"),
    }


def _means(rows: pd.DataFrame, scenarios: Mapping[int, Scenario], hours: float) -> pd.DataFrame:
    means = []
    groups: Any = rows.groupby(["nodes", "policy"], sort=False)
    for (size, policy), part in groups:
        own = _city(scenarios[int(size)])
        assert own.stream_rule is not None
        row: dict[str, Any] = {
            **_about(own), "streams": own.stream_rule.count, "policy": policy, "repeats": len(part), "hours": hours,
            "triggers": part["triggers"].sum(),
        }  # fmt: skip
        row["drop_percent"], row["low"], row["high"] = interval(part["drop_percent"])
        for name in ("hops", "messages", "megabytes", "carried"):
            row[name], row[f"{name}_low"], row[f"{name}_high"] = interval(part[name])
        means.append({**row, **part[["edge_percent", "reads", "deep"]].mean()})
    return pd.DataFrame(means)


def _city(scenario: Scenario) -> City:
    assert isinstance(scenario.testbed, City)
    return scenario.testbed


def _about(own: City) -> dict[str, Any]:
    sizes = [len(layer.members) for layer in own.layers]
    return {
        "nodes": sum(sizes), "edge_nodes": sizes[0], "places": own.plan.places.source, "real": own.plan.places.real
    }  # fmt: skip


def _mesh(own: City) -> dict[str, Any]:
    plan, mesh = own.plan, own.mesh(np.random.default_rng(0))
    pairs = link_nearest(plan.places.metres, plan.neighbours)
    long = np.linalg.norm(np.subtract(*(plan.places.metres[pairs[:, side]] for side in (0, 1))), axis=1)
    return {
        "nodes": len(mesh.nodes),
        **{layer.name: len(layer.members) for layer in own.layers},
        "districts": len(plan.sites),
        "links": len(mesh.links),
        "degree": 2 * len(pairs) / len(plan.places.metres),
        "link_metres": float(np.median(long)),
        "longest_metres": float(long.max()),
        "places": plan.places.source,
        "real": plan.places.real,
    }
