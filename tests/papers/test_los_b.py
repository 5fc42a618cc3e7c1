from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from edgeresearch.config import Params
from edgeresearch.emulator import testbed
from edgeresearch.errors import InputError
from edgeresearch.io import write_csv
from edgeresearch.papers import los_b, paper_b, tables

Frames = dict[str, pd.DataFrame]
SETTINGS: dict[str, Any] = Params().los.model_dump()


@pytest.fixture
def reports(tmp_path: Path, limits_b: tuple[pd.DataFrame, pd.DataFrame], scheduled_b: Frames) -> Path:
    place = tmp_path / "reports" / "tables" / "los"
    for name, table in {**scheduled_b, "limits": limits_b[0], "landmarks": limits_b[1]}.items():
        write_csv(table, place / f"{name}.csv")
    return tmp_path / "reports"


def test_our_testbed_is_that_of_table_i() -> None:
    table = los_b.testbed(testbed.paper_b().table())
    assert list(table["Layer"]) == ["Cloud", "Fog", "Edge"]
    for name in ("Instances", "vCPU", "Memory", "Storage"):
        assert list(table[name]) == list(table[f"published {name}"])


def test_a_layer_that_the_paper_has_not_stands_alone() -> None:
    ours = testbed.paper_b().table()
    ours.loc[0, "Layer"] = "Moon"
    table = los_b.testbed(ours)
    assert table.loc[0, [name for name in table if name.startswith("published")]].isna().all()


def test_figure5_is_of_the_rule_that_is_set(limits_b: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    table = los_b.figure5(limits_b[0], rule="period")
    assert len(table) == 55
    assert table["limit_millicores"].iloc[-1] == 85.0
    stated = table.dropna(subset=["published_limit_millicores"]).set_index("iteration")
    assert stated["published_limit_millicores"].to_dict() == paper_b.LIMIT_MILLICORES
    assert table.dropna(subset=["published_residual"])["published_residual"].tolist() == list(paper_b.RESIDUAL_PERCENT)


def test_figure7_knows_what_was_held_out(scheduled_b: Frames) -> None:
    table = los_b.figure7(scheduled_b["drops"], fitted=(2, 6)).set_index(["policy", "streams"])
    assert table.loc["los", "held_out"].to_dict() == {2: False, 6: False, 8: True, 10: True}
    assert not table.loc["in_situ", "held_out"].any()
    assert set(table.loc["in_situ", "published"]) == {100.0}
    assert table.loc["cloud", "published"].isna().all()


def test_rates_are_those_of_an_experiment_of_the_papers_size(scheduled_b: Frames) -> None:
    table = los_b.rates(scheduled_b["triggers"]).set_index("trigger")
    assert table.loc["period", "triggers"] == 5 * 4 * 200
    assert table.loc["samples", "drop_percent"] == 25.0
    half = los_b.rates(scheduled_b["triggers"].assign(hours=2.0)).set_index("trigger")
    assert half.loc["period", "triggers"] == 2 * table.loc["period", "triggers"]
    assert half.loc["period", "ratio"] == pytest.approx(8000 / paper_b.TRIGGERS)


def test_the_table_writes_its_files_with_the_same_bytes(reports: Path) -> None:
    names = ("fig5_limits", "fig6_hops", "fig7_drop", "los_triggers", "los_verdicts", "testbed")
    tables.write("los", reports, SETTINGS)
    first = {name: (reports / "tables" / f"{name}.csv").read_bytes() for name in names}
    tables.write("los", reports, SETTINGS)
    assert {name: (reports / "tables" / f"{name}.csv").read_bytes() for name in names} == first
    heads = {name: first[name].decode().splitlines()[0].split(",") for name in names}
    assert heads["fig5_limits"][:2] == ["iteration", "limit_millicores"]
    assert {"training_seconds", "residual"} <= set(heads["fig5_limits"])
    assert heads["fig6_hops"] == ["streams", "hops", "share_percent", "low", "high", "published"]
    assert heads["fig7_drop"] == ["streams", "policy", "drop_percent", "low", "high", "published", "held_out"]


def test_what_is_missing_is_said(reports: Path) -> None:
    drops = reports / "tables" / "los" / "drops.csv"
    table = pd.read_csv(drops)
    write_csv(table[table["policy"] != "los"], drops)
    with pytest.raises(InputError, match=r"drops.csv has no rows of los; name it among los.policies"):
        los_b.write(SETTINGS, reports)
    drops.unlink()
    with pytest.raises(InputError, match=r"cannot read .*drops.csv"):
        los_b.write(SETTINGS, reports)
    assert not (reports / "tables" / "testbed.csv").exists()
