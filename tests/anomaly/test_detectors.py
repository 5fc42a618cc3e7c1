"""Detectors: IFTM, and what it is compared with."""

import copy
import importlib
import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from edgeresearch.anomaly.detectors import (
    ECOD,
    HIGHEST,
    IFTM,
    Detector,
    HalfSpaceTrees,
    LastValue,
    LastValueScorer,
    RobustZ,
    StepwiseScorer,
    modified_z,
)
from edgeresearch.anomaly.identity import (
    Array,
    AutoencoderIdentity,
    FittedIdentity,
    LSTMIdentity,
    Scale,
    Scorer,
    warmed_up,
)
from edgeresearch.anomaly.thresholds import (
    FixedThreshold,
    MovingThreshold,
    QuantileThreshold,
    Threshold,
    threshold_levels,
)
from edgeresearch.errors import InputError

Make = Callable[..., Any]
MOVING, QUANTILE = MovingThreshold(), QuantileThreshold(warm_up=20, window=200)
AUTOENCODER = AutoencoderIdentity(hidden=2, epochs=5)
LSTM = LSTMIdentity(hidden=4, epochs=3, sequence_length=20)
DETECTORS: dict[str, Detector] = {
    "autoencoder-moving": IFTM(AUTOENCODER, MOVING, "cpu", 3),
    "autoencoder-quantile": IFTM(AUTOENCODER, QUANTILE, "cpu", 3),
    "lstm-moving": IFTM(LSTM, MOVING, "cpu", 3),
    "lstm-quantile": IFTM(LSTM, QUANTILE, "cpu", 3),
    "last_value": LastValue(),
    "robust": RobustZ(window=50, least=10),
    "trees": HalfSpaceTrees(window=50),
    "ecod": ECOD(),
}


