"""Trained identity functions in numpy, sample by sample."""

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from edgeresearch.anomaly.base import Array, Scale
from edgeresearch.anomaly.identity import AutoencoderNetwork, LSTMNetwork
from edgeresearch.anomaly.inference import BLOCK, Autoencoded, Model, Recurrent, State, root_mean_square
from edgeresearch.errors import InputError

Make = Callable[..., Any]
KINDS: dict[str, type[Autoencoded] | type[Recurrent]] = {"autoencoder": Autoencoded, "lstm": Recurrent}
by_kind = pytest.mark.parametrize("kind", list(KINDS))


@by_kind
def test_it_is_a_model(kind: str, make: Make) -> None:
    model: Model = make(kind)
    state: State = model.start()
    assert (model.kind, model.channels) == (kind, 3)
    assert np.isfinite(state.step([0.0, 0.0, 0.0]))
    assert model.settings() == {"channels": 3, "hidden": 4}
    assert set(model.arrays()) == {*KINDS[kind].shapes(3, 4), "centre", "spread"}


@by_kind
def test_it_comes_back_from_settings_and_arrays(kind: str, make: Make, gappy: Make) -> None:
    model, rows = make(kind), gappy()
    again = KINDS[kind].restore(model.settings(), model.arrays())
    assert type(again) is type(model)
    assert_array_equal(again.start().run(rows), model.start().run(rows))
    assert {name: array.dtype for name, array in again.weights.items()} == dict.fromkeys(again.weights, np.float32)


@by_kind
@given(channels=st.integers(1, 8), hidden=st.integers(1, 8))
def test_shapes_fit_torch(kind: str, channels: int, hidden: int) -> None:
    import torch

    from edgeresearch.anomaly.identity import AutoencoderNetwork, LSTMNetwork

    generator = torch.Generator()
    made = (
        AutoencoderNetwork(channels, hidden, 0.1, generator)
        if kind == "autoencoder"
        else LSTMNetwork(channels, hidden, 0.1, 0, generator)
    )
    assert {name: tuple(weight.shape) for name, weight in made.state_dict().items()} == KINDS[kind].shapes(
        channels, hidden
    )


@by_kind
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"channels": 3},
        {"channels": 3, "hidden": 4, "more": 1},
        {"channels": 0, "hidden": 4},
        {"channels": -3, "hidden": 4},
        {"channels": 3.0, "hidden": 4},
        {"channels": True, "hidden": 4},
        {"channels": "3", "hidden": 4},
    ],
)
def test_other_settings_are_refused(kind: str, settings: dict[str, Any], make: Make) -> None:
    with pytest.raises(ValueError, match=f"settings of a {kind} are positive integers"):
        KINDS[kind].restore(settings, make(kind).arrays())


@by_kind
def test_arrays_of_another_size_are_refused(kind: str, make: Make) -> None:
    with pytest.raises(ValueError, match="of another shape: .*weight"):
        KINDS[kind].restore({"channels": 4, "hidden": 4}, make(kind).arrays())


@by_kind
@pytest.mark.parametrize("name", ["centre", "spread", "first weight"])
def test_a_lacking_or_additional_array_is_refused(kind: str, name: str, make: Make) -> None:
    model = make(kind)
    key = name if name != "first weight" else next(iter(model.weights))
    lacking = {k: v for k, v in model.arrays().items() if k != key}
    for arrays in (lacking, {**model.arrays(), "more": np.zeros(1)}):
        with pytest.raises(ValueError, match=f"of another shape: ({key}|more)$"):
            KINDS[kind].restore(model.settings(), arrays)


@by_kind
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(kind: str, value: float, make: Make) -> None:
    model = make(kind)
    arrays = {name: array.copy() for name, array in model.arrays().items()}
    next(iter(arrays.values()))[...] = value
    with pytest.raises(ValueError, match="something else than finite numbers"):
        KINDS[kind].restore(model.settings(), arrays)


