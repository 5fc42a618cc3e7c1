import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.forecast.cell import stack
from edgeresearch.forecast.modules import SequenceLSTM, draw_weights


def _module(members: int = 3, features: int = 4, hidden: int = 5, targets: int = 2, scale: float = 1.0) -> SequenceLSTM:
    generator = torch.Generator().manual_seed(11)
    module = SequenceLSTM(
        features,
        hidden,
        targets,
        members=members,
        loss="mse",
        delta=1.0,
        learning_rate=1e-3,
        weight_decay=0.0,
        total_steps=10,
        warm_up=0,
        generator=generator,
    )
    draw_weights(module, hidden, generator)
    with torch.no_grad():
        for weight in module.parameters():
            weight *= scale
    return module.double()


@settings(deadline=None, max_examples=40)
@given(
    members=st.integers(1, 4),
    features=st.integers(1, 5),
    hidden=st.integers(1, 6),
    targets=st.integers(1, 3),
    steps=st.integers(1, 20),
    scale=st.sampled_from([0.1, 1.0, 5.0]),
)
def test_the_cell_is_torchs(members: int, features: int, hidden: int, targets: int, steps: int, scale: float) -> None:
    module = _module(members, features, hidden, targets, scale)
    inputs = np.random.default_rng(steps).normal(size=(steps, features)) * 3
    expected = module(torch.from_numpy(inputs)[None]).mean(dim=0)[0].detach().numpy()
    np.testing.assert_allclose(stack(module).run(inputs), expected, rtol=1e-10, atol=1e-10)


def test_large_inputs_saturate_without_overflow() -> None:
    module = _module()
    inputs = np.array([[1e6, -1e6, 1e6, -1e6], [0, 0, 0, 0], [-1e300, 1e300, -1e300, 0]])
    with np.errstate(all="raise", under="ignore"):
        found = stack(module).run(inputs)
    expected = module(torch.from_numpy(inputs)[None]).mean(dim=0)[0].detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_steps_one_by_one_are_a_run() -> None:
    cell = stack(_module())
    inputs = np.random.default_rng(0).normal(size=(15, 4))
    hidden, memory = cell.start()
    outputs = []
    for row in inputs:
        projected = (row @ cell.inputs + cell.bias).reshape(3, 1, -1)
        hidden, memory = cell.step(projected, hidden, memory)
        outputs.append(hidden.ravel() @ cell.head + cell.head_bias)
    np.testing.assert_allclose(outputs, cell.run(inputs), rtol=1e-12)


def test_a_step_does_not_change_the_state_that_it_is_given() -> None:
    cell = stack(_module())
    hidden, memory = cell.start()
    cell.step(np.ones((3, 1, 20)), hidden, memory)
    assert not hidden.any()
    assert not memory.any()


def test_the_forecast_is_the_mean_of_the_members() -> None:
    module = _module(members=2)
    inputs = np.random.default_rng(1).normal(size=(6, 4))
    alone = []
    for keep in range(2):
        single = _module(members=1)
        single.lstms[0].load_state_dict(module.lstms[keep].state_dict())
        single.heads[0].load_state_dict(module.heads[keep].state_dict())
        alone.append(stack(single).run(inputs))
    np.testing.assert_allclose(stack(module).run(inputs), np.mean(alone, axis=0), rtol=1e-12)


def test_the_shapes_are_those_that_are_described() -> None:
    cell = stack(_module(members=3, features=4, hidden=5, targets=2))
    assert cell.inputs.shape == (4, 3 * 4 * 5)
    assert cell.recurrent.shape == (3, 5, 4 * 5)
    assert cell.bias.shape == (3 * 4 * 5,)
    assert cell.head.shape == (3 * 5, 2)
    assert cell.head_bias.shape == (2,)
    assert cell.start()[0].shape == (3, 1, 5)


def test_the_cell_keeps_its_weights_when_training_goes_on() -> None:
    module = _module()
    cell = stack(module)
    inputs = np.ones((3, 4))
    before = cell.run(inputs)
    with torch.no_grad():
        for weight in module.parameters():
            weight.zero_()
    np.testing.assert_array_equal(cell.run(inputs), before)


def test_no_step_gives_no_forecast() -> None:
    assert stack(_module()).run(np.empty((0, 4))).shape == (0, 2)


@pytest.mark.parametrize("members", [1, 2])
def test_weights_are_double_precision(members: int) -> None:
    cell = stack(_module(members).float())
    assert {array.dtype for array in (cell.inputs, cell.recurrent, cell.bias, cell.head)} == {np.dtype(np.float64)}
