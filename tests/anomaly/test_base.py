import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from edgeresearch.anomaly.base import Scale, check_channels, names, present, table, wrong_width
from edgeresearch.errors import InputError

values = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([np.nan, np.inf, -np.inf]))
streams = st.tuples(st.integers(1, 20), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=values)
)


@pytest.mark.parametrize("X", [[[1, 2], [3, 4]], pd.DataFrame({"a": [1, 3], "b": [2, 4]}), np.array([[1, 2], [3, 4]])])
def test_samples_become_floats(X: object) -> None:
    rows = table(X)
    assert rows.dtype == np.float64
    assert rows.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("X", "shape"), [([1.0, 2.0], r"\(2,\)"), (np.zeros((2, 2, 2)), r"\(2, 2, 2\)"), ([[]], r"\(1, 0\)")]
)
def test_samples_of_another_shape_are_refused(X: object, shape: str) -> None:
    with pytest.raises(InputError, match=rf"samples have shape {shape}; give rows"):
        table(X)


@pytest.mark.parametrize("X", [[["a"]], [[1, 2], [3]], pd.DataFrame({"a": ["x"]}), [[object()]]])
def test_samples_that_are_no_numbers_are_refused(X: object) -> None:
    with pytest.raises(InputError, match="samples must be numbers: .*; drop or convert the column"):
        table(X)


def test_none_is_a_missing_value() -> None:
    assert np.isnan(table([[None, 1.0]])).tolist() == [[True, False]]


def test_only_data_frames_have_names() -> None:
    assert names(pd.DataFrame({"a": [1], 2: [3]})) == ["a", "2"]
    assert names(np.zeros((1, 2))) is None


def test_known_channels_pass_with_and_without_names() -> None:
    frame = pd.DataFrame({"a": [1.0], "b": [2.0]})
    for known in (["a", "b"], None):
        assert check_channels(frame, 2, known).tolist() == [[1.0, 2.0]]
    assert check_channels(frame.to_numpy(), 2, ["a", "b"]).tolist() == [[1.0, 2.0]]


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


def test_another_width_is_told_without_names() -> None:
    with pytest.raises(InputError, match="a sample has 3 values where there were 2 before; drop the new ones or train"):
        check_channels(np.zeros((1, 3)), 2, None)
    assert "has 1 values" in wrong_width(1, 2)


def test_the_scale_is_mean_and_deviation_of_what_was_seen() -> None:
    rows = np.array([[1.0, 5.0], [3.0, np.nan], [np.nan, 7.0], [np.inf, 6.0]])
    scale = Scale.fit(rows)
    assert_allclose(scale.centre, [2.0, 6.0])
    assert_allclose(scale.spread, [1.0, np.sqrt(2 / 3)])


@pytest.mark.parametrize("value", [0.0, 7.0, -1e9, 0.1])
def test_a_constant_channel_keeps_its_unit(value: float) -> None:
    scale = Scale.fit(np.full((1000, 1), value))
    assert_allclose(scale.centre, [value])
    assert scale.spread.tolist() == [1.0]


def test_a_channel_without_values_is_left_as_it_is() -> None:
    scale = Scale.fit(np.array([[np.nan, 1.0], [np.nan, 2.0]]))
    assert (scale.centre[0], scale.spread[0]) == (0.0, 1.0)


@given(streams)
def test_the_scale_is_always_usable(rows: np.ndarray) -> None:
    scale = Scale.fit(rows)
    assert np.isfinite(scale.centre).all()
    assert (scale.spread > 0).all()


@given(streams)
def test_what_is_missing_gets_the_last_value_seen(rows: np.ndarray) -> None:
    scale = Scale.fit(rows)
    last = np.arange(rows.shape[1], dtype=float)
    filled, seen = scale.apply(rows, last)
    assert_array_equal(seen, np.isfinite(rows))
    for step in range(len(rows)):
        before = filled[step - 1] if step else last
        for channel in range(rows.shape[1]):
            if seen[step, channel]:
                exact = (rows[step, channel] - scale.centre[channel]) * (1 / scale.spread[channel])
                assert filled[step, channel] == exact
            else:
                assert filled[step, channel] == before[channel]


@given(streams, st.integers(0, 20))
def test_a_stream_is_filled_piece_by_piece_alike(rows: np.ndarray, cut: int) -> None:
    scale = Scale.fit(rows)
    whole, _ = scale.apply(rows, np.zeros(rows.shape[1]))
    first, _ = scale.apply(rows[:cut], np.zeros(rows.shape[1]))
    second, _ = scale.apply(rows[cut:], first[-1] if len(first) else np.zeros(rows.shape[1]))
    assert_array_equal(np.vstack([first, second]), whole)


def test_rows_without_a_value_are_no_samples() -> None:
    rows = np.array([[np.nan, np.nan], [np.nan, 1.0], [np.inf, -np.inf], [0.0, 0.0]])
    assert present(rows).tolist() == [False, True, False, True]
    assert present(np.empty((0, 2))).shape == (0,)
