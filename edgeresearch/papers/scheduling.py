"""The stages of the pipeline that emulate: limits (Fig. 5), scheduling (Figs. 6 and 7), and what lies beyond them.

Each takes the settings of the study, the root of all randomness, and the number of processes, which changes no result.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pandas as pd
from joblib import delayed

from edgeresearch import parallel
from edgeresearch.config import SchedulingStudy
from edgeresearch.emulator import results
from edgeresearch.emulator.api import Scenario, compare_policies
from edgeresearch.errors import InputError, nearest
from edgeresearch.io import atomic, write_csv
from edgeresearch.papers import limit_adaptation, scheduling_sweeps
from edgeresearch.papers.fit_b import adjust
from edgeresearch.scheduling.settings import LimitRule
from edgeresearch.stats import by

PREDICTION = 100.0
"""Millicores of a prediction job where 26 of them share the edge nodes: 2 x 470, as in the other experiment, would not
leave a node any room for a third one."""

TRIGGERS = "data/processed/los/triggers.parquet"
TABLES = "reports/tables/los"

_SMALL = {"job": "int16", "repeat": "int16", "streams": "int16", "node": "int16", "hops": "int8"}
_NARROW = ("limit", "seconds", "complete", "period")


def limits(study: SchedulingStudy, *, seed: int, workers: int = 1) -> dict[str, pd.DataFrame]:
    """Run the optimisation experiment under both rules, with a node for each job and with the edge nodes shared.

    Returns:
        `limits`: by `rule`, `together` (nodes that the jobs share; 0 if each has its own) and `iteration` the means
        over jobs of limit, time and residual, with 95 % intervals over repeats. `landmarks`: by `rule`, `together` and
        `what` the numbers that Paper B reads off its Fig. 5, with intervals likewise (see `landmarks`).
    """
    scenario, plan = Scenario.of(study), study.adaptation
    edge = scenario.testbed.layers[0]
    nodes = len(edge.members)
    shared = plan.replace(free=edge.millicores - PREDICTION * plan.jobs / nodes)
    courses, marks = [], []
    for each, together in ((plan, None), (shared, nodes)):
        for rule in get_args(LimitRule):
            tasks = (
                delayed(limit_adaptation.means)(
                    scenario, each, rule=rule, seed=seed, repeat=repeat, shared_nodes=together
                )
                for repeat in range(plan.repeats)
            )
            runs = parallel.run(tasks, workers)
            about = {"rule": rule, "together": together or 0}
            courses.append(limit_adaptation.course(runs).assign(**about))
            read = pd.concat([landmarks(run, drift_from=plan.drift_from) for run in runs])
            marks.append(by(read, ["what"], ["value"]).assign(**about))
    return {
        "limits": _first(pd.concat(courses), "rule", "together"),
        "landmarks": _first(pd.concat(marks), "rule", "together"),
    }


def landmarks(run: pd.DataFrame, *, drift_from: int) -> pd.DataFrame:
    """Return what Paper B reads off its Fig. 5, for one repeat.

    Args:
        run: Means over the jobs by iteration, and how many `jobs` came so far.
        drift_from: Iteration from which the machine slows down.

    Returns:
        `what` and `value`: `trainings`, how many ran; `level` and `level_residual`, means of the ten iterations before
        the drift; `plateau`, the iteration at which the limit has come within a tenth of that level; `rise`, how far
        the mean limit of the last five iterations lies above it, in percent. Not a number where there are too few
        iterations.
    """
    limit, residual, before = run["limit_millicores"], run["residual"], drift_from - 1
    found = {"trainings": float(run["jobs"].sum())}
    found |= dict.fromkeys(("level", "level_residual", "plateau", "rise"), float("nan"))
    if 10 <= before < len(run):
        level = float(limit.iloc[before - 10 : before].mean())
        found["level"], found["level_residual"] = level, float(residual.iloc[before - 10 : before].mean())
        found["plateau"] = limit_adaptation.plateau(limit, until=before)
        found["rise"] = 100 * (float(limit.iloc[-5:].mean()) / level - 1)
    return pd.DataFrame({"what": list(found), "value": list(found.values())})


def scheduling(study: SchedulingStudy, *, seed: int, workers: int = 1) -> dict[str, pd.DataFrame]:
    """Run every number of streams with every policy, and LOS under both readings of the trigger rate.

    Returns:
        `rows`: one row per trigger. `drops`, `reasons`, `layers`: shares of all triggers (`results.shares_by`). `hops`:
        for each `reading` of Fig. 6. `traffic`: messages and megabytes per node and hour by `kind` (see `sent`).
        `triggers`: of LOS by `trigger`, the reading, `streams` and `repeat`, how many there were and how many were
        dropped. `handovers`: see `handovers`.
    """
    scenario = Scenario.of(study)
    compare = partial(
        compare_policies, streams=study.streams, repeats=study.repeats, hours=study.hours, seed=seed, workers=workers
    )
    rows, traffic = compare(scenario, policies=study.policies)
    readings = [results.hop_shares(rows, reading).assign(reading=reading) for reading in get_args(results.Reading)]
    counts = []
    for trigger in ("period", "samples"):
        of_los, _ = compare(adjust(scenario, {"trigger": trigger}), policies=["los"])
        counts.append(_count_drops(of_los).assign(trigger=trigger, hours=study.hours))
    return {
        "rows": rows,
        "drops": results.drop_rates(rows),
        "hops": _first(pd.concat(readings), "reading"),
        "reasons": results.shares_by(rows, "reason"),
        "layers": results.shares_by(rows, "layer"),
        "traffic": sent(rows, traffic, scenario, hours=study.hours),
        "triggers": _first(pd.concat(counts), "trigger"),
        "handovers": handovers(scenario, compare),
    }


def handovers(scenario: Scenario, compare: Callable[..., tuple[pd.DataFrame, pd.DataFrame]]) -> pd.DataFrame:
    """Run LOS under both readings of "Optimize resource limits; return best-fit" (Paper B, Algorithm 1).

    Args:
        scenario: What stays.
        compare: Runs policies on a scenario (`compare_policies` with streams, repeats and hours).

    Returns:
        By `sender` (whether the limit that the sender planned with binds the receiver), `streams` and `hops`: `percent`
        of the attempts that were handed over so often (`results.hop_shares`), or, without `hops`, of the triggers that
        were dropped, with `low` and `high`.
    """
    tables = []
    for sender in (False, True):
        rows, _ = compare(adjust(scenario, {"sender_limit_binds": sender}), policies=["los"])
        drops = results.drop_rates(rows).rename(columns={"drop_percent": "percent"})
        shares = results.hop_shares(rows, "attempts").rename(columns={"share_percent": "percent"})
        both = pd.concat([drops, shares.astype({"hops": "Int64"})], ignore_index=True)
        tables.append(both.drop(columns="policy").assign(sender=sender))
    return _first(pd.concat(tables), "sender", "streams", "hops")


def sent(rows: pd.DataFrame, traffic: pd.DataFrame, scenario: Scenario, *, hours: float) -> pd.DataFrame:
    """Return what each node sends per hour, by `policy`, `streams` and `kind`, with 95 % intervals over repeats.

    Args:
        rows: One row per trigger.
        traffic: One row per run, see `results.traffic`.
        scenario: Of the runs.
        hours: Virtual time of each run.

    Returns:
        `messages` and `megabytes`, each also with `_low` and `_high`. Kinds are those of `results.traffic`, where
        samples are counted once, however far they go; and two more ways to count those: `carried`, once on every link
        of their way, and `leaving`, if their training ran in another layer than that of their stream.
    """
    count = sum(len(layer.members) for layer in scenario.testbed.layers)
    rule = scenario.testbed.stream_rule
    size, home = (rule.megabytes, rule.layer) if rule else (0.0, "")
    ran = rows[rows["end"] == "finished"]
    keys = ["policy", "streams", "repeat"]
    share = size / hours / count
    tables = [
        traffic[keys].assign(kind=kind, messages=traffic[kind], megabytes=traffic[f"{kind[:-1]}_megabytes"])
        for kind in results.MESSAGES
    ]
    tables.append(traffic[keys].assign(kind="samples", megabytes=traffic["sample_megabytes"]))
    for kind, counted in (("carried", ran["hops"]), ("leaving", (ran["layer"] != home).astype(int))):
        total = counted.groupby([ran[key] for key in keys]).sum()
        tables.append(
            traffic[keys].assign(
                kind=kind,
                megabytes=[
                    share * float(total.get(key, 0)) for key in traffic[keys].itertuples(index=False, name=None)
                ],
            )
        )
    table = pd.concat(tables, ignore_index=True)
    return by(table, [*keys[:2], "kind"], ["messages", "megabytes"])


def sweep(study: SchedulingStudy, *, seed: int, workers: int = 1) -> dict[str, pd.DataFrame]:
    """Vary how old views are, how many gateways there are, who comes and goes, and every choice that was made.

    Returns:
        `staleness`, `gateways`, `churn`, `choices`: see `scheduling_sweeps.sweep`.
    """
    scenario, sweeps = Scenario.of(study), study.sweeps
    varied = {
        "staleness": scheduling_sweeps.staleness(scenario, sweeps.intervals),
        "gateways": scheduling_sweeps.gateways(scenario, sweeps.gateways),
        "churn": scheduling_sweeps.churn(scenario, sweeps.stays, sweeps.away),
        "choices": scheduling_sweeps.choices(scenario),
    }
    fixed: Any = {"streams": sweeps.streams, "repeats": study.repeats, "hours": study.hours, "workers": workers}
    return {name: scheduling_sweeps.sweep(each, seed=seed, **fixed) for name, each in varied.items()}


STAGES: Mapping[str, Callable[..., dict[str, pd.DataFrame]]] = {
    "limits": limits,
    "scheduling": scheduling,
    "sweeps": sweep,
}
"""What computes each stage."""


def write(
    name: str, study: SchedulingStudy, *, seed: int, workers: int = 1, out: str | Path = "."
) -> dict[str, pd.DataFrame]:
    """Run a stage and write its tables; the same settings give the same bytes.

    Args:
        name: One of `STAGES`.
        study: Settings.
        seed: Root of all randomness.
        workers: Processes.
        out: Project folder, which gets `reports/tables/los/` and, of scheduling, all triggers under `data/processed/`.

    Raises:
        InputError: There is no such stage, the settings do not fit the testbed, or a file cannot be written.
    """
    if name not in STAGES:
        raise InputError(
            f"there is nothing called {name!r} to emulate{nearest(name, STAGES)}; known: {', '.join(STAGES)}"
        )
    tables = STAGES[name](study, seed=seed, workers=workers)
    for what, table in tables.items():
        if what == "rows":
            with atomic(Path(out) / TRIGGERS) as draft:
                compact(table).to_parquet(draft, index=False, compression="zstd")
        else:
            write_csv(table, Path(out) / TABLES / f"{what}.csv")
    return tables


def compact(rows: pd.DataFrame) -> pd.DataFrame:
    """Return triggers in small types: words as categories, times of a training in single precision."""
    kinds = dict.fromkeys(_NARROW, "float32") | dict.fromkeys(["policy", "layer", "end", "reason"], "category")
    return rows.astype({**_SMALL, **kinds})


def _count_drops(rows: pd.DataFrame) -> pd.DataFrame:
    dropped = rows["end"].eq("dropped")
    return dropped.groupby([rows["streams"], rows["repeat"]]).agg(triggers="size", dropped="sum").reset_index()


def _first(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The table with some columns in front, numbered anew."""
    return table[[*columns, *(each for each in table.columns if each not in columns)]].reset_index(drop=True)
