"""What the tests of the forecasters share: a small series with an outage, tiny models, and scikit-learn's checks."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.estimator_checks import check_estimator

from edgeresearch.forecasting.base import Array, Forecaster, build
from edgeresearch.forecasting.settings import ForecastSettings, ForestSettings, LSTMSettings, PaperLSTMSettings

COLUMNS = ("value", "day_sin_1", "season_lag_1", "season_lag_5")
HORIZONS = (1, 5)
SMALL = ForecastSettings(
    lstm=LSTMSettings(hidden=4, epochs=2, members=2, chunk=48),
    lstm_paper=PaperLSTMSettings(hidden=4, epochs=2),
    forest=ForestSettings(trees=4),
)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def series() -> tuple[Array, Array]:
    """Features and targets: 300 rows, a season of 24, an outage of three rows at 200."""
    rng = np.random.default_rng(7)
    steps = np.arange(305)
    wave = np.sin(2 * np.pi * steps / 24)
    values = 20 + 6 * wave + rng.normal(size=305).cumsum() * 0.2 + rng.normal(size=305)
    lags = [np.where(steps + h >= 24, np.roll(values, 24 - h), values) for h in HORIZONS]
    observed = values.copy()
    observed[200:203] = np.nan
    rows = np.column_stack([observed, np.sin(2 * np.pi * (steps + 1) / 24), *lags])[:300]
    targets = np.column_stack([observed[h : h + 300] for h in HORIZONS])
    return rows, targets


@pytest.fixture(scope="session")
def make() -> Callable[..., Forecaster]:
    """Make an unfitted model of `base.build`, tiny."""

    def made(name: str, *, seed: int = 1, window: int = 8) -> Forecaster:
        return build(name, columns=COLUMNS, rows=300, settings=SMALL.replace(window=window), seed=seed)

    return made


@pytest.fixture(scope="session")
def fitted(series: tuple[Array, Array], make: Callable[..., Forecaster]) -> Callable[..., Forecaster]:
    """Return a fitted model; what was fitted once is not fitted again. Do not change it."""
    kept: dict[tuple[str, int, bool], Forecaster] = {}

    def fit(name: str, *, seed: int = 1, flat: bool = False) -> Forecaster:
        key = (name, seed, flat)
        if key not in kept:
            rows, targets = series
            kept[key] = make(name, seed=seed).fit(rows, targets[:, 0] if flat else targets)
        return kept[key]

    return fit


@pytest.fixture
def conforms() -> Callable[..., None]:
    """Run scikit-learn's checks of an estimator; exactly the expected ones may fail, each for a stated reason."""

    def check(estimator: Any, expected: Mapping[str, str] | None = None) -> None:
        reasons = dict(expected or {})
        results = check_estimator(estimator, expected_failed_checks=reasons, on_skip=None, on_fail=None)
        failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
        assert failed == {}
        assert {result["check_name"] for result in results if result["status"] == "xfail"} == set(reasons)
        assert sum(result["status"] == "passed" for result in results) > 40

    return check
