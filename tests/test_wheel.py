"""The package as a stranger installs it: from a wheel, far from a checkout, without what only the study needs."""

import os
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from edgeresearch.cli import STUDY

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CALLED = {"beautifulsoup4": "bs4"}
"""Packages that are imported by another name than they are installed by."""
HEAD = f"""\
import sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
sys.modules.update(dict.fromkeys({STUDY!r}))  # importing one of them fails
import edgeresearch
assert edgeresearch.__file__.startswith(sys.argv[1]), edgeresearch.__file__
"""
TRACE = "\n".join(
    ["time,requests", *(f"2024-03-{k // 24 + 1:02d} {k % 24:02d}:00,{40 + 7 * k % 23}" for k in range(700)), ""]
)
SWEEP = "experiment: los\nseeds: 1\ngrid: {los.hours: [0.1], streams: [2]}\n"
LIBRARY = ("anomaly", "autoscaling", "data", "emulator", "forecasting", "plotting", "scheduling", "sweeps")
"""Rooms that are imported without the study."""
USES = {
    "forecast": "er.forecast('trace.csv', model='ridge', horizon=2).save('out')",
    "replay": "er.replay('trace.csv', policies=['combined'], forecaster='last_value', repeats=1, q_max=20).save('out')",
    "emulate": "er.emulate('paper_b', policies=['los', 'in_situ'], streams=2, hours=0.2, repeats=1).save('out')",
    "detect": "er.detect('trace.csv', train=200, every=0).save('out')",
    "sweep": "er.sweep('sweep.yaml', workers=1).save('out')",
    "command": "from edgeresearch.cli import main; main('forecast trace.csv --model ridge --out out'.split())",
}
"""What a stranger does first; each with nothing but the library, and leaves results in `out`."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel in it, built from the checkout, and nothing else."""
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", str(site / "wheel"), str(ROOT)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = (site / "wheel").iterdir()
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", str(site / "here"), str(wheel)], check=True)
    return site / "here"


def _python(site: Path, place: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code in an empty folder: with the wheel, the packages of this environment, and no way to the checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "EDGERESEARCH"))}
    words = [sys.executable, "-I", "-c", HEAD + code, str(site), sysconfig.get_path("purelib")]
    return subprocess.run(words, cwd=place, env=kept, capture_output=True, text=True, check=False)


def test_the_wheel_holds_every_file_of_the_package(site: Path) -> None:
    def files(place: Path) -> set[str]:
        found = (path for path in (place / "edgeresearch").rglob("*") if path.is_file())
        return {str(path.relative_to(place)) for path in found if "__pycache__" not in path.parts}

    assert files(site) == files(ROOT)


@pytest.mark.parametrize("use", USES)
def test_a_stranger_uses_it_without_settings_and_without_the_study(site: Path, tmp_path: Path, use: str) -> None:
    (tmp_path / "trace.csv").write_text(TRACE)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    done = _python(site, tmp_path, f"import edgeresearch as er\n{USES[use]}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert any((tmp_path / "out").iterdir())


def test_the_library_does_not_import_the_study(site: Path, tmp_path: Path) -> None:
    done = _python(
        site,
        tmp_path,
        f"""
import importlib, pkgutil
for room in {LIBRARY}:
    module = importlib.import_module("edgeresearch." + room)
    for each in pkgutil.iter_modules(module.__path__, module.__name__ + "."):
        importlib.import_module(each.name)
""",
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", ["reproduce", "notebook 00-data", "notebooks"])
def test_a_command_of_the_study_says_what_it_lacks(site: Path, tmp_path: Path, words: str) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00-data.ipynb").write_text(
        '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    )
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    done = _python(site, tmp_path, f"from edgeresearch.cli import main\nmain({words.split()!r})")
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: this command needs ")
    assert done.stderr.endswith("; pip install 'edgeresearch[study]'\n") and done.stderr.count("\n") == 1


def test_what_is_called_the_study_is_its_extra() -> None:
    named = {Requirement(line).name for line in PROJECT["optional-dependencies"]["study"]}
    core = {Requirement(line).name for line in PROJECT["dependencies"]}
    imported = {CALLED.get(name, name) for name in named}
    assert named & core == set()
    assert set(STUDY) - imported <= {"IPython", "jupyter_client", "nbclient", "nbformat", "traitlets"}  # come with them
    assert imported - set(STUDY) <= {
        "jupyterlab",
        "markdown-it-py",
        "pillow",
        "ruamel.yaml.clib",
    }  # not by us, or here anyway
