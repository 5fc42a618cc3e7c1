"""A user's own stream: IFTM learns from its first samples, is retrained on the way, and says what is not normal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch import __version__
from edgeresearch.anomaly.base import present
from edgeresearch.anomaly.evaluation import runs
from edgeresearch.anomaly.identity import LSTM, Autoencoder, Identity
from edgeresearch.anomaly.online import Schedule, Walk, judge, reconstructed
from edgeresearch.anomaly.thresholds import Moving, Quantile, Threshold
from edgeresearch.data.csv import read_channels
from edgeresearch.errors import InputError, nearest
from edgeresearch.io import check, gathered, write_csv, write_json

IDENTITIES: Mapping[str, Identity] = {"lstm": LSTM(), "autoencoder": Autoencoder()}
THRESHOLDS: Mapping[str, Threshold] = {"ema": Moving(), "quantile": Quantile()}
LISTED = 10
"""Alarms that are still legible in a list."""


@dataclass(frozen=True)
class Report:
    """What a detector said of a stream.

    Attributes:
        name: Of the stream.
        values: The channels, indexed by time.
        samples: One row per sample: time, score (NaN where no channel has a value), threshold (infinite where there is
            none yet), alarm, training (how many trainings the model in use had; 0 for the samples of the first).
        alarms: One row per run of alarms: begin, end (times of its first and last sample), samples, score and ratio
            (the highest score in it, and the highest of score / threshold).
        verdict: All of it in a line.
        said: One line for each thing that was guessed or that the user may not expect.
        facts: What is written to `report.json`.
    """

    name: str
    values: pd.DataFrame
    samples: pd.DataFrame
    alarms: pd.DataFrame
    verdict: str
    said: tuple[str, ...]
    facts: Mapping[str, Any]

    def highest(self, most: int = LISTED) -> pd.DataFrame:
        """Return the alarms whose score is farthest above the threshold, in order of time, numbers as text."""
        some = self.alarms.nlargest(most, "ratio").sort_values("begin")
        return some.assign(score=some["score"].map("{:.3g}".format), ratio=some["ratio"].map("{:.3g}".format))


Draw = Callable[[Report, Path], object]
"""Draws a report into a folder."""


def _quiet(_: str) -> None:
    pass


def detect_file(
    path: str | Path,
    out: str | Path,
    *,
    identity: str = "lstm",
    threshold: str = "ema",
    train: int = 1000,
    every: int = 1000,
    k: float | None = None,
    quantile: float | None = None,
    columns: Sequence[str] | None = None,
    time: str | None = None,
    seed: int = 0,
    draw: Draw | None = None,
    tell: Callable[[str], None] = _quiet,
) -> Report:
    """Train an identity function on the first samples of a CSV, judge the rest, and retrain it on schedule.

    `out` gets `scores.csv`, `alarms.csv`, `report.json`, and what `draw` adds, all or nothing. On one machine the same
    file, settings and seed give the same bytes.

    Args:
        path: A CSV that `read_channels` reads.
        out: Folder of the results; made where missing, files of the same names are replaced.
        identity: A key of `IDENTITIES`: `lstm` (Paper B's for traffic) or `autoencoder` (for pollution).
        threshold: A key of `THRESHOLDS`.
        train: Samples of the first training, and newest samples of every later one.
        every: Samples after which the model is retrained; 0 for never.
        k: Standard deviations above the mean, of `ema`.
        quantile: Share of the past scores, of `quantile`.
        columns: Names of the channels; all numeric columns where None.
        time: Name of the time column; guessed where None.
        seed: Root of everything random.
        draw: Draws the report into the folder.
        tell: Receives a line at the start of each training.

    Raises:
        InputError: The file, a setting or the folder is not usable; the message says why.
    """
    function, judging = _known(identity, IDENTITIES, "identity"), _threshold(threshold, k, quantile)
    if seed < 0:
        raise InputError(f"seed {seed} is negative; use 0 or more")
    schedule = Schedule(train, every or None)
    check(out)
    stream = read_channels(path, time=time, columns=columns)
    said = [*stream.notes, *_constant(stream.frame, path)]
    rows = stream.frame.to_numpy(dtype=np.float64)
    if len(rows) <= train or present(rows).sum() <= train:
        raise InputError(
            f"{path} has {int(present(rows).sum())} samples, the training alone takes {train}; give a longer stream or "
            "a shorter training ('train')"
        )
    errors, cuts = reconstructed(
        function, rows, schedule=schedule, seed=np.random.SeedSequence(seed), accelerator="cpu", tell=tell
    )
    walk = judge(errors, cuts, judging)
    said.append(f"training: on the first {train} samples, up to {stream.frame.index[cuts[0] - 1]}; judged is the rest")
    samples = _samples(stream.frame, walk)
    alarms = _alarms(samples)
    judged = int(np.isfinite(errors[cuts[0] :]).sum())
    verdict = (
        f"{len(alarms)} alarms, {int(walk.alarms.sum())} of {judged} judged samples "
        f"({100 * walk.alarms.sum() / judged:.2g} %); {len(cuts)} trainings"
    )
    facts = {
        **{"identity": identity, "threshold": threshold, "train": train, "every": every, "seed": seed},
        **{"identity_settings": asdict(function), "threshold_settings": asdict(judging)},  # type: ignore[call-overload]
        **{"columns": list(stream.frame.columns), "rows": len(rows), "trainings": len(cuts)},
        **{"data": {"file": Path(path).name, "sha256": stream.sha256}},
    }
    report = Report(stream.name, stream.frame, samples, alarms, verdict, tuple(said), facts)
    write(report, Path(out), draw)
    return report


def write(report: Report, out: Path, draw: Draw | None = None) -> None:
    """Write `scores.csv`, `alarms.csv`, `report.json` and what `draw` adds, all or nothing.

    Raises:
        InputError: The folder cannot be written.
    """
    facts = {**report.facts, "edgeresearch": __version__, "said": list(report.said), "verdict": report.verdict}
    with gathered(out) as folder:
        write_csv(report.samples, folder / "scores.csv")
        write_csv(report.alarms, folder / "alarms.csv")
        write_json(facts, folder / "report.json")
        if draw is not None:
            draw(report, folder)


def _known(name: str, known: Mapping[str, Any], what: str) -> Any:
    if name not in known:
        raise InputError(f"unknown {what} {name!r}{nearest(name, known)}; known: {', '.join(known)}")
    return known[name]


def _threshold(name: str, k: float | None, quantile: float | None) -> Threshold:
    own: Threshold = _known(name, THRESHOLDS, "threshold")
    for word, option, owner in (("k", k, "ema"), ("quantile", quantile, "quantile")):
        if option is not None and name != owner:
            raise InputError(f"{word} is a setting of the threshold {owner}, not of {name}; leave it out")
    if isinstance(own, Moving) and k is not None:
        return replace(own, k=k)
    if isinstance(own, Quantile) and quantile is not None:
        return replace(own, quantile=quantile)
    return own


def _constant(frame: pd.DataFrame, path: str | Path) -> list[str]:
    """Say which channels never change; refuse a stream in which none does."""
    still = [str(name) for name in frame.columns if frame[name].nunique() < 2]
    if len(still) == len(frame.columns):
        raise InputError(f"{path}: {', '.join(still)} never change, so there is nothing to learn; name other columns")
    return [f"note: {', '.join(still)} never change"] if still else []


def _samples(frame: pd.DataFrame, walk: Walk) -> pd.DataFrame:
    training = np.searchsorted(walk.cuts, np.arange(len(frame)), side="right")
    return pd.DataFrame(
        {
            "time": frame.index,
            "score": walk.scores,
            "threshold": walk.levels,
            "alarm": walk.alarms,
            "training": training,
        }
    )


def _alarms(samples: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for begin, end in runs(samples["alarm"].to_numpy()):
        part = samples.iloc[begin:end]
        rows.append(
            {
                "begin": part["time"].iloc[0],
                "end": part["time"].iloc[-1],
                "samples": end - begin,
                "score": part["score"].max(),
                "ratio": (part["score"] / part["threshold"]).max(),
            }
        )
    return pd.DataFrame(rows, columns=["begin", "end", "samples", "score", "ratio"])
