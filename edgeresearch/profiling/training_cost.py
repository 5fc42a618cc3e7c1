"""How long trainings take under CPU limits, measured."""

import json
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from edgeresearch import provenance
from edgeresearch.data import datasets
from edgeresearch.data.trace import Trace
from edgeresearch.errors import InputError, RunError
from edgeresearch.io import write_json
from edgeresearch.profiling.cpu_limit import PERIOD, Throttle, throttle
from edgeresearch.scheduling.runtime_model import Curve, fit
from edgeresearch.settings import Section, parsed

if TYPE_CHECKING:
    from edgeresearch.anomaly.base import Array
    from edgeresearch.anomaly.identity import Identity

LEAST = 1.0
"""CPU seconds of a run: a training that needs less is done several times in a row, or the length of a quota's period
would show in its time."""


class Run(NamedTuple):
    """A training measured under a limit, or the mean of several in a row.

    Attributes:
        limit: In millicores.
        repeat: From 0.
        seconds: Of a training.
        cpu_seconds: What the process had of them.
        trainings: How many were done in a row.
        load: Processes that wanted to run on the machine, averaged over the minute before.
    """

    limit: float
    repeat: int
    seconds: float
    cpu_seconds: float
    trainings: int
    load: float


@dataclass(frozen=True)
class Subject:
    """What is trained.

    Attributes:
        identity: The identity function.
        samples: The cached samples, `(samples, channels)`.
    """

    identity: "Identity"
    samples: "Array"


def _quiet(_: str) -> None:
    pass


def measure(
    subjects: Mapping[str, Subject],
    *,
    limits: Sequence[float],
    repeats: int,
    throttle: Throttle,
    seed: int = 0,
    tell: Callable[[str], None] = _quiet,
) -> dict[str, list[Run]]:
    """Train every subject under every limit, in one process on one thread, and measure how long it takes.

    The limit holds from the order to train on. The order of all trainings of a repeat is drawn, so that what else
    happens on the machine falls on no limit in particular.

    Args:
        subjects: What is trained, by name.
        limits: Millicores.
        repeats: Trainings of each under each limit.
        throttle: Keeps the limits.
        seed: Of the order and the trainings.
        tell: Receives a line before each training.

    Returns:
        The runs of each subject, by limit and repeat.

    Raises:
        InputError: A limit is out of range or comes twice, or there is nothing to measure.
        RunError: A training failed.
    """
    if not subjects or not limits or repeats < 1 or len(set(limits)) < len(limits):
        raise InputError("name at least one model and one limit, each once, and one repeat or more")
    rng = np.random.default_rng(seed)
    found: dict[str, list[Run]] = {name: [] for name in subjects}
    with _worker(subjects) as (pid, connection):
        rounds = {name: _rounds(connection, name, seed) for name in subjects}
        for repeat in range(repeats):
            todo = [(name, float(limit)) for name in subjects for limit in limits]
            for i in rng.permutation(len(todo)):
                name, limit = todo[i]
                tell(f"repeat {repeat + 1} of {repeats}: {name} with {limit:g} millicores")
                load = os.getloadavg()[0]
                with throttle.limited(pid, limit):
                    connection.send((name, seed + repeat, rounds[name]))
                    seconds, used = _answer(connection)
                found[name].append(Run(limit, repeat, seconds, used, rounds[name], load))
    return {name: sorted(runs) for name, runs in found.items()}


