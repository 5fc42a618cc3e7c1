"""What a node tells its neighbours about itself (Paper B, section IV.B)."""

from typing import NamedTuple


class Availability(NamedTuple):
    """The state that one node published, as one reader knows it.

    It is versioned by its time: what a reader holds may be older than the moment at which it reads, and `age` says by
    how much. Latency and bandwidth come from the mesh at the moment of reading, as in the paper.

    Attributes:
        node: Whose state it is.
        time: When it was true, in seconds.
        cpu: Free CPU, in millicores.
        memory: Free memory, in megabytes.
        utilisation: Share of the CPU in use, between 0 and 1.
        kind: Node class; runtime models are kept apart by it.
        latency: One way from the reader, in seconds; 0 for the reader itself.
        bandwidth: From the reader, in megabits per second; infinite for the reader itself.
    """

    node: int
    time: float
    cpu: float
    memory: float
    utilisation: float
    kind: str
    latency: float = 0.0
    bandwidth: float = float("inf")

    def age(self, now: float) -> float:
        """Return how old the state is at `now`, in seconds."""
        return now - self.time
