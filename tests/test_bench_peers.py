import io
import json
import logging
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from bench import forecasters, peers

ABOUT = json.dumps({"do": "about"})


class Last:
    """A peer that forecasts the last value."""

    def __init__(self, *, window: int, hidden: int, epochs: int, seed: int) -> None:
        self.settings = window, hidden, epochs, seed
        self.called = 0

    def fit(self, values: peers.Values) -> object:
        assert len(values) == 8
        assert self.settings == (3, 4, 2, 7)
        return self

    def one(self, window: peers.Values) -> Callable[[], float]:
        assert window.tolist() == [5.0, 6.0, 7.0]

        def call() -> float:
            self.called += 1
            return float(window[-1])

        return call

    def after(self, values: peers.Values, cut: int) -> peers.Values:
        return values[cut - 1 : -1]


@pytest.fixture
def last(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Last]]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    made: list[Last] = []

    def make(**settings: int) -> Last:
        made.append(Last(**settings))
        return made[-1]

    monkeypatch.setattr(peers, "PEERS", {"last": make})
    yield made
    torch.set_num_threads(threads)


def _fit(values: list[float]) -> str:
    settings = {"window": 3, "hidden": 4, "epochs": 2, "seed": 7}
    return json.dumps({"do": "fit", "peer": "last", "values": values, "cut": 8, **settings})


def test_tasks_are_done_one_after_another(last: list[Last]) -> None:
    predict = json.dumps({"do": "predict", "calls": 5})
    told = list(peers.answers([_fit([*range(8), 9, 13]), predict, _fit([*range(12)])]))
    assert [set(answer) for answer in told] == [{"cpu", "wall", "mse", "forecasts"}, {"cpu", "wall"}, set(told[0])]
    assert torch.get_num_threads() == 1
    assert told[0]["mse"] == (2**2 + 4**2) / 2
    assert (told[0]["forecasts"], told[2]["forecasts"]) == (2, 4)
    assert told[2]["mse"] == 1.0
    assert [each.called for each in last] == [5 + 1, 0]  # one of them warms up
    assert all(float(str(answer[name])) >= 0 for answer in told for name in ("cpu", "wall"))


def test_an_answer_comes_before_the_next_task_is_read(last: list[Last]) -> None:
    read: list[int] = []

    def tasks() -> Iterator[str]:
        for number in range(2):
            read.append(number)
            yield _fit([*range(10)])

    answers = peers.answers(tasks())
    next(answers)
    assert read == [0]
    next(answers)
    assert read == [0, 1]
    assert len(last) == 2


def test_a_forecast_needs_a_fit() -> None:
    with pytest.raises(AssertionError, match="fit comes before predict"):
        next(peers.answers([json.dumps({"do": "predict", "calls": 1})]))


def test_lines_in_lines_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "PACKAGES", ("numpy",))
    out, level = io.StringIO(), logging.getLogger("darts").level
    try:
        peers.main(io.StringIO(f"{ABOUT}\n{ABOUT}\n"), out)
    finally:
        for name in peers.LOGGERS:
            logging.getLogger(name).setLevel(level)
    lines = out.getvalue().splitlines()
    assert [json.loads(line) for line in lines] == [{"versions": {"numpy": np.__version__}}] * 2


def test_a_frame_has_each_series_under_its_number() -> None:
    table = peers.frame([np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0])])
    assert table["unique_id"].tolist() == [0, 0, 1, 1, 1]
    assert table["ds"].tolist() == [0, 1, 0, 1, 2]
    assert table["y"].tolist() == [1, 2, 3, 4, 5]
    assert table["y"].dtype == np.float32


def test_both_sides_name_the_same_peers() -> None:
    assert tuple(peers.PEERS) == forecasters.PEERS
    for make in peers.PEERS.values():
        model = make(window=60, hidden=32, epochs=10, seed=0)
        assert {type(model)} <= {peers.Neural, peers.Darts}


def test_the_lock_names_one_version_of_each_package() -> None:
    lines = (forecasters.ROOT / "bench" / "peers.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert len(pins) > 50
    assert set(peers.PACKAGES) <= set(pins)
    assert not any("+" in version or " " in version for version in pins.values())
    known = (forecasters.ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    theirs = dict(line.split("==")[:2] for line in known if "==" in line)
    shared = {name for name in peers.PACKAGES if name in theirs}
    assert shared == {"numpy", "pytorch-lightning", "torch"}
    assert all(pins[name] == theirs[name] for name in shared), "both sides run on the same"
