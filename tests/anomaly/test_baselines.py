import ast
import copy
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from edgeresearch.anomaly import baselines
from edgeresearch.anomaly.baselines import ECOD, HIGHEST, HalfSpaceTrees, RobustZ, modified_z
from edgeresearch.anomaly.detector import Detector
from edgeresearch.anomaly.samples import Array
from edgeresearch.anomaly.threshold import Moving
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
    source = Path(str(baselines.__file__)).read_text(encoding="utf-8")
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

    monkeypatch.setattr(baselines, "Trees", _Recording)
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
