"""What is measured: a sweep of LOS on two workers beside the same on one, as whole commands in wall time.

What both do on one core alone is in the ratio too: imports, the summary, the figure. It counts for much where cells are
short, as the default ones are (four hours, Paper B, section VI.C), and for little where they are long.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.timing import Row
from edgeresearch.sweeps.api import TABLE

WORKERS = 2
CLAIM = 1 / 1.8
"""Largest ratio of the wall times that is claimed of the longest cells."""
STREAMS = (4, 8)
INTERVALS = (5.0, 20.0, 46.2, 120.0, 600.0)
"""Seconds between a node's messages."""


@dataclass(frozen=True)
class Size:
    """How much is measured: `seeds` cells for each setting, of so many hours, the longest last."""

    seeds: int = 20
    hours: tuple[float, ...] = (4.0, 40.0)
    repeats: int = 3

    @property
    def cells(self) -> int:
        """Cells of the sweep."""
        return len(STREAMS) * len(INTERVALS) * self.seeds


QUICK = Size(seeds=1, hours=(1.0,), repeats=1)


def rows(size: Size) -> Iterator[Row]:
    """Run each sweep on two workers and on one in turn, each into a folder of its own."""
    for hours in size.hours:
        pairs = [pair(size, hours) for _ in range(size.repeats)]
        ours, theirs = zip(*pairs, strict=True)
        shown, bound = f"{size.cells} cells of {hours:g} h", CLAIM if hours == size.hours[-1] else None
        yield Row(f"sweep of LOS on {WORKERS} workers", shown, "one worker", ours, theirs, bound, "wall")


def pair(size: Size, hours: float) -> tuple[float, float]:
    """Run one sweep on two workers, then on one; return the wall seconds of both.

    Raises:
        RuntimeError: Their tables differ.
    """
    with tempfile.TemporaryDirectory() as folder:
        spec, one, two = (Path(folder) / name for name in ("sweep.yaml", "one", "two"))
        spec.write_text(yaml.safe_dump(described(size, hours)), encoding="utf-8")
        found = command(spec, two, WORKERS), command(spec, one, 1)
        check(one, two)
        return found


def described(size: Size, hours: float) -> dict[str, object]:
    """Return the sweep as a user's file has it."""
    return {
        "experiment": "los",
        "seeds": size.seeds,
        "settings": {"los.hours": hours},
        "grid": {"streams": list(STREAMS), "los.interval": list(INTERVALS)},
    }


def command(spec: Path, out: Path, workers: int) -> float:
    """Run a sweep as a user does; return its wall seconds.

    Raises:
        CalledProcessError: The sweep failed.
    """
    words = [sys.executable, "-m", "edgeresearch", "sweep", str(spec), "--out", str(out), "--workers", str(workers)]
    start = time.perf_counter()
    subprocess.run(words, cwd=spec.parent, check=True, capture_output=True)
    return time.perf_counter() - start


def check(one: Path, other: Path) -> None:
    """Compare the tables of two sweeps.

    Raises:
        RuntimeError: They differ.
    """
    if (one / TABLE).read_bytes() != (other / TABLE).read_bytes():
        raise RuntimeError(f"{one.name} and {other.name} are one sweep, but their tables differ")
