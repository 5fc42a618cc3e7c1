"""The forecasters by name: Paper A's five, the naive ones, stronger baselines, and this project's LSTM.

Their names and labels are known without torch or scikit-learn; only making one imports what it is made of.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from edgeresearch.errors import InputError, nearest
from edgeresearch.forecasting.base import Forecaster
from edgeresearch.forecasting.settings import STUDY, ForecastSettings

ALPHAS = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)
FOREST_ROWS = 8000


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a forecaster before it is made.

    Attributes:
        label: How tables and figures call it.
        role: `paper` for Paper A's baselines, `paper's LSTM`, `naive`, `strong` for baselines that the paper lacks,
            `project` for ours, `own` for an object that a user hands over.
        random: Whether its result depends on a seed.
    """

    label: str
    role: str
    random: bool


MODELS: Mapping[str, ModelInfo] = {
    "random_forest": ModelInfo("random forest", "paper", True),
    "ridge": ModelInfo("ridge regression", "paper", False),
    "logistic": ModelInfo("logistic regression", "paper", False),
    "xgboost": ModelInfo("XGBoost", "paper", True),
    "lstm_paper": ModelInfo("LSTM (paper)", "paper's LSTM", True),
    "last_value": ModelInfo("last value", "naive", False),
    "seasonal_naive": ModelInfo("seasonal naive", "naive", False),
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
        if model not in MODELS:
            raise InputError(f"unknown model {model!r}{nearest(model, MODELS)}; known: {', '.join(MODELS)}")
        return MODELS[model]
    name = model_name(model)
    if isinstance(model, type) or not (hasattr(model, "fit") and hasattr(model, "predict")):
        raise InputError(f"{name} is no forecaster: hand over an object with fit and predict, such as Mine()")
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
        seed: Seed of whatever is random in it.

    Raises:
        InputError: There is no model of that name.
    """
    model_info(model)
    if not isinstance(model, str):
        return deepcopy(model)
    window, share = settings.window, settings.validation_share
    if model == "lstm_paper":
        from edgeresearch.forecasting.lstm import PaperLSTM

        return PaperLSTM(window, random_state=seed, **dict(settings.lstm_paper))
    if model in ("lstm", "lstm_huber"):
        from edgeresearch.forecasting.lstm import ResidualLSTM

        own: dict[str, Any] = dict(settings.lstm)
        loss = "huber" if model == "lstm_huber" else "mse"
        return ResidualLSTM(window, loss=loss, fraction=share, random_state=seed, **own)  # type: ignore[arg-type]

    from edgeresearch.forecasting.baselines import BinnedLogistic, BoostedTrees, LastValue, SeasonalNaive
    from edgeresearch.forecasting.windowed import Holdout, Windowed

    calendar = model.endswith("calendar")
    if model == "last_value":
        return LastValue()
    if model == "seasonal_naive":
        return SeasonalNaive([at for at, column in enumerate(columns) if column.startswith("season_lag_")] or [0])
    if model == "logistic":
        return Windowed(BinnedLogistic(), window)
    if model.startswith("xgboost"):
        return Windowed(BoostedTrees(fraction=share, random_state=seed), window, calendar, residual=calendar)
    if model.startswith("ridge"):
        from sklearn.linear_model import Ridge
        from sklearn.model_selection import GridSearchCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        search = GridSearchCV(
            make_pipeline(StandardScaler(), Ridge()),
            {"ridge__alpha": ALPHAS},
            cv=Holdout(share),
            scoring="neg_mean_squared_error",
            error_score="raise",
        )
        return Windowed(search, window, calendar)

    from sklearn.ensemble import RandomForestRegressor

    cap = FOREST_ROWS if rows - window > FOREST_ROWS else None
    forest = RandomForestRegressor(
        settings.forest.trees, max_features=1 / 3, min_samples_leaf=5, max_samples=cap, random_state=seed, n_jobs=1
    )
    return Windowed(forest, window)
