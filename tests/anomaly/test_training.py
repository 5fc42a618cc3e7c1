import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

from edgeresearch.anomaly.training import train
from edgeresearch.errors import RunError
from edgeresearch.forecast.train import Batches, Chunks


class _Line(lightning.LightningModule):
    """y = w x, from w = 0."""

    def __init__(self, rate: float = 0.1) -> None:
        super().__init__()
        self.rate = rate
        self.weight = nn.Parameter(torch.zeros(1))
        self.threads: set[int] = set()

    def training_step(self, batch: tuple[Tensor, ...], index: int) -> Tensor:
        x, y = batch
        self.threads.add(torch.get_num_threads())
        return ((self.weight * x - y) ** 2).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.rate)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _data(seed: int = 0) -> Batches:
    x = torch.linspace(-1, 1, 20)[:, None]
    return Batches((x, 2 * x), 5, _generator(seed))


def test_it_learns_on_one_thread_and_puts_everything_back() -> None:
    module = _Line()
    threads, random = torch.get_num_threads(), torch.random.get_rng_state()
    train(module, _data(), 30, accelerator="cpu")
    assert module.weight.item() == pytest.approx(2, abs=1e-3)
    assert not module.training
    assert module.threads == {1}
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), random)


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


def test_it_learns_from_stretches_too() -> None:
    x = torch.linspace(-1, 1, 20)[:, None]
    module = _Line()
    train(module, Chunks((x, 2 * x), [slice(0, 20)], 4, 2, _generator()), 20, accelerator="cpu")
    assert module.weight.item() == pytest.approx(2, abs=0.1)


def test_it_writes_and_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    train(_Line(), _data(), 1, accelerator="cpu")
    assert [path.name for path in tmp_path.rglob("*")] == ["temporary"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("make", [lambda: _Line(float("inf")), lambda: _Line(float("nan"))])
def test_divergence_is_told(make: Callable[[], _Line]) -> None:
    with pytest.raises(RunError, match="training the _Line diverged; lower its learning rate"):
        train(make(), _data(), 1, accelerator="cpu")
