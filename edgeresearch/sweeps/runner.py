"""Run the cells of a sweep, keep what they gave, go on where it stopped."""

import fcntl
import importlib
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from edgeresearch import stats
from edgeresearch.errors import InputError, RunError, nearest
from edgeresearch.io import atomic
from edgeresearch.sweeps.experiments import Experiment, Places, Scalar
from edgeresearch.sweeps.spec import Cell

KEY, ERROR = "key", "error"
Row = dict[str, Scalar]


class Task(NamedTuple):
    """Cells that are sent to a worker together."""

    experiment: Experiment
    places: Places
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Found:
    """What a task gave.

    Attributes:
        rows: One per cell: `key`, `error` (None if it went well), and else what the experiment returned.
        seconds: How long it took.
    """

    rows: Sequence[Row]
    seconds: float


def work(task: Task) -> Found:
    """Run the cells of a task."""
    begun = time.perf_counter()
    rows = [_row(task.experiment, cell, task.places) for cell in task.cells]
    return Found(rows, time.perf_counter() - begun)


def failed(cell: Cell, reason: str) -> Row:
    """Return the row of a cell that gave no result."""
    return {KEY: cell.key, ERROR: " ".join(reason.split())}


def _row(experiment: Experiment, cell: Cell, places: Places) -> Row:
    try:
        return {KEY: cell.key, ERROR: None, **_checked(experiment.run(cell.settings, cell.root(), places), cell)}
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return failed(cell, f"{type(error).__name__}: {error} (in {Path(last.filename).name}, line {last.lineno})")


def _checked(found: Mapping[str, Any], cell: Cell) -> Row:
    """Return plain values, so that every backend writes the same types."""
    taken = {KEY, ERROR, "seed", *cell.varied} & set(found)
    if taken:
        raise ValueError(f"the experiment returned a column {min(taken)}, which the sweep has itself")
    row: Row = {}
    for name, value in found.items():
        plain = value.item() if hasattr(value, "item") else value
        if not isinstance(plain, bool | int | float | str | None):
            raise TypeError(f"the experiment returned a {type(value).__name__} as {name}; return one value")
        row[name] = plain
    return row


QUEUED = 2
"""Tasks for each worker that are under way: one is run while the next one is sent."""
RETRIES = 3
"""How often Ray itself runs a task again whose worker died; Dask does so as often."""
PATIENCE = 10
"""Seconds that a cluster may take to answer."""


@dataclass(frozen=True)
class Backend:
    """Something that runs tasks.

    Attributes:
        name: Its name in `BACKENDS`.
        workers: How many tasks it runs at a time.
        map: Takes tasks as workers ask for them, and yields what they gave in any order.
        lost: Exceptions of `map` that say that a worker died and took its task with it.
    """

    name: str
    workers: int
    map: Callable[[Iterator[Task]], Iterator[Found]]
    lost: tuple[type[BaseException], ...] = ()


def open_backend(name: str, *, workers: int, address: str | None = None) -> AbstractContextManager[Backend]:
    """Return a backend to be entered; what it starts, it stops when it is left.

    Args:
        name: A key of `BACKENDS`.
        workers: Processes that are started; not used with an address.
        address: Of a cluster that is there, of Dask or Ray.

    Raises:
        InputError: There is no such backend, its extra is not installed, or nothing answers at the address.
        RunError: Ray does not start.
    """
    if name not in BACKENDS:
        raise InputError(f"unknown backend {name!r}{nearest(name, BACKENDS)}; known: {', '.join(BACKENDS)}")
    if workers < 1:
        raise InputError(f"workers {workers} is below 1; use 1 or more")
    if address is not None and name == "loky":
        raise InputError("loky has no cluster to be addressed; choose the backend dask or ray, or give no address")
    return BACKENDS[name](workers, address)


@contextmanager
def _loky(workers: int, _: str | None) -> Iterator[Backend]:
    from joblib.externals.loky.process_executor import BrokenProcessPool

    if workers == 1:
        yield Backend("loky", 1, partial(map, work))  # here: a second process would only cost its start
        return
    options = {"backend": "loky", "n_jobs": workers, "inner_max_num_threads": 1}
    yield Backend("loky", workers, partial(_joblib, options), (BrokenProcessPool,))


