"""What dropped trainings do to detection, in sentences computed from the tables that the figures are drawn from."""

from typing import Any

import pandas as pd

from edgeresearch.papers.names_b import POLICIES
from edgeresearch.papers.staleness_b import MAIN

METRIC = "event_f1"
"""What verdicts are of."""


def ages(table: pd.DataFrame) -> str:
    """Say how old models get by policy, and that late models age, too.

    Args:
        table: `staleness`, as the stage found it.
    """
    rows: Any = table[(table["data"] == "traffic") & (table["threshold"] == MAIN)]
    found = rows.set_index("policy")["mean_age"]
    parts = [
        f"{words} {_range(part['drop_percent'], '.0f')} % dropped, {_range(part['mean_age'], ',.0f')} samples"
        for name, (words, _, _) in POLICIES.items()
        if len(part := rows[rows["policy"] == name])
    ]
    text = (
        "Mean age of the model in use, in samples since those that it was trained on: "
        f"{found['always']:,.0f} if every model is there at once, {found['never']:,.0f} if none comes after the first; "
        f"{'; '.join(parts)}."
    )
    if "oracle" not in found.index:
        return text
    late = rows.loc[rows["policy"] == "oracle", "mean_age"].mean() / found["always"]
    return (
        f"{text} Drops are not all: the oracle, which takes the least CPU that just meets the period, has models "
        f"{late:.1f} times as old as if they were there at once."
    )


def matters(pairs: pd.DataFrame, data: str = "traffic") -> str:
    """Say whether retraining changes detection, and whether LOS does against in-situ training.

    Args:
        pairs: `staleness_pairs`, as the stage found it.
        data: `traffic`, or `control`.
    """
    row = _row(pairs, "always - never", data=data)
    if row is None:
        return f"Nothing was run of {data}."
    where = "in the control" if data == "control" else "on this data"
    said = f"every model at once against never: event F1 {_difference(row)}, {row.sensors} sensors, {row.pairs} pairs"
    verdict = f"Retraining {_verdict(row)} {where} ({said})"
    other = _row(pairs, "always - never", data=data, threshold="quantile")
    if other is not None:
        verdict += f"; with the quantile threshold it {_verdict(other)} ({_difference(other)})"
    parts = []
    for threshold, words in (("ema", "the moving threshold"), ("quantile", "the quantile threshold")):
        against = _rows(pairs, "los - in_situ", data=data, threshold=threshold)
        if len(against):
            clear = int(((against["low"] > 0) | (against["high"] < 0)).sum())
            parts.append(
                f"{_range(against['difference'], '+.3f')} with {words}, clear of 0 with {clear} of {len(against)} "
                "numbers of streams"
            )
    return f"{verdict}. LOS against in-situ training: {'; '.join(parts)}." if parts else f"{verdict}."


def seen(pairs: pd.DataFrame) -> str:
    """Say how small an effect of retraining could have been seen, and that the control shows one.

    Args:
        pairs: `staleness_pairs`, as the stage found it.
    """
    row, control = _row(pairs, "always - never"), _row(pairs, "always - never", data="control")
    if row is None or control is None or pd.isna(row.low):
        return "There is no control, or no interval, to say how small an effect could have been seen."
    text = (
        f"The interval leaves room for {row.low:+.3f} to {row.high:+.3f} of event F1. That the measurement can see an "
        f"effect is shown by the control, where a sensor's gain drifts: there it is {_difference(control)}"
    )
    return f"{text}." if control.low > 0 else f"{text}, not clear of 0 either: nothing can be concluded."


