"""How forecasters are judged: splits, metrics, intervals, tests, one trace at a time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from edgeresearch.data.trace import Origin, Trace, find_whole_windows, regular_index
from edgeresearch.errors import InputError
from edgeresearch.forecasting import evaluation as module
from edgeresearch.forecasting.base import MODELS, Array
from edgeresearch.forecasting.evaluation import (
    Comparison,
    Split,
    block_interval,
    diebold_mariano,
    metrics,
    past_error_interval,
    split,
)
from edgeresearch.forecasting.settings import (
    BootstrapSettings,
    ForecastSettings,
    ForestSettings,
    LSTMSettings,
    PaperLSTMSettings,
)
from edgeresearch.provenance import sha256

TINY = ForecastSettings(
    window=8,
    seeds=2,
    bootstrap=BootstrapSettings(resamples=50, block=6),
    lstm=LSTMSettings(hidden=3, epochs=1, members=1, chunk=48),
    lstm_paper=PaperLSTMSettings(hidden=3, epochs=1),
    forest=ForestSettings(trees=3),
)


def _trace(rows: int = 400, seasonality: int | None = 24, gap: slice = slice(0, 0)) -> Trace:
    rng = np.random.default_rng(5)
    values = 20 + 5 * np.sin(2 * np.pi * np.arange(rows) / 24) + rng.normal(size=rows).cumsum() * 0.3
    values[gap] = np.nan
    step = pd.Timedelta("1h")
    frame = pd.DataFrame({"requests": values}, index=regular_index("2024-01-01", rows, step))
    return Trace("t", frame, step, "requests", Origin("synthetic", note="a note"), seasonality=seasonality)


def _split(trace: Trace, window: int = 8, **changes: Any) -> Split:
    return split(trace, ForecastSettings(window=window, **changes))


def evaluate(problem: Split, models: Any = None, seed: int = 0, workers: int = 1) -> Comparison:
    return module.evaluate([problem], TINY, models=models, seed=seed, workers=workers)[0]


@pytest.fixture(scope="module")
def problem() -> Split:
    return _split(_trace())


@pytest.fixture(scope="module")
def outcome(problem: Split) -> Comparison:
    return evaluate(problem)


def test_the_split_is_chronological_and_exact(problem: Split) -> None:
    assert problem.test_start == 320  # the last 20 of 100
    assert ForecastSettings().validation_share == 0.125  # 10 of the first 80
    assert problem.scored.tolist() == [False] * 320 + [True] * 80
    assert problem.horizons == (1, 5)
    assert len(problem.features) == len(problem.targets) == 400


@settings(deadline=None, max_examples=25)
@given(rows=st.integers(120, 400), test=st.floats(0.1, 0.5), validation=st.floats(0.05, 0.3))
def test_the_parts_have_the_shares_that_were_asked_for(rows: int, test: float, validation: float) -> None:
    chosen = ForecastSettings(window=4, test_fraction=test, validation_fraction=validation)
    found = split(_trace(rows), chosen)
    assert abs(len(found.features) - found.test_start - rows * test) <= 0.5 + 1e-9
    assert abs(chosen.validation_share * found.test_start - rows * validation) <= 1


def test_targets_of_the_test_part_are_hidden_from_learning(problem: Split) -> None:
    learnt = problem.training_targets
    values = problem.features["value"].to_numpy()
    assert learnt.shape == (320, 2)
    np.testing.assert_array_equal(learnt[:319, 0], values[1:320])
    np.testing.assert_array_equal(learnt[:315, 1], values[5:320])
    assert np.isnan(learnt[319:, 0]).all()
    assert np.isnan(learnt[315:, 1]).all()
    assert np.isfinite(problem.targets[:320]).all()  # hiding changes a copy


def test_rows_without_a_whole_window_are_not_judged() -> None:
    found = _split(_trace(gap=slice(350, 357)), fill_limit=2)
    assert set(range(320, 400)) - set(np.flatnonzero(found.scored)) == set(range(350, 357 + 7))
    assert np.isnan(found.targets[349, 0])


def test_a_gap_that_was_filled_is_read_but_never_truth() -> None:
    found = _split(_trace(gap=slice(350, 352)), fill_limit=2)
    assert found.scored[320:].all()
    assert found.features["value"].iloc[351] == found.features["value"].iloc[349]
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(found.targets[:395, 0])), [349, 350])


def test_only_the_newest_steps_are_used(problem: Split) -> None:
    found = _split(_trace(), max_steps=150)
    assert (len(found.features), found.test_start) == (150, 120)
    np.testing.assert_array_equal(found.features["value"], problem.features["value"].iloc[-150:])
    assert "day_sin_1" in found.features.columns
    assert "day_sin_1" not in _split(_trace(), max_steps=60).features.columns


@pytest.mark.parametrize(
    ("rows", "horizons", "need"), [(19, (1,), 21), (10, (1, 5), 28), (25, (1, 6), 33), (0, (1,), 21)]
)
def test_a_trace_that_is_too_short_is_refused(rows: int, horizons: tuple[int, ...], need: int) -> None:
    message = f"t has {rows} points; window 8 and horizon {max(horizons)} need {need}; use a shorter window"
    with pytest.raises(InputError, match=message):
        _split(_trace(rows, seasonality=None), horizons=horizons)
    assert _split(_trace(need, seasonality=None), horizons=horizons).scored.any()


def test_a_test_part_without_an_observed_stretch_is_refused() -> None:
    values = _trace().frame.copy()
    values.iloc[::6] = np.nan
    trace = replace(_trace(), frame=values)
    with pytest.raises(InputError, match="t has no 8 observed values in a row, and a value after them, in its last 80"):
        _split(trace, fill_limit=0)
    assert _split(trace, window=5, fill_limit=0, horizons=(2,)).scored.any()


def test_where_the_end_is_missing_the_last_of_what_is_known_is_judged() -> None:
    values = _trace().frame.copy()
    values.iloc[320:390] = np.nan
    part = _split(replace(_trace(), frame=values), window=8)
    judged = part.scored & ~np.isnan(part.targets).any(axis=1)
    ready = ~np.isnan(part.targets).any(axis=1) & find_whole_windows(part.features["value"].to_numpy(), 8)
    assert judged.sum() == pytest.approx(ready.sum() / 5, abs=1)
    assert part.test_start < 320
    assert judged.sum() > np.isfinite(values.iloc[320:, 0]).sum()
    values = _trace().frame.copy()
    values.iloc[340:360] = np.nan  # what remains suffices
    assert _split(replace(_trace(), frame=values), window=8).test_start == 320


def test_an_unknown_model_is_refused_before_any_is_fitted(problem: Split) -> None:
    with pytest.raises(InputError, match="unknown model 'ridges'; did you mean ridge"):
        evaluate(problem, ["last_value", "ridges"])


class Drift:
    """A forecaster of one's own, as the docstring of `Forecaster` shows it."""

    def fit(self, X: Array, y: Array) -> "Drift":  # noqa: N803
        self.drift = np.nanmean(y - X[:, :1], axis=0)
        return self

    def predict(self, X: Array) -> Array:  # noqa: N803
        forecast: Array = X[:, :1] + self.drift
        return forecast


