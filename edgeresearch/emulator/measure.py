"""Real trainings of the identity functions under CPU limits: how long they take (Paper B, section IV.C)."""

import math
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgeresearch.anomaly.identity import Identity
from edgeresearch.anomaly.samples import Array
from edgeresearch.emulator.throttle import Throttle
from edgeresearch.errors import InputError, RunError

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

    identity: Identity
    samples: Array


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


def machine() -> dict[str, Any]:
    """Describe this machine: processor, cores, system, and the versions that the times depend on."""
    return {
        "processor": processor(Path("/proc/cpuinfo")) or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "torch": version("torch"),
        "pytorch_lightning": version("pytorch-lightning"),
    }


def processor(path: Path) -> str:
    """Return the processor's name in a file such as Linux's `/proc/cpuinfo`; empty where it names none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


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
