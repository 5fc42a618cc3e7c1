"""Paper B's scheduling experiment (section VI.C): Figs. 6 and 7, what lies beyond them, and the way of a training.

Each stage takes the settings of the study, the root of all randomness, and the number of processes, which changes no
result.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from pydantic import PositiveFloat

from edgeresearch.config import SchedulingStudy
from edgeresearch.emulator import results
from edgeresearch.emulator.api import Scenario, compare_policies, simulate
from edgeresearch.emulator.network import Mesh
from edgeresearch.emulator.policies import NodeView
from edgeresearch.emulator.settings import TrainingCost
from edgeresearch.emulator.testbed import Churn, Rate
from edgeresearch.errors import check_known
from edgeresearch.io import atomic, write_csv
from edgeresearch.papers.fit_b import Value, adjust
from edgeresearch.papers.limit_adaptation import limits
from edgeresearch.scheduling.los import LOS
from edgeresearch.scheduling.messages import Availability, Decision, Reason, Request
from edgeresearch.scheduling.runtime_model import JobHistory
from edgeresearch.scheduling.settings import Limits
from edgeresearch.stats import by

Compare = Callable[..., tuple[pd.DataFrame, pd.DataFrame]]
"""`compare_policies` with all but the scenario given."""

TRIGGERS = "data/processed/los/triggers.parquet"
TABLES = "reports/tables/los"
MEASURED_POLICIES = ("los", "in_situ", "cloud")
"""What is run on measured training costs."""

AS_CHOSEN = "as chosen"
"""The row of `choices` in which nothing is changed."""

CHOICES: Mapping[str, Mapping[str, Value]] = {
    AS_CHOSEN: {},
    "limits by the period": {"rule": "period"},
    "hop limit 3": {"hop_limit": 3},
    "hop limit 4": {"hop_limit": 4},
    "hand over to the closest": {"infeasible": "closest"},
    "hand over to the best fit": {"infeasible": "best_fit"},
    "pass over tried nodes": {"skip_visited": True},
    "sender's limit binds": {"sender_limit_binds": True},
    "receiver sets the limit": {"sender_limit_binds": False},
    "model after 1 run": {"min_runs": 1},
    "model after 3 runs": {"min_runs": 3},
    "gateway edge-1": {"gateway": "edge-1"},
    "gateway edge-3": {"gateway": "edge-3"},
    "gateway edge-5": {"gateway": "edge-5"},
    "gateway sees all of the fog": {"upward": "all"},
    "1,000 samples at 200 to 800 ms": {"trigger": "samples"},
}
"""Every choice where the paper is silent or contradicts itself, by what it says; some are what was chosen."""

FACTORS = (0.7, 1.3)
"""Factors by which `vary_choices` scales each number."""
NUMBERS = ("work", "noise", "interval", "floor", "sway", "sway_period", "d", "monitor")

SMALL = {
    **dict.fromkeys(("job", "repeat", "streams", "node"), "int16"),
    **dict.fromkeys(("limit", "seconds", "complete", "period"), "float32"),
    **dict.fromkeys(("policy", "layer", "end", "reason"), "category"),
    "hops": "int8",
}
"""Types of the triggers' columns as they are kept."""


def scheduling(study: SchedulingStudy, *, seed: int, workers: int = 1) -> dict[str, pd.DataFrame]:
    """Run every number of streams with every policy, and LOS under both readings of the trigger rate.

    Returns:
        `rows`: one row per trigger. `drops`, `reasons`, `layers`: shares of all triggers (`results.shares_by`). `hops`:
        for each `reading` of Fig. 6. `traffic`: `messages` and `megabytes` per node and hour by `policy`, `streams` and
        `kind`, with 95 % intervals over repeats; kinds are those of `results.traffic`, where samples are counted once,
        however far they go, and two more ways to count those: `carried`, once on every link of their way, and
        `leaving`, if their training ran in another layer than that of their stream. `triggers`: of LOS by `trigger`,
        the reading, `streams` and `repeat`, how many there were and how many were dropped. `handovers`: of LOS by
        `sender` (whether the limit that the sender planned with binds the receiver), `streams` and `hops` the `percent`
        of attempts that were handed over so often, or, without `hops`, of triggers that were dropped, `low`, `high`.
    """
    scenario, compare = Scenario.of(study), _experiment(study, seed, workers)
    rows, traffic = compare(scenario, policies=study.policies)
    counts = {}
    for trigger in ("period", "samples"):
        of_los, _ = compare(adjust(scenario, {"trigger": trigger}))
        ends = of_los["end"].eq("dropped").groupby([of_los["streams"], of_los["repeat"]])
        counts[trigger] = ends.agg(triggers="size", dropped="sum").reset_index().assign(hours=study.hours)
    readings = get_args(results.Reading)
    return {
        "rows": rows,
        "drops": results.drop_rates(rows),
        "hops": _labelled("reading", {reading: results.hop_shares(rows, reading) for reading in readings}),
        "reasons": results.shares_by(rows, "reason"),
        "layers": results.shares_by(rows, "layer"),
        "traffic": _sent(rows, traffic, scenario, hours=study.hours),
        "triggers": _labelled("trigger", counts),
        "handovers": _handovers(scenario, compare),
    }


