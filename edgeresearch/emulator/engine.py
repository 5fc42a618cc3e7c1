"""Virtual time: what happens when, in order.

Availability is read lazily and a training's end is a number, so that nothing that happens makes anything else happen:
all events are known beforehand, and sorting them in blocks costs less than a heap.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BLOCK = 1024
"""Events that are sorted at once, on average."""


class Block(NamedTuple):
    """Events one after another.

    Attributes:
        times: When, in seconds.
        numbers: Of what happens.
        counts: How often it happened before.
    """

    times: Floats
    numbers: Ints
    counts: Ints


def blocks(first: Sequence[float], every: Sequence[float], until: float, *, size: int = BLOCK) -> Iterator[Block]:
    """Yield all events before a time in order; of those at the same time the smaller number comes first.

    Event k of a number is at first + k * every: times do not drift, however many there are.

    Args:
        first: When each number happens first, in seconds, at least 0.
        every: Time until it happens again, above 0; infinite if it happens once.
        until: End of virtual time, in seconds; events at it or later do not happen.
        size: Events per block, on average; a quarter of the numbers, if that is more.
    """
    begin, step = np.asarray(first, dtype=np.float64), np.asarray(every, dtype=np.float64)
    once = np.isinf(step)
    again = np.where(once, 1.0, step)
    rate = float(np.sum(1 / step))
    parts = max(1, math.ceil(rate * until / max(size, len(begin) // 4)))
    done = np.zeros(len(begin), dtype=np.int64)
    for part in range(parts):
        stop = until if part == parts - 1 else until * (part + 1) / parts
        upto = np.where(once, begin < stop, _before(begin, again, stop))
        block = _block(begin, step, done, np.maximum(upto, done))
        if len(block.times):
            yield block
        done = np.maximum(upto, done)


def _before(begin: Floats, step: Floats, stop: float) -> Ints:
    """How many of begin + k * step lie before `stop`, by the rounding of that very sum."""
    count = np.ceil(np.maximum(stop - begin, 0) / step)
    count -= (count > 0) & (begin + (count - 1) * step >= stop)
    count += begin + count * step < stop
    return count.astype(np.int64)


def _block(begin: Floats, step: Floats, low: Ints, high: Ints) -> Block:
    number = np.repeat(np.arange(len(begin)), high - low)
    starts = np.cumsum(high - low) - (high - low)
    count = np.arange(len(number)) - np.repeat(starts - low, high - low)
    time = begin[number]
    again = count > 0
    time[again] += count[again] * step[number[again]]
    order = np.lexsort((number, time))
    return Block(time[order], number[order], count[order])
