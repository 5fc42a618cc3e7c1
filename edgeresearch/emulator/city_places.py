"""Where the edge nodes of a city stand: at the sensors of Aarhus, in a stand-in of it, or in a city of any size."""

import gzip
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.series import registry
from edgeresearch.series.aarhus import METADATA

Floats = npt.NDArray[np.float64]

EARTH = 6_371_008.8
"""Mean radius, in metres."""
PUBLISHED = ("POINT_1_LAT", "POINT_1_LNG")
"""Columns of the published file: the measuring point where the road of a sensor begins; several may share it."""
OWN = ("latitude", "longitude")
"""Columns of a file of one's own."""


class Spread(NamedTuple):
    """What the stand-in has in common with Aarhus, measured on the published file.

    Attributes:
        sensors: How many.
        points: On so many measuring points.
        east: Standard deviation of their places from west to east, in metres.
        north: From south to north.
    """

    sensors: int = 449
    points: int = 208
    east: float = 2685.0
    north: float = 3766.0


@dataclass(frozen=True, eq=False)
class Places:
    """Places of edge nodes.

    Attributes:
        metres: East and north of the middle, `(nodes, 2)`.
        said: Where they come from, for tables and figures.
        real: Whether nodes stand there in truth: not so in a stand-in, nor in a city that was made larger.
    """

    metres: Floats
    said: str
    real: bool


def places(file: str | Path | None, *, seed: int) -> Places:
    """Return the places of the sensors in a file, or a stand-in that says so.

    Args:
        file: The published table of the Aarhus sensors (see `PUBLISHED`) or one of one's own (see `OWN`), as CSV; a
            stand-in if it is None or missing, or if the table is itself the stand-in that `fetch` made.
        seed: Draws the stand-in.

    Raises:
        InputError: The file is there but cannot be read, lacks the columns, or holds no usable place.
    """
    if file is None or not Path(file).is_file():
        return standin(seed)
    table, names = _read(Path(file))
    degrees = table.to_numpy(dtype=np.float64)
    if not len(degrees) or not (np.abs(degrees) <= (90.0, 180.0)).all():
        raise InputError(f"{file} has no row, or a latitude or longitude out of range or missing; give degrees")
    if names == OWN:
        return Places(metres(degrees), Path(file).name, True)
    if not registry.is_real(Path(file), METADATA):  # the stand-in that `fetch` made has 42 sensors, no city
        return standin(seed)
    return Places(metres(degrees), "Aarhus, where its traffic sensors stand", True)


def metres(degrees: Floats) -> Floats:
    """Return places in metres east and north of their mean: the equirectangular projection, exact enough for a city.

    Args:
        degrees: Latitude and longitude, `(places, 2)`.
    """
    from_mean = np.radians(degrees - degrees.mean(axis=0))
    east = from_mean[:, 1] * math.cos(math.radians(float(degrees[:, 0].mean())))
    found: Floats = EARTH * np.column_stack([east, from_mean[:, 0]])
    return found


def standin(seed: int, spread: Spread = Spread()) -> Places:  # noqa: B008 - a named tuple
    """Return a random city with as many sensors on as many measuring points, spread as far, as Aarhus.

    Args:
        seed: Draws the points (normal in both directions) and who stands at which; each has one sensor at least.
        spread: What it has in common with Aarhus.
    """
    rng = np.random.default_rng([seed, spread.sensors])
    points = rng.normal(0.0, (spread.east, spread.north), (spread.points, 2))
    at = np.concatenate([np.arange(spread.points), rng.integers(0, spread.points, spread.sensors - spread.points)])
    return Places(points[at], "SYNTHETIC places: a random city as wide as Aarhus", False)


def sized(found: Places, count: int) -> Places:
    """Return as many places, as dense: those nearest to the middle, of the city or of mirrored copies side by side.

    Args:
        found: Places of one city.
        count: How many are wanted.
    """
    own = found.metres
    if count == len(own):
        return found
    span = np.maximum(np.ptp(own, axis=0), 1.0)
    margin = span / (2 * math.sqrt(len(own)))  # about half the way to a neighbour, so that copies do not touch
    low, wide = own.min(axis=0) - margin, span + 2 * margin
    along = 1
    while along * along * len(own) < count:
        along += 2  # odd: the city itself stays in the middle
    tiles = np.arange(along) - along // 2
    inside = own - low
    copies = []
    for east in tiles:
        for north in tiles:
            odd = np.array([east % 2, north % 2]) == 1
            copies.append(low + wide * (east, north) + np.where(odd, wide - inside, inside))
    every = np.concatenate(copies)
    away = (np.abs(every - np.median(own, axis=0)) / wide).max(axis=1)
    nearest = np.sort(np.argsort(away, kind="stable")[:count])
    if along == 1:
        return Places(every[nearest], f"{found.said}; the {count:,} in the middle", found.real)
    return Places(every[nearest], f"{found.said}; mirrored copies of it, {count / len(own):.1f} cities", False)


def _read(file: Path) -> tuple[pd.DataFrame, tuple[str, str]]:
    try:
        columns = pd.read_csv(file, nrows=0).columns
        names = next((each for each in (PUBLISHED, OWN) if set(each) <= set(columns)), None)
        if names is None:
            raise InputError(f"{file} lacks the columns {' and '.join(OWN)}; give the places in degrees")
        return pd.read_csv(file, usecols=list(names), dtype=np.float64)[list(names)], names
    except (OSError, EOFError, ValueError, gzip.BadGzipFile) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot read {file}: {str(error).splitlines()[0]}; give a CSV of places") from error
