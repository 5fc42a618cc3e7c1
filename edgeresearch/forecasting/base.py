"""What a forecaster is, its live twin, and the forecasters by name.

Names and labels are known without torch or scikit-learn; only making a model imports what it is made of.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from edgeresearch.data.trace import find_runs
from edgeresearch.errors import InputError, check_known, check_object
from edgeresearch.forecasting.settings import STUDY, ForecastSettings
from edgeresearch.settings import narrow_seed

Array: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]

FOREST_ROWS = 8000
"""Rows that a tree of the random forest sees at most."""
LONG = 200_000
"""Rows beyond which a ridge regression is fitted without laying out all windows at once: the same to rounding."""
CONTEXT = 1440
"""Rows before those it is judged on that a model reads to fill its state."""


@runtime_checkable
class Stream(Protocol):
    """A forecaster at work on a live series: one row in, one forecast out."""

    def update(self, row: npt.ArrayLike) -> Array:
        """Take the newest row and forecast from it.

        Args:
            row: `(features,)`, the columns that the model was fitted on; a NaN value (column 0) is an outage: the state
                starts anew.

        Returns:
            `(targets,)`, the same numbers that `predict` gives in this row's place; NaN during an outage.
        """
        ...


@runtime_checkable
class Forecaster(Protocol):
    """A scikit-learn regressor whose rows are time steps.

    Row `t` of `X` holds what is known at time `t`: column 0 is the newest value, further columns are covariates such as
    calendar terms. Row `t` of `y` holds what is forecast: one column per horizon, `y[t, j] = value[t + horizons[j]]`.
    For the next step it is `(rows,)`; for the next h steps, give the horizons 1 to h. Rows stand in time order, one per
    step. NaN in column 0 marks an outage; rows with a NaN target are not trained on.

    A class of your own needs `fit` and `predict` to be compared, and `stream` to forecast live:

        class Drift:
            def fit(self, X, y):
                self.drift = np.nanmean(y - X[:, :1], axis=0)
                return self

            def predict(self, X):
                return X[:, :1] + self.drift

        er.compare_forecasters(trace, models=["lstm", "last_value", Drift()])
    """

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Learn from rows in time order. `X` is `(rows, features)`, `y` `(rows,)` or `(rows, targets)`."""
        ...

    def predict(self, X: npt.ArrayLike) -> Array:
        """Forecast from each row and the rows before it, never from a later one: `(rows,)` or `(rows, targets)`."""
        ...

    def stream(self) -> Stream:
        """Return a live twin of `predict` that starts without history."""
        ...


def find_segments(observed: Mask) -> list[slice]:
    """Return the stretches of observed rows."""
    return [slice(int(start), int(start + length)) for start, length in zip(*find_runs(observed), strict=True)]


def make_lags(values: Array, window: int) -> Array:
    """Return `(rows, window)`: the last `window` values, oldest first; before the first value stands itself."""
    padded = np.concatenate([np.full(window - 1, values[0]), values])
    view: Array = np.lib.stride_tricks.sliding_window_view(padded, window)
    return view


