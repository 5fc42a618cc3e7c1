from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from edgeresearch.errors import InputError
from edgeresearch.forecasting import persistence
from edgeresearch.forecasting.base import LONG, Array, build
from edgeresearch.forecasting.baselines import (
    BinnedLogistic,
    BoostedTrees,
    Holdout,
    LastValue,
    LongRidge,
    SeasonalNaive,
    Windowed,
    first_validation_row,
    tune_ridge,
)

NAN = float("nan")


@given(st.integers(2, 10_000), st.floats(0.001, 0.999))
def test_a_holdout_leaves_rows_on_either_side(rows: int, fraction: float) -> None:
    cut = first_validation_row(rows, fraction)
    assert 1 <= cut <= rows - 1
    assert cut in (1, rows - 1) or abs(cut - rows * (1 - fraction)) <= 0.5


@given(st.integers(2, 200), st.floats(0.01, 0.9))
def test_the_split_is_chronological_and_whole(rows: int, fraction: float) -> None:
    splitter = Holdout(fraction)
    ((train, validate),) = splitter.split(np.zeros((rows, 1)))
    assert [*train, *validate] == list(range(rows))
    assert splitter.get_n_splits() == 1


@pytest.mark.parametrize(
    "model", [LastValue(), SeasonalNaive(), BinnedLogistic(max_iter=50), BoostedTrees(depths=(2,), rounds=50)]
)
def test_scikit_learn_accepts_it(model: Any, conforms: Callable[..., None]) -> None:
    conforms(model)


def test_the_last_value_stands_for_every_horizon() -> None:
    rows = np.array([[1.0, 9], [2, 9], [NAN, 9]])
    model = LastValue().fit(rows, np.zeros((3, 2)))
    np.testing.assert_array_equal(model.predict(rows), [[1, 1], [2, 2], [NAN, NAN]])
    np.testing.assert_array_equal(LastValue().fit(rows, np.zeros(3)).predict(rows), [1, 2, NAN])


def test_the_seasonal_naive_takes_each_horizons_column() -> None:
    rows = np.array([[1.0, 10, 100], [2, 20, 200], [NAN, 30, 300]])
    model = SeasonalNaive(columns=[2, 1]).fit(rows, np.zeros((3, 2)))
    np.testing.assert_array_equal(model.predict(rows), [[100, 10], [200, 20], [NAN, NAN]])
    np.testing.assert_array_equal(rows[2], [NAN, 30, 300])


def test_the_seasonal_naive_repeats_its_columns_over_more_horizons() -> None:
    model = SeasonalNaive(columns=(1,)).fit(np.zeros((2, 2)), np.zeros((2, 3)))
    np.testing.assert_array_equal(model.predict([[1.0, 5.0]]), [[5, 5, 5]])


def test_a_logistic_forecast_lies_between_the_bin_means() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 2))
    target = 3 * rows[:, 0] + rng.normal(size=300) * 0.1
    model = BinnedLogistic(bins=10).fit(rows, target)
    forecast = model.predict(rows * 100)
    assert len(model.means_) == 10
    assert model.means_[0] <= forecast.min() < forecast.max() <= model.means_[-1]
    assert model.score(rows, target) > 0.9


def test_a_logistic_forecast_is_the_probability_weighted_bin_mean() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(200, 1))
    target = rows[:, 0] + rng.normal(size=200)
    model = BinnedLogistic(bins=2, C=0.5).fit(rows, target)
    upper = target > np.median(target)
    np.testing.assert_allclose(model.means_, [target[~upper].mean(), target[upper].mean()])
    scaled = StandardScaler().fit_transform(rows)
    probability = LogisticRegression(C=0.5, tol=1e-3).fit(scaled, upper).predict_proba(scaled)
    np.testing.assert_allclose(model.predict(rows), probability @ model.means_, rtol=1e-6)


def test_ties_make_fewer_bins() -> None:
    rows = np.arange(40.0)[:, None]
    model = BinnedLogistic(bins=10).fit(rows, (rows[:, 0] > 19).astype(float))
    assert len(model.means_) == 2
    np.testing.assert_array_equal(model.means_, [0, 1])


def test_a_constant_target_needs_no_classifier() -> None:
    model = BinnedLogistic().fit(np.arange(10.0)[:, None], np.full(10, 4.0))
    assert model.classifier_ is None
    np.testing.assert_array_equal(model.predict([[3.0], [99.0]]), [4, 4])


def test_more_rows_than_wanted_are_thinned_evenly() -> None:
    rows = np.arange(101.0)[:, None]
    thinned = BinnedLogistic(bins=3, max_rows=11).fit(rows, rows[:, 0])
    direct = BinnedLogistic(bins=3).fit(rows[::10], rows[::10, 0])
    np.testing.assert_array_equal(thinned.means_, direct.means_)
    np.testing.assert_array_equal(thinned.predict(rows), direct.predict(rows))


def test_iterations_that_run_out_are_no_warning() -> None:
    rng = np.random.default_rng(2)
    model = BinnedLogistic(bins=5, C=1e6, max_iter=1).fit(rng.normal(size=(60, 3)), rng.normal(size=60))
    assert model.n_iter_ == 1


def _corner(rows: int) -> tuple[Array, Array]:
    """A target that needs two columns at once: no sum of trees of depth 1 gives it."""
    inputs = np.random.default_rng(3).normal(size=(rows, 5))
    return inputs, ((inputs[:, 0] > 0) & (inputs[:, 1] > 0)).astype(float)


