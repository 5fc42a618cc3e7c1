"""The settings in `params.yaml` and its profiles, typed, checked and frozen.

They are read once, at the edge (a command, a notebook, a stage); the library gets plain values as arguments. To add a
setting, add a field to its section in `sections` with the value of the full run, and the same key to `params.yaml`: a
test holds them equal.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import NonNegativeInt

from edgeresearch.errors import InputError, nearest
from edgeresearch.sections import Anomaly, Data, Elastic, Forecast, Los
from edgeresearch.settings import Section, merge, parsed, read_yaml, refuse_unknown

__all__ = ["PAPER", "Params", "load", "merge", "merged", "parse"]

PAPER = "paper"
"""The profile that is `params.yaml` itself."""


class Params(Section):
    """All settings."""

    seed: NonNegativeInt = 20240917
    data: Data = Data()
    forecast: Forecast = Forecast()
    elastic: Elastic = Elastic()
    los: Los = Los()
    anomaly: Anomaly = Anomaly()


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
