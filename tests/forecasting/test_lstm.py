"""LSTM forecasters: the project's, which corrects a base forecast, and Paper A's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import Array, make_lags
from edgeresearch.forecasting.lstm import Base, PaperLSTM, ResidualLSTM, ResidualTarget, export_weights, squash
from edgeresearch.nn import SequenceLSTM, draw_weights


def _module(members: int = 3, features: int = 4, hidden: int = 5, targets: int = 2, scale: float = 1.0) -> SequenceLSTM:
    generator = torch.Generator().manual_seed(11)
    module = SequenceLSTM(
        features,
        hidden,
        targets,
        members=members,
        loss="mse",
        delta=1.0,
        learning_rate=1e-3,
        weight_decay=0.0,
        total_steps=10,
        warm_up=0,
        generator=generator,
    )
    draw_weights(module, hidden, generator)
    with torch.no_grad():
        for weight in module.parameters():
            weight *= scale
    return module.double()


@settings(deadline=None, max_examples=40)
@given(
    members=st.integers(1, 4),
    features=st.integers(1, 5),
    hidden=st.integers(1, 6),
    targets=st.integers(1, 3),
    steps=st.integers(1, 20),
    scale=st.sampled_from([0.1, 1.0, 5.0]),
)
def test_the_network_is_torchs(
    members: int, features: int, hidden: int, targets: int, steps: int, scale: float
) -> None:
    module = _module(members, features, hidden, targets, scale)
    inputs = np.random.default_rng(steps).normal(size=(steps, features)) * 3
    expected = module(torch.from_numpy(inputs)[None]).mean(dim=0)[0].detach().numpy()
    np.testing.assert_allclose(export_weights(module).run(inputs), expected, rtol=1e-10, atol=1e-10)


def test_large_inputs_saturate_without_overflow() -> None:
    module = _module()
    inputs = np.array([[1e6, -1e6, 1e6, -1e6], [0, 0, 0, 0], [-1e300, 1e300, -1e300, 0]])
    with np.errstate(all="raise", under="ignore"):
        found = export_weights(module).run(inputs)
    expected = module(torch.from_numpy(inputs)[None]).mean(dim=0)[0].detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_the_forecast_is_the_mean_of_the_members() -> None:
    module = _module(members=2)
    inputs = np.random.default_rng(1).normal(size=(6, 4))
    alone = []
    for keep in range(2):
        single = _module(members=1)
        single.lstms[0].load_state_dict(module.lstms[keep].state_dict())
        single.heads[0].load_state_dict(module.heads[keep].state_dict())
        alone.append(export_weights(single).run(inputs))
    np.testing.assert_allclose(export_weights(module).run(inputs), np.mean(alone, axis=0), rtol=1e-12)


def test_the_network_keeps_its_weights_when_training_goes_on() -> None:
    module = _module()
    network = export_weights(module)
    inputs = np.ones((3, 4))
    before = network.run(inputs)
    with torch.no_grad():
        for weight in module.parameters():
            weight.zero_()
    np.testing.assert_array_equal(network.run(inputs), before)


BASES: tuple[Base, ...] = ("ridge", "last value")
TINY = {"window": 6, "hidden": 4, "epochs": 2, "members": 2, "chunk": 32, "accelerator": "cpu", "random_state": 0}
PICKLE = "it puts NaN into any column; NaN marks an outage in column 0, and a covariate that is missing is refused"
ORDER = "rows are time steps: a forecast depends on the rows before it, so their order matters"
SUBSET = "rows are time steps: a forecast depends on the rows before it, so a subset is another series"


def _model(**settings: Any) -> ResidualLSTM:
    return ResidualLSTM(**{**TINY, **settings})


def _model_paper_lstm(**settings: Any) -> PaperLSTM:
    return PaperLSTM(**{"window": 6, "hidden": 4, "epochs": 2, "accelerator": "cpu", "random_state": 0, **settings})


@pytest.mark.parametrize(
    ("model", "reasons"),
    [
        (ResidualLSTM(window=2, hidden=2, epochs=1, members=1, accelerator="cpu"), [PICKLE, ORDER, SUBSET]),
        (PaperLSTM(window=1, hidden=2, epochs=1, accelerator="cpu"), []),
        (PaperLSTM(window=2, hidden=2, epochs=1, accelerator="cpu"), [ORDER, SUBSET]),
    ],
)
def test_scikit_learn_accepts_it(model: Any, reasons: list[str], conforms: Callable[..., None]) -> None:
    checks = {
        PICKLE: "check_estimators_pickle",
        ORDER: "check_methods_sample_order_invariance",
        SUBSET: "check_methods_subset_invariance",
    }
    conforms(model, {checks[reason]: reason for reason in reasons})


@pytest.mark.parametrize("model", [_model(epochs=1, members=1, bases=("ridge",)), _model_paper_lstm(epochs=1)])
def test_it_is_cloned_searched_and_piped(model: Any, series: tuple[Array, Array]) -> None:
    rows, targets = series[0][:150], series[1][:150]
    search = GridSearchCV(clone(model), {"hidden": [2, 3], "window": [3]}, cv=TimeSeriesSplit(2)).fit(rows, targets)
    assert search.best_estimator_.get_params() == {**model.get_params(), **search.best_params_}
    pipeline = make_pipeline(FunctionTransformer(np.abs), clone(model)).fit(rows, targets)
    alone = clone(model).fit(np.abs(rows), targets)
    np.testing.assert_array_equal(pipeline.predict(rows), alone.predict(np.abs(rows)))


def test_untrained_it_is_its_base_forecast(series: tuple[Array, Array]) -> None:
    rows, targets = series
    model = _model(epochs=0, bases=("last value",)).fit(rows, targets)
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
    model = _model(**settings, bases=("ridge",)).fit(rows[:800], target[:800])
    base, _, _ = model.residual_target_.apply(rows)
    ours = np.mean((model.predict(rows)[800:] - target[800:]) ** 2)
    assert model.epochs_ > 0
    assert ours < 0.5 * np.mean((base[800:, 0] - target[800:]) ** 2)


def test_validation_picks_among_the_bases(series: tuple[Array, Array]) -> None:
    model = _model(bases=("last value", "ridge")).fit(*series)
    assert list(model.trials_) == ["last value", "ridge"]
    assert model.base_ in model.trials_
    assert model.residual_target_.weights.any() == (model.base_ == "ridge")
    assert 0 <= model.epochs_ <= 2


def test_a_trial_is_judged_by_a_state_that_has_seen_enough(
    series: tuple[Array, Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgeresearch.forecasting import lstm

    found = []
    for steps in (60, len(series[0])):
        monkeypatch.setattr(lstm, "CONTEXT", steps)
        found.append(_model().fit(*series).trials_)
    assert found[0] == pytest.approx(found[1], abs=1e-3)


def test_a_base_that_is_much_better_wins_wherever_it_stands() -> None:
    steps = np.arange(400)
    values = 10 + np.sin(2 * np.pi * steps / 9)
    rows, target = values[:-1, None], values[1:]
    for bases in (("ridge", "last value"), ("last value", "ridge")):
        model = _model(bases=bases, epochs=0, window=9).fit(rows, target)
        assert model.base_ == "ridge"
        assert model.trials_["ridge"] < model.trials_["last value"]


def test_the_rows_that_validate_are_learnt_too(series: tuple[Array, Array]) -> None:
    rows, targets = series[0].copy(), series[1].copy()
    short = _model(epochs=0, bases=("ridge",)).fit(rows[:180], targets[:180])
    targets[170:180] += 100
    moved = _model(epochs=0, bases=("ridge",)).fit(rows[:180], targets[:180])
    assert not np.allclose(short.residual_target_.intercept, moved.residual_target_.intercept)


def test_the_loss_is_that_of_the_network(series: tuple[Array, Array]) -> None:
    forecasts = {loss: _model(loss=loss, epochs=3).fit(*series).predict(series[0]) for loss in ("mse", "huber")}
    assert not np.array_equal(forecasts["mse"], forecasts["huber"], equal_nan=True)


def test_the_members_are_stacked_in_one_cell(series: tuple[Array, Array]) -> None:
    network = _model(members=3, hidden=5).fit(*series).network_
    assert network.recurrent.shape == (3, 5, 20)
    assert network.head_bias.shape == (2,)


@pytest.mark.parametrize("base", BASES)
@settings(deadline=None, max_examples=15)
@given(gaps=st.sets(st.integers(0, 59), max_size=12))
def test_a_stream_gives_what_predict_gives_across_outages(
    series: tuple[Array, Array], base: Base, gaps: set[int]
) -> None:
    model = _once(series, base)
    rows = series[0][:60].copy()
    rows[sorted(gaps), 0] = np.nan
    stream = model.stream()
    streamed = np.stack([stream.update(row) for row in rows])
    np.testing.assert_allclose(streamed, model.predict(rows), rtol=1e-9)


_KEPT: dict[Base, ResidualLSTM] = {}


def _once(series: tuple[Array, Array], base: Base) -> ResidualLSTM:
    if base not in _KEPT:
        _KEPT[base] = _model(bases=(base,)).fit(*series)
    return _KEPT[base]


def test_after_an_outage_nothing_before_it_counts(series: tuple[Array, Array]) -> None:
    model = _once(series, "ridge")
    after = series[0][203:260]
    np.testing.assert_array_equal(model.predict(series[0])[203:260], model.predict(after))


def test_a_missing_covariate_is_refused(series: tuple[Array, Array]) -> None:
    model, rows = _once(series, "ridge"), series[0][:30].copy()
    rows[11, 2] = np.nan
    with pytest.raises(InputError, match="column 2 of X is NaN in row 11"):
        model.predict(rows)
    with pytest.raises(InputError, match="column 2 of X is NaN in row 11"):
        _model().fit(rows, series[1][:30])
    with pytest.raises(InputError, match="column 2 of X is NaN in row 0"):
        model.stream().update(rows[11])


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


def test_it_learns_a_wave() -> None:
    values = 100 + 10 * np.sin(2 * np.pi * np.arange(400) / 12)
    model = _model_paper_lstm(window=12, hidden=8, epochs=30, batch=32, learning_rate=1e-2)
    model.fit(values[:299, None], values[1:300])
    assert model.score(values[300:-1, None], values[301:]) > 0.9


def test_the_scale_is_that_of_the_training_values(series: tuple[Array, Array]) -> None:
    rows, targets = series
    model = _model_paper_lstm().fit(rows[:150], targets[:150])
    assert model.mean_ == pytest.approx(rows[:150, 0].mean())
    assert model.scale_ == pytest.approx(rows[:150, 0].std())
    mean, scale = model.mean_, model.scale_
    model.predict(rows * 100)
    assert (model.mean_, model.scale_) == (mean, scale)


def test_a_constant_series_keeps_a_scale_of_one() -> None:
    model = _model_paper_lstm().fit(np.full((40, 1), 4.0), np.full(40, 4.0))
    assert (model.mean_, model.scale_) == (4.0, 1.0)
    assert np.isfinite(model.predict(np.full((5, 1), 4.0))).all()


def test_the_forecast_is_that_of_the_module(series: tuple[Array, Array]) -> None:
    rows, targets = series
    model = _model_paper_lstm().fit(rows, targets)
    lags = (make_lags(rows[:50, 0], 6) - model.mean_) / model.scale_
    with torch.inference_mode():
        expected = model.module_(torch.tensor(lags[..., None], dtype=torch.float32)).numpy()
    np.testing.assert_allclose(model.predict(rows[:50]), expected * model.scale_ + model.mean_, rtol=1e-6)


def test_a_long_series_is_forecast_piece_by_piece(series: tuple[Array, Array]) -> None:
    model = _model_paper_lstm().fit(*series)
    values = np.random.default_rng(0).normal(size=(9000, 1)) + 20
    rows = np.column_stack([values, np.zeros((9000, 3))])
    np.testing.assert_allclose(model.predict(rows)[4090:4110], model.predict(rows[4080:4110])[10:], rtol=1e-6)


def test_a_limit_of_windows_is_kept(series: tuple[Array, Array]) -> None:
    rows, targets = series
    few, all_of_them = _model_paper_lstm(max_windows=1, batch=1), _model_paper_lstm()
    assert not np.allclose(few.fit(rows, targets).predict(rows[:9]), all_of_them.fit(rows, targets).predict(rows[:9]))


def _fitted(base: Base, rows: Array, targets: Array, **settings: Any) -> ResidualTarget:
    """Fit through the regressor: an untrained network leaves the base forecast."""
    chosen = {"window": 6, "hidden": 2, "epochs": 0, "members": 1, "accelerator": "cpu", "random_state": 0, **settings}
    model = ResidualLSTM(bases=(base,), **chosen).fit(rows, targets)
    target: ResidualTarget = model.residual_target_
    return target


def _replay(target: ResidualTarget, rows: Array) -> list[tuple[Array, Array, Array]]:
    """Do with `step` what `apply` does for all rows at once."""
    lags, power, found = np.full(target.window, rows[0, 0]), target.variance, []
    for row in rows:
        change = row[0] - lags[-1]
        lags = np.append(lags[1:], row[0])
        base, unit, inputs, power = target.step(lags, row, change, power)
        found.append((base, unit, inputs))
    return found


@pytest.mark.parametrize("base", BASES)
def test_a_step_does_what_apply_does_for_many(base: Base, series: tuple[Array, Array]) -> None:
    rows, targets = series
    target = _fitted(base, rows, targets)
    stretch = rows[20:90]
    for found, expected in zip(zip(*_replay(target, stretch), strict=True), target.apply(stretch), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_the_last_value_is_a_base(series: tuple[Array, Array]) -> None:
    rows, targets = series
    base, _, _ = _fitted("last value", rows, targets).apply(rows[:50])
    np.testing.assert_array_equal(base, np.repeat(rows[:50, :1], 2, axis=1))


def test_the_ridge_base_finds_a_linear_recurrence() -> None:
    values = [1.0, 2.0]
    while len(values) < 200:
        values.append(1.6 * values[-1] - 0.98 * values[-2] + 2)
    series = np.array(values)
    target = _fitted("ridge", series[:-1, None], series[1:])
    base, _, _ = target.apply(series[100:-1, None])
    error = base[10:, 0] - series[111:]
    assert np.abs(error).max() < 0.05 * np.abs(np.diff(series[111:])).max()


def test_the_ridge_base_uses_the_covariates() -> None:
    rng = np.random.default_rng(0)
    hint = rng.normal(size=400)
    rows = np.column_stack([np.r_[0, hint[:-1]], hint])
    target = _fitted("ridge", rows, hint)
    base, _, _ = target.apply(rows)
    assert np.mean((base[:, 0] - hint) ** 2) < 0.02


def test_the_local_scale_follows_the_changes() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(size=800) * np.where(np.arange(800) < 400, 0.2, 5.0)
    values = 50 + noise.cumsum()
    rows, targets = values[:-1, None], values[1:]
    _, unit, _ = _fitted("last value", rows, targets, memory=20.0).apply(rows)
    assert np.median(unit[600:]) > 3 * np.median(unit[200:400])


@pytest.mark.parametrize("base", BASES)
def test_another_unit_of_the_series_changes_the_unit_of_the_forecast_alone(
    base: Base, series: tuple[Array, Array]
) -> None:
    rows, targets = series[0][:, :1], series[1]
    forecast, unit, _ = _fitted(base, rows, targets).apply(rows[:100])
    larger, wider, _ = _fitted(base, rows * 8, targets * 8).apply(rows[:100] * 8)
    np.testing.assert_allclose(larger, forecast * 8, rtol=1e-6)
    np.testing.assert_allclose(wider, unit * 8, rtol=1e-6)


def test_what_comes_in_an_outage_is_not_fitted(series: tuple[Array, Array], make: Callable[..., Any]) -> None:
    rows, targets = series[0].copy(), series[1]
    rows[200:203, 1:] = 1e6
    a, b = _fitted("ridge", *series), _fitted("ridge", rows, targets)
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
