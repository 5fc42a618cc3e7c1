"""Synthetic series that stand in for data that is missing."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.signal import lfilter
from scipy.special import i0e, ndtr

from edgeresearch.data.registry import METADATA, POLLUTANTS, REQUEST_TRACES, UTILISATION_TRACES, find_pin, list_sensors
from edgeresearch.data.trace import Origin, Trace, regular_index, steps_per_day
from edgeresearch.errors import InputError
from edgeresearch.settings import check_seed

Floats = npt.NDArray[np.float64]

_MINUTE, _FIVE = pd.Timedelta(minutes=1), pd.Timedelta(minutes=5)
_PEAK = 14.0
"""Hour of the day at which request rates and utilisation peak."""


VARIANCE, MAE, RMSE, MEAN = 162.0, 0.9, 3.35, 60.0
"""Of Paper A's request trace, in requests per second; the mean is not published."""
SPREAD = 0.25
"""Coefficient of variation of the size of a burst."""
SMALL_SHARE = 0.5
"""Part of the mean absolute error that the small errors make up, beside the bursts."""
DAILY_SHARE = 0.5
"""Part of `VARIANCE` that lies in the daily cycle; it is not published."""


@dataclass(frozen=True)
class Bursts:
    """A mixture of errors: small Gaussian ones, and rare bursts of either sign.

    Attributes:
        probability: Share of steps with a burst.
        size: Mean size of a burst, in the unit of the series; the sizes are gamma distributed.
        small: Standard deviation of the other steps' errors.
    """

    probability: float
    size: float
    small: float


def solve_bursts(mae: float, rmse: float) -> Bursts:
    """Solve for the mixture that has a given mean absolute and root mean square error.

    With burst probability p, mean size B, spread c and small deviation s: MAE = (1-p) s √(2/π) + p B and
    RMSE² = (1-p) s² + p B² (1+c²). The two published numbers leave one freedom, which `SMALL_SHARE` settles. For
    Paper A, Table 2, LSTM (.90, √11.2): p ≈ .020, B ≈ 23 QPS, s ≈ .58 QPS.

    Raises:
        InputError: No mixture has these errors: the RMSE is too close to the MAE.
    """
    small, large = (SMALL_SHARE * mae) ** 2 * np.pi / 2, ((1 - SMALL_SHARE) * mae) ** 2 * (1 + SPREAD**2)
    middle = rmse**2 - small + large
    root = middle**2 - 4 * rmse**2 * large
    if middle <= 0 or root < 0:
        raise InputError(f"no bursts give an RMSE of {rmse:g} beside an MAE of {mae:g}; raise the RMSE")
    p = float((middle - np.sqrt(root)) / (2 * rmse**2))
    return Bursts(p, (1 - SMALL_SHARE) * mae / p, SMALL_SHARE * mae * float(np.sqrt(np.pi / 2)) / (1 - p))


def draw_qps(rng: np.random.Generator, *, steps: int = 14 * 1440) -> Trace:
    """Make a stand-in for Paper A's request trace, which was never published, in steps of a minute.

    The series is a daily cosine plus a first-order autoregression whose innovations are the mixture of `solve_bursts`:
    the error that a forecaster who knows the model cannot avoid. Paper A, Table 2 fixes the mixture (MAE .90 beside
    RMSE 3.35) and the variance (MSE / (1 - R²) = 11.2 / .069 = 162 QPS²). Half of the variance (`DAILY_SHARE`) lies in
    the cosine, whose amplitude is thus √(2·81) = 12.7 QPS; the other half in the autoregression, whose coefficient is
    thus √(1 - 11.2/81) = .928. The mean (not published) is 60 QPS, nearly five deviations above 0; what still falls
    below is cut to 0.

    Returns:
        The trace `paper_a`: one column, `requests`, in requests per second, never negative.
    """
    daily, noise = VARIANCE * DAILY_SHARE, VARIANCE * (1 - DAILY_SHARE)
    index = _index("2024-01-01", steps, _MINUTE)
    coefficient = float(np.sqrt(1 - RMSE**2 / noise))
    burn_in = int(10 / (1 - coefficient))
    errors = _errors(rng, steps + burn_in, solve_bursts(MAE, RMSE))
    rest = lfilter([1.0], [1.0, -coefficient], errors)[burn_in:]
    values = np.maximum(MEAN + np.sqrt(2 * daily) * _daily_cosine(index) + rest, 0.0)
    note = "calibrated to Paper A, Table 2"
    return _trace("paper_a", {"requests": values}, index, _MINUTE, "requests per second", note)


