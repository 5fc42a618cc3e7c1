"""What dropped trainings do to detection: sensors follow the trainings of emulated streams under every policy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import delayed
from pyarrow import BufferReader
from pyarrow.parquet import ParquetFile

from edgeresearch import parallel
from edgeresearch.anomaly.evaluation import (
    ModelUse,
    count_false_alarms,
    event_f1,
    follow_models,
    inject,
    make_training,
    newest_samples,
    score,
    select_errors,
    train_versions,
    training_rows,
)
from edgeresearch.anomaly.identity import Array, Mask, Scale
from edgeresearch.anomaly.thresholds import Threshold, threshold_levels
from edgeresearch.config import AnomalyStudy
from edgeresearch.data import datasets
from edgeresearch.data.trace import Trace
from edgeresearch.errors import InputError
from edgeresearch.stats import by, interval

WHO = ["data", "threshold", "policy", "streams"]
"""Columns that say whose row it is."""
UNIT = ["sensor", "seed"]
"""Columns that say on which stream."""
COLUMNS = ("policy", "streams", "repeat", "job", "time", "end", "complete", "period")
"""What is read of the emulator's triggers."""


class Cell(NamedTuple):
    """Whose trainings they were.

    Attributes:
        policy: That placed them.
        streams: How many streams there were; 0 where no policy decides.
    """

    policy: str
    streams: int


Outcomes = tuple[float | None, ...]
"""What became of a stream's trainings but its first: samples until the model was there, None where there was none."""

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
COURSE = ("event_f1", "false_alarms_per_day", "mean_age")
MAIN = "ema"
"""The threshold that every policy is run with."""
BOTH = frozenset({*(cell.policy for cell in BOUNDS), "los", "in_situ"})
"""Those that are run with both thresholds: what Paper B compares, and what no policy decides."""
_DAY, _MINUTE = 86400.0, 60.0


class StalenessTables(NamedTuple):
    """Results of the experiment; `real` in each table says whether all streams are the published files.

    Attributes:
        table: One row per `data`, `threshold`, `policy` and `streams` (0 where no policy decides): `drop_percent`, of
            the trainings after the first; `mean_age` of the model in use, in samples since those that it was trained
            on; `METRICS`, `delay` in minutes, each with its interval (that of `event_f1` is `low` and `high`).
        course: The same by `block` of so many samples after the first training, in order, from 1: `COURSE`.
        pairs: Paired differences (see `policy_differences`).
    """

    table: pd.DataFrame
    course: pd.DataFrame
    pairs: pd.DataFrame


def measure_staleness(
    folder: str | Path | None, study: AnomalyStudy, triggers: pd.DataFrame, *, seed: int, workers: int = 1
) -> StalenessTables:
    """Let sensors follow emulated streams under every policy that was emulated, and under none.

    Args:
        folder: The data folder that `fetch` filled; if None, sensors as `load_dataset` finds them.
        study: The settings.
        triggers: See `read_triggers`.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.

    Raises:
        InputError: The data is missing, or there are fewer sensors or samples.
    """
    if study.every is None:
        raise InputError("anomaly.every is null; staleness needs the samples between two trainings")
    wanted, cells = study.staleness, emulated_outcomes(triggers, every=study.every)
    tasks, traces = [], datasets.load_sensors(folder, "traffic", wanted.sensors)
    for trace in traces:
        for repeat in range(wanted.seeds):
            choosing, _, _ = scenario_seeds(trace, repeat, seed)
            chosen = draw_outcomes(cells, np.random.default_rng(choosing))
            kinds = (TRAFFIC, CONTROL) if repeat < wanted.control_seeds else (TRAFFIC,)
            tasks += [delayed(_score_stream)(trace, repeat, data, chosen, study, seed) for data in kinds]
    parts = parallel.run(tasks, workers)
    rows, blocks = (pd.concat([part[i] for part in parts], ignore_index=True) for i in (0, 1))
    table = mean_over_sensors(rows, [*USAGE, *METRICS]).rename(columns={"event_f1_low": "low", "event_f1_high": "high"})
    course = mean_over_sensors(blocks, COURSE, ["block"]).drop(columns=["sensors", "seeds"])
    real = all(trace.origin.real for trace in traces)
    return StalenessTables(*(each.assign(real=real) for each in (table, course, policy_differences(rows))))


