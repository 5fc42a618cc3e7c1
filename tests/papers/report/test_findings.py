import json
import re
from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.errors import InputError
from edgeresearch.papers.claims.audit import RECORDS
from edgeresearch.papers.report.findings import (
    BEGIN,
    END,
    FINDINGS,
    ROWS,
    describe_claim,
    render_results,
    write_findings,
    write_readme,
)

ROOT = Path(__file__).parents[3]
REAL = ROOT / "reports"
ROW = dict.fromkeys(("published", "measured", "low", "high", "seeds", "data", "unit", "fitted"), "")
ROW |= {"verdict": "partly"}


@pytest.mark.parametrize(
    ("measured", "low", "high", "shown", "interval"),
    [
        ("26.6008", "23.7721", "29.4295", "26.6", "23.77 to 29.43"),
        ("9161.25", "9060.66", "9261.84", "9161", "9061 to 9262"),
        ("1430", "1430", "1430", "1430", ""),
        ("0.0001236789", "", "", "0.0001237", ""),
        ("1 of 9", "0.5", "0.75", "1 of 9", "0.5 to 0.75"),
        ("", "", "3", "", ""),
    ],
)
def test_values_have_four_digits_and_their_interval_apart(
    measured: str, low: str, high: str, shown: str, interval: str
) -> None:
    row = describe_claim(ROW | {"measured": measured, "low": low, "high": high})
    assert (row["measured"], row["interval"]) == (shown, interval)


def test_units_stand_behind_numbers_and_cells_are_sorted_by_value() -> None:
    row = describe_claim(ROW | {"measured": "9161", "published": "first", "unit": "trainings", "verdict": "reproduced"})
    assert (row["measured"], row["published"]) == ("9161 trainings", "first")
    assert (row["order"], row["rank"]) == ([1e99, 9161.0], 0)
    assert describe_claim(ROW | {"measured": "inf"})["order"] == [1e99, 1e99]


@pytest.mark.parametrize(
    ("seeds", "basis"), [("", "emulated"), ("1", "emulated; 1 seed"), ("20", "emulated; 20 seeds")]
)
def test_a_verdict_says_what_it_rests_on(seeds: str, basis: str) -> None:
    assert describe_claim(ROW | {"data": "emulated", "seeds": seeds})["basis"] == basis


def _changed(project: Path, name: str, **values: object) -> Path:
    path = project / "reports" / "tables" / f"{name}.csv"
    pd.read_csv(path).assign(**values).to_csv(path, index=False)
    return project / "reports"


def test_each_finding_is_a_sentence_of_values(project: Path) -> None:
    found = write_findings(REAL)
    assert {paper: len(several) for paper, several in found.items()} == {
        paper: len(each) for paper, each in FINDINGS.items()
    }
    for text in (text for several in found.values() for text in several):
        assert text.endswith(".")
        assert "  " not in text
        assert "nan" not in text.split()
        assert "Not in this run" not in text
    counts = json.loads((REAL / "metrics" / "forecast.json").read_text())
    assert f"the lowest MSE on {counts['paper_lstm_first_mse']} of {counts['traces']} traces" in found["A"][0]


def test_the_published_table_is_held_against_itself() -> None:
    table = pd.read_csv(REAL / "tables" / "table2_contradictions.csv")
    text = write_findings(REAL)["A"][1]
    kept = table[~table["check"].str.contains("Gaussian")]
    assert len(kept) < len(table)  # nothing says that errors are Gaussian
    assert f"in {int((~kept['agrees']).sum())} of {len(kept)} checks" in text


def test_traces_that_refuse_are_named_with_their_reasons(project: Path) -> None:
    reports = _changed(project, "table3_verdicts", best_expansion=True, best_shrinkage=False, pod_ratio=1.5)
    text = write_findings(reports)["A"][2]
    assert "on 0 of 8 real traces; not on elb (not best on shrinkage, 1.50 times the pod-hours), " in text
    reports = _changed(project, "table3_verdicts", best_shrinkage=True, pod_ratio=1.0)
    assert write_findings(reports)["A"][2].endswith("on 8 of 8 real traces.")


def test_drop_rates_are_told_held_out_first(project: Path) -> None:
    text = write_findings(REAL)["B"][0]
    assert text.index("held out, 4, 8 streams") < text.index("fitted on, 2, 6, 10 streams")
    assert "fitted" not in write_findings(_changed(project, "fig7_drop", held_out=True))["B"][0]


