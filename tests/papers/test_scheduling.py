from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from edgeresearch.config import LimitAdaptation, Params, SchedulingSweeps
from edgeresearch.emulator.testbed import PAPER_B
from edgeresearch.errors import InputError
from edgeresearch.papers import scheduling, scheduling_sweeps

SMALL = Params().los.replace(
    streams=(2, 10),
    policies=("los", "in_situ", "cloud"),
    repeats=2,
    hours=0.5,
    adaptation=LimitAdaptation(jobs=4, iterations=16, drift_from=13, repeats=2),
    sweeps=SchedulingSweeps(streams=(10,), intervals=(0.0, 600.0), gateways=(1, 5), stays=(900.0,)),
)
Frames = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def limits() -> Frames:
    return scheduling.limits(SMALL, seed=3)


@pytest.fixture(scope="module")
def scheduled() -> Frames:
    return scheduling.scheduling(SMALL, seed=3)


def test_limits_are_of_both_rules_and_both_set_ups(limits: Frames) -> None:
    table = limits["limits"]
    cells = table.groupby(["rule", "together"]).size()
    assert set(cells.index) == {(rule, nodes) for rule in ("period", "utilisation") for nodes in (0, 5)}
    assert (cells == 16).all()
    first = table[(table["iteration"] == 1) & (table["together"] == 0)]["limit_millicores"]
    wanted = SMALL.limits.first * SMALL.adaptation.free
    assert first.tolist() == pytest.approx([wanted, wanted])
    assert (table["limit_millicores_low"] <= table["limit_millicores_high"]).all()


def test_landmarks_are_read_off_each_repeat(limits: Frames) -> None:
    table = limits["landmarks"]
    assert set(table["what"]) == {"trainings", "level", "level_residual", "plateau", "rise"}
    own = table[table["together"] == 0].set_index(["rule", "what"])["value"]
    assert own["period", "trainings"] <= 4 * 16
    assert own["utilisation", "level"] < 400


def _run(limit: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"limit_millicores": limit, "residual": np.linspace(80, 40, len(limit)), "jobs": 2})


def test_landmarks_of_a_course_that_is_known() -> None:
    run = _run([400.0, 300.0, 200.0, 108.0, *[100.0] * 11, *[120.0] * 5])
    found = scheduling.landmarks(run, drift_from=16).set_index("what")["value"]
    assert found["trainings"] == 40
    assert found["level"] == 100.0
    assert found["plateau"] == 4
    assert found["rise"] == pytest.approx(20.0)
    assert found["level_residual"] == pytest.approx(run["residual"].iloc[5:15].mean())


@pytest.mark.parametrize(("count", "drift_from"), [(20, 10), (12, 16), (15, 16)])
def test_too_few_iterations_have_no_plateau(count: int, drift_from: int) -> None:
    found = scheduling.landmarks(_run([100.0] * count), drift_from=drift_from).set_index("what")["value"]
    assert found.drop("trainings").isna().all()


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
    monkeypatch.setattr(scheduling_sweeps, "CHOICES", {"as chosen": {}, "hop limit 3": {"hop_limit": 3}})
    monkeypatch.setattr(scheduling_sweeps, "NUMBERS", ("noise",))
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
    small = scheduling.compact(scheduled["rows"])
    assert small["hops"].tolist() == scheduled["rows"]["hops"].tolist()
    assert small["reason"].astype(str).tolist() == scheduled["rows"]["reason"].astype(str).tolist()
    assert small.memory_usage(deep=True).sum() < 0.5 * scheduled["rows"].memory_usage(deep=True).sum()


def test_bad_names_and_testbeds_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing called 'sweep' to emulate; did you mean sweeps"):
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
