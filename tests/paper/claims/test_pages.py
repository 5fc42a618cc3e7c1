from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.errors import InputError
from edgeresearch.paper.claims import pages
from edgeresearch.paper.claims.audit import COLUMNS, CONTRADICTED, UNTESTABLE, VERDICTS, read
from edgeresearch.paper.verdicts_b import NOT, PARTLY, REPRODUCED


def _row(name: str, verdict: str, **more: str) -> dict[str, str]:
    row = dict.fromkeys(COLUMNS, "")
    row |= {"id": name, "paper": name[0], "where": "Fig. 7", "kind": "number", "claim": "It drops.", "stage": "los"}
    return row | {"published": "26.62", "measured": "26.6008", "verdict": verdict, "reason": "Near.", **more}


@pytest.fixture
def table() -> pd.DataFrame:
    rows = [
        _row("A-1", REPRODUCED, fitted="fitted"),
        _row("A-2", NOT),
        _row(
            "B-1", REPRODUCED, fitted="held out", low="23.7721", high="29.4295", unit="%", seeds="20", data="emulated"
        ),
        _row("B-2", REPRODUCED, fitted="set", seeds="1", figure="reports/figures/los/a.png"),
        _row("B-3", REPRODUCED),
        _row("B-4", CONTRADICTED, measured="7,200 to 12,000", unit="triggers", claim="A | B."),
        _row("B-5", UNTESTABLE, measured="", published=""),
        _row("B-6", PARTLY),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_verdicts_are_counted_by_paper_and_apart_if_fitted_or_set(table: pd.DataFrame) -> None:
    found = pages.counts(table)
    assert list(found) == ["A", "B", "both"]
    assert found["A"] == {
        "claims": 2, "reproduced": 1, "partly": 0, "not_reproduced": 1, "contradicted_by_the_paper_itself": 0,
        "not_testable_here": 0, "reproduced_unaided": 0,
    }  # fmt: skip
    assert found["B"]["reproduced"] == 3
    assert found["B"]["reproduced_unaided"] == 2
    for key in found["both"]:
        assert found["both"][key] == found["A"][key] + found["B"][key]
    assert sum(found["both"][name.replace(" ", "_")] for name in VERDICTS) == found["both"]["claims"] == 8


def test_an_empty_audit_counts_nothing(table: pd.DataFrame) -> None:
    assert set(pages.counts(table.iloc[:0])["both"].values()) == {0}
    assert pages.page(table.iloc[:0]).startswith("# Claims audit\n\n0 claims")


def test_the_page_has_counts_then_a_table_per_paper(table: pd.DataFrame) -> None:
    text = pages.page(table)
    lines = text.splitlines()
    assert lines[2].startswith("8 claims of two papers")
    assert "| reproduced | 1 | 3 | 4 | 1 | 1 | 1 |" in text
    assert "| contradicted by the paper itself | 0 | 1 | 1 | 0 | 0 | 0 |" in text
    assert "Of the 4 that are reproduced, 2 were neither fitted nor set (A: 0, B: 2)." in text
    assert [line for line in lines if line.startswith("## ")] == [
        "## Paper A: elastic scheduling of micro-modules on LSTM forecasts",
        "## Paper B: local-optimistic scheduling of periodic model training",
    ]
    assert text.endswith("|\n")
    tables = [line.replace("\\|", "").count("|") for line in lines if line.startswith(("| A-", "| B-"))]
    assert tables == [8] * len(table)


def test_a_row_of_the_page_says_everything(table: pd.DataFrame) -> None:
    lines = {
        line.split("<br>")[0].removeprefix("| "): line for line in pages.page(table).splitlines() if "<br>" in line
    }
    assert lines["B-1"] == (
        "| B-1<br>Fig. 7 | It drops. | 26.62 % | 26.6 (23.77 to 29.43) % | emulated; 20 seeds "
        "| **reproduced** (held out) | Near. |"
    )
    assert "B-2<br>[Fig. 7](figures/los/a.png)" in lines["B-2"]
    assert "seeds" not in lines["B-2"]
    assert "| A \\| B. | 26.62 triggers | 7,200 to 12,000 |" in lines["B-4"]
    assert "|  |  |  | **not testable here** |" in lines["B-5"]


@pytest.mark.parametrize(
    ("cells", "name", "expected"),
    [
        ({"published": "0.268926"}, "published", "0.2689"),
        ({"published": "3 to 5", "unit": "minutes"}, "published", "3 to 5"),
        ({"measured": "2 of 5", "unit": "%"}, "measured", "2 of 5"),
        ({"measured": "1430", "low": "1430", "high": "1430", "unit": "trainings"}, "measured",
         "1430 (1430 to 1430) trainings"),
        ({"published": "1430", "low": "1", "high": "2"}, "published", "1430"),
        ({"published": ""}, "published", ""),
    ],
)  # fmt: skip
def test_numbers_have_few_digits_and_words_stay(cells: dict[str, str], name: str, expected: str) -> None:
    assert pages.value(_row("A-1", REPRODUCED, **cells), name) == expected


def test_claims_are_chosen_by_paper_and_verdict(table: pd.DataFrame) -> None:
    assert len(pages.chosen(table)) == 8
    assert list(pages.chosen(table, "A")["id"]) == ["A-1", "A-2"]
    assert list(pages.chosen(table, verdict=REPRODUCED)["id"]) == ["A-1", "B-1", "B-2", "B-3"]
    assert list(pages.chosen(table, "B", PARTLY)["id"]) == ["B-6"]
    assert pages.chosen(table, "A", CONTRADICTED).empty


def test_unknown_choices_name_those_that_there_are(table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="unknown paper 'C'; known: A, B"):
        pages.chosen(table, "C")
    with pytest.raises(InputError) as caught:
        pages.chosen(table, verdict="reproducd")
    assert str(caught.value) == (
        "unknown verdict 'reproducd'; did you mean reproduced?; known: reproduced, partly, not reproduced, "
        "contradicted by the paper itself, not testable here"
    )


def test_what_was_written_is_read_as_text(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "claims.csv", index=False)
    pd.testing.assert_frame_equal(read(tmp_path / "claims.csv"), table, check_dtype=False)


def test_every_verdict_is_explained() -> None:
    assert set(pages.MEANING) == set(VERDICTS)


def test_links_are_relative_to_the_reports(table: pd.DataFrame) -> None:
    text = pages.page(table.assign(figure="reports/figures/los/scheduling/figure7.png"))
    assert text.count("](figures/los/scheduling/figure7.png)") == len(table)
    assert "](reports/" not in text


def test_counts_of_the_page_are_those_of_the_metrics(table: pd.DataFrame) -> None:
    text, found = pages.page(table), pages.counts(table)
    for verdict in VERDICTS:
        key = verdict.replace(" ", "_")
        start = f"| {verdict} | {found['A'][key]} | {found['B'][key]} | {found['both'][key]} |"
        assert sum(line.startswith(start) for line in text.splitlines()) == 1


@pytest.mark.parametrize("paper", ["A", "B"])
@pytest.mark.parametrize("verdict", VERDICTS)
def test_choices_split_the_audit(table: pd.DataFrame, paper: str, verdict: str) -> None:
    part = pages.chosen(table, paper, verdict)
    assert set(part["paper"]) <= {paper}
    assert set(part["verdict"]) <= {verdict}
    assert len(part) == pages.counts(table)[paper][verdict.replace(" ", "_")]
