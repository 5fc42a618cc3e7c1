from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from edgeresearch.errors import InputError
from edgeresearch.forecast.lstm import ResidualLSTM
from edgeresearch.forecast.protocol import Array
from edgeresearch.forecast.skip import Variant

TINY = {"window": 6, "hidden": 4, "epochs": 2, "members": 2, "chunk": 32, "accelerator": "cpu", "random_state": 0}
PICKLE = "it puts NaN into any column; NaN marks an outage in column 0, and a covariate that is missing is refused"
ORDER = "rows are time steps: a forecast depends on the rows before it, so their order matters"
SUBSET = "rows are time steps: a forecast depends on the rows before it, so a subset is another series"


def _model(**settings: Any) -> ResidualLSTM:
    return ResidualLSTM(**{**TINY, **settings})


def test_scikit_learn_accepts_it(conforms: Callable[..., None]) -> None:
    expected = {
        "check_estimators_pickle": PICKLE,
        "check_methods_sample_order_invariance": ORDER,
        "check_methods_subset_invariance": SUBSET,
    }
    conforms(ResidualLSTM(window=2, hidden=2, epochs=1, members=1, accelerator="cpu"), expected)


def test_untrained_it_is_its_base_forecast(series: tuple[Array, Array]) -> None:
    rows, targets = series
    model = _model(epochs=0, variants=(Variant("last", True),)).fit(rows, targets)
    assert model.epochs_ == 0
    np.testing.assert_array_equal(model.predict(rows), rows[:, [0, 0]])


def test_it_learns_what_its_base_cannot() -> None:
    """A tent map: the next value is a function of the newest one, and uncorrelated with it."""
    rng = np.random.default_rng(0)
    values = [0.3]
    while len(values) < 1001:
        values.append(1 - 1.9 * abs(values[-1]) + 0.01 * rng.normal())
    rows, target = np.array(values[:-1])[:, None], np.array(values[1:])
    settings = {"hidden": 8, "epochs": 30, "learning_rate": 2e-2, "members": 1}
    model = _model(**settings, variants=(Variant("ridge", False),)).fit(rows[:800], target[:800])
    base, _, _ = model.skip_.apply(rows)
    ours = np.mean((model.predict(rows)[800:] - target[800:]) ** 2)
    assert model.epochs_ > 0
    assert ours < 0.5 * np.mean((base[800:, 0] - target[800:]) ** 2)


def test_validation_picks_among_the_variants(series: tuple[Array, Array]) -> None:
    variants = (Variant("last", True), Variant("ridge", True), Variant("ridge", False))
    model = _model(variants=variants).fit(*series)
    assert model.variant_ in variants
    assert list(model.trials_) == [str(variant) for variant in variants]
    assert model.skip_.variant == model.variant_
    assert 0 <= model.epochs_ <= 2


