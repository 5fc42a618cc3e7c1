from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.cli.base import described, pair, read_settings, show, warn
from edgeresearch.config import Params
from edgeresearch.errors import InputError


def test_help_keeps_its_examples_on_lines_of_their_own() -> None:
    text = described("Do it.", "edgeresearch do", "edgeresearch do --twice")
    assert text == "Do it.\n\n\b\nExamples:\n  edgeresearch do\n  edgeresearch do --twice"


def test_warnings_go_to_the_error_stream(capsys: pytest.CaptureFixture[str]) -> None:
    warn("mind the gap")
    assert capsys.readouterr() == ("", "warning: mind the gap\n")


def test_settings_come_from_the_file_named_else_from_params_yaml_else_from_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings(None) == Params()
    Path("params.yaml").write_text("seed: 1\n")
    Path("mine.yaml").write_text("seed: 2\n")
    assert (read_settings(None).seed, read_settings(Path("mine.yaml")).seed) == (1, 2)
    with pytest.raises(InputError, match="none.yaml"):
        read_settings(Path("none.yaml"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [("seed=7", ("seed", 7)), ("a=[1, 2]", ("a", [1, 2])), ("on=true", ("on", True)), ("t=a=b", ("t", "a=b"))],
)
def test_a_pair_is_a_key_and_a_yaml_value(words: str, expected: tuple[str, object]) -> None:
    assert pair(words) == expected


@pytest.mark.parametrize("words", ["seed", "=7", "a=[1"])
def test_a_pair_that_is_none_is_told(words: str) -> None:
    with pytest.raises(InputError, match="-p "):
        pair(words)


def test_a_table_is_shown_with_its_title(capsys: pytest.CaptureFixture[str]) -> None:
    show(pd.DataFrame({"model": ["ridge"], "mse": [1.5]}), "scores")
    text = capsys.readouterr().out
    assert text.lstrip().startswith("scores")
    assert "ridge" in text and "1.5" in text
