"""What a sweep can run: an experiment turns settings and a seed into one row of results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edgeresearch.errors import InputError, nearest
from edgeresearch.settings import Section

Scalar = bool | int | float | str | None
Settings = Mapping[str, Any]
"""Settings of a cell as plain values: those of the experiment's own, and the sections of the settings that it reads."""


@dataclass(frozen=True)
class Places:
    """Where a cell finds files.

    Attributes:
        data: The data folder that `fetch` filled.
        root: What relative paths in the settings are relative to.
    """

    data: Path
    root: Path

    def file(self, path: str | Path) -> Path:
        """Return where a file of the settings lies."""
        return self.root / path


class Experiment(Protocol):
    """An experiment. It goes to other processes, so it must be picklable; what `run` needs is best imported there."""

    @property
    def name(self) -> str:
        """How a spec calls it."""
        ...

    @property
    def own(self) -> type[Section]:
        """Its own settings: names, types and defaults."""
        ...

    @property
    def reads(self) -> Sequence[str]:
        """Parts of `params.Params` that a cell reads, as dotted keys such as `los`; they are settings, too."""
        ...

    @property
    def unread(self) -> Sequence[str]:
        """Parts of those that a cell does not read."""
        ...

    @property
    def measures(self) -> Mapping[str, str]:
        """Columns of results with what they are and their units; the first is drawn if the spec names none."""
        ...

    @property
    def units(self) -> Mapping[str, str]:
        """Units of settings, for figures."""
        ...

    def files(self, settings: Settings, places: Places) -> Sequence[Path]:
        """Return the files that a cell with these settings reads."""
        ...

    def run(self, settings: Settings, seed: np.random.SeedSequence, places: Places) -> Mapping[str, Scalar]:
        """Run one cell.

        Args:
            settings: Its settings.
            seed: Root of everything random in it.
            places: Where files lie.

        Returns:
            One value per column; what it raises is recorded as the cell's error.
        """
        ...


def find(name: str, known: Mapping[str, Experiment]) -> Experiment:
    """Return an experiment by its name.

    Raises:
        InputError: There is none.
    """
    if name not in known:
        raise InputError(f"unknown experiment {name!r}{nearest(name, known)}; known: {', '.join(known)}")
    return known[name]
