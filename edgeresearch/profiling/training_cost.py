"""How long trainings take under CPU limits: measured on this machine, and eq. 1 of Paper B fitted to it."""

import json
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from edgeresearch import provenance
from edgeresearch.anomaly.settings import AutoencoderIdentity, LSTMIdentity
from edgeresearch.data import datasets
from edgeresearch.data.trace import Trace
from edgeresearch.errors import InputError, RunError
from edgeresearch.io import write_json
from edgeresearch.profiling.cpu_limit import PERIOD, Throttle, choose_throttle
from edgeresearch.profiling.settings import CalibrationPlan
from edgeresearch.scheduling.runtime_model import Curve, fit
from edgeresearch.settings import Section, parsed

if TYPE_CHECKING:
    from edgeresearch.anomaly.base import Array, Identity

MIN_CPU_SECONDS = 1.0
"""CPU seconds of a run: a training that needs less is done several times in a row, or the length of a quota's period
would show in its time."""
MIN_LIMITS = 4
"""Different limits that it takes: one inside is held out, and three identify the parameters of eq. 1."""
MIN_GRANTED = 0.9
"""Share of its limit that a process should have had of the CPU; with less, other work was in the way."""
_LSTM, _AUTOENCODER, _PLAN = LSTMIdentity(), AutoencoderIdentity(), CalibrationPlan()


class Run(Section):
    """A training measured under a limit, or the mean of several in a row.

    Attributes:
        limit: In millicores.
        repeat: From 0.
        seconds: Of a training.
        cpu_seconds: What the process had of them.
        trainings: How many were done in a row.
        load: Processes that wanted to run on the machine, averaged over the minute before.
    """

    limit: PositiveFloat
    repeat: NonNegativeInt
    seconds: PositiveFloat
    cpu_seconds: NonNegativeFloat
    trainings: PositiveInt
    load: NonNegativeFloat


class FittedCurve(Section):
    """Eq. 1: t = a (R + b)^-c + d, R in millicores, t in seconds."""

    a: PositiveFloat
    b: NonNegativeFloat
    c: PositiveFloat
    d: NonNegativeFloat

    def seconds(self, limit: float) -> float:
        """Return the time of a training under `limit` millicores."""
        return Curve(self.a, self.b, self.c, self.d).seconds(limit)


class Deviation(Section):
    """How far eq. 1 is off on runs that its fit did not see: median and largest of the absolute relative errors."""

    median_percent: NonNegativeFloat
    worst_percent: NonNegativeFloat
    runs: PositiveInt


class Extrapolation(Deviation):
    """The same at a `limit` (in millicores) that lies by a `factor` outside of those that the fit saw."""

    limit: PositiveFloat
    factor: Annotated[float, Field(ge=1)]


class SampledRange(Section):
    """Where eq. 1 rests on measurements; elsewhere it extrapolates.

    Attributes:
        low, high: Smallest and largest measured limit, in millicores.
        below, above: Deviation at the smallest and at the largest limit, each fitted on the others.
    """

    low: PositiveFloat
    high: PositiveFloat
    below: Extrapolation
    above: Extrapolation


class ModelCalibration(Section):
    """Training times of one identity function.

    Attributes:
        curve: Eq. 1, fitted to all runs.
        held_out_limits: Inside the sampled limits: each limit but the outermost held out in turn.
        held_out_repeats: Each repeat held out in turn; None with one repeat.
        sampled: Where the curve rests on measurements.
        noise: Standard deviation of the logarithm of a run's duration around the curve.
        granted: Median share of its limit that a run had of the CPU.
        data: Series that it was trained on.
        real: Whether that series is the published one.
        runs: All runs.
    """

    curve: FittedCurve
    held_out_limits: Deviation
    held_out_repeats: Deviation | None
    sampled: SampledRange
    noise: NonNegativeFloat
    granted: NonNegativeFloat
    data: str
    real: bool
    runs: tuple[Run, ...]


