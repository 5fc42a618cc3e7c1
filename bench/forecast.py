"""What is measured: fits, one forecast from a window, one streaming step, a batch."""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from bench import plain
from bench.timing import Row, in_turn, seconds
from edgeresearch.data import synthetic
from edgeresearch.data.trace import make_targets
from edgeresearch.forecasting.lstm import PaperLSTM, ResidualLSTM
from edgeresearch.nn import SequenceLSTM

WINDOW = 60
HIDDEN = 32
ONE = ("ridge",)


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    steps: int = 6048
    epochs: int = 10
    repeats: int = 7
    calls: int = 500


QUICK = Size(steps=2000, epochs=2, repeats=3, calls=50)


def rows(size: Size) -> Iterator[Row]:
    """Measure one thing after another, on one thread."""
    torch.set_num_threads(1)
    values = synthetic.draw_request_rate(np.random.default_rng(0), like="wiki_de", steps=size.steps).values.to_numpy()
    yield from _fits(values, size)
    yield from _calls(values, size)


def _fits(values: np.ndarray, size: Size) -> Iterator[Row]:
    cut = round(0.8 * len(values))
    table, wanted = values[:, None], make_targets(values, [1])[:, 0]
    mean, scale = values[:cut].mean(), values[:cut].std()
    scaled = (values - mean) / scale
    times: tuple[list[float], list[float]] = ([], [])
    errors: tuple[list[float], list[float]] = ([], [])
    whole: list[float] = []
    for seed in range(size.repeats):
        kept = {"members": 1, "bases": ONE, "patience": size.epochs}  # every epoch is run, none is saved by stopping
        ours = ResidualLSTM(WINDOW, HIDDEN, size.epochs, random_state=seed, **kept)
        theirs: list[plain.PlainLSTM] = []
        times[0].append(seconds(lambda model=ours: model.fit(table[:cut], np.r_[wanted[: cut - 1], np.nan])))
        settings = {"window": WINDOW, "hidden": HIDDEN, "epochs": size.epochs, "seed": seed}
        times[1].append(seconds(lambda to=theirs, how=settings: to.append(plain.fit(scaled[:cut], **how))))
        full = ResidualLSTM(WINDOW, HIDDEN, size.epochs, random_state=seed)
        whole.append(seconds(lambda model=full: model.fit(table[:cut], np.r_[wanted[: cut - 1], np.nan])))
        forecast = ours.predict(table)[cut - 1 : -1]
        other = plain.predict(theirs[0], scaled, WINDOW)[cut - WINDOW :] * scale + mean
        errors[0].append(float(np.mean((forecast - values[cut:]) ** 2)))
        errors[1].append(float(np.mean((other - values[cut:]) ** 2)))
    how = f"{cut} steps, {size.epochs} epochs, hidden {HIDDEN}"
    peer = "plain torch, sliding window"
    yield Row("fit of the project's LSTM", how, peer, *times, bound=1 / 5)
    yield Row("fit with all members and variants", how, peer, whole, times[1])
    yield Row("test error of the project's LSTM", how, peer, *errors, bound=1.0, unit="mse")


def _calls(values: np.ndarray, size: Size) -> Iterator[Row]:
    table, wanted = values[:, None], make_targets(values, [1])[:, 0]
    paper = PaperLSTM(WINDOW, HIDDEN, epochs=1, random_state=0).fit(table[:1000], wanted[:1000])
    project = ResidualLSTM(WINDOW, HIDDEN, epochs=1, bases=ONE, random_state=0).fit(table[:1000], wanted[:1000])
    single = ResidualLSTM(WINDOW, HIDDEN, epochs=1, members=1, bases=ONE, random_state=0)
    single.fit(table[:1000], wanted[:1000])
    window = torch.from_numpy(((values[:WINDOW] - paper.mean_) / paper.scale_).astype(np.float32))[None, :, None]
    often = {"repeats": size.repeats, "number": size.calls}

    def bare(module: torch.nn.Module = paper.module_, inputs: torch.Tensor = window) -> torch.Tensor:
        with torch.inference_mode():
            return module(inputs)

    streams = {}
    for name, model in (("paper", paper), ("project", project), ("single", single)):
        streams[name] = model.stream()
        for row in table[:WINDOW]:
            streams[name].update(row)
    newest = table[WINDOW]

    def step(name: str) -> np.ndarray:
        return streams[name].update(newest)

    one = f"1 window of {WINDOW}, hidden {HIDDEN}"
    yield Row(
        "forecast of the paper's LSTM",
        one,
        "torch's bare call",
        *in_turn(lambda: step("paper"), bare, **often),
        bound=1.5,
    )
    session = _onnx(paper.module_, window)
    if session is not None:
        yield Row("forecast by onnxruntime", one, "torch's bare call", *in_turn(session, bare, **often), bound=0.5)
    again = in_turn(lambda: step("project"), lambda: project.predict(table[:WINDOW]), **often)
    yield Row(
        "streaming step, 3 members",
        "1 step",
        f"the same networks, from scratch over {WINDOW} steps",
        *again,
        bound=1 / 4,
    )
    twin, inputs = _twin(project), torch.zeros(1, WINDOW, len(project.residual_target_.centre))
    fresh = in_turn(lambda: step("project"), lambda: bare(twin, inputs), **often)
    yield Row(
        "streaming step, 3 members", "1 step", f"torch's bare call, {WINDOW} steps, 3 members", *fresh, bound=1 / 4
    )
    alone = in_turn(lambda: step("single"), bare, **often)
    yield Row("streaming step, 1 member", "1 step", f"torch's bare call, {WINDOW} steps", *alone, bound=1 / 4)
    batch = in_turn(lambda: project.predict(table), lambda: paper.predict(table), repeats=size.repeats, number=1)
    yield Row("batch forecast of the project's LSTM", f"{len(table)} steps", "the paper's LSTM, every window", *batch)


def _twin(model: ResidualLSTM) -> SequenceLSTM:
    """A torch module of the size of a fitted model's networks."""
    return SequenceLSTM(
        len(model.residual_target_.centre),
        model.hidden,
        model.targets_,
        members=model.members,
        loss="mse",
        delta=1.0,
        learning_rate=1e-3,
        weight_decay=0.0,
        total_steps=1,
        warm_up=0,
        generator=torch.Generator().manual_seed(0),
    ).eval()


def onnx_missing() -> str:
    """The modules that the row of onnxruntime lacks."""
    return ", ".join(name for name in ("onnx", "onnxruntime", "onnxscript") if importlib.util.find_spec(name) is None)


def _onnx(module: torch.nn.Module, window: torch.Tensor) -> Callable[[], object] | None:
    if onnx_missing():
        return None
    import onnxruntime

    twin = plain.PlainLSTM(HIDDEN)
    twin.load_state_dict(module.state_dict())
    program = torch.onnx.export(twin.eval(), (window,), dynamo=True, verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    weights = program.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: window.numpy()}
    return lambda: session.run(None, feed)
