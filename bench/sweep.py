"""What is measured: a sweep of LOS on two workers beside the same on one, as whole commands in wall time.

A cell is as long as the paper's measurement of one number of streams, five times four hours (Paper B, section VI.C).
What both do on one core alone is in the ratio too: imports, the summary, the figure.
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
from edgeresearch.sweep.store import TABLE

WORKERS = 2
CLAIM = 1 / 1.8
"""Largest ratio of the wall times that is claimed."""
STREAMS = (4, 8)
INTERVALS = (5.0, 20.0, 46.2, 120.0, 600.0)
"""Seconds between a node's messages."""


@dataclass(frozen=True)
class Size:
    """How much is measured: `seeds` cells of so many hours for each setting."""

    seeds: int = 20
    hours: float = 20.0
    repeats: int = 3

    @property
    def cells(self) -> int:
        """Cells of the sweep."""
        return len(STREAMS) * len(INTERVALS) * self.seeds


QUICK = Size(seeds=1, hours=1.0, repeats=1)


def rows(size: Size) -> Iterator[Row]:
    """Run the sweep on two workers and on one in turn, each into a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "sweep.yaml"
        spec.write_text(yaml.safe_dump(described(size)), encoding="utf-8")
        ours, theirs = [], []
        for repeat in range(size.repeats):
            outs = [Path(folder) / f"{repeat}_{workers}" for workers in (WORKERS, 1)]
            ours.append(command(spec, outs[0], WORKERS))
            theirs.append(command(spec, outs[1], 1))
            check(*outs)
    shown = f"{size.cells} cells of {size.hours:g} h"
    yield Row(f"sweep of LOS on {WORKERS} workers", shown, "one worker", ours, theirs, CLAIM, "wall")


def described(size: Size) -> dict[str, object]:
    """Return the sweep as a user's file has it."""
    return {
        "experiment": "los",
        "seeds": size.seeds,
        "settings": {"los.hours": size.hours},
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
