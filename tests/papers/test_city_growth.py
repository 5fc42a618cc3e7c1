from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgeresearch.config import CityGrowth, Params, SchedulingStudy
from edgeresearch.emulator.api import Scenario, simulate
from edgeresearch.emulator.city import make_city, synthetic_places
from edgeresearch.emulator.results import Outcome, traffic
from edgeresearch.papers import city_growth
from edgeresearch.papers.city_growth import Growth, growth, write
from edgeresearch.scheduling.settings import Fitting

SMALL: dict[str, Any] = {
    "places": None, "sizes": (15, 45), "hours": 0.5, "repeats": 2, "nodes_in_all": 60,
    "most": {"least_loaded": 15, "oracle": 15},
}  # fmt: skip


def _study(**changed: Any) -> SchedulingStudy:
    return Params().los.replace(city=CityGrowth(**{**SMALL, **changed}))


@cache
def _found() -> tuple[Growth, tuple[str, ...]]:
    said: list[str] = []
    return growth(_study(), seed=4, warn=said.append), tuple(said)


def _run(policy: str, nodes: int, repeat: int) -> Outcome:
    study = _study()
    city = make_city(synthetic_places(4), study.city.replace(nodes=nodes))
    scenario = Scenario.of(study.replace(fitting=Fitting(refine=False)), city)
    return simulate(scenario, policy, hours=study.city.hours, seed=np.random.SeedSequence([4, nodes, repeat]))


def test_each_policy_is_run_up_to_its_size() -> None:
    table = _found()[0].city
    ran = {policy: rows["nodes"].tolist() for policy, rows in table.groupby("policy")}
    assert ran == {
        **{name: [15, 45] for name in ("los", "in_situ", "random", "cloud")},
        **{name: [15] for name in ("least_loaded", "oracle")},
    }


def test_large_cities_have_fewer_repeats_but_one() -> None:
    wanted = CityGrowth(repeats=4, nodes_in_all=1000)
    assert [city_growth._repeats(nodes, wanted) for nodes in (15, 250, 251, 400, 1000, 1001)] == [4, 4, 3, 2, 1, 1]
    rows = _found()[0].city.set_index(["nodes", "policy"])
    assert rows.loc[(15, "los"), "repeats"] == 2
    assert rows.loc[(45, "los"), "repeats"] == 1
    assert np.isnan(rows.loc[(45, "los"), ["low", "hops_low", "messages_high"]].to_numpy(dtype=float)).all()


def test_what_is_told_is_what_the_runs_gave() -> None:
    table = _found()[0].city.set_index(["nodes", "policy"])
    runs = [_run("los", 15, repeat) for repeat in (0, 1)]
    logs, sent = [outcome.triggers() for outcome in runs], [traffic(outcome) for outcome in runs]
    row: Any = table.loc[(15, "los")]
    assert row["triggers"] == sum(map(len, logs))
    assert row["drop_percent"] == pytest.approx(np.mean([100 * (log["end"] == "dropped").mean() for log in logs]))
    assert row["low"] < row["drop_percent"] < row["high"]
    ran = [log[log["end"] == "finished"] for log in logs]
    assert row["hops"] == pytest.approx(np.mean([each["hops"].mean() for each in ran]))
    assert row["edge_percent"] == pytest.approx(np.mean([100 * (each["layer"] == "edge").mean() for each in ran]))
    assert row["deep"] <= 3
    kinds = ("requests", "exchanges", "syncs", "models")
    assert row["messages"] == pytest.approx(np.mean([sum(each[kind] for kind in kinds) for each in sent]))
    megabytes = ("request_megabytes", "exchange_megabytes", "sync_megabytes", "model_megabytes")
    assert row["megabytes"] == pytest.approx(np.mean([sum(each[kind] for kind in megabytes) for each in sent]))
    carried = np.mean([0.5 * each["hops"].sum() / (15 * 0.5) for each in ran])
    assert row["carried"] == pytest.approx(carried)
    assert row["streams"] == 6 and row["hours"] == 0.5 and row["edge_nodes"] == 5


def test_only_global_knowledge_reads_and_it_reads_every_node() -> None:
    table = _found()[0].city
    listening = table["policy"].isin(["least_loaded", "oracle"])
    assert (table.loc[~listening, "reads"] == 0).all()
    assert table.loc[table["policy"] == "oracle", "reads"].tolist() == [15]
    assert (table.loc[table["policy"] == "least_loaded", "reads"] <= 15).all()


def test_a_stand_in_is_said_everywhere() -> None:
    found, said = _found()
    assert len(said) == 1 and "no file None" in said[0] and "SYNTHETIC" in said[0]
    for table in (found.city, found.meshes):
        assert not table["real"].any()
        assert table["places"].str.contains("SYNTHETIC").all()


def test_real_places_raise_no_warning(tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_text("latitude,longitude\n" + "".join(f"56.{i},10.{i}\n" for i in range(10, 30)))
    said: list[str] = []
    found = growth(_study(places=str(mine), sizes=(15,), policies=("in_situ",)), seed=4, warn=said.append)
    assert said == []
    assert found.city["real"].all() and found.meshes["real"].all()


def test_the_meshes_are_counted() -> None:
    rows = _found()[0].meshes
    assert rows[["nodes", "edge", "fog", "cloud", "districts"]].to_numpy().tolist() == [
        [15, 5, 4, 6, 1], [45, 15, 12, 18, 3],
    ]  # fmt: skip
    assert rows["links"].tolist()[0] == 33
    assert (rows["degree"] >= 4).all()
    assert (0 <= rows["link_metres"]).all() and (rows["link_metres"] <= rows["longest_metres"]).all()


def test_costs_are_of_every_run_and_written_nowhere(tmp_path: Path) -> None:
    costs = _found()[0].costs
    assert len(costs) == 2 * 6 + 4
    assert (costs[["cpu_seconds", "mebibytes", "triggers"]] > 0).all(axis=None)
    found = write(_study(policies=("los",)), seed=4, out=tmp_path, warn=lambda _: None)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.csv"))
    assert made == [city_growth.TABLES / name for name in ("city.csv", "city_meshes.csv")]
    assert "cpu_seconds" not in pd.read_csv(tmp_path / made[0]).columns
    assert len(found.city) == 2


def test_the_same_settings_give_the_same_bytes_however_many_processes(tmp_path: Path) -> None:
    for name, workers in (("a", 1), ("b", 2)):
        study = _study(policies=("los",), hours=0.25)
        write(study, seed=4, workers=workers, out=tmp_path / name, warn=lambda _: None)
    one, other = (sorted((tmp_path / name).rglob("*.csv")) for name in ("a", "b"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]
