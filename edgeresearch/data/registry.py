"""The public files: what the data sets are called, what is known of each, and what its bytes must be."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from edgeresearch.errors import InputError, nearest
from edgeresearch.settings import Section, each_once

TraceName = Literal[
    "nasa", "worldcup98", "elb", "goog", "wiki_de", "retailrocket", "twitter_second", "twitter_minute", "paper_a"
]
"""The request traces: eight public ones, and the synthetic stand-in for Paper A's own."""
Traces = Annotated[tuple[TraceName, ...], AfterValidator(each_once)]
Source = Literal["auto", "mirror", "download", "synthetic"]
"""Where files come from; `auto` tries the others in this order."""
Kind = Literal["traffic", "pollution"]

REGISTRY = Path(__file__).with_name("registry.csv")
"""The packaged table of pinned files: file, url, sha256, sha256_csv, identical_to_upstream."""
METADATA = "aarhus_traffic/trafficMetaData.csv.gz"
POLLUTANTS = ("ozone", "particullate_matter", "carbon_monoxide", "sulfure_dioxide", "nitrogen_dioxide")
"""Columns of the pollution files, spelt as published."""
STAND_IN = "paper_a"
"""The stand-in for Paper A's own request trace, which was never published; it is made in memory."""


class DataSettings(Section):
    """Where the data comes from and where it lies.

    Attributes:
        source: Where files may come from.
        mirror: Folder that holds the files; None for no mirror.
        folder: Folder that fetched files lie in.
    """

    source: Source = "auto"
    mirror: str | None = None
    folder: str = "data/raw"


@dataclass(frozen=True)
class Pin:
    """One public file and what its bytes must be.

    Attributes:
        url: Where the publisher's bytes are.
        sha256: Checksum of the decompressed CSV.
        identical: Whether the CSV is byte for byte what `url` serves; if not, what it serves is repacked.
    """

    url: str
    sha256: str
    identical: bool


@cache
def pins() -> Mapping[str, Pin]:
    """Return the pinned files by their path within a data folder, such as `qps/dsp_wiki_de_5min.csv.gz`."""
    with REGISTRY.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines))[1:]
    return MappingProxyType({row[0]: Pin(row[1], row[3], row[4] == "yes") for row in rows})


def find_pin(file: str) -> Pin:
    """Return the pin of a file.

    Raises:
        InputError: No such file is pinned.
    """
    known = pins()
    if file not in known:
        hint = f"{nearest(file, known)}; see {REGISTRY.name} for all {len(known)}"
        raise InputError(f"unknown data file {file!r}{hint}")
    return known[file]


@dataclass(frozen=True)
class TraceSpec:
    """What is known of a trace: requests, or utilisation of processors and memory.

    Attributes:
        file: Path within a data folder.
        time: Time column; None where row k is step k.
        columns: Columns of the file, and what the trace calls them.
        seconds: Distance of two rows of the file.
        unit: Unit of the values.
        description: One line on what was counted or measured.
        season: Steps of the trace in a season; None where none is known.
        scale: What must be known of the values' scale, else empty.
        start: First stamp where the file has none: a convention, not a fact.
        every: Rows of the file in one step of the trace.
        factor: What one unit of the file is, in the unit of the trace.
    """

    file: str
    time: str | None
    columns: Mapping[str, str]
    seconds: int
    unit: str
    description: str
    season: int | None
    scale: str = ""
    start: str = ""
    every: int = 1
    factor: float = 1.0


def _requests(file: str, time: str | None, value: str, seconds: int, unit: str, text: str, **more: Any) -> TraceSpec:
    season = 86400 // (seconds * more.get("every", 1))
    return TraceSpec(f"qps/{file}.csv.gz", time, {value: "requests"}, seconds, unit, text, season, **more)


def _utilisation(
    file: str, columns: Mapping[str, str], seconds: int, text: str, season: int | None, **more: Any
) -> TraceSpec:
    path, time = f"utilisation/{file}.csv.gz", None if "start" in more else "timestamp"
    return TraceSpec(path, time, columns, seconds, "percent", text, season, **more)


_RESCALED = "rescaled by the publisher with an offset: neither ratios nor zeros mean anything"
_TWEETS = "Twitter sample stream, August 2021, with delete notices; the day of the first second is not recorded"

REQUEST_TRACES: Mapping[str, TraceSpec] = MappingProxyType(
    {
        "nasa": _requests(
            "nasa_http_jul_aug_1995_per_minute", "minute", "count", 60, "requests per minute",
            "NASA Kennedy Space Center web server, July-August 1995, local time (UTC-4)",
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
            "twitter_stream_aug_2021_per_second", None, "count", 1, "tweets per second", _TWEETS, start="2021-08-01",
        ),
        "twitter_minute": _requests(
            "twitter_stream_aug_2021_per_second", None, "count", 1, "tweets per minute", _TWEETS, start="2021-08-01",
            every=60,
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


def list_sensors(folder: str | Path | None, kind: Kind = "traffic") -> list[int]:
    """List the sensors of Aarhus whose file of August and September 2014 lies in a data folder; all if None."""
    names = pins() if folder is None else map(str, Path(folder).glob(f"aarhus_{kind}/*.csv.gz"))
    matches = (re.search(rf"aarhus_{kind}.{kind}Data(\d+)\.csv\.gz$", name) for name in names)
    return sorted(int(match[1]) for match in matches if match)
