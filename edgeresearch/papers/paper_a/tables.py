"""Paper A's Tables 1 to 3: published values beside measured ones, and what follows from them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.io import atomic, read_table, write_csv, write_json
from edgeresearch.papers.paper_a.published import (
    CELL_TOLERANCE,
    METRICS,
    PAPER_LSTM,
    PHASES,
    TABLE_2,
    TABLE_3,
    find_contradictions,
)
from edgeresearch.provenance import machine_line

if TYPE_CHECKING:
    from edgeresearch.autoscaling.experiment import ExperimentResult
    from edgeresearch.autoscaling.settings import ReplayConfig
    from edgeresearch.forecasting.evaluation import Comparison

TIMINGS = Path("data") / "measured" / "fit_seconds.csv"
"""CPU seconds, measured now and then (`make timings`), in the project folder."""

TIMING_COLUMNS = ["trace", "model", "fit_seconds", "predict_seconds", "machine"]

BASELINES = ("paper", "naive", "strong")
"""Roles of the models that an LSTM is compared with."""

TABLE_2_COLUMNS = [
    "trace", "real", "horizon", "model", "seeds", "mse", "mse_low", "mse_high", "mae", "r2", "skill", "fit_seconds",
    "published_mse", "published_mae", "published_r2", "predict_seconds", "label", "role", "points", "best_baseline",
    "dm_statistic", "dm_p", "unit", "step_seconds", "note", "sha256",
]  # fmt: skip

READABLE = [
    "horizon", "label", "seeds", "mse", "mse_low", "mse_high", "published_mse", "mae", "published_mae", "r2",
    "published_r2", "skill", "dm_p", "fit_seconds",
]  # fmt: skip
"""The columns of Table 2 in the order in which a reader wants them."""

TABLE_3_COLUMNS = [
    "trace", "real", "forecaster", "strategy", "phase", "error_percent", "low", "high", "pod_hours", "published",
    "reading", "share", "forecast_r2", "repeats", "note",
]  # fmt: skip


def make_table_2(scores: Iterable[pd.DataFrame], seconds: pd.DataFrame | None = None) -> pd.DataFrame:
    """Put what was measured beside Table 2.

    Args:
        scores: Per trace what `compare` wrote into `tables/forecast/`.
        seconds: CPU seconds (`TIMINGS`); those of other traces are left out.

    Returns:
        One row per trace, horizon and model, with the columns `TABLE_2_COLUMNS`. Published values stand at the shortest
        horizon only: the paper forecasts the next step.

    Raises:
        InputError: There are no scores.
    """
    table = _join(scores, "no scores to put into Table 2; run edgeresearch compare first")
    next_step = table["horizon"] == table["horizon"].min()
    for metric in METRICS:
        values = {name: getattr(row, metric) for name, row in TABLE_2.items()}
        table[f"published_{metric}"] = table["model"].map(values).where(next_step)
    timed = ["trace", "model", "fit_seconds", "predict_seconds"]
    known = pd.DataFrame(columns=timed) if seconds is None else seconds[timed]
    known = known.astype({"trace": str, "model": str, "fit_seconds": float, "predict_seconds": float})
    return table.merge(known, how="left", on=["trace", "model"])[TABLE_2_COLUMNS]


def _join(frames: Iterable[pd.DataFrame], otherwise: str) -> pd.DataFrame:
    parts = list(frames)
    if not parts:
        raise InputError(otherwise)
    return pd.concat(parts, ignore_index=True)


def rank_models(table: pd.DataFrame) -> pd.DataFrame:
    """Rank the paper's five models on every trace, by each metric of Table 2.

    Args:
        table: What `make_table_2` returns.

    Returns:
        One row per trace, horizon and metric: `best`, `lstm_place` (1 is best; empty where it was not run), `order`
        (best first, separated by " < "), `published_order`, and `kendall`, the rank correlation with the published
        order (1: the same, -1: reversed). Those of the five that were not run are left out of both orders.
    """
    rows = []
    five = table[table["model"].isin(TABLE_2)]
    for (trace, real, horizon), part in five.groupby(["trace", "real", "horizon"], sort=False):
        scores = part.set_index("model")
        for name, metric in METRICS.items():
            paper = pd.Series({model: getattr(TABLE_2[str(model)], name) for model in scores.index}, dtype=float)
            order, published = (
                list(each.sort_values(ascending=metric.lower_is_better).index) for each in (scores[name], paper)
            )
            rows.append(
                {
                    **{"trace": trace, "real": real, "horizon": horizon, "metric": name, "best": order[0]},
                    "lstm_place": order.index(PAPER_LSTM) + 1 if PAPER_LSTM in order else None,
                    "order": " < ".join(order),
                    "published_order": " < ".join(published),
                    "kendall": scores[name].corr(paper, method="kendall") if len(order) > 1 else None,
                }
            )
    return pd.DataFrame(rows)


def count_wins(table: pd.DataFrame) -> dict[str, Any]:
    """Count, at the shortest horizon, on how many traces the LSTMs win: the few numbers to compare between two runs.

    Args:
        table: What `make_table_2` returns.

    Returns:
        `traces` and `real_traces`; on how many of them
        `paper_lstm_first_mse` (the paper's LSTM has the lowest MSE of the paper's five),
        `project_first_mse_of_paper` (the project's LSTM has a lower one than the paper's four baselines),
        `project_first_mse_of_all` (than every baseline),
        `project_significant_losses` (a higher one than the best baseline, Diebold-Mariano p < .05),
        `huber_first_mae` (its Huber variant has a lower MAE than every baseline);
        and `project_worst_ratio`, the largest MSE ratio to the best of the paper's four.
    """
    first = table[table["horizon"] == table["horizon"].min()]
    wins = [_find_wins(part.set_index("model")) for _, part in first.groupby("trace", sort=False)]
    ratios = [each.pop("ratio") for each in wins]
    worst = max((ratio for ratio in ratios if ratio is not None), default=None)
    return {
        "traces": len(wins),
        "real_traces": int(first.loc[first["real"].astype(bool), "trace"].nunique()),
        **{name: int(sum(each[name] for each in wins)) for name in wins[0]},
        "project_worst_ratio": None if worst is None else round(worst, 4),
    }


def _find_wins(scores: Any) -> dict[str, Any]:
    """Return what `count_wins` counts, of one trace: each true or false, and the ratio."""

    def is_lowest(name: str, metric: str, roles: Sequence[str]) -> bool:
        others = scores.loc[scores["role"].isin(roles), metric]
        return name in scores.index and len(others) > 0 and bool(scores[metric][name] < others.min())

    four, run = scores.loc[scores["role"] == "paper", "mse"], "lstm" in scores.index
    return {
        "paper_lstm_first_mse": is_lowest(PAPER_LSTM, "mse", ["paper"]),
        "project_first_mse_of_paper": is_lowest("lstm", "mse", ["paper"]),
        "project_first_mse_of_all": is_lowest("lstm", "mse", BASELINES),
        "project_significant_losses": run and scores["dm_statistic"]["lstm"] > 0 and scores["dm_p"]["lstm"] < 0.05,
        "huber_first_mae": is_lowest("lstm_huber", "mae", BASELINES),
        "ratio": float(scores["mse"]["lstm"] / four.min()) if run and len(four) else None,
    }


def make_table_3(results: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Put what was measured beside Table 3.

    Args:
        results: Per trace what the replay of all strategies found.

    Returns:
        One row per trace, forecaster, strategy, reading and phase (`all` is over all steps), with the columns
        `TABLE_3_COLUMNS`, at the set start delay. Published values stand where the paper's rule ran on an LSTM's
        forecasts, on the published accuracy, or on none.

    Raises:
        InputError: There are no results.
    """
    table = _join(results, "no results to put into Table 3; run edgeresearch replay first")
    table = table[table["lead"] == 1].copy()
    cells: Any = zip(table["strategy"], table["phase"], strict=True)
    published = pd.Series([TABLE_3.get(name, {}).get(phase) for name, phase in cells], index=table.index, dtype=float)
    table["published"] = published.where(table["forecaster"].isin(["lstm", "published", "none"]))
    return table[TABLE_3_COLUMNS].reset_index(drop=True)