@by_kind
def test_arrays_of_integers_are_refused(kind: str, make: Make) -> None:
    model = make(kind)
    arrays = {name: array.astype(np.int64) for name, array in model.arrays().items()}
    with pytest.raises(ValueError, match="something else than finite numbers"):
        KINDS[kind].restore(model.settings(), arrays)


@by_kind
@pytest.mark.parametrize("spread", [0.0, -1.0])
def test_a_spread_that_divides_by_nothing_is_refused(kind: str, spread: float, make: Make) -> None:
    model = make(kind)
    arrays = {**model.arrays(), "spread": np.array([1.0, spread, 1.0])}
    with pytest.raises(ValueError, match="a spread is not positive"):
        KINDS[kind].restore(model.settings(), arrays)


@by_kind
def test_models_are_frozen_and_streams_are_apart(kind: str, make: Make, gappy: Make) -> None:
    model, rows = make(kind), gappy()
    before = {name: array.copy() for name, array in model.arrays().items()}
    first = model.start()
    first.run(rows)
    assert_array_equal(model.start().run(rows), make(kind).start().run(rows))
    for name, array in model.arrays().items():
        assert_array_equal(array, before[name])
    with pytest.raises(AttributeError):
        model.hidden = 5


@by_kind
def test_what_cannot_be_a_model_is_no_model(kind: str, make: Make) -> None:
    model = make(kind)
    other = make("lstm" if kind == "autoencoder" else "autoencoder")
    with pytest.raises(ValueError, match="arrays missing, unknown or of another shape: .*decoder.*head|.*head.*lstm"):
        KINDS[kind].restore(model.settings(), other.arrays())
    with pytest.raises(ValueError, match="settings of a"):
        KINDS[kind].restore({name: None for name in model.settings()}, model.arrays())


def test_a_kind_says_its_shapes() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Autoencoded.__base__(None, {}, 1)  # type: ignore[misc]
    assert Autoencoded.shapes(5, 3)["encoder.weight"] == (3, 5)
    assert Recurrent.shapes(5, 3)["lstm.weight_hh_l0"] == (12, 3)
    assert (Autoencoded.kind, Recurrent.kind) == ("autoencoder", "lstm")


KINDS_state = ["autoencoder", "lstm"]
kinds = st.sampled_from(KINDS_state)


def _network(model: Any) -> AutoencoderNetwork | LSTMNetwork:
    """Put a model's weights into its torch module, in double precision."""
    generator = torch.Generator()
    network: AutoencoderNetwork | LSTMNetwork
    if model.kind == "autoencoder":
        network = AutoencoderNetwork(model.channels, model.hidden, 0.1, generator)
    else:
        network = LSTMNetwork(model.channels, model.hidden, 0.1, 0, generator)
    network.load_state_dict({name: torch.from_numpy(weights) for name, weights in model.weights.items()})
    return network.double()


def _torch_errors(model: Any, rows: Array) -> Array:
    """Errors by the torch module, of rows that have a value each."""
    filled, seen = model.scale.apply(rows, np.zeros(model.channels))
    with torch.inference_mode():
        samples = torch.from_numpy(filled)
        network = _network(model)
        reconstruction = network(samples) if model.kind == "autoencoder" else network(samples[None])[0]
    squares = np.where(seen, (filled - reconstruction.numpy()) ** 2, np.nan)
    return np.asarray(np.sqrt(np.nanmean(squares, axis=1)))


@pytest.mark.parametrize("kind", KINDS_state)
@pytest.mark.parametrize(("channels", "hidden"), [(1, 1), (5, 3), (3, 16)])
def test_the_errors_are_those_of_the_torch_module(
    kind: str, channels: int, hidden: int, make: Make, gappy: Make
) -> None:
    model, rows = make(kind, channels, hidden), gappy(200, channels, missing=0.2)
    errors = model.start().run(rows)
    there = np.isfinite(rows).any(axis=1)
    if kind == "lstm" and channels > 1:
        assert not there.all()
    assert_array_equal(np.isnan(errors), ~there)
    expected = _torch_errors(model, rows[there])
    assert_allclose(errors[there], expected, rtol=1e-9, atol=1e-12)


