"""A service of pods under a stream of requests, step by step."""

from dataclasses import dataclass
from numbers import Real
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgeresearch.autoscaling.settings import ServiceConfig
from edgeresearch.errors import InputError

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Steps: TypeAlias = npt.NDArray[np.bool_] | slice

EVERY = slice(None)
"""All steps."""
MILLION = 1_000_000
"""Shares and fractions of a request are whole millionths, so that nothing is lost to rounding."""
COUNTABLE = 2.0**62
"""Fewer requests than these can be counted."""


def check_range(name: str, value: float, low: float, *, above: bool = False) -> None:
    """Raise an `InputError` unless a number is finite and at least `low`, or above it."""
    if not isinstance(value, Real):
        raise InputError(f"{name} is {value!r}; give a number")
    if not np.isfinite(value) or value < low or (above and value == low):
        raise InputError(f"{name} is {value:g}; give a number {'above' if above else 'at least'} {low:g}")


def as_counts(name: str, values: npt.ArrayLike, low: int = 0) -> Ints:
    """Return whole numbers of at least `low`, one per step, also from whole floats, or raise an `InputError`."""
    given = np.asarray(values)
    if given.ndim != 1 or not len(given) or given.dtype.kind not in "iuf":
        raise InputError(
            f"{name}: expected one number per step, got {given.dtype} of shape {given.shape}; pass one column"
        )
    with np.errstate(invalid="ignore"):  # of what is not finite
        result = given.astype(np.int64, copy=False)
    wrong = result < low
    if result is not given:
        wrong |= result != given
    if wrong.any():
        at = int(wrong.argmax())
        raise InputError(
            f"{name}: {given[at]:g} at step {at} is no whole number of at least {low}; mend it, or `spread` a trace"
        )
    return result


