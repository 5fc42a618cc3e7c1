from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from edgeresearch.errors import InputError
from edgeresearch.forecast.paper_lstm import PaperLSTM
from edgeresearch.forecast.protocol import Array
from edgeresearch.forecast.rows import lag_matrix

ORDER = "rows are time steps: a forecast depends on the rows before it, so their order matters"
SUBSET = "rows are time steps: a forecast depends on the rows before it, so a subset is another series"


def _model(**settings: Any) -> PaperLSTM:
    return PaperLSTM(**{"window": 6, "hidden": 4, "epochs": 2, "accelerator": "cpu", "random_state": 0, **settings})


def test_scikit_learn_accepts_it_without_history(conforms: Callable[..., None]) -> None:
    conforms(PaperLSTM(window=1, hidden=2, epochs=1, accelerator="cpu"))


def test_scikit_learn_accepts_it_with_a_window(conforms: Callable[..., None]) -> None:
    expected = {"check_methods_sample_order_invariance": ORDER, "check_methods_subset_invariance": SUBSET}
    conforms(PaperLSTM(window=2, hidden=2, epochs=1, accelerator="cpu"), expected)


def test_it_learns_a_wave() -> None:
    values = 100 + 10 * np.sin(2 * np.pi * np.arange(400) / 12)
    model = _model(window=12, hidden=8, epochs=30, batch=32, learning_rate=1e-2)
    model.fit(values[:299, None], values[1:300])
    assert model.score(values[300:-1, None], values[301:]) > 0.9


def test_covariates_are_not_read(series: tuple[Array, Array]) -> None:
    rows, targets = series
    other = rows.copy()
    other[:, 1:] = 7
    np.testing.assert_array_equal(
        _model().fit(rows, targets).predict(rows), _model().fit(other, targets).predict(other)
    )


def test_the_scale_is_that_of_the_training_values(series: tuple[Array, Array]) -> None:
    rows, targets = series
    model = _model().fit(rows[:150], targets[:150])
    assert model.mean_ == pytest.approx(rows[:150, 0].mean())
    assert model.scale_ == pytest.approx(rows[:150, 0].std())
    mean, scale = model.mean_, model.scale_
    model.predict(rows * 100)
    assert (model.mean_, model.scale_) == (mean, scale)


def test_a_constant_series_keeps_a_scale_of_one() -> None:
    model = _model().fit(np.full((40, 1), 4.0), np.full(40, 4.0))
    assert (model.mean_, model.scale_) == (4.0, 1.0)
    assert np.isfinite(model.predict(np.full((5, 1), 4.0))).all()


def test_the_forecast_is_that_of_the_module(series: tuple[Array, Array]) -> None:
    rows, targets = series
    model = _model().fit(rows, targets)
    lags = (lag_matrix(rows[:50, 0], 6) - model.mean_) / model.scale_
    with torch.inference_mode():
        expected = model.module_(torch.tensor(lags[..., None], dtype=torch.float32)).numpy()
    np.testing.assert_allclose(model.predict(rows[:50]), expected * model.scale_ + model.mean_, rtol=1e-6)


def test_a_long_series_is_forecast_piece_by_piece(series: tuple[Array, Array]) -> None:
    model = _model().fit(*series)
    values = np.random.default_rng(0).normal(size=(9000, 1)) + 20
    rows = np.column_stack([values, np.zeros((9000, 3))])
    np.testing.assert_allclose(model.predict(rows)[4090:4110], model.predict(rows[4080:4110])[10:], rtol=1e-6)


def test_a_limit_of_windows_is_kept(series: tuple[Array, Array]) -> None:
    rows, targets = series
    few, all_of_them = _model(max_windows=1, batch=1), _model()
    assert not np.allclose(few.fit(rows, targets).predict(rows[:9]), all_of_them.fit(rows, targets).predict(rows[:9]))


def test_a_stream_pads_with_the_first_value(series: tuple[Array, Array]) -> None:
    model = _model().fit(*series)
    stream, rows = model.stream(), series[0][195:215]
    streamed = np.stack([stream.update(row) for row in rows])
    np.testing.assert_allclose(streamed, model.predict(rows), rtol=1e-6)


def test_a_series_without_a_whole_window_is_refused() -> None:
    rows = np.array([[1.0], [2], [np.nan], [3], [4]])
    with pytest.raises(InputError, match="no stretch of 3 observed values among n_samples = 5 rows; use a shorter"):
        _model(window=3).fit(rows, np.ones(5))


def test_settings_are_cloned_and_searched(series: tuple[Array, Array]) -> None:
    rows, targets = series[0][:120], series[1][:120]
    model = clone(_model(epochs=1))
    assert model.get_params()["window"] == 6
    search = GridSearchCV(model, {"window": [2, 4], "hidden": [3]}, cv=TimeSeriesSplit(2)).fit(rows, targets)
    assert search.best_estimator_.module_.lstm.hidden_size == 3
    assert search.best_estimator_.window == search.best_params_["window"]


def test_it_stands_in_a_pipeline(series: tuple[Array, Array]) -> None:
    rows, targets = series[0][:120], series[1][:120]
    pipeline = make_pipeline(FunctionTransformer(np.abs), _model()).fit(rows, targets)
    np.testing.assert_array_equal(pipeline.predict(rows), _model().fit(rows, targets).predict(rows))
