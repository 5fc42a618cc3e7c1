"""Global settings of the emulator, fitted to a few published numbers of Paper B; the others stay held out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from edgeresearch.emulator import results
from edgeresearch.emulator.city import city_from_settings
from edgeresearch.emulator.experiment import Setup, scheduling, setup
from edgeresearch.optimise import Budget, Choice, Space, Span, Value, search
from edgeresearch.papers import figure5

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
    "sender": Choice((False, True)),
    "infeasible": Choice(("best_fit", "closest")),
    "upward": Choice(("gateway", "all")),
}
"""What is free, and holds for every stream, node and number of streams.

`at_400` is t_job under 400 millicores, which gives eq. 1's `a`. The two prediction jobs of a source leave 60 millicores
there, so that any floor above keeps trainings away, as the paper's set-up does.
"""


LAST = -1
"""Stage of the final evaluation."""


class Target(NamedTuple):
    """A published number that is fitted.

    Attributes:
        value: The number.
        tolerance: Difference that counts as one in the loss.
    """

    value: float
    tolerance: float


def adjusted(setup: Setup, settings: Mapping[str, Value]) -> Setup:
    """Return a setup with other values of some settings.

    Args:
        setup: What stays.
        settings: By name: of eq. 1 (`c`, `d`, and `at_400` in place of `a`), of the stream rule (`work`, `trigger`), of
            the edge (`gateway`, `upward`, `sway`, and `sway_period`: the shortest, the longest is three times that),
            and of any section of the setup.
    """
    given = dict(settings)
    edge: dict[str, object] = {name: given.pop(name) for name in ("sway", "upward") if name in given}
    if "gateway" in given:
        edge["gateways"] = [given.pop("gateway")]
    if "sway_period" in given:
        low = float(given.pop("sway_period"))
        edge["sway_period"] = [low, 3 * low]
    rule = {name: given.pop(name) for name in ("work", "trigger") if name in given}
    testbed = setup.testbed.with_layer("edge", **edge) if edge else setup.testbed
    testbed = testbed.with_rule(**rule) if rule else testbed
    curve = setup.curve._replace(**{name: float(given.pop(name)) for name in ("c", "d") if name in given})
    if "at_400" in given:
        curve = curve._replace(a=(float(given.pop("at_400")) - curve.d) * (400 + curve.b) ** curve.c)
    parts = {}
    for part in ("rules", "limits", "fitting", "truth"):
        section = getattr(setup, part)
        names = given.keys() & section.__dataclass_fields__.keys()
        parts[part] = replace(section, **{name: given.pop(name) for name in names})
    return replace(setup, testbed=testbed, curve=curve, **parts, **given)  # type: ignore[arg-type]


def evaluate(
    settings: Mapping[str, Value],
    repeats: int,
    stage: int,
    *,
    setup: Setup,
    plan: figure5.Plan,
    targets: Mapping[str, Target],
    streams: Sequence[int],
    hours: float,
    seed: int,
) -> dict[str, float]:
    """Run both experiments with settings.

    Returns:
        `drop_N` and `hops_N_H` (percent, `attempts`; Figs. 7 and 6), `limit_I` (millicores) and `residual_I` (percent)
        at iterations 1, 32 and 45, `plateau` (iteration; Fig. 5), all infinite where no job came so far, and `loss`:
        the root mean square of the differences to the targets, each divided by its tolerance. What is not a target has
        no part in the loss.
    """
    chosen = adjusted(setup, settings)
    own = seed + 1000 + stage  # the experiments themselves draw from the seed
    rows = scheduling(chosen, streams=streams, policies=["los"], repeats=repeats, hours=hours, seed=own)[0]
    drops = results.drop_rates(rows).set_index("streams")["drop_percent"]
    shares = results.hops(rows, "attempts").set_index(["streams", "hops"])["share_percent"]
    found = {f"drop_{count}": float(drops[count]) for count in streams}
    for count in streams:
        found |= {f"hops_{count}_{depth}": float(shares.get((count, depth), 0.0)) for depth in (1, 2, 3)}
    runs = [figure5.means(chosen, plan, rule=chosen.limits.rule, seed=own, repeat=each) for each in range(repeats)]
    course = figure5.course(runs).set_index("iteration")
    for iteration in (1, 32, 45):
        found[f"limit_{iteration}"] = float(course["limit_millicores"].get(iteration, np.inf))
        found[f"residual_{iteration}"] = float(course["residual"].get(iteration, np.inf))
    found["plateau"] = float(figure5.plateau(course["limit_millicores"])) if len(course) >= 45 else np.inf
    off = [(found[name] - target.value) / target.tolerance for name, target in targets.items()]
    return {"loss": float(np.sqrt(np.mean(np.square(off)))), **found}


def calibrate(
    setup: Setup,
    plan: figure5.Plan,
    targets: Mapping[str, Target],
    *,
    streams: Sequence[int],
    hours: float,
    seed: int,
    budget: Budget,
    workers: int = 1,
) -> pd.DataFrame:
    """Search `SPACE` for the smallest loss.

    Args:
        setup: What stays.
        plan: Of the experiment of Fig. 5.
        targets: What is fitted, by the names that `evaluate` returns.
        streams: Numbers of streams that are run; those without a target are held out.
        hours: Virtual time of each run.
        seed: Root of all randomness.
        budget: How long to search.
        workers: Processes; results do not depend on them.

    Returns:
        One row per evaluation, see `fitting.search`; the last stage, -1, has fresh seeds.
    """
    run = partial(evaluate, setup=setup, plan=plan, targets=targets, streams=streams, hours=hours, seed=seed)
    return search(SPACE, run, budget, seed=seed, workers=workers)


def fitted(
    section: Mapping[str, Any], targets: Mapping[str, tuple[float, float]], *, seed: int, workers: int = 1
) -> pd.DataFrame:
    """Search as the settings say, on the testbed that they name.

    Eq. 1 is fitted on its grid alone: to refine it takes longer and moved no drop rate by more than half a point.

    Args:
        section: `los` of the settings as plain values.
        targets: What is fitted: value and tolerance by the names that `evaluate` returns.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.

    Returns:
        One row per evaluation, see `calibrate`.
    """
    chosen = setup(section, city_from_settings(section))
    wanted = {name: value for name, value in section["adaptation"].items() if name != "repeats"}
    return calibrate(
        replace(chosen, fitting=replace(chosen.fitting, refine=False)),
        figure5.Plan(**wanted),
        {name: Target(*pair) for name, pair in targets.items()},
        streams=section["streams"],
        hours=section["hours"],
        seed=seed,
        budget=Budget(**section["fit"]),
        workers=workers,
    )
