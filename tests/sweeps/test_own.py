"""A sweep takes files, testbeds, policies and models of one's own, and tells what it guessed of them."""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import edgeresearch as er
from edgeresearch.autoscaling.replay import UNITS
from edgeresearch.errors import InputError
from edgeresearch.sweeps.experiments import OwnElasticCell

ROOT = Path(__file__).parents[2]
SCALING = """
class Mine:
    def decide(self, now):
        return now.pods_for(max(now.history.load[-10:]))
"""
SCHEDULING = """
import edgeresearch as er


class Here:
    def decide(self, request, view):
        here = view.here()
        return er.Decision.run_at(here.node, limit=100) if here.cpu >= 100 else er.Decision.drop()
"""
MODEL = """
import numpy as np


class Drift:
    def fit(self, X, y):
        self.drift = np.nanmean(y - X[:, :1], axis=0)
        return self

    def predict(self, X):
        return X[:, :1] + self.drift
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a trace and modules; commands are started in another one."""
    place = tmp_path / "mine"
    place.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("scaling", "scheduling", "model"):
        monkeypatch.delitem(sys.modules, f"{name}_of_mine", raising=False)
    table = pd.read_csv(ROOT / "examples" / "synthetic_requests.csv").head(700)
    table.assign(requests=900 * table["requests"], hits=table["requests"] // 3).to_csv(
        place / "requests.csv", index=False
    )
    for name, text in (("scaling", SCALING), ("scheduling", SCHEDULING), ("model", MODEL)):
        (place / f"{name}_of_mine.py").write_text(text)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return place


def _spec(folder: Path, **keys: Any) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(json.dumps({"seeds": 1, **keys}))  # which is YAML
    return path


def test_a_file_and_a_strategy_give_what_replay_gives(folder: Path) -> None:
    settings = {"trace": "requests.csv", "forecaster": "ridge", "reading": {"value": "requests"}}
    grid = {"strategy": ["combined", "hpa", "scaling_of_mine:Mine"], "elastic.start_delay": [30, 120]}
    found = er.sweep(_spec(folder, experiment="elastic", settings=settings, grid=grid), workers=1)
    assert not len(found.failures)
    assert "requests.csv: unit: 'requests' counts requests per 15 min" in found.notes
    table = found.table.set_index(["strategy", "elastic.start_delay"])
    assert set(table.index.get_level_values(0)) == set(grid["strategy"])
    for delay in (30.0, 120.0):
        replayed = er.replay(folder / "requests.csv", value="requests", policies="combined", forecaster="ridge",
                             start_delay=delay, repeats=1)  # fmt: skip
        rows = replayed.table.set_index(["strategy", "forecaster"])["pod_hours"]
        for strategy, forecaster in (("combined", "ridge"), ("hpa", "")):
            # Arrivals within a step are drawn anew: the pods differ by a little.
            assert table["pod_hours"][strategy, delay] == pytest.approx(rows[strategy, forecaster], rel=0.01)
    assert table["most_pods"].min() > 2
    assert (table["pod_hours"].xs("scaling_of_mine:Mine") > 0).all()
    assert table["forecast_r2"]["combined", 30.0] > 0.9
    assert table["forecast_r2"].xs("hpa").isna().all()


def test_workers_find_modules_beside_the_sweep(folder: Path) -> None:
    grid = {"policy": ["los", "scheduling_of_mine:Here"], "los.testbed": ["street.yaml"]}
    (folder / "street.yaml").write_bytes((ROOT / "examples" / "testbed.yaml").read_bytes())
    path = _spec(folder, experiment="los", settings={"los.hours": 0.5}, grid=grid)
    apart, within = (er.sweep(path, workers=workers) for workers in (2, 1))
    assert not len(apart.failures), apart.failures["error"].tolist()
    assert apart.arrow == within.arrow
    drops = apart.table.set_index("policy")["drop_percent"]
    assert drops["scheduling_of_mine:Here"] != drops["los"]


def test_models_of_ones_own_are_judged_on_a_file(folder: Path) -> None:
    settings = {"trace": "requests.csv", "reading": {"value": "requests"}, "forecast.window": 10}
    grid = {"model": ["last_value", "model_of_mine:Drift"]}
    found = er.sweep(_spec(folder, experiment="forecast", settings=settings, grid=grid), workers=1)
    skill = found.table.set_index("model")["skill"]
    assert skill["last_value"] == 0
    assert 0 < abs(skill["model_of_mine:Drift"]) < 0.01


def test_a_folder_knows_the_files_and_the_module(folder: Path) -> None:
    settings, grid = {"trace": "requests.csv", "reading": {"value": "requests"}}, {"model": ["model_of_mine:Drift"]}
    path = _spec(folder, experiment="forecast", settings=settings, grid=grid)
    er.sweep(path, "out", workers=1)
    kept = json.loads(Path("out/sweep.json").read_text())["files"]
    assert {Path(name).name for name in kept} == {"requests.csv", "model_of_mine.py"}
    (folder / "model_of_mine.py").write_text(MODEL + "# changed\n")
    with pytest.raises(InputError, match="model_of_mine.py has changed since out was begun"):
        er.sweep(path, "out", workers=1)


