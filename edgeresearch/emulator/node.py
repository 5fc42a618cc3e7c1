"""A node in virtual time: what it has, and what is reserved on it."""

from typing import NamedTuple


class Run(NamedTuple):
    """A training that was decided on: its reservation, and what is learned of it when it has ended.

    Attributes:
        start: When it was decided, in seconds; the reservation holds from then on.
        end: When everything is done, container removed, in seconds.
        cpu: Millicores.
        memory: Megabytes.
        job: Whose training.
        node: Where it runs.
        place: Its place in the log.
        seconds: t_job.
        complete: t_complete.
        utilisation: Share of the limit that it uses, as the monitoring sees it.
    """

    start: float
    end: float
    cpu: float
    memory: float
    job: int
    node: int
    place: int
    seconds: float
    complete: float
    utilisation: float


class Host:
    """State of one node.

    Attributes:
        number: The node's.
        kind: Node class.
        capacity: CPU, in millicores.
        cpu: CPU that prediction jobs leave, in millicores.
        memory: Memory that they leave, in megabytes.
        phase: Time of an exchange, in seconds; the others follow in intervals.
        up: Whether it is in the mesh.
        since: When it joined, in seconds.
        runs: Reservations by their starts, those of the recent past among them.
    """

    __slots__ = ("capacity", "cpu", "kind", "memory", "number", "phase", "runs", "since", "up")

    def __init__(self, number: int, kind: str, capacity: float, memory: float, phase: float) -> None:
        self.number = number
        self.kind = kind
        self.capacity = capacity
        self.cpu = capacity
        self.memory = memory
        self.phase = phase
        self.up = True
        self.since = 0.0
        self.runs: tuple[Run, ...] = ()

    def free(self, now: float) -> tuple[float, float]:
        """Return free CPU and memory now, after all that was decided: millicores, megabytes."""
        cpu, memory = self.cpu, self.memory
        for run in self.runs:
            if run.end > now:
                cpu -= run.cpu
                memory -= run.memory
        return cpu, memory

    def published(self, time: float) -> tuple[float, float]:
        """Return free CPU and memory at an exchange of the recent past: millicores, megabytes.

        What ended at that very moment is free again; what was decided at that very moment is not yet in it.
        """
        cpu, memory = self.cpu, self.memory
        for run in self.runs:
            if run.start < time < run.end:
                cpu -= run.cpu
                memory -= run.memory
        return cpu, memory

    def reserve(self, run: Run, forget: float) -> None:
        """Take a run, for which there must be room, and forget those that ended before `forget`, in seconds."""
        runs = self.runs
        while runs and runs[0].end <= forget:
            runs = runs[1:]
        if len(runs) > 3:
            runs = tuple(old for old in runs if old.end > forget)
        self.runs = (*runs, run)
