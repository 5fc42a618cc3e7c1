"""Independent tasks on several processes; what comes out does not depend on how many there are."""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from multiprocessing import get_context, parent_process, resource_tracker
from pathlib import Path
from typing import Any, Literal

from edgeresearch.errors import RunError

Task = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
"""A function with its arguments, as joblib's `delayed` makes it."""

_tasks: Sequence[Task] = ()


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(tasks: Iterable[Task], workers: int) -> list[Any]:
    """Run tasks and return what they gave, in their order (see `iterate`)."""
    return list(iterate(tasks, workers))


def iterate(tasks: Iterable[Task], workers: int) -> Iterator[Any]:
    """Run tasks on several processes and yield what they gave, in their order.

    A process with one thread is copied, which costs nothing; from any other, such as a notebook's, joblib starts fresh
    processes. A worker uses one thread.

    Args:
        tasks: Functions of modules with their arguments, by `joblib.delayed`.
        workers: Processes; with 1, this process runs the tasks itself.

    Raises:
        RunError: A worker died, for example for lack of memory.
    """
    listed = list(tasks)
    workers = min(workers, len(listed))
    if workers <= 1:
        for function, arguments, options in listed:
            yield function(*arguments, **options)
        return
    try:
        yield from _copies(listed, workers) if _has_one_thread() else _fresh(listed, workers)
    except BrokenExecutor as error:
        raise RunError("a worker process died: out of memory, or killed; use fewer workers") from error


def _has_one_thread() -> bool:
    """Whether a copy of this process lacks nothing: it has only the thread that made it (jemalloc starts its own)."""
    for _ in range(20 if sys.platform == "linux" else 0):
        with contextlib.suppress(OSError):  # a thread ends while one looks
            names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
            if len([name for name in names if name != "jemalloc_bg_thd"]) == 1:
                return True
        time.sleep(0.005)  # one that has just ended may be there still
    return False


def _fresh(tasks: Sequence[Task], workers: int) -> Iterator[Any]:
    from joblib import Parallel

    yield from start(lambda: Parallel(n_jobs=workers, return_as="generator")(tasks))


def start(parallel: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """Yield what processes of joblib give: an interrupt reaches this process alone, and it ends them."""
    resource_tracker.ensure_running()  # while it starts, it lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        results = parallel()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield from results
    except BaseException:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True, kill_workers=True)
        raise


def _copies(tasks: Sequence[Task], workers: int) -> Iterator[Any]:
    global _tasks
    _tasks = tasks  # the copies find them there
    with ending_pool(workers, "fork", _prepare) as pool:
        futures = [pool.submit(_task, number) for number in range(len(tasks))]
        _tasks = ()
        for future in futures:
            yield future.result()


def end_with_parent() -> None:
    """Let a worker end with its parent, which alone hears an interrupt; where there is no Linux, it may outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        parent = parent_process()
        if parent is not None and parent.pid != os.getppid():  # it had ended before
            os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def ending_pool(
    workers: int, method: Literal["fork", "spawn"], prepare: Callable[[], None] = end_with_parent
) -> Iterator[ProcessPoolExecutor]:
    """Yield processes that end behind the block, and are killed at once if it fails or is interrupted.

    Args:
        workers: How many.
        method: How they are started.
        prepare: What each does first; it calls `end_with_parent`.
    """
    pool = ProcessPoolExecutor(workers, mp_context=get_context(method), initializer=prepare)
    try:
        yield pool
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare() -> None:
    """Let a worker end with its parent, and use one thread."""
    end_with_parent()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)


def _task(number: int) -> Any:
    function, arguments, options = _tasks[number]
    return function(*arguments, **options)
