from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.errors import InputError
from edgeresearch.series import registry, utilisation

Put = Callable[[str, str], Path]


def test_the_files_are_pinned() -> None:
    assert {spec.file for spec in utilisation.TRACES.values()} <= set(registry.pins())


def test_percent_stays_percent(put: Put) -> None:
    text = "cpu_util_percent,mem_util_percent,net_in,net_out,disk_io_percent\n16.1,87.1,1,2,3\n18.4,86.8,1,2,3\n"
    trace = utilisation.load("alibaba_day1", put(utilisation.TRACES["alibaba_day1"].file, text))
    assert trace.frame.to_dict("list") == {"cpu_percent": [16.1, 18.4], "memory_percent": [87.1, 86.8]}
    assert trace.frame.index[1] - trace.frame.index[0] == trace.step == pd.Timedelta("10s")
    assert trace.seasonality is None


def test_shares_become_percent(put: Put) -> None:
    text = "avg_cpu,avg_mem,avg_assigned_mem,avg_cycles_per_instruction\n0.25,0.5,0.6,148\n0.5,0.75,0.6,148\n"
    trace = utilisation.load("google2019", put(utilisation.TRACES["google2019"].file, text))
    assert trace.frame.to_dict("list") == {"cpu_percent": [25.0, 50.0], "memory_percent": [50.0, 75.0]}
    assert (trace.unit, trace.seasonality) == ("percent", 288)


@pytest.mark.parametrize("name", ["ec2_825cc2", "asg_misconfiguration"])
def test_stamped_files_have_no_memory_and_keep_their_gaps(name: str, put: Put) -> None:
    text = "timestamp,value\n2014-04-10 00:04:00,91.9\n2014-04-10 00:14:00,94.7\n"
    trace = utilisation.load(name, put(utilisation.TRACES[name].file, text))
    assert list(trace.frame.columns) == ["cpu_percent"]
    assert trace.values.isna().tolist() == [False, True, False]
    assert trace.repairs["absent"] == 1


def test_an_unknown_trace_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown utilisation trace 'x'; choose one of alibaba_8days"):
        utilisation.load("x", tmp_path)


@pytest.mark.parametrize(
    ("name", "rows", "absent", "mean"),
    [
        ("alibaba_8days", 2243, 0, 40.176),
        ("alibaba_day1", 8641, 0, 33.329),
        ("google2019", 8064, 0, 47.282),
        ("ec2_825cc2", 4034, 2, 89.791),
        ("asg_misconfiguration", 18050, 0, 38.283),
    ],
)
def test_the_real_traces(real: Path, name: str, rows: int, absent: int, mean: float) -> None:
    trace = utilisation.load(name, real)
    assert trace.origin.real
    assert len(trace.frame) == rows
    assert trace.repairs["absent"] == absent
    assert trace.values.mean() == pytest.approx(mean, abs=1e-2)
    assert trace.frame.min().min() >= 0 and trace.frame.max().max() <= 100
