"""Every detector on Aarhus sensors with injected anomalies, sensor by sensor and pooled (Paper B, section VI.A).

A detector sees the values of a stream alone. Labels come into play when its alarms are there.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import stats

from edgeresearch.anomaly.baselines import ECOD, HalfSpaceTrees, RobustZ
from edgeresearch.anomaly.detector import Detector
from edgeresearch.anomaly.identity import LSTM, Autoencoder, Identity
from edgeresearch.anomaly.injection import Injected, Injection, inject
from edgeresearch.anomaly.naive import LastValue
from edgeresearch.anomaly.samples import Array, Mask, Scale
from edgeresearch.anomaly.scoring import Scores, score
from edgeresearch.anomaly.threshold import Moving, Quantile, Threshold
from edgeresearch.anomaly.walk import Schedule, judge, reconstructed, watched
from edgeresearch.errors import InputError
from edgeresearch.files import write_csv
from edgeresearch.series import aarhus
from edgeresearch.series.trace import Trace

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
PACKAGES: Mapping[str, str] = MappingProxyType({"half_space_trees": "river", "ecod": "pyod"})
"""What a detector needs besides this package."""
DETECTORS = (*IFTM, "robust_z", "last_value", *PACKAGES)
METRICS = tuple(name for name in Scores._fields if name != "events")
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
        absent: Detectors that were left out, as their package is not installed.
    """

    table: pd.DataFrame
    kinds: pd.DataFrame
    absent: tuple[str, ...]


def sensors(folder: str | Path, section: Mapping[str, Any], *, seed: int) -> Found:
    """Run every detector on the first sensors of both kinds, with as many draws of anomalies as there are seeds.

    Args:
        folder: The data folder that `fetch` filled.
        section: `anomaly` of the settings as plain values.
        seed: Root of all randomness.

    Raises:
        InputError: The data is missing, there are fewer sensors or samples, or a setting makes no sense.
    """
    absent = tuple(name for name in section["detectors"] if name in PACKAGES and find_spec(PACKAGES[name]) is None)
    names = [name for name in section["detectors"] if name not in absent]
    Injection(**section["injection"])
    tasks = []
    for kind in get_args(Kind):
        for trace in _traces(folder, kind, section):
            tasks += [delayed(_rows)(trace, kind, repeat, names, section, seed) for repeat in range(section["seeds"])]
    parts = Parallel(n_jobs=section["workers"])(tasks)
    rows, events = (pd.concat([part[i] for part in parts], ignore_index=True) for i in (0, 1))
    return Found(summary(rows), by_kind(events), absent)