def test_an_object_stands_among_the_models(problem: Split) -> None:
    own = Drift()
    found = evaluate(problem, ["last_value", own])
    assert found.table["model"].tolist() == ["last_value", "Drift"] * 2
    assert found.describe_scores()["role"].tolist() == ["naive", "own"] * 2
    assert not hasattr(own, "drift"), "a copy is fitted"
    with pytest.raises(InputError, match="two models have one name"):
        evaluate(problem, [Drift(), Drift()])


def test_scores_say_what_they_are_of(outcome: Comparison) -> None:
    table, trace = outcome.describe_scores(), outcome.trace
    assert list(table.columns[:2]) == ["trace", "real"] and "trace" not in outcome.table
    row = table[table["model"] == "ridge"].iloc[0]
    assert (row["trace"], row["real"], row["note"], row["label"]) == ("t", False, "a note", "ridge regression")
    assert (row["role"], row["step_seconds"]) == ("paper", 3600)
    assert set(table["sha256"]) == {sha256(trace.values.to_numpy().tobytes())}
    named = replace(outcome, trace=replace(trace, origin=Origin("registry", sha256="f" * 64, real=True)))
    assert set(named.describe_scores()["sha256"]) == {"f" * 64}


def test_a_comparison_is_saved_with_its_figure(outcome: Comparison, tmp_path: Path) -> None:
    assert {path.name for path in outcome.save(tmp_path / "out").iterdir()} == {
        *("scores.csv", "choices.csv", "report.json", "comparison.png", "comparison.svg")
    }


floats = st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=2, max_size=50)


@given(floats)
def test_metrics_are_those_of_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    truth, forecast = np.array(pairs).T
    found = metrics(truth, forecast)
    assert found["mse"] == pytest.approx(mean_squared_error(truth, forecast))
    assert found["mae"] == pytest.approx(mean_absolute_error(truth, forecast))
    if np.var(truth) > 1e-6:
        assert found["r2"] == pytest.approx(r2_score(truth, forecast), rel=1e-6, abs=1e-6)
    assert np.isnan(metrics(np.ones(len(truth)), forecast)["r2"]), "a constant truth has none"


