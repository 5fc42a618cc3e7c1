import sys
import tomllib
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LINES = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
PINNED = [Requirement(line) for line in LINES]
PYTHON = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
OLDEST = f"{PYTHON.removeprefix('>=')}.0"
FOUND = {canonicalize_name(found.name): found for found in distributions()}


def _installed() -> list[tuple[Requirement, Distribution]]:
    """What is pinned and here; what is not is of another platform or of an extra."""
    here = [(pinned, FOUND[name]) for pinned in PINNED if (name := canonicalize_name(pinned.name)) in FOUND]
    assert len(here) > 0.9 * len(PINNED)
    return here


def test_what_is_pinned_can_be_installed_on_the_oldest_python() -> None:
    needs = {pinned.name: found.metadata["Requires-Python"] or "" for pinned, found in _installed()}
    assert {name: python for name, python in needs.items() if not SpecifierSet(python).contains(OLDEST)} == {}


def test_what_is_installed_is_what_is_pinned() -> None:
    versions = {pinned: found.version.partition("+")[0] for pinned, found in _installed()}
    off = {pinned.name: now for pinned, now in versions.items() if not pinned.specifier.contains(now, prereleases=True)}
    assert off == {}


def test_each_package_is_pinned_once_for_each_platform_and_to_one_version() -> None:
    said = [(canonicalize_name(pinned.name), str(pinned.marker)) for pinned in PINNED]
    assert len(said) == len(set(said))
    assert all(spec.operator == "==" for pinned in PINNED for spec in pinned.specifier)


def test_the_oldest_python_is_not_newer_than_this_one() -> None:
    assert tuple(int(part) for part in OLDEST.split(".")) <= sys.version_info[:3]
