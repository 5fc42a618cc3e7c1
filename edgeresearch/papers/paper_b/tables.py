"""Paper B's Table I and Figs. 5 to 7: published values beside measured ones, in tables and in numbers of sentences."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.config import SchedulingStudy
from edgeresearch.emulator.api import Scenario
from edgeresearch.errors import InputError
from edgeresearch.io import read_table, write_csv
from edgeresearch.papers.claims.records_b import DROP_POINTS, HOP_POINTS
from edgeresearch.papers.paper_b import published
from edgeresearch.papers.scheduling import AS_CHOSEN
from edgeresearch.stats import interval

FAR = 8.0
"""Candidates of a fit whose loss exceeds the smallest by this factor are left out."""


def compare_testbed(ours: pd.DataFrame) -> pd.DataFrame:
    """Put Table I beside the testbed that is emulated.

    Returns:
        The columns of `Testbed.table`, each followed by the published one, empty for a layer that the paper has not.
    """
    table = ours.copy()
    for at, name in enumerate(ours.columns[1:]):
        cells = [published.TABLE_I[layer][at] if layer in published.TABLE_I else None for layer in table["Layer"]]
        table.insert(2 * at + 2, f"published {name}", pd.Series(cells, dtype=object))
    return table


def compare_limits(limits: pd.DataFrame, *, rule: str) -> pd.DataFrame:
    """Put what was measured under the rule that is set beside Fig. 5 a to c. From `limits` of the stage `limits`.

    Returns:
        One row per iteration: `limit_millicores`, `training_seconds`, `residual` (percent of the period), each also
        with `_low` and `_high`; `published_limit_millicores` and `published_residual` where the paper states one.
    """
    table = limits[(limits["rule"] == rule) & (limits["together"] == 0)].drop(columns=["rule", "together"])
    return table.assign(
        published_limit_millicores=table["iteration"].map(published.LIMIT_MILLICORES),
        published_residual=table["iteration"].map(published.RESIDUALS),
    ).reset_index(drop=True)


def compare_hops(hops: pd.DataFrame) -> pd.DataFrame:
    """Put what was measured beside Fig. 6. From `hops` of the stage `scheduling`, all readings.

    Returns:
        `streams`, `hops`, `share_percent` (of LOS's attempts), `low`, `high`, `published`.
    """
    table = hops[(hops["policy"] == "los") & (hops["reading"] == "attempts")].copy()
    table["published"] = published.hop_shares(table)
    return table[["streams", "hops", "share_percent", "low", "high", "published"]].reset_index(drop=True)


def compare_drops(drops: pd.DataFrame, *, fitted: Collection[int]) -> pd.DataFrame:
    """Put what was measured beside Fig. 7.

    Args:
        drops: What the stage `scheduling` wrote.
        fitted: Numbers of streams whose published values the settings were fitted on.

    Returns:
        `streams`, `policy`, `drop_percent`, `low`, `high`, `published`, `held_out`: whether the published value had no
        part in any choice of settings.
    """
    values = drops["streams"].map(published.DROP_PERCENT).where(drops["policy"] == "los")
    table = drops.assign(published=values.mask(drops["policy"] == "in_situ", published.IN_SITU_DROP_PERCENT))
    known = values.notna()
    table["held_out"] = known & ~table["streams"].isin(list(fitted))
    return table[["streams", "policy", "drop_percent", "low", "high", "published", "held_out"]]


def count_triggers(triggers: pd.DataFrame) -> pd.DataFrame:
    """Return how many trainings an experiment of the paper's size triggers, by both readings of the rate.

    From `triggers` of the stage `scheduling`.

    Returns:
        By `trigger`: `triggers` of as many repeats and hours as the paper's, over all numbers of streams, `low`, `high`
        (95 % over repeats), `published` (the paper has "more than" that), `ratio` to it, and LOS's `drop_percent`.
    """
    rows = []
    for reading, part in triggers.groupby("trigger", sort=False):
        scale = published.REPEATS * published.HOURS / part["hours"].iloc[0]
        mean, low, high = interval(part.groupby("repeat")["triggers"].sum() * scale)
        counts = {"trigger": reading, "triggers": mean, "low": low, "high": high, "published": published.TRIGGERS}
        dropped = 100 * part["dropped"].sum() / part["triggers"].sum()
        rows.append({**counts, "ratio": mean / published.TRIGGERS, "drop_percent": dropped})
    return pd.DataFrame(rows)


def compare_readings(handovers: pd.DataFrame) -> pd.DataFrame:
    """Put every share that the paper states of Figs. 6 and 7 beside what each reading of a hand-over gives.

    From `handovers` of the stage `scheduling`.

    Returns:
        One row per share and reading that was run: `sender` (whether the sender's limit binds the receiver), `share`,
        `published`, `measured`, `low`, `high`, `tolerance` of its claim, and whether it is `within` that. Shares of
        hand-overs are of what looked for a place, one of the two readings that the audit judges together.
    """
    shares = {(count, 0): value for count, value in published.DROP_PERCENT.items()} | published.HOPS_PERCENT
    stated = pd.DataFrame([(*cell, value) for cell, value in shares.items()], columns=["streams", "hops", "published"])
    ours = handovers.assign(hops=handovers["hops"].fillna(0).astype(int))
    table = stated.merge(ours[["sender", "streams"]].drop_duplicates()).merge(ours, how="left")
    table.loc[table["percent"].isna(), ["percent", "low", "high"]] = 0.0  # no training was handed over so often
    words = table["hops"].map(lambda hops: f"{hops} hand-overs" if hops else "dropped")
    table = table.rename(columns={"percent": "measured"}).assign(
        share=table["streams"].astype(str) + " streams, " + words,
        tolerance=np.where(table["hops"] > 0, HOP_POINTS, DROP_POINTS),
        within=lambda rows: (rows["measured"] - rows["published"]).abs() <= rows["tolerance"],
    )
    return table[["sender", "share", "published", "measured", "low", "high", "tolerance", "within"]]


def compare_landmarks(landmarks: pd.DataFrame) -> pd.DataFrame:
    """Put what the paper reads off its Fig. 5 beside each rule, on nodes of the jobs' own and on shared ones.

    From `landmarks` of the stage `limits`.
    """
    nodes = landmarks["together"].map(lambda count: f"{count} shared nodes" if count else "own nodes")
    ways = landmarks.assign(way="by " + landmarks["rule"] + ", " + nodes)
    table: pd.DataFrame = ways.pivot(index="what", columns="way", values="value")
    last = published.PLATEAU_ITERATION
    stated = {"level": published.LIMIT_MILLICORES[last], "level_residual": published.RESIDUALS[last], "plateau": last}
    table.insert(0, "published", table.index.map({**stated, "trainings": published.TRAININGS}))
    return table


def compare_policies(drops: pd.DataFrame, traffic: pd.DataFrame) -> pd.DataFrame:
    """Put every policy beside the others, with the most streams: drops, and what it sends per node and hour.

    From `drops` and `traffic` of the stage `scheduling`.
    """
    most = drops["streams"].max()
    rates = drops[drops["streams"] == most].set_index("policy")[["drop_percent", "low", "high"]]
    sent = traffic[traffic["streams"] == most]
    models = sent[sent["kind"].isin(["carried", "leaving"])]
    megabytes = models.pivot(index="policy", columns="kind", values="megabytes").add_suffix("_megabytes")
    table: pd.DataFrame = rates.join(megabytes).join(sent.groupby("policy")["messages"].sum())
    return table


def setting_effects(choices: pd.DataFrame) -> pd.DataFrame:
    """Return by how many points each choice moves the drop rate. From `choices` of the stage `sweeps`.

    Returns:
        By `value` one column per number of streams, the one that moves most first.
    """
    rates: pd.DataFrame = choices.pivot(index="value", columns="streams", values="drop_percent")
    moved: pd.DataFrame = rates.drop(index=AS_CHOSEN) - rates.loc[AS_CHOSEN]
    moved["most"] = moved.abs().max(axis=1)
    return moved.sort_values("most", ascending=False, kind="stable").drop(columns="most")


def select_finalists(fit: pd.DataFrame) -> pd.DataFrame:
    """Return the candidates of `papers.fit_b` that were run again with fresh seeds, the best first, if near to it."""
    last = fit[fit["stage"] == -1].sort_values("loss", kind="stable")
    near: pd.DataFrame = last[last["loss"] <= FAR * last["loss"].min()]
    return near.reset_index(drop=True)


def limit_numbers(landmarks: pd.DataFrame, rule: str) -> dict[str, Any]:
    """Return, for a sentence, where limits stand under a rule, on nodes of the jobs' own and, as `shared_…`, on shared.

    From `landmarks` of the stage `limits`.
    """
    rows = landmarks[landmarks["rule"] == rule]
    names = np.where(rows["together"] > 0, "shared_", "") + rows["what"]
    return {"nodes": rows["together"].max(), **dict(zip(names, rows["value"], strict=True))}


def scheduling_numbers(drops: pd.DataFrame, traffic: pd.DataFrame) -> dict[str, Any]:
    """Return, for a sentence, how far LOS is from Fig. 7, and what it keeps in the edge with fewest and most streams.

    From `compare_drops`, and `traffic` of the stage `scheduling`.
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


def write_tables(study: SchedulingStudy, reports: Path) -> None:
    """Join what the stages wrote into the files of Table I and Figs. 5 to 7.

    Args:
        study: Settings of the stages.
        reports: The folder `reports` of the project; holds `tables/los/`.

    Raises:
        InputError: A stage's results are missing or unreadable, LOS was not run, or a file cannot be written.
    """
    tables = reports / "tables"
    names = ("limits", "hops", "drops", "triggers")
    parts = {name: read_table(tables / "los" / f"{name}.csv") for name in names}
    if "los" not in set(parts["drops"]["policy"]):
        raise InputError(f"{tables / 'los' / 'drops.csv'} has no rows of los; name it among los.policies")
    write_csv(compare_testbed(Scenario.of(study).testbed.table()), tables / "testbed.csv")
    write_csv(compare_limits(parts["limits"], rule=study.limits.rule), tables / "fig5_limits.csv")
    write_csv(compare_hops(parts["hops"]), tables / "fig6_hops.csv")
    write_csv(compare_drops(parts["drops"], fitted=study.fitted), tables / "fig7_drop.csv")
    write_csv(count_triggers(parts["triggers"]), tables / "los_triggers.csv")
