"""Two ways to do one thing, timed in turn, so that a busy machine slows both."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

COLUMNS = {"s": "seconds", "wall": "elapsed", "mse": "mse", "bytes": "bytes"}
"""Columns of `ratios.csv` by unit, each with `_ours` and `_peer`."""

WALL = ("wall_ours", "wall_peer", "wall_ratio", "wall_low", "wall_high")
"""Columns of `ratios.csv` for wall time."""


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        what: What was measured.
        size: How much of it.
        peer: What it is compared with.
        ours: One number per repeat: CPU seconds, or wall seconds where `unit` is `wall`, the error where it is `mse`,
            memory where it is `bytes`.
        theirs: The peer's numbers, measured in turn with ours.
        bound: Largest ratio that the claim allows; None where nothing is claimed.
        unit: A key of `COLUMNS`.
        wall: Wall seconds of both where they were measured too; the verdict goes by CPU time.
    """

    what: str
    size: str
    peer: str
    ours: Sequence[float]
    theirs: Sequence[float]
    bound: float | None = None
    unit: str = "s"
    wall: tuple[Sequence[float], Sequence[float]] | None = None

    @property
    def ratios(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.ours, dtype=np.float64) / np.asarray(self.theirs, dtype=np.float64)

    @property
    def ratio(self) -> float:
        return float(np.median(self.ratios))

    @property
    def verdict(self) -> str:
        if self.bound is None:
            return "no claim"
        return "met" if self.ratio <= self.bound else "not met"

    def record(self) -> dict[str, object]:
        """Columns of `ratios.csv`; low and high hold 95 % of the repeats."""
        low, high = _spread(self.ratios)
        values: dict[str, float | None] = {
            f"{name}_{who}": None for name in COLUMNS.values() for who in ("ours", "peer")
        }
        name = COLUMNS[self.unit]
        values[f"{name}_ours"], values[f"{name}_peer"] = float(np.median(self.ours)), float(np.median(self.theirs))
        start = {"what": self.what, "size": self.size, "peer": self.peer, "ratio": self.ratio}
        return {
            **start, "low": low, "high": high, "bound": self.bound, "verdict": self.verdict, **values, **self._walls()
        }  # fmt: skip

    def _walls(self) -> dict[str, float | None]:
        if self.wall is None:
            return dict.fromkeys(WALL)
        ours, theirs = (np.asarray(each, dtype=np.float64) for each in self.wall)
        numbers = (np.median(ours), np.median(theirs), np.median(ours / theirs), *_spread(ours / theirs))
        return {name: float(number) for name, number in zip(WALL, numbers, strict=True)}


def _spread(ratios: npt.NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)


class Spent(NamedTuple):
    """Seconds of CPU time, of all threads of the process, and of wall time."""

    cpu: float
    wall: float


def spent(call: Callable[[], object], number: int = 1) -> Spent:
    """Seconds of one of `number` calls, both ways."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(number):
        call()
    return Spent((time.process_time() - cpu) / number, (time.perf_counter() - wall) / number)


def seconds(call: Callable[[], object], number: int = 1) -> float:
    """CPU seconds of one of `number` calls."""
    start = time.process_time()
    for _ in range(number):
        call()
    return (time.process_time() - start) / number


def in_turn(
    ours: Callable[[], object], theirs: Callable[[], object], *, repeats: int, number: int
) -> tuple[list[float], list[float]]:
    """Time both in turn, `repeats` times `number` calls each, after a warm-up."""
    seconds(ours, max(number // 10, 1))
    seconds(theirs, max(number // 10, 1))
    pairs = [(seconds(ours, number), seconds(theirs, number)) for _ in range(repeats)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def both(what: str, size: str, peer: str, pairs: Sequence[tuple[Spent, Spent]], bound: float | None = None) -> Row:
    """Return the row of pairs that were timed both ways."""
    ours, theirs = zip(*pairs, strict=True)
    walls = ([took.wall for took in ours], [took.wall for took in theirs])
    return Row(what, size, peer, [took.cpu for took in ours], [took.cpu for took in theirs], bound, wall=walls)
