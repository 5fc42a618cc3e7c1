from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator

from edgeresearch.errors import InputError
from edgeresearch.forecast.protocol import Array
from edgeresearch.forecast.rows import (
    WindowStream,
    lag_matrix,
    prediction_rows,
    segments,
    training_rows,
    whole,
)

NAN = float("nan")
finite = st.floats(-1e6, 1e6)


def test_training_rows_have_two_axes_and_remember_a_flat_target() -> None:
    estimator = BaseEstimator()
    rows, targets = training_rows(estimator, [[1, 2], [3, 4]], [5, 6])
    assert rows.dtype == targets.dtype == np.float64
    np.testing.assert_array_equal(targets, [[5], [6]])
    assert estimator.flat_
    training_rows(estimator, [[1], [2]], [[5, 6], [7, 8]])
    assert not estimator.flat_


def test_training_rows_may_hold_an_outage() -> None:
    rows, targets = training_rows(BaseEstimator(), [[1.0], [NAN]], [NAN, 2.0])
    np.testing.assert_array_equal(rows, [[1], [NAN]])
    np.testing.assert_array_equal(targets, [[NAN], [2]])


@pytest.mark.parametrize(
    ("rows", "targets", "message"),
    [
        ([[1.0], [2.0]], None, "requires y"),
        ([[1.0], [np.inf]], [1.0, 2.0], "infinity"),
        ([[1.0], [2.0]], [1.0, np.inf], "infinity"),
        ([[1.0], [2.0], [3.0]], [1.0, 2.0], "inconsistent numbers of samples"),
        ([[1.0]], [1.0], "minimum of 2"),
        ([1.0, 2.0], [1.0, 2.0], "Expected 2D array"),
    ],
)
def test_rows_that_cannot_be_learnt_from_are_refused(rows: Any, targets: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        training_rows(BaseEstimator(), rows, targets)


def test_targets_of_which_none_is_known_are_refused() -> None:
    with pytest.raises(InputError, match="y holds no known value in 2 rows; give"):
        training_rows(BaseEstimator(), [[1.0], [2.0]], [NAN, NAN])


def test_prediction_rows_have_the_columns_of_fit() -> None:
    estimator = BaseEstimator()
    training_rows(estimator, [[1, 2], [3, 4]], [5, 6])
    np.testing.assert_array_equal(prediction_rows(estimator, [[NAN, 1]]), [[NAN, 1]])
    with pytest.raises(ValueError, match="expecting 2 features"):
        prediction_rows(estimator, [[1.0]])
    with pytest.raises(ValueError, match="infinity"):
        prediction_rows(estimator, [[np.inf, 1]])


def test_prediction_rows_have_the_names_of_fit() -> None:
    estimator = BaseEstimator()
    table = pd.DataFrame({"value": [1.0, 2.0], "hour": [3.0, 4.0]})
    training_rows(estimator, table, [5, 6])
    assert list(estimator.feature_names_in_) == ["value", "hour"]
    with pytest.raises(ValueError, match="feature names"):
        prediction_rows(estimator, table[["hour", "value"]])


def test_a_missing_covariate_is_refused_by_row_and_column() -> None:
    with pytest.raises(InputError, match="column 2 of X is NaN in row 1; fill it"):
        whole(np.array([[1, 1, 1], [1, 1, NAN], [1, NAN, 1]]))


@pytest.mark.parametrize("rows", [[[NAN, NAN], [1, 2]], [[NAN, 3], [1, 2]], [[NAN], [1]]])
def test_a_covariate_may_be_missing_in_an_outage(rows: Any) -> None:
    whole(np.array(rows))


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        ([], []),
        ([0, 0], []),
        ([1, 1], [slice(0, 2)]),
        ([1, 0, 1], [slice(0, 1), slice(2, 3)]),
        ([0, 1, 1, 0, 0, 1], [slice(1, 3), slice(5, 6)]),
    ],
)
def test_segments(observed: list[int], expected: list[slice]) -> None:
    assert segments(np.array(observed, dtype=bool)) == expected


@given(st.lists(st.booleans(), max_size=50))
def test_segments_are_the_observed_rows_as_long_as_can_be(observed: list[bool]) -> None:
    mask = np.array(observed, dtype=bool)
    parts = segments(mask)
    covered = np.zeros(len(mask), dtype=bool)
    for part in parts:
        assert part.start < part.stop
        assert mask[part].all()
        covered[part] = True
    np.testing.assert_array_equal(covered, mask)
    assert all(before.stop < after.start for before, after in zip(parts, parts[1:], strict=False))


@given(st.lists(finite, min_size=1, max_size=30), st.integers(1, 40))
def test_lags_end_with_the_newest_value_and_repeat_the_first(values: list[float], window: int) -> None:
    found = lag_matrix(np.array(values), window)
    assert found.shape == (len(values), window)
    for step, lags in enumerate(found):
        assert lags.tolist() == [values[max(step - back, 0)] for back in range(window - 1, -1, -1)]


def _last_rows(window: int) -> WindowStream:
    """Forecast the sum and the number of the rows that it is shown."""

    def forecast(rows: Array) -> Array:
        return np.repeat([[rows[:, 0].sum(), float(len(rows))]], len(rows), axis=0)

    return WindowStream(forecast, window, 2)


@given(st.lists(st.one_of(finite, st.just(NAN)), min_size=1, max_size=80), st.integers(1, 6))
def test_a_stream_shows_the_window_since_the_last_outage(values: list[float], window: int) -> None:
    stream = _last_rows(window)
    seen: list[float] = []
    for value in values:
        found = stream.update([value, 0.0])
        if np.isnan(value):
            seen = []
            assert np.isnan(found).tolist() == [True, True]
            continue
        seen = [*seen, value][-window:]
        np.testing.assert_array_equal(found, [np.array(seen).sum(), len(seen)])


def test_a_stream_takes_a_row_of_any_shape() -> None:
    stream = _last_rows(2)
    np.testing.assert_array_equal(stream.update(3.0), [3, 1])
    np.testing.assert_array_equal(stream.update([[4.0]]), [7, 2])
