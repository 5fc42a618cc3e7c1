"""The real request-rate traces, each on a regular grid, with outages marked and never filled."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.series import grid, registry
from edgeresearch.series.trace import Trace

OUTAGE_MINUTES = 60
"""NASA lists only minutes with requests: up to this many absent minutes in a row are true zeros, more are an outage."""


@dataclass(frozen=True)
class Spec:
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
        return grid.steps_per_day(self.step * self.every)


_SECOND, _MINUTE, _FIVE = (pd.Timedelta(seconds=seconds) for seconds in (1, 60, 300))
_RESCALED = "rescaled by the publisher with an offset: neither ratios nor zeros mean anything"
_TWITTER = "qps/twitter_stream_aug_2021_per_second.csv.gz"
_GAPS = ("every night 23:31-24:00 and 42 short gaps of the archive",)
_TWEETS = "Twitter sample stream, August 2021, with delete notices; the day of the first second is not recorded"

TRACES: Mapping[str, Spec] = MappingProxyType(
    {
        "nasa": Spec(
            "qps/nasa_http_jul_aug_1995_per_minute.csv.gz", "minute", "count", _MINUTE, "requests per minute",
            "NASA Kennedy Space Center web server, July-August 1995, local time (UTC-4)",
            outages=(
                "1995-07-28 13:33 to 1995-07-31 23:59 (no log)",
                "1995-08-01 14:53 to 1995-08-03 04:35 (hurricane Erin)",
            ),
        ),
        "worldcup98": Spec(
            "qps/worldcup98_per_minute.csv.gz", "minute", "count", _MINUTE, "requests per minute",
            "1998 World Cup web site, all servers (M. Arlitt, T. Jin, Hewlett-Packard), GMT",
        ),
        "elb": Spec(
            "qps/nab_elb_request_count_8c0756.csv.gz", "timestamp", "value", _FIVE, "requests per 5 min",
            "an AWS load balancer, April 2014 (Numenta Anomaly Benchmark)",
        ),
        "goog": Spec(
            "qps/nab_twitter_volume_goog.csv.gz", "timestamp", "value", _FIVE, "tweets per 5 min",
            "tweets that mention GOOG, February-April 2015 (Numenta Anomaly Benchmark)",
        ),
        "wiki_de": Spec(
            "qps/dsp_wiki_de_5min.csv.gz", "date", "messages", _FIVE, "messages per 5 min (rescaled)",
            "page views of the German Wikipedia, July 2019 (Gontarska et al. 2021)", scale=_RESCALED,
        ),
        "retailrocket": Spec(
            "qps/dsp_retailrocket_5min.csv.gz", "date", "messages", _FIVE, "messages per 5 min (rescaled)",
            "events of a web shop, June-July 2015 (Gontarska et al. 2021)", scale=_RESCALED,
        ),
        "twitter_second": Spec(
            _TWITTER, None, "count", _SECOND, "tweets per second", _TWEETS, outages=_GAPS, start="2021-08-01",
        ),
        "twitter_minute": Spec(
            _TWITTER, None, "count", _SECOND, "tweets per minute", _TWEETS, outages=_GAPS, start="2021-08-01", every=60,
        ),
    }
)  # fmt: skip
"""The traces by short name."""


def load(name: str, folder: str | Path) -> Trace:
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
    table, origin = registry.read(Path(folder), spec.file, columns, note)
    values = pd.to_numeric(table[spec.value], errors="coerce").astype(float)
    if spec.time is None:
        frame, repairs = _indexed(values, spec)
    else:
        stamps = grid.times(table[spec.time], spec.file)
        frame, repairs = grid.regular(pd.DataFrame({"requests": values.to_numpy()}, index=stamps), spec.step)
        if name == "nasa":
            frame, repairs = _zeros(frame, repairs)
    return Trace(name, frame, spec.step * spec.every, spec.unit, origin, repairs, spec.season)


def _spec(name: str) -> Spec:
    if name not in TRACES:
        raise InputError(f"unknown request trace {name!r}; choose one of {', '.join(TRACES)}")
    return TRACES[name]


def _zeros(frame: pd.DataFrame, repairs: dict[str, int]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Write zeros into the short runs of absent minutes and count both kinds."""
    values = frame["requests"].to_numpy(copy=True)
    starts, lengths = grid.runs(np.isnan(values))
    short = lengths <= OUTAGE_MINUTES
    for start, length in zip(starts[short], lengths[short], strict=True):
        values[start : start + length] = 0.0
    counts = {
        "zeros": int(lengths[short].sum()),
        "outages": int((~short).sum()),
        "outage_slots": int(lengths[~short].sum()),
    }
    return frame.assign(requests=values), {**repairs, **counts}


def _indexed(values: pd.Series, spec: Spec) -> tuple[pd.DataFrame, dict[str, int]]:
    """Give a series of seconds its conventional stamps, mask its zeros, and sum it over full minutes where asked."""
    seconds = values.to_numpy(copy=True)
    starts, lengths = grid.runs(seconds == 0)
    seconds[seconds == 0] = np.nan
    repairs = {"gaps": len(starts), "gap_slots": int(lengths.sum())}
    if spec.every > 1:
        rest = len(seconds) % spec.every
        sums = seconds[: len(seconds) - rest].reshape(-1, spec.every).sum(axis=1)
        repairs |= {"partial_dropped": rest, "masked_slots": int(np.isnan(sums).sum())}
        seconds = sums
    stamps = grid.index(spec.start, len(seconds), spec.step * spec.every)
    return pd.DataFrame({"requests": seconds}, index=stamps), repairs
