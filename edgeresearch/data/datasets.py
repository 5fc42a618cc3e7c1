"""The data sets of both papers: what is known of each file, and how it is read."""

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd

from edgeresearch.data import trace
from edgeresearch.data.trace import Origin, Trace
from edgeresearch.errors import InputError

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


def registry_from_manifest(path: str | Path) -> pd.DataFrame:
    """Make the table of pinned files from a mirror's manifest.

    To remake the packaged table: `write_csv(registry_from_manifest("MANIFEST.csv"), REGISTRY)`.

    Args:
        path: CSV with at least the columns file, url, sha256_gz, sha256_csv, identical_to_upstream.

    Returns:
        One row per file, sorted by file, with the columns of `REGISTRY`.

    Raises:
        InputError: The manifest is missing or lacks a column.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the manifest {path}: {error}; give the MANIFEST.csv of a mirror") from error
    table = table.rename(columns={"sha256_gz": "sha256"})
    columns = ["file", "url", "sha256", "sha256_csv", "identical_to_upstream"]
    lacking = [column for column in columns if column not in table]
    if lacking:
        raise InputError(f"the manifest {path} lacks the columns {', '.join(lacking)}; give that of a mirror")
    return table[columns].sort_values("file", ignore_index=True)


def pin(name: str) -> Pin:
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


def content(path: Path) -> bytes:
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


def sha256(data: bytes) -> str:
    """Return the checksum of bytes as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def is_real(path: Path, name: str) -> bool:
    """Tell whether the file at `path` holds the pinned bytes of the public file `name`.

    The decompressed bytes decide, so the compressor does not matter. A missing or damaged file is not real.

    Raises:
        InputError: No file `name` is pinned.
    """
    wanted = pin(name).sha256_csv
    try:
        return sha256(content(path)) == wanted
    except InputError:
        return False


def read(folder: Path, name: str, columns: Sequence[str], note: str = "") -> tuple[pd.DataFrame, Origin]:
    """Read a pinned file, or its stand-in, from a data folder.

    Args:
        folder: The data folder that `fetch` filled.
        name: Path of the file within it.
        columns: The columns wanted, in this order.
        note: What a reader of a figure must know.

    Returns:
        The wanted columns as stored and their origin. The origin's checksum is that of the decompressed bytes; `real`
        follows from that checksum alone.

    Raises:
        InputError: The file is missing, damaged, no CSV, or lacks a column.
    """
    pinned = pin(name)
    data = content(Path(folder) / name)
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

Period = Literal["aug_sep", "feb_jun"]


def sensors(folder: str | Path, kind: Literal["traffic", "pollution"] = "traffic") -> list[int]:
    """List the sensors whose August-September 2014 file lies in a data folder, ascending."""
    names = (file.name for file in Path(folder).glob(f"aarhus_{kind}/{kind}Data*.csv.gz"))
    found = (re.fullmatch(rf"{kind}Data(\d+)\.csv\.gz", name) for name in names)
    return sorted(int(match[1]) for match in found if match)


def metadata(folder: str | Path) -> pd.DataFrame:
    """Return what is known of each traffic sensor.

    Args:
        folder: The data folder that `fetch` filled.

    Returns:
        One row per sensor, indexed by `sensor`: street, road_type, length in metres, free_flow speed in km/h, and the
        latitude and longitude of both ends in degrees.

    Raises:
        InputError: The file is missing or damaged.
    """
    names = {
        "REPORT_ID": "sensor",
        "POINT_1_STREET": "street",
        "ROAD_TYPE": "road_type",
        "DISTANCE_IN_METERS": "length",
        "NDT_IN_KMH": "free_flow",
        "POINT_1_LAT": "latitude_1",
        "POINT_1_LNG": "longitude_1",
        "POINT_2_LAT": "latitude_2",
        "POINT_2_LNG": "longitude_2",
    }
    table, _ = read(Path(folder), METADATA, list(names))
    return table.rename(columns=names).set_index("sensor").sort_index()


