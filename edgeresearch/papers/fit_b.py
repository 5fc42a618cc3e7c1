"""Global settings of the emulator, fitted to a few published numbers of Paper B; the others stay held out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from joblib import delayed
from scipy.stats import qmc

from edgeresearch import parallel
from edgeresearch.config import SchedulingStudy, SearchBudget
from edgeresearch.emulator import results
from edgeresearch.emulator.api import Scenario, compare_policies
from edgeresearch.papers.limit_adaptation import VALUES, means, plateau
from edgeresearch.stats import by

Value = float | int | bool | str


@dataclass(frozen=True)
class Span:
    """A setting that is a number from `low` to `high`; with `log`, factors count instead of differences."""

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
    """A setting that is one of several values."""

    values: Sequence[Value]

    def at(self, part: float) -> Value:
        """Return the value at a part between 0 and 1."""
        return self.values[min(int(part * len(self.values)), len(self.values) - 1)]


Space = Mapping[str, Span | Choice]
Evaluate = Callable[[Mapping[str, Value], int, int], Mapping[str, float]]
"""Takes settings, repeats, and the number of a set of seeds; returns measures, `loss` among them."""

SPACE: Space = {
    "at_400": Span(30, 60),
    "c": Span(0.9, 1.6),
    "d": Span(8, 18),
    "noise": Span(0.05, 0.5),
    "monitor": Span(0.03, 0.3),
    "work": Span(2, 12, log=True),
    "interval": Span(2, 300, log=True),
    "floor": Span(61, 160),
    "sway": Span(0.005, 0.1, log=True),
    "sway_period": Span(300, 7200, log=True),
    "hop_limit": Choice((3, 4)),
    "sender_limit_binds": Choice((False, True)),
    "infeasible": Choice(("best_fit", "closest")),
    "upward": Choice(("gateway", "all")),
}
"""What is free, and holds for every stream, node and number of streams.