class Given:
    """An identity function that is not trained but given."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, samples: Any, *, seed: int, start: Any = None, accelerator: str = "auto") -> FittedIdentity:
        model: FittedIdentity = self.model
        return model


@pytest.fixture(scope="module", params=DETECTORS)
def fitted(request: pytest.FixtureRequest, gappy: Make) -> Detector:
    """Return a fitted detector; ECOD if PyOD is installed. Copy it before updating."""
    if request.param == "ecod":
        pytest.importorskip("pyod", reason="comes with the extra 'detectors'")
    return clone(DETECTORS[request.param]).fit(gappy(300))  # type: ignore[no-any-return]


def test_streaming_and_batch_agree_to_the_last_bit(fitted: Detector, gappy: Make) -> None:
    rows = gappy(400)[300:]
    rows[50] += 20.0
    scores, alarms = fitted.score_samples(rows), fitted.predict(rows)
    gone = np.isnan(rows).all(axis=1)
    assert gone.any()
    assert_array_equal(np.isnan(scores), gone)
    assert alarms.dtype == bool
    assert not alarms[gone].any()
    assert scores[50] >= np.nanquantile(scores, 0.98), "an outlier is among the highest scores"
    stream, again = copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))
    for at, row in enumerate(rows):
        if at == 40:  # batch goes on where the stream stands and changes nothing
            assert_array_equal(stream.score_samples(rows[40:]), scores[40:])
            assert_array_equal(stream.predict(rows[40:]), alarms[40:])
        verdict = stream.update(row)
        assert_array_equal([verdict.score, verdict.alarm], [scores[at], alarms[at]])
        assert_array_equal(again.update(row).score, scores[at])


def test_the_threshold_of_a_sample_knows_only_what_came_before(fitted: Detector, gappy: Make) -> None:
    rows = gappy(400)[300:]
    for at in (0, 10, 60):
        changed = rows.copy()
        changed[at:] = changed[at:] * 3 + 50
        levels = []
        for stream in (rows, changed):
            live = copy.deepcopy(fitted)
            levels.append([live.update(row).threshold for row in stream])
        assert levels[0][: at + 1] == levels[1][: at + 1]


def test_missing_rows_leave_the_threshold_alone(fitted: Detector) -> None:
    live = copy.deepcopy(fitted)
    first = live.update([np.nan] * 3)
    assert np.isnan(first.score)
    assert not first.alarm
    assert live.update([np.inf, np.nan, -np.inf]).threshold == first.threshold == live.update([np.nan] * 3).threshold


def test_a_column_without_values_is_no_obstacle(fitted: Detector, gappy: Make) -> None:
    rows = gappy(200, missing=0.0)
    rows[:, 1] = np.nan
    assert np.isfinite(clone(fitted).fit(rows[:150]).score_samples(rows[150:])).all()


def test_samples_that_do_not_fit_are_refused(fitted: Detector) -> None:
    with pytest.raises(InputError, match="a sample has 2 values where there were 3"):
        copy.deepcopy(fitted).update([1.0, 2.0])
    with pytest.raises(InputError, match="a sample has 4 values where there were 3"):
        fitted.predict(np.zeros((2, 4)))
    with pytest.raises(InputError, match="must be .*numbers"):
        copy.deepcopy(fitted).update(["a", "b", "c"])
    with pytest.raises(InputError, match="samples"):
        clone(fitted).fit([1.0, 2.0])
    new = clone(fitted)
    for act in (lambda: new.update([1.0]), lambda: new.predict([[1.0]]), lambda: new.score_samples([[1.0]])):
        with pytest.raises(NotFittedError, match="fit"):
            act()


def test_the_threshold_starts_from_the_training_errors(gappy: Make, make: Make) -> None:
    detector = IFTM(Given(make("lstm")), MOVING).fit(gappy(300))
    state = MOVING.start()
    threshold_levels(state, make("lstm").start().run(gappy(300)))
    assert np.isfinite(state.level)
    assert detector.update([0.0, 0.0, 0.0]).threshold == state.level


def test_parameters_are_scikit_learns_and_the_seed_counts(gappy: Make) -> None:
    detector = IFTM(AUTOENCODER, FixedThreshold(level=1.0), "cpu", random_state=5)
    assert set(detector.get_params(deep=False)) == {"identity", "threshold", "accelerator", "random_state"}
    assert detector.get_params()["threshold"] == FixedThreshold(level=1.0)
    assert isinstance(IFTM().identity, AutoencoderIdentity)
    rows = gappy(200)
    scores = detector.fit(rows).score_samples(rows)
    assert_array_equal(scores, clone(detector).fit(rows).score_samples(rows))
    assert (scores != clone(detector).set_params(random_state=2).fit(rows).score_samples(rows)).any()


def test_columns_must_be_those_of_training(make: Make) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)), columns=["speed", "count", "time"])
    detector = IFTM(Given(make("autoencoder")), FixedThreshold(level=1.0)).fit(frame)
    assert detector.n_features_in_ == 3
    assert_array_equal(detector.score_samples(frame), detector.score_samples(frame.to_numpy()))
    with pytest.raises(InputError, match="new noise; give speed, count, time"):
        detector.predict(frame.assign(noise=1.0))
    with pytest.raises(InputError, match="missing time"):
        detector.score_samples(frame[["speed", "count"]])
    with pytest.raises(InputError, match="new rest; missing time; give"):
        detector.predict(frame.rename(columns={"time": "rest"}))
    with pytest.raises(InputError, match="in training: another order; give speed, count, time, or train a new model"):
        detector.predict(frame[["count", "speed", "time"]])
    assert np.isfinite(detector.update(frame.iloc[0]).score)


def test_a_constant_sensor_never_alarms_until_it_moves() -> None:
    rows = np.full((100, 2), 7.0)
    detector = IFTM(AutoencoderIdentity(epochs=3), accelerator="cpu").fit(rows)
    assert not detector.predict(rows).any()
    assert detector.update([7.0, 9.0]).alarm
    assert not detector.update([7.0, 7.0]).alarm


def test_a_newer_model_takes_over_with_the_old_threshold(make: Make, gappy: Make) -> None:
    rows = gappy(200)
    old, new = make("lstm", seed=1), make("lstm", seed=2)
    detector = IFTM(Given(old), MOVING).fit(rows[:100])
    level = copy.deepcopy(detector).update(rows[100]).threshold
    detector.swap(new, rows[50:100])
    assert detector.model_ is new
    scorer = new.start()
    scorer.run(rows[50:100])
    verdict = detector.update(rows[100])
    assert (verdict.threshold, verdict.score) == (level, scorer.step(rows[100]))
    with pytest.raises(InputError, match="a sample has 3 values where there were 5"):
        detector.swap(make("lstm", 5), rows)
    with pytest.raises(InputError, match="a sample has 5 values where there were 3"):
        detector.swap(make("lstm"), gappy(10, 5))
    with pytest.raises(NotFittedError):
        IFTM().swap(new, rows)
    assert np.isfinite(warmed_up(new, np.empty((0, 3))).step([0.0, 0.0, 0.0]))


def test_a_users_own_identity_threshold_and_detector() -> None:
    class Mean:
        channels = 1

        def fit(self, samples: Any, *, seed: int, start: Any = None, accelerator: str = "auto") -> "Mean":
            self.mean = samples.mean(0)
            return self

        def start(self) -> "Mean":
            return self

        def step(self, sample: Any) -> float:
            return float(abs(sample - self.mean).max())

        def run(self, rows: Array) -> Array:
            return np.array([self.step(row) for row in rows])

        def copy(self) -> "Mean":
            return self

    class Alternating:
        level = float("inf")

        def start(self) -> "Alternating":
            return Alternating()

        def update(self, score: float) -> None:
            self.level = -self.level

    own: Any = Mean()
    assert IFTM(own, Alternating()).fit([[0.0], [0.0]]).predict([[0.0]] * 4).tolist() == [False, True, False, True]

    class Largest(StepwiseScorer):
        def score(self, values: Array) -> float:
            return float(np.nanmax(np.abs(values)))

    class LargestValue(Detector):
        threshold: Threshold = FixedThreshold(level=5.0)

        def learn(self, rows: Array) -> tuple[Scorer, Array]:
            scorer = Largest(rows.shape[1])
            return scorer, scorer.run(rows)

    assert LargestValue().fit([[1.0, 2.0]]).predict([[4.0, np.nan], [-6.0, 0.0]]).tolist() == [False, True]


UNIT = Scale(np.zeros(2), np.ones(2))


def test_the_last_values_error_is_the_step_from_the_sample_before() -> None:
    rows = np.array([[1.0, 2.0], [np.nan, 2.0], [np.nan, np.nan], [3.0, np.nan], [3.0, 5.0]])
    errors = [np.sqrt(2.5), 0.0, np.nan, 2.0, np.sqrt(9 / 2)]
    scorer, other = LastValueScorer(UNIT), LastValueScorer(UNIT)
    assert_allclose(scorer.run(rows), errors)
    assert_allclose([other.step(row) for row in rows], errors)
    duplicate = scorer.copy()
    duplicate.step(np.array([9.0, 9.0]))
    assert scorer.step(rows[-1]) == 0.0
    detector = LastValue(FixedThreshold(level=3.0)).fit(np.array([[0.0], [10.0]] * 10))
    assert_allclose(detector.score_samples([[10.0], [0.0]]), [0.0, 2.0])  # scaled as in training
    assert detector.predict([[10.0], [0.0], [30.0]]).tolist() == [False, False, True]


class Recording:
    """Stands in for river's trees: scores the sum of the features, learns by counting."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.learnt: list[dict[int, float]] = []

    def score_one(self, x: dict[int, float]) -> float:
        assert len(self.learnt) == 0 or x is not self.learnt[-1]
        return sum(x.values()) + 1000 * len(self.learnt)

    def learn_one(self, x: dict[int, float]) -> None:
        self.learnt.append(x)


