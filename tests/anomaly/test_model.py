from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from edgeresearch.anomaly.model import Autoencoded, Model, Recurrent
from edgeresearch.anomaly.state import State

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

    from edgeresearch.anomaly.networks import AutoencoderNetwork, LSTMNetwork

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
