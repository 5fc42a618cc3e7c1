"""Shares over repeats with their intervals: drops, hops, reasons, layers (Paper B, Figs. 6 and 7)."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from edgeresearch.intervals import interval
from edgeresearch.los.request import Reason

Reading = Literal["attempts", "triggers", "placed"]
"""What Fig. 6's shares are of: see `hops`."""


def drop_rates(triggers: pd.DataFrame) -> pd.DataFrame:
    """Return the share of triggers that were dropped: `policy`, `streams`, `drop_percent`, `low`, `high` (Fig. 7)."""
    every = triggers.assign(dropped=triggers["end"] == "dropped")
    table = _shares(every[every["dropped"]], every, "dropped", values=[True]).drop(columns="dropped")
    return table.rename(columns={"share_percent": "drop_percent"})


def hops(triggers: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """Return how often triggers were handed over: `policy`, `streams`, `hops`, `share_percent`, `low`, `high` (Fig. 6).

    The paper's figure shows "the portion of attempts (indicated by the number of hops) to pass jobs to a neighbor in
    order to find a suitable spot", and its text speaks of trainings that "had to be forwarded two times".

    Args:
        triggers: One row per trigger.
        reading: `attempts`: all triggers that looked for a place, the dropped ones at the depth that they had reached;
            `triggers`: of all triggers, those that ran after so many hops; `placed`: of the trainings that ran.
    """
    ran = triggers[triggers["end"] != "dropped"]
    if reading == "placed":
        return _shares(ran, ran, "hops")
    if reading == "triggers":
        return _shares(ran, triggers, "hops")
    looked = triggers[triggers["reason"] != Reason.BUSY]
    return _shares(looked, looked, "hops")


def shares(triggers: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the share of all triggers by a column such as `reason` or `layer`, in percent, with 95 % intervals."""
    return _shares(triggers, triggers, column)


def _shares(
    part: pd.DataFrame, whole: pd.DataFrame, column: str, values: Sequence[object] | None = None
) -> pd.DataFrame:
    """Share of rows by a column, where a value that a repeat lacks counts as none, and a repeat without rows not."""
    keys = ["policy", "streams"]
    values = sorted(part[column].unique()) if values is None else values
    rows: list[dict[str, object]] = []
    for (policy, streams), every in whole.groupby(keys, sort=False):
        mine = part[(part["policy"] == policy) & (part["streams"] == streams)]
        sizes = every.groupby("repeat").size()
        for value in values:
            counts = mine[mine[column] == value].groupby("repeat").size().reindex(sizes.index, fill_value=0)
            mean, low, high = interval(100 * counts / sizes)
            rows.append(
                {
                    **{"policy": policy, "streams": streams, column: value, "share_percent": mean},
                    "low": low,
                    "high": high,
                }
            )
    return pd.DataFrame(rows, columns=[*keys, column, "share_percent", "low", "high"])
