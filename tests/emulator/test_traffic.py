from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from edgeresearch.emulator.emulation import CALL_BYTES, STATE_BYTES, Result
from edgeresearch.emulator.experiment import Setup, run
from edgeresearch.emulator.log import Log
from edgeresearch.emulator.mesh import Mesh, Node, full
from edgeresearch.emulator.outcome import Outcome
from edgeresearch.emulator.traffic import MODEL_BYTES, told, traffic
from edgeresearch.emulator.workload import Job
from edgeresearch.los.request import Reason

MESH = Mesh([Node(f"edge-{i}", "edge", "edge", 1000, 1024) for i in range(4)], full(range(4), latency=0, bandwidth=1))
RESULT = Result(Log(), handed=[6, 2, 0, 0], megabytes=[3.0, 1.0, 0.0, 0.0], synced=40)


def _outcome(result: Result = RESULT, *, seconds: float = 3600, listens: bool = True, learns: bool = True) -> Outcome:
    return Outcome("any", MESH, [Job(0, 200.0, 200.0), Job(1, 200.0, 200.0)], result, seconds, listens, learns)


def test_by_hand() -> None:
    sent = traffic(_outcome(seconds=7200), interval=30)
    # 8 requests, 40 states and 4 MB in two hours on four nodes; six links, each used both ways, 120 times an hour
    assert sent == pytest.approx(
        {
            "requests": 1,
            "exchanges": 3 * 120,
            "syncs": 5,
            "models": 0,
            "request_megabytes": CALL_BYTES / 1e6,
            "exchange_megabytes": 360 * STATE_BYTES / 1e6,
            "sync_megabytes": 5 * STATE_BYTES / 1e6,
            "model_megabytes": 0,
            "sample_megabytes": 0.5,
        }
    )


@pytest.mark.parametrize("listens", [True, False])
def test_only_who_listens_has_exchanges(listens: bool) -> None:
    sent = traffic(_outcome(listens=listens), interval=5)
    assert (sent["exchanges"] > 0) == (sent["exchange_megabytes"] > 0) == listens
    assert traffic(_outcome(listens=listens), interval=0)["exchanges"] == 0


def test_rates_do_not_depend_on_how_long_it_was() -> None:
    twice = Result(Log(), [2 * n for n in RESULT.handed], [2 * m for m in RESULT.megabytes], 2 * RESULT.synced)
    one = traffic(_outcome(), interval=10)
    assert traffic(_outcome(twice, seconds=7200), interval=10) == pytest.approx(one)


def test_exchanges_are_more_the_more_often_they_are() -> None:
    seldom, often = (traffic(_outcome(), interval=each) for each in (60, 6))
    assert often["exchanges"] == pytest.approx(10 * seldom["exchanges"])
    assert often["requests"] == seldom["requests"]


def test_what_is_learned_is_told_to_the_source_and_to_those_that_trained_before() -> None:
    log = Log()
    for job, node in ((0, 0), (0, 2), (1, 3), (0, 3), (0, 2)):
        log.placed(job, 10.0, Reason.LOCAL, 0, node, 100.0, 20.0, 25.0)
    log.dropped(0, 20.0, Reason.FULL, 1, 1)
    log.lose(log.placed(0, 30.0, Reason.LOCAL, 0, 1, 100.0, 20.0, 25.0))
    result = Result(log, [0] * 4, [0.0] * 4)
    assert list(told(_outcome(result))) == [(2, 0), (3, 1), (3, 0), (3, 2), (2, 0), (2, 3)]
    assert list(told(_outcome(result, learns=False))) == []
    sent = traffic(_outcome(result), interval=0)
    assert (sent["models"], sent["model_megabytes"]) == (1.5, 1.5 * MODEL_BYTES / 1e6)


def test_a_run_sends_what_its_log_tells(tiny: Callable[..., Setup]) -> None:
    setup = tiny()
    for policy, synced in (("los", False), ("least_loaded", True)):
        outcome = run(setup, policy=policy, hours=2, seed=np.random.SeedSequence(1))
        sent = traffic(outcome, interval=setup.interval)
        log = outcome.triggers()
        hours, nodes = 2, len(outcome.mesh.nodes)
        away = log[(log["end"] == "finished") & (log["hops"] > 0)]
        assert sent["requests"] * hours * nodes == pytest.approx(log["hops"].sum())
        assert sent["sample_megabytes"] * hours * nodes == pytest.approx(0.5 * len(away))
        assert sent["syncs"] * hours * nodes == pytest.approx(len(log) * nodes if synced else 0)


def test_links_are_counted_once_each_way() -> None:
    pairs = list(combinations(range(4), 2))
    assert len(MESH.links) == len(pairs)
    sent = traffic(_outcome(), interval=3600)
    assert sent["exchanges"] == pytest.approx(sum(len(around) for around in MESH.neighbours) / len(MESH.nodes))
