"""The forecasters by name: Paper A's five, the naive ones, stronger baselines, and this project's LSTM.

Their names and labels are known without torch or scikit-learn; only making one imports what it is made of.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edgeresearch.errors import InputError, nearest
from edgeresearch.forecasting.base import Forecaster

ALPHAS = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)
FOREST_ROWS = 8000


@dataclass(frozen=True)
class Model:
    """What is known of a forecaster before it is made.

    Attributes:
        label: How tables and figures call it.
        role: `paper` for Paper A's baselines, `paper's LSTM`, `naive`, `strong` for baselines that the paper lacks,
            `project` for ours.
        random: Whether its result depends on a seed.
    """

    label: str
    role: str
    random: bool


MODELS: Mapping[str, Model] = {
    "random_forest": Model("random forest", "paper", True),
    "ridge": Model("ridge regression", "paper", False),
    "logistic": Model("logistic regression", "paper", False),
    "xgboost": Model("XGBoost", "paper", True),
    "lstm_paper": Model("LSTM (paper)", "paper's LSTM", True),
    "last_value": Model("last value", "naive", False),
    "seasonal_naive": Model("seasonal naive", "naive", False),
    "ridge_calendar": Model("ridge + calendar", "strong", False),
    "xgboost_calendar": Model("XGBoost + calendar", "strong", True),
    "lstm": Model("LSTM (project)", "project", True),
    "lstm_huber": Model("LSTM (project, Huber)", "project", True),
}


def described(name: str) -> Model:
    """Return what is known of a model.

    Raises:
        InputError: There is no model of that name.
    """
    if name not in MODELS:
        raise InputError(f"unknown model {name!r}{nearest(name, MODELS)}; known: {', '.join(MODELS)}")
    return MODELS[name]


def build(
    name: str,
    *,
    columns: Sequence[str],
    rows: int,
    window: int = 60,
    fraction: float = 0.125,
    seed: int = 0,
    lstm_paper: Mapping[str, Any] | None = None,
    lstm: Mapping[str, Any] | None = None,
    forest: Mapping[str, Any] | None = None,
) -> Forecaster:
    """Make an unfitted forecaster.

    Args:
        name: One of `MODELS`.
        columns: Columns of the feature table (`series.windows.features`); the seasonal ones tell what a season is.
        rows: Rows that it will be fitted on; a tree of the forest sees at most `FOREST_ROWS` of them.
        window: Past values that it sees, in steps.
        fraction: Part of the rows, the newest ones, on which it makes its choices.
        seed: Seed of whatever is random in it.
        lstm_paper: Further settings of `PaperLSTM`.
        lstm: Further settings of `ResidualLSTM`.
        forest: Further settings of the random forest.

    Raises:
        InputError: There is no model of that name.
    """
    described(name)
    if name == "lstm_paper":
        from edgeresearch.forecasting.lstm import PaperLSTM

        return PaperLSTM(window, random_state=seed, **(lstm_paper or {}))
    if name in ("lstm", "lstm_huber"):
        from edgeresearch.forecasting.lstm import ResidualLSTM

        loss: Literal["mse", "huber"] = "huber" if name == "lstm_huber" else "mse"
        return ResidualLSTM(window, loss=loss, fraction=fraction, random_state=seed, **(lstm or {}))
    return _baseline(name, columns, rows, window, fraction, seed, forest or {})


def _baseline(
    name: str, columns: Sequence[str], rows: int, window: int, fraction: float, seed: int, forest: Mapping[str, Any]
) -> Forecaster:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from edgeresearch.forecasting.baselines import BinnedLogistic, BoostedTrees, Holdout, LastValue, SeasonalNaive
    from edgeresearch.forecasting.windowed import Windowed

    if name == "last_value":
        return LastValue()
    if name == "seasonal_naive":
        return SeasonalNaive([at for at, column in enumerate(columns) if column.startswith("season_lag_")] or [0])
    if name.startswith("ridge"):
        pipeline = make_pipeline(StandardScaler(), Ridge())
        search = GridSearchCV(
            pipeline,
            {"ridge__alpha": ALPHAS},
            cv=Holdout(fraction),
            scoring="neg_mean_squared_error",
            error_score="raise",
        )
        return Windowed(search, window, covariates=name.endswith("calendar"))
    if name == "logistic":
        return Windowed(BinnedLogistic(), window)
    if name.startswith("xgboost"):
        trees = BoostedTrees(fraction=fraction, random_state=seed)
        return Windowed(trees, window, covariates=name.endswith("calendar"), residual=name.endswith("calendar"))
    settings = {"max_features": 1 / 3, "min_samples_leaf": 5, **forest}
    cap = FOREST_ROWS if rows - window > FOREST_ROWS else None
    return Windowed(RandomForestRegressor(max_samples=cap, random_state=seed, n_jobs=1, **settings), window)