@contextmanager
def _dask(workers: int, address: str | None) -> Iterator[Backend]:
    distributed = _imported("distributed", "dask")
    killed = importlib.import_module("distributed.scheduler").KilledWorker
    config = importlib.import_module("dask").config
    # A worker's profiler looks into running cells a hundred times a second, which only costs.
    with config.set({"distributed.worker.profile.enabled": False}), _cluster(distributed, workers, address) as place:
        try:
            client = distributed.Client(place, timeout=PATIENCE)
        except (OSError, ValueError) as error:  # a timeout is an OSError
            raise InputError(f"no Dask scheduler answers at {address}: {error}; start one or correct it") from error
        with client:
            count = sum(client.nthreads().values())
            if not count:
                raise InputError(f"the Dask cluster at {address} has no worker; start some")
            options = {"backend": "dask", "client": client, "wait_for_workers_timeout": PATIENCE}
            yield Backend("dask", count, partial(_joblib, options), (killed,))


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
        yield Backend("ray", count, partial(_futures, ray, count), lost)
    finally:
        if started:
            ray.shutdown()


BACKENDS: dict[str, Callable[[int, str | None], AbstractContextManager[Backend]]] = {
    "loky": _loky,
    "dask": _dask,
    "ray": _ray,
}
"""What opens each backend, by name, from a number of workers and an address."""


def _cluster(distributed: Any, workers: int, address: str | None) -> AbstractContextManager[Any]:
    if address is not None:
        return nullcontext(address)
    cluster: AbstractContextManager[Any] = distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=":0"
    )
    return cluster


def _imported(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(f"backend {extra} needs an extra: pip install 'edgeresearch[{extra}]' ({error})") from error


def _joblib(options: dict[str, Any], tasks: Iterator[Task]) -> Iterator[Found]:
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(**options):
        parallel = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch=f"{QUEUED}*n_jobs")
    yield from parallel(delayed(work)(task) for task in tasks)


def _futures(ray: Any, workers: int, tasks: Iterator[Task]) -> Iterator[Found]:
    """Run tasks on Ray: joblib's backend for it can neither yield results as they come nor outlive a worker."""
    remote = ray.remote(max_retries=RETRIES)(work)
    pending: list[Any] = []
    try:
        while True:
            for task in tasks:
                pending.append(remote.remote(task))
                if len(pending) >= QUEUED * workers:
                    break
            if not pending:
                return
            (done, *_), pending = ray.wait(pending)
            yield ray.get(done)
    finally:
        for each in pending:
            ray.cancel(each)


SECONDS = 1.0
"""What a task should take: sending it and writing its results then cost little, and a stop loses little."""
LARGEST = 64
"""Cells in a task."""
TRIES = 2
"""How often a cell may take its worker with it before it is given up."""


class Pace:
    """How long a cell takes, by the newest task: a worker's first one takes longer, for it imports."""

    def __init__(self) -> None:
        self._each: float | None = None

    def note(self, found: Found) -> None:
        """Take in what a task took."""
        self._each = max(found.seconds / len(found.rows), 1e-9)

    def size(self, left: int, workers: int) -> int:
        """Return how many cells the next task gets: a second's worth, fewer near the end so that all end alike.

        Args:
            left: Cells that are in no task yet.
            workers: How many share them.
        """
        if self._each is None:
            return 1
        return max(1, min(int(SECONDS / self._each), LARGEST, left // (2 * workers)))


def run(cells: Iterable[Cell], experiment: Experiment, places: Places, backend: Backend) -> Iterator[Found]:
    """Run cells on a backend; yield results as they come, in any order.

    Where a worker dies, the cells that it and its neighbours had are run again alone, each with a worker of its own;
    one that takes its worker with it again is told as failed. All others go on.

    Raises:
        RunError: Workers die before they get any cell.
    """
    left = {cell.key: cell for cell in cells}
    pace = Pace()

    def task(part: Sequence[Cell]) -> Task:
        return Task(experiment, places, part)

    while left:
        sent: dict[str, Cell] = {}
        try:
            for found in backend.map(_tasks(list(left.values()), task, sent, pace, backend.workers)):
                pace.note(found)
                _settle(found, sent, left)
                yield found
        except backend.lost as error:
            if not sent:
                raise RunError(f"workers of {backend.name} die before they get any work: {error}") from error
            for cell in list(sent.values()):
                found = _alone(cell, task, backend)
                _settle(found, sent, left)
                yield found


def _tasks(
    cells: Sequence[Cell], task: Callable[[Sequence[Cell]], Task], sent: dict[str, Cell], pace: Pace, workers: int
) -> Iterator[Task]:
    """Yield tasks as workers ask for them, and write down which cells were sent."""
    at = 0
    while at < len(cells):
        part = cells[at : at + pace.size(len(cells) - at, workers)]
        at += len(part)
        sent.update((cell.key, cell) for cell in part)
        yield task(part)


def _settle(found: Found, *pending: dict[str, Cell]) -> None:
    for row in found.rows:
        for cells in pending:
            cells.pop(str(row[KEY]), None)


def _alone(cell: Cell, task: Callable[[Sequence[Cell]], Task], backend: Backend) -> Found:
    """Run a cell by itself: if a worker dies now, it is this cell's doing."""
    for _ in range(TRIES):
        try:
            (found,) = backend.map(iter([task([cell])]))
            return found
        except backend.lost as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
    return Found([failed(cell, f"its worker died {TRIES} times: {reason}")], 0.0)


FOLDER = "cells"
"""Folder of the small files, in that of the results."""
TABLE = "sweep.parquet"
SEED = "seed"


@contextmanager
def open_store(out: str | Path) -> Iterator[Path]:
    """Yield the folder of the cells, made where missing, for this process alone; drafts of a killed one are removed.

    Raises:
        InputError: Another sweep is writing there, or the folder cannot be written.
    """
    folder = Path(out) / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}; choose a folder that can be written") from error
    with lock:  # the system unlocks it, however the process ends
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"another sweep is writing to {out}; wait, or choose another folder") from error
        for draft in folder.glob(".*.parquet"):
            draft.unlink()
        yield folder


