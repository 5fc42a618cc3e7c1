"""Paper B's Table I and Figs. 5 to 7 as text: published beside simulated."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from edgeresearch.papers import paper_a
from edgeresearch.papers.claims.table import read_claims
from edgeresearch.papers.names_b import POLICIES
from edgeresearch.papers.report.cells import NONE, Printed, fixed, spans, with_span


def table1(tables: Path, _: Mapping[str, Any]) -> Printed:
    """Return Paper B, Table I, beside the testbed that is emulated.

    Args:
        tables: Folder of the tables.
        _: Not read.

    Raises:
        InputError: The table has not been made.
    """
    table = paper_a.read(tables / "testbed.csv").astype(object).fillna(NONE).astype(str)
    return Printed("b-table1", "Paper B, Table I: the instances of the testbed", table)


def figure5(tables: Path, _: Mapping[str, Any]) -> Printed:
    """Return what Paper B states of Fig. 5, beside what came out.

    Args:
        tables: Folder of the tables.
        _: Not read.

    Raises:
        InputError: The verdicts have not been made.
    """
    rows = read_claims(tables / "los_verdicts.csv")
    rows = rows[rows["where"].str.startswith("Fig. 5") & (rows["low"] != "")]
    numbers = rows[["measured", "low", "high"]].astype(float)
    columns = {
        "What": rows["claim"],
        "Where": rows["where"],
        "Unit": rows["unit"],
        "Published": rows["published"],
        "Simulated": fixed(numbers["measured"], 1),
        "95 %": spans(numbers["low"], numbers["high"], 1),
        "Verdict": rows["verdict"],
    }
    return Printed("b-fig5", "Paper B, Fig. 5: CPU limits and residuals", pd.DataFrame(columns).reset_index(drop=True))


def figure6(tables: Path, _: Mapping[str, Any]) -> Printed:
    """Return the shares of Paper B, Fig. 6, by streams and hops.

    Args:
        tables: Folder of the tables.
        _: Not read.

    Raises:
        InputError: The table has not been made.
    """
    rows = paper_a.read(tables / "fig6_hops.csv")
    rows = rows[rows["hops"] > 0]
    stated = set(rows.loc[rows["published"].notna(), "hops"])
    parts: Any = rows.groupby("streams")
    lines = [_hops(int(streams), part, stated) for streams, part in parts]
    note = "Simulated: mean and 95 % interval over repeats, of all trainings that looked for a place."
    title = "Paper B, Fig. 6: shares of hand-overs under LOS, in %"
    return Printed("b-fig6", title, pd.DataFrame(lines).fillna(NONE), (note,))


def _hops(streams: int, part: pd.DataFrame, stated: set[Any]) -> dict[str, str]:
    line = {"Streams": str(streams)}
    for row in part.to_dict("records"):
        name = f"{row['hops']} hop{'s' if row['hops'] != 1 else ''}"
        line[name] = with_span(row["share_percent"], row["low"], row["high"])
        if row["hops"] in stated:
            line[f"{name}, published"] = NONE if pd.isna(row["published"]) else f"{row['published']:g}"
    return line


def figure7(tables: Path, _: Mapping[str, Any]) -> Printed:
    """Return the drop rates of Paper B, Fig. 7, and of every other policy.

    Args:
        tables: Folder of the tables.
        _: Not read.

    Raises:
        InputError: The table has not been made.
    """
    parts: Any = paper_a.read(tables / "fig7_drop.csv").groupby("streams")
    lines = [_drops(int(streams), part.set_index("policy")) for streams, part in parts]
    notes = ("Simulated. The paper states 100 % for trainings that can only run at their source (in-situ).",)
    return Printed("b-fig7", "Paper B, Fig. 7: dropped trainings, in %", pd.DataFrame(lines).fillna(NONE), notes)


def _drops(streams: int, policies: Any) -> dict[str, str]:
    los = policies.loc["los"]
    stated = pd.notna(los["published"])
    line = {
        "Streams": str(streams),
        "LOS, published": f"{los['published']:.2f}" if stated else NONE,
        "LOS, simulated": f"{los['drop_percent']:.1f}",
        "95 %": f"{los['low']:.1f} to {los['high']:.1f}",
        "Published value was": ("held out" if bool(los["held_out"]) else "fitted on") if stated else NONE,
    }
    others = [name for name in POLICIES if name != "los" and name in policies.index]
    return line | {POLICIES[name][0].capitalize(): f"{policies['drop_percent'][name]:.1f}" for name in others}


def triggers(tables: Path, _: Mapping[str, Any]) -> Printed:
    """Return how many trainings both readings of Paper B's trigger rate give.

    Args:
        tables: Folder of the tables.
        _: Not read.

    Raises:
        InputError: The table has not been made.
    """
    rows = paper_a.read(tables / "los_triggers.csv")
    words = {"period": "every 3 to 5 minutes", "samples": "after 1,000 samples at 200 to 800 ms"}
    columns = {
        "A training": rows["trigger"].map(lambda name: words.get(name, name)),
        "Published": [f"more than {value:,.0f}" for value in rows["published"]],
        "Simulated": [f"{value:,.0f}" for value in rows["triggers"]],
        "95 %": [f"{low:,.0f} to {high:,.0f}" for low, high in zip(rows["low"], rows["high"], strict=True)],
        "Ratio": fixed(rows["ratio"], 2),
    }
    title = "Paper B, section VI.C: trainings triggered in an experiment of the paper's size"
    return Printed("b-triggers", title, pd.DataFrame(columns))