`at_400` is t_job under 400 millicores, which gives eq. 1's `a`. The two prediction jobs of a source leave 60 millicores
there, so that any floor above keeps trainings away, as the paper's set-up does.
"""

LAST = -1
"""Stage of the final evaluation."""


def adjust(scenario: Scenario, values: Mapping[str, Value]) -> Scenario:
    """Return a scenario with other values of some settings.

    Args:
        scenario: What stays.
        values: By name: of eq. 1 (`c`, `d`, and `at_400` in place of `a`), of the stream rule (`work`, `trigger`), of
            the edge (`gateway`, `upward`, `sway`, and `sway_period`: the shortest, the longest is three times that),
            and of any section of the scenario.
    """
    given = dict(values)
    edge: dict[str, object] = {name: given.pop(name) for name in ("sway", "upward") if name in given}
    if "gateway" in given:
        edge["gateways"] = [given.pop("gateway")]
    if "sway_period" in given:
        low = float(given.pop("sway_period"))
        edge["sway_period"] = [low, 3 * low]
    rule = {name: given.pop(name) for name in ("work", "trigger") if name in given}
    testbed = scenario.testbed.with_layer("edge", **edge) if edge else scenario.testbed
    testbed = testbed.with_rule(**rule) if rule else testbed
    cost = scenario.training_cost.replace(**{name: float(given.pop(name)) for name in ("c", "d") if name in given})
    if "at_400" in given:
        cost = cost.replace(a=(float(given.pop("at_400")) - cost.d) * (400 + cost.b) ** cost.c)
    changed: dict[str, Any] = {"testbed": testbed, "training_cost": cost}
    for part in ("rules", "limits", "fitting", "training_cost"):
        section = changed.get(part, getattr(scenario, part))
        names = given.keys() & type(section).model_fields.keys()
        changed[part] = section.replace(**{name: given.pop(name) for name in names})
    return replace(scenario, **{**changed, **given})


def evaluate(
    values: Mapping[str, Value],
    repeats: int,
    stage: int,
    *,
    study: SchedulingStudy,
    targets: Mapping[str, tuple[float, float]],
    seed: int,
) -> dict[str, float]:
    """Run both experiments of the study with other values of some settings (see `adjust`).

    Returns:
        `drop_N` and `hops_N_H` (percent, `attempts`; Figs. 7 and 6), `limit_I` (millicores) and `residual_I` (percent)
        at iterations 1, 32 and 45, `plateau` (iteration; Fig. 5), all infinite where no job came so far, and `loss`:
        the root mean square of the differences to the targets, each divided by its tolerance. What is not a target has
        no part in the loss.
    """
    chosen = adjust(Scenario.of(study), values)
    own = seed + 1000 + stage  # the experiments themselves draw from the seed
    rows, _ = compare_policies(
        chosen, streams=study.streams, policies=["los"], repeats=repeats, hours=study.hours, seed=own
    )
    drops = results.drop_rates(rows).set_index("streams")["drop_percent"]
    shares = results.hop_shares(rows, "attempts").set_index(["streams", "hops"])["share_percent"]
    measured = {f"drop_{count}": float(drops[count]) for count in study.streams}
    for count in study.streams:
        measured |= {f"hops_{count}_{depth}": float(shares.get((count, depth), 0.0)) for depth in (1, 2, 3)}
    rule = chosen.limits.rule
    runs = [means(chosen, study.adaptation, rule=rule, seed=own, repeat=each) for each in range(repeats)]
    course = by(pd.concat(runs), ["iteration"], VALUES).set_index("iteration")
    for iteration in (1, 32, 45):
        measured[f"limit_{iteration}"] = float(course["limit_millicores"].get(iteration, np.inf))
        measured[f"residual_{iteration}"] = float(course["residual"].get(iteration, np.inf))
    limit, before = course["limit_millicores"], study.adaptation.drift_from - 1
    measured["plateau"] = float(plateau(limit, until=before)) if 10 <= before <= len(limit) else np.inf
    off = [(measured[name] - value) / tolerance for name, (value, tolerance) in targets.items()]
    return {"loss": float(np.sqrt(np.mean(np.square(off)))), **measured}


def fit(
    study: SchedulingStudy, targets: Mapping[str, tuple[float, float]], *, seed: int, workers: int = 1
) -> pd.DataFrame:
    """Search `SPACE` for the smallest loss, on the testbed of the study.

    Eq. 1 is fitted on its grid alone: to refine it takes longer and moved no drop rate by more than half a point.

    Args:
        study: What stays, the streams and hours that are run (streams without a target are held out), and how long to
            search.
        targets: What is fitted: value, and the difference that counts as one in the loss, by the names that `evaluate`
            returns.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.

    Returns:
        One row per evaluation, see `search`.
    """
    coarse = study.replace(fitting=study.fitting.replace(refine=False))
    run = partial(evaluate, study=coarse, targets=targets, seed=seed)
    return search(SPACE, run, study.fit, seed=seed, workers=workers)


def search(space: Space, evaluate: Evaluate, budget: SearchBudget, *, seed: int, workers: int = 1) -> pd.DataFrame:
    """Look for the settings with the smallest loss: a Latin hypercube first, then small steps from the best points.

    Each round meets seeds of its own, so that a lucky draw of one round does not survive the next, and what is kept is
    evaluated once more at the end with fresh seeds.

    Args:
        space: What is free.
        evaluate: Runs a point.
        budget: How long to search.
        seed: Root of the search's own randomness.
        workers: Processes; results do not depend on them.

    Returns:
        One row per evaluation: `stage` (0 the hypercube, then the rounds, `LAST` the final evaluation), the settings,
        and what `evaluate` returned.
    """
    rng, repeats = np.random.default_rng(seed), budget.repeats
    points = qmc.LatinHypercube(len(space), rng=rng).random(budget.first)
    tables = [_evaluate_all(space, points, evaluate, repeats[0], 0, workers)]
    for number in range(budget.rounds):
        parents = _best(tables[-1], budget.keep)
        size = budget.step * 0.5 ** (number // 2)
        points = np.vstack([parents, *(_steps(parents, space, size, rng) for _ in range(budget.children))])
        tables.append(_evaluate_all(space, points, evaluate, repeats[1], number + 1, workers))
    last = _evaluate_all(space, _best(tables[-1], budget.keep), evaluate, repeats[2], LAST, workers)
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
    measured = parallel.run((delayed(evaluate)(each, repeats, stage) for each in settings), workers)
    rows = [{"stage": stage, **each, **result} for each, result in zip(settings, measured, strict=True)]
    return pd.DataFrame(rows).assign(point=list(points))