def write(folder: Path, rows: Sequence[Row]) -> None:
    """Write the results of a task as one file, named by its first key: it is there whole or not at all."""
    with atomic(folder / f"{rows[0][KEY]}.parquet") as draft:
        pq.write_table(_table(rows, list(dict.fromkeys(name for row in rows for name in row))), draft)


def read(folder: Path) -> dict[str, Row]:
    """Return all results by key.

    Raises:
        InputError: A file is none of a sweep.
    """
    found: dict[str, Row] = {}
    for path in sorted(folder.glob("[!.]*.parquet")):
        try:
            rows = pq.ParquetFile(path).read().to_pylist()
            found.update((row[KEY], row) for row in rows)
        except (pa.ArrowException, KeyError) as error:
            raise InputError(f"{path} holds no cells of a sweep; remove it, and its cells are run again") from error
    return found


def forget(folder: Path, keys: Collection[str]) -> None:
    """Remove the results of some cells."""
    for path in sorted(folder.glob("[!.]*.parquet")):
        rows = pq.ParquetFile(path).read().to_pylist()
        kept = [_known(row) for row in rows if row[KEY] not in keys]
        if len(kept) < len(rows):
            if kept:
                write(folder, kept)
            if not kept or path.stem != kept[0][KEY]:
                path.unlink()


def joined(cells: Sequence[Cell], found: Mapping[str, Row]) -> pa.Table:
    """Return one row per cell, sorted by key: key, varied settings, seed, results, error.

    The table is the same whatever the order in which cells were run, and in which files they lie.
    """
    rows = []
    for cell in sorted(cells, key=lambda each: each.key):
        result = {name: value for name, value in _known(found[cell.key]).items() if name not in (KEY, ERROR)}
        rows.append({KEY: cell.key, **cell.varied, SEED: cell.seed, **result, ERROR: found[cell.key][ERROR]})
    results = sorted({name for row in rows for name in row} - {KEY, SEED, ERROR, *cells[0].varied})
    return _table(rows, [KEY, *cells[0].varied, SEED, *results, ERROR])


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table; the same table gives the same bytes."""
    with atomic(path) as draft:
        pq.write_table(table, draft, compression="zstd")


def _known(row: Row) -> Row:
    """Leave out what only another cell of the same file has."""
    return {name: value for name, value in row.items() if value is not None or name == ERROR}


def _table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> pa.Table:
    return pa.table({name: _column([row.get(name) for row in rows], text=name == ERROR) for name in names})


def _column(values: Sequence[Any], *, text: bool) -> pa.Array:
    """Return a column; values of several kinds, as a setting that is a number or null, become text."""
    if text:
        return pa.array(values, pa.string())
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())


NONE = "none"
"""What stands for null among the values of a setting."""


def frame(table: pa.Table, cells: Sequence[Cell]) -> pd.DataFrame:
    """Return the cells' table in the order of the sweep, its settings free of null.

    Args:
        table: As `store.joined` returns it.
        cells: In the order of the sweep.
    """
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