@contextmanager
def _worker(subjects: Mapping[str, Subject]) -> Iterator[tuple[int, Connection]]:
    """Yield the process that trains and the connection to it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, dict(subjects)), daemon=True)
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


def _rounds(connection: Connection, name: str, seed: int) -> int:
    """Return how many trainings make a run: as many as take `LEAST` without a limit.

    The first one is not counted: libraries load what they need.
    """
    for _ in range(2):
        connection.send((name, seed, 1))
        _, used = _answer(connection)
    return max(1, math.ceil(LEAST / used))


def _answer(connection: Connection) -> tuple[float, float]:
    try:
        answer: tuple[float, float] = connection.recv()
    except EOFError:
        raise RunError("the process that trains ended; what it wrote stands above") from None
    return answer


def work(connection: Connection, subjects: Mapping[str, Subject]) -> None:
    """Train on order, in the process that is limited: an order is a name, a seed and how often; None ends it.

    The answer is the time and the CPU time of a training, in seconds.
    """
    while (order := connection.recv()) is not None:
        name, seed, count = order
        begin, used = time.perf_counter(), time.process_time()
        for _ in range(count):
            subjects[name].identity.fit(subjects[name].samples, seed=seed, accelerator="cpu")
        connection.send(((time.perf_counter() - begin) / count, (time.process_time() - used) / count))


FEWEST = 4
"""Different limits that it takes: one inside is held out, and three tell the parameters of eq. 1 apart."""
GRANTED = 0.9
"""Share of its limit that a process should have had of the CPU; with less, other work was in the way."""
_TAKES = f"eq. 1 and a limit held out take at least {FEWEST} different ones"


class Fitted(Section):
    """Eq. 1: t = a (R + b)^-c + d, R in millicores, t in seconds."""

    a: PositiveFloat
    b: NonNegativeFloat
    c: PositiveFloat
    d: NonNegativeFloat


class Deviation(Section):
    """How far eq. 1 is off on runs that its fit did not see.

    Attributes:
        median_percent: Median of the absolute relative errors.
        worst_percent: The largest of them.
        runs: How many there are.
    """

    median_percent: NonNegativeFloat
    worst_percent: NonNegativeFloat
    runs: PositiveInt


class Outside(Deviation):
    """The same outside of the limits that the fit saw.

    Attributes:
        limit: What was predicted, in millicores.
        factor: How far that lies outside.
    """

    limit: PositiveFloat
    factor: Annotated[float, Field(ge=1)]


class Region(Section):
    """Where eq. 1 rests on measurements; elsewhere it extrapolates.

    Attributes:
        low: Smallest measured limit, in millicores.
        high: Largest.
        below: Deviation at the smallest limit, fitted on the others.
        above: Deviation at the largest, likewise.
    """

    low: PositiveFloat
    high: PositiveFloat
    below: Outside
    above: Outside


class Measured(Section):
    """See `measure.Run`."""

    limit: PositiveFloat
    repeat: NonNegativeInt
    seconds: PositiveFloat
    cpu_seconds: NonNegativeFloat
    trainings: PositiveInt
    load: NonNegativeFloat


class Model(Section):
    """One identity function.

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

    curve: Fitted
    held_out_limits: Deviation
    held_out_repeats: Deviation | None
    sampled: Region
    noise: NonNegativeFloat
    granted: NonNegativeFloat
    data: str
    real: bool
    runs: tuple[Measured, ...]


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
    models: Annotated[dict[str, Model], Field(min_length=1)]


def calibrate(
    folder: str | Path,
    out: str | Path,
    *,
    limits: Sequence[float],
    repeats: int,
    samples: int,
    wanted: str = "auto",
    seed: int = 0,
    identities: "Mapping[str, Identity] | None" = None,
    tell: Callable[[str], None] = _quiet,
) -> Calibration:
    """Measure the trainings of both identity functions on this machine, and write the file if all went well.

    As in Paper B the LSTM is trained on a traffic stream, the autoencoder on a pollution stream: the first sensor's.

    Args:
        folder: The data folder that `fetch` filled.
        out: The file, such as `data/calibration.json`.
        limits: Millicores, at least `FEWEST` different ones.
        repeats: Trainings of each model under each limit.
        samples: Cached samples of a training.
        wanted: How limits are to be kept, one of `throttle.WANTED`.
        seed: Of the order and the trainings.
        identities: `lstm` and `autoencoder`; as Paper B has them where None.
        tell: Receives a line before each training.

    Raises:
        InputError: The data is missing or shorter, a setting makes no sense, or the file cannot be written.
        RunError: A training failed.
    """
    if len(set(limits)) < FEWEST:
        raise InputError(f"{len(set(limits))} limits; {_TAKES}")
    traces = {name: _trace(folder, name, samples) for name in ("lstm", "autoencoder")}
    if identities is None:
        from edgeresearch.anomaly.identity import LSTM, Autoencoder  # torch, which whoever reads a file does without

        identities = {"lstm": LSTM(), "autoencoder": Autoencoder()}
    subjects = {name: Subject(identities[name], traces[name].frame.to_numpy()[:samples]) for name in traces}
    keeper = throttle(wanted)
    versions = provenance.versions(["torch", "pytorch-lightning"])
    found = measure(subjects, limits=limits, repeats=repeats, throttle=keeper, seed=seed, tell=tell)
    result = Calibration(
        throttle=keeper.name,
        period=PERIOD,
        machine=provenance.machine() | {name.replace("-", "_"): number for name, number in versions.items()},
        load=load_range(run for runs in found.values() for run in runs),
        samples=samples,
        models={
            name: model(runs, data=traces[name].name, real=traces[name].origin.real) for name, runs in found.items()
        },
    )
    write_json(written(result), out)
    return result