def traffic(folder: str | Path, sensor: int, period: Period = "aug_sep") -> Trace:
    """Load one traffic sensor on the common 5-minute grid (stamps at full five minutes).

    Stamps have no zone; the rush hours say UTC, and UTC is assumed. Sensors start and end at slightly different times:
    join traces by their index. The ids, the status (always OK) and the median time (always equal to the average) are
    dropped.

    NaN marks absent slots, rows whose count, speed and time are all 0 (no measurement), and, where no vehicle passed
    and the feed repeats the speed and time of the row before, that speed and time.

    Args:
        folder: The data folder that `fetch` filled.
        sensor: Number of the sensor, as in `sensors(folder)`.
        period: `aug_sep` 2014, or `feb_jun` 2014, which two sensors have.

    Returns:
        Columns vehicle_count (vehicles per 5 min), avg_speed (km/h), avg_measured_time (s). The repairs count, besides
        those of `grid.regular`, `all_zero` rows and `repeated_speed` rows.

    Raises:
        InputError: There is no such sensor, or its file is missing or damaged.
    """
    name = f"aarhus_traffic/trafficData{sensor}{'' if period == 'aug_sep' else '_feb_jun_2014'}.csv.gz"
    _check(folder, name, sensor, "traffic")
    columns = {"vehicleCount": "vehicle_count", "avgSpeed": "avg_speed", "avgMeasuredTime": "avg_measured_time"}
    table, origin = read(Path(folder), name, ["TIMESTAMP", *columns])
    stamps = trace.times(table.pop("TIMESTAMP"), name)
    frame, repairs = trace.regular(table.rename(columns=columns).set_index(stamps), STEP)
    seen = frame.dropna()
    empty = (seen == 0).all(axis=1)
    measured = ["avg_speed", "avg_measured_time"]
    repeated = (seen["vehicle_count"] == 0) & ~empty & (seen[measured] == seen[measured].shift()).all(axis=1)
    frame.loc[empty.index[empty]] = float("nan")
    frame.loc[repeated.index[repeated], measured] = float("nan")
    repairs |= {"all_zero": int(empty.sum()), "repeated_speed": int(repeated.sum())}
    short = f"traffic_{sensor}" if period == "aug_sep" else f"traffic_{sensor}_{period}"
    return Trace(short, frame, STEP, "vehicles per 5 min", origin, repairs, trace.steps_per_day(STEP))


def pollution(folder: str | Path, sensor: int) -> Trace:
    """Load one pollution series on the 5-minute grid; it was generated by its publisher, not measured.

    Each column is an integer random walk within [15, 215] without a unit or a daily cycle: the trace has no season.
    Stamps have no zone; UTC is assumed as for traffic. The constant longitude and latitude are dropped.

    Args:
        folder: The data folder that `fetch` filled.
        sensor: Number of the traffic sensor that the series was generated for.

    Returns:
        One column per pollutant of `POLLUTANTS`. The origin is real where the file is the published one; its note says
        that the publisher generated the values.

    Raises:
        InputError: There is no such sensor, or its file is missing or damaged.
    """
    name = f"aarhus_pollution/pollutionData{sensor}.csv.gz"
    _check(folder, name, sensor, "pollution")
    table, origin = read(
        Path(folder), name, ["timestamp", *POLLUTANTS], note="generated by the publisher, not measured"
    )
    stamps = trace.times(table.pop("timestamp"), name)
    frame, repairs = trace.regular(table.set_index(stamps), STEP)
    return Trace(f"pollution_{sensor}", frame, STEP, "index without unit", origin, repairs)


