"""Policies that turn present load and forecast into pods."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import rank_filter

from edgeresearch.autoscaling.simulator import Floats, Ints, Settings, load, run, within
from edgeresearch.errors import InputError, nearest

_ULP = 1 + 1e-12
"""A load this little above a whole number of pods, relatively, is that number: it comes from rounding."""


@dataclass(frozen=True)
class Capacity:
    """What a scaler takes a pod to be able to do, and the bounds of the number of pods.

    Attributes:
        q_max: Highest load that a pod serves, in requests per second: the result of a `pressure_test`.
        share: Part of `q_max` that is planned with; .8 in Paper A, section 3.
        minimum: Fewest pods, at least 1.
        maximum: Most pods.
    """

    q_max: float = 20.0
    share: float = 0.8
    minimum: int = 1
    maximum: int = 1000

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            InputError: A setting is out of its range.
        """
        within("q_max", self.q_max, 0, above=True)
        within("share", self.share, 0, 1, above=True)
        within("minimum replicas", self.minimum, 1)
        if self.minimum > self.maximum:
            raise InputError(
                f"minimum replicas {self.minimum} is above maximum replicas {self.maximum}; swap them or change one"
            )

    @property
    def q_act(self) -> float:
        """Load that a pod is planned to serve, in requests per second: Q_act = .8 Q_max (Paper A, section 3)."""
        return self.share * self.q_max

    def needed(self, rate: npt.ArrayLike) -> Ints:
        """Return P = ⌈Q / Q_act⌉, before bounds (Paper A, section 3).

        Args:
            rate: Loads Q in requests per second, any shape; not checked.
        """
        pods = np.divide(rate, self.q_act * _ULP)
        return np.ceil(pods, out=pods if pods.ndim else None).astype(np.int64)

    def bounded(self, pods: npt.ArrayLike) -> Ints:
        """Return numbers of pods within the minimum and the maximum."""
        return np.clip(np.asarray(pods, dtype=np.int64), self.minimum, self.maximum)

    def pods(self, rate: npt.ArrayLike) -> Ints:
        """Return P_t = ⌈Q'_t / Q_act⌉ within the bounds (Paper A, section 3).

        Args:
            rate: Loads Q' in requests per second, `(steps,)`.

        Raises:
            InputError: A load is negative or not finite.
        """
        return self.bounded(self.needed(load("load", rate)))


@dataclass(frozen=True)
class Pressure:
    """What a pressure test found.

    Attributes:
        q_max: Highest load, in requests per second, up to which the error rate stayed within the bound.
        load: Loads that were applied, ascending, `(levels,)`, in requests per second.
        error: Share of the requests that failed at each, `(levels,)`. The last one is above the bound.
    """

    q_max: float
    load: Floats
    error: Floats


def pressure_test(
    settings: Settings,
    *,
    rng: np.random.Generator,
    bound: float = 0.05,
    step: float = 0.5,
    hold: float = 300.0,
    highest: float = 1e4,
) -> Pressure:
    """Raise the load on one pod, level by level, until its error rate crosses a bound (Paper A, section 3).

    Every level is `step` above the one before and lasts `hold` seconds; arrivals are Poisson. What waits at the end of
    a level belongs to the next one.

    Args:
        settings: The service; its `start_delay` does not matter, as the pod is ready.
        rng: Draws the arrivals.
        bound: Highest share of failed requests that counts as stable; it must exceed the base error.
        step: Distance of two levels, in requests per second.
        hold: Duration of a level, in seconds.
        highest: Load at which the test gives up, in requests per second.

    Raises:
        InputError: A setting is out of range, the lowest level is above the bound, or no level up to `highest` is.
    """
    within("bound", bound, settings.base_error, 1, above=True)
    within("step", step, 0, above=True)
    within("hold", hold, settings.dt)
    length, levels = round(hold / settings.dt), 16
    rates: Floats = np.empty(0)
    errors: Floats = np.empty(0)
    while not (errors > bound).any():
        if len(rates) and rates[-1] >= highest:
            raise InputError(
                f"the error rate stays within {bound:g} up to {rates[-1]:g} requests per second; raise `highest`"
            )
        # Twice as far each time: the levels before are run again, on arrivals of their own.
        levels *= 2
        rates = step * np.arange(1.0, levels + 1)
        errors = _ramp(rates, length, settings, rng)
    last = int(np.argmax(errors > bound))
    if last == 0:
        raise InputError(
            f"the error rate is above {bound:g} at {step:g} requests per second already; use a smaller step"
        )
    return Pressure(float(rates[last - 1]), rates[: last + 1], errors[: last + 1])


def _ramp(rates: Floats, length: int, settings: Settings, rng: np.random.Generator) -> Floats:
    arrivals = rng.poisson(np.repeat(rates * settings.dt, length))
    outcome = run(arrivals, np.ones(len(arrivals), dtype=np.int64), settings=settings, rng=rng)
    arrived, failed = (part.reshape(-1, length).sum(axis=1) for part in (outcome.arrived, outcome.failed))
    return np.asarray(failed / np.maximum(arrived, 1), dtype=np.float64)


