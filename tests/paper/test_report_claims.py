from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.errors import InputError
from edgeresearch.paper import claim_pages, claim_rules, claims, report_claims
from edgeresearch.paper.report_claims import (
    AIDED,
    CITATIONS,
    COLUMNS,
    GROUPS,
    MISSED,
    PAPERS,
    REPRODUCED,
    UNTESTABLE,
    VERDICTS,
    counts,
    decimals,
    interval,
    number,
    read,
    shown,
    value,
)


def test_the_words_are_those_of_the_audit() -> None:
    assert tuple(VERDICTS) == claim_rules.VERDICTS
    assert list(COLUMNS) == claims.COLUMNS
    assert AIDED == (claims.FITTED, claims.SET)
    assert set(PAPERS) == set(CITATIONS) == set(claim_pages.TITLES)


def test_every_verdict_has_a_sign_and_a_style_of_its_own() -> None:
    assert len({each.sign for each in VERDICTS.values()}) == len({each.style for each in VERDICTS.values()}) == 5
    assert {each.group for each in VERDICTS.values()} == set(GROUPS)


def test_the_audit_is_read_as_text(project: Path) -> None:
    table = read(project / "reports")
    assert tuple(table.columns) == COLUMNS
    assert table.set_index("id").loc["B-2", "published"] == "400"
    assert table.set_index("id").loc["A-3", "published"] == ""
    assert table.map(lambda cell: isinstance(cell, str)).all().all()


def test_the_audit_of_this_project_is_readable() -> None:
    table = read(Path(__file__).parents[2] / "reports")
    assert len(table) >= 60
    assert counts(table)["claims"].iloc[-1] == len(table)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"no .*claims\.csv; run edgeresearch reproduce first"),
        ("", r"cannot read .*claims\.csv: No columns to parse from file; run edgeresearch reproduce"),
        ("id,paper\n1,A\n", r"claims\.csv has no column where, kind, .*; run edgeresearch reproduce"),
        (
            ",".join(COLUMNS) + "\n" + ",".join("splendid" if name == "verdict" else "x" for name in COLUMNS) + "\n",
            r"claims\.csv: unknown verdict 'splendid'; known: reproduced, partly",
        ),
    ],
)
def test_an_audit_that_cannot_be_used_is_one_line(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "claims.csv").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_audit_that_is_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "claims.csv").mkdir()
    with pytest.raises(InputError, match="cannot read .*: Is a directory"):
        read(tmp_path)


def test_verdicts_are_counted_by_paper_and_in_all(project: Path) -> None:
    found = counts(read(project / "reports")).set_index("paper")
    assert list(found.index) == ["A", "B", ""]
    assert found.loc["A", ["claims", REPRODUCED, MISSED, UNTESTABLE, "aided"]].tolist() == [4, 1, 1, 1, 1]
    assert found.loc["B", ["claims", REPRODUCED, MISSED, UNTESTABLE, "aided"]].tolist() == [3, 2, 1, 0, 1]
    total = found.loc[""]
    assert total["claims"] == sum(total[name] for name in VERDICTS) == sum(total[group] for group in GROUPS) == 7


@pytest.mark.parametrize(
    ("text", "published", "others", "as_shown"),
    [
        ("26.6008", "26.62", ("23.7721",), "26.60"),
        ("3.58112", "3.4", ("3.5", "3.6"), "3.58"),
        ("0.8", "0.8", (), "0.8"),
        ("399.5", "400", (), "399.5"),
        ("9161.25", "3800", ("9060.66",), "9,161"),
        ("1430", "1430", ("1430", "1430"), "1,430"),
        ("4", "4.0", (), "4.0"),
        ("0", "0.931", (), "0.000"),
        ("100", "", ("99.2", "100"), "100.0"),
        ("0.0001236789", "", (), "0.0001237"),
        ("-3.14159", "", (), "-3.142"),
        ("1 of 9", "first", (), "1 of 9"),
        ("", "2", (), ""),
        ("inf", "", (), "inf"),
    ],
)
def test_measured_values_have_few_digits(text: str, published: str, others: tuple[str, ...], as_shown: str) -> None:
    assert shown(text, published, *others) == as_shown


@given(st.floats(-1e6, 1e6), st.sampled_from(["", "3", "2.5", "0.931"]))
def test_what_is_shown_is_the_value_to_its_last_digit(measured: float, published: str) -> None:
    text = f"{measured:.6f}"
    places = decimals(text, published)
    assert abs(float(shown(text, published).replace(",", "")) - measured) <= 0.5 * 10**-places + 1e-6
    assert number(published) is None or places <= len(published.partition(".")[2]) + 1


def test_units_stand_behind_numbers_only() -> None:
    assert value("3.4", "%") == "3.4 %"
    assert value("9,161", "trainings") == "9,161 trainings"
    assert value("first", "%") == "first"
    assert value("3.4", "") == "3.4"
    assert value("", "%") == ""


@pytest.mark.parametrize(
    ("measured", "published", "low", "high", "text"),
    [
        ("26.6008", "26.62", "23.7721", "29.4295", "23.77 to 29.43"),
        ("9161.25", "3800", "9060.66", "9261.84", "9,061 to 9,262"),
        ("30", "32", "28.608", "30.9918", "28.6 to 31.0"),
        ("1430", "1430", "1430", "1430", ""),
        ("1 of 9", "", "0.5", "0.75", "0.50 to 0.75"),
        ("2", "", "", "3", ""),
    ],
)
def test_intervals_have_the_decimals_of_their_value(
    measured: str, published: str, low: str, high: str, text: str
) -> None:
    assert interval(measured, published, low, high) == text


def test_the_module_names_its_file() -> None:
    assert report_claims.FILE == "claims.csv"