def first(folder: str | Path, kind: Literal["traffic", "pollution"], count: int) -> list[Trace]:
    """Load the streams of so many sensors, those of the lowest numbers.

    Raises:
        InputError: There are fewer, or a file is damaged.
    """
    known = sensors(folder, kind)
    if len(known) < count:
        raise InputError(f"{len(known)} {kind} sensors in {folder}, not {count}; fetch the data first")
    load = traffic if kind == "traffic" else pollution
    return [load(folder, sensor) for sensor in known[:count]]


def _check(folder: str | Path, name: str, sensor: int, kind: Literal["traffic", "pollution"]) -> None:
    if name not in pins():
        known = sensors(folder, kind)
        some = ", ".join(map(str, known[:5])) + (", …" if len(known) > 5 else "") or "none, fetch the data first"
        raise InputError(f"no {kind} sensor {sensor} ({name}); sensors in {folder}: {some}")


OUTAGE_MINUTES = 60
"""NASA lists only minutes with requests: up to this many absent minutes in a row are true zeros, more are an outage."""


@dataclass(frozen=True)
class RequestSpec:
    """What is known of one request-rate trace.

    Attributes:
        file: Path within a data folder.
        time: Time column; None where row k is step k.
        value: Column of the values.
        step: Distance of two slots of the file.
        unit: Unit of the values.
        description: One line on what was counted.
        outages: Outages the publisher tells of, as text.
        scale: What must be known of the values' scale, else empty.
        start: First stamp where the file has none: a convention, not a fact.
        every: Steps of the file in one step of the trace.
    """

    file: str
    time: str | None
    value: str
    step: pd.Timedelta
    unit: str
    description: str
    outages: tuple[str, ...] = ()
    scale: str = ""
    start: str = ""
    every: int = 1

    @property
    def season(self) -> int:
        """Steps of the trace in a day."""
        return trace.steps_per_day(self.step * self.every)


_SECOND, _MINUTE, _FIVE = (pd.Timedelta(seconds=seconds) for seconds in (1, 60, 300))
_RESCALED = "rescaled by the publisher with an offset: neither ratios nor zeros mean anything"
_TWITTER = "qps/twitter_stream_aug_2021_per_second.csv.gz"
_GAPS = ("every night 23:31-24:00 and 42 short gaps of the archive",)
_TWEETS = "Twitter sample stream, August 2021, with delete notices; the day of the first second is not recorded"

REQUEST_TRACES: Mapping[str, RequestSpec] = MappingProxyType(
    {
        "nasa": RequestSpec(
            "qps/nasa_http_jul_aug_1995_per_minute.csv.gz", "minute", "count", _MINUTE, "requests per minute",
            "NASA Kennedy Space Center web server, July-August 1995, local time (UTC-4)",
            outages=(
                "1995-07-28 13:33 to 1995-07-31 23:59 (no log)",
                "1995-08-01 14:53 to 1995-08-03 04:35 (hurricane Erin)",
            ),
        ),
        "worldcup98": RequestSpec(
            "qps/worldcup98_per_minute.csv.gz", "minute", "count", _MINUTE, "requests per minute",
            "1998 World Cup web site, all servers (M. Arlitt, T. Jin, Hewlett-Packard), GMT",
        ),
        "elb": RequestSpec(
            "qps/nab_elb_request_count_8c0756.csv.gz", "timestamp", "value", _FIVE, "requests per 5 min",
            "an AWS load balancer, April 2014 (Numenta Anomaly Benchmark)",
        ),
        "goog": RequestSpec(
            "qps/nab_twitter_volume_goog.csv.gz", "timestamp", "value", _FIVE, "tweets per 5 min",
            "tweets that mention GOOG, February-April 2015 (Numenta Anomaly Benchmark)",
        ),
        "wiki_de": RequestSpec(
            "qps/dsp_wiki_de_5min.csv.gz", "date", "messages", _FIVE, "messages per 5 min (rescaled)",
            "page views of the German Wikipedia, July 2019 (Gontarska et al. 2021)", scale=_RESCALED,
        ),
        "retailrocket": RequestSpec(
            "qps/dsp_retailrocket_5min.csv.gz", "date", "messages", _FIVE, "messages per 5 min (rescaled)",
            "events of a web shop, June-July 2015 (Gontarska et al. 2021)", scale=_RESCALED,
        ),
        "twitter_second": RequestSpec(
            _TWITTER, None, "count", _SECOND, "tweets per second", _TWEETS, outages=_GAPS, start="2021-08-01",
        ),
        "twitter_minute": RequestSpec(
            _TWITTER, None, "count", _SECOND, "tweets per minute", _TWEETS, outages=_GAPS, start="2021-08-01", every=60,
        ),
    }
)  # fmt: skip
"""The traces by short name."""


