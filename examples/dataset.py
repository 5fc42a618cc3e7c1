"""A data set of your own: a CSV as it is, or anything that pandas can put on a regular grid."""

from pathlib import Path

import pandas as pd

import edgeresearch as er
from edgeresearch.data.trace import Origin

path = Path(__file__).with_name("synthetic_requests.csv")
trace = er.read_trace(path)
print(*trace.notes, sep="\n")  # what was not stated is guessed

table = pd.read_csv(path, parse_dates=["time"], index_col="time")
hourly = table.resample("1h").sum(min_count=4).astype(float)  # NaN marks what was not observed
own = er.Trace(
    "by_hour", hourly, pd.Timedelta("1h"), "requests per hour", Origin("file", path.name, real=False), seasonality=24
)

for each in (trace, own):
    result = er.compare_forecasters(each, models=["last_value", "seasonal_naive", "ridge"], horizons=[1])
    print(each.label, result.table[["model", "points", "mse", "r2", "skill"]].to_string(index=False), sep="\n")
