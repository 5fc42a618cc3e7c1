import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeresearch.anomaly.identity import Autoencoder
from edgeresearch.anomaly.samples import Array
from edgeresearch.emulator import measure as module
from edgeresearch.emulator.measure import Run, Subject, machine, measure, processor, work
from edgeresearch.errors import InputError, RunError

ROWS = np.zeros((20, 2))


@dataclass(frozen=True)
class Busy:
    """Takes CPU time for a training, and fails where it is told to."""

    cpu: float = 0.02
    fails: bool = False

    def fit(self, samples: Any, *, seed: int, start: Any = None, accelerator: str = "auto") -> Any:
        if self.fails:
            raise SystemExit(3)
        begin = time.process_time()
        while time.process_time() - begin < self.cpu:
            pass


@dataclass
class Spy:
    """A throttle that only remembers."""

    name: str = "spy"
    seen: list[tuple[int, float]] = field(default_factory=list)
    active: int = 0

    @contextmanager
    def limited(self, pid: int, millicores: float) -> Iterator[None]:
        self.seen.append((pid, millicores))
        self.active += 1
        yield
        self.active -= 1


@dataclass
class Recorder:
    """An identity function that remembers its trainings; for the worker in this process."""

    seen: list[tuple[Array, int]] = field(default_factory=list)

    def fit(self, samples: Any, *, seed: int, start: Any = None, accelerator: str = "auto") -> Any:
        self.seen.append((samples, seed))


@pytest.fixture(scope="module")
def measured() -> tuple[dict[str, list[Run]], Spy, list[str]]:
    spy, told = Spy(), list[str]()
    subjects = {"one": Subject(Busy(0.02), ROWS), "two": Subject(Busy(0.3), ROWS)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LEAST", 0.05)
        found = measure(subjects, limits=[300, 100, 200], repeats=2, throttle=spy, seed=1, tell=told.append)
    return found, spy, told


def test_every_limit_and_repeat_once(measured: tuple[dict[str, list[Run]], Spy, list[str]]) -> None:
    found, spy, told = measured
    for runs in found.values():
        assert [(run.limit, run.repeat) for run in runs] == [(r, k) for r in (100.0, 200.0, 300.0) for k in (0, 1)]
    assert len(spy.seen) == len(told) == 12
    assert spy.active == 0
    assert len({pid for pid, _ in spy.seen}) == 1, "one process trains all"


def test_times_are_those_of_one_training(measured: tuple[dict[str, list[Run]], Spy, list[str]]) -> None:
    found, _, _ = measured
    for run in found["one"]:
        assert run.trainings > 1, "a short training is done several times in a row"
        assert 0.02 <= run.cpu_seconds < 0.2
    for run in found["two"]:
        assert run.trainings == 1
        assert 0.3 <= run.cpu_seconds <= run.seconds * 1.01
        assert run.load >= 0


def test_the_order_is_drawn_within_a_repeat(measured: tuple[dict[str, list[Run]], Spy, list[str]]) -> None:
    _, _, told = measured
    first, second = ([line.split(": ")[1] for line in told[6 * k : 6 * k + 6]] for k in (0, 1))
    assert sorted(first) == sorted(second)
    assert first != second
    assert all(line.startswith("repeat 1 of 2") for line in told[:6])


@pytest.mark.parametrize(
    "options",
    [
        {"subjects": {}},
        {"limits": []},
        {"repeats": 0},
        {"limits": [100, 100]},
    ],
)
def test_nothing_to_measure(options: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"subjects": {"one": Subject(Busy(), ROWS)}, "limits": [100], "repeats": 1}
    with pytest.raises(InputError, match="name at least one model and one limit"):
        measure(**(usual | options), throttle=Spy())


def test_a_training_that_fails_is_told() -> None:
    with pytest.raises(RunError, match="the process that trains ended"):
        measure({"one": Subject(Busy(fails=True), ROWS)}, limits=[100], repeats=1, throttle=Spy())


def test_the_worker_trains_on_order_and_ends() -> None:
    ours, theirs = Pipe()
    recorder = Recorder()
    for order in (("one", 7, 1), ("one", 8, 3), None):
        ours.send(order)
    work(theirs, {"one": Subject(recorder, ROWS)})
    assert [seed for _, seed in recorder.seen] == [7, 8, 8, 8]
    assert all(samples is ROWS for samples, _ in recorder.seen)
    for _ in range(2):
        seconds, used = ours.recv()
        assert 0 <= used <= seconds + 0.05
    assert not ours.poll()


def test_the_worker_trains_the_real_thing() -> None:
    ours, theirs = Pipe()
    rows = np.random.default_rng(0).normal(size=(200, 3))
    for order in (("autoencoder", 7, 1), None):
        ours.send(order)
    work(theirs, {"autoencoder": Subject(Autoencoder(epochs=1), rows)})
    seconds, used = ours.recv()
    assert 0 < used <= seconds * 1.5


def test_the_machine_is_described() -> None:
    found = machine()
    assert set(found) == {"processor", "cores", "system", "python", "torch", "pytorch_lightning"}
    assert found["cores"] >= 1
    assert all(found.values())


def test_the_processor_as_linux_names_it(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("processor : 0\nmodel name\t: Intel(R) N100\nmodel name\t: other\n")
    assert processor(path) == "Intel(R) N100"
    path.write_text("processor : 0\n")
    assert processor(path) == ""
    assert processor(tmp_path / "none") == ""
