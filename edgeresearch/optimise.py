"""A search over a few global settings: Latin hypercube first, then small steps from the best ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from joblib import delayed
from scipy.stats import qmc

from edgeresearch import parallel

Value = float | int | bool | str


@dataclass(frozen=True)
class Span:
    """A setting that is a number.

    Attributes:
        low: Smallest value.
        high: Largest value.
        log: Whether factors count instead of differences.
    """

    low: float
    high: float
    log: bool = False

    def at(self, part: float) -> Value:
        """Return the value at a part of the span between 0 and 1, to four digits."""
        low, high = (np.log(self.low), np.log(self.high)) if self.log else (self.low, self.high)
        value = low + part * (high - low)
        return float(f"{np.exp(value) if self.log else value:.4g}")


@dataclass(frozen=True)
class Choice:
    """A setting that is one of several values.

    Attributes:
        values: Those.
    """

    values: Sequence[Value]

    def at(self, part: float) -> Value:
        """Return the value at a part between 0 and 1."""
        return self.values[min(int(part * len(self.values)), len(self.values) - 1)]


Space = Mapping[str, Span | Choice]
Evaluate = Callable[[Mapping[str, Value], int, int], Mapping[str, float]]
"""Takes settings, repeats, and the number of a set of seeds; returns measures, `loss` among them."""


def search(
    space: Space,
    evaluate: Evaluate,
    *,
    first: int,
    keep: int,
    rounds: int,
    children: int,
    step: float,
    repeats: tuple[int, int, int],
    seed: int,
    workers: int = 1,
) -> pd.DataFrame:
    """Look for the settings with the smallest loss.

    Each round meets seeds of its own, so that a lucky draw of one round does not survive the next, and what is kept is
    evaluated once more at the end with fresh seeds.

    Args:
        space: What is free.
        evaluate: Runs a point.
        first: Points of the hypercube.
        keep: Best ones that the next round starts from.
        rounds: Rounds of steps.
        children: Steps from each in a round.
        step: Standard deviation of a step in the first round, as a part of each span; it halves every second round.
        repeats: Of a point of the hypercube and of a step, and of the final evaluation.
        seed: Root of the search's own randomness.
        workers: Processes; results do not depend on them.

    Returns:
        One row per evaluation: `stage` (0 the hypercube, then the rounds, -1 the final evaluation), the settings, and
        what `evaluate` returned.
    """
    rng = np.random.default_rng(seed)
    points = qmc.LatinHypercube(len(space), rng=rng).random(first)
    tables = [_evaluate_all(space, points, evaluate, repeats[0], 0, workers)]
    for number in range(rounds):
        parents = _best(tables[-1], keep)
        size = step * 0.5 ** (number // 2)
        points = np.vstack([parents, *(_steps(parents, space, size, rng) for _ in range(children))])
        tables.append(_evaluate_all(space, points, evaluate, repeats[1], number + 1, workers))
    last = _evaluate_all(space, _best(tables[-1], keep), evaluate, repeats[2], -1, workers)
    return pd.concat([*tables, last], ignore_index=True).drop(columns="point")


def _steps(parents: np.ndarray, space: Space, size: float, rng: np.random.Generator) -> np.ndarray:
    moved = parents + size * rng.standard_normal(parents.shape)
    moved = 1 - np.abs(1 - np.abs(moved) % 2)  # mirrored at both ends
    jump = rng.random(parents.shape) < 0.1
    for at, spot in enumerate(space.values()):
        if isinstance(spot, Choice):
            moved[:, at] = np.where(jump[:, at], rng.random(len(parents)), parents[:, at])
    return np.asarray(np.clip(moved, 0, 1))


def _best(table: pd.DataFrame, keep: int) -> np.ndarray:
    return np.array(table.nsmallest(keep, "loss")["point"].tolist())


def _evaluate_all(
    space: Space, points: np.ndarray, evaluate: Evaluate, repeats: int, stage: int, workers: int
) -> pd.DataFrame:
    settings = [
        {name: spot.at(float(part)) for part, (name, spot) in zip(point, space.items(), strict=True)}
        for point in points
    ]
    results: list[Mapping[str, Any]] = parallel.run(
        (delayed(evaluate)(each, repeats, stage) for each in settings), workers
    )
    rows = [{"stage": stage, **each, **result} for each, result in zip(settings, results, strict=True)]
    return pd.DataFrame(rows).assign(point=list(points))
