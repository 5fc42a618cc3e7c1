"""Paper B's Table I and Figs. 5 to 7: published values beside measured ones."""

import itertools
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pandas as pd

from edgeresearch.config import SchedulingStudy
from edgeresearch.emulator.api import Scenario
from edgeresearch.errors import InputError
from edgeresearch.io import read_table, write_csv
from edgeresearch.papers.claims.records_b import DROP_POINTS, HOP_POINTS
from edgeresearch.papers.paper_b import published
from edgeresearch.papers.paper_b.labels import DETECTORS
from edgeresearch.stats import interval

AS_CHOSEN = "as chosen"
"""The row of `choices` in which nothing is changed."""

FAR = 8.0
"""Candidates of a fit whose loss exceeds the smallest by this factor are left out."""


def compare_testbed(ours: pd.DataFrame) -> pd.DataFrame:
    """Put Table I beside the testbed that is emulated.

    Args:
        ours: What `Testbed.table` returns.

    Returns:
        Its columns, each followed by the published one; those are empty for a layer that the paper has not.
    """
    table = ours.copy()
    for at, name in enumerate(ours.columns[1:]):
        cells = [published.TABLE_I[layer][at] if layer in published.TABLE_I else None for layer in table["Layer"]]
        table.insert(2 * at + 2, f"published {name}", pd.Series(cells, dtype=object))
    return table


def compare_limits(limits: pd.DataFrame, *, rule: str) -> pd.DataFrame:
    """Put what was measured beside Fig. 5 a to c.

    Args:
        limits: What the stage `limits` wrote.
        rule: The one that is set.

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
    stated: dict[str, Callable[[int], float | None]] = {
        "los": published.DROP_PERCENT.get,
        "in_situ": lambda _: published.IN_SITU_DROP_PERCENT,
    }
    cells: Any = zip(drops["policy"], drops["streams"], strict=True)
    values = [stated[policy](int(streams)) if policy in stated else None for policy, streams in cells]
    table = drops.assign(published=pd.Series(values, index=drops.index, dtype=float))
    known = table["published"].notna() & (table["policy"] == "los")
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
    rows = []
    stated = {(count, 0): value for count, value in published.DROP_PERCENT.items()} | published.HOPS_PERCENT
    keyed: Any = handovers.assign(hops=handovers["hops"].fillna(0)).set_index(["sender", "streams", "hops"])
    for ((streams, hops), value), sender in itertools.product(stated.items(), (False, True)):
        if (sender, streams, 0) not in keyed.index:
            continue
        ours = {"percent": 0.0, "low": 0.0, "high": 0.0}  # where no training was handed over so often
        if (sender, streams, hops) in keyed.index:
            ours = keyed.loc[(sender, streams, hops), list(ours)].astype(float).to_dict()
        tolerance = HOP_POINTS if hops else DROP_POINTS
        rows.append(
            {
                **{"sender": sender, "share": f"{streams} streams, {f'{hops} hand-overs' if hops else 'dropped'}"},
                **{"published": value, "measured": ours["percent"], "low": ours["low"], "high": ours["high"]},
                **{"tolerance": tolerance, "within": abs(ours["percent"] - value) <= tolerance},
            }
        )
    return pd.DataFrame(rows)


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

    Args:
        drops: What the stage `scheduling` wrote.
        traffic: Likewise.
    """
    most = drops["streams"].max()
    rates = drops[drops["streams"] == most].set_index("policy")[["drop_percent", "low", "high"]]
    sent = traffic[traffic["streams"] == most]
    models = sent[sent["kind"].isin(["carried", "leaving"])]
    megabytes = models.pivot(index="policy", columns="kind", values="megabytes").add_suffix("_megabytes")
    table: pd.DataFrame = rates.join(megabytes).join(sent.groupby("policy")["messages"].sum())
    return table


def format_interval(value: float, low: float, high: float, form: str = "+.2f") -> str:
    """Write a value with its interval; without where there is none."""
    return format(value, form) if pd.isna(low) else f"{value:{form}} ({low:{form}} to {high:{form}})"


def format_differences(pairs: pd.DataFrame, metric: str = "event_f1") -> pd.DataFrame:
    """Write how much IFTM's detectors exceed the others on the same streams, one row per detector of IFTM.

    Args:
        pairs: `anomaly_pairs.csv`, as the stage wrote it.
        metric: `event_f1`; `event_f1_best`, at the best fixed level; `auc_pr`.
    """
    rows = pairs[pairs["metric"] == metric]
    cells = [format_interval(*row) for row in zip(rows["difference"], rows["low"], rows["high"], strict=True)]
    return rows.assign(cell=cells).pivot(index=["kind", "detector"], columns="other", values="cell")


def format_sensors(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Write event F1 with its interval over the draws: one row per sensor and one for all, one column per detector.

    Args:
        table: `anomaly.csv`, as the stage wrote it.
        kind: Of the streams.
    """
    mine = table[table["kind"] == kind]
    values = zip(mine["event_f1"], mine["event_f1_low"].clip(lower=0), mine["event_f1_high"].clip(upper=1), strict=True)
    rows = mine.assign(cell=[format_interval(*each, form=".2f") for each in values])
    cells = rows.pivot(index="sensor", columns="detector", values="cell").loc[list(dict.fromkeys(mine["sensor"]))]
    return cells.rename(columns={name: label for name, (label, *_) in DETECTORS.items()})


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
    """Return the candidates that were run again with fresh seeds, the best first, without those that are far worse.

    Args:
        fit: What `papers.fit_b` wrote.
    """
    last = fit[fit["stage"] == -1].sort_values("loss", kind="stable")
    near: pd.DataFrame = last[last["loss"] <= FAR * last["loss"].min()]
    return near.reset_index(drop=True)


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
