"""Paper B's resource optimisation: how CPU limits move over the trainings of a job (section VI.B, Fig. 5)."""

import itertools
from typing import get_args

import numpy as np
import pandas as pd
from joblib import delayed

from edgeresearch import parallel
from edgeresearch.config import LimitAdaptation, SchedulingStudy
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

PREDICTION = 100.0
"""Millicores of a prediction job where 26 of them share the edge nodes: 2 x 470, as in the other experiment, would not
leave a node any room for a third one."""


def limits(study: SchedulingStudy, *, seed: int, workers: int = 1) -> dict[str, pd.DataFrame]:
    """Run the optimisation experiment under both rules, with a node for each job and with the edge nodes shared.

    Args:
        study: Settings.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.

    Returns:
        `limits`: by `rule`, `together` (nodes that the jobs share; 0 if each has its own) and `iteration` the means
        over jobs of limit, time and residual, with 95 % intervals over repeats. `landmarks`: by `rule`, `together` and
        `what` the numbers that Paper B reads off its Fig. 5, with intervals likewise (see `landmarks`).
    """
    scenario, plan = Scenario.of(study), study.adaptation
    edge = scenario.testbed.layers[0]
    nodes = len(edge.members)
    shared = plan.replace(free=edge.millicores - PREDICTION * plan.jobs / nodes)
    cells = list(itertools.product(((plan, 0), (shared, nodes)), get_args(LimitRule), range(plan.repeats)))
    tasks = (
        delayed(means)(scenario, each, rule=rule, seed=seed, repeat=repeat, shared_nodes=together)
        for (each, together), rule, repeat in cells
    )
    courses, marks = [], []
    for ((_, together), rule, _), run in zip(cells, parallel.run(tasks, workers), strict=True):
        courses.append(run.assign(rule=rule, together=together))
        marks.append(landmarks(run, drift_from=plan.drift_from).assign(rule=rule, together=together))
    return {
        "limits": by(pd.concat(courses), ["rule", "together", "iteration"], VALUES),
        "landmarks": by(pd.concat(marks), ["rule", "together", "what"], ["value"]),
    }


def adapt(
    scenario: Scenario, plan: LimitAdaptation, *, rule: LimitRule, seed: np.random.SeedSequence, shared_nodes: int = 0
) -> pd.DataFrame:
    """Run the experiment once.

    Args:
        scenario: Training times, limits and noise.
        plan: How many jobs and iterations, and how the machine slows down.
        rule: What lowers a limit, in place of the scenario's.
        seed: Root of all randomness.
        shared_nodes: Nodes that the jobs share; 0 gives each its own. The paper puts 26 jobs on 5 edge nodes; whether
            their trainings met there it does not say.

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
    return table.loc[table["iteration"] <= plan.iterations, ["job", "iteration", *VALUES, "late"]].reset_index(
        drop=True
    )


def means(
    scenario: Scenario, plan: LimitAdaptation, *, rule: LimitRule, seed: int, repeat: int, shared_nodes: int = 0
) -> pd.DataFrame:
    """Run one repeat (see `adapt`) and return by `iteration` the means of `VALUES`, and how many `jobs` came so far."""
    root = np.random.SeedSequence([seed, repeat])
    parts = adapt(scenario, plan, rule=rule, seed=root, shared_nodes=shared_nodes).groupby("iteration")
    return parts[list(VALUES)].mean().assign(jobs=parts.size()).reset_index()


def landmarks(run: pd.DataFrame, *, drift_from: int) -> pd.DataFrame:
    """Return what Paper B reads off its Fig. 5, for one repeat.

    Args:
        run: What `means` returns.
        drift_from: Iteration from which the machine slows down.

    Returns:
        `what` and `value`: `trainings`, how many ran; `level` and `level_residual`, means of the ten iterations before
        the drift; `plateau`, the iteration at which the limit has come within a tenth of that level; `rise`, how far
        the mean limit of the last five iterations lies above it, in percent. Not a number where there are too few
        iterations.
    """
    limit, residuals, before = run["limit_millicores"], run["residual"], drift_from - 1
    found = {"trainings": float(run["jobs"].sum())}
    found |= dict.fromkeys(("level", "level_residual", "plateau", "rise"), float("nan"))
    if 10 <= before < len(run):
        level = float(limit.iloc[before - 10 : before].mean())
        found["level"], found["level_residual"] = level, float(residuals.iloc[before - 10 : before].mean())
        found["plateau"] = plateau(limit, until=before)
        found["rise"] = 100 * (float(limit.iloc[-5:].mean()) / level - 1)
    return pd.DataFrame({"what": list(found), "value": list(found.values())})


def plateau(limits: pd.Series, *, until: int) -> int:
    """Return the first iteration whose mean limit has come within a tenth of where it stands before the drift.

    Args:
        limits: Mean limit by iteration, the first one at place 0.
        until: Last iteration before the drift; the mean of the ten up to it is where the limit stands.
    """
    level = limits.iloc[until - 10 : until].mean()
    return int(np.argmax(limits.to_numpy() <= 1.1 * level)) + 1
