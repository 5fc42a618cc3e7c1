"""What is seen around Paper B's Figs. 5 to 7, in sentences computed from the same tables."""

from typing import Any

import pandas as pd

from edgeresearch.papers import paper_b
from edgeresearch.papers.claims.records_b import DROP_POINTS
from edgeresearch.papers.claims.rules import REPRODUCED, UNTESTABLE
from edgeresearch.papers.claims.table import format_value
from edgeresearch.papers.names_b import DROPS, POLICIES
from edgeresearch.papers.sweeps_b import AS_CHOSEN, changes, finalists

LITTLE = 1.0
"""Percentage points of a drop rate below which a change is called small."""


def reached(verdicts: pd.DataFrame, *places: str) -> str:
    """Say how many claims of some places of the paper are reproduced, and how far off the others are.

    Args:
        verdicts: Rows of the claims audit, or others with the columns `id`, `where`, `published`, `measured`, `low`,
            `high`, `unit` and `verdict`.
        places: Such as `Fig. 7`.
    """
    here = verdicts["where"].map(lambda where: any(place in where for place in places))
    rows = verdicts[here.astype(bool) & (verdicts["verdict"] != UNTESTABLE)]
    if rows.empty:
        return f"Nothing was measured of {', '.join(places)}."
    missed = [
        f"{row['id']} ({row['verdict']}: {format_value(row, 'measured')} against {format_value(row, 'published')})"
        for row in rows.to_dict("records")
        if row["verdict"] != REPRODUCED
    ]
    text = f"{', '.join(places)}: {len(rows) - len(missed)} of {len(rows)} claims are reproduced."
    return f"{text} The others: {'; '.join(missed)}." if missed else text


def held_out(drops: pd.DataFrame) -> str:
    """Say how close the drop rates come that had no part in any choice of settings, and those that had.

    Args:
        drops: `los_b.figure7`.
    """
    rows: Any = drops[(drops["policy"] == "los") & drops["published"].notna()]
    away = (rows["drop_percent"] - rows["published"]).abs()
    parts = []
    for held, words in ((True, "Held out"), (False, "Fitted on")):
        each = [
            f"{row.streams} streams {row.drop_percent:.2f} % against {row.published:.2f} % ({gap:.2f} points off)"
            for row, gap in zip(rows.itertuples(), away, strict=True)
            if row.held_out is held or bool(row.held_out) == held
        ]
        if each:
            parts.append(f"{words}: {'; '.join(each)}.")
    near = {held: (away[rows["held_out"].astype(bool) == held] <= DROP_POINTS).all() for held in (True, False)}
    parts.append(
        f"{'All' if near[True] else 'Not all'} that were held out are within {DROP_POINTS:g} points; "
        f"{'so are all' if near[False] else 'not so all'} of the others."
    )
    return " ".join(parts)


def rules(landmarks: pd.DataFrame) -> str:
    """Say which rule for the CPU limit fits Paper B's Fig. 5.

    Args:
        landmarks: As the stage `limits` found them.
    """
    first, last = paper_b.RESIDUAL_PERCENT
    level = paper_b.LIMIT_MILLICORES[paper_b.PLATEAU_ITERATION]
    texts, gaps = [], {}
    for rule, section in (("period", "IV.D"), ("utilisation", "VI.B")):
        marks = landmarks[(landmarks["rule"] == rule) & (landmarks["together"] == 0)].set_index("what")["value"]
        if marks.empty or marks[["level", "plateau"]].isna().any():
            continue
        gaps[section] = abs(marks["level"] / level - 1) + abs(marks["level_residual"] / last - 1)
        texts.append(
            f"by the rule of section {section} limits stand at {marks['level']:.0f} millicores from iteration "
            f"{marks['plateau']:.0f} on, with a residual of {marks['level_residual']:.0f} %"
        )
    if not texts:
        return "There were too few iterations to see a plateau."
    said = "; ".join(texts)
    return (
        f"{said[:1].upper()}{said[1:]}. The paper: about {level:g} from {paper_b.PLATEAU_ITERATION} on, residual from "
        f"{first:g} to {last:g} %. The rule of section {min(gaps, key=lambda each: gaps[each])} is closer."
    )