def published_cells() -> pd.DataFrame:
    """Return the published cells of Table 3, strategies by phases."""
    return pd.DataFrame({name: dict(cells) for name, cells in TABLE_3.items()}).T


def select_cells(
    table: pd.DataFrame, forecaster: str, reading: str = "trace", value: str = "error_percent"
) -> pd.DataFrame:
    """Return the paper's three strategies by phase, from the rows of one trace of `make_table_3`.

    Args:
        table: The rows.
        forecaster: Whose forecasts Advance and Combined act on; Responsive uses none.
        reading: What tells the phases.
        value: The column that is returned.
    """
    rows = table[(table["reading"] == reading) & table["forecaster"].isin([forecaster, "none"])]
    rows = rows[rows["strategy"].isin(TABLE_3)]
    cells = rows.pivot_table(index="strategy", columns="phase", values=value, dropna=False)
    return cells.reindex(index=list(TABLE_3), columns=list(PHASES))


def compare_strategies(table: pd.DataFrame) -> pd.DataFrame:
    """Compare the paper's three strategies on every trace, by forecaster and reading; the claims audit judges by it.

    Returns:
        One row each: `cells`, how many of the nine lie within `CELL_TOLERANCE` of the published ones; `worst`, the
        largest deviation; `best_expansion` and `best_shrinkage`, whether the combined strategy is best or tied (within
        its interval) among the three; `pod_ratio`, its pod-hours over Responsive's; `worst_advance`, the phase in which
        Advance errs most.
    """
    return pd.DataFrame(
        {"trace": trace, "real": real, "forecaster": maker, "reading": reading, **_compare(part, maker, reading)}
        for (trace, real), part in table.groupby(["trace", "real"], sort=False)
        for maker in part["forecaster"].unique()
        if maker != "none"
        for reading in part["reading"].unique()
    )


