"""`reports/claims.csv` as readers get it."""

from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.errors import InputError
from edgeresearch.papers.claims.rules import CONTRADICTED, NOT, PARTLY, REPRODUCED, UNTESTABLE, VERDICTS
from edgeresearch.papers.claims.table import (
    COLUMNS,
    FILE,
    count_unaided,
    count_verdicts,
    format_value,
    read_claims,
    render_page,
    select_claims,
)

ROOT = Path(__file__).parents[3]


def _row(name: str, verdict: str, **more: str) -> dict[str, str]:
    row = dict.fromkeys(COLUMNS, "")
    row |= {"id": name, "paper": name[0], "where": "Fig. 7", "kind": "number", "claim": "It drops.", "stage": "los"}
    return row | {"published": "26.62", "measured": "26.6008", "verdict": verdict, "reason": "Near.", **more}


@pytest.fixture
def table() -> pd.DataFrame:
    seen = {"low": "23.7721", "high": "29.4295", "unit": "%", "seeds": "20", "data": "emulated"}
    rows = [
        _row("A-1", REPRODUCED, fitted="fitted"),
        _row("A-2", NOT),
        _row("B-1", REPRODUCED, fitted="held out", **seen),
        _row("B-2", REPRODUCED, fitted="set", seeds="1", figure="reports/figures/los/a.png"),
        _row("B-3", REPRODUCED),
        _row("B-4", CONTRADICTED, measured="7,200 to 12,000", unit="triggers", claim="A | B."),
        _row("B-5", UNTESTABLE, measured="", published=""),
        _row("B-6", PARTLY),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_verdicts_are_counted_by_paper_and_apart_if_fitted_or_set(table: pd.DataFrame) -> None:
    found = count_verdicts(table)
    assert found["A"] == {
        "claims": 2, "reproduced": 1, "partly": 0, "not_reproduced": 1, "contradicted_by_the_paper_itself": 0,
        "not_testable_here": 0, "reproduced_unaided": 0,
    }  # fmt: skip
    assert (found["B"]["reproduced"], found["B"]["reproduced_unaided"]) == (3, 2)
    for key, count in found["both"].items():
        assert count == found["A"][key] + found["B"][key]
    assert sum(found["both"][name.replace(" ", "_")] for name in VERDICTS) == found["both"]["claims"] == 8
    assert set(count_verdicts(table.iloc[:0])["both"].values()) == {0}


def test_the_page_has_counts_then_a_table_per_paper(table: pd.DataFrame) -> None:
    text = render_page(table)
    lines = text.splitlines()
    assert lines[2].startswith("8 claims of two papers")
    assert "| reproduced | 1 | 3 | 4 | 1 | 1 | 1 |" in text
    assert "Of the 4 that are reproduced, 2 were neither fitted nor set (A: 0, B: 2)." in text
    assert [line for line in lines if line.startswith("## ")] == [
        "## Paper A: elastic scheduling of micro-modules on LSTM forecasts",
        "## Paper B: local-optimistic scheduling of periodic model training",
    ]
    rows = {line.split("<br>")[0].removeprefix("| "): line for line in lines if "<br>" in line}
    assert rows["B-1"] == (
        "| B-1<br>Fig. 7 | It drops. | 26.62 % | 26.6 (23.77 to 29.43) % | emulated; 20 seeds "
        "| **reproduced** (held out) | Near. |"
    )
    assert "B-2<br>[Fig. 7](figures/los/a.png)" in rows["B-2"] and "seeds" not in rows["B-2"]
    assert "| A \\| B. | 26.62 triggers | 7,200 to 12,000 |" in rows["B-4"]
    assert "|  |  |  | **not testable here** |" in rows["B-5"]


@pytest.mark.parametrize(
    ("cells", "name", "expected"),
    [
        ({"published": "0.268926"}, "published", "0.2689"),
        ({"published": "3 to 5", "unit": "minutes"}, "published", "3 to 5"),
        (
            {"measured": "1430", "low": "1430", "high": "1430", "unit": "trainings"},
            "measured",
            "1430 (1430 to 1430) trainings",
        ),
        ({"published": "1430", "low": "1", "high": "2"}, "published", "1430"),
        ({"published": ""}, "published", ""),
    ],
)
def test_numbers_have_few_digits_and_words_stay(cells: dict[str, str], name: str, expected: str) -> None:
    assert format_value(_row("A-1", REPRODUCED, **cells), name) == expected


@pytest.mark.parametrize("verdict", [None, *VERDICTS])
@pytest.mark.parametrize("paper", [None, "A", "B"])
def test_claims_are_selected_by_paper_and_verdict(table: pd.DataFrame, paper: str | None, verdict: str | None) -> None:
    part = select_claims(table, paper, verdict)
    assert set(part["paper"]) <= {paper or "A", paper or "B"}
    assert set(part["verdict"]) <= ({verdict} if verdict else set(VERDICTS))
    assert len(part) == count_verdicts(table)[paper or "both"][(verdict or "claims").replace(" ", "_")]


def test_unknown_choices_name_those_that_there_are(table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="unknown paper 'C'; known: A, B"):
        select_claims(table, "C")
    with pytest.raises(InputError, match="unknown verdict 'reproducd'; did you mean reproduced"):
        select_claims(table, verdict="reproducd")


def test_what_was_written_is_read_as_text(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / FILE, index=False)
    pd.testing.assert_frame_equal(read_claims(tmp_path / FILE), table, check_dtype=False)
    own = read_claims(ROOT / "reports" / FILE)
    assert 0 < count_unaided(own) < (own["verdict"] == REPRODUCED).sum()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot read .*claims\.csv: No such file or directory; run edgeresearch reproduce first"),
        ("", r"cannot read .*claims\.csv: No columns to parse from file; run edgeresearch"),
        ("id,paper\n1,A\n", r"claims\.csv has no column where, kind, .*; run edgeresearch"),
        (
            ",".join(COLUMNS) + "\n" + ",".join("splendid" if name == "verdict" else "x" for name in COLUMNS) + "\n",
            r"claims\.csv: unknown verdict 'splendid'; known: reproduced, partly",
        ),
    ],
)
def test_an_audit_that_cannot_be_used_is_one_line(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / FILE).write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_claims(tmp_path / FILE)
    assert "\n" not in str(caught.value)
