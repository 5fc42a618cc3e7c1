"""What happens as one setting is varied: stale views, more gateways, churn, and every choice that was made."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from edgeresearch.emulator import results
from edgeresearch.emulator.api import Scenario, compare_policies
from edgeresearch.emulator.testbed import Churn, Rate
from edgeresearch.papers.fit_b import Value, adjust

CHOICES: Mapping[str, Mapping[str, Value]] = {
    "as chosen": {},
    "limits by the period": {"rule": "period"},
    "hop limit 3": {"hop_limit": 3},
    "hop limit 4": {"hop_limit": 4},
    "hand over to the closest": {"infeasible": "closest"},
    "hand over to the best fit": {"infeasible": "best_fit"},
    "pass over tried nodes": {"skip_visited": True},
    "sender's limit binds": {"sender_limit_binds": True},
    "receiver sets the limit": {"sender_limit_binds": False},
    "model after 1 run": {"min_runs": 1},
    "model after 3 runs": {"min_runs": 3},
    "gateway edge-1": {"gateway": "edge-1"},
    "gateway edge-3": {"gateway": "edge-3"},
    "gateway edge-5": {"gateway": "edge-5"},
    "gateway sees all of the fog": {"upward": "all"},
    "1,000 samples at 200 to 800 ms": {"trigger": "samples"},
}
"""Every choice where the paper is silent or contradicts itself, by what it says; some are what was chosen."""

FACTORS = (0.7, 1.3)
"""Factors by which `choices` varies each number."""
NUMBERS = ("work", "noise", "interval", "floor", "sway", "sway_period", "d", "monitor")


def sweep(
    scenarios: Mapping[str, Scenario],
    *,
    streams: Sequence[int],
    repeats: int,
    hours: float,
    seed: int,
    workers: int = 1,
) -> pd.DataFrame:
    """Run LOS in several scenarios on the same streams and noise.

    Args:
        scenarios: By what they are called.
        streams: Numbers of streams.
        repeats: Of each.
        hours: Virtual time of each.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.

    Returns:
        One row per scenario and number of streams: `value` (what it is called), `streams`, `drop_percent`, `low`,
        `high`, `lost_percent` (trainings whose node left), `one`, `two`, `three` (share of attempts by hops),
        `triggers`.
    """
    tables = []
    for name, scenario in scenarios.items():
        rows, _ = compare_policies(
            scenario, streams=streams, policies=["los"], repeats=repeats, hours=hours, seed=seed, workers=workers
        )
        table = results.drop_rates(rows).drop(columns="policy").set_index("streams")
        table["lost_percent"] = 100 * rows["end"].eq("lost").groupby(rows["streams"]).mean()
        depth = results.hop_shares(rows, "attempts").pivot(index="streams", columns="hops", values="share_percent")
        for number, word in enumerate(("one", "two", "three"), start=1):
            table[word] = depth[number] if number in depth else 0.0
        table["triggers"] = rows.groupby("streams").size()
        tables.append(table.reset_index().assign(value=name))
    table = pd.concat(tables, ignore_index=True)
    return table[["value", *(column for column in table.columns if column != "value")]]


def staleness(scenario: Scenario, intervals: Sequence[float]) -> dict[str, Scenario]:
    """Return scenarios whose nodes exchange their availability at other intervals, in seconds; 0 means always fresh."""
    return {f"{seconds:g}": replace(scenario, interval=seconds) for seconds in intervals}


def gateways(scenario: Scenario, counts: Sequence[int]) -> dict[str, Scenario]:
    """Return scenarios with so many gateways from the edge upwards; the paper conjectures that more of them help."""
    return {str(count): replace(scenario, testbed=scenario.testbed.with_gateways("edge", count)) for count in counts}


def churn(scenario: Scenario, stays: Sequence[float], away: float) -> dict[str, Scenario]:
    """Return scenarios whose edge nodes come and go; the first has none that do.

    Args:
        scenario: What stays.
        stays: Mean times in the mesh, in seconds.
        away: Mean time away, in seconds.
    """
    varied = {"no churn": _with_churn(scenario, Churn())}
    for seconds in stays:
        going = Churn(rates=(Rate(layer="edge", stays=seconds, away=away),))
        varied[f"{seconds:g}"] = _with_churn(scenario, going)
    return varied


def _with_churn(scenario: Scenario, churn: Churn) -> Scenario:
    return replace(scenario, testbed=scenario.testbed.model_copy(update={"churn": churn}))


def choices(scenario: Scenario) -> dict[str, Scenario]:
    """Return a scenario for each of `CHOICES`, and for each number at each of `FACTORS`."""
    varied = {name: adjust(scenario, settings) for name, settings in CHOICES.items()}
    for name in NUMBERS:
        for factor in FACTORS:
            varied[f"{name} x {factor:g}"] = _scaled(scenario, name, factor)
    return varied


def _scaled(scenario: Scenario, name: str, factor: float) -> Scenario:
    edge, rule = scenario.testbed.layers[0], scenario.testbed.stream_rule
    if name == "d":
        return adjust(scenario, {name: factor * scenario.training_cost.d})
    if name == "work":
        return adjust(scenario, {"work": factor * rule.work if rule else factor})
    if name == "sway_period":
        return adjust(scenario, {name: factor * edge.sway_period[0]})
    holders = (scenario, scenario.training_cost, scenario.limits, edge)
    value = next(getattr(holder, name) for holder in holders if hasattr(holder, name))
    return adjust(scenario, {name: factor * value})
