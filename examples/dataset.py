"""A data set of your own: a CSV as it is, or anything that pandas can put on a regular grid."""

from pathlib import Path

import pandas as pd

from edgeresearch.data.csv import read_trace
from edgeresearch.data.trace import Origin, Trace
from edgeresearch.forecasting.evaluation import evaluate, pose

path = Path(__file__).with_name("synthetic_requests.csv")
trace, said = read_trace(path)  # what is not said is guessed, and told
print(*said, sep="\n")

table = pd.read_csv(path, parse_dates=["time"], index_col="time")
hourly = table.resample("1h").sum(min_count=4).astype(float)  # NaN marks what was not observed
own = Trace(
    "by_hour", hourly, pd.Timedelta("1h"), "requests per hour", Origin("file", path.name, real=False), seasonality=24
)

for each in (trace, own):
    found = evaluate(pose(each, horizons=[1]), models=["last_value", "seasonal_naive", "ridge"])
    print(each.label, found.scores[["model", "points", "mse", "r2", "skill"]].to_string(index=False), sep="\n")
