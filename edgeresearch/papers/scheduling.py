"""The stages of the pipeline that emulate: limits (Fig. 5), scheduling (Figs. 6 and 7), and what lies beyond them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pandas as pd
from joblib import delayed

from edgeresearch import parallel
from edgeresearch.emulator import experiment, results
from edgeresearch.emulator.city import city_from_settings
from edgeresearch.emulator.experiment import Setup
from edgeresearch.errors import InputError, nearest
from edgeresearch.io import atomic, write_csv
from edgeresearch.papers import figure5, scheduling_sweeps
from edgeresearch.papers.fit_b import adjusted
from edgeresearch.scheduling.job_history import Rule
from edgeresearch.stats import by

PREDICTION = 100.0
"""Millicores of a prediction job where 26 of them share the edge nodes: 2 x 470, as in the other experiment, would not
leave a node any room for a third one."""

TRIGGERS = "data/processed/los/triggers.parquet"
TABLES = "reports/tables/los"

_SMALL = {"job": "int16", "repeat": "int16", "streams": "int16", "node": "int16", "hops": "int8"}
_NARROW = ("limit", "seconds", "complete", "period")


def limits(section: Mapping[str, Any], *, seed: int, workers: int = 1) -> dict[str, pd.DataFrame]:
    """Run the optimisation experiment under both rules, with a node for each job and with the edge nodes shared.

    Args:
        section: `los` of the settings as plain values.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.

    Returns:
        `limits`: by `rule`, `together` (nodes that the jobs share; 0 if each has its own) and `iteration` the means
        over jobs of limit, time and residual, with 95 % intervals over repeats. `landmarks`: by `rule`, `together` and
        `what` the numbers that Paper B reads off its Fig. 5, with intervals likewise (see `landmarks`).
    """
    wanted = dict(section["adaptation"])
    repeats = wanted.pop("repeats")
    setup = experiment.setup(section, city_from_settings(section))
    plan = figure5.Plan(**wanted)
    edge = setup.testbed.layers[0]
    nodes = len(edge.members)
    shared = figure5.Plan(
        **{**wanted, "free": edge.millicores - PREDICTION * plan.jobs / nodes, "together": nodes},
    )
    cells = [(rule, each) for each in (plan, shared) for rule in get_args(Rule)]
    courses, marks = [], []
    for rule, each in cells:
        tasks = (delayed(figure5.means)(setup, each, rule=rule, seed=seed, repeat=repeat) for repeat in range(repeats))
        runs = parallel.run(tasks, workers)
        about = {"rule": rule, "together": each.together or 0}
        courses.append(figure5.course(runs).assign(**about))
        found = pd.concat([landmarks(run, drift_from=each.drift_from) for run in runs])
        marks.append(by(found, ["what"], ["value"]).assign(**about))
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
        found["plateau"] = figure5.plateau(limit, until=before)
        found["rise"] = 100 * (float(limit.iloc[-5:].mean()) / level - 1)
    return pd.DataFrame({"what": list(found), "value": list(found.values())})


def scheduling(section: Mapping[str, Any], *, seed: int, workers: int = 1) -> dict[str, pd.DataFrame]:
    """Run every number of streams with every policy, and LOS under both readings of the trigger rate.

    Args:
        section: `los` of the settings as plain values.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.

    Returns:
        `rows`: one row per trigger. `drops`, `reasons`, `layers`: shares of all triggers (`summary`). `hops`: for each
        `reading` of Fig. 6. `traffic`: messages and megabytes per node and hour by `kind` (see `sent`). `triggers`: of
        LOS by `trigger`, the reading, `streams` and `repeat`, how many there were and how many were dropped.
        `handovers`: see `handovers`.
    """
    setup = experiment.setup(section, city_from_settings(section))
    fixed = {key: section[key] for key in ("streams", "repeats", "hours")}
    rows, traffic = experiment.scheduling(setup, policies=section["policies"], seed=seed, workers=workers, **fixed)
    readings = [results.hops(rows, reading).assign(reading=reading) for reading in get_args(results.Reading)]
    counts = []
    for trigger in ("period", "samples"):
        other = adjusted(setup, {"trigger": trigger})
        found, _ = experiment.scheduling(other, policies=["los"], seed=seed, workers=workers, **fixed)
        counts.append(_counted(found).assign(trigger=trigger, hours=section["hours"]))
    return {
        "rows": rows,
        "drops": results.drop_rates(rows),
        "hops": _first(pd.concat(readings), "reading"),
        "reasons": results.shares_by(rows, "reason"),
        "layers": results.shares_by(rows, "layer"),
        "traffic": sent(rows, traffic, setup, hours=section["hours"]),
        "triggers": _first(pd.concat(counts), "trigger"),
        "handovers": handovers(setup, seed=seed, workers=workers, **fixed),
    }


def handovers(
    setup: Setup, *, streams: Sequence[int], repeats: int, hours: float, seed: int, workers: int = 1
) -> pd.DataFrame:
    """Run LOS under both readings of "Optimize resource limits; return best-fit" (Paper B, Algorithm 1).

    Args:
        setup: What stays.
        streams: Numbers of streams.
        repeats: Of each.
        hours: Virtual time of each.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.

    Returns:
        By `sender` (whether the limit that the sender planned with binds the receiver), `streams` and `hops`: `percent`
        of the attempts that were handed over so often (`summary.hops`), or, without `hops`, of the triggers that were
        dropped, with `low` and `high`.
    """
    tables = []
    for sender in (False, True):
        chosen = adjusted(setup, {"sender": sender})
        rows, _ = experiment.scheduling(
            chosen, streams=streams, policies=["los"], repeats=repeats, hours=hours, seed=seed, workers=workers
        )
        drops = results.drop_rates(rows).rename(columns={"drop_percent": "percent"})
        shares = results.hops(rows, "attempts").rename(columns={"share_percent": "percent"})
        both = pd.concat([drops, shares.astype({"hops": "Int64"})], ignore_index=True)
        tables.append(both.drop(columns="policy").assign(sender=sender))
    return _first(pd.concat(tables), "sender", "streams", "hops")


def sent(rows: pd.DataFrame, traffic: pd.DataFrame, setup: Setup, *, hours: float) -> pd.DataFrame:
    """Return what each node sends per hour, by `policy`, `streams` and `kind`, with 95 % intervals over repeats.

    Args:
        rows: One row per trigger.
        traffic: One row per run, see `traffic.traffic`.
        setup: Of the runs.
        hours: Virtual time of each run.

    Returns:
        `messages` and `megabytes`, each also with `_low` and `_high`. Kinds are those of `traffic.traffic`, where
        samples are counted once, however far they go; and two more ways to count those: `carried`, once on every link
        of their way, and `leaving`, if their training ran in another layer than that of their stream.
    """
    count = sum(len(layer.members) for layer in setup.testbed.layers)
    rule = setup.testbed.stream_rule
    size, home = (rule.megabytes, rule.layer) if rule else (0.0, "")
    ran = rows[rows["end"] == "finished"]
    keys = ["policy", "streams", "repeat"]
    share = size / hours / count
    tables = [
        traffic[keys].assign(kind="requests", messages=traffic["requests"], megabytes=traffic["request_megabytes"]),
        traffic[keys].assign(kind="exchanges", messages=traffic["exchanges"], megabytes=traffic["exchange_megabytes"]),
        traffic[keys].assign(kind="syncs", messages=traffic["syncs"], megabytes=traffic["sync_megabytes"]),
        traffic[keys].assign(kind="models", messages=traffic["models"], megabytes=traffic["model_megabytes"]),
        traffic[keys].assign(kind="samples", megabytes=traffic["sample_megabytes"]),
    ]
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


def sweep(section: Mapping[str, Any], *, seed: int, workers: int = 1) -> dict[str, pd.DataFrame]:
    """Vary how old views are, how many gateways there are, who comes and goes, and every choice that was made.

    Args:
        section: `los` of the settings as plain values.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.

    Returns:
        `staleness`, `gateways`, `churn`, `choices`: what `sweeps.sweep` returns.
    """
    setup = experiment.setup(section, city_from_settings(section))
    wanted = section["sweeps"]
    varied = {
        "staleness": scheduling_sweeps.staleness(setup, wanted["intervals"]),
        "gateways": scheduling_sweeps.gateways(setup, wanted["gateways"]),
        "churn": scheduling_sweeps.churn(setup, wanted["stays"], wanted["away"]),
        "choices": scheduling_sweeps.choices(setup),
    }
    fixed = {key: section[key] for key in ("repeats", "hours")}
    return {
        name: scheduling_sweeps.sweep(each, streams=wanted["streams"], seed=seed, workers=workers, **fixed)
        for name, each in varied.items()
    }


STAGES: Mapping[str, Callable[..., dict[str, pd.DataFrame]]] = {
    "limits": limits,
    "scheduling": scheduling,
    "sweeps": sweep,
}
"""What computes each stage."""


def write(
    name: str, section: Mapping[str, Any], *, seed: int, workers: int = 1, out: str | Path = "."
) -> dict[str, pd.DataFrame]:
    """Run a stage and write its tables; the same settings give the same bytes.

    Args:
        name: One of `STAGES`.
        section: `los` of the settings as plain values.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.
        out: Project folder, which gets `reports/tables/los/` and, of scheduling, all triggers under `data/processed/`.

    Returns:
        What the stage computed.

    Raises:
        InputError: There is no such stage, the settings do not fit the testbed, or a file cannot be written.
    """
    if name not in STAGES:
        raise InputError(
            f"there is nothing called {name!r} to emulate{nearest(name, STAGES)}; known: {', '.join(STAGES)}"
        )
    found = STAGES[name](section, seed=seed, workers=workers)
    for what, table in found.items():
        if what == "rows":
            with atomic(Path(out) / TRIGGERS) as draft:
                compact(table).to_parquet(draft, index=False, compression="zstd")
        else:
            write_csv(table, Path(out) / TABLES / f"{what}.csv")
    return found


def compact(rows: pd.DataFrame) -> pd.DataFrame:
    """Return triggers in small types: words as categories, times of a training in single precision."""
    kinds = dict.fromkeys(_NARROW, "float32") | dict.fromkeys(["policy", "layer", "end", "reason"], "category")
    return rows.astype({**_SMALL, **kinds})


def _counted(rows: pd.DataFrame) -> pd.DataFrame:
    dropped = rows["end"].eq("dropped")
    return dropped.groupby([rows["streams"], rows["repeat"]]).agg(triggers="size", dropped="sum").reset_index()


def _first(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The table with some columns in front, numbered anew."""
    return table[[*columns, *(each for each in table.columns if each not in columns)]].reset_index(drop=True)
