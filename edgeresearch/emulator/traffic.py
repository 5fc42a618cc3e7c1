"""What a run sends over the mesh: messages and bytes, by what they are for."""

from collections.abc import Iterator

from edgeresearch.emulator.emulation import CALL_BYTES, STATE_BYTES
from edgeresearch.emulator.outcome import Outcome

MEGA = 1_000_000
MESSAGES = ("requests", "exchanges", "syncs", "models")
"""Kinds of messages; what else is sent are models and samples, where a training runs."""
MODEL_BYTES = 128
"""Size taken for what is told of a training: eq. 1's parameters, the limit, the worst cases."""


def traffic(outcome: Outcome, *, interval: float) -> dict[str, float]:
    """Return how much each node sends per hour, on average over the mesh.

    Requests are those handed over; exchanges are the availabilities that every node publishes to each neighbour in each
    interval, if the policy listens to them; syncs are the states that a policy with global knowledge has sent to it,
    one per node and trigger; models are what the nodes that train the same model tell each other of it (see `told`);
    samples are the models and cached samples that went where a training ran.

    Args:
        outcome: Of the run.
        interval: Time between two exchanges, in seconds; 0 counts none, for then states are always fresh by assumption.
    """
    mesh, result = outcome.mesh, outcome.result
    share = 3600 / outcome.seconds / len(mesh.nodes)
    exchanges = 2 * len(mesh.links) * outcome.seconds / interval if outcome.listens and interval > 0 else 0.0
    requests, models = sum(result.handed), sum(1 for _ in told(outcome))
    return {
        "requests": requests * share,
        "exchanges": exchanges * share,
        "syncs": result.synced * share,
        "models": models * share,
        "request_megabytes": requests * CALL_BYTES / MEGA * share,
        "exchange_megabytes": exchanges * STATE_BYTES / MEGA * share,
        "sync_megabytes": result.synced * STATE_BYTES / MEGA * share,
        "model_megabytes": models * MODEL_BYTES / MEGA * share,
        "sample_megabytes": sum(result.megabytes) * share,
    }


def told(outcome: Outcome) -> Iterator[tuple[int, int]]:
    """Yield who tells whom of each training that ran to its end, if the policy learns.

    The runtime model "is broadcasted after each successful execution to corresponding nodes which execute the same ML
    model" (Paper B, section IV.C): to the stream's source, and to every node that has trained for it before.
    """
    if not outcome.learns:
        return
    log = outcome.result.log.frame()
    log = log[log["end"] == "finished"]
    known = [{job.source} for job in outcome.jobs]
    for job, node in zip(log["job"].tolist(), log["node"].tolist(), strict=True):
        known[job].add(node)
        yield from ((node, other) for other in sorted(known[job]) if other != node)
