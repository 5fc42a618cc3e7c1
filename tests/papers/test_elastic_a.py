"""Paper A's Tables 1 and 3."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.autoscaling.settings import Clusters
from edgeresearch.errors import InputError
from edgeresearch.io import write_csv
from edgeresearch.papers import elastic_a, tables

Make = Callable[..., pd.DataFrame]


def test_table_1_is_of_the_settings_that_the_experiment_uses() -> None:
    table = elastic_a.table1(Clusters()).set_index("cluster")
    assert table.loc["Central host cluster"].tolist() == [3, 8, 16, 1, 200]
    assert table.loc["Marginal cluster"].tolist() == [9, 4, 8, 1, 128]


def test_table_3_puts_the_published_cells_beside_their_rows_alone(make_elastic: Make) -> None:
    table = elastic_a.table3([make_elastic()])
    assert list(table.columns) == elastic_a.COLUMNS
    known = table[table["published"].notna()]
    assert set(known["strategy"]) == set(elastic_a.PUBLISHED)
    assert set(known["phase"]) == set(elastic_a.PHASES)
    row = known[(known["strategy"] == "advance") & (known["phase"] == "shrinkage")]
    assert set(row["published"]) == {6.7}
    with pytest.raises(InputError, match="no results to put into Table 3"):
        elastic_a.table3([])


def test_verdicts_follow_from_the_numbers(make_elastic: Make) -> None:
    table = elastic_a.table3([make_elastic(), make_elastic("nasa", hours=1.2)])
    found = elastic_a.compare_strategies(table).set_index(["trace", "forecaster", "reading"])
    first = found.loc[("elb", "published", "trace")]
    assert (first["cells"], first["worst"], first["worst_advance"]) == (9, 0.0, "shrinkage")
    assert first["best_expansion"] and first["best_shrinkage"]
    assert found.loc[("elb", "lstm", "trace"), "cells"] == 7
    assert found.loc[("elb", "published", "actions"), "cells"] == 0
    assert found.loc[("nasa", "lstm", "trace"), "pod_ratio"] == pytest.approx(1.2)


def test_files_are_joined_by_name(make_elastic: Make, tmp_path: Path) -> None:
    write_csv(make_elastic(), tmp_path / "tables" / "elastic" / "elb.csv")
    tables.write("table3", tmp_path, {"traces": ["elb"]})
    assert {path.name for path in (tmp_path / "tables").glob("*.csv")} == {"table3_elastic.csv", "table3_verdicts.csv"}
    with pytest.raises(InputError, match=r"cannot read .*nasa\.csv"):
        tables.write("table3", tmp_path, {"traces": ["nasa"]})
