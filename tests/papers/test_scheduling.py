import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from edgeresearch import cli
from edgeresearch.config import Params, SchedulingSweeps
from edgeresearch.emulator import results
from edgeresearch.emulator.api import Scenario, compare_policies, simulate
from edgeresearch.emulator.network import Mesh
from edgeresearch.emulator.settings import TrainingCost
from edgeresearch.emulator.testbed import PAPER_B, Churn, Rate
from edgeresearch.errors import InputError
from edgeresearch.papers import scheduling
from edgeresearch.papers.fit_b import SPACE
from edgeresearch.papers.scheduling import (
    PlacementTrace,
    TraceStep,
    measured_cost,
    most_informative,
    placement_traces,
)
from edgeresearch.profiling.training_cost import read
from edgeresearch.scheduling.messages import Availability, Decision, Reason, Request
from edgeresearch.scheduling.runtime_model import JobHistory
from edgeresearch.scheduling.settings import Limits
from edgeresearch.settings import merge

SMALL = Params().los.replace(
    streams=(2, 10),
    policies=("los", "in_situ", "cloud"),
    repeats=2,
    hours=0.5,
    sweeps=SchedulingSweeps(streams=(10,), intervals=(0.0, 600.0), gateways=(1, 5), stays=(900.0,)),
)
Frames = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def scheduled() -> Frames:
    return scheduling.scheduling(SMALL, seed=3)


def test_shares_cover_every_trigger(scheduled: Frames) -> None:
    for name, column in (("reasons", "reason"), ("layers", "layer")):
        table = scheduled[name]
        assert column in table
        assert np.allclose(table.groupby(["policy", "streams"])["share_percent"].sum(), 100)
    hops = scheduled["hops"]
    assert set(hops["reading"]) == {"attempts", "triggers", "placed"}
    assert set(scheduled["drops"]["policy"]) == set(SMALL.policies)
    alone = scheduled["drops"][scheduled["drops"]["policy"] == "in_situ"]
    assert (alone["drop_percent"] == 100).all()


def test_triggers_are_counted_for_both_readings(scheduled: Frames) -> None:
    table, rows = scheduled["triggers"], scheduled["rows"]
    assert list(table.groupby(["trigger", "streams"]).size()) == [2] * 4
    los = rows[rows["policy"] == "los"]
    period = table[table["trigger"] == "period"].set_index(["streams", "repeat"])
    counted = los.groupby(["streams", "repeat"]).size()
    assert period["triggers"].to_dict() == counted.to_dict()
    assert period["dropped"].sum() == (los["end"] == "dropped").sum()
    samples = table.loc[table["trigger"] == "samples", "triggers"]
    assert 0 < samples.sum() < period["triggers"].sum()


def test_hand_overs_are_read_in_two_ways(scheduled: Frames) -> None:
    """The reading that is set gives what the other tables have."""
    table = scheduled["handovers"]
    assert set(table["sender"]) == {False, True}
    mine = table[table["sender"] == SMALL.rules.sender_limit_binds]
    drops = scheduled["drops"][scheduled["drops"]["policy"] == "los"]
    assert mine.loc[mine["hops"].isna(), "percent"].tolist() == drops["drop_percent"].tolist()
    hops = scheduled["hops"]
    hops = hops[(hops["policy"] == "los") & (hops["reading"] == "attempts")]
    both = mine[mine["hops"].notna()].merge(hops, on=["streams", "hops"], suffixes=("", "_"))
    assert len(both) == mine["hops"].notna().sum() > 0
    assert both["percent"].tolist() == both["share_percent"].tolist()
    assert both["low"].tolist() == both["low_"].tolist()
    assert np.allclose(table[table["hops"].notna()].groupby(["sender", "streams"])["percent"].sum(), 100)


