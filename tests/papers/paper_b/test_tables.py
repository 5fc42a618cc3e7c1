import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edgeresearch.config import Params
from edgeresearch.emulator import testbed
from edgeresearch.errors import InputError
from edgeresearch.io import write_csv
from edgeresearch.papers.paper_b import detection_figures, published, tables
from edgeresearch.papers.project import write_table

Frames = dict[str, pd.DataFrame]
SETTINGS = Params()


@pytest.fixture
def reports(tmp_path: Path, limits_b: tuple[pd.DataFrame, pd.DataFrame], scheduled_b: Frames) -> Path:
    for name, table in {**scheduled_b, "limits": limits_b[0], "landmarks": limits_b[1]}.items():
        write_csv(table, tmp_path / "reports" / "tables" / "los" / f"{name}.csv")
    return tmp_path / "reports"


def test_the_testbed_is_that_of_table_i_and_a_layer_that_the_paper_has_not_stands_alone() -> None:
    ours = testbed.paper_b().table()
    table = tables.compare_testbed(ours)
    assert list(table["Layer"]) == ["Cloud", "Fog", "Edge"]
    for name in published.TABLE_I_COLUMNS:
        assert list(table[name]) == list(table[f"published {name}"])
    moon = tables.compare_testbed(ours.replace({"Layer": {"Cloud": "Moon"}}))
    assert moon.loc[0, [f"published {name}" for name in published.TABLE_I_COLUMNS]].isna().all()


