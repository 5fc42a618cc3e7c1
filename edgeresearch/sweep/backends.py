"""Where cells run: this machine's cores by joblib's loky, a Dask cluster by joblib, or a Ray cluster."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from edgeresearch.errors import InputError, RunError, nearest
from edgeresearch.sweep.work import Found, Task, work

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


def opened(name: str, *, workers: int, address: str | None = None) -> AbstractContextManager[Backend]:
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
