"""Every detector on Aarhus sensors with injected anomalies, sensor by sensor and pooled (Paper B, section VI.A).

A detector sees the values of a stream alone. Labels come into play when its alarms are there.
"""

import itertools
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from joblib import delayed

from edgeresearch import parallel
from edgeresearch.anomaly.detectors import ECOD, Detector, HalfSpaceTrees, LastValue, RobustZ
from edgeresearch.anomaly.evaluation import (
    Injected,
    Scores,
    apply_threshold,
    best_event_f1,
    inject,
    run_prequential,
    score,
    score_prequential,
    training_rows,
)
from edgeresearch.anomaly.identity import Array, Identity, Mask, Scale
from edgeresearch.anomaly.thresholds import Threshold
from edgeresearch.config import AnomalyStudy, DetectorName
from edgeresearch.data import datasets
from edgeresearch.data.trace import Trace
from edgeresearch.errors import InputError
from edgeresearch.io import write_csv
from edgeresearch.stats import by, interval

Kind = Literal["traffic", "pollution"]
TABLES = Path("reports") / "tables"
POOLED = "pooled"
"""What stands for a sensor in the rows of all sensors of a kind together."""

IFTM: Mapping[str, tuple[str, str]] = {
    f"iftm_{identity}_{threshold}": (identity, threshold)
    for identity, threshold in itertools.product(("lstm", "autoencoder"), ("ema", "quantile"))
}
"""Identity function and threshold of Paper B's detectors."""
PACKAGES: Mapping[str, str] = {"ecod": "pyod"}
"""What a detector needs besides this package and its dependencies: it comes with the extra `detectors`."""
DETECTORS: tuple[str, ...] = get_args(DetectorName)
METRICS = (*(name for name in Scores._fields if name != "events"), "event_f1_best")
"""Columns of results: those of `Scores`, `delay` in minutes, and `best_event_f1`."""
COMPARED = ("event_f1", "event_f1_best", "auc_pr")
"""What is compared pairwise: the result, and two that no threshold has a part in."""
_MINUTES = 60.0


class DetectorOutput(NamedTuple):
    """Scores and alarms of a detector on the stretch after the first training, `(samples,)`."""

    scores: Array
    alarms: Mask


class DetectionTables(NamedTuple):
    """Results of the experiment.

    Attributes:
        table: One row per sensor and detector, and pooled ones (see `summarize`).
        kinds: Share of the events of each kind that a detector found (see `detected_by_kind`).
        pairs: IFTM's detectors less the others, stream by stream (see `paired_differences`).
    """

    table: pd.DataFrame
    kinds: pd.DataFrame
    pairs: pd.DataFrame


def compare_detectors(
    folder: str | Path | None, study: AnomalyStudy, *, seed: int, workers: int = 1
) -> DetectionTables:
    """Run every detector on the first sensors of both kinds, with as many draws of anomalies as there are seeds.

    Args:
        folder: The data folder that `fetch` filled; if None, sensors as `load_dataset` finds them.
        study: The settings.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.

    Raises:
        InputError: The data is missing, there are fewer sensors or samples, or a detector's package is not installed:
            the tables never depend on what happens to be there.
    """
    for name in study.detectors:
        if name in PACKAGES and find_spec(PACKAGES[name]) is None:
            raise InputError(
                f"the detector {name} needs {PACKAGES[name]}, which is not installed; pip install "
                "'edgeresearch[detectors]', or leave it out of the setting anomaly.detectors"
            )
    tasks = []
    for kind in get_args(Kind):
        for trace in datasets.load_sensors(folder, kind, study.sensors):
            tasks += [delayed(_score_stream)(trace, kind, repeat, study, seed) for repeat in range(study.seeds)]
    parts = parallel.run(tasks, workers)
    rows, events = (pd.concat([part[i] for part in parts], ignore_index=True) for i in (0, 1))
    return DetectionTables(summarize(rows), detected_by_kind(events), paired_differences(rows))


def write_tables(tables: NamedTuple, name: str, out: str | Path = ".") -> None:
    """Write the tables of an experiment as `NAME.csv`, `NAME_kinds.csv`, … under `reports/tables/` of a project folder.

    The same settings give the same bytes.

    Raises:
        InputError: A file cannot be written.
    """
    for field, table in tables._asdict().items():
        write_csv(table, Path(out) / TABLES / f"{name}{'' if field == 'table' else f'_{field}'}.csv")


def run_detectors(
    values: Array, names: Sequence[str], study: AnomalyStudy, seed: np.random.SeedSequence
) -> dict[str, DetectorOutput]:
    """Run detectors on a stream; two that differ in their threshold alone share one identity function.

    Args:
        values: `(samples, channels)`, the training samples first.
        names: Some of `DETECTORS`.
        study: The settings.
        seed: Of the trainings.
    """
    thresholds: dict[str, Threshold] = {"ema": study.ema, "quantile": study.quantile}
    identities: dict[str, Identity] = {"lstm": study.lstm, "autoencoder": study.autoencoder}
    outputs: dict[str, DetectorOutput] = {}
    errors: dict[str, tuple[Array, tuple[int, ...]]] = {}
    for name in names:
        if name in IFTM:
            identity, threshold = IFTM[name]
            if identity not in errors:
                errors[identity] = score_prequential(identities[identity], values, schedule=study, seed=seed)
            scored = apply_threshold(*errors[identity], thresholds[threshold])
        else:
            baseline = make_baseline(name, study, int(seed.generate_state(1)[0]))
            scored = run_prequential(baseline, values, schedule=study, refit=name == "ecod")
        outputs[name] = DetectorOutput(scored.scores[scored.cuts[0] :], scored.alarms[scored.cuts[0] :])
    return outputs