@given(kinds, st.integers(1, 9), st.integers(1, 9), st.integers(0, 50), st.floats(0, 0.6))
def test_one_by_one_and_whole_are_equal_to_the_last_bit(
    kind: str, channels: int, hidden: int, seed: int, missing: float
) -> None:
    make, gappy = _fixtures()
    model, rows = make(kind, channels, hidden, seed), gappy(40, channels, seed, missing)
    one, whole = model.start(), model.start()
    assert_array_equal([one.step(row) for row in rows], whole.run(rows))
    assert_array_equal([one.step(row) for row in rows], whole.run(rows))  # the states are alike too


def _fixtures() -> tuple[Make, Make]:
    return _MAKE[0], _MAKE[1]


_MAKE: list[Make] = []


@pytest.fixture(autouse=True, scope="module")
def _keep(make: Make, gappy: Make) -> None:
    """Hypothesis and function arguments from fixtures do not go together in one signature."""
    _MAKE[:] = [make, gappy]


@given(kinds, st.integers(0, 30), st.integers(0, 5))
def test_a_stream_in_pieces_is_the_stream(kind: str, cut: int, seed: int) -> None:
    make, gappy = _fixtures()
    model, rows = make(kind, seed=seed), gappy(30, seed=seed)
    whole, pieces = model.start(), model.start()
    expected = whole.run(rows)
    assert_array_equal(np.concatenate([pieces.run(rows[:cut]), pieces.run(rows[cut:])]), expected)


@pytest.mark.parametrize("kind", KINDS_state)
def test_wide_models_are_equal_to_the_last_bit_too(kind: str, make: Make, gappy: Make) -> None:
    model, rows = make(kind, 24, 40), gappy(100, 24)
    one, whole = model.start(), model.start()
    assert_array_equal([one.step(row) for row in rows], whole.run(rows))


@pytest.mark.parametrize("rows", [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5])
@pytest.mark.parametrize("hidden", [1, 2, 16])
def test_blocks_leave_no_trace(rows: int, hidden: int, make: Make, gappy: Make) -> None:
    model, samples = make("lstm", 3, hidden), gappy(rows + 20)
    one, whole = model.start(), model.start()
    assert_array_equal([one.step(row) for row in samples[:rows]], whole.run(samples[:rows]))
    assert_array_equal(one.run(samples[rows:]), [whole.step(row) for row in samples[rows:]])


@pytest.mark.parametrize("kind", KINDS_state)
def test_whole_arrays_of_another_width_are_told(kind: str, make: Make) -> None:
    with pytest.raises(InputError, match="a sample has 2 values where there were 3 before"):
        make(kind).start().run(np.zeros((5, 2)))


