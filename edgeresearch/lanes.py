"""Calls of DVC: the two papers' stages side by side at first, as neither needs anything of the other.

DVC runs one stage after another, and many of them keep only one core busy. What it allows is that several of its
processes work on one project, each on stages of its own; they take turns at `dvc.lock`.
"""

import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import yaml

from edgeresearch import recovery
from edgeresearch.errors import RunError
from edgeresearch.files import atomic

FIRST = "fetch"
"""What all others may need."""

LANES: Sequence[Sequence[str]] = (
    (
        *("figure1", "compare", "table2", "notebook-forecasting"),
        *("elastic", "table3", "notebook-elastic", "notebook-data"),
    ),
    (
        *("limits", "scheduling", "sweeps", "city", "anomaly", "measured", "staleness", "tables-los"),
        *("notebook-testbed", "notebook-latency", "notebook-limits", "notebook-scheduling", "notebook-city"),
        *("notebook-anomaly", "notebook-staleness"),
    ),
)
"""Stages in an order in which each finds what it needs; no lane needs one of another."""

_ENTRY = re.compile(r"^  (?=\S)", re.MULTILINE)


def reproduce(place: Path, variables: Mapping[str, str], *, lanes: bool = True) -> None:
    """Run all stages that are out of date.

    Args:
        place: The project folder.
        variables: The environment.
        lanes: Whether `LANES` may run side by side. They do so where each lacks results: to look for changes
            beforehand would cost a run with nothing to do twice its time.

    Raises:
        RunError: A stage failed; the other lane has run to its end.
    """
    found = _missing(place) if lanes else []
    if len(found) > 1:
        _repro(place, variables, [["--single-item", FIRST]])
        _repro(place, variables, [["--single-item", *lane] for lane in found])
    _repro(place, variables, [[]])
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
    if not path.is_file():
        return
    text = path.read_text(encoding="utf-8")
    order = {name: number for number, name in enumerate(_stages(place))}
    head, *entries = _ENTRY.split(text)
    entries.sort(key=lambda entry: (order.get(_group(_name(entry)), len(order)), _name(entry)))
    sorted_text = "  ".join([head, *entries])
    if sorted_text != text:
        with atomic(path) as draft:
            draft.write_text(sorted_text, encoding="utf-8")


def _name(entry: str) -> str:
    return entry.partition(":\n")[0].strip("'\"")


def _stages(place: Path) -> list[str]:
    """The names in `dvc.yaml`; none if it is damaged, which DVC tells better."""
    try:
        return list(yaml.safe_load((place / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    except (yaml.YAMLError, TypeError, KeyError):
        return []


def _missing(place: Path) -> list[list[str]]:
    """The stages of each lane, where the lane has one that never ran or whose results are not here."""
    known, entries = _stages(place), recovery.entries(place / "dvc.lock")
    if FIRST not in known:
        return []
    gone = [name for name, entry in entries.items() if not all((place / out["path"]).exists() for out in _outs(entry))]
    done = {_group(name) for name in entries} - {_group(name) for name in gone}
    lanes = ([name for name in lane if name in known] for lane in LANES)
    return [lane for lane in lanes if set(lane) - done]


def _outs(entry: Any) -> list[dict[str, str]]:
    return entry.get("outs", []) if isinstance(entry, dict) else []


def _group(name: str) -> str:
    """The stage of which this is an item, or which it is."""
    return name.partition("@")[0]


def _repro(place: Path, variables: Mapping[str, str], runs: Sequence[Sequence[str]]) -> None:
    """Run DVC with each of these words, side by side; the first has the terminal, others tell line by line."""
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro"]
    with ExitStack() as stack:
        started: list[subprocess.Popen[str]] = []
        for words in runs:
            told = subprocess.PIPE if started else None
            run = subprocess.Popen(
                [*command, *words], cwd=place, env=dict(variables), stdout=told, stderr=told, text=True
            )
            started.append(stack.enter_context(run))
            for lines, stream in ((run.stdout, sys.stdout), (run.stderr, sys.stderr)):
                if lines is not None:
                    teller = threading.Thread(target=_tell, args=(lines, stream), daemon=True)
                    teller.start()
                    stack.callback(teller.join)
        failed = [status for status in [_waited(run, place) for run in started] if status]
    if failed:
        raise RunError(f"dvc repro in {place} ended with status {failed[0]}; the failed stage is named above")


def _tell(lines: Iterable[str], stream: TextIO) -> None:
    for line in lines:
        print(line, end="", file=stream, flush=True)


def _waited(run: "subprocess.Popen[str]", place: Path) -> int:
    while True:
        try:
            return run.wait(timeout=1)
        except subprocess.TimeoutExpired:
            recovery.keep_lock(place)
