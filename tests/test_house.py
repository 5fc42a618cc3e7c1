"""The rules of the house that a machine can check (docs/concepts.md tells them)."""

import ast
import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "edgeresearch"
ORDER = [
    "errors", "parallel", "io", "stats", "settings", "provenance", "result", "data", "nn", "forecasting",
    "autoscaling", "anomaly", "scheduling", "emulator", "profiling", "config", "sweeps", "plotting", "papers",
    "notebook", "pipeline", "cli",
]  # fmt: skip
"""Rooms, from the top: each imports only those before it."""
UPWARDS = {("result", "plotting")}
"""A result is drawn by the room of figures, which knows the results."""
MOST_MODULES, MOST_LINES = 96, 28_500
MAY_READ_ENVIRONMENT = {"cli/__init__.py", "cli/base.py", "data/datasets.py", "parallel.py", "pipeline.py"}

MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in MODULES]


def _tracked(pattern: str) -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


NOTEBOOKS = _tracked("notebooks/*.ipynb")


def _imports(tree: ast.AST) -> set[str]:
    """Dotted names that a module imports from the package, without the package's own name."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: import by the full name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("edgeresearch.") for name in names if name.startswith("edgeresearch.")}


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
def test_rooms_import_only_the_rooms_before_them(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room.startswith("__"):
        return
    rooms = {name.split(".")[0] for name in _imports(ast.parse(path.read_text(encoding="utf-8")))}
    later = set(ORDER[ORDER.index(room) + 1 :])
    assert {(room, other) for other in rooms & later} <= UPWARDS


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_settings_and_environment_are_read_only_at_the_edge(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    edge = ("cli", "pipeline.py", "config.py")
    if path.relative_to(PACKAGE).parts[0] not in edge and path != PACKAGE / "papers" / "project.py":
        assert "config.load" not in _imports(tree), "take settings as arguments"
        assert not _reads(tree, "config", "load"), "take settings as arguments"
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


def test_the_house_can_be_held_in_ones_head() -> None:
    """A new module or a hundred new lines should make one ask what can go."""
    modules = [path for path in MODULES if path.name != "__init__.py"]
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES)
    assert len(modules) <= MOST_MODULES
    assert lines <= MOST_LINES
    assert all(len(path.read_text(encoding="utf-8").splitlines()) <= 700 for path in MODULES)