def test_what_is_sent_follows_from_the_triggers(scheduled: Frames) -> None:
    table = scheduled["traffic"].set_index(["policy", "streams", "kind"])
    assert set(table.index.get_level_values("kind")) == {
        "requests",
        "exchanges",
        "syncs",
        "models",
        "samples",
        "carried",
        "leaving",
    }
    rows = scheduled["rows"]
    ran = rows[(rows["policy"] == "los") & (rows["streams"] == 10) & (rows["end"] == "finished")]
    share = 0.5 / SMALL.hours / 15 / SMALL.repeats
    assert table.loc[("los", 10, "carried"), "megabytes"] == pytest.approx(share * ran["hops"].sum())
    assert table.loc[("los", 10, "leaving"), "megabytes"] == pytest.approx(share * ran["layer"].ne("edge").sum())
    cloud = table.loc["cloud"].loc[2]["megabytes"]
    assert cloud["leaving"] == pytest.approx(cloud["samples"])
    assert cloud["carried"] > cloud["samples"]
    assert (table.loc["in_situ"]["megabytes"].fillna(0) == 0).all()


@pytest.mark.parametrize("workers", [2])
def test_workers_change_nothing(scheduled: Frames, workers: int) -> None:
    again = scheduling.scheduling(SMALL, seed=3, workers=workers)
    for name, table in scheduled.items():
        pd.testing.assert_frame_equal(again[name], table)


def test_sweeps_vary_one_thing_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "CHOICES", {"as chosen": {}, "hop limit 3": {"hop_limit": 3}})
    monkeypatch.setattr(scheduling, "NUMBERS", ("noise",))
    found = scheduling.sweep(SMALL.replace(repeats=1), seed=3)
    values = {name: table["value"].astype(str).tolist() for name, table in found.items()}
    assert values["staleness"] == ["0", "600"]
    assert values["gateways"] == ["1", "5"]
    assert values["churn"] == ["no churn", "900"]
    assert values["choices"] == ["as chosen", "hop limit 3", "noise x 0.7", "noise x 1.3"]
    assert found["churn"]["lost_percent"].iloc[0] == 0


def test_files_have_the_same_bytes_every_time(tmp_path: Path, scheduled: Frames) -> None:
    study = SMALL.replace(repeats=1, streams=(2,))
    for name in "ab":
        scheduling.write("scheduling", study, seed=5, out=tmp_path / name)
    one, two = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in "ab"
    )
    assert one == two
    names = {path.stem for path in one}
    assert names == {"triggers", "drops", "hops", "reasons", "layers", "traffic", "handovers"}
    rows = pd.read_parquet(tmp_path / "a" / scheduling.TRIGGERS)
    assert len(rows) == len(scheduling.scheduling(study, seed=5)["rows"])
    small = scheduled["rows"].astype(scheduling.SMALL)
    assert small["hops"].tolist() == scheduled["rows"]["hops"].tolist()
    assert small["reason"].astype(str).tolist() == scheduled["rows"]["reason"].astype(str).tolist()
    assert small.memory_usage(deep=True).sum() < 0.5 * scheduled["rows"].memory_usage(deep=True).sum()


def test_bad_names_and_testbeds_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown stage 'sweep'; did you mean sweeps"):
        scheduling.write("sweep", SMALL, seed=1, out=tmp_path)
    with pytest.raises(InputError, match=r"cannot read .*none.yaml"):
        scheduling.write("limits", SMALL.replace(testbed=str(tmp_path / "none.yaml")), seed=1, out=tmp_path)
    data = yaml.safe_load(PAPER_B.read_text(encoding="utf-8"))
    data["streams"] = [{"node": "edge-1", "period": 200}, {"node": "edge-2", "period": 200}]
    del data["stream_rule"]
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(InputError, match="mine.yaml: stream_rule: there is none to change"):
        scheduling.write("scheduling", SMALL.replace(testbed=str(path), streams=(2,)), seed=1, out=tmp_path)
    assert list(tmp_path.iterdir()) == [path]


# ---- sweeps


