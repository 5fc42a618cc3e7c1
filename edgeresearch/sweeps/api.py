"""Sweep an experiment over settings and seeds, on cores or a cluster; a sweep that was stopped goes on."""

import functools
import itertools
import json
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Self, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from joblib import cpu_count
from pydantic import BaseModel, Field, NonNegativeInt, PositiveInt, model_validator

from edgeresearch import __version__
from edgeresearch.config import Params
from edgeresearch.errors import InputError, check_known, nearest
from edgeresearch.io import readable, write_json
from edgeresearch.provenance import sha256
from edgeresearch.result import Result
from edgeresearch.settings import Section, merge, parsed, read_yaml
from edgeresearch.sweeps import runner
from edgeresearch.sweeps.experiments import BUILTIN, MOST, Experiment, Places, Settings, fit_to_files, tell_files
from edgeresearch.sweeps.runner import ERROR, KEY, SEED, Cell

TABLE = "sweep.parquet"
FACTS = "sweep.json"
FAILED = "failed.csv"
ALIKE = (("strategy", "policy", "policies"), ("model", "forecaster"))
"""What experiments call by different names."""
DIGITS = 6
"""Significant digits of what a Latin hypercube draws: the numbers can be read and typed again."""


class Span(Section):
    """A range that a Latin hypercube draws from; whole numbers, both ends among them, if the setting takes those."""

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low is {self.low:g}, not below high, {self.high:g}; give a smaller low")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"low is {self.low:g}; a log scale begins above 0")
        return self


class LatinHypercube(Section):
    """Points spread over all settings at once, each setting's range cut into as many parts as there are points.

    Attributes:
        points: How many.
        settings: Ranges, or lists of values, by dotted key.
    """

    points: PositiveInt
    settings: dict[str, Span | tuple[Any, ...]] = Field(min_length=1)