@dataclass(frozen=True)
class Rate:
    """Statistics of a real request trace over its observed values: autocorrelation is that at one step and at a day."""

    start: str
    steps: int
    mean: float
    std: float
    lag1: float
    day: float


RATES: Mapping[str, Rate] = MappingProxyType(
    {
        "nasa": Rate("1995-07-01 00:00:00", 89280, 42.18, 29.15, 0.826, 0.501),
        "worldcup98": Rate("1998-04-30 21:30:00", 125310, 10796, 19256, 0.999, 0.619),
        "elb": Rate("2014-04-10 00:04:00", 4040, 61.84, 56.66, 0.227, 0.093),
        "goog": Rate("2015-02-26 21:42:53", 15842, 20.74, 18.56, 0.704, 0.167),
        "wiki_de": Rate("2019-07-01 00:00:00", 6048, 112089, 14311, 0.975, 0.937),
        "retailrocket": Rate("2015-06-17 03:05:00", 6048, 112061, 14541, 0.937, 0.849),
        "twitter_second": Rate("2021-08-01 00:00:00", 1899061, 64.89, 41.15, 0.958, 0.315),
        "twitter_minute": Rate("2021-08-01 00:00:00", 31651, 3894, 2386, 0.939, 0.333),
    }
)
"""Measured on the traces that `datasets.load_requests` returns for the pinned files."""


def draw_request_rate(rng: np.random.Generator, *, like: str, steps: int | None = None) -> Trace:
    """Make a stand-in for a real request trace, with its step, length, mean, deviation and autocorrelations.

    The logarithm is a daily cosine plus an autoregression of two hours' memory plus noise, weighted so that the values
    have the autocorrelations of `RATES` at one step and one day. Values are positive, and whole numbers unless the
    original is rescaled. There are no outages. Long memory, events and spikes of the original are not imitated.
    `like` is a key of `RATES`.
    """
    rate, spec = RATES[like], REQUEST_TRACES[like]
    step = pd.Timedelta(seconds=spec.seconds * spec.every)
    index = _index(rate.start, rate.steps if steps is None else steps, step)
    amplitude, variance, lag1 = _logarithm(rate)
    noise = _noise(rng, len(index), steps_per_day(step), lag1)
    values = np.exp(amplitude * _daily_cosine(index) + np.sqrt(variance) * noise)
    values *= rate.mean / values.mean()
    if not spec.scale:
        values = np.maximum(np.round(values), 1.0)
    note = "; ".join(filter(None, [f"stand-in for {spec.description}", spec.scale]))
    return _trace(like, {"requests": values}, index, step, spec.unit, note)


def draw_traffic(rng: np.random.Generator, *, steps: int = 17568) -> Trace:
    """Make a stand-in for a traffic sensor of Aarhus, with the statistics of the mean of 42 sensors.

    Counts are Poisson around an intensity with two rush hours a day (05:30 and 13:30 UTC): mean 4.2, standard deviation
    4.6, autocorrelation .77 at one step and .48 at a day. Speed is about 46 km/h, lower with more vehicles; NaN, as its
    time, where no vehicle passed.

    The columns are those of `datasets.load_traffic`; the road is 1,000 metres long.
    """
    index = _index("2014-08-01", steps, _FIVE)
    hours = _hours(index)
    shape = sum(np.exp(-0.5 * ((hours - rush) / 2.5) ** 2) for rush in (5.5, 13.5)) + np.zeros(steps)
    intensity = np.exp(2.50 * shape + np.sqrt(0.21) * _noise(rng, steps, 288, 0.93))
    count = rng.poisson(4.24 * intensity / intensity.mean()).astype(float)
    flow = lfilter([np.sqrt(1 - 0.9**2)], [1.0, -0.9], rng.standard_normal(steps))
    speed = np.maximum(np.round(49 + 8 * flow - 0.6 * count), 4.0)
    speed[count == 0] = np.nan
    columns = {"vehicle_count": count, "avg_speed": speed, "avg_measured_time": np.round(3.6 * 1000.0 / speed)}
    return _trace("traffic", columns, index, _FIVE, "vehicles per 5 min", "stand-in for CityPulse Aarhus traffic")


def draw_pollution(rng: np.random.Generator, *, steps: int = 17568) -> Trace:
    """Make a stand-in for a pollution series of Aarhus, which was generated in much the same way.

    Each column is an independent integer random walk with increments uniform on -5..5, reflected at 15 and 215.

    The columns are those of `datasets.load_pollution`; there is no season.
    """
    low, high = 15, 215
    columns = {}
    for pollutant in POLLUTANTS:
        increments = rng.integers(-5, 6, steps)
        walk = np.cumsum(increments) + rng.integers(0, high - low + 1)
        # Folding a free walk into the band is reflection at both bounds.
        folded = walk % (2 * (high - low))
        columns[pollutant] = (low + np.minimum(folded, 2 * (high - low) - folded)).astype(float)
    index = _index("2014-08-01 00:05:00", steps, _FIVE)
    note = "generated by the publisher, not measured; this is a stand-in of the same kind"
    return _trace("pollution", columns, index, _FIVE, "index without unit", note, season=False)


