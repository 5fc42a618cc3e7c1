"""What is known of a job from its past trainings: runtime models, limits, worst cases (Paper B, section IV.C).

Fits give the same bits on every processor: LOS decides on them again and again, and a difference in the last digit
grows until a decision differs. So they do without BLAS, LAPACK and numpy's `exp`, `log` and `power`, whose results hang
on the processor; sums, products and roots do not.
"""

import math
import struct
from array import array
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from edgeresearch.scheduling.messages import TrainingReport
from edgeresearch.scheduling.settings import Fitting, Limits

Floats = npt.NDArray[np.float64]
Numbers = TypeVar("Numbers", float, Floats)
"""One number, or an array of them."""

BOUNDS = {"a": (1e-9, 1e15), "b": (0.0, 500.0), "c": (0.25, 3.0), "d": (0.0, 1e6)}
"""Smallest and largest value of each parameter of eq. 1; limits in millicores, times in seconds."""

_GRID = [(b, c) for c in (0.5, 0.75, 1.0, 1.25, 1.5, 2.0) for b in (0.0, 40.0, 160.0)]
_GRID_B = np.array([[0.0], [40.0], [160.0]])
_SAME, _TIE = 1e-12, 1e-9
"""Spread of x, as a share of its squares, below which there is no slope; mean square error that parts two curves."""
_sum = np.add.reduce
_LOW = [math.log(BOUNDS["a"][0]), *(low for low, _ in list(BOUNDS.values())[1:])]
_HIGH = [math.log(BOUNDS["a"][1]), *(high for _, high in list(BOUNDS.values())[1:])]
"""Of log a, b, c and d."""
_RUN = struct.Struct("=dd")


class Curve(NamedTuple):
    """t_job = a · (R + b)^-c + d (Paper B, eq. 1), R in millicores, t in seconds.

    The paper calls R the "utilized" shares of the CPU; here it is the limit, which is what a scheduler sets.
    """

    a: float
    b: float
    c: float
    d: float

    def busy(self, limit: Numbers) -> Numbers:
        """Return the part of the time that depends on the CPU, a · (R + b)^-c, in seconds."""
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


def complete(job: Numbers, send: Numbers | float, overhead: float) -> Numbers:
    """Return t_complete = t_job + t_send + (t_start + t_stop), in seconds (eq. 2); t_send is 0 on the local node."""
    return job + send + overhead


def residual(complete: float, period: float) -> float:
    """Return how far a run was from its period, r = |t_complete - t_period|, in seconds (eq. 3)."""
    return abs(complete - period)


def grid_fit(limits: Sequence[float] | Floats, seconds: Sequence[float] | Floats) -> Curve:
    """Fit eq. 1 on a grid of b and c, a and d by linear least squares: microseconds, good enough to start from.

    Fewer than three different limits cannot tell c and d: then b = d = 0, c = 1.
    """
    r, t = np.asarray(limits, dtype=np.float64), np.asarray(seconds, dtype=np.float64)
    if len(set(r.tolist())) < 3:
        level = math.exp(math.fsum(map(math.log, (t * r).tolist())) / len(r))
        return Curve(max(level, BOUNDS["a"][0]), 0.0, 1.0, 0.0)
    x, y = _powers(r) / t, 1 / t  # as errors are relative
    x_sums, squares, products = _sum(x * y, 1).tolist(), _sum(x * x, 1).tolist(), _sum(x, 1).tolist()
    total, t_sum, count = float(_sum(y * y)), float(_sum(y)), len(r)
    least, best = math.inf, Curve(1.0, 0.0, 1.0, 0.0)
    for (b, c), x_sum, square, product in zip(_GRID, x_sums, squares, products, strict=True):
        apart = square * total - x_sum * x_sum
        slope = rest = 0.0
        if apart > _SAME * square * total:
            slope = (product * total - x_sum * t_sum) / apart
            rest = (t_sum - slope * x_sum) / total
        if slope <= 0 or rest < 0:
            slope, rest = product / square, 0.0
        off = count - 2 * (slope * product + rest * t_sum)
        off += slope * slope * square + rest * (2 * slope * x_sum + rest * total)
        if off < least - _TIE * count:
            least, best = off, Curve(slope, b, c, rest)
    return best


