"""A scaling strategy of your own: from what is known at each decision to the pods wanted, replayed beside others."""

import numpy as np
import pandas as pd

from edgeresearch.autoscaling.arrivals import spread
from edgeresearch.autoscaling.policies import Capacity
from edgeresearch.autoscaling.replay import replay
from edgeresearch.autoscaling.simulator import Settings
from edgeresearch.data.synthetic import draw_qps


class Unhurried:  # expands at once, shrinks only to the highest load of the last 20 decisions
    def decide(self, view):
        recent = pd.Series(view.present).rolling(20, min_periods=1).max()
        return view.capacity.needed(np.maximum(recent, view.forecast))


arrivals = spread(draw_qps(np.random.default_rng(1), steps=1440), np.random.default_rng(2))  # a day, made up
capacity, settings = Capacity(q_max=5), Settings(q_max=5, start_delay=60)
for name, rule in {"unhurried": Unhurried(), "responsive": "responsive", "hpa": "hpa"}.items():
    ran = replay(rule, arrivals, capacity=capacity, settings=settings, rng=np.random.default_rng(3))
    print(f"{name}: {ran.error_percent:.2f} % errors, {ran.pod_hours:.0f} pod-hours")