@pytest.mark.parametrize("kind", KINDS_state)
@pytest.mark.parametrize("twin", [lambda s: s.copy(), copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_copy_goes_on_alike_and_alone(kind: str, twin: Callable[[Any], Any], make: Make, gappy: Make) -> None:
    rows = gappy()
    state = make(kind).start()
    state.run(rows[:100])
    other = twin(state)
    expected = [state.step(row) for row in rows[100:150]]
    assert_array_equal([other.step(row) for row in rows[100:150]], expected)
    other.run(rows)
    third, fourth = twin(state), state.copy()
    assert_array_equal(third.run(rows[150:]), fourth.run(rows[150:]))


@pytest.mark.parametrize("kind", KINDS_state)
@pytest.mark.parametrize("blank", [np.nan, np.inf, -np.inf])
def test_a_row_without_a_value_changes_nothing(kind: str, blank: float, make: Make, gappy: Make) -> None:
    rows = gappy(20, missing=0.0)
    state, other = make(kind).start(), make(kind).start()
    state.run(rows)
    other.run(rows)
    assert np.isnan(state.step([blank] * 3))
    assert np.isnan(state.run(np.full((4, 3), blank))).all()
    assert state.run(np.empty((0, 3))).shape == (0,)
    assert_array_equal(state.run(rows), other.run(rows))


@pytest.mark.parametrize("kind", KINDS_state)
def test_a_missing_value_counts_neither_in_the_error_nor_as_zero(kind: str, make: Make) -> None:
    model = make(kind)
    state, other = model.start(), model.start()
    first = np.array([1.0, 2.0, 3.0])
    state.run(first[None])
    other.run(first[None])
    gone = state.step([1.5, np.nan, 3.5])
    stayed = other.step([1.5, 2.0, 3.5])
    assert gone != stayed
    assert_array_equal(state.step(first), other.step(first))  # the last value stood in for it


@pytest.mark.parametrize("kind", KINDS_state)
@pytest.mark.parametrize("size", [1e3, 1e100, 1e300])
def test_a_huge_value_gives_a_huge_error_and_poisons_nothing(kind: str, size: float, make: Make) -> None:
    state = make(kind).start()
    with np.errstate(over="ignore"):
        error = state.step([size, 0.0, 0.0])
        whole = make(kind).start().run(np.array([[size, 0.0, 0.0]]))
        assert error == whole[0] > size / 10
        assert np.isfinite([state.step([0.0, 0.0, 0.0]) for _ in range(3)]).all()


@pytest.mark.parametrize("kind", KINDS_state)
def test_a_sample_may_be_any_sequence(kind: str, make: Make) -> None:
    errors = {make(kind).start().step(given) for given in ([1, 2, 3], (1.0, 2.0, 3.0), np.array([1.0, 2.0, 3.0]))}
    assert len(errors) == 1


@pytest.mark.parametrize("kind", KINDS_state)
@pytest.mark.parametrize("sample", [[1.0], [1.0, 2.0], [1.0, 2.0, 3.0, 4.0]])
def test_a_new_or_missing_column_is_told(kind: str, sample: list[float], make: Make) -> None:
    with pytest.raises(InputError, match=f"a sample has {len(sample)} values where there were 3 before"):
        make(kind).start().step(sample)


@pytest.mark.parametrize("sample", [["a", "b", "c"], [[1, 2], [3, 4], [5, 6]], [None, 1.0, 2.0]])
def test_a_sample_that_is_no_numbers_is_told(sample: list[Any], make: Make) -> None:
    with pytest.raises(InputError, match="a sample must be 3 numbers"):
        make("autoencoder").start().step(sample)


def test_a_constant_stream_has_a_constant_error(make: Make) -> None:
    state = make("autoencoder").start()
    assert len({state.step([1.0, 2.0, 3.0]) for _ in range(5)}) == 1


@pytest.mark.parametrize("kind", KINDS_state)
def test_errors_do_not_depend_on_the_unit(kind: str, make: Make, gappy: Make) -> None:
    model, rows = make(kind), gappy(100)
    factor, shift = np.array([1000.0, 0.01, 3.0]), np.array([5.0, -2.0, 0.0])
    scale = Scale(model.scale.centre * factor + shift, model.scale.spread * factor)
    other = type(model)(scale, model.weights, model.hidden)
    assert_allclose(other.start().run(rows * factor + shift), model.start().run(rows), rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS_state)
def test_a_stream_changes_neither_its_samples_nor_its_model(kind: str, make: Make, gappy: Make) -> None:
    model, rows = make(kind), gappy(30)
    kept, weights = rows.copy(), {name: array.copy() for name, array in model.arrays().items()}
    for array in (rows, *model.arrays().values()):
        array.flags.writeable = False
    state = model.start()
    state.run(rows)
    assert all(type(state.step(row)) is float for row in rows)
    assert_array_equal(rows, kept)
    for name, array in model.arrays().items():
        assert_array_equal(array, weights[name])


@pytest.mark.parametrize("kind", KINDS_state)
def test_streams_of_one_model_do_not_touch_each_other(kind: str, make: Make, gappy: Make) -> None:
    model, rows, other = make(kind), gappy(40), gappy(40, seed=1)
    alone = model.start().run(rows)
    one, two = model.start(), model.start()
    together = []
    for row, disturbing in zip(rows, other, strict=True):
        together.append(one.step(row))
        two.step(disturbing)
    assert_array_equal(together, alone)


@pytest.mark.parametrize("kind", KINDS_state)
@pytest.mark.parametrize("layout", [np.asfortranarray, lambda rows: np.repeat(rows, 2, axis=1)[:, ::2]])
def test_the_layout_in_memory_changes_no_bit(
    kind: str, layout: Callable[[Array], Array], make: Make, gappy: Make
) -> None:
    model, rows = make(kind, 5, 7), gappy(60, 5)
    expected = model.start().run(rows)
    assert_array_equal(model.start().run(layout(rows)), expected)
    state = model.start()
    assert_array_equal([state.step(row) for row in layout(rows)], expected)


def test_an_lstm_has_a_memory_and_an_autoencoder_none(make: Make, gappy: Make) -> None:
    rows = gappy(40, missing=0.0)
    changed = rows.copy()
    changed[:20] += 1.0
    for kind, remembers in (("autoencoder", False), ("lstm", True)):
        one, two = make(kind).start().run(rows), make(kind).start().run(changed)
        assert (one[20] != two[20]) == remembers
        assert (one[:20] != two[:20]).all()


def test_an_lstms_first_reconstruction_is_the_heads_bias(make: Make) -> None:
    model = make("lstm")
    sample = model.scale.centre + model.scale.spread * np.array([0.3, -0.2, 1.0])
    deviation = np.array([0.3, -0.2, 1.0]) - model.weights["head.bias"]
    assert model.start().step(sample) == pytest.approx(np.sqrt(np.mean(deviation**2)))


@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=2), min_size=1, max_size=6))
def test_the_error_is_a_root_mean_square(deviations: list[list[float]]) -> None:
    residual = np.array(deviations)
    seen = np.ones_like(residual, dtype=bool)
    seen[0, 0] = False
    expected = np.sqrt((np.where(seen, residual, 0.0) ** 2).sum(axis=1) / seen.sum(axis=1))
    assert_allclose(root_mean_square(residual, seen), expected)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _by_hand(model: Any, rows: Array) -> list[float]:
    """Errors of an LSTM by its equations, number by number."""
    w, width = model.weights, model.hidden
    hidden, cell, errors = [0.0] * width, [0.0] * width, []
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
            i, f, g, o = (sums[k + gate * width] for gate in range(4))
            cell[k] = _sigmoid(f) * cell[k] + _sigmoid(i) * math.tanh(g)
        hidden = [_sigmoid(sums[k + 3 * width]) * math.tanh(cell[k]) for k in range(width)]
    return errors


@pytest.mark.parametrize(("channels", "hidden"), [(1, 1), (2, 3), (4, 5)])
def test_the_lstm_is_the_one_of_the_equations(channels: int, hidden: int, make: Make, gappy: Make) -> None:
    model, rows = make("lstm", channels, hidden), gappy(30, channels, missing=0.0)
    assert_allclose(model.start().run(rows), _by_hand(model, rows), rtol=1e-9)
    state = model.start()
    assert_allclose([state.step(row) for row in rows], _by_hand(model, rows), rtol=1e-9)


def test_an_lstm_started_late_comes_near_in_the_end(make: Make, gappy: Make) -> None:
    rows = gappy(600, missing=0.0)
    whole = make("lstm").start().run(rows)
    part = make("lstm").start().run(rows[100:])
    apart = np.abs(part - whole[100:])
    assert apart[0] > 0
    assert apart[-50:].max() < apart[:5].max() / 50
    assert make("lstm").start().run(rows[:100]).tolist() == whole[:100].tolist()
