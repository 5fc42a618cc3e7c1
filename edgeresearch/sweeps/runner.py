"""Run the cells of a sweep on cores or a cluster, keep what they gave, and put it into tables."""

import fcntl
import importlib
import json
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from edgeresearch import stats
from edgeresearch.errors import InputError, RunError, check_known
from edgeresearch.parallel import start
from edgeresearch.sweeps.experiments import Experiment, Places, Scalar, Settings

KEY, SEED, ERROR = "key", "seed", "error"
NONE = "none"
"""What stands for null among the values of a setting."""
CELLS = "cells.jsonl"
"""File of the results as they come, in the folder of the sweep."""
QUEUED = 2
"""Cells for each worker of Ray that are under way: one is run while the next one is sent."""
RETRIES = 3
"""How often Ray itself runs a cell again whose worker died; Dask does so as often."""
TRIES = 2
"""How often a cell may take its worker with it before it is given up."""
PATIENCE = 10
"""Seconds that a cluster may take to answer."""

Row = dict[str, Scalar]
"""What a cell gave: `key`, `error` (None if it went well), and else what the experiment returned."""


@dataclass(frozen=True)
class Cell:
    """One run of an experiment with all settings that it reads; `varied` are some of them by dotted key, lists as JSON.

    The key is a hash of the experiment's name, the settings and the seeds; `seed` is which repeat it is, from 0.
    """

    key: str
    seed: int
    varied: Mapping[str, Any]
    settings: Settings = field(repr=False)

    def root(self) -> np.random.SeedSequence:
        """Return the root of everything random in the cell: it follows from the key alone."""
        return np.random.SeedSequence(int(self.key, 16))


def work(experiment: Experiment, places: Places, cell: Cell) -> Row:
    """Run a cell; what it raises is its error."""
    try:
        return {KEY: cell.key, ERROR: None, **_checked(experiment.run(cell.settings, cell.root(), places), cell)}
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return failed(cell, f"{type(error).__name__}: {error} (in {Path(last.filename).name}, line {last.lineno})")


def failed(cell: Cell, reason: str) -> Row:
    """Return the row of a cell that gave no result."""
    return {KEY: cell.key, ERROR: " ".join(reason.split())}


def _checked(found: Mapping[str, Any], cell: Cell) -> Row:
    """Return plain values, so that every backend gives the same types."""
    taken = {KEY, ERROR, SEED, *cell.varied} & set(found)
    if taken:
        raise ValueError(f"the experiment returned a column {min(taken)}, which the sweep has itself")
    row: Row = {}
    for name, value in found.items():
        plain = value.item() if hasattr(value, "item") else value
        if not isinstance(plain, bool | int | float | str | None):
            raise TypeError(f"the experiment returned a {type(value).__name__} as {name}; return one value")
        row[name] = plain
    return row


Job = Callable[[Cell], Row]


@dataclass(frozen=True)
class Backend:
    """Something that runs cells: `map` takes a job and cells, as workers ask for them, and yields rows in any order.

    Its exceptions `lost` say that a worker died and took its cells with it.
    """

    name: str
    map: Callable[[Job, Iterator[Cell]], Iterator[Row]]
    lost: tuple[type[BaseException], ...] = ()


def open_backend(name: str, *, workers: int, address: str | None = None) -> AbstractContextManager[Backend]:
    """Return one of `BACKENDS` to be entered; what it starts, it stops when it is left.

    Raises:
        InputError: There is no such backend, its extra is not installed, or nothing answers at the address.
        RunError: Ray does not start.
    """
    check_known("backend", name, BACKENDS)
    if workers < 1:
        raise InputError(f"workers {workers} is below 1; use 1 or more")
    if address is not None and name == "loky":
        raise InputError("loky has no cluster to be addressed; choose the backend dask or ray, or give no address")
    return BACKENDS[name](workers, address)


@contextmanager
def _loky(workers: int, _: str | None) -> Iterator[Backend]:
    from joblib.externals.loky.process_executor import BrokenProcessPool

    if workers == 1:
        yield Backend("loky", map)  # here: a second process would only cost its start
        return
    options = {"backend": "loky", "n_jobs": workers, "inner_max_num_threads": 1}
    yield Backend("loky", partial(_joblib, options), (BrokenProcessPool,))