class Distribution:
    """Stands in for PyOD's ECOD: the score is the distance from the training mean."""

    def fit(self, rows: Array) -> "Distribution":
        self.mean = rows.mean(axis=0)
        self.decision_scores_ = self.decision_function(rows)
        return self

    def decision_function(self, rows: Array) -> Array:
        assert np.isfinite(rows).all()
        return np.asarray(np.abs(rows - self.mean).sum(axis=1))


class Library:
    ECOD = Distribution
    HalfSpaceTrees = Recording


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put stand-ins in place of both libraries: what the adapters do around them is this project's."""
    with monkeypatch.context() as patch:
        patch.setattr(importlib, "import_module", lambda name: Library)
        yield


def _trees(detector: HalfSpaceTrees) -> Recording:
    scorer: Any = detector.scorer_
    trees: Recording = scorer._library
    return trees


def test_the_trees_score_before_they_learn_and_never_see_a_gap(stand_in: None) -> None:
    rows = np.array([[1.0, 10.0], [2.0, np.nan], [np.nan, np.nan], [3.0, 30.0]])
    detector = HalfSpaceTrees(window=9, random_state=5).fit(rows)
    trees = _trees(detector)
    limits = {0: (0.0, 4.0), 1: (0.0, 40.0)}
    assert trees.settings == {"n_trees": 25, "height": 8, "window_size": 9, "limits": limits, "seed": 5}
    assert trees.learnt == [{0: 1.0, 1: 10.0}, {0: 2.0, 1: 20.0}, {0: 3.0, 1: 30.0}]
    assert detector.update([4.0, np.nan]).score == 4.0 + 20.0 + 3000
    assert trees.learnt[-1] == {0: 4.0, 1: 20.0}
    assert _trees(HalfSpaceTrees().fit([[5.0], [5.0]])).settings["limits"] == {0: (4.5, 5.5)}, "a constant channel"


