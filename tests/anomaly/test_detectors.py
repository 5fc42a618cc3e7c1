"""Detectors: IFTM, and what it is compared with."""

import ast
import copy
import importlib
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from edgeresearch.anomaly import detectors
from edgeresearch.anomaly.base import Array, Scale
from edgeresearch.anomaly.detectors import (
    ECOD,
    HIGHEST,
    IFTM,
    Detector,
    HalfSpaceTrees,
    LastValue,
    LastValueState,
    RobustZ,
    Watch,
    begun,
    modified_z,
)
from edgeresearch.anomaly.identity import LSTM, Autoencoder, Identity
from edgeresearch.anomaly.inference import Model
from edgeresearch.anomaly.thresholds import Fixed, Judge, Moving, Quantile, Threshold, judged
from edgeresearch.errors import InputError

Make = Callable[..., Any]
DETECTORS: dict[str, Detector] = {
    "robust": RobustZ(window=50, least=10),
    "trees": HalfSpaceTrees(trees=10, height=6, window=50),
    "ecod": ECOD(),
}


@pytest.fixture(params=DETECTORS)
def detector(request: pytest.FixtureRequest) -> Detector:
    """Return each detector; ECOD if PyOD is installed."""
    if request.param == "ecod":
        pytest.importorskip("pyod", reason="comes with the extra 'detectors'")
    return DETECTORS[request.param]


def test_streaming_and_batch_agree_to_the_last_bit(detector: Detector, gappy: Make) -> None:
    rows = gappy(300)
    detector.fit(rows[:200])
    stream = copy.deepcopy(detector)
    verdicts = [stream.update(row) for row in rows[200:]]
    assert_array_equal([verdict.score for verdict in verdicts], detector.score_samples(rows[200:]))
    assert_array_equal([verdict.alarm for verdict in verdicts], detector.predict(rows[200:]))
    assert_array_equal(np.isnan(detector.score_samples(rows[200:])), np.isnan(rows[200:]).all(axis=1))


def test_an_outlier_is_among_the_highest_scores(detector: Detector, gappy: Make) -> None:
    rows = gappy(300, missing=0.0)
    rows[250] += 100.0
    scores = detector.fit(rows[:200]).score_samples(rows[200:])
    assert scores[50] >= np.quantile(scores, 0.98)


def test_a_column_without_values_is_no_obstacle(detector: Detector, gappy: Make) -> None:
    rows = gappy(200, missing=0.0)
    rows[:, 1] = np.nan
    assert np.isfinite(detector.fit(rows[:150]).score_samples(rows[150:])).all()


def test_another_width_is_told(detector: Detector, gappy: Make) -> None:
    detector.fit(gappy(100))
    with pytest.raises(InputError, match="a sample has 2 values where there were 3"):
        detector.update([1.0, 2.0])
    with pytest.raises(InputError, match="a sample has 4 values where there were 3"):
        detector.predict(np.zeros((2, 4)))
    with pytest.raises(InputError, match="samples must be numbers"):
        detector.update(["a", "b", "c"])


def test_pyod_is_named_with_its_extra_if_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyod.models.ecod", None)
    with pytest.raises(InputError, match=r"pyod is not installed .*; pip install 'edgeresearch\[detectors\]'"):
        ECOD().fit([[1.0], [2.0]])


def test_pyod_is_not_imported_before_it_is_needed() -> None:
    source = Path(str(detectors.__file__)).read_text(encoding="utf-8")
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imports
    assert not any("pyod" in ast.unparse(node) for node in imports)


class _Recording:
    """Stands in for river's trees: scores the sum of the features, learns by counting."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.learnt: list[dict[int, float]] = []

    def score_one(self, x: dict[int, float]) -> float:
        assert len(self.learnt) == 0 or x is not self.learnt[-1]
        return sum(x.values()) + 1000 * len(self.learnt)

    def learn_one(self, x: dict[int, float]) -> None:
        self.learnt.append(x)


class _Distribution:
    """Stands in for PyOD's ECOD: the score is the distance from the training mean."""

    def fit(self, rows: Array) -> "_Distribution":
        self.mean = rows.mean(axis=0)
        self.decision_scores_ = self.decision_function(rows)
        return self

    def decision_function(self, rows: Array) -> Array:
        assert np.isfinite(rows).all()
        return np.asarray(np.abs(rows - self.mean).sum(axis=1))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put stand-ins in place of both libraries: what the adapters do around them is this project's."""

    class Library:
        ECOD = _Distribution

    monkeypatch.setattr(detectors, "Trees", _Recording)
    monkeypatch.setattr(importlib, "import_module", lambda name: Library)