def summarize(rows: pd.DataFrame) -> pd.DataFrame:
    """Return means with 95 % intervals (Student's t; NaN for a single value).

    A sensor's interval is over its seeds. In the row `pooled` of a kind a sensor's value is the mean over its seeds,
    and the interval is over the sensors: it speaks of another sensor, not of another seed.

    Args:
        rows: One row per kind, sensor, seed and detector.

    Returns:
        `sensor`, `kind`, `detector`; each of `METRICS`, and it again with `_low` and `_high`; `events` in all,
        `sensors` and `seeds`.
    """
    units, values = ["kind", "sensor", "detector"], list(METRICS)
    groups = rows.groupby(units, sort=False)
    events, seeds = groups["events"].sum().to_numpy(), groups["seed"].nunique().to_numpy()
    alone = by(rows, units, values).assign(events=events, sensors=1, seeds=seeds)
    means = groups[values].mean().reset_index().assign(events=events, seeds=seeds)
    pooled = by(means, units[::2], values).assign(sensor=POOLED)
    counts = means.groupby(units[::2], sort=False)
    pooled["events"], pooled["sensors"] = counts["events"].sum().to_numpy(), counts.size().to_numpy()
    pooled["seeds"] = counts["seeds"].max().to_numpy()
    return pd.concat([alone, pooled], ignore_index=True)[["sensor", "kind", *alone.columns[2:]]]


def paired_differences(rows: pd.DataFrame) -> pd.DataFrame:
    """Return paired differences: a detector of IFTM less another one on the same streams, with the same anomalies.

    Args:
        rows: One row per kind, sensor, seed and detector.

    Returns:
        `kind`, `detector`, `other`, `metric` (each of `COMPARED`), `difference`, `low`, `high` (95 % over sensors, each
        the mean over its seeds), `sensors`.
    """
    table = []
    for kind, part in rows.groupby("kind", sort=False):
        means = part.groupby(["detector", "sensor"], sort=False)[list(COMPARED)].mean()
        names = list(dict.fromkeys(part["detector"]))
        for one, other in itertools.product(names, names):
            if one in IFTM and other not in IFTM:
                gaps = means.loc[one] - means.loc[other]
                for name in COMPARED:
                    table.append((kind, one, other, name, *interval(gaps[name]), len(gaps)))
    return pd.DataFrame(table, columns=["kind", "detector", "other", "metric", "difference", "low", "high", "sensors"])


def detected_by_kind(events: pd.DataFrame) -> pd.DataFrame:
    """Return `kind` of the stream, `detector`, `anomaly`; the share `detected` of its `events` over all sensors.

    Args:
        events: One row per event and detector, with whether it was `detected`.
    """
    parts = events.groupby(["kind", "detector", "anomaly"], sort=False)["detected"]
    return parts.agg(detected="mean", events="size").reset_index()


def draw_stream(
    trace: Trace, kind: Kind, repeat: int, study: AnomalyStudy, seed: int
) -> tuple[Array, Injected, np.random.SeedSequence]:
    """Put anomalies into a trace behind its training samples; another sensor, kind or repeat is another stream.

    Returns:
        All values, `(samples, channels)`; what was injected into those behind the training samples; and the seed of the
        trainings on them.
    """
    sensor = int(trace.name.removeprefix(f"{kind}_"))
    placing, training = np.random.SeedSequence([seed, get_args(Kind).index(kind), sensor, repeat]).spawn(2)
    values = trace.frame.to_numpy(dtype=np.float64)
    cut = training_rows(values, study)[0]
    clean, rest = values[:cut], values[cut : cut + study.samples]
    if len(rest) < study.samples:
        raise InputError(f"{trace.name} has {len(rest)} samples behind the training, not {study.samples}")
    rng, spread = np.random.default_rng(placing), Scale.fit(clean).spread
    injected = inject(rest, rng, spread=spread, floor=0.0, plan=study.injection)
    return np.vstack([clean, injected.values]), injected, training


def make_baseline(name: str, study: AnomalyStudy, seed: int) -> Detector:
    """Return a baseline with the threshold that is usual for it."""
    if name == "robust_z":
        return RobustZ()
    if name == "half_space_trees":
        return HalfSpaceTrees(threshold=study.quantile.replace(factor=1.0), random_state=seed)
    return LastValue(study.ema) if name == "last_value" else ECOD(study.ema)


def _score_stream(
    trace: Trace, kind: Kind, repeat: int, study: AnomalyStudy, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the scores of every detector on one stream, and which events each found."""
    values, injected, training = draw_stream(trace, kind, repeat, study, seed)
    about = {"kind": kind, "sensor": trace.name.removeprefix(f"{kind}_"), "seed": repeat}
    rows, events = [], []
    for name, output in run_detectors(values, study.detectors, study, training).items():
        scores = score(injected.labels, output.scores, output.alarms, interval=trace.step.total_seconds())
        best = best_event_f1(injected.labels, output.scores)
        metrics = {**scores._asdict(), "delay": scores.delay / _MINUTES, "event_f1_best": best}
        rows.append({**about, "detector": name, **metrics})
        for event in injected.events:
            hit = bool(output.alarms[event.begin : event.end].any())
            events.append({**about, "detector": name, "anomaly": event.kind, "detected": hit})
    return pd.DataFrame(rows), pd.DataFrame(events)
