"""Each sample of a recorded stream is scored before anything is learnt from it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.testing import assert_array_equal

from edgeresearch.anomaly.base import Array, training_seed
from edgeresearch.anomaly.detectors import IFTM, LastValue, RobustZ
from edgeresearch.anomaly.model_store import ModelStore
from edgeresearch.anomaly.prequential import apply_threshold, run_prequential, score_prequential
from edgeresearch.anomaly.retraining import always, replay_stream
from edgeresearch.anomaly.settings import (
    AutoencoderIdentity,
    FixedThreshold,
    MovingThreshold,
    QuantileThreshold,
    Schedule,
)

FAST = AutoencoderIdentity(epochs=1, batch=100)
SEED = np.random.SeedSequence(1)
SCHEDULE = Schedule(train=100, every=50)
Make = Callable[..., Any]


@dataclass
class Recorded:
    """An identity function that remembers what it was trained on; its models have random weights."""

    make: Make
    first: int = 1
    seen: list[tuple[Array, int, Any]] = field(default_factory=list)

    def fit(self, samples: Any, *, seed: int, start: Any = None, accelerator: str = "auto") -> Any:
        self.seen.append((np.array(samples), seed, start))
        return self.make("autoencoder", samples.shape[1], seed=len(self.seen) + self.first - 1)


def test_trainings_get_the_newest_samples_and_go_on_from_the_model_before(make: Make, gappy: Make) -> None:
    rows, identity, lines = gappy(260), Recorded(make), list[str]()
    _, cuts = score_prequential(identity, rows, schedule=SCHEDULE, seed=SEED, progress=lines.append)
    assert len(identity.seen) == len(cuts) == len(lines) > 2
    some = rows[np.isfinite(rows).any(axis=1)]
    for number, (samples, seed, start) in enumerate(identity.seen):
        assert_array_equal(samples, some[50 * number : 50 * number + 100])
        assert seed == training_seed(SEED, number)
        assert (start is None) == (number == 0)
    assert lines[0] == f"training 1 of {len(cuts)}"


def test_scores_do_not_depend_on_what_comes_later(gappy: Make) -> None:
    rows = gappy(400)
    changed = rows.copy()
    changed[300:] = 5
    schedule = Schedule(train=100, every=100)
    first, second = (
        score_prequential(FAST, each, schedule=schedule, seed=SEED, accelerator="cpu")[0] for each in (rows, changed)
    )
    assert_array_equal(first[:300], second[:300])
    assert not np.array_equal(first[300:], second[300:], equal_nan=True)


def test_without_retraining_it_is_the_detector(gappy: Make) -> None:
    rows = gappy(300)
    scores, cuts = score_prequential(FAST, rows, schedule=Schedule(train=150, every=None), seed=SEED, accelerator="cpu")
    scored = apply_threshold(scores, cuts, MovingThreshold())
    detector = IFTM(FAST, MovingThreshold(), "cpu", training_seed(SEED, 0)).fit(rows[: cuts[0]])
    assert_array_equal(scored.scores[cuts[0] :], detector.score_samples(rows[cuts[0] :]))
    assert_array_equal(scored.alarms[cuts[0] :], detector.predict(rows[cuts[0] :]))


def test_with_retraining_it_is_the_replay_whose_trainings_take_no_time(make: Make, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(250, 3))
    replayed = replay_stream(
        rows,
        name="mine",
        store=ModelStore(str(tmp_path)),
        train=lambda samples, previous, number: make("autoencoder", seed=number),
        decide=always(0.0),
        schedule=SCHEDULE,
        check=1,
    )
    # The replay trains after its first 50 samples, too, so its second model is the first here.
    scores, cuts = score_prequential(Recorded(make, first=2), rows, schedule=SCHEDULE, seed=SEED)
    assert_array_equal(scores[cuts[0] :], replayed.samples["error"].to_numpy()[cuts[0] :])


def test_thresholds_judge_the_same_scores_but_no_training_sample() -> None:
    scores = np.array([9.0, 9.0, 9.0, 1.0, 9.0, np.nan])
    alarms = apply_threshold(scores, (3,), FixedThreshold(level=5.0)).alarms
    assert alarms.tolist() == [False, False, False, False, True, False]
    scores = np.abs(np.random.default_rng(0).normal(size=2000))
    moving, quantile = (apply_threshold(scores, (500,), each) for each in (MovingThreshold(k=2.0), QuantileThreshold()))
    assert moving.scores is quantile.scores
    assert moving.alarms.sum() != quantile.alarms.sum()


def test_a_detector_scores_a_stream_and_is_left_alone(gappy: Make) -> None:
    rows, given = gappy(300), LastValue()
    scored = run_prequential(given, rows, schedule=SCHEDULE)
    (cut,) = scored.cuts
    detector = LastValue().fit(rows[:cut][np.isfinite(rows[:cut]).any(axis=1)])
    assert_array_equal(scored.scores[cut:], detector.score_samples(rows[cut:]))
    assert_array_equal(scored.alarms[cut:], detector.predict(rows[cut:]))
    assert np.isnan(scored.scores[:cut]).all()
    assert not hasattr(given, "online_")
    assert run_prequential(RobustZ(), rows, schedule=SCHEDULE).cuts == (cut,)


def test_one_that_does_not_learn_on_is_fitted_anew() -> None:
    rows = np.random.default_rng(0).normal(size=(300, 1)) * np.repeat([1.0, 100.0, 100.0], 100)[:, None]
    schedule = Schedule(train=100, every=100)
    once, again = (run_prequential(LastValue(), rows, schedule=schedule, refit=each) for each in (False, True))
    assert again.cuts == (100, 200)
    assert_array_equal(once.scores[100:200], again.scores[100:200])
    assert again.scores[200:].mean() < once.scores[200:].mean() / 50
