from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from edgeresearch.papers.claims.table import FILE, read_claims
from edgeresearch.papers.report import claims as report_claims
from edgeresearch.papers.report.cells import Printed
from edgeresearch.papers.report.links import Links
from edgeresearch.papers.report.rows import LAST, claim_row, counted, interval, measured, table_cells, verdict_counts


@pytest.fixture
def claims(project: Path) -> pd.DataFrame:
    return read_claims(project / "reports" / FILE)


@pytest.fixture
def rows(claims: pd.DataFrame, project: Path) -> dict[str, dict[str, Any]]:
    links = Links.of(project, {"forecast": "paper_a", "elastic": "paper_a"}, {})
    return {row["id"]: claim_row(row, links) for row in claims.to_dict("records")}


def test_a_claim_has_its_values_with_units_and_its_verdict(rows: dict[str, dict[str, Any]]) -> None:
    row = rows["A-1"]
    assert (row["published"], row["measured"], row["interval"]) == ("3.4 %", "3.58 %", "3.53 to 3.63")
    assert row["verdict"] == {"name": "reproduced", "style": "good", "sign": "✓", "group": "reproduced"}
    assert (row["rank"], row["fitted"], row["synthetic"]) == (0, "fitted", True)
    assert row["basis"] == "paper_a (synthetic); 20 seeds"
    assert [link["words"] for link in row["links"]] == ["figure", "notebook", "stage"]


def test_numbers_are_sorted_as_numbers_and_texts_stand_behind_them(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["B-1"]["measured_order"] == 26.6008
    assert rows["B-2"]["published_order"] == 400
    assert rows["A-2"]["measured_order"] == rows["A-3"]["published_order"] == LAST


def test_seeds_and_data_are_told_as_far_as_they_are_known(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["B-3"]["basis"] == "emulated; 1 seed"
    assert rows["B-2"]["basis"] == "the paper's own numbers"
    assert rows["A-3"]["basis"] == ""
    assert not rows["B-3"]["synthetic"]


def test_a_claim_without_anything_has_no_links(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["A-3"]["links"] == []
    assert rows["A-3"]["measured"] == ""
    assert rows["A-3"]["rank"] == 4


def test_values_and_intervals_share_their_decimals() -> None:
    row = {"measured": "78.0404", "published": "80", "low": "77.2859", "high": "78.7949", "unit": "%"}
    assert (measured(row), interval(row)) == ("78.0 %", "77.3 to 78.8")


def test_counts_are_three_groups_the_rest_and_the_verdicts(claims: pd.DataFrame) -> None:
    found = counted(report_claims.counts(claims).set_index("paper").loc[""])
    assert [(group["name"], group["count"]) for group in found["groups"]] == [
        ("reproduced", 3),
        ("partly", 1),
        ("not reproduced or contradicted", 2),
    ]
    assert found["groups"][0]["more"] == "1 of them neither fitted nor set"
    assert found["groups"][1]["more"] == ""
    assert [group["style"] for group in found["groups"]] == ["good", "part", "missed"]
    assert found["rest"]["count"] == 1
    assert sum(part["count"] for part in found["parts"]) == 7


def test_verdicts_are_counted_in_their_order(claims: pd.DataFrame) -> None:
    part = claims[claims["paper"] == "B"]
    assert [(each["name"], each["count"]) for each in verdict_counts(part)] == [
        ("reproduced", 2),
        ("contradicted by the paper itself", 1),
    ]
    assert [each["count"] for each in verdict_counts(part, every=True)] == [2, 0, 0, 1, 0]
    assert verdict_counts(claims.head(0)) == []


def test_a_table_is_columns_and_rows_of_text() -> None:
    frame = pd.DataFrame({"Method": ["ridge", "LSTM"], "MSE": ["1.0", "–"], "None": ["–", "–"]})
    found = table_cells(Printed("x", "Title", frame, ("note",)))
    assert found["columns"] == [
        {"name": "Method", "number": False},
        {"name": "MSE", "number": True},
        {"name": "None", "number": False},
    ]
    assert found["rows"] == [["ridge", "1.0", "–"], ["LSTM", "–", "–"]]
    assert (found["title"], found["notes"]) == ("Title", ("note",))
