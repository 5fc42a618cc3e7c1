"""Streams are scored before anything is learnt from them, by models that are retrained or not."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from edgeresearch.anomaly.detectors import IFTM, LastValue, RobustZ
from edgeresearch.anomaly.evaluation import (
    RECENT,
    Schedule,
    Training,
    apply_threshold,
    follow_models,
    make_training,
    newest_samples,
    run_prequential,
    score_prequential,
    select_errors,
    train_versions,
    training_rows,
    training_seed,
)
from edgeresearch.anomaly.identity import (
    Array,
    AutoencoderIdentity,
    FittedIdentity,
    LSTMIdentity,
    has_value,
    warmed_up,
)
from edgeresearch.anomaly.thresholds import FixedThreshold, MovingThreshold, QuantileThreshold
from edgeresearch.errors import InputError

FAST = AutoencoderIdentity(epochs=1, batch=100)
SEED = np.random.SeedSequence(1)
SCHEDULE = Schedule(train=100, every=50)
SMALL = Schedule(train=20, every=10)
Make = Callable[..., Any]
Outcomes = list[float | None]


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
    first, second = (score_prequential(FAST, each, schedule=schedule, seed=SEED)[0] for each in (rows, changed))
    assert_array_equal(first[:300], second[:300])
    assert not np.array_equal(first[300:], second[300:], equal_nan=True)


def test_without_retraining_it_is_the_detector(gappy: Make) -> None:
    rows = gappy(300)
    scores, cuts = score_prequential(FAST, rows, schedule=Schedule(train=150, every=None), seed=SEED)
    scored = apply_threshold(scores, cuts, MovingThreshold())
    detector = IFTM(FAST, MovingThreshold(), "cpu", training_seed(SEED, 0)).fit(rows[: cuts[0]])
    assert_array_equal(scored.scores[cuts[0] :], detector.score_samples(rows[cuts[0] :]))
    assert_array_equal(scored.alarms[cuts[0] :], detector.predict(rows[cuts[0] :]))


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


# ---- when models are trained


def test_a_row_without_a_value_counts_nowhere() -> None:
    rows = np.zeros((300, 2))
    rows[10:60] = np.nan
    rows[70:80, 0] = np.nan
    rows[299] = 7.0
    assert training_rows(rows, Schedule(train=100, every=50)) == [150, 200, 250]
    assert_array_equal(newest_samples(np.vstack([rows, rows[10:60]]), 1), rows[299:])


@pytest.mark.parametrize(
    ("rows", "every", "cuts"),
    [
        (260, 50, [100, 150, 200, 250]),
        (250, 50, [100, 150, 200]),  # none after the last sample
        (5000, None, [100]),
    ],
)
def test_trainings_come_on_schedule(rows: int, every: int | None, cuts: list[int]) -> None:
    assert training_rows(np.zeros((rows, 1)), Schedule(train=100, every=every)) == cuts


@pytest.mark.parametrize("rows", [np.zeros((100, 1)), np.zeros((0, 1)), np.full((500, 1), np.nan)])
def test_too_few_samples(rows: Array) -> None:
    with pytest.raises(InputError, match="the training takes the first 100; give more samples, or a shorter training"):
        training_rows(rows, Schedule(train=100))


@pytest.mark.parametrize("options", [{"train": 1}, {"every": 0}, {"every": -3}])
def test_a_schedule_without_meaning(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        Schedule(**options)


def test_seeds_go_by_number_and_spawn_nothing() -> None:
    root = np.random.SeedSequence(7)
    seeds = [training_seed(root, number) for number in (1, 2, 3)]
    assert seeds == [training_seed(np.random.SeedSequence(7), number) for number in (1, 2, 3)]
    others = [training_seed(child, 1) for child in root.spawn(2)]
    assert len({*seeds, *others}) == 5
    assert root.n_children_spawned == 2


# ---- which model is in use


class Factory:
    """A training whose model has weights of its number, and that remembers what it was given."""

    def __init__(self, make: Make, kind: str = "lstm") -> None:
        self.make = make
        self.kind = kind
        self.given: list[tuple[Array, FittedIdentity | None, int]] = []
        self.models: list[FittedIdentity] = []

    def __call__(self, samples: Array, previous: FittedIdentity | None, number: int) -> FittedIdentity:
        self.given.append((samples, previous, number))
        self.models.append(self.make(self.kind, samples.shape[1], seed=number))
        return self.models[-1]


def test_what_a_trained_model_did_not_see_of_the_stream_it_has_forgotten(gappy: Make) -> None:
    rows, schedule, late = gappy(1200, missing=0.05, seed=8), Schedule(train=400, every=300), 200
    model = LSTMIdentity(hidden=4, epochs=8).fit(rows[:400][has_value(rows[:400])], seed=1, accelerator="cpu")
    cut = training_rows(rows, schedule)[1]
    along = warmed_up(model, rows[:cut][has_value(rows[:cut])][-RECENT:]).run(rows[cut:])[late:]
    there = rows[: cut + late][has_value(rows[: cut + late])][-RECENT:]
    assert_allclose(along, warmed_up(model, there).run(rows[cut + late :]), rtol=1e-6)


def test_always_at_once_is_prequential_scoring_to_the_last_bit(gappy: Make) -> None:
    rows, identity = gappy(800, seed=1), AutoencoderIdentity(epochs=1)
    train = make_training(identity, SEED)
    versions = train_versions(  # prequential scoring counts its trainings from 0
        rows, lambda samples, previous, number: train(samples, previous, number - 1), schedule=SCHEDULE
    )
    errors, cuts = score_prequential(identity, rows, schedule=SCHEDULE, seed=SEED)
    assert list(cuts) == training_rows(rows, SCHEDULE)
    use = follow_models(rows, (0.0,), schedule=SCHEDULE)
    assert_array_equal(select_errors(versions, use), errors)
    assert use.dropped == 0.0


def test_each_model_gets_the_newest_samples_and_has_errors_from_its_training_on(make: Make, gappy: Make) -> None:
    rows, train = gappy(800, missing=0.2, seed=2), Factory(make)
    errors, there, cuts = train_versions(rows, train, schedule=SCHEDULE), has_value(rows), training_rows(rows, SCHEDULE)
    assert errors.shape == (len(cuts), len(rows))
    assert_array_equal(np.isfinite(errors[0]), there)
    for index, (cut, (samples, previous, number)) in enumerate(zip(cuts, train.given, strict=True)):
        assert number == index + 1
        assert previous is (train.models[index - 1] if index else None)
        assert_array_equal(samples, rows[:cut][there[:cut]][-100:])
        if index:
            assert np.isnan(errors[index, :cut]).all()
            scorer = warmed_up(train.models[index], samples[-RECENT:])
            assert_array_equal(errors[index, cut:], scorer.run(rows[cut:]))


def test_without_trainings_the_first_model_stays_and_ages() -> None:
    rows, schedule = np.zeros((400, 1)), Schedule(train=100, every=100)
    rows[200:210] = np.nan
    use = follow_models(rows, (None,), schedule=schedule)
    assert use.dropped == 1.0
    assert (use.version == 0).all()
    assert use.age[99:102].tolist() == [0, 1, 2]
    assert (use.age[199:210] == 100).all(), "what is missing is no sample"
    assert use.age[-1] == 290
    assert follow_models(rows[:150], (None,), schedule=schedule).dropped == 0.0, "there was none to drop"


@pytest.mark.parametrize(
    ("outcomes", "version", "dropped"),
    [
        ([0.0, 0.0], [0] * 30 + [1] * 10 + [2] * 5, 0.0),
        ([0.0], [0] * 30 + [1] * 10 + [2] * 5, 0.0),  # after the last outcome comes the first again
        ([1.0, 3.0], [0] * 30 + [1] * 12 + [2] * 3, 0.0),
        ([2.0, 3.5], [0] * 31 + [1] * 12 + [2] * 2, 0.0),
        ([10.0, 0.0], [0] * 39 + [1] + [2] * 5, 0.0),
        ([10.5, 0.0], [0] * 40 + [1] * 5, 0.5),  # the second is triggered while the first still runs
        ([None, 6.0], [0] * 45, 0.5),  # the stream ends before the second is there
    ],
)
def test_a_model_is_there_after_so_many_samples(outcomes: Outcomes, version: list[int], dropped: float) -> None:
    use = follow_models(np.zeros((45, 1)), outcomes, schedule=SMALL)
    assert (use.version.tolist(), use.dropped) == (version, dropped)


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        ([], "no outcome is recorded; give at least one"),
        ([-1.0], "training 2 lasts -1.0 samples; give 0 or more, or None"),
        ([float("nan")], "training 2 lasts nan samples"),
    ],
)
def test_outcomes_without_meaning_are_refused(outcomes: Outcomes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        follow_models(np.zeros((35, 1)), outcomes, schedule=SMALL)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_ages_drops_and_versions_agree(data: st.DataObject) -> None:
    rows = np.zeros((data.draw(st.integers(40, 200)), 1))
    rows[data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=15))] = np.nan
    schedule = Schedule(train=data.draw(st.integers(2, 15)), every=data.draw(st.integers(2, 15)))
    cuts = training_rows(rows, schedule)
    delay = st.one_of(st.none(), st.floats(0, 60))
    outcomes = data.draw(st.lists(delay, min_size=len(cuts), max_size=len(cuts)))
    use = follow_models(rows, outcomes, schedule=schedule)
    came, versions = np.cumsum(has_value(rows)), set(use.version.tolist())
    assert (np.diff(use.version) >= 0).all(), "never back to an older model"
    lost = sum(outcome is None for outcome in outcomes[: len(cuts) - 1])
    assert lost <= round(use.dropped * (len(cuts) - 1)) <= len(cuts) - len(versions)
    for index in versions:
        first = int(np.flatnonzero(use.version == index)[0])
        assert index == 0 or first >= cuts[index], "no model before its training was triggered"
        assert_array_equal(use.age[use.version == index], (came - came[cuts[index] - 1])[use.version == index])
    assert 0.0 <= use.dropped <= 1.0


class Recording:
    """Stands in for an identity function: keeps what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def fit(self, samples: Any, **settings: Any) -> Any:
        self.asked.append({"samples": samples, **settings})


@pytest.mark.parametrize("warm", [True, False])
def test_a_training_gets_samples_seed_start_and_accelerator(warm: bool) -> None:
    identity, samples, model = Recording(), np.zeros((4, 2)), object()
    train: Training = make_training(identity, SEED, warm_start=warm)
    for number in (3, 1):
        train(samples, model, number)  # type: ignore[arg-type]
    for number, asked in zip((3, 1), identity.asked, strict=True):
        start = model if warm else None
        seed = training_seed(SEED, number)
        assert asked == {"samples": samples, "seed": seed, "start": start, "accelerator": "cpu"}
