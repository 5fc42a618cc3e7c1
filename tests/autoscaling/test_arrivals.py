"""Requests that arrive in each step."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.autoscaling.replay import interpolate_gaps, spread, to_requests_per_second
from edgeresearch.data import trace as grid
from edgeresearch.data.trace import Origin, Trace
from edgeresearch.errors import InputError

NAN = float("nan")


def trace(values: list[float], seconds: float = 60, unit: str = "requests per minute") -> Trace:
    step = pd.Timedelta(seconds=seconds)
    index = pd.date_range("2024-01-01", periods=len(values), freq=step)
    return Trace("mine", pd.DataFrame({"requests": values}, index=index, dtype=float), step, unit, Origin("file"))


@given(st.lists(st.integers(0, 500), min_size=1, max_size=12), st.sampled_from([1.0, 0.5]), st.integers(0, 99))
def test_every_slot_keeps_its_total(values: list[int], dt: float, seed: int) -> None:
    arrivals = spread(trace([float(value) for value in values]), np.random.default_rng(seed), dt=dt)
    assert arrivals.dtype == np.int64
    assert arrivals.reshape(len(values), -1).sum(axis=1).tolist() == values
    assert arrivals.shape == (len(values) * 60 / dt,)


def test_fractions_of_a_request_are_carried() -> None:
    arrivals = spread(trace([0.4] * 10), np.random.default_rng(0))
    assert arrivals.sum() == 4
    assert arrivals.max() == 1


def test_the_rate_runs_linearly_between_the_middles() -> None:
    arrivals = spread(trace([0.0, 600_000.0, 0.0]), np.random.default_rng(0)).reshape(3, 60)
    up, down = arrivals[1, :30], arrivals[1, 30:]
    assert abs(up.sum() / down.sum() - 1) < 0.01
    assert up[-1] / up[0] == pytest.approx(59.5 / 30.5, rel=0.05)


def test_within_a_slot_requests_fall_as_a_poisson_process_would() -> None:
    arrivals = spread(trace([6000.0] * 500), np.random.default_rng(0))
    assert arrivals.var() / arrivals.mean() == pytest.approx(1, abs=0.05)


def test_a_trace_per_step_stays_as_it_is() -> None:
    values = [5.0, 0.0, 7.0]
    rng = np.random.default_rng(0)
    assert spread(trace(values, 1, "tweets per second"), rng).tolist() == [5, 0, 7]
    assert rng.random() == np.random.default_rng(0).random()


@pytest.mark.parametrize(
    ("seconds", "unit", "expected"),
    [
        (60, "requests per minute", 2),
        (60, "requests per second", 120),
        (300, "messages per 5 min (rescaled)", 0.4),
        (300, "requests per minute", 2),
        (3600, "requests per hour", 1 / 30),
        (60, "requests", 2),
        (1, "tweets per second", 120),
        *(
            (60, unit, 120)
            for unit in ("requests_per_second", "requests/s", "req/s", "RPS", "qps", "requestsPerSecond")
        ),
        *((300, unit, 2) for unit in ("rpm", "per_minute", "req / min", "hits_per_1min", "requests per minutes")),
        (60, "requests/h", 1 / 30),
        (60, "rps_limit", 120),
        (60, "latency/ms", 2),
        (60, "superb", 2),
    ],
)
def test_units(seconds: float, unit: str, expected: float) -> None:
    assert to_requests_per_second(trace([120.0], seconds, unit)).tolist() == pytest.approx([expected])


def test_scaling_to_a_mean_leaves_the_trace_and_follows_the_seed() -> None:
    source = trace([10.0, 30.0, 50.0], 300, "messages per 5 min (rescaled)")
    one, two, other = (spread(source, np.random.default_rng(seed), mean=80) for seed in (7, 7, 8))
    assert one.mean() == pytest.approx(80, rel=1e-6)
    assert one.reshape(3, -1).sum(axis=1).tolist() == [8000, 24000, 40000]
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
    assert source.values.tolist() == [10, 30, 50]


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (
            trace([1, NAN, 2, 3, NAN]),
            {},
            "mine: 2 of 5 steps, in 2 gaps, the longest of 1, from 2024-01-01 00:01:00 on, are missing",
        ),
        (trace([]), {}, "mine is empty; use a trace with at least one value"),
        (trace([NAN]), {}, "mine: 1 of 1 steps, in a gap of 1, from 2024-01-01 00:00:00 on, are missing"),
        (trace([1, np.inf]), {}, "mine: 1 of 2 steps, in a gap of 1, from 2024-01-01 00:01:00 on, are missing"),
        (trace([1, -2]), {}, "mine: load -2 at 2024-01-01 00:01:00 is negative"),
        (trace([0, 0]), {"mean": 5}, "mine has no request to scale to 5 per second"),
        (trace([1], 1.5), {}, "mine: its step of 1.5 s is no multiple of dt = 1 s"),
        (trace([1e15] * 20), {}, r"mine has 2e\+16 requests in all, more than can be counted; check the unit"),
        (trace([1], 0.5), {}, "mine: its step of 0.5 s is no multiple of dt = 1 s"),
    ],
)
def test_bad_input_is_refused_in_one_line(source: Trace, options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        spread(source, np.random.default_rng(0), **options)
    assert "\n" not in str(caught.value)


def test_a_short_gap_becomes_a_line_and_is_noted() -> None:
    source = trace([1.0, NAN, NAN, 4.0, 2.0, NAN, 0.0])
    whole = interpolate_gaps(source, 2)
    assert whole.values.tolist() == [1, 2, 3, 4, 2, 1, 0]
    assert whole.repairs == {"filled": 3}
    assert whole.notes == (
        "filled: 3 of 7 steps, in gaps of at most 2, by straight lines, easier to forecast than real load",
    )
    assert source.values.isna().sum() == 3
    assert interpolate_gaps(trace([1.0, NAN, 2.0]), 5).notes[0].startswith("filled: 1 of 3 steps, in gaps of at most 5")
    untouched = trace([1.0, 2.0])
    assert interpolate_gaps(untouched, 3) is untouched


@pytest.mark.parametrize(
    ("values", "limit", "whole"),
    [
        ([1.0, NAN, 2.0, 3.0], 0, [1.0, NAN, 2.0, 3.0]),
        ([1.0, NAN, 3.0, NAN, NAN, NAN, 7.0], 2, [1.0, 2.0, 3.0, NAN, NAN, NAN, 7.0]),
        ([NAN, 1.0, NAN, 3.0, NAN], 9, [NAN, 1.0, 2.0, 3.0, NAN]),
    ],
)
def test_longer_gaps_and_those_at_the_ends_stay(values: list[float], limit: int, whole: list[float]) -> None:
    np.testing.assert_array_equal(interpolate_gaps(trace(values), limit).values, whole)


def test_no_gap_has_fewer_steps_than_none() -> None:
    with pytest.raises(InputError, match="fill -1 is below 0; use 0 or more"):
        interpolate_gaps(trace([1.0, 2.0]), -1)


@given(
    st.lists(st.one_of(st.none(), st.floats(0, 1e6)), max_size=30).map(lambda middle: [1.0, *middle, 2.0]),
    st.integers(0, 8),
)
def test_what_was_observed_stays_and_the_rest_lies_between_its_neighbours(
    values: list[float | None], limit: int
) -> None:
    given = pd.Series(values, dtype=float)
    starts, lengths = grid.find_runs(given.isna())
    short = np.zeros(len(given), dtype=bool)
    for start, length in zip(starts, lengths, strict=True):
        short[start : start + length] = length <= limit
    whole = interpolate_gaps(trace(given.tolist()), limit).values.reset_index(drop=True)
    known = given.notna()
    np.testing.assert_array_equal(whole[known], given[known])
    assert whole[~known & ~short].isna().all()
    assert (whole >= np.minimum(given.ffill(), given.bfill()) - 1e-6)[short].all()
    assert (whole <= np.maximum(given.ffill(), given.bfill()) + 1e-6)[short].all()
