"""What is measured: IFTM's detectors, trained already, beside river's half-space trees; and beside PyOD's ECOD.

The trees give scores and no alarms. Sample by sample IFTM is held to its claims with its threshold at work, on whole
arrays without; the threshold's part stands in a row of its own.
"""

import importlib
import importlib.util
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from river.anomaly import HalfSpaceTrees

from bench.timing import Row, in_turn
from edgeresearch.anomaly.detectors import IFTM
from edgeresearch.anomaly.identity import Array, AutoencoderIdentity, LSTMIdentity
from edgeresearch.data import synthetic

TREES = "river's HalfSpaceTrees(25 trees, height 8)"
STREAMED, WHOLE = "sample by sample", "whole array"
CLAIMS = {"autoencoder": 1 / 4, "LSTM": 1 / 5}
"""Largest ratio that is claimed of each, sample by sample."""
AT_ONCE = 1 / 20
"""The same of whole arrays."""
Call = Callable[[], object]


class Subject(NamedTuple):
    """A detector, fitted on the samples before, and the samples that come."""

    name: str
    detector: IFTM
    before: Array
    rows: Array


@dataclass(frozen=True)
class Size:
    """How much is measured: `samples` come after the `train` ones; `slow` of them for what takes one at a time long."""

    train: int = 1000
    samples: int = 4000
    slow: int = 400
    epochs: int = 5
    repeats: int = 7


QUICK = Size(train=200, samples=400, slow=50, epochs=1, repeats=2)


def pyod_missing() -> str | None:
    """Return the name of a peer's package if it is not installed."""
    return None if importlib.util.find_spec("pyod") else "pyod"


def rows(size: Size) -> Iterator[Row]:
    """Measure one detector after another, on one thread; the peer learns on, as it has no training of its own."""
    for subject in subjects(size):
        name, detector, before, after = subject
        peer = partial(streamed_trees, trees(before), named(after))
        ways: tuple[tuple[str, Call, float | None], ...] = (
            (f"{STREAMED}, scores and alarms", partial(streamed, detector, list(after)), CLAIMS[name]),
            (f"{WHOLE}, scores", partial(detector.score_samples, after), AT_ONCE),
            (f"{WHOLE}, scores and alarms", partial(detector.predict, after), None),
        )
        for way, call, bound in ways:
            ours, theirs = in_turn(call, peer, repeats=size.repeats, number=1)
            yield Row(f"{name}, {way}", _size(after), TREES, ours, theirs, bound)
        if not pyod_missing():
            yield from _ecod(subject, size)


def _ecod(subject: Subject, size: Size) -> Iterator[Row]:
    name, detector, before, after = subject
    fitted, some = importlib.import_module("pyod.models.ecod").ECOD().fit(before), after[: size.slow]
    ways: tuple[tuple[str, Array, Call, Call], ...] = (
        (STREAMED, some, partial(streamed, detector, list(some)), partial(_one_by_one, fitted, some)),
        (WHOLE, after, partial(detector.predict, after), partial(fitted.decision_function, after)),
    )
    for way, taken, ours, theirs in ways:
        one, other = in_turn(ours, theirs, repeats=size.repeats, number=1)
        yield Row(f"{name}, {way}, scores and alarms", _size(taken), "PyOD's ECOD", one, other)


def _one_by_one(fitted: Any, samples: Array) -> float:
    return sum(float(fitted.decision_function(sample[None])[0]) for sample in samples)


def subjects(size: Size) -> Iterator[Subject]:
    """Yield the LSTM on a stand-in for a traffic stream, the autoencoder on one for pollution, as Paper B has them."""
    steps, rng = size.train + size.samples, np.random.default_rng(0)
    made = (
        ("LSTM", LSTMIdentity(epochs=size.epochs), synthetic.draw_traffic(rng, steps=steps)),
        ("autoencoder", AutoencoderIdentity(epochs=size.epochs), synthetic.draw_pollution(rng, steps=steps)),
    )
    for name, identity, trace in made:
        whole = trace.frame.ffill().bfill().to_numpy(dtype=np.float64)
        before, after = whole[: size.train], whole[size.train :]
        yield Subject(name, IFTM(identity, accelerator="cpu").fit(before), before, after)


def streamed(detector: IFTM, samples: Sequence[Array]) -> int:
    """Take samples one by one; return the number of alarms."""
    return sum(detector.update(sample).alarm for sample in samples)


def trees(before: Array) -> Any:
    """Return river's trees after the samples that the detectors were trained on, with twice their range."""
    low, high = before.min(axis=0), before.max(axis=0)
    margin = 0.5 * np.where(high > low, high - low, 1.0)
    ends = zip((low - margin).tolist(), (high + margin).tolist(), strict=True)
    limits: dict[Hashable, tuple[float, float]] = dict(enumerate(ends))
    made: Any = HalfSpaceTrees(n_trees=25, height=8, window_size=250, limits=limits, seed=0)
    for features in named(before):
        made.learn_one(features)
    return made


def named(rows: Array) -> list[dict[int, float]]:
    """Return samples as river takes them; that is no part of what is timed."""
    return [dict(enumerate(row)) for row in rows.tolist()]


def streamed_trees(made: Any, samples: Sequence[dict[int, float]]) -> float:
    """Let the trees score each sample, then learn from it; return the sum of the scores."""
    total = 0.0
    for features in samples:
        total += made.score_one(features)
        made.learn_one(features)
    return total


def _size(taken: Array) -> str:
    return f"{len(taken)} samples, {taken.shape[1]} channels"
