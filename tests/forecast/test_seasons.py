import numpy as np
import pandas as pd
import pytest

from edgeresearch.errors import InputError
from edgeresearch.forecast.seasons import season
from edgeresearch.series.trace import Origin, Trace


def _trace(rows: int, step: str = "1h") -> Trace:
    index = pd.date_range("2024-01-01", periods=rows, freq=step)
    return Trace(
        "mine", pd.DataFrame({"v": np.arange(rows, dtype=float)}, index=index), pd.Timedelta(step), "v", Origin("")
    )


@pytest.mark.parametrize(
    ("rows", "step", "horizon", "steps"),
    [(72, "1h", 1, 24), (71, "1h", 1, None), (500, "7min", 1, None), (72, "1h", 25, None), (90, "1D", 1, None)],
)
def test_a_guess_is_a_day_and_is_said(rows: int, step: str, horizon: int, steps: int | None) -> None:
    said: list[str] = []
    assert season(None, _trace(rows, step), horizon, said) == steps
    assert said == ["season: none" if steps is None else f"season: a day ({steps} steps)"]


@pytest.mark.parametrize(
    ("wanted", "steps"), [("24", 24), (24, 24), ("1d", 24), ("1D", 24), (" 12h ", 12), ("none", None), ("720min", 12)]
)
def test_what_a_user_may_say(wanted: str | int, steps: int | None) -> None:
    said: list[str] = []
    assert season(wanted, _trace(100), 1, said) == steps
    assert said == []


@pytest.mark.parametrize(
    ("wanted", "horizon", "message"),
    [
        ("often", 1, "season 'often' is neither steps nor a duration; write it like 288, 1d or none"),
        ("nat", 1, "no whole number of steps"),
        ("90min", 1, "a season of 90min is no whole number of steps of 1 h; give it in steps"),
        ("1", 1, "a season of 1 steps is too short; use at least 2"),
        ("-5", 1, "a season of -5 steps is too short"),
        ("6", 7, "no fewer than the horizon, 7"),
        ("34", 1, "a season of 34 steps needs 102 rows, mine has 100; use a shorter season or 'none'"),
    ],
)
def test_what_cannot_be_right(wanted: str, horizon: int, message: str) -> None:
    with pytest.raises(InputError) as caught:
        season(wanted, _trace(100), horizon, [])
    assert message in str(caught.value)
