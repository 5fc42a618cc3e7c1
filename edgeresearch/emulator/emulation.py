"""One run of the emulator: triggers, decisions, trainings, nodes that leave and join."""

import gc
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np

from edgeresearch.emulator.chance import chance
from edgeresearch.emulator.engine import blocks
from edgeresearch.emulator.log import Log
from edgeresearch.emulator.mesh import Mesh
from edgeresearch.emulator.view import Policy
from edgeresearch.emulator.workload import Job, Truth
from edgeresearch.emulator.world import World
from edgeresearch.errors import InputError
from edgeresearch.los.request import Decision, Request

CALL_BYTES = 256
"""Size taken for a request that is handed over, its token included."""
STATE_BYTES = 128
"""Size taken for an availability that is exchanged."""


class Change(NamedTuple):
    """A node leaves or joins.

    Attributes:
        time: When, in seconds.
        node: Which.
        up: Whether it joins.
    """

    time: float
    node: int
    up: bool


class Step(NamedTuple):
    """One decision on the way of a trigger, for a trace of decisions.

    Attributes:
        time: When, in seconds.
        node: Who decided.
        request: On what.
        decision: What, and why.
    """

    time: float
    node: int
    request: Request
    decision: Decision


@dataclass
class Result:
    """What an emulation gives.

    Attributes:
        log: What became of each trigger.
        handed: Requests that each node handed over.
        megabytes: Models and samples that were sent to where trainings ran, by source node.
        synced: Availabilities read with global knowledge.
    """

    log: Log
    handed: list[int]
    megabytes: list[float]
    synced: int = 0


def emulate(
    mesh: Mesh,
    jobs: Sequence[Job],
    policy: Policy,
    truth: Truth,
    *,
    seconds: float,
    interval: float,
    seed: np.random.SeedSequence,
    loss: float = 0.0,
    changes: Sequence[Change] = (),
    drift: Callable[[float], float] | None = None,
    watch: Callable[[Step], None] | None = None,
) -> Result:
    """Run a policy on a mesh in virtual time.

    Triggers come at fixed periods; a node that is away has none. A request passes from node to node at once; its
    reservation holds from the decision on, and the transfer, the container's start, the training and the container's
    stop follow. A training that a node has no memory for does not start: it is dropped there. What chance gives to a
    trigger (noise of the duration, of the monitoring) hangs on the seed, job and trigger alone, so that policies meet
    the same; so do several runs with one `seed`, which is left as it is.

    Args:
        mesh: Nodes and links.
        jobs: Streams; their prediction jobs take their part of the source for good.
        policy: What decides. It is used for this run only: it learns.
        truth: Durations.
        seconds: End of virtual time; trainings that run then are let finish.
        interval: Time between two exchanges of availability, in seconds; 0 means always fresh.
        seed: Root of all randomness.
        loss: Share of exchanges that get lost.
        changes: Nodes that leave and join.
        drift: Factor on the CPU time of trainings by time, such as ageing software; None for none.
        watch: Called with every decision.

    Raises:
        InputError: A number makes no sense, or prediction jobs do not fit their node.
        RunError: The log of a long run cannot be written (see `Log.settle`).
        ValueError: The policy decides what cannot be done.
    """
    _check(mesh, jobs, changes, seconds, interval, loss)
    given = chance(seed, len(mesh.nodes), interval)
    world = World(
        mesh,
        jobs,
        policy,
        truth,
        interval=interval,
        loss=loss,
        chance=given,
        drift=drift,
        watch=None if watch is None else lambda *step: watch(Step(*step)),
    )
    first = [change.time for change in changes] + [job.first for job in jobs]
    every = [math.inf] * len(changes) + [job.period for job in jobs]
    with _collector_paused():
        for times, numbers, counts in blocks(first, every, seconds):
            numbers -= len(changes)
            noise, monitor = truth.draws(given.key, numbers, counts)
            triggers = zip(times.tolist(), numbers.tolist(), noise.tolist(), monitor.tolist(), strict=True)
            done = 0
            for at in np.flatnonzero(numbers < 0).tolist():
                world.trigger(islice(triggers, at - done))
                done = at + 1
                time, what, _, _ = next(triggers)
                world.change(time, changes[what].node, up=changes[what].up)
            world.trigger(triggers)
            world.log.settle()
    return Result(world.log, world.handed, world.megabytes, world.view.synced)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector from looking through all nodes again and again: a run leaves no cycles behind."""
    ran = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if ran:
            gc.enable()


def _check(
    mesh: Mesh, jobs: Sequence[Job], changes: Sequence[Change], seconds: float, interval: float, loss: float
) -> None:
    if not (0 <= seconds < math.inf and 0 <= interval < math.inf and 0 <= loss <= 1):
        raise InputError(
            f"seconds and interval must be finite and at least 0, loss a share: {seconds:g}, {interval:g}, {loss:g}"
        )
    count = len(mesh.nodes)
    for number, job in enumerate(jobs):
        if not (0 <= job.source < count and 0 < job.period < math.inf and 0 <= job.first < math.inf):
            raise InputError(f"job {number} needs a source in the mesh, a period above 0 and a first trigger: {job}")
    for change in changes:
        if not (0 <= change.node < count and 0 <= change.time < math.inf):
            raise InputError(f"a change needs a node in the mesh and a time of at least 0: {change}")