def test_the_trees_score_before_they_learn_and_never_see_a_gap(stand_in: None) -> None:
    rows = np.array([[1.0, 10.0], [2.0, np.nan], [np.nan, np.nan], [3.0, 30.0]])
    detector = HalfSpaceTrees(trees=7, height=3, window=9, margin=0.25, random_state=5).fit(rows)
    state: Any = detector.watch_._state
    trees = state._trees
    assert trees.settings == {
        "n_trees": 7,
        "height": 3,
        "window_size": 9,
        "limits": {0: (0.5, 3.5), 1: (5.0, 35.0)},
        "seed": 5,
    }
    assert trees.learnt == [{0: 1.0, 1: 10.0}, {0: 2.0, 1: 20.0}, {0: 3.0, 1: 30.0}]
    verdict = detector.update([4.0, np.nan])
    assert verdict.score == 4.0 + 20.0 + 3000
    assert trees.learnt[-1] == {0: 4.0, 1: 20.0}
    assert len(trees.learnt) == 4


def test_scores_that_are_bounded_are_judged_by_a_quantile(gappy: Make) -> None:
    rows = gappy(600, missing=0.0)
    rows[500:505] += 100.0
    alarms = HalfSpaceTrees(window=50).fit(rows[:300]).predict(rows[300:])
    assert alarms[200:205].any()
    assert 0 < alarms.mean() < 0.1
    assert not HalfSpaceTrees(window=50, threshold=Moving(k=9.0)).fit(rows[:300]).predict(rows[300:]).any()


def test_a_constant_channel_has_a_range(stand_in: None) -> None:
    detector = HalfSpaceTrees().fit([[5.0], [5.0]])
    state: Any = detector.watch_._state
    assert state._trees.settings["limits"] == {0: (4.5, 5.5)}


def test_ecod_gets_each_sample_alone_without_gaps(stand_in: None) -> None:
    rows = np.array([[0.0, 1.0], [2.0, np.nan], [np.nan, np.nan], [4.0, 3.0]])
    detector = ECOD(Moving(warm_up=3)).fit(rows)
    assert detector.score_samples([[2.0, 2.0], [np.nan, 5.0], [np.nan, np.nan]])[:2].tolist() == [0.0, 3.0]
    assert np.isfinite(detector.update([2.0, 2.0]).threshold)  # three training scores have warmed it up


@pytest.mark.parametrize("made", [HalfSpaceTrees(), ECOD()])
def test_without_any_value_there_is_nothing_to_learn(made: Detector, stand_in: None) -> None:
    with pytest.raises(InputError, match="no sample has a value; wait for more samples"):
        made.fit([[np.nan], [np.nan]])


def test_the_modified_z_score_by_hand() -> None:
    window = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    assert modified_z(6.0, window) == pytest.approx(3.0 / 1.4826)
    assert modified_z(0.0, window) == modified_z(6.0, window)
    assert modified_z(3.0, window) == 0.0


def test_where_most_values_are_equal_the_mean_deviation_serves() -> None:
    window = np.array([0.0] * 8 + [1.0, 3.0])
    assert modified_z(2.0, window) == pytest.approx(2.0 / (1.2533 * 0.4))


def test_a_stuck_sensor_that_moves_has_the_highest_score() -> None:
    window = np.full(10, 7.0)
    assert modified_z(7.0, window) == 0.0
    assert modified_z(7.001, window) == HIGHEST
    assert modified_z(1e300, np.array([1.0, 2.0, 3.0])) == HIGHEST


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
        each = [modified_z(rows[step, c], rows[step - 8 : step, c]) for c in range(2)]
        assert scores[step - 20] == max(each)


