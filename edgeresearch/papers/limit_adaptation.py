"""Paper B's resource optimisation: how CPU limits move over the trainings of a job (section VI.B, Fig. 5)."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from edgeresearch.config import LimitAdaptation
from edgeresearch.emulator.api import Scenario
from edgeresearch.emulator.network import Job, Mesh, Node
from edgeresearch.emulator.policies import InSitu
from edgeresearch.emulator.simulation import run_events, spawn_seeds
from edgeresearch.scheduling.runtime_model import residual
from edgeresearch.scheduling.settings import LimitRule
from edgeresearch.stats import by

VALUES = ("limit_millicores", "training_seconds", "residual")
"""What Fig. 5 a to c show: millicores, seconds, percent of the period."""

SPARE = (1.5, 3.0, 6.0, 12.0)
"""Virtual time as a multiple of what the trainings need if none is dropped: the first with which all are there."""


def adapt(
    scenario: Scenario,
    plan: LimitAdaptation,
    *,
    rule: LimitRule,
    seed: np.random.SeedSequence,
    shared_nodes: int | None = None,
) -> pd.DataFrame:
    """Run the experiment once.

    Args:
        scenario: Training times, limits and noise.
        plan: How many jobs and iterations, and how the machine slows down.
        rule: What lowers a limit, in place of the scenario's.
        seed: Root of all randomness.
        shared_nodes: Nodes that the jobs share; None gives each its own. The paper puts 26 jobs on 5 edge nodes;
            whether their trainings met there it does not say.

    Returns:
        One row per training that ran: `job`, `iteration` from 1, `limit_millicores`, `training_seconds` (t_job),
        `residual` (eq. 3, in percent of the period), `late`.
    """
    draw, chance = spawn_seeds(seed, 2)
    rng = np.random.default_rng(draw)
    stream = scenario.testbed.stream_rule
    low, high = stream.seconds if stream else (180.0, 300.0)
    kind = scenario.testbed.layers[0].node_class
    places = shared_nodes or plan.jobs
    mesh = Mesh([Node(f"node-{i + 1}", "edge", kind, plan.free, 1e6) for i in range(places)], [])
    periods = [float(rng.uniform(low, high)) for _ in range(plan.jobs)]
    jobs = [Job(i % places, period, period * (1 + rng.random())) for i, period in enumerate(periods)]
    mean = (low + high) / 2
    for spare in SPARE:
        log = run_events(
            mesh,
            jobs,
            InSitu(scenario.rules, scenario.limits.replace(rule=rule), scenario.fitting),
            scenario.times(),
            seconds=spare * plan.iterations * high,
            interval=0.0,
            seed=chance,
            drift=lambda time: 1 + plan.drift * max(0.0, time / mean - plan.drift_from),
        ).log.frame()
        table = log[log["end"] == "finished"].reset_index(drop=True)
        table["iteration"] = table.groupby("job").cumcount() + 1
        if (table.groupby("job").size() >= plan.iterations).sum() == plan.jobs:
            break
    period = np.array(periods)[table["job"]]
    table["residual"] = [100 * residual(complete, p) / p for complete, p in zip(table["complete"], period, strict=True)]
    table["late"] = table["complete"] > period
    table = table.rename(columns={"limit": "limit_millicores", "seconds": "training_seconds"})
    columns = ["job", "iteration", "limit_millicores", "training_seconds", "residual", "late"]
    return table.loc[table["iteration"] <= plan.iterations, columns].reset_index(drop=True)


def means(
    scenario: Scenario,
    plan: LimitAdaptation,
    *,
    rule: LimitRule,
    seed: int,
    repeat: int,
    shared_nodes: int | None = None,
) -> pd.DataFrame:
    """Run the experiment once (see `adapt`) and return the means over the jobs by iteration.

    Returns:
        One row per iteration: `iteration`, each of `VALUES`, and how many `jobs` came so far.
    """
    root = np.random.SeedSequence([seed, repeat])
    parts = adapt(scenario, plan, rule=rule, seed=root, shared_nodes=shared_nodes).groupby("iteration")
    return parts[list(VALUES)].mean().assign(jobs=parts.size()).reset_index()


def course(runs: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return means over repeats by iteration, with 95 % intervals (Paper B, Fig. 5 a to c).

    Args:
        runs: What `means` returned for each repeat.

    Returns:
        One row per iteration: `iteration`, and each of `VALUES`, also with `_low` and `_high`.
    """
    return by(pd.concat(list(runs)), ["iteration"], VALUES)


def plateau(limits: pd.Series, *, within: float = 0.1, until: int = 45) -> int:
    """Return the first iteration whose mean limit has come down to where it stands before the drift, or near.

    Args:
        limits: Mean limit by iteration, the first one at place 0.
        within: By what share it may still lie above that.
        until: Last iteration before the drift; the mean of the ten up to it is where the limit stands.

    Raises:
        ValueError: There are not so many iterations, or less than ten.
    """
    if not 10 <= until <= len(limits):
        raise ValueError(f"{len(limits)} iterations have no plateau of ten that ends at iteration {until}")
    level = limits.iloc[until - 10 : until].mean()
    return int(np.argmax(limits.to_numpy() <= (1 + within) * level)) + 1
