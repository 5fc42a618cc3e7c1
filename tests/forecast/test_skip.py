from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.forecast.lstm import ResidualLSTM
from edgeresearch.forecast.protocol import Array
from edgeresearch.forecast.skip import Skip, Variant, squash

VARIANTS = [Variant(base, scaled) for base in ("ridge", "last") for scaled in (True, False)]


def _fitted(variant: Variant, rows: Array, targets: Array, **settings: Any) -> Skip:
    """Fit through the regressor: an untrained network leaves the base forecast."""
    chosen = {"window": 6, "hidden": 2, "epochs": 0, "members": 1, "accelerator": "cpu", "random_state": 0, **settings}
    model = ResidualLSTM(variants=(variant,), **chosen).fit(rows, targets)
    skip: Skip = model.skip_
    return skip


def _replay(skip: Skip, rows: Array) -> list[tuple[Array, Array, Array]]:
    """Do with `step` what `apply` does for all rows at once."""
    lags, power, found = np.full(skip.window, rows[0, 0]), skip.variance, []
    for row in rows:
        change = row[0] - lags[-1]
        lags = np.append(lags[1:], row[0])
        base, unit, inputs, power = skip.step(lags, row, change, power)
        found.append((base, unit, inputs))
    return found


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_step_does_what_apply_does_for_many(variant: Variant, series: tuple[Array, Array]) -> None:
    rows, targets = series
    skip = _fitted(variant, rows, targets)
    stretch = rows[20:90]
    for found, expected in zip(zip(*_replay(skip, stretch), strict=True), skip.apply(stretch), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_what_apply_says_of_a_row_does_not_depend_on_later_rows(variant: Variant, series: tuple[Array, Array]) -> None:
    skip = _fitted(variant, *series)
    whole, part = skip.apply(series[0][:150]), skip.apply(series[0][:60])
    for a, b in zip(whole, part, strict=True):
        np.testing.assert_allclose(a[:60], b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scaled", [True, False])
def test_the_last_value_is_a_base(scaled: bool, series: tuple[Array, Array]) -> None:
    rows, targets = series
    base, _, _ = _fitted(Variant("last", scaled), rows, targets).apply(rows[:50])
    np.testing.assert_array_equal(base, np.repeat(rows[:50, :1], 2, axis=1))


def test_the_ridge_base_finds_a_linear_recurrence() -> None:
    values = [1.0, 2.0]
    while len(values) < 200:
        values.append(1.6 * values[-1] - 0.98 * values[-2] + 2)
    series = np.array(values)
    skip = _fitted(Variant("ridge", False), series[:-1, None], series[1:])
    base, _, _ = skip.apply(series[100:-1, None])
    error = base[10:, 0] - series[111:]
    assert np.abs(error).max() < 0.05 * np.abs(np.diff(series[111:])).max()


def test_the_ridge_base_uses_the_covariates() -> None:
    rng = np.random.default_rng(0)
    hint = rng.normal(size=400)
    rows = np.column_stack([np.r_[0, hint[:-1]], hint])
    skip = _fitted(Variant("ridge", False), rows, hint)
    base, _, _ = skip.apply(rows)
    assert np.mean((base[:, 0] - hint) ** 2) < 0.02


def test_a_constant_covariate_gets_no_weight() -> None:
    values = np.random.default_rng(1).normal(size=200).cumsum()
    rows = np.column_stack([values[:-1], np.full(199, 3.0)])
    skip = _fitted(Variant("ridge", True), rows, values[1:])
    assert np.isfinite(skip.weights).all()
    np.testing.assert_allclose(skip.weights[-1], 0, atol=1e-8)


def test_the_local_scale_follows_the_changes() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(size=800) * np.where(np.arange(800) < 400, 0.2, 5.0)
    values = 50 + noise.cumsum()
    rows, targets = values[:-1, None], values[1:]
    _, unit, _ = _fitted(Variant("last", True), rows, targets, memory=20.0).apply(rows)
    assert np.median(unit[600:]) > 3 * np.median(unit[200:400])
    _, flat, _ = _fitted(Variant("last", False), rows, targets, memory=20.0).apply(rows)
    assert len(np.unique(flat)) == 1


def test_the_unit_never_vanishes() -> None:
    values = np.r_[np.random.default_rng(3).normal(size=200).cumsum(), np.full(300, 7.0)]
    skip = _fitted(Variant("last", True), values[:-1, None], values[1:])
    base, unit, inputs = skip.apply(values[:, None])
    assert unit.min() > 0
    assert np.isfinite(inputs).all()


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_constant_series_is_no_trouble(variant: Variant) -> None:
    rows = np.full((80, 1), 5.0)
    skip = _fitted(variant, rows, np.full(80, 5.0))
    base, unit, inputs = skip.apply(rows)
    np.testing.assert_allclose(base, 5.0)
    assert np.isfinite(unit).all() and np.isfinite(inputs).all()


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_another_unit_of_the_series_changes_the_unit_of_the_forecast_alone(
    variant: Variant, series: tuple[Array, Array]
) -> None:
    rows, targets = series[0][:, :1], series[1]
    base, unit, _ = _fitted(variant, rows, targets).apply(rows[:100])
    larger, wider, _ = _fitted(variant, rows * 8, targets * 8).apply(rows[:100] * 8)
    np.testing.assert_allclose(larger, base * 8, rtol=1e-6)
    np.testing.assert_allclose(wider, unit * 8, rtol=1e-6)


def test_inputs_of_the_training_rows_are_standardised(series: tuple[Array, Array]) -> None:
    rows, targets = series
    _, _, inputs = _fitted(Variant("ridge", True), rows[:200], targets[:200]).apply(rows[:200])
    assert np.abs(inputs.mean(axis=0)).max() < 0.2
    assert np.all((inputs.std(axis=0) < 1.1) | (inputs.std(axis=0) == 0))


def test_the_penalty_is_one_that_validation_had(series: tuple[Array, Array]) -> None:
    skip = _fitted(Variant("ridge", True), *series)
    assert skip.penalty.shape == (2,)
    assert (skip.penalty > 0).all()
    assert skip.weights.shape == (6 + 3, 2)


def test_what_comes_in_an_outage_is_not_fitted(series: tuple[Array, Array], make: Callable[..., Any]) -> None:
    rows, targets = series[0].copy(), series[1]
    rows[200:203, 1:] = 1e6
    a, b = _fitted(Variant("ridge", True), *series), _fitted(Variant("ridge", True), rows, targets)
    np.testing.assert_array_equal(a.weights, b.weights)
    np.testing.assert_array_equal(a.centre, b.centre)


@settings(deadline=None)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30))
def test_squash_is_odd_monotone_and_leaves_small_values(values: list[float]) -> None:
    features = np.sort(np.array(values))
    bent = squash(features)
    assert (np.diff(bent) >= 0).all()
    np.testing.assert_array_equal(squash(-features), -bent)
    small = np.abs(features) <= 3
    np.testing.assert_array_equal(bent[small], features[small])
    assert (np.abs(bent) <= np.abs(features) + 1e-12).all()
    assert np.abs(bent).max() < 3 + 3 * np.log(1e9)


def test_squash_is_smooth_where_it_begins() -> None:
    step = 1e-6
    slopes = np.diff(squash(np.array([3 - step, 3, 3 + step]))) / step
    np.testing.assert_allclose(slopes, 1, atol=1e-4)
