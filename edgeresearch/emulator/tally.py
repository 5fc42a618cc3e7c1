"""What runs of several policies on one mesh come to: by policy, by node, by reason, and with one more gateway."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.emulator import summary
from edgeresearch.emulator.mesh import Mesh
from edgeresearch.emulator.outcome import Outcome, shares
from edgeresearch.emulator.traffic import MESSAGES
from edgeresearch.intervals import interval


def by_policy(triggers: pd.DataFrame, sent: pd.DataFrame, *, hours: float) -> pd.DataFrame:
    """Return one row per policy.

    Args:
        triggers: One row per trigger, as `scheduling` returns them.
        sent: One row per run: its `traffic` and what `uplinks.sent` returns, with `policy`.
        hours: Virtual time of each run.

    Returns:
        `policy`; `triggers` of all repeats; `drop_percent` with its 95 % interval `low`, `high`; `lost_percent`, whose
        node left; of those that ran: `late_percent`, complete after their period, `mean_hops`, and `local_percent`, run
        at their source; per hour, means over the repeats: `trainings` that ran, `uplink_megabytes`, `link_megabytes`,
        and `messages` (requests, exchanges, syncs and models) that a node sends.
    """
    rates = summary.drop_rates(triggers).drop(columns="streams").set_index("policy").clip(0.0, 100.0)
    rows: list[dict[str, Any]] = []
    for name, mine in triggers.groupby("policy", sort=False):
        ran = int((mine["end"] != "dropped").sum())
        over = sent[sent["policy"] == name]
        rows.append(
            {
                "policy": name,
                "triggers": len(mine),
                **{str(key): value for key, value in rates.loc[str(name)].items()},
                **shares(mine),
                "trainings": ran / (hours * len(over)),
                "uplink_megabytes": over["uplink_megabytes"].mean(),
                "link_megabytes": over["link_megabytes"].mean(),
                "messages": over[list(MESSAGES)].sum(axis=1).mean(),
            }
        )
    return pd.DataFrame(rows)


def drops(triggers: pd.DataFrame, mesh: Mesh) -> pd.DataFrame:
    """Return how many triggers were dropped where and why, most first within each policy.

    Returns:
        `policy`, `node`, `layer`, `reason`, `drops` of all repeats, and `percent` of the policy's triggers, the mean
        over its repeats: they add up to its drop rate.
    """
    policies = triggers["policy"].unique().tolist()
    runs = triggers.groupby(["policy", "repeat"])
    size, repeats = runs["end"].transform("size"), triggers.groupby("policy")["repeat"].transform("nunique")
    weighted = triggers.assign(percent=100 / (size * repeats))
    dropped = weighted[weighted["end"] == "dropped"]
    of = dropped.groupby(["policy", "node", "reason"], observed=True)["percent"]
    found = of.agg(drops="size", percent="sum").reset_index()
    found = found.assign(order=found["policy"].map(policies.index))
    found = found.sort_values(["order", "drops", "node"], ascending=[True, False, True], ignore_index=True)
    return pd.DataFrame(
        {
            "policy": found["policy"],
            "node": [mesh.nodes[i].name for i in found["node"]],
            "layer": [mesh.nodes[i].layer for i in found["node"]],
            "reason": found["reason"].astype(str),
            "drops": found["drops"],
            "percent": found["percent"],
        }
    )


def by_node(outcome: Outcome) -> pd.DataFrame:
    """Return what each node did in one run.

    Returns:
        `node`, `layer`, `trainings` that it finished, and `cpu_percent`, the share of its CPU that these held on
        average until the end of the run.
    """
    log = outcome.result.log.frame()
    log = log[log["end"] == "finished"]
    ends = np.minimum(log["time"] + log["complete"], outcome.seconds)
    held = (log["limit"] * (ends - log["time"])).groupby(log["node"]).sum()
    count = log.groupby("node").size()
    every = range(len(outcome.mesh.nodes))
    cpu = np.array([node.cpu for node in outcome.mesh.nodes])
    return pd.DataFrame(
        {
            "node": [node.name for node in outcome.mesh.nodes],
            "layer": [node.layer for node in outcome.mesh.nodes],
            "trainings": count.reindex(every, fill_value=0).to_numpy(),
            "cpu_percent": 100 * held.reindex(every, fill_value=0.0).to_numpy() / (cpu * outcome.seconds),
        }
    )


def gateways(base: pd.DataFrame, more: Sequence[tuple[str, str, pd.DataFrame]]) -> pd.DataFrame:
    """Return what one more gateway gives, repeat against the same repeat.

    Args:
        base: One row per trigger of one policy.
        more: Layer, name of its new gateway, and the triggers with it.

    Returns:
        `layer`, `node`, `drop_percent` and `fewer_points`, by how much the drop rate falls, with its 95 % interval
        `low`, `high` (Student's t).
    """
    before = _rates(base)
    rows = []
    for layer, node, triggers in more:
        after = _rates(triggers)
        points, low, high = interval(before - after)
        rows.append((layer, node, float(after.mean()), points, low, high))
    return pd.DataFrame(rows, columns=["layer", "node", "drop_percent", "fewer_points", "low", "high"])


def _rates(triggers: pd.DataFrame) -> pd.Series:
    """Percent of dropped triggers by repeat."""
    return 100 * triggers["end"].eq("dropped").groupby(triggers["repeat"]).mean()