def draw_utilisation(
    rng: np.random.Generator,
    *,
    steps: int = 2016,
    step: pd.Timedelta = _FIVE,
    cpu: tuple[float, float] = (30.0, 90.0),
    memory: tuple[float, float] | None = (40.0, 95.0),
    name: str = "utilisation",
) -> Trace:
    """Make a processor and memory utilisation series within given ranges, by default those of Paper A, Figs. 2 and 3.

    Each is a daily cosine plus Gaussian noise of two hours' memory, mapped by its distribution function into the range
    from lowest to highest percent. The columns are cpu_percent and, unless its range is None, memory_percent.
    """
    index = _index("2024-01-01", steps, step)
    cycle, season = _daily_cosine(index), steps_per_day(step)
    columns = {}
    for column, limits, lag1 in (("cpu_percent", cpu, 0.8), ("memory_percent", memory, 0.95)):
        if limits is not None:
            share = ndtr(cycle + np.sqrt(0.5) * _noise(rng, steps, season, lag1))
            columns[column] = limits[0] + (limits[1] - limits[0]) * share
    return _trace(name, columns, index, step, "percent", "within the ranges of Paper A, Figs. 2 and 3")


def _errors(rng: np.random.Generator, steps: int, mixture: Bursts) -> Floats:
    shape = 1 / SPREAD**2
    size = rng.gamma(shape, mixture.size / shape, steps) * rng.choice([-1.0, 1.0], steps)
    return np.where(rng.random(steps) < mixture.probability, size, mixture.small * rng.standard_normal(steps))


def _logarithm(rate: Rate) -> tuple[float, float, float]:
    """Solve for the logarithm of a series with given statistics: a daily cosine plus Gaussian noise.

    With amplitude d, and noise of variance n and autocorrelation r at one step and 0 at a day, relative second moments
    are A = I0(2d) / I0(d)² at a day, A exp(nr) at one step and A exp(n) at no distance; I0 is the modified Bessel
    function.

    Returns:
        Amplitude, variance of the noise, and its autocorrelation at one step.
    """
    square = (rate.std / rate.mean) ** 2
    day = float(np.log1p(rate.day * square))
    amplitude = brentq(lambda d: np.log(i0e(2 * d)) - 2 * np.log(i0e(d)) - day, 0.0, 50.0)
    variance = float(np.log1p(square)) - day
    return float(amplitude), variance, (float(np.log1p(rate.lag1 * square)) - day) / variance


def _noise(rng: np.random.Generator, steps: int, season: int, lag1: float) -> Floats:
    """Return Gaussian noise of variance 1 with a given autocorrelation at one step.

    It is an autoregression with a memory of two hours plus white noise; where `lag1` is too high for that, an
    autoregression alone.
    """
    memory = max(float(np.exp(-12 / season)), lag1)
    slow = lag1 / memory
    start = memory * rng.standard_normal(1)
    rest, _ = lfilter([np.sqrt(1 - memory**2)], [1.0, -memory], rng.standard_normal(steps), zi=start)
    return np.asarray(np.sqrt(slow) * rest + np.sqrt(1 - slow) * rng.standard_normal(steps))


def _index(start: str, steps: int, step: pd.Timedelta) -> pd.DatetimeIndex:
    if steps < 1:
        raise InputError(f"a series of {steps} steps is empty; ask for at least one step")
    return regular_index(start, steps, step)


def _hours(index: pd.DatetimeIndex) -> Floats:
    day = pd.Timedelta(days=1).value
    return np.asarray(index.asi8 % day / day * 24, dtype=np.float64)


def _daily_cosine(index: pd.DatetimeIndex) -> Floats:
    return np.asarray(np.cos(2 * np.pi * (_hours(index) - _PEAK) / 24))


def _trace(
    name: str,
    columns: Mapping[str, Floats],
    index: pd.DatetimeIndex,
    step: pd.Timedelta,
    unit: str,
    note: str,
    season: bool = True,
) -> Trace:
    frame = pd.DataFrame(columns, index=index)
    daily = steps_per_day(step) if season else None
    return Trace(name, frame, step, unit, Origin("synthetic", note=note), {}, daily)


