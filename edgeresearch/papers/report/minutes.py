"""Where the minutes of the pipeline go: a table by stage, from seconds that were measured."""

from pathlib import Path

import pandas as pd

from edgeresearch.papers.report.cells import Missing, Printed, fixed
from edgeresearch.timings import REST, read

SECONDS = Path("data") / "measured" / "stage_seconds.csv"
"""Where the measured seconds lie in a project folder."""

HOW = "edgeresearch reproduce --timings data/measured/stage_seconds.csv"
NAME = "minutes"
_REST = "DVC itself"


def minutes(home: Path) -> Printed | Missing:
    """Sum the seconds of the stages, those of one stage's items together, the longest first.

    Args:
        home: The project folder.

    Returns:
        The table: stage, parts (in how many it was measured), CPU and wall minutes, share of the CPU minutes.

    Raises:
        InputError: The file of seconds is not such a table.
    """
    seconds = read(home / SECONDS)
    if seconds.empty:
        return Missing(NAME, f"no stage was measured; {HOW} measures those that run")
    seconds["stage"] = seconds["stage"].str.partition("@")[0].replace(REST, _REST)
    grouped = seconds.groupby("stage").agg(
        parts=("stage", "size"), cpu=("cpu_seconds", "sum"), wall=("wall_seconds", "sum")
    )
    grouped = grouped.sort_values(["cpu", "wall"], ascending=False, kind="stable")
    total = grouped.sum()
    share = 100 * grouped["cpu"] / (total["cpu"] or 1.0)
    table = pd.DataFrame(
        {
            "stage": [*grouped.index, "all"],
            "parts": [*grouped["parts"].astype(str), str(int(total["parts"]))],
            "CPU minutes": fixed([*grouped["cpu"] / 60, total["cpu"] / 60], 1),
            "wall minutes": fixed([*grouped["wall"] / 60, total["wall"] / 60], 1),
            "% of CPU": fixed([*share, share.sum()], 0),
        }
    )
    machines = "; ".join(dict.fromkeys(seconds["machine"].dropna()))
    note = f"Measured on: {machines}; {HOW} measures the stages that run. Items of a stage are one row."
    return Printed(NAME, "Where the minutes of the pipeline go", table, (note,))
