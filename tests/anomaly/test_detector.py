import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from edgeresearch.anomaly.detector import IFTM, Watch, begun
from edgeresearch.anomaly.identity import LSTM, Autoencoder, Identity
from edgeresearch.anomaly.model import Model
from edgeresearch.anomaly.samples import Array
from edgeresearch.anomaly.threshold import Fixed, Judge, Moving, Quantile, Threshold, judged
from edgeresearch.errors import InputError

Make = Callable[..., Any]
IDENTITIES: dict[str, Identity] = {
    "autoencoder": Autoencoder(hidden=2, epochs=5),
    "lstm": LSTM(hidden=4, epochs=3, stretch=20),
}
THRESHOLDS: dict[str, Threshold] = {"moving": Moving(), "quantile": Quantile(warm_up=20, window=200)}


class _Given:
    """An identity function that is not trained but given."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, samples: Any, *, seed: int, start: Any = None, accelerator: str = "auto") -> Model:
        model: Model = self.model
        return model


@pytest.fixture(scope="module", params=[(i, t) for i in IDENTITIES for t in THRESHOLDS], ids="-".join)
def fitted(request: pytest.FixtureRequest, gappy: Make) -> IFTM:
    """Return a fitted detector. Copy it before updating."""
    identity, threshold = request.param
    detector = IFTM(IDENTITIES[identity], THRESHOLDS[threshold], accelerator="cpu", random_state=3)
    return detector.fit(gappy(300))


def test_streaming_and_batch_agree_to_the_last_bit(fitted: IFTM, gappy: Make) -> None:
    rows = gappy(400)[300:]
    rows[50] += 20.0
    scores, alarms = fitted.score_samples(rows), fitted.predict(rows)
    stream = copy.deepcopy(fitted)
    verdicts = [stream.update(row) for row in rows]
    assert_array_equal([verdict.score for verdict in verdicts], scores)
    assert_array_equal([verdict.alarm for verdict in verdicts], alarms)
    assert alarms.dtype == bool
    assert alarms[50]
    assert alarms.mean() < 0.3
    gone = np.isnan(rows).all(axis=1)
    assert gone.any()
    assert_array_equal(np.isnan(scores), gone)
    assert not alarms[gone].any()


def test_batch_goes_on_where_the_stream_stands_and_changes_nothing(fitted: IFTM, gappy: Make) -> None:
    rows = gappy(400)[300:]
    stream = copy.deepcopy(fitted)
    before = stream.predict(rows), stream.score_samples(rows)
    for row in rows[:40]:
        stream.update(row)
        stream.predict(rows[:3])
        stream.score_samples(rows[:3])
    assert_array_equal(stream.predict(rows[40:]), before[0][40:])
    assert_array_equal(stream.score_samples(rows[40:]), before[1][40:])


def test_the_threshold_of_a_sample_knows_only_what_came_before(fitted: IFTM, gappy: Make) -> None:
    rows = gappy(400)[300:]
    for at in (0, 10, 60):
        changed = rows.copy()
        changed[at:] = changed[at:] * 3 + 50
        levels = []
        for stream in (rows, changed):
            live = copy.deepcopy(fitted)
            levels.append([live.update(row).threshold for row in stream])
        assert levels[0][: at + 1] == levels[1][: at + 1]
        assert levels[0][at + 1 :] != levels[1][at + 1 :]


def test_the_threshold_starts_from_the_training_errors(fitted: IFTM, gappy: Make) -> None:
    errors = fitted.model_.start().run(gappy(300))
    judge = fitted.threshold.start()
    judged(judge, errors)
    assert np.isfinite(judge.level)
    assert copy.deepcopy(fitted).update([0.0, 0.0, 0.0]).threshold == judge.level


def test_a_fitted_detector_can_be_pickled_and_goes_on_alike(fitted: IFTM, gappy: Make) -> None:
    again = pickle.loads(pickle.dumps(fitted))
    rows = gappy(400)[300:]
    assert_array_equal([again.update(row).score for row in rows], fitted.score_samples(rows))


def test_the_same_seed_gives_the_same_detector(gappy: Make) -> None:
    rows = gappy(200)
    detector = IFTM(IDENTITIES["autoencoder"], accelerator="cpu", random_state=1).fit(rows)
    same = clone(detector).fit(rows)
    other = clone(detector).set_params(random_state=2).fit(rows)
    assert_array_equal(detector.score_samples(rows), same.score_samples(rows))
    assert (detector.score_samples(rows) != other.score_samples(rows)).any()


def test_parameters_are_scikit_learns() -> None:
    detector = IFTM(threshold=Fixed(1.0), random_state=5)
    assert set(detector.get_params(deep=False)) == {"identity", "threshold", "accelerator", "random_state"}
    assert detector.get_params()["threshold"] == Fixed(1.0)
    assert clone(detector).random_state == 5
    assert isinstance(IFTM().identity, Autoencoder)


def test_before_fit_it_says_so() -> None:
    for act in (
        lambda: IFTM().update([1.0]),
        lambda: IFTM().predict([[1.0]]),
        lambda: IFTM().score_samples([[1.0]]),
    ):
        with pytest.raises(NotFittedError, match="fit"):
            act()


def test_columns_must_be_those_of_training(make: Make) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)), columns=["speed", "count", "time"])
    detector = IFTM(_Given(make("autoencoder")), Fixed(1.0)).fit(frame)
    assert detector.n_features_in_ == 3
    assert_array_equal(detector.score_samples(frame), detector.score_samples(frame.to_numpy()))
    with pytest.raises(InputError, match="new noise; give speed, count, time"):
        detector.predict(frame.assign(noise=1.0))
    with pytest.raises(InputError, match="missing time"):
        detector.score_samples(frame[["speed", "count"]])
    with pytest.raises(InputError, match="a sample has 4 values where there were 3"):
        detector.update([1.0, 2.0, 3.0, 4.0])
    assert np.isfinite(detector.update(frame.iloc[0]).score)


@pytest.mark.parametrize("X", [[["a"]], [1.0, 2.0], [[]]])
def test_samples_that_are_none_are_refused(X: Any) -> None:
    with pytest.raises(InputError, match="samples"):
        IFTM().fit(X)


def test_no_samples_at_all() -> None:
    with pytest.raises(InputError, match="0 samples have a value"):
        IFTM().fit(np.empty((0, 3)))


def test_a_constant_sensor_never_alarms_until_it_moves() -> None:
    rows = np.full((100, 2), 7.0)
    detector = IFTM(Autoencoder(epochs=3), accelerator="cpu").fit(rows)
    assert not detector.predict(rows).any()
    assert detector.update([7.0, 9.0]).alarm
    assert not detector.update([7.0, 7.0]).alarm


def test_missing_rows_leave_the_thresholds_alone(fitted: IFTM) -> None:
    live = copy.deepcopy(fitted)
    first = live.update([np.nan] * 3)
    assert np.isnan(first.score)
    assert not first.alarm
    assert live.update([np.inf, np.nan, -np.inf]).threshold == first.threshold == live.update([np.nan] * 3).threshold


@given(seed=st.integers(0, 20), cut=st.integers(0, 60))
def test_a_watch_by_samples_and_by_pieces_agrees(seed: int, cut: int) -> None:
    make, gappy = _FIXTURES
    rows: Array = gappy(60, seed=seed)
    watches = [Watch(make("lstm", seed=seed).start(), Moving(warm_up=5).start()) for _ in range(3)]
    verdicts = [watches[0].update(row) for row in rows]
    scores, levels = watches[1].run(rows)
    assert_array_equal([verdict.score for verdict in verdicts], scores)
    assert_array_equal([verdict.threshold for verdict in verdicts], levels)
    pieces = [watches[2].run(rows[:cut]), watches[2].copy().run(rows[cut:])]
    assert_array_equal(np.concatenate([piece[0] for piece in pieces]), scores)
    assert_array_equal(np.concatenate([piece[1] for piece in pieces]), levels)


_FIXTURES: list[Make] = []


@pytest.fixture(autouse=True, scope="module")
def _keep(make: Make, gappy: Make) -> None:
    """Let the tests that hypothesis drives make models and streams."""
    _FIXTURES[:] = [make, gappy]


def test_a_newer_model_takes_over_with_the_old_threshold(make: Make, gappy: Make) -> None:
    rows = gappy(200)
    old, new = make("lstm", seed=1), make("lstm", seed=2)
    detector = IFTM(_Given(old), Moving()).fit(rows[:100])
    level = copy.deepcopy(detector).update(rows[100]).threshold
    detector.swap(new, rows[50:100])
    assert detector.model_ is new
    state = new.start()
    state.run(rows[50:100])
    verdict = detector.update(rows[100])
    assert verdict.threshold == level
    assert verdict.score == state.step(rows[100])


def test_a_newer_model_must_have_the_channels(make: Make, gappy: Make) -> None:
    rows = gappy(50)
    detector = IFTM(_Given(make("lstm")), Moving()).fit(rows)
    with pytest.raises(InputError, match="a sample has 3 values where there were 5"):
        detector.swap(make("lstm", 5), rows)
    with pytest.raises(InputError, match="a sample has 5 values where there were 3"):
        detector.swap(make("lstm"), gappy(10, 5))
    with pytest.raises(NotFittedError):
        IFTM().swap(make("lstm"), rows)
    assert np.isfinite(begun(make("lstm"), np.empty((0, 3))).step([0.0, 0.0, 0.0]))


def test_a_users_own_threshold_judges(make: Make) -> None:
    class Alternating:
        def start(self) -> Judge:
            return Own()

    class Own:
        level = float("inf")

        def update(self, error: float) -> None:
            self.level = -self.level

    detector = IFTM(_Given(make("autoencoder", 1)), Alternating()).fit([[0.0], [0.0]])
    assert detector.predict([[0.0]] * 4).tolist() == [False, True, False, True]