class Spec(Section):
    """A sweep.

    Attributes:
        experiment: Name of the experiment.
        seeds: Repeats of each setting.
        seed: Root of everything random.
        settings: Values that are the same in every cell, by dotted key.
        grid: Values of each varied setting, by dotted key: every combination is run; or
        latin_hypercube: points between them.
        measure: The column of results that is drawn; the experiment's first one if None.
    """

    experiment: str
    seeds: PositiveInt = 5
    seed: NonNegativeInt = 0
    settings: dict[str, Any] = {}
    grid: dict[str, tuple[Any, ...]] = {}
    latin_hypercube: LatinHypercube | None = None
    measure: str | None = None

    @model_validator(mode="after")
    def _varied_once(self) -> Self:
        if bool(self.grid) == bool(self.latin_hypercube):
            raise ValueError("give either a grid or a latin_hypercube of the settings that are varied")
        twice = [name for name in self.varied if name in self.settings]
        if twice:
            raise ValueError(f"{twice[0]} is fixed and varied; name it once")
        for name, values in self.grid.items():
            if not values:
                raise ValueError(f"grid.{name} has no value; list some")
        return self

    @property
    def varied(self) -> tuple[str, ...]:
        """Dotted keys of what is varied."""
        return tuple(self.latin_hypercube.settings if self.latin_hypercube else self.grid)

    def values(self, name: str) -> tuple[Any, ...]:
        """Return the values that a setting is given, fixed or varied; a range as it is."""
        varied = self.latin_hypercube.settings if self.latin_hypercube else self.grid
        given = varied.get(name, [self.settings[name]] if name in self.settings else [])
        return tuple(given) if isinstance(given, list | tuple) else (given,)


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
        arrow: The cells sorted by key, with all digits, as `save` writes them to `sweep.parquet`.
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
        return self.cells.loc[self.cells[ERROR].notna(), [KEY, *self.spec.varied, SEED, ERROR]]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return `summary`, and `failed` if a cell failed."""
        return {"summary": self.table} | ({"failed": self.failures} if len(self.failures) else {})

    def save(self, folder: str | Path, *, figures: bool = True) -> Path:
        """Write the result as `Result.save` does; a list of failed cells that an earlier run left goes."""
        place = super().save(folder, figures=figures)
        if not len(self.failures):
            (place / FAILED).unlink(missing_ok=True)
        return place

    def _save_more(self, folder: Path) -> None:
        pq.write_table(self.arrow, folder / TABLE, compression="zstd")


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

    The table is the same on every backend and for any number of workers. With `out`, results come to a file there as
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
        watch: Receives how many cells are done, and of how many, at the beginning and after each.

    Raises:
        InputError: The sweep, a setting, the backend or the folder is not usable; the message says why.
    """
    base, where = base or Params(), str(spec) if isinstance(spec, str | Path) else "sweep"
    chosen = load(spec)
    known = {**BUILTIN, **(experiments or {})}
    check_known("experiment", chosen.experiment, known)
    experiment, base = fit_to_files(known[chosen.experiment], base, chosen.values("trace"))
    measure = chosen.measure or next(iter(experiment.measures))
    check_known(f"measure of {experiment.name}", measure, experiment.measures)
    planned = cells(chosen, experiment, base, where)
    beside = Path(spec).resolve().parent if isinstance(spec, str | Path) else None
    places = Places(Path(data or base.data.folder).absolute(), Path.cwd(), beside)
    files = {path for cell in planned for path in experiment.files(cell.settings, places)}
    told = tell_files((cell.settings for cell in planned), places) if experiment.name in BUILTIN else []
    notes, watch = [*told, _size(chosen, planned)], watch or (lambda *_: None)
    with ExitStack() as stack:
        if out is None:
            out = stack.enter_context(TemporaryDirectory(prefix="edgeresearch-sweep-"))
        store = stack.enter_context(closing(runner.Store(out)))
        _begin(Path(out) / FACTS, experiment, files)
        done = {key for key, row in store.rows.items() if not (retry and row[ERROR])}
        left = [cell for cell in planned if cell.key not in done]
        finished = len(planned) - len(left)
        if finished:
            notes.append(f"{finished} of {len(planned)} cells are there already")
        if progress:
            progress("\n".join(notes))
        watch(finished, len(planned))
        if left:
            opened = stack.enter_context(runner.open_backend(backend, workers=workers or cpu_count(), address=address))
            for row in runner.run(partial(runner.work, experiment, places), left, opened):
                store.add(row)
                finished += 1
                watch(finished, len(planned))
        arrow = runner.joined(planned, store.rows)
    if chosen.seeds == 2:
        notes.append("intervals: from 2 seeds they say little; take 5 or more")
    table = runner.frame(arrow, planned)
    if MOST in table and table[MOST].max() <= 1:
        notes.append("note: the load never needs a second pod; is the unit right, and elastic.q_max?")
    units = {name: f" ({unit})" for name, unit in experiment.units.items()}
    return SweepResult(
        table=runner.summary(table, chosen.varied, experiment.measures),
        notes=tuple(notes),
        facts={"experiment": experiment.name, "seeds": chosen.seeds, "seed": chosen.seed, "cells": len(planned)},
        cells=table,
        spec=chosen,
        name=readable(Path(where).name),
        measure=measure,
        labels={**experiment.measures, **{name: name + units.get(name, "") for name in chosen.varied}},
        arrow=arrow,
    )


def _size(spec: Spec, planned: Sequence[Cell]) -> str:
    points = len(planned) // spec.seeds
    what = f"{points} {'setting' if points == 1 else 'settings'} of {', '.join(spec.varied)}"
    line = f"sweep: {len(planned)} cells of {spec.experiment}: {what}, {spec.seeds} seed{'s' * (spec.seeds > 1)} each"
    meet = spec.latin_hypercube.points - points if spec.latin_hypercube else 0
    return line + (f"; {meet} more points are the same as others" if meet else "")