def load_requests(name: str, folder: str | Path) -> Trace:
    """Load a request-rate trace.

    Absent slots are NaN, with two exceptions that the files ask for. `nasa` has no row for a minute without requests:
    up to `OUTAGE_MINUTES` absent minutes in a row are zeros, longer runs are outages and NaN. The Twitter file writes 0
    where its archive has a gap: every zero there is NaN, and a minute of `twitter_minute` with a masked second is NaN.
    The Twitter file has no stamps: 2021-08-01 00:00:00 is given to its first second by convention.

    Args:
        name: A key of `TRACES`.
        folder: The data folder that `fetch` filled.

    Returns:
        One column, `requests`, in the unit of the spec, with what was repaired as counts.

    Raises:
        InputError: The name is unknown, or the file is missing or damaged.
    """
    spec = _spec(name)
    columns = [spec.value] if spec.time is None else [spec.time, spec.value]
    note = "; ".join(filter(None, [spec.description, spec.scale]))
    table, origin = read(Path(folder), spec.file, columns, note)
    values = pd.to_numeric(table[spec.value], errors="coerce").astype(float)
    if spec.time is None:
        frame, repairs = _indexed(values, spec)
    else:
        stamps = trace.times(table[spec.time], spec.file)
        frame, repairs = trace.regular(pd.DataFrame({"requests": values.to_numpy()}, index=stamps), spec.step)
        if name == "nasa":
            frame, repairs = _zeros(frame, repairs)
    return Trace(name, frame, spec.step * spec.every, spec.unit, origin, repairs, spec.season)


def _spec(name: str) -> RequestSpec:
    if name not in REQUEST_TRACES:
        raise InputError(f"unknown request trace {name!r}; choose one of {', '.join(REQUEST_TRACES)}")
    return REQUEST_TRACES[name]


