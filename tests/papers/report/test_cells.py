import pandas as pd
import pytest

from edgeresearch.papers.report.cells import NONE, fixed, numeric, ratio, spans, with_span

NAN = float("nan")


def test_numbers_have_their_decimals_and_a_dash_stands_for_none() -> None:
    assert fixed([1.25, 10.0, NAN], 1) == ["1.2", "10.0", NONE]
    assert fixed([0.5], 3) == ["0.500"]
    assert fixed([], 1) == []


def test_intervals_are_written_out_where_both_ends_are_known() -> None:
    assert spans([1.0, NAN, 2.0], [2.04, 3.0, NAN], 1) == ["1.0 to 2.0", NONE, NONE]
    with pytest.raises(ValueError, match="shorter"):
        spans([1.0], [], 1)


def test_a_number_and_its_interval_share_a_cell() -> None:
    assert with_span(3.58, 3.53, 3.63) == "3.6 [3.5, 3.6]"
    assert with_span(NAN, 1.0, 2.0) == NONE


@pytest.mark.parametrize(
    ("value", "base", "text"),
    [
        (2.0, 4.0, "0.500"),
        (0.0, 4.0, "0.000"),
        (None, 4.0, NONE),
        (2.0, None, NONE),
        (2.0, NAN, NONE),
        (2.0, 0.0, NONE),
    ],
)
def test_a_ratio_needs_both_numbers(value: float | None, base: float | None, text: str) -> None:
    assert ratio(value, base) == text


@pytest.mark.parametrize(
    ("cells", "right"),
    [
        (["1.0", "-2", NONE], True),
        (["1.0 to 2.0", "3"], True),
        (["3.6 [3.5, 3.6]", NONE], True),
        (["9,161"], True),
        ([NONE, NONE], False),
        (["ridge", "1"], False),
        (["1 of 9"], False),
    ],
)
def test_columns_of_numbers_stand_at_the_right(cells: list[str], right: bool) -> None:
    assert numeric(pd.Series(cells)) is right