def _begin(path: Path, experiment: Experiment, files: Iterable[Path]) -> None:
    """Write down what results depend on beside the settings, or compare with what an earlier run wrote."""
    digests = {}
    for each in sorted(files):
        try:
            digests[str(each)] = sha256(each.read_bytes())
        except OSError as error:
            raise InputError(f"cannot read {each}: {error.strerror}; the sweep needs it") from error
    if path.is_file():
        try:
            old = json.loads(path.read_text(encoding="utf-8"))
            version, seen, name = old["edgeresearch"], old["files"], old["experiment"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} was not written by a sweep; choose another folder") from error
        if (version, name) != (__version__, experiment.name):
            was, now = f"{name} by version {version}", f"{experiment.name} by version {__version__}"
            raise InputError(f"{path.parent} holds a sweep of {was}, this is one of {now}; choose another folder")
        changed = [each for each, digest in digests.items() if seen.get(each, digest) != digest]
        if changed:
            raise InputError(f"{changed[0]} has changed since {path.parent} was begun; choose another folder")
        digests = {**seen, **digests}
    write_json({"edgeresearch": __version__, "experiment": experiment.name, "files": digests}, path)


def load(spec: str | Path | Mapping[str, Any] | Spec) -> Spec:
    """Read a sweep from a YAML file, or from its keys and values; a `Spec` is returned as it is."""
    if isinstance(spec, Spec):
        return spec
    path, data = (str(spec), read_yaml(Path(spec))) if isinstance(spec, str | Path) else ("sweep", dict(spec))
    if "experiment" not in data:
        raise InputError(f"{path}: experiment is missing; name one, such as experiment: los")
    named = str(data["experiment"])
    own = BUILTIN[named].own.model_fields if named in BUILTIN else {}
    if astray := [key for key in data if key in own]:
        raise InputError(
            f"{path}: {astray[0]} is a setting; write it under settings, or under grid with several values"
        )
    return parsed(data, Spec, path)


def cells(spec: Spec, experiment: Experiment, base: Params, where: str = "sweep") -> list[Cell]:
    """Return all cells of a sweep, setting by setting, each key once; `base` stands under the settings of the sweep."""
    cube = spec.latin_hypercube
    named = {"settings": spec.settings, "grid": spec.grid, "latin_hypercube.settings": cube.settings if cube else ()}
    for part, names in named.items():
        for name in names:
            check_name(name, experiment, f"{where}: {part}")
    kinds, found = known_settings(experiment), dict[str, Cell]()
    combined = (dict(zip(spec.grid, each, strict=True)) for each in itertools.product(*spec.grid.values()))
    for point in hypercube(cube, spec.seed, kinds) if cube else combined:
        settings = settle(experiment, base, {**spec.settings, **point}, where)
        chosen = {name: at(settings, name) for name in point}
        varied = {name: json.dumps(each) if isinstance(each, list | dict) else each for name, each in chosen.items()}
        for seed in range(spec.seeds):
            cell = Cell(make_key(experiment.name, settings, spec.seed, seed), seed, varied, settings)
            if cell.key in found and cube is None:
                told = ", ".join(f"{name} {value}" for name, value in varied.items())
                raise InputError(f"{where}: grid: {told} comes twice; name each value once")
            found.setdefault(cell.key, cell)  # points of a hypercube of whole numbers can meet
    return list(found.values())