def _zeros(frame: pd.DataFrame, repairs: dict[str, int]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Write zeros into the short runs of absent minutes and count both kinds."""
    values = frame["requests"].to_numpy(copy=True)
    starts, lengths = trace.runs(np.isnan(values))
    short = lengths <= OUTAGE_MINUTES
    for start, length in zip(starts[short], lengths[short], strict=True):
        values[start : start + length] = 0.0
    counts = {
        "zeros": int(lengths[short].sum()),
        "outages": int((~short).sum()),
        "outage_slots": int(lengths[~short].sum()),
    }
    return frame.assign(requests=values), {**repairs, **counts}


def _indexed(values: pd.Series, spec: RequestSpec) -> tuple[pd.DataFrame, dict[str, int]]:
    """Give a series of seconds its conventional stamps, mask its zeros, and sum it over full minutes where asked."""
    seconds = values.to_numpy(copy=True)
    starts, lengths = trace.runs(seconds == 0)
    seconds[seconds == 0] = np.nan
    repairs = {"gaps": len(starts), "gap_slots": int(lengths.sum())}
    if spec.every > 1:
        rest = len(seconds) % spec.every
        sums = seconds[: len(seconds) - rest].reshape(-1, spec.every).sum(axis=1)
        repairs |= {"partial_dropped": rest, "masked_slots": int(np.isnan(sums).sum())}
        seconds = sums
    stamps = trace.index(spec.start, len(seconds), spec.step * spec.every)
    return pd.DataFrame({"requests": seconds}, index=stamps), repairs


@dataclass(frozen=True)
class UtilisationSpec:
    """What is known of one utilisation trace.

    Attributes:
        file: Path within a data folder.
        time: Time column; None where row k is step k.
        cpu: Column of the processor utilisation.
        memory: Column of the memory utilisation; None where there is none.
        step: Distance of two slots.
        description: One line on what was measured.
        season: Steps in a season; None where none is known.
        start: First stamp where the file has none: a convention, not a fact.
        percent: What one unit of the file is, in percent.
    """

    file: str
    time: str | None
    cpu: str
    memory: str | None
    step: pd.Timedelta
    description: str
    season: int | None
    start: str = ""
    percent: float = 1.0


_ALIBABA = "Alibaba cluster-trace-v2018, mean of about 4,000 machines"

UTILISATION_TRACES: Mapping[str, UtilisationSpec] = MappingProxyType(
    {
        "alibaba_8days": UtilisationSpec(
            "utilisation/alibaba2018_machine_usage_8days_300s.csv.gz", None, "cpu_util_percent", "mem_util_percent",
            _FIVE, _ALIBABA, 288, "2018-01-01",
        ),
        "alibaba_day1": UtilisationSpec(
            "utilisation/alibaba2018_machine_usage_day1_10s.csv.gz", None, "cpu_util_percent", "mem_util_percent",
            pd.Timedelta(seconds=10), f"{_ALIBABA}, first day", None, "2018-01-01",
        ),
        "google2019": UtilisationSpec(
            "utilisation/google2019_instance_usage_month_300s.csv.gz", None, "avg_cpu", "avg_mem", _FIVE,
            "Google cluster workload traces 2019, mean of instances", 288, "2019-05-01", 100.0,
        ),
        "ec2_825cc2": UtilisationSpec(
            "utilisation/nab_ec2_cpu_utilization_825cc2.csv.gz", "timestamp", "value", None, _FIVE,
            "one AWS EC2 instance, April 2014, with labelled anomalies (Numenta Anomaly Benchmark)", None,
        ),
        "asg_misconfiguration": UtilisationSpec(
            "utilisation/nab_cpu_utilization_asg_misconfiguration.csv.gz", "timestamp", "value", None, _FIVE,
            "an auto-scaling group, May-July 2014, with a labelled anomaly (Numenta Anomaly Benchmark)", 12,
        ),
    }
)  # fmt: skip
"""The traces by short name."""


def load_utilisation(name: str, folder: str | Path) -> Trace:
    """Load a utilisation trace.

    Files without stamps get a first stamp by convention (the `start` of the spec). Absent slots are NaN. The season of
    `asg_misconfiguration` is an hour, not a day.

    Args:
        name: A key of `TRACES`.
        folder: The data folder that `fetch` filled.

    Returns:
        Columns cpu_percent and, where there is one, memory_percent, both within 0 and 100.

    Raises:
        InputError: The name is unknown, or the file is missing or damaged.
    """
    if name not in UTILISATION_TRACES:
        raise InputError(f"unknown utilisation trace {name!r}; choose one of {', '.join(UTILISATION_TRACES)}")
    spec = UTILISATION_TRACES[name]
    columns = {spec.cpu: "cpu_percent"} | ({spec.memory: "memory_percent"} if spec.memory else {})
    wanted = list(columns) if spec.time is None else [spec.time, *columns]
    table, origin = read(Path(folder), spec.file, wanted, spec.description)
    if spec.time is None:
        stamps = trace.index(spec.start, len(table), spec.step)
    else:
        stamps = trace.times(table.pop(spec.time), spec.file)
    frame, repairs = trace.regular(table.rename(columns=columns).set_index(stamps) * spec.percent, spec.step)
    return Trace(name, frame, spec.step, "percent", origin, repairs, spec.season)
