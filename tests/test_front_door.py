"""`import edgeresearch as er`: the whole product, loaded when it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import edgeresearch as er

STUB = Path(er.__file__).with_suffix(".pyi")
PUBLIC = [
    alias.name for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.ImportFrom) for alias in node.names
]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(er, name)
    assert value.__doc__, f"say what {name} is"
    assert value.__module__.startswith("edgeresearch.")


def test_dir_shows_the_product_and_nothing_else() -> None:
    assert dir(er) == sorted(PUBLIC)
    assert len(PUBLIC) <= 63, "a front door that one can read"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="forcast"):
        er.forcast  # noqa: B018


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys; old = set(sys.modules); import edgeresearch; print(*(set(sys.modules) - old))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name.split(".")[0] for name in shown} <= {"edgeresearch", "lazy_loader", *sys.stdlib_module_names}
