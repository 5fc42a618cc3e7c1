"""Scores and forecasts as the pipeline writes them, made up."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from edgeresearch.data.trace import Origin, Trace
from edgeresearch.forecasting.evaluation import Comparison, compare
from edgeresearch.forecasting.settings import ForecastSettings
from edgeresearch.papers.paper_a.published import PHASES, TABLE_3

ROOT = Path(__file__).parents[2]

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


@pytest.fixture(scope="session")
def text_of() -> Callable[[Figure], str]:
    """Return all text of a figure, on one line."""

    def read(figure: Figure) -> str:
        texts: list[Any] = figure.findobj(lambda artist: hasattr(artist, "get_text"))
        return " ".join(each.get_text() for each in texts).replace("\n", " ")

    return read


@pytest.fixture
def make_scores() -> Callable[..., pd.DataFrame]:
    """Make the scores of a trace, as `compare` writes them."""

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


@pytest.fixture(scope="session")
def comparison() -> Comparison:
    """Two forecasters, compared on a small trace."""
    index = pd.date_range("2024-01-01", periods=300, freq="15min", unit="ns")
    frame = pd.DataFrame({"requests": np.random.default_rng(3).normal(50, 5, 300)}, index=index)
    trace = Trace("elb", frame, pd.Timedelta("15min"), "requests per 15 min", Origin("synthetic"))
    return compare([trace], ForecastSettings(window=12), models=["ridge", "last_value"])[0]


PAIRS = [(name, maker) for name in ("advance", "combined", "quantile") for maker in ("lstm", "published")]
PAIRS += [(name, "none") for name in ("responsive", "hpa", "fixed", "oracle")]


@pytest.fixture
def make_elastic() -> Callable[..., pd.DataFrame]:
    """Make what a replay of all strategies finds: the published cells; those by actions and of the LSTM are shifted."""

    def make(trace: str = "elb", real: bool = True, hours: float = 1.0) -> pd.DataFrame:
        rows = []
        for (name, maker), reading, lead in itertools.product(PAIRS, ("trace", "actions"), (1.0, 2.0)):
            for phase in ("all", *PHASES):
                if (phase == "all" and reading == "actions") or (lead != 1 and phase != "all"):
                    continue
                cell = TABLE_3.get(name, {}).get(phase, 3.5)
                cell += 0.7 * (reading == "actions") + (1.0 if maker == "lstm" and phase == "expansion" else 0.0)
                pods = 10.0 * (hours if name == "combined" else 1.0)
                rows.append((lead, maker, name, reading, phase, cell, pods, 25.0, cell - 0.1, cell + 0.1))
        columns = ["lead", "forecaster", "strategy", "reading", "phase", "error_percent", "pod_hours", "share"]
        table = pd.DataFrame(rows, columns=[*columns, "low", "high"])
        r2 = table["forecaster"].map({"lstm": 0.7, "published": 0.93})
        return table.assign(trace=trace, real=real, forecast_r2=r2, repeats=2, note="made up")

    return make


STREAMS_B = (2, 6, 8, 10)


def _shares_b(policies: tuple[str, ...], cells: dict[object, float], column: str) -> pd.DataFrame:
    rows = [
        {"policy": name, "streams": count, column: cell, "share_percent": share, "low": share - 1, "high": share + 1}
        for name, count in itertools.product(policies, STREAMS_B)
        for cell, share in cells.items()
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def limits_b() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Courses and landmarks as the stage `limits` writes them."""
    iteration = np.arange(1, 56)
    courses, marks = [], []
    for (rule, level), together in itertools.product((("period", 85.0), ("utilisation", 135.0)), (0, 5)):
        limit = np.maximum(400.0 * 0.95 ** (iteration - 1), level)
        frame = pd.DataFrame({"rule": rule, "together": together, "iteration": iteration, "limit_millicores": limit})
        frame = frame.assign(training_seconds=2e4 / limit, residual=80 - (400 - limit) / 6.6)
        for name in ("limit_millicores", "training_seconds", "residual"):
            frame[f"{name}_low"], frame[f"{name}_high"] = frame[name] - 1, frame[name] + 1
        courses.append(frame)
        values = {"trainings": 1430.0, "level": level, "level_residual": 40.0 if level > 100 else 17.0}
        values |= {"plateau": 30.0 - 4 * together, "rise": 5.0}
        mark = pd.DataFrame({"what": list(values), "value": list(values.values())})
        mark = mark.assign(value_low=mark["value"] - 1, value_high=mark["value"] + 1)
        marks.append(mark.assign(rule=rule, together=together))
    return pd.concat(courses, ignore_index=True), pd.concat(marks, ignore_index=True)


