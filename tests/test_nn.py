"""Small torch networks and the training loop that forecasters and detectors share."""

import math
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as lightning
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning_fabric import Fabric
from torch import Tensor, nn

from edgeresearch.anomaly.training import AutoencoderNetwork, LSTMNetwork
from edgeresearch.forecasting.base import Array
from edgeresearch.nn import MAX_GRADIENT_NORM, Batches, Chunks, Network, SequenceLSTM, WindowLSTM, draw_weights, train


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


class _Line(Network):
    """y = w x, from w = 0."""

    def __init__(self, rate: float = 0.1) -> None:
        super().__init__()
        self.rate = rate
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen: list[int] = []

    def training_step(self, batch: tuple[Tensor, ...], index: int) -> Tensor:
        x, y = batch
        self.seen.append(len(x))
        return ((self.weight * x - y) ** 2).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.rate)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _data(slope: float = 2.0) -> Batches:
    x = torch.linspace(-1, 1, 20)
    return Batches((x, slope * x), 5, _generator())


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 60))
def test_an_epoch_has_every_row_once_up_to_its_limit(rows: int, size: int, limit: int) -> None:
    column = torch.arange(rows)
    batches = Batches((column, column * 2), size, _generator(), limit=limit)
    found = list(batches)
    assert len(found) == len(batches)
    drawn = torch.cat([first for first, _ in found]).tolist()
    assert len(set(drawn)) == len(drawn) == min(rows, limit)
    assert all(torch.equal(second, first * 2) for first, second in found)
    assert all(len(first) == size for first, _ in found[:-1])


segment_lengths = st.lists(st.integers(1, 40), min_size=1, max_size=4)


@settings(deadline=None)
@given(segment_lengths, st.integers(1, 16), st.integers(1, 5), st.integers(0, 5))
def test_a_chunk_is_a_stretch_of_one_segment(lengths: list[int], length: int, size: int, seed: int) -> None:
    parts, start = [], 0
    for steps in lengths:
        parts.append(slice(start, start + steps))
        start += steps + 2  # two steps of outage
    column = torch.arange(start)
    chunks = Chunks((column, column * 2), parts, length, size, _generator(seed))
    batches = list(chunks)
    assert len(batches) == len(chunks)
    drawn = 0
    for first, second in batches:
        assert 1 <= len(first) <= size
        assert torch.equal(second, first * 2)
        for row in first:
            assert torch.equal(row, torch.arange(int(row[0]), int(row[0]) + len(row)))
            (part,) = [part for part in parts if part.start <= int(row[0]) < part.stop]
            assert int(row[-1]) < part.stop
            assert len(row) == min(length, part.stop - part.start)
            drawn += 1
    assert drawn == sum(-(-steps // min(length, steps)) for steps in lengths)


def test_chunks_reach_every_step_over_the_epochs() -> None:
    column = torch.arange(50)
    chunks = Chunks((column,), [slice(0, 23), slice(30, 50)], 8, 2, _generator())
    seen = {int(step) for _ in range(30) for (rows,) in chunks for step in rows.ravel()}
    assert seen == {*range(23), *range(30, 50)}


def test_training_finds_the_slope() -> None:
    module = _Line()
    assert train(module, _data(), 40, accelerator="cpu") == 40
    assert float(module.weight.detach()) == pytest.approx(2, abs=1e-3)
    assert not module.training
    assert module.weight.device.type == "cpu"
    assert sum(module.seen) == 40 * 20


def _toward(goal: float) -> Callable[[Any], float]:
    return lambda module: abs(float(module.weight.detach()) - goal)


def test_the_best_epoch_is_kept() -> None:
    weights: list[float] = []

    def validate(module: Any) -> float:
        assert not module.training and torch.is_inference_mode_enabled()
        weights.append(float(module.weight.detach()))
        return abs(weights[-1] - 1)

    module = _Line(rate=0.05)
    epochs = train(module, _data(), 30, validate=validate, patience=3, accelerator="cpu")
    best = min(range(len(weights)), key=lambda epoch: abs(weights[epoch] - 1))
    assert 0 < epochs == best < 30
    assert float(module.weight.detach()) == weights[best]
    assert len(weights) == best + 3 + 1  # with epoch 0, and as many more as patience has


def test_training_is_quiet_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], recwarn: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    train(_Line(), _data(), 2, accelerator="cpu")
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert len(recwarn) == 0


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_failure_goes_up(error: type[BaseException]) -> None:
    def validate(module: Any) -> float:
        raise error

    with pytest.raises(error):
        train(_Line(), _data(), 1, validate=validate, accelerator="cpu")


def test_large_gradients_are_scaled_down() -> None:
    """Far from the goal the gradient is clipped to a norm of 1: a step is as long as the learning rate."""
    module = _Line(rate=0.1)
    train(module, Batches((torch.ones(4), torch.full((4,), 1e6)), 4, _generator()), 3, accelerator="cpu")
    assert float(module.weight.detach()) == pytest.approx(3 * 0.1)


class _Wrapped(lightning.LightningModule):
    """A network as Lightning takes it."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def training_step(self, batch: Any, index: int) -> Tensor:
        return self.network.training_step(batch, index)

    def configure_optimizers(self) -> Any:
        return self.network.configure_optimizers()


def _by_trainer(module: Network, batches: Batches | Chunks, epochs: int) -> None:
    quiet: dict[str, Any] = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            **quiet,
            max_epochs=epochs,
            accelerator="cpu",
            enable_model_summary=False,
            gradient_clip_val=MAX_GRADIENT_NORM,
        )
        trainer.fit(_Wrapped(module), batches)


def _window_train() -> tuple[WindowLSTM, Batches]:
    generator = _generator(1)
    windows, targets = torch.randn(50, 12, 1, generator=generator), torch.randn(50, 2, generator=generator)
    return WindowLSTM(8, 2, 1e-2, generator), Batches((windows, targets), 16, generator)


def _sequence_train() -> tuple[SequenceLSTM, Chunks]:
    generator = _generator(2)
    steps, targets = torch.randn(90, 3, generator=generator), torch.randn(90, 2, generator=generator)
    chunks = Chunks((steps, targets, torch.ones(90, 2)), [slice(0, 40), slice(43, 90)], 16, 2, generator)
    module = SequenceLSTM(
        3, 8, 2, members=2, loss="mse", delta=0.5, learning_rate=1e-2, weight_decay=0.01, total_steps=20, warm_up=3,
        generator=generator,
    )  # fmt: skip
    return module, chunks


def _autoencoder_train() -> tuple[AutoencoderNetwork, Batches]:
    generator = _generator(3)
    samples = torch.randn(60, 3, generator=generator)
    return AutoencoderNetwork(3, 2, 1e-2, generator), Batches((samples, torch.ones(60, 3)), 16, generator)


def _detector_train() -> tuple[LSTMNetwork, Chunks]:
    generator = _generator(4)
    samples = torch.randn(90, 2, generator=generator)
    chunks = Chunks((samples, torch.ones(90, 2)), [slice(0, 90)], 20, 2, generator)
    return LSTMNetwork(2, 6, 1e-2, 3, generator), chunks


@pytest.mark.parametrize("make", [_window_train, _sequence_train, _autoencoder_train, _detector_train])
def test_weights_are_those_of_lightnings_trainer(make: Callable[[], tuple[Network, Any]]) -> None:
    (ours, batches), (theirs, same) = make(), make()
    train(ours, batches, 3, accelerator="cpu")
    _by_trainer(theirs, same, 3)
    for name, weight in ours.state_dict().items():
        assert torch.equal(weight, theirs.state_dict()[name]), name


def test_training_goes_where_lightning_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device `meta` stands in for an accelerator: it knows no values, only where they would be."""

    class Elsewhere(Fabric):
        def __init__(self, accelerator: str, **options: Any) -> None:
            places.add(accelerator)
            super().__init__(accelerator="cpu", **options)

        @property
        def device(self) -> torch.device:
            return torch.device("meta")

    class Watched(_Line):
        def training_step(self, batch: tuple[Tensor, ...], index: int) -> Tensor:
            loss = super().training_step(batch, index)
            places.update(tensor.device.type for tensor in (*batch, self.weight, loss))
            return loss

        def cpu(self) -> "Watched":
            places.add("back")
            return self.to_empty(device="cpu")

    places: set[str] = set()
    monkeypatch.setattr("lightning_fabric.Fabric", Elsewhere)
    train(Watched(), _data(), 1, accelerator="gpu")
    assert places == {"gpu", "meta", "back"}


def test_lightning_is_not_loaded_where_only_the_cpu_can_be_meant() -> None:
    code = "import sys, edgeresearch.forecasting.lstm, edgeresearch.anomaly.training; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pytorch_lightning", "lightning_fabric"} & set(shown)


