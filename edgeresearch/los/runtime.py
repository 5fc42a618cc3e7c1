"""The job runtime model: how long a training takes under a CPU limit (Paper B, section IV.C, eq. 1 and 2)."""

import math
import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

Floats = npt.NDArray[np.float64]
Numbers = TypeVar("Numbers", float, Floats)
"""One number, or an array of them."""

BOUNDS = {"a": (1e-9, 1e15), "b": (0.0, 500.0), "c": (0.25, 3.0), "d": (0.0, 1e6)}
"""Smallest and largest value of each parameter of eq. 1; limits in millicores, times in seconds."""

_GRID = [(b, c) for c in (0.5, 0.75, 1.0, 1.25, 1.5, 2.0) for b in (0.0, 40.0, 160.0)]
_GRID_B, _LESS_C = np.array([[b] for b, _ in _GRID]), np.array([[-c] for _, c in _GRID])
_pack, _unpack = struct.Struct("=dd").pack, struct.Struct("=dd").unpack_from
_RUN = 16
"""Bytes of a run that is kept."""


class Curve(NamedTuple):
    """t_job = a · (R + b)^-c + d (Paper B, eq. 1), R in millicores, t in seconds.

    The paper calls R the "utilized" shares of the CPU; here it is the limit, which is what a scheduler sets.
    """

    a: float
    b: float
    c: float
    d: float

    def busy(self, limit: Numbers) -> Numbers:
        """Return the part of the time that hangs on the CPU, a · (R + b)^-c, in seconds."""
        a, b, c, _ = self
        part: Numbers = a * (limit + b) ** -c
        return part

    def seconds(self, limit: float) -> float:
        """Return the time of a training under `limit` millicores."""
        return self.busy(limit) + self[3]

    def limit(self, seconds: float) -> float:
        """Return the millicores under which a training takes `seconds`; infinite where no limit is enough."""
        a, b, c, d = self
        if seconds <= d:
            return math.inf
        return max(0.0, math.pow(a / (seconds - d), 1 / c) - b)


def complete(job: float, send: float, overhead: float) -> float:
    """Return t_complete = t_job + t_send + t_start + t_stop, in seconds (eq. 2).

    Args:
        job: t_job.
        send: t_send; 0 on the local node.
        overhead: t_start + t_stop.
    """
    return job + send + overhead


def grid_fit(limits: Sequence[float] | Floats, seconds: Sequence[float] | Floats) -> Curve:
    """Fit eq. 1 on a grid of b and c, a and d by linear least squares: microseconds, good enough to start from.

    Fewer than three different limits cannot tell c and d: then b = d = 0, c = 1.
    """
    r, t = np.asarray(limits, dtype=np.float64), np.asarray(seconds, dtype=np.float64)
    if len(set(r.tolist())) < 3:
        level = float(np.exp(np.add.reduce(np.log(t * r)) / len(r)))
        return Curve(max(level, BOUNDS["a"][0]), 0.0, 1.0, 0.0)
    x = (r + _GRID_B) ** _LESS_C
    weight = 1 / (t * t)
    total, t_weighted = float(np.add.reduce(weight)), float(t @ weight)
    x_mean, t_mean = (x @ weight) / total, t_weighted / total
    squares, products = (x * x) @ weight, (x * t) @ weight
    slope = (products / total - x_mean * t_mean) / np.maximum(squares / total - x_mean * x_mean, 1e-300)
    rest = t_mean - slope * x_mean
    bad = (rest < 0) | (slope <= 0)
    if True in bad.tolist():
        slope, rest = np.where(bad, products / squares, slope), np.where(bad, 0.0, rest)
    x *= slope[:, None]
    x += rest[:, None]
    x -= t
    best = int(((x * x) @ weight).argmin())
    return Curve(float(slope[best]), *_GRID[best], float(rest[best]))


def fit(limits: Sequence[float] | Floats, seconds: Sequence[float] | Floats) -> Curve:
    """Fit eq. 1 to pairs of limit and duration by bounded least squares of the relative error (scipy, `trf`).

    Args:
        limits: Millicores of each run, above 0.
        seconds: Duration of each run, above 0.

    Raises:
        ValueError: The two differ in length, are empty, or hold a value that is not above 0.
    """
    r, t = np.asarray(limits, dtype=np.float64), np.asarray(seconds, dtype=np.float64)
    if r.shape != t.shape or r.size == 0 or not (np.all(r > 0) and np.all(t > 0)):
        raise ValueError("limits and seconds must be equally many and above 0")
    start = grid_fit(r, t)
    if len(set(r)) < 3:
        return start
    low, high = np.array(list(BOUNDS.values())).T
    low[0], high[0] = np.log(low[0]), np.log(high[0])

    def parts(values: Floats) -> tuple[Floats, Floats]:
        shifted = r + values[1]
        return shifted, np.exp(values[0] - values[2] * np.log(shifted)) / t

    def off(values: Floats) -> Floats:
        return np.asarray(parts(values)[1] + values[3] / t - 1)

    def slopes(values: Floats) -> Floats:
        shifted, part = parts(values)
        return np.stack([part, -values[2] * part / shifted, -part * np.log(shifted), 1 / t], axis=1)

    begin = np.clip([np.log(start.a), start.b, start.c, start.d], low + 1e-9, high - 1e-9)
    scale = [1.0, 50.0, 0.5, 10.0]
    found = least_squares(off, begin, slopes, bounds=(low, high), x_scale=scale, ftol=1e-4, xtol=1e-4, max_nfev=50)
    return Curve(float(np.exp(found.x[0])), *(float(value) for value in found.x[1:]))


