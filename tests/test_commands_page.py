"""What the pages show of commands on files of a clone is what comes out."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgeresearch import cli

ROOT = Path(__file__).parents[1]
COMMANDS_PAGE = ROOT / "docs" / "commands.md"
PAGES = [ROOT / "docs" / name for name in ("your-own.md", "sweep.md")]
SHOWN = re.compile(r"^    edgeresearch (.*)\n\n```text\n((?:(?!```).*\n)+)```", re.MULTILINE)
COMMANDS = [found for page in PAGES for found in SHOWN.findall(page.read_text(encoding="utf-8"))]
NUMBER = re.compile(r"(\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)")


def _parts(line: str) -> list[str]:
    """Words and numbers in turn, whatever the widths of a table's columns."""
    return NUMBER.split(" ".join(re.sub("[─━]+", "", line).split()))


def test_each_command_of_users_is_shown_with_its_output() -> None:
    assert {words.split()[0] for words, _ in COMMANDS} == {"forecast", "elastic", "los", "detect", "sweep"}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert text.count("```text") == len(SHOWN.findall(text)), "an output without its command is not tried"


def test_the_page_of_commands_shows_what_they_print(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    blocks = re.findall(
        r"```text\n\$ edgeresearch (.*)\n((?:(?!```).*\n)+)```", COMMANDS_PAGE.read_text(encoding="utf-8")
    )
    assert len(blocks) == 2
    for words, shown in blocks:
        with pytest.raises(SystemExit):
            cli.main(words.split())
        assert "".join(capsys.readouterr()) == shown


@pytest.mark.parametrize(("words", "shown"), COMMANDS, ids=[words for words, _ in COMMANDS])
def test_a_command_prints_what_its_page_shows(
    words: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line by line, and number by number but for the last digits, in which processors differ."""
    monkeypatch.chdir(tmp_path)
    Path("examples").symlink_to(ROOT / "examples")
    done = CliRunner().invoke(cli.app, words.split(), env={"COLUMNS": "100", "TERM": "dumb"}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    printed, wanted = done.output.splitlines(), shown.splitlines()
    assert len(printed) == len(wanted), done.output
    for line, want in zip(printed, wanted, strict=True):
        found, parts = _parts(line), _parts(want)
        assert found[::2] == parts[::2], line
        for number, expected in zip(found[1::2], parts[1::2], strict=True):
            value, other = (float(each.replace(",", "")) for each in (number, expected))
            assert value == pytest.approx(other, rel=0.02, abs=0.02), line
