"""A queue with a bound that changes from step to step, without a loop over the steps."""

import numpy as np

from edgeresearch.elastic.checks import Ints


def queue(net: Ints, room: Ints) -> Ints:
    """Return the length of a bounded queue: W_t = min(max(W_{t-1} + net_t, 0), room_t), with W_{-1} = 0.

    Without the bound this is Lindley's recursion, a cumulative sum less its running minimum. That queue is never
    shorter than the bounded one, so only where it is busy does the bound need a second look: there the steps, which are
    clamps w → min(max(w + a, l), u), are composed block by block, at a cost that is linear however heavy the overload.

    Args:
        net: Arrivals less capacity of each step, `(steps,)`.
        room: Most that may wait at the end of each step, `(steps,)`, at least 0.

    Returns:
        `(steps,)`.
    """
    total = np.cumsum(net)
    lowest = np.minimum.accumulate(total)
    np.minimum(lowest, 0, out=lowest)
    total -= lowest
    if not (total > room).any():
        return total
    busy = total > 0
    # The step after a busy period empties the bounded queue as well: it separates the periods once they are joined.
    busy[1:] |= busy[:-1].copy()
    at = np.flatnonzero(busy)
    total[at] = _clamped(net[at], room[at])
    return total


def _clamped(net: Ints, room: Ints) -> Ints:
    """Run the recursion in about √steps blocks side by side.

    A block maps the length before it to the length after it: w → min(max(w + a, l), u), where a is its sum of `net` and
    l and u are where it ends from an empty and from an endless queue.
    """
    length = int(np.ceil(np.sqrt(len(net))))
    blocks = -(-len(net) // length)
    padding = (0, blocks * length - len(net))
    steps = np.ascontiguousarray(np.pad(net, padding).reshape(blocks, length).T)
    rooms = np.ascontiguousarray(np.pad(room, padding, mode="edge").reshape(blocks, length).T)
    low = np.zeros(blocks, dtype=np.int64)
    high = rooms.max(initial=0) - np.minimum(steps, 0).sum(axis=0)
    for step, bound in zip(steps, rooms, strict=True):
        for state in (low, high):
            state += step
            np.maximum(state, 0, out=state)
            np.minimum(state, bound, out=state)
    state = np.zeros(blocks, dtype=np.int64)
    before = 0
    for block, (shift, empty, endless) in enumerate(
        zip(steps.sum(axis=0).tolist(), low.tolist(), high.tolist(), strict=True)
    ):
        state[block] = before
        before = min(max(before + shift, empty), endless)
    for step, bound in zip(steps, rooms, strict=True):
        state += step
        np.maximum(state, 0, out=state)
        np.minimum(state, bound, out=state)
        step[:] = state
    return steps.T.reshape(-1)[: len(net)]