def _compare(part: pd.DataFrame, maker: str, reading: str) -> dict[str, Any]:
    cells, low = select_cells(part, maker, reading), select_cells(part, maker, reading, "low")
    apart = (cells - published_cells()).abs()
    hours: Any = part[part["phase"] == "all"].set_index(["forecaster", "strategy"])["pod_hours"]
    combined, responsive = hours.get((maker, "combined")), hours.get(("none", "responsive"))
    advance = cells.loc["advance"].dropna()
    best = {
        f"best_{phase}": bool(low.loc["combined", phase] <= cells[phase].drop("combined").min() + 1e-9)
        for phase in ("expansion", "shrinkage")
    }
    return {
        "cells": int((apart <= CELL_TOLERANCE).to_numpy().sum()),
        "worst": float(apart.max().max()),
        **best,
        "pod_ratio": float(combined / responsive) if combined and responsive else float("nan"),
        "worst_advance": str(advance.idxmax()) if len(advance) else "",
    }


def describe_forecasts(table: pd.DataFrame, forecasts: pd.DataFrame, horizon: int) -> dict[str, Any]:
    """Return the numbers that a text about the forecasts of one trace may state, each under its name.

    Args:
        table: Rows of one trace of `make_table_2`.
        forecasts: The forecasts of that trace, as `compare` wrote them.
        horizon: Steps ahead.
    """
    rows: Any = table[table["horizon"] == horizon].sort_values("mse").set_index("model")
    five = rows[rows.index.isin(TABLE_2)]
    lstm: Any = rows.loc["lstm"] if "lstm" in rows.index else rows.iloc[0]
    rival = rows.loc[lstm["best_baseline"]] if lstm["best_baseline"] in rows.index else rows.iloc[-1]
    own = forecasts[(forecasts["model"] == lstm.name) & (forecasts["horizon"] == horizon)].dropna()
    seconds = rows["fit_seconds"].astype(float).sort_values()
    return {
        **{"trace": table["trace"].iloc[0], "horizon": horizon, "models": len(rows)},
        **{"first": five["label"].iloc[0] if len(five) else "none", "five": len(five)},
        "place": list(five.index).index(PAPER_LSTM) + 1 if PAPER_LSTM in five.index else "no",
        **{"best": rows["label"].iloc[0], "r2": rows["r2"].iloc[0]},
        "behind": ", ".join(rows.loc[(rows["skill"] <= 0) & (rows.index != "last_value"), "label"]) or "none",
        **{"lstm": lstm["label"], "rival": rival["label"], "dm_p": lstm["dm_p"]},
        "difference": 100 * (lstm["mse"] / rival["mse"] - 1),
        "covered": 100 * own["truth"].between(own["low"], own["high"]).mean(),
        **{"cheapest": rows["label"][seconds.index[0]], "cheapest_seconds": seconds.iloc[0]},
        **{"dearest": rows["label"][seconds.last_valid_index() or seconds.index[0]], "dearest_seconds": seconds.max()},
    }


