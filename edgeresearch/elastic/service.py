"""The service under a request trace: pods that start and drain, a small queue, and errors by cause."""

import numpy as np
import numpy.typing as npt

from edgeresearch.elastic.checks import Floats, Ints, counts
from edgeresearch.elastic.outcome import Outcome
from edgeresearch.elastic.pods import schedule
from edgeresearch.elastic.settings import MILLION, Settings
from edgeresearch.elastic.waiting import queue
from edgeresearch.errors import InputError

__all__ = ["Outcome", "Settings", "run"]


def run(arrivals: npt.ArrayLike, wanted: npt.ArrayLike, *, settings: Settings, rng: np.random.Generator) -> Outcome:
    """Serve a trace with a given number of wanted pods.

    In every step the ready pods take what waits and what arrives, up to their capacity. As much as they serve within
    the timeout may wait; the rest fails by overload. Of what is taken, the base share fails, and so do the requests
    that a removed pod had in flight and could not finish within its grace period. Requests are whole and conserved:
    served + failed + waiting = arrived at the end of every step. No random number enters but the start delays.

    Args:
        arrivals: Requests of each step, `(steps,)`.
        wanted: Pods wanted in each step, `(steps,)`, at least 1. Those of the first step are ready at once.
        settings: The service.
        rng: Draws the start delays, in the order of the starts; not used where they have no spread.

    Raises:
        InputError: An array is no series of such numbers, their lengths differ, or a pod takes longer to start than the
            trace lasts.
    """
    arrived, wanted = counts("arrivals", arrivals), counts("wanted pods", wanted, 1)
    steps = len(arrived)
    if len(wanted) != steps:
        raise InputError(
            f"{steps} steps of arrivals, but {len(wanted)} of wanted pods; give one number of pods per step"
        )
    settings.check_length(steps)
    ready, gone = schedule(wanted, settings.start_delay, settings.start_spread, settings.dt, rng)
    capacity = settings.per_step(steps)
    capacity = np.multiply(capacity, ready, out=capacity)
    waiting = queue(arrived - capacity, ready * settings.room)
    handled = arrived.copy()
    handled[1:] += waiting[:-1]
    overload = handled - waiting
    np.minimum(handled, capacity, out=handled)
    overload -= handled
    base = _share(handled, settings.base_error)
    drain = _drain_losses(handled, base, ready, gone, settings)
    served = np.subtract(handled, base, out=handled)
    served -= drain
    return Outcome(settings, arrived, wanted, ready, capacity, waiting, served, base, overload, drain, gone)


def _share(amounts: Ints, share: float) -> Ints:
    """Return a share of whole numbers, whole by error diffusion: up to any step it is the share of their sum, cut."""
    total = np.cumsum(amounts)
    total *= round(share * MILLION)
    total //= MILLION
    total[1:] -= total[:-1].copy()
    return total


def _drain_losses(handled: Ints, base: Ints, ready: Ints, gone: Ints, settings: Settings) -> Ints:
    """Return the requests that removed pods lose, whole by error diffusion.

    A pod has rate x service time requests in flight, by Little's law, with its rate of the step before. Service times
    are exponential: exp(-grace / service time) of those outlive the grace period. They fail in the step of the removal,
    at most as many as are served in it.
    """
    losses = np.zeros_like(handled)
    if settings.drain_loss == 0 or not len(gone):
        return losses
    at, pods = np.unique(gone, return_counts=True)
    in_flight: Floats = pods * handled[at - 1] / ready[at - 1] * (settings.service_time / settings.dt)
    lost = np.floor(np.cumsum(in_flight * settings.drain_loss)).astype(np.int64)
    losses[at] = np.minimum(np.diff(lost, prepend=0), handled[at] - base[at])
    return losses
