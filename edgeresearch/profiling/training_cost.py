"""How long trainings take under CPU limits: measured on this machine, and eq. 1 of Paper B fitted to it."""

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from edgeresearch import parallel, provenance
from edgeresearch.anomaly.api import IDENTITIES
from edgeresearch.anomaly.identity import Identity
from edgeresearch.data import datasets
from edgeresearch.errors import InputError, RunError
from edgeresearch.io import write_json
from edgeresearch.profiling.cpu_limit import PERIOD, CalibrationPlan, Throttle, choose_throttle
from edgeresearch.scheduling.runtime_model import Curve, fit
from edgeresearch.settings import Section, check_seed, parsed

MIN_CPU_SECONDS = 1.0
"""CPU seconds of a run: a training that needs less is done several times in a row, or the length of a quota's period
would show in its time."""
MIN_GRANTED = 0.9
"""Share of its limit that a process should have had of the CPU; with less, other work was in the way."""
KINDS: Mapping[str, Literal["traffic", "pollution"]] = {"lstm": "traffic", "autoencoder": "pollution"}
"""What each identity function is trained on, as in Paper B."""
_PLAN = CalibrationPlan()


class Run(Section):
    """A training measured under a limit in millicores, or the mean of several `trainings` in a row.

    Of its `seconds` the process had the CPU for `cpu_seconds`; `load` is how many processes wanted to run on the
    machine, averaged over the minute before.
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
    """The limits between which eq. 1 was measured, and its deviations at either, fitted without that one."""

    low: PositiveFloat
    high: PositiveFloat
    below: Extrapolation
    above: Extrapolation


class ModelCalibration(Section):
    """Training times of one identity function.

    Attributes:
        curve: Eq. 1, fitted to all runs.
        held_out_limits: Each limit but the outermost held out in turn.
        held_out_repeats: Each repeat held out in turn; None with one repeat.
        sampled: Where the curve rests on measurements; elsewhere it extrapolates.
        noise: Standard deviation of the logarithm of a run's duration around the curve.
        granted: Median share of its limit that a run had of the CPU.
        data, real: Series that it was trained on, and whether that is the published one.
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
    """Contents of a calibration file.

    The committed one, `data/calibration.json`, was measured with an autoencoder of 40 epochs in batches of 32, which
    has had 20 epochs in batches of 64 since; the LSTM was as it is.

    Attributes:
        throttle, period: How limits were kept, and in how many seconds.
        machine, load: What it was measured on, and the lowest, median and highest load of that.
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
        plain: dict[str, Any] = json.loads(self.model_dump_json(), parse_float=lambda text: float(f"{float(text):.6g}"))
        return plain

    def table(self) -> pd.DataFrame:
        """Return a row per model and limit: median of the measured seconds, eq. 1, and how far it is off in percent."""
        rows = []
        for name, each in self.models.items():
            for limit in sorted({run.limit for run in each.runs}):
                seconds = float(np.median([run.seconds for run in each.runs if run.limit == limit]))
                predicted = each.curve.seconds(limit)
                rows.append([name, limit, seconds, predicted, 100 * (predicted / seconds - 1)])
        return pd.DataFrame(rows, columns=["model", "millicores", "seconds", "eq. 1", "off %"])

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
                had = f"{name} had {100 * each.granted:.0f} % of its limits, so these times are too long"
                notes.append(f"note: {had}; measure again when the machine is idle")
        low, median, high = self.load
        load = f"load of the machine: {median:.1f} (from {low:.1f} to {high:.1f})"
        return [*notes, f"{load} on {self.machine['cores']} cores"]


def calibrate(
    folder: str | Path,
    out: str | Path,
    *,
    plan: CalibrationPlan = _PLAN,
    throttle: str = "auto",
    seed: int = 0,
    identities: Mapping[str, Identity] = IDENTITIES,
    progress: Callable[[str], None] | None = None,
) -> Calibration:
    """Measure the trainings of both identity functions on this machine, and write the file if all went well.

    As in Paper B the LSTM is trained on a traffic stream, the autoencoder on a pollution stream: the first sensor's.

    Args:
        folder: The data folder that `fetch` filled.
        out: The file, such as `data/calibration.json`.
        plan: What is measured.
        throttle: How limits are kept, one of `cpu_limit.METHODS`.
        seed: Of the order and the trainings.
        identities: Settings of `lstm` and `autoencoder`.
        progress: Receives a line before each training.

    Raises:
        InputError: The data is missing or shorter, a setting makes no sense, or the file cannot be written.
        RunError: A training failed.
    """
    seed = check_seed(seed)
    jobs, traces = {}, {}
    for name, identity in identities.items():
        (trace,) = datasets.load_sensors(folder, KINDS[name], 1)
        if plan.samples > len(trace.frame):
            raise InputError(f"{plan.samples} samples; {trace.name} has {len(trace.frame)}, give no more")
        traces[name] = trace
        jobs[name] = partial(identity.fit, trace.frame.to_numpy()[: plan.samples], accelerator="cpu")
    chosen = choose_throttle(throttle)
    measured = measure(jobs, plan, throttle=chosen, seed=seed, progress=progress)
    loads = [run.load for runs in measured.values() for run in runs]
    load = min(loads), float(np.median(loads)), max(loads)
    versions = provenance.versions(["torch", "pytorch-lightning"])
    machine = provenance.machine() | {name.replace("-", "_"): number for name, number in versions.items()}
    models = {name: fit_runs(measured[name], data=trace.name, real=trace.origin.real) for name, trace in traces.items()}
    about: dict[str, Any] = {"machine": machine, "load": load, "samples": plan.samples, "models": models}
    result = Calibration(throttle=chosen.name, period=PERIOD, **about)
    write_json(result.rounded(), out)
    return result


def read(path: str | Path) -> Calibration:
    """Read what `edgeresearch calibrate` wrote.

    Raises:
        InputError: The file is missing, no JSON, or no calibration.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or f"no JSON, {error}"
        raise InputError(f"cannot read {path}: {reason}; measure with 'edgeresearch calibrate'") from error
    if not isinstance(data, Mapping):
        raise InputError(f"{path} holds a {type(data).__name__}, no calibration; measure with 'edgeresearch calibrate'")
    return parsed(data, Calibration, str(path))


