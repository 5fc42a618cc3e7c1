"""The pipeline as a whole: what `dvc.yaml` declares, and one small trace all the way to the executed notebooks."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml

from edgeresearch import cli, config, notebook
from edgeresearch.autoscaling.settings import ExperimentConfig
from edgeresearch.config import Anomaly, Forecast, Los
from edgeresearch.data import datasets
from edgeresearch.data.download import fetch
from edgeresearch.errors import InputError
from edgeresearch.io import write_csv
from edgeresearch.papers import tables, traces
from edgeresearch.papers.claims.measures import Selection, Setting
from edgeresearch.papers.claims.records import RECORDS
from edgeresearch.papers.claims.table import read_claims

ROOT = Path(__file__).parents[1]
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
KEPT = ("reports/notebooks/", "reports/site")
"""What DVC keeps of the reports, not git."""
MADE = (
    "reports/tables/",
    "reports/figures/",
    "reports/metrics/",
    "reports/claims.",
    "data/raw",
    "data/processed/",
    *KEPT,
)
PLACES = {
    "A": ("Table 1", "Table 2", "Table 3", "Fig. 1", "Fig. 2", "Fig. 3"),
    "B": ("Table I", "Fig. 1", "Fig. 2", "Fig. 3", "Fig. 4", "Fig. 5", "Fig. 6", "Fig. 7"),
}
"""Every figure and table that the papers have."""
SMALL = """\
seed: 5
forecast:
  traces: [elb]
  models: [ridge, lstm_paper, last_value, seasonal_naive, lstm]
  max_steps: 2500
  window: 12
  seeds: 1
  workers: 1
  bootstrap: {resamples: 20, block: 20}
  lstm_paper: {hidden: 8, epochs: 1, max_windows: 500}
  lstm: {hidden: 8, epochs: 1, members: 1}
elastic:
  traces: [elb]
  seconds: 43200
  repeats: 2
  window: 12
los:
  streams: [2, 8]
  policies: [los, in_situ, cloud]
  repeats: 2
  hours: 1.0
  workers: 1
  adaptation: {jobs: 3, iterations: 50, repeats: 1}
  sweeps: {streams: [8], intervals: [0.0, 30.0], gateways: [1, 5], stays: [900.0]}
  city: {nodes: 45, sizes: [15, 45], most: {oracle: 15}, hours: 0.5, repeats: 2}
anomaly:
  sensors: 1
  train: 200
  samples: 600
  every: 300
  seeds: 2
  workers: 1
  lstm: {epochs: 1}
  autoencoder: {epochs: 1}
  staleness: {sensors: 1, seeds: 1, samples: 2000}
