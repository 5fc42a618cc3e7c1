"""The real processor and memory utilisation traces, in percent."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.series import grid, registry
from edgeresearch.series.trace import Trace


@dataclass(frozen=True)
class Spec:
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


_FIVE = pd.Timedelta(minutes=5)
_ALIBABA = "Alibaba cluster-trace-v2018, mean of about 4,000 machines"

TRACES: Mapping[str, Spec] = MappingProxyType(
    {
        "alibaba_8days": Spec(
            "utilisation/alibaba2018_machine_usage_8days_300s.csv.gz", None, "cpu_util_percent", "mem_util_percent",
            _FIVE, _ALIBABA, 288, "2018-01-01",
        ),
        "alibaba_day1": Spec(
            "utilisation/alibaba2018_machine_usage_day1_10s.csv.gz", None, "cpu_util_percent", "mem_util_percent",
            pd.Timedelta(seconds=10), f"{_ALIBABA}, first day", None, "2018-01-01",
        ),
        "google2019": Spec(
            "utilisation/google2019_instance_usage_month_300s.csv.gz", None, "avg_cpu", "avg_mem", _FIVE,
            "Google cluster workload traces 2019, mean of instances", 288, "2019-05-01", 100.0,
        ),
        "ec2_825cc2": Spec(
            "utilisation/nab_ec2_cpu_utilization_825cc2.csv.gz", "timestamp", "value", None, _FIVE,
            "one AWS EC2 instance, April 2014, with labelled anomalies (Numenta Anomaly Benchmark)", None,
        ),
        "asg_misconfiguration": Spec(
            "utilisation/nab_cpu_utilization_asg_misconfiguration.csv.gz", "timestamp", "value", None, _FIVE,
            "an auto-scaling group, May-July 2014, with a labelled anomaly (Numenta Anomaly Benchmark)", 12,
        ),
    }
)  # fmt: skip
"""The traces by short name."""


def load(name: str, folder: str | Path) -> Trace:
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
    if name not in TRACES:
        raise InputError(f"unknown utilisation trace {name!r}; choose one of {', '.join(TRACES)}")
    spec = TRACES[name]
    columns = {spec.cpu: "cpu_percent"} | ({spec.memory: "memory_percent"} if spec.memory else {})
    wanted = list(columns) if spec.time is None else [spec.time, *columns]
    table, origin = registry.read(Path(folder), spec.file, wanted, spec.description)
    if spec.time is None:
        stamps = grid.index(spec.start, len(table), spec.step)
    else:
        stamps = grid.times(table.pop(spec.time), spec.file)
    frame, repairs = grid.regular(table.rename(columns=columns).set_index(stamps) * spec.percent, spec.step)
    return Trace(name, frame, spec.step, "percent", origin, repairs, spec.season)
