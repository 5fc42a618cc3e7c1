import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from edgeresearch import cli, pipeline
from edgeresearch.cli.report import COLOURS, SHORT
from edgeresearch.papers.claims.audit import COLUMNS, RECORDS
from edgeresearch.papers.claims.rules import FITTED, RELATIONS, VERDICTS, describe_rule
from edgeresearch.papers.report.findings import BEGIN, END
from edgeresearch.papers.report.site import build_site

CLAIMS = (
    "id,paper,where,kind,claim,published,measured,low,high,seeds,data,verdict,reason,stage,figure,notebook,unit,fitted"
)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with an audit of one claim and no other results."""
    home = tmp_path / "project"
    (home / "reports").mkdir(parents=True)
    row = "B-1,B,Fig. 7,number,Some are dropped.,26.62,26.6,,,20,emulated,reproduced,Near.,scheduling,,,%,"
    (home / "reports" / "claims.csv").write_text(f"{CLAIMS}\n{row}\n")
    (home / "params.yaml").write_text("seed: 7\n")
    (home / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    monkeypatch.chdir(home)
    return home


def _left(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[Any, str, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    said = capsys.readouterr()
    return caught.value.code, said.out, said.err


def test_the_report_is_made_in_its_place_and_its_path_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _left(capsys, "report") == (0, "report: reports/site/index.html\n", "")
    text = (home / "reports" / "site" / "index.html").read_text(encoding="utf-8")
    assert "Some are dropped." in text
    assert "<code>own</code>" in text  # another seed than the full run's
    assert "<dd>7: " in (home / "reports" / "site" / "run.html").read_text(encoding="utf-8")


def test_a_profiles_workspace_gives_its_name(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = home.parent / "build" / "first-look"
    place.parent.mkdir()
    home.rename(place)
    monkeypatch.chdir(place)
    assert _left(capsys, "report")[0] == 0
    assert "<code>first-look</code>" in (place / "reports" / "site" / "index.html").read_text(encoding="utf-8")


def test_it_opens_in_the_browser_where_there_is_one(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def open_(address: str) -> bool:
        opened.append(address)
        return len(opened) == 1

    monkeypatch.setattr(webbrowser, "open", open_)
    assert _left(capsys, "report", "--open", "--out", "site") == (0, "report: site/index.html\n", "")
    assert opened == [(home / "site" / "index.html").as_uri()]
    status, _, warned = _left(capsys, "report", "--open", "--out", "site")
    assert (status, warned) == (0, "warning: no browser could be opened; open site/index.html in one\n")


def test_the_readme_is_written_and_nothing_else(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "README.md").write_text(f"{BEGIN}\n{END}\n")
    assert _left(capsys, "report", "--readme", "README.md") == (0, "readme: README.md\n", "")
    assert "**Of 1 claims" in (home / "README.md").read_text(encoding="utf-8")
    assert not (home / "reports" / "site").exists()


def test_exports_are_written_and_what_is_missing_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, warned = _left(capsys, "export", "--out", "there")
    assert (status, out) == (0, "exports: there\n")
    assert {path.name for path in (home / "there" / "tables").iterdir()} == {
        f"{name}.{kind}" for name in ("a-table1", "claims") for kind in ("md", "tex")
    }
    assert warned.count("\n") == warned.count("warning: ") == 8
    assert "warning: b-fig7 is left out: cannot read reports/tables/fig7_drop.csv" in warned


@pytest.mark.parametrize("words", [["report"], ["export", "--out", "there"], ["report", "--readme", "README.md"]])
def test_without_an_audit_it_is_one_line(home: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    (home / "README.md").write_text(f"{BEGIN}\n{END}\n")
    (home / "reports" / "claims.csv").unlink()
    before = sorted(home.rglob("*"))
    status, out, error = _left(capsys, *words)
    assert (status, out) == (2, "")
    assert error.startswith("error: cannot read reports/claims.csv: No such file or directory; run")
    assert sorted(home.rglob("*")) == before


def test_outside_of_a_project_it_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, error = _left(capsys, "report")
    assert (status, error) == (
        2,
        "error: cannot read reports/claims.csv: No such file or directory; run edgeresearch reproduce first\n",
    )


def test_reproduce_ends_with_the_report_where_there_is_one(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "reproduce", lambda *_, **__: Path("reports"))
    assert _left(capsys, "reproduce")[1] == "results: reports\n"
    build_site(Path(), _settings(), _settings())
    assert _left(capsys, "reproduce")[1] == "results: reports\nreport: reports/site/index.html\n"


def _settings() -> dict[str, Any]:
    from edgeresearch.config import Params

    return Params().model_dump()


def test_helps_have_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("report", "export"):
        status, out, _ = _left(capsys, command, "--help")
        assert status == 0
        assert f"edgeresearch {command} --o" in out


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


def _claims(*words: str) -> str:
    result = CliRunner().invoke(cli.app, ["claims", *words], env={"TERM": "dumb"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_all_claims_are_shown_a_line_each_with_counts(reports: Path) -> None:
    *lines, last = _claims("--reports", str(reports)).splitlines()
    assert [line.split()[0] for line in lines] == [name for name, *_ in ROWS]
    assert lines[0] == "A-T2-RF-MSE  A  partly        A share."
    assert lines[3] == "B-VIC-RATE   B  contradicted  A share."
    assert last == "4 claims: 2 reproduced, 1 partly, 0 not reproduced, 1 contradicted, 0 not testable"


def test_claims_of_one_paper_and_one_verdict(reports: Path) -> None:
    text = _claims("--reports", str(reports), "--paper", "A")
    assert "A-T2-RF-MSE" in text and "B-F7-04" not in text
    text = _claims("--reports", str(reports), "--paper", "B", "--verdict", "contradicted")
    assert text.startswith("B-VIC-RATE  B  contradicted  A share.\n1 claims: ")
    assert _claims("--reports", str(reports), "--paper", "A", "--verdict", "reproduced").startswith("0 claims")


@pytest.mark.parametrize("columns", [80, 100])
def test_on_a_terminal_each_claim_fits_its_line(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "is_terminal", True)
    monkeypatch.setattr(Console, "width", columns)
    *lines, _ = _claims("--reports", str(ROOT / "reports")).splitlines()
    assert len(lines) == len(RECORDS)
    assert max(map(len, lines)) == columns
    assert any(line.endswith("…") for line in lines)


def test_a_pipe_gets_whole_lines_without_colours() -> None:
    command = [sys.executable, "-m", "edgeresearch", "claims"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    *lines, _ = done.stdout.splitlines()
    for line, claim in zip(lines, RECORDS, strict=True):
        assert line.startswith(claim.id) and line.endswith(f"  {claim.claim}")
    assert "\x1b" not in done.stdout and "…" not in done.stdout


def test_one_claim_is_told_with_its_rule_and_its_place(reports: Path) -> None:
    lines = _claims("b-f7-04", "--reports", str(reports)).splitlines()
    assert lines == [
        "B-F7-04",
        "claim:     A share. (paper B, Fig. 7)",
        "verdict:   reproduced",
        "published: 26.62 %",
        "settings:  held out: it had no part in a fit, though it had been seen",
        "measured:  26.6 (23.77 to 29.43) %, 95 % interval in brackets",
        "rule:      Judge a number: reproduced if it is at most 2.5 off, partly if twice that.",
        "reason:    Why.",
    ]
    assert "\nsettings:  none has to do with it\n" in _claims("B-VIC-RATE", "--reports", str(reports))
    assert f"\nsettings:  fitted: {RELATIONS[FITTED]}\n" in _claims("B-F7-06", "--reports", str(reports))
    text = _claims("A-T2-BEST-MSE", "--reports", str(ROOT / "reports"))
    for words in (
        "figure:    reports/figures/",
        "notebook:  notebooks/10-forecasting.ipynb\n",
        "5 seeds\n",
        "sign test",
    ):
        assert words in text


def test_every_rule_can_be_told() -> None:
    told = {describe_rule(claim.rule) for claim in RECORDS}
    assert len(told) >= 8
    assert all(text.startswith("Judge ") and not set(text) & set("*`") for text in told)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--paper", "C"], "error: unknown paper 'C'; known: A, B\n"),
        (
            ["--verdict", "partl"],
            "error: unknown verdict 'partl'; did you mean partly?; known: reproduced, partly, not",
        ),
        (["B-F7-4"], "error: unknown claim 'B-F7-4'; did you mean B-F7-04"),
        (["fig7"], "error: unknown claim 'fig7'; `edgeresearch claims` lists them\n"),
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


def test_each_verdict_has_a_word_and_a_colour() -> None:
    assert tuple(SHORT.values()) == VERDICTS
    assert len(COLOURS) == len(VERDICTS)
    assert len(set(COLOURS)) == len(COLOURS)
