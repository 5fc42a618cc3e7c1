"""Every detector on Aarhus sensors with injected anomalies, sensor by sensor and pooled (Paper B, section VI.A).

A detector sees the values of a stream alone. Labels come into play when its alarms are there.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from joblib import delayed

from edgeresearch import parallel
from edgeresearch.anomaly.base import Array, Mask, Scale
from edgeresearch.anomaly.detectors import ECOD, Detector, HalfSpaceTrees, LastValue, RobustZ
from edgeresearch.anomaly.evaluation import Injected, Injection, Scores, best_event_f1, inject, score
from edgeresearch.anomaly.identity import LSTM, Autoencoder, Identity
from edgeresearch.anomaly.online import Schedule, judge, reconstructed, watched
from edgeresearch.anomaly.thresholds import Moving, Quantile, Threshold
from edgeresearch.data import datasets
from edgeresearch.data.trace import Trace
from edgeresearch.errors import InputError
from edgeresearch.io import write_csv
from edgeresearch.stats import interval, intervals

Kind = Literal["traffic", "pollution"]
TABLES = Path("reports") / "tables"
POOLED = "pooled"
"""What stands for a sensor in the rows of all sensors of a kind together."""

IFTM: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        f"iftm_{identity}_{threshold}": (identity, threshold)
        for identity in ("lstm", "autoencoder")
        for threshold in ("ema", "quantile")
    }
)
"""Identity function and threshold of Paper B's detectors."""
PACKAGES: Mapping[str, str] = MappingProxyType({"ecod": "pyod"})
"""What a detector needs besides this package and its dependencies: it comes with the extra `detectors`."""
DETECTORS = (*IFTM, "robust_z", "last_value", "half_space_trees", *PACKAGES)
METRICS = (*(name for name in Scores._fields if name != "events"), "event_f1_best")
"""Columns of results: those of `Scores`, `delay` in minutes, and `best_event_f1`."""
COMPARED = ("event_f1", "event_f1_best", "auc_pr")
"""What is compared pairwise: the result, and two that no threshold has a part in."""
_MINUTES = 60.0


class Seen(NamedTuple):
    """What a detector said of the stretch after the first training: scores and alarms, `(samples,)`."""

    scores: Array
    alarms: Mask


class Found(NamedTuple):
    """Results of an experiment.

    Attributes:
        table: One row per sensor and detector, and pooled ones (see `summary`).
        kinds: Share of the events of each kind that a detector found (see `by_kind`).
        pairs: IFTM's detectors less the others, stream by stream (see `differences`).
    """

    table: pd.DataFrame
    kinds: pd.DataFrame
    pairs: pd.DataFrame


def sensors(folder: str | Path, section: Mapping[str, Any], *, seed: int, workers: int = 1) -> Found:
    """Run every detector on the first sensors of both kinds, with as many draws of anomalies as there are seeds.

    Args:
        folder: The data folder that `fetch` filled.
        section: `anomaly` of the settings as plain values.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.

    Raises:
        InputError: The data is missing, there are fewer sensors or samples, a setting makes no sense, or a detector's
            package is not installed: the tables never depend on what happens to be there.
    """
    names = section["detectors"]
    for name in names:
        if name in PACKAGES and find_spec(PACKAGES[name]) is None:
            raise InputError(
                f"the detector {name} needs {PACKAGES[name]}, which is not installed; pip install "
                "'edgeresearch[detectors]', or leave it out of the setting anomaly.detectors"
            )
    Injection(**section["injection"])
    tasks = []
    for kind in get_args(Kind):
        for trace in datasets.load_sensors(folder, kind, section["sensors"]):
            tasks += [delayed(_rows)(trace, kind, repeat, names, section, seed) for repeat in range(section["seeds"])]
    parts = parallel.run(tasks, workers)
    rows, events = (pd.concat([part[i] for part in parts], ignore_index=True) for i in (0, 1))
    return Found(summary(rows), by_kind(events), differences(rows))


