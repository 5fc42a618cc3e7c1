import re
from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.errors import InputError
from edgeresearch.papers.claims.audit import RECORDS, read_claims
from edgeresearch.papers.report.published import (
    NONE,
    PLACES,
    TABLES,
    PaperTable,
    paper_tables,
    place_claims,
    read_table,
    tabulate,
)

SETTINGS = {
    "elastic": {"clusters": {"edge": {"nodes": 9, "cores": 4, "memory_gb": 8, "network_gbps": 1, "disk_gb": 128}}}
}
ROOT = Path(__file__).parents[3]


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    """The tables of this project."""
    made = paper_tables(ROOT / "reports", SETTINGS)
    return {name: each.table for name, each in made.items() if isinstance(each, PaperTable)}


def test_every_figure_and_table_of_both_papers_has_a_place_and_no_two_the_same() -> None:
    assert [(place.paper, place.name) for place in PLACES] == [
        *(("A", name) for name in ("Fig. 1", "Table 1", "Table 2", "Fig. 2", "Fig. 3", "Table 3")),
        *(("B", name) for name in ("Table I", *(f"Fig. {number}" for number in range(1, 8)))),
    ]
    assert len({place.anchor for place in PLACES}) == len(PLACES)
    assert {name for place in PLACES for name in place.tables} <= set(TABLES)
    assert PLACES[-1].anchor == "paper-b-fig-7"


def test_every_place_has_claims_and_all_but_tables_of_settings_a_figure() -> None:
    claims = pd.DataFrame([{"paper": each.paper, "where": each.where, "figure": each.figure} for each in RECORDS])
    anchors, placed = place_claims(claims.fillna(""))
    assert {place.anchor for place in PLACES} <= set(anchors)
    bare = {place.anchor for place in PLACES} - set(placed.values())
    assert bare <= {"paper-a-table-1", "paper-b-table-i"}


def test_a_claim_is_on_the_first_place_that_it_names_else_on_that_of_its_figure(project: Path) -> None:
    claims = read_claims(project / "reports" / "claims.csv")
    anchors, placed = place_claims(claims)
    assert dict(zip(claims["id"], anchors, strict=True)) == {
        **{"A-1": "paper-a-table-3", "A-2": "paper-a-table-2", "A-3": "", "A-4": "paper-a-table-3"},
        **{"B-F7-04": "paper-b-fig-7", "B-2": "paper-b-fig-5", "B-3": "paper-b-fig-7", "B-4": "paper-b-fig-6"},
    }
    assert list(placed)[0] == "elastic/paper_a/table3"  # of the stand-in, before other traces
    assert placed["los/scheduling/figure7"] == "paper-b-fig-7"


def test_table_i_is_not_table_1_nor_figure_1_figure_10() -> None:
    claims = pd.DataFrame({"paper": "B", "where": ["Table II", "Table I", "Fig. 10", "Fig. 1a"], "figure": ""})
    assert place_claims(claims)[0] == ["", "paper-b-table-i", "", "paper-b-fig-1"]


def test_formats_make_lines_and_columns() -> None:
    rows = pd.DataFrame({"n": [2, 2, 4], "who": ["a", "b", "a"], "x": [1.26, 2.0, float("nan")], "y": float("nan")})
    table = tabulate(rows, "n", {"N": "{n}", "{who}": "{x:.1f}", "{who}, gone": "{y:g}"})
    assert table.to_dict("list") == {"N": ["2", "4"], "a": ["1.3", NONE], "b": ["2.0", NONE]}


def test_numbers_stand_at_the_right() -> None:
    frame = pd.DataFrame({"a": ["1.0", NONE], "b": ["1.0 to 2", "3 [1, 4]"], "c": [NONE, NONE], "d": ["1 of 9", "2"]})
    assert PaperTable("x", "X", frame).columns == [("a", True), ("b", True), ("c", False), ("d", False)]
    assert PaperTable("x", "X", frame).rows[1] == [NONE, "3 [1, 4]", NONE, "2"]


def test_table_1_is_that_of_the_settings(tables: dict[str, pd.DataFrame]) -> None:
    assert tables["a-table1"].iloc[0].tolist() == ["Marginal cluster", "9", "4", "8", "1", "128"]


