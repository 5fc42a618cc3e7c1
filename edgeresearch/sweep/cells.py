"""The cells of a sweep: settings and a seed each, with a key that depends on nothing else."""

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeresearch.errors import InputError
from edgeresearch.params import Params
from edgeresearch.sweep import keys
from edgeresearch.sweep.experiments import Experiment, Settings
from edgeresearch.sweep.spec import LatinHypercube, Span, Spec

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
            keys.check(name, experiment, f"{where}: {part}")
    cube = spec.latin_hypercube
    for name in cube.settings if cube else ():
        keys.check(name, experiment, f"{where}: latin_hypercube.settings")
    found: dict[str, Cell] = {}
    for point in grid(spec.grid) if cube is None else hypercube(cube, spec.seed, keys.known(experiment)):
        settings = keys.settle(experiment, base, {**spec.settings, **point}, where)
        varied = {name: _flat(keys.at(settings, name)) for name in point}
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
            name: _placed(share, span, keys.whole(kinds[name]))
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
