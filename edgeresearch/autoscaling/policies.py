"""Autoscaling policies: what is known at a decision, and the number of pods that each wants then."""

import math
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from numbers import Integral
from types import MappingProxyType
from typing import Annotated, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat

from edgeresearch.autoscaling.settings import Percent, ReplayConfig
from edgeresearch.autoscaling.simulator import Floats, Ints, as_counts
from edgeresearch.errors import InputError, check_known, check_object
from edgeresearch.settings import Section, as_list


@dataclass(frozen=True)
class Observations:
    """What is known at decisions, in time order; decision k is made at k · `sync_period` seconds.

    Attributes:
        load: Mean load over the sync period before each decision, in requests per second, `(decisions,)`. The first,
            before which nothing was measured, holds the first period's own: the service is taken to be in balance with
            it.
        forecast: Load forecast at each decision, `(decisions,)`, never NaN: of the sync period `horizon` periods ahead,
            so that `forecast[k]` speaks of what `load[k + horizon]` will be.
        capacity: What a pod is planned to serve (`pods_for`), and the bounds of the number of pods.
        sync_period: Time between two decisions, in seconds.
        horizon: Sync periods from a decision to the end of the one that a pod started now will be ready for.
        peak: The true highest load from each decision to the end of its horizon; None for all but the oracle.
    """

    load: Floats
    forecast: Floats
    capacity: ReplayConfig
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
        """Return the ⌈Q / Q_act⌉ pods that a load needs, before bounds: each is planned to serve 0.8 of `q_max`."""
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
    """Base of the policies that come with the package: they provide for some load, the present one if not said."""

    reads_forecast: ClassVar[bool] = False

    def decide_all(self, observations: Observations) -> Ints:
        """Return the pods wanted from each decision to the next, `(decisions,)`."""
        return observations.capacity.pods_for(self._load(observations))

    def decide(self, observation: Observation) -> int:
        """Return the pods wanted until the next decision."""
        return int(self.decide_all(observation.history)[-1])

    def _load(self, observations: Observations) -> Floats:
        return observations.load


