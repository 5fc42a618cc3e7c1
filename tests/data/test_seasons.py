"""Steps, durations and seasons as people write them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeresearch.data.trace import Origin, Trace, choose_season, format_duration, parse_step
from edgeresearch.errors import InputError


@pytest.mark.parametrize(
    ("written", "seconds"), [("30s", 30), ("30 s", 30), ("5min", 300), ("1h", 3600), ("1D", 86400), ("1d", 86400)]
)
def test_steps(written: str, seconds: int) -> None:
    assert parse_step(written) == pd.Timedelta(seconds=seconds)


@pytest.mark.parametrize("written", ["often", "5 parsecs", "", "0s", "-5min", "NaT"])
def test_what_is_no_step_is_refused(written: str) -> None:
    with pytest.raises(InputError, match=f"step '{written}' is (no duration|not positive)"):
        parse_step(written)


@pytest.mark.parametrize(
    ("size", "text"),
    [("300s", "5 min"), ("90s", "90 s"), ("1D", "1 d"), ("36h", "36 h"), ("500ms", "500 ms"), ("1us", "1e-06 s")],
)
def test_durations_are_written_in_whole_units(size: str, text: str) -> None:
    assert format_duration(pd.Timedelta(size)) == text


@settings(deadline=None)
@given(st.integers(1, 10**9))
def test_a_duration_that_is_written_can_be_read_again(milliseconds: int) -> None:
    size = pd.Timedelta(milliseconds=milliseconds)
    assert parse_step(format_duration(size)) == size


def _trace(rows: int, step: str = "1h") -> Trace:
    index = pd.date_range("2024-01-01", periods=rows, freq=step)
    frame = pd.DataFrame({"v": np.arange(rows, dtype=float)}, index=index)
    return Trace("mine", frame, pd.Timedelta(step), "v", Origin(""))


@pytest.mark.parametrize(
    ("rows", "step", "horizon", "steps"),
    [(72, "1h", 1, 24), (71, "1h", 1, None), (500, "7min", 1, None), (72, "1h", 25, None), (90, "1D", 1, None)],
)
def test_a_season_is_a_day_where_three_are_spanned(rows: int, step: str, horizon: int, steps: int | None) -> None:
    assert choose_season(None, _trace(rows, step), horizon) == steps


@pytest.mark.parametrize(
    ("wanted", "steps"), [("24", 24), (24, 24), ("1d", 24), ("1D", 24), (" 12h ", 12), ("none", None), ("720min", 12)]
)
def test_a_season_that_is_stated(wanted: str | int, steps: int | None) -> None:
    assert choose_season(wanted, _trace(100)) == steps


@pytest.mark.parametrize(
    ("wanted", "horizon", "message"),
    [
        ("often", 1, "season 'often' is neither steps nor a duration; write it like 288, 1d or none"),
        ("nat", 1, "season 'nat' is neither steps nor a duration"),
        ("90min", 1, "a season of 90min is no whole number of steps of 1 h; give it in steps"),
        ("1", 1, "a season of 1 steps is too short; use at least 2"),
        ("-5", 1, "a season of -5 steps is too short"),
        ("6", 7, "no fewer than the horizon, 7"),
        ("34", 1, "a season of 34 steps needs 102 rows, mine has 100; use a shorter season or 'none'"),
    ],
)
def test_a_season_that_does_not_fit_is_refused(wanted: str, horizon: int, message: str) -> None:
    with pytest.raises(InputError) as caught:
        choose_season(wanted, _trace(100), horizon)
    assert message in str(caught.value)