def test_a_missing_value_does_not_use_up_the_window() -> None:
    rows = np.array([[1.0], [2.0], [4.0], [np.nan], [np.nan], [3.0]])
    detector = RobustZ(window=3, least=3).fit(rows[:5])
    assert detector.update(rows[5]).score == modified_z(3.0, np.array([1.0, 2.0, 4.0]))
    assert detector.update([9.0]).score == modified_z(9.0, np.array([2.0, 4.0, 3.0]))


def test_a_channel_is_not_scored_before_it_has_a_past() -> None:
    detector = RobustZ(window=10, least=5).fit(np.arange(4.0)[:, None])
    assert np.isnan(detector.update([9.0]).score)
    assert detector.update([9.0]).score > 0
    assert not detector.predict([[np.nan]]).any()


@pytest.mark.parametrize("settings", [{"least": 0}, {"least": 300}, {"window": 10}])
def test_a_window_without_meaning_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(InputError, match="give 1 <= least <= window"):
        RobustZ(**settings).fit([[1.0]])  # type: ignore[arg-type]


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


def test_streaming_and_batch_agree_to_the_last_bit_detector(fitted: IFTM, gappy: Make) -> None:
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


UNIT = Scale(np.zeros(2), np.ones(2))


def test_the_error_is_the_step_from_the_sample_before() -> None:
    state = LastValueState(UNIT)
    errors = state.run(np.array([[1.0, 1.0], [1.0, 1.0], [4.0, 5.0], [4.0, 5.0]]))
    np.testing.assert_allclose(errors, [1.0, 0.0, np.sqrt((9 + 16) / 2), 0.0])


def test_it_is_scaled_as_in_training() -> None:
    detector = LastValue().fit(np.array([[0.0], [10.0], [0.0], [10.0]]))
    np.testing.assert_allclose(detector.score_samples([[10.0], [0.0]]), [0.0, 2.0])


def test_missing_values_are_the_last_seen_and_do_not_count() -> None:
    state = LastValueState(UNIT)
    errors = state.run(np.array([[1.0, 2.0], [np.nan, 2.0], [np.nan, np.nan], [3.0, np.nan], [3.0, 5.0]]))
    np.testing.assert_allclose(errors, [np.sqrt(2.5), 0.0, np.nan, 2.0, np.sqrt(9 / 2)])


def test_rows_without_any_value_change_nothing() -> None:
    state, other = LastValueState(UNIT), LastValueState(UNIT)
    assert np.isnan(state.run(np.full((3, 2), np.nan))).all()
    np.testing.assert_array_equal(state.run(np.ones((2, 2))), other.run(np.ones((2, 2))))


@given(st.integers(0, 100), st.integers(1, 30))
def test_sample_by_sample_is_the_same_as_all_at_once(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 2))
    values[rng.random(values.shape) < 0.3] = np.nan
    at_once, singly = LastValueState(UNIT), LastValueState(UNIT)
    np.testing.assert_array_equal(at_once.run(values), [singly.step(row) for row in values])


def test_a_copy_goes_its_own_way() -> None:
    state = LastValueState(UNIT)
    state.step(np.array([1.0, 1.0]))
    twin = state.copy()
    twin.step(np.array([9.0, 9.0]))
    assert state.step(np.array([1.0, 1.0])) == 0.0


def test_another_width_is_refused() -> None:
    with pytest.raises(InputError, match="a sample has 3 values where there were 2"):
        LastValueState(UNIT).step(np.zeros(3))


def test_as_a_detector_it_finds_a_jump(gappy: Callable[..., Array]) -> None:
    rows = gappy(600)
    rows[500] = np.nanmax(rows) + 100
    detector = LastValue().fit(rows[:300])
    alarms = detector.predict(rows[300:])
    assert alarms[200]
    assert alarms.mean() < 0.05
    verdicts = [detector.update(row) for row in rows[300:]]
    np.testing.assert_array_equal([verdict.alarm for verdict in verdicts], alarms)


def test_its_threshold_is_the_users() -> None:
    detector = LastValue(Fixed(3.0)).fit(np.array([[0.0], [10.0]] * 10))
    assert detector.predict([[10.0], [0.0], [30.0]]).tolist() == [False, False, True]
