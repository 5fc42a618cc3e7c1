"""Numbers that the notebooks' sentences hold, by name, computed from the tables of a run; NaN where it has them not."""

from typing import Any

import pandas as pd

from edgeresearch.papers.paper_b.labels import DETECTORS
from edgeresearch.papers.paper_b.staleness_figures import MAIN

Numbers = dict[str, Any]


def limit_numbers(landmarks: pd.DataFrame, rule: str) -> Numbers:
    """Return where limits stand under a rule, on nodes of the jobs' own and, as `shared_…`, on shared ones.

    Args:
        landmarks: As the stage `limits` wrote them.
        rule: The one that is set.
    """
    rows = landmarks[landmarks["rule"] == rule]
    alone, shared = (rows[(rows["together"] > 0) == is_shared] for is_shared in (False, True))
    numbers: Numbers = {"nodes": shared["together"].max()}
    for prefix, part in (("", alone), ("shared_", shared)):
        numbers |= {f"{prefix}{what}": value for what, value in zip(part["what"], part["value"], strict=True)}
    return numbers


def scheduling_numbers(drops: pd.DataFrame, traffic: pd.DataFrame) -> Numbers:
    """Return how far LOS is from Fig. 7, and what it keeps in the edge with the fewest and with the most streams.

    Args:
        drops: `tables.compare_drops`.
        traffic: As the stage `scheduling` wrote it.
    """
    los = drops[drops["policy"] == "los"].set_index("streams")
    off, held_out = (los["drop_percent"] - los["published"]).abs(), los["held_out"].astype(bool)
    sent = traffic[traffic["policy"] == "los"].pivot(index="streams", columns="kind", values="megabytes")
    in_edge = 100 * (1 - sent["leaving"] / sent["samples"])
    fewest, most = int(los.index.min()), int(los.index.max())
    return {
        **{"fewest": fewest, "most": most, "los": los["drop_percent"][most], "published": los["published"][most]},
        **{"held_out_off": off[held_out].max(), "fitted_off": off[~held_out].max()},
        **{"few_in_edge": in_edge[fewest], "many_in_edge": in_edge[most]},
    }


def detection_numbers(table: pd.DataFrame, kind: str = "traffic") -> Numbers:
    """Return the best detectors by event F1, of all and of IFTM, and the best by point-adjusted F1.

    Args:
        table: `anomaly.csv`, as the stage wrote it.
        kind: Of the streams.
    """
    pooled = table[(table["kind"] == kind) & (table["sensor"] == "pooled")].set_index("detector")
    numbers: Numbers = {name: int(pooled[name].iloc[0]) for name in ("sensors", "seeds", "events")}
    for name, rows, metric in (
        ("best", pooled, "event_f1"),
        ("iftm", pooled[pooled.index.str.startswith("iftm_")], "event_f1"),
        ("adjusted", pooled, "point_adjusted_f1_inflated"),
    ):
        top = str(rows[metric].idxmax())
        numbers |= {name: DETECTORS[top][0], f"{name}_f1": rows[metric][top]}
        numbers |= {f"{name}_false_alarms": rows["false_alarms_per_day"][top]}
    return numbers


def staleness_numbers(table: pd.DataFrame, pairs: pd.DataFrame) -> Numbers:
    """Return ages of models by policy, and what retraining changes: for the streams and, as `control_…`, the control.

    Args:
        table: `staleness.csv`, as the stage wrote it.
        pairs: `staleness_pairs.csv`, likewise.
    """
    rows = table[(table["data"] == "traffic") & (table["threshold"] == MAIN)].groupby("policy")["mean_age"]
    numbers: Numbers = {f"{policy}_age": age for policy, age in rows.max().items()}
    wanted = (pairs["contrast"] == "always - never") & (pairs["threshold"] == MAIN) & (pairs["metric"] == "event_f1")
    for prefix, data in (("", "traffic"), ("control_", "control")):
        part = pairs[wanted & (pairs["data"] == data)]
        numbers |= {f"{prefix}{name}": part[name].max() for name in ("difference", "low", "high")}
    return numbers
