"""The rules of the house that a machine can check."""

import ast
import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "edgeresearch"
ROOMS = ["series", "forecast", "elastic", "anomaly", "los", "emulator", "sweep", "paper"]
EDGE = ["cli", "workspace", "notebook"]
"""Modules that stand above the rooms; no room imports them."""
MAY_READ_ENVIRONMENT = {"workspace.py"}
LONGEST = 400

MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in MODULES]


def _tracked(pattern: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


NOTEBOOKS = _tracked("notebooks/*.ipynb")


def _imports(tree: ast.AST) -> set[str]:
    """Dotted names that a module imports from the package, without the package's own name."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: import by the full name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("edgeresearch.") for name in found if name.startswith("edgeresearch.")}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_have_parameters_no_outputs_and_no_definitions(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code), "clear the outputs"
    tagged = [cell for cell in code if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1, "one cell is tagged 'parameters'"
    defining = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for cell in code:
        lines = "".join(cell["source"]).splitlines()
        tree = ast.parse("\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines))
        assert not any(isinstance(node, defining) for node in ast.walk(tree)), "move definitions into the package"


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_every_module_has_a_test(path: Path) -> None:
    if path.stem in ("__init__", "__main__"):
        return
    assert list((ROOT / "tests").rglob(f"test_{path.stem}.py")), f"write tests/**/test_{path.stem}.py"


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_no_module_is_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_rooms_import_only_the_rooms_before_them(path: Path) -> None:
    names = _imports(ast.parse(path.read_text(encoding="utf-8")))
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room in EDGE or room.startswith("__"):
        return
    later = ROOMS[ROOMS.index(room) + 1 :] if room in ROOMS else ROOMS
    wrong = sorted(name for name in names if name.split(".")[0] in {*later, *EDGE} - {room})
    assert wrong == []


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_settings_and_environment_are_read_only_at_the_edge(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path.relative_to(PACKAGE).parts[0] in ROOMS:
        assert "params.load" not in _imports(tree), "take settings as arguments"
        assert not _reads(tree, "params", "load"), "take settings as arguments"
    if str(path.relative_to(PACKAGE)) not in MAY_READ_ENVIRONMENT:
        assert not _reads(tree, "os", "environ"), "take it as an argument"
        assert not _reads(tree, "os", "getenv"), "take it as an argument"


def _reads(tree: ast.AST, module: str, name: str) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.value, ast.Name)
        and node.value.id == module
        for node in ast.walk(tree)
    )


def test_every_folder_of_the_package_is_a_room() -> None:
    folders = {path.parent.relative_to(PACKAGE).parts[0] for path in MODULES if path.parent != PACKAGE}
    assert folders <= {*ROOMS, "cli"}, "say in ROOMS which rooms it may import"
