"""Which policy to take on a mesh, by one stated rule, in one line with the numbers behind it."""

import math
from dataclasses import dataclass

import pandas as pd

WITHIN = 1.0
"""Percentage points above the lowest drop rate that still count as good enough."""


CENTRAL = "least_loaded"
"""The policy that can be had only with a centre that knows every node at every moment."""


@dataclass(frozen=True)
class Advice:
    """What is advised.

    Attributes:
        policy: Name of the policy.
        notes: One line each: where and why LOS drops, and what one more gateway gives.
        line: The advice with its numbers.
    """

    policy: str
    notes: tuple[str, ...]
    line: str


def advise(table: pd.DataFrame, drops: pd.DataFrame, gateways: pd.DataFrame, *, layers: int) -> Advice:
    """Advise the policy that sends least over the uplinks among those whose drop rate is near the lowest.

    The lowest is that of the policies that can be had: the oracle is never advised. Of policies that send as much, the
    one that drops less is advised. In a mesh of one layer, which has no uplinks, all links count.

    Args:
        table: One row per policy, LOS among them: `policy`, `drop_percent`, `mean_hops`, and per hour
            `trainings`, `uplink_megabytes`, `link_megabytes` (see `tally.by_policy`).
        drops: How often LOS dropped where and why: `node`, `reason`, `drops`; in any order.
        gateways: One row per layer that got one gateway more: `layer`, `node`, and `fewer_points`, `low`, `high`, by
            how much fewer triggers LOS drops then.
        layers: Of the mesh.
    """
    column, links = ("uplink_megabytes", "the uplinks") if layers > 1 else ("link_megabytes", "the links")
    of = table.set_index("policy")
    best = _best(of, column)
    told = [best]
    parts = [_head(best, of, column, f" over {links}")]
    if best == CENTRAL:
        told.append(_best(of.drop(index=CENTRAL), column))
        parts.append(f"it needs a centre that knows every node at every moment; without, {_head(told[1], of, column)}")
    if "los" not in told:
        told.append("los")
        parts.append(_head("los", of, column))
    others = [f"{name} {rate:.1f} %" for name, rate in of["drop_percent"].items() if name not in told]
    parts += ["dropped by the others: " + ", ".join(others)] if others else []
    if "cloud" in of.index:
        parts.append(_saved(of, column, links))
    rule = f"rule: fewest bytes over {links} at most {WITHIN:g} point above the lowest drop rate, oracle apart"
    return Advice(best, (_where(drops), *_more(gateways)), "; ".join([*parts, rule]))


def _best(of: pd.DataFrame, column: str) -> str:
    real = of.drop(index="oracle", errors="ignore")
    near = real[real["drop_percent"] <= real["drop_percent"].min() + WITHIN]
    return str(near.sort_values([column, "drop_percent"], kind="stable").index[0])


def _head(name: str, of: pd.DataFrame, column: str, links: str = "") -> str:
    rate, hops, sent = (float(of[key][name]) for key in ("drop_percent", "mean_hops", column))
    ran = "" if math.isnan(hops) else f", the rest ran after {hops:.1f} hops on average"
    return f"{name}: {rate:.1f} % dropped{ran}, {sent:,.1f} MB/h{links}"


def _saved(of: pd.DataFrame, column: str, links: str) -> str:
    mine, cloud = float(of[column]["los"]), float(of[column]["cloud"])
    per = [sent / ran for sent, ran in ((mine, of["trainings"]["los"]), (cloud, of["trainings"]["cloud"])) if ran]
    told = f"{mine:,.1f} against {cloud:,.1f} MB/h"
    if len(per) == 2:
        told += f", {per[0]:,.2f} against {per[1]:,.2f} MB per training that ran"
    if cloud <= 0:
        return f"los sends {'more' if mine > 0 else 'nothing'} over {links}, cloud nothing ({told})"
    change = 100 * (mine / cloud - 1)
    return f"los sends {abs(change):.0f} % {'more' if change > 0 else 'less'} over {links} than cloud ({told})"


def _where(drops: pd.DataFrame) -> str:
    total = int(drops["drops"].sum())
    if not total:
        return "los drops nothing"
    places, reasons = (drops.groupby(key, observed=True)["drops"].sum() for key in ("node", "reason"))
    return (
        f"los drops most at {places.idxmax()} ({100 * places.max() / total:.0f} % of its drops), "
        f"mostly as: {reasons.idxmax()} ({100 * reasons.max() / total:.0f} %)"
    )


def _more(gateways: pd.DataFrame) -> list[str]:
    said = []
    for row in gateways.to_dict("records"):
        points, low, high = row["fewer_points"], row["low"], row["high"]
        told = f"los drops {abs(points):.1f} points {'more' if points < 0 else 'fewer'}"
        if math.isnan(low):
            told += " (one repeat, so how sure is not known)"
        else:
            clear = "" if low > 0 or high < 0 else "no clear change, "
            told += f" ({clear}95 %: {low:.1f} to {high:.1f} fewer)"
        said.append(f"{row['node']} as one more gateway of {row['layer']}: {told}")
    return said