class Calibration(Section):
    """Contents of `data/calibration.json`.

    Attributes:
        throttle: How limits were kept.
        period: Seconds in which they were kept.
        machine: What it was measured on.
        load: Lowest, median and highest load of the machine during the measurement.
        samples: Cached samples of a training.
        models: By name of the identity function.
    """

    throttle: str
    period: PositiveFloat
    machine: dict[str, Any]
    load: tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat]
    samples: PositiveInt
    models: Annotated[dict[str, ModelCalibration], Field(min_length=1)]

    def rounded(self) -> dict[str, Any]:
        """Return plain values for JSON, floats with six significant digits."""
        plain: dict[str, Any] = _round_floats(self.model_dump(mode="json"))
        return plain

    def table(self) -> pd.DataFrame:
        """Return a row per model and limit: median of the measured seconds, eq. 1, and how far it is off in percent."""
        rows: list[dict[str, Any]] = []
        for name, each in self.models.items():
            for limit in sorted({run.limit for run in each.runs}):
                seconds = float(np.median([run.seconds for run in each.runs if run.limit == limit]))
                predicted = each.curve.seconds(limit)
                off = 100 * (predicted / seconds - 1)
                rows.append({"model": name, "millicores": limit, "seconds": seconds, "eq. 1": predicted, "off %": off})
        return pd.DataFrame(rows)

    def notes(self) -> list[str]:
        """Say of each model how far eq. 1 holds, and how busy the machine was."""
        notes = []
        for name, each in self.models.items():
            inside, region = each.held_out_limits, each.sampled
            notes.append(
                f"{name}: limits held out are off by {inside.median_percent:.1f} % (median; worst "
                f"{inside.worst_percent:.1f} %); outside of {region.low:g} to {region.high:g} millicores eq. 1 "
                f"extrapolates: {region.below.limit:g} from the others is off by {region.below.median_percent:.1f} %, "
                f"{region.above.limit:g} by {region.above.median_percent:.1f} %"
            )
            if each.granted < MIN_GRANTED:
                notes.append(
                    f"note: {name} had {100 * each.granted:.0f} % of its limits, so these times are too long; measure "
                    "again when the machine is idle"
                )
        low, median, high = self.load
        cores = self.machine["cores"]
        return [*notes, f"load of the machine: {median:.1f} (from {low:.1f} to {high:.1f}) on {cores} cores"]


@dataclass(frozen=True)
class TrainingJob:
    """What is trained: an identity function on the cached samples, `(samples, channels)`."""

    identity: "Identity"
    samples: "Array"


def calibrate(
    folder: str | Path,
    out: str | Path,
    *,
    plan: CalibrationPlan = _PLAN,
    throttle: str = "auto",
    seed: int = 0,
    lstm: LSTMIdentity = _LSTM,
    autoencoder: AutoencoderIdentity = _AUTOENCODER,
    progress: Callable[[str], None] | None = None,
) -> Calibration:
    """Measure the trainings of both identity functions on this machine, and write the file if all went well.

    As in Paper B the LSTM is trained on a traffic stream, the autoencoder on a pollution stream: the first sensor's.

    Args:
        folder: The data folder that `fetch` filled.
        out: The file, such as `data/calibration.json`.
        plan: What is measured; at least `MIN_LIMITS` limits.
        throttle: How limits are kept, one of `cpu_limit.METHODS`.
        seed: Of the order and the trainings.
        lstm: The one identity function.
        autoencoder: The other.
        progress: Receives a line before each training.

    Raises:
        InputError: The data is missing or shorter, a setting makes no sense, or the file cannot be written.
        RunError: A training failed.
    """
    _check_limits(plan.limits)
    traces = {
        "lstm": _first_sensor(folder, "traffic", plan.samples),
        "autoencoder": _first_sensor(folder, "pollution", plan.samples),
    }
    identities: dict[str, Identity] = {"lstm": lstm, "autoencoder": autoencoder}
    jobs = {name: TrainingJob(identities[name], traces[name].frame.to_numpy()[: plan.samples]) for name in traces}
    chosen = choose_throttle(throttle)
    measured = measure(jobs, plan.limits, plan.repeats, throttle=chosen, seed=seed, progress=progress)
    loads = [run.load for runs in measured.values() for run in runs]
    versions = provenance.versions(["torch", "pytorch-lightning"])
    result = Calibration(
        throttle=chosen.name,
        period=PERIOD,
        machine=provenance.machine() | {name.replace("-", "_"): number for name, number in versions.items()},
        load=(min(loads), float(np.median(loads)), max(loads)),
        samples=plan.samples,
        models={
            name: fit_runs(runs, data=traces[name].name, real=traces[name].origin.real)
            for name, runs in measured.items()
        },
    )
    write_json(result.rounded(), out)
    return result


