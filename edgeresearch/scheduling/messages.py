"""What nodes tell each other: availability, requests, decisions, reports of trainings."""

from enum import StrEnum
from typing import NamedTuple


class Availability(NamedTuple):
    """The state that one node published, as one reader knows it.

    What a reader holds may be older than the moment at which it reads; `age` tells by how much. Latency and bandwidth
    come from the mesh at the moment of reading, as in the paper.

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


class Reason(StrEnum):
    """Why a decision was taken."""

    LOCAL = "feasible here"
    COLD_LOCAL = "cold start: here"
    FEASIBLE = "feasible at the neighbour"
    INFEASIBLE = "nowhere feasible: best infeasible neighbour"
    COLD_NEIGHBOUR = "cold start: random neighbour"
    CHOSEN = "chosen by the policy"
    BUSY = "previous training still running"
    CYCLE = "cycle"
    HOPS = "hop limit reached"
    NO_NEIGHBOUR = "no neighbour to hand over to"
    NO_CAPACITY = "no room"


class Request(NamedTuple):
    """A training that looks for a node.

    Attributes:
        job: Whose training it is.
        period: Time between two triggers of the job, in seconds.
        tried: The token: nodes that had the request before, the source first, without the one that has it now.
        limit: Millicores that the sender planned with; None where the receiver decides.
    """

    job: int
    period: float
    tried: tuple[int, ...] = ()
    limit: float | None = None

    @property
    def hops(self) -> int:
        """How often the request was handed over."""
        return len(self.tried)


class Decision(NamedTuple):
    """What a node does with a request; `run_at`, `hand_over` and `drop` make one in plain words.

    Attributes:
        reason: Why.
        node: Where the training runs, or to whom the request goes; None if it is dropped.
        run: Whether the training runs at `node` now.
        limit: Millicores that it gets, or that the sender planned with.
        seconds: Expected t_complete; None if nothing is known yet.
        extrapolation: How far the limit lies outside those that this rests on (`RuntimeModel.extrapolation`).
    """

    reason: Reason
    node: int | None = None
    run: bool = False
    limit: float | None = None
    seconds: float | None = None
    extrapolation: float | None = None

    @classmethod
    def run_at(cls, node: int, limit: float) -> "Decision":
        """Run the training at the node that decides, under a limit in millicores."""
        return cls(Reason.CHOSEN, node, True, limit)

    @classmethod
    def hand_over(cls, node: int) -> "Decision":
        """Hand the request over to another node, which decides in its turn."""
        return cls(Reason.CHOSEN, node)

    @classmethod
    def drop(cls, reason: Reason = Reason.NO_CAPACITY) -> "Decision":
        """Drop the training."""
        return cls(reason)


class TrainingReport(NamedTuple):
    """A training that ended, as its job's models learn of it (Paper B, section IV.C).

    Attributes:
        job: Whose training it was.
        node: Where it ran.
        kind: That node's class.
        period: The job's, in seconds.
        limit: Millicores that it had.
        seconds: t_job.
        complete: t_complete.
        utilisation: Share of the limit that it used on average, as the monitoring saw it.
        memory: Largest use, in megabytes.
        megabytes: What was sent to the node, or would have been.
        overhead: t_start + t_stop, in seconds.
    """

    job: int
    node: int
    kind: str
    period: float
    limit: float
    seconds: float
    complete: float
    utilisation: float
    memory: float = 0.0
    megabytes: float = 0.0
    overhead: float = 0.0