"""
NOTEBOOKS = (
    *("00-data", "10-forecasting", "11-elastic"),
    *("20-testbed", "21-latency", "22-limits", "23-scheduling", "24-city"),
    *("30-anomaly", "31-staleness"),
)
PAGES = ("edgeresearch/papers/report/notebook_page.py", "edgeresearch/papers/report/templates")
"""What the page of a notebook is made by."""
PAPER_B_ROOMS = "anomaly|los|emulator|intervals|paper"
CITY_ROOMS = f"{PAPER_B_ROOMS}|series"
ANOMALY_ROOMS = "series|forecast|anomaly|intervals"
TESTBED = "edgeresearch/emulator/paper_b.yaml"


def _listed(stage: dict[str, Any], *keys: str) -> dict[str, dict[str, Any]]:
    entries = [entry for key in keys for entry in stage.get(key, [])]
    return {
        name: options
        for entry in entries
        for name, options in (entry if isinstance(entry, dict) else {entry: {}}).items()
    }


def _outs(stage: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return _listed(stage, "outs", "metrics", "plots")


@pytest.mark.parametrize("name", STAGES)
def test_outs_lie_in_their_places_and_are_never_notebooks(name: str) -> None:
    outs = _outs(STAGES[name])
    assert outs
    for path, options in outs.items():
        assert path.startswith(MADE), path
        assert not path.endswith(".ipynb")
        tracked = path.startswith("reports/") and not path.startswith(KEPT)
        assert options.get("cache", True) is not tracked or path == "data/raw", f"{path}: git tracks it, or DVC does"


@pytest.mark.parametrize("name", STAGES)
def test_deps_exist_or_are_made_by_another_stage(name: str) -> None:
    made = [path for other in STAGES.values() for path in _outs(other)]
    for dep in _listed(STAGES[name], "deps"):
        inside = any(_below(path, dep) or _below(dep, path) for path in made)
        assert inside or (ROOT / dep).exists(), dep


def _imported(module: Path, seen: set[Path], rooms: str = "series|forecast|elastic|intervals") -> set[Path]:
    """Modules of some rooms that a module imports, and what they import."""
    for file in _named(module.read_text(encoding="utf-8"), rooms):
        if file not in seen:
            seen.add(file)
            _imported(file, seen, rooms)
    return seen


def _named(source: str, rooms: str) -> list[Path]:
    files = []
    pattern = rf"^from (edgeresearch\.(?:{rooms})[\w.]*) import (\([^)]*\)|.+)$"
    for name, words in re.findall(pattern, source, flags=re.M):
        room = ROOT / name.replace(".", "/")
        candidates = [
            room.with_suffix(".py"),
            *(room / f"{word.split()[0]}.py" for word in words.strip("()").split(",") if word.strip()),
        ]
        files += [file for file in candidates if file.is_file()]
    return files


def _needed(*starts: str, rooms: str = PAPER_B_ROOMS) -> set[str]:
    """All modules of some rooms that some files import, they themselves among them if they are modules."""
    seen: set[Path] = set()
    for start in starts:
        path = ROOT / start
        if path.suffix == ".ipynb":
            source = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
            first = _named(source, rooms)
        else:
            first = [path]
        for file in first:
            seen.add(file)
            _imported(file, seen, rooms)
    return {str(path.relative_to(ROOT)) for path in seen}


def _modules(stage: str) -> set[str]:
    return {dep for dep in _listed(STAGES[stage], "deps") if dep.endswith(".py")}


BUILT = [ROOT / f"edgeresearch/forecasting/{name}.py" for name in ("baselines", "lstm", "paper_lstm", "windowed")]
"""What `models.build` imports when it makes a model."""


def test_comparing_depends_on_every_module_that_it_runs_and_no_other() -> None:
    starts = {ROOT / "edgeresearch/forecasting/evaluation.py", *BUILT}
    for start in sorted(starts):
        _imported(start, starts)
    needed = {str(path.relative_to(ROOT)) for path in starts}
    named = {dep for dep in _listed(STAGES["compare"], "deps") if dep.endswith(".py")}
    assert named == needed - {"edgeresearch/forecasting/base.py"}  # types alone


def test_replaying_depends_on_every_module_that_it_runs_and_no_other() -> None:
    starts = {ROOT / "edgeresearch/autoscaling/compare.py", ROOT / "edgeresearch/forecasting/evaluation.py", *BUILT}
    for start in sorted(starts):
        _imported(start, starts)
    needed = {str(path.relative_to(ROOT)) for path in starts}
    named = {dep for dep in _listed(STAGES["elastic"], "deps") if dep.endswith(".py")}
    assert named == needed - {"edgeresearch/forecasting/base.py"}  # types alone


@pytest.mark.parametrize("name", ["limits", "scheduling", "sweeps"])
def test_emulating_depends_on_every_module_that_it_runs_and_no_other(name: str) -> None:
    assert _modules(name) == _needed("edgeresearch/papers/scheduling.py")
    assert TESTBED in _listed(STAGES[name], "deps")


def test_growing_a_city_depends_on_every_module_that_it_runs_and_no_other() -> None:
    assert _modules("city") == _needed("edgeresearch/papers/city_growth.py", rooms=CITY_ROOMS)
    deps = set(_listed(STAGES["notebook-city"], "deps"))
    assert _modules("notebook-city") == _needed("notebooks/24-city.ipynb", rooms=CITY_ROOMS) | {PAGES[0]}
    assert {TESTBED, "data/raw"} <= deps & set(_listed(STAGES["city"], "deps"))
    assert set(_outs(STAGES["city"])) <= deps


def test_joining_paper_b_depends_on_every_module_that_it_runs_and_no_other() -> None:
    needed = _needed("edgeresearch/papers/paper_b/tables.py")
    assert _modules("tables-los") == needed | {"edgeresearch/papers/tables.py"}
    assert TESTBED in _listed(STAGES["tables-los"], "deps")


def test_the_audit_depends_on_every_module_table_and_setting_that_it_reads() -> None:
    deps = set(_listed(STAGES["claims"], "deps"))
    assert _modules("claims") == _needed("edgeresearch/papers/claims/audit.py") | {"edgeresearch/papers/tables.py"}
    sources = [each.measure for each in RECORDS]
    read = {str(each.file) for each in sources if hasattr(each, "file")}
    listed = {dep for dep in deps if not dep.startswith("edgeresearch/")}
    assert {path for path in read if not any(_below(path, dep) for dep in listed)} == set()
    assert {dep for dep in listed if not any(_below(path, dep) for path in read)} == set()
    keys = {each.key for each in sources if isinstance(each, Setting)}
    keys |= {each.seeds for each in sources if isinstance(each, Selection) and each.seeds and "." in each.seeds}
    keys |= {"los.fitted", "los.testbed", "elastic.traces"}  # what `fitted` and `data` say, and what is left out
    params_ = set(STAGES["claims"]["params"])
    assert {key for key in keys if not any(f"{key}.".startswith(f"{name}.") for name in params_)} == set()
    assert {name for name in params_ if not any(f"{key}.".startswith(f"{name}.") for key in keys)} == set()


def _below(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")


def _makers(path: str) -> list[str]:
    """Stages that make a file; one of a matrix makes it for each trace."""
    found = []
    for name, stage in STAGES.items():
        outs = {re.escape(out).replace(r"\$\{item\.trace\}", r"[\w]+") for out in _outs(stage)}
        if any(re.fullmatch(f"{out}(/.*)?", path) for out in outs):
            found.append(name)
    return found


def test_the_stage_of_a_claim_makes_what_it_is_measured_by() -> None:
    for each in RECORDS:
        assert each.stage in STAGES, each.id
        table = str(getattr(each.measure, "file", ""))
        if table.startswith(("reports/", "data/processed/")):
            assert _makers(table) == [each.stage], each.id
        if each.figure:
            assert len(_makers(each.figure)) == 1, each.id
        assert not each.notebook or each.notebook in NOTEBOOKS, each.id


@pytest.mark.parametrize("paper", PLACES)
def test_every_published_figure_and_table_has_claims_and_a_stage_that_makes_it(paper: str) -> None:
    mine = [each for each in RECORDS if each.paper == paper]
    for place in PLACES[paper]:
        here = [each for each in mine if re.search(rf"\b{re.escape(place)}(?![0-9IVX])", each.where)]
        made = [each for each in here if each.stage != "claims"]
        assert made, f"{place} of paper {paper} has no claim whose value a stage makes"
        drawn = [each.figure for each in made if each.figure]
        assert drawn or place == "Table 1", f"{place} of paper {paper} is drawn by no stage"


@pytest.mark.parametrize("name", ["testbed", "latency", "limits", "scheduling", "staleness"])
def test_paper_bs_notebooks_depend_on_every_module_that_they_run_and_no_other(name: str) -> None:
    (path,) = [dep for dep in _listed(STAGES[f"notebook-{name}"], "deps") if dep.endswith(".ipynb")]
    assert _modules(f"notebook-{name}") == _needed(path) | {PAGES[0]}
    reads = "edgeresearch/emulator/testbed.py" in _modules(f"notebook-{name}")
    assert (TESTBED in _listed(STAGES[f"notebook-{name}"], "deps")) == reads


def test_detecting_depends_on_every_module_that_it_runs_and_no_other() -> None:
    start = ROOT / "edgeresearch/papers/detection.py"
    needed = {str(path.relative_to(ROOT)) for path in _imported(start, {start}, ANOMALY_ROOMS)}
    assert _modules("anomaly") == needed


def test_staleness_depends_on_every_module_that_it_runs_and_no_other() -> None:
    start = ROOT / "edgeresearch/papers/staleness.py"
    needed = {str(path.relative_to(ROOT)) for path in _imported(start, {start}, ANOMALY_ROOMS)}
    assert _modules("staleness") == needed
    assert "data/processed/los/triggers.parquet" in _listed(STAGES["staleness"], "deps")


def test_measured_costs_depend_on_every_module_that_they_run_and_no_other() -> None:
    start = ROOT / "edgeresearch/papers/figure7_measured.py"
    needed = {str(path.relative_to(ROOT)) for path in _imported(start, {start}, f"{ANOMALY_ROOMS}|los|emulator")}
    assert _modules("measured") == needed
    assert {TESTBED, "data/calibration.json"} <= set(_listed(STAGES["measured"], "deps"))


def test_the_notebook_on_detection_depends_on_every_module_that_it_runs_and_no_other() -> None:
    cells = nbformat.read(ROOT / "notebooks" / "30-anomaly.ipynb", as_version=4).cells
    rooms = f"{ANOMALY_ROOMS}|los|emulator|paper"
    needed = set(_named("\n".join(cell.source for cell in cells), rooms))
    for start in sorted(needed):
        _imported(start, needed, rooms)
    assert _modules("notebook-anomaly") == {str(path.relative_to(ROOT)) for path in needed} | {PAGES[0]}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_the_paper_modules_that_it_runs(name: str) -> None:
    """Every module of the paper room that a notebook imports is a dependency of its stage."""
    deps = set(_listed(STAGES[name], "deps"))
    for path in (Path(dep) for dep in deps if dep.endswith(".ipynb")):
        source = "\n".join(cell.source for cell in nbformat.read(ROOT / path, as_version=4).cells)
        named = re.findall(r"^from edgeresearch\.paper import (.+)$", source, flags=re.M)
        modules = {word.strip() for line in named for word in line.split(",")}
        modules |= set(re.findall(r"^from edgeresearch\.paper\.(\w+) import", source, flags=re.M))
        assert modules
        assert {f"edgeresearch/papers/{module}.py" for module in modules} <= deps


def test_a_comparison_depends_on_every_setting_that_can_change_it() -> None:
    listed = set(STAGES["compare"]["params"])
    without = {"traces", "workers"}
    assert listed == {"seed", *(f"forecast.{key}" for key in Forecast.model_fields if key not in without)}


def test_a_replay_depends_on_every_setting_that_can_change_it() -> None:
    listed = set(STAGES["elastic"]["params"])
    keys = {f"elastic.{key}" for key in ExperimentConfig.model_fields if key != "traces"}
    assert listed == {"seed", "forecast.lstm", *keys}


def test_emulating_depends_on_every_setting_that_can_change_it() -> None:
    elsewhere = {"workers", "fitted", "fit", "city"}
    own = {"limits": {"adaptation"}, "scheduling": {"streams", "policies"}, "sweeps": {"sweeps"}}
    unread = {"limits": {"repeats", "hours", "interval", "loss", "rules"}, "scheduling": set(), "sweeps": set()}
    for name, keys in own.items():
        others = set().union(*own.values()) - keys
        used = set(Los.model_fields) - elsewhere - others - unread[name]
        assert set(STAGES[name]["params"]) == {"seed", *(f"los.{key}" for key in used)}
    of_the_testbed = {"testbed", "streams", "policies", "repeats", "hours", "adaptation", "sweeps"}
    used = set(Los.model_fields) - (elsewhere - {"city"}) - of_the_testbed
    assert set(STAGES["city"]["params"]) == {"seed", *(f"los.{key}" for key in used)}
    assert set(STAGES["notebook-city"]["params"]) == {"seed", "los.city"}


def test_detecting_depends_on_every_setting_that_can_change_it() -> None:
    elsewhere = {"workers", "calibration", "staleness"}
    listed = set(STAGES["anomaly"]["params"])
    assert listed == {"seed", *(f"anomaly.{key}" for key in Anomaly.model_fields if key not in elsewhere)}
    in_tables = {"anomaly.sensors", "anomaly.seeds"}
    assert set(STAGES["notebook-anomaly"]["params"]) == listed - in_tables


def test_staleness_and_measured_costs_depend_on_every_setting_that_can_change_them() -> None:
    sensors_alone = {"sensors", "samples", "seeds", "workers", "detectors", "autoencoder", "calibration"}
    used = set(Anomaly.model_fields) - sensors_alone
    assert set(STAGES["staleness"]["params"]) == {"seed", *(f"anomaly.{key}" for key in used)}
    elsewhere = {"workers", "fitted", "fit", "policies", "adaptation", "sweeps", "city"}
    assert set(STAGES["measured"]["params"]) == {"seed", *(f"los.{key}" for key in set(Los.model_fields) - elsewhere)}


def test_settings_that_stages_name_exist() -> None:
    known = config.Params().model_dump()
    for stage in STAGES.values():
        for key in stage.get("params", []):
            here: Any = known
            for part in key.split("."):
                assert part in here, key
                here = here[part]


def test_commands_are_those_of_the_command_line() -> None:
    known = {command.callback.__name__ for command in cli.app.registered_commands if command.callback}
    for stage in STAGES.values():
        words = stage["cmd"].split()
        assert words[:3] == ["python", "-m", "edgeresearch"]
        assert words[3] in known
        if words[3] == "table":
            assert words[4] in tables.NAMES


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare", "elbe"], "error: unknown request trace 'elbe'; choose one of nasa"),
        (["compare", "elb", "--folder", "none"], "error: no file none/qps/nab_elb_request_count_8c0756.csv.gz"),
        (["compare", "elb", "--params", "none.yaml"], "error: cannot read none.yaml"),
        (
            ["table", "table4"],
            "error: unknown table 'table4'; did you mean table3?; known: table2, figure1, table3, los",
        ),
        (["replay", "elbe"], "error: unknown request trace 'elbe'; choose one of nasa"),
        (["table", "table3"], "error: cannot read reports/tables/elastic/elb.csv: No such file or directory"),
        (
            ["emulate", "limit"],
            "error: there is nothing called 'limit' to emulate; did you mean limits?; known: limits",
        ),
        (["emulate", "limits", "--params", "none.yaml"], "error: cannot read none.yaml"),
        (["table", "los"], "error: cannot read reports/tables/los/limits.csv: No such file or directory"),
        (["table", "table2"], "error: cannot read reports/tables/forecast/nasa.csv: No such file or directory"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    assert left.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith(message)
    assert text.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_every_stage_says_what_it_does_and_a_matrix_names_its_items() -> None:
    for stage in STAGES.values():
        assert stage["desc"]
        if "matrix" in stage:
            assert stage["matrix"] in ({"trace": "${forecast.traces}"}, {"trace": "${elastic.traces}"})
            assert all("${item.trace}" in path for path in _outs(stage))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_declare_where_the_project_lies(name: str) -> None:
    declared = notebook.declared(ROOT / "notebooks" / f"{name}.ipynb")
    assert declared["root"] == "'.'"
    with pytest.raises(InputError, match=f"notebook {name} declares no parameter 'roots'; did you mean root"):
        notebook.run(ROOT / "notebooks" / f"{name}.ipynb", "out.ipynb", {"roots": 1})


def test_stages_pass_only_parameters_that_their_notebook_declares() -> None:
    for stage in STAGES.values():
        words = stage["cmd"].split()
        if words[3] == "notebook":
            declared = notebook.declared(ROOT / "notebooks" / f"{words[4]}.ipynb")
            passed = {words[at + 1].partition("=")[0] for at, word in enumerate(words) if word == "-p"}
            assert passed <= set(declared)
            out, html = (words[words.index(option) + 1] for option in ("--out", "--html"))
            assert out == html.replace("reports/", "build/").replace(".html", ".ipynb")
            assert html in _listed(stage, "outs")
            assert set(PAGES) <= set(_listed(stage, "deps"))


def test_the_report_comes_last_and_depends_on_all_that_it_shows() -> None:
    deps = set(_listed(STAGES["report"], "deps"))
    assert {"edgeresearch/papers/claims", "edgeresearch/papers/report", "edgeresearch/provenance.py"} <= deps
    shown = {
        path
        for name, stage in STAGES.items()
        for path in _outs(stage)
        if path.startswith("reports/") and name != "report"
    }
    read = {path for path in shown if any(_below(path, dep) for dep in deps)}
    assert {path for path in shown - read if not path.startswith("reports/metrics/")} <= {"reports/claims.md"}
    sections = {"forecast": Forecast, "los": Los, "anomaly": Anomaly}
    keys = {f"{name}.{key}" for name, section in sections.items() for key in section.model_fields if key != "workers"}
    assert set(STAGES["report"]["params"]) == set(config.Params.model_fields) - set(sections) | keys


def test_git_leaves_to_dvc_what_dvc_keeps() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {f"/{place.rstrip('/')}/" for place in KEPT} <= set(ignored)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with stand-ins for the data, after the stages before the notebooks."""
    root = tmp_path_factory.mktemp("project")
    (root / "params.yaml").write_text(SMALL)
    (root / "notebooks").mkdir()
    for name in NOTEBOOKS:
        source = (ROOT / "notebooks" / f"{name}.ipynb").read_bytes()
        (root / "notebooks" / f"{name}.ipynb").write_bytes(source)
    (root / "data" / "measured").mkdir(parents=True)
    header = (ROOT / "data" / "measured" / "fit_seconds.csv").read_text().splitlines()[0]
    (root / "data" / "measured" / "fit_seconds.csv").write_text(header + "\n")
    (root / "data" / "calibration.json").write_bytes((ROOT / "data" / "calibration.json").read_bytes())
    specs = [*datasets.REQUEST_TRACES.values(), *datasets.UTILISATION_TRACES.values()]
    wanted = {spec.file for spec in specs} | {name for name in datasets.pins() if "158324.csv" in name}
    fetch(root / "data" / "raw", source="synthetic", files=sorted(wanted), seed=5, warn=lambda _: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for words in (
            *("compare elb", "table table2", "table figure1", "replay elb", "table table3"),
            *("emulate limits", "emulate scheduling", "emulate sweeps", "table los", "anomaly sensors"),
            *("anomaly staleness", "emulate measured", "emulate city"),
        ):
            _run(words)
        raw = root / "data" / "raw"
        shown = traces.summary(
            [
                datasets.load_requests("elb", raw),
                datasets.load_traffic(raw, 158324),
                datasets.load_pollution(raw, 158324),
            ]
        )
        write_csv(shown, root / "reports" / "tables" / "data_series.csv")  # as the notebook 00-data does, which is slow
        _run("table claims")
    return root


def _run(words: str) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(words.split())
    assert left.value.code in (0, None)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a kernel find the package in a checkout that is not installed."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_stages_write_what_they_declare(root: Path) -> None:
    emulated = ("limits", "scheduling", "sweeps", "city", "tables-los")
    for name in (
        "compare",
        "table2",
        "figure1",
        "elastic",
        "table3",
        *emulated,
        "anomaly",
        "staleness",
        "measured",
        "claims",
    ):
        for path in _outs(STAGES[name]):
            assert (root / path.replace("${item.trace}", "elb")).exists(), path


def test_the_audit_of_a_small_run_on_stand_ins_says_what_it_lacks(root: Path) -> None:
    found = read_claims(root / "reports" / "claims.csv").set_index("id")
    assert len(found) == len(RECORDS)
    lacking = found[found["reason"].str.startswith("Not in this profile: ")]
    assert set(lacking["verdict"]) == {"not testable here"}
    assert {"A-T2-RF-MSE", "A-T3-LSTM-STABLE", "A-F2-LOW", "B-F7-04", "B-F7-RISE"} <= set(lacking.index)
    assert "stand-ins alone" in str(lacking.loc["B-VIA-TRAFFIC", "reason"])
    assert {"B-F7-02", "B-F7-08", "B-ABS-INSITU", "B-F5-FIRST", "A-T2-VARIANCE"} & set(lacking.index) == set()
    assert found.loc["A-T2-XGBOOST", "verdict"] == "not testable here"
    assert found.loc["A-T2-BEHIND", "verdict"] == "not testable here"
    assert found.loc["A-CON-ERRORS", "data"] == "elb (synthetic)"
    assert "(real)" not in " ".join(found["data"])
    counted = json.loads((root / "reports" / "metrics" / "claims.json").read_text())
    assert counted["both"]["not_testable_here"] == (found["verdict"] == "not testable here").sum()


def test_the_report_of_a_small_run_on_stand_ins_says_what_it_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    monkeypatch.chdir(root)
    _run("report")
    text = (root / "reports" / "site" / "index.html").read_text(encoding="utf-8")
    assert "This is not the full run." in text
    assert "Where the data came from is not known" in text  # no stage wrote data/raw/sources.csv
    assert "Not drawn in this run: los/scheduling/figure7." in text
    assert "Not in this profile: " in text
    _run("export --out exports")
    assert (root / "exports" / "tables" / "b-fig7.tex").is_file()


def test_timings_are_written_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    before = _bytes(root / "reports")
    with pytest.raises(SystemExit):
        cli.main(["compare", "elb", "--timings", str(root / "timings.csv")])
    assert len((root / "timings.csv").read_text().splitlines()) == 6
    assert _bytes(root / "reports") == before


@pytest.mark.slow
@pytest.mark.usefixtures("kernel")
def test_the_forecasting_notebook_gives_the_same_figures_from_either_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = root / "reports" / "figures" / "forecast" / "elb"
    monkeypatch.chdir(root)
    notebook.run("10-forecasting", root / "build" / "a.ipynb", {"trace": "elb", "points": 100})
    first = _bytes(figures)
    names = ("figure1", "table2", "relative_mse", "true_predicted", "error_by_hour", "cost")
    assert set(first) == {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    monkeypatch.chdir(root / "notebooks")
    notebook.run("10-forecasting.ipynb", root / "build" / "b.ipynb", {"trace": "elb", "points": 100})
    assert _bytes(figures) == first
    shown = (root / "build" / "b.ipynb").read_text(encoding="utf-8")
    assert "elb (synthetic)" in shown
    assert "make timings" in shown


@pytest.mark.slow
@pytest.mark.usefixtures("kernel")
def test_the_elastic_notebook_gives_every_figure(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    notebook.run("11-elastic", root / "build" / "elastic.ipynb", {"trace": "elb", "points": 60})
    names = ("table3", "figure2_cpu", "figure3_memory", "scaling", "tradeoff")
    made = _bytes(root / "reports" / "figures" / "elastic" / "elb")
    assert set(made) == {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    assert "elb (synthetic)" in (root / "build" / "elastic.ipynb").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.usefixtures("kernel")
def test_the_data_notebook_says_what_is_synthetic(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert datasets.list_sensors(root / "data" / "raw") == [158324]
    monkeypatch.chdir(root)
    notebook.run("00-data", root / "build" / "data.ipynb", {}, html=root / "reports" / "notebooks" / "00-data.html")
    for path in _outs(STAGES["notebook-data"]):
        assert (root / path).exists(), path
    table = (root / "reports" / "tables" / "data_series.csv").read_text().splitlines()
    assert len(table) == 1 + len(datasets.REQUEST_TRACES) + 1 + 2 + len(datasets.UTILISATION_TRACES) + 1
    assert all(",synthetic," in line for line in table[1:])
    assert len(_bytes(root / "reports" / "figures" / "data")) == 12


@pytest.mark.slow
@pytest.mark.usefixtures("kernel")
def test_the_notebook_on_detection_gives_every_figure(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    notebook.run("30-anomaly", root / "build" / "30.ipynb", {"samples": 300})
    names = ("streams", "generated", "example", "differences", "detectors", "sensors", "kinds", "costs")
    made = _bytes(root / "reports" / "figures" / "anomaly")
    assert set(made) == {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    shown = (root / "build" / "30.ipynb").read_text(encoding="utf-8")
    assert "No variant of IFTM" in shown, "one sensor gives no interval"


@pytest.mark.slow
@pytest.mark.usefixtures("kernel")
def test_the_notebook_on_staleness_gives_every_figure(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    notebook.run("31-staleness", root / "build" / "31.ipynb", {})
    made = _bytes(root / "reports" / "figures" / "staleness")
    names = ("quality", "contrasts", "course", "measured")
    assert set(made) == {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    shown = (root / "build" / "31.ipynb").read_text(encoding="utf-8")
    assert "Retraining cannot be judged without an interval" in shown, "one sensor gives none"


@pytest.mark.slow
@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize(
    ("name", "folder", "figures"),
    [
        ("20-testbed", "testbed", {"figure1", "figure2", "figure3"}),
        ("21-latency", "latency", {"figure4"}),
        ("22-limits", "limits", {"figure5"}),
        ("24-city", "city", {"mesh", "growth"}),
        (
            "23-scheduling",
            "scheduling",
            {
                "figure6",
                "figure7",
                "reasons",
                "layers",
                "policies",
                "traffic",
                "staleness",
                "gateways",
                "churn",
                "choices",
                "handovers",
            },
        ),
    ],
)
def test_paper_bs_notebooks_give_every_figure(
    root: Path, monkeypatch: pytest.MonkeyPatch, name: str, folder: str, figures: set[str]
) -> None:
    monkeypatch.chdir(root)
    out = root / "build" / f"{name}.ipynb"
    notebook.run(name, out, {"hours": 1.0} if name in ("20-testbed", "21-latency") else {})
    made = _bytes(root / "reports" / "figures" / "los" / folder)
    assert set(made) == {f"{figure}.{kind}" for figure in figures for kind in ("png", "svg")}
    if name == "24-city":
        assert "NOT REAL" in out.read_text(encoding="utf-8"), "no file of places was fetched"
    if name == "23-scheduling":
        assert "no fit lies in data/measured/los_fit.csv" in out.read_text(encoding="utf-8")


def test_what_was_measured_on_one_machine_is_frozen_and_as_committed() -> None:
    stage = yaml.safe_load((ROOT / "data" / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["calibrate"]
    assert stage["frozen"] and stage["wdir"] == ".."
    locked = yaml.safe_load((ROOT / "data" / "dvc.lock").read_text(encoding="utf-8"))["stages"]["calibrate"]
    assert locked["cmd"] == stage["cmd"]
    out = locked["outs"][0]
    assert out["md5"] == hashlib.md5((ROOT / out["path"]).read_bytes()).hexdigest()
    assert all((ROOT / path).exists() for path in stage["deps"] if path != "data/raw")