def shared(landmarks: pd.DataFrame, rule: str) -> str:
    """Say what changes where the jobs share the edge nodes.

    Args:
        landmarks: As the stage `limits` found them.
        rule: The one that is set.
    """
    rows = landmarks[landmarks["rule"] == rule].set_index(["together", "what"])["value"]
    nodes = [int(each) for each in landmarks["together"].unique() if each]
    if not nodes or any(pd.isna(rows.get((each, "plateau"))) for each in (0, nodes[0])):
        return "Jobs that share nodes cannot be compared here."
    return (
        f"If the jobs meet on {nodes[0]} nodes, limits reach their plateau in iteration "
        f"{rows[nodes[0], 'plateau']:.0f} instead of {rows[0, 'plateau']:.0f}, at {rows[nodes[0], 'level']:.0f} "
        f"instead of {rows[0, 'level']:.0f} millicores; {rows[nodes[0], 'trainings']:,.0f} instead of "
        f"{rows[0, 'trainings']:,.0f} of {paper_b.TRAININGS:,} trainings run in the time. The paper does not say which "
        "of the two it measured."
    )


def rates(table: pd.DataFrame) -> str:
    """Say how many trainings the two readings of the trigger rate give.

    Args:
        table: `los_b.rates`.
    """
    rows = table.set_index("trigger")
    named = {"period": "every 3 to 5 minutes", "samples": "after 1,000 samples at 200 to 800 ms"}
    each = [
        f"{words}: {float(rows['triggers'][name]):,.0f} triggers, {float(rows['ratio'][name]):.2f} times the paper's"
        for name, words in named.items()
        if name in rows.index
    ]
    return (
        f'The paper states its trigger rate twice, and "more than {paper_b.TRIGGERS:,}" triggers for '
        f"{paper_b.REPEATS} repeats of {paper_b.HOURS} hours with each number of streams. Of that size, "
        f"{'; '.join(each)}."
    )


def why(reasons: pd.DataFrame) -> str:
    """Say for what reason LOS drops most, with the fewest and the most streams that drop any.

    Args:
        reasons: As the stage `scheduling` found them.
    """
    rows = reasons[(reasons["policy"] == "los") & reasons["reason"].isin(list(DROPS)) & (reasons["share_percent"] > 0)]
    if rows.empty:
        return "LOS dropped nothing."
    texts = []
    for count in sorted({rows["streams"].min(), rows["streams"].max()}):
        part: Any = rows[rows["streams"] == count].sort_values("share_percent", ascending=False, kind="stable")
        top, total = part.iloc[0], part["share_percent"].sum()
        texts.append(
            f"with {count} streams {total:.1f} % of the triggers are dropped, most of them for “{top['reason']}” "
            f"({top['share_percent']:.1f} %)"
        )
    return f"LOS: {'; '.join(texts)}."


def others(drops: pd.DataFrame, traffic: pd.DataFrame) -> str:
    """Say what the other policies show: which drop less than LOS, and what they send for it.

    Args:
        drops: As the stage `scheduling` found them.
        traffic: Likewise.
    """
    most = drops["streams"].max()
    rate = drops[drops["streams"] == most].set_index("policy")["drop_percent"]
    bytes_ = traffic[(traffic["streams"] == most) & (traffic["kind"] == "carried")].set_index("policy")["megabytes"]
    up = traffic[(traffic["streams"] == most) & (traffic["kind"] == "leaving")].set_index("policy")["megabytes"]
    if "los" not in rate.index:
        return "LOS was not run."
    less = [name for name in POLICIES if name in rate.index and rate[name] < rate["los"] - LITTLE]
    said = {
        name: f"{rate[name]:.1f} % ({bytes_[name]:.1f} MB of models and samples over links, {up[name]:.1f} MB out of "
        "the edge)"
        for name in ("los", *less)
    }
    text = f"With {most} streams LOS drops {said['los']}, per node and hour."
    better = "; ".join(f"{POLICIES[name][0]}, {said[name]}" for name in less)
    return f"{text} Less is dropped by: {better}." if less else f"{text} No other policy drops clearly less."


