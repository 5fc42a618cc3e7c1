"""The data sets of both papers: what is known of each file, and how it is read."""

import gzip
import io
import os
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd

from edgeresearch.data.settings import DataSettings
from edgeresearch.data.trace import Origin, Trace, find_runs, put_on_grid, regular_index, steps_per_day
from edgeresearch.errors import InputError, nearest
from edgeresearch.provenance import sha256

REGISTRY = Path(__file__).with_name("registry.csv")
"""The packaged table of pinned files: file, url, sha256, sha256_csv, identical_to_upstream."""


@dataclass(frozen=True)
class Pin:
    """One public file and what its bytes must be.

    Attributes:
        file: Path within a data folder, such as `qps/dsp_wiki_de_5min.csv.gz`.
        url: Where the publisher's bytes are.
        sha256: Checksum of the `.csv.gz` in a mirror.
        sha256_csv: Checksum of the decompressed CSV.
        identical: Whether the CSV is byte for byte what `url` serves; if not, what it serves is repacked.
    """

    file: str
    url: str
    sha256: str
    sha256_csv: str
    identical: bool


@cache
def pins() -> Mapping[str, Pin]:
    """Return the pinned files by their path within a data folder."""
    table = pd.read_csv(REGISTRY, dtype=str, keep_default_na=False)
    return MappingProxyType(
        {
            name: Pin(name, url, sha256, sha256_csv, identical == "yes")
            for name, url, sha256, sha256_csv, identical in table.to_numpy().tolist()
        }
    )


def find_pin(name: str) -> Pin:
    """Return the pin of a file.

    Raises:
        InputError: No such file is pinned; the message names the nearest.
    """
    known = pins()
    if name not in known:
        near = max(known, key=lambda other: _likeness(name, other))
        raise InputError(f"unknown data file {name!r}; nearest: {near}; see {REGISTRY.name} for all {len(known)}")
    return known[name]


def _likeness(name: str, other: str) -> tuple[int, float]:
    """Compare names by their common words, then by their letters."""
    words = set(re.split(r"[\W_]", name)) & set(re.split(r"[\W_]", other))
    return len(words), SequenceMatcher(None, name, other).ratio()


def read_bytes(path: Path) -> bytes:
    """Return the decompressed bytes of a file (`.gz`) or its bytes (any other).

    Raises:
        InputError: The file is missing, is unreadable, or is a damaged archive.
    """
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except FileNotFoundError as error:
        raise InputError(f"no file {path}; fetch the data first or name another file") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is a damaged gzip file: {error}; delete it and fetch it again") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; name a readable file") from error


def is_real(path: Path, name: str) -> bool:
    """Tell whether the file at `path` holds the pinned bytes of the public file `name`.

    The decompressed bytes decide, so the compressor does not matter. A missing or damaged file is not real.

    Raises:
        InputError: No file `name` is pinned.
    """
    wanted = find_pin(name).sha256_csv
    try:
        return sha256(read_bytes(path)) == wanted
    except InputError:
        return False


def read_columns(folder: Path, name: str, columns: Sequence[str], note: str = "") -> tuple[pd.DataFrame, Origin]:
    """Read a pinned file, or its stand-in, from a data folder.

    Args:
        folder: The data folder that `fetch` filled.
        name: Path of the file within it.
        columns: The columns wanted, in this order.
        note: What a reader of a figure must know.

    Returns:
        The columns as stored, and their origin: the checksum of the decompressed bytes says whether it is real.

    Raises:
        InputError: The file is missing, damaged, no CSV, or lacks a column.
    """
    pinned = find_pin(name)
    data = read_bytes(Path(folder) / name)
    digest = sha256(data)
    real = digest == pinned.sha256_csv
    try:
        table = pd.read_csv(io.BytesIO(data), usecols=list(columns))
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"cannot read {Path(folder) / name}: {reason}; delete it and fetch it again") from error
    if not real:
        note = "; ".join(filter(None, ["not the pinned file: a stand-in", note]))
    return table[list(columns)], Origin("registry" if real else "synthetic", name, digest, real, note)


