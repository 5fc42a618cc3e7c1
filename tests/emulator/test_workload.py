import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edgeresearch.emulator.workload import Job, Truth
from edgeresearch.los.runtime import Curve

TRUTH = Truth(
    {"fast": Curve(20_000.0, 100.0, 0.8, 3.0), "slow": Curve(100_000.0, 0.0, 1.0, 0.0)}, noise=0.3, monitor=0.2
)


@given(limit=st.floats(1, 4000), work=st.floats(0.01, 100))
def test_a_training_takes_what_eq_1_says_and_works_but_for_d(limit: float, work: float) -> None:
    seconds, used = TRUTH.seconds("fast", limit, work)
    assert seconds == pytest.approx(work * 20_000 * (limit + 100) ** -0.8 + 3)
    assert used == pytest.approx(1 - 3 / seconds)
    assert TRUTH.seconds("fast", limit, 1.0)[0] == pytest.approx(TRUTH.curves["fast"].seconds(limit))


def test_each_node_class_has_its_curve() -> None:
    assert TRUTH.seconds("slow", 400.0, 1.0) == (250.0, 1.0)
    with pytest.raises(KeyError):
        TRUTH.seconds("none", 400.0, 1.0)


def test_draws_have_the_spread_that_is_said() -> None:
    grid = np.arange(20_000)
    factor, offset = TRUTH.draws(9, grid // 100, grid % 100)
    assert stats.kstest(np.log(factor) / 0.3, "norm").pvalue > 0.001
    assert stats.kstest(offset / 0.2, "norm").pvalue > 0.001
    assert abs(np.corrcoef(np.log(factor), offset)[0, 1]) < 0.03
    assert np.median(factor) == pytest.approx(1, abs=0.01)


@given(job=st.integers(0, 10**6), count=st.integers(0, 10**6), key=st.integers(0, 2**64 - 1))
def test_a_trigger_meets_the_same_alone_and_among_others(job: int, count: int, key: int) -> None:
    alone = [float(each[0]) for each in TRUTH.draws(key, np.array([job]), np.array([count]))]
    others = TRUTH.draws(key, np.array([3, job, 4, 5, 6]), np.array([7, count, 9, 1, 2]))
    assert alone == [each[1] for each in others]


def test_no_noise_is_no_noise() -> None:
    still = Truth(TRUTH.curves, noise=0.0, monitor=0.0)
    factor, offset = still.draws(1, np.arange(5), np.arange(5))
    assert (factor == 1).all()
    assert (offset == 0).all()


def test_settings_cannot_be_changed_on_the_way() -> None:
    with pytest.raises(AttributeError):
        Job(0, 60.0, 0.0).period = 5.0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        TRUTH.noise = 0.0  # type: ignore[misc]


@given(limit=st.floats(10, 2000), more=st.floats(1.001, 4), kind=st.sampled_from(["fast", "slow"]))
def test_more_cpu_is_faster_and_more_work_is_slower(limit: float, more: float, kind: str) -> None:
    seconds, used = TRUTH.seconds(kind, limit, 1.0)
    assert TRUTH.seconds(kind, limit * more, 1.0)[0] < seconds
    assert TRUTH.seconds(kind, limit, more)[0] > seconds
    assert 0 < used <= 1
    assert TRUTH.seconds(kind, limit * more, 1.0)[1] <= used


def test_runs_with_other_keys_meet_other_chance() -> None:
    one, other = (TRUTH.draws(key, np.arange(100), np.zeros(100, dtype=np.int64))[0] for key in (1, 2))
    assert (one != other).all()


def test_a_job_alone_needs_little() -> None:
    job = Job(3, 60.0, 5.0)
    assert (job.cpu, job.memory, job.work) == (0.0, 0.0, 1.0)
    assert min(job.training_memory, job.megabytes) > 0
