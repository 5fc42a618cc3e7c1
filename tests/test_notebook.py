import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from edgeresearch.cli.base import pairs
from edgeresearch.errors import InputError, RunError
from edgeresearch.notebook import declared, find, find_texts, run, run_all

Writer = Callable[..., Path]


def _printed(path: Path) -> str:
    return "".join(
        output.get("text", "") for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", [])
    )


def test_declared_reads_names_and_defaults_without_running_them(tmp_path: Path, write_notebook: Writer) -> None:
    source = "# inputs\ntrace = 'elb'  # name\nhorizons: list[int] = [\n    1,\n    5,\n]\nquick = False\nlimit: int\n"
    path = write_notebook(tmp_path / "a.ipynb", source, "other = 1")
    assert declared(path) == {"trace": "'elb'", "horizons": "[1, 5]", "quick": "False"}


def test_a_notebook_without_the_cell_declares_nothing(tmp_path: Path, write_notebook: Writer) -> None:
    path = write_notebook(tmp_path / "a.ipynb", None, "x = 1")
    assert declared(path) == {}
    with pytest.raises(InputError, match="notebook a declares no parameter 'x'; declared: none"):
        run(path, tmp_path / "out.ipynb", {"x": 2})


def test_a_parameters_cell_that_is_not_python_is_refused(tmp_path: Path, write_notebook: Writer) -> None:
    path = write_notebook(tmp_path / "a.ipynb", "%matplotlib inline\nx = 1")
    with pytest.raises(InputError, match="'parameters' is not plain Python"):
        declared(path)


def test_find_takes_a_path_a_name_and_a_file_name(
    tmp_path: Path, write_notebook: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_notebook(tmp_path / "notebooks" / "00-data.ipynb", "x = 1")
    monkeypatch.chdir(tmp_path)
    assert find(path) == path
    for name in ("00-data", "00-data.ipynb", "notebooks/00-data.ipynb"):
        assert find(name).resolve() == path.resolve()
    with pytest.raises(InputError, match=r"no notebook 00-dta, .*; did you mean 00-data\?"):
        find("00-dta")
    with pytest.raises(InputError, match="no notebook x, .*; known: none"):
        find("x", tmp_path)


@pytest.mark.parametrize("content", ["", "not json", "[1]", '{"cells": [], "nbformat": 4}'])
def test_a_file_that_is_no_notebook_is_told_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(content)
    with pytest.raises(InputError, match=r"a\.ipynb is not a notebook") as caught:
        declared(path)
    assert "\n" not in str(caught.value)


def test_a_missing_notebook_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read notebook .*none\.ipynb"):
        declared(tmp_path / "none.ipynb")


def test_an_undeclared_parameter_names_the_nearest_and_nothing_is_written(
    tmp_path: Path, write_notebook: Writer
) -> None:
    path = write_notebook(tmp_path / "a.ipynb", "horizon = 1\ntrace = 'elb'")
    with pytest.raises(InputError, match=r"notebook a declares no parameter 'horizn'; did you mean horizon\?"):
        run(path, tmp_path / "out" / "a.ipynb", {"trace": "nasa", "horizn": 5})
    assert not (tmp_path / "out").exists()


PARAMETERS = "start = '2024-01-01'\npoints = -240\nrefit = True\nmodels = ['ridge']\nseed = None\nrate = 1 / 2"


def test_what_is_typed_is_of_the_kind_that_the_notebook_declares(tmp_path: Path, write_notebook: Writer) -> None:
    path = write_notebook(tmp_path / "a.ipynb", PARAMETERS, "print(start, points, refit, models, seed, rate, sep='|')")
    words = ["start=0o17", "points=1e-3", "refit=no", "models=[a, 1]", "seed=2024-01-31", "rate=12:30"]
    out = run(path, tmp_path / "out.ipynb", pairs(words, find_texts(path)))
    assert _printed(out) == "0o17|0.001|False|['a', 1]|2024-01-31|12:30\n"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("start", 20240131, "start is 20240131, a number; notebook a declares '2024-01-01': give text"),
        ("start", True, "start is True, true or false; .*: give text"),
        ("points", "many", "points is 'many', text; notebook a declares -240: give a number"),
        ("points", True, "points is True, true or false; .*: give a number"),
        ("refit", "never", "refit is 'never', text; notebook a declares True: give true or false"),
        ("models", "ridge", r"models is 'ridge', text; notebook a declares \['ridge'\]: give a list"),
    ],
)
def test_a_parameter_of_another_kind_is_refused(
    tmp_path: Path, write_notebook: Writer, name: str, value: object, message: str
) -> None:
    path = write_notebook(tmp_path / "a.ipynb", PARAMETERS)
    with pytest.raises(InputError, match=message):
        run(path, tmp_path / "out" / "a.ipynb", {name: value})
    assert not (tmp_path / "out").exists()


def test_the_copy_must_be_named_as_a_notebook(tmp_path: Path, write_notebook: Writer) -> None:
    path = write_notebook(tmp_path / "a.ipynb", "x = 1")
    with pytest.raises(InputError, match=r"end its name with \.ipynb"):
        run(path, tmp_path / "a.html")


