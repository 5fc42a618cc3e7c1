"""What a sweep is, as a YAML file: an experiment, what is varied over which values, and how many seeds."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from edgeresearch.errors import InputError
from edgeresearch.settings import Section, parsed, read_yaml

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


def load(path: str | Path) -> Spec:
    """Read a sweep from a YAML file.

    Raises:
        InputError: The file cannot be read, is not YAML, or describes no sweep; the message names the file and the key.
    """
    data = read_yaml(Path(path))
    if "experiment" not in data:
        raise InputError(f"{path}: experiment is missing; name one, such as experiment: los")
    try:
        return parsed(data, Spec, str(path))
    except InputError:
        raise
    except (TypeError, ValueError, RecursionError) as error:  # keys or cycles that YAML has and a sweep has not
        raise InputError(f"{path} is no sweep: {error}; give plain keys and values") from error