def find_ready_pods(wanted: Ints, service: ServiceConfig, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return the ready pods of each step, `(steps,)`, and a step for each removed ready pod, in no order.

    Pods are slots: slot i is wanted while `wanted` is above i, so the newest pods go first. A slot runs from the step
    in which it becomes wanted to the step in which it no longer is, and is ready once its delay has passed; a pod that
    is removed while it starts was never ready. The pods of the first step are ready at once. With equal delays the
    ready pods are the sliding minimum of the wanted ones. With a spread, one delay per started pod is drawn, in order
    of time and, within a step, of slots.
    """
    steps = len(wanted)
    at = np.flatnonzero(wanted[1:] != wanted[:-1]) + 1
    before, after = wanted[at - 1], wanted[at]
    starts, start_slots = _events(at, before, after)
    ends, end_slots = _events(at, after, before)
    first, last = int(wanted[0]), int(wanted[-1])
    begins = np.concatenate([np.zeros(first, dtype=np.int64), starts + _start_steps(len(starts), service, rng)])
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


def _start_steps(count: int, service: ServiceConfig, rng: np.random.Generator) -> Ints:
    delay, spread = service.start_delay, service.start_spread
    seconds = rng.uniform(delay - spread, delay + spread, count) if spread else np.full(count, delay)
    return np.ceil(seconds / service.dt - 1e-9).astype(np.int64)


def _service_rate(service: ServiceConfig, steps: int) -> Ints:
    """Return the requests that one ready pod takes in each step: ⌊(t + 1) q⌋ - ⌊t q⌋, `(steps,)`."""
    whole, part = divmod(round(service.q_max * service.dt * MILLION), MILLION)
    if not part:
        return np.full(steps, whole, dtype=np.int64)
    return whole + np.diff(np.arange(steps + 1) * part // MILLION)


@dataclass(frozen=True)
class SimulationResult:
    """Requests and pods of every step, `(steps,)` each; `removed` has a step for each ready pod removed, in no order.

    Requests that `arrived` are `served`, `waiting` at the end of the step, or have failed: by `overload`, because too
    many were waiting, by `drain`, with a removed pod, or by `base`, whatever happened. At the end of every step, served
    + failed + waiting = arrived, summed from the first step on. `capacity` is what the ready pods can take.
    """

    service: ServiceConfig
    arrived: Ints
    wanted: Ints
    ready: Ints
    capacity: Ints
    waiting: Ints
    served: Ints
    base: Ints
    overload: Ints
    drain: Ints
    removed: Ints

    @property
    def failed(self) -> Ints:
        """Requests that failed, of all causes."""
        return self.base + self.overload + self.drain

    @property
    def draining(self) -> Ints:
        """Removed pods within their grace period: they hold their place, and take no new request."""
        steps = len(self.wanted)
        length = int(np.ceil(self.service.grace / self.service.dt - 1e-9))
        begun, over = (
            np.bincount(np.minimum(at, steps), minlength=steps + 1) for at in (self.removed, self.removed + length)
        )
        return np.cumsum(begun - over)[:steps]

    @property
    def pod_hours(self) -> float:
        """Hours of pods that start, serve or drain."""
        return self.hours()

    @property
    def error_percent(self) -> float:
        """Failed requests among those that arrived, in percent; NaN where none arrived."""
        return self.percent(self.failed)

    def hours(self, steps: Steps = EVERY) -> float:
        """Return the hours of pods that start, serve or drain in some steps."""
        pods = self.wanted + self.draining
        return float(pods[steps].sum() * self.service.dt / 3600)

    def percent(self, requests: Ints, steps: Steps = EVERY) -> float:
        """Return the requests of a kind among those that arrived in some steps, in percent; NaN where none arrived."""
        arrived = int(self.arrived[steps].sum())
        return 100 * int(requests[steps].sum()) / arrived if arrived else float("nan")

    @property
    def utilisation(self) -> Floats:
        """Requests taken among those that the ready pods can take, 0 to 1; 0 in a step in which they can take none."""
        return _ratio(self.served + self.base + self.drain, self.capacity)

    @property
    def cpu(self) -> Floats:
        """CPU of the service, in percent of all its pods' limits; others than ready ones idle (Paper A, Fig. 2).

        A ready pod uses from `cpu_idle` percent when idle to 100 at full use.
        """
        idle = self.service.cpu_idle
        return self._of_all(idle + (100 - idle) * self.utilisation, idle)

    @property
    def memory(self) -> Floats:
        """Memory of the service, in percent of all its pods' limits; others than ready ones idle (Paper A, Fig. 3).

        That of a ready pod is idle memory, plus what requests in flight need, plus its part of the queue.
        """
        idle, full = self.service.memory_idle, _ratio(self.waiting, self.ready * self.service.queue_limit)
        busy = idle + self.service.memory_load * self.utilisation + self.service.memory_queue * full
        return self._of_all(busy, idle)

    def _of_all(self, ready: Floats, idle: float) -> Floats:
        pods = self.wanted + self.draining
        return np.asarray((self.ready * ready + (pods - self.ready) * idle) / pods)


def _ratio(part: Ints, whole: Ints) -> Floats:
    """Return the quotients, 0 where the whole is 0."""
    result = np.zeros(len(part))
    np.divide(part, whole, out=result, where=whole > 0)
    return result


def bounded_queue(net: Ints, room: Ints) -> Ints:
    """Return the length of a bounded queue: W_t = min(max(W_{t-1} + net_t, 0), room_t), with W_{-1} = 0, `(steps,)`.

    Without the bound this is Lindley's recursion, a cumulative sum less its running minimum. That queue is never
    shorter than the bounded one, so only where it is busy does the bound need a second look: there the steps, which are
    clamps w → min(max(w + a, l), u), are composed block by block, at a cost that is linear however heavy the overload.

    Args:
        net: Arrivals less capacity of each step, `(steps,)`.
        room: Most that may wait at the end of each step, `(steps,)`, at least 0.
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
    total[at] = _run_blocks(net[at], room[at])
    return total


def _run_blocks(net: Ints, room: Ints) -> Ints:
    """Run the recursion in about √steps blocks side by side.

    A block maps the length before it to the length after it: w → min(max(w + a, l), u), where a is its sum of `net` and
    l and u are where it ends from an empty and from an endless queue.
    """
    length = int(np.ceil(np.sqrt(len(net))))
    blocks = -(-len(net) // length)
    padding = (0, blocks * length - len(net))
    steps = np.ascontiguousarray(np.pad(net, padding).reshape(blocks, length).T)
    rooms = np.ascontiguousarray(np.pad(room, padding, mode="edge").reshape(blocks, length).T)
    state, before = np.zeros(blocks, dtype=np.int64), 0
    ends = np.stack([state, rooms.max(initial=0) - np.minimum(steps, 0).sum(axis=0)])
    for step, bound in zip(steps, rooms, strict=True):
        _take_step(ends, step, bound)
    for block, (shift, empty, endless) in enumerate(zip(steps.sum(axis=0).tolist(), *ends.tolist(), strict=True)):
        state[block] = before
        before = min(max(before + shift, empty), endless)
    for step, bound in zip(steps, rooms, strict=True):
        _take_step(state, step, bound)
        step[:] = state
    return steps.T.reshape(-1)[: len(net)]


def _take_step(state: Ints, step: Ints, bound: Ints) -> None:
    state += step
    np.maximum(state, 0, out=state)
    np.minimum(state, bound, out=state)


def simulate(
    arrivals: npt.ArrayLike, wanted: npt.ArrayLike, service: ServiceConfig, *, rng: np.random.Generator
) -> SimulationResult:
    """Serve a trace with a given number of wanted pods.

    In every step the ready pods take what waits and what arrives, up to their capacity. As much as they serve within
    the timeout may wait; the rest fails by overload. Of what is taken, the base share fails, and so do the requests
    that a removed pod had in flight and could not finish within its grace period. Requests are whole and conserved:
    served + failed + waiting = arrived at the end of every step. No random number enters but the start delays.

    Args:
        arrivals: Requests of each step, `(steps,)`.
        wanted: Pods wanted in each step, `(steps,)`, at least 1. Those of the first step are ready at once.
        service: Its settings.
        rng: Draws the start delays, in the order of the starts; not used where they have no spread.

    Raises:
        InputError: An array is no series of such numbers, their lengths differ, or a pod takes longer to start than the
            trace lasts.
    """
    arrived, wanted = as_counts("arrivals", arrivals), as_counts("wanted pods", wanted, 1)
    steps = len(arrived)
    if len(wanted) != steps:
        raise InputError(
            f"{steps} steps of arrivals, but {len(wanted)} of wanted pods; give one number of pods per step"
        )
    service.check_duration(steps)
    _check_countable(arrived, wanted, service)
    ready, removed = find_ready_pods(wanted, service, rng)
    capacity = _service_rate(service, steps)
    capacity = np.multiply(capacity, ready, out=capacity)
    waiting = bounded_queue(arrived - capacity, ready * service.queue_limit)
    handled = arrived.copy()
    handled[1:] += waiting[:-1]
    overload = handled - waiting
    np.minimum(handled, capacity, out=handled)
    overload -= handled
    base = _take_share(handled, service.base_error)
    drain = _drain_losses(handled, base, ready, removed, service)
    served = np.subtract(handled, base, out=handled)
    served -= drain
    return SimulationResult(service, arrived, wanted, ready, capacity, waiting, served, base, overload, drain, removed)


def _check_countable(arrived: Ints, wanted: Ints, service: ServiceConfig) -> None:
    """Refuse what 64-bit integers cannot count: they would begin anew below 0."""
    pods, came = int(wanted.max()), float(arrived.sum(dtype=np.float64))
    taken = len(wanted) * pods * (service.q_max * service.dt + 1.0)
    if max(came + taken, float(pods * service.queue_limit)) >= COUNTABLE:
        raise InputError(
            f"{came:.3g} requests, and room for {taken:.3g}, are more than can be counted; check the unit and `q_max`"
        )


def _take_share(amounts: Ints, share: float) -> Ints:
    """Return a share of whole numbers, whole by error diffusion: up to any step it is the share of their sum, cut."""
    part = round(share * MILLION)
    total, rest = np.divmod(np.cumsum(amounts), MILLION)  # apart, as their product with a share is too large
    total *= part
    total += rest * part // MILLION
    total[1:] -= total[:-1].copy()
    return total


def _drain_losses(handled: Ints, base: Ints, ready: Ints, removed: Ints, service: ServiceConfig) -> Ints:
    """Return the requests that removed pods lose, whole by error diffusion.

    A pod has rate x service time requests in flight, by Little's law, with its rate of the step before. Service times
    are exponential: exp(-grace / service time) of those outlive the grace period. They fail in the step of the removal,
    at most as many as are served in it.
    """
    losses = np.zeros_like(handled)
    outliving = float(np.exp(-service.grace / service.service_time))
    if outliving == 0 or not len(removed):
        return losses
    at, pods = np.unique(removed, return_counts=True)
    in_flight: Floats = pods * handled[at - 1] / ready[at - 1] * (service.service_time / service.dt)
    lost = np.floor(np.cumsum(in_flight * outliving)).astype(np.int64)
    losses[at] = np.minimum(np.diff(lost, prepend=0), handled[at] - base[at])
    return losses


def run_pressure_test(
    service: ServiceConfig, *, rng: np.random.Generator, bound: float = 0.05, step: float = 0.5, hold: float = 300.0
) -> float:
    """Raise the load on one pod until its error rate crosses a bound, and return Q_max (Paper A, section 3).

    Every level is `step` above the one before and lasts `hold` seconds; arrivals are Poisson.

    Args:
        service: Its settings; the start delay does not matter, as the pod is ready.
        rng: Draws the arrivals.
        bound: Highest share of failed requests that counts as stable, above the base error and below 1.
        step: Distance of two levels, in requests per second.
        hold: Duration of a level, in seconds.

    Returns:
        The highest level, in requests per second, up to which the error rate stayed within the bound.

    Raises:
        InputError: A setting is out of range, or the lowest level is above the bound.
    """
    check_range("bound", bound, service.base_error, above=True)
    if bound >= 1:
        raise InputError(f"bound is {bound:g}; give a share above the base error, {service.base_error:g}, and below 1")
    check_range("step", step, 0, above=True)
    ready = service.replace(start_delay=0.0, start_spread=0.0)
    level, failed, arrived = 0, 0, 1
    while failed <= bound * arrived:
        level += 1
        arrivals = rng.poisson(step * level * service.dt, round(hold / service.dt))
        result = simulate(arrivals, np.ones(len(arrivals), dtype=np.int64), ready, rng=rng)
        failed, arrived = int(result.failed.sum()), int(arrivals.sum())
    if level == 1:
        raise InputError(
            f"the error rate is above {bound:g} at {step:g} requests per second already; use a smaller step"
        )
    return step * (level - 1)
