from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from edgeresearch.emulator.emulation import CALL_BYTES, STATE_BYTES, Result
from edgeresearch.emulator.experiment import Setup, run
from edgeresearch.emulator.log import Log
from edgeresearch.emulator.mesh import Mesh, Node, full
from edgeresearch.emulator.policies import LISTENING, POLICIES
from edgeresearch.emulator.traffic import traffic

MESH = Mesh([Node(f"edge-{i}", "edge", "edge", 1000, 1024) for i in range(4)], full(range(4), latency=0, bandwidth=1))
RESULT = Result(Log(), handed=[6, 2, 0, 0], megabytes=[3.0, 1.0, 0.0, 0.0], synced=40)


def test_by_hand() -> None:
    sent = traffic("los", MESH, RESULT, seconds=7200, interval=30)
    # 8 requests, 40 states and 4 MB in two hours on four nodes; six links, each used both ways, 120 times an hour
    assert sent == pytest.approx(
        {
            "requests": 1,
            "exchanges": 3 * 120,
            "syncs": 5,
            "request_megabytes": CALL_BYTES / 1e6,
            "exchange_megabytes": 360 * STATE_BYTES / 1e6,
            "sync_megabytes": 5 * STATE_BYTES / 1e6,
            "sample_megabytes": 0.5,
        }
    )


@pytest.mark.parametrize("policy", list(POLICIES))
def test_only_who_listens_has_exchanges(policy: str) -> None:
    sent = traffic(policy, MESH, RESULT, seconds=3600, interval=5)
    assert (sent["exchanges"] > 0) == (sent["exchange_megabytes"] > 0) == (policy in LISTENING)
    assert traffic(policy, MESH, RESULT, seconds=3600, interval=0)["exchanges"] == 0


def test_rates_do_not_depend_on_how_long_it_was() -> None:
    twice = Result(Log(), [2 * n for n in RESULT.handed], [2 * m for m in RESULT.megabytes], 2 * RESULT.synced)
    one = traffic("random", MESH, RESULT, seconds=3600, interval=10)
    assert traffic("random", MESH, twice, seconds=7200, interval=10) == pytest.approx(one)


def test_exchanges_are_more_the_more_often_they_are() -> None:
    seldom, often = (traffic("los", MESH, RESULT, seconds=3600, interval=each) for each in (60, 6))
    assert often["exchanges"] == pytest.approx(10 * seldom["exchanges"])
    assert often["requests"] == seldom["requests"]


def test_a_run_sends_what_its_log_tells(tiny: Callable[..., Setup]) -> None:
    setup = tiny()
    for policy, synced in (("los", False), ("least_loaded", True)):
        outcome = run(setup, policy_name=policy, hours=2, seed=np.random.SeedSequence(1))
        sent = traffic(policy, outcome.mesh, outcome.result, seconds=outcome.seconds, interval=setup.interval)
        log = outcome.triggers()
        hours, nodes = 2, len(outcome.mesh.nodes)
        away = log[(log["end"] == "finished") & (log["hops"] > 0)]
        assert sent["requests"] * hours * nodes == pytest.approx(log["hops"].sum())
        assert sent["sample_megabytes"] * hours * nodes == pytest.approx(0.5 * len(away))
        assert sent["syncs"] * hours * nodes == pytest.approx(len(log) * nodes if synced else 0)


def test_links_are_counted_once_each_way() -> None:
    pairs = list(combinations(range(4), 2))
    assert len(MESH.links) == len(pairs)
    sent = traffic("los", MESH, RESULT, seconds=3600, interval=3600)
    assert sent["exchanges"] == pytest.approx(sum(len(around) for around in MESH.neighbours) / len(MESH.nodes))
