"""The examples do what their pages say, by the public interface alone."""

import ast
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import edgeresearch as er
from edgeresearch import cli
from edgeresearch.forecasting.base import Forecaster, Stream
from edgeresearch.scheduling.messages import Availability, Reason, Request

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples"
PROGRAMS = sorted(FOLDER.glob("*.py"))
LINES = 30
CSV = FOLDER / "synthetic_requests.csv"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["example"])
    return tmp_path


def _run(name: str) -> dict[str, Any]:
    return runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")


@pytest.mark.parametrize("path", [*PROGRAMS, FOLDER / "testbed.yaml"], ids=lambda path: path.name)
def test_they_are_short_and_a_page_shows_them(path: Path) -> None:
    code = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(code) < LINES
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "extend").glob("*.md")]
    assert sum(f"--8<--\nexamples/{path.name}\n--8<--" in page for page in pages) == 1


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_they_use_the_public_interface_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    names += [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names += [*str(node.module).split("."), *(alias.name for alias in node.names)]
    private = {name for name in names if name.startswith("_") and name not in ("_", "__file__", "__name__")}
    assert private == set()
    for node in ast.walk(tree):
        for target in node.targets if isinstance(node, ast.Assign) else []:
            for part in ast.walk(target):
                assert not isinstance(part, ast.Subscript), "it edits something"
                if isinstance(part, ast.Attribute):
                    assert isinstance(part.value, ast.Name)
                    assert part.value.id == "self", "it edits something"


def test_the_sample_is_what_its_seed_gives() -> None:
    rng = np.random.default_rng(7)
    step = np.arange(14 * 96)
    daily = np.sin(2 * np.pi * (step / 96 - 0.3)) + 0.4 * np.sin(4 * np.pi * (step / 96 - 0.1))
    level = rng.normal(0, 0.12, len(step))
    level[0] = 0.0
    for k in step[1:]:
        level[k] += 0.95 * level[k - 1]
    requests = rng.poisson(4000 * np.exp(0.6 * (daily + level)))
    table = pd.read_csv(CSV, parse_dates=["time"])
    assert table["time"].equals(pd.Series(pd.date_range("2024-03-01", periods=len(step), freq="15min"), name="time"))
    np.testing.assert_array_equal(table["requests"], requests)


def test_the_forecaster_is_one_and_beats_the_last_value(capsys: pytest.CaptureFixture[str]) -> None:
    names = _run("forecaster")
    assert "Blend" in capsys.readouterr().out
    assert names["result"].table.set_index("model").loc["Blend", "skill"] > 0.2
    parts, model = names["parts"], names["model"]
    assert isinstance(model, Forecaster)
    rows = parts.features.to_numpy()
    model.fit(rows[: parts.test_start], parts.training_targets)
    stream = model.stream()
    assert isinstance(stream, Stream)
    streamed = [stream.update(row) for row in rows[400:420]]
    np.testing.assert_allclose(streamed, model.predict(rows[400:420]))
    assert np.isnan(model.stream().update(np.full(rows.shape[1], np.nan))).all()
    assert 0 < model.weight_[0] < 1


def test_the_autoscaling_policy_expands_at_once_and_shrinks_late(capsys: pytest.CaptureFixture[str]) -> None:
    names = _run("strategy")
    assert set(names["result"].table["strategy"]) == {"combined", "unhurried", "responsive", "hpa"}
    assert capsys.readouterr().out.rstrip().endswith(names["result"].advice)
    policy = names["Unhurried"]()
    assert isinstance(policy, er.ScalingPolicy)
    load = np.r_[10.0, 100.0, np.full(30, 10.0)]
    seen = er.Observations(load, load, er.ExperimentConfig(), 15.0, 3)
    pods = [policy.decide(er.Observation(seen.until(decision), 1)) for decision in range(len(load))]
    assert pods[0] < pods[1] == pods[20] > pods[21] == pods[0]


class _Seen:
    """A view of a full node with so many neighbours."""

    def __init__(self, *utilisation: float) -> None:
        self.utilisation, self.rng = utilisation, np.random.default_rng(0)

    def here(self) -> Availability:
        return Availability(0, 0.0, 0.0, 500.0, 1.0, "edge")

    def neighbours(self) -> list[Availability]:
        return [
            Availability(number, 0.0, 1000 * (1 - used), 500.0, used, "edge")
            for number, used in enumerate(self.utilisation, start=1)
        ]


def test_the_policy_drops_less_than_in_situ(capsys: pytest.CaptureFixture[str]) -> None:
    names = _run("policy")
    drops = names["found"].table.set_index("policy")["drop_percent"]
    assert list(drops.index) == ["los", "in_situ", "two_choices"]
    assert drops["two_choices"] < drops["in_situ"] == 100
    assert "two_choices" in capsys.readouterr().out
    policy, seen = names["TwoChoices"](), _Seen(0.9, 0.2, 0.5)
    picked = {policy.decide(Request(0, 200.0), seen).node for _ in range(50)}
    assert picked == {2, 3}, "the fullest of three never wins"
    assert policy.decide(Request(0, 200.0, (1,)), _Seen(0.9)).reason == Reason.NO_NEIGHBOUR
    assert policy.decide(Request(0, 200.0, (5, 6, 7, 8)), _Seen(0.9)).reason == Reason.HOPS


def test_the_testbed_runs_from_python(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = _run("testbed")["found"]
    assert [node.name for node in report.mesh.nodes][:4] == ["north", "market", "bridge", "south"]
    assert len(report.jobs) == 8
    assert (here / "results" / "table.csv").is_file()
    assert report.advice in capsys.readouterr().out


def test_the_testbed_runs_from_the_command_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["los", "--testbed", str(FOLDER / "testbed.yaml"), "--policy", "in_situ", "--hours", "1", "--repeats", "1"]
    with pytest.raises(SystemExit) as left:
        cli.main([*words, "--out", "mine"])
    assert left.value.code == 0
    assert "testbed: 7 nodes (4 street, 1 depot, 2 cloud)" in capsys.readouterr().out
    assert (here / "mine" / "policies.png").is_file()


def test_the_data_set_is_read_and_judged(capsys: pytest.CaptureFixture[str]) -> None:
    names = _run("dataset")
    out = capsys.readouterr().out
    assert "season: a day (96 steps)" in out
    assert "by_hour (synthetic)" in out
    own, read = names["own"], names["trace"]
    assert own.values.sum() == read.values.sum() == pd.read_csv(CSV)["requests"].sum()
    assert names["result"].table.set_index("model")["skill"]["ridge"] > 0