STEP = pd.Timedelta(minutes=5)
METADATA = "aarhus_traffic/trafficMetaData.csv.gz"
POLLUTANTS = ("ozone", "particullate_matter", "carbon_monoxide", "sulfure_dioxide", "nitrogen_dioxide")
"""Columns of the pollution files, spelt as published."""
STAND_IN = "paper_a"
"""The stand-in for Paper A's own request trace, which was never published; it is made in memory."""
OUTAGE_MINUTES = 60
"""NASA lists only minutes with requests: up to this many absent minutes in a row are true zeros, more are an outage."""

Kind = Literal["traffic", "pollution"]
Period = Literal["aug_sep", "feb_jun"]


@dataclass(frozen=True)
class TraceSpec:
    """What is known of a trace: requests, or utilisation of processors and memory.

    Attributes:
        file: Path within a data folder.
        time: Time column; None where row k is step k.
        columns: Columns of the file, and what the trace calls them.
        step: Distance of two slots of the file.
        unit: Unit of the values.
        description: One line on what was counted or measured.
        season: Steps of the trace in a season; None where none is known.
        outages: Outages the publisher tells of, as text.
        scale: What must be known of the values' scale, else empty.
        start: First stamp where the file has none: a convention, not a fact.
        every: Steps of the file in one step of the trace.
        factor: What one unit of the file is, in the unit of the trace.
    """

    file: str
    time: str | None
    columns: Mapping[str, str]
    step: pd.Timedelta
    unit: str
    description: str
    season: int | None
    outages: tuple[str, ...] = ()
    scale: str = ""
    start: str = ""
    every: int = 1
    factor: float = 1.0


def _requests(file: str, time: str | None, value: str, seconds: int, unit: str, text: str, **more: Any) -> TraceSpec:
    path, step, season = f"qps/{file}.csv.gz", pd.Timedelta(seconds=seconds), 86400 // (seconds * more.get("every", 1))
    return TraceSpec(path, time, {value: "requests"}, step, unit, text, season, **more)


def _utilisation(
    file: str, columns: Mapping[str, str], seconds: int, text: str, season: int | None, **more: Any
) -> TraceSpec:
    path, time = f"utilisation/{file}.csv.gz", None if "start" in more else "timestamp"
    return TraceSpec(path, time, columns, pd.Timedelta(seconds=seconds), "percent", text, season, **more)


_RESCALED = "rescaled by the publisher with an offset: neither ratios nor zeros mean anything"
_TWITTER = {"outages": ("every night 23:31-24:00 and 42 short gaps of the archive",), "start": "2021-08-01"}
_TWEETS = "Twitter sample stream, August 2021, with delete notices; the day of the first second is not recorded"

REQUEST_TRACES: Mapping[str, TraceSpec] = MappingProxyType(
    {
        "nasa": _requests(
            "nasa_http_jul_aug_1995_per_minute", "minute", "count", 60, "requests per minute",
            "NASA Kennedy Space Center web server, July-August 1995, local time (UTC-4)",
            outages=(
                "1995-07-28 13:33 to 1995-07-31 23:59 (no log)",
                "1995-08-01 14:53 to 1995-08-03 04:35 (hurricane Erin)",
            ),
        ),
        "worldcup98": _requests(
            "worldcup98_per_minute", "minute", "count", 60, "requests per minute",
            "1998 World Cup web site, all servers (M. Arlitt, T. Jin, Hewlett-Packard), GMT",
        ),
        "elb": _requests(
            "nab_elb_request_count_8c0756", "timestamp", "value", 300, "requests per 5 min",
            "an AWS load balancer, April 2014 (Numenta Anomaly Benchmark)",
        ),
        "goog": _requests(
            "nab_twitter_volume_goog", "timestamp", "value", 300, "tweets per 5 min",
            "tweets that mention GOOG, February-April 2015 (Numenta Anomaly Benchmark)",
        ),
        "wiki_de": _requests(
            "dsp_wiki_de_5min", "date", "messages", 300, "messages per 5 min (rescaled)",
            "page views of the German Wikipedia, July 2019 (Gontarska et al. 2021)", scale=_RESCALED,
        ),
        "retailrocket": _requests(
            "dsp_retailrocket_5min", "date", "messages", 300, "messages per 5 min (rescaled)",
            "events of a web shop, June-July 2015 (Gontarska et al. 2021)", scale=_RESCALED,
        ),
        "twitter_second": _requests(
            "twitter_stream_aug_2021_per_second", None, "count", 1, "tweets per second", _TWEETS, **_TWITTER,
        ),
        "twitter_minute": _requests(
            "twitter_stream_aug_2021_per_second", None, "count", 1, "tweets per minute", _TWEETS, every=60, **_TWITTER,
        ),
    }
)  # fmt: skip
"""The request traces by short name."""