def _powers(limits: Floats) -> Floats:
    """Return (R + b)^-c of each point of the grid and limit, `(points, limits)`, by roots and products alone."""
    shifted = limits + _GRID_B
    root = np.sqrt(shifted)
    fourth = np.sqrt(root)
    powers = (root, root * fourth, shifted, shifted * fourth, shifted * root, shifted * shifted)
    return np.asarray(1 / np.concatenate(powers))


def fit(limits: Sequence[float] | Floats, seconds: Sequence[float] | Floats) -> Curve:
    """Fit eq. 1 to pairs of limit and duration by bounded least squares of the relative error (Levenberg-Marquardt).

    Raises:
        ValueError: The two differ in length, are empty, or hold a value that is not above 0.
    """
    r, t = np.asarray(limits, dtype=np.float64), np.asarray(seconds, dtype=np.float64)
    if r.shape != t.shape or r.size == 0 or not (np.all(r > 0) and np.all(t > 0)):
        raise ValueError("limits and seconds must be equally many and above 0")
    start = grid_fit(r, t)
    if len(set(r.tolist())) < 3:
        return start
    values = _within((math.log(start.a), *start[1:]))
    sums, damping = _moments(r, t, values), 1e-3
    for _ in range(50):
        falls = [-row[4] for row in sums[:4]]
        free = [i for i in range(4) if sums[i][i] > 0 and values[i] != (_HIGH if falls[i] > 0 else _LOW)[i]]
        rows = [[sums[i][j] * (1 + damping * (i == j)) for j in free] + [falls[i]] for i in free]
        trial = list(values)
        for i, change in zip(free, _solve(rows), strict=True):
            trial[i] += change
        trial = _within(trial)
        moved = _moments(r, t, trial)
        gain = sums[4][4] - moved[4][4]
        if gain > 0:
            values, sums, damping = trial, moved, max(damping / 10, 1e-12)
        else:
            damping *= 10
        if 0 <= gain <= 1e-5 * sums[4][4] or damping > 1e6:
            break
    return Curve(math.exp(values[0]), *values[1:])


def _within(values: Sequence[float]) -> list[float]:
    return [min(max(value, low), high) for value, low, high in zip(values, _LOW, _HIGH, strict=True)]


def _moments(r: Floats, t: Floats, values: Sequence[float]) -> list[list[float]]:
    """Return the sums of products of the relative errors and their slopes by log a, b, c and d: errors come last."""
    level, b, c, d = values
    shifted = r + b
    log = np.array([math.log(value) for value in shifted.tolist()])
    part = np.array([math.exp(value) for value in np.minimum(level - c * log, 700).tolist()]) / t
    rows = np.array([part, -c * part / shifted, -part * log, 1 / t, part + d / t - 1])
    sums: list[list[float]] = _sum(rows[:, None] * rows, axis=2).tolist()
    return sums


def _solve(rows: list[list[float]]) -> list[float]:
    """Solve a few linear equations, positive definite, with the right-hand side as their last column."""
    for i, pivot in enumerate(rows):
        for row in rows[i + 1 :]:
            factor = row[i] / pivot[i]
            row[i:] = [value - factor * above for value, above in zip(row[i:], pivot[i:], strict=True)]
    found = [0.0] * len(rows)
    for i in reversed(range(len(rows))):
        row = rows[i]
        found[i] = (row[-1] - math.fsum(row[j] * found[j] for j in range(i + 1, len(rows)))) / row[i]
    return found


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
        self._seen = self._fitted = 0
        self.curve: Curve | None = None

    def add(self, limit: float, seconds: float) -> None:
        """Take a run that ended."""
        fitting = self._fitting
        self._keep(limit, seconds)
        self._seen += 1
        if self._seen < fitting.min_runs:
            return
        if self.curve is None or self._seen >= 2 * self._fitted:
            self._fitted = self._seen
            self._refit(fitting.refine)
        elif abs(self.curve.seconds(limit) - seconds) > fitting.tolerance * seconds:
            self._refit(refine=False)

    def _keep(self, limit: float, seconds: float) -> None:
        runs = self.runs
        if len(runs) < _RUN.size * self._fitting.max_runs:
            self.runs = runs + _RUN.pack(limit, seconds)
        else:
            self.runs = runs[_RUN.size :] + _RUN.pack(limit, seconds)
            gone, _ = _RUN.unpack_from(runs)
            if gone == self._low or gone == self._high:
                self._low, self._high = min(self.limits), max(self.limits)
        self._low = limit if limit < self._low else self._low
        self._high = limit if limit > self._high else self._high

    def _refit(self, refine: bool) -> None:
        limits, seconds = np.frombuffer(self.runs, dtype=np.float64).reshape(-1, 2).T.copy()
        self.curve = grid_fit(limits, seconds)
        if refine and len(limits) >= 4 and self.error > self._fitting.tolerance:
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

    def extrapolation(self, limit: float) -> float:
        """Return how far the curve extrapolates, as a factor: 2 at twice the largest limit or half of the smallest."""
        low, high = self._low, self._high
        return 1.0 if low <= limit <= high else max(limit / high, low / limit)