@contextmanager
def _dask(workers: int, address: str | None) -> Iterator[Backend]:
    distributed = _imported("distributed", "dask")
    killed = importlib.import_module("distributed.scheduler").KilledWorker
    config = importlib.import_module("dask").config
    size = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": ":0"}
    # A worker's profiler looks into running cells a hundred times a second, which only costs.
    with (
        config.set({"distributed.worker.profile.enabled": False}),
        nullcontext(address) if address else distributed.LocalCluster(**size) as place,
    ):
        try:
            client = distributed.Client(place, timeout=PATIENCE)
        except (OSError, ValueError) as error:  # a timeout is an OSError
            raise InputError(f"no Dask scheduler answers at {address}: {error}; start one or correct it") from error
        with client:
            if not client.nthreads():
                raise InputError(f"the Dask cluster at {address} has no worker; start some")
            options = {"backend": "dask", "client": client, "wait_for_workers_timeout": PATIENCE}
            yield Backend("dask", partial(_joblib, options), (killed,))


@contextmanager
def _ray(workers: int, address: str | None) -> Iterator[Backend]:
    ray = _imported("ray", "ray")
    errors = ray.exceptions
    started = not ray.is_initialized()  # else the caller has, and stops it
    if started:
        size = {"num_cpus": workers, "include_dashboard": False} if address is None else {"address": address}
        try:
            ray.init(log_to_driver=False, logging_level="ERROR", **size)
        except Exception as error:  # Ray tells some faults by that alone
            if address is None:
                raise RunError(f"Ray does not start on this machine: {error}") from error
            raise InputError(f"no Ray cluster answers at {address}: {error}; start one or correct it") from error
    try:
        count = max(int(ray.cluster_resources().get("CPU", 0)), 1)
        lost = (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError, errors.ObjectLostError)
        yield Backend("ray", partial(_futures, ray, count), lost)
    finally:
        if started:
            ray.shutdown()


BACKENDS = {"loky": _loky, "dask": _dask, "ray": _ray}
"""What opens each backend, by name, from a number of workers and an address."""


