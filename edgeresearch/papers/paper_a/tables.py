"""Paper A's Tables 1 to 3 and Fig. 1 in numbers: published values beside measured ones, and what follows from them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edgeresearch.errors import InputError
from edgeresearch.io import read_table, write_csv, write_json
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
    from edgeresearch.autoscaling.settings import ReplayConfig
    from edgeresearch.forecasting.evaluation import Comparison

TIMINGS = Path("data") / "measured" / "fit_seconds.csv"
"""CPU seconds, measured now and then (`make timings`), in the project folder."""

TIMING_COLUMNS = ["trace", "model", "fit_seconds", "predict_seconds", "machine"]

BASELINES = ("paper", "naive", "strong")
"""Roles of the models that an LSTM is compared with."""

TEXTS = ("note", "best_baseline")
"""Columns in which an empty cell is an empty text."""

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
    """
    table = _join(scores)
    next_step = table["horizon"] == table["horizon"].min()
    for metric in METRICS:
        values = {name: getattr(row, metric) for name, row in TABLE_2.items()}
        table[f"published_{metric}"] = table["model"].map(values).where(next_step)
    timed = {"trace": str, "model": str, "fit_seconds": float, "predict_seconds": float}
    known = pd.DataFrame(columns=list(timed)) if seconds is None else seconds[list(timed)]
    return table.merge(known.astype(timed), how="left", on=["trace", "model"])[TABLE_2_COLUMNS]


