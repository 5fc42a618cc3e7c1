import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edgeresearch.emulator.chance import chance, normals, uniform, uniforms

KEYS = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4)


@given(key=KEYS)
def test_one_number_and_many_are_the_same(key: list[int]) -> None:
    value = uniform(*key)
    assert 0 < value < 1
    assert uniforms(*key).tolist() == [value]
    assert uniforms(key[0], *(np.array([part, 5]) for part in key[1:]))[0] == value


@given(first=st.integers(0, 2**64 - 1), parts=st.lists(st.integers(-5, 2**40), min_size=1, max_size=6))
def test_each_element_hangs_on_its_own_key(first: int, parts: list[int]) -> None:
    assert uniforms(first, np.array(parts), 3).tolist() == [uniform(first, part, 3) for part in parts]


def test_numbers_are_uniform_and_normal_and_do_not_hang_together() -> None:
    grid = np.arange(200)
    left, right = (
        uniforms(1, np.repeat(grid, 200), np.tile(grid, 200)),
        uniforms(2, np.repeat(grid, 200), np.tile(grid, 200)),
    )
    assert stats.kstest(left, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.02
    table = left.reshape(200, 200)
    assert abs(np.corrcoef(table[:-1].ravel(), table[1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(table[:, :-1].ravel(), table[:, 1:].ravel())[0, 1]) < 0.02
    assert stats.kstest(normals(1, grid.repeat(100), np.tile(np.arange(100), 200)), "norm").pvalue > 0.001


def test_the_order_of_a_key_counts() -> None:
    assert len({uniform(1, 2, 3), uniform(1, 3, 2), uniform(3, 1, 2), uniform(1, 2), uniform(1, 2, 3, 0)}) == 5


def test_a_seed_gives_the_same_at_every_call() -> None:
    seed = np.random.SeedSequence(5)
    one, other = chance(seed, 4, 5.0), chance(seed, 4, 5.0)
    assert one[:2] == other[:2]
    assert one.rng.random() == other.rng.random()
    assert seed.n_children_spawned == 0


def test_seeds_differ_and_so_do_their_children() -> None:
    root = np.random.SeedSequence(5)
    keys = {chance(seed, 1, 5.0).key for seed in (root, np.random.SeedSequence(6), *root.spawn(3))}
    assert len(keys) == 5


def test_further_nodes_change_nothing() -> None:
    seed = np.random.SeedSequence(5)
    few, many = chance(seed, 4, 30.0), chance(seed, 9, 30.0)
    assert few.phases == many.phases[:4]
    assert few.key == many.key


@pytest.mark.parametrize("interval", [0.0, 5.0])
def test_nodes_exchange_at_moments_of_their_own(interval: float) -> None:
    phases = chance(np.random.SeedSequence(1), 1000, interval).phases
    assert all(-interval <= phase <= 0 for phase in phases)
    if interval:
        assert stats.kstest(-np.array(phases) / interval, "uniform").pvalue > 0.001


def test_there_is_no_zero_and_no_one_even_at_the_ends() -> None:
    values = uniforms(2**64 - 1, np.arange(100_000))
    assert 0 < values.min() < 1e-4
    assert 1 - 1e-4 < values.max() < 1
    assert np.isfinite(normals(0, np.arange(100_000))).all()