def _ar(rng: np.random.Generator, times: int, rho: float) -> Array:
    noise = rng.normal(size=times + 100)
    series = np.zeros(times + 100)
    for t in range(1, len(series)):
        series[t] = rho * series[t - 1] + noise[t]
    return series[100:]


@pytest.mark.parametrize(("rho", "low", "high"), [(0.0, 0.88, 0.99), (0.8, 0.82, 0.99)])
def test_the_bootstrap_interval_covers_the_mean_at_about_its_level(rho: float, low: float, high: float) -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(150):
        losses = 3 + _ar(rng, 500, rho)[None]
        a, b = block_interval(losses, rng, BootstrapSettings(resamples=120, block=25))
        covered += a <= 3 <= b
    assert low <= covered / 150 <= high


def test_the_bootstrap_draws_seeds_too() -> None:
    alike = np.ones((4, 100))
    apart = alike * np.array([[0.0], [1.0], [2.0], [3.0]])
    assert block_interval(alike, np.random.default_rng(0), BootstrapSettings(resamples=100)) == (1, 1)
    low, high = block_interval(apart, np.random.default_rng(0), BootstrapSettings(resamples=100))
    assert low < 1 < 2 < high


def test_the_bootstrap_draws_blocks_then_seeds() -> None:
    losses = np.random.default_rng(1).exponential(size=(3, 40))
    low, high = block_interval(losses, np.random.default_rng(2), BootstrapSettings(resamples=1, block=7))
    rng = np.random.default_rng(2)
    starts = rng.integers(34, size=6)
    picked = rng.integers(3, size=3)
    by_hand = np.mean([losses[seed, start : start + 7].mean() for seed in picked for start in starts])
    assert low == high == pytest.approx(by_hand, rel=1e-12)


def test_a_block_longer_than_the_losses_is_all_of_them() -> None:
    losses = np.arange(10.0)[None]
    assert block_interval(losses, np.random.default_rng(0), BootstrapSettings(resamples=20, block=99)) == (4.5, 4.5)


def test_diebold_mariano_by_hand() -> None:
    first = np.array([1.0, 2.0, 4.0, 3.0, 0.0, 2.0])
    second = np.array([0.0, 3.0, 1.0, 1.0, 1.0, 0.0])
    # d = 1 -1 3 2 -1 2, mean 1; centred 0 -2 2 1 -2 1: gamma0 = 14/6, gamma1 = (0 - 4 + 2 - 2 - 2)/6 = -1
    one = 1 / np.sqrt(14 / 6 / 6) * np.sqrt((6 + 1 - 2) / 6)
    two = 1 / np.sqrt((14 / 6 - 2) / 6) * np.sqrt((6 + 1 - 4 + 2 / 6) / 6)
    for horizon, expected in ((1, one), (2, two)):
        statistic, p = diebold_mariano(first, second, horizon)
        assert statistic == pytest.approx(expected)
        assert p == pytest.approx(2 * (1 - stats.t.cdf(expected, 5)))


def test_the_test_is_symmetric_and_finds_what_is_better() -> None:
    rng = np.random.default_rng(5)
    first, second = rng.normal(size=300) ** 2, 4 * rng.normal(size=300) ** 2
    statistic, p = diebold_mariano(first, second, 1)
    assert statistic < -5 and p < 1e-6
    assert diebold_mariano(second, first, 1) == pytest.approx((-statistic, p))
    assert diebold_mariano(first, first, 3) == (0.0, 1.0)


def test_a_variance_that_comes_out_negative_falls_back_to_the_first_term() -> None:
    swinging = np.tile([1.0, -1.0], 10) + np.r_[0.5, np.zeros(19)]
    statistic, p = diebold_mariano(swinging, np.zeros(20), 2)
    assert np.isfinite(statistic)
    assert 0 < p <= 1


@pytest.mark.parametrize("horizon", [1, 3])
def test_p_values_are_about_uniform_where_nothing_differs(horizon: int) -> None:
    rng = np.random.default_rng(4)
    kernel = np.ones(horizon)  # errors of an h-step forecast are a moving average of h - 1
    found = []
    for _ in range(400):
        noise = [np.convolve(rng.normal(size=200), kernel, mode="valid") for _ in range(2)]
        found.append(diebold_mariano(noise[0] ** 2, noise[1] ** 2, horizon)[1])
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.10
    assert 0.42 < np.mean(np.array(found) < 0.5) < 0.58


