"""Calls of DVC: where much is lacking, two lanes of stages side by side that need nothing of each other.

DVC runs one stage after another, and many of them keep only one core busy. What it allows is that several of its
processes work on one project, each on stages of its own; they take turns at `dvc.lock`.
"""

import contextlib
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil
import yaml

from edgeresearch import recovery
from edgeresearch.errors import RunError
from edgeresearch.io import atomic

FIRST = "fetch"
"""What all others may need."""

PHASES: Sequence[Sequence[Sequence[str]]] = (
    (
        ("figure1", "compare", "table2", "measured"),
        (
            *("elastic", "table3", "limits", "scheduling", "sweeps", "city"),
            *("anomaly", "staleness", "tables-los"),
        ),
    ),
    (
        ("notebook-data", "notebook-forecasting", "notebook-anomaly", "notebook-latency"),
        (
            *("notebook-elastic", "notebook-testbed", "notebook-limits"),
            *("notebook-scheduling", "notebook-city", "notebook-staleness"),
        ),
    ),
)
"""What is computed, then what shows it, each in two lanes; those of the quick profile take about as long as each other.

A lane needs nothing of its neighbour, and its stages stand in an order in which each finds what it needs.
"""

_GRACE = 5.0
"""Seconds that an interrupted run has to end by itself."""
_ENTRY = re.compile(r"^  (?=\S)", re.MULTILINE)


def reproduce(place: Path, variables: Mapping[str, str], *, lanes: bool = True) -> None:
    """Run all stages that are out of date.

    Args:
        place: The project folder.
        variables: The environment.
        lanes: Whether lanes of `PHASES` may run side by side. They do so where, in a phase, each lacks results: where
            one of its stages never ran, or what it made is gone. To look for changes, too, would cost a run with
            nothing to do twice its time.

    Raises:
        RunError: A stage failed; the other lane has run to its end.
    """
    phases = _phases(place) if lanes else []
    try:
        if phases:
            _repro(place, variables, [["--single-item", FIRST]])
        for phase in phases:
            _repro(place, variables, [["--single-item", *lane] for lane in phase])
        _repro(place, variables, [[]])
    finally:
        sort_lock(place)


def force(place: Path, variables: Mapping[str, str], stage: str) -> None:
    """Run a stage, up to date or not.

    Raises:
        RunError: It failed.
    """
    _repro(place, variables, [["--force", "--single-item", stage]])


def sort_lock(place: Path) -> None:
    """Put the entries of `dvc.lock` in the order of `dvc.yaml`: DVC appends them as stages end, left to chance here."""
    path = place / "dvc.lock"
    order = {name: number for number, name in enumerate(_stages(place))}
    if not order or not path.is_file():
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    head, *entries = _ENTRY.split(text)
    entries.sort(key=lambda entry: (order.get(_group(_name(entry)), len(order)), _name(entry)))
    sorted_text = "  ".join([head, *entries])
    if sorted_text != text and recovery.entries(path) and not recovery.is_cut(text):
        with atomic(path) as draft:
            draft.write_text(sorted_text, encoding="utf-8")


def _name(entry: str) -> str:
    return entry.partition(":\n")[0].strip("'\"")


def _group(name: str) -> str:
    """The stage of which this is an item, or which it is."""
    return name.partition("@")[0]


def _stages(place: Path) -> list[str]:
    """The names in `dvc.yaml`; none if it is damaged, which DVC tells better."""
    try:
        return [str(name) for name in yaml.safe_load((place / "dvc.yaml").read_text(encoding="utf-8"))["stages"]]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError):
        return []


def _phases(place: Path) -> list[list[list[str]]]:
    """The stages of all lanes, phase by phase; nothing if in no phase several lanes lack results."""
    known, entries = _stages(place), recovery.entries(place / "dvc.lock")
    gone = {
        _group(name)
        for name, entry in entries.items()
        if not all((place / out["path"]).exists() for out in entry.get("outs", []))
    }
    done = {_group(name) for name in entries} - gone
    phases = [[[name for name in lane if name in known] for lane in phase] for phase in PHASES]
    lacking = max(sum(not done.issuperset(lane) for lane in phase) for phase in phases)
    return [[lane for lane in phase if lane] for phase in phases] if lacking > 1 and FIRST in known else []


def _repro(place: Path, variables: Mapping[str, str], runs: Sequence[Sequence[str]]) -> None:
    """Run DVC with each of these words, side by side; the first has the terminal, others tell line by line."""
    command = [sys.executable, "-m", "dvc", *(["--wait-for-lock"] if len(runs) > 1 else []), "repro"]
    started: list[subprocess.Popen[str]] = []
    tellers: list[threading.Thread] = []
    try:
        for words in runs:
            told = subprocess.PIPE if started else None
            run = subprocess.Popen(
                [*command, *words], cwd=place, env=dict(variables), stdout=told, stderr=told,
                text=True, errors="replace",
            )  # fmt: skip
            started.append(run)
            for lines, stream in ((run.stdout, sys.stdout), (run.stderr, sys.stderr)):
                if lines is not None:
                    tellers.append(threading.Thread(target=_tell, args=(lines, stream), daemon=True))
                    tellers[-1].start()
        _wait(started, place)
    except BaseException:
        _stop(started)
        raise
    finally:
        for teller in tellers:
            teller.join(timeout=_GRACE)
    failed = [str(run.returncode) for run in started if run.returncode]
    if failed:
        said = " and ".join(failed)
        raise RunError(f"dvc repro in {place} ended with status {said}; the failed stage is named above")


def _tell(lines: IO[str], stream: IO[str]) -> None:
    with lines:
        for line in lines:
            with contextlib.suppress(OSError, ValueError):  # nobody listens: read on, or the run would stand still
                print(line, end="", file=stream, flush=True)


def _wait(runs: Sequence["subprocess.Popen[str]"], place: Path) -> None:
    told = False
    while going := [run for run in runs if run.poll() is None]:
        if not told and len(going) < len(runs) and any(run.returncode for run in runs):
            print("note: a stage has failed; the stages beside it go on to their end", file=sys.stderr, flush=True)
            told = True
        with contextlib.suppress(subprocess.TimeoutExpired):
            going[0].wait(timeout=1)
        recovery.keep_lock(place)


def _stop(runs: Sequence["subprocess.Popen[str]"]) -> None:
    """Wait until runs have ended with all that they started: an interrupt from a terminal has reached them, too.

    Where it came to this process alone, it is handed on: DVC does not hear it while a stage runs, so the stage must.
    """
    processes = [each for run in runs if run.poll() is None for each in _family(run.pid)]
    for number in (signal.SIGINT, signal.SIGKILL):
        _, processes = psutil.wait_procs(processes, timeout=_GRACE)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
    psutil.wait_procs(processes, timeout=_GRACE)
    for run in runs:
        run.wait()


def _family(number: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(number)
        return [process, *process.children(recursive=True)]
    return []
