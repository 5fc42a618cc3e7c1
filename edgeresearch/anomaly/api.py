"""Anomalies in a user's own stream: IFTM learns from its first samples and judges the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Unpack

import numpy as np
import pandas as pd
from pydantic import BaseModel

from edgeresearch.anomaly.evaluation import Schedule, apply_threshold, score_prequential, training_rows
from edgeresearch.anomaly.identity import AutoencoderIdentity, Identity, LSTMIdentity
from edgeresearch.anomaly.thresholds import MovingThreshold, QuantileThreshold, Threshold
from edgeresearch.data.formats import Source
from edgeresearch.data.reader import Channels, Reading, read_stream
from edgeresearch.errors import InputError, check_known, check_object
from edgeresearch.result import Result
from edgeresearch.settings import check_seed, parsed

IDENTITIES: Mapping[str, Identity] = {"lstm": LSTMIdentity(), "autoencoder": AutoencoderIdentity()}
THRESHOLDS: Mapping[str, Any] = {"ema": MovingThreshold, "quantile": QuantileThreshold}
SCHEDULE = Schedule()
PASSES, FEWEST = 200, 2
"""Passes over the samples in all trainings but the first together, and in one of them at least.

Measured with injected anomalies and one seed, the event F1 of 20 and of 2 passes, each from the weights before, was
0.295 and 0.315 on nasa, 0.266 and 0.281 on worldcup, 0.505 and 0.495 on google, 0.353 and 0.325 on Aarhus' traffic, and
0.453 and 0.465 on its pollution: from 0.028 less to 0.020 more.
"""


@dataclass(frozen=True, repr=False)
class Detection(Result):
    """The alarms of a stream.

    Attributes:
        table: One row per run of alarms: begin, end (times of its first and last sample), samples, score and ratio (the
            highest score in it, and the highest of score / threshold).
        scores: One row per sample, which has a value in some channel: time, score, threshold (infinite where there is
            none yet), alarm, training (how many trainings the model in use had; 0 for the samples of the first).
        values: The channels, indexed by time.
        name: Of the stream.
        verdict: All of it in a line.
        notes: One line for each thing that was guessed or that the user may not expect.
        facts: What is written to `report.json`.
    """

    table: pd.DataFrame
    scores: pd.DataFrame
    values: pd.DataFrame
    name: str
    verdict: str
    notes: tuple[str, ...]
    facts: Mapping[str, Any]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables by the names of their files."""
        return {"scores": self.scores, "alarms": self.table}

    def highest_alarms(self, count: int = 10) -> pd.DataFrame:
        """Return the alarms whose score is farthest above the threshold, in order of time, numbers as text."""
        some = self.table.nlargest(count, "ratio").sort_values("begin")
        return some.assign(score=some["score"].map("{:.3g}".format), ratio=some["ratio"].map("{:.3g}".format))


