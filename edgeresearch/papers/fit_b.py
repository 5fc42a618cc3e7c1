"""Global settings of the emulator, fitted to a few published numbers of Paper B; the others stay held out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.emulator import results
from edgeresearch.emulator.experiment import Scenario, compare_policies
from edgeresearch.optimise import Choice, Space, Span, Value, search
from edgeresearch.papers import limit_adaptation
from edgeresearch.papers.settings import LimitAdaptation, SchedulingStudy

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
    scenario: Scenario,
    plan: LimitAdaptation,
    targets: Mapping[str, tuple[float, float]],
    streams: Sequence[int],
    hours: float,
    seed: int,
) -> dict[str, float]:
    """Run both experiments with some values of settings.

    Returns:
        `drop_N` and `hops_N_H` (percent, `attempts`; Figs. 7 and 6), `limit_I` (millicores) and `residual_I` (percent)
        at iterations 1, 32 and 45, `plateau` (iteration; Fig. 5), all infinite where no job came so far, and `loss`:
        the root mean square of the differences to the targets, each divided by its tolerance. What is not a target has
        no part in the loss.
    """
    chosen = adjust(scenario, values)
    own = seed + 1000 + stage  # the experiments themselves draw from the seed
    rows = compare_policies(chosen, streams=streams, policies=["los"], repeats=repeats, hours=hours, seed=own)[0]
    drops = results.drop_rates(rows).set_index("streams")["drop_percent"]
    shares = results.hop_shares(rows, "attempts").set_index(["streams", "hops"])["share_percent"]
    measured = {f"drop_{count}": float(drops[count]) for count in streams}
    for count in streams:
        measured |= {f"hops_{count}_{depth}": float(shares.get((count, depth), 0.0)) for depth in (1, 2, 3)}
    runs = [
        limit_adaptation.means(chosen, plan, rule=chosen.limits.rule, seed=own, repeat=each) for each in range(repeats)
    ]
    course = limit_adaptation.course(runs).set_index("iteration")
    for iteration in (1, 32, 45):
        measured[f"limit_{iteration}"] = float(course["limit_millicores"].get(iteration, np.inf))
        measured[f"residual_{iteration}"] = float(course["residual"].get(iteration, np.inf))
    long = len(course) >= 45
    measured["plateau"] = float(limit_adaptation.plateau(course["limit_millicores"])) if long else np.inf
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
        One row per evaluation, see `optimise.search`; the last stage, -1, has fresh seeds.
    """
    scenario = Scenario.of(study)
    run = partial(
        evaluate,
        scenario=replace(scenario, fitting=scenario.fitting.replace(refine=False)),
        plan=study.adaptation,
        targets=targets,
        streams=study.streams,
        hours=study.hours,
        seed=seed,
    )
    return search(SPACE, run, **dict(study.fit), seed=seed, workers=workers)