_RANGES = {
    "alibaba_8days": (2243, "", (16.0, 79.0), (78.0, 95.0)),
    "alibaba_day1": (8641, "", (14.0, 77.0), (80.0, 92.0)),
    "google2019": (8064, "", (32.0, 59.0), (24.0, 40.0)),
    "ec2_825cc2": (4034, "2014-04-10 00:04:00", (18.7, 99.1), None),
    "asg_misconfiguration": (18050, "2014-05-14 01:14:00", (11.5, 100.0), None),
}
"""Rows, first stamp, and measured lowest and highest processor and memory utilisation in percent."""


def make_file(name: str, seed: int) -> bytes:
    """Return the decompressed bytes of the stand-in for a pinned file.

    The same name and seed give the same bytes, whatever other files are made.

    Raises:
        InputError: No such file is pinned, or the seed is negative.
    """
    find_pin(name)
    rng = np.random.default_rng([check_seed(seed), zlib.crc32(name.encode())])
    aarhus = re.fullmatch(r"aarhus_\w+/(traffic|pollution)Data(\d+)(_feb_jun_2014)?\.csv\.gz", name)
    if name == METADATA:
        table = _metadata(rng)
    elif aarhus and aarhus[1] == "traffic":
        table = _traffic(rng, int(aarhus[2]), bool(aarhus[3]))
    elif aarhus:
        table = _pollution(rng)
    else:
        table = _requests_or_utilisation(rng, name)
    ends = "\r\n" if name.startswith("aarhus") else "\n"
    return table.to_csv(index=False, lineterminator=ends, float_format="%.10g").encode()


def _traffic(rng: np.random.Generator, sensor: int, winter: bool) -> pd.DataFrame:
    start, steps = ("2014-02-13 11:30", 33338) if winter else ("2014-08-01 08:00", 17472)
    frame = draw_traffic(rng, steps=steps).frame
    frame.iloc[0] = frame.iloc[0].fillna(40.0)  # the feed repeats the last speed, and the first row has none before it
    frame = frame.ffill().astype(int).reset_index(drop=True)
    stamps = pd.date_range(start, periods=steps, freq="5min")
    return pd.DataFrame(
        {
            "status": "OK",
            "avgMeasuredTime": frame["avg_measured_time"],
            "avgSpeed": frame["avg_speed"],
            "extID": 0,
            "medianMeasuredTime": frame["avg_measured_time"],
            "TIMESTAMP": stamps.strftime("%Y-%m-%dT%H:%M:%S"),
            "vehicleCount": frame["vehicle_count"],
            "_id": np.arange(steps),
            "REPORT_ID": sensor,
        }
    )


def _pollution(rng: np.random.Generator) -> pd.DataFrame:
    frame = draw_pollution(rng).frame.astype(int)
    stamps = pd.DatetimeIndex(frame.index).strftime("%Y-%m-%d %H:%M:%S")
    return frame.assign(longitude=10.2, latitude=56.15, timestamp=stamps)


def _metadata(rng: np.random.Generator) -> pd.DataFrame:
    sensors = list_sensors(None)
    count = len(sensors)
    return pd.DataFrame(
        {
            "REPORT_ID": sensors,
            "POINT_1_STREET": "stand-in",
            "ROAD_TYPE": "MAJOR_ROAD",
            "DISTANCE_IN_METERS": rng.integers(300, 3000, count),
            "NDT_IN_KMH": rng.integers(40, 90, count),
            "POINT_1_LAT": rng.uniform(56.1, 56.25, count).round(6),
            "POINT_1_LNG": rng.uniform(10.05, 10.3, count).round(6),
            "POINT_2_LAT": rng.uniform(56.1, 56.25, count).round(6),
            "POINT_2_LNG": rng.uniform(10.05, 10.3, count).round(6),
        }
    )


def _requests_or_utilisation(rng: np.random.Generator, file: str) -> pd.DataFrame:
    specs = {**REQUEST_TRACES, **UTILISATION_TRACES}
    name, spec = next(item for item in specs.items() if item[1].file == file)
    if name in REQUEST_TRACES:
        frame = draw_request_rate(rng, like=name).frame
        stamps, frame = pd.DatetimeIndex(frame.index), frame if spec.scale else frame.astype(int)
    else:
        steps, start, cpu, memory = _RANGES[name]
        step = pd.Timedelta(seconds=spec.seconds)
        frame = draw_utilisation(rng, steps=steps, step=step, cpu=cpu, memory=memory).frame / spec.factor
        stamps = regular_index(start or spec.start, steps, step)
    table = frame.set_axis(list(spec.columns), axis=1)
    if spec.time is not None:
        table.insert(0, spec.time, stamps.strftime("%Y-%m-%d %H:%M:%S"))
    return table
