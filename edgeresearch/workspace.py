"""Running the pipeline: the full profile in the repository itself, any other in a workspace of its own.

The full run's results and its `dvc.lock` are tracked by git. A quick look must not overwrite them, so a profile other
than `paper` gets a folder with copies of what the stages read and with its own DVC project.
"""

import csv
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from edgeresearch import config, io, lanes, recovery, timings
from edgeresearch.errors import InputError
from edgeresearch.io import atomic
from edgeresearch.settings import merge

COPIED = ("dvc.yaml", ".dvcignore", "edgeresearch", "notebooks", "data/measured", "data/calibration.json")
"""What a workspace holds besides its settings, where it exists; the package is there for stages to depend on."""

MIRROR = "EDGERESEARCH_DATA_MIRROR"
_SKIPPED = {"__pycache__", ".ipynb_checkpoints"}
_CONFIG = "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def reproduce(
    root: str | Path, profile: str = config.PAPER, seconds: Path | None = None, *, one_by_one: bool = False
) -> Path:
    """Run the pipeline as far as it is out of date.

    Args:
        root: The repository: the folder with `dvc.yaml` and `params.yaml`.
        profile: `paper` for the full run in `root`, or the name of a file in `profiles/`.
        seconds: File that gets the seconds of each stage that runs (see `timings`), one after another.
        one_by_one: Whether two stages never run at a time (see `lanes`).

    Returns:
        The folder of the results.

    Raises:
        InputError: `root` is not a checkout, the settings are wrong, or the results cannot be written.
        RunError: A stage failed, or another run is at work there.
    """
    root = Path(root).absolute()
    if not (root / "dvc.yaml").is_file():
        raise InputError(f"no dvc.yaml in {root}; run this in the folder of a checkout")
    settings = config.load(root / "params.yaml", profile)
    place = root if profile == config.PAPER else prepare(root, profile, root / "build")
    io.check(place / "reports")
    with recovery.guarded(place), timings.recorded(seconds, _machine() if seconds else "") as first:
        variables = environment(root, os.environ, first)
        if settings.data.source != "synthetic" and (variables.get(MIRROR) or settings.data.mirror):
            if _has_standins(place / "data" / "raw" / "sources.csv"):
                lanes.force(place, variables, lanes.FIRST)  # a mirror that DVC does not know of
        lanes.reproduce(place, variables, lanes=not (one_by_one or seconds))
    return place / "reports"


def _machine() -> str:
    from edgeresearch.forecasting.evaluation import machine

    return machine()


def _has_standins(sources: Path) -> bool:
    if not sources.is_file():
        return False
    with sources.open(encoding="utf-8", newline="") as lines:
        return any(row["real"] == "False" for row in csv.DictReader(lines))


def prepare(root: Path, profile: str, build: Path) -> Path:
    """Make or refresh the workspace `build/<profile>` and return it.

    Only files whose bytes differ are written, and results of earlier runs stay: a second run finds nothing to do.

    Args:
        root: The repository.
        profile: Name of a file in `profiles/`.
        build: Folder of the workspaces.

    Raises:
        InputError: The settings are wrong, or the workspace cannot be written.
    """
    place = build / profile
    settings = config.merged(root / "params.yaml", profile)
    config.parse(settings, f"{root / 'params.yaml'} with profile {profile}")
    _write(place / "params.yaml", _dumped(settings, root, place))
    _write(place / ".dvc" / "config", _CONFIG.encode())
    for name in COPIED:
        _mirror(root / name, place / name)
    return place


def environment(root: Path, base: Mapping[str, str], first: Sequence[str] = ()) -> dict[str, str]:
    """The environment of the stages: this interpreter's commands first, one thread each, nothing left to the clock.

    Args:
        root: Folder against which a relative mirror path is read.
        base: The environment to start from; what it says about threads is kept.
        first: Folders that stand on the path before those of this interpreter.
    """
    result = dict.fromkeys(_THREADS, "1") | dict(base)
    result |= {"SOURCE_DATE_EPOCH": "0", "PYTHONHASHSEED": "0", "DVC_NO_ANALYTICS": "1"}
    result["PATH"] = os.pathsep.join([*first, str(Path(sys.executable).parent), base.get("PATH", os.defpath)])
    if base.get(MIRROR):
        result[MIRROR] = str((root / base[MIRROR]).absolute())
    return result


def _dumped(settings: dict[str, Any], root: Path, place: Path) -> bytes:
    mirror = settings.get("data", {}).get("mirror")
    if mirror is not None and not Path(mirror).is_absolute():
        settings = merge(settings, {"data": {"mirror": os.path.relpath(root / mirror, place)}})
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True).encode()


def _mirror(source: Path, target: Path) -> None:
    """Make `target` equal to `source`, a file or a folder that may be missing."""
    wanted = {target / each.relative_to(source): each for each in _files(source)}
    for path in _files(target):
        if path not in wanted:
            path.unlink()
    for path, origin in wanted.items():
        _write(path, origin.read_bytes())
    if not source.exists() and target.is_dir():
        shutil.rmtree(target)


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    elif place.is_dir():
        yield from (each for each in sorted(place.rglob("*")) if each.is_file() and not _SKIPPED & set(each.parts))


def _write(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    with atomic(path) as draft:
        draft.write_bytes(content)