class WindowStream:
    """Keeps the last `window` rows and forecasts from them with a model's own batch function."""

    def __init__(self, forecast: Callable[[Array], Array], window: int, targets: int) -> None:
        """Start without history.

        Args:
            forecast: Maps rows `(n, features)` without outage to forecasts `(n, targets)`; it must not keep or change
                them.
            window: How many rows a forecast reads.
            targets: How many numbers a forecast has.
        """
        self._forecast = forecast
        self._window = window
        self._targets = targets
        self._rows: Array | None = None

    def update(self, row: npt.ArrayLike) -> Array:
        """Take the newest row and forecast from it."""
        newest = np.asarray(row, dtype=np.float64).reshape(1, -1)
        if np.isnan(newest[0, 0]):
            self._rows = None
            return np.full(self._targets, np.nan)
        self._rows = newest if self._rows is None else np.concatenate([self._rows, newest])[-self._window :]
        forecast: Array = self._forecast(self._rows)[-1]
        return forecast


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a forecaster before it is made.

    Attributes:
        label: How tables and figures call it.
        role: `paper` for Paper A's baselines, `paper's LSTM`, `naive`, `strong` for baselines that the paper lacks,
            `project` for ours, `own` for an object that a user hands over.
        random: Whether its result depends on a seed.
        reads_times: Whether it reads the time of day; where no model does, the features have none, which would fill the
            memory.
    """

    label: str
    role: str
    random: bool
    reads_times: bool = True


MODELS: Mapping[str, ModelInfo] = {
    "random_forest": ModelInfo("random forest", "paper", True, reads_times=False),
    "ridge": ModelInfo("ridge regression", "paper", False, reads_times=False),
    "logistic": ModelInfo("logistic regression", "paper", False, reads_times=False),
    "xgboost": ModelInfo("XGBoost", "paper", True, reads_times=False),
    "lstm_paper": ModelInfo("LSTM (paper)", "paper's LSTM", True, reads_times=False),
    "last_value": ModelInfo("last value", "naive", False, reads_times=False),
    "seasonal_naive": ModelInfo("seasonal naive", "naive", False, reads_times=False),
    "ridge_calendar": ModelInfo("ridge + calendar", "strong", False),
    "xgboost_calendar": ModelInfo("XGBoost + calendar", "strong", True),
    "lstm": ModelInfo("LSTM (project)", "project", True),
    "lstm_huber": ModelInfo("LSTM (project, Huber)", "project", True),
}


def model_name(model: str | Forecaster) -> str:
    """Return the name of a model; an object goes by the name of its class."""
    return model if isinstance(model, str) else type(model).__name__


def model_info(model: str | Forecaster) -> ModelInfo:
    """Return what is known of a model.

    Raises:
        InputError: There is no model of that name, or the object cannot be fitted.
    """
    if isinstance(model, str):
        check_known("model", model, MODELS)
        return MODELS[model]
    name = model_name(model)
    check_object(model, "forecaster", "fit", "predict")
    if name in MODELS:
        raise InputError(f"a class of your own cannot be called {name}, as a model here; rename it")
    return ModelInfo(name, "own", random=False)


def build(
    model: str | Forecaster,
    *,
    columns: Sequence[str],
    rows: int,
    settings: ForecastSettings = STUDY,
    seed: int = 0,
) -> Forecaster:
    """Make an unfitted forecaster.

    Args:
        model: One of `MODELS`; or an object, which is copied.
        columns: Columns of the feature table (`make_features`); the seasonal ones tell what a season is.
        rows: Rows that it will be fitted on; a tree of the forest sees at most `FOREST_ROWS` of them.
        settings: Its window, the share of the rows on which it makes its choices, and its own settings.
        seed: Seed of whatever is random in it, 0 or more, of any size.

    Raises:
        InputError: There is no model of that name.
    """
    info = model_info(model)
    if not isinstance(model, str):
        return deepcopy(model)
    seed = narrow_seed(seed)
    window, share = settings.window, settings.validation_share
    if model == "lstm_paper":
        from edgeresearch.forecasting.lstm import PaperLSTM

        return PaperLSTM(window, random_state=seed, **dict(settings.lstm_paper))
    if model in ("lstm", "lstm_huber"):
        from edgeresearch.forecasting.lstm import ResidualLSTM

        own: dict[str, Any] = {**dict(settings.lstm), "loss": "huber" if model == "lstm_huber" else "mse"}
        return ResidualLSTM(window, fraction=share, random_state=seed, **own)

    from edgeresearch.forecasting import baselines

    if model == "last_value":
        return baselines.LastValue()
    if model == "seasonal_naive":
        lags = [at for at, column in enumerate(columns) if column.startswith("season_lag_")]
        return baselines.SeasonalNaive(lags or [0])
    if model == "logistic":
        return baselines.Windowed(baselines.BinnedLogistic(), window)
    if model.startswith("xgboost"):
        trees = baselines.BoostedTrees(fraction=share, random_state=seed)
        return baselines.Windowed(trees, window, info.reads_times, residual=info.reads_times)
    if model.startswith("ridge") and rows > LONG:
        return baselines.LongRidge(window, info.reads_times, share)
    if model.startswith("ridge"):
        return baselines.Windowed(baselines.tune_ridge(share), window, info.reads_times)

    from sklearn.ensemble import RandomForestRegressor

    cap = FOREST_ROWS if rows - window > FOREST_ROWS else None
    forest = RandomForestRegressor(
        settings.forest.trees, max_features=1 / 3, min_samples_leaf=5, max_samples=cap, random_state=seed, n_jobs=1
    )
    return baselines.Windowed(forest, window)
