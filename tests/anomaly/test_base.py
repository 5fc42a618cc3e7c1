"""Samples, their scale, and when models are trained on them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from edgeresearch.anomaly.base import (
    Array,
    Scale,
    as_samples,
    check_channels,
    column_names,
    has_value,
    newest_samples,
    training_rows,
    training_seed,
)
from edgeresearch.anomaly.settings import Schedule
from edgeresearch.errors import InputError

values = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([np.nan, np.inf, -np.inf]))
streams = st.tuples(st.integers(1, 20), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=values)
)


@pytest.mark.parametrize("X", [[[1, 2], [3, None]], pd.DataFrame({"a": [1, 3], "b": [2, np.nan]})])
def test_samples_become_floats(X: object) -> None:
    rows = as_samples(X)
    assert rows.dtype == np.float64
    assert_array_equal(rows, [[1.0, 2.0], [3.0, np.nan]])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([1.0, 2.0], r"samples have shape \(2,\); give rows"),
        (np.zeros((2, 2, 2)), r"samples have shape \(2, 2, 2\)"),
        ([[]], r"samples have shape \(1, 0\)"),
        ([["a"]], "samples must be numbers: .*; drop or convert the column"),
        ([[1, 2], [3]], "samples must be numbers"),
        ([[object()]], "samples must be numbers"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(X: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_samples(X)


def test_known_channels_pass_with_and_without_names() -> None:
    frame = pd.DataFrame({"a": [1.0], "b": [2.0]})
    assert column_names(pd.DataFrame({"a": [1], 2: [3]})) == ["a", "2"]
    assert column_names(frame.to_numpy()) is None
    for X, known in ((frame, ["a", "b"]), (frame, None), (frame.to_numpy(), ["a", "b"])):
        assert check_channels(X, 2, known).tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        (["a", "b", "c"], "training: new c; give a, b, or train a new model"),
        (["a"], "training: missing b; give"),
        (["a", "c"], "training: new c; missing b; give"),
        (["b", "a"], "training: another order; give"),
    ],
)
def test_other_columns_are_named(columns: list[str], what: str) -> None:
    frame = pd.DataFrame(np.zeros((1, len(columns))), columns=columns)
    with pytest.raises(InputError, match=what):
        check_channels(frame, 2, ["a", "b"])
    if len(columns) != 2:
        with pytest.raises(InputError, match=f"a sample has {len(columns)} values where there were 2 before; drop"):
            check_channels(frame.to_numpy(), 2, None)


def test_the_scale_is_mean_and_deviation_of_what_was_seen() -> None:
    scale = Scale.fit(
        np.array([[1.0, 5.0, np.nan], [3.0, np.nan, np.nan], [np.nan, 7.0, np.nan], [np.inf, 6.0, -np.inf]])
    )
    assert_allclose(scale.centre, [2.0, 6.0, 0.0])
    assert_allclose(scale.spread, [1.0, np.sqrt(2 / 3), 1.0])


@pytest.mark.parametrize("value", [0.0, 7.0, -1e9, 0.1])
def test_a_constant_channel_keeps_its_unit(value: float) -> None:
    scale = Scale.fit(np.full((1000, 1), value))
    assert_allclose(scale.centre, [value])
    assert scale.spread.tolist() == [1.0]


@given(streams, st.integers(0, 20))
def test_what_is_missing_gets_the_last_value_seen_in_pieces_too(rows: Array, cut: int) -> None:
    scale = Scale.fit(rows)
    assert np.isfinite(scale.centre).all()
    assert (scale.spread > 0).all()
    last = np.arange(rows.shape[1], dtype=float)
    filled, seen = scale.apply(rows, last)
    assert_array_equal(seen, np.isfinite(rows))
    scaled = (rows - scale.centre) * (1 / scale.spread)
    assert_array_equal(filled[seen], scaled[seen])
    before = np.vstack([last, filled[:-1]])
    assert_array_equal(filled[~seen], before[~seen])
    first, _ = scale.apply(rows[:cut], last)
    second, _ = scale.apply(rows[cut:], first[-1] if len(first) else last)
    assert_array_equal(np.vstack([first, second]), filled)


def test_rows_without_a_value_are_no_samples() -> None:
    rows = np.array([[np.nan, np.nan], [np.nan, 1.0], [np.inf, -np.inf], [0.0, 0.0]])
    assert has_value(rows).tolist() == [False, True, False, True]
    assert has_value(np.empty((0, 2))).shape == (0,)
    assert_array_equal(newest_samples(rows, 1), rows[3:])
    rows = np.zeros((300, 2))
    rows[10:60] = np.nan
    rows[70:80, 0] = np.nan
    assert training_rows(rows, Schedule(train=100, every=50)) == [150, 200, 250]


@pytest.mark.parametrize(
    ("rows", "every", "cuts"),
    [
        (260, 50, [100, 150, 200, 250]),
        (250, 50, [100, 150, 200]),  # none after the last sample
        (5000, None, [100]),
    ],
)
def test_trainings_come_on_schedule(rows: int, every: int | None, cuts: list[int]) -> None:
    assert training_rows(np.zeros((rows, 1)), Schedule(train=100, every=every)) == cuts


@pytest.mark.parametrize("rows", [np.zeros((100, 1)), np.zeros((0, 1)), np.full((500, 1), np.nan)])
def test_too_few_samples(rows: Array) -> None:
    with pytest.raises(InputError, match="the training takes the first 100; give more samples, or a shorter training"):
        training_rows(rows, Schedule(train=100))


@pytest.mark.parametrize("options", [{"train": 1}, {"every": 0}, {"every": -3}])
def test_a_schedule_without_meaning(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        Schedule(**options)


def test_seeds_go_by_number_and_spawn_nothing() -> None:
    root = np.random.SeedSequence(7)
    seeds = [training_seed(root, number) for number in (1, 2, 3)]
    assert seeds == [training_seed(np.random.SeedSequence(7), number) for number in (1, 2, 3)]
    others = [training_seed(child, 1) for child in root.spawn(2)]
    assert len({*seeds, *others}) == 5
    assert root.n_children_spawned == 2
