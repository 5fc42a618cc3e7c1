import math

import numpy as np
import pytest
import torch

from edgeresearch.forecast.modules import SequenceLSTM, WindowLSTM, draw_weights
from edgeresearch.forecast.protocol import Array


def _window(hidden: int = 5, targets: int = 2, seed: int = 0) -> WindowLSTM:
    return WindowLSTM(hidden, targets, 1e-3, torch.Generator().manual_seed(seed))


def _sequence(seed: int = 0, **settings: object) -> SequenceLSTM:
    chosen = {
        "members": 2,
        "loss": "mse",
        "delta": 0.5,
        "learning_rate": 1e-2,
        "weight_decay": 0.0,
        "total_steps": 20,
        "warm_up": 0,
        **settings,
    }
    return SequenceLSTM(3, 4, 2, generator=torch.Generator().manual_seed(seed), **chosen)  # type: ignore[arg-type]


def _number(loss: torch.Tensor) -> float:
    return float(loss.detach())


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def test_the_network_is_the_six_formulas_of_the_paper() -> None:
    """Paper A, section 3, written out: f, i, C', C, o, h; then the head on the last h."""
    hidden = 5
    module = _window(hidden).double()
    weights = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    # W · [h, x] + b; torch keeps W in two matrices, b in two vectors, and the gates in the order i, f, C', o
    together = np.concatenate([weights["lstm.weight_hh_l0"], weights["lstm.weight_ih_l0"]], axis=1)
    bias = weights["lstm.bias_hh_l0"] + weights["lstm.bias_ih_l0"]
    W_i, W_f, W_C, W_o = np.split(together, 4)  # noqa: N806
    b_i, b_f, b_C, b_o = np.split(bias, 4)  # noqa: N806
    window = np.random.default_rng(0).normal(size=12) * 2

    h, C = np.zeros(hidden), np.zeros(hidden)  # noqa: N806
    for x in window:
        hx = np.concatenate([h, [x]])
        f = _sigmoid(W_f @ hx + b_f)
        i = _sigmoid(W_i @ hx + b_i)
        candidate = np.tanh(W_C @ hx + b_C)
        C = f * C + i * candidate  # noqa: N806
        o = _sigmoid(W_o @ hx + b_o)
        h = o * np.tanh(C)

    forecast = weights["head.weight"] @ h + weights["head.bias"]
    found = module(torch.from_numpy(window)[None, :, None]).detach().numpy()[0]
    np.testing.assert_allclose(found, forecast, rtol=1e-10)


def test_the_loss_is_that_of_the_paper() -> None:
    module = _window()
    windows, targets = torch.randn(7, 6, 1, generator=torch.Generator().manual_seed(1)), torch.ones(7, 2)
    loss = module.training_step((windows, targets), 0)
    errors = (targets - module(windows)).detach().numpy()
    assert _number(loss) == pytest.approx(np.mean(errors**2), rel=1e-6)


def test_the_window_network_is_trained_by_adam() -> None:
    optimizer = _window().configure_optimizers()
    assert type(optimizer) is torch.optim.Adam
    assert optimizer.defaults["lr"] == 1e-3


def test_the_optimizers_steps_are_those_of_the_plain_ones() -> None:
    windows, targets = torch.randn(7, 6, 1, generator=torch.Generator().manual_seed(1)), torch.ones(7, 2)
    found = []
    for kind in (None, torch.optim.Adam):
        module = _window()
        optimizer = kind(module.parameters(), lr=1e-3) if kind else module.configure_optimizers()
        for _ in range(5):
            optimizer.zero_grad()
            module.training_step((windows, targets), 0).backward()
            optimizer.step()
        found.append(torch.cat([weight.detach().ravel() for weight in module.parameters()]))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-6)


def test_an_untrained_sequence_network_corrects_nothing() -> None:
    forecast = _sequence()(torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(0)))
    assert forecast.shape == (2, 2, 9, 2)
    assert not forecast.any()


def test_the_members_differ() -> None:
    module = _sequence()
    assert not torch.equal(module.lstms[0].weight_hh_l0, module.lstms[1].weight_hh_l0)