class HPA(BuiltInPolicy):
    """Scale as Kubernetes does, on the request rate per pod with Q_act as the target (`AverageValue`).

    At each sync, desired = ⌈current · rate per pod / target⌉, unless the ratio is within the tolerance of 1. The
    highest desired number of the stabilisation window holds against scaling down. Then the policies limit the change
    within their period: up by a share or a number of pods, whichever allows more; down by a share. A limit is counted
    from the pods at the period's beginning, and takes back nothing: that of scaling up never lowers the pods, that of
    scaling down never raises them. The sync period is the interval between decisions, 15 s in Kubernetes by default;
    the other defaults are Kubernetes' own.

    As in Kubernetes' controller (`autoscaling/v2`, `horizontal.go`) a window holds what is younger than it: with syncs
    each 120 s, a recommendation of 240 s ago is within 300 s, and with syncs each 100 s one of 300 s ago is not.

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
        few, many, fewest, most = 1 - self.tolerance, 1 + self.tolerance, capacity.min_pods, capacity.most_pods
        window = _count_syncs(self.stabilisation, observations.sync_period)
        current = int(capacity.bound(needed[0]))
        # Pods that precede the first period, then those of each sync: entry k is what there was a period before sync k.
        pods = [current] * _count_syncs(self.period, observations.sync_period)
        syncs, recommended = len(pods), list[int]()
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
            if desired != current:  # what the policies allow, counted from the beginning of the period, and the bounds
                before = pods[now]
                if desired > current:
                    up = max(before + self.up_pods, math.ceil(before * (100 + self.up_percent) / 100))
                    desired = min(desired, max(up, current))
                else:
                    down = math.floor(before * (100 - self.down_percent) / 100)
                    desired = max(desired, min(down, current))
                desired = min(max(desired, fewest), most)
            if desired != current:
                current, low, high, held_at = desired, few * desired, many * desired, now
                while held_at > max(now - window, -1) and recommended[held_at] < current:
                    held_at -= 1
            pods.append(current)
        return np.array(pods[syncs:], dtype=np.int64)


def _count_syncs(seconds: float, sync_period: float) -> int:
    """Return how many syncs, the present one among them, are younger than so many seconds; at least that one."""
    return max(math.ceil(seconds / sync_period - 1e-9), 1)


class Advance(BuiltInPolicy):
    """Act on the forecast, up and down (Paper A, Table 3: "Advance capacity expansion").

    Pods are ready when the load comes, and are gone before it goes.
    """

    reads_forecast = True

    def _load(self, observations: Observations) -> Floats:
        return observations.forecast


class Responsive(BuiltInPolicy):
    """Act on the present load, up and down (Paper A, Table 3: "Responsive reduction")."""


class Combined(BuiltInPolicy):
    """Expand for the larger of forecast and present load, shrink only when both allow.

    It is "LSTM (Ours)" of Paper A, Table 3. The paper calls it a combination of active and passive scaling; this
    reading is the one that its numbers fit.
    """

    reads_forecast = True

    def _load(self, observations: Observations) -> Floats:
        return np.maximum(observations.forecast, observations.load)


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

    def _load(self, observations: Observations) -> Floats:
        return np.maximum(observations.forecast + self.margin(observations), observations.load)


class Oracle(BuiltInPolicy):
    """Act on the true highest load up to the horizon: the only policy that sees the future."""

    def _load(self, observations: Observations) -> Floats:
        if observations.peak is None:
            raise InputError("the oracle needs the true peak of the load; let `replay` make the observations")
        return observations.peak


POLICIES: Mapping[str, type[BuiltInPolicy]] = MappingProxyType(
    {kind.__name__.lower(): kind for kind in (Advance, Responsive, Combined, Fixed, HPA, Quantile, Oracle)}
)
"""The built-in policies by name. `combined` is what Paper A calls LSTM."""


def make_policy(name: str) -> BuiltInPolicy:
    """Return a built-in policy with its default settings."""
    check_known("strategy", name, POLICIES)
    return POLICIES[name]()


def reads_forecast(policy: ScalingPolicy) -> bool:
    """Tell whether a policy is replayed with forecasts: all are, unless they say otherwise."""
    return bool(getattr(policy, "reads_forecast", True))


def policy_name(policy: ScalingPolicy) -> str:
    """Return how tables call a policy: its `name`, or what its class says, with the settings that were changed."""
    given = getattr(policy, "name", None)
    if given is not None:
        return str(given)
    base = type(policy).__name__.lower()
    fields = policy.model_dump(exclude_unset=True) if isinstance(policy, BuiltInPolicy) else {}
    changed = ", ".join(f"{name}={value}" for name, value in fields.items())
    return f"{base}({changed})" if changed else base


def name_policies(
    given: str | ScalingPolicy | Iterable[str | ScalingPolicy] | None, more: Iterable[str] = ()
) -> dict[str, ScalingPolicy]:
    """Return policies, and more built-in ones, by how tables call them; None stands for all built-in ones."""
    named: dict[str, ScalingPolicy] = {}
    for each in [*as_list(tuple(POLICIES) if given is None else given), *more]:
        policy = make_policy(each) if isinstance(each, str) else each
        check_object(policy, "policy", "decide(observation)")
        name = policy_name(policy)
        if named.setdefault(name, policy) != policy:
            raise InputError(f"two policies are called {name!r}; give one of them an attribute 'name' of its own")
    return named


def plan_pods(
    policy: ScalingPolicy | str, arrivals: npt.ArrayLike, forecast: npt.ArrayLike | None, config: ReplayConfig
) -> Ints:
    """Return the pods that a policy wants in each step, within the bounds of the capacity, `(steps,)`.

    A decision holds until the next one. It uses the load measured before it and the forecast made at it, and nothing
    later; only the oracle is shown the future. What a policy raises comes with a note that names it.

    Args:
        policy: The policy, of which a copy is asked, or its name in `POLICIES`.
        arrivals: Requests of each step, `(steps,)`.
        forecast: See `observe`.
        config: The capacity, the sync period, and the start delay, which gives the horizon.

    Raises:
        InputError: The policy is unknown or returns something else than a number per decision, or the arrivals or the
            forecast are no such series.
    """
    policy = make_policy(policy) if isinstance(policy, str) else deepcopy(policy)
    arrived = as_counts("arrivals", arrivals)
    seen = observe(arrived, forecast, config)
    if isinstance(policy, Oracle):
        seen = replace(seen, peak=_peak_load(arrived, config))
    try:
        pods = np.asarray(policy.decide_all(seen)) if hasattr(policy, "decide_all") else _decide_each(policy, seen)
    except Exception as error:
        error.add_note(f"raised in the autoscaling policy {policy_name(policy)!r}")
        raise
    if pods.shape != seen.load.shape or pods.dtype.kind not in "iu":
        raise InputError(
            f"{type(policy).__name__} returned {pods.dtype} of shape {pods.shape} for {len(seen.load)} decisions; "
            "return one whole number of pods for each"
        )
    return np.repeat(config.bound(pods), config.sync_steps)[: len(arrived)]


def _decide_each(policy: ScalingPolicy, seen: Observations) -> Ints:
    """Ask for one decision after another; the first finds the pods that the first load needs."""
    capacity, wanted = seen.capacity, list[int]()
    pods = int(capacity.bound(capacity.pods_for(seen.load[0])))
    for decision in range(len(seen.load)):
        answer = policy.decide(Observation(seen.until(decision), pods))
        if not isinstance(answer, Integral):
            raise InputError(
                f"{type(policy).__name__} returned {answer!r} at decision {decision}; return a whole number of pods"
            )
        pods = min(max(int(answer), capacity.min_pods), capacity.most_pods)
        wanted.append(pods)
    return np.array(wanted, dtype=np.int64)


def observe(arrivals: npt.ArrayLike, forecast: npt.ArrayLike | None, config: ReplayConfig) -> Observations:
    """Return what policies know of a trace.

    Args:
        arrivals: Requests of each step, `(steps,)`.
        forecast: Load that was forecast at each decision for `horizon` sync periods ahead, in requests per second,
            `(decisions,)`; below 0 counts as 0. Where it is NaN (the forecaster has no past yet), and everywhere if
            None, the last value stands in: the forecaster that adds nothing to the policy.
        config: The capacity, the sync period and the start delay.
    """
    load = measure_load(arrivals, config)
    expected = load
    if forecast is not None:
        expected = np.asarray(forecast, dtype=np.float64)
        if expected.shape != load.shape:
            raise InputError(
                f"forecasts of shape {expected.shape} for {len(load)} decisions; give one forecast per decision"
            )
        expected = np.maximum(np.where(np.isnan(expected), load, expected), 0.0)
        if not np.isfinite(expected).all():
            raise InputError(f"the forecast at decision {int(expected.argmax())} is not finite; give a number or NaN")
    return Observations(load, expected, config, config.sync_period, config.horizon)


def measure_load(arrivals: npt.ArrayLike, config: ReplayConfig) -> Floats:
    """Return the load as an autoscaler measures it (see `Observations.load`), in requests per second, `(decisions,)`.

    There is a decision for each sync period that begins. It is what forecasters learn from: entry k is known at
    decision k, and a forecast made then is to be of entry k + horizon (see `data.trace.make_targets`).
    """
    arrived, length = as_counts("arrivals", arrivals), config.sync_steps
    starts = np.arange(0, len(arrived), length)
    rates = np.add.reduceat(arrived, starts) / (np.minimum(length, len(arrived) - starts) * config.dt)
    return np.concatenate([rates[:1], rates[:-1]])


def _peak_load(arrived: Ints, config: ReplayConfig) -> Floats:
    """Return the highest load of a step from each decision to the end of its horizon."""
    from scipy.ndimage import maximum_filter1d  # loaded when needed: input errors need not wait for it

    highest = np.maximum.reduceat(arrived, np.arange(0, len(arrived), config.sync_steps))
    horizon = config.horizon
    return np.asarray(maximum_filter1d(highest, horizon, origin=-(horizon // 2), mode="nearest") / config.dt)