def over_time(course: pd.DataFrame) -> str:
    """Say how detection fares in the last quarter of the time.

    Args:
        course: `staleness_course`, as the stage found it.
    """
    last = course["block"].max()
    late: Any = course[course["block"] > 0.75 * last]
    most = course["streams"].max()
    texts = []
    for data, words in (("traffic", "on the streams as they are"), ("control", "in the control")):
        part = late[(late["data"] == data) & late["streams"].isin([0, most])]
        mean = part.groupby("policy")[METRIC].mean()
        if {"always", "never", "los"} <= set(mean.index):
            texts.append(
                f"{words} event F1 is {mean['always']:.2f} with every model at once, {mean['los']:.2f} under LOS with "
                f"{most} streams, {mean['never']:.2f} without retraining"
            )
    return f"In the last quarter of the time, {'; '.join(texts)}." if texts else "There is no course to tell."


def samples(pairs: pd.DataFrame) -> str:
    """Say what a first model of clean samples and a warm start change: what is trained on, rather than when.

    Args:
        pairs: `staleness_pairs`, as the stage found it.
    """
    texts = []
    for contrast, words in (
        ("never_clean - never", "A first model that was trained without anomalies, and never again"),
        ("always_warm - always", "Trainings that go on from the weights before, each at once"),
    ):
        found = {name: _row(pairs, contrast, metric=name) for name in (METRIC, "auc_pr", "false_alarms_per_day")}
        if found[METRIC] is not None:
            against = "trained with them" if "clean" in contrast else "fresh ones"
            texts.append(
                f"{words}: AUC-PR {_difference(found['auc_pr'])}, event F1 {_difference(found[METRIC])}, false alarms "
                f"per day {_difference(found['false_alarms_per_day'], 2)}, against {against}."
            )
    warm = _row(pairs, "always_warm - never")
    if warm is not None:
        texts.append(f"Retraining with a warm start {_verdict(warm)} (event F1 {_difference(warm)} against never).")
    return " ".join(texts) or "No other training was run."


def costs(measured: pd.DataFrame, drops: pd.DataFrame) -> str:
    """Say what Fig. 7's drop rates are with measured training times.

    Args:
        measured: `los/measured`, as the stage `measured` found it.
        drops: `los_b.figure7`.
    """
    los: Any = measured[measured["policy"] == "los"]
    fitted = drops[drops["policy"] == "los"].set_index("streams")["drop_percent"]
    parts = []
    for name, part in los.groupby("model", sort=False):
        rates = ", ".join(f"{row.drop_percent:.1f}" for row in part.itertuples())
        parts.append(f"{name} {rates} % (trainings of {_range(part['seconds'], '.0f')} s)")
    counts = ", ".join(str(count) for count in sorted(los["streams"].unique()))
    return (
        f"LOS with {counts} streams drops, with the training times that were measured here: {'; '.join(parts)}; with "
        f"those fitted to the paper {', '.join(f'{rate:.1f}' for rate in fitted)} %. In-situ training drops "
        f"{_range(measured.loc[measured['policy'] == 'in_situ', 'drop_percent'], '.0f')} % whatever a training costs."
    )


def _rows(
    pairs: pd.DataFrame, contrast: str, data: str = "traffic", metric: str = METRIC, threshold: str = MAIN
) -> Any:
    mine = (pairs["contrast"] == contrast) & (pairs["data"] == data) & (pairs["threshold"] == threshold)
    return pairs[mine & (pairs["metric"] == metric)]


def _row(pairs: pd.DataFrame, contrast: str, **more: str) -> Any:
    """Return the one row of a contrast that hangs on no number of streams; None where there is none."""
    rows = list(_rows(pairs, contrast, **more).itertuples())
    return rows[0] if rows else None


def _difference(row: Any, digits: int = 3) -> str:
    text = f"{row.difference:+.{digits}f}"
    return text if pd.isna(row.low) else f"{text} ({row.low:+.{digits}f} to {row.high:+.{digits}f})"


def _verdict(row: Any) -> str:
    """Say what an interval tells."""
    if pd.isna(row.low):
        return "cannot be judged without an interval"
    return "helps" if row.low > 0 else "harms" if row.high < 0 else "makes no clear difference"


def _range(values: pd.Series, form: str) -> str:
    low, high = format(values.min(), form), format(values.max(), form)
    return low if low == high else f"{low} to {high}"