def make_key(experiment: str, settings: Settings, root: int, seed: int) -> str:
    """Return the key of a cell: 32 hexadecimal digits of the SHA-256 of its experiment, settings and two seeds."""
    whole = {"experiment": experiment, "settings": settings, "root": root, "seed": seed}
    text = json.dumps(whole, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return sha256(text.encode())[:32]


def hypercube(cube: LatinHypercube, seed: int, kinds: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the points of a Latin hypercube in the order of the first setting; kinds of whole numbers get such."""
    from scipy.stats import qmc

    rng = np.random.default_rng(np.random.SeedSequence([seed, *b"latin_hypercube"]))
    drawn = qmc.LatinHypercube(len(cube.settings), rng=rng).random(cube.points)
    for row in drawn[drawn[:, 0].argsort()]:
        yield {
            name: _placed(share, span, takes_whole(kinds[name]))
            for share, (name, span) in zip(row.tolist(), cube.settings.items(), strict=True)
        }


def _placed(share: float, span: Span | tuple[Any, ...], whole: bool) -> Any:
    """Return the value at a share, in [0, 1), of a range or a list."""
    if not isinstance(span, Span):
        return span[int(share * len(span))]
    low, high = (math.ceil(span.low), math.floor(span.high) + 1) if whole else (span.low, span.high)
    value = low + share * (high - low) if span.scale == "linear" else low * (high / low) ** share
    return int(value) if whole else float(f"{value:.{DIGITS}g}")


def takes_whole(kind: Any) -> bool:
    """Return whether a type takes whole numbers only."""
    return float not in (types := set(_types(kind))) and int in types


def _types(kind: Any) -> Iterator[Any]:
    yield kind
    for part in get_args(kind):
        yield from _types(part)


def known_settings(experiment: Experiment) -> dict[str, Any]:
    """Return the settings that a cell of an experiment has, by dotted key, with the types that they take."""
    found = {name: field.annotation for name, field in experiment.own.model_fields.items()}
    for name, kind in _leaves(Params):
        if _within(name, experiment.reads) and not _within(name, experiment.unread):
            found[name] = kind
    return found


def _within(name: str, parts: Sequence[str]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def _leaves(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _leaves(kind, f"{path}{name}.")
        else:
            yield f"{path}{name}", kind


def check_name(name: str, experiment: Experiment, where: str) -> None:
    """Raise an `InputError` that names the nearest unless a cell of the experiment has a setting of that name."""
    names = known_settings(experiment)
    if name in names:
        return
    if _within(name, experiment.unread):
        instead = name.rpartition(".")[2].removesuffix("s")
        hint = f"; did you mean {instead}?" if instead in names else "; leave it out"
        raise InputError(f"{where}: a cell of {experiment.name} does not read {name}{hint}")
    below = [each for each in names if each.startswith(f"{name}.")]
    if below:
        raise InputError(f"{where}: {name} is a group of settings; name one of it, such as {below[0]}")
    ends = {each.rpartition(".")[2]: each for each in names}  # what lacks its section is near by its last part
    ends |= {twin: each for group in ALIKE for twin in group for each in group if each in names}
    close = f"; did you mean {ends[name]}?" if name in ends else nearest(name, names)
    raise InputError(f"{where}: unknown setting {name}{close or '; known: ' + ', '.join(names)}")


def settle(experiment: Experiment, base: Params, chosen: Mapping[str, Any], where: str) -> Settings:
    """Return the settings of a cell, checked: those of the base with the chosen ones, by dotted key, laid over them.

    They are plain values: the experiment's own, and of the sections that it reads what it reads.
    """
    own = {name: value for name, value in chosen.items() if name in experiment.own.model_fields}
    plain = base.model_dump(mode="json")
    if len(own) < len(chosen):
        for name, value in chosen.items():
            plain = plain if name in own else merge(plain, _nested(name, value))
        plain = parsed(plain, Params, where).model_dump(mode="json")
    values = parsed(own, experiment.own, where).model_dump(mode="json")
    for name in known_settings(experiment):
        if name not in own and name not in values:
            values = merge(values, _nested(name, at(plain, name)))
    return values


def at(settings: Settings, dotted: str) -> Any:
    """Return one of the settings by its dotted key, such as `los.truth.a`."""
    return functools.reduce(operator.getitem, dotted.split("."), settings)


def _nested(dotted: str, value: Any) -> dict[str, Any]:
    for part in reversed(dotted.split(".")):
        value = {part: value}
    return dict(value)