def cloud(drops: pd.DataFrame, traffic: pd.DataFrame, reasons: pd.DataFrame) -> str:
    """Say what sending everything straight to the cloud drops here and why, and what LOS keeps in the edge.

    Args:
        drops: As the stage `scheduling` found them.
        traffic: Likewise.
        reasons: Likewise.
    """
    rows = drops[drops["policy"] == "cloud"].set_index("streams")["drop_percent"]
    if rows.empty:
        return "Straight to the cloud was not run."
    text = f"Straight to the cloud drops {rows.min():.1f} to {rows.max():.1f} % of the trainings"
    mine = reasons[(reasons["policy"] == "cloud") & reasons["reason"].isin(list(DROPS))]
    why = mine.groupby("reason", observed=True)["share_percent"].sum()
    if why.sum() > 0:
        text += f", {100 * why.max() / why.sum():.0f} % of them for “{why.idxmax()}”"
    text += "."
    los = drops[drops["policy"] == "los"].set_index("streams")["drop_percent"]
    fewer = int((rows < los.reindex(rows.index)).sum())
    if fewer:
        text += (
            f" That is less than LOS drops with {fewer} of {len(rows)} numbers of streams, over uplinks whose "
            "bandwidth the paper does not state: there, drop rates are no reason for LOS."
        )
    sent = traffic[traffic["policy"] == "los"].pivot(index="streams", columns="kind", values="megabytes")
    kept = 100 * (1 - sent["leaving"] / sent["samples"]).where(sent["samples"] > 0).dropna()
    if kept.empty:
        return text
    shares = ", ".join(f"{share:.0f} % with {count}" for count, share in kept.items())
    return f"{text} What LOS has instead: models and samples stay in the edge ({shares} streams)."


def swept(table: pd.DataFrame, what: str) -> str:
    """Say how far the drop rate moves from the first value of a sweep, at the value that moves it most.

    Args:
        table: What `sweeps.sweep` found.
        what: Such as `gateways`.
    """
    texts = []
    for count, part in table.groupby("streams"):
        first = part.iloc[0]
        away = (part["drop_percent"] - first["drop_percent"]).abs()
        far: Any = part.loc[away.idxmax()]
        value = far["value"] if isinstance(far["value"], str) else f"{far['value']:g}"
        texts.append(
            f"{count} streams {first['drop_percent']:.1f} → {far['drop_percent']:.1f} % ({far['low']:.1f} to "
            f"{far['high']:.1f}) at {value}"
        )
    return f"Dropped trainings by {what}, from {table['value'].iloc[0]} to what differs most: {'; '.join(texts)}."


def matter(choices: pd.DataFrame, most: int = 5) -> str:
    """Say which choices move the drop rate most, and how many hardly do.

    Args:
        choices: As the stage `sweeps` found them.
        most: How many are named.
    """
    if AS_CHOSEN not in set(choices["value"]) or choices["value"].nunique() < 2:
        return "Nothing was varied."
    moved = changes(choices).abs().max(axis=1)
    top = ", ".join(f"{name} ({points:.1f} points)" for name, points in moved.head(most).items())
    return f"Most is moved by: {top}. {int((moved < LITTLE).sum())} of {len(moved)} move nothing by {LITTLE:g} point."


def fit_said(fit: pd.DataFrame) -> str:
    """Say how far apart the final candidates of the fit land.

    Args:
        fit: What `calibrate.calibrate` found.
    """
    last = finalists(fit)
    spans = [
        f"{column.removeprefix('drop_')} streams {last[column].min():.1f} to {last[column].max():.1f} %"
        for column in last.columns
        if column.startswith("drop_")
    ]
    return (
        f"{len(fit)} evaluations; {len(last)} candidates were run again with fresh seeds, with losses of "
        f"{last['loss'].min():.2f} to {last['loss'].max():.2f} points. They drop: {'; '.join(spans)}."
    )
