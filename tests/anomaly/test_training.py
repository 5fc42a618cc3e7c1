import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import pytorch_lightning as lightning
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from edgeresearch.anomaly.training import Stretches, train
from edgeresearch.errors import RunError


class _Line(lightning.LightningModule):
    """y = w x, from w = 0."""

    def __init__(self, rate: float = 0.1) -> None:
        super().__init__()
        self.rate = rate
        self.weight = nn.Parameter(torch.zeros(1))
        self.threads: set[int] = set()
        self.roots: set[str] = set()

    def training_step(self, batch: tuple[Tensor, ...], index: int) -> Tensor:
        x, y = batch
        self.threads.add(torch.get_num_threads())
        self.roots.add(self.trainer.default_root_dir)
        return ((self.weight * x - y) ** 2).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.rate)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _data(seed: int = 0) -> Stretches:
    x = torch.linspace(-1, 1, 20)[:, None]
    return Stretches((x, 2 * x), 1, 5, _generator(seed))


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 5))
def test_single_rows_come_once_an_epoch(rows: int, size: int, seed: int) -> None:
    column = torch.arange(rows)[:, None]
    batches = Stretches((column, column * 2), 1, size, _generator(seed))
    found = list(batches)
    assert len(found) == len(batches)
    assert sorted(torch.cat([first for first, _ in found]).flatten().tolist()) == list(range(rows))
    assert all(first.ndim == 2 and torch.equal(second, first * 2) for first, second in found)
    assert all(len(first) == size for first, _ in found[:-1])


@given(st.integers(2, 60), st.integers(2, 20), st.integers(1, 5), st.integers(0, 5))
def test_stretches_are_in_order_and_cover_nearly_all(rows: int, length: int, size: int, seed: int) -> None:
    column = torch.arange(rows)[:, None]
    batches = Stretches((column,), length, size, _generator(seed))
    found = list(batches)
    assert len(found) == len(batches)
    span = min(rows, length)
    stretches = torch.cat([first for (first,) in found])[:, :, 0]
    assert stretches.shape == (-(-rows // span), span)
    assert (stretches.diff(dim=1) == 1).all()
    assert stretches.min() >= 0
    assert stretches.max() < rows
    assert len(set(stretches.flatten().tolist())) >= rows - span // 2 - 1


@given(st.integers(10, 60), st.integers(2, 9), st.integers(0, 9))
def test_no_row_comes_more_than_three_times(rows: int, length: int, seed: int) -> None:
    ((first,),) = list(Stretches((torch.arange(rows)[:, None],), length, rows, _generator(seed)))
    assert torch.bincount(first.flatten()).max() <= 3


def test_order_and_offset_are_the_generators_and_fresh_each_epoch() -> None:
    column = torch.arange(100)[:, None]
    batches = Stretches((column,), 10, 100, _generator(3))
    epochs = [next(iter(batches))[0] for _ in range(4)]
    (again,) = next(iter(Stretches((column,), 10, 100, _generator(3))))
    assert torch.equal(epochs[0], again)
    assert len({tuple(epoch[:, 0, 0].tolist()) for epoch in epochs}) == 4
    assert len({int(epoch[:, 0, 0].sum()) for epoch in epochs}) > 1  # another offset, not only another order


def test_it_learns_on_one_thread_and_puts_everything_back() -> None:
    module = _Line()
    threads, random = torch.get_num_threads(), torch.random.get_rng_state()
    logger = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = logger.level
    train(module, _data(), 30, accelerator="cpu")
    assert module.weight.item() == pytest.approx(2, abs=1e-3)
    assert not module.training
    assert module.threads == {1}
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), random)
    assert logger.level == level


def test_the_threads_come_back_after_a_failure_too() -> None:
    threads = torch.get_num_threads()

    class Broken(_Line):
        def training_step(self, batch: tuple[Tensor, ...], index: int) -> Tensor:
            raise KeyError("broken")

    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyError, match="broken"):
            train(Broken(), _data(), 1, accelerator="cpu")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_the_same_data_and_weights_give_the_same_result() -> None:
    modules = [_Line(), _Line(), _Line()]
    for module, seed in zip(modules, (1, 1, 2), strict=True):
        train(module, _data(seed), 1, accelerator="cpu")
    assert modules[0].weight.item() == modules[1].weight.item() != modules[2].weight.item()


def test_its_root_is_temporary_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    module = _Line()
    train(module, _data(), 1, accelerator="cpu")
    assert [Path(root).parent for root in module.roots] == [tmp_path / "temporary"]
    assert [path.name for path in tmp_path.rglob("*")] == ["temporary"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("make", [lambda: _Line(float("inf")), lambda: _Line(float("nan"))])
def test_divergence_is_told(make: Callable[[], _Line]) -> None:
    with pytest.raises(RunError, match="training the _Line diverged; lower its learning rate"):
        train(make(), _data(), 1, accelerator="cpu")
