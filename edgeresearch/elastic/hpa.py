"""The rule of Kubernetes' horizontal pod autoscaler, autoscaling/v2."""

import math
from dataclasses import dataclass

import numpy as np

from edgeresearch.elastic.capacity import Capacity
from edgeresearch.elastic.checks import Ints, within
from edgeresearch.elastic.view import View


@dataclass(frozen=True)
class HPA:
    """Scale as Kubernetes does, on the request rate per pod with Q_act as the target (`AverageValue`).

    At each sync, desired = ⌈current · rate per pod / target⌉, unless the ratio is within the tolerance of 1. The
    highest desired number of the stabilisation window holds against scaling down. Then the policies limit the change
    within their period: up by a share or a number of pods, whichever allows more; down by a share. The sync period is
    the interval between decisions, 15 s in Kubernetes by default; the other defaults are Kubernetes' own.

    Attributes:
        tolerance: Deviation of the ratio from 1 that is ignored (`--horizontal-pod-autoscaler-tolerance`).
        stabilisation: Window of `behavior.scaleDown.stabilizationWindowSeconds`, in seconds. That of scaling up is 0.
        up_percent: Pods added within a period, in percent of those at its beginning.
        up_pods: Pods added within a period.
        down_percent: Pods removed within a period, in percent of those at its beginning.
        period: `periodSeconds` of the policies.
    """

    tolerance: float = 0.1
    stabilisation: float = 300.0
    up_percent: float = 100.0
    up_pods: int = 4
    down_percent: float = 100.0
    period: float = 15.0

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            InputError: A setting is out of its range.
        """
        for name in ("tolerance", "stabilisation", "up_percent", "up_pods"):
            within(name, getattr(self, name), 0)
        within("down_percent", self.down_percent, 0, 100)
        within("period", self.period, 0, above=True)

    def decide(self, view: View) -> Ints:
        """Return the pods of each sync. The service starts with those that the first load needs."""
        capacity = view.capacity
        # The load in pods: within the tolerance where current · (1 - tolerance) <= load <= current · (1 + tolerance).
        loads = (view.present / capacity.q_act).tolist()
        needed = capacity.needed(view.present).tolist()
        few, many = 1 - self.tolerance, 1 + self.tolerance
        window = max(round(self.stabilisation / view.every), 1)
        current = int(capacity.bounded(needed[0]))
        # Pods that precede the first period, then those of each sync: entry k is what there was a period before sync k.
        pods = [current] * max(round(self.period / view.every), 1)
        syncs = len(pods)
        recommended: list[int] = []
        low, high = few * current, many * current
        reached = 0  # newest sync that recommended as many pods as there are now: it holds against scaling down
        for now, desired in enumerate(needed):
            if desired != current and low <= loads[now] <= high:
                desired = current
            recommended.append(desired)
            if desired >= current:
                reached = now
            elif reached > now - window:
                desired = current
            else:
                desired = max(recommended[max(now - window + 1, 0) :])
            if desired != pods[now]:
                desired = self._limited(desired, pods[now], capacity)
            if desired != current:
                current, low, high = desired, few * desired, many * desired
                reached = _reached(recommended, current, max(now - window, -1))
            pods.append(current)
        return np.array(pods[syncs:], dtype=np.int64)

    def _limited(self, desired: int, before: int, capacity: Capacity) -> int:
        """Apply the policies, which count from the pods at the beginning of the period, and the bounds."""
        most = max(before + self.up_pods, math.ceil(before * (100 + self.up_percent) / 100))
        least = math.floor(before * (100 - self.down_percent) / 100)
        return min(max(min(desired, most), least, capacity.minimum), capacity.maximum)


def _reached(recommended: list[int], current: int, oldest: int) -> int:
    """Return the newest sync after the oldest that recommended as many pods as there are, else the oldest."""
    newest = len(recommended) - 1
    while newest > oldest and recommended[newest] < current:
        newest -= 1
    return newest