_CPU = {"value": "cpu_percent"}
_ALIBABA = {"cpu_util_percent": "cpu_percent", "mem_util_percent": "memory_percent"}
_MACHINES = "Alibaba cluster-trace-v2018, mean of about 4,000 machines"

UTILISATION_TRACES: Mapping[str, TraceSpec] = MappingProxyType(
    {
        "alibaba_8days": _utilisation(
            "alibaba2018_machine_usage_8days_300s", _ALIBABA, 300, _MACHINES, 288, start="2018-01-01",
        ),
        "alibaba_day1": _utilisation(
            "alibaba2018_machine_usage_day1_10s", _ALIBABA, 10, f"{_MACHINES}, first day", None, start="2018-01-01",
        ),
        "google2019": _utilisation(
            "google2019_instance_usage_month_300s", {"avg_cpu": "cpu_percent", "avg_mem": "memory_percent"}, 300,
            "Google cluster workload traces 2019, mean of instances", 288, start="2019-05-01", factor=100.0,
        ),
        "ec2_825cc2": _utilisation(
            "nab_ec2_cpu_utilization_825cc2", _CPU, 300,
            "one AWS EC2 instance, April 2014, with labelled anomalies (Numenta Anomaly Benchmark)", None,
        ),
        "asg_misconfiguration": _utilisation(
            "nab_cpu_utilization_asg_misconfiguration", _CPU, 300,
            "an auto-scaling group, May-July 2014, with a labelled anomaly (Numenta Anomaly Benchmark)", 12,
        ),
    }
)  # fmt: skip
"""The utilisation traces by short name; the season of the last is an hour."""

_SENSOR = re.compile(r"(traffic|pollution)_(\d+)(_feb_jun)?")


def load_dataset(
    name: str, folder: str | Path | None = None, *, mirror: str | Path | None = None, seed: int = 0
) -> Trace:
    """Load a data set of the papers by its name.

    Args:
        name: A request trace (`elb`, `nasa`, …, or `paper_a`, the synthetic stand-in for Paper A's own), a utilisation
            trace (`google2019`, …), or a sensor of Aarhus (`traffic_158324`, `pollution_158324`).
        folder: The data folder that `edgeresearch data` filled. Where None, the file is looked for in `data/raw` of the
            present folder, then in the mirror; if neither has it, a synthetic stand-in is made, and a note says so.
        mirror: A folder that holds the files; where None, what EDGERESEARCH_DATA_MIRROR names.
        seed: Root of a stand-in's randomness.

    Raises:
        InputError: The name is unknown, or the file is damaged or missing in the folder that was named.
    """
    from edgeresearch.data import synthetic  # it imports scipy

    if name == STAND_IN:
        child = np.random.SeedSequence([seed, *name.encode()])
        return synthetic.draw_qps(np.random.default_rng(child))
    file, load = _find_loader(name)
    if folder is not None:
        return load(Path(folder))
    beside = mirror or os.environ.get("EDGERESEARCH_DATA_MIRROR")
    for place in (Path(DataSettings().folder), *([Path(beside)] if beside else [])):
        if (place / file).is_file():
            trace = load(place)
            note = "" if trace.origin.real else f"SYNTHETIC DATA: {place / file} is a stand-in"
            return replace(trace, notes=(*trace.notes, note)) if note else trace
    with TemporaryDirectory() as draft:
        target = Path(draft) / file
        target.parent.mkdir(parents=True)
        target.write_bytes(gzip.compress(synthetic.make_file(file, seed)))
        trace = load(Path(draft))
    note = (
        f"SYNTHETIC DATA: {file} is not here, so this is a seeded stand-in; `edgeresearch data` fetches the real files"
    )
    return replace(trace, notes=(*trace.notes, note))