def _run_los(scenarios: dict[str, Scenario], **size: Any) -> pd.DataFrame:
    return scheduling.run_los(scenarios, partial(compare_policies, policies=["los"], **size))


COLUMNS = ["value", "streams", "drop_percent", "low", "high", "lost_percent", "one", "two", "three", "triggers"]


def test_a_sweep_says_what_each_setup_gave(loaded: Scenario) -> None:
    setups = {"as it is": loaded, "always fresh": replace(loaded, interval=0.0)}
    table = _run_los(setups, streams=[6, 4], repeats=2, hours=1, seed=2)
    assert list(table.columns) == COLUMNS
    assert table[["value", "streams"]].values.tolist() == [[name, count] for name in setups for count in (6, 4)]
    rows, _ = compare_policies(loaded, streams=[6, 4], policies=["los"], repeats=2, hours=1, seed=2)
    mine = table[table["value"] == "as it is"].set_index("streams")
    drops = results.drop_rates(rows).set_index("streams")
    for name in ("drop_percent", "low", "high"):
        assert mine[name].to_dict() == pytest.approx(drops[name].to_dict())
    shares = results.hop_shares(rows, "attempts").set_index(["streams", "hops"])["share_percent"].to_dict()
    for depth, name in enumerate(("one", "two", "three"), start=1):
        assert mine[name].to_dict() == pytest.approx({count: shares.get((count, depth), 0.0) for count in (6, 4)})
    assert mine["triggers"].to_dict() == rows.groupby("streams").size().to_dict()
    assert (table["lost_percent"] == 0).all()


def test_lost_trainings_are_told(paper: Scenario) -> None:
    setups = scheduling.vary_churn(paper, [300.0], 300.0)
    table = _run_los(setups, streams=[2], repeats=2, hours=2, seed=1)
    assert table["value"].tolist() == ["no churn", "300"]
    none, some = table["lost_percent"]
    assert none == 0 < some < 100
    every, fewer = table["triggers"]
    assert fewer < every  # a node that is away triggers nothing


def test_more_gateways_are_more_links_upwards(paper: Scenario) -> None:
    setups = scheduling.vary_gateways(paper, [1, 2, 5])
    counts = {name: len(made.testbed.layers[0].gateway_names) for name, made in setups.items()}
    assert counts == {"1": 1, "2": 2, "5": 5}
    for fewer, more in pairwise(setups.values()):
        assert set(fewer.testbed.layers[0].gateway_names) < set(more.testbed.layers[0].gateway_names)
    with pytest.raises(InputError, match="6 of them cannot be gateways"):
        scheduling.vary_gateways(paper, [6])


def test_churn_begins_with_none_even_where_the_testbed_has_some(paper: Scenario) -> None:
    restless = replace(
        paper, testbed=paper.testbed.model_copy(update={"churn": Churn(rates=(Rate(layer="fog", stays=60, away=60),))})
    )
    for setup in (paper, restless):
        setups = scheduling.vary_churn(setup, [900.0, 3600.0], 120.0)
        assert list(setups) == ["no churn", "900", "3600"]
        assert setups["no churn"] == paper
        assert setups["900"].testbed.churn.rates == (Rate(layer="edge", stays=900, away=120),)
        assert setups["3600"].testbed.check().layers == paper.testbed.layers


def test_choices_are_all_those_that_were_made(paper: Scenario) -> None:
    setups = scheduling.vary_choices(paper)
    scaled = [f"{name} x {factor:g}" for name in scheduling.NUMBERS for factor in scheduling.FACTORS]
    assert list(setups) == [*scheduling.CHOICES, *scaled]
    assert setups["as chosen"] == paper
    assert all(made != paper for name, made in setups.items() if " x " in name)
    assert setups["hop limit 3"].rules.hop_limit == 3
    assert setups["limits by the period"].limits.rule == "period"
    assert setups["gateway edge-3"].testbed.layers[0].gateway_names == ("edge-3",)
    assert setups["1,000 samples at 200 to 800 ms"].testbed.stream_rule is not None