def test_table_2_is_of_the_stand_in_published_beside_measured(tables: dict[str, pd.DataFrame]) -> None:
    scores = read_table(ROOT / "reports" / "tables" / "table2_forecast.csv").query(
        "trace == 'paper_a' and horizon == 1"
    )
    ridge = scores.set_index("model").loc["ridge"]
    row = tables["a-table2"].set_index("Method").loc["ridge regression"]
    assert (row["MSE published"], row["R² published"]) == ("14.3", "0.895")
    assert row["MSE measured"] == f"{ridge['mse']:.1f}"
    assert row["MSE 95 %"] == f"{ridge['mse_low']:.1f} to {ridge['mse_high']:.1f}"
    assert tables["a-table2"].set_index("Method").loc["last value", "MSE published"] == NONE


def test_every_trace_has_its_ratios_and_the_place_of_the_papers_lstm(tables: dict[str, pd.DataFrame]) -> None:
    scores = read_table(ROOT / "reports" / "tables" / "table2_forecast.csv").query("trace == 'nasa' and horizon == 1")
    mse = scores.set_index("model")["mse"]
    five = mse[["random_forest", "ridge", "logistic", "xgboost", "lstm_paper"]].sort_values()
    row = tables["a-table2-traces"].set_index("Trace").loc["nasa"]
    assert row["Best of the paper's five"] == scores.set_index("model").loc[five.index[0], "label"]
    assert row["Place of its LSTM"] == str(list(five.index).index("lstm_paper") + 1)
    assert row["Ridge, MSE / last value"] == f"{mse['ridge'] / mse['last_value']:.3f}"
    baselines = mse.drop(["lstm", "lstm_huber", "lstm_paper"])
    assert row["LSTM (project), MSE / best baseline"] == f"{mse['lstm'] / baselines.min():.3f}"
    assert "paper_a (synthetic)" in set(tables["a-table2-traces"]["Trace"])


def test_a_model_that_was_not_run_leaves_a_gap(project: Path) -> None:
    path = project / "reports" / "tables" / "table2_forecast.csv"
    scores = pd.read_csv(path)
    scores[(scores["trace"] != "elb") | (scores["model"] == "lstm")].to_csv(path, index=False)
    made = paper_tables(project / "reports", SETTINGS)["a-table2-traces"]
    assert isinstance(made, PaperTable)
    assert made.table.set_index("Trace").loc["elb"].iloc[:3].tolist() == [NONE, NONE, NONE]


def test_table_3_says_whose_forecasts_a_strategy_acts_on(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["a-table3"].set_index(["Strategy", "Forecast"])
    assert len(table) == 5
    row = table.loc[("Advance", "of the published accuracy")]
    assert row["Shrinkage, published"] == "6.7"
    assert re.fullmatch(r"\d\.\d \[\d\.\d, \d\.\d\]", row["Shrinkage, measured"])


def test_paper_bs_tables_hold_published_beside_simulated(tables: dict[str, pd.DataFrame]) -> None:
    fig7 = tables["b-fig7"].set_index("Streams")
    assert fig7.loc[["2", "4"], "LOS, published"].tolist() == ["14.37", "26.62"]
    assert fig7.loc[["2", "4"], "Published value was"].tolist() == ["fitted on", "held out"]
    assert (fig7["In-situ only"] == "100.0").all()
    fig6 = tables["b-fig6"].set_index("Streams")
    assert fig6.loc["8", ["2 hops, published", "3 hops, published"]].tolist() == ["36.63", "16.7"]
    assert "1 hop, published" not in fig6
    assert "More than" not in tables["b-triggers"]["Published"].iloc[0]
    assert tables["b-triggers"]["Published"].iloc[0] == "more than 3,800"
    assert len(tables["b-fig5"]) > 5
    assert tables["b-table1"]["Layer"].tolist() == ["Cloud", "Fog", "Edge"]


def test_what_cannot_be_made_says_why(tmp_path: Path) -> None:
    made = paper_tables(tmp_path, SETTINGS)
    assert [name for name, each in made.items() if isinstance(each, PaperTable)] == ["a-table1"]
    assert re.match(r"cannot read .*fig7_drop\.csv: No such file", str(made["b-fig7"]))
    (tmp_path / "x.csv").write_text("")
    with pytest.raises(InputError, match=r"cannot read .*x\.csv: No columns to parse from file; run the pipeline"):
        read_table(tmp_path / "x.csv")
