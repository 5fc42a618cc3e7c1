"""Autoscaling policies: from what is known at a decision to the number of pods wanted."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat

from edgeresearch.autoscaling.settings import Percent
from edgeresearch.autoscaling.simulator import Floats, Ints
from edgeresearch.errors import InputError, nearest
from edgeresearch.settings import Section

_ULP = 1 + 1e-12
"""A load this little above a whole number of pods, relatively, is that number: it comes from rounding."""


@dataclass(frozen=True)
class Capacity:
    """What an autoscaler plans a pod to serve, and the bounds of the number of pods; see `ReplayConfig.capacity`.

    Attributes:
        q_max: Highest load that a pod serves, in requests per second: the result of a `run_pressure_test`.
        target_utilisation: Part of `q_max` that is planned with.
        min_pods: Fewest pods.
        max_pods: Most pods.
    """

    q_max: float
    target_utilisation: float
    min_pods: int
    max_pods: int

    @property
    def q_act(self) -> float:
        """Load that a pod is planned to serve, in requests per second: Q_act = .8 Q_max (Paper A, section 3)."""
        return self.target_utilisation * self.q_max

    def pods_for(self, load: npt.ArrayLike) -> Ints:
        """Return P = ⌈Q / Q_act⌉, before bounds (Paper A, section 3): it plans with 0.8 of `q_max` (see `q_act`).

        Args:
            load: Loads Q in requests per second, any shape; not checked.
        """
        pods = np.divide(load, self.q_act * _ULP)
        return np.ceil(pods, out=pods if pods.ndim else None).astype(np.int64)

    def bound(self, pods: npt.ArrayLike) -> Ints:
        """Return numbers of pods within the minimum and the maximum."""
        return np.clip(np.asarray(pods, dtype=np.int64), self.min_pods, self.max_pods)


@dataclass(frozen=True)
class Observations:
    """What is known at decisions, in time order; decision k is made at k · `sync_period` seconds.

    Attributes:
        load: Mean load over the sync period before each decision, in requests per second, `(decisions,)`. The first,
            before which nothing was measured, holds the first period's own: the service is taken to be in balance with
            it.
        forecast: Load forecast at each decision, `(decisions,)`, never NaN: of the sync period `horizon` periods ahead,
            so that `forecast[k]` speaks of what `load[k + horizon]` will be.
        capacity: What a pod is planned to serve, and the bounds of the number of pods.
        sync_period: Time between two decisions, in seconds.
        horizon: Sync periods from a decision to the end of the one that a pod started now will be ready for.
        peak: The true highest load from each decision to the end of its horizon; None for all but the oracle.
    """

    load: Floats
    forecast: Floats
    capacity: Capacity
    sync_period: float
    horizon: int
    peak: Floats | None = None

    def until(self, decision: int) -> "Observations":
        """Return what is known at one decision: everything up to it."""
        end = decision + 1
        peak = None if self.peak is None else self.peak[:end]
        return Observations(self.load[:end], self.forecast[:end], self.capacity, self.sync_period, self.horizon, peak)


@dataclass(frozen=True)
class Observation:
    """What a policy knows at one decision.

    Attributes:
        history: Loads and forecasts up to now, as arrays; the last of each is the newest.
        pods: Pods wanted until now.
    """

    history: Observations = field(repr=False)
    pods: int

    @property
    def load(self) -> float:
        """Mean load since the last decision, in requests per second."""
        return float(self.history.load[-1])

    @property
    def forecast(self) -> float:
        """Load forecast for when a pod that is started now will be ready, in requests per second."""
        return float(self.history.forecast[-1])

    @property
    def time(self) -> float:
        """Seconds since the first decision."""
        return (len(self.history.load) - 1) * self.history.sync_period

    def pods_for(self, load: float) -> int:
        """Return the pods that a load needs where each is planned to serve `target_utilisation` (0.8) of `q_max`.

        That is ⌈Q / Q_act⌉ (Paper A, section 3), before bounds.
        """
        return int(self.history.capacity.pods_for(load))


@runtime_checkable
class ScalingPolicy(Protocol):
    """An autoscaling policy: one method that turns what is known at a decision into the number of pods wanted.

    This one expands at once, and shrinks to no less than the highest load of the last 20 decisions needs:

        class Unhurried:
            def decide(self, now: er.Observation) -> int:
                recent = max(now.history.load[-20:])
                return now.pods_for(max(recent, now.forecast))

        er.replay("requests.csv", policies=["hpa", Unhurried()]).table

    The policy is copied for each run, so it may keep what it likes in itself. The bounds of the number of pods are
    applied to what it returns. Optional attributes: `name`, how tables call it (else the name of its class);
    `reads_forecast`, False for one that needs no forecast (else it is replayed with the forecaster and with the last
    value); and a method `decide_all(observations) -> array` that answers all decisions of a run at once, which is
    faster: entry k may depend on entries up to k of the arrays of `Observations`, and on none after it.
    """

    def decide(self, observation: Observation) -> int:
        """Return the pods wanted until the next decision."""
        ...


class BuiltInPolicy(Section):
    """Base of the policies that come with the package: they answer all decisions at once, or one by one."""

    name: ClassVar[str | None] = None
    reads_forecast: ClassVar[bool] = False

    def decide_all(self, observations: Observations) -> Ints:
        """Return the pods wanted from each decision to the next, `(decisions,)`."""
        raise NotImplementedError

    def decide(self, observation: Observation) -> int:
        """Return the pods wanted until the next decision."""
        return int(self.decide_all(observation.history)[-1])


class HPA(BuiltInPolicy):
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

    tolerance: NonNegativeFloat = 0.1
    stabilisation: NonNegativeFloat = 300.0
    up_percent: NonNegativeFloat = 100.0
    up_pods: NonNegativeInt = 4
    down_percent: Percent = 100.0
    period: PositiveFloat = 15.0

    def decide_all(self, observations: Observations) -> Ints:
        """Return the pods of each sync. The service starts with those that the first load needs."""
        capacity = observations.capacity
        # The load in pods: within the tolerance where current · (1 - tolerance) <= load <= current · (1 + tolerance).
        loads = (observations.load / capacity.q_act).tolist()
        needed = capacity.pods_for(observations.load).tolist()
        few, many = 1 - self.tolerance, 1 + self.tolerance
        window = max(round(self.stabilisation / observations.sync_period), 1)
        current = int(capacity.bound(needed[0]))
        # Pods that precede the first period, then those of each sync: entry k is what there was a period before sync k.
        pods = [current] * max(round(self.period / observations.sync_period), 1)
        syncs = len(pods)
        recommended: list[int] = []
        low, high = few * current, many * current
        held_at = 0  # newest sync that recommended as many pods as there are now: it holds against scaling down
        for now, desired in enumerate(needed):
            if desired != current and low <= loads[now] <= high:
                desired = current
            recommended.append(desired)
            if desired >= current:
                held_at = now
            elif held_at > now - window:
                desired = current
            else:
                desired = max(recommended[max(now - window + 1, 0) :])
            if desired != pods[now]:
                desired = self._limited(desired, pods[now], capacity)
            if desired != current:
                current, low, high = desired, few * desired, many * desired
                held_at = _newest_hold(recommended, current, max(now - window, -1))
            pods.append(current)
        return np.array(pods[syncs:], dtype=np.int64)

    def _limited(self, desired: int, before: int, capacity: Capacity) -> int:
        """Apply the policies, which count from the pods at the beginning of the period, and the bounds."""
        most = max(before + self.up_pods, math.ceil(before * (100 + self.up_percent) / 100))
        least = math.floor(before * (100 - self.down_percent) / 100)
        return min(max(min(desired, most), least, capacity.min_pods), capacity.max_pods)


def _newest_hold(recommended: list[int], current: int, oldest: int) -> int:
    """Return the newest sync after the oldest that recommended as many pods as there are, else the oldest."""
    newest = len(recommended) - 1
    while newest > oldest and recommended[newest] < current:
        newest -= 1
    return newest


class Advance(BuiltInPolicy):
    """Act on the forecast, up and down (Paper A, Table 3: "Advance capacity expansion").

    Pods are ready when the load comes, and are gone before it goes.
    """

    reads_forecast = True

    def decide_all(self, observations: Observations) -> Ints:
        """Return the pods for the forecast."""
        return observations.capacity.pods_for(observations.forecast)


class Responsive(BuiltInPolicy):
    """Act on the present load, up and down (Paper A, Table 3: "Responsive reduction")."""

    def decide_all(self, observations: Observations) -> Ints:
        """Return the pods for the present load."""
        return observations.capacity.pods_for(observations.load)


class Combined(BuiltInPolicy):
    """Expand for the larger of forecast and present load, shrink only when both allow.

    It is "LSTM (Ours)" of Paper A, Table 3. The paper calls it a combination of active and passive scaling; this
    reading is the one that its numbers fit.
    """

    reads_forecast = True

    def decide_all(self, observations: Observations) -> Ints:
        """Return the pods for the larger of both."""
        return observations.capacity.pods_for(np.maximum(observations.forecast, observations.load))


class Fixed(BuiltInPolicy):
    """Never scale.

    Attributes:
        pods: How many there are; None for as many as the first decision's load needs.
    """

    pods: NonNegativeInt | None = None

    def decide_all(self, observations: Observations) -> Ints:
        """Return the same number for every decision."""
        pods = int(observations.capacity.pods_for(observations.load[:1])[0]) if self.pods is None else self.pods
        return np.full(len(observations.load), pods, dtype=np.int64)


class Quantile(BuiltInPolicy):
    """Scale for what the load will exceed only so often, judged by the forecast's own past errors.

    To the forecast is added the (1 - `target`) quantile of the errors that are known at the decision: an error is known
    once its sync period is over. Until `memory` / 10 are known nothing is added. Like `Combined` it shrinks only when
    the present load allows: the forecast says nothing of the periods before its horizon.

    Attributes:
        target: Share of the sync periods in which the load may exceed what was provided for.
        memory: Newest errors that count.
    """

    reads_forecast = True
    target: Annotated[float, Field(ge=0, le=1)] = 0.05
    memory: Annotated[int, Field(ge=10)] = 960

    def margin(self, observations: Observations) -> Floats:
        """Return what is added to the forecast at each decision, in requests per second, `(decisions,)`."""
        horizon = observations.horizon
        errors = observations.load[horizon:] - observations.forecast[:-horizon]
        first = pd.Series(errors[: self.memory]).rolling(self.memory, min_periods=self.memory // 10)
        margin = np.zeros(len(observations.load))
        known = margin[horizon:]
        known[: self.memory] = first.quantile(1 - self.target, interpolation="higher").fillna(0.0)
        if len(errors) > self.memory:
            from scipy.ndimage import rank_filter  # loaded when needed: input errors need not wait for it

            # From here on the memory is full, and the quantile an order statistic, which scipy finds much faster.
            rank, back = math.ceil((1 - self.target) * (self.memory - 1)), (self.memory - 1) // 2
            known[self.memory :] = rank_filter(errors, rank, size=self.memory, origin=back)[self.memory :]
        return margin

    def decide_all(self, observations: Observations) -> Ints:
        """Return the pods for the larger of the present load and the forecast with its margin."""
        planned = observations.forecast + self.margin(observations)
        return observations.capacity.pods_for(np.maximum(planned, observations.load))


class Oracle(BuiltInPolicy):
    """Act on the true highest load up to the horizon: the only policy that sees the future."""

    def decide_all(self, observations: Observations) -> Ints:
        """Return the pods for the true peak.

        Raises:
            InputError: The observations hold no future.
        """
        if observations.peak is None:
            raise InputError("the oracle needs the true peak of the load; let `replay` make the observations")
        return observations.capacity.pods_for(observations.peak)


POLICIES: Mapping[str, type[BuiltInPolicy]] = MappingProxyType(
    {
        "advance": Advance,
        "responsive": Responsive,
        "combined": Combined,
        "fixed": Fixed,
        "hpa": HPA,
        "quantile": Quantile,
        "oracle": Oracle,
    }
)
"""The built-in policies by name. `combined` is what Paper A calls LSTM."""


def make_policy(name: str) -> BuiltInPolicy:
    """Return a built-in policy with its default settings.

    Raises:
        InputError: There is none of that name.
    """
    if name not in POLICIES:
        raise InputError(f"unknown strategy {name!r}{nearest(name, POLICIES)}; known: {', '.join(POLICIES)}")
    return POLICIES[name]()


def reads_forecast(policy: ScalingPolicy) -> bool:
    """Tell whether a policy is replayed with forecasts: all are, unless they say otherwise."""
    return bool(getattr(policy, "reads_forecast", True))


def policy_name(policy: ScalingPolicy) -> str:
    """Return how tables call a policy: its `name`, or what its class says, with the settings that were changed."""
    given = getattr(policy, "name", None)
    if given is not None:
        return str(given)
    base = next((name for name, kind in POLICIES.items() if type(policy) is kind), type(policy).__name__.lower())
    fields = policy.model_dump(exclude_unset=True) if isinstance(policy, BuiltInPolicy) else {}
    changed = ", ".join(f"{name}={value}" for name, value in fields.items())
    return f"{base}({changed})" if changed else base