@pytest.mark.parametrize("name", scheduling.NUMBERS)
def test_each_number_is_varied_by_its_factors(paper: Scenario, name: str) -> None:
    def read(setup: Scenario) -> float:
        edge, rule = setup.testbed.layers[0], setup.testbed.stream_rule
        assert rule is not None
        places = {
            "work": rule.work,
            "noise": setup.training_cost.noise,
            "monitor": setup.training_cost.monitor,
            "interval": setup.interval,
            "floor": setup.limits.floor,
            "sway": edge.sway,
            "sway_period": edge.sway_period[0],
            "a": setup.training_cost.a,
            "d": setup.training_cost.d,
        }
        return places[name]

    setups = scheduling.vary_choices(paper)
    for factor in scheduling.FACTORS:
        assert read(setups[f"{name} x {factor:g}"]) == pytest.approx(factor * read(paper))


def test_every_free_choice_of_the_fit_is_swept(paper: Scenario) -> None:
    swept = {name for settings in scheduling.CHOICES.values() for name in settings} | set(scheduling.NUMBERS)
    assert set(SPACE) - swept <= {"at_400", "c"}  # both move eq. 1's a, which is swept


def test_every_choice_runs(paper: Scenario) -> None:
    table = _run_los(scheduling.vary_choices(paper), streams=[4], repeats=1, hours=0.25, seed=1)
    assert len(table) == len(scheduling.CHOICES) + len(scheduling.NUMBERS) * len(scheduling.FACTORS)
    assert table["drop_percent"].between(0, 100).all()
    assert isinstance(table["value"].iloc[0], str) and not pd.isna(table[["one", "two", "three"]]).any().any()


# ---- measured training costs

COMMITTED = Path(__file__).parents[2] / "data" / "calibration.json"
BRIEF = Params().los.replace(streams=(2, 8), repeats=2, hours=0.5)


