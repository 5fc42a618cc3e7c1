from collections.abc import Callable
from pathlib import Path

import pytest

from edgeresearch.config import Params
from edgeresearch.errors import InputError
from edgeresearch.io import write_csv
from edgeresearch.papers import paper_a
from edgeresearch.papers.report import printed_b

SETTINGS = Params().model_dump()


@pytest.fixture
def tables(project: Path) -> Path:
    return project / "reports" / "tables"


def test_table_i_has_published_columns_beside_ours(tables: Path) -> None:
    rows = printed_b.table1(tables, SETTINGS).table.set_index("Layer")
    assert rows.loc["Edge", ["Instances", "published Instances"]].tolist() == ["5", "5"]
    table = paper_a.read(tables / "testbed.csv").astype(object)
    table.loc[0, "published Instances"] = None  # a layer that the paper has not
    write_csv(table, tables / "testbed.csv")
    assert printed_b.table1(tables, SETTINGS).table["published Instances"].iloc[0] == "–"


def test_figure_5_has_what_is_stated_in_numbers(tables: Path) -> None:
    rows = printed_b.figure5(tables, SETTINGS).table.set_index("What")
    first = rows.loc["The first trainings get a CPU limit of 400 millicores on average."]
    assert first[["Published", "Simulated", "95 %"]].tolist() == ["400", "400.0", "399.0 to 401.0"]
    assert rows["Where"].str.startswith("Fig. 5").all()


def test_figure_6_has_a_row_for_each_number_of_streams(tables: Path) -> None:
    rows = printed_b.figure6(tables, SETTINGS).table.set_index("Streams")
    assert rows.loc["6", "2 hops"] == "32.0 [31.0, 33.0]"
    assert rows.loc["6", "2 hops, published"] == "31.13"
    assert rows.loc["2", "2 hops, published"] == "–"
    assert rows.loc["8", "3 hops, published"] == "16.7"
    assert "1 hop, published" not in rows


def test_figure_7_tells_what_was_held_out_and_what_others_drop(tables: Path) -> None:
    rows = printed_b.figure7(tables, SETTINGS).table.set_index("Streams")
    assert rows.loc["8"].tolist() == ["69.70", "69.0", "68.0 to 69.0", "held out", "100.0", "0.0"]
    assert rows.loc["2", "Published value was"] == "fitted on"
    assert list(rows.columns[-2:]) == ["In-situ only", "Straight to the cloud"]


def test_a_number_of_streams_that_the_paper_has_not_has_no_published_value(tables: Path) -> None:
    table = paper_a.read(tables / "fig7_drop.csv")
    table.loc[table["streams"] == 8, "published"] = None
    write_csv(table, tables / "fig7_drop.csv")
    row = printed_b.figure7(tables, SETTINGS).table.set_index("Streams").loc["8"]
    assert (row["LOS, published"], row["Published value was"]) == ("–", "–")


def test_a_policy_that_was_run_with_some_streams_only_has_dashes(tables: Path) -> None:
    table = paper_a.read(tables / "fig7_drop.csv")
    write_csv(table[(table["policy"] != "cloud") | (table["streams"] == 8)], tables / "fig7_drop.csv")
    rows = printed_b.figure7(tables, SETTINGS).table.set_index("Streams")["Straight to the cloud"]
    assert (rows["8"], rows["2"]) == ("0.0", "–")


def test_both_trigger_rates_are_told(tables: Path) -> None:
    rows = printed_b.triggers(tables, SETTINGS).table
    assert rows["A training"].tolist() == ["every 3 to 5 minutes", "after 1,000 samples at 200 to 800 ms"]
    assert rows["Published"].tolist() == ["more than 3,800"] * 2
    assert rows["Simulated"].iloc[0] == "4,000"  # 5 repeats of 4 hours, 200 with each of 4 numbers of streams
    assert rows["Ratio"].iloc[0] == "1.05"


@pytest.mark.parametrize(
    "make", [printed_b.table1, printed_b.figure5, printed_b.figure6, printed_b.figure7, printed_b.triggers]
)
def test_a_table_that_was_not_made_is_told(tmp_path: Path, make: Callable[..., object]) -> None:
    with pytest.raises(InputError, match="cannot read .*: No such file"):
        make(tmp_path, SETTINGS)
