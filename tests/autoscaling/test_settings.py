"""Settings of the service, of a replay and of the experiment; the defaults for a trace of one's own."""

from typing import Any

import pytest

from edgeresearch.autoscaling.api import OWN_TRACE
from edgeresearch.autoscaling.policies import POLICIES
from edgeresearch.autoscaling.settings import (
    ExperimentConfig,
    ForecasterName,
    ReplayConfig,
    ServiceConfig,
    StrategyName,
)
from edgeresearch.errors import InputError
from edgeresearch.forecasting.base import MODELS

STUDY = ExperimentConfig()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"q_max": 0.0}, "q_max is 0.0; input should be greater than 0"),
        ({"q_max": float("inf")}, "q_max is inf"),
        ({"dt": 2.0}, "dt is 2.0"),
        ({"start_delay": -1.0}, "start_delay is -1.0"),
        ({"start_spread": 400.0}, "start_spread 400 is above start_delay 180; lower it"),
        ({"base_error": 1.1}, "base_error is 1.1"),
        ({"service_time": 0.0}, "service_time is 0.0"),
        ({"cpu_idle": 101.0}, "cpu_idle is 101.0"),
        ({"memory_idle": 90.0}, "add up to more than 100 percent"),
        ({"target_utilisation": 1.5}, "target_utilisation is 1.5"),
        ({"min_pods": 0}, "min_pods is 0"),
        ({"max_pods": 10**9}, "max_pods is 1000000000; input should be less than or equal to 1000000"),
        ({"q_max": 1e-9}, "a pod of q_max 1e-09 serves less than a millionth of a request in 1 s; raise it"),
        ({"min_pods": 5, "max_pods": 2}, "min_pods 5 is above max_pods 2; swap them or change one"),
        ({"min_pods": 37}, "min_pods 37 is above max_pods 36"),
        *[
            ({"sync_period": every}, f"decisions every {every:g} s do not fall on steps of 1 s; make `sync_period`")
            for every in (0.5, 1.5)
        ],
        ({"leads": (0.5, 2.0)}, r"leads is \(0.5, 2.0\); name 1.0 among them, in ascending order"),
    ],
)
def test_settings_out_of_range_are_refused_in_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        STUDY.replace(**changes)
    assert "\n" not in str(caught.value)


def test_names_are_those_of_policies_and_forecasters() -> None:
    assert tuple(POLICIES) == StrategyName.__args__  # type: ignore[attr-defined]
    assert set(ForecasterName.__args__) <= {*MODELS, "published"}  # type: ignore[attr-defined]


def test_the_service_derives_its_queue_and_must_outlast_a_start() -> None:
    service = ServiceConfig(q_max=10, timeout=0.3, start_delay=8, start_spread=2, dt=0.5)
    assert (service.queue_limit, service.longest_start) == (3, 10)
    service.check_duration(21)
    with pytest.raises(InputError, match="up to 10 s to start, the trace lasts 10 s; use a longer trace"):
        service.check_duration(20)


@pytest.mark.parametrize(
    ("delay", "spread", "sync_period", "periods"),
    [(30, 0, 15, 3), (30, 10, 15, 4), (31, 0, 15, 4), (0, 0, 15, 1), (30, 0, 60, 2), (0.3, 0, 0.1, 4)],
)
def test_the_horizon_is_the_start_delay_and_one_period(
    delay: float, spread: float, sync_period: float, periods: int
) -> None:
    config = ReplayConfig(start_delay=delay, start_spread=spread, sync_period=sync_period, dt=0.1)
    assert config.horizon == periods


def test_the_edge_cluster_bounds_the_pods_and_a_longer_start_keeps_the_phases() -> None:
    assert STUDY.most_pods == STUDY.clusters.edge.nodes * STUDY.clusters.edge.cores == 36
    slow = STUDY.with_start_delay(2)
    assert (slow.start_delay, slow.start_spread) == (2 * STUDY.start_delay, 2 * STUDY.start_spread)
    assert slow.phase_seconds == pytest.approx(STUDY.phase_seconds)
    assert slow.horizon > STUDY.horizon


def test_what_differs_for_a_trace_of_ones_own() -> None:
    differs = {name for name, value in OWN_TRACE if value != getattr(STUDY, name)}
    assert differs == {
        *("start_delay", "start_spread", "base_error", "timeout", "sync_period", "smooth", "max_pods", "learn"),
        "repeats",
    }
