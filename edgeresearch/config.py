"""The settings in `params.yaml` and its profiles, typed, checked and frozen; read once, at the edge."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt

from edgeresearch.autoscaling.settings import ExperimentConfig
from edgeresearch.data.settings import DataSettings
from edgeresearch.errors import InputError, nearest
from edgeresearch.forecasting.settings import ForecastSettings
from edgeresearch.papers.settings import AnomalyStudy, SchedulingStudy
from edgeresearch.parallel import cores
from edgeresearch.settings import Section, merge, parsed, read_yaml, refuse_unknown

Workers = Annotated[PositiveInt, BeforeValidator(lambda value: cores() if value == "auto" else value)]
"""Processes inside one stage; `auto` is the number of cores. Results do not depend on it."""


def find(start: str | Path = ".") -> Path:
    """Return the nearest folder with a `params.yaml`, from `start` upwards.

    Raises:
        InputError: There is none.
    """
    here = Path(start).resolve()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").is_file():
            return folder
    raise InputError(f"no params.yaml in {start} or above; start in the folder of a checkout")


PAPER = "paper"
"""The profile that is `params.yaml` itself."""


class Params(Section):
    """All settings."""

    seed: NonNegativeInt = 20240917
    workers: Workers = Field(default_factory=cores)
    data: DataSettings = DataSettings()
    forecast: ForecastSettings = ForecastSettings()
    elastic: ExperimentConfig = ExperimentConfig()
    los: SchedulingStudy = SchedulingStudy()
    anomaly: AnomalyStudy = AnomalyStudy()


def load(path: str | Path, profile: str | None = None) -> Params:
    """Read a settings file, laid over by a profile.

    Args:
        path: A file such as `params.yaml`; keys that it leaves out have the values of the full run.
        profile: Name of `profiles/NAME.yaml` beside the file; None or `paper` for the file alone.

    Raises:
        InputError: A file is missing or not YAML, a key is unknown, or a value is not what its key takes.
    """
    return parse(merged(path, profile), str(path) if profile in (None, PAPER) else f"{path} with profile {profile}")


def merged(path: str | Path, profile: str | None = None) -> dict[str, Any]:
    """The plain mapping behind `load`: the file's keys with those of the profile laid over them, all of them known.

    Raises:
        InputError: A file is missing or not YAML, or a key is unknown.
    """
    path = Path(path)
    data = _read(path)
    if profile in (None, PAPER):
        return data
    folder = path.parent / "profiles"
    overlay = folder / f"{profile}.yaml"
    if not overlay.is_file():
        known = [PAPER, *sorted(each.stem for each in folder.glob("*.yaml"))]
        hint = nearest(str(profile), known)
        raise InputError(f"no profile {profile!r} beside {path}{hint}; known: {', '.join(known)}")
    return merge(data, _read(overlay))


def parse(data: Mapping[str, Any], where: str = "params") -> Params:
    """Turn a plain mapping into settings.

    Args:
        data: Keys and values as YAML gives them.
        where: Name of the place they come from, for messages.

    Raises:
        InputError: A key is unknown, or a value is not what its key takes.
    """
    return parsed(data, Params, where)


def _read(path: Path) -> dict[str, Any]:
    data = read_yaml(path)
    refuse_unknown(data, Params, str(path))
    return data
