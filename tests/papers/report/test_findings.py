import json
from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.papers.report.findings import FINDINGS, write_findings

REAL = Path(__file__).parents[3] / "reports"


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
