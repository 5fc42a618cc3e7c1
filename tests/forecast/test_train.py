import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as lightning
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning_fabric import Fabric
from torch import Tensor, nn

from edgeresearch.forecast.modules import SequenceLSTM, WindowLSTM
from edgeresearch.forecast.train import CLIP, Batches, Chunks, train


class _Line(lightning.LightningModule):
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
@given(st.integers(1, 40), st.integers(1, 12))
def test_an_epoch_has_every_row_once(rows: int, size: int) -> None:
    column = torch.arange(rows)
    batches = Batches((column, column * 2), size, _generator())
    found = list(batches)
    assert len(found) == len(batches)
    assert sorted(torch.cat([first for first, _ in found]).tolist()) == list(range(rows))
    assert all(torch.equal(second, first * 2) for first, second in found)
    assert all(len(first) == size for first, _ in found[:-1])


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 60))
def test_a_limit_draws_so_many_different_rows(rows: int, size: int, limit: int) -> None:
    batches = Batches((torch.arange(rows),), size, _generator(), limit=limit)
    found = list(batches)
    drawn = torch.cat([first for (first,) in found]).tolist()
    assert len(found) == len(batches)
    assert len(set(drawn)) == len(drawn) == min(rows, limit)


def test_the_order_is_the_generators_and_fresh_each_epoch() -> None:
    column = torch.arange(50)
    batches = Batches((column,), 50, _generator(3))
    (first,), (second,) = (next(iter(batches)) for _ in range(2))
    (again,) = next(iter(Batches((column,), 50, _generator(3))))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


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


def test_chunks_follow_the_generator() -> None:
    column = torch.arange(100)

    def first(seed: int) -> Tensor:
        return next(iter(Chunks((column,), [slice(0, 100)], 10, 10, _generator(seed))))[0]

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))


def test_training_finds_the_slope() -> None:
    module = _Line()
    assert train(module, _data(), 40, accelerator="cpu") == 40
    assert float(module.weight.detach()) == pytest.approx(2, abs=1e-3)
    assert not module.training
    assert module.weight.device.type == "cpu"
    assert sum(module.seen) == 40 * 20


def test_no_epoch_leaves_the_module_as_it_is() -> None:
    module = _Line()
    assert train(module, _data(), 0, accelerator="cpu") == 0
    assert float(module.weight.detach()) == 0
    assert not module.training
    assert module.seen == []


def _toward(goal: float) -> Callable[[Any], float]:
    return lambda module: abs(float(module.weight.detach()) - goal)


def test_the_best_epoch_is_kept() -> None:
    weights: list[float] = []

    def validate(module: Any) -> float:
        weights.append(float(module.weight.detach()))
        return abs(weights[-1] - 1)

    module = _Line(rate=0.05)
    epochs = train(module, _data(), 30, validate=validate, patience=3, accelerator="cpu")
    best = min(range(len(weights)), key=lambda epoch: abs(weights[epoch] - 1))
    assert 0 < epochs == best < 30
    assert float(module.weight.detach()) == weights[best]
    assert len(weights) == best + 3 + 1  # with epoch 0, and as many more as patience has


def test_an_untrained_module_that_is_best_is_kept() -> None:
    module = _Line()
    assert train(module, _data(), 10, validate=_toward(-1.0), patience=2, accelerator="cpu") == 0
    assert float(module.weight.detach()) == 0
    assert len(module.seen) == 2 * 4


def test_patience_that_never_ends_trains_to_the_end() -> None:
    module = _Line()
    assert train(module, _data(), 6, validate=_toward(99.0), patience=2, accelerator="cpu") == 6


def test_validation_sees_the_module_at_rest() -> None:
    states = []

    def validate(module: Any) -> float:
        states.append((module.training, torch.is_inference_mode_enabled()))
        return 0.0

    train(_Line(), _data(), 1, validate=validate, accelerator="cpu")
    assert states == [(False, True)] * 2


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


class _Scheduled(_Line):
    """Its step halves with each batch."""

    def configure_optimizers(self) -> Any:
        self.optimizer = torch.optim.SGD(self.parameters(), lr=self.rate)
        halving = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, 0.5)
        return {"optimizer": self.optimizer, "lr_scheduler": {"scheduler": halving, "interval": "step"}}


def test_a_scheduler_advances_with_each_batch() -> None:
    module = _Scheduled(rate=0.1)
    train(module, _data(), 2, accelerator="cpu")
    assert module.optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.5 ** (2 * 4))


def test_large_gradients_are_scaled_down() -> None:
    """Far from the goal the gradient is clipped to a norm of 1: a step is as long as the learning rate."""
    module = _Line(rate=0.1)
    train(module, Batches((torch.ones(4), torch.full((4,), 1e6)), 4, _generator()), 3, accelerator="cpu")
    assert float(module.weight.detach()) == pytest.approx(3 * 0.1)


def _by_trainer(module: lightning.LightningModule, batches: Batches | Chunks, epochs: int) -> None:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            max_epochs=epochs, accelerator="cpu", enable_model_summary=False, gradient_clip_val=CLIP, **quiet
        )
        trainer.fit(module, batches)


def _window() -> tuple[WindowLSTM, Batches]:
    generator = _generator(1)
    windows, targets = torch.randn(50, 12, 1, generator=generator), torch.randn(50, 2, generator=generator)
    return WindowLSTM(8, 2, 1e-2, generator), Batches((windows, targets), 16, generator)


def _sequence() -> tuple[SequenceLSTM, Chunks]:
    generator = _generator(2)
    steps, targets = torch.randn(90, 3, generator=generator), torch.randn(90, 2, generator=generator)
    chunks = Chunks((steps, targets, torch.ones(90, 2)), [slice(0, 40), slice(43, 90)], 16, 2, generator)
    module = SequenceLSTM(
        3, 8, 2, members=2, loss="mse", delta=0.5, learning_rate=1e-2, weight_decay=0.01, total_steps=20, warm_up=3,
        generator=generator,
    )  # fmt: skip
    return module, chunks


@pytest.mark.parametrize("make", [_window, _sequence])
def test_weights_are_those_of_lightnings_trainer(make: Callable[[], tuple[lightning.LightningModule, Any]]) -> None:
    (ours, batches), (theirs, same) = make(), make()
    train(ours, batches, 3, accelerator="cpu")
    _by_trainer(theirs, same, 3)
    for name, weight in ours.state_dict().items():
        assert torch.equal(weight, theirs.state_dict()[name]), name


def test_training_goes_where_lightning_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device `meta` stands in for an accelerator: it knows no values, only where they would be."""

    class Elsewhere(Fabric):
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
    monkeypatch.setattr("edgeresearch.forecast.train.Fabric", Elsewhere)
    train(Watched(), _data(), 1, accelerator="cpu")
    assert places == {"meta", "back"}


def test_training_leaves_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    train(_Line(), _data(), 2, validate=_toward(1.0), accelerator="cpu")
    assert torch.equal(torch.get_rng_state(), state)