def _handovers(scenario: Scenario, compare: Compare) -> pd.DataFrame:
    """Run LOS under both readings of "Optimize resource limits; return best-fit" (Paper B, Algorithm 1)."""
    tables = {}
    for sender in (False, True):
        rows, _ = compare(adjust(scenario, {"sender_limit_binds": sender}))
        drops = results.drop_rates(rows).rename(columns={"drop_percent": "percent"})
        shares = results.hop_shares(rows, "attempts").rename(columns={"share_percent": "percent"})
        both = pd.concat([drops, shares.astype({"hops": "Int64"})])
        tables[sender] = both[["streams", "hops", "percent", "low", "high"]]
    return _labelled("sender", tables)


def _sent(rows: pd.DataFrame, traffic: pd.DataFrame, scenario: Scenario, *, hours: float) -> pd.DataFrame:
    """Return what each node sends per hour, from one row per trigger and one per run."""
    rule = scenario.testbed.stream_rule
    size, home = (rule.megabytes, rule.layer) if rule else (0.0, "")
    share = size / hours / sum(len(layer.members) for layer in scenario.testbed.layers)
    keys = ["policy", "streams", "repeat"]
    tables = [
        traffic[keys].assign(kind=kind, messages=traffic[kind], megabytes=traffic[f"{kind[:-1]}_megabytes"])
        for kind in results.MESSAGES
    ]
    tables.append(traffic[keys].assign(kind="samples", megabytes=traffic["sample_megabytes"]))
    ran = rows[rows["end"] == "finished"]
    counts = ran.assign(carried=ran["hops"], leaving=ran["layer"] != home).groupby(keys)[["carried", "leaving"]].sum()
    counts = counts.reindex(pd.MultiIndex.from_frame(traffic[keys]), fill_value=0)
    for kind in ("carried", "leaving"):
        tables.append(traffic[keys].assign(kind=kind, megabytes=share * counts[kind].to_numpy(dtype=float)))
    return by(pd.concat(tables, ignore_index=True), [*keys[:2], "kind"], ["messages", "megabytes"])


def sweep(study: SchedulingStudy, *, seed: int, workers: int = 1) -> dict[str, pd.DataFrame]:
    """Vary how old views are, how many gateways there are, who comes and goes, and every choice that was made.

    Returns:
        `staleness`, `gateways`, `churn`, `choices`: see `run_los`.
    """
    scenario, sweeps = Scenario.of(study), study.sweeps
    varied = {
        "staleness": {f"{seconds:g}": replace(scenario, interval=seconds) for seconds in sweeps.intervals},
        "gateways": vary_gateways(scenario, sweeps.gateways),
        "churn": vary_churn(scenario, sweeps.stays, sweeps.away),
        "choices": vary_choices(scenario),
    }
    compare = _experiment(study.replace(streams=sweeps.streams), seed, workers)
    return {name: run_los(each, compare) for name, each in varied.items()}


def run_los(scenarios: Mapping[str, Scenario], compare: Compare) -> pd.DataFrame:
    """Run LOS in several scenarios on the same streams and noise.

    Args:
        scenarios: By what they are called.
        compare: Runs LOS on a scenario.

    Returns:
        One row per scenario and number of streams: `value` (what it is called), `streams`, `drop_percent`, `low`,
        `high`, `lost_percent` (trainings whose node left), `one`, `two`, `three` (share of attempts by hops),
        `triggers`.
    """
    tables = {}
    for name, scenario in scenarios.items():
        rows, _ = compare(scenario)
        table = results.drop_rates(rows).drop(columns="policy").set_index("streams")
        table["lost_percent"] = 100 * rows["end"].eq("lost").groupby(rows["streams"]).mean()
        depth = results.hop_shares(rows, "attempts").pivot(index="streams", columns="hops", values="share_percent")
        for number, word in enumerate(("one", "two", "three"), start=1):
            table[word] = depth[number] if number in depth else 0.0
        table["triggers"] = rows.groupby("streams").size()
        tables[name] = table.reset_index()
    return _labelled("value", tables)


