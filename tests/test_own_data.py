"""What the page "Your own data" shows is what happens."""

import re
from pathlib import Path

import pytest

import edgeresearch as er

PAGE = (Path(__file__).parents[1] / "docs" / "own-data.md").read_text(encoding="utf-8")
SAMPLE = re.compile(
    r"```text\n((?:(?!```).*\n)+)```\n\n`(er\.read_trace\(.*?\))`[^`\n]*(?:`--[^`]*`)?.*:\n\n```text\n((?:(?!```).*\n)+)```"
)
SAMPLES = [match.groups() for match in SAMPLE.finditer(PAGE)]


def test_every_sample_is_tried() -> None:
    assert len(SAMPLES) == PAGE.count("```text") / 2


@pytest.mark.parametrize(("content", "call", "told"), SAMPLES, ids=[call for _, call, _ in SAMPLES])
def test_a_sample_is_read_or_refused_as_the_page_says(
    content: str, call: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(re.findall('"(.*?)"', call)[0]).write_text(content, encoding="utf-8")
    try:
        said = "\n".join(eval(call, {"er": er}).notes)
    except er.InputError as error:
        said = str(error)
    assert said == told.rstrip("\n")
