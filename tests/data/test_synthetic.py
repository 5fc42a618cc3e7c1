"""Synthetic series that stand in for data that is missing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.data import datasets, registry, synthetic
from edgeresearch.data.datasets import fetch
from edgeresearch.data.trace import Trace
from edgeresearch.errors import InputError
from edgeresearch.io import read_bytes

TWITTER = "qps/twitter_stream_aug_2021_per_second.csv.gz"


def _fetched(folder: Path, *names: str) -> Path:
    fetch(folder, source="synthetic", files=names, seed=0, warn=lambda _: None)
    return folder


@pytest.mark.parametrize("name", list(registry.REQUEST_TRACES))
def test_request_traces_are_read_by_their_loader(name: str, tmp_path: Path) -> None:
    trace = datasets.load_requests(name, _fetched(tmp_path, registry.REQUEST_TRACES[name].file))
    assert trace.label == f"{name} (synthetic)"
    assert trace.origin.source == "synthetic"
    assert trace.values.notna().all()
    assert {key: value for key, value in trace.repairs.items() if value} in ({}, {"partial_dropped": 1})


@pytest.mark.parametrize("name", list(registry.UTILISATION_TRACES))
def test_utilisation_traces_are_read_by_their_loader(name: str, tmp_path: Path) -> None:
    trace = datasets.load_utilisation(name, _fetched(tmp_path, registry.UTILISATION_TRACES[name].file))
    assert not trace.origin.real
    assert trace.frame.min().min() >= 0 and trace.frame.max().max() <= 100
    assert len(trace.frame) > 2000
    assert set(trace.repairs.values()) == {0}


def test_traffic_is_read_by_its_loader_with_its_repeated_speeds(tmp_path: Path) -> None:
    name = "aarhus_traffic/trafficData158324.csv.gz"
    trace = datasets.load_traffic(_fetched(tmp_path, name), 158324)
    assert not trace.origin.real
    assert trace.repairs["repeated_speed"] > 0
    counted = trace.frame["vehicle_count"] > 0
    assert trace.frame.loc[counted].notna().all().all()
    assert b"\r\n" in read_bytes(tmp_path / name)


def test_pollution_is_read_by_its_loader(tmp_path: Path) -> None:
    trace = datasets.load_pollution(_fetched(tmp_path, "aarhus_pollution/pollutionData158324.csv.gz"), 158324)
    assert len(trace.frame) == 17568
    assert trace.origin.note.startswith("not the pinned file")


def test_metadata_covers_every_pinned_sensor(tmp_path: Path) -> None:
    table = pd.read_csv(_fetched(tmp_path, registry.METADATA) / registry.METADATA)
    assert len(table) == 42
    assert table["DISTANCE_IN_METERS"].between(300, 3000).all()


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _one_step(trace: Trace) -> tuple[float, float, float]:
    """Fit the last value and the hour by least squares on 70 %, and return MAE, RMSE and R² on the rest."""
    values = trace.values.to_numpy()
    angle = 2 * np.pi * np.arange(len(values)) / trace.seasonality
    inputs = np.column_stack([np.ones(len(values) - 1), values[:-1], np.sin(angle[1:]), np.cos(angle[1:])])
    cut = int(0.7 * len(inputs))
    weights = np.linalg.lstsq(inputs[:cut], values[1 : cut + 1], rcond=None)[0]
    errors = values[cut + 1 :] - inputs[cut:] @ weights
    mse = float((errors**2).mean())
    return float(np.abs(errors).mean()), mse**0.5, 1 - mse / float(values[cut + 1 :].var())


def test_the_stand_in_for_paper_a_has_its_published_statistics() -> None:
    traces = [synthetic.draw_qps(_rng(seed)) for seed in range(12)]
    variances = [trace.values.var() for trace in traces]
    mae, rmse, r2 = np.mean([_one_step(trace) for trace in traces], axis=0)
    assert np.mean(variances) == pytest.approx(162, rel=0.05)
    assert min(variances) > 162 * 0.85 and max(variances) < 162 * 1.15
    assert mae == pytest.approx(0.90, rel=0.05)
    assert rmse == pytest.approx(3.35, rel=0.05)
    assert r2 == pytest.approx(0.931, abs=0.01)


def test_the_stand_in_for_paper_a() -> None:
    trace = synthetic.draw_qps(_rng())
    assert trace.label == "paper_a (synthetic)"
    assert (len(trace.frame), trace.step, trace.unit) == (14 * 1440, pd.Timedelta("1min"), "requests per second")
    assert trace.seasonality == 1440
    assert trace.values.min() >= 0
    assert trace.values.mean() == pytest.approx(60, abs=2)
    hours = trace.values.groupby(pd.DatetimeIndex(trace.frame.index).hour).mean()
    assert 12 <= hours.idxmax() <= 16
    assert hours.max() - hours.min() == pytest.approx(2 * 12.7, rel=0.2)


def test_the_same_seed_gives_the_same_series() -> None:
    first, second = (synthetic.draw_qps(_rng(5), steps=500) for _ in range(2))
    pd.testing.assert_frame_equal(first.frame, second.frame)
    assert not first.frame.equals(synthetic.draw_qps(_rng(6), steps=500).frame)


@settings(deadline=None)
@given(mae=st.floats(0.1, 5), ratio=st.floats(2.5, 20))
def test_bursts_solve_both_published_numbers(mae: float, ratio: float) -> None:
    found = synthetic.solve_bursts(mae, ratio * mae)
    assert 0 < found.probability < 1
    rest = 1 - found.probability
    small = rest * found.small * np.sqrt(2 / np.pi)
    assert small == pytest.approx(synthetic.SMALL_SHARE * mae)
    assert small + found.probability * found.size == pytest.approx(mae)
    mse = rest * found.small**2 + found.probability * found.size**2 * (1 + synthetic.SPREAD**2)
    assert mse == pytest.approx((ratio * mae) ** 2)


@pytest.mark.parametrize(("mae", "rmse"), [(1.0, 1.0), (1.0, 1.1), (5.0, 0.5)])
def test_errors_that_no_bursts_have_are_refused(mae: float, rmse: float) -> None:
    with pytest.raises(InputError, match=f"no bursts give an RMSE of {rmse:g} beside an MAE of {mae:g}; raise"):
        synthetic.solve_bursts(mae, rmse)


def test_the_bursts_of_paper_a_are_rare_and_large() -> None:
    found = synthetic.solve_bursts(0.9, 11.2**0.5)
    assert found.probability == pytest.approx(0.020, abs=1e-3)
    assert found.size == pytest.approx(22.7, abs=0.1)
    assert found.small == pytest.approx(0.575, abs=1e-3)


@pytest.mark.parametrize("name", [name for name in registry.REQUEST_TRACES if name != "twitter_second"])
def test_request_rates_have_the_measured_statistics(name: str) -> None:
    rate = synthetic.RATES[name]
    found = []
    for seed in range(4):
        values = synthetic.draw_request_rate(_rng(seed), like=name).values
        season = registry.REQUEST_TRACES[name].season
        found.append([values.mean(), values.std(), values.autocorr(1), values.autocorr(season)])
    mean, std, lag1, day = np.mean(found, axis=0)
    assert mean == pytest.approx(rate.mean, rel=0.01)
    assert std == pytest.approx(rate.std, rel=0.15)
    assert lag1 == pytest.approx(rate.lag1, abs=0.03)
    assert day == pytest.approx(rate.day, abs=0.1)


@pytest.mark.parametrize("name", list(registry.REQUEST_TRACES))
def test_request_rates_have_the_form_of_the_original(name: str) -> None:
    trace = synthetic.draw_request_rate(_rng(), like=name, steps=3000)
    spec = registry.REQUEST_TRACES[name]
    assert (trace.name, trace.step, trace.unit, trace.seasonality) == (
        name,
        pd.Timedelta(seconds=spec.seconds * spec.every),
        spec.unit,
        spec.season,
    )
    assert trace.frame.index[0] == pd.Timestamp(synthetic.RATES[name].start)
    assert (trace.values > 0).all()
    assert not trace.origin.real
    if not spec.scale:
        assert (trace.values % 1 == 0).all()
        assert trace.values.min() >= 1


def test_traffic_has_the_statistics_of_the_mean_sensor() -> None:
    trace = synthetic.draw_traffic(_rng())
    count, speed = trace.frame["vehicle_count"], trace.frame["avg_speed"]
    assert count.mean() == pytest.approx(4.24, rel=0.02)
    assert count.std() == pytest.approx(4.57, rel=0.1)
    assert count.autocorr(1) == pytest.approx(0.773, abs=0.05)
    assert count.autocorr(288) == pytest.approx(0.482, abs=0.08)
    assert speed.mean() == pytest.approx(46, abs=2)
    assert (count[speed.isna()] == 0).all() and speed[count > 0].notna().all()
    assert speed.min() >= 4
    day = count.groupby(pd.DatetimeIndex(trace.frame.index).hour).mean()
    assert set(day.nlargest(4).index) <= {4, 5, 6, 12, 13, 14}


def test_pollution_is_a_bounded_integer_walk() -> None:
    trace = synthetic.draw_pollution(_rng())
    assert tuple(trace.frame.columns) == registry.POLLUTANTS
    assert (trace.frame.min() >= 15).all() and (trace.frame.max() <= 215).all()
    assert (trace.frame % 1 == 0).all().all()
    assert trace.frame.diff().abs().max().max() <= 5
    assert trace.seasonality is None
    assert "generated by the publisher, not measured" in trace.origin.note
    increments = trace.frame.diff().corr().to_numpy()
    assert np.abs(increments[~np.eye(5, dtype=bool)]).max() < 0.05


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 3000))
def test_pollution_never_leaves_its_bounds(seed: int, steps: int) -> None:
    frame = synthetic.draw_pollution(_rng(seed), steps=steps).frame
    assert frame.shape == (steps, 5)
    assert frame.min().min() >= 15 and frame.max().max() <= 215


def test_utilisation_lies_in_the_ranges_of_the_figures() -> None:
    frame = synthetic.draw_utilisation(_rng()).frame
    assert list(frame.columns) == ["cpu_percent", "memory_percent"]
    assert frame["cpu_percent"].between(30, 90).all() and frame["memory_percent"].between(40, 95).all()
    assert frame["cpu_percent"].max() > 85 and frame["cpu_percent"].min() < 35


def test_the_table_of_statistics_follows_from_the_real_files(real) -> None:
    for name, rate in synthetic.RATES.items():
        trace = datasets.load_requests(name, real)
        values = trace.values
        assert (str(values.index[0]), len(values)) == (rate.start, rate.steps)
        found = [values.mean(), values.std(), values.autocorr(1), values.autocorr(trace.seasonality)]
        assert found[:2] == pytest.approx([rate.mean, rate.std], rel=1e-3)
        assert found[2:] == pytest.approx([rate.lag1, rate.day], abs=1e-3)


def test_the_seed_alone_decides_the_bytes_of_a_file() -> None:
    name = "qps/dsp_wiki_de_5min.csv.gz"
    assert synthetic.make_file(name, 1) == synthetic.make_file(name, 1) != synthetic.make_file(name, 2)
    some = [name for name in registry.pins() if name.startswith("aarhus_pollution")][:3]
    assert len({synthetic.make_file(name, 0) for name in some}) == len(some)
    lines = synthetic.make_file(TWITTER, 0).split(b"\n", 5)
    assert lines[0] == b"count" and all(line.isdigit() for line in lines[1:5])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: synthetic.make_file(TWITTER, -1), "seed -1 is negative"),
        (lambda: synthetic.make_file("qps/other.csv.gz", 0), "unknown data file"),
        (lambda: synthetic.draw_traffic(_rng(), steps=0), "ask for at least one step"),
    ],
)
def test_numbers_that_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
