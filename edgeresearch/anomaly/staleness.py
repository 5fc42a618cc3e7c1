"""What a dropped training does to detection: the emulator's outcomes on real traffic streams (Paper B, section V.3).

Paper B counts dropped trainings and does not say what they cost. Here each sensor follows an emulated stream: when its
trainings end, and which are dropped, is what became of that stream's trainings under a policy (`outcomes`), and samples
are scored with the model that is in use then (`retraining`). Every policy meets the same streams, anomalies and models.

Anomalies are injected throughout, so that every training, the first one too, has cached samples with anomalies in them,
as in reality nobody takes them out; a first model of clean samples would differ from all later ones in more than age.
Neither trainings nor thresholds see labels. Judged is what follows the first training.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from edgeresearch.anomaly.contrasts import differences, means
from edgeresearch.anomaly.experiment import TABLES
from edgeresearch.anomaly.identity import LSTM
from edgeresearch.anomaly.injection import Injection
from edgeresearch.anomaly.outcomes import Cell, Outcomes, by_cell, cycled, drawn
from edgeresearch.anomaly.retraining import Use, looked_up, used, versions
from edgeresearch.anomaly.samples import Array, Mask, present
from edgeresearch.anomaly.scoring import event_f1, false_alarms, score
from edgeresearch.anomaly.subject import Subject, seeds, subject
from edgeresearch.anomaly.threshold import Moving, Quantile, Threshold, judged
from edgeresearch.anomaly.trainings import always, never, trained_by
from edgeresearch.anomaly.walk import Schedule
from edgeresearch.files import write_csv
from edgeresearch.series import aarhus
from edgeresearch.series.trace import Trace

TRAFFIC, CONTROL = "traffic", "control"
"""Whether a row is of the streams as they are, or of the control: the same with a sensor whose gain drifts."""
NEVER, ALWAYS, CLEAN, WARM = Cell("never", 0), Cell("always", 0), Cell("never_clean", 0), Cell("always_warm", 0)
"""What no policy decides: the first model for ever; every model at once; the first one for ever, trained on samples
without anomalies; every model at once, each trained from the weights of the one before instead of fresh ones."""
BOUNDS = (NEVER, ALWAYS, CLEAN, WARM)
PAIRS = (
    (ALWAYS.policy, NEVER.policy),
    (CLEAN.policy, NEVER.policy),
    (WARM.policy, NEVER.policy),
    (WARM.policy, ALWAYS.policy),
    (ALWAYS.policy, "los"),
    *(("los", other) for other in ("in_situ", "random", "cloud", "least_loaded", "oracle")),
)
"""What is compared, the second taken from the first."""
METRICS = ("event_f1", "point_f1", "auc_pr", "false_alarms_per_day", "detected", "delay")
USAGE = ("drop_percent", "mean_age")
MAIN = "ema"
"""The threshold that every policy is run with."""
BOTH = frozenset({*(cell.policy for cell in BOUNDS), "los", "in_situ"})
"""Those that are run with both thresholds: what Paper B compares, and what no policy decides."""
COURSE = ("event_f1", "false_alarms_per_day", "mean_age")
_DAY, _MINUTE = 86400.0, 60.0


class Found(NamedTuple):
    """Results of the experiment; `real` in each table says whether all streams are the published files.

    Attributes:
        table: One row per `data`, `threshold`, `policy` and `streams` (0 where no policy decides): `drop_percent`, of
            the trainings after the first; `mean_age` of the model in use, in samples since those that it was trained
            on; `METRICS`, `delay` in minutes, each with its interval (that of `event_f1` is `low` and `high`).
        course: The same by `block` of so many samples after the first training, in order, from 1: `COURSE`.
        pairs: Paired differences (see `contrasts.differences`).
    """

    table: pd.DataFrame
    course: pd.DataFrame
    pairs: pd.DataFrame


class _Task(NamedTuple):
    """One stream: a sensor with one draw of anomalies, weights and emulated streams."""

    trace: Trace
    repeat: int
    data: str
    outcomes: Mapping[Cell, Outcomes]
    seed: int


def staleness(folder: str | Path, section: Mapping[str, Any], triggers: pd.DataFrame, *, seed: int) -> Found:
    """Let sensors follow emulated streams under every policy that was emulated, and under none.

    Args:
        folder: The data folder that `fetch` filled.
        section: `anomaly` of the settings as plain values.
        triggers: What the emulator's stage `scheduling` wrote (see `outcomes.read`).
        seed: Root of all randomness.

    Raises:
        InputError: The data is missing, there are fewer sensors or samples, or a setting makes no sense.
    """
    wanted, cells = section["staleness"], by_cell(triggers, every=section["every"])
    Injection(**section["injection"])
    tasks, traces = [], aarhus.first(folder, "traffic", wanted["sensors"])
    for trace in traces:
        for repeat in range(wanted["seeds"]):
            chosen = drawn(cells, np.random.default_rng(seeds(trace, repeat, seed).choosing))
            kinds = (TRAFFIC, CONTROL) if repeat < wanted["control_seeds"] else (TRAFFIC,)
            tasks += [_Task(trace, repeat, data, chosen, seed) for data in kinds]
    parts = Parallel(n_jobs=section["workers"])(delayed(_judged)(task, section) for task in tasks)
    rows, blocks = (pd.concat([part[i] for part in parts], ignore_index=True) for i in (0, 1))
    table = means(rows, [*USAGE, *METRICS]).rename(columns={"event_f1_low": "low", "event_f1_high": "high"})
    course = means(blocks, COURSE, ["block"]).drop(columns=["sensors", "seeds"])
    pairs = differences(rows, PAIRS, METRICS, [cell.policy for cell in BOUNDS])
    real = all(trace.origin.real for trace in traces)
    return Found(table.assign(real=real), course.assign(real=real), pairs.assign(real=real))


def write(
    folder: str | Path, section: Mapping[str, Any], triggers: pd.DataFrame, *, seed: int, out: str | Path = "."
) -> Found:
    """Run `staleness` and write its tables; the same settings and triggers give the same bytes.

    Args:
        folder: The data folder.
        section: `anomaly` of the settings as plain values.
        triggers: What the emulator wrote.
        seed: Root of all randomness.
        out: Project folder, which gets `staleness.csv`, `staleness_course.csv` and `staleness_pairs.csv` under
            `reports/tables/`.

    Raises:
        InputError: As `staleness`, or a file cannot be written.
    """
    found = staleness(folder, section, triggers, seed=seed)
    for name, table in (("", found.table), ("_course", found.course), ("_pairs", found.pairs)):
        write_csv(table, Path(out) / TABLES / f"staleness{name}.csv")
    return found


def _judged(task: _Task, section: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return how well the anomalies of one stream are detected under every policy: in all, and block by block."""
    _, placing, training = seeds(task.trace, task.repeat, task.seed)
    schedule, gain = Schedule(section["train"], section["every"]), section["staleness"]["gain"]
    stream = subject(
        task.trace,
        np.random.default_rng(placing),
        schedule=schedule,
        plan=Injection(**section["injection"]),
        samples=section["staleness"]["samples"],
        gain=gain if task.data == CONTROL else 1.0,
    )
    thresholds: dict[str, Threshold] = {MAIN: Moving(**section["ema"]), "quantile": Quantile(**section["quantile"])}
    about = {"sensor": task.trace.name, "seed": task.repeat, "data": task.data}
    rows, blocks = [], []
    for cell, (use, errors) in _errors(task, section, stream, training, schedule).items():
        for name in thresholds if cell.policy in BOTH else (MAIN,):
            who = {**about, "threshold": name, **cell._asdict()}
            alarms = errors > judged(thresholds[name].start(), errors)
            rows.append({**who, **_whole(stream, use, errors, alarms)})
            if name == MAIN:
                blocks += [{**who, **block} for block in _blocks(stream, use, alarms, section["staleness"]["block"])]
    return pd.DataFrame(rows), pd.DataFrame(blocks)


