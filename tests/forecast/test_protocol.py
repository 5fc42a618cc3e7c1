from collections.abc import Callable

import numpy as np
import pytest

from edgeresearch.forecast.models import MODELS
from edgeresearch.forecast.protocol import Array, Forecaster, Stream


class _Mute:
    def fit(self, X: object, y: object) -> "_Mute":  # noqa: N803
        return self


@pytest.mark.parametrize("name", MODELS)
def test_every_model_keeps_the_protocol(name: str, make: Callable[..., Forecaster]) -> None:
    assert isinstance(make(name), Forecaster)


@pytest.mark.parametrize("name", MODELS)
def test_every_stream_keeps_the_protocol(name: str, fitted: Callable[..., Forecaster]) -> None:
    assert isinstance(fitted(name).stream(), Stream)


def test_what_cannot_predict_is_no_forecaster() -> None:
    assert not isinstance(_Mute(), Forecaster)
    assert not isinstance(_Mute(), Stream)


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