def split_pod_premium(table: pd.DataFrame, forecaster: str = "lstm") -> pd.DataFrame:
    """Say what Combined's pod-hours above Responsive's are due to.

    The larger of two numbers is half their sum plus half of what they lie apart. So the premium is half of what
    Advance, on the same forecasts, takes above Responsive (the level of the forecast), and a rest: how far forecast and
    present lie apart.

    Args:
        table: `make_table_3` of all traces.
        forecaster: Whose forecasts Combined acts on.

    Returns:
        One row per trace that was replayed with these: `premium`, `level` and `disagreement`, in percent.
    """
    whole = table[(table["phase"] == "all") & (table["reading"] == "trace")]
    whole = whole[whole["forecaster"].isin([forecaster, "none"])]
    hours: Any = whole.pivot_table(index=["trace", "real"], columns="strategy", values="pod_hours", sort=False)
    hours = hours.reindex(columns=list(TABLE_3)).dropna()
    premium = 100 * (hours["combined"] / hours["responsive"] - 1)
    level = 50 * (hours["advance"] / hours["responsive"] - 1)
    parts = {"premium": premium, "level": level, "disagreement": premium - level}
    return pd.DataFrame(parts).reset_index()


def count_extra_pods(course: pd.DataFrame, horizon: int, capacity: "ReplayConfig") -> dict[str, float]:
    """Return what Combined's further pods are, and how many of them were needed.

    Args:
        course: The first repeat over time; Combined and Responsive are in it.
        horizon: Sync periods until a pod that is wanted now is ready.
        capacity: What a pod serves.

    Returns:
        `ratio` of the pods wanted to Responsive's; in percent of the mean load, by how much the load `moves` until a
        pod is ready, and the forecast lies `above` the present load, as a `perfect` one would; and how many percent
        of the pods that it adds were `needed` once they were ready (not a number where it adds none).
    """
    parts = {str(name): rows.reset_index(drop=True) for name, rows in course.groupby("strategy")}
    combined, pods = parts["combined"], parts["responsive"]["wanted"].to_numpy(dtype=float)
    present = combined["known"].to_numpy(dtype=float)[:-horizon]
    # Both stand where they are of: `forecast` was made a horizon before, `known` is what it became.
    forecast, came = (combined[name].to_numpy(dtype=float)[horizon:] for name in ("forecast", "known"))
    added = (combined["wanted"].to_numpy(dtype=float) - pods)[:-horizon]
    useful = np.clip(capacity.bound(capacity.pods_for(came)) - pods[:-horizon], 0, added)
    above, perfect = (100 * np.maximum(each - present, 0).mean() / present.mean() for each in (forecast, came))
    return {
        "ratio": combined["wanted"].sum() / pods.sum(),
        "moves": 100 * np.abs(came - present).mean() / present.mean(),
        **{"above": above, "perfect": perfect},
        "needed": 100 * useful.sum() / added.sum() if added.sum() else float("nan"),
    }


def best_r2(lead: float, daily_share: float = 0.5) -> float:
    """Return the R² of the best forecast of the stand-in's minutes, one that knows how it is made.

    Its daily cycle is certain; of the rest, an autoregression, the part φ^(2k) of the variance is known k minutes
    ahead.

    Args:
        lead: How far ahead, in seconds.
        daily_share: Part of the variance in the daily cycle (see `data.synthetic.draw_qps`).
    """
    paper = TABLE_2[PAPER_LSTM]
    rest = (1 - daily_share) * paper.mse / (1 - paper.r2)
    return float(1 - (1 - daily_share) * (1 - (1 - paper.mse / rest) ** (lead / 60)))


