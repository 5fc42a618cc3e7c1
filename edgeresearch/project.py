"""Where the project lies, for a notebook that may run in its own folder or in the project's."""

from pathlib import Path

from edgeresearch.errors import InputError


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
