from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeresearch.anomaly.base import Array
from edgeresearch.anomaly.detectors import IFTM, LastValue, RobustZ
from edgeresearch.anomaly.identity import Autoencoder
from edgeresearch.anomaly.inference import Autoencoded
from edgeresearch.anomaly.model_store import Repository
from edgeresearch.anomaly.online import Schedule, Walk, judge, reconstructed, watched
from edgeresearch.anomaly.retraining import Settings, always, replay
from edgeresearch.anomaly.thresholds import Fixed, Moving, Quantile
from edgeresearch.errors import InputError

FAST = Autoencoder(epochs=1, batch=100)
SEED = np.random.SeedSequence(1)
Gappy = Callable[..., Array]


@dataclass
class Recorded:
    """An identity function that remembers what it was trained on."""

    make: Callable[..., Any]
    seen: list[tuple[Array, int, Any]] = field(default_factory=list)

    def fit(self, samples: Any, *, seed: int, start: Any = None, accelerator: str = "auto") -> Any:
        self.seen.append((np.array(samples), seed, start))
        return self.make("autoencoder", channels=samples.shape[1], seed=len(self.seen))


def test_trainings_come_on_schedule() -> None:
    assert Schedule(100, 50).cuts(np.zeros((260, 1))) == [100, 150, 200, 250]
    assert Schedule(100, 50).cuts(np.zeros((250, 1))) == [100, 150, 200], "none after the last sample"
    assert Schedule(100, None).cuts(np.zeros((5000, 1))) == [100]


def test_rows_without_a_value_do_not_count() -> None:
    rows = np.zeros((300, 2))
    rows[10:60] = np.nan
    rows[70:80, 0] = np.nan
    assert Schedule(100, 50).cuts(rows) == [150, 200, 250]


@pytest.mark.parametrize("rows", [np.zeros((100, 1)), np.zeros((0, 1)), np.full((500, 1), np.nan)])
def test_too_few_samples(rows: Array) -> None:
    with pytest.raises(InputError, match="the training takes the first 100"):
        Schedule(100, 50).cuts(rows)


@pytest.mark.parametrize("options", [{"train": 1}, {"every": 0}, {"every": -3}])
def test_a_schedule_without_meaning(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match="give at least two samples"):
        Schedule(**options)


def test_each_training_gets_the_newest_samples_and_the_weights_before(
    make: Callable[..., Autoencoded], gappy: Gappy
) -> None:
    rows = gappy(260)
    identity, told = Recorded(make), list[str]()
    _, cuts = reconstructed(identity, rows, schedule=Schedule(100, 50), seed=SEED, tell=told.append)
    assert len(identity.seen) == len(cuts) == len(told) > 2
    some = rows[np.isfinite(rows).any(axis=1)]
    for number, (samples, _, _) in enumerate(identity.seen):
        np.testing.assert_array_equal(samples, some[50 * number : 50 * number + 100])
    assert identity.seen[0][2] is None
    assert all(start is not None for _, _, start in identity.seen[1:])
    assert len({seed for _, seed, _ in identity.seen}) == len(cuts)
    assert told[0] == f"training 1 of {len(cuts)}"


def test_errors_do_not_hang_on_what_comes_later(gappy: Gappy) -> None:
    rows = gappy(400)
    changed = rows.copy()
    changed[300:] = 5
    first, second = (
        reconstructed(FAST, each, schedule=Schedule(100, 100), seed=SEED, accelerator="cpu")[0]
        for each in (rows, changed)
    )
    np.testing.assert_array_equal(first[:300], second[:300])
    assert not np.array_equal(first[300:], second[300:], equal_nan=True)


def test_without_retraining_it_is_the_detector(gappy: Gappy) -> None:
    rows = gappy(300)
    errors, cuts = reconstructed(FAST, rows, schedule=Schedule(150, None), seed=SEED, accelerator="cpu")
    walk = judge(errors, cuts, Moving())
    seed = int(np.random.SeedSequence(1, spawn_key=(0,)).generate_state(1)[0])
    detector = IFTM(FAST, Moving(), accelerator="cpu", random_state=seed).fit(rows[: cuts[0]])
    np.testing.assert_array_equal(walk.scores[cuts[0] :], detector.score_samples(rows[cuts[0] :]))
    np.testing.assert_array_equal(walk.alarms[cuts[0] :], detector.predict(rows[cuts[0] :]))


def test_with_retraining_it_is_the_stream_whose_trainings_take_no_time(
    make: Callable[..., Autoencoded], tmp_path: Path
) -> None:
    rows = np.random.default_rng(0).normal(size=(250, 3))
    count = iter(range(1, 10))
    replayed = replay(
        rows,
        name="mine",
        repository=Repository(str(tmp_path)),
        train=lambda samples, previous, number: make("autoencoder", seed=next(count)),
        decide=always(0.0),
        settings=Settings(every=50, cache=100, check=1, recent=100),
    )
    # The stream trains after its first 50 samples too, so its second model is the walk's first.
    later = Recorded(lambda kind, channels, seed: make(kind, channels, seed=seed + 1))
    errors, cuts = reconstructed(later, rows, schedule=Schedule(100, 50), seed=SEED)
    np.testing.assert_array_equal(errors[cuts[0] :], replayed.samples["error"].to_numpy()[cuts[0] :])


def test_no_training_sample_is_an_alarm() -> None:
    errors = np.array([9.0, 9.0, 9.0, 1.0, 9.0, np.nan])
    walk = judge(errors, (3,), Fixed(5.0))
    assert walk.alarms.tolist() == [False, False, False, False, True, False]


def test_thresholds_judge_one_walk_apart() -> None:
    errors = np.abs(np.random.default_rng(0).normal(size=2000))
    moving, quantile = (judge(errors, (500,), threshold) for threshold in (Moving(k=2.0), Quantile()))
    assert moving.scores is quantile.scores
    assert moving.alarms.sum() != quantile.alarms.sum()


def test_a_detector_watches(gappy: Gappy) -> None:
    rows = gappy(300)
    walk = watched(LastValue(), rows, schedule=Schedule(100, 50))
    cut = walk.cuts[0]
    detector = LastValue().fit(rows[:cut][np.isfinite(rows[:cut]).any(axis=1)])
    np.testing.assert_array_equal(walk.scores[cut:], detector.score_samples(rows[cut:]))
    np.testing.assert_array_equal(walk.alarms[cut:], detector.predict(rows[cut:]))
    assert np.isnan(walk.scores[:cut]).all()
    assert len(walk.cuts) == 1


def test_one_that_does_not_learn_on_is_fitted_anew() -> None:
    rows = np.random.default_rng(0).normal(size=(300, 1)) * np.repeat([1.0, 100.0, 100.0], 100)[:, None]
    schedule = Schedule(100, 100)
    once, again = (watched(LastValue(), rows, schedule=schedule, again=each) for each in (False, True))
    assert again.cuts == (100, 200)
    np.testing.assert_array_equal(once.scores[100:200], again.scores[100:200])
    assert again.scores[200:].mean() < once.scores[200:].mean() / 50


def test_the_given_detector_is_left_alone() -> None:
    detector = RobustZ()
    walk = watched(detector, np.random.default_rng(0).normal(size=(150, 1)), schedule=Schedule(100))
    assert isinstance(walk, Walk)
    assert not hasattr(detector, "watch_")
