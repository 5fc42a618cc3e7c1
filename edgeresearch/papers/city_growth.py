"""Paper B's scheduling experiment on cities of growing size: what its future work asks for (section VII)."""

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import delayed

from edgeresearch import parallel
from edgeresearch.config import CityGrowth, SchedulingStudy
from edgeresearch.emulator.api import Scenario, run_seed, simulate
from edgeresearch.emulator.city import City, link_nearest, make_city, read_places
from edgeresearch.emulator.results import MESSAGES, traffic
from edgeresearch.io import write_csv
from edgeresearch.stats import by

TABLES = Path("reports") / "tables" / "los"
CITY = ["nodes", "edge_nodes", "places", "real", "streams"]
"""Columns that describe a city."""
MEASURED = ("drop_percent", "hops", "messages", "megabytes", "carried")
"""What is averaged over the repeats, with intervals."""
MEANS = ("edge_percent", "reads", "deep")
"""What is averaged without."""


class Growth(NamedTuple):
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
    cities = {size: make_city(places, plan.replace(nodes=size)) for size in plan.sizes}
    cells = [
        (size, policy, repeat)
        for size in plan.sizes
        for policy in plan.policies
        if size <= plan.most.get(policy, size)
        for repeat in range(_repeats(size, plan))
    ]
    order = sorted(range(len(cells)), key=lambda at: -cells[at][0])  # the longest first: processes end together
    scenarios = {size: Scenario.of(base, city) for size, city in cities.items()}
    tasks = (delayed(_run)(scenarios[cells[at][0]], *cells[at], hours=plan.hours, seed=seed) for at in order)
    done = dict(zip(order, parallel.run(tasks, workers), strict=True))
    rows = pd.DataFrame([done[at] for at in range(len(cells))])
    keys = [*CITY, "policy"]
    city, groups = by(rows, keys, [*MEASURED, *MEANS]), rows.groupby(keys, sort=False)
    city.insert(6, "repeats", groups.size().to_numpy())
    city.insert(7, "hours", plan.hours)
    city.insert(8, "triggers", groups["triggers"].sum().to_numpy())
    city = city.drop(columns=[f"{name}_{end}" for name in MEANS for end in ("low", "high")])
    city = city.rename(columns={"drop_percent_low": "low", "drop_percent_high": "high"})
    costs = rows[["nodes", "policy", "repeat", "triggers", "cpu_seconds", "mebibytes"]]
    return Growth(city, pd.DataFrame([_describe_mesh(each) for each in cities.values()]), costs)


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


def _repeats(nodes: int, plan: CityGrowth) -> int:
    """Return how often a size is run: less often where all repeats together had more nodes than `nodes_in_all`."""
    return max(1, min(plan.repeats, plan.nodes_in_all // nodes))


def _run(scenario: Scenario, size: int, policy: str, repeat: int, *, hours: float, seed: int) -> dict[str, Any]:
    """Return what one run showed, by the names of `growth`."""
    before = time.process_time()
    outcome = simulate(scenario, policy, hours=hours, seed=run_seed(seed, size, repeat))
    spent = time.process_time() - before
    log = outcome.triggers()
    ran, sent = log[log["end"] == "finished"], traffic(outcome)
    share = len(outcome.mesh.nodes) * outcome.seconds / 3600
    home, own = outcome.mesh.nodes[outcome.jobs[0].source].layer, scenario.testbed
    assert isinstance(own, City) and own.stream_rule is not None
    return {
        **{"nodes": len(outcome.mesh.nodes), "edge_nodes": len(own.layers[0].members)},
        **{"places": own.plan.places.source, "real": own.plan.places.real, "streams": own.stream_rule.count},
        **{"policy": policy, "repeat": repeat, "triggers": len(log)},
        "drop_percent": 100 * float(log["end"].eq("dropped").mean()),
        "hops": float(ran["hops"].mean()),
        "messages": sum(sent[kind] for kind in MESSAGES),
        "megabytes": sum(sent[f"{kind[:-1]}_megabytes"] for kind in MESSAGES),
        "carried": outcome.jobs[0].megabytes * float(ran["hops"].sum()) / share,
        "edge_percent": 100 * float(ran["layer"].eq(home).mean()),
        "reads": outcome.synced / len(log),
        "deep": float(ran["hops"].quantile(0.99)),
        **{"cpu_seconds": spent, "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024},
    }


def _describe_mesh(own: City) -> dict[str, Any]:
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
