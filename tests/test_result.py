from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest

from edgeresearch.result import Result


@dataclass(frozen=True, repr=False)
class Answer(Result):
    table: pd.DataFrame
    notes: tuple[str, ...]
    facts: dict[str, Any]
    advice: str = ""


@pytest.fixture
def answer() -> Answer:
    columns = {f"measure_{number:02}": [number + 1 / 3] * 12 for number in range(20)}
    return Answer(pd.DataFrame({"policy": ["los"] * 12, **columns}), ("a < b",), {}, "take los")


def test_a_result_shows_all_columns_within_the_terminals_width(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    lines = repr(answer).splitlines()
    assert lines[0] == "Answer: take los"
    assert lines[-1] == "[table: 12 rows x 21 columns; 1 notes]"
    assert all(any(name in line for line in lines) for name in answer.table)
    assert max(map(len, lines)) <= 70
    assert "3.333" in repr(answer) and "3.3333" not in repr(answer)


def test_a_result_without_advice_is_its_table(answer: Answer) -> None:
    assert repr(Answer(answer.table, (), {})).startswith("Answer\n")
    assert answer.summary == "take los"


def test_a_page_shows_the_advice_the_table_and_the_notes(answer: Answer) -> None:
    shown = answer._repr_html_()
    start = (
        '<div class="tex2jax_ignore mathjax_ignore"><p>take los</p><table'  # Jupyter reads no formula between two `$`
    )
    assert shown.startswith(start) and "measure_19" in shown
    assert shown.endswith("<ul><li>a &lt; b</li></ul></div>")


def test_a_result_that_no_figure_is_of_says_so(answer: Answer) -> None:
    with pytest.raises(TypeError, match="there is no figure for a Answer"):
        answer.plot()
