"""Samples and their scale, and trained identity functions in numpy, sample by sample."""

import copy
import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from edgeresearch.anomaly.identity import (
    BLOCK,
    Array,
    FittedAutoencoder,
    FittedIdentity,
    FittedLSTM,
    Scale,
    Scorer,
    as_samples,
    has_value,
    root_mean_square,
)
from edgeresearch.anomaly.training import AutoencoderNetwork, LSTMNetwork
from edgeresearch.errors import InputError

Make = Callable[..., Any]
KINDS: dict[str, type[FittedAutoencoder] | type[FittedLSTM]] = {"autoencoder": FittedAutoencoder, "lstm": FittedLSTM}
by_kind = pytest.mark.parametrize("kind", list(KINDS))


def _steps(scorer: Scorer, rows: Any) -> list[float]:
    return [scorer.step(row) for row in rows]


def _network(model: Any) -> AutoencoderNetwork | LSTMNetwork:
    """Put a model's weights into its torch module, in double precision."""
    network: AutoencoderNetwork | LSTMNetwork
    if model.kind == "autoencoder":
        network = AutoencoderNetwork(model.channels, model.hidden, 0.1, torch.Generator())
    else:
        network = LSTMNetwork(model.channels, model.hidden, 0.1, 0, torch.Generator())
    network.load_state_dict({name: torch.from_numpy(weights) for name, weights in model.weights.items()})
    return network.double()


def test_using_a_model_needs_no_torch() -> None:
    code = "import sys, edgeresearch.anomaly.api, edgeresearch.anomaly.detectors; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_settings_load_neither_scipy_nor_scikit_learn() -> None:
    code = "import sys, edgeresearch.anomaly.evaluation; assert not {'scipy', 'sklearn', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@by_kind
def test_it_comes_back_from_settings_and_arrays(kind: str, make: Make, gappy: Make) -> None:
    model: FittedIdentity = make(kind)
    assert (model.kind, model.channels, model.settings()) == (kind, 3, {"channels": 3, "hidden": 4})
    shapes = KINDS[kind].shapes(3, 4)
    assert {name: tuple(weight.shape) for name, weight in _network(model).state_dict().items()} == shapes
    assert set(model.arrays()) == {*shapes, "centre", "spread"}
    again = KINDS[kind].restore(model.settings(), model.arrays())
    assert type(again) is type(model)
    assert_array_equal(again.start().run(gappy()), model.start().run(gappy()))
    assert {name: array.dtype for name, array in again.weights.items()} == dict.fromkeys(again.weights, np.float32)
    with pytest.raises(AttributeError):
        again.hidden = 5  # type: ignore[misc]


@by_kind
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"channels": 3},
        {"channels": 3, "hidden": 4, "more": 1},
        {"channels": 0, "hidden": 4},
        {"channels": 3.0, "hidden": 4},
        {"channels": True, "hidden": 4},
        {"channels": "3", "hidden": None},
    ],
)
def test_other_settings_are_refused(kind: str, settings: dict[str, Any], make: Make) -> None:
    with pytest.raises(ValueError, match=f"settings of a {kind} are positive integers"):
        KINDS[kind].restore(settings, make(kind).arrays())


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = {
    "lacking": (lambda arrays: {k: v for k, v in arrays.items() if k != "centre"}, "of another shape: centre$"),
    "additional": (lambda arrays: {**arrays, "more": np.zeros(1)}, "missing, unknown or of another shape: more$"),
    "another shape": (lambda arrays: {**arrays, "centre": np.zeros(4)}, "of another shape: centre$"),
    "NaN": (lambda arrays: {**arrays, "centre": np.full(3, np.nan)}, "something else than finite numbers"),
    "infinite": (lambda arrays: {**arrays, "centre": np.full(3, np.inf)}, "something else than finite numbers"),
    "integers": (lambda arrays: {k: v.astype(int) for k, v in arrays.items()}, "something else than finite numbers"),
    "no spread": (lambda arrays: {**arrays, "spread": np.array([1.0, 0.0, 1.0])}, "a spread is not positive"),
}


@by_kind
@pytest.mark.parametrize("damage", DAMAGES)
def test_arrays_that_make_no_model_are_refused(kind: str, damage: str, make: Make) -> None:
    change, message = DAMAGES[damage]
    with pytest.raises(ValueError, match=message):
        KINDS[kind].restore(make(kind).settings(), change(make(kind).arrays()))


@by_kind
def test_the_arrays_of_another_kind_are_refused(kind: str, make: Make) -> None:
    other = make("lstm" if kind == "autoencoder" else "autoencoder")
    with pytest.raises(ValueError, match="arrays missing, unknown or of another shape: .*decoder.*head|.*head.*lstm"):
        KINDS[kind].restore(make(kind).settings(), other.arrays())