def test_the_page_must_be_named_as_one(tmp_path: Path, write_notebook: Writer) -> None:
    path = write_notebook(tmp_path / "a.ipynb", "x = 1")
    with pytest.raises(InputError, match=r"the page of a notebook cannot be named .*a\.htm; end its name with \.html"):
        run(path, tmp_path / "out.ipynb", html=tmp_path / "a.htm")
    assert not (tmp_path / "out.ipynb").exists()


def test_a_failed_run_leaves_the_page_as_it_was_and_a_page_that_cannot_be_written_the_copy(
    tmp_path: Path, write_notebook: Writer
) -> None:
    path = write_notebook(tmp_path / "a.ipynb", "x = 0", "1 / x")
    (tmp_path / "a.html").write_text("before")
    with pytest.raises(RunError, match="ZeroDivisionError"):
        run(path, tmp_path / "out.ipynb", html=tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text() == "before"
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        run(path, tmp_path / "out.ipynb", {"x": 1}, html=tmp_path / "file" / "a.html")
    assert not (tmp_path / "out.ipynb").exists()


def test_a_run_uses_this_interpreter_and_typed_values(
    tmp_path: Path, write_notebook: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A kernel of the same name that a user has installed, which must not win.
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    spec = {"argv": ["false", "{connection_file}"], "display_name": "x", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    monkeypatch.chdir(tmp_path)

    path = write_notebook(
        tmp_path / "a.ipynb",
        "horizons = [1]\nquick = False\nnone = 0\ntext = ''",
        "import os, sys\nprint(horizons, quick is True, none is None, text, sep='|')",
        "print(sys.executable, os.getcwd(), sep='|')",
    )
    before = path.read_bytes()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.failed.ipynb").write_text("of an earlier run")
    out = run(path, tmp_path / "out" / "a.ipynb", {"horizons": [1, 5], "quick": True, "none": None, "text": "ä'\"\\"})
    first, second = _printed(out).splitlines()
    assert first == "[1, 5]|True|True|ä'\"\\"
    executable, folder = second.split("|")
    assert executable == sys.executable
    assert os.path.samefile(folder, tmp_path)
    assert [each.name for each in out.parent.iterdir()] == ["a.ipynb"]
    assert path.read_bytes() == before


def test_a_failing_cell_is_named_its_trace_kept_and_the_result_left(tmp_path: Path, write_notebook: Writer) -> None:
    path = write_notebook(tmp_path / "a.ipynb", "x = 1", "y = 1", "raise ValueError('first\\nlast ' + str(x))", "z = 1")
    out = tmp_path / "out" / "a.ipynb"
    out.parent.mkdir()
    out.write_text("before")
    with pytest.raises(RunError, match=r"notebook a, cell 3: last 7; the full trace is in .*a\.failed\.ipynb$"):
        run(path, out, {"x": 7})
    assert out.read_text() == "before"
    failed = out.with_suffix(".failed.ipynb")
    assert "ValueError" in failed.read_text()
    assert sorted(each.name for each in out.parent.iterdir()) == ["a.failed.ipynb", "a.ipynb"]


def test_an_error_of_one_line_is_told_with_its_type(tmp_path: Path, write_notebook: Writer) -> None:
    path = write_notebook(tmp_path / "a.ipynb", None, "1 / 0")
    with pytest.raises(RunError, match="notebook a, cell 1: ZeroDivisionError: division by zero;"):
        run(path, tmp_path / "out.ipynb")


def test_a_kernel_that_dies_is_told(tmp_path: Path, write_notebook: Writer) -> None:
    path = write_notebook(tmp_path / "a.ipynb", "x = 1", "import os; os._exit(9)")
    message = r"its process crashed, ran out of memory or was killed; what it did until then is in .*failed\.ipynb$"
    with pytest.raises(RunError, match=message):
        run(path, tmp_path / "out.ipynb")
    assert not (tmp_path / "out.ipynb").exists()


def test_a_kernel_that_cannot_start_says_why(
    tmp_path: Path, write_notebook: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_notebook(tmp_path / "a.ipynb", "x = 1")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "ipykernel_launcher.py").write_text("raise ImportError('no such thing')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"), prepend=":")
    with pytest.raises(RunError, match=r"or was killed \(ImportError: no such thing\); what it did until then is in"):
        run(path, tmp_path / "out.ipynb")


def test_a_folder_without_notebooks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no notebook in .*; start in the folder of a checkout"):
        run_all(tmp_path, tmp_path, tmp_path, {}, {}, workers=1)


def test_every_notebook_of_a_folder_is_run_those_of_a_trace_for_each_trace(
    tmp_path: Path, write_notebook: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_notebook(tmp_path / "notebooks" / "a.ipynb", "points = 1", "print(points)")
    write_notebook(tmp_path / "notebooks" / "b.ipynb", "trace = ''", "print(trace)")
    out, html = Path("build"), Path("pages")
    assert run_all(Path("notebooks"), out, html, {"points": 2}, {"b": ["elb", "nasa"]}, workers=1) == 3
    assert {path.stem: _printed(path) for path in out.iterdir()} == {"a": "2\n", "b-elb": "elb\n", "b-nasa": "nasa\n"}
    assert {path.name for path in html.iterdir()} == {"a.html", "b-elb.html", "b-nasa.html"}