def _imported(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(f"backend {extra} needs an extra: pip install 'edgeresearch[{extra}]' ({error})") from error


def _joblib(options: dict[str, Any], job: Job, cells: Iterator[Cell]) -> Iterator[Row]:
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(**options):
        parallel = Parallel(return_as="generator_unordered")
    yield from start(lambda: parallel(delayed(job)(cell) for cell in cells))


def _futures(ray: Any, workers: int, job: Job, cells: Iterator[Cell]) -> Iterator[Row]:
    """Run cells on Ray: joblib's backend for it can neither yield results as they come nor outlive a worker."""
    remote = ray.remote(max_retries=RETRIES)(lambda cell: job(cell))
    pending: list[Any] = []
    try:
        while True:
            for cell in cells:
                pending.append(remote.remote(cell))
                if len(pending) >= QUEUED * workers:
                    break
            if not pending:
                return
            (done, *_), pending = ray.wait(pending)
            yield ray.get(done)
    finally:
        for each in pending:
            ray.cancel(each)


def run(job: Job, cells: Iterable[Cell], backend: Backend) -> Iterator[Row]:
    """Run cells on a backend; yield what they gave as it comes, in any order.

    Where a worker dies, the cells that it and its neighbours had are run again alone, each with a worker of its own;
    one that takes its worker with it again is told as failed. All others go on.

    Raises:
        RunError: Workers die before they get any cell.
    """
    left = {cell.key: cell for cell in cells}
    while left:
        sent: dict[str, Cell] = {}
        try:
            # Cells are written down as workers ask for them.
            for row in backend.map(job, (sent.setdefault(cell.key, cell) for cell in list(left.values()))):
                for pending in (sent, left):
                    del pending[str(row[KEY])]
                yield row
        except backend.lost as error:
            if not sent:
                raise RunError(f"workers of {backend.name} die before they get any work: {error}") from error
            for cell in list(sent.values()):
                del left[cell.key]
                yield _alone(job, cell, backend)


def _alone(job: Job, cell: Cell, backend: Backend) -> Row:
    """Run a cell by itself: if a worker dies now, it is this cell's doing."""
    for _ in range(TRIES):
        try:
            (row,) = backend.map(job, iter([cell]))
            return row
        except backend.lost as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
    return failed(cell, f"its worker died {TRIES} times: {reason}")


class Store:
    """The rows of a sweep by key, kept in a file, a line of JSON each, by one process at a time; to be closed.

    Of two lines of a cell the later one counts; a line without an end is of a sweep that was killed, and goes.

    Raises:
        InputError: Another sweep is writing there, the file cannot be written, or holds something else.
    """

    def __init__(self, folder: str | Path) -> None:
        self.rows: dict[str, Row] = {}
        self._path = Path(folder) / CELLS
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until it is closed, however the process ends
        except BlockingIOError as error:
            self._file.close()
            raise InputError(f"another sweep is writing to {folder}; wait, or choose another folder") from error
        except OSError as error:
            reason = f"cannot write {self._path}: {error.strerror}"
            raise InputError(f"{reason}; choose a folder that can be written") from error
        whole, end, _ = self._path.read_bytes().rpartition(b"\n")
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                row = json.loads(line)
                self.rows[row[KEY]] = row
            except (ValueError, KeyError, TypeError) as error:
                self._file.close()
                reason = f"line {number} of {self._path} is no cell of a sweep"
                raise InputError(f"{reason}; remove it, and the cell is run again") from error
        self._file.truncate(len(whole + end))

    def add(self, row: Row) -> None:
        """Keep a row."""
        try:
            with self._path.open("ab") as file:
                file.write(json.dumps(row).encode() + b"\n")
        except OSError as error:
            raise InputError(f"cannot write {self._path}: {error.strerror}; make room and start again") from error
        self.rows[str(row[KEY])] = row

    def close(self) -> None:
        """Let others write."""
        self._file.close()


def joined(cells: Sequence[Cell], found: Mapping[str, Row]) -> pa.Table:
    """Return one row per cell, sorted by key: key, varied settings, seed, results, error.

    The table is the same whatever the order in which cells were run.
    """
    rows = []
    for cell in sorted(cells, key=lambda each: each.key):
        result = {name: value for name, value in found[cell.key].items() if value is not None}
        rows.append({**cell.varied, SEED: cell.seed, **result})
    first = [KEY, *cells[0].varied, SEED]
    results = sorted({name for row in rows for name in row} - {*first, ERROR})
    return pa.table({name: _column([row.get(name) for row in rows], name) for name in [*first, *results, ERROR]})


def _column(values: Sequence[Any], name: str) -> pa.Array:
    """Return a column; values of several kinds, as a setting that is a number or null, become text."""
    try:
        return pa.array(values, pa.string() if name == ERROR else None)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def frame(table: pa.Table, cells: Sequence[Cell]) -> pd.DataFrame:
    """Return the table of `joined` in the order of the cells, its settings free of null."""
    found = table.to_pandas()
    for name in cells[0].varied:
        values = table[name].to_pylist()
        if None in values:
            found[name] = [NONE if value is None else str(value) for value in values]
    ordered: pd.DataFrame = found.set_index(KEY).loc[[cell.key for cell in cells]].reset_index()
    return ordered


def summary(table: pd.DataFrame, varied: Sequence[str], measures: Collection[str]) -> pd.DataFrame:
    """Return one row per setting, in the order of the table.

    Args:
        table: As `frame` returns it.
        varied: The settings.
        measures: Columns of results; those that are no numbers, or that no cell has, are left out.

    Returns:
        The settings; `cells` that gave results and those that `failed`; the mean of each measure under its name, and
        its 95 % interval under that with `_low` and `_high`, NaN where there are fewer than two values.
    """
    fine = table[ERROR].isna()
    numbers = [name for name in measures if name in table and pd.api.types.is_numeric_dtype(table[name])]
    counted = table.assign(cells=fine.astype(int), failed=(~fine).astype(int))
    counts = counted.groupby(list(varied), sort=False)[["cells", "failed"]].sum().reset_index()
    means = stats.by(table, varied, numbers)
    return pd.concat([counts, means.drop(columns=list(varied))], axis=1)
