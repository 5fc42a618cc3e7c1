"""What is derived from a run."""

import numpy as np
import pytest

from edgeresearch.elastic.outcome import Outcome
from edgeresearch.elastic.service import run
from edgeresearch.elastic.settings import Settings


@pytest.fixture
def outcome() -> Outcome:
    settings = Settings(q_max=10, start_delay=2, base_error=0.1, timeout=0.5, grace=2, cpu_idle=20)
    arrivals = [5, 10, 20, 20, 20, 0, 0, 40, 0]
    return run(arrivals, [1, 1, 3, 3, 3, 3, 1, 1, 2], settings=settings, rng=np.random.default_rng(0))


def test_pods_by_state(outcome: Outcome) -> None:
    assert outcome.ready.tolist() == [1, 1, 1, 1, 3, 3, 1, 1, 1]
    assert outcome.starting.tolist() == [0, 0, 2, 2, 0, 0, 0, 0, 1]
    assert outcome.draining.tolist() == [0, 0, 0, 0, 0, 0, 2, 2, 0]
    assert outcome.pod_hours == pytest.approx((18 + 4) / 3600)


def test_requests_by_fate(outcome: Outcome) -> None:
    assert outcome.overload.tolist() == [0, 0, 5, 10, 0, 0, 0, 25, 0]
    assert outcome.waiting.tolist() == [0, 0, 5, 5, 0, 0, 0, 5, 0]
    assert outcome.base.sum() == 7
    assert outcome.failed.sum() == 47
    assert outcome.error_percent == pytest.approx(100 * 47 / 115)


def test_utilisation_cpu_and_memory(outcome: Outcome) -> None:
    assert outcome.utilisation.tolist() == pytest.approx([0.5, 1, 1, 1, 25 / 30, 0, 0, 1, 0.5])
    assert outcome.pod_cpu[:2].tolist() == [60, 100]
    # One of three pods works, two start and idle.
    assert outcome.cpu[2] == pytest.approx((100 + 2 * 20) / 3)
    assert outcome.pod_memory[:3].tolist() == [60, 80, 95]
    assert outcome.memory[2] == pytest.approx((95 + 2 * 40) / 3)
    # Two drain beside one that is idle.
    assert outcome.memory[6] == 40


def test_percentages_stay_within_the_limits() -> None:
    rng = np.random.default_rng(3)
    wanted = rng.integers(1, 9, 300)
    outcome = run(rng.poisson(60, 300), wanted, settings=Settings(q_max=12.7, start_delay=3), rng=rng)
    for values, low in ((outcome.pod_cpu, 10), (outcome.cpu, 10), (outcome.pod_memory, 40), (outcome.memory, 40)):
        assert values.min() >= low
        assert values.max() <= 100


def test_no_grace_means_no_draining() -> None:
    outcome = run([0] * 5, [3, 3, 1, 1, 1], settings=Settings(grace=0, start_delay=0), rng=np.random.default_rng(0))
    assert outcome.draining.tolist() == [0, 0, 0, 0, 0]


def test_nothing_arrived() -> None:
    outcome = run([0] * 5, [1] * 5, settings=Settings(start_delay=0, q_max=0.3), rng=np.random.default_rng(0))
    assert np.isnan(outcome.error_percent)
    assert outcome.utilisation.tolist() == [0] * 5
    assert outcome.pod_memory.tolist() == [40] * 5


def test_table(outcome: Outcome) -> None:
    table = outcome.table()
    assert len(table) == 9
    assert table["seconds"].tolist() == list(range(9))
    flows = table["served"] + table["base"] + table["overload"] + table["drain"]
    assert (flows.cumsum() + table["waiting"] == table["arrived"].cumsum()).all()
    assert (table["starting"] + table["ready"] == table["wanted"]).all()