def detect(
    stream: Source,
    *,
    identity: str | Identity = "lstm",
    threshold: str | Threshold = "ema",
    train: int = SCHEDULE.train,
    every: int | None = SCHEDULE.every,
    k: float | None = None,
    quantile: float | None = None,
    columns: Sequence[str] | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    **reading: Unpack[Reading],
) -> Detection:
    """Train an identity function on the first samples of a stream, judge the rest, and retrain it on schedule.

        detection = er.detect("stream.csv", identity="autoencoder")
        detection.table

    On one machine the same stream, settings and seed give the same result. A training goes on from the weights before:
    in a stream of more than 10 retrainings an identity function that is given by name makes fewer passes over the
    samples in each (`PASSES`), and a note says so. An object trains as its settings say.

    Args:
        stream: A file's path, or a data frame or series with times; one column per channel (see `read_stream`).
        identity: `lstm` (Paper B's for traffic), `autoencoder` (for pollution), or an `Identity` of your own.
        threshold: `ema` (moving mean and deviation), `quantile`, or a `Threshold` of your own.
        train: Samples of the first training, and newest samples of every later one.
        every: Samples after which the model is retrained; 0 or None for never.
        k: Standard deviations above the mean, of `ema`.
        quantile: Share of the past scores, of `quantile`.
        columns: Names of the channels; all numeric columns where None.
        seed: Root of everything random.
        progress: Receives a line at the start of each training.
        **reading: How the stream is read, where it leaves that open: see `Reading`.

    Raises:
        InputError: The stream or a setting is not usable; the message says why.
    """
    function: Any = _choose(identity, IDENTITIES, "identity") if isinstance(identity, str) else identity
    check_object(function, "identity function", "fit")
    judge = _make_threshold(threshold, k, quantile)
    seed = check_seed(seed)
    schedule = parsed({"train": train, "every": every or None}, Schedule, "detect")
    channels = read_stream(stream, columns=columns, **reading)
    frame, notes = channels.frame.dropna(how="all"), [*channels.notes, *_find_constant(channels)]
    if gone := len(channels.frame) - len(frame):
        notes.append(f"gaps: {gone} rows without any value are left out, as if they were absent")
    rows, root = frame.to_numpy(dtype=np.float64), np.random.SeedSequence(seed)
    again: Any = _shorten(function, len(training_rows(rows, schedule)) - 1) if isinstance(identity, str) else function
    scores, cuts = score_prequential(function, rows, schedule=schedule, seed=root, again=again, progress=progress)
    scored = apply_threshold(scores, cuts, judge)
    notes.append(f"training: on the first {train} samples, up to {frame.index[cuts[0] - 1]}; judged is the rest")
    if again != function:
        few = f"{again.epochs} passes over the samples in each of {len(cuts) - 1}, not {function.epochs}"
        notes.append(f"retraining: {few}, to save time; `every` sets how many there are")
    training = np.searchsorted(cuts, np.arange(len(rows)), side="right")
    judgement = {"score": scores, "threshold": scored.levels, "alarm": scored.alarms, "training": training}
    samples = pd.DataFrame({"time": frame.index, **judgement})
    alarms = _tabulate_alarms(samples)
    judged, raised = int(np.isfinite(scores[cuts[0] :]).sum()), int(scored.alarms.sum())
    share = f"{raised} of {judged} judged samples ({100 * raised / judged:.2g} %)"
    verdict = f"{len(alarms)} alarms, {share}; {len(cuts)} trainings"
    facts = {
        **{"identity": _name(identity), "threshold": _name(threshold), "train": train, "every": every, "seed": seed},
        **{"identity_settings": _settings(function), "threshold_settings": _settings(judge)},
        "retraining_settings": _settings(again),
        **{"columns": list(frame.columns), "rows": len(rows), "trainings": len(cuts), "verdict": verdict},
        **{"data": {"file": channels.file, "sha256": channels.sha256} if channels.sha256 else None},
    }
    return Detection(alarms, samples, frame, channels.name, verdict, tuple(notes), facts)


def _choose(name: str, known: Mapping[str, Any], what: str) -> Any:
    check_known(what, name, known)
    return known[name]


def _shorten(function: Any, retrainings: int) -> Any:
    """Return an identity function whose retrainings make no more than `PASSES` over the samples together."""
    epochs = max(PASSES // max(retrainings, 1), FEWEST)
    return function.replace(epochs=epochs) if epochs < function.epochs else function


def _make_threshold(threshold: str | Threshold, k: float | None, quantile: float | None) -> Threshold:
    given = {}
    for setting, value, owner in (("k", k, "ema"), ("quantile", quantile, "quantile")):
        if value is not None and threshold != owner:
            was = f"{setting} is a setting of the threshold {owner}, not of {_name(threshold)}"
            raise InputError(f"{was}; leave it out")
        if value is not None:
            given[setting] = value
    if not isinstance(threshold, str):
        check_object(threshold, "threshold", "start")
        return threshold
    made: Threshold = parsed(given, _choose(threshold, THRESHOLDS, "threshold"), f"threshold {threshold}")
    return made


def _name(chosen: object) -> str:
    return chosen if isinstance(chosen, str) else type(chosen).__name__


def _settings(chosen: Any) -> dict[str, Any]:
    """Return the settings of an identity function or threshold, a user's own too, where it says which they are."""
    if isinstance(chosen, BaseModel):
        return chosen.model_dump()
    return asdict(chosen) if is_dataclass(chosen) and not isinstance(chosen, type) else {}


def _find_constant(channels: Channels) -> list[str]:
    """Name the channels that never change; refuse a stream in which none does."""
    still = [str(name) for name, values in channels.frame.items() if values.nunique() < 2]
    if len(still) == len(channels.frame.columns):
        what = f"{', '.join(still)} never change, so there is nothing to learn"
        raise InputError(f"{channels.name}: {what}; name others with `columns`")
    return [f"note: {', '.join(still)} never change"] if still else []


def _tabulate_alarms(samples: pd.DataFrame) -> pd.DataFrame:
    raised = samples["alarm"]
    run = (raised & ~raised.shift(fill_value=False)).cumsum()[raised]
    alarms = samples[raised].assign(ratio=samples["score"] / samples["threshold"]).groupby(run)
    times = {"begin": ("time", "first"), "end": ("time", "last"), "samples": ("time", "size")}
    return alarms.agg(**times, score=("score", "max"), ratio=("ratio", "max")).reset_index(drop=True)
