import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from edgeresearch import cli
from edgeresearch.config import Params
from edgeresearch.emulator.api import Scenario, compare_policies
from edgeresearch.emulator.settings import TrainingCost
from edgeresearch.errors import InputError
from edgeresearch.papers import measured_costs, scheduling
from edgeresearch.papers.measured_costs import POLICIES, drop_rates, measured_cost, write
from edgeresearch.profiling.training_cost import read
from edgeresearch.scheduling.settings import Limits
from edgeresearch.settings import merge

COMMITTED = Path(__file__).parents[2] / "data" / "calibration.json"
SMALL = Params().los.replace(streams=(2, 8), repeats=2, hours=0.5)


def _written(path: Path, **changes: Any) -> Path:
    """The committed measurement with other keys of its LSTM."""
    data = json.loads(COMMITTED.read_text())
    data["models"]["lstm"] = merge(data["models"]["lstm"], changes)
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize("model", ["lstm", "autoencoder"])
def test_the_emulator_runs_on_the_measured_curve(model: str) -> None:
    cost = measured_cost(COMMITTED, model, TrainingCost(start=9.0))
    scenario = Scenario.of(SMALL.replace(training_cost=cost))
    assert scenario.times().curves["edge"]._asdict() == read(COMMITTED).models[model].curve.model_dump()
    assert cost.noise == json.loads(COMMITTED.read_text())["models"][model]["noise"]
    assert (cost.start, cost.stop, cost.monitor) == (9.0, TrainingCost().stop, TrainingCost().monitor)
    assert cost.measured == f"{model} as measured in {COMMITTED}"


def test_it_says_what_it_took_and_where_it_extrapolates(tmp_path: Path) -> None:
    path = _written(tmp_path / "mine.json", curve={"a": 860.0, "b": 14.6, "c": 1.25, "d": 0.505}, noise=0.125)
    assert measured_cost(path).describe(Limits()) == (
        f"training cost: lstm as measured in {path}, t = 860 (R + 14.6)^-1.25 + 0.505 s, noise 0.12, from 100 to 850 "
        "millicores; limits go from 81.67 to 1000, where it extrapolates"
    )
    assert measured_cost(path).describe(Limits(floor=100.0, ceiling=850.0)).endswith("from 100 to 850 millicores")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read .*mine.json: No such file or directory; measure with 'edgeresearch calibrate'"),
        ("{", "mine.json: no JSON, .*; measure with 'edgeresearch calibrate'"),
        ("[]", "mine.json holds a list, no calibration"),
        ("{}", "mine.json: .*"),
    ],
)
def test_a_file_that_is_missing_or_broken_is_told(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "mine.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=message):
        measured_cost(path)
    with pytest.raises(InputError, match=message):
        write(SMALL, path, seed=1, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_was_not_measured_is_told() -> None:
    with pytest.raises(InputError, match="has no model 'lstn'; did you mean lstm.; known: autoencoder, lstm"):
        measured_cost(COMMITTED, "lstn")


def test_drop_rates_are_of_both_models_and_those_of_the_experiment() -> None:
    table = drop_rates(SMALL, COMMITTED, seed=3)
    assert table.columns.tolist() == ["model", "policy", "streams", "drop_percent", "low", "high", "seconds"]
    assert len(table) == 2 * len(POLICIES) * 2
    assert set(table["model"]) == {"lstm", "autoencoder"}
    rows: Any = table.set_index(["model", "policy", "streams"]).sort_index()
    for model in ("lstm", "autoencoder"):
        scenario = Scenario.of(SMALL.replace(training_cost=measured_cost(COMMITTED, model)))
        triggers, _ = compare_policies(scenario, streams=(8,), policies=("los",), seed=3, repeats=2, hours=0.5)
        shares = triggers.assign(dropped=100.0 * (triggers["end"] == "dropped")).groupby("repeat")["dropped"].mean()
        assert rows.loc[(model, "los", 8), "drop_percent"] == pytest.approx(shares.mean())
        assert rows.loc[(model, "in_situ", 8), "drop_percent"] == 100
        assert pd.isna(rows.loc[(model, "in_situ", 8), "seconds"]), "nothing ran"
    assert (rows.loc[("lstm", "cloud"), "seconds"] < rows.loc[("autoencoder", "cloud"), "seconds"]).all()


def _rates(table: pd.DataFrame) -> dict[Any, float]:
    return dict(table.set_index(["model", "policy", "streams"])["drop_percent"])


def test_heavier_trainings_are_dropped_more_often(tmp_path: Path) -> None:
    heavy = {key: getattr(TrainingCost(a=30000.0), key) for key in "abcd"}
    path = _written(tmp_path / "heavy.json", curve=heavy)
    light, heavier = (_rates(drop_rates(SMALL, each, seed=3))["lstm", "los", 8] for each in (COMMITTED, path))
    assert heavier > light + 20


def test_the_table_is_written_with_the_same_bytes(tmp_path: Path) -> None:
    files = []
    for name in ("one", "other"):
        found = write(SMALL, COMMITTED, seed=3, out=tmp_path / name)
        files.append((tmp_path / name / measured_costs.TABLE).read_bytes())
    assert files[0] == files[1]
    assert len(files[0].splitlines()) == 1 + len(found)


def test_the_commands_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small = Params(los=SMALL.replace(policies=("los",)))
    monkeypatch.setattr(cli.base, "read_settings", lambda *_: small)
    for words in (
        f"los --streams 8 --hours 0.5 --repeats 1 --policy in_situ --truth {COMMITTED} --out own",
        f"emulate scheduling --truth {COMMITTED} --truth-model autoencoder --out staged",
        f"emulate measured --truth {COMMITTED} --out staged",
    ):
        with pytest.raises(SystemExit) as left:
            cli.main(words.split())
        assert left.value.code in (0, None)
    shown = capsys.readouterr().out
    assert f"training cost: lstm as measured in {COMMITTED}" in shown
    assert f"training cost: autoencoder as measured in {COMMITTED}" in shown
    cost = json.loads(Path("own/report.json").read_text())["settings"]["training_cost"]
    assert cost["measured"] == f"lstm as measured in {COMMITTED}"
    assert cost["a"] == read(COMMITTED).models["lstm"].curve.a
    rates = _rates(pd.read_csv(Path("staged") / measured_costs.TABLE))
    drops = dict(pd.read_csv(Path("staged") / scheduling.TABLES / "drops.csv").set_index("streams")["drop_percent"])
    assert drops[8] == rates["autoencoder", "los", 8]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("los --truth none.json --out own", "error: cannot read none.json: No such file or directory; measure with"),
        ("los --truth-model lstm --out own", "error: --truth-model says whose times of --truth are taken; give"),
        ("emulate measured", "error: cannot read data/calibration.json: No such file or directory; measure with"),
        ("emulate limits --truth none.json", "error: cannot read none.json: No such file or directory; measure with"),
        ("emulate limits --truth-model lstm", "error: --truth-model says whose times of --truth are taken; give"),
        ("emulate measured --truth-model lstm", "error: measured takes the times of every model; leave --truth-model"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        cli.main(words.split())
    assert left.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith(message)
    assert text.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