@settings(deadline=None, max_examples=40)
@given(now=st.integers(0, 119), horizon=st.integers(1, 6))
def test_a_past_error_interval_knows_only_errors_known_then(now: int, horizon: int) -> None:
    rng = np.random.default_rng(6)
    truth, forecast = rng.normal(size=(2, 120))
    low, high = past_error_interval(truth, forecast, horizon, memory=20)
    changed = truth.copy()
    changed[max(now - horizon + 1, 0) :] += 100  # what row now - horizon + 1 forecasts lies after now
    again = past_error_interval(changed, forecast, horizon, memory=20)
    np.testing.assert_array_equal(low[: now + 1], again[0][: now + 1])
    np.testing.assert_array_equal(high[: now + 1], again[1][: now + 1])


def test_a_past_error_interval_is_the_quantiles_of_the_errors() -> None:
    rng = np.random.default_rng(7)
    truth, forecast = rng.normal(size=(2, 60))
    low, high = past_error_interval(truth, forecast, 2, memory=30)
    errors = (truth - forecast)[59 - 2 - 29 : 59 - 2 + 1]
    assert low[59] == pytest.approx(forecast[59] + np.quantile(errors, 0.025))
    assert high[59] == pytest.approx(forecast[59] + np.quantile(errors, 0.975))
    assert np.isnan(low[:16]).all()
    assert np.isfinite(low[16:]).all()


def test_scores_have_a_row_per_model_and_horizon(outcome: Comparison) -> None:
    scores = outcome.table
    assert sorted(zip(scores["model"], scores["horizon"], strict=True)) == sorted(
        (m, h) for m in MODELS for h in (1, 5)
    )
    seeds = dict(zip(scores["model"], scores["seeds"], strict=True))
    assert seeds == {name: 2 if model.random else 1 for name, model in MODELS.items()}
    assert set(scores.loc[scores["horizon"] == 1, "points"]) == {79}
    assert set(scores.loc[scores["horizon"] == 5, "points"]) == {75}
    assert (scores["mse_low"] <= scores["mse"]).all() and (scores["mse"] <= scores["mse_high"]).all()


def test_scores_are_those_of_the_forecasts(problem: Split, outcome: Comparison) -> None:
    scores = outcome.table.set_index(["model", "horizon"])
    for name in ("ridge", "last_value", "seasonal_naive"):  # one seed: the mean is the forecast
        for horizon in (1, 5):
            rows = outcome.forecasts.query("model == @name and horizon == @horizon").dropna(subset="truth")
            row = scores.loc[(name, horizon)]
            assert row["mse"] == pytest.approx(mean_squared_error(rows["truth"], rows["forecast"]))
            assert row["mae"] == pytest.approx(mean_absolute_error(rows["truth"], rows["forecast"]))
            assert row["r2"] == pytest.approx(r2_score(rows["truth"], rows["forecast"]))
            naive = scores.loc[("last_value", horizon), "mse"]
            assert row["skill"] == pytest.approx(1 - row["mse"] / naive)


def test_every_model_is_tested_against_the_best_baseline(outcome: Comparison) -> None:
    for _, scores in outcome.table.groupby("horizon"):
        by_model = scores.set_index("model")
        others = [name for name, model in MODELS.items() if model.role in ("paper", "naive", "strong")]
        best = by_model.loc[others, "mse"].idxmin()
        assert set(scores["best_baseline"]) == {best}
        tested = by_model["dm_p"].dropna()
        assert set(tested.index) == set(MODELS) - {best}
        assert tested.between(0, 1).all()


def test_forecasts_have_a_row_per_time_model_and_horizon(problem: Split, outcome: Comparison) -> None:
    table = outcome.forecasts
    assert len(table) == 80 * 2 * len(MODELS)
    rows = table.query("model == 'last_value' and horizon == 5")
    assert rows["made"].tolist() == problem.features.index[320:].tolist()
    np.testing.assert_array_equal(rows["forecast"], problem.features["value"].iloc[320:])
    np.testing.assert_array_equal(rows["truth"], problem.targets[320:, 1])


def test_seconds_and_choices_have_their_rows(outcome: Comparison) -> None:
    assert outcome.seconds["model"].tolist() == list(MODELS)
    assert (outcome.seconds[["fit_seconds", "predict_seconds"]] >= 0).all(axis=None)
    assert set(outcome.choices["model"]) == {"lstm", "lstm_huber"}
    assert outcome.choices.groupby("model")["seed"].apply(list).tolist() == [[0, 1], [0, 1]]
    assert outcome.choices["choice"].str.contains("epochs").all()


