"""What a run sends over the links, and over those between layers: the uplinks are what the edge is short of."""

import itertools
from collections import Counter
from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

from edgeresearch.emulator.emulation import CALL_BYTES, STATE_BYTES
from edgeresearch.emulator.mesh import Mesh
from edgeresearch.emulator.outcome import Outcome
from edgeresearch.emulator.routes import Routes
from edgeresearch.emulator.traffic import MEGA, MODEL_BYTES, told

Path = tuple[int, ...]
"""Nodes that a request passed, its source first; each two are neighbours."""
Counts = npt.NDArray[np.int64]
"""Links, and those of them that are between layers."""


def sent(outcome: Outcome, paths: Mapping[tuple[float, int], Path], *, interval: float) -> dict[str, float]:
    """Return how much passes over links: each byte counts once for each link that it passes.

    Sizes and what is counted are those of `traffic`. States that are synchronised go from each node to the source of
    the trigger; with churn, those of the nodes in the mesh count as the average of all nodes. They, and what is told of
    a training, take the fastest way, as if every node were in the mesh.

    Args:
        outcome: Of the run.
        paths: Nodes that the request passed, by time and job of the trigger; those that nobody decided on are missing.
        interval: Time between two exchanges, in seconds; 0 counts none.

    Returns:
        `link_megabytes` over all links and `uplink_megabytes` over those between layers, each per hour.
    """
    mesh = outcome.mesh
    routes = Routes(mesh)
    total = _requests(outcome, paths)
    for way, count in Counter(told(outcome)).items():
        total += count * MODEL_BYTES * _passed(mesh, tuple(routes.path(*way)))
    if outcome.result.synced:
        sources = [outcome.jobs[job].source for _, job in paths]
        states = sum(_states(mesh, routes, source) * sources.count(source) for source in sorted(set(sources)))
        total += STATE_BYTES * outcome.result.synced * states / (len(sources) * len(mesh.nodes))
    if outcome.listens and interval > 0:
        links = sum(_passed(mesh, (link.one, link.other)) for link in mesh.links)
        total += 2 * STATE_BYTES * links * outcome.seconds / interval
    every, up = (total * 3600 / outcome.seconds / MEGA).tolist()
    return {"link_megabytes": every, "uplink_megabytes": up}


def _requests(outcome: Outcome, paths: Mapping[tuple[float, int], Path]) -> npt.NDArray[np.float64]:
    """Bytes of the requests that are handed over, and of models and samples that go where a training runs."""
    passed = cache(lambda path: _passed(outcome.mesh, path))
    total = np.zeros(2)
    triggers = outcome.result.log.frame()
    ran = triggers["end"].ne("dropped").tolist()
    for time, job, placed in zip(triggers["time"].tolist(), triggers["job"].tolist(), ran, strict=True):
        size = CALL_BYTES + (MEGA * outcome.jobs[job].megabytes if placed else 0.0)
        total += size * passed(paths.get((time, job), ()))
    return total


def _passed(mesh: Mesh, path: Path) -> Counts:
    ups = [mesh.nodes[one].layer != mesh.nodes[other].layer for one, other in itertools.pairwise(path)]
    return np.array([len(ups), sum(ups)])


def _states(mesh: Mesh, routes: Routes, source: int) -> Counts:
    """Links that the states of all nodes pass on their way to one."""
    every = range(len(mesh.nodes))
    ways = [_passed(mesh, tuple(routes.path(i, source))) for i in every if routes.reaches(i, source)]
    return sum(ways, np.zeros(2, dtype=np.int64))