def test_validation_chooses_the_depth() -> None:
    inputs, target = _corner(600)
    model = BoostedTrees(depths=(1, 3), rounds=60, random_state=0).fit(inputs, target)
    assert model.depth_ == 3
    assert model.score(inputs, target) > 0.9


def test_validation_chooses_the_number_of_trees() -> None:
    rng = np.random.default_rng(4)
    inputs = rng.normal(size=(200, 2))
    noise = BoostedTrees(depths=(3,), rounds=60, patience=5, random_state=0).fit(inputs, rng.normal(size=200))
    signal = BoostedTrees(depths=(3,), rounds=60, patience=5, random_state=0).fit(inputs, inputs[:, 0])
    assert 1 <= noise.rounds_ < signal.rounds_ <= 60
    assert noise.trees_.get_booster().num_boosted_rounds() == noise.rounds_


def test_bins_that_the_depths_share_give_what_each_depth_alone_gives() -> None:
    rng = np.random.default_rng(6)
    inputs = rng.normal(size=(3000, 4))
    target = inputs[:, 0] * inputs[:, 1] + rng.normal(size=3000)
    model = BoostedTrees(depths=(2, 3, 5), rounds=40, patience=5, random_state=3).fit(inputs, target)
    kind = np.float32
    rows, wanted, cut = inputs.astype(kind), target.astype(kind), 2625
    found = []
    for depth in (2, 3, 5):
        alone = xgboost.XGBRegressor(
            **{"max_depth": depth, "n_estimators": 40, "learning_rate": 0.1, "subsample": 0.8},
            **{"colsample_bytree": 0.8, "random_state": 3, "n_jobs": 1, "early_stopping_rounds": 5},
        )
        alone.fit(rows[:cut], wanted[:cut], eval_set=[(rows[cut:], wanted[cut:])], verbose=False)
        found.append((alone.best_score, depth, alone.best_iteration + 1))
    assert (model.depth_, model.rounds_) == min(found)[1:]


def test_only_the_newest_rows_choose() -> None:
    inputs, target = _corner(400)
    target[-50:] = 1 - target[-50:]
    newest = BoostedTrees(depths=(1, 3), rounds=20, fraction=0.125, random_state=0).fit(inputs, target)
    assert newest.rounds_ <= 2  # what the older rows teach is wrong there
    more = BoostedTrees(depths=(1, 3), rounds=20, fraction=0.6, random_state=0).fit(inputs, target)
    assert more.rounds_ > 5


@pytest.mark.parametrize(
    ("model", "grid"),
    [
        (BinnedLogistic(max_iter=20), {"bins": [2, 8]}),
        (BoostedTrees(depths=(2,), rounds=5), {"learning_rate": [0.1, 0.5]}),
        (LastValue(), {}),
        (SeasonalNaive(), {"columns": [[0], [1]]}),
    ],
)
def test_settings_are_cloned_searched_and_piped(model: Any, grid: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    rows, target = rng.normal(size=(60, 2)), rng.normal(size=60)
    assert clone(model).get_params() == model.get_params()
    search = GridSearchCV(model, grid, cv=TimeSeriesSplit(2)).fit(rows, target)
    assert set(search.best_params_) == set(grid)
    pipeline = make_pipeline(StandardScaler(), clone(model).set_params(**search.best_params_)).fit(rows, target)
    alone = clone(pipeline[-1]).fit(StandardScaler().fit_transform(rows), target)
    np.testing.assert_array_equal(pipeline.predict(rows), alone.predict(pipeline[0].transform(rows)))


@pytest.mark.parametrize("covariates", [False, True])
@pytest.mark.parametrize("flat", [False, True])
def test_a_long_ridge_is_the_ridge(
    covariates: bool, flat: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("edgeresearch.forecasting.baselines.CHUNK", 97)
    rng = np.random.default_rng(0)
    values = 1000 + rng.normal(size=1503).cumsum()
    values[500:510] = np.nan
    rows = np.column_stack([values[:1500], np.sin(np.arange(1500) / 30), np.full(1500, 5.0)])
    targets = np.column_stack([values[1:1501], values[3:]])
    whole = Windowed(tune_ridge(0.2), 20, covariates).fit(rows, targets[:, 0] if flat else targets)
    long = LongRidge(20, covariates, 0.2).fit(rows, targets[:, 0] if flat else targets)
    np.testing.assert_allclose(long.predict(rows), whole.predict(rows), rtol=1e-10)
    assert long.penalties_.tolist() == [each.named_steps["ridge"].alpha for each in _parts(whole.regressor_)]
    persistence.save(long, tmp_path)
    np.testing.assert_array_equal(persistence.load(tmp_path).predict(rows), long.predict(rows))
    short = np.full(50, np.nan)
    short[:21] = 1.0
    with pytest.raises(InputError, match="1 rows have 20 observed values"):
        LongRidge(20).fit(short[:, None], np.append(short[1:], np.nan))


def _parts(regressor: Any) -> list[Any]:
    return getattr(regressor, "estimators_", [regressor])


def test_a_ridge_is_laid_out_in_chunks_beyond_a_length() -> None:
    for name in ("ridge", "ridge_calendar"):
        assert isinstance(build(name, columns=["value"], rows=LONG), Windowed)
        assert isinstance(build(name, columns=["value"], rows=LONG + 1), LongRidge)