def _find_loader(name: str) -> tuple[str, Callable[[Path], Trace]]:
    """Return the file of a data set, and what loads it from a data folder."""
    for specs, load in ((REQUEST_TRACES, load_requests), (UTILISATION_TRACES, load_utilisation)):
        if name in specs:
            return specs[name].file, partial(load, name)
    sensor = _SENSOR.fullmatch(name)
    if sensor is None:
        known = [*REQUEST_TRACES, STAND_IN, *UTILISATION_TRACES]
        some = f"{', '.join(known)}, traffic_NUMBER, pollution_NUMBER"
        raise InputError(f"unknown data set {name!r}{nearest(name, known)}; choose one of {some}")
    number = int(sensor[2])
    period: Period = "feb_jun" if sensor[3] else "aug_sep"
    if sensor[1] == "traffic":
        return _traffic_file(number, period), lambda folder: load_traffic(folder, number, period)
    return f"aarhus_pollution/pollutionData{number}.csv.gz", lambda folder: load_pollution(folder, number)


def load_requests(name: str, folder: str | Path) -> Trace:
    """Load a request trace.

    Absent slots are NaN, with two exceptions that the files ask for. `nasa` has no row for a minute without requests:
    up to `OUTAGE_MINUTES` absent minutes in a row are zeros, longer runs are outages and NaN. The Twitter file writes 0
    where its archive has a gap: every zero there is NaN, and a minute of `twitter_minute` with a masked second is NaN.
    The Twitter file has no stamps: 2021-08-01 00:00:00 is given to its first second by convention.

    Returns:
        One column, `requests`, in the unit of the spec, with what was repaired as counts.

    Raises:
        InputError: `name` is no key of `REQUEST_TRACES`, or its file is missing in the data folder, or damaged.
    """
    spec = _find_spec(name, REQUEST_TRACES, "request")
    table, origin = _read_spec(spec, folder, "; ".join(filter(None, [spec.description, spec.scale])))
    values = pd.to_numeric(table["requests"], errors="coerce").astype(float)
    if spec.time is None:
        frame, repairs = _stamp_seconds(values, spec)
    else:
        stamps = _parse_stamps(table[spec.time], spec.file)
        frame, repairs = put_on_grid(pd.DataFrame({"requests": values.to_numpy()}, index=stamps), spec.step)
        if name == "nasa":
            frame, repairs = _fill_zeros(frame, repairs)
    return Trace(name, frame, spec.step * spec.every, spec.unit, origin, repairs, spec.season)


def load_utilisation(name: str, folder: str | Path) -> Trace:
    """Load a utilisation trace.

    Files without stamps get a first stamp by convention (the `start` of the spec). Absent slots are NaN.

    Returns:
        Columns cpu_percent and, where there is one, memory_percent, both within 0 and 100.

    Raises:
        InputError: `name` is no key of `UTILISATION_TRACES`, or its file is missing in the data folder, or damaged.
    """
    spec = _find_spec(name, UTILISATION_TRACES, "utilisation")
    table, origin = _read_spec(spec, folder, spec.description)
    if spec.time is None:
        stamps = regular_index(spec.start, len(table), spec.step)
    else:
        stamps = _parse_stamps(table.pop(spec.time), spec.file)
    frame, repairs = put_on_grid(table.set_index(stamps) * spec.factor, spec.step)
    return Trace(name, frame, spec.step, spec.unit, origin, repairs, spec.season)


def _find_spec(name: str, specs: Mapping[str, TraceSpec], kind: str) -> TraceSpec:
    if name not in specs:
        raise InputError(f"unknown {kind} trace {name!r}; choose one of {', '.join(specs)}")
    return specs[name]


def _read_spec(spec: TraceSpec, folder: str | Path, note: str) -> tuple[pd.DataFrame, Origin]:
    columns = [*spec.columns] if spec.time is None else [spec.time, *spec.columns]
    table, origin = read_columns(Path(folder), spec.file, columns, note)
    return table.rename(columns=dict(spec.columns)), origin


