from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.anomaly.naive import LastValue, LastValueState
from edgeresearch.anomaly.samples import Array, Scale
from edgeresearch.anomaly.threshold import Fixed
from edgeresearch.errors import InputError

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