def test_results_do_not_depend_on_workers(problem: Split) -> None:
    models = ["last_value", "ridge", "random_forest", "lstm"]
    one, two = (evaluate(problem, models, workers=workers) for workers in (1, 2))
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)
    pd.testing.assert_frame_equal(one.forecasts, two.forecasts, check_exact=True)
    pd.testing.assert_frame_equal(one.choices, two.choices)


def test_the_longest_fits_start_first_and_the_results_stand_as_asked(
    problem: Split, outcome: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, started = module._run, []

    def noted(problem: Split, model: str, settings: ForecastSettings, seed: int, repeat: int, keep: bool) -> Any:
        started.append((model, repeat))
        return run(problem, model, settings, seed, repeat, keep)

    assert set(module.LONGEST_FIRST) == {name for name, model in MODELS.items() if model.random}
    monkeypatch.setattr(module, "_run", noted)
    models = ["last_value", "random_forest", "lstm", "ridge", "lstm_huber"]
    found = evaluate(problem, models)
    random = [(name, seed) for name in ("lstm_huber", "lstm", "random_forest") for seed in (0, 1)]
    assert started == [*random, ("last_value", 0), ("ridge", 0)]
    assert found.table["model"].unique().tolist() == models
    assert found.choices["model"].tolist() == ["lstm", "lstm", "lstm_huber", "lstm_huber"]
    for name in models:
        ours, theirs = (each.forecasts for each in (found, outcome))
        ours, theirs = ours.loc[ours["model"] == name, "forecast"], theirs.loc[theirs["model"] == name, "forecast"]
        np.testing.assert_array_equal(ours, theirs)


def test_a_models_result_does_not_depend_on_which_others_run(problem: Split, outcome: Comparison) -> None:
    alone = evaluate(problem, ["random_forest"]).forecasts
    among = outcome.forecasts.query("model == 'random_forest'")
    np.testing.assert_array_equal(alone["forecast"], among["forecast"])


def test_models_that_stand_alone() -> None:
    found = evaluate(_split(_trace(200, seasonality=None)), ["lstm_paper", "seasonal_naive"])
    assert set(found.table["model"]) == {"lstm_paper"}, "there is no season"
    assert set(found.table["best_baseline"]) == {""} and found.table["dm_p"].isna().all()
    assert found.choices.empty


def test_nothing_is_chosen_by_the_truth_of_the_test_part(problem: Split, outcome: Comparison) -> None:
    truth = problem.targets.copy()
    truth[320:] = np.random.default_rng(0).permutation(truth[320:])
    found = evaluate(replace(problem, targets=truth))
    pd.testing.assert_series_equal(found.forecasts["forecast"], outcome.forecasts["forecast"], check_exact=True)
    pd.testing.assert_frame_equal(found.choices, outcome.choices)
    assert not np.array_equal(found.table["mse"], outcome.table["mse"])


class _Kept:
    """Keeps what `build` made, to look at what it learnt."""

    def __init__(self, build: Callable[..., Any]) -> None:
        self.build, self.made = build, []  # type: ignore[var-annotated]

    def __call__(self, *args: Any, **settings: Any) -> Any:
        self.made.append(self.build(*args, **settings))
        return self.made[-1]


@pytest.mark.parametrize("name", MODELS)
def test_what_is_learnt_comes_from_the_rows_before_the_test_part(
    name: str, problem: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = _Kept(module.build)
    monkeypatch.setattr(module, "build", kept)
    table, truth = problem.features.copy(), problem.targets.copy()
    table.iloc[320:] *= -50
    truth[320:] *= -50
    for column, horizon in enumerate(problem.horizons):
        truth[320 - horizon :, column] = 1e9  # these targets lie in the test part
    first, second = (
        module._run(one, name, TINY, 0, 0) for one in (problem, replace(problem, features=table, targets=truth))
    )
    rows = problem.features.to_numpy()
    np.testing.assert_array_equal(kept.made[0].predict(rows), kept.made[1].predict(rows))
    assert first.choice == second.choice
    if name == "lstm_paper":
        assert kept.made[1].mean_ == pytest.approx(rows[:320, 0].mean())
    if name == "lstm":
        np.testing.assert_array_equal(kept.made[0].residual_target_.centre, kept.made[1].residual_target_.centre)
        np.testing.assert_array_equal(kept.made[0].residual_target_.spread, kept.made[1].residual_target_.spread)