def _written(path: Path, **changes: Any) -> Path:
    """The committed measurement with other keys of its LSTM."""
    data = json.loads(COMMITTED.read_text())
    data["models"]["lstm"] = merge(data["models"]["lstm"], changes)
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize("model", ["lstm", "autoencoder"])
def test_the_emulator_runs_on_the_measured_curve(model: str) -> None:
    cost = measured_cost(COMMITTED, model, TrainingCost(start=9.0))
    scenario = Scenario.of(BRIEF.replace(training_cost=cost))
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
        scheduling.write("measured", BRIEF, truth=path, seed=1, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_was_not_measured_is_told() -> None:
    with pytest.raises(
        InputError, match="unknown model in .*calibration.json: 'lstn'; did you mean lstm.; known: autoencoder, lstm"
    ):
        measured_cost(COMMITTED, "lstn")


def _rates_of(path: Path) -> pd.DataFrame:
    return scheduling.emulate_measured(BRIEF, truth=path, seed=3)["measured"]


def test_drop_rates_are_of_both_models_and_those_of_the_experiment() -> None:
    table = _rates_of(COMMITTED)
    assert table.columns.tolist() == ["model", "policy", "streams", "drop_percent", "low", "high", "seconds"]
    assert len(table) == 2 * len(scheduling.MEASURED_POLICIES) * 2
    assert set(table["model"]) == {"lstm", "autoencoder"}
    rows: Any = table.set_index(["model", "policy", "streams"]).sort_index()
    for model in ("lstm", "autoencoder"):
        scenario = Scenario.of(BRIEF.replace(training_cost=measured_cost(COMMITTED, model)))
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
    light, heavier = (_rates(_rates_of(each))["lstm", "los", 8] for each in (COMMITTED, path))
    assert heavier > light + 20


def test_the_table_is_written_with_the_same_bytes(tmp_path: Path) -> None:
    files = []
    for name in ("one", "other"):
        found = scheduling.write("measured", BRIEF, truth=COMMITTED, seed=3, out=tmp_path / name)["measured"]
        files.append((tmp_path / name / scheduling.TABLES / "measured.csv").read_bytes())
    assert files[0] == files[1]
    assert len(files[0].splitlines()) == 1 + len(found)


def test_the_commands_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small = Params(los=BRIEF.replace(policies=("los",)))
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
    rates = _rates(pd.read_csv(Path("staged", scheduling.TABLES, "measured.csv")))
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
        ("emulate measured --truth-model lstm", "error: measured takes no --truth-model; leave it out"),
        (
            "emulate citi",
            "error: unknown experiment 'citi'; did you mean city?; known: limits, scheduling, sweeps, city, measured",
        ),
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


# ---- the way of a training

ROOT = 11


@pytest.fixture(scope="module")
def found(paper: Scenario) -> list[PlacementTrace]:
    return placement_traces(paper, streams=8, hours=1.0, seed=np.random.SeedSequence(ROOT))


def test_searches_are_those_of_the_experiment(paper: Scenario, found: list[PlacementTrace]) -> None:
    outcome = simulate(paper, "los", hours=1.0, seed=np.random.SeedSequence(ROOT), streams=8)
    table = outcome.triggers()
    ran = table[table["end"] != "dropped"]
    assert len(found) == len(ran)
    assert [each.steps[-1].request.hops for each in found] == ran["hops"].tolist()
    assert [each.steps[-1].here.node for each in found] == ran["node"].tolist()
    assert [str(each.steps[-1].decision.reason) for each in found] == ran["reason"].astype(str).tolist()


def test_every_search_goes_from_its_source_to_its_place(found: list[PlacementTrace]) -> None:
    for each in found:
        way = [sight.here.node for sight in each.steps]
        assert each.steps[0].request.tried == ()
        assert list(each.steps[-1].request.tried) == way[:-1]
        assert [sight.decision.node for sight in each.steps] == [*way[1:], way[-1]]
        assert each.steps[-1].decision.run
        for sight in each.steps:
            neighbours = list(each.mesh.neighbours[sight.here.node])
            assert [one.node for one in sight.seen] == [one.node for one in sight.true] == neighbours
            assert all(0 <= one.age(sight.time) for one in sight.seen)
            assert all(one.time == sight.time for one in sight.true)


def test_fresh_views_are_true_and_mislead_nobody(paper: Scenario) -> None:
    fresh = replace(paper, interval=0.0)
    for each in placement_traces(fresh, streams=6, hours=0.5, seed=np.random.SeedSequence(ROOT)):
        for sight in each.steps:
            assert [one.cpu for one in sight.seen] == [one.cpu for one in sight.true]


@pytest.fixture
def make() -> Callable[..., PlacementTrace]:
    """Make a search from the reasons of its decisions; the last one runs it."""

    def make(*reasons: Reason) -> PlacementTrace:
        sights = []
        for at, reason in enumerate(reasons):
            last = at == len(reasons) - 1
            here = Availability(at, 0.0, 100.0, 100.0, 0.5, "edge")
            decision = Decision(reason, at if last else at + 1, last, 50.0)
            sights.append(TraceStep(0.0, Request(0, 200.0, tuple(range(at))), here, [], [], decision))
        return PlacementTrace(Mesh([], []), sights, JobHistory())

    return make


def test_the_first_misled_search_tells_most(make: Callable[..., PlacementTrace]) -> None:
    plain = make(Reason.INFEASIBLE, Reason.FEASIBLE, Reason.LOCAL)
    misled = make(Reason.FEASIBLE, Reason.INFEASIBLE, Reason.LOCAL)
    short = make(Reason.FEASIBLE, Reason.LOCAL)
    assert [each.misled for each in (plain, misled, short)] == [False, True, False]
    assert most_informative([short, plain, misled]) is misled
    assert most_informative([short, plain]) is plain
    assert most_informative([short]) is None
    assert most_informative([short], hops=1) is short
    assert most_informative([]) is None