def measure(
    jobs: Mapping[str, Callable[..., object]],
    plan: CalibrationPlan,
    *,
    throttle: Throttle,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> dict[str, list[Run]]:
    """Do every training, by name, under every limit in a process of its own; return its runs by limit and repeat.

    A training takes a `seed`. The order of all trainings of a repeat is drawn, so that what else happens on the machine
    falls on no limit in particular. The other arguments are those of `calibrate`.

    Raises:
        RunError: A training failed.
    """
    rng = np.random.default_rng(seed)
    measured: dict[str, list[Run]] = {name: [] for name in jobs}
    try:
        with parallel.ending_pool(1, "spawn") as worker:
            pid, counts = worker.submit(os.getpid).result(), {}
            for name, job in jobs.items():
                worker.submit(time_trainings, job, seed).result()  # not counted: libraries load what they need
                _, used = worker.submit(time_trainings, job, seed).result()
                counts[name] = max(1, math.ceil(MIN_CPU_SECONDS / used))
            for repeat in range(plan.repeats):
                todo = [(name, float(limit)) for name in jobs for limit in plan.limits]
                for name, limit in (todo[i] for i in rng.permutation(len(todo))):
                    if progress:
                        progress(f"repeat {repeat + 1} of {plan.repeats}: {name} with {limit:g} millicores")
                    about = {"limit": limit, "repeat": repeat, "trainings": counts[name], "load": os.getloadavg()[0]}
                    with throttle.limit(pid, limit):
                        run = worker.submit(time_trainings, jobs[name], seed + repeat, counts[name]).result()
                    measured[name].append(Run(**about, seconds=run[0], cpu_seconds=run[1]))
    except BrokenProcessPool:
        raise RunError("the process that trains ended; what it wrote stands above") from None
    return {name: sorted(runs, key=lambda run: (run.limit, run.repeat)) for name, runs in measured.items()}


def time_trainings(train: Callable[..., object], seed: int, count: int = 1) -> tuple[float, float]:
    """Train `count` times in a row; return the time and the CPU time of a training, in seconds."""
    begin, used = time.perf_counter(), time.process_time()
    for _ in range(count):
        train(seed=seed)
    return (time.perf_counter() - begin) / count, (time.process_time() - used) / count


def fit_runs(runs: Sequence[Run], *, data: str, real: bool) -> ModelCalibration:
    """Fit eq. 1 to the runs of one identity function on some data, real or not, and judge it on runs held out."""
    limits, repeats = sorted({run.limit for run in runs}), sorted({run.repeat for run in runs})
    low, second, *_, last, high = limits
    below = Extrapolation(limit=low, factor=second / low, **_held_out(runs, "limit", [low]))
    above = Extrapolation(limit=high, factor=high / last, **_held_out(runs, "limit", [high]))
    curve = _fit_curve(runs)
    return ModelCalibration(
        curve=FittedCurve(**curve._asdict()),
        held_out_limits=Deviation(**_held_out(runs, "limit", limits[1:-1])),
        held_out_repeats=Deviation(**_held_out(runs, "repeat", repeats)) if len(repeats) > 1 else None,
        sampled=SampledRange(low=low, high=high, below=below, above=above),
        noise=float(np.std([np.log(run.seconds / curve.seconds(run.limit)) for run in runs])),
        granted=float(np.median([1000 * run.cpu_seconds / run.seconds / run.limit for run in runs])),
        data=data,
        real=real,
        runs=tuple(runs),
    )


def _fit_curve(runs: Sequence[Run]) -> Curve:
    return fit([run.limit for run in runs], [run.seconds for run in runs])


def _held_out(runs: Sequence[Run], field: str, values: Sequence[float]) -> dict[str, Any]:
    """Return a `Deviation`'s numbers where the runs of each value of a field are held out in turn."""
    percent: list[float] = []
    for value in values:
        curve = _fit_curve([run for run in runs if getattr(run, field) != value])
        held = [run for run in runs if getattr(run, field) == value]
        percent += [100 * abs(curve.seconds(run.limit) / run.seconds - 1) for run in held]
    return {"median_percent": float(np.median(percent)), "worst_percent": max(percent), "runs": len(percent)}
