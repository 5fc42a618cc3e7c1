"""What became of emulated trainings, so that it can happen to the trainings of real streams (Paper B, section V.3).

An emulator's stream triggers a training each period, a sensor's stream after so many samples: one emulated trigger
stands for one of the sensor's, and times become samples by that. A training that was complete after half a period has
its model there when half of the samples until the next trigger have come. So the rate of the samples plays no part: the
emulated streams have one each fraction of a second, the sensors one in minutes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from edgeresearch.anomaly.trainings import Decision, Request
from edgeresearch.errors import InputError

COLUMNS = ("policy", "streams", "repeat", "job", "time", "end", "complete", "period")
"""What is read of the emulator's triggers."""
FINISHED = "finished"
"""How a training ends whose model is published; any other end leaves the old model in use."""


class Cell(NamedTuple):
    """Whose trainings they were.

    Attributes:
        policy: That placed them.
        streams: How many streams there were.
    """

    policy: str
    streams: int


Outcomes = tuple[float | None, ...]
"""What became of the trainings of a stream, in order: samples until the model was there, None where there was none."""


def read(path: str | Path) -> pd.DataFrame:
    """Read the triggers that `edgeresearch emulate scheduling` wrote.

    Raises:
        InputError: The file is missing or no table of triggers.
    """
    make = "make it with 'edgeresearch emulate scheduling'"
    if not Path(path).is_file():
        raise InputError(f"no file {path}; {make}")
    try:
        return pd.read_parquet(path, columns=list(COLUMNS))
    except (OSError, ValueError) as error:  # not readable, no parquet, or a column that is not there
        raise InputError(f"{path} holds no triggers: {error}; {make}") from error


def by_cell(triggers: pd.DataFrame, *, every: int) -> dict[Cell, list[Outcomes]]:
    """Return what became of the trainings of each emulated stream, those of all repeats one after the other.

    Args:
        triggers: One row per trigger, with `COLUMNS`; times in seconds.
        every: Samples for each trigger.

    Raises:
        InputError: There is no trigger.
    """
    if triggers.empty:
        raise InputError("there is no trigger; emulate more hours")
    ordered = triggers.sort_values(["repeat", "job", "time"], kind="stable")
    share = (ordered["complete"] / ordered["period"]).astype(np.float64).where(ordered["end"].eq(FINISHED).to_numpy())
    keyed = ordered.assign(samples=every * share, policy=ordered["policy"].astype(str))
    found: dict[Cell, list[Outcomes]] = {}
    for policy, streams in keyed[["policy", "streams"]].drop_duplicates().itertuples(index=False, name=None):
        mine = keyed[(keyed["policy"] == policy) & (keyed["streams"] == streams)]
        found[Cell(policy, int(streams))] = [
            tuple(None if np.isnan(value) else value for value in part.tolist())
            for _, part in mine.groupby(["repeat", "job"], sort=False)["samples"]
        ]
    return found


def drawn(cells: Mapping[Cell, Sequence[Outcomes]], rng: np.random.Generator) -> dict[Cell, Outcomes]:
    """Return one emulated stream of each cell, from a training on that is drawn, too, and round to the one before it.

    Two numbers are drawn for all cells, so policies with equally many streams are compared on the same emulated stream
    at the same time.
    """
    stream, begin = rng.random(2)
    chosen = {}
    for cell, streams in cells.items():
        own = streams[int(stream * len(streams))]
        at = int(begin * len(own))
        chosen[cell] = own[at:] + own[:at]
    return chosen


def cycled(outcomes: Outcomes, *, first: int = 2) -> Decision:
    """Decide on trainings as it was recorded; after the last outcome comes the first again, however many there are.

    Args:
        outcomes: What became of the trainings, in order; at least one.
        first: Number of the training that takes the first outcome. A stream's own first training, without which it has
            no model at all, takes none.

    Raises:
        InputError: There is no outcome.
    """
    if not outcomes:
        raise InputError("no outcome is recorded; give at least one")

    def decide(request: Request) -> float | None:
        return outcomes[(request.number - first) % len(outcomes)]

    return decide