def read(path: str | Path) -> Calibration:
    """Read what `edgeresearch calibrate` wrote.

    Raises:
        InputError: The file is missing, no JSON, or no calibration.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; measure with 'edgeresearch calibrate'") from error
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}; measure anew with 'edgeresearch calibrate'") from error
    if not isinstance(data, Mapping):
        raise InputError(f"{path} holds a {type(data).__name__}, no calibration; measure with 'edgeresearch calibrate'")
    return parsed(data, Calibration, str(path))


def measure(
    jobs: Mapping[str, TrainingJob],
    limits: Sequence[float],
    repeats: int,
    *,
    throttle: Throttle,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> dict[str, list[Run]]:
    """Train every job under every limit, in one process on one thread, and measure how long it takes.

    The limit holds from the order to train on. The order of all trainings of a repeat is drawn, so that what else
    happens on the machine falls on no limit in particular.

    Args:
        jobs: What is trained, by name.
        limits: Millicores.
        repeats: Trainings of each under each limit.
        throttle: Keeps the limits.
        seed: Of the order and the trainings.
        progress: Receives a line before each training.

    Returns:
        The runs of each job, by limit and repeat.

    Raises:
        InputError: A limit is out of range or comes twice, or there is nothing to measure.
        RunError: A training failed.
    """
    if not jobs or not limits or repeats < 1 or len(set(limits)) < len(limits):
        raise InputError("name at least one model and one limit, each once, and one repeat or more")
    rng = np.random.default_rng(seed)
    measured: dict[str, list[Run]] = {name: [] for name in jobs}
    with _start_worker(jobs) as (pid, connection):
        counts = {name: _count_trainings(connection, name, seed) for name in jobs}
        for repeat in range(repeats):
            todo = [(name, float(limit)) for name in jobs for limit in limits]
            for i in rng.permutation(len(todo)):
                name, limit = todo[i]
                if progress:
                    progress(f"repeat {repeat + 1} of {repeats}: {name} with {limit:g} millicores")
                load = os.getloadavg()[0]
                with throttle.limit(pid, limit):
                    connection.send((name, seed + repeat, counts[name]))
                    seconds, used = _receive_times(connection)
                about = {"limit": limit, "repeat": repeat, "trainings": counts[name], "load": load}
                measured[name].append(Run(**about, seconds=seconds, cpu_seconds=used))
    return {name: sorted(runs, key=lambda run: (run.limit, run.repeat)) for name, runs in measured.items()}


@contextmanager
def _start_worker(jobs: Mapping[str, TrainingJob]) -> Iterator[tuple[int, Connection]]:
    """Yield the process that trains and the connection to it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve_trainings, args=(theirs, dict(jobs)), daemon=True)
    process.start()
    theirs.close()
    assert process.pid is not None  # it has started
    try:
        yield process.pid, ours
        ours.send(None)
        process.join(60)
    finally:
        process.kill()
        process.join()
        ours.close()


def _count_trainings(connection: Connection, name: str, seed: int) -> int:
    """Return how many trainings make a run: as many as take `MIN_CPU_SECONDS` without a limit.

    The first one is not counted: libraries load what they need.
    """
    for _ in range(2):
        connection.send((name, seed, 1))
        _, used = _receive_times(connection)
    return max(1, math.ceil(MIN_CPU_SECONDS / used))