def test_a_trial_is_judged_by_a_state_that_has_seen_enough(
    series: tuple[Array, Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgeresearch.forecast import lstm

    found = []
    for steps in (60, len(series[0])):
        monkeypatch.setattr(lstm, "WARM_UP", steps)
        found.append(_model().fit(*series).trials_)
    assert found[0] == pytest.approx(found[1], abs=1e-3)


def test_a_variant_that_is_much_better_wins_wherever_it_stands() -> None:
    steps = np.arange(400)
    values = 10 + np.sin(2 * np.pi * steps / 9)
    rows, target = values[:-1, None], values[1:]
    ridge, last = Variant("ridge", False), Variant("last", False)
    for variants in ((ridge, last), (last, ridge)):
        model = _model(variants=variants, epochs=0, window=9).fit(rows, target)
        assert model.variant_ == ridge
        assert model.trials_[str(ridge)] < model.trials_[str(last)]


def test_the_rows_that_validate_are_learnt_too(series: tuple[Array, Array]) -> None:
    rows, targets = series[0].copy(), series[1].copy()
    short = _model(epochs=0, variants=(Variant("ridge", True),)).fit(rows[:180], targets[:180])
    targets[170:180] += 100
    moved = _model(epochs=0, variants=(Variant("ridge", True),)).fit(rows[:180], targets[:180])
    assert not np.allclose(short.skip_.intercept, moved.skip_.intercept)


def test_the_loss_is_that_of_the_network(series: tuple[Array, Array]) -> None:
    forecasts = {loss: _model(loss=loss, epochs=3).fit(*series).predict(series[0]) for loss in ("mse", "huber")}
    assert not np.array_equal(forecasts["mse"], forecasts["huber"], equal_nan=True)


def test_the_members_are_stacked_in_one_cell(series: tuple[Array, Array]) -> None:
    cell = _model(members=3, hidden=5).fit(*series).cell_
    assert cell.recurrent.shape == (3, 5, 20)
    assert cell.head_bias.shape == (2,)


@pytest.mark.parametrize("variant", [Variant("ridge", True), Variant("last", False)], ids=str)
@settings(deadline=None, max_examples=15)
@given(gaps=st.sets(st.integers(0, 59), max_size=12))
def test_a_stream_gives_what_predict_gives_across_outages(
    series: tuple[Array, Array], variant: Variant, gaps: set[int]
) -> None:
    model = _once(series, variant)
    rows = series[0][:60].copy()
    rows[sorted(gaps), 0] = np.nan
    stream = model.stream()
    streamed = np.stack([stream.update(row) for row in rows])
    np.testing.assert_allclose(streamed, model.predict(rows), rtol=1e-9)


_KEPT: dict[Variant, ResidualLSTM] = {}


def _once(series: tuple[Array, Array], variant: Variant) -> ResidualLSTM:
    if variant not in _KEPT:
        _KEPT[variant] = _model(variants=(variant,)).fit(*series)
    return _KEPT[variant]


def test_two_streams_do_not_share_their_state(series: tuple[Array, Array]) -> None:
    model = _once(series, Variant("ridge", True))
    first, second = model.stream(), model.stream()
    for row in series[0][:20]:
        first.update(row)
    np.testing.assert_array_equal(second.update(series[0][0]), model.stream().update(series[0][0]))


def test_after_an_outage_nothing_before_it_counts(series: tuple[Array, Array]) -> None:
    model = _once(series, Variant("ridge", True))
    after = series[0][203:260]
    np.testing.assert_array_equal(model.predict(series[0])[203:260], model.predict(after))


def test_a_missing_covariate_is_refused(series: tuple[Array, Array]) -> None:
    model, rows = _once(series, Variant("ridge", True)), series[0][:30].copy()
    rows[11, 2] = np.nan
    with pytest.raises(InputError, match="column 2 of X is NaN in row 11"):
        model.predict(rows)
    with pytest.raises(InputError, match="column 2 of X is NaN in row 11"):
        _model().fit(rows, series[1][:30])
    with pytest.raises(InputError, match="column 2 of X is NaN in row 0"):
        model.stream().update(rows[11])


def test_targets_that_are_never_known_are_refused(series: tuple[Array, Array]) -> None:
    with pytest.raises(InputError, match="y holds no known value"):
        _model().fit(series[0], np.full((300, 1), np.nan))


@pytest.mark.parametrize("rows", [2, 3, 8, 20])
def test_a_very_short_series_is_still_learnt(rows: int) -> None:
    values = np.random.default_rng(0).normal(size=rows + 1) + 5
    model = _model().fit(values[:-1, None], values[1:])
    assert np.isfinite(model.predict(values[:, None])).all()


def test_a_constant_series_is_forecast_as_such() -> None:
    model = _model().fit(np.full((120, 1), 4.0), np.full(120, 4.0))
    np.testing.assert_allclose(model.predict(np.full((30, 1), 4.0)), 4.0, atol=1e-6)


def test_an_outage_over_the_whole_validation_part_is_survived(series: tuple[Array, Array]) -> None:
    rows, targets = series[0].copy(), series[1].copy()
    rows[250:, 0] = np.nan
    targets[245:] = np.nan
    forecast = _model().fit(rows, targets).predict(rows)
    assert np.isfinite(forecast[:200]).all()
    assert np.isnan(forecast[250:]).all()


def test_settings_are_cloned_and_searched(series: tuple[Array, Array]) -> None:
    rows, targets = series[0][:150, :2], series[1][:150, 0]
    model = clone(_model(epochs=1, members=1, variants=(Variant("last", True),)))
    assert model.get_params()["chunk"] == 32
    search = GridSearchCV(model, {"hidden": [2, 3]}, cv=TimeSeriesSplit(2)).fit(rows, targets)
    assert search.best_params_["hidden"] in (2, 3)
    assert search.best_estimator_.cell_.recurrent.shape[1] == search.best_params_["hidden"]


def test_it_stands_in_a_pipeline(series: tuple[Array, Array]) -> None:
    rows, targets = series[0][:150], series[1][:150]
    pipeline = make_pipeline(FunctionTransformer(np.abs), _model()).fit(rows, targets)
    alone = _model().fit(np.abs(rows), targets)
    np.testing.assert_array_equal(pipeline.predict(rows), alone.predict(np.abs(rows)))
