"""Scores and forecasts as the pipeline writes them, made up."""

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from edgeresearch.paper import elastic_a

LABELS = {
    "random_forest": ("random forest", "paper"),
    "ridge": ("ridge regression", "paper"),
    "logistic": ("logistic regression", "paper"),
    "xgboost": ("XGBoost", "paper"),
    "lstm_paper": ("LSTM (paper)", "paper's LSTM"),
    "last_value": ("last value", "naive"),
    "ridge_calendar": ("ridge + calendar", "strong"),
    "lstm": ("LSTM (project)", "project"),
    "lstm_huber": ("LSTM (project, Huber)", "project"),
}
MSE = dict(zip(LABELS, (6.0, 5.0, 9.0, 7.0, 8.0, 10.0, 4.5, 4.0, 4.2), strict=True))


@pytest.fixture
def make_scores() -> Callable[..., pd.DataFrame]:
    """Make the scores of a trace, as `forecast.compare.described` returns them."""

    def make(trace: str = "elb", real: bool = True, **mse: float) -> pd.DataFrame:
        values = MSE | mse
        table = pd.DataFrame({"model": list(values), "mse": list(values.values())})
        both = pd.concat([table.assign(horizon=1), table.assign(horizon=5, mse=2 * table["mse"])], ignore_index=True)
        naive = both["horizon"].map({1: values["last_value"], 5: 2 * values["last_value"]})
        return both.assign(
            trace=trace,
            real=real,
            seeds=2,
            points=100,
            mae=np.sqrt(both["mse"]),
            r2=1 - both["mse"] / 100,
            mse_low=0.8 * both["mse"],
            mse_high=1.3 * both["mse"],
            skill=1 - both["mse"] / naive,
            best_baseline="ridge_calendar",
            dm_statistic=np.where(both["model"] == "lstm", -3.0, 1.0),
            dm_p=0.01,
            label=[LABELS[name][0] for name in both["model"]],
            role=[LABELS[name][1] for name in both["model"]],
            unit="requests per 5 min",
            step_seconds=300.0,
            note="made up",
            sha256="0" * 64,
        )

    return make


@pytest.fixture
def forecasts() -> pd.DataFrame:
    """Three days of forecasts of three models, with a gap."""
    rng = np.random.default_rng(0)
    made = pd.date_range("2024-01-01", periods=3 * 288, freq="5min", unit="ns")
    frames = []
    for horizon in (1, 5):
        truth = 100 + 20 * np.sin(np.arange(len(made)) / 46) + rng.normal(size=len(made))
        truth[400:410] = np.nan
        for name, spread in (("lstm", 1.0), ("lstm_paper", 2.0), ("last_value", 9.0)):
            forecast = truth + spread * rng.normal(size=len(made))
            low = np.where(np.arange(len(made)) < 250, np.nan, forecast - 2 * spread)
            frame = pd.DataFrame(
                {"made": made, "truth": truth, "forecast": forecast, "low": low, "high": low + 4 * spread}
            )
            frames.append(frame.assign(horizon=horizon, model=name))
    return pd.concat(frames, ignore_index=True).astype({"model": "category"})


PAIRS = [(name, maker) for name in ("advance", "combined", "quantile") for maker in ("lstm", "published")]
PAIRS += [(name, "none") for name in ("responsive", "hpa", "fixed", "oracle")]


@pytest.fixture
def make_elastic() -> Callable[..., pd.DataFrame]:
    """Make what `elastic.experiment` finds: the published cells; those by actions and of the LSTM are shifted."""

    def make(trace: str = "elb", real: bool = True, hours: float = 1.0) -> pd.DataFrame:
        rows = []
        for (name, maker), reading, lead in itertools.product(PAIRS, ("trace", "actions"), (1.0, 2.0)):
            for phase in ("all", *elastic_a.PHASES):
                if (phase == "all" and reading == "actions") or (lead != 1 and phase != "all"):
                    continue
                cell = elastic_a.PUBLISHED.get(name, {}).get(phase, 3.5)
                cell += 0.7 * (reading == "actions") + (1.0 if maker == "lstm" and phase == "expansion" else 0.0)
                pods = 10.0 * (hours if name == "combined" else 1.0)
                rows.append((lead, maker, name, reading, phase, cell, pods, 25.0, cell - 0.1, cell + 0.1))
        columns = ["lead", "forecaster", "strategy", "reading", "phase", "error_percent", "pod_hours", "share"]
        table = pd.DataFrame(rows, columns=[*columns, "low", "high"])
        r2 = table["forecaster"].map({"lstm": 0.7, "published": 0.93})
        return table.assign(trace=trace, real=real, forecast_r2=r2, repeats=2, note="made up")

    return make
