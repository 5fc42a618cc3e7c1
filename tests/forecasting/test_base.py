"""What a forecaster is: rows of time steps in, forecasts out; windows, streams."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.multioutput import MultiOutputRegressor

from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import MODELS, Array, Forecaster, Stream, WindowStream, find_segments, make_lags
from edgeresearch.forecasting.baselines import BinnedLogistic, Holdout, LastValue, Windowed, check_whole
from edgeresearch.forecasting.lstm import PaperLSTM


@pytest.mark.parametrize("name", MODELS)
def test_every_model_keeps_the_protocol(name: str, fitted: Callable[..., Forecaster]) -> None:
    assert isinstance(fitted(name), Forecaster)
    assert isinstance(fitted(name).stream(), Stream)
    assert not isinstance(object(), Forecaster | Stream)


@pytest.mark.parametrize("name", MODELS)
def test_shapes_follow_the_targets(name: str, series: tuple[Array, Array], fitted: Callable[..., Forecaster]) -> None:
    rows, _ = series
    assert fitted(name).predict(rows).shape == (300, 2)
    assert fitted(name, flat=True).predict(rows).shape == (300,)
    assert fitted(name).stream().update(rows[0]).shape == (2,)
    assert fitted(name, flat=True).stream().update(rows[0]).shape == (1,)


@pytest.mark.parametrize("name", MODELS)
def test_a_forecast_is_missing_exactly_in_an_outage(
    name: str, series: tuple[Array, Array], fitted: Callable[..., Forecaster]
) -> None:
    rows, _ = series
    forecast = fitted(name).predict(rows)
    assert forecast.dtype == np.float64
    np.testing.assert_array_equal(np.isnan(forecast), np.isnan(rows[:, [0, 0]]))


@pytest.mark.parametrize("name", MODELS)
def test_neither_fit_nor_predict_changes_what_it_is_given(
    name: str, series: tuple[Array, Array], make: Callable[..., Forecaster]
) -> None:
    rows, targets = series[0][:120].copy(), series[1][:120].copy()
    model = make(name).fit(rows, targets)
    model.predict(rows)
    np.testing.assert_array_equal(rows, series[0][:120])
    np.testing.assert_array_equal(targets, series[1][:120])


@pytest.mark.parametrize("name", MODELS)
def test_settings_survive_a_fit(name: str, fitted: Callable[..., Forecaster], make: Callable[..., Forecaster]) -> None:
    assert repr(fitted(name).get_params(deep=False)) == repr(make(name).get_params(deep=False))


NAN = float("nan")
finite = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(
    ("rows", "targets", "message"),
    [
        ([[1.0], [2.0]], None, "requires y"),
        ([[1.0], [np.inf]], [1.0, 2.0], "infinity"),
        ([[1.0], [2.0]], [1.0, np.inf], "infinity"),
        ([[1.0], [2.0], [3.0]], [1.0, 2.0], "inconsistent numbers of samples"),
        ([[1.0]], [1.0], "minimum of 2"),
        ([1.0, 2.0], [1.0, 2.0], "Expected 2D array"),
        ([[1.0], [2.0]], [NAN, NAN], "y holds no known value in 2 rows; give"),
    ],
)
def test_rows_that_cannot_be_learnt_from_are_refused(rows: Any, targets: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LastValue().fit(rows, targets)


def test_rows_are_forecast_with_the_columns_and_names_of_fit() -> None:
    model = LastValue().fit([[1.0, 2], [NAN, 4]], [NAN, 2.0])
    np.testing.assert_array_equal(model.predict([[NAN, 1], [3, 1]]), [NAN, 3])
    for rows, message in (([[1.0]], "expecting 2 features"), ([[np.inf, 1]], "infinity")):
        with pytest.raises(ValueError, match=message):
            model.predict(rows)
    table = pd.DataFrame({"value": [1.0, 2.0], "hour": [3.0, 4.0]})
    named = LastValue().fit(table, [5, 6])
    assert list(named.feature_names_in_) == ["value", "hour"]
    with pytest.raises(ValueError, match="feature names"):
        named.predict(table[["hour", "value"]])


def test_a_missing_covariate_is_refused_by_row_and_column_but_not_in_an_outage() -> None:
    with pytest.raises(InputError, match="column 2 of X is NaN in row 1; fill it"):
        check_whole(np.array([[1, 1, 1], [1, 1, NAN], [1, NAN, 1]]))
    for rows in ([[NAN, NAN], [1, 2]], [[NAN, 3], [1, 2]], [[NAN], [1]]):
        check_whole(np.array(rows))


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
    assert find_segments(np.array(observed, dtype=bool)) == expected


@given(st.lists(finite, min_size=1, max_size=30), st.integers(1, 40))
def test_lags_end_with_the_newest_value_and_repeat_the_first(values: list[float], window: int) -> None:
    found = make_lags(np.array(values), window)
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


PICKLE = "it puts NaN into any column; NaN marks an outage in column 0, and a covariate that is missing is refused"
ORDER = "rows are time steps: a forecast depends on the rows before it, so their order matters"
SUBSET = "rows are time steps: a forecast depends on the rows before it, so a subset is another series"


class _Probe(RegressorMixin, BaseEstimator):
    """Keeps what it is shown; forecasts the mean of its inputs."""

    def fit(self, X: Array, y: Array) -> "_Probe":  # noqa: N803
        self.X_, self.y_ = X.copy(), y.copy()
        return self

    def predict(self, X: Array) -> Array:  # noqa: N803
        mean: Array = X.mean(axis=1)
        return mean


def _column(values: Any) -> Array:
    return np.asarray(values, dtype=float)[:, None]


@pytest.mark.parametrize("window", [1, 2])
def test_scikit_learn_accepts_it(window: int, conforms: Callable[..., None]) -> None:
    past = {"check_methods_sample_order_invariance": ORDER, "check_methods_subset_invariance": SUBSET}
    expected = {"check_estimators_pickle": PICKLE, **(past if window > 1 else {})}
    conforms(Windowed(Ridge(), window=window, covariates=True), expected)


@pytest.mark.parametrize(("values", "window"), [([1, 2, NAN, 3, 4, NAN, 5], 3), ([NAN] * 7, 1)])
@pytest.mark.parametrize("kind", [lambda window: Windowed(Ridge(), window), lambda window: PaperLSTM(window)])
def test_a_series_without_a_whole_window_is_refused(kind: Any, values: list[float], window: int) -> None:
    message = f"no stretch of {window} observed values among n_samples = 7 rows; use a shorter"
    with pytest.raises(InputError, match=message):
        kind(window).fit(_column(values), np.arange(7.0))


def test_the_regressor_sees_whole_windows_and_known_targets() -> None:
    values = np.array([1, 2, 3, 4, np.nan, 6, 7, 8.0])
    target = np.array([2, 3, np.nan, 5, 6, 7, 8, 9.0])
    model = Windowed(_Probe(), window=2).fit(_column(values), target)
    np.testing.assert_array_equal(model.regressor_.X_, [[1, 2], [3, 4], [6, 7], [7, 8]])
    np.testing.assert_array_equal(model.regressor_.y_, [3, 5, 8, 9])


def test_the_covariates_are_those_of_the_newest_row() -> None:
    rows = np.column_stack([np.arange(4.0), np.arange(4.0) + 10, np.arange(4.0) + 20])
    model = Windowed(_Probe(), window=2, covariates=True).fit(rows, np.arange(4.0))
    np.testing.assert_array_equal(model.regressor_.X_, [[0, 1, 11, 21], [1, 2, 12, 22], [2, 3, 13, 23]])
    without = Windowed(_Probe(), window=2).fit(rows, np.arange(4.0))
    np.testing.assert_array_equal(without.regressor_.X_, [[0, 1], [1, 2], [2, 3]])


def test_a_residual_is_the_change_from_the_newest_value() -> None:
    model = Windowed(_Probe(), window=1, residual=True).fit(_column([1, 2, 4]), np.array([2.0, 4.0, 8.0]))
    np.testing.assert_array_equal(model.regressor_.y_, [1, 2, 4])
    np.testing.assert_array_equal(model.predict(_column([5, 6])), [10, 12])


def test_before_the_window_is_full_the_first_value_stands() -> None:
    model = Windowed(_Probe(), window=3).fit(_column(range(6)), np.arange(6.0))
    np.testing.assert_allclose(model.predict(_column([3, 6, 9, np.nan, 5])), [3, 4, 6, np.nan, 5])


def test_several_targets_are_learnt_one_by_one_where_the_regressor_knows_one() -> None:
    rng = np.random.default_rng(0)
    rows, targets = rng.normal(size=(60, 1)), rng.normal(size=(60, 2))
    model = Windowed(BinnedLogistic(bins=3), window=2).fit(rows, targets)
    assert isinstance(model.regressor_, MultiOutputRegressor)
    single = Windowed(BinnedLogistic(bins=3), window=2).fit(rows, targets[:, 1])
    np.testing.assert_array_equal(model.predict(rows)[:, 1], single.predict(rows))


@pytest.mark.parametrize("targets", [1, 2])
def test_a_search_leaves_what_it_found_and_each_target_its_own(targets: int) -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(80, 1)).cumsum(axis=0)
    turned = np.where(np.arange(80) < 60, rows[:, 0], -rows[:, 0])  # whoever learnt little is right in the end
    wanted = np.column_stack([rows[:, 0], turned])[:, :targets]
    search = GridSearchCV(Ridge(), {"alpha": [1e-3, 1e6]}, cv=Holdout(0.25), scoring="neg_mean_squared_error")
    model = Windowed(search, window=1).fit(rows, wanted if targets > 1 else wanted[:, 0])
    found = model.regressor_.estimators_ if targets > 1 else [model.regressor_]
    assert [type(each) for each in found] == [Ridge] * targets
    assert found[0].alpha == 1e-3
    if targets > 1:
        assert found[1].alpha == 1e6


def test_the_regressor_is_not_changed() -> None:
    inner = Ridge()
    Windowed(inner, window=1).fit(_column([1, 2, 3]), np.arange(3.0))
    assert not hasattr(inner, "coef_")


def test_a_missing_covariate_is_refused_only_where_it_is_read() -> None:
    rows = np.array([[1.0, 1.0], [2.0, np.nan], [3.0, 1.0]])
    assert Windowed(Ridge(), window=1).fit(rows, np.arange(3.0)).predict(rows).shape == (3,)
    with pytest.raises(InputError, match="column 1 of X is NaN in row 1"):
        Windowed(Ridge(), window=1, covariates=True).fit(rows, np.arange(3.0))
    model = Windowed(Ridge(), window=1, covariates=True).fit(rows[[0, 2]], np.arange(2.0))
    with pytest.raises(InputError, match="column 1 of X is NaN in row 1"):
        model.predict(rows)


def test_a_search_over_the_window_finds_the_one_that_is_needed() -> None:
    values = np.random.default_rng(3).normal(size=120)
    target = np.r_[0, 0, values[:-2]]  # two steps back
    search = GridSearchCV(Windowed(Ridge(alpha=1e-3), window=1), {"window": [1, 3]}, cv=TimeSeriesSplit(3))
    search.fit(_column(values), target)
    assert search.best_params_ == {"window": 3}
    assert search.best_score_ > 0.7


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.one_of(st.floats(-100, 100), st.just(float("nan"))), min_size=1, max_size=30),
    st.integers(1, 5),
    st.booleans(),
)
def test_a_stream_gives_what_predict_gives(values: list[float], window: int, residual: bool) -> None:
    rng = np.random.default_rng(5)
    train = rng.normal(size=(30, 1))
    model = Windowed(Ridge(), window=window, residual=residual).fit(train, rng.normal(size=(30, 2)))
    stream = model.stream()
    rows = _column(values)
    streamed = np.stack([stream.update(row) for row in rows])
    np.testing.assert_allclose(streamed, model.predict(rows), rtol=1e-9, atol=1e-9)
