import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge

from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import FOREST_ROWS, MODELS, Array, Forecaster, build, model_info, model_name
from edgeresearch.forecasting.lstm import PaperLSTM, ResidualLSTM
from edgeresearch.forecasting.settings import ForecastSettings, ForestSettings, LSTMSettings, PaperLSTMSettings


def test_the_table_has_the_papers_models_and_labels_of_its_own() -> None:
    roles = {name: model.role for name, model in MODELS.items()}
    assert [name for name, role in roles.items() if role == "paper"] == [
        "random_forest",
        "ridge",
        "logistic",
        "xgboost",
    ]
    assert set(roles.values()) == {"paper", "paper's LSTM", "naive", "strong", "project"}
    assert len({model.label for model in MODELS.values()}) == len(MODELS)


@pytest.mark.parametrize(
    ("name", "hint"), [("rigde", "did you mean ridge?"), ("lstm_hubert", "did you mean lstm_huber?"), ("42", "known: ")]
)
def test_an_unknown_model_is_refused_and_the_nearest_named(name: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        build(name, columns=["value"], rows=10)
    assert str(caught.value).startswith(f"unknown model {name!r}")
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError):
        model_info(name)


def test_settings_reach_their_model() -> None:
    chosen = ForecastSettings(
        window=7,
        test_fraction=0.5,
        validation_fraction=0.15,
        lstm_paper=PaperLSTMSettings(hidden=3),
        lstm=LSTMSettings(hidden=6),
        forest=ForestSettings(trees=9),
    )
    columns = ["value", "season_lag_1"]
    made = {
        name: build(name, columns=columns, rows=10, settings=chosen, seed=5).get_params(deep=True) for name in MODELS
    }
    assert all(settings["window"] == 7 for settings in made.values() if "window" in settings)
    assert made["lstm_paper"]["hidden"] == 3
    assert [made[name]["hidden"] for name in ("lstm", "lstm_huber")] == [6, 6]
    assert [made[name]["loss"] for name in ("lstm", "lstm_huber")] == ["mse", "huber"]
    assert made["random_forest"]["regressor__n_estimators"] == 9
    assert {made[name]["fraction"] for name in ("lstm", "lstm_huber")} == {0.3}
    assert {made[name]["regressor__fraction"] for name in ("xgboost", "xgboost_calendar")} == {0.3}
    assert {made[name]["regressor__cv"].fraction for name in ("ridge", "ridge_calendar")} == {0.3}
    seeds = {
        key: value for settings in made.values() for key, value in settings.items() if key.endswith("random_state")
    }
    assert seeds["random_state"] == seeds["regressor__random_state"] == 5


def test_by_itself_a_model_is_the_studys() -> None:
    for name, model in (("lstm", ResidualLSTM()), ("lstm_paper", PaperLSTM())):
        study = build(name, columns=["value"], rows=10, seed=0).get_params()
        assert {**model.get_params(), "random_state": 0} == study


