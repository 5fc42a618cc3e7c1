"""Streams that trigger trainings, and the randomness of each, drawn by key."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edgeresearch.emulator.settings import TrainingCost
from edgeresearch.emulator.simulation import TrainingTimes, keyed_uniform, keyed_uniforms, random_draws, spawn_seeds
from edgeresearch.scheduling.runtime_model import Curve

KEYS = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4)


@given(key=KEYS)
def test_one_number_and_many_are_the_same(key: list[int]) -> None:
    value = keyed_uniform(*key)
    assert 0 < value < 1
    assert keyed_uniforms(*key).tolist() == [value]
    assert keyed_uniforms(key[0], *(np.array([part, 5]) for part in key[1:]))[0] == value


def test_numbers_are_uniform_and_do_not_hang_together() -> None:
    grid = np.arange(200)
    left, right = (
        keyed_uniforms(1, np.repeat(grid, 200), np.tile(grid, 200)),
        keyed_uniforms(2, np.repeat(grid, 200), np.tile(grid, 200)),
    )
    assert stats.kstest(left, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.02
    table = left.reshape(200, 200)
    assert abs(np.corrcoef(table[:-1].ravel(), table[1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(table[:, :-1].ravel(), table[:, 1:].ravel())[0, 1]) < 0.02
    assert stats.kstest(keyed_uniforms(1, grid.repeat(100), np.tile(np.arange(100), 200)), "uniform").pvalue > 0.001


def test_the_order_of_a_key_counts() -> None:
    keys = [(1, 2, 3), (1, 3, 2), (3, 1, 2), (1, 2), (1, 2, 3, 0)]
    assert len({keyed_uniform(*key) for key in keys}) == 5


@given(st.integers(0, 2**64), st.integers(0, 5), st.integers(0, 3))
def test_seeds_are_those_that_spawn_first_returns(entropy: int, count: int, deep: int) -> None:
    root = np.random.SeedSequence([entropy, deep])
    made = [child.generate_state(2).tolist() for child in spawn_seeds(root, count)]
    assert made == [child.generate_state(2).tolist() for child in spawn_seeds(root, count)]
    assert made == [child.generate_state(2).tolist() for child in root.spawn(count)]


def test_a_faster_class_has_its_cpu_time_divided() -> None:
    cost = TrainingCost(a=1000.0, b=5.0, c=1.1, d=7.0)
    times = TrainingTimes.of(cost, {"edge": 1.0, "cloud": 2.0})
    assert times.curves == {"edge": Curve(1000.0, 5.0, 1.1, 7.0), "cloud": Curve(500.0, 5.0, 1.1, 7.0)}
    assert (times.noise, times.monitor, times.start, times.stop) == (cost.noise, cost.monitor, cost.start, cost.stop)


def test_a_seed_gives_the_same_at_every_call() -> None:
    seed = np.random.SeedSequence(5)
    one, other = random_draws(seed, 4, 5.0), random_draws(seed, 4, 5.0)
    assert one[:2] == other[:2]
    assert one.rng.random() == other.rng.random()
    assert seed.n_children_spawned == 0


def test_further_nodes_change_nothing() -> None:
    seed = np.random.SeedSequence(5)
    few, many = random_draws(seed, 4, 30.0), random_draws(seed, 9, 30.0)
    assert few.phases == many.phases[:4]
    assert few.key == many.key


@pytest.mark.parametrize("interval", [0.0, 5.0])
def test_nodes_exchange_at_moments_of_their_own(interval: float) -> None:
    phases = random_draws(np.random.SeedSequence(1), 1000, interval).phases
    assert all(-interval <= phase <= 0 for phase in phases)
    if interval:
        assert stats.kstest(-np.array(phases) / interval, "uniform").pvalue > 0.001


TRUTH = TrainingTimes(
    {"fast": Curve(20_000.0, 100.0, 0.8, 3.0), "slow": Curve(100_000.0, 0.0, 1.0, 0.0)}, 0.3, 0.2, 5.0, 1.0
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
    still = TrainingTimes(TRUTH.curves, 0.0, 0.0, 5.0, 1.0)
    factor, offset = still.draws(1, np.arange(5), np.arange(5))
    assert (factor == 1).all()
    assert (offset == 0).all()


def test_runs_with_other_keys_meet_other_chance() -> None:
    one, other = (TRUTH.draws(key, np.arange(100), np.zeros(100, dtype=np.int64))[0] for key in (1, 2))
    assert (one != other).all()
