"""What is measured: fits and forecasts of the project's LSTM beside those of neuralforecast and darts.

They run in an environment and a process of their own (`bench.peers`, which says how they are set up); ours and theirs
are timed in turn, while the other waits. Ours is one member that corrects a ridge regression, of the same width and
shown every epoch, first without the rows that validate, then with them: the same as in `bench.forecast`. A forecast is
claimed to be fast as the package serves it, by the live twin that takes the newest value; `predict` forecasts from each
row of a window, from nothing, where theirs forecast from the last alone: that row has no claim.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.forecast import HIDDEN, ONE, WINDOW
from bench.timing import Row, Spent, both, spent
from edgeresearch.data import synthetic
from edgeresearch.data.trace import make_targets
from edgeresearch.errors import InputError
from edgeresearch.forecasting.lstm import ResidualLSTM

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-peers" / "bin" / "python"
"""Of the peers' environment."""
PEERS = ("neuralforecast's LSTM", "darts' RNNModel", "darts' BlockRNNModel")
FIT, ERROR, ONE_FORECAST = 1 / 5, 1.0, 1 / 25
"""Largest ratios that are claimed."""
OFTEN = 20
"""So many calls of ours are timed for each of theirs, as they are so much shorter."""


@dataclass(frozen=True)
class Size:
    """How much is measured; `calls` are forecasts of theirs."""

    steps: int = 6048
    epochs: int = 10
    repeats: int = 5
    calls: int = 50


QUICK = Size(steps=800, epochs=1, repeats=2, calls=3)


class Asked:
    """A process that runs `bench.peers`."""

    def __init__(self, python: Path, process: "subprocess.Popen[str]", said: Path) -> None:
        self.python, self.process, self.said = python, process, said

    def ask(self, **task: Any) -> dict[str, Any]:
        """Return its answer to a task.

        Raises:
            InputError: There is none; the message has the last that it said.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(json.dumps(task), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
            with suppress(BrokenPipeError):  # what was not sent
                self.process.stdin.close()
        if not line:
            last = (self.said.read_text(encoding="utf-8").strip().splitlines() or ["nothing"])[-1]
            raise InputError(f"{self.python}: the peers' process ended: {last}; `make bench-peers` may mend it")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def spent(self, **task: Any) -> Spent:
        """Return what the task took."""
        answer = self.ask(**task)
        return Spent(answer["cpu"], answer["wall"])


@contextmanager
def asked(python: Path) -> Iterator[Asked]:
    """Start the process; it ends with the block."""
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said.txt"
        with (
            said.open("w", encoding="utf-8") as file,
            subprocess.Popen(
                [python, "-m", "bench.peers"],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True,
            ) as process,
        ):  # fmt: skip
            yield Asked(python, process, said)


def peers_missing() -> str | None:
    """Return what is missing where the peers' environment is."""
    return None if PYTHON.is_file() else f"the environment {PYTHON.parents[1].name}"


def about() -> dict[str, object]:
    """Return the versions in the peers' environment."""
    if peers_missing():
        return {}
    with asked(PYTHON) as other:
        return {"peers": other.ask(do="about")["versions"]}


def rows(size: Size) -> Iterator[Row]:
    """Measure one peer after another, on one thread."""
    if peers_missing():
        return
    torch.set_num_threads(1)
    values = synthetic.draw_request_rate(np.random.default_rng(0), like="wiki_de", steps=size.steps).values.to_numpy()
    with asked(PYTHON) as other:
        for peer in PEERS:
            other.ask(**_task(peer, values[:400], epochs=1, seed=0))  # imports, and first calls that set things up
            yield from _peer(other, peer, values, size)


def cut(values: np.ndarray) -> int:
    """Return the first step of the test part."""
    return round(0.8 * len(values))


def _task(peer: str, values: np.ndarray, *, epochs: int, seed: int) -> dict[str, object]:
    first = cut(values)
    scaled = (values - values[:first].mean()) / values[:first].std()
    settings = {"window": WINDOW, "hidden": HIDDEN, "epochs": epochs, "seed": seed}
    return {"do": "fit", "peer": peer, "values": scaled.tolist(), "cut": first, **settings}


def _peer(other: Asked, peer: str, values: np.ndarray, size: Size) -> Iterator[Row]:
    first, table = cut(values), values[:, None]
    wanted = make_targets(values, [1])[:, 0]
    fits: list[tuple[Spent, Spent]] = []
    whole: list[tuple[Spent, Spent]] = []
    errors: list[tuple[float, float]] = []
    calls: tuple[list[tuple[Spent, Spent]], ...] = ([], [])
    for seed in range(size.repeats):
        ours = ResidualLSTM(
            WINDOW, HIDDEN, size.epochs, members=1, bases=ONE, random_state=seed,
            patience=size.epochs,  # every epoch is run, none is saved by stopping
        )  # fmt: skip
        full = ResidualLSTM(WINDOW, HIDDEN, size.epochs, random_state=seed)
        known = (table[:first], np.r_[wanted[: first - 1], np.nan])
        mine = spent(partial(ours.fit, *known))
        answer = other.ask(**_task(peer, values, epochs=size.epochs, seed=seed))
        theirs = Spent(answer["cpu"], answer["wall"])
        fits.append((mine, theirs))
        whole.append((spent(partial(full.fit, *known)), theirs))
        forecast = ours.predict(table)[first - 1 : -1]
        mse = answer["mse"] * float(values[:first].var())
        errors.append((float(np.mean((forecast - values[first:]) ** 2)), mse))
        for pairs, call in zip(calls, _forecasts(ours, table[first - WINDOW : first]), strict=True):
            call()
            pairs.append((spent(call, OFTEN * size.calls), other.spent(do="predict", calls=size.calls)))
    how, one = f"{first} steps, {size.epochs} epochs, hidden {HIDDEN}", f"1 window of {WINDOW}, hidden {HIDDEN}"
    yield both("fit of the project's LSTM", how, peer, fits, FIT)
    yield both("fit with all members and variants", how, peer, whole)
    mine_mse, their_mse = zip(*errors, strict=True)
    yield Row("test error of the project's LSTM", how, peer, mine_mse, their_mse, ERROR, "mse")
    yield both("one forecast, as the newest value comes", one, peer, calls[0], ONE_FORECAST)
    yield both("forecasts from every row of a window", one, peer, calls[1])


def _forecasts(model: ResidualLSTM, window: np.ndarray) -> Sequence[Any]:
    """Two ways to the newest forecast: the live twin takes a value; `predict` reads a window."""
    stream = model.stream()
    for row in window:
        stream.update(row)
    return partial(stream.update, window[-1]), partial(model.predict, window)
