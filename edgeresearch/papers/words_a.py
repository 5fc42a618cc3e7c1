"""What is seen in the figures around Paper A's Table 2, in sentences computed from the same tables."""

from typing import Any

import pandas as pd

from edgeresearch.papers.figures_a import title
from edgeresearch.papers.forecasts_a import hourly_error
from edgeresearch.papers.paper_a import OURS, PROJECT, PUBLISHED


def ranked(table: pd.DataFrame, horizon: int) -> str:
    """Say which of the paper's five models is first on a trace, where its LSTM stands, and who is first of all.

    Args:
        table: Rows of one trace of `paper_a.table2`.
        horizon: Steps ahead.
    """
    rows: Any = table[table["horizon"] == horizon].sort_values("mse")
    five = rows[rows["model"].isin(PUBLISHED)]
    text = f"On {title(table)}, {horizon} step{'s' if horizon > 1 else ''} ahead, "
    if len(five):
        order = list(five["model"])
        lstm = f"its LSTM has place {order.index(OURS) + 1}" if OURS in order else "its LSTM was not run"
        text += f"{five['label'].iloc[0]} has the lowest MSE of the paper's {len(five)} models and {lstm}; "
    best = rows.iloc[0]
    text += f"the lowest of all {len(rows)} models is that of {best['label']}, with an R² of {best['r2']:.3f}."
    behind = list(rows.loc[(rows["skill"] <= 0) & (rows["model"] != "last_value"), "label"])
    if behind:
        return f"{text} No better than the last value: {', '.join(behind)}."
    return f"{text} Every other model is better than the last value."


def significance(table: pd.DataFrame, horizon: int) -> str:
    """Say whether the project's LSTM differs from the best baseline by more than chance (Diebold-Mariano, 5 %)."""
    rows: Any = table[table["horizon"] == horizon].set_index("model")
    if PROJECT not in rows.index or rows["best_baseline"][PROJECT] not in rows.index:
        return "This project's LSTM was not run beside a baseline."
    row = rows.loc[PROJECT]
    baseline = rows.loc[row["best_baseline"]]
    ratio = row["mse"] / baseline["mse"] - 1
    sure = "a difference beyond chance" if row["dm_p"] < 0.05 else "no difference beyond chance"
    return (
        f"The MSE of {row['label']} is {abs(ratio):.1%} {'below' if ratio < 0 else 'above'} that of the best baseline, "
        f"{baseline['label']}: {sure} (Diebold-Mariano p = {row['dm_p']:.2g})."
    )


def covered(forecasts: pd.DataFrame, model: str, horizon: int) -> str:
    """Say how many true values of the test part lie in a model's interval, which is made from its past errors alone."""
    part = forecasts[(forecasts["model"] == model) & (forecasts["horizon"] == horizon)].dropna()
    if part.empty:
        return "The test part is too short for an interval from past errors."
    inside = float(((part["truth"] >= part["low"]) & (part["truth"] <= part["high"])).mean())
    return (
        f"The band is made of the model's own errors up to the moment of the forecast and is meant to hold 95 % of "
        f"the true values; it holds {inside:.1%} of the {len(part):,} in the test part that have one."
    )


def hours(forecasts: pd.DataFrame, horizon: int, step: pd.Timedelta, labels: pd.Series) -> str:
    """Say in which hour forecasting is hardest and easiest, and who is best in most hours.

    Args:
        forecasts: What `forecast.compare` wrote for a trace.
        horizon: Steps ahead.
        step: Distance of two steps.
        labels: Labels by model.
    """
    table: Any = hourly_error(forecasts, horizon, step)
    mean = table.mean(axis=1)
    winners = table.idxmin(axis=1).value_counts()
    low = float(mean.min())
    apart = f", with {mean.max() / low:.1f} times the error between them" if low > 0 else ""
    return (
        f"Averaged over the models, {mean.idxmax():02d}:00 is the hardest hour and {mean.idxmin():02d}:00 the "
        f"easiest{apart}. {labels[winners.index[0]]} has the lowest error in {winners.iloc[0]} of the {len(table)} "
        "hours that the test part has."
    )


def cost(table: pd.DataFrame) -> str:
    """Say what fitting costs: the cheapest and the dearest model, and the two LSTMs against each other."""
    rows = table[(table["horizon"] == table["horizon"].min()) & table["fit_seconds"].notna()]
    if rows.empty:
        return (
            "CPU seconds differ from run to run, so they are no output of the pipeline; `make timings` measures them."
        )
    rows = rows.sort_values("fit_seconds")
    seconds = rows.set_index("model")["fit_seconds"].astype(float)
    text = (
        f"{rows['label'].iloc[0]} is the cheapest to fit ({seconds.iloc[0]:.2g} s), {rows['label'].iloc[-1]} the "
        f"dearest ({seconds.iloc[-1]:.2g} s of CPU time)."
    )
    if {OURS, PROJECT} <= set(seconds.index):
        text += f" This project's LSTM takes {seconds[PROJECT] / seconds[OURS]:.2f} times the CPU time of the paper's."
    return text
