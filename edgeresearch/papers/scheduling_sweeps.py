"""What happens as one setting is varied: stale views, more gateways, churn, and every choice that was made."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from edgeresearch.emulator import results
from edgeresearch.emulator.experiment import Setup, scheduling
from edgeresearch.emulator.testbed import Churn, Rate
from edgeresearch.optimise import Value
from edgeresearch.papers.fit_b import adjusted

CHOICES: Mapping[str, Mapping[str, Value]] = {
    "as chosen": {},
    "limits by the period": {"rule": "period"},
    "hop limit 3": {"hop_limit": 3},
    "hop limit 4": {"hop_limit": 4},
    "hand over to the closest": {"infeasible": "closest"},
    "hand over to the best fit": {"infeasible": "best_fit"},
    "pass over tried nodes": {"avoid": True},
    "sender's limit binds": {"sender": True},
    "receiver sets the limit": {"sender": False},
    "model after 1 run": {"enough": 1},
    "model after 3 runs": {"enough": 3},
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
    setups: Mapping[str, Setup], *, streams: Sequence[int], repeats: int, hours: float, seed: int, workers: int = 1
) -> pd.DataFrame:
    """Run LOS with several setups on the same streams and noise.

    Args:
        setups: By what they are called.
        streams: Numbers of streams.
        repeats: Of each.
        hours: Virtual time of each.
        seed: Root of all randomness.
        workers: Processes; results do not depend on them.

    Returns:
        One row per setup and number of streams: `value` (what it is called), `streams`, `drop_percent`, `low`, `high`,
        `lost_percent` (trainings whose node left), `one`, `two`, `three` (share of attempts by hops), `triggers`.
    """
    tables = []
    for name, setup in setups.items():
        rows, _ = scheduling(
            setup, streams=streams, policies=["los"], repeats=repeats, hours=hours, seed=seed, workers=workers
        )
        table = results.drop_rates(rows).drop(columns="policy").set_index("streams")
        table["lost_percent"] = 100 * rows["end"].eq("lost").groupby(rows["streams"]).mean()
        depth = results.hops(rows, "attempts").pivot(index="streams", columns="hops", values="share_percent")
        for number, word in enumerate(("one", "two", "three"), start=1):
            table[word] = depth[number] if number in depth else 0.0
        table["triggers"] = rows.groupby("streams").size()
        tables.append(table.reset_index().assign(value=name))
    found = pd.concat(tables, ignore_index=True)
    return found[["value", *(column for column in found.columns if column != "value")]]


def staleness(setup: Setup, intervals: Sequence[float]) -> dict[str, Setup]:
    """Return setups whose nodes exchange their availability at other intervals, in seconds; 0 means always fresh."""
    return {f"{seconds:g}": replace(setup, interval=seconds) for seconds in intervals}


def gateways(setup: Setup, counts: Sequence[int]) -> dict[str, Setup]:
    """Return setups with so many gateways from the edge upwards; the paper conjectures that more of them help."""
    return {str(count): replace(setup, testbed=setup.testbed.with_gateways("edge", count)) for count in counts}


def churn(setup: Setup, stays: Sequence[float], away: float) -> dict[str, Setup]:
    """Return setups whose edge nodes come and go; the first has none that do.

    Args:
        setup: What stays.
        stays: Mean times in the mesh, in seconds.
        away: Mean time away, in seconds.
    """
    found = {"no churn": _with_churn(setup, Churn())}
    for seconds in stays:
        going = Churn(rates=(Rate(layer="edge", stays=seconds, away=away),))
        found[f"{seconds:g}"] = _with_churn(setup, going)
    return found


def _with_churn(setup: Setup, churn: Churn) -> Setup:
    return replace(setup, testbed=setup.testbed.model_copy(update={"churn": churn}))


def choices(setup: Setup) -> dict[str, Setup]:
    """Return a setup for each of `CHOICES`, and for each number at each of `FACTORS`."""
    found = {name: adjusted(setup, settings) for name, settings in CHOICES.items()}
    for name in NUMBERS:
        for factor in FACTORS:
            found[f"{name} x {factor:g}"] = _scaled(setup, name, factor)
    return found


def _scaled(setup: Setup, name: str, factor: float) -> Setup:
    edge, rule = setup.testbed.layers[0], setup.testbed.stream_rule
    if name == "d":
        return adjusted(setup, {name: factor * setup.curve.d})
    if name == "work":
        return adjusted(setup, {"work": factor * rule.work if rule else factor})
    if name == "sway_period":
        return adjusted(setup, {name: factor * edge.sway_period[0]})
    holders = (setup, setup.truth, setup.limits, edge)
    value = next(getattr(holder, name) for holder in holders if hasattr(holder, name))
    return adjusted(setup, {name: factor * value})
