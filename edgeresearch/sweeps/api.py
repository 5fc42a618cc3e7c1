"""A sweep of a user's own: what a YAML file tells is run on cores or a cluster, and continued if it was stopped."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from edgeresearch import __version__
from edgeresearch.config import Params
from edgeresearch.errors import InputError, nearest
from edgeresearch.io import check, gathered, write_csv, write_json
from edgeresearch.sweeps import runner
from edgeresearch.sweeps.experiments import BUILTIN, Experiment, Places, find
from edgeresearch.sweeps.runner import ERROR, KEY
from edgeresearch.sweeps.spec import Cell, Spec, cells, load

FACTS = "sweep.json"
SUMMARY = "summary.csv"
FAILED = "failed.csv"


@dataclass(frozen=True)
class Report:
    """What a sweep gave.

    Attributes:
        name: Of the spec's file.
        spec: The sweep.
        measure: The column of results that is drawn.
        labels: What the measures and the varied settings are, with their units.
        table: One row per cell in the order of the sweep: key, varied settings, seed, results, error.
        summary: One row per setting (see `summary.summary`).
        failed: Cells that gave an error.
        said: One line for each thing that the user may not expect.
    """

    name: str
    spec: Spec
    measure: str
    labels: Mapping[str, str]
    table: pd.DataFrame
    summary: pd.DataFrame
    failed: int
    said: tuple[str, ...]


Draw = Callable[[Report, Path], object]
"""Draws a report into a folder."""


def _quiet(_: str) -> None:
    pass


def _unwatched(_: int, __: int) -> None:
    pass


def sweep_file(
    path: str | Path,
    out: str | Path,
    *,
    base: Params | None = None,
    experiments: Mapping[str, Experiment] | None = None,
    data: str | Path | None = None,
    backend: str = "loky",
    workers: int = 2,
    address: str | None = None,
    retry: bool = False,
    draw: Draw | None = None,
    tell: Callable[[str], None] = _quiet,
    watch: Callable[[int, int], None] = _unwatched,
) -> Report:
    """Run what is left of a sweep.

    Results come to `out/cells` as they are found. A sweep that was stopped, by whatever, goes on from there; so does
    one that has got more seeds or values. At the end `out` gets `sweep.parquet`, `summary.csv`, `failed.csv` if a cell
    failed, and what `draw` adds. The table is the same on every backend and for any number of workers.

    Args:
        path: The sweep as YAML (see `spec.Spec`).
        out: Folder of the results; made where missing.
        base: The settings in general, under those of the sweep; those of the full run if None.
        experiments: Experiments of your own by name, beside those of `BUILTIN`.
        data: The data folder; the one in the settings if None.
        backend: A key of `backends.BACKENDS`.
        workers: Processes, if no cluster is addressed.
        address: Of a cluster of Dask or Ray that is there.
        retry: Whether cells that failed are run again.
        draw: Draws the report into the folder.
        tell: Receives a line about what is under way.
        watch: Receives how many cells are done, and of how many, at the beginning and after each task.

    Raises:
        InputError: The sweep, a setting, the backend or the folder is not usable; the message says why.
    """
    base = base or Params()
    spec = load(path)
    experiment = find(spec.experiment, {**BUILTIN, **(experiments or {})})
    measure = _measure(spec, experiment, path)
    planned = cells(spec, experiment, base, str(path))
    places = Places(Path(data or base.data.folder).absolute(), Path.cwd())
    check(out)
    said = [_size(spec, planned)]
    with runner.open_store(out) as folder:
        _begin(Path(out) / FACTS, experiment, _digests(planned, experiment, places))
        found = runner.read(folder)
        again = [cell.key for cell in planned if retry and found.get(cell.key, {}).get(ERROR)]
        runner.forget(folder, again)
        left = [cell for cell in planned if cell.key not in found or cell.key in set(again)]
        if len(left) < len(planned):
            said.append(f"{len(planned) - len(left)} of {len(planned)} cells are there already")
        for line in said:
            tell(line)
        watch(len(planned) - len(left), len(planned))
        if left:
            with runner.open_backend(backend, workers=workers, address=address) as opened:
                done = len(planned) - len(left)
                for each in runner.run(left, experiment, places, opened):
                    runner.write(folder, each.rows)
                    done += len(each.rows)
                    watch(done, len(planned))
        return _finish(path, Path(out), spec, experiment, measure, planned, said, draw)


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


def _finish(
    path: str | Path,
    out: Path,
    spec: Spec,
    experiment: Experiment,
    measure: str,
    planned: Sequence[Cell],
    said: Sequence[str],
    draw: Draw | None,
) -> Report:
    from edgeresearch.sweeps.runner import frame, summary

    joined = runner.joined(planned, runner.read(out / runner.FOLDER))
    table = frame(joined, planned)
    failures = table[table[ERROR].notna()]
    labels = {**experiment.measures, **{name: _label(name, experiment) for name in spec.varied}}
    means = summary(table, spec.varied, experiment.measures)
    report = Report(Path(path).name, spec, measure, labels, table, means, len(failures), tuple(said))
    with gathered(out) as folder:
        runner.write_table(joined, folder / runner.TABLE)
        write_csv(means, folder / SUMMARY)
        if len(failures):
            write_csv(failures[[KEY, *spec.varied, runner.SEED, ERROR]], folder / FAILED)
        if draw is not None:
            draw(report, folder)
    if not len(failures):
        (out / FAILED).unlink(missing_ok=True)
    return report


def _label(name: str, experiment: Experiment) -> str:
    unit = experiment.units.get(name)
    return f"{name} ({unit})" if unit else name
