"""When pods become ready, and when ready ones are removed."""

import numpy as np

from edgeresearch.elastic.checks import Ints


def schedule(wanted: Ints, delay: float, spread: float, dt: float, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return the ready pods of each step, and the steps in which ready pods were removed.

    Pods are slots: slot i is wanted while `wanted` is above i, so the newest pods go first. A slot runs from the step
    in which it becomes wanted to the step in which it no longer is, and is ready once its delay has passed; a pod that
    is removed while it starts was never ready. The pods of the first step are ready at once. With equal delays the
    ready pods are the sliding minimum of the wanted ones.

    Args:
        wanted: Pods wanted in each step, `(steps,)`, at least 0.
        delay: Mean start delay, in seconds.
        spread: Half the width of the uniform distribution around it, in seconds.
        dt: Length of a step, in seconds.
        rng: Draws one delay per started pod, in order of time and, within a step, of slots; not used without spread.

    Returns:
        Ready pods, `(steps,)`, and a step for each removed ready pod, in no order.
    """
    steps = len(wanted)
    at = np.flatnonzero(wanted[1:] != wanted[:-1]) + 1
    before, after = wanted[at - 1], wanted[at]
    starts, start_slots = _events(at, before, after)
    ends, end_slots = _events(at, after, before)
    first, last = int(wanted[0]), int(wanted[-1])
    begins = np.concatenate([np.zeros(first, dtype=np.int64), starts + _delays(len(starts), delay, spread, dt, rng)])
    ends = np.concatenate([ends, np.full(last, steps)])
    # Both are in time order, and a slot starts and ends in turn: sorted by slot, the k-th start meets the k-th end.
    begins = begins[_by_slot(np.concatenate([np.arange(first), start_slots]))]
    ends = ends[_by_slot(np.concatenate([end_slots, np.arange(last)]))]
    worked = begins < ends
    ready = np.bincount(begins[worked], minlength=steps)
    gone = ends[worked & (ends < steps)]
    ready[:steps] -= np.bincount(gone, minlength=steps)
    return np.cumsum(ready, out=ready), gone


def _events(at: Ints, low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """Return step and slot of every slot from `low` to below `high`, for the steps where there are any."""
    size = np.maximum(high - low, 0)
    slots = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size - low, size)
    return np.repeat(at, size), slots


def _by_slot(slots: Ints) -> Ints:
    # numpy sorts 16-bit integers stably by radix, in linear time.
    small = not len(slots) or int(slots.max()) < 2**16
    return np.argsort(slots.astype(np.uint16) if small else slots, kind="stable")


def _delays(count: int, delay: float, spread: float, dt: float, rng: np.random.Generator) -> Ints:
    seconds = rng.uniform(delay - spread, delay + spread, count) if spread else np.full(count, delay)
    return np.ceil(seconds / dt - 1e-9).astype(np.int64)
