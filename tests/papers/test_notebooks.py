"""The notebooks of both papers: each runs its experiment itself, with few repeats, and shows the study's results."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from edgeresearch.errors import InputError
from edgeresearch.io import read_table, write_json
from edgeresearch.papers import detection
from edgeresearch.papers.paper_a.tables import write_table_3
from edgeresearch.papers.project import Project, open_project, write_comparison, write_scaling

ROOT = Path(__file__).parents[2]
SMALL: dict[str, dict[str, Any]] = {
    "00-data": {"request_traces": ["elb"], "sensors": [158324], "utilisation_traces": ["google2019"]},
    "10-forecasting": {"trace": "paper_a", "models": ["last_value", "ridge", "lstm_paper"], "steps": 400, "epochs": 1},
    "11-elastic": {
        **{"trace": "paper_a", "strategies": ["advance", "responsive", "combined"], "forecasters": ["ridge"]},
        **{"leads": [1.0], "hours": 6, "repeats": 1},
    },
    "20-testbed": {"streams": 4, "hours": 0.3},
    "21-latency": {"hours": 0.1},
    "22-limits": {"jobs": 5, "iterations": 12, "repeats": 1},
    "23-scheduling": {"streams": [2, 8], "policies": ["los", "cloud"], "repeats": 1, "hours": 0.2, "swept": [2]},
    "24-city": {"sizes": [15, 30], "policies": ["los", "least_loaded"], "repeats": 1, "hours": 0.1},
    "30-anomaly": {"samples": 300, "detectors": ["iftm_autoencoder_ema", "robust_z", "last_value"]},
    "31-staleness": {"streams": [2], "policies": ["los", "in_situ"], "hours": 0.3, "sensors": 1, "samples": 2100},
}
"""Knobs of each notebook."""
STUDIED = [name for name in SMALL if name not in ("10-forecasting", "11-elastic")]
"""Notebooks that show what is in git; the others show the pipeline's forecasts and courses, too, which are not."""


def _cells(name: str) -> list[tuple[str, bool]]:
    """Return the code cells of a notebook, and whether each is the one of its parameters."""
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    return [("".join(cell["source"]), "parameters" in cell["metadata"].get("tags", [])) for cell in code]


def _run(name: str, knobs: dict[str, Any], space: dict[str, Any] | None = None) -> list[Any]:
    """Run a notebook in this process, which leaves its variables in the space; return what its cells show."""
    space = {} if space is None else space
    shown = []
    for source, are_parameters in _cells(name):
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), space)
        if are_parameters:
            assert set(knobs) <= set(space), "the notebook declares every knob"
            space.update(knobs)
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), name, "eval"), space))
    return shown


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder without results and without data, in whose folder of notebooks we are."""
    (tmp_path / "notebooks").mkdir()
    settings = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(settings.replace("sensors: 10", "sensors: 1"), encoding="utf-8")
    shutil.copytree(ROOT / "data" / "measured", tmp_path / "data" / "measured")
    shutil.copyfile(ROOT / "data" / "calibration.json", tmp_path / "data" / "calibration.json")
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.delenv("EDGERESEARCH_DATA_MIRROR", raising=False)
    return tmp_path


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the figures that are shown; they are drawn, and not rendered."""
    names: list[str] = []
    monkeypatch.setattr(Project, "show", lambda _, figure, name: names.append(name))
    return names


@pytest.mark.parametrize("name", SMALL)
def test_a_notebook_runs_its_experiment_without_the_pipeline(name: str, home: Path, figures: list[str]) -> None:
    shown = _run(name, SMALL[name])
    assert len(shown) > 1 and figures
    texts = [each.data for each in shown if type(each).__name__ == "Markdown"]
    assert not [text for text in texts if "{" in text]
    assert not (home / "reports").exists()


@pytest.mark.parametrize(
    "name", [name for name in STUDIED if any("results = None" in cell for cell, _ in _cells(name))]
)
def test_a_notebook_shows_the_results_of_the_study(
    name: str, home: Path, figures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detection.run_detectors
    monkeypatch.setattr(detection, "run_detectors", lambda values, _, *more: run(values, ["robust_z"], *more))
    texts = [each.data for each in _run(name, {"results": str(ROOT / "reports" / "tables")}) if hasattr(each, "data")]
    committed = {str(path.relative_to(ROOT / "reports" / "figures").with_suffix("")) for path in _committed()}
    assert set(figures) <= committed and not [text for text in texts if "nan" in text]


def test_what_the_stages_of_paper_a_wrote_is_shown_like_a_run(home: Path, figures: list[str]) -> None:
    space: dict[str, Any] = {}
    for name in ("10-forecasting", "11-elastic"):
        _run(name, SMALL[name], space)
    drawn = figures.copy()
    figures.clear()
    reports = home / "reports"
    write_comparison(space["comparison"], home)
    write_json(space["network"], reports / "tables" / "figure1_architecture.json")
    write_scaling(space["experiment"], home)
    write_table_3(["paper_a"], reports)
    for name in ("10-forecasting", "11-elastic"):
        _run(name, {"trace": "paper_a", "results": "reports/tables"})
    assert figures == drawn


def test_the_tables_of_the_data_are_written_only_where_a_folder_is_given(home: Path, figures: list[str]) -> None:
    _run("00-data", {**SMALL["00-data"], "tables": "out"})
    assert {path.name for path in (home / "out").iterdir()} == {"data_series.csv", "data_repairs.csv"}
    assert set(read_table(home / "out" / "data_series.csv")["data"]) == {"synthetic"}


def _committed() -> list[Path]:
    return sorted((ROOT / "reports" / "figures").rglob("*.svg"))


def test_no_kernel_loads_torch_before_it_trains() -> None:
    imports = [
        ast.unparse(node)
        for name in SMALL
        for source, _ in _cells(name)
        for node in ast.parse(source).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    check = "import sys; sys.exit(', '.join({'torch', 'lightning'} & set(sys.modules)) or None)"
    run = subprocess.run([sys.executable, "-c", "\n".join([*imports, check])], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_figures_are_written_only_where_a_folder_is_given(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = Figure()
    image = open_project().show(figure, "los/a")
    assert image.data.startswith(b"\x89PNG") and not (home / "reports").exists()
    project = open_project(results="reports/tables", figures="reports/figures", seed=7)
    assert project.seed == 7 and project.data is None
    assert project.show(figure, "los/a").data == (home / "reports" / "figures" / "los" / "a.png").read_bytes()
    assert (home / "reports" / "figures" / "los" / "a.svg").is_file()
    with pytest.raises(InputError, match=r"cannot read .*los/drops.csv"):
        project.read("los/drops")
    monkeypatch.chdir("/")
    with pytest.raises(InputError, match=r"no params.yaml"):
        open_project()
