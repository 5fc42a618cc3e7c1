"""What the project's LSTM corrects: the last value or a ridge regression, in units of the series' local scale."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, TypeAlias

import numpy as np
from scipy.linalg import solve
from scipy.signal import lfilter

from edgeresearch.forecast.protocol import Array, Mask
from edgeresearch.forecast.rows import lag_matrix

Base: TypeAlias = Literal["ridge", "last"]
FLOOR = 0.1


@dataclass(frozen=True)
class Variant:
    """One way to set up the project's LSTM; validation picks among several.

    Attributes:
        base: What the network's output is added to: a ridge regression of window and covariates, or the last value.
        scaled: Whether residuals are measured in the local scale, which stabilises their variance, or in one scale for
            the whole series.
    """

    base: Base = "ridge"
    scaled: bool = True

    def __str__(self) -> str:
        """Say it in words."""
        return f"{'last value' if self.base == 'last' else 'ridge'}, {'local' if self.scaled else 'one'} scale"


@dataclass(frozen=True)
class Skip:
    """A fitted base forecast, a local scale, and the features that the network sees.

    With v the newest value, the local scale s follows the changes of v as an exponentially weighted root mean square; a
    tenth of the training mean stays in it. The base forecast is v + window·w + covariates·u + b, where w, u, b minimise
    the squared residual divided by s².

    Attributes:
        variant: Which base, which scale.
        window: Values that the ridge regression reads.
        decay: Weight of the newest squared change in the local scale.
        variance: Mean squared change in training.
        weights: `(window + covariates, targets)` of the ridge regression; all 0 for the last value.
        intercept: `(targets,)`.
        centre: Mean of each feature, `(features,)`.
        spread: Standard deviation of each feature.
        residual: Standard deviation of the scaled residuals, `(targets,)`.
        penalty: Ridge penalty per target, `(targets,)`.
    """

    variant: Variant
    window: int
    decay: float
    variance: float
    weights: Array
    intercept: Array
    centre: Array
    spread: Array
    residual: Array
    penalty: Array

    @classmethod
    def fit(
        cls,
        rows: Array,
        targets: Array,
        parts: list[slice],
        *,
        variant: Variant,
        window: int,
        memory: float,
        penalties: Sequence[Sequence[float]],
        cut: int,
    ) -> Self:
        """Fit on the rows before `cut`; the rows from there on choose the ridge penalty.

        Args:
            rows: `(rows, features)`, column 0 the value.
            targets: `(rows, targets)`, NaN where not known.
            parts: Stretches of `rows` without outage.
            variant: Which base, which scale.
            window: Values that the ridge regression reads.
            memory: Steps over which the local scale forgets.
            penalties: For each target the ridge penalties to try; a single one is taken as it is.
            cut: First row that is not fitted.
        """
        changes = np.concatenate([np.diff(rows[part, 0]) for part in parts if part.start < cut])
        variance = float(np.mean(changes**2)) if len(changes) else 0.0
        blank = np.zeros((window + rows.shape[1] - 1, targets.shape[1]))
        draft = cls(
            variant=variant,
            window=window,
            decay=1 - float(np.exp(-1 / memory)),
            variance=variance or 1.0,
            weights=blank,
            intercept=np.zeros(targets.shape[1]),
            centre=np.zeros(1),
            spread=np.ones(1),
            residual=np.ones(targets.shape[1]),
            penalty=np.zeros(targets.shape[1]),
        )
        usable = np.zeros(len(rows), dtype=bool)
        for part in parts:
            usable[part.start + min(window - 1, part.stop - part.start - 1) : part.stop] = True
        usable &= ~np.isnan(targets).any(axis=1)
        fitted, judged = usable.copy(), usable.copy()
        fitted[cut:] = False
        judged[:cut] = False
        scale = draft._everywhere(rows, parts)
        if variant.base == "ridge" and fitted.any():
            draft = draft._with_ridge(rows, targets, parts, scale, fitted, judged, penalties)
        base = draft._base_everywhere(rows, parts)
        residual = (targets - base) / scale[:, None]
        spread = np.sqrt(np.nanmean(residual[fitted] ** 2, axis=0)) if fitted.any() else np.ones(targets.shape[1])
        draft = replace(draft, residual=np.where(spread > 0, spread, 1.0))
        features = np.concatenate([draft._raw(rows[part])[2] for part in parts if part.start < cut])[:cut]
        deviation = features.std(axis=0)
        return replace(draft, centre=features.mean(axis=0), spread=np.where(deviation > 1e-12, deviation, 1.0))

    def apply(self, rows: Array) -> tuple[Array, Array, Array]:
        """Do for a stretch without outage what the network needs.

        Returns:
            Base `(rows, targets)`, unit of the network's output `(rows, targets)`, and its inputs `(rows, inputs)`.
        """
        base, scale, features = self._raw(rows)
        return base, scale[:, None] * self.residual, squash((features - self.centre) / self.spread)

    def step(self, lags: Array, row: Array, change: float, power: float) -> tuple[Array, Array, Array, float]:
        """Do for one step what `apply` does for many.

        Args:
            lags: `(window,)`, oldest first, the newest among them.
            row: `(features,)`.
            change: Newest value less the one before.
            power: Local mean squared change up to the step before.

        Returns:
            Base `(targets,)`, unit `(targets,)`, the network's inputs `(inputs,)`, and the local mean squared change.
        """
        power += self.decay * (change * change - power)
        scale = self._scale(power)
        value = row[0]
        shift = lags @ self.weights[: self.window] + row[1:] @ self.weights[self.window :] + self.intercept
        features = np.empty(len(self.centre))
        known = len(row)
        features[:known] = row
        features[known] = change / scale
        features[known + 1 : -1] = shift / scale
        features[-1] = math.log(scale)
        return value + shift, scale * self.residual, squash((features - self.centre) / self.spread), power

    def _scale(self, power: float) -> float:
        return math.sqrt((1 - FLOOR) * power + FLOOR * self.variance if self.variant.scaled else self.variance)

    def _scales(self, values: Array) -> Array:
        if not self.variant.scaled:
            return np.full(len(values), np.sqrt(self.variance))
        squares = np.diff(values, prepend=values[0]) ** 2
        smooth, _ = lfilter([self.decay], [1, self.decay - 1], squares, zi=[(1 - self.decay) * self.variance])
        scales: Array = np.sqrt((1 - FLOOR) * smooth + FLOOR * self.variance)
        return scales

    def _base(self, rows: Array) -> Array:
        shift = self.intercept
        if self.weights.any():
            shift = (
                lag_matrix(rows[:, 0], self.window) @ self.weights[: self.window]
                + rows[:, 1:] @ self.weights[self.window :]
                + shift
            )
        base: Array = rows[:, :1] + shift
        return base

    def _raw(self, rows: Array) -> tuple[Array, Array, Array]:
        values, scale, base = rows[:, 0], self._scales(rows[:, 0]), self._base(rows)
        changes = np.diff(values, prepend=values[0])
        shift = (base - values[:, None]) / scale[:, None]
        return base, scale, np.column_stack([rows, changes / scale, shift, np.log(scale)])

    def _everywhere(self, rows: Array, parts: list[slice]) -> Array:
        scale = np.full(len(rows), np.nan)
        for part in parts:
            scale[part] = self._scales(rows[part, 0])
        return scale

    def _base_everywhere(self, rows: Array, parts: list[slice]) -> Array:
        base = np.full((len(rows), len(self.intercept)), np.nan)
        for part in parts:
            base[part] = self._base(rows[part])
        return base

    def _with_ridge(
        self,
        rows: Array,
        targets: Array,
        parts: list[slice],
        scale: Array,
        fitted: Mask,
        judged: Mask,
        penalties: Sequence[Sequence[float]],
    ) -> Self:
        design = np.zeros((len(rows), len(self.weights)))
        for part in parts:
            design[part] = np.column_stack([lag_matrix(rows[part, 0], self.window), rows[part, 1:]])
        weight = scale[fitted] ** -2.0
        weight /= weight.sum()
        centre, middle = weight @ design[fitted], weight @ targets[fitted]
        spread = design[fitted].std(axis=0)
        spread = np.where(spread > 1e-12, spread, 1.0)
        inputs, outputs = (design[fitted] - centre) / spread, targets[fitted] - middle
        square, cross = (inputs.T * weight) @ inputs, (inputs.T * weight) @ outputs
        chosen, weights = [], []
        for target, choices in enumerate(penalties):
            trials = []
            for penalty in choices:
                ridge = square + np.eye(len(square)) * penalty / fitted.sum()
                solution = solve(ridge, cross[:, target], assume_a="pos") / spread
                miss = (design[judged] - centre) @ solution + middle[target] - targets[judged, target]
                trials.append((float(np.sum((miss / scale[judged]) ** 2)), penalty, solution))
            _, penalty, solution = min(trials, key=lambda trial: trial[0])
            chosen.append(penalty)
            weights.append(solution)
        stacked = np.column_stack(weights)
        intercept = middle - centre @ stacked
        stacked[self.window - 1] -= 1  # the base forecast is a shift from the newest value
        return replace(self, weights=stacked, intercept=intercept, penalty=np.array(chosen))


def squash(features: Array) -> Array:
    """Bend what lies beyond ±3 logarithmically: a burst stays visible without drowning the rest."""
    size = np.abs(features)
    if size.size and size.max() <= 3:
        return features
    return np.where(size > 3, np.sign(features) * (3 + 3 * np.log(np.maximum(size, 3) / 3)), features)