def test_the_closer_rule_is_named_and_one_without_a_plateau_left_out(project: Path) -> None:
    assert "The rule of section VI.B is closer." in write_findings(REAL)["B"][1]
    path = project / "reports" / "tables" / "los" / "landmarks.csv"
    table = pd.read_csv(path)
    table[~((table["rule"] == "utilisation") & (table["what"] == "plateau"))].to_csv(path, index=False)
    text = write_findings(project / "reports")["B"][1]
    assert "The rule of section IV.D is closer." in text
    assert "section VI.B" not in text


@pytest.mark.parametrize(
    ("name", "column", "value", "reason"),
    [
        ("table3_verdicts", "forecaster", "ridge", "paper_a was not replayed"),
        ("fig7_drop", "published", None, "LOS was not run with a number of streams that the paper has"),
        ("fig7_drop", "policy", "los", "los or cloud was not run"),
        ("los/landmarks", "what", "rise", "there were too few iterations"),
    ],
)
def test_what_was_not_run_is_said(project: Path, name: str, column: str, value: object, reason: str) -> None:
    path = project / "reports" / "tables" / f"{name}.csv"
    pd.read_csv(path).assign(**{column: value}).drop_duplicates(
        ["rule", "together"] if "land" in name else None
    ).to_csv(path, index=False)
    texts = [text for several in write_findings(project / "reports").values() for text in several]
    assert any(text.startswith(f"Not in this run: {reason}") for text in texts)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    texts = [text for several in write_findings(tmp_path).values() for text in several]
    assert all(text.startswith("Not in this run: cannot read ") for text in texts)


def test_the_readme_of_this_project_tells_its_results() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    between = text.partition(f"{BEGIN}\n")[2].partition(END)[0]
    assert between == render_results(ROOT / "reports"), "run: edgeresearch report --readme README.md"


def test_ten_claims_are_shown_with_links_that_lead_somewhere() -> None:
    assert set(ROWS) <= {record.id for record in RECORDS}
    made = render_results(ROOT / "reports")
    assert len([line for line in made.splitlines() if line.startswith("| ")]) == 11
    paths = re.findall(r"\]\(([^)]+)\)", made)
    assert paths
    assert all((ROOT / path).is_file() for path in paths)


def test_counts_and_rows_are_those_of_the_audit(project: Path) -> None:
    made = render_results(project / "reports")
    told = "1 came out here too without any setting fitted on the value or set to it**"
    assert made.startswith(
        f"**Of 8 claims that the two papers make, {told},\nand 2 more with one; 2 came out in part\n"
    )
    assert "(paper A: 0, 1 more and 1 in part of 4; paper B: 1, 1 more and 1 in part of 4)" in made
    row = "| Trainings are dropped. (paper B, Fig. 7 and section VI.C) | 26.62 % | 26.6 % | "
    assert f"{row}[reproduced](reports/figures/los/scheduling/figure7.png), held out |" in made


def test_only_what_stands_between_the_markers_is_written(project: Path) -> None:
    (project / "docs").mkdir()
    readme = project / "docs" / "README.md"
    readme.write_text(f"# Own\n\n{BEGIN}\nold\n{END}\n\n## More\n{END} is quoted\n", encoding="utf-8")
    assert write_readme(readme, project / "reports") == readme
    text = readme.read_text(encoding="utf-8")
    assert text.startswith(f"# Own\n\n{BEGIN}\n**Of 8 claims")
    assert text.endswith(f"|\n{END}\n\n## More\n{END} is quoted\n")
    assert "old" not in text.partition(END)[0]
    assert "](../reports/claims.md)" in text
    write_readme(readme, project / "reports")
    assert readme.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("text", ["", f"{BEGIN}\n", f"{END}\n", f"{END}\n{BEGIN}\n"])
def test_without_both_markers_nothing_is_written(project: Path, text: str) -> None:
    readme = project / "README.md"
    readme.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="has no lines <!-- results --> and <!-- /results -->"):
        write_readme(readme, project / "reports")
    assert readme.read_text(encoding="utf-8") == text


def test_a_missing_readme_or_audit_is_told(project: Path) -> None:
    with pytest.raises(InputError, match="cannot read .*README.md: No such file"):
        write_readme(project / "README.md", project / "reports")
    with pytest.raises(InputError, match="edgeresearch reproduce"):
        render_results(project / "none")