@dataclass(frozen=True)
class Fitting:
    """When eq. 1 is fitted.

    Attributes:
        enough: Runs before there is a model; until then a job is in its cold start.
        kept: Newest runs that are kept.
        tolerance: Relative error of the newest run above which the curve is fitted anew.
        refine: Whether scipy refines a fit whose relative error stays above `tolerance`; it does so only as the number
            of runs doubles, for that takes milliseconds.
    """

    enough: int = 1
    kept: int = 24
    tolerance: float = 0.1
    refine: bool = True


class RuntimeModel:
    """Runs of one job on one node class, and eq. 1 fitted to them when it pays.

    It pays when the number of runs has doubled since it last paid for that reason, or when the newest run was predicted
    badly.

    Attributes:
        runs: Limit and duration of each run kept, in millicores and seconds, the oldest first, as packed floats.
        curve: The fitted curve; None during the cold start.
    """

    __slots__ = ("_fitted", "_fitting", "_high", "_low", "_seen", "curve", "runs")

    def __init__(self, fitting: Fitting) -> None:
        self._fitting = fitting
        self.runs = b""
        self._low, self._high = math.inf, 0.0  # limits of the runs kept
        self._seen = 0
        self._fitted = 0
        self.curve: Curve | None = None

    def add(self, limit: float, seconds: float) -> None:
        """Take a run that ended."""
        fitting = self._fitting
        self._keep(limit, seconds, fitting.kept)
        seen = self._seen = self._seen + 1
        if seen < fitting.enough:
            return
        if self.curve is None or seen >= 2 * self._fitted:
            self._refit()
            return
        if abs(self.curve.seconds(limit) - seconds) > fitting.tolerance * seconds:
            self._refit()

    def _keep(self, limit: float, seconds: float, kept: int) -> None:
        runs = self.runs
        if len(runs) < _RUN * kept:
            self.runs = runs + _pack(limit, seconds)
        else:
            gone, _ = _unpack(runs)
            self.runs = runs = runs[_RUN:] + _pack(limit, seconds)
            if gone == self._high:
                self._high = max(array("d", runs)[::2])
            if gone == self._low:
                self._low = min(array("d", runs)[::2])
        if limit < self._low:
            self._low = limit
        if limit > self._high:
            self._high = limit

    def _refit(self) -> None:
        fitting = self._fitting
        doubled = self._seen >= 2 * self._fitted
        self._fitted = self._seen if doubled else self._fitted
        limits, seconds = np.frombuffer(self.runs, dtype=np.float64).reshape(-1, 2).T.copy()
        self.curve = grid_fit(limits, seconds)
        if doubled and fitting.refine and len(limits) >= 4 and self.error > fitting.tolerance:
            self.curve = fit(limits, seconds)

    @property
    def limits(self) -> list[float]:
        """Limits of the runs kept, in millicores, the oldest first."""
        return array("d", self.runs)[::2].tolist()

    @property
    def seconds(self) -> list[float]:
        """Their durations."""
        return array("d", self.runs)[1::2].tolist()

    @property
    def error(self) -> float:
        """Root mean square of the relative errors over the runs kept; infinite without a curve."""
        if self.curve is None:
            return math.inf
        seconds = self.curve.seconds
        off = [seconds(r) / t - 1 for r, t in zip(self.limits, self.seconds, strict=True)]
        return math.sqrt(sum(e * e for e in off) / len(off))

    def beyond(self, limit: float) -> float:
        """Return how far a limit lies outside those of the runs kept, as a factor: how far the curve extrapolates.

        It is 1 within them, 2 at twice the largest or half of the smallest, infinite without runs.
        """
        low, high = self._low, self._high
        if low <= limit <= high:
            return 1.0
        return limit / high if limit > high > 0 else low / limit


class WorstCase:
    """Gaussian worst case of a quantity that is rather stable, such as memory: mean + k standard deviations.

    Attributes:
        bound: The worst case to plan with; 0 before the first value.
        count: Values so far.
    """

    __slots__ = ("_mean", "_spread", "_squares", "bound", "count")

    def __init__(self, spread: float = 2.0) -> None:
        self._spread = spread
        self._mean = 0.0
        self._squares = 0.0
        self.bound = 0.0
        self.count = 0

    def add(self, value: float) -> None:
        """Take a value (Welford's update)."""
        self.count += 1
        if self.count == 1:
            self.bound = self._mean = value
            return
        off = value - self._mean
        if off == 0 and self._squares == 0:
            return  # it has never varied, as most never do
        self._mean += off / self.count
        self._squares += off * (value - self._mean)
        self.bound = self._mean + self._spread * math.sqrt(self._squares / (self.count - 1))
