import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeresearch.elastic.gaps import filled
from edgeresearch.errors import InputError
from edgeresearch.series import grid
from edgeresearch.series.trace import Origin, Trace

NAN = float("nan")


def _trace(values: list[float]) -> Trace:
    minute = pd.Timedelta("1min")
    frame = pd.DataFrame({"hits": values}, index=grid.index("2024-03-01", len(values), minute))
    return Trace("own", frame, minute, "hits", Origin("file"), {"absent": 1})


def test_a_short_gap_becomes_a_line_and_is_told() -> None:
    trace = _trace([1.0, NAN, NAN, 4.0, 2.0, NAN, 0.0])
    whole, said = filled(trace, 2, "own.csv")
    assert whole.values.tolist() == [1, 2, 3, 4, 2, 1, 0]
    assert whole.repairs == {"absent": 1, "filled": 3}
    assert whole.step == trace.step
    assert said == [
        "filled: 3 of 7 steps, in 2 gaps of at most 2, by straight lines, easier to forecast than real load"
    ]
    assert trace.values.isna().sum() == 3
    assert filled(_trace([1.0, NAN, 2.0]), 5, "own.csv")[1][0].startswith("filled: 1 of 3 steps, in 1 gap of at most 1")


@pytest.mark.parametrize("limit", [0, 3])
def test_a_trace_without_gaps_is_as_it_was(limit: int) -> None:
    trace = _trace([1.0, 2.0, 3.0])
    assert filled(trace, limit, "own.csv") == (trace, [])


def test_no_gap_is_filled_unless_asked() -> None:
    with pytest.raises(InputError) as caught:
        filled(_trace([1.0, NAN, 2.0, 3.0]), 0, "own.csv")
    assert str(caught.value) == (
        "own.csv: 1 of 4 steps of 1 min are missing, the first at 2024-03-01 00:01:00; let --fill interpolate gaps up "
        "to a length (the longest here is 1), or cut the file to its longest stretch without gaps, "
        "2024-03-01 00:02:00 to 2024-03-01 00:03:00"
    )


def test_a_longer_gap_is_refused_and_a_shorter_one_does_not_split_a_stretch() -> None:
    with pytest.raises(InputError) as caught:
        filled(_trace([1.0, 2.0, NAN, NAN, NAN, 2.0, NAN, 3.0]), 2, "own.csv")
    assert str(caught.value) == (
        "own.csv: 3 of 8 steps of 1 min are missing in gaps longer than 2, the first at 2024-03-01 00:02:00; let "
        "--fill interpolate gaps up to a length (the longest here is 3), or cut the file to its longest stretch "
        "without such gaps, 2024-03-01 00:05:00 to 2024-03-01 00:07:00"
    )


@pytest.mark.parametrize("values", [[NAN, 1.0, 2.0], [1.0, 2.0, NAN]])
def test_a_gap_at_an_end_has_nothing_to_be_drawn_to(values: list[float]) -> None:
    with pytest.raises(InputError, match="1 of 3 steps of 1 min are missing"):
        filled(_trace(values), 9, "own.csv")


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(InputError, match="fill -1 is below 0; use 0 or more"):
        filled(_trace([1.0, 2.0]), -1, "own.csv")


@given(
    st.lists(st.one_of(st.none(), st.floats(0, 1e6)), max_size=30).map(lambda middle: [1.0, *middle, 2.0]),
    st.integers(0, 8),
)
def test_what_was_observed_stays_and_the_rest_lies_between_its_neighbours(
    values: list[float | None], limit: int
) -> None:
    given = pd.Series(values, dtype=float)
    _, lengths = grid.runs(given.isna())
    trace = _trace(given.tolist())
    if lengths.max(initial=0) > limit:
        with pytest.raises(InputError, match="are missing"):
            filled(trace, limit, "own.csv")
        return
    whole = filled(trace, limit, "own.csv")[0].values.reset_index(drop=True)
    known = given.notna()
    np.testing.assert_array_equal(whole[known], given[known])
    low = np.minimum(given.ffill(), given.bfill())
    high = np.maximum(given.ffill(), given.bfill())
    assert (whole >= low - 1e-6).all()
    assert (whole <= high + 1e-6).all()
