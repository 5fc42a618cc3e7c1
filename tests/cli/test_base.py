from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.cli.base import join_bounds, pairs, read_settings, show, warn, with_examples
from edgeresearch.config import Params
from edgeresearch.errors import InputError


def test_help_keeps_its_examples_on_lines_of_their_own() -> None:
    text = with_examples("Do it.", "do", "do --twice")
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
    assert read_settings(None, Path("there")).data.folder == "there"
    with pytest.raises(InputError, match="none.yaml"):
        read_settings(Path("none.yaml"))


def test_parameters_are_keys_and_yaml_values_and_the_last_one_counts() -> None:
    assert pairs(None) == {}
    words = ["seed=7", "a=[1, 2]", "on=true", "t=a=b", "seed=8"]
    assert pairs(words) == {"seed": 8, "a": [1, 2], "on": True, "t": "a=b"}


@pytest.mark.parametrize("words", ["seed", "=7", "a=[1"])
def test_a_parameter_that_is_none_is_told(words: str) -> None:
    with pytest.raises(InputError, match="-p "):
        pairs([words])


def test_a_table_is_shown_with_its_title(capsys: pytest.CaptureFixture[str]) -> None:
    show(pd.DataFrame({"model": ["ridge", "none"], "mse": [1.5, float("nan")]}), "scores")
    text = capsys.readouterr().out
    assert text.lstrip().startswith("scores")
    assert "ridge" in text and "1.5" in text and "nan" not in text


def test_bounds_are_joined_where_there_are_any() -> None:
    low, high = pd.Series([1.0, float("nan")]), pd.Series([2.25, float("nan")])
    assert join_bounds(low, high, ".1f").tolist() == ["1.0 to 2.2", ""]
