from pathlib import Path

import pandas as pd
import pytest

from edgeresearch.cli.base import (
    answer,
    join_bounds,
    name_flags,
    pairs,
    read_settings,
    show,
    status,
    warn,
    with_examples,
)
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
    assert pairs(["seed=7", "trace=7"], {"trace"}) == {"seed": 7, "trace": "7"}


@pytest.mark.parametrize("words", ["seed", "=7", "a=[1", "a={b: 1, b: 2}"])
def test_a_parameter_that_is_none_is_told(words: str) -> None:
    with pytest.raises(InputError, match="-p "):
        pairs([words])


def test_a_table_is_shown_with_its_title(capsys: pytest.CaptureFixture[str]) -> None:
    show(pd.DataFrame({"model": ["ridge", "none"], "mse": [1.5, float("nan")]}), "scores")
    text = capsys.readouterr().out
    assert text.lstrip().startswith("scores")
    assert "ridge" in text and "1.5" in text and "nan" not in text


def test_names_are_no_markup_and_move_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    show(pd.DataFrame({"[bold]a": ["[/site]", "\x1b[2J"]}), "[prod] Z\udcfcrich\u202e")
    text = capsys.readouterr().out
    assert text.splitlines()[0] == "[prod] Z?rich\\u202e"
    assert all(name in text for name in ("[bold]a", "[/site]", "\\x1b[2J"))
    assert name_flags("a\nb\x07 `tz`") == "a b\\x07 --tz"
    with status("[/site]") as under_way:
        assert under_way.status.plain == "[/site]"  # type: ignore[union-attr]


class Saved:
    notes, summary = ("read",), "fine"

    def save(self, out: Path) -> Path:
        out.write_text("saved")
        return out


def test_a_result_is_saved_though_nobody_reads_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", closed)
    with pytest.raises(BrokenPipeError):
        answer(Saved(), [], "", tmp_path / "out")
    assert (tmp_path / "out").read_text() == "saved"


def test_bounds_are_joined_where_there_are_any() -> None:
    low, high = pd.Series([1.0, float("nan")]), pd.Series([2.25, float("nan")])
    assert join_bounds(low, high, ".1f").tolist() == ["1.0 to 2.2", ""]
