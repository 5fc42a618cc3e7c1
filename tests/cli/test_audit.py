from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from edgeresearch import cli
from edgeresearch.cli.audit import COLOURS
from edgeresearch.papers.claims.rules import VERDICTS
from edgeresearch.papers.claims.table import COLUMNS

runner = CliRunner()
ROWS = [
    ("A-T2-RF-MSE", "A", "partly", "held out", "10.8237", "7.96386", "14.0351"),
    ("B-F7-04", "B", "reproduced", "held out", "26.6008", "23.7721", "29.4295"),
    ("B-F7-06", "B", "reproduced", "fitted", "44.7732", "43.3027", "46.2437"),
    ("B-VIC-RATE", "B", "contradicted by the paper itself", "", "3.3 to [13.3]", "", ""),
]


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    rows = []
    for name, paper, verdict, fitted, measured, low, high in ROWS:
        row = dict.fromkeys(COLUMNS, "")
        row |= {"id": name, "paper": paper, "where": "Fig. 7", "claim": "A share.", "published": "26.62", "unit": "%"}
        row |= {"measured": measured, "low": low, "high": high, "verdict": verdict, "reason": "Why.", "fitted": fitted}
        rows.append(row)
    pd.DataFrame(rows).to_csv(tmp_path / "claims.csv", index=False)
    return tmp_path


def _shown(*words: str) -> str:
    result = runner.invoke(cli.app, ["claims", *words], env={"COLUMNS": "200", "TERM": "dumb"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_all_claims_are_shown_with_counts(reports: Path) -> None:
    text = _shown("--reports", str(reports))
    assert text.startswith("4 claims")
    for name, _, verdict, *_ in ROWS:
        assert f"│ {name} " in text
        assert verdict in text
    assert "reproduced (held out)" in text
    assert "3.3 to [13.3]" in text  # no markup
    assert text.splitlines()[-1] == (
        "reproduced: 2; partly: 1; not reproduced: 0; contradicted by the paper itself: 1; not testable here: 0"
    )


def test_claims_of_one_paper_and_one_verdict(reports: Path) -> None:
    text = _shown("--reports", str(reports), "--paper", "A")
    assert "A-T2-RF-MSE" in text and "B-F7-04" not in text
    text = _shown("--reports", str(reports), "--paper", "B", "--verdict", "reproduced")
    assert text.startswith("2 claims")
    assert "26.6 (23.77 to" in text
    assert _shown("--reports", str(reports), "--paper", "A", "--verdict", "reproduced").startswith("0 claims")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--paper", "C"], "error: unknown paper 'C'; known: A, B\n"),
        (
            ["--verdict", "partl"],
            "error: unknown verdict 'partl'; did you mean partly?; known: reproduced, partly, not",
        ),
    ],
)
def test_unknown_choices_are_one_line(
    reports: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["claims", "--reports", str(reports), *words])
    assert left.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith(message)
    assert text.count("\n") == 1


def test_without_an_audit_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        cli.main(["claims"])
    assert left.value.code == 2
    expected = "error: cannot read reports/claims.csv: No such file or directory; run edgeresearch reproduce first\n"
    assert capsys.readouterr().err == expected
    assert list(tmp_path.iterdir()) == []


def test_each_verdict_has_a_colour() -> None:
    assert len(COLOURS) == len(VERDICTS)
    assert len(set(COLOURS)) == len(COLOURS)