def test_an_object_is_copied_and_goes_by_its_class() -> None:
    own = Ridge()
    assert build(own, columns=["value"], rows=10) is not own
    assert (model_name(own), model_info(own).role) == ("Ridge", "own")
    for wrong, message in (
        (Ridge, r"call it: Ridge\(\)"),
        (3, "3 is no forecaster; give a name or an object with fit and"),
    ):
        with pytest.raises(InputError, match=message):
            model_info(wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cannot be called ridge"):
        model_info(type("ridge", (Ridge,), {})())


def test_labels_are_known_before_anything_heavy_is_imported() -> None:
    code = "import sys; from edgeresearch.forecasting import api, base, evaluation; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "pytorch_lightning", "sklearn", "xgboost", "scipy", "matplotlib"} & set(found.stdout.split())


@pytest.mark.parametrize("name", ["random_forest", "ridge", "logistic", "xgboost", "lstm_paper"])
def test_the_papers_models_see_past_values_alone(
    name: str, series: tuple[Array, Array], fitted: Callable[..., Forecaster]
) -> None:
    rows = series[0].copy()
    rows[:, 1:] = 5
    np.testing.assert_array_equal(fitted(name).predict(rows), fitted(name).predict(series[0]))


@pytest.mark.parametrize("name", ["ridge_calendar", "xgboost_calendar", "lstm", "lstm_huber", "seasonal_naive"])
def test_the_stronger_models_see_the_covariates(
    name: str, series: tuple[Array, Array], fitted: Callable[..., Forecaster]
) -> None:
    rows = series[0].copy()
    rows[:, 1:] = rows[::-1, 1:]
    assert not np.array_equal(fitted(name).predict(rows), fitted(name).predict(series[0]), equal_nan=True)


@pytest.mark.parametrize("name", MODELS)
def test_the_table_knows_which_models_read_the_time_of_day(
    name: str, series: tuple[Array, Array], fitted: Callable[..., Forecaster]
) -> None:
    rows = series[0].copy()
    rows[:, 1] = rows[::-1, 1]  # its sine of the day
    same = np.array_equal(fitted(name).predict(rows), fitted(name).predict(series[0]), equal_nan=True)
    assert same != MODELS[name].reads_times


def test_the_seasonal_naive_finds_its_columns() -> None:
    columns = ["value", "season_lag_1", "season_mean_1", "season_lag_5"]
    model: Any = build("seasonal_naive", columns=columns, rows=10)
    assert model.columns == [1, 3]
    fallback: Any = build("seasonal_naive", columns=["value"], rows=10)
    assert fallback.columns == [0]


@pytest.mark.parametrize(("rows", "cap"), [(FOREST_ROWS, None), (FOREST_ROWS + 61, FOREST_ROWS)])
def test_a_tree_of_the_forest_sees_a_bounded_number_of_rows(rows: int, cap: int | None) -> None:
    model: Any = build("random_forest", columns=["value"], rows=rows)
    assert isinstance(model.regressor, RandomForestRegressor)
    assert model.regressor.max_samples == cap


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("flat", [False, True])
def test_a_stream_gives_what_predict_gives_across_an_outage(
    name: str, flat: bool, series: tuple[Array, Array], fitted: Callable[..., Forecaster]
) -> None:
    model = fitted(name, flat=flat)
    rows = series[0][185:225]
    assert np.isnan(rows[:, 0]).any()
    batch = model.predict(rows).reshape(len(rows), -1)
    stream = model.stream()
    streamed = np.stack([stream.update(row) for row in rows])
    np.testing.assert_allclose(streamed, batch, rtol=1e-6)


@pytest.mark.parametrize("name", MODELS)
@settings(deadline=None, max_examples=12)
@given(now=st.integers(0, 58), factor=st.floats(-3, 3), gap=st.booleans())
def test_the_future_changes_no_forecast_up_to_now(
    name: str,
    now: int,
    factor: float,
    gap: bool,
    series: tuple[Array, Array],
    fitted: Callable[..., Forecaster],
) -> None:
    rows = series[0][150:210]
    other = rows.copy()
    other[now + 1 :] *= factor
    if gap:
        other[now + 1 :, 0] = np.nan
    before, after = fitted(name).predict(rows), fitted(name).predict(other)
    np.testing.assert_allclose(after[: now + 1], before[: now + 1], rtol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_with_the_same_seed_gives_the_same_forecasts(
    name: str, series: tuple[Array, Array], make: Callable[..., Forecaster], fitted: Callable[..., Forecaster]
) -> None:
    again = clone(make(name)).fit(*series)
    np.testing.assert_array_equal(again.predict(series[0]), fitted(name).predict(series[0]))


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_touches_no_global_random_state(
    name: str, series: tuple[Array, Array], make: Callable[..., Forecaster]
) -> None:
    rows, targets = series[0][:150], series[1][:150]
    before = (random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state())
    make(name).fit(rows, targets).predict(rows)
    after = (random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state())
    assert before[0] == after[0]
    np.testing.assert_equal(before[1], after[1])
    assert torch.equal(before[2], after[2])


@pytest.mark.parametrize(
    "name", [name for name in MODELS if name not in ("last_value", "seasonal_naive", "lstm_paper")]
)
def test_every_model_learns_a_wave_better_than_its_mean(name: str, make: Callable[..., Forecaster]) -> None:
    values = 50 + 10 * np.sin(2 * np.pi * np.arange(421) / 12)
    rows, target = np.repeat(values[:-1, None], 4, axis=1), values[1:]
    model = make(name).fit(rows[:320], target[:320])
    error = np.mean((model.predict(rows)[320:] - target[320:]) ** 2)
    assert error < 0.2 * np.var(target[320:])


@pytest.mark.parametrize("name", MODELS)
def test_another_seed_gives_other_forecasts_where_there_is_chance(
    name: str, series: tuple[Array, Array], fitted: Callable[..., Forecaster]
) -> None:
    one, other = (fitted(name, seed=seed).predict(series[0]) for seed in (1, 2))
    assert np.array_equal(one, other, equal_nan=True) != MODELS[name].random
