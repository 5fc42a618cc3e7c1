"""Checks of what users hand in; every failure is one line."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeresearch.errors import InputError

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


def within(name: str, value: float, low: float, high: float = np.inf, *, above: bool = False) -> None:
    """Raise unless a setting is finite and within its bounds.

    Args:
        name: The setting, for the message.
        value: What was given.
        low: Lowest value.
        high: Highest value.
        above: Whether `low` itself is refused.

    Raises:
        InputError: It is not.
    """
    if not np.isfinite(value) or value > high or value < low or (above and value == low):
        bound = f"above {low:g}" if above else f"at least {low:g}"
        bound += "" if np.isinf(high) else f" and at most {high:g}"
        raise InputError(f"{name} is {value:g}; give a number {bound}")


def counts(name: str, values: npt.ArrayLike, low: int = 0) -> Ints:
    """Return whole numbers, one per step, as they were given.

    Args:
        name: What they are, for the message.
        values: `(steps,)`; floats are taken where they are whole.
        low: Lowest value.

    Raises:
        InputError: The array is empty or has several dimensions, or a value is not finite, not whole, or too low.
    """
    given = series(name, values)
    result = given.astype(np.int64, copy=False)
    if given.dtype.kind == "f" and not np.array_equal(result, given):
        at = int(np.flatnonzero(result != given)[0])
        raise InputError(
            f"{name}: {_number(given[at])} at step {at} is not a whole number; round the values, or `spread` a trace"
        )
    if result.min() < low:
        at = int(np.flatnonzero(result < low)[0])
        raise InputError(f"{name}: {result[at]} at step {at} is below {low}; give whole numbers of at least {low}")
    return result


def load(name: str, values: npt.ArrayLike) -> Floats:
    """Return a load as floats.

    Raises:
        InputError: The array is empty or has several dimensions, or a value is negative or not finite.
    """
    result = series(name, values).astype(np.float64, copy=False)
    if result.min() < 0:
        at = int(np.flatnonzero(result < 0)[0])
        raise InputError(f"{name}: {_number(result[at])} at step {at} is negative; a load is at least 0")
    return result


def series(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return numbers of one dimension.

    Raises:
        InputError: The array is empty, has several dimensions, or holds something that is not a finite number.
    """
    given = np.asarray(values)
    if given.ndim != 1 or not len(given) or given.dtype.kind not in "iuf":
        raise InputError(
            f"{name}: expected one number per step, got {given.dtype} of shape {given.shape}; pass one column"
        )
    if given.dtype.kind == "f" and not np.isfinite(given).all():
        at = int(np.flatnonzero(~np.isfinite(given))[0])
        raise InputError(
            f"{name}: {given[at]} at step {at} is not a finite number; fill the gap or take a stretch without gaps"
        )
    return given


def _number(value: float) -> str:
    return f"{value:g}"
