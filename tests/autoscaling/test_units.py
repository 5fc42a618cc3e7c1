"""What the values of a load count: their names say it, or it is asked for; what is no load is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgeresearch import cli
from edgeresearch.autoscaling.api import Replay, replay
from edgeresearch.autoscaling.replay import named_times, no_requests
from edgeresearch.data.reader import read_trace
from edgeresearch.data.trace import Origin
from edgeresearch.errors import InputError


def _table(name: str, step: float = 60, rows: int = 120) -> pd.DataFrame:
    load = np.random.default_rng(0).poisson(200 + 80 * np.sin(np.arange(rows) / 9))
    times = pd.date_range("2024-03-05", periods=rows, freq=pd.Timedelta(seconds=step))
    return pd.DataFrame({"time": times, name: load})


def _replay(name: str, step: float = 60, **options: Any) -> Replay:
    return replay(_table(name, step), **{"policies": "fixed", "repeats": 1, **options})


NAMES = {
    1: [
        *(
            "requests_per_second",
            "requestsPerSecond",
            "Requests Per Second",
            "HTTPRequestsPerSecond",
            "requests per sec",
        ),
        *(
            "qps",
            "RPS",
            "api_rps",
            "tps",
            "req/s",
            "hits / s",
            "requests/second",
            "value (req/s)",
            "sessions per second",
        ),
        *("http_requests:rate5m", "sum(rate(http_requests_total[5m]))", "irate(hits_total[30s])"),
        "rate(http_request_duration_seconds_count[5m])",
    ],
    60: ["rpm", "req/min", "hits per minute", "hits_per_minute", "requests each minute", "requestsPerMinute"],
    300: ["requests per 5 minutes", "hits/5min", "messages every 5 min", "increase(http_requests_total[5m])"],
    3600: ["requests per hour", "hourly_requests", "events/h"],
}


@pytest.mark.parametrize(("seconds", "name"), [(seconds, name) for seconds, names in NAMES.items() for name in names])
def test_a_name_says_over_what_time_its_values_count(seconds: float, name: str) -> None:
    assert named_times(name) == (seconds,)
    assert no_requests(name) == ""
    mean = _table(name)[name].mean()
    result = _replay(name, max(seconds, 60))
    assert result.config.mean_qps == pytest.approx(mean / seconds)
    assert any(line.startswith(f"unit: {name!r} says it") for line in result.notes)


@pytest.mark.parametrize("name", ["requests", "hits", "value", "http_requests_total", "orders", "requests_us_east_1"])
def test_a_name_without_a_time_counts_per_step_and_that_is_told(name: str) -> None:
    result = _replay(name, 300)
    assert result.config.mean_qps == pytest.approx(_table(name)[name].mean() / 300)
    assert f"unit: {name!r} counts requests per 5 min" in result.notes


@pytest.mark.parametrize(
    ("name", "step", "readings"),
    [
        ("hits_per_minute", 300, "per minute or step of 5 min; say which with `unit` (per-minute or per-step)"),
        ("rpm", 30, "per minute or step of 30 s; say which with `unit` (per-minute or per-step)"),
        ("requests per hour", 60, "per hour or step of 1 min; say which with `unit` (per-hour or per-step)"),
        ("hits per 5 min", 60, "per 5min or step of 1 min; say which with `unit` (per-5min or per-step)"),
        ("hits_per_minute (req/s)", 60, "per minute or per second; say which with `unit` (per-minute or per-second)"),
        ("request_rate", 60, "per second or step of 1 min; say which with `unit` (per-second or per-step)"),
        ("throughput", 300, "per second or step of 5 min; say which with `unit` (per-second or per-step)"),
    ],
)
def test_a_name_that_its_rows_contradict_is_asked_about(name: str, step: float, readings: str) -> None:
    with pytest.raises(InputError) as caught:
        _replay(name, step)
    assert str(caught.value).endswith(f"column {name!r} may be requests {readings}")
    options = readings.rpartition("(")[2].rstrip(")").split(" or ")
    loads = [_replay(name, step, unit=option).config.mean_qps for option in options]
    assert loads[0] != pytest.approx(loads[1])


@pytest.mark.parametrize("name", ["request_rate", "requests_per_second", "requests"])
def test_at_a_second_per_row_nothing_is_in_doubt(name: str) -> None:
    table = _table(name, 1, 4000)
    assert replay(table, policies="fixed").config.mean_qps == pytest.approx(table[name].mean())


@pytest.mark.parametrize(
    ("name", "what"),
    [
        *((name, "a share") for name in ("cpu_percent", "CPUUtilization", "value (%)", "cpu", "disk_util")),
        *((name, "a size") for name in ("memory_used", "bytes_total", "value (MB/s)", "Mbps", "NetworkIn", "heap")),
        ("rate(node_network_receive_bytes_total[30s])", "a size"),
        *((name, "a latency") for name in ("latency_ms", "response_time", "p99", "TargetResponseTime", "value (ms)")),
        *((name, "a level, not what came in a time") for name in ("users", "active_connections", "queue_length")),
        *((name, "a load average") for name in ("load1", "load_average")),
        *((name, "no count") for name in ("temperature", "avgSpeed")),
    ],
)
def test_what_is_no_number_of_requests_is_refused_unless_the_unit_is_said(name: str, what: str) -> None:
    assert no_requests(name) == what
    with pytest.raises(InputError, match=f"seems to be {what}, no number of requests; name another with `value`, or"):
        _replay(name)
    assert _replay(name, unit="per-second").config.mean_qps == pytest.approx(_table(name)[name].mean())


@pytest.mark.parametrize(
    ("unit", "seconds"),
    [
        ("per-second", 1),
        ("per-minute", 60),
        ("per-5min", 300),
        ("per-day", 86400),
        ("per-step", 60),
        ("rpm", 60),
        ("req/s", 1),
    ],
)
def test_a_unit_can_be_said(unit: str, seconds: float) -> None:
    assert _replay("hits", unit=unit, max_pods=2).config.mean_qps == pytest.approx(
        _table("hits")["hits"].mean() / seconds
    )


def test_a_trace_that_is_no_load_is_refused_wherever_it_comes_from() -> None:
    trace = read_trace(_table("hits"))
    known = replace(trace, unit="percent", origin=Origin("registry", real=True))
    with pytest.raises(InputError, match="column 'percent' seems to be a share, no number of requests"):
        replay(known, policies="fixed")
    known = replace(known, unit="tweets per hour")  # what the registry says of its own is not doubted
    load = trace.values.mean() / 3600
    assert replay(known, policies="fixed", repeats=1).config.mean_qps == pytest.approx(load)


def test_columns_that_are_added_up_say_their_unit() -> None:
    table = _table("a_rps").assign(b_rps=5)
    table.loc[3, "b_rps"] = 6
    result = replay(table, policies="fixed", repeats=1, sum=True)
    assert result.config.mean_qps == pytest.approx(table["a_rps"].mean() + table["b_rps"].mean())
    with pytest.raises(InputError, match="may be requests per second or per minute; say which with `unit`"):
        replay(table.rename(columns={"b_rps": "b_rpm"}), policies="fixed", sum=True)


def test_the_command_asks_in_one_line(tmp_path: Any, monkeypatch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    _table("hits_per_minute", 300).to_csv("hits.csv", index=False)
    with pytest.raises(SystemExit) as left:
        cli.main(["elastic", "hits.csv", "--out", "out"])
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.endswith(
        "may be requests per minute or step of 5 min; say which with --unit (per-minute or per-step)\n"
    )
    words = ["elastic", "hits.csv", "--out", "out", "--unit", "per-minute", "--repeats", "1", "--strategy", "fixed"]
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert "load: 3." in shown
    assert "nan" not in shown