def write(
    folder: str | Path, section: Mapping[str, Any], *, seed: int, workers: int = 1, out: str | Path = "."
) -> Found:
    """Run `sensors` and write its tables; the same settings give the same bytes.

    Args:
        folder: The data folder.
        section: `anomaly` of the settings as plain values.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.
        out: Project folder, which gets `anomaly.csv`, `anomaly_kinds.csv` and `anomaly_pairs.csv` under
            `reports/tables/`.

    Raises:
        InputError: As `sensors`, or a file cannot be written.
    """
    found = sensors(folder, section, seed=seed, workers=workers)
    for name, table in (("", found.table), ("_kinds", found.kinds), ("_pairs", found.pairs)):
        write_csv(table, Path(out) / TABLES / f"anomaly{name}.csv")
    return found


def watch(
    values: Array, names: Sequence[str], section: Mapping[str, Any], seed: np.random.SeedSequence
) -> dict[str, Seen]:
    """Let detectors watch a stream; two that differ in their threshold alone share one identity function.

    Args:
        values: `(samples, channels)`, the training samples first.
        names: Some of `DETECTORS`.
        section: `anomaly` of the settings as plain values.
        seed: Of the trainings.
    """
    schedule = Schedule(section["train"], section["every"])
    thresholds: dict[str, Threshold] = {"ema": Moving(**section["ema"]), "quantile": Quantile(**section["quantile"])}
    found: dict[str, Seen] = {}
    errors: dict[str, tuple[Array, tuple[int, ...]]] = {}
    for name in names:
        if name in IFTM:
            identity, threshold = IFTM[name]
            if identity not in errors:
                errors[identity] = reconstructed(
                    _identity(identity, section), values, schedule=schedule, seed=seed, accelerator="cpu"
                )
            walk = judge(*errors[identity], thresholds[threshold])
        else:
            detector = _baseline(name, section, int(seed.generate_state(1)[0]))
            walk = watched(detector, values, schedule=schedule, again=name == "ecod")
        found[name] = Seen(walk.scores[walk.cuts[0] :], walk.alarms[walk.cuts[0] :])
    return found


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return means with 95 % intervals (Student's t; NaN for a single value).

    A sensor's interval is over its seeds. In the row `pooled` of a kind a sensor's value is the mean over its seeds,
    and the interval is over the sensors: it speaks of another sensor, not of another seed.

    Args:
        rows: One row per kind, sensor, seed and detector.

    Returns:
        `sensor`, `kind`, `detector`; each of `METRICS`, and it again with `_low` and `_high`; `events` in all,
        `sensors` and `seeds`.
    """
    each = ["kind", "sensor", "detector"]
    ways = {**dict.fromkeys(METRICS, "mean"), "events": "sum", "seed": "nunique"}
    alone = rows.groupby(each, sort=False).agg(ways).reset_index()
    table = []
    for (kind, sensor, detector), part in rows.groupby(each, sort=False):
        counts = {"events": int(part["events"].sum()), "sensors": 1, "seeds": len(part)}
        table.append({"sensor": sensor, "kind": kind, "detector": detector, **intervals(part, METRICS), **counts})
    for (kind, detector), part in alone.groupby(["kind", "detector"], sort=False):
        counts = {"events": int(part["events"].sum()), "sensors": len(part), "seeds": int(part["seed"].max())}
        table.append({"sensor": POOLED, "kind": kind, "detector": detector, **intervals(part, METRICS), **counts})
    return pd.DataFrame(table)


def differences(rows: pd.DataFrame) -> pd.DataFrame:
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
        for one, other in ((one, other) for one in names if one in IFTM for other in names if other not in IFTM):
            gaps = means.loc[one] - means.loc[other]
            for name in COMPARED:
                difference, low, high = interval(gaps[name])
                found = {"difference": difference, "low": low, "high": high, "sensors": len(gaps)}
                table.append({"kind": kind, "detector": one, "other": other, "metric": name, **found})
    return pd.DataFrame(table, columns=["kind", "detector", "other", "metric", "difference", "low", "high", "sensors"])


def by_kind(events: pd.DataFrame) -> pd.DataFrame:
    """Return `kind` of the stream, `detector`, `anomaly`; the share `detected` of its `events` over all sensors.

    Args:
        events: One row per event and detector, with whether it was `detected`.
    """
    parts = events.groupby(["kind", "detector", "anomaly"], sort=False)["detected"]
    return parts.agg(detected="mean", events="size").reset_index()


def drawn(
    trace: Trace, kind: Kind, repeat: int, section: Mapping[str, Any], seed: int
) -> tuple[Array, Injected, np.random.SeedSequence]:
    """Return one stream of the experiment: see `injected`, and the seed of the trainings on it.

    Args:
        trace: A sensor's.
        kind: What it measures.
        repeat: Number of the draw.
        section: `anomaly` of the settings as plain values.
        seed: Root of all randomness.
    """
    sensor = int(trace.name.removeprefix(f"{kind}_"))
    placing, training = np.random.SeedSequence([seed, get_args(Kind).index(kind), sensor, repeat]).spawn(2)
    return *injected(trace, section, np.random.default_rng(placing)), training


def injected(trace: Trace, section: Mapping[str, Any], rng: np.random.Generator) -> tuple[Array, Injected]:
    """Put anomalies into a trace behind its training samples.

    Returns:
        All values, `(samples, channels)`, and what was injected into those behind the training samples.
    """
    schedule = Schedule(section["train"], section["every"])
    values = trace.frame.to_numpy(dtype=np.float64)
    cut = schedule.cuts(values)[0]
    clean, rest = values[:cut], values[cut : cut + section["samples"]]
    if len(rest) < section["samples"]:
        raise InputError(f"{trace.name} has {len(rest)} samples behind the training, not {section['samples']}")
    found = inject(rest, rng, spread=Scale.fit(clean).spread, floor=0.0, plan=Injection(**section["injection"]))
    return np.vstack([clean, found.values]), found


def _rows(
    trace: Trace, kind: Kind, repeat: int, names: Sequence[str], section: Mapping[str, Any], seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the scores of every detector on one stream, and which events each found."""
    values, truth, training = drawn(trace, kind, repeat, section, seed)
    about = {"kind": kind, "sensor": trace.name.removeprefix(f"{kind}_"), "seed": repeat}
    rows, events = [], []
    for name, seen in watch(values, names, section, training).items():
        found = score(truth.labels, seen.scores, seen.alarms, interval=trace.step.total_seconds())
        best = best_event_f1(truth.labels, seen.scores)
        scores = {**found._asdict(), "delay": found.delay / _MINUTES, "event_f1_best": best}
        rows.append({**about, "detector": name, **scores})
        for event in truth.events:
            hit = bool(seen.alarms[event.begin : event.end].any())
            events.append({**about, "detector": name, "anomaly": event.kind, "detected": hit})
    return pd.DataFrame(rows), pd.DataFrame(events)


def _identity(name: str, section: Mapping[str, Any]) -> Identity:
    made: Identity = LSTM(**section["lstm"]) if name == "lstm" else Autoencoder(**section["autoencoder"])
    return made


def _baseline(name: str, section: Mapping[str, Any], seed: int) -> Detector:
    """Make a baseline with the threshold that is usual for it."""
    if name == "robust_z":
        return RobustZ()
    if name == "half_space_trees":
        rare = Quantile(**{**section["quantile"], "factor": 1.0})
        return HalfSpaceTrees(threshold=rare, random_state=seed)
    moving = Moving(**section["ema"])
    return LastValue(moving) if name == "last_value" else ECOD(moving)
