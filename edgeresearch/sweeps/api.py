"""Sweep an experiment over settings and seeds, on cores or a cluster; a sweep that was stopped goes on."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
from joblib import cpu_count

from edgeresearch import __version__
from edgeresearch.config import Params
from edgeresearch.errors import InputError, nearest
from edgeresearch.io import check, write_json
from edgeresearch.result import Result
from edgeresearch.sweeps import runner
from edgeresearch.sweeps.experiments import BUILTIN, Experiment, Places, find
from edgeresearch.sweeps.runner import ERROR, KEY
from edgeresearch.sweeps.spec import Cell, Spec, cells, load

FACTS = "sweep.json"
FAILED = "failed.csv"


@dataclass(frozen=True, repr=False)
class SweepResult(Result):
    """What a sweep gave.

    Attributes:
        table: One row per setting: means over the seeds with their 95 % intervals (see `runner.summary`).
        notes: One line for each thing that the user may not expect.
        facts: Experiment, seeds and version.
        cells: One row per cell in the order of the sweep: key, varied settings, seed, results, error.
        spec: The sweep.
        name: Of the spec's file.
        measure: The column of results that is drawn.
        labels: What the measures and the varied settings are, with their units.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]
    facts: Mapping[str, Any]
    cells: pd.DataFrame
    spec: Spec
    name: str
    measure: str
    labels: Mapping[str, str]
    arrow: pa.Table

    @property
    def failures(self) -> pd.DataFrame:
        """Cells that gave an error: key, varied settings, seed, error."""
        return self.cells.loc[self.cells[ERROR].notna(), [KEY, *self.spec.varied, runner.SEED, ERROR]]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return `summary`, and `failed` if a cell failed; `save` adds `sweep.parquet`, every cell with all digits."""
        return {"summary": self.table} | ({"failed": self.failures} if len(self.failures) else {})

    def save(self, folder: str | Path, *, figures: bool = True) -> Path:
        """Write the result as `Result.save` does; a list of failed cells that an earlier run left goes."""
        place = super().save(folder, figures=figures)
        if not len(self.failures):
            (place / FAILED).unlink(missing_ok=True)
        return place

    def _save_more(self, folder: Path) -> None:
        runner.write_table(self.arrow, folder / runner.TABLE)


def sweep(
    spec: str | Path | Mapping[str, Any] | Spec,
    out: str | Path | None = None,
    *,
    workers: int | None = None,
    backend: str = "loky",
    address: str | None = None,
    retry: bool = False,
    base: Params | None = None,
    experiments: Mapping[str, Experiment] | None = None,
    data: str | Path | None = None,
    progress: Callable[[str], None] | None = None,
    watch: Callable[[int, int], None] | None = None,
) -> SweepResult:
    """Run an experiment over a grid or a Latin hypercube of settings, with many seeds.

    The table is the same on every backend and for any number of workers. With `out`, results come to `out/cells` as
    they are found, and a sweep that was stopped, by whatever, goes on from there; so does one that has got more seeds
    or values.

    Args:
        spec: The sweep: a YAML file, its keys and values, or a `Spec`.
        out: Folder that keeps the cells; made where missing. None keeps them in memory alone.
        workers: Processes, if no cluster is addressed; None for all cores.
        backend: `loky` (this machine's cores), `dask` or `ray`.
        address: Of a cluster of Dask or Ray that is there.
        retry: Whether cells that failed are run again.
        base: The settings in general, under those of the sweep; those of the study if None.
        experiments: Experiments of your own by name, beside `los`, `elastic` and `forecast`.
        data: The data folder; the one in the settings if None.
        progress: Receives a line about what is under way.
        watch: Receives how many cells are done, and of how many, at the beginning and after each task.

    Raises:
        InputError: The sweep, a setting, the backend or the folder is not usable; the message says why.
    """
    base, where = base or Params(), str(spec) if isinstance(spec, str | Path) else "sweep"
    chosen = load(spec)
    experiment = find(chosen.experiment, {**BUILTIN, **(experiments or {})})
    measure = _measure(chosen, experiment, where)
    planned = cells(chosen, experiment, base, where)
    places = Places(Path(data or base.data.folder).absolute(), Path.cwd())
    notes = [_size(chosen, planned)]
    with ExitStack() as stack:
        if out is None:
            out = stack.enter_context(TemporaryDirectory(prefix="edgeresearch-sweep-"))
        check(out)
        folder = stack.enter_context(runner.open_store(out))
        _begin(Path(out) / FACTS, experiment, _digests(planned, experiment, places))
        stored = runner.read(folder)
        again = [cell.key for cell in planned if retry and stored.get(cell.key, {}).get(ERROR)]
        runner.forget(folder, again)
        left = [cell for cell in planned if cell.key not in stored or cell.key in set(again)]
        finished = len(planned) - len(left)
        if finished:
            notes.append(f"{finished} of {len(planned)} cells are there already")
        if progress:
            progress("\n".join(notes))
        if watch:
            watch(finished, len(planned))
        if left:
            opened = stack.enter_context(runner.open_backend(backend, workers=workers or cpu_count(), address=address))
            for each in runner.run(left, experiment, places, opened):
                runner.write(folder, each.rows)
                finished += len(each.rows)
                if watch:
                    watch(finished, len(planned))
        arrow = runner.joined(planned, runner.read(folder))
    table = runner.frame(arrow, planned)
    return SweepResult(
        table=runner.summary(table, chosen.varied, experiment.measures),
        notes=tuple(notes),
        facts={"experiment": experiment.name, "seeds": chosen.seeds, "seed": chosen.seed, "cells": len(planned)},
        cells=table,
        spec=chosen,
        name=Path(where).name,
        measure=measure,
        labels={**experiment.measures, **{name: _label(name, experiment) for name in chosen.varied}},
        arrow=arrow,
    )


def _measure(spec: Spec, experiment: Experiment, where: str | Path) -> str:
    if spec.measure is None:
        return next(iter(experiment.measures))
    if spec.measure not in experiment.measures:
        hint = nearest(spec.measure, experiment.measures)
        raise InputError(
            f"{where}: unknown measure {spec.measure}{hint}; {experiment.name} has {', '.join(experiment.measures)}"
        )
    return spec.measure


def _size(spec: Spec, planned: Sequence[Cell]) -> str:
    points = len(planned) // spec.seeds
    what = f"{points} {'setting' if points == 1 else 'settings'} of {', '.join(spec.varied)}"
    line = f"sweep: {len(planned)} cells of {spec.experiment}: {what}, {spec.seeds} seeds each"
    meet = spec.latin_hypercube.points - points if spec.latin_hypercube else 0
    return line + (f"; {meet} more points are the same as others" if meet else "")


def _digests(planned: Sequence[Cell], experiment: Experiment, places: Places) -> dict[str, str]:
    """Return the SHA-256 of every file that a cell reads, by its path."""
    paths = {path for cell in planned for path in experiment.files(cell.settings, places)}
    found = {}
    for path in sorted(paths):
        try:
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}; the sweep needs it") from error
    return found


def _begin(path: Path, experiment: Experiment, files: Mapping[str, str]) -> None:
    """Write down what results depend on beside the settings, or compare with what an earlier run wrote."""
    facts = {"edgeresearch": __version__, "experiment": experiment.name, "files": dict(files)}
    if path.is_file():
        try:
            old = json.loads(path.read_text(encoding="utf-8"))
            before, seen, name = old["edgeresearch"], old["files"], old["experiment"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} was not written by a sweep; choose another folder") from error
        if (before, name) != (__version__, experiment.name):
            was, now = f"{name} by version {before}", f"{experiment.name} by version {__version__}"
            raise InputError(f"{path.parent} holds a sweep of {was}, this is one of {now}; choose another folder")
        changed = [each for each, digest in files.items() if seen.get(each, digest) != digest]
        if changed:
            raise InputError(f"{changed[0]} has changed since {path.parent} was begun; choose another folder")
        facts["files"] = {**seen, **files}
    write_json(facts, path)


def _label(name: str, experiment: Experiment) -> str:
    unit = experiment.units.get(name)
    return f"{name} ({unit})" if unit else name