def _receive_times(connection: Connection) -> tuple[float, float]:
    try:
        times: tuple[float, float] = connection.recv()
    except EOFError:
        raise RunError("the process that trains ended; what it wrote stands above") from None
    return times


def serve_trainings(connection: Connection, jobs: Mapping[str, TrainingJob]) -> None:
    """Train on order, in the process that is limited: an order is a name, a seed and how often; None ends it.

    The answer is the time and the CPU time of a training, in seconds.
    """
    while (order := connection.recv()) is not None:
        name, seed, count = order
        begin, used = time.perf_counter(), time.process_time()
        for _ in range(count):
            jobs[name].identity.fit(jobs[name].samples, seed=seed, accelerator="cpu")
        connection.send(((time.perf_counter() - begin) / count, (time.process_time() - used) / count))


def fit_runs(runs: Sequence[Run], *, data: str, real: bool) -> ModelCalibration:
    """Fit eq. 1 to the runs of one identity function on some data, real or not, and judge it on runs held out.

    Raises:
        InputError: There are too few limits.
    """
    limits, repeats = sorted({run.limit for run in runs}), sorted({run.repeat for run in runs})
    _check_limits(limits)
    curve = _fit_curve(runs)
    by_limit = {limit: _errors_held_out(runs, [run for run in runs if run.limit == limit]) for limit in limits}
    by_repeat = [_errors_held_out(runs, [run for run in runs if run.repeat == repeat]) for repeat in repeats]
    below, above = (
        Extrapolation(limit=limit, factor=factor, **_deviation(by_limit[limit]))
        for limit, factor in ((limits[0], limits[1] / limits[0]), (limits[-1], limits[-1] / limits[-2]))
    )
    noise = np.std([np.log(run.seconds / curve.seconds(run.limit)) for run in runs])
    return ModelCalibration(
        curve=FittedCurve(**curve._asdict()),
        held_out_limits=Deviation(**_deviation(np.concatenate([by_limit[limit] for limit in limits[1:-1]]))),
        held_out_repeats=Deviation(**_deviation(np.concatenate(by_repeat))) if len(repeats) > 1 else None,
        sampled=SampledRange(low=limits[0], high=limits[-1], below=below, above=above),
        noise=float(noise),
        granted=float(np.median([1000 * run.cpu_seconds / run.seconds / run.limit for run in runs])),
        data=data,
        real=real,
        runs=tuple(runs),
    )


def _check_limits(limits: Sequence[float]) -> None:
    if len(limits) < MIN_LIMITS:
        raise InputError(f"{len(limits)} limits; eq. 1 and a limit held out take at least {MIN_LIMITS} different ones")


def _first_sensor(folder: str | Path, kind: Literal["traffic", "pollution"], samples: int) -> Trace:
    (trace,) = datasets.load_sensors(folder, kind, 1)
    if not 2 <= samples <= len(trace.frame):
        raise InputError(f"{samples} samples; {trace.name} has {len(trace.frame)}, give 2 or more of them")
    return trace


def _fit_curve(runs: Sequence[Run]) -> Curve:
    return fit([run.limit for run in runs], [run.seconds for run in runs])


def _errors_held_out(runs: Sequence[Run], held: Sequence[Run]) -> "Array":
    """Return the relative errors on runs held out, of the fit to all others; none if nothing else is left."""
    rest = [run for run in runs if run not in held]
    if not rest:
        return np.array([])
    curve = _fit_curve(rest)
    return np.array([abs(curve.seconds(run.limit) / run.seconds - 1) for run in held])


def _deviation(errors: "Array") -> dict[str, Any]:
    percent = {"median_percent": 100 * float(np.median(errors)), "worst_percent": 100 * float(errors.max())}
    return {**percent, "runs": len(errors)}


def _round_floats(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _round_floats(each) for key, each in value.items()}
    return [_round_floats(each) for each in value] if isinstance(value, list) else value