def mean_over_sensors(rows: pd.DataFrame, metrics: Sequence[str], more: Sequence[str] = ()) -> pd.DataFrame:
    """Return each metric's mean over the sensors, and again with `_low` and `_high`; `sensors` and `seeds`.

    Args:
        rows: One row per `WHO`, `UNIT` and what `more` names.
        metrics: Columns of numbers; repeats without a value are left out.
        more: Further columns that distinguish rows, such as `block`.
    """
    keys = [*WHO, *more]
    means = rows.groupby([*keys, "sensor"], sort=False)[list(metrics)].mean().reset_index()
    sensors, seeds = means.groupby(keys, sort=False).size(), rows.groupby(keys, sort=False)["seed"].nunique()
    return by(means, keys, metrics).assign(sensors=sensors.to_numpy(), seeds=seeds.to_numpy())


def policy_differences(rows: pd.DataFrame, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """Return paired differences: one policy minus another on the same stream, with the same anomalies and seeds.

    Args:
        rows: One row per `WHO` and `UNIT`; of `PAIRS`, those are left out whose policies are not there.
        metrics: Columns of numbers.

    Returns:
        `data`, `threshold`, `contrast`, `streams` (those of the policy, where one of `BOUNDS` is compared with it),
        `metric`, `difference`, `low`, `high`, `sensors`, `pairs`.
    """
    bounds, table = {cell.policy for cell in BOUNDS}, []
    for (data, threshold), part in rows.groupby(["data", "threshold"], sort=False):
        for one, other in PAIRS:
            mine, theirs = part[part["policy"] == one], part[part["policy"] == other]
            shared = UNIT if bounds & {one, other} else [*UNIT, "streams"]
            both = mine.merge(theirs, on=shared, suffixes=("", "_other"))
            if "streams_other" in both and one in bounds:
                both["streams"] = both["streams_other"]
            for streams, pair in both.groupby("streams"):
                for name in metrics:
                    gap = (pair[name] - pair[f"{name}_other"]).groupby(pair["sensor"]).mean()
                    who = (data, threshold, f"{one} - {other}", streams, name)
                    table.append((*who, *interval(gap), len(gap), len(pair)))
    columns = ["data", "threshold", "contrast", "streams", "metric", "difference", "low", "high", "sensors", "pairs"]
    return pd.DataFrame(table, columns=columns)


def read_triggers(path: str | Path) -> pd.DataFrame:
    """Read the triggers that `edgeresearch emulate scheduling` wrote.

    Raises:
        InputError: The file is missing or no table of triggers.
    """
    make = "make it with 'edgeresearch emulate scheduling'"
    if not Path(path).is_file():
        raise InputError(f"no file {path}; {make}")
    try:
        stored = ParquetFile(BufferReader(Path(path).read_bytes()))  # no threads: workers can be copies of this process
        frame: pd.DataFrame = stored.read(use_threads=False).to_pandas(use_threads=False)[list(COLUMNS)]
        return frame
    except (OSError, ValueError, KeyError) as error:  # not readable, no parquet, or a column that is not there
        raise InputError(f"{path} holds no triggers: {error}; {make}") from error


def emulated_outcomes(triggers: pd.DataFrame, *, every: int) -> dict[Cell, list[Outcomes]]:
    """Return what became of the trainings of each emulated stream, those of all repeats one after the other.

    Args:
        triggers: One row per trigger, with `COLUMNS`; times in seconds.
        every: Samples for each trigger.

    Raises:
        InputError: There is no trigger.
    """
    if triggers.empty:
        raise InputError("there is no trigger; emulate more hours")
    ordered = triggers.sort_values(["repeat", "job", "time"], kind="stable")
    share = (ordered["complete"] / ordered["period"]).astype(np.float64).where(ordered["end"].eq("finished").to_numpy())
    keyed = ordered.assign(samples=every * share, policy=ordered["policy"].astype(str))
    outcomes: dict[Cell, list[Outcomes]] = {}
    parts: Any = keyed.groupby(["policy", "streams", "repeat", "job"], sort=False)["samples"]
    for (policy, streams, *_), part in parts:
        stream = tuple(None if np.isnan(value) else value for value in part.tolist())
        outcomes.setdefault(Cell(policy, int(streams)), []).append(stream)
    return outcomes


def draw_outcomes(cells: Mapping[Cell, Sequence[Outcomes]], rng: np.random.Generator) -> dict[Cell, Outcomes]:
    """Return one emulated stream of each cell, starting at a training that is drawn, too, and wrapping round.

    Two numbers are drawn for all cells, so policies with equally many streams are compared on the same emulated stream
    at the same time.
    """
    stream, begin = rng.random(2)
    chosen = {cell: streams[int(stream * len(streams))] for cell, streams in cells.items()}
    starts = {cell: int(begin * len(own)) for cell, own in chosen.items()}
    return {cell: own[starts[cell] :] + own[: starts[cell]] for cell, own in chosen.items()}


def scenario_seeds(trace: Trace, repeat: int, seed: int) -> list[np.random.SeedSequence]:
    """Return the roots of a sensor's repeat: of the emulated stream that it follows, of anomalies, and of trainings.

    They are the same at every call, so that control and stream share them.
    """
    return np.random.SeedSequence([seed, int(trace.name.rpartition("_")[2]), repeat]).spawn(3)


class DriftScenario(NamedTuple):
    """A stream with anomalies whose gain may drift, and the same without.

    Attributes:
        rows: With anomalies throughout, and with the gain, `(samples, channels)`.
        clean: As it was recorded.
        labels: Samples that belong to an anomaly, `(samples,)`.
        step: Seconds between two samples.
    """

    rows: Array
    clean: Array
    labels: Mask
    step: float


def make_scenario(trace: Trace, rng: np.random.Generator, study: AnomalyStudy, *, gain: float = 1.0) -> DriftScenario:
    """Put anomalies into a sensor's stream, and let its gain drift.

    Sizes of anomalies are in spreads of the first training's samples as they were recorded; the gain begins to drift
    behind them.

    Raises:
        InputError: The stream is shorter than the settings ask for.
    """
    clean, samples = trace.frame.to_numpy(dtype=np.float64), study.staleness.samples
    cut = training_rows(clean, study)[0]
    if samples is not None:
        if len(clean) < cut + samples:
            raise InputError(f"{trace.name} has {len(clean) - cut} samples behind the training, not {samples}")
        clean = clean[: cut + samples]
    injected = inject(clean, rng, spread=Scale.fit(clean[:cut]).spread, floor=0.0, plan=study.injection)
    rows = drift_gain(injected.values, gain, begin=cut)
    return DriftScenario(rows, clean, injected.labels, trace.step.total_seconds())


def drift_gain(rows: Array, gain: float, *, begin: int) -> Array:
    """Return samples whose gain ramps from 1 to `gain`, linearly from the row `begin` to the end.

    A sensor that goes out of calibration, anomalies and all: what is normal moves away from the first model, and an
    anomaly stays as large beside it.
    """
    ramp = np.interp(np.arange(len(rows)), [begin, len(rows) - 1], [1.0, gain])
    return np.asarray(rows * ramp[:, None])


def _score_stream(
    trace: Trace, repeat: int, data: str, outcomes: Mapping[Cell, Outcomes], study: AnomalyStudy, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return how well the anomalies of one stream are detected under every policy: in all, and block by block."""
    _, placing, training = scenario_seeds(trace, repeat, seed)
    gain = study.staleness.gain if data == CONTROL else 1.0
    scenario = make_scenario(trace, np.random.default_rng(placing), study, gain=gain)
    thresholds: dict[str, Threshold] = {MAIN: study.ema, "quantile": study.quantile}
    about = {"sensor": trace.name, "seed": repeat, "data": data}
    bounds = () if data == CONTROL else (CLEAN, WARM) if repeat < study.staleness.warm_seeds else (CLEAN,)
    rows, blocks = [], []
    for cell, (use, errors) in _errors_by_policy(scenario, outcomes, bounds, study, training).items():
        for name in thresholds if cell.policy in BOTH else (MAIN,):
            who = {**about, "threshold": name, **cell._asdict()}
            alarms = errors > threshold_levels(thresholds[name].start(), errors)
            rows.append({**who, **_score_all(scenario, use, errors, alarms)})
            if name == MAIN:
                blocks += [{**who, **block} for block in _score_blocks(scenario, use, alarms, study.staleness.block)]
    return pd.DataFrame(rows), pd.DataFrame(blocks)


def _errors_by_policy(
    scenario: DriftScenario,
    outcomes: Mapping[Cell, Outcomes],
    bounds: Sequence[Cell],
    study: AnomalyStudy,
    seed: np.random.SeedSequence,
) -> dict[Cell, tuple[ModelUse, Array]]:
    """Return which model is in use at each sample, and its errors, for every policy and bound."""
    train = make_training(study.lstm, seed, warm_start=False)
    versions = train_versions(scenario.rows, train, schedule=study)
    followed: dict[Cell, Outcomes] = {NEVER: (None,), ALWAYS: (0.0,), **outcomes}
    uses = {cell: follow_models(scenario.rows, each, schedule=study) for cell, each in followed.items()}
    errors = {cell: (use, select_errors(versions, use)) for cell, use in uses.items()}
    if CLEAN in bounds:
        cut = training_rows(scenario.rows, study)[0]
        alone = train(newest_samples(scenario.clean[:cut], study.train), None, 1)
        errors[CLEAN] = uses[NEVER], alone.start().run(scenario.rows)
    if WARM in bounds:
        go_on = make_training(study.lstm, seed)
        errors[WARM] = uses[ALWAYS], select_errors(train_versions(scenario.rows, go_on, schedule=study), uses[ALWAYS])
    return errors


def _score_all(scenario: DriftScenario, use: ModelUse, errors: Array, alarms: Mask) -> dict[str, float]:
    begin = int(np.argmax(use.age > 0))  # the first row after the first training
    scores = score(scenario.labels[begin:], errors[begin:], alarms[begin:], interval=scenario.step)._asdict()
    scores["delay"] /= _MINUTE
    usage = {"drop_percent": 100 * use.dropped, "mean_age": float(use.age[begin:].mean())}
    return {**usage, **{name: scores[name] for name in METRICS}}


def _score_blocks(scenario: DriftScenario, use: ModelUse, alarms: Mask, block: int) -> list[dict[str, float]]:
    """Return the course; an event on the border of two blocks counts in both, and what is left at the end is no block.

    Blocks have rows with a value or without, so that a block is the same time on every sensor.
    """
    begin, rows = int(np.argmax(use.age > 0)), []
    for number, start in enumerate(range(begin, len(alarms) - block + 1, block), start=1):
        part = slice(start, start + block)
        labels, raised = scenario.labels[part], alarms[part]
        per_day = count_false_alarms(labels, raised) * _DAY / (block * scenario.step)
        f1 = {"block": number, "event_f1": event_f1(labels, raised), "false_alarms_per_day": per_day}
        rows.append({**f1, "mean_age": float(use.age[part].mean())})
    return rows