def _errors(
    task: _Task, section: Mapping[str, Any], stream: Subject, seed: np.random.SeedSequence, schedule: Schedule
) -> dict[Cell, tuple[Use, Array]]:
    """Return which model is in use at each sample, and its errors, for every policy and bound."""
    identity = LSTM(**section["lstm"])
    train = trained_by(identity, seed, warm_start=False, accelerator="cpu")
    found = versions(stream.rows, train, schedule=schedule)
    decisions = {NEVER: never, ALWAYS: always(0.0)}
    decisions |= {cell: cycled(outcomes) for cell, outcomes in task.outcomes.items()}
    uses = {cell: used(stream.rows, decide, schedule=schedule) for cell, decide in decisions.items()}
    errors = {cell: (use, looked_up(found, use)) for cell, use in uses.items()}
    if task.data == TRAFFIC:
        first = stream.clean[: found.cuts[0]]
        alone = train(first[present(first)][-schedule.train :], None, 1)
        errors[CLEAN] = uses[NEVER], alone.start().run(stream.rows)
        if task.repeat < section["staleness"]["warm_seeds"]:
            warm = versions(stream.rows, trained_by(identity, seed, accelerator="cpu"), schedule=schedule)
            errors[WARM] = uses[ALWAYS], looked_up(warm, uses[ALWAYS])
    return errors


def _whole(stream: Subject, use: Use, errors: Array, alarms: Mask) -> dict[str, float]:
    begin = _begin(use)
    scores = score(stream.labels[begin:], errors[begin:], alarms[begin:], interval=stream.step)._asdict()
    scores["delay"] /= _MINUTE
    usage = {"drop_percent": 100 * use.dropped, "mean_age": float(use.age[begin:].mean())}
    return {**usage, **{name: scores[name] for name in METRICS}}


def _blocks(stream: Subject, use: Use, alarms: Mask, block: int) -> list[dict[str, float]]:
    """Return the course; an event on the border of two blocks counts in both, and what is left at the end is no block.

    Blocks have rows with a value or without, so that a block is the same time on every sensor.
    """
    begin, rows = _begin(use), []
    for number, start in enumerate(range(begin, len(alarms) - block + 1, block), start=1):
        part = slice(start, start + block)
        labels, said = stream.labels[part], alarms[part]
        per_day = false_alarms(labels, said) * _DAY / (block * stream.step)
        rows.append(
            {
                **{"block": number, "event_f1": event_f1(labels, said), "false_alarms_per_day": per_day},
                "mean_age": float(use.age[part].mean()),
            }
        )
    return rows


def _begin(use: Use) -> int:
    """Return the first row after the first training."""
    return int(np.argmax(use.age > 0))
