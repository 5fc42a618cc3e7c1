"""What is seen around Paper A's Table 3, in sentences computed from the same tables."""

from typing import Any

import pandas as pd

from edgeresearch.paper.elastic_a import BUDGET, GOAL, TEXT, nine, published

MAKERS = {
    "lstm": "this project's LSTM",
    "ridge": "ridge regression",
    "last_value": "the last value",
    "published": "a forecast of the published accuracy",
}


def reached(table: pd.DataFrame) -> str:
    """Say for every forecaster how many of the nine published cells are reached on a trace, phases by the load."""
    sentences = []
    for maker in [name for name in MAKERS if name in set(table["forecaster"])]:
        apart = (nine(table, maker) - published()).abs()
        count = int((apart <= GOAL).to_numpy().sum())
        stacked: Any = apart.stack()
        worst, gap = stacked.idxmax(), stacked.max()
        r2 = table.loc[table["forecaster"] == maker, "forecast_r2"].iloc[0]
        sentences.append(
            f"With {MAKERS[maker]} (R² {r2:.2f} at the rule's own horizon), {count} of the nine cells are within "
            f"{GOAL:g} points of the published ones; the farthest, {worst[0]} on {worst[1]}, is off by {gap:.2f}."
        )
    return " ".join(sentences)


def honest(real: bool) -> str:
    """Say what the choice of settings rests on."""
    where = (
        "The settings are those of the stand-in, as they are."
        if real
        else "The draws below are fresh: `calibrate` saw others."
    )
    return (
        "The few global settings were last moved by `elastic.calibrate`, on draws of the synthetic stand-in, from a "
        "start that a wider search outside this package had found; from a neutral start the search has not been shown "
        "to arrive there. It used a forecast that knows the future up to an error of the published R²: the paper "
        "states neither its trace nor its horizon. No cell has a setting of its own. "
        f"{where} What comes of a forecaster that knows only the past is in its own rows. A trace that is coarser than "
        "the decisions is drawn linearly between its values, which tells every forecaster the slope of the next one."
    )


def contradiction(table: pd.DataFrame, forecaster: str = "published") -> str:
    """Settle by the mechanism which cell holds the 6.7 %: the text says expansion, the table shrinkage.

    Args:
        table: `elastic_a.table3` of all traces.
        forecaster: Whose forecasts Advance acts on.
    """
    name, phase, value = TEXT
    gaps = {}
    for trace, part in table.groupby("trace", sort=False):
        cells: Any = nine(part, forecaster).loc[name]
        if cells.notna().all():
            gaps[str(trace)] = float(cells["shrinkage"] - cells[phase])
    if not gaps:
        return f"{name} was not replayed with {MAKERS.get(forecaster, forecaster)}: nothing can be said."
    more = [trace for trace, gap in gaps.items() if gap > 0]
    sides = 2 * len(more) > len(gaps)
    verdict = "the mechanism sides with the table" if sides else "with such forecasts the mechanism does not show"
    spans = ", ".join(f"{trace} {gap:+.1f}" for trace, gap in gaps.items())
    return (
        f"The text gives {value:g} % to Advance on {phase}, the table on shrinkage. A rule that acts on the forecast "
        "alone has its pods ready before the load comes, and removes them before the load is gone: it must err on "
        f"shrinkage. Advance, with {MAKERS.get(forecaster, forecaster)}, errs more on shrinkage than on expansion "
        f"on {len(more)} of {len(gaps)} traces (points: {spans}): {verdict}."
    )


def ordering(verdicts: pd.DataFrame, forecaster: str = "lstm", reading: str = "trace") -> str:
    """Say on which real traces the combined strategy is best or tied at its price, and which refuse."""
    rows = verdicts[(verdicts["forecaster"] == forecaster) & (verdicts["reading"] == reading) & verdicts["real"]]
    if rows.empty:
        return f"No real trace was replayed with {MAKERS.get(forecaster, forecaster)}."
    good = rows["best_expansion"] & rows["best_shrinkage"] & (rows["pod_ratio"] <= BUDGET)
    refusing = [f"{row.trace} ({_why(row)})" for row in rows[~good].itertuples()]
    text = (
        f"With {MAKERS.get(forecaster, forecaster)}, Combined is best or tied among the paper's three on expansion and "
        f"on shrinkage, at no more than {BUDGET:g} times Responsive's pod-hours, on {int(good.sum())} of {len(rows)} "
        "real traces."
    )
    return f"{text} These refuse: {', '.join(refusing)}." if refusing else text


def _why(row: Any) -> str:
    reasons = [phase for phase in ("expansion", "shrinkage") if not getattr(row, f"best_{phase}")]
    text = f"not best on {' and '.join(reasons)}" if reasons else ""
    dear = f"{row.pod_ratio:.2f} times the pod-hours" if row.pod_ratio > BUDGET else ""
    return "; ".join(filter(None, [text, dear]))


def readings(table: pd.DataFrame, forecaster: str = "published") -> str:
    """Say how far the nine cells of a trace move when actions tell the phases instead of the load."""
    moved: Any = (nine(table, forecaster, "actions") - nine(table, forecaster)).stack()
    if moved.dropna().empty:
        return "The two readings of the phases cannot be compared here."
    cell: Any = moved.abs().idxmax()
    return (
        f"When each strategy's own actions tell the phases instead of the load, the nine cells move by "
        f"{moved.abs().mean():.2f} points on average, most for {cell[0]} on {cell[1]} ({moved[cell]:+.2f})."
    )


def price(table: pd.DataFrame) -> str:
    """Say which strategies without sight of the future err least and cost least on a trace."""
    rows = table[(table["phase"] == "all") & (table["strategy"] != "oracle") & (table["forecaster"] != "published")]
    if rows.empty:
        return "No strategy without sight of the future was replayed."
    safe: Any = rows.sort_values("error_percent", kind="stable").iloc[0]
    cheap: Any = rows.sort_values("pod_hours", kind="stable").iloc[0]
    return (
        f"Of what can be had without sight of the future, {safe['strategy']} ({safe['forecaster']}) errs least "
        f"({safe['error_percent']:.2f} % at {safe['pod_hours']:.1f} pod-hours) and {cheap['strategy']} "
        f"({cheap['forecaster']}) costs least ({cheap['pod_hours']:.1f} pod-hours at {cheap['error_percent']:.2f} %)."
    )
