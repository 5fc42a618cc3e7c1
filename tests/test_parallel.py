"""Tasks on several processes; each case is a process of its own, since copying depends on how many threads it has."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from joblib import delayed

from edgeresearch import parallel

ROOT = Path(__file__).parents[1]
HEAD = """\
import os, signal, sys, threading, time
from joblib import delayed
from edgeresearch import parallel
from edgeresearch.errors import InputError
def square(number):
    time.sleep(0.05 if number == 0 else 0)
    return number * number, os.getpid()
def fail(number):
    raise InputError(f"{number} is wrong") if number == 1 else time.sleep(30)
def die(number):
    os.kill(os.getpid(), signal.SIGKILL)
def wait(folder):
    open(f"{folder}/{os.getpid()}", "w").close()
    time.sleep(60)
"""


def _python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", HEAD + code, *arguments]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_one_worker_is_this_process() -> None:
    assert parallel.run([delayed(os.getpid)()] * 3, 1) == [os.getpid()] * 3
    assert parallel.run([delayed(os.getpid)()], 8) == [os.getpid()]
    assert parallel.run([], 2) == []


def test_there_is_a_core() -> None:
    assert 1 <= parallel.cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize("threads", [1, 2])
def test_results_stand_in_the_order_of_the_tasks(threads: int) -> None:
    """With a second thread, fresh processes are started."""
    other = "threading.Thread(target=time.sleep, args=(20,), daemon=True).start()\n" if threads == 2 else ""
    code = f"""{other}
for _ in range(2):
    found = parallel.run((delayed(square)(number) for number in range(7)), 2)
    assert [each for each, _ in found] == [number * number for number in range(7)], found
    assert os.getpid() not in (process for _, process in found)
print(parallel._has_one_thread())
"""
    done = _python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{threads == 1}\n"


def test_a_failed_task_is_told_as_it_failed_and_ends_the_others() -> None:
    before = time.monotonic()
    done = _python("""
try:
    parallel.run((delayed(fail)(number) for number in (1, 2)), 2)
except InputError as error:
    print(error)
""")
    assert done.stdout == "1 is wrong\n", done.stderr
    assert time.monotonic() - before < 20


def test_a_worker_that_dies_is_told() -> None:
    done = _python("parallel.run((delayed(die)(number) for number in (1, 2)), 2)")
    assert done.stderr.splitlines()[-1].endswith(
        "RunError: a worker process died: out of memory, or killed; use fewer workers"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path: Path, number: int) -> None:
    code = HEAD + "parallel.run([delayed(wait)(sys.argv[1])] * 2, 2)"
    words = [sys.executable, "-c", code, str(tmp_path)]
    parent = subprocess.Popen(words, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < 2:
            assert time.monotonic() < until and parent.poll() is None
            time.sleep(0.05)
        workers = [psutil.Process(int(path.name)) for path in tmp_path.iterdir()]
        parent.send_signal(number)
        assert parent.wait(timeout=20) != 0
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert alive == []
    finally:
        parent.kill()