def _trained(module: SequenceLSTM) -> SequenceLSTM:
    draw_weights(module, 4, torch.Generator().manual_seed(3))
    return module


def test_every_step_has_a_forecast_from_the_steps_up_to_it() -> None:
    module = _trained(_sequence())
    steps = torch.randn(1, 9, 3, generator=torch.Generator().manual_seed(0))
    changed = steps.clone()
    changed[:, 5:] += 1
    before, after = module(steps), module(changed)
    assert torch.equal(before[:, :, :5], after[:, :, :5])
    assert not torch.equal(before[:, :, 5], after[:, :, 5])


def test_targets_that_are_missing_do_not_count() -> None:
    module = _sequence()
    forecast, targets = torch.zeros(2, 1, 3, 2), torch.tensor([[[1.0, 2.0], [3.0, 9.0], [9.0, 9.0]]])
    known = torch.tensor([[[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]])
    assert _number(module.error(forecast, targets, known)) == pytest.approx((1 + 4 + 9) / 3)
    assert _number(module.error(forecast, targets, torch.zeros_like(known))) == 0


def test_hubers_loss_is_linear_beyond_delta() -> None:
    module = _sequence(loss="huber", delta=0.5)
    targets, known = torch.tensor([[[0.25, 4.0]]]), torch.ones(1, 1, 2)
    expected = (0.25**2 / 2 + 0.5 * (4 - 0.25)) / 2
    assert _number(module.error(torch.zeros(2, 1, 1, 2), targets, known)) == pytest.approx(expected)


def test_the_warm_up_does_not_count() -> None:
    module = _trained(_sequence(warm_up=4))
    steps, targets = torch.randn(2, 10, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 10, 2)
    known = torch.ones(2, 10, 2)
    elsewhere = targets.clone()
    elsewhere[:, :4] = 100
    loss = module.training_step((steps, targets, known), 0)
    assert _number(loss) == _number(module.training_step((steps, elsewhere, known), 0))
    elsewhere[:, 4:] = 100
    assert _number(module.training_step((steps, elsewhere, known), 0)) > _number(loss)


def test_a_sequence_shorter_than_the_warm_up_keeps_its_last_step() -> None:
    module = _trained(_sequence(warm_up=50))
    steps, targets, known = torch.ones(1, 3, 3), torch.zeros(1, 3, 2), torch.ones(1, 3, 2)
    expected = 2 * (module(steps)[:, :, -1] ** 2).mean()
    assert _number(module.training_step((steps, targets, known), 0)) == pytest.approx(_number(expected))


def test_members_train_as_if_each_were_alone() -> None:
    module = _trained(_sequence())
    steps = torch.randn(2, 10, 3, generator=torch.Generator().manual_seed(0))
    targets, known = torch.ones(2, 10, 2), torch.ones(2, 10, 2)
    module.training_step((steps, targets, known), 0).backward()
    joint = module.heads[0].weight.grad.clone()
    module.zero_grad()
    ((module.heads[0](module.lstms[0](steps)[0]) - targets) ** 2).mean().backward()
    torch.testing.assert_close(module.heads[0].weight.grad, joint)


@pytest.mark.parametrize("total", [1, 2, 5, 6, 40])
def test_the_cycle_has_steps_enough(total: int) -> None:
    plan = _sequence(total_steps=total).configure_optimizers()
    schedule = plan["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(total - 1):
        rates.append(schedule.get_last_lr()[0])
        plan["optimizer"].step()
        schedule.step()
    assert all(0 < rate <= 1e-2 for rate in rates)
    if total == 40:
        assert max(rates) == pytest.approx(1e-2)
        assert rates.index(max(rates)) == 7


@pytest.mark.parametrize("hidden", [1, 4, 9])
def test_weights_come_from_the_generator_within_their_bound(hidden: int) -> None:
    first, again, other = (_window(hidden, 1, seed) for seed in (1, 1, 2))
    for a, b, c in zip(first.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
        assert _number(a.abs().max()) <= 1 / math.sqrt(hidden)


def test_making_a_network_leaves_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    _window()
    _sequence()
    assert torch.equal(torch.get_rng_state(), state)
