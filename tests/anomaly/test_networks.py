from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from edgeresearch.anomaly.networks import AutoencoderNetwork, LSTMNetwork, squared_error


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _autoencoder(seed: int = 0) -> AutoencoderNetwork:
    return AutoencoderNetwork(5, 3, 1e-2, _generator(seed))


def _lstm(seed: int = 0, warm_up: int = 0) -> LSTMNetwork:
    return LSTMNetwork(2, 4, 1e-2, warm_up, _generator(seed))


def test_the_autoencoder_goes_through_its_bottleneck() -> None:
    network = _autoencoder()
    samples = torch.randn(7, 5, generator=_generator(1))
    inner = torch.tanh(samples @ network.encoder.weight.T + network.encoder.bias)
    assert inner.shape == (7, 3)
    expected = inner @ network.decoder.weight.T + network.decoder.bias
    torch.testing.assert_close(network(samples), expected)


def test_the_lstm_reconstructs_from_the_samples_before() -> None:
    network = _lstm()
    stretch = torch.randn(1, 6, 2, generator=_generator(1))
    whole = network(stretch)
    assert whole.shape == stretch.shape
    for step in range(6):
        changed = stretch.clone()
        changed[:, step:] = 9.0
        torch.testing.assert_close(network(changed)[:, : step + 1], whole[:, : step + 1])
        if step < 5:
            assert not torch.equal(network(changed)[:, -1], whole[:, -1])


def test_the_lstm_starts_from_an_empty_state() -> None:
    network = _lstm()
    stretch = torch.randn(3, 6, 2, generator=_generator(1))
    assert torch.equal(network(stretch)[:, 0], network.head.bias.expand(3, 2))


def test_an_outlier_spoils_what_follows_within_bounds() -> None:
    network = _lstm()
    stretch = torch.zeros(1, 3, 2)
    stretch[:, 0] = 1e9
    assert network(stretch)[:, 1:].abs().max() < 5


@pytest.mark.parametrize("make", [_autoencoder, _lstm])
def test_weights_come_from_the_generator_alone(make: Callable[[int], nn.Module]) -> None:
    before = torch.random.get_rng_state()
    first, second, other = make(1), make(1), make(2)
    assert torch.equal(before, torch.random.get_rng_state())
    for one, two, three in zip(first.parameters(), second.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
        assert not torch.equal(one, three)


def test_weights_are_within_the_usual_bounds() -> None:
    network = _autoencoder()
    assert network.encoder.weight.abs().max() <= 5**-0.5
    assert network.decoder.weight.abs().max() <= 3**-0.5
    assert all(weight.abs().max() <= 0.5 for weight in _lstm().parameters())


def _squares(residual: list[float], seen: list[float]) -> Tensor:
    tensor = torch.tensor(residual, dtype=torch.float64)
    return squared_error(tensor, torch.zeros_like(tensor), torch.tensor(seen))


def test_missing_values_have_no_part_in_the_error() -> None:
    assert _squares([1.0, 2.0, 100.0], [1, 1, 0]) == 2.5
    assert _squares([1.0, 2.0], [0, 0]) == 0


@given(st.lists(st.tuples(st.floats(-100, 100), st.booleans()), min_size=1, max_size=10))
def test_the_error_is_the_mean_square_of_what_was_seen(cells: list[tuple[float, bool]]) -> None:
    squares = [value**2 for value, seen in cells if seen]
    found = float(_squares([value for value, _ in cells], [float(seen) for _, seen in cells]))
    assert found == pytest.approx(sum(squares) / max(len(squares), 1))


def test_the_warm_up_does_not_count() -> None:
    stretch = torch.randn(2, 8, 2, generator=_generator(3))
    seen = torch.ones_like(stretch)
    network = _lstm(warm_up=3)
    found = network.training_step((stretch, seen), 0)
    expected = squared_error(network(stretch)[:, 3:], stretch[:, 3:], seen[:, 3:])
    assert torch.equal(found, expected)
    assert not torch.equal(found, _lstm(warm_up=0).training_step((stretch, seen), 0))


def test_a_stretch_shorter_than_the_warm_up_still_trains() -> None:
    stretch = torch.randn(2, 3, 2, generator=_generator(3))
    loss = _lstm(warm_up=5).training_step((stretch, torch.ones_like(stretch)), 0)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss > 0


@pytest.mark.parametrize("make", [_autoencoder, _lstm])
def test_steps_of_the_optimizer_lower_the_loss(make: Callable[[], AutoencoderNetwork | LSTMNetwork]) -> None:
    network = make()
    shape = (16, 5) if isinstance(network, AutoencoderNetwork) else (4, 10, 2)
    batch = (torch.randn(*shape, generator=_generator(4)), torch.ones(*shape))
    optimizer = network.configure_optimizers()
    assert optimizer.param_groups[0]["lr"] == 1e-2
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = network.training_step(batch, 0)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
