"""Training runs where Lightning says: no network and no loss names a device or brings a tensor of its own.

The device `meta` stands in for an accelerator: whatever meets it with a tensor that was made on the CPU raises.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from edgeresearch.anomaly.training import AutoencoderNetwork, LSTMNetwork
from edgeresearch.nn import Network, SequenceLSTM, WindowLSTM

PACKAGE = Path(__file__).parents[1] / "edgeresearch"
HARD_CODED = re.compile(r"""\.cuda\(|["'](cuda|mps|xpu)\b|device=["']|torch\.device\(""")


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _sequence(loss: str = "mse") -> Network:
    return SequenceLSTM(
        3,
        4,
        2,
        members=2,
        loss=loss,  # type: ignore[arg-type]
        delta=0.5,
        learning_rate=1e-2,
        weight_decay=0.0,
        total_steps=20,
        warm_up=2,
        generator=_generator(),
    )


NETWORKS: dict[str, tuple[Callable[[], Network], list[tuple[int, ...]]]] = {
    "window": (lambda: WindowLSTM(4, 2, 1e-3, _generator()), [(5, 8, 1), (5, 2)]),
    "sequence": (_sequence, [(5, 8, 3), (5, 8, 2), (5, 8, 2)]),
    "sequence, Huber": (lambda: _sequence("huber"), [(5, 8, 3), (5, 8, 2), (5, 8, 2)]),
    "autoencoder": (lambda: AutoencoderNetwork(3, 2, 1e-3, _generator()), [(5, 3), (5, 3)]),
    "LSTM of IFTM": (lambda: LSTMNetwork(3, 4, 1e-3, 2, _generator()), [(5, 8, 3), (5, 8, 3)]),
}


def _step(module: Network, batch: list[torch.Tensor]) -> Any:
    loss: Any = module.training_step(tuple(batch), 0)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    return loss


@pytest.mark.parametrize("name", NETWORKS)
def test_a_training_step_stays_on_the_device_of_its_network(name: str) -> None:
    make, shapes = NETWORKS[name]
    module = make().to("meta")
    loss = _step(module, [torch.ones(shape, device="meta") for shape in shapes])
    assert loss.device.type == "meta"
    assert {weight.device.type for weight in module.parameters()} == {"meta"}
    assert all(weight.grad is not None and weight.grad.device.type == "meta" for weight in module.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_an_optimizer_moves_the_weights_of_its_network(name: str) -> None:
    make, shapes = NETWORKS[name]
    module = make()
    before = [weight.detach().clone() for weight in module.parameters()]
    chosen: Any = module.configure_optimizers()
    _step(module, [torch.ones(shape) for shape in shapes])
    (chosen["optimizer"] if isinstance(chosen, dict) else chosen).step()
    assert any(not torch.equal(old, new) for old, new in zip(before, module.parameters(), strict=True))


def test_a_tensor_of_another_device_would_be_noticed() -> None:
    make, shapes = NETWORKS["autoencoder"]
    batch = [torch.ones(shapes[0], device="meta"), torch.ones(shapes[1])]
    with pytest.raises(RuntimeError, match="device"):
        _step(make().to("meta"), batch)


def test_no_module_names_an_accelerator() -> None:
    named = {
        str(path.relative_to(PACKAGE)): found
        for path in sorted(PACKAGE.rglob("*.py"))
        if (found := HARD_CODED.findall(path.read_text(encoding="utf-8")))
    }
    assert named == {}
