"""Means of repeats with their intervals: Student's, over finite values, in the order of their keys."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edgeresearch.stats import by, interval, intervals


@given(st.lists(st.floats(0, 100), min_size=2, max_size=30))
def test_the_interval_is_students(values: list[float]) -> None:
    mean, low, high = interval(values)
    assert mean == pytest.approx(np.mean(values))
    error = stats.sem(values)
    if error > 1e-9:
        assert (low, high) == pytest.approx(stats.t.interval(0.95, len(values) - 1, loc=mean, scale=error))
    else:
        assert (low, high) == pytest.approx((mean, mean))


def test_one_repeat_has_no_interval() -> None:
    mean, low, high = interval([26.62])
    assert mean == 26.62
    assert math.isnan(low) and math.isnan(high)


def test_none_has_no_mean() -> None:
    assert np.isnan(interval([])).all()
    assert np.isnan(interval([float("nan"), float("inf")])).all()


@given(st.lists(st.floats(-1e3, 1e3), max_size=10), st.lists(st.sampled_from([math.nan, math.inf, -math.inf])))
def test_what_is_not_finite_is_left_out(values: list[float], odd: list[float]) -> None:
    assert interval([*values, *odd]) == pytest.approx(interval(values), nan_ok=True)


def test_the_interval_holds_the_true_mean_95_times_of_100() -> None:
    rng = np.random.default_rng(0)
    bounds = [interval(rng.normal(40, 5, 5)) for _ in range(1000)]
    assert 0.93 < np.mean([low <= 40 <= high for _, low, high in bounds]) < 0.97


def test_each_column_has_its_own() -> None:
    found = intervals(pd.DataFrame({"f1": [0.1, 0.6], "delay": [3.0, float("nan")], "other": [1, 2]}), ["f1", "delay"])
    assert list(found) == ["f1", "f1_low", "f1_high", "delay", "delay_low", "delay_high"]
    assert (found["f1"], found["f1_low"], found["f1_high"]) == interval([0.1, 0.6])
    assert found["delay"] == 3.0 and math.isnan(found["delay_low"])


def test_keys_keep_their_order() -> None:
    table = pd.DataFrame({"policy": ["los", "cloud", "los"], "streams": [2, 2, 2], "share": [1.0, 5.0, 3.0]})
    means = by(table, ["policy", "streams"], ["share"])
    assert means.columns.tolist() == ["policy", "streams", "share", "share_low", "share_high"]
    assert means["policy"].tolist() == ["los", "cloud"]
    assert means["share"].tolist() == [2.0, 5.0]
    assert means["share_low"][0] == pytest.approx(interval([1.0, 3.0])[1])
    assert math.isnan(means["share_high"][1])


def test_without_rows_there_is_nothing() -> None:
    assert by(pd.DataFrame({"policy": [], "share": []}), ["policy"], ["share"]).empty