def vary_gateways(scenario: Scenario, counts: Sequence[int]) -> dict[str, Scenario]:
    """Return scenarios with so many gateways from the edge upwards; the paper conjectures that more of them help."""
    return {str(count): replace(scenario, testbed=scenario.testbed.with_gateways("edge", count)) for count in counts}


def vary_churn(scenario: Scenario, stays: Sequence[float], away: float) -> dict[str, Scenario]:
    """Return scenarios whose edge nodes come and go; the first has none that do.

    Args:
        scenario: What stays.
        stays: Mean times in the mesh, in seconds.
        away: Mean time away, in seconds.
    """
    churns = {"no churn": Churn()}
    churns |= {f"{each:g}": Churn(rates=(Rate(layer="edge", stays=each, away=away),)) for each in stays}
    testbeds = {name: scenario.testbed.model_copy(update={"churn": churn}) for name, churn in churns.items()}
    return {name: replace(scenario, testbed=testbed) for name, testbed in testbeds.items()}


def vary_choices(scenario: Scenario) -> dict[str, Scenario]:
    """Return a scenario for each of `CHOICES`, and for each of `NUMBERS` at each of `FACTORS`."""
    edge, rule = scenario.testbed.layers[0], scenario.testbed.stream_rule
    now = {"work": rule.work if rule else 1.0, "interval": scenario.interval, "floor": scenario.limits.floor}
    now |= {name: getattr(scenario.training_cost, name) for name in ("noise", "d", "monitor")}
    now |= {"sway": edge.sway, "sway_period": edge.sway_period[0]}
    varied = {name: adjust(scenario, settings) for name, settings in CHOICES.items()}
    for name in NUMBERS:
        varied |= {f"{name} x {factor:g}": adjust(scenario, {name: factor * now[name]}) for factor in FACTORS}
    return varied


class MeasuredCost(TrainingCost):
    """A training cost whose a, b, c, d and noise were measured by `edgeresearch calibrate`.

    The fitted curve is what Paper B's published numbers ask for; a measured one is what trainings took when they were
    calibrated, on one machine.

    Attributes:
        measured: Which model, and in which file.
        sampled: Smallest and largest limit that was measured, in millicores.
    """

    measured: str
    sampled: tuple[PositiveFloat, PositiveFloat]

    def describe(self, limits: Limits) -> str:
        """Return in a line what was measured, and whether limits go beyond it."""
        low, high = self.sampled
        line = (
            f"training cost: {self.measured}, t = {self.a:.4g} (R + {self.b:.4g})^-{self.c:.4g} + {self.d:.3g} s, "
            f"noise {self.noise:.2g}, from {low:g} to {high:g} millicores"
        )
        if limits.floor < low or limits.ceiling > high:
            line += f"; limits go from {limits.floor:g} to {limits.ceiling:g}, where it extrapolates"
        return line


def measured_cost(path: str | Path, model: str = "lstm", base: TrainingCost | None = None) -> MeasuredCost:
    """Read eq. 1 and the noise around it from a measurement; container and monitoring stay as they are set.

    Args:
        path: A file such as `data/calibration.json`.
        model: Whose trainings all streams have: `lstm` or `autoencoder`.
        base: What stays; the study's if None.

    Raises:
        InputError: The file is missing or no calibration, or has no such model.
    """
    models = _measured_models(path)
    check_known(f"model in {path}:", model, models)
    fit = models[model]
    kept = {name: getattr(base or TrainingCost(), name) for name in ("monitor", "start", "stop")}
    about: Any = {"measured": f"{model} as measured in {path}", "sampled": (fit.sampled.low, fit.sampled.high)}
    return MeasuredCost(**fit.curve.model_dump(), noise=fit.noise, **kept, **about)


def emulate_measured(
    study: SchedulingStudy, *, truth: str | Path, seed: int, workers: int = 1
) -> dict[str, pd.DataFrame]:
    """Run Fig. 7 with the measured trainings of each model, on the meshes, streams and noise of `scheduling`.

    Returns:
        `measured`: `model`, `policy`, `streams`, `drop_percent`, `low`, `high`, and `seconds`: t_job of those that ran,
        on average.

    Raises:
        InputError: The file `truth` is missing or no calibration, or the settings do not fit the testbed.
    """
    compare, keys, tables = _experiment(study, seed, workers), ["policy", "streams"], {}
    for model in _measured_models(truth):
        cost = measured_cost(truth, model, study.training_cost)
        rows, _ = compare(Scenario.of(study.replace(training_cost=cost)), policies=MEASURED_POLICIES)
        ran = rows[rows["end"] == "finished"].groupby(keys)["seconds"].mean()
        tables[model] = results.drop_rates(rows).merge(ran, how="left", left_on=keys, right_index=True)
    return {"measured": _labelled("model", tables)}


