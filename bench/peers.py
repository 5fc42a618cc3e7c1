"""The peers: LSTMs of neuralforecast and darts, in an environment of their own, told what to do line by line.

`python -m bench.peers` reads a task in JSON from each line of its input and answers in JSON; `PEERS` names who
can be asked. It needs nothing of edgeresearch. One thread, on the CPU. All get the same standardised series, window,
hidden width, learning rate (3e-3), batch of 128 windows and squared error, one LSTM layer with a linear head, and Adam
over each window once an epoch, or over as many; progress bars, logs, checkpoints and summaries are off, which spares
them time. What else they leave open is theirs:

- neuralforecast's LSTM counts steps, not epochs: it draws its 128 windows for each of as many steps as an epoch has
  batches. By default it scales each window robustly and learns from a window's last step.
- darts' RNNModel learns from every step of a window, as the project's LSTM does of longer sequences; it forecasts by
  reading the window step by step. darts' BlockRNNModel learns from a window's last step.

Their predictions are made by `predict` on one window, of which the frame or series is made beforehand; their test error
is that of `predict` on every window of the test part at once, or of darts' `historical_forecasts`.
"""

import importlib
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from importlib.metadata import version
from typing import Any, Protocol, TextIO

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy is loaded

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
import pandas as pd  # noqa: E402

from bench.timing import Spent, spent  # noqa: E402

RATE, BATCH = 3e-3, 128
QUIET = {
    "accelerator": "cpu",
    "enable_checkpointing": False,
    "enable_model_summary": False,
    "enable_progress_bar": False,
    "logger": False,
}
"""For Lightning's trainer, which both libraries use."""
PACKAGES = ("darts", "neuralforecast", "numpy", "pytorch-lightning", "torch")
LOGGERS = ("pytorch_lightning", "lightning", "lightning_fabric", "darts", "neuralforecast")
Values = npt.NDArray[np.float64]


class Peer(Protocol):
    """A model, made for a window, a width, epochs and a seed."""

    def fit(self, values: Values) -> object:
        """Train on every window of a standardised series."""
        ...

    def one(self, window: Values) -> Callable[[], float]:
        """Return what forecasts the value after a window."""
        ...

    def after(self, values: Values, cut: int) -> Values:
        """Forecast each value from `cut` on out of the window before it."""
        ...


class Neural:
    """neuralforecast's LSTM."""

    def __init__(self, *, window: int, hidden: int, epochs: int, seed: int) -> None:
        self.window, self.hidden, self.epochs, self.seed = window, hidden, epochs, seed

    def fit(self, values: Values) -> object:
        library, models, losses = (
            importlib.import_module(f"neuralforecast{part}") for part in ("", ".models", ".losses.pytorch")
        )
        batches = -(-(len(values) - self.window) // BATCH)
        model = models.LSTM(
            h=1, input_size=self.window, encoder_n_layers=1, encoder_hidden_size=self.hidden, decoder_layers=1,
            loss=losses.MSE(), max_steps=self.epochs * batches, learning_rate=RATE, windows_batch_size=BATCH,
            random_seed=self.seed, **QUIET,
        )  # fmt: skip
        self.made: Any = library.NeuralForecast(models=[model], freq=1)
        self.made.fit(frame([values]))
        return self.made

    def one(self, window: Values) -> Callable[[], float]:
        known = frame([window])
        return lambda: float(self.made.predict(df=known)["LSTM"].iloc[0])

    def after(self, values: Values, cut: int) -> Values:
        windows = np.lib.stride_tricks.sliding_window_view(values[cut - self.window : -1], self.window)
        forecast: Values = self.made.predict(df=frame(windows))["LSTM"].to_numpy(dtype=np.float64)
        return forecast


class Darts:
    """A recurrent model of darts: `RNNModel` or `BlockRNNModel`."""

    def __init__(self, kind: str, *, window: int, hidden: int, epochs: int, seed: int) -> None:
        self.kind, self.window, self.hidden, self.epochs, self.seed = kind, window, hidden, epochs, seed

    def fit(self, values: Values) -> object:
        models: Any = importlib.import_module("darts.models")
        own: dict[str, Any] = {"training_length": self.window}
        if self.kind == "BlockRNNModel":
            own = {"output_chunk_length": 1}
        self.made: Any = getattr(models, self.kind)(
            model="LSTM", input_chunk_length=self.window, hidden_dim=self.hidden, n_rnn_layers=1,
            n_epochs=self.epochs, batch_size=BATCH, optimizer_kwargs={"lr": RATE}, random_state=self.seed,
            pl_trainer_kwargs=QUIET, **own,
        )  # fmt: skip
        self.made.fit(series(values), verbose=False)
        return self.made

    def one(self, window: Values) -> Callable[[], float]:
        known = series(window)
        return lambda: float(self.made.predict(1, series=known, verbose=False, show_warnings=False).values()[0, 0])

    def after(self, values: Values, cut: int) -> Values:
        made = self.made.historical_forecasts(
            series(values), start=cut, start_format="position", forecast_horizon=1, retrain=False,
            verbose=False, show_warnings=False,
        )  # fmt: skip
        forecast: Values = made.values()[:, 0].astype(np.float64)
        return forecast


PEERS: Mapping[str, Callable[..., Peer]] = {
    "neuralforecast's LSTM": Neural,
    "darts' RNNModel": partial(Darts, "RNNModel"),
    "darts' BlockRNNModel": partial(Darts, "BlockRNNModel"),
}


def frame(parts: Iterable[Values]) -> pd.DataFrame:
    """Return series as neuralforecast takes them, numbered."""
    given = list(parts)
    lengths = [len(part) for part in given]
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(len(given)), lengths),
            "ds": np.concatenate([np.arange(length) for length in lengths]),
            "y": np.concatenate(given).astype(np.float32),
        }
    )


def series(values: Values) -> Any:
    """Return a series as darts takes it."""
    return importlib.import_module("darts").TimeSeries.from_values(values.astype(np.float32))


def answers(tasks: Iterable[str]) -> Iterator[dict[str, object]]:
    """Do one task after another; a model stays until another is fitted.

    A task is `{"do": "about"}`, `{"do": "fit", "peer", "values", "cut", "window", "hidden", "epochs", "seed"}` with
    standardised values of which those before `cut` are learnt, or `{"do": "predict", "calls"}`, of one window.
    """
    model: Peer | None = None
    window: Values = np.empty(0)
    for line in tasks:
        task = json.loads(line)
        if task["do"] == "about":
            yield {"versions": {name: version(name) for name in PACKAGES}}
        elif task["do"] == "fit":
            importlib.import_module("torch").set_num_threads(1)
            values, cut = np.array(task["values"]), task["cut"]
            settings = {name: task[name] for name in ("window", "hidden", "epochs", "seed")}
            model, window = PEERS[task["peer"]](**settings), values[cut - task["window"] : cut]
            took = spent(partial(model.fit, values[:cut]))
            forecast = model.after(values, cut)
            yield {**_told(took), "mse": float(np.mean((forecast - values[cut:]) ** 2)), "forecasts": len(forecast)}
        else:
            assert model is not None, "fit comes before predict"
            call = model.one(window)
            call()
            yield _told(spent(call, task["calls"]))


def _told(took: Spent) -> dict[str, object]:
    return {"cpu": took.cpu, "wall": took.wall}


def main(tasks: TextIO, out: TextIO) -> None:
    """Answer until the input ends."""
    warnings.simplefilter("ignore")
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    for answer in answers(tasks):
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    answered = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is no answer
    main(sys.stdin, answered)
