"""A sweep's file: its experiment, settings, seeds and cells."""

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
from pydantic import BaseModel, Field, NonNegativeInt, PositiveInt, model_validator

from edgeresearch.config import Params
from edgeresearch.errors import InputError, nearest
from edgeresearch.settings import Section, merge, parsed, read_yaml
from edgeresearch.sweeps.experiments import Experiment, Settings


def known(experiment: Experiment) -> dict[str, Any]:
    """Return the settings that a cell of an experiment has, by dotted key, with the types that they take."""
    found = {name: field.annotation for name, field in experiment.own.model_fields.items()}
    for name, kind in _leaves(Params):
        if _within(name, experiment.reads) and not _within(name, experiment.unread):
            found[name] = kind
    return found


def whole(kind: Any) -> bool:
    """Return whether a type takes whole numbers only."""
    return float not in (types := set(_types(kind))) and int in types


def check(name: str, experiment: Experiment, where: str) -> None:
    """Raise unless a cell of the experiment has a setting of that name.

    Raises:
        InputError: It has not; the message names the nearest one.
    """
    names = known(experiment)
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
    close = nearest(name, names) or (f"; did you mean {ends[name]}?" if name in ends else "")
    told = close or f"; known: {', '.join(names)}"
    raise InputError(f"{where}: unknown setting {name}{told}")


def settle(experiment: Experiment, base: Params, chosen: Mapping[str, Any], where: str) -> Settings:
    """Return the settings of a cell: those of the base with the chosen ones laid over them, checked.

    Args:
        experiment: Tells which settings there are.
        base: The settings in general.
        chosen: Values by dotted key.
        where: Name of the place they come from, for messages.

    Returns:
        Plain values: the experiment's own settings, and the sections that it reads, without what it does not read.

    Raises:
        InputError: A value is not what its key takes.
    """
    own = {name: value for name, value in chosen.items() if name in experiment.own.model_fields}
    general: dict[str, Any] = {}
    for name, value in chosen.items():
        if name not in own:
            general = merge(general, _nested(name, value))
    values = parsed(own, experiment.own, where).model_dump(mode="json")
    if general:
        base = parsed(merge(base.model_dump(mode="json"), general), Params, where)
    plain = base.model_dump(mode="json")
    for name, _ in _leaves(Params):
        if _within(name, experiment.reads) and not _within(name, experiment.unread):
            values = merge(values, _nested(name, at(plain, name)))
    return values


def at(settings: Settings, dotted: str) -> Any:
    """Return one of the settings by its dotted key, such as `los.truth.a`."""
    found: Any = settings
    for part in dotted.split("."):
        found = found[part]
    return found


def _nested(dotted: str, value: Any) -> dict[str, Any]:
    for part in reversed(dotted.split(".")):
        value = {part: value}
    return dict(value)


