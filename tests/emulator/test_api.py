"""Emulate a testbed of your own, and the scenarios, runs and comparisons that it is made of."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import edgeresearch as er
from edgeresearch import cli
from edgeresearch.config import Params
from edgeresearch.emulator import api, results
from edgeresearch.emulator.api import WITHIN, Emulation, Scenario, advise, compare_policies, simulate
from edgeresearch.emulator.city import City
from edgeresearch.emulator.policies import POLICIES, InSitu
from edgeresearch.emulator.settings import CitySettings, TrainingCost
from edgeresearch.emulator.testbed import Testbed, load, paper_b
from edgeresearch.errors import InputError


def _table(**rows: tuple[float, float]) -> pd.DataFrame:
    """Drop rate and megabytes over the uplinks by policy; twice as much goes over all links."""
    data = [(name, drop, 1.5, 100 - drop, sent, 2 * sent) for name, (drop, sent) in rows.items()]
    columns = ["policy", "drop_percent", "mean_hops", "trainings", "uplink_megabytes", "link_megabytes"]
    return pd.DataFrame(data, columns=columns)


def _advised(table: pd.DataFrame, layers: int = 3) -> tuple[str, str]:
    return advise(table, layers=layers)


def test_the_line_holds_every_number() -> None:
    policy, line = _advised(_table(los=(3.0, 20.0), in_situ=(100.0, 0.0), cloud=(2.5, 80.0), oracle=(0.0, 50.0)))
    assert policy == "los"
    assert line == (
        "los: 3.0 % dropped, the rest ran after 1.5 hops on average, 20.0 MB/h over the uplinks; "
        "dropped by the others: in_situ 100.0 %, cloud 2.5 %, oracle 0.0 %; "
        "los sends 75 % less over the uplinks than cloud (20.0 against 80.0 MB/h, 0.21 against 0.82 MB per training "
        "that ran); rule: fewest bytes over the uplinks at most 1 point above the lowest drop rate, oracle apart"
    )


def test_a_policy_that_drops_more_than_a_point_more_is_not_advised() -> None:
    near, far = (_advised(_table(los=(2.5 + more, 20.0), cloud=(2.5, 80.0))) for more in (WITHIN, WITHIN + 0.1))
    assert (near[0], far[0]) == ("los", "cloud")
    assert "; los: 3.6 % dropped, the rest ran after 1.5 hops on average, 20.0 MB/h; los sends 75 % less" in far[1]


@pytest.mark.parametrize(
    ("rows", "policy"),
    [
        ({"los": (30.0, 20.0), "oracle": (0.0, 0.0)}, "los"),
        ({"los": (3.0, 0.0), "random": (2.5, 0.0), "in_situ": (2.8, 0.0)}, "random"),
    ],
    ids=["the oracle is never advised and does not set the lowest", "of equals the one that drops less"],
)
def test_which_is_advised(rows: dict[str, tuple[float, float]], policy: str) -> None:
    assert _advised(_table(**rows))[0] == policy


def test_the_centre_is_named_and_what_comes_without_it() -> None:
    policy, line = _advised(_table(los=(60.0, 20.0), least_loaded=(0.2, 50.0), cloud=(0.0, 80.0)))
    assert policy == "least_loaded"
    assert "; it needs a centre that knows every node at every moment; without, cloud: 0.0 % dropped" in line
    assert "; los: 60.0 % dropped" in line and "dropped by the others" not in line
    _, short = _advised(_table(los=(60.0, 20.0), least_loaded=(0.2, 50.0)))
    assert short.count("los: 60.0 % dropped") == 1 and "without, los: " in short


def test_without_uplinks_all_links_count() -> None:
    _, line = _advised(_table(los=(3.0, 20.0)), layers=1)
    assert "40.0 MB/h over the links; rule: fewest bytes over the links" in line


def test_who_ran_nothing_has_no_hops() -> None:
    table = _table(los=(100.0, 1.0), in_situ=(100.0, 0.0)).assign(mean_hops=np.nan)
    assert _advised(table)[1].startswith("in_situ: 100.0 % dropped, 0.0 MB/h over the uplinks; los: 100.0 % dropped")


@pytest.mark.parametrize(
    ("los", "cloud", "words"),
    [
        ((0.0, 90.0), (0.0, 60.0), "los sends 50 % more over the uplinks than cloud (90.0 against 60.0 MB/h, 0.90"),
        ((0.0, 9.0), (100.0, 0.0), "los sends more over the uplinks, cloud nothing (9.0 against 0.0 MB/h)"),
        ((0.0, 0.0), (100.0, 0.0), "los sends nothing over the uplinks, cloud nothing (0.0 against 0.0 MB/h)"),
    ],
)
def test_against_the_cloud(los: tuple[float, float], cloud: tuple[float, float], words: str) -> None:
    assert words in _advised(_table(los=los, cloud=cloud))[1]


def test_notes_on_drops_and_more_gateways() -> None:
    drops = pd.DataFrame({"node": ["a", "b", "a"], "reason": ["cycle", "cycle", "no room"], "drops": [30, 25, 5]})
    assert api._where_dropped(drops) == "los drops most at a (58 % of its drops), mostly as: cycle (92 %)"
    assert api._where_dropped(drops.iloc[:0]) == "los drops nothing"
    rows = [("edge", "edge-1", 5.0, 2.0, 8.0), ("fog", "fog-2", 0.4, -1.0, 1.8), ("hall", "rack", -3.0, -4.0, -2.0)]
    columns = ["layer", "node", "fewer_points", "low", "high"]
    table = pd.DataFrame([*rows, ("yard", "gate", 1.0, np.nan, np.nan)], columns=columns)
    assert api._gateway_notes(table) == [
        "edge-1 as one more gateway of edge: los drops 5.0 points fewer (95 %: 2.0 to 8.0 fewer)",
        "fog-2 as one more gateway of fog: los drops 0.4 points fewer (no clear change, 95 %: -1.0 to 1.8 fewer)",
        "rack as one more gateway of hall: los drops 3.0 points more (95 %: -4.0 to -2.0 fewer)",
        "gate as one more gateway of yard: los drops 1.0 points fewer (one repeat, so no interval)",
    ]


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1e4)), min_size=2, max_size=5))
def test_no_other_near_the_lowest_sends_less(rows: list[tuple[float, float]]) -> None:
    names = ["los", "in_situ", "random", "cloud", "least_loaded"]
    table = _table(**dict(zip(names, rows, strict=False))).set_index("policy")
    best, _ = _advised(table.reset_index())
    near = table[table["drop_percent"] <= table["drop_percent"].min() + WITHIN]
    assert best in near.index
    assert table["uplink_megabytes"][best] == near["uplink_megabytes"].min()


DATA = Path(__file__).parent / "data"
FACTORY, ISLANDS = DATA / "factory.yaml", DATA / "islands.yaml"
FILES = {"table.csv", "drops.csv", "nodes.csv", "gateways.csv", "report.json"}


def _ran(testbed: str | Path | Testbed = "paper_b", **options: Any) -> Emulation:
    return er.emulate(testbed, **{"repeats": 1, "hours": 1.0, "workers": 1, **options})


def _changed(path: Path, **keys: Any) -> Path:
    mine = Path("mine.yaml")
    mine.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | keys))
    return mine


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_policy_and_the_files() -> None:
    lines: list[str] = []
    result = _ran(repeats=2, progress=lines.append)
    result.save("out", figures=False)
    assert {path.name for path in Path("out").iterdir()} == FILES
    assert result.table["policy"].tolist() == pd.read_csv("out/table.csv")["policy"].tolist() == list(POLICIES)
    facts = json.loads(Path("out/report.json").read_text())
    assert facts["advice"] == result.advice and facts["notes"] == list(result.notes)
    assert (facts["testbed"], facts["nodes"], facts["streams"], facts["repeats"]) == ("Paper B", 15, 10, 2)
    assert facts["settings"]["training_cost"]["a"] == er.TrainingCost().a
    assert result.notes[0] == "testbed: 15 nodes (5 edge, 4 fog, 6 cloud), 33 links, 10 streams on 5 of the nodes"
    assert f"<p>{result.advice}</p>" in result._repr_html_()
    assert len(repr(result)) < 3000 and result.advice in repr(result)
    assert lines[0] == "run 1 of 16: los, repeat 1"
    assert lines[3] == "run 4 of 16: in_situ, repeat 2"
    assert lines[-1] == "run 16 of 16: los with one more gateway of fog, repeat 2"
    assert result.nodes.groupby("policy", sort=False).size().to_dict() == dict.fromkeys(POLICIES, 15)


def test_it_finds_what_the_experiment_finds(paper: Scenario) -> None:
    result = _ran(streams=6, repeats=2, policies=["random"], seed=5)
    rows, _ = compare_policies(paper, streams=[6], policies=["los", "random"], repeats=2, hours=1.0, seed=5)
    pd.testing.assert_frame_equal(result.triggers, rows)
    expected = results.drop_rates(rows)["drop_percent"]
    assert result.table["drop_percent"].tolist() == expected.tolist()
    assert expected.iloc[0] < expected.iloc[1]


def test_numbers_of_numpy_are_as_good_as_those_of_python(tmp_path: Path) -> None:
    plain = er.emulate(policies="in_situ", streams=4, hours=1, repeats=2, seed=1, interval=5.0, workers=1)
    counts = {"streams": np.int64(4), "repeats": np.int32(2), "seed": np.uint8(1)}
    found = er.emulate(policies="in_situ", **counts, hours=np.float32(1), interval=np.float32(5), workers=1)
    pd.testing.assert_frame_equal(found.table, plain.table)
    for name, result in (("found", found), ("plain", plain)):
        result.save(tmp_path / name, figures=False)
    texts = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("found", "plain")]
    assert texts[0] == texts[1]
    city = er.emulate("city", "in_situ", nodes=np.int64(300), hours=0.1, repeats=1, workers=1)
    assert len(city.mesh.nodes) == 300
    assert paper_b().with_rule(count=np.int64(4)) == paper_b().with_rule(count=4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policies": [object()]}, r"is no policy; give a name or an object with decide\(request, view\)"),
        ({"policies": "l"}, "^unknown policy 'l'; known: los"),
        ({"policies": InSitu}, "^InSitu is a class and no policy; call it: InSitu"),
        ({"testbed": "paper_c"}, "^unknown testbed 'paper_c'; known: paper_b, city, or give a YAML file"),
        ({"testbed": 3}, "^3 is no testbed; give paper_b, city, a YAML file or a Testbed"),
        ({"rules": {"hops": 2}}, "^Rules: unknown key hops"),
        ({"streams": "4"}, "^streams is '4'; give a whole number"),
        ({"repeats": 1.5}, "^repeats is 1.5; give a whole number"),
        ({"hours": "4"}, "^hours is '4'; give a number above 0"),
    ],
)
def test_what_python_hands_over_is_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _ran(**options)


def test_one_policy_needs_no_list_and_a_mapping_stands_for_rules() -> None:
    given = _ran(policies=NearestFree(), streams=4, rules={"hop_limit": 1})
    assert given.facts["policies"] == ["los", "NearestFree"]
    assert given.facts["settings"]["rules"] == er.Rules(hop_limit=1).model_dump()


class NearestFree:  # as in the docstring of SchedulingPolicy
    def decide(self, request: er.Request, view: er.NodeView) -> er.Decision:
        here = view.here()
        if here.cpu >= 600:
            return er.Decision.run_at(here.node, limit=600)
        free = [near for near in view.neighbours() if near.cpu >= 600 and near.node not in request.tried]
        nearest = min(free, key=lambda near: near.latency, default=None)
        return er.Decision.hand_over(nearest.node) if nearest else er.Decision.drop()


def test_a_policy_of_ones_own_is_run_with_the_others() -> None:
    result = _ran(policies=["in_situ", InSitu(name="mine"), NearestFree()], streams=4)
    assert result.facts["policies"] == result.table["policy"].tolist() == ["los", "in_situ", "mine", "NearestFree"]
    drops = result.table.set_index("policy")["drop_percent"]
    assert drops["mine"] == drops["in_situ"] > drops["NearestFree"]
    with pytest.raises(InputError, match="a policy of your own is called cloud, as another one is"):
        _ran(policies=["in_situ", InSitu(name="cloud")])
    stricter = _ran(policies=[er.LOS(rules=er.Rules(hop_limit=1), name="one_hop")]).table.set_index("policy")
    assert stricter["mean_hops"]["one_hop"] < stricter["mean_hops"]["los"]


def test_the_first_mesh_and_streams_are_those_of_the_first_run() -> None:
    scattered = {"name": "yard", "nodes": 12, "vcpu": 1, "memory": 900, "mesh": "near", "degree": 4}
    path = _changed(ISLANDS, layers=[scattered], links=[], streams=[], stream_rule={"layer": "yard", "count": 9})
    result = _ran(path, policies=["in_situ"], seed=3)
    outcome = simulate(Scenario(load(path)), "los", hours=1.0, seed=np.random.SeedSequence([3, 9, 0]), streams=9)
    assert result.mesh == outcome.mesh and len(result.mesh.links) > 5
    assert list(result.jobs) == list(outcome.jobs)
    pd.testing.assert_frame_equal(_ran(load(path), policies=["in_situ"], seed=3).table, result.table)


def test_it_is_repeatable_and_workers_and_seed_count_as_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    first = _ran(policies=["random"], trace=True, repeats=2)
    monkeypatch.setattr(api, "FEW", 0)
    second = _ran(policies=["random"], trace=True, repeats=2, workers=2)
    for name, table in first.tables().items():
        pd.testing.assert_frame_equal(table, second.tables()[name])
    assert (first.facts, first.notes, first.decisions) == (second.facts, second.notes, second.decisions)
    assert not _ran(policies=["random"], repeats=2, seed=1).table.equals(first.table)


def test_one_more_gateway_is_tried_for_each_layer_with_a_node_to_spare() -> None:
    result = _ran(policies=["los"], repeats=3)
    assert result.gateways[["layer", "node"]].to_numpy().tolist() == [["edge", "edge-1"], ["fog", "fog-2"]]
    more = Scenario(paper_b().with_gateways("edge", 2))
    rows, _ = compare_policies(more, streams=[10], policies=["los"], repeats=3, hours=1.0, seed=0)
    rate = results.drop_rates(rows)["drop_percent"].iloc[0]
    assert result.gateways["drop_percent"].iloc[0] == pytest.approx(rate)
    assert result.gateways["fewer_points"].iloc[0] == pytest.approx(result.table["drop_percent"].iloc[0] - rate)
    assert [note.split(":")[0] for note in result.notes[2:]] == [
        "edge-1 as one more gateway of edge",
        "fog-2 as one more gateway of fog",
    ]


def test_a_topology_of_ones_own_with_churn_and_no_cloud() -> None:
    result = _ran(FACTORY, repeats=2)
    assert result.table["policy"].tolist() == [name for name in POLICIES if name != "cloud"]
    assert result.notes[:2] == (
        "testbed: 5 nodes (4 machines, 1 hall), 4 links, 4 streams on 3 of the nodes",
        "cloud: left out, as no layer has that name (layers: machines, hall)",
    )
    lathe = result.triggers[result.triggers["job"] == 3]
    assert lathe["time"].max() < 1800  # its source leaves then
    assert result.facts["testbed"] == str(FACTORY)
    assert result.gateways["node"].tolist() == ["press"]
    fewer = _ran(FACTORY, streams=2, policies=["in_situ"])
    assert len(fewer.jobs) == 2 and set(fewer.triggers["job"]) == {0, 1}


def test_a_cut_off_node_is_noted_and_runs_what_it_can() -> None:
    result = _ran(ISLANDS)
    assert result.notes[0] == f"{ISLANDS}: layers[0]: buoy cannot reach most of the mesh"
    mine = result.drops[result.drops["policy"] == "los"]
    assert mine.loc[mine["node"] == "buoy", "reason"].tolist() == ["no neighbour to hand over to"]
    assert result.gateways.empty and result.gateways.columns.tolist()[:2] == ["layer", "node"]
    assert result.table["uplink_megabytes"].eq(0).all()
    assert result.table["link_megabytes"].iloc[0] > 0


def test_every_decision_of_the_first_repeat_is_traced() -> None:
    result = _ran(streams=6, policies=["cloud"], repeats=2, trace=True)
    result.save("out", figures=False)
    assert {path.name for path in Path("out").iterdir()} == FILES | {"decisions.jsonl"}
    lines = [json.loads(line) for line in Path("out/decisions.jsonl").read_text().splitlines()]
    assert {line["policy"] for line in lines} == {"los", "cloud"}
    first = result.triggers[result.triggers["repeat"] == 0]
    ends = [(line["policy"], line["job"], line["time"], line["end"]) for line in lines if "end" in line]
    assert ends == list(first[["policy", "job", "time", "end"]].itertuples(index=False, name=None))
    assert all(line["reason"] for line in lines)


def test_the_settings_are_those_given() -> None:
    fresh, often = (_ran(policies=["random"], interval=interval) for interval in (0.0, 1.0))
    assert fresh.facts["settings"]["interval"] == 0
    assert (often.table["messages"] > 30 * fresh.table["messages"]).all()
    cheap = _ran(policies=["in_situ"], training_cost=er.TrainingCost(a=100.0, noise=0.0), limits=er.Limits(floor=20.0))
    assert cheap.table["drop_percent"].max() < 50


def test_a_city_is_run_at_its_size_and_tells_where_it_stands() -> None:
    settings = CitySettings(nodes=30)
    result = _ran("city", city=settings, hours=0.5, policies=["in_situ"])
    assert isinstance(result.testbed, City)
    assert result.facts["testbed"] == "city" and len(result.mesh.nodes) == 30
    assert result.notes[0].startswith("testbed: 30 nodes (10 edge, 8 fog, 12 cloud)")
    assert "SYNTHETIC" in result.notes[1] and result.notes[1].endswith("; no node really stands there")
    assert result.gateways["layer"].tolist() == ["edge", "fog"]
    assert len(_ran("city", city=settings, nodes=45, hours=0.5, policies=["in_situ"]).mesh.nodes) == 45
    Path("places.csv").write_text("latitude,longitude\n" + "".join(f"56.{i},10.{i}\n" for i in range(10, 30)))
    real = _ran("city", city=settings.replace(places="places.csv"), hours=0.5, policies=["in_situ"])
    assert real.notes[1].startswith("places: places.csv") and "really" not in real.notes[1]


def test_only_a_city_has_a_number_of_nodes_to_give() -> None:
    with pytest.raises(InputError, match="nodes 45 is the size of a city; .* has its own"):
        _ran(nodes=45)
    with pytest.raises(InputError, match="a city of 3 nodes"):
        _ran("city", nodes=3)


def test_slow_policies_are_left_out_of_a_large_mesh_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "READS", 10)
    result = _ran(FACTORY)
    assert "oracle" not in result.table["policy"].tolist()
    assert any(note.startswith("oracle: left out, as it would read") for note in result.notes)
    assert "oracle" in _ran(FACTORY, policies=["oracle"]).table["policy"].tolist()


LAYERS: list[dict[str, Any]] = yaml.safe_load(FACTORY.read_text())["layers"]

BAD: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "policy": (
        {},
        ["--policy", "cloudy"],
        "unknown policy 'cloudy'; did you mean cloud?; known: los, in_situ, random,",
    ),
    "no cloud": ({}, ["--policy", "cloud"], "policy cloud needs a layer named cloud; the testbed has machines, hall"),
    "no streams asked": ({}, ["--streams", "0"], "streams 0 is below 1; use 1 or more"),
    "more streams": ({}, ["--streams", "9"], "mine.yaml: streams: 4 are given, 9 wanted; give more"),
    "more by a rule": (
        {"streams": [], "stream_rule": {"layer": "hall", "count": 1}},
        ["--streams", "3"],
        "mine.yaml: stream_rule.count: 3 streams are more than 1 nodes of hall take, 2 each; give at most 2",
    ),
    "no streams": ({"streams": []}, [], "mine.yaml: streams: there is none; list streams or give a stream_rule"),
    "no streams, some asked": ({"streams": []}, ["--streams", "2"], "mine.yaml: streams: there is none; list streams"),
    "hours": ({}, ["--hours", "0"], "hours is 0.0; give a number above 0"),
    "endless hours": ({}, ["--hours", "inf"], "hours is inf; give a number above 0"),
    "negative hours": ({}, ["--hours", "-2"], "hours is -2.0; give a number above 0"),
    "many hours": ({}, ["--hours", "1e7"], "triggers in all, more than 10,000,000; give fewer hours, repeats or"),
    "few hours": ({}, ["--hours", "0.01"], "no stream triggers a training within 0.01 h; give more hours"),
    "repeats": ({}, ["--repeats", "0"], "repeats 0 is below 1; use 1 or more"),
    "seed": ({}, ["--seed", "-1"], "seed -1 is negative; use 0 or more"),
    "interval": ({}, ["--interval", "-1"], "interval is -1.0; input should be greater than or equal to 0"),
    "no file": ({}, ["--testbed", "none.yaml"], "cannot read none.yaml: No such file or directory; name another file"),
    "a key": ({"layer": []}, [], "mine.yaml: unknown key layer; did you mean layers?"),
    "a layer": (
        {"churn": {"rates": [{"layer": "hal", "stays": 900.0, "away": 60.0}]}},
        [],
        "mine.yaml: churn.rates[0].layer: there is no layer hal; did you mean hall?",
    ),
    "a gateway": (
        {"layers": [LAYERS[0] | {"gateways": ["milk"]}, LAYERS[1]]},
        [],
        "mine.yaml: layers[0].gateways[0]: machines has no node milk; did you mean mill?",
    ),
    "a capacity": (
        {"layers": [LAYERS[0] | {"cpu": -5}, LAYERS[1]]},
        [],
        "mine.yaml: layers[0].cpu is -5; input should",
    ),
    "a period": (
        {"streams": [{"node": "press", "period": 0}]},
        [],
        "mine.yaml: streams[0].period is 0; input should be greater than 0",
    ),
    "a short period": (
        {"streams": [{"node": "press", "period": 3}]},
        [],
        "mine.yaml: streams[0].period: a period of 3 s is no longer than the container's start of 4 s; give more",
    ),
    "out": ({}, ["--out", "mine.yaml"], "cannot write mine.yaml: "),
    "settings": ({}, ["--params", "none.yaml"], "cannot read none.yaml"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_nothing_is_written(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    keys, words, message = BAD[name]
    _changed(FACTORY, **keys)
    with pytest.raises(SystemExit) as caught:
        cli.main(["los", "--testbed", "mine.yaml", "--out", "out", *words])
    assert caught.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith("error: ")
    assert text.count("\n") == 1
    assert message in text
    assert os.listdir() == ["mine.yaml"]


def test_the_real_command_tells_its_notes_and_is_quiet_in_a_log(here: Path) -> None:
    env = os.environ | {"PYTHONPATH": str(Path(er.__file__).parents[1])}
    words = ["--testbed", str(ISLANDS), "--repeats", "1", "--hours", "0.5", "--policy", "in_situ", "--out", "out"]
    command = [sys.executable, "-m", "edgeresearch", "los", *words]
    done = subprocess.run(command, cwd=here, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith(f"{ISLANDS}: layers[0]: buoy cannot reach most of the mesh\ntestbed: 4 nodes (4 ")
    assert "run 1 of" not in done.stdout
    figures = {f"{name}.{kind}" for name in ("policies", "places") for kind in ("png", "svg")}
    assert set(os.listdir("out")) == FILES | figures
    failed = subprocess.run([*command, "--policy", "?"], cwd=here, env=env, capture_output=True, text=True, check=False)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr == ("error: unknown policy '?'; known: los, in_situ, random, cloud, least_loaded, oracle\n")


KEYS = ["streams", "policy", "repeat"]


def seed(number: int = 1) -> np.random.SeedSequence:
    return np.random.SeedSequence(number)


@pytest.fixture(scope="module")
def found(loaded: Scenario) -> tuple[pd.DataFrame, pd.DataFrame]:
    return compare_policies(loaded, streams=[4, 10], policies=["los", "in_situ", "cloud"], repeats=2, hours=1, seed=5)


def test_a_scenario_is_by_default_that_of_the_study(paper: Scenario) -> None:
    assert Scenario.of(Params().los) == Scenario(paper_b()) == paper
    other = Params().los.replace(interval=5.0, training_cost=TrainingCost(a=1000.0))
    assert Scenario.of(other) == replace(paper, interval=5.0, training_cost=TrainingCost(a=1000.0))


def test_every_node_class_has_its_curve(paper: Scenario) -> None:
    faster = replace(paper, testbed=paper.testbed.with_layer("cloud", speed=2.0))
    edge, cloud = (faster.times().curves[kind] for kind in ("edge", "cloud"))
    assert cloud == edge._replace(a=edge.a / 2)


def test_the_same_seed_gives_the_same_run_byte_for_byte(loaded: Scenario) -> None:
    root = seed()
    logs = [bytes(simulate(loaded, "los", hours=1, seed=root).log) for _ in range(2)]
    assert logs[0] == logs[1] == bytes(simulate(loaded, "los", hours=1, seed=seed()).log)
    assert logs[0] != bytes(simulate(loaded, "los", hours=1, seed=seed(2)).log)


def test_all_policies_meet_the_same_mesh_streams_and_noise(paper: Scenario) -> None:
    paper = replace(paper, testbed=paper.testbed.with_rule(work=1.0))
    outcomes = {name: simulate(paper, name, hours=1, seed=seed(), streams=4) for name in POLICIES}
    tables = {name: outcome.triggers() for name, outcome in outcomes.items()}
    one = outcomes["los"]
    for name, outcome in outcomes.items():
        assert outcome.mesh == one.mesh and outcome.jobs == one.jobs
        pd.testing.assert_frame_equal(tables[name][["job", "time", "period"]], tables["los"][["job", "time", "period"]])
    # the noise of a trigger is what its duration is off the true curve, whoever placed it
    logs = [table[table["end"] == "finished"].set_index(["job", "time"]) for table in tables.values()]
    curve = paper.times().curves["edge"]
    both = pd.concat([log["seconds"] / [curve.seconds(limit) for limit in log["limit"]] for log in logs], axis=1)
    both = both.dropna(axis=1, how="all")
    assert both.notna().all(axis=1).sum() > 20
    assert both.std(axis=1).max() < 1e-4


def test_an_outcome_has_one_row_per_trigger_and_the_decisions_if_they_are_asked_for(paper: Scenario) -> None:
    outcome = simulate(paper, "los", hours=2, seed=seed(), streams=6, record="decisions")
    table = outcome.triggers()
    assert (outcome.seconds, outcome.name, len(outcome.jobs)) == (7200, "los", 6)
    assert len(table) == sum(int(7200 // job.period) for job in outcome.jobs)
    looked = table[table["reason"] != "previous training still running"]
    assert sum(not step.request.tried for step in outcome.steps) == len(looked) == len(outcome.paths)
    assert len(outcome.steps) == len(looked) + looked["hops"].sum()
    less = simulate(paper, "los", hours=2, seed=seed(), streams=6, record="paths")
    assert (less.paths, less.steps) == (outcome.paths, [])
    least = simulate(paper, "los", hours=2, seed=seed(), streams=6)
    assert (least.paths, bytes(least.log)) == ({}, bytes(outcome.log))


def test_the_layer_is_that_which_ran_it_and_empty_if_none_did(tiny: Callable[..., Scenario]) -> None:
    # the first training finds the second node, which leaves with it; the third one goes as well, and later comes back
    change = [(250, "edge-2", False), (300, "edge-3", False), (1800, "edge-3", True)]
    churn = {"changes": [dict(zip(("time", "node", "up"), each, strict=True)) for each in change]}
    table = simulate(tiny(churn=churn), "least_loaded", hours=1, seed=seed()).triggers()
    assert table["end"].tolist() == ["lost"] + ["finished"] * 13
    assert table["layer"].tolist() == [""] + ["fog"] * 6 + ["edge"] * 7


def test_as_many_streams_as_the_testbed_says_or_as_asked_for(paper: Scenario) -> None:
    assert len(simulate(paper, "in_situ", hours=0.1, seed=seed()).jobs) == 10
    few, many = (simulate(paper, "in_situ", hours=0.1, seed=seed(), streams=count) for count in (4, 8))
    assert list(many.jobs[:4]) == list(few.jobs)
    with pytest.raises(InputError, match="unknown policy 'loss'; did you mean los"):
        simulate(paper, "loss", hours=1, seed=seed())
    with pytest.raises(InputError, match="12 streams are more than 5 nodes"):
        compare_policies(paper, streams=[12], policies=["los"], repeats=1, hours=1, seed=1)


def test_a_policy_is_copied_for_each_run(loaded: Scenario) -> None:
    mine = er.LOS(name="mine")
    rows, _ = compare_policies(loaded, streams=[10], policies=["los", mine], repeats=2, hours=1, seed=5)
    log = {name: part.drop(columns="policy").reset_index(drop=True) for name, part in rows.groupby("policy")}
    pd.testing.assert_frame_equal(log["los"], log["mine"])
    assert mine.history(0).cold
    ran = simulate(loaded, mine, hours=1, seed=seed()).policy
    assert isinstance(ran, er.LOS) and not ran.history(0).cold
    with pytest.raises(InputError, match=r"LOS is a class and no policy; call it: LOS\(\)"):
        simulate(loaded, er.LOS, hours=1, seed=seed())  # type: ignore[arg-type]


def test_every_cell_is_there(found: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    rows, sent = found
    cells = [[count, name, repeat] for count in (4, 10) for name in ("los", "in_situ", "cloud") for repeat in (0, 1)]
    assert rows[KEYS].drop_duplicates().values.tolist() == sent[KEYS].values.tolist() == cells
    assert sent.drop(columns=KEYS).notna().all().all()
    assert (rows.loc[rows["end"] == "finished", "layer"] != "").all()
    assert (rows.loc[rows["end"] == "dropped", "layer"] == "").all()
    assert (rows.loc[rows["policy"] == "in_situ", "end"] == "dropped").all()
    assert (rows.loc[(rows["policy"] == "cloud") & (rows["end"] == "finished"), "layer"] == "cloud").all()


def test_repeats_are_their_own_and_the_same_for_all_policies(found: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    periods = found[0].groupby([*KEYS, "job"])["period"].first().unstack("policy")
    assert (periods["los"] == periods["in_situ"]).all() and (periods["los"] == periods["cloud"]).all()
    by_repeat = periods["los"].unstack("repeat").dropna()
    assert (by_repeat[0] != by_repeat[1]).all()


def test_a_cell_depends_neither_on_the_workers_nor_on_the_others(
    loaded: Scenario, found: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    alone, _ = compare_policies(loaded, streams=[10], policies=["los"], repeats=2, hours=1, seed=5, workers=2)
    rows = found[0]
    mine = rows[(rows["streams"] == 10) & (rows["policy"] == "los")].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, mine)


def test_an_experiment_too_short_for_a_trigger_is_empty(paper: Scenario) -> None:
    rows, sent = compare_policies(paper, streams=[2], policies=["los", "cloud"], repeats=1, hours=0.01, seed=1)
    assert rows.empty and {"job", "layer", "period", *KEYS} <= set(rows.columns)
    assert sent["requests"].tolist() == [0, 0]


def test_lost_exchanges_and_an_older_view_change_what_los_finds(loaded: Scenario) -> None:
    changed = [replace(loaded, interval=interval, loss=loss) for interval, loss in ((30, 0), (300, 0), (30, 0.5))]
    assert len({bytes(simulate(each, "los", hours=1, seed=seed(), streams=8).log) for each in changed}) == 3


def test_the_samples_reading_triggers_less_often(paper: Scenario) -> None:
    other = replace(paper, testbed=paper.testbed.with_rule(trigger="samples"))
    counts = [len(simulate(each, "in_situ", hours=4, seed=seed()).triggers()) for each in (paper, other)]
    assert 0.3 < counts[1] / counts[0] < 0.7