def test_scores_that_are_bounded_are_judged_by_a_quantile(gappy: Make) -> None:
    rows = gappy(600, missing=0.0)
    rows[500:505] += 100.0
    alarms = HalfSpaceTrees(window=50).fit(rows[:300]).predict(rows[300:])
    assert alarms[200:205].any()
    assert 0 < alarms.mean() < 0.1
    assert not HalfSpaceTrees(window=50, threshold=MovingThreshold(k=9.0)).fit(rows[:300]).predict(rows[300:]).any()


def test_ecod_gets_each_sample_alone_without_gaps(stand_in: None) -> None:
    rows = np.array([[0.0, 1.0], [2.0, np.nan], [np.nan, np.nan], [4.0, 3.0]])
    detector = ECOD(MovingThreshold(warm_up=3)).fit(rows)
    assert detector.score_samples([[2.0, 2.0], [np.nan, 5.0], [np.nan, np.nan]])[:2].tolist() == [0.0, 3.0]
    assert np.isfinite(detector.update([2.0, 2.0]).threshold)  # three training scores have warmed it up


@pytest.mark.parametrize("made", [HalfSpaceTrees(), ECOD()])
def test_without_any_value_there_is_nothing_to_learn(made: Detector, stand_in: None) -> None:
    with pytest.raises(InputError, match="no sample has a value; wait for more samples"):
        made.fit([[np.nan], [np.nan]])


def test_pyod_is_named_with_its_extra_if_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyod.models.ecod", None)
    with pytest.raises(InputError, match=r"pyod is not installed .*; pip install 'edgeresearch\[detectors\]'"):
        ECOD().fit([[1.0], [2.0]])


@pytest.mark.parametrize(
    ("value", "window", "score"),
    [
        (6.0, [1.0, 2.0, 3.0, 4.0, 100.0], 3.0 / 1.4826),
        (0.0, [1.0, 2.0, 3.0, 4.0, 100.0], 3.0 / 1.4826),
        (3.0, [1.0, 2.0, 3.0, 4.0, 100.0], 0.0),
        (2.0, [0.0] * 8 + [1.0, 3.0], 2.0 / (1.2533 * 0.4)),  # where most are equal the mean deviation serves
        (7.0, [7.0] * 10, 0.0),
        (7.001, [7.0] * 10, HIGHEST),
        (1e300, [1.0, 2.0, 3.0], HIGHEST),
    ],
)
def test_the_modified_z_score_by_hand(value: float, window: list[float], score: float) -> None:
    assert modified_z(value, np.array(window)) == pytest.approx(score)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.floats(-1e6, 1e6))
def test_the_modified_z_score_is_that_of_numpys_medians(values: list[float], value: float) -> None:
    window = np.array(values)
    mad = 1.4826 * float(np.median(np.abs(window - np.median(window))))
    score = modified_z(value, window)
    assert 0 <= score <= HIGHEST
    if mad > 0:
        assert score == pytest.approx(min(abs(value - np.median(window)) / mad, HIGHEST))


def test_a_sample_is_compared_with_the_window_before_it() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 2))
    rows[5, 0] = np.nan
    scores = RobustZ(window=8, least=4).fit(rows[:20]).score_samples(rows[20:])
    for step in (20, 33, 39):
        assert scores[step - 20] == max(modified_z(rows[step, c], rows[step - 8 : step, c]) for c in range(2))
    gaps = RobustZ(window=3, least=3).fit(np.array([[1.0], [2.0], [4.0], [np.nan], [np.nan]]))
    assert gaps.update([3.0]).score == modified_z(3.0, np.array([1.0, 2.0, 4.0])), "a gap uses up no place"
    young = RobustZ(window=10, least=5).fit(np.arange(4.0)[:, None])
    assert np.isnan(young.update([9.0]).score)
    assert young.update([9.0]).score > 0


@pytest.mark.parametrize("settings", [{"least": 0}, {"least": 300}, {"window": 10}])
def test_a_window_without_meaning_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(InputError, match="give 1 <= least <= window"):
        RobustZ(**settings).fit([[1.0]])  # type: ignore[arg-type]
