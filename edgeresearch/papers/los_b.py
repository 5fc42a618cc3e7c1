"""Paper B's Table I and Figs. 5 to 7: published values beside measured ones."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from edgeresearch.emulator.city import city_from_settings
from edgeresearch.errors import InputError
from edgeresearch.io import write_csv
from edgeresearch.papers import paper_a, paper_b
from edgeresearch.papers.claims.audit import judge_claims
from edgeresearch.papers.claims.records_b import RECORDS_B
from edgeresearch.stats import interval

JUDGED = tuple(
    f"reports/tables/{name}.csv"
    for name in ("los/limits", "los/landmarks", "los/hops", "fig7_drop", "los_triggers", "testbed")
)
"""Tables whose claims stand in `los_verdicts.csv`."""


def testbed(ours: pd.DataFrame) -> pd.DataFrame:
    """Put Paper B, Table I, beside the testbed that is emulated.

    Args:
        ours: What `Testbed.table` returns.

    Returns:
        Its columns, each followed by the published one; those are empty for a layer that the paper has not.
    """
    table = ours.copy()
    columns = list(table.columns[1:])
    for at, name in enumerate(columns):
        cells = [paper_b.TABLE_I[layer][at] if layer in paper_b.TABLE_I else None for layer in table["Layer"]]
        table.insert(2 * at + 2, f"published {name}", pd.Series(cells, dtype=object))
    return table


def figure5(limits: pd.DataFrame, *, rule: str) -> pd.DataFrame:
    """Put what was measured beside Paper B, Fig. 5 a to c.

    Args:
        limits: What the stage `limits` found.
        rule: The one that is set.

    Returns:
        One row per iteration: `limit_millicores`, `training_seconds`, `residual` (percent of the period), each also
        with `_low` and `_high`; `published_limit_millicores` and `published_residual` where the paper states one.
    """
    table = limits[(limits["rule"] == rule) & (limits["together"] == 0)].drop(columns=["rule", "together"])
    first, last = paper_b.RESIDUAL_PERCENT
    residuals = {1: first, paper_b.PLATEAU_ITERATION: last}
    return table.assign(
        published_limit_millicores=table["iteration"].map(paper_b.LIMIT_MILLICORES),
        published_residual=table["iteration"].map(residuals),
    ).reset_index(drop=True)


def figure6(hops: pd.DataFrame) -> pd.DataFrame:
    """Put what was measured beside Paper B, Fig. 6.

    Args:
        hops: What the stage `scheduling` found, all readings.

    Returns:
        `streams`, `hops`, `share_percent` (of LOS's attempts), `low`, `high`, `published`.
    """
    table = hops[(hops["policy"] == "los") & (hops["reading"] == "attempts")].copy()
    table["published"] = paper_b.published_shares(table)
    return table[["streams", "hops", "share_percent", "low", "high", "published"]].reset_index(drop=True)


def figure7(drops: pd.DataFrame, *, fitted: Any) -> pd.DataFrame:
    """Put what was measured beside Paper B, Fig. 7.

    Args:
        drops: What the stage `scheduling` found.
        fitted: Numbers of streams whose published values the settings were fitted on.

    Returns:
        `streams`, `policy`, `drop_percent`, `low`, `high`, `published`, `held_out`: whether the published value had no
        part in any choice of settings.
    """
    table = drops.copy()
    published: dict[str, Callable[[int], float | None]] = {
        "los": paper_b.DROP_PERCENT.get,
        "in_situ": lambda _: paper_b.IN_SITU_DROP_PERCENT,
    }
    cells: Any = zip(table["policy"], table["streams"], strict=True)
    table["published"] = pd.Series(
        [published[policy](int(streams)) if policy in published else None for policy, streams in cells],
        index=table.index,
        dtype=float,
    )
    stated = table["published"].notna() & (table["policy"] == "los")
    table["held_out"] = stated & ~table["streams"].isin(list(fitted))
    return table[["streams", "policy", "drop_percent", "low", "high", "published", "held_out"]]


def rates(triggers: pd.DataFrame) -> pd.DataFrame:
    """Return how many trainings an experiment of the paper's size triggers, by both readings of the rate.

    Args:
        triggers: What the stage `scheduling` found.

    Returns:
        By `trigger`: `triggers` of as many repeats and hours as the paper's, over all numbers of streams, `low`, `high`
        (95 % over repeats), `published` (the paper has "more than" that), `ratio` to it, and LOS's `drop_percent`.
    """
    rows = []
    for reading, part in triggers.groupby("trigger", sort=False):
        scale = paper_b.REPEATS * paper_b.HOURS / part["hours"].iloc[0]
        totals = part.groupby("repeat")["triggers"].sum() * scale
        mean, low, high = interval(totals)
        dropped = 100 * part["dropped"].sum() / part["triggers"].sum()
        found = {"trigger": reading, "triggers": mean, "low": low, "high": high, "published": paper_b.TRIGGERS}
        rows.append({**found, "ratio": mean / paper_b.TRIGGERS, "drop_percent": dropped})
    return pd.DataFrame(rows)


def write(settings: Mapping[str, Any], reports: Path) -> pd.DataFrame:
    """Join what the stages found into the files of Paper B's Table I and Figs. 5 to 7, and judge them.

    Args:
        settings: The section `los` as plain values.
        reports: The folder `reports` of the project; holds `tables/los/`.

    Returns:
        The claims that these tables decide, as the audit has them (`claims.audit.judge_claims`).

    Raises:
        InputError: A stage's results are missing or unreadable, LOS was not run, or a file cannot be written.
    """
    tables = reports / "tables"
    names = ("limits", "landmarks", "hops", "drops", "triggers")
    found = {name: paper_a.read(tables / "los" / f"{name}.csv") for name in names}
    if "los" not in set(found["drops"]["policy"]):
        raise InputError(f"{tables / 'los' / 'drops.csv'} has no rows of los; name it among los.policies")
    limits = figure5(found["limits"], rule=settings["limits"]["rule"])
    drops = figure7(found["drops"], fitted=settings["fitted"])
    write_csv(testbed(city_from_settings(settings).table()), tables / "testbed.csv")
    write_csv(limits, tables / "fig5_limits.csv")
    write_csv(figure6(found["hops"]), tables / "fig6_hops.csv")
    write_csv(drops, tables / "fig7_drop.csv")
    write_csv(rates(found["triggers"]), tables / "los_triggers.csv")
    records = [each for each in RECORDS_B if getattr(each.measure, "file", None) in JUDGED]
    judged = judge_claims(records, reports.absolute().parent, {"los": settings})
    write_csv(judged, tables / "los_verdicts.csv")
    return judged