class WorstCase:
    """Gaussian worst case of a quantity that is rather stable, such as memory: mean + 2 standard deviations.

    Attributes:
        bound: The worst case to plan with; 0 before the first value.
        count: Values so far.
    """

    __slots__ = ("_mean", "_squares", "bound", "count")

    def __init__(self) -> None:
        self._mean = self._squares = self.bound = 0.0
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
        self.bound = self._mean + 2 * math.sqrt(self._squares / (self.count - 1))


class JobHistory:
    """The history of one job as it is broadcast after each run to the nodes that execute the same model.

    Its settings say how the limit of the next run follows from the last one, and when eq. 1 is fitted.

    Attributes:
        cold: Whether no node class has a runtime model yet.
        models: Runtime model by node class.
        limits: Limit of the next run, by node, in millicores.
        memory: Worst case of the memory, in megabytes.
        memory_needed: Free memory below which no training is tried, in megabytes: the worst case, and more than what
            was not enough to start one.
        megabytes: Worst case of what is sent.
        overhead: Worst case of t_start + t_stop, in seconds.
    """

    __slots__ = (
        "_fitting", "_rules", "_too_little", "cold", "limits", "megabytes", "memory", "memory_needed", "models",
        "overhead",
    )  # fmt: skip

    def __init__(self, limits: Limits | None = None, fitting: Fitting | None = None) -> None:
        self._rules, self._fitting = limits or Limits(), fitting or Fitting()
        self.cold = True
        self.models: dict[str, RuntimeModel] = {}
        self.limits: dict[int, float] = {}
        self.memory, self.megabytes, self.overhead = WorstCase(), WorstCase(), WorstCase()
        self.memory_needed = self._too_little = 0.0

    def curve(self, kind: str) -> Curve | None:
        """Return eq. 1 as fitted on a node class; None without enough runs there."""
        model = self.models.get(kind)
        return None if model is None else model.curve

    def extrapolation(self, kind: str, limit: float) -> float | None:
        """Return how far eq. 1 extrapolates for a limit on a node class, as a factor; None without a fit."""
        model = self.models.get(kind)
        return None if model is None or model.curve is None else model.extrapolation(limit)

    def start_failed(self, memory: float) -> None:
        """Remember that a training did not start where no more than `memory` megabytes were free."""
        self._too_little = max(self._too_little, math.nextafter(memory, math.inf))
        self.memory_needed = max(self.memory_needed, self._too_little)

    def learn(self, report: TrainingReport) -> None:
        """Learn from a training that ended: the models see it and the limit on its node moves."""
        _, node, kind, period, limit, seconds, complete, utilisation, memory, megabytes, overhead = report
        model = self.models.get(kind)
        if model is None:
            model = self.models[kind] = RuntimeModel(self._fitting)
        model.add(limit, seconds)
        if model.curve is not None:
            self.cold = False
        self.memory.add(memory)
        bound = self.memory.bound
        self.memory_needed = bound if bound > self._too_little else self._too_little
        self.megabytes.add(megabytes)
        self.overhead.add(overhead)
        self.limits[node] = self._rules.following(limit, met=complete <= period, utilisation=utilisation)