def test_a_load_of_one_pod_is_doubted(folder: Path) -> None:
    settings = {"trace": "requests.csv", "reading": {"value": "requests"}, "elastic.q_max": 100000.0}
    path = _spec(folder, experiment="elastic", settings=settings, grid={"strategy": ["responsive"]})
    assert "never needs a second pod" in er.sweep(path, workers=1).notes[-1]


def test_the_folder_of_the_sweep_comes_first(folder: Path) -> None:
    Path("requests.csv").write_text("time,requests\n2024-01-01,1\n")
    settings, grid = {"trace": "requests.csv", "reading": {"value": "requests"}}, {"model": ["ridge"]}
    assert not len(er.sweep(_spec(folder, experiment="forecast", settings=settings, grid=grid), workers=1).failures)
    Path("only_here.csv").write_bytes((folder / "requests.csv").read_bytes())
    settings["trace"] = "only_here.csv"
    assert not len(er.sweep(_spec(folder, experiment="forecast", settings=settings, grid=grid), workers=1).failures)


@pytest.mark.parametrize(
    ("experiment", "settings", "grid", "message"),
    [
        ("forecast", {"trace": "reqests.csv"}, {"model": ["ridge"]}, "no file .*reqests.csv; nearest: requests.csv"),
        ("forecast", {"trace": "requests.csv"}, {"model": ["ridge"]}, "'requests', 'hits' may all be .* value .under"),
        ("forecast", {"trace": "nsa"}, {"model": ["ridge"]}, "trace is 'nsa'; did you mean nasa.; known: nasa, w"),
        ("forecast", {"trace": "elb", "reading": {"value": "x"}}, {"model": ["ridge"]}, "leave it out beside elb"),
        ("forecast", {"reading": {"vaule": "x"}}, {"model": ["ridge"]}, "unknown option 'vaule'; did you mean value"),
        ("forecast", {"trace": "requests.csv"}, {"model": ["rigde"]}, "model is 'rigde'; did you mean ridge.; known"),
        ("forecast", {}, {"model": ["model_of_mine:Dirft"]}, "model_of_mine.py has no 'Dirft'; did you mean Drift"),
        ("forecast", {}, {"model": ["nowhere:Drift"]}, "there is no module nowhere in .*mine or .*elsewhere"),
        ("elastic", {}, {"trace": ["elb", "requests.csv"]}, "elb is no file; sweep files of your own and traces"),
        ("elastic", {"trace": "requests.csv"}, {"elastic.timeout": [1, 2]}, "does not read elastic.timeout; leave"),
        ("elastic", {"trace": "requests.csv", "unit": "per-secnd"}, {"fill": [1]}, "unknown unit 'per-secnd'; did you"),
        ("elastic", {}, {"policies": ["hpa"]}, "unknown setting policies; did you mean strategy"),
        ("elastic", {}, {"model": ["lstm"]}, "unknown setting model; did you mean forecaster"),
        ("los", {}, {"strategy": ["los"]}, "unknown setting strategy; did you mean policy"),
        ("los", {}, {"policy": ["scheduling_of_mine:Hree"]}, "has no 'Hree'; did you mean Here"),
        ("los", {"los.testbed": "none.yaml"}, {"streams": [2]}, "cannot read .*mine/none.yaml: No such file"),
    ],
)
def test_what_cannot_be_swept_is_told_before_a_cell_is_run(
    folder: Path, experiment: str, settings: dict[str, Any], grid: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        er.sweep(_spec(folder, experiment=experiment, settings=settings, grid=grid), "out", workers=1)
    assert "\n" not in str(caught.value)
    assert not Path("out/cells.jsonl").exists() or not Path("out/cells.jsonl").read_text()


def test_a_unit_in_doubt_is_asked_before_a_cell_is_run(folder: Path) -> None:
    rows = (folder / "requests.csv").read_text().replace("requests", "hits_per_minute").replace(",hits\n", ",other\n")
    (folder / "rates.csv").write_text(rows)
    settings = {"trace": "rates.csv", "reading": {"value": "hits_per_minute"}}
    path = _spec(folder, experiment="elastic", settings=settings, grid={"strategy": ["hpa"]})
    with pytest.raises(InputError, match=r"rates.csv: .* say which with unit \(per-minute or per-step\)"):
        er.sweep(path, "out", workers=1)
    assert not Path("out/cells.jsonl").exists() or not Path("out/cells.jsonl").read_text()


def test_a_setting_at_the_top_is_shown_its_place(folder: Path) -> None:
    path = _spec(folder, experiment="elastic", trace="requests.csv", grid={"strategy": ["hpa"]})
    with pytest.raises(InputError, match="trace is a setting; write it under settings, or under grid with several val"):
        er.sweep(path)


@pytest.mark.parametrize("unit", [*UNITS, "per-5min"])
def test_the_units_are_those_of_a_replay(unit: str) -> None:
    assert OwnElasticCell(trace="requests.csv", unit=unit).unit == unit