def write_comparison(comparison: "Comparison", out: str | Path) -> Path:
    """Write scores, choices and forecasts of one trace, the latter as 32-bit floats; the same results, the same bytes.

    Args:
        comparison: What came out for the trace.
        out: Project folder, which gets `reports/` and `data/processed/`.

    Returns:
        The file of the scores.

    Raises:
        InputError: A folder cannot be written.
    """
    name, tables = comparison.trace.name, Path(out) / "reports" / "tables"
    write_csv(comparison.describe_scores(), tables / "forecast" / f"{name}.csv")
    write_csv(comparison.choices, tables / "choices" / f"{name}.csv")
    floats = dict.fromkeys(["truth", "forecast", "low", "high"], "float32")
    with atomic(Path(out) / "data" / "processed" / "forecast" / f"{name}.parquet") as draft:
        comparison.forecasts.astype(floats).to_parquet(draft, index=False, compression="zstd")
    return tables / "forecast" / f"{name}.csv"


def update_timings(path: str | Path, comparison: "Comparison") -> pd.DataFrame:
    """Write the CPU seconds of one trace into the file of all, in place of its older rows.

    They differ from run to run, so no pipeline stage writes them: the file is an input that is measured now and then.

    Args:
        path: CSV with `TIMING_COLUMNS`; made where missing.
        comparison: What came out for the trace.

    Returns:
        The whole table, sorted by trace.

    Raises:
        InputError: The file is not such a table, or cannot be written.
    """
    name = comparison.trace.name
    rows = comparison.seconds.assign(trace=name, machine=machine_line())[TIMING_COLUMNS]
    old = read_table(path) if Path(path).is_file() else rows.iloc[:0]
    if list(old.columns) != TIMING_COLUMNS:
        raise InputError(f"{path} has not the columns {', '.join(TIMING_COLUMNS)}; name another file")
    kept = old[~((old["trace"] == name) & old["model"].isin(rows["model"]))]
    table = pd.concat([kept, rows]) if len(kept) else rows
    table = table.sort_values("trace", kind="stable", ignore_index=True)
    write_csv(table, path, digits=3)
    return table


def write_table_2(names: Sequence[str], horizons: Sequence[int], reports: Path) -> None:
    """Join the scores of some traces into the files of Table 2.

    Args:
        names: The traces; what lies there of others is left out.
        horizons: Steps ahead; each gets a figure.
        reports: Folder of the reports in the project folder; holds `tables/forecast/<trace>.csv`.

    Raises:
        InputError: A trace's scores are missing or unreadable, or a file cannot be written.
    """
    from edgeresearch.papers.paper_a.forecasting_figures import plot_relative_mse
    from edgeresearch.plotting import style

    tables, timings = reports / "tables", reports.absolute().parent / TIMINGS
    seconds = read_table(timings) if timings.is_file() else None
    table = make_table_2([read_table(tables / "forecast" / f"{name}.csv") for name in names], seconds)
    write_csv(table, tables / "table2_forecast.csv")
    write_csv(find_contradictions(), tables / "table2_contradictions.csv")
    write_csv(rank_models(table), tables / "table2_rankings.csv")
    write_json(count_wins(table), reports / "metrics" / "forecast.json")
    for horizon in horizons:
        style.save(plot_relative_mse(table, horizon), reports / "figures" / "table2" / f"relative_mse_{horizon}")


def write_scaling(result: "ExperimentResult", root: str | Path = ".") -> Path:
    """Write what `run_experiment` found on a trace: its table, and its course over time.

    Args:
        result: The table, and the first repeat over time.
        root: Project folder, which gets `reports/` and `data/processed/`.

    Returns:
        The file of the table.

    Raises:
        InputError: A folder cannot be written.
    """
    name, root = result.table["trace"].iloc[0], Path(root)
    table = root / "reports/tables/elastic" / f"{name}.csv"
    write_csv(result.table, table)
    floats = result.course.select_dtypes("float").columns
    with atomic(root / "data/processed/elastic" / f"{name}.parquet") as draft:
        result.course.astype(dict.fromkeys(floats, "float32")).to_parquet(draft, index=False, compression="zstd")
    return table


def write_table_3(names: Sequence[str], reports: Path) -> None:
    """Join the results of some traces into the files of Table 3.

    Args:
        names: The traces.
        reports: Folder of the reports; holds `tables/elastic/<trace>.csv`.

    Raises:
        InputError: A trace's results are missing or unreadable, or a file cannot be written.
    """
    tables = reports / "tables"
    table = make_table_3([read_table(tables / "elastic" / f"{name}.csv") for name in names])
    write_csv(table, tables / "table3_elastic.csv")
    write_csv(compare_strategies(table), tables / "table3_verdicts.csv")
