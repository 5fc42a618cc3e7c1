"""CPU and wall seconds of the pipeline's stages, measured on request.

They differ from run to run, so no stage writes them: the file is an input that is measured now and then, and that the
report shows. A stage's command starts with `python`, so a script of that name, first on the path, measures it from
outside. Run as a file, this module is what the script calls; what is not of the standard library is imported late.
"""

import csv
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["stage", "cpu_seconds", "wall_seconds", "machine"]
REST = "dvc"
"""Stands for what is no stage's: looking at files and writing down what was made."""


@contextmanager
def recorded(path: str | Path | None, machine: str = "") -> Iterator[list[str]]:
    """Measure what the block starts, and put the seconds of each stage that succeeds in place of its older ones.

    Args:
        path: CSV with `COLUMNS`, made where missing; nothing is measured if None.
        machine: What it is measured on.

    Yields:
        Folders that must stand first on the path of the stages.

    Raises:
        InputError: The file is not such a table, or cannot be written.
    """
    if path is None:
        yield []
        return
    read(path)  # a wrong file is refused before minutes of work
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.csv"
        log.touch()
        script = Path(folder) / "python"
        words = shlex.join([sys.executable, str(Path(__file__).resolve()), str(log)])
        script.write_text(f'#!/bin/sh\nexec {words} "$DVC_STAGE" "$@"\n', encoding="utf-8")
        script.chmod(0o755)
        start = _clock()
        try:
            yield [folder]
        finally:
            update(path, _rows(log), [now - then for now, then in zip(_clock(), start, strict=True)], machine)


def measure(log: Path, stage: str, command: list[str]) -> int:
    """Run a command and append its stage, CPU seconds (with all that it started and waited for) and wall seconds.

    Returns:
        Its status; only a command that succeeds is written down.
    """
    start = _clock()
    status = subprocess.run(command, check=False).returncode
    if status == 0:
        with log.open("a", encoding="utf-8", newline="") as lines:
            csv.writer(lines).writerow([stage, *(now - then for now, then in zip(_clock(), start, strict=True))])
    return status if status >= 0 else 128 - status


def read(path: str | Path) -> "pd.DataFrame":
    """Read the seconds of the stages: one row each; empty if there is no file.

    Raises:
        InputError: The file is not such a table.
    """
    import pandas as pd

    from edgeresearch.errors import InputError

    if not Path(path).exists():
        return pd.DataFrame(columns=COLUMNS)
    try:
        table = pd.read_csv(path, dtype={"stage": str, "machine": str})
        table = table[COLUMNS].astype({"cpu_seconds": float, "wall_seconds": float})
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} has not the columns {', '.join(COLUMNS)}; name another file") from error
    return table


def update(
    path: str | Path, rows: list[tuple[str, float, float]], total: list[float], machine: str = ""
) -> "pd.DataFrame":
    """Write newly measured seconds into the file; stages that did not run keep their older rows.

    Args:
        path: CSV with `COLUMNS`; made where missing.
        rows: Stage, CPU seconds, wall seconds; nothing is written if there are none.
        total: CPU and wall seconds of the whole run; what no stage took is `REST`.
        machine: What they were measured on.

    Returns:
        The whole table, the stages in the order in which they were first measured, `REST` at the end.
    """
    import pandas as pd

    from edgeresearch.io import write_csv

    old = read(path)
    if not rows:
        return old
    spent = [sum(cpu for _, cpu, _ in rows), sum(wall for *_, wall in rows)]
    rest = [max(0.0, whole - part) for whole, part in zip(total, spent, strict=True)]
    new = pd.DataFrame([*rows, (REST, *rest)], columns=COLUMNS[:3]).assign(machine=machine)
    new = new.set_index("stage")
    names = [name for name in dict.fromkeys([*old["stage"], *new.index]) if name != REST]
    kept = old.set_index("stage").drop(index=new.index, errors="ignore")
    both = pd.concat([kept, new]) if len(kept) else new
    table = both.loc[[*names, REST]].reset_index()
    write_csv(table, path, digits=3)
    return table


def _rows(log: Path) -> list[tuple[str, float, float]]:
    """What was written down; a stage that ran twice counts by its last time."""
    with log.open(encoding="utf-8", newline="") as lines:
        found = {stage: (stage, float(cpu), float(wall)) for stage, cpu, wall in csv.reader(lines)}
    return list(found.values())


def _clock() -> tuple[float, float]:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime, time.perf_counter()


if __name__ == "__main__":
    sys.exit(measure(Path(sys.argv[1]), sys.argv[2], [sys.executable, *sys.argv[3:]]))