STAGES: Mapping[str, Callable[..., dict[str, pd.DataFrame]]] = {
    "limits": limits,
    "scheduling": scheduling,
    "sweeps": sweep,
    "measured": emulate_measured,
}
"""What computes each stage."""


def write(
    name: str, study: SchedulingStudy, *, seed: int, workers: int = 1, out: str | Path = ".", **options: Any
) -> dict[str, pd.DataFrame]:
    """Run a stage and write its tables; the same settings give the same bytes.

    Args:
        name: One of `STAGES`.
        study: Settings.
        seed: Root of all randomness.
        workers: Processes.
        out: Project folder, which gets `reports/tables/los/` and, of scheduling, all triggers under `data/processed/`.
        **options: Of the stage: `truth`, the file of `measured`.

    Raises:
        InputError: There is no such stage, the settings do not fit the testbed, or a file cannot be written.
    """
    check_known("stage", name, STAGES)
    tables = STAGES[name](study, seed=seed, workers=workers, **options)
    for what, table in tables.items():
        if what == "rows":
            with atomic(Path(out) / TRIGGERS) as draft:
                table.astype(SMALL).to_parquet(draft, index=False, compression="zstd")
        else:
            write_csv(table, Path(out) / TABLES / f"{what}.csv")
    return tables


def _measured_models(path: str | Path) -> Mapping[str, Any]:
    from edgeresearch.profiling import training_cost  # late: no other stage depends on how trainings are measured

    return training_cost.read(path).models


def _experiment(study: SchedulingStudy, seed: int, workers: int) -> Compare:
    """Return what runs the study's experiment on a scenario: with LOS, unless policies are named."""
    size: Any = {"streams": study.streams, "repeats": study.repeats, "hours": study.hours}
    return partial(compare_policies, policies=["los"], **size, seed=seed, workers=workers)


def _labelled(name: str, tables: Mapping[Any, pd.DataFrame]) -> pd.DataFrame:
    """Return tables one below the other, with the key of each in a first column."""
    table: pd.DataFrame = pd.concat(tables, names=[name]).droplevel(1).reset_index()
    return table


@dataclass(frozen=True)
class TraceStep:
    """One decision on the way of a training (Paper B, Fig. 2).

    Attributes:
        time: When, in seconds.
        request: On what.
        here: The node's own state.
        seen: What its neighbours had published, as the node knew it.
        true: Their true states at that moment, which the node did not know.
        decision: What it did, and why.
    """

    time: float
    request: Request
    here: Availability
    seen: Sequence[Availability]
    true: Sequence[Availability]
    decision: Decision


@dataclass(frozen=True)
class PlacementTrace:
    """The way of a trigger to the node that ran it.

    Attributes:
        mesh: Where it went.
        steps: The decisions on it, one after another; the last one ran it.
        history: Of its job at the end of the run.
    """

    mesh: Mesh
    steps: Sequence[TraceStep]
    history: JobHistory

    @property
    def misled(self) -> bool:
        """Whether a node handed it over to one that seemed to have room and had none."""
        pairs = zip(self.steps, self.steps[1:], strict=False)
        return any(one.decision.reason == Reason.FEASIBLE and not two.decision.run for one, two in pairs)


class TracingLOS(LOS):
    """LOS, and a record of what it saw at every decision, by trigger."""

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self.traces: list[list[TraceStep]] = []

    def decide(self, request: Request, view: NodeView) -> Decision:  # type: ignore[override]
        """Return what LOS does."""
        seen = view.neighbours()
        decision = super().decide(request, view)
        true = [view.true_state(each.node) for each in seen]
        if not request.tried:
            self.traces.append([])
        self.traces[-1].append(TraceStep(view.time, request, view.here(), seen, true, decision))
        return decision


def placement_traces(
    scenario: Scenario, *, streams: int, hours: float, seed: np.random.SeedSequence
) -> list[PlacementTrace]:
    """Run LOS once, as `simulate` does, and return the way of every trigger that found a node, in order."""
    policy = TracingLOS(scenario.rules, scenario.limits, scenario.fitting)
    outcome = simulate(scenario, policy, hours=hours, seed=seed, streams=streams)
    ran: Any = outcome.policy  # a copy of it
    placed = [steps for steps in ran.traces if steps[-1].decision.run]
    return [PlacementTrace(outcome.mesh, steps, ran.history(steps[0].request.job)) for steps in placed]


def most_informative(traces: Sequence[PlacementTrace], *, hops: int = 2) -> PlacementTrace | None:
    """Return the first trace with at least `hops` hand-overs that an old view had misled, else the first with so many.

    None if there is none.
    """
    far = [trace for trace in traces if trace.steps[-1].request.hops >= hops]
    return next((trace for trace in far if trace.misled), far[0] if far else None)
