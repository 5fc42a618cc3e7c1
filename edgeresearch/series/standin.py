"""Stand-ins for the public files: synthetic series in the files' own formats, which the loaders read unchanged."""

import re
import zlib

import numpy as np
import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.series import qps, registry, synthetic, utilisation
from edgeresearch.series.aarhus import METADATA

_RANGES = {
    "alibaba_8days": (2243, (16.0, 79.0), (78.0, 95.0)),
    "alibaba_day1": (8641, (14.0, 77.0), (80.0, 92.0)),
    "google2019": (8064, (32.0, 59.0), (24.0, 40.0)),
    "ec2_825cc2": (4034, (18.7, 99.1), None),
    "asg_misconfiguration": (18050, (11.5, 100.0), None),
}
"""Rows, and measured lowest and highest processor and memory utilisation in percent."""

_START = {"ec2_825cc2": "2014-04-10 00:04:00", "asg_misconfiguration": "2014-05-14 01:14:00"}


def make(name: str, seed: int) -> bytes:
    """Return the decompressed bytes of the stand-in for a pinned file.

    The same name and seed give the same bytes, whatever other files are made.

    Args:
        name: Path of the file within a data folder.
        seed: Not negative.

    Raises:
        InputError: No such file is pinned, or the seed is negative.
    """
    registry.pin(name)
    if seed < 0:
        raise InputError(f"seed {seed} is negative; use 0 or more")
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    aarhus = re.fullmatch(r"aarhus_\w+/(traffic|pollution)Data(\d+)(_feb_jun_2014)?\.csv\.gz", name)
    if name == METADATA:
        table = _metadata(rng)
    elif aarhus and aarhus[1] == "traffic":
        table = _traffic(rng, int(aarhus[2]), bool(aarhus[3]))
    elif aarhus:
        table = _pollution(rng)
    elif name.startswith("qps/"):
        table = _requests(rng, name)
    else:
        table = _utilisation(rng, name)
    ends = "\r\n" if name.startswith("aarhus") else "\n"
    return table.to_csv(index=False, lineterminator=ends, float_format="%.10g").encode()


def _traffic(rng: np.random.Generator, sensor: int, winter: bool) -> pd.DataFrame:
    start, steps = ("2014-02-13 11:30", 33338) if winter else ("2014-08-01 08:00", 17472)
    frame = synthetic.traffic(rng, steps=steps).frame
    frame.iloc[0] = frame.iloc[0].fillna(40.0)  # the feed repeats the last speed, and the first row has none before it
    frame = frame.ffill().astype(int)
    stamps = pd.date_range(start, periods=steps, freq="5min")
    return pd.DataFrame(
        {
            "status": "OK",
            "avgMeasuredTime": frame["avg_measured_time"].to_numpy(),
            "avgSpeed": frame["avg_speed"].to_numpy(),
            "extID": 0,
            "medianMeasuredTime": frame["avg_measured_time"].to_numpy(),
            "TIMESTAMP": stamps.strftime("%Y-%m-%dT%H:%M:%S"),
            "vehicleCount": frame["vehicle_count"].to_numpy(),
            "_id": np.arange(steps),
            "REPORT_ID": sensor,
        }
    )


def _pollution(rng: np.random.Generator) -> pd.DataFrame:
    frame = synthetic.pollution(rng).frame.astype(int)
    stamps = pd.DatetimeIndex(frame.index).strftime("%Y-%m-%d %H:%M:%S")
    return frame.assign(longitude=10.2, latitude=56.15, timestamp=stamps)


def _metadata(rng: np.random.Generator) -> pd.DataFrame:
    names = registry.pins()
    found = (re.fullmatch(r"aarhus_traffic/trafficData(\d+)\.csv\.gz", name) for name in names)
    sensors = sorted(int(match[1]) for match in found if match)
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


def _requests(rng: np.random.Generator, name: str) -> pd.DataFrame:
    short = next(key for key, spec in qps.TRACES.items() if spec.file == name)
    spec = qps.TRACES[short]
    values = synthetic.request_rate(rng, like=short).values
    whole = values if spec.scale else values.astype(int)
    if spec.time is None:
        return pd.DataFrame({spec.value: whole.to_numpy()})
    stamps = pd.DatetimeIndex(values.index).strftime("%Y-%m-%d %H:%M:%S")
    return pd.DataFrame({spec.time: stamps, spec.value: whole.to_numpy()})


def _utilisation(rng: np.random.Generator, name: str) -> pd.DataFrame:
    short = next(key for key, spec in utilisation.TRACES.items() if spec.file == name)
    spec = utilisation.TRACES[short]
    steps, cpu, memory = _RANGES[short]
    frame = synthetic.utilisation(rng, steps=steps, step=spec.step, cpu=cpu, memory=memory).frame / spec.percent
    table = frame.set_axis([spec.cpu, spec.memory][: frame.shape[1]], axis=1)
    if spec.time is not None:
        stamps = pd.date_range(_START[short], periods=steps, freq=spec.step).strftime("%Y-%m-%d %H:%M:%S")
        table.insert(0, spec.time, stamps)
    return table