def write(folder: str | Path, section: Mapping[str, Any], *, seed: int, out: str | Path = ".") -> Found:
    """Run `sensors` and write `anomaly.csv` and `anomaly_kinds.csv`; the same settings give the same bytes.

    Args:
        folder: The data folder.
        section: `anomaly` of the settings as plain values.
        seed: Root of all randomness.
        out: Project folder, which gets `reports/tables/`.

    Raises:
        InputError: As `sensors`, or a file cannot be written.
    """
    found = sensors(folder, section, seed=seed)
    write_csv(found.table, Path(out) / TABLES / "anomaly.csv")
    write_csv(found.kinds, Path(out) / TABLES / "anomaly_kinds.csv")
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
            detector = _baseline(name, thresholds["ema"], int(seed.generate_state(1)[0]))
            walk = watched(detector, values, schedule=schedule, again=name == "ecod")
        found[name] = Seen(walk.scores[walk.cuts[0] :], walk.alarms[walk.cuts[0] :])
    return found


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return means over seeds with 95 % intervals (Student's t; NaN with one seed).

    Args:
        rows: One row per kind, sensor, seed and detector.

    Returns:
        `sensor`, `kind`, `detector`; each of `METRICS`, and it again with `_low` and `_high`; `events` in all,
        `sensors` and `seeds`. `delay` is in minutes. In the row `pooled` of a kind, a seed's value is the mean over the
        sensors.
    """
    each = ["kind", "detector"]
    pooled = rows.groupby([*each, "seed"], sort=False)[list(METRICS)].mean().reset_index().assign(sensor=POOLED)
    sums = rows.groupby([*each, "seed"], sort=False)[["events"]].sum().reset_index(drop=True)
    pooled = pd.concat([pooled, sums], axis=1)
    table = []
    for (kind, sensor, detector), part in pd.concat([rows, pooled]).groupby(["kind", "sensor", "detector"], sort=False):
        row = {"sensor": sensor, "kind": kind, "detector": detector}
        for name in METRICS:
            row[name], row[f"{name}_low"], row[f"{name}_high"] = interval(part[name].tolist())
        count = rows.loc[rows["kind"] == kind, "sensor"].nunique() if sensor == POOLED else 1
        table.append(row | {"events": int(part["events"].sum()), "sensors": count, "seeds": len(part)})
    return pd.DataFrame(table)


def by_kind(events: pd.DataFrame) -> pd.DataFrame:
    """Return `kind` of the stream, `detector`, `anomaly`; the share `detected` of its `events` over all sensors.

    Args:
        events: One row per event and detector, with whether it was `detected`.
    """
    parts = events.groupby(["kind", "detector", "anomaly"], sort=False)["detected"]
    return parts.agg(detected="mean", events="size").reset_index()


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of independent repeats and its 95 % interval; those without a value are left out."""
    data = np.array([value for value in values if np.isfinite(value)])
    if len(data) < 2:
        return float(data.mean()) if len(data) else float("nan"), float("nan"), float("nan")
    half = stats.t.ppf(0.975, len(data) - 1) * data.std(ddof=1) / np.sqrt(len(data))
    return float(data.mean()), float(data.mean() - half), float(data.mean() + half)


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


def _traces(folder: str | Path, kind: Kind, section: Mapping[str, Any]) -> list[Trace]:
    load: Mapping[str, Callable[..., Trace]] = {"traffic": aarhus.traffic, "pollution": aarhus.pollution}
    known = aarhus.sensors(folder, kind)
    if len(known) < section["sensors"]:
        raise InputError(f"{len(known)} {kind} sensors in {folder}, not {section['sensors']}; fetch the data first")
    return [load[kind](folder, sensor) for sensor in known[: section["sensors"]]]


def _rows(
    trace: Trace, kind: Kind, repeat: int, names: Sequence[str], section: Mapping[str, Any], seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the scores of every detector on one stream, and which events each found."""
    sensor = trace.name.removeprefix(f"{kind}_")
    placing, training = np.random.SeedSequence([seed, get_args(Kind).index(kind), int(sensor), repeat]).spawn(2)
    values, truth = injected(trace, section, np.random.default_rng(placing))
    about = {"kind": kind, "sensor": sensor, "seed": repeat}
    rows, events = [], []
    for name, seen in watch(values, names, section, training).items():
        found = score(truth.labels, seen.scores, seen.alarms, interval=trace.step.total_seconds())
        rows.append({**about, "detector": name, **found._asdict(), "delay": found.delay / _MINUTES})
        for event in truth.events:
            hit = bool(seen.alarms[event.begin : event.end].any())
            events.append({**about, "detector": name, "anomaly": event.kind, "detected": hit})
    return pd.DataFrame(rows), pd.DataFrame(events)


def _identity(name: str, section: Mapping[str, Any]) -> Identity:
    made: Identity = LSTM(**section["lstm"]) if name == "lstm" else Autoencoder(**section["autoencoder"])
    return made


def _baseline(name: str, threshold: Threshold, seed: int) -> Detector:
    if name == "robust_z":
        return RobustZ()
    if name == "last_value":
        return LastValue(threshold)
    return HalfSpaceTrees(threshold=threshold, random_state=seed) if name == "half_space_trees" else ECOD(threshold)