def _join(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    table = pd.concat(frames, ignore_index=True)
    texts = [name for name in TEXTS if name in table]
    return table.astype(dict.fromkeys(texts, object)).fillna(dict.fromkeys(texts, ""))


def rank_models(table: pd.DataFrame) -> pd.DataFrame:
    """Rank the paper's five models on every trace of `make_table_2`, by each metric of Table 2.

    Returns:
        One row per trace, horizon and metric: `best`, `lstm_place` (1 is best; empty where it was not run), `order`
        (best first, separated by " < "), `published_order`, and `kendall`, the rank correlation with the published
        order (1: the same, -1: reversed). Those of the five that were not run are left out of both orders.
    """
    five = table[table["model"].isin(TABLE_2)]
    return pd.DataFrame(
        {"trace": trace, "real": real, "horizon": horizon, "metric": metric, **_rank(part.set_index("model"), metric)}
        for (trace, real, horizon), part in five.groupby(["trace", "real", "horizon"], sort=False)
        for metric in METRICS
    )


def _rank(scores: pd.DataFrame, metric: str) -> dict[str, Any]:
    measured, ascending = scores[metric], METRICS[metric].lower_is_better
    paper = pd.Series({model: getattr(TABLE_2[str(model)], metric) for model in scores.index}, dtype=float)
    order, published = (list(each.sort_values(ascending=ascending).index) for each in (measured, paper))
    return {
        "best": order[0],
        "lstm_place": order.index(PAPER_LSTM) + 1 if PAPER_LSTM in order else None,
        "order": " < ".join(order),
        "published_order": " < ".join(published),
        "kendall": measured.corr(paper, method="kendall") if len(order) > 1 else None,
    }


def count_wins(table: pd.DataFrame) -> dict[str, Any]:
    """Count, at the shortest horizon of `make_table_2`, on how many traces the LSTMs win: what to compare of two runs.

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
    lstm = first[first["model"] == "lstm"].set_index("trace")

    def lowest(metric: str, roles: Sequence[str]) -> Any:
        return first[first["role"].isin(roles)].groupby("trace")[metric].min()

    def count(name: str, metric: str, roles: Sequence[str]) -> int:
        own = first[first["model"] == name].set_index("trace")[metric]
        return int((own < lowest(metric, roles).reindex(own.index)).sum())

    worst = float((lstm["mse"] / lowest("mse", ["paper"])).max())
    return {
        "traces": first["trace"].nunique(),
        "real_traces": first.loc[first["real"].astype(bool), "trace"].nunique(),
        "paper_lstm_first_mse": count(PAPER_LSTM, "mse", ["paper"]),
        "project_first_mse_of_paper": count("lstm", "mse", ["paper"]),
        "project_first_mse_of_all": count("lstm", "mse", BASELINES),
        "project_significant_losses": int(((lstm["dm_statistic"] > 0) & (lstm["dm_p"] < 0.05)).sum()),
        "huber_first_mae": count("lstm_huber", "mae", BASELINES),
        "project_worst_ratio": None if np.isnan(worst) else round(worst, 4),
    }


def describe_forecasts(table: pd.DataFrame, forecasts: pd.DataFrame, horizon: int) -> dict[str, Any]:
    """Return the numbers that a text about the forecasts of one trace may state, each under its name.

    Args:
        table: Rows of that trace of `make_table_2`.
        forecasts: What `compare` wrote of it.
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


def make_table_3(results: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Put what the replays of all strategies found on each trace beside Table 3.

    Returns:
        One row per trace, forecaster, strategy, reading and phase (`all` is over all steps), with the columns
        `TABLE_3_COLUMNS`, at the set start delay. Published values stand where the paper's rule ran on an LSTM's
        forecasts, on the published accuracy, or on none.
    """
    table = _join(results)
    cells: Any = published_cells().stack()
    table = table[table["lead"] == 1].join(cells.rename("published"), on=["strategy", "phase"])
    table["published"] = table["published"].where(table["forecaster"].isin(["lstm", "published", "none"]))
    return table[TABLE_3_COLUMNS].reset_index(drop=True)


def published_cells() -> pd.DataFrame:
    """Return the published cells of Table 3, strategies by phases."""
    return pd.DataFrame({name: dict(cells) for name, cells in TABLE_3.items()}).T


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
    rows = part[(part["reading"] == reading) & part["forecaster"].isin([maker, "none"])]  # Responsive uses no forecast
    three = rows[rows["strategy"].isin(TABLE_3)]
    cells, low = (
        three.pivot_table(index="strategy", columns="phase", values=value, dropna=False).reindex(
            index=list(TABLE_3), columns=list(PHASES)
        )
        for value in ("error_percent", "low")
    )
    apart = (cells - published_cells()).abs()
    hours: Any = part[part["phase"] == "all"].set_index(["forecaster", "strategy"])["pod_hours"]
    combined, responsive = hours.get((maker, "combined")), hours.get(("none", "responsive"))
    advance = cells.loc["advance"].dropna()
    best = {
        f"best_{phase}": bool(low.loc["combined", phase] <= cells[phase].drop("combined").min() + 1e-9)
        for phase in ("expansion", "shrinkage")
    }
    return {
        **{"cells": int((apart <= CELL_TOLERANCE).to_numpy().sum()), "worst": float(apart.max().max()), **best},
        "pod_ratio": float(combined / responsive) if combined and responsive else float("nan"),
        "worst_advance": str(advance.idxmax()) if len(advance) else "",
    }


def split_pod_premium(table: pd.DataFrame, forecaster: str = "lstm") -> pd.DataFrame:
    """Say what Combined's pod-hours above Responsive's are due to.

    The larger of two numbers is half their sum plus half of what they lie apart. So the premium is half of what
    Advance, on the same forecasts, takes above Responsive (the level of the forecast), and a rest: how far forecast and
    present lie apart.

    Args:
        table: What `make_table_3` returns.
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
    return pd.DataFrame({"premium": premium, "level": level, "disagreement": premium - level}).reset_index()


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


def best_r2(lead: float) -> float:
    """Return the R² of the best forecast of the stand-in's minutes, one that knows how it is made.

    Its daily cycle is certain; of the rest, an autoregression, the part φ^(2k) of the variance is known k minutes
    ahead.

    Args:
        lead: How far ahead, in seconds.
    """
    from edgeresearch.data.synthetic import DAILY_SHARE  # it imports scipy

    paper = TABLE_2[PAPER_LSTM]
    rest = (1 - DAILY_SHARE) * paper.mse / (1 - paper.r2)
    return float(1 - (1 - DAILY_SHARE) * (1 - (1 - paper.mse / rest) ** (lead / 60)))


def measure_network(*, window: int, hidden: int, targets: int, batch: int) -> dict[str, Any]:
    """Send a batch through Paper A's network (Fig. 1), of a width and for so many horizons, and record the shapes.

    Returns:
        `tensors`: shapes by name: window, states (the hidden state at every step), last (the one that the linear layer
        reads), forecast. `weights`: shapes by the names in the module. `trainable`: how many numbers they are.
    """
    import torch

    from edgeresearch.nn import WindowLSTM

    module = WindowLSTM(hidden, targets, 1e-3, torch.Generator().manual_seed(0))
    shapes: dict[str, list[int]] = {}

    def record_lstm(_: Any, inputs: tuple[torch.Tensor, ...], outputs: Any) -> None:
        shapes["window"], shapes["states"] = list(inputs[0].shape), list(outputs[0].shape)

    def record_head(_: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        shapes["last"], shapes["forecast"] = list(inputs[0].shape), list(output.shape)

    module.lstm.register_forward_hook(record_lstm)
    module.head.register_forward_hook(record_head)
    with torch.inference_mode():
        module(torch.zeros(batch, window, 1))
    weights = {name: list(weight.shape) for name, weight in module.named_parameters()}
    return {"tensors": shapes, "weights": weights, "trainable": sum(weight.numel() for weight in module.parameters())}


def update_timings(path: str | Path, comparison: "Comparison") -> pd.DataFrame:
    """Write the CPU seconds of one trace into the file of all, sorted by trace, in place of its older rows.

    They differ from run to run, so no pipeline stage writes them: the file is an input that is measured now and then.

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
    """Join the scores of traces, `tables/forecast/<trace>.csv` in the reports, into the files of Table 2; draw them."""
    from edgeresearch.papers.paper_a.figures import plot_relative_mse
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


def write_table_3(names: Sequence[str], reports: Path) -> None:
    """Join the replays of traces, `tables/elastic/<trace>.csv` in the reports, into the files of Table 3."""
    tables = reports / "tables"
    table = make_table_3([read_table(tables / "elastic" / f"{name}.csv") for name in names])
    write_csv(table, tables / "table3_elastic.csv")
    write_csv(compare_strategies(table), tables / "table3_verdicts.csv")