def _within(name: str, parts: Any) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def _leaves(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _leaves(kind, f"{path}{name}.")
        else:
            yield f"{path}{name}", kind


def _types(kind: Any) -> Iterator[Any]:
    yield kind
    for part in get_args(kind):
        yield from _types(part)


Values = tuple[Any, ...]


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
    settings: dict[str, Span | Values] = Field(min_length=1)


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
    grid: dict[str, Values] = {}
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


def load(spec: str | Path | Mapping[str, Any] | Spec) -> Spec:
    """Read a sweep from a YAML file, or from its keys and values; a `Spec` is returned as it is.

    Raises:
        InputError: The file cannot be read, is not YAML, or describes no sweep; the message names the file and the key.
    """
    if isinstance(spec, Spec):
        return spec
    path = spec if isinstance(spec, str | Path) else "sweep"
    data = read_yaml(Path(spec)) if isinstance(spec, str | Path) else dict(spec)
    if "experiment" not in data:
        raise InputError(f"{path}: experiment is missing; name one, such as experiment: los")
    try:
        return parsed(data, Spec, str(path))
    except InputError:
        raise
    except (TypeError, ValueError, RecursionError) as error:  # keys or cycles that YAML has and a sweep has not
        raise InputError(f"{path} is no sweep: {error}; give plain keys and values") from error


DIGITS = 6
"""Significant digits of what a Latin hypercube draws: the numbers can be read and typed again."""


@dataclass(frozen=True)
class Cell:
    """One run of an experiment.

    Attributes:
        key: Hash of the experiment's name, the settings and the seeds.
        seed: Which repeat it is, from 0.
        varied: The varied settings' values by dotted key, checked; lists as JSON.
        settings: All settings that it reads (see `keys.settle`).
    """

    key: str
    seed: int
    varied: Mapping[str, Any]
    settings: Settings = field(repr=False)

    def root(self) -> np.random.SeedSequence:
        """Return the root of everything random in the cell: it follows from the key alone."""
        return np.random.SeedSequence(int(self.key, 16))


def cells(spec: Spec, experiment: Experiment, base: Params, where: str = "sweep") -> list[Cell]:
    """Return all cells of a sweep, setting by setting, each key once.

    Args:
        spec: The sweep.
        experiment: What is run.
        base: The settings in general, under those of the sweep.
        where: Name of the file, for messages.

    Raises:
        InputError: A setting is unknown or its value is not what it takes, or a grid names a value twice.
    """
    for part, names in (("settings", spec.settings), ("grid", spec.grid)):
        for name in names:
            check(name, experiment, f"{where}: {part}")
    cube = spec.latin_hypercube
    for name in cube.settings if cube else ():
        check(name, experiment, f"{where}: latin_hypercube.settings")
    found: dict[str, Cell] = {}
    for point in grid(spec.grid) if cube is None else hypercube(cube, spec.seed, known(experiment)):
        settings = settle(experiment, base, {**spec.settings, **point}, where)
        varied = {name: _flat(at(settings, name)) for name in point}
        for seed in range(spec.seeds):
            cell = Cell(key(experiment.name, settings, spec.seed, seed), seed, varied, settings)
            if cell.key in found and cube is None:
                told = ", ".join(f"{name} {value}" for name, value in varied.items())
                raise InputError(f"{where}: grid: {told} comes twice; name each value once")
            found.setdefault(cell.key, cell)  # points of a hypercube of whole numbers can meet
    return list(found.values())


def key(experiment: str, settings: Settings, root: int, seed: int) -> str:
    """Return the key of a cell: 32 hexadecimal digits of the SHA-256 of what it is.

    Args:
        experiment: Name of the experiment.
        settings: All that the cell reads.
        root: The sweep's seed.
        seed: Which repeat it is.
    """
    whole = {"experiment": experiment, "settings": settings, "root": root, "seed": seed}
    text = json.dumps(whole, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def grid(values: Mapping[str, tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """Yield every combination of the values, the last setting moving fastest."""
    for each in itertools.product(*values.values()):
        yield dict(zip(values, each, strict=True))


def hypercube(cube: LatinHypercube, seed: int, kinds: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the points of a Latin hypercube, in the order of the first setting.

    Args:
        cube: Ranges and lists of values.
        seed: Root of the draw.
        kinds: Types of the settings: those that take whole numbers get such.
    """
    from scipy.stats import qmc

    rng = np.random.default_rng(np.random.SeedSequence([seed, *b"latin_hypercube"]))
    drawn = qmc.LatinHypercube(len(cube.settings), rng=rng).random(cube.points)
    for row in drawn[drawn[:, 0].argsort()]:
        yield {
            name: _placed(share, span, whole(kinds[name]))
            for share, (name, span) in zip(row.tolist(), cube.settings.items(), strict=True)
        }


def _placed(share: float, span: Span | tuple[Any, ...], whole: bool) -> Any:
    """Return the value at a share, in [0, 1), of a range or a list."""
    if not isinstance(span, Span):
        return span[int(share * len(span))]
    low, high = (math.ceil(span.low), math.floor(span.high) + 1) if whole else (span.low, span.high)
    value = low + share * (high - low) if span.scale == "linear" else low * (high / low) ** share
    return int(value) if whole else float(f"{value:.{DIGITS}g}")


def _flat(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value