@by_kind
@pytest.mark.parametrize(("channels", "hidden"), [(1, 1), (5, 3), (3, 16)])
def test_the_errors_are_those_of_the_torch_module(
    kind: str, channels: int, hidden: int, make: Make, gappy: Make
) -> None:
    model, rows = make(kind, channels, hidden), gappy(200, channels, missing=0.2)
    there = np.isfinite(rows).any(axis=1)
    errors = model.start().run(rows)
    assert_array_equal(np.isnan(errors), ~there)
    filled, seen = model.scale.apply(rows[there], np.zeros(channels))
    with torch.inference_mode():
        samples, network = torch.from_numpy(filled), _network(model)
        reconstruction = network(samples) if kind == "autoencoder" else network(samples[None])[0]
    squares = np.where(seen, (filled - reconstruction.numpy()) ** 2, np.nan)
    assert_allclose(errors[there], np.sqrt(np.nanmean(squares, axis=1)), rtol=1e-9, atol=1e-12)


@by_kind
@given(
    channels=st.integers(1, 9),
    hidden=st.integers(1, 9),
    seed=st.integers(0, 50),
    missing=st.floats(0, 0.6),
    cut=st.integers(0, 40),
)
def test_one_by_one_in_pieces_and_whole_are_equal_to_the_last_bit(
    kind: str, channels: int, hidden: int, seed: int, missing: float, cut: int, make: Make, gappy: Make
) -> None:
    model, rows = make(kind, channels, hidden, seed), gappy(40, channels, seed, missing)
    one, pieces, whole = model.start(), model.start(), model.start()
    for _ in range(2):  # the states are alike, too
        expected = whole.run(rows)
        assert_array_equal(_steps(one, rows), expected)
        assert_array_equal(np.concatenate([pieces.run(rows[:cut]), pieces.run(rows[cut:])]), expected)


@by_kind
def test_wide_models_are_equal_to_the_last_bit_too(kind: str, make: Make, gappy: Make) -> None:
    model, rows = make(kind, 24, 40), gappy(100, 24)
    assert_array_equal(_steps(model.start(), rows), model.start().run(rows))


@pytest.mark.parametrize("rows", [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5])
@pytest.mark.parametrize("hidden", [1, 2, 16])
def test_blocks_leave_no_trace(rows: int, hidden: int, make: Make, gappy: Make) -> None:
    model, samples = make("lstm", 3, hidden), gappy(rows + 20)
    one, whole = model.start(), model.start()
    assert_array_equal(_steps(one, samples[:rows]), whole.run(samples[:rows]))
    assert_array_equal(one.run(samples[rows:]), _steps(whole, samples[rows:]))


@by_kind
@pytest.mark.parametrize("layout", [np.asfortranarray, lambda rows: np.repeat(rows, 2, axis=1)[:, ::2]])
def test_the_layout_in_memory_changes_no_bit(
    kind: str, layout: Callable[[Array], Array], make: Make, gappy: Make
) -> None:
    model, rows = make(kind, 5, 7), gappy(60, 5)
    expected = model.start().run(rows)
    assert_array_equal(model.start().run(layout(rows)), expected)
    assert_array_equal(_steps(model.start(), layout(rows)), expected)


