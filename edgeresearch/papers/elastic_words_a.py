"""What is seen around Paper A's Table 3, in sentences computed from the same tables."""

from typing import Any

import numpy as np
import pandas as pd

from edgeresearch.autoscaling.settings import ExperimentConfig
from edgeresearch.papers import paper_a
from edgeresearch.papers.elastic_a import BUDGET, GOAL, TEXT, nine, published

MAKERS = {
    "lstm": "this project's LSTM",
    "ridge": "ridge regression",
    "last_value": "the last value",
    "published": "a forecast of the published accuracy",
}


DAILY = 0.5
"""Part of the stand-in's variance that lies in its daily cycle (see `series.synthetic.draw_qps`)."""


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


def foreseeable(table: pd.DataFrame, lead: float) -> str:
    """Say what bounds the cells of the stand-in with a forecaster that knows only the past.

    Args:
        table: Rows of the stand-in of `elastic_a.table3`.
        lead: How far ahead a forecast looks, in seconds.
    """
    if "lstm" not in set(table["forecaster"]):
        return "The stand-in was not replayed with this project's LSTM."
    r2 = table.loc[table["forecaster"] == "lstm", "forecast_r2"].iloc[0]
    cells: Any = nine(table, "lstm")
    off: Any = (cells - published()).abs().stack()
    far = off[off > GOAL].index.map(" on ".join).tolist()
    first = paper_a.PUBLISHED["lstm_paper"].r2
    risen = {name: f"{cells.loc[name, 'expansion']:.2f} %" for name in cells.index}
    return (
        f"How the stand-in is made bounds what can be known of it: Paper A's R² of {first:g} is the best that there is "
        f"one minute ahead; {lead:g} s ahead, which this rule needs, the best by minutes is {best(lead):.2f}, and this "
        f"project's LSTM reaches {r2:.2f}. The load jumps, and nothing announces a jump: on expansion Advance errs by "
        f"{risen['advance']} and Combined by {risen['combined']}, Responsive, which waits for the jump, by "
        f"{risen['responsive']}; a forecast that follows the load lets go of pods as late as Responsive does, so that "
        f"Advance errs by {cells.loc['advance', 'shrinkage']:.2f} % on shrinkage. Not reached with it: "
        f"{', '.join(far) or 'none'}."
    )


def best(lead: float) -> float:
    """Return the R² of the best forecast of the stand-in's minutes that knows how it is made.

    Its daily cycle is certain; of the rest, an autoregression, the part φ^(2k) of the variance is known k minutes
    ahead.

    Args:
        lead: How far ahead, in seconds.
    """
    paper = paper_a.PUBLISHED["lstm_paper"]
    rest = (1 - DAILY) * paper.mse / (1 - paper.r2)
    return float(1 - (1 - DAILY) * (1 - (1 - paper.mse / rest) ** (lead / 60)))


def honest(real: bool) -> str:
    """Say what the choice of settings rests on."""
    where = (
        "The settings are those of the stand-in, as they are."
        if real
        else "The draws below are fresh: the search saw others."
    )
    return (
        "The few global settings were found by `edgeresearch fit elastic --neutral`: a search that starts in the "
        "middle of every range, on draws of the synthetic stand-in; no real trace had a part in it. It used a forecast "
        "that knows the future up to an error of the published R²: the paper states neither its trace nor its horizon. "
        "No cell has a setting of its own. "
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


def premium(table: pd.DataFrame, verdicts: pd.DataFrame, forecaster: str = "lstm") -> str:
    """Say on all real traces what Combined's pod-hours above Responsive's are due to.

    The larger of two numbers is half their sum plus half of what they lie apart. So the price is half of what Advance,
    on the same forecasts, takes above Responsive (the level of the forecast), and a rest: how far forecast and present
    lie apart.

    Args:
        table: `elastic_a.table3` of all traces.
        verdicts: `elastic_a.compare_strategies` of it.
        forecaster: Whose forecasts Combined acts on.
    """
    rows = verdicts[(verdicts["forecaster"] == forecaster) & (verdicts["reading"] == "trace") & verdicts["real"]]
    whole = table[(table["phase"] == "all") & (table["reading"] == "trace")]
    hours: Any = whole.set_index(["trace", "forecaster", "strategy"])["pod_hours"]
    parts: dict[bool, list[str]] = {True: [], False: []}
    for trace, ratio in zip(rows["trace"], rows["pod_ratio"], strict=True):
        level = 50 * (hours[trace, forecaster, "advance"] / hours[trace, "none", "responsive"] - 1)
        price = 100 * (ratio - 1)
        parts[ratio > BUDGET].append(f"{trace} {price:+.1f} % = {level:+.1f} level {price - level:+.1f} disagreement")
    if not rows.size:
        return f"No real trace was replayed with {MAKERS.get(forecaster, forecaster)}."
    return (
        "Combined holds pods for the larger of forecast and present, so it pays for a forecast whose level is too "
        "high, and for how far forecast and present lie apart, whichever is right. Its pod-hours above Responsive's, "
        f"with {MAKERS.get(forecaster, forecaster)}: {'; '.join(parts[True]) or 'none'} where they are above "
        f"{100 * (BUDGET - 1):.0f} %; {'; '.join(parts[False]) or 'none'} elsewhere."
    )


def extra(course: pd.DataFrame, world: ExperimentConfig) -> str:
    """Say on one trace what Combined's further pods are, and how many of them were needed.

    Args:
        course: What `run_experiment` found over time, of the first repeat.
        world: Capacity and horizon.
    """
    parts = {str(name): rows.reset_index(drop=True) for name, rows in course.groupby("strategy")}
    if not {"combined", "responsive"} <= set(parts):
        return "Combined and Responsive were not both replayed."
    ours, theirs = parts["combined"], parts["responsive"]["wanted"].to_numpy(dtype=float)
    present = ours["known"].to_numpy(dtype=float)[: -world.horizon]
    # Both stand where they speak of: `forecast` was made a horizon before, `known` is what it became.
    forecast, came = (ours[name].to_numpy(dtype=float)[world.horizon :] for name in ("forecast", "known"))
    added = (ours["wanted"].to_numpy(dtype=float) - theirs)[: -world.horizon]
    useful = np.clip(world.capacity.pods(came) - theirs[: -world.horizon], 0, added)
    mean = present.mean()
    above, perfect = (100 * np.maximum(each - present, 0).mean() / mean for each in (forecast, came))
    needed = f"{100 * useful.sum() / added.sum():.0f} % were needed" if added.sum() else "none were needed"
    return (
        f"Combined wants {ours['wanted'].sum() / theirs.sum():.2f} times the pods that Responsive wants (first repeat, "
        f"{MAKERS.get(str(ours['forecaster'].iloc[0]), 'its forecaster')}). Until a pod is ready, the load moves by "
        f"{100 * np.abs(came - present).mean() / mean:.0f} % of its mean; the forecast lies above the present load by "
        f"{above:.0f} % of it on average, and Combined provides for that much more. Of the pods that it adds, {needed} "
        f"once they were ready. A forecast without error would lie above the present load by {perfect:.0f} %"
        f"{': foreseeing more does not make the rule cheaper' if perfect >= above else ''}."
    )


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
