from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.config import Params
from edgeresearch.errors import InputError
from edgeresearch.io import write_csv
from edgeresearch.papers import elastic_a, paper_a
from edgeresearch.papers.report import printed_a

SETTINGS = Params().model_dump()


@pytest.fixture
def tables(project: Path) -> Path:
    return project / "reports" / "tables"


def test_table_1_is_what_is_set(tables: Path) -> None:
    found = printed_a.table1(tables, SETTINGS).table.set_index("cluster")
    assert found.loc["Marginal cluster", "nodes"] == "9"
    changed = Params.model_validate({"elastic": {"clusters": {"edge": {**_edge(), "cores": 2}}}}).model_dump()
    assert printed_a.table1(tables, changed).table.set_index("cluster").loc["Marginal cluster", "CPU cores"] == "2"


def _edge() -> dict[str, int]:
    found: dict[str, int] = dict(SETTINGS["elastic"]["clusters"]["edge"])
    return found


def test_table_2_stands_on_the_stand_in_and_says_that_it_is_synthetic(tables: Path) -> None:
    found = printed_a.table2(tables, SETTINGS)
    assert "paper_a (synthetic)" in found.title
    rows = found.table.set_index("Method")
    assert rows.loc["random forest", ["MSE published", "MSE measured", "MSE 95 %"]].tolist() == [
        "12.5",
        "6.0",
        "4.8 to 7.8",
    ]
    assert rows.loc["ridge regression", ["MAE published", "R² published", "R² measured"]].tolist() == [
        "1.05",
        "0.895",
        "0.950",
    ]
    assert rows.loc["last value", "MSE published"] == "–"
    assert found.notes[0].startswith("Published values are of the paper's own trace")


def test_without_the_stand_in_the_first_trace_is_shown(
    tables: Path, make_scores: Callable[..., pd.DataFrame], make_elastic: Callable[..., pd.DataFrame]
) -> None:
    write_csv(paper_a.table2([make_scores("nasa"), make_scores("elb")]), tables / "table2_forecast.csv")
    write_csv(elastic_a.table3([make_elastic("nasa")]), tables / "table3_elastic.csv")
    assert "on nasa, in" in printed_a.table2(tables, SETTINGS).title
    assert printed_a.table3(tables, SETTINGS).title.endswith("on nasa")


def test_every_trace_has_a_row_with_the_places_and_ratios(tables: Path) -> None:
    rows = printed_a.traces(tables, SETTINGS).table.set_index("Trace")
    assert list(rows.index) == ["elb", "paper_a (synthetic)"]
    elb = rows.loc["elb"]
    assert elb["Best of the paper's five"] == "ridge regression"  # 5.0 of 6, 5, 9, 7, 8
    assert elb["Place of its LSTM"] == "4"
    assert elb["Ridge, MSE / last value"] == "0.500"
    assert elb["LSTM (project), MSE / best baseline"] == "0.889"  # 4.0 of 4.5


def test_models_that_were_not_run_have_a_dash(tables: Path, make_scores: Callable[..., pd.DataFrame]) -> None:
    scores = make_scores("elb")
    kept = scores[scores["model"].isin(["last_value", "ridge_calendar"])]
    write_csv(paper_a.table2([kept]), tables / "table2_forecast.csv")
    row = printed_a.traces(tables, SETTINGS).table.iloc[0].tolist()
    assert row == ["elb", "–", "–", "–", "–", "–", "–"]


def test_table_3_has_the_nine_cells_by_whose_forecasts_were_used(tables: Path) -> None:
    rows = printed_a.table3(tables, SETTINGS).table
    assert rows["Strategy"].tolist() == ["Advance", "Advance", "Responsive", "Combined (LSTM)", "Combined (LSTM)"]
    advance = rows.iloc[0]
    assert advance["Forecast"] == "of the published accuracy"
    assert advance["Shrinkage, published"] == "6.7"
    assert advance["Shrinkage, measured"] == "6.7 [6.6, 6.8]"
    assert rows.iloc[1]["Expansion, measured"] == "4.2 [4.1, 4.3]"  # the LSTM's are off by one point


def test_a_phase_that_did_not_occur_has_a_dash(tables: Path) -> None:
    everything = paper_a.read(tables / "table3_elastic.csv")
    write_csv(everything[everything["phase"] != "shrinkage"], tables / "table3_elastic.csv")
    rows = printed_a.table3(tables, SETTINGS).table
    assert set(rows["Shrinkage, measured"]) == {"–"}
    assert rows["Stable, measured"].iloc[0] == "3.4 [3.3, 3.5]"


@pytest.mark.parametrize("make", [printed_a.table2, printed_a.traces, printed_a.table3])
def test_a_table_that_was_not_made_is_told(tmp_path: Path, make: Callable[..., object]) -> None:
    with pytest.raises(InputError, match="cannot read .*: No such file"):
        make(tmp_path, SETTINGS)