def test_batches_and_chunks_follow_the_generator_afresh_each_epoch() -> None:
    column = torch.arange(50)
    part = [slice(0, 50)]
    for make in (
        lambda seed: Batches((column,), 50, _generator(seed)),
        lambda seed: Chunks((column,), part, 5, 9, _generator(seed)),
    ):
        batches = make(3)
        (first,), (second,) = (next(iter(batches)) for _ in range(2))
        (again,), (other,) = next(iter(make(3))), next(iter(make(4)))
        assert torch.equal(first, again)
        assert not torch.equal(first, second) and not torch.equal(first, other)


@pytest.mark.parametrize(("epochs", "goal", "kept", "trained"), [(10, -1.0, 0, 2), (6, 99.0, 6, 6), (0, 0.0, 0, 0)])
def test_patience_and_epochs_bound_the_training(epochs: int, goal: float, kept: int, trained: int) -> None:
    module, state = _Line(), torch.get_rng_state()
    assert train(module, _data(), epochs, validate=_toward(goal), patience=2, accelerator="cpu") == kept
    assert len(module.seen) == trained * 4 and not module.training
    assert (float(module.weight.detach()) == 0) == (kept == 0)
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"


@pytest.mark.parametrize(
    "around",
    [
        {
            "SLURM_NTASKS": "4",
            "SLURM_JOB_ID": "7",
            "SLURM_JOB_NAME": "train",
            "SLURM_PROCID": "1",
            "SLURM_LOCALID": "1",
        },
        {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "MASTER_ADDR": "x", "TORCHELASTIC_RUN_ID": "1"},
        {"KUBERNETES_PORT": "1", "MASTER_ADDR": "x", "MASTER_PORT": "1", "WORLD_SIZE": "2", "RANK": "1"},
        {"LSB_JOBID": "1", "LSB_DJOB_RANKFILE": "none", "JSM_NAMESPACE_LOCAL_RANK": "1", "JSM_NAMESPACE_SIZE": "2"},
    ],
)
def test_a_cluster_around_it_is_none_of_its_business(monkeypatch: pytest.MonkeyPatch, around: dict[str, str]) -> None:
    for name, value in around.items():
        monkeypatch.setenv(name, value)
    generator = torch.Generator().manual_seed(0)
    rows = torch.zeros(20, 5, 1), torch.zeros(20, 1)
    assert train(WindowLSTM(4, 1, 1e-3, generator), Batches(rows, 10, generator), 1) == 1