@dataclass(frozen=True)
class View:
    """What is known at the decisions, in time order; decision k is made at k · every seconds.

    Attributes:
        present: Mean load over the interval before each decision, in requests per second, `(decisions,)`. The first,
            before which nothing was measured, holds the first interval's own: the service is taken to be in balance
            with it.
        forecast: Load that was forecast at each decision, `(decisions,)`, never NaN: for the interval `horizon`
            intervals ahead, so that `forecast[k]` speaks of what `present[k + horizon]` will be.
        capacity: What a pod can do, and the bounds of their number.
        every: Time between two decisions, in seconds.
        horizon: Intervals from a decision to the end of the one that a pod started now will be ready for.
        peak: The true highest load from each decision to the end of its horizon; None for all but the oracle.
    """

    present: Floats
    forecast: Floats
    capacity: Capacity
    every: float
    horizon: int
    peak: Floats | None = None


@runtime_checkable
class Strategy(Protocol):
    """A rule that says how many pods are wanted: what a user plugs in.

    The whole series of decisions is asked for at once, so that a rule without memory is one line of numpy; entry k may
    depend on entries up to k of the view's arrays, and on none after it. The bounds of the capacity are applied to what
    it returns.
    """

    def decide(self, view: View) -> Ints:
        """Return the pods wanted from each decision to the next, `(decisions,)`."""
        ...


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


@dataclass(frozen=True)
class Advance:
    """Act on the forecast, up and down (Paper A, Table 3: "Advance capacity expansion").

    Pods are ready when the load comes, and are gone before it goes.
    """

    def decide(self, view: View) -> Ints:
        """Return the pods for the forecast."""
        return view.capacity.needed(view.forecast)


@dataclass(frozen=True)
class Responsive:
    """Act on the present load, up and down (Paper A, Table 3: "Responsive reduction")."""

    def decide(self, view: View) -> Ints:
        """Return the pods for the present load."""
        return view.capacity.needed(view.present)


@dataclass(frozen=True)
class Combined:
    """Expand for the larger of forecast and present load, shrink only when both allow.

    It is "LSTM (Ours)" of Paper A, Table 3. The paper calls it a combination of active and passive scaling; this
    reading is the one that its numbers fit.
    """

    def decide(self, view: View) -> Ints:
        """Return the pods for the larger of both."""
        return view.capacity.needed(np.maximum(view.forecast, view.present))


@dataclass(frozen=True)
class Fixed:
    """Never scale.

    Attributes:
        pods: How many there are; where None, as many as the first decision's load needs.
    """

    pods: int | None = None

    def decide(self, view: View) -> Ints:
        """Return the same number for every decision."""
        pods = int(view.capacity.needed(view.present[:1])[0]) if self.pods is None else self.pods
        return np.full(len(view.present), pods, dtype=np.int64)


@dataclass(frozen=True)
class Quantile:
    """Scale for what the load will exceed only so often, judged by the forecast's own past errors.

    To the forecast is added the (1 - `target`) quantile of the errors that are known at the decision: an error is known
    once its interval is over. Until `memory` / 10 are known nothing is added. Like `Combined` it shrinks only when the
    present load allows: the forecast says nothing of the intervals before its horizon.

    Attributes:
        target: Share of the intervals in which the load may exceed what was provided for.
        memory: Newest errors that count.
    """

    target: float = 0.05
    memory: int = 960

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            InputError: A setting is out of its range.
        """
        within("target error", self.target, 0, 1)
        within("memory", self.memory, 10)

    def margin(self, view: View) -> Floats:
        """Return what is added to the forecast at each decision, in requests per second, `(decisions,)`."""
        errors = view.present[view.horizon :] - view.forecast[: -view.horizon]
        first = pd.Series(errors[: self.memory]).rolling(self.memory, min_periods=self.memory // 10)
        margin = np.zeros(len(view.present))
        known = margin[view.horizon :]
        known[: self.memory] = first.quantile(1 - self.target, interpolation="higher").fillna(0.0)
        if len(errors) > self.memory:
            # From here on the memory is full, and the quantile an order statistic, which scipy finds much faster.
            rank, back = math.ceil((1 - self.target) * (self.memory - 1)), (self.memory - 1) // 2
            known[self.memory :] = rank_filter(errors, rank, size=self.memory, origin=back)[self.memory :]
        return margin

    def decide(self, view: View) -> Ints:
        """Return the pods for the larger of the present load and the forecast with its margin."""
        return view.capacity.needed(np.maximum(view.forecast + self.margin(view), view.present))


@dataclass(frozen=True)
class Oracle:
    """Act on the true highest load up to the horizon: the only strategy that sees the future."""

    def decide(self, view: View) -> Ints:
        """Return the pods for the true peak.

        Raises:
            InputError: The view holds no future.
        """
        if view.peak is None:
            raise InputError("the oracle needs the true peak of the load; let `plan` make the view")
        return view.capacity.needed(view.peak)


STRATEGIES: Mapping[str, Callable[[], Strategy]] = MappingProxyType(
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
"""The strategies by name, with their default settings. `combined` is what Paper A calls LSTM."""


def strategy(name: str) -> Strategy:
    """Return a strategy with its default settings.

    Raises:
        InputError: There is none of that name.
    """
    if name not in STRATEGIES:
        raise InputError(f"unknown strategy {name!r}{nearest(name, STRATEGIES)}; known: {', '.join(STRATEGIES)}")
    return STRATEGIES[name]()