def test_limits_are_of_the_rule_that_is_set(limits_b: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    table = tables.compare_limits(limits_b[0], rule="period").set_index("iteration")
    assert len(table) == 55
    assert table["limit_millicores"].iloc[-1] == 85.0
    assert table["published_limit_millicores"].dropna().to_dict() == published.LIMIT_MILLICORES
    assert table["published_residual"].dropna().to_dict() == published.RESIDUALS


def test_drops_tell_what_was_held_out(scheduled_b: Frames) -> None:
    table = tables.compare_drops(scheduled_b["drops"], fitted=(2, 6)).set_index(["policy", "streams"])
    assert table.loc["los", "held_out"].to_dict() == {2: False, 6: False, 8: True, 10: True}
    assert not table.loc["in_situ", "held_out"].any()
    assert set(table.loc["in_situ", "published"]) == {100.0}
    assert table.loc["cloud", "published"].isna().all()


def test_triggers_are_those_of_an_experiment_of_the_papers_size(scheduled_b: Frames) -> None:
    table = tables.count_triggers(scheduled_b["triggers"]).set_index("trigger")
    assert table.loc["period", "triggers"] == 5 * 4 * 200
    assert table.loc["samples", "drop_percent"] == 25.0
    half = tables.count_triggers(scheduled_b["triggers"].assign(hours=2.0)).set_index("trigger")
    assert half.loc["period", "ratio"] == pytest.approx(8000 / published.TRIGGERS)


def handovers(off: dict[bool, float], streams: tuple[int, ...] = (2, 4, 6, 8, 10)) -> pd.DataFrame:
    """Both readings as the stage writes them, each so many points above what is published; intervals of one point."""
    rows = []
    for sender, count in itertools.product(off, streams):
        shares = {0: published.DROP_PERCENT[count]}
        shares |= {hops: published.HOPS_PERCENT.get((count, hops), 1.0) for hops in (1, 2, 3)}
        rows += [(sender, count, hops or np.nan, share + off[sender]) for hops, share in shares.items()]
    table = pd.DataFrame(rows, columns=["sender", "streams", "hops", "percent"])
    return table.assign(low=table["percent"] - 0.5, high=table["percent"] + 0.5)


def test_every_published_share_stands_beside_both_readings_with_the_tolerance_of_its_claim() -> None:
    table = tables.compare_readings(handovers({False: 3.0, True: -2.0})).set_index(["sender", "share"])
    assert len(table) == 2 * (len(published.DROP_PERCENT) + len(published.HOPS_PERCENT))
    one = table.loc[(True, "8 streams, 3 hand-overs")]
    assert one[["published", "measured", "low", "high"]].tolist() == pytest.approx([16.7, 14.7, 14.2, 15.2])
    assert set(table["tolerance"].filter(like="dropped")) <= {2.5, 6.0}
    assert table.loc[True, "within"].all()
    assert list(table.loc[False].index[~table.loc[False, "within"]]) == [
        f"{count} streams, dropped" for count in (2, 4, 6, 8, 10)
    ]


def test_readings_leave_out_what_was_not_run_and_a_depth_that_nothing_reached_is_zero() -> None:
    table = tables.compare_readings(handovers({False: 0.0}, streams=(6,)))
    assert list(table["share"]) == ["6 streams, dropped", "6 streams, 2 hand-overs"]
    both = handovers({False: 0.0, True: 0.0})
    table = tables.compare_readings(both[both["hops"] != 3]).set_index("share")
    assert table.loc["8 streams, 3 hand-overs", "measured"].tolist() == [0.0, 0.0]


def test_effects_are_against_what_was_chosen_and_finalists_are_near(swept_b: Frames, fit_b: pd.DataFrame) -> None:
    moved = tables.setting_effects(swept_b["choices"])
    assert list(moved.index) == ["hop limit 3", "noise x 0.7", "hop limit 4"]
    assert moved.loc["hop limit 3"].to_dict() == {4: -1.5, 8: -3.0}
    assert list(tables.select_finalists(fit_b)["loss"]) == [2.0, 3.0]


def test_the_stage_writes_its_files_with_the_same_bytes(reports: Path) -> None:
    names = ("fig5_limits", "fig6_hops", "fig7_drop", "los_triggers", "testbed")
    runs = []
    for _ in range(2):
        write_table("los", reports, SETTINGS)
        runs.append({name: (reports / "tables" / f"{name}.csv").read_bytes() for name in names})
    assert runs[0] == runs[1]
    heads = {name: runs[0][name].decode().splitlines()[0].split(",") for name in names}
    assert heads["fig5_limits"][:2] == ["iteration", "limit_millicores"]
    assert {"training_seconds", "residual"} <= set(heads["fig5_limits"])
    assert heads["fig6_hops"] == ["streams", "hops", "share_percent", "low", "high", "published"]
    assert heads["fig7_drop"] == ["streams", "policy", "drop_percent", "low", "high", "published", "held_out"]


def test_missing_results_are_named_and_nothing_is_written(reports: Path) -> None:
    drops = reports / "tables" / "los" / "drops.csv"
    table = pd.read_csv(drops)
    write_csv(table[table["policy"] != "los"], drops)
    with pytest.raises(InputError, match=r"drops.csv has no rows of los; name it among los.policies"):
        tables.write_tables(SETTINGS.los, reports)
    drops.unlink()
    with pytest.raises(InputError, match=r"cannot read .*drops.csv"):
        tables.write_tables(SETTINGS.los, reports)
    assert not (reports / "tables" / "testbed.csv").exists()


def test_landmarks_policies_and_differences_are_read_at_a_glance(
    limits_b: tuple[pd.DataFrame, pd.DataFrame], scheduled_b: Frames, anomaly_b: tuple[pd.DataFrame, ...]
) -> None:
    marks = tables.compare_landmarks(limits_b[1])
    assert marks.loc["plateau"].to_dict() == {
        "published": 32.0, "by period, 5 shared nodes": 10.0, "by period, own nodes": 30.0,
        "by utilisation, 5 shared nodes": 10.0, "by utilisation, own nodes": 30.0,
    }  # fmt: skip
    policies = tables.compare_policies(scheduled_b["drops"], scheduled_b["traffic"])
    assert policies.loc["los", ["drop_percent", "carried_megabytes", "messages"]].tolist() == [90.0, 1.0, 525.0]
    table, _, pairs = anomaly_b
    cell = detection_figures.format_differences(pairs).loc[("traffic", "iftm_autoencoder_ema"), "last_value"]
    assert re.fullmatch(r"\+0\.\d\d \(\+0\.\d\d to \+0\.\d\d\)", cell)
    sensors = detection_figures.format_sensors(table, "traffic")
    assert list(sensors.index) == ["101", "102", "103", "pooled"] and "robust z-score" in sensors
    assert detection_figures.format_interval(0.5, float("nan"), float("nan")) == "+0.50"


def test_numbers_of_sentences_are_those_of_the_tables(
    limits_b: tuple[pd.DataFrame, pd.DataFrame], scheduled_b: Frames, anomaly_b: tuple[pd.DataFrame, ...]
) -> None:
    limits = tables.limit_numbers(limits_b[1], "utilisation")
    assert (limits["level"], limits["plateau"], limits["shared_plateau"], limits["nodes"]) == (135.0, 30.0, 10.0, 5)
    drops = tables.compare_drops(scheduled_b["drops"], fitted=(2, 6, 10))
    los = tables.scheduling_numbers(drops, scheduled_b["traffic"])
    assert (los["held_out_off"], los["fitted_off"]) == (pytest.approx(0.7), pytest.approx(11.74))
    assert (los["fewest"], los["most"], los["los"], los["few_in_edge"]) == (2, 10, 90.0, 0.0)
    best = detection_figures.detection_numbers(anomaly_b[0])
    assert best["best"] == best["iftm"] == "IFTM: autoencoder, moving mean"
    assert (best["adjusted"], best["sensors"], best["seeds"]) == ("last value", 3, 2)
    ages = pd.DataFrame({"data": "traffic", "threshold": "ema", "policy": ["los", "los"], "mean_age": [10.0, 20.0]})
    pair = {"contrast": "always - never", "threshold": "ema", "metric": "event_f1", "low": -1.0, "high": 2.0}
    pairs = pd.DataFrame([pair | {"data": "traffic", "difference": 0.5}])
    stale = detection_figures.staleness_numbers(ages, pairs)
    assert (stale["los_age"], stale["difference"], stale["high"]) == (20.0, 0.5, 2.0)
    assert np.isnan(stale["control_difference"])
