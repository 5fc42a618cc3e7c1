"""What a user says about the season of a trace, in steps."""

import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.series.stamps import duration, text
from edgeresearch.series.trace import Trace
from edgeresearch.series.windows import ROUNDS

_DAY = pd.Timedelta(days=1)


def season(wanted: str | int | None, trace: Trace, horizon: int, said: list[str]) -> int | None:
    """Return the steps of a season; None for a trace without one.

    Args:
        wanted: Steps (`288`), a duration (`1d`), or `none`; None: a day, if the trace spans `ROUNDS` of them.
        trace: The trace.
        horizon: Steps ahead that will be forecast; a season is not shorter.
        said: Receives a line if the season was guessed.

    Raises:
        InputError: It is neither of these, or does not fit the trace.
    """
    rows = len(trace.frame)
    if wanted is None:
        steps = int(_DAY // trace.step)
        if _DAY % trace.step == pd.Timedelta(0) and steps >= max(2, horizon) and rows >= ROUNDS * steps:
            said.append(f"season: a day ({steps} steps)")
            return steps
        said.append("season: none")
        return None
    told = str(wanted).strip().lower()
    if told == "none":
        return None
    steps = int(told) if told.lstrip("+-").isdigit() else _duration(told, trace.step)
    if steps < max(2, horizon):
        raise InputError(
            f"a season of {steps} steps is too short; use at least 2, and no fewer than the horizon, {horizon}"
        )
    if rows < ROUNDS * steps:
        need = f"needs {ROUNDS * steps} rows, {trace.name} has {rows}"
        raise InputError(f"a season of {steps} steps {need}; use a shorter season or 'none'")
    return steps


def _duration(told: str, step: pd.Timedelta) -> int:
    try:
        length = duration(told)
    except ValueError as error:
        raise InputError(f"season {told!r} is neither steps nor a duration; write it like 288, 1d or none") from error
    if pd.isna(length) or length % step != pd.Timedelta(0):
        raise InputError(f"a season of {told} is no whole number of steps of {text(step)}; give it in steps")
    return int(length // step)
