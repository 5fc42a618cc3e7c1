"""The scaling strategies by name: Paper A's three (Table 3), and those that it lacks."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy.ndimage import rank_filter

from edgeresearch.elastic.checks import Floats, Ints, within
from edgeresearch.elastic.hpa import HPA
from edgeresearch.elastic.view import Strategy, View
from edgeresearch.errors import InputError, nearest


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
