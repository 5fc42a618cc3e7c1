"""Paper A's experiment on small traces."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from edgeresearch.autoscaling.experiment import (
    READINGS,
    ExperimentResult,
    fit_forecasters,
    forecast_load,
    make_arrivals,
    run_experiment,
    run_experiments,
)
from edgeresearch.autoscaling.policies import POLICIES, measure_load
from edgeresearch.autoscaling.settings import ExperimentConfig
from edgeresearch.data import synthetic
from edgeresearch.data.trace import Trace
from edgeresearch.errors import InputError
from edgeresearch.forecasting.settings import LSTMSettings

LSTM = LSTMSettings(hidden=4, epochs=1, members=1)
SMALL = ExperimentConfig(
    **{"seconds": 14400, "repeats": 3, "synthetic_repeats": 2, "window": 10, "leads": (1.0, 2.0)},  # type: ignore[arg-type]
    forecasters=("ridge", "last_value", "published"),
)
ONCE = SMALL.replace(synthetic_repeats=1, leads=(1.0,))


@pytest.fixture(scope="module")
def stand_in() -> Trace:
    return synthetic.draw_qps(np.random.default_rng(1), steps=300)


@pytest.fixture(scope="module")
def result(stand_in: Trace) -> ExperimentResult:
    return run_experiment(stand_in, SMALL, lstm=LSTM, seed=3)


def test_a_real_trace_is_cut_to_its_newest_seconds_and_spread_anew(stand_in: Trace) -> None:
    values = stand_in.frame.copy()
    values.iloc[50] = np.nan
    draw = make_arrivals(replace(stand_in, name="elb", frame=values), SMALL.replace(seconds=7200))
    one, two = (draw(np.random.default_rng(seed)) for seed in (0, 1))
    assert len(one) == 7200
    assert one.mean() == pytest.approx(SMALL.mean_qps, rel=1e-3)
    assert not np.array_equal(one, two)
    assert np.array_equal(one.reshape(-1, 60).sum(axis=1), two.reshape(-1, 60).sum(axis=1))


def test_the_longest_stretch_is_drawn(stand_in: Trace) -> None:
    values = stand_in.frame.iloc[:6].copy()
    values.iloc[[1, 5]] = np.nan
    drawn = make_arrivals(replace(stand_in, name="elb", frame=values), SMALL)(np.random.default_rng(0))
    per_minute, expected = drawn.reshape(3, 60).sum(axis=1), values.iloc[2:5, 0]
    assert per_minute / per_minute.sum() == pytest.approx((expected / expected.sum()).to_numpy(), rel=1e-2)
    with pytest.raises(InputError, match="elb has no observed value; use another trace"):
        make_arrivals(replace(stand_in, name="elb", frame=values.iloc[1:2]), SMALL)


def test_only_the_published_forecast_knows_what_comes(stand_in: Trace) -> None:
    arrivals, horizons = make_arrivals(stand_in, ONCE)(np.random.default_rng(0)), [ONCE.horizon]
    cut = len(arrivals) // 2 // ONCE.sync_steps
    fitted = fit_forecasters(measure_load(arrivals, ONCE)[:cut], horizons, ONCE, lstm=LSTM, seed=1)
    changed = arrivals.copy()
    changed[-1800:] = 0
    first, second = (
        forecast_load(measure_load(each, ONCE), cut, horizons, fitted, ONCE, np.random.default_rng(5))
        for each in (arrivals, changed)
    )
    known = (7200 - 1800) // 30
    for name, same in (("ridge", True), ("published", False)):
        pair = (each[name][ONCE.horizon][:known] for each in (first, second))
        assert np.array_equal(*pair, equal_nan=True) == same, name


def test_a_short_trace_is_refused(stand_in: Trace) -> None:
    with pytest.raises(InputError, match="10 sync periods to learn from; window 10 .*; use a longer trace, more sec"):
        run_experiment(stand_in, SMALL.replace(seconds=600), lstm=LSTM, seed=0)


def test_every_policy_runs_with_every_forecaster_that_it_reads(result: ExperimentResult) -> None:
    table = result.table
    pairs = set(zip(table["strategy"], table["forecaster"], strict=True))
    reading = {(name, maker) for name in ("advance", "combined", "quantile") for maker in SMALL.forecasters}
    assert pairs == reading | {(name, "none") for name in ("responsive", "fixed", "hpa", "oracle")}
    assert {name for name, _ in pairs} == set(POLICIES)
    assert set(table["reading"]) == set(READINGS)
    whole = table[table["phase"] == "all"]
    assert len(whole) == len(pairs) * len(SMALL.leads)
    assert (whole["low"] <= whole["error_percent"]).all()
    assert (whole["error_percent"] <= whole["high"]).all()
    assert not table["real"].any()
    accuracy = table.loc[table["forecaster"] == "published", "forecast_r2"]
    assert accuracy.iloc[0] == pytest.approx(SMALL.accuracy, abs=0.03)
    shares = table[(table["phase"] != "all") & (table["lead"] == 1)]
    assert np.allclose(shares.groupby(["reading", "strategy", "forecaster"])["share"].sum(), 100)
    rows = whole.set_index(["lead", "strategy", "forecaster"])[["error_percent", "pod_hours"]]
    for lead in SMALL.leads:
        assert (rows.loc[lead, "advance", "last_value"] == rows.loc[lead, "responsive", "none"]).all()


def test_the_same_seed_gives_the_same_numbers(stand_in: Trace, result: ExperimentResult) -> None:
    again = run_experiment(stand_in, SMALL, lstm=LSTM, seed=3)
    pd.testing.assert_frame_equal(again.table, result.table, check_exact=True)
    pd.testing.assert_frame_equal(again.course, result.course, check_exact=True)
    other = run_experiment(stand_in, SMALL, lstm=LSTM, seed=4)
    assert not other.table["error_percent"].equals(result.table["error_percent"])


def test_the_course_is_of_the_first_forecaster(result: ExperimentResult) -> None:
    assert set(result.course["forecaster"]) == {"none", "ridge"}
    rows = result.course[result.course["strategy"] == "combined"]
    assert len(rows) == 7200 // SMALL.sync_period
    assert rows["forecast"].isna().sum() == SMALL.horizon
    assert rows["cpu"].between(0, 100, inclusive="right").all()


def test_the_stand_in_has_repeats_of_its_own_and_a_single_one_has_no_interval(
    stand_in: Trace, result: ExperimentResult
) -> None:
    assert set(result.table["repeats"]) == {SMALL.synthetic_repeats}
    plain = ONCE.replace(forecasters=("last_value",), strategies=("responsive",))
    other = run_experiment(replace(stand_in, name="mine"), plain, lstm=LSTM, seed=3)
    assert set(other.table["repeats"]) == {SMALL.repeats}
    assert run_experiment(stand_in, plain, lstm=LSTM, seed=3).table["low"].isna().all()


def test_the_lstm_forecasts(stand_in: Trace) -> None:
    config = ONCE.replace(forecasters=("lstm",), strategies=("advance",))
    assert np.isfinite(run_experiment(stand_in, config, lstm=LSTM, seed=3).table["forecast_r2"]).all()


def test_traces_side_by_side_come_back_in_order(stand_in: Trace) -> None:
    config = ONCE.replace(forecasters=("last_value",), strategies=("responsive",), repeats=1)
    traces = [replace(stand_in, name="mine"), stand_in]
    one, two = (run_experiments(traces, config, lstm=LSTM, seed=3, workers=workers) for workers in (1, 2))
    assert [result.table["trace"].iloc[0] for result in one] == ["mine", "paper_a"]
    assert all(first.table.equals(second.table) for first, second in zip(one, two, strict=True))