@by_kind
@pytest.mark.parametrize("duplicate", [lambda s: s.copy(), copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_copy_goes_on_alike_and_alone(kind: str, duplicate: Callable[[Any], Any], make: Make, gappy: Make) -> None:
    rows = gappy()
    scorer = make(kind).start()
    scorer.run(rows[:100])
    other = duplicate(scorer)
    expected = _steps(scorer, rows[100:150])
    assert_array_equal(_steps(other, rows[100:150]), expected)
    other.run(rows)
    assert_array_equal(duplicate(scorer).run(rows[150:]), scorer.copy().run(rows[150:]))


@by_kind
def test_streams_change_neither_each_other_nor_samples_nor_model(kind: str, make: Make, gappy: Make) -> None:
    model, rows, other = make(kind), gappy(40), gappy(40, seed=1)
    alone = model.start().run(rows)
    for array in (rows, other, *model.arrays().values()):
        array.flags.writeable = False
    one, two = model.start(), model.start()
    together = []
    for row, disturbing in zip(rows, other, strict=True):
        together.append(one.step(row))
        assert type(two.step(disturbing)) is float
    assert_array_equal(together, alone)


@by_kind
@pytest.mark.parametrize("blank", [np.nan, np.inf, -np.inf])
def test_a_row_without_a_value_changes_nothing(kind: str, blank: float, make: Make, gappy: Make) -> None:
    rows = gappy(20, missing=0.0)
    scorer, other = make(kind).start(), make(kind).start()
    scorer.run(rows)
    other.run(rows)
    assert np.isnan(scorer.step([blank] * 3))
    assert np.isnan(scorer.run(np.full((4, 3), blank))).all()
    assert scorer.run(np.empty((0, 3))).shape == (0,)
    assert_array_equal(scorer.run(rows), other.run(rows))


@by_kind
def test_a_missing_value_counts_neither_in_the_error_nor_as_zero(kind: str, make: Make) -> None:
    scorer, other = make(kind).start(), make(kind).start()
    first = np.array([1.0, 2.0, 3.0])
    scorer.step(first)
    other.step(first)
    assert scorer.step([1.5, np.nan, 3.5]) != other.step([1.5, 2.0, 3.5])
    assert scorer.step(first) == other.step(first)  # the last value stood in for it


@by_kind
@pytest.mark.parametrize("size", [1e3, 1e100, 1e300])
def test_a_huge_value_gives_a_huge_error_and_poisons_nothing(kind: str, size: float, make: Make) -> None:
    scorer = make(kind).start()
    with np.errstate(over="ignore"):
        error = scorer.step([size, 0.0, 0.0])
        whole = make(kind).start().run(np.array([[size, 0.0, 0.0]]))
        assert error == whole[0] > size / 10
        assert np.isfinite(_steps(scorer, [[0.0, 0.0, 0.0]] * 3)).all()


@by_kind
def test_a_sample_may_be_any_sequence_of_the_right_length(kind: str, make: Make) -> None:
    scorer = make(kind).start()
    samples: list[Any] = [[1, 2, 3], (1.0, 2.0, 3.0), np.array([1.0, 2.0, 3.0])]
    assert len({scorer.copy().step(sample) for sample in samples}) == 1
    for sample in ([1.0], [1.0, 2.0, 3.0, 4.0]):
        with pytest.raises(InputError, match=f"a sample has {len(sample)} values where there were 3 before"):
            scorer.step(sample)
    with pytest.raises(InputError, match="a sample has 2 values where there were 3 before"):
        scorer.run(np.zeros((5, 2)))
    for wrong in (["a", "b", "c"], [[1, 2], [3, 4], [5, 6]], [None, 1.0, 2.0]):
        with pytest.raises(InputError, match="a sample must be 3 numbers"):
            scorer.step(wrong)


@by_kind
def test_errors_do_not_depend_on_the_unit(kind: str, make: Make, gappy: Make) -> None:
    model, rows = make(kind), gappy(100)
    factor, shift = np.array([1000.0, 0.01, 3.0]), np.array([5.0, -2.0, 0.0])
    scale = Scale(model.scale.centre * factor + shift, model.scale.spread * factor)
    other = type(model)(scale, model.weights, model.hidden)
    assert_allclose(other.start().run(rows * factor + shift), model.start().run(rows), rtol=1e-6)


def test_an_lstm_has_a_memory_and_an_autoencoder_none(make: Make, gappy: Make) -> None:
    rows = gappy(40, missing=0.0)
    changed = rows.copy()
    changed[:20] += 1.0
    for kind, remembers in (("autoencoder", False), ("lstm", True)):
        one, two = make(kind).start().run(rows), make(kind).start().run(changed)
        assert (one[20] != two[20]) == remembers
        assert (one[:20] != two[:20]).all()


@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=2), min_size=1, max_size=6))
def test_the_error_is_a_root_mean_square(deviations: list[list[float]]) -> None:
    residual = np.array(deviations)
    seen = np.ones_like(residual, dtype=bool)
    seen[0, 0] = False
    expected = np.sqrt((np.where(seen, residual, 0.0) ** 2).sum(axis=1) / seen.sum(axis=1))
    assert_allclose(root_mean_square(residual, seen), expected)


def _by_hand(model: Any, rows: Array) -> list[float]:
    """Errors of an LSTM by its equations, number by number."""
    w, width = model.weights, model.hidden
    hidden, cell, errors = [0.0] * width, [0.0] * width, []

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    for row in (rows - model.scale.centre) / model.scale.spread:
        expected = [
            float(bias) + sum(float(v) * h for v, h in zip(weights, hidden, strict=True))
            for bias, weights in zip(w["head.bias"], w["head.weight"], strict=True)
        ]
        squares = [(z - y) ** 2 for z, y in zip(row, expected, strict=True)]
        errors.append(math.sqrt(sum(squares) / len(squares)))
        sums = [
            float(w["lstm.bias_ih_l0"][k])
            + float(w["lstm.bias_hh_l0"][k])
            + sum(float(v) * z for v, z in zip(w["lstm.weight_ih_l0"][k], row, strict=True))
            + sum(float(v) * h for v, h in zip(w["lstm.weight_hh_l0"][k], hidden, strict=True))
            for k in range(4 * width)
        ]
        for k in range(width):
            i, f, g, _ = (sums[k + gate * width] for gate in range(4))
            cell[k] = sigmoid(f) * cell[k] + sigmoid(i) * math.tanh(g)
        hidden = [sigmoid(sums[k + 3 * width]) * math.tanh(cell[k]) for k in range(width)]
    return errors


@pytest.mark.parametrize(("channels", "hidden"), [(1, 1), (2, 3), (4, 5)])
def test_the_lstm_is_the_one_of_the_equations(channels: int, hidden: int, make: Make, gappy: Make) -> None:
    model, rows = make("lstm", channels, hidden), gappy(30, channels, missing=0.0)
    assert_allclose(_steps(model.start(), rows), _by_hand(model, rows), rtol=1e-9)


def test_an_lstm_started_late_comes_near_in_the_end(make: Make, gappy: Make) -> None:
    rows = gappy(600, missing=0.0)
    apart = np.abs(make("lstm").start().run(rows[100:]) - make("lstm").start().run(rows)[100:])
    assert apart[0] > 0
    assert apart[-50:].max() < apart[:5].max() / 50


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