@pytest.fixture
def scheduled_b() -> dict[str, pd.DataFrame]:
    """Tables as the stage `scheduling` writes them: LOS on the published drop rates, hops off by a point."""
    policies = ("los", "in_situ", "cloud")
    drops = {"los": {2: 14.0, 6: 44.0, 8: 69.0, 10: 90.0}, "in_situ": dict.fromkeys(STREAMS_B, 100.0)}
    drops["cloud"] = dict.fromkeys(STREAMS_B, 0.0)
    rates = [
        {
            "policy": name,
            "streams": n,
            "drop_percent": drops[name][n],
            "low": drops[name][n] - 1,
            "high": drops[name][n],
        }
        for name, n in itertools.product(policies, STREAMS_B)
    ]
    hops = _shares_b(policies, {1: 50.0, 2: 32.0, 3: 16.0, 4: 2.0}, "hops")
    reasons = {"previous training still running": 10.0, "cycle": 30.0, "feasible here": 60.0, "no room": 0.0}
    kinds = {
        "requests": 20.0,
        "exchanges": 500.0,
        "syncs": 0.0,
        "models": 5.0,
        "samples": None,
        "carried": None,
        "leaving": None,
    }
    traffic = [
        {
            "policy": name,
            "streams": n,
            "kind": kind,
            "messages": sent,
            "megabytes": 0.1 * n if sent is None else 1e-3 * sent,
        }
        for name, n in itertools.product(policies, STREAMS_B)
        for kind, sent in kinds.items()
    ]
    triggers = pd.DataFrame(
        itertools.product(("period", "samples"), STREAMS_B, range(2)), columns=["trigger", "streams", "repeat"]
    ).assign(triggers=200, dropped=50, hours=4.0)
    return {
        "drops": pd.DataFrame(rates),
        "hops": pd.concat(
            [hops.assign(reading=name) for name in ("attempts", "triggers", "placed")], ignore_index=True
        ),
        "reasons": _shares_b(policies, dict(reasons), "reason"),
        "layers": _shares_b(policies, {"": 10.0, "edge": 60.0, "fog": 20.0, "cloud": 10.0}, "layer"),
        "traffic": pd.DataFrame(traffic).astype({"messages": float}),
        "triggers": triggers,
    }


@pytest.fixture
def swept_b() -> dict[str, pd.DataFrame]:
    """Tables as the stage `sweeps` writes them."""
    made = {
        "staleness": {"0": 10.0, "30": 12.0, "600": 20.0},
        "gateways": {"1": 12.0, "5": 4.0},
        "churn": {"no churn": 12.0, "900": 25.0},
        "choices": {"as chosen": 12.0, "hop limit 3": 9.0, "noise x 0.7": 12.5, "hop limit 4": 12.0},
    }
    tables = {}
    for name, rates in made.items():
        rows = [
            {"value": value, "streams": n, "drop_percent": rate * n / 8, "low": rate * n / 8 - 3,
             "high": rate * n / 8 + 3, "lost_percent": 5.0 * (value == "900"), "one": 80.0, "two": 14.0,
             "three": 5.0, "triggers": 100}
            for value, rate in rates.items() for n in (4, 8)
        ]  # fmt: skip
        tables[name] = pd.DataFrame(rows)
    return tables


@pytest.fixture
def fit_b() -> pd.DataFrame:
    """Evaluations of a fit; the last three are the finalists, one of them far worse than the best."""
    rows = []
    for at, (stage, loss) in enumerate(((0, 9.0), (1, 4.0), (-1, 2.0), (-1, 3.0), (-1, 30.0))):
        rows.append(
            {"stage": stage, "work": 5.0 + at, "loss": loss, **{f"drop_{n}": n * 8.0 + at for n in (2, 4, 6, 8, 10)}}
        )
        rows[-1] |= {f"hops_{n}_{d}": 20.0 + at for n in (6, 8) for d in (1, 2, 3)}
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def anomaly_b() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Tables as the stage `anomaly` writes them: each detector has a level of its own, far enough from the others."""
    from edgeresearch.papers import detection

    levels = {"iftm_lstm_ema": 0.5, "iftm_lstm_quantile": 0.2, "iftm_autoencoder_ema": 0.9, "robust_z": 0.4}
    levels |= {"last_value": 0.1, "half_space_trees": 0.5}
    rng = np.random.default_rng(0)
    rows, events = [], []
    for kind, sensor, seed, (name, level) in itertools.product(
        ("traffic", "pollution"), ("101", "102", "103"), (0, 1), levels.items()
    ):
        about = {"kind": kind, "sensor": sensor, "seed": seed, "detector": name}
        values = {metric: level + 0.02 * float(rng.random()) for metric in detection.METRICS}
        values |= {
            "point_adjusted_f1_inflated": 1 - level,
            "event_f1_best": 0.6,
            "delay": np.nan if level < 0.2 else 9.0,
        }
        rows.append({**about, **values, "events": 5})
        for anomaly in ("spike", "shift", "drift", "stuck", "missing"):
            events.append({**about, "anomaly": anomaly, "detected": anomaly == "spike" and level > 0.3})
    frame = pd.DataFrame(rows)
    kinds = detection.detected_by_kind(pd.DataFrame(events))
    return detection.summarize(frame), kinds, detection.paired_differences(frame)