def model(runs: Sequence[Run], *, data: str, real: bool) -> Model:
    """Fit eq. 1 to the runs of one identity function and judge it on runs held out.

    Args:
        runs: Under at least `FEWEST` different limits.
        data: Series that it was trained on.
        real: Whether that is the published one.

    Raises:
        InputError: There are too few limits.
    """
    limits, repeats = sorted({run.limit for run in runs}), sorted({run.repeat for run in runs})
    if len(limits) < FEWEST:
        raise InputError(f"{len(limits)} limits; {_TAKES}")
    curve = _fitted(runs)
    inside = [_off(runs, [run for run in runs if run.limit == limit]) for limit in limits[1:-1]]
    apart = [_off(runs, [run for run in runs if run.repeat == repeat]) for repeat in repeats]
    below, above = (
        Outside(limit=limit, factor=factor, **_error(_off(runs, [run for run in runs if run.limit == limit])))
        for limit, factor in ((limits[0], limits[1] / limits[0]), (limits[-1], limits[-1] / limits[-2]))
    )
    noise = np.std([np.log(run.seconds / curve.seconds(run.limit)) for run in runs])
    return Model(
        curve=Fitted(**curve._asdict()),
        held_out_limits=Deviation(**_error(np.concatenate(inside))),
        held_out_repeats=Deviation(**_error(np.concatenate(apart))) if len(repeats) > 1 else None,
        sampled=Region(low=limits[0], high=limits[-1], below=below, above=above),
        noise=float(noise),
        granted=float(np.median([1000 * run.cpu_seconds / run.seconds / run.limit for run in runs])),
        data=data,
        real=real,
        runs=tuple(Measured(**run._asdict()) for run in runs),
    )


def load_range(runs: Iterable[Run]) -> tuple[float, float, float]:
    """Return the lowest, median and highest load during some runs."""
    loads = [run.load for run in runs]
    return min(loads), float(np.median(loads)), max(loads)


def written(calibration: Calibration) -> dict[str, Any]:
    """Return plain values for JSON, floats with six significant digits."""
    rounded: dict[str, Any] = _rounded(calibration.model_dump(mode="json"))
    return rounded


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


def curves(path: str | Path) -> dict[str, Curve]:
    """Return eq. 1 of each kind of job as it was measured: what the emulator runs on instead of a fitted curve.

    Args:
        path: A file such as `data/calibration.json`.

    Raises:
        InputError: The file is missing, no JSON, or no calibration.
    """
    return {name: Curve(**each.curve.model_dump()) for name, each in read(path).models.items()}


def shown(calibration: Calibration) -> pd.DataFrame:
    """Return one row per model and limit: median of the measured seconds, eq. 1, and how far that is off in percent."""
    rows: list[dict[str, Any]] = []
    for name, each in calibration.models.items():
        curve = Curve(**each.curve.model_dump())
        for limit in sorted({run.limit for run in each.runs}):
            seconds = float(np.median([run.seconds for run in each.runs if run.limit == limit]))
            eq1 = curve.seconds(limit)
            rows.append(
                {
                    "model": name,
                    "millicores": limit,
                    "seconds": seconds,
                    "eq. 1": eq1,
                    "off %": 100 * (eq1 / seconds - 1),
                }
            )
    return pd.DataFrame(rows)


def lines(calibration: Calibration) -> list[str]:
    """Say of each model how far eq. 1 holds, and how busy the machine was."""
    said = []
    for name, each in calibration.models.items():
        inside, region = each.held_out_limits, each.sampled
        said.append(
            f"{name}: limits held out are off by {inside.median_percent:.1f} % (median; worst "
            f"{inside.worst_percent:.1f} %); outside of {region.low:g} to {region.high:g} millicores eq. 1 "
            f"extrapolates: {region.below.limit:g} from the others is off by {region.below.median_percent:.1f} %, "
            f"{region.above.limit:g} by {region.above.median_percent:.1f} %"
        )
        if each.granted < GRANTED:
            said.append(
                f"note: {name} had {100 * each.granted:.0f} % of its limits, so these times are too long; measure "
                "again when the machine is idle"
            )
    low, median, high = calibration.load
    said.append(
        f"load of the machine: {median:.1f} (from {low:.1f} to {high:.1f}) on {calibration.machine['cores']} cores"
    )
    return said


def _trace(folder: str | Path, name: str, samples: int) -> Trace:
    kind: Any = "traffic" if name == "lstm" else "pollution"
    sensors = datasets.list_sensors(folder, kind)
    if not sensors:
        raise InputError(f"no {kind} data in {folder}; fetch it with 'edgeresearch data'")
    trace = getattr(datasets, kind)(folder, sensors[0])
    if not 2 <= samples <= len(trace.frame):
        raise InputError(f"{samples} samples; {trace.name} has {len(trace.frame)}, give 2 or more of them")
    loaded: Trace = trace
    return loaded


def _fitted(runs: Sequence[Run]) -> Curve:
    return fit([run.limit for run in runs], [run.seconds for run in runs])


def _off(runs: Sequence[Run], held: Sequence[Run]) -> Any:
    """Return the relative errors on runs held out, of the fit to all others; none if nothing else is left."""
    rest = [run for run in runs if run not in held]
    if not rest:
        return np.array([])
    curve = _fitted(rest)
    return np.array([abs(curve.seconds(run.limit) / run.seconds - 1) for run in held])


def _error(off: Any) -> dict[str, Any]:
    return {"median_percent": 100 * float(np.median(off)), "worst_percent": 100 * float(off.max()), "runs": len(off)}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value
