"""The stages of the pipeline as the report lists them: what each does, how it is run, what it makes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeresearch.errors import InputError
from edgeresearch.settings import read_yaml

ITEM = re.compile(r"\$\{item\.(\w+)\}")


@dataclass(frozen=True)
class Stage:
    """A stage.

    Attributes:
        name: As in `dvc.yaml`.
        does: What it does, in a sentence.
        command: The command; a word in capitals stands for each item, such as TRACE.
        makes: Paths of what it makes, likewise.
    """

    name: str
    does: str
    command: str
    makes: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """Where the report tells of it."""
        return f"stage-{self.name}"


def stages(pipeline: Path) -> list[Stage]:
    """Read the stages, in their order.

    Args:
        pipeline: The file `dvc.yaml`.

    Raises:
        InputError: The file is missing or has no stages.
    """
    found = read_yaml(pipeline).get("stages")
    if not isinstance(found, dict):
        raise InputError(f"{pipeline} has no stages; run this in the folder of a checkout")
    return [_stage(str(name), each) for name, each in found.items()]


def _stage(name: str, entry: dict[str, Any]) -> Stage:
    makes = tuple(path for key in ("outs", "metrics", "plots") for path in _paths(entry.get(key, [])))
    command = re.sub(r"^python -m ", "", " ".join(str(entry.get("cmd", "")).split()))
    return Stage(name, str(entry.get("desc", "")), _plain(command), makes)


def _paths(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        yield from (_plain(str(path)) for path in (entry if isinstance(entry, dict) else [entry]))


def _plain(text: str) -> str:
    return ITEM.sub(lambda found: found[1].upper(), text)
