"""What a run sends over the mesh: messages and bytes, by what they are for."""

from edgeresearch.emulator.emulation import CALL_BYTES, STATE_BYTES, Result
from edgeresearch.emulator.mesh import Mesh
from edgeresearch.emulator.policies import LISTENING

MEGA = 1_000_000


def traffic(policy: str, mesh: Mesh, result: Result, *, seconds: float, interval: float) -> dict[str, float]:
    """Return how much each node sends per hour, on average over the mesh.

    Requests are those handed over; exchanges are the availabilities that every node publishes to each neighbour in each
    interval, for the policies that listen to them; syncs are the states that a policy with global knowledge has sent to
    it, one per node and trigger; samples are the models and cached samples that went where a training ran.

    Args:
        policy: Its name.
        mesh: Where it ran.
        result: What it gave.
        seconds: How long it was, in virtual time.
        interval: Time between two exchanges, in seconds; 0 counts none, for then states are always fresh by assumption.
    """
    share = 3600 / seconds / len(mesh.nodes)
    exchanges = 2 * len(mesh.links) * seconds / interval if policy in LISTENING and interval > 0 else 0.0
    requests = sum(result.handed)
    return {
        "requests": requests * share,
        "exchanges": exchanges * share,
        "syncs": result.synced * share,
        "request_megabytes": requests * CALL_BYTES / MEGA * share,
        "exchange_megabytes": exchanges * STATE_BYTES / MEGA * share,
        "sync_megabytes": result.synced * STATE_BYTES / MEGA * share,
        "sample_megabytes": sum(result.megabytes) * share,
    }
