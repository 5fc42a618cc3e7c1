"""A forecaster of your own: a scikit-learn regressor over rows in time order, compared on the end of a trace."""

from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

import edgeresearch as er
from edgeresearch.forecasting.base import WindowStream
from edgeresearch.forecasting.evaluation import split


class Blend(RegressorMixin, BaseEstimator):
    """Between the newest value and what is usual at the time forecast, `usual`: the columns of X, one per horizon."""

    def __init__(self, usual):
        self.usual = usual

    def fit(self, X, y):
        away, goes = X[:, :1] - X[:, self.usual], y - X[:, self.usual]
        self.weight_ = np.nansum(away * goes, axis=0) / np.nansum(away**2, axis=0)
        return self

    def predict(self, X):
        return X[:, self.usual] + self.weight_ * (X[:, :1] - X[:, self.usual])

    def stream(self):
        return WindowStream(self.predict, window=1, targets=len(self.usual))


trace = er.read_trace(Path(__file__).with_name("synthetic_requests.csv"))
parts = split(trace, er.ForecastSettings(horizons=(4,)))  # what a forecaster sees; four steps are an hour
model = Blend([parts.features.columns.get_loc("season_mean_4")])

result = er.compare_forecasters(trace, models=[model, "last_value"], horizons=[4])
print(result.table[["model", "mse", "mae", "r2", "skill"]].to_string(index=False))
