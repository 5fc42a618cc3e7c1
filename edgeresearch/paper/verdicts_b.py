"""How far Paper B's published numbers are reached: every verdict follows from a rule."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, get_args

import pandas as pd

from edgeresearch.emulator.summary import Reading
from edgeresearch.paper import paper_b

HELD_OUT_POINTS, DROP_POINTS, HOP_POINTS = 2.5, 4.0, 6.0
"""Percentage points within which drop rates that were held out, all drop rates, and shares of Fig. 6 count."""
MILLICORES, ITERATIONS, RESIDUAL_POINTS = 20.0, 5.0, 8.0
"""What counts of Fig. 5: limits in millicores, the plateau in iterations, residuals in percentage points."""
MOST = 50.0
"""What "mostly" exceeds, in percent."""
REPRODUCED, PARTLY, NOT = "reproduced", "partly", "not reproduced"


@dataclass(frozen=True)
class Goal:
    """One published number.

    Attributes:
        goal: What it is of.
        where: Its place in the paper.
        unit: Of all numbers.
        published: The number; for `above`, what must be exceeded.
        measured: Ours.
        low: Of its 95 % interval; not a number with one repeat, or where shares are added up.
        high: Likewise.
        tolerance: How far off it may be; 0 for `above`.
        kind: `within` the tolerance of what is published, or `above` it.
    """

    goal: str
    where: str
    unit: str
    published: float
    measured: float
    low: float
    high: float
    tolerance: float = 0.0
    kind: str = "within"

    @property
    def verdict(self) -> str:
        """What follows.

        `within`: `reproduced` if the measured value is within the tolerance, `partly` if only some of its interval is.
        `above`: `reproduced` if the whole interval exceeds what is published, `partly` if only some of it does; without
        an interval the measured value decides. `not reproduced` otherwise; empty where nothing was measured.
        """
        if pd.isna(self.measured):
            return ""
        low, high = (self.measured, self.measured) if pd.isna(self.low) else (self.low, self.high)
        if self.kind == "above":
            return REPRODUCED if low > self.published else PARTLY if high > self.published else NOT
        if abs(self.measured - self.published) <= self.tolerance:
            return REPRODUCED
        return PARTLY if low <= self.published + self.tolerance and high >= self.published - self.tolerance else NOT


def verdicts(limits: pd.DataFrame, landmarks: pd.DataFrame, hops: pd.DataFrame, drops: pd.DataFrame) -> pd.DataFrame:
    """Judge every number that Paper B states for its Figs. 5 to 7.

    Args:
        limits: `los_b.figure5`.
        landmarks: Of the same rule, each job with a node of its own, as the stage `limits` found them.
        hops: As the stage `scheduling` found them, all readings.
        drops: `los_b.figure7`.

    Returns:
        One row per goal, in the paper's order: the attributes of `Goal`, and `verdict`.
    """
    goals = [*_figure5(limits, landmarks), *_figure6(hops), *_figure7(drops)]
    return pd.DataFrame([{**asdict(goal), "verdict": goal.verdict} for goal in goals])


def with_published(hops: pd.DataFrame) -> pd.Series:
    """Return the published share of each row with `streams` and `hops`, where there is one."""
    cells: Any = zip(hops["streams"], hops["hops"], strict=True)
    return pd.Series([paper_b.HOPS_PERCENT.get(cell) for cell in cells], index=hops.index, dtype=float)


def _figure5(limits: pd.DataFrame, landmarks: pd.DataFrame) -> Iterator[Goal]:
    at = limits.set_index("iteration")
    marks = landmarks.set_index("what")

    def of(iteration: int, name: str) -> tuple[float, float, float]:
        if iteration not in at.index:
            return (float("nan"),) * 3
        row: Any = at.loc[iteration]
        return float(row[name]), float(row[f"{name}_low"]), float(row[f"{name}_high"])

    def mark(name: str) -> tuple[float, float, float]:
        row: Any = marks.loc[name]
        return float(row["value"]), float(row["value_low"]), float(row["value_high"])

    for iteration, value in paper_b.LIMIT_MILLICORES.items():
        found = of(iteration, "limit_millicores")
        yield Goal(f"limit in iteration {iteration}", "Fig. 5a", "millicores", value, *found, MILLICORES)
    plateau, drift = float(paper_b.PLATEAU_ITERATION), paper_b.DRIFT_ITERATION
    yield Goal("plateau reached", "Fig. 5a", "iteration", plateau, *mark("plateau"), ITERATIONS)
    yield Goal(f"limit rises from iteration {drift}", "Fig. 5a", "%", 0.0, *mark("rise"), kind="above")
    first, last = paper_b.RESIDUAL_PERCENT
    yield Goal("residual in iteration 1", "Fig. 5c", "%", first, *of(1, "residual"), RESIDUAL_POINTS)
    yield Goal("residual on the plateau", "Fig. 5c", "%", last, *mark("level_residual"), RESIDUAL_POINTS)
    trainings = float(paper_b.TRAININGS)
    yield Goal("trainings", "section VI.B", "trainings", trainings, *mark("trainings"))


def _figure6(hops: pd.DataFrame) -> Iterator[Goal]:
    mine = hops[hops["policy"] == "los"]
    for reading in get_args(Reading):
        at = mine[mine["reading"] == reading].set_index(["streams", "hops"])
        for (streams, depth), value in paper_b.HOPS_PERCENT.items():
            found = (float("nan"),) * 3
            if (streams, depth) in at.index:
                row: Any = at.loc[(streams, depth)]
                found = (float(row["share_percent"]), float(row["low"]), float(row["high"]))
            name = f"{streams} streams, {depth} hops, of {reading}"
            yield Goal(name, "Fig. 6", "%", value, *found, HOP_POINTS)
        most = paper_b.MOSTLY_TWO_OR_THREE
        rows = mine[(mine["reading"] == reading) & (mine["streams"] == most) & mine["hops"].isin((2, 3))]
        share = float(rows["share_percent"].sum()) if len(rows) else float("nan")
        name = f"{most} streams, 2 or 3 hops, of {reading}"
        yield Goal(name, "Fig. 6", "%", MOST, share, float("nan"), float("nan"), kind="above")


def _figure7(drops: pd.DataFrame) -> Iterator[Goal]:
    stated = drops[drops["published"].notna()]
    los = stated[stated["policy"] == "los"]
    for part, points in ((los[los["held_out"]], HELD_OUT_POINTS), (los, DROP_POINTS)):
        held = "held out, " if points == HELD_OUT_POINTS else ""
        for row in part.itertuples():
            name = f"{row.streams} streams, {held}within {points:g} points"
            measured = float(row.drop_percent), float(row.low), float(row.high)  # type: ignore[arg-type]
            yield Goal(name, "Fig. 7", "%", float(row.published), *measured, points)  # type: ignore[arg-type]
    alone = stated[stated["policy"] == "in_situ"]
    if len(alone):
        least: Any = alone.sort_values("drop_percent", kind="stable").iloc[0]
        measured = float(least["drop_percent"]), float(least["low"]), float(least["high"])
        yield Goal("in-situ, fewest over all streams", "section VI.C", "%", paper_b.IN_SITU_DROP_PERCENT, *measured)