def _fill_zeros(frame: pd.DataFrame, repairs: dict[str, int]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Write zeros into the short runs of absent minutes and count both kinds."""
    values = frame["requests"].to_numpy(copy=True)
    starts, lengths = find_runs(np.isnan(values))
    short = lengths <= OUTAGE_MINUTES
    for start, length in zip(starts[short], lengths[short], strict=True):
        values[start : start + length] = 0.0
    counts = {"zeros": int(lengths[short].sum()), "outages": int((~short).sum())}
    return frame.assign(requests=values), {**repairs, **counts, "outage_slots": int(lengths[~short].sum())}


def _stamp_seconds(values: pd.Series, spec: TraceSpec) -> tuple[pd.DataFrame, dict[str, int]]:
    """Give a series of seconds its conventional stamps, mask its zeros, and sum it over full minutes where asked."""
    seconds = values.to_numpy(copy=True)
    starts, lengths = find_runs(seconds == 0)
    seconds[seconds == 0] = np.nan
    repairs = {"gaps": len(starts), "gap_slots": int(lengths.sum())}
    if spec.every > 1:
        rest = len(seconds) % spec.every
        sums = seconds[: len(seconds) - rest].reshape(-1, spec.every).sum(axis=1)
        repairs |= {"partial_dropped": rest, "masked_slots": int(np.isnan(sums).sum())}
        seconds = sums
    stamps = regular_index(spec.start, len(seconds), spec.step * spec.every)
    return pd.DataFrame({"requests": seconds}, index=stamps), repairs


def _parse_stamps(column: pd.Series, where: str) -> pd.DatetimeIndex:
    """Parse ISO 8601 stamps without zone, in any order, in nanoseconds."""
    parsed = pd.to_datetime(column, format="ISO8601", errors="coerce")
    bad = np.flatnonzero(parsed.isna())
    if len(bad):
        raise InputError(f"{where}, line {bad[0] + 2}: no time stamp: {column.iloc[bad[0]]!r}; mend or delete the line")
    return pd.DatetimeIndex(parsed).as_unit("ns")


def list_sensors(folder: str | Path | None, kind: Kind = "traffic") -> list[int]:
    """List the sensors whose file of August and September 2014 lies in a data folder, ascending; all if None."""
    names = pins() if folder is None else map(str, Path(folder).glob(f"aarhus_{kind}/*.csv.gz"))
    matches = (re.search(rf"aarhus_{kind}.{kind}Data(\d+)\.csv\.gz$", name) for name in names)
    return sorted(int(match[1]) for match in matches if match)


def load_metadata(folder: str | Path) -> pd.DataFrame:
    """Return what is known of each traffic sensor.

    Returns:
        One row per sensor, indexed by `sensor`: street, road_type, length in metres, free_flow speed in km/h, and the
        latitude and longitude of both ends in degrees.

    Raises:
        InputError: The file is missing or damaged.
    """
    names = {
        **{"REPORT_ID": "sensor", "POINT_1_STREET": "street", "ROAD_TYPE": "road_type"},
        **{"DISTANCE_IN_METERS": "length", "NDT_IN_KMH": "free_flow"},
        **{f"POINT_{end}_{short}": f"{name}_{end}" for end in (1, 2) for short, name in _COORDINATES},
    }
    table, _ = read_columns(Path(folder), METADATA, list(names))
    return table.rename(columns=names).set_index("sensor").sort_index()


_COORDINATES = (("LAT", "latitude"), ("LNG", "longitude"))


def load_traffic(folder: str | Path, sensor: int, period: Period = "aug_sep") -> Trace:
    """Load one traffic sensor on the common 5-minute grid (stamps at full five minutes).

    Stamps have no zone; the rush hours say UTC, and UTC is assumed. Sensors start and end at slightly different times:
    join traces by their index. The ids, the status (always OK) and the median time (always equal to the average) are
    dropped.

    NaN marks absent slots, rows whose count, speed and time are all 0 (no measurement), and, where no vehicle passed
    and the feed repeats the speed and time of the row before, that speed and time.

    Args:
        folder: The data folder that `fetch` filled.
        sensor: One of `list_sensors(folder)`.
        period: `aug_sep` 2014, or `feb_jun` 2014, which two sensors have.

    Returns:
        Columns vehicle_count (vehicles per 5 min), avg_speed (km/h), avg_measured_time (s). The repairs count, besides
        those of `put_on_grid`, `all_zero` rows and `repeated_speed` rows.

    Raises:
        InputError: There is no such sensor, or its file is missing or damaged.
    """
    measured = {"avgSpeed": "avg_speed", "avgMeasuredTime": "avg_measured_time"}
    columns = {"vehicleCount": "vehicle_count", **measured}
    frame, origin, repairs = _load_sensor(folder, _traffic_file(sensor, period), "TIMESTAMP", columns)
    seen, courses = frame.dropna(), list(measured.values())
    empty = (seen == 0).all(axis=1)
    repeated = (seen["vehicle_count"] == 0) & ~empty & (seen[courses] == seen[courses].shift()).all(axis=1)
    frame.loc[empty.index[empty]] = float("nan")
    frame.loc[repeated.index[repeated], courses] = float("nan")
    repairs |= {"all_zero": int(empty.sum()), "repeated_speed": int(repeated.sum())}
    name = f"traffic_{sensor}" if period == "aug_sep" else f"traffic_{sensor}_{period}"
    return Trace(name, frame, STEP, "vehicles per 5 min", origin, repairs, steps_per_day(STEP))


def load_pollution(folder: str | Path, sensor: int) -> Trace:
    """Load one pollution series on the 5-minute grid; it was generated by its publisher, not measured.

    Each column is an integer random walk within [15, 215] without a unit or a daily cycle: the trace has no season.
    Stamps have no zone; UTC is assumed as for traffic. The constant longitude and latitude are dropped.

    Returns:
        One column per pollutant of `POLLUTANTS`. The origin is real where the file is the published one; its note says
        that the publisher generated the values.

    Raises:
        InputError: There is no such sensor, or its file is missing or damaged.
    """
    file, note = f"aarhus_pollution/pollutionData{sensor}.csv.gz", "generated by the publisher, not measured"
    frame, origin, repairs = _load_sensor(folder, file, "timestamp", {name: name for name in POLLUTANTS}, note)
    return Trace(f"pollution_{sensor}", frame, STEP, "index without unit", origin, repairs)


def load_sensors(folder: str | Path | None, kind: Kind, count: int) -> list[Trace]:
    """Load the streams of so many sensors, those of the lowest numbers; as `load_dataset` finds them without a folder.

    Raises:
        InputError: There are fewer, or a file is damaged.
    """
    known = list_sensors(folder, kind)
    if len(known) < count:
        raise InputError(f"{len(known)} {kind} sensors in {folder}, not {count}; fetch the data first")
    if folder is None:
        return [load_dataset(f"{kind}_{sensor}") for sensor in known[:count]]
    load = load_traffic if kind == "traffic" else load_pollution
    return [load(folder, sensor) for sensor in known[:count]]


def _traffic_file(sensor: int, period: Period) -> str:
    return f"aarhus_traffic/trafficData{sensor}{'' if period == 'aug_sep' else '_feb_jun_2014'}.csv.gz"


def _load_sensor(
    folder: str | Path, file: str, time: str, columns: Mapping[str, str], note: str = ""
) -> tuple[pd.DataFrame, Origin, dict[str, int]]:
    if file not in pins():
        kind: Kind = "traffic" if file.startswith("aarhus_traffic") else "pollution"
        known = list_sensors(folder, kind)
        some = ", ".join(map(str, known[:5])) + (", …" if len(known) > 5 else "") or "none, fetch the data first"
        raise InputError(f"no {kind} sensor ({file}); sensors in {folder}: {some}")
    table, origin = read_columns(Path(folder), file, [time, *columns], note)
    stamps = _parse_stamps(table.pop(time), file)
    frame, repairs = put_on_grid(table.rename(columns=dict(columns)).set_index(stamps), STEP)
    return frame, origin, repairs
